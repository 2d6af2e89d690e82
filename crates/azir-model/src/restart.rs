//! Restart criteria, the restart decision, and the one function that judges a restart file
//! (29.1, annex J.2, D-104). Engine, gate and offline verifier all call [`authorize`].

use azir_ledger::event::EventError;
use azir_ledger::{Digest, MachinePublic, Signature, SignedEvent, Timestamp, canon};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::vocab::{IncidentClass, NodeRole, Role};

mod judge;

pub use judge::{Authorized, authorize};

/// Type of the event with a [`CriterionBody`].
pub const CRITERION_SIGNED: &str = "criterion.signed";
/// Type of the event with a [`RestartDecisionBody`].
pub const RESTART_DECIDED: &str = "restart.decided";
/// Tag of [`criteria_digest`].
pub const CRITERIA_TAG: &str = "AZ:CRITERIA:";
/// How long a restart decision is valid, in milliseconds: 60 minutes (D-104).
pub const RESTART_VALID_MS: i64 = 60 * 60 * 1_000;
/// How far a decision may lie ahead of the reader's clock, in milliseconds (D-016).
pub const CLOCK_AHEAD_MS: i64 = 2_000;
/// Most criteria or approvals that a restart file may hold (bounded input).
pub const RESTART_FILE_LIST_MAX: usize = 16;
/// Longest summary or reason, in bytes.
pub const REASON_BYTES_MAX: usize = 2_000;

wire_enum! {
    /// The criteria of annex J.2 that a restart decision quotes. rc8 is the decision itself.
    pub enum Criterion {
        /// Root cause bounded (D-044).
        RootCause = "rc1",
        /// Containment holding.
        Containment = "rc2",
        /// Replay or rebuild checks match.
        Replay = "rc3",
        /// Active restrictions understood.
        Restrictions = "rc4",
        /// Key roles safe or rotated.
        Keys = "rc5",
        /// Reviews and approvals complete.
        Reviews = "rc6",
        /// Telemetry within thresholds.
        Telemetry = "rc7",
    }
}

impl Criterion {
    /// The roles of which one must sign (annex J.2, annex C row 23). The lead of rc1 is narrowed
    /// to the incident's class by [`Criterion::signers_in`].
    #[must_use]
    pub const fn signers(self) -> &'static [Role] {
        match self {
            Self::RootCause => &[
                Role::ConsensusLead,
                Role::ExecutionLead,
                Role::SecurityLead,
                Role::GovernanceLiaison,
            ],
            // Measured by the system, vouched for by the commander.
            Self::Containment | Self::Reviews => &[Role::IncidentCommander],
            Self::Replay => &[Role::ConsensusLead, Role::ExecutionLead],
            Self::Restrictions => &[Role::GovernanceLiaison],
            Self::Keys => &[Role::SecurityLead],
            Self::Telemetry => &[Role::Automatic],
        }
    }

    /// [`Criterion::signers`] in an incident of this class: rc1 belongs to its leads.
    #[must_use]
    pub fn signers_in(self, class: IncidentClass) -> Vec<Role> {
        match self {
            Self::RootCause => crate::class::signing_leads(class, None),
            Self::Containment
            | Self::Replay
            | Self::Restrictions
            | Self::Keys
            | Self::Reviews
            | Self::Telemetry => self.signers().to_vec(),
        }
    }

    /// Whether the criterion may be `not_applicable` for this node role at all (annex J.2). A role
    /// whose signatures count is closed only by a measure, so never under observe only (rc2), and
    /// its recovery touches more than operations (rc3).
    #[must_use]
    pub const fn may_be_not_applicable(self, role: NodeRole) -> bool {
        match self {
            Self::Containment | Self::Replay => !role.signs(),
            Self::RootCause | Self::Restrictions | Self::Keys | Self::Reviews | Self::Telemetry => {
                false
            }
        }
    }

    /// [`Criterion::may_be_not_applicable`] with what an incident adds: rc2 only under observe
    /// only, rc3 only when annex N.1 says that recovery touches operations.
    ///
    /// Implements R-3.2-4.
    #[must_use]
    pub fn may_be_not_applicable_in(
        self,
        role: NodeRole,
        class: IncidentClass,
        observe_only: bool,
    ) -> bool {
        let incident_allows = match self {
            Self::Containment => observe_only,
            Self::Replay => crate::class::row(class).touches.only_operations(),
            Self::RootCause | Self::Restrictions | Self::Keys | Self::Reviews | Self::Telemetry => {
                false
            }
        };
        incident_allows && self.may_be_not_applicable(role)
    }
}

/// What a restart opens: one role of one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsystem {
    /// Name of the own node.
    pub node: String,
    /// Role of the node.
    pub role: NodeRole,
}

impl std::fmt::Display for Subsystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.node, self.role)
    }
}

/// State of a criterion. There is no state for an impression: satisfied needs a proof (R-29.2-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum CriterionState {
    /// Satisfied, shown by a stored object.
    Satisfied {
        /// Content hash of the proof of annex J.2.
        proof: Digest,
        /// What the proof shows, for people.
        summary: String,
    },
    /// Not applicable, where annex J.2 allows it.
    NotApplicable {
        /// Why.
        reason: String,
    },
}

/// Body of a `criterion.signed` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriterionBody {
    /// What would be restarted.
    pub subsystem: Subsystem,
    /// Which criterion.
    pub criterion: Criterion,
    /// Its state.
    pub state: CriterionState,
}

/// Criteria that a decision sets aside, only for roles that sign nothing (D-104, R-29.1-9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// The criteria that are not satisfied.
    pub criteria: Vec<Criterion>,
    /// Why the role is restarted all the same.
    pub reason: String,
}

/// Body of a `restart.decided` event (rc8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartDecisionBody {
    /// What is restarted.
    pub subsystem: Subsystem,
    /// The key that the gate guards.
    pub key: MachinePublic,
    /// Re-enable phase, 1 to 7; it must be the phase of the role.
    pub phase: u8,
    /// [`criteria_digest`] of the criteria that the decision rests on.
    pub criteria: Digest,
    /// When it was decided; valid for [`RESTART_VALID_MS`].
    pub decided_at: Timestamp,
    /// Restart manifest, in RM_PROTOCOL_SAFE_RESTART.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// Criteria set aside with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
}

/// Digest over criteria and the hashes of their events, in the order rc1 to rc7 whatever the order
/// given: `H("AZ:CRITERIA:" || canonical [{criterion, event}])`.
#[must_use]
pub fn criteria_digest(criteria: &[(Criterion, Digest)]) -> Digest {
    let mut sorted = criteria.to_vec();
    sorted.sort_unstable();
    let rows: Vec<_> = sorted
        .iter()
        .map(|(criterion, event)| format!(r#"{{"criterion":"{criterion}","event":"{event}"}}"#))
        .collect();
    Digest::tagged(CRITERIA_TAG, format!("[{}]", rows.join(",")).as_bytes())
}

/// An event outside its log, with its signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedText {
    /// The event as a JSON value; its canonical bytes are what was signed.
    pub event: Value,
    /// The author's signature.
    pub sig: Signature,
}

impl SignedText {
    /// The text of a signed event.
    #[must_use]
    pub fn of(signed: &SignedEvent) -> Self {
        // A signed event was decoded from JSON, so it is JSON again.
        let event = canon::decode(signed.bytes()).unwrap_or(Value::Null);
        Self { event, sig: signed.signature().clone() }
    }

    /// The event with its exact bytes. The signature is not checked here.
    ///
    /// # Errors
    /// [`EventError`] when the value is no event of this format.
    pub fn open(&self) -> Result<SignedEvent, EventError> {
        SignedEvent::from_bytes(canon::encode_value(&self.event)?, self.sig.clone())
    }
}

/// Everything that a gate or an auditor needs to judge one restart, without any server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartFile {
    /// The `restart.decided` event.
    pub decision: SignedText,
    /// The `criterion.signed` events that it rests on.
    pub criteria: Vec<SignedText>,
    /// `approval.given` events of second persons (annex C row 25).
    pub approvals: Vec<SignedText>,
}

/// Roles of which one must co-sign the restart of this node role (annex C row 25).
#[must_use]
pub const fn cosigners(role: NodeRole) -> &'static [Role] {
    match role {
        NodeRole::Notary => &[Role::ConsensusLead],
        NodeRole::Agent => &[Role::ExecutionLead, Role::SecurityLead],
        NodeRole::Indexer
        | NodeRole::Rpc
        | NodeRole::Validation
        | NodeRole::Verifier
        | NodeRole::Proposer => &[],
    }
}

#[cfg(test)]
mod tests;
