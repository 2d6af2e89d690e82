//! Replay, checkpoint, plan and recovery (26, 27; annex J.1).

use std::collections::BTreeSet;

use azir_ledger::canon;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::{IncidentClass, Profile, RecoveryMode, Severity};

use super::Context;
use crate::body::{
    CheckpointPinned, RecoveryApproved, RecoveryPlanned, RecoveryProduced, RecoveryRecorded,
    ReplayReported, ReplayVerdict, RootComparison,
};
use crate::view::IncidentView;
use crate::{facts, software};

/// Implementations of different source that a matching verdict needs (D-099).
pub(super) const FAMILIES_MIN: usize = 2;

/// `replay.reported`: outputs were frozen before anything was loaded (27.2 step 2), and it runs
/// from a hard-final block. Implements R-27.2-1 and R-27.2-2.
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
    revalidated(cx, b, unmet);
}

/// 27.2 step 7: the restrictions that the replay recomputed are those that own nodes apply.
/// Implements R-27.2-7.
fn revalidated(cx: &Context<'_>, b: &ReplayReported, unmet: &mut Vec<Unmet>) {
    if b.verdict != ReplayVerdict::Match || !cx.state.restrictions_known() {
        return;
    }
    let applied: BTreeSet<_> = cx.state.in_force().iter().map(|r| r.object).collect();
    let recomputed: BTreeSet<_> = b.restrictions.iter().flatten().copied().collect();
    let extra = applied.difference(&recomputed).map(|o| format!("{o} is applied, not recomputed"));
    let missing =
        recomputed.difference(&applied).map(|o| format!("{o} is recomputed, not applied"));
    for what in extra.chain(missing) {
        unmet.push(Unmet::new(
            RefusalKind::ReplayMismatch,
            what,
            "27.2, D-096, annex J.1",
            "report what differs as diverged, or observe the restrictions again",
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
    owed_items(cx, view, b, unmet);
}

/// Expected output of a witness recovery: every claim that was accepted on the broken rule.
const CLAIMS_REVALIDATED: &str = "claims_revalidated";
/// Exit criterion of a governance path that comes back.
const REVIEW_RECORDED: &str = "constitutional_review_recorded";

/// Exit criterion of a rebuild: the root is that of the certificate and of two references.
const ROOTS_COMPARED: &str = "reference_roots_equal";
/// Peers or reference checkpoints that a rebuilt root is compared with (annex J.1).
const REFERENCES_MIN: usize = 2;

/// The rebuilt root, the certificate's and each reference's are one; a source that differs is named
/// and stops the exit. Implements R-22.2-5.
fn compared(cx: &Context<'_>, proof: &[u8], unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "22.2, 26.2, annex J.1", remedy));
    };
    let said: RootComparison = match canon::decode(proof) {
        Ok(said) => said,
        Err(error) => {
            let remedy = "name block, certificate, own root and references in canonical form";
            refuse(RefusalKind::InvalidSchema, format!("{ROOTS_COMPARED}: {error}"), remedy);
            return;
        }
    };
    let tip = cx.state.hard_final().map_or(0, |tip| tip.height);
    if said.at.height > tip {
        let what = format!("height {} is above the verified hard-final {tip}", said.at.height);
        refuse(RefusalKind::NotFinalized, what, "compare at a hard-final block");
    }
    if said.references.len() < REFERENCES_MIN {
        let what = format!("exit: {} references, {REFERENCES_MIN} needed", said.references.len());
        refuse(RefusalKind::GuardUnmet, what, "ask another peer, or a reference checkpoint");
    }
    let own = [("the rebuilt store", &said.own)];
    let others = said.references.iter().map(|(name, root)| (name.as_str(), root));
    for (name, root) in own.into_iter().chain(others).filter(|(_, r)| **r != said.certificate) {
        let what = format!("{name} has root {root}, the certificate {}", said.certificate);
        refuse(RefusalKind::ReplayMismatch, what, "rebuild again, or find out which source lies");
    }
}

/// What a plan of this class or mode has to produce by name. Implements R-17.2-7, R-20.2-6 and
/// R-22.2-5.
fn owed_items(cx: &Context<'_>, view: &IncidentView, b: &RecoveryPlanned, unmet: &mut Vec<Unmet>) {
    let named = |item: &str| b.outputs.iter().chain(&b.exits).any(|i| i == item);
    if b.mode == RecoveryMode::LocalRebuild && !named(ROOTS_COMPARED) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("plan: the exit criterion {ROOTS_COMPARED} is missing"),
            "22.2, D-102, annex J.1",
            "list it: the rebuilt root is compared with the certificate and two references",
        ));
    }
    if view.class == IncidentClass::SupplyChain {
        for what in software::unlisted(cx.state, view) {
            unmet.push(Unmet::new(
                RefusalKind::ScopeRequired,
                format!("scopes: {what} is missing"),
                "23.2, D-024",
                "record the affected versions with the nodes and seats that run them",
            ));
        }
    }
    if view.class == IncidentClass::WitnessProof && !named(CLAIMS_REVALIDATED) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("plan: the output {CLAIMS_REVALIDATED} is missing"),
            "17.2, D-102",
            "list it: the claims accepted since the last good one are checked again",
        ));
    }
    if b.scope.starts_with("gov-path:") && !named(REVIEW_RECORDED) {
        unmet.push(Unmet::new(
            RefusalKind::ReviewRequired,
            format!("plan: the exit criterion {REVIEW_RECORDED} is missing"),
            "20.2, 25.1, D-090",
            "list it: a disputed path comes back after its constitutional review",
        ));
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
    let proof = cx.held(&b.proof, "proof", unmet);
    if let Some(proof) = proof.filter(|_| b.item == ROOTS_COMPARED) {
        compared(cx, &proof, unmet);
    }
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
        for item in facts::exit_missing(cx.state, view) {
            unmet.push(Unmet::new(
                RefusalKind::GuardUnmet,
                format!("exit: {item}"),
                "26.2, annex J.1",
                "produce it first",
            ));
        }
    }
}
