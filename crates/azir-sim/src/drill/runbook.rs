//! Follows the bound runbook: each step is recorded as intent and result, by the role that the
//! step names, with what the script has really done. The interpreter refuses every other order.

use std::collections::{BTreeMap, BTreeSet};

use azir_engine::body::DraftKind;
use azir_engine::{Body, evidence, facts, fold};
use azir_model::Role;
use azir_model::evidence::Item;
use azir_model::vocab::NodeRole;
use azir_runbook::event::{
    Decided, EndOutcome, Ended, EvidenceMap, EvidenceState, Finished, Intended, Outcome, Requested,
    RunEvent, RunId, Started,
};
use azir_runbook::{FactValue, Op, Runbook, Step, Truth, Work};

use super::DrillError;
use super::stage::Stage;

/// Reads the bound runbook.
fn bound() -> Result<Runbook, DrillError> {
    let text = super::setup::RUNBOOK;
    azir_runbook::load(text, "RB-CONSENSUS-001/v1.toml").map_err(DrillError::because)
}

/// Starts the run.
pub(super) fn start(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let runbook = bound()?;
    let header = runbook.header().hash();
    let started = Started {
        incident: stage.view()?.id.0,
        runbook: runbook.id(),
        version: runbook.version(),
        runbook_hash: header.map_err(DrillError::because)?,
        mode: stage.plane.engine().mode().to_owned(),
        ordinal: 1,
    };
    stage.act(Role::OnCallOperator, &Body::Run(RunEvent::Started(started))).map(|_| ())
}

fn run_id(stage: &Stage<'_>) -> Result<RunId, DrillError> {
    let head = stage.view()?.run.head().map(|h| h.id);
    head.ok_or_else(|| DrillError::script("the runbook run has not started"))
}

/// Walks on until `stop` is the current step; `answers` are the decisions by step id. An automatic
/// step on the way is recorded as done only if the log shows its effect.
pub(super) fn until(
    stage: &mut Stage<'_>,
    stop: &str,
    answers: &[(&str, &str, &str)],
) -> Result<(), DrillError> {
    let runbook = bound()?;
    let answers: BTreeMap<_, _> = answers.iter().map(|(s, a, r)| (*s, (*a, *r))).collect();
    for _ in 0..runbook.steps().len() * 2 {
        let Some(step) = azir_runbook::current(&stage.view()?.run, &runbook).cloned() else {
            return if stop.is_empty() { Ok(()) } else { Err(lost(stop)) };
        };
        if step.id.as_str() == stop {
            return Ok(());
        }
        take(stage, &step, &answers, None)?;
    }
    Err(lost(stop))
}

/// Takes the automatic step `id`, which must be the current one: intent, effect, result.
pub(super) fn perform(
    stage: &mut Stage<'_>,
    id: &str,
    effect: &mut dyn FnMut(&mut Stage<'_>) -> Result<(), DrillError>,
) -> Result<(), DrillError> {
    let runbook = bound()?;
    let step = azir_runbook::current(&stage.view()?.run, &runbook).cloned();
    match step.filter(|s| s.id.as_str() == id) {
        Some(step) => take(stage, &step, &BTreeMap::new(), Some(effect)),
        None => Err(lost(id)),
    }
}

fn lost(stop: &str) -> DrillError {
    DrillError::script(&format!("the runbook did not come to {stop:?}"))
}

/// Whether the effect of an operation stands in the log (D-115: completion is recorded, not
/// wished).
fn stands(
    stage: &Stage<'_>,
    op: Op,
    args: &BTreeMap<String, FactValue>,
) -> Result<bool, DrillError> {
    let view = stage.view()?;
    let roles = || -> Vec<NodeRole> {
        let Some(FactValue::Text(text)) = args.get("roles") else { return vec![] };
        text.split(' ').filter_map(|r| r.parse().ok()).collect()
    };
    let gates = |open: bool| {
        let held = |role: &NodeRole| {
            stage.policy.nodes.iter().filter(|n| n.roles.contains(role)).all(|n| {
                let name = fold::subsystem(&n.node, *role);
                let known = stage.plane.engine().state().gates.get(&name);
                known.is_some_and(|g| g.open == open)
            })
        };
        !roles().is_empty() && roles().iter().all(held)
    };
    let drafted = |kind: DraftKind| view.drafts.iter().any(|d| d.draft == kind);
    let said = |kind: &str| stage.plane.entries().iter().any(|e| e.signed.event().kind == kind);
    let produced = |item: &str| view.plan.as_ref().is_some_and(|p| p.produced.contains_key(item));
    Ok(match op {
        Op::EvidencePin => evidence::pins_missing(view).is_empty(),
        Op::GateClose => gates(false),
        Op::EvidenceCollect => {
            view.evidence.get(&Item::EvidenceObjects).is_some_and(|r| r.collected)
        }
        Op::ReplayRun => view.replay.is_some(),
        Op::CheckpointCompute => view.checkpoint.is_some(),
        Op::FraudProofDraft => drafted(DraftKind::FraudProof),
        Op::SeatReplacementDraft => drafted(DraftKind::SeatReplacement),
        Op::RestartManifestDraft => drafted(DraftKind::RestartManifest),
        Op::OwnerPathDraft => {
            [DraftKind::KeyRevocation, DraftKind::MandateMode, DraftKind::Challenge]
                .into_iter()
                .any(drafted)
        }
        Op::GovernanceRecompute => !stage.plane.engine().state().governance.is_empty(),
        Op::BranchReset => produced("dropped_candidates_listed"),
        Op::StoreQuarantine => produced("damaged_store_set_aside"),
        Op::StoreRebuild => produced("rebuilt_store"),
        Op::ReleaseInstall => produced("release_installed"),
        Op::RoleReopen => gates(true),
        Op::StatusPublish => said("status.published"),
    })
}

/// What an automatic step does.
type StepEffect<'e> = &'e mut dyn FnMut(&mut Stage<'_>) -> Result<(), DrillError>;

/// Does the current step.
fn take(
    stage: &mut Stage<'_>,
    step: &Step,
    answers: &BTreeMap<&str, (&str, &str)>,
    effect: Option<StepEffect<'_>>,
) -> Result<(), DrillError> {
    let run = run_id(stage)?;
    let id = step.id.clone();
    let evidence = step_evidence(stage, step)?;
    let finished = |attempt, outcome, evidence: &EvidenceMap| {
        Body::Run(RunEvent::Finished(Finished {
            run,
            step: id.clone(),
            attempt,
            outcome,
            evidence: evidence.clone(),
            note: None,
        }))
    };
    match &step.work {
        Work::Auto { op, args, .. } => {
            let intended = RunEvent::Intended(Intended {
                run,
                step: id.clone(),
                op: *op,
                args_hash: azir_runbook::args_hash(args),
                attempt: 1,
            });
            play(stage, step, &Body::Run(intended))?;
            if let Some(effect) = effect {
                effect(stage)?;
            }
            if !stands(stage, *op, args)? {
                return Err(DrillError::script(&format!("step {}: {op} has no effect", step.id)));
            }
            let evidence = step_evidence(stage, step)?;
            let done = finished(Some(1), Outcome::Done, &evidence);
            stage.machine("server:azir", &done).map(|_| ())
        }
        Work::Manual { .. } => play(stage, step, &finished(None, Outcome::Done, &evidence)),
        Work::Decision { .. } => {
            let (answer, why) = answers.get(step.id.as_str()).copied().ok_or_else(|| {
                DrillError::script(&format!("no answer is written for step {}", step.id))
            })?;
            decide(stage, step, run, step.roles.first().copied(), answer, why, &evidence)
        }
        Work::Approval { quorum, .. } => {
            let needed = usize::try_from(*quorum).unwrap_or(usize::MAX);
            request(stage, step, run, needed)?;
            for role in step.roles.iter().take(needed) {
                let why = "checked what stands in the log";
                decide(stage, step, run, Some(*role), "approve", why, &evidence)?;
            }
            Ok(())
        }
        Work::Check { when, .. } => {
            let now = stage.now();
            let state = stage.plane.engine().state();
            let view = stage.view()?;
            let given = view.run.facts(&facts::for_runbook(state, view, now));
            let outcome = match when.eval(&given).truth {
                Truth::True => Outcome::Done,
                Truth::False => Outcome::Failed,
                Truth::Unknown => Outcome::Unknown,
            };
            stage.machine("server:azir", &finished(None, outcome, &evidence)).map(|_| ())
        }
        Work::Wait { .. } => {
            stage.machine("server:azir", &finished(None, Outcome::Done, &evidence)).map(|_| ())
        }
    }
}

/// The first role of the step acts: a person, or the server for automatic steps.
fn play(stage: &mut Stage<'_>, step: &Step, body: &Body) -> Result<(), DrillError> {
    match step.roles.first() {
        Some(Role::Automatic) | None => stage.machine("server:azir", body).map(|_| ()),
        Some(role) => stage.act(*role, body).map(|_| ()),
    }
}

/// Somebody who does not vote asks for consent to the plan as it stands.
fn request(
    stage: &mut Stage<'_>,
    step: &Step,
    run: RunId,
    needed: usize,
) -> Result<(), DrillError> {
    let runbook = bound()?;
    let next = azir_runbook::consent::approved(&runbook, step);
    let voters: Vec<_> = step.roles.iter().take(needed).collect();
    let mut others = next.iter().flat_map(|s| &s.roles).chain(&step.roles);
    let role = others.find(|r| **r != Role::Automatic && !voters.contains(r)).copied();
    let role = role.ok_or_else(|| DrillError::script("nobody is left to ask for consent"))?;
    let plan = azir_runbook::plan_hash(&stage.view()?.run, &runbook, step);
    let plan = plan.ok_or_else(|| DrillError::script("an approval without a plan"))?;
    let expires = stage.now().plus_ms(azir_runbook::consent::VALID_MS);
    let requested = Requested { run, step: step.id.clone(), plan, expires };
    stage.act(role, &Body::Run(RunEvent::Requested(requested))).map(|_| ())
}

fn decide(
    stage: &mut Stage<'_>,
    step: &Step,
    run: RunId,
    role: Option<Role>,
    answer: &str,
    why: &str,
    evidence: &EvidenceMap,
) -> Result<(), DrillError> {
    let runbook = bound()?;
    let plan = azir_runbook::plan_hash(&stage.view()?.run, &runbook, step);
    let body = Body::Run(RunEvent::Decided(Decided {
        plan,
        run,
        step: step.id.clone(),
        answer: answer.to_owned(),
        rationale: why.to_owned(),
        evidence: evidence.clone(),
    }));
    let role = role.ok_or_else(|| DrillError::script("a decision without a role"))?;
    stage.act(role, &body).map(|_| ())
}

/// What the incident holds for the items that a step asks for.
fn step_evidence(stage: &Stage<'_>, step: &Step) -> Result<EvidenceMap, DrillError> {
    let view = stage.view()?;
    let mut map = EvidenceMap::new();
    for name in &step.evidence {
        let item: Item = name.parse().map_err(|_| {
            DrillError::script(&format!("step {} asks for unknown item {name}", step.id))
        })?;
        let held = view.evidence.get(&item).map(|r| r.held.iter().map(|d| d.hash));
        let hashes: BTreeSet<_> = held.into_iter().flatten().collect();
        if !hashes.is_empty() {
            map.insert(name.clone(), EvidenceState::Present { hashes });
        }
    }
    Ok(map)
}

/// Ends the run as walked to its end.
pub(super) fn end(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let ended = Ended {
        run: run_id(stage)?,
        outcome: EndOutcome::Completed,
        rationale: "every step walked, every exit criterion true".to_owned(),
    };
    stage.act(Role::IncidentCommander, &Body::Run(RunEvent::Ended(ended))).map(|_| ())
}
