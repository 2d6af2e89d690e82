//! `azir step`: takes the run of an incident on by one event. The command makes the members that
//! follow from the log (run, attempt, hashes, evidence); people say what only people know.

mod verb;

use std::path::Path;
use std::sync::Arc;

use azir_engine::{Body, IncidentView, Objects as _, facts, running};
use azir_ledger::Digest;
use azir_model::{Refusal, RefusalKind, Role};
use azir_runbook::event::{
    Decided, Deviation, Ended, Finished, Intended, Migrated, Outcome, Requested, RunId, Settled,
    Started, Uncertain, Undone,
};
use azir_runbook::{
    FactValue, RunEvent, Runbook, Step, StepId, Truth, Work, args_hash, consent, plan_hash,
    undo_stack, walk,
};

use super::act::{Author, finish, is_person};
use super::incident::find;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{Host, now};

pub(crate) use verb::{By, Verb};

/// The run of an incident, with the text that it is bound to.
pub(crate) struct Ground<'a> {
    pub(crate) host: &'a Host,
    pub(crate) view: &'a IncidentView,
    pub(crate) book: Arc<Runbook>,
}

impl<'a> Ground<'a> {
    /// Reads the bound runbook of an incident.
    pub(crate) fn read(host: &'a Host, incident: Digest) -> Result<Self, CliError> {
        let state = host.engine().state();
        let view = state.incidents.values().find(|v| v.id.0 == incident);
        let view = view.ok_or_else(|| CliError::Usage("that incident is not here".to_owned()))?;
        let Some(bound) = &view.runbook else {
            return Err(refused(
                RefusalKind::GuardUnmet,
                "rb: no runbook is bound",
                "34.1, D-019",
                "bind the lead runbook first; `azir do` shows the command",
            ));
        };
        let text = host.objects().get(&bound.object).ok_or_else(|| {
            CliError::Internal(format!("the text of runbook {} is not in the vault", bound.id))
        })?;
        let book = state.parsed.runbook(bound.object, &text);
        let book = book.map_err(|e| CliError::Internal(e.to_string()))?;
        Ok(Self { host, view, book })
    }

    fn run(&self) -> Result<RunId, CliError> {
        let head = self.view.run.head();
        head.map(|h| h.id).ok_or_else(|| {
            refused(
                RefusalKind::IllegalTransition,
                "the run has not started",
                "34.1",
                "azir step start",
            )
        })
    }

    /// Facts as predicates of this run see them now.
    pub(crate) fn facts(&self) -> azir_runbook::Facts {
        let state = self.host.engine().state();
        self.view.run.facts(&facts::for_runbook(state, self.view, now()))
    }

    fn step(&self, id: &str) -> Result<&Step, CliError> {
        self.book.step(&StepId::from(id)).ok_or_else(|| {
            let current = walk::current(&self.view.run, &self.book);
            let current = current.map_or("none".to_owned(), |s| s.id.to_string());
            refused(
                RefusalKind::UnknownEnum,
                &format!("{} has no step {id:?}", self.book.id()),
                "34.1",
                &format!("the current step is {current}"),
            )
        })
    }
}

fn refused(kind: RefusalKind, what: &str, rule: &str, remedy: &str) -> CliError {
    CliError::Refused(Refusal::one(kind, what, rule, remedy))
}

/// Makes the event of a verb and records it: signed by its author, or by the log's server for what
/// a machine may say.
pub(crate) fn run(
    talk: Talk,
    data: &Path,
    incident: Option<&str>,
    verb: &Verb,
    by: &By,
) -> Result<(), CliError> {
    let mut host = Host::open(data)?;
    let incident = which(&host, incident)?;
    let _orders = host.tick()?;
    let (event, step) = {
        let ground = Ground::read(&host, incident)?;
        (event(&ground, verb, by)?, verb.step().map(|id| ground.step(id).cloned()).transpose()?)
    };
    let body = Body::Run(event);
    let Some(actor) = &by.actor else {
        let event = host.event(Some(incident), &server(&host)?, None, &body);
        let signed = host.by_server(&event)?;
        let (index, _orders) = host.submit(signed)?;
        return told(talk, &host, incident, index, &body);
    };
    let role = role(&host, incident, actor, by, step.as_ref())?;
    let author = Author {
        actor: actor.clone(),
        role,
        key: by.key.clone(),
        machine_key: by.machine_key.clone(),
        out: by.out.clone(),
    };
    let event = host.event(Some(incident), actor, author.role()?, &body);
    finish(talk, &mut host, &event, &author)
}

/// The named incident, or the only one that is open.
pub(crate) fn which(host: &Host, incident: Option<&str>) -> Result<Digest, CliError> {
    if let Some(id) = incident {
        return find(host, id).map(|v| v.id.0);
    }
    let open: Vec<_> =
        host.engine().state().incidents.values().filter(|v| v.is_open()).map(|v| v.id.0).collect();
    match open.as_slice() {
        [one] => Ok(*one),
        [] => Err(CliError::Usage("no incident is open in this log".to_owned())),
        several => {
            let ids: Vec<_> = several.iter().map(Digest::short).collect();
            Err(CliError::Usage(format!("several are open: name one of {}", ids.join(" "))))
        }
    }
}

fn server(host: &Host) -> Result<String, CliError> {
    let server = host.engine().state().server.clone();
    server.ok_or_else(|| CliError::Internal("this log has no server".to_owned()))
}

/// The role that was named, or the first of the step's that the person holds.
fn role(
    host: &Host,
    incident: Digest,
    actor: &str,
    by: &By,
    step: Option<&Step>,
) -> Result<String, CliError> {
    if let Some(role) = by.role {
        return Ok(role.to_string());
    }
    if !is_person(actor) {
        return Ok(String::new());
    }
    let state = host.engine().state();
    let view = state.incidents.values().find(|v| v.id.0 == incident);
    let held = |role: &&Role| view.and_then(|v| v.holder(**role)) == Some(actor);
    let wanted = step.map(|s| s.roles.as_slice()).unwrap_or_default();
    let role = wanted.iter().find(held).or_else(|| Role::ALL.iter().find(held));
    role.map(ToString::to_string).ok_or_else(|| {
        CliError::Usage(format!("{actor} holds no role in this incident; give --role"))
    })
}

fn told(
    talk: Talk,
    host: &Host,
    incident: Digest,
    index: u64,
    body: &Body,
) -> Result<(), CliError> {
    let ground = Ground::read(host, incident)?;
    let next = walk::current(&ground.view.run, &ground.book).map(|s| s.id.to_string());
    if talk.json {
        let value = serde_json::json!({"index": index, "type": body.kind(), "current": next});
        return say(&format!("{value}\n"));
    }
    let next = next.map_or("every step is walked".to_owned(), |id| format!("now at {id}"));
    say(&format!("entry {index}: {}, by the log's server; {next}\n", azir_engine::words::of(body)))
}

/// The event of a verb, from what the log holds.
fn event(ground: &Ground<'_>, verb: &Verb, by: &By) -> Result<RunEvent, CliError> {
    let (view, book) = (ground.view, &ground.book);
    if let Verb::Start = verb {
        let ordinal = view.run.head().map_or(1, |h| h.started.ordinal.saturating_add(1));
        return Ok(RunEvent::Started(Started {
            incident: view.id.0,
            runbook: book.id(),
            version: book.version(),
            runbook_hash: book.hash(),
            mode: ground.host.engine().mode().to_owned(),
            ordinal,
        }));
    }
    let run = ground.run()?;
    Ok(match verb {
        Verb::Start => return Err(CliError::Internal("handled above".to_owned())),
        Verb::Begin { step } => intended(ground, run, ground.step(step)?)?,
        Verb::Done { step, outcome, note, evidence } => {
            let step = ground.step(step)?;
            RunEvent::Finished(finished(ground, run, step, *outcome, note, evidence, by)?)
        }
        Verb::Uncertain { step } => {
            let step = ground.step(step)?;
            let attempt = view.run.step(&step.id).and_then(|r| r.attempt()).map_or(0, |a| a.number);
            RunEvent::Uncertain(Uncertain { run, step: step.id.clone(), attempt })
        }
        Verb::Answer { step, answer, why } => vote(ground, run, step, answer, why)?,
        Verb::Approve { step, why } => vote(ground, run, step, walk::APPROVE, why)?,
        Verb::Reject { step, why } => vote(ground, run, step, walk::REJECT, why)?,
        Verb::Ask { step } => {
            let step = ground.step(step)?;
            let plan = plan_hash(&view.run, book, step).unwrap_or(Digest([0; 32]));
            let expires = now().plus_ms(consent::VALID_MS);
            RunEvent::Requested(Requested { run, step: step.id.clone(), plan, expires })
        }
        Verb::Skip { step, to, why } => {
            let (step, goto) = (ground.step(step)?.id.clone(), ground.step(to)?.id.clone());
            RunEvent::Deviation(Deviation { run, step, goto, rationale: why.clone() })
        }
        Verb::Undo { step, note } => {
            let top = || undo_stack(&view.run, book).first().map(|(s, _)| s.id.clone());
            let step = match step {
                Some(id) => ground.step(id)?.id.clone(),
                None => top().ok_or_else(|| {
                    let what = "nothing of this run can be taken back";
                    refused(RefusalKind::IllegalTransition, what, "34.1", "nothing to do")
                })?,
            };
            RunEvent::Undone(Undone { run, step, note: note.clone() })
        }
        Verb::Settle { deviation, merged, why } => RunEvent::Settled(Settled {
            run,
            deviation: *deviation,
            merged: merged.map(azir_runbook::RunbookHash),
            rationale: why.clone(),
        }),
        Verb::Migrate { map, why } => RunEvent::Migrated(Migrated {
            run,
            from: view.run.head().map_or(book.hash(), |h| h.started.runbook_hash),
            to: book.hash(),
            version: book.version(),
            map: map.iter().map(|(a, b)| (StepId::from(&**a), StepId::from(&**b))).collect(),
            rationale: why.clone(),
        }),
        Verb::End { outcome, why } => {
            RunEvent::Ended(Ended { run, outcome: *outcome, rationale: why.clone() })
        }
    })
}

fn intended(ground: &Ground<'_>, run: RunId, step: &Step) -> Result<RunEvent, CliError> {
    let Work::Auto { op, args, .. } = &step.work else {
        return Err(refused(
            RefusalKind::InvalidSchema,
            &format!("{} is a step of kind {}", step.id, step.work.kind()),
            "35.1",
            "it has no operation to begin; see `azir run`",
        ));
    };
    let last = ground.view.run.step(&step.id).and_then(|r| r.attempt());
    let attempt = last.map_or(1, |a| a.number.saturating_add(1));
    let (step, args_hash) = (step.id.clone(), args_hash(args));
    Ok(RunEvent::Intended(Intended { run, step, op: *op, args_hash, attempt }))
}

/// A result. The server says an operation done only where its effect stands in the log, and a
/// condition what the facts say.
fn finished(
    ground: &Ground<'_>,
    run: RunId,
    step: &Step,
    outcome: Option<Outcome>,
    note: &Option<String>,
    brought: &[(String, Digest)],
    by: &By,
) -> Result<Finished, CliError> {
    let view = ground.view;
    let record = view.run.step(&step.id);
    let mut evidence = running::evidence_of(view, step);
    for (item, hash) in brought {
        use azir_runbook::event::EvidenceState as State;
        match evidence.entry(item.clone()).or_insert(State::Present { hashes: [*hash].into() }) {
            State::Present { hashes } => _ = hashes.insert(*hash),
            other @ (State::NotApplicable { .. } | State::Waived { .. }) => {
                *other = State::Present { hashes: [*hash].into() };
            }
        }
    }
    let told = |p: &azir_runbook::Predicate| match p.eval(&ground.facts()).truth {
        Truth::True => Outcome::Done,
        Truth::False => Outcome::Failed,
        Truth::Unknown => Outcome::Unknown,
    };
    let derived = match &step.work {
        Work::Check { when, .. } => told(when),
        Work::Wait { until, .. } => told(until),
        Work::Auto { op, args, .. } if by.actor.is_none() => {
            let since = record.and_then(|r| r.last_at).unwrap_or(now());
            let stands = running::stands(ground.host.engine().state(), view, *op, args, since);
            if !stands && outcome != Some(Outcome::Failed) {
                return Err(not_standing(step, *op, args));
            }
            if stands { Outcome::Done } else { Outcome::Failed }
        }
        Work::Auto { .. } | Work::Manual { .. } | Work::Decision { .. } | Work::Approval { .. } => {
            Outcome::Done
        }
    };
    let attempt = match &step.work {
        Work::Auto { .. } => record.and_then(|r| r.attempt()).map(|a| a.number),
        _ => None,
    };
    let outcome = outcome.unwrap_or(derived);
    Ok(Finished { run, step: step.id.clone(), attempt, outcome, evidence, note: note.clone() })
}

fn not_standing(
    step: &Step,
    op: azir_runbook::Op,
    args: &std::collections::BTreeMap<String, FactValue>,
) -> CliError {
    let args: Vec<_> = args.iter().map(|(k, v)| format!("{k} {v}")).collect();
    refused(
        RefusalKind::GuardUnmet,
        &format!("effect: {op} {} does not stand in the log", args.join(" ")),
        "32.1, D-041",
        &format!(
            "do it and let it be recorded, or say --outcome failed; a person may say \
             `azir step uncertain {}` and then what became of it",
            step.id
        ),
    )
}

fn vote(
    ground: &Ground<'_>,
    run: RunId,
    step: &str,
    answer: &str,
    why: &str,
) -> Result<RunEvent, CliError> {
    let step = ground.step(step)?;
    let approval = matches!(step.work, Work::Approval { .. });
    let evidence = match approval {
        true => Default::default(),
        false => running::evidence_of(ground.view, step),
    };
    let plan = approval.then(|| plan_hash(&ground.view.run, &ground.book, step)).flatten();
    let (step, answer, rationale) = (step.id.clone(), answer.to_owned(), why.to_owned());
    Ok(RunEvent::Decided(Decided { run, step, answer, rationale, evidence, plan }))
}
