//! What the class of an incident decides (annex N.1, D-047) and what confirms it (annex N.2).

use crate::vocab::{BlastRank, IncidentClass, NodeRole, Role, RunbookId};

wire_enum! {
    /// Whether local measures are normally enough (annex N.1, 3.2).
    pub enum LocalEnough {
        /// Yes.
        Yes = "yes",
        /// No: revocation or restriction is a protocol object, or a flow depends on it.
        No = "no",
        /// No, only against own compounding (consensus).
        OwnCompounding = "own_compounding",
        /// For own roles until classified (validation).
        UntilClassified = "until_classified",
        /// Only if the fault is in the own implementation (BVM).
        OwnImplementation = "own_implementation",
        /// Throttles only (economic).
        ThrottlesOnly = "throttles_only",
        /// Own agents only.
        OwnAgents = "own_agents",
        /// Yes, by version (supply chain).
        ByVersion = "by_version",
    }
}

wire_enum! {
    /// What recovery touches (annex N.1, 3.2).
    pub enum Touches {
        /// Consensus.
        Consensus = "consensus",
        /// Consensus, by execution.
        Execution = "consensus_execution",
        /// Consensus parameters.
        Parameters = "consensus_parameters",
        /// Consensus, by governance state.
        GovernanceState = "consensus_governance",
        /// An application; consensus if the verifier is wrong.
        ApplicationOrVerifier = "application_or_verifier",
        /// An application.
        Application = "application",
        /// A seat's key touches consensus, any other key an application.
        ByKey = "by_key",
        /// Operations, and the consensus roles of that node.
        OperationsOfNode = "operations_of_node",
        /// Operations; consensus if a third of the seats or more run it.
        OperationsBelowThird = "operations_below_third",
        /// Operations.
        Operations = "operations",
    }
}

impl Touches {
    /// True when recovery touches operations as long as no role that signs is restarted: then the
    /// replay criterion may be not applicable (annex J.2 rc3).
    #[must_use]
    pub const fn only_operations(self) -> bool {
        match self {
            Self::OperationsOfNode | Self::OperationsBelowThird | Self::Operations => true,
            Self::Consensus
            | Self::Execution
            | Self::Parameters
            | Self::GovernanceState
            | Self::ApplicationOrVerifier
            | Self::Application
            | Self::ByKey => false,
        }
    }
}

wire_enum! {
    /// Somebody outside the roles who is alerted as well (annex N.1).
    pub enum OutsideAlert {
        /// The principal of the agent.
        Principal = "principal",
        /// The owner of the key.
        Owner = "owner",
    }
}

wire_enum! {
    /// Whether confirmation needs a protocol proof (3.2, last line of annex N.1).
    pub enum ProofNeeded {
        /// A proof from protocol objects.
        Protocol = "protocol",
        /// A local check.
        Local = "local",
    }
}

wire_enum! {
    /// Kinds of minimal confirmation (annex N.2), a closed list.
    pub enum ConfirmationKind {
        /// Conflicting certificates or votes, verified.
        ConflictingCertificates = "conflicting_certificates",
        /// Hard-final lag computed on two nodes.
        FinalityLagOnTwoNodes = "finality_lag_on_two_nodes",
        /// The recomputed committee differs.
        CommitteeDiffers = "committee_differs",
        /// One input, one pre-state, two results.
        TwoResults = "two_results",
        /// A static rule shown broken.
        StaticRuleBroken = "static_rule_broken",
        /// The signed claims and the rule broken.
        ClaimsBreakRule = "claims_break_rule",
        /// Charge or issue recomputed from finalized transactions differs.
        ChargeDiffers = "charge_differs",
        /// Signed action, mandate entry at that height, and the rule broken.
        ActionBreaksMandate = "action_breaks_mandate",
        /// The recomputed governance state differs from the applied one.
        GovernanceStateDiffers = "governance_state_differs",
        /// The owner's signed declaration.
        OwnerDeclaration = "owner_declaration",
        /// A signature that the owner denies, and one corroboration.
        DeniedSignature = "denied_signature",
        /// The reporter signed a challenge with the key.
        KeyChallenge = "key_challenge",
        /// A checksum fails.
        ChecksumFails = "checksum_fails",
        /// A root comparison fails.
        RootDiffers = "root_differs",
        /// A clock comparison fails.
        ClockDiffers = "clock_differs",
        /// The running hash differs from the manifest.
        RunningHashDiffers = "running_hash_differs",
        /// Two rebuilds differ.
        RebuildsDiffer = "rebuilds_differ",
        /// The signal was seen and the impact check was negative.
        ImpactCheckNegative = "impact_check_negative",
    }
}

/// One row of annex N.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassRow {
    /// The class.
    pub class: IncidentClass,
    /// Its lead (D-047).
    pub lead: Role,
    /// Its second lead. For key compromise see [`key_lead`].
    pub second: Option<Role>,
    /// Roles alerted beside the leads; for infrastructure the commander is alerted from SEV_3.
    pub also_alerted: &'static [Role],
    /// Somebody outside who is alerted.
    pub outside: Option<OutsideAlert>,
    /// Whether local measures are normally enough.
    pub local_enough: LocalEnough,
    /// What recovery touches.
    pub touches: Touches,
    /// Blast rank while unknown; a seat or council key has rank 4, see [`unknown_rank`].
    pub unknown_rank: BlastRank,
    /// Whether confirmation needs a protocol proof.
    pub proof: ProofNeeded,
    /// Lead runbook.
    pub runbook: RunbookId,
    /// What confirms the class; one suffices.
    pub confirmations: &'static [ConfirmationKind],
}

/// The row of a class.
///
/// Implements R-3.2-1, R-3.2-2, R-3.2-3, R-3.2-4.
#[must_use]
pub const fn row(class: IncidentClass) -> &'static ClassRow {
    &ROWS[class as usize]
}

/// First and second lead of a class; for a key compromise the second is the lead of the key's role.
#[must_use]
pub fn leads(class: IncidentClass, key_role: Option<NodeRole>) -> Vec<Role> {
    let key_role = key_role.filter(|_| class == IncidentClass::KeyCompromise);
    let second = key_role.map(key_lead).or(row(class).second);
    [Some(row(class).lead), second].into_iter().flatten().collect()
}

/// The leads of a class who review its closure, sign its postmortem and its rc1: where the
/// On-call Operator leads, annex C leaves that to the second lead, or without one to any lead.
#[must_use]
pub fn signing_leads(class: IncidentClass, key_role: Option<NodeRole>) -> Vec<Role> {
    let mut leads = leads(class, key_role);
    leads.retain(|role| crate::role::LEADS.contains(role));
    if leads.is_empty() { crate::role::LEADS.to_vec() } else { leads }
}

/// True when this role leads the class, as first or second lead.
#[must_use]
pub fn is_lead(class: IncidentClass, role: Role) -> bool {
    leads(class, None).contains(&role)
}

/// True when this kind of confirmation confirms the class (D-042).
#[must_use]
pub fn confirms(class: IncidentClass, kind: ConfirmationKind) -> bool {
    row(class).confirmations.contains(&kind)
}

/// Blast rank while it is unknown; `systemic_key` says that a seat or council key is concerned.
#[must_use]
pub const fn unknown_rank(class: IncidentClass, systemic_key: bool) -> BlastRank {
    match (class, systemic_key) {
        (IncidentClass::KeyCompromise, true) => BlastRank::NETWORK,
        (
            IncidentClass::Consensus
            | IncidentClass::Validation
            | IncidentClass::Bvm
            | IncidentClass::WitnessProof
            | IncidentClass::Economic
            | IncidentClass::AgentControl
            | IncidentClass::Governance
            | IncidentClass::KeyCompromise
            | IncidentClass::Infrastructure
            | IncidentClass::SupplyChain
            | IncidentClass::ObservabilityOnly,
            _,
        ) => row(class).unknown_rank,
    }
}

/// The lead of a key's role, second lead of a key compromise (annex N.1): consensus keys belong to
/// the Consensus Lead, agent keys to the Execution/BVM Lead, other keys to no gate.
#[must_use]
pub const fn key_lead(role: NodeRole) -> Role {
    match role {
        NodeRole::Agent => Role::ExecutionLead,
        NodeRole::Indexer
        | NodeRole::Rpc
        | NodeRole::Validation
        | NodeRole::Verifier
        | NodeRole::Proposer
        | NodeRole::Notary => Role::ConsensusLead,
    }
}

use ConfirmationKind as K;
use IncidentClass as I;
use Role::{
    ConsensusLead as CL, ExecutionLead as EL, GovernanceLiaison as GL, IncidentCommander as IC,
    OnCallOperator as OCO, SecurityLead as SL,
};

/// Annex N.1, in the order of the classes. Implements R-3.1-2, R-3.1-3, R-3.1-4, R-3.1-5,
/// R-3.1-6, R-3.1-7, R-3.1-8, R-3.1-9, R-3.1-10, R-3.1-11.
pub const ROWS: [ClassRow; 11] = [
    ClassRow {
        also_alerted: &[OCO, IC, SL],
        confirmations: &[K::ConflictingCertificates, K::FinalityLagOnTwoNodes, K::CommitteeDiffers],
        ..base(I::Consensus, CL, None, LocalEnough::OwnCompounding, Touches::Consensus)
    },
    ClassRow {
        confirmations: &[K::TwoResults, K::StaticRuleBroken],
        ..base(I::Validation, CL, Some(EL), LocalEnough::UntilClassified, Touches::Consensus)
    },
    ClassRow {
        also_alerted: &[OCO, IC, SL],
        unknown_rank: BlastRank::DOMAIN,
        confirmations: &[K::TwoResults, K::StaticRuleBroken],
        ..base(I::Bvm, EL, Some(CL), LocalEnough::OwnImplementation, Touches::Execution)
    },
    ClassRow {
        unknown_rank: BlastRank::DOMAIN,
        confirmations: &[K::ClaimsBreakRule],
        ..base(I::WitnessProof, SL, Some(EL), LocalEnough::No, Touches::ApplicationOrVerifier)
    },
    ClassRow {
        confirmations: &[K::ChargeDiffers],
        ..base(I::Economic, EL, Some(GL), LocalEnough::ThrottlesOnly, Touches::Parameters)
    },
    ClassRow {
        outside: Some(OutsideAlert::Principal),
        unknown_rank: BlastRank::SUBJECT,
        confirmations: &[K::ActionBreaksMandate],
        ..base(I::AgentControl, SL, Some(EL), LocalEnough::OwnAgents, Touches::Application)
    },
    ClassRow {
        also_alerted: &[OCO, IC, SL],
        confirmations: &[K::GovernanceStateDiffers],
        ..base(I::Governance, GL, Some(CL), LocalEnough::No, Touches::GovernanceState)
    },
    ClassRow {
        outside: Some(OutsideAlert::Owner),
        unknown_rank: BlastRank::SUBJECT,
        confirmations: &[K::OwnerDeclaration, K::DeniedSignature, K::KeyChallenge],
        ..base(I::KeyCompromise, SL, None, LocalEnough::No, Touches::ByKey)
    },
    ClassRow {
        also_alerted: &[IC],
        unknown_rank: BlastRank::OWN,
        proof: ProofNeeded::Local,
        confirmations: &[K::ChecksumFails, K::RootDiffers, K::ClockDiffers],
        ..base(I::Infrastructure, OCO, Some(CL), LocalEnough::Yes, Touches::OperationsOfNode)
    },
    ClassRow {
        unknown_rank: BlastRank::DOMAIN,
        proof: ProofNeeded::Local,
        confirmations: &[K::RunningHashDiffers, K::RebuildsDiffer],
        ..base(I::SupplyChain, SL, Some(EL), LocalEnough::ByVersion, Touches::OperationsBelowThird)
    },
    ClassRow {
        also_alerted: &[],
        unknown_rank: BlastRank::NONE,
        proof: ProofNeeded::Local,
        confirmations: &[K::ImpactCheckNegative],
        ..base(I::ObservabilityOnly, OCO, None, LocalEnough::Yes, Touches::Operations)
    },
];

const fn base(
    class: IncidentClass,
    lead: Role,
    second: Option<Role>,
    local_enough: LocalEnough,
    touches: Touches,
) -> ClassRow {
    ClassRow {
        class,
        lead,
        second,
        also_alerted: &[OCO, IC],
        outside: None,
        local_enough,
        touches,
        unknown_rank: BlastRank::NETWORK,
        proof: ProofNeeded::Protocol,
        runbook: runbook(class),
        confirmations: &[],
    }
}

/// The lead runbook of a class (34.2, D-019).
#[must_use]
pub const fn runbook(class: IncidentClass) -> RunbookId {
    match class {
        I::Consensus => RunbookId::Consensus,
        I::Validation => RunbookId::Validation,
        I::Bvm => RunbookId::Bvm,
        I::WitnessProof => RunbookId::Witness,
        I::Economic => RunbookId::Econ,
        I::AgentControl => RunbookId::Agent,
        I::Governance => RunbookId::Gov,
        I::KeyCompromise => RunbookId::Key,
        I::Infrastructure => RunbookId::Infra,
        I::SupplyChain => RunbookId::Supply,
        I::ObservabilityOnly => RunbookId::Observe,
    }
}

/// Roles alerted for a class at a severity: leads and the further ones of annex N.1. The commander
/// is alerted about infrastructure only from SEV_3.
#[must_use]
pub fn alerted(class: IncidentClass, severity: crate::vocab::Severity) -> Vec<Role> {
    let row = row(class);
    let quiet = class == I::Infrastructure && severity < crate::vocab::Severity::Sev3High;
    let mut roles: Vec<_> = [Some(row.lead), row.second]
        .into_iter()
        .flatten()
        .chain(row.also_alerted.iter().copied())
        .filter(|role| !(quiet && *role == IC))
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Severity;

    /// R-3.1-2, R-3.1-3, R-3.1-4, R-3.1-5, R-3.1-6, R-3.1-7, R-3.1-8, R-3.1-9, R-3.1-10, R-3.1-11:
    /// lead, runbook and rank as annex N.1 has them.
    #[test]
    fn every_class_has_its_row_with_the_lead_runbook_and_rank_of_annex_n() {
        let expected = [
            ("INC_CONSENSUS", "CL", None, 4, "RB-CONSENSUS-001"),
            ("INC_VALIDATION", "CL", Some("EL"), 4, "RB-VALIDATION-001"),
            ("INC_BVM", "EL", Some("CL"), 3, "RB-BVM-001"),
            ("INC_WITNESS_PROOF", "SL", Some("EL"), 3, "RB-WITNESS-001"),
            ("INC_ECONOMIC", "EL", Some("GL"), 4, "RB-ECON-001"),
            ("INC_AGENT_CONTROL", "SL", Some("EL"), 2, "RB-AGENT-001"),
            ("INC_GOVERNANCE", "GL", Some("CL"), 4, "RB-GOV-001"),
            ("INC_KEY_COMPROMISE", "SL", None, 2, "RB-KEY-001"),
            ("INC_INFRASTRUCTURE", "OCO", Some("CL"), 1, "RB-INFRA-001"),
            ("INC_SUPPLY_CHAIN", "SL", Some("EL"), 3, "RB-SUPPLY-001"),
            ("INC_OBSERVABILITY_ONLY", "OCO", None, 0, "RB-OBSERVE-001"),
        ];
        assert_eq!(expected.len(), ROWS.len());
        for (class, (name, lead, second, rank, runbook)) in IncidentClass::ALL.iter().zip(expected)
        {
            let row = row(*class);
            assert_eq!(row.class, *class);
            assert_eq!(
                (
                    class.as_str(),
                    row.lead.as_str(),
                    row.second.map(Role::as_str),
                    row.unknown_rank.value(),
                    row.runbook.as_str()
                ),
                (name, lead, second, rank, runbook)
            );
        }
        assert_eq!(unknown_rank(I::KeyCompromise, true), BlastRank::NETWORK);
        assert_eq!(unknown_rank(I::KeyCompromise, false), BlastRank::SUBJECT);
        assert_eq!(unknown_rank(I::Bvm, true), BlastRank::DOMAIN);
    }

    /// R-3.2-3: a local check confirms only the three local classes.
    #[test]
    fn each_kind_of_confirmation_confirms_some_class_and_local_proof_only_three() {
        for kind in ConfirmationKind::ALL {
            assert!(ROWS.iter().any(|r| r.confirmations.contains(kind)), "{kind}");
        }
        for row in &ROWS {
            assert!(!row.confirmations.is_empty(), "{}", row.class);
            let local = [I::Infrastructure, I::SupplyChain, I::ObservabilityOnly];
            assert_eq!(row.proof == ProofNeeded::Local, local.contains(&row.class));
        }
        assert!(!confirms(I::Consensus, K::ChecksumFails));
        assert!(confirms(I::Infrastructure, K::ChecksumFails));
    }

    /// R-3.2-1: recipients equal the class table.
    #[test]
    fn the_commander_hears_of_infrastructure_only_from_sev_3() {
        assert_eq!(alerted(I::Infrastructure, Severity::Sev2Medium), [OCO, CL]);
        assert_eq!(alerted(I::Infrastructure, Severity::Sev3High), [OCO, IC, CL]);
        assert_eq!(alerted(I::ObservabilityOnly, Severity::Sev0Info), [OCO]);
        assert_eq!(alerted(I::Consensus, Severity::Sev5Systemic), [OCO, IC, CL, SL]);
    }
}
