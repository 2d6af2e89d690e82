//! `azir runbook`: runbooks as files and versions: shown, checked, compared, exchanged, released.

mod diff;
mod exchange;
mod fmt;
mod library;
mod lint;
mod plan;
mod release;
mod show;

use std::path::PathBuf;

use azir_ledger::Timestamp;

use super::Talk;
use super::act::Author;
use crate::cli::Data;
use crate::error::CliError;

/// What to do with runbooks. A runbook is named by its id for the newest version, `ID@N` for
/// version N, or by a file.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum What {
    /// List the runbooks with their versions
    List {
        /// Also versions that were released into the log of this deployment
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Show a runbook: when it fits, what to look at, what to do, and every step with its ways on
    Show {
        /// ID, ID@N, or a file
        runbook: String,
        /// One step only
        #[arg(long, conflicts_with = "picture")]
        step: Option<String>,
        /// Write the picture of its paths to this new SVG file
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Also look among the versions that were released into the log of this deployment
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Check every path of a runbook against AZ-015; each finding shows a shortest path
    Lint {
        /// IDs, IDs with @N, or files
        #[arg(required_unless_present = "all")]
        runbooks: Vec<String>,
        /// The newest version of every runbook
        #[arg(long)]
        all: bool,
        /// Check quorums against the people of this deployment
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Write runbook files in the one layout; the content and so the hash stay as they are
    Fmt {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Change nothing; end with code 3 when a file has another layout
        #[arg(long)]
        check: bool,
        /// Also rewrite a file with comments below its first lines, which are lost
        #[arg(long)]
        drop_comments: bool,
    },
    /// What differs between two runbooks, and whether the change is critical
    Diff {
        /// ID, ID@N, or a file
        old: String,
        /// ID, ID@N, or a file
        new: String,
        /// Also look among the versions that were released into the log of this deployment
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Dry run: what each step would do now, who has to sign, what is missing; records nothing
    Plan {
        /// ID, ID@N, or a file
        runbook: String,
        /// Incident, or the beginning of its id [default: the only one that is open]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Write a runbook for other tools
    Export {
        /// ID, ID@N, or a file
        runbook: String,
        /// The format
        #[arg(long, value_enum, default_value_t = Format::Cacao)]
        format: Format,
        /// File to write, which must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// When the first version of the playbook was made, such as 2026-01-02T03:04:05.000Z
        /// [default: as --modified]
        #[arg(long, value_name = "TIME", value_parser = time)]
        created: Option<Timestamp>,
        /// When this version was made [default: now]
        #[arg(long, value_name = "TIME", value_parser = time)]
        modified: Option<Timestamp>,
        /// Also look among the versions that were released into the log of this deployment
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Read a CACAO 2.0 playbook: one of ours gives its runbook back, any other a draft to read
    ///
    /// Nothing of it is ever executed. A draft is text for a person, with the list of what is lost.
    Import {
        /// The playbook
        file: PathBuf,
        /// Write the runbook, or the draft, to this new file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Sign an exported playbook as a machine, so that others can tell who gave it out
    ///
    /// A version of a runbook is approved by people: see `azir runbook release`.
    Sign {
        /// The playbook
        file: PathBuf,
        /// Seed file of a machine, as `azir machine new` writes it
        #[arg(long, value_name = "FILE")]
        machine_key: PathBuf,
        /// Name of the signer, for people
        #[arg(long)]
        name: String,
        /// Last moment of validity [default: none]
        #[arg(long, value_name = "TIME", value_parser = time)]
        valid_until: Option<Timestamp>,
        /// File to write, which must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Release the next version of a runbook into the log, after two leads approved it
    ///
    /// A change of steps, containment or exit criteria is critical: write the event with --out, let
    /// two leads run `azir sign EVENT --as WHO --role ROLE --key KEY`, then submit it with both
    /// approvals.
    Release {
        /// The file of the version
        file: PathBuf,
        /// What changed and why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        author: Author,
    },
    /// The versions of a runbook in a log: who released and approved each, and what it changed
    History {
        /// Id of the runbook
        runbook: String,
        #[command(flatten)]
        data: Data,
    },
}

/// Formats of other tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A CACAO 2.0 playbook
    Cacao,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "a time such as 2026-01-02T03:04:05.000Z".to_owned())
}

/// Does it.
pub(crate) fn run(talk: Talk, what: What) -> Result<(), CliError> {
    match what {
        What::List { data } => show::list(talk, data.as_deref()),
        What::Show { runbook, step, picture, data } => {
            let found = library::find(&runbook, data.as_deref())?;
            match picture {
                Some(out) => show::picture(talk, &found, &out),
                None => show::show(talk, &found, step.as_deref()),
            }
        }
        What::Lint { runbooks, all, data } => lint::run(talk, &runbooks, all, data.as_deref()),
        What::Fmt { files, check, drop_comments } => fmt::run(talk, &files, check, drop_comments),
        What::Diff { old, new, data } => {
            let old = library::find(&old, data.as_deref())?;
            let new = library::find(&new, data.as_deref())?;
            diff::run(talk, &old, &new)
        }
        What::Plan { runbook, incident, data } => {
            plan::run(talk, &data.dir, &runbook, incident.as_deref())
        }
        What::Export { runbook, format: Format::Cacao, out, created, modified, data } => {
            let found = library::find(&runbook, data.as_deref())?;
            exchange::export(talk, &found, &out, created, modified)
        }
        What::Import { file, out } => exchange::import(talk, &file, out.as_deref()),
        What::Sign { file, machine_key, name, valid_until, out } => {
            exchange::sign(talk, &file, &machine_key, name, valid_until, &out)
        }
        What::Release { file, reason, data, author } => {
            release::release(talk, &data.dir, &file, reason, &author)
        }
        What::History { runbook, data } => release::history(talk, &data.dir, &runbook),
    }
}
