//! What a stolen key or one person in a hurry might try, event by event.

use azir_ledger::{Digest, SeenFinal};
use azir_model::approval::{ApprovalBody, act_digest};
use azir_model::evidence::Item;
use azir_model::lifecycle::{MeasureState, Resolution};
use azir_model::vocab::NodeRole;
use azir_model::{
    Choice, IncidentClass, IncidentState as S, RecoveryMode, RefusalKind as K, Role, Severity,
};

use crate::Body;
use crate::body::{
    DraftKind, DraftMade, DraftedMeasure, EvidenceSealed, IncidentResolved, KeyRevoked,
    MeasureHandedOver, MeasureReleased, RecoveryApproved, RecoveryPlanned, Restriction,
    RestrictionsObserved, StateMoved, StatusPublished, Verified,
};
use crate::facts;
use crate::status::{Label, StatusClass, derive};
use crate::testing::{Stage, among, at, decision, kinds, only, opening, person};

fn restriction(choice: Choice, scope: &str) -> Restriction {
    Restriction {
        object: Digest::of(scope.as_bytes()),
        choice,
        scope: scope.to_owned(),
        capability: 4,
        since: 90,
        expiry: None,
        review: None,
        cites: None,
    }
}

fn list(node: &str, height: u64, in_force: Vec<Restriction>) -> Body {
    let hard_final = SeenFinal { height, block: Digest::of(b"tip") };
    let (node, verified) = (node.to_owned(), Verified::Cryptographic);
    Body::RestrictionsObserved(RestrictionsObserved { node, hard_final, verified, in_force })
}

fn release(measure: &str) -> Body {
    let (measure, reason) = (measure.to_owned(), "not needed".to_owned());
    Body::MeasureReleased(MeasureReleased { measure, reason })
}

fn governance(stage: &Stage) -> usize {
    let all = stage.state().incidents.values();
    all.filter(|v| v.class == IncidentClass::Governance).count()
}

/// D-066: no node makes a restriction vanish that another sees, and a revoked one is not heard.
#[test]
fn a_stolen_agent_key_hides_no_restriction() {
    let mut stage = at(S::Stabilized);
    let halt = restriction(Choice::ScopedProtocolHalt, "domain:dex");
    let height = stage.height;
    stage.machine("agent:n1", &list("n1", height, vec![halt.clone()]));
    stage.machine("agent:n2", &list("n2", height, vec![]));
    assert_eq!(stage.state().in_force(), [&halt]);
    stage.machine("agent:n2", &list("n2", 1 << 50, vec![]));
    assert_eq!(stage.state().in_force(), [&halt]);
    stage.machine("agent:n1", &list("n1", height + 1, vec![halt.clone()]));
    let (actor, reason) = ("agent:n2".to_owned(), "stolen".to_owned());
    let revoked = Body::KeyRevoked(KeyRevoked { actor, reason });
    stage.incident = None;
    stage.approve(Role::IncidentCommander, &revoked);
    stage.act(Role::SecurityLead, &revoked);
    assert!(stage.state().hard_final().unwrap().height < 1 << 50);
    stage.machine("agent:n1", &list("n1", height + 2, vec![]));
    assert!(stage.state().in_force().is_empty());
}

/// Annex G: at its expiry a restriction is in force no more, whoever still lists it (D-089).
#[test]
fn what_has_expired_is_not_protocol_active() {
    let mut stage = at(S::Stabilized);
    let mut halt = restriction(Choice::ScopedProtocolHalt, "domain:dex");
    halt.expiry = Some(stage.height + 5);
    halt.cites = Some(stage.view().id.to_string());
    stage.restrict(vec![halt]);
    let active = |stage: &Stage| {
        let status = derive(stage.state(), stage.now);
        status.facts.iter().any(|f| f.label == Some(Label::ProtocolActive))
    };
    assert!(active(&stage));
    stage.observe(0);
    assert!(!active(&stage));
    stage.tick();
    assert_eq!(stage.view().state, S::Containing, "an unplanned end is a lost measure");
}

/// Annex B `inforce`: what the decision applies is commanded, acknowledged and not merely let go.
#[test]
fn nothing_stands_in_for_a_measure_that_is_in_force() {
    let mut stage = at(S::Confirmed);
    let decided = decision(&mut stage, |_| {});
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    stage.go(Role::IncidentCommander, S::Containing);
    stage.wait(3_600_000);
    stage.observe(0);
    let to = stage.moves(S::Stabilized);
    let refusal = stage.refused(Role::IncidentCommander, &to);
    among(&refusal, K::GuardUnmet, "node:n1/notary, which nobody commanded");
    stage.obey = false;
    let command = Body::MeasureCommanded(stage.measure("n1"));
    stage.act(Role::OnCallOperator, &command);
    let released = stage.refused(Role::IncidentCommander, &release("halt-n1"));
    among(&released, K::MeasureActive, "n1/notary is open, and no restart was carried out");
    among(&stage.refused(Role::IncidentCommander, &to), K::GuardUnmet, "halt-n1");
    let leased = stage.engine.leasable();
    assert!(leased.iter().all(|g| g.subsystem.node != "n1" || !g.subsystem.role.signs()));
}

/// Annex I: no lease for a gate whose measure was lost, and short ones while an incident is open.
#[test]
fn a_gate_that_opened_by_itself_gets_no_lease() {
    let mut stage = at(S::Stabilized);
    stage.gate("n1", NodeRole::Notary, true);
    assert_eq!(stage.view().state, S::Containing);
    let leased = stage.engine.leasable();
    assert!(leased.iter().all(|g| !g.subsystem.role.signs()), "{leased:?}");
    let incident = azir_model::directive::LeaseKind::Incident;
    assert!(!leased.is_empty() && leased.iter().all(|g| g.kind == incident));
}

/// D-089, annex J.1: a plan for one scope makes the loss of another no plan; and what was lost is
/// answered by a new decision.
#[test]
fn an_unrelated_plan_excuses_no_loss() {
    let mut stage = at(S::Stabilized);
    stage.establish();
    let mine = |stage: &Stage, scope: &str| {
        let mut r = restriction(Choice::ProtocolSafeMode, scope);
        r.cites = Some(stage.view().id.to_string());
        r
    };
    let (a, b) = (mine(&stage, "domain:a"), mine(&stage, "domain:b"));
    let mut both = vec![a.clone(), b];
    both.sort_by_key(|r| r.object);
    stage.restrict(both);
    let plan = stage.act(
        Role::RecoveryOperator,
        &Body::RecoveryPlanned(RecoveryPlanned {
            mode: RecoveryMode::DomainReenable,
            scope: "domain:a".to_owned(),
            entry: "the cause is fixed".to_owned(),
            outputs: vec!["caps".to_owned()],
            exits: vec!["lifted".to_owned()],
            destroys: vec![],
            subsystems: vec![],
        }),
    );
    let approved = Body::RecoveryApproved(RecoveryApproved { plan });
    stage.act(Role::IncidentCommander, &approved);
    stage.restrict(vec![a]);
    assert_eq!(stage.view().state, S::Containing);
    let name = facts::protocol_name(Choice::ProtocolSafeMode, "domain:b");
    let fate = |stage: &Stage| facts::protocol_measures(stage.state(), stage.view())[&name];
    assert_eq!(fate(&stage), MeasureState::Lost);
    let decided = decision(&mut stage, |_| {});
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    assert_eq!(fate(&stage), MeasureState::Ended);
}

/// Annex C row 16, annex O 7: an emergency restriction has one kind of draft.
#[test]
fn an_emergency_is_drafted_as_one() {
    let mut stage = at(S::Confirmed);
    let decided = decision(&mut stage, |_| {});
    stage.observe(0);
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    let object = stage.keep("emergency restriction");
    let body = |draft, choice, scope: &str| {
        let (scope, expiry_s) = (scope.to_owned(), Some(600));
        let measure = Some(DraftedMeasure { choice, scope, expiry_s, review_s: None });
        Body::DraftMade(DraftMade { draft, object, measure, justification: None, parameters: None })
    };
    let emergency = Choice::EmergencyRestriction;
    let other = body(DraftKind::ProtocolMeasure, emergency, "machine:m1");
    let refusal = stage.refused(Role::GovernanceLiaison, &other);
    among(&refusal, K::ProtocolAuthorityRequired, "drafted as another kind");
    for (draft, choice, scope) in [
        (DraftKind::FraudProof, emergency, "machine:m1"),
        (DraftKind::MandateMode, Choice::ScopedProtocolHalt, "network:all"),
    ] {
        let refusal = stage.refused(Role::ConsensusLead, &body(draft, choice, scope));
        only(&refusal, K::ProtocolAuthorityRequired, "no owner-path transaction");
    }
}

/// Annex O 7: a fraud proof or an incident of a reporter hides no emergency object, and one
/// observation opens one incident.
#[test]
fn an_emergency_object_is_neither_hidden_nor_used_to_flood() {
    let mut stage = at(S::Stabilized);
    let object = stage.keep("bytes");
    let proof = DraftMade {
        draft: DraftKind::FraudProof,
        object,
        measure: None,
        justification: None,
        parameters: None,
    };
    stage.act(Role::OnCallOperator, &Body::DraftMade(proof));
    let mut emergency = restriction(Choice::EmergencyRestriction, "feature:f");
    emergency.object = object;
    let mine = stage.incident;
    let (mut opened, _) = opening(IncidentClass::Consensus, Severity::Sev0Info);
    opened.record.related_object_refs = vec![format!("restriction:{object}")];
    stage.incident = Some(opened.record.id().unwrap().0);
    stage.act(Role::IncidentReporter, &Body::IncidentOpened(opened));
    stage.incident = mine;
    stage.restrict(vec![emergency]);
    assert_eq!(governance(&stage), 1);
    let feature = |i| restriction(Choice::EmergencyRestriction, &format!("feature:f{i}"));
    let mut many: Vec<_> = (0..100).map(feature).collect();
    many.sort_by_key(|r| r.object);
    stage.height += 1;
    stage.restrict(many);
    assert_eq!(governance(&stage), 2);
    let local = list("n1", stage.height + 2, vec![restriction(Choice::Quarantine, "node:n1")]);
    only(&stage.machine_refused("agent:n1", &local), K::ScopeInvalid, "own nodes");
}

/// D-025: what was decided is never sealed, and not by whoever likes.
#[test]
fn the_record_itself_is_not_sealed() {
    let mut stage = at(S::PostmortemPublished);
    let document = stage.view().postmortem.as_ref().unwrap().document;
    let mut items = stage.items(&[Item::Logs]);
    items.items[0].size = stage.vault[&document].len() as u64;
    items.items[0].hash = document;
    stage.act(Role::IncidentReporter, &Body::EvidencePinned(items));
    let pieces = vec![document];
    let seal = Body::EvidenceSealed(EvidenceSealed { pieces, reason: "x".to_owned() });
    let refusal = stage.refused(Role::IncidentReporter, &seal);
    assert_eq!(kinds(&refusal), [K::NotAuthorized, K::AppendOnly]);
    among(&stage.machine_refused("gate:n1/notary", &seal), K::NotAuthorized, "seal");
}

/// D-035: nothing is closed while a gate is held, whatever the incident is called, and a local
/// measure is handed over to a person only.
#[test]
fn no_resolution_closes_over_a_measure() {
    let mut stage = at(S::Triaged);
    let command = Body::MeasureCommanded(stage.measure("n1"));
    stage.act(Role::OnCallOperator, &command);
    let facts = facts::of(stage.state(), stage.view(), stage.now);
    for id in [azir_model::lifecycle::TransitionId::T02, azir_model::lifecycle::TransitionId::T04] {
        for resolution in [Resolution::NoAction, Resolution::Duplicate, Resolution::FalseAlarm] {
            let guards = azir_model::lifecycle::guards(id, resolution);
            use azir_model::lifecycle::Guard;
            assert!(guards.contains(&Guard::Released) || guards.contains(&Guard::Refute));
        }
    }
    assert!(!facts.measures.is_empty());
    let halt = restriction(Choice::ScopedProtocolHalt, "machine:m1");
    let object = Some(halt.object);
    stage.restrict(vec![halt]);
    let over = Body::MeasureHandedOver(MeasureHandedOver {
        measure: "halt-n1".to_owned(),
        object,
        owner: None,
        text: "somebody else's restriction".to_owned(),
    });
    among(&stage.refused(Role::IncidentCommander, &over), K::NotFinalized, "halt-n1");
    let proof = Some(stage.keep("refutation"));
    let refuted = Body::IncidentResolved(IncidentResolved {
        resolution: Resolution::FalseAlarm,
        reason: "seen again".to_owned(),
        proof,
        twin: None,
    });
    only(&stage.refused(Role::IncidentCommander, &refuted), K::MeasureActive, "halt-n1");
}

/// D-038: an incident that is reopened proves everything again.
#[test]
fn a_reopened_incident_begins_without_old_proofs() {
    let mut stage = at(S::PostmortemPending);
    let new = stage.keep("new evidence");
    let mut moved = StateMoved::new(S::PostmortemPending, S::Triaged);
    moved.new_evidence = vec![new];
    moved.reason = Some("it goes on".to_owned());
    stage.act(Role::IncidentCommander, &Body::StateMoved(moved));
    let view = stage.view();
    assert!(view.replay.is_none() && view.checkpoint.is_none() && view.cause.is_none());
    assert!(view.resolution.is_none() && view.handed.is_empty() && view.withdrawn.is_empty());
}

/// Annex K: the worst of what nodes say freshly counts, and no disputed block is called final.
#[test]
fn no_good_word_hides_a_bad_one() {
    let mut stage = at(S::PostmortemPublished);
    stage.incident = None;
    let mut bad = stage.observation("n1", 0);
    bad.conflicting_hard_final = true;
    bad.store_ok = false;
    stage.machine("agent:n1", &Body::NetworkObserved(bad));
    let good = stage.observation("n2", 0);
    stage.machine("agent:n2", &Body::NetworkObserved(good));
    let status = derive(stage.state(), stage.now);
    let degraded = StatusClass::Degraded;
    assert_eq!((status.operator, status.network), (degraded, degraded));

    let mut stage = at(S::Stabilized);
    stage.observe(0);
    let tip = stage.state().hard_final();
    let status = derive(stage.state(), stage.now);
    assert!(tip.is_some() && status.hard_final != tip);
    let said = Body::StatusPublished(StatusPublished {
        operator: status.operator,
        network: status.network,
        text: "all blocks are final".to_owned(),
        hard_final: tip,
        reason: None,
        guidance: None,
    });
    only(&stage.refused(Role::IncidentCommander, &said), K::StatusUnproven, "hard-final");
}

/// D-049: a machine is nobody's second person.
#[test]
fn a_machine_approves_nothing() {
    let mut stage = at(S::Stabilized);
    let body = release("halt-n1");
    let act = act_digest(body.kind(), stage.incident, &body.value());
    let given = Body::ApprovalGiven(ApprovalBody { act });
    only(&stage.machine_refused("gate:n1/notary", &given), K::NotAuthorized, "machine");
    let owner = person(Role::ConsensusLead);
    assert!(owner.starts_with("operator:"));
}
