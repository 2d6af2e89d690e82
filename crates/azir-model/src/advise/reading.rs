//! A situation, read once: the signals, and the few derived facts that several rules share.

use std::collections::BTreeSet;

use super::situation::{Evidence, Fact, Quality, Radius, Signal, Situation, Tempo};
use crate::decision::Grade;

/// A situation with its derived facts.
pub(super) struct Reading<'a> {
    pub(super) facts: &'a Situation,
    seen: BTreeSet<Signal>,
}

/// Signals that own machinery, not the network, went wrong (22, 23).
const ROLE_UNTRUSTED: [Signal; 5] = [
    Signal::ClockSkew,
    Signal::DiskOrDbCorruption,
    Signal::SnapshotMismatch,
    Signal::StateRootMismatch,
    Signal::BinaryMismatch,
];

impl<'a> Reading<'a> {
    pub(super) fn new(facts: &'a Situation) -> Self {
        Self { facts, seen: facts.seen() }
    }

    pub(super) fn signals(&self) -> impl Iterator<Item = Signal> {
        self.seen.iter().copied()
    }

    pub(super) fn saw(&self, signal: Signal) -> bool {
        self.seen.contains(&signal)
    }

    pub(super) fn saw_any(&self, signals: &[Signal]) -> bool {
        signals.iter().any(|s| self.saw(*s))
    }

    pub(super) fn holds(&self, evidence: Evidence) -> bool {
        self.facts.evidence_available.contains(&evidence)
    }

    pub(super) fn holds_any(&self, evidence: &[Evidence]) -> bool {
        evidence.iter().any(|e| self.holds(*e))
    }

    /// The estimated radius, when it is at least `radius`.
    pub(super) fn reaches(&self, radius: Radius) -> bool {
        self.facts.blast_radius.is_some_and(|r| r >= radius)
    }

    /// One operator or less.
    pub(super) fn is_local(&self) -> bool {
        self.facts.blast_radius.is_some_and(|r| r <= Radius::Operator)
    }

    /// Two certain effects apart, nothing is hurt or even suspected (3.1, observability only).
    pub(super) fn no_effect(&self) -> bool {
        let facts = [
            self.facts.exploit_active,
            self.facts.finality_affected,
            self.facts.validity_affected,
            self.facts.funds_at_risk,
        ];
        facts.iter().all(|f| !f.possible())
    }

    /// Nodes differ on one input (15.1, 16.1).
    pub(super) fn nodes_differ(&self) -> bool {
        self.saw_any(&[
            Signal::ValidObjectRejected,
            Signal::StateRootMismatch,
            Signal::ExecutionDivergence,
            Signal::ChainSplit,
        ])
    }

    /// The chain stands or finality stalls (14.1).
    pub(super) fn stalls(&self) -> bool {
        self.saw_any(&[Signal::NoFinality, Signal::BlockProductionStopped])
    }

    /// Funds or supply moved that should not have.
    pub(super) fn funds_moved(&self) -> bool {
        self.saw_any(&[
            Signal::AbnormalOutflow,
            Signal::UnauthorizedTransfer,
            Signal::UnexpectedMint,
            Signal::WithdrawalAnomaly,
        ])
    }

    /// A role of own nodes may not be relied upon, whatever the cause.
    pub(super) fn role_untrusted(&self) -> bool {
        self.saw_any(&ROLE_UNTRUSTED) || self.own_signer_doubtful()
    }

    /// An own signer signed twice or was slashed. Stop it whatever the class.
    pub(super) fn own_signer_doubtful(&self) -> bool {
        let local = self.is_local() || self.facts.local_only.is_yes();
        local && self.saw_any(&[Signal::DoubleSignEvidence, Signal::SlashingEvent])
    }

    /// Something of the own nodes would do harm by going on: damage accrues, the chain stalls or is
    /// split, or a role is in doubt. A disclosure without any of these is no harm yet.
    pub(super) fn own_harm(&self) -> bool {
        self.facts.harm_tempo != Some(Tempo::None)
            || self.facts.finality_affected.is_yes()
            || self.stalls()
            || self.nodes_differ()
            || self.role_untrusted()
    }

    /// Whether hard-final advances. A suspicion alone is a note (annex G); a split counts as a
    /// stall, because no protocol object would count on both sides (D-081).
    pub(super) fn finalizing(&self) -> bool {
        match self.facts.finality_affected {
            Fact::No => true,
            Fact::Yes => false,
            Fact::Suspected | Fact::Unknown => !self.stalls() && !self.saw(Signal::ChainSplit),
        }
    }

    /// Strong evidence, or partial evidence with two different signals, is corroborated; verified
    /// objects in strong evidence are proof (annex D.2).
    pub(super) fn grade(&self) -> Grade {
        let verified = [
            Evidence::SlashEvidence,
            Evidence::WitnessObjects,
            Evidence::GovernanceState,
            Evidence::StateRoots,
            Evidence::ExecutionTrace,
        ];
        match self.facts.evidence_quality {
            Some(Quality::Strong) if self.holds_any(&verified) => Grade::Proven,
            Some(Quality::Strong) => Grade::Corroborated,
            Some(Quality::Partial) if self.seen.len() >= 2 => Grade::Corroborated,
            Some(Quality::Partial | Quality::Weak) | None => Grade::Asserted,
        }
    }
}
