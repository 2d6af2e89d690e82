//! The contract of one implementation of the state transition. It speaks in bytes, so that nothing
//! of one implementation's reading can leak into another (D-099).

use std::sync::Arc;

use azir_ledger::Digest;

/// Where a replay starts. Everything in it was verified against certificates or the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Name of the network.
    pub chain: String,
    /// Restart number of the anchor.
    pub restart: u64,
    /// Canonical parameters in force (annex L.6).
    pub params: Vec<u8>,
    /// Canonical entries of the state at the checkpoint, in order of their keys.
    pub state: Vec<Vec<u8>>,
    /// Canonical signed headers from just above the anchor up to the checkpoint, ascending: rewards
    /// of later blocks depend on them.
    pub headers: Vec<Vec<u8>>,
    /// State root at the checkpoint.
    pub post_root: Digest,
}

/// One block to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInput {
    /// Canonical signed header.
    pub header: Vec<u8>,
    /// Canonical signed transactions in the header's order.
    pub txs: Vec<Vec<u8>>,
}

/// What an implementation computed for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockResult {
    /// State root after the block.
    pub post_root: Digest,
    /// Root of the receipts.
    pub receipts_root: Digest,
    /// Canonical receipts in the order of the transactions.
    pub receipts: Vec<Vec<u8>>,
}

/// Why an implementation gave no result for a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The block is invalid in this implementation's judgement: a statement that is compared.
    #[error("invalid: {why}")]
    Invalid {
        /// Position of the transaction that must not stand there, if it is one.
        tx: Option<usize>,
        /// What rule is broken.
        why: String,
    },
    /// The implementation cannot say: the replay is incomplete.
    #[error("cannot execute: {0}")]
    Unable(String),
}

/// One implementation of the state transition.
pub trait Implementation {
    /// Name, as reports show it.
    fn name(&self) -> &str;

    /// Family: implementations of one source are one family and count once (D-099).
    fn family(&self) -> &str;

    /// Digest of the source that does the work, so that a report says what was run.
    fn source(&self) -> Digest;

    /// Starts at a checkpoint.
    ///
    /// # Errors
    /// [`Fault::Unable`] when it cannot read the ground or finds another root for the state.
    fn begin(&self, ground: &Ground) -> Result<Arc<dyn Run>, Fault>;
}

/// An implementation at one block. Immutable, so that branches start where they fork.
pub trait Run {
    /// Executes the next block: its result and the run that stands after it.
    ///
    /// # Errors
    /// [`Fault`].
    fn apply(&self, block: &BlockInput) -> Result<(BlockResult, Arc<dyn Run>), Fault>;

    /// State root after only the first `count` transactions of a block, without its rewards. Used
    /// to find the transaction of a difference.
    ///
    /// # Errors
    /// [`Fault`].
    fn prefix_root(&self, block: &BlockInput, count: usize) -> Result<Digest, Fault>;
}
