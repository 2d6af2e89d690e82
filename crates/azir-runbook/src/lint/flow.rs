//! Rules 6 and 10: where deadlines lead, and what every path to the end has passed.

use std::collections::BTreeSet;

use super::graph::{Graph, Node, Way, op, restricts_locally};
use super::order::collects;
use super::people::consents;
use super::{Finding, Hop, Rule};
use crate::model::{StepPart, Work};
use crate::op::Op;

/// Rule 6. That every step has its edges, and that no deadline passes for consent or truth, is
/// demanded at loading.
pub(super) fn deadline_never_loosens(graph: &Graph<'_>) -> Vec<Finding> {
    let mut found = acts_unasked(graph);
    found.extend(skips_restriction(graph));
    found.extend(holds_up_closing(graph));
    found
}

/// Nobody answered, or nobody can tell, and the run goes on to change or release something on an
/// older approval. What needs no approval at all is rule 7's.
fn acts_unasked(graph: &Graph<'_>) -> Vec<Finding> {
    let start = graph.reach(|_, _| true);
    let never = graph.reach(|at, e| !consents(graph, at, e));
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        for edge in graph.edges(at) {
            let Node::Step(to) = edge.to else { continue };
            if !matches!(edge.way, Way::Deadline | Way::Unknown) || !start.has(Node::Step(at)) {
                continue;
            }
            let after = graph.reach_from(to, |from, e| !consents(graph, from, e));
            let acts = |i: &usize| {
                let act = Node::Step(*i);
                graph.steps[*i].effect.needs_person() && after.has(act) && !never.has(act)
            };
            let Some(act) = (0..graph.steps.len()).find(acts) else { continue };
            let path = start.path(Node::Step(at));
            let path = graph.extended(path, edge, after.path(Node::Step(act)));
            let why = format!(
                "{} of {} leads to {}, which nobody approved since",
                edge.name, step.id, graph.steps[act].id
            );
            let remedy = "lead it to hold, or put an approval between";
            found.push(Finding::new(Rule::DeadlineNeverLoosens, Some(&step.id), path, why, remedy));
        }
    }
    found
}

/// Restrictions that no path from here to the end leaves out; `None` where no path leads to it.
type Ahead = Option<BTreeSet<usize>>;

fn ahead_of(ahead: &[Ahead], node: Node) -> Ahead {
    match node {
        Node::Step(to) => ahead.get(to).cloned().unwrap_or_else(|| Some(BTreeSet::new())),
        Node::Hold => None,
        Node::End => Some(BTreeSet::new()),
    }
}

fn common(list: impl Iterator<Item = Ahead>) -> Ahead {
    list.flatten().reduce(|a, b| a.intersection(&b).copied().collect())
}

fn restrictions_ahead(graph: &Graph<'_>) -> Vec<Ahead> {
    let mut ahead: Vec<Ahead> = vec![Some(BTreeSet::new()); graph.steps.len()];
    for at in (0..graph.steps.len()).rev() {
        let mut here = common(graph.edges(at).iter().map(|e| ahead_of(&ahead, e.to)));
        if restricts_locally(&graph.steps[at]) {
            here = here.map(|mut set| {
                set.insert(at);
                set
            });
        }
        ahead[at] = here;
    }
    ahead
}

/// The deadline passes by a restriction that the failure edge, or every answer, would make.
fn skips_restriction(graph: &Graph<'_>) -> Vec<Finding> {
    let ahead = restrictions_ahead(graph);
    let start = graph.reach(|_, _| true);
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate().filter(|(i, _)| start.has(Node::Step(*i))) {
        let edges = graph.edges(at);
        let to = |way: Way| edges.iter().filter(move |e| e.way == way).map(|e| e.to);
        let owed: BTreeSet<usize> = if matches!(step.work, Work::Decision { .. }) {
            common(to(Way::Success).map(|n| ahead_of(&ahead, n))).unwrap_or_default()
        } else {
            let worse = to(Way::Failure).chain(to(Way::Unknown));
            worse.filter_map(|n| ahead_of(&ahead, n)).flatten().collect()
        };
        let Some(late) = edges.iter().find(|e| e.way == Way::Deadline) else { continue };
        // At hold, and where only hold lies ahead, a person stands before every way on.
        let Some(kept) = ahead_of(&ahead, late.to) else { continue };
        let Some(lost) = owed.difference(&kept).next() else { continue };
        let why = format!(
            "the deadline of {} leads past {}, which its failure would pass",
            step.id, graph.steps[*lost].id
        );
        let remedy = "lead the deadline where failure leads, or to hold";
        let path = graph.extended(start.path(Node::Step(at)), late, Vec::new());
        found.push(Finding::new(Rule::DeadlineNeverLoosens, Some(&step.id), path, why, remedy));
    }
    found
}

/// A step at which the run may stop for good while the first closing is still to come.
fn holds_up_closing(graph: &Graph<'_>) -> Vec<Finding> {
    let before = graph.reach(|at, _| !restricts_locally(&graph.steps[at]));
    let closes = |at: &usize| {
        let step = &graph.steps[*at];
        op(step) == Some(Op::GateClose) && step.part == StepPart::Immediate
    };
    let closings: Vec<usize> = (0..graph.steps.len()).filter(closes).collect();
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        if !before.has(Node::Step(at)) || restricts_locally(step) {
            continue;
        }
        let stops = |way: Way| way != Way::Success;
        let Some(edge) = graph.edges(at).iter().find(|e| stops(e.way) && e.to == Node::Hold) else {
            continue;
        };
        let after = graph.reach_from(at, |_, _| true);
        let Some(close) = closings.iter().find(|c| after.has(Node::Step(**c))) else { continue };
        let why = format!("{} may hold the run before {}", step.id, graph.steps[*close].id);
        let remedy = "close first, or lead this edge to the closing; cause is no input of it";
        let path = graph.extended(before.path(Node::Step(at)), edge, Vec::new());
        found.push(Finding::new(Rule::DeadlineNeverLoosens, Some(&step.id), path, why, remedy));
    }
    found
}

/// Rule 10. An unreachable step is refused at loading. Lines that one path leaves out together are
/// one finding.
pub(super) fn evidence_on_every_path(graph: &Graph<'_>) -> Vec<Finding> {
    let mut missed: Vec<(Vec<Hop>, Vec<&str>)> = Vec::new();
    for line in graph.book.evidence() {
        let without = graph.reach(|at, edge| !collects(&graph.steps[at], edge, &line.id, line.pin));
        if !without.has(Node::End) {
            continue;
        }
        let path = without.path(Node::End);
        match missed.iter_mut().find(|(known, _)| *known == path) {
            Some((_, lines)) => lines.push(&line.id),
            None => missed.push((path, vec![&line.id])),
        }
    }
    let remedy = "name it in the evidence of a step that every path passes with success";
    let told = missed.into_iter().map(|(path, lines)| {
        let why = format!("a path ends without collecting or waiving {}", lines.join(", "));
        Finding::new(Rule::EvidenceOnEveryPath, None, path, why, remedy)
    });
    told.collect()
}
