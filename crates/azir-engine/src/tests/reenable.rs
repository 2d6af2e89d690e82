//! Restart criteria, decisions, phases and waves.

use azir_ledger::{Digest, canon};
use azir_model::restart::{Criterion, RESTART_VALID_MS, criteria_digest};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use serde_json::json;

use crate::Body;
use crate::body::{KeyRevoked, NoteAdded, PhaseCarried, RoleAssigned};
use crate::testing::walk::{signer, subsystem};
use crate::testing::{EPOCH_MS, Stage, among, at, kinds, only, with};

fn criterion(stage: &mut Stage, criterion: Criterion) -> Body {
    let of = subsystem("n1", NodeRole::Verifier);
    Body::CriterionSigned(stage.criterion(&of, criterion))
}

fn refused(stage: &mut Stage, which: Criterion) -> azir_model::Refusal {
    let body = criterion(stage, which);
    match signer(which) {
        Role::Automatic => stage.machine_refused("server:a", &body),
        role => stage.refused(role, &body),
    }
}

/// R-29.1-1: rc1 waits for a bounded cause.
#[test]
fn rc1_waits_for_a_bounded_cause() {
    let mut stage = at(S::Stabilized);
    only(&refused(&mut stage, Criterion::RootCause), K::CriteriaUnmet, "rc1: the cause");
}

/// R-16.2-8: nothing comes back on criteria that nobody recorded: neither decided nor carried out.
#[test]
fn no_phase_without_recorded_criteria() {
    let mut stage = at(S::Recovering);
    stage.restate();
    let of = subsystem("n1", NodeRole::Verifier);
    let decided = Body::RestartDecided(stage.restart(&of, Digest::of(b"no criteria")));
    only(&stage.refused(Role::IncidentCommander, &decided), K::CriteriaUnmet, "no criterion of");
    let decision = Digest::of(b"no decision");
    let body = Body::PhaseCarried(PhaseCarried { subsystem: of.clone(), decision });
    only(&stage.refused(Role::RecoveryOperator, &body), K::CriteriaUnmet, "rc8: n1/verifier");
    stage.carry(&of);
}

/// R-6.1-6: rc1 of a consensus incident is the Consensus Lead's, and each criterion has its signer.
#[test]
fn each_criterion_has_its_signer() {
    let mut stage = at(S::Recovering);
    stage.restate();
    for which in Criterion::ALL {
        let body = criterion(&mut stage, *which);
        for role in
            [Role::SecurityLead, Role::ExecutionLead, Role::RecoveryOperator, Role::AuditScribe]
        {
            let may = which.signers_in(azir_model::IncidentClass::Consensus).contains(&role);
            if !may {
                among(&stage.refused(role, &body), K::NotAuthorized, "criterion");
            }
        }
    }
    let body = criterion(&mut stage, Criterion::RootCause);
    only(&stage.machine_refused("server:a", &body), K::NotAuthorized, "criterion");
}

/// R-29.1-2: rc2 fails while damage is seen or was seen inside the window, while a measure is not
/// in force, and when a gate has said nothing for three lease periods.
#[test]
fn rc2_waits_for_containment_that_holds() {
    let mut stage = at(S::Recovering);
    stage.restate();
    stage.wait(170_000);
    let body = criterion(&mut stage, Criterion::Containment);
    stage.act(Role::IncidentCommander, &body);
    stage.wait(10_000);
    let refusal = refused(&mut stage, Criterion::Containment);
    only(&refusal, K::CriteriaUnmet, "rc2: no statement within 180000 ms: n1/notary");
    for role in crate::testing::SIGNING {
        stage.gate("n1", role, false);
    }
    stage.gate("n2", NodeRole::Verifier, false);
    stage.gate("n2", NodeRole::Notary, false);
    let refusal = refused(&mut stage, Criterion::Containment);
    only(&refusal, K::CriteriaUnmet, "180000 ms: n2/proposer");
    stage.restate();
    stage.observe(1);
    assert_eq!(stage.view().state, S::Containing);
    only(&refused(&mut stage, Criterion::Containment), K::CriteriaUnmet, "not known to be zero");
    stage.wait(60_000);
    stage.observe(0);
    only(&refused(&mut stage, Criterion::Containment), K::CriteriaUnmet, "zero for");
    let mut stage = at(S::Stabilized);
    stage.obey = false;
    let again = with(&Body::MeasureCommanded(stage.measure("n1")), "measure", json!("more"));
    let again = with(&again, "roles", json!(["validation"]));
    stage.act(Role::OnCallOperator, &again);
    stage.restate();
    only(&refused(&mut stage, Criterion::Containment), K::CriteriaUnmet, "not in force: more");
}

/// R-29.1-3, R-27.2-8, R-40.0-8: rc3 waits for a replay that matches, whatever telemetry says.
#[test]
fn rc3_waits_for_a_matching_replay() {
    let mut stage = at(S::Stabilized);
    only(&refused(&mut stage, Criterion::Replay), K::CriteriaUnmet, "rc3: no matching");
    // The newest observation of every node is good: no guard reads it in place of the replay.
    stage.observe(0);
    only(&refused(&mut stage, Criterion::Replay), K::CriteriaUnmet, "rc3: no matching");
    let mut diverged = stage.replay();
    diverged.verdict = crate::body::ReplayVerdict::Diverged;
    stage.act(Role::RecoveryOperator, &Body::ReplayReported(diverged));
    only(&refused(&mut stage, Criterion::Replay), K::CriteriaUnmet, "rc3: no matching");
}

/// R-29.1-5: rc5 fails while a key of the subsystem is revoked and not replaced.
#[test]
fn rc5_fails_for_a_revoked_key() {
    let mut stage = at(S::Recovering);
    let incident = stage.incident.take();
    let revoked = Body::KeyRevoked(KeyRevoked {
        actor: "gate:n1/verifier".to_owned(),
        reason: "copied".to_owned(),
    });
    stage.approve(Role::IncidentCommander, &revoked);
    stage.act(Role::SecurityLead, &revoked);
    stage.incident = incident;
    only(
        &refused(&mut stage, Criterion::Keys),
        K::CriteriaUnmet,
        "rc5: the key of gate:n1/verifier",
    );
}

/// R-29.1-6: rc6 waits for the approval of the plan; R-29.1-7: rc7 for a sound store.
#[test]
fn rc6_waits_for_approvals_and_rc7_for_telemetry() {
    let mut stage = at(S::Stabilized);
    stage.establish();
    let plan = Body::RecoveryPlanned(stage.plan());
    stage.act(Role::RecoveryOperator, &plan);
    only(&refused(&mut stage, Criterion::Reviews), K::CriteriaUnmet, "rc6");
    let mut damaged = stage.observation("n1", 0);
    damaged.store_ok = false;
    stage.machine("agent:n1", &Body::NetworkObserved(damaged));
    only(&refused(&mut stage, Criterion::Telemetry), K::CriteriaUnmet, "rc7");
}

/// R-29.2-1: there is no state for an impression, a proof is held, and a signing role has
/// nothing that does not apply.
#[test]
fn an_impression_is_no_criterion() {
    let mut stage = at(S::Recovering);
    let note = Body::NoteAdded(NoteAdded { text: "seems fine".to_owned() });
    stage.act(Role::ConsensusLead, &note);
    let body = criterion(&mut stage, Criterion::Replay);
    let mut event = stage.event("operator:carmen", Some(Role::ConsensusLead), &body);
    event.body["state"] = json!({"state": "seems_fine", "summary": "looks fine"});
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "seems_fine");
    let lost = with(
        &body,
        "state",
        json!({"state": "satisfied", "proof": Digest::of(b"lost"), "summary": ""}),
    );
    only(&stage.refused(Role::ConsensusLead, &lost), K::EvidenceMissing, "proof");
    let aside = with(&body, "state", json!({"state": "not_applicable", "reason": "fine"}));
    only(&stage.refused(Role::ConsensusLead, &aside), K::CriteriaUnmet, "cannot be set aside");
    assert!(stage.view().restarts.is_empty());
}

/// R-29.1-8: a restart rests on the seven criteria that its decision quotes; R-29.1-9: none is set
/// aside for a role that signs.
#[test]
fn a_decision_rests_on_its_seven_criteria() {
    let mut stage = at(S::Recovering);
    let of = subsystem("n1", NodeRole::Verifier);
    let bare = Body::RestartDecided(stage.restart(&of, criteria_digest(&[])));
    only(&stage.refused(Role::IncidentCommander, &bare), K::CriteriaUnmet, "no criterion");
    stage.restate();
    let rc5 = criterion(&mut stage, Criterion::Keys);
    stage.act(Role::SecurityLead, &rc5);
    let refusal = stage.refused(Role::IncidentCommander, &bare);
    let missing = refusal.unmet().iter().filter(|u| u.what.ends_with(": missing")).count();
    assert_eq!(missing, 6, "every missing criterion is named: {refusal}");
    among(&refusal, K::CriteriaUnmet, "rc8: the criteria are not those");
    let criteria = stage.sign_criteria(&of);
    let good = Body::RestartDecided(stage.restart(&of, criteria));
    among(&stage.refused(Role::ConsensusLead, &good), K::NotAuthorized, "decide a restart");
    let phase = with(&good, "phase", json!(6));
    among(&stage.refused(Role::IncidentCommander, &phase), K::PhaseOrder, "phase 4");
    let other = with(&good, "criteria", json!(criteria_digest(&[])));
    only(&stage.refused(Role::IncidentCommander, &other), K::CriteriaUnmet, "rc8");
    let aside = json!({"criteria": ["rc3"], "reason": "urgent"});
    let aside = with(&good, "set_aside", aside);
    only(&stage.refused(Role::IncidentCommander, &aside), K::CriteriaUnmet, "cannot be set aside");
    let old = with(&good, "decided_at", json!(stage.now.plus_ms(-RESTART_VALID_MS - 5_000)));
    only(&stage.refused(Role::IncidentCommander, &old), K::CriteriaUnmet, "valid 60 minutes");
    stage.act(Role::IncidentCommander, &good);
    let rc5 = criterion(&mut stage, Criterion::Keys);
    stage.act(Role::SecurityLead, &rc5);
    let restart = &stage.view().restarts["n1/verifier"];
    assert!(restart.decision.is_none(), "a newer criterion ends the decision");
}

/// R-30.1-6, R-6.1-4: the notary comes back with the Consensus Lead's signature.
#[test]
fn the_notary_needs_a_second_signature() {
    let mut stage = at(S::Recovering);
    let of = subsystem("n1", NodeRole::Notary);
    let criteria = stage.sign_criteria(&of);
    let body = Body::RestartDecided(stage.restart(&of, criteria));
    only(&stage.refused(Role::IncidentCommander, &body), K::SecondPersonRequired, "");
    stage.approve(Role::ConsensusLead, &body);
    stage.act(Role::IncidentCommander, &body);
}

fn carry(stage: &Stage, node: &str, role: NodeRole) -> Body {
    let subsystem = subsystem(node, role);
    let decision = stage.view().restarts[&subsystem.to_string()].decision.unwrap();
    Body::PhaseCarried(PhaseCarried { subsystem, decision })
}

/// R-29.1-8, R-30.1-4, R-30.1-5, R-30.2-1: no role returns without its decision, before a lower
/// one, or before that has dwelt.
#[test]
fn roles_return_in_order_with_dwell_and_decision() {
    let mut stage = at(S::Recovering);
    let of = subsystem("n1", NodeRole::Verifier);
    let decision = Digest::of(b"none");
    let bare = Body::PhaseCarried(PhaseCarried { subsystem: of.clone(), decision });
    among(&stage.refused(Role::RecoveryOperator, &bare), K::CriteriaUnmet, "rc8");
    stage.decide_restart(&subsystem("n1", NodeRole::Notary));
    let early = carry(&stage, "n1", NodeRole::Notary);
    let refusal = stage.refused(Role::RecoveryOperator, &early);
    assert_eq!(kinds(&refusal), [K::PhaseOrder; 2], "verifier and proposer are closed: {refusal}");
    stage.decide_restart(&of);
    let body = carry(&stage, "n1", NodeRole::Verifier);
    only(&stage.refused(Role::IncidentCommander, &body), K::NotAuthorized, "phase");
    stage.act(Role::RecoveryOperator, &body);
    let reopen = stage.reopens.last().unwrap();
    assert_eq!((reopen.node.as_str(), reopen.role), ("n1", NodeRole::Verifier));
    assert_eq!(reopen.file.criteria.len(), 7, "the gate gets what it checks itself");
    assert!(canon::encode(&reopen.file).is_ok());
    let proposer = subsystem("n1", NodeRole::Proposer);
    stage.decide_restart(&proposer);
    let body = carry(&stage, "n1", NodeRole::Proposer);
    only(&stage.refused(Role::RecoveryOperator, &body), K::PhaseOrder, "dwelt 0 of 2");
    stage.wait(2 * EPOCH_MS);
    stage.act(Role::RecoveryOperator, &body);
    stage.decide_restart(&subsystem("n1", NodeRole::Verifier));
    let body = carry(&stage, "n1", NodeRole::Verifier);
    stage.wait(RESTART_VALID_MS + 1);
    among(&stage.refused(Role::RecoveryOperator, &body), K::CriteriaUnmet, "valid 60 minutes");
}

/// R-30.1-4, R-2.4-2: nothing above a closed lower phase comes back, so never all at once.
#[test]
fn a_closed_lower_phase_holds_every_higher_one() {
    let mut stage = at(S::Recovering);
    stage.gate("n1", NodeRole::Validation, false);
    stage.decide_restart(&subsystem("n1", NodeRole::Verifier));
    let body = carry(&stage, "n1", NodeRole::Verifier);
    only(&stage.refused(Role::RecoveryOperator, &body), K::PhaseOrder, "n1/validation is closed");
}

/// R-30.2-3: one canary, and the next seat only when it has dwelt.
#[test]
fn seats_return_in_waves() {
    let mut stage = at(S::Recovering);
    stage.carry(&subsystem("n1", NodeRole::Verifier));
    stage.decide_restart(&subsystem("n2", NodeRole::Verifier));
    let body = carry(&stage, "n2", NodeRole::Verifier);
    let refusal = stage.refused(Role::RecoveryOperator, &body);
    among(&refusal, K::PhaseOrder, "canary n1");
    stage.wait(EPOCH_MS);
    stage.act(Role::RecoveryOperator, &body);
}

/// R-6.1-8: whoever signed a restart criterion does not carry the recovery out.
#[test]
fn a_criterion_signer_does_not_carry_out_the_recovery() {
    let mut stage = at(S::Recovering);
    let give =
        |person: &str, role| Body::RoleAssigned(RoleAssigned { person: person.to_owned(), role });
    let to_jan = give("operator:jan", Role::IncidentCommander);
    stage.act(Role::IncidentCommander, &to_jan);
    let as_jan = |stage: &mut Stage, body: &Body| {
        let event = stage.event("operator:jan", Some(Role::IncidentCommander), body);
        stage.submit(Stage::sign(&event)).unwrap();
    };
    let rc6 = criterion(&mut stage, Criterion::Reviews);
    as_jan(&mut stage, &rc6);
    as_jan(&mut stage, &give("operator:bogdan", Role::IncidentCommander));
    let recover = give("operator:jan", Role::RecoveryOperator);
    only(&stage.refused(Role::IncidentCommander, &recover), K::RoleConflict, "criterion_signer");
}

/// R-29.1-6: what rc2 and rc3 measured is measured again when the gate is to open.
#[test]
fn silence_of_the_gates_after_the_decision_stops_the_return() {
    let mut stage = at(S::Recovering);
    let of = subsystem("n1", NodeRole::Verifier);
    stage.decide_restart(&of);
    let body = carry(&stage, "n1", NodeRole::Verifier);
    stage.wait(200_000);
    only(&stage.refused(Role::RecoveryOperator, &body), K::CriteriaUnmet, "no statement within");
    stage.restate();
    stage.act(Role::RecoveryOperator, &body);
}

#[test]
fn a_new_stop_ends_the_restart_decisions_of_its_roles() {
    let mut stage = at(S::Recovering);
    stage.decide_restart(&subsystem("n1", NodeRole::Verifier));
    let body = carry(&stage, "n1", NodeRole::Verifier);
    let mut again = stage.measure("n1");
    again.measure = "m-again".to_owned();
    stage.act(Role::OnCallOperator, &Body::MeasureCommanded(again));
    among(&stage.refused(Role::RecoveryOperator, &body), K::CriteriaUnmet, "rc8");
}

/// A signature whose key was revoked since opens nothing.
#[test]
fn a_revoked_signer_counts_no_more_when_the_gate_is_to_open() {
    let mut stage = at(S::Recovering);
    stage.decide_restart(&subsystem("n1", NodeRole::Verifier));
    let body = carry(&stage, "n1", NodeRole::Verifier);
    let lead = crate::testing::person(Role::ConsensusLead);
    let incident = stage.incident.take();
    let revoked = Body::KeyRevoked(KeyRevoked { actor: lead.clone(), reason: "copied".to_owned() });
    stage.approve(Role::IncidentCommander, &revoked);
    stage.act(Role::SecurityLead, &revoked);
    stage.incident = incident;
    among(&stage.refused(Role::RecoveryOperator, &body), K::KeyRevoked, &lead);
}

#[test]
fn what_another_incident_holds_shut_stays_shut_until_it_decided_too() {
    let mut stage = at(S::Recovering);
    stage.decide_restart(&subsystem("n1", NodeRole::Verifier));
    let body = carry(&stage, "n1", NodeRole::Verifier);
    stage.restate();
    let first = stage.incident;
    let (opened, id) = crate::testing::opening(
        azir_model::IncidentClass::Consensus,
        azir_model::Severity::Sev3High,
    );
    stage.incident = Some(id);
    stage.machine("detector:conflicting-certificates", &Body::IncidentOpened(opened));
    assert_ne!(stage.incident, first);
    let other = stage.measure("n1");
    stage.act(Role::OnCallOperator, &Body::MeasureCommanded(other));
    stage.incident = first;
    among(&stage.refused(Role::RecoveryOperator, &body), K::CriteriaUnmet, "holds n1/verifier");
}
