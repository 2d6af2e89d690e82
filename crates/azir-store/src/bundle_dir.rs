//! Bundles in a directory: reading one in order, and writing one that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use azir_ledger::bundle::BundleFiles;

use crate::durable::{self, DiskError};

/// Deepest directory that is read.
const DEPTH_MAX: usize = 32;
/// Files that are flushed at a time.
const SYNCS: usize = 16;

/// A bundle in a directory. Links are not followed.
#[derive(Clone, Debug)]
pub struct DirBundle {
    dir: PathBuf,
}

impl DirBundle {
    /// The bundle in `dir`.
    ///
    /// # Errors
    /// [`DiskError`] when it is no directory that can be read.
    pub fn open(dir: &Path) -> Result<Self, DiskError> {
        fs::read_dir(dir).map_err(DiskError::at(dir))?;
        Ok(Self { dir: dir.to_owned() })
    }
}

impl BundleFiles for DirBundle {
    fn names(&self) -> io::Result<Box<dyn Iterator<Item = io::Result<String>> + '_>> {
        let mut walk = Walk { dir: self.dir.clone(), stack: Vec::new() };
        walk.enter(String::new())?;
        Ok(Box::new(walk))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what.to_owned()));
        if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return refuse("no path inside the bundle");
        }
        let mut path = self.dir.clone();
        for part in name.split('/') {
            path.push(part);
            if fs::symlink_metadata(&path)?.is_symlink() {
                return refuse("a link; links are not followed");
            }
        }
        if !fs::symlink_metadata(&path)?.is_file() {
            return refuse("no regular file");
        }
        Ok(Box::new(File::open(path)?))
    }
}

/// Walks a tree in the order of full paths, holding the names of one directory for each level.
struct Walk {
    dir: PathBuf,
    stack: Vec<Level>,
}

struct Level {
    /// Path of the directory in the bundle, with a final `/`; empty at the top.
    prefix: String,
    /// Names left, last first. Directories end with `/`, so that they sort as their content does.
    names: Vec<Box<str>>,
}

impl Walk {
    fn enter(&mut self, prefix: String) -> io::Result<()> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(io::Error::other(format!("{prefix} lies too deep")));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir.join(&prefix))? {
            let entry = entry?;
            let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
            names.push(format!("{}{slash}", entry.file_name().to_string_lossy()).into_boxed_str());
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        self.stack.push(Level { prefix, names });
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(level) = self.stack.last_mut() {
            let Some(name) = level.names.pop() else {
                self.stack.pop();
                continue;
            };
            let path = format!("{}{name}", level.prefix);
            if !path.ends_with('/') {
                return Some(Ok(path));
            }
            if let Err(e) = self.enter(path) {
                return Some(Err(e));
            }
        }
        None
    }
}

/// Writes a bundle beside its place and moves it there when it is whole.
#[derive(Debug)]
pub struct BundleWriter {
    dir: PathBuf,
    beside: PathBuf,
}

impl BundleWriter {
    /// Starts a bundle that will be at `dir`, which must not exist yet.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn create(dir: &Path) -> Result<Self, DiskError> {
        let beside = dir.with_added_extension("partial");
        for taken in [dir, &beside] {
            if taken.exists() {
                return Err(DiskError::new(taken, io::ErrorKind::AlreadyExists.into()));
            }
        }
        durable::create_dir(&beside)?;
        Ok(Self { dir: dir.to_owned(), beside })
    }

    /// Writes one file; the sink for [`azir_ledger::bundle::export`].
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn put(&self, name: &str, from: &mut dyn Read) -> io::Result<()> {
        let path = self.beside.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create_new(&path)?;
        io::copy(from, &mut file).map(|_| ())
    }

    /// Flushes everything and moves the bundle to its place.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn finish(self) -> Result<(), DiskError> {
        sync_tree(&self.beside).map_err(DiskError::at(&self.beside))?;
        fs::rename(&self.beside, &self.dir).map_err(DiskError::at(&self.dir))?;
        let parent = self.dir.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        durable::sync_dir(parent).map_err(DiskError::at(parent))
    }
}

/// Flushes every file below `dir`, then every directory. Several flushes are under way at a time,
/// since a file system commits what waits together at once: a bundle has thousands of small files.
fn sync_tree(dir: &Path) -> io::Result<()> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    let mut next = 0;
    while let Some(dir) = dirs.get(next) {
        next += 1;
        let mut below = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let into = if entry.file_type()?.is_dir() { &mut below } else { &mut files };
            into.push(entry.path());
        }
        dirs.append(&mut below);
    }
    sync_all(&files)?;
    // A directory can be opened and flushed like a file.
    sync_all(&dirs)
}

fn sync_all(paths: &[PathBuf]) -> io::Result<()> {
    let part = paths.len().div_ceil(SYNCS).max(1);
    std::thread::scope(|scope| {
        let sync =
            |paths: &[PathBuf]| paths.iter().try_for_each(|path| File::open(path)?.sync_all());
        let threads: Vec<_> = paths.chunks(part).map(|p| scope.spawn(move || sync(p))).collect();
        let died = || Err(io::Error::other("a thread that flushes files died"));
        // Every thread is joined, also after an error: the scope would panic for one that died.
        let join = |all: io::Result<()>, one: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
            all.and(one.join().unwrap_or_else(|_| died()))
        };
        threads.into_iter().fold(Ok(()), join)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_full_paths() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/b", "a.c", "a0", "a/b.d/e", "Z", "b/c/d"] {
            let path = dir.path().join(name.replace("a/b.d", "a/bd"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let bundle = DirBundle::open(dir.path()).unwrap();
        let names: Vec<_> = bundle.names().unwrap().map(|n| n.unwrap()).collect();
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(names, sorted);
        assert_eq!(names, ["Z", "a.c", "a/b", "a/bd/e", "a0", "b/c/d"]);
    }

    #[test]
    fn links_and_paths_outside_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), b"s").unwrap();
        let inside = dir.path().join("bundle");
        fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let bundle = DirBundle::open(&inside).unwrap();
        let names: Vec<_> = bundle.names().unwrap().map(|n| n.unwrap()).collect();
        assert_eq!(names, ["link", "up"]);
        for name in ["link", "up", "up/secret", "../secret", "/etc/passwd", "", "."] {
            let error = bundle.open(name).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(bundle.open("none").err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_bundle_appears_whole_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("bundle");
        let writer = BundleWriter::create(&place).unwrap();
        writer.put("a/b", &mut b"x".as_slice()).unwrap();
        assert!(writer.put("a/b", &mut b"y".as_slice()).is_err());
        assert!(!place.exists());
        assert!(BundleWriter::create(&place).is_err(), "one at a time");
        writer.finish().unwrap();
        assert_eq!(fs::read(place.join("a/b")).unwrap(), b"x");
        let text = BundleWriter::create(&place).unwrap_err().to_string();
        assert!(text.contains("name another place"), "{text}");
    }

    #[test]
    fn flushing_reaches_every_file_and_directory_and_tells_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..3 * SYNCS).map(|i| dir.path().join(format!("{i}/f"))).collect();
        for path in &paths {
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        sync_tree(dir.path()).unwrap();
        fs::remove_file(&paths[2 * SYNCS]).unwrap();
        assert_eq!(sync_all(&paths).unwrap_err().kind(), io::ErrorKind::NotFound);
        sync_all(&[]).unwrap();
    }
}
