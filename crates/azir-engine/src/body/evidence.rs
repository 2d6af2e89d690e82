//! Bodies of evidence and confirmation.

use azir_ledger::Digest;
use azir_model::evidence::{Descriptor, Item};
use serde::{Deserialize, Serialize};

/// Body of `evidence.pinned` and `evidence.collected`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceItems {
    /// Scope that the items were taken from.
    pub scope: String,
    /// The items, by hash. The bytes are in the vault.
    pub items: Vec<Descriptor>,
    /// Rule by which the content was verified; absent means only kept (D-058).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
}

/// Body of `evidence.settled`: an end state without content (D-054).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSettled {
    /// Checklist item.
    pub item: Item,
    /// `not_applicable` or `unavailable`.
    pub state: SettledState,
    /// Why.
    pub reason: String,
    /// What was tried; needed for `unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<String>,
}

/// End states of a checklist item that has no content (D-054).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledState {
    /// Only for items with a qualifier.
    NotApplicable,
    /// A waiver by two people unless the item has a qualifier.
    Unavailable,
}

/// Body of `evidence.preserved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePreserved {
    /// The scope that is now preserved.
    pub scope: String,
    /// `H("AZ:EVIDENCE:" || descriptors)` of what is held for it.
    pub items: Digest,
}

/// Body of `confirmation.verified`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationVerified {
    /// Kind of proof of annex N.2, for example `conflicting_certificates`.
    pub kind: String,
    /// The proof in the vault.
    pub object: Digest,
}

/// Body of `evidence.sealed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSealed {
    /// Held pieces, by content hash.
    pub pieces: Vec<Digest>,
    /// Why outsiders must not read them.
    pub reason: String,
}

/// Body of `evidence.handed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHanded {
    /// The piece, by content hash.
    pub piece: Digest,
    /// Who kept it until now.
    pub from: String,
    /// Who keeps it from now on.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// Body of `evidence.dropped`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceDropped {
    /// Scope whose pin ran over its budget.
    pub scope: String,
    /// The budget, in bytes.
    pub budget: u64,
    /// What was not kept, in the order of D-059.
    pub dropped: Vec<DroppedPiece>,
}

/// A piece that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedPiece {
    /// Checklist item.
    pub item: Item,
    /// Size in bytes.
    pub size: u64,
}

/// Body of `evidence.removed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRemoved {
    /// Removed pieces, with what stays known of them.
    pub pieces: Vec<RemovedPiece>,
    /// Version of the policy whose term has passed.
    pub policy: u64,
}

/// What stays known of a removed piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedPiece {
    /// Content hash.
    pub hash: Digest,
    /// Size in bytes.
    pub size: u64,
}
