//! Replay, plan, criteria, restart decisions and phases, as far as the incident has come.

use std::collections::BTreeMap;

use azir_engine::{IncidentView, facts};
use azir_ledger::Digest;
use azir_model::restart::{Criterion, Subsystem, criteria_digest};
use azir_model::role::Act as Row;
use serde_json::json;

use super::super::trial::CONTENT;
use super::{Act, Ground};

/// Acts of recovery, in their order.
pub(super) fn acts(ground: &Ground<'_>) -> Vec<Act> {
    let mut acts = truth(ground.view);
    acts.extend(plan(ground));
    acts.extend(back(ground));
    acts
}

fn truth(view: &IncidentView) -> Vec<Act> {
    let mut acts = Vec::new();
    let point = json!({"height": 0, "block": CONTENT});
    let body = json!({"report": CONTENT, "verdict": "match", "families": ["FAMILY", "OTHER"],
        "checkpoint": point, "branches": 0});
    acts.push(Act::new("report a replay", "replay.reported", body).row(Row::RunReplay));
    if let Some(replay) = view.replay.as_ref().filter(|_| view.checkpoint.is_none()) {
        let body = json!({"checkpoint": replay.checkpoint, "report": replay.report});
        let act = Act::new("pin the trusted checkpoint", "checkpoint.pinned", body);
        acts.push(act.row(Row::PinCheckpoint));
    }
    let body = json!({"manifest": CONTENT, "restart": 1});
    acts.push(Act::new("accept a restart manifest", "manifest.accepted", body));
    acts
}

fn plan(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let mut acts = Vec::new();
    let shut = view.gates.iter().filter(|(_, g)| !g.open);
    let subsystems: Vec<&String> = shut.map(|(name, _)| name).collect();
    if let Some(scope) = view.scopes.first() {
        let body = json!({"mode": "RM_FINALIZED_REPLAY", "scope": scope,
            "entry": "ENTRY CONDITION", "outputs": ["OUTPUT"], "exits": ["EXIT CRITERION"],
            "destroys": [], "subsystems": subsystems});
        acts.push(Act::new("plan the recovery", "recovery.planned", body).row(Row::PreparePlan));
    }
    if let Some(plan) = &view.plan {
        if plan.approved.is_none() {
            let body = json!({"plan": plan.event});
            acts.push(Act::new("approve the recovery plan", "recovery.approved", body));
        }
        let items = plan.outputs.iter().chain(&plan.exits);
        for item in items.filter(|i| !plan.produced.contains_key(*i)) {
            let body = json!({"item": item, "proof": CONTENT});
            acts.push(Act::new(format!("show {item}"), "recovery.produced", body));
        }
        if view.recovery.is_none() && facts::exit_missing(ground.state, view).is_empty() {
            let body = json!({"done": true, "statement": "WHAT WAS DONE", "report": CONTENT});
            acts.push(Act::new("record the recovery as done", "recovery.recorded", body));
        }
    }
    if view.recovery.is_none() && view.plan.is_none() {
        let body = json!({"done": false, "statement": "WHY NOTHING HAS TO BE RECOVERED",
            "report": CONTENT});
        acts.push(Act::new("record that nothing has to be recovered", "recovery.recorded", body));
    }
    acts
}

/// The next subsystem that comes back, by phase: its criteria, its decision, its carrying out.
fn back(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let planned = view.plan.iter().flat_map(|p| &p.subsystems);
    let shut = planned.filter(|name| !view.gates.get(*name).is_some_and(|g| g.open));
    let parsed = |name: &String| {
        let (node, role) = name.rsplit_once('/')?;
        Some(Subsystem { node: node.to_owned(), role: role.parse().ok()? })
    };
    let next = shut.filter_map(parsed).min_by_key(|s| (s.role.phase(), s.node.clone()));
    let Some(next) = next else { return Vec::new() };
    let name = next.to_string();
    let record = view.restarts.get(&name).cloned().unwrap_or_default();
    let mut acts = Vec::new();
    for criterion in Criterion::ALL {
        // Telemetry is measured by machines.
        if record.criteria.contains_key(criterion.as_str()) || *criterion == Criterion::Telemetry {
            continue;
        }
        let body = json!({"subsystem": next, "criterion": criterion,
            "state": {"state": "satisfied", "proof": CONTENT, "summary": "WHAT IT SHOWS"}});
        let title = format!("sign {criterion} for {name}: {}", meaning(*criterion));
        acts.push(Act::new(title, "criterion.signed", body).row(Row::SignCriterion));
    }
    if let Some(decision) = record.decision {
        let body = json!({"subsystem": next, "decision": decision});
        acts.push(Act::new(format!("carry out the restart of {name}"), "phase.carried", body));
    } else {
        acts.push(decide(ground, &next, &record.criteria));
    }
    acts
}

fn decide(ground: &Ground<'_>, next: &Subsystem, criteria: &BTreeMap<String, Digest>) -> Act {
    // The guarded key, as the gate itself states it; the gate's own identity opens nothing.
    let key = ground.state.gates.get(&next.to_string()).map(|g| json!(g.key));
    let signed: Vec<_> =
        criteria.iter().filter_map(|(c, event)| Some((c.parse().ok()?, *event))).collect();
    let body = json!({"subsystem": next, "key": key.unwrap_or_else(|| json!(CONTENT)),
        "phase": next.role.phase(), "criteria": criteria_digest(&signed),
        "decided_at": ground.now});
    let mut act = Act::new(format!("decide the restart of {next}"), "restart.decided", body);
    act.restarts = Some(next.role);
    act
}

/// What a criterion asks, in words.
const fn meaning(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::RootCause => "the cause is bounded",
        Criterion::Containment => "containment holds",
        Criterion::Replay => "replay or rebuild matches",
        Criterion::Restrictions => "restrictions are understood",
        Criterion::Keys => "keys are safe or rotated",
        Criterion::Reviews => "reviews and approvals are complete",
        Criterion::Telemetry => "telemetry is within thresholds",
    }
}
