//! Front, hard finality and disputes of a view (annex L.4).

use std::sync::Arc;

use azir_ledger::Digest;

use super::{ChainView, Dispute, STATE_DEPTH, VOTE_DEPTH};
use crate::block::{BlockId, BlockRef, Candidate};
use crate::certificate::Certificate;
use crate::fraud::FraudProof;
use crate::genesis::Seat;
use crate::object::Sealed;
use crate::vote::Vote;

impl ChainView {
    /// The highest hard-final block of the path that this view held for final first. A conflicting
    /// hard-final block does not move it (D-094).
    #[must_use]
    pub fn hard_final(&self) -> BlockRef {
        self.own_final
    }

    /// Whether a block is hard-final. The anchor is.
    #[must_use]
    pub fn is_final(&self, place: &BlockRef) -> bool {
        *place == self.anchor.place
            || self.final_at.get(&place.height).is_some_and(|ids| ids.contains(&place.block))
    }

    /// Hard-final blocks without a hard-final child: one, or more if finality conflicts.
    #[must_use]
    pub fn hard_final_tips(&self) -> Vec<BlockRef> {
        let tips: Vec<_> = self
            .final_at
            .values()
            .flatten()
            .filter(|id| {
                let children = self.children.get(id);
                !children.into_iter().flatten().any(|child| self.is_final_id(child))
            })
            .filter_map(|id| self.place(id))
            .collect();
        if tips.is_empty() { vec![self.anchor.place] } else { tips }
    }

    /// The last block that is hard-final on every side: the own hard-final block if nothing
    /// conflicts (D-095).
    #[must_use]
    pub fn last_common_final(&self) -> BlockRef {
        let fork = self.final_at.iter().find(|(_, ids)| ids.len() > 1);
        let Some((height, _)) = fork else { return self.own_final };
        let below = height.checked_sub(1).and_then(|h| self.final_at.get(&h));
        below.and_then(|ids| ids.first()).and_then(|id| self.place(id)).unwrap_or(self.anchor.place)
    }

    /// The highest block that is hard-final on every side and lies below every conflicting
    /// certificate, in height and in slot: conditions (a) and (b) of the trusted checkpoint
    /// (D-092). The conditions on replay and on the disputed thing are not known here. Of two
    /// hard-final histories none is picked. Implements R-14.3-5.
    #[must_use]
    pub fn undisputed_final(&self) -> BlockRef {
        let mut limit = (u64::MAX, u64::MAX);
        for dispute in &self.disputes {
            match dispute {
                Dispute::SameSlot { slot, first, second, .. } => {
                    let heights = [first, second].map(|c| self.place(&c.block).map(|p| p.height));
                    let lowest = heights.into_iter().flatten().min().unwrap_or(u64::MAX);
                    limit = (limit.0.min(lowest), limit.1.min(*slot));
                }
                Dispute::HardFinal { .. } => {}
            }
        }
        let mut at = self.last_common_final();
        while at.height >= limit.0 || at.slot.is_some_and(|slot| slot >= limit.1) {
            let parent = self.blocks.get(&at.block).map(|known| known.candidate.header.parent);
            match parent.and_then(|parent| self.place(&parent)) {
                Some(parent) => at = parent,
                None => return self.anchor.place,
            }
        }
        at
    }

    /// Certificates that no notarized child carries on, and those of unknown blocks: what a node
    /// tells another one so that it can find out what it misses.
    #[must_use]
    pub fn tips(&self) -> Vec<Certificate> {
        let open = |cert: &&Certificate| {
            let children = self.children.get(&cert.block).into_iter().flatten();
            !children.into_iter().any(|child| self.is_notarized(child))
        };
        self.certificates().filter(open).cloned().collect()
    }

    /// Everything that contradicts itself, in the order it was seen.
    #[must_use]
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// Votes and proposals that prove a double signature, in the order they were seen, one for each
    /// seat, slot and kind. Certificates prove more: see [`FraudProof::from_certificates`].
    #[must_use]
    pub fn equivocations(&self) -> &[FraudProof] {
        &self.equivocations
    }

    pub(super) fn note_double_vote(&mut self, vote: &Sealed<Vote>) {
        let (slot, seat) = (vote.slot, vote.seat);
        let span = (slot, BlockId(LOWEST))..=(slot, BlockId(HIGHEST));
        let mut others = self.votes.range(span).filter(|((_, block), _)| *block != vote.block);
        let Some(first) = others.find_map(|(_, by_seat)| by_seat.get(&seat)) else { return };
        let first = first.signed().clone();
        let proven = self.equivocations.iter().rev().any(|proof| match proof {
            FraudProof::DoubleVote { first, .. } => {
                (first.body.slot, first.body.seat) == (slot, seat)
            }
            FraudProof::DoubleProposal { .. } => false,
        });
        if !proven {
            let second = vote.signed().clone();
            self.equivocations.push(FraudProof::DoubleVote { first, second });
        }
    }

    pub(super) fn note_double_proposal(&mut self, candidate: &Arc<Candidate>) {
        let key = (candidate.header.slot, candidate.header.proposer);
        match self.proposals.get_mut(&key) {
            None => {
                self.proposals.insert(key, (Arc::clone(candidate), false));
            }
            Some((first, proven)) if !*proven && first.id() != candidate.id() => {
                *proven = true;
                let first = first.header.signed().clone();
                let second = candidate.header.signed().clone();
                self.equivocations.push(FraudProof::DoubleProposal { first, second });
            }
            Some(_) => {}
        }
    }

    fn place(&self, id: &BlockId) -> Option<BlockRef> {
        self.blocks.get(id).map(|known| known.candidate.header.place())
    }

    fn is_final_id(&self, id: &BlockId) -> bool {
        self.place(id).is_some_and(|place| self.is_final(&place))
    }

    pub(super) fn keep_certificate(&mut self, cert: Certificate) {
        let (slot, block) = (cert.slot, cert.block);
        let of_slot = self.certificates.entry(slot).or_default();
        if of_slot.contains_key(&block) {
            return;
        }
        for other in of_slot.values() {
            let common = other.common_signers(&cert);
            let (first, second) = (other.clone(), cert.clone());
            self.disputes.push(Dispute::SameSlot { slot, first, second, common });
        }
        of_slot.insert(block, cert);
        let known = self.blocks.get(&block);
        if known.is_some_and(|known| known.candidate.header.slot == slot) {
            self.on_notarized(&block);
        }
    }

    /// A known block has its certificate now: the front may move, and up to three triples of
    /// consecutive slots may be complete.
    pub(super) fn on_notarized(&mut self, id: &BlockId) {
        let Some(place) = self.place(id) else { return };
        self.offer_front(place);
        let children: Vec<_> = self.children.get(id).into_iter().flatten().copied().collect();
        let grandchildren: Vec<_> =
            children.iter().filter_map(|c| self.children.get(c)).flatten().copied().collect();
        for top in [*id].into_iter().chain(children).chain(grandchildren) {
            if let Some(second) = self.second_of_triple(&top) {
                self.mark_final(second);
            }
        }
    }

    fn offer_front(&mut self, place: BlockRef) {
        let longer = place.height > self.front.height;
        let tie = place.height == self.front.height && place.block < self.front.block;
        if (longer || tie) && self.may_build_on(&place.block) {
            self.front = place;
        }
    }

    pub(super) fn recompute_front(&mut self) {
        self.front = if self.isolating { self.own_final } else { self.anchor.place };
        let notarized: Vec<_> = self
            .blocks
            .iter()
            .filter(|(id, _)| self.is_notarized(id))
            .map(|(_, known)| known.candidate.header.place())
            .collect();
        for place in notarized {
            self.offer_front(place);
        }
    }

    /// The middle block, if `top`, its parent and its grandparent stand in consecutive slots and
    /// are all notarized.
    fn second_of_triple(&self, top: &BlockId) -> Option<BlockRef> {
        let third = &self.blocks.get(top)?.candidate.header;
        let second = &self.blocks.get(&third.parent)?.candidate.header;
        let first = &self.blocks.get(&second.parent)?.candidate.header;
        let consecutive = third.slot == second.slot + 1 && second.slot == first.slot + 1;
        let notarized = [third, second, first].iter().all(|h| self.is_notarized(&h.block_id()));
        (consecutive && notarized).then(|| second.place())
    }

    fn mark_final(&mut self, tip: BlockRef) {
        let (mut at, mut lowest) = (tip, None);
        while !self.is_final(&at) {
            self.final_at.entry(at.height).or_default().insert(at.block);
            lowest = Some(at);
            let parent = self.blocks.get(&at.block).map(|known| known.candidate.header.parent);
            match parent.and_then(|parent| self.place(&parent)) {
                Some(place) => at = place,
                None => {
                    at = self.anchor.place;
                    break;
                }
            }
        }
        let Some(lowest) = lowest else { return };
        if at == self.own_final {
            self.own_final = tip;
            self.prune();
        }
        // A new fork of finality is a final block beside another one on the same parent.
        let siblings = self.children.get(&at.block).into_iter().flatten();
        let forked = siblings.filter(|id| **id != lowest.block).any(|id| self.is_final_id(id));
        if forked {
            let own = self.own_final;
            self.disputes.push(Dispute::HardFinal { last_common: at, own, other: tip });
        }
    }

    fn prune(&mut self) {
        let low = self.own_final.height.saturating_sub(STATE_DEPTH);
        for id in self.final_at.get(&low).into_iter().flatten() {
            // Everything deeper lost its state when it stood at this depth itself.
            let mut at = *id;
            while let Some(known) = self.blocks.get_mut(&at) {
                if known.state.take().is_none() {
                    break;
                }
                at = known.candidate.header.parent;
            }
        }
        let slot = self.own_final.slot.unwrap_or(0).saturating_sub(VOTE_DEPTH);
        self.votes = self.votes.split_off(&(slot, BlockId(LOWEST)));
        self.proposals = self.proposals.split_off(&(slot, Seat(0)));
    }
}

const LOWEST: Digest = Digest([0; 32]);
const HIGHEST: Digest = Digest([0xff; 32]);
