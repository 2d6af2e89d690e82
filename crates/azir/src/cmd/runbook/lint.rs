//! `azir runbook lint`.

use std::collections::BTreeMap;
use std::path::Path;

use azir_model::{Refusal, RefusalKind, Role};
use azir_runbook::{Finding, Roster, lint};
use serde_json::json;

use super::super::{Talk, say};
use super::library::{Found, find, newest};
use crate::error::CliError;
use crate::host::Host;

/// Checks runbooks; a finding ends the command with a refusal, after all were checked.
pub(super) fn run(
    talk: Talk,
    words: &[String],
    all: bool,
    data: Option<&Path>,
) -> Result<(), CliError> {
    let mut books = if all { newest(data)? } else { Vec::new() };
    for word in words {
        books.push(find(word, data)?);
    }
    let roster = data.map(roster).transpose()?;
    let checked: Vec<(Found, Vec<Finding>)> = books
        .into_iter()
        .map(|found| {
            let findings = lint(&found.book, roster.as_ref());
            (found, findings)
        })
        .collect();
    let total: usize = checked.iter().map(|(_, findings)| findings.len()).sum();
    if talk.json {
        let rows: Vec<_> = checked
            .iter()
            .map(|(found, findings)| {
                json!({"runbook": found.book.id(), "version": found.book.version(),
                    "runbook_hash": found.book.hash(), "from": found.from, "findings": findings})
            })
            .collect();
        say(&format!("{:#}\n", json!({"runbooks": rows, "findings": total})))?;
    } else {
        say(&checked.iter().map(|(found, findings)| told(found, findings)).collect::<String>())?;
    }
    if total == 0 {
        return Ok(());
    }
    let bad: Vec<_> =
        checked.iter().filter(|(_, f)| !f.is_empty()).map(|(b, _)| b.from.as_str()).collect();
    Err(CliError::Refused(Refusal::one(
        RefusalKind::GuardUnmet,
        format!("lint: findings in {}: {total}", bad.join(", ")),
        "34.1, D-117",
        "mend each path that is shown; no version with a finding is released",
    )))
}

fn told(found: &Found, findings: &[Finding]) -> String {
    let steps = found.book.steps().len();
    let head = format!("{:<19} {steps:>2} steps  {}", found.name(), found.from);
    if findings.is_empty() {
        return format!("{head}: no finding\n");
    }
    let list: String = findings.iter().map(|f| format!("  {f}\n")).collect();
    format!("{head}: findings: {}\n{list}", findings.len())
}

/// Who can take each role in a deployment.
fn roster(data: &Path) -> Result<Roster, CliError> {
    let host = Host::open(data)?;
    let mut roster = Roster { people: BTreeMap::new() };
    let policy = host.engine().state().policy.iter();
    for (role, person) in policy.flat_map(|p| &p.people).flat_map(|p| pairs(&p.roles, &p.id)) {
        roster.people.entry(role).or_default().insert(person);
    }
    Ok(roster)
}

fn pairs<'a>(roles: &'a [Role], id: &'a str) -> impl Iterator<Item = (Role, String)> + 'a {
    roles.iter().map(move |role| (*role, id.to_owned()))
}
