//! The head: the last signed checkpoint, in a place of its own, moved by compare-and-swap.
//!
//! It guards the ledger against forking itself. It is made once by hand, lies on another disk than
//! the ledger where there is one, and is never restored from a backup: a ledger from an old backup
//! then meets a head that is larger, and is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use azir_ledger::note::NoteError;
use azir_ledger::{Checkpoint, SignedNote, VerifierKey};

use crate::durable::{self, DirLock, DiskError};
use crate::port::Port;

const FILE: &str = "head.note";
/// Content of a head before the first checkpoint.
const EMPTY: &str = "no checkpoint yet\n";

/// Why the head could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no head here.
    #[error("{path}: no head here; make one once with a new ledger, never for an old one")]
    Missing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// There is a head here already.
    #[error("{path}: a head is here already; it must not be made anew")]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// The head is no checkpoint of this ledger.
    #[error("{path}: {source}")]
    Invalid {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// The head is not at the size that the caller expected.
    #[error(
        "the head is at size {found}, not {expected}: another writer moved it, or this ledger is older; sign nothing"
    )]
    Moved {
        /// Size that the caller expected.
        expected: u64,
        /// Size of the head.
        found: u64,
    },
    /// The new checkpoint does not extend the head.
    #[error("a checkpoint of size {offered} does not follow the head of size {found}")]
    NotLarger {
        /// Size of the new checkpoint.
        offered: u64,
        /// Size of the head.
        found: u64,
    },
    /// A write of the head failed and what is stored is unknown: open it again to find out.
    #[error("an earlier move of the head failed; open the head again to find out what is stored")]
    Poisoned,
}

/// The last signed checkpoint of one ledger.
#[derive(Debug)]
pub struct Head {
    path: PathBuf,
    log: VerifierKey,
    current: Option<(SignedNote, Checkpoint)>,
    poisoned: bool,
    port: Arc<dyn Port>,
    _lock: DirLock,
}

impl Head {
    /// Makes an empty head, once in the life of a ledger.
    ///
    /// # Errors
    /// [`HeadError::Exists`] when there is one.
    pub fn create(dir: &Path, log: VerifierKey, port: Arc<dyn Port>) -> Result<Self, HeadError> {
        let lock = DirLock::take(dir)?;
        let path = dir.join(FILE);
        if durable::read_file(&path)?.is_some() {
            return Err(HeadError::Exists { path });
        }
        durable::write_file(port.as_ref(), &path, EMPTY.as_bytes())?;
        Ok(Self { path, log, current: None, poisoned: false, port, _lock: lock })
    }

    /// Opens the head of a ledger.
    ///
    /// # Errors
    /// [`HeadError`]; a missing head is not made.
    pub fn open(dir: &Path, log: VerifierKey, port: Arc<dyn Port>) -> Result<Self, HeadError> {
        if !dir.join(FILE).exists() {
            return Err(HeadError::Missing { path: dir.join(FILE) });
        }
        let lock = DirLock::take(dir)?;
        let path = dir.join(FILE);
        let bytes = durable::read_file(&path)?.unwrap_or_default();
        let current = if bytes == EMPTY.as_bytes() {
            None
        } else {
            let read = SignedNote::parse(&bytes)
                .and_then(|note| Checkpoint::verified(&note, &log).map(|point| (note, point)));
            Some(read.map_err(|source| HeadError::Invalid { path: path.clone(), source })?)
        };
        Ok(Self { path, log, current, poisoned: false, port, _lock: lock })
    }

    /// The checkpoint at the head, if one was ever signed.
    #[must_use]
    pub fn current(&self) -> Option<&Checkpoint> {
        self.current.as_ref().map(|(_, point)| point)
    }

    /// The signed form of the checkpoint at the head.
    #[must_use]
    pub fn note(&self) -> Option<&SignedNote> {
        self.current.as_ref().map(|(note, _)| note)
    }

    /// Moves the head from size `expected` (0 when empty) to a larger checkpoint. A checkpoint may
    /// leave the process only after this succeeded.
    ///
    /// # Errors
    /// [`HeadError`]; after a failed write the head refuses until it is opened again.
    pub fn swap(&mut self, expected: u64, note: SignedNote) -> Result<(), HeadError> {
        if self.poisoned {
            return Err(HeadError::Poisoned);
        }
        let point = Checkpoint::verified(&note, &self.log)
            .map_err(|source| HeadError::Invalid { path: self.path.clone(), source })?;
        let found = self.current().map_or(0, |c| c.size);
        if found != expected {
            return Err(HeadError::Moved { expected, found });
        }
        if self.current.is_some() && point.size <= found {
            return Err(HeadError::NotLarger { offered: point.size, found });
        }
        self.poisoned = true;
        durable::write_file(self.port.as_ref(), &self.path, note.to_string().as_bytes())?;
        self.poisoned = false;
        self.current = Some((note, point));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use azir_ledger::checkpoint::{ledger_key, origin};
    use azir_ledger::{Digest, MachineKey};

    use super::*;
    use crate::durable::tests::{Fault, Faulty};
    use crate::port::{Disk, StepKind};

    fn key() -> MachineKey {
        MachineKey::from_seed([1; 32])
    }

    fn log() -> VerifierKey {
        ledger_key(&origin("t", &key().public()), &key().public()).unwrap()
    }

    fn note(size: u64) -> SignedNote {
        let root = Digest::of(&size.to_be_bytes());
        Checkpoint::new(log().name(), size, root).sign(&key()).unwrap()
    }

    #[test]
    fn a_head_moves_forward_from_the_expected_size_only() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Head::open(dir.path(), log(), Arc::new(Disk));
        assert!(matches!(open(), Err(HeadError::Missing { .. })));
        let mut head = Head::create(dir.path(), log(), Arc::new(Disk)).unwrap();
        assert!(head.current().is_none());
        head.swap(0, note(3)).unwrap();
        assert!(matches!(head.swap(0, note(9)), Err(HeadError::Moved { expected: 0, found: 3 })));
        assert!(matches!(head.swap(3, note(3)), Err(HeadError::NotLarger { .. })));
        head.swap(3, note(5)).unwrap();
        drop(head);
        assert_eq!(open().unwrap().current().unwrap().size, 5);
        let again = Head::create(dir.path(), log(), Arc::new(Disk));
        assert!(matches!(again, Err(HeadError::Exists { .. })));
        std::fs::write(dir.path().join(FILE), b"x").unwrap();
        assert!(matches!(open(), Err(HeadError::Invalid { .. })));
    }

    /// Fault table: after a failed move nothing is signed until what is stored is known.
    #[test]
    fn a_failed_move_stops_the_head_until_it_is_opened_again() {
        for kind in [StepKind::Write, StepKind::Sync, StepKind::Publish, StepKind::SyncDir] {
            for fault in Fault::ALL {
                let dir = tempfile::tempdir().unwrap();
                let port = Arc::new(Faulty::new());
                let mut head = Head::create(dir.path(), log(), port.clone()).unwrap();
                head.swap(0, note(3)).unwrap();
                port.arm(kind, fault);
                assert!(matches!(head.swap(3, note(4)), Err(HeadError::Disk(_))));
                assert!(matches!(head.swap(3, note(4)), Err(HeadError::Poisoned)));
                drop(head);
                let size = Head::open(dir.path(), log(), port).unwrap().current().unwrap().size;
                assert!(size == 3 || size == 4, "{kind:?} {fault:?}: {size}");
            }
        }
    }
}
