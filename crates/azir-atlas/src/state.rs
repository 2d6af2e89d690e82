//! The state: a sorted map under a Merkle root (annex L.6), cheap to clone.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use azir_ledger::{CanonError, Digest, MachinePublic, canon};
use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::Amount;
use crate::genesis::{Genesis, Seat};
use crate::merkle::{self, Proof};

/// Longest name of an account, in characters.
pub const NAME_MAX: usize = 32;
const SUPPLY_KEY: &str = "supply";

/// Name of an account: 1 to 32 lower-case letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AccountName(String);

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(fits) {
            return Err(StateError::Name);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Key that signs for the account.
    pub key: MachinePublic,
    /// Balance.
    pub balance: Amount,
    /// Nonce of the next transaction.
    pub nonce: u64,
}

/// What the state knows about a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeatAccount {
    /// Stake.
    pub stake: Amount,
    /// Rewards received for hard-final blocks.
    pub rewards: Amount,
}

/// The totals that the supply invariant ties together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supply {
    /// Balances and stakes at genesis.
    pub genesis: Amount,
    /// Rewards issued so far.
    pub issued: Amount,
    /// Fees burned so far.
    pub burned: Amount,
    /// Amounts held in escrow.
    pub escrow: Amount,
    /// Height of the highest block whose proposer was rewarded.
    pub rewarded: u64,
}

/// One value of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case", deny_unknown_fields)]
pub enum StateValue {
    /// Under `account/<name>`.
    Account(Account),
    /// Under `seat/<number>`.
    Seat(SeatAccount),
    /// Under `supply`.
    Supply(Supply),
}

/// One entry of the state, as it is hashed, exported and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateEntry {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(rename = "entry")]
    pub value: StateValue,
}

/// Why entries do not form a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// No name of an account.
    #[error("an account name is 1 to 32 lower-case letters, digits or dashes")]
    Name,
    /// A key occurs twice, or keys are not ascending.
    #[error("key {key:?} is out of order or occurs twice")]
    Order {
        /// The key.
        key: String,
    },
    /// The value does not belong under the key.
    #[error("key {key:?} does not fit its value")]
    Misplaced {
        /// The key.
        key: String,
    },
    /// The supply invariant does not hold.
    #[error("balances, stakes, escrow and burned fees do not add up to the supply")]
    Supply,
    /// An entry has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
}

#[derive(Clone, Debug)]
struct Leaf {
    value: Arc<StateValue>,
    hash: Digest,
}

/// A state with its root. Clones share the map.
#[derive(Clone)]
pub struct State {
    map: Arc<BTreeMap<String, Leaf>>,
    root: Digest,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for State {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} entries, root {})", self.map.len(), self.root.short())
    }
}

fn account_key(name: &AccountName) -> String {
    format!("account/{name}")
}

fn seat_key(seat: Seat) -> String {
    format!("seat/{:02}", seat.0)
}

impl State {
    /// The state of a genesis.
    ///
    /// # Errors
    /// [`StateError`] when accounts repeat or the supply exceeds 2^64.
    pub fn genesis(genesis: &Genesis) -> Result<Self, StateError> {
        let mut entries = BTreeMap::new();
        let mut total = Some(Amount(0));
        for account in &genesis.accounts {
            let key = account_key(&account.name);
            let value = Account { key: account.key, balance: account.balance, nonce: 0 };
            total = total.and_then(|t| t.plus(account.balance));
            if entries.insert(key.clone(), StateValue::Account(value)).is_some() {
                return Err(StateError::Order { key });
            }
        }
        for index in 0..genesis.seats.len() {
            let value = SeatAccount { stake: genesis.stake, rewards: Amount(0) };
            total = total.and_then(|t| t.plus(genesis.stake));
            entries.insert(seat_key(Seat(index as u8)), StateValue::Seat(value));
        }
        let supply = Supply {
            genesis: total.ok_or(StateError::Supply)?,
            issued: Amount(0),
            burned: Amount(0),
            escrow: Amount(0),
            rewarded: 0,
        };
        entries.insert(SUPPLY_KEY.to_owned(), StateValue::Supply(supply));
        let list = entries.into_iter().map(|(key, value)| StateEntry { key, value });
        Self::from_entries(list)
    }

    /// Builds a state from its entries, as a snapshot holds them.
    ///
    /// # Errors
    /// [`StateError`]: order, place of values, or the supply invariant.
    pub fn from_entries(entries: impl IntoIterator<Item = StateEntry>) -> Result<Self, StateError> {
        let mut map = BTreeMap::new();
        for entry in entries {
            let fits = match &entry.value {
                StateValue::Account(_) => entry
                    .key
                    .strip_prefix("account/")
                    .is_some_and(|name| name.parse::<AccountName>().is_ok()),
                StateValue::Seat(_) => entry
                    .key
                    .strip_prefix("seat/")
                    .and_then(|n| n.parse::<u8>().ok())
                    .is_some_and(|n| entry.key == seat_key(Seat(n))),
                StateValue::Supply(_) => entry.key == SUPPLY_KEY,
            };
            if !fits {
                return Err(StateError::Misplaced { key: entry.key });
            }
            if map.last_key_value().is_some_and(|(last, _)| *last >= entry.key) {
                return Err(StateError::Order { key: entry.key });
            }
            let hash = merkle::leaf(&canon::encode(&entry)?);
            map.insert(entry.key, Leaf { value: Arc::new(entry.value), hash });
        }
        let state = Self { root: root_of(&map), map: Arc::new(map) };
        if state.supply_holds() { Ok(state) } else { Err(StateError::Supply) }
    }

    /// The Merkle root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Number of entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.map.len()
    }

    /// All entries in order.
    pub fn entries(&self) -> impl Iterator<Item = StateEntry> + '_ {
        self.map
            .iter()
            .map(|(key, leaf)| StateEntry { key: key.clone(), value: (*leaf.value).clone() })
    }

    /// Proof that an entry stands in this state.
    #[must_use]
    pub fn prove(&self, key: &str) -> Option<(StateEntry, Proof)> {
        let index = self.map.keys().position(|k| k == key)?;
        let leaves: Vec<_> = self.map.values().map(|leaf| leaf.hash).collect();
        let value = (*self.map.get(key)?.value).clone();
        Some((StateEntry { key: key.to_owned(), value }, merkle::prove(&leaves, index)?))
    }

    /// An account.
    #[must_use]
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        match self.map.get(&account_key(name))?.value.as_ref() {
            StateValue::Account(account) => Some(account),
            StateValue::Seat(_) | StateValue::Supply(_) => None,
        }
    }

    /// What the state knows about a seat.
    #[must_use]
    pub fn seat(&self, seat: Seat) -> Option<&SeatAccount> {
        match self.map.get(&seat_key(seat))?.value.as_ref() {
            StateValue::Seat(seat) => Some(seat),
            StateValue::Account(_) | StateValue::Supply(_) => None,
        }
    }

    /// The totals.
    #[must_use]
    pub fn supply(&self) -> Option<&Supply> {
        match self.map.get(SUPPLY_KEY)?.value.as_ref() {
            StateValue::Supply(supply) => Some(supply),
            StateValue::Account(_) | StateValue::Seat(_) => None,
        }
    }

    /// `balances + stakes + escrow + burned = genesis supply + issued rewards` (annex L.6).
    #[must_use]
    pub fn supply_holds(&self) -> bool {
        let Some(supply) = self.supply() else { return false };
        let held: u128 = self
            .map
            .values()
            .map(|leaf| match leaf.value.as_ref() {
                StateValue::Account(account) => u128::from(account.balance.0),
                StateValue::Seat(s) => u128::from(s.stake.0) + u128::from(s.rewards.0),
                StateValue::Supply(s) => u128::from(s.escrow.0) + u128::from(s.burned.0),
            })
            .sum();
        held == u128::from(supply.genesis.0) + u128::from(supply.issued.0)
    }

    /// Begins a change of this state.
    pub(crate) fn edit(&self) -> Edit<'_> {
        Edit { base: self, changed: BTreeMap::new() }
    }
}

fn root_of(map: &BTreeMap<String, Leaf>) -> Digest {
    let leaves: Vec<_> = map.values().map(|leaf| leaf.hash).collect();
    merkle::root(&leaves)
}

/// A state under change: reads see the changes, the base stays as it is.
pub(crate) struct Edit<'a> {
    base: &'a State,
    changed: BTreeMap<String, StateValue>,
}

impl Edit<'_> {
    fn get(&self, key: &str) -> Option<&StateValue> {
        self.changed.get(key).or_else(|| self.base.map.get(key).map(|leaf| leaf.value.as_ref()))
    }

    pub(crate) fn account(&self, name: &AccountName) -> Option<Account> {
        match self.get(&account_key(name))? {
            StateValue::Account(account) => Some(account.clone()),
            StateValue::Seat(_) | StateValue::Supply(_) => None,
        }
    }

    pub(crate) fn seat(&self, seat: Seat) -> Option<SeatAccount> {
        match self.get(&seat_key(seat))? {
            StateValue::Seat(seat) => Some(seat.clone()),
            StateValue::Account(_) | StateValue::Supply(_) => None,
        }
    }

    pub(crate) fn supply(&self) -> Option<Supply> {
        match self.get(SUPPLY_KEY)? {
            StateValue::Supply(supply) => Some(supply.clone()),
            StateValue::Account(_) | StateValue::Seat(_) => None,
        }
    }

    pub(crate) fn set_account(&mut self, name: &AccountName, account: Account) {
        self.changed.insert(account_key(name), StateValue::Account(account));
    }

    pub(crate) fn set_seat(&mut self, seat: Seat, value: SeatAccount) {
        self.changed.insert(seat_key(seat), StateValue::Seat(value));
    }

    pub(crate) fn set_supply(&mut self, supply: Supply) {
        self.changed.insert(SUPPLY_KEY.to_owned(), StateValue::Supply(supply));
    }

    /// The changed state with its new root.
    pub(crate) fn commit(self) -> Result<State, CanonError> {
        if self.changed.is_empty() {
            return Ok(self.base.clone());
        }
        let mut map = (*self.base.map).clone();
        for (key, value) in self.changed {
            let entry = StateEntry { key, value };
            let hash = merkle::leaf(&canon::encode(&entry)?);
            map.insert(entry.key, Leaf { value: Arc::new(entry.value), hash });
        }
        Ok(State { root: root_of(&map), map: Arc::new(map) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Net;

    #[test]
    fn the_root_is_the_merkle_root_of_the_sorted_canonical_entries() {
        let state = Net::new(7).state;
        let entries: Vec<_> = state.entries().collect();
        assert!(entries.is_sorted_by(|a, b| a.key < b.key));
        let leaves: Vec<_> =
            entries.iter().map(|e| merkle::leaf(&canon::encode(e).unwrap())).collect();
        assert_eq!(state.root(), merkle::root(&leaves));
        let (entry, proof) = state.prove("supply").unwrap();
        assert!(proof.holds(&merkle::leaf(&canon::encode(&entry).unwrap()), &state.root()));
    }

    #[test]
    fn a_snapshot_reads_back_to_the_same_root_and_a_changed_one_does_not() {
        let state = Net::new(7).state;
        let entries: Vec<_> = state.entries().collect();
        assert_eq!(State::from_entries(entries.clone()).unwrap().root(), state.root());
        let mut swapped = entries.clone();
        swapped.swap(0, 1);
        assert!(matches!(State::from_entries(swapped), Err(StateError::Order { .. })));
        let mut renamed = entries.clone();
        renamed[0].key = "seat/00".into();
        assert!(matches!(State::from_entries(renamed), Err(StateError::Misplaced { .. })));
        let mut richer = entries;
        if let StateValue::Account(account) = &mut richer[0].value {
            account.balance = Amount(account.balance.0 + 1);
        }
        assert_eq!(State::from_entries(richer), Err(StateError::Supply));
    }

    #[test]
    fn names_of_accounts_are_short_plain_words() {
        "alice-2".parse::<AccountName>().unwrap();
        for bad in ["", "Alice", "a/b", "a b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<AccountName>(), Err(StateError::Name), "{bad}");
        }
    }
}
