//! Root causes: the five kinds of 33.2, and the classification words of each runbook section with
//! the kinds that each word can stand for (D-034).
//!
//! An *input* is no failure: an invalid object, or a valid key misused while every component
//! worked. It is marked `adversarial`, and its kind is that of the control which let it do harm;
//! there is none only when the adversary is proven and every control held.

use crate::refusal::{RefusalKind, Unmet};
use crate::vocab::IncidentClass;

wire_enum! {
    /// Root-cause kinds (33.2).
    pub enum RootKind {
        /// The rules themselves.
        ProtocolBug = "protocol_bug",
        /// A program.
        ImplementationBug = "implementation_bug",
        /// Operation.
        OpsFailure = "ops_failure",
        /// Governance.
        GovernanceFailure = "governance_failure",
        /// Something outside.
        ExternalDependencyFailure = "external_dependency_failure",
    }
}

wire_enum! {
    /// How sure it is that a person misused a valid key or sent an invalid object (D-034).
    pub enum Adversarial {
        /// Likely.
        Suspected = "suspected",
        /// By a verifying proof.
        Proven = "proven",
    }
}

/// One classification word of a runbook section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The word, as it is stored.
    pub word: &'static str,
    /// The kinds of 33.2 that it can stand for; for an input, those of the control that failed.
    pub kinds: &'static [RootKind],
    /// True when it names an input, not a failure: it needs a mark `adversarial`.
    pub input: bool,
    /// Where the word comes from: a section of AZ-015; `derived` when the section has no list.
    pub clause: &'static str,
}

use RootKind::{
    ExternalDependencyFailure as External, GovernanceFailure as Gov, ImplementationBug as Impl,
    OpsFailure as Ops, ProtocolBug as Protocol,
};

const fn failure(word: &'static str, kinds: &'static [RootKind], clause: &'static str) -> Finding {
    Finding { word, kinds, input: false, clause }
}

const fn input(word: &'static str, clause: &'static str) -> Finding {
    Finding { word, kinds: RootKind::ALL, input: true, clause }
}

const CONSENSUS: &[Finding] = &[
    input("invalid_object", "14.2"),
    failure("local_implementation_divergence", &[Impl], "14.2"),
    failure("genuine_protocol_fault", &[Protocol], "14.2"),
    input("adversarial_equivocation", "14.2"),
];

const VALIDATION: &[Finding] = &[
    failure("node_bug", &[Impl], "15.2"),
    failure("spec_ambiguity", &[Protocol], "15.2"),
    input("malformed_object", "15.2"),
    failure("feature_activation_mismatch", &[Impl, Ops], "15.2"),
];

const BVM: &[Finding] = &[
    failure("verifier_bug", &[Impl], "16.2"),
    failure("runtime_bug", &[Impl], "16.2"),
    input("malformed_bytecode", "16.2"),
    failure("spec_gap", &[Protocol], "16.2"),
];

const WITNESS_PROOF: &[Finding] = &[
    input("invalid", "17.2"),
    input("contradictory", "17.2"),
    input("stale", "17.2"),
    failure("parser_bug_dependent", &[Impl], "17.2"),
];

/// Section 18 has no list. From its triggers (18.1) and its two ways to a fix (18.2): the values
/// allow the abuse, the rules do, a program charges otherwise than the rules, or the load is paid.
const ECONOMIC: &[Finding] = &[
    failure("parameter_misset", &[Gov, Protocol], "18.1, 18.2, derived"),
    failure("rule_gap", &[Protocol], "18.1, 18.2, derived"),
    failure("charge_bug", &[Impl], "18.1, 18.2, derived"),
    input("paid_spam", "18.1, derived"),
];

/// Section 19 has no list. From its triggers (19.1): who or what let the action through.
const AGENT_CONTROL: &[Finding] = &[
    failure("agent_fault", &[Impl, External], "19.1, derived"),
    failure("enforcement_bug", &[Impl, Protocol], "19.1, derived"),
    failure("mandate_too_wide", &[Ops, Gov], "19.1, 19.2, derived"),
    failure("operator_error", &[Ops], "19.1, derived"),
    input("operator_key_misuse", "19.1, derived"),
];

const GOVERNANCE: &[Finding] = &[
    input("invalid_object", "20.2"),
    failure("implementation_bug", &[Impl], "20.2"),
    failure("procedural_abuse", &[Gov], "20.2"),
    failure("constitutional_violation", &[Gov], "20.2"),
];

/// Section 21 has no list. Its triggers (21.1) name keys; the words say how the secret or its use
/// came into wrong hands. Misuse by a thief or by the holder is an input.
const KEY_COMPROMISE: &[Finding] = &[
    failure("custody_failure", &[Ops], "21.1, derived"),
    failure("custody_dependency", &[External], "21.1, derived"),
    failure("weak_key_generation", &[Impl, External], "21.1, derived"),
    failure("authority_too_wide", &[Ops, Gov], "21.2, 21.3, derived"),
    input("valid_key_misuse", "21.1, derived"),
];

/// Section 22 has no list. One word for each trigger of 22.1, disk and snapshot faults joined.
const INFRASTRUCTURE: &[Finding] = &[
    failure("store_corruption", &[Ops, Impl, External], "22.1, derived"),
    failure("resource_failure", &[Ops, External], "22.1, derived"),
    failure("local_partition", &[Ops, External], "22.1, derived"),
    failure("telemetry_failure", &[Ops, Impl, External], "22.1, derived"),
    failure("clock_drift", &[Ops, External], "22.1, derived"),
];

/// Section 23 has no list. One word for each trigger of 23.1, and a faulty rollout (23.2).
const SUPPLY_CHAIN: &[Finding] = &[
    failure("malicious_dependency", &[External], "23.1, derived"),
    failure("compromised_artifact", &[Ops, External], "23.1, derived"),
    failure("divergent_release", &[Ops, Impl], "23.1, derived"),
    failure("compiler_bug", &[External], "23.1, derived"),
    failure("mis_rollout", &[Ops], "23.2, derived"),
];

/// No section of AZ-015; from `RB-OBSERVE-001` (D-019) and the last anti-patterns of section 40.
const OBSERVABILITY: &[Finding] = &[
    failure("telemetry_fault", &[Ops, Impl, External], "3.1, D-019, derived"),
    failure("display_differs", &[Impl, Ops], "40, D-019, derived"),
    failure("misset_alarm", &[Ops], "3.1, D-019, derived"),
    input("fabricated_signal", "3.1, D-019, derived"),
];

/// The classification words of the lead runbook of a class: a closed list.
///
/// Implements R-33.2-1, R-33.2-2, R-33.2-3, R-33.2-4, R-33.2-5, R-14.2-5.
#[must_use]
pub const fn findings(class: IncidentClass) -> &'static [Finding] {
    match class {
        IncidentClass::Consensus => CONSENSUS,
        IncidentClass::Validation => VALIDATION,
        IncidentClass::Bvm => BVM,
        IncidentClass::WitnessProof => WITNESS_PROOF,
        IncidentClass::Economic => ECONOMIC,
        IncidentClass::AgentControl => AGENT_CONTROL,
        IncidentClass::Governance => GOVERNANCE,
        IncidentClass::KeyCompromise => KEY_COMPROMISE,
        IncidentClass::Infrastructure => INFRASTRUCTURE,
        IncidentClass::SupplyChain => SUPPLY_CHAIN,
        IncidentClass::ObservabilityOnly => OBSERVABILITY,
    }
}

/// What a word means for a class; none when the class does not have it.
#[must_use]
pub fn finding(class: IncidentClass, word: &str) -> Option<&'static Finding> {
    findings(class).iter().find(|f| f.word == word)
}

/// Everything that does not fit between a word, the kind and the mark of a stated cause:
/// `unknown_enum` for a word that the class does not have, `guard_unmet` for an input without mark
/// and for a kind that the word cannot stand for. Whether a kind is needed at all is asked by the
/// guard of annex B, not here.
#[must_use]
pub fn problems(
    class: IncidentClass,
    word: &str,
    kind: Option<RootKind>,
    adversarial: Option<Adversarial>,
) -> Vec<Unmet> {
    const RULE: &str = "33.2, D-034";
    let Some(finding) = finding(class, word) else {
        let words: Vec<_> = findings(class).iter().map(|f| f.word).collect();
        return vec![Unmet::new(
            RefusalKind::UnknownEnum,
            format!("{word:?} is no classification of {class}"),
            RULE,
            format!("use one of {}", words.join(" ")),
        )];
    };
    let mut unmet = Vec::new();
    if finding.input && adversarial.is_none() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("cause: {word} is an input, not a failure"),
            RULE,
            "mark it adversarial, suspected or proven",
        ));
    }
    if let Some(kind) = kind.filter(|kind| !finding.kinds.contains(kind)) {
        let kinds: Vec<_> = finding.kinds.iter().map(|k| k.as_str()).collect();
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("cause: {word} does not stand for {kind}"),
            RULE,
            format!("use {}, or another classification", kinds.join(" or ")),
        ));
    }
    unmet
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn kinds(class: IncidentClass, word: &str) -> &'static [RootKind] {
        finding(class, word).unwrap().kinds
    }

    /// R-33.2-1, R-33.2-2, R-33.2-3, R-33.2-4, R-33.2-5: D-034 written out again.
    #[test]
    fn the_words_of_the_runbooks_map_to_the_five_kinds() {
        use IncidentClass as C;
        assert_eq!(kinds(C::Bvm, "spec_gap"), [Protocol]);
        assert_eq!(kinds(C::Validation, "spec_ambiguity"), [Protocol]);
        assert_eq!(kinds(C::Consensus, "genuine_protocol_fault"), [Protocol]);
        assert_eq!(kinds(C::Bvm, "runtime_bug"), [Impl]);
        assert_eq!(kinds(C::Bvm, "verifier_bug"), [Impl]);
        assert_eq!(kinds(C::Validation, "node_bug"), [Impl]);
        assert_eq!(kinds(C::Consensus, "local_implementation_divergence"), [Impl]);
        assert_eq!(kinds(C::WitnessProof, "parser_bug_dependent"), [Impl]);
        assert_eq!(kinds(C::Governance, "implementation_bug"), [Impl]);
        assert_eq!(kinds(C::Validation, "feature_activation_mismatch"), [Impl, Ops]);
        assert_eq!(kinds(C::SupplyChain, "mis_rollout"), [Ops]);
        assert_eq!(kinds(C::Governance, "procedural_abuse"), [Gov]);
        assert_eq!(kinds(C::Governance, "constitutional_violation"), [Gov]);
        assert_eq!(kinds(C::SupplyChain, "malicious_dependency"), [External]);
    }

    /// R-14.2-5: exactly four, and the three other lists of the text likewise.
    #[test]
    fn sections_with_a_list_have_its_words_and_no_others() {
        let words = |class| findings(class).iter().map(|f| f.word).collect::<Vec<_>>().join(" ");
        assert_eq!(
            words(IncidentClass::Consensus),
            "invalid_object local_implementation_divergence genuine_protocol_fault \
             adversarial_equivocation"
        );
        assert_eq!(
            words(IncidentClass::Validation),
            "node_bug spec_ambiguity malformed_object feature_activation_mismatch"
        );
        assert_eq!(
            words(IncidentClass::Bvm),
            "verifier_bug runtime_bug malformed_bytecode spec_gap"
        );
        assert_eq!(
            words(IncidentClass::WitnessProof),
            "invalid contradictory stale parser_bug_dependent"
        );
        assert_eq!(
            words(IncidentClass::Governance),
            "invalid_object implementation_bug procedural_abuse constitutional_violation"
        );
    }

    #[test]
    fn every_class_has_distinct_words_with_kinds_and_a_clause() {
        for class in IncidentClass::ALL {
            let list = findings(*class);
            let words: BTreeSet<_> = list.iter().map(|f| f.word).collect();
            assert!(words.len() == list.len() && list.len() >= 4, "{class}");
            for f in list {
                assert!(!f.kinds.is_empty() && !f.clause.is_empty(), "{class} {}", f.word);
                assert_eq!(finding(*class, f.word), Some(f));
            }
            assert!(list.iter().any(|f| !f.input), "{class}");
        }
    }

    #[test]
    fn a_word_of_another_class_is_refused_and_the_right_words_are_named() {
        let unmet = problems(IncidentClass::Bvm, "node_bug", None, None);
        assert_eq!(unmet[0].kind, RefusalKind::UnknownEnum);
        assert!(unmet[0].remedy.contains("malformed_bytecode"));
    }

    #[test]
    fn an_input_needs_its_mark_and_a_word_its_kinds() {
        let ask = |word, kind, mark| problems(IncidentClass::Consensus, word, kind, mark);
        let equivocation = "adversarial_equivocation";
        assert_eq!(ask(equivocation, None, None)[0].kind, RefusalKind::GuardUnmet);
        for mark in Adversarial::ALL {
            assert!(ask(equivocation, None, Some(*mark)).is_empty());
            for kind in RootKind::ALL {
                assert!(ask(equivocation, Some(*kind), Some(*mark)).is_empty(), "{kind}");
            }
        }
        let divergence = "local_implementation_divergence";
        assert!(ask(divergence, Some(Impl), None).is_empty());
        let unmet = ask(divergence, Some(Gov), None);
        assert_eq!(unmet[0].remedy, "use implementation_bug, or another classification");
    }
}
