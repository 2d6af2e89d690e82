//! What one entry says of each control. Judges read the entry and the state before it; they keep
//! nothing. A condition that the rules refuse now speaks against the control it belongs to.

use std::collections::BTreeSet;

use azir_ledger::canon;
use azir_model::approval::act_digest;
use azir_model::class::{self, ConfirmationKind};
use azir_model::decision;
use azir_model::refusal::RefusalKind as K;
use azir_model::restart::{Criterion, criteria_digest};
use azir_model::{Choice, IncidentState, Role, RunbookId, Severity, lifecycle, role};

use super::{Moment, Vote};
use crate::body::{
    Body, DraftKind, MeasureCommanded, Question, ReplayVerdict, SettledState, Verified,
};
use crate::{evidence, fold, status};

pub(super) fn seen(m: &Moment<'_>) -> Vote {
    let node = match m.body {
        Body::NetworkObserved(b) => &b.node,
        Body::RestrictionsObserved(b) => &b.node,
        Body::GovernanceObserved(b) => &b.node,
        _ => return Vote::Silent,
    };
    if m.event.actor != format!("agent:{node}") {
        return Vote::Against(format!("{} speaks for {node}", m.event.actor));
    }
    Vote::unless(m.refused(&[K::NotAuthorized, K::LabelUnproven, K::NotFinalized, K::UnknownActor]))
}

pub(super) fn contained_first(m: &Moment<'_>) -> Vote {
    match (m.body, m.view) {
        (Body::MeasureCommanded(_), Some(view)) if view.cause.is_none() => Vote::Shows,
        _ => Vote::Silent,
    }
}

/// A gate that had stated that it is closed for a measure says that it is open.
pub(super) fn opens(m: &Moment<'_>) -> Vote {
    let Body::GateStated(b) = m.body else { return Vote::Silent };
    let said = &b.statement.body;
    if said.gate.is_closed() {
        return Vote::Silent;
    }
    let name = fold::subsystem(&said.node, said.role);
    let held = m.view.into_iter().flat_map(|v| v.measures.values().map(move |r| (v, r)));
    let mut under = held.filter(|(_, r)| {
        let closed = r.acknowledged.contains(&said.role) && !r.lost.contains(&said.role);
        r.node == said.node && r.released.is_none() && closed
    });
    let Some((view, _)) = under.next() else { return Vote::Silent };
    // It says so once: later statements of the same state repeat it.
    if view.gates.get(&name).is_some_and(|g| g.open) {
        return Vote::Silent;
    }
    let carried = view.restarts.get(&name).is_some_and(|r| r.carried.is_some());
    Vote::when(carried, || format!("{name} opened, and nobody carried its restart out"))
}

pub(super) fn confirmed(m: &Moment<'_>) -> Vote {
    let (Body::ConfirmationVerified(b), Some(view)) = (m.body, m.view) else {
        return Vote::Silent;
    };
    let kind = b.kind.parse::<ConfirmationKind>().ok();
    let fits = kind.is_some_and(|k| {
        class::confirms(view.class, k) || view.duties.iter().any(|c| class::confirms(*c, k))
    });
    Vote::when(fits, || format!("{} confirms no {}", b.kind, view.class))
}

pub(super) fn declared(m: &Moment<'_>) -> Vote {
    let (Body::IncidentDeclared(_) | Body::SeverityChanged(_)) = m.body else {
        return Vote::Silent;
    };
    let role = m.event.role.as_deref().and_then(|r| r.parse::<Role>().ok());
    let decides = m.by_person() && role.is_some_and(|r| role::DECIDING.contains(&r));
    let said = m.event.role.as_deref().unwrap_or("no role");
    Vote::when(decides, || format!("{} declared it as {said}", m.event.actor))
}

pub(super) fn severity(m: &Moment<'_>) -> Vote {
    let reason = match m.body {
        Body::SeverityChanged(b) => &b.reason,
        Body::SeverityCorrected(b) => &b.reason,
        _ => return Vote::Silent,
    };
    Vote::when(!reason.trim().is_empty(), || "no reason is given".to_owned())
}

pub(super) fn edges(m: &Moment<'_>) -> Vote {
    let (Body::StateMoved(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    if b.from != view.state {
        return Vote::Against(format!("it leaves {}, the incident was {}", b.from, view.state));
    }
    Vote::when(lifecycle::edge(b.from, b.to).is_some(), || format!("no {} -> {}", b.from, b.to))
}

pub(super) fn guards(m: &Moment<'_>) -> Vote {
    let Body::StateMoved(_) = m.body else { return Vote::Silent };
    Vote::unless(m.unmet.iter().find(|u| u.kind != K::NotAuthorized && u.kind != K::RoleConflict))
}

pub(super) fn roles(m: &Moment<'_>) -> Vote {
    if !m.by_person() || matches!(m.body, Body::ApprovalGiven(_) | Body::NoteAdded(_)) {
        return Vote::Silent;
    }
    Vote::unless(m.refused(&[K::NotAuthorized]))
}

/// Acts whose author must be another person than that of an earlier one (D-048).
pub(super) fn apart(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::RoleAssigned(_)
        | Body::RoleAccepted(_)
        | Body::RecoveryApproved(_)
        | Body::CriterionSigned(_)
        | Body::RestartDecided(_)
        | Body::PhaseCarried(_)
        | Body::ReviewSigned(_) => Vote::unless(m.refused(&[K::RoleConflict])),
        _ => Vote::Silent,
    }
}

pub(super) fn second(m: &Moment<'_>) -> Vote {
    if let Some(unmet) = m.refused(&[K::SecondPersonRequired, K::ApprovalRequired]) {
        return Vote::unless(Some(unmet));
    }
    let act = act_digest(&m.event.kind, m.event.subject, &m.event.body);
    let approvals = m.view.map_or(&m.before.approvals, |v| &v.approvals);
    let given = approvals.iter().any(|a| a.act == act && a.mark.by != m.event.actor);
    if given { Vote::Shows } else { Vote::Silent }
}

pub(super) fn identity(m: &Moment<'_>) -> Vote {
    let Body::IncidentOpened(b) = m.body else { return Vote::Silent };
    let id = b.record.id().ok().map(|id| id.0);
    Vote::when(id.is_some() && id == m.event.subject, || "its record has another id".to_owned())
}

pub(super) fn signed(m: &Moment<'_>) -> Vote {
    Vote::unless(m.refused(&[K::SignatureInvalid, K::KeyRevoked, K::UnknownActor]))
}

/// A measure of a kind, against which none of these conditions may stand.
pub(super) fn measure(m: &Moment<'_>, which: fn(&MeasureCommanded) -> bool, kinds: &[K]) -> Vote {
    match m.body {
        Body::MeasureCommanded(b) if which(b) => Vote::unless(m.refused(kinds)),
        _ => Vote::Silent,
    }
}

pub(super) fn is_safe_mode(b: &MeasureCommanded) -> bool {
    b.choice == Choice::LocalDegraded
}

pub(super) fn is_halt(b: &MeasureCommanded) -> bool {
    b.choice == Choice::LocalServiceHalt
}

pub(super) fn pins(m: &Moment<'_>) -> Vote {
    let (Body::StateMoved(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    if b.to != IncidentState::Stabilized || b.from != IncidentState::Containing {
        return Vote::Silent;
    }
    let missing = evidence::pins_missing(view);
    Vote::when(missing.is_empty(), || format!("not pinned: {}", missing.join(", ")))
}

pub(super) fn destroys(m: &Moment<'_>) -> Vote {
    let (scopes, view) = match (m.body, m.view) {
        (Body::RecoveryPlanned(b), Some(view)) => (&b.destroys, view),
        (Body::StateMoved(b), Some(view)) if b.to == IncidentState::Recovering => {
            let Some(plan) = &view.plan else { return Vote::Silent };
            (&plan.destroys, view)
        }
        _ => return Vote::Silent,
    };
    if scopes.is_empty() {
        return Vote::Silent;
    }
    let open = scopes.iter().filter(|s| !view.preserved.contains_key(*s));
    let open: Vec<_> = open.map(String::as_str).collect();
    Vote::when(open.is_empty(), || format!("no receipt for {}", open.join(", ")))
}

pub(super) fn checklist(m: &Moment<'_>) -> Vote {
    let (Body::StateMoved(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    if b.to != IncidentState::Closed || b.from != IncidentState::Monitoring {
        return Vote::Silent;
    }
    let missing = evidence::missing(view);
    Vote::when(missing.is_empty(), || format!("without end state: {}", missing.join(", ")))
}

pub(super) fn waived(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::EvidenceSettled(b)
            if b.state == SettledState::Unavailable && !b.item.row().qualified =>
        {
            Vote::unless(m.refused(&[K::SecondPersonRequired, K::RoleConflict, K::ReasonRequired]))
        }
        _ => Vote::Silent,
    }
}

pub(super) fn removed(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::EvidenceRemoved(_) => Vote::unless(m.unmet.first()),
        _ => Vote::Silent,
    }
}

pub(super) fn receipt(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::EvidencePreserved(_) => Vote::unless(m.refused(&[K::HashMismatch])),
        _ => Vote::Silent,
    }
}

pub(super) fn active(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::RestrictionsObserved(b) if !b.in_force.is_empty() => {
            if b.verified == Verified::Asserted {
                return Vote::Against("somebody only says so".to_owned());
            }
            Vote::unless(m.unmet.first())
        }
        _ => Vote::Silent,
    }
}

pub(super) fn in_force(m: &Moment<'_>) -> Vote {
    let (Body::StateMoved(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    if b.to != IncidentState::Stabilized || b.from != IncidentState::Containing {
        return Vote::Silent;
    }
    let held: Vec<_> = view.measures.iter().filter(|(_, r)| r.released.is_none()).collect();
    if held.is_empty() {
        return Vote::Silent;
    }
    let open = held.iter().filter(|(_, r)| !r.in_force()).map(|(name, _)| name.as_str());
    let open: Vec<_> = open.collect();
    Vote::when(open.is_empty(), || format!("no gate says so of {}", open.join(", ")))
}

pub(super) fn quarantine(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::MeasureCommanded(b) if b.choice == Choice::Quarantine => {
            let named = !b.peers.is_empty() || !b.roles.is_empty();
            if named {
                Vote::unless(m.unmet.first())
            } else {
                Vote::Against("it names nothing".to_owned())
            }
        }
        Body::DraftMade(b) => match &b.measure {
            Some(asked) if asked.choice == Choice::Quarantine => {
                Vote::when(asked.review_s.is_some(), || "no review is set".to_owned())
            }
            _ => Vote::Silent,
        },
        _ => Vote::Silent,
    }
}

/// Binding and running the runbook of one of the sections 14 to 23.
pub(super) fn run(m: &Moment<'_>, id: RunbookId) -> Vote {
    let bound = m.view.and_then(|v| v.runbook.as_ref()).is_some_and(|b| b.id == id);
    match m.body {
        Body::RunbookBound(b) if b.id == id => Vote::unless(m.unmet.first()),
        Body::Run(_) if bound => Vote::unless(m.unmet.first()),
        _ => Vote::Silent,
    }
}

pub(super) fn decided_again(m: &Moment<'_>) -> Vote {
    let Body::DecisionRecorded(b) = m.body else { return Vote::Silent };
    let (Some(input), Some(output)) = (m.objects.get(&b.input), m.objects.get(&b.output)) else {
        return Vote::Silent;
    };
    let again = canon::decode::<decision::Input>(&input).ok().map(|i| decision::decide(&i));
    let same = again.and_then(|o| canon::encode(&o).ok()).is_some_and(|bytes| bytes == output);
    if !same {
        return Vote::Against("decided again from its input it gives another output".to_owned());
    }
    Vote::unless(m.refused(&[K::HashMismatch, K::ProfileExceeded, K::ReasonRequired]))
}

pub(super) fn emergency(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::DraftMade(b) if b.draft == DraftKind::EmergencyRestriction => {
            if b.justification.is_none() {
                return Vote::Against("it carries no justification".to_owned());
            }
            Vote::unless(m.refused(&[
                K::JustificationIncomplete,
                K::EscalationNotJustified,
                K::ExpiryRequired,
                K::ScopeTooBroad,
            ]))
        }
        _ => Vote::Silent,
    }
}

pub(super) fn planned(m: &Moment<'_>) -> Vote {
    let (Body::RecoveryApproved(_), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    let Some(plan) = &view.plan else {
        return Vote::Against("there is no plan to approve".to_owned());
    };
    let parts = [
        ("scope", plan.scope.is_empty()),
        ("entry condition", plan.entry.is_empty()),
        ("outputs", plan.outputs.is_empty()),
        ("exit criteria", plan.exits.is_empty()),
    ];
    let lacks: Vec<_> = parts.iter().filter(|(_, empty)| *empty).map(|(name, _)| *name).collect();
    if !lacks.is_empty() {
        return Vote::Against(format!("the plan lacks {}", lacks.join(", ")));
    }
    Vote::unless(m.refused(&[K::RoleConflict, K::NotAuthorized]))
}

pub(super) fn checkpoint(m: &Moment<'_>) -> Vote {
    let (Body::CheckpointPinned(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    let before = view.replay.as_ref().filter(|r| r.report == b.report);
    let matches = before.is_some_and(|r| r.verdict == ReplayVerdict::Match);
    Vote::when(matches, || "no matching replay with this report stands before it".to_owned())
}

pub(super) fn exit_only(m: &Moment<'_>) -> Vote {
    if let Body::AttemptRefused(_) = m.body {
        return tried(m, &[K::ExitOnlyViolation]);
    }
    let Some(unmet) = m.refused(&[K::ExitOnlyViolation]) else { return Vote::Silent };
    Vote::unless(Some(unmet))
}

pub(super) fn restarts(m: &Moment<'_>) -> Vote {
    let (Body::RestartDecided(b), Some(view)) = (m.body, m.view) else { return Vote::Silent };
    let name = fold::subsystem(&b.subsystem.node, b.subsystem.role);
    let signed = view.restarts.get(&name).map(|r| &r.criteria);
    let criteria: Vec<_> = signed
        .into_iter()
        .flatten()
        .filter_map(|(name, event)| Some((name.parse::<Criterion>().ok()?, *event)))
        .collect();
    if criteria_digest(&criteria) != b.criteria {
        return Vote::Against(format!(
            "the {} criteria signed have another digest",
            criteria.len()
        ));
    }
    Vote::unless(m.refused(&[K::CriteriaUnmet, K::ReviewRequired]))
}

pub(super) fn phases(m: &Moment<'_>) -> Vote {
    match (m.body, m.view) {
        (Body::RestartDecided(_), Some(_)) => Vote::unless(m.refused(&[K::PhaseOrder])),
        (Body::PhaseCarried(b), Some(view)) => {
            let name = fold::subsystem(&b.subsystem.node, b.subsystem.role);
            let decided = view.restarts.get(&name).and_then(|r| r.decision);
            if decided != Some(b.decision) {
                return Vote::Against(format!("{name} has no such decision"));
            }
            Vote::unless(m.refused(&[K::PhaseOrder, K::CriteriaUnmet, K::LeaseExpired]))
        }
        _ => Vote::Silent,
    }
}

pub(super) fn status(m: &Moment<'_>) -> Vote {
    let Body::StatusPublished(b) = m.body else { return Vote::Silent };
    let derived = status::derive(m.before, m.recorded);
    let mut wrong = status::may_publish(&derived, b.operator, b.network);
    wrong.extend(status::words(m.before, &b.text));
    Vote::unless(wrong.first())
}

pub(super) fn published(m: &Moment<'_>) -> Vote {
    let Body::PostmortemPublished(_) = m.body else { return Vote::Silent };
    Vote::unless(m.unmet.first())
}

pub(super) fn bound(m: &Moment<'_>) -> Vote {
    let Body::RunbookBound(b) = m.body else { return Vote::Silent };
    Vote::when(m.before.runbooks.contains(b), || {
        format!("{} version {} with this hash is not released", b.id, b.version)
    })
}

pub(super) fn steps(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::Run(_) => Vote::unless(m.unmet.first()),
        _ => Vote::Silent,
    }
}

pub(super) fn drill(m: &Moment<'_>) -> Vote {
    if !m.event.mode.starts_with("drill") {
        return Vote::Silent;
    }
    Vote::unless(m.refused(&[K::DrillOnly]))
}

pub(super) fn fraud_proof(m: &Moment<'_>) -> Vote {
    match (m.body, m.view) {
        (Body::DraftMade(b), Some(view)) if b.draft == DraftKind::FraudProof => {
            let pinned = view.evidence.values().any(|r| r.pinned);
            Vote::when(pinned, || "nothing was pinned before it".to_owned())
        }
        _ => Vote::Silent,
    }
}

/// A draft lies in the vault, unsigned; a finalized object with its hash was signed elsewhere.
pub(super) fn drafts(m: &Moment<'_>) -> Vote {
    match m.body {
        Body::DraftMade(_) => Vote::unless(m.refused(&[
            K::ForbiddenPower,
            K::ProtocolAuthorityRequired,
            K::NotAuthorized,
        ])),
        Body::AttemptRefused(_) => tried(m, &[K::ForbiddenPower, K::ProtocolAuthorityRequired]),
        _ => Vote::Silent,
    }
}

pub(super) fn questions(m: &Moment<'_>) -> Vote {
    let (Body::PostmortemPublished(b), Some(view)) = (m.body, m.view) else {
        return Vote::Silent;
    };
    if view.peak() < Severity::Sev4Critical && b.conformance.is_empty() {
        return Vote::Silent;
    }
    let given = |q: &&Question| b.conformance.iter().filter(|a| a.question == **q).count();
    let open: BTreeSet<_> =
        Question::ALL.iter().filter(|q| given(q) != 1).map(|q| q.id()).collect();
    Vote::when(open.is_empty(), || format!("no single answer to {open:?}"))
}

/// An attempt that was refused for one of these reasons.
pub(super) fn tried(m: &Moment<'_>, kinds: &[K]) -> Vote {
    match m.body {
        Body::AttemptRefused(b) if b.unmet.iter().any(|u| kinds.contains(&u.kind)) => Vote::Shows,
        _ => Vote::Silent,
    }
}

pub(super) fn closed_quiet(m: &Moment<'_>) -> Vote {
    let Body::AttemptRefused(b) = m.body else { return Vote::Silent };
    let cause = b.unmet.iter().any(|u| u.kind == K::GuardUnmet && u.what.starts_with("cause"));
    if b.attempted == "state.moved" && cause { Vote::Shows } else { Vote::Silent }
}

pub(super) fn accountable(m: &Moment<'_>) -> Vote {
    let Body::DecisionRecorded(_) = m.body else { return Vote::Silent };
    Vote::when(m.by_person(), || format!("{} decided as nobody", m.event.actor))
}
