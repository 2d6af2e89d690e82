//! The offline check of network objects in a log's evidence, by the reference protocol: what the
//! control plane took as verified is verified again from the objects themselves.

use std::collections::BTreeMap;

use azir_atlas::{Anchor, Certificate, FraudProof, Genesis, Plain, SignedManifest};
use azir_engine::body::DraftKind;
use azir_engine::{IncidentView, Objects, State};
use azir_ledger::{Digest, canon};
use azir_model::evidence::Item;
use serde::de::DeserializeOwned;

/// What was checked, and what does not hold.
#[derive(Debug, Default)]
pub struct NetworkCheck {
    /// Counts by what was checked.
    pub counts: BTreeMap<&'static str, u64>,
    /// Faults, in words.
    pub faults: Vec<String>,
}

/// Checks the objects of every consensus incident whose evidence holds a genesis of the reference
/// network; other networks' objects are left to their own adapters.
#[must_use]
pub fn recheck(state: &State, objects: &dyn Objects) -> NetworkCheck {
    let mut check = NetworkCheck::default();
    for view in state.incidents.values() {
        let Some(genesis) = genesis(view, objects) else { continue };
        match Anchor::genesis(&genesis) {
            Ok((anchor, _)) => incident(view, objects, &genesis, &anchor, &mut check),
            Err(error) => check.faults.push(format!("genesis in evidence: {error}")),
        }
    }
    check
}

fn genesis(view: &IncidentView, objects: &dyn Objects) -> Option<Genesis> {
    let held = view.evidence.get(&Item::Parameters)?.held.iter();
    held.filter_map(|d| read(objects, &d.hash)).next()
}

fn read<T: DeserializeOwned>(objects: &dyn Objects, digest: &Digest) -> Option<T> {
    canon::decode(&objects.get(digest)?).ok()
}

fn incident(
    view: &IncidentView,
    objects: &dyn Objects,
    genesis: &Genesis,
    anchor: &Anchor,
    check: &mut NetworkCheck,
) {
    if let Some(object) = view.confirmations.get("conflicting_certificates") {
        match read::<[Certificate; 2]>(objects, object) {
            Some(pair) => certificates(&pair, anchor, check),
            None => check.faults.push(format!("confirmation {object} is no pair of certificates")),
        }
    }
    for draft in &view.drafts {
        let object = &draft.object;
        if draft.draft == DraftKind::FraudProof {
            match read::<Vec<FraudProof>>(objects, object) {
                Some(proofs) => frauds(&proofs, anchor, check),
                None => check.faults.push(format!("draft {object} is no list of fraud proofs")),
            }
        }
    }
    for (operator, object) in &view.accepted {
        let manifest: Option<SignedManifest> = read(objects, object);
        let accepted = manifest.map(|m| m.accept(genesis, &anchor.domain, &mut Plain));
        match accepted {
            Some(Ok(_)) => count(check, "restart manifests of the restart authority"),
            Some(Err(error)) => check.faults.push(format!("manifest of {operator}: {error}")),
            None => {
                check.faults.push(format!("{operator} accepted {object}, which is no manifest"))
            }
        }
    }
}

fn count(check: &mut NetworkCheck, what: &'static str) {
    *check.counts.entry(what).or_default() += 1;
}

fn certificates(pair: &[Certificate; 2], anchor: &Anchor, check: &mut NetworkCheck) {
    if pair[0].slot != pair[1].slot || pair[0].block == pair[1].block {
        check.faults.push("the confirming certificates do not conflict".to_owned());
    }
    for certificate in pair {
        match certificate.verify(&anchor.seats, &anchor.domain, &mut Plain) {
            Ok(_) => count(check, "certificates of the network"),
            Err(error) => {
                check.faults.push(format!("certificate of {}: {error}", certificate.block))
            }
        }
    }
}

fn frauds(proofs: &[FraudProof], anchor: &Anchor, check: &mut NetworkCheck) {
    for proof in proofs {
        match proof.verify(anchor, &mut Plain) {
            Ok(_) => count(check, "fraud proofs against seats"),
            Err(error) => check.faults.push(format!("fraud proof: {error}")),
        }
    }
}
