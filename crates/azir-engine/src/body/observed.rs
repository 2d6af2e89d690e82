//! Bodies of what machines observe: gates and the network (annex G).

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{Digest, MachinePublic, SeenFinal};
use azir_model::Choice;
use azir_model::directive::{GateStatement, Signed};
use azir_runbook::FactValue;
use serde::{Deserialize, Serialize};

/// Body of `gate.stated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateStated {
    /// The gate's own signed statement.
    pub statement: Signed<GateStatement>,
}

/// Body of `network.observed`: facts of one node, each verified by certificates (annex G).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkObserved {
    /// Node that verified.
    pub node: String,
    /// Hard-final tip.
    pub hard_final: SeenFinal,
    /// Slots in which two certificates verify.
    pub conflicting_slots: u64,
    /// True when two hard-final blocks exist, neither ancestor of the other.
    pub conflicting_hard_final: bool,
    /// True when hard-final rose within the last epoch.
    pub finalizing: bool,
    /// The checksum of the node's store holds (D-100).
    pub store_ok: bool,
    /// Seats of the network.
    pub seats: u64,
    /// Seats that a certificate needs.
    pub quorum: u64,
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// Damage indicator: harmful objects newly seen since the last observation; 0 is quiet.
    pub damage: u64,
}

azir_model::wire_enum! {
    /// How an adapter knows a fact (D-008).
    pub enum Verified {
        /// By certificates and proofs that the node checked itself.
        Cryptographic = "cryptographic",
        /// By equal answers of several independent nodes.
        Quorum = "quorum",
        /// Somebody says so. Never enough for a fact of annex G.
        Asserted = "asserted",
    }
}

/// Body of `restrictions.observed`: all restrictions in force at one hard-final height. The newest
/// list replaces the one before; what is missing in it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestrictionsObserved {
    /// Node that verified.
    pub node: String,
    /// The block at which these are in force.
    pub hard_final: SeenFinal,
    /// How it is known.
    pub verified: Verified,
    /// Sorted by object, each once.
    pub in_force: Vec<Restriction>,
}

/// A restriction in finalized state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// SHA-256 of the finalized object's canonical bytes.
    pub object: Digest,
    /// Which choice of annex D.4 it is.
    pub choice: Choice,
    /// What it covers.
    pub scope: String,
    /// Capability that it removes, 1 to 4 (annex D.3).
    pub capability: u64,
    /// Height from which it is in force.
    pub since: u64,
    /// Height at which it ends by itself; absent = none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<u64>,
    /// Height at which it is reviewed (D-071).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<u64>,
    /// The incident that the object cites; its validity never depends on it (7.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cites: Option<String>,
}

azir_model::wire_enum! {
    /// Verdict on a governance path, recomputed from finalized objects (D-090).
    pub enum PathVerdict {
        /// Everything on it followed the rules.
        Regular = "regular",
        /// A challenge is open, or recomputations differ.
        Disputed = "disputed",
        /// A rule was broken.
        Anomalous = "anomalous",
    }
}

/// Body of `governance.observed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceObserved {
    /// Node that recomputed.
    pub node: String,
    /// The block up to which it was recomputed.
    pub hard_final: SeenFinal,
    /// How it is known.
    pub verified: Verified,
    /// The path, for example `gov-path:emergency`.
    pub path: String,
    /// The verdict.
    pub verdict: PathVerdict,
    /// What was compared, in the vault.
    pub proof: Digest,
}

azir_model::wire_enum! {
    /// Mode of a mandate in finalized state (annex G).
    pub enum MandateMode {
        /// Every action within its caps.
        Active = "active",
        /// Annex H.
        ExitOnly = "exit_only",
        /// None.
        Halted = "halted",
    }
}

/// A mandate in finalized state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mandate {
    /// Its name, as in the scope `mandate:<name>`.
    pub mandate: String,
    /// SHA-256 of its principal's newest authorisation.
    pub object: Digest,
    /// Height from which that authorisation holds.
    pub since: u64,
    /// Its mode.
    pub mode: MandateMode,
}

/// Body of `mandates.observed`: the mandates of own agents at one hard-final height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MandatesObserved {
    /// Node that verified.
    pub node: String,
    /// The block at which these entries stand.
    pub hard_final: SeenFinal,
    /// How it is known.
    pub verified: Verified,
    /// Sorted by mandate, each once.
    pub mandates: Vec<Mandate>,
}

/// Body of `reading.stated`: facts that a runbook asks for and that the log itself cannot tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingStated {
    /// Facts by name, each of the type that its name has.
    pub facts: BTreeMap<String, FactValue>,
    /// Facts that are unknown again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub withdrawn: BTreeSet<String>,
    /// What shows it, in the vault.
    pub basis: Digest,
}

/// Body of `key.listed`: keys that are taken to be in the wrong hands. There is no way back for a
/// key, only another key (D-108).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyListed {
    /// The keys, as gates state them.
    pub keys: BTreeSet<MachinePublic>,
    /// Why.
    pub reason: String,
}
