//! The control plane without I/O: `step(now, Input) -> Vec<Effect>`.
//!
//! **In scope:** bodies of events, the incident view and its fold, admission of every event with
//! all its rules, ledger before act, rules that the server applies by itself, derived status, and
//! the offline re-decision of a whole log.
//!
//! **Out of scope:** the rules' tables (`azir-model`), runbook files (`azir-runbook`), storing,
//! sending, clocks (the host), and any network's objects (adapters).

pub mod admit;
pub mod attest;
pub mod audit;
pub mod body;
pub mod drive;
pub mod engine;
pub mod evidence;
pub mod facts;
pub mod fold;
pub mod orders;
pub mod parsed;
pub mod phases;
pub mod postmortem;
pub mod recheck;
pub mod running;
pub mod software;
pub mod state;
pub mod status;
pub mod view;
pub mod words;

pub use body::Body;
pub use engine::{Close, Effect, Engine, Input, Objects, Reopen};
pub use state::State;
pub use view::IncidentView;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
