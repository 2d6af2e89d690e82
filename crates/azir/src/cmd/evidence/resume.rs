//! What an upload that was cut off had finished: one line for each stored file, beside the log. It
//! saves time and proves nothing: a line counts only while the file is unchanged and the vault
//! holds the piece.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use azir_ledger::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use super::source::Stamp;
use crate::error::CliError;

/// Most bytes of such a file that are read.
const RESUME_BYTES_MAX: u64 = 256 << 20;

/// A file that was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finished {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) hash: Digest,
    pub(super) media: String,
    pub(super) obtained_at: Timestamp,
}

/// The open file. The system frees its lock when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Resume {
    path: PathBuf,
    file: File,
    known: BTreeMap<PathBuf, Finished>,
}

impl Resume {
    /// Opens or makes the file of an upload.
    ///
    /// # Errors
    /// The same upload runs already, or the directory cannot be written.
    pub(super) fn open(data: &Path, upload: &Digest) -> Result<Self, CliError> {
        let dir = data.join("uploads");
        std::fs::create_dir_all(&dir).map_err(|e| CliError::write(&dir, e))?;
        let path = dir.join(format!("{}.jsonl", upload));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|e| CliError::write(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CliError::Usage(format!(
                    "{} is in use: the same evidence is being added by another command; wait for \
                     it, or stop it",
                    path.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(CliError::write(&path, e)),
        }
        let mut known = BTreeMap::new();
        for line in BufReader::new((&mut file).take(RESUME_BYTES_MAX)).split(b'\n') {
            let line = line.map_err(|e| CliError::read(&path, e))?;
            // A line that was cut off tells of nothing.
            if let Ok(done) = serde_json::from_slice::<Finished>(&line) {
                known.insert(done.path.clone(), done);
            }
        }
        let end = file.seek(std::io::SeekFrom::End(0)).map_err(|e| CliError::read(&path, e))?;
        if end > 0 {
            file.write_all(b"\n").map_err(|e| CliError::write(&path, e))?;
        }
        Ok(Self { path, file, known })
    }

    /// What was noted of a file, if the file is still the same.
    pub(super) fn finished(&self, path: &Path, stamp: &Stamp) -> Option<&Finished> {
        self.known.get(path).filter(|done| done.stamp == *stamp)
    }

    /// Notes a file whose piece is durable. A path that is no text is not noted, and read again.
    pub(super) fn note(&mut self, done: &Finished) -> Result<(), CliError> {
        if done.path.to_str().is_none() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(done).map_err(|e| CliError::Internal(e.to_string()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| CliError::write(&self.path, e))
    }

    /// The upload is complete.
    pub(super) fn remove(self) -> Result<(), CliError> {
        std::fs::remove_file(&self.path).map_err(|e| CliError::write(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_passed_over_and_a_changed_file_is_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "a").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&file).unwrap());
        let upload = Digest::of(b"upload");
        let mut resume = Resume::open(dir.path(), &upload).unwrap();
        assert!(matches!(Resume::open(dir.path(), &upload), Err(CliError::Usage(_))));
        let done = Finished {
            path: file.clone(),
            stamp,
            hash: Digest::of(b"a"),
            media: "text/plain".into(),
            obtained_at: Timestamp::from_ms(7),
        };
        resume.note(&done).unwrap();
        let note = resume.path.clone();
        resume.file.write_all(b"{\"path\":\"/x").unwrap();
        drop(resume);
        let mut resume = Resume::open(dir.path(), &upload).unwrap();
        assert_eq!(resume.finished(&file, &stamp), Some(&done));
        resume.note(&Finished { path: "/y".into(), ..done.clone() }).unwrap();
        drop(resume);
        std::fs::write(&file, "ab").unwrap();
        let changed = Stamp::of(&std::fs::metadata(&file).unwrap());
        let resume = Resume::open(dir.path(), &upload).unwrap();
        assert_eq!(resume.finished(&file, &changed), None);
        assert!(resume.finished(Path::new("/y"), &stamp).is_some(), "written after a torn line");
        resume.remove().unwrap();
        assert!(!note.exists());
    }
}
