//! What the phase rules of annex J.3 look at, from gate statements in the log.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::Timestamp;
use azir_model::RecoveryMode;
use azir_model::phase::{
    AgentFacts, NodePhases, PhaseFacts, PhaseState, Reopened, WaveFacts, dwell_epochs,
};
use azir_model::policy::{OwnNode, Policy};
use azir_model::restart::Subsystem;
use azir_model::scope::{Scope, ScopeKind};
use azir_model::vocab::NodeRole;

use crate::body::{Mandate, MandateMode};
use crate::fold::subsystem;
use crate::state::State;
use crate::view::{GateRecord, IncidentView};

/// Facts for opening `target` now.
#[must_use]
pub fn facts(
    state: &State,
    policy: &Policy,
    view: &IncidentView,
    target: &Subsystem,
    now: Timestamp,
) -> PhaseFacts {
    let epoch_ms = view.network.as_ref().map_or(0, |n| n.newest.epoch_ms);
    let gate = |name: &str| state.gates.get(name);
    let roles = policy.nodes.iter().find(|n| n.node == target.node).map(|n| n.roles.clone());
    let phase = |name: String| match gate(&name) {
        Some(record) if record.open => {
            PhaseState::Open { epochs: epochs(record, epoch_ms, now), checks_pass: true }
        }
        Some(_) | None => PhaseState::Closed,
    };
    let node: BTreeMap<_, _> = roles
        .into_iter()
        .flatten()
        .map(|role| (role, phase(subsystem(&target.node, role))))
        .collect();
    PhaseFacts {
        subsystem: target.clone(),
        node: NodePhases(node),
        dwell: policy.dwell,
        agents: agents(state, policy, view),
        wave: wave(state, policy, view, target, epoch_ms, now),
    }
}

/// What phase 7 asks for beside the node track: other touched domains, finality, the node tracks of
/// this operator, and the principal's new authorisation (annex J.3, D-105).
fn agents(state: &State, policy: &Policy, view: &IncidentView) -> AgentFacts {
    let of_agents = |scope: &str| {
        let kind = scope.parse::<Scope>().map(|s| s.kind());
        matches!(kind, Ok(ScopeKind::Mandate | ScopeKind::AgentClass | ScopeKind::AgentOperator))
    };
    let shut = |n: &OwnNode| {
        let track = n.roles.iter().filter(|r| **r != NodeRole::Agent);
        let mut names = track.map(|r| subsystem(&n.node, *r));
        names.any(|name| !state.gates.get(&name).is_some_and(|g| g.open))
    };
    let held = state.in_force().into_iter();
    let held = held.filter(|r| crate::facts::owns(view, r) && !of_agents(&r.scope));
    AgentFacts {
        domains_closed: held.map(|r| r.scope.clone()).collect(),
        finality_healthy: view.network.as_ref().is_some_and(|n| n.newest.finalizing),
        nodes_unhealthy: policy.nodes.iter().filter(|n| shut(n)).map(|n| n.node.clone()).collect(),
        mandate_reauthorised: reauthorised(state, view),
    }
}

/// Every mandate that the incident is about, or where it names none some mandate, was authorised by
/// its principal above the trusted checkpoint and is active. Implements R-19.2-7.
#[must_use]
pub fn reauthorised(state: &State, view: &IncidentView) -> bool {
    let Some(trusted) = view.checkpoint else { return false };
    let anew = |m: &&Mandate| m.mode == MandateMode::Active && m.since > trusted.height;
    let fresh: BTreeSet<&str> =
        state.mandates_listed().filter(anew).map(|m| m.mandate.as_str()).collect();
    let scopes: Vec<Scope> = view.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    let mut named = scopes.iter().filter(|s| s.kind() == ScopeKind::Mandate).peekable();
    match named.peek() {
        None => !fresh.is_empty(),
        Some(_) => named.all(|s| fresh.contains(s.id())),
    }
}

/// Highest phase of which every own node's gate is open and has dwelt, all lower ones included; 0
/// when not even the first.
#[must_use]
pub fn dwelt(state: &State, view: &IncidentView, now: Timestamp) -> u8 {
    let Some(policy) = &state.policy else { return 0 };
    let epoch_ms = view.network.as_ref().map_or(0, |n| n.newest.epoch_ms);
    let holds = |role: NodeRole| {
        let need = dwell_epochs(&policy.dwell, role);
        policy.nodes.iter().filter(|n| n.roles.contains(&role)).all(|n| {
            let name = subsystem(&n.node, role);
            let gate = state.gates.get(&name);
            gate.is_some_and(|g| g.open && epochs(g, epoch_ms, now) >= need)
        })
    };
    let node_track = NodeRole::ALL.iter().copied().filter(|r| *r != NodeRole::Agent);
    node_track.take_while(|role| holds(*role)).map(NodeRole::phase).max().unwrap_or(0)
}

fn epochs(record: &GateRecord, epoch_ms: u64, now: Timestamp) -> u64 {
    let ms = u64::try_from(now.ms_since(record.since)).unwrap_or(0);
    ms.checked_div(epoch_ms).unwrap_or(0)
}

/// Own seats whose same role was brought back in this incident, the canary first.
fn wave(
    state: &State,
    policy: &Policy,
    view: &IncidentView,
    target: &Subsystem,
    epoch_ms: u64,
    now: Timestamp,
) -> WaveFacts {
    let mut back: Vec<_> = policy
        .nodes
        .iter()
        .filter_map(|n| {
            let name = subsystem(&n.node, target.role);
            let carried = view.restarts.get(&name)?.carried.as_ref()?;
            let gate = state.gates.get(&name)?;
            Some((carried.index, n.node.clone(), gate))
        })
        .collect();
    back.sort_by_key(|(index, ..)| *index);
    let network = view.network.as_ref().map(|n| &n.newest);
    let safe = RecoveryMode::ProtocolSafeRestart;
    WaveFacts {
        seats: network.map_or(0, |n| n.seats),
        quorum: network.map_or(0, |n| n.quorum),
        reopened: back
            .into_iter()
            .map(|(_, node, gate)| Reopened {
                node,
                epochs: epochs(gate, epoch_ms, now),
                checks_pass: gate.open,
            })
            .collect(),
        safe_restart: view.plan.as_ref().is_some_and(|p| p.mode == safe),
    }
}
