//! Slots, epochs, seeds and the order of seats (annex L.2). Nothing here reads a clock.

use azir_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::block::BlockId;
use crate::genesis::Seat;

/// Length of a slot in milliseconds of the network's time.
pub const SLOT_MS: u64 = 2_000;
/// Slots of one epoch.
pub const EPOCH_SLOTS: u64 = 21;
/// Seats of the verifier committee.
pub const COMMITTEE_SEATS: usize = 5;
/// Equal `valid` verdicts that a vote needs; at least one of them is honest.
pub const COMMITTEE_THRESHOLD: usize = 3;
/// Largest distance between the slots of a block and its parent; bounds the work for one block.
pub const SLOT_GAP_MAX: u64 = 1 << 20;

/// Epoch of a slot; slot 0 opens epoch 0.
#[must_use]
pub fn epoch_of(slot: u64) -> u64 {
    slot / EPOCH_SLOTS
}

/// Consensus roles of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Proposes the block of its slots.
    Proposer,
    /// Executes blocks and states a verdict.
    Verifier,
    /// Votes for blocks.
    Notary,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Proposer, Self::Verifier, Self::Notary];

    /// Name of the role, as it enters the order of seats.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposer => "proposer",
            Self::Verifier => "verifier",
            Self::Notary => "notary",
        }
    }
}

/// The seed at the end of a chain, with as much of the chain as the next seeds need.
///
/// `seed(e) = H("AZREF:SEED:" || seed(e-1) || block)` with the last ancestor in epoch e-2, or only
/// `seed(e-1)` if there is none. Digests enter as their 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    epoch: u64,
    seed: Digest,
    previous: Option<BlockId>,
    current: Option<BlockId>,
}

impl Trail {
    /// A chain without blocks, whose `seed` is that of `epoch`.
    #[must_use]
    pub fn start(epoch: u64, seed: Digest) -> Self {
        Self { epoch, seed, previous: None, current: None }
    }

    fn next_epoch(self) -> Self {
        let block = self.previous.map(|b| b.0.0);
        let block: &[u8] = block.as_ref().map_or(&[], |bytes| bytes);
        let seed = Digest::of_parts(&[b"AZREF:SEED:", &self.seed.0, block]);
        Self { epoch: self.epoch + 1, seed, previous: self.current, current: None }
    }

    /// The trail moved on to an epoch; an epoch that lies behind changes nothing.
    #[must_use]
    pub fn at(self, epoch: u64) -> Self {
        let mut trail = self;
        while trail.epoch < epoch {
            trail = trail.next_epoch();
        }
        trail
    }

    /// The trail after one more block.
    #[must_use]
    pub fn extend(self, slot: u64, block: BlockId) -> Self {
        Self { current: Some(block), ..self.at(epoch_of(slot)) }
    }

    /// Seed of the epoch that the trail has reached.
    #[must_use]
    pub fn seed(self) -> Digest {
        self.seed
    }

    /// Proposer of a slot on top of this chain: entry `slot mod n` of the order of proposers.
    #[must_use]
    pub fn proposer(self, slot: u64, seats: usize) -> Option<Seat> {
        let order = order(&self.at(epoch_of(slot)).seed, Role::Proposer, seats);
        let entry = slot.checked_rem(seats as u64)?;
        order.get(usize::try_from(entry).ok()?).copied()
    }

    /// Verifiers of a slot on top of this chain: the first five of the order of verifiers.
    #[must_use]
    pub fn committee(self, slot: u64, seats: usize) -> Vec<Seat> {
        let mut order = order(&self.at(epoch_of(slot)).seed, Role::Verifier, seats);
        order.truncate(COMMITTEE_SEATS);
        order
    }
}

/// Seats ascending by `H("AZREF:PERM:" || seed || role || seat)`; the role by its name, the seat as
/// decimal digits.
#[must_use]
pub fn order(seed: &Digest, role: Role, seats: usize) -> Vec<Seat> {
    let mut keyed: Vec<(Digest, Seat)> = (0..seats.min(usize::from(u8::MAX)))
        .map(|i| {
            let digits = i.to_string();
            let parts: [&[u8]; 4] =
                [b"AZREF:PERM:", &seed.0, role.name().as_bytes(), digits.as_bytes()];
            (Digest::of_parts(&parts), Seat(i as u8))
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, seat)| seat).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn block(n: u8) -> BlockId {
        BlockId(Digest::of(&[n]))
    }

    #[test]
    fn a_seed_covers_the_last_ancestor_two_epochs_back() {
        let genesis = Digest::of(b"g");
        let trail = Trail::start(0, genesis)
            .extend(0, block(0))
            .extend(20, block(1))
            .extend(21, block(2))
            .extend(43, block(3));
        let one = Digest::of_parts(&[b"AZREF:SEED:", &genesis.0]);
        let two = Digest::of_parts(&[b"AZREF:SEED:", &one.0, &block(1).0.0]);
        let three = Digest::of_parts(&[b"AZREF:SEED:", &two.0, &block(2).0.0]);
        let four = Digest::of_parts(&[b"AZREF:SEED:", &three.0, &block(3).0.0]);
        let five = Digest::of_parts(&[b"AZREF:SEED:", &four.0]);
        assert_eq!(Trail::start(0, genesis).at(1).seed(), one);
        assert_eq!(trail.seed(), two);
        assert_eq!(trail.at(3).seed(), three);
        assert_eq!(trail.at(4).seed(), four);
        assert_eq!(trail.at(5).seed(), five);
    }

    #[test]
    fn every_seat_proposes_once_in_n_slots_and_committees_have_five_different_seats() {
        let trail = Trail::start(0, Digest::of(b"g"));
        let proposers: BTreeSet<_> = (0..7).map(|s| trail.proposer(s, 7).unwrap()).collect();
        assert_eq!(proposers.len(), 7);
        assert_eq!(trail.proposer(3, 7), trail.proposer(10, 7));
        let committee: BTreeSet<_> = trail.committee(3, 7).into_iter().collect();
        assert_eq!(committee.len(), COMMITTEE_SEATS);
        assert_eq!(trail.proposer(3, 0), None);
    }

    #[test]
    fn roles_and_seeds_have_orders_of_their_own() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let of = |seed, role| order(seed, role, 7);
        assert_eq!(of(&a, Role::Proposer), of(&a, Role::Proposer));
        assert_ne!(of(&a, Role::Proposer), of(&a, Role::Verifier));
        assert_ne!(of(&a, Role::Proposer), of(&b, Role::Proposer));
    }
}
