//! `azir incident watch`: every new entry of the log, as it comes. The ledger is opened, read and
//! closed each time its files have changed, so that no lock is held between two looks.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use azir_ledger::{Digest, Entry};
use azir_store::durable::DiskError;
use azir_store::ledger::{LedgerStore, StoreError};
use serde_json::json;

use super::text::visible;
use super::{Talk, input_text, kinds};
use crate::error::CliError;
use crate::host::patient;

/// How long it waits between two looks.
const STEP: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// Entries of this incident alone.
    pub(crate) incident: Option<Digest>,
    /// The first index to print; absent means what comes from now on, or with `once` everything.
    pub(crate) since: Option<u64>,
    /// Print what is there, and end.
    pub(crate) once: bool,
}

/// Prints entries until the reader goes away.
pub(crate) fn run(talk: Talk, data: &Path, watched: Watched) -> Result<(), CliError> {
    let ledger = Ledger::of(data)?;
    let mut next = match (watched.since, watched.once) {
        (Some(index), _) => index,
        (None, true) => 0,
        (None, false) => ledger.read(u64::MAX, |_| true)?,
    };
    let mut seen = None;
    loop {
        let stamp = ledger.stamp();
        if seen.is_none() || seen != stamp {
            let mut reading = true;
            next = ledger.read(next, |entry| {
                let about =
                    watched.incident.is_none_or(|id| entry.signed.event().subject == Some(id));
                reading = !about || printed(talk, entry);
                reading
            })?;
            if !reading {
                return Ok(());
            }
            seen = ledger.stamp();
        }
        if watched.once {
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
}

/// The files of a ledger, and the log that they hold.
struct Ledger {
    dir: PathBuf,
    origin: String,
}

impl Ledger {
    fn of(data: &Path) -> Result<Self, CliError> {
        let path = data.join("deployment.json");
        let meta: serde_json::Value =
            serde_json::from_str(&input_text(&path)?).map_err(|e| CliError::content(&path, e))?;
        let origin =
            meta["log"].as_str().ok_or_else(|| CliError::content(&path, "names no log"))?;
        Ok(Self { dir: data.join("ledger"), origin: origin.to_owned() })
    }

    /// Gives each entry from an index on to `take`, until it says no; gives the next index.
    fn read(&self, from: u64, mut take: impl FnMut(&Entry) -> bool) -> Result<u64, CliError> {
        let fail = |e: StoreError| CliError::read(&self.dir, e);
        let held = |e: &StoreError| matches!(e, StoreError::Disk(DiskError::Locked { .. }));
        let store = patient(|| LedgerStore::open(&self.dir, &self.origin), held).map_err(fail)?;
        // An index beyond the end is one of the future.
        let from = if from == u64::MAX { store.size() } else { from };
        if from >= store.size() {
            return Ok(from);
        }
        for entry in store.read(from) {
            if !take(&entry.map_err(fail)?) {
                break;
            }
        }
        Ok(store.size())
    }

    /// Sizes and times of the ledger's files; unknown when they cannot be seen.
    fn stamp(&self) -> Option<Vec<(PathBuf, u64, SystemTime)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir).ok()?.flatten() {
            let meta = entry.metadata().ok()?;
            files.push((entry.path(), meta.len(), meta.modified().ok()?));
        }
        files.sort();
        Some(files)
    }
}

/// Prints one entry; false when the reader has gone away.
fn printed(talk: Talk, entry: &Entry) -> bool {
    let event = entry.signed.event();
    let line = if talk.json {
        let value = json!({
            "index": entry.meta.index, "recorded": entry.meta.recorded, "type": event.kind,
            "incident": event.subject, "actor": event.actor, "role": event.role,
            "at": event.at, "body": event.body, "event": entry.signed.hash(),
        });
        format!("{value}\n")
    } else {
        let role = event.role.as_deref().map_or(String::new(), |r| format!(" {r}"));
        let incident = event.subject.map_or("log".to_owned(), |id| id.short());
        visible(&format!(
            "{:>5}  {}  {incident:<8}  {}{role}: {}",
            entry.meta.index,
            entry.meta.recorded,
            event.actor,
            kinds::title(&event.kind)
        )) + &said(event)
            + "\n"
    };
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// The members of a body that a line has room for: names and words of closed lists.
fn said(event: &azir_ledger::Event) -> String {
    /// Members that say in one word what happened, in the order in which they are shown.
    const SHORT: [&str; 14] = [
        "from",
        "to",
        "class",
        "severity",
        "person",
        "role",
        "scope",
        "measure",
        "node",
        "profile",
        "item",
        "step",
        "attempted",
        "text",
    ];
    let words = SHORT.iter().filter_map(|name| event.body.get(*name)?.as_str());
    let words: Vec<_> = words.map(|w| crate::report::clip(&visible(w), 40)).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) }
}
