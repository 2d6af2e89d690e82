//! What single classes ask for (15 to 23, 37): validation, economics, agents, keys, rebuilds.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{Digest, SeenFinal, canon};
use azir_model::decision::{Action, ActionSet, Channel, Input, Origin};
use azir_model::evidence::Item;
use azir_model::lifecycle::MeasureState;
use azir_model::policy::Machine;
use azir_model::vocab::NodeRole;
use azir_model::{
    BlastRank, Choice, IncidentClass as C, IncidentState as S, Profile, RecoveryMode,
    RefusalKind as K, Role,
};
use azir_runbook::FactValue;

use crate::audit::Stage as Phase;
use crate::body::{
    Assessed, Blast, BlastBasis, DraftKind, DraftMade, DraftedMeasure, LimitChange,
    MeasureAcknowledged, MeasureHandedOver, ParameterDraft, ReadingStated, RootComparison,
    ScopeChanged, Simulation,
};
use crate::status::{StatusClass, derive, overdue};
use crate::testing::{Stage, among, at, decision, kinds, machine_key, only, policy, with};
use crate::{Body, facts};

/// The incident of the walk, declared to be of another class.
fn of_class(class: C, scopes: &[&str]) -> Stage {
    let mut stage = at(S::Triaged);
    declare(&mut stage, class, scopes);
    stage
}

fn declare(stage: &mut Stage, class: C, scopes: &[&str]) {
    let mut declared = stage.declared();
    declared.class = class;
    declared.scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
}

fn confirm(stage: &mut Stage, kind: &str) {
    let body = stage.confirmation(kind);
    stage.machine("detector:conflicting-certificates", &body);
}

fn network(scope: &str, action: Action) -> Channel {
    Channel {
        scope: scope.parse().unwrap(),
        origin: Origin::Network,
        actions: ActionSet::of(&[action]),
        t_harm: 600,
        min_capability: 0,
        open_exposure: Some(0),
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: vec![],
    }
}

fn live(input: &mut Input, scope: &str, subjects: &[&str]) {
    let subjects = subjects.iter().map(|s| (*s).to_owned()).collect();
    input.chain.subjects.insert(scope.parse().unwrap(), subjects);
}

fn draft(stage: &mut Stage, kind: DraftKind, measure: Option<(Choice, &str)>) -> DraftMade {
    DraftMade {
        draft: kind,
        object: stage.keep("unsigned object"),
        measure: measure.map(|(choice, scope)| DraftedMeasure {
            choice,
            scope: scope.to_owned(),
            expiry_s: Some(600),
            review_s: Some(300),
        }),
        justification: None,
        parameters: None,
    }
}

fn read(stage: &mut Stage, who: &str, facts: &[&str]) {
    let facts = facts.iter().map(|f| ((*f).to_owned(), FactValue::Bool(true))).collect();
    let basis = stage.keep("what shows it");
    let said = Body::ReadingStated(ReadingStated { facts, withdrawn: BTreeSet::new(), basis });
    stage.machine(who, &said);
}

/// R-15.3-1: rank below 4 is refused without fixture, named implementation and its share, each
/// named; with all three it is accepted. Other classes owe none of it.
#[test]
fn an_ambiguity_of_validation_is_systemic_until_shown_otherwise() {
    let mut stage = of_class(C::Validation, &["node:n1"]);
    let lower = |rank| {
        Body::ScopeChanged(ScopeChanged {
            scopes: vec!["node:n1".to_owned()],
            blast: Blast { rank, basis: BlastBasis::Measured },
            reason: "one implementation is wrong".to_owned(),
            assessed: None,
        })
    };
    let declared = Body::IncidentDeclared(stage.declared());
    let declared = with(&declared, "blast", serde_json::json!({"rank": 2, "basis": "estimated"}));
    let again = stage.refused(Role::OnCallOperator, &declared);
    assert_eq!(kinds(&again), [K::EvidenceMissing; 3]);
    let refusal = stage.refused(Role::IncidentCommander, &lower(BlastRank::DOMAIN));
    assert_eq!(kinds(&refusal), [K::EvidenceMissing; 3]);
    for what in ["state_fixture", "wrong_implementation_named", "wrong_share_below_third"] {
        among(&refusal, K::EvidenceMissing, what);
    }
    let fixture = Body::EvidenceCollected(stage.items(&[Item::StateFixture]));
    stage.machine("agent:n1", &fixture);
    read(&mut stage, "agent:n1", &["wrong_implementation_named"]);
    let refusal = stage.refused(Role::IncidentCommander, &lower(BlastRank::DOMAIN));
    only(&refusal, K::EvidenceMissing, "wrong_share_below_third");
    read(&mut stage, "agent:n1", &["wrong_share_below_third"]);
    stage.act(Role::IncidentCommander, &lower(BlastRank::DOMAIN));
    let mut other = at(S::Triaged);
    other.act(Role::IncidentCommander, &lower(BlastRank::OWN));
}

/// R-18.2-7: no draft of parameters without a simulation on recorded blocks in two implementations;
/// R-18.2-4: the expedited path only tightens.
#[test]
fn parameters_are_simulated_and_the_expedited_path_only_tightens() {
    let mut stage = of_class(C::Economic, &["econ:fees"]);
    confirm(&mut stage, "charge_differs");
    let fee = |to| LimitChange { name: "byte_fee".to_owned(), upper: false, from: 10, to };
    let body = |stage: &mut Stage, expedited, change: LimitChange, simulation| {
        let parameters = ParameterDraft { expedited, changes: vec![change], simulation };
        let draft = draft(stage, DraftKind::Parameters, None);
        Body::DraftMade(DraftMade { parameters: Some(parameters), ..draft })
    };
    let report = stage.keep("simulation of heights 20 to 90");
    let families = vec!["azref".to_owned(), "second".to_owned()];
    let good = Simulation { report, from: 20, to: 90, families };
    let liaison = Role::GovernanceLiaison;

    let none = body(&mut stage, true, fee(20), None);
    only(&stage.refused(liaison, &none), K::ReviewRequired, "no simulation");
    let ahead = Simulation { to: 1 << 40, ..good.clone() };
    let ahead = body(&mut stage, true, fee(20), Some(ahead));
    only(&stage.refused(liaison, &ahead), K::ReviewRequired, "not recorded");
    let one = Simulation { families: vec!["azref".to_owned(); 2], ..good.clone() };
    let one = body(&mut stage, true, fee(20), Some(one));
    only(&stage.refused(liaison, &one), K::ReviewRequired, "1 implementation");
    let lost = Simulation { report: Digest::of(b"lost"), ..good.clone() };
    let lost = body(&mut stage, true, fee(20), Some(lost));
    only(&stage.refused(liaison, &lost), K::EvidenceMissing, "simulation report");
    let bare = Body::DraftMade(draft(&mut stage, DraftKind::Parameters, None));
    only(&stage.refused(liaison, &bare), K::InvalidSchema, "no parameter");

    let looser = body(&mut stage, true, fee(5), Some(good.clone()));
    only(&stage.refused(liaison, &looser), K::ForbiddenPower, "byte_fee from 10 to 5");
    let cap = LimitChange { name: "block_size".to_owned(), upper: true, from: 100, to: 200 };
    let wider = body(&mut stage, true, cap.clone(), Some(good.clone()));
    only(&stage.refused(liaison, &wider), K::ForbiddenPower, "block_size");
    let ordinary = body(&mut stage, false, cap, Some(good.clone()));
    stage.act(liaison, &ordinary);
    let tighter = body(&mut stage, true, fee(20), Some(good));
    stage.act(liaison, &tighter);
}

/// R-18.2-6: neither axis is healthy before a node sees the new parameters at hard-final; no person
/// can say that it does.
#[test]
fn economics_are_not_normal_before_the_fix_is_active() {
    let mut stage = of_class(C::Economic, &["econ:fees"]);
    let shown = |stage: &Stage| derive(stage.state(), stage.now);
    let fact = |stage: &Stage| shown(stage).facts.iter().any(|f| f.kind == "economics");
    assert!(!fact(&stage));
    confirm(&mut stage, "charge_differs");
    stage.observe(0);
    assert!(fact(&stage));
    assert_eq!(shown(&stage).network, StatusClass::Degraded);
    let said = |network| {
        Body::StatusPublished(crate::body::StatusPublished {
            operator: StatusClass::Degraded,
            network,
            text: "fees are as they should be".to_owned(),
            hard_final: None,
            reason: None,
            guidance: None,
        })
    };
    let healthy = stage.refused(Role::IncidentCommander, &said(StatusClass::Healthy));
    only(&healthy, K::StatusUnproven, "no fix of incident");
    let mut facts = BTreeMap::new();
    facts.insert("patch_active".to_owned(), FactValue::Bool(true));
    let (withdrawn, basis) = (BTreeSet::new(), stage.keep("parameters at hard-final"));
    let word = Body::ReadingStated(ReadingStated { facts, withdrawn, basis });
    only(&stage.refused(Role::IncidentCommander, &word), K::NotAuthorized, "patch_active");
    stage.machine("agent:n1", &word);
    assert!(!fact(&stage));
}

/// An incident on a network whose first own node also runs an agent.
fn with_agents() -> Stage {
    let mut policy = policy();
    policy.nodes[0].roles.push(NodeRole::Agent);
    let id = "gate:n1/agent".to_owned();
    policy.machines.push(Machine { key: machine_key(&id).public(), id });
    let mut stage = Stage::begun_with(policy);
    stage.open();
    stage.gate("n1", NodeRole::Agent, true);
    stage.triage();
    stage
}

/// R-19.2-2: the own agent gate closes at once, before any decision, and the principal's halt of
/// the mandate is drafted inside the target.
#[test]
fn an_agent_is_halted_at_its_gate_and_by_its_principal() {
    let mut stage = with_agents();
    declare(&mut stage, C::AgentControl, &["mandate:m1", "node:n1/agent"]);
    confirm(&mut stage, "action_breaks_mandate");
    let mut shut = stage.measure("n1");
    (shut.choice, shut.roles) = (Choice::LocalDegraded, vec![NodeRole::Agent]);
    let before = stage.now;
    stage.act(Role::OnCallOperator, &Body::MeasureCommanded(shut));
    assert_eq!(stage.closes.last().unwrap().roles, [NodeRole::Agent]);
    let gate = &stage.view().gates["n1/agent"];
    assert!(!gate.open && gate.since.ms_since(before) <= 1_000);

    let halt = (Choice::ScopedProtocolHalt, "mandate:m1");
    let asked = decision(&mut stage, |input| {
        input.incident.blast_rank = BlastRank::SUBJECT;
        input.channels = vec![network("mandate:m1", Action::ActClose)];
        live(input, "mandate:m1", &["m1"]);
    });
    let named: Vec<_> = asked.requested.iter().map(|r| (r.choice, r.scope.as_str())).collect();
    assert_eq!(named, [halt]);
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(asked));
    let body = Body::DraftMade(draft(&mut stage, DraftKind::MandateMode, Some(halt)));
    stage.act(Role::SecurityLead, &body);
    let late = overdue(stage.state(), stage.now);
    assert!(late.iter().all(|o| o.what != "contain"), "{late:?}");
}

/// R-2.4-1: the stages of the response stand in their order with times; what passes over one quotes
/// the output of its decision, and without such a decision it is refused.
#[test]
fn a_jump_over_a_stage_carries_its_decision() {
    let mut stage = at(S::Confirmed);
    let halt = Some((Choice::ScopedProtocolHalt, "mandate:m1"));
    let body = Body::DraftMade(draft(&mut stage, DraftKind::MandateMode, halt));
    let early = stage.refused(Role::SecurityLead, &body);
    only(&early, K::ProfileExceeded, "RP_OBSERVE_ONLY is declared");
    let asked = decision(&mut stage, |input| {
        input.channels = vec![network("mandate:m1", Action::ActClose)];
        live(input, "mandate:m1", &["m1"]);
    });
    let output = asked.output;
    let mut narrow = asked.clone();
    narrow.profile = Profile::LocalDegraded;
    narrow.override_reason = Some("nothing of ours depends on it".to_owned());
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(narrow));
    only(&stage.refused(Role::SecurityLead, &body), K::ProfileExceeded, "RP_LOCAL_DEGRADED");
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(asked));
    stage.act(Role::SecurityLead, &body);
    let stages = crate::audit::stages(stage.view());
    assert_eq!(stages.len(), 1);
    assert_eq!(stages[0].stage, Phase::ScopedHalt);
    assert_eq!(stages[0].jumped, [Phase::LocalDegradation, Phase::ProtocolSafeMode]);
    assert_eq!(stages[0].decision, Some(output));
    let stages = crate::audit::stages(crate::testing::walk::whole().view());
    let order: Vec<_> = stages.iter().map(|s| s.stage).collect();
    let wanted = [Phase::LocalDegradation, Phase::ReplayOrRebuild, Phase::ControlledReenable];
    assert_eq!(order, wanted);
    assert!(stages.is_sorted_by(|a, b| a.mark.at < b.mark.at));
}

/// R-21.3-1: a wider measure than the revocation of the stolen key is no draft of this decision,
/// and a wider profile is an override by two with a reason.
#[test]
fn a_wide_shutdown_for_one_stolen_key_needs_an_override() {
    let mut stage = of_class(C::KeyCompromise, &["key:k1"]);
    confirm(&mut stage, "owner_declaration");
    let mut decided = decision(&mut stage, |input| {
        input.incident.blast_rank = BlastRank::SUBJECT;
        input.channels = vec![network("key:k1", Action::KeyUse)];
        live(input, "key:k1", &["k1"]);
        live(input, "agent-operator:op", &["k1", "k2"]);
        live(input, "domain:d", &["k1", "k2", "m1"]);
    });
    assert_eq!(decided.requested.len(), 1);
    assert_eq!(decided.requested[0].scope, "key:k1");
    assert_eq!(decided.recommended, Profile::HaltScoped);
    let narrow = Body::DecisionRecorded(decided.clone());
    decided.profile = Profile::EmergencyRestriction;
    let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    assert_eq!(kinds(&refusal), [K::ReasonRequired, K::SecondPersonRequired]);
    stage.act(Role::IncidentCommander, &narrow);
    for wide in [
        (Choice::Quarantine, "agent-operator:op"),
        (Choice::ScopedProtocolHalt, "domain:d"),
        (Choice::ScopedProtocolHalt, "network:all"),
    ] {
        let body = Body::DraftMade(draft(&mut stage, DraftKind::ProtocolMeasure, Some(wide)));
        among(&stage.refused(Role::GovernanceLiaison, &body), K::ScopeTooBroad, wide.1);
    }
    let exact = Some((Choice::Quarantine, "key:k1"));
    let body = Body::DraftMade(draft(&mut stage, DraftKind::KeyRevocation, exact));
    stage.act(Role::SecurityLead, &body);
}

/// R-21.2-1: no private key is stored, and the timeline tells first and last suspicious use.
#[test]
fn the_timeline_of_a_key_has_its_first_and_last_use() {
    let mut stage = of_class(C::KeyCompromise, &["key:k1"]);
    let filed = |stage: &mut Stage, item: Item, text: &str| {
        let mut items = stage.items(&[item]);
        items.items[0].hash = stage.keep(text);
        items.items[0].size = text.len() as u64;
        Body::EvidenceCollected(items)
    };
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA";
    let stolen = filed(&mut stage, Item::CompromiseProof, key);
    only(&stage.machine_refused("agent:n1", &stolen), K::ForbiddenPower, "OpenSSH private key");
    let backwards = "{\"uses\":[{\"at\":\"2026-01-02T03:04:05.678Z\",\"what\":\"b\"},\
        {\"at\":\"2026-01-01T03:04:05.678Z\",\"what\":\"a\"}]}";
    for text in ["first monday, last friday", "{\"uses\":[]}", backwards] {
        let body = filed(&mut stage, Item::KeyTimeline, text);
        only(&stage.machine_refused("agent:n1", &body), K::InvalidSchema, "key_timeline");
    }
    let good = Body::EvidenceCollected(stage.items(&[Item::KeyTimeline]));
    stage.machine("agent:n1", &good);
}

/// R-21.2-7: a stolen key is not closed before its blast radius is assessed with scopes and
/// heights, and evidence by hash; other scopes need another assessment.
#[test]
fn a_blast_radius_is_assessed_before_closing() {
    let mut stage = of_class(C::KeyCompromise, &["key:k1"]);
    let proof = Body::EvidencePinned(stage.items(&[Item::CompromiseProof]));
    stage.machine("agent:n1", &proof);
    let piece = stage.view().evidence[&Item::CompromiseProof].held[0].hash;
    let owed = |stage: &Stage| {
        let missing = facts::of(stage.state(), stage.view(), stage.now).evidence_missing;
        missing.iter().any(|m| m.contains("assessment of the blast radius"))
    };
    assert!(owed(&stage));
    let assessed = |scope: &str, to: u64, piece: Digest| {
        Body::ScopeChanged(ScopeChanged {
            scopes: vec![scope.to_owned()],
            blast: Blast { rank: BlastRank::SUBJECT, basis: BlastBasis::Measured },
            reason: "everything that the key could sign".to_owned(),
            assessed: Some(Assessed { from: 1, to, evidence: [piece].into() }),
        })
    };
    let body = assessed("key:k1", 1 << 40, Digest::of(b"elsewhere"));
    let refusal = stage.refused(Role::IncidentCommander, &body);
    assert_eq!(kinds(&refusal), [K::NotFinalized, K::EvidenceMissing]);
    stage.act(Role::IncidentCommander, &assessed("key:k1", 100, piece));
    assert!(!owed(&stage));
    let last = stage.entries.last().unwrap().signed.event();
    assert_eq!(last.body["assessed"]["evidence"], serde_json::json!([piece]));
    declare(&mut stage, C::KeyCompromise, &["key:k1", "key:k2"]);
    assert!(owed(&stage), "other scopes, another assessment");
}

/// R-22.2-5: a rebuild compares its root with the certificate and two references; a peer that lies
/// is named, and the recovery does not end.
#[test]
fn a_rebuilt_root_is_compared_with_certificate_and_peers() {
    let mut stage = at(S::Stabilized);
    stage.establish();
    let mut plan = stage.plan();
    plan.mode = RecoveryMode::LocalRebuild;
    plan.scope = "node:n1".to_owned();
    let bare = Body::RecoveryPlanned(plan.clone());
    only(&stage.refused(Role::RecoveryOperator, &bare), K::GuardUnmet, "reference_roots_equal");
    plan.exits = vec!["reference_roots_equal".to_owned()];
    stage.act(Role::RecoveryOperator, &Body::RecoveryPlanned(plan));
    let root = Digest::of(b"root");
    let good = RootComparison {
        at: SeenFinal { height: 100, block: Digest::of(b"trusted") },
        certificate: root,
        own: root,
        references: [("peer-1".to_owned(), root), ("peer-2".to_owned(), root)].into(),
    };
    let shown = |stage: &mut Stage, said: &RootComparison| {
        let proof = stage.keep(canon::encode(said).unwrap());
        let item = "reference_roots_equal".to_owned();
        Body::RecoveryProduced(crate::body::RecoveryProduced { item, proof })
    };
    let mut lying = good.clone();
    lying.references.insert("peer-2".to_owned(), Digest::of(b"lie"));
    let body = shown(&mut stage, &lying);
    let refusal = stage.refused(Role::RecoveryOperator, &body);
    only(&refusal, K::ReplayMismatch, "peer-2 has root");
    let missing = facts::exit_missing(stage.state(), stage.view());
    assert!(missing.contains(&"reference_roots_equal".to_owned()));
    let body = shown(&mut stage, &RootComparison { own: Digest::of(b"own"), ..good.clone() });
    only(&stage.refused(Role::RecoveryOperator, &body), K::ReplayMismatch, "the rebuilt store");
    let mut alone = good.clone();
    alone.references.remove("peer-2");
    let body = shown(&mut stage, &alone);
    only(&stage.refused(Role::RecoveryOperator, &body), K::GuardUnmet, "exit: 1 references");
    let mut ahead = good.clone();
    ahead.at.height = 1 << 40;
    let body = shown(&mut stage, &ahead);
    only(&stage.refused(Role::RecoveryOperator, &body), K::NotFinalized, "above the verified");
    let words = stage.keep("the roots are equal");
    let item = "reference_roots_equal".to_owned();
    let body = Body::RecoveryProduced(crate::body::RecoveryProduced { item, proof: words });
    only(&stage.refused(Role::RecoveryOperator, &body), K::InvalidSchema, "not canonical");
    let body = shown(&mut stage, &good);
    stage.act(Role::RecoveryOperator, &body);
    let missing = facts::exit_missing(stage.state(), stage.view());
    assert!(!missing.contains(&"reference_roots_equal".to_owned()));
}

/// R-23.2-7: no protocol measure on an implementation, and one on a feature of bad software only
/// with the fixture that shows the fault.
#[test]
fn the_protocol_restricts_a_feature_only_with_a_fixture() {
    let mut stage = of_class(C::SupplyChain, &["feature:f"]);
    confirm(&mut stage, "rebuilds_differ");
    let decided = decision(&mut stage, |input| {
        input.incident.blast_rank = BlastRank::DOMAIN;
        input.channels = vec![network("feature:f", Action::UseFeature)];
        live(input, "feature:f", &["f"]);
    });
    assert_eq!(decided.requested.len(), 1, "{decided:?}");
    let choice = decided.requested[0].choice;
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    let kind = DraftKind::ProtocolMeasure;
    let body = Body::DraftMade(draft(&mut stage, kind, Some((choice, "impl:azref/1.2.3"))));
    among(&stage.refused(Role::GovernanceLiaison, &body), K::ScopeInvalid, "impl:azref/1.2.3");
    let body = Body::DraftMade(draft(&mut stage, kind, Some((choice, "feature:f"))));
    only(&stage.refused(Role::GovernanceLiaison, &body), K::EvidenceMissing, "no fixture");
    let fixture = Body::EvidenceCollected(stage.items(&[Item::StateFixture]));
    stage.machine("agent:n1", &fixture);
    stage.act(Role::GovernanceLiaison, &body);
}

/// R-37.2-3: that a seat is jailed counts only as finalized state shows it, whoever says so.
#[test]
fn a_slash_counts_only_in_finalized_state() {
    let mut stage = at(S::Confirmed);
    let decided = decision(&mut stage, |input| {
        input.channels = vec![network("seat:0", Action::SeatSign)];
    });
    let name = facts::protocol_name(Choice::Quarantine, "seat:0");
    assert_eq!(decided.requested.len(), 1, "{decided:?}");
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    let proof = draft(&mut stage, DraftKind::FraudProof, None);
    let object = proof.object;
    stage.act(Role::ConsensusLead, &Body::DraftMade(proof));
    let state = |stage: &Stage| facts::protocol_measures(stage.state(), stage.view())[&name];
    let applied = Body::MeasureAcknowledged(MeasureAcknowledged { measure: name.clone() });
    only(&stage.machine_refused("agent:n1", &applied), K::NotFinalized, "requested");
    among(&stage.refused(Role::IncidentCommander, &applied), K::NotFinalized, "seat:0");
    let handed = Body::MeasureHandedOver(MeasureHandedOver {
        measure: name.clone(),
        object: Some(object),
        owner: None,
        text: "the slash is applied".to_owned(),
    });
    among(&stage.refused(Role::IncidentCommander, &handed), K::NotFinalized, "no restriction");
    assert_eq!(state(&stage), MeasureState::Requested);
    stage.restrict(vec![crate::body::Restriction {
        object,
        choice: Choice::Quarantine,
        scope: "seat:0".to_owned(),
        capability: 4,
        since: 90,
        expiry: None,
        review: None,
        cites: None,
    }]);
    assert_eq!(state(&stage), MeasureState::InForce);
}
