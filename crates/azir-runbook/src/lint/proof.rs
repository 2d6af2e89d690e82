//! What a condition that held tells for certain, and which roles and texts a step names.

use azir_model::vocab::NodeRole;

use super::graph::{Edge, op};
use crate::fact::FactValue;
use crate::model::{Step, Work};
use crate::op::Op;
use crate::predicate::{Predicate, Test};

/// True when the condition cannot hold unless one of the facts that `want` accepts holds.
pub(super) fn implies(held: &Predicate, want: &impl Fn(&str, &Test) -> bool) -> bool {
    match held {
        Predicate::All(list) => list.iter().any(|p| implies(p, want)),
        Predicate::Any(list) => !list.is_empty() && list.iter().all(|p| implies(p, want)),
        Predicate::Not(_) => false,
        Predicate::Fact { name, test } => want(name, test),
    }
}

/// True when taking this edge proves one of the wanted facts.
pub(super) fn proved(edge: &Edge<'_>, want: &impl Fn(&str, &Test) -> bool) -> bool {
    edge.held.iter().any(|p| implies(p, want))
}

/// True when the step may not act unless one of the wanted facts holds.
pub(super) fn guarded(step: &Step, want: &impl Fn(&str, &Test) -> bool) -> bool {
    step.guard.as_ref().is_some_and(|p| implies(p, want))
}

/// True for the test that a yes-or-no fact has this value.
pub(super) fn is(test: &Test, value: bool) -> bool {
    *test == Test::Is(FactValue::Bool(value))
}

/// True when the condition asks for this fact anywhere.
pub(super) fn asks(condition: &Predicate, fact: &str) -> bool {
    match condition {
        Predicate::All(list) | Predicate::Any(list) => list.iter().any(|p| asks(p, fact)),
        Predicate::Not(inner) => asks(inner, fact),
        Predicate::Fact { name, .. } => name == fact,
    }
}

/// A text argument of the step's operation.
pub(super) fn arg<'a>(step: &'a Step, name: &str) -> Option<&'a str> {
    let Work::Auto { args, .. } = &step.work else { return None };
    match args.get(name) {
        Some(FactValue::Text(text)) => Some(text),
        Some(FactValue::Bool(_) | FactValue::Int(_)) | None => None,
    }
}

/// The node roles that this step reopens; every role if its `roles` argument names none.
pub(super) fn reopened(step: &Step) -> Vec<NodeRole> {
    if op(step) != Some(Op::RoleReopen) {
        return Vec::new();
    }
    let words = arg(step, "roles").unwrap_or_default().split_whitespace();
    let named: Option<Vec<NodeRole>> = words.map(|w| w.parse().ok()).collect();
    named.filter(|roles| !roles.is_empty()).unwrap_or_else(|| NodeRole::ALL.to_vec())
}

/// True when the text holds one of these words, or a word that starts with one of them.
pub(super) fn says(text: &str, stems: &[&str]) -> bool {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| stems.iter().any(|stem| word.starts_with(stem)))
}
