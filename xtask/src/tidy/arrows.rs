//! The arrow table of ARCHITECTURE.md is the truth about who may use whom; the manifests follow it.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::workspace::{Workspace, read, root};

/// Name of the map at the root.
const MAP: &str = "ARCHITECTURE.md";
/// The table stands between these two lines.
const BEGIN: &str = "<!-- arrows:begin -->";
/// See [`BEGIN`].
const END: &str = "<!-- arrows:end -->";
/// A map longer than this is not read.
const MAP_LINES_MAX: usize = 300;

/// Names allowed per crate.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Compares the table with what `cargo metadata` says.
///
/// # Errors
/// When the map cannot be read.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, String> {
    let text = read(&root().join(MAP))?;
    let lines = text.lines().count();
    let real = workspace.crates.iter().map(|(n, c)| (n.clone(), c.arrows.clone())).collect();
    let mut findings = compare(&parse(&text), &real);
    if lines > MAP_LINES_MAX {
        let rule = format!("the map has {lines} lines, at most {MAP_LINES_MAX}");
        findings.push(Finding::new(MAP, rule, "move detail into crate docs or docs/"));
    }
    Ok(findings)
}

/// Rows `| `crate` | `dep` `dep` |` between the markers; text without backticks means nothing.
fn parse(text: &str) -> Arrows {
    let lines = text.lines().skip_while(|l| l.trim() != BEGIN).take_while(|l| l.trim() != END);
    let mut arrows = Arrows::new();
    for line in lines {
        let mut cells = line.trim().trim_matches('|').splitn(2, '|');
        let (Some(head), Some(rest)) = (cells.next(), cells.next()) else { continue };
        if let Some(name) = quoted(head).into_iter().next() {
            arrows.insert(name, quoted(rest));
        }
    }
    arrows
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(table: &Arrows, real: &Arrows) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, deps) in real {
        let Some(allowed) = table.get(name) else {
            let rule = format!("crate `{name}` has no row in the arrow table");
            findings.push(Finding::new(MAP, rule, "add the row, with what the crate forbids"));
            continue;
        };
        for extra in deps.difference(allowed) {
            findings.push(Finding::new(
                format!("{name} -> {extra}"),
                format!("this arrow is not in the table of {MAP}"),
                "remove the dependency; a new arrow is a decision and needs a record in docs/adr",
            ));
        }
        for unused in allowed.difference(deps) {
            findings.push(Finding::new(
                MAP,
                format!("the table allows {name} -> {unused}, which no manifest uses"),
                "remove it from the table: an arrow that nobody needs is a door left open",
            ));
        }
    }
    for name in table.keys().filter(|n| !real.contains_key(*n)) {
        let rule = format!("the arrow table names `{name}`, which is no crate here");
        findings.push(Finding::new(MAP, rule, "remove the row until the crate exists"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "x\n<!-- arrows:begin -->\n| crate | may use |\n| --- | --- |\n\
                         | `a` | nothing |\n| `b` | `a` |\n<!-- arrows:end -->\n| `z` | `y` |\n";

    fn real(rows: &[(&str, &[&str])]) -> Arrows {
        let set = |d: &[&str]| d.iter().map(|s| (*s).to_owned()).collect();
        rows.iter().map(|(n, d)| ((*n).to_owned(), set(d))).collect()
    }

    #[test]
    fn the_table_between_the_markers_is_read_and_equal_arrows_pass() {
        assert!(compare(&parse(TABLE), &real(&[("a", &[]), ("b", &["a"])])).is_empty());
    }

    #[test]
    fn an_extra_a_missing_and_an_unknown_arrow_are_each_found() {
        let extra = compare(&parse(TABLE), &real(&[("a", &["b"]), ("b", &["a"])]));
        assert_eq!(extra[0].place, "a -> b");
        let unused = compare(&parse(TABLE), &real(&[("a", &[]), ("b", &[])]));
        assert!(unused[0].rule.contains("b -> a"));
        let unknown = compare(&parse(TABLE), &real(&[("a", &[])]));
        assert!(unknown[0].rule.contains("no crate here"));
        let missing = compare(&parse(TABLE), &real(&[("a", &[]), ("b", &["a"]), ("c", &[])]));
        assert!(missing[0].rule.contains("no row"));
    }
}
