//! Severity up, down and corrected; scopes revised; incidents that are not real.

use azir_ledger::Digest;
use azir_model::evidence::Item;
use azir_model::lifecycle::Resolution;
use azir_model::{IncidentClass, IncidentId, IncidentState as S, RefusalKind as K, Role, Severity};

use crate::body::{
    Blast, BlastBasis, IncidentResolved, ScopeChanged, SeverityChanged, SeverityCorrected,
};
use crate::testing::{Stage, among, at, kinds, only, opening};
use crate::{Body, audit};

fn severity(severity: Severity) -> Body {
    Body::SeverityChanged(SeverityChanged { severity, reason: "what is seen".to_owned() })
}

/// R-4.1-3: any deciding role raises alone; lowering takes the commander with evidence, the lead
/// from SEV_4 on, and no damage.
#[test]
fn severity_rises_at_once_and_falls_by_two_when_nothing_burns() {
    let mut stage = at(S::Stabilized);
    stage.act(Role::SecurityLead, &severity(Severity::Sev5Systemic));
    let lower = severity(Severity::Sev2Medium);
    only(&stage.refused(Role::ConsensusLead, &lower), K::NotAuthorized, "lower severity");
    let alone = stage.refused(Role::IncidentCommander, &lower);
    assert_eq!(kinds(&alone), [K::SecondPersonRequired]);
    stage.approve(Role::ConsensusLead, &lower);
    let mut burning = stage.fork();
    burning.observe(1);
    among(&burning.refused(Role::IncidentCommander, &lower), K::GuardUnmet, "quiet");
    stage.act(Role::IncidentCommander, &lower);
    assert_eq!(stage.view().severity, Severity::Sev2Medium);
}

/// R-4.1-4: duties follow the highest severity ever declared; a wrong declaration leaves the peak
/// only by two people, and stays visible.
#[test]
fn the_peak_outlives_lowering_and_ends_only_by_a_correction_of_two() {
    let mut stage = at(S::Stabilized);
    let lower = severity(Severity::Sev1Low);
    stage.approve(Role::ConsensusLead, &lower);
    stage.act(Role::IncidentCommander, &lower);
    assert_eq!(stage.view().peak(), Severity::Sev4Critical);
    let facts = crate::facts::of(stage.state(), stage.view(), stage.now);
    assert_eq!(facts.peak, Severity::Sev4Critical);
    let entry = stage.view().severities[0].mark.index;
    let body = |entry| {
        Body::SeverityCorrected(SeverityCorrected {
            entry,
            severity: Severity::Sev2Medium,
            reason: "a test network".to_owned(),
        })
    };
    let wrong = body(entry + 1);
    stage.approve(Role::ConsensusLead, &wrong);
    only(&stage.refused(Role::IncidentCommander, &wrong), K::InvalidSchema, "declares no severity");
    let right = body(entry);
    let refusal = stage.refused(Role::IncidentCommander, &right);
    assert_eq!(kinds(&refusal), [K::SecondPersonRequired]);
    stage.approve(Role::ConsensusLead, &right);
    stage.act(Role::IncidentCommander, &right);
    assert_eq!(stage.view().peak(), Severity::Sev2Medium);
    let trail = audit::trail(stage.state(), stage.view());
    assert!(trail.items[2].lines[0].contains("SEV_4_CRITICAL (called wrong by two people)"));
}

/// R-4.1-2: a person declares, and says why it is less than what the detector proposed.
#[test]
fn a_declaration_below_the_proposal_says_why_and_no_machine_declares() {
    let mut stage = at(S::Detected);
    let mut declared = stage.declared();
    declared.severity = Severity::Sev2Medium;
    let body = Body::IncidentDeclared(declared.clone());
    only(&stage.refused(Role::OnCallOperator, &body), K::ReasonRequired, "SEV_4_CRITICAL");
    let detector = "detector:conflicting-certificates";
    among(&stage.machine_refused(detector, &body), K::NotAuthorized, "AUT");
    declared.reason = Some("one test seat".to_owned());
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
}

/// R-32.1-5: the scope set can be read back at any entry.
#[test]
fn scopes_are_known_at_any_position() {
    let mut stage = at(S::Stabilized);
    let before = stage.state().size;
    let mut changed = ScopeChanged {
        scopes: vec!["node:n9".to_owned()],
        blast: Blast { rank: azir_model::BlastRank::OWN, basis: BlastBasis::Measured },
        reason: String::new(),
        assessed: None,
    };
    let refusal = stage.refused(Role::IncidentCommander, &Body::ScopeChanged(changed.clone()));
    assert_eq!(kinds(&refusal), [K::ReasonRequired, K::ScopeInvalid]);
    changed.scopes = vec!["node:n1/notary".to_owned()];
    "only the notary".clone_into(&mut changed.reason);
    stage.act(Role::IncidentCommander, &Body::ScopeChanged(changed));
    let at = |index| audit::scopes_at(stage.view(), index);
    assert_eq!(at(before - 1), ["node:n1", "node:n2"]);
    assert_eq!(at(before + 1), ["node:n1/notary"]);
    let trail = audit::trail(stage.state(), stage.view());
    assert!(trail.items[4].lines.last().unwrap().ends_with("node:n1/notary"));
}

fn resolved(resolution: Resolution, proof: Option<Digest>, twin: Option<IncidentId>) -> Body {
    let reason = "seen again with a second tool".to_owned();
    Body::IncidentResolved(IncidentResolved { resolution, reason, proof, twin })
}

/// R-5.2-3: a critical false alarm goes through MONITORING, and only with what refutes it.
#[test]
fn a_false_alarm_needs_what_refutes_it() {
    let mut stage = at(S::Triaged);
    let mut to = stage.moves(S::Monitoring);
    if let Body::StateMoved(moved) = &mut to {
        moved.reason = Some("refuted".to_owned());
    }
    among(&stage.refused(Role::IncidentCommander, &to), K::IllegalTransition, "T-05");
    let bare = resolved(Resolution::FalseAlarm, None, None);
    only(&stage.refused(Role::OnCallOperator, &bare), K::EvidenceMissing, "refutes");
    let proof = Some(stage.keep("both certificates are of a test network"));
    stage.act(Role::OnCallOperator, &resolved(Resolution::FalseAlarm, proof, None));
    let refusal = stage.refused(Role::IncidentCommander, &to);
    assert!(refusal.unmet().iter().all(|u| u.kind == K::GuardUnmet), "{refusal}");
    let closed = stage.moves(S::Closed);
    among(&stage.refused(Role::IncidentCommander, &closed), K::IllegalTransition, "CLOSED");
}

/// R-5.1-10 and D-021: a duplicate names an open twin that holds its evidence.
#[test]
fn a_duplicate_names_a_twin_that_holds_its_evidence() {
    let mut stage = at(S::Triaged);
    let me = stage.view().id;
    let (mut other, _) = opening(IncidentClass::Consensus, Severity::Sev4Critical);
    other.record.related_object_refs = vec![format!("block:{}", Digest::of(b"7"))];
    let twin = other.record.id().unwrap();
    let lost = resolved(Resolution::Duplicate, None, Some(twin));
    only(&stage.refused(Role::OnCallOperator, &lost), K::IdMismatch, "never opened");
    let own = resolved(Resolution::Duplicate, None, Some(me));
    only(&stage.refused(Role::OnCallOperator, &own), K::GuardUnmet, "itself");
    let none = resolved(Resolution::Duplicate, None, None);
    only(&stage.refused(Role::OnCallOperator, &none), K::GuardUnmet, "no other incident");
    stage.incident = Some(twin.0);
    stage.machine("detector:conflicting-certificates", &Body::IncidentOpened(other));
    stage.incident = Some(me.0);
    stage.pin_all();
    stage.act(Role::OnCallOperator, &resolved(Resolution::Duplicate, None, Some(twin)));
    let linked = |stage: &Stage| {
        let facts = crate::facts::of(stage.state(), stage.view(), stage.now);
        facts.twin.is_some_and(|t| t.evidence_linked)
    };
    assert!(!linked(&stage));
    stage.incident = Some(twin.0);
    stage.pin_all();
    stage.incident = Some(me.0);
    assert!(linked(&stage));
}

/// R-7.3-3: what is in force is not called off by calling the incident refuted.
#[test]
fn nothing_is_refuted_while_a_measure_holds() {
    let mut stage = at(S::Stabilized);
    let proof = Some(stage.keep("refutation"));
    let body = resolved(Resolution::FalseAlarm, proof, None);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    assert_eq!(kinds(&refusal), [K::MeasureActive, K::MeasureActive]);
}

/// D-038: what goes on from a published postmortem is a new incident that names it.
#[test]
fn only_what_is_over_is_gone_on_from() {
    let mut stage = at(S::PostmortemPublished);
    let before = stage.view().id;
    let (mut next, _) = opening(IncidentClass::Consensus, Severity::Sev4Critical);
    next.record.related_object_refs = vec![format!("block:{}", Digest::of(b"9"))];
    next.continues = Some(before);
    stage.incident = Some(next.record.id().unwrap().0);
    stage.act(Role::OnCallOperator, &Body::IncidentOpened(next.clone()));
    assert_eq!(stage.view().continues, Some(before));
    let open = stage.view().id;
    next.record.related_object_refs = vec![format!("block:{}", Digest::of(b"10"))];
    next.continues = Some(open);
    let mut third = stage.fork();
    third.incident = Some(next.record.id().unwrap().0);
    let refusal = third.refused(Role::OnCallOperator, &Body::IncidentOpened(next));
    only(&refusal, K::IdMismatch, "continues");
}

/// Times that have not come are refused with the clock that says so.
#[test]
fn nothing_was_seen_or_obtained_in_the_future() {
    let mut stage = at(S::Triaged);
    let mut items = stage.items(&[Item::Logs]);
    items.items[0].obtained_at = stage.now.plus_ms(60_000);
    let body = Body::EvidencePinned(items);
    only(&stage.machine_refused("agent:n1", &body), K::InvalidSchema, "obtained_at of logs");
    let (mut opened, _) = opening(IncidentClass::Consensus, Severity::Sev4Critical);
    opened.record.detection_time = stage.now.plus_ms(60_000);
    stage.incident = Some(opened.record.id().unwrap().0);
    let refusal = stage.refused(Role::OnCallOperator, &Body::IncidentOpened(opened));
    only(&refusal, K::InvalidSchema, "detection_time");
}

/// R-5.2-3, R-32.2-1: a critical false alarm is closed from MONITORING with its review, and goes on
/// to its postmortem; a gap of the audit trail at that moment stays on record.
#[test]
fn a_critical_false_alarm_ends_in_a_postmortem_too() {
    use crate::body::{RecoveryRecorded, ReviewSigned};
    let mut stage = at(S::Triaged);
    let proof = Some(stage.keep("both certificates are of a test network"));
    stage.act(Role::OnCallOperator, &resolved(Resolution::FalseAlarm, proof, None));
    stage.pin_all();
    stage.collect_rest();
    let report = Some(stage.keep("consistency report"));
    let recorded =
        RecoveryRecorded { done: false, statement: "nothing was touched".into(), report };
    stage.act(Role::IncidentCommander, &Body::RecoveryRecorded(recorded));
    stage.go(Role::IncidentCommander, S::Monitoring);
    stage.wait(13 * 3_600_000);
    stage.observe(0);
    let review = Body::ReviewSigned(ReviewSigned { finding: "refuted".to_owned() });
    stage.act(Role::ConsensusLead, &review);
    let mut gap = stage.fork();
    let real = resolved(Resolution::Real, None, None);
    gap.act(Role::OnCallOperator, &real);
    let to = gap.moves(S::Closed);
    gap.approve(Role::ConsensusLead, &to);
    among(&gap.refused(Role::IncidentCommander, &to), K::GuardUnmet, "audit: missing");
    let failures = audit::failures(gap.state(), gap.view());
    assert!(failures.iter().any(|f| f.contains("gap in the audit trail")), "{failures:?}");
    let to = stage.moves(S::Closed);
    stage.approve(Role::ConsensusLead, &to);
    stage.act(Role::IncidentCommander, &to);
    assert_eq!(stage.view().state, S::PostmortemPending);
}
