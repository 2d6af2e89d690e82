//! What one node knows of the chain: blocks, certificates, votes, the front, and what is final
//! (annex L.3, L.4). Nothing that verified is ever forgotten because something else contradicts it.

mod finality;
mod header;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azir_ledger::CanonError;

pub use self::header::HeaderError;
pub(crate) use self::header::{Parent, check_header};
use crate::block::{Block, BlockId, BlockRef, Candidate, Roots};
use crate::certificate::{CertVote, Certificate, CertificateError};
use crate::execute::{BlockContext, ExecuteError, Outcome, Receipt, TxError, execute, select};
use crate::fraud::FraudProof;
use crate::genesis::{Anchor, Seat};
use crate::object::{Draft, Sealed, SigCheck};
use crate::schedule::{Trail, epoch_of};
use crate::state::State;
use crate::tx::{Tx, TxId};
use crate::vote::Vote;

/// States are kept for this many heights below the own hard-final block.
pub const STATE_DEPTH: u64 = 256;
/// Single votes are kept for this many slots below the own hard-final block.
pub const VOTE_DEPTH: u64 = 64;

/// Two verified facts that cannot both be right in a network with fewer than n/3 faulty seats.
/// Implements R-14.1-1, R-14.1-5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispute {
    /// Two verifying certificates for different blocks of one slot.
    SameSlot {
        /// The slot.
        slot: u64,
        /// Certificate seen first.
        first: Certificate,
        /// Certificate seen second.
        second: Certificate,
        /// Seats that signed both.
        common: Vec<Seat>,
    },
    /// Two hard-final blocks, neither an ancestor of the other.
    HardFinal {
        /// Last block that is final on both sides.
        last_common: BlockRef,
        /// Own hard-final block when the conflict was seen.
        own: BlockRef,
        /// The hard-final block of the other side.
        other: BlockRef,
    },
}

/// Result of offering a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Valid and new.
    New,
    /// Already known as valid.
    Known,
}

/// Why a block was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The parent is not known: ask for it.
    #[error("parent {parent} is not known")]
    UnknownParent {
        /// The parent.
        parent: BlockId,
    },
    /// The block, or an ancestor of it, was found invalid before.
    #[error("found invalid before: {reason}")]
    KnownInvalid {
        /// What was found then.
        reason: String,
    },
    /// The header breaks a rule.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The transactions that came with the header are not the ones it names, or one is not signed.
    #[error("the transactions are not those of the header")]
    Payload,
    /// Execution found a transaction that must not stand there.
    #[error(transparent)]
    Execute(ExecuteError),
    /// Execution gives other roots than the header.
    #[error("execution gives {computed:?}, the header states {stated:?}")]
    Roots {
        /// Roots of the own execution.
        computed: Box<Roots>,
        /// Roots of the header.
        stated: Box<Roots>,
    },
    /// The state of the parent was pruned.
    #[error("the parent's state lies too deep below finality")]
    Pruned,
}

/// Why a vote was not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// Signed for another restart of the network: void (D-095).
    #[error("vote for restart {found}, this chain is at restart {expected}")]
    Restart {
        /// Restart number of the vote.
        found: u64,
        /// Restart number of the chain.
        expected: u64,
    },
    /// No such seat, or not signed by its current key in this domain.
    #[error("not signed by the current key of seat {seat}")]
    Signature {
        /// The seat.
        seat: Seat,
    },
}

/// A block that waits for its proposer's signature.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The header.
    pub header: Draft<Block>,
    /// The transactions it names.
    pub txs: Vec<Arc<Sealed<Tx>>>,
}

#[derive(Clone, Debug)]
struct Known {
    candidate: Arc<Candidate>,
    state: Option<State>,
    receipts: Arc<Vec<Receipt>>,
    trail: Trail,
    /// Highest height that the certificates inside this chain make hard-final.
    chain_final: u64,
}

type SeatVotes = BTreeMap<Seat, Arc<Sealed<Vote>>>;

/// Blocks, certificates and votes as one node knows them, above one anchor.
#[derive(Clone, Debug)]
pub struct ChainView {
    anchor: Arc<Anchor>,
    anchor_state: State,
    blocks: BTreeMap<BlockId, Known>,
    children: BTreeMap<BlockId, BTreeSet<BlockId>>,
    invalid: BTreeMap<BlockId, String>,
    certificates: BTreeMap<u64, BTreeMap<BlockId, Certificate>>,
    votes: BTreeMap<(u64, BlockId), SeatVotes>,
    front: BlockRef,
    final_at: BTreeMap<u64, BTreeSet<BlockId>>,
    own_final: BlockRef,
    /// Set by a branch reset: branches that exclude the own hard-final block stay isolated.
    isolating: bool,
    disputes: Vec<Dispute>,
    /// First proposal of a seat in a slot, and whether a second one was proven.
    proposals: BTreeMap<(u64, Seat), (Arc<Candidate>, bool)>,
    equivocations: Vec<FraudProof>,
}

impl ChainView {
    /// An empty view above an anchor. Nothing if the state is not the anchor's.
    #[must_use]
    pub fn new(anchor: Arc<Anchor>, state: State) -> Option<Self> {
        let place = anchor.place;
        (state.root() == anchor.post_root).then(|| Self {
            anchor,
            anchor_state: state,
            blocks: BTreeMap::new(),
            children: BTreeMap::new(),
            invalid: BTreeMap::new(),
            certificates: BTreeMap::new(),
            votes: BTreeMap::new(),
            front: place,
            final_at: BTreeMap::new(),
            own_final: place,
            isolating: false,
            disputes: Vec::new(),
            proposals: BTreeMap::new(),
            equivocations: Vec::new(),
        })
    }

    /// The anchor.
    #[must_use]
    pub fn anchor(&self) -> &Arc<Anchor> {
        &self.anchor
    }

    /// A valid block, by id.
    #[must_use]
    pub fn block(&self, id: &BlockId) -> Option<&Arc<Candidate>> {
        self.blocks.get(id).map(|known| &known.candidate)
    }

    /// All valid blocks, by id.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.blocks.values().map(|known| &known.candidate)
    }

    /// Why a block is invalid, if it was found so.
    #[must_use]
    pub fn invalid(&self, id: &BlockId) -> Option<&str> {
        self.invalid.get(id).map(String::as_str)
    }

    /// State after a block or after the anchor; nothing if unknown or pruned.
    #[must_use]
    pub fn state(&self, id: &BlockId) -> Option<&State> {
        if *id == self.anchor.place.block {
            return Some(&self.anchor_state);
        }
        self.blocks.get(id)?.state.as_ref()
    }

    /// Receipts of a block.
    #[must_use]
    pub fn receipts(&self, id: &BlockId) -> Option<&Arc<Vec<Receipt>>> {
        self.blocks.get(id).map(|known| &known.receipts)
    }

    /// A certificate for a block, if one verified.
    #[must_use]
    pub fn certificate(&self, slot: u64, block: &BlockId) -> Option<&Certificate> {
        self.certificates.get(&slot)?.get(block)
    }

    /// All verified certificates, by slot and block; also of blocks that are not known.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values().flat_map(BTreeMap::values)
    }

    /// Votes that verified for a block, as far back as [`VOTE_DEPTH`].
    pub fn votes(&self, slot: u64, block: BlockId) -> impl Iterator<Item = &Arc<Sealed<Vote>>> {
        self.votes.get(&(slot, block)).into_iter().flat_map(BTreeMap::values)
    }

    /// The front: tip of a longest notarized chain; the lowest block hash wins a tie (annex L.4).
    #[must_use]
    pub fn front(&self) -> BlockRef {
        self.front
    }

    /// Whether a known block has a certificate. The anchor counts as notarized.
    #[must_use]
    pub fn is_notarized(&self, id: &BlockId) -> bool {
        *id == self.anchor.place.block
            || self
                .blocks
                .get(id)
                .is_some_and(|known| self.certificate(known.candidate.header.slot, id).is_some())
    }

    /// Whether a vote may build on this block: after a branch reset, only if it does not exclude
    /// the own hard-final block.
    #[must_use]
    pub fn may_build_on(&self, parent: &BlockId) -> bool {
        !self.isolating || self.descends(parent, &self.own_final)
    }

    /// Whether `ancestor` is `id` or one of its ancestors, down to the anchor.
    #[must_use]
    pub fn descends(&self, id: &BlockId, ancestor: &BlockRef) -> bool {
        let mut at = *id;
        loop {
            if at == ancestor.block {
                return true;
            }
            match self.blocks.get(&at) {
                Some(known) if known.candidate.header.height > ancestor.height => {
                    at = known.candidate.header.parent;
                }
                _ => return false,
            }
        }
    }

    /// The blocks from just above the anchor to `id`, ascending; empty if `id` is not known.
    #[must_use]
    pub fn path(&self, id: &BlockId) -> Vec<Arc<Candidate>> {
        let (mut at, mut path) = (*id, Vec::new());
        while let Some(known) = self.blocks.get(&at) {
            path.push(Arc::clone(&known.candidate));
            at = known.candidate.header.parent;
        }
        path.reverse();
        path
    }

    /// The headers of [`ChainView::path`], as `verify_final` takes them.
    #[must_use]
    pub fn headers(&self, id: &BlockId) -> Vec<Sealed<Block>> {
        self.path(id).iter().map(|candidate| candidate.header.clone()).collect()
    }

    /// Proposer of a slot on top of a known block or the anchor.
    #[must_use]
    pub fn proposer(&self, on: &BlockId, slot: u64) -> Option<Seat> {
        self.trail(on)?.proposer(slot, self.anchor.seats.count())
    }

    /// Verifiers of a slot on top of a known block or the anchor.
    #[must_use]
    pub fn committee(&self, on: &BlockId, slot: u64) -> Vec<Seat> {
        let seats = self.anchor.seats.count();
        self.trail(on).map(|trail| trail.committee(slot, seats)).unwrap_or_default()
    }

    fn trail(&self, id: &BlockId) -> Option<Trail> {
        if *id == self.anchor.place.block {
            return Some(self.anchor.trail);
        }
        self.blocks.get(id).map(|known| known.trail)
    }

    fn parent(&self, id: &BlockId) -> Option<Parent> {
        if *id == self.anchor.place.block {
            return Some(Parent::anchor(&self.anchor));
        }
        let known = self.blocks.get(id)?;
        Some(Parent { place: known.candidate.header.place(), trail: known.trail, anchor: false })
    }

    /// Offers a block. It is taken if every rule of annex L.3 holds and its execution gives the
    /// header's roots; with it, the certificate of its parent is taken.
    ///
    /// # Errors
    /// [`BlockError`]; nothing changes except that a block proven invalid is remembered as such.
    pub fn insert(
        &mut self,
        candidate: Arc<Candidate>,
        check: &mut dyn SigCheck,
    ) -> Result<Inserted, BlockError> {
        let id = candidate.id();
        if self.blocks.contains_key(&id) {
            return Ok(Inserted::Known);
        }
        if let Some(reason) = self.invalid.get(&id).or(self.invalid.get(&candidate.header.parent)) {
            return Err(BlockError::KnownInvalid { reason: reason.clone() });
        }
        let parent_id = candidate.header.parent;
        let parent =
            self.parent(&parent_id).ok_or(BlockError::UnknownParent { parent: parent_id })?;
        check_header(&self.anchor, &parent, &candidate.header, check, |cert, vote| {
            self.knows_vote(cert, vote)
        })?;
        let ids: Vec<_> = candidate.txs.iter().map(|tx| TxId(tx.id())).collect();
        if ids != candidate.header.txs {
            return Err(BlockError::Payload);
        }
        match self.run(&candidate.header, &candidate.txs, check) {
            Ok((outcome, chain_final)) => {
                self.store(candidate, outcome, &parent, chain_final);
                Ok(Inserted::New)
            }
            // An id does not cover signatures, so a spoiled payload proves nothing about the block.
            Err(BlockError::Execute(ExecuteError::Tx { why: TxError::Signature, .. })) => {
                Err(BlockError::Payload)
            }
            Err(error) => {
                if matches!(error, BlockError::Execute(_) | BlockError::Roots { .. }) {
                    self.invalid.insert(id, error.to_string());
                }
                Err(error)
            }
        }
    }

    fn knows_vote(&self, cert: &Certificate, vote: &CertVote) -> bool {
        self.votes
            .get(&(cert.slot, cert.block))
            .and_then(|by_seat| by_seat.get(&vote.seat))
            .is_some_and(|known| {
                known.signed().sig == vote.sig && known.signed().signer == vote.signer
            })
    }

    fn run(
        &self,
        header: &Sealed<Block>,
        txs: &[Arc<Sealed<Tx>>],
        check: &mut dyn SigCheck,
    ) -> Result<(Outcome, u64), BlockError> {
        let state = self.state(&header.parent).ok_or(BlockError::Pruned)?;
        let (finalized, chain_final) = self.finalized_by_chain(&header.parent);
        let context = BlockContext { height: header.height, slot: header.slot, finalized };
        let (rules, domain) = (&self.anchor.rules, &self.anchor.domain);
        let outcome =
            execute(state, rules, domain, &context, txs, check).map_err(BlockError::Execute)?;
        if outcome.roots != header.roots() {
            let (computed, stated) = (Box::new(outcome.roots), Box::new(header.roots()));
            return Err(BlockError::Roots { computed, stated });
        }
        Ok((outcome, chain_final))
    }

    /// What a child of `parent` makes hard-final by the certificates inside its own chain: the new
    /// blocks with their proposers, and the highest height.
    fn finalized_by_chain(&self, parent: &BlockId) -> (Vec<(u64, Seat)>, u64) {
        let before = self.blocks.get(parent).map_or(self.anchor.place.height, |k| k.chain_final);
        let header = |id: &BlockId| self.blocks.get(id).map(|k| &k.candidate.header);
        let second = header(parent)
            .and_then(|third| header(&third.parent).map(|second| (third, second)))
            .and_then(|(third, second)| header(&second.parent).map(|f| (third, second, f)))
            .filter(|(third, second, first)| {
                third.slot == second.slot + 1 && second.slot == first.slot + 1
            })
            .map(|(_, second, _)| second);
        let Some(second) = second else { return (Vec::new(), before) };
        let (mut at, mut list) = (Some(second), Vec::new());
        while let Some(block) = at.filter(|b| b.height > before) {
            list.push((block.height, block.proposer));
            at = header(&block.parent);
        }
        list.reverse();
        (list, second.height.max(before))
    }

    fn store(
        &mut self,
        candidate: Arc<Candidate>,
        outcome: Outcome,
        parent: &Parent,
        chain_final: u64,
    ) {
        let (id, slot) = (candidate.id(), candidate.header.slot);
        let parent_cert = candidate.header.parent_cert.clone();
        let known = Known {
            state: Some(outcome.state),
            receipts: Arc::new(outcome.receipts),
            trail: parent.trail.extend(slot, id),
            chain_final,
            candidate,
        };
        self.note_double_proposal(&known.candidate);
        self.children.entry(parent.place.block).or_default().insert(id);
        self.blocks.insert(id, known);
        if let Some(cert) = parent_cert {
            self.keep_certificate(cert);
        }
        if self.is_notarized(&id) {
            self.on_notarized(&id);
        }
    }

    /// Drafts the next block on the front for a proposer, with the waiting transactions that fit.
    ///
    /// # Errors
    /// [`BlockError`] when the front's state is gone or the draft cannot be executed.
    pub fn draft(
        &self,
        slot: u64,
        proposer: Seat,
        waiting: &[Arc<Sealed<Tx>>],
        impl_tag: &str,
        check: &mut dyn SigCheck,
    ) -> Result<Proposal, BlockError> {
        let parent = self.front;
        let state = self.state(&parent.block).ok_or(BlockError::Pruned)?;
        let (rules, domain) = (&self.anchor.rules, &self.anchor.domain);
        let txs = select(state, rules, domain, slot, waiting, check);
        let (finalized, _) = self.finalized_by_chain(&parent.block);
        let context = BlockContext { height: parent.height.saturating_add(1), slot, finalized };
        let outcome =
            execute(state, rules, domain, &context, &txs, check).map_err(BlockError::Execute)?;
        let block = Block {
            restart: domain.restart(),
            height: context.height,
            slot,
            epoch: epoch_of(slot),
            parent: parent.block,
            parent_cert: parent
                .slot
                .filter(|_| parent != self.anchor.place)
                .and_then(|slot| self.certificate(slot, &parent.block))
                .cloned(),
            proposer,
            txs: txs.iter().map(|tx| TxId(tx.id())).collect(),
            params: rules.params_hash,
            features: rules.features_hash,
            post_root: outcome.roots.post,
            receipts_root: outcome.roots.receipts,
            impl_tag: impl_tag.to_owned(),
        };
        let unencodable = |e: CanonError| BlockError::Execute(ExecuteError::Canon(e));
        Ok(Proposal { header: Draft::new(block).map_err(unencodable)?, txs })
    }

    /// Counts a vote. At the quorum, the votes become a certificate.
    ///
    /// # Errors
    /// [`VoteError`]; then nothing changes.
    pub fn add_vote(
        &mut self,
        vote: &Arc<Sealed<Vote>>,
        check: &mut dyn SigCheck,
    ) -> Result<Option<Certificate>, VoteError> {
        let expected = self.anchor.domain.restart();
        if vote.restart != expected {
            return Err(VoteError::Restart { found: vote.restart, expected });
        }
        let seat = vote.seat;
        let key = self.anchor.seats.key(seat).ok_or(VoteError::Signature { seat })?;
        if !vote.verify(&self.anchor.domain, key, check) {
            return Err(VoteError::Signature { seat });
        }
        let (slot, block) = (vote.slot, vote.block);
        self.note_double_vote(vote);
        let by_seat = self.votes.entry((slot, block)).or_default();
        by_seat.entry(seat).or_insert_with(|| Arc::clone(vote));
        if by_seat.len() < self.anchor.seats.quorum() || self.certificate(slot, &block).is_some() {
            return Ok(None);
        }
        let votes = self
            .votes(slot, block)
            .map(|v| CertVote { seat: v.seat, signer: v.signed().signer, sig: v.signed().sig })
            .collect();
        let cert = Certificate { slot, block, votes };
        self.keep_certificate(cert.clone());
        Ok(Some(cert))
    }

    /// Takes a certificate; it need not be of a known block. True if it is new.
    ///
    /// # Errors
    /// [`CertificateError`]; then nothing changes.
    pub fn add_certificate(
        &mut self,
        cert: &Certificate,
        check: &mut dyn SigCheck,
    ) -> Result<bool, CertificateError> {
        if self.certificate(cert.slot, &cert.block).is_some() {
            return Ok(false);
        }
        let (seats, domain) = (&self.anchor.seats, &self.anchor.domain);
        cert.verify_except(seats, domain, check, |vote| self.knows_vote(cert, vote))?;
        self.keep_certificate(cert.clone());
        Ok(true)
    }

    /// Branch reset (annex J.1, M.2): drops the blocks above a height that are not hard-final. If
    /// the own hard-final block lies above that height, what builds on it stays. Branches that
    /// exclude it are isolated from then on (14.3): the front and votes keep to the own hard-final
    /// block. Certificates stay: they are evidence (D-094). Returns how many blocks were dropped.
    /// Implements R-14.3-2, R-2.1-1 and R-26.1-3.
    pub fn drop_candidates_above(&mut self, height: u64) -> usize {
        self.isolating = true;
        let settled = self.own_final.height > height;
        let builds_on = |id: &BlockId| settled && self.descends(id, &self.own_final);
        let doomed: Vec<_> = self
            .blocks
            .values()
            .map(|known| &known.candidate.header)
            .filter(|header| header.height > height && !self.is_final(&header.place()))
            .filter(|header| !builds_on(&header.block_id()))
            .map(|header| (header.block_id(), header.parent))
            .collect();
        for (id, parent) in &doomed {
            self.blocks.remove(id);
            self.children.remove(id);
            if let Some(siblings) = self.children.get_mut(parent) {
                siblings.remove(id);
            }
        }
        self.recompute_front();
        doomed.len()
    }
}

#[cfg(test)]
mod tests;
