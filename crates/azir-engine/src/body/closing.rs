//! Bodies of cause, review and postmortem.

use std::collections::BTreeSet;

use azir_ledger::{Digest, Timestamp};
pub use azir_model::cause::{Adversarial, RootKind};
use serde::{Deserialize, Serialize};

/// Body of `cause.stated` (D-034, D-044).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseStated {
    /// Candidate causes that were considered.
    pub candidates: Vec<String>,
    /// Each excluded candidate, with the evidence that excludes it.
    pub excluded: Vec<Excluded>,
    /// Classification word of the runbook (14.2).
    pub finding: String,
    /// Kind of 33.2, once identified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RootKind>,
    /// `suspected` or `proven`: a valid key misused while every component worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<Adversarial>,
    /// The statement that each remaining candidate is fixed or covered by a measure.
    pub statement: String,
    /// What single objects are: each claim in doubt (17.2), and the fault of a node beside an input
    /// that it let in (15.2, 16.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectFinding>,
    /// What mends it, where a program or a rule is wrong (15.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixEntry>,
}

impl CauseStated {
    /// Every classification word of it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let beside = self.objects.iter().map(|o| o.finding.as_str());
        beside.chain([self.finding.as_str()])
    }
}

/// A finding about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectFinding {
    /// The object, in the vault.
    pub object: Digest,
    /// One word of the list of the class.
    pub finding: String,
    /// What shows it, in the vault; where implementations differ, the answer of each.
    pub proofs: BTreeSet<Digest>,
}

/// What mends the fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixEntry {
    /// Manifest of the release that is right, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// The drafted clarification of the rule, by its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Digest>,
    /// The conformance vector that decides the input from then on, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Digest>,
}

/// A candidate cause that evidence excludes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// The candidate.
    pub candidate: String,
    /// The evidence, in the vault.
    pub evidence: Digest,
}

/// Body of `review.signed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSigned {
    /// What the reviewer found.
    pub finding: String,
}

/// Body of `postmortem.published`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostmortemPublished {
    /// The document, in the vault.
    pub document: Digest,
    /// Root kinds named; empty only when the adversary is proven (D-034).
    pub kinds: Vec<RootKind>,
    /// The three conformance questions of 39.1 answered.
    pub conformance: Vec<ConformanceAnswer>,
    /// The text stays sealed for a while; its hash is public at once (D-025).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embargo: Option<Embargo>,
}

/// Why and until when a postmortem is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embargo {
    /// When it ends, at most 90 days after publication.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

azir_model::wire_enum! {
    /// The questions of 39.1 (D-122).
    pub enum Question {
        /// Should a new conformance vector be added?
        NewVector = "new_vector",
        /// Was an existing vector insufficient?
        VectorInsufficient = "vector_insufficient",
        /// Does an untested edge case make implementations differ now?
        ImplementationsDiffer = "implementations_differ",
    }
}

impl Question {
    /// `q1` to `q3`, as refusals name it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::NewVector => "q1",
            Self::VectorInsufficient => "q2",
            Self::ImplementationsDiffer => "q3",
        }
    }

    /// True when a yes names a fixture: the new one, or the vector that fell short.
    #[must_use]
    pub const fn wants_fixture(self) -> bool {
        match self {
            Self::NewVector | Self::VectorInsufficient => true,
            Self::ImplementationsDiffer => false,
        }
    }
}

/// Answer to one question of 39.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformanceAnswer {
    /// The question.
    pub question: Question,
    /// Yes or no.
    pub answer: bool,
    /// Why.
    pub reason: String,
    /// Hash of the new fixture, or of the vector that fell short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<Digest>,
    /// Replay report over the fixture, in the vault (third question).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
}
