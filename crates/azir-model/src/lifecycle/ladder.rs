//! The response ladder (9.1, D-039): eleven steps, and what happens when one is passed by.

use std::collections::BTreeSet;

use crate::refusal::{RefusalKind, Unmet};
use crate::vocab::IncidentState;

wire_enum! {
    /// Steps of 9.1, in order.
    pub enum Step {
        /// Step 1: the opening record.
        Detect = "detect",
        /// Step 2: class and severity declared.
        Classify = "classify",
        /// Step 3: pins made, collection started.
        Preserve = "preserve",
        /// Step 4: scopes and blast radius recorded.
        Scope = "scope",
        /// Step 5: decision function run, profile declared.
        Choose = "choose",
        /// Step 6: measures applied, or observe only with reason.
        Apply = "apply",
        /// Step 7: trusted checkpoint computed and pinned.
        ValidateTruth = "validate_truth",
        /// Step 8: plan approved.
        PrepareRecovery = "prepare_recovery",
        /// Step 9: outputs produced and checked.
        Recover = "recover",
        /// Step 10: watched for the window.
        Monitor = "monitor",
        /// Step 11: postmortem and fixes published.
        Publish = "publish",
    }
}

impl Step {
    /// 1 to 11.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The states in which the step is normally completed (D-039).
    #[must_use]
    pub const fn states(self) -> &'static [IncidentState] {
        use IncidentState as S;
        match self {
            Self::Detect => &[S::Detected],
            Self::Classify => &[S::Triaged],
            Self::Preserve | Self::Scope => &[S::Triaged, S::Confirmed],
            Self::Choose => &[S::Confirmed],
            Self::Apply => &[S::Containing],
            Self::ValidateTruth | Self::PrepareRecovery => &[S::Stabilized],
            Self::Recover => &[S::Recovering],
            Self::Monitor => &[S::Monitoring],
            Self::Publish => &[S::Closed, S::PostmortemPending, S::PostmortemPublished],
        }
    }
}

/// A step completed before an earlier one; recorded as `ladder_deviation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The completed step.
    pub step: Step,
    /// Earlier steps that are not completed.
    pub passed_by: Vec<Step>,
    /// Why.
    pub reason: String,
}

/// Judges the completion of a step after `done`: in order, or a deviation with its reason.
///
/// Implements R-9.1-1.
///
/// # Errors
/// `reason_required` naming the steps that would be passed by, when no reason is given.
pub fn complete(
    step: Step,
    done: &BTreeSet<Step>,
    reason: Option<&str>,
) -> Result<Option<Deviation>, Unmet> {
    let earlier = Step::ALL.iter().copied().filter(|s| *s < step);
    let passed_by: Vec<_> = earlier.filter(|s| !done.contains(s)).collect();
    if passed_by.is_empty() {
        return Ok(None);
    }
    match reason.map(str::trim).filter(|text| !text.is_empty()) {
        Some(reason) => Ok(Some(Deviation { step, passed_by, reason: reason.to_owned() })),
        None => {
            let names = passed_by.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
            Err(Unmet::new(
                RefusalKind::ReasonRequired,
                format!("step {} {step} before {names}", step.number()),
                "9.1, D-039, D-041",
                "complete the earlier steps, or state the reason for passing them by",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-9.1-1: each step before an earlier one needs a reason; in order none does.
    #[test]
    fn a_step_passes_by_earlier_ones_only_with_a_reason() {
        assert_eq!(Step::ALL.len(), 11);
        for step in Step::ALL {
            let before: BTreeSet<_> = Step::ALL.iter().copied().filter(|s| s < step).collect();
            assert_eq!(complete(*step, &before, None), Ok(None));
            for missing in &before {
                let mut done = before.clone();
                done.remove(missing);
                let refused = complete(*step, &done, Some(" ")).unwrap_err();
                assert_eq!(refused.kind, RefusalKind::ReasonRequired);
                let deviation = complete(*step, &done, Some("damage spreads")).unwrap().unwrap();
                assert_eq!(deviation.passed_by, [*missing]);
            }
        }
    }
}
