//! Roles come back one by one: criteria signed by their people, a decision, the Recovery Operator
//! carries it out, the gate checks everything itself.

use azir_atlas::{EPOCH_SLOTS, SLOT_MS};
use azir_engine::Body;
use azir_engine::body::PhaseCarried;
use azir_ledger::Digest;
use azir_model::directive::{INCIDENT_LEASE_MS_MAX, LeaseKind};
use azir_model::restart::{
    Criterion, CriterionBody, CriterionState, RestartDecisionBody, Subsystem, criteria_digest,
};
use azir_model::vocab::NodeRole;
use azir_model::{RefusalKind, Role};
use serde_json::json;

use super::stage::Stage;
use super::{DrillError, RunPlan, Way, collect, restore, runbook};
use crate::gates::GateName;

/// Signing roles in the order of their authority.
const ORDER: [NodeRole; 3] = [NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary];

/// Brings every closed role of every own node back, in order, with dwell and waves.
pub(super) fn roles(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    refused_shortcuts(stage)?;
    runbook::until(stage, "reopen-verifier", &restore::answers(run))?;
    let steps = ["reopen-verifier", "reopen-proposer", "reopen-notary"];
    for (role, step) in ORDER.into_iter().zip(steps) {
        runbook::perform(stage, step, &mut |stage| role_everywhere(stage, role, run.way))?;
        stage.run_slots(2 * EPOCH_SLOTS, "role dwells")?;
    }
    let open = {
        let gates = stage.gates.borrow();
        gates.names().all(|(node, role)| gates.is_open(node, *role))
    };
    stage.check(
        "way_back",
        "verifier, proposer and notary came back in this order on every own node, the notary last",
        open && in_order(stage),
        "by restart decisions whose criteria the gates checked themselves",
    );
    Ok(())
}

/// One role on every own node: one canary, then waves of one seat, each dwelling one epoch
/// (D-107); all seats together under the manifest of a protocol safe restart.
fn role_everywhere(stage: &mut Stage<'_>, role: NodeRole, way: Way) -> Result<(), DrillError> {
    for (_, node) in stage.own_seats() {
        let target = Subsystem { node, role };
        let decision = decide(stage, &target)?;
        carry(stage, &target, decision)?;
        if way == Way::BranchReset {
            stage.run_slots(EPOCH_SLOTS, "wave dwells")?;
        }
    }
    Ok(())
}

/// For each node, the last openings of its signing roles rise with authority.
fn in_order(stage: &Stage<'_>) -> bool {
    let gates = stage.gates.borrow();
    stage.own_seats().iter().all(|(_, node)| {
        let last = |role: NodeRole| {
            let name = (node.clone(), role);
            let opened = gates.changes().iter().rev().find(|c| c.gate == name && c.open);
            opened.map(|c| c.at)
        };
        ORDER.windows(2).all(|w| last(w[0]) < last(w[1]))
    })
}

/// Signs rc1 to rc7, decides; gives the hash of the decision.
fn decide(stage: &mut Stage<'_>, target: &Subsystem) -> Result<Digest, DrillError> {
    restate(stage)?;
    let mut signed = Vec::new();
    for criterion in Criterion::ALL {
        let body = criterion_body(stage, target, *criterion)?;
        let body = Body::CriterionSigned(body);
        let hash = match signer(*criterion) {
            Role::Automatic => stage.machine("server:azir", &body)?,
            role => stage.act(role, &body)?,
        };
        signed.push((*criterion, hash));
    }
    let body = decision(stage, target, criteria_digest(&signed))?;
    if target.role == NodeRole::Notary {
        stage.approve(Role::ConsensusLead, &body)?;
    }
    stage.act(Role::IncidentCommander, &body)
}

/// Gates whose newest statement is too old for rc2 state anew what they are (annex G).
fn restate(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let now = stage.now();
    let fresh = i64::try_from(INCIDENT_LEASE_MS_MAX).unwrap_or(i64::MAX);
    let stated = |gate: &GateName| {
        let name = format!("{}/{}", gate.0, gate.1);
        let known = stage.view().ok().and_then(|v| v.gates.get(&name));
        known.is_some_and(|g| now.ms_since(g.stated) <= fresh)
    };
    let names: Vec<_> = stage.gates.borrow().names().cloned().collect();
    let old: Vec<_> = names.into_iter().filter(|n| n.1.signs() && !stated(n)).collect();
    stage.state_gates(&old)
}

const fn signer(criterion: Criterion) -> Role {
    match criterion {
        Criterion::RootCause | Criterion::Replay => Role::ConsensusLead,
        Criterion::Containment | Criterion::Reviews => Role::IncidentCommander,
        Criterion::Restrictions => Role::GovernanceLiaison,
        Criterion::Keys => Role::SecurityLead,
        Criterion::Telemetry => Role::Automatic,
    }
}

fn criterion_body(
    stage: &mut Stage<'_>,
    target: &Subsystem,
    criterion: Criterion,
) -> Result<CriterionBody, DrillError> {
    let replay = stage.view()?.replay.as_ref().map(|r| r.report);
    let (proof, summary) = match criterion {
        Criterion::Replay => (replay, "replay matches in two implementations"),
        Criterion::RootCause => (None, "adversarial equivocation, proven; others excluded"),
        Criterion::Containment => (None, "all measures acknowledged, no damage since"),
        Criterion::Restrictions => {
            let list = stage.plane.engine().state().in_force();
            let bytes = azir_ledger::canon::encode(&list).map_err(DrillError::because)?;
            (Some(stage.plane.store(bytes)), "no restriction in force at hard-final")
        }
        Criterion::Keys => (None, "own seat keys never signed twice; sign state intact"),
        Criterion::Reviews => (None, "runbook approvals recorded"),
        Criterion::Telemetry => (None, "clock, store and root facts true in the window"),
    };
    let proof = match proof {
        Some(proof) => proof,
        None => {
            let facts = measured(stage, criterion)?;
            collect::store_json(stage, &facts)?
        }
    };
    let state = CriterionState::Satisfied { proof, summary: summary.to_owned() };
    Ok(CriterionBody { subsystem: target.clone(), criterion, state })
}

/// The facts a criterion rests on, from the log and the gates.
fn measured(stage: &Stage<'_>, criterion: Criterion) -> Result<serde_json::Value, DrillError> {
    let view = stage.view()?;
    let now = stage.now();
    Ok(match criterion {
        Criterion::RootCause => json!({"cause": view.cause, "at": now}),
        Criterion::Containment => {
            let measures: Vec<_> = view
                .measures
                .iter()
                .map(|(n, m)| json!({"measure": n, "in_force": m.in_force()}))
                .collect();
            json!({"measures": measures, "at": now})
        }
        Criterion::Restrictions => {
            json!({"restrictions": [], "height": view.checkpoint.map(|c| c.height), "at": now})
        }
        Criterion::Keys => {
            let keys: Vec<_> = stage
                .own_seats()
                .iter()
                .filter_map(|(_, n)| stage.gates.borrow().key(n, NodeRole::Notary))
                .collect();
            json!({"active": keys, "compromised": [], "at": now})
        }
        Criterion::Reviews => json!({"approvals": view.approvals.len(), "at": now}),
        Criterion::Telemetry => {
            let gates = stage.gates.borrow();
            json!({"gates": gates.names().count(), "changes": gates.changes().len(), "at": now})
        }
        Criterion::Replay => json!({"replay": view.replay.as_ref().map(|r| r.report)}),
    })
}

fn decision(stage: &Stage<'_>, target: &Subsystem, criteria: Digest) -> Result<Body, DrillError> {
    let key = stage.gates.borrow().key(&target.node, target.role);
    let manifest = stage.view()?.accepted.values().next().copied();
    Ok(Body::RestartDecided(RestartDecisionBody {
        subsystem: target.clone(),
        key: key.ok_or_else(|| DrillError::script("no such gate"))?,
        phase: target.role.phase(),
        criteria,
        decided_at: stage.now(),
        manifest,
        set_aside: None,
    }))
}

fn carry(stage: &mut Stage<'_>, target: &Subsystem, decision: Digest) -> Result<(), DrillError> {
    let body = Body::PhaseCarried(PhaseCarried { subsystem: target.clone(), decision });
    stage.act(Role::RecoveryOperator, &body).map(|_| ())
}

/// What people in a hurry would try.
fn refused_shortcuts(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let node = stage.own_seats()[0].1.clone();
    let notary = Subsystem { node: node.clone(), role: NodeRole::Notary };
    let bare = decision(stage, &notary, criteria_digest(&[]))?;
    stage.must_refuse(
        Role::IncidentCommander,
        &bare,
        RefusalKind::CriteriaUnmet,
        "Restarting the notary without signed criteria",
        "a restart is decided on seven signed criteria, never on a feeling",
    )?;
    let decided = decide(stage, &notary)?;
    let early = Body::PhaseCarried(PhaseCarried { subsystem: notary.clone(), decision: decided });
    stage.must_refuse(
        Role::RecoveryOperator,
        &early,
        RefusalKind::PhaseOrder,
        "Bringing the notary back before verifier and proposer",
        "the role with the most authority comes back last",
    )?;
    let at = stage.now();
    let quote = stage.quote()?;
    let name = (node.clone(), NodeRole::Notary);
    let forced = stage.gates.borrow_mut().install(at, &name, LeaseKind::Incident, &quote, None);
    stage.judge_refusal(
        forced.err(),
        RefusalKind::CriteriaUnmet,
        None,
        "server:azir",
        "Sending the notary gate a lease without restart decision, past every rule of the server",
        "the gate trusts no server: it opens only on criteria and signatures that it checks itself",
    );
    let wait = SLOT_MS;
    stage.advance_ms(wait, "restart")
}
