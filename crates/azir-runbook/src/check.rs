//! Checks of the steps as a graph: edges lead forward, nothing is unreachable, and no timeout
//! leads to an approval or a release. The exhaustive path check is a later, stronger one.

use std::collections::BTreeSet;

use crate::error::{LoadError, Place};
use crate::load::StepPlaces;
use crate::model::{EvidenceItem, Step, Target, Work};

/// Every structural rule of the steps.
pub(crate) fn graph(steps: &[Step], places: &[StepPlaces]) -> Result<(), LoadError> {
    for (at, (step, place)) in steps.iter().zip(places).enumerate() {
        edges_lead_forward(steps, at, place)?;
        timeouts_only_restrict(steps, step, place)?;
        failures_stay_failures(step, place)?;
    }
    everything_is_reached(steps, places)
}

fn index(steps: &[Step], target: &Target) -> Option<usize> {
    match target {
        Target::Step(id) => steps.iter().position(|s| s.id == *id),
        Target::Hold | Target::End => None,
    }
}

/// Edges lead to later steps, so that every path ends and can be enumerated.
fn edges_lead_forward(steps: &[Step], at: usize, place: &StepPlaces) -> Result<(), LoadError> {
    let step = &steps[at];
    let targets = step.work.edges().into_iter().chain([&step.on_deadline]);
    for (i, target) in targets.enumerate() {
        let Target::Step(id) = target else { continue };
        let why = match index(steps, target) {
            None => "is no step of this runbook",
            Some(to) if to <= at => "does not come later in the file; edges lead forward only",
            Some(_) => continue,
        };
        let place = place.targets.get(i).unwrap_or(&place.edges).clone();
        return Err(LoadError::Reference { place, what: "step", name: id.to_string(), why });
    }
    Ok(())
}

fn rule(place: &Place, rule: &'static str, why: &str) -> LoadError {
    LoadError::Rule { place: place.clone(), rule, why: why.to_owned() }
}

fn timeouts_only_restrict(
    steps: &[Step],
    step: &Step,
    place: &StepPlaces,
) -> Result<(), LoadError> {
    if step.on_deadline == Target::End {
        return Err(rule(&place.edges, "9.1", "a timeout never ends a run; use `hold` or a step"));
    }
    if index(steps, &step.on_deadline).is_some_and(|to| steps[to].effect.needs_person()) {
        let why = "a timeout never leads to a step that mutates or releases";
        return Err(rule(&place.edges, "24.1, 29.1", why));
    }
    let waits_for_consent = match &step.work {
        Work::Approval { next, .. } | Work::Check { next, .. } | Work::Wait { next, .. } => {
            *next == step.on_deadline
        }
        Work::Auto { .. } | Work::Manual { .. } | Work::Decision { .. } => false,
    };
    if waits_for_consent {
        let why = "a timeout never approves and never counts as a condition that holds";
        return Err(rule(&place.edges, "24.1, 29.1", why));
    }
    Ok(())
}

fn failures_stay_failures(step: &Step, place: &StepPlaces) -> Result<(), LoadError> {
    let holds = |t: &Target| *t == Target::Hold;
    match &step.work {
        Work::Auto { next, .. } | Work::Manual { next, .. } | Work::Wait { next, .. }
            if holds(next) =>
        {
            Err(rule(&place.edges, "34.1", "`next` leads on; `hold` is for failures"))
        }
        Work::Approval { next: ok, on_reject: bad, .. } if ok == bad => {
            Err(rule(&place.edges, "24.1", "a rejection must not lead where consent leads"))
        }
        Work::Check { next, .. } if holds(next) => {
            Err(rule(&place.edges, "34.1", "`next` leads on; `hold` is for failures"))
        }
        Work::Check { next, on_fail, on_unknown, .. } if next == on_fail || next == on_unknown => {
            Err(rule(&place.edges, "29.1", "false and unknown must not lead where true leads"))
        }
        Work::Auto { .. }
        | Work::Manual { .. }
        | Work::Decision { .. }
        | Work::Approval { .. }
        | Work::Check { .. }
        | Work::Wait { .. } => Ok(()),
    }
}

fn everything_is_reached(steps: &[Step], places: &[StepPlaces]) -> Result<(), LoadError> {
    // Edges lead forward, so one pass in file order finds everything.
    let (mut reached, mut ends) = (BTreeSet::from([0]), false);
    for (at, (step, place)) in steps.iter().zip(places).enumerate() {
        if !reached.contains(&at) {
            let (place, name) = (place.id.clone(), step.id.to_string());
            let why = "is reached by no edge; remove it or lead to it";
            return Err(LoadError::Reference { place, what: "step", name, why });
        }
        for target in step.work.edges().into_iter().chain([&step.on_deadline]) {
            ends |= *target == Target::End;
            reached.extend(index(steps, target));
        }
    }
    match places.last() {
        Some(last) if !ends => {
            Err(rule(&last.edges, "34.1", "no edge leads to `end`; a run could never complete"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Every checklist item is collected by some step (34.1).
pub(crate) fn evidence_is_collected(
    evidence: &[EvidenceItem],
    steps: &[Step],
    place: &Place,
) -> Result<(), LoadError> {
    match evidence.iter().find(|e| !steps.iter().any(|s| s.evidence.contains(&e.id))) {
        Some(item) => Err(LoadError::Reference {
            place: place.clone(),
            what: "evidence item",
            name: item.id.clone(),
            why: "is collected by no step; name it in one",
        }),
        None => Ok(()),
    }
}
