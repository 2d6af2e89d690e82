//! `azir run`: where the run of an incident stands: one step, why it is here, what it does, who may
//! do it, what is missing, and how it is taken back.

use std::fmt::Write as _;
use std::path::Path;

use azir_engine::{IncidentView, running};
use azir_ledger::Timestamp;
use azir_runbook::model::Undo;
use azir_runbook::{
    Facts, Status, Step, Target, Truth, Work, consent, deadline, path, plan_hash, undo_stack, walk,
};
use serde_json::{Value, json};

use super::step::{Ground, which};
use super::text::{fold, quoted, visible};
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{Host, default_dir, now};

/// Shows the current step. What became overdue is recorded first.
pub(crate) fn run(talk: Talk, data: &Path, incident: Option<&str>) -> Result<(), CliError> {
    let mut host = Host::open(data)?;
    let incident = which(&host, incident)?;
    // Each look records one thing at most for each run, and no run has more steps than this.
    for _ in 0..256 {
        let before = host.engine().state().size;
        let _orders = host.tick()?;
        if host.engine().state().size == before {
            break;
        }
    }
    let ground = Ground::read(&host, incident)?;
    if talk.json {
        return say(&format!("{:#}\n", as_json(&ground)));
    }
    let place = (data != default_dir()).then(|| data.display().to_string());
    say(&screen(&ground, place.as_deref()))
}

fn word(status: Status) -> &'static str {
    match status {
        Status::NotStarted => "not_started",
        Status::Ready => "ready",
        Status::InFlight { .. } => "in_flight",
        Status::Uncertain { .. } => "uncertain",
        Status::Held(_) => "held",
        Status::Walked => "walked",
        Status::Ended => "ended",
    }
}

fn as_json(ground: &Ground<'_>) -> Value {
    let (run, book) = (&ground.view.run, &*ground.book);
    let step = walk::current(run, book);
    let undo: Vec<_> =
        undo_stack(run, book).iter().map(|(s, how)| json!({"step": s.id, "how": how})).collect();
    let open: Vec<_> = run
        .open_deviations()
        .iter()
        .map(|(n, d)| json!({"deviation": n, "step": d.step, "goto": d.goto, "why": d.rationale}))
        .collect();
    json!({
        "incident": ground.view.id, "runbook": book.id(), "version": book.version(),
        "runbook_hash": book.hash(), "run": run.head().map(|h| h.id),
        "status": word(walk::status(run, book)), "path": path(run, book),
        "step": step, "deadline": deadline(run, book),
        "evidence_missing": step.map(|s| missing(ground.view, s)),
        "plan": step.and_then(|s| plan_hash(run, book, s)),
        "readings": step.map(|s| readings(&ground.facts(), s)).unwrap_or_default(),
        "undo": undo, "open_deviations": open,
    })
}

/// What each condition of the step reads now.
pub(super) fn readings(facts: &Facts, step: &Step) -> Vec<String> {
    let condition = match &step.work {
        Work::Check { when, .. } => Some(("condition", when)),
        Work::Wait { until, .. } => Some(("waits until", until)),
        Work::Auto { .. } | Work::Manual { .. } | Work::Decision { .. } | Work::Approval { .. } => {
            None
        }
    };
    let guard = step.guard.iter().map(|g| ("guard", g));
    guard.chain(condition).map(|(what, p)| format!("{what}: {}", p.eval(facts))).collect()
}

/// Items that the step must bring and the incident holds nothing of.
pub(super) fn missing(view: &IncidentView, step: &Step) -> Vec<String> {
    let held = running::evidence_of(view, step);
    let recorded = view.run.evidence();
    let open = |id: &&String| !held.contains_key(*id) && !recorded.contains_key(*id);
    step.evidence.iter().filter(open).cloned().collect()
}

fn screen(ground: &Ground<'_>, place: Option<&str>) -> String {
    let (run, book) = (&ground.view.run, &*ground.book);
    let mut out = String::new();
    let walked = path(run, book);
    let infallible = writeln!(
        out,
        "incident {}  {}  {}   {} version {}   {} steps walked of {}",
        ground.view.id.0.short(),
        ground.view.state,
        ground.view.severity,
        book.id(),
        book.version(),
        walked.len().saturating_sub(1),
        book.steps().len()
    );
    debug_assert!(infallible.is_ok());
    match walk::current(run, book) {
        Some(step) => at(ground, step, &walked, place, &mut out),
        None => over(ground, place, &mut out),
    }
    for (n, (step, how)) in undo_stack(run, book).iter().enumerate() {
        let first = if n == 0 { "take back " } else { "          " };
        out.push_str(&fold(first, "            ", &format!("{}: {}", step.id, visible(how))));
    }
    for (n, d) in run.open_deviations() {
        let text = format!("deviation {n} at {} to {}: {}", d.step, d.goto, visible(&d.rationale));
        out.push_str(&fold("open      ", "            ", &text));
    }
    out
}

/// Nothing is current: not started, walked, or ended.
fn over(ground: &Ground<'_>, place: Option<&str>, out: &mut String) {
    let said = match walk::status(&ground.view.run, &ground.book) {
        Status::NotStarted => ("the run has not started", vec!["start".to_owned()]),
        Status::Ended => ("the run has ended; another starts with", vec!["start".to_owned()]),
        Status::Walked
        | Status::Ready
        | Status::InFlight { .. }
        | Status::Uncertain { .. }
        | Status::Held(_) => {
            ("every step is walked; end the run", vec!["end".to_owned(), "--why WHY".to_owned()])
        }
    };
    out.push_str(&format!("{}\n", said.0));
    let facts = ground.facts();
    let unmet = ground.book.exit().iter().filter(|c| c.when.eval(&facts).truth != Truth::True);
    if matches!(walk::status(&ground.view.run, &ground.book), Status::Walked) {
        for criterion in unmet {
            let text = format!("{}: {}", criterion.id, criterion.when.eval(&facts));
            out.push_str(&fold("exit      ", "            ", &text));
        }
    }
    out.push_str(&command(ground, &said.1, place));
}

fn at(
    ground: &Ground<'_>,
    step: &Step,
    walked: &[azir_runbook::StepId],
    place: Option<&str>,
    out: &mut String,
) {
    let (run, book) = (&ground.view.run, &*ground.book);
    let mut line = |name: &str, text: &str| {
        out.push_str(&fold(&format!("{name:<10}"), "            ", text));
    };
    line("step", &format!("{}  {}  [{}]", step.id, visible(&step.title), step.why.join(", ")));
    line("", &visible(&step.text));
    let before = walked.len().checked_sub(2).and_then(|n| walked.get(n));
    let from = before.map_or("the start".to_owned(), ToString::to_string);
    line("status", &format!("{}; came from {from}", standing(walk::status(run, book))));
    for reading in readings(&ground.facts(), step) {
        line("reads", &reading);
    }
    line("effect", &effect(step));
    line("undo", &undo(step));
    if let Some(due) = deadline(run, book) {
        line("due", &format!("{due}, {}; then {}", left(due), way(&step.on_deadline)));
    }
    let roles: Vec<_> = step.roles.iter().map(|r| r.as_str()).collect();
    line("who", &roles.join(" "));
    let missing = missing(ground.view, step);
    if !missing.is_empty() {
        line("evidence", &format!("still to be brought or settled: {}", missing.join(" ")));
    }
    if let Some(consent) = consent_line(ground, step) {
        line("consent", &consent);
    }
    line("ways on", &ways(step));
    for words in commands(ground, step) {
        out.push_str(&command(ground, &words, place));
    }
}

fn standing(status: Status) -> String {
    match status {
        Status::Held(why) => format!("HELD ({why:?}): restrictions stay, somebody must act"),
        Status::Uncertain { attempt } => {
            format!("UNCERTAIN: whether attempt {attempt} took effect is not known; look at it")
        }
        Status::InFlight { attempt } => format!("attempt {attempt} was begun and has no result"),
        other => word(other).to_owned(),
    }
}

/// What a step does to the world, in words.
pub(super) fn effect(step: &Step) -> String {
    match &step.work {
        Work::Auto { op, args, attempts_max, .. } => {
            let args: Vec<_> = args.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            let args = visible(&args.join(", "));
            format!("{}: {op} {args} (at most {attempts_max} attempts)", step.effect)
        }
        Work::Manual { .. } => format!("{}: a person does it and attests", step.effect),
        Work::Decision { question, .. } => format!("a decision: {}", visible(question)),
        Work::Approval { quorum, next, .. } => {
            format!("consent of {quorum} to {}", way(next))
        }
        Work::Check { .. } => "looks whether a condition holds".to_owned(),
        Work::Wait { .. } => "waits for a condition".to_owned(),
    }
}

/// How a step is taken back, in words.
pub(super) fn undo(step: &Step) -> String {
    match &step.undo {
        Undo::Undo(how) => visible(how),
        Undo::IrreversibleBecause(why) => format!("cannot be taken back: {}", visible(why)),
        Undo::NothingChanged => "nothing is changed".to_owned(),
    }
}

/// Where an edge leads, in words.
pub(super) fn way(target: &Target) -> String {
    match target {
        Target::Step(id) => id.to_string(),
        Target::Hold => "held for a person".to_owned(),
        Target::End => "the end".to_owned(),
    }
}

/// The ways on from a step.
pub(super) fn ways(step: &Step) -> String {
    let on = |what: &str, target: &Target| format!("{what} -> {}", way(target));
    let ways = match &step.work {
        Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
            vec![on("done", next), on("failed", on_fail)]
        }
        Work::Decision { answers, .. } => answers.iter().map(|a| on(&a.id, &a.goto)).collect(),
        Work::Approval { next, on_reject, .. } => {
            vec![on("approved", next), on("rejected", on_reject)]
        }
        Work::Check { next, on_fail, on_unknown, .. } => {
            vec![on("true", next), on("false", on_fail), on("unknown", on_unknown)]
        }
        Work::Wait { next, .. } => vec![on("true", next)],
    };
    ways.join("; ")
}

fn left(due: Timestamp) -> String {
    let seconds = due.ms_since(now()) / 1000;
    match seconds {
        s if s < 0 => format!("{} s ago", -s),
        s if s < 600 => format!("in {s} s"),
        s => format!("in {} min", s / 60),
    }
}

fn consent_line(ground: &Ground<'_>, step: &Step) -> Option<String> {
    consent::approved(&ground.book, step)?;
    let request = ground.view.run.step(&step.id).and_then(|r| r.request.as_ref());
    let Some(request) = request else { return Some("nobody asked for it yet".to_owned()) };
    let void = consent::void(&ground.view.run, &ground.book, step, now());
    let votes = ground.view.run.step(&step.id).map(|r| r.standing_votes()).unwrap_or_default();
    let votes: Vec<_> =
        votes.values().map(|v| format!("{} as {} {}s", v.actor, v.role, v.answer)).collect();
    let votes = if votes.is_empty() { "no votes".to_owned() } else { votes.join(", ") };
    Some(visible(&format!(
        "plan {} asked for by {}, until {}; {votes}; {}",
        request.plan.short(),
        request.by,
        request.expires,
        void.unwrap_or_else(|| "it counts".to_owned())
    )))
}

/// The verbs that fit the step now, with the words that a person fills in.
fn commands(ground: &Ground<'_>, step: &Step) -> Vec<Vec<String>> {
    let (run, id) = (&ground.view.run, step.id.to_string());
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let status = walk::status(run, &ground.book);
    if matches!(status, Status::Held(_)) && !matches!(step.work, Work::Approval { .. }) {
        return vec![words(&["skip", &id, "--to", "STEP", "--why", "WHY"])];
    }
    match (&step.work, status) {
        (Work::Auto { .. }, Status::InFlight { .. }) => {
            vec![words(&["done", &id]), words(&["uncertain", &id])]
        }
        (Work::Auto { .. }, Status::Uncertain { .. }) => {
            vec![words(&["done", &id, "--outcome", "OUTCOME", "--note", "HOW"])]
        }
        (Work::Auto { .. }, _) => vec![words(&["begin", &id])],
        (Work::Manual { .. } | Work::Check { .. } | Work::Wait { .. }, _) => {
            vec![words(&["done", &id])]
        }
        (Work::Decision { answers, .. }, _) => {
            answers.iter().map(|a| words(&["answer", &id, &a.id, "--why", "WHY"])).collect()
        }
        (Work::Approval { .. }, _) => {
            let asked = run.step(&step.id).and_then(|r| r.request.as_ref());
            let plan = plan_hash(run, &ground.book, step);
            if asked.is_some_and(|r| r.expires > now() && Some(r.plan) == plan) {
                vec![
                    words(&["approve", &id, "--why", "WHY"]),
                    words(&["reject", &id, "--why", "WHY"]),
                ]
            } else {
                vec![words(&["ask", &id])]
            }
        }
    }
}

fn command(ground: &Ground<'_>, verb: &[String], place: Option<&str>) -> String {
    let mut words = vec!["azir".to_owned(), "step".to_owned()];
    words.extend(verb.iter().cloned());
    words.extend(["--incident".to_owned(), ground.view.id.0.short()]);
    words.extend(place.iter().flat_map(|dir| ["--data".to_owned(), quoted(dir)]));
    super::text::command("  ", &words)
}
