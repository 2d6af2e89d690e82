//! Checklists against annex N.3, end states of D-054, and preservation before destruction.

use serde_json::json;

use super::*;

fn all_present(items: &BTreeSet<Item>) -> BTreeMap<Item, ItemState> {
    let present = ItemState::Present { hashes: vec![Digest::of(b"x")] };
    items.iter().map(|item| (*item, present.clone())).collect()
}

fn checklist(class: IncidentClass, peak: Severity, confirmed: bool) -> Checklist {
    let mut list = Checklist::default();
    list.grow([class], peak, confirmed);
    list
}

/// R-10.1-2, R-10.2-1, R-10.3-5: the marks of annex N.3, written out again.
#[test]
fn the_pin_and_qualifier_marks_are_those_of_annex_n() {
    let pinned: Vec<_> = Item::ALL.iter().filter(|i| i.row().pin).map(|i| i.as_str()).collect();
    assert_eq!(
        pinned.join(" "),
        "objects state_roots logs parameters object_refs own_roots finalized_roots \
         governance_state peer_messages slash_evidence versions candidate_graph \
         committee_inputs vote_messages notarization_candidates exact_bytes state_fixture \
         module arguments prior_state claims issuer_policies exploit_path mandate action_refs \
         journals governance_objects compromise_proof damaged_store checksums binary_hashes \
         build_metadata signal"
    );
    let qualified: Vec<_> =
        Item::ALL.iter().filter(|i| i.row().qualified).map(|i| i.as_str()).collect();
    assert_eq!(qualified, ["peer_messages", "slash_evidence", "execution_trace"]);
    let logged: Vec<_> = Item::ALL.iter().filter(|i| i.row().from_log).collect();
    assert_eq!(logged, [&Item::Decisions]);
}

/// R-2.5-1, R-2.5-2, R-2.5-3, R-2.5-4, R-2.5-5, R-2.5-6, R-10.1-1, R-10.1-2, R-10.1-3, R-10.1-4,
/// R-10.1-5, R-10.1-8, R-10.2-1, R-10.2-2, R-10.2-3, R-10.2-4, R-10.2-5, R-10.3-1, R-10.3-2,
/// R-10.3-3, R-10.3-4, R-10.3-5, R-10.3-6, R-16.2-1: the lists of annex N.3, written out again.
#[test]
fn an_incident_keeps_what_its_severity_and_class_ask_for() {
    let names = |class, peak, confirmed| {
        let list = checklist(class, peak, confirmed);
        list.items().iter().map(|i| i.as_str()).collect::<BTreeSet<_>>()
    };
    let set =
        |texts: &[&'static str]| texts.iter().flat_map(|t| t.split(' ')).collect::<BTreeSet<_>>();
    let general = "objects state_roots logs parameters evidence_objects decisions";
    let high = "object_refs own_roots finalized_roots parameters governance_state logs \
                peer_messages slash_evidence versions";
    let consensus =
        "candidate_graph committee_inputs vote_messages notarization_candidates replay_traces";
    let bvm = "module code_hash arguments prior_state execution_trace effect_accumulator";
    let (low, top) = (Severity::Sev2Medium, Severity::Sev3High);
    assert_eq!(names(IncidentClass::Consensus, low, false), set(&[general]));
    assert_eq!(names(IncidentClass::Consensus, low, true), set(&[general, consensus]));
    assert_eq!(names(IncidentClass::Consensus, top, true), set(&[general, high, consensus]));
    assert_eq!(names(IncidentClass::Bvm, top, true), set(&[general, high, bvm]));
}

/// R-17.2-1, R-21.2-1, R-23.2-1: the lines of these classes, those that are pinned at once, and
/// what each must show.
#[test]
fn witness_key_and_supply_chain_incidents_keep_what_their_sections_name() {
    let of = |class| checklist(class, Severity::Sev3High, true);
    let pinned = |class, item: Item| of(class).pins().any(|i| i == item);
    assert!(pinned(IncidentClass::WitnessProof, Item::Claims));
    assert!(pinned(IncidentClass::WitnessProof, Item::IssuerPolicies));
    assert!(Item::IssuerPolicies.row().text.ends_with("as of the claims' heights"));
    assert!(pinned(IncidentClass::KeyCompromise, Item::CompromiseProof));
    assert!(of(IncidentClass::KeyCompromise).items().contains(&Item::KeyTimeline));
    assert!(pinned(IncidentClass::SupplyChain, Item::BinaryHashes));
    assert!(pinned(IncidentClass::SupplyChain, Item::BuildMetadata));
    assert!(of(IncidentClass::SupplyChain).items().contains(&Item::Manifests));
}

/// D-053, D-055: lists by severity and state; every item belongs to a list.
#[test]
fn lists_follow_severity_and_confirmation() {
    let bvm = IncidentClass::Bvm;
    let low = checklist(bvm, Severity::Sev2Medium, false);
    assert_eq!(low.items().len(), 6);
    let confirmed = checklist(bvm, Severity::Sev2Medium, true);
    assert_eq!(confirmed.items().len(), 12);
    assert!(!confirmed.items().contains(&Item::PeerMessages));
    let high = checklist(bvm, Severity::Sev3High, false);
    assert_eq!(high.items().len(), 6 + 7 + 6);
    assert!(confirmed.items().is_subset(high.items()));
    let mut seen = BTreeSet::from([Item::Other]);
    for class in IncidentClass::ALL {
        seen.extend(checklist(*class, Severity::Sev5Systemic, true).items());
    }
    assert_eq!(seen.len(), Item::ALL.len());
}

/// R-3.1-13: classes add, and re-labelling removes nothing.
#[test]
fn a_checklist_only_grows() {
    let mut list = checklist(IncidentClass::AgentControl, Severity::Sev3High, true);
    let before = list.items().clone();
    list.grow([IncidentClass::KeyCompromise], Severity::Sev0Info, true);
    assert!(before.is_subset(list.items()));
    assert!(list.items().contains(&Item::Mandate));
    assert!(list.items().contains(&Item::CompromiseProof));
    assert!(list.pins().all(|item| item.row().pin) && list.pins().count() > 0);
}

/// R-10.1-6, R-10.1-7, R-10.1-9: silence, a wrong n/a and an unsigned waiver are missing.
#[test]
fn every_item_ends_in_exactly_one_valid_state() {
    let list = checklist(IncidentClass::Consensus, Severity::Sev3High, true);
    let states = all_present(list.items());
    assert!(completeness(list.items(), &states).unwrap().failures().is_empty());
    let reason = || "none existed".to_owned();
    let who = || "operator:as".to_owned();
    let waived = |by: &str, self_reviewed| ItemState::Unavailable {
        reason: reason(),
        who: who(),
        tried: "three peers".into(),
        waiver: Some(Waiver { commander: "operator:ic".into(), scribe: by.into(), self_reviewed }),
    };
    for item in list.items() {
        let with = |state: Option<ItemState>| {
            let mut states = states.clone();
            states.remove(item);
            states.extend(state.map(|s| (*item, s)));
            completeness(list.items(), &states)
        };
        let row = item.row();
        assert_eq!(with(None).is_ok(), row.from_log, "{item}");
        if row.from_log {
            continue;
        }
        let missing = with(None).unwrap_err();
        assert_eq!(missing.items(), [(*item, "no end state")]);
        assert_eq!(missing.refusal().kind(), RefusalKind::EvidenceMissing);
        assert!(with(Some(ItemState::Present { hashes: Vec::new() })).is_err());
        let na = ItemState::NotApplicable { reason: reason(), who: who() };
        assert_eq!(with(Some(na)).is_ok(), row.qualified, "{item}");
        let silent = ItemState::NotApplicable { reason: " ".into(), who: who() };
        assert!(with(Some(silent)).is_err());
        let unwaived = ItemState::Unavailable {
            reason: reason(),
            who: who(),
            tried: "three peers".into(),
            waiver: None,
        };
        assert_eq!(with(Some(unwaived)).is_ok(), row.qualified, "{item}");
        let ok = with(Some(waived("operator:as", false))).unwrap();
        assert_eq!(ok.failures().is_empty(), row.qualified);
        assert_eq!(with(Some(waived("operator:ic", false))).is_ok(), row.qualified);
        assert!(with(Some(waived("operator:ic", true))).is_ok());
        let untried = ItemState::Unavailable {
            reason: reason(),
            who: who(),
            tried: String::new(),
            waiver: None,
        };
        assert!(with(Some(untried)).is_err());
    }
}

fn receipt(scope: &str, index: u64) -> PreservationReceipt {
    let manifest = Digest::of(scope.as_bytes());
    PreservationReceipt { scope: scope.into(), manifest, by: "agent:node-1".into(), index }
}

/// R-9.2-1, R-9.2-2: nothing destructive before preservation or a waiver of two people.
#[test]
fn nothing_is_destroyed_before_a_receipt_or_a_waiver_of_two() {
    let scope = "node:1/store";
    let ok = preserved(scope, &[receipt(scope, 3), receipt(scope, 5)], None).unwrap();
    assert_eq!((ok.scope(), ok.index(), ok.loses().len()), (scope, 5, 0));
    assert!(ok.manifest().is_some());
    for receipts in [vec![], vec![receipt("node:2/store", 1)], vec![receipt("node:1", 1)]] {
        let refusal = preserved(scope, &receipts, None).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::DestructiveBeforePreserve);
    }
    let two = LossWaiver {
        scope: scope.into(),
        loses: vec!["traces since height 40".into()],
        waiver: Waiver {
            commander: "operator:ic".into(),
            scribe: "operator:as".into(),
            self_reviewed: false,
        },
        index: 9,
    };
    let ok = preserved(scope, &[], Some(&two)).unwrap();
    assert_eq!((ok.manifest(), ok.loses().len(), ok.index()), (None, 1, 9));
    let mut alone = two.clone();
    alone.waiver.scribe = "operator:ic".into();
    let refusal = preserved(scope, &[], Some(&alone)).unwrap_err();
    assert!(refusal.has(RefusalKind::SecondPersonRequired));
    assert_eq!(refusal.kind(), RefusalKind::DestructiveBeforePreserve);
    let vague = LossWaiver { loses: vec![" ".into()], ..two.clone() };
    let refusal = preserved(scope, &[], Some(&vague)).unwrap_err();
    assert!(refusal.has(RefusalKind::ReasonRequired));
    let other = preserved("node:2/store", &[], Some(&two)).unwrap_err();
    assert!(other.has(RefusalKind::ScopeInvalid));
}

/// R-10.1-11: known formats of private keys are recognised, public ones are not.
#[test]
fn private_keys_are_recognised() {
    for (bytes, found) in [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", true),
        ("x\n-----BEGIN EC PRIVATE KEY-----", true),
        (r#"{"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"x"}}"#, true),
        (r#"{"crypto":{"ciphertext":"00","kdfparams":{}}}"#, true),
        ("-----BEGIN PUBLIC KEY-----", false),
        ("ssh-ed25519 AAAA", false),
        ("", false),
    ] {
        assert_eq!(private_key_format(bytes.as_bytes()).is_some(), found, "{bytes}");
    }
    assert_eq!(private_key_format(&vec![b'x'; KEY_SCAN_BYTES_MAX + 9]), None);
}

/// R-10.1-10: descriptors are complete; list hashes do not depend on the order given (D-015).
#[test]
fn list_hashes_are_over_sorted_unique_members() {
    let a = Descriptor {
        item: Item::Logs,
        hash: Digest::of(b"log"),
        size: 3,
        media: "text/plain".into(),
        source: "node-1".into(),
        obtained_at: Timestamp::from_ms(5),
        collector: "agent:node-1".into(),
    };
    let b = Descriptor { source: "node-2".into(), ..a.clone() };
    let list = [a.clone(), b.clone()];
    let hash = evidence_list_hash(&list).unwrap();
    assert_eq!(hash, evidence_list_hash(&[b.clone(), a.clone(), b.clone()]).unwrap());
    assert_ne!(hash, evidence_list_hash(std::slice::from_ref(&a)).unwrap());
    let plain = Digest::of_canonical(EVIDENCE_TAG, &json!([a, b])).unwrap();
    assert_eq!(hash, plain, "sorted by canonical bytes");
    assert_eq!(
        evidence_list_hash(&[]).unwrap(),
        Digest::of_canonical(EVIDENCE_TAG, &json!([])).unwrap()
    );
    assert_eq!(
        scopes_hash(["committee:12/notary", "committee:12/notary"]).unwrap().to_string(),
        "ea7063b452eac4cebe4e7dc2b48e959a657ec585146a3cb6ee15c7798c68c110"
    );
    assert!(a.problems().is_empty());
    let bad = Descriptor { source: " ".into(), size: u64::MAX, ..a };
    assert_eq!(bad.problems().len(), 2);
    assert!(evidence_list_hash(&[bad]).is_err());
}
