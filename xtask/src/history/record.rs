//! A recorded incident, as far as scoring needs it.

use std::fmt;
use std::path::{Path, PathBuf};

use azir_model::advise::Situation;
use azir_model::{Choice, IncidentClass, Severity};
use serde::Deserialize;

/// Records with another scheme are refused rather than misread.
pub(super) const SCHEMA: &str = "az-015-history/1";

/// The parts of a record that scoring needs; `detection` alone goes into the advice.
#[derive(Deserialize)]
pub(super) struct Record {
    schema: String,
    pub(super) id: String,
    pub(super) detection: Situation,
    #[serde(rename = "final")]
    pub(super) outcome: Final,
    pub(super) expected: Expected,
}

/// What became known in the end.
#[derive(Deserialize)]
pub(super) struct Final {
    pub(super) class: IncidentClass,
}

/// The coder's judgement.
#[derive(Deserialize)]
pub(super) struct Expected {
    pub(super) severity_min: Severity,
    pub(super) severity_max: Severity,
    pub(super) containment_acceptable: Vec<Choice>,
    pub(super) containment_unacceptable: Vec<Choice>,
    pub(super) emergency_escalation: Escalation,
}

/// Whether the coder would take the emergency path.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Escalation {
    Yes,
    No,
    Either,
}

impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Either => "either",
        })
    }
}

/// Every record of a directory, by file name.
///
/// # Errors
/// A directory or record that cannot be read, or no record at all.
pub(super) fn read(dir: &Path) -> Result<Vec<Record>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| {
        format!("no history records at {}: {e}; name their directory with --data", dir.display())
    })?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("couldn't list {}: {e}", dir.display()))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} holds no record (*.toml)", dir.display()));
    }
    paths.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Result<Record, String> {
    let place = |e: &dyn fmt::Display| format!("couldn't read {}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| place(&e))?;
    let record: Record = toml::from_str(&text).map_err(|e| place(&e))?;
    if record.schema != SCHEMA {
        return Err(place(&format!("schema {:?} is not {SCHEMA}", record.schema)));
    }
    Ok(record)
}
