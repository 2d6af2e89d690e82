//! The way back of roles: restart criteria, decisions and phases (29, 30; annexes J.2 and J.3).

use std::collections::BTreeSet;

use azir_ledger::canon;
use azir_model::directive::STATEMENT_PERIODS_MAX;
use azir_model::phase;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::restart::{self, Criterion, CriterionBody, CriterionState, RestartDecisionBody};
use azir_model::role::Duty;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, IncidentState};

use super::{Context, roles};
use crate::body::{PhaseCarried, ReplayVerdict};
use crate::facts;
use crate::fold::subsystem;
use crate::software::{self, BUILDERS_MIN};
use crate::view::{IncidentView, MeasureRecord};

/// `criterion.signed`: the criterion holds in the view, not only on paper. Implements R-29.1-1,
/// R-29.1-2, R-15.2-6, R-16.2-8, R-29.1-3, R-29.1-5, R-29.1-6, R-29.1-7, R-27.2-8 and R-29.2-1.
pub(super) fn criterion(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &CriterionBody,
    unmet: &mut Vec<Unmet>,
) {
    if let CriterionState::Satisfied { proof, .. } = &b.state {
        cx.held(proof, "proof", unmet);
    }
    if !cx.is_machine() {
        roles::separate(cx, view, cx.actor, Duty::SignsCriterion, unmet);
    }
    if matches!(b.state, CriterionState::NotApplicable { .. }) {
        let observe = view.decision.as_ref().is_some_and(|d| d.observe_only);
        if !b.criterion.may_be_not_applicable_in(b.subsystem.role, view.class, observe) {
            unmet.push(criteria_unmet(b.criterion, "it cannot be set aside here"));
        }
        return;
    }
    let why = match b.criterion {
        Criterion::RootCause if view.cause.is_none() => {
            Some("the cause is not even bounded".to_owned())
        }
        Criterion::RootCause => super::closing::fix_due(view).map(str::to_owned),
        Criterion::Containment => containment_fails(cx, view),
        Criterion::Replay => {
            (!replay_matches(view)).then(|| "no matching replay report".to_owned())
        }
        Criterion::Keys => key_void(cx, b),
        Criterion::Reviews => {
            let unapproved = view.plan.as_ref().is_some_and(|p| p.approved.is_none());
            let agent = b.subsystem.role == NodeRole::Agent;
            if unapproved {
                Some("the recovery plan is not approved".to_owned())
            } else if let Some(why) = artifact_unverified(cx, view, b) {
                Some(why)
            } else if agent && !crate::phases::reauthorised(cx.state, view) {
                Some("the mandate is not re-authorised by a finalized object".to_owned())
            } else {
                None
            }
        }
        Criterion::Telemetry => {
            let damaged = view.network.as_ref().is_some_and(|n| !n.newest.store_ok);
            damaged.then(|| "the checksum of a node's store fails".to_owned())
        }
        Criterion::Restrictions => restrictions_unread(cx, b),
    };
    unmet.extend(why.map(|why| criteria_unmet(b.criterion, &why)));
}

/// Why containment does not hold: damage inside W_stab, a measure that is not in force, or one
/// whose gate has said nothing for three lease periods (annex G, annex J.2 rc2).
fn containment_fails(cx: &Context<'_>, view: &IncidentView) -> Option<String> {
    let judged = facts::of(cx.state, view, cx.now);
    let window = judged.windows.stab_ms.at(judged.peak);
    match judged.quiet_for_ms {
        None => return Some("the damage indicator is not known to be zero".to_owned()),
        Some(quiet) if quiet < window => {
            return Some(format!("the damage indicator is zero for {quiet} of {window} ms"));
        }
        Some(_) => {}
    }
    let held = || view.measures.iter().filter(|(_, m)| m.released.is_none());
    let open: Vec<_> = held().filter(|(_, m)| !m.in_force()).map(|(n, _)| n.as_str()).collect();
    if !open.is_empty() {
        return Some(format!("not in force: {}", open.join(", ")));
    }
    let oldest = cx.policy.leases.incident_ms.saturating_mul(STATEMENT_PERIODS_MAX);
    let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
    let gates = held().flat_map(|(_, m)| m.roles.iter().map(|r| subsystem(&m.node, *r)));
    let silent =
        |gate: &String| view.gates.get(gate).is_none_or(|g| cx.now.ms_since(g.stated) > oldest);
    let silent: Vec<_> = gates.filter(silent).collect::<BTreeSet<_>>().into_iter().collect();
    (!silent.is_empty()).then(|| format!("no statement within {oldest} ms: {}", silent.join(", ")))
}

/// rc5: a gate or agent of this subsystem whose own key was revoked speaks for nobody (D-051), and
/// a guarded key that is listed signs nothing any more (D-108).
fn key_void(cx: &Context<'_>, b: &CriterionBody) -> Option<String> {
    if let Some(key) = cx.state.listed_key(&b.subsystem.to_string()) {
        return Some(format!("key {key} of {} is listed as compromised", b.subsystem));
    }
    let actors = [format!("gate:{}", b.subsystem), format!("agent:{}", b.subsystem.node)];
    let void = actors.into_iter().find(|actor| cx.state.revoked.contains_key(actor));
    void.map(|actor| format!("the key of {actor} is revoked and not replaced"))
}

/// rc6 of a supply chain incident: two builders got the binary that the node runs from one source.
/// Implements R-23.2-5.
fn artifact_unverified(cx: &Context<'_>, view: &IncidentView, b: &CriterionBody) -> Option<String> {
    if !view.duties.contains(&IncidentClass::SupplyChain) {
        return None;
    }
    let Some(now) = software::running(cx.state, &b.subsystem.to_string()) else {
        return Some(format!("{} does not state which binary it runs", b.subsystem));
    };
    let builders = software::builders(cx.state, &now.binary);
    (builders < BUILDERS_MIN)
        .then(|| format!("{builders} builders agree on {}, {BUILDERS_MIN} needed", now.binary))
}

/// rc4: the list that is acknowledged is the one in finalized state now, line by line.
fn restrictions_unread(cx: &Context<'_>, b: &CriterionBody) -> Option<String> {
    if !cx.state.restrictions_known() {
        return Some("no own node has reported the restrictions in finalized state".to_owned());
    }
    let CriterionState::Satisfied { proof, .. } = &b.state else { return None };
    let listed = canon::encode(&cx.state.in_force()).ok();
    let shown = cx.objects.get(proof);
    let height = cx.state.hard_final().map_or(0, |tip| tip.height);
    (shown.is_some() && shown != listed)
        .then(|| format!("the acknowledged list is not the one in force at height {height}"))
}

/// rc3 reads the report of a replay and nothing that a dashboard shows. Implements R-40.0-8.
fn replay_matches(view: &IncidentView) -> bool {
    view.replay.as_ref().is_some_and(|r| r.verdict == ReplayVerdict::Match)
}

fn criteria_unmet(criterion: Criterion, why: &str) -> Unmet {
    Unmet::new(
        RefusalKind::CriteriaUnmet,
        format!("{criterion}: {why}"),
        "29.1, annex J.2",
        "make it true and sign it again",
    )
}

/// `restart.decided`: judged by the very function that the gate will run, on criteria that are
/// recorded. Implements R-16.2-8.
pub(super) fn decide(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RestartDecisionBody,
    unmet: &mut Vec<Unmet>,
) {
    let name = b.subsystem.to_string();
    let event = cx.signed.event();
    match cx.state.restart_file_of(view, &name, cx.signed) {
        None => unmet.push(Unmet::new(
            RefusalKind::CriteriaUnmet,
            format!("no criterion of {name} is signed"),
            "29.1, annex J.2",
            "let rc1 to rc7 be signed by their roles",
        )),
        Some(file) => {
            let judged = restart::authorize(
                &file,
                cx.policy,
                event.subject,
                &event.log,
                &event.mode,
                cx.now,
            );
            unmet.extend(judged.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
        }
    }
    if b.phase != b.subsystem.role.phase() {
        unmet.push(Unmet::new(
            RefusalKind::PhaseOrder,
            format!("{name} comes back in phase {}, not {}", b.subsystem.role.phase(), b.phase),
            "30.1, annex J.3",
            "name the phase of the role",
        ));
    }
}

/// `phase.carried`: the decision is valid, and order, dwell and wave allow it now. One subsystem at
/// a time. Implements R-2.4-2.
pub(super) fn carry(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &PhaseCarried,
    unmet: &mut Vec<Unmet>,
) {
    let name = b.subsystem.to_string();
    if !matches!(view.state, IncidentState::Recovering | IncidentState::Monitoring) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("plan: the incident is {}", view.state),
            "27.2, 30.1, annex B (T-11)",
            "begin the recovery by its approved plan first",
        ));
    }
    let decided = view.restarts.get(&name).and_then(|r| r.decision);
    if decided != Some(b.decision) {
        unmet.push(Unmet::new(
            RefusalKind::CriteriaUnmet,
            format!("rc8: {name} has no such restart decision in force"),
            "29.1, annex J.2",
            "let the commander decide the restart on the newest criteria",
        ));
    }
    if let Some(file) = cx.state.restart_file(view, &name, b.decision) {
        let event = cx.signed.event();
        let judged =
            restart::authorize(&file, cx.policy, event.subject, &event.log, &event.mode, cx.now);
        unmet.extend(judged.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
    }
    still_holds(cx, view, b, unmet);
    if let Err(refusal) =
        phase::may_open(&crate::phases::facts(cx.state, cx.policy, view, &b.subsystem, cx.now))
    {
        unmet.extend(refusal.unmet().to_vec());
    }
}

/// What was measured when the criteria were signed is measured again at the moment of opening; a
/// signer whose key was revoked since counts no more (D-051), and nobody opens what another
/// incident holds shut until that incident has decided the same restart.
fn still_holds(cx: &Context<'_>, view: &IncidentView, b: &PhaseCarried, unmet: &mut Vec<Unmet>) {
    let (name, role) = (b.subsystem.to_string(), b.subsystem.role);
    let observe = view.decision.as_ref().is_some_and(|d| d.observe_only);
    let needed = |c: Criterion| !c.may_be_not_applicable_in(role, view.class, observe);
    if needed(Criterion::Containment)
        && let Some(why) = containment_fails(cx, view)
    {
        unmet.push(criteria_unmet(Criterion::Containment, &why));
    }
    if needed(Criterion::Replay) && !replay_matches(view) {
        unmet.push(criteria_unmet(Criterion::Replay, "no matching replay report any more"));
    }
    let record = view.restarts.get(&name);
    let decided = record.and_then(|r| r.decided.as_ref()).map(|mark| &mark.by);
    let signers = record.into_iter().flat_map(|r| &r.criteria_by).chain(decided);
    for who in signers.filter(|who| cx.state.revoked.contains_key(*who)) {
        unmet.push(Unmet::new(
            RefusalKind::KeyRevoked,
            format!("{who} signed for {name}, and that key was revoked since"),
            "21.2, D-051",
            "let another person of the role sign the criterion, and decide again",
        ));
    }
    if let Some(key) = cx.state.listed_key(&name) {
        unmet.push(Unmet::new(
            RefusalKind::KeyRevoked,
            format!("{name} guards key {key}, which is listed as compromised"),
            "21.2, 40, D-108",
            "give the node another key, let its gate state it, and decide again",
        ));
    }
    if let Some(why) = software::held_back(cx.state, &name) {
        unmet.push(Unmet::new(
            RefusalKind::CriteriaUnmet,
            format!("release: {why}"),
            "2.3, 22.3, 23.2, D-109",
            "record the change, or install a release that two builders built alike",
        ));
    }
    let holds = |m: &MeasureRecord| {
        m.released.is_none() && m.node == b.subsystem.node && m.roles.contains(&role)
    };
    let others = cx.state.incidents.values().filter(|o| o.id != view.id && o.is_open());
    for other in others.filter(|o| o.measures.values().any(holds)) {
        if other.restarts.get(&name).is_none_or(|r| r.decision.is_none()) {
            let why = format!("incident {} holds {name} shut", other.id);
            unmet.push(criteria_unmet(Criterion::Containment, &why));
        }
    }
}
