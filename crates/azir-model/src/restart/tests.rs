//! A restart file that holds, and every way in which one may not.

use azir_ledger::{Event, MachineKey, PersonKey};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::approval::{APPROVAL_GIVEN, ApprovalBody, act_digest};
use crate::policy::{Deployment, Machine, Person, Policy};
use crate::refusal::{Refusal, RefusalKind};

const LOG: &str = "azir.test/log";
const PEOPLE: [(&str, u8, Role); 7] = [
    ("operator:ic", 1, Role::IncidentCommander),
    ("operator:cl", 2, Role::ConsensusLead),
    ("operator:el", 3, Role::ExecutionLead),
    ("operator:sl", 4, Role::SecurityLead),
    ("operator:gl", 5, Role::GovernanceLiaison),
    ("operator:ro", 6, Role::RecoveryOperator),
    ("operator:both", 7, Role::IncidentCommander),
];

fn now() -> Timestamp {
    Timestamp::from_ms(1_800_000_000_000)
}

fn incident() -> Digest {
    Digest::of(b"incident")
}

fn policy() -> Policy {
    let mut people: Vec<_> = PEOPLE
        .map(|(id, seed, role)| Person {
            id: id.into(),
            key: PersonKey::from_seed([seed; 32], id).public(),
            roles: vec![role],
        })
        .to_vec();
    people[6].roles.extend([
        Role::ConsensusLead,
        Role::SecurityLead,
        Role::GovernanceLiaison,
        Role::ExecutionLead,
    ]);
    let mut policy = Policy::with_people(people);
    let key = MachineKey::from_seed([9; 32]).public();
    policy.machines = vec![Machine { id: "server:main".into(), key }];
    policy.validate().unwrap();
    policy
}

fn event(kind: &str, body: &impl Serialize, actor: &str, role: Role) -> Event {
    Event {
        schema: "azir.event/1".into(),
        log: LOG.into(),
        mode: "live".into(),
        subject: Some(incident()),
        kind: kind.into(),
        body: serde_json::to_value(body).unwrap(),
        actor: actor.into(),
        role: (role != Role::Automatic).then(|| role.to_string()),
        at: now(),
        seen_final: None,
        basis: Some(3),
    }
}

fn sign(event: &Event) -> SignedText {
    let seed = PEOPLE.iter().find(|p| p.0 == event.actor).map_or(9, |p| p.1);
    let signed = if seed == 9 {
        SignedEvent::by_machine(event, &MachineKey::from_seed([9; 32]))
    } else {
        SignedEvent::by_person(event, &PersonKey::from_seed([seed; 32], ""))
    };
    SignedText::of(&signed.unwrap())
}

/// What a file is made of, so that a test can change one thing.
struct Draft {
    role: NodeRole,
    criteria: Vec<(CriterionBody, String, Role)>,
    decided_by: (String, Role),
    phase: u8,
    decided_at: Timestamp,
    approved_by: Option<(String, Role)>,
    set_aside: Option<SetAside>,
    mode: String,
}

impl Draft {
    fn of(role: NodeRole) -> Self {
        let signers = ["cl", "ic", "el", "gl", "sl", "ic"].map(|p| format!("operator:{p}"));
        let subsystem = Subsystem { node: "node-1".into(), role };
        let roles = [
            Role::ConsensusLead,
            Role::IncidentCommander,
            Role::ExecutionLead,
            Role::GovernanceLiaison,
            Role::SecurityLead,
            Role::IncidentCommander,
            Role::Automatic,
        ];
        let signers = signers.into_iter().chain(["server:main".to_owned()]);
        let criteria = Criterion::ALL.iter().zip(signers).zip(roles);
        let criteria = criteria
            .map(|((criterion, who), role)| {
                let proof = Digest::of(criterion.as_str().as_bytes());
                let state = CriterionState::Satisfied { proof, summary: "shown".into() };
                let subsystem = subsystem.clone();
                (CriterionBody { subsystem, criterion: *criterion, state }, who, role)
            })
            .collect();
        let approved_by = cosigners(role).first().map(|role| {
            let who = PEOPLE.iter().find(|p| p.2 == *role).unwrap().0;
            (who.to_owned(), *role)
        });
        Self {
            role,
            criteria,
            decided_by: ("operator:ic".into(), Role::IncidentCommander),
            phase: role.phase(),
            decided_at: now(),
            approved_by,
            set_aside: None,
            mode: "live".into(),
        }
    }

    fn event(&self, kind: &str, body: &impl Serialize, by: &(String, Role)) -> Event {
        Event { mode: self.mode.clone(), ..event(kind, body, &by.0, by.1) }
    }

    fn file(&self) -> RestartFile {
        let criteria: Vec<_> = self
            .criteria
            .iter()
            .map(|(body, who, role)| {
                sign(&self.event(CRITERION_SIGNED, body, &(who.clone(), *role)))
            })
            .collect();
        let pairs: Vec<_> = self
            .criteria
            .iter()
            .zip(&criteria)
            .map(|((body, ..), text)| (body.criterion, text.open().unwrap().hash()))
            .collect();
        let body = RestartDecisionBody {
            subsystem: Subsystem { node: "node-1".into(), role: self.role },
            key: MachineKey::from_seed([8; 32]).public(),
            phase: self.phase,
            criteria: criteria_digest(&pairs),
            decided_at: self.decided_at,
            manifest: None,
            set_aside: self.set_aside.clone(),
        };
        let decision = self.event(RESTART_DECIDED, &body, &self.decided_by);
        let act = act_digest(RESTART_DECIDED, Some(incident()), &decision.body);
        let approvals = self
            .approved_by
            .iter()
            .map(|by| sign(&self.event(APPROVAL_GIVEN, &ApprovalBody { act }, by)))
            .collect();
        RestartFile { decision: sign(&decision), criteria, approvals }
    }
}

fn judge(file: &RestartFile) -> Result<Authorized, Refusal> {
    authorize(file, &policy(), Some(incident()), LOG, "live", now())
}

fn refused(file: &RestartFile) -> Refusal {
    judge(file).unwrap_err()
}

#[test]
fn a_complete_file_opens_each_role_and_its_proof_says_what() {
    for role in NodeRole::ALL {
        let file = Draft::of(*role).file();
        let bytes = canon::encode(&file).unwrap();
        let file: RestartFile = canon::decode(&bytes).unwrap();
        let ok = judge(&file).unwrap();
        assert_eq!((ok.phase(), ok.subsystem().role), (role.phase(), *role));
        assert_eq!(ok.decision(), file.decision.open().unwrap().hash());
        assert_eq!(ok.key(), MachineKey::from_seed([8; 32]).public());
        assert_eq!((ok.subject(), ok.self_reviewed()), (incident(), false));
        assert_eq!(ok.valid_until(), now().plus_ms(RESTART_VALID_MS));
        authorize(&file, &policy(), None, LOG, "live", now()).unwrap();
    }
}

/// R-29.1-1, R-29.1-2, R-29.1-3, R-29.1-4, R-29.1-5, R-29.1-6, R-29.1-7: each one missing refuses
/// by its name, and several missing are all named.
#[test]
fn each_missing_criterion_is_named() {
    for (i, criterion) in Criterion::ALL.iter().enumerate() {
        let mut draft = Draft::of(NodeRole::Notary);
        draft.criteria.remove(i);
        let refusal = refused(&draft.file());
        assert_eq!(refusal.kind(), RefusalKind::CriteriaUnmet);
        assert_eq!(refusal.unmet().len(), 1);
        assert!(refusal.unmet()[0].what.starts_with(criterion.as_str()));
    }
    let mut draft = Draft::of(NodeRole::Notary);
    draft.criteria.clear();
    // Without criteria only commander and co-signer signed: seven criteria are missing.
    assert_eq!(refused(&draft.file()).unmet().len(), 7);
}

/// R-29.1-8: an old decision, one from the future, and a changed digest are refused as rc8.
#[test]
fn a_decision_dies_after_sixty_minutes_or_when_a_criterion_changes() {
    let at = |ms: i64| {
        let draft = Draft { decided_at: now().plus_ms(ms), ..Draft::of(NodeRole::Verifier) };
        judge(&draft.file())
    };
    assert!(at(-RESTART_VALID_MS).is_ok() && at(CLOCK_AHEAD_MS).is_ok());
    for late in [at(-RESTART_VALID_MS - 1), at(CLOCK_AHEAD_MS + 1)] {
        let refusal = late.unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::CriteriaUnmet);
        assert!(refusal.unmet()[0].what.starts_with("rc8"), "{refusal}");
    }
    let mut file = Draft::of(NodeRole::Verifier).file();
    let mut other = Draft::of(NodeRole::Verifier);
    let proof = Digest::of(b"another report");
    other.criteria[2].0.state = CriterionState::Satisfied { proof, summary: "new".into() };
    file.criteria = other.file().criteria;
    assert!(refused(&file).unmet()[0].what.starts_with("rc8"));
}

/// R-6.1-6, R-6.1-8: only the roles of annex J.2 sign, and never the Recovery Operator.
#[test]
fn each_criterion_is_signed_by_its_role_alone() {
    for i in 0..Criterion::ALL.len() {
        for (who, _, role) in PEOPLE.iter().take(6) {
            let mut draft = Draft::of(NodeRole::Notary);
            let allowed = Criterion::ALL[i].signers().contains(role);
            (draft.criteria[i].1, draft.criteria[i].2) = ((*who).to_owned(), *role);
            assert_eq!(judge(&draft.file()).is_ok(), allowed, "{} by {who}", Criterion::ALL[i]);
            assert!(!allowed || *role != Role::RecoveryOperator);
        }
    }
}

/// R-6.1-4, R-30.1-6: the notary needs the Consensus Lead, over exactly this decision.
#[test]
fn notary_and_agent_need_a_second_person_of_the_right_role() {
    for (role, wrong) in [
        (NodeRole::Notary, ("operator:sl", Role::SecurityLead)),
        (NodeRole::Agent, ("operator:cl", Role::ConsensusLead)),
    ] {
        let mut draft = Draft::of(role);
        let other_act = draft.file().approvals;
        draft.approved_by = None;
        assert_eq!(refused(&draft.file()).kind(), RefusalKind::SecondPersonRequired);
        draft.approved_by = Some((wrong.0.into(), wrong.1));
        assert_eq!(refused(&draft.file()).kind(), RefusalKind::SecondPersonRequired);
        draft.approved_by = None;
        draft.decided_at = now().plus_ms(-1);
        let mut file = draft.file();
        file.approvals = other_act;
        assert_eq!(refused(&file).kind(), RefusalKind::SecondPersonRequired);
    }
    let mut own = Draft::of(NodeRole::Notary);
    own.decided_by.0 = "operator:both".into();
    own.approved_by = Some(("operator:both".into(), Role::ConsensusLead));
    assert_eq!(refused(&own.file()).kind(), RefusalKind::SecondPersonRequired);
}

/// R-6.2-1, R-6.2-2: alone in a serious deployment is refused; in a small one it is marked.
#[test]
fn one_person_alone_restarts_only_a_small_deployment_and_is_marked() {
    for role in [NodeRole::Verifier, NodeRole::Notary] {
        let mut draft = Draft::of(role);
        for row in draft.criteria.iter_mut().take(6) {
            row.1 = "operator:both".into();
        }
        draft.decided_by.0 = "operator:both".into();
        draft.approved_by =
            (role == NodeRole::Notary).then(|| ("operator:both".into(), Role::ConsensusLead));
        let file = draft.file();
        assert!(refused(&file).has(RefusalKind::SecondPersonRequired));
        let mut small = policy();
        small.class = Some(Deployment::Small);
        small.people.retain(|p| p.id == "operator:both");
        small.validate().unwrap();
        let ok = authorize(&file, &small, None, LOG, "live", now()).unwrap();
        assert!(ok.self_reviewed());
    }
}

/// R-29.1-9: criteria are set aside only with a reason and only where nothing is signed.
#[test]
fn criteria_are_set_aside_only_for_roles_that_sign_nothing() {
    for role in NodeRole::ALL {
        let mut draft = Draft::of(*role);
        draft.criteria.remove(2);
        let aside = |reason: &str| {
            Some(SetAside { criteria: vec![Criterion::Replay], reason: reason.into() })
        };
        draft.set_aside = aside("reads are labelled; the replay is running");
        match judge(&draft.file()) {
            Ok(ok) => assert!(!role.signs() && ok.set_aside().is_some()),
            Err(refusal) => assert!(role.signs() && refusal.has(RefusalKind::CriteriaUnmet)),
        }
        draft.set_aside = aside("  ");
        assert!(refused(&draft.file()).has(RefusalKind::ReasonRequired));
    }
}

/// R-3.2-4, R-29.2-1: not applicable only where annex J.2 says so; no state for an impression.
#[test]
fn only_rc2_and_rc3_may_be_not_applicable_and_never_for_a_signing_role() {
    for role in NodeRole::ALL {
        for (i, criterion) in Criterion::ALL.iter().enumerate() {
            let mut draft = Draft::of(*role);
            draft.criteria[i].0.state =
                CriterionState::NotApplicable { reason: "observe only".into() };
            let allowed =
                !role.signs() && [Criterion::Containment, Criterion::Replay].contains(criterion);
            assert_eq!(judge(&draft.file()).is_ok(), allowed, "{criterion} {role}");
        }
    }
    let rc3 = |class| Criterion::Replay.may_be_not_applicable_in(NodeRole::Rpc, class, false);
    assert!(rc3(IncidentClass::ObservabilityOnly) && !rc3(IncidentClass::Bvm));
    let rc2 = |observe| {
        let class = IncidentClass::Bvm;
        Criterion::Containment.may_be_not_applicable_in(NodeRole::Rpc, class, observe)
    };
    assert!(rc2(true) && !rc2(false));
    let felt = json!({"state": "seems_fine", "summary": "looks fine"});
    assert!(serde_json::from_value::<CriterionState>(felt).is_err());
}

#[test]
fn a_drill_file_opens_no_live_gate_and_a_live_file_no_drill() {
    let mut draft = Draft::of(NodeRole::Notary);
    assert!(
        authorize(&draft.file(), &policy(), None, LOG, "drill:7", now())
            .unwrap_err()
            .unmet()
            .iter()
            .all(|u| u.kind == RefusalKind::DrillOnly)
    );
    draft.mode = "drill:7".into();
    let file = draft.file();
    assert!(refused(&file).has(RefusalKind::DrillOnly));
    authorize(&file, &policy(), None, LOG, "drill:7", now()).unwrap();
}

#[test]
fn another_log_incident_subsystem_phase_type_or_signature_is_refused() {
    let file = Draft::of(NodeRole::Notary).file();
    let other = authorize(&file, &policy(), None, "azir.other/log", "live", now());
    assert_eq!(other.unwrap_err().kind(), RefusalKind::IdMismatch);
    let other = authorize(&file, &policy(), Some(Digest::of(b"x")), LOG, "live", now());
    assert_eq!(other.unwrap_err().kind(), RefusalKind::IdMismatch);
    let draft = Draft { phase: 5, ..Draft::of(NodeRole::Notary) };
    assert_eq!(refused(&draft.file()).kind(), RefusalKind::PhaseOrder);
    let mut draft = Draft::of(NodeRole::Notary);
    draft.criteria[0].0.subsystem.node = "node-2".into();
    assert_eq!(refused(&draft.file()).kind(), RefusalKind::CriteriaUnmet);
    let mut swapped = file.clone();
    swapped.criteria[0] = file.approvals[0].clone();
    assert!(refused(&swapped).has(RefusalKind::InvalidSchema));
    let mut forged = file.clone();
    forged.decision.event["body"]["phase"] = json!(5);
    assert_eq!(refused(&forged).kind(), RefusalKind::SignatureInvalid);
    let mut float = file.clone();
    float.decision.event["body"]["phase"] = json!(6.5);
    assert_eq!(refused(&float).kind(), RefusalKind::NotCanonical);
    let mut twice = file.clone();
    twice.criteria.push(file.criteria[0].clone());
    assert_eq!(refused(&twice).kind(), RefusalKind::CriteriaUnmet);
    let mut many = file.clone();
    many.approvals = vec![file.approvals[0].clone(); RESTART_FILE_LIST_MAX + 1];
    assert_eq!(refused(&many).kind(), RefusalKind::InvalidSchema);
    let mut gone = policy();
    gone.people.remove(4);
    let refusal = authorize(&file, &gone, None, LOG, "live", now()).unwrap_err();
    assert!(refusal.has(RefusalKind::UnknownActor) && refusal.has(RefusalKind::CriteriaUnmet));
}

/// R-6.1-3, R-6.1-10: nobody but the commander decides, and no machine does.
#[test]
fn only_the_commander_decides_a_restart() {
    for (who, _, role) in PEOPLE.iter().take(6).skip(1) {
        let mut draft = Draft::of(NodeRole::Verifier);
        draft.decided_by = ((*who).to_owned(), *role);
        assert_eq!(refused(&draft.file()).kind(), RefusalKind::NotAuthorized);
        draft.decided_by.1 = Role::IncidentCommander;
        assert!(refused(&draft.file()).has(RefusalKind::NotAuthorized), "not eligible");
    }
    let mut draft = Draft::of(NodeRole::Verifier);
    draft.decided_by = ("server:main".into(), Role::Automatic);
    assert_eq!(refused(&draft.file()).kind(), RefusalKind::NotAuthorized);
}

/// R-6.1-5: the cause of a BVM incident is not the Security Lead's to bound, nor rc3 ever.
#[test]
fn the_signers_narrow_to_the_leads_of_the_class() {
    use IncidentClass as I;
    assert_eq!(Criterion::RootCause.signers_in(I::Bvm), [Role::ExecutionLead, Role::ConsensusLead]);
    assert_eq!(Criterion::RootCause.signers_in(I::Infrastructure), [Role::ConsensusLead]);
    for class in I::ALL {
        assert!(!Criterion::Replay.signers_in(*class).contains(&Role::SecurityLead));
        for criterion in Criterion::ALL {
            assert!(!criterion.signers_in(*class).is_empty());
        }
    }
}

#[test]
fn the_criteria_digest_is_that_of_the_canonical_rows_in_any_order() {
    let rows = [(Criterion::Keys, Digest::of(b"5")), (Criterion::RootCause, Digest::of(b"1"))];
    let value = json!([
        {"criterion": "rc1", "event": rows[1].1}, {"criterion": "rc5", "event": rows[0].1},
    ]);
    assert_eq!(criteria_digest(&rows), Digest::of_canonical(CRITERIA_TAG, &value).unwrap());
    assert_eq!(criteria_digest(&[]), Digest::of_canonical(CRITERIA_TAG, &json!([])).unwrap());
}

proptest! {
    /// Whatever single byte of a file changes: it is refused, or the signed events are unchanged.
    #[test]
    fn no_changed_byte_changes_what_a_file_authorizes(at in any::<prop::sample::Index>(), to: u8) {
        let file = Draft::of(NodeRole::Notary).file();
        let mut bytes = canon::encode(&file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(changed) = serde_json::from_slice::<RestartFile>(&bytes) {
            let events = |file: &RestartFile| {
                let rest = file.criteria.iter().chain(&file.approvals);
                rest.chain([&file.decision]).map(|text| text.event.clone()).collect::<Vec<_>>()
            };
            if judge(&changed).is_ok() {
                prop_assert_eq!(events(&changed), events(&file));
            }
        }
    }
}
