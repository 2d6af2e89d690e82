//! Atoms of containment.

use super::{Guard, Met, need, nothing_missing};
use crate::lifecycle::facts::{Facts, Measure, MeasureState};
use crate::vocab::Severity;

/// `decision`: recorded, and complete if it overrides the function. Implements R-5.1-4.
///
/// # Errors
/// `guard_unmet`.
pub fn decision(facts: &Facts) -> Met {
    let complete = facts.decision.as_ref().is_some_and(|d| !d.override_incomplete);
    let why = if facts.decision.is_some() { "override data incomplete" } else { "none recorded" };
    need(complete, Guard::Decision, || why.into(), "run the function and declare a profile")
}

/// `inforce`: each measure verified. Implements R-5.1-5.
///
/// # Errors
/// `guard_unmet` naming each measure that is not in force.
pub fn in_force(facts: &Facts) -> Met {
    if facts.decision.is_none() {
        return need(false, Guard::InForce, || "no decision".into(), "record the decision");
    }
    let missing: Vec<_> =
        facts.measures.iter().filter(|m| !counts(m)).map(|m| m.name.clone()).collect();
    nothing_missing(&missing, Guard::InForce, "wait for acknowledgement or accept residual harm")
}

/// A measure that is in force, was ended as planned, or is a protocol request whose residual harm
/// a person accepted.
fn counts(measure: &Measure) -> bool {
    match measure.state {
        MeasureState::InForce | MeasureState::Ended => true,
        MeasureState::Requested => measure.protocol && measure.residual_accepted,
        MeasureState::Lost => false,
    }
}

pub(super) fn blocks_needed(facts: &Facts) -> u64 {
    if facts.finalizing { window(facts, facts.windows.blocks.at(facts.peak)) } else { 0 }
}

/// The part of a window that a resolution leaves: skipped up to SEV_3, halved from SEV_4.
pub(super) fn window(facts: &Facts, full: u64) -> u64 {
    match (facts.resolution.is_refuted(), facts.peak >= Severity::Sev4Critical) {
        (false, true | false) => full,
        (true, false) => 0,
        (true, true) => full / 2,
    }
}

/// `quiet`: damage indicator zero for W_stab, and ten hard-final blocks from SEV_3 if the chain
/// finalizes. Implements R-5.1-5.
///
/// # Errors
/// `guard_unmet`.
pub fn quiet(facts: &Facts) -> Met {
    let (ms, blocks) = (window(facts, facts.windows.stab_ms.at(facts.peak)), blocks_needed(facts));
    let Some(quiet) = facts.quiet_for_ms else {
        let remedy = "contain until the damage indicator is zero";
        return need(false, Guard::Quiet, || "the damage indicator is not zero".into(), remedy);
    };
    need(
        quiet >= ms && facts.hard_final_blocks_since >= blocks,
        Guard::Quiet,
        || {
            let since = facts.hard_final_blocks_since;
            format!("zero for {quiet} of {ms} ms and {since} of {blocks} blocks")
        },
        "wait until the window has passed",
    )
}

/// The decision is to observe only.
///
/// # Errors
/// `guard_unmet`.
pub fn observe_only(facts: &Facts) -> Met {
    let observes = facts.decision.as_ref().is_some_and(|d| d.observe_only);
    let what = || "no decision to observe only".into();
    need(observes, Guard::ObserveOnly, what, "record the decision")
}

/// No new damage.
///
/// # Errors
/// `guard_unmet`.
pub fn no_damage(facts: &Facts) -> Met {
    let what = || "the damage indicator is not zero".into();
    need(facts.quiet_for_ms.is_some(), Guard::NoDamage, what, "go back to CONTAINING")
}
