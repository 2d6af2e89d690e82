//! Replay, checkpoint, cause, plan, approval and recovery state.

use azir_ledger::{Digest, SeenFinal};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentState as S, RecoveryMode, RefusalKind as K, Role};
use serde_json::json;

use crate::Body;
use crate::body::{
    CheckpointPinned, DraftKind, DraftMade, RecoveryApproved, RecoveryProduced, RecoveryRecorded,
    ReplayReported, ReplayVerdict, RoleAssigned,
};
use crate::testing::{Stage, among, at, kinds, only, with};

/// R-27.2-2: nothing is replayed while one own gate is not stated closed; R-27.2-1: nor from a
/// block that is not hard-final.
#[test]
fn a_replay_runs_behind_closed_gates_from_a_final_block() {
    let mut stage = at(S::Stabilized);
    let good = stage.replay();
    let report = |b: &ReplayReported| Body::ReplayReported(b.clone());
    let high = ReplayReported {
        checkpoint: SeenFinal { height: 10_000, block: Digest::of(b"dashboard") },
        ..good.clone()
    };
    only(&stage.refused(Role::RecoveryOperator, &report(&high)), K::CheckpointUntrusted, "10000");
    let lost = ReplayReported { report: Digest::of(b"lost"), ..good.clone() };
    only(&stage.refused(Role::RecoveryOperator, &report(&lost)), K::EvidenceMissing, "report");
    only(&stage.refused(Role::AuditScribe, &report(&good)), K::NotAuthorized, "replay");
    let mut open = at(S::Containing);
    open.gate("n2", NodeRole::Verifier, true);
    let body = Body::ReplayReported(open.replay());
    only(&open.refused(Role::RecoveryOperator, &body), K::GuardUnmet, "freeze: n2/verifier");
    stage.act(Role::RecoveryOperator, &report(&good));
}

/// 27.2 step 2 with annex N.1: a fault of one node's operations freezes that node and no other.
#[test]
fn a_fault_of_one_node_freezes_that_node_only() {
    let mut stage = at(S::Stabilized);
    stage.gate("n2", NodeRole::Verifier, true);
    let frozen = |class, scope: &str| {
        let mut view = stage.view().clone();
        view.class = class;
        view.duties = [class].into();
        view.scopes = vec![scope.to_owned()];
        crate::facts::not_frozen(stage.state(), &view)
    };
    use azir_model::IncidentClass as C;
    assert!(frozen(C::Infrastructure, "node:n1/notary").is_empty());
    assert_eq!(frozen(C::Infrastructure, "node:n2"), ["n2/verifier"]);
    assert_eq!(frozen(C::Infrastructure, "network:all"), ["n2/verifier"]);
    assert_eq!(frozen(C::Consensus, "node:n1"), ["n2/verifier"]);
}

/// D-099: a matching verdict needs two implementations of different source.
#[test]
fn one_implementation_matches_nothing() {
    let mut stage = at(S::Stabilized);
    let mut body = stage.replay();
    body.families = vec!["azref".to_owned(), "azref".to_owned()];
    let body = Body::ReplayReported(body);
    only(&stage.refused(Role::RecoveryOperator, &body), K::ReplayMismatch, "1 independent");
}

/// R-9.1-8, R-27.2-1: the checkpoint is the one that a matching replay computed, pinned by two.
#[test]
fn the_checkpoint_is_computed_and_pinned_by_two() {
    let mut stage = at(S::Stabilized);
    let pin = stage.pin();
    let body = |b: &CheckpointPinned| Body::CheckpointPinned(b.clone());
    stage.approve(Role::ConsensusLead, &body(&pin));
    let refusal = stage.refused(Role::IncidentCommander, &body(&pin));
    only(&refusal, K::CheckpointUntrusted, "quotes no replay");
    let mut diverged = stage.replay();
    diverged.verdict = ReplayVerdict::Diverged;
    stage.act(Role::RecoveryOperator, &Body::ReplayReported(diverged));
    let refusal = stage.refused(Role::IncidentCommander, &body(&pin));
    only(&refusal, K::CheckpointUntrusted, "does not match");
    let replay = Body::ReplayReported(stage.replay());
    stage.act(Role::RecoveryOperator, &replay);
    let mut wished = pin.clone();
    wished.checkpoint.height += 1;
    stage.approve(Role::ConsensusLead, &body(&wished));
    let refusal = stage.refused(Role::IncidentCommander, &body(&wished));
    only(&refusal, K::CheckpointUntrusted, "height 101 is not the computed 100");
    let to = stage.moves(S::Recovering);
    among(&stage.refused(Role::IncidentCommander, &to), K::GuardUnmet, "truth");
    let mut alone = stage.fork();
    alone.approve(Role::IncidentCommander, &body(&wished));
    let refusal = alone.refused(Role::IncidentCommander, &body(&wished));
    among(&refusal, K::CheckpointUntrusted, "101");
    stage.act(Role::IncidentCommander, &body(&pin));
    assert_eq!(stage.view().checkpoint, Some(pin.checkpoint));
}

/// R-29.1-1: the cause is stated with candidates, exclusions by evidence, and what remains.
#[test]
fn each_condition_of_a_cause_fails_alone() {
    let mut stage = at(S::Stabilized);
    let good = Body::CauseStated(stage.cause());
    let refused = |stage: &mut Stage, body: &Body| stage.refused(Role::ConsensusLead, body);
    let none = with(&with(&good, "candidates", json!([])), "excluded", json!([]));
    only(&refused(&mut stage, &none), K::GuardUnmet, "no candidate");
    let silent = with(&good, "statement", json!(""));
    only(&refused(&mut stage, &silent), K::GuardUnmet, "no statement");
    let all = with(&good, "candidates", json!(["own bug"]));
    only(&refused(&mut stage, &all), K::GuardUnmet, "every candidate is excluded");
    let foreign = with(&good, "candidates", json!(["three keys signed twice"]));
    only(&refused(&mut stage, &foreign), K::InvalidSchema, "no candidate");
    let lost = json!([{"candidate": "own bug", "evidence": Digest::of(b"lost")}]);
    let lost = with(&good, "excluded", lost);
    only(&refused(&mut stage, &lost), K::EvidenceMissing, "excluding evidence");
    only(&stage.refused(Role::SecurityLead, &good), K::NotAuthorized, "criterion");
    stage.act(Role::ConsensusLead, &good);
}

/// R-14.2-5, R-14.2-9, R-14.2-10, R-14.2-11, R-14.2-12: each classification of 14.2 rests on what
/// it needs, and there is no fifth.
#[test]
fn a_classification_rests_on_what_it_needs() {
    let mut stage = at(S::Stabilized);
    let word = |stage: &mut Stage, word: &str| {
        let body = stage.cause();
        with(&Body::CauseStated(body), "finding", json!(word))
    };
    let body = word(&mut stage, "bad_luck");
    only(&stage.refused(Role::ConsensusLead, &body), K::UnknownEnum, "bad_luck");
    let divergence = word(&mut stage, "local_implementation_divergence");
    only(&stage.refused(Role::ConsensusLead, &divergence), K::EvidenceMissing, "differ");
    let fault = word(&mut stage, "genuine_protocol_fault");
    only(&stage.refused(Role::ConsensusLead, &fault), K::EvidenceUnverified, "agree");
    let mut invalid = stage.cause();
    (invalid.finding, invalid.adversarial) = ("invalid_object".to_owned(), None);
    let invalid = Body::CauseStated(invalid);
    only(&stage.refused(Role::ConsensusLead, &invalid), K::GuardUnmet, "is an input");
    let suspected = with(&invalid, "adversarial", json!("suspected"));
    stage.act(Role::ConsensusLead, &suspected);
    let mut diverged = stage.replay();
    diverged.verdict = ReplayVerdict::Diverged;
    stage.act(Role::RecoveryOperator, &Body::ReplayReported(diverged));
    only(&stage.refused(Role::ConsensusLead, &fault), K::EvidenceUnverified, "agree");
    stage.act(Role::ConsensusLead, &divergence);
    let mut unproven = Stage::begun();
    unproven.open();
    unproven.prepare_triage();
    let body = word(&mut unproven, "adversarial_equivocation");
    only(&unproven.refused(Role::ConsensusLead, &body), K::EvidenceMissing, "pair");
    let equivocation = word(&mut stage, "adversarial_equivocation");
    stage.act(Role::ConsensusLead, &equivocation);
}

fn established() -> Stage {
    let mut stage = at(S::Stabilized);
    stage.establish();
    stage
}

/// R-5.1-6, R-9.2-1, R-26.2-1: a plan has four parts, an entry that holds now, and destroys nothing
/// that is not preserved.
#[test]
fn each_condition_of_a_plan_fails_alone() {
    let mut stage = established();
    let good = Body::RecoveryPlanned(stage.plan());
    let refused = |stage: &mut Stage, body: &Body| stage.refused(Role::RecoveryOperator, body);
    for (member, part) in [("scope", "target"), ("entry", "entry")] {
        only(&refused(&mut stage, &with(&good, member, json!(""))), K::GuardUnmet, part);
    }
    for (member, part) in [("outputs", "part outputs"), ("exits", "part exit")] {
        only(&refused(&mut stage, &with(&good, member, json!([]))), K::GuardUnmet, part);
    }
    let wipe = with(&good, "destroys", json!(["node:n1", "node:n2"]));
    only(&refused(&mut stage, &wipe), K::DestructiveBeforePreserve, "node:n2");
    let domain = with(&good, "mode", json!("RM_DOMAIN_REENABLE"));
    only(&refused(&mut stage, &domain), K::GuardUnmet, "entry: the conditions");
    only(&stage.refused(Role::AuditScribe, &good), K::NotAuthorized, "plan");
    let mut early = at(S::Stabilized);
    let refusal = early.refused(Role::RecoveryOperator, &good);
    assert_eq!(kinds(&refusal), [K::GuardUnmet, K::DestructiveBeforePreserve], "all at once");
    stage.act(Role::RecoveryOperator, &good);
    let to = stage.moves(S::Recovering);
    only(&stage.refused(Role::IncidentCommander, &to), K::GuardUnmet, "approval");
}

/// R-26.2-2, R-8.2-6: a rebuild of a node waits for the gates of that node, and of no other.
#[test]
fn a_rebuild_waits_for_the_gates_of_its_node() {
    let mut stage = at(S::Containing);
    let mut plan = stage.plan();
    plan.mode = RecoveryMode::LocalRebuild;
    plan.exits.push("reference_roots_equal".to_owned());
    plan.scope = "node:n1".to_owned();
    plan.destroys.clear();
    let plan = Body::RecoveryPlanned(plan);
    stage.gate("n2", NodeRole::Notary, true);
    stage.act(Role::RecoveryOperator, &plan);
    stage.gate("n1", NodeRole::Notary, true);
    only(&stage.refused(Role::RecoveryOperator, &plan), K::GuardUnmet, "entry: the conditions");
}

/// R-8.2-6, R-14.3-5: a protocol restart needs its profile and a manifest of the restart authority.
#[test]
fn a_protocol_restart_needs_its_profile_and_a_manifest() {
    let mut stage = established();
    let mut conflict = stage.observation("n1", 0);
    conflict.conflicting_hard_final = true;
    stage.machine("agent:n1", &Body::NetworkObserved(conflict));
    let mut plan = stage.plan();
    plan.mode = RecoveryMode::ProtocolSafeRestart;
    let refusal = stage.refused(Role::RecoveryOperator, &Body::RecoveryPlanned(plan));
    assert_eq!(kinds(&refusal), [K::ProfileExceeded, K::ProtocolAuthorityRequired]);
    let object = stage.keep("manifest");
    let draft = Body::DraftMade(DraftMade {
        draft: DraftKind::RestartManifest,
        object,
        measure: None,
        justification: None,
        parameters: None,
    });
    only(
        &stage.refused(Role::GovernanceLiaison, &draft),
        K::ProfileExceeded,
        "RP_PROTOCOL_RECOVERY",
    );
}

/// R-9.1-9: the author of a plan does not approve it.
#[test]
fn a_plan_is_approved_by_another_person() {
    let mut stage = established();
    let give = |stage: &mut Stage, person: &str, role| {
        let person = person.to_owned();
        stage.act(Role::IncidentCommander, &Body::RoleAssigned(RoleAssigned { person, role }));
    };
    give(&mut stage, "operator:jan", Role::RecoveryOperator);
    let body = Body::RecoveryPlanned(stage.plan());
    let event = stage.event("operator:jan", Some(Role::RecoveryOperator), &body);
    let signed = Stage::sign(&event);
    let plan = signed.hash();
    stage.submit(signed).unwrap();
    let approved = Body::RecoveryApproved(RecoveryApproved { plan });
    only(&stage.refused(Role::ConsensusLead, &approved), K::NotAuthorized, "approve");
    let older = Body::RecoveryApproved(RecoveryApproved { plan: Digest::of(b"older") });
    only(&stage.refused(Role::IncidentCommander, &older), K::StaleView, "newest plan");
    give(&mut stage, "operator:florin", Role::RecoveryOperator);
    give(&mut stage, "operator:jan", Role::IncidentCommander);
    let event = stage.event("operator:jan", Some(Role::IncidentCommander), &approved);
    let refusal = stage.submit(Stage::sign(&event)).unwrap_err();
    only(&refusal, K::RoleConflict, "operator:jan prepared this plan");
}

/// R-5.1-7, R-9.1-10: MONITORING waits for every output, exit criterion and reopened role.
#[test]
fn monitoring_waits_for_every_exit_item() {
    let mut stage = at(S::Recovering);
    let unknown = Body::RecoveryProduced(RecoveryProduced {
        item: "a good feeling".to_owned(),
        proof: stage.keep("x"),
    });
    only(&stage.refused(Role::RecoveryOperator, &unknown), K::InvalidSchema, "a good feeling");
    let lost = Body::RecoveryProduced(RecoveryProduced {
        item: "roots_equal".to_owned(),
        proof: Digest::of(b"lost"),
    });
    only(&stage.refused(Role::RecoveryOperator, &lost), K::EvidenceMissing, "proof");
    stage.produce("dropped_candidates_listed");
    let recorded = Body::RecoveryRecorded(stage.recorded());
    let refusal = stage.refused(Role::IncidentCommander, &recorded);
    among(&refusal, K::GuardUnmet, "exit: roots_equal");
    among(&refusal, K::GuardUnmet, "exit: n1/notary is not open");
    assert_eq!(refusal.unmet().len(), 7, "one output and six roles: {refusal}");
    let to = stage.moves(S::Monitoring);
    let refusal = stage.refused(Role::IncidentCommander, &to);
    among(&refusal, K::GuardUnmet, "exit: missing roots_equal");
}

/// R-5.2-3: from SEV_4 a recovery state names the report that proves it.
#[test]
fn a_recovery_state_names_its_report() {
    let mut stage = at(S::Stabilized);
    let none = RecoveryRecorded { done: false, statement: "local".to_owned(), report: None };
    let refusal = stage.refused(Role::IncidentCommander, &Body::RecoveryRecorded(none.clone()));
    only(&refusal, K::GuardUnmet, "recstate");
    let lost = RecoveryRecorded { report: Some(Digest::of(b"lost")), ..none.clone() };
    let refusal = stage.refused(Role::IncidentCommander, &Body::RecoveryRecorded(lost));
    only(&refusal, K::EvidenceMissing, "recovery report");
    let to = stage.moves(S::Monitoring);
    among(&stage.refused(Role::IncidentCommander, &to), K::GuardUnmet, "nothing_to_recover");
    let report = Some(stage.keep("consistency report"));
    let proven = Body::RecoveryRecorded(RecoveryRecorded { report, ..none });
    only(&stage.refused(Role::AuditScribe, &proven), K::NotAuthorized, "");
    stage.act(Role::IncidentCommander, &proven);
}

/// A failed attempt voids its plan; a failed check asks for every item again.
#[test]
fn going_back_voids_what_was_proved() {
    let mut stage = at(S::Recovering);
    stage.produce("roots_equal");
    let report = stage.keep("failed");
    let mut body = stage.moves(S::Stabilized);
    if let Body::StateMoved(b) = &mut body {
        (b.reason, b.report) = (Some("the front differs".to_owned()), Some(report));
    }
    stage.act(Role::RecoveryOperator, &body);
    assert!(stage.view().plan.is_none());
    let mut stage = at(S::Monitoring);
    let mut body = stage.moves(S::Recovering);
    if let Body::StateMoved(b) = &mut body {
        b.reason = Some("a root differs".to_owned());
    }
    stage.act(Role::IncidentCommander, &body);
    let view = stage.view();
    assert!(view.plan.as_ref().unwrap().produced.is_empty() && view.recovery.is_none());
}
