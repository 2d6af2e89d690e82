//! The evidence checklist of an incident and the end state of each item (10, D-018, D-054).

use std::collections::BTreeMap;

use azir_ledger::Digest;
use azir_model::evidence::{Checklist, Item, ItemState, Waiver, completeness};
use azir_model::{IncidentState, Profile, Role, Severity};

use crate::body::SettledState;
use crate::view::{IncidentView, ItemRecord, Settled};

/// Checklist of an incident: of every class it ever had, at its peak severity, and at least that of
/// SEV_3 under the forensic profile. Implements R-8.2-7.
#[must_use]
pub fn checklist(view: &IncidentView) -> Checklist {
    let confirmed = view.moves.iter().any(|m| m.to == IncidentState::Confirmed);
    let mut list = Checklist::default();
    let level = match view.profile {
        Profile::ForensicOnly => view.peak().max(Severity::Sev3High),
        _ => view.peak(),
    };
    list.grow(view.duties.iter().copied(), level, confirmed);
    list
}

/// End states of the items that have one.
#[must_use]
pub fn states(view: &IncidentView) -> BTreeMap<Item, ItemState> {
    view.evidence.iter().filter_map(|(item, r)| state(r).map(|s| (*item, s))).collect()
}

fn state(record: &ItemRecord) -> Option<ItemState> {
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
            waiver: waiver(settled),
            who,
        },
    })
}

/// The two who waived, as signed: the author in the own role and the second person in the other.
/// Admission demanded the second signature where the item has no qualifier.
fn waiver(settled: &Settled) -> Option<Waiver> {
    let (author, second) = (settled.mark.by.clone(), settled.second.clone()?);
    let self_reviewed = author == second;
    let (commander, scribe) = match settled.mark.role {
        Some(Role::AuditScribe) => (second, author),
        _ => (author, second),
    };
    Some(Waiver { commander, scribe, self_reviewed })
}

/// Items marked `p` that are neither pinned nor settled. Implements R-9.1-4.
#[must_use]
pub fn pins_missing(view: &IncidentView) -> Vec<String> {
    let done =
        |item: &Item| view.evidence.get(item).is_some_and(|r| r.pinned || r.settled.is_some());
    let list = checklist(view);
    list.pins().filter(|i| !i.row().from_log && !done(i)).map(|i| i.to_string()).collect()
}

/// Items of the checklist without a proper end state; and for a stolen key the assessment of the
/// blast radius, which is published before anybody closes (21.2). Implements R-21.2-7.
#[must_use]
pub fn missing(view: &IncidentView) -> Vec<String> {
    let list = checklist(view);
    let mut names = match completeness(list.items(), &states(view)) {
        Ok(_) => Vec::new(),
        Err(missing) => missing.names(),
    };
    if list.items().contains(&Item::CompromiseProof) && view.assessed.is_none() {
        names.push("published assessment of the blast radius (scope.changed, assessed)".to_owned());
    }
    names
}

/// Who keeps a piece now: its collector, or whoever it was handed to last (D-058).
#[must_use]
pub fn custodian(view: &IncidentView, piece: &Digest) -> Option<String> {
    let handed = view.custody.get(piece).and_then(|changes| changes.last());
    let collected = || {
        let mut held = view.evidence.values().flat_map(|r| &r.held);
        held.find(|d| d.hash == *piece).map(|d| d.collector.clone())
    };
    handed.map(|c| c.to.clone()).or_else(collected)
}
