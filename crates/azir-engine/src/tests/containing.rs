//! Decision, profile ceilings, measures, gates, observations and drafts.

use std::collections::BTreeSet;

use azir_ledger::{Digest, canon};
use azir_model::decision::{Action, ActionSet, Channel, Input, Origin};
use azir_model::directive::Signed;
use azir_model::emergency::Justification;
use azir_model::vocab::NodeRole;
use azir_model::{Choice, IncidentState as S, Profile, RefusalKind as K, Role};
use serde_json::json;

use crate::Body;
use crate::body::{
    DecisionRecorded, DraftKind, DraftMade, DraftedMeasure, GateStated, MeasureReleased,
};
use crate::testing::{Stage, among, at, decision, kinds, machine_key, only, with};

fn channel(scope: &str, actions: &[Action], t_harm: u64) -> Channel {
    Channel {
        scope: scope.parse().unwrap(),
        origin: Origin::Network,
        actions: ActionSet::of(actions),
        t_harm,
        min_capability: 0,
        open_exposure: Some(0),
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: vec![],
    }
}

/// Harm that only opens positions in a domain, with an ordinary path in time.
fn domain(input: &mut Input) {
    input.channels = vec![channel("domain:dex", &[Action::ActOpen], 600)];
    input.channels[0].open_exposure = Some(1_000);
    live(input, "domain:dex", &["dex"]);
}

/// Subjects that stand in finalized state.
fn live(input: &mut Input, scope: &str, subjects: &[&str]) {
    let subjects = subjects.iter().map(|s| (*s).to_owned()).collect();
    input.chain.subjects.insert(scope.parse().unwrap(), subjects);
}

/// A machine that is exploited faster than any ordinary path.
fn exploit(input: &mut Input) {
    input.channels = vec![channel("machine:m1", &[Action::CallAny], 300)];
    live(input, "machine:m1", &["m1"]);
    let slow =
        input.paths.ordinary.clone().map(|p| azir_model::decision::Path { delay_s: 1_200, ..p });
    input.paths.ordinary.clone_from(&slow);
    input.paths.expedited = slow;
}

fn decide(stage: &mut Stage, profile: Option<Profile>, change: impl FnOnce(&mut Input)) {
    let mut decided = decision(stage, change);
    decided.profile = profile.unwrap_or(decided.profile);
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
}

fn draft(stage: &mut Stage, kind: DraftKind, choice: Choice, scope: &str) -> Body {
    Body::DraftMade(DraftMade {
        draft: kind,
        object: stage.keep("unsigned object"),
        measure: Some(DraftedMeasure {
            choice,
            scope: scope.to_owned(),
            expiry_s: Some(600),
            review_s: Some(300),
        }),
        justification: None,
        parameters: None,
    })
}

fn justified() -> Justification {
    Justification {
        normal_path_insufficient: "1206 s against 300 s".to_owned(),
        scope_minimal: "one machine; narrower does not stop it".to_owned(),
        expected_expiry: "in 20 minutes".to_owned(),
        review: "carmen, by height 900".to_owned(),
        expiry_s: Some(1_200),
    }
}

/// R-24.2-6, R-9.1-6: the decision is decided again from its logged input; nothing in it is taken
/// on trust, and every part that differs is refused alone.
#[test]
fn a_decision_is_what_the_function_gives_for_its_input() {
    let mut stage = at(S::Confirmed);
    let good = decision(&mut stage, |_| {});
    let refused = |stage: &mut Stage, body: DecisionRecorded| {
        stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(body))
    };
    let other = decision(&mut stage, domain);
    let swapped = DecisionRecorded { output: other.output, ..good.clone() };
    only(&refused(&mut stage, swapped), K::HashMismatch, "not what the function gives");
    let nicer = DecisionRecorded { residual: vec![], ..good.clone() };
    assert_ne!(nicer.residual, good.residual, "this input leaves residual harm");
    only(&refused(&mut stage, nicer), K::HashMismatch, "residual");
    let calm = DecisionRecorded { observe_only: !good.observe_only, ..good.clone() };
    only(&refused(&mut stage, calm), K::HashMismatch, "observe_only");
    let lower = DecisionRecorded {
        recommended: Profile::ObserveOnly,
        profile: Profile::ObserveOnly,
        ..good.clone()
    };
    only(&refused(&mut stage, lower), K::HashMismatch, "recommended");
    let lost = DecisionRecorded { input: Digest::of(b"lost"), ..good.clone() };
    only(&refused(&mut stage, lost), K::EvidenceMissing, "decision input");
    let text = stage.keep("{\"not\":\"an input\"}");
    let bad = DecisionRecorded { input: text, ..good.clone() };
    only(&refused(&mut stage, bad), K::InvalidSchema, "");
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(good.clone()));
    let recorded = stage.view().decision.clone().unwrap();
    assert_eq!((recorded.input, recorded.output), (good.input, good.output));
    assert_eq!(recorded.mark.role, Some(Role::IncidentCommander));
    assert_eq!(stage.view().profile, good.profile);
}

/// R-9.1-5: a decision is about the present class, severity and scopes of this incident.
#[test]
fn a_decision_is_about_this_incident() {
    let mut stage = at(S::Confirmed);
    let body = decision(&mut stage, |i| i.incident.severity = azir_model::Severity::Sev5Systemic);
    let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(body));
    among(&refusal, K::StaleView, "the input says");
    let body = decision(&mut stage, |i| i.incident.id = Some(Digest::of(b"x").to_string()));
    let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(body));
    only(&refusal, K::StaleView, "the input says");
    let mut stage = at(S::Detected);
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    let declared = with(&Body::IncidentDeclared(stage.declared()), "scopes", json!([]));
    let own = with(&declared, "blast", json!({"rank": 1, "basis": "estimated"}));
    stage.act(Role::OnCallOperator, &own);
    let body = decision(&mut stage, |_| {});
    let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(body));
    only(&refusal, K::ScopeRequired, "no scope");
}

/// R-8.3-2: above the recommendation only with a reason and the lead's signature.
#[test]
fn a_profile_above_the_recommended_one_is_an_override_by_two() {
    let mut stage = at(S::Confirmed);
    let mut body = decision(&mut stage, |_| {});
    body.profile = Profile::ProtocolRecovery;
    assert_ne!(body.recommended, body.profile);
    let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(body.clone()));
    assert_eq!(kinds(&refusal), [K::ReasonRequired, K::SecondPersonRequired]);
    body.override_reason = Some("the certificates prove a fork elsewhere".to_owned());
    let body = Body::DecisionRecorded(body);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::SecondPersonRequired, "nobody approved");
    stage.approve(Role::GovernanceLiaison, &body);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::SecondPersonRequired, "operator:elena approved as GL");
    stage.approve(Role::ConsensusLead, &body);
    stage.act(Role::IncidentCommander, &body);
    assert_eq!(stage.view().profile, Profile::ProtocolRecovery);
    assert!(stage.view().decision.as_ref().unwrap().seconded);
}

/// R-6.1-2, R-6.1-3: without commander the on-call declares narrow profiles alone, wider ones with
/// a second.
#[test]
fn the_acting_commander_decides_wide_profiles_with_a_second_person() {
    let mut stage = at(S::Detected);
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(stage.declared()));
    let wide = decision(&mut stage, |_| {});
    let refusal = stage.refused(Role::OnCallOperator, &Body::DecisionRecorded(wide.clone()));
    only(&refusal, K::SecondPersonRequired, "nobody approved");
    let narrow = DecisionRecorded { profile: Profile::LocalDegraded, ..wide };
    stage.act(Role::OnCallOperator, &Body::DecisionRecorded(narrow.clone()));
    let mut led = at(S::Triaged);
    let refusal = led.refused(Role::OnCallOperator, &Body::DecisionRecorded(narrow));
    among(&refusal, K::NotAuthorized, "profile");
}

/// R-8.2-1: under observe-only and forensic-only no measure is applied.
#[test]
fn observing_profiles_allow_no_measure() {
    for profile in [Profile::ObserveOnly, Profile::ForensicOnly] {
        let mut stage = at(S::Confirmed);
        decide(&mut stage, Some(profile), |_| {});
        let body = Body::MeasureCommanded(stage.measure("n1"));
        only(&stage.refused(Role::OnCallOperator, &body), K::ProfileExceeded, profile.as_str());
    }
}

/// R-8.2-2: under local-degraded own roles halt, and nothing is drafted for the protocol.
#[test]
fn a_local_profile_halts_own_roles_and_drafts_nothing() {
    let mut stage = at(S::Confirmed);
    decide(&mut stage, Some(Profile::LocalDegraded), domain);
    let body =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::ProtocolSafeMode, "domain:dex");
    only(&stage.refused(Role::GovernanceLiaison, &body), K::ProfileExceeded, "RP_SAFE_MODE_SCOPED");
    let body = Body::MeasureCommanded(stage.measure("n1"));
    stage.act(Role::OnCallOperator, &body);
}

/// R-8.2-3, R-8.2-4: exit-only under safe mode, a halt only under the halt profile.
#[test]
fn the_declared_profile_is_the_ceiling_of_drafts() {
    let mut stage = at(S::Confirmed);
    decide(&mut stage, Some(Profile::SafeModeScoped), domain);
    let exit =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::ProtocolSafeMode, "domain:dex");
    let halt =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::ScopedProtocolHalt, "domain:dex");
    only(&stage.refused(Role::GovernanceLiaison, &halt), K::ProfileExceeded, "RP_HALT_SCOPED");
    stage.act(Role::GovernanceLiaison, &exit);
    assert_eq!(stage.view().drafts.len(), 1);
    decide(&mut stage, Some(Profile::HaltScoped), domain);
    stage.act(Role::GovernanceLiaison, &halt);
}

/// R-12.4-1: a draft wider than what suffices is refused.
#[test]
fn a_draft_is_not_wider_than_what_suffices() {
    let mut stage = at(S::Confirmed);
    let family = |input: &mut Input| {
        input.channels = vec![channel("machine:m1", &[Action::CallAny], 600)];
        live(input, "machine:m1", &["m1"]);
        live(input, "machine-family:f", &["m1", "m2"]);
    };
    decide(&mut stage, None, family);
    let wide =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::Quarantine, "machine-family:f");
    among(&stage.refused(Role::GovernanceLiaison, &wide), K::ScopeTooBroad, "machine-family:f");
    let network =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::ScopedProtocolHalt, "network:all");
    among(&stage.refused(Role::GovernanceLiaison, &network), K::ScopeTooBroad, "no candidate");
    let exact =
        draft(&mut stage, DraftKind::ProtocolMeasure, Choice::ScopedProtocolHalt, "machine:m1");
    stage.act(Role::GovernanceLiaison, &exact);
}

/// R-8.2-5, R-25.1-2: no emergency draft while its predicate is false; R-25.1-6: none at all while
/// the chain does not finalize.
#[test]
fn an_emergency_draft_needs_its_predicate_and_a_finalizing_chain() {
    let mut stage = at(S::Confirmed);
    decide(&mut stage, None, domain);
    let mut body = draft(
        &mut stage,
        DraftKind::EmergencyRestriction,
        Choice::EmergencyRestriction,
        "domain:dex",
    );
    if let Body::DraftMade(b) = &mut body {
        b.justification = Some(justified());
    }
    let refusal = stage.refused(Role::GovernanceLiaison, &body);
    among(&refusal, K::EscalationNotJustified, "A2");
    let mut halted = stage.observation("n1", 1);
    halted.finalizing = false;
    stage.machine("agent:n1", &Body::NetworkObserved(halted));
    let refusal = stage.refused(Role::GovernanceLiaison, &body);
    among(&refusal, K::NotEffective, "not finalizing");
}

/// R-38.2-1, R-38.2-2, R-38.2-4, R-14.2-7: each text of a justified emergency draft is needed.
#[test]
fn each_text_of_an_emergency_draft_is_needed() {
    let mut stage = at(S::Confirmed);
    decide(&mut stage, None, exploit);
    let with_texts = |stage: &mut Stage, change: &dyn Fn(&mut Justification)| {
        let mut body = draft(
            stage,
            DraftKind::EmergencyRestriction,
            Choice::EmergencyRestriction,
            "machine:m1",
        );
        if let Body::DraftMade(b) = &mut body {
            let mut texts = justified();
            change(&mut texts);
            b.justification = Some(texts);
        }
        body
    };
    type Spoil = fn(&mut Justification);
    let spoilt: [(K, &str, Spoil); 5] = [
        (K::JustificationIncomplete, "normal path", |j| j.normal_path_insufficient.clear()),
        (K::JustificationIncomplete, "scope is minimal", |j| j.scope_minimal.clear()),
        (K::JustificationIncomplete, "review", |j| j.review.clear()),
        (K::ExpiryRequired, "no expiry", |j| j.expiry_s = None),
        (K::ExpiryRequired, "exceeds", |j| j.expiry_s = Some(9_999)),
    ];
    for (kind, what, spoil) in spoilt {
        let body = with_texts(&mut stage, &spoil);
        stage.approve(Role::IncidentCommander, &body);
        only(&stage.refused(Role::GovernanceLiaison, &body), kind, what);
    }
    let body = with_texts(&mut stage, &|_| {});
    let refusal = stage.refused(Role::GovernanceLiaison, &body);
    only(&refusal, K::SecondPersonRequired, "no approval is for act");
    stage.approve(Role::IncidentCommander, &body);
    stage.act(Role::GovernanceLiaison, &body);
    let mut halted = stage.observation("n1", 1);
    halted.finalizing = false;
    stage.machine("agent:n1", &Body::NetworkObserved(halted));
    stage.wait(1);
    only(&stage.refused(Role::GovernanceLiaison, &body), K::NotEffective, "not finalizing");
}

/// A quarantine that stops finality is refused, whoever asks.
#[test]
fn a_quarantine_that_stops_finality_is_refused() {
    let mut stage = at(S::Containing);
    let body = draft(&mut stage, DraftKind::ProtocolMeasure, Choice::Quarantine, "seat:0+1+2");
    let refusal = stage.refused(Role::GovernanceLiaison, &body);
    among(&refusal, K::StopsFinality, "4 seats would count");
}

/// R-24.3-1: no measure and no draft without scope; all conditions at once.
#[test]
fn a_measure_names_own_gates_and_nothing_else() {
    let mut stage = at(S::Containing);
    let good = with(&Body::MeasureCommanded(stage.measure("n1")), "measure", json!("m1"));
    let none = with(&good, "roles", json!([]));
    only(
        &stage.refused(Role::OnCallOperator, &none),
        K::ScopeRequired,
        "no node, or neither a role",
    );
    let foreign = with(&good, "node", json!("n9"));
    let refusal = stage.refused(Role::OnCallOperator, &foreign);
    assert_eq!(kinds(&refusal), [K::ScopeInvalid; 3], "one for each role");
    let protocol = with(&good, "choice", json!("scoped_protocol_halt"));
    let refusal = stage.refused(Role::OnCallOperator, &protocol);
    only(&refusal, K::ProtocolAuthorityRequired, "no measure on own gates");
    let twice = with(&good, "measure", json!("halt-n1"));
    only(&stage.refused(Role::OnCallOperator, &twice), K::VersionConflict, "halt-n1");
    only(&stage.refused(Role::AuditScribe, &good), K::NotAuthorized, "halt roles");
    let mut bare = draft(&mut stage, DraftKind::ProtocolMeasure, Choice::Quarantine, "x");
    if let Body::DraftMade(b) = &mut bare {
        b.measure = None;
    }
    only(&stage.refused(Role::GovernanceLiaison, &bare), K::ScopeRequired, "names no measure");
    stage.act(Role::OnCallOperator, &good);
    let close = stage.closes.last().unwrap();
    assert_eq!((close.measure.as_str(), close.node.as_str()), ("m1", "n1"));
}

/// R-6.1-10: a detector closes only the gates that the policy lists for it.
#[test]
fn a_detector_closes_what_the_policy_lists() {
    let mut stage = at(S::Detected);
    let body = Body::MeasureCommanded(stage.measure("n1"));
    let wide = with(&body, "roles", json!(["validation"]));
    let refusal = stage.machine_refused("detector:conflicting-certificates", &wide);
    only(&refusal, K::NotAuthorized, "halt roles");
    only(&stage.machine_refused("agent:n1", &body), K::NotAuthorized, "halt roles");
    stage.machine("detector:conflicting-certificates", &body);
    assert!(stage.view().measures["halt-n1"].in_force());
}

/// R-24.3-3: nothing is lifted by a machine, nor before its gates came back by restart decisions.
#[test]
fn a_measure_is_lifted_by_a_person_once_its_gates_are_open() {
    let mut stage = at(S::Stabilized);
    let lift = |measure: &str| {
        Body::MeasureReleased(MeasureReleased {
            measure: measure.to_owned(),
            reason: "x".to_owned(),
        })
    };
    let refusal = stage.machine_refused("server:a", &lift("halt-n1"));
    among(&refusal, K::NotAuthorized, "lift");
    let refusal = stage.refused(Role::IncidentCommander, &lift("halt-n1"));
    assert_eq!(kinds(&refusal), [K::MeasureActive; 3]);
    only(&stage.refused(Role::IncidentCommander, &lift("m9")), K::InvalidSchema, "no measure m9");
    among(&stage.refused(Role::OnCallOperator, &lift("m9")), K::NotAuthorized, "lift");
    let done = at(S::Monitoring);
    assert!(done.view().measures.values().all(|m| m.released.is_some()));
}

fn stated(stage: &Stage, body: azir_model::directive::GateStatement, key: &str) -> Body {
    let _ = stage;
    let statement = Signed::seal(body, &machine_key(key)).unwrap();
    Body::GateStated(GateStated { statement })
}

/// Annex G: a gate's state counts only when the gate itself signed it, newer than the last.
#[test]
fn a_gate_speaks_for_itself() {
    let mut stage = at(S::Containing);
    let fresh = |stage: &mut Stage| stage.statement("n1", NodeRole::Notary, false);
    let body = fresh(&mut stage);
    let wrong = stated(&stage, body.clone(), "gate:n1/verifier");
    only(&stage.machine_refused("agent:n1", &wrong), K::UnknownActor, "gate:n1/notary");
    let good = stated(&stage, body.clone(), "gate:n1/notary");
    let mut forged = good.clone();
    if let Body::GateStated(b) = &mut forged {
        b.statement.body.fence += 1;
    }
    only(&stage.machine_refused("agent:n1", &forged), K::SignatureInvalid, "");
    let mut drill = body.clone();
    drill.mode = "drill:x".to_owned();
    let drill = stated(&stage, drill, "gate:n1/notary");
    only(&stage.machine_refused("agent:n1", &drill), K::DrillOnly, "drill:x");
    let refusal = stage.refused(Role::OnCallOperator, &good);
    among(&refusal, K::NotAuthorized, "a person cannot state");
    stage.machine("agent:n1", &good);
    stage.wait(1);
    let repeated = stage.event("agent:n2", None, &good);
    let refusal = stage.submit(Stage::sign(&repeated)).unwrap_err();
    only(&refusal, K::StatusStale, "not newer");
}

/// D-051: a gate whose key was revoked speaks for nobody.
#[test]
fn a_revoked_gate_speaks_for_nobody() {
    let mut stage = at(S::Containing);
    let incident = stage.incident.take();
    let revoked = Body::KeyRevoked(crate::body::KeyRevoked {
        actor: "gate:n1/notary".to_owned(),
        reason: "copied".to_owned(),
    });
    stage.approve(Role::IncidentCommander, &revoked);
    stage.act(Role::SecurityLead, &revoked);
    stage.incident = incident;
    let body = stage.statement("n1", NodeRole::Notary, false);
    let body = stated(&stage, body, "gate:n1/notary");
    only(&stage.machine_refused("agent:n1", &body), K::KeyRevoked, "gate:n1/notary");
}

#[test]
fn an_agent_observes_for_its_own_node_only_and_people_observe_nothing() {
    let mut stage = at(S::Containing);
    let body = Body::NetworkObserved(stage.observation("n1", 0));
    only(&stage.machine_refused("agent:n2", &body), K::NotAuthorized, "node n1");
    let refusal = stage.refused(Role::OnCallOperator, &body);
    among(&refusal, K::NotAuthorized, "observed by machines");
}

/// R-9.1-7: each measure has its command, its acknowledgement and its end on record.
#[test]
fn a_measure_has_command_acknowledgement_and_end() {
    let stage = at(S::PostmortemPublished);
    for measure in stage.view().measures.values() {
        assert!(measure.in_force());
        let end = measure.released.as_ref().unwrap();
        assert!(measure.commanded.index < end.index);
        assert_eq!(end.role, Some(Role::IncidentCommander));
    }
}

/// D-084: a gate that closes by its own rule becomes a measure of the incident.
#[test]
fn a_gates_own_closure_is_a_measure() {
    let mut stage = at(S::Detected);
    stage.gate("n1", NodeRole::Proposer, false);
    let measure = &stage.view().measures["auto:n1/proposer"];
    assert!(measure.in_force());
    assert_eq!(measure.choice, Choice::LocalDegraded);
    stage.gate("n1", NodeRole::Notary, false);
    assert_eq!(stage.view().measures["auto:n1/notary"].choice, Choice::LocalServiceHalt);
}

/// R-5.1-4, R-5.1-5: CONTAINING needs a decision; STABILIZED needs every gate's word and quiet.
#[test]
fn containing_needs_a_decision_and_stabilized_every_gate_and_quiet() {
    let mut stage = at(S::Confirmed);
    let body = stage.moves(S::Containing);
    only(&stage.refused(Role::IncidentCommander, &body), K::GuardUnmet, "decision");
    stage.obey = false;
    stage.contain();
    stage.wait(7_200_000);
    stage.observe(0);
    let body = stage.moves(S::Stabilized);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::GuardUnmet, "inforce: missing halt-n1, halt-n2");
    for (node, role) in
        crate::testing::NODES.iter().flat_map(|n| crate::testing::SIGNING.map(|r| (n, r)))
    {
        stage.gate(node, role, false);
    }
    stage.observe(1);
    only(&stage.refused(Role::IncidentCommander, &body), K::GuardUnmet, "quiet");
    stage.wait(60_000);
    stage.observe(0);
    only(&stage.refused(Role::IncidentCommander, &body), K::GuardUnmet, "quiet: zero for");
    stage.wait(1_800_000);
    stage.act(Role::IncidentCommander, &body);
}

/// R-37.3-1: neither containing nor stabilizing asks for a slash.
#[test]
fn containment_never_waits_for_a_slash() {
    let stage = at(S::Stabilized);
    let kinds: BTreeSet<_> = stage.entries.iter().map(|e| e.signed.event().kind.as_str()).collect();
    assert!(!kinds.iter().any(|k| k.contains("slash") || k.contains("draft")));
    assert!(canon::encode(&stage.view().decision).is_ok());
}

/// R-8.2-7: when the harm is over the profile is forensic, and the checklist of SEV_3 is owed
/// whatever the severity.
#[test]
fn a_forensic_profile_owes_the_checklist_of_sev_3() {
    let mut stage = Stage::begun();
    let (opened, id) = crate::testing::opening(
        azir_model::IncidentClass::Consensus,
        azir_model::Severity::Sev2Medium,
    );
    stage.incident = Some(id);
    stage.machine("detector:conflicting-certificates", &Body::IncidentOpened(opened));
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    let declared =
        with(&Body::IncidentDeclared(stage.declared()), "severity", json!("SEV_2_MEDIUM"));
    stage.act(Role::IncidentCommander, &declared);
    let owes = |stage: &Stage| {
        let list = crate::evidence::checklist(stage.view());
        list.items().contains(&azir_model::evidence::Item::PeerMessages)
    };
    assert!(!owes(&stage));
    decide(&mut stage, None, |input| {
        input.incident.flags.insert(azir_model::decision::Flag::HarmOver);
    });
    assert_eq!(stage.view().profile, Profile::ForensicOnly);
    assert!(owes(&stage));
}

/// R-2.2-1: containment waits for no cause and for no more evidence than the pins.
#[test]
fn containment_waits_for_no_explanation() {
    let stage = at(S::Containing);
    let view = stage.view();
    assert!(view.cause.is_none() && !crate::evidence::missing(view).is_empty());
    assert_eq!(view.confirmations.len(), 1);
    assert!(view.decision.is_some() && view.measures.values().all(|m| m.in_force()));
}

/// A gate may state what it is before any incident; the newest statement counts for every incident.
#[test]
fn a_gate_states_itself_outside_any_incident() {
    let mut stage = Stage::begun();
    stage.gate("n1", NodeRole::Notary, false);
    assert!(!stage.state().gates["n1/notary"].open);
    let forged = stage.statement("n1", NodeRole::Notary, true);
    let forged = stated(&stage, forged, "gate:n2/notary");
    only(&stage.machine_refused("agent:n1", &forged), K::UnknownActor, "gate:n1/notary");
    assert_eq!(stage.state().size, 3, "and the attempt is on record");
}
