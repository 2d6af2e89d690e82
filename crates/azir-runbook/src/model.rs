//! The typed runbook (34.1 and 35.1). Made only by [`crate::load`], so that every value in here
//! has passed the structural checks.

use std::collections::BTreeMap;
use std::fmt;

use azir_model::{Choice, IncidentClass, RecoveryMode, Role, RunbookId, Severity};
use serde::{Deserialize, Serialize};

use crate::event::Outcome;
use crate::fact::{FactValue, Facts};
use crate::hash::{Header, RunbookHash};
use crate::op::{Effect, Op};
use crate::predicate::{Explained, Predicate, Truth};

/// The `format` member of every runbook of this version.
pub const FORMAT: &str = "azir.runbook/1";

/// Id of a step: lower-case letters, digits and `-`, at most 64 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Where an edge leads. On the wire the id of a step, `hold` or `end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A later step.
    Step(StepId),
    /// Stay at this step, keep every restriction, and call a person.
    Hold,
    /// The runbook is through; the run ends when its exit criteria hold.
    End,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(id) => id.fmt(f),
            Self::Hold => f.pad("hold"),
            Self::End => f.pad("end"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

azir_model::wire_enum! {
    /// Which part of the skeleton of 35.1 a step belongs to.
    pub enum StepPart {
        /// Minimum actions.
        Immediate = "immediate",
        /// Recovery; such a step names its mode (R-34.1-6).
        Recovery = "recovery",
    }
}

/// An admissible answer of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The word that is recorded.
    pub id: String,
    /// What it means.
    pub text: String,
    /// Where it leads.
    pub goto: Target,
    /// What must be true for this answer to be admissible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Predicate>,
}

/// What a step consists in, with its edges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// One operation of the closed registry.
    Auto {
        /// Which.
        op: Op,
        /// Its arguments, resolved by the engine.
        args: BTreeMap<String, FactValue>,
        /// Attempts before the failure edge is taken, 1 to 5.
        attempts_max: u32,
        /// After success.
        next: Target,
        /// After the last failed attempt.
        on_fail: Target,
    },
    /// A person does it and attests.
    Manual {
        /// Outcomes that may be attested.
        outcomes: Vec<Outcome>,
        /// After `done`, `done_with_deviation`, `not_applicable`.
        next: Target,
        /// After `could_not`.
        on_fail: Target,
    },
    /// A closed question.
    Decision {
        /// The question.
        question: String,
        /// Two or more answers.
        answers: Vec<Answer>,
    },
    /// Consent of several people before the next step.
    Approval {
        /// Number of roles that must approve, each by a different person.
        quorum: u32,
        /// The step that is approved.
        next: Target,
        /// While somebody rejects.
        on_reject: Target,
    },
    /// A condition that must hold now.
    Check {
        /// The condition.
        when: Predicate,
        /// When true.
        next: Target,
        /// When false.
        on_fail: Target,
        /// When it cannot be told.
        on_unknown: Target,
    },
    /// A condition that is waited for until the deadline.
    Wait {
        /// The condition.
        until: Predicate,
        /// When true.
        next: Target,
    },
}

impl Work {
    /// The kind, as in the file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Auto { .. } => "auto",
            Self::Manual { .. } => "manual",
            Self::Decision { .. } => "decision",
            Self::Approval { .. } => "approval",
            Self::Check { .. } => "check",
            Self::Wait { .. } => "wait",
        }
    }

    /// Every edge except the deadline's, in the order of the file.
    #[must_use]
    pub fn edges(&self) -> Vec<&Target> {
        match self {
            Self::Auto { next, on_fail, .. } | Self::Manual { next, on_fail, .. } => {
                vec![next, on_fail]
            }
            Self::Decision { answers, .. } => answers.iter().map(|a| &a.goto).collect(),
            Self::Approval { next, on_reject, .. } => vec![next, on_reject],
            Self::Check { next, on_fail, on_unknown, .. } => vec![next, on_fail, on_unknown],
            Self::Wait { next, .. } => vec![next],
        }
    }
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// What a person does to take it back; never automatic.
    Undo(String),
    /// Why it cannot be taken back.
    IrreversibleBecause(String),
    /// The step only looks.
    NothingChanged,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Unique in the runbook.
    pub id: StepId,
    /// Immediate action or recovery step.
    pub part: StepPart,
    /// One line.
    pub title: String,
    /// What to do, for a tired person.
    pub text: String,
    /// Clauses of AZ-015, for example `14.2`.
    pub why: Vec<String>,
    /// Who may act; `AUT` is the machine.
    pub roles: Vec<Role>,
    /// What it can do to the world.
    pub effect: Effect,
    /// What it consists in.
    pub work: Work,
    /// Seconds from arrival at the step to its deadline.
    pub deadline_s: u32,
    /// Where the deadline leads; never towards less restriction.
    pub on_deadline: Target,
    /// Must be true before anybody acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Predicate>,
    /// Checklist items that must be recorded when the step is done.
    pub evidence: Vec<String>,
    /// The recovery mode that a recovery step serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RecoveryMode>,
    /// How it is taken back.
    pub undo: Undo,
}

/// A trigger signature (R-34.1-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Unique among triggers.
    pub id: String,
    /// One line.
    pub title: String,
    /// The condition.
    pub when: Predicate,
    /// Severity to propose.
    pub severity_hint: Severity,
    /// Clause.
    pub why: String,
}

/// A condition for starting (R-34.1-3), or an exit criterion (R-34.1-7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Criterion {
    /// Unique in its list.
    pub id: String,
    /// One line.
    pub title: String,
    /// The condition.
    pub when: Predicate,
    /// Clause.
    pub why: String,
}

/// A line of the evidence checklist (R-34.1-8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceItem {
    /// Unique in the checklist.
    pub id: String,
    /// One line.
    pub title: String,
    /// The severity from which it is due.
    pub from: Severity,
    /// Pinned at once (annex N.3, `p`).
    pub pin: bool,
    /// May be not applicable (annex N.3, `q`).
    pub qualified: bool,
    /// Clause.
    pub why: String,
}

/// A row of the containment matrix (24.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Containment {
    /// The choice.
    pub choice: Choice,
    /// Widest scope that this runbook allows for it.
    pub scope_max: String,
    /// When it fits.
    pub when: Predicate,
    /// Why, for people.
    pub reason: String,
    /// How it is taken back.
    pub undo: String,
    /// Seconds until it is normally in force.
    pub expect_s: u32,
}

azir_model::wire_enum! {
    /// What sets an escalation off.
    pub enum EscalateOn {
        /// A step's deadline fired.
        Deadline = "deadline",
        /// A step is held.
        Hold = "hold",
        /// An attempt has no known result.
        Uncertain = "uncertain",
    }
}

/// A rung of the escalation ladder (R-34.1-5). Hashed with the containment matrix (D-116).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// Unique in the ladder.
    pub id: String,
    /// What sets it off.
    pub on: EscalateOn,
    /// Seconds after that.
    pub after_s: u32,
    /// Who is called.
    pub role: Role,
    /// What they are told.
    pub text: String,
}

/// A loaded runbook: the document of 34.1 with everything that 35.1 hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runbook {
    pub(crate) id: RunbookId,
    pub(crate) version: u32,
    pub(crate) previous: Option<RunbookHash>,
    pub(crate) title: String,
    pub(crate) class: IncidentClass,
    pub(crate) classes: Vec<IncidentClass>,
    pub(crate) severity_min: Severity,
    pub(crate) owner: Role,
    pub(crate) summary: String,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) preconditions: Vec<Criterion>,
    pub(crate) evidence: Vec<EvidenceItem>,
    pub(crate) steps: Vec<Step>,
    pub(crate) containment: Vec<Containment>,
    pub(crate) escalation: Vec<Escalation>,
    pub(crate) exit: Vec<Criterion>,
    pub(crate) drills: Vec<String>,
    /// Made of all members above; see `seal`.
    pub(crate) header: Header,
    pub(crate) hash: RunbookHash,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)+) => {
        impl Runbook { $($(#[$doc])* #[must_use] pub fn $name(&self) -> $kind { &self.$name })+ }
    };
}

getters! {
    /// One line.
    title: &str,
    /// What this runbook is for, in a few sentences.
    summary: &str,
    /// Every class covered; the primary is one of them.
    classes: &[IncidentClass],
    /// Trigger signatures.
    triggers: &[Trigger],
    /// Conditions for starting.
    preconditions: &[Criterion],
    /// The evidence checklist.
    evidence: &[EvidenceItem],
    /// Immediate actions and recovery steps in the order of the file. The first is the start.
    steps: &[Step],
    /// The containment matrix.
    containment: &[Containment],
    /// The escalation ladder.
    escalation: &[Escalation],
    /// Exit criteria.
    exit: &[Criterion],
    /// Names of the drills that exercise this runbook.
    drills: &[String],
}

impl Runbook {
    /// Id of 34.2.
    #[must_use]
    pub fn id(&self) -> RunbookId {
        self.id
    }

    /// Version, from 1. A version never changes (D-117).
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The version that this one replaces.
    #[must_use]
    pub fn previous(&self) -> Option<RunbookHash> {
        self.previous
    }

    /// The primary class.
    #[must_use]
    pub fn class(&self) -> IncidentClass {
        self.class
    }

    /// The severity from which following the runbook is mandatory (D-118).
    #[must_use]
    pub fn severity_min(&self) -> Severity {
        self.severity_min
    }

    /// The role that owns the text.
    #[must_use]
    pub fn owner(&self) -> Role {
        self.owner
    }

    /// The step of this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|s| s.id == *id)
    }

    /// The checklist line of this id.
    #[must_use]
    pub fn evidence_item(&self, id: &str) -> Option<&EvidenceItem> {
        self.evidence.iter().find(|e| e.id == id)
    }

    /// What a finding of this runbook's classes rests on: the condition of the answer that has its
    /// word (D-034). None for a word that is no finding, or that no decision offers.
    #[must_use]
    pub fn proof_of(&self, word: &str) -> Option<&Predicate> {
        let known = |class: &IncidentClass| azir_model::cause::finding(*class, word).is_some();
        if !self.classes.iter().any(known) {
            return None;
        }
        let answers = self.steps.iter().flat_map(|step| match &step.work {
            Work::Decision { answers, .. } => answers.as_slice(),
            Work::Auto { .. }
            | Work::Manual { .. }
            | Work::Approval { .. }
            | Work::Check { .. }
            | Work::Wait { .. } => &[],
        });
        answers.filter(|a| a.id == word).find_map(|a| a.when.as_ref())
    }

    /// The triggers whose condition is true, with their readings (R-34.1-2).
    #[must_use]
    pub fn triggered(&self, facts: &Facts) -> Vec<(&Trigger, Explained)> {
        let told = self.triggers.iter().map(|t| (t, t.when.eval(facts)));
        told.filter(|(_, told)| told.truth == Truth::True).collect()
    }
}
