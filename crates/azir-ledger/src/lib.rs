//! Canonical bytes, digests, signatures and the verifiable log of azir.
//!
//! **In scope:** the canonical form of D-014, typed digests, times, SSH signatures of people and
//! Ed25519 signatures of machines, signed events and log entries, the Merkle tree, checkpoints and
//! cosignatures, rosters, and the bundle format with its offline check.
//!
//! **Out of scope:** what an event means (`azir-model`, `azir-engine`), where bytes are stored
//! (`azir-store`), and any clock, file or socket.

pub mod bundle;
pub mod canon;
pub mod checkpoint;
pub mod digest;
pub mod entry;
pub mod event;
pub mod machine;
pub mod merkle;
pub mod note;
pub mod person;
pub mod roster;
mod text;
pub mod tiles;
pub mod time;

pub use canon::CanonError;
pub use checkpoint::{Checkpoint, Witness};
pub use digest::Digest;
pub use entry::Entry;
pub use event::{Event, SeenFinal, Signature, SignedEvent};
pub use machine::{MachineKey, MachinePublic, MachineSig};
pub use note::{SignedNote, VerifierKey};
pub use person::{PersonKey, PersonPublic};
pub use roster::Roster;
pub use time::Timestamp;
