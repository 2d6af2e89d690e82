//! What holds for every input: bytes, width, observability only; and annex E.2 over all its inputs.

use std::collections::BTreeSet;

use azir_ledger::canon;
use proptest::prelude::*;

use super::tests::{any_input, base, network, scope};
use super::*;
use crate::emergency::Term;
use crate::vocab::{BlastRank, IncidentClass, Severity};

/// Annex D.6, written out again over the public measure; smaller is less restrictive.
fn tuple(c: &Candidate) -> (u8, u64, u8, Authority, Ends, u64, Choice, String) {
    let m = &c.measure;
    let duration = m.duration_s.unwrap_or(u64::MAX);
    let scope = m.scope.to_string();
    let (breadth, subjects) = (c.numbers.breadth, c.numbers.subjects);
    (breadth, subjects, m.capability, m.authority, m.ends, duration, m.choice, scope)
}

/// The first five rules of annex E.2 as sentences, on the ladder 0 to 5; none = refused.
fn expected(
    class: IncidentClass,
    severity: usize,
    rank: u8,
    has: impl Fn(Flag) -> bool,
) -> Option<Profile> {
    use IncidentClass as C;
    if class == C::ObservabilityOnly {
        return (severity < 2).then_some(Profile::ObserveOnly);
    }
    if has(Flag::QuorumLost) {
        return Some(Profile::ProtocolRecovery);
    }
    if has(Flag::HarmOver) {
        return Some(Profile::ForensicOnly);
    }
    let table = match (severity, rank) {
        (0, _) | (_, 0) => 0,
        (_, 1) => 1,
        (1, _) => 0,
        (2, _) => 2,
        (5, 3) | (4 | 5, 4) => 4,
        (_, _) => 3,
    };
    let floor = match class {
        C::Bvm if has(Flag::Boundedness) => 3,
        C::Validation if has(Flag::SameBytesDisagree) => 2,
        C::AgentControl if has(Flag::HighImpact) => 3,
        C::KeyCompromise if severity >= 2 && rank >= 2 => 3,
        C::Governance if has(Flag::ImproperActivation) => 3,
        C::Economic if has(Flag::CheapRepeatable) && severity >= 3 => 4,
        _ => 0,
    };
    let step = table.max(floor);
    let local = class == C::Infrastructure && rank <= 1;
    Some(match if local { step.min(1) } else { step } {
        0 => Profile::ObserveOnly,
        1 => Profile::LocalDegraded,
        2 => Profile::SafeModeScoped,
        3 => Profile::HaltScoped,
        _ => Profile::EmergencyRestriction,
    })
}

/// R-8.3-1, R-8.1-1: all 330 inputs x 32 settings of the floor flags, with and without harm over
/// and a lost quorum, against annex E.2 written out again.
#[test]
fn the_profile_is_that_of_e_2_for_every_input() {
    let flags = [
        Flag::Boundedness,
        Flag::SameBytesDisagree,
        Flag::HighImpact,
        Flag::ImproperActivation,
        Flag::CheapRepeatable,
        Flag::HarmOver,
        Flag::QuorumLost,
    ];
    let mut tried = 0;
    for bits in 0..1_u8 << flags.len() {
        let chosen = flags.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0);
        let set: BTreeSet<_> = chosen.map(|(_, f)| *f).collect();
        for class in IncidentClass::ALL {
            for severity in Severity::ALL {
                for rank in 0..5 {
                    let blast = BlastRank::try_from(rank).unwrap();
                    let found = recommend(*class, *severity, blast, &set);
                    let expected = expected(*class, severity.rank(), rank, |f| set.contains(&f));
                    let found = found.map(|advice| advice.profile).ok();
                    assert_eq!(found, expected, "{class} {severity} {rank} {set:?}");
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 330 * 32 * 4);
}

/// R-3.1-12, R-25.2-2: with every path open and harm on the network, observability only asks the
/// protocol for nothing; the same harm in another class does.
#[test]
fn observability_only_is_refused_every_path_until_it_is_reclassified() {
    for severity in Severity::ALL {
        let mut input = base(IncidentClass::ObservabilityOnly, *severity, 3);
        input.channels = vec![network("machine:m1", &[Action::CallAny])];
        let decided = decide(&input);
        assert!(decided.request.is_empty() && decided.apply_now.is_empty());
        assert_eq!(decided.per_channel[0].step, Step::Uncontained);
        let candidates = &decided.per_channel[0].candidates;
        assert!(candidates.iter().any(|c| c.reason == Reason::ObservesOnly));
        assert!(decided.per_channel[0].emergency.blocking.contains(&Term::X2));
        input.incident.classes = vec![IncidentClass::Bvm];
        assert!(!decide(&input).request.is_empty(), "{severity}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// R-24.2-6: the same input gives the same bytes, also after it was written and read.
    #[test]
    fn the_same_input_gives_the_same_bytes(input in any_input()) {
        let Ok(bytes) = canon::encode(&input) else { return Ok(()) };
        let again: Input = canon::decode(&bytes).unwrap();
        let (first, second) = (decide(&input), decide(&again));
        prop_assert_eq!(canon::encode(&first).unwrap(), canon::encode(&second).unwrap());
        prop_assert_eq!(first.input_hash, Some(input.hash().unwrap()));
    }

    /// R-24.2-5, R-12.4-1: never wider than any candidate that is sufficient and in time, and the
    /// emergency path never where there is one.
    #[test]
    fn nothing_is_wider_than_a_sufficient_candidate_in_time(input in any_input()) {
        for decided in decide(&input).per_channel {
            let chosen = decided.chosen.as_ref();
            let chosen = decided.candidates.iter().find(|c| Some(&c.measure) == chosen);
            for other in decided.candidates.iter().filter(|c| {
                c.verdict == Verdict::Passes && c.measure.choice != Choice::EmergencyRestriction
            }) {
                let chosen = chosen.expect("something passes, so something is chosen");
                prop_assert!(chosen.measure.choice != Choice::EmergencyRestriction);
                prop_assert!(tuple(chosen) <= tuple(other), "{chosen:?} {other:?}");
            }
        }
    }

    /// R-3.1-12: whatever the channels, paths and flags say, observability only never gets a
    /// protocol scope, an emergency or a restart.
    #[test]
    fn observability_only_never_gets_a_protocol_scope(mut input in any_input()) {
        input.incident.classes = vec![IncidentClass::ObservabilityOnly];
        let decided = decide(&input);
        prop_assert!(decided.request.is_empty());
        for order in &decided.apply_now {
            prop_assert!(order.measure.is_local(), "{order:?}");
            prop_assert_eq!(order.measure.authority, Authority::None);
        }
        for channel in &decided.per_channel {
            prop_assert!(channel.chosen.as_ref().is_none_or(Measure::is_local));
            prop_assert!(!channel.emergency.holds);
        }
    }

    /// R-24.2-9: flips are found where they must be: a measure in time by a margin stops being
    /// chosen once its path is slower than the harm.
    #[test]
    fn a_slower_path_flips_where_it_says(delay in 0_u64..600, t_harm in 700_u64..4000) {
        let mut input = base(IncidentClass::Bvm, Severity::Sev4Critical, 3);
        input.channels = vec![network("machine:m1", &[Action::CallAny])];
        input.channels[0].t_harm = t_harm;
        (input.paths.owner, input.paths.expedited) = (None, None);
        input.paths.ordinary.as_mut().unwrap().delay_s = delay;
        let decided = decide(&input);
        let of_path = |f: &&Flip| f.input == "paths.ordinary.delay_s";
        let flip = decided.per_channel[0].flips.iter().find(of_path);
        // In time while delay + 10 seconds to finality is at most t_harm.
        let flip = flip.expect("the ordinary path is what is chosen");
        prop_assert_eq!((flip.from, flip.to), (delay, t_harm - 10 + 1));
        let chosen = decided.per_channel[0].chosen.as_ref().unwrap();
        let asked = (&scope("machine:m1"), Authority::Ordinary);
        prop_assert_eq!((&chosen.scope, chosen.authority), asked);
    }
}
