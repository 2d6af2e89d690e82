//! `azir audit INCIDENT`: the ten contents of 32.1 with the entries that show them, and the
//! operational failures of the log.

use std::fmt::Write as _;
use std::path::Path;

use azir_engine::audit::{self, AuditTrail};

use super::text::{fold, visible};
use super::{Talk, incident, say};
use crate::error::CliError;
use crate::host::Host;

/// Lines of one item that are shown; JSON has all.
const LINES_SHOWN: usize = 12;

/// Prints the audit trail.
pub(crate) fn run(talk: Talk, data: &Path, id: &str) -> Result<(), CliError> {
    let host = Host::open(data)?;
    let view = incident::find(&host, id)?;
    let trail = audit::trail(host.engine().state(), view);
    if talk.json {
        let items: Vec<_> = trail
            .items
            .iter()
            .map(|i| {
                serde_json::json!({"number": i.number, "name": i.name, "owed": i.owed,
                    "there": i.is_there(), "lines": i.lines, "entries": i.entries})
            })
            .collect();
        let value = serde_json::json!({"incident": view.id, "items": items,
            "failures": trail.failures});
        return say(&format!("{value:#}\n"));
    }
    say(&words(&trail, view.is_open()))
}

fn words(trail: &AuditTrail, open: bool) -> String {
    let mut out = String::new();
    for item in &trail.items {
        let state = match (item.is_there(), item.owed) {
            (false, _) if open => "not yet",
            (false, _) => "MISSING",
            (true, false) if item.lines.is_empty() => "not owed",
            (true, _) => "there",
        };
        let _infallible = writeln!(out, "{:>2} {:<50} {state}", item.number, item.name);
        let hidden = item.lines.len().saturating_sub(LINES_SHOWN);
        for line in item.lines.iter().take(LINES_SHOWN) {
            out.push_str(&fold("     ", "       ", &visible(line)));
        }
        if hidden > 0 {
            let _infallible = writeln!(out, "     and {hidden} more; --json lists all");
        }
        if !item.entries.is_empty() && item.number != 2 {
            let list: Vec<_> = item.entries.iter().take(LINES_SHOWN).map(u64::to_string).collect();
            let more = if item.entries.len() > LINES_SHOWN { " ..." } else { "" };
            let _infallible = writeln!(out, "     entries {}{more}", list.join(" "));
        }
    }
    out.push_str("\noperational failures\n");
    if trail.failures.is_empty() {
        out.push_str("  none\n");
    }
    for line in &trail.failures {
        out.push_str(&fold("  ", "    ", &visible(line)));
    }
    out
}
