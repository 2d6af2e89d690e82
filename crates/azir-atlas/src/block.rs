//! Blocks (annex L.3): the signed header and the transactions it names.

use std::sync::Arc;

use azir_ledger::{Digest, digest_id};
use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::genesis::Seat;
use crate::object::{Object, Sealed};
use crate::tx::{Tx, TxId};

digest_id!(
    /// Id of a block; for the parent of the first block, id of the genesis.
    BlockId
);

/// State root and receipts root after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    /// Merkle root of the state after the block.
    pub post: Digest,
    /// Merkle root of the block's receipts.
    pub receipts: Digest,
}

/// The place of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRef {
    /// Number of blocks from genesis; genesis itself is 0.
    pub height: u64,
    /// Slot of the block. Genesis stands before slot 0 and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// Id of the block.
    pub block: BlockId,
}

/// The header of a block. Its id is the id of the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Restart number of the chain.
    pub restart: u64,
    /// Height of the parent plus 1.
    pub height: u64,
    /// Slot, above the parent's.
    pub slot: u64,
    /// Epoch of the slot.
    pub epoch: u64,
    /// The parent; for the first block the anchor.
    pub parent: BlockId,
    /// Certificate of the parent; absent exactly when the parent is the anchor, which needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_cert: Option<Certificate>,
    /// The proposing seat.
    pub proposer: Seat,
    /// Ids of the transactions, in the order of execution.
    pub txs: Vec<TxId>,
    /// Hash of the parameters in force.
    pub params: Digest,
    /// Hash of the features in force.
    pub features: Digest,
    /// State root after this block.
    pub post_root: Digest,
    /// Root of this block's receipts.
    pub receipts_root: Digest,
    /// Which implementation proposed; informative.
    pub impl_tag: String,
}

impl Block {
    /// The two roots that the header states.
    #[must_use]
    pub fn roots(&self) -> Roots {
        Roots { post: self.post_root, receipts: self.receipts_root }
    }
}

impl Object for Block {
    const TYPE: &'static str = "Block";
}

impl Sealed<Block> {
    /// The header's id as a block id.
    #[must_use]
    pub fn block_id(&self) -> BlockId {
        BlockId(self.id())
    }

    /// The place of this block.
    #[must_use]
    pub fn place(&self) -> BlockRef {
        BlockRef { height: self.height, slot: Some(self.slot), block: self.block_id() }
    }
}

/// A header with the transactions it names: what a proposer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The signed header.
    pub header: Sealed<Block>,
    /// The transactions, in the header's order.
    pub txs: Vec<Arc<Sealed<Tx>>>,
}

impl Candidate {
    /// Id of the block.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.block_id()
    }
}
