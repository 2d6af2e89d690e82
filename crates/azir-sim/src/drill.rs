//! Drills: real incidents on the simulated network, carried out by drill identities through the
//! production engine, gates and replay. A drill is a data file and a script of what people do.

mod collect;
mod detect;
mod postmortem;
mod reopen;
mod replaying;
mod respond;
mod restore;
mod runbook;
mod setup;
mod situation;
mod stage;
mod tell;
#[cfg(test)]
mod tests;
mod truth;

use std::collections::BTreeSet;

use azir_atlas::Seat;
use azir_ledger::Timestamp;
use azir_model::Refusal;
use serde::Deserialize;

use crate::deployment::{Deployment, Journal};
use crate::fault::Fault;
use crate::report::DrillReport;

/// The drills that exist, as data files.
const FILES: [(&str, &str); 1] =
    [("conflicting-notarization", include_str!("../../../drills/conflicting-notarization.toml"))];

/// Why a drill did not come to its end. A drill that ends may still have failed checks.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DrillError {
    /// There is no such drill.
    #[error("no drill {name:?}; there is: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// The drill's file does not fit.
    #[error("drill file {name}: {why}")]
    File {
        /// The drill.
        name: String,
        /// What does not fit.
        why: String,
    },
    /// A step of the script was refused by the rules.
    #[error("{who} could not do {what}:\n{refusal}")]
    Refused {
        /// Who acted.
        who: String,
        /// Which act.
        what: String,
        /// Why not.
        refusal: Refusal,
    },
    /// The script came into a situation that it does not know.
    #[error("the script cannot go on: {0}")]
    Script(String),
}

impl DrillError {
    fn script(why: &str) -> Self {
        Self::Script(why.to_owned())
    }

    /// A part refused to work for the script.
    fn because(cause: impl std::fmt::Display) -> Self {
        Self::Script(cause.to_string())
    }

    fn refused(who: &str, what: &str, refusal: Refusal) -> Self {
        Self::Refused { who: who.to_owned(), what: what.to_owned(), refusal }
    }
}

/// How the network comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Doubtful candidates are dropped, the chain goes on.
    BranchReset,
    /// The network starts again from the trusted checkpoint under a signed manifest.
    SafeRestart,
}

/// One run of a drill.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// Name, `short` or `long`.
    pub name: String,
    /// What happens, for people.
    pub text: String,
    /// The way back.
    pub way: Way,
    /// Slot in which the split heals.
    pub heals_at: u64,
    /// Faults.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

impl RunPlan {
    /// First slot of the split.
    fn splits_at(&self) -> Option<u64> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Partition { slots, .. } => Some(slots.from),
            Fault::Offline { .. }
            | Fault::Equivocate { .. }
            | Fault::Delay { .. }
            | Fault::Drop { .. } => None,
        })
    }
}

/// A drill, as its file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillPlan {
    /// `azir.drill/1`.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Seats of the network.
    pub seats: usize,
    /// Seats that break the rules.
    pub culprits: BTreeSet<Seat>,
    /// When slot 0 begins.
    pub start: Timestamp,
    /// Runs.
    #[serde(rename = "run")]
    pub runs: Vec<RunPlan>,
}

/// Names of all drills.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// Reads a drill.
///
/// # Errors
/// [`DrillError::Unknown`] or [`DrillError::File`].
pub fn plan(name: &str) -> Result<DrillPlan, DrillError> {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        let known = names().collect::<Vec<_>>().join(", ");
        return Err(DrillError::Unknown { name: name.to_owned(), known });
    };
    let file = |why: String| DrillError::File { name: name.to_owned(), why };
    let plan: DrillPlan = toml::from_str(text).map_err(|e| file(e.to_string()))?;
    if plan.schema == "azir.drill/1" {
        Ok(plan)
    } else {
        Err(file(format!("schema {:?}", plan.schema)))
    }
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct DrillOutcome {
    /// The report.
    pub report: DrillReport,
    /// The operator's control plane with its log and vault, for export.
    pub plane: Deployment,
    /// Reference into the log: roster of the run.
    pub roster: azir_ledger::roster::Roster,
    /// The canonical opening record.
    pub record: Vec<u8>,
    /// Cosignatures that the final checkpoint must carry.
    pub quorum: u64,
}

/// Runs one run of a drill. `progress` gets a stage name, slots done and slots planned. Plan, run
/// and seed decide every byte. Implements R-36.1-2, R-36.1-9.
///
/// # Errors
/// [`DrillError`].
pub fn run(
    plan: &DrillPlan,
    run: &RunPlan,
    seed: u64,
    journal: Box<dyn Journal>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<DrillOutcome, DrillError> {
    let mut stage = setup::stage(plan, run, seed, journal, progress)?;
    detect::until_detected(&mut stage, run)?;
    respond::triage(&mut stage)?;
    respond::contain(&mut stage, run)?;
    truth::establish(&mut stage, run)?;
    respond::stabilise(&mut stage)?;
    restore::bring_back(&mut stage, plan, run)?;
    reopen::roles(&mut stage, run)?;
    restore::finish(&mut stage, run)?;
    tell::outcome(stage, plan, run)
}
