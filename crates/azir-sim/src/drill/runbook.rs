//! Follows the bound runbook: each step is recorded as intent and result, by the role that the
//! step names, with what the script has really done. The interpreter refuses every other order.

use std::collections::BTreeMap;

use azir_engine::{Body, facts};
use azir_model::Role;
use azir_runbook::event::{
    Decided, EndOutcome, Ended, EvidenceMap, Finished, Intended, Outcome, Requested, RunEvent,
    RunId, Started,
};
use azir_runbook::{Runbook, Step, Truth, Work};

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
    let evidence = azir_engine::running::evidence_of(stage.view()?, step);
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
            let state = stage.plane.engine().state();
            let view = stage.view()?;
            let since = view.run.step(&id).and_then(|r| r.last_at).unwrap_or(stage.now());
            if !azir_engine::running::stands(state, view, *op, args, since) {
                return Err(DrillError::script(&format!("step {}: {op} has no effect", step.id)));
            }
            let evidence = azir_engine::running::evidence_of(stage.view()?, step);
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

/// Ends the run as walked to its end.
pub(super) fn end(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let ended = Ended {
        run: run_id(stage)?,
        outcome: EndOutcome::Completed,
        rationale: "every step walked, every exit criterion true".to_owned(),
    };
    stage.act(Role::IncidentCommander, &Body::Run(RunEvent::Ended(ended))).map(|_| ())
}
