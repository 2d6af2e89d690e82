//! Documents that must keep up with the code: README, glossary, one page per refusal kind and
//! error code.

use std::collections::BTreeSet;

use super::Finding;
use crate::source::Source;
use crate::workspace::{files_under, read, relative, root};

/// The command that README, `.ci/run` and `cargo xtask ci` must agree on.
const TEST_COMMAND: &str = "cargo test --workspace";
/// Where the refusal kinds are declared.
const KINDS: &str = "crates/azir-model/src/refusal.rs";
/// Where pages are compiled into the binary.
const EMBEDDED: &str = "crates/azir/src/explain.rs";
/// Words and their names in code.
const GLOSSARY: &str = "docs/GLOSSARY.md";
/// Column of the glossary's tables with names in code, from 0.
const NAME_COLUMN: usize = 2;
/// Prefix of error codes; four digits follow.
const CODE_PREFIX: &str = "AZ-E";

/// Checks README.md, the glossary and docs/errors.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(sources: &[Source]) -> Result<Vec<Finding>, String> {
    let root = root();
    let mut findings = Vec::new();
    for (file, wanted) in [("README.md", TEST_COMMAND), (".ci/run", "cargo xtask ci")] {
        if !read(&root.join(file))?.contains(wanted) {
            let remedy = format!("name the command: {wanted}");
            findings.push(Finding::new(file, "the way to run the tests is written down", remedy));
        }
    }
    findings.extend(unknown_types(&read(&root.join(GLOSSARY))?, sources));
    let mut wanted = kinds(&read(&root.join(KINDS))?);
    if wanted.is_empty() {
        let remedy = "correct `kinds` in xtask/src/tidy/docs.rs";
        findings.push(Finding::new(KINDS, "no refusal kinds were found in this file", remedy));
    }
    wanted.extend(codes(sources));
    let pages = files_under(&root.join("docs/errors"))?;
    let pages = pages.iter().map(|p| relative(&root.join("docs/errors"), p));
    let pages: BTreeSet<String> =
        pages.filter_map(|p| p.strip_suffix(".md").map(str::to_owned)).collect();
    findings.extend(compare(&wanted, &pages, &read(&root.join(EMBEDDED))?));
    Ok(findings)
}

/// Types that the glossary names and no source declares.
fn unknown_types(glossary: &str, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in glossary.lines().enumerate().filter(|(_, l)| l.starts_with('|')) {
        let cell = line.trim_matches('|').split('|').nth(NAME_COLUMN).unwrap_or("");
        let names = cell.split('`').skip(1).step_by(2);
        for name in names.filter_map(|n| n.split("::").next()).filter(|n| is_type_name(n)) {
            if !sources.iter().any(|s| s.code.iter().any(|c| declares(c, name))) {
                findings.push(Finding::new(
                    format!("{GLOSSARY}:{}", index + 1),
                    format!("no source declares a type `{name}`"),
                    "write the name that the code has now, or the plain word if it has none",
                ));
            }
        }
    }
    findings
}

fn is_type_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn declares(code: &str, name: &str) -> bool {
    ["struct ", "enum ", "trait ", "type "].iter().any(|keyword| {
        let rest = code.split_once(keyword).and_then(|(_, r)| r.strip_prefix(name));
        rest.is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

/// Texts in quotes inside the list `refusal_kinds! { ... }`.
fn kinds(text: &str) -> BTreeSet<String> {
    let body = text.split("\nrefusal_kinds! {").nth(1).and_then(|b| b.split("\n}").next());
    body.map(|b| b.split('"').skip(1).step_by(2).map(str::to_owned).collect()).unwrap_or_default()
}

/// Error codes in code outside tests.
fn codes(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|s| s.path != EMBEDDED && s.krate != "xtask") {
        for (index, line) in source.lines.iter().enumerate() {
            for part in line.split(CODE_PREFIX).skip(1).filter(|_| !source.is_test[index]) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                if digits.len() == 4 {
                    found.insert(format!("{CODE_PREFIX}{digits}"));
                }
            }
        }
    }
    found
}

fn compare(wanted: &BTreeSet<String>, pages: &BTreeSet<String>, embedded: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for code in wanted.difference(pages) {
        findings.push(Finding::new(
            format!("docs/errors/{code}.md"),
            "every refusal kind and error code has a page",
            "write five to ten lines: meaning, usual reason, what to do, clauses",
        ));
    }
    for code in pages.difference(wanted) {
        findings.push(Finding::new(
            format!("docs/errors/{code}.md"),
            "this page explains a code that the program never gives",
            "delete the page, or give the code",
        ));
    }
    for code in pages.iter().filter(|c| !embedded.contains(&format!("\"{c}\""))) {
        findings.push(Finding::new(
            EMBEDDED,
            format!("`azir explain {code}` would not find its page"),
            format!("add \"{code}\" to the table of pages"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn kinds_and_codes_are_read_from_the_sources() {
        let text = "macro_rules! refusal_kinds { () => { \"no\" } }\n\nrefusal_kinds! {\n    A: B = \"b\",\n    \
                    C = \"c_d\",;\n}\n\"after\"";
        assert_eq!(kinds(text), set(&["b", "c_d"]));
        let code = "//! H.\nconst A: &str = \"AZ-E0042\"; // AZ-E12\n#[cfg(test)]\nmod tests {\n    \
                    const B: &str = \"AZ-E0043\";\n}\n";
        let source = Source::new("crates/a/src/x.rs".into(), "a".into(), code.into());
        assert_eq!(codes(&[source]), set(&["AZ-E0042"]));
    }

    #[test]
    fn a_type_that_is_only_in_the_glossary_is_found() {
        let code = "//! H.\npub struct Lease {}\nenum LeaseKind { A }\n";
        let source = Source::new("crates/a/src/x.rs".into(), "a".into(), code.into());
        let glossary = "| a | b | `Lease::new`, `RP_X`, `plain` | `NotThisColumn` |\n\
                        | a | b | `Lea` `LeaseKind` | c |\n";
        let found = unknown_types(glossary, &[source]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "docs/GLOSSARY.md:2");
    }

    #[test]
    fn missing_stale_and_unembedded_pages_are_found() {
        let found = compare(&set(&["a", "b"]), &set(&["b", "c"]), "\"c\"");
        let places: Vec<&str> = found.iter().map(|f| f.place.as_str()).collect();
        assert_eq!(places, ["docs/errors/a.md", "docs/errors/c.md", EMBEDDED]);
    }
}
