//! Proof of finality from headers and certificates alone (annex L.4).

use std::collections::BTreeSet;

use crate::block::{Block, BlockId, BlockRef, Roots};
use crate::certificate::{Certificate, CertificateError};
use crate::chain::{HeaderError, Parent, check_header};
use crate::genesis::Anchor;
use crate::object::{Plain, Sealed, SigCheck};

/// A block whose finality was verified from an anchor. Made by [`verify_final`] only.
///
/// It says that the block is final, not that it is valid: that takes execution (D-093).
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedFinal {
    place: BlockRef,
    roots: Roots,
    anchor: BlockRef,
    restart: u64,
}

impl VerifiedFinal {
    /// The hard-final block.
    #[must_use]
    pub fn place(&self) -> BlockRef {
        self.place
    }

    /// Roots that its header states.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.roots
    }

    /// The anchor that the proof starts from.
    #[must_use]
    pub fn anchor(&self) -> BlockRef {
        self.anchor
    }

    /// Restart number of the chain.
    #[must_use]
    pub fn restart(&self) -> u64 {
        self.restart
    }
}

/// Why headers and certificates prove no finality.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FinalError {
    /// A header does not follow the one before.
    #[error("header {index}: {why}")]
    Header {
        /// Position of the header.
        index: usize,
        /// What is wrong.
        why: HeaderError,
    },
    /// A certificate does not verify.
    #[error("certificate of slot {slot}: {why}")]
    Certificate {
        /// Its slot.
        slot: u64,
        /// What is wrong.
        why: CertificateError,
    },
    /// Everything verifies, but no three notarized headers stand in consecutive slots.
    #[error("no three notarized blocks in consecutive slots")]
    NothingFinal,
}

/// Verifies a chain of headers from the anchor and returns its highest hard-final block. Needs
/// nothing but the arguments; `certificates` may add those that no child carries.
///
/// # Errors
/// [`FinalError`], the first one found.
pub fn verify_final(
    anchor: &Anchor,
    headers: &[Sealed<Block>],
    certificates: &[Certificate],
) -> Result<VerifiedFinal, FinalError> {
    verify_final_with(anchor, headers, certificates, &mut Plain)
}

/// [`verify_final`] with a given way to check signatures.
///
/// # Errors
/// As [`verify_final`].
pub fn verify_final_with(
    anchor: &Anchor,
    headers: &[Sealed<Block>],
    certificates: &[Certificate],
    check: &mut dyn SigCheck,
) -> Result<VerifiedFinal, FinalError> {
    let mut notarized: BTreeSet<(u64, BlockId)> = BTreeSet::new();
    let mut parent = Parent::anchor(anchor);
    for (index, header) in headers.iter().enumerate() {
        check_header(anchor, &parent, header, check, |_, _| false)
            .map_err(|why| FinalError::Header { index, why })?;
        notarized.extend(header.parent_cert.as_ref().map(|cert| (cert.slot, cert.block)));
        let trail = parent.trail.extend(header.slot, header.block_id());
        parent = Parent { place: header.place(), trail, anchor: false };
    }
    for cert in certificates {
        cert.verify(&anchor.seats, &anchor.domain, check)
            .map_err(|why| FinalError::Certificate { slot: cert.slot, why })?;
        notarized.insert((cert.slot, cert.block));
    }
    let second = headers.windows(3).rev().find_map(|window| match window {
        [a, b, c] => {
            let consecutive = b.slot == a.slot + 1 && c.slot == b.slot + 1;
            let all = [a, b, c].iter().all(|h| notarized.contains(&(h.slot, h.block_id())));
            (consecutive && all).then_some(b)
        }
        _ => None,
    });
    let second = second.ok_or(FinalError::NothingFinal)?;
    Ok(VerifiedFinal {
        place: second.place(),
        roots: second.roots(),
        anchor: anchor.place,
        restart: anchor.domain.restart(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Net;

    #[test]
    fn headers_from_the_anchor_prove_their_own_finality() {
        let net = Net::new(7);
        let view = net.grow(&[0, 1, 2, 3]);
        let tip = view.front();
        let headers = view.headers(&tip.block);
        let last = view.certificate(3, &tip.block).unwrap().clone();
        let with = verify_final(&net.anchor, &headers, &[last]).unwrap();
        assert_eq!(with.place().height, 3);
        assert_eq!(with.roots(), headers[2].roots());
        let without = verify_final(&net.anchor, &headers, &[]).unwrap();
        assert_eq!(without.place().height, 2);
    }

    #[test]
    fn gaps_missing_headers_and_spoiled_votes_prove_nothing() {
        let net = Net::new(7);
        let view = net.grow(&[0, 1, 3, 4]);
        let tip = view.front();
        let headers = view.headers(&tip.block);
        let last = view.certificate(4, &tip.block).unwrap().clone();
        let verify = |h: &[Sealed<Block>], c: &[Certificate]| verify_final(&net.anchor, h, c);
        assert_eq!(verify(&headers, std::slice::from_ref(&last)), Err(FinalError::NothingFinal));
        assert_eq!(verify(&[], &[]), Err(FinalError::NothingFinal));
        assert!(matches!(verify(&headers[1..], &[]), Err(FinalError::Header { index: 0, .. })));
        let mut spoiled = last;
        spoiled.votes[0].sig.0[3] ^= 1;
        let refused = verify(&headers, &[spoiled]);
        assert!(matches!(refused, Err(FinalError::Certificate { slot: 4, .. })));
        let mut altered = headers[1].signed().clone();
        altered.body.post_root = altered.body.receipts_root;
        let mut chain = headers.clone();
        chain[1] = Sealed::new(altered).unwrap();
        assert!(matches!(verify(&chain, &[]), Err(FinalError::Header { index: 1, .. })));
    }
}
