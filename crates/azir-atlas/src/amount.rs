//! Amounts: whole units below 2^64, written as decimal strings (annex L.1).

use std::fmt;
use std::str::FromStr;

/// An amount in the smallest unit of the network's one asset, 0 to 2^64 - 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

/// A text that is not the shortest decimal form of a number below 2^64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a decimal string below 2^64 without leading zeros")]
pub struct AmountError;

impl Amount {
    /// The sum, or nothing if it does not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or nothing if it would be negative.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let shortest = text == "0" || !text.starts_with('0');
        if digits && shortest {
            text.parse().map(Self).map_err(|_| AmountError)
        } else {
            Err(AmountError)
        }
    }
}

azir_ledger::serde_as_text!(Amount);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_one_text_form() {
        assert_eq!("18446744073709551615".parse(), Ok(Amount(u64::MAX)));
        assert_eq!("0".parse(), Ok(Amount(0)));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1.0", "18446744073709551616"] {
            assert_eq!(bad.parse::<Amount>(), Err(AmountError), "{bad}");
        }
        assert!(serde_json::from_str::<Amount>("5").is_err());
        assert_eq!(serde_json::to_string(&Amount(5)).unwrap(), "\"5\"");
    }
}
