//! Roles, their separation, and second persons.

use azir_model::{IncidentState as S, RefusalKind as K, Role};

use crate::Body;
use crate::body::{NoteAdded, ReviewSigned, RoleAccepted, RoleAssigned};
use crate::testing::{among, at, decision, kinds, only, opening, person};

fn assign(person: &str, role: Role) -> Body {
    Body::RoleAssigned(RoleAssigned { person: person.to_owned(), role })
}

/// Annex C row 6: the on-call assigns until there is a commander, then the commander does.
#[test]
fn roles_are_assigned_by_the_on_call_until_there_is_a_commander() {
    let mut stage = at(S::Detected);
    let lead = assign(&person(Role::ConsensusLead), Role::ConsensusLead);
    only(&stage.refused(Role::IncidentReporter, &lead), K::NotAuthorized, "assign");
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    only(&stage.refused(Role::OnCallOperator, &lead), K::NotAuthorized, "assign");
    let unfit = assign(&person(Role::IncidentReporter), Role::ConsensusLead);
    only(&stage.refused(Role::IncidentCommander, &unfit), K::NotAuthorized, "operator:ioana");
    stage.act(Role::IncidentCommander, &lead);
    assert_eq!(stage.view().holder(Role::ConsensusLead), Some("operator:carmen"));
    let accepted = Body::RoleAccepted(RoleAccepted { role: Role::SecurityLead });
    only(&stage.refused(Role::SecurityLead, &accepted), K::NotAuthorized, "was not given");
}

/// R-6.2-1: in a serious deployment one person does not command and recover.
#[test]
fn one_person_does_not_command_and_recover() {
    let mut stage = at(S::Detected);
    stage.act(Role::OnCallOperator, &assign("operator:jan", Role::RecoveryOperator));
    let both = assign("operator:jan", Role::IncidentCommander);
    only(&stage.refused(Role::OnCallOperator, &both), K::RoleConflict, "recovery_operator");
}

/// Annex C: who does not hold a role of the incident does not act in it, eligible or not.
#[test]
fn a_role_is_held_by_one_person() {
    let mut stage = at(S::Triaged);
    let body = Body::NoteAdded(NoteAdded { text: "x".to_owned() });
    let event = stage.event("operator:jan", Some(Role::IncidentCommander), &body);
    let refusal = stage.submit(crate::testing::Stage::sign(&event)).unwrap_err();
    only(&refusal, K::NotAuthorized, "operator:bogdan is");
    stage.act(Role::IncidentReporter, &body);
}

/// R-6.1-10: what machines observe is not stated by people, and what people sign no machine signs.
#[test]
fn machines_do_not_decide() {
    let mut stage = at(S::Stabilized);
    let plan = Body::RecoveryPlanned(stage.plan());
    among(&stage.machine_refused("server:a", &plan), K::NotAuthorized, "prepare a recovery plan");
    let review = Body::ReviewSigned(ReviewSigned { finding: "fine".to_owned() });
    only(&stage.machine_refused("server:a", &review), K::NotAuthorized, "review");
    let pin = Body::CheckpointPinned(stage.pin());
    let refusal = stage.machine_refused("server:a", &pin);
    assert_eq!(kinds(&refusal), [K::NotAuthorized, K::CheckpointUntrusted]);
}

/// R-6.1-1: a reporter opens, attaches and notes, and decides nothing.
#[test]
fn a_reporter_decides_nothing() {
    let mut stage = at(S::Triaged);
    let declared = Body::IncidentDeclared(stage.declared());
    only(&stage.refused(Role::IncidentReporter, &declared), K::NotAuthorized, "declare");
    let decided = Body::DecisionRecorded(decision(&mut stage, |_| {}));
    among(&stage.refused(Role::IncidentReporter, &decided), K::NotAuthorized, "profile");
    let closed = stage.moves(S::Closed);
    among(&stage.refused(Role::IncidentReporter, &closed), K::NotAuthorized, "close");
    let items = stage.items(&[azir_model::evidence::Item::Logs]);
    stage.act(Role::IncidentReporter, &Body::EvidencePinned(items));
    let mut fresh = crate::testing::Stage::begun();
    let (opened, id) =
        opening(azir_model::IncidentClass::Consensus, azir_model::Severity::Sev2Medium);
    fresh.incident = Some(id);
    fresh.act(Role::IncidentReporter, &Body::IncidentOpened(opened));
}

/// D-048: in a small deployment one person may do both, as two signed acts.
#[test]
fn a_small_deployment_lets_one_person_act_twice() {
    let mut policy = crate::testing::policy();
    policy.class = Some(azir_model::policy::Deployment::Small);
    policy.people.retain(|p| p.id == "operator:jan");
    policy.nodes[1].seat = None;
    let mut stage = crate::testing::Stage::begun_with(policy);
    let (opened, id) =
        opening(azir_model::IncidentClass::Consensus, azir_model::Severity::Sev4Critical);
    stage.incident = Some(id);
    stage.machine("detector:conflicting-certificates", &Body::IncidentOpened(opened));
    for role in [Role::RecoveryOperator, Role::IncidentCommander] {
        let event =
            stage.event("operator:jan", Some(Role::OnCallOperator), &assign("operator:jan", role));
        stage.submit(crate::testing::Stage::sign(&event)).unwrap();
    }
    assert_eq!(stage.view().holder(Role::RecoveryOperator), Some("operator:jan"));
}
