//! The opening record, declaration, severity, runbook and first transitions.

use azir_ledger::{Digest, SignedEvent};
use azir_model::evidence::{Item, evidence_list_hash, scopes_hash};
use azir_model::{
    BlastRank, IncidentClass as I, IncidentState as S, Profile, Refusal, RefusalKind as K, Role,
    RunbookId, Severity,
};
use serde_json::{Value, json};

use crate::Body;
use crate::admit::unreadable;
use crate::body::{DraftKind, DraftMade, IncidentOpened, SeverityChanged};
use crate::testing::{Stage, among, at, kinds, only, opening, person, with};

const DETECTOR: &str = "detector:conflicting-certificates";

/// Opens with a changed record; the id and the event follow the change.
fn open(change: impl FnOnce(&mut Stage, &mut IncidentOpened)) -> Result<Stage, Refusal> {
    let mut stage = Stage::begun();
    let (mut opened, _) = opening(I::Consensus, Severity::Sev4Critical);
    change(&mut stage, &mut opened);
    stage.incident = Some(opened.record.id().unwrap().0);
    let signed = Stage::sign(&stage.event(DETECTOR, None, &Body::IncidentOpened(opened)));
    stage.submit(signed).map(|_| stage)
}

#[track_caller]
fn refused(kind: K, what: &str, change: impl FnOnce(&mut Stage, &mut IncidentOpened)) {
    only(&open(change).unwrap_err(), kind, what);
}

fn raw(change: impl FnOnce(&mut Value)) -> Refusal {
    let mut stage = Stage::begun();
    let (opened, id) = opening(I::Consensus, Severity::Sev4Critical);
    stage.incident = Some(id);
    let mut event = stage.event(DETECTOR, None, &Body::IncidentOpened(opened));
    change(&mut event.body["record"]);
    stage.submit(Stage::sign(&event)).unwrap_err()
}

/// R-7.1-1: exactly the members of the seed's record; R-7.1-4: times are UTC with milliseconds.
#[test]
fn the_record_has_exactly_its_members() {
    only(&raw(|r| r["urgency"] = json!("high")), K::InvalidSchema, "urgency");
    let missing = raw(|r| {
        r.as_object_mut().unwrap().remove("severity");
    });
    only(&missing, K::InvalidSchema, "severity");
    for time in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00"] {
        only(&raw(|r| r["detection_time"] = json!(time)), K::InvalidSchema, "incident.opened");
    }
    only(&raw(|r| r["incident_class"] = json!("INC_WEATHER")), K::UnknownEnum, "INC_WEATHER");
    let stage = open(|_, o| o.record.metadata_hash = Some(Digest::of(b"m"))).unwrap();
    assert!(stage.view().record.metadata_hash.is_some());
    assert!(open(|_, _| {}).unwrap().view().record.metadata_hash.is_none());
}

/// R-7.1-12: an absent metadata hash is no member, and null is not canonical; R-7.1-13: the schema
/// version stands in the envelope, never in the record, and an unknown one is refused.
#[test]
fn absence_is_no_null_and_the_schema_stands_outside_the_record() {
    let mut stage = Stage::begun();
    let (opened, id) = opening(I::Consensus, Severity::Sev4Critical);
    stage.incident = Some(id);
    let event = stage.event(DETECTOR, None, &Body::IncidentOpened(opened));
    let signed = Stage::sign(&event);
    let text = String::from_utf8(signed.bytes().to_vec()).unwrap();
    assert!(!text.contains("metadata_hash"));
    let next = "\"related_object_refs\"";
    let with_null = text.replace(next, &format!("\"metadata_hash\":null,{next}"));
    let reread =
        |text: &str| SignedEvent::from_bytes(text.as_bytes().to_vec(), signed.signature().clone());
    assert!(reread(&text).is_ok());
    let null = unreadable(&reread(&with_null).unwrap_err());
    only(&null, K::NotCanonical, "null");

    let record = &event.body["record"];
    assert!(record.get("schema").is_none());
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["schema"], json!("azir.event/1"));
    let unknown = reread(&text.replace("azir.event/1", "azir.event/2")).unwrap_err();
    only(&unreadable(&unknown), K::InvalidSchema, "azir.event/2");
    only(&raw(|r| r["schema"] = json!("azir.event/1")), K::InvalidSchema, "schema");
}

/// R-7.1-2: the id is the hash of the record and stands beside it.
#[test]
fn a_wrong_id_is_refused() {
    let mut stage = Stage::begun();
    let (opened, id) = opening(I::Consensus, Severity::Sev4Critical);
    stage.incident = Some(Digest::of(b"mine"));
    let signed = Stage::sign(&stage.event(DETECTOR, None, &Body::IncidentOpened(opened)));
    only(&stage.submit(signed).unwrap_err(), K::IdMismatch, &id.to_string());
    let stage = at(S::Detected);
    assert_eq!(stage.view().record.id().unwrap(), stage.view().id);
}

/// R-7.1-5, R-7.1-6, R-7.1-9, R-7.1-10, R-7.1-11: each member that is no opening value is refused.
#[test]
fn members_that_are_no_opening_values_are_refused() {
    refused(K::UnknownActor, "operator:zoe", |_, o| o.record.detected_by = "operator:zoe".into());
    refused(K::GuardUnmet, "opening: status", |_, o| o.record.status = S::Confirmed);
    refused(K::GuardUnmet, "opening: profile", |_, o| {
        o.record.current_response_profile = Profile::HaltScoped;
    });
    refused(K::InvalidSchema, "related_object_refs", |_, o| {
        o.record.related_object_refs = vec!["block 7".to_owned()];
    });
    refused(K::GuardUnmet, "runbook: RB-GOV-001", |_, o| {
        o.record.related_runbook_id = "RB-GOV-001".parse().unwrap();
    });
    let observe = open(|_, o| {
        o.record.incident_class = I::ObservabilityOnly;
        o.record.severity = Severity::Sev1Low;
        o.record.related_runbook_id = "RB-OBSERVE-001".parse().unwrap();
    });
    assert!(observe.is_ok());
}

/// R-7.1-7: the scope hash is that of the sorted unique list, which stands in the event.
#[test]
fn scopes_are_sorted_known_and_hashed() {
    let scoped = |o: &mut IncidentOpened, list: &[&str]| {
        o.scopes = list.iter().map(|s| (*s).to_owned()).collect();
        o.record.affected_scopes_hash = scopes_hash(list.iter().copied()).unwrap();
    };
    refused(K::NotCanonical, "not sorted", |_, o| scoped(o, &["node:n2", "node:n1"]));
    refused(K::NotCanonical, "not sorted", |_, o| scoped(o, &["node:n1", "node:n1"]));
    refused(K::ScopeInvalid, "planet:mars", |_, o| scoped(o, &["planet:mars"]));
    refused(K::HashMismatch, "affected_scopes_hash", |_, o| o.scopes = vec!["node:n1".into()]);
}

/// R-7.1-8: no evidence yet is the hash of the empty list; R-7.1-7: content is held, not promised.
#[test]
fn initial_evidence_is_hashed_and_held() {
    let stage = at(S::Detected);
    let empty = "523f80827973c784c2a41da50053057c4e392b4640295d934c4a58cff9164271";
    assert_eq!(stage.view().record.initial_evidence_hash.to_string(), empty);
    refused(K::HashMismatch, "initial_evidence_hash", |_, o| {
        o.record.initial_evidence_hash = Digest([0; 32]);
    });
    let carry = |stage: &mut Stage, o: &mut IncidentOpened| {
        o.evidence = vec![stage.item(Item::Logs)];
        o.record.initial_evidence_hash = evidence_list_hash(&o.evidence).unwrap();
    };
    let held = open(carry).unwrap();
    assert!(held.view().evidence[&Item::Logs].pinned);
    refused(K::EvidenceMissing, "logs", |stage, o| {
        carry(stage, o);
        stage.vault.clear();
    });
}

/// R-7.1-2, R-7.1-5 to R-7.1-8: everything that is wrong is named at once.
#[test]
fn a_bad_opening_names_all_its_faults() {
    let mut stage = Stage::begun();
    let (mut opened, _) = opening(I::Consensus, Severity::Sev4Critical);
    opened.record.status = S::Closed;
    opened.record.detected_by = "agent:n9".to_owned();
    opened.record.initial_evidence_hash = Digest([0; 32]);
    opened.scopes.reverse();
    stage.incident = Some(Digest::of(b"mine"));
    let signed = Stage::sign(&stage.event(DETECTOR, None, &Body::IncidentOpened(opened)));
    let refusal = stage.submit(signed).unwrap_err();
    let all = [K::IdMismatch, K::HashMismatch, K::UnknownActor, K::GuardUnmet, K::NotCanonical];
    assert_eq!(kinds(&refusal), all, "{refusal}");
}

/// R-7.1-4: a clock that is off is marked and refuses nothing; order comes from the index.
#[test]
fn an_authors_clock_that_is_off_is_marked() {
    let mut stage = at(S::Detected);
    let declared = Body::IncidentDeclared(stage.declared());
    let (who, role) = (person(Role::OnCallOperator), Some(Role::OnCallOperator));
    let mut event = stage.event(&who, role, &declared);
    event.at = event.at.plus_ms(10_000);
    let index = stage.submit(Stage::sign(&event)).unwrap();
    let mark = stage.view().declared.clone().unwrap();
    assert!(mark.clock_suspect && mark.index == index);
    assert!(!stage.view().opened.clock_suspect);
}

/// R-7.1-3, R-7.1-9: later values are events; the record and the id never move.
#[test]
fn severity_and_profile_change_in_the_view_and_never_in_the_record() {
    let mut stage = at(S::Containing);
    let (record, id) = (stage.view().record.clone(), stage.view().id);
    let raised = SeverityChanged { severity: Severity::Sev5Systemic, reason: "worse".to_owned() };
    stage.act(Role::OnCallOperator, &Body::SeverityChanged(raised));
    assert_eq!(stage.view().severity, Severity::Sev5Systemic);
    assert_eq!(stage.view().profile, stage.view().decision.as_ref().unwrap().profile);
    assert_ne!(stage.view().profile, record.current_response_profile);
    assert_eq!(stage.view().record, record);
    assert_eq!(stage.view().id, id);
    assert_eq!(record.severity, Severity::Sev4Critical);
    assert_eq!(record.id().unwrap(), id);
}

/// R-5.1-1: in DETECTED nothing is asked of the protocol, and the on-call may halt own roles.
#[test]
fn a_fresh_incident_allows_local_measures_and_no_draft() {
    let mut stage = at(S::Detected);
    assert_eq!(stage.view().state, S::Detected);
    assert!(stage.view().declared.is_none() && stage.view().peak.is_none());
    let object = stage.keep("draft");
    let draft = Body::DraftMade(DraftMade {
        draft: DraftKind::FraudProof,
        object,
        measure: None,
        justification: None,
        parameters: None,
    });
    let refusal = stage.refused(Role::ConsensusLead, &draft);
    among(&refusal, K::GuardUnmet, "confirm");
    let halt = Body::MeasureCommanded(stage.measure("n1"));
    stage.act(Role::OnCallOperator, &halt);
    assert!(stage.view().measures["halt-n1"].in_force());
}

/// R-5.1-2, R-9.1-3: TRIAGED needs class, severity, scope, runbook and commander, named at once.
#[test]
fn triage_names_everything_that_is_missing() {
    let mut stage = at(S::Detected);
    let body = stage.moves(S::Triaged);
    let refusal = stage.refused(Role::OnCallOperator, &body);
    for guard in ["declared", "scope", "rb", "ic"] {
        among(&refusal, K::GuardUnmet, guard);
    }
    assert_eq!(refusal.unmet().len(), 4, "{refusal}");
    stage.prepare_triage();
    let body = stage.moves(S::Triaged);
    stage.act(Role::IncidentCommander, &body);
}

/// R-9.1-2: the first event of an incident is its opening.
#[test]
fn the_opening_is_the_first_event_of_the_incident() {
    let stage = at(S::PostmortemPublished);
    let mut about = stage.entries.iter().filter(|e| e.signed.event().subject == stage.incident);
    let first = about.next().unwrap();
    assert_eq!(first.signed.event().kind, "incident.opened");
    assert_eq!(first.meta.index, stage.view().opened.index);
    assert!(about.all(|e| e.signed.event().kind != "incident.opened"));
}

/// R-32.1-3: a machine declares nothing; the declaration names person and role.
#[test]
fn only_on_call_and_commander_declare() {
    let mut stage = at(S::Detected);
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    stage.assign(Role::IncidentCommander, Role::SecurityLead);
    let declared = Body::IncidentDeclared(stage.declared());
    only(&stage.machine_refused(DETECTOR, &declared), K::NotAuthorized, "declare");
    only(&stage.refused(Role::SecurityLead, &declared), K::NotAuthorized, "declare");
    stage.act(Role::IncidentCommander, &declared);
    let mark = stage.view().declared.as_ref().unwrap();
    assert_eq!(mark.role, Some(Role::IncidentCommander));
}

/// R-8.3-3: rank and scopes belong together; each condition of a declaration fails alone.
#[test]
fn each_condition_of_a_declaration_fails_alone() {
    let mut stage = at(S::Detected);
    let good = Body::IncidentDeclared(stage.declared());
    let lower = with(&good, "severity", json!("SEV_3_HIGH"));
    only(&stage.refused(Role::OnCallOperator, &lower), K::ReasonRequired, "lower than");
    let empty = with(&good, "scopes", json!([]));
    only(&stage.refused(Role::OnCallOperator, &empty), K::ScopeRequired, "rank 4");
    let unsorted = with(&good, "scopes", json!(["node:n2", "node:n1"]));
    only(&stage.refused(Role::OnCallOperator, &unsorted), K::NotCanonical, "sorted");
    let invented = with(&good, "scopes", json!(["planet:mars"]));
    only(&stage.refused(Role::OnCallOperator, &invented), K::ScopeInvalid, "planet");
    let observe = with(&good, "class", json!("INC_OBSERVABILITY_ONLY"));
    only(&stage.refused(Role::OnCallOperator, &observe), K::GuardUnmet, "class");
    stage.act(Role::OnCallOperator, &with(&lower, "reason", json!("one node only")));
    assert_eq!(stage.view().declared_reason.as_deref(), Some("one node only"));
    stage.act(Role::OnCallOperator, &good);
    let again = with(&lower, "reason", json!("calmer"));
    only(&stage.refused(Role::OnCallOperator, &again), K::GuardUnmet, "cannot lower");
    assert_eq!(stage.view().blast.as_ref().unwrap().rank, BlastRank::NETWORK);
}

/// D-030: duties follow the peak; lowering needs two people, a reason and no damage.
#[test]
fn severity_is_raised_by_one_and_lowered_by_two() {
    let mut stage = at(S::Stabilized);
    let to = |severity, reason: &str| {
        Body::SeverityChanged(SeverityChanged { severity, reason: reason.to_owned() })
    };
    only(
        &stage.refused(Role::OnCallOperator, &to(Severity::Sev5Systemic, "")),
        K::ReasonRequired,
        "",
    );
    let lower = to(Severity::Sev3High, "contained");
    only(&stage.refused(Role::IncidentCommander, &lower), K::SecondPersonRequired, "nobody");
    only(&stage.refused(Role::OnCallOperator, &lower), K::NotAuthorized, "lower severity");
    stage.approve(Role::ConsensusLead, &lower);
    stage.act(Role::IncidentCommander, &lower);
    assert_eq!(stage.view().severity, Severity::Sev3High);
    assert_eq!(stage.view().peak(), Severity::Sev4Critical);
    let mut stage = at(S::Containing);
    stage.approve(Role::ConsensusLead, &lower);
    only(&stage.refused(Role::IncidentCommander, &lower), K::GuardUnmet, "quiet");
    let mut stage = at(S::Detected);
    let early = to(Severity::Sev5Systemic, "worse");
    only(&stage.refused(Role::OnCallOperator, &early), K::GuardUnmet, "declared");
}

/// R-7.1-11: only a released version is bound, and only of a class of the incident.
#[test]
fn only_a_released_runbook_of_the_class_is_bound() {
    let mut stage = at(S::Detected);
    let bound = stage.state().runbooks[0].clone();
    let mut other = bound.clone();
    other.version = 2;
    let refusal = stage.refused(Role::OnCallOperator, &Body::RunbookBound(other));
    among(&refusal, K::VersionConflict, "version 2");
    let mut other = bound.clone();
    other.id = RunbookId::Bvm;
    let refusal = stage.refused(Role::OnCallOperator, &Body::RunbookBound(other));
    assert_eq!(kinds(&refusal)[..2], [K::GuardUnmet, K::VersionConflict]);
    let object = stage.vault.remove(&bound.object).unwrap();
    let body = Body::RunbookBound(bound.clone());
    only(&stage.refused(Role::OnCallOperator, &body), K::EvidenceMissing, "runbook");
    stage.vault.insert(bound.object, object);
    stage.act(Role::OnCallOperator, &body);
    assert_eq!(stage.view().runbook.as_ref(), Some(&bound));
}

/// R-5.2-1: a critical incident reaches CLOSED from no state but MONITORING.
#[test]
fn a_critical_incident_is_closed_from_monitoring_only() {
    for state in
        [S::Detected, S::Triaged, S::Confirmed, S::Containing, S::Stabilized, S::Recovering]
    {
        let mut stage = at(state);
        let body = stage.moves(S::Closed);
        let refusal = stage.refused(Role::OnCallOperator, &body);
        among(&refusal, K::IllegalTransition, "CLOSED");
        assert_eq!(stage.view().state, state);
    }
}
