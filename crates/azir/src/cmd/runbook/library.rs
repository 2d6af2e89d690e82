//! Where a runbook comes from: this program, the log of a deployment, or a file.

use std::path::{Path, PathBuf};

use azir_engine::Objects as _;
use azir_model::RunbookId;
use azir_runbook::{LoadError, Runbook};

use super::super::input_text;
use super::super::text::visible;
use crate::error::CliError;
use crate::host::{Host, RUNBOOKS};

/// A runbook with the place that it came from.
pub(super) struct Found {
    /// What was loaded.
    pub(super) book: Runbook,
    /// Its text.
    pub(super) text: String,
    /// A file, or the name of a version.
    pub(super) from: String,
}

impl Found {
    /// `ID@N`.
    pub(super) fn name(&self) -> String {
        name(&self.book)
    }
}

/// `ID@N`.
pub(super) fn name(book: &Runbook) -> String {
    format!("{}@{}", book.id(), book.version())
}

/// The runbooks of this program and, with a deployment, those of its log that are new to it; by id
/// and version.
pub(super) fn versions(data: Option<&Path>) -> Result<Vec<Found>, CliError> {
    let mut all = Vec::new();
    for (file, text) in RUNBOOKS {
        let book = azir_runbook::load(text, file);
        let book = book.map_err(|e| CliError::Internal(e.to_string()))?;
        all.push(Found { book, text: text.to_owned(), from: format!("runbooks/{file}") });
    }
    if let Some(dir) = data {
        let host = Host::open(dir)?;
        for bound in &host.engine().state().runbooks {
            let known = all.iter().any(|f: &Found| f.book.hash().0 == bound.hash);
            let Some(text) = host.objects().get(&bound.object).filter(|_| !known) else { continue };
            let text = String::from_utf8_lossy(&text).into_owned();
            let from = format!("{}@{} of the log", bound.id, bound.version);
            let book = azir_runbook::load(&text, &from);
            let book = book.map_err(|e| CliError::Internal(e.to_string()))?;
            all.push(Found { book, text, from });
        }
    }
    all.sort_by_key(|f| (f.book.id(), f.book.version()));
    Ok(all)
}

/// The newest version of each runbook.
pub(super) fn newest(data: Option<&Path>) -> Result<Vec<Found>, CliError> {
    let mut newest: Vec<Found> = Vec::new();
    for found in versions(data)? {
        match newest.last_mut() {
            Some(last) if last.book.id() == found.book.id() => *last = found,
            _ => newest.push(found),
        }
    }
    Ok(newest)
}

/// The runbook of a name or file.
pub(super) fn find(word: &str, data: Option<&Path>) -> Result<Found, CliError> {
    let (id, version) = match word.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (word, None),
    };
    let Ok(id) = id.to_ascii_uppercase().parse::<RunbookId>() else {
        let path = Path::new(word);
        if path.exists() || word.contains(['/', '.']) {
            return file(path);
        }
        let known: Vec<_> = RunbookId::ALL.iter().map(|id| id.as_str()).collect();
        return Err(CliError::Usage(format!(
            "{} is no runbook and no file; runbooks are {}",
            visible(word),
            known.join(" ")
        )));
    };
    let all: Vec<_> = versions(data)?.into_iter().filter(|f| f.book.id() == id).collect();
    let have: Vec<_> = all.iter().map(|f| f.book.version().to_string()).collect();
    let wanted = |f: &Found| version.is_none_or(|v| v == f.book.version().to_string());
    all.into_iter().rfind(wanted).ok_or_else(|| {
        let where_else = if data.is_none() { "; --data DIR looks into a log too" } else { "" };
        CliError::Usage(format!("{id} has the versions {}{where_else}", have.join(" ")))
    })
}

/// Loads a file.
pub(super) fn file(path: &Path) -> Result<Found, CliError> {
    let text = input_text(path)?;
    let from = path.display().to_string();
    let book = azir_runbook::load(&text, &from).map_err(|e| fault(&text, &e))?;
    Ok(Found { book, text, from })
}

/// Longest part of a line of a file that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// What is wrong with a file, with the line shown and the column marked.
pub(super) fn fault(text: &str, error: &LoadError) -> CliError {
    let Some(place) = error.place() else {
        return CliError::Usage(error.to_string());
    };
    let told = error.to_string();
    let why = told.strip_prefix(&format!("{place}: ")).unwrap_or(&told);
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
    // A long line is shown from shortly before the place.
    let skip = place.column.saturating_sub(1).saturating_sub(SHOWN_CHARS_MAX / 2);
    let shown: String = line.chars().skip(skip).take(SHOWN_CHARS_MAX).collect();
    let before: String = shown.chars().take(place.column.saturating_sub(1 + skip)).collect();
    let margin = " ".repeat(place.line.to_string().len());
    let column = " ".repeat(visible(&before).chars().count());
    let why = format!(
        "{}\n{margin} |\n{} | {}\n{margin} | {column}^",
        visible(why),
        place.line,
        visible(&shown)
    );
    CliError::Content { path: PathBuf::from(place.to_string()), why }
}
