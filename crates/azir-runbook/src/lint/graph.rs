//! The steps as a graph with named edges, and breadth-first search over the edges that a rule
//! leaves in.

use std::collections::{BTreeMap, VecDeque};

use super::Hop;
use crate::model::{Runbook, Step, Target, Work};
use crate::op::{Effect, Op};
use crate::predicate::Predicate;

/// Where an edge leads; a step by its index in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Step(usize),
    Hold,
    End,
}

/// How a step is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Done, approved, true, or answered.
    Success,
    /// Failed, false or rejected.
    Failure,
    /// It cannot be told.
    Unknown,
    /// Nobody acted in time.
    Deadline,
}

pub(crate) struct Edge<'a> {
    pub(crate) way: Way,
    /// `next`, `on_fail` and so on, or the id of the answer.
    pub(crate) name: &'a str,
    pub(crate) to: Node,
    /// Conditions that held when this edge was taken.
    pub(crate) held: Vec<&'a Predicate>,
}

pub(crate) struct Graph<'a> {
    pub(crate) book: &'a Runbook,
    pub(crate) steps: &'a [Step],
    edges: Vec<Vec<Edge<'a>>>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(book: &'a Runbook) -> Self {
        let steps = book.steps();
        let at: BTreeMap<_, _> = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
        let node = |target: &Target| match target {
            // A loaded runbook has no dangling edge; in any other nobody gets past one.
            Target::Step(id) => at.get(id).map_or(Node::Hold, |i| Node::Step(*i)),
            Target::Hold => Node::Hold,
            Target::End => Node::End,
        };
        let edges = steps.iter().map(|step| edges_of(step, &node)).collect();
        Self { book, steps, edges }
    }

    pub(crate) fn edges(&self, step: usize) -> &[Edge<'a>] {
        self.edges.get(step).map_or(&[], Vec::as_slice)
    }

    /// What is reached from the first step.
    pub(crate) fn reach(&self, keep: impl Fn(usize, &Edge<'a>) -> bool) -> Reach<'_, 'a> {
        self.reach_from(0, keep)
    }

    /// What is reached from this step over the edges that `keep` lets through.
    pub(crate) fn reach_from(
        &self,
        start: usize,
        keep: impl Fn(usize, &Edge<'a>) -> bool,
    ) -> Reach<'_, 'a> {
        let mut reach = Reach { graph: self, came: BTreeMap::new() };
        if start >= self.steps.len() {
            return reach;
        }
        reach.came.insert(Node::Step(start), None);
        let mut open = VecDeque::from([start]);
        while let Some(at) = open.pop_front() {
            for (nth, edge) in self.edges(at).iter().enumerate().filter(|(_, e)| keep(at, e)) {
                if reach.came.contains_key(&edge.to) {
                    continue;
                }
                reach.came.insert(edge.to, Some((at, nth)));
                if let Node::Step(next) = edge.to {
                    open.push_back(next);
                }
            }
        }
        reach
    }

    pub(crate) fn target(&self, node: Node) -> Target {
        match node {
            Node::Step(at) => {
                self.steps.get(at).map_or(Target::Hold, |s| Target::Step(s.id.clone()))
            }
            Node::Hold => Target::Hold,
            Node::End => Target::End,
        }
    }

    /// A path that goes on from its last place over this edge and then along `rest`.
    pub(crate) fn extended(&self, mut path: Vec<Hop>, edge: &Edge<'_>, rest: Vec<Hop>) -> Vec<Hop> {
        if let Some(last) = path.last_mut() {
            last.edge = Some(edge.name.to_owned());
        }
        if rest.is_empty() {
            path.push(Hop { at: self.target(edge.to), edge: None });
        }
        path.extend(rest);
        path
    }
}

/// What a search reached, with the edge by which each place was reached first.
pub(crate) struct Reach<'g, 'a> {
    graph: &'g Graph<'a>,
    came: BTreeMap<Node, Option<(usize, usize)>>,
}

impl Reach<'_, '_> {
    pub(crate) fn has(&self, node: Node) -> bool {
        self.came.contains_key(&node)
    }

    /// A shortest path to this place, of those that the search allowed; empty if there is none.
    pub(crate) fn path(&self, node: Node) -> Vec<Hop> {
        if !self.has(node) {
            return Vec::new();
        }
        let mut path = vec![Hop { at: self.graph.target(node), edge: None }];
        let mut node = node;
        while let Some(Some((from, nth))) = self.came.get(&node) {
            let edge = self.graph.edges(*from).get(*nth).map(|e| e.name.to_owned());
            node = Node::Step(*from);
            path.push(Hop { at: self.graph.target(node), edge });
        }
        path.reverse();
        path
    }
}

fn edges_of<'a>(step: &'a Step, node: &impl Fn(&Target) -> Node) -> Vec<Edge<'a>> {
    let held = |more: Option<&'a Predicate>| step.guard.iter().chain(more).collect::<Vec<_>>();
    let yes = |name, to, more| Edge { way: Way::Success, name, to: node(to), held: held(more) };
    let no = |way, name, to| Edge { way, name, to: node(to), held: Vec::new() };
    let mut edges = match &step.work {
        Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
            vec![yes("next", next, None), no(Way::Failure, "on_fail", on_fail)]
        }
        Work::Decision { answers, .. } => {
            answers.iter().map(|a| yes(a.id.as_str(), &a.goto, a.when.as_ref())).collect()
        }
        Work::Approval { next, on_reject, .. } => {
            vec![yes("next", next, None), no(Way::Failure, "on_reject", on_reject)]
        }
        Work::Check { when, next, on_fail, on_unknown } => vec![
            yes("next", next, Some(when)),
            no(Way::Failure, "on_fail", on_fail),
            no(Way::Unknown, "on_unknown", on_unknown),
        ],
        Work::Wait { until, next } => vec![yes("next", next, Some(until))],
    };
    edges.push(no(Way::Deadline, "on_deadline", &step.on_deadline));
    edges
}

/// The operation of a step, if it performs one.
pub(crate) fn op(step: &Step) -> Option<Op> {
    match &step.work {
        Work::Auto { op, .. } => Some(*op),
        Work::Manual { .. }
        | Work::Decision { .. }
        | Work::Approval { .. }
        | Work::Check { .. }
        | Work::Wait { .. } => None,
    }
}

pub(crate) fn restricts_locally(step: &Step) -> bool {
    step.effect == Effect::RestrictLocal
}
