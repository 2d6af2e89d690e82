//! Events beside the walk itself: consent to a plan, taking a step back, calling people, what
//! becomes of deviations, and the change to another version.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Timestamp};
use azir_model::Role;
use serde::{Deserialize, Serialize};

use super::RunId;
use crate::hash::RunbookHash;
use crate::model::StepId;

/// Consent is asked for: votes that follow are for exactly this plan, until it expires. A newer
/// request voids the votes for an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    /// The run.
    pub run: RunId,
    /// The approval step.
    pub step: StepId,
    /// Hash of the plan, [`crate::plan_hash`].
    pub plan: Digest,
    /// When the consent ends, at most [`crate::consent::VALID_MS`] from now.
    pub expires: Timestamp,
}

/// A person took a step back, by what its `undo` says. The run itself goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undone {
    /// The run.
    pub run: RunId,
    /// The step: the newest that can be taken back and was not.
    pub step: StepId,
    /// What was done, and why; never blank.
    pub note: String,
}

/// A rung of the escalation ladder was reached: this role is called (R-34.1-5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalated {
    /// The run.
    pub run: RunId,
    /// The step that waits.
    pub step: StepId,
    /// Id of the rung.
    pub rung: String,
    /// Who is called.
    pub role: Role,
}

/// What becomes of a deviation: taken up by a version of the runbook, or dismissed with reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The run.
    pub run: RunId,
    /// Number of the deviation, from 0, in the order of the run.
    pub deviation: u32,
    /// The version that takes it up; none when it is dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<RunbookHash>,
    /// Why; never blank.
    pub rationale: String,
}

/// The run goes on under another version, between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrated {
    /// The run.
    pub run: RunId,
    /// The version that is left.
    pub from: RunbookHash,
    /// The version that is gone over to.
    pub to: RunbookHash,
    /// Its number.
    pub version: u32,
    /// Steps that have another id there.
    pub map: BTreeMap<StepId, StepId>,
    /// Why; never blank.
    pub rationale: String,
}
