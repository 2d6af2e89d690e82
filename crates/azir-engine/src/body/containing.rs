//! Bodies of decision, measures, drafts and status.

use azir_ledger::{Digest, SeenFinal, Timestamp};
use azir_model::decision::{Order, Output};
use azir_model::vocab::NodeRole;
use azir_model::{Choice, Profile};
use serde::{Deserialize, Serialize};

/// Body of `decision.recorded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecorded {
    /// Canonical input of annex D.2, in the vault.
    pub input: Digest,
    /// Canonical output of annex D.8, in the vault.
    pub output: Digest,
    /// The declared profile: the ceiling for measures (D-080).
    pub profile: Profile,
    /// The output's recommended profile.
    pub recommended: Profile,
    /// The output's residual harm, one line per channel; must equal the output.
    pub residual: Vec<String>,
    /// Measures of own nodes that the output applies; must equal the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<RequestedMeasure>,
    /// Protocol measures that the output asks for; must equal the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<RequestedMeasure>,
    /// True when the output applies and requests nothing; must equal the output.
    pub observe_only: bool,
    /// True when the residual harm of the output is accepted by the author (guard `inforce`).
    pub residual_accepted: bool,
    /// Why a profile above the recommended one is declared, with a second signature from SEV_3
    /// (D-083); or why the class's own answer on local measures does not hold here (3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

/// Body of `measure.commanded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureCommanded {
    /// Name of the measure inside the incident, for example `m1`.
    pub measure: String,
    /// Kind of measure.
    pub choice: Choice,
    /// The node.
    pub node: String,
    /// Roles of the node whose gates close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<NodeRole>,
    /// Peers that the node drops or down-ranks: a local quarantine (D-068, D-070).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Why.
    pub reason: String,
}

/// A measure of a decision's output, by choice and scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedMeasure {
    /// Choice of annex D.4.
    pub choice: Choice,
    /// Scope.
    pub scope: String,
}

/// Body of `measure.acknowledged`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureAcknowledged {
    /// The measure.
    pub measure: String,
}

/// Body of `measure.handed_over`: to a finalized object, or to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureHandedOver {
    /// The measure, by its name in `incident show`.
    pub measure: String,
    /// The finalized restriction that holds from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Digest>,
    /// Who owns the open follow-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What stays, and until when.
    pub text: String,
}

/// Body of `measure.released`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureReleased {
    /// The measure.
    pub measure: String,
    /// Why it may end.
    pub reason: String,
}

/// Body of `draft.made`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftMade {
    /// What the draft is.
    pub draft: DraftKind,
    /// The unsigned object, in the vault.
    pub object: Digest,
    /// For protocol measures: the candidate of the decision that is drafted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<DraftedMeasure>,
    /// Why the normal path is insufficient, why the scope is minimal, expiry, review (38.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<azir_model::emergency::Justification>,
    /// For [`DraftKind::Parameters`]: what changes, by which path, and its simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParameterDraft>,
}

/// A change of protocol parameters as it is drafted (18.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterDraft {
    /// By the expedited path, which only tightens limits; else by the ordinary one (annex L.7).
    pub expedited: bool,
    /// What changes; at least one.
    pub changes: Vec<LimitChange>,
    /// The simulation of the changed parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<Simulation>,
}

/// One parameter that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// Its name.
    pub name: String,
    /// True for an upper limit, as a cap; false for a lower one, as the least fee.
    pub upper: bool,
    /// Its value in finalized state.
    pub from: u64,
    /// Its new value.
    pub to: u64,
}

impl LimitChange {
    /// True when the new value forbids no less than the old one.
    #[must_use]
    pub const fn tightens(&self) -> bool {
        if self.upper { self.to <= self.from } else { self.to >= self.from }
    }
}

/// A run of recorded blocks under changed parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The report, in the vault.
    pub report: Digest,
    /// First block that was run again.
    pub from: u64,
    /// Last block, at most the hard-final one.
    pub to: u64,
    /// Source families of the implementations that ran (D-099).
    pub families: Vec<String>,
}

/// The measure that a draft asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftedMeasure {
    /// Choice of annex D.4.
    pub choice: Choice,
    /// Scope.
    pub scope: String,
    /// How long it shall hold, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_s: Option<u64>,
    /// When it is reviewed, in seconds from its activation; a quarantine needs it (D-071).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_s: Option<u64>,
}

/// Kinds of drafts (annex C rows 14 to 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftKind {
    /// Fraud proof (owner path, row 15).
    FraudProof,
    /// Revocation of a key, by its owner (owner path, row 15).
    KeyRevocation,
    /// New key in place of one that is revoked or gated, by its owner (owner path, row 15).
    KeyRotation,
    /// Mode of a mandate, by its principal (owner path, row 15).
    MandateMode,
    /// Challenge of a governance path (owner path, row 15).
    Challenge,
    /// Lift of a restriction (row 14).
    Lift,
    /// Clarification of a rule, as an ordinary proposal (15.2, row 14).
    Clarification,
    /// Replacement of seats, proposed.
    SeatReplacement,
    /// Restart manifest for the restart authority (D-095).
    RestartManifest,
    /// Emergency restriction (row 16).
    EmergencyRestriction,
    /// Safe mode, halt or quarantine by object (row 14).
    ProtocolMeasure,
    /// Change of protocol parameters, the fix of an economic fault (row 14, 18.2).
    Parameters,
}

/// Body of `status.published`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusPublished {
    /// Class on the operator axis.
    pub operator: crate::status::StatusClass,
    /// Class on the network axis.
    pub network: crate::status::StatusClass,
    /// Words for people; the class is derived, not chosen (D-052).
    pub text: String,
    /// The hard-final block that it refers to (annex K).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_final: Option<SeenFinal>,
    /// Why a class worse than the derived one is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The text is temporary operational guidance (15.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Guidance>,
}

/// What guidance is about, whom it binds, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guidance {
    /// Scope (annex D.1).
    pub scope: String,
    /// Whether a finalized object binds the scope, or own nodes alone.
    pub label: crate::status::Label,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// The protocol measures that an output asks for, sorted and each once.
#[must_use]
pub fn requested_of(output: &Output) -> Vec<RequestedMeasure> {
    named(&output.request)
}

/// The measures of own nodes that an output applies, sorted and each once; observing is none.
#[must_use]
pub fn applied_of(output: &Output) -> Vec<RequestedMeasure> {
    let mut applied = named(&output.apply_now);
    applied.retain(|m| m.choice != Choice::ObserveOnly);
    applied
}

fn named(orders: &[Order]) -> Vec<RequestedMeasure> {
    let named = orders.iter().map(|order| RequestedMeasure {
        choice: order.measure.choice,
        scope: order.measure.scope.to_string(),
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named.dedup();
    named
}

/// The recorded residual lines of an output, one per channel.
#[must_use]
pub fn residual_lines(output: &Output) -> Vec<String> {
    output
        .residual
        .iter()
        .map(|r| {
            let reasons: Vec<_> = r.reasons.iter().map(|x| x.as_str()).collect();
            let beyond = r.beyond_s.map_or("uncontained".to_owned(), |s| format!("{s} s late"));
            match reasons.as_slice() {
                [] => format!("{}: {beyond}", r.scope),
                reasons => format!("{}: {beyond} ({})", r.scope, reasons.join(" ")),
            }
        })
        .collect()
}
