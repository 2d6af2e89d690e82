//! Consent to a plan: what an approval is bound to, and whether it still counts.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{Digest, Timestamp};
use serde::Serialize;

use crate::event::{EvidenceMap, RunId};
use crate::fact::FactValue;
use crate::hash::RunbookHash;
use crate::model::{Runbook, Step, StepId, Target, Work};
use crate::op::Op;
use crate::state::RunState;
use crate::walk::{APPROVE, REJECT};

/// Longest validity of a request, as that of a restart decision (D-104), in milliseconds.
pub const VALID_MS: i64 = 60 * 60 * 1000;

/// Everything that people consent to. Any change of it is another plan.
#[derive(Serialize)]
struct Plan<'a> {
    run: RunId,
    mode: &'a str,
    runbook_hash: RunbookHash,
    step: &'a StepId,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<Op>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a BTreeMap<String, FactValue>>,
    evidence: &'a EvidenceMap,
}

/// The step that an approval is about; none for any other step.
#[must_use]
pub fn approved<'a>(runbook: &'a Runbook, approval: &Step) -> Option<&'a Step> {
    match &approval.work {
        Work::Approval { next: Target::Step(next), .. } => runbook.step(next),
        Work::Approval { next: Target::Hold | Target::End, .. }
        | Work::Auto { .. }
        | Work::Manual { .. }
        | Work::Decision { .. }
        | Work::Check { .. }
        | Work::Wait { .. } => None,
    }
}

/// `H("AZ:PLAN:" || JCS(plan))` of what this approval is about, with the evidence as it stands:
/// run, mode, runbook, step, operation, arguments. None before the start and for other steps.
#[must_use]
pub fn plan_hash(state: &RunState, runbook: &Runbook, approval: &Step) -> Option<Digest> {
    let head = state.head()?;
    let step = approved(runbook, approval)?;
    let (op, args) = match &step.work {
        Work::Auto { op, args, .. } => (Some(*op), Some(args)),
        Work::Manual { .. }
        | Work::Decision { .. }
        | Work::Approval { .. }
        | Work::Check { .. }
        | Work::Wait { .. } => (None, None),
    };
    let plan = Plan {
        run: head.id,
        mode: &head.started.mode,
        runbook_hash: head.started.runbook_hash,
        step: &step.id,
        op,
        args,
        evidence: &state.evidence,
    };
    Digest::of_canonical("AZ:PLAN:", &plan).ok()
}

/// `H("AZ:ARGS:" || JCS(args))`: what an intent names.
#[must_use]
pub fn args_hash(args: &BTreeMap<String, FactValue>) -> Digest {
    // Texts, whole numbers and truth values have a canonical form.
    Digest::of_canonical("AZ:ARGS:", args).unwrap_or(Digest([0; 32]))
}

/// Why the consent of this approval does not carry an act at `now`; none when it does.
#[must_use]
pub fn void(
    state: &RunState,
    runbook: &Runbook,
    approval: &Step,
    now: Timestamp,
) -> Option<String> {
    let Work::Approval { quorum, .. } = &approval.work else { return None };
    let record = state.step(&approval.id);
    let Some(request) = record.and_then(|r| r.request.as_ref()) else {
        return Some("nobody asked for it".to_owned());
    };
    if now >= request.expires {
        return Some(format!("it ended {}", request.expires));
    }
    if plan_hash(state, runbook, approval) != Some(request.plan) {
        return Some("what was consented to has changed since".to_owned());
    }
    let votes = record.map(|r| r.standing_votes()).unwrap_or_default();
    if votes.values().any(|v| v.answer == REJECT) {
        return Some("somebody rejects".to_owned());
    }
    let roles: BTreeSet<_> =
        votes.values().filter(|v| v.answer == APPROVE).map(|v| v.role).collect();
    let enough = u32::try_from(roles.len()).is_ok_and(|n| n >= *quorum);
    (!enough).then(|| format!("{} of {quorum} consent", roles.len()))
}
