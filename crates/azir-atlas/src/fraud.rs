//! Fraud proofs of equivocation (annex L.8): two signed objects, same slot, same key.

use azir_ledger::{CanonError, Digest, digest_id};
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::certificate::Certificate;
use crate::genesis::{Anchor, Seat};
use crate::object::{Object, Sealed, SigCheck, Signed, id_of};
use crate::vote::Vote;

digest_id!(
    /// Id of a fraud proof.
    FraudId
);

/// Two statements of one seat that exclude each other. Implements R-14.2-6, R-37.2-2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FraudProof {
    /// Two votes in one slot for different blocks.
    DoubleVote {
        /// The one.
        first: Signed<Vote>,
        /// The other.
        second: Signed<Vote>,
    },
    /// Two different blocks proposed in one slot.
    DoubleProposal {
        /// The one.
        first: Signed<Block>,
        /// The other.
        second: Signed<Block>,
    },
}

impl Object for FraudProof {
    const TYPE: &'static str = "FraudProof";
}

/// Why two objects are no proof of fraud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FraudError {
    /// The objects are of different seats or different slots.
    #[error("the objects are not of one seat and one slot")]
    Unrelated,
    /// The objects say the same.
    #[error("the objects do not differ")]
    Same,
    /// An object is not signed by the seat's key in this domain.
    #[error("an object is not signed by the key of seat {seat}")]
    Signature {
        /// The seat.
        seat: Seat,
    },
    /// An object has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
}

/// A fraud that was verified. Made by [`FraudProof::verify`] only.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedFraud {
    seat: Seat,
    slot: u64,
    id: FraudId,
}

impl VerifiedFraud {
    /// The seat that equivocated.
    #[must_use]
    pub fn seat(&self) -> Seat {
        self.seat
    }

    /// The slot in which it did.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.slot
    }

    /// Id of the proof.
    #[must_use]
    pub fn id(&self) -> FraudId {
        self.id
    }
}

impl FraudProof {
    /// One proof of `double_vote` for each seat that signed both certificates of one slot.
    #[must_use]
    pub fn from_certificates(restart: u64, a: &Certificate, b: &Certificate) -> Vec<Self> {
        if a.slot != b.slot || a.block == b.block {
            return Vec::new();
        }
        a.common_signers(b)
            .into_iter()
            .filter_map(|seat| {
                let (first, second) = (a.vote_of(restart, seat)?, b.vote_of(restart, seat)?);
                Some(Self::DoubleVote { first, second })
            })
            .collect()
    }

    /// Id of this proof.
    ///
    /// # Errors
    /// [`CanonError`] when an object has no canonical form.
    pub fn id(&self) -> Result<FraudId, CanonError> {
        id_of(self).map(FraudId)
    }

    /// Checks the proof under the keys and the domain of an anchor.
    ///
    /// # Errors
    /// [`FraudError`], the first one found.
    pub fn verify(
        &self,
        anchor: &Anchor,
        check: &mut dyn SigCheck,
    ) -> Result<VerifiedFraud, FraudError> {
        let (seat, slot) = match self {
            Self::DoubleVote { first, second } => {
                pair(anchor, check, [first, second], |v| (v.seat, v.slot, v.restart))?
            }
            Self::DoubleProposal { first, second } => {
                pair(anchor, check, [first, second], |b| (b.proposer, b.slot, b.restart))?
            }
        };
        Ok(VerifiedFraud { seat, slot, id: self.id()? })
    }
}

fn pair<T: Object + Clone>(
    anchor: &Anchor,
    check: &mut dyn SigCheck,
    [first, second]: [&Signed<T>; 2],
    place: impl Fn(&T) -> (Seat, u64, u64),
) -> Result<(Seat, u64), FraudError> {
    let (seat, slot, restart) = place(&first.body);
    if place(&second.body) != (seat, slot, restart) {
        return Err(FraudError::Unrelated);
    }
    let sealed = [Sealed::new(first.clone())?, Sealed::new(second.clone())?];
    let ids: [Digest; 2] = [sealed[0].id(), sealed[1].id()];
    if ids[0] == ids[1] {
        return Err(FraudError::Same);
    }
    let key = anchor.seats.key(seat).filter(|_| restart == anchor.domain.restart());
    let signed = key.is_some_and(|key| sealed.iter().all(|s| s.verify(&anchor.domain, key, check)));
    if signed { Ok((seat, slot)) } else { Err(FraudError::Signature { seat }) }
}

#[cfg(test)]
mod tests {
    use azir_ledger::canon;

    use super::*;
    use crate::block::BlockId;
    use crate::object::Plain;
    use crate::testing::Net;

    fn certificates(net: &Net) -> (Certificate, Certificate) {
        let block = |n: &[u8]| BlockId(Digest::of(n));
        let a = net.certificate(42, block(b"a"), &[0, 1, 4, 5, 6]);
        (a, net.certificate(42, block(b"b"), &[2, 3, 4, 5, 6]))
    }

    /// R-14.2-6, R-37.2-2: every common signer of two certificates of one slot is proven at fault,
    /// and the proof still verifies when it is read back from its bytes.
    #[test]
    fn two_certificates_of_a_slot_prove_the_fault_of_exactly_their_common_signers() {
        let net = Net::new(7);
        let (a, b) = certificates(&net);
        let proofs = FraudProof::from_certificates(0, &a, &b);
        let verified = |p: &FraudProof| p.verify(&net.anchor, &mut Plain).unwrap();
        let seats: Vec<_> = proofs.iter().map(|p| verified(p).seat()).collect();
        assert_eq!(seats, [Seat(4), Seat(5), Seat(6)]);
        assert!(proofs.iter().all(|p| verified(p).slot() == 42));
        let bytes = canon::encode(&proofs[0]).unwrap();
        let read = canon::decode::<FraudProof>(&bytes).unwrap();
        assert_eq!((&read, verified(&read).seat()), (&proofs[0], Seat(4)));
        assert!(FraudProof::from_certificates(0, &a, &a).is_empty());
    }

    /// R-14.2-6, R-37.2-2: one vote alone, unrelated votes and altered bytes prove nothing.
    #[test]
    fn equal_unrelated_or_forged_votes_prove_nothing() {
        let net = Net::new(7);
        let (a, b) = certificates(&net);
        let of = |c: &Certificate, seat| c.vote_of(0, Seat(seat)).unwrap();
        let refuse = |first: Signed<Vote>, second: Signed<Vote>| {
            FraudProof::DoubleVote { first, second }.verify(&net.anchor, &mut Plain).unwrap_err()
        };
        assert_eq!(refuse(of(&a, 4), of(&a, 4)), FraudError::Same);
        assert_eq!(refuse(of(&a, 4), of(&b, 5)), FraudError::Unrelated);
        let mut later = of(&b, 4);
        later.body.slot = 43;
        assert_eq!(refuse(of(&a, 4), later), FraudError::Unrelated);
        let mut forged = of(&a, 4);
        forged.body.block = BlockId(Digest::of(b"c"));
        assert_eq!(refuse(of(&a, 4), forged), FraudError::Signature { seat: Seat(4) });
        let mut old = [of(&a, 4), of(&b, 4)];
        old.iter_mut().for_each(|v| v.body.restart = 1);
        let [first, second] = old;
        assert_eq!(refuse(first, second), FraudError::Signature { seat: Seat(4) });
    }

    #[test]
    fn two_blocks_of_one_proposer_in_one_slot_are_double_proposal() {
        let net = Net::new(7);
        let view = net.empty_view();
        let a = net.propose(&view, 3, &[], "a").header.signed().clone();
        let b = net.propose(&view, 3, &[], "b").header.signed().clone();
        let seat = a.body.proposer;
        let proof = FraudProof::DoubleProposal { first: a.clone(), second: b };
        assert_eq!(proof.verify(&net.anchor, &mut Plain).unwrap().seat(), seat);
        let same = FraudProof::DoubleProposal { first: a.clone(), second: a };
        assert_eq!(same.verify(&net.anchor, &mut Plain), Err(FraudError::Same));
    }
}
