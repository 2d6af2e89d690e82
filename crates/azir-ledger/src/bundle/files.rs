//! How a bundle's files are reached: by name, one at a time, in order.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// Files of a bundle. Nothing is loaded ahead, so a check needs no memory for file contents.
pub trait BundleFiles {
    /// Paths of all files relative to the bundle, `/` between parts, ascending by bytes. A thing
    /// that is no regular file is listed too and fails to open.
    ///
    /// # Errors
    /// When a directory cannot be read.
    fn names(&self) -> io::Result<Box<dyn Iterator<Item = io::Result<String>> + '_>>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none; another kind when it cannot be read.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>>;
}

/// A bundle in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryBundle(pub BTreeMap<String, Vec<u8>>);

impl BundleFiles for MemoryBundle {
    fn names(&self) -> io::Result<Box<dyn Iterator<Item = io::Result<String>> + '_>> {
        Ok(Box::new(self.0.keys().cloned().map(Ok)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}

impl MemoryBundle {
    /// A sink for [`super::export`].
    pub fn sink(&mut self) -> impl FnMut(&str, &mut dyn Read) -> io::Result<()> + '_ {
        |name, from| {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes)?;
            self.0.insert(name.to_owned(), bytes);
            Ok(())
        }
    }
}

/// Why a bounded read gave nothing.
#[derive(Debug)]
pub(super) enum ReadError {
    Missing,
    TooLong { limit: usize },
    Io(io::Error),
}

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read_small(
    files: &dyn BundleFiles,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>, ReadError> {
    let file = files.open(name).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Io(e),
    })?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() > limit { Err(ReadError::TooLong { limit }) } else { Ok(bytes) }
}
