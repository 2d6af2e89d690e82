//! Replaying what a network finalized, on several independent implementations at once (27.2,
//! annex J.1, D-092 to D-099).
//!
//! **In scope:** the trusted checkpoint, the rule of what may be read, running implementations side
//! by side over the finalized path and candidate branches, the first difference, the report.
//!
//! **Out of scope:** incidents and what anybody hopes for (this crate does not know `azir-model`),
//! when a replay may start and what follows from it (`azir-engine`), files and clocks.
//!
//! Finality of the input is verified by `azir-atlas` alone; the independent part of a second
//! implementation is reading blocks and transactions, executing them, and building the roots.

pub mod checkpoint;
mod compare;
pub mod first;
pub mod implementation;
pub mod report;
mod run;
pub mod second;
pub mod source;

pub use checkpoint::{
    CheckpointError, CheckpointFacts, Conflict, Disputed, TrustedCheckpoint, conflicts_of,
    trusted_checkpoint,
};
pub use first::Atlas;
pub use implementation::{BlockInput, BlockResult, Fault, Ground, Implementation, Run};
pub use report::{
    BranchRow, Computed, Difference, ImplementationRow, REPORT_SCHEMA, REPORT_TAG, Report, Row,
    Verdict,
};
pub use run::{Progress, replay, replay_plan};
pub use second::Second;
pub use source::{Branch, Object, Offer, Origin, Plan, SourceError, Step};

#[cfg(test)]
mod tests;
