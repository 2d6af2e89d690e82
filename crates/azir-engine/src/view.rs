//! The incident view: what the events of one incident say now. It is a fold and nothing else
//! (D-013); its hash stands in every entry, so anybody can recompute it.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{CanonError, Digest, MachinePublic, SeenFinal, Timestamp};
use azir_model::directive::Running;
use azir_model::evidence::{Descriptor, Item};
use azir_model::vocab::NodeRole;
use azir_model::{
    Choice, IncidentClass, IncidentId, IncidentState, OpeningRecord, Profile, RecoveryMode, Role,
    Severity,
};
use azir_runbook::RunState;
use serde::Serialize;

use crate::body::{
    Blast, BoundRunbook, CauseStated, ChangeRecorded, ConformanceAnswer, Embargo, NetworkObserved,
    ReplayVerdict, RequestedMeasure, RootKind, SettledState,
};

mod kept;

pub use kept::{
    Custody, DeclaredSeverity, DraftRecord, Dropped, EntryRef, HandedOver, Reading,
    ResolutionRecord, Tombstone,
};

/// Tag of the hash of an incident view (D-013).
pub const VIEW_TAG: &str = "AZ:INCIDENT:VIEW:";

/// Who did something, in which role, and at which position of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The actor.
    pub by: String,
    /// The role acted in, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Log index.
    pub index: u64,
    /// The log's time.
    pub at: Timestamp,
    /// The author's clock was further from the log's than [`CLOCK_SUSPECT_MS`] (D-016).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_suspect: bool,
}

/// An author's clock further off than this is marked, never refused (D-016), in milliseconds.
pub const CLOCK_SUSPECT_MS: i64 = 2_000;

/// One transition that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// State that was left.
    pub from: IncidentState,
    /// State that was entered.
    pub to: IncidentState,
    /// Who and when.
    pub mark: Mark,
}

/// A role and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleHolder {
    /// The person.
    pub person: String,
    /// True once the person accepted.
    pub accepted: bool,
}

/// What is held for one checklist item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ItemRecord {
    /// Content that is held, by hash.
    pub held: Vec<Descriptor>,
    /// True once pinned.
    pub pinned: bool,
    /// True once gathered and stored.
    pub collected: bool,
    /// Rule by which content was verified (D-058).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
    /// End state without content (D-054).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// An end state without content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Which.
    pub state: SettledState,
    /// Why.
    pub reason: String,
    /// What was tried; empty for `not_applicable`.
    pub tried: String,
    /// Who signed the waiver as second person, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// Who and when.
    pub mark: Mark,
}

/// The containment decision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionRecord {
    /// Hash of the input.
    pub input: Digest,
    /// Hash of the output.
    pub output: Digest,
    /// Declared profile.
    pub profile: Profile,
    /// Recommended profile.
    pub recommended: Profile,
    /// Residual harm accepted by the author.
    pub residual_accepted: bool,
    /// Channels whose harm the output leaves uncontained or late.
    pub residual: Vec<String>,
    /// Measures of own nodes that it applies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<RequestedMeasure>,
    /// Protocol measures that it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<RequestedMeasure>,
    /// True when the output applies nothing and requests nothing.
    pub observe_only: bool,
    /// Reason of an override, when the profile is above the recommended one (D-083).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
    /// True when a second person signed this decision (D-050, D-083).
    pub seconded: bool,
    /// Who and when.
    pub mark: Mark,
}

/// A local measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeasureRecord {
    /// Kind.
    pub choice: Choice,
    /// Node.
    pub node: String,
    /// Roles.
    pub roles: Vec<NodeRole>,
    /// Peers that the node drops (local quarantine).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// When the node's agent said that it carries the quarantine of these peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<Mark>,
    /// Command, or the gate's own closure for automatic measures.
    pub commanded: Mark,
    /// Roles whose gate has stated that it is closed.
    pub acknowledged: BTreeSet<NodeRole>,
    /// Roles whose gate opened again without a restart decision carried out (D-038).
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub lost: BTreeSet<NodeRole>,
    /// Set when released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Mark>,
}

impl MeasureRecord {
    /// True when every gate of the measure has stated that it is closed, and the agent that it
    /// drops the peers.
    #[must_use]
    pub fn in_force(&self) -> bool {
        let peers = self.peers.is_empty() || self.carried.is_some();
        peers && self.roles.iter().all(|r| self.acknowledged.contains(r))
    }

    /// True when a gate opened again although nobody decided its restart (D-038).
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.released.is_none() && !self.lost.is_empty()
    }
}

/// Newest statement of one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateRecord {
    /// True when open.
    pub open: bool,
    /// True when latched.
    pub latched: bool,
    /// The key that the gate guards.
    pub key: MachinePublic,
    /// Signatures released and requests denied since its process started.
    pub served: u64,
    /// Size of the largest log that the gate has seen; 0 for none.
    pub seen_log: u64,
    /// Gate's own sequence number.
    pub sequence: u64,
    /// The gate's own clock in the newest statement; orders statements of one sequence number.
    pub said: Timestamp,
    /// Log time since when it has been in this state.
    pub since: Timestamp,
    /// Log time of the newest statement.
    pub stated: Timestamp,
    /// What the node runs, the newest last; what it ran before while an incident was open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ran: Vec<Running>,
}

/// A change of an own node during response (2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeRecord {
    /// What was changed, from which hash to which, and why.
    pub said: ChangeRecorded,
    /// Who and when.
    pub mark: Mark,
}

/// What the network is known to do, by the newest verified observation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkRecord {
    /// The newest observation.
    pub newest: NetworkObserved,
    /// Log time of it.
    pub at: Timestamp,
    /// Log time of the newest observation with damage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<Timestamp>,
    /// Hash of that observation's event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged_by: Option<Digest>,
    /// Hard-final height when damage was last seen.
    pub damaged_height: u64,
}

/// Newest replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayRecord {
    /// Report.
    pub report: Digest,
    /// Verdict.
    pub verdict: ReplayVerdict,
    /// Source families.
    pub families: Vec<String>,
    /// Checkpoint it ran from.
    pub checkpoint: SeenFinal,
    /// Who and when.
    pub mark: Mark,
}

/// The recovery plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanRecord {
    /// Hash of its event.
    pub event: Digest,
    /// Mode.
    pub mode: RecoveryMode,
    /// Target scope.
    pub scope: String,
    /// Entry condition.
    pub entry: String,
    /// Expected outputs.
    pub outputs: Vec<String>,
    /// Exit criteria.
    pub exits: Vec<String>,
    /// Scopes whose stores are destroyed.
    pub destroys: Vec<String>,
    /// Subsystems to bring back.
    pub subsystems: Vec<String>,
    /// Who prepared it.
    pub prepared: Mark,
    /// Who approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<Mark>,
    /// Items produced, with their proofs.
    pub produced: BTreeMap<String, Digest>,
}

/// The recovery state of 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecoveryStateRecord {
    /// `done`, or `none_required`.
    pub done: bool,
    /// Words.
    pub statement: String,
    /// Proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
}

/// A restart decision and what followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestartRecord {
    /// Newest criterion events, by criterion.
    pub criteria: BTreeMap<String, Digest>,
    /// Who signed criteria.
    pub criteria_by: BTreeSet<String>,
    /// Newest decision event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Digest>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Mark>,
    /// Who carried it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<Mark>,
}

/// A second person's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalRecord {
    /// Digest of the act.
    pub act: Digest,
    /// Hash of the approval event.
    pub event: Digest,
    /// Who and when.
    pub mark: Mark,
}

/// A refused attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptRecord {
    /// Kind that was attempted.
    pub attempted: String,
    /// Who.
    pub actor: String,
    /// Kinds of refusal.
    pub kinds: BTreeSet<String>,
    /// Position.
    pub index: u64,
    /// What the audit trail lacked when somebody tried to close (32.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_gap: Option<String>,
}

/// Published postmortem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PostmortemRecord {
    /// Document.
    pub document: Digest,
    /// Root kinds.
    pub kinds: Vec<RootKind>,
    /// Answers.
    pub conformance: Vec<ConformanceAnswer>,
    /// Roles that signed it.
    pub signed_by: BTreeSet<Role>,
    /// When a postmortem of this round was published first.
    pub first: Timestamp,
    /// Until when the text stays sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embargo: Option<Embargo>,
    /// Who and when.
    pub mark: Mark,
}

/// All that is known of one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentView {
    /// Id.
    pub id: IncidentId,
    /// The opening record.
    pub record: OpeningRecord,
    /// Who opened it.
    pub opened: Mark,
    /// State.
    pub state: IncidentState,
    /// Hard-final height when the state was entered.
    pub entered_height: u64,
    /// Due date of the postmortem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Transitions so far.
    pub moves: Vec<Moved>,
    /// Primary class.
    pub class: IncidentClass,
    /// Secondary classes.
    pub secondary: BTreeSet<IncidentClass>,
    /// Classes that ever were named: their evidence duties stay (D-018).
    pub duties: BTreeSet<IncidentClass>,
    /// Severity.
    pub severity: Severity,
    /// Highest severity ever declared by a person (D-030).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<Severity>,
    /// Who declared class and severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Mark>,
    /// Reason of the declaration, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_reason: Option<String>,
    /// True when the severity was declared with a second person's approval.
    pub declared_by_two: bool,
    /// Affected scopes.
    pub scopes: Vec<String>,
    /// Blast radius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blast: Option<Blast>,
    /// The published assessment of the blast radius, while it is about the present scopes (21.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessed: Option<Mark>,
    /// Declared profile (D-080).
    pub profile: Profile,
    /// Roles.
    pub roles: BTreeMap<Role, RoleHolder>,
    /// Lead runbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<BoundRunbook>,
    /// Run of the lead runbook; hashed by the events that it folds.
    #[serde(skip)]
    pub run: RunState,
    /// Hashes of the run's events.
    pub run_events: Vec<Digest>,
    /// Evidence by checklist item.
    pub evidence: BTreeMap<Item, ItemRecord>,
    /// Preservation receipts by scope.
    pub preserved: BTreeMap<String, Mark>,
    /// Minimal confirmations by kind.
    pub confirmations: BTreeMap<String, Digest>,
    /// Decision in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRecord>,
    /// Local measures by name.
    pub measures: BTreeMap<String, MeasureRecord>,
    /// Newest statement of each gate about this incident, by `node/role`.
    pub gates: BTreeMap<String, GateRecord>,
    /// Network facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkRecord>,
    /// Newest replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayRecord>,
    /// Pinned trusted checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<SeenFinal>,
    /// Plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRecord>,
    /// Recovery state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryStateRecord>,
    /// Restarts by subsystem `node/role`.
    pub restarts: BTreeMap<String, RestartRecord>,
    /// Accepted restart manifest by operator.
    pub accepted: BTreeMap<String, Digest>,
    /// Approvals.
    pub approvals: Vec<ApprovalRecord>,
    /// Drafts.
    pub drafts: Vec<DraftRecord>,
    /// Measures that outlive the incident, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub handed: BTreeMap<String, HandedOver>,
    /// Protocol measures that are no longer asked for, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub withdrawn: BTreeMap<String, Mark>,
    /// How it ends, where it is not simply real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<ResolutionRecord>,
    /// Severities that people declared, in order.
    pub severities: Vec<DeclaredSeverity>,
    /// Pieces that outsiders see by hash only.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sealed: BTreeSet<Digest>,
    /// Changes of custody, by piece.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custody: BTreeMap<Digest, Vec<Custody>>,
    /// What pins did not keep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// Removed pieces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub removed: BTreeMap<Digest, Tombstone>,
    /// The incident that this one goes on from (D-038).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<IncidentId>,
    /// Gates whose process began anew while the incident was open, before the evidence of their
    /// node was preserved (anti-pattern 1): gate and position.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unrecorded_restarts: BTreeMap<String, u64>,
    /// Changes of software, rules, configuration or data of own nodes (2.3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeRecord>,
    /// What was read for runbook predicates, by fact.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<String, Reading>,
    /// Every event about the incident, in log order. Follows from the log, so no hash covers it.
    #[serde(skip)]
    pub entries: Vec<EntryRef>,
    /// Affected scopes from a position on. Follows from the log as well.
    #[serde(skip)]
    pub scopes_since: Vec<(u64, Vec<String>)>,
    /// Cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseStated>,
    /// Closure review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Mark>,
    /// Postmortem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postmortem: Option<PostmortemRecord>,
    /// Refused attempts.
    pub attempts: Vec<AttemptRecord>,
    /// Index of the newest event of people or rules about this incident (`stale_view`).
    pub last_act: u64,
}

impl IncidentView {
    /// Hash of the view (D-013). Implements R-7.2-2.
    ///
    /// # Errors
    /// Never for a view that was folded from accepted events.
    pub fn hash(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(VIEW_TAG, self)
    }

    /// Peak severity; before anyone declared one, the proposed severity (annex B).
    #[must_use]
    pub fn peak(&self) -> Severity {
        self.peak.unwrap_or(self.record.severity)
    }

    /// Which round of the response this is: 1, and one more after each reopening (T-21, T-22).
    #[must_use]
    pub fn round(&self) -> usize {
        let triaged = self.moves.iter().filter(|m| m.to == IncidentState::Triaged).count();
        triaged.max(1)
    }

    /// The person who holds a role.
    #[must_use]
    pub fn holder(&self, role: Role) -> Option<&str> {
        self.roles.get(&role).map(|h| h.person.as_str())
    }

    /// True when the incident is still being responded to.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(
            self.state,
            IncidentState::Closed
                | IncidentState::PostmortemPending
                | IncidentState::PostmortemPublished
        )
    }
}
