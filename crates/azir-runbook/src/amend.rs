//! What can be taken back, and who is to be called now.

use azir_ledger::Timestamp;

use crate::event::Outcome;
use crate::model::{EscalateOn, Escalation, Runbook, Step, StepId, Undo, Work};
use crate::state::{AttemptResult, RunState, StepRecord};
use crate::walk::{Status, walk};

/// Steps that did something and were not taken back, the newest first, each with how. Nothing is
/// ever taken back automatically: that could destroy evidence or give authority back.
#[must_use]
pub fn undo_stack<'a>(state: &RunState, runbook: &'a Runbook) -> Vec<(&'a Step, &'a str)> {
    let done = |step: &&'a Step| {
        let record = state.step(&step.id);
        record.is_some_and(|r| r.undone.is_none() && acted(step, r))
    };
    let with = |step: &'a Step| match &step.undo {
        Undo::Undo(text) => Some((step, text.as_str())),
        Undo::IrreversibleBecause(_) | Undo::NothingChanged => None,
    };
    walk(state, runbook).path.into_iter().rev().filter(done).filter_map(with).collect()
}

fn acted(step: &Step, record: &StepRecord) -> bool {
    match &step.work {
        Work::Auto { .. } => record.attempts.iter().any(|a| a.result == AttemptResult::Done),
        Work::Manual { .. } => {
            matches!(record.outcome, Some(Outcome::Done | Outcome::DoneWithDeviation))
        }
        Work::Decision { .. } | Work::Approval { .. } | Work::Check { .. } | Work::Wait { .. } => {
            false
        }
    }
}

/// Rungs of the ladder that are reached at `now` and were not recorded, with the step that waits.
/// Implements R-34.1-5.
#[must_use]
pub fn escalations<'a>(
    state: &RunState,
    runbook: &'a Runbook,
    now: Timestamp,
) -> Vec<(StepId, &'a Escalation)> {
    let walk = walk(state, runbook);
    let Some((step, record)) = walk.current.and_then(|s| Some((s, state.step(&s.id)?))) else {
        return Vec::new();
    };
    let since = |on: EscalateOn| match on {
        EscalateOn::Deadline => record.deadline_fired,
        EscalateOn::Hold => record.last_at.filter(|_| matches!(walk.status, Status::Held(_))),
        EscalateOn::Uncertain => {
            record.last_at.filter(|_| matches!(walk.status, Status::Uncertain { .. }))
        }
    };
    let reached = |rung: &&Escalation| {
        let after = i64::from(rung.after_s).saturating_mul(1000);
        !record.escalated.contains(&rung.id)
            && since(rung.on).is_some_and(|at| now.ms_since(at) >= after)
    };
    runbook.escalation().iter().filter(reached).map(|r| (step.id.clone(), r)).collect()
}
