//! The exhaustive path check of a runbook: ten rules of AZ-015 over every path from the first
//! step, each violation with a shortest path that shows it.
//!
//! A rule "X comes before Y on every path" is decided by taking the edges that do X out of the
//! graph and asking whether Y is still reached; no path is enumerated. What a single member of the
//! file can break is refused by [`crate::load`] already and not repeated here.

mod draft;
mod flow;
pub(crate) mod graph;
mod label;
mod order;
mod people;
mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use azir_model::Role;
use serde::Serialize;

use crate::model::{Runbook, StepId, Target};
use graph::Graph;

azir_model::wire_enum! {
    /// The rules, each with the clause that it serves ([`Rule::clause`]).
    pub enum Rule {
        /// Whatever restricts comes with or after the pin, whatever changes or releases comes
        /// after every pinned line is kept (9.2, 10, D-041).
        PreserveFirst = "preserve_first",
        /// Verifier, proposer and notary return after a replay that matches, one by one in the
        /// order of 30.1 (27.2, 30.1).
        ReplayBeforeAuthority = "replay_before_authority",
        /// A key in doubt is used again only after rotation (21.2, 40).
        RotationBeforeReuse = "rotation_before_reuse",
        /// A draft that would bind others answers a question that has a local answer too, and an
        /// emergency draft carries the four texts (25.2, 38.2).
        ProtocolDraftJustified = "protocol_draft_justified",
        /// A run ends by criteria that quiet telemetry alone does not meet, and what reopened did
        /// so under a restart decision (29.1, 29.2).
        EndByDecision = "end_by_decision",
        /// No deadline leads to less restriction, and none holds up the first closing
        /// (24.1, D-041 O5).
        DeadlineNeverLoosens = "deadline_never_loosens",
        /// Whoever changes or releases is approved by enough other people (6.2, D-048).
        ApprovedByOthers = "approved_by_others",
        /// Each restriction is labelled local or protocol, safe mode or halt, never both (11.3).
        RestrictionLabelled = "restriction_labelled",
        /// What is done can be undone, or the text says why not (24.3).
        UndoStated = "undo_stated",
        /// Every step is reached, and every path to the end collects every evidence line (34.1).
        EvidenceOnEveryPath = "evidence_on_every_path",
    }
}

impl Rule {
    /// The clause of AZ-015 that is broken, with the decision or annex where it is one.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::PreserveFirst => "9.2, 10, D-041",
            Self::ReplayBeforeAuthority => "27.2, 30.1",
            Self::RotationBeforeReuse => "21.2, 40",
            Self::ProtocolDraftJustified => "25.2, 38.2",
            Self::EndByDecision => "29.1, 29.2",
            Self::DeadlineNeverLoosens => "24.1, D-041 O5",
            Self::ApprovedByOthers => "6.2, D-048",
            Self::RestrictionLabelled => "11.3",
            Self::UndoStated => "24.3",
            Self::EvidenceOnEveryPath => "34.1",
        }
    }

    fn check(self, graph: &Graph<'_>, roster: Option<&Roster>) -> Vec<Finding> {
        match self {
            Self::PreserveFirst => order::preserve_first(graph),
            Self::ReplayBeforeAuthority => order::replay_before_authority(graph),
            Self::RotationBeforeReuse => order::rotation_before_reuse(graph),
            Self::ProtocolDraftJustified => draft::justified(graph),
            Self::EndByDecision => order::end_by_decision(graph),
            Self::DeadlineNeverLoosens => flow::deadline_never_loosens(graph),
            Self::ApprovedByOthers => people::approved_by_others(graph, roster),
            Self::RestrictionLabelled => label::restriction_labelled(graph),
            Self::UndoStated => label::undo_stated(graph),
            Self::EvidenceOnEveryPath => flow::evidence_on_every_path(graph),
        }
    }
}

/// Who can take each role. A person may be listed under several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Names of the people by role.
    pub people: BTreeMap<Role, BTreeSet<String>>,
}

/// One place on a path, and the edge that is taken from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// A step, `hold` or `end`.
    pub at: Target,
    /// `next`, `on_fail`, `on_unknown`, `on_reject`, `on_deadline` or the id of an answer. `None`
    /// at the last place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<String>,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The clause behind it.
    pub clause: &'static str,
    /// The step that breaks it. `None` where it is the runbook as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// A shortest path from the first step that shows it. Empty where no path is involved.
    pub path: Vec<Hop>,
    /// What is wrong, one sentence.
    pub why: String,
    /// What to change.
    pub remedy: String,
}

impl Finding {
    fn new(rule: Rule, step: Option<&StepId>, path: Vec<Hop>, why: String, remedy: &str) -> Self {
        let (step, remedy) = (step.cloned(), remedy.to_owned());
        Self { rule, clause: rule.clause(), step, path, why, remedy }
    }

    /// The path as one line: `a -next-> b -on_deadline-> c`.
    #[must_use]
    pub fn path_text(&self) -> String {
        let mut text = String::new();
        for hop in &self.path {
            text.push_str(&hop.at.to_string());
            if let Some(edge) = &hop.edge {
                text.push_str(&format!(" -{edge}-> "));
            }
        }
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.rule, self.clause, self.why)?;
        if !self.path.is_empty() {
            write!(f, "\n  path: {}", self.path_text())?;
        }
        write!(f, "\n  remedy: {}", self.remedy)
    }
}

/// Every violation, in the order of the rules and then of the file. Empty for a sound runbook.
///
/// With a roster, quorums are checked against its people; without one, as if each role named in
/// the runbook were one person of its own.
#[must_use]
pub fn lint(book: &Runbook, roster: Option<&Roster>) -> Vec<Finding> {
    lint_by(Rule::ALL, book, roster)
}

pub(crate) fn lint_by(rules: &[Rule], book: &Runbook, roster: Option<&Roster>) -> Vec<Finding> {
    let graph = Graph::new(book);
    rules.iter().flat_map(|rule| rule.check(&graph, roster)).collect()
}
