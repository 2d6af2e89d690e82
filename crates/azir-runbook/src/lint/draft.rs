//! Rule 4: drafts that would bind others.

use super::graph::{Edge, Graph, Node, Way, op};
use super::proof::{implies, is, says};
use super::{Finding, Rule};
use crate::model::{Step, Work};
use crate::op::{Effect, Op};
use crate::predicate::Test;

/// The four texts of 38.2: name, words that carry it, and the fact by which the exit criteria
/// enforce it instead. The format has no fields for them; a person reads the text of the step.
const TEXTS: [(&str, &[&str], Option<&str>); 4] = [
    ("why the ordinary path is insufficient", &["ordinary", "normal", "slow"], None),
    ("why the scope is minimal", &["least", "narrow", "minimal"], None),
    ("the expiry", &["expir"], Some("emergency_effects_ended")),
    ("the review afterwards", &["review"], Some("emergency_reviewed")),
];

fn binds_others(step: &Step) -> bool {
    // An owner's own transaction binds the owner alone (annex D.4, authority 1).
    step.effect == Effect::RestrictProtocolDraft && op(step) != Some(Op::OwnerPathDraft)
}

fn asks(step: &Step) -> bool {
    matches!(step.work, Work::Check { .. } | Work::Decision { .. })
}

/// Questions with an answer, deadline aside, from which the end can be reached without `draft` and
/// without any draft that binds others. Edges lead forward, so one pass from the back finds them.
fn local_questions(graph: &Graph<'_>, draft: usize) -> Vec<bool> {
    let count = graph.steps.len();
    let (mut local, mut questions) = (vec![false; count], vec![false; count]);
    for (at, step) in graph.steps.iter().enumerate().rev() {
        if at == draft || binds_others(step) {
            continue;
        }
        let leads = |edge: &&Edge<'_>| match edge.to {
            Node::Step(to) => local.get(to).copied().unwrap_or(false),
            Node::Hold => false,
            Node::End => true,
        };
        let mut ways = graph.edges(at).iter().filter(leads).map(|e| e.way).peekable();
        let here = ways.peek().is_some();
        questions[at] = asks(step) && ways.any(|way| way != Way::Deadline);
        local[at] = here;
    }
    questions
}

pub(super) fn justified(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::ProtocolDraftJustified;
    let mut found = Vec::new();
    let anyhow = graph.reach(|_, _| true);
    for (at, step) in graph.steps.iter().enumerate() {
        if step.effect != Effect::RestrictProtocolDraft {
            continue;
        }
        let local = local_questions(graph, at);
        let unasked = graph.reach(|from, _| !local[from]);
        if unasked.has(Node::Step(at)) {
            let why = format!("{} is drafted though nobody asked whether local is enough", step.id);
            let remedy = "put a check or decision before it that can also lead on without a draft";
            let path = unasked.path(Node::Step(at));
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        }
        let missing = missing_texts(graph, step);
        if !missing.is_empty() {
            let why = format!(
                "the emergency draft of {} does not ask for {}",
                step.id,
                missing.join(", ")
            );
            let remedy = "say in its text that the draft names them; cite 25.1 and 38.2";
            let path = anyhow.path(Node::Step(at));
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        }
    }
    found
}

fn missing_texts(graph: &Graph<'_>, step: &Step) -> Vec<&'static str> {
    let cites = |clause: &str| step.why.iter().any(|w| w == clause);
    let emergency = ["emergency"];
    if !cites("25.1") && !says(&step.title, &emergency) && !says(&step.text, &emergency) {
        return Vec::new();
    }
    let enforced = |fact: &str| {
        let want = |name: &str, test: &Test| {
            (name == "emergency_used" && is(test, false)) || (name == fact && is(test, true))
        };
        graph.book.exit().iter().any(|c| implies(&c.when, &want))
    };
    let mut missing = Vec::new();
    for (name, words, fact) in TEXTS {
        if !says(&step.text, words) && !fact.is_some_and(enforced) {
            missing.push(name);
        }
    }
    if !cites("38.2") {
        missing.push("clause 38.2");
    }
    missing
}
