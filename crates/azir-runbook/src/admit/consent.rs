//! Consent: asked for by one person, given by others, for one plan, for a time.

use azir_model::{RefusalKind, Role};

use super::Gate;
use crate::consent::{VALID_MS, approved, plan_hash, void};
use crate::event::{Decided, Requested};
use crate::model::{Step, Target, Work};
use crate::state::StepRecord;
use crate::walk::{APPROVE, REJECT};

impl<'a> Gate<'a> {
    /// The approval that leads to the current step, where its consent counts no more: it may be
    /// asked for again.
    pub(super) fn renewable(&self, current: &Step) -> Option<&'a Step> {
        let leads = |s: &&&Step| matches!(&s.work, Work::Approval { next: Target::Step(n), .. } if *n == current.id);
        let approval = self.walk.path.iter().rev().find(leads).copied()?;
        void(self.state, self.runbook, approval, self.record.at).map(|_| approval)
    }

    /// Whoever approved, or asked for approval of, what is carried out. Implements R-24.2-2.
    pub(super) fn consented(&mut self, step: &Step) {
        let leads = |s: &&&Step| matches!(&s.work, Work::Approval { next: Target::Step(n), .. } if *n == step.id);
        let approvals: Vec<&Step> = self.walk.path.iter().filter(leads).copied().collect();
        for approval in approvals {
            if let Some(why) = void(self.state, self.runbook, approval, self.record.at) {
                let what = format!("the consent of {} does not count: {why}", approval.id);
                let remedy = format!("ask for it again (step.requested at {})", approval.id);
                self.no(RefusalKind::ApprovalRequired, what, "6.2, 24.2, D-104", remedy);
            }
        }
    }

    pub(super) fn requested(&mut self, step: &Step, event: &Requested) {
        let Some(next) = approved(self.runbook, step) else {
            let what = format!("{} is a step of kind {}", step.id, step.work.kind());
            let remedy = "consent is asked for at an approval";
            return self.no(RefusalKind::InvalidSchema, what, "35.1", remedy);
        };
        let mut roles: Vec<Role> = step.roles.iter().chain(&next.roles).copied().collect();
        roles.retain(|role| *role != Role::Automatic);
        self.role(&roles);
        self.guard(step);
        if plan_hash(self.state, self.runbook, step) != Some(event.plan) {
            let what = format!("{} is not the plan as it stands", event.plan);
            let remedy = "hash the plan again: run, runbook, step, operation, evidence";
            self.no(RefusalKind::HashMismatch, what, "24.2, 35.1", remedy);
        }
        let left = event.expires.ms_since(self.record.at);
        if left <= 0 || left > VALID_MS {
            let what = format!("expires {}, {left} ms from now", event.expires);
            let remedy = "let it end within 60 minutes";
            self.no(RefusalKind::ExpiryRequired, what, "24.2, D-104", remedy);
        }
    }

    /// A vote on the plan that is asked for.
    pub(super) fn vote(&mut self, step: &Step, event: &Decided) {
        if ![APPROVE, REJECT].contains(&event.answer.as_str()) {
            self.answer(event, vec![APPROVE, REJECT]);
        }
        if !event.evidence.is_empty() {
            let remedy = "record evidence before consent is asked for; it is part of the plan";
            let what = "a vote brings no evidence";
            self.no(RefusalKind::InvalidSchema, what, "24.2, 35.1", remedy);
        }
        let record = self.at(step);
        let Some(request) = record.and_then(|r| r.request.as_ref()) else {
            let remedy = "let one person ask (step.requested); others then vote";
            let what = format!("nobody asked for consent at {}", step.id);
            return self.no(RefusalKind::ApprovalRequired, what, "24.2", remedy);
        };
        let stands = plan_hash(self.state, self.runbook, step) == Some(request.plan);
        if event.plan != Some(request.plan) || !stands {
            let what = match event.plan {
                Some(plan) => format!("{plan} is not the plan that is asked for and stands"),
                None => "no plan is named".to_owned(),
            };
            let remedy = format!("vote on {}, or let somebody ask again", request.plan);
            self.no(RefusalKind::HashMismatch, what, "24.2, 35.1", remedy);
        }
        if self.record.at >= request.expires {
            let what = format!("the request ended {}", request.expires);
            self.no(RefusalKind::ApprovalRequired, what, "24.2, D-104", "let somebody ask again");
        }
        if request.by == self.record.actor && event.answer == APPROVE {
            let what = format!("{} asked for this consent", self.record.actor);
            let remedy = "another person consents";
            self.no(RefusalKind::RoleConflict, what, "6.2, D-048", remedy);
        }
        if event.answer == APPROVE {
            self.second_opinion(step);
        }
        let votes = record.map(StepRecord::standing_votes).unwrap_or_default();
        let before = votes.get(self.record.actor.as_str());
        if before.is_some_and(|v| v.answer == event.answer) {
            let what = format!("{} has said so already", self.record.actor);
            let remedy = "another person in another role approves";
            self.no(RefusalKind::SecondPersonRequired, what, "6.2, annex C", remedy);
        }
    }

    /// A finding that is confirmed by one consent is confirmed by somebody else than its author.
    /// Implements R-20.2-9.
    fn second_opinion(&mut self, step: &Step) {
        let Work::Approval { quorum: 1, .. } = &step.work else { return };
        let at = self.walk.path.iter().position(|s| s.id == step.id);
        let Some(before) = at.and_then(|at| self.walk.path.get(at.checked_sub(1)?)) else { return };
        let Work::Decision { .. } = &before.work else { return };
        let Some(found) = self.at(before).and_then(|r| r.votes.last()) else { return };
        if found.actor == self.record.actor && self.runbook.proof_of(&found.answer).is_some() {
            let what = format!("{} made the finding that is confirmed here", self.record.actor);
            let remedy = "let another person read the objects and the written reason";
            self.no(RefusalKind::SecondPersonRequired, what, "6.2, 20.2, D-034", remedy);
        }
    }
}
