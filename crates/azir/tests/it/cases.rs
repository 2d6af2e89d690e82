//! The eleven classes as data: what happens, what is decided, how it ends. The walk is in `walk`,
//! what each class tries on the way in `classes`.

use super::classes::{
    in_bvm, in_consensus, in_economic, in_governance, in_infrastructure, in_key, in_validation,
    in_witness,
};
use super::walk::{Asked, Case, Local, Recovery, signing};
use super::world::Nodes;

/// What a case has that says nothing else: a fault in the own node, and a rebuild of it.
pub(crate) const PLAIN: Case = Case {
    class: "INC_CONSENSUS",
    nodes: Nodes::One,
    severity: "SEV_3_HIGH",
    rank: 3,
    scopes: &["node:n1"],
    lead: "CL",
    confirmation: "conflicting_certificates",
    channels: OWN_VERIFIER,
    subjects: "{}",
    flags: &[],
    ordinary_s: 80,
    choices: &["local_service_halt"],
    profile: "RP_HALT_SCOPED",
    local: &[signing("halt-n1", "n1")],
    asked: None,
    cause: ("adversarial_equivocation", None, Some("proven")),
    shown: ("{}", &[]),
    recovery: Recovery::Plan("RM_LOCAL_REBUILD", "node:n1", &["node:n1"]),
    owes: &[],
    left: &[],
    look: |_, _, _| {},
};

const OWN_VERIFIER: &str = r#"[{"scope": "node:n1/verifier", "origin": "own",
    "actions": ["verify"], "t_harm": 0, "pinned": true}]"#;

/// Two certificates for one slot; both own seats stop, and come back in waves.
pub(crate) const CONSENSUS: Case = Case {
    nodes: Nodes::Both,
    severity: "SEV_4_CRITICAL",
    rank: 4,
    scopes: &["node:n1", "node:n2"],
    channels: r#"[
        {"scope": "node:n1/notary", "origin": "own", "actions": ["notarize"], "t_harm": 0,
         "open_exposure": 0, "pinned": true},
        {"scope": "seat:0+1+2", "origin": "network", "actions": ["seat.sign"], "t_harm": 0,
         "open_exposure": 0, "pinned": true}]"#,
    profile: "RP_EMERGENCY_RESTRICTION",
    local: &[signing("halt-n1", "n1"), signing("halt-n2", "n2")],
    recovery: Recovery::Plan("RM_SPECULATIVE_BRANCH_RESET", "network:all", &["node:n1"]),
    look: in_consensus,
    ..PLAIN
};

/// An incident in which nothing is tried that would be refused, and the server says nothing.
pub(crate) const CALM: Case =
    Case { severity: "SEV_3_HIGH", profile: "RP_HALT_SCOPED", look: |_, _, _| {}, ..VALIDATION };

/// Own nodes accept what others refuse; the replay differs before it matches.
pub(crate) const VALIDATION: Case = Case {
    class: "INC_VALIDATION",
    severity: "SEV_4_CRITICAL",
    rank: 4,
    profile: "RP_EMERGENCY_RESTRICTION",
    confirmation: "two_results",
    flags: &["same_bytes_disagree"],
    cause: ("node_bug", Some("implementation_bug"), None),
    shown: (r#"{"rule_decides_input": true}"#, &[]),
    look: in_validation,
    ..PLAIN
};

/// A bound of execution is broken in the own implementation.
pub(crate) const BVM: Case = Case {
    class: "INC_BVM",
    nodes: Nodes::Late,
    lead: "EL",
    confirmation: "static_rule_broken",
    cause: ("verifier_bug", Some("implementation_bug"), None),
    recovery: Recovery::Plan("RM_FINALIZED_REPLAY", "network:all", &[]),
    look: in_bvm,
    ..PLAIN
};

/// An issuer signs claims that break its rule.
pub(crate) const WITNESS: Case = Case {
    class: "INC_WITNESS_PROOF",
    scopes: &["issuer:i1"],
    lead: "SL",
    confirmation: "claims_break_rule",
    channels: r#"[{"scope": "issuer:i1", "origin": "network", "actions": ["claim.uncorroborated"],
        "t_harm": 600, "open_exposure": 0, "pinned": true, "checker": true}]"#,
    subjects: r#"{"issuer:i1": ["i1"]}"#,
    choices: &["issuer_committee_quarantine"],
    asked: Some(Asked {
        draft: "protocol_measure",
        choice: "issuer_committee_quarantine",
        scope: "issuer:i1",
        capability: 1,
        seconds: &["IC"],
    }),
    cause: ("parser_bug_dependent", Some("implementation_bug"), None),
    shown: (r#"{"proof_verdicts_differ": true}"#, &[]),
    recovery: Recovery::Plan("RM_DOMAIN_REENABLE", "issuer:i1", &[]),
    owes: &[("guard_unmet", "claims_revalidated")],
    look: in_witness,
    ..PLAIN
};

/// Fees that cost less than what they buy, now; governance takes a day.
pub(crate) const ECONOMIC: Case = Case {
    class: "INC_ECONOMIC",
    severity: "SEV_4_CRITICAL",
    scopes: &["econ:fees"],
    lead: "EL",
    confirmation: "charge_differs",
    channels: r#"[{"scope": "econ:fees", "origin": "network", "actions": ["econ.any"],
        "t_harm": 0, "open_exposure": 0, "pinned": true}]"#,
    subjects: r#"{"econ:fees": ["fees"]}"#,
    flags: &["cheap_repeatable"],
    ordinary_s: 80_000,
    choices: &["emergency_restriction"],
    profile: "RP_EMERGENCY_RESTRICTION",
    asked: Some(Asked {
        draft: "emergency_restriction",
        choice: "emergency_restriction",
        scope: "econ:fees",
        capability: 4,
        seconds: &["IC"],
    }),
    cause: ("rule_gap", Some("protocol_bug"), None),
    shown: (r#"{"rule_named": true}"#, &[]),
    recovery: Recovery::Plan("RM_POST_EMERGENCY_NORMALIZATION", "econ:fees", &[]),
    look: in_economic,
    ..PLAIN
};

/// An agent opens positions outside its mandate, from an own node.
pub(crate) const AGENT: Case = Case {
    class: "INC_AGENT_CONTROL",
    nodes: Nodes::Agents,
    scopes: &["mandate:m4", "node:n1/agent"],
    lead: "SL",
    confirmation: "action_breaks_mandate",
    channels: r#"[
        {"scope": "mandate:m4", "origin": "network", "actions": ["act.open"], "t_harm": 600,
         "open_exposure": 1000, "pinned": true},
        {"scope": "node:n1/agent", "origin": "own", "actions": ["submit_agent"], "t_harm": 0,
         "pinned": true}]"#,
    subjects: r#"{"mandate:m4": ["m4"]}"#,
    choices: &["local_degraded_mode", "scoped_protocol_safe_mode"],
    local: &[
        signing("halt-n1", "n1"),
        Local {
            name: "agent-n1",
            choice: "local_degraded_mode",
            node: "n1",
            roles: &["agent"],
            peers: &[],
        },
    ],
    asked: Some(Asked {
        draft: "mandate_mode",
        choice: "scoped_protocol_safe_mode",
        scope: "mandate:m4",
        capability: 3,
        seconds: &[],
    }),
    cause: ("mandate_too_wide", Some("ops_failure"), None),
    shown: (r#"{"outside_mandate_verified": false}"#, &[]),
    recovery: Recovery::Plan("RM_DOMAIN_REENABLE", "mandate:m4", &[]),
    left: &[],
    ..PLAIN
};

/// An activation that its path does not allow.
pub(crate) const GOVERNANCE: Case = Case {
    class: "INC_GOVERNANCE",
    severity: "SEV_4_CRITICAL",
    scopes: &["gov-path:g1"],
    lead: "GL",
    confirmation: "governance_state_differs",
    channels: r#"[{"scope": "gov-path:g1", "origin": "network", "actions": ["gov.activate"],
        "t_harm": 600, "open_exposure": 0, "pinned": true}]"#,
    subjects: r#"{"gov-path:g1": ["g1"]}"#,
    flags: &["improper_activation"],
    choices: &["scoped_protocol_halt"],
    asked: Some(Asked {
        draft: "challenge",
        choice: "scoped_protocol_halt",
        scope: "gov-path:g1",
        capability: 4,
        seconds: &[],
    }),
    cause: ("procedural_abuse", Some("governance_failure"), None),
    shown: (
        r#"{"governance_rules_kept": true, "activation_early_verified": false,
        "activation_challenged_verified": false, "required_review_missing_verified": false,
        "emergency_out_of_scope_verified": false, "proposal_mislabelled_verified": false,
        "activations_conflict_verified": false, "effect_outside_class_table": false}"#,
        &["IC"],
    ),
    recovery: Recovery::Plan("RM_DOMAIN_REENABLE", "gov-path:g1", &[]),
    owes: &[("review_required", "constitutional_review_recorded")],
    look: in_governance,
    ..PLAIN
};

/// The key of the own notary is stolen: it never comes back, and its quarantine stays.
pub(crate) const KEY: Case = Case {
    class: "INC_KEY_COMPROMISE",
    severity: "SEV_4_CRITICAL",
    rank: 2,
    scopes: &["key:k1"],
    lead: "SL",
    confirmation: "owner_declaration",
    channels: r#"[{"scope": "key:k1", "origin": "network", "actions": ["key.use"], "t_harm": 600,
        "open_exposure": 0, "pinned": true}]"#,
    subjects: r#"{"key:k1": ["k1"]}"#,
    choices: &["issuer_committee_quarantine"],
    local: &[
        Local {
            name: "halt-n1",
            choice: "local_service_halt",
            node: "n1",
            roles: &["verifier", "proposer"],
            peers: &[],
        },
        Local {
            name: "hold-key",
            choice: "local_service_halt",
            node: "n1",
            roles: &["notary"],
            peers: &[],
        },
    ],
    asked: Some(Asked {
        draft: "key_revocation",
        choice: "issuer_committee_quarantine",
        scope: "key:k1",
        capability: 4,
        seconds: &[],
    }),
    cause: ("custody_failure", Some("ops_failure"), None),
    recovery: Recovery::Nothing,
    left: &["n1/notary"],
    look: in_key,
    ..PLAIN
};

/// A damaged store on one node; it sheds load, drops a peer, and is rebuilt.
pub(crate) const INFRASTRUCTURE: Case = Case {
    class: "INC_INFRASTRUCTURE",
    severity: "SEV_2_MEDIUM",
    rank: 1,
    confirmation: "checksum_fails",
    channels: r#"[
        {"scope": "node:n1/proposer", "origin": "own", "actions": ["propose"], "t_harm": 0,
         "pinned": true},
        {"scope": "peers:p7", "origin": "own", "actions": ["peer_input"], "t_harm": 0,
         "pinned": true}]"#,
    choices: &["local_degraded_mode", "issuer_committee_quarantine"],
    profile: "RP_LOCAL_DEGRADED",
    local: &[
        Local {
            name: "shed",
            choice: "local_degraded_mode",
            node: "n1",
            roles: &["rpc", "proposer"],
            peers: &[],
        },
        Local {
            name: "halt",
            choice: "local_service_halt",
            node: "n1",
            roles: &["verifier", "notary"],
            peers: &[],
        },
        Local {
            name: "drop",
            choice: "issuer_committee_quarantine",
            node: "n1",
            roles: &[],
            peers: &["p7"],
        },
    ],
    cause: ("store_corruption", Some("ops_failure"), None),
    look: in_infrastructure,
    ..PLAIN
};

const NO_HARM: &str = "[]";

/// A hash that differs because the list was old.
pub(crate) const SUPPLY_CHAIN: Case = Case {
    class: "INC_SUPPLY_CHAIN",
    severity: "SEV_4_CRITICAL",
    lead: "SL",
    confirmation: "running_hash_differs",
    channels: NO_HARM,
    choices: &["observe_only"],
    local: &[],
    ..PLAIN
};

/// A display that was wrong.
pub(crate) const OBSERVABILITY: Case = Case {
    class: "INC_OBSERVABILITY_ONLY",
    severity: "SEV_1_LOW",
    rank: 0,
    confirmation: "impact_check_negative",
    channels: NO_HARM,
    choices: &["observe_only"],
    profile: "RP_OBSERVE_ONLY",
    local: &[],
    cause: ("display_differs", Some("implementation_bug"), None),
    ..PLAIN
};
