//! Consent to a plan, taking back, escalation, deviations that stay open, and another version.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Timestamp};
use azir_model::{Refusal, RefusalKind as K, Role};

use crate::consent::VALID_MS;
use crate::event::*;
use crate::fact::{FactValue, Facts};
use crate::model::*;
use crate::op::Op;
use crate::state::{RunState, apply};
use crate::testing::*;
use crate::walk::{Hold, Status, current, deadline, status};
use crate::{admit, escalations, plan_hash, undo_stack};

struct Run {
    book: Runbook,
    facts: Facts,
    state: RunState,
    at_s: i64,
}

impl Run {
    fn new() -> Self {
        let (book, facts, state) = (consensus(), drill_facts(false), RunState::default());
        let mut run = Self { book, facts, state, at_s: 1000 };
        run.ok(Role::OnCallOperator, RunEvent::Started(started(&run.book)));
        run
    }

    fn id(&self) -> RunId {
        self.state.head().unwrap().id
    }

    fn by(&mut self, actor: &str, role: Role, event: RunEvent) -> Result<(), Refusal> {
        let event = whole(&self.state, &self.book, event);
        let at = Timestamp::from_ms(self.at_s * 1000);
        let record = Recorded { at, actor: actor.to_owned(), role, event };
        admit(&self.state, &self.book, &record, &self.facts)?;
        apply(&mut self.state, &record);
        Ok(())
    }

    fn try_(&mut self, role: Role, event: RunEvent) -> Result<(), Refusal> {
        self.at_s += 1;
        let actor = format!("operator:{}", role.as_str().to_lowercase());
        self.by(&actor, role, event)
    }

    #[track_caller]
    fn ok(&mut self, role: Role, event: RunEvent) {
        self.try_(role, event).unwrap_or_else(|e| panic!("{e}"));
    }

    #[track_caller]
    fn no(&mut self, kind: K, role: Role, event: RunEvent) -> Refusal {
        let refusal = self.try_(role, event).unwrap_err();
        assert!(refusal.has(kind), "{refusal}");
        refusal
    }

    fn here(&self) -> String {
        current(&self.state, &self.book).map_or("end".into(), |s| s.id.to_string())
    }

    /// Walks on as written; the branch reset is chosen.
    fn until(&mut self, stop: &str) {
        while self.here() != stop {
            let step = current(&self.state, &self.book).unwrap().clone();
            let (run, id) = (self.id(), step.id.as_str());
            let done = |attempt| {
                let (step, evidence) = (StepId::from(id), present(&step.evidence));
                let outcome = Outcome::Done;
                RunEvent::Finished(Finished { run, step, attempt, outcome, evidence, note: None })
            };
            match &step.work {
                Work::Auto { op, .. } => {
                    self.ok(step.roles[0], intended(run, id, *op, 1));
                    self.ok(Role::Automatic, done(Some(1)));
                }
                Work::Manual { .. } => self.ok(step.roles[0], done(None)),
                Work::Decision { .. } => {
                    let answer = if id == "choose-way" {
                        "branch_reset"
                    } else {
                        "adversarial_equivocation"
                    };
                    self.ok(step.roles[0], decided(run, id, answer));
                }
                Work::Approval { quorum, .. } => {
                    self.ask(id);
                    for role in &step.roles[..*quorum as usize] {
                        self.ok(*role, decided(run, id, "approve"));
                    }
                }
                Work::Check { when, .. } => {
                    let truth = when.eval(&self.facts).truth;
                    let outcome = match truth {
                        crate::predicate::Truth::True => Outcome::Done,
                        crate::predicate::Truth::False => Outcome::Failed,
                        crate::predicate::Truth::Unknown => Outcome::Unknown,
                    };
                    self.ok(Role::Automatic, finished(run, id, None, outcome));
                }
                Work::Wait { .. } => {
                    self.ok(Role::Automatic, finished(run, id, None, Outcome::Done));
                }
            }
        }
    }

    fn ask(&mut self, step: &str) {
        let request = requested(&self.state, &self.book, step, self.at_s);
        self.by("operator:ro", Role::RecoveryOperator, request).unwrap();
    }

    fn vote(&self, plan: Option<Digest>) -> RunEvent {
        let RunEvent::Decided(vote) = decided(self.id(), "approve-reset", "approve") else {
            unreachable!()
        };
        RunEvent::Decided(Decided { plan, ..vote })
    }
}

/// R-24.2-2: consent is for one plan; other inputs, another time and another person void it.
#[test]
fn consent_is_bound_to_the_plan_its_time_and_other_people() {
    let mut run = Run::new();
    run.until("approve-reset");
    let plan = plan_hash(&run.state, &run.book, run.book.step(&"approve-reset".into()).unwrap());
    let refusal = run.no(K::ApprovalRequired, Role::IncidentCommander, run.vote(plan));
    assert!(refusal.to_string().contains("nobody asked"), "{refusal}");
    let RunEvent::Requested(asked) = requested(&run.state, &run.book, "approve-reset", run.at_s)
    else {
        unreachable!()
    };
    let other = Requested { plan: Digest::of(b"another plan"), ..asked.clone() };
    run.no(K::HashMismatch, Role::RecoveryOperator, RunEvent::Requested(other));
    for expires in [run.at_s * 1000, (run.at_s + 5) * 1000 + VALID_MS] {
        let expires = Timestamp::from_ms(expires);
        let late = Requested { expires, ..asked.clone() };
        run.no(K::ExpiryRequired, Role::RecoveryOperator, RunEvent::Requested(late));
    }
    run.no(K::NotAuthorized, Role::Automatic, RunEvent::Requested(asked));
    run.ask("approve-reset");

    run.no(K::HashMismatch, Role::IncidentCommander, run.vote(Some(Digest::of(b"plan B"))));
    let own = run.by("operator:ro", Role::IncidentCommander, run.vote(plan)).unwrap_err();
    assert!(own.has(K::RoleConflict), "{own}");
    run.ok(Role::IncidentCommander, run.vote(plan));
    assert_eq!(run.here(), "reset-branches");

    // Who approved does not carry it out; evidence that came since makes it another plan.
    let (id, reset) = (run.id(), intended(run.id(), "reset-branches", Op::BranchReset, 1));
    let mut changed = run.state.clone();
    changed.evidence.remove("replay_traces");
    std::mem::swap(&mut run.state, &mut changed);
    let refusal = run.no(K::ApprovalRequired, Role::RecoveryOperator, reset.clone());
    assert!(refusal.to_string().contains("has changed since"), "{refusal}");
    // It is asked for again, at the step before, and the earlier vote counts no more.
    run.ask("approve-reset");
    assert_eq!(run.here(), "approve-reset");
    let vote = decided(id, "approve-reset", "approve");
    run.ok(Role::IncidentCommander, vote);
    assert_eq!(run.here(), "reset-branches");
    std::mem::swap(&mut run.state, &mut changed);

    let before = run.at_s;
    run.at_s += VALID_MS / 1000;
    let refusal = run.no(K::ApprovalRequired, Role::RecoveryOperator, reset.clone());
    assert!(refusal.to_string().contains("it ended"), "{refusal}");
    run.at_s = before;
    run.ok(Role::RecoveryOperator, reset);
}

#[test]
fn a_new_request_opens_an_approval_that_was_rejected_or_too_late() {
    let mut run = Run::new();
    run.until("approve-reset");
    run.ask("approve-reset");
    run.ok(Role::IncidentCommander, decided(run.id(), "approve-reset", "reject"));
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Rejected));
    run.ask("approve-reset");
    assert_eq!(status(&run.state, &run.book), Status::Ready);
    let due = deadline(&run.state, &run.book).unwrap();
    run.at_s = due.ms() / 1000;
    let (id, step) = (run.id(), StepId::from("approve-reset"));
    run.by(
        "server:azir",
        Role::Automatic,
        RunEvent::DeadlineFired(DeadlineFired { run: id, step }),
    )
    .unwrap();
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Deadline));
    run.ask("approve-reset");
    assert!(deadline(&run.state, &run.book).unwrap() > due);
    run.ok(Role::IncidentCommander, decided(id, "approve-reset", "approve"));
    assert_eq!(run.here(), "reset-branches");
}

/// D-041: what was done is taken back by people, newest first, and never by itself.
#[test]
fn steps_are_taken_back_newest_first_by_a_person() {
    let mut run = Run::new();
    run.until("collect-evidence");
    let stack: Vec<_> =
        undo_stack(&run.state, &run.book).iter().map(|(s, _)| s.id.to_string()).collect();
    assert_eq!(stack, ["close-gates", "pin-evidence"], "publishing cannot be taken back");
    let undone = |step: &str, note: &str| {
        let (run, step, note) = (run_id(&consensus()), StepId::from(step), note.to_owned());
        RunEvent::Undone(Undone { run, step, note })
    };
    let refusal =
        run.no(K::IllegalTransition, Role::IncidentCommander, undone("pin-evidence", "x"));
    assert!(refusal.to_string().contains("take back close-gates first"), "{refusal}");
    run.no(K::NotAuthorized, Role::Automatic, undone("close-gates", "x"));
    run.no(K::ReasonRequired, Role::IncidentCommander, undone("close-gates", " "));
    let before = run.here();
    run.ok(Role::IncidentCommander, undone("close-gates", "reopened by the restart decision"));
    run.ok(Role::OnCallOperator, undone("pin-evidence", "hold released"));
    assert!(undo_stack(&run.state, &run.book).is_empty());
    assert_eq!(run.here(), before, "the run itself goes on");
}

/// R-34.1-5: the ladder calls the next role at its time, and each rung once.
#[test]
fn a_passed_deadline_calls_the_next_role() {
    let mut run = Run::new();
    run.until("find-checkpoint");
    let due = deadline(&run.state, &run.book).unwrap();
    run.at_s = due.ms() / 1000;
    let (id, step) = (run.id(), StepId::from("find-checkpoint"));
    let fired = DeadlineFired { run: id, step: step.clone() };
    run.by("server:azir", Role::Automatic, RunEvent::DeadlineFired(fired)).unwrap();
    let at = |run: &Run| {
        let now = Timestamp::from_ms(run.at_s * 1000);
        let due = escalations(&run.state, &run.book, now);
        due.iter().map(|(_, rung)| rung.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(at(&run), ["deadline-commander", "held-lead"]);
    let call = |rung: &str, role| {
        let (step, rung) = (step.clone(), rung.to_owned());
        RunEvent::Escalated(Escalated { run: id, step, rung, role })
    };
    let early = call("deadline-lead", Role::ConsensusLead);
    run.no(K::IllegalTransition, Role::Automatic, early.clone());
    run.no(K::NotAuthorized, Role::OnCallOperator, early.clone());
    let first = call("deadline-commander", Role::IncidentCommander);
    run.ok(Role::Automatic, first.clone());
    run.no(K::IllegalTransition, Role::Automatic, first);
    assert_eq!(at(&run), ["held-lead"]);
    run.at_s += 300;
    assert_eq!(at(&run), ["deadline-lead", "held-lead"]);
    run.ok(Role::Automatic, early);
}

fn skip(run: RunId, step: &str, goto: &str, why: &str) -> RunEvent {
    let (step, goto) = (StepId::from(step), StepId::from(goto));
    RunEvent::Deviation(Deviation { run, step, goto, rationale: why.to_owned() })
}

#[test]
fn a_deviation_stays_open_until_a_version_takes_it_up_or_somebody_dismisses_it() {
    let mut run = Run::new();
    run.until("find-checkpoint");
    let id = run.id();
    run.ok(Role::IncidentCommander, skip(id, "find-checkpoint", "disputed-label", "node is gone"));
    assert_eq!(run.state.open_deviations().len(), 1);
    let settle = |deviation, merged, why: &str| {
        RunEvent::Settled(Settled { run: id, deviation, merged, rationale: why.to_owned() })
    };
    run.no(K::ReasonRequired, Role::IncidentCommander, settle(0, None, ""));
    run.no(K::IdMismatch, Role::IncidentCommander, settle(1, None, "x"));
    run.no(K::NotAuthorized, Role::RecoveryOperator, settle(0, None, "x"));
    let given_up = Ended { run: id, outcome: EndOutcome::GivenUp, rationale: "x".to_owned() };
    run.ok(Role::IncidentCommander, RunEvent::Ended(given_up));
    run.ok(Role::ConsensusLead, settle(0, None, "the archive node is an exception"));
    assert!(run.state.open_deviations().is_empty());
    run.no(K::IdMismatch, Role::IncidentCommander, settle(0, None, "again"));
}

/// R-35.1-3: from `severity_min` on skipping needs a reason and stops at conditions; below it the
/// steps are advice.
#[test]
fn below_its_severity_a_runbook_is_advice() {
    let mut run = Run::new();
    let id = run.id();
    let (reason, authority) = (K::ReasonRequired, K::NotAuthorized);
    let bare = skip(id, "pin-evidence", "choose-way", "");
    for severity in [None, Some(3), Some(5)] {
        run.facts.remove("severity");
        run.facts.extend(severity.map(|n| ("severity".to_owned(), FactValue::Int(n))));
        let refusal = run.no(reason, Role::IncidentCommander, bare.clone());
        assert!(refusal.has(authority), "{refusal}");
    }
    run.facts.insert("severity".to_owned(), FactValue::Int(2));
    run.ok(Role::OnCallOperator, bare);
    assert_eq!(run.here(), "choose-way");
}

#[test]
fn another_run_starts_after_one_that_ended_and_keeps_what_was_found() {
    let mut run = Run::new();
    run.until("close-gates");
    let again = |ordinal| RunEvent::Started(Started { ordinal, ..started(&consensus()) });
    run.no(K::IllegalTransition, Role::OnCallOperator, again(2));
    let (run_, outcome) = (run.id(), EndOutcome::GivenUp);
    let end = Ended { run: run_, outcome, rationale: "another class".to_owned() };
    run.ok(Role::IncidentCommander, RunEvent::Ended(end));
    run.no(K::InvalidSchema, Role::OnCallOperator, again(1));
    run.ok(Role::OnCallOperator, again(2));
    assert_eq!(run.here(), "pin-evidence");
    assert!(run.state.evidence().contains_key("logs"));
    assert_ne!(run.id(), run_);
}

/// R-35.2-1: a run changes its version by an event between quiet steps, with everything mapped.
#[test]
fn a_run_goes_over_to_another_version_between_quiet_steps() {
    let mut run = Run::new();
    run.until("find-checkpoint");
    let text = CONSENSUS
        .replace("version = 1", "version = 2")
        .replace("id = \"close-gates\"", "id = \"shut-gates\"")
        .replace("\"close-gates\"", "\"shut-gates\"");
    let next = load_ok(&text);
    let (id, from, to) = (run.id(), run.book.hash(), next.hash());
    let renamed = (StepId::from("close-gates"), StepId::from("shut-gates"));
    let map = BTreeMap::from([renamed]);
    let rationale = "the new version names the outlets".to_owned();
    let event = Migrated { run: id, from, to, version: 2, map, rationale };
    run.no(K::VersionConflict, Role::IncidentCommander, RunEvent::Migrated(event.clone()));

    let intent = intended(id, "find-checkpoint", Op::CheckpointCompute, 1);
    run.ok(Role::Automatic, intent);
    run.book = next;
    let refusal = run.no(K::GuardUnmet, Role::IncidentCommander, RunEvent::Migrated(event.clone()));
    assert!(refusal.to_string().contains("find-checkpoint has no result"), "{refusal}");
    let old = std::mem::replace(&mut run.book, consensus());
    run.ok(Role::Automatic, finished(id, "find-checkpoint", Some(1), Outcome::Done));
    run.book = old;
    let unmapped = Migrated { map: BTreeMap::new(), ..event.clone() };
    let refusal = run.no(K::InvalidSchema, Role::IncidentCommander, RunEvent::Migrated(unmapped));
    assert!(refusal.to_string().contains("close-gates"), "{refusal}");
    run.no(K::NotAuthorized, Role::RecoveryOperator, RunEvent::Migrated(event.clone()));
    let silent = Migrated { rationale: " ".to_owned(), ..event.clone() };
    run.no(K::ReasonRequired, Role::IncidentCommander, RunEvent::Migrated(silent));

    run.ok(Role::IncidentCommander, RunEvent::Migrated(event));
    assert_eq!(run.here(), "disputed-label");
    assert_eq!(run.state.head().unwrap().started.runbook_hash, to);
    run.until("approve-reset");
}

#[test]
fn the_probe_of_an_operation_tells_only_what_it_can_see() {
    let args =
        |roles: &str| BTreeMap::from([("roles".to_owned(), FactValue::Text(roles.to_owned()))]);
    assert_eq!(Op::GateClose.probe(&args("verifier notary")), Some("own_outputs_closed"));
    assert_eq!(Op::GateClose.probe(&args("verifier validation")), None);
    for op in Op::ALL.iter().filter(|op| op.effect().needs_person()) {
        assert_eq!(op.probe(&args("notary")), None, "{op}: a person finds out");
    }
}
