//! Readings for runbook predicates, and keys that are out of use.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::Digest;
use azir_model::restart::{Criterion, Subsystem};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use azir_runbook::FactValue;
use azir_runbook::fact::{KNOWN, Source};

use crate::body::{Body, KeyListed, PhaseCarried, ReadingStated};
use crate::testing::{Stage, among, at, only};
use crate::{Effect, facts};

fn reading(stage: &mut Stage, facts: &[(&str, FactValue)]) -> ReadingStated {
    let facts = facts.iter().map(|(name, v)| ((*name).to_owned(), v.clone())).collect();
    ReadingStated { facts, withdrawn: BTreeSet::new(), basis: stage.keep("what shows it") }
}

fn known(stage: &Stage, name: &str) -> Option<FactValue> {
    facts::for_runbook(stage.state(), stage.view(), stage.now).get(name).cloned()
}

#[test]
fn a_reading_is_what_predicates_see_until_it_is_replaced_or_withdrawn() {
    let mut stage = at(S::Confirmed);
    assert_eq!(known(&stage, "module_decodes"), None);
    let said = reading(&mut stage, &[("module_decodes", FactValue::Bool(true))]);
    stage.act(Role::ConsensusLead, &Body::ReadingStated(said.clone()));
    assert_eq!(known(&stage, "module_decodes"), Some(FactValue::Bool(true)));
    let other = reading(&mut stage, &[("module_decodes", FactValue::Bool(false))]);
    stage.machine("agent:n1", &Body::ReadingStated(other));
    assert_eq!(known(&stage, "module_decodes"), Some(FactValue::Bool(false)));
    let withdrawn = BTreeSet::from(["module_decodes".to_owned()]);
    let none = ReadingStated { facts: BTreeMap::new(), withdrawn, basis: said.basis };
    stage.act(Role::IncidentCommander, &Body::ReadingStated(none));
    assert_eq!(known(&stage, "module_decodes"), None);
}

/// R-40.0-8: no screen and no word stands in for a replay, a decision or a finalized object.
#[test]
fn nobody_states_what_the_log_derives_and_no_person_what_a_node_observes() {
    let mut stage = at(S::Confirmed);
    for fact in KNOWN {
        let value = match fact.kind.as_str() {
            "int" => FactValue::Int(1),
            _ => FactValue::Bool(true),
        };
        let body = Body::ReadingStated(reading(&mut stage, &[(fact.name, value)]));
        let (person, machine) = match fact.source() {
            Source::Derived => (false, false),
            Source::Observed => (false, true),
            Source::Stated => (true, true),
        };
        let mut now = stage.fork();
        if person {
            now.act(Role::IncidentCommander, &body);
        } else {
            only(&now.refused(Role::IncidentCommander, &body), K::NotAuthorized, fact.name);
        }
        if machine {
            now.machine("agent:n1", &body);
        } else {
            only(
                &now.machine_refused("agent:n1", &body),
                K::NotAuthorized,
                "follows from this log",
            );
        }
    }
}

#[test]
fn each_condition_of_a_reading_fails_alone() {
    let mut stage = at(S::Confirmed);
    let lead = Role::ConsensusLead;
    let yes = FactValue::Bool(true);
    let none = Body::ReadingStated(reading(&mut stage, &[]));
    only(&stage.refused(lead, &none), K::InvalidSchema, "0 facts");
    let unknown = Body::ReadingStated(reading(&mut stage, &[("module_decods", yes.clone())]));
    only(&stage.refused(lead, &unknown), K::UnknownEnum, "module_decods");
    let number = FactValue::Int(1);
    let typed = Body::ReadingStated(reading(&mut stage, &[("module_decodes", number)]));
    only(&stage.refused(lead, &typed), K::InvalidSchema, "module_decodes: 1");
    let mut twice = reading(&mut stage, &[("module_decodes", yes.clone())]);
    twice.withdrawn.insert("module_decodes".to_owned());
    only(&stage.refused(lead, &Body::ReadingStated(twice)), K::InvalidSchema, "withdrawn at once");
    let mut bare = reading(&mut stage, &[("module_decodes", yes)]);
    bare.basis = Digest::of(b"nowhere");
    let bare = Body::ReadingStated(bare);
    only(&stage.refused(lead, &bare), K::EvidenceMissing, "what shows the reading");
    among(&stage.refused(Role::IncidentReporter, &bare), K::NotAuthorized, "REP may not");
}

/// R-40.0-9: a listed key shuts its gates at once by one person's word, no lease is made for them,
/// and neither criterion, decision nor phase brings them back before the node has another key.
#[test]
fn a_listed_key_shuts_its_gates_and_none_of_them_comes_back_with_it() {
    let mut stage = at(S::Recovering);
    let of = Subsystem { node: "n1".to_owned(), role: NodeRole::Verifier };
    stage.restate();
    let criteria = stage.sign_criteria(&of);
    let decision = Body::RestartDecided(stage.restart(&of, criteria));
    let decided = stage.act(Role::IncidentCommander, &decision);
    let key = stage.state().gates["n1/verifier"].key;
    let list = |reason: &str| {
        Body::KeyListed(KeyListed { keys: BTreeSet::from([key]), reason: reason.to_owned() })
    };
    only(&stage.refused(Role::SecurityLead, &list(" ")), K::InvalidSchema, "1 keys");
    among(&stage.refused(Role::AuditScribe, &list("stolen")), K::NotAuthorized, "AS may not");
    stage.act(Role::SecurityLead, &list("its file was on a stolen disk"));

    let phase = Body::PhaseCarried(PhaseCarried { subsystem: of.clone(), decision: decided });
    let refusal = stage.refused(Role::RecoveryOperator, &phase);
    among(&refusal, K::KeyRevoked, "listed as compromised");
    let rc5 = Body::CriterionSigned(stage.criterion(&of, Criterion::Keys));
    let refusal = stage.refused(Role::SecurityLead, &rc5);
    only(&refusal, K::CriteriaUnmet, "is listed as compromised");
    assert_eq!(known(&stage, "compromised_keys_listed"), Some(FactValue::Bool(true)));
    assert_eq!(known(&stage, "compromised_keys_gated"), Some(FactValue::Bool(true)));
}

#[test]
fn an_open_gate_of_a_listed_key_is_told_to_shut_until_it_says_so() {
    let mut stage = at(S::Confirmed);
    stage.obey = false;
    stage.gate("n2", NodeRole::Verifier, true);
    let key = stage.state().gates["n2/verifier"].key;
    let leased = |stage: &Stage| stage.engine.leasable().iter().any(|g| g.record.key == key);
    let owed = |stage: &Stage| {
        let shuts = |effect: &Effect| {
            matches!(effect, Effect::Close(c) if c.node == "n2" && c.measure == "listed-key"
                && c.roles == [NodeRole::Verifier])
        };
        stage.engine.resend().iter().any(shuts)
    };
    assert!(leased(&stage) && !owed(&stage));
    let keys = BTreeSet::from([key]);
    let body = Body::KeyListed(KeyListed { keys, reason: "on a stolen disk".to_owned() });
    stage.act(Role::OnCallOperator, &body);
    assert!(!leased(&stage) && owed(&stage));
    assert_eq!(known(&stage, "compromised_keys_gated"), Some(FactValue::Bool(false)));
    stage.gate("n2", NodeRole::Verifier, false);
    assert!(!leased(&stage) && !owed(&stage));
    assert_eq!(known(&stage, "compromised_keys_gated"), Some(FactValue::Bool(true)));
}
