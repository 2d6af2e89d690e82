//! The reference ATLAS ZERO protocol of annex L: a network small enough to break on purpose, on
//! real signed objects.
//!
//! **In scope:** signed objects and their strict reading (L.1, L.3), time, seats and committees
//! (L.2), finality and its proof (L.4), the state transition for transfers (L.6), fraud proofs of
//! equivocation (L.8) and the restart manifest (D-095).
//!
//! **Out of scope:** a network, a clock and nodes (`azir-sim`), comparing replays
//! (`azir-replay`), and what an operator does about any of it (`azir-engine`).

pub mod amount;
pub mod block;
pub mod certificate;
pub mod chain;
pub mod execute;
pub mod final_proof;
pub mod fraud;
pub mod genesis;
pub mod merkle;
pub mod object;
pub mod restart;
pub mod schedule;
pub mod state;
pub mod tx;
pub mod vote;

pub use amount::Amount;
pub use block::{Block, BlockId, BlockRef, Candidate, Roots};
pub use certificate::{CertVote, Certificate, CertificateError};
pub use chain::{BlockError, ChainView, Dispute, HeaderError, Inserted, Proposal, VoteError};
pub use execute::{BlockContext, ExecuteError, Outcome, Receipt, execute};
pub use final_proof::{FinalError, VerifiedFinal, verify_final};
pub use fraud::{FraudError, FraudProof, VerifiedFraud};
pub use genesis::{Anchor, Genesis, Params, Rules, Seat, Seats};
pub use object::{Domain, Draft, Memo, Object, Plain, Sealed, SigCheck, Signed, signing_message};
pub use restart::{AcceptedRestart, ReplacedSeat, RestartError, RestartManifest, SignedManifest};
pub use schedule::{EPOCH_SLOTS, Role, SLOT_MS, Trail, epoch_of};
pub use state::{AccountName, State, StateEntry};
pub use tx::{Action, Tx, TxId, TxKind};
pub use vote::{Finding, Verdict, Vote};

#[cfg(test)]
mod testing;
