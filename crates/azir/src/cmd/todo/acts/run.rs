//! The step of the runbook that is now current, as the acts that take it on.

use azir_engine::facts;
use azir_model::IncidentState;
use azir_runbook::fact::{FactType, KnownFact, Source, known};
use azir_runbook::predicate::Truth;
use azir_runbook::walk::{self, APPROVE, REJECT};
use azir_runbook::{Predicate, Runbook, Status, Step, Work};
use serde_json::{Map, Value, json};

use super::super::trial::CONTENT;
use super::{Act, Ground};

/// The acts of the run; none while no runbook is bound or its text does not load.
pub(super) fn acts(ground: &Ground<'_>) -> Vec<Act> {
    let text = ground.runbook.as_deref();
    let Some(runbook) = text.and_then(|t| azir_runbook::load(t, "runbook").ok()) else {
        return Vec::new();
    };
    let run = &ground.view.run;
    let status = walk::status(run, &runbook);
    let Some(head) = run.head() else { return vec![start(ground, &runbook)] };
    let id = json!(head.id);
    let mut acts = current(ground, &runbook, status, &id);
    acts.extend(beside(ground, &runbook, &id));
    acts
}

/// What does not take the run on: a step taken back, deviations settled, another version.
fn beside(ground: &Ground<'_>, runbook: &Runbook, id: &Value) -> Vec<Act> {
    let run = &ground.view.run;
    let mut acts = Vec::new();
    if let Some((step, _)) = azir_runbook::undo_stack(run, runbook).first() {
        let body = json!({"run": id, "step": step.id, "note": "WHAT WAS DONE"});
        acts.push(Act::new(
            format!("step {}: say that it was taken back", step.id),
            "step.undone",
            body,
        ));
    }
    if let Some((n, deviation)) = run.open_deviations().first() {
        let body = json!({"run": id, "deviation": n, "rationale": "WHY"});
        let title = format!("dismiss the deviation at {}", deviation.step);
        acts.push(Act::new(title, "deviation.settled", body));
    }
    let bound_to = run.head().map(|h| h.started.runbook_hash);
    if bound_to.is_some_and(|hash| hash != runbook.hash()) {
        let body = json!({"run": id, "from": bound_to, "to": runbook.hash(),
            "version": runbook.version(), "map": {}, "rationale": "WHY"});
        acts.push(Act::new("let the run go over to the bound version", "run.migrated", body));
    }
    acts
}

/// The acts at the current step.
fn current(ground: &Ground<'_>, runbook: &Runbook, status: Status, id: &Value) -> Vec<Act> {
    let run = &ground.view.run;
    match (status, walk::current(run, runbook)) {
        (Status::NotStarted | Status::Ended, _) => Vec::new(),
        (Status::Walked, _) | (_, None) => {
            let body = json!({"run": id, "outcome": "completed", "rationale": "WHY"});
            vec![Act::new("end the run: every step is walked", "run.ended", body)]
        }
        (Status::Ready, Some(step)) => {
            readings(ground, step).into_iter().chain(ready(ground, id, step)).collect()
        }
        (Status::InFlight { attempt }, Some(step)) => {
            let body = json!({"run": id, "step": step.id, "attempt": attempt});
            let title = format!("step {}: say that attempt {attempt} gave no result", step.id);
            vec![Act::new(title, "step.uncertain", body)]
        }
        (Status::Uncertain { attempt }, Some(step)) => {
            let body = json!({"run": id, "step": step.id, "attempt": attempt, "outcome": "done",
                "evidence": evidence(step), "note": "HOW IT WAS FOUND OUT"});
            let title = format!("step {}: say what became of attempt {attempt}", step.id);
            vec![Act::new(title, "step.finished", body)]
        }
        (Status::Held(_), Some(step)) => {
            let to = runbook.steps().iter().skip_while(|s| s.id != step.id).nth(1);
            let body = json!({"run": id, "step": step.id, "goto": to.unwrap_or(step).id,
                "rationale": "WHY"});
            let title = format!("step {} is held: go on at another step", step.id);
            vec![Act::new(title, "run.deviation", body)]
        }
    }
}

fn start(ground: &Ground<'_>, runbook: &Runbook) -> Act {
    let body = json!({"incident": ground.view.id, "runbook": runbook.id(),
        "version": runbook.version(), "runbook_hash": runbook.hash(), "mode": ground.mode,
        "ordinal": 1});
    let act = Act::new(format!("start the run of {}", runbook.id()), "run.started", body);
    if ground.view.state == IncidentState::Detected { act.serves("triage") } else { act }
}

/// Checklist items of a step, to be brought.
fn evidence(step: &Step) -> Value {
    let item = |id: &String| (id.clone(), json!({"state": "present", "hashes": [CONTENT]}));
    Value::Object(step.evidence.iter().map(item).collect::<Map<_, _>>())
}

fn ready(ground: &Ground<'_>, run: &Value, step: &Step) -> Vec<Act> {
    let title = |what: &str| format!("step {}: {} ({what})", step.id, step.title);
    let finished = |outcome: &str, what: &str| {
        let body = json!({"run": run, "step": step.id, "outcome": outcome,
            "evidence": evidence(step)});
        Act::new(title(what), "step.finished", body)
    };
    let decided = |answer: &str| {
        let body = json!({"run": run, "step": step.id, "answer": answer, "rationale": "WHY",
            "evidence": evidence(step)});
        Act::new(title(&format!("answer {answer}")), "step.decided", body)
    };
    match &step.work {
        Work::Auto { op, args, .. } => {
            let record = ground.view.run.step(&step.id).and_then(|r| r.attempt());
            let attempt = record.map_or(1, |a| a.number.saturating_add(1));
            let args = azir_runbook::args_hash(args);
            let body = json!({"run": run, "step": step.id, "op": op, "args_hash": args,
                "attempt": attempt});
            vec![Act::new(title("intent, before the effect"), "step.intended", body)]
        }
        Work::Manual { .. } => vec![finished("done", "attest it")],
        Work::Decision { answers, .. } => answers.iter().map(|a| decided(&a.id)).collect(),
        Work::Approval { .. } => consent(ground, run, step),
        Work::Check { when, .. } => vec![finished(told(ground, when), "check")],
        Work::Wait { until, .. } => vec![finished(told(ground, until), "wait")],
    }
}

/// Consent is asked for by one person, then others vote on that very plan.
fn consent(ground: &Ground<'_>, run: &Value, step: &Step) -> Vec<Act> {
    let state = &ground.view.run;
    let text = ground.runbook.as_deref();
    let Some(runbook) = text.and_then(|t| azir_runbook::load(t, "runbook").ok()) else {
        return Vec::new();
    };
    let Some(plan) = azir_runbook::plan_hash(state, &runbook, step) else { return Vec::new() };
    let request = state.step(&step.id).and_then(|r| r.request.as_ref());
    let title = |what: &str| format!("step {}: {} ({what})", step.id, step.title);
    if request.is_none_or(|r| r.plan != plan || r.expires <= ground.now) {
        let expires = ground.now.plus_ms(azir_runbook::consent::VALID_MS);
        let body = json!({"run": run, "step": step.id, "plan": plan, "expires": expires});
        return vec![Act::new(title("ask for consent"), "step.requested", body)];
    }
    let vote = |answer: &str| {
        let body = json!({"run": run, "step": step.id, "answer": answer, "rationale": "WHY",
            "evidence": {}, "plan": plan});
        Act::new(title(&format!("answer {answer}")), "step.decided", body)
    };
    vec![vote(APPROVE), vote(REJECT)]
}

/// Facts that the step asks for and nobody told yet, to be read by a node or by a person.
fn readings(ground: &Ground<'_>, step: &Step) -> Option<Act> {
    let given = facts::for_runbook(ground.state, ground.view, ground.now);
    let given = ground.view.run.facts(&given);
    let asked = match &step.work {
        Work::Check { when, .. } => Some(when),
        Work::Wait { until, .. } => Some(until),
        Work::Auto { .. } | Work::Manual { .. } | Work::Decision { .. } | Work::Approval { .. } => {
            None
        }
    };
    let explained = asked.into_iter().chain(&step.guard).flat_map(|p| p.eval(&given).leaves);
    let unknown = explained.filter(|r| r.truth == Truth::Unknown);
    let told = unknown.filter_map(|r| known(&r.fact)).filter(|f| f.source() != Source::Derived);
    let first = told.clone().next()?;
    let observed = told.clone().any(|f| f.source() == Source::Observed);
    let facts = |value: fn(&KnownFact) -> Value| -> Map<String, Value> {
        told.clone().map(|f| (f.name.to_owned(), value(f))).collect()
    };
    let who = if observed { ", by the agent of a node" } else { "" };
    let title = format!("step {}: say what is read of {}{who}", step.id, first.name);
    // What is tried has values; what is shown has none, so that nobody pastes one unread.
    let body = json!({"facts": facts(sample), "basis": CONTENT});
    let shown = json!({"facts": facts(room), "basis": "HASH"}).to_string();
    let act = Act::new(title, "reading.stated", body);
    Some(act.by(&["azir", "act", "reading.stated", "--incident", &ground.id(), "--body", &shown]))
}

fn sample(fact: &KnownFact) -> Value {
    match fact.kind {
        FactType::Bool => json!(true),
        FactType::Int => json!(0),
        FactType::Text => json!("x"),
    }
}

fn room(fact: &KnownFact) -> Value {
    match fact.kind {
        FactType::Bool => json!("TRUE OR FALSE"),
        FactType::Int => json!("A NUMBER"),
        FactType::Text => json!("TEXT"),
    }
}

/// The outcome that the facts give to a condition.
fn told(ground: &Ground<'_>, when: &Predicate) -> &'static str {
    let given = facts::for_runbook(ground.state, ground.view, ground.now);
    match when.eval(&ground.view.run.facts(&given)).truth {
        Truth::True => "done",
        Truth::False => "failed",
        Truth::Unknown => "unknown",
    }
}
