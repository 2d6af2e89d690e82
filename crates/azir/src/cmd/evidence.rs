//! `azir evidence add`: files go into the vault while they are hashed, and are pinned in the log.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::body::EvidenceItems;
use azir_ledger::{Digest, Event};
use azir_model::evidence::{Descriptor, Item, KEY_SCAN_BYTES_MAX, private_key_format};
use azir_model::{Refusal, RefusalKind};

use super::act::{Author, finish, free, person_key, sign};
use super::{Talk, input_text, regular};
use crate::error::CliError;
use crate::host::{Host, now};

/// A file that tells how far it was read.
struct Counted<'a> {
    file: File,
    bar: &'a indicatif::ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(into)?;
        self.bar.inc(n as u64);
        Ok(n)
    }
}

/// What is to be held.
pub(crate) struct Held {
    pub(crate) incident: Digest,
    pub(crate) item: Item,
    pub(crate) scope: String,
    pub(crate) collected: bool,
    pub(crate) files: Vec<PathBuf>,
}

/// Stores the files and pins or collects them for one checklist item.
pub(crate) fn add(talk: Talk, data: &Path, what: &Held, author: &Author) -> Result<(), CliError> {
    // Without a readable seed the deployment does not open below.
    let seed = input_text(&data.join("keys/server.seed")).unwrap_or_default();
    for file in &what.files {
        refuse_keys(file, seed.trim())?;
    }
    let mut host = Host::open(data)?;
    may_add(&mut host, what, author)?;
    let mut items = Vec::new();
    for file in &what.files {
        items.push(keep(talk, &host, file, what, author)?);
    }
    let event = event(&host, what, items, author);
    finish(talk, &mut host, &event, author)
}

fn event(host: &Host, what: &Held, items: Vec<Descriptor>, author: &Author) -> Event {
    let held = EvidenceItems { scope: what.scope.clone(), items, verified_by: None };
    let body =
        if what.collected { Body::EvidenceCollected(held) } else { Body::EvidencePinned(held) };
    host.event(Some(what.incident), &author.actor, Some(&author.role), &body)
}

/// Asks the engine's rules about an event without items before bytes are stored: who may not add
/// evidence leaves none behind. An authenticated refusal is recorded like any other.
fn may_add(host: &mut Host, what: &Held, author: &Author) -> Result<(), CliError> {
    let trial = event(host, what, Vec::new(), author);
    let Some(key) = &author.key else {
        author.out.as_deref().map_or(Ok(()), free)?;
        let policy = host.engine().state().policy.as_ref();
        let person = policy.and_then(|p| p.person(&author.actor));
        if person.is_some_and(|p| p.roles.iter().any(|r| r.as_str() == author.role)) {
            return Ok(());
        }
        return Err(CliError::Refused(Refusal::one(
            RefusalKind::NotAuthorized,
            format!("{} is not eligible as {:?} in this log", author.actor, author.role),
            "7.1, 11, D-017",
            "name a person of the roster and one of that person's roles",
        )));
    };
    let signed = sign(&trial, &person_key(key)?, key)?;
    let Err(refused) = host.judge(&signed) else { return Ok(()) };
    // That the trial has no items is no fault of the person.
    let faults = refused.refusal.unmet().iter();
    let faults: Vec<_> =
        faults.filter(|u| u.kind != RefusalKind::EvidenceMissing).cloned().collect();
    let refusal = Refusal::unless_met(faults);
    if refusal.is_err() && refused.authenticated {
        let _refused_too = host.submit(signed);
    }
    refusal.map_err(CliError::Refused)
}

/// How much of a window is seen again at the beginning of the next, in bytes: more than the texts
/// of one key format lie apart.
const OVERLAP_BYTES: usize = 64 * 1024;

/// Nothing is stored when a file holds a private key (D-025), or this deployment's own. The whole
/// file is read, in windows that overlap.
fn refuse_keys(file: &Path, seed: &str) -> Result<(), CliError> {
    let mut open = regular(file)?;
    let mut window = Vec::with_capacity(KEY_SCAN_BYTES_MAX);
    loop {
        let room = (KEY_SCAN_BYTES_MAX - window.len()) as u64;
        let read = open.by_ref().take(room).read_to_end(&mut window);
        if read.map_err(|e| CliError::read(file, e))? == 0 {
            return Ok(());
        }
        let own = || {
            let seed = seed.as_bytes();
            let held = !seed.is_empty() && window.windows(seed.len()).any(|w| w == seed);
            held.then_some("private key: the seed of this deployment's server")
        };
        if let Some(format) = private_key_format(&window).or_else(own) {
            return Err(CliError::Refused(Refusal::one(
                RefusalKind::ForbiddenPower,
                format!("{} holds a {format}", file.display()),
                "10, 21.2, D-025",
                "store a proof of exposure instead, for example a challenge signed with the key",
            )));
        }
        window.drain(..window.len().saturating_sub(OVERLAP_BYTES));
    }
}

fn keep(
    talk: Talk,
    host: &Host,
    file: &Path,
    what: &Held,
    author: &Author,
) -> Result<Descriptor, CliError> {
    let open = regular(file)?;
    let size = open.metadata().map_err(|e| CliError::read(file, e))?.len();
    let bar = talk.progress(size);
    bar.set_message(file.display().to_string());
    let mut from = Counted { file: open, bar: &bar };
    let hash = host.keep(&mut from)?;
    bar.finish_and_clear();
    Ok(Descriptor {
        item: what.item,
        hash,
        size: from.bar.position(),
        media: "application/octet-stream".to_owned(),
        source: what.scope.clone(),
        obtained_at: now(),
        collector: author.actor.clone(),
    })
}
