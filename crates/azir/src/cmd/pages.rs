//! Writing pages: a directory that holds nothing else, and files that appear whole.

use std::path::Path;

use super::input;
use crate::error::CliError;

/// Makes `dir`, or takes it when it holds the output of an earlier run: a file `mark` with this
/// `schema`.
pub(crate) fn place(dir: &Path, mark: &str, schema: &str) -> Result<(), CliError> {
    let empty = std::fs::read_dir(dir).map_or(true, |mut names| names.next().is_none());
    let own = || {
        let bytes = input(&dir.join(mark)).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        Some(value.get("schema")? == schema)
    };
    if !empty && own() != Some(true) {
        return Err(CliError::Usage(format!(
            "{} holds something else than earlier pages of this kind; nothing was written, name \
             an empty or a new directory",
            dir.display()
        )));
    }
    std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))
}

/// Writes a file beside its place and moves it there.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), CliError> {
    let fail = |e| CliError::write(path, e);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    let beside = path.with_added_extension("partial");
    std::fs::write(&beside, text).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}
