//! Protocol measures and restrictions: in force only as finalized state has them (annex G).

use std::collections::BTreeMap;

use azir_model::lifecycle::{Facts, Measure, MeasureState, Resolution, Twin};
use azir_model::{Choice, RecoveryMode};

use super::held;
use crate::body::{RequestedMeasure, Restriction};
use crate::state::State;
use crate::view::{IncidentView, PlanRecord};

/// Name of a protocol measure inside its incident.
#[must_use]
pub fn protocol_name(choice: Choice, scope: &str) -> String {
    format!("{choice} on {scope}")
}

/// State of every protocol measure that this incident asked for or owns, by name: in force only as
/// finalized state has it (annex G). What ended is lost, unless the plan is about ending it, or a
/// decision made since asks for it no more (D-089). Implements R-11.3-1 and R-11.3-3.
#[must_use]
pub fn protocol_measures(state: &State, view: &IncidentView) -> BTreeMap<String, MeasureState> {
    let mut found = BTreeMap::new();
    for (r, index) in state.ended().into_iter().filter(|(r, _)| owns(view, r)) {
        let planned = view.plan.as_ref().is_some_and(|p| p.approved.is_some() && ends(p, r));
        let redecided =
            view.decision.as_ref().is_some_and(|d| d.mark.index > index) && !requests(view, r);
        let fate = if planned || redecided { MeasureState::Ended } else { MeasureState::Lost };
        found.insert(protocol_name(r.choice, &r.scope), fate);
    }
    for r in state.in_force().into_iter().filter(|r| owns(view, r)) {
        found.insert(protocol_name(r.choice, &r.scope), MeasureState::InForce);
    }
    for asked in view.decision.iter().flat_map(|d| &d.requested) {
        let name = protocol_name(asked.choice, &asked.scope);
        found.entry(name).or_insert_with(|| requested(view, asked));
    }
    // Without a request its harm goes on: that somebody accepted (guard `inforce`).
    let accepted = view.decision.as_ref().is_some_and(|d| d.residual_accepted);
    for name in view.withdrawn.keys().filter(|_| accepted) {
        if let Some(fate) = found.get_mut(name).filter(|s| **s == MeasureState::Requested) {
            *fate = MeasureState::Ended;
        }
    }
    found
}

/// A restriction belongs to the incident that drafted it, that it cites, or that asked for it by
/// choice and scope.
#[must_use]
pub fn owns(view: &IncidentView, r: &Restriction) -> bool {
    view.drafts.iter().any(|d| d.object == r.object)
        || r.cites.as_deref() == Some(view.id.to_string().as_str())
        || requests(view, r)
}

/// True when the decision in force asks for this choice and scope.
fn requests(view: &IncidentView, r: &Restriction) -> bool {
    let mut asked = view.decision.iter().flat_map(|d| &d.requested);
    asked.any(|a| a.choice == r.choice && a.scope == r.scope)
}

/// True when this plan is about ending this restriction (annex J.1).
fn ends(plan: &PlanRecord, r: &Restriction) -> bool {
    match plan.mode {
        RecoveryMode::DomainReenable => plan.scope == r.scope,
        RecoveryMode::PostEmergencyNormalization => {
            plan.scope == r.scope && r.choice == Choice::EmergencyRestriction
        }
        // The restart manifest says which restrictions are carried over.
        RecoveryMode::ProtocolSafeRestart => true,
        RecoveryMode::LocalRebuild
        | RecoveryMode::FinalizedReplay
        | RecoveryMode::SpeculativeBranchReset => false,
    }
}

/// A request until finalized state has it. A restart of the network has no object that own nodes
/// list; it is over once the recovery under its manifest is done.
fn requested(view: &IncidentView, asked: &RequestedMeasure) -> MeasureState {
    let done = view.recovery.as_ref().is_some_and(|r| r.done) && !view.accepted.is_empty();
    if asked.choice == Choice::RecoveryMode && done {
        MeasureState::Ended
    } else {
        MeasureState::Requested
    }
}

/// As the guards of annex B ask for them.
pub(super) fn measures(state: &State, view: &IncidentView) -> Vec<Measure> {
    let accepted = view.decision.as_ref().is_some_and(|d| d.residual_accepted);
    protocol_measures(state, view)
        .into_iter()
        .map(|(name, state)| Measure {
            protocol: true,
            state,
            observes: false,
            residual_accepted: accepted,
            handed_over: view.handed.contains_key(&name),
            name,
        })
        .collect()
}

/// Names of measures that hold something back now and are handed over to nobody.
#[must_use]
pub fn held_measures(state: &State, view: &IncidentView) -> Vec<String> {
    let local = view.measures.iter().filter(|(_, m)| m.released.is_none()).map(|(n, _)| n.clone());
    let protocol = protocol_measures(state, view);
    let in_force = protocol.into_iter().filter(|(_, s)| *s == MeasureState::InForce);
    let held = local.chain(in_force.map(|(name, _)| name));
    held.filter(|name| !view.handed.contains_key(name)).collect()
}

/// True when finalized state has, or had, such a restriction of this scope.
pub(super) fn restricted(state: &State, scope: &str, which: impl Fn(&Restriction) -> bool) -> bool {
    let ended = state.ended().into_iter().map(|(r, _)| r);
    let mut all = state.in_force().into_iter().chain(ended);
    all.any(|r| r.scope == scope && which(r))
}

/// Restrictions that a recovery of this mode has to see ended, and that still hold (annex J.1):
/// those of its scope, and those of the whole network that cover it.
pub(super) fn still_restricted(state: &State, plan: &PlanRecord) -> Vec<String> {
    let covers = |r: &Restriction| r.scope == plan.scope || r.scope.starts_with("network");
    let matters = |r: &&Restriction| match plan.mode {
        RecoveryMode::DomainReenable => covers(r),
        RecoveryMode::PostEmergencyNormalization => {
            r.choice == Choice::EmergencyRestriction && covers(r)
        }
        RecoveryMode::LocalRebuild
        | RecoveryMode::FinalizedReplay
        | RecoveryMode::SpeculativeBranchReset
        | RecoveryMode::ProtocolSafeRestart => false,
    };
    let named = |r: &Restriction| protocol_name(r.choice, &r.scope);
    let held = state.in_force().into_iter().filter(matters);
    held.map(|r| format!("{} is still in force", named(r))).collect()
}

/// How the incident ends, with what refutes it and the twin as it stands now.
pub(super) fn resolution(state: &State, view: &IncidentView, facts: &mut Facts) {
    let Some(record) = &view.resolution else {
        facts.resolution = Resolution::Real;
        return;
    };
    facts.resolution = record.resolution;
    facts.refutation = record.proof;
    let twin = record.twin.and_then(|id| state.incidents.get(&id));
    facts.twin = twin.map(|twin| {
        let there = held(twin);
        Twin {
            incident: twin.id.0,
            state: twin.state,
            peak: twin.peak(),
            evidence_linked: held(view).iter().all(|piece| there.contains(piece)),
        }
    });
}
