//! The seam between storage and the disk: every step whose failure matters passes through here.

use std::fmt;
use std::io;
use std::path::Path;

/// Kinds of steps, each of which can fail on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// Content goes into a new file that nobody refers to yet.
    Write,
    /// The content is flushed to the disk.
    Sync,
    /// The file gets its final name.
    Publish,
    /// The directory is flushed to the disk.
    SyncDir,
    /// Rows are inserted into an open transaction.
    Insert,
    /// A database transaction is committed and flushed.
    Commit,
}

impl StepKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Write, Self::Sync, Self::Publish, Self::SyncDir, Self::Insert, Self::Commit];
}

/// One step on one path.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is done.
    pub kind: StepKind,
    /// To which file or directory.
    pub path: &'a Path,
}

/// Carries out steps. Tests put faults here; [`Disk`] does what it is told.
pub trait Port: Send + Sync + fmt::Debug {
    /// Carries out `act` for `step`.
    ///
    /// # Errors
    /// That of `act`.
    fn run(&self, step: Step<'_>, act: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Port for Disk {
    fn run(&self, _step: Step<'_>, act: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        act()
    }
}
