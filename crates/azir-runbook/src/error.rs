//! Why a runbook file was not loaded, with file, line and column.

use std::fmt;

/// A place in a runbook file. Lines and columns count from 1; a column is a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the file, as given.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset.
    pub(crate) fn at(text: &str, file: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(start..).map_or(0, |l| l.chars().count()) + 1;
        Self { file: file.to_owned(), line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a runbook file was not loaded; one variant per remedy. Refusal kind `invalid_schema`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Longer than this crate reads.
    #[error("{file}: {size} bytes, at most {max}; split the prose off")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Not TOML, an unknown or missing key, a wrong type, or no member of a closed list.
    #[error("{place}: {why}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        why: String,
    },
    /// An id occurs twice in its list.
    #[error("{place}: {what} {id:?} occurs twice; give each its own id")]
    Duplicate {
        /// Where, the second one.
        place: Place,
        /// Which list.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A name that nothing earlier declares, or an edge that does not lead to a later step.
    #[error("{place}: {what} {name:?} {why}")]
    Reference {
        /// Where.
        place: Place,
        /// What kind of reference.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong, with the remedy.
        why: &'static str,
    },
    /// A step lacks an edge that its kind demands.
    #[error("{place}: a step of kind {kind} needs the edge {edge}")]
    MissingEdge {
        /// Where.
        place: Place,
        /// Kind of step.
        kind: &'static str,
        /// The edge.
        edge: &'static str,
    },
    /// A key is missing for this kind of step, or does not belong to it.
    #[error("{place}: {key} {why}")]
    Key {
        /// Where.
        place: Place,
        /// The key.
        key: &'static str,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// A predicate is malformed or asks a fact for another type.
    #[error("{place}: {why}")]
    Predicate {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// A rule of AZ-015 that the structure breaks.
    #[error("{place}: {why} [{rule}]")]
    Rule {
        /// Where.
        place: Place,
        /// The rule.
        rule: &'static str,
        /// What breaks it, with the remedy.
        why: String,
    },
}

impl LoadError {
    /// Where, except for a file that is too large.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Syntax { place, .. }
            | Self::Duplicate { place, .. }
            | Self::Reference { place, .. }
            | Self::MissingEdge { place, .. }
            | Self::Key { place, .. }
            | Self::Predicate { place, .. }
            | Self::Rule { place, .. } => Some(place),
        }
    }
}
