//! Durable storage of azir: the ledger, the head of its signed checkpoints, evidence, bundles.
//!
//! **In scope:** writing so that an acknowledgement outlives a crash, refusing a second process,
//! and naming what is torn or edited.
//!
//! **Out of scope:** what entries mean. Nothing here looks into an event.
//!
//! What a crash loses: everything before [`Writer`] or [`LedgerStore::append`] answered may be lost
//! and was never acknowledged; nothing after.

pub mod bundle_dir;
pub mod durable;
pub mod head;
pub mod ledger;
pub mod port;
pub mod vault;
pub mod writer;

pub use bundle_dir::{BundleWriter, DirBundle};
pub use durable::{DirLock, DiskError};
pub use head::{Head, HeadError};
pub use ledger::{Appended, LedgerReader, LedgerStore, StoreError};
pub use port::{Disk, Port, Step, StepKind};
pub use vault::{Vault, VaultError};
pub use writer::{Durable, Ticket, WriteError, Writer};
