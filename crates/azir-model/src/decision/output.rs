//! The output of the decision function (annex D.8).

use azir_ledger::Digest;
use azir_ledger::canon::CanonError;
use serde::{Deserialize, Serialize};

use super::action::RoleSet;
use super::profile::ProfileAdvice;
use crate::emergency::Predicate;
use crate::refusal::RefusalKind;
use crate::scope::Scope;
use crate::vocab::{Choice, Profile};

/// Tag of output hashes.
pub const OUTPUT_TAG: &str = "AZ:DECISION:OUTPUT:";

wire_enum! {
    /// How a measure gets its effect; [`Authority::level`] is the number of annex D.4.
    pub enum Authority {
        /// Nobody's leave is needed: own nodes.
        None = "none",
        /// One valid transaction of the entitled party.
        Owner = "owner",
        /// Ordinary governance.
        Ordinary = "ordinary",
        /// Expedited governance, to tighten a limit.
        Expedited = "expedited",
        /// Emergency governance.
        Emergency = "emergency",
        /// Restart authority.
        Restart = "restart",
    }
}

impl Authority {
    /// 0 to 4 (annex D.4).
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Owner => 1,
            Self::Ordinary | Self::Expedited => 2,
            Self::Emergency => 3,
            Self::Restart => 4,
        }
    }
}

wire_enum! {
    /// How a measure ends (24.3, D-082), in the order of annex D.6.
    pub enum Ends {
        /// At will of the operator.
        AtWill = "at_will",
        /// At its expiry, or earlier by a lift object.
        ExpiryOrLift = "expiry_or_lift",
        /// Not reversible.
        Never = "not_reversible",
    }
}

wire_enum! {
    /// Verdicts of annex D.5, in the order of the filters.
    pub enum Verdict {
        /// Passes every filter.
        Passes = "passes",
        /// Filter 1.
        DoesNotStop = "does_not_stop",
        /// Filter 2.
        BelowFloor = "below_floor",
        /// Filter 3.
        DestroysEvidence = "destroys_evidence",
        /// Filter 4.
        Ambiguous = "ambiguous",
        /// Filter 5.
        StopsFinality = "stops_finality",
        /// Filter 6.
        BroaderThanHarm = "broader_than_harm",
        /// Filter 7.
        NoAuthority = "no_authority",
        /// Filter 8.
        TooSlow = "too_slow",
    }
}

wire_enum! {
    /// Why a verdict was given.
    pub enum Reason {
        /// No objection.
        Passes = "passes",
        /// A local measure cannot stop what begins on the network.
        OriginMismatch = "origin_mismatch",
        /// Some harmful action stays possible.
        ActionsRemain = "actions_remain",
        /// The capability is below the runbook's floor.
        CapabilityBelowFloor = "capability_below_floor",
        /// Exit-only without exposure or without a way to exit (annex H): freeze.
        ExitOnlyNotPreferred = "exit_only_not_preferred",
        /// Destructive, and the evidence of the channel is not pinned.
        NotPinned = "not_pinned",
        /// It needs nodes to treat a valid object differently by configuration.
        NodesWouldDiffer = "nodes_would_differ",
        /// The scope has no live subject in the finalized state.
        ScopeUnresolved = "scope_unresolved",
        /// It would rest on objects above a disputed height.
        HeightDisputed = "height_disputed",
        /// The finalized parameters do not offer this effect on this kind of scope.
        NotOffered = "not_offered",
        /// Fewer than a quorum of seats would count.
        SeatsBelowQuorum = "seats_below_quorum",
        /// A protocol measure for a harm of own origin.
        OwnOrigin = "own_origin",
        /// The class says that there is no operational effect: reclassify first (3.1, D-019).
        ObservesOnly = "observes_only",
        /// The three conditions of 12.3 do not hold (D-067).
        SystemicConditions = "systemic_conditions",
        /// The path does not exist.
        PathAbsent = "path_absent",
        /// The emergency predicate is false (annex F).
        EmergencyPredicate = "emergency_predicate",
        /// No finality conflict, lost quorum or finalized invalidity that a restart would cure.
        RestartGrounds = "restart_grounds",
        /// The chain does not finalize, so no protocol object takes effect (D-081).
        NotEffective = "not_effective",
        /// It takes effect after the harm.
        Late = "late",
    }
}

impl Reason {
    /// The verdict that this reason belongs to.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Passes => Verdict::Passes,
            Self::OriginMismatch | Self::ActionsRemain => Verdict::DoesNotStop,
            Self::CapabilityBelowFloor | Self::ExitOnlyNotPreferred => Verdict::BelowFloor,
            Self::NotPinned => Verdict::DestroysEvidence,
            Self::NodesWouldDiffer => Verdict::Ambiguous,
            Self::ScopeUnresolved | Self::HeightDisputed | Self::NotOffered => Verdict::Ambiguous,
            Self::SeatsBelowQuorum => Verdict::StopsFinality,
            Self::OwnOrigin | Self::ObservesOnly | Self::SystemicConditions => {
                Verdict::BroaderThanHarm
            }
            Self::PathAbsent | Self::EmergencyPredicate | Self::RestartGrounds => {
                Verdict::NoAuthority
            }
            Self::NotEffective | Self::Late => Verdict::TooSlow,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn no_roles(roles: &RoleSet) -> bool {
    roles.is_empty()
}

/// One concrete measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Which of the eight choices.
    pub choice: Choice,
    /// What it covers.
    pub scope: Scope,
    /// Roles it stops or reduces on an own node.
    #[serde(default, skip_serializing_if = "no_roles")]
    pub roles: RoleSet,
    /// Capability it removes, 0 to 4 (annex D.3).
    pub capability: u8,
    /// How it gets its effect.
    pub authority: Authority,
    /// How it ends.
    pub ends: Ends,
    /// Longest duration in seconds; absent = until lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
}

impl Measure {
    /// True for measures of own nodes.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.scope.kind().is_local() || self.choice == Choice::ObserveOnly
    }

    /// The profile it belongs to (D-078).
    #[must_use]
    pub fn profile(&self) -> Profile {
        super::profile::of_measure(self.choice, self.capability, self.is_local())
    }
}

/// The numbers behind one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Breadth class of annex D.6, 0 to 5.
    pub breadth: u8,
    /// Live subjects in the scope.
    pub subjects: u64,
    /// Seconds until it takes effect; absent = never, or the path does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_s: Option<u64>,
    /// Counting seats after it, where it removes seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_after: Option<u64>,
}

/// One candidate with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The measure.
    pub measure: Measure,
    /// First failing filter, or `passes`.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The numbers.
    pub numbers: Numbers,
}

wire_enum! {
    /// The step of annex D.7 that decided a channel.
    pub enum Step {
        /// Step 1: sufficient, in time, least restrictive.
        InTime = "in_time",
        /// Step 2: the emergency path.
        Emergency = "emergency",
        /// Step 3: the quickest sufficient measure, late.
        Quickest = "quickest",
        /// Step 4: nothing.
        Uncontained = "uncontained",
    }
}

wire_enum! {
    /// Why the runner-up was not chosen: the first element of annex D.6 that differs, or the step.
    pub enum WhyNot {
        /// It covers more.
        Breadth = "wider_breadth",
        /// It covers more subjects.
        Subjects = "more_subjects",
        /// It removes more capability.
        Capability = "more_capability",
        /// It needs a higher authority.
        Authority = "higher_authority",
        /// It ends less easily.
        Ends = "ends_less_easily",
        /// It lasts longer.
        Duration = "lasts_longer",
        /// Equal up to the list order of annex D.4 or the scope's text.
        ListOrder = "list_order",
        /// It is late, or later than the chosen one.
        Slower = "slower",
        /// The emergency path is only for what nothing else contains.
        OnlyEmergency = "emergency_is_last",
    }
}

/// The smallest change of one input number that changes a channel's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// Name of the number in the input, for example `paths.ordinary.delay_s`.
    pub input: String,
    /// Its value now.
    pub from: u64,
    /// The nearest value at which the choice differs.
    pub to: u64,
    /// The choice then; absent = uncontained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Measure>,
}

/// The decision for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelDecision {
    /// The channel's scope.
    pub scope: Scope,
    /// Seconds allowed: harm time, or tolerance when running.
    pub limit_s: u64,
    /// Every candidate, in the order of annex D.6.
    pub candidates: Vec<Candidate>,
    /// The step that decided.
    pub step: Step,
    /// The chosen measure; absent = uncontained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Measure>,
    /// True when the chosen measure takes effect after the harm.
    pub late: bool,
    /// What would be chosen without the chosen one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<Measure>,
    /// Why the runner-up lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<WhyNot>,
    /// The emergency predicate of this channel (annex F).
    pub emergency: Predicate,
    /// Single number changes that change the choice, the smallest relative change first.
    pub flips: Vec<Flip>,
}

wire_enum! {
    /// Kind of the protocol object to draft.
    pub enum DraftKind {
        /// Mode of a mandate, by its principal.
        MandateMode = "mandate_mode",
        /// Revocation of a key, by its owner.
        KeyRevocation = "key_revocation",
        /// Challenge of a governance path.
        Challenge = "challenge",
        /// Fraud proof against seats.
        FraudProof = "fraud_proof",
        /// Restriction by governance.
        Restriction = "restriction",
        /// Quarantine by governance.
        Quarantine = "quarantine",
        /// Emergency restriction.
        EmergencyRestriction = "emergency_restriction",
        /// Restart manifest.
        RestartManifest = "restart_manifest",
    }
}

/// A measure of the merged result (D.7, D-075).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The measure.
    pub measure: Measure,
    /// Positions of the channels it serves.
    pub channels: Vec<u64>,
    /// Seconds until effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_s: Option<u64>,
    /// True for a stop-gap of D.7 step 5.
    pub stop_gap: bool,
    /// Object to draft; absent for measures of authority 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftKind>,
}

/// Harm that remains (D-076, R-24.2-7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// Position of the channel.
    pub channel: u64,
    /// Its scope.
    pub scope: Scope,
    /// Seconds of harm beyond what is allowed; absent = without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_s: Option<u64>,
    /// Reasons of the nearest candidates when nothing contains it.
    pub reasons: Vec<Reason>,
}

/// A choice that no override reaches (D-083), and the refusal that a request for it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedOverride {
    /// Position of the channel.
    pub channel: u64,
    /// The choice.
    pub choice: Choice,
    /// Scope of the candidate that came furthest.
    pub scope: Scope,
    /// Why it fails.
    pub reason: Reason,
    /// Refusal kind of annex A.
    pub refusal: RefusalKind,
}

/// The whole output (annex D.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Version of the function.
    pub version: u64,
    /// `AZ:DECISION:INPUT:` digest; absent when the input has no canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_hash: Option<Digest>,
    /// Recommended profile (annex E.2); absent = reclassify (rule 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended_profile: Option<ProfileAdvice>,
    /// Highest profile that the chosen measures belong to (D-078).
    pub measures_profile: Profile,
    /// True when the measures need one step more than recommended and the emergency predicate
    /// allows it (D-080).
    pub one_step_more: bool,
    /// Measures of authority 0.
    pub apply_now: Vec<Order>,
    /// Measures that need a protocol object.
    pub request: Vec<Order>,
    /// What remains.
    pub residual: Vec<Residual>,
    /// Per channel, in the order of the input.
    pub per_channel: Vec<ChannelDecision>,
    /// Choices that no override reaches.
    pub refused_overrides: Vec<RefusedOverride>,
}

impl Output {
    /// `AZ:DECISION:OUTPUT:` digest of the canonical form.
    ///
    /// # Errors
    /// An integer beyond 2^53-1.
    pub fn hash(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(OUTPUT_TAG, self)
    }

    /// The distinct choices, local ones first; observe only when there is no measure.
    #[must_use]
    pub fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for order in self.apply_now.iter().chain(&self.request) {
            if !choices.contains(&order.measure.choice) {
                choices.push(order.measure.choice);
            }
        }
        if choices.is_empty() {
            choices.push(Choice::ObserveOnly);
        }
        choices
    }

    /// True when the emergency path is open and used for some channel.
    #[must_use]
    pub fn escalates(&self) -> bool {
        self.request.iter().any(|o| o.measure.choice == Choice::EmergencyRestriction)
    }
}
