//! Runbooks as data: the file format, its hashes, typed predicates, and the interpreter.
//!
//! A runbook (34, 35) is a closed text file that is loaded into [`Runbook`], hashed part by part,
//! and followed step by step. A run is a fold over its events: no other state exists, so whoever
//! has the events can resume it.
//!
//! **In scope:** loading and structural checks, writing a runbook back as its file or as a CACAO
//! playbook, the header of 35.1, three-valued predicates over named facts, which step is current,
//! and whether an event may be recorded.
//!
//! **Out of scope:** performing an operation (`azir-engine` and the binary), signatures and logs
//! (`azir-ledger`), the truth of a fact, files, clocks. Step kinds `call` and `parallel` are
//! refused by name in this version.

mod admit;
pub mod amend;
#[cfg(test)]
mod amend_tests;
pub mod cacao;
mod check;
#[cfg(test)]
mod consensus_tests;
pub mod consent;
pub mod error;
pub mod event;
pub mod fact;
mod file;
pub mod hash;
pub mod lint;
#[cfg(test)]
mod lint_tests;
mod load;
#[cfg(test)]
mod load_tests;
pub mod model;
pub mod op;
#[cfg(test)]
mod part1_tests;
#[cfg(test)]
mod part2_tests;
#[cfg(test)]
mod paths_tests;
pub mod picture;
pub mod predicate;
#[cfg(test)]
mod shipped_tests;
pub mod state;
#[cfg(test)]
mod testing;
pub mod walk;
mod write;

pub use admit::admit;
pub use amend::{escalations, undo_stack};
pub use consent::{args_hash, plan_hash};
pub use error::{LoadError, Place};
pub use event::{Recorded, RunEvent};
pub use fact::{FactValue, Facts};
pub use hash::{Header, Part, RunbookHash};
pub use lint::{Finding, Roster, Rule, lint};
pub use load::load;
pub use model::{Runbook, Step, StepId, Target, Work};
pub use op::{Effect, Op};
pub use picture::picture;
pub use predicate::{Predicate, Truth};
pub use state::{RunState, apply};
pub use walk::{Status, current, deadline, path, status};
pub use write::to_toml;
