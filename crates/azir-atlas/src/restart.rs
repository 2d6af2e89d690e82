//! The restart manifest: the one way on after two hard-final histories (annex L.3, D-095).

use std::collections::BTreeSet;

use azir_ledger::{CanonError, Digest, MachineKey, MachinePublic, MachineSig};
use serde::{Deserialize, Serialize};

use crate::block::BlockRef;
use crate::genesis::{Genesis, RESTART_THRESHOLD, Seat};
use crate::object::{Claimed, Domain, Object, SigCheck, id_of};

/// A seat that gets a new key with the restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedSeat {
    /// The seat.
    pub seat: Seat,
    /// Its new key.
    pub key: MachinePublic,
}

/// Where and how a network starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartManifest {
    /// Name of the network.
    pub chain: String,
    /// The new restart number: the old one plus 1. It enters every signature domain.
    pub restart: u64,
    /// Last block that is kept.
    pub anchor: BlockRef,
    /// State root of the anchor block.
    pub post_root: Digest,
    /// Receipts root of the anchor block.
    pub receipts_root: Digest,
    /// Seats with new keys, ascending.
    pub replaced: Vec<ReplacedSeat>,
    /// Restrictions that go on, by id.
    pub restrictions: Vec<Digest>,
    /// Why, for people.
    pub reason: String,
}

impl Object for RestartManifest {
    const TYPE: &'static str = "RestartManifest";
}

/// One signature of the restart authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySig {
    /// Key of the authority.
    pub signer: MachinePublic,
    /// Signature in the domain of the new restart number.
    pub sig: MachineSig,
}

/// A manifest with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedManifest {
    /// The manifest.
    pub body: RestartManifest,
    /// Signatures of the restart authority.
    pub signatures: Vec<AuthoritySig>,
}

/// Why a manifest does not restart a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestartError {
    /// For another network, or not the next restart number.
    #[error("manifest for {chain:?} restart {restart}; the next restart here is {expected}")]
    Domain {
        /// Network of the manifest.
        chain: String,
        /// Its restart number.
        restart: u64,
        /// The only number that is accepted.
        expected: u64,
    },
    /// Fewer good signatures of different authority keys than needed.
    #[error("{found} signatures of the restart authority, {RESTART_THRESHOLD} are needed")]
    Signatures {
        /// Good signatures of different keys.
        found: usize,
    },
    /// Replaced seats are not ascending, do not exist, or a key is in use elsewhere.
    #[error("seat {seat} cannot be replaced in this way")]
    Replaced {
        /// The seat.
        seat: Seat,
    },
    /// The manifest has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
}

/// A manifest that the restart authority signed for this network. Made by
/// [`SignedManifest::accept`] only. Each operator still accepts it by an own event (D-095).
#[derive(Debug, PartialEq, Eq)]
pub struct AcceptedRestart {
    manifest: RestartManifest,
    id: Digest,
}

impl AcceptedRestart {
    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &RestartManifest {
        &self.manifest
    }

    /// Id of the manifest.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }
}

impl SignedManifest {
    /// A manifest signed by the given authority keys.
    ///
    /// # Errors
    /// [`CanonError`] when the manifest has no canonical form.
    pub fn sign(body: RestartManifest, keys: &[&MachineKey]) -> Result<Self, CanonError> {
        let message = Self::message(&body)?;
        let signature =
            |key: &&MachineKey| AuthoritySig { signer: key.public(), sig: key.sign("", &message) };
        Ok(Self { signatures: keys.iter().map(signature).collect(), body })
    }

    /// What each authority key signs.
    ///
    /// # Errors
    /// [`CanonError`] when the manifest has no canonical form.
    pub fn message(body: &RestartManifest) -> Result<Vec<u8>, CanonError> {
        let domain = Domain::new(&body.chain, body.restart);
        Ok(domain.message(RestartManifest::TYPE, &id_of(body)?))
    }

    /// Checks domain, replaced seats and at least four of five authority signatures.
    ///
    /// # Errors
    /// [`RestartError`], the first one found.
    pub fn accept(
        &self,
        genesis: &Genesis,
        current: &Domain,
        check: &mut dyn SigCheck,
    ) -> Result<AcceptedRestart, RestartError> {
        let body = &self.body;
        let expected = current.restart().saturating_add(1);
        if body.chain != current.chain() || body.chain != genesis.chain || body.restart != expected
        {
            let (chain, restart) = (body.chain.clone(), body.restart);
            return Err(RestartError::Domain { chain, restart, expected });
        }
        check_replaced(genesis, &body.replaced)?;
        let (id, domain) = (id_of(body)?, Domain::new(&body.chain, body.restart));
        let good: BTreeSet<_> = self
            .signatures
            .iter()
            .filter(|s| genesis.restart_authority.contains(&s.signer))
            .filter(|s| {
                let kind = RestartManifest::TYPE;
                let (key, sig) = (&s.signer, &s.sig);
                check.holds(&Claimed { kind, domain: &domain, id: &id, key, sig })
            })
            .map(|s| s.signer)
            .collect();
        if good.len() < RESTART_THRESHOLD {
            return Err(RestartError::Signatures { found: good.len() });
        }
        Ok(AcceptedRestart { manifest: body.clone(), id })
    }
}

fn check_replaced(genesis: &Genesis, replaced: &[ReplacedSeat]) -> Result<(), RestartError> {
    let taken = [&genesis.seats, &genesis.restart_authority, &genesis.council];
    let mut used: BTreeSet<_> = taken.into_iter().flatten().copied().collect();
    let mut last = None;
    for entry in replaced {
        let seat = entry.seat;
        let exists = usize::from(seat.0) < genesis.seats.len();
        if !exists || last >= Some(seat) || !used.insert(entry.key) {
            return Err(RestartError::Replaced { seat });
        }
        last = Some(seat);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Plain;
    use crate::testing::{Net, key};

    fn manifest(net: &Net) -> RestartManifest {
        let view = net.grow(&[0, 1, 2]);
        let header = view.block(&view.hard_final().block).unwrap().header.clone();
        RestartManifest {
            chain: net.genesis.chain.clone(),
            restart: 1,
            anchor: header.place(),
            post_root: header.post_root,
            receipts_root: header.receipts_root,
            replaced: vec![ReplacedSeat { seat: Seat(2), key: key("new", 2).public() }],
            restrictions: Vec::new(),
            reason: "two hard-final histories".into(),
        }
    }

    fn accept(net: &Net, signed: &SignedManifest) -> Result<AcceptedRestart, RestartError> {
        signed.accept(&net.genesis, &net.anchor.domain, &mut Plain)
    }

    #[test]
    fn a_restart_needs_four_different_authority_keys() {
        let net = Net::new(7);
        let keys: Vec<_> = (0..5).map(|i| key("restart", i)).collect();
        let sign = |list: &[&MachineKey]| SignedManifest::sign(manifest(&net), list).unwrap();
        accept(&net, &sign(&[&keys[0], &keys[1], &keys[3], &keys[4]])).unwrap();
        let seat = key("seat", 0);
        for list in [
            vec![&keys[0], &keys[1], &keys[2]],
            vec![&keys[0], &keys[1], &keys[2], &keys[2]],
            vec![&keys[0], &keys[1], &keys[2], &seat],
        ] {
            let refused = accept(&net, &sign(&list));
            assert_eq!(refused, Err(RestartError::Signatures { found: 3 }));
        }
        let mut altered = sign(&keys.iter().collect::<Vec<_>>());
        altered.body.reason.push('!');
        assert_eq!(accept(&net, &altered), Err(RestartError::Signatures { found: 0 }));
    }

    #[test]
    fn a_restart_is_for_one_network_the_next_number_and_fresh_keys() {
        let net = Net::new(7);
        let keys: Vec<_> = (0..5).map(|i| key("restart", i)).collect();
        let spoil = |change: &dyn Fn(&mut RestartManifest)| {
            let mut body = manifest(&net);
            change(&mut body);
            let all: Vec<_> = keys.iter().collect();
            accept(&net, &SignedManifest::sign(body, &all).unwrap()).unwrap_err()
        };
        assert!(matches!(spoil(&|m| m.restart = 2), RestartError::Domain { expected: 1, .. }));
        assert!(matches!(spoil(&|m| m.chain = "x".into()), RestartError::Domain { .. }));
        let seat = |n| RestartError::Replaced { seat: Seat(n) };
        assert_eq!(spoil(&|m| m.replaced[0].seat = Seat(7)), seat(7));
        assert_eq!(spoil(&|m| m.replaced[0].key = key("seat", 2).public()), seat(2));
        assert_eq!(spoil(&|m| m.replaced.push(m.replaced[0].clone())), seat(2));
    }

    #[test]
    fn after_a_restart_old_signatures_are_void_and_new_keys_count() {
        let net = Net::new(7);
        let keys: Vec<_> = (0..5).map(|i| key("restart", i)).collect();
        let all: Vec<_> = keys.iter().collect();
        let accepted = accept(&net, &SignedManifest::sign(manifest(&net), &all).unwrap()).unwrap();
        let anchor = net.anchor.restarted(&accepted);
        assert_eq!(anchor.domain, Domain::new("test-net", 1));
        assert_eq!(anchor.seats.key(Seat(2)), Some(&key("new", 2).public()));
        assert_eq!(anchor.seats.key(Seat(1)), net.anchor.seats.key(Seat(1)));
        let old = net.certificate(9, anchor.place.block, &[0, 1, 3, 4, 5]);
        assert!(old.verify(&net.anchor.seats, &net.anchor.domain, &mut Plain).is_ok());
        assert!(old.verify(&anchor.seats, &anchor.domain, &mut Plain).is_err());
    }
}
