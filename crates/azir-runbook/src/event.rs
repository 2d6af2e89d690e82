//! Run events: the bodies of `run.*` and `step.*` events. A run is nothing but these.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{CanonError, Digest, Timestamp, canon};
use azir_model::{Role, RunbookId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod amend;

pub use amend::{Escalated, Migrated, Requested, Settled, Undone};

use crate::hash::RunbookHash;
use crate::model::StepId;
use crate::op::Op;

azir_ledger::digest_id! {
    /// Name of a run: `H("AZ:RUN:" || JCS(started))`.
    RunId
}

azir_ledger::digest_id! {
    /// Idempotency key of one attempt. An agent that has seen the key returns its stored result.
    StepKey
}

/// Longest rationale or note, in characters.
pub const NOTE_CHARS_MAX: usize = 4000;

azir_model::wire_enum! {
    /// Outcomes of a step.
    pub enum Outcome {
        /// As written; for a check or wait: the condition is true.
        Done = "done",
        /// Done, but not as written; the note says how.
        DoneWithDeviation = "done_with_deviation",
        /// The person could not do it; the note says why.
        CouldNot = "could_not",
        /// Does not apply here; the note says why.
        NotApplicable = "not_applicable",
        /// The operation failed; for a check: the condition is false.
        Failed = "failed",
        /// For a check: the condition cannot be told.
        Unknown = "unknown",
    }
}

impl Outcome {
    /// True where a note is demanded (R-34.1-4: skipping needs a reason).
    #[must_use]
    pub const fn needs_note(self) -> bool {
        match self {
            Self::DoneWithDeviation | Self::CouldNot | Self::NotApplicable => true,
            Self::Done | Self::Failed | Self::Unknown => false,
        }
    }
}

azir_model::wire_enum! {
    /// How a run ended.
    pub enum EndOutcome {
        /// Every step walked, every exit criterion true.
        Completed = "completed",
        /// Given up by the commander; restrictions stay in force.
        GivenUp = "given_up",
    }
}

azir_model::wire_enum! {
    /// Event types of this module.
    pub enum RunEventKind {
        /// [`Started`].
        Started = "run.started",
        /// [`Intended`].
        Intended = "step.intended",
        /// [`Finished`].
        Finished = "step.finished",
        /// [`Uncertain`].
        Uncertain = "step.uncertain",
        /// [`Decided`].
        Decided = "step.decided",
        /// [`DeadlineFired`].
        DeadlineFired = "step.deadline_fired",
        /// [`Deviation`].
        Deviation = "run.deviation",
        /// [`Requested`].
        Requested = "step.requested",
        /// [`Undone`].
        Undone = "step.undone",
        /// [`Escalated`].
        Escalated = "step.escalated",
        /// [`Settled`].
        Settled = "deviation.settled",
        /// [`Migrated`].
        Migrated = "run.migrated",
        /// [`Ended`].
        Ended = "run.ended",
    }
}

/// State of a checklist item in a run (D-054). Silence is no state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidenceState {
    /// In the vault.
    Present {
        /// Hashes of the contents, at least one.
        hashes: BTreeSet<Digest>,
    },
    /// Only for items that have a qualifier.
    NotApplicable {
        /// Why.
        reason: String,
    },
    /// Unavailable, and waived by Incident Commander and Audit Scribe.
    Waived {
        /// Hash of the signed waiver event. That it is one is for the engine to check.
        waiver: Digest,
    },
}

/// Evidence by checklist item.
pub type EvidenceMap = BTreeMap<String, EvidenceState>;

/// A run starts: it stays on this hash (R-35.2-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The incident.
    pub incident: Digest,
    /// Id of the runbook.
    pub runbook: RunbookId,
    /// Version.
    pub version: u32,
    /// The version's name.
    pub runbook_hash: RunbookHash,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// 1 for the first run of this runbook in this incident.
    pub ordinal: u32,
}

impl Started {
    /// Name of the run that starts.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; never, all members have a canonical form.
    pub fn run_id(&self) -> Result<RunId, CanonError> {
        Digest::of_canonical("AZ:RUN:", self).map(RunId)
    }
}

/// An operation is about to be attempted. Durable before the effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intended {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The operation.
    pub op: Op,
    /// Hash of the resolved arguments, targets included.
    pub args_hash: Digest,
    /// 1 for the first attempt at this step.
    pub attempt: u32,
}

impl Intended {
    /// `H("AZ:STEP:" || JCS(this))`: run, step, operation, arguments and attempt.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; never, all members have a canonical form.
    pub fn key(&self) -> Result<StepKey, CanonError> {
        Digest::of_canonical("AZ:STEP:", self).map(StepKey)
    }
}

/// A step, or one attempt at it, has a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt, for `auto` steps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The outcome.
    pub outcome: Outcome,
    /// Evidence added.
    pub evidence: EvidenceMap,
    /// What else to know; demanded by some outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An attempt has no known result: after a restart, or past its deadline. A person must look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncertain {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: u32,
}

/// An answer to a decision, or a vote on an approval (`approve` or `reject`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The answer.
    pub answer: String,
    /// Why; never blank.
    pub rationale: String,
    /// Evidence added.
    pub evidence: EvidenceMap,
    /// The plan that is voted on, for approvals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
}

/// The deadline of the current step passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineFired {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
}

/// The commander leaves the written path, or allows one more attempt (`goto` = the same step).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The run.
    pub run: RunId,
    /// The current step.
    pub step: StepId,
    /// Where the run goes on.
    pub goto: StepId,
    /// Why; never blank.
    pub rationale: String,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The run.
    pub run: RunId,
    /// How.
    pub outcome: EndOutcome,
    /// Why; never blank.
    pub rationale: String,
}

/// One event of a run. Serialises as `{"type": ..., "body": ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "body", deny_unknown_fields)]
pub enum RunEvent {
    /// The run starts.
    #[serde(rename = "run.started")]
    Started(Started),
    /// An attempt is about to be made.
    #[serde(rename = "step.intended")]
    Intended(Intended),
    /// A result.
    #[serde(rename = "step.finished")]
    Finished(Finished),
    /// No known result.
    #[serde(rename = "step.uncertain")]
    Uncertain(Uncertain),
    /// An answer or a vote.
    #[serde(rename = "step.decided")]
    Decided(Decided),
    /// A deadline passed.
    #[serde(rename = "step.deadline_fired")]
    DeadlineFired(DeadlineFired),
    /// The path is left.
    #[serde(rename = "run.deviation")]
    Deviation(Deviation),
    /// Consent is asked for.
    #[serde(rename = "step.requested")]
    Requested(Requested),
    /// A step is taken back.
    #[serde(rename = "step.undone")]
    Undone(Undone),
    /// Somebody is called.
    #[serde(rename = "step.escalated")]
    Escalated(Escalated),
    /// A deviation is taken up or dismissed.
    #[serde(rename = "deviation.settled")]
    Settled(Settled),
    /// Another version from here on.
    #[serde(rename = "run.migrated")]
    Migrated(Migrated),
    /// The run is over.
    #[serde(rename = "run.ended")]
    Ended(Ended),
}

impl RunEvent {
    /// The event type that carries this body.
    #[must_use]
    pub const fn kind(&self) -> RunEventKind {
        match self {
            Self::Started(_) => RunEventKind::Started,
            Self::Intended(_) => RunEventKind::Intended,
            Self::Finished(_) => RunEventKind::Finished,
            Self::Uncertain(_) => RunEventKind::Uncertain,
            Self::Decided(_) => RunEventKind::Decided,
            Self::DeadlineFired(_) => RunEventKind::DeadlineFired,
            Self::Deviation(_) => RunEventKind::Deviation,
            Self::Requested(_) => RunEventKind::Requested,
            Self::Undone(_) => RunEventKind::Undone,
            Self::Escalated(_) => RunEventKind::Escalated,
            Self::Settled(_) => RunEventKind::Settled,
            Self::Migrated(_) => RunEventKind::Migrated,
            Self::Ended(_) => RunEventKind::Ended,
        }
    }

    /// The run that the event names; `None` for the start, whose hash names it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Started(_) => None,
            Self::Intended(e) => Some(e.run),
            Self::Finished(e) => Some(e.run),
            Self::Uncertain(e) => Some(e.run),
            Self::Decided(e) => Some(e.run),
            Self::DeadlineFired(e) => Some(e.run),
            Self::Deviation(e) => Some(e.run),
            Self::Requested(e) => Some(e.run),
            Self::Undone(e) => Some(e.run),
            Self::Escalated(e) => Some(e.run),
            Self::Settled(e) => Some(e.run),
            Self::Migrated(e) => Some(e.run),
            Self::Ended(e) => Some(e.run),
        }
    }

    /// The step that the event is about.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Started(_) | Self::Ended(_) | Self::Settled(_) | Self::Migrated(_) => None,
            Self::Requested(e) => Some(&e.step),
            Self::Undone(e) => Some(&e.step),
            Self::Escalated(e) => Some(&e.step),
            Self::Intended(e) => Some(&e.step),
            Self::Finished(e) => Some(&e.step),
            Self::Uncertain(e) => Some(&e.step),
            Self::Decided(e) => Some(&e.step),
            Self::DeadlineFired(e) => Some(&e.step),
            Self::Deviation(e) => Some(&e.step),
        }
    }

    /// The `body` member of the signed event.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; never, all members have a canonical form.
    pub fn body(&self) -> Result<Value, CanonError> {
        let mut value = serde_json::to_value(self)
            .map_err(|e| CanonError::Unencodable { why: e.to_string() })?;
        Ok(value.get_mut("body").map(Value::take).unwrap_or_default())
    }

    /// Reads an event from type and body of a signed event; `None` when the type is not one of
    /// [`RunEventKind`].
    ///
    /// # Errors
    /// [`CanonError::Schema`] when the body does not fit the type.
    pub fn parse(kind: &str, body: &Value) -> Result<Option<Self>, CanonError> {
        if kind.parse::<RunEventKind>().is_err() {
            return Ok(None);
        }
        // Through canonical bytes, so that null and floats are refused as everywhere.
        canon::decode(&canon::encode_value(&json!({ "type": kind, "body": body }))?).map(Some)
    }
}

/// An event with who recorded it and when: what the fold and the rules need of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Time of the coordinator when the event is recorded; deadlines run on it.
    pub at: Timestamp,
    /// Author, as in the event: `operator:<id>`, `server:<id>`.
    pub actor: String,
    /// Role in which the author acts.
    pub role: Role,
    /// The event.
    pub event: RunEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished() -> RunEvent {
        let present = EvidenceState::Present { hashes: BTreeSet::from([Digest::of(b"x")]) };
        RunEvent::Finished(Finished {
            run: RunId(Digest::of(b"run")),
            step: StepId::from("pin-evidence"),
            attempt: Some(1),
            outcome: Outcome::Done,
            evidence: BTreeMap::from([("logs".to_owned(), present)]),
            note: None,
        })
    }

    #[test]
    fn an_event_travels_as_type_and_body_and_reads_back() {
        let event = finished();
        let body = event.body().unwrap();
        assert_eq!(body["outcome"], "done");
        assert_eq!(RunEvent::parse("step.finished", &body).unwrap(), Some(event));
        assert_eq!(RunEvent::parse("incident.opened", &body).unwrap(), None);
    }

    #[test]
    fn a_body_with_an_unknown_or_null_member_or_of_another_type_is_refused() {
        let mut body = finished().body().unwrap();
        assert!(RunEvent::parse("step.decided", &body).is_err());
        body["extra"] = json!(1);
        assert!(RunEvent::parse("step.finished", &body).is_err());
        let mut body = finished().body().unwrap();
        body["note"] = Value::Null;
        assert!(RunEvent::parse("step.finished", &body).is_err());
        let mut body = finished().body().unwrap();
        body["evidence"]["logs"]["reason"] = json!("both");
        assert!(RunEvent::parse("step.finished", &body).is_err());
    }

    #[test]
    fn the_idempotency_key_depends_on_every_member() {
        let base = Intended {
            run: RunId(Digest::of(b"run")),
            step: StepId::from("a"),
            op: Op::GateClose,
            args_hash: Digest::of(b"args"),
            attempt: 1,
        };
        let others = [
            Intended { run: RunId(Digest::of(b"2")), ..base.clone() },
            Intended { step: StepId::from("b"), ..base.clone() },
            Intended { op: Op::RoleReopen, ..base.clone() },
            Intended { args_hash: Digest::of(b"2"), ..base.clone() },
            Intended { attempt: 2, ..base.clone() },
        ];
        assert_eq!(base.key().unwrap(), base.clone().key().unwrap());
        for other in others {
            assert_ne!(base.key().unwrap(), other.key().unwrap(), "{other:?}");
        }
    }
}
