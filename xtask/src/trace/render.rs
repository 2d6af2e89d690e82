//! The text of `docs/TRACE.md`: the same marks and results give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Line;
use super::waiting::{Group, Waiting, grouped};

const HEAD: &str = "\
# Trace: requirements of AZ-015, code and tests

Written by `cargo xtask trace`; do not edit. A requirement is covered when a doc comment in code names
it, a doc comment above a test names it, and that test passed. Meanings of the ids: the requirement
catalogue of AZ-015.

## Summary

";

const WAITING: &str = "
## Not covered, by what it waits for

Kept in `xtask/waiting.toml`: a requirement stands in the group of the last part that its check needs;
one that is not listed there is open.

| group | what has to exist | requirements | of these MUST or MUST NOT |
| --- | --- | --- | --- |
";

/// The whole table.
pub(super) fn table(lines: &[Line], waiting: &Waiting) -> String {
    let mut sections: BTreeMap<u32, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        sections.entry(line.requirement.id.section).or_default().push(line);
    }
    let mut out = HEAD.to_owned();
    out.push_str(
        "| section | covered | of | of these MUST or MUST NOT |\n| --- | --- | --- | --- |\n",
    );
    for (section, lines) in &sections {
        row(&mut out, &section.to_string(), lines);
    }
    row(&mut out, "all", &lines.iter().collect::<Vec<_>>());
    waiting_text(&mut out, &grouped(lines, waiting));
    for (section, lines) in &sections {
        section_text(&mut out, *section, lines);
    }
    out
}

/// The rows of the summary that cover something, for the terminal.
pub(super) fn summary(table: &str) -> String {
    let rows = table.lines().filter(|l| l.starts_with("| "));
    let shown = rows.filter(|l| !l.contains("| 0 |") && !l.contains("---"));
    shown.fold(String::new(), |out, line| out + line + "\n")
}

fn row(out: &mut String, name: &str, lines: &[&Line]) {
    let covered = lines.iter().filter(|l| l.covered()).count();
    let must: Vec<&&Line> =
        lines.iter().filter(|l| l.requirement.level.starts_with("MUST")).collect();
    let must_covered = must.iter().filter(|l| l.covered()).count();
    let total = lines.len();
    // Invariant: writing to a String does not fail, here and below.
    let _ = writeln!(out, "| {name} | {covered} | {total} | {must_covered} of {} |", must.len());
}

/// What is not covered, by what it waits for: a table of counts, then the ids of each group.
fn waiting_text(out: &mut String, groups: &BTreeMap<Group, Vec<&Line>>) {
    out.push_str(WAITING);
    for (group, lines) in groups {
        let must = lines.iter().filter(|l| l.requirement.level.starts_with("MUST")).count();
        let (name, needs, all) = (group.name(), group.needs(), lines.len());
        let _ = writeln!(out, "| {name} | {needs} | {all} | {must} |");
    }
    for (group, lines) in groups.iter().filter(|(_, lines)| !lines.is_empty()) {
        let _ = writeln!(out, "\n### {}: {}\n", group.name(), lines.len());
        for line in lines {
            let (id, level) = (line.requirement.id, &line.requirement.level);
            let _ = writeln!(out, "- {id} ({level}) {}", line.requirement.text);
        }
    }
}

fn section_text(out: &mut String, section: u32, lines: &[&Line]) {
    let covered: Vec<&&Line> = lines.iter().filter(|l| l.covered()).collect();
    let _ = writeln!(out, "\n## Section {section}: {} of {} covered\n", covered.len(), lines.len());
    for line in &covered {
        let _ = writeln!(
            out,
            "- **{}** ({}) {}",
            line.requirement.id, line.requirement.level, line.requirement.text
        );
        let _ = writeln!(out, "  - code: {}", joined(&line.code));
        let _ = writeln!(out, "  - test: {}", joined(&line.passed));
        if !line.not_passed.is_empty() {
            let _ = writeln!(out, "  - not passed: {}", joined(&line.not_passed));
        }
    }
    let open: Vec<String> = lines.iter().filter(|l| !l.covered()).map(|l| open(l)).collect();
    if !open.is_empty() {
        let gap = if covered.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}Not covered: {}", open.join(", "));
    }
}

fn joined(items: &BTreeSet<String>) -> String {
    items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", ")
}

fn open(line: &Line) -> String {
    let id = line.requirement.id;
    match (line.code.is_empty(), line.passed.is_empty() && line.not_passed.is_empty()) {
        (true, true) => id.to_string(),
        (false, true) => format!("{id} (code only)"),
        (true, false) => format!("{id} (test only)"),
        (false, false) => format!("{id} (test not passed)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Requirement;

    fn line(id: &str, code: &[&str], passed: &[&str]) -> Line {
        let set = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
        let id = id.parse().unwrap();
        let requirement = Requirement { id, level: "MUST".into(), text: "text".into() };
        Line { requirement, code: set(code), passed: set(passed), not_passed: BTreeSet::new() }
    }

    #[test]
    fn the_table_counts_per_section_and_lists_what_is_open() {
        let lines = [
            line("R-5.1-1", &["a.rs"], &["a t"]),
            line("R-5.1-2", &["a.rs"], &[]),
            line("R-9.1-1", &[], &[]),
        ];
        let waiting = Waiting::parse("running_server = [\"R-9.1-1\"]").unwrap();
        let text = table(&lines, &waiting);
        assert!(text.contains("pages, notification | 1 | 1 |\n| open | nothing"));
        assert!(text.contains("### running server: 1\n\n- R-9.1-1 (MUST) text\n\n### open: 1\n"));
        assert!(!text.contains("### runbook engine"));
        assert!(text.contains("| 5 | 1 | 2 | 1 of 2 |\n| 9 | 0 | 1 | 0 of 1 |\n| all | 1 | 3 |"));
        assert!(text.contains("- **R-5.1-1** (MUST) text\n  - code: `a.rs`\n  - test: `a t`\n"));
        assert!(text.contains("Not covered: R-5.1-2 (code only)"));
        assert!(!summary(&text).contains("| 9 |"));
        assert!(summary(&text).contains("| all | 1 | 3 | 1 of 3 |"));
    }
}
