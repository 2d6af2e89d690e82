//! Class from signals (3.1): each signal votes for the classes whose sections name it.
//!
//! Three weights. A signal that shows *who or what acted* outweighs one that shows *which rule
//! broke*, and both outweigh one that only shows *what is hurt*: a stopped chain or a missed block
//! looks the same under every cause. Ties go to the class that is first in 3.1.

use super::reading::Reading;
use super::situation::{Evidence, Fact, Radius, Signal};
use crate::vocab::IncidentClass::{self, *};

/// Who or what acted. Above a broken rule with its usual consequences.
const ACTED: u32 = 10;
/// Which rule broke.
const BROKE: u32 = 6;
/// Fits this class better than others.
const FITS: u32 = 3;
/// The class whose own subject is hurt.
const SUBJECT: u32 = 2;
/// What is hurt.
const HURT: u32 = 1;
/// Most alternatives that are named.
const ALTERNATIVES_MAX: usize = 3;

/// The best class, the others that the same facts support, and the signals that spoke for the best.
pub(super) struct Classes {
    pub(super) best: IncidentClass,
    pub(super) others: Vec<IncidentClass>,
    pub(super) because: Vec<Signal>,
}

/// Votes and sorts.
pub(super) fn classify(reading: &Reading<'_>) -> Classes {
    let mut tally = Tally { votes: [0; IncidentClass::ALL.len()] };
    for signal in reading.signals() {
        for (class, weight) in votes(signal, reading) {
            tally.add(class, weight);
        }
    }
    if tally.votes.iter().all(|v| *v == 0) {
        effects(reading, &mut tally);
    }
    facts(reading, &mut tally);
    evidence(reading, &mut tally);
    proposal(reading, &mut tally);
    let mut order: Vec<IncidentClass> = IncidentClass::ALL.to_vec();
    order.sort_by_key(|c| std::cmp::Reverse(tally.of(*c)));
    // Without any vote nothing is hurt as far as known: observe (3.1).
    let best = order.first().copied().filter(|c| tally.of(*c) > 0).unwrap_or(ObservabilityOnly);
    let supported = order.into_iter().filter(|c| *c != best && tally.of(*c) > 0);
    let speaks = |s: &Signal| votes(*s, reading).iter().any(|(c, w)| *c == best && *w > 0);
    Classes {
        best,
        others: supported.take(ALTERNATIVES_MAX).collect(),
        because: reading.signals().filter(speaks).collect(),
    }
}

struct Tally {
    votes: [u32; IncidentClass::ALL.len()],
}

impl Tally {
    fn add(&mut self, class: IncidentClass, weight: u32) {
        self.votes[class as usize] += weight;
    }

    fn of(&self, class: IncidentClass) -> u32 {
        self.votes[class as usize]
    }
}

type Votes = Vec<(IncidentClass, u32)>;

/// Votes of one signal. A signal without a vote says nothing about the class.
fn votes(signal: Signal, reading: &Reading<'_>) -> Votes {
    use Signal as S;
    match signal {
        // 19.1: mandate, log duty, halt.
        S::AgentOutOfBounds | S::AgentFailure => vec![(AgentControl, ACTED)],
        S::MissingLog => vec![(AgentControl, FITS)],
        // 17.1: claims, proofs, issuers.
        S::OracleDeviation | S::OracleStale | S::ProofForgerySuspected => {
            vec![(WitnessProof, BROKE)]
        }
        // 20.1: proposals, votes, activations; 21.1: keys.
        S::GovernanceActivationAnomaly | S::GovernanceProposalMalicious => {
            vec![(Governance, ACTED)]
        }
        S::TimelockAnomaly => vec![(Governance, BROKE)],
        S::KeyMisuse | S::KeyLeakReport => vec![(KeyCompromise, ACTED)],
        S::UnauthorizedTransfer => vec![(KeyCompromise, FITS)],
        S::WithdrawalAnomaly => vec![(KeyCompromise, HURT), (Economic, HURT)],
        S::AdminActionUnexpected => {
            vec![(KeyCompromise, FITS), (Governance, FITS), (AgentControl, HURT)]
        }
        // 23.1: what runs is not what it claims to be.
        S::BinaryMismatch | S::MaliciousPackage | S::FrontendInjection | S::CompilerDefect => {
            vec![(SupplyChain, ACTED)]
        }
        // 22.1: machines, clocks, stores, networks, settings of operators.
        S::ClockSkew => vec![(Infrastructure, ACTED)],
        S::ConfigError | S::ProviderOutage | S::SnapshotMismatch => vec![(Infrastructure, BROKE)],
        S::PeerPartition => vec![(Infrastructure, FITS)],
        S::RpcUnavailable | S::MissedBlocks => vec![(Infrastructure, HURT)],
        S::BlockTimeDegraded => vec![(Infrastructure, HURT), (Consensus, HURT)],
        // One operator's store does not stop a network; many at once have a common cause.
        S::DiskOrDbCorruption => {
            let common = reading.reaches(Radius::ProtocolWide);
            vec![(Infrastructure, if common { FITS } else { BROKE })]
        }
        // 3.1: a signal without effect.
        S::DashboardWrong | S::NodeHealthy if reading.no_effect() => {
            vec![(ObservabilityOnly, BROKE)]
        }
        S::TelemetryGap if reading.no_effect() => vec![(ObservabilityOnly, FITS)],
        S::DashboardWrong | S::NodeHealthy | S::TelemetryGap => vec![(ObservabilityOnly, HURT)],
        _ => rule_votes(signal, reading),
    }
}

/// Votes of signals that show a broken rule of the protocol, or only what is hurt.
fn rule_votes(signal: Signal, reading: &Reading<'_>) -> Votes {
    use Signal as S;
    let validity = reading.facts.validity_affected;
    let witness = reading.holds(Evidence::WitnessObjects);
    match signal {
        // 18.1: spam, prices of resources, flows.
        S::MempoolFlood => vec![(Economic, BROKE)],
        S::ResourceUnderpricing => vec![(Economic, ACTED)],
        S::AbnormalOutflow => {
            vec![(Economic, FITS), (WitnessProof, HURT), (KeyCompromise, HURT)]
        }
        S::PriceCrash => vec![(Economic, HURT)],
        S::LiquidationCascade => vec![(Economic, HURT), (WitnessProof, HURT)],
        // A supply or sum that is wrong: of the claim that backs it, of execution where validity is
        // hurt (16.1), else of rules that work as written (18.1).
        S::UnexpectedMint if witness => vec![(WitnessProof, BROKE), (Bvm, FITS)],
        S::UnexpectedMint if validity.possible() => vec![(Bvm, BROKE)],
        S::UnexpectedMint => vec![(Economic, FITS), (Bvm, HURT)],
        S::InvariantViolation if validity.is_yes() => vec![(Bvm, FITS), (Economic, HURT)],
        S::InvariantViolation if validity.possible() => vec![(Validation, FITS), (Bvm, HURT)],
        S::InvariantViolation => vec![(Economic, FITS), (Bvm, HURT)],
        // 16.1: bounds of execution; under a flood exhaustion follows from the load.
        S::ClientResourceExhaustion if reading.saw(S::MempoolFlood) => vec![(Economic, HURT)],
        S::ClientResourceExhaustion => vec![(Bvm, FITS)],
        S::ExecutionDivergence => vec![(Bvm, BROKE)],
        // 15.1: nodes differ on one object.
        S::ValidObjectRejected => vec![(Validation, BROKE)],
        S::StateRootMismatch => vec![(Validation, BROKE), (Bvm, FITS)],
        S::InvalidObjectAccepted if witness => vec![(WitnessProof, BROKE)],
        S::InvalidObjectAccepted if validity != Fact::No => vec![(Validation, BROKE)],
        S::InvalidObjectAccepted => vec![(Consensus, HURT)],
        S::UpgradeInProgress => vec![(Validation, HURT)],
        S::ChainSplit if validity.possible() => vec![(Validation, FITS), (Consensus, HURT)],
        // 14.1: finality, votes, committees. A second own signer needs no thief (22.1), but looks
        // like one (21.1).
        S::DoubleSignEvidence | S::SlashingEvent if reading.own_signer_doubtful() => {
            vec![(Infrastructure, FITS), (KeyCompromise, FITS)]
        }
        S::DoubleSignEvidence | S::ConflictingBlocks => vec![(Consensus, FITS)],
        S::NoFinality | S::BlockProductionStopped => vec![(Consensus, SUBJECT)],
        S::ChainSplit | S::Reorg | S::SlashingEvent => vec![(Consensus, HURT)],
        S::ParticipationDrop => vec![(Consensus, HURT), (Infrastructure, HURT)],
        S::NodeDesync => vec![(Consensus, HURT), (Infrastructure, HURT)],
        S::RelayMisbehaviour => vec![(Infrastructure, HURT), (Consensus, HURT)],
        S::ClientCrash => vec![(Consensus, HURT), (Validation, HURT)],
        _ => Vec::new(),
    }
}

/// Votes of the yes-no facts.
fn facts(reading: &Reading<'_>, tally: &mut Tally) {
    match reading.facts.key_compromise_suspected {
        Fact::Yes => tally.add(KeyCompromise, FITS),
        Fact::Suspected => tally.add(KeyCompromise, HURT),
        Fact::No | Fact::Unknown => {}
    }
    // 22: what stays with one operator most often begins there.
    if reading.is_local() || reading.facts.local_only.is_yes() {
        tally.add(Infrastructure, SUBJECT);
    } else if reading.facts.local_only == Fact::Suspected {
        tally.add(Infrastructure, HURT);
    }
}

/// Without any signal that tells: the class whose subject is said to be hurt (3.1).
fn effects(reading: &Reading<'_>, tally: &mut Tally) {
    let said = [
        (reading.facts.finality_affected, Consensus),
        (reading.facts.validity_affected, Validation),
        (reading.facts.funds_at_risk, Economic),
    ];
    for (fact, class) in said {
        if fact.possible() {
            tally.add(class, HURT);
        }
    }
}

/// Evidence of the class's own checklist (annex N.3): one vote, however many items.
fn evidence(reading: &Reading<'_>, tally: &mut Tally) {
    use Evidence as E;
    let lists: [(IncidentClass, &[Evidence]); 8] = [
        (Consensus, &[E::CandidateDag, E::CommitteeInputs, E::NotarizationCandidates]),
        (Validation, &[E::InputBytes]),
        (Bvm, &[E::ModuleBlob, E::ExecutionTrace, E::ArgsBytes, E::EffectData]),
        (WitnessProof, &[E::WitnessObjects]),
        (Economic, &[E::ParameterState]),
        (Governance, &[E::GovernanceState]),
        (KeyCompromise, &[E::KeyTimeline]),
        (SupplyChain, &[E::BinaryHashes, E::BuildMetadata]),
    ];
    for (class, list) in lists {
        if reading.holds_any(list) {
            tally.add(class, HURT);
        }
    }
}

/// A reporter's proposal breaks near ties and stays among the alternatives; it outweighs no named
/// rule, because a person declares on what was seen (4.1).
fn proposal(reading: &Reading<'_>, tally: &mut Tally) {
    if let Some(class) = reading.facts.class {
        tally.add(class, SUBJECT);
    }
    for class in &reading.facts.class_alternatives {
        tally.add(*class, HURT);
    }
}
