//! Where the sign state is kept: one value, replaced as a whole, on disk before `store` returns.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest sign state that is read, in bytes (bounded input).
pub const STATE_BYTES_MAX: u64 = 1 << 20;

/// Why the sign state was not read or not written. The gate is closed after either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// Reading failed. Refusal kind `unavailable`.
    #[error("cannot read the sign state at {place}: {why}")]
    Read {
        /// Path or name of the store.
        place: String,
        /// What the system said.
        why: String,
    },
    /// Writing failed; it is not known whether the old or the new value is on disk.
    #[error("cannot write the sign state at {place}: {why}")]
    Write {
        /// Path or name of the store.
        place: String,
        /// What the system said.
        why: String,
    },
    /// Another process holds the sign state of this key.
    #[error(
        "the sign state at {place} is held by another process; two gates on one key are refused"
    )]
    Held {
        /// Path of the lock.
        place: String,
    },
}

/// One durable value. `store` returns `Ok` only after the value would survive a loss of power.
pub trait Durable: Send {
    /// The stored bytes, or nothing if nothing was ever stored.
    ///
    /// # Errors
    /// [`DurableError::Read`].
    fn load(&mut self) -> Result<Option<Vec<u8>>, DurableError>;

    /// Replaces the value.
    ///
    /// # Errors
    /// [`DurableError::Write`]: either value may be on disk.
    fn store(&mut self, bytes: &[u8]) -> Result<(), DurableError>;
}

/// A file, replaced by writing a new one beside it: write, sync, rename, sync the directory.
/// A lock file keeps a second process away for as long as this value lives.
#[derive(Debug)]
pub struct FileDurable {
    path: PathBuf,
    directory: File,
    _lock: File,
}

impl FileDurable {
    /// Uses `path`; its directory must exist.
    ///
    /// # Errors
    /// [`DurableError::Held`] when another process has it, [`DurableError::Read`] otherwise.
    pub fn open(path: &Path) -> Result<Self, DurableError> {
        let place = path.display().to_string();
        let read =
            |e: std::io::Error| DurableError::Read { place: place.clone(), why: e.to_string() };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = File::open(parent).map_err(read)?;
        let lock_path = path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(read)?;
        lock.try_lock().map_err(|_| DurableError::Held { place: place.clone() })?;
        Ok(Self { path: path.to_owned(), directory, _lock: lock })
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        self.directory.sync_all()
    }
}

impl Durable for FileDurable {
    fn load(&mut self) -> Result<Option<Vec<u8>>, DurableError> {
        let place = self.path.display().to_string();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DurableError::Read { place, why: e.to_string() }),
        };
        let mut bytes = Vec::new();
        file.take(STATE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|e| DurableError::Read { place, why: e.to_string() })?;
        Ok(Some(bytes))
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.write(bytes).map_err(|e| DurableError::Write {
            place: self.path.display().to_string(),
            why: e.to_string(),
        })
    }
}

/// How a write of [`MemoryDurable`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fails and the old value stays.
    NotStored,
    /// Fails but the new value is on disk.
    Stored,
    /// Fails and only the first half of the new value is on disk.
    Torn,
}

#[derive(Debug, Default)]
struct Memory {
    value: Option<Vec<u8>>,
    writes: u64,
    faults: Vec<(u64, Fault)>,
    always: Option<Fault>,
}

/// A store in memory that outlives its gate: clones share one value, so a clone is "the disk" that
/// a restarted gate finds. Faults are switched on by the simulator and by tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryDurable(Arc<Mutex<Memory>>);

impl MemoryDurable {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets write number `write` (from 0, counted over the life of the store) fail.
    pub fn fail_write(&self, write: u64, fault: Fault) {
        self.memory().faults.push((write, fault));
    }

    /// Lets every write fail from now on, or none: a full or removed disk.
    pub fn fail_all(&self, fault: Option<Fault>) {
        self.memory().always = fault;
    }

    /// Number of writes so far, failed ones included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.memory().writes
    }

    /// The bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.memory().value.clone()
    }

    /// Replaces the bytes on disk by hand: an edit, a truncation, a deleted file.
    pub fn tamper(&self, bytes: Option<Vec<u8>>) {
        self.memory().value = bytes;
    }
}

impl Durable for MemoryDurable {
    fn load(&mut self) -> Result<Option<Vec<u8>>, DurableError> {
        Ok(self.memory().value.clone())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        let mut memory = self.memory();
        let write = memory.writes;
        memory.writes += 1;
        let listed = memory.faults.iter().find(|(at, _)| *at == write).map(|(_, f)| *f);
        let fault = listed.or(memory.always);
        match fault {
            None | Some(Fault::Stored) => memory.value = Some(bytes.to_vec()),
            Some(Fault::Torn) => memory.value = Some(bytes[..bytes.len() / 2].to_vec()),
            Some(Fault::NotStored) => {}
        }
        match fault {
            None => Ok(()),
            Some(fault) => Err(DurableError::Write {
                place: "memory".to_owned(),
                why: format!("write {write} was told to fail: {fault:?}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_held_by_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notary.state");
        let mut file = FileDurable::open(&path).unwrap();
        assert_eq!(file.load().unwrap(), None);
        file.store(b"one").unwrap();
        file.store(b"two").unwrap();
        assert_eq!(file.load().unwrap().unwrap(), b"two");
        assert!(matches!(FileDurable::open(&path), Err(DurableError::Held { .. })));
        drop(file);
        assert_eq!(FileDurable::open(&path).unwrap().load().unwrap().unwrap(), b"two");
    }

    #[test]
    fn a_file_in_a_removed_directory_says_that_it_was_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("gone");
        std::fs::create_dir(&inner).unwrap();
        let mut file = FileDurable::open(&inner.join("notary.state")).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        assert!(matches!(file.store(b"x"), Err(DurableError::Write { .. })));
    }
}
