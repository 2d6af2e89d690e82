//! What is to be stored: files, directories and one stream; and proof that none changed meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use azir_ledger::Digest;
use azir_ledger::digest::Hasher;
use azir_model::RefusalKind;
use azir_model::refusal::Unmet;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// Most files of one command; more go into an archive, or into several commands.
const FILES_MAX: usize = 65_536;
/// Most names that one message lists.
pub(super) const NAMES_MAX: usize = 10;

/// Where content comes from.
#[derive(Debug)]
pub(super) enum Origin {
    File(PathBuf),
    /// Standard input.
    Stream,
}

/// One file or stream that was named, or found below a directory that was named.
#[derive(Debug)]
pub(super) struct Source {
    /// As the manifest names it.
    pub(super) name: String,
    pub(super) origin: Origin,
    /// Size when it was found; 0 for a stream.
    pub(super) size: u64,
}

/// All sources of a command, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sources: Vec<Source>,
    /// Links below directories, which are not followed.
    pub(super) links: Vec<String>,
    /// A directory was named.
    pub(super) directory: bool,
}

/// Lists what the words name. Nothing is read but directories.
///
/// # Errors
/// A name that does not exist, a device or pipe, nothing at all, too much, or this deployment.
pub(super) fn find(data: &Path, words: &[PathBuf]) -> Result<Found, CliError> {
    let (mut found, mut others) = (Found::default(), Vec::new());
    for word in words {
        if word.as_os_str() == "-" {
            stream(&mut found)?;
            continue;
        }
        let meta = std::fs::metadata(word).map_err(|e| CliError::read(word, e))?;
        if meta.is_dir() {
            outside(data, word)?;
            found.directory = true;
            walk(word, &mut found, &mut others)?;
        } else if meta.is_file() {
            found.add(word, &meta)?;
        } else {
            others.push(shown(word));
        }
    }
    if !others.is_empty() {
        let more = others.len().saturating_sub(NAMES_MAX);
        others.truncate(NAMES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Err(CliError::Usage(format!(
            "{}{more}: no regular file; read a pipe or device into standard input and name it `-`, \
             or leave it out",
            others.join(", ")
        )));
    }
    if found.sources.is_empty() {
        return Err(CliError::Usage("there is no file below what was named".to_owned()));
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, path: &Path, meta: &Metadata) -> Result<(), CliError> {
        if self.sources.len() == FILES_MAX {
            return Err(CliError::Usage(format!(
                "more than {FILES_MAX} files; add them in several commands, or as one archive"
            )));
        }
        let origin = Origin::File(path.to_owned());
        self.sources.push(Source { name: name(path), origin, size: meta.len() });
        Ok(())
    }
}

fn stream(found: &mut Found) -> Result<(), CliError> {
    if found.sources.iter().any(|s| matches!(s.origin, Origin::Stream)) {
        return Err(CliError::Usage("`-` names standard input; give it once".to_owned()));
    }
    found.sources.push(Source { name: "-".to_owned(), origin: Origin::Stream, size: 0 });
    Ok(())
}

/// The deployment is no evidence of itself: it changes while it is read, and holds its key.
fn outside(data: &Path, dir: &Path) -> Result<(), CliError> {
    let full = |path: &Path| path.canonicalize().map_err(|e| CliError::read(path, e));
    let (data, named) = (full(data)?, full(dir)?);
    if data.starts_with(&named) || named.starts_with(&data) {
        return Err(CliError::Usage(format!(
            "{} holds this deployment, or is a part of it; name what lies beside it",
            dir.display()
        )));
    }
    Ok(())
}

fn walk(top: &Path, found: &mut Found, others: &mut Vec<String>) -> Result<(), CliError> {
    let (mut dirs, mut files) = (vec![top.to_owned()], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|e| CliError::read(&dir, e))? {
            let path = entry.map_err(|e| CliError::read(&dir, e))?.path();
            let meta = path.symlink_metadata().map_err(|e| CliError::read(&path, e))?;
            if meta.is_dir() {
                dirs.push(path);
            } else if meta.is_file() {
                files.push((path, meta));
            } else if meta.is_symlink() {
                found.links.push(shown(&path));
            } else {
                others.push(shown(&path));
            }
            if files.len() > FILES_MAX {
                break;
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    found.links.sort();
    others.sort();
    files.iter().try_for_each(|(path, meta)| found.add(path, meta))
}

/// A relative path without steps upward, as text.
fn name(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(escaped(name.as_bytes())),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A name as text for people and manifests: bytes that are no UTF-8 are written `\xNN`, and control
/// characters, which could write over a terminal, `\u{N}`.
pub(super) fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char.is_control() {
                true => text.extend(char.escape_unicode()),
                false => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A path as it was named, for people.
pub(super) fn shown(path: &Path) -> String {
    escaped(path.as_os_str().as_bytes())
}

/// What must be the same before and after a file is read, and when an upload is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// What a first reading of a file found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) stamp: Stamp,
    pub(super) hash: Digest,
    pub(super) size: u64,
}

impl Seen {
    /// Why an open file is no longer what was seen, if it is not.
    pub(super) fn differs(&self, path: &Path, file: &File) -> io::Result<Option<&'static str>> {
        // The name must still lead to the same file.
        let (open, named) = (file.metadata()?, std::fs::metadata(path)?);
        let (open, named) = (Stamp::of(&open), Stamp::of(&named));
        Ok(if (open.device, open.inode) != (named.device, named.inode) || named != open {
            Some("another file stands in its place")
        } else if open.size != self.stamp.size || self.size != self.stamp.size {
            Some("its size changed")
        } else if open != self.stamp {
            Some("it was written to, or exchanged")
        } else {
            None
        })
    }
}

/// A file that is read a second time. The last read fails when it is not what was seen.
pub(super) struct Again<'a> {
    pub(super) file: &'a File,
    pub(super) bar: &'a ProgressBar,
    pub(super) seen: Seen,
    /// None for a stream, of which nobody else holds a handle.
    pub(super) path: Option<&'a Path>,
    pub(super) hasher: Option<Hasher>,
    pub(super) changed: Option<&'static str>,
}

impl Read for Again<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(into)?;
        self.bar.inc(n as u64);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..n]);
        }
        if n > 0 || into.is_empty() {
            return Ok(n);
        }
        let hash = self.hasher.take().map(Hasher::finish);
        self.changed = match self.path {
            Some(path) => self.seen.differs(path, self.file)?,
            None => None,
        };
        if self.changed.is_none() && hash.is_some_and(|h| h != self.seen.hash) {
            self.changed = Some("a second reading gave other bytes");
        }
        match self.changed {
            Some(why) => Err(io::Error::other(why)),
            None => Ok(0),
        }
    }
}

/// The refusal of content that did not hold still.
pub(super) fn changed(name: &str, why: &str) -> Unmet {
    Unmet::new(
        RefusalKind::HashMismatch,
        format!("{name} changed while it was read: {why}; nothing of it was stored"),
        "10, D-015",
        "copy it, or stop what writes to it, and run the same command again",
    )
}

/// Says where input comes from when a person would wait for nothing.
pub(super) fn stdin() -> io::Stdin {
    let input = io::stdin();
    if input.is_terminal() {
        super::tell("standard input is a terminal: type the evidence, and end it with Ctrl-D");
    }
    input
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn names_are_relative_and_text() {
        assert_eq!(name(Path::new("/var/log/../a.log")), "var/log/a.log");
        assert_eq!(name(Path::new("./x")), "x");
        assert_eq!(escaped(b"a\xffb\x1b[2J"), "a\\xffb\\u{1b}[2J");
    }

    /// Reads a file a second time after something was done to it.
    fn again(act: impl FnOnce(&Path)) -> Option<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "seen").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        let seen = Seen { stamp, hash: Digest::of(b"seen"), size: 4 };
        let file = File::open(&path).unwrap();
        act(&path);
        let bar = ProgressBar::hidden();
        let hasher = Some(Hasher::default());
        let path = Some(&*path);
        let mut again = Again { file: &file, bar: &bar, seen, path, hasher, changed: None };
        let read = again.read_to_end(&mut Vec::new());
        assert_eq!(read.is_err(), again.changed.is_some());
        again.changed
    }

    #[test]
    fn a_file_that_changed_by_size_time_place_or_bytes_is_not_read_to_its_end() {
        assert_eq!(again(|_| {}), None);
        let open = |p: &Path| std::fs::OpenOptions::new().append(true).open(p).unwrap();
        assert_eq!(again(|p| open(p).write_all(b"+").unwrap()), Some("its size changed"));
        let old = std::time::SystemTime::UNIX_EPOCH;
        let touched = again(|p| open(p).set_modified(old).unwrap());
        assert_eq!(touched, Some("it was written to, or exchanged"));
        let moved = again(|p| {
            std::fs::rename(p, p.with_extension("old")).unwrap();
            std::fs::write(p, "seen").unwrap();
        });
        assert_eq!(moved, Some("another file stands in its place"));
    }

    #[test]
    fn other_bytes_under_an_equal_stamp_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "sEEn").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        let seen = Seen { stamp, hash: Digest::of(b"seen"), size: 4 };
        let (file, bar) = (File::open(&path).unwrap(), ProgressBar::hidden());
        let hasher = Some(Hasher::default());
        let mut again =
            Again { file: &file, bar: &bar, seen, path: Some(&path), hasher, changed: None };
        again.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(again.changed, Some("a second reading gave other bytes"));
    }
}
