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
        let mut binary = String::new();
        for line in text.lines() {
            let line = line.trim_end();
            if let Some(found) = running(line) {
                binary = found;
            } else if line.trim_start().starts_with("Doc-tests ") {
                binary = "doc-tests".to_owned();
            } else if let Some((name, passed)) = test_line(line) {
                let map = if passed { &mut results.passed } else { &mut results.other };
                map.entry(binary.clone()).or_default().insert(name.to_owned());
            }
        }
        results
    }

    /// True when the test passed, and no test of that name in a binary of that name did not.
    pub(crate) fn passed(&self, binary: &str, name: &str) -> bool {
        let has = |map: &BTreeMap<String, BTreeSet<String>>| {
            [binary, ""].iter().any(|b| map.get(*b).is_some_and(|set| set.contains(name)))
        };
        has(&self.passed) && !has(&self.other)
    }
}

fn running(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("Running ")?;
    let file = rest.rsplit(['/', '\\']).next()?.trim_end_matches(')').trim_end_matches(".exe");
    file.rsplit_once('-').map(|(name, _hash)| name.to_owned())
}

fn test_line(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    Some((name, result == "ok"))
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
        assert!(!results.passed("it", "four"));
        assert!(!results.passed("azir_a", "x::absent"));
    }

    #[test]
    fn output_without_running_lines_counts_for_any_binary() {
        let results = Results::parse("test x::one ... ok\n");
        assert!(results.passed("azir_a", "x::one"));
    }
}
