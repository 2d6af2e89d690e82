//! Sealed pieces, custody, budgets, tombstones, peers and measures that outlive the incident.

use azir_ledger::Digest;
use azir_model::vocab::NodeRole;
use azir_model::{Choice, IncidentState as S, RefusalKind as K, Role, Severity};

use crate::body::{
    EvidenceDropped, EvidenceHanded, EvidenceRemoved, EvidenceSealed, MeasureAcknowledged,
    MeasureHandedOver, MeasureReleased, RemovedPiece, SeverityChanged,
};
use crate::testing::{Stage, among, at, kinds, only, person};
use crate::{Body, audit, evidence, facts};

const DAY_MS: i64 = 24 * 3_600_000;

fn piece(stage: &Stage) -> (Digest, u64) {
    let held = stage.view().evidence.values().flat_map(|r| &r.held).next().unwrap();
    (held.hash, held.size)
}

/// R-10.1-13: only what is held can be sealed, and with a reason.
#[test]
fn a_sealed_piece_is_one_of_this_incident() {
    let mut stage = at(S::Confirmed);
    let (hash, _) = piece(&stage);
    let seal = |pieces: Vec<Digest>, reason: &str| {
        Body::EvidenceSealed(EvidenceSealed { pieces, reason: reason.to_owned() })
    };
    let strange = seal(vec![Digest::of(b"strange")], "");
    let refusal = stage.refused(Role::SecurityLead, &strange);
    assert_eq!(kinds(&refusal), [K::ReasonRequired, K::EvidenceMissing]);
    stage.act(Role::SecurityLead, &seal(vec![hash], "names a live exploit"));
    assert!(stage.view().sealed.contains(&hash));
}

/// D-058: custody goes from whoever keeps a piece to somebody named.
#[test]
fn custody_changes_hands_one_by_one() {
    let mut stage = at(S::Confirmed);
    let (hash, _) = piece(&stage);
    let hand = |from: &str, to: &str| {
        Body::EvidenceHanded(EvidenceHanded {
            piece: hash,
            from: from.to_owned(),
            to: to.to_owned(),
            reason: "the node is wiped".to_owned(),
        })
    };
    let (dan, gabi) = (person(Role::SecurityLead), person(Role::AuditScribe));
    let wrong = stage.refused(Role::SecurityLead, &hand(&dan, &gabi));
    only(&wrong, K::HashMismatch, "kept by agent:n1");
    stage.act(Role::SecurityLead, &hand("agent:n1", &dan));
    stage.act(Role::SecurityLead, &hand(&dan, &gabi));
    assert_eq!(evidence::custodian(stage.view(), &hash), Some(gabi));
}

/// R-10.1-12: nothing is removed before its term; afterwards a tombstone stays.
#[test]
fn a_tombstone_stands_only_after_the_term() {
    let mut stage = at(S::PostmortemPublished);
    let (hash, size) = piece(&stage);
    let remove = |size, policy| {
        let pieces = vec![RemovedPiece { hash, size }];
        Body::EvidenceRemoved(EvidenceRemoved { pieces, policy })
    };
    let body = remove(size, 1);
    stage.approve(Role::AuditScribe, &body);
    only(&stage.refused(Role::IncidentCommander, &body), K::AppendOnly, "");
    stage.wait(731 * DAY_MS);
    let wrong = remove(size + 1, 2);
    stage.approve(Role::AuditScribe, &wrong);
    let refusal = stage.refused(Role::IncidentCommander, &wrong);
    assert_eq!(kinds(&refusal), [K::VersionConflict, K::HashMismatch]);
    let alone = stage.fork();
    let mut alone = alone;
    let fresh = remove(size, 1);
    stage.act(Role::IncidentCommander, &fresh);
    assert_eq!(stage.view().removed[&hash].size, size);
    let mut open = at(S::Stabilized);
    open.wait(2_000 * DAY_MS);
    open.approve(Role::AuditScribe, &fresh);
    among(&open.refused(Role::IncidentCommander, &fresh), K::AppendOnly, "");
    alone.wait(1);
}

/// R-2.1-2: what a budget cost is on record, and is an operational failure.
#[test]
fn a_budget_says_what_it_cost() {
    let mut stage = at(S::Confirmed);
    let body = |budget| {
        let dropped = vec![crate::body::DroppedPiece {
            item: azir_model::evidence::Item::Logs,
            size: 9_000_000,
        }];
        Body::EvidenceDropped(EvidenceDropped { scope: "node:n1".to_owned(), budget, dropped })
    };
    only(&stage.machine_refused("agent:n1", &body(0)), K::InvalidSchema, "no budget");
    stage.machine("agent:n1", &body(1_000_000));
    let failures = audit::failures(stage.state(), stage.view());
    assert!(failures.iter().any(|f| f.contains("within 1000000 bytes")), "{failures:?}");
}

fn peers(stage: &Stage) -> Body {
    let mut measure = stage.measure("n1");
    "drop-peers".clone_into(&mut measure.measure);
    measure.choice = Choice::Quarantine;
    measure.roles.clear();
    measure.peers = vec!["peer-7".to_owned()];
    Body::MeasureCommanded(measure)
}

/// R-13.2-8, R-13.4-2: one person drops peers on an own node, without a draft; the node's agent
/// says that it does, and it ends at will.
#[test]
fn peers_are_dropped_by_one_person_and_acknowledged_by_the_agent() {
    let mut stage = at(S::Confirmed);
    let body = peers(&stage);
    stage.act(Role::OnCallOperator, &body);
    assert!(stage.closes.is_empty(), "no gate is ordered");
    assert!(!stage.view().measures["drop-peers"].in_force());
    let carried =
        Body::MeasureAcknowledged(MeasureAcknowledged { measure: "drop-peers".to_owned() });
    only(&stage.machine_refused("agent:n2", &carried), K::NotAuthorized, "agent:n2");
    among(&stage.refused(Role::OnCallOperator, &carried), K::NotAuthorized, "observed by machines");
    stage.machine("agent:n1", &carried);
    assert!(stage.view().measures["drop-peers"].in_force() && stage.view().drafts.is_empty());
    let released = Body::MeasureReleased(MeasureReleased {
        measure: "drop-peers".to_owned(),
        reason: "they answer again".to_owned(),
    });
    only(&stage.refused(Role::OnCallOperator, &released), K::NotAuthorized, "lift");
    stage.act(Role::IncidentCommander, &released);
}

/// R-11.1-1, R-11.1-3, R-11.1-4: a degraded node loses reads, proposing or agents, never
/// validation.
#[test]
fn a_degraded_node_validates_on() {
    let mut stage = at(S::Confirmed);
    let degraded = |stage: &Stage, roles: Vec<NodeRole>| {
        let mut measure = stage.measure("n1");
        measure.choice = Choice::LocalDegraded;
        measure.roles = roles;
        Body::MeasureCommanded(measure)
    };
    for role in [NodeRole::Validation, NodeRole::Verifier, NodeRole::Notary] {
        let body = degraded(&stage, vec![role]);
        let refusal = stage.refused(Role::OnCallOperator, &body);
        only(&refusal, K::GuardUnmet, "11.1");
        assert!(refusal.unmet()[0].remedy.contains("local_service_halt"));
    }
    let body = degraded(&stage, vec![NodeRole::Proposer]);
    stage.act(Role::OnCallOperator, &body);
}

/// R-4.2-1: at SEV_0 nothing but observing is allowed.
#[test]
fn an_observation_stops_nothing() {
    let mut stage = at(S::Confirmed);
    let info = Body::SeverityChanged(SeverityChanged {
        severity: Severity::Sev0Info,
        reason: "nothing happened".to_owned(),
    });
    stage.observe(0);
    stage.approve(Role::ConsensusLead, &info);
    stage.act(Role::IncidentCommander, &info);
    let body = Body::MeasureCommanded(stage.measure("n1"));
    only(&stage.refused(Role::OnCallOperator, &body), K::ProfileExceeded, "SEV_0_INFO");
}

/// Guard `released`: what stays has an owner, or a finalized object holds it.
#[test]
fn what_outlives_the_incident_has_an_owner() {
    let mut stage = at(S::Stabilized);
    let hand = |owner: Option<String>, object: Option<Digest>| {
        Body::MeasureHandedOver(MeasureHandedOver {
            measure: "halt-n1".to_owned(),
            object,
            owner,
            text: "until the patched build is released".to_owned(),
        })
    };
    let nobody = stage.refused(Role::IncidentCommander, &hand(None, None));
    only(&nobody, K::GuardUnmet, "neither a finalized object nor an owner");
    let object = stage.refused(Role::IncidentCommander, &hand(None, Some(Digest::of(b"x"))));
    among(&object, K::NotFinalized, "no restriction in force");
    let held = || vec!["halt-n1".to_owned(), "halt-n2".to_owned()];
    assert_eq!(facts::held_measures(stage.state(), stage.view()), held());
    stage.act(Role::IncidentCommander, &hand(Some(person(Role::ConsensusLead)), None));
    assert_eq!(facts::held_measures(stage.state(), stage.view()), held()[1..]);
}

/// R-6.3-1, R-32.2-1: a missing scribe is an operational failure that the postmortem repeats.
#[test]
fn a_missing_scribe_is_a_failure_on_record() {
    let mut stage = at(S::Detected);
    let has = |stage: &Stage| {
        let failures = audit::failures(stage.state(), stage.view());
        failures.iter().any(|f| f.contains("Audit Scribe"))
    };
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    stage.assign(Role::IncidentCommander, Role::ConsensusLead);
    let bound = stage.state().runbooks[0].clone();
    stage.act(Role::OnCallOperator, &Body::RunbookBound(bound));
    let declared = Body::IncidentDeclared(stage.declared());
    stage.act(Role::OnCallOperator, &declared);
    assert!(!has(&stage));
    stage.go(Role::IncidentCommander, S::Triaged);
    assert!(has(&stage));
    stage.assign(Role::IncidentCommander, Role::AuditScribe);
    assert!(!has(&stage));
}

/// R-40.0-1: what is destroyed was preserved; a gate started anew before its node was preserved is
/// found by its own count, afterwards it is no fault.
#[test]
fn a_restart_before_preservation_is_found() {
    let has = |stage: &Stage| {
        let failures = audit::failures(stage.state(), stage.view());
        failures.iter().any(|f| f.starts_with("unrecorded_restart: n1/notary"))
    };
    let mut stage = at(S::Confirmed);
    stage.served = 7;
    stage.gate("n1", NodeRole::Notary, true);
    stage.served = 9;
    stage.gate("n1", NodeRole::Notary, true);
    assert!(!has(&stage));
    let mut late = stage.fork();
    stage.served = 0;
    stage.gate("n1", NodeRole::Notary, true);
    assert!(has(&stage));
    late.served = 9;
    let body = Body::EvidencePreserved(late.receipt());
    late.machine("agent:n1", &body);
    late.served = 0;
    late.gate("n1", NodeRole::Notary, true);
    assert!(!has(&late));
}

/// R-19.3-1: high-impact agents are stopped first and explained later.
#[test]
fn a_close_needs_no_explanation() {
    let mut stage = at(S::Confirmed);
    let mut measure = stage.measure("n1");
    measure.reason.clear();
    stage.act(Role::OnCallOperator, &Body::MeasureCommanded(measure));
    assert_eq!(stage.closes.len(), 1);
    let high = crate::testing::decision(&mut stage, |input| {
        input.channels.truncate(1);
        input.channels[0].scope = "mandate:m1".parse().unwrap();
        input.channels[0].origin = azir_model::decision::Origin::Network;
        input.channels[0].actions =
            azir_model::decision::ActionSet::of(&[azir_model::decision::Action::ActUnapproved]);
        input.channels[0].min_capability = 3;
        input.channels[0].checker = Some(true);
        let subjects = ["m1".to_owned()].into();
        input.chain.subjects.insert("mandate:m1".parse().unwrap(), subjects);
    });
    let output = &stage.vault[&high.output];
    let output: azir_model::decision::Output = azir_ledger::canon::decode(output).unwrap();
    let weak = output.per_channel[0]
        .candidates
        .iter()
        .filter(|c| c.measure.capability < 3 && !c.measure.is_local() && c.measure.capability > 0);
    let verdicts: Vec<_> = weak.map(|c| c.verdict).collect();
    assert!(!verdicts.is_empty());
    assert!(verdicts.iter().all(|v| *v == azir_model::decision::Verdict::BelowFloor));
}
