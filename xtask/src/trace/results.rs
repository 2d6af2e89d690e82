//! Reads the saved output of `cargo test --workspace 2>&1`.

use std::collections::{BTreeMap, BTreeSet};

/// What became of each test.
#[derive(Default)]
pub(crate) struct Results {
    /// Names that passed, per test binary; the binary is empty if the output did not name one.
    passed: BTreeMap<String, BTreeSet<String>>,
    /// Names that failed or were ignored, per test binary.
    other: BTreeMap<String, BTreeSet<String>>,
}

impl Results {
    /// Reads lines `Running ... (.../deps/<binary>-<hash>)` and `test <name> ... <result>`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut results = Self::default();
        let (mut krate, mut binary) = (String::new(), String::new());
        // A test whose line was cut by what the test printed: its result is a later line.
        let mut open = None;
        for line in text.lines() {
            let line = line.trim_end();
            if let Some((found, of_crate)) = running(line) {
                if of_crate {
                    krate.clone_from(&found);
                }
                binary = if of_crate { found } else { format!("{krate}:{found}") };
                open = None;
            } else if line.trim_start().starts_with("Doc-tests ") {
                binary = "doc-tests".to_owned();
                open = None;
            } else if let Some((name, result)) = test_line(line) {
                open = results.note(&binary, name, result).err();
            } else if let Some(name) = open.take() {
                open = results.note(&binary, &name, line).err();
            }
        }
        results
    }

    /// Notes what became of a test; gives its name back if this text does not say it.
    fn note(&mut self, binary: &str, name: &str, text: &str) -> Result<(), String> {
        let map = match text {
            "ok" => &mut self.passed,
            _ if text == "FAILED" || text.starts_with("ignored") => &mut self.other,
            _ => return Err(name.to_owned()),
        };
        map.entry(binary.to_owned()).or_default().insert(name.to_owned());
        Ok(())
    }

    /// True when the test passed, and no test of that name in a binary of that name did not.
    pub(crate) fn passed(&self, binary: &str, name: &str) -> bool {
        let has = |map: &BTreeMap<String, BTreeSet<String>>| {
            [binary, ""].iter().any(|b| map.get(*b).is_some_and(|set| set.contains(name)))
        };
        has(&self.passed) && !has(&self.other)
    }
}

/// Name of the binary that runs now, and whether it is the crate's own: cargo runs that one first,
/// and then the crate's test files, whose lines do not name the crate.
fn running(line: &str) -> Option<(String, bool)> {
    let rest = line.trim_start().strip_prefix("Running ")?;
    let file = rest.rsplit(['/', '\\']).next()?.trim_end_matches(')').trim_end_matches(".exe");
    let (name, _hash) = file.rsplit_once('-')?;
    Some((name.to_owned(), rest.starts_with("unittests ")))
}

fn test_line(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ...")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    Some((name, result.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
   Compiling a v0.1.0
     Running unittests src/lib.rs (/t/debug/deps/azir_a-0123)

running 3 tests
test x::one ... ok
test x::two - should panic ... ok
test x::three ... FAILED
test result: FAILED. 2 passed; 1 failed
     Running tests/it/main.rs (target/debug/deps/it-0123)
test four ... ignored
test five ... ok
   Doc-tests azir_a
test crates/a/src/lib.rs - x (line 3) ... ok
";

    #[test]
    fn only_ok_in_the_right_binary_counts() {
        let results = Results::parse(OUTPUT);
        assert!(results.passed("azir_a", "x::one"));
        assert!(results.passed("azir_a", "x::two"));
        assert!(!results.passed("azir_a", "x::three"));
        assert!(!results.passed("azir_b", "x::one"));
        assert!(!results.passed("azir_a:it", "four"));
        assert!(results.passed("azir_a:it", "five") && !results.passed("azir_b:it", "five"));
        assert!(!results.passed("azir_a", "x::absent"));
    }

    #[test]
    fn a_line_that_the_test_itself_cut_is_read_to_its_end() {
        let text = "test x::cut ... skipped: no file\nmore words\nok\ntest x::bad ...\nFAILED\n\
                    test x::lost ... some text\ntest x::next ... ok\n";
        let results = Results::parse(text);
        assert!(results.passed("a", "x::cut") && results.passed("a", "x::next"));
        assert!(!results.passed("a", "x::bad") && !results.passed("a", "x::lost"));
    }

    #[test]
    fn output_without_running_lines_counts_for_any_binary() {
        let results = Results::parse("test x::one ... ok\n");
        assert!(results.passed("azir_a", "x::one"));
    }
}
