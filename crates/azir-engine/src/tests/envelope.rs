//! Who signed, for which log, in which mode, in which role; and the first entry.

use azir_ledger::{Digest, SignedEvent};
use azir_model::{IncidentState as S, Refusal, RefusalKind as K, Role};
use serde_json::json;

use crate::Body;
use crate::body::{KeyRevoked, NoteAdded};
use crate::engine::Engine;
use crate::testing::{Stage, at, kinds, machine_key, only, person, person_key, policy};

fn note() -> Body {
    Body::NoteAdded(NoteAdded { text: "seen".to_owned() })
}

/// Refused before anything was authenticated: nothing is recorded about it.
fn anonymous(stage: &mut Stage, signed: SignedEvent) -> Refusal {
    let size = stage.state().size;
    let refusal = stage.submit(signed).unwrap_err();
    assert_eq!(stage.state().size, size, "an unauthenticated attempt leaves no entry");
    refusal
}

#[test]
fn an_event_of_another_log_is_void_here() {
    let mut stage = at(S::Detected);
    let mut event = stage.event(&person(Role::OnCallOperator), Some(Role::OnCallOperator), &note());
    event.log = "other.example/log".to_owned();
    only(&anonymous(&mut stage, Stage::sign(&event)), K::IdMismatch, "other.example");
}

#[test]
fn a_drill_signature_acts_in_no_live_log_and_a_live_one_in_no_drill() {
    let mut live = at(S::Detected);
    let mut event = live.event("agent:n1", None, &note());
    event.mode = "drill:fire".to_owned();
    only(&anonymous(&mut live, Stage::sign(&event)), K::DrillOnly, "drill:fire");
    let mut drill = Stage::empty();
    drill.engine = Engine::new(drill.engine.log(), "drill:fire");
    let created = drill.created(policy());
    let mut event = drill.event("server:a", None, &created);
    event.mode = "live".to_owned();
    only(&anonymous(&mut drill, Stage::sign(&event)), K::DrillOnly, "live");
    drill.machine("server:a", &created);
    let mut event = drill.event("agent:n1", None, &note());
    event.mode = "live".to_owned();
    only(&anonymous(&mut drill, Stage::sign(&event)), K::DrillOnly, "live");
}

#[test]
fn an_actor_of_no_roster_is_unknown() {
    let mut stage = at(S::Detected);
    let signed = Stage::sign(&stage.event("agent:n9", None, &note()));
    only(&anonymous(&mut stage, signed), K::UnknownActor, "agent:n9");
    let stranger = stage.event("operator:zoe", Some(Role::OnCallOperator), &note());
    only(&anonymous(&mut stage, Stage::sign(&stranger)), K::UnknownActor, "operator:zoe");
}

#[test]
fn a_signature_of_another_key_or_of_changed_bytes_is_invalid() {
    let mut stage = at(S::Detected);
    let id = person(Role::OnCallOperator);
    let event = stage.event(&id, Some(Role::OnCallOperator), &note());
    let foreign = SignedEvent::by_person(&event, &person_key("operator:bogdan")).unwrap();
    only(&anonymous(&mut stage, foreign), K::SignatureInvalid, "operator:ana");
    let machine = SignedEvent::by_machine(&event, &machine_key("agent:n1")).unwrap();
    only(&anonymous(&mut stage, machine), K::SignatureInvalid, "operator:ana");
    let of_machine = stage.event("agent:n1", None, &note());
    let by_person = SignedEvent::by_person(&of_machine, &person_key(&id)).unwrap();
    only(&anonymous(&mut stage, by_person), K::SignatureInvalid, "agent:n1");
    let good = Stage::sign(&of_machine);
    let mut changed = of_machine;
    changed.body = json!({"text": "never seen"});
    let bytes = Stage::sign(&changed).bytes().to_vec();
    let moved = SignedEvent::from_bytes(bytes, good.signature().clone()).unwrap();
    only(&anonymous(&mut stage, moved), K::SignatureInvalid, "agent:n1");
}

/// R-6.1-10: machines hold no role of people, and people act only in roles that the policy gives.
#[test]
fn a_role_is_that_of_a_person_whom_the_policy_names_for_it() {
    let mut stage = at(S::Detected);
    let machine = stage.event("agent:n1", Some(Role::IncidentCommander), &note());
    only(&anonymous(&mut stage, Stage::sign(&machine)), K::NotAuthorized, "agent:n1");
    let id = person(Role::OnCallOperator);
    let other = stage.event(&id, Some(Role::SecurityLead), &note());
    only(&anonymous(&mut stage, Stage::sign(&other)), K::NotAuthorized, "operator:ana");
    let automatic = stage.event(&id, Some(Role::Automatic), &note());
    only(&anonymous(&mut stage, Stage::sign(&automatic)), K::NotAuthorized, "operator:ana");
    let silent = stage.event(&id, None, &note());
    only(&anonymous(&mut stage, Stage::sign(&silent)), K::InvalidSchema, "no role");
    let mut invented = stage.event(&id, None, &note());
    invented.role = Some("king".to_owned());
    only(&anonymous(&mut stage, Stage::sign(&invented)), K::UnknownEnum, "king");
}

/// R-6.1-6: two people revoke a key; from that position on it is void, and history stays valid.
#[test]
fn a_key_is_revoked_by_two_people_from_a_position_on_and_history_stays() {
    let mut stage = at(S::Triaged);
    let before = stage.act(Role::IncidentReporter, &note());
    let reporter = person(Role::IncidentReporter);
    let revoked =
        Body::KeyRevoked(KeyRevoked { actor: reporter.clone(), reason: "stolen".to_owned() });
    let alone = stage.refused(Role::SecurityLead, &revoked);
    only(&alone, K::SecondPersonRequired, "nobody approved");
    stage.incident = None;
    stage.approve(Role::SecurityLead, &revoked);
    let own = stage.refused(Role::SecurityLead, &revoked);
    only(&own, K::SecondPersonRequired, "operator:dan approved as SL");
    stage.approve(Role::IncidentCommander, &revoked);
    let scribe = stage.refused(Role::AuditScribe, &revoked);
    assert_eq!(kinds(&scribe), [K::NotAuthorized]);
    stage.act(Role::SecurityLead, &revoked);
    let position = stage.state().size;
    assert_eq!(stage.state().revoked[&reporter], position);
    let late = stage.by(Role::IncidentReporter, &note());
    only(&anonymous(&mut stage, late), K::KeyRevoked, "void from entry");
    assert!(stage.state().accepted[&before] < position, "the earlier note still stands");
    let again = stage.fork();
    assert_eq!(again.state(), stage.state(), "and the log still loads");
}

#[test]
fn a_revocation_names_a_known_actor_and_a_reason() {
    let mut stage = at(S::Triaged);
    stage.incident = None;
    let body = Body::KeyRevoked(KeyRevoked { actor: "agent:n9".into(), reason: " ".into() });
    stage.approve(Role::IncidentCommander, &body);
    let refusal = stage.refused(Role::SecurityLead, &body);
    assert_eq!(kinds(&refusal), [K::ReasonRequired, K::UnknownActor], "all at once");
}

/// A log is begun once, by its own server, under an origin that is bound to its key.
#[test]
fn a_log_begins_once_with_its_own_server_and_a_bound_origin() {
    let mut stage = Stage::empty();
    let created = stage.created(policy());
    let early = Stage::sign(&stage.event("agent:n1", None, &note()));
    only(&anonymous(&mut stage, early), K::GuardUnmet, "begins with log.created");
    let foreign = Stage::sign(&stage.event("agent:n1", None, &created));
    only(&anonymous(&mut stage, foreign), K::UnknownActor, "agent:n1");
    let event = stage.event("server:a", None, &created);
    let forged = SignedEvent::by_machine(&event, &machine_key("agent:n1")).unwrap();
    only(&anonymous(&mut stage, forged), K::SignatureInvalid, "");
    let mut unbound = Stage::empty();
    unbound.engine = Engine::new("azir.other.example/log", "live");
    let created = unbound.created(policy());
    let signed = Stage::sign(&unbound.event("server:a", None, &created));
    only(&anonymous(&mut unbound, signed), K::IdMismatch, "not bound");
    let mut broken = policy();
    broken.people.clear();
    let broken = stage.created(broken);
    let signed = Stage::sign(&stage.event("server:a", None, &broken));
    assert!(anonymous(&mut stage, signed).has(K::InvalidSchema));
    let created = stage.created(policy());
    stage.machine("server:a", &created);
    let again = stage.machine_refused("server:a", &created);
    only(&again, K::AppendOnly, "already began");
}

#[test]
fn unknown_types_members_and_subjects_are_refused() {
    let mut stage = at(S::Detected);
    let mut event = stage.event("agent:n1", None, &note());
    event.kind = "incident.deleted".to_owned();
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::UnknownEnum, "incident.deleted");
    let mut event = stage.event("agent:n1", None, &note());
    event.body = json!({"text": "x", "severity": "low"});
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "severity");
    let mut event = stage.event("agent:n1", None, &note());
    event.subject = Some(Digest::of(b"none"));
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::IdMismatch, "never opened");
    event.subject = None;
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "needs an incident");
}

/// R-32.1-11: a refused attempt of a known person is on record, with its kinds; strangers leave
/// nothing.
#[test]
fn attempts_of_known_actors_are_on_record() {
    let mut stage = at(S::Detected);
    let body = stage.moves(S::Closed);
    let refusal = stage.refused(Role::OnCallOperator, &body);
    let attempt = stage.view().attempts.last().unwrap();
    assert_eq!(attempt.attempted, "state.moved");
    assert_eq!(attempt.actor, person(Role::OnCallOperator));
    let names: Vec<_> = refusal.unmet().iter().map(|u| u.kind.to_string()).collect();
    assert!(names.iter().all(|n| attempt.kinds.contains(n)));
    let by = |actor: &str, stage: &Stage| {
        let body = Body::AttemptRefused(crate::body::AttemptRefused {
            attempted: "x".to_owned(),
            actor: "operator:ana".to_owned(),
            event: Digest::of(b"x"),
            unmet: vec![],
        });
        Stage::sign(&stage.event(actor, None, &body))
    };
    let signed = by("agent:n1", &stage);
    only(&stage.submit(signed).unwrap_err(), K::NotAuthorized, "only the server");
}

#[test]
fn one_event_has_one_way_to_be_written_and_quotes_no_entry_to_come() {
    let mut stage = at(S::Detected);
    let mut event = stage.event(&person(Role::OnCallOperator), Some(Role::OnCallOperator), &note());
    event.body = json!(["seen"]);
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "own form");
    let mut event = stage.event(&person(Role::OnCallOperator), Some(Role::OnCallOperator), &note());
    event.basis = Some(9_999);
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "beyond");
}

/// R-7.3-1: the server asks before it submits; a verifier, which does not, finds the repeat.
#[test]
fn the_same_signed_event_is_admitted_once() {
    let stage = at(S::Detected);
    let signed = stage.entries.last().unwrap().signed.clone();
    let admitted = crate::admit::admit(
        stage.state(),
        stage.engine.log(),
        stage.engine.mode(),
        &signed,
        stage.now,
        &stage.vault,
    );
    only(&admitted.unwrap_err().refusal, K::AppendOnly, "this very event is entry");
}
