//! Findings of the runbooks of sections 15 to 17 and 20, what they rest on and what they make due,
//! and steps of runbooks whose effect stands in the log.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::Digest;
use azir_model::evidence::Item;
use azir_model::restart::Criterion;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass as C, Profile, RefusalKind as K, Role, Severity};
use azir_runbook::event::{EvidenceMap, Finished, Outcome, Started};
use azir_runbook::{FactValue, Op, RunEvent, StepId};
use serde_json::json;

use crate::body::{
    Adversarial, Body, BoundRunbook, CauseStated, DraftKind, DraftMade, FixEntry, Guidance,
    KeyListed, MeasureCommanded, ObjectFinding, PhaseCarried, ReadingStated, RootKind,
    StatusPublished,
};
use crate::status::{Label, StatusClass, derive};
use crate::testing::walk::subsystem;
use crate::testing::{NODES, ROLES, Stage, among, only, opening, policy, with};
use crate::{facts, running};

const VALIDATION: &str = include_str!("../../../../runbooks/RB-VALIDATION-001/v2.toml");
const BVM: &str = include_str!("../../../../runbooks/RB-BVM-001/v1.toml");
const WITNESS: &str = include_str!("../../../../runbooks/RB-WITNESS-001/v1.toml");
const GOV: &str = include_str!("../../../../runbooks/RB-GOV-001/v2.toml");
const INFRA: &str = include_str!("../../../../runbooks/RB-INFRA-001/v2.toml");
const OBSERVE: &str = include_str!("../../../../runbooks/RB-OBSERVE-001/v1.toml");
const DETECTOR: &str = "detector:conflicting-certificates";

/// A triaged incident of this class whose runbook has this text.
fn triaged(class: C, severity: Severity, text: &str) -> Stage {
    let mut stage = Stage::empty();
    let book = azir_runbook::load(text, "v.toml").unwrap();
    let object = stage.keep(text);
    let version = u64::from(book.version());
    let bound = BoundRunbook { id: book.id(), version, hash: book.hash().0, object };
    let created = with(&stage.created(policy()), "runbooks", json!([bound]));
    stage.machine("server:a", &created);
    let (opened, id) = opening(class, severity);
    stage.incident = Some(id);
    stage.machine(DETECTOR, &Body::IncidentOpened(opened));
    for node in NODES {
        ROLES.iter().for_each(|role| stage.gate(node, *role, true));
    }
    stage.observe(1);
    stage.restrict(vec![]);
    stage.assign(Role::OnCallOperator, Role::IncidentCommander);
    for role in [
        Role::ConsensusLead,
        Role::SecurityLead,
        Role::ExecutionLead,
        Role::GovernanceLiaison,
        Role::RecoveryOperator,
        Role::AuditScribe,
    ] {
        stage.assign(Role::IncidentCommander, role);
    }
    stage.act(Role::OnCallOperator, &Body::RunbookBound(bound));
    let mut declared = stage.declared();
    (declared.class, declared.severity) = (class, severity);
    if class == C::ObservabilityOnly {
        declared.blast.rank = azir_model::BlastRank::NONE;
    }
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
    stage
}

fn read(stage: &mut Stage, facts: &[(&str, FactValue)]) {
    let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let basis = stage.keep("what shows it");
    let body = ReadingStated { facts, withdrawn: BTreeSet::new(), basis };
    stage.act(Role::IncidentCommander, &Body::ReadingStated(body));
}

fn yes(stage: &mut Stage, facts: &[(&str, bool)]) {
    let facts: Vec<_> = facts.iter().map(|(name, v)| (*name, FactValue::Bool(*v))).collect();
    read(stage, &facts);
}

fn confirm(stage: &mut Stage, kind: &str) {
    let body = stage.confirmation(kind);
    stage.machine(DETECTOR, &body);
}

fn cause(word: &str) -> CauseStated {
    CauseStated {
        candidates: vec!["what the finding says".to_owned()],
        excluded: vec![],
        finding: word.to_owned(),
        kind: None,
        adversarial: None,
        statement: "covered by the closed gates".to_owned(),
        objects: vec![],
        fix: None,
    }
}

fn object(stage: &mut Stage, name: &str, word: &str, proofs: &[&str]) -> ObjectFinding {
    let proofs = proofs.iter().map(|p| stage.keep(p)).collect();
    ObjectFinding { object: stage.keep(name), finding: word.to_owned(), proofs }
}

/// The bounded cause of the verifier of n1, signed by a lead.
fn rc1(stage: &mut Stage) -> Body {
    let of = subsystem("n1", NodeRole::Verifier);
    Body::CriterionSigned(stage.criterion(&of, Criterion::RootCause))
}

fn clarification(stage: &mut Stage, text: &str) -> Body {
    let object = stage.keep(text);
    let draft = DraftKind::Clarification;
    Body::DraftMade(DraftMade {
        draft,
        object,
        measure: None,
        justification: None,
        parameters: None,
    })
}

/// R-15.2-3, R-15.2-8: a finding is one of four words, and is taken only when what the runbook
/// asks for it is known; a mismatch of features with the feature state that was kept.
#[test]
fn a_finding_is_taken_only_with_what_the_runbook_asks_for_it() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    let lead = Role::ConsensusLead;
    let said = |word: &str| Body::CauseStated(cause(word));
    only(&stage.refused(lead, &said("operator_error")), K::UnknownEnum, "operator_error");
    for word in ["node_bug", "spec_ambiguity", "feature_activation_mismatch"] {
        among(&stage.refused(lead, &said(word)), K::EvidenceUnverified, "is unknown");
    }
    yes(&mut stage, &[("feature_states_differ", true)]);
    let features = said("feature_activation_mismatch");
    only(&stage.refused(lead, &features), K::EvidenceMissing, "active_features");
    let item = stage.items(&[Item::ActiveFeatures]);
    stage.machine("agent:n1", &Body::EvidenceCollected(item));
    stage.act(lead, &features);
    // A detector verified one input, one state and two results; who is right is another fact.
    confirm(&mut stage, "two_results");
    yes(&mut stage, &[("same_bytes_disagree", false), ("fixture_made", true)]);
    only(&stage.refused(lead, &said("node_bug")), K::EvidenceUnverified, "rule_decides_input");
    yes(&mut stage, &[("rule_decides_input", true)]);
    stage.act(lead, &said("node_bug"));
    only(&stage.refused(lead, &said("spec_ambiguity")), K::EvidenceUnverified, "= true");
    yes(&mut stage, &[("rule_decides_input", false)]);
    stage.act(lead, &said("spec_ambiguity"));
    only(&stage.refused(lead, &said("node_bug")), K::EvidenceUnverified, "= false");
    // What was shown once may be said again, for example with its fix.
    yes(&mut stage, &[("rule_decides_input", true)]);
    stage.act(lead, &with(&said("spec_ambiguity"), "statement", json!("the rule is drafted")));
}

/// R-15.2-9: a malformed object has its byte, and where a node let it in the bug of that node
/// stands beside it, with what shows it.
#[test]
fn a_malformed_object_that_was_let_in_has_a_node_bug_beside_it() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    let lead = Role::ConsensusLead;
    let input =
        CauseStated { adversarial: Some(Adversarial::Suspected), ..cause("malformed_object") };
    let alone = Body::CauseStated(input.clone());
    yes(&mut stage, &[("object_malformed", true), ("decode_mismatch_verified", false)]);
    only(&stage.refused(lead, &alone), K::EvidenceUnverified, "malformed_at_byte is unknown");
    read(&mut stage, &[("malformed_at_byte", FactValue::Int(17))]);
    let mut refused_by_all = stage.fork();
    refused_by_all.act(lead, &alone);
    let rc1 = rc1(&mut refused_by_all);
    refused_by_all.act(lead, &rc1);
    yes(&mut stage, &[("decode_mismatch_verified", true)]);
    only(&stage.refused(lead, &alone), K::GuardUnmet, "no node_bug beside it");
    let bug = object(&mut stage, "the bytes", "node_bug", &[]);
    let bare = Body::CauseStated(CauseStated { objects: vec![bug], ..input.clone() });
    only(&stage.refused(lead, &bare), K::EvidenceMissing, "0 of 1 proofs");
    let bug = object(&mut stage, "the bytes", "node_bug", &["receipt of n2"]);
    let twice = vec![bug.clone(), bug.clone()];
    let twice = Body::CauseStated(CauseStated { objects: twice, ..input.clone() });
    only(&stage.refused(lead, &twice), K::InvalidSchema, "twice");
    let lost = ObjectFinding { object: Digest::of(b"lost"), ..bug.clone() };
    let lost = Body::CauseStated(CauseStated { objects: vec![lost], ..input.clone() });
    only(&stage.refused(lead, &lost), K::EvidenceMissing, "object");
    stage.act(lead, &Body::CauseStated(CauseStated { objects: vec![bug], ..input }));
    assert_eq!(stage.view().cause.as_ref().unwrap().objects[0].finding, "node_bug");
}

/// R-16.2-5: bytecode that does not decode and was deployed is a bug of the verifier as well.
#[test]
fn malformed_bytecode_that_was_deployed_is_a_verifier_bug() {
    let mut stage = triaged(C::Bvm, Severity::Sev4Critical, BVM);
    let lead = Role::ExecutionLead;
    let adversarial = Some(Adversarial::Suspected);
    let input = CauseStated { adversarial, ..cause("malformed_bytecode") };
    only(&stage.refused(lead, &Body::CauseStated(cause("node_bug"))), K::UnknownEnum, "node_bug");
    yes(&mut stage, &[("module_decodes", false)]);
    let alone = Body::CauseStated(input.clone());
    // Not knowing whether it was deployed is no answer either.
    only(&stage.refused(lead, &alone), K::GuardUnmet, "no verifier_bug beside it");
    confirm(&mut stage, "static_rule_broken");
    only(&stage.refused(lead, &alone), K::GuardUnmet, "no verifier_bug beside it");
    let bug = object(&mut stage, "the module", "verifier_bug", &["recomputed bound"]);
    stage.act(lead, &Body::CauseStated(CauseStated { objects: vec![bug], ..input.clone() }));
    let rc1 = rc1(&mut stage);
    only(&stage.refused(lead, &rc1), K::CriteriaUnmet, "rc1: no release manifest");
    let mut refused = triaged(C::Bvm, Severity::Sev4Critical, BVM);
    yes(&mut refused, &[("module_decodes", false), ("static_rule_broken", false)]);
    refused.act(lead, &alone);
}

/// R-15.2-6, R-15.2-8: a role that comes back under a wrong program needs a release, under a
/// missing rule the draft of its clarification; until then rc1 is refused.
#[test]
fn no_role_comes_back_before_a_fix_is_named() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    let lead = Role::ConsensusLead;
    confirm(&mut stage, "two_results");
    yes(&mut stage, &[("rule_decides_input", true), ("fixture_made", true)]);
    let rc1 = rc1(&mut stage);
    only(&stage.refused(lead, &rc1), K::CriteriaUnmet, "rc1: the cause is not even bounded");
    stage.act(lead, &Body::CauseStated(cause("node_bug")));
    only(&stage.refused(lead, &rc1), K::CriteriaUnmet, "rc1: no release manifest");
    let fix = |release, proposal| Some(FixEntry { release, proposal, vector: None });
    let lost = CauseStated { fix: fix(Some(Digest::of(b"lost")), None), ..cause("node_bug") };
    only(&stage.refused(lead, &Body::CauseStated(lost)), K::EvidenceMissing, "release manifest");
    let manifest = stage.keep("release manifest of 1.4.2, two builders");
    let patched = CauseStated { fix: fix(Some(manifest), None), ..cause("node_bug") };
    stage.act(lead, &Body::CauseStated(patched));
    stage.act(lead, &rc1);

    yes(&mut stage, &[("rule_decides_input", false)]);
    let patched = CauseStated { fix: fix(Some(manifest), None), ..cause("spec_ambiguity") };
    stage.act(lead, &Body::CauseStated(patched));
    let again = with(
        &rc1,
        "state",
        json!({"state": "satisfied", "proof": manifest,
        "summary": "the rule is written"}),
    );
    only(&stage.refused(lead, &again), K::CriteriaUnmet, "rc1: the clarification");
    let draft = clarification(&mut stage, "the rule, its two readings, the vector");
    let Body::DraftMade(made) = &draft else { unreachable!() };
    let proposed = CauseStated { fix: fix(None, Some(made.object)), ..cause("spec_ambiguity") };
    let proposed = Body::CauseStated(proposed);
    only(&stage.refused(lead, &proposed), K::EvidenceMissing, "no clarification");
    stage.act(Role::GovernanceLiaison, &draft);
    stage.act(lead, &proposed);
    only(&stage.refused(lead, &again), K::CriteriaUnmet, "rc1: the vector");
    let vector = Some(stage.keep("the fixture as a vector, with its result"));
    let (release, proposal) = (None, Some(made.object));
    let whole = FixEntry { release, proposal, vector };
    let whole = CauseStated { fix: Some(whole), ..cause("spec_ambiguity") };
    stage.act(lead, &Body::CauseStated(whole));
    stage.act(lead, &again);
}

/// R-16.2-12: a gap is found only where the reference has no result, and makes clarification and
/// vector due.
#[test]
fn a_gap_needs_an_undefined_reference_and_makes_clarification_and_vector_due() {
    let mut stage = triaged(C::Bvm, Severity::Sev4Critical, BVM);
    let lead = Role::ExecutionLead;
    let gap = Body::CauseStated(cause("spec_gap"));
    only(&stage.refused(lead, &gap), K::EvidenceUnverified, "reference_undefined is unknown");
    yes(&mut stage, &[("reference_undefined", false)]);
    only(&stage.refused(lead, &gap), K::EvidenceUnverified, "reference_undefined = false");
    yes(&mut stage, &[("reference_undefined", true)]);
    stage.act(lead, &gap);
    let rc1 = rc1(&mut stage);
    only(&stage.refused(lead, &rc1), K::CriteriaUnmet, "rc1: the clarification");
    confirm(&mut stage, "two_results");
    let draft = clarification(&mut stage, "what the instruction does there");
    stage.act(Role::GovernanceLiaison, &draft);
    let Body::DraftMade(made) = draft else { unreachable!() };
    let mut fix = FixEntry { release: None, proposal: Some(made.object), vector: None };
    let said = |fix: &FixEntry| {
        Body::CauseStated(CauseStated { fix: Some(fix.clone()), ..cause("spec_gap") })
    };
    stage.act(lead, &said(&fix));
    only(&stage.refused(lead, &rc1), K::CriteriaUnmet, "rc1: the vector");
    fix.vector = Some(Digest::of(b"lost"));
    only(&stage.refused(lead, &said(&fix)), K::EvidenceMissing, "conformance vector");
    fix.vector = Some(stage.keep("the vector"));
    stage.act(lead, &said(&fix));
    stage.act(lead, &rc1);
}

/// R-22.1-5: without observations the status is stale and degraded on both axes, nobody publishes
/// it as healthy, the trigger of the runbook fires, and no gate is touched.
#[test]
fn silence_is_degraded_and_touches_no_gate() {
    let mut stage = crate::testing::at(azir_model::IncidentState::PostmortemPublished);
    let book = azir_runbook::load(INFRA, "v.toml").unwrap();
    let fired = |stage: &Stage| {
        let known = facts::for_runbook(stage.state(), stage.view(), stage.now);
        let hit = book.triggered(&known);
        hit.iter().any(|(t, _)| t.id == "telemetry-failure")
    };
    for node in NODES {
        ROLES.iter().for_each(|role| stage.gate(node, *role, true));
    }
    stage.observe(0);
    assert_eq!(derive(stage.state(), stage.now).operator, StatusClass::Healthy);
    assert!(!fired(&stage));
    let closes = stage.closes.len();
    for _ in 0..4 {
        stage.wait(60_000);
        stage.tick();
    }
    assert!(!fired(&stage), "a gate that is silent too may be cut off");
    for node in NODES {
        ROLES.iter().for_each(|role| stage.gate(node, *role, true));
    }
    assert!(fired(&stage));
    let status = derive(stage.state(), stage.now);
    assert_eq!((status.operator, status.network), (StatusClass::Degraded, StatusClass::Degraded));
    assert!(status.facts.iter().any(|f| f.kind == "status_stale"));
    let well = with(&note(&stage, None), "network", json!("healthy"));
    among(&stage.refused(Role::OnCallOperator, &well), K::StatusUnproven, "");
    assert!(stage.state().gates.values().all(|gate| gate.open));
    assert_eq!(stage.closes.len(), closes);
}

/// R-19.2-3: a key is replaced only after the old one is gated or revoked, and nothing comes back
/// with the old one.
#[test]
fn a_key_is_revoked_or_gated_before_it_is_replaced() {
    let rotation = |stage: &mut Stage| {
        let object = stage.keep("the new key, signed by nobody yet");
        let draft = DraftKind::KeyRotation;
        Body::DraftMade(DraftMade {
            draft,
            object,
            measure: None,
            justification: None,
            parameters: None,
        })
    };
    let mut stage = crate::testing::at(azir_model::IncidentState::Recovering);
    let of = subsystem("n1", NodeRole::Verifier);
    stage.restate();
    let criteria = stage.sign_criteria(&of);
    let decision = Body::RestartDecided(stage.restart(&of, criteria));
    let decision = stage.act(Role::IncidentCommander, &decision);
    let owner = Role::SecurityLead;
    let body = rotation(&mut stage);
    only(&stage.refused(owner, &body), K::GuardUnmet, "order: the old key");
    let args = |kind: &str| BTreeMap::from([("kind".to_owned(), FactValue::Text(kind.to_owned()))]);
    let drafted = |stage: &Stage, kind: &str| {
        running::stands(stage.state(), stage.view(), Op::OwnerPathDraft, &args(kind), stage.now)
    };
    let mut revoked = stage.fork();
    let facts = BTreeMap::from([("keys_revoked_final".to_owned(), FactValue::Bool(true))]);
    let basis = revoked.keep("the revocation in finalized state");
    let seen = ReadingStated { facts, withdrawn: BTreeSet::new(), basis };
    revoked.machine("agent:n1", &Body::ReadingStated(seen));
    revoked.act(owner, &body);
    assert!(drafted(&revoked, "key_rotation") && !drafted(&revoked, "key_revocation"));

    let keys = BTreeSet::from([stage.state().gates["n1/verifier"].key]);
    let listed = KeyListed { keys, reason: "its file was on a stolen disk".to_owned() };
    stage.act(owner, &Body::KeyListed(listed));
    stage.act(owner, &body);
    let phase = Body::PhaseCarried(PhaseCarried { subsystem: of, decision });
    among(&stage.refused(Role::RecoveryOperator, &phase), K::KeyRevoked, "listed as compromised");
}

/// R-17.2-4: each claim in doubt has one word with what shows it, and a bug of a parser is shown by
/// the answers of two implementations.
#[test]
fn each_claim_in_doubt_has_one_word_with_its_proof() {
    let mut stage = triaged(C::WitnessProof, Severity::Sev4Critical, WITNESS);
    let lead = Role::SecurityLead;
    let claims = stage.items(&[Item::Claims]);
    let claim = claims.items[0].hash;
    stage.machine("agent:n1", &Body::EvidencePinned(claims));
    let said = |objects: Vec<ObjectFinding>| {
        Body::CauseStated(CauseStated { objects, ..cause("parser_bug_dependent") })
    };
    yes(&mut stage, &[("proof_verdicts_differ", true)]);
    let none = stage.refused(lead, &said(vec![]));
    among(&none, K::EvidenceMissing, "no word for claim");
    among(&none, K::EvidenceMissing, "no object is parser_bug_dependent");
    let one = object(&mut stage, "content of claims", "parser_bug_dependent", &["answer of azref"]);
    assert_eq!(one.object, claim);
    only(&stage.refused(lead, &said(vec![one.clone()])), K::EvidenceMissing, "1 of 2 proofs");
    let strange = ObjectFinding { finding: "node_bug".to_owned(), ..one.clone() };
    among(&stage.refused(lead, &said(vec![strange])), K::UnknownEnum, "node_bug");
    // Another claim is contradictory: that has to be shown too.
    let both = ["answer of azref", "answer of the second"];
    let bug = object(&mut stage, "content of claims", "parser_bug_dependent", &both);
    let other = object(&mut stage, "other claim", "contradictory", &["both claims"]);
    let two = said(vec![bug, other]);
    only(&stage.refused(lead, &two), K::EvidenceUnverified, "contradictory is unknown");
    yes(&mut stage, &[("contradictory_claims_verified", true)]);
    stage.act(lead, &two);
}

/// R-20.2-3, R-20.2-9: abuse is a lawful act: with a broken rule it is refused as unverified, two
/// people say it, and it stands for a failure of governance and nothing else.
#[test]
fn abuse_is_said_by_two_people_and_only_with_every_check_answered() {
    let mut stage = triaged(C::Governance, Severity::Sev4Critical, GOV);
    let lead = Role::GovernanceLiaison;
    let abuse = Body::CauseStated(cause("procedural_abuse"));
    stage.approve(Role::IncidentCommander, &abuse);
    only(&stage.refused(lead, &abuse), K::EvidenceUnverified, "governance_rules_kept is unknown");
    let checks = [
        "activation_early_verified",
        "activation_challenged_verified",
        "required_review_missing_verified",
        "emergency_out_of_scope_verified",
        "proposal_mislabelled_verified",
        "activations_conflict_verified",
        "effect_outside_class_table",
    ];
    yes(&mut stage, &[("governance_rules_kept", true)]);
    yes(&mut stage, &checks.map(|check| (check, false)));
    for broken in checks {
        yes(&mut stage, &[(broken, true)]);
        let what = format!("{broken} = true");
        only(&stage.refused(lead, &abuse), K::EvidenceUnverified, &what);
        yes(&mut stage, &[(broken, false)]);
    }
    let alone = with(&abuse, "statement", json!("the quorum was bought in one night"));
    only(&stage.refused(lead, &alone), K::SecondPersonRequired, "");
    let bug = with(&abuse, "kind", json!("implementation_bug"));
    among(&stage.refused(lead, &bug), K::GuardUnmet, "does not stand for");
    let kind = Some(RootKind::GovernanceFailure);
    let whole = Body::CauseStated(CauseStated { kind, ..cause("procedural_abuse") });
    stage.approve(Role::ConsensusLead, &whole);
    stage.act(lead, &whole);
}

/// R-15.2-4: two results on one input make the run close verifier, proposer and notary of own
/// nodes, whatever a person says of the input; done only when their gates are shut, and labelled
/// local only.
#[test]
fn two_results_on_one_input_close_the_signing_roles_and_only_here() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    let said = |stage: &Stage| {
        let known = facts::for_runbook(stage.state(), stage.view(), stage.now);
        let book = azir_runbook::load(VALIDATION, "v.toml").unwrap();
        let step = book.step(&StepId::from("ambiguity-excluded")).unwrap().clone();
        let azir_runbook::Work::Check { when, on_fail, .. } = step.work else { unreachable!() };
        (when.eval(&known).truth, on_fail.to_string())
    };
    yes(&mut stage, &[("same_bytes_disagree", false)]);
    assert_eq!(said(&stage).0, azir_runbook::Truth::True);
    confirm(&mut stage, "two_results");
    assert_eq!(said(&stage), (azir_runbook::Truth::False, "close-affected".to_owned()));
    let roles = FactValue::Text("verifier proposer notary".to_owned());
    let args = BTreeMap::from([("roles".to_owned(), roles)]);
    let shut = |stage: &Stage| {
        running::stands(stage.state(), stage.view(), Op::GateClose, &args, stage.now)
    };
    assert!(!shut(&stage));
    for node in NODES {
        assert!(!shut(&stage), "{node} is open");
        let body = MeasureCommanded { measure: format!("halt-{node}"), ..stage.measure(node) };
        stage.act(Role::OnCallOperator, &Body::MeasureCommanded(body));
    }
    assert!(shut(&stage));
    let status = derive(stage.state(), stage.now);
    let halts: Vec<_> = status.facts.iter().filter(|f| f.label.is_some()).collect();
    assert_eq!(halts.len(), NODES.len());
    for fact in halts {
        assert_eq!((fact.label, fact.network), (Some(Label::LocalOnly), false), "{fact:?}");
    }
}

fn note(stage: &Stage, guidance: Option<Guidance>) -> Body {
    let derived = derive(stage.state(), stage.now);
    Body::StatusPublished(StatusPublished {
        operator: derived.operator,
        network: derived.network,
        text: "send nothing with a leading zero; 1.4.1 is affected".to_owned(),
        hard_final: None,
        reason: None,
        guidance,
    })
}

/// R-15.2-5: guidance has scope, label and end, keeps the never rules, and without it the step
/// that publishes it is not done.
#[test]
fn guidance_has_a_scope_a_proven_label_and_an_end() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    let book = azir_runbook::load(VALIDATION, "v.toml").unwrap();
    let step = book.step(&StepId::from("publish-guidance")).unwrap().clone();
    let azir_runbook::Work::Auto { op, args, .. } = step.work else { unreachable!() };
    let since = stage.now;
    let done = |stage: &Stage| running::stands(stage.state(), stage.view(), op, &args, since);
    let bare = note(&stage, None);
    stage.act(Role::IncidentCommander, &bare);
    assert!(!done(&stage), "a status without guidance is none");
    let until = stage.now.plus_ms(3_600_000);
    let good = Guidance { scope: "feature:decode".to_owned(), label: Label::LocalOnly, until };
    let refused = |stage: &mut Stage, guidance: Guidance| {
        let body = note(stage, Some(guidance));
        stage.refused(Role::IncidentCommander, &body)
    };
    let wide = Guidance { scope: "everything".to_owned(), ..good.clone() };
    only(&refused(&mut stage, wide), K::ScopeInvalid, "everything");
    let over = Guidance { until: stage.now, ..good.clone() };
    only(&refused(&mut stage, over), K::ExpiryRequired, "has passed");
    let active = Guidance { label: Label::ProtocolActive, ..good.clone() };
    only(&refused(&mut stage, active.clone()), K::LabelUnproven, "is local_only");
    let body = note(&stage, Some(good.clone()));
    let final_word = with(&body, "hard_final", json!({"height": 9, "block": Digest::of(b"x")}));
    only(&stage.refused(Role::IncidentCommander, &final_word), K::StatusUnproven, "hard-final");
    among(&stage.refused(Role::ExecutionLead, &body), K::NotAuthorized, "");
    stage.act(Role::IncidentCommander, &body);
    assert!(done(&stage));
    // Once a finalized object binds the scope, local only would hide that.
    let text = json!({"object": Digest::of(b"measure"), "choice": "scoped_protocol_safe_mode",
        "scope": "feature:decode", "capability": 2, "since": 100, "expiry": 90_000});
    stage.restrict(vec![serde_json::from_value(text).unwrap()]);
    only(&refused(&mut stage, good), K::LabelUnproven, "is protocol_active");
    let body = note(&stage, Some(active));
    stage.act(Role::IncidentCommander, &body);
}

/// R-38.1-1: a step that drafts for others yields a draft by its hash, unsigned, made at that step.
#[test]
fn a_drafting_step_is_done_with_an_unsigned_draft_only() {
    let mut stage = triaged(C::Validation, Severity::Sev4Critical, VALIDATION);
    confirm(&mut stage, "two_results");
    let early = clarification(&mut stage, "an earlier draft");
    stage.act(Role::GovernanceLiaison, &early);
    stage.wait(1_000);
    let run = drafting(&mut stage);
    let done = |outcome, note: Option<&str>| {
        let (step, evidence) = (StepId::from("prepare-measure"), EvidenceMap::new());
        let note = note.map(str::to_owned);
        let event = Finished { run, step, attempt: None, outcome, evidence, note };
        Body::Run(RunEvent::Finished(event))
    };
    let lead = Role::GovernanceLiaison;
    only(&stage.refused(lead, &done(Outcome::Done, None)), K::EvidenceMissing, "no draft was made");
    let other = done(Outcome::DoneWithDeviation, Some("by telephone"));
    only(&stage.refused(lead, &other), K::EvidenceMissing, "no draft was made");
    let mut without = stage.fork();
    without.act(lead, &done(Outcome::CouldNot, Some("no path can carry it")));
    let signed = clarification(&mut stage, r#"{"rule":"x","signature":"AAAA"}"#);
    only(&stage.refused(lead, &signed), K::ForbiddenPower, "carries a signature");
    let draft = clarification(&mut stage, r#"{"rule":"x","signatures":[]}"#);
    stage.act(lead, &draft);
    stage.act(lead, &done(Outcome::Done, None));
    let kept = stage.view().drafts.last().unwrap();
    assert_eq!(kept.object, Digest::of(br#"{"rule":"x","signatures":[]}"#));
    let words = crate::words::of(&draft);
    assert!(words.ends_with("unsigned"), "{words}");
}

/// Starts a run and brings it to the step that drafts the measure.
fn drafting(stage: &mut Stage) -> azir_runbook::event::RunId {
    let book = azir_runbook::load(VALIDATION, "v.toml").unwrap();
    let started = Started {
        incident: stage.view().id.0,
        runbook: book.id(),
        version: book.version(),
        runbook_hash: book.hash(),
        mode: crate::testing::MODE.to_owned(),
        ordinal: 1,
    };
    stage.act(Role::OnCallOperator, &Body::Run(RunEvent::Started(started)));
    let run = stage.view().run.head().unwrap().id;
    for _ in 0..200 {
        let step = azir_runbook::current(&stage.view().run, &book).unwrap().id.clone();
        match step.as_str() {
            "prepare-measure" => return run,
            "measure-helps" => {
                let outcome = Outcome::Done;
                let evidence = EvidenceMap::new();
                let event = Finished { run, step, attempt: None, outcome, evidence, note: None };
                stage.machine("server:a", &Body::Run(RunEvent::Finished(event)));
            }
            "close-affected" | "close-validation" => {
                let goto = match step.as_str() {
                    "close-affected" => "validation-safe",
                    _ => "measure-helps",
                };
                let (goto, rationale) = (StepId::from(goto), "by hand on the nodes".to_owned());
                let event = azir_runbook::event::Deviation { run, step, goto, rationale };
                stage.act(Role::IncidentCommander, &Body::Run(RunEvent::Deviation(event)));
            }
            _ => {
                stage.wait(5_000);
                stage.tick();
            }
        }
    }
    panic!("the run did not come to its drafting step")
}

/// R-34.2-2: the profile of what is observability only is not widened by an override.
#[test]
fn observability_only_keeps_the_profile_of_its_runbook() {
    let mut stage = triaged(C::ObservabilityOnly, Severity::Sev1Low, OBSERVE);
    let mut decided = crate::testing::decision(&mut stage, |input| {
        input.incident.blast_rank = azir_model::BlastRank::NONE;
        input.channels.clear();
    });
    decided.residual_accepted = false;
    assert_eq!(decided.profile, Profile::ObserveOnly);
    for profile in [Profile::LocalDegraded, Profile::HaltScoped, Profile::EmergencyRestriction] {
        let wider = crate::body::DecisionRecorded {
            profile,
            override_reason: Some("to be safe".to_owned()),
            ..decided.clone()
        };
        let refusal = stage.refused(Role::IncidentCommander, &Body::DecisionRecorded(wider));
        among(&refusal, K::ProfileExceeded, "only observes");
    }
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
}

/// R-16.2-6: with nothing asked for and no harm accepted there is neither a request in force nor a
/// reasoned refusal, and the step stays open.
#[test]
fn a_request_is_settled_by_a_measure_in_force_or_by_an_accepted_harm() {
    let settled = |accepted: bool, channels: bool| {
        let mut stage = triaged(C::Bvm, Severity::Sev4Critical, BVM);
        let known = |stage: &Stage| {
            let facts = facts::for_runbook(stage.state(), stage.view(), stage.now);
            facts.get("protocol_request_settled").cloned()
        };
        assert_eq!(known(&stage), None);
        let mut decided = crate::testing::decision(&mut stage, |input| {
            if !channels {
                input.channels.truncate(2);
            }
        });
        decided.residual_accepted = accepted;
        stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
        known(&stage)
    };
    assert_eq!(settled(false, false), Some(FactValue::Bool(false)), "nothing was asked for");
    assert_eq!(settled(true, false), Some(FactValue::Bool(true)), "refused with reason");
}
