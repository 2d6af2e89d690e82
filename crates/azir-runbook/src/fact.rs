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
    yes(
        "accepted_against_mandate",
        "a block holds an action that mandate, mode or caps forbid (19.1)",
    ),
    yes(
        "action_after_halt_verified",
        "an action was accepted above the height of halt or revocation (19.1)",
    ),
    yes(
        "activation_challenged_verified",
        "an activation stands while its challenge is open (20.1)",
    ),
    yes(
        "activation_dispute_settled",
        "the dispute over the activation is decided in finalized state (D-091)",
    ),
    yes(
        "activation_early_verified",
        "an activation stands below outcome height plus timelock (20.1)",
    ),
    yes("activations_conflict_verified", "two activations of one parameter in one epoch (20.1)"),
    yes(
        "affected_versions_known",
        "affected versions, with nodes and seats that run them, are listed (23.2)",
    ),
    yes("agent_gates_touched", "the incident closed an agent gate of an own node"),
    yes(
        "agent_key_suspect",
        "an action is unknown to the operator, or the owner says the key leaked (19.1)",
    ),
    yes(
        "agent_operator_key_compromised",
        "compromise of an agent operator key is confirmed (21.1, annex N.2)",
    ),
    yes("agent_touched", "the fault may touch an agent role of an own node (22.2)"),
    yes(
        "binary_unlisted_verified",
        "the hash of a running binary is in no release manifest (23.1)",
    ),
    yes("blast_assessment_published", "the blast radius assessment is published and signed (21.2)"),
    count("blast_rank", "blast radius, 0 to 4 (D-032)"),
    yes("boundedness_suspected", "a call may cost more than its bound; flag `boundedness` (16.3)"),
    yes("builds_diverge_verified", "two builds of one source give different receipts (23.1)"),
    count("builds_recorded", "independent builds of the affected source, with their hashes (23.2)"),
    yes("candidates_doubtful", "candidate blocks above hard-final are in doubt (27.1)"),
    yes("cap_exceeded_verified", "the sum of actions in an epoch is above the cap (19.1)"),
    count(
        "caps_clean_percent",
        "cap step of the scope with clean sample, at hard-final: 0 25 50 100 (annex J.1)",
    ),
    yes("challenge_window_open", "a challenge can still stop the disputed activation (D-091)"),
    yes(
        "charges_match",
        "charges and issue recomputed from finalized blocks equal receipts (18.2)",
    ),
    yes("cheap_repeatable", "the exploit is cheap and repeatable; flag of the same name (18.3)"),
    yes("checkpoint_computed", "the trusted checkpoint of this dispute is computed (27.2 step 1)"),
    yes("claim_invalid", "signature, policy or proof of a claim fails; the rule is named (17.2)"),
    yes("claims_revalidated", "every claim on the revalidation list is rechecked (17.2)"),
    yes("clean_actor_exists", "a key that is not compromised, or the principal, can act (annex H)"),
    yes("clock_in_bounds", "the clock is within half a slot of the median of 3 peers (annex I)"),
    yes("committee_mismatch_verified", "recomputed and used committee differ (14.1)"),
    yes("compromised_keys_gated", "every own gate of an affected key acknowledged closed (D-108)"),
    yes(
        "compromised_keys_listed",
        "every affected key is listed, so that no gate opens with it (D-108)",
    ),
    yes("conflicting_hard_final", "two hard-final histories exist (annex J.1)"),
    yes("conflicting_notarization_verified", "two certificates of one slot verify (14.1)"),
    yes(
        "constitutional_review_final",
        "the review of the disputed path is in finalized state (20.2)",
    ),
    yes(
        "contradictory_claims_verified",
        "two claims of one issuer, subject and sequence verify (17.1)",
    ),
    yes("corroborating_issuer_exists", "another independent issuer serves the subject (17.2)"),
    yes(
        "critical_flows_reauthorized",
        "each critical flow is authorised anew in finalized state (21.2)",
    ),
    yes("damage_quiet", "the damage indicator has been zero for W_stab (annex B)"),
    yes(
        "damaged_store_kept",
        "the damaged store is set aside whole, and reads from it are refused (22.2)",
    ),
    yes("dashboard_differs_verified", "a shown value differs from the replayed one (annex O, 8)"),
    yes(
        "decode_mismatch_verified",
        "bytes not canonical were accepted, or decoded in two ways (15.1)",
    ),
    yes(
        "dependency_unlisted_verified",
        "hash of lock file or bill of materials is not allowed (23.1)",
    ),
    yes(
        "dependent_flows_exist",
        "settlement or treasury flows read the family, by manifests (17.2)",
    ),
    yes(
        "dependent_flows_frozen",
        "each dependent flow is restricted at hard-final (17.2, annex G)",
    ),
    yes(
        "disputed_activation_held",
        "own validation refuses the activation, or a challenge holds it (D-091)",
    ),
    yes("disputed_label_shown", "all reads above the trusted checkpoint carry `disputed` (31.2)"),
    yes("double_sign_pair_verified", "two votes or blocks by one key for one slot verify (14.1)"),
    yes(
        "effect_digest_mismatch_verified",
        "equal status and cost, different effects digest (16.1)",
    ),
    yes(
        "effect_outside_class_table",
        "a finalized effect lies outside the table of classes (20.2)",
    ),
    yes("emergency_effects_ended", "no emergency effect of the incident is in force (annex J.1)"),
    yes("emergency_justified", "every term of annex F holds for some channel"),
    yes(
        "emergency_out_of_scope_verified",
        "payload or scope of an emergency is not in its class (20.1)",
    ),
    yes("emergency_reviewed", "the review after activation is recorded (38.2, annex J.1)"),
    yes("emergency_used", "an emergency restriction of the incident was finalized (annex G)"),
    count("equal_builds", "independent builders whose hashes of the new release are equal (D-109)"),
    yes("exec_cost_mismatch_verified", "replayed cost differs from the cost in the receipt (16.1)"),
    yes("execution_results_differ", "receipts of one call differ; the first step is known (16.1)"),
    yes("exit_only_in_force", "the mandate is in exit-only at hard-final (annex H, annex G)"),
    yes("expiry_mismatch_verified", "one object counts as live and as expired or revoked (15.1)"),
    yes(
        "exploit_quantified",
        "cost, gain, repeat rate and reach are recorded, recomputable (18.2)",
    ),
    yes(
        "exploitable",
        "a path from a call that anybody may send to gain or damage is shown (16.2)",
    ),
    yes("exposure_accepted", "the principal accepted the open exposure by signature (annex H)"),
    yes("exposure_never_rose", "no report shows more exposure than the first, by asset (28.2)"),
    yes("exposure_quantified", "open exposure by asset at hard-final is recorded (19.2)"),
    yes("feature_states_differ", "nodes hold different feature states at one height (15.2)"),
    yes("fee_underpriced", "measured work for each unit of fee is above its threshold (18.1)"),
    yes("finalized_invalid", "two implementations refute a finalized block (D-093)"),
    yes("fixture_made", "a minimal fixture with proofs is in the vault (D-098)"),
    yes("front_divergence_verified", "equal certificate sets, different fronts (14.1)"),
    yes("fronts_equal", "two nodes computed the same front from the same certificates (annex J.1)"),
    yes(
        "governance_applied_differs",
        "own nodes apply other governance state than recomputed (annex N.2)",
    ),
    yes(
        "governance_key_compromised",
        "compromise of a governance key is confirmed (21.1, annex N.2)",
    ),
    yes("governance_rules_kept", "every governance rule was kept on the disputed path (20.2)"),
    yes(
        "governance_state_equal",
        "two implementations recomputed the same governance state (20.2)",
    ),
    count("hard_final_epochs_advanced", "epochs that hard-final advanced since roles reopened"),
    count("hard_final_lag_slots", "slots since hard-final last rose (14.1)"),
    yes("harm_only_opening", "every harmful action opens or increases a position (annex H)"),
    yes("impact_check_negative", "finalized objects and gates show no effect (annex N.2)"),
    yes("implementations_differ", "two implementations gave two results for one input"),
    yes(
        "improper_activation_live",
        "an improper activation is in force at hard-final height (20.2)",
    ),
    yes("incident_open", "the incident is declared and not closed"),
    yes("index_mismatch_verified", "the recount of an index differs from hard-final state (22.1)"),
    yes(
        "index_recount_equal",
        "the recount of the rebuilt index equals hard-final state (annex J.1)",
    ),
    yes("indexer_touched", "the fault may touch the indexer of an own node (22.2)"),
    yes("integrity_facts_true", "every integrity fact of the gates holds (annex I)"),
    yes(
        "issuer_key_compromised",
        "compromise of an oracle issuer key is confirmed (21.1, annex N.2)",
    ),
    yes("journal_mismatch_verified", "positions in a journal differ from those in state (19.1)"),
    yes("journal_missing", "an action names a journal that does not exist (19.1)"),
    yes("keys_readable_by_binary", "a signing key was within reach of the bad binary"),
    yes("keys_revoked_final", "every affected key is revoked in finalized state (annex G)"),
    yes(
        "keys_rotated_final",
        "every affected key that returns is replaced in finalized state (annex G)",
    ),
    yes("linked_scopes_covered", "each linked scope has a measure or a reason (21.2)"),
    count(
        "malformed_at_byte",
        "offset of the first byte that is not canonical or breaks the schema (15.2)",
    ),
    yes("mandate_ended", "the principal revoked the mandate in finalized state (annex G)"),
    yes(
        "mandate_reauthorized",
        "a finalized object newer than the incident authorises it (annex J.3)",
    ),
    yes(
        "manifest_bound_exceeded",
        "recomputed bound of an accepted module is above its manifest (16.1)",
    ),
    yes("measures_verified", "every local measure was verified in the last 3 lease periods (rc2)"),
    yes("message_quarantine_required", "the rules demand a quarantine of recent messages (21.2)"),
    yes("module_decodes", "the module decodes and keeps its block structure (16.2)"),
    yes("modules_reverified", "every module that a faulty check accepted was checked again (16.2)"),
    yes("monitor_quiet", "the damage indicator has been zero for W_mon (annex B)"),
    yes("notary_key_compromised", "compromise of a notary key is confirmed (21.1, annex N.2)"),
    yes("notary_touched", "the fault may touch the notary of an own node (22.2)"),
    yes("object_malformed", "the input is not canonical or breaks its schema; byte named (15.2)"),
    yes("object_refused_by_all", "every implementation refuses the object (14.2)"),
    yes("old_votes_refused", "votes of the old restart number are refused (annex J.1)"),
    yes("open_exposure", "the subject has an open position at hard-final (annex H)"),
    yes("operator_key_compromised", "a key of the roster of this log is affected (D-051)"),
    yes(
        "outside_mandate_verified",
        "a signed action and the mandate that forbids it verify (19.1)",
    ),
    yes("own_charges_match", "own nodes charge and issue what rules and parameters say (18.2)"),
    yes("own_nodes_affected", "an own node runs an affected version, or ran it (23.2)"),
    yes("own_outputs_closed", "verifier, proposer, notary and agent gates acknowledged closed"),
    yes("own_root_matches", "own root equals the certificate at the latest hard-final (annex I)"),
    yes(
        "parameters_restored",
        "parameters are as before, or ordinary governance set them (annex J.1)",
    ),
    yes(
        "parameters_simulated",
        "the fix was simulated on recorded blocks, two implementations (18.2)",
    ),
    yes(
        "partition_local_verified",
        "an own node stands still while other operators progress (22.1)",
    ),
    yes("patch_active", "the simulated parameters stand at hard-final (18.2, annex G)"),
    yes(
        "patched_release_ready",
        "the patch passes fixture and vectors, two builders agree (D-122)",
    ),
    yes(
        "path_restriction_ended",
        "lift or expiry of the restriction is in finalized state (annex J.1)",
    ),
    yes("path_verdict_regular", "the verdict on the governance path is regular (D-090)"),
    yes("path_verdict_shown", "every view, export and status shows the verdict on the path (20.3)"),
    yes(
        "permission_leak_verified",
        "an effect lies outside the permissions of the manifest (16.1)",
    ),
    count("phase_dwelt", "highest re-enable phase that is open and has dwelt, 0 to 7 (annex J.3)"),
    yes(
        "price_sources_trusted",
        "no price source of the scope is quarantined or in doubt (annex H)",
    ),
    yes("proof_verdicts_differ", "one proof and one root got two answers (17.1)"),
    yes(
        "proposal_mislabelled_verified",
        "class of a proposal differs from the table of its payload (20.1)",
    ),
    yes("proposer_touched", "the fault may touch the proposer of an own node (22.2)"),
    yes("protocol_measure_effective", "some protocol measure could take effect (D-042, annex F)"),
    yes(
        "protocol_request_settled",
        "a measure over the scope is in force, or refused with reason (16.2)",
    ),
    yes("quorum_survives_measure", "enough seats for finality count after the measure (D-069)"),
    yes(
        "rebuilt_root_matches",
        "rebuilt root equals certificates at checkpoint and later (annex J.1)",
    ),
    yes(
        "reenable_criteria_recorded",
        "the re-enable criteria of each restricted scope are recorded (16.2)",
    ),
    yes("reference_compared", "the reference was compared to the first difference (16.2)"),
    yes("reference_mismatch_verified", "one reference was resolved to two ids (15.1)"),
    yes("reference_roots_equal", "own root equals two peers or reference checkpoints (22.2)"),
    yes("reference_undefined", "the reference has no defined result for the call (16.2)"),
    yes("release_hashes_differ_verified", "builders signed different hashes of one release (23.1)"),
    yes("rent_mismatch_verified", "rent charged differs from stored bytes times rate (18.1)"),
    count("replay_implementations", "implementations that executed the whole replay (rc3)"),
    yes("replay_match", "roots and receipts of the finalized path equal the certificates"),
    yes(
        "requested_measures_settled",
        "each measure the decision requests is in force, or its residual accepted",
    ),
    yes(
        "required_review_missing_verified",
        "a review that the class demands does not exist (20.1)",
    ),
    yes("restart_accepted", "every own operator's acceptance of the manifest is recorded"),
    yes("restart_criteria_met", "rc1 to rc7 hold for the subsystem (annex J.2)"),
    yes("restart_decision_valid", "the restart decision rc8 is signed and not expired (annex J.2)"),
    yes("restart_manifest_signed", "enough restart-authority signatures verify (annex J.1)"),
    yes("restrictions_revalidated", "restrictions and activations equal the recomputed set"),
    yes("revalidation_plan_made", "the list of claims to recheck is recorded (17.2)"),
    yes(
        "revocation_mismatch_verified",
        "a claim was used above the height of its revocation (17.1)",
    ),
    yes(
        "reward_mismatch_verified",
        "issued rewards differ from hard-final blocks times reward (18.1)",
    ),
    yes("rollout_suspended", "no pipeline installs an affected release any more (23.2)"),
    yes("roots_equal", "roots are equal in two implementations at the tip (R-14.3-4)"),
    yes("rpc_touched", "the fault may touch the reads of an own node (22.2)"),
    yes("rule_clarified", "the clarified rule is active at hard-final and has its vector (15.2)"),
    yes("rule_decides_input", "a rule or vector decides the result of the fixture (15.2)"),
    yes("rule_named", "the rule of the protocol that allows the outcome is named (14.2)"),
    yes("running_release_accepted", "every own running binary is in an accepted release (D-109)"),
    yes("same_bytes_disagree", "two implementations differ on the same bytes and state (D-033)"),
    count(
        "scope_capability_in_force",
        "widest capability in force on the scope, 0 to 4 (annex D.3)",
    ),
    yes("seat_key_affected", "a seat key is among the affected keys (annex N.1)"),
    yes("seats_replaced", "the culprits' seats are replaced in the state restarted from"),
    count("severity", "severity of the incident, 0 to 5 (D-118)"),
    yes("sign_state_intact", "the sign-state file of every own gate is there and intact (annex I)"),
    yes("signal_without_symptom", "a signal stands and no object proves a symptom (D-019)"),
    yes("signing_gates_touched", "the incident closed a signing gate of an own node"),
    yes("slash_mismatch_verified", "a slash differs from share times stake (18.1)"),
    yes("slashable_object_verified", "an object signed since the exposure is slashable (21.2)"),
    yes("snapshot_mismatch_verified", "chunk hash or root of a snapshot does not fit (22.1)"),
    yes(
        "spam_above_threshold",
        "state growth for each fee, or waiting time, is above threshold (18.1)",
    ),
    yes("stale_claim_accepted", "a claim was accepted after its validity ended (17.1)"),
    yes("static_rule_broken", "an accepted module breaks a static rule of deployment (16.2)"),
    yes("storage_fault_verified", "write error, full disk, or checksum of a store fails (22.1)"),
    yes("store_checksum_ok", "the checksum of the node's store holds (D-100)"),
    yes("telemetry_agrees", "fresh series equal the values from finalized objects (29.1)"),
    yes("telemetry_silent", "no series for 3 periods while the gate still answers (22.1)"),
    yes("throttle_safe", "a throttle suffices to slow it, touching no block or vote (D-068)"),
    yes("trap_rate_high", "trap or revert rate of a machine is above its baseline (16.1)"),
    yes("tx_verdicts_differ", "one transaction and one state, accepted and rejected (15.1)"),
    yes("unauthorized_claim_verified", "a claim's subject is not in its issuer's policy (17.1)"),
    yes("unfinal_reward_verified", "rewards were issued for blocks that are not hard-final (18.1)"),
    yes("validation_fault_unbounded", "a fault in validation itself is suspected (D-100)"),
    yes("validation_touched", "the fault may touch validation of an own node (22.2)"),
    yes(
        "validator_key_compromised",
        "compromise of a validator key is confirmed (21.1, annex N.2)",
    ),
    yes(
        "vectors_pass",
        "every vector gives the expected result on every build in question (D-122)",
    ),
    yes("vectors_run", "the report names the vectors of the rules touched (15.2)"),
    yes("verifier_touched", "the fault may touch the verifier of an own node (22.2)"),
    yes("version_misbehaviour_proven", "a fixture shows that the version misbehaves (D-109)"),
    yes("wrong_implementation_named", "the implementation that is wrong is identified (D-033)"),
    yes("wrong_share_below_third", "less than a third of the seats run it (D-033)"),
];

azir_model::wire_enum! {
    /// Who can tell a fact.
    pub enum Source {
        /// The log itself: nobody states it, whoever it is (annex O 8).
        Derived = "derived",
        /// A node, from finalized objects or from its own checks; people cannot say it (annex G).
        Observed = "observed",
        /// A node, or a person who may confirm, with what shows it in the vault.
        Stated = "stated",
    }
}

/// Facts that follow from the log.
const DERIVED: &[&str] = &[
    "agent_gates_touched",
    "blast_rank",
    "checkpoint_computed",
    "compromised_keys_gated",
    "compromised_keys_listed",
    "conflicting_hard_final",
    "damage_quiet",
    "disputed_label_shown",
    "implementations_differ",
    "incident_open",
    "measures_verified",
    "monitor_quiet",
    "own_outputs_closed",
    "phase_dwelt",
    "protocol_measure_effective",
    "protocol_request_settled",
    "replay_implementations",
    "replay_match",
    "requested_measures_settled",
    "restart_accepted",
    "restart_criteria_met",
    "restart_decision_valid",
    "restart_manifest_signed",
    "restrictions_revalidated",
    "scope_capability_in_force",
    "severity",
    "signing_gates_touched",
    "store_checksum_ok",
    "validation_fault_unbounded",
];

/// Facts of finalized state, and of what a node checks on itself.
const OBSERVED: &[&str] = &[
    "activation_dispute_settled",
    "caps_clean_percent",
    "challenge_window_open",
    "clock_in_bounds",
    "constitutional_review_final",
    "critical_flows_reauthorized",
    "dependent_flows_frozen",
    "disputed_activation_held",
    "emergency_effects_ended",
    "emergency_used",
    "exit_only_in_force",
    "exposure_never_rose",
    "fronts_equal",
    "hard_final_epochs_advanced",
    "hard_final_lag_slots",
    "improper_activation_live",
    "index_recount_equal",
    "integrity_facts_true",
    "keys_revoked_final",
    "keys_rotated_final",
    "mandate_ended",
    "mandate_reauthorized",
    "old_votes_refused",
    "open_exposure",
    "own_root_matches",
    "parameters_restored",
    "patch_active",
    "path_restriction_ended",
    "quorum_survives_measure",
    "rebuilt_root_matches",
    "reference_roots_equal",
    "roots_equal",
    "rule_clarified",
    "running_release_accepted",
    "seats_replaced",
    "sign_state_intact",
    "telemetry_agrees",
];

impl KnownFact {
    /// Who can tell it.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.name {
            name if DERIVED.contains(&name) => Source::Derived,
            name if OBSERVED.contains(&name) => Source::Observed,
            _ => Source::Stated,
        }
    }
}

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

    #[test]
    fn every_fact_with_a_source_of_its_own_is_a_fact() {
        for list in [DERIVED, OBSERVED] {
            assert!(list.windows(2).all(|w| w[0] < w[1]));
            assert!(list.iter().all(|name| known(name).is_some()));
        }
        assert!(DERIVED.iter().all(|name| !OBSERVED.contains(name)));
        // What annex G counts only when observed can never be somebody's word.
        for fact in KNOWN.iter().filter(|f| f.meaning.contains("annex G")) {
            assert_ne!(fact.source(), Source::Stated, "{}", fact.name);
        }
    }
}
