//! `azir evidence keep`: content that an act will name by its hash, for example a replay report, a
//! proof or a draft. It pins nothing and says nothing in the log; what no event names stays out of
//! every bundle.

use std::path::{Path, PathBuf};

use azir_ledger::Digest;
use serde_json::json;

use super::{listed, source, uploading};
use crate::cmd::{Talk, say};
use crate::error::CliError;
use crate::host::Host;

/// Stores the files and gives their hashes.
pub(super) fn keep(talk: Talk, data: &Path, words: &[PathBuf]) -> Result<(), CliError> {
    // Opened and closed: a directory that is no deployment is named before anything is read.
    drop(Host::open(data)?);
    let found = source::find(data, words)?;
    let mut upload = uploading(talk, data, &Digest::of(b"keep"))?;
    let pieces = upload.read(found.sources)?;
    upload.store(&pieces)?;
    upload.resume.remove()?;
    if talk.json {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|p| json!({"name": p.name, "hash": p.hash, "size": p.size, "media": p.media}))
            .collect();
        return say(&format!("{}\n", json!({ "pieces": pieces })));
    }
    listed("not looked at", &upload.notes);
    say(&pieces.iter().map(|p| format!("{}  {}\n", p.hash, p.name)).collect::<String>())
}
