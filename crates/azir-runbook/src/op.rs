//! Operations that `auto` steps may name, and the order of effects. The interpreter names an
//! operation; performing it is the engine's.

use std::collections::BTreeMap;

use azir_model::Role;

use crate::fact::FactValue;

azir_model::wire_enum! {
    /// What a step can do to the world, in rising order of danger.
    pub enum Effect {
        /// Looks.
        Observe = "observe",
        /// Keeps what exists.
        Preserve = "preserve",
        /// Writes a file for people.
        Draft = "draft",
        /// Stops or narrows something of one's own.
        RestrictLocal = "restrict_local",
        /// Drafts an object that would bind others; nothing is submitted (38.1).
        RestrictProtocolDraft = "restrict_protocol_draft",
        /// Changes a store of one's own.
        MutateLocal = "mutate_local",
        /// Gives authority back.
        Release = "release",
    }
}

impl Effect {
    /// True where evidence must be pinned first, and where no machine and no timeout may act.
    #[must_use]
    pub fn needs_person(self) -> bool {
        self >= Self::MutateLocal
    }

    /// True where an attempt without result may be left behind, because repeating it is harmless.
    #[must_use]
    pub fn harmless(self) -> bool {
        self <= Self::Preserve
    }
}

azir_model::wire_enum! {
    /// The closed registry of operations of this version. No member runs a shell (38.1).
    pub enum Op {
        /// Hash and keep what exists now, stop pruning and log rotation in the scope (D-041).
        EvidencePin = "evidence.pin",
        /// Close the gates of the named roles (annex I).
        GateClose = "gate.close",
        /// Gather and verify everything on the checklist (D-041).
        EvidenceCollect = "evidence.collect",
        /// One stage of the replay of 27.2.
        ReplayRun = "replay.run",
        /// Compute the trusted checkpoint (27.2 step 1).
        CheckpointCompute = "checkpoint.compute",
        /// Draft fraud proofs from verified pairs (14.2).
        FraudProofDraft = "fraud_proof.draft",
        /// Draft the replacement of seats.
        SeatReplacementDraft = "seat_replacement.draft",
        /// Draft the restart manifest (annex J.1).
        RestartManifestDraft = "restart_manifest.draft",
        /// Drop doubtful candidates above hard-final and keep them as evidence (annex J.1).
        BranchReset = "branch.reset",
        /// Open one re-enable phase (annex J.3).
        RoleReopen = "role.reopen",
        /// Publish the derived public status (annex K).
        StatusPublish = "status.publish",
        /// Recompute governance state from stored objects alone, on two implementations (20.2).
        GovernanceRecompute = "governance.recompute",
        /// Draft a transaction of the entitled party: key, mandate, challenge (D-072).
        OwnerPathDraft = "owner_path.draft",
        /// Install an accepted release and keep the old binary (D-109).
        ReleaseInstall = "release.install",
        /// Set a damaged store aside whole and refuse reads from it (22.2).
        StoreQuarantine = "store.quarantine",
        /// Build the stores of a node anew from the trusted checkpoint (annex J.1).
        StoreRebuild = "store.rebuild",
    }
}

impl Op {
    /// The fact that tells, by looking alone, whether this operation took effect; none where only
    /// a person can find out.
    #[must_use]
    pub fn probe(self, args: &BTreeMap<String, FactValue>) -> Option<&'static str> {
        match self {
            // The fact is about all four outlets, so it tells nothing of other gates.
            Self::GateClose => {
                let roles = args.get("roles").and_then(|v| match v {
                    FactValue::Text(roles) => Some(roles.as_str()),
                    FactValue::Bool(_) | FactValue::Int(_) => None,
                })?;
                let outlets = ["verifier", "proposer", "notary", "agent"];
                let covered = roles.split_whitespace().all(|r| outlets.contains(&r));
                covered.then_some("own_outputs_closed")
            }
            Self::CheckpointCompute => Some("checkpoint_computed"),
            Self::EvidencePin
            | Self::EvidenceCollect
            | Self::ReplayRun
            | Self::FraudProofDraft
            | Self::SeatReplacementDraft
            | Self::RestartManifestDraft
            | Self::BranchReset
            | Self::RoleReopen
            | Self::StatusPublish
            | Self::GovernanceRecompute
            | Self::OwnerPathDraft
            | Self::ReleaseInstall
            | Self::StoreQuarantine
            | Self::StoreRebuild => None,
        }
    }

    /// The effect of this operation; a step must declare the same.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::ReplayRun | Self::CheckpointCompute | Self::GovernanceRecompute => {
                Effect::Observe
            }
            Self::EvidencePin | Self::EvidenceCollect => Effect::Preserve,
            Self::FraudProofDraft | Self::StatusPublish => Effect::Draft,
            Self::GateClose | Self::StoreQuarantine => Effect::RestrictLocal,
            Self::SeatReplacementDraft | Self::RestartManifestDraft | Self::OwnerPathDraft => {
                Effect::RestrictProtocolDraft
            }
            Self::BranchReset | Self::ReleaseInstall | Self::StoreRebuild => Effect::MutateLocal,
            Self::RoleReopen => Effect::Release,
        }
    }

    /// Roles that may start this operation, by the rows of annex C named in the code.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{
            AuditScribe as As, Automatic as Aut, ConsensusLead as Cl, ExecutionLead as El,
            GovernanceLiaison as Gl, IncidentCommander as Ic, OnCallOperator as Oco,
            RecoveryOperator as Ro, SecurityLead as Sl,
        };
        match self {
            // Rows 1 and 8: anyone.
            Self::EvidencePin | Self::EvidenceCollect => Role::ALL,
            // Row 11; the machine as far as policy lists it.
            Self::GateClose => &[Oco, Ic, Cl, El, Sl, Ro, Aut],
            // Row 10, without the machine: which store is damaged is a person's finding.
            Self::StoreQuarantine => &[Oco, Ic, Cl, Sl, Ro],
            // Row 22.
            Self::ReplayRun | Self::BranchReset | Self::StoreRebuild => &[Cl, El, Ro],
            // Row 22 too; it only looks and loads nothing into a node, so the machine may.
            Self::GovernanceRecompute => &[Aut, Cl, El, Gl, Ro],
            // Row 26: what runs next is part of the way back.
            Self::ReleaseInstall => &[Ro],
            // Row 20: the machine computes, people pin.
            Self::CheckpointCompute => &[Aut, Ic, Cl],
            // Row 15.
            Self::FraudProofDraft | Self::OwnerPathDraft => &[Oco, Cl, El, Sl, Gl],
            // Rows 14 and 17.
            Self::SeatReplacementDraft | Self::RestartManifestDraft => &[Gl],
            // Row 26.
            Self::RoleReopen => &[Ro],
            // Row 29.
            Self::StatusPublish => &[Oco, Ic, As],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_may_start_an_operation_that_mutates_or_releases() {
        for op in Op::ALL.iter().filter(|op| op.effect().needs_person()) {
            assert!(!op.roles().contains(&Role::Automatic), "{op}");
        }
    }
}
