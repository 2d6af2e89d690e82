//! Whether an event may be recorded now. Every refusal names all unmet conditions at once; a
//! refused event changes nothing.

mod amend;
mod consent;

use azir_model::refusal::Unmet;
use azir_model::{Refusal, RefusalKind, Role};

use crate::consent::args_hash;
use crate::event::{
    Decided, Deviation, EndOutcome, Ended, EvidenceMap, EvidenceState, Finished, Intended,
    NOTE_CHARS_MAX, Outcome, Recorded, RunEvent, Started, Uncertain,
};
use crate::fact::{FactValue, Facts};
use crate::model::{Runbook, Step, StepId, Target, Work};
use crate::op::Effect;
use crate::predicate::{Predicate, Truth};
use crate::state::{Attempt, AttemptResult, RunState, StepRecord};
use crate::walk::{Status, Walk, deadline, walk};

/// Checks an event against the run's state, the runbook and the facts known at `record.at`.
///
/// Facts about the run itself (`answer.*`, `outcome.*`) are added here. That `record` is signed by
/// its actor, that the actor holds the role, that the mode is that of the log, and that a waiver
/// is one, is for the caller to check.
///
/// Implements R-34.1-3, R-34.1-4, R-34.1-7.
///
/// # Errors
/// The refusal with everything that is unmet.
pub fn admit(
    state: &RunState,
    runbook: &Runbook,
    record: &Recorded,
    facts: &Facts,
) -> Result<(), Refusal> {
    let facts = &state.facts(facts);
    let walk = walk(state, runbook);
    let mut gate = Gate { state, runbook, record, facts, walk, unmet: vec![] };
    match &record.event {
        RunEvent::Started(started) => gate.started(started),
        RunEvent::Ended(ended) => {
            if gate.same_run() {
                gate.ended(ended);
            }
        }
        RunEvent::Undone(undone) => {
            if gate.same_run() {
                gate.undone(undone);
            }
        }
        RunEvent::Escalated(escalated) => {
            if gate.same_run() {
                gate.escalated(escalated);
            }
        }
        // Deviations outlive their run: they are settled whenever somebody does.
        RunEvent::Settled(settled) => gate.settled(settled),
        RunEvent::Migrated(migrated) => gate.migrated(migrated),
        RunEvent::Intended(_)
        | RunEvent::Finished(_)
        | RunEvent::Uncertain(_)
        | RunEvent::Decided(_)
        | RunEvent::Requested(_)
        | RunEvent::DeadlineFired(_)
        | RunEvent::Deviation(_) => {
            if let Some(step) = gate.step() {
                gate.at_step(step);
            }
        }
    }
    Refusal::unless_met(gate.unmet)
}

struct Gate<'a> {
    state: &'a RunState,
    runbook: &'a Runbook,
    record: &'a Recorded,
    facts: &'a Facts,
    walk: Walk<'a>,
    unmet: Vec<Unmet>,
}

impl<'a> Gate<'a> {
    fn no(
        &mut self,
        kind: RefusalKind,
        what: impl Into<String>,
        rule: &str,
        remedy: impl Into<String>,
    ) {
        self.unmet.push(Unmet::new(kind, what, rule, remedy));
    }

    /// The run is open, and it is the one that the event names, under this version.
    fn same_run(&mut self) -> bool {
        let Some(head) = &self.state.head else {
            let remedy = "record run.started first";
            self.no(RefusalKind::IllegalTransition, "the run has not started", "34.1", remedy);
            return false;
        };
        if self.state.ended.is_some() {
            let remedy = "start another run with the next ordinal";
            self.no(RefusalKind::IllegalTransition, "the run has ended", "34.1", remedy);
            return false;
        }
        // A run that is given up needs no text any more.
        let given_up =
            matches!(&self.record.event, RunEvent::Ended(e) if e.outcome == EndOutcome::GivenUp);
        if self.runbook.hash() != head.started.runbook_hash && !given_up {
            let what = format!("the run is bound to {}", head.started.runbook_hash);
            let remedy = "load that version; rebinding is an event with reason";
            self.no(RefusalKind::VersionConflict, what, "35.2, D-117", remedy);
            return false;
        }
        if self.record.event.run() != Some(head.id) {
            let what = format!("the event is not of run {}", head.id);
            self.no(RefusalKind::IdMismatch, what, "35.2", "name the open run");
            return false;
        }
        true
    }

    /// The current step, when the event is about it.
    fn step(&mut self) -> Option<&'a Step> {
        if !self.same_run() {
            return None;
        }
        let named = self.record.event.step()?;
        let Some(current) = self.walk.current else {
            let what = format!("every step is walked; {named} is not current");
            let remedy = "record run.ended";
            self.no(RefusalKind::IllegalTransition, what, "34.1", remedy);
            return None;
        };
        if current.id == *named {
            return Some(current);
        }
        let renewed = self.renewable(current).filter(|approval| approval.id == *named);
        if let (Some(approval), RunEvent::Requested(_)) = (renewed, &self.record.event) {
            return Some(approval);
        }
        let kind = match self.runbook.step(named) {
            Some(_) => RefusalKind::IllegalTransition,
            None => RefusalKind::UnknownEnum,
        };
        let what = format!("{named} is not the current step");
        self.no(kind, what, "34.1", format!("the current step is {}", current.id));
        None
    }

    fn at_step(&mut self, step: &Step) {
        match &self.record.event {
            RunEvent::Started(_)
            | RunEvent::Ended(_)
            | RunEvent::Undone(_)
            | RunEvent::Escalated(_)
            | RunEvent::Settled(_)
            | RunEvent::Migrated(_) => {}
            RunEvent::Requested(event) => self.requested(step, event),
            RunEvent::Intended(event) => self.intended(step, event),
            RunEvent::Finished(event) => self.finished(step, event),
            RunEvent::Uncertain(event) => self.uncertain(step, event),
            RunEvent::Decided(event) => self.decided(step, event),
            RunEvent::DeadlineFired(_) => self.deadline_fired(step),
            RunEvent::Deviation(event) => self.deviation(step, event),
        }
    }

    fn started(&mut self, event: &Started) {
        if self.state.head.is_some() && self.state.ended.is_none() {
            let remedy = "go on with this run, or give it up first";
            self.no(RefusalKind::IllegalTransition, "the run has started", "34.1", remedy);
        }
        let same = self.runbook.hash() == event.runbook_hash
            && self.runbook.version() == event.version
            && self.runbook.id() == event.runbook;
        if !same {
            let what = "id, version or hash is not that of the loaded runbook";
            let remedy = "name the version that is loaded, by its hash";
            self.no(RefusalKind::VersionConflict, what, "35.2, D-117", remedy);
        }
        let drill = event.mode.strip_prefix("drill:").is_some_and(|run| !run.is_empty());
        if event.mode != "live" && !drill {
            let what = format!("mode {:?}", event.mode);
            self.no(RefusalKind::InvalidSchema, what, "36.1, D-120", "`live` or `drill:<run>`");
        }
        let next = self.state.head.as_ref().map_or(1, |h| h.started.ordinal.saturating_add(1));
        if self.state.head.as_ref().is_none_or(|_| self.state.ended.is_some())
            && event.ordinal != next
        {
            let (what, remedy) = (format!("ordinal {}", event.ordinal), format!("it is {next}"));
            self.no(RefusalKind::InvalidSchema, what, "34.1", remedy);
        }
        if matches!(self.record.role, Role::IncidentReporter | Role::AuditScribe) {
            let what = format!("{} may not start a run", self.record.role);
            let remedy = "ask the On-call Operator or a lead";
            self.no(RefusalKind::NotAuthorized, what, "6.1, annex C", remedy);
        }
        for condition in self.runbook.preconditions() {
            self.holds(&condition.when, "precondition", &condition.id, "34.1");
        }
    }

    fn ended(&mut self, event: &Ended) {
        self.role(&[Role::IncidentCommander]);
        self.reason(&event.rationale, "rationale");
        match event.outcome {
            // Restrictions stay in force and uncertain attempts stay visible, so it may be
            // given up at any step.
            EndOutcome::GivenUp => {}
            EndOutcome::Completed => {
                if self.walk.status != Status::Walked {
                    let id = self.walk.current.map_or(String::new(), |s| s.id.to_string());
                    let what = format!("{id} is not done");
                    let remedy = "walk the remaining steps, or end as given_up";
                    self.no(RefusalKind::IllegalTransition, what, "34.1", remedy);
                }
                for criterion in self.runbook.exit() {
                    self.holds(&criterion.when, "exit", &criterion.id, "34.1, annex J");
                }
            }
        }
    }

    /// The predicate is true; false and unknown are both refused, with the readings.
    fn holds(&mut self, predicate: &Predicate, what: &str, id: &str, rule: &str) {
        self.holds_or(RefusalKind::GuardUnmet, predicate, what, id, rule);
    }

    fn holds_or(
        &mut self,
        kind: RefusalKind,
        predicate: &Predicate,
        what: &str,
        id: &str,
        rule: &str,
    ) {
        let told = predicate.eval(self.facts);
        if told.truth != Truth::True {
            let remedy = match told.truth {
                Truth::Unknown => "find out what is unknown; unknown never counts as true",
                Truth::True | Truth::False => "make it true first",
            };
            self.no(kind, format!("{what}: {id} is {told}"), rule, remedy);
        }
    }

    /// What a step demands before anybody acts at it, for example an answer for each role (22.2).
    /// Implements R-22.2-1.
    fn guard(&mut self, step: &Step) {
        if let Some(guard) = &step.guard {
            self.holds(guard, "guard", step.id.as_str(), "34.1");
        }
    }

    fn role(&mut self, allowed: &[Role]) {
        if !allowed.contains(&self.record.role) {
            let names: Vec<_> = allowed.iter().map(|r| r.as_str()).collect();
            let what = format!("{} may not do this", self.record.role);
            let remedy = format!("one of {}", names.join(" "));
            self.no(RefusalKind::NotAuthorized, what, "6.1, annex C", remedy);
        }
    }

    fn reason(&mut self, text: &str, name: &str) {
        if text.trim().is_empty() || text.chars().count() > NOTE_CHARS_MAX {
            let remedy = format!("write why, in at most {NOTE_CHARS_MAX} characters");
            self.no(RefusalKind::ReasonRequired, format!("no {name}"), "34.1, 32.1", remedy);
        }
    }

    /// Items are on the checklist, and not applicable only where they have a qualifier (D-054).
    fn evidence(&mut self, given: &EvidenceMap) {
        for (id, item) in given {
            let Some(line) = self.runbook.evidence_item(id) else {
                let what = format!("{id} is not on the checklist");
                let remedy = "name an item of the checklist; other evidence is attached apart";
                self.no(RefusalKind::InvalidSchema, what, "10, D-054", remedy);
                continue;
            };
            match item {
                EvidenceState::Present { hashes } if hashes.is_empty() => {
                    let what = format!("{id} is present without a hash");
                    let remedy = "name the contents by hash";
                    self.no(RefusalKind::EvidenceMissing, what, "10, D-054", remedy);
                }
                EvidenceState::NotApplicable { reason } => {
                    if !line.qualified {
                        let what = format!("{id} cannot be not applicable");
                        let remedy =
                            "collect it, or have it waived by Incident Commander and Audit Scribe";
                        self.no(RefusalKind::EvidenceMissing, what, "10, D-054", remedy);
                    }
                    self.reason(reason, "reason for an item that is not applicable");
                }
                EvidenceState::Present { .. } | EvidenceState::Waived { .. } => {}
            }
        }
    }

    /// Every item that the step must add is recorded, with this event or before.
    fn evidence_complete(&mut self, step: &Step, given: &EvidenceMap) {
        for id in &step.evidence {
            if !given.contains_key(id) && !self.state.evidence.contains_key(id) {
                let what = format!("{id} is not recorded");
                let remedy = "add its hash, or its state of D-054";
                self.no(RefusalKind::EvidenceMissing, what, "10, D-054", remedy);
            }
        }
    }

    /// O1 of D-041: nothing is destroyed, and no authority returns, before the pins.
    fn pinned(&mut self) {
        let evidence = &self.state.evidence;
        let lines = self.runbook.evidence().iter();
        let open: Vec<_> = lines
            .filter(|e| e.pin && !evidence.contains_key(&e.id))
            .map(|e| e.id.clone())
            .collect();
        if !open.is_empty() {
            let what = format!("not pinned: {}", open.join(", "));
            let remedy = "pin these items, or have each waived";
            let kind = RefusalKind::DestructiveBeforePreserve;
            self.no(kind, what, "2.2, 9.2, D-041", remedy);
        }
    }

    fn at(&self, step: &Step) -> Option<&'a StepRecord> {
        self.state.step(&step.id)
    }

    fn intended(&mut self, step: &Step, event: &Intended) {
        let Work::Auto { op, args, attempts_max, .. } = &step.work else {
            let what = format!("{} is a step of kind {}", step.id, step.work.kind());
            let remedy = "only `auto` steps have intents";
            return self.no(RefusalKind::InvalidSchema, what, "35.1", remedy);
        };
        self.role(&step.roles);
        self.guard(step);
        if event.op != *op {
            let what = format!("{} is not the operation of {}", event.op, step.id);
            self.no(RefusalKind::InvalidSchema, what, "35.1", format!("the operation is {op}"));
        }
        if event.args_hash != args_hash(args) {
            let what =
                format!("{} is not the hash of the arguments of {}", event.args_hash, step.id);
            let remedy = format!("name {}", args_hash(args));
            self.no(RefusalKind::HashMismatch, what, "35.1", remedy);
        }
        if step.effect >= Effect::MutateLocal {
            self.pinned();
        }
        self.not_the_approver(step);
        self.consented(step);
        let record = self.at(step);
        let last = record.and_then(|r| r.attempt());
        let next = last.map_or(1, |a| a.number.saturating_add(1));
        if event.attempt != next {
            let what = format!("attempt {} was made or is not next", event.attempt);
            let remedy = format!("the next attempt is {next}");
            self.no(RefusalKind::VersionConflict, what, "35.1, D-117", remedy);
        }
        if let Some(Attempt { number, result, .. }) = last
            && matches!(result, AttemptResult::Open | AttemptResult::Uncertain)
        {
            let what = format!("intent: attempt {number} has no result");
            let remedy = "record its result first; a person decides an uncertain one";
            self.no(RefusalKind::GuardUnmet, what, "34.1", remedy);
        }
        let extra = record.map_or(0, |r| r.extra_attempts);
        if next > attempts_max.saturating_add(extra) {
            let remedy = "the Incident Commander allows one more by a deviation to the same step";
            self.no(RefusalKind::CapExceeded, "no attempt is left", "34.1", remedy);
        }
    }

    /// Who approved a step does not carry it out.
    fn not_the_approver(&mut self, step: &Step) {
        let approves = |s: &&&Step| matches!(&s.work, Work::Approval { next: Target::Step(n), .. } if *n == step.id);
        let votes = self.walk.path.iter().filter(approves).filter_map(|s| self.state.step(&s.id));
        let own = votes.flat_map(|r| &r.votes).any(|v| v.actor == self.record.actor);
        if own {
            let what = format!("{} approved this step", self.record.actor);
            let remedy = "another person carries it out";
            self.no(RefusalKind::RoleConflict, what, "6.2, D-048", remedy);
        }
    }

    fn finished(&mut self, step: &Step, event: &Finished) {
        self.evidence(&event.evidence);
        if let Some(note) = &event.note {
            self.reason(note, "note");
        } else if event.outcome.needs_note() {
            self.reason("", "note");
        }
        if matches!(event.outcome, Outcome::Done | Outcome::DoneWithDeviation) {
            self.evidence_complete(step, &event.evidence);
        }
        if let Work::Auto { .. } = step.work {
            return self.finished_attempt(step, event);
        }
        if event.attempt.is_some() {
            let what = format!("{} has no attempts", step.id);
            self.no(RefusalKind::InvalidSchema, what, "35.1", "leave `attempt` out");
        }
        match &step.work {
            Work::Auto { .. } => {}
            Work::Manual { outcomes, .. } => {
                self.role(&step.roles);
                self.guard(step);
                self.outcome(event.outcome, outcomes);
            }
            Work::Check { when, .. } => self.measured(step, event.outcome, when, false),
            Work::Wait { until, .. } => self.measured(step, event.outcome, until, true),
            Work::Decision { .. } | Work::Approval { .. } => {
                let what = format!("{} is decided, not finished", step.id);
                self.no(RefusalKind::InvalidSchema, what, "35.1", "record step.decided");
            }
        }
    }

    fn outcome(&mut self, outcome: Outcome, allowed: &[Outcome]) {
        if !allowed.contains(&outcome) {
            let names: Vec<_> = allowed.iter().map(|o| o.as_str()).collect();
            let what = format!("outcome {outcome} does not exist here");
            self.no(RefusalKind::UnknownEnum, what, "34.1", format!("one of {}", names.join(" ")));
        }
    }

    /// The outcome of a condition is what the facts say, whoever records it; not knowing is an
    /// outcome of its own. Implements R-15.2-4, R-16.2-6, R-23.2-2.
    fn measured(&mut self, step: &Step, outcome: Outcome, when: &Predicate, wait: bool) {
        let mut roles = step.roles.clone();
        roles.push(Role::Automatic);
        self.role(&roles);
        self.guard(step);
        let told = when.eval(self.facts);
        let want = match told.truth {
            Truth::True => Outcome::Done,
            Truth::False => Outcome::Failed,
            Truth::Unknown => Outcome::Unknown,
        };
        if outcome != want {
            let what = format!("condition: {} is {told}", step.id);
            self.no(RefusalKind::GuardUnmet, what, "29.1", format!("the outcome is {want}"));
        } else if wait && want != Outcome::Done {
            let what = format!("condition: {} is {told}", step.id);
            self.no(RefusalKind::GuardUnmet, what, "29.1", "wait, or let the deadline pass");
        }
    }

    fn finished_attempt(&mut self, step: &Step, event: &Finished) {
        self.outcome(event.outcome, &[Outcome::Done, Outcome::Failed]);
        let last = self.at(step).and_then(|r| r.attempt());
        let Some(last) = last.filter(|a| Some(a.number) == event.attempt) else {
            let what = match event.attempt {
                Some(n) => format!("intent: attempt {n} was not intended"),
                None => "intent: no attempt is named".to_owned(),
            };
            let remedy = "record step.intended before the effect";
            return self.no(RefusalKind::GuardUnmet, what, "32.1, D-041", remedy);
        };
        match last.result {
            AttemptResult::Open => self.role(&[Role::Automatic]),
            AttemptResult::Uncertain if self.record.role == Role::Automatic => {
                self.probed(step, event);
            }
            AttemptResult::Uncertain => {
                let mut people = step.roles.clone();
                people.push(Role::IncidentCommander);
                people.retain(|r| *r != Role::Automatic);
                self.role(&people);
                if event.note.is_none() {
                    self.reason("", "note on how the outcome was found");
                }
            }
            AttemptResult::Done | AttemptResult::Failed => {
                let what = format!("attempt {} has its result", last.number);
                let remedy = "a result is recorded once";
                self.no(RefusalKind::AppendOnly, what, "32.2", remedy);
            }
        }
    }

    /// A machine settles an uncertain attempt only by what the operation's probe reads.
    fn probed(&mut self, step: &Step, event: &Finished) {
        let Work::Auto { op, args, .. } = &step.work else { return };
        let found = op.probe(args).map(|fact| (fact, self.facts.get(fact)));
        let told = match found {
            Some((_, Some(FactValue::Bool(true)))) => Some(Outcome::Done),
            Some((_, Some(FactValue::Bool(false)))) => Some(Outcome::Failed),
            Some(_) | None => None,
        };
        if told != Some(event.outcome) {
            let what = match found {
                Some((fact, _)) => format!("probe: {fact} does not say {}", event.outcome),
                None => format!("{op} has no probe that a machine may go by"),
            };
            let remedy = "let a person of the step find out and say how";
            self.no(RefusalKind::GuardUnmet, what, "34.1, D-041", remedy);
        }
    }

    fn uncertain(&mut self, step: &Step, event: &Uncertain) {
        let mut roles = step.roles.clone();
        roles.extend([Role::Automatic, Role::IncidentCommander]);
        self.role(&roles);
        let last = self.at(step).and_then(|r| r.attempt());
        let open =
            last.is_some_and(|a| a.number == event.attempt && a.result == AttemptResult::Open);
        if !open {
            let what = format!("attempt {} is not open", event.attempt);
            let remedy = "only an intent without result is uncertain";
            self.no(RefusalKind::IllegalTransition, what, "34.1", remedy);
        }
    }

    /// An answer is one of the closed list, and its condition holds. A finding without its proof is
    /// unverified evidence, not an unmet guard. Implements R-15.2-3, R-15.2-8, R-16.2-5, R-20.2-3.
    fn decided(&mut self, step: &Step, event: &Decided) {
        self.role(&step.roles);
        self.guard(step);
        self.reason(&event.rationale, "rationale");
        self.evidence(&event.evidence);
        match &step.work {
            Work::Decision { answers, .. } => {
                match answers.iter().find(|a| a.id == event.answer) {
                    Some(answer) => {
                        if let Some(when) = &answer.when {
                            let kind = match self.runbook.proof_of(&answer.id) {
                                Some(_) => RefusalKind::EvidenceUnverified,
                                None => RefusalKind::GuardUnmet,
                            };
                            self.holds_or(kind, when, "answer", &answer.id, "14.2, D-034");
                        }
                    }
                    None => self.answer(event, answers.iter().map(|a| a.id.as_str()).collect()),
                }
                self.evidence_complete(step, &event.evidence);
            }
            Work::Approval { .. } => self.vote(step, event),
            Work::Auto { .. } | Work::Manual { .. } | Work::Check { .. } | Work::Wait { .. } => {
                let what = format!("{} is finished, not decided", step.id);
                self.no(RefusalKind::InvalidSchema, what, "35.1", "record step.finished");
            }
        }
    }

    fn answer(&mut self, event: &Decided, known: Vec<&str>) {
        let what = format!("{:?} is no answer here", event.answer);
        self.no(
            RefusalKind::UnknownEnum,
            what,
            "14.2, D-009",
            format!("one of {}", known.join(" ")),
        );
    }

    fn deadline_fired(&mut self, step: &Step) {
        self.role(&[Role::Automatic]);
        let Some(due) = deadline(self.state, self.runbook) else {
            let what = format!("the deadline of {} has fired", step.id);
            return self.no(RefusalKind::IllegalTransition, what, "34.1", "it fires once");
        };
        if self.record.at < due {
            let what = format!("the deadline of {} is {due}", step.id);
            self.no(RefusalKind::IllegalTransition, what, "34.1, D-016", "wait until then");
        }
    }

    fn deviation(&mut self, step: &Step, event: &Deviation) {
        let advice = self.advice();
        if advice {
            self.role(&[Role::IncidentCommander, Role::OnCallOperator]);
        } else {
            self.role(&[Role::IncidentCommander]);
            self.reason(&event.rationale, "rationale");
        }
        let open = self
            .at(step)
            .and_then(|r| r.attempt())
            .is_some_and(|a| matches!(a.result, AttemptResult::Open | AttemptResult::Uncertain));
        if open {
            let what = "intent: an attempt has no result";
            let remedy = "record its result first; a person decides an uncertain one";
            self.no(RefusalKind::GuardUnmet, what, "34.1", remedy);
        }
        if event.goto == step.id {
            if !matches!(step.work, Work::Auto { .. }) {
                let what = format!("{} has no attempts to allow", step.id);
                self.no(RefusalKind::InvalidSchema, what, "34.1", "act at the step itself");
            }
        } else if advice && self.ahead(step, &event.goto) {
            // What the engine itself demands of gates and decisions does not depend on the run.
        } else if !self.reachable_without_consent(step, &event.goto) {
            let what =
                format!("{} lies behind a check, a wait, a decision or an approval", event.goto);
            let remedy = "pass these steps; a deviation skips only auto and manual steps";
            self.no(RefusalKind::NotAuthorized, what, "24.1, 29.1", remedy);
        }
    }

    /// Below its `severity_min` a runbook is advice: the run may go on at any later step. An
    /// unknown severity binds. Implements R-35.1-3.
    fn advice(&self) -> bool {
        let least = i64::try_from(self.runbook.severity_min().rank()).unwrap_or(0);
        matches!(self.facts.get("severity"), Some(FactValue::Int(now)) if *now < least)
    }

    fn ahead(&self, step: &Step, goto: &StepId) -> bool {
        let place = |id: &StepId| self.runbook.steps().iter().position(|s| s.id == *id);
        place(goto).is_some_and(|to| Some(to) > place(&step.id))
    }

    /// True when `goto` is reached from `step` over `auto` and `manual` steps alone.
    fn reachable_without_consent(&self, step: &Step, goto: &StepId) -> bool {
        let passable = |s: &Step| matches!(s.work, Work::Auto { .. } | Work::Manual { .. });
        // Edges lead forward only, so one pass in file order is enough.
        let mut reached = std::collections::BTreeSet::from([step.id.clone()]);
        for from in self.runbook.steps() {
            if !reached.contains(&from.id) || !passable(from) {
                continue;
            }
            for target in from.work.edges().into_iter().chain([&from.on_deadline]) {
                if let Target::Step(id) = target {
                    reached.insert(id.clone());
                }
            }
        }
        *goto != step.id && reached.contains(goto)
    }
}
