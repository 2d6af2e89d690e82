//! The severity questionnaire, blast rank and flags from the short form (annexes E.1, N.1, D.2).

use std::collections::BTreeSet;

use super::reading::Reading;
use super::situation::{Fact, Radius, Signal, Tempo};
use crate::decision::{Flag, Grade};
use crate::severity::{Answer, Question, Questionnaire};
use crate::vocab::{BlastRank, IncidentClass};

/// Yes when shown, unknown when only suspected, no when its symptom was not seen (D-027).
fn answer(shown: bool, suspected: bool) -> Answer {
    if shown {
        Answer::Yes
    } else if suspected {
        Answer::Unknown
    } else {
        Answer::No
    }
}

/// Answers to annex E.1. A question whose symptom nobody saw is answered no; one whose symptom was
/// seen but not its extent is left unknown.
pub(super) fn questionnaire(reading: &Reading<'_>, class: IncidentClass) -> Questionnaire {
    let mut q = Questionnaire {
        corroborated: reading.grade() >= Grade::Corroborated,
        ..Questionnaire::default()
    };
    systemic(reading, class, &mut q);
    critical(reading, &mut q);
    lower(reading, class, &mut q);
    q
}

fn systemic(reading: &Reading<'_>, class: IncidentClass, q: &mut Questionnaire) {
    use Signal as S;
    let facts = reading.facts;
    let wide = reading.reaches(Radius::ProtocolWide);
    let validity = facts.validity_affected;
    let conflict = reading.saw(S::ConflictingBlocks) && facts.finality_affected.is_yes();
    q.set(Question::ConflictingFinality, answer(false, conflict));
    // The share is not in the short form, so a network-wide disagreement is unknown (D-033).
    let disagree = wide && reading.nodes_differ() && validity.possible();
    q.set(Question::ThirdDisagrees, answer(false, disagree));
    let execution = matches!(class, IncidentClass::Bvm | IncidentClass::Validation);
    let reached = wide && execution && validity.possible() && facts.exploit_active.possible();
    let shown = reached && validity.is_yes() && facts.exploit_active.is_yes();
    q.set(Question::ExploitReachesAll, answer(shown, reached));
    let activated = reading.saw(S::GovernanceActivationAnomaly) && reading.reaches(Radius::Domain);
    q.set(
        Question::ActivationOutsideConstitution,
        answer(activated, reading.saw(S::TimelockAnomaly)),
    );
    let used = reading.saw(S::KeyMisuse) && reading.reaches(Radius::Domain);
    let key = facts.key_compromise_suspected;
    q.set(
        Question::KeysReachThreshold,
        answer(used && key.is_yes(), used && key == Fact::Suspected),
    );
    q.set(Question::FinalizedInvalid, Answer::No);
}

fn critical(reading: &Reading<'_>, q: &mut Questionnaire) {
    use Signal as S;
    let facts = reading.facts;
    let lag = facts.finality_affected;
    // The lag in epochs is not in the short form.
    let stalled = reading.reaches(Radius::ProtocolWide) && lag.possible();
    q.set(Question::FinalityLagL2, answer(false, stalled));
    let validity = facts.validity_affected;
    q.set(Question::ImplementationsDisagree, answer(validity.is_yes(), validity.possible()));
    let exhausted = reading.saw(S::ClientResourceExhaustion) && !reading.saw(S::MempoolFlood);
    q.set(Question::BoundsExceeded, answer(false, exhausted));
    // D-029: beyond one machine, or past the machine's own rules, is beyond a cap.
    let beyond = reading.reaches(Radius::Domain)
        || (!reading.is_local() && reading.saw_any(&[S::InvariantViolation, S::UnexpectedMint]));
    let moved = reading.funds_moved() && facts.funds_at_risk.possible();
    q.set(Question::FundsBeyondCap, answer(moved && beyond, false));
    let key = facts.key_compromise_suspected;
    let misused = reading.saw_any(&[S::KeyMisuse, S::KeyLeakReport]);
    q.set(Question::KeyStolen, answer(key.is_yes(), key == Fact::Suspected && misused));
}

fn lower(reading: &Reading<'_>, class: IncidentClass, q: &mut Questionnaire) {
    use Signal as S;
    let facts = reading.facts;
    let lag = facts.finality_affected;
    q.set(Question::FinalityLagL1, answer(lag.is_yes() || reading.stalls(), lag.possible()));
    q.set(Question::JournalMissing, answer(reading.saw(S::MissingLog), false));
    let oracle = reading.saw_any(&[S::OracleDeviation, S::OracleStale]);
    q.set(Question::OracleWrong, answer(oracle, false));
    let agent = reading.saw_any(&[S::AgentOutOfBounds, S::AgentFailure]);
    q.set(Question::AgentOutside, answer(agent, false));
    let exploited = facts.funds_at_risk.is_yes() && facts.exploit_active.is_yes();
    let moved = reading.funds_moved() && facts.funds_at_risk.possible();
    q.set(Question::FundsWithinCap, answer(exploited || moved, false));
    q.set(Question::RoleUntrusted, answer(reading.role_untrusted(), false));
    let effect = class != IncidentClass::ObservabilityOnly && reading.signals().next().is_some();
    // Nothing accrues and one operator is concerned: degradation, not effect.
    let idle = facts.harm_tempo == Some(Tempo::None) && reading.is_local() && reading.no_effect();
    q.set(Question::LocalEffect, answer(effect && !idle, false));
    q.set(Question::MinorDegradation, answer(effect, false));
}

/// Rank of the estimated radius; the class default when unknown (annex N.1, D-032).
pub(super) fn rank(radius: Option<Radius>, class: IncidentClass) -> BlastRank {
    match radius {
        Some(Radius::LocalNode | Radius::Operator) => BlastRank::OWN,
        Some(Radius::Issuer | Radius::MachineOrContract) => BlastRank::SUBJECT,
        Some(Radius::Domain) => BlastRank::DOMAIN,
        Some(Radius::ProtocolWide) => BlastRank::NETWORK,
        None => match class {
            IncidentClass::Consensus | IncidentClass::Validation => BlastRank::NETWORK,
            IncidentClass::Economic | IncidentClass::Governance => BlastRank::NETWORK,
            IncidentClass::Bvm | IncidentClass::WitnessProof => BlastRank::DOMAIN,
            IncidentClass::SupplyChain => BlastRank::DOMAIN,
            IncidentClass::AgentControl | IncidentClass::KeyCompromise => BlastRank::SUBJECT,
            IncidentClass::Infrastructure => BlastRank::OWN,
            IncidentClass::ObservabilityOnly => BlastRank::NONE,
        },
    }
}

/// Flags of annex D.2 that the short form can show.
pub(super) fn flags(reading: &Reading<'_>, class: IncidentClass) -> BTreeSet<Flag> {
    use Signal as S;
    let facts = reading.facts;
    let quick = matches!(facts.harm_tempo, Some(Tempo::Seconds | Tempo::Minutes));
    let exploited = facts.exploit_active.is_yes();
    let each = [
        (
            Flag::Boundedness,
            class == IncidentClass::Bvm && reading.saw(S::ClientResourceExhaustion),
        ),
        (Flag::SameBytesDisagree, facts.validity_affected.is_yes() && reading.nodes_differ()),
        (Flag::ImproperActivation, reading.saw(S::GovernanceActivationAnomaly)),
        (Flag::CheapRepeatable, class == IncidentClass::Economic && exploited && quick),
        (
            Flag::HighImpact,
            class == IncidentClass::AgentControl && reading.reaches(Radius::MachineOrContract),
        ),
    ];
    each.into_iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag).collect()
}
