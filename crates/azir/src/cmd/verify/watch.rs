//! Progress of a long check: nothing for the first second, then a line that moves.

use std::cell::{Cell, OnceCell};
use std::io::{self, Read};
use std::time::{Duration, Instant};

use azir_ledger::bundle::BundleFiles;
use indicatif::ProgressBar;

use crate::cmd::Talk;

/// A check that ends within this time says nothing while it runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The files of a bundle, with a count of those that were opened.
pub(super) struct Watch<'a> {
    files: &'a dyn BundleFiles,
    talk: Talk,
    since: Instant,
    opened: Cell<u64>,
    bar: OnceCell<ProgressBar>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(files: &'a dyn BundleFiles, talk: Talk) -> Self {
        let since = Instant::now();
        Self { files, talk, since, opened: Cell::new(0), bar: OnceCell::new() }
    }

    /// Takes the line away.
    pub(super) fn done(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    /// A file is digested once, and most are read once more by the rules of their kind.
    fn bar(&self) -> ProgressBar {
        let files = self.files.names().map_or(0, Iterator::count) as u64;
        self.talk.progress(files.saturating_mul(2))
    }
}

impl BundleFiles for Watch<'_> {
    fn names(&self) -> io::Result<Box<dyn Iterator<Item = io::Result<String>> + '_>> {
        self.files.names()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        self.opened.set(self.opened.get() + 1);
        if self.since.elapsed() > PATIENCE {
            let bar = self.bar.get_or_init(|| self.bar());
            bar.set_position(self.opened.get());
            bar.set_message(name.split('/').next().unwrap_or_default().to_owned());
        }
        self.files.open(name)
    }
}
