//! `azir verify BUNDLE`: everything that public keys and the bundle alone can show.

mod keys;
mod watch;
pub(crate) mod withheld;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use azir_engine::Objects;
use azir_engine::recheck::{Counts as Rechecked, Fault, Recheck};
use azir_engine::state::FoldError;
use azir_ledger::bundle::{self, BundleFiles, Options, Presented, Trusted};
use azir_ledger::digest::Hasher;
use azir_ledger::note::{SignedNote, VerifierKey};
use azir_ledger::{Digest, Entry};
use azir_store::bundle_dir::DirBundle;

use self::watch::Watch;
use self::withheld::Withheld;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::pour;

/// Faults listed in full; the rest is counted.
const FAULTS_SHOWN: usize = 50;
/// Largest piece of evidence that a rule reads again, in bytes; larger ones are only digested.
const OBJECT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest checkpoint or proof file that is read, in bytes.
const SMALL_BYTES_MAX: u64 = 128 * 1024;

/// What the caller asked for.
pub(crate) struct Asked {
    pub(crate) bundle: PathBuf,
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) proof: Option<PathBuf>,
    pub(crate) ledger_key: Option<String>,
    pub(crate) witness_key: Vec<String>,
}

/// Evidence of a bundle, read on demand, and what of it was asked for in vain.
pub(crate) struct BundleObjects {
    files: DirBundle,
    missed: RefCell<BTreeSet<Digest>>,
}

impl BundleObjects {
    fn new(files: DirBundle) -> Self {
        Self { files, missed: RefCell::default() }
    }

    /// What was asked for in vain since the last call.
    fn missed(&self) -> BTreeSet<Digest> {
        self.missed.take()
    }

    fn is_there(&self, digest: &Digest) -> bool {
        self.files.open(&bundle::evidence_path(digest)).is_ok()
    }

    fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.files.open(&bundle::evidence_path(digest)).ok()?;
        file.take(OBJECT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    fn pass(&self, digest: &Digest, see: &mut dyn FnMut(&[u8])) -> Option<u64> {
        let mut file = self.files.open(&bundle::evidence_path(digest)).ok()?;
        let mut hasher = Hasher::default();
        let size = pour(&mut file, &mut |part| {
            hasher.update(part);
            see(part);
        });
        size.ok().filter(|_| hasher.finish() == *digest)
    }

    /// Remembers what is not here.
    fn noted<T>(&self, digest: &Digest, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.missed.borrow_mut().insert(*digest);
        }
        found
    }
}

impl Objects for BundleObjects {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.noted(digest, self.read(digest))
    }

    fn visit(&self, digest: &Digest, see: &mut dyn FnMut(&[u8])) -> Option<u64> {
        self.noted(digest, self.pass(digest, see))
    }
}

/// One fault: where, of which kind, and what was found. Kinds are stable codes.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Told {
    place: String,
    kind: &'static str,
    what: String,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.kind, self.what)
    }
}

/// Everything that was found.
struct Found {
    report: bundle::Report,
    counts: Rechecked,
    network: BTreeMap<&'static str, u64>,
    withheld: Withheld,
    faults: Vec<Told>,
}

impl Found {
    fn total(&self) -> u64 {
        self.faults.len() as u64 + self.report.more_findings
    }
}

/// Runs the check and prints what was checked, in counts.
pub(crate) fn run(talk: Talk, asked: &Asked) -> Result<(), CliError> {
    let options = options(asked)?;
    let objects = BundleObjects::new(open(&asked.bundle)?);
    let found = check(talk, &objects, &options, &mut |_| {});
    say(&if talk.json { json(&found) } else { text(&found) })?;
    sound(&found, &asked.bundle)
}

/// Every entry of a bundle that verifies, and its evidence.
///
/// # Errors
/// [`CliError::Faults`] when it does not verify.
pub(crate) fn entries(talk: Talk, dir: &Path) -> Result<(Vec<Entry>, BundleObjects), CliError> {
    let objects = BundleObjects::new(open(dir)?);
    let mut entries = Vec::new();
    let found = check(talk, &objects, &Options::default(), &mut |e| entries.push(e.clone()));
    sound(&found, dir)?;
    Ok((entries, objects))
}

/// The error of a bundle with faults.
fn sound(found: &Found, bundle: &Path) -> Result<(), CliError> {
    let Some(first) = found.faults.first() else { return Ok(()) };
    let total = found.total();
    let faults = if total == 1 { "fault" } else { "faults" };
    let bundle = bundle.display();
    let text = format!("{bundle}: {total} {faults}, the first: {}: {}", first.place, first.kind);
    Err(CliError::Faults(text))
}

fn open(dir: &Path) -> Result<DirBundle, CliError> {
    let kind = std::fs::metadata(dir).map_err(|e| CliError::read(dir, e))?;
    if !kind.is_dir() {
        let why =
            "a bundle is a directory; unpack it, or name the directory that holds bundle.json";
        return Err(CliError::content(dir, why));
    }
    DirBundle::open(dir).map_err(|e| CliError::read(dir, e))
}

fn check(
    talk: Talk,
    objects: &BundleObjects,
    options: &Options,
    tap: &mut dyn FnMut(&Entry),
) -> Found {
    let watch = Watch::new(&objects.files, talk);
    let mut recheck = Recheck::default();
    let mut rules = Vec::new();
    let mut lost = false;
    let mut last = None;
    let mut on_entry = |entry: &Entry| {
        tap(entry);
        if lost {
            return;
        }
        let _before = objects.missed();
        if let Err(fault) = recheck.next(entry, objects) {
            lost = matches!(fault, Fault::Fold(_));
            rules.push((entry.meta.index, fault, objects.missed()));
        }
        last = Some(entry.meta.recorded);
    };
    let report = bundle::verify(&watch, options, &mut on_entry);
    let mut withheld = Withheld::of(recheck.state(), last, |digest| !objects.is_there(digest));
    rules.retain(|(_, fault, missed)| !withheld.explains(fault, missed));
    let network = crate::cmd::drill::recheck_network(recheck.state(), objects);
    let own = report.findings.iter();
    let own =
        own.map(|f| Told { place: f.place.clone(), kind: f.kind.code(), what: f.what.clone() });
    let mut faults: Vec<Told> = own.collect();
    faults.extend(rules.iter().map(|(index, fault, _)| told(*index, fault)));
    faults.extend(keys::check(&watch, recheck.state(), &report.log));
    let network_faults = network.faults.into_iter().filter(|what| !withheld.is_named_in(what));
    faults.extend(network_faults.map(|what| Told {
        place: "evidence".to_owned(),
        kind: "network_object_invalid",
        what,
    }));
    watch.done();
    Found { counts: recheck.counts(), network: network.counts, withheld, report, faults }
}

/// A fault of the rules with its place and kind, on one line.
fn told(index: u64, fault: &Fault) -> Told {
    let kind = match fault {
        Fault::Inadmissible { .. } => "event_inadmissible",
        Fault::Fold(FoldError::View { .. }) => "view_mismatch",
        Fault::Fold(FoldError::Index { .. } | FoldError::Clock { .. }) => "event_order",
        Fault::Fold(FoldError::UnknownIncident { .. }) => "incident_unknown",
        Fault::Fold(FoldError::Body(_) | FoldError::Canon(_)) => "body_invalid",
    };
    let meta = matches!(
        fault,
        Fault::Fold(FoldError::View { .. } | FoldError::Index { .. } | FoldError::Clock { .. })
    );
    let place = if meta { bundle::meta_path(index) } else { bundle::event_path(index) };
    let text = fault.to_string();
    let lines: Vec<_> = text.lines().collect();
    Told { place, kind, what: lines.join(" | ").replacen(": | ", ": ", 1) }
}

fn options(asked: &Asked) -> Result<Options, CliError> {
    let key = |text: &String| {
        text.trim().parse::<VerifierKey>().map_err(|e| CliError::Usage(format!("{text}: {e}")))
    };
    let ledger = asked.ledger_key.as_ref().map(key).transpose()?;
    let witnesses = asked.witness_key.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let quorum = witnesses.len() as u64;
    let trusted = ledger.map(|ledger| Trusted { ledger, witnesses, quorum });
    let presented = asked.checkpoint.as_ref().map(|path| {
        let bytes = small(path)?;
        let note = SignedNote::parse(&bytes).map_err(|e| CliError::content(path, e))?;
        let consistency = asked.proof.as_deref().map(proof).transpose()?.unwrap_or_default();
        Ok::<_, CliError>(Presented { note, consistency })
    });
    Ok(Options { trusted, presented: presented.transpose()?, evidence_tags: Vec::new() })
}

/// Reads a file that must be small.
fn small(path: &Path) -> Result<Vec<u8>, CliError> {
    let file = std::fs::File::open(path).map_err(|e| CliError::read(path, e))?;
    let mut bytes = Vec::new();
    let read = file.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|e| CliError::read(path, e))?;
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        return Err(CliError::content(path, format!("longer than {SMALL_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn proof(path: &Path) -> Result<Vec<Digest>, CliError> {
    let bytes = small(path)?;
    let text = String::from_utf8(bytes).map_err(|e| CliError::content(path, e))?;
    text.lines().map(|l| l.trim().parse().map_err(|e| CliError::content(path, e))).collect()
}

/// What the network's own objects in the evidence showed.
#[derive(Debug, Default)]
pub(crate) struct NetworkCheck {
    /// Counts by what was checked.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Faults.
    pub(crate) faults: Vec<String>,
}

fn json(found: &Found) -> String {
    let counts = found.counts;
    let value = serde_json::json!({
        "clean": found.faults.is_empty(),
        "bundle": found.report,
        "rules": {
            "events_admitted": counts.events, "decisions_decided_again": counts.decisions,
            "transitions": counts.transitions, "restarts": counts.restarts,
            "views": counts.views, "refused_attempts": counts.refusals,
        },
        "network": found.network,
        "withheld": found.withheld,
        "faults": found.faults,
        "more_faults": found.report.more_findings,
    });
    format!("{value:#}\n")
}

fn text(found: &Found) -> String {
    let report = &found.report;
    let mut out = String::new();
    if !report.log.is_empty() {
        let _infallible = writeln!(out, "log {} of {} entries", report.log, report.size);
    }
    if let Some(root) = report.root {
        let _infallible = writeln!(out, "root {root}");
    }
    counts(found, &mut out);
    out.push_str(match (report.anchor, found.faults.is_empty()) {
        (bundle::Anchor::Trusted, true) => "anchored in the keys that you gave\n",
        (bundle::Anchor::Trusted, false) => "judged by the keys that you gave\n",
        (bundle::Anchor::BundleOnly, true) => {
            "anchored in the bundle's own keys: it is whole and of one hand; to know whose, give \
             --ledger-key and --witness-key\n"
        }
        (bundle::Anchor::BundleOnly, false) => "judged by the bundle's own keys\n",
    });
    for fault in found.faults.iter().take(FAULTS_SHOWN) {
        let _infallible = writeln!(out, "FAULT {fault}");
    }
    let hidden = found.total().saturating_sub(FAULTS_SHOWN as u64);
    if hidden > 0 {
        let _infallible = writeln!(out, "... and {hidden} more; --json lists up to 1000");
    }
    out.push_str(if found.faults.is_empty() {
        "OK: nothing is wrong\n"
    } else {
        "NOT OK: keep this copy as it is, and check a second one from another holder\n"
    });
    out
}

fn counts(found: &Found, out: &mut String) {
    let mut line = |what: &str, n: u64| {
        let _infallible = writeln!(out, "  {n:>8}  {what}");
    };
    let c = &found.report.counts;
    line("files digested", c.files);
    line("bytes in them", c.bytes);
    line("entries hashed into the tree", c.entries);
    line("signatures of people", c.by_people);
    line("signatures of machines", c.by_machines);
    line("signed checkpoints", c.checkpoints);
    line("cosignatures of witnesses", c.cosignatures);
    line("inclusion proofs", c.proofs);
    line("opening records with their id", c.records);
    line("pieces of evidence", c.evidence);
    line("events admitted again by the rules", found.counts.events);
    line("containment decisions decided again", found.counts.decisions);
    line("lifecycle transitions with their guards", found.counts.transitions);
    line("restart decisions with their criteria", found.counts.restarts);
    line("view hashes computed again", found.counts.views);
    for (what, n) in &found.network {
        line(what, *n);
    }
    for (what, n) in found.withheld.lines() {
        line(what, n);
    }
}
