//! Genesis, seats and the anchor that every proof of finality starts from (annex L.2, L.4).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use azir_ledger::{CanonError, Digest, MachinePublic, digest_id};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::block::{BlockId, BlockRef};
use crate::object::{Domain, Object, id_of};
use crate::restart::AcceptedRestart;
use crate::schedule::Trail;
use crate::state::{AccountName, State, StateError};

/// Fewest seats of a network: three double voters need four others.
pub const SEATS_MIN: usize = 4;
/// Most seats of a network.
pub const SEATS_MAX: usize = 64;
/// Keys of the restart authority (annex L.2).
pub const RESTART_KEYS: usize = 5;
/// Signatures of the restart authority that a restart needs (annex L.2).
pub const RESTART_THRESHOLD: usize = 4;
/// Keys of the emergency council, three of which act (annex L.2).
pub const COUNCIL_KEYS: usize = 5;

digest_id!(
    /// Id of a genesis.
    GenesisId
);

/// Number of a seat, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seat(pub u8);

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parameters of the state transition (annex L.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Fee per byte of a transaction's canonical body.
    pub byte_fee: Amount,
    /// Fee per unit of cost.
    pub unit_fee: Amount,
    /// Cost of a transfer in units.
    pub transfer_cost: u64,
    /// Reward of the proposer of a hard-final block.
    pub reward: Amount,
    /// Most transactions in one block.
    pub block_txs_max: u64,
    /// Largest canonical body of a transaction in bytes.
    pub tx_bytes_max: u64,
    /// Most transactions that a node keeps waiting.
    pub mempool_max: u64,
    /// Most entries of the state.
    pub state_entries_max: u64,
}

impl Object for Params {
    const TYPE: &'static str = "Params";
}

impl Default for Params {
    fn default() -> Self {
        Self {
            byte_fee: Amount(1),
            unit_fee: Amount(2),
            transfer_cost: 10,
            reward: Amount(1_000),
            block_txs_max: 256,
            tx_bytes_max: 4_096,
            mempool_max: 4_096,
            state_entries_max: 100_000,
        }
    }
}

/// The features in force, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(pub BTreeSet<String>);

impl Object for Features {
    const TYPE: &'static str = "Features";
}

/// Parameters and features in force, with their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Parameters.
    pub params: Params,
    /// Hash of the parameters, as blocks carry it.
    pub params_hash: Digest,
    /// Hash of the features, as blocks carry it.
    pub features_hash: Digest,
}

/// An account at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Name of the account.
    pub name: AccountName,
    /// Its key.
    pub key: MachinePublic,
    /// Its balance.
    pub balance: Amount,
}

/// Everything that a network starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Name of the network; part of every signature domain.
    pub chain: String,
    /// Keys of the seats, in order of the seats.
    pub seats: Vec<MachinePublic>,
    /// Stake of each seat.
    pub stake: Amount,
    /// Keys of the restart authority; four of the five act. All outside the seats.
    pub restart_authority: Vec<MachinePublic>,
    /// Keys of the emergency council; three of the five act. All outside the seats.
    pub council: Vec<MachinePublic>,
    /// Accounts.
    pub accounts: Vec<GenesisAccount>,
    /// Parameters.
    pub params: Params,
    /// Features.
    pub features: Features,
}

impl Object for Genesis {
    const TYPE: &'static str = "Genesis";
}

/// Why a genesis cannot start a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The name is no ASCII word of 1 to 64 letters, digits and dashes.
    #[error("the chain name must be 1 to 64 letters, digits or dashes")]
    Chain,
    /// Too few or too many seats, or keys of an authority.
    #[error("{what}: {found}, expected {expected}")]
    Count {
        /// Whose keys.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        expected: &'static str,
    },
    /// One key has two offices.
    #[error("key {key} is used twice")]
    SharedKey {
        /// The key.
        key: MachinePublic,
    },
    /// The accounts do not form a state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The genesis has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
}

impl Genesis {
    /// Checks counts, names and that offices do not share keys.
    ///
    /// # Errors
    /// [`GenesisError`], the first one found.
    pub fn check(&self) -> Result<(), GenesisError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if self.chain.is_empty() || self.chain.len() > 64 || !self.chain.bytes().all(word) {
            return Err(GenesisError::Chain);
        }
        let count = |what, found, fits, expected| {
            if fits { Ok(()) } else { Err(GenesisError::Count { what, found, expected }) }
        };
        let seats = self.seats.len();
        count("seats", seats, (SEATS_MIN..=SEATS_MAX).contains(&seats), "4 to 64")?;
        let authority = self.restart_authority.len();
        count("restart authority", authority, authority == RESTART_KEYS, "5")?;
        count("council", self.council.len(), self.council.len() == COUNCIL_KEYS, "5")?;
        let mut seen = BTreeSet::new();
        for key in self.seats.iter().chain(&self.restart_authority).chain(&self.council) {
            if !seen.insert(*key) {
                return Err(GenesisError::SharedKey { key: *key });
            }
        }
        Ok(())
    }

    /// Id of this genesis.
    ///
    /// # Errors
    /// [`CanonError`] when a number is too large for the canonical form.
    pub fn id(&self) -> Result<GenesisId, CanonError> {
        id_of(self).map(GenesisId)
    }

    /// Parameters and features with their hashes.
    ///
    /// # Errors
    /// [`CanonError`] when a number is too large for the canonical form.
    pub fn rules(&self) -> Result<Rules, CanonError> {
        Ok(Rules {
            params: self.params.clone(),
            params_hash: id_of(&self.params)?,
            features_hash: id_of(&self.features)?,
        })
    }
}

/// The current keys of all seats. Weight is equal, and the quorum is over all seats whether they
/// count or not (annex L.2, D-069).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats(Vec<MachinePublic>);

impl Seats {
    /// Number of seats, n.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The quorum q = floor(2n/3) + 1. Never recomputed for silent or quarantined seats (D-069).
    #[must_use]
    pub fn quorum(&self) -> usize {
        2 * self.0.len() / 3 + 1
    }

    /// Seats that may be silent or faulty without harm, f = floor((n-1)/3).
    #[must_use]
    pub fn tolerated(&self) -> usize {
        self.0.len().saturating_sub(1) / 3
    }

    /// Current key of a seat.
    #[must_use]
    pub fn key(&self, seat: Seat) -> Option<&MachinePublic> {
        self.0.get(usize::from(seat.0))
    }

    /// All seats in order.
    pub fn iter(&self) -> impl Iterator<Item = Seat> + use<> {
        (0..self.0.len() as u64).map(|i| Seat(i as u8))
    }
}

/// Where a chain starts: genesis, or the anchor block of a restart. Proofs of finality are relative
/// to it (annex L.4, D-095).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Domain of all signatures above the anchor.
    pub domain: Domain,
    /// The anchor block; genesis has height 0 and no slot.
    pub place: BlockRef,
    /// State root of the anchor block.
    pub post_root: Digest,
    /// Keys of the seats above the anchor.
    pub seats: Seats,
    /// Parameters and features above the anchor.
    pub rules: Arc<Rules>,
    /// Seed that committees above the anchor are drawn from.
    pub trail: Trail,
}

impl Anchor {
    /// The anchor of a new network, and its first state.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn genesis(genesis: &Genesis) -> Result<(Self, State), GenesisError> {
        genesis.check()?;
        let id = genesis.id()?;
        let state = State::genesis(genesis)?;
        let anchor = Self {
            domain: Domain::new(&genesis.chain, 0),
            place: BlockRef { height: 0, slot: None, block: BlockId(id.0) },
            post_root: state.root(),
            seats: Seats(genesis.seats.clone()),
            rules: Arc::new(genesis.rules()?),
            trail: Trail::start(0, id.0),
        };
        Ok((anchor, state))
    }

    /// The anchor after an accepted restart: same rules, next restart number, replaced keys, and
    /// committees drawn from the manifest's id, so that no seat that was replaced chose them.
    #[must_use]
    pub fn restarted(&self, restart: &AcceptedRestart) -> Self {
        let manifest = restart.manifest();
        let mut seats = self.seats.clone();
        for replaced in &manifest.replaced {
            if let Some(key) = seats.0.get_mut(usize::from(replaced.seat.0)) {
                *key = replaced.key;
            }
        }
        let epoch = manifest.anchor.slot.map_or(0, crate::schedule::epoch_of);
        Self {
            domain: Domain::new(self.domain.chain(), manifest.restart),
            place: manifest.anchor,
            post_root: manifest.post_root,
            seats,
            rules: Arc::clone(&self.rules),
            trail: Trail::start(epoch, restart.id()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_quorum_is_two_thirds_plus_one_of_all_seats() {
        for (n, q, f) in [(4, 3, 1), (7, 5, 2), (10, 7, 3), (13, 9, 4)] {
            let net = testing::Net::new(n);
            let seats = &net.anchor.seats;
            assert_eq!((seats.count(), seats.quorum(), seats.tolerated()), (n, q, f));
        }
    }

    #[test]
    fn a_genesis_with_wrong_counts_or_a_shared_key_starts_nothing() {
        let good = testing::Net::new(7).genesis;
        good.check().unwrap();
        let mut few = good.clone();
        few.seats.truncate(3);
        assert!(matches!(few.check(), Err(GenesisError::Count { what: "seats", .. })));
        let mut authority = good.clone();
        authority.restart_authority.pop();
        assert!(matches!(authority.check(), Err(GenesisError::Count { .. })));
        let mut shared = good.clone();
        shared.council[0] = shared.seats[0];
        assert!(matches!(shared.check(), Err(GenesisError::SharedKey { .. })));
        let mut name = good;
        name.chain = "a:b".into();
        assert_eq!(name.check(), Err(GenesisError::Chain));
    }
}
