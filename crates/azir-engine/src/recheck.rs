//! The offline check of what a log decided: every event is admitted again by the rules that stood
//! before it, every decision is decided again, every view hash is computed again. It is the live
//! admission and the live fold; there is no second set of rules.

use azir_ledger::Entry;
use azir_model::Refusal;

use crate::admit;
use crate::body::Body;
use crate::engine::Objects;
use crate::state::{FoldError, State};

/// One fault of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The rules refuse this event at its position.
    #[error("entry {index} ({kind}) should have been refused:\n{refusal}")]
    Inadmissible {
        /// Index.
        index: u64,
        /// Kind of event.
        kind: String,
        /// Why.
        refusal: Refusal,
    },
    /// The entry does not follow from its predecessors.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// What a recheck has covered so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events admitted again.
    pub events: u64,
    /// Containment decisions decided again from their logged input.
    pub decisions: u64,
    /// Lifecycle transitions whose guards were checked again.
    pub transitions: u64,
    /// Restart decisions whose criteria were checked again.
    pub restarts: u64,
    /// View hashes computed again.
    pub views: u64,
    /// Refused attempts on record.
    pub refusals: u64,
}

/// A recheck in progress: entries go in one by one, in order. Implements R-41.3-1.
#[derive(Debug, Default)]
pub struct Recheck {
    state: State,
    counts: Counts,
    log: Option<(String, String)>,
}

impl Recheck {
    /// Checks the next entry.
    ///
    /// # Errors
    /// [`Fault`]. After [`Fault::Inadmissible`] the check may go on; after [`Fault::Fold`] later
    /// entries cannot be judged.
    pub fn next(&mut self, entry: &Entry, objects: &dyn Objects) -> Result<(), Fault> {
        let event = entry.signed.event();
        let (log, mode) =
            self.log.get_or_insert_with(|| (event.log.clone(), event.mode.clone())).clone();
        let index = entry.meta.index;
        let recorded = entry.meta.recorded;
        let admitted = admit::admit(&self.state, &log, &mode, &entry.signed, recorded, objects);
        self.state.apply(entry)?;
        self.counts.views += 1;
        match admitted {
            Ok(body) => {
                self.counts.events += 1;
                match body {
                    Body::DecisionRecorded(_) => self.counts.decisions += 1,
                    Body::StateMoved(_) => self.counts.transitions += 1,
                    Body::RestartDecided(_) => self.counts.restarts += 1,
                    Body::AttemptRefused(_) => self.counts.refusals += 1,
                    _ => {}
                }
                Ok(())
            }
            Err(refused) => Err(Fault::Inadmissible {
                index,
                kind: event.kind.clone(),
                refusal: refused.refusal,
            }),
        }
    }

    /// State after the entries so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
