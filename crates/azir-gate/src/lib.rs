//! The guard before a signing key: lease, latch, fence, high-water mark, integrity facts (annex I).
//!
//! Read in this order: [`gate`] is the gate itself, without I/O and with time as an input, with
//! `sign` (one signature), `install` (opening) and `report` (what it says) beside it; `brake`
//! is the one small lock that makes "after the acknowledgement not one signature leaves" true;
//! [`state`] is what the gate keeps on disk and the rule of one signature per slot; [`durable`]
//! is how it gets there; [`ports`] is what the gate asks others; [`shared`] is the front for
//! threads.
//!
//! **In scope:** everything that decides whether one signature leaves one key.
//!
//! **Out of scope:** what an incident is, who decides, and how a network encodes its objects (the
//! [`ports::Protocol`] of the caller). A gate that refuses answers at once; it never hangs up.

mod brake;
pub mod durable;
pub mod gate;
pub mod ports;
pub mod shared;
pub mod state;

pub use durable::{Durable, DurableError, Fault, FileDurable, MemoryDurable};
pub use gate::{
    CloseAck, Config, Denial, Gate, Grant, HandLease, HandSignature, IntegrityFacts, Keys,
    LEASE_NAMESPACE, Ports,
};
pub use ports::{
    Audit, AuditError, AuditLine, AuditWhat, BadRequest, FileAudit, Intent, IntentKind,
    MemoryAudit, Now, Protocol,
};
pub use shared::SharedGate;
pub use state::{Provision, ProvisionError, SignState, provision};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
