//! `azir runbook plan`: a dry run against a real incident. The guards and probes are those of a
//! run; effects are foretold and nothing is recorded.

use std::path::Path;

use azir_engine::{IncidentView, State, facts, running};
use azir_ledger::Timestamp;
use azir_model::Role;
use azir_runbook::{Facts, RunState, Runbook, Step, Target, Truth, Work, current, walk};
use serde_json::{Value, json};

use super::super::runs::{effect, missing, readings, undo, way};
use super::super::step::which;
use super::super::text::{fold, visible};
use super::super::{Talk, say};
use super::library::{Found, find};
use super::show::span;
use crate::error::CliError;
use crate::host::{Host, now};

/// What a dry run stands on.
struct Ground<'a> {
    state: &'a State,
    view: &'a IncidentView,
    book: &'a Runbook,
    /// The run, where the incident has one of this very text.
    run: RunState,
    facts: Facts,
}

/// One step as it would go now.
struct Planned<'a> {
    step: &'a Step,
    readings: Vec<String>,
    /// False or unknown: the step would not be admitted.
    guard: Truth,
    /// The effect stands in the log already.
    stands: bool,
    /// Who may act: people who hold a role of the step, or the machine.
    people: Vec<String>,
    /// Roles of the step that nobody holds.
    open_roles: Vec<Role>,
    missing: Vec<String>,
    /// Where it goes on as things are; `None` where a person chooses or time decides.
    next: Option<&'a Target>,
    /// Answers of a decision with what their condition reads.
    answers: Vec<(String, &'a Target, Truth)>,
}

/// Shows what would happen.
pub(super) fn run(
    talk: Talk,
    data: &Path,
    word: &str,
    incident: Option<&str>,
) -> Result<(), CliError> {
    let found = find(word, data.join("deployment.json").exists().then_some(data))?;
    let host = Host::open(data)?;
    let incident = which(&host, incident)?;
    let state = host.engine().state();
    let view = state.incidents.values().find(|v| v.id.0 == incident);
    let view = view.ok_or_else(|| CliError::Usage("that incident is not here".to_owned()))?;
    let book = &found.book;
    let same = view.run.head().is_some_and(|h| h.started.runbook_hash == book.hash());
    let run = if same { view.run.clone() } else { RunState::default() };
    let facts = run.facts(&facts::for_runbook(state, view, now()));
    let ground = Ground { state, view, book, run, facts };
    let from = current(&ground.run, book).or_else(|| book.steps().first().filter(|_| !same));
    let path = path(&ground, from);
    if talk.json {
        return say(&format!("{:#}\n", as_json(&ground, &found, &path)));
    }
    say(&screen(&ground, &found, same, &path))
}

/// The steps in turn until a person chooses between ways, or the run is over or held.
fn path<'a>(ground: &'a Ground<'_>, from: Option<&'a Step>) -> Vec<Planned<'a>> {
    let mut path = Vec::new();
    let mut at = from;
    while let Some(step) = at {
        let planned = planned(ground, step);
        at = match planned.next {
            Some(Target::Step(id)) => ground.book.step(id),
            Some(Target::Hold | Target::End) | None => None,
        };
        path.push(planned);
    }
    path
}

fn planned<'a>(ground: &'a Ground<'_>, step: &'a Step) -> Planned<'a> {
    let truth = |p: &azir_runbook::Predicate| p.eval(&ground.facts).truth;
    let guard = step.guard.as_ref().map_or(Truth::True, truth);
    let stands = match &step.work {
        Work::Auto { op, args, .. } => {
            running::stands(ground.state, ground.view, *op, args, Timestamp::from_ms(0))
        }
        _ => false,
    };
    let mut answers = Vec::new();
    let next = match &step.work {
        Work::Auto { next, .. } | Work::Manual { next, .. } | Work::Approval { next, .. } => {
            Some(next)
        }
        Work::Check { when, next, on_fail, on_unknown, .. } => Some(match truth(when) {
            Truth::True => next,
            Truth::False => on_fail,
            Truth::Unknown => on_unknown,
        }),
        Work::Wait { until, next } => (truth(until) == Truth::True).then_some(next),
        Work::Decision { answers: of, .. } => {
            answers = of
                .iter()
                .map(|a| (a.id.clone(), &a.goto, a.when.as_ref().map_or(Truth::True, truth)))
                .collect();
            let mut open = answers.iter().filter(|(_, _, truth)| *truth == Truth::True);
            match (open.next(), open.next()) {
                (Some((_, only, _)), None) => Some(*only),
                _ => None,
            }
        }
    };
    let held = |role: &Role| ground.view.holder(*role);
    let people = step.roles.iter().filter_map(|role| match role {
        Role::Automatic => Some("the log's server, or a machine".to_owned()),
        role => held(role).map(|who| format!("{who} as {role}")),
    });
    let open = |role: &&Role| **role != Role::Automatic && held(role).is_none();
    Planned {
        step,
        readings: readings(&ground.facts, step),
        guard,
        stands,
        people: people.collect(),
        open_roles: step.roles.iter().filter(open).copied().collect(),
        missing: missing(ground.view, step),
        next,
        answers,
    }
}

fn as_json(ground: &Ground<'_>, found: &Found, path: &[Planned<'_>]) -> Value {
    let steps: Vec<_> = path
        .iter()
        .map(|p| {
            let answers: Vec<_> = p
                .answers
                .iter()
                .map(|(id, to, truth)| json!({"answer": id, "goto": to, "admissible": truth.to_string()}))
                .collect();
            json!({
                "step": p.step.id, "kind": p.step.work.kind(), "effect": p.step.effect,
                "does": effect(p.step), "guard": p.guard.to_string(), "readings": p.readings,
                "stands": p.stands, "signers": p.people, "roles_not_held": p.open_roles,
                "evidence_missing": p.missing, "deadline_s": p.step.deadline_s,
                "on_deadline": p.step.on_deadline, "next": p.next, "answers": answers,
            })
        })
        .collect();
    let list = |of: &[azir_runbook::model::Criterion]| -> Vec<_> {
        of.iter()
            .map(|c| json!({"id": c.id, "reads": c.when.eval(&ground.facts).to_string()}))
            .collect()
    };
    let triggers: Vec<_> =
        ground.book.triggered(&ground.facts).iter().map(|(t, _)| t.id.clone()).collect();
    json!({
        "dry_run": "plan", "incident": ground.view.id, "runbook": ground.book.id(),
        "version": ground.book.version(), "runbook_hash": ground.book.hash(), "from": found.from,
        "status": format!("{:?}", walk::status(&ground.run, ground.book)),
        "triggers_that_hold": triggers, "preconditions": list(ground.book.preconditions()),
        "steps": steps, "exit": list(ground.book.exit()),
        "findings": azir_runbook::lint(ground.book, None),
    })
}

fn screen(ground: &Ground<'_>, found: &Found, same: bool, path: &[Planned<'_>]) -> String {
    let (view, book) = (ground.view, ground.book);
    let mut out = format!(
        "DRY RUN of {} on incident {} ({}, {}); nothing is recorded\n",
        found.name(),
        view.id.0.short(),
        view.state,
        view.severity
    );
    let begins = if same { "from the current step of its run" } else { "from the first step" };
    out.push_str(&format!("{begins}, each act as if it succeeded\n"));
    let triggered = book.triggered(&ground.facts);
    for (trigger, told) in &triggered {
        out.push_str(&fold("fits: ", "      ", &format!("{}: {told}", visible(&trigger.title))));
    }
    if triggered.is_empty() {
        out.push_str("no trigger of it holds by what the log knows\n");
    }
    for c in book.preconditions() {
        let told = c.when.eval(&ground.facts);
        if told.truth != Truth::True {
            out.push_str(&fold("before: ", "        ", &format!("{}: {told}", visible(&c.title))));
        }
    }
    for (n, planned) in path.iter().enumerate() {
        one(&mut out, n + 1, planned);
    }
    let end = match path.last().and_then(|p| p.next) {
        Some(Target::End) => "the run would be over; it may end when these hold:",
        Some(Target::Hold) => "the run would be HELD there until a person acts. It may end when:",
        Some(Target::Step(_)) | None if path.is_empty() => "every step is walked. It may end when:",
        Some(Target::Step(_)) | None => "a person chooses, or time decides. It may end when:",
    };
    out.push_str(&format!("{end}\n"));
    for c in book.exit() {
        let told = c.when.eval(&ground.facts);
        out.push_str(&fold("  ", "    ", &format!("{}: {told}", visible(&c.title))));
    }
    out
}

fn one(out: &mut String, number: usize, planned: &Planned<'_>) {
    let step = planned.step;
    let head = format!("{}  {}", step.id, visible(&step.title));
    out.push_str(&fold(&format!("{number:>2}. "), "    ", &head));
    let mut line = |name: &str, text: &str| {
        out.push_str(&fold(&format!("    {name:<9}"), "             ", text));
    };
    planned.readings.iter().for_each(|reading| line("reads", reading));
    if planned.guard != Truth::True {
        line("STOPS", "its guard does not hold: the step would be refused");
    }
    let stands = if planned.stands { "; stands in the log already" } else { "" };
    line("would do", &format!("{}{stands}", effect(step)));
    let mut who = planned.people.join(", ");
    if !planned.open_roles.is_empty() {
        let open: Vec<_> = planned.open_roles.iter().map(|r| r.as_str()).collect();
        let joint = if who.is_empty() { "" } else { "; " };
        who.push_str(&format!("{joint}nobody holds {}", open.join(" ")));
    }
    line("signs", &visible(&who));
    if !planned.missing.is_empty() {
        line("evidence", &format!("missing: {}", planned.missing.join(" ")));
    }
    line("due", &format!("in {}; then {}", span(step.deadline_s), way(&step.on_deadline)));
    line("undo", &undo(step));
    for (answer, to, truth) in &planned.answers {
        let word = match truth {
            Truth::True => "may be given",
            Truth::False => "would be refused",
            Truth::Unknown => "refused while its facts are not known",
        };
        line("answer", &format!("{answer} -> {}: {word}", way(to)));
    }
    if let Some(next) = planned.next {
        line("then", &way(next));
    }
}
