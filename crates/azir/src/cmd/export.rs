//! `azir export DIR`: the whole log with its evidence as a bundle that anyone can check.

use std::path::Path;

use azir_ledger::bundle::{Export, ExportError, export};
use azir_ledger::canon;
use azir_store::bundle_dir::BundleWriter;

use super::{Talk, say};
use crate::error::CliError;
use crate::host::Host;

/// Signs a checkpoint and writes the bundle.
pub(crate) fn run(talk: Talk, data: &Path, out: &Path) -> Result<(), CliError> {
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
    let pieces = host.vault().list().map_err(|e| CliError::read(data, e))?;
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
        let value = serde_json::json!({"bundle": place.to_string(), "entries": state.size});
        return say(&format!("{value}\n"));
    }
    say(&format!("{} entries in {place}\nverify: azir verify {place}\n", state.size))
}
