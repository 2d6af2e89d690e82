//! Where a run stands: the path from the first step along the edges that the events chose.

use std::collections::BTreeSet;

use azir_ledger::Timestamp;

use crate::event::Outcome;
use crate::model::{Runbook, Step, StepId, Target, Work};
use crate::state::{AttemptResult, RunState, StepRecord};

/// What the current step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No run.
    NotStarted,
    /// Somebody in the step's roles acts.
    Ready,
    /// The result of this attempt.
    InFlight {
        /// Number of the attempt.
        attempt: u32,
    },
    /// A person who finds out what became of this attempt.
    Uncertain {
        /// Number of the attempt.
        attempt: u32,
    },
    /// A person, because the way on is barred. Restrictions stay in force.
    Held(Hold),
    /// Every step is walked; exit criteria and the end are open.
    Walked,
    /// The run has ended.
    Ended,
}

/// Why a step is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The deadline passed.
    Deadline,
    /// The operation failed, or the person could not do it, or the condition is not true.
    Failed,
    /// Somebody rejected.
    Rejected,
    /// The answer leads to no step.
    Answer,
}

/// What the events at a step mean for the path.
enum Leave<'a> {
    Stay(Status),
    Go(&'a Target),
}

pub(crate) struct Walk<'a> {
    pub(crate) path: Vec<&'a Step>,
    /// The current step is the last of the path; `None` when not started, walked or ended.
    pub(crate) current: Option<&'a Step>,
    pub(crate) status: Status,
    pub(crate) entered: Option<Timestamp>,
}

pub(crate) fn walk<'a>(state: &RunState, runbook: &'a Runbook) -> Walk<'a> {
    let mut walk = Walk { path: vec![], current: None, status: Status::NotStarted, entered: None };
    let Some(head) = &state.head else { return walk };
    let (mut at, mut entered) = (runbook.steps().first(), head.at);
    walk.status = if state.ended.is_some() { Status::Ended } else { Status::Walked };
    // Loaded runbooks have forward edges only; the bound keeps this total for any other.
    while let (Some(step), true) = (at, walk.path.len() < runbook.steps().len()) {
        walk.path.push(step);
        let record = state.step(&step.id);
        // The time for an approval runs from the newest request.
        let asked = record.and_then(|r| r.request.as_ref()).map(|r| r.at);
        entered = asked.map_or(entered, |at| at.max(entered));
        at = match leave(step, record) {
            Leave::Stay(_) if state.ended.is_some() => return walk,
            Leave::Stay(status) => {
                return Walk { current: Some(step), status, entered: Some(entered), ..walk };
            }
            Leave::Go(Target::Step(id)) => runbook.step(id),
            Leave::Go(Target::End | Target::Hold) => None,
        };
        if let Some(left) = record.and_then(|r| r.left_for.as_ref()) {
            at = runbook.step(left);
        }
        entered = record.and_then(|r| r.last_at).unwrap_or(entered);
    }
    walk
}

fn leave<'a>(step: &'a Step, record: Option<&StepRecord>) -> Leave<'a> {
    let Some(record) = record else { return Leave::Stay(Status::Ready) };
    if record.left_for.is_some() {
        // Where to is read by the caller; the target here only says that the step is left.
        return Leave::Go(&Target::End);
    }
    let chosen = match &step.work {
        Work::Auto { attempts_max, next, on_fail, .. } => {
            let allowed = attempts_max.saturating_add(record.extra_attempts);
            auto(step, record, allowed, next, on_fail)
        }
        Work::Manual { next, on_fail, .. } => match record.outcome {
            Some(Outcome::Done | Outcome::DoneWithDeviation | Outcome::NotApplicable) => {
                edge(next, Hold::Failed)
            }
            Some(Outcome::CouldNot | Outcome::Failed | Outcome::Unknown) => {
                edge(on_fail, Hold::Failed)
            }
            None => Leave::Stay(Status::Ready),
        },
        Work::Decision { answers, .. } => {
            let answer = record.votes.last().map(|v| v.answer.as_str());
            let answer = answers.iter().find(|a| Some(a.id.as_str()) == answer);
            answer.map_or(Leave::Stay(Status::Ready), |a| edge(&a.goto, Hold::Answer))
        }
        Work::Approval { quorum, next, on_reject } => {
            let votes = record.standing_votes();
            // One standing vote per person, so different roles are also different people.
            let approve = votes.values().filter(|v| v.answer == APPROVE).map(|v| v.role);
            let approve = approve.collect::<BTreeSet<_>>().len();
            if votes.values().any(|v| v.answer == REJECT) {
                edge(on_reject, Hold::Rejected)
            } else if u32::try_from(approve).is_ok_and(|n| n >= *quorum) {
                edge(next, Hold::Failed)
            } else {
                Leave::Stay(Status::Ready)
            }
        }
        Work::Check { next, on_fail, on_unknown, .. } => match record.outcome {
            Some(Outcome::Done) => edge(next, Hold::Failed),
            Some(Outcome::Unknown) => edge(on_unknown, Hold::Failed),
            Some(_) => edge(on_fail, Hold::Failed),
            None => Leave::Stay(Status::Ready),
        },
        Work::Wait { next, .. } => match record.outcome {
            Some(Outcome::Done) => edge(next, Hold::Failed),
            Some(_) | None => Leave::Stay(Status::Ready),
        },
    };
    match chosen {
        // An uncertain attempt waits for a person, whatever the clock says.
        Leave::Stay(Status::Ready | Status::Held(_)) if record.deadline_fired.is_some() => {
            edge(&step.on_deadline, Hold::Deadline)
        }
        chosen => chosen,
    }
}

fn auto<'a>(
    step: &'a Step,
    record: &StepRecord,
    allowed: u32,
    next: &'a Target,
    on_fail: &'a Target,
) -> Leave<'a> {
    let Some(attempt) = record.attempt() else { return Leave::Stay(Status::Ready) };
    let number = attempt.number;
    match attempt.result {
        AttemptResult::Open => Leave::Stay(Status::InFlight { attempt: number }),
        // Looking and keeping may be repeated: the run goes on, a later step does it again.
        AttemptResult::Uncertain if step.effect.harmless() && record.deadline_fired.is_some() => {
            edge(&step.on_deadline, Hold::Deadline)
        }
        AttemptResult::Uncertain => Leave::Stay(Status::Uncertain { attempt: number }),
        AttemptResult::Done => edge(next, Hold::Failed),
        AttemptResult::Failed if number < allowed => Leave::Stay(Status::Ready),
        AttemptResult::Failed => edge(on_fail, Hold::Failed),
    }
}

fn edge(target: &Target, hold: Hold) -> Leave<'_> {
    match target {
        Target::Hold => Leave::Stay(Status::Held(hold)),
        Target::Step(_) | Target::End => Leave::Go(target),
    }
}

/// The answer that consents to an approval.
pub const APPROVE: &str = "approve";
/// The answer that rejects an approval; it counts until the same person approves.
pub const REJECT: &str = "reject";

/// The step at which the run stands; `None` before the start, after the last step, and at the end.
#[must_use]
pub fn current<'a>(state: &RunState, runbook: &'a Runbook) -> Option<&'a Step> {
    walk(state, runbook).current
}

/// What the run waits for.
#[must_use]
pub fn status(state: &RunState, runbook: &Runbook) -> Status {
    walk(state, runbook).status
}

/// The steps walked so far, the current one last.
#[must_use]
pub fn path(state: &RunState, runbook: &Runbook) -> Vec<StepId> {
    walk(state, runbook).path.into_iter().map(|s| s.id.clone()).collect()
}

/// When the run came to its current step.
#[must_use]
pub fn entered(state: &RunState, runbook: &Runbook) -> Option<Timestamp> {
    walk(state, runbook).entered
}

/// When the deadline of the current step passes; `None` once it has fired.
#[must_use]
pub fn deadline(state: &RunState, runbook: &Runbook) -> Option<Timestamp> {
    let walk = walk(state, runbook);
    let step = walk.current?;
    if state.step(&step.id).is_some_and(|r| r.deadline_fired.is_some()) {
        return None;
    }
    walk.entered.map(|at| at.plus_ms(i64::from(step.deadline_s).saturating_mul(1000)))
}
