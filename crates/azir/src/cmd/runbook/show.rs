//! `azir runbook list|show`: a runbook to read, as text, as JSON and as a picture.

use std::path::Path;

use azir_engine::words;
use azir_model::RefusalKind;
use azir_runbook::model::{Criterion, EvidenceItem};
use azir_runbook::{Part, Runbook, Step, StepId, picture as svg};
use serde_json::{Value, json};

use super::super::act::write_new;
use super::super::runs::{effect, undo, way, ways};
use super::super::text::{fold, visible};
use super::super::{Talk, say};
use super::library::{Found, versions};
use crate::error::CliError;

/// Lists every version.
pub(super) fn list(talk: Talk, data: Option<&Path>) -> Result<(), CliError> {
    let all = versions(data)?;
    if talk.json {
        let rows: Vec<_> = all.iter().map(about).collect();
        return say(&format!("{:#}\n", json!({"runbooks": rows})));
    }
    let row = |f: &Found| {
        let b = &f.book;
        let (class, least) = (b.class().as_str(), b.severity_min().as_str());
        format!("{:<19} {class:<22} from {least:<14} {}\n", f.name(), visible(b.title()))
    };
    say(&all.iter().map(row).collect::<String>())
}

fn about(found: &Found) -> Value {
    let b = &found.book;
    json!({
        "runbook": b.id(), "version": b.version(), "title": b.title(), "classes": b.classes(),
        "severity_min": b.severity_min(), "steps": b.steps().len(), "from": found.from,
        "runbook_hash": b.hash(), "previous": b.previous(),
    })
}

/// Writes the picture of a runbook's paths.
pub(super) fn picture(talk: Talk, found: &Found, out: &Path) -> Result<(), CliError> {
    write_new(out, svg(&found.book).as_bytes())?;
    let file = out.display().to_string();
    if talk.json {
        let value =
            json!({"runbook": found.name(), "runbook_hash": found.book.hash(), "out": file});
        return say(&format!("{value}\n"));
    }
    say(&format!("{file}: the paths of {}\n", found.name()))
}

/// Shows a runbook, or one step of it.
pub(super) fn show(talk: Talk, found: &Found, step: Option<&str>) -> Result<(), CliError> {
    let book = &found.book;
    let only = step.map(|id| step_of(book, id)).transpose()?;
    if talk.json {
        return say(&format!("{:#}\n", as_json(found, only)?));
    }
    if let Some(step) = only {
        return say(&one(step, number(book, step)));
    }
    say(&page(found))
}

fn step_of<'b>(book: &'b Runbook, id: &str) -> Result<&'b Step, CliError> {
    book.step(&StepId::from(id)).ok_or_else(|| {
        let known: Vec<_> = book.steps().iter().map(|s| s.id.as_str()).collect();
        CliError::Refused(azir_model::Refusal::one(
            RefusalKind::UnknownEnum,
            format!("{} has no step {id:?}", book.id()),
            "34.1",
            format!("its steps are {}", known.join(" ")),
        ))
    })
}

fn number(book: &Runbook, step: &Step) -> usize {
    book.steps().iter().position(|s| s.id == step.id).map_or(0, |n| n + 1)
}

/// The header, and the parts that its hashes are over.
fn as_json(found: &Found, only: Option<&Step>) -> Result<Value, CliError> {
    let mut value = about(found);
    if let Some(step) = only {
        value["step"] = json!(step);
        return Ok(value);
    }
    let internal = |e: &dyn std::fmt::Display| CliError::Internal(e.to_string());
    let mut parts = serde_json::Map::new();
    for part in Part::ALL {
        let bytes = found.book.part_bytes(*part).map_err(|e| internal(&e))?;
        let of: Value = serde_json::from_slice(&bytes).map_err(|e| internal(&e))?;
        parts.insert(part.to_string(), of);
    }
    value["header"] = json!(found.book.header());
    value["parts"] = parts.into();
    Ok(value)
}

/// The whole runbook, in the order in which it is needed.
fn page(found: &Found) -> String {
    let book = &found.book;
    let mut out = format!("{}  {}\n", found.name(), book.hash());
    out.push_str(&fold("", "", &visible(book.title())));
    out.push_str(&fold("", "", &visible(book.summary())));
    let classes: Vec<_> = book.classes().iter().map(|c| c.as_str()).collect();
    out.push_str(&fold("for       ", "          ", &classes.join(", ")));
    let least = book.severity_min();
    let duty = format!("from {least}; below it is advice. Its owner is {}", book.owner());
    out.push_str(&fold("must be followed ", "          ", &duty));
    if let Some(previous) = book.previous() {
        out.push_str(&format!("replaces  {previous}\n"));
    }
    out.push_str("\nWHEN IT FITS\n");
    for t in book.triggers() {
        let title = format!("{} [{}] proposes {}", visible(&t.title), t.why, t.severity_hint);
        out.push_str(&fold("- ", "  ", &title));
        out.push_str(&fold("    when ", "         ", &t.when.to_string()));
    }
    criteria(&mut out, "BEFORE IT STARTS", book.preconditions());
    out.push_str("\nWHAT TO KEEP\n");
    book.evidence().iter().for_each(|e| out.push_str(&evidence(e)));
    out.push_str("\nHOW FAR TO GO\n");
    for c in book.containment() {
        let title = format!("{}, at most {}", c.choice, visible(&c.scope_max));
        out.push_str(&fold("- ", "  ", &title));
        let mut line = |name: &str, text: &str| {
            out.push_str(&fold(&format!("    {name:<6}"), "          ", text));
        };
        line("when", &c.when.to_string());
        line("why", &visible(&c.reason));
        line("undo", &visible(&c.undo));
        line("takes", &format!("about {}", span(c.expect_s)));
    }
    out.push_str("\nWHAT TO DO\n");
    for (n, step) in book.steps().iter().enumerate() {
        out.push_str(&one(step, n + 1));
    }
    out.push_str("\nWHO IS CALLED\n");
    for e in book.escalation() {
        let when = match e.after_s {
            0 => format!("at once on {}", e.on),
            s => format!("{} after {}", span(s), e.on),
        };
        let text = format!("{when}: {}: {}", words::role(e.role), visible(&e.text));
        out.push_str(&fold("- ", "  ", &text));
    }
    criteria(&mut out, "IT IS OVER WHEN", book.exit());
    if !book.drills().is_empty() {
        out.push_str(&fold("\nDRILLS: ", "  ", &visible(&book.drills().join(", "))));
    }
    out
}

fn criteria(out: &mut String, heading: &str, list: &[Criterion]) {
    out.push_str(&format!("\n{heading}\n"));
    for c in list {
        out.push_str(&fold("- ", "  ", &format!("{} [{}]", visible(&c.title), c.why)));
        out.push_str(&fold("    when ", "         ", &c.when.to_string()));
    }
}

fn evidence(item: &EvidenceItem) -> String {
    let pin = if item.pin { ", pinned at once" } else { "" };
    let open = if item.qualified { ", may be not applicable" } else { "" };
    let text = format!(
        "{}: {} [{}] from {}{pin}{open}",
        item.id,
        visible(&item.title),
        item.why,
        item.from
    );
    fold("- ", "  ", &text)
}

/// One step, as a person needs it.
fn one(step: &Step, number: usize) -> String {
    let mode = step.mode.map(|m| format!(", {m}")).unwrap_or_default();
    let head =
        format!("{} [{}]  {}, {}{mode}", step.id, step.why.join(", "), step.work.kind(), step.part);
    let mut out = fold(&format!("{number:>2}. "), "    ", &head);
    out.push_str(&fold("    ", "    ", &visible(&step.title)));
    out.push_str(&fold("    ", "    ", &visible(&step.text)));
    let mut line = |name: &str, text: &str| {
        out.push_str(&fold(&format!("    {name:<9}"), "             ", text));
    };
    if let Some(guard) = &step.guard {
        line("only if", &guard.to_string());
    }
    line("effect", &effect(step));
    let roles: Vec<_> = step.roles.iter().map(|r| r.as_str()).collect();
    line("who", &roles.join(" "));
    if !step.evidence.is_empty() {
        line("evidence", &step.evidence.join(" "));
    }
    line("ways on", &ways(step));
    line("due", &format!("in {}; then {}", span(step.deadline_s), way(&step.on_deadline)));
    line("undo", &undo(step));
    out
}

/// Seconds, as people say them.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 && s > 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 && s > 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}
