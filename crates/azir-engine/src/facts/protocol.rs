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
/// finalized state has it (annex G), ended as planned only under a plan that ends it (D-089).
/// Implements R-11.3-1 and R-11.3-3.
#[must_use]
pub fn protocol_measures(state: &State, view: &IncidentView) -> BTreeMap<String, MeasureState> {
    let listed = state.restrictions.iter().flat_map(|r| &r.newest.in_force);
    let ended = state.restrictions.iter().flat_map(|r| r.ended.values());
    let mine = |r: &&Restriction| owns(view, r);
    let mut found = BTreeMap::new();
    for r in ended.filter(mine) {
        let planned = view.plan.as_ref().is_some_and(|p| p.approved.is_some() && ends(p.mode));
        let fate = if planned { MeasureState::Ended } else { MeasureState::Lost };
        found.insert(protocol_name(r.choice, &r.scope), fate);
    }
    for r in listed.filter(mine) {
        found.insert(protocol_name(r.choice, &r.scope), MeasureState::InForce);
    }
    for asked in view.decision.iter().flat_map(|d| &d.requested) {
        let name = protocol_name(asked.choice, &asked.scope);
        found.entry(name).or_insert_with(|| requested(view, asked));
    }
    for name in view.withdrawn.keys() {
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
    let mut asked = view.decision.iter().flat_map(|d| &d.requested);
    view.drafts.iter().any(|d| d.object == r.object)
        || r.cites.as_deref() == Some(view.id.to_string().as_str())
        || asked.any(|a| a.choice == r.choice && a.scope == r.scope)
}

/// Modes whose purpose is that a restriction ends (annex J.1).
fn ends(mode: RecoveryMode) -> bool {
    match mode {
        RecoveryMode::DomainReenable
        | RecoveryMode::PostEmergencyNormalization
        | RecoveryMode::ProtocolSafeRestart => true,
        RecoveryMode::LocalRebuild
        | RecoveryMode::FinalizedReplay
        | RecoveryMode::SpeculativeBranchReset => false,
    }
}

/// A restart of the network is in force once its manifest is accepted, and over once the recovery
/// is done; everything else is a request until finalized state has it.
fn requested(view: &IncidentView, asked: &RequestedMeasure) -> MeasureState {
    if asked.choice != Choice::RecoveryMode || view.accepted.is_empty() {
        return MeasureState::Requested;
    }
    match &view.recovery {
        Some(recovery) if recovery.done => MeasureState::Ended,
        Some(_) | None => MeasureState::InForce,
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
    let Some(known) = &state.restrictions else { return false };
    let mut all = known.newest.in_force.iter().chain(known.ended.values());
    all.any(|r| r.scope == scope && which(r))
}

/// Restrictions that a recovery of this mode has to see ended, and that still hold (annex J.1).
pub(super) fn still_restricted(state: &State, plan: &PlanRecord) -> Vec<String> {
    let matters = |r: &&Restriction| match plan.mode {
        RecoveryMode::DomainReenable => r.scope == plan.scope,
        RecoveryMode::PostEmergencyNormalization => {
            r.choice == Choice::EmergencyRestriction && r.scope == plan.scope
        }
        RecoveryMode::LocalRebuild
        | RecoveryMode::FinalizedReplay
        | RecoveryMode::SpeculativeBranchReset
        | RecoveryMode::ProtocolSafeRestart => false,
    };
    let listed = state.restrictions.iter().flat_map(|r| &r.newest.in_force);
    let named = |r: &Restriction| protocol_name(r.choice, &r.scope);
    listed.filter(matters).map(|r| format!("{} is still in force", named(r))).collect()
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
