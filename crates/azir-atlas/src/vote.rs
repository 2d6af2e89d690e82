//! Verdicts of verifiers and votes of notaries (annex L.3).

use serde::{Deserialize, Serialize};

use crate::block::{BlockId, Roots};
use crate::genesis::Seat;
use crate::object::Object;

/// What a verifier found about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Executed, and every rule holds.
    Valid,
    /// A rule does not hold.
    Invalid,
}

/// The signed finding of one verifier about one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Restart number of the chain.
    pub restart: u64,
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
    /// The verifier.
    pub seat: Seat,
    /// Valid or invalid.
    pub finding: Finding,
    /// The roots that the verifier computed; always there in a `valid` verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Roots>,
    /// Why the block is invalid; never there in a `valid` verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verdict {
    /// Whether roots and reason are there exactly as the finding demands.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        match self.finding {
            Finding::Valid => self.roots.is_some() && self.reason.is_none(),
            Finding::Invalid => self.reason.is_some(),
        }
    }
}

impl Object for Verdict {
    const TYPE: &'static str = "Verdict";
}

/// The signed vote of one notary for one block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Restart number of the chain.
    pub restart: u64,
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
    /// The notary.
    pub seat: Seat,
}

impl Object for Vote {
    const TYPE: &'static str = "Vote";
}

#[cfg(test)]
mod tests {
    use azir_ledger::Digest;

    use super::*;

    #[test]
    fn a_valid_verdict_has_roots_and_an_invalid_one_a_reason() {
        let root = Digest::of(b"r");
        let roots = Some(Roots { post: root, receipts: root });
        let verdict = |finding, roots, reason| Verdict {
            restart: 0,
            slot: 1,
            block: BlockId(root),
            seat: Seat(0),
            finding,
            roots,
            reason,
        };
        let why = Some("root".to_owned());
        assert!(verdict(Finding::Valid, roots, None).is_well_formed());
        assert!(!verdict(Finding::Valid, None, None).is_well_formed());
        assert!(!verdict(Finding::Valid, roots, why.clone()).is_well_formed());
        assert!(verdict(Finding::Invalid, None, why.clone()).is_well_formed());
        assert!(verdict(Finding::Invalid, roots, why).is_well_formed());
        assert!(!verdict(Finding::Invalid, roots, None).is_well_formed());
    }
}
