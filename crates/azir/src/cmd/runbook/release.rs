//! `azir runbook release|history`: versions in a log, with the people behind them (35.2, D-117).

use std::path::Path;

use azir_engine::body::{BoundRunbook, RunbookReleased};
use azir_engine::{Body, Objects as _, State};
use azir_model::RunbookId;
use azir_runbook::{Part, Runbook};
use serde_json::{Value, json};

use super::super::act::{Author, finish};
use super::super::text::{fold, visible};
use super::super::{Talk, say};
use super::library;
use crate::error::CliError;
use crate::host::Host;

/// Makes the event of a release; its text is put into the vault first.
pub(super) fn release(
    talk: Talk,
    data: &Path,
    file: &Path,
    reason: String,
    author: &Author,
) -> Result<(), CliError> {
    let role = author.role()?;
    let found = library::file(file)?;
    let mut host = Host::open(data)?;
    let object = host.keep(&mut found.text.as_bytes())?;
    let book = &found.book;
    let version = u64::from(book.version());
    let body = Body::RunbookReleased(RunbookReleased {
        runbook: BoundRunbook { id: book.id(), version, hash: book.hash().0, object },
        previous: book.previous().map(|h| h.0),
        reason,
    });
    let event = host.event(None, &author.actor, role, &body);
    finish(talk, &mut host, &event, author)
}

/// Shows the versions of one runbook, oldest first.
pub(super) fn history(talk: Talk, data: &Path, word: &str) -> Result<(), CliError> {
    let id: RunbookId = word.to_ascii_uppercase().parse().map_err(|_| {
        let known: Vec<_> = RunbookId::ALL.iter().map(|id| id.as_str()).collect();
        CliError::Usage(format!("{} is no runbook: {}", visible(word), known.join(" ")))
    })?;
    let host = Host::open(data)?;
    let state = host.engine().state();
    let mut rows = Vec::new();
    let mut before: Option<Runbook> = None;
    for bound in state.runbooks.iter().filter(|r| r.id == id) {
        let text = host.objects().get(&bound.object).ok_or_else(|| {
            CliError::Internal(format!("the text of {id} version {} is gone", bound.version))
        })?;
        let from = format!("{id}@{}", bound.version);
        let book = azir_runbook::load(&String::from_utf8_lossy(&text), &from)
            .map_err(|e| CliError::Internal(e.to_string()))?;
        rows.push(row(state, bound, &book, before.as_ref()));
        before = Some(book);
    }
    if talk.json {
        return say(&format!("{:#}\n", json!({"runbook": id, "versions": rows})));
    }
    say(&rows.iter().map(told).collect::<String>())
}

fn row(state: &State, bound: &BoundRunbook, book: &Runbook, before: Option<&Runbook>) -> Value {
    let release = state.releases.iter().find(|r| r.released.runbook == *bound);
    let changed = before.map(|before| {
        let differs = |p: &&Part| before.header().part(**p) != book.header().part(**p);
        Part::ALL.iter().filter(differs).map(|p| p.as_str()).collect::<Vec<_>>()
    });
    let mark = |m: &azir_engine::view::Mark| json!({"by": m.by, "role": m.role, "at": m.at, "entry": m.index});
    json!({
        "version": bound.version, "runbook_hash": bound.hash, "previous": book.previous(),
        "title": book.title(), "changed": changed,
        "released": release.map(|r| mark(&r.mark)),
        "approvals": release.map(|r| r.approvals.iter().map(mark).collect::<Vec<_>>()),
        "reason": release.map(|r| &r.released.reason),
    })
}

fn told(row: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let who = |m: &Value| {
        format!(
            "{} as {}, {}, entry {}",
            text(&m["by"]),
            text(&m["role"]),
            text(&m["at"]),
            m["entry"]
        )
    };
    let mut out = format!("version {}  {}\n", row["version"], text(&row["runbook_hash"]));
    let mut line = |first: &str, said: &str| out.push_str(&fold(first, "            ", said));
    if row["released"].is_null() {
        line("  came      ", "with the log's first entry");
    } else {
        line("  released  ", &visible(&who(&row["released"])));
        for approval in row["approvals"].as_array().into_iter().flatten() {
            line("  approved  ", &visible(&who(approval)));
        }
        line("  reason    ", &visible(&text(&row["reason"])));
    }
    if let Some(parts) = row["changed"].as_array() {
        let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
        line("  changed   ", &parts.join(", "));
    }
    out
}
