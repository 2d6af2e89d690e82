//! `azir export DIR`: the whole log with its evidence as a bundle that anyone can check. With
//! --public without what outsiders must not read: sealed pieces, and postmortems under embargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use azir_ledger::bundle::{Export, ExportError, export, hashes_in};
use azir_ledger::{Digest, canon};
use azir_store::bundle_dir::BundleWriter;

use super::verify::withheld::secret;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{Host, now};

/// Signs a checkpoint and writes the bundle. Implements R-10.1-13.
pub(crate) fn run(talk: Talk, data: &Path, out: &Path, public: bool) -> Result<(), CliError> {
    outside(data, out)?;
    let host = Host::open(data)?;
    let note = host.checkpoint(data)?;
    let state = host.engine().state();
    let records = state.incidents.values().map(|v| canon::encode(&v.record));
    let records = records.collect::<Result<Vec<_>, _>>();
    let records = records.map_err(|e| CliError::Internal(e.to_string()))?;
    let ledger = host.log_key()?;
    let roster = state.roster(host.engine().log());
    let parts = Export {
        ledger: &ledger,
        witnesses: &[],
        quorum: 0,
        roster: &roster,
        checkpoints: std::slice::from_ref(&note),
        records: &records,
        extras: &[],
    };
    let writer = BundleWriter::create(out).map_err(|e| CliError::write(out, e))?;
    let io = |name: String, e: std::io::Error| ExportError::Io { name, source: e };
    let mut entries = host
        .ledger()
        .read(0)
        .map(|entry| entry.map_err(|e| io("ledger".to_owned(), std::io::Error::other(e))));
    let named = named(&host, data)?;
    let pieces = host.vault().list().map_err(|e| CliError::read(data, e))?;
    let secret = if public { secret(state, now()) } else { BTreeMap::new() };
    let (withheld, pieces): (Vec<_>, Vec<_>) = pieces
        .into_iter()
        .filter(|digest| named.contains(digest))
        .partition(|digest| secret.contains_key(digest));
    let mut evidence = pieces.into_iter().map(|digest| {
        let piece = host.vault().open_piece(&digest);
        let piece = piece.map_err(|e| io(digest.to_string(), std::io::Error::other(e)))?;
        Ok((digest, Box::new(piece) as Box<dyn std::io::Read>))
    });
    let mut sink = |name: &str, from: &mut dyn std::io::Read| writer.put(name, from);
    export(&parts, &mut entries, &mut evidence, &mut sink).map_err(|e| CliError::write(out, e))?;
    writer.finish().map_err(|e| CliError::write(out, e))?;
    let place = out.display();
    if talk.json {
        let value = serde_json::json!({"bundle": place.to_string(), "entries": state.size,
            "withheld": withheld.len()});
        return say(&format!("{value}\n"));
    }
    if public {
        say(&format!("withheld from the public: {} pieces\n", withheld.len()))?;
    }
    say(&format!("{} entries in {place}\nverify: azir verify {place}\n", state.size))
}

/// A bundle inside the deployment could be taken for a part of it.
fn outside(data: &Path, out: &Path) -> Result<(), CliError> {
    let Ok(data) = data.canonicalize() else { return Ok(()) };
    let full = std::path::absolute(out).map_err(|e| CliError::write(out, e))?;
    // The target does not exist yet: the nearest directory above it does.
    if full.ancestors().find_map(|p| p.canonicalize().ok()).is_some_and(|p| p.starts_with(&data)) {
        return Err(CliError::Usage(format!(
            "{} is inside the deployment {}; name a place outside",
            out.display(),
            data.display()
        )));
    }
    Ok(())
}

/// Every hash that the log's events and records name. The vault may hold more: pieces of an
/// `azir evidence` that was refused or cut off belong to no event.
fn named(host: &Host, data: &Path) -> Result<BTreeSet<Digest>, CliError> {
    let mut found = BTreeSet::new();
    for entry in host.ledger().read(0) {
        let entry = entry.map_err(|e| CliError::read(data, e))?;
        hashes_in(&entry.signed.event().body, &mut |hash| _ = found.insert(hash));
    }
    for view in host.engine().state().incidents.values() {
        let record = serde_json::to_value(&view.record);
        let record = record.map_err(|e| CliError::Internal(e.to_string()))?;
        hashes_in(&record, &mut |hash| _ = found.insert(hash));
    }
    Ok(found)
}
