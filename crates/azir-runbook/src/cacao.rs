//! Runbooks as CACAO 2.0 playbooks, out and in. An exchange format: what runs is a [`Runbook`].
//!
//! [`export()`] writes a playbook whose workflow people and other tools can follow by hand, and one
//! extension that carries the runbook itself, so that [`import()`] gives back the same
//! `runbook_hash`. A playbook of others becomes a [`Draft`]: text for a person to start from, with
//! a list of what was lost. No command of a playbook is ever more than text.
//!
//! CACAO has no typed step results and no jumps. The workflow is therefore one chain in the order
//! of the file: each step has a gate that asks whether the variable `__at__` names it, and sets
//! `__at__` at its end. Edges of a runbook lead forward only, so one pass follows every path.

mod check;
mod draft;
mod export;
mod finding;
mod graph;
mod ids;
mod import;
mod jss;
mod read;
mod rsa;
mod steps;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod jss_tests;

pub use check::findings;
pub use draft::{Draft, DraftCommand, DraftKind, DraftStep, Lead, Lost, LostKind};
pub use export::{ExportError, Stamp, export};
pub use finding::{Finding, FindingKind};
pub use ids::EXTENSION;
pub use import::{Imported, import};
pub use jss::{JssError, SignatureCheck, SignatureVerdict, Signee, jss_sign, jss_verify};
pub use read::{BYTES_MAX, DEPTH_MAX, EDGES_MAX, ImportError, STEPS_MAX};

#[cfg(doc)]
use crate::model::Runbook;
