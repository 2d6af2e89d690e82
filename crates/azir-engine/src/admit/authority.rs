//! Annex C applied: which act an event is, whether the author's role may do it, and whether the
//! second signatures that it needs were given before.

use azir_model::approval::{GivenApproval, act_digest, check_second_in};
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, Permission, permit};
use azir_model::{Choice, IncidentState, Role};

use super::Context;
use crate::body::{Body, DraftKind, SettledState};
use crate::view::{ApprovalRecord, IncidentView};

/// What admission asks of the author.
enum Asks {
    /// This row of annex C.
    Act(Act),
    /// A machine of the policy; people cannot say it (annex G).
    Machine,
    /// The server's own rule.
    Server,
    /// Any authenticated actor; the body's own rule decides.
    Anyone,
}

/// Checks role, holder and second persons of an event about `view`.
pub(super) fn check(cx: &Context<'_>, view: &IncidentView, body: &Body, unmet: &mut Vec<Unmet>) {
    match asks(cx, view, body) {
        Asks::Act(act) => {
            holds_role(cx, view, unmet);
            permitted(cx, view, body, act, unmet);
        }
        Asks::Machine if cx.is_machine() => {}
        Asks::Machine => unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} is observed by machines, not stated by people", body.kind()),
            "7.3, D-096, annex G",
            "add it as a note, or let the node's agent observe it",
        )),
        Asks::Server => server_only(cx, unmet),
        Asks::Anyone => holds_role(cx, view, unmet),
    }
}

/// A machine is nobody's second person (D-049).
pub(super) fn person_only(cx: &Context<'_>, unmet: &mut Vec<Unmet>) {
    if cx.is_machine() {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} is a machine and approves nothing", cx.actor),
            "6.2, D-049",
            "let a person of the role sign",
        ));
    }
}

/// Only the machine that keeps the log.
pub(super) fn server_only(cx: &Context<'_>, unmet: &mut Vec<Unmet>) {
    if cx.state.server.as_deref() != Some(cx.actor) {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("only the server of this log records {}", cx.signed.event().kind),
            "D-049",
            "nothing to do: the server records it by itself",
        ));
    }
}

fn asks(cx: &Context<'_>, view: &IncidentView, body: &Body) -> Asks {
    Asks::Act(match body {
        Body::NoteAdded(_)
        | Body::EvidenceCollected(_)
        | Body::ConfirmationVerified(_)
        | Body::EvidenceSealed(_)
        | Body::EvidenceHanded(_)
        | Body::RecoveryProduced(_) => Act::OpenOrAttach,
        Body::RoleAssigned(_) => Act::AssignRoles,
        Body::IncidentDeclared(_)
        | Body::RunbookBound(_)
        | Body::ScopeChanged(_)
        | Body::IncidentResolved(_) => Act::Declare,
        Body::SeverityChanged(b) if b.severity < view.severity => Act::LowerSeverity,
        Body::SeverityChanged(_) => Act::RaiseSeverity,
        Body::SeverityCorrected(_) => Act::LowerSeverity,
        Body::EvidenceRemoved(_) => Act::WaiveEvidence,
        Body::EvidencePinned(_) | Body::EvidencePreserved(_) | Body::EvidenceDropped(_) => {
            Act::PinEvidence
        }
        Body::EvidenceSettled(b) => match b.state {
            SettledState::NotApplicable => Act::OpenOrAttach,
            SettledState::Unavailable if b.item.row().qualified => Act::OpenOrAttach,
            SettledState::Unavailable => Act::WaiveEvidence,
        },
        Body::StateMoved(b) if cx.is_machine() || b.to != IncidentState::Closed => {
            return Asks::Anyone;
        }
        Body::StateMoved(_) => Act::Close,
        Body::DecisionRecorded(_) => Act::DecideContainment,
        Body::MeasureCommanded(b) => match b.choice {
            Choice::LocalDegraded => Act::DegradeLocally,
            _ if !b.peers.is_empty() => Act::DegradeLocally,
            _ if view.state == IncidentState::Recovering => Act::StopReenable,
            _ => Act::HaltLocally,
        },
        Body::MeasureReleased(_) | Body::MeasureHandedOver(_) => Act::LiftLocal,
        Body::KeyListed(_) | Body::ChangeRecorded(_) => Act::HaltLocally,
        Body::ReadingStated(_) if cx.is_machine() => return Asks::Machine,
        Body::ReadingStated(_) => Act::Confirm,
        Body::ReplayReported(_) => Act::RunReplay,
        Body::CheckpointPinned(_) => Act::PinCheckpoint,
        Body::RecoveryPlanned(_) => Act::PreparePlan,
        Body::RecoveryApproved(_) | Body::RecoveryRecorded(_) | Body::ManifestAccepted(_) => {
            Act::ApprovePlan
        }
        Body::CriterionSigned(_) | Body::CauseStated(_) => Act::SignCriterion,
        Body::RestartDecided(_) => Act::DecideRestart,
        Body::PhaseCarried(_) => Act::CarryOutPhase,
        Body::DraftMade(b) => drafting(b.draft),
        Body::ReviewSigned(_) => Act::ReviewClosure,
        Body::PostmortemPublished(_) => Act::PublishPostmortem,
        Body::StatusPublished(_) => Act::PublishStatus,
        Body::GateStated(_)
        | Body::NetworkObserved(_)
        | Body::MeasureAcknowledged(_)
        | Body::RestrictionsObserved(_)
        | Body::MandatesObserved(_)
        | Body::GovernanceObserved(_) => return Asks::Machine,
        Body::AttemptRefused(_) => return Asks::Server,
        Body::RoleAccepted(_) | Body::ApprovalGiven(_) | Body::Run(_) => {
            return Asks::Anyone;
        }
        // Refused by their own rule: they are not about an open incident.
        Body::LogCreated(_)
        | Body::KeyRevoked(_)
        | Body::RunbookReleased(_)
        | Body::ReleaseBuilt(_)
        | Body::IncidentOpened(_) => {
            return Asks::Anyone;
        }
    })
}

/// A role of the incident is held by one person; reporting and being on call need no assignment.
fn holds_role(cx: &Context<'_>, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let fits = match (cx.role, view.holder(cx.role)) {
        (Role::Automatic | Role::IncidentReporter, _) | (Role::OnCallOperator, None) => true,
        (_, holder) => holder == Some(cx.actor),
    };
    if fits || matches!(cx.signed.event().kind.as_str(), "role.accepted") {
        return;
    }
    let holder = view.holder(cx.role).unwrap_or("nobody");
    unmet.push(Unmet::new(
        RefusalKind::NotAuthorized,
        format!("{} is not {} of this incident; {holder} is", cx.actor, cx.role),
        "6.1, annex C row 6",
        format!("let the commander assign {} to {}", cx.role, cx.actor),
    ));
}

fn permitted(cx: &Context<'_>, view: &IncidentView, body: &Body, act: Act, unmet: &mut Vec<Unmet>) {
    match permit(act, cx.role, &context(cx, view, body, act)) {
        Err(refused) => unmet.push(refused),
        Ok(permission) => seconded(cx, &permission, &view.approvals, unmet),
    }
}

/// `second_person_required` for every list of roles of which nobody else approved this very act.
/// Implements R-6.1-2, R-6.1-8.
pub(super) fn seconded(
    cx: &Context<'_>,
    permission: &Permission,
    given: &[ApprovalRecord],
    unmet: &mut Vec<Unmet>,
) {
    let Permission::WithSecond(lists) = permission else { return };
    let event = cx.signed.event();
    let digest = act_digest(&event.kind, event.subject, &event.body);
    let judged = |a: &ApprovalRecord| {
        let role = a.mark.role?;
        Some(GivenApproval { person: a.mark.by.clone(), role, act: a.act, index: a.mark.index })
    };
    let given: Vec<_> = given.iter().filter_map(judged).collect();
    for list in lists {
        let second = check_second_in(cx.policy.deployment(), digest, list, &given, cx.actor);
        unmet.extend(second.err());
    }
}

/// Rows 14 to 16.
fn drafting(draft: DraftKind) -> Act {
    match draft {
        DraftKind::FraudProof
        | DraftKind::KeyRevocation
        | DraftKind::KeyRotation
        | DraftKind::MandateMode
        | DraftKind::Challenge => Act::DraftOwnerPath,
        DraftKind::EmergencyRestriction => Act::DraftEmergency,
        DraftKind::SeatReplacement
        | DraftKind::Lift
        | DraftKind::Clarification
        | DraftKind::RestartManifest
        | DraftKind::Parameters
        | DraftKind::ProtocolMeasure => Act::DraftMeasure,
    }
}

pub(super) fn context(cx: &Context<'_>, view: &IncidentView, body: &Body, act: Act) -> Ctx {
    let severity =
        if act == Act::Close || act == Act::ReviewClosure { view.peak() } else { view.severity };
    let mut ctx = Ctx::new(view.class, severity);
    ctx.ic_assigned = view.holder(Role::IncidentCommander).is_some();
    match body {
        Body::MeasureCommanded(b) => {
            let listed = cx.policy.auto_gates_of(cx.actor.trim_start_matches("detector:"));
            ctx.in_policy = !b.roles.is_empty() && b.roles.iter().all(|r| listed.contains(r));
        }
        Body::DecisionRecorded(b) => ctx.profile = Some(b.profile),
        Body::CriterionSigned(b) => ctx.criterion = Some(b.criterion),
        // A statement of the cause is what criterion rc1 rests on: the same people make it.
        Body::CauseStated(_) => ctx.criterion = Some(azir_model::restart::Criterion::RootCause),
        Body::RestartDecided(b) => ctx.node_role = Some(b.subsystem.role),
        _ => {}
    }
    ctx
}
