//! Replay, checkpoint, plan, recovery, cause and postmortem (26, 27, 33; annex J.1).

use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::{IncidentClass, IncidentState, Profile, RecoveryMode, Role, Severity};

use super::Context;
use crate::body::{
    CauseStated, CheckpointPinned, PostmortemPublished, RecoveryApproved, RecoveryPlanned,
    RecoveryProduced, RecoveryRecorded, ReplayReported, ReplayVerdict,
};
use crate::facts;
use crate::view::IncidentView;

/// Implementations of different source that a matching verdict needs (D-099).
pub(super) const FAMILIES_MIN: usize = 2;
/// The four classifications of 14.2. Implements R-14.2-5, R-14.2-9, R-14.2-10, R-14.2-11,
/// R-14.2-12.
pub(super) const FINDINGS_CONSENSUS: [&str; 4] =
    [INVALID_OBJECT, DIVERGENCE, PROTOCOL_FAULT, EQUIVOCATION];
const INVALID_OBJECT: &str = "invalid_object";
const DIVERGENCE: &str = "local_implementation_divergence";
const PROTOCOL_FAULT: &str = "genuine_protocol_fault";
const EQUIVOCATION: &str = "adversarial_equivocation";

/// `replay.reported`: outputs were frozen before anything was loaded (27.2 step 2), and it runs
/// from a hard-final block. Implements R-27.2-1 and R-27.2-2.
pub(super) fn replayed(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &ReplayReported,
    unmet: &mut Vec<Unmet>,
) {
    cx.held(&b.report, "replay report", unmet);
    for gate in facts::not_frozen(cx.state) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("freeze: {gate} is not stated closed"),
            "27.2, D-097, annex J.1",
            "close it and let it state so, then replay",
        ));
    }
    let finals = view.network.as_ref().map(|n| n.newest.hard_final.height);
    if let Some(tip) = finals.filter(|tip| *tip < b.checkpoint.height) {
        unmet.push(Unmet::new(
            RefusalKind::CheckpointUntrusted,
            format!("height {} is above the verified hard-final {tip}", b.checkpoint.height),
            "27.2, D-092",
            "replay from a block that certificates make hard-final",
        ));
    }
    let mut families = b.families.clone();
    families.sort();
    families.dedup();
    if b.verdict == ReplayVerdict::Match && families.len() < FAMILIES_MIN {
        unmet.push(Unmet::new(
            RefusalKind::ReplayMismatch,
            format!("{} independent implementation ran, {FAMILIES_MIN} are needed", families.len()),
            "16.2, 27.2, D-099",
            "replay with a second implementation of other source",
        ));
    }
}

/// `checkpoint.pinned`: nobody chooses it; it is the one that the replay computed (D-092).
pub(super) fn pinned(view: &IncidentView, b: &CheckpointPinned, unmet: &mut Vec<Unmet>) {
    let computed = view.replay.as_ref().filter(|r| r.report == b.report);
    let why = match computed {
        None => Some("it quotes no replay report of this incident".to_owned()),
        Some(r) if r.verdict != ReplayVerdict::Match => {
            Some("the replay below it does not match".to_owned())
        }
        Some(r) if r.checkpoint != b.checkpoint => Some(format!(
            "height {} is not the computed {}",
            b.checkpoint.height, r.checkpoint.height
        )),
        Some(_) => None,
    };
    if let Some(why) = why {
        unmet.push(Unmet::new(
            RefusalKind::CheckpointUntrusted,
            why,
            "27.2, D-092",
            "pin the checkpoint that the replay computed",
        ));
    }
}

/// `recovery.planned`: four parts, within the profile, nothing destroyed before it is preserved.
/// Implements R-9.2-1, R-8.2-6 and R-14.3-5.
pub(super) fn plan(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RecoveryPlanned,
    unmet: &mut Vec<Unmet>,
) {
    let parts = [
        ("target", b.scope.is_empty()),
        ("entry", b.entry.is_empty()),
        ("outputs", b.outputs.is_empty()),
        ("exit", b.exits.is_empty()),
    ];
    for (part, _) in parts.iter().filter(|(_, empty)| *empty) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("plan: part {part} is missing"),
            "26.2, D-102",
            "state all four parts",
        ));
    }
    if !facts::entry_holds(cx.state, view, b.mode, &b.scope) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("entry: the conditions of {} are not observed", b.mode),
            "26.1, annex J.1",
            "let replay and observations show them, or plan another mode",
        ));
    }
    for scope in b.destroys.iter().filter(|s| !view.preserved.contains_key(*s)) {
        unmet.push(Unmet::new(
            RefusalKind::DestructiveBeforePreserve,
            format!("{scope} has no preservation receipt"),
            "9.2, D-041 O1",
            "pin and collect it, let its receipt be recorded, then plan",
        ));
    }
    if b.mode == RecoveryMode::ProtocolSafeRestart {
        safe_restart(view, unmet);
    }
}

fn safe_restart(view: &IncidentView, unmet: &mut Vec<Unmet>) {
    if view.profile != Profile::ProtocolRecovery {
        unmet.push(Unmet::new(
            RefusalKind::ProfileExceeded,
            format!("{} does not allow a protocol restart", view.profile),
            "8.2, D-101",
            "declare RP_PROTOCOL_RECOVERY by a new decision",
        ));
    }
    if view.accepted.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ProtocolAuthorityRequired,
            "no restart manifest of the restart authority is accepted",
            "14.3, D-095",
            "let the restart authority sign a manifest and accept it",
        ));
    }
}

/// `recovery.approved`: by another person than its author.
pub(super) fn approve(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RecoveryApproved,
    unmet: &mut Vec<Unmet>,
) {
    let plan = view.plan.as_ref().filter(|p| p.event == b.plan);
    match plan {
        None => unmet.push(Unmet::new(
            RefusalKind::StaleView,
            "this is not the newest plan",
            "26.2",
            "approve the newest plan",
        )),
        Some(plan) if plan.prepared.by == cx.actor => unmet.push(Unmet::new(
            RefusalKind::RoleConflict,
            format!("{} prepared this plan", cx.actor),
            "9.1, D-048",
            "let the commander approve it",
        )),
        Some(_) => {}
    }
}

/// `recovery.produced`: an item of the plan, with its proof.
pub(super) fn produce(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RecoveryProduced,
    unmet: &mut Vec<Unmet>,
) {
    cx.held(&b.proof, "proof", unmet);
    let known =
        |p: &crate::view::PlanRecord| p.outputs.contains(&b.item) || p.exits.contains(&b.item);
    if !view.plan.as_ref().is_some_and(known) {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("{} is no output or exit criterion of the plan", b.item),
            "26.2",
            "name an item of the plan",
        ));
    }
}

/// `recovery.recorded` (guard `recstate`).
pub(super) fn record(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RecoveryRecorded,
    unmet: &mut Vec<Unmet>,
) {
    if let Some(report) = &b.report {
        cx.held(report, "recovery report", unmet);
    }
    if b.report.is_none() && (b.done || view.peak() >= Severity::Sev4Critical) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "recstate: no report proves it",
            "5.2, annex B",
            "name the replay or consistency report",
        ));
    }
    if b.done {
        for item in facts::exit_missing(view) {
            unmet.push(Unmet::new(
                RefusalKind::GuardUnmet,
                format!("exit: {item}"),
                "26.2, annex J.1",
                "produce it first",
            ));
        }
    }
}

/// `cause.stated` (D-044): every excluded candidate names its evidence, and something remains that
/// the statement covers.
pub(super) fn cause(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &CauseStated,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "29.1, D-034, D-044", remedy));
    };
    for excluded in b.excluded.iter().filter(|e| !b.candidates.contains(&e.candidate)) {
        refuse(
            RefusalKind::InvalidSchema,
            format!("excluded {:?} is no candidate", excluded.candidate),
            "list it as a candidate first",
        );
    }
    let excluded = |c: &String| b.excluded.iter().any(|e| e.candidate == *c);
    if !b.candidates.is_empty() && b.candidates.iter().all(excluded) {
        refuse(
            RefusalKind::GuardUnmet,
            "cause: every candidate is excluded, so the cause is none of them".into(),
            "add the candidate that remains and say how it is covered",
        );
    }
    if b.candidates.is_empty() || b.statement.is_empty() {
        refuse(
            RefusalKind::GuardUnmet,
            "cause: no candidate or no statement".into(),
            "list candidate causes, what excludes them, and how the rest is covered",
        );
    }
    if view.class == IncidentClass::Consensus {
        finding(view, b, &mut refuse);
    } else if b.finding.trim().is_empty() {
        let remedy = "use the classification of the runbook of this class";
        refuse(RefusalKind::InvalidSchema, "no finding".into(), remedy);
    }
    for excluded in &b.excluded {
        cx.held(&excluded.evidence, "excluding evidence", unmet);
    }
}

/// What each classification of 14.2 rests on.
fn finding(
    view: &IncidentView,
    b: &CauseStated,
    refuse: &mut impl FnMut(RefusalKind, String, &str),
) {
    let word = b.finding.as_str();
    let verdict = view.replay.as_ref().map(|r| r.verdict);
    let differs = verdict == Some(ReplayVerdict::Diverged);
    let pair = view.confirmations.contains_key("conflicting_certificates");
    match word {
        EQUIVOCATION if !pair => refuse(
            RefusalKind::EvidenceMissing,
            format!("{word} without a verified pair of signed messages"),
            "let a detector verify two messages of one key for one slot",
        ),
        DIVERGENCE if !differs => refuse(
            RefusalKind::EvidenceMissing,
            format!("{word} without a replay in which two implementations differ"),
            "replay with two implementations and report the difference",
        ),
        PROTOCOL_FAULT if verdict != Some(ReplayVerdict::Match) => refuse(
            RefusalKind::EvidenceUnverified,
            format!("{word} needs a replay in which all implementations agree"),
            "find the implementation that differs, or report equal results",
        ),
        INVALID_OBJECT if b.adversarial.is_none() => refuse(
            RefusalKind::GuardUnmet,
            format!("cause: {word} is an input, not a failure"),
            "mark it adversarial, suspected or proven (D-034)",
        ),
        EQUIVOCATION | DIVERGENCE | PROTOCOL_FAULT | INVALID_OBJECT => {}
        other => refuse(
            RefusalKind::UnknownEnum,
            format!("{other:?} is no classification of 14.2"),
            &format!("use one of {}", FINDINGS_CONSENSUS.join(" ")),
        ),
    }
}

/// `postmortem.published` (33.1, T-20). Implements R-33.1-1, R-33.1-2, R-33.1-5, R-33.1-6,
/// R-33.1-8, R-33.1-9 and R-33.1-10.
pub(super) fn postmortem(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &PostmortemPublished,
    unmet: &mut Vec<Unmet>,
) {
    cx.held(&b.document, "postmortem", unmet);
    let mut refuse = |what: String, remedy: &str| {
        let kind = RefusalKind::PostmortemIncomplete;
        unmet.push(Unmet::new(kind, what, "33.1, D-115", remedy));
    };
    for name in facts::POSTMORTEM_CONTENTS {
        if !b.contents.iter().any(|c| c == name) {
            refuse(format!("{name} is missing"), "write it, or write: none, because");
        }
    }
    if b.conformance.iter().any(|a| a.answer && a.fixture.is_none()) {
        refuse("a yes without the hash of a new fixture".into(), "name the fixture (D-122)");
    }
    if view.holder(Role::AuditScribe).is_none() {
        refuse("no Audit Scribe".into(), "assign one: the scribe signs the postmortem");
    }
    let closed = [IncidentState::Closed, IncidentState::PostmortemPending];
    if !closed.contains(&view.state) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("closed: the incident is {}", view.state),
            "5.1, 33.1, D-035",
            "publish the postmortem after the incident is closed",
        ));
    }
}
