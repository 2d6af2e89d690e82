//! Keys and a genesis for simulated networks. Every secret follows from the seed: these keys are
//! for drills and can never act elsewhere, because the chain's name is part of each signature.

use std::fmt;

use azir_atlas::genesis::{Features, GenesisAccount};
use azir_atlas::{Amount, Genesis, Params, Seat};
use azir_ledger::{Digest, MachineKey, MachineSig};

use super::signer::{SeatSigner, SignRequest};

/// The key of an office in the simulated network of a seed.
#[must_use]
pub fn drill_key(seed: u64, office: &str, index: usize) -> MachineKey {
    MachineKey::from_seed(drill_secret(seed, office, index))
}

/// Secret of [`drill_key`].
#[must_use]
pub fn drill_secret(seed: u64, office: &str, index: usize) -> [u8; 32] {
    Digest::tagged("AZREF:DRILLKEY:", format!("{seed}/{office}/{index}").as_bytes()).0
}

/// A genesis with `seats` seats, two accounts (`alice`, `bob`) and all authorities, all keys from
/// the seed: offices `seat`, `restart`, `council`, `account`.
#[must_use]
pub fn drill_genesis(chain: &str, seats: usize, seed: u64) -> Genesis {
    let keys = |office: &str, count: usize| -> Vec<_> {
        (0..count).map(|index| drill_key(seed, office, index).public()).collect()
    };
    let names = ["alice", "bob"].into_iter().enumerate();
    let accounts = names.filter_map(|(index, name)| {
        let key = drill_key(seed, "account", index).public();
        Some(GenesisAccount { name: name.parse().ok()?, key, balance: Amount(1_000_000_000) })
    });
    Genesis {
        chain: chain.to_owned(),
        seats: keys("seat", seats),
        stake: Amount(50_000_000),
        restart_authority: keys("restart", azir_atlas::genesis::RESTART_KEYS),
        council: keys("council", azir_atlas::genesis::COUNCIL_KEYS),
        accounts: accounts.collect(),
        params: Params::default(),
        features: Features::default(),
    }
}

/// Bare secret keys of the seats. Culprits and thieves sign with them; honest seats sign through
/// their gates.
pub struct SeatKeys(Vec<MachineKey>);

impl SeatKeys {
    /// Keys from secrets, in order of the seats.
    #[must_use]
    pub fn from_secrets(secrets: &[[u8; 32]]) -> Self {
        Self(secrets.iter().map(|secret| MachineKey::from_seed(*secret)).collect())
    }

    /// The keys of [`drill_genesis`].
    #[must_use]
    pub fn drill(seats: usize, seed: u64) -> Self {
        Self((0..seats).map(|index| drill_key(seed, "seat", index)).collect())
    }

    /// The key of a seat.
    #[must_use]
    pub fn get(&self, seat: Seat) -> Option<&MachineKey> {
        self.0.get(usize::from(seat.0))
    }

    /// Number of seats.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn replace(&mut self, seat: Seat, secret: [u8; 32]) {
        if let Some(key) = self.0.get_mut(usize::from(seat.0)) {
            *key = MachineKey::from_seed(secret);
        }
    }
}

impl fmt::Debug for SeatKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeatKeys({} seats)", self.0.len())
    }
}

/// Signs everything it is asked for, without a gate.
#[derive(Debug)]
pub struct BareSigner {
    keys: SeatKeys,
}

impl BareSigner {
    /// A signer that holds these keys.
    #[must_use]
    pub fn new(keys: SeatKeys) -> Self {
        Self { keys }
    }

    /// Gives a seat a new key.
    pub fn replace(&mut self, seat: Seat, secret: [u8; 32]) {
        self.keys.replace(seat, secret);
    }
}

impl SeatSigner for BareSigner {
    fn sign(&mut self, request: &SignRequest<'_>) -> Option<MachineSig> {
        self.keys.get(request.seat).map(|key| key.sign("", request.message))
    }
}
