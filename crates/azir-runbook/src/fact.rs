//! Named facts: what predicates may ask. The list is closed, so a misspelt name is a load error.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Value of a fact, or of an argument of an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number; the unit is part of the fact's meaning.
    Int(i64),
    /// A text.
    Text(String),
}

impl FactValue {
    /// The type of this value.
    #[must_use]
    pub const fn kind(&self) -> FactType {
        match self {
            Self::Bool(_) => FactType::Bool,
            Self::Int(_) => FactType::Int,
            Self::Text(_) => FactType::Text,
        }
    }
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => b.fmt(f),
            Self::Int(i) => i.fmt(f),
            Self::Text(t) => f.write_str(t),
        }
    }
}

/// Facts by name. A fact that is absent is unknown, never false.
pub type Facts = BTreeMap<String, FactValue>;

azir_model::wire_enum! {
    /// Types of facts.
    pub enum FactType {
        /// Yes or no.
        Bool = "bool",
        /// Whole number.
        Int = "int",
        /// Text.
        Text = "text",
    }
}

/// A fact that predicates may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFact {
    /// Name in runbook files.
    pub name: &'static str,
    /// Type of its value.
    pub kind: FactType,
    /// What it says, with unit and clause.
    pub meaning: &'static str,
}

const fn yes(name: &'static str, meaning: &'static str) -> KnownFact {
    KnownFact { name, kind: FactType::Bool, meaning }
}

const fn count(name: &'static str, meaning: &'static str) -> KnownFact {
    KnownFact { name, kind: FactType::Int, meaning }
}

/// Every fact of this version. `answer.<step>` and `outcome.<step>` (texts) exist besides, for
/// steps that come earlier in the same runbook. That finality is healthy again is told by
/// `hard_final_epochs_advanced` and `roots_equal`. Implements R-14.3-4.
pub const KNOWN: &[KnownFact] = &[
    count("blast_rank", "blast radius, 0 to 4 (D-032)"),
    yes("candidates_doubtful", "candidate blocks above hard-final are in doubt (27.1)"),
    yes("checkpoint_computed", "the trusted checkpoint of this dispute is computed (27.2 step 1)"),
    yes("committee_mismatch_verified", "recomputed and used committee differ (14.1)"),
    yes("conflicting_hard_final", "two hard-final histories exist (annex J.1)"),
    yes("conflicting_notarization_verified", "two certificates of one slot verify (14.1)"),
    yes("damage_quiet", "the damage indicator has been zero for W_stab (annex B)"),
    yes("disputed_label_shown", "all reads above the trusted checkpoint carry `disputed` (31.2)"),
    yes("double_sign_pair_verified", "two votes or blocks by one key for one slot verify (14.1)"),
    yes("front_divergence_verified", "equal certificate sets, different fronts (14.1)"),
    yes("fronts_equal", "two nodes computed the same front from the same certificates (annex J.1)"),
    count("hard_final_epochs_advanced", "epochs that hard-final advanced since roles reopened"),
    count("hard_final_lag_slots", "slots since hard-final last rose (14.1)"),
    yes("implementations_differ", "two implementations gave two results for one input"),
    yes("incident_open", "the incident is declared and not closed"),
    yes("measures_verified", "every local measure was verified in the last 3 lease periods (rc2)"),
    yes("object_refused_by_all", "every implementation refuses the object (14.2)"),
    yes("old_votes_refused", "votes of the old restart number are refused (annex J.1)"),
    yes("own_outputs_closed", "verifier, proposer, notary and agent gates acknowledged closed"),
    count("phase_dwelt", "highest re-enable phase that is open and has dwelt, 0 to 7 (annex J.3)"),
    yes("protocol_measure_effective", "some protocol measure could take effect (D-042, annex F)"),
    count("replay_implementations", "implementations that executed the whole replay (rc3)"),
    yes("replay_match", "roots and receipts of the finalized path equal the certificates"),
    yes("restart_accepted", "every own operator's acceptance of the manifest is recorded"),
    yes("restart_criteria_met", "rc1 to rc7 hold for the subsystem (annex J.2)"),
    yes("restart_decision_valid", "the restart decision rc8 is signed and not expired (annex J.2)"),
    yes("restart_manifest_signed", "enough restart-authority signatures verify (annex J.1)"),
    yes("restrictions_revalidated", "restrictions and activations equal the recomputed set"),
    yes("roots_equal", "roots are equal in two implementations at the tip (R-14.3-4)"),
    yes("rule_named", "the rule of the protocol that allows the outcome is named (14.2)"),
    yes("seats_replaced", "the culprits' seats are replaced in the state restarted from"),
    yes("store_checksum_ok", "the checksum of the node's store holds (D-100)"),
    yes("validation_fault_unbounded", "a fault in validation itself is suspected (D-100)"),
];

/// The declared fact of this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static KnownFact> {
    KNOWN.iter().find(|fact| fact.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_names_are_sorted_and_unique() {
        assert!(KNOWN.windows(2).all(|w| w[0].name < w[1].name));
        assert!(known("replay_match").is_some() && known("replay_matches").is_none());
    }
}
