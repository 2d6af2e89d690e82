//! The rules of a block that its header alone can break (annex L.3).

use crate::block::{Block, BlockId, BlockRef};
use crate::certificate::{CertVote, Certificate, CertificateError};
use crate::genesis::{Anchor, Seat};
use crate::object::{Sealed, SigCheck};
use crate::schedule::{SLOT_GAP_MAX, Trail, epoch_of};

/// Why a header is invalid on top of its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Made for another restart of the network (D-095).
    #[error("block of restart {found}, this chain is at restart {expected}")]
    Restart {
        /// Restart number of the block.
        found: u64,
        /// Restart number of the chain.
        expected: u64,
    },
    /// The header names another parent.
    #[error("the parent is {found}, expected {expected}")]
    Parent {
        /// Parent of the header.
        found: BlockId,
        /// The block it has to stand on.
        expected: BlockId,
    },
    /// Not the parent's height plus 1.
    #[error("height {found}, expected {expected}")]
    Height {
        /// Height of the block.
        found: u64,
        /// Height that the parent demands.
        expected: u64,
    },
    /// Not above the parent's slot, too far above it, or in another epoch than stated.
    #[error("slot {slot} and epoch {epoch} do not follow the parent")]
    Slot {
        /// Slot of the block.
        slot: u64,
        /// Epoch of the block.
        epoch: u64,
    },
    /// Another seat proposes in this slot.
    #[error("seat {found} proposed, slot {slot} belongs to seat {expected}")]
    Proposer {
        /// Slot of the block.
        slot: u64,
        /// The block's proposer.
        found: Seat,
        /// The slot's proposer on this chain.
        expected: Seat,
    },
    /// Not signed by the proposer's key in this domain.
    #[error("not signed by the current key of seat {seat}")]
    Signature {
        /// The proposer.
        seat: Seat,
    },
    /// The parent's certificate is missing, of another block, or there although the parent is the
    /// anchor.
    #[error("the header does not carry the certificate of its parent")]
    ParentCertificate,
    /// The parent's certificate does not verify.
    #[error("parent certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Parameters or features are not those in force.
    #[error("parameters or features are not those in force")]
    Rules,
}

/// What a header is checked against.
pub(crate) struct Parent {
    pub(crate) place: BlockRef,
    pub(crate) trail: Trail,
    pub(crate) anchor: bool,
}

impl Parent {
    pub(crate) fn anchor(anchor: &Anchor) -> Self {
        Self { place: anchor.place, trail: anchor.trail, anchor: true }
    }
}

/// Checks a header on top of a valid parent. Votes that `known` names were verified before.
pub(crate) fn check_header(
    anchor: &Anchor,
    parent: &Parent,
    header: &Sealed<Block>,
    check: &mut dyn SigCheck,
    known: impl Fn(&Certificate, &CertVote) -> bool,
) -> Result<(), HeaderError> {
    let domain = &anchor.domain;
    if header.restart != domain.restart() {
        let (found, expected) = (header.restart, domain.restart());
        return Err(HeaderError::Restart { found, expected });
    }
    if header.parent != parent.place.block {
        let (found, expected) = (header.parent, parent.place.block);
        return Err(HeaderError::Parent { found, expected });
    }
    let expected = parent.place.height.saturating_add(1);
    if header.height != expected {
        return Err(HeaderError::Height { found: header.height, expected });
    }
    let (slot, epoch) = (header.slot, header.epoch);
    let follows = parent.place.slot.is_none_or(|p| slot > p)
        && slot - parent.place.slot.unwrap_or(0) <= SLOT_GAP_MAX;
    if !follows || epoch != epoch_of(slot) {
        return Err(HeaderError::Slot { slot, epoch });
    }
    let (found, seats) = (header.proposer, &anchor.seats);
    let expected = parent.trail.proposer(slot, seats.count()).unwrap_or(found);
    let key = seats.key(expected).filter(|_| expected == found);
    let key = key.ok_or(HeaderError::Proposer { slot, found, expected })?;
    if !header.verify(domain, key, check) {
        return Err(HeaderError::Signature { seat: found });
    }
    match &header.parent_cert {
        None if parent.anchor => {}
        Some(cert)
            if !parent.anchor
                && cert.block == parent.place.block
                && Some(cert.slot) == parent.place.slot =>
        {
            cert.verify_except(seats, domain, check, |vote| known(cert, vote))?;
        }
        _ => return Err(HeaderError::ParentCertificate),
    }
    let rules = &anchor.rules;
    if header.params == rules.params_hash && header.features == rules.features_hash {
        Ok(())
    } else {
        Err(HeaderError::Rules)
    }
}
