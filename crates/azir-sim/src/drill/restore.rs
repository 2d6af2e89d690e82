//! The way back: drafts, cause, plan, and then what the plan says; at the end watching, closing
//! and publishing.

use std::collections::BTreeMap;

use azir_atlas::{AcceptedRestart, Plain, ReplacedSeat, RestartManifest, Seat, SignedManifest};
use azir_engine::Body;
use azir_engine::body::{
    Adversarial, CauseStated, DraftKind, EvidenceItems, EvidencePreserved, Excluded,
    ManifestAccepted, MeasureReleased, PostmortemPublished, RecoveryApproved, RecoveryPlanned,
    RecoveryProduced, RecoveryRecorded, ReviewSigned,
};
use azir_engine::status;
use azir_ledger::{Digest, canon};
use azir_model::evidence::{Item, evidence_list_hash};
use azir_model::{IncidentState, RecoveryMode, RefusalKind, Role, Severity};
use serde_json::json;

use super::respond::{go, moved};
use super::stage::{FIRST_OWN_SEAT, Stage, node_of};
use super::{DrillError, DrillPlan, RunPlan, Way, collect, runbook, truth};
use crate::net::Message;
use crate::world::{drill_key, drill_secret};

/// Two epochs of hard-final advance are the exit criterion of 14.3.
const EXIT_BLOCKS: u64 = 2 * azir_atlas::EPOCH_SLOTS;

/// Cause and plan, then what the plan says up to the closed gates.
pub(super) fn bring_back(
    stage: &mut Stage<'_>,
    plan: &DrillPlan,
    run: &RunPlan,
) -> Result<(), DrillError> {
    state_cause(stage)?;
    let answers = answers(run);
    match run.way {
        Way::BranchReset => {
            preserve(stage)?;
            let scopes = own_scopes(stage);
            begin(stage, RecoveryMode::SpeculativeBranchReset, &BRANCH_OUTPUTS, scopes)?;
            runbook::until(stage, "reset-branches", &answers)?;
            runbook::perform(stage, "reset-branches", &mut |stage| reset(stage, run))?;
            runbook::until(stage, "propose-seats", &answers)?;
            runbook::perform(stage, "propose-seats", &mut truth::draft_seats)
        }
        Way::SafeRestart => {
            runbook::until(stage, "replace-seats", &answers)?;
            runbook::perform(stage, "replace-seats", &mut truth::draft_seats)?;
            restart(stage, plan, run)
        }
    }?;
    runbook::until(stage, "ready-to-rejoin", &answers)
}

const BRANCH_OUTPUTS: [&str; 2] = ["dropped_candidates_listed", "new_front"];
const RESTART_OUTPUTS: [&str; 3] = ["seats_replaced", "state_at_checkpoint", "acceptance_recorded"];

/// Answers to the runbook's questions in this run.
pub(super) fn answers(run: &RunPlan) -> [(&'static str, &'static str, &'static str); 2] {
    let way = match run.way {
        Way::BranchReset => "branch_reset",
        Way::SafeRestart => "safe_restart",
    };
    [
        (
            "classify",
            "adversarial_equivocation",
            "three keys signed two votes for one slot; both verify",
        ),
        ("choose-way", way, "follows from whether two hard-final histories exist"),
    ]
}

fn own_scopes(stage: &Stage<'_>) -> Vec<String> {
    stage.own_seats().iter().map(|(_, n)| format!("node:{n}")).collect()
}

/// What is known of the cause: bounded, and by an adversary (D-034, D-044).
fn state_cause(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let report = stage.view()?.replay.as_ref().map(|r| r.report);
    let report = report.ok_or_else(|| DrillError::script("no replay report"))?;
    let excluded = |candidate: &str| Excluded { candidate: candidate.to_owned(), evidence: report };
    let body = Body::CauseStated(CauseStated {
        candidates: vec![
            "three seats signed two votes for one slot on purpose or by running twice".to_owned(),
            "own implementation computes another state".to_owned(),
            "the rules allow two certificates with fewer than three faulty seats".to_owned(),
        ],
        excluded: vec![
            excluded("own implementation computes another state"),
            excluded("the rules allow two certificates with fewer than three faulty seats"),
        ],
        finding: "adversarial_equivocation".to_owned(),
        kind: None,
        adversarial: Some(Adversarial::Proven),
        statement: "The remaining candidate is proven by three fraud proofs. Every own control \
                    held: no own seat signed twice. The culprits' keys stay distrusted until \
                    their seats are replaced."
            .to_owned(),
        objects: Vec::new(),
        fix: None,
    });
    stage.act(Role::ConsensusLead, &body).map(|_| ())
}

/// Collects per node, and lets each agent give a preservation receipt. Before that the plan is
/// refused.
fn preserve(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let scopes = own_scopes(stage);
    let plan = planned(RecoveryMode::SpeculativeBranchReset, &BRANCH_OUTPUTS, scopes, stage);
    stage.must_refuse(
        Role::RecoveryOperator,
        &plan,
        RefusalKind::DestructiveBeforePreserve,
        "Planning to drop candidates before they are preserved",
        "the evidence against the culprits would be gone for good",
    )?;
    for (_, node) in stage.own_seats() {
        let source = format!("node:{node}");
        let view = stage.view()?;
        let held: Vec<_> = view
            .evidence
            .values()
            .flat_map(|r| &r.held)
            .filter(|d| d.source == source)
            .cloned()
            .collect();
        let items = evidence_list_hash(&held).map_err(DrillError::because)?;
        let receipt = Body::EvidencePreserved(EvidencePreserved { scope: source, items });
        stage.machine(&format!("agent:{node}"), &receipt)?;
    }
    Ok(())
}

fn planned(mode: RecoveryMode, outputs: &[&str], destroys: Vec<String>, stage: &Stage<'_>) -> Body {
    let exits: &[&str] = match mode {
        RecoveryMode::ProtocolSafeRestart => {
            &["hard_final_advanced_two_epochs", "roots_equal", "old_votes_refused"]
        }
        _ => &["hard_final_advanced_two_epochs", "roots_equal", "fronts_equal"],
    };
    let entry = match mode {
        RecoveryMode::ProtocolSafeRestart => {
            "two hard-final histories exist (conflicting_hard_final)"
        }
        _ => "the finalized path is verified, candidates above it are doubtful",
    };
    let subsystems = stage
        .own_seats()
        .into_iter()
        .flat_map(|(_, n)| ["verifier", "proposer", "notary"].map(|role| format!("{n}/{role}")));
    Body::RecoveryPlanned(RecoveryPlanned {
        mode,
        scope: "network:all".to_owned(),
        entry: entry.to_owned(),
        outputs: outputs.iter().map(|s| (*s).to_owned()).collect(),
        exits: exits.iter().map(|s| (*s).to_owned()).collect(),
        destroys,
        subsystems: subsystems.collect(),
    })
}

/// Plan, approval, RECOVERING.
fn begin(
    stage: &mut Stage<'_>,
    mode: RecoveryMode,
    outputs: &[&str],
    destroys: Vec<String>,
) -> Result<(), DrillError> {
    let body = planned(mode, outputs, destroys, stage);
    let plan = stage.act(Role::RecoveryOperator, &body)?;
    let approved = Body::RecoveryApproved(RecoveryApproved { plan });
    stage.act(Role::IncidentCommander, &approved)?;
    go(stage, Role::IncidentCommander, IncidentState::Recovering, None)
}

/// An output or exit criterion, with its proof.
fn produce(stage: &mut Stage<'_>, item: &str, proof: Digest) -> Result<(), DrillError> {
    let body = Body::RecoveryProduced(RecoveryProduced { item: item.to_owned(), proof });
    stage.act(Role::RecoveryOperator, &body).map(|_| ())
}

/// Branch reset: what is dropped is listed and stays as evidence.
fn reset(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    stage.fork = Some(super::tell::fork(stage, run)?);
    let trusted = truth::pinned(stage)?;
    let mut dropped = BTreeMap::new();
    for (seat, node) in stage.own_seats() {
        let held = stage.world.node(seat).map(|n| {
            let above = n.view().blocks().filter(|b| b.header.body().height > trusted.height);
            above.map(|b| b.id().to_string()).collect::<Vec<_>>()
        });
        let count = stage.world.drop_candidates_above(seat, trusted.height);
        dropped.insert(node, json!({"held": held.unwrap_or_default(), "dropped": count}));
    }
    let list = collect::store_json(stage, &json!(dropped))?;
    produce(stage, "dropped_candidates_listed", list)?;
    let fronts: BTreeMap<_, _> = stage
        .own_seats()
        .into_iter()
        .filter_map(|(s, n)| stage.world.node(s).map(|node| (n, node.front())))
        .collect();
    let equal = fronts.values().all(|f| Some(f) == fronts.values().next());
    let value = serde_json::to_value(&fronts).map_err(DrillError::because)?;
    let proof = collect::store_json(stage, &value)?;
    produce(stage, "new_front", proof)?;
    if equal {
        produce(stage, "fronts_equal", proof)?;
    }
    stage.check(
        "way_back",
        "after the branch reset all own nodes compute the same front",
        equal,
        format!("{} nodes, front at or above height {}", fronts.len(), trusted.height),
    );
    Ok(())
}

/// Protocol safe restart: a manifest of the restart authority, accepted by the operator.
fn restart(stage: &mut Stage<'_>, plan: &DrillPlan, run: &RunPlan) -> Result<(), DrillError> {
    let early = planned(RecoveryMode::ProtocolSafeRestart, &RESTART_OUTPUTS, vec![], stage);
    stage.must_refuse(
        Role::RecoveryOperator,
        &early,
        RefusalKind::ProtocolAuthorityRequired,
        "Planning a restart without a manifest of the restart authority",
        "no operator picks one of two hard-final histories by itself",
    )?;
    let body = manifest(stage, plan)?;
    let object = collect::store_json(stage, &json!(body))?;
    runbook::perform(stage, "draft-manifest", &mut |stage| {
        truth::draft(stage, Role::GovernanceLiaison, DraftKind::RestartManifest, object)
    })?;
    runbook::until(stage, "await-authority", &answers(run))?;
    let accepted = authority_signs(stage, &body)?;
    begin(stage, RecoveryMode::ProtocolSafeRestart, &RESTART_OUTPUTS, vec![])?;
    let secrets: BTreeMap<Seat, [u8; 32]> = plan
        .culprits
        .iter()
        .map(|s| (*s, drill_secret(stage.seed, "replacement", usize::from(s.0))))
        .collect();
    let old_vote = stage.world.node(Seat(FIRST_OWN_SEAT)).and_then(|n| {
        let mut votes = n.view().certificates().flat_map(|c| n.view().votes(c.slot, c.block));
        votes.next().cloned()
    });
    stage.world.restart(&accepted, &secrets).map_err(DrillError::because)?;
    for (seat, secret) in &secrets {
        stage.signers.others.replace(*seat, *secret);
    }
    let proof = stage.view()?.accepted.values().next().copied();
    let proof = proof.ok_or_else(|| DrillError::script("no manifest was accepted"))?;
    produce(stage, "seats_replaced", proof)?;
    produce(stage, "acceptance_recorded", proof)?;
    at_checkpoint(stage)?;
    refuse_old_votes(stage, old_vote)
}

fn manifest(stage: &Stage<'_>, plan: &DrillPlan) -> Result<RestartManifest, DrillError> {
    let trusted = truth::pinned(stage)?;
    let node = stage.world.node(Seat(FIRST_OWN_SEAT));
    let node = node.ok_or_else(|| DrillError::script("no own node"))?;
    let block = node.view().blocks().find(|b| b.id().0 == trusted.block).cloned();
    let block = block.ok_or_else(|| DrillError::script("the checkpoint is not held"))?;
    let header = block.header.body();
    Ok(RestartManifest {
        chain: stage.world.genesis().chain.clone(),
        restart: 1,
        anchor: block.header.place(),
        post_root: header.post_root,
        receipts_root: header.receipts_root,
        replaced: plan
            .culprits
            .iter()
            .map(|s| ReplacedSeat {
                seat: *s,
                key: drill_key(stage.seed, "replacement", usize::from(s.0)).public(),
            })
            .collect(),
        restrictions: vec![],
        reason: "two hard-final histories; seats 0, 1 and 2 signed both".to_owned(),
    })
}

/// Four of the five restart authorities sign outside azir; the operator checks and accepts.
fn authority_signs(
    stage: &mut Stage<'_>,
    body: &RestartManifest,
) -> Result<AcceptedRestart, DrillError> {
    let keys: Vec<_> = (0..4).map(|i| drill_key(stage.seed, "restart", i)).collect();
    let weak = SignedManifest::sign(body.clone(), &[&keys[0], &keys[1], &keys[2]]);
    let weak = weak.map_err(DrillError::because)?;
    let domain = stage.world.anchor().domain.clone();
    let refused = weak.accept(stage.world.genesis(), &domain, &mut Plain).is_err();
    stage.check(
        "refused",
        "a manifest with three of five authority signatures is refused",
        refused,
        "four are needed",
    );
    let signed = SignedManifest::sign(body.clone(), &keys.iter().collect::<Vec<_>>());
    let signed = signed.map_err(DrillError::because)?;
    let accepted = signed.accept(stage.world.genesis(), &domain, &mut Plain);
    let accepted = accepted.map_err(DrillError::because)?;
    let value = serde_json::to_value(&signed).map_err(DrillError::because)?;
    let manifest = collect::store_json(stage, &value)?;
    let body = Body::ManifestAccepted(ManifestAccepted { manifest, restart: body.restart });
    stage.act(Role::IncidentCommander, &body)?;
    Ok(accepted)
}

fn at_checkpoint(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let trusted = truth::pinned(stage)?;
    let all = stage.own_seats().iter().all(|(seat, _)| {
        stage.world.node(*seat).is_some_and(|n| n.hard_final().block.0 == trusted.block)
    });
    stage.check(
        "way_back",
        "every own node stands on the trusted checkpoint of the manifest",
        all,
        format!("height {}", trusted.height),
    );
    let value = json!({"height": trusted.height, "block": trusted.block, "equal": all});
    let proof = collect::store_json(stage, &value)?;
    produce(stage, "state_at_checkpoint", proof)
}

fn refuse_old_votes(
    stage: &mut Stage<'_>,
    old: Option<std::sync::Arc<azir_atlas::Sealed<azir_atlas::Vote>>>,
) -> Result<(), DrillError> {
    let Some(vote) = old else {
        return Err(DrillError::script("no vote of the old restart number is held"));
    };
    let seat = Seat(FIRST_OWN_SEAT);
    let before = stage.world.node(seat).map_or(0, |n| n.refused().len());
    stage.world.inject(seat, Message::Vote(vote));
    stage.run_slots(1, "restart")?;
    let refused = stage.world.node(seat).map(|n| n.refused()[before..].to_vec());
    let why = refused.unwrap_or_default().first().map(|r| r.why.to_string());
    stage.check(
        "refused",
        "votes of the old restart number are refused by the restarted network",
        why.is_some(),
        why.clone().unwrap_or_else(|| "accepted".to_owned()),
    );
    if let Some(why) = why {
        let proof = collect::store_json(stage, &json!({"refused": why}))?;
        produce(stage, "old_votes_refused", proof)?;
    }
    Ok(())
}

/// Exit criteria, MONITORING, the watch, closure, postmortem.
pub(super) fn finish(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    release(stage)?;
    let start = stage.world.node(Seat(FIRST_OWN_SEAT)).map_or(0, |n| n.hard_final().height);
    let mut slots = 0;
    while height(stage) < start + EXIT_BLOCKS && slots < 20 * azir_atlas::EPOCH_SLOTS {
        stage.run_slots(azir_atlas::EPOCH_SLOTS, "finality returns")?;
        slots += azir_atlas::EPOCH_SLOTS;
    }
    let advanced = height(stage) - start;
    stage.check(
        "way_back",
        "hard-final advanced two epochs after the roles came back",
        advanced >= EXIT_BLOCKS,
        format!("{advanced} blocks in {slots} slots"),
    );
    let report = truth::replay_again(stage)?;
    produce(stage, "hard_final_advanced_two_epochs", report)?;
    produce(stage, "roots_equal", report)?;
    observe_all(stage)?;
    let recorded = Body::RecoveryRecorded(RecoveryRecorded {
        done: true,
        statement: "roles are back in order, roots equal in two implementations".to_owned(),
        report: Some(report),
    });
    stage.act(Role::IncidentCommander, &recorded)?;
    runbook::until(stage, "publish-restored", &answers(run))?;
    runbook::perform(stage, "publish-restored", &mut |stage| {
        truth::publish(stage, "Finality is restored; reads are final again.")
    })?;
    runbook::end(stage)?;
    go(stage, Role::IncidentCommander, IncidentState::Monitoring, None)?;
    close(stage)
}

fn height(stage: &Stage<'_>) -> u64 {
    stage.world.node(Seat(FIRST_OWN_SEAT)).map_or(0, |n| n.hard_final().height)
}

fn observe_all(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    for (seat, _) in stage.own_seats() {
        stage.observe(seat)?;
    }
    Ok(())
}

fn release(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let measures: Vec<_> = stage.view()?.measures.keys().cloned().collect();
    let lift = Body::MeasureReleased(MeasureReleased {
        measure: measures.first().cloned().unwrap_or_default(),
        reason: "automatic".to_owned(),
    });
    let signed = stage.machine("server:azir", &lift);
    let refusal = match signed {
        Err(DrillError::Refused { refusal, .. }) => Some(refusal),
        _ => None,
    };
    stage.judge_refusal(
        refusal,
        RefusalKind::NotAuthorized,
        None,
        "server:azir",
        "Lifting a measure by the server itself",
        "nothing is lifted automatically; a named person says so",
    );
    for measure in measures {
        let reason = "its gates came back by restart decisions".to_owned();
        let body = Body::MeasureReleased(MeasureReleased { measure, reason });
        stage.act(Role::IncidentCommander, &body)?;
    }
    Ok(())
}

fn close(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let early = moved(stage, IncidentState::Closed, None)?;
    stage.approve(Role::ConsensusLead, &early)?;
    stage.must_refuse(
        Role::IncidentCommander,
        &early,
        RefusalKind::GuardUnmet,
        "Closing before the watch is over and before anybody reviewed",
        "a critical incident does not end because telemetry is quiet",
    )?;
    let window = stage.policy.windows.mon_ms.at(Severity::Sev5Systemic);
    stage.run_slots(window.div_ceil(azir_atlas::SLOT_MS) + 1, "watching")?;
    observe_all(stage)?;
    settle_evidence(stage)?;
    let review = Body::ReviewSigned(ReviewSigned {
        finding: "evidence complete, recovery proven by replay, no measure left".to_owned(),
    });
    stage.must_refuse(
        Role::IncidentCommander,
        &review,
        RefusalKind::RoleConflict,
        "The commander reviewing the own closure",
        "the review is by somebody who neither commanded nor recovered",
    )?;
    stage.act(Role::ConsensusLead, &review)?;
    let body = moved(stage, IncidentState::Closed, None)?;
    stage.approve(Role::ConsensusLead, &body)?;
    stage.act(Role::IncidentCommander, &body)?;
    publish(stage)
}

/// The last items of the checklist.
fn settle_evidence(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let missing = azir_engine::evidence::missing(stage.view()?);
    stage.check(
        "seen",
        "the evidence checklist is complete",
        missing.is_empty(),
        if missing.is_empty() { "every item has an end state".into() } else { missing.join("; ") },
    );
    Ok(())
}

fn publish(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    stage.check(
        "way_back",
        "closing a systemic incident leads to POSTMORTEM_PENDING in the same step",
        stage.view()?.state == IncidentState::PostmortemPending,
        stage.view()?.state.to_string(),
    );
    let doc = super::postmortem::written(stage)?;
    let bytes = canon::encode(&doc).map_err(DrillError::because)?;
    let body = Body::PostmortemPublished(PostmortemPublished {
        document: stage.plane.store(bytes),
        kinds: doc.kinds,
        conformance: doc.conformance,
        embargo: None,
    });
    stage.approve(Role::AuditScribe, &body)?;
    stage.approve(Role::ConsensusLead, &body)?;
    stage.act(Role::IncidentCommander, &body)?;
    go(stage, Role::IncidentCommander, IncidentState::PostmortemPublished, None)?;
    let derived = status::derive(stage.plane.engine().state(), stage.now());
    stage.check(
        "way_back",
        "the derived public status is healthy again",
        derived.operator == status::StatusClass::Healthy
            && derived.network == status::StatusClass::Healthy,
        derived.facts.iter().map(|f| f.text.as_str()).collect::<Vec<_>>().join("; "),
    );
    Ok(())
}

/// Collected items beyond the pins, from the first own node.
pub(super) fn collected(
    stage: &mut Stage<'_>,
    items: Vec<(Item, serde_json::Value)>,
    verified_by: &str,
) -> Result<(), DrillError> {
    let node = node_of(FIRST_OWN_SEAT);
    let agent = format!("agent:{node}");
    let mut list = Vec::new();
    for (item, value) in items {
        list.push(collect::keep(stage, item, &node, &agent, &value)?);
    }
    let body = Body::EvidenceCollected(EvidenceItems {
        scope: format!("node:{node}"),
        items: list,
        verified_by: Some(verified_by.to_owned()),
    });
    stage.machine(&agent, &body).map(|_| ())
}
