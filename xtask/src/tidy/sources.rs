//! Rules for Rust files: a header, a size, no silent `unwrap`, nothing left to do.

use super::Finding;
use crate::source::Source;

/// Most lines of a file, its tests not counted.
const FILE_LINES_MAX: usize = 800;
/// Widest line of a comment; code is rustfmt's.
const COMMENT_COLUMNS_MAX: usize = 100;
/// How far above a call its `Invariant:` comment may start.
const INVARIANT_LINES_ABOVE: usize = 8;
/// Calls that stop the program when they are wrong.
const ASSUMING: [&str; 6] =
    [".unwrap()", ".expect(\"", ".unwrap_err()", ".expect_err(\"", "unreachable!(", "panic!("];
/// Macros that say that something is missing. Split so that this file does not hit itself.
const UNFINISHED: [&str; 3] = ["todo!(", "unimplemented!(", "dbg!("];

/// Checks every file.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(header(source));
    findings.extend(size(source));
    findings.extend(scope_of_crate(source));
    for index in 0..source.code.len() {
        findings.extend(assuming(source, index));
        findings.extend(unfinished(source, index));
        findings.extend(wide_comment(source, index));
    }
    findings
}

fn header(source: &Source) -> Option<Finding> {
    let first = source.lines.iter().find(|l| !l.trim().is_empty() && !l.starts_with("#!["));
    let has = first.is_some_and(|l| l.starts_with("//!"));
    (!has).then(|| {
        Finding::new(
            source.place(0),
            "every file says at its top what it is for",
            "begin the file with a `//!` comment",
        )
    })
}

fn size(source: &Source) -> Option<Finding> {
    let lines = source.is_test.iter().filter(|t| !**t).count();
    (lines > FILE_LINES_MAX).then(|| {
        Finding::new(
            source.path.clone(),
            format!("{lines} lines without tests, at most {FILE_LINES_MAX}"),
            "split the file by what its parts are about",
        )
    })
}

fn scope_of_crate(source: &Source) -> Option<Finding> {
    let head = source.comments.iter().filter(|c| c.starts_with("//!"));
    let head = head.cloned().collect::<Vec<_>>().join("\n");
    let says = head.contains("In scope") && head.contains("Out of scope");
    (source.path.ends_with("/src/lib.rs") && !says).then(|| {
        Finding::new(
            source.path.clone(),
            "the doc of a crate says what is in scope and what is out of scope",
            "add `**In scope:**` and `**Out of scope:**`, naming the crate that does the rest",
        )
    })
}

fn assuming(source: &Source, index: usize) -> Option<Finding> {
    let call = ASSUMING.iter().find(|c| source.code[index].contains(**c))?;
    let above = index.saturating_sub(INVARIANT_LINES_ABOVE);
    let stated = source.comments[above..=index].iter().any(|c| c.contains("Invariant:"));
    (!source.is_test[index] && !stated).then(|| {
        Finding::new(
            source.place(index),
            format!("`{}` outside tests without its reason", call.trim_end_matches(['(', '"'])),
            "return an error, or state in a comment `Invariant: ...` why it cannot fail",
        )
    })
}

fn unfinished(source: &Source, index: usize) -> Option<Finding> {
    let call = UNFINISHED.iter().find(|c| {
        let at = source.code[index].find(**c);
        at.is_some_and(|at| !source.code[index][..at].ends_with(|p: char| p.is_alphanumeric()))
    })?;
    Some(Finding::new(
        source.place(index),
        format!("`{}` is left in the code", call.trim_end_matches('(')),
        "finish it, or leave it out and say so in the docs",
    ))
}

fn wide_comment(source: &Source, index: usize) -> Option<Finding> {
    let width = source.lines[index].chars().count();
    let only_comment = source.code[index].trim().is_empty() && !source.comments[index].is_empty();
    let wide = width > COMMENT_COLUMNS_MAX && only_comment;
    (wide && !source.comments[index].contains("://")).then(|| {
        Finding::new(
            source.place(index),
            format!("a comment of {width} columns, at most {COMMENT_COLUMNS_MAX}"),
            "break the line",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path.into(), "a".into(), text.into());
        check_one(&source).into_iter().map(|f| format!("{}: {}", f.place, f.rule)).collect()
    }

    #[test]
    fn an_unwrap_needs_an_invariant_outside_tests_only() {
        let bad = "//! H.\nfn f() {\n    g().unwrap();\n}\n";
        assert_eq!(findings("a/src/x.rs", bad).len(), 1);
        let said =
            "//! H.\nfn f() {\n    // Invariant: g never fails here.\n    g().unwrap();\n}\n";
        assert!(findings("a/src/x.rs", said).is_empty());
        let test = "//! H.\n#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}\n";
        assert!(findings("a/src/x.rs", test).is_empty());
    }

    #[test]
    fn header_size_scope_and_leftovers_are_checked() {
        assert_eq!(findings("a/src/x.rs", "fn f() {}\n").len(), 1);
        assert_eq!(findings("a/src/lib.rs", "//! H.\n").len(), 1);
        assert_eq!(findings("a/src/x.rs", "//! H.\nfn f() { todo!() }\n").len(), 1);
        let long = format!("//! H.\n{}", "fn f() {}\n".repeat(FILE_LINES_MAX));
        assert_eq!(findings("a/src/x.rs", &long).len(), 1);
        let wide = format!("//! H.\n// {}\n", "x".repeat(COMMENT_COLUMNS_MAX));
        assert_eq!(findings("a/src/x.rs", &wide).len(), 1);
    }
}
