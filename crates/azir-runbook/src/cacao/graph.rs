//! The workflow as a graph. Nothing here recurses, so no playbook can exhaust the stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::finding::{Finding, FindingKind};

/// One edge of a step.
pub(super) struct Edge<'a> {
    /// The member that holds it, with the key or index in it.
    pub(super) label: String,
    /// True where it begins a branch that comes back to the step at its `end`.
    pub(super) branch: bool,
    pub(super) to: &'a str,
}

/// Every edge of a step that is a text; other types are found by the check of members.
pub(super) fn edges<'a>(step: &'a Value) -> Vec<Edge<'a>> {
    let mut edges = Vec::new();
    let mut add = |label: String, branch, to: Option<&'a Value>| {
        if let Some(to) = to.and_then(Value::as_str) {
            edges.push(Edge { label, branch, to });
        }
    };
    for name in ["on_completion", "on_success", "on_failure"] {
        add(name.to_owned(), false, step.get(name));
    }
    for name in ["on_true", "on_false"] {
        add(name.to_owned(), true, step.get(name));
    }
    for (key, to) in step.get("cases").and_then(Value::as_object).into_iter().flatten() {
        add(format!("cases/{key}"), true, Some(to));
    }
    for (i, to) in
        step.get("next_steps").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        add(format!("next_steps/{i}"), true, Some(to));
    }
    edges
}

pub(super) fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Steps and edges by number.
struct Graph<'a> {
    ids: Vec<&'a str>,
    steps: Vec<&'a Value>,
    edges: Vec<Vec<(Edge<'a>, Option<usize>)>>,
    numbers: BTreeMap<&'a str, usize>,
}

impl<'a> Graph<'a> {
    fn of(workflow: &'a Map<String, Value>) -> Self {
        let numbers: BTreeMap<_, _> =
            workflow.keys().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
        let numbered = |step| {
            let found = |e: Edge<'a>| {
                let to = numbers.get(e.to).copied();
                (e, to)
            };
            edges(step).into_iter().map(found).collect()
        };
        Self {
            ids: workflow.keys().map(String::as_str).collect(),
            steps: workflow.values().collect(),
            edges: workflow.values().map(numbered).collect(),
            numbers,
        }
    }

    fn targets(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.edges[at].iter().filter_map(|(_, to)| *to)
    }

    /// Visits everything below `from` once.
    fn walk(&self, from: impl IntoIterator<Item = usize>, mut visit: impl FnMut(usize)) {
        let mut seen = vec![false; self.ids.len()];
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                visit(at);
                open.extend(self.targets(at));
            }
        }
    }
}

/// Everything that is wrong with edges, and what no path reaches.
pub(super) fn check(playbook: &Map<String, Value>, workflow: &Map<String, Value>) -> Vec<Finding> {
    let graph = Graph::of(workflow);
    let mut found = starts(playbook, &graph);
    for at in 0..graph.ids.len() {
        found.extend(one_step(&graph, at));
        found.extend(branches(&graph, at));
    }
    found.extend(cycles(&graph));
    found
}

fn at(id: &str) -> String {
    format!("workflow/{id}")
}

/// Start, exception, and what neither reaches.
fn starts(playbook: &Map<String, Value>, graph: &Graph<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if !graph.steps.iter().any(|s| kind(s) == "start") {
        found.push(Finding::new(FindingKind::NoStartStep, "workflow", ""));
    }
    let named = |name: &str| {
        let id = playbook.get(name).and_then(Value::as_str)?;
        Some((id, graph.numbers.get(id).copied()))
    };
    let exception = named("workflow_exception");
    if let Some((id, None)) = exception {
        found.push(Finding::new(FindingKind::ExceptionDangling, "workflow_exception", id));
    }
    match named("workflow_start") {
        None => {}
        Some((id, None)) => {
            found.push(Finding::new(FindingKind::StartDangling, "workflow_start", id));
        }
        Some((id, Some(start))) => {
            if kind(graph.steps[start]) != "start" {
                found.push(Finding::new(FindingKind::StartIsNoStart, "workflow_start", id));
            }
            let mut reached = vec![false; graph.ids.len()];
            let from = [Some(start), exception.and_then(|(_, at)| at)];
            graph.walk(from.into_iter().flatten(), |at| reached[at] = true);
            let lost = graph.ids.iter().zip(reached).filter(|(_, reached)| !reached);
            found
                .extend(lost.map(|(id, _)| Finding::new(FindingKind::UnreachableStep, at(id), "")));
        }
    }
    found
}

/// Edges of one step: where they lead, and which of them go together.
fn one_step(graph: &Graph<'_>, number: usize) -> Vec<Finding> {
    let (place, step) = (at(graph.ids[number]), graph.steps[number]);
    let has = |name: &str| graph.edges[number].iter().any(|(e, _)| e.label == name);
    let mut found = Vec::new();
    for (edge, to) in &graph.edges[number] {
        if to.is_none() {
            let member = edge.label.split('/').next().unwrap_or_default();
            let detail = format!("{member} in {}", kind(step));
            let place = format!("{place}/{}", edge.label);
            found.push(Finding::new(FindingKind::EdgeDangling, place, detail));
        }
    }
    if kind(step) == "end" {
        if !graph.edges[number].is_empty() {
            found.push(Finding::new(FindingKind::EndLeadsOn, place, ""));
        }
        return found;
    }
    if has("on_completion") && (has("on_success") || has("on_failure")) {
        found.push(Finding::new(FindingKind::EdgesExclude, place.clone(), ""));
    }
    if !has("on_completion") && !has("on_success") {
        found.push(Finding::new(FindingKind::NoSuccessor, place, kind(step)));
    }
    found
}

/// Branches and continuation are different steps, and each branch has an `end` of its own.
fn branches(graph: &Graph<'_>, number: usize) -> Option<Finding> {
    let edges = &graph.edges[number];
    if !edges.iter().any(|(e, _)| e.branch) {
        return None;
    }
    let ways = edges.iter().filter(|(e, _)| e.label != "on_failure").filter_map(|(_, to)| *to);
    let ways: Vec<usize> = ways.collect();
    let place = at(graph.ids[number]);
    if ways.iter().collect::<BTreeSet<_>>().len() < ways.len() {
        return Some(Finding::new(FindingKind::BranchesNotDistinct, place, ""));
    }
    let mut owner: Vec<Option<usize>> = vec![None; graph.ids.len()];
    let mut shared = None;
    for way in ways {
        graph.walk([way], |at| {
            if kind(graph.steps[at]) == "end" && owner[at].replace(way).is_some_and(|o| o != way) {
                shared = Some(at);
            }
        });
    }
    let end = graph.ids[shared?];
    Some(Finding::new(FindingKind::BranchEndShared, place, end))
}

/// One finding per step that a path comes back to.
fn cycles(graph: &Graph<'_>) -> Vec<Finding> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.ids.len()];
    let mut back = BTreeSet::new();
    for root in 0..graph.ids.len() {
        let mut path = vec![];
        if marks[root] == Mark::New {
            marks[root] = Mark::Open;
            path.push((root, graph.targets(root).collect::<Vec<_>>()));
        }
        while let Some((at, left)) = path.last_mut() {
            let Some(to) = left.pop() else {
                marks[*at] = Mark::Done;
                path.pop();
                continue;
            };
            match marks[to] {
                Mark::New => {
                    marks[to] = Mark::Open;
                    path.push((to, graph.targets(to).collect()));
                }
                Mark::Open => {
                    back.insert(to);
                }
                Mark::Done => {}
            }
        }
    }
    back.into_iter().map(|to| Finding::new(FindingKind::Cycle, at(graph.ids[to]), "")).collect()
}
