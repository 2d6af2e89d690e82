//! Bodies of events: what each kind of event says. A closed list; an unknown kind is refused.

use azir_ledger::{Digest, SeenFinal, Timestamp};
use azir_model::approval::ApprovalBody;
use azir_model::directive::{GateStatement, Signed};
use azir_model::evidence::{Descriptor, Item};
use azir_model::lifecycle::ContainingCause;
use azir_model::policy::Policy;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::restart::{CriterionBody, RestartDecisionBody};
use azir_model::vocab::NodeRole;
use azir_model::{
    BlastRank, Choice, IncidentClass, IncidentState, OpeningRecord, Profile, RecoveryMode, Role,
    RunbookId, Severity,
};
use azir_runbook::RunEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! bodies {
    ($($(#[$doc:meta])* $variant:ident($body:ty) = $kind:literal,)+) => {
        /// The body of an event, by its kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Body {
            $($(#[$doc])* $variant($body),)+
            /// Progress of a runbook run; its kinds are those of [`RunEvent`].
            Run(RunEvent),
        }

        impl Body {
            /// All kinds of events of this version, beside those of runbook runs.
            pub const KINDS: &'static [&'static str] = &[$($kind,)+];

            /// The wire kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)+ Self::Run(run) => run.kind().as_str() }
            }

            /// Reads the body of an event of this kind.
            ///
            /// # Errors
            /// `unknown_enum` for an unknown kind, `invalid_schema` for members that do not fit.
            pub fn parse(kind: &str, body: &Value) -> Result<Self, Unmet> {
                match kind {
                    $($kind => <$body>::deserialize(body)
                        .map(Self::$variant)
                        .map_err(|e| misfit(kind, &e)),)+
                    _ => parse_run(kind, body),
                }
            }

            /// The members, as they stand in an event.
            #[must_use]
            pub fn value(&self) -> Value {
                let value = match self {
                    $(Self::$variant(body) => serde_json::to_value(body).ok(),)+
                    Self::Run(run) => run.body().ok(),
                };
                // A body has string keys only, so this conversion cannot fail; null would be
                // refused by its reader.
                value.unwrap_or(Value::Null)
            }
        }
    };
}

fn parse_run(kind: &str, body: &Value) -> Result<Body, Unmet> {
    match RunEvent::parse(kind, body) {
        Ok(Some(run)) => Ok(Body::Run(run)),
        Ok(None) => Err(Unmet::new(
            RefusalKind::UnknownEnum,
            format!("event type {kind:?} does not exist"),
            "D-009, D-010",
            "use an event type of this version",
        )),
        Err(error) => Err(misfit(kind, &error)),
    }
}

fn misfit(kind: &str, error: &dyn std::fmt::Display) -> Unmet {
    let text = error.to_string();
    let unknown = text.contains("is no member of");
    let refusal = if unknown { RefusalKind::UnknownEnum } else { RefusalKind::InvalidSchema };
    Unmet::new(
        refusal,
        format!("{kind}: {text}"),
        "D-009, D-010",
        "send exactly the members of this event type",
    )
}

bodies! {
    /// First entry of a log.
    LogCreated(LogCreated) = "log.created",
    /// A key is revoked from this position on (D-051).
    KeyRevoked(KeyRevoked) = "key.revoked",
    /// The opening record (7.1).
    IncidentOpened(IncidentOpened) = "incident.opened",
    /// A note; never satisfies a guard (D-096).
    NoteAdded(NoteAdded) = "note.added",
    /// A role for a person.
    RoleAssigned(RoleAssigned) = "role.assigned",
    /// The person takes the role.
    RoleAccepted(RoleAccepted) = "role.accepted",
    /// Class, severity, scope and blast radius declared (D-020).
    IncidentDeclared(IncidentDeclared) = "incident.declared",
    /// Severity raised or lowered (D-030).
    SeverityChanged(SeverityChanged) = "severity.changed",
    /// Lead runbook bound by version and hash (D-019).
    RunbookBound(BoundRunbook) = "runbook.bound",
    /// Evidence held and hashed at once (D-041).
    EvidencePinned(EvidenceItems) = "evidence.pinned",
    /// Evidence gathered and stored.
    EvidenceCollected(EvidenceItems) = "evidence.collected",
    /// A checklist item without content (D-054).
    EvidenceSettled(EvidenceSettled) = "evidence.settled",
    /// Preservation receipt for a scope (D-041 O1).
    EvidencePreserved(EvidencePreserved) = "evidence.preserved",
    /// Minimal confirmation (D-042, annex N.2).
    ConfirmationVerified(ConfirmationVerified) = "confirmation.verified",
    /// A lifecycle transition (annex B).
    StateMoved(StateMoved) = "state.moved",
    /// A containment decision (annex D).
    DecisionRecorded(DecisionRecorded) = "decision.recorded",
    /// A local measure is ordered.
    MeasureCommanded(MeasureCommanded) = "measure.commanded",
    /// A local measure is lifted, or handed over.
    MeasureReleased(MeasureReleased) = "measure.released",
    /// What a gate says of itself.
    GateStated(GateStated) = "gate.stated",
    /// What a node has verified of the network.
    NetworkObserved(NetworkObserved) = "network.observed",
    /// Result of a replay.
    ReplayReported(ReplayReported) = "replay.reported",
    /// The computed trusted checkpoint, pinned for the incident (D-092).
    CheckpointPinned(CheckpointPinned) = "checkpoint.pinned",
    /// A recovery plan with its four parts (26.2).
    RecoveryPlanned(RecoveryPlanned) = "recovery.planned",
    /// Approval of the plan.
    RecoveryApproved(RecoveryApproved) = "recovery.approved",
    /// An expected output, or an exit criterion with its proof.
    RecoveryProduced(RecoveryProduced) = "recovery.produced",
    /// The recovery state (5.2).
    RecoveryRecorded(RecoveryRecorded) = "recovery.recorded",
    /// A restart criterion (annex J.2).
    CriterionSigned(CriterionBody) = "criterion.signed",
    /// A restart decision (rc8).
    RestartDecided(RestartDecisionBody) = "restart.decided",
    /// The Recovery Operator carries a decided phase out (annex C row 26).
    PhaseCarried(PhaseCarried) = "phase.carried",
    /// A second person's signature for an act that follows.
    ApprovalGiven(ApprovalBody) = "approval.given",
    /// An unsigned protocol object, prepared (D-088).
    DraftMade(DraftMade) = "draft.made",
    /// An operator accepts a restart manifest (D-095).
    ManifestAccepted(ManifestAccepted) = "manifest.accepted",
    /// What is known of the cause (D-044).
    CauseStated(CauseStated) = "cause.stated",
    /// The closure review (T-18).
    ReviewSigned(ReviewSigned) = "review.signed",
    /// The postmortem (33.1).
    PostmortemPublished(PostmortemPublished) = "postmortem.published",
    /// A refused request of an authenticated actor (annex A).
    AttemptRefused(AttemptRefused) = "attempt.refused",
    /// The published status (annex K).
    StatusPublished(StatusPublished) = "status.published",
}

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

/// How a blast radius is known (D-032).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlastBasis {
    /// From verified objects.
    Measured,
    /// A person's estimate.
    Estimated,
    /// Not known: the class default counts.
    Unknown,
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

/// Body of `decision.recorded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecorded {
    /// Canonical input of annex D.2, in the vault.
    pub input: Digest,
    /// Canonical output of annex D.8, in the vault.
    pub output: Digest,
    /// The declared profile: the ceiling for measures (D-080).
    pub profile: Profile,
    /// The output's recommended profile.
    pub recommended: Profile,
    /// The output's residual harm, one line per channel; must equal the output.
    pub residual: Vec<String>,
    /// True when the output applies and requests nothing; must equal the output.
    pub observe_only: bool,
    /// True when the residual harm of the output is accepted by the author (guard `inforce`).
    pub residual_accepted: bool,
    /// Why a profile above the recommended one is declared; with a second signature from SEV_3
    /// (D-083).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

/// Body of `measure.commanded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureCommanded {
    /// Name of the measure inside the incident, for example `m1`.
    pub measure: String,
    /// Kind of measure.
    pub choice: Choice,
    /// The node.
    pub node: String,
    /// Roles of the node whose gates close.
    pub roles: Vec<NodeRole>,
    /// Why.
    pub reason: String,
}

/// Body of `measure.released`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureReleased {
    /// The measure.
    pub measure: String,
    /// Why it may end.
    pub reason: String,
}

/// Body of `gate.stated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateStated {
    /// The gate's own signed statement.
    pub statement: Signed<GateStatement>,
}

/// Body of `network.observed`: facts of one node, each verified by certificates (annex G).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkObserved {
    /// Node that verified.
    pub node: String,
    /// Hard-final tip.
    pub hard_final: SeenFinal,
    /// Slots in which two certificates verify.
    pub conflicting_slots: u64,
    /// True when two hard-final blocks exist, neither ancestor of the other.
    pub conflicting_hard_final: bool,
    /// True when hard-final rose within the last epoch.
    pub finalizing: bool,
    /// The checksum of the node's store holds (D-100).
    pub store_ok: bool,
    /// Seats of the network.
    pub seats: u64,
    /// Seats that a certificate needs.
    pub quorum: u64,
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// Damage indicator: harmful objects newly seen since the last observation; 0 is quiet.
    pub damage: u64,
}

/// Verdict of a replay (annex J.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayVerdict {
    /// Every root equal.
    Match,
    /// A first difference was found.
    Diverged,
    /// Not everything was replayed; never success.
    Incomplete,
    /// Input failed the source rule.
    InputUntrusted,
}

/// Body of `replay.reported`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayReported {
    /// The canonical report in the vault.
    pub report: Digest,
    /// Its verdict.
    pub verdict: ReplayVerdict,
    /// Source families of the implementations that ran (D-099).
    pub families: Vec<String>,
    /// Trusted checkpoint from which it ran.
    pub checkpoint: SeenFinal,
    /// Number of branches above the checkpoint that were replayed.
    pub branches: u64,
}

/// Body of `checkpoint.pinned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointPinned {
    /// The computed checkpoint.
    pub checkpoint: SeenFinal,
    /// Replay report from which it was computed.
    pub report: Digest,
}

/// Body of `recovery.planned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanned {
    /// Recovery mode (26.1).
    pub mode: RecoveryMode,
    /// Target scope.
    pub scope: String,
    /// Entry condition.
    pub entry: String,
    /// Expected outputs, by name.
    pub outputs: Vec<String>,
    /// Exit criteria, by name.
    pub exits: Vec<String>,
    /// Scopes whose stores the plan destroys: each needs a preservation receipt (O1).
    pub destroys: Vec<String>,
    /// Subsystems to bring back, as `node/role`.
    pub subsystems: Vec<String>,
}

/// Body of `recovery.approved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryApproved {
    /// Hash of the `recovery.planned` event.
    pub plan: Digest,
}

/// Body of `recovery.produced`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryProduced {
    /// Name of an expected output or an exit criterion of the plan.
    pub item: String,
    /// Proof in the vault.
    pub proof: Digest,
}

/// Body of `recovery.recorded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRecorded {
    /// True for `done`, false for `none_required`.
    pub done: bool,
    /// What was done, or why nothing had to be.
    pub statement: String,
    /// Report that proves it, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
}

/// Body of `phase.carried`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseCarried {
    /// The subsystem to bring back.
    pub subsystem: azir_model::restart::Subsystem,
    /// Hash of the restart decision that this carries out.
    pub decision: Digest,
}

/// Body of `draft.made`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftMade {
    /// What the draft is.
    pub draft: DraftKind,
    /// The unsigned object, in the vault.
    pub object: Digest,
    /// For protocol measures: the candidate of the decision that is drafted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<DraftedMeasure>,
    /// Why the normal path is insufficient, why the scope is minimal, expiry, review (38.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<azir_model::emergency::Justification>,
}

/// The measure that a draft asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftedMeasure {
    /// Choice of annex D.4.
    pub choice: Choice,
    /// Scope.
    pub scope: String,
}

/// Kinds of drafts (annex C rows 14 to 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftKind {
    /// Fraud proof (owner path, row 15).
    FraudProof,
    /// Replacement of seats, proposed.
    SeatReplacement,
    /// Restart manifest for the restart authority (D-095).
    RestartManifest,
    /// Emergency restriction (row 16).
    EmergencyRestriction,
    /// Safe mode, halt or quarantine by object (row 14).
    ProtocolMeasure,
}

/// Body of `manifest.accepted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestAccepted {
    /// The signed manifest, in the vault.
    pub manifest: Digest,
    /// Its restart number.
    pub restart: u64,
}

/// Root-cause kinds of 33.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootKind {
    /// The rules themselves.
    ProtocolBug,
    /// A program.
    ImplementationBug,
    /// Operation.
    OpsFailure,
    /// Governance.
    GovernanceFailure,
    /// Something outside.
    ExternalDependencyFailure,
}

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

/// How sure it is that a person misused a valid key (D-034).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adversarial {
    /// Likely.
    Suspected,
    /// By a verifying proof.
    Proven,
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
    /// Contents of 33.1 that it holds, by name.
    pub contents: Vec<String>,
    /// Root kinds named; empty only when the adversary is proven (D-034).
    pub kinds: Vec<RootKind>,
    /// The three conformance questions of 39.1 answered.
    pub conformance: Vec<ConformanceAnswer>,
}

/// Answer to one question of 39.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformanceAnswer {
    /// The question.
    pub question: String,
    /// Yes or no.
    pub answer: bool,
    /// Why.
    pub reason: String,
    /// Hash of the new fixture, when yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<Digest>,
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

/// Body of `status.published`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusPublished {
    /// Class on the operator axis.
    pub operator: crate::status::StatusClass,
    /// Class on the network axis.
    pub network: crate::status::StatusClass,
    /// Words for people; the class is derived, not chosen (D-052).
    pub text: String,
}

/// The recorded residual lines of an output, one per channel.
#[must_use]
pub fn residual_lines(output: &azir_model::decision::Output) -> Vec<String> {
    output
        .residual
        .iter()
        .map(|r| {
            let reasons: Vec<_> = r.reasons.iter().map(|x| x.as_str()).collect();
            let beyond = r.beyond_s.map_or("uncontained".to_owned(), |s| format!("{s} s late"));
            match reasons.as_slice() {
                [] => format!("{}: {beyond}", r.scope),
                reasons => format!("{}: {beyond} ({})", r.scope, reasons.join(" ")),
            }
        })
        .collect()
}
