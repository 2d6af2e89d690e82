//! The short form of a situation: the `[detection]` table of a history record (`docs/advise.md`).
//!
//! Free texts are accepted and not read. What came to light after the first decision (`when =
//! "later"`) is accepted and not read either.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::vocab::{IncidentClass, Severity};

wire_enum! {
    /// Signals of the short form.
    #[allow(missing_docs)]
    pub enum Signal {
        AbnormalOutflow = "abnormal_outflow",
        AdminActionUnexpected = "admin_action_unexpected",
        AgentFailure = "agent_failure",
        AgentOutOfBounds = "agent_out_of_bounds",
        BinaryMismatch = "binary_mismatch",
        BlockProductionStopped = "block_production_stopped",
        BlockTimeDegraded = "block_time_degraded",
        ChainSplit = "chain_split",
        ClientCrash = "client_crash",
        ClientResourceExhaustion = "client_resource_exhaustion",
        ClockSkew = "clock_skew",
        CompilerDefect = "compiler_defect",
        ConfigError = "config_error",
        ConflictingBlocks = "conflicting_blocks",
        DashboardWrong = "dashboard_wrong",
        DiskOrDbCorruption = "disk_or_db_corruption",
        DoubleSignEvidence = "double_sign_evidence",
        ExecutionDivergence = "execution_divergence",
        FrontendInjection = "frontend_injection",
        GovernanceActivationAnomaly = "governance_activation_anomaly",
        GovernanceProposalMalicious = "governance_proposal_malicious",
        InvalidObjectAccepted = "invalid_object_accepted",
        InvariantViolation = "invariant_violation",
        KeyLeakReport = "key_leak_report",
        KeyMisuse = "key_misuse",
        LiquidationCascade = "liquidation_cascade",
        MaliciousPackage = "malicious_package",
        MempoolFlood = "mempool_flood",
        MissedBlocks = "missed_blocks",
        MissingLog = "missing_log",
        NoFinality = "no_finality",
        NodeDesync = "node_desync",
        NodeHealthy = "node_healthy",
        OracleDeviation = "oracle_deviation",
        OracleStale = "oracle_stale",
        ParticipationDrop = "participation_drop",
        PeerPartition = "peer_partition",
        PriceCrash = "price_crash",
        PrivateVulnerabilityReport = "private_vulnerability_report",
        ProofForgerySuspected = "proof_forgery_suspected",
        ProviderOutage = "provider_outage",
        RelayMisbehaviour = "relay_misbehaviour",
        Reorg = "reorg",
        ResourceUnderpricing = "resource_underpricing",
        RpcUnavailable = "rpc_unavailable",
        SlashingEvent = "slashing_event",
        SnapshotMismatch = "snapshot_mismatch",
        StateRootMismatch = "state_root_mismatch",
        TelemetryGap = "telemetry_gap",
        TimelockAnomaly = "timelock_anomaly",
        UnauthorizedTransfer = "unauthorized_transfer",
        UnexpectedMint = "unexpected_mint",
        UpgradeInProgress = "upgrade_in_progress",
        ValidObjectRejected = "valid_object_rejected",
        WithdrawalAnomaly = "withdrawal_anomaly",
    }
}

wire_enum! {
    /// Evidence of the short form (after section 10).
    #[allow(missing_docs)]
    pub enum Evidence {
        ArgsBytes = "args_bytes",
        BinaryHashes = "binary_hashes",
        BuildMetadata = "build_metadata",
        CandidateDag = "candidate_dag",
        ChainAnalysis = "chain_analysis",
        CodeHash = "code_hash",
        CodeVersions = "code_versions",
        CommitteeInputs = "committee_inputs",
        EffectData = "effect_data",
        ExecutionTrace = "execution_trace",
        GovernanceState = "governance_state",
        InputBytes = "input_bytes",
        KeyTimeline = "key_timeline",
        Logs = "logs",
        ModuleBlob = "module_blob",
        NotarizationCandidates = "notarization_candidates",
        ObjectRefs = "object_refs",
        ParameterState = "parameter_state",
        PeerMessages = "peer_messages",
        PriorState = "prior_state",
        ReplayTraces = "replay_traces",
        RoleMessages = "role_messages",
        SlashEvidence = "slash_evidence",
        StateRoots = "state_roots",
        ThirdPartyReport = "third_party_report",
        WitnessObjects = "witness_objects",
    }
}

wire_enum! {
    /// A reported fact. `suspected` counts as not settled.
    #[allow(missing_docs)]
    pub enum Fact {
        Yes = "yes",
        No = "no",
        Suspected = "suspected",
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Blast radius as first estimated, rising.
    #[allow(missing_docs)]
    pub enum Radius {
        LocalNode = "local_node",
        Operator = "operator",
        Issuer = "issuer",
        MachineOrContract = "machine_or_contract",
        Domain = "domain",
        ProtocolWide = "protocol_wide",
    }
}

wire_enum! {
    /// How fast further damage accrues if nothing is done.
    #[allow(missing_docs)]
    pub enum Tempo {
        None = "none",
        Seconds = "seconds",
        Minutes = "minutes",
        Hours = "hours",
        Days = "days",
    }
}

wire_enum! {
    /// Quality of the evidence at hand, rising.
    #[allow(missing_docs)]
    pub enum Quality {
        Weak = "weak",
        Partial = "partial",
        Strong = "strong",
    }
}

wire_enum! {
    /// When a signal was seen.
    #[allow(missing_docs)]
    pub enum When {
        AtDetection = "at_detection",
        Later = "later",
    }
}

wire_enum! {
    /// Who noticed.
    #[allow(missing_docs)]
    pub enum DetectedBy {
        ValidatorOperators = "validator_operators",
        Monitoring = "monitoring",
        CoreTeam = "core_team",
        UserReport = "user_report",
        ThirdPartyResearcher = "third_party_researcher",
        ServiceProvider = "service_provider",
        PrivateDisclosure = "private_disclosure",
        Community = "community",
        Attacker = "attacker",
    }
}

wire_enum! {
    /// Precision of the time of detection.
    #[allow(missing_docs)]
    pub enum Precision {
        Exact = "exact",
        Approx = "approx",
        Day = "day",
    }
}

/// One signal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenSignal {
    /// Code.
    pub code: Signal,
    /// Free text, not read.
    #[serde(default)]
    pub text: Option<String>,
    /// When it was seen.
    pub when: When,
}

const fn unknown() -> Fact {
    Fact::Unknown
}

/// The `[detection]` table. Every member may be absent; an absent fact is unknown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Situation {
    /// Time of detection, not read.
    #[serde(default)]
    pub detected_at: Option<IgnoredAny>,
    /// Its precision, not read.
    #[serde(default)]
    pub detected_at_precision: Option<Precision>,
    /// Who noticed, not read.
    #[serde(default)]
    pub detected_by: Option<DetectedBy>,
    /// Free text, not read.
    #[serde(default)]
    pub vantage: Option<String>,
    /// A reporter's proposal.
    #[serde(default)]
    pub class: Option<IncidentClass>,
    /// A reporter's proposal.
    #[serde(default)]
    pub class_alternatives: Vec<IncidentClass>,
    /// A reporter's proposal.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Blast radius as estimated then.
    #[serde(default)]
    pub blast_radius: Option<Radius>,
    /// Is an exploit running?
    #[serde(default = "unknown")]
    pub exploit_active: Fact,
    /// Does finality suffer?
    #[serde(default = "unknown")]
    pub finality_affected: Fact,
    /// Do nodes differ on, or accept wrongly, what is valid?
    #[serde(default = "unknown")]
    pub validity_affected: Fact,
    /// Are funds at risk?
    #[serde(default = "unknown")]
    pub funds_at_risk: Fact,
    /// Is a key stolen?
    #[serde(default = "unknown")]
    pub key_compromise_suspected: Fact,
    /// Can the scope be named?
    #[serde(default = "unknown")]
    pub scope_definable: Fact,
    /// Does it concern one operator only?
    #[serde(default = "unknown")]
    pub local_only: Fact,
    /// How fast damage accrues; absent = unknown.
    #[serde(default)]
    pub harm_tempo: Option<Tempo>,
    /// Evidence at hand.
    #[serde(default)]
    pub evidence_available: BTreeSet<Evidence>,
    /// Its quality; absent = weak.
    #[serde(default)]
    pub evidence_quality: Option<Quality>,
    /// Signals.
    #[serde(default)]
    pub signals: Vec<SeenSignal>,
}

impl Fact {
    /// Yes or suspected.
    #[must_use]
    pub const fn possible(self) -> bool {
        matches!(self, Self::Yes | Self::Suspected)
    }

    /// Plainly yes.
    #[must_use]
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

impl Situation {
    /// Signals seen at detection, without repetition.
    pub fn seen(&self) -> BTreeSet<Signal> {
        let at_detection = self.signals.iter().filter(|s| s.when == When::AtDetection);
        at_detection.map(|s| s.code).collect()
    }

    /// The same situation without the reporter's proposal.
    #[must_use]
    pub fn without_proposal(mut self) -> Self {
        self.class = None;
        self.class_alternatives = Vec::new();
        self.severity = None;
        self
    }
}
