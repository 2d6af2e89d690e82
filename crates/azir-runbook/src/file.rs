//! The file as written: every key that may occur, before anything is checked. Only [`crate::load`]
//! sees these types.

use std::collections::BTreeMap;

use azir_model::{Choice, IncidentClass, RecoveryMode, Role, RunbookId, Severity};
use serde::Deserialize;
use toml::Spanned;

use crate::event::Outcome;
use crate::fact::FactValue;
use crate::hash::RunbookHash;
use crate::model::{EscalateOn, StepPart};
use crate::op::{Effect, Op};

type Text = Spanned<String>;
type PredicateAt = Spanned<PredicateFile>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunbookFile {
    pub(crate) format: Text,
    pub(crate) id: Spanned<RunbookId>,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) previous: Option<RunbookHash>,
    pub(crate) title: String,
    pub(crate) class: Spanned<IncidentClass>,
    pub(crate) classes: Vec<IncidentClass>,
    pub(crate) severity_min: Severity,
    pub(crate) owner: Role,
    pub(crate) summary: String,
    pub(crate) drills: Vec<String>,
    pub(crate) trigger: Vec<TriggerFile>,
    pub(crate) precondition: Vec<CriterionFile>,
    pub(crate) evidence: Vec<EvidenceFile>,
    pub(crate) containment: Vec<ContainmentFile>,
    pub(crate) escalation: Vec<EscalationFile>,
    pub(crate) exit: Vec<CriterionFile>,
    pub(crate) step: Vec<StepFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriggerFile {
    pub(crate) id: Text,
    pub(crate) title: String,
    pub(crate) when: PredicateAt,
    pub(crate) severity_hint: Severity,
    pub(crate) why: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CriterionFile {
    pub(crate) id: Text,
    pub(crate) title: String,
    pub(crate) when: PredicateAt,
    pub(crate) why: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceFile {
    pub(crate) id: Text,
    pub(crate) title: String,
    pub(crate) from: Severity,
    #[serde(default)]
    pub(crate) pin: bool,
    #[serde(default)]
    pub(crate) qualified: bool,
    pub(crate) why: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainmentFile {
    pub(crate) choice: Spanned<Choice>,
    pub(crate) scope_max: String,
    pub(crate) when: PredicateAt,
    pub(crate) reason: String,
    pub(crate) undo: String,
    pub(crate) expect_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EscalationFile {
    pub(crate) id: Text,
    pub(crate) on: EscalateOn,
    pub(crate) after_s: u32,
    pub(crate) role: Role,
    pub(crate) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepFile {
    pub(crate) id: Text,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) by: ByFile,
    pub(crate) does: DoesFile,
    pub(crate) edges: Spanned<EdgesFile>,
    #[serde(default)]
    pub(crate) answers: Option<Vec<AnswerFile>>,
    #[serde(default)]
    pub(crate) guard: Option<PredicateAt>,
    #[serde(default)]
    pub(crate) evidence: Vec<Text>,
    #[serde(default)]
    pub(crate) undo: Option<String>,
    #[serde(default)]
    pub(crate) irreversible_because: Option<String>,
}

/// Who acts, in which part, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByFile {
    pub(crate) roles: Vec<Role>,
    pub(crate) part: StepPart,
    #[serde(default)]
    pub(crate) mode: Option<RecoveryMode>,
    pub(crate) why: Vec<Text>,
}

/// What the step consists in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DoesFile {
    pub(crate) kind: Text,
    pub(crate) effect: Effect,
    #[serde(default)]
    pub(crate) op: Option<Op>,
    #[serde(default)]
    pub(crate) args: Option<BTreeMap<String, FactValue>>,
    #[serde(default)]
    pub(crate) attempts_max: Option<u32>,
    #[serde(default)]
    pub(crate) outcomes: Option<Vec<Outcome>>,
    #[serde(default)]
    pub(crate) question: Option<String>,
    #[serde(default)]
    pub(crate) of_step: Option<Text>,
    #[serde(default)]
    pub(crate) quorum: Option<u32>,
    #[serde(default)]
    pub(crate) when: Option<PredicateAt>,
    #[serde(default)]
    pub(crate) until: Option<PredicateAt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EdgesFile {
    #[serde(default)]
    pub(crate) next: Option<Text>,
    #[serde(default)]
    pub(crate) on_fail: Option<Text>,
    #[serde(default)]
    pub(crate) on_unknown: Option<Text>,
    #[serde(default)]
    pub(crate) on_reject: Option<Text>,
    #[serde(default)]
    pub(crate) on_deadline: Option<Text>,
    pub(crate) deadline_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerFile {
    pub(crate) id: Text,
    pub(crate) text: String,
    pub(crate) goto: Text,
    #[serde(default)]
    pub(crate) when: Option<PredicateAt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredicateFile {
    #[serde(default)]
    pub(crate) fact: Option<String>,
    #[serde(default)]
    pub(crate) is: Option<FactValue>,
    #[serde(default)]
    pub(crate) at_least: Option<i64>,
    #[serde(default)]
    pub(crate) at_most: Option<i64>,
    #[serde(default)]
    pub(crate) all: Option<Vec<PredicateFile>>,
    #[serde(default)]
    pub(crate) any: Option<Vec<PredicateFile>>,
    #[serde(default)]
    pub(crate) not: Option<Box<PredicateFile>>,
}
