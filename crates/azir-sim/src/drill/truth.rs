//! Finalized truth: the replay by two implementations, the computed checkpoint, and what may be
//! shown and relied upon meanwhile (27.2, D-092 to D-094).

use azir_engine::Body;
use azir_engine::body::{
    CheckpointPinned, DraftKind, DraftMade, ReplayReported, ReplayVerdict, StatusPublished,
};
use azir_engine::status;
use azir_ledger::{Digest, SeenFinal};
use azir_model::evidence::Item;
use azir_model::vocab::FinalityLabel;
use azir_model::{IncidentState, RefusalKind, Role};
use serde_json::json;

use super::respond::moved;
use super::stage::Stage;
use super::{DrillError, RunPlan, collect, replaying, restore, runbook};

/// The pinned checkpoint.
pub(super) fn pinned(stage: &Stage<'_>) -> Result<SeenFinal, DrillError> {
    let checkpoint = stage.view()?.checkpoint;
    checkpoint.ok_or_else(|| DrillError::script("no trusted checkpoint is pinned"))
}

/// Computes and pins the checkpoint, replays both branches, drafts the proofs.
pub(super) fn establish(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    refused_early(stage)?;
    let mut path = None;
    runbook::perform(stage, "find-checkpoint", &mut |stage| {
        let replayed = replaying::finalized(stage)?;
        report(stage, &replayed)?;
        pin(stage, &replayed)?;
        path = Some(replayed.digest);
        Ok(())
    })?;
    labels(stage)?;
    let answers = restore::answers(run);
    runbook::until(stage, "publish-disputed", &answers)?;
    runbook::perform(stage, "publish-disputed", &mut |stage| {
        publish(stage, "Finality is in dispute. Rely on nothing above the stated height.")
    })?;
    runbook::perform(stage, "collect-evidence", &mut collect_pair)?;
    runbook::until(stage, "draft-fraud-proof", &answers)?;
    runbook::perform(stage, "draft-fraud-proof", &mut draft_proofs)?;
    runbook::until(stage, "replay-branches", &answers)?;
    runbook::perform(stage, "replay-branches", &mut |stage| {
        let all = replaying::with_branches(stage)?;
        report(stage, &all)?;
        judge_branches(stage, &all);
        let traces = vec![(Item::ReplayTraces, json!({"reports": [path, Some(all.digest)]}))];
        restore::collected(stage, traces, "replay by two implementations")
    })?;
    runbook::until(stage, "choose-way", &answers)
}

fn judge_branches(stage: &mut Stage<'_>, all: &replaying::Replayed) {
    stage.check(
        "way_back",
        "replay of both branches from the checkpoint matches in two implementations",
        all.verdict == ReplayVerdict::Match && all.families.len() >= 2 && all.branches >= 2,
        format!("{} blocks, {} branches, {}", all.blocks, all.branches, all.families.join(" and ")),
    );
}

/// Publishes exactly the status that is derived, after fresh observations.
pub(super) fn publish(stage: &mut Stage<'_>, text: &str) -> Result<(), DrillError> {
    for (seat, _) in stage.own_seats() {
        stage.observe(seat)?;
    }
    let derived = status::derive(stage.plane.engine().state(), stage.now());
    let body = Body::StatusPublished(StatusPublished {
        operator: derived.operator,
        network: derived.network,
        text: text.to_owned(),
        hard_final: derived.hard_final,
        reason: None,
        guidance: None,
    });
    stage.act(Role::IncidentCommander, &body).map(|_| ())
}

fn refused_early(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let early = moved(stage, IncidentState::Recovering, None)?;
    stage.must_refuse(
        Role::IncidentCommander,
        &early,
        RefusalKind::IllegalTransition,
        "Starting recovery straight from containment",
        "recovery starts from a stable state and a computed truth",
    )?;
    let wished = Body::CheckpointPinned(CheckpointPinned {
        checkpoint: stage
            .own_seats()
            .first()
            .and_then(|(s, _)| stage.world.node(*s))
            .map(|n| super::stage::seen_final(n.front()))
            .ok_or_else(|| DrillError::script("no own node"))?,
        report: Digest::of(b"a dashboard"),
    });
    stage.approve(Role::ConsensusLead, &wished)?;
    stage.must_refuse(
        Role::IncidentCommander,
        &wished,
        RefusalKind::CheckpointUntrusted,
        "Pinning the tip of a dashboard as trusted checkpoint",
        "the checkpoint is computed by replay; nobody chooses it",
    )
}

/// Puts a replay report into vault and log, signed by the Recovery Operator who ran it.
fn report(stage: &mut Stage<'_>, replay: &replaying::Replayed) -> Result<(), DrillError> {
    stage.observe_restrictions()?;
    let body = Body::ReplayReported(ReplayReported {
        report: replay.digest,
        verdict: replay.verdict,
        families: replay.families.clone(),
        checkpoint: replay.checkpoint,
        branches: replay.branches,
        // This network has no restriction objects, so none is recomputed.
        restrictions: Some(vec![]),
    });
    stage.act(Role::RecoveryOperator, &body).map(|_| ())
}

fn pin(stage: &mut Stage<'_>, replay: &replaying::Replayed) -> Result<(), DrillError> {
    let body = Body::CheckpointPinned(CheckpointPinned {
        checkpoint: replay.checkpoint,
        report: replay.digest,
    });
    stage.approve(Role::ConsensusLead, &body)?;
    stage.act(Role::IncidentCommander, &body)?;
    let known = stage.world.nodes().map(|n| n.view().last_common_final()).min_by_key(|b| b.height);
    let common = known.map(super::stage::seen_final);
    stage.check(
        "way_back",
        "the trusted checkpoint is the last block that is final on every branch",
        common.is_some_and(|c| c.height >= replay.checkpoint.height)
            && replay.checkpoint.height > 0,
        format!("height {}", replay.checkpoint.height),
    );
    Ok(())
}

/// Nothing above the checkpoint is shown or relied upon as final.
fn labels(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let trusted = pinned(stage)?;
    let now = stage.plane.engine().state();
    let tips: Vec<_> = stage
        .own_seats()
        .iter()
        .filter_map(|(s, _)| stage.world.node(*s))
        .map(|n| n.hard_final().height.max(n.front().height))
        .collect();
    let shown: Vec<_> =
        tips.iter().map(|h| status::label(now, *h, FinalityLabel::HardFinal)).collect();
    let below = status::label(now, trusted.height, FinalityLabel::HardFinal);
    let above = tips.iter().any(|h| *h > trusted.height);
    let held = shown
        .iter()
        .zip(&tips)
        .all(|(label, h)| *h <= trusted.height || *label == FinalityLabel::Disputed)
        && below == FinalityLabel::HardFinal;
    let relied = status::rely_on(now, tips.iter().copied().max().unwrap_or(0));
    stage.check(
        "refused",
        "no tip is shown as hard_final while finality is disputed",
        held && above,
        format!("tips at heights {tips:?} are shown as disputed, {} as hard_final", trusted.height),
    );
    stage.judge_refusal(
        relied.err(),
        RefusalKind::FinalityDisputed,
        None,
        "relayer:own",
        "A relayer acting on a tip as if it were final",
        "a relying service does not pay out on one of two histories",
    );
    Ok(())
}

/// The pair of certificates and the proofs of double voting, verified and stored.
fn collect_pair(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let (pair, proofs) = pair_and_proofs(stage)?;
    let anchor = stage.world.anchor().clone();
    let good = proofs.iter().filter(|p| p.verify(&anchor, &mut azir_atlas::Plain).is_ok()).count();
    let mut seats: Vec<_> = pair[0].common_signers(&pair[1]).iter().map(|s| s.0).collect();
    seats.sort_unstable();
    stage.check(
        "way_back",
        "three fraud proofs verify, against exactly the common signers",
        good == 3 && seats.len() == 3,
        format!("{good} proofs, seats {seats:?}"),
    );
    let evidence = vec![(Item::EvidenceObjects, json!(pair)), (Item::SlashEvidence, json!(proofs))];
    restore::collected(stage, evidence, "signatures and certificates under the seats' keys")
}

fn pair_and_proofs(
    stage: &Stage<'_>,
) -> Result<([azir_atlas::Certificate; 2], Vec<azir_atlas::FraudProof>), DrillError> {
    let (_, pair) = stage.pair()?;
    let proofs = collect::proofs(stage, &pair);
    Ok((pair, proofs))
}

/// Fraud proofs: files for whoever submits them, never submissions.
fn draft_proofs(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let (_, proofs) = pair_and_proofs(stage)?;
    let object = collect::store_json(stage, &json!(proofs))?;
    draft(stage, Role::ConsensusLead, DraftKind::FraudProof, object)
}

/// The proposed replacement of the culprits' seats.
pub(super) fn draft_seats(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let (pair, proofs) = pair_and_proofs(stage)?;
    let seats = pair[0].common_signers(&pair[1]);
    let because = collect::store_json(stage, &json!(proofs))?;
    let object = collect::store_json(stage, &json!({"replace_seats": seats, "because": because}))?;
    draft(stage, Role::GovernanceLiaison, DraftKind::SeatReplacement, object)
}

/// A draft without justification: owner path, or for authorities outside.
pub(super) fn draft(
    stage: &mut Stage<'_>,
    who: Role,
    draft: DraftKind,
    object: Digest,
) -> Result<(), DrillError> {
    let body = Body::DraftMade(DraftMade {
        draft,
        object,
        measure: None,
        justification: None,
        parameters: None,
    });
    stage.act(who, &body).map(|_| ())
}

/// Replays again after the roles came back; gives the report's digest.
pub(super) fn replay_again(stage: &mut Stage<'_>) -> Result<Digest, DrillError> {
    let again = replaying::finalized(stage)?;
    stage.check(
        "way_back",
        "roots of the restored path are equal in two implementations",
        again.verdict == ReplayVerdict::Match && again.families.len() >= 2,
        format!("{} blocks up to height {}", again.blocks, again.tip),
    );
    Ok(again.digest)
}
