//! `azir runbook diff`: what differs between two versions, by step and by member, and whether the
//! change is critical (35.2, D-117).

use std::collections::BTreeSet;

use azir_runbook::{Part, Runbook};
use serde_json::{Map, Value, json};

use super::super::text::{fold, visible};
use super::super::{Talk, say};
use super::library::Found;
use crate::error::CliError;

/// One member that differs.
struct Change {
    part: Part,
    /// The member, with the id of the step or line that it belongs to.
    place: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Shows what differs.
pub(super) fn run(talk: Talk, old: &Found, new: &Found) -> Result<(), CliError> {
    let changes = changes(&old.book, &new.book)?;
    let header = header(&old.book, &new.book);
    let parts: BTreeSet<Part> = changes.iter().map(|c| c.part).collect();
    let critical: Vec<_> = parts.iter().filter(|p| p.is_critical()).map(|p| p.as_str()).collect();
    let editorial: Vec<_> = parts.iter().filter(|p| !p.is_critical()).map(|p| p.as_str()).collect();
    if talk.json {
        let rows: Vec<_> = changes
            .iter()
            .map(
                |c| json!({"part": c.part, "place": c.place, "before": c.before, "after": c.after}),
            )
            .collect();
        let value = json!({
            "old": {"name": old.name(), "from": old.from, "runbook_hash": old.book.hash()},
            "new": {"name": new.name(), "from": new.from, "runbook_hash": new.book.hash(),
                "previous": new.book.previous()},
            "follows": follows(&old.book, &new.book), "header": header,
            "critical": critical, "editorial": editorial, "changes": rows,
        });
        return say(&format!("{value:#}\n"));
    }
    let mut out =
        format!("{} {}\n{} {}\n", old.name(), old.book.hash(), new.name(), new.book.hash());
    if changes.is_empty() && header.is_empty() {
        out.push_str("no difference in content\n");
        return say(&out);
    }
    if !follows(&old.book, &new.book) {
        out.push_str("the second does not name the first as its previous version\n");
    }
    out.push_str(&match critical.is_empty() {
        true => "editorial: no step, containment or exit criterion changed\n".to_owned(),
        false => format!("critical: {} changed; two leads must approve\n", critical.join(", ")),
    });
    for member in &header {
        out.push_str(&format!("~ header: {member}\n"));
    }
    for part in &parts {
        out.push_str(&format!("{part}\n"));
        changes.iter().filter(|c| c.part == *part).for_each(|c| out.push_str(&shown(c)));
    }
    say(&out)
}

fn follows(old: &Runbook, new: &Runbook) -> bool {
    new.previous() == Some(old.hash())
}

fn header(old: &Runbook, new: &Runbook) -> Vec<&'static str> {
    let (a, b) = (old.header(), new.header());
    let same = [
        ("runbook_id", a.runbook_id == b.runbook_id),
        ("title", a.title == b.title),
        ("incident_class", a.incident_class == b.incident_class),
        ("severity_min", a.severity_min == b.severity_min),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

fn changes(old: &Runbook, new: &Runbook) -> Result<Vec<Change>, CliError> {
    let mut all = Vec::new();
    for part in Part::ALL {
        let [a, b] = [old, new].map(|book| {
            let bytes = book.part_bytes(*part).map_err(|e| CliError::Internal(e.to_string()))?;
            serde_json::from_slice(&bytes).map_err(|e| CliError::Internal(e.to_string()))
        });
        compare(*part, "", &a?, &b?, &mut all);
    }
    Ok(all)
}

/// Goes down where both sides are objects, or lists whose members have ids.
fn compare(part: Part, place: &str, a: &Value, b: &Value, all: &mut Vec<Change>) {
    if a == b {
        return;
    }
    let under = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place} {name}"),
    };
    let pair = match (a, b) {
        (Value::Object(a), Value::Object(b)) => Some((a.clone(), b.clone())),
        (Value::Array(a), Value::Array(b)) => by_id(a).zip(by_id(b)),
        _ => None,
    };
    let mut one = |place: String, before: Option<&Value>, after: Option<&Value>| {
        all.push(Change { part, place, before: before.cloned(), after: after.cloned() });
    };
    let Some((left, right)) = pair else {
        return one(place.to_owned(), Some(a), Some(b));
    };
    if left == right {
        // The same members in another order: the order of steps is content.
        let order = |v: &Value| -> Vec<Value> {
            v.as_array().into_iter().flatten().map(|m| key(m).into()).collect()
        };
        return one(under("order"), Some(&order(a).into()), Some(&order(b).into()));
    }
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) => compare(part, &under(name), a, b, all),
            (a, b) => {
                all.push(Change { part, place: under(name), before: a.cloned(), after: b.cloned() })
            }
        }
    }
}

/// What names a member of a list.
fn key(member: &Value) -> String {
    let name = |m: &str| member.get(m).and_then(Value::as_str).map(str::to_owned);
    name("id").or_else(|| name("choice")).unwrap_or_default()
}

fn by_id(list: &[Value]) -> Option<Map<String, Value>> {
    let named: Map<_, _> = list.iter().map(|m| (key(m), m.clone())).collect();
    (named.len() == list.len() && !named.contains_key("")).then_some(named)
}

fn shown(change: &Change) -> String {
    let text = |v: &Value| match v {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    };
    let (mark, place) = match (&change.before, &change.after) {
        (None, Some(_)) => ("+", &change.place),
        (Some(_), None) => ("-", &change.place),
        _ => ("~", &change.place),
    };
    let mut out = format!("  {mark} {place}\n");
    let sides = [("-", &change.before), ("+", &change.after)];
    for (side, value) in sides {
        if let Some(value) = value {
            out.push_str(&fold(&format!("      {side} "), "        ", &text(value)));
        }
    }
    out
}
