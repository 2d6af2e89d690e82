//! Derived status, labels, and what may be published.

use azir_model::vocab::{FinalityLabel, NodeRole};
use azir_model::{Choice, IncidentState as S, RefusalKind as K, Role};

use crate::Body;
use crate::body::{MeasureReleased, RecoveryRecorded, StatusPublished};
use crate::status::{StatusClass, derive, label, rely_on};
use crate::testing::{Stage, among, at, kinds, only};

fn published(operator: StatusClass, network: StatusClass, text: &str) -> Body {
    Body::StatusPublished(StatusPublished {
        operator,
        network,
        text: text.to_owned(),
        hard_final: None,
        reason: None,
        guidance: None,
    })
}

fn fresh(state: S) -> Stage {
    let mut stage = at(state);
    stage.observe(0);
    stage
}

#[test]
fn each_state_derives_its_class() {
    let class = |state| derive(fresh(state).state(), fresh(state).now).operator;
    assert_eq!(class(S::Triaged), StatusClass::Degraded);
    assert_eq!(class(S::Stabilized), StatusClass::ScopedHalt);
    assert_eq!(class(S::Monitoring), StatusClass::MonitoringAfterRecovery);
    assert_eq!(class(S::PostmortemPublished), StatusClass::Healthy);
    let stage = at(S::PostmortemPublished);
    let stale = derive(stage.state(), stage.now.plus_ms(60_000));
    assert_eq!(stale.operator, StatusClass::Degraded);
    assert!(stale.facts.iter().any(|f| f.kind == "status_stale"));
}

/// An incident under watch does not hide another one that is open.
#[test]
fn one_incident_does_not_hide_another() {
    let mut stage = fresh(S::Monitoring);
    let (mut opened, _) = crate::testing::opening(
        azir_model::IncidentClass::Consensus,
        azir_model::Severity::Sev3High,
    );
    opened.record.metadata_hash = Some(azir_ledger::Digest::of(b"second"));
    stage.incident = Some(opened.record.id().unwrap().0);
    stage.machine("detector:conflicting-certificates", &Body::IncidentOpened(opened));
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::Degraded);
}

/// R-31.2-2: nothing better than derived, and the network axis leaves healthy only on verified
/// facts.
#[test]
fn a_status_says_what_facts_show() {
    let mut stage = fresh(S::Containing);
    let derived = derive(stage.state(), stage.now);
    assert_eq!(
        (derived.operator, derived.network),
        (StatusClass::ScopedHalt, StatusClass::Degraded)
    );
    let better = published(StatusClass::Healthy, StatusClass::Healthy, "all good");
    let refusal = stage.refused(Role::IncidentCommander, &better);
    assert_eq!(kinds(&refusal), [K::StatusUnproven; 2]);
    let exact = published(derived.operator, derived.network, "own roles are halted");
    only(&stage.refused(Role::RecoveryOperator, &exact), K::NotAuthorized, "status");
    stage.act(Role::IncidentCommander, &exact);
    let mut stage = fresh(S::PostmortemPublished);
    let blamed = published(StatusClass::Healthy, StatusClass::ScopedHalt, "the network is down");
    let refusal = stage.refused(Role::IncidentCommander, &blamed);
    among(&refusal, K::StatusUnproven, "network axis");
    let worse = published(StatusClass::Degraded, StatusClass::Healthy, "our reads are slow");
    only(&stage.refused(Role::IncidentCommander, &worse), K::ReasonRequired, "worse than derived");
    let Body::StatusPublished(mut worse) = worse else { panic!() };
    worse.reason = Some("reads time out at our edge".to_owned());
    stage.act(Role::IncidentCommander, &Body::StatusPublished(worse));
}

/// R-31.1-2: a local reduction, and a chain that does not finalize for an epoch, each make it
/// degraded, with the fact.
#[test]
fn a_reduction_or_a_lag_is_degraded_with_the_fact() {
    let of = |stage: &Stage, kind: &str| {
        let status = derive(stage.state(), stage.now);
        let fact = status.facts.into_iter().find(|f| f.kind == kind);
        fact.map(|f| (f.class, f.operator, f.network))
    };
    let mut stage = at(S::Detected);
    let mut reduction = stage.measure("n1");
    reduction.choice = Choice::LocalDegraded;
    reduction.roles = vec![NodeRole::Proposer];
    assert_eq!(of(&stage, "local_degraded_mode"), None);
    stage.act(Role::OnCallOperator, &Body::MeasureCommanded(reduction));
    assert_eq!(of(&stage, "local_degraded_mode"), Some((StatusClass::Degraded, true, false)));
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::Degraded);

    let mut stage = fresh(S::PostmortemPublished);
    assert_eq!(derive(stage.state(), stage.now).network, StatusClass::Healthy);
    let mut stalled = stage.observation("n1", 0);
    stalled.finalizing = false;
    stage.machine("agent:n1", &Body::NetworkObserved(stalled));
    assert_eq!(of(&stage, "no_finality"), Some((StatusClass::Degraded, false, true)));
    assert_eq!(derive(stage.state(), stage.now).network, StatusClass::Degraded);
}

/// R-31.1-5: once nothing is held any more a recovery is in progress, and its phases are shown;
/// R-31.1-6: then it is watched until it is closed.
#[test]
fn a_recovery_shows_its_phases_and_is_watched_until_closure() {
    let mut stage = at(S::Recovering);
    let shown = |stage: &Stage| {
        let status = derive(stage.state(), stage.now);
        let fact = status.facts.into_iter().find(|f| f.kind == "recovering");
        (status.operator, fact.map(|f| f.text).unwrap_or_default())
    };
    assert!(shown(&stage).1.contains("back: none; to come: n1/verifier in phase 4"));
    stage.reopen_all();
    for node in crate::testing::NODES {
        let (measure, reason) = (format!("halt-{node}"), "its gates are back".to_owned());
        let lift = Body::MeasureReleased(MeasureReleased { measure, reason });
        stage.act(Role::IncidentCommander, &lift);
    }
    stage.observe(0);
    let (class, text) = shown(&stage);
    assert_eq!(class, StatusClass::RecoveryInProgress);
    assert!(text.contains("n2/notary in phase 6; to come: none"), "{text}");

    let mut stage = fresh(S::Monitoring);
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::MonitoringAfterRecovery);
    stage.prepare_closing();
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::MonitoringAfterRecovery);
    let better = published(StatusClass::Healthy, StatusClass::Healthy, "all good");
    only(&stage.refused(Role::IncidentCommander, &better), K::StatusUnproven, "monitoring");
    let body = stage.moves(S::Closed);
    stage.approve(Role::ConsensusLead, &body);
    stage.act(Role::IncidentCommander, &body);
    stage.observe(0);
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::Healthy);
}

/// R-12.1-6: a halt of own roles makes no halt of the network, neither derived nor published, with
/// whatever reason.
#[test]
fn a_local_halt_never_becomes_a_halt_of_the_network() {
    let mut stage = fresh(S::Stabilized);
    let derived = derive(stage.state(), stage.now);
    assert_eq!(derived.operator, StatusClass::ScopedHalt);
    assert!(derived.network < StatusClass::SafeMode);
    for network in [StatusClass::SafeMode, StatusClass::ScopedHalt] {
        let mut said = published(derived.operator, network, "we halted our roles");
        if let Body::StatusPublished(said) = &mut said {
            said.reason = Some("our own notaries are halted".to_owned());
        }
        let refusal = stage.refused(Role::IncidentCommander, &said);
        only(&refusal, K::StatusUnproven, "network axis");
    }
}

/// R-31.2-3: a restriction is never called maintenance.
#[test]
fn a_restriction_is_never_called_maintenance() {
    let mut stage = fresh(S::Stabilized);
    let said =
        published(StatusClass::ScopedHalt, StatusClass::Degraded, "Planned Maintenance tonight");
    only(&stage.refused(Role::IncidentCommander, &said), K::StatusUnproven, "maintenance");
    let mut stage = fresh(S::PostmortemPublished);
    let said = published(StatusClass::Healthy, StatusClass::Healthy, "maintenance on Sunday");
    stage.act(Role::IncidentCommander, &said);
}

/// R-14.2-8, R-14.3-3, R-31.2-1: above the trusted checkpoint nothing is final while it is
/// disputed; a statement that nothing has to be recovered ends no dispute.
#[test]
fn nothing_above_the_checkpoint_is_final_while_disputed() {
    let before = at(S::Containing);
    let hard = FinalityLabel::HardFinal;
    assert_eq!(label(before.state(), 1, hard), FinalityLabel::Disputed);
    let mut stage = at(S::Recovering);
    assert_eq!(label(stage.state(), 100, hard), hard);
    assert_eq!(label(stage.state(), 101, hard), FinalityLabel::Disputed);
    assert_eq!(label(stage.state(), 101, FinalityLabel::SoftFinal), FinalityLabel::Disputed);
    let speculative = FinalityLabel::Speculative;
    assert_eq!(label(stage.state(), 101, speculative), speculative);
    rely_on(stage.state(), 100).unwrap();
    let refusal = rely_on(stage.state(), 101).unwrap_err();
    only(&refusal, K::FinalityDisputed, "trusted up to 100");
    let report = Some(stage.keep("report"));
    let none = RecoveryRecorded { done: false, statement: "nothing".to_owned(), report };
    stage.act(Role::IncidentCommander, &Body::RecoveryRecorded(none));
    assert_eq!(label(stage.state(), 101, hard), FinalityLabel::Disputed);
    assert_eq!(label(at(S::Monitoring).state(), 101, hard), hard);
}
