//! Bodies of the log itself, of opening, people, classification and lifecycle.

use std::collections::BTreeSet;

use azir_ledger::{Digest, Timestamp};
use azir_model::evidence::Descriptor;
use azir_model::lifecycle::{ContainingCause, Resolution};
use azir_model::policy::Policy;
use azir_model::refusal::Unmet;
use azir_model::{
    BlastRank, IncidentClass, IncidentId, IncidentState, OpeningRecord, Role, RunbookId, Severity,
};
use serde::{Deserialize, Serialize};

/// Body of `log.created`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCreated {
    /// The deployment policy: people, machines, windows, automatic gates.
    pub policy: Policy,
    /// Actor id of the machine that keeps the log.
    pub server: String,
    /// Released runbooks that incidents of this log may bind.
    pub runbooks: Vec<BoundRunbook>,
}

/// Body of `key.revoked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Whose key.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Body of `incident.opened`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentOpened {
    /// The immutable record whose hash is the incident id.
    pub record: OpeningRecord,
    /// Preimage of `affected_scopes_hash`.
    pub scopes: Vec<String>,
    /// Preimage of `initial_evidence_hash`.
    pub evidence: Vec<Descriptor>,
    /// The incident whose published postmortem this one goes on from (D-038).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<IncidentId>,
}

/// Body of `note.added`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteAdded {
    /// Free text.
    pub text: String,
}

/// Body of `role.assigned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAssigned {
    /// The person, `operator:<id>`.
    pub person: String,
    /// The role.
    pub role: Role,
}

/// Body of `role.accepted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAccepted {
    /// The role that the author takes.
    pub role: Role,
}

/// Blast radius with its basis (D-032).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blast {
    /// Rank 0 to 4.
    pub rank: BlastRank,
    /// `measured`, `estimated` or `unknown`.
    pub basis: BlastBasis,
}

azir_model::wire_enum! {
    /// How a blast radius is known (D-032).
    pub enum BlastBasis {
        /// From verified objects.
        Measured = "measured",
        /// A person's estimate.
        Estimated = "estimated",
        /// Not known: the class default counts.
        Unknown = "unknown",
    }
}

/// Body of `incident.declared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentDeclared {
    /// Primary class.
    pub class: IncidentClass,
    /// Further classes (D-018).
    pub secondary: Vec<IncidentClass>,
    /// Severity.
    pub severity: Severity,
    /// Affected scopes, sorted and unique.
    pub scopes: Vec<String>,
    /// Blast radius.
    pub blast: Blast,
    /// Needed when the severity is lower than proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Body of `severity.changed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityChanged {
    /// The new severity.
    pub severity: Severity,
    /// Why.
    pub reason: String,
}

/// Body of `severity.corrected`: by the commander with a lead. The wrong declaration stays in the
/// log and no longer counts for the peak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityCorrected {
    /// Log index of the declaration that was wrong.
    pub entry: u64,
    /// The severity that should have been declared.
    pub severity: Severity,
    /// Why it was wrong.
    pub reason: String,
}

/// Body of `scope.changed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeChanged {
    /// Affected scopes, sorted and unique.
    pub scopes: Vec<String>,
    /// Blast radius.
    pub blast: Blast,
    /// Why.
    pub reason: String,
    /// Present in the assessment of the blast radius that is published (21.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessed: Option<Assessed>,
}

/// What an assessment of the blast radius says beside the scopes (21.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessed {
    /// First affected height.
    pub from: u64,
    /// Last affected height, at most the hard-final one.
    pub to: u64,
    /// The evidence that it rests on, by hash; sealed pieces are named no otherwise (D-025).
    pub evidence: BTreeSet<Digest>,
}

/// Body of `incident.resolved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentResolved {
    /// How it ends.
    pub resolution: Resolution,
    /// Why.
    pub reason: String,
    /// The evidence that refutes it, in the vault; needed for a false alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Digest>,
    /// The incident about the same event; needed for a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<IncidentId>,
}

/// A runbook version, by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundRunbook {
    /// Id.
    pub id: RunbookId,
    /// Version.
    pub version: u64,
    /// Hash of the header (35.1), which covers every part.
    pub hash: Digest,
    /// SHA-256 of the runbook's text, in the vault.
    pub object: Digest,
}

/// Body of `runbook.released`. The author is the actor; approvals were given for exactly this act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookReleased {
    /// The version.
    pub runbook: BoundRunbook,
    /// Hash of the version that it follows; none for the first of its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// What changed and why.
    pub reason: String,
}

/// Body of `state.moved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMoved {
    /// State that is left.
    pub from: IncidentState,
    /// State that is entered.
    pub to: IncidentState,
    /// Why, where the transition asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Event that causes a return to CONTAINING (T-10, T-14, T-16).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<MoveCause>,
    /// Report on a failed attempt (T-13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
    /// New evidence that reopens (T-21, T-22).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_evidence: Vec<Digest>,
    /// Due date of the postmortem (T-19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
}

impl StateMoved {
    /// A move without attachments.
    #[must_use]
    pub fn new(from: IncidentState, to: IncidentState) -> Self {
        Self { from, to, reason: None, cause: None, report: None, new_evidence: vec![], due: None }
    }
}

/// Why an incident returns to CONTAINING, and the event that shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveCause {
    /// Kind of cause.
    pub kind: ContainingCause,
    /// Hash of the event.
    pub event: Digest,
}

/// Body of `attempt.refused`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptRefused {
    /// Kind of the refused event, or `gate.sign` for a refused signature.
    pub attempted: String,
    /// Who tried.
    pub actor: String,
    /// Hash of the refused event or request.
    pub event: Digest,
    /// Everything that was not met.
    pub unmet: Vec<Unmet>,
}
