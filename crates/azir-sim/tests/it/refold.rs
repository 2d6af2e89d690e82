//! The log of a drill, folded and admitted again from its entries alone.

use azir_engine::Objects;
use azir_engine::recheck::{Fault, Recheck};
use azir_engine::state::FoldError;
use azir_ledger::{Digest, Entry};
use azir_model::RefusalKind;
use azir_sim::network;

use super::ran::{self, Ran, Vault, both};

fn recheck(entries: &[Entry], objects: &dyn Objects) -> (Recheck, Vec<Fault>) {
    let mut recheck = Recheck::default();
    let mut faults = Vec::new();
    for entry in entries {
        if let Err(fault) = recheck.next(entry, objects) {
            let lost = matches!(fault, Fault::Fold(_));
            faults.push(fault);
            if lost {
                break;
            }
        }
    }
    (recheck, faults)
}

fn clean(ran: &Ran) {
    let (recheck, faults) = recheck(&ran.entries, &ran.vault);
    assert!(faults.is_empty(), "{} run: {faults:#?}", ran.name());
    let (counts, total) = (recheck.counts(), ran.entries.len() as u64);
    assert_eq!((counts.events, counts.views), (total, total));
    assert_eq!(counts.decisions, 1);
    assert!(counts.transitions >= 8 && counts.restarts >= 12, "{counts:?}");
    assert!(counts.refusals >= 15, "{counts:?}");
    let incident = &recheck.state().incidents[&ran.report.incident];
    let last = ran.entries.iter().rev().find(|e| e.signed.event().subject.is_some()).unwrap();
    assert_eq!(incident.hash().unwrap(), last.meta.view);
}

/// R-41.3-1: every event is admitted again, every decision decided again, every view hash equal.
#[test]
fn the_production_engine_refolds_every_log_without_a_fault() {
    both().into_iter().for_each(clean);
}

/// R-37.2-2: the certificates, the fraud proofs and the manifest verify from the evidence alone.
#[test]
fn network_objects_verify_again_from_the_evidence() {
    for ran in both() {
        let (recheck, _) = recheck(&ran.entries, &ran.vault);
        let check = network::recheck(recheck.state(), &ran.vault);
        assert!(check.faults.is_empty(), "{:?}", check.faults);
        assert_eq!(check.counts["certificates of the network"], 2);
        assert_eq!(check.counts["fraud proofs against seats"], 3);
        let manifests = check.counts.get("restart manifests of the restart authority");
        assert_eq!(manifests.copied().unwrap_or(0), u64::from(ran.name() == "long"));
    }
}

/// Serves other content under a hash, as a careless store would.
struct Swapped<'a>(&'a Vault, Digest, Vec<u8>);

impl Objects for Swapped<'_> {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        if *digest == self.1 { Some(self.2.clone()) } else { self.0.get(digest) }
    }
}

#[test]
fn a_fraud_proof_against_an_honest_seat_does_not_verify() {
    let ran = &ran::LONG_7;
    let mut drafts = ran.events("draft.made").into_iter();
    let fraud = drafts.find(|(_, b)| b["draft"] == "fraud_proof").unwrap().1;
    let object: Digest = fraud["object"].as_str().unwrap().parse().unwrap();
    let text = String::from_utf8(ran.vault.get(&object).unwrap()).unwrap();
    let forged = text.replace("\"seat\":0", "\"seat\":3");
    assert_ne!(text, forged);
    let (recheck, _) = recheck(&ran.entries, &ran.vault);
    let objects = Swapped(&ran.vault, object, forged.into_bytes());
    let check = network::recheck(recheck.state(), &objects);
    assert!(!check.faults.is_empty());
}

#[test]
fn each_missing_piece_of_evidence_is_a_fault() {
    let ran = &ran::SHORT_7;
    let pieces: Vec<_> = ran.vault.0.keys().copied().collect();
    for digest in pieces.iter().step_by(40) {
        let mut vault = ran.vault.clone();
        vault.0.remove(digest);
        let (_, faults) = recheck(&ran.entries, &vault);
        let missing = faults.iter().any(|fault| match fault {
            Fault::Inadmissible { refusal, .. } => refusal.has(RefusalKind::EvidenceMissing),
            Fault::Fold(_) => false,
        });
        assert!(missing, "{digest}: {faults:?}");
    }
}

#[test]
fn another_view_hash_is_found_where_it_stands() {
    let ran = &ran::LONG_7;
    for at in [0, 1, ran.entries.len() / 2] {
        let mut entries = ran.entries.clone();
        entries[at].meta.view = Digest::of(b"another view");
        let (_, faults) = recheck(&entries, &ran.vault);
        let found = matches!(faults.as_slice(), [Fault::Fold(FoldError::View { index, .. })] if *index == at as u64);
        assert!(found, "{at}: {faults:?}");
    }
}

/// R-41.3-1: an event that is left out is missed by those that rest on it.
#[test]
fn a_log_without_one_of_its_entries_does_not_fold() {
    let ran = &ran::LONG_7;
    for at in [7, ran.entries.len() / 2, ran.entries.len() - 2] {
        let mut entries = ran.entries.clone();
        entries.remove(at);
        for (index, entry) in entries.iter_mut().enumerate() {
            entry.meta.index = index as u64;
        }
        let (_, faults) = recheck(&entries, &ran.vault);
        assert!(!faults.is_empty(), "without entry {at}");
    }
}
