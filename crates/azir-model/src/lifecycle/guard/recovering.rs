//! Atoms of recovery.

use super::{Guard, Met, given, need, need_kind, nothing_missing};
use crate::lifecycle::facts::{Facts, RecoveryState};
use crate::lifecycle::is_small;
use crate::refusal::RefusalKind;
use crate::vocab::Severity;

/// `truth`. Implements R-9.1-8.
///
/// # Errors
/// `guard_unmet`.
pub fn truth(facts: &Facts) -> Met {
    let remedy = "compute the trusted checkpoint for this dispute and record it";
    need(facts.checkpoint.is_some(), Guard::Truth, || "no trusted checkpoint".into(), remedy)
}

/// `plan`: four parts, prepared and approved by different people. Implements R-26.2-1, R-26.2-3,
/// R-26.2-4, R-5.1-6, R-9.1-9.
///
/// # Errors
/// `guard_unmet: plan` with the missing parts; `role_conflict` when the author approved.
pub fn plan(facts: &Facts) -> Met {
    let Some(plan) = &facts.plan else {
        return need(false, Guard::Plan, || "no plan".into(), "prepare a plan");
    };
    let mut missing: Vec<_> = plan.missing_parts.iter().map(|p| format!("plan.{p}")).collect();
    if plan.approved_by.is_none() {
        missing.push("approval by the Incident Commander".into());
    }
    nothing_missing(&missing, Guard::Plan, "complete the plan and have it approved")?;
    need_kind(
        is_small(facts) || plan.approved_by.as_ref() != Some(&plan.prepared_by),
        RefusalKind::RoleConflict,
        Guard::Plan,
        || format!("{} prepared and approved it", plan.prepared_by),
        "let another person prepare or approve",
    )
}

/// The plan's entry condition. Implements R-26.2-2.
///
/// # Errors
/// `guard_unmet: entry`.
pub fn entry(facts: &Facts) -> Met {
    let holds = facts.plan.as_ref().is_none_or(|plan| plan.entry_holds);
    let what = || "the entry condition is not true now".into();
    need(holds, Guard::Entry, what, "make the entry condition true, or plan anew")
}

/// Evidence for every store that the plan destroys.
///
/// # Errors
/// `destructive_before_preserve` naming the items.
pub fn store_evidence(facts: &Facts) -> Met {
    let missing = &facts.store_evidence_missing;
    need_kind(
        missing.is_empty(),
        RefusalKind::DestructiveBeforePreserve,
        Guard::StoreEvidence,
        || format!("missing {}", missing.join(", ")),
        "preserve the stores first, or have two people waive them (D-041 O1)",
    )
}

/// `recstate`. Implements R-5.2-3.
///
/// # Errors
/// `guard_unmet`.
pub fn recovery_state(facts: &Facts) -> Met {
    let (met, why) = match &facts.recovery {
        RecoveryState::Unrecorded => (false, "not recorded"),
        RecoveryState::Done { .. } => (true, ""),
        RecoveryState::NoneRequired { reason, proof } => {
            let proven = proof.is_some() || facts.peak < Severity::Sev4Critical;
            (proven && given(Some(reason)), "none required, without reason or report")
        }
    };
    let remedy = "record done with its report, or none required with reason and report";
    need(met, Guard::RecoveryState, || why.into(), remedy)
}

/// Recovery state `done` (T-15).
///
/// # Errors
/// `guard_unmet`.
pub fn recovery_done(facts: &Facts) -> Met {
    let done = matches!(facts.recovery, RecoveryState::Done { .. });
    let what = || "recovery is not recorded as done".into();
    need(done, Guard::RecoveryDone, what, "record the recovery report")
}

/// Recovery state `none_required` (T-12), with what [`recovery_state`] asks of it.
///
/// # Errors
/// `guard_unmet`.
pub fn nothing_to_recover(facts: &Facts) -> Met {
    let none = matches!(facts.recovery, RecoveryState::NoneRequired { .. });
    let what = || "it is not recorded that nothing has to be recovered".into();
    need(none, Guard::NothingToRecover, what, "record none required, or plan a recovery")?;
    recovery_state(facts)
}

/// `exit`. Implements R-5.1-7, R-9.1-10, R-26.2-3.
///
/// # Errors
/// `guard_unmet` naming outputs, criteria and phases.
pub fn exit(facts: &Facts) -> Met {
    nothing_missing(&facts.exit_missing, Guard::Exit, "produce them, or give them up by decision")
}
