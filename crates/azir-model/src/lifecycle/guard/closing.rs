//! Atoms of monitoring, closure and postmortem.

use super::containing::{blocks_needed, window};
use super::{Guard, Met, need, need_kind, nothing_missing};
use crate::class;
use crate::lifecycle::facts::{Cause, Facts, Measure, MeasureState};
use crate::lifecycle::is_small;
use crate::refusal::RefusalKind;
use crate::role::LEADS;
use crate::vocab::{IncidentState, Role, Severity};

/// `watch`: W_mon, telemetry, no measure lost. A relapse has already left MONITORING. Implements
/// R-9.1-11.
///
/// # Errors
/// `guard_unmet`.
pub fn watch(facts: &Facts) -> Met {
    let (ms, blocks) = (window(facts, facts.windows.mon_ms.at(facts.peak)), blocks_needed(facts));
    let watch = &facts.watch;
    let mut missing = Vec::new();
    if watch.elapsed_ms < ms || watch.blocks < blocks {
        missing.push(format!(
            "window ({} of {ms} ms, {} of {blocks} blocks)",
            watch.elapsed_ms, watch.blocks
        ));
    }
    if facts.quiet_for_ms.is_none() {
        missing.push("a damage indicator of zero".into());
    }
    missing.extend(watch.outside.iter().map(|s| format!("{s} inside its threshold")));
    let lost = facts.measures.iter().filter(|m| m.state == MeasureState::Lost);
    missing.extend(lost.map(|m| format!("{}, which was lost", m.name)));
    nothing_missing(&missing, Guard::Watch, "watch until the window has passed")
}

/// `released`. Implements R-5.1-8.
///
/// # Errors
/// `measure_active` naming each measure.
pub fn released(facts: &Facts) -> Met {
    let held: Vec<_> = facts
        .measures
        .iter()
        .filter(|m| !m.handed_over && !m.observes && m.state != MeasureState::Ended)
        .map(|m| m.name.as_str())
        .collect();
    need_kind(
        held.is_empty(),
        RefusalKind::MeasureActive,
        Guard::Released,
        || format!("still held: {}", held.join(", ")),
        "lift each measure, or hand it over to a finalized object or an owned follow-up",
    )
}

/// `cause`: bounded up to SEV_3, kind identified from SEV_4; refuted for a false alarm or
/// duplicate.
///
/// # Errors
/// `guard_unmet`.
pub fn cause(facts: &Facts) -> Met {
    if facts.resolution.is_refuted() {
        let refuted = facts.refutation.is_some() || facts.twin.is_some();
        let what = || "the resolution says refuted, and nothing refutes it".into();
        return need(refuted, Guard::Cause, what, "record the refuting evidence or the twin");
    }
    let (known, critical) = (facts.cause, facts.peak >= Severity::Sev4Critical);
    let met = match known {
        Cause::KindIdentified => true,
        Cause::Bounded => !critical,
        Cause::Unknown => false,
    };
    need(
        met,
        Guard::Cause,
        || format!("the cause is {known} at peak {}", facts.peak),
        if critical { "identify the kind of cause (33.2)" } else { "bound the cause (D-044)" },
    )
}

/// `evidence`. Implements R-5.2-2.
///
/// # Errors
/// `guard_unmet`.
pub fn evidence(facts: &Facts) -> Met {
    let remedy = "bring each item to an end state of D-054";
    nothing_missing(&facts.evidence_missing, Guard::Evidence, remedy)
}

/// `audit`: from peak SEV_3.
///
/// # Errors
/// `guard_unmet`.
pub fn audit(facts: &Facts) -> Met {
    if facts.peak < Severity::Sev3High {
        return Ok(());
    }
    nothing_missing(&facts.audit_missing, Guard::Audit, "add the missing contents of 32.1")
}

/// `review`: any lead at SEV_3, the class lead from SEV_4, never commander or Recovery Operator.
/// Implements R-5.2-4.
///
/// # Errors
/// `guard_unmet`; `role_conflict` when the reviewer commanded or carried out recovery (D-048).
pub fn review(facts: &Facts) -> Met {
    if facts.peak < Severity::Sev3High {
        return Ok(());
    }
    let critical = facts.peak >= Severity::Sev4Critical;
    let may =
        if critical { class::signing_leads(facts.class, facts.key_role) } else { LEADS.to_vec() };
    let names = may.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(" or ");
    let remedy = format!("let {names} sign the review, not commander or Recovery Operator");
    let Some(review) = &facts.review else {
        return need(false, Guard::Review, || "no closure review".into(), &remedy);
    };
    let fits = may.contains(&review.role);
    need(fits, Guard::Review, || format!("signed as {}", review.role), &remedy)?;
    need_kind(
        is_small(facts) || !self_reviewed(facts),
        RefusalKind::RoleConflict,
        Guard::Review,
        || format!("{} commanded or carried out recovery", review.by),
        &remedy,
    )
}

/// True when the closure reviewer also commanded or carried out recovery (D-048).
#[must_use]
pub fn self_reviewed(facts: &Facts) -> bool {
    facts.review.as_ref().is_some_and(|review| {
        facts.commander.as_ref() == Some(&review.by)
            || facts.recovery_operators.contains(&review.by)
    })
}

/// `refute`: refuting evidence, and nothing in force except observe only.
///
/// # Errors
/// `guard_unmet`; `measure_active`.
pub fn refute(facts: &Facts) -> Met {
    let remedy = "attach the evidence that refutes the incident";
    need(facts.refutation.is_some(), Guard::Refute, || "no refuting evidence".into(), remedy)?;
    // Handing a measure over does not end it: what is refuted holds nobody back.
    let holds = |m: &&Measure| !m.observes && m.state != MeasureState::Ended;
    let held: Vec<_> = facts.measures.iter().filter(holds).map(|m| m.name.as_str()).collect();
    need_kind(
        held.is_empty(),
        RefusalKind::MeasureActive,
        Guard::Refute,
        || format!("still held: {}", held.join(", ")),
        "lift each measure before calling the incident refuted",
    )
}

/// `twin`: named, open, of the same peak or higher, with the evidence linked.
///
/// # Errors
/// `guard_unmet`.
pub fn twin(facts: &Facts) -> Met {
    let Some(twin) = &facts.twin else {
        return need(false, Guard::Twin, || "no twin named".into(), "name the other incident");
    };
    let open = !is_closed(twin.state);
    let missing: Vec<_> = [
        ("an open twin", open),
        ("a twin of the same peak or higher", twin.peak >= facts.peak),
        ("evidence linked to the twin", twin.evidence_linked),
    ]
    .into_iter()
    .filter(|(_, met)| !met)
    .map(|(name, _)| name.to_owned())
    .collect();
    nothing_missing(&missing, Guard::Twin, "name an open incident and link the evidence")
}

fn is_closed(state: IncidentState) -> bool {
    matches!(
        state,
        IncidentState::Closed
            | IncidentState::PostmortemPending
            | IncidentState::PostmortemPublished
    )
}

/// A duplicate closes only after its twin.
///
/// # Errors
/// `guard_unmet`.
pub fn twin_closed(facts: &Facts) -> Met {
    let closed = facts.twin.as_ref().is_some_and(|twin| is_closed(twin.state));
    let what = || "the twin is not closed".into();
    need(closed, Guard::TwinClosed, what, "close the twin first")
}

/// Postmortem: contents, and signatures of Audit Scribe, commander and a lead.
///
/// # Errors
/// `postmortem_incomplete`.
pub fn postmortem(facts: &Facts) -> Met {
    let mut missing = facts.postmortem_missing.clone();
    for role in [Role::AuditScribe, Role::IncidentCommander] {
        if !facts.postmortem_signed.contains(&role) {
            missing.push(format!("signature of {role}"));
        }
    }
    let leads = class::signing_leads(facts.class, facts.key_role);
    if !leads.iter().any(|role| facts.postmortem_signed.contains(role)) {
        let names = leads.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(" or ");
        missing.push(format!("signature of {names}"));
    }
    need_kind(
        missing.is_empty(),
        RefusalKind::PostmortemIncomplete,
        Guard::Postmortem,
        || format!("missing {}", missing.join(", ")),
        "fill in the contents of 33.1 and have it signed",
    )
}
