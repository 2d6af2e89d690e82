//! Where in a file a problem of a postmortem stands.

use std::path::Path;

use azir_engine::postmortem::CONTENTS;
use azir_model::RefusalKind;
use azir_model::refusal::Unmet;
use serde::Serialize;

use crate::cmd::text::{fold, visible};

/// A problem, its place and its remedy.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    place: String,
    kind: RefusalKind,
    what: String,
    rule: String,
    remedy: String,
}

impl Told {
    /// For a terminal.
    pub(super) fn words(&self) -> String {
        let head = format!("{}: {}: ", visible(&self.place), self.kind);
        let mut out = fold(&head, "    ", &format!("{} [{}]", visible(&self.what), self.rule));
        out.push_str(&fold("    remedy: ", "    ", &visible(&self.remedy)));
        out
    }
}

/// A problem with the file and the line of the member that it is about.
pub(super) fn told(file: &Path, text: &str, unmet: &Unmet) -> Told {
    let member = member(&unmet.what);
    let line = member.and_then(|m| line_of(text, m));
    let file = file.display();
    let place = line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"));
    Told {
        place,
        kind: unmet.kind,
        what: unmet.what.clone(),
        rule: unmet.rule.clone(),
        remedy: unmet.remedy.clone(),
    }
}

/// The member that a problem is about: problems begin with the number of a content, or of a
/// question of 39.1.
fn member(what: &str) -> Option<&'static str> {
    let (number, rest) = what.split_once(": ")?;
    match number {
        "q1" | "q2" | "q3" => Some("conformance"),
        "1" if rest.contains("kind") || rest.contains("cause is") => Some("kinds"),
        "3" if rest.contains("timeline") => Some("timeline"),
        "7" if rest.contains("fix") && !rest.starts_with("long_term_fix") => Some("fixes"),
        "7" if rest.contains("owner") => Some("fixes"),
        _ => CONTENTS.get(number.parse::<usize>().ok()?.checked_sub(1)?).copied(),
    }
}

/// The last line that begins with this member: `timeline` is the name of a content and of a list,
/// and the list stands behind the contents.
fn line_of(text: &str, member: &str) -> Option<usize> {
    let key = format!("\"{member}\":");
    let lines = (1..).zip(text.lines()).filter(|(_, l)| l.trim_start().starts_with(&key));
    lines.last().map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_the_line_of_its_member() {
        let text = "{\n  \"contents\": {\n    \"timeline\": \"\",\n    \"root_cause_class\": \"\"\n  },\n  \
                    \"kinds\": [],\n  \"timeline\": [],\n  \"fixes\": [],\n  \"conformance\": []\n}";
        for (what, line) in [
            ("1: root_cause_class is empty", 4),
            ("1: no root kind of 33.2", 6),
            ("3: the timeline lacks entry 4", 7),
            ("7: no fix with owner, date and reference", 8),
            ("7: \"x\" has no owner of this deployment", 8),
            ("q2: vector_insufficient has no single answer with a reason", 9),
        ] {
            let found = member(what).and_then(|m| line_of(text, m));
            assert_eq!(found, Some(line), "{what}");
        }
        assert_eq!(member("operational failures that the log shows are missing"), None);
    }
}
