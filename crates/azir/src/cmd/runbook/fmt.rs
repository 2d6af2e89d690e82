//! `azir runbook fmt`: one layout for runbook files. Only the layout changes.

use std::path::{Path, PathBuf};

use azir_model::{Refusal, RefusalKind};
use azir_runbook::{load, to_toml};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::super::act::with_suffix;
use super::super::{Talk, say};
use super::library;
use crate::error::CliError;

/// Writes or checks files. All are read before any is written.
pub(super) fn run(
    talk: Talk,
    files: &[PathBuf],
    check: bool,
    drop_comments: bool,
) -> Result<(), CliError> {
    let mut changed = Vec::new();
    for file in files {
        let found = library::file(file)?;
        let lost = comments_below(&found.text);
        if let Some(line) = lost.first().filter(|_| !drop_comments && !check) {
            return Err(CliError::content(
                file,
                format!(
                    "line {line} holds a comment, which the layout has no place for; move it into \
                     a text or to the first lines, or give --drop-comments; no file was changed"
                ),
            ));
        }
        let text = format!("{}{}", heading(&found.text), to_toml(&found.book));
        let again = load(&text, &found.from).map_err(|e| CliError::Internal(e.to_string()))?;
        if again != found.book {
            return Err(CliError::Internal(format!("{}: another runbook came out", found.from)));
        }
        if text != found.text {
            changed.push((file, text));
        }
    }
    let names: Vec<_> = changed.iter().map(|(file, _)| file.display().to_string()).collect();
    if !check {
        for (file, text) in &changed {
            replace(file, text)?;
        }
    }
    if talk.json {
        say(&format!("{}\n", serde_json::json!({"files": files.len(), "changed": names})))?;
    } else {
        let word = if check { "has another layout" } else { "written" };
        let rows: String = names.iter().map(|name| format!("{name}: {word}\n")).collect();
        say(&format!(
            "{rows}{} of {} files had the layout\n",
            files.len() - names.len(),
            files.len()
        ))?;
    }
    if check && !names.is_empty() {
        return Err(CliError::Refused(Refusal::one(
            RefusalKind::NotCanonical,
            format!("layout: {}", names.join(", ")),
            "D-116",
            "run `azir runbook fmt` on them without --check",
        )));
    }
    Ok(())
}

/// Comments and blank lines before the first key, which stay.
fn heading(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.take_while(|l| l.trim().is_empty() || l.trim_start().starts_with('#')).collect()
}

/// Lines with a comment below the heading.
fn comments_below(text: &str) -> Vec<usize> {
    let from = heading(text).len();
    let tokens = Source::new(text).lex();
    let comments = tokens.filter(|t| t.kind() == TokenKind::Comment && t.span().start() >= from);
    comments
        .map(|t| text.get(..t.span().start()).unwrap_or_default().matches('\n').count() + 1)
        .collect()
}

/// The new text stands whole or not at all.
fn replace(file: &Path, text: &str) -> Result<(), CliError> {
    let beside = with_suffix(file, ".new");
    super::super::act::write_new(&beside, text.as_bytes())?;
    std::fs::rename(&beside, file).map_err(|e| CliError::write(file, e))
}
