//! Rules 8 and 9: what a restriction is called, and how it is taken back.

use azir_model::{Choice, Role};

use super::graph::{Graph, Node, op, restricts_locally};
use super::proof::says;
use super::{Finding, Rule};
use crate::model::{Containment, Step, Undo, Work};
use crate::op::{Effect, Op};

/// Clauses on measures that act on own nodes alone.
const LOCAL_CLAUSES: [&str; 2] = ["11.1", "12.1"];
/// Clauses on measures that bind others.
const PROTOCOL_CLAUSES: [&str; 3] = ["11.2", "12.2", "12.3"];

fn cites(step: &Step, clauses: &[&str]) -> bool {
    step.why.iter().any(|w| clauses.contains(&w.as_str()))
}

fn binds(step: &Step) -> bool {
    step.effect == Effect::RestrictProtocolDraft
}

/// Rule 8.
pub(super) fn restriction_labelled(graph: &Graph<'_>) -> Vec<Finding> {
    let rule = Rule::RestrictionLabelled;
    let start = graph.reach(|_, _| true);
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        if let Some((what, remedy)) = mislabelled(step).or_else(|| unlisted(graph, step)) {
            let path = start.path(Node::Step(at));
            let why = format!("{} {what}", step.id);
            found.push(Finding::new(rule, Some(&step.id), path, why, remedy));
        }
    }
    for row in graph.book.containment() {
        if let Some((what, remedy)) = wrong_scope(row) {
            let why = format!("the containment row {} {what}", row.choice);
            found.push(Finding::new(rule, None, Vec::new(), why, remedy));
        }
    }
    found
}

/// What is wrong, with the remedy.
type Wrong = Option<(&'static str, &'static str)>;

fn mislabelled(step: &Step) -> Wrong {
    let manual = matches!(step.work, Work::Manual { .. });
    let liaison = step.roles.contains(&Role::GovernanceLiaison);
    let restricts = restricts_locally(step) || binds(step);
    let safe_mode = cites(step, &["11.1", "11.2"]);
    let halt = cites(step, &["12.1", "12.2", "12.3"]);
    if restricts_locally(step) && cites(step, &PROTOCOL_CLAUSES) {
        Some(("acts on own nodes and cites a clause on protocol measures", "cite 11.1 or 12.1"))
    } else if binds(step) && cites(step, &LOCAL_CLAUSES) {
        Some(("drafts a protocol measure and cites a clause on own nodes", "cite 11.2 or 12.2"))
    } else if restricts && safe_mode && halt {
        Some(("is called safe mode and halt at once", "cite section 11 or section 12, not both"))
    } else if manual && restricts_locally(step) && liaison {
        Some((
            "is labelled local and given to the Governance Liaison, who stops no gate",
            "label it restrict_protocol_draft, or give it to a role of annex C row 11",
        ))
    } else if manual && binds(step) && !liaison {
        Some((
            "is labelled a protocol draft and nobody who drafts for governance may do it",
            "label it restrict_local, or give it to the Governance Liaison",
        ))
    } else {
        None
    }
}

/// The matrix must offer a choice of the kind that the step carries out.
fn unlisted(graph: &Graph<'_>, step: &Step) -> Wrong {
    let offers = |kind: fn(Choice) -> bool| graph.book.containment().iter().any(|c| kind(c.choice));
    if restricts_locally(step) && !offers(acts_locally) {
        let remedy = "add the local choice to the containment matrix";
        Some(("restricts own nodes and the containment matrix offers no local choice", remedy))
    } else if binds(step) && op(step) != Some(Op::OwnerPathDraft) && !offers(needs_object) {
        let remedy = "add the protocol choice to the containment matrix";
        Some(("drafts a restriction and the containment matrix offers no protocol choice", remedy))
    } else {
        None
    }
}

fn acts_locally(choice: Choice) -> bool {
    match choice {
        Choice::LocalDegraded
        | Choice::LocalServiceHalt
        | Choice::Quarantine
        | Choice::RecoveryMode => true,
        Choice::ObserveOnly
        | Choice::ProtocolSafeMode
        | Choice::ScopedProtocolHalt
        | Choice::EmergencyRestriction => false,
    }
}

fn needs_object(choice: Choice) -> bool {
    match choice {
        Choice::ProtocolSafeMode
        | Choice::ScopedProtocolHalt
        | Choice::Quarantine
        | Choice::EmergencyRestriction
        | Choice::RecoveryMode => true,
        Choice::ObserveOnly | Choice::LocalDegraded | Choice::LocalServiceHalt => false,
    }
}

/// A scope is prose; the words `own`, `network` and `local` in it are what a person goes by.
fn wrong_scope(row: &Containment) -> Wrong {
    let says = |word: &str| says(&row.scope_max, &[word]);
    let own_nodes = says("own") && says("node");
    match row.choice {
        Choice::LocalDegraded | Choice::LocalServiceHalt if says("network") => {
            Some(("is a local choice and its scope is the network", "name own nodes or roles"))
        }
        Choice::LocalDegraded | Choice::LocalServiceHalt if !says("own") => {
            Some(("is a local choice and its scope does not say own", "name own nodes or roles"))
        }
        Choice::ProtocolSafeMode | Choice::ScopedProtocolHalt | Choice::EmergencyRestriction
            if own_nodes =>
        {
            Some(("is a protocol choice and its scope is own nodes", "name a protocol scope"))
        }
        Choice::Quarantine if own_nodes && !says("local") => {
            Some(("is put on own nodes and not called local", "say that it is local only"))
        }
        Choice::ObserveOnly
        | Choice::LocalDegraded
        | Choice::LocalServiceHalt
        | Choice::ProtocolSafeMode
        | Choice::ScopedProtocolHalt
        | Choice::Quarantine
        | Choice::EmergencyRestriction
        | Choice::RecoveryMode => None,
    }
}

/// Rule 9. That one of the two texts is there is demanded at loading.
pub(super) fn undo_stated(graph: &Graph<'_>) -> Vec<Finding> {
    let start = graph.reach(|_, _| true);
    let mut found = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        let reversible = restricts_locally(step) || step.effect == Effect::Release;
        let (what, remedy) = match &step.undo {
            Undo::NothingChanged if step.effect != Effect::Observe => {
                ("does more than look and states no undo", "state its undo, or why there is none")
            }
            Undo::IrreversibleBecause(_) if reversible => (
                "opens or closes something of one's own and is called irreversible",
                "state how it is taken back; what cannot be is no restriction or release",
            ),
            Undo::Undo(_) | Undo::IrreversibleBecause(_) | Undo::NothingChanged => continue,
        };
        let (path, why) = (start.path(Node::Step(at)), format!("{} {what}", step.id));
        found.push(Finding::new(Rule::UndoStated, Some(&step.id), path, why, remedy));
    }
    found
}
