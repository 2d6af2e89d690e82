//! What the guards look at. The incident view fills these in; no request asserts any of them.

use azir_ledger::Digest;

use crate::class::ConfirmationKind;
use crate::policy::{Deployment, Windows};
use crate::vocab::{BlastRank, IncidentClass, IncidentState, NodeRole, Profile, Role, Severity};

wire_enum! {
    /// Why an incident ends as it does (annex B).
    pub enum Resolution {
        /// It was real.
        Real = "real",
        /// Evidence refutes it.
        FalseAlarm = "false_alarm",
        /// Another incident is about the same event.
        Duplicate = "duplicate",
        /// Too small to act on.
        NoAction = "no_action",
        /// The decision is to observe only.
        ObserveOnly = "observe_only",
    }
}

impl Resolution {
    /// False alarm or duplicate: the cause is refuted and windows shrink (annex B).
    #[must_use]
    pub const fn is_refuted(self) -> bool {
        matches!(self, Self::FalseAlarm | Self::Duplicate)
    }
}

/// Class and severity as a person declared them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Class declared.
    pub class: IncidentClass,
    /// Severity declared.
    pub severity: Severity,
    /// Who.
    pub by: String,
    /// In which role.
    pub role: Role,
    /// Reason, needed when lower than proposed.
    pub reason: Option<String>,
}

/// One minimal confirmation (annex N.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// What was shown.
    pub kind: ConfirmationKind,
    /// Verified by the system or by two independent observers (D-042).
    pub verified: bool,
}

/// The containment decision of the present round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Declared profile.
    pub profile: Profile,
    /// Every channel chose to observe only.
    pub observe_only: bool,
    /// Who declared it.
    pub by: String,
    /// Hash of the function's input.
    pub input: Digest,
    /// Hash of the function's output.
    pub output: Digest,
    /// A second person signed (D-050, D-083).
    pub seconded: bool,
    /// The decision departs from the function's output, and reason or second signature are missing.
    pub override_incomplete: bool,
}

wire_enum! {
    /// State of a measure, verified: local by a gate's signed acknowledgement, protocol by annex G.
    pub enum MeasureState {
        /// Commanded or requested, not yet verified in force.
        Requested = "requested",
        /// Verified in force.
        InForce = "in_force",
        /// Was in force and no longer is, without having been lifted as planned.
        Lost = "lost",
        /// Lifted or expired as planned.
        Ended = "ended",
    }
}

/// One measure of the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Name for people, for example `gate node-4/notary`.
    pub name: String,
    /// True for a protocol measure, false for a local one.
    pub protocol: bool,
    /// Verified state.
    pub state: MeasureState,
    /// The measure only observes, and so holds nothing back.
    pub observes: bool,
    /// A requested protocol measure whose residual harm the decision lists and a person accepted.
    pub residual_accepted: bool,
    /// Handed over to a finalized object or to an open follow-up with an owner.
    pub handed_over: bool,
}

/// A recovery plan, by its four parts (26.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Parts without content, among `mode`, `target`, `entry`, `outputs`, `exit`.
    pub missing_parts: Vec<String>,
    /// The entry condition is true now.
    pub entry_holds: bool,
    /// Who prepared it.
    pub prepared_by: String,
    /// Who approved it as Incident Commander.
    pub approved_by: Option<String>,
}

/// Recorded recovery state (guard `recstate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryState {
    /// Nothing is recorded.
    Unrecorded,
    /// Recovery was done.
    Done {
        /// Hash of the report.
        report: Digest,
    },
    /// No recovery was needed.
    NoneRequired {
        /// Why.
        reason: String,
        /// Replay or consistency report; needed from SEV_4.
        proof: Option<Digest>,
    },
}

/// What MONITORING has seen since it began or since the last relapse.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Watch {
    /// Milliseconds elapsed, by one monotonic clock (D-016).
    pub elapsed_ms: u64,
    /// Hard-final blocks since.
    pub blocks: u64,
    /// Telemetry series outside thresholds or with gaps.
    pub outside: Vec<String>,
}

wire_enum! {
    /// How well the cause is known (D-044).
    pub enum Cause {
        /// Not bounded.
        Unknown = "unknown",
        /// Each candidate is excluded, fixed or covered.
        Bounded = "bounded",
        /// Kind identified (33.2).
        KindIdentified = "kind_identified",
    }
}

/// A signed closure review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who signed.
    pub by: String,
    /// In which role.
    pub role: Role,
}

/// The incident of which this one is a duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// Its id.
    pub incident: Digest,
    /// Its state.
    pub state: IncidentState,
    /// Its peak.
    pub peak: Severity,
    /// This incident's evidence is linked there.
    pub evidence_linked: bool,
}

/// All facts that the guards of annex B ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Present state.
    pub state: IncidentState,
    /// Primary class.
    pub class: IncidentClass,
    /// Secondary classes.
    pub secondary: Vec<IncidentClass>,
    /// Role of the compromised key, whose lead is second lead (annex N.1).
    pub key_role: Option<NodeRole>,
    /// Deployment class of the policy.
    pub deployment: Deployment,
    /// Windows of the policy.
    pub windows: Windows,
    /// Proposed severity of the opening record.
    pub proposed: Severity,
    /// Highest severity ever declared by a person; before TRIAGED the proposed one.
    pub peak: Severity,
    /// Resolution.
    pub resolution: Resolution,
    /// Declaration, if made.
    pub declared: Option<Declared>,
    /// Number of recorded scopes, if a scope set is recorded.
    pub scopes: Option<usize>,
    /// Recorded blast radius.
    pub blast: Option<BlastRank>,
    /// The Incident Commander, if assigned.
    pub commander: Option<String>,
    /// People who hold or held the role Recovery Operator in this incident.
    pub recovery_operators: Vec<String>,
    /// The lead runbook is bound by id, version and hash.
    pub runbook_bound: bool,
    /// Minimal confirmations.
    pub confirmations: Vec<Confirmed>,
    /// Items marked `p` in annex N.3 that are neither pinned nor waived.
    pub pins_missing: Vec<String>,
    /// Containment decision.
    pub decision: Option<Decided>,
    /// Measures of the decision, also those that stand from earlier rounds.
    pub measures: Vec<Measure>,
    /// For how many milliseconds the damage indicator has been zero; none when it is positive or
    /// unknown.
    pub quiet_for_ms: Option<u64>,
    /// Hard-final blocks since the damage indicator became zero.
    pub hard_final_blocks_since: u64,
    /// The chain finalizes.
    pub finalizing: bool,
    /// Trusted checkpoint computed for this dispute and recorded.
    pub checkpoint: Option<Digest>,
    /// Recovery plan.
    pub plan: Option<Plan>,
    /// Evidence items still missing for stores that the plan destroys.
    pub store_evidence_missing: Vec<String>,
    /// Recovery state.
    pub recovery: RecoveryState,
    /// Expected outputs, exit criteria, restart criteria and phases that are still missing.
    pub exit_missing: Vec<String>,
    /// The watch of MONITORING.
    pub watch: Watch,
    /// How well the cause is known.
    pub cause: Cause,
    /// Checklist items without end state (D-054).
    pub evidence_missing: Vec<String>,
    /// Contents of 32.1 that are missing.
    pub audit_missing: Vec<String>,
    /// Closure review.
    pub review: Option<Review>,
    /// Evidence that refutes the incident.
    pub refutation: Option<Digest>,
    /// The twin of a duplicate.
    pub twin: Option<Twin>,
    /// Missing contents of the postmortem: the ten of 33.1, root kinds, conformance answers.
    pub postmortem_missing: Vec<String>,
    /// Roles that signed the postmortem.
    pub postmortem_signed: Vec<Role>,
}

impl Facts {
    /// The facts of an incident just opened: everything still to be done.
    #[must_use]
    pub fn opened(class: IncidentClass, proposed: Severity, deployment: Deployment) -> Self {
        Self {
            state: IncidentState::Detected,
            class,
            secondary: Vec::new(),
            key_role: None,
            deployment,
            windows: Windows::default(),
            proposed,
            peak: proposed,
            resolution: Resolution::Real,
            declared: None,
            scopes: None,
            blast: None,
            commander: None,
            recovery_operators: Vec::new(),
            runbook_bound: false,
            confirmations: Vec::new(),
            pins_missing: Vec::new(),
            decision: None,
            measures: Vec::new(),
            quiet_for_ms: None,
            hard_final_blocks_since: 0,
            finalizing: true,
            checkpoint: None,
            plan: None,
            store_evidence_missing: Vec::new(),
            recovery: RecoveryState::Unrecorded,
            exit_missing: Vec::new(),
            watch: Watch::default(),
            cause: Cause::Unknown,
            evidence_missing: Vec::new(),
            audit_missing: Vec::new(),
            review: None,
            refutation: None,
            twin: None,
            postmortem_missing: Vec::new(),
            postmortem_signed: Vec::new(),
        }
    }

    /// All classes of the incident.
    pub fn classes(&self) -> impl Iterator<Item = IncidentClass> + '_ {
        std::iter::once(self.class).chain(self.secondary.iter().copied())
    }
}
