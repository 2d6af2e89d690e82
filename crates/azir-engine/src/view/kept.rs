//! Records of the view that later rules read back: severities ever declared, custody, drafts,
//! what was handed over, and where each event of the incident stands in the log.

use azir_ledger::Digest;
use azir_model::lifecycle::Resolution;
use azir_model::{IncidentId, Severity};
use azir_runbook::FactValue;
use serde::Serialize;

use super::Mark;
use crate::body::{DraftKind, DraftedMeasure, DroppedPiece};

/// What was read of one fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Its value.
    pub value: FactValue,
    /// What shows it.
    pub basis: Digest,
    /// Who read it and when.
    pub mark: Mark,
}

/// An event of the incident in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Position.
    pub index: u64,
    /// Hash of the event.
    pub event: Digest,
    /// Kind of the event.
    pub kind: String,
    /// Author.
    pub by: String,
}

/// A severity as a person declared it (D-030).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclaredSeverity {
    /// The severity.
    pub severity: Severity,
    /// True once two people called the declaration wrong; it then counts for no peak.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wrong: bool,
    /// Who and where.
    pub mark: Mark,
}

/// How the incident ends, where it is not simply real.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolutionRecord {
    /// The resolution.
    pub resolution: Resolution,
    /// Why.
    pub reason: String,
    /// Refuting evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Digest>,
    /// The other incident about the same event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<IncidentId>,
    /// Who and when.
    pub mark: Mark,
}

/// A change of who keeps a piece of evidence (D-058).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Custody {
    /// Who kept it.
    pub from: String,
    /// Who keeps it now.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Who recorded it, and when.
    pub mark: Mark,
}

/// What a pin did not keep (D-059).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Scope of the pin.
    pub scope: String,
    /// Budget in bytes.
    pub budget: u64,
    /// What was not kept.
    pub pieces: Vec<DroppedPiece>,
    /// Who and when.
    pub mark: Mark,
}

/// Tombstone of a removed piece (D-026).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tombstone {
    /// Size in bytes.
    pub size: u64,
    /// Policy version whose term had passed.
    pub policy: u64,
    /// Who and when.
    pub mark: Mark,
}

/// A measure that outlives the incident, and who holds it from then on (guard `released`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandedOver {
    /// The finalized object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Digest>,
    /// The owner of the follow-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What stays.
    pub text: String,
    /// Who and when.
    pub mark: Mark,
}

/// An unsigned protocol object that was prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DraftRecord {
    /// What it is.
    pub draft: DraftKind,
    /// The object, in the vault; a finalized object with this hash is this draft.
    pub object: Digest,
    /// The measure that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<DraftedMeasure>,
    /// Output of the decision in force when it was made. Follows from the log, so no hash covers
    /// it.
    #[serde(skip)]
    pub decision: Option<Digest>,
    /// Who and when.
    pub mark: Mark,
}
