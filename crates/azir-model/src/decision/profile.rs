//! Recommended response profile (annex E.2): a total function of class, severity, blast rank and
//! flags, with the refused row of rule 1.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::input::Flag;
use crate::refusal::{Refusal, RefusalKind};
use crate::vocab::{BlastRank, Choice, IncidentClass, Profile, Severity};

wire_enum! {
    /// The rule of annex E.2 that gave the profile.
    pub enum ProfileRule {
        /// The table of severity and blast rank.
        Table = "table",
        /// Rule 1: observability only observes.
        ObservabilityOnly = "observability_only",
        /// Rule 2: the harm is over and nothing operational was touched.
        Forensic = "forensic",
        /// Rule 3: a floor.
        Floor = "floor",
        /// Rule 4: infrastructure with rank 1 or less.
        LocalCap = "local_cap",
        /// Rule 5: conflicting hard-final histories, a lost quorum, or something invalid finalized.
        Restart = "restart",
    }
}

/// A recommended profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileAdvice {
    /// The profile.
    pub profile: Profile,
    /// The last rule that set it.
    pub rule: ProfileRule,
    /// Rank 0 with `SEV_3` or more, or rank 1 with `SEV_5`: the declarer corrects one or gives a
    /// reason.
    pub inconsistent: bool,
}

const TABLE: [[u8; 5]; 6] = [
    [0, 0, 0, 0, 0],
    [0, 1, 0, 0, 0],
    [0, 1, 2, 2, 2],
    [0, 1, 3, 3, 3],
    [0, 1, 3, 3, 4],
    [0, 1, 3, 4, 4],
];

const LADDER: [Profile; 6] = [
    Profile::ObserveOnly,
    Profile::LocalDegraded,
    Profile::SafeModeScoped,
    Profile::HaltScoped,
    Profile::EmergencyRestriction,
    Profile::ProtocolRecovery,
];

/// Place on the ladder of annex E.2, 0 to 5; forensic-only stands with observe-only (D-078).
#[must_use]
pub fn step(profile: Profile) -> u8 {
    match profile {
        Profile::ObserveOnly | Profile::ForensicOnly => 0,
        Profile::LocalDegraded => 1,
        Profile::SafeModeScoped => 2,
        Profile::HaltScoped => 3,
        Profile::EmergencyRestriction => 4,
        Profile::ProtocolRecovery => 5,
    }
}

/// The profile that a measure belongs to (D-078); `local` tells the two forms of quarantine and
/// recovery apart.
#[must_use]
pub fn of_measure(choice: Choice, capability: u8, local: bool) -> Profile {
    match choice {
        Choice::ObserveOnly => Profile::ObserveOnly,
        Choice::LocalDegraded | Choice::LocalServiceHalt => Profile::LocalDegraded,
        Choice::Quarantine | Choice::RecoveryMode if local => Profile::LocalDegraded,
        Choice::ProtocolSafeMode => Profile::SafeModeScoped,
        Choice::Quarantine if capability <= 1 => Profile::SafeModeScoped,
        Choice::Quarantine | Choice::ScopedProtocolHalt => Profile::HaltScoped,
        Choice::EmergencyRestriction => Profile::EmergencyRestriction,
        Choice::RecoveryMode => Profile::ProtocolRecovery,
    }
}

/// Annex E.2. Implements R-8.3-1 and R-8.1-1.
///
/// # Errors
/// Observability only at `SEV_2` or more: reclassify (rule 1).
pub fn recommend(
    class: IncidentClass,
    severity: Severity,
    rank: BlastRank,
    flags: &BTreeSet<Flag>,
) -> Result<ProfileAdvice, Refusal> {
    let has = |flag| flags.contains(&flag);
    let r = rank.value();
    let inconsistent = (r == 0 && severity >= Severity::Sev3High)
        || (r == 1 && severity == Severity::Sev5Systemic);
    let advice = |step: u8, rule| ProfileAdvice {
        profile: LADDER[usize::from(step.min(5))],
        rule,
        inconsistent,
    };
    if class == IncidentClass::ObservabilityOnly {
        if severity >= Severity::Sev2Medium {
            return Err(Refusal::one(
                RefusalKind::GuardUnmet,
                format!("{class} cannot stand at {severity}"),
                "3.1, 8.3, annex E.2 rule 1",
                "declare another class, or SEV_1 or less",
            ));
        }
        return Ok(advice(0, ProfileRule::ObservabilityOnly));
    }
    let restart =
        has(Flag::ConflictingHardFinal) || has(Flag::QuorumLost) || has(Flag::FinalizedInvalid);
    if has(Flag::HarmOver) && !restart {
        let profile = Profile::ForensicOnly;
        return Ok(ProfileAdvice { profile, rule: ProfileRule::Forensic, inconsistent });
    }
    let mut step = TABLE[severity.rank()][usize::from(r)];
    let mut rule = ProfileRule::Table;
    let floor = floor(class, severity, r, flags);
    if floor > step {
        (step, rule) = (floor, ProfileRule::Floor);
    }
    if class == IncidentClass::Infrastructure && r <= 1 && step > 1 {
        (step, rule) = (1, ProfileRule::LocalCap);
    }
    if restart {
        (step, rule) = (5, ProfileRule::Restart);
    }
    Ok(advice(step, rule))
}

/// Rule 3 of annex E.2. Implements R-18.3-1.
fn floor(class: IncidentClass, severity: Severity, rank: u8, flags: &BTreeSet<Flag>) -> u8 {
    let has = |flag| flags.contains(&flag);
    match class {
        IncidentClass::Bvm if has(Flag::Boundedness) => 3,
        IncidentClass::Validation if has(Flag::SameBytesDisagree) => 2,
        IncidentClass::AgentControl if has(Flag::HighImpact) => 3,
        IncidentClass::KeyCompromise if severity >= Severity::Sev2Medium && rank >= 2 => 3,
        IncidentClass::Governance if has(Flag::ImproperActivation) => 3,
        IncidentClass::Economic if has(Flag::CheapRepeatable) && severity >= Severity::Sev3High => {
            4
        }
        IncidentClass::Bvm | IncidentClass::Validation | IncidentClass::AgentControl => 0,
        IncidentClass::KeyCompromise | IncidentClass::Governance | IncidentClass::Economic => 0,
        IncidentClass::Consensus | IncidentClass::WitnessProof => 0,
        IncidentClass::Infrastructure | IncidentClass::SupplyChain => 0,
        IncidentClass::ObservabilityOnly => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR_FLAGS: [Flag; 5] = [
        Flag::Boundedness,
        Flag::SameBytesDisagree,
        Flag::HighImpact,
        Flag::ImproperActivation,
        Flag::CheapRepeatable,
    ];

    fn ranks() -> impl Iterator<Item = BlastRank> {
        (0..5).map(|r| BlastRank::try_from(r).unwrap())
    }

    fn flag_sets() -> impl Iterator<Item = BTreeSet<Flag>> {
        (0..32_u8).map(|bits| {
            let chosen = FLOOR_FLAGS.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0);
            chosen.map(|(_, f)| *f).collect()
        })
    }

    /// R-8.3-1, R-8.1-1: all 330 inputs under all 32 settings of the floor flags.
    #[test]
    fn the_profile_is_total_and_falls_neither_with_severity_nor_with_rank_from_two_on() {
        for class in IncidentClass::ALL.iter().copied() {
            for flags in flag_sets() {
                for severity in Severity::ALL.iter().copied() {
                    for rank in ranks() {
                        let found = recommend(class, severity, rank, &flags);
                        let refused = class == IncidentClass::ObservabilityOnly
                            && severity >= Severity::Sev2Medium;
                        assert_eq!(found.is_err(), refused);
                        let Ok(found) = found else { continue };
                        let place = step(found.profile);
                        let at = |s: Severity, r| {
                            recommend(class, s, r, &flags).map(|a| step(a.profile))
                        };
                        if severity.rank() > 0 {
                            let lower = Severity::ALL[severity.rank() - 1];
                            assert!(at(lower, rank).is_ok_and(|p| p <= place));
                        }
                        if rank.value() > 2 {
                            let below = BlastRank::try_from(rank.value() - 1).unwrap();
                            assert!(at(severity, below).is_ok_and(|p| p <= place));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_and_its_rules_give_the_profiles_of_e_2() {
        use IncidentClass as C;
        use Severity as S;
        let none = BTreeSet::new();
        let with = |f: Flag| BTreeSet::from([f]);
        let get = |c, s, r: u8, f: &BTreeSet<Flag>| {
            step(recommend(c, s, BlastRank::try_from(r).unwrap(), f).unwrap().profile)
        };
        for (severity, row) in S::ALL.iter().zip(TABLE) {
            for (rank, expected) in (0_u8..).zip(row) {
                assert_eq!(get(C::Consensus, *severity, rank, &none), expected);
            }
        }
        assert_eq!(get(C::Bvm, S::Sev3High, 1, &with(Flag::Boundedness)), 3);
        assert_eq!(get(C::Validation, S::Sev1Low, 0, &with(Flag::SameBytesDisagree)), 2);
        assert_eq!(get(C::AgentControl, S::Sev2Medium, 2, &with(Flag::HighImpact)), 3);
        assert_eq!(get(C::KeyCompromise, S::Sev2Medium, 2, &none), 3);
        assert_eq!(get(C::KeyCompromise, S::Sev1Low, 2, &none), 0);
        assert_eq!(get(C::Governance, S::Sev2Medium, 2, &with(Flag::ImproperActivation)), 3);
        assert_eq!(get(C::Economic, S::Sev3High, 3, &with(Flag::CheapRepeatable)), 4);
        assert_eq!(get(C::Economic, S::Sev2Medium, 3, &with(Flag::CheapRepeatable)), 2);
        assert_eq!(get(C::Infrastructure, S::Sev5Systemic, 1, &none), 1);
        for flag in [Flag::ConflictingHardFinal, Flag::QuorumLost, Flag::FinalizedInvalid] {
            assert_eq!(get(C::Consensus, S::Sev3High, 4, &with(flag)), 5);
        }
    }

    #[test]
    fn harm_over_gives_forensic_only_and_odd_pairs_are_flagged() {
        let over = BTreeSet::from([Flag::HarmOver]);
        let got = recommend(IncidentClass::Bvm, Severity::Sev4Critical, BlastRank::DOMAIN, &over);
        assert_eq!(got.unwrap().profile, Profile::ForensicOnly);
        let none = BTreeSet::new();
        let odd =
            recommend(IncidentClass::Bvm, Severity::Sev3High, BlastRank::NONE, &none).unwrap();
        assert!(odd.inconsistent);
        let odd =
            recommend(IncidentClass::Bvm, Severity::Sev5Systemic, BlastRank::OWN, &none).unwrap();
        assert!(odd.inconsistent);
    }
}
