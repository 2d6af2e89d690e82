//! Bodies of events: what each kind of event says. A closed list; an unknown kind is refused.

use azir_model::approval::ApprovalBody;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::restart::{CriterionBody, RestartDecisionBody};
use azir_runbook::RunEvent;
use serde::Deserialize;
use serde_json::Value;

mod closing;
mod containing;
mod evidence;
mod observed;
mod opening;
mod recovering;
mod software;

pub use closing::*;
pub use containing::*;
pub use evidence::*;
pub use observed::*;
pub use opening::*;
pub use recovering::*;
pub use software::*;

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

impl Body {
    /// True for kinds that are about the log or the network as a whole and name no incident.
    #[must_use]
    pub const fn names_no_incident(&self) -> bool {
        matches!(
            self,
            Self::LogCreated(_)
                | Self::KeyRevoked(_)
                | Self::RestrictionsObserved(_)
                | Self::GovernanceObserved(_)
                | Self::MandatesObserved(_)
                | Self::ReleaseBuilt(_)
        )
    }
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
    /// A severity declared by mistake leaves the peak (D-030).
    SeverityCorrected(SeverityCorrected) = "severity.corrected",
    /// Affected scopes and blast radius, revised (D-032).
    ScopeChanged(ScopeChanged) = "scope.changed",
    /// The incident is not what it seemed: false alarm, duplicate, nothing to do (annex B).
    IncidentResolved(IncidentResolved) = "incident.resolved",
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
    /// Pieces that public exports show by hash, size and kind only (D-025).
    EvidenceSealed(EvidenceSealed) = "evidence.sealed",
    /// Somebody else keeps a piece from now on (D-058).
    EvidenceHanded(EvidenceHanded) = "evidence.handed",
    /// What a pin could not keep within its budget (D-059).
    EvidenceDropped(EvidenceDropped) = "evidence.dropped",
    /// Tombstones: pieces removed after their term (D-026).
    EvidenceRemoved(EvidenceRemoved) = "evidence.removed",
    /// Minimal confirmation (D-042, annex N.2).
    ConfirmationVerified(ConfirmationVerified) = "confirmation.verified",
    /// A lifecycle transition (annex B).
    StateMoved(StateMoved) = "state.moved",
    /// A containment decision (annex D).
    DecisionRecorded(DecisionRecorded) = "decision.recorded",
    /// A local measure is ordered.
    MeasureCommanded(MeasureCommanded) = "measure.commanded",
    /// The node's agent carries a measure that no gate states (peers).
    MeasureAcknowledged(MeasureAcknowledged) = "measure.acknowledged",
    /// What must stay is handed over to an object or an owned follow-up (guard `released`).
    MeasureHandedOver(MeasureHandedOver) = "measure.handed_over",
    /// A local measure is lifted, or handed over.
    MeasureReleased(MeasureReleased) = "measure.released",
    /// What a gate says of itself.
    GateStated(GateStated) = "gate.stated",
    /// What a node has verified of the network.
    NetworkObserved(NetworkObserved) = "network.observed",
    /// Every restriction in force at a hard-final height (annex G).
    RestrictionsObserved(RestrictionsObserved) = "restrictions.observed",
    /// Mandates of own agents in finalized state (annex G).
    MandatesObserved(MandatesObserved) = "mandates.observed",
    /// What recomputing a governance path gave (D-090).
    GovernanceObserved(GovernanceObserved) = "governance.observed",
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
    /// What somebody read of the network or a node, for predicates of runbooks (D-058).
    ReadingStated(ReadingStated) = "reading.stated",
    /// A version of a runbook that incidents may bind from here on (D-117).
    RunbookReleased(RunbookReleased) = "runbook.released",
    /// What one builder got from one source (D-109).
    ReleaseBuilt(ReleaseBuilt) = "release.built",
    /// A change of software, rules, configuration or data of an own node (2.3).
    ChangeRecorded(ChangeRecorded) = "change.recorded",
    /// Keys with which no gate may open any more (D-108).
    KeyListed(KeyListed) = "key.listed",
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
