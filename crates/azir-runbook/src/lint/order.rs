//! Rules 1, 2, 3 and 5: what must come before what on every path.

use std::collections::BTreeSet;

use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, class};

use super::graph::{Edge, Graph, Node, Way, op, restricts_locally};
use super::proof::{arg, asks, guarded, implies, is, proved, reopened};
use super::{Finding, Rule};
use crate::model::{Step, Work};
use crate::op::{Effect, Op};
use crate::predicate::{Predicate, Test};

/// Facts that say that a key may be in other hands.
const KEYS_IN_DOUBT: [&str; 7] = [
    "agent_key_suspect",
    "agent_operator_key_compromised",
    "governance_key_compromised",
    "issuer_key_compromised",
    "keys_readable_by_binary",
    "notary_key_compromised",
    "validator_key_compromised",
];
/// Facts that only say that nothing is heard (29.2, anti-pattern 10).
const QUIET: [&str; 3] = ["damage_quiet", "monitor_quiet", "telemetry_agrees"];

/// A finding for each step of `then` that is reached without what `keep` takes out.
fn unless<'a>(
    graph: &Graph<'a>,
    rule: Rule,
    keep: impl Fn(usize, &Edge<'a>) -> bool,
    then: impl Fn(&Step) -> bool,
    why: &str,
    remedy: &str,
) -> Vec<Finding> {
    let reach = graph.reach(keep);
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate().filter(|(_, s)| then(s)) {
        if reach.has(Node::Step(at)) {
            let why = format!("{} {why}", step.id);
            let path = reach.path(Node::Step(at));
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        }
    }
    found
}

/// True when leaving the step by this edge leaves the line in the vault, not applicable, or
/// waived: it is named by a step that succeeded, or a full collection makes a failed pin good.
pub(super) fn collects(step: &Step, edge: &Edge<'_>, line: &str, pinned: bool) -> bool {
    let whole = op(step) == Some(Op::EvidenceCollect) && arg(step, "checklist") == Some("all");
    edge.way == Way::Success && (step.evidence.iter().any(|e| e == line) || (whole && pinned))
}

/// Rule 1. Implements D-041 O1 and O3 for every path.
pub(super) fn preserve_first(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::PreserveFirst;
    let steps = graph.steps;
    let pins = |at: usize| op(&steps[at]) == Some(Op::EvidencePin);
    // 16.3 and 19.3 let a closing run first; the pin still follows on every path.
    let closes_first =
        |c: &IncidentClass| matches!(c, IncidentClass::Bvm | IncidentClass::AgentControl);
    let fail_closed = graph.book.classes().iter().any(closes_first);
    let binds = |s: &Step| {
        s.effect == Effect::RestrictProtocolDraft || (restricts_locally(s) && !fail_closed)
    };
    let mut found = unless(
        graph,
        rule,
        |at, _| !pins(at),
        binds,
        "restricts on a path on which no evidence was pinned",
        "let every path to it pass a step with the operation evidence.pin",
    );
    let unpinned = graph.reach(|at, _| !pins(at));
    if unpinned.has(Node::End) {
        let why = "a path ends on which no evidence was pinned".to_owned();
        let remedy = "pin first; where 16.3 or 19.3 let a closing run first, pin right after it";
        found.push(Finding::new(rule, None, unpinned.path(Node::End), why, remedy));
    }
    let mut told = BTreeSet::new();
    for line in graph.book.evidence().iter().filter(|l| l.pin) {
        let here = unless(
            graph,
            rule,
            |at, edge| !collects(&steps[at], edge, &line.id, true),
            |s| s.effect.needs_person(),
            &format!("changes or releases before {} is kept", line.id),
            "collect every pinned line, with success, on each path before it",
        );
        // One finding per step: the lines behind the first are on the same path as a rule.
        found.extend(here.into_iter().filter(|f| told.insert(f.step.clone())));
    }
    found
}

fn returns_to_sign(step: &Step) -> bool {
    let signing = [NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary];
    reopened(step).iter().any(|r| signing.contains(r))
}

/// Rule 2.
pub(super) fn replay_before_authority(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::ReplayBeforeAuthority;
    let steps = graph.steps;
    // All criteria hold the replay criterion rc3, unless the class lets it be not applicable.
    let touches = class::row(graph.book.class()).touches;
    let matched = |name: &str, test: &Test| {
        let all = name == "restart_criteria_met" && !touches.only_operations();
        (name == "replay_match" || all) && is(test, true)
    };
    let replays = |at: usize, edge: &Edge<'_>| {
        let finalized = arg(&steps[at], "stage") == Some("finalized");
        op(&steps[at]) == Some(Op::ReplayRun) && finalized && edge.way == Way::Success
    };
    let mut found = unless(
        graph,
        rule,
        |at, edge| !replays(at, edge),
        returns_to_sign,
        "gives a signing role back on a path without a replay of the finalized blocks",
        "put replay.run with stage = \"finalized\" before it, with failure held",
    );
    let told: BTreeSet<_> = found.iter().filter_map(|f| f.step.clone()).collect();
    let unmatched = unless(
        graph,
        rule,
        |_, edge| !proved(edge, &matched),
        |s| returns_to_sign(s) && !guarded(s, &matched) && !told.contains(&s.id),
        "gives a signing role back on a path on which no replay had to match",
        "let every path to it pass a condition that needs replay_match",
    );
    found.extend(unmatched);
    found.extend(out_of_order(graph));
    found
}

fn out_of_order(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::ReplayBeforeAuthority;
    let remedy = "reopen one signing role per step: verifier, proposer, notary, then agents";
    let phases = |s: &Step| reopened(s).iter().map(|r| r.phase()).collect::<BTreeSet<_>>();
    let start = graph.reach(|_, _| true);
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    let reached = |(at, _): &(usize, &Step)| start.has(Node::Step(*at));
    for (at, step) in graph.steps.iter().enumerate().filter(reached) {
        let here = phases(step);
        let Some(top) = here.last().copied() else { continue };
        if here.len() > 1 && top > NodeRole::Validation.phase() {
            let why = format!("{} reopens several phases at once", step.id);
            let path = start.path(Node::Step(at));
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        }
        let after = graph.reach_from(at, |_, _| true);
        for (later, other) in graph.steps.iter().enumerate().filter(|(i, _)| *i != at) {
            let lower = phases(other).first().is_some_and(|p| *p < top);
            if lower && after.has(Node::Step(later)) && told.insert(later) {
                let why =
                    format!("{} comes back after {}, which is later in 30.1", other.id, step.id);
                let mut path = start.path(Node::Step(at));
                path.pop();
                path.extend(after.path(Node::Step(later)));
                found.push(Finding::new(rule, Some(&other.id), path, why, remedy));
            }
        }
    }
    found
}

fn conditions<'a>(graph: &Graph<'a>) -> impl Iterator<Item = &'a Predicate> {
    let steps = graph.steps.iter().flat_map(|step| {
        let own: Vec<&Predicate> = match &step.work {
            Work::Check { when, .. } => vec![when],
            Work::Wait { until, .. } => vec![until],
            Work::Decision { answers, .. } => {
                answers.iter().filter_map(|a| a.when.as_ref()).collect()
            }
            Work::Auto { .. } | Work::Manual { .. } | Work::Approval { .. } => Vec::new(),
        };
        own.into_iter().chain(&step.guard)
    });
    steps.chain(graph.book.exit().iter().map(|c| &c.when))
}

/// Rule 3.
pub(super) fn rotation_before_reuse(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::RotationBeforeReuse;
    let signs = |s: &Step| reopened(s).iter().any(|r| r.signs());
    if graph.book.classes().contains(&IncidentClass::KeyCompromise) {
        let rotated = |name: &str, test: &Test| name == "keys_rotated_final" && is(test, true);
        return unless(
            graph,
            rule,
            |_, edge| !proved(edge, &rotated),
            |s| signs(s) && !guarded(s, &rotated),
            "lets keys act again that were not replaced in finalized state",
            "guard it by keys_rotated_final, or let every path to it wait for that",
        );
    }
    let mut found = Vec::new();
    for doubt in KEYS_IN_DOUBT {
        if !conditions(graph).any(|p| asks(p, doubt)) {
            continue;
        }
        let safe = |name: &str, test: &Test| match name {
            "keys_rotated_final" | "keys_revoked_final" => is(test, true),
            other => other == doubt && is(test, false),
        };
        found.extend(unless(
            graph,
            rule,
            |_, edge| !proved(edge, &safe),
            |s| signs(s) && !guarded(s, &safe),
            &format!("lets keys act again although {doubt} may hold"),
            "let every path to it pass a condition: not in doubt, revoked, or rotated",
        ));
    }
    found
}

/// Rule 5.
pub(super) fn end_by_decision(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::EndByDecision;
    let mut found = Vec::new();
    let more_than_quiet = |name: &str, _: &Test| !QUIET.contains(&name);
    if !graph.book.exit().iter().any(|c| implies(&c.when, &more_than_quiet)) {
        let why = "every exit criterion is met by silence alone".to_owned();
        let remedy = "add a criterion on replay, roots, keys or cause; quiet is no proof";
        let path = graph.reach(|_, _| true).path(Node::End);
        found.push(Finding::new(rule, None, path, why, remedy));
    }
    let decided = |name: &str, test: &Test| name == "restart_decision_valid" && is(test, true);
    let reach = graph.reach(|_, edge| !proved(edge, &decided));
    for (at, step) in graph.steps.iter().enumerate() {
        let free = step.effect == Effect::Release && !guarded(step, &decided);
        if !free || !reach.has(Node::Step(at)) {
            continue;
        }
        let mut path = reach.path(Node::Step(at));
        let after = graph.reach_from(at, |_, _| true).path(Node::End);
        if !after.is_empty() {
            path.pop();
            path.extend(after);
        }
        let why = format!("{} reopens without a restart decision in force", step.id);
        let remedy = "guard it by restart_decision_valid";
        found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
    }
    found
}
