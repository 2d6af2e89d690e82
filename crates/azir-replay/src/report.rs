//! The report of a replay: canonical, the same bytes for the same input, without any timing
//! (annex J.1, R-27.3-2).

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::{BlockId, BlockRef, Roots, TxId};
use azir_ledger::{CanonError, Digest, canon};
use serde::{Deserialize, Serialize};

/// The `schema` member of every report.
pub const REPORT_SCHEMA: &str = "azir.replay/1";
/// Tag of [`Report::id`].
pub const REPORT_TAG: &str = "AZ:REPLAY:";

/// One implementation that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImplementationRow {
    /// Name.
    pub name: String,
    /// Family (D-099).
    pub family: String,
    /// Digest of the source that was run.
    pub source: Digest,
}

/// What one implementation computed for a block that is not agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Name of the implementation.
    pub name: String,
    /// Its roots, if it executed the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Roots>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One replayed block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its place.
    pub place: BlockRef,
    /// Number of its transactions.
    pub txs: u64,
    /// Roots that its header states and its certificate vouches for.
    pub stated: Roots,
    /// Empty when every implementation computed exactly the stated roots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<Computed>,
}

/// One candidate branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchRow {
    /// Its tip.
    pub tip: BlockRef,
    /// Last block that it shares with the finalized path.
    pub from: BlockRef,
    /// Highest block of the branch that is proven hard-final by its own certificates: with another
    /// such branch or tip, two histories are final (D-095).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_final: Option<BlockRef>,
    /// Its blocks as far as they were executed.
    pub rows: Vec<Row>,
    /// First block that every implementation refutes and that is not final: it and what stands on
    /// it is to be dropped (27.2 step 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<BlockRef>,
}

/// The first place where results differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The block.
    pub block: BlockRef,
    /// Tip of the branch it stands on; absent on the finalized path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BlockId>,
    /// Position of the transaction in the block; absent when the difference lies outside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_index: Option<u64>,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<TxId>,
    /// What differs: `validity`, a member of a receipt, `receipts_root`, `post_root`, or `rewards`.
    pub member: String,
    /// The value of each implementation, and the one of the header as `header`.
    pub values: BTreeMap<String, String>,
    /// The block is final, and at least two families refute it with one result (D-093).
    pub finalized_invalid: bool,
}

/// What a replay found. Only [`Verdict::Match`] is a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// Every block of the path was executed by at least two families, and all results are equal to
    /// each other and to what certificates vouch for.
    Match,
    /// The first difference.
    Difference {
        /// Where and what.
        first: Difference,
    },
    /// Stopped, or fewer than two families could execute everything: says nothing.
    Incomplete {
        /// Why.
        why: String,
    },
    /// The input was not what a replay may read.
    InputUntrusted {
        /// Refusal kind of annex A.
        kind: String,
        /// What is wrong.
        what: String,
    },
}

/// The result of one replay (annex J.1, RM_FINALIZED_REPLAY).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always [`REPORT_SCHEMA`].
    pub schema: String,
    /// Name of the network.
    pub chain: String,
    /// Restart number.
    pub restart: u64,
    /// The anchor.
    pub anchor: BlockRef,
    /// Where the replay started.
    pub checkpoint: BlockRef,
    /// Where the finalized path ends.
    pub tip: BlockRef,
    /// Number of objects that were read.
    pub inputs: u64,
    /// SHA-256 over their sorted 32-byte hashes.
    pub inputs_digest: Digest,
    /// Who executed.
    pub implementations: Vec<ImplementationRow>,
    /// Number of families among them.
    pub families: u64,
    /// The finalized path above the checkpoint, as far as it was executed.
    pub path: Vec<Row>,
    /// The candidate branches, as far as they were executed.
    pub branches: Vec<BranchRow>,
    /// What was found.
    pub outcome: Verdict,
}

impl Report {
    /// Canonical bytes: what is stored, and signed by the runner.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`] when a number is above 2^53 - 1.
    pub fn bytes(&self) -> Result<Vec<u8>, CanonError> {
        canon::encode(self)
    }

    /// `H("AZ:REPLAY:" || canonical report)`.
    ///
    /// # Errors
    /// As [`Report::bytes`].
    pub fn id(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(REPORT_TAG, self)
    }

    /// True only for [`Verdict::Match`].
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.outcome == Verdict::Match
    }

    /// Blocks whose roots were reproduced, with the families that did: condition (c) of the trusted
    /// checkpoint (D-092). Path and branches count, whatever the outcome was later on.
    #[must_use]
    pub fn reproduced(&self) -> BTreeMap<BlockId, BTreeSet<String>> {
        let mut reproduced: BTreeMap<BlockId, BTreeSet<String>> = BTreeMap::new();
        let rows = self.path.iter().chain(self.branches.iter().flat_map(|b| &b.rows));
        for row in rows {
            for implementation in &self.implementations {
                let own = row.computed.iter().find(|c| c.name == implementation.name);
                let agrees = own.map_or(row.computed.is_empty(), |c| c.roots == Some(row.stated));
                if agrees {
                    let families = reproduced.entry(row.place.block).or_default();
                    families.insert(implementation.family.clone());
                }
            }
        }
        reproduced
    }
}
