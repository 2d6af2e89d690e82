//! Durable files: written beside, flushed, renamed, and the directory flushed too.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::port::{Port, Step, StepKind};

/// A failure of the disk, with place and remedy.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No space left.
    #[error("{path}: no space left; free some and start again, nothing acknowledged is lost")]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// Not writable.
    #[error("{path}: not writable ({source}); make it writable for this user, or name another")]
    ReadOnly {
        /// Where.
        path: PathBuf,
        /// The failure.
        source: io::Error,
    },
    /// Held by another process.
    #[error("{path}: in use by another process; stop that one, or name another data directory")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file stands where a directory is needed, or the other way round.
    #[error("{path}: {source}; move away what is there, or name another place")]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// The failure.
        source: io::Error,
    },
    /// Any other failure.
    #[error("{path}: {source}; check the disk, then start again")]
    Io {
        /// Where.
        path: PathBuf,
        /// The failure.
        source: io::Error,
    },
}

impl DiskError {
    /// Sorts a failure by its remedy.
    #[must_use]
    pub fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source }
            }
            io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => Self::InTheWay { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// Adapter for `map_err`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::new(&path, source)
    }
}

/// A lock on a directory for as long as this value lives. The system frees it when the process
/// ends, however it ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Makes the directory if needed and locks it.
    ///
    /// # Errors
    /// [`DiskError::Locked`] when another process, or another part of this one, holds it.
    pub fn take(dir: &Path) -> Result<Self, DiskError> {
        create_dir(dir)?;
        let path = dir.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(DiskError::at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DiskError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(DiskError::new(&path, source)),
        }
    }
}

/// Makes a directory and flushes its name.
///
/// # Errors
/// [`DiskError`].
pub fn create_dir(dir: &Path) -> Result<(), DiskError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made.and_then(|()| sync_dir(parent_of(dir))).map_err(DiskError::at(dir)),
    }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Flushes the names in a directory.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces a file: after success the new content survives a crash; after an error or a crash the
/// file has the old content or the new, never a mixture.
///
/// # Errors
/// [`DiskError`]; whether the new content is in place is then unknown.
pub fn write_file(port: &dyn Port, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let beside = path.with_added_extension("new");
    let dir = parent_of(path);
    let run = |kind, path: &Path, act: &mut dyn FnMut() -> io::Result<()>| {
        port.run(Step { kind, path }, act).map_err(DiskError::at(path))
    };
    let mut file = File::create(&beside).map_err(DiskError::at(&beside))?;
    run(StepKind::Write, &beside, &mut || file.write_all(bytes))?;
    run(StepKind::Sync, &beside, &mut || file.sync_all())?;
    run(StepKind::Publish, path, &mut || fs::rename(&beside, path))?;
    run(StepKind::SyncDir, dir, &mut || sync_dir(dir))
}

/// Reads a file; nothing if there is none.
///
/// # Errors
/// [`DiskError`].
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DiskError::new(path, e)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::port::Disk;

    /// How a step fails.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        NotStored,
        StoredButFails,
        Full,
        Eio,
        Torn,
    }

    impl Fault {
        pub(crate) const ALL: [Self; 5] =
            [Self::NotStored, Self::StoredButFails, Self::Full, Self::Eio, Self::Torn];
    }

    /// A disk on which one step fails in one way, once.
    #[derive(Debug)]
    pub(crate) struct Faulty {
        armed: Mutex<Option<(StepKind, Fault)>>,
    }

    impl Faulty {
        pub(crate) fn new() -> Self {
            Self { armed: Mutex::new(None) }
        }

        pub(crate) fn arm(&self, kind: StepKind, fault: Fault) {
            *self.armed.lock().unwrap() = Some((kind, fault));
        }

        pub(crate) fn fired(&self) -> bool {
            self.armed.lock().unwrap().is_none()
        }
    }

    impl Port for Faulty {
        fn run(&self, step: Step<'_>, act: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
            let mut armed = self.armed.lock().unwrap();
            let fault = match *armed {
                Some((kind, fault)) if kind == step.kind => fault,
                _ => return act(),
            };
            *armed = None;
            match fault {
                Fault::NotStored => Err(io::Error::other("injected")),
                Fault::Full => Err(io::ErrorKind::StorageFull.into()),
                Fault::Eio => Err(io::Error::from_raw_os_error(5)),
                Fault::StoredButFails => act().and(Err(io::Error::other("injected, stored"))),
                Fault::Torn => {
                    act()?;
                    if step.kind == StepKind::Write {
                        let file = OpenOptions::new().write(true).open(step.path)?;
                        file.set_len(file.metadata()?.len() / 2)?;
                    }
                    Err(io::Error::other("injected, torn"))
                }
            }
        }
    }

    /// Fault table: each step of a durable write x each way to fail.
    #[test]
    fn a_failed_write_leaves_the_old_content_or_the_new_and_says_so() {
        let file_steps = [StepKind::Write, StepKind::Sync, StepKind::Publish, StepKind::SyncDir];
        for kind in file_steps {
            for fault in Fault::ALL {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("f");
                write_file(&Disk, &path, b"old content").unwrap();
                let port = Faulty::new();
                port.arm(kind, fault);
                let error = write_file(&port, &path, b"new content").unwrap_err();
                assert!(port.fired());
                assert_eq!(matches!(error, DiskError::Full { .. }), fault == Fault::Full);
                let found = read_file(&path).unwrap().unwrap();
                assert!(found == b"old content" || found == b"new content", "{kind:?} {fault:?}");
                write_file(&port, &path, b"again").unwrap();
                assert_eq!(read_file(&path).unwrap().unwrap(), b"again");
            }
        }
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::take(dir.path()).unwrap();
        let error = DirLock::take(dir.path()).unwrap_err();
        assert!(matches!(error, DiskError::Locked { .. }));
        let text = error.to_string();
        assert!(text.contains("lock") && text.contains("another data directory"), "{text}");
        drop(first);
        DirLock::take(dir.path()).unwrap();
    }

    #[test]
    fn failures_carry_place_and_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let text = DirLock::take(&file.join("below")).unwrap_err().to_string();
        assert!(text.contains("file") && text.contains("name another place"), "{text}");
        let denied = DiskError::new(&file, io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("make it writable"), "{denied}");
        let full = DiskError::new(&file, io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.contains("no space left; free some"), "{full}");
        if Path::new("/dev/full").exists() {
            let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let error = full.write_all(b"x").unwrap_err();
            assert!(matches!(DiskError::new(&file, error), DiskError::Full { .. }));
        } else {
            eprintln!("skipped: no /dev/full");
        }
    }
}
