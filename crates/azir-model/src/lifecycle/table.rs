//! The table of annex B: edges, conditions on peak and resolution, guards, and roles.

use super::facts::{Facts, Resolution};
use super::guard::Guard;
use crate::class;
use crate::role::LEADS;
use crate::vocab::{IncidentState, Profile, Role, Severity};

wire_enum! {
    /// Transitions of annex B.
    pub enum TransitionId {
        /// DETECTED to TRIAGED.
        T01 = "T-01",
        /// DETECTED to CLOSED.
        T02 = "T-02",
        /// TRIAGED to CONFIRMED.
        T03 = "T-03",
        /// TRIAGED to CLOSED.
        T04 = "T-04",
        /// TRIAGED to MONITORING.
        T05 = "T-05",
        /// CONFIRMED to CONTAINING.
        T06 = "T-06",
        /// CONFIRMED to MONITORING.
        T07 = "T-07",
        /// CONTAINING to STABILIZED.
        T08 = "T-08",
        /// CONTAINING to MONITORING.
        T09 = "T-09",
        /// STABILIZED to CONTAINING.
        T10 = "T-10",
        /// STABILIZED to RECOVERING.
        T11 = "T-11",
        /// STABILIZED to MONITORING.
        T12 = "T-12",
        /// RECOVERING to STABILIZED.
        T13 = "T-13",
        /// RECOVERING to CONTAINING.
        T14 = "T-14",
        /// RECOVERING to MONITORING.
        T15 = "T-15",
        /// MONITORING to CONTAINING.
        T16 = "T-16",
        /// MONITORING to RECOVERING.
        T17 = "T-17",
        /// MONITORING to CLOSED.
        T18 = "T-18",
        /// CLOSED to POSTMORTEM_PENDING.
        T19 = "T-19",
        /// POSTMORTEM_PENDING to POSTMORTEM_PUBLISHED.
        T20 = "T-20",
        /// CLOSED to TRIAGED.
        T21 = "T-21",
        /// POSTMORTEM_PENDING to TRIAGED.
        T22 = "T-22",
    }
}

/// The edge between two states, for all hundred pairs (D-036): 22 edges, 68 other pairs of
/// different states, and no state to itself. Implements R-5.1-10, R-5.1-13.
#[must_use]
pub const fn edge(from: IncidentState, to: IncidentState) -> Option<TransitionId> {
    use IncidentState::{
        Closed, Confirmed, Containing, Detected, Monitoring, PostmortemPending,
        PostmortemPublished, Recovering, Stabilized, Triaged,
    };
    use TransitionId as T;
    let id = match (from, to) {
        (Detected, Triaged) => T::T01,
        (Detected, Closed) => T::T02,
        (Triaged, Confirmed) => T::T03,
        (Triaged, Closed) => T::T04,
        (Triaged, Monitoring) => T::T05,
        (Confirmed, Containing) => T::T06,
        (Confirmed, Monitoring) => T::T07,
        (Containing, Stabilized) => T::T08,
        (Containing, Monitoring) => T::T09,
        (Stabilized, Containing) => T::T10,
        (Stabilized, Recovering) => T::T11,
        (Stabilized, Monitoring) => T::T12,
        (Recovering, Stabilized) => T::T13,
        (Recovering, Containing) => T::T14,
        (Recovering, Monitoring) => T::T15,
        (Monitoring, Containing) => T::T16,
        (Monitoring, Recovering) => T::T17,
        (Monitoring, Closed) => T::T18,
        (Closed, PostmortemPending) => T::T19,
        (PostmortemPending, PostmortemPublished) => T::T20,
        (Closed, Triaged) => T::T21,
        (PostmortemPending, Triaged) => T::T22,
        (Detected, Detected | Confirmed | Containing | Stabilized | Recovering | Monitoring)
        | (Detected | Triaged, PostmortemPending | PostmortemPublished)
        | (Triaged, Detected | Triaged | Containing | Stabilized | Recovering)
        | (Confirmed, Detected | Triaged | Confirmed | Stabilized | Recovering | Closed)
        | (Confirmed | Containing, PostmortemPending | PostmortemPublished)
        | (Containing, Detected | Triaged | Confirmed | Containing | Recovering | Closed)
        | (Stabilized, Detected | Triaged | Confirmed | Stabilized | Closed)
        | (Stabilized | Recovering, PostmortemPending | PostmortemPublished)
        | (Recovering, Detected | Triaged | Confirmed | Recovering | Closed)
        | (Monitoring, Detected | Triaged | Confirmed | Stabilized | Monitoring)
        | (Monitoring, PostmortemPending | PostmortemPublished)
        | (Closed, Detected | Confirmed | Containing | Stabilized | Recovering | Monitoring)
        | (Closed, Closed | PostmortemPublished)
        | (PostmortemPending, Detected | Confirmed | Containing | Stabilized | Recovering)
        | (PostmortemPending, Monitoring | Closed | PostmortemPending)
        | (PostmortemPublished, Detected | Triaged | Confirmed | Containing | Stabilized)
        | (PostmortemPublished, Recovering | Monitoring | Closed)
        | (PostmortemPublished, PostmortemPending | PostmortemPublished) => return None,
    };
    Some(id)
}

/// The column "allowed for": peak and resolution.
///
/// Implements R-5.1-15, R-5.2-1.
#[must_use]
pub fn allowed_for(id: TransitionId, peak: Severity, resolution: Resolution) -> bool {
    use TransitionId as T;
    let refuted = resolution.is_refuted();
    let no_action = resolution == Resolution::NoAction && peak <= Severity::Sev1Low;
    match id {
        T::T02 => refuted && peak <= Severity::Sev2Medium,
        T::T04 => (refuted && peak <= Severity::Sev3High) || no_action,
        T::T05 => (refuted && peak >= Severity::Sev4Critical) || no_action,
        T::T07 => {
            refuted || (resolution == Resolution::ObserveOnly && peak <= Severity::Sev2Medium)
        }
        T::T09 => resolution == Resolution::FalseAlarm,
        T::T01
        | T::T03
        | T::T06
        | T::T08
        | T::T10
        | T::T11
        | T::T12
        | T::T13
        | T::T14
        | T::T15
        | T::T16
        | T::T17
        | T::T18
        | T::T19
        | T::T20
        | T::T21
        | T::T22 => true,
    }
}

/// The column "guards", for a resolution. An alternative of the table ("refute or twin") is the one
/// that belongs to the resolution. Containment asks for pins, one verified item and a decision,
/// never for the cause or complete evidence. Implements R-2.2-2, R-2.2-3, R-2.2-4, R-40.0-4.
#[must_use]
pub fn guards(id: TransitionId, resolution: Resolution) -> Vec<Guard> {
    use Guard as G;
    use TransitionId as T;
    let ground = match resolution {
        Resolution::FalseAlarm => G::Refute,
        Resolution::Duplicate => G::Twin,
        Resolution::ObserveOnly => G::ObserveOnly,
        Resolution::Real | Resolution::NoAction => G::Reason,
    };
    // CLOSED means that nothing is held any more (D-035), by whichever way; `refute` asks for it
    // too.
    let closing = |mut guards: Vec<Guard>| {
        guards.extend((ground != G::Refute).then_some(G::Released));
        guards
    };
    match id {
        T::T01 => vec![G::Declared, G::Scope, G::Runbook, G::Commander],
        T::T02 => closing(vec![ground, G::Reason]),
        T::T03 => vec![G::Confirm, G::Pin],
        T::T04 => closing(vec![ground, G::Evidence]),
        T::T05 => vec![ground, G::Evidence, G::RecoveryState],
        T::T06 => vec![G::Decision],
        T::T07 => vec![ground, G::RecoveryState],
        T::T08 => vec![G::InForce, G::Quiet, G::Pin],
        T::T09 => vec![G::Refute, G::RecoveryState],
        T::T10 => vec![G::CauseEvent],
        T::T14 | T::T16 => vec![G::RelapseEvent],
        T::T11 => vec![G::Truth, G::Plan, G::Entry, G::StoreEvidence],
        T::T12 => vec![G::Truth, G::NothingToRecover],
        T::T13 => vec![G::Reason, G::Report, G::NoDamage],
        T::T15 => vec![G::Exit, G::RecoveryDone],
        T::T17 => vec![G::Reason, G::NoDamage],
        T::T18 => {
            let mut all = vec![
                G::Evidence,
                G::RecoveryState,
                G::Watch,
                G::Released,
                G::Cause,
                G::Audit,
                G::Review,
            ];
            if resolution == Resolution::Duplicate {
                all.push(G::TwinClosed);
            }
            all
        }
        T::T19 => vec![G::DueDate],
        T::T20 => vec![G::Postmortem],
        T::T21 | T::T22 => vec![G::NewEvidence, G::Reason],
    }
}

/// The column "who", for people.
pub(super) fn who(id: TransitionId, facts: &Facts) -> Vec<Role> {
    use Role::{IncidentCommander as IC, OnCallOperator as OCO, RecoveryOperator as RO};
    use TransitionId as T;
    match id {
        T::T01 | T::T02 | T::T04 | T::T08 | T::T10 | T::T14 | T::T16 | T::T17 => vec![OCO, IC],
        T::T03 => [OCO, IC].into_iter().chain(class::leads(facts.class, facts.key_role)).collect(),
        T::T05 | T::T07 | T::T09 | T::T11 | T::T12 | T::T15 | T::T19 | T::T20 => vec![IC],
        // D-050: alone only for narrow profiles, else the decision carries a second signature.
        T::T06 if facts.commander.is_none() && acting_suffices(facts) => vec![OCO, IC],
        T::T06 => vec![IC],
        T::T13 => vec![IC, RO],
        // Annex C row 30: the on-call closes up to SEV_2, where no commander need be assigned.
        T::T18 if facts.peak <= Severity::Sev2Medium => vec![OCO, IC],
        T::T18 => vec![IC],
        T::T21 | T::T22 => [OCO, IC].into_iter().chain(LEADS).collect(),
    }
}

fn acting_suffices(facts: &Facts) -> bool {
    facts.decision.as_ref().is_some_and(|decision| {
        decision.seconded
            || matches!(decision.profile, Profile::ObserveOnly | Profile::LocalDegraded)
    })
}
