//! Requirement marks: ids `R-<section>.<subsection>-<n>` in doc comments of code and of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::source::Source;

/// Id of a requirement, ordered by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ReqId {
    /// Section of AZ-015.
    pub(crate) section: u32,
    subsection: u32,
    number: u32,
}

impl fmt::Display for ReqId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R-{}.{}-{}", self.section, self.subsection, self.number)
    }
}

impl FromStr for ReqId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match ids(text).as_slice() {
            [id] if id.to_string() == text => Ok(*id),
            _ => Err(format!("{text:?} is not of the form R-5.1-2")),
        }
    }
}

impl TryFrom<String> for ReqId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// All ids in a text.
pub(crate) fn ids(text: &str) -> Vec<ReqId> {
    let starts = text.match_indices("R-").map(|(at, _)| at);
    let free = starts.filter(|at| !text[..*at].ends_with(|c: char| c.is_alphanumeric()));
    free.filter_map(|at| leading_id(&text[at + 2..])).collect()
}

fn leading_id(text: &str) -> Option<ReqId> {
    let (section, rest) = number(text)?;
    let (subsection, rest) = number(rest.strip_prefix('.')?)?;
    let (number, _) = number(rest.strip_prefix('-')?)?;
    Some(ReqId { section, subsection, number })
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// A test with a mark.
#[derive(Clone, Debug)]
pub(crate) struct MarkedTest {
    /// Test binary.
    pub(crate) target: String,
    /// Path of the test in it.
    pub(crate) name: String,
    /// File and line.
    pub(crate) place: String,
}

/// All marks of the workspace.
#[derive(Default)]
pub(crate) struct Marks {
    /// Files whose doc comments outside tests name the id.
    pub(crate) code: BTreeMap<ReqId, BTreeSet<String>>,
    /// Tests whose doc comment names the id.
    pub(crate) tests: BTreeMap<ReqId, Vec<MarkedTest>>,
    /// Every place of every id.
    pub(crate) places: BTreeMap<ReqId, BTreeSet<String>>,
}

impl Marks {
    /// Reads the marks of `sources`.
    pub(crate) fn collect<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut marks = Self::default();
        for source in sources {
            for index in (0..source.comments.len()).filter(|i| source.is_code_doc(*i)) {
                for id in ids(&source.comments[index]) {
                    marks.code.entry(id).or_default().insert(source.path.clone());
                    marks.places.entry(id).or_default().insert(source.place(index));
                }
            }
            for test in source.test_fns() {
                let place = source.place(test.line - 1);
                for id in ids(&test.doc).into_iter().collect::<BTreeSet<_>>() {
                    let (target, name) = (test.target.clone(), test.name.clone());
                    let marked = MarkedTest { target, name, place: place.clone() };
                    marks.tests.entry(id).or_default().push(marked);
                    marks.places.entry(id).or_default().insert(place.clone());
                }
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_prose_and_ordered_by_number() {
        let found = ids("R-24.2-3: x (R-24.2-10), R-3.1 is none, AR-1.2-3 neither.");
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["R-24.2-3", "R-24.2-10"]);
        assert!(found[0] < found[1]);
        assert!("R-5.1-2x".parse::<ReqId>().is_err());
        assert!("R-5.1-2".parse::<ReqId>().is_ok());
    }
}
