//! Certificates: a quorum of votes for one block (annex L.3).

use std::collections::BTreeSet;

use azir_ledger::{CanonError, MachinePublic, MachineSig};
use serde::{Deserialize, Serialize};

use crate::block::BlockId;
use crate::genesis::{Seat, Seats};
use crate::object::{Domain, Sealed, SigCheck, Signed};
use crate::vote::Vote;

/// One seat's vote inside a certificate. Slot and block stand in the certificate, the restart
/// number in the domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertVote {
    /// The notary.
    pub seat: Seat,
    /// Its key.
    pub signer: MachinePublic,
    /// Its signature over the vote.
    pub sig: MachineSig,
}

/// Votes of at least q different counting seats for one block of one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
    /// Votes, ascending by seat, one for each seat.
    pub votes: Vec<CertVote>,
}

/// Why a certificate does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Fewer votes than the quorum.
    #[error("{found} votes, quorum is {quorum}")]
    Quorum {
        /// Votes in the certificate.
        found: usize,
        /// Votes needed.
        quorum: usize,
    },
    /// Votes are not ascending by seat, or a seat votes twice.
    #[error("votes are not one for each seat in ascending order")]
    Order,
    /// A vote of no seat, or not signed by its key in this domain.
    #[error("the vote of seat {seat} does not verify under its key and domain")]
    Vote {
        /// The seat.
        seat: Seat,
    },
}

impl Certificate {
    /// The vote of a seat as a signed object, as a fraud proof shows it.
    #[must_use]
    pub fn vote_of(&self, restart: u64, seat: Seat) -> Option<Signed<Vote>> {
        let vote = self.votes.iter().find(|v| v.seat == seat)?;
        Some(self.expand(restart, vote))
    }

    fn expand(&self, restart: u64, vote: &CertVote) -> Signed<Vote> {
        let body = Vote { restart, slot: self.slot, block: self.block, seat: vote.seat };
        Signed { body, signer: vote.signer, sig: vote.sig }
    }

    /// The seats that signed.
    #[must_use]
    pub fn signers(&self) -> BTreeSet<Seat> {
        self.votes.iter().map(|v| v.seat).collect()
    }

    /// Seats that signed both certificates: the double voters, if the blocks differ.
    #[must_use]
    pub fn common_signers(&self, other: &Self) -> Vec<Seat> {
        self.signers().intersection(&other.signers()).copied().collect()
    }

    /// Checks quorum, order and every vote against the keys and domain of an anchor.
    ///
    /// # Errors
    /// [`CertificateError`], the first one found.
    pub fn verify(
        &self,
        seats: &Seats,
        domain: &Domain,
        check: &mut dyn SigCheck,
    ) -> Result<(), CertificateError> {
        self.verify_except(seats, domain, check, |_| false)
    }

    /// As [`Certificate::verify`]; votes that `known` names were verified before.
    pub(crate) fn verify_except(
        &self,
        seats: &Seats,
        domain: &Domain,
        check: &mut dyn SigCheck,
        known: impl Fn(&CertVote) -> bool,
    ) -> Result<(), CertificateError> {
        let (found, quorum) = (self.votes.len(), seats.quorum());
        if found < quorum || found > seats.count() {
            return Err(CertificateError::Quorum { found, quorum });
        }
        if !self.votes.is_sorted_by(|a, b| a.seat < b.seat) {
            return Err(CertificateError::Order);
        }
        for vote in &self.votes {
            let seat = vote.seat;
            let holds = known(vote)
                || self
                    .sealed(domain.restart(), vote)
                    .ok()
                    .zip(seats.key(seat))
                    .is_some_and(|(sealed, key)| sealed.verify(domain, key, check));
            if !holds {
                return Err(CertificateError::Vote { seat });
            }
        }
        Ok(())
    }

    fn sealed(&self, restart: u64, vote: &CertVote) -> Result<Sealed<Vote>, CanonError> {
        Sealed::new(self.expand(restart, vote))
    }
}

#[cfg(test)]
mod tests {
    use azir_ledger::Digest;

    use super::*;
    use crate::object::Plain;
    use crate::testing::Net;

    #[test]
    fn a_certificate_needs_a_quorum_of_different_seats_with_good_signatures() {
        let net = Net::new(7);
        let block = BlockId(Digest::of(b"b"));
        let verify = |c: &Certificate| c.verify(&net.anchor.seats, &net.anchor.domain, &mut Plain);
        let good = net.certificate(3, block, &[0, 2, 3, 5, 6]);
        verify(&good).unwrap();
        let few = net.certificate(3, block, &[0, 2, 3, 5]);
        assert_eq!(verify(&few), Err(CertificateError::Quorum { found: 4, quorum: 5 }));
        let mut twice = good.clone();
        twice.votes[1] = twice.votes[0].clone();
        assert_eq!(verify(&twice), Err(CertificateError::Order));
        let mut moved = good.clone();
        moved.slot = 4;
        assert_eq!(verify(&moved), Err(CertificateError::Vote { seat: Seat(0) }));
        let mut foreign = good.clone();
        foreign.votes[4].seat = Seat(7);
        assert_eq!(verify(&foreign), Err(CertificateError::Vote { seat: Seat(7) }));
        let later = Domain::new("test-net", 1);
        assert!(good.verify(&net.anchor.seats, &later, &mut Plain).is_err());
    }
}
