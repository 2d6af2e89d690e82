//! Bodies of replay, checkpoint, recovery and re-enable.

use std::collections::BTreeMap;

use azir_ledger::{Digest, SeenFinal};
use azir_model::RecoveryMode;
use serde::{Deserialize, Serialize};

/// Verdict of a replay (annex J.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayVerdict {
    /// Every root equal.
    Match,
    /// A first difference was found.
    Diverged,
    /// Not everything was replayed; never success.
    Incomplete,
    /// Input failed the source rule.
    InputUntrusted,
}

/// Body of `replay.reported`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayReported {
    /// The canonical report in the vault.
    pub report: Digest,
    /// Its verdict.
    pub verdict: ReplayVerdict,
    /// Source families of the implementations that ran (D-099).
    pub families: Vec<String>,
    /// Trusted checkpoint from which it ran.
    pub checkpoint: SeenFinal,
    /// Number of branches above the checkpoint that were replayed.
    pub branches: u64,
    /// Restrictions in force as recomputed (27.2 step 7), sorted by object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Vec<Digest>>,
}

/// Body of `checkpoint.pinned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointPinned {
    /// The computed checkpoint.
    pub checkpoint: SeenFinal,
    /// Replay report from which it was computed.
    pub report: Digest,
}

/// Body of `recovery.planned`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanned {
    /// Recovery mode (26.1).
    pub mode: RecoveryMode,
    /// Target scope.
    pub scope: String,
    /// Entry condition.
    pub entry: String,
    /// Expected outputs, by name.
    pub outputs: Vec<String>,
    /// Exit criteria, by name.
    pub exits: Vec<String>,
    /// Scopes whose stores the plan destroys: each needs a preservation receipt (O1).
    pub destroys: Vec<String>,
    /// Subsystems to bring back, as `node/role`.
    pub subsystems: Vec<String>,
}

/// Body of `recovery.approved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryApproved {
    /// Hash of the `recovery.planned` event.
    pub plan: Digest,
}

/// Body of `recovery.produced`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryProduced {
    /// Name of an expected output or an exit criterion of the plan.
    pub item: String,
    /// Proof in the vault.
    pub proof: Digest,
}

/// Content of the proof of the item `reference_roots_equal`: one root of one block, as several
/// sources have it (22.2, annex J.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootComparison {
    /// The block, at most the hard-final one.
    pub at: SeenFinal,
    /// The root that its certificate carries.
    pub certificate: Digest,
    /// The root of the rebuilt store.
    pub own: Digest,
    /// The roots of peers or reference checkpoints, by name; at least two.
    pub references: BTreeMap<String, Digest>,
}

/// Body of `recovery.recorded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRecorded {
    /// True for `done`, false for `none_required`.
    pub done: bool,
    /// What was done, or why nothing had to be.
    pub statement: String,
    /// Report that proves it, in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
}

/// Body of `phase.carried`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseCarried {
    /// The subsystem to bring back.
    pub subsystem: azir_model::restart::Subsystem,
    /// Hash of the restart decision that this carries out.
    pub decision: Digest,
}

/// Body of `manifest.accepted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestAccepted {
    /// The signed manifest, in the vault.
    pub manifest: Digest,
    /// Its restart number.
    pub restart: u64,
}
