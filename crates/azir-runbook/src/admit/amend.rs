//! Taking back, calling people, settling deviations, and going over to another version.

use std::collections::BTreeSet;

use azir_model::{RefusalKind, Role};

use super::Gate;
use crate::amend::{escalations, undo_stack};
use crate::event::{Escalated, Migrated, Settled, Undone};
use crate::model::StepId;
use crate::state::{AttemptResult, StepRecord};

impl Gate<'_> {
    pub(super) fn undone(&mut self, event: &Undone) {
        self.reason(&event.note, "note");
        let stack = undo_stack(self.state, self.runbook);
        let Some((step, _)) = stack.first() else {
            let what = "nothing of this run can be taken back";
            return self.no(RefusalKind::IllegalTransition, what, "34.1", "nothing to do");
        };
        if step.id != event.step {
            let what = format!("{} is not the newest step that can be taken back", event.step);
            let remedy = format!("take back {} first", step.id);
            return self.no(RefusalKind::IllegalTransition, what, "34.1", remedy);
        }
        let mut roles = step.roles.clone();
        roles.extend([Role::IncidentCommander, Role::RecoveryOperator]);
        roles.retain(|role| *role != Role::Automatic);
        self.role(&roles);
    }

    pub(super) fn escalated(&mut self, event: &Escalated) {
        self.role(&[Role::Automatic]);
        let due = escalations(self.state, self.runbook, self.record.at);
        let fits = |(step, rung): &(StepId, &crate::model::Escalation)| {
            *step == event.step && rung.id == event.rung && rung.role == event.role
        };
        if !due.iter().any(fits) {
            let what = format!("rung {:?} is not due at {}", event.rung, event.step);
            let remedy = "each rung is reached once, at its time";
            self.no(RefusalKind::IllegalTransition, what, "34.1, D-045", remedy);
        }
    }

    pub(super) fn settled(&mut self, event: &Settled) {
        self.role(&[Role::IncidentCommander, self.runbook.owner()]);
        self.reason(&event.rationale, "rationale");
        let number = usize::try_from(event.deviation).unwrap_or(usize::MAX);
        if !self.state.open_deviations().iter().any(|(n, _)| *n == number) {
            let what = format!("deviation {number} is not open");
            let remedy = "name a deviation of this run that is neither merged nor dismissed";
            self.no(RefusalKind::IdMismatch, what, "35.2, D-117", remedy);
        }
    }

    /// The run is bound to another version, and nothing is under way. Second signatures and the
    /// release of that version are for the caller to check.
    pub(super) fn migrated(&mut self, event: &Migrated) {
        self.role(&[Role::IncidentCommander]);
        self.reason(&event.rationale, "rationale");
        let (state, runbook) = (self.state, self.runbook);
        let Some(head) = state.head().filter(|_| state.ended().is_none()) else {
            let what = "no run is open";
            return self.no(RefusalKind::IllegalTransition, what, "34.1", "start a run");
        };
        let named = event.run == head.id && event.from == head.started.runbook_hash;
        let loaded = event.to == runbook.hash() && event.version == runbook.version();
        if !named || !loaded || event.from == event.to {
            let what = "run, old version or new version is not what stands here";
            let remedy = "name the open run, the version it is bound to, and the one bound since";
            self.no(RefusalKind::VersionConflict, what, "35.2, D-117", remedy);
        }
        let moving = |(_, record): &(&StepId, &StepRecord)| {
            let result = record.attempt().map(|a| a.result);
            matches!(result, Some(AttemptResult::Open | AttemptResult::Uncertain))
        };
        if let Some((id, _)) = state.steps.iter().find(moving) {
            let what = format!("an attempt at {id} has no result");
            let remedy = "record its result first; a run changes version between quiet steps";
            self.no(RefusalKind::GuardUnmet, what, "35.2, D-117", remedy);
        }
        let targets: Vec<&StepId> =
            state.steps.keys().map(|id| event.map.get(id).unwrap_or(id)).collect();
        let lost: Vec<_> = targets.iter().filter(|id| runbook.step(id).is_none()).collect();
        let twice = targets.iter().collect::<BTreeSet<_>>().len() != targets.len();
        let idle = event.map.keys().any(|id| !state.steps.contains_key(id));
        if !lost.is_empty() || twice || idle {
            let names: Vec<_> = lost.iter().map(|id| id.as_str()).collect();
            let what = format!("the map leaves {:?} without a step there", names.join(" "));
            let remedy = "map every step with a record to one step of the new version";
            self.no(RefusalKind::InvalidSchema, what, "35.2, D-117", remedy);
        }
    }
}
