//! Controls about what the whole log has come to: the audit trail, and postmortems with their due
//! dates.

use std::collections::BTreeMap;

use azir_ledger::Timestamp;
use azir_model::{IncidentState, Severity};

use super::{Against, EntryAt, Line, blank};
use crate::audit;
use crate::state::State;
use crate::view::IncidentView;

/// The lines, by the positions of what `told` them. Implements the due date of D-114.
pub(super) fn lines(state: &State, told: &BTreeMap<u64, EntryAt>, now: Timestamp) -> Vec<Line> {
    let mut items = blank("32.1", "a closed incident of SEV_3 or above has its ten audit items");
    let mut gaps = blank("32.2", "gaps of a critical incident's trail are told as failures");
    let mut complete = blank("33.1", "the postmortem is published, whole, by its due date");
    for view in state.incidents.values() {
        trail(state, view, told, (&mut items, &mut gaps));
        postmortem(view, told, now, &mut complete);
    }
    vec![items, gaps, complete]
}

/// The newest move of the incident to a state.
fn moved(view: &IncidentView, told: &BTreeMap<u64, EntryAt>, to: IncidentState) -> Option<EntryAt> {
    let last = view.moves.iter().rev().find(|m| m.to == to)?;
    told.get(&last.mark.index).copied()
}

fn against(line: &mut Line, entry: Option<EntryAt>, why: String) {
    line.against.push(Against { entry, why });
}

fn trail(
    state: &State,
    view: &IncidentView,
    told: &BTreeMap<u64, EntryAt>,
    (items, gaps): (&mut Line, &mut Line),
) {
    if view.is_open() || view.peak() < Severity::Sev3High || view.resolution.is_some() {
        return;
    }
    let trail = audit::trail(state, view);
    let closing = moved(view, told, IncidentState::Closed);
    let missing: Vec<_> = trail.items.iter().filter(|i| !i.is_there()).map(|i| i.name).collect();
    let short = view.id.0.short();
    if missing.is_empty() {
        let shown = trail.items.iter().filter(|i| i.number != 2).flat_map(|i| &i.entries);
        items.entries.extend(shown.filter_map(|index| told.get(index)));
        items.entries.extend(closing);
        items.entries.sort_unstable();
        items.entries.dedup();
        return;
    }
    against(items, closing, format!("incident {short} lacks {}", missing.join(", ")));
    if view.peak() >= Severity::Sev4Critical {
        let told_of = trail.failures.iter().any(|f| f.contains("audit trail lacks"));
        match told_of {
            true => gaps.entries.extend(closing),
            false => against(gaps, closing, format!("incident {short}: no failure is told")),
        }
    }
}

fn postmortem(
    view: &IncidentView,
    told: &BTreeMap<u64, EntryAt>,
    now: Timestamp,
    complete: &mut Line,
) {
    let short = view.id.0.short();
    if let Some(published) = &view.postmortem {
        complete.entries.extend(told.get(&published.mark.index));
        return;
    }
    if view.state == IncidentState::PostmortemPublished {
        let entry = moved(view, told, IncidentState::PostmortemPublished);
        against(complete, entry, format!("incident {short} says so without a document"));
    } else if let Some(due) = view.due.filter(|due| now > *due) {
        let entry = moved(view, told, IncidentState::PostmortemPending);
        against(complete, entry, format!("incident {short}: it was due {due}"));
    }
}
