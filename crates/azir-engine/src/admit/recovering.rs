//! Replay, plan, criteria, restart, phases, cause and postmortem (26 to 30, 33; annex J).

use std::collections::BTreeSet;

use azir_model::directive::STATEMENT_PERIODS_MAX;
use azir_model::phase;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::restart::{self, Criterion, CriterionBody, CriterionState, RestartDecisionBody};
use azir_model::role::Duty;
use azir_model::{IncidentClass, IncidentState, Profile, RecoveryMode, Role, Severity};

use super::{Context, roles};
use crate::body::{
    CauseStated, CheckpointPinned, PhaseCarried, PostmortemPublished, RecoveryApproved,
    RecoveryPlanned, RecoveryProduced, RecoveryRecorded, ReplayReported, ReplayVerdict,
};
use crate::facts;
use crate::fold::subsystem;
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

/// `replay.reported`: outputs were frozen before anything was loaded (27.2 step 2).
pub(super) fn replayed(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &ReplayReported,
    unmet: &mut Vec<Unmet>,
) {
    cx.held(&b.report, "replay report", unmet);
    for gate in facts::not_frozen(cx.state, view) {
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

/// `criterion.signed`: the criterion holds in the view, not only on paper. Implements R-29.1-1,
/// R-29.1-2, R-29.1-3, R-29.1-5, R-29.1-6, R-29.1-7, R-27.2-8 and R-29.2-1.
pub(super) fn criterion(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &CriterionBody,
    unmet: &mut Vec<Unmet>,
) {
    if let CriterionState::Satisfied { proof, .. } = &b.state {
        cx.held(proof, "proof", unmet);
    }
    if !cx.is_machine() {
        roles::separate(cx, view, cx.actor, Duty::SignsCriterion, unmet);
    }
    if matches!(b.state, CriterionState::NotApplicable { .. }) {
        let observe = view.decision.as_ref().is_some_and(|d| d.observe_only);
        if !b.criterion.may_be_not_applicable_in(b.subsystem.role, view.class, observe) {
            unmet.push(criteria_unmet(b.criterion, "it cannot be set aside here"));
        }
        return;
    }
    let why = match b.criterion {
        Criterion::RootCause => {
            view.cause.is_none().then(|| "the cause is not even bounded".to_owned())
        }
        Criterion::Containment => containment_fails(cx, view),
        Criterion::Replay => {
            (!replay_matches(view)).then(|| "no matching replay report".to_owned())
        }
        Criterion::Keys => key_void(cx, b),
        Criterion::Reviews => {
            let unapproved = view.plan.as_ref().is_some_and(|p| p.approved.is_none());
            unapproved.then(|| "the recovery plan is not approved".to_owned())
        }
        Criterion::Telemetry => {
            let damaged = view.network.as_ref().is_some_and(|n| !n.newest.store_ok);
            damaged.then(|| "the checksum of a node's store fails".to_owned())
        }
        // Which restrictions stand in finalized state is the adapter's to say; none reports yet.
        Criterion::Restrictions => None,
    };
    unmet.extend(why.map(|why| criteria_unmet(b.criterion, &why)));
}

/// Why containment does not hold: damage inside W_stab, a measure that is not in force, or one
/// whose gate has said nothing for three lease periods (annex G, annex J.2 rc2).
fn containment_fails(cx: &Context<'_>, view: &IncidentView) -> Option<String> {
    let judged = facts::of(cx.state, view, cx.now);
    let window = judged.windows.stab_ms.at(judged.peak);
    match judged.quiet_for_ms {
        None => return Some("the damage indicator is not known to be zero".to_owned()),
        Some(quiet) if quiet < window => {
            return Some(format!("the damage indicator is zero for {quiet} of {window} ms"));
        }
        Some(_) => {}
    }
    let held = || view.measures.iter().filter(|(_, m)| m.released.is_none());
    let open: Vec<_> = held().filter(|(_, m)| !m.in_force()).map(|(n, _)| n.as_str()).collect();
    if !open.is_empty() {
        return Some(format!("not in force: {}", open.join(", ")));
    }
    let oldest = cx.policy.leases.incident_ms.saturating_mul(STATEMENT_PERIODS_MAX);
    let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
    let gates = held().flat_map(|(_, m)| m.roles.iter().map(|r| subsystem(&m.node, *r)));
    let silent = |gate: &String| {
        view.gates.get(gate).is_none_or(|g| cx.now.ms_since(g.stated) > oldest)
    };
    let silent: Vec<_> = gates.filter(silent).collect::<BTreeSet<_>>().into_iter().collect();
    (!silent.is_empty()).then(|| format!("no statement within {oldest} ms: {}", silent.join(", ")))
}

/// rc5: a gate or agent of this subsystem whose own key was revoked speaks for nobody (D-051).
fn key_void(cx: &Context<'_>, b: &CriterionBody) -> Option<String> {
    let actors = [format!("gate:{}", b.subsystem), format!("agent:{}", b.subsystem.node)];
    let void = actors.into_iter().find(|actor| cx.state.revoked.contains_key(actor));
    void.map(|actor| format!("the key of {actor} is revoked and not replaced"))
}

fn replay_matches(view: &IncidentView) -> bool {
    view.replay.as_ref().is_some_and(|r| r.verdict == ReplayVerdict::Match)
}

fn criteria_unmet(criterion: Criterion, why: &str) -> Unmet {
    Unmet::new(
        RefusalKind::CriteriaUnmet,
        format!("{criterion}: {why}"),
        "29.1, annex J.2",
        "make it true and sign it again",
    )
}

/// `restart.decided`: judged by the very function that the gate will run.
pub(super) fn decide(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &RestartDecisionBody,
    unmet: &mut Vec<Unmet>,
) {
    let name = b.subsystem.to_string();
    let event = cx.signed.event();
    match cx.state.restart_file_of(view, &name, cx.signed) {
        None => unmet.push(Unmet::new(
            RefusalKind::CriteriaUnmet,
            format!("no criterion of {name} is signed"),
            "29.1, annex J.2",
            "let rc1 to rc7 be signed by their roles",
        )),
        Some(file) => {
            let judged = restart::authorize(
                &file,
                cx.policy,
                event.subject,
                &event.log,
                &event.mode,
                cx.now,
            );
            unmet.extend(judged.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
        }
    }
    if b.phase != b.subsystem.role.phase() {
        unmet.push(Unmet::new(
            RefusalKind::PhaseOrder,
            format!("{name} comes back in phase {}, not {}", b.subsystem.role.phase(), b.phase),
            "30.1, annex J.3",
            "name the phase of the role",
        ));
    }
}

/// `phase.carried`: the decision is valid, and order, dwell and wave allow it now.
pub(super) fn carry(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &PhaseCarried,
    unmet: &mut Vec<Unmet>,
) {
    let name = b.subsystem.to_string();
    let decided = view.restarts.get(&name).and_then(|r| r.decision);
    if decided != Some(b.decision) {
        unmet.push(Unmet::new(
            RefusalKind::CriteriaUnmet,
            format!("rc8: {name} has no such restart decision in force"),
            "29.1, annex J.2",
            "let the commander decide the restart on the newest criteria",
        ));
    }
    if let Some(file) = cx.state.restart_file(view, &name, b.decision) {
        let event = cx.signed.event();
        let judged =
            restart::authorize(&file, cx.policy, event.subject, &event.log, &event.mode, cx.now);
        unmet.extend(judged.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
    }
    if let Err(refusal) =
        phase::may_open(&crate::phases::facts(cx.state, cx.policy, view, &b.subsystem, cx.now))
    {
        unmet.extend(refusal.unmet().to_vec());
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

/// `postmortem.published` (33.1, T-20).
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
