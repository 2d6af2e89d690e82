//! `azir verify BUNDLE`: everything that public keys and the bundle alone can show.

mod keys;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use azir_engine::Objects;
use azir_engine::recheck::{Counts as Rechecked, Fault, Recheck};
use azir_engine::state::FoldError;
use azir_ledger::bundle::{self, BundleFiles, Options, Presented, Trusted};
use azir_ledger::note::{SignedNote, VerifierKey};
use azir_ledger::{Digest, Entry};
use azir_store::bundle_dir::DirBundle;

use self::watch::Watch;
use super::{Talk, say};
use crate::error::CliError;

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

/// Evidence of a bundle, read on demand.
struct BundleObjects<'a>(&'a DirBundle);

impl Objects for BundleObjects<'_> {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let hex = digest.to_string();
        let name = format!("evidence/sha256/{}/{hex}", &hex[..2]);
        let mut bytes = Vec::new();
        let file = self.0.open(&name).ok()?;
        file.take(OBJECT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
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
    let files = open(&asked.bundle)?;
    let found = check(talk, &files, &options);
    say(&if talk.json { json(&found) } else { text(&found) })?;
    let Some(first) = found.faults.first() else { return Ok(()) };
    let total = found.total();
    let faults = if total == 1 { "fault" } else { "faults" };
    let bundle = asked.bundle.display();
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

fn check(talk: Talk, files: &DirBundle, options: &Options) -> Found {
    let objects = BundleObjects(files);
    let watch = Watch::new(files, talk);
    let mut recheck = Recheck::default();
    let mut rules = Vec::new();
    let mut lost = false;
    let mut on_entry = |entry: &Entry| {
        if lost {
            return;
        }
        if let Err(fault) = recheck.next(entry, &objects) {
            lost = matches!(fault, Fault::Fold(_));
            rules.push(told(entry.meta.index, &fault));
        }
    };
    let report = bundle::verify(&watch, options, &mut on_entry);
    let network = crate::cmd::drill::recheck_network(recheck.state(), &objects);
    let own = report.findings.iter();
    let own =
        own.map(|f| Told { place: f.place.clone(), kind: f.kind.code(), what: f.what.clone() });
    let mut faults: Vec<Told> = own.collect();
    faults.extend(rules);
    faults.extend(keys::check(&watch, recheck.state(), &report.log));
    faults.extend(network.faults.into_iter().map(|what| Told {
        place: "evidence".to_owned(),
        kind: "network_object_invalid",
        what,
    }));
    watch.done();
    Found { counts: recheck.counts(), network: network.counts, report, faults }
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
}
