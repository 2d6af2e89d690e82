//! `cargo xtask trace`: requirement -> code -> passing test, written to `docs/TRACE.md`.
//!
//! A requirement counts as covered when a doc comment in code names it, a doc comment above a test
//! names it, and that test passed in the results that are given. What is not covered is grouped by
//! what it waits for, as `xtask/waiting.toml` says.

mod marks;
mod render;
mod results;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::marks::{Marks, ReqId};
use self::results::Results;
use self::waiting::Waiting;
use crate::Outcome;
use crate::workspace::{Workspace, read, root};

/// Where the table is kept.
const TABLE: &str = "docs/TRACE.md";
/// The catalogue of requirements, beside the clone.
const SPEC: &str = "../shared/spec/requirements.toml";

/// One requirement of the catalogue; its other members are not needed here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Requirement {
    /// For example `R-24.2-3`.
    pub(crate) id: ReqId,
    /// MUST, MUST NOT, SHOULD, MAY or LIST.
    pub(crate) level: String,
    /// The requirement in short words.
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Catalogue {
    req: Vec<Requirement>,
}

/// What is known about one requirement.
pub(crate) struct Line {
    /// The requirement.
    pub(crate) requirement: Requirement,
    /// Files whose doc comments name it.
    pub(crate) code: BTreeSet<String>,
    /// Tests that name it and passed, as `binary test::path`.
    pub(crate) passed: BTreeSet<String>,
    /// Tests that name it and did not pass, or did not run.
    pub(crate) not_passed: BTreeSet<String>,
}

impl Line {
    /// True when code and a passing test name it.
    pub(crate) fn covered(&self) -> bool {
        !self.code.is_empty() && !self.passed.is_empty()
    }
}

/// Where `cargo xtask ci` leaves the output of the tests.
pub(crate) fn results_path(target: &Path) -> PathBuf {
    target.join("xtask").join("test-results.txt")
}

struct Options {
    check: bool,
    spec: PathBuf,
    results: Option<PathBuf>,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options { check: false, spec: root().join(SPEC), results: None };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().map(PathBuf::from).ok_or(format!("{arg} needs a path"));
        match arg.as_str() {
            "--check" => options.check = true,
            "--spec" => options.spec = value()?,
            "--results" => options.results = Some(value()?),
            other => return Err(format!("trace does not know {other:?}")),
        }
    }
    Ok(options)
}

/// Writes the table, or with `--check` compares it and fails on unknown ids and unpassed tests.
///
/// # Errors
/// Arguments, or files that cannot be read or written.
pub(crate) fn run(args: &[String]) -> Outcome {
    let options = options(args)?;
    let workspace = Workspace::load()?;
    let sources = workspace.sources()?;
    let marks = Marks::collect(sources.iter().filter(|s| s.krate != "xtask"));
    let results = options.results.unwrap_or_else(|| results_path(&workspace.target));
    let text = read(&results).map_err(|e| {
        format!("no test results ({e}); run `cargo xtask ci`, or give --results FILE")
    })?;
    let results = Results::parse(&text);
    let mut problems = unpassed(&marks, &results);
    if options.spec.exists() {
        let spec: Catalogue = toml::from_str(&read(&options.spec)?)
            .map_err(|e| format!("{}: {e}", options.spec.display()))?;
        problems.extend(unknown(&marks, &spec.req));
        let waiting = Waiting::parse(&read(&root().join(waiting::FILE))?)?;
        let lines = lines(&marks, &results, spec.req);
        problems.extend(waiting.problems(&lines));
        let table = render::table(&lines, &waiting);
        problems.extend(store(&table, options.check)?);
        print!("{}", render::summary(&table));
        println!("trace: {}", waiting::counts(&lines, &waiting));
    } else {
        println!("trace: SKIPPED the catalogue: {} is absent", options.spec.display());
        println!("trace: only checked that every test with a requirement mark passed");
    }
    for problem in &problems {
        println!("trace: {problem}");
    }
    let count = marks.tests.values().map(Vec::len).sum::<usize>();
    println!("trace: {count} marks in tests, {} problems", problems.len());
    Ok(problems.is_empty())
}

fn lines(marks: &Marks, results: &Results, requirements: Vec<Requirement>) -> Vec<Line> {
    let line = |requirement: Requirement| {
        let tests = marks.tests.get(&requirement.id).map_or(&[][..], Vec::as_slice);
        let named = |want: bool| {
            let fits = tests.iter().filter(|t| results.passed(&t.target, &t.name) == want);
            fits.map(|t| format!("{} {}", t.target, t.name)).collect()
        };
        let code = marks.code.get(&requirement.id).cloned().unwrap_or_default();
        Line { code, passed: named(true), not_passed: named(false), requirement }
    };
    let mut lines: Vec<Line> = requirements.into_iter().map(line).collect();
    lines.sort_by_key(|l| l.requirement.id);
    lines
}

fn unpassed(marks: &Marks, results: &Results) -> Vec<String> {
    let mut found = BTreeMap::new();
    for (id, tests) in &marks.tests {
        for test in tests.iter().filter(|t| !results.passed(&t.target, &t.name)) {
            let ids: &mut Vec<String> = found.entry((&test.place, &test.name)).or_default();
            ids.push(id.to_string());
        }
    }
    let say = |((place, name), ids): ((&String, &String), Vec<String>)| {
        format!("{place}: `{name}` did not pass in the results, and names {}", ids.join(" "))
    };
    found.into_iter().map(say).collect()
}

fn unknown(marks: &Marks, requirements: &[Requirement]) -> Vec<String> {
    let known: BTreeSet<&ReqId> = requirements.iter().map(|r| &r.id).collect();
    let places = marks.places.iter().filter(|(id, _)| !known.contains(id));
    places
        .map(|(id, at)| {
            let at = at.iter().cloned().collect::<Vec<_>>().join(", ");
            format!("{at}: {id} is no requirement of the catalogue; correct the mark")
        })
        .collect()
}

fn store(table: &str, check: bool) -> Result<Option<String>, String> {
    let path = root().join(TABLE);
    if !check {
        std::fs::write(&path, table).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("trace: wrote {TABLE}");
        return Ok(None);
    }
    let stale = std::fs::read_to_string(&path).ok().as_deref() != Some(table);
    Ok(stale.then(|| format!("{TABLE} is out of date; run `cargo xtask trace` and commit it")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn requirement(id: &str) -> Requirement {
        Requirement { id: id.parse().unwrap(), level: "MUST".into(), text: "t".into() }
    }

    fn marks() -> Marks {
        let text = "//! R-5.1-1 and R-5.1-2.\n/// R-9.9-9\nfn f() {}\n#[cfg(test)]\nmod tests {\n    \
                    /// R-5.1-1: a.\n    #[test]\n    fn yes() {}\n    /// R-5.1-2, R-5.1-3\n    \
                    #[test]\n    fn no() {}\n}\n";
        Marks::collect([Source::new("crates/a/src/x.rs".into(), "a".into(), text.into())].iter())
    }

    const OUTPUT: &str = "     Running unittests src/lib.rs (/t/debug/deps/a-12ab)\n\
                          test x::tests::yes ... ok\ntest x::tests::no ... FAILED\n";

    #[test]
    fn a_requirement_needs_code_and_a_test_that_passed() {
        let results = Results::parse(OUTPUT);
        let wanted = ["R-5.1-2", "R-5.1-1", "R-5.1-10", "R-5.1-3"].map(requirement).to_vec();
        let lines = lines(&marks(), &results, wanted);
        let covered: Vec<(String, bool)> =
            lines.iter().map(|l| (l.requirement.id.to_string(), l.covered())).collect();
        let expected =
            [("R-5.1-1", true), ("R-5.1-2", false), ("R-5.1-3", false), ("R-5.1-10", false)];
        assert_eq!(covered, expected.map(|(id, c)| (id.to_owned(), c)));
    }

    #[test]
    fn unknown_ids_and_unpassed_tests_are_problems() {
        let results = Results::parse(OUTPUT);
        let problems = unpassed(&marks(), &results);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("x::tests::no") && problems[0].contains("R-5.1-2 R-5.1-3"));
        let known = ["R-5.1-1", "R-5.1-2", "R-5.1-3"].map(requirement);
        let problems = unknown(&marks(), &known);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("crates/a/src/x.rs:2: R-9.9-9"));
    }
}
