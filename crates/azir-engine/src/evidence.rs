//! The evidence checklist of an incident and the end state of each item (10, D-018, D-054).

use std::collections::BTreeMap;

use azir_model::evidence::{Checklist, Item, ItemState, Waiver, completeness};
use azir_model::{IncidentState, Role};

use crate::body::SettledState;
use crate::view::{IncidentView, ItemRecord};

/// Checklist of an incident: of every class it ever had, at its peak severity.
#[must_use]
pub fn checklist(view: &IncidentView) -> Checklist {
    let confirmed = view.moves.iter().any(|m| m.to == IncidentState::Confirmed);
    let mut list = Checklist::default();
    list.grow(view.duties.iter().copied(), view.peak(), confirmed);
    list
}

/// End states of the items that have one.
#[must_use]
pub fn states(view: &IncidentView) -> BTreeMap<Item, ItemState> {
    view.evidence.iter().filter_map(|(item, r)| state(view, r).map(|s| (*item, s))).collect()
}

fn state(view: &IncidentView, record: &ItemRecord) -> Option<ItemState> {
    if !record.held.is_empty() {
        return Some(ItemState::Present { hashes: record.held.iter().map(|d| d.hash).collect() });
    }
    let settled = record.settled.as_ref()?;
    let who = settled.mark.by.clone();
    let reason = settled.reason.clone();
    Some(match settled.state {
        SettledState::NotApplicable => ItemState::NotApplicable { reason, who },
        SettledState::Unavailable => ItemState::Unavailable {
            reason,
            tried: settled.tried.clone(),
            // Admission demanded the second signature where the item has no qualifier.
            waiver: waiver(view, &who),
            who,
        },
    })
}

fn waiver(view: &IncidentView, who: &str) -> Option<Waiver> {
    let commander = view.holder(Role::IncidentCommander)?.to_owned();
    let scribe = view.holder(Role::AuditScribe)?.to_owned();
    (who == commander || who == scribe).then(|| Waiver {
        self_reviewed: commander == scribe,
        commander,
        scribe,
    })
}

/// Items marked `p` that are neither pinned nor settled.
#[must_use]
pub fn pins_missing(view: &IncidentView) -> Vec<String> {
    let done =
        |item: &Item| view.evidence.get(item).is_some_and(|r| r.pinned || r.settled.is_some());
    let list = checklist(view);
    list.pins().filter(|i| !i.row().from_log && !done(i)).map(|i| i.to_string()).collect()
}

/// Items of the checklist without a proper end state.
#[must_use]
pub fn missing(view: &IncidentView) -> Vec<String> {
    match completeness(checklist(view).items(), &states(view)) {
        Ok(_) => Vec::new(),
        Err(missing) => missing.names(),
    }
}
