//! What is legal in an incident: facts in, decisions with reasons out.
//!
//! **In scope:** the closed lists of AZ-015, refusals, the lifecycle, the role table, evidence
//! checklists, the containment decision function, the emergency predicate, restart criteria and
//! phases, and the signed values that control plane and gates exchange.
//!
//! **Out of scope:** signatures and logs (`azir-ledger`), event bodies, the view they fold into and
//! when a rule is asked (`azir-engine`), runbook files (`azir-runbook`), files, clocks, networks.

#[macro_use]
mod wire;

pub mod advise;
pub mod approval;
pub mod cause;
pub mod class;
pub mod decision;
pub mod directive;
pub mod emergency;
pub mod evidence;
pub mod exit_only;
pub mod keep;
pub mod lifecycle;
pub mod phase;
pub mod policy;
pub mod record;
pub mod refusal;
pub mod restart;
pub mod role;
pub mod scope;
pub mod severity;
pub mod vocab;

pub use cause::{Adversarial, RootKind};
pub use record::{IncidentId, OpeningRecord};
pub use refusal::{Refusal, RefusalKind};
pub use vocab::{
    BlastRank, Choice, IncidentClass, IncidentState, Profile, RecoveryMode, Role, RunbookId,
    Severity,
};
