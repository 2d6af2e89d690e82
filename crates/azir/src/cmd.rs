//! The commands.

pub(crate) mod act;
pub(crate) mod advise;
pub(crate) mod attest;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod complete;
pub(crate) mod decide;
pub(crate) mod drill;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod incident;
pub(crate) mod init;
pub(crate) mod kinds;
pub(crate) mod machine;
pub(crate) mod orders;
pub(crate) mod pages;
pub(crate) mod postmortem;
pub(crate) mod runbook;
pub(crate) mod runs;
pub(crate) mod sign;
pub(crate) mod status;
pub(crate) mod step;
pub(crate) mod strict;
pub(crate) mod text;
pub(crate) mod todo;
pub(crate) mod verify;
pub(crate) mod watch;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

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
            Err(CliError::write(Path::new("standard output"), e))
        }
        _ => Ok(()),
    }
}

/// Largest key, roster, body, event or signature file that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Opens a regular file, also behind links. A pipe or device could wait or go on for ever.
pub(crate) fn regular(path: &Path) -> Result<File, CliError> {
    let meta = std::fs::metadata(path).map_err(|e| CliError::read(path, e))?;
    if !meta.is_file() {
        return Err(CliError::Usage(format!(
            "{} is no regular file; copy the content into a file and name that",
            path.display()
        )));
    }
    File::open(path).map_err(|e| CliError::read(path, e))
}

/// Reads a regular file of at most [`INPUT_BYTES_MAX`] bytes.
pub(crate) fn input(path: &Path) -> Result<Vec<u8>, CliError> {
    input_within(path, INPUT_BYTES_MAX)
}

/// Reads a regular file of at most `max` bytes; a longer one is not read to its end.
pub(crate) fn input_within(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = regular(path)?.take(max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|e| CliError::read(path, e))?;
    if bytes.len() as u64 > max {
        return Err(CliError::content(path, format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

/// [`input`] as text.
pub(crate) fn input_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(input(path)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        CliError::content(path, format!("no text: byte {at} is not UTF-8"))
    })
}

/// Longest reason of a TOML error that is told, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What is wrong with a TOML file, by its line. The line itself may hold a secret or be endless, so
/// it is not shown.
pub(crate) fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let reason: String = error.message().chars().take(REASON_CHARS_MAX).collect();
    format!("line {line}: {reason}")
}
