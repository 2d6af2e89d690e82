//! The guard atoms of annex B. Each explains itself: what is missing and what would satisfy it.

use super::Request;
use super::facts::Facts;
use crate::refusal::{RefusalKind, Unmet};

mod closing;
mod containing;
mod opening;
mod recovering;
mod request;

pub use closing::{
    audit, cause, evidence, postmortem, refute, released, review, self_reviewed, twin, twin_closed,
    watch,
};
pub use containing::{decision, in_force, no_damage, observe_only, quiet};
pub use opening::{commander, confirm, declared, pin, runbook, scope};
pub use recovering::{
    entry, exit, nothing_to_recover, plan, recovery_done, recovery_state, store_evidence, truth,
};
use request::{cause_event, due_date, new_evidence, reason, report};

wire_enum! {
    /// Guard atoms; the last nine judge what a request brings or what a column says besides.
    pub enum Guard {
        /// Class and severity declared by an authorised person.
        Declared = "declared",
        /// Scope set and blast radius recorded.
        Scope = "scope",
        /// Incident Commander assigned (SEV_3+).
        Commander = "ic",
        /// Lead runbook bound.
        Runbook = "rb",
        /// Minimal confirmation verified.
        Confirm = "confirm",
        /// Pins made or waived.
        Pin = "pin",
        /// Containment decision recorded.
        Decision = "decision",
        /// Every measure verified in force.
        InForce = "inforce",
        /// Damage indicator zero for W_stab.
        Quiet = "quiet",
        /// Trusted checkpoint recorded.
        Truth = "truth",
        /// Recovery plan complete and approved.
        Plan = "plan",
        /// Recovery state recorded.
        RecoveryState = "recstate",
        /// Outputs, exit and restart criteria, phases.
        Exit = "exit",
        /// W_mon elapsed inside thresholds.
        Watch = "watch",
        /// No measure of the incident in force.
        Released = "released",
        /// Cause bounded or identified.
        Cause = "cause",
        /// Checklist complete.
        Evidence = "evidence",
        /// Ten contents of 32.1.
        Audit = "audit",
        /// Closure review.
        Review = "review",
        /// Evidence refutes the incident.
        Refute = "refute",
        /// The named twin.
        Twin = "twin",
        /// The twin is closed (T-18 of a duplicate).
        TwinClosed = "twin_closed",
        /// The decision is to observe only (T-07).
        ObserveOnly = "observe_only",
        /// The plan's entry condition is true now (annex J.1).
        Entry = "entry",
        /// Evidence for every store that the plan destroys (T-11).
        StoreEvidence = "store_evidence",
        /// Recovery state is `done` (T-15).
        RecoveryDone = "recovery_done",
        /// Recovery state is `none_required` (T-12).
        NothingToRecover = "nothing_to_recover",
        /// No new damage (T-13, T-17).
        NoDamage = "no_damage",
        /// Postmortem complete and signed (T-20).
        Postmortem = "postmortem",
        /// A reason is given.
        Reason = "reason",
        /// An event that calls for containment (T-10).
        CauseEvent = "cause_event",
        /// A relapse or a lost measure (T-14, T-16).
        RelapseEvent = "relapse_event",
        /// A report on the attempt (T-13).
        Report = "report",
        /// New evidence (T-21, T-22).
        NewEvidence = "new_evidence",
        /// A due date (T-19).
        DueDate = "due_date",
    }
}

impl Guard {
    /// True for atoms that judge what the request itself brings.
    #[must_use]
    pub const fn of_request(self) -> bool {
        matches!(
            self,
            Self::Reason
                | Self::CauseEvent
                | Self::RelapseEvent
                | Self::Report
                | Self::NewEvidence
                | Self::DueDate
        )
    }

    /// Checks the atom.
    ///
    /// # Errors
    /// The unmet condition.
    pub fn check(self, facts: &Facts, request: &Request) -> Result<(), Unmet> {
        match self {
            Self::Reason => reason(request),
            Self::CauseEvent => cause_event(request, true),
            Self::RelapseEvent => cause_event(request, false),
            Self::Report => report(request),
            Self::NewEvidence => new_evidence(request),
            Self::DueDate => due_date(request),
            Self::Declared
            | Self::Scope
            | Self::Commander
            | Self::Runbook
            | Self::Confirm
            | Self::Pin
            | Self::Decision
            | Self::InForce
            | Self::Quiet
            | Self::Truth
            | Self::Plan
            | Self::RecoveryState
            | Self::Exit
            | Self::Watch
            | Self::Released
            | Self::Cause
            | Self::Evidence
            | Self::Audit
            | Self::Review
            | Self::Refute
            | Self::Twin
            | Self::TwinClosed
            | Self::ObserveOnly
            | Self::Entry
            | Self::StoreEvidence
            | Self::RecoveryDone
            | Self::NothingToRecover
            | Self::NoDamage
            | Self::Postmortem => self.check_facts(facts),
        }
    }

    /// Checks the atom without a request; atoms of the request are taken as met.
    ///
    /// # Errors
    /// The unmet condition.
    pub fn check_facts(self, facts: &Facts) -> Result<(), Unmet> {
        match self {
            Self::Declared => declared(facts),
            Self::Scope => scope(facts),
            Self::Commander => commander(facts),
            Self::Runbook => runbook(facts),
            Self::Confirm => confirm(facts),
            Self::Pin => pin(facts),
            Self::Decision => decision(facts),
            Self::InForce => in_force(facts),
            Self::Quiet => quiet(facts),
            Self::Truth => truth(facts),
            Self::Plan => plan(facts),
            Self::RecoveryState => recovery_state(facts),
            Self::Exit => exit(facts),
            Self::Watch => watch(facts),
            Self::Released => released(facts),
            Self::Cause => cause(facts),
            Self::Evidence => evidence(facts),
            Self::Audit => audit(facts),
            Self::Review => review(facts),
            Self::Refute => refute(facts),
            Self::Twin => twin(facts),
            Self::TwinClosed => twin_closed(facts),
            Self::ObserveOnly => observe_only(facts),
            Self::Entry => entry(facts),
            Self::StoreEvidence => store_evidence(facts),
            Self::RecoveryDone => recovery_done(facts),
            Self::NothingToRecover => nothing_to_recover(facts),
            Self::NoDamage => no_damage(facts),
            Self::Postmortem => postmortem(facts),
            Self::Reason
            | Self::CauseEvent
            | Self::RelapseEvent
            | Self::Report
            | Self::NewEvidence
            | Self::DueDate => Ok(()),
        }
    }
}

type Met = Result<(), Unmet>;

fn need(met: bool, guard: Guard, what: impl FnOnce() -> String, remedy: &str) -> Met {
    need_kind(met, RefusalKind::GuardUnmet, guard, what, remedy)
}

fn need_kind(
    met: bool,
    kind: RefusalKind,
    guard: Guard,
    what: impl FnOnce() -> String,
    remedy: &str,
) -> Met {
    if met {
        return Ok(());
    }
    Err(Unmet::new(kind, format!("{guard}: {}", what()), "5.1, 5.2, annex B", remedy))
}

fn nothing_missing(missing: &[String], guard: Guard, remedy: &str) -> Met {
    need(missing.is_empty(), guard, || format!("missing {}", missing.join(", ")), remedy)
}

fn given(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}
