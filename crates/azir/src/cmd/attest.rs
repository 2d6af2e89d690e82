//! `azir attest`: which controls of AZ-015 a log shows, section by section, each line with the
//! entries that show it. The judging is the engine's; this reads a deployment or a bundle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use azir_engine::attest::{Attestation, BEYOND, EntryAt, Line, Verdict, attest};
use azir_ledger::Entry;

use super::act::write_new;
use super::text::{fold, visible};
use super::{Talk, say, verify};
use crate::error::CliError;
use crate::host::{Host, now};

/// Entries and reasons that are shown for one line; JSON has all.
const SHOWN: usize = 8;

/// What the caller asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) data: PathBuf,
    pub(crate) bundle: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
}

/// Attests, prints, and writes the JSON where it was asked for.
pub(crate) fn run(talk: Talk, asked: &Asked) -> Result<(), CliError> {
    let found = match &asked.bundle {
        Some(bundle) => {
            let (entries, objects) = verify::entries(talk, bundle)?;
            attest(&entries, &objects, now())
        }
        None => {
            let host = Host::open(&asked.data)?;
            attest(&all(&host, &asked.data)?, &host.objects(), now())
        }
    };
    let json = json(&found)?;
    if let Some(out) = &asked.out {
        write_new(out, json.as_bytes())?;
    }
    say(&if talk.json { json } else { words(&found) })
}

/// Every entry of a deployment's ledger.
pub(crate) fn all(host: &Host, data: &Path) -> Result<Vec<Entry>, CliError> {
    host.ledger().read(0).map(|e| e.map_err(|e| CliError::read(data, e))).collect()
}

fn json(found: &Attestation) -> Result<String, CliError> {
    let internal = |e: serde_json::Error| CliError::Internal(e.to_string());
    let mut value = serde_json::to_value(found).map_err(internal)?;
    let beyond: Vec<_> = BEYOND
        .iter()
        .map(|(section, why)| serde_json::json!({"section": section, "why": why}))
        .collect();
    value["beyond"] = beyond.into();
    Ok(format!("{value:#}\n"))
}

fn words(found: &Attestation) -> String {
    let mut out = String::new();
    let _infallible = writeln!(out, "log {} of {} entries\n", visible(&found.log), found.size);
    for line in &found.lines {
        let verdict = match line.verdict {
            Verdict::Shown => "shown",
            Verdict::NotExercised => "not exercised",
            Verdict::Contradicted => "CONTRADICTED",
        };
        let head = format!("{:<5} {verdict:<13} ", line.section);
        out.push_str(&fold(&head, "                    ", line.control));
        below(line, &mut out);
    }
    let count = |v| found.count(v);
    let _infallible = writeln!(
        out,
        "\n{} shown, {} not exercised, {} contradicted",
        count(Verdict::Shown),
        count(Verdict::NotExercised),
        count(Verdict::Contradicted)
    );
    out.push_str("beyond a log:");
    for (section, why) in BEYOND {
        let _infallible = write!(out, " {section} ({why});");
    }
    out.pop();
    out.push('\n');
    out
}

fn below(line: &Line, out: &mut String) {
    const INDENT: &str = "                    ";
    if !line.entries.is_empty() {
        let first: Vec<_> = line.entries.iter().take(SHOWN).map(name).collect();
        let more = line.entries.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.push_str(&fold(INDENT, INDENT, &format!("{}{more}", first.join(" "))));
    }
    for against in line.against.iter().take(SHOWN) {
        let at = against.entry.as_ref().map_or("the log".to_owned(), name);
        let text = format!("against: {at}: {}", visible(&against.why));
        out.push_str(&fold(INDENT, &format!("{INDENT}  "), &text));
    }
}

fn name(at: &EntryAt) -> String {
    format!("{}:{}", at.index, at.event.short())
}
