//! `azir verify BUNDLE`: everything that public keys and the bundle alone can show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use azir_engine::Objects;
use azir_engine::recheck::{Counts as Rechecked, Fault, Recheck};
use azir_ledger::bundle::{self, BundleFiles, Options, Presented, Trusted};
use azir_ledger::note::{SignedNote, VerifierKey};
use azir_ledger::{Digest, Entry};
use azir_store::bundle_dir::DirBundle;

use super::{Talk, say};
use crate::error::CliError;

/// Faults listed in full; the rest is counted.
const FAULTS_SHOWN: usize = 50;
/// Largest piece of evidence that a rule reads again, in bytes; larger ones are only digested.
const OBJECT_BYTES_MAX: u64 = 16 * 1024 * 1024;

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

/// Runs the check and prints what was checked, in counts.
pub(crate) fn run(talk: Talk, asked: &Asked) -> Result<(), CliError> {
    let options = options(asked)?;
    let files = DirBundle::open(&asked.bundle).map_err(|e| CliError::read(&asked.bundle, e))?;
    let objects = BundleObjects(&files);
    let mut recheck = Recheck::default();
    let mut faults: Vec<(String, Fault)> = Vec::new();
    let mut lost = false;
    let mut on_entry = |entry: &Entry| {
        if lost {
            return;
        }
        if let Err(fault) = recheck.next(entry, &objects) {
            lost = matches!(fault, Fault::Fold(_));
            faults.push((format!("events/{:06}.json", entry.meta.index), fault));
        }
    };
    let report = bundle::verify(&files, &options, &mut on_entry);
    let network = crate::cmd::drill::recheck_network(recheck.state(), &objects);
    let counts = recheck.counts();
    let clean = report.is_clean() && faults.is_empty() && network.faults.is_empty();
    let text = if talk.json {
        json(&report, counts, &faults, &network, clean)
    } else {
        text(&report, counts, &faults, &network)
    };
    say(&text)?;
    let total = report.findings.len() as u64
        + report.more_findings
        + faults.len() as u64
        + network.faults.len() as u64;
    if clean {
        Ok(())
    } else {
        Err(CliError::Faults(format!("{}: {total} faults", asked.bundle.display())))
    }
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
        let bytes = std::fs::read(path).map_err(|e| CliError::read(path, e))?;
        let note = SignedNote::parse(&bytes).map_err(|e| CliError::content(path, e))?;
        let consistency = asked.proof.as_ref().map(proof).transpose()?.unwrap_or_default();
        Ok::<_, CliError>(Presented { note, consistency })
    });
    Ok(Options { trusted, presented: presented.transpose()?, evidence_tags: Vec::new() })
}

fn proof(path: &PathBuf) -> Result<Vec<Digest>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| CliError::read(path, e))?;
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

fn json(
    report: &bundle::Report,
    counts: Rechecked,
    faults: &[(String, Fault)],
    network: &NetworkCheck,
    clean: bool,
) -> String {
    let rules: Vec<_> = faults
        .iter()
        .map(|(place, fault)| serde_json::json!({"place": place, "what": fault.to_string()}))
        .collect();
    let value = serde_json::json!({
        "clean": clean,
        "bundle": report,
        "rules": {
            "events_admitted": counts.events, "decisions_decided_again": counts.decisions,
            "transitions": counts.transitions, "restarts": counts.restarts,
            "views": counts.views, "refused_attempts": counts.refusals, "faults": rules,
        },
        "network": { "counts": network.counts, "faults": network.faults },
    });
    format!("{value:#}\n")
}

fn text(
    report: &bundle::Report,
    counts: Rechecked,
    faults: &[(String, Fault)],
    network: &NetworkCheck,
) -> String {
    let c = &report.counts;
    let mut out = String::new();
    let mut line = |what: &str, n: u64| {
        let _infallible = writeln!(out, "  {n:>8}  {what}");
    };
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
    line("events admitted again by the rules", counts.events);
    line("containment decisions decided again", counts.decisions);
    line("lifecycle transitions with their guards", counts.transitions);
    line("restart decisions with their criteria", counts.restarts);
    line("view hashes computed again", counts.views);
    for (what, n) in &network.counts {
        line(what, *n);
    }
    let mut head = format!("log {} of {} entries\n", report.log, report.size);
    if let Some(root) = report.root {
        let _infallible = writeln!(head, "root {root}");
    }
    out.insert_str(0, &head);
    out.push_str(match report.anchor {
        bundle::Anchor::Trusted => "anchored in the keys that you gave\n",
        bundle::Anchor::BundleOnly => {
            "anchored in the bundle's own keys: it is whole and of one hand; to know whose, give \
             --ledger-key and --witness-key\n"
        }
    });
    let lines = report.findings.iter().map(ToString::to_string);
    let rules = faults.iter().map(|(place, fault)| format!("{place}: rules: {fault}"));
    let seen = network.faults.iter().map(|fault| format!("network objects: {fault}"));
    let all: Vec<String> = lines.chain(rules).chain(seen).collect();
    for fault in all.iter().take(FAULTS_SHOWN) {
        let _infallible = writeln!(out, "FAULT {fault}");
    }
    if all.len() > FAULTS_SHOWN {
        let _infallible = writeln!(out, "... and {} more", all.len() - FAULTS_SHOWN);
    }
    out.push_str(if all.is_empty() { "OK: nothing is wrong\n" } else { "NOT OK\n" });
    out
}
