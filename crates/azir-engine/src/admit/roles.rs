//! People: roles and their separation, key revocation, closure review, runbook steps.

use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, Duty, Permission, check_separation, permit};
use azir_model::{IncidentClass, Role, Severity};
use azir_runbook::event::Outcome;
use azir_runbook::{Effect, Recorded, RunEvent, Runbook, Work};

use super::{Context, authority};
use crate::body::{KeyRevoked, RoleAccepted, RoleAssigned};
use crate::facts;
use crate::view::IncidentView;

/// `role.assigned`: the policy allows it and no duty of this person stands against it (D-048).
pub(super) fn assign(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RoleAssigned,
    unmet: &mut Vec<Unmet>,
) {
    if !cx.policy.eligible(&b.person, b.role) {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("the policy does not let {} act as {}", b.person, b.role),
            "6.1, D-046",
            "assign a person whom the policy names for it",
        ));
    }
    if let Some(duty) = Duty::of_role(b.role) {
        separate(cx, view, &b.person, duty, unmet);
    }
}

/// Duties that a person has in this incident.
fn duties(view: &IncidentView, person: &str) -> Vec<Duty> {
    let held = view.roles.iter().filter(|(_, h)| h.person == person);
    let mut duties: Vec<Duty> = held.filter_map(|(role, _)| Duty::of_role(*role)).collect();
    let signed = |r: &crate::view::RestartRecord| r.criteria_by.contains(person);
    if view.restarts.values().any(signed) {
        duties.push(Duty::SignsCriterion);
    }
    duties
}

/// `role_conflict` when the person's duties stand against a new one.
pub(super) fn separate(
    cx: &Context<'_>,
    view: &IncidentView,
    person: &str,
    new: Duty,
    unmet: &mut Vec<Unmet>,
) {
    let held = duties(view, person);
    let judged = check_separation(cx.policy.deployment(), person, &held, new);
    unmet.extend(judged.err());
}

/// `role.accepted`: only by the person to whom the role was given.
pub(super) fn accept(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RoleAccepted,
    unmet: &mut Vec<Unmet>,
) {
    if view.holder(b.role) != Some(cx.actor) {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} was not given {}", cx.actor, b.role),
            "6.1, annex C row 6",
            "let the commander assign it first",
        ));
    }
}

/// `key.revoked` (D-051): Security Lead with another deciding role.
pub(super) fn revoke(cx: &Context<'_>, b: &KeyRevoked, unmet: &mut Vec<Unmet>) {
    let ctx = Ctx::new(IncidentClass::KeyCompromise, Severity::Sev4Critical);
    match permit(Act::RevokeOperatorKey, cx.role, &ctx) {
        Ok(permission) => authority::seconded(cx, &permission, &cx.state.approvals, unmet),
        Err(refused) => unmet.push(refused),
    }
    if b.reason.trim().is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            "no reason",
            "21.2, D-051",
            "say why the key is no longer trusted",
        ));
    }
    if cx.policy.key_of(&b.actor).is_none() {
        unmet.push(Unmet::new(
            RefusalKind::UnknownActor,
            format!("{} is in no roster of this log", b.actor),
            "21.2, D-051",
            "name an actor of the policy",
        ));
    }
}

/// `review.signed` (T-18): not by those who commanded or carried out the recovery.
pub(super) fn review(cx: &Context<'_>, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    for role in [Role::IncidentCommander, Role::RecoveryOperator] {
        if view.holder(role) == Some(cx.actor) {
            unmet.push(Unmet::new(
                RefusalKind::RoleConflict,
                format!("{} holds {role} and cannot review the closure", cx.actor),
                "5.2, D-048",
                "let the lead of the class review it",
            ));
        }
    }
}

/// Events of a runbook run: the interpreter judges, on facts of the view.
pub(super) fn run(cx: &Context<'_>, view: &IncidentView, event: &RunEvent, unmet: &mut Vec<Unmet>) {
    let Some(bound) = &view.runbook else {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "rb: no runbook is bound",
            "34.1, D-019",
            "bind the lead runbook first",
        ));
        return;
    };
    let Some(bytes) = cx.held(&bound.object, "runbook", unmet) else { return };
    let runbook = match cx.state.parsed.runbook(bound.object, &bytes) {
        Ok(runbook) => runbook,
        Err(error) => {
            unmet.push(Unmet::new(
                RefusalKind::InvalidSchema,
                error.to_string(),
                "35.1, D-116",
                "bind a runbook that loads",
            ));
            return;
        }
    };
    migration(cx, view, event, unmet);
    drafted(view, &runbook, event, unmet);
    let given = facts::for_runbook(cx.state, view, cx.now);
    let (actor, event) = (cx.actor.to_owned(), event.clone());
    let record = Recorded { at: cx.now, actor, role: cx.role, event };
    let judged = azir_runbook::admit(&view.run, &runbook, &record, &given);
    if let Err(refusal) = judged {
        unmet.extend(refusal.unmet().to_vec());
    }
}

/// A step that drafts for others is done once its draft is in the log: an unsigned object by its
/// hash, made since the run came to the step (38.1). Implements R-38.1-1.
fn drafted(view: &IncidentView, runbook: &Runbook, event: &RunEvent, unmet: &mut Vec<Unmet>) {
    let RunEvent::Finished(done) = event else { return };
    let Some(step) = runbook.step(&done.step) else { return };
    let claims = matches!(done.outcome, Outcome::Done | Outcome::DoneWithDeviation);
    let manual = matches!(step.work, Work::Manual { .. });
    if !claims || !manual || step.effect != Effect::RestrictProtocolDraft {
        return;
    }
    let since = azir_runbook::walk::entered(&view.run, runbook);
    if !view.drafts.iter().any(|d| Some(d.mark.at) >= since) {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("{} is done and no draft was made since the run came to it", step.id),
            "38.1, D-088",
            "record the unsigned object (draft.made), or say could_not or not_applicable",
        ));
    }
}

/// A run goes over to another version with a second person's signature, and a deviation is taken
/// up only by a version that is released here (D-117).
fn migration(cx: &Context<'_>, view: &IncidentView, event: &RunEvent, unmet: &mut Vec<Unmet>) {
    match event {
        RunEvent::Migrated(_) => {
            let leads = Ctx::new(view.class, view.severity).leads();
            let second = Permission::WithSecond(vec![leads]);
            authority::seconded(cx, &second, &view.approvals, unmet);
        }
        RunEvent::Settled(settled) => {
            let known = |hash| cx.state.runbooks.iter().any(|r| r.hash == hash);
            if settled.merged.is_some_and(|version| !known(version.0)) {
                unmet.push(Unmet::new(
                    RefusalKind::VersionConflict,
                    "no released version has this hash",
                    "35.2, D-117",
                    "release the version that takes the deviation up first",
                ));
            }
        }
        RunEvent::Started(_)
        | RunEvent::Intended(_)
        | RunEvent::Finished(_)
        | RunEvent::Uncertain(_)
        | RunEvent::Decided(_)
        | RunEvent::DeadlineFired(_)
        | RunEvent::Deviation(_)
        | RunEvent::Requested(_)
        | RunEvent::Undone(_)
        | RunEvent::Escalated(_)
        | RunEvent::Ended(_) => {}
    }
}
