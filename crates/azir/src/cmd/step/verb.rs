//! The verbs of `azir step`, as arguments.

use std::path::PathBuf;

use azir_ledger::Digest;
use azir_model::Role;
use azir_runbook::event::{EndOutcome, Outcome};

/// What happens at a step.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Start the run of the bound runbook, or the next run after one that ended
    Start,
    /// An operation is about to be attempted: recorded before the effect
    Begin {
        /// The step
        step: String,
    },
    /// A step, or the attempt at it, has a result
    ///
    /// Without --as the log's server says it: an operation is done where its effect stands in the
    /// log, a condition is what the facts say. Evidence that the incident holds is added by itself.
    Done {
        /// The step
        step: String,
        /// The outcome: done, done_with_deviation, could_not, not_applicable, failed, unknown
        #[arg(long, value_parser = outcome)]
        outcome: Option<Outcome>,
        /// What else to know; needed for every outcome but done, failed and unknown
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// A piece of evidence beside those that the incident holds
        #[arg(long, value_name = "ITEM=HASH", value_parser = piece)]
        evidence: Vec<(String, Digest)>,
    },
    /// An attempt has no known result: a person has to look
    Uncertain {
        /// The step
        step: String,
    },
    /// Answer a decision
    Answer {
        /// The step
        step: String,
        /// One of its answers
        answer: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Ask for consent to the plan as it stands, for an hour; whoever asks does not vote
    Ask {
        /// The approval step
        step: String,
    },
    /// Consent to the plan that is asked for
    Approve {
        /// The approval step
        step: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Reject the plan that is asked for
    Reject {
        /// The approval step
        step: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Leave the written path, or allow one more attempt with --to the same step
    Skip {
        /// The current step
        step: String,
        /// Where the run goes on
        #[arg(long, value_name = "STEP")]
        to: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        why: String,
    },
    /// Say that a person took a step back: the newest that can be
    Undo {
        /// The step [default: the newest that can be taken back]
        step: Option<String>,
        /// What was done, and why
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Say what becomes of a deviation: taken up by a version, or dismissed
    Settle {
        /// Number of the deviation, as `azir run` shows it
        deviation: u32,
        /// Hash of the released version that takes it up; without it the deviation is dismissed
        #[arg(long, value_name = "HASH")]
        merged: Option<Digest>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Go over to the version that was bound since
    Migrate {
        /// A step that has another id there
        #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
        map: Vec<(String, String)>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// End the run
    End {
        /// completed, or given_up: restrictions stay in force
        #[arg(long, value_parser = end, default_value = "completed")]
        outcome: EndOutcome,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

impl Verb {
    /// The step that is named.
    pub(super) fn step(&self) -> Option<&str> {
        match self {
            Self::Begin { step }
            | Self::Done { step, .. }
            | Self::Uncertain { step }
            | Self::Answer { step, .. }
            | Self::Ask { step }
            | Self::Approve { step, .. }
            | Self::Reject { step, .. }
            | Self::Skip { step, .. } => Some(step),
            Self::Undo { step, .. } => step.as_deref(),
            Self::Start | Self::Settle { .. } | Self::Migrate { .. } | Self::End { .. } => None,
        }
    }
}

/// Who says it. Without --as it is the log's server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct By {
    /// Who acts, for example operator:ana, or agent:n1 with --machine-key; without it the server
    #[arg(long = "as", value_name = "WHO", global = true)]
    pub(crate) actor: Option<String>,
    /// The role that a person acts in [default: the first of the step's that the person holds]
    #[arg(long, global = true)]
    pub(crate) role: Option<Role>,
    /// Unencrypted SSH private key file that signs
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) key: Option<PathBuf>,
    /// Seed file of a machine that signs
    #[arg(long, value_name = "FILE", conflicts_with = "key", global = true)]
    pub(crate) machine_key: Option<PathBuf>,
    /// Write the event here instead, to be signed with `azir sign` or `ssh-keygen -Y sign`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "machine_key"], global = true)]
    pub(crate) out: Option<PathBuf>,
}

fn outcome(text: &str) -> Result<Outcome, String> {
    word(text, Outcome::ALL.iter().map(|o| o.as_str()))
}

fn end(text: &str) -> Result<EndOutcome, String> {
    word(text, EndOutcome::ALL.iter().map(|o| o.as_str()))
}

fn word<T: std::str::FromStr>(
    text: &str,
    known: impl Iterator<Item = &'static str>,
) -> Result<T, String> {
    text.parse().map_err(|_| format!("one of {}", known.collect::<Vec<_>>().join(", ")))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or("two names with = between them")?;
    Ok((left.to_owned(), right.to_owned()))
}

fn piece(text: &str) -> Result<(String, Digest), String> {
    let (item, hash) = pair(text)?;
    let hash = hash.parse().map_err(|e| format!("{e}"))?;
    Ok((item, hash))
}
