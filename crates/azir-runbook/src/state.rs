//! The state of a run: a fold over its events and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{Digest, Timestamp};
use azir_model::Role;

use crate::event::{
    Deviation, EndOutcome, EvidenceMap, EvidenceState, Intended, Migrated, Outcome, Recorded,
    RunEvent, RunId, Settled, Started,
};
use crate::fact::{FactValue, Facts};
use crate::model::StepId;
use crate::op::Op;

/// The start of a run, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHead {
    /// Name of the run.
    pub id: RunId,
    /// What it runs.
    pub started: Started,
    /// When.
    pub at: Timestamp,
}

/// What is known about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// Intended, no result yet.
    Open,
    /// No result to be expected; a person must look.
    Uncertain,
    /// Succeeded.
    Done,
    /// Failed.
    Failed,
}

/// One attempt at an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Number, from 1.
    pub number: u32,
    /// The operation.
    pub op: Op,
    /// Hash of its arguments.
    pub args_hash: Digest,
    /// Who started it.
    pub actor: String,
    /// What is known.
    pub result: AttemptResult,
}

/// An answer or a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub actor: String,
    /// In which role.
    pub role: Role,
    /// The answer.
    pub answer: String,
    /// Why.
    pub rationale: String,
    /// The plan voted on, for approvals.
    pub plan: Option<Digest>,
}

/// Consent that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Hash of the plan.
    pub plan: Digest,
    /// Who asked; this person does not vote.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When the consent ends.
    pub expires: Timestamp,
    /// Votes given before it, which it voids.
    pub(crate) before: usize,
}

/// Everything that happened at one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepRecord {
    /// Attempts, for `auto` steps.
    pub attempts: Vec<Attempt>,
    /// Attempts allowed beyond the runbook's by deviations.
    pub extra_attempts: u32,
    /// Latest result of a step that is not `auto`.
    pub outcome: Option<Outcome>,
    /// Answers and votes in order.
    pub votes: Vec<Vote>,
    /// The newest request, for approvals.
    pub request: Option<Request>,
    /// When a person took the step back.
    pub undone: Option<Timestamp>,
    /// Rungs of the ladder that were reached.
    pub escalated: BTreeSet<String>,
    /// When the deadline fired.
    pub deadline_fired: Option<Timestamp>,
    /// Where a deviation led.
    pub left_for: Option<StepId>,
    /// Time of the latest event at this step.
    pub last_at: Option<Timestamp>,
}

impl StepRecord {
    /// The attempt that counts: the latest.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The latest vote of each person on the plan that is asked for now.
    #[must_use]
    pub fn standing_votes(&self) -> BTreeMap<&str, &Vote> {
        let Some(request) = &self.request else { return BTreeMap::new() };
        let votes = self.votes.iter().skip(request.before);
        let votes = votes.filter(|v| v.plan == Some(request.plan));
        votes.map(|v| (v.actor.as_str(), v)).collect()
    }

    fn number(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|a| a.number == number)
    }
}

/// State of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunState {
    pub(crate) head: Option<RunHead>,
    pub(crate) steps: BTreeMap<StepId, StepRecord>,
    pub(crate) evidence: EvidenceMap,
    pub(crate) deviations: Vec<Deviation>,
    pub(crate) settled: BTreeMap<usize, Settled>,
    pub(crate) ended: Option<EndOutcome>,
}

impl RunState {
    /// The state after `events`.
    pub fn fold<'e>(events: impl IntoIterator<Item = &'e Recorded>) -> Self {
        let mut state = Self::default();
        events.into_iter().for_each(|event| apply(&mut state, event));
        state
    }

    /// The start, once there is one.
    #[must_use]
    pub fn head(&self) -> Option<&RunHead> {
        self.head.as_ref()
    }

    /// What happened at a step.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&StepRecord> {
        self.steps.get(id)
    }

    /// Evidence recorded so far, by checklist item.
    #[must_use]
    pub fn evidence(&self) -> &EvidenceMap {
        &self.evidence
    }

    /// Deviations in order. They stay open until a new version takes them up or a person
    /// dismisses them with reason.
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.deviations
    }

    /// Deviations that no version took up and nobody dismissed, with their numbers.
    #[must_use]
    pub fn open_deviations(&self) -> Vec<(usize, &Deviation)> {
        let all = self.deviations.iter().enumerate();
        all.filter(|(n, _)| !self.settled.contains_key(n)).collect()
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<EndOutcome> {
        self.ended
    }

    /// Steps with an intent and no result, with the attempt. After a restart, each of them is to
    /// be recorded as uncertain: whether the effect took place is not known.
    #[must_use]
    pub fn intents_without_result(&self) -> Vec<(StepId, u32)> {
        let open = |(id, record): (&StepId, &StepRecord)| {
            let attempt = record.attempt().filter(|a| a.result == AttemptResult::Open)?;
            Some((id.clone(), attempt.number))
        };
        self.steps.iter().filter_map(open).collect()
    }

    /// `given` and the facts about this run: `answer.<step>` and `outcome.<step>`.
    #[must_use]
    pub fn facts(&self, given: &Facts) -> Facts {
        let mut facts = given.clone();
        for (id, record) in &self.steps {
            if let Some(vote) = record.votes.last() {
                facts.insert(format!("answer.{id}"), FactValue::Text(vote.answer.clone()));
            }
            let attempt = record.attempt().and_then(|a| match a.result {
                AttemptResult::Done => Some(Outcome::Done),
                AttemptResult::Failed => Some(Outcome::Failed),
                AttemptResult::Open | AttemptResult::Uncertain => None,
            });
            if let Some(outcome) = record.outcome.or(attempt) {
                facts.insert(format!("outcome.{id}"), FactValue::Text(outcome.to_string()));
            }
        }
        facts
    }

    fn intended(&mut self, event: &Intended, by: &Recorded) {
        let attempt = Attempt {
            number: event.attempt,
            op: event.op,
            args_hash: event.args_hash,
            actor: by.actor.clone(),
            result: AttemptResult::Open,
        };
        self.at(&event.step, by.at).attempts.push(attempt);
    }

    /// Contents add up; what was present stays present.
    fn add_evidence(&mut self, given: &EvidenceMap) {
        for (id, item) in given {
            match (self.evidence.get_mut(id), item) {
                (
                    Some(EvidenceState::Present { hashes }),
                    EvidenceState::Present { hashes: more },
                ) => hashes.extend(more),
                (
                    Some(EvidenceState::Present { .. }),
                    EvidenceState::NotApplicable { .. } | EvidenceState::Waived { .. },
                ) => {}
                (
                    Some(EvidenceState::NotApplicable { .. } | EvidenceState::Waived { .. }) | None,
                    item,
                ) => {
                    self.evidence.insert(id.clone(), item.clone());
                }
            }
        }
    }

    /// What happened stays what happened; steps carry the names of the new version.
    fn migrate(&mut self, event: &Migrated) {
        let steps = std::mem::take(&mut self.steps);
        let renamed = |(id, record)| (event.map.get(&id).cloned().unwrap_or(id), record);
        self.steps = steps.into_iter().map(renamed).collect();
        if let Some(head) = &mut self.head {
            head.started.runbook_hash = event.to;
            head.started.version = event.version;
        }
    }

    /// A run begins: the first, or the next after one that ended. Evidence and deviations of the
    /// incident's earlier runs stay on record.
    fn start(&mut self, started: &Started, at: Timestamp) {
        let over = self.head.is_none() || self.ended.is_some();
        if let (true, Ok(id)) = (over, started.run_id()) {
            self.head = Some(RunHead { id, started: started.clone(), at });
            self.steps.clear();
            self.ended = None;
        }
    }

    fn at(&mut self, step: &StepId, at: Timestamp) -> &mut StepRecord {
        let record = self.steps.entry(step.clone()).or_default();
        record.last_at = Some(at);
        record
    }
}

/// Adds one event. Total: an event that [`crate::admit`] would refuse is the caller's fault, and
/// still never panics.
pub fn apply(state: &mut RunState, record: &Recorded) {
    match &record.event {
        RunEvent::Started(started) => state.start(started, record.at),
        RunEvent::Intended(event) => state.intended(event, record),
        RunEvent::Finished(event) => {
            let step = state.at(&event.step, record.at);
            match event.attempt.and_then(|n| step.number(n)) {
                Some(attempt) if event.outcome == Outcome::Done => {
                    attempt.result = AttemptResult::Done;
                }
                Some(attempt) => attempt.result = AttemptResult::Failed,
                None => step.outcome = Some(event.outcome),
            }
            state.add_evidence(&event.evidence);
        }
        RunEvent::Uncertain(event) => {
            if let Some(attempt) = state.at(&event.step, record.at).number(event.attempt) {
                attempt.result = AttemptResult::Uncertain;
            }
        }
        RunEvent::Decided(event) => {
            state.at(&event.step, record.at).votes.push(Vote {
                actor: record.actor.clone(),
                role: record.role,
                answer: event.answer.clone(),
                rationale: event.rationale.clone(),
                plan: event.plan,
            });
            state.add_evidence(&event.evidence);
        }
        RunEvent::DeadlineFired(event) => {
            let step = state.at(&event.step, record.at);
            step.deadline_fired.get_or_insert(record.at);
            if let Some(attempt) = step.attempts.last_mut()
                && attempt.result == AttemptResult::Open
            {
                attempt.result = AttemptResult::Uncertain;
            }
        }
        RunEvent::Deviation(event) => {
            let step = state.at(&event.step, record.at);
            if event.goto == event.step {
                step.extra_attempts = step.extra_attempts.saturating_add(1);
            } else {
                step.left_for = Some(event.goto.clone());
            }
            state.deviations.push(event.clone());
        }
        RunEvent::Requested(event) => {
            let (plan, by, expires) = (event.plan, record.actor.clone(), event.expires);
            let step = state.at(&event.step, record.at);
            let (at, before) = (record.at, step.votes.len());
            step.request = Some(Request { plan, by, at, expires, before });
            // The step is open again, from now on.
            step.deadline_fired = None;
        }
        RunEvent::Undone(event) => {
            // Its time is not that of the step: nothing waits for it.
            state.steps.entry(event.step.clone()).or_default().undone = Some(record.at);
        }
        RunEvent::Escalated(event) => {
            let step = state.steps.entry(event.step.clone()).or_default();
            step.escalated.insert(event.rung.clone());
        }
        RunEvent::Settled(event) => {
            let number = usize::try_from(event.deviation).unwrap_or(usize::MAX);
            state.settled.insert(number, event.clone());
        }
        RunEvent::Migrated(event) => state.migrate(event),
        RunEvent::Ended(event) => state.ended = Some(event.outcome),
    }
}
