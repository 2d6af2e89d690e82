//! Every edge of every shipped runbook, taken through the interpreter: who is named may act, what
//! is demanded can be given, and each outcome leads where the file says.

use std::collections::BTreeSet;

use azir_model::{RefusalKind, Role};

use crate::event::*;
use crate::fact::{FactValue, Facts};
use crate::model::{Runbook, Step, StepId, Target, Work};
use crate::predicate::{Predicate, Test, Truth};
use crate::shipped_tests::{Shipped, shipped};
use crate::state::{RunState, apply};
use crate::testing::*;
use crate::walk::{Status, current, deadline, status};
use crate::{admit, walk::APPROVE, walk::REJECT};

/// One way to leave a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Done,
    Fails,
    Unknown,
    Rejected,
    Answer(String),
    Deadline,
}

/// The ways out of a step, each with its edge, the regular one first.
fn ways(step: &Step) -> Vec<(Way, &Target)> {
    let mut ways = match &step.work {
        Work::Auto { next, on_fail, .. } => vec![(Way::Done, next), (Way::Fails, on_fail)],
        Work::Manual { next, on_fail, outcomes } => {
            let mut ways = vec![(Way::Done, next)];
            if outcomes.contains(&Outcome::CouldNot) {
                ways.push((Way::Fails, on_fail));
            }
            ways
        }
        Work::Decision { answers, .. } => {
            answers.iter().map(|a| (Way::Answer(a.id.clone()), &a.goto)).collect()
        }
        Work::Approval { next, on_reject, .. } => {
            vec![(Way::Done, next), (Way::Rejected, on_reject)]
        }
        Work::Check { next, on_fail, on_unknown, .. } => {
            vec![(Way::Done, next), (Way::Fails, on_fail), (Way::Unknown, on_unknown)]
        }
        Work::Wait { next, .. } => vec![(Way::Done, next)],
    };
    ways.push((Way::Deadline, &step.on_deadline));
    ways
}

#[derive(Clone)]
struct Walker<'a> {
    runbook: &'a Runbook,
    state: RunState,
    facts: Facts,
    at_s: i64,
    /// Facts about the run itself that conditions of the runbook name.
    asked: BTreeSet<String>,
}

fn is_run_fact(name: &str) -> bool {
    name.starts_with("answer.") || name.starts_with("outcome.")
}

fn run_facts(predicate: &Predicate, into: &mut BTreeSet<String>) {
    match predicate {
        Predicate::All(list) | Predicate::Any(list) => {
            list.iter().for_each(|p| run_facts(p, into));
        }
        Predicate::Not(inner) => run_facts(inner, into),
        Predicate::Fact { name, .. } => into.extend(is_run_fact(name).then(|| name.clone())),
    }
}

fn asks_the_run(predicate: &Predicate) -> bool {
    let mut named = BTreeSet::new();
    run_facts(predicate, &mut named);
    !named.is_empty()
}

/// Every condition of a step.
fn conditions(step: &Step) -> Vec<&Predicate> {
    let mut all: Vec<_> = step.guard.iter().collect();
    match &step.work {
        Work::Check { when, .. } => all.push(when),
        Work::Wait { until, .. } => all.push(until),
        Work::Decision { answers, .. } => {
            all.extend(answers.iter().filter_map(|a| a.when.as_ref()))
        }
        Work::Auto { .. } | Work::Manual { .. } | Work::Approval { .. } => {}
    }
    all
}

impl<'a> Walker<'a> {
    fn start(runbook: &'a Runbook) -> Self {
        let (state, facts) = (RunState::default(), Facts::new());
        let mut asked = BTreeSet::new();
        for step in runbook.steps() {
            conditions(step).into_iter().for_each(|p| run_facts(p, &mut asked));
        }
        let mut walker = Self { runbook, state, facts, at_s: 1000, asked };
        for condition in runbook.preconditions() {
            assert!(walker.make(&condition.when, Truth::True));
        }
        walker.record(Role::OnCallOperator, RunEvent::Started(started(runbook)));
        walker
    }

    fn truth(&self, predicate: &Predicate) -> Truth {
        predicate.eval(&self.state.facts(&self.facts)).truth
    }

    /// Sets facts so that the predicate has this value; false where the run itself decides.
    fn make(&mut self, predicate: &Predicate, want: Truth) -> bool {
        if self.truth(predicate) == want {
            return true;
        }
        match predicate {
            Predicate::Fact { name, .. } if is_run_fact(name) => {}
            Predicate::Fact { name, test } => match (want, test) {
                (Truth::Unknown, _) => {
                    self.facts.remove(name);
                }
                (Truth::True, Test::Is(value)) => {
                    self.facts.insert(name.clone(), value.clone());
                }
                (Truth::False, Test::Is(value)) => {
                    self.facts.insert(name.clone(), other(value));
                }
                (Truth::True, Test::AtLeast(n) | Test::AtMost(n)) => {
                    self.facts.insert(name.clone(), FactValue::Int(*n));
                }
                (Truth::False, Test::AtLeast(n)) => {
                    self.facts.insert(name.clone(), FactValue::Int(n - 1));
                }
                (Truth::False, Test::AtMost(n)) => {
                    self.facts.insert(name.clone(), FactValue::Int(n + 1));
                }
            },
            Predicate::Not(inner) => {
                self.make(inner, want.not());
            }
            Predicate::All(list) => self.make_list(list, want, Truth::True),
            Predicate::Any(list) => self.make_list(list, want, Truth::False),
        }
        self.truth(predicate) == want
    }

    /// `neutral` on every operand, then `want` on the first operand that allows it.
    fn make_list(&mut self, list: &[Predicate], want: Truth, neutral: Truth) {
        for operand in list {
            self.make(operand, neutral);
        }
        if want != neutral {
            for operand in list {
                let before = self.facts.clone();
                if self.make(operand, want) {
                    return;
                }
                self.facts = before;
            }
        }
    }

    fn try_record(&mut self, role: Role, event: RunEvent) -> Result<(), String> {
        self.at_s += 1;
        let request = asked(&self.state, self.runbook, &event, self.at_s);
        if let Some(request) = request {
            admit(&self.state, self.runbook, &request, &self.facts).map_err(|e| e.to_string())?;
            apply(&mut self.state, &request);
        }
        let event = whole(&self.state, self.runbook, event);
        let record = by(self.at_s, role, event);
        admit(&self.state, self.runbook, &record, &self.facts).map_err(|e| e.to_string())?;
        apply(&mut self.state, &record);
        Ok(())
    }

    #[track_caller]
    fn record(&mut self, role: Role, event: RunEvent) {
        let what = format!("{} {event:?}", self.runbook.id());
        self.try_record(role, event).unwrap_or_else(|e| panic!("{what}\n{e}"));
    }

    fn step(&self) -> Option<&'a Step> {
        current(&self.state, self.runbook)
    }

    /// Takes one way out of the current step; false where the path walked so far excludes it.
    fn take(&mut self, step: &Step, way: &Way) -> bool {
        if *way == Way::Deadline {
            let due = deadline(&self.state, self.runbook).unwrap();
            self.at_s = due.ms() / 1000;
            let run = run_id(self.runbook);
            let fired = DeadlineFired { run, step: step.id.clone() };
            self.record(Role::Automatic, RunEvent::DeadlineFired(fired));
            return true;
        }
        let mut open = step.guard.as_ref().is_none_or(|g| self.make(g, Truth::True));
        open &= match (&step.work, way) {
            (Work::Check { when, .. }, Way::Done) => self.make(when, Truth::True),
            (Work::Check { when, .. }, Way::Fails) => self.make(when, Truth::False),
            (Work::Check { when, .. }, Way::Unknown) => self.make(when, Truth::Unknown),
            (Work::Wait { until, .. }, _) => self.make(until, Truth::True),
            (Work::Decision { answers, .. }, Way::Answer(id)) => {
                let when = answers.iter().find(|a| a.id == *id).and_then(|a| a.when.as_ref());
                when.is_none_or(|w| self.make(w, Truth::True))
            }
            _ => true,
        };
        open &= step.guard.as_ref().is_none_or(|g| self.truth(g) == Truth::True);
        if open {
            self.act(step, way);
        }
        open
    }

    /// A person in one of the step's roles who approved nothing that leads here.
    fn hand(&self, step: &Step) -> Role {
        let approved = |role: &&Role| {
            self.runbook.steps().iter().any(|s| {
                let leads = matches!(&s.work, Work::Approval { next: Target::Step(n), .. } if *n == step.id);
                let actor = format!("operator:{}", role.as_str().to_lowercase());
                let votes = self.state.step(&s.id).map(|r| r.votes.clone()).unwrap_or_default();
                leads && votes.iter().any(|v| v.actor == actor)
            })
        };
        let free = step.roles.iter().find(|r| !approved(r));
        *free.unwrap_or_else(|| {
            panic!("{}: who approves carries out {}", self.runbook.id(), step.id)
        })
    }

    fn act(&mut self, step: &Step, way: &Way) {
        let (run, id) = (run_id(self.runbook), step.id.as_str());
        let hand = self.hand(step);
        let end = |attempt, outcome: Outcome| {
            let evidence = present(&step.evidence);
            let note = outcome.needs_note().then(|| "the node did not answer".to_owned());
            let step = StepId::from(id);
            RunEvent::Finished(Finished { run, step, attempt, outcome, evidence, note })
        };
        match &step.work {
            Work::Auto { op, attempts_max, .. } => {
                let (last, outcome) = match way {
                    Way::Fails => (*attempts_max, Outcome::Failed),
                    _ => (1, Outcome::Done),
                };
                for n in 1..=last {
                    self.record(hand, intended(run, id, *op, n));
                    self.record(Role::Automatic, end(Some(n), outcome));
                }
            }
            Work::Manual { .. } => {
                let outcome = if *way == Way::Fails { Outcome::CouldNot } else { Outcome::Done };
                self.record(hand, end(None, outcome));
            }
            Work::Decision { .. } => {
                let Way::Answer(answer) = way else { panic!("{id}: {way:?}") };
                let RunEvent::Decided(mut event) = decided(run, id, answer) else { unreachable!() };
                event.evidence = present(&step.evidence);
                self.record(hand, RunEvent::Decided(event));
            }
            Work::Approval { quorum, .. } => {
                let (answer, votes) = match way {
                    Way::Rejected => (REJECT, 1),
                    _ => (APPROVE, *quorum as usize),
                };
                assert!(step.roles.len() >= votes, "{id}: too few roles for its quorum");
                for role in &step.roles[..votes] {
                    self.record(*role, decided(run, id, answer));
                }
            }
            Work::Check { .. } | Work::Wait { .. } => {
                let outcome = match way {
                    Way::Fails => Outcome::Failed,
                    Way::Unknown => Outcome::Unknown,
                    _ => Outcome::Done,
                };
                self.record(Role::Automatic, end(None, outcome));
            }
        }
    }

    /// Where the run stands, as a target.
    fn stands(&self, left: &Step) -> Target {
        match status(&self.state, self.runbook) {
            Status::Walked => Target::End,
            Status::Held(_) => Target::Hold,
            _ => match self.step() {
                Some(step) if step.id != left.id => Target::Step(step.id.clone()),
                _ => panic!("{}: {} was not left", self.runbook.id(), left.id),
            },
        }
    }
}

fn other(value: &FactValue) -> FactValue {
    match value {
        FactValue::Bool(b) => FactValue::Bool(!b),
        FactValue::Int(i) => FactValue::Int(i + 1),
        FactValue::Text(t) => FactValue::Text(format!("not {t}")),
    }
}

/// Depth first over every way of every step, regular ways first, so that what needs the pins is
/// met on a path that has them.
///
/// A step is met once for each set of earlier answers that some condition asks for.
fn explore(walker: &Walker<'_>, seen: &mut BTreeSet<(String, String)>, taken: &mut usize) {
    let Some(step) = walker.step() else { return };
    let answers = walker.state.facts(&Facts::new());
    let answers = answers.into_iter().filter(|(name, _)| walker.asked.contains(name));
    let answers = format!("{:?}", answers.collect::<Vec<_>>());
    if !seen.insert((step.id.to_string(), answers)) {
        return;
    }
    for (way, target) in ways(step) {
        let mut next = walker.clone();
        if !next.take(step, &way) {
            let run_decides = conditions(step).into_iter().any(asks_the_run);
            assert!(run_decides, "{}: {} cannot go {way:?}", walker.runbook.id(), step.id);
            continue;
        }
        assert_eq!(next.stands(step), *target, "{}: {} {way:?}", walker.runbook.id(), step.id);
        *taken += 1;
        if *target != Target::Hold {
            explore(&next, seen, taken);
        }
    }
}

/// Every step of every runbook is reached by the interpreter, and every way out of it
/// that does not depend on an earlier answer can be gone.
#[test]
fn every_edge_of_every_runbook_can_be_gone_and_leads_where_it_says() {
    for Shipped { runbook, .. } in &shipped() {
        let (mut seen, mut taken) = (BTreeSet::new(), 0);
        explore(&Walker::start(runbook), &mut seen, &mut taken);
        let all: BTreeSet<_> = runbook.steps().iter().map(|s| s.id.to_string()).collect();
        let seen: BTreeSet<_> = seen.into_iter().map(|(id, _)| id).collect();
        assert_eq!(seen, all, "{}", runbook.id());
        assert!(taken > 2 * all.len(), "{}: {taken} edges", runbook.id());
    }
}

/// R-34.1-7: a run that is walked to its end completes only when every exit criterion is true.
#[test]
fn a_walked_run_of_every_runbook_completes_only_with_its_exit_criteria() {
    for Shipped { runbook, .. } in &shipped() {
        let mut walker = Walker::start(runbook);
        while let Some(step) = walker.step() {
            let ways = ways(step);
            let (way, _) = ways
                .iter()
                .filter(|(_, t)| **t != Target::Hold)
                .find(|(way, _)| walker.clone().take(step, way))
                .unwrap();
            assert!(walker.take(step, way));
        }
        assert_eq!(status(&walker.state, runbook), Status::Walked);
        let end = |run| {
            let (outcome, rationale) = (EndOutcome::Completed, "all done".to_owned());
            RunEvent::Ended(Ended { run, outcome, rationale })
        };
        let run = run_id(runbook);
        for criterion in runbook.exit().iter().filter(|c| !asks_the_run(&c.when)) {
            for c in runbook.exit() {
                walker.make(&c.when, Truth::True);
            }
            assert!(walker.make(&criterion.when, Truth::Unknown), "{}", criterion.id);
            let record = by(walker.at_s, Role::IncidentCommander, end(run));
            let refusal = admit(&walker.state, runbook, &record, &walker.facts).unwrap_err();
            assert!(refusal.has(RefusalKind::GuardUnmet), "{refusal}");
            assert!(refusal.to_string().contains(&format!("exit: {}", criterion.id)), "{refusal}");
        }
        for c in runbook.exit() {
            assert!(walker.make(&c.when, Truth::True), "{}: {}", runbook.id(), c.id);
        }
        walker.record(Role::IncidentCommander, end(run));
        assert_eq!(status(&walker.state, runbook), Status::Ended);
    }
}
