//! The closed lists of AZ-015 in the seed's own words (D-004, D-009).

use serde::{Deserialize, Serialize};

pub use crate::wire::UnknownMember;

wire_enum! {
    /// Primary incident classes (3.1). Implements R-3.1-1.
    pub enum IncidentClass {
        /// Finality, votes, certificates, committees.
        Consensus = "INC_CONSENSUS",
        /// Decoding and validity of objects.
        Validation = "INC_VALIDATION",
        /// Execution of modules.
        Bvm = "INC_BVM",
        /// Claims, oracles and proofs.
        WitnessProof = "INC_WITNESS_PROOF",
        /// Fees, rent, rewards, slashes, spam.
        Economic = "INC_ECONOMIC",
        /// Agents and their mandates.
        AgentControl = "INC_AGENT_CONTROL",
        /// Proposals, votes, activations.
        Governance = "INC_GOVERNANCE",
        /// Stolen or leaked keys.
        KeyCompromise = "INC_KEY_COMPROMISE",
        /// Machines, disks, networks, clocks of one operator.
        Infrastructure = "INC_INFRASTRUCTURE",
        /// Dependencies, builds, releases.
        SupplyChain = "INC_SUPPLY_CHAIN",
        /// Telemetry only, without effect.
        ObservabilityOnly = "INC_OBSERVABILITY_ONLY",
    }
}

wire_enum! {
    /// Severity levels (4.1), in rising order. Implements R-4.1-1.
    pub enum Severity {
        /// No operational effect.
        Sev0Info = "SEV_0_INFO",
        /// Minor degradation.
        Sev1Low = "SEV_1_LOW",
        /// Local or temporary effect.
        Sev2Medium = "SEV_2_MEDIUM",
        /// Liveness, journals, local oracle correctness.
        Sev3High = "SEV_3_HIGH",
        /// Finality, validation, bounded execution, funds in a domain.
        Sev4Critical = "SEV_4_CRITICAL",
        /// A threat to the whole protocol.
        Sev5Systemic = "SEV_5_SYSTEMIC",
    }
}

impl Severity {
    /// 0 to 5.
    #[must_use]
    pub const fn rank(self) -> usize {
        self as usize
    }
}

wire_enum! {
    /// Lifecycle states (5.1).
    pub enum IncidentState {
        /// An opening record exists.
        Detected = "DETECTED",
        /// A person declared class and severity.
        Triaged = "TRIAGED",
        /// Minimal confirmation is verified.
        Confirmed = "CONFIRMED",
        /// Measures are being applied.
        Containing = "CONTAINING",
        /// Under containment the damage indicator has been zero for a window.
        Stabilized = "STABILIZED",
        /// A recovery plan is being carried out.
        Recovering = "RECOVERING",
        /// After recovery, watching that it stays so.
        Monitoring = "MONITORING",
        /// The response is over.
        Closed = "CLOSED",
        /// A postmortem is due.
        PostmortemPending = "POSTMORTEM_PENDING",
        /// The postmortem is published; nothing leaves this state.
        PostmortemPublished = "POSTMORTEM_PUBLISHED",
    }
}

wire_enum! {
    /// Roles of people in an incident (6.1) and of machines, by the abbreviations of annex C.
    pub enum Role {
        /// Incident Reporter.
        IncidentReporter = "REP",
        /// On-call Operator.
        OnCallOperator = "OCO",
        /// Incident Commander.
        IncidentCommander = "IC",
        /// Consensus Lead.
        ConsensusLead = "CL",
        /// Execution/BVM Lead.
        ExecutionLead = "EL",
        /// Security Lead.
        SecurityLead = "SL",
        /// Governance Liaison.
        GovernanceLiaison = "GL",
        /// Recovery Operator.
        RecoveryOperator = "RO",
        /// Audit Scribe.
        AuditScribe = "AS",
        /// A machine: detector, agent, gate or server rule (D-049).
        Automatic = "AUT",
    }
}

wire_enum! {
    /// Response profiles (8.2). Annex E.2 orders them; forensic only restricts nothing.
    pub enum Profile {
        /// Watch and record.
        ObserveOnly = "RP_OBSERVE_ONLY",
        /// Local measures.
        LocalDegraded = "RP_LOCAL_DEGRADED",
        /// Scoped safe mode.
        SafeModeScoped = "RP_SAFE_MODE_SCOPED",
        /// Scoped halt.
        HaltScoped = "RP_HALT_SCOPED",
        /// Emergency restriction.
        EmergencyRestriction = "RP_EMERGENCY_RESTRICTION",
        /// Protocol recovery.
        ProtocolRecovery = "RP_PROTOCOL_RECOVERY",
        /// Nothing operational is touched; evidence duties as for SEV_3.
        ForensicOnly = "RP_FORENSIC_ONLY",
    }
}

wire_enum! {
    /// Containment choices (24.1), numbered as in annex D.4, on the wire as in the history records.
    pub enum Choice {
        /// Stops nothing.
        ObserveOnly = "observe_only",
        /// Reductions of 11.1.
        LocalDegraded = "local_degraded_mode",
        /// Named roles of own nodes stop.
        LocalServiceHalt = "local_service_halt",
        /// Capabilities 1 to 3 by a protocol object.
        ProtocolSafeMode = "scoped_protocol_safe_mode",
        /// Capability 4 by a protocol object.
        ScopedProtocolHalt = "scoped_protocol_halt",
        /// Corroboration or refusal for one source of objects.
        Quarantine = "issuer_committee_quarantine",
        /// A restriction by the emergency path.
        EmergencyRestriction = "emergency_restriction",
        /// All outputs freeze, state is rebuilt.
        RecoveryMode = "recovery_mode",
    }
}

wire_enum! {
    /// Recovery modes (26.1).
    pub enum RecoveryMode {
        /// Rebuild the stores of one node.
        LocalRebuild = "RM_LOCAL_REBUILD",
        /// Replay the finalized path.
        FinalizedReplay = "RM_FINALIZED_REPLAY",
        /// Drop doubtful candidates above hard-final.
        SpeculativeBranchReset = "RM_SPECULATIVE_BRANCH_RESET",
        /// Restart the network from the trusted checkpoint.
        ProtocolSafeRestart = "RM_PROTOCOL_SAFE_RESTART",
        /// Bring one restricted scope back.
        DomainReenable = "RM_DOMAIN_REENABLE",
        /// End every effect of an emergency.
        PostEmergencyNormalization = "RM_POST_EMERGENCY_NORMALIZATION",
    }
}

wire_enum! {
    /// Runbook ids (34.2 and D-019).
    pub enum RunbookId {
        /// Consensus.
        Consensus = "RB-CONSENSUS-001",
        /// Validation.
        Validation = "RB-VALIDATION-001",
        /// BVM.
        Bvm = "RB-BVM-001",
        /// Witness and proofs.
        Witness = "RB-WITNESS-001",
        /// Economics.
        Econ = "RB-ECON-001",
        /// Agents.
        Agent = "RB-AGENT-001",
        /// Governance.
        Gov = "RB-GOV-001",
        /// Keys.
        Key = "RB-KEY-001",
        /// Infrastructure.
        Infra = "RB-INFRA-001",
        /// Supply chain.
        Supply = "RB-SUPPLY-001",
        /// Observability only (our addition, D-019).
        Observe = "RB-OBSERVE-001",
    }
}

wire_enum! {
    /// Roles of a node that a gate stands before (annex I), in rising order of authority (30.1).
    pub enum NodeRole {
        /// Indexer.
        Indexer = "indexer",
        /// Reads served to others.
        Rpc = "rpc",
        /// Validation.
        Validation = "validation",
        /// Verifier.
        Verifier = "verifier",
        /// Proposer.
        Proposer = "proposer",
        /// Notary.
        Notary = "notary",
        /// Agent execution.
        Agent = "agent",
    }
}

impl NodeRole {
    /// The re-enable phase of annex J.3 that opens this role, 1 to 7.
    #[must_use]
    pub const fn phase(self) -> u8 {
        self as u8 + 1
    }

    /// True for roles whose signatures or outputs the network counts (27.2 step 2).
    #[must_use]
    pub const fn signs(self) -> bool {
        matches!(self, Self::Verifier | Self::Proposer | Self::Notary | Self::Agent)
    }
}

wire_enum! {
    /// Finality labels that every shown height, root or balance carries (31.2, D-094).
    pub enum FinalityLabel {
        /// A candidate.
        Speculative = "speculative",
        /// Notarized.
        SoftFinal = "soft_final",
        /// Hard-final by verified certificates.
        HardFinal = "hard_final",
        /// Above the trusted checkpoint while finality is disputed.
        Disputed = "disputed",
    }
}

/// Rank of the blast radius, 0 to 4 (D-032): none, own, one subject, domain or family, network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct BlastRank(u8);

impl BlastRank {
    /// No effect.
    pub const NONE: Self = Self(0);
    /// Own nodes or operator.
    pub const OWN: Self = Self(1);
    /// One protocol subject.
    pub const SUBJECT: Self = Self(2);
    /// A domain, family or subsystem.
    pub const DOMAIN: Self = Self(3);
    /// Validity, finality or state of the whole network.
    pub const NETWORK: Self = Self(4);

    /// 0 to 4.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for BlastRank {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        if value <= 4 { Ok(Self(value)) } else { Err(format!("blast rank {value} is not 0 to 4")) }
    }
}

impl From<BlastRank> for u8 {
    fn from(rank: BlastRank) -> Self {
        rank.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-3.1-1, R-4.1-1: the counts of D-004 for all closed lists; the severities rise.
    #[test]
    fn the_closed_lists_have_the_members_of_the_seed_and_no_others() {
        assert_eq!(IncidentClass::ALL.len(), 11);
        let severities = Severity::ALL.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!(
            severities,
            "SEV_0_INFO SEV_1_LOW SEV_2_MEDIUM SEV_3_HIGH SEV_4_CRITICAL SEV_5_SYSTEMIC"
        );
        assert!(Severity::ALL.is_sorted() && "SEV_6".parse::<Severity>().is_err());
        assert_eq!(IncidentState::ALL.len(), 10);
        assert_eq!(Role::ALL.len(), 9 + 1);
        assert_eq!(Profile::ALL.len(), 7);
        assert_eq!(RecoveryMode::ALL.len(), 6);
        assert_eq!(RunbookId::ALL.len(), 10 + 1);
        let unknown = "INC_OTHER".parse::<IncidentClass>().unwrap_err();
        assert!(unknown.to_string().contains("INC_OBSERVABILITY_ONLY"));
    }
}
