//! Rule 7: enough people, and others than the one who acts.

use std::collections::{BTreeMap, BTreeSet};

use azir_model::Role;

use super::graph::{Edge, Graph, Node, Way};
use super::{Finding, Roster, Rule};
use crate::model::{Step, Target, Work};

/// People by role, as far as a check needs names.
type People<'r> = BTreeMap<Role, BTreeSet<&'r str>>;

pub(super) fn approved_by_others(graph: &Graph<'_>, roster: Option<&Roster>) -> Vec<Finding> {
    let rule = Rule::ApprovedByOthers;
    let mut found = unapproved(graph);
    let start = graph.reach(|_, _| true);
    let people = people(graph, roster);
    for (at, step) in graph.steps.iter().enumerate() {
        let mut tell = |why: String, remedy: &str| {
            let path = start.path(Node::Step(at));
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        };
        if !step.roles.iter().any(|r| taken(&people, *r)) {
            let why = format!("nobody on the roster may act at {}", step.id);
            tell(why, "give one of its roles to a person, or name another role");
            continue;
        }
        let Work::Approval { quorum, next, .. } = &step.work else { continue };
        let most = signers(&people, step, None);
        if most < *quorum {
            let why =
                format!("{} needs {quorum} people in different roles and {most} exist", step.id);
            tell(why, "name more roles, or put more people on the roster");
        } else if !executor_left(graph, &people, step, *quorum, next) {
            let why = format!("whoever carries out {next} would have to approve it at {}", step.id);
            tell(why, "name more approving roles than the quorum, or another executing role");
        }
    }
    found
}

/// True when people consent by this edge.
pub(super) fn consents(graph: &Graph<'_>, at: usize, edge: &Edge<'_>) -> bool {
    matches!(graph.steps[at].work, Work::Approval { .. }) && edge.way == Way::Success
}

fn unapproved(graph: &Graph<'_>) -> Vec<Finding> {
    let reach = graph.reach(|at, edge| !consents(graph, at, edge));
    let acts = graph.steps.iter().enumerate().filter(|(_, s)| s.effect.needs_person());
    acts.filter(|(at, _)| reach.has(Node::Step(*at)))
        .map(|(at, step)| {
            let why = format!("{} changes or releases and nobody else approved it", step.id);
            let remedy = "put an approval before it on every path";
            let path = reach.path(Node::Step(at));
            Finding::new(Rule::ApprovedByOthers, Some(&step.id), path, why, remedy)
        })
        .collect()
}

/// The roster, or one person of its own for each role that the runbook names.
fn people<'r>(graph: &Graph<'_>, roster: Option<&'r Roster>) -> People<'r> {
    let named = |names: &'r BTreeSet<String>| names.iter().map(String::as_str).collect();
    match roster {
        Some(roster) => roster.people.iter().map(|(r, names)| (*r, named(names))).collect(),
        None => {
            let roles = graph.steps.iter().flat_map(|s| &s.roles);
            roles.map(|r| (*r, BTreeSet::from([r.as_str()]))).collect()
        }
    }
}

fn taken(people: &People<'_>, role: Role) -> bool {
    role == Role::Automatic || people.get(&role).is_some_and(|names| !names.is_empty())
}

/// Most roles of the step that can sign at once, each by another person, none of them `without`.
fn signers(people: &People<'_>, step: &Step, without: Option<&str>) -> u32 {
    let roles: BTreeSet<Role> =
        step.roles.iter().copied().filter(|r| *r != Role::Automatic).collect();
    let mut taken: BTreeMap<&str, Role> = BTreeMap::new();
    let mut count = 0;
    for role in roles {
        count += u32::from(seat(people, role, without, &mut taken, &mut BTreeSet::new()));
    }
    count
}

/// Finds a person for the role, moving others to another person where that helps.
fn seat<'r>(
    people: &People<'r>,
    role: Role,
    without: Option<&str>,
    taken: &mut BTreeMap<&'r str, Role>,
    tried: &mut BTreeSet<&'r str>,
) -> bool {
    let Some(names) = people.get(&role) else { return false };
    for name in names {
        if Some(*name) == without || !tried.insert(name) {
            continue;
        }
        let free = match taken.get(name).copied() {
            None => true,
            Some(other) => seat(people, other, without, taken, tried),
        };
        if free {
            taken.insert(name, role);
            return true;
        }
    }
    false
}

/// True when somebody can carry out the approved step and enough others can approve it.
fn executor_left(
    graph: &Graph<'_>,
    people: &People<'_>,
    approval: &Step,
    quorum: u32,
    next: &Target,
) -> bool {
    let Target::Step(id) = next else { return true };
    let Some(step) = graph.book.step(id) else { return true };
    step.roles.iter().any(|role| {
        *role == Role::Automatic
            || people.get(role).is_some_and(|names| {
                names.iter().any(|name| signers(people, approval, Some(name)) >= quorum)
            })
    })
}
