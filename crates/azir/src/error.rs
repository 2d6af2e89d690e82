//! Errors of the command line: one variant for each remedy, each with a stable code and a page.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use azir_model::Refusal;

/// Why a command did not do what was asked. Nothing was changed unless the text says so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A file cannot be read.
    #[error("cannot read {path}: {why}")]
    Read { path: PathBuf, why: String },
    /// A directory cannot be written.
    #[error("cannot write {path}: {why}")]
    Write { path: PathBuf, why: String },
    /// The output directory holds something else.
    #[error("{path} exists and is not the output of an earlier drill; nothing was written")]
    Occupied { path: PathBuf },
    /// The words of the command do not fit.
    #[error("{0}")]
    Usage(String),
    /// A file is not what the command takes.
    #[error("{path}: {why}")]
    Content { path: PathBuf, why: String },
    /// A rule refused the request.
    #[error("{0}")]
    Refused(Refusal),
    /// Verification found faults; they were printed.
    #[error("{0}")]
    Faults(String),
    /// A drill did not pass; its report was written.
    #[error("{0}")]
    DrillFailed(String),
    /// Something that must not happen.
    #[error("{0}; please report this with the command that you ran")]
    Internal(String),
}

impl CliError {
    /// Stable code, for `azir explain`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "AZ-E0001",
            Self::Write { .. } => "AZ-E0002",
            Self::Occupied { .. } => "AZ-E0003",
            Self::Usage(_) => "AZ-E0004",
            Self::Content { .. } => "AZ-E0005",
            Self::Refused(refusal) => refusal.kind().as_str(),
            Self::Faults(_) => "AZ-E0006",
            Self::DrillFailed(_) => "AZ-E0007",
            Self::Internal(_) => "AZ-E0070",
        }
    }

    /// Exit code of the process.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Content { .. } => 2,
            Self::Refused(_) => 3,
            Self::Faults(_) | Self::DrillFailed(_) => 4,
            Self::Read { .. } | Self::Write { .. } | Self::Occupied { .. } => 5,
            Self::Internal(_) => 70,
        }
    }

    pub(crate) fn read(path: &Path, why: impl ToString) -> Self {
        Self::Read { path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) fn write(path: &Path, why: impl ToString) -> Self {
        Self::Write { path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) fn content(path: &Path, why: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), why: why.to_string() }
    }

    /// Prints the error on standard error, as text or as one JSON object. Nobody can be told when
    /// standard error is closed or full: the exit code still says it.
    pub(crate) fn print(&self, json: bool) {
        let mut text = String::new();
        if json {
            let value = serde_json::json!({
                "code": self.code(), "exit": self.exit(), "error": self.to_string(),
                "explain": format!("azir explain {}", self.code()),
            });
            text.push_str(&format!("{value}\n"));
        } else {
            match self {
                // A refusal names its kinds itself, one line for each condition.
                Self::Refused(refusal) => text.push_str(&format!("refused {refusal}\n")),
                other => text.push_str(&format!("error {}: {other}\n", other.code())),
            }
            text.push_str(&format!("  more: azir explain {}\n", self.code()));
        }
        let _untellable = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
