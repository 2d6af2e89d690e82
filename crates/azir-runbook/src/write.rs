//! From [`Runbook`] back to the text of its file: `load(to_toml(book)) == book`.
//!
//! The document is first put into the shape of the file as plain JSON ([`document`]), then written
//! as TOML ([`toml`]). The writer judges nothing: what has no place in TOML or in a runbook is
//! written as it is and refused by [`crate::load`], the only door to a [`Runbook`].

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::model::{Containment, Criterion, EvidenceItem, FORMAT, Runbook, Step, Undo, Work};
use crate::predicate::{Predicate, Test};

/// Keys in the order in which people read them; every table follows this one list. Keys that are
/// not on it come after, by name.
const ORDER: &[&str] = &[
    "format",
    "id",
    "choice",
    "version",
    "previous",
    "title",
    "class",
    "classes",
    "severity_min",
    "owner",
    "summary",
    "drills",
    "on",
    "after_s",
    "role",
    "text",
    "goto",
    "by",
    "roles",
    "part",
    "mode",
    "does",
    "kind",
    "effect",
    "op",
    "args",
    "attempts_max",
    "outcomes",
    "question",
    "of_step",
    "quorum",
    "answers",
    "scope_max",
    "fact",
    "is",
    "at_least",
    "at_most",
    "all",
    "any",
    "not",
    "when",
    "until",
    "severity_hint",
    "from",
    "pin",
    "qualified",
    "why",
    "trigger",
    "precondition",
    "evidence",
    "guard",
    "reason",
    "edges",
    "next",
    "on_fail",
    "on_unknown",
    "on_reject",
    "on_deadline",
    "deadline_s",
    "undo",
    "irreversible_because",
    "expect_s",
    "containment",
    "escalation",
    "exit",
];

/// The runbook as the text of a file, in one fixed layout. Loading it gives the same runbook, and
/// writing that gives the same text.
#[must_use]
pub fn to_toml(book: &Runbook) -> String {
    toml(&document(book))
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?)));
    Value::Object(there.collect())
}

/// The runbook with the keys of its file. No member is null, no number is a float.
pub(crate) fn document(book: &Runbook) -> Value {
    let list = |of: &[Criterion]| of.iter().map(criterion).collect::<Vec<_>>();
    let triggers = book.triggers.iter().map(|t| {
        json!({ "id": t.id, "title": t.title, "when": predicate(&t.when),
                "severity_hint": t.severity_hint, "why": t.why })
    });
    object([
        ("format", Some(json!(FORMAT))),
        ("id", Some(json!(book.id))),
        ("version", Some(json!(book.version))),
        ("previous", book.previous.map(|p| json!(p))),
        ("title", Some(json!(book.title))),
        ("class", Some(json!(book.class))),
        ("classes", Some(json!(book.classes))),
        ("severity_min", Some(json!(book.severity_min))),
        ("owner", Some(json!(book.owner))),
        ("summary", Some(json!(book.summary))),
        ("drills", Some(json!(book.drills))),
        ("trigger", Some(triggers.collect())),
        ("precondition", Some(json!(list(&book.preconditions)))),
        ("evidence", Some(book.evidence.iter().map(evidence).collect())),
        ("containment", Some(book.containment.iter().map(containment).collect())),
        ("escalation", Some(json!(book.escalation))),
        ("exit", Some(json!(list(&book.exit)))),
        ("step", Some(book.steps.iter().map(step).collect())),
    ])
}

fn criterion(of: &Criterion) -> Value {
    json!({ "id": of.id, "title": of.title, "when": predicate(&of.when), "why": of.why })
}

fn evidence(of: &EvidenceItem) -> Value {
    let flag = |set: bool| set.then_some(json!(true));
    object([
        ("id", Some(json!(of.id))),
        ("title", Some(json!(of.title))),
        ("from", Some(json!(of.from))),
        ("pin", flag(of.pin)),
        ("qualified", flag(of.qualified)),
        ("why", Some(json!(of.why))),
    ])
}

fn containment(of: &Containment) -> Value {
    json!({ "choice": of.choice, "scope_max": of.scope_max, "when": predicate(&of.when),
            "reason": of.reason, "undo": of.undo, "expect_s": of.expect_s })
}

/// One step with the keys of the file.
pub(crate) fn step(of: &Step) -> Value {
    let (undo, irreversible) = match &of.undo {
        Undo::Undo(text) => (Some(json!(text)), None),
        Undo::IrreversibleBecause(text) => (None, Some(json!(text))),
        Undo::NothingChanged => (None, None),
    };
    let by = object([
        ("roles", Some(json!(of.roles))),
        ("part", Some(json!(of.part))),
        ("mode", of.mode.map(|m| json!(m))),
        ("why", Some(json!(of.why))),
    ]);
    object([
        ("id", Some(json!(of.id))),
        ("title", Some(json!(of.title))),
        ("text", Some(json!(of.text))),
        ("by", Some(by)),
        ("does", Some(does(of))),
        ("answers", answers(&of.work)),
        ("evidence", (!of.evidence.is_empty()).then(|| json!(of.evidence))),
        ("guard", of.guard.as_ref().map(predicate)),
        ("edges", Some(edges(of))),
        ("undo", undo),
        ("irreversible_because", irreversible),
    ])
}

fn does(step: &Step) -> Value {
    let mut does = Map::new();
    does.insert("kind".into(), json!(step.work.kind()));
    does.insert("effect".into(), json!(step.effect));
    let own = match &step.work {
        Work::Auto { op, args, attempts_max, .. } => object([
            ("op", Some(json!(op))),
            ("args", (!args.is_empty()).then(|| json!(args))),
            ("attempts_max", Some(json!(attempts_max))),
        ]),
        Work::Manual { outcomes, .. } => json!({ "outcomes": outcomes }),
        Work::Decision { question, .. } => json!({ "question": question }),
        Work::Approval { quorum, next, .. } => json!({ "of_step": next, "quorum": quorum }),
        Work::Check { when, .. } => json!({ "when": predicate(when) }),
        Work::Wait { until, .. } => json!({ "until": predicate(until) }),
    };
    if let Value::Object(own) = own {
        does.extend(own);
    }
    Value::Object(does)
}

fn answers(work: &Work) -> Option<Value> {
    let Work::Decision { answers, .. } = work else { return None };
    let answer = |a: &crate::model::Answer| {
        object([
            ("id", Some(json!(a.id))),
            ("text", Some(json!(a.text))),
            ("goto", Some(json!(a.goto))),
            ("when", a.when.as_ref().map(predicate)),
        ])
    };
    Some(answers.iter().map(answer).collect())
}

fn edges(step: &Step) -> Value {
    let (next, fail, unknown, reject) = match &step.work {
        Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
            (Some(next), Some(on_fail), None, None)
        }
        Work::Decision { .. } => (None, None, None, None),
        Work::Approval { next, on_reject, .. } => (Some(next), None, None, Some(on_reject)),
        Work::Check { next, on_fail, on_unknown, .. } => {
            (Some(next), Some(on_fail), Some(on_unknown), None)
        }
        Work::Wait { next, .. } => (Some(next), None, None, None),
    };
    object([
        ("next", next.map(|t| json!(t))),
        ("on_fail", fail.map(|t| json!(t))),
        ("on_unknown", unknown.map(|t| json!(t))),
        ("on_reject", reject.map(|t| json!(t))),
        ("on_deadline", Some(json!(step.on_deadline))),
        ("deadline_s", Some(json!(step.deadline_s))),
    ])
}

fn predicate(of: &Predicate) -> Value {
    match of {
        Predicate::All(of) => json!({ "all": of.iter().map(predicate).collect::<Vec<_>>() }),
        Predicate::Any(of) => json!({ "any": of.iter().map(predicate).collect::<Vec<_>>() }),
        Predicate::Not(inner) => json!({ "not": predicate(inner) }),
        Predicate::Fact { name, test } => match test {
            Test::Is(value) => json!({ "fact": name, "is": value }),
            Test::AtLeast(n) => json!({ "fact": name, "at_least": n }),
            Test::AtMost(n) => json!({ "fact": name, "at_most": n }),
        },
    }
}

/// A document of [`document`]'s shape as TOML. Recursion is as deep as the value is nested; null
/// becomes a word that no reader of TOML accepts.
pub(crate) fn toml(document: &Value) -> String {
    let mut out = String::new();
    let Value::Object(members) = document else { return out };
    for (name, value) in ordered(members).into_iter().filter(|(name, _)| *name != "step") {
        if tables(value).is_some() {
            out.push('\n');
        }
        member(name, value, &mut out);
    }
    match members.get("step").map(|steps| (steps, tables(steps))) {
        None => {}
        Some((_, Some(steps))) => {
            for step in steps {
                out.push_str("\n[[step]]\n");
                for (name, value) in ordered(step) {
                    member(name, value, &mut out);
                }
            }
        }
        Some((other, None)) => member("step", other, &mut out),
    }
    out
}

fn ordered(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let rank = |name: &str| ORDER.iter().position(|k| *k == name).unwrap_or(ORDER.len());
    let mut list: Vec<_> = members.iter().map(|(k, v)| (k.as_str(), v)).collect();
    list.sort_by_key(|(name, _)| (rank(name), *name));
    list
}

/// The members of a list that holds tables and nothing else.
fn tables(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_object).collect()
}

/// A line of its own: tables of a list below each other, long prose over several lines.
fn member(name: &str, value: &Value, out: &mut String) {
    key(name, out);
    out.push_str(" = ");
    match (value, tables(value)) {
        (Value::String(text), _) if text.contains('\n') => lines(text, out),
        (_, Some(_)) => {
            out.push_str("[\n");
            for item in value.as_array().into_iter().flatten() {
                out.push_str("  ");
                inline(item, out);
                out.push_str(",\n");
            }
            out.push(']');
        }
        (_, None) => inline(value, out),
    }
    out.push('\n');
}

fn key(name: &str, out: &mut String) {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) { out.push_str(name) } else { line(name, out) }
}

fn inline(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => line(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                inline(item, out);
            }
            out.push(']');
        }
        Value::Object(members) if members.is_empty() => out.push_str("{}"),
        Value::Object(members) => {
            for (i, (name, value)) in ordered(members).into_iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "{ " });
                key(name, out);
                out.push_str(" = ");
                inline(value, out);
            }
            out.push_str(" }");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _infallible = write!(out, "{value}");
        }
    }
}

fn line(text: &str, out: &mut String) {
    out.push('"');
    text.chars().for_each(|c| if c == '"' { out.push_str("\\\"") } else { plain(c, out) });
    out.push('"');
}

/// Several lines between triple quotes; the line break after the opening ones is not content.
fn lines(text: &str, out: &mut String) {
    out.push_str("\"\"\"\n");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\n', _) => out.push('\n'),
            // A quote before another or before the end could close the string.
            ('"', None | Some('"')) => out.push_str("\\\""),
            ('"', Some(_)) => out.push('"'),
            (c, _) => plain(c, out),
        }
    }
    out.push_str("\"\"\"");
}

fn plain(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => {
            let _infallible = write!(out, "\\u{:04X}", u32::from(c));
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped_tests::shipped;
    use crate::testing::{CONSENSUS, consensus, load_ok};

    #[test]
    fn every_shipped_runbook_is_read_back_as_it_was_and_written_the_same_twice() {
        let all = shipped();
        assert!(all.len() >= 11);
        for one in &all {
            let text = to_toml(&one.runbook);
            let again = load_ok(&text);
            assert_eq!(again, one.runbook, "{}", one.dir);
            assert_eq!(again.hash(), one.runbook.hash());
            assert_eq!(to_toml(&again), text, "{}", one.dir);
            assert!(text.lines().count() > one.runbook.steps().len() * 6);
        }
    }

    #[test]
    fn prose_of_several_lines_stays_readable_whatever_it_holds() {
        let prose = "First \\ line.\n\n\"Quoted\" and \"\"\"three\"\"\".\n\u{e9}nd\"";
        let mut book = consensus();
        book.steps[0].text = prose.into();
        book.triggers[0].title = prose.into();
        book.previous = Some(book.hash());
        let book = book.seal().unwrap();
        let text = to_toml(&book);
        assert_eq!(load_ok(&text), book);
        assert!(text.contains("text = \"\"\"\nFirst \\\\ line.\n\n\"Quoted\" and"), "{text}");
    }

    #[test]
    fn what_has_no_place_in_a_runbook_is_left_to_the_loader_to_refuse() {
        let whole = document(&consensus());
        assert_eq!(load_ok(&toml(&whole)), load_ok(CONSENSUS));
        for (name, value) in [
            ("step", json!(1)),
            ("step", json!([])),
            ("version", Value::Null),
            ("version", json!(1.5)),
            ("a\nb = 1", json!(1)),
            ("title", json!("x\" \nversion = 7")),
            ("owner", json!({ "a": [{ "b": null }] })),
        ] {
            let mut other = whole.clone();
            other[name] = value;
            let read = crate::load(&toml(&other), "x.toml");
            match read {
                Err(_) => {}
                // A title is free text: it stays a title, and ends no string.
                Ok(book) => assert_eq!((name, book.version()), ("title", 1)),
            }
        }
    }
}
