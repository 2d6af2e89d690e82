//! `azir bench`: see docs/BENCH.md.

use super::{Talk, say};
use crate::error::CliError;

/// Runs one benchmark.
pub(crate) fn run(_talk: Talk, name: &str) -> Result<(), CliError> {
    let _ = say;
    Err(CliError::Usage(format!("no benchmark {name:?}")))
}
