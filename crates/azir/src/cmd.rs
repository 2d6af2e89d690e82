//! The commands.

pub(crate) mod act;
pub(crate) mod advise;
pub(crate) mod bench;
pub(crate) mod drill;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod incident;
pub(crate) mod init;
pub(crate) mod verify;

use std::io::Write as _;

use crate::error::CliError;

/// How to talk to the person or program that called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    /// JSON on standard output.
    pub(crate) json: bool,
    /// No progress.
    pub(crate) quiet: bool,
}

impl Talk {
    /// A progress line on standard error; it moves only on a terminal.
    pub(crate) fn progress(self, total: u64) -> indicatif::ProgressBar {
        if self.quiet || self.json {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new(total);
        // Invariant: the template is a constant that parses.
        if let Ok(style) = indicatif::ProgressStyle::with_template(
            "  {msg:<34} [{bar:30}] {percent:>3}%  {elapsed}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }
}

/// Writes to standard output. A reader that went away is no error.
pub(crate) fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::write(std::path::Path::new("standard output"), e))
        }
        _ => Ok(()),
    }
}
