//! Canonical bytes, digests, signatures and the verifiable log of azir.
//!
//! **In scope:** the canonical form of D-014, typed digests, times, SSH signatures of people and
//! Ed25519 signatures of machines, signed events and log entries, the Merkle tree, checkpoints and
//! cosignatures, rosters, and the bundle format with its offline check.
//!
//! **Out of scope:** what an event means (`azir-model`, `azir-engine`), where bytes are stored
//! (`azir-store`), and any clock, file or socket.

pub mod canon;
pub mod digest;
pub mod entry;
pub mod event;
pub mod machine;
pub mod person;
pub mod time;

pub use canon::CanonError;
pub use digest::Digest;
pub use entry::Entry;
pub use event::{Event, SeenFinal, Signature, SignedEvent};
pub use machine::{MachineKey, MachinePublic, MachineSig};
pub use person::{PersonKey, PersonPublic};
pub use time::Timestamp;
