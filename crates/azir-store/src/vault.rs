//! The vault: evidence by its SHA-256, written once, digested again on every read.
//!
//! A piece lies at `sha256/ab/<64 hex digits>`; its name is what `sha256sum` prints for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azir_ledger::Digest;
use azir_ledger::digest::Hasher;

use crate::durable::{self, DirLock, DiskError};
use crate::port::{Disk, Port, Step, StepKind};

const CHUNK: usize = 64 * 1024;
const TEMPORARY: &str = "incoming";
/// Most processes that add pieces beside each other.
const BESIDE_MAX: usize = 64;

/// Why a piece of evidence could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk failed, is full, not writable, or in use.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The source of the piece failed.
    #[error("cannot read what is to be stored: {0}")]
    Source(#[source] io::Error),
    /// No such piece.
    #[error("evidence {digest} is not in the vault")]
    Missing {
        /// The digest asked for.
        digest: Digest,
    },
    /// The piece has other bytes than its name says.
    #[error("evidence {digest} is damaged: its bytes have sha256 {found}; restore it from a copy")]
    Damaged {
        /// The digest that names it.
        digest: Digest,
        /// The digest of what is stored.
        found: Digest,
    },
}

/// A piece in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was there before.
    pub known: bool,
}

/// A vault in a directory.
#[derive(Debug)]
pub struct Vault {
    dir: PathBuf,
    /// Where pieces lie while they are half written; of this value alone.
    incoming: PathBuf,
    next: AtomicU64,
    port: Arc<dyn Port>,
    _lock: Option<DirLock>,
}

impl Vault {
    /// Opens or makes a vault, for this process alone.
    ///
    /// # Errors
    /// [`VaultError::Disk`].
    pub fn open(dir: &Path) -> Result<Self, VaultError> {
        Self::open_on(dir, Arc::new(Disk))
    }

    /// [`Vault::open`] on a given port.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_on(dir: &Path, port: Arc<dyn Port>) -> Result<Self, VaultError> {
        let lock = DirLock::take(dir)?;
        let incoming = dir.join(TEMPORARY);
        // What a crash left half written was never acknowledged.
        match fs::remove_dir_all(&incoming) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(DiskError::new(&incoming, e).into());
            }
            Ok(()) | Err(_) => {}
        }
        Self::ready(dir, incoming, port, lock)
    }

    fn ready(
        dir: &Path,
        incoming: PathBuf,
        port: Arc<dyn Port>,
        lock: DirLock,
    ) -> Result<Self, VaultError> {
        durable::create_dir(&incoming)?;
        durable::create_dir(&dir.join("sha256"))?;
        let next = AtomicU64::new(0);
        Ok(Self { dir: dir.to_owned(), incoming, next, port, _lock: Some(lock) })
    }

    /// Opens a vault to add pieces beside the process that holds it, so that a long upload keeps
    /// nobody out. Each such value has a place of its own for what is half written; publishing a
    /// piece never replaces one, so none is in another's way.
    ///
    /// # Errors
    /// [`VaultError::Disk`]; `Locked` when 64 processes add pieces now.
    pub fn beside(dir: &Path) -> Result<Self, VaultError> {
        let mut taken = None;
        for number in 0..BESIDE_MAX {
            let incoming = dir.join(format!("{TEMPORARY}-{number}"));
            match DirLock::take(&incoming) {
                Err(e @ DiskError::Locked { .. }) => taken = Some(e),
                Err(e) => return Err(e.into()),
                Ok(lock) => {
                    for old in sorted(&incoming)?.iter().filter(|p| !p.ends_with("lock")) {
                        fs::remove_file(old).map_err(DiskError::at(old))?;
                    }
                    return Self::ready(dir, incoming, Arc::new(Disk), lock);
                }
            }
        }
        Err(taken.unwrap_or(DiskError::Locked { path: dir.to_owned() }).into())
    }

    /// Opens a vault that another process may hold; only for reading.
    #[must_use]
    pub fn read_only(dir: &Path) -> Self {
        let (incoming, next) = (dir.join(TEMPORARY), AtomicU64::new(0));
        Self { dir: dir.to_owned(), incoming, next, port: Arc::new(Disk), _lock: None }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join("sha256").join(&hex[..2]).join(hex)
    }

    /// A file without a name for content that is looked at before it is stored, for the owner's
    /// eyes only. Nothing of it remains when it is dropped, or when the process ends.
    ///
    /// # Errors
    /// [`VaultError::Disk`].
    pub fn scratch(&self) -> Result<File, VaultError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.incoming.join(number.to_string());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(DiskError::at(&path))?;
        fs::remove_file(&path).map_err(DiskError::at(&path))?;
        Ok(file)
    }

    /// Stores everything that `from` gives. Durable when this returns. The same bytes again are
    /// recognised, after the stored piece was digested again.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is acknowledged then.
    pub fn put(&self, from: &mut dyn Read) -> Result<Stored, VaultError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.incoming.join(number.to_string());
        let stored = self.put_through(from, &temporary);
        match fs::remove_file(&temporary) {
            Err(e) if stored.is_ok() => Err(DiskError::new(&temporary, e).into()),
            Ok(()) | Err(_) => stored,
        }
    }

    fn put_through(&self, from: &mut dyn Read, temporary: &Path) -> Result<Stored, VaultError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temporary)
            .map_err(DiskError::at(temporary))?;
        let run = |kind, path: &Path, act: &mut dyn FnMut() -> io::Result<()>| {
            self.port.run(Step { kind, path }, act).map_err(DiskError::at(path))
        };
        let (mut hasher, mut size, mut chunk) = (Hasher::default(), 0u64, vec![0; CHUNK]);
        loop {
            let n = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(VaultError::Source(e)),
            };
            let bytes = chunk.get(..n).unwrap_or_default();
            hasher.update(bytes);
            size += n as u64;
            run(StepKind::Write, temporary, &mut || file.write_all(bytes))?;
        }
        run(StepKind::Sync, temporary, &mut || {
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
            file.sync_all()
        })?;
        let digest = hasher.finish();
        let path = self.path(&digest);
        let dir = path.parent().unwrap_or(&self.dir);
        durable::create_dir(dir)?;
        // A hard link never replaces what is there: a piece is written once.
        let mut known = false;
        run(StepKind::Publish, &path, &mut || match fs::hard_link(temporary, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                known = true;
                Ok(())
            }
            linked => linked,
        })?;
        if known {
            self.check(&digest)?;
        }
        run(StepKind::SyncDir, dir, &mut || durable::sync_dir(dir))?;
        Ok(Stored { digest, size, known })
    }

    /// Digests a stored piece again; gives its size.
    ///
    /// # Errors
    /// [`VaultError::Missing`], [`VaultError::Damaged`] or [`VaultError::Disk`].
    pub fn check(&self, digest: &Digest) -> Result<u64, VaultError> {
        let mut file = self.file(digest)?;
        let (mut hasher, mut size, mut chunk) = (Hasher::default(), 0u64, vec![0; CHUNK]);
        loop {
            let n = file.read(&mut chunk).map_err(DiskError::at(&self.path(digest)))?;
            if n == 0 {
                break;
            }
            hasher.update(chunk.get(..n).unwrap_or_default());
            size += n as u64;
        }
        let found = hasher.finish();
        if found == *digest {
            Ok(size)
        } else {
            Err(VaultError::Damaged { digest: *digest, found })
        }
    }

    fn file(&self, digest: &Digest) -> Result<File, VaultError> {
        let path = self.path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => VaultError::Missing { digest: *digest },
            _ => DiskError::new(&path, e).into(),
        })
    }

    /// A whole piece in memory, digested again.
    ///
    /// # Errors
    /// As [`Vault::check`].
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, VaultError> {
        let mut bytes = Vec::new();
        let path = self.path(digest);
        self.file(digest)?.read_to_end(&mut bytes).map_err(DiskError::at(&path))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            Err(VaultError::Damaged { digest: *digest, found })
        }
    }

    /// A stream over a piece. Its bytes are digested while they pass, and the last read fails when
    /// they are not what the name says.
    ///
    /// # Errors
    /// [`VaultError::Missing`] or [`VaultError::Disk`].
    pub fn open_piece(&self, digest: &Digest) -> Result<Piece, VaultError> {
        Ok(Piece { file: self.file(digest)?, digest: *digest, hasher: Some(Hasher::default()) })
    }

    /// Names of all pieces, ascending. A file whose name is no digest is an error with its place.
    ///
    /// # Errors
    /// [`VaultError::Disk`].
    pub fn list(&self) -> Result<Vec<Digest>, VaultError> {
        let mut digests = Vec::new();
        let top = self.dir.join("sha256");
        for dir in sorted(&top)? {
            for file in sorted(&dir)? {
                let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                match name.parse::<Digest>() {
                    Ok(digest) if self.path(&digest) == file => digests.push(digest),
                    Ok(_) | Err(_) => {
                        let what = io::Error::other("its name is no digest; move it elsewhere");
                        return Err(DiskError::new(&file, what).into());
                    }
                }
            }
        }
        Ok(digests)
    }
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let entries = fs::read_dir(dir).map_err(DiskError::at(dir))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(DiskError::at(dir))?;
    paths.sort();
    Ok(paths)
}

/// A piece of evidence while it is read.
#[derive(Debug)]
pub struct Piece {
    file: File,
    digest: Digest,
    hasher: Option<Hasher>,
}

impl Read for Piece {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buf.get(..n).unwrap_or_default());
        }
        if n > 0 || buf.is_empty() {
            return Ok(n);
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.digest => {
                let damaged = VaultError::Damaged { digest: self.digest, found };
                Err(io::Error::new(io::ErrorKind::InvalidData, damaged))
            }
            Some(_) | None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::{Fault, Faulty};

    fn put(vault: &Vault, bytes: &[u8]) -> Result<Stored, VaultError> {
        vault.put(&mut &bytes[..])
    }

    fn overwrite(vault: &Vault, digest: &Digest, bytes: &[u8]) {
        let path = vault.path(digest);
        fs::remove_file(&path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_piece_is_named_by_its_digest_stored_once_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let big = vec![7; 3 * CHUNK + 1];
        let stored = put(&vault, &big).unwrap();
        assert_eq!(
            stored,
            Stored { digest: Digest::of(&big), size: big.len() as u64, known: false }
        );
        assert!(put(&vault, &big).unwrap().known);
        assert_eq!(vault.get(&stored.digest).unwrap(), big);
        assert_eq!(vault.check(&stored.digest).unwrap(), big.len() as u64);
        let empty = put(&vault, b"").unwrap().digest;
        let mut both = vec![stored.digest, empty];
        both.sort();
        assert_eq!(vault.list().unwrap(), both);
        let missing = vault.get(&Digest::of(b"other")).unwrap_err();
        assert!(matches!(missing, VaultError::Missing { .. }));
        let second = Vault::open(dir.path()).unwrap_err();
        assert!(matches!(second, VaultError::Disk(DiskError::Locked { .. })));
        assert_eq!(Vault::read_only(dir.path()).list().unwrap(), both);
    }

    #[test]
    fn damaged_evidence_is_named_on_every_way_out_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let digest = put(&vault, b"evidence").unwrap().digest;
        overwrite(&vault, &digest, b"evidencf");
        let found = Digest::of(b"evidencf");
        let is_damaged = |e: &VaultError| matches!(e, VaultError::Damaged { digest: d, found: f } if *d == digest && *f == found);
        assert!(is_damaged(&vault.get(&digest).unwrap_err()));
        assert!(is_damaged(&vault.check(&digest).unwrap_err()));
        assert!(is_damaged(&put(&vault, b"evidence").unwrap_err()));
        let mut bytes = Vec::new();
        let error = vault.open_piece(&digest).unwrap().read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(&digest.to_string()));
        fs::write(dir.path().join("sha256/stray"), b"").unwrap();
        assert!(vault.list().is_err());
    }

    #[test]
    fn pieces_are_added_beside_the_holder_and_half_written_ones_are_cleared_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let holder = Vault::open(dir.path()).unwrap();
        let first = Vault::beside(dir.path()).unwrap();
        let second = Vault::beside(dir.path()).unwrap();
        assert_ne!(first.incoming, second.incoming);
        let piece = put(&first, b"one").unwrap().digest;
        assert!(put(&second, b"one").unwrap().known);
        assert_eq!(holder.get(&piece).unwrap(), b"one");
        let mut scratch = first.scratch().unwrap();
        scratch.write_all(b"looked at").unwrap();
        assert_eq!(sorted(&first.incoming).unwrap().len(), 1, "a lock, and no named scratch file");
        let torn = first.incoming.join("7");
        fs::write(&torn, b"half").unwrap();
        let own = first.incoming.clone();
        drop(first);
        assert_eq!(Vault::beside(dir.path()).unwrap().incoming, own);
        assert!(!torn.exists());
        assert_eq!(holder.list().unwrap(), [piece]);
    }

    /// Fault table: each step of storing a piece x each way to fail.
    #[test]
    fn a_failed_put_is_not_acknowledged_and_can_be_repeated() {
        for kind in [StepKind::Write, StepKind::Sync, StepKind::Publish, StepKind::SyncDir] {
            for fault in Fault::ALL {
                let dir = tempfile::tempdir().unwrap();
                let port = Arc::new(Faulty::new());
                let vault = Vault::open_on(dir.path(), port.clone()).unwrap();
                let kept = put(&vault, b"kept").unwrap().digest;
                port.arm(kind, fault);
                assert!(put(&vault, b"evidence").is_err(), "{kind:?} {fault:?}");
                assert!(port.fired());
                drop(vault);
                let vault = Vault::open_on(dir.path(), port).unwrap();
                for digest in vault.list().unwrap() {
                    vault.check(&digest).unwrap();
                }
                let again = put(&vault, b"evidence").unwrap().digest;
                assert_eq!(vault.get(&again).unwrap(), b"evidence", "{kind:?} {fault:?}");
                assert_eq!(vault.get(&kept).unwrap(), b"kept");
            }
        }
    }

    #[test]
    fn a_source_that_fails_stores_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        assert!(matches!(vault.put(&mut Broken), Err(VaultError::Source(_))));
        assert!(vault.list().unwrap().is_empty());
    }
}
