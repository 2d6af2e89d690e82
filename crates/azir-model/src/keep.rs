//! How long evidence is kept (D-026), how long a postmortem may wait (D-025), and what is kept
//! first when there is not room for all (D-059).

use std::collections::BTreeSet;

use azir_ledger::Timestamp;

use crate::evidence::Item;
use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::vocab::Severity;

const DAY_MS: i64 = 86_400_000;
/// Shortest retention when the peak was `SEV_3` or more: 730 days, in milliseconds (D-026).
pub const RETENTION_HIGH_MS: i64 = 730 * DAY_MS;
/// Shortest retention below `SEV_3`: 90 days, in milliseconds (D-026).
pub const RETENTION_LOW_MS: i64 = 90 * DAY_MS;
/// Longest embargo of a postmortem: 90 days, in milliseconds (D-025).
pub const EMBARGO_MS_MAX: i64 = 90 * DAY_MS;
/// People who sign an embargo (D-025).
pub const EMBARGO_SIGNERS: usize = 2;

/// Shortest retention for a peak, in milliseconds; policy may lengthen it (D-026).
#[must_use]
pub const fn retention_ms(peak: Severity) -> i64 {
    match peak {
        Severity::Sev0Info | Severity::Sev1Low | Severity::Sev2Medium => RETENTION_LOW_MS,
        Severity::Sev3High | Severity::Sev4Critical | Severity::Sev5Systemic => RETENTION_HIGH_MS,
    }
}

/// Until when evidence stays. `ended` is when the postmortem was published, or, where none is owed,
/// when the incident was closed for good (D-026). Saturates at the last time there is.
#[must_use]
pub fn retained_until(peak: Severity, ended: Timestamp) -> Timestamp {
    Timestamp::from_ms(ended.ms().saturating_add(retention_ms(peak)))
}

/// Whether evidence may be removed, leaving a tombstone. Implements R-10.1-12 in part.
///
/// # Errors
/// `append_only` while the incident has not ended, and before its term.
pub fn check_removal(
    peak: Severity,
    ended: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Refusal> {
    const RULE: &str = "10.1, D-026";
    let days = retention_ms(peak) / DAY_MS;
    let Some(ended) = ended else {
        return Err(Refusal::one(
            RefusalKind::AppendOnly,
            "the incident has not ended",
            RULE,
            format!("end it; its evidence stays {days} days longer"),
        ));
    };
    let until = retained_until(peak, ended);
    if now >= until {
        return Ok(());
    }
    Err(Refusal::one(
        RefusalKind::AppendOnly,
        format!("evidence of a {peak} incident that ended {ended} stays until {until}"),
        RULE,
        "wait until then; removal leaves a tombstone",
    ))
}

/// Whether publication of a postmortem may wait until `until`; its hash is out from `published`.
/// Implements R-33.1-11 in part.
///
/// # Errors
/// `postmortem_incomplete` when the end is not after `published`, or more than
/// [`EMBARGO_MS_MAX`] after it.
pub fn check_embargo(published: Timestamp, until: Timestamp) -> Result<(), Refusal> {
    let wait = until.ms().saturating_sub(published.ms());
    let what = if wait <= 0 {
        format!("embargo ends {until}, not after {published}")
    } else if wait > EMBARGO_MS_MAX {
        format!("embargo until {until} is longer than {} days", EMBARGO_MS_MAX / DAY_MS)
    } else {
        return Ok(());
    };
    let latest = Timestamp::from_ms(published.ms().saturating_add(EMBARGO_MS_MAX));
    Err(Refusal::one(
        RefusalKind::PostmortemIncomplete,
        what,
        "33.1, D-025",
        format!("set an end after {published} and not after {latest}, or publish now"),
    ))
}

/// Whether enough different people signed an embargo. Implements R-33.1-11 in part.
///
/// # Errors
/// `second_person_required` with fewer than [`EMBARGO_SIGNERS`] different people.
pub fn check_embargo_signers(people: &BTreeSet<String>) -> Result<(), Refusal> {
    if people.len() >= EMBARGO_SIGNERS {
        return Ok(());
    }
    Err(Refusal::one(
        RefusalKind::SecondPersonRequired,
        format!("{} of {EMBARGO_SIGNERS} people signed the embargo", people.len()),
        "33.1, D-025",
        "let another person sign it",
    ))
}

wire_enum! {
    /// What is kept first when a pin exceeds its budget (D-059), in that order.
    pub enum KeepRank {
        /// Certificates and signed messages.
        SignedMessages = "signed_messages",
        /// Roots and hashes.
        Roots = "roots",
        /// Parameter and governance state.
        ActiveState = "parameter_and_governance_state",
        /// Inputs of failing executions.
        FailingInputs = "failing_inputs",
        /// Traces, and what was computed from the rest.
        Traces = "traces",
        /// Logs.
        Logs = "logs",
    }
}

impl KeepRank {
    /// The rank of a checklist item of annex N.3. What can be computed again from kept items ranks
    /// as a trace; evidence that no list names ranks last.
    #[must_use]
    pub const fn of(item: Item) -> Self {
        match item {
            Item::Objects | Item::ObjectRefs | Item::EvidenceObjects | Item::Decisions => {
                Self::SignedMessages
            }
            Item::PeerMessages | Item::SlashEvidence | Item::CandidateGraph => Self::SignedMessages,
            Item::VoteMessages | Item::NotarizationCandidates => Self::SignedMessages,
            Item::Claims | Item::Revocations | Item::ActionRefs => Self::SignedMessages,
            Item::Journals | Item::GovernanceObjects => Self::SignedMessages,
            Item::CompromiseProof | Item::MessagesSince | Item::Manifests => Self::SignedMessages,
            Item::StateRoots | Item::OwnRoots | Item::FinalizedRoots => Self::Roots,
            Item::ReferenceRoots | Item::Checksums | Item::CodeHash => Self::Roots,
            Item::BinaryHashes => Self::Roots,
            Item::Parameters | Item::GovernanceState | Item::LastGoodGovernance => {
                Self::ActiveState
            }
            Item::ActiveFeatures | Item::IssuerPolicies | Item::Mandate => Self::ActiveState,
            Item::Versions | Item::LinkedScopes => Self::ActiveState,
            Item::CommitteeInputs | Item::ExactBytes | Item::StateFixture => Self::FailingInputs,
            Item::Module | Item::Arguments | Item::PriorState => Self::FailingInputs,
            Item::DependentModules | Item::ExploitPath => Self::FailingInputs,
            Item::DamagedStore | Item::BuildMetadata => Self::FailingInputs,
            Item::ReplayTraces | Item::Verdicts | Item::ExecutionTrace => Self::Traces,
            Item::EffectAccumulator | Item::CostAndGain | Item::StateGrowth => Self::Traces,
            Item::Exposure | Item::KeyTimeline | Item::Rebuilds => Self::Traces,
            Item::BillOfMaterials | Item::ImpactCheck => Self::Traces,
            Item::Logs | Item::ClockSamples | Item::BootIds => Self::Logs,
            Item::Signal | Item::Other => Self::Logs,
        }
    }
}

/// Which of `items` (with sizes in bytes) are kept within `budget` bytes, and which are dropped:
/// indices, each list ascending. By rank, within a rank the smaller first, then the earlier; what
/// does not fit is dropped and a later one that fits is still kept. What is dropped is to be
/// recorded. Implements R-2.1-2 in part (D-059).
#[must_use]
pub fn keep_within(budget: u64, items: &[(Item, u64)]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<_> = (0..items.len()).collect();
    order.sort_by_key(|i| items.get(*i).map(|(item, size)| (KeepRank::of(*item), *size, *i)));
    let (mut kept, mut dropped, mut left) = (Vec::new(), Vec::new(), budget);
    for i in order {
        match items.get(i).and_then(|(_, size)| left.checked_sub(*size)) {
            Some(rest) => {
                left = rest;
                kept.push(i);
            }
            None => dropped.push(i),
        }
    }
    kept.sort_unstable();
    dropped.sort_unstable();
    (kept, dropped)
}

/// Problems of an embargo: its term and its signers, all at once.
///
/// # Errors
/// The conditions of [`check_embargo`] and [`check_embargo_signers`] that do not hold.
pub fn check_embargo_act(
    published: Timestamp,
    until: Timestamp,
    people: &BTreeSet<String>,
) -> Result<(), Refusal> {
    let all = [check_embargo(published, until), check_embargo_signers(people)];
    let unmet: Vec<Unmet> =
        all.iter().filter_map(|r| r.as_ref().err()).flat_map(|r| r.unmet().to_vec()).collect();
    Refusal::unless_met(unmet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_767_225_600_000;

    fn after(days: i64) -> Timestamp {
        Timestamp::from_ms(START + days * DAY_MS)
    }

    /// R-10.1-12: before the term `append_only`; from the term on it may go.
    #[test]
    fn evidence_stays_730_days_from_sev_3_on_and_90_days_below() {
        for peak in Severity::ALL {
            let days = if *peak >= Severity::Sev3High { 730 } else { 90 };
            assert_eq!(retained_until(*peak, after(0)), after(days), "{peak}");
            assert!(check_removal(*peak, Some(after(0)), after(days)).is_ok());
            let early = Timestamp::from_ms(after(days).ms() - 1);
            let refusal = check_removal(*peak, Some(after(0)), early).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::AppendOnly);
            let open = check_removal(*peak, None, after(10_000)).unwrap_err();
            assert_eq!(open.kind(), RefusalKind::AppendOnly);
        }
        let last = Timestamp::from_ms(i64::MAX);
        assert_eq!(retained_until(Severity::Sev5Systemic, last), last);
    }

    /// R-33.1-11: 120 days are refused, as is one person.
    #[test]
    fn an_embargo_lasts_at_most_90_days_and_takes_two_people() {
        assert!(check_embargo(after(0), after(90)).is_ok());
        let over = Timestamp::from_ms(after(90).ms() + 1);
        for until in [after(120), over, after(0), after(-1)] {
            let refusal = check_embargo(after(0), until).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::PostmortemIncomplete, "{until}");
        }
        let people = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let twice: BTreeSet<String> = people(&["operator:a", "operator:a"]);
        let refusal = check_embargo_act(after(0), after(120), &twice).unwrap_err();
        assert!(refusal.has(RefusalKind::SecondPersonRequired) && refusal.unmet().len() == 2);
        let two = people(&["operator:a", "operator:b"]);
        assert!(check_embargo_act(after(0), after(30), &two).is_ok());
    }

    /// R-2.1-2: the order of D-059, whatever the order of the list.
    #[test]
    fn logs_go_first_and_certificates_last() {
        let items = [
            (Item::Logs, 10),
            (Item::ExecutionTrace, 10),
            (Item::Module, 10),
            (Item::Parameters, 10),
            (Item::FinalizedRoots, 10),
            (Item::VoteMessages, 10),
        ];
        for kept in 0..=items.len() {
            let (keeps, drops) = keep_within(10 * kept as u64 + 9, &items);
            assert_eq!(keeps, (items.len() - kept..items.len()).collect::<Vec<_>>());
            assert_eq!(drops, (0..items.len() - kept).collect::<Vec<_>>());
        }
        let big = [(Item::VoteMessages, u64::MAX), (Item::Logs, 3), (Item::Logs, 2)];
        assert_eq!(keep_within(4, &big), (vec![2], vec![0, 1]));
    }

    proptest! {
        /// R-2.1-2: never over the budget, nothing lost from sight, and nothing is dropped for
        /// something of a lower rank.
        #[test]
        fn keeping_is_bounded_complete_and_by_rank(
            budget in 0_u64..200,
            list in prop::collection::vec((prop::sample::select(Item::ALL), 0_u64..60), 0..24),
        ) {
            let (kept, dropped) = keep_within(budget, &list);
            let mut all: Vec<_> = kept.iter().chain(&dropped).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..list.len()).collect::<Vec<_>>());
            prop_assert!(kept.iter().map(|i| list[*i].1).sum::<u64>() <= budget);
            for gone in &dropped {
                let rank = KeepRank::of(list[*gone].0);
                let ahead = kept.iter().filter(|i| KeepRank::of(list[**i].0) <= rank);
                let taken: u64 = ahead.map(|i| list[*i].1).sum();
                prop_assert!(taken + list[*gone].1 > budget, "{gone} would have fitted");
            }
        }
    }
}
