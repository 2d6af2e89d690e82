//! Bodies about what nodes run: builds of releases, and changes made during response (2.3, 23.2).

use std::collections::BTreeSet;

use azir_ledger::Digest;
use serde::{Deserialize, Serialize};

/// Body of `release.built`: what one builder got from one source. Signed by the builder, it is that
/// builder's part of the release manifest (annex L.3); two builders with equal parts make a release
/// that is accepted (D-109).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBuilt {
    /// The implementation; `impl:NAME/VERSION` is its scope.
    pub implementation: String,
    /// The version.
    pub version: String,
    /// Hash of the source.
    pub source: Digest,
    /// Compiler and tools, by version.
    pub toolchain: String,
    /// Hashes of the binaries; at least one.
    pub binaries: BTreeSet<Digest>,
}

impl ReleaseBuilt {
    /// The scope that names this version.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("impl:{}/{}", self.implementation, self.version)
    }

    /// True when another builder got the same from the same source.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.source == other.source && self.binaries == other.binaries
    }
}

azir_model::wire_enum! {
    /// What of a node was changed (2.3).
    pub enum ChangedPart {
        /// The binary.
        Software = "software",
        /// Validity rules that the node applies.
        Rules = "rules",
        /// The configuration.
        Configuration = "configuration",
        /// Stored data.
        Data = "data",
    }
}

/// Body of `change.recorded`: a change of an own node that is made during response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecorded {
    /// The node.
    pub node: String,
    /// What is changed.
    pub part: ChangedPart,
    /// Hash of it before.
    pub before: Digest,
    /// Hash of it after.
    pub after: Digest,
    /// Why.
    pub reason: String,
}
