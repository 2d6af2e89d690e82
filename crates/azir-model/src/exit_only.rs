//! Exit-only (28.2, annex H, D-103): whether one action of an agent or machine only closes or
//! reduces what is open.
//!
//! The judge looks at positions before the action, after each of its steps, and after the whole of
//! it; at where value goes; at caps, journal, approval and key. It knows no protocol: whoever asks
//! computes the effect from a manifest and says so when it cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use azir_ledger::{CanonError, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::scope::Scope;

mod judge;
mod prefer;

pub use judge::judge;
pub use prefer::{ExitCondition, ExitSituation, prefer};

/// Longest id in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// Most entries of any list of an action or scope, and most steps of an action.
pub const ENTRIES_MAX: usize = 1024;
/// Tag of [`JournalEntry::hash`].
pub const EXIT_JOURNAL_TAG: &str = "AZ:EXIT:JOURNAL:";
/// Part of the normal cap that is left when the restriction names none, in percent (annex H
/// rule 5).
pub const CAP_FACTOR_DEFAULT: u8 = 25;

/// A text that is no id or no amount of an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExitTextError {
    /// Write an id with 1 to [`ID_BYTES_MAX`] visible ASCII characters.
    #[error("{0:?} is no id: 1 to {ID_BYTES_MAX} visible ASCII characters")]
    Id(String),
    /// Write an amount as a whole decimal number.
    #[error(
        "{0:?} is no amount: a whole decimal number of 128 bits, without leading zeros or plus"
    )]
    Amount(String),
}

macro_rules! exit_ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ExitTextError;
            fn from_str(text: &str) -> Result<Self, ExitTextError> {
                let visible = text.bytes().all(|b| b.is_ascii_graphic());
                if visible && !text.is_empty() && text.len() <= ID_BYTES_MAX {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ExitTextError::Id(text.chars().take(40).collect()))
                }
            }
        }

        azir_ledger::serde_as_text!($name);
    )+};
}

exit_ids! {
    /// An asset.
    AssetId,
    /// Somebody who holds value or approves: principal, counterparty, receiver of a fee.
    AccountId,
    /// A key that acts.
    ActingKeyId,
    /// An open order.
    OrderId,
}

/// A signed amount in the smallest unit of its asset; in JSON a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub i128);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = ExitTextError;

    fn from_str(text: &str) -> Result<Self, ExitTextError> {
        match text.parse::<i128>() {
            Ok(value) if value.to_string() == text => Ok(Self(value)),
            Ok(_) | Err(_) => Err(ExitTextError::Amount(text.chars().take(40).collect())),
        }
    }
}

azir_ledger::serde_as_text!(Amount);

/// Signed open positions by asset; an asset that is absent has none.
pub type Positions = BTreeMap<AssetId, Amount>;

/// What is left of the normal cap, 0 to 100 percent: a restriction tightens, it never raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CapFactor(u8);

impl CapFactor {
    /// 0 to 100 percent.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl Default for CapFactor {
    fn default() -> Self {
        Self(CAP_FACTOR_DEFAULT)
    }
}

impl TryFrom<u8> for CapFactor {
    type Error = String;

    fn try_from(percent: u8) -> Result<Self, String> {
        if percent <= 100 {
            Ok(Self(percent))
        } else {
            Err(format!("cap factor {percent} is not 0 to 100 percent"))
        }
    }
}

impl From<CapFactor> for u8 {
    fn from(factor: CapFactor) -> Self {
        factor.0
    }
}

/// The restricted subject as it stands in state before the action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitOnlyScope {
    /// The mandate or machine.
    pub subject: Scope,
    /// Who owns the funds.
    pub principal: AccountId,
    /// The asset that closing pays in; only its balance may grow.
    pub settlement: AssetId,
    /// Positions before the action.
    pub positions: Positions,
    /// Whom each position is held against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counterparties: BTreeMap<AssetId, BTreeSet<AccountId>>,
    /// Orders that are open before the action.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub orders: BTreeSet<OrderId>,
    /// Normal cap per action, by asset. An asset without cap has the cap 0, but for settlement,
    /// which has none unless named.
    pub caps: BTreeMap<AssetId, Amount>,
    /// What the restriction leaves of the caps.
    #[serde(default)]
    pub cap_factor: CapFactor,
    /// Most that one action may pay as fees, in the settlement asset.
    pub fee_cap: Amount,
    /// The restriction demands a manual approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval_demanded: bool,
    /// Who may approve.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approvers: BTreeSet<AccountId>,
    /// Keys of the subject that are active at the finalized height.
    pub active_keys: BTreeSet<ActingKeyId>,
    /// Keys that are listed as compromised.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compromised_keys: BTreeSet<ActingKeyId>,
}

/// One atomic action, with what was found beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitAction {
    /// The key that signs it.
    pub key: ActingKeyId,
    /// When it acts.
    pub at: Timestamp,
    /// What it does to positions.
    pub effect: Effect,
    /// Hash of the journal entry, inside the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Digest>,
    /// The journal entry that was published before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<JournalEntry>,
    /// The manual approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ExitApproval>,
}

/// The effect of an action on exposure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Computed in full.
    Known(Known),
    /// It cannot be computed, and why: for example a call of a module without declared effects.
    Unknown(String),
}

/// A computed effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The steps in order: the positions that each changes, with their value after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Positions>,
    /// Value that leaves the subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payouts: Vec<Payout>,
    /// Open orders that it cancels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cancels: BTreeSet<OrderId>,
    /// Orders that it places; what they will do to exposure is unknown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub places: BTreeSet<OrderId>,
    /// Mandates that it creates inside the restricted scope.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mandates: BTreeSet<Scope>,
    /// Normal caps that it sets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub caps: BTreeMap<AssetId, Amount>,
}

/// Value that leaves the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// Who receives it.
    pub to: AccountId,
    /// In which asset.
    pub asset: AssetId,
    /// How much, above zero.
    pub amount: Amount,
    /// It is a fee.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fee: bool,
}

/// The journal entry that precedes an action in exit-only (annex H rule 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// When it was published.
    pub at: Timestamp,
    /// Why the action is taken.
    pub reason: String,
    /// Open positions before, without settlement.
    pub before: Positions,
    /// Open positions after, without settlement.
    pub after: Positions,
    /// Where the price comes from.
    pub price_source: String,
    /// Who approves, where an approval is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<AccountId>,
}

impl JournalEntry {
    /// `H("AZ:EXIT:JOURNAL:" || canonical entry)`.
    ///
    /// # Errors
    /// None for values of this type; the type is that of [`Digest::of_canonical`].
    pub fn hash(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(EXIT_JOURNAL_TAG, self)
    }
}

/// A manual approval: of the movement that one journal entry states, and of no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitApproval {
    /// Who approves.
    pub by: AccountId,
    /// Hash of the journal entry that was approved.
    pub journal: Digest,
}

#[cfg(test)]
mod tests;
