//! Pins, collection, end states, waivers, receipts and confirmations.

use azir_model::evidence::Item;
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use serde_json::json;

use crate::body::{EvidenceItems, EvidenceSettled, SettledState};
use crate::testing::{among, at, only, with};
use crate::{Body, evidence};

/// R-10.1-10: what is described is held, complete and of the stated size.
#[test]
fn items_are_held_complete_and_of_their_size() {
    let mut stage = at(S::Triaged);
    let good = stage.items(&[Item::Logs]);
    let pinned = |items: EvidenceItems| Body::EvidencePinned(items);
    let mut lost = good.clone();
    lost.items[0].hash = azir_ledger::Digest::of(b"lost");
    only(&stage.machine_refused("agent:n1", &pinned(lost)), K::EvidenceMissing, "logs");
    let mut short = good.clone();
    short.items[0].size -= 1;
    only(&stage.machine_refused("agent:n1", &pinned(short)), K::HashMismatch, "bytes held");
    let mut nameless = good.clone();
    nameless.items[0].source.clear();
    only(&stage.machine_refused("agent:n1", &pinned(nameless)), K::InvalidSchema, "source");
    let empty = EvidenceItems { items: vec![], ..good.clone() };
    only(&stage.machine_refused("agent:n1", &pinned(empty)), K::EvidenceMissing, "no item");
    let nowhere = EvidenceItems { scope: String::new(), ..good.clone() };
    only(&stage.machine_refused("agent:n1", &pinned(nowhere)), K::EvidenceMissing, "no scope");
    stage.act(Role::IncidentReporter, &pinned(good.clone()));
    stage.act(Role::AuditScribe, &Body::EvidenceCollected(good));
    let record = &stage.view().evidence[&Item::Logs];
    assert!(record.pinned && record.collected && record.held.len() == 1);
}

/// R-10.1-11: a private key in a known format never becomes evidence.
#[test]
fn a_private_key_is_no_evidence() {
    let mut stage = at(S::Triaged);
    let mut items = stage.items(&[Item::CompromiseProof]);
    let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    items.items[0].hash = stage.keep(text);
    items.items[0].size = text.len() as u64;
    for body in [Body::EvidencePinned(items.clone()), Body::EvidenceCollected(items)] {
        only(&stage.refused(Role::SecurityLead, &body), K::ForbiddenPower, "OpenSSH private key");
    }
}

fn settled(item: Item, state: SettledState) -> Body {
    Body::EvidenceSettled(EvidenceSettled {
        item,
        state,
        reason: "the node was reinstalled".to_owned(),
        tried: Some("backup, peers".to_owned()),
    })
}

/// R-10.1-9, R-6.1-9: an item without qualifier is waived by commander and scribe, two
/// people; one with a qualifier ends by anyone's statement.
#[test]
fn an_unqualified_item_is_waived_by_two() {
    let mut stage = at(S::Triaged);
    let body = settled(Item::VoteMessages, SettledState::Unavailable);
    assert!(!Item::VoteMessages.row().qualified);
    only(&stage.refused(Role::SecurityLead, &body), K::NotAuthorized, "waive");
    only(&stage.refused(Role::IncidentCommander, &body), K::SecondPersonRequired, "nobody");
    stage.approve(Role::IncidentCommander, &body);
    only(&stage.refused(Role::IncidentCommander, &body), K::SecondPersonRequired, "approved as IC");
    stage.approve(Role::AuditScribe, &body);
    stage.act(Role::IncidentCommander, &body);
    assert!(evidence::states(stage.view()).contains_key(&Item::VoteMessages));
    assert!(!evidence::missing(stage.view()).iter().any(|m| m.contains("vote_messages")));
    assert!(!evidence::pins_missing(stage.view()).contains(&"vote_messages".to_owned()));
    // A later change of the scribe does not undo what two people signed.
    stage.assign(Role::IncidentCommander, Role::AuditScribe);
    assert!(!evidence::missing(stage.view()).iter().any(|m| m.contains("vote_messages")));
    let other = settled(Item::CommitteeInputs, SettledState::Unavailable);
    stage.approve(Role::IncidentCommander, &other);
    stage.act(Role::AuditScribe, &other);
    let qualified = settled(Item::PeerMessages, SettledState::Unavailable);
    stage.act(Role::IncidentReporter, &qualified);
    assert!(!evidence::missing(stage.view()).iter().any(|m| m.contains("peer_messages")));
}

/// R-10.1-9: every end state has its reason; not applicable is for items with a qualifier only.
#[test]
fn each_condition_of_an_end_state_fails_alone() {
    let mut stage = at(S::Triaged);
    let good = settled(Item::SlashEvidence, SettledState::NotApplicable);
    let unqualified = settled(Item::Logs, SettledState::NotApplicable);
    only(&stage.refused(Role::AuditScribe, &unqualified), K::EvidenceMissing, "no qualifier");
    let silent = with(&good, "reason", json!(" "));
    only(&stage.refused(Role::AuditScribe, &silent), K::ReasonRequired, "no reason");
    let foreign = with(&good, "item", json!("execution_trace"));
    only(&stage.refused(Role::AuditScribe, &foreign), K::InvalidSchema, "checklist");
    let untried = with(&settled(Item::PeerMessages, SettledState::Unavailable), "tried", json!(""));
    only(&stage.refused(Role::AuditScribe, &untried), K::ReasonRequired, "tried");
    stage.act(Role::AuditScribe, &good);
}

/// R-5.1-3, R-9.1-4, R-2.2-2: CONFIRMED needs every pin and a confirmation that a machine verified.
#[test]
fn confirmed_needs_pins_and_a_verified_confirmation() {
    let mut stage = at(S::Triaged);
    let body = stage.moves(S::Confirmed);
    let refusal = stage.refused(Role::ConsensusLead, &body);
    among(&refusal, K::GuardUnmet, "confirm");
    among(&refusal, K::GuardUnmet, "pin: missing");
    let confirmation = stage.confirmation("conflicting_certificates");
    only(
        &stage.refused(Role::ConsensusLead, &confirmation),
        K::EvidenceUnverified,
        "one person's word",
    );
    // Two observers count as well (D-042), the same one twice does not.
    let mut two = stage.fork();
    two.approve(Role::ConsensusLead, &confirmation);
    let twice = two.refused(Role::ConsensusLead, &confirmation);
    only(&twice, K::EvidenceUnverified, "one person's word");
    two.approve(Role::SecurityLead, &confirmation);
    two.act(Role::ConsensusLead, &confirmation);
    stage.machine("detector:conflicting-certificates", &confirmation);
    only(&stage.refused(Role::ConsensusLead, &body), K::GuardUnmet, "pin: missing");
    stage.pin_all();
    stage.act(Role::ConsensusLead, &body);
}

/// Annex N.2: only a kind of annex N.2 of a class of the incident confirms, with its object held.
#[test]
fn a_confirmation_is_of_the_class_and_held() {
    let mut stage = at(S::Triaged);
    let unknown = stage.confirmation("a_feeling");
    only(&stage.machine_refused("agent:n1", &unknown), K::UnknownEnum, "a_feeling");
    let foreign = stage.confirmation("charge_differs");
    only(&stage.machine_refused("agent:n1", &foreign), K::EvidenceUnverified, "no class");
    let mut lost = stage.confirmation("conflicting_certificates");
    if let Body::ConfirmationVerified(b) = &mut lost {
        b.object = azir_ledger::Digest::of(b"lost");
    }
    only(&stage.machine_refused("agent:n1", &lost), K::EvidenceMissing, "confirming object");
}

/// R-9.2-1: a receipt covers exactly what is held of its scope.
#[test]
fn a_receipt_is_over_what_is_held() {
    let mut stage = at(S::Confirmed);
    let mut wrong = stage.receipt();
    wrong.items = azir_ledger::Digest::of(b"other");
    only(
        &stage.machine_refused("agent:n1", &Body::EvidencePreserved(wrong)),
        K::HashMismatch,
        "node:n1",
    );
    let mut empty = stage.receipt();
    empty.scope = "node:n2".to_owned();
    only(
        &stage.machine_refused("agent:n2", &Body::EvidencePreserved(empty)),
        K::HashMismatch,
        "0 items",
    );
    stage.preserve();
    assert!(stage.view().preserved.contains_key("node:n1"));
}
