//! The postmortem as a document (33): drafted from the log, completed by people, and checked
//! against the log before anyone may publish it.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Timestamp};
use azir_model::IncidentId;
use azir_model::cause::{Adversarial, RootKind};
use azir_model::refusal::{RefusalKind, Unmet};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::body::{Blast, BlastBasis, ConformanceAnswer, Question};
use crate::state::State;
use crate::view::IncidentView;

mod draft;

pub use draft::draft;

/// The `schema` member of a postmortem (D-010).
pub const POSTMORTEM_SCHEMA: &str = "azir.postmortem/1";

/// The ten contents of a postmortem (33.1), in its order.
pub const CONTENTS: [&str; 10] = [
    "root_cause_class",
    "triggering_condition",
    "timeline",
    "blast_radius",
    "why_controls_did_or_did_not_work",
    "immediate_fix",
    "long_term_fix",
    "changes_required",
    "governance_change_needed",
    "conformance_vectors",
];
/// How a content says that there is nothing (D-115).
pub const NONE_BECAUSE: &str = "none, because ";
/// Most fixes of one postmortem (bounded input).
pub const FIXES_MAX: usize = 256;

/// A postmortem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postmortem {
    /// Always [`POSTMORTEM_SCHEMA`].
    pub schema: String,
    /// The incident.
    pub incident: IncidentId,
    /// The ten contents, by name: a text, or `none, because ...`.
    pub contents: BTreeMap<String, String>,
    /// Every event of the incident up to the draft, in log order.
    pub timeline: Vec<TimelineEntry>,
    /// Affected scopes at the end.
    pub scopes: Vec<String>,
    /// Blast radius at the end.
    pub blast: Blast,
    /// Root kinds (33.2).
    pub kinds: Vec<RootKind>,
    /// How sure it is that a valid key was misused (D-034).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<Adversarial>,
    /// The statement that every control held; without it the kinds are never empty (D-034).
    pub every_control_held: bool,
    /// Answers to the three questions of 39.1.
    pub conformance: Vec<ConformanceAnswer>,
    /// Permanent fixes (9.1 step 11).
    pub fixes: Vec<Fix>,
    /// Operational failures that the log shows, one line each (D-054, D-113).
    pub failures: Vec<String>,
}

/// An event of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEntry {
    /// Position in the log.
    pub index: u64,
    /// Hash of the event.
    pub event: Digest,
}

/// A permanent fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// What is changed.
    pub what: String,
    /// Who owns it.
    pub owner: String,
    /// When it is due.
    pub due: Timestamp,
    /// How far it is.
    pub state: FixState,
    /// Where it is followed, for example an issue number or a commit.
    pub reference: String,
}

azir_model::wire_enum! {
    /// How far a fix is.
    pub enum FixState {
        /// Not begun.
        Open = "open",
        /// Under way.
        Begun = "begun",
        /// In place.
        Done = "done",
    }
}

fn incomplete(what: impl Into<String>, remedy: &str) -> Unmet {
    Unmet::new(RefusalKind::PostmortemIncomplete, what, "33.1, D-115", remedy)
}

/// Everything in which a document is not yet a postmortem of this incident. Implements R-33.1-3,
/// R-33.1-4, R-33.1-7, R-9.1-12, R-39.1-2 and R-39.1-3.
#[must_use]
pub fn problems(doc: &Postmortem, state: &State, view: &IncidentView) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    if doc.schema != POSTMORTEM_SCHEMA || doc.incident != view.id {
        unmet.push(Unmet::new(
            RefusalKind::IdMismatch,
            format!("{:?} of incident {}, this is incident {}", doc.schema, doc.incident, view.id),
            "33.1, D-010",
            "draft the postmortem of this incident",
        ));
    }
    contents(doc, &mut unmet);
    timeline(doc, view, &mut unmet);
    radius(doc, view, &mut unmet);
    fixes(doc, state, &mut unmet);
    kinds(doc, view, &mut unmet);
    answers(doc, view, &mut unmet);
    let failures = audit::failures(state, view);
    if failures.iter().any(|line| !doc.failures.contains(line)) {
        unmet.push(incomplete(
            "operational failures that the log shows are missing",
            "draft it again, or copy every line of `failures` from a new draft",
        ));
    }
    unmet
}

fn contents(doc: &Postmortem, unmet: &mut Vec<Unmet>) {
    for (number, name) in (1..).zip(CONTENTS) {
        let text = doc.contents.get(name).map_or("", |t| t.trim());
        let reason = text.strip_prefix(NONE_BECAUSE.trim()).map(str::trim);
        if text.is_empty() || reason == Some("") {
            let what = format!("{number}: {name} is empty");
            unmet.push(incomplete(what, "write it, or write: none, because ..."));
        }
    }
    for name in doc.contents.keys().filter(|n| !CONTENTS.contains(&n.as_str())) {
        let what = format!("{name:?} is no content of 33.1");
        unmet.push(incomplete(what, &format!("use the names {}", CONTENTS.join(", "))));
    }
}

/// The timeline is the log's, from the opening at least to the closing: nothing is left out,
/// nothing is added (annex P 41.3). What the log took in after the draft is no part of it.
fn timeline(doc: &Postmortem, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let closing = view.moves.last().map_or(view.opened.index, |m| m.mark.index);
    let mut told = doc.timeline.iter();
    let wrong = view.entries.iter().find(|entry| match told.next() {
        Some(t) => t.index != entry.index || t.event != entry.event,
        None => entry.index <= closing,
    });
    let what = match (wrong, told.next()) {
        (Some(entry), _) => {
            format!("lacks entry {} ({}) at its place", entry.index, entry.kind)
        }
        (None, Some(extra)) => format!("has entry {}, which is none of this incident", extra.index),
        (None, None) => return,
    };
    unmet.push(Unmet::new(
        RefusalKind::HashMismatch,
        format!("3: the timeline {what}"),
        "33.1, D-115",
        "draft it again from the log; the timeline is never edited",
    ));
}

fn radius(doc: &Postmortem, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let known = view.blast.as_ref();
    if known != Some(&doc.blast) || doc.scopes != view.scopes {
        unmet.push(Unmet::new(
            RefusalKind::HashMismatch,
            "4: blast radius or scopes differ from the log's",
            "33.1, D-032",
            "record the final radius by scope.changed, then draft again",
        ));
    }
    if doc.blast.basis == BlastBasis::Unknown {
        unmet.push(incomplete(
            "4: blast_radius is unknown",
            "measure or estimate it, and record it by scope.changed",
        ));
    }
}

fn fixes(doc: &Postmortem, state: &State, unmet: &mut Vec<Unmet>) {
    let none = doc.contents.get("long_term_fix").is_some_and(|t| t.starts_with(NONE_BECAUSE));
    if doc.fixes.is_empty() && !none {
        unmet.push(incomplete(
            "7: no fix with owner, date and reference",
            "list the fixes, or write in long_term_fix: none, because ...",
        ));
    }
    if doc.fixes.len() > FIXES_MAX {
        unmet.push(incomplete(format!("7: more than {FIXES_MAX} fixes"), "list fewer"));
    }
    for fix in &doc.fixes {
        let owned = state.policy.as_ref().is_some_and(|p| p.person(&fix.owner).is_some());
        if !owned {
            let what = format!("7: {:?} has no owner of this deployment", fix.what);
            unmet.push(incomplete(what, "name a person of the policy"));
        }
        if fix.what.trim().is_empty() || fix.reference.trim().is_empty() {
            unmet.push(incomplete("7: a fix without text or reference", "fill in both"));
        }
    }
}

fn kinds(doc: &Postmortem, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let proven = doc.adversarial == Some(Adversarial::Proven)
        && view.cause.as_ref().is_some_and(|c| c.adversarial == Some(Adversarial::Proven));
    if doc.kinds.is_empty() && !(proven && doc.every_control_held) {
        unmet.push(incomplete(
            "1: no root kind of 33.2",
            "name the kinds; they may be empty only for a proven adversary with every control held",
        ));
    }
    let stated = view.cause.as_ref().and_then(|c| c.kind);
    if let Some(kind) = stated.filter(|k| !doc.kinds.contains(k)) {
        unmet.push(incomplete(
            format!("1: the stated cause is {kind}, which the postmortem does not name"),
            "name it, or state the cause again",
        ));
    }
}

fn answers(doc: &Postmortem, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let critical = view.peak() >= azir_model::Severity::Sev4Critical;
    for question in Question::ALL {
        let given: Vec<_> = doc.conformance.iter().filter(|a| a.question == *question).collect();
        let answered = given.len() == 1 && given.iter().all(|a| !a.reason.trim().is_empty());
        if (critical || !given.is_empty()) && !answered {
            let what = format!("{}: {question} has no single answer with a reason", question.id());
            unmet.push(incomplete(what, "answer yes or no, and say why (39.1, D-122)"));
        }
        if given.iter().any(|a| a.answer && question.wants_fixture() && a.fixture.is_none()) {
            let what = format!("{}: a yes without the hash of a fixture", question.id());
            unmet.push(incomplete(what, "name the new fixture, or the vector that fell short"));
        }
    }
    let fixture = doc.conformance.iter().any(|a| a.fixture.is_some());
    let shown =
        |a: &ConformanceAnswer| a.question != Question::ImplementationsDiffer || a.report.is_some();
    if fixture && !doc.conformance.iter().all(shown) {
        unmet.push(incomplete(
            "q3: no replay report over the fixture",
            "replay the fixture on the implementations and name the report",
        ));
    }
}
