//! What open runbook runs owe at a time: deadlines that passed, and rungs of the escalation ladder
//! that were reached. The server records both; neither approves, releases or acts (24.1, 29.1).

use azir_ledger::Timestamp;
use azir_model::IncidentId;
use azir_runbook::event::{DeadlineFired, Escalated};
use azir_runbook::{RunEvent, deadline, escalations, walk};

use crate::engine::Objects;
use crate::state::State;
use crate::view::IncidentView;

/// Events that the server records now, one for each run at most, so that each is judged on what
/// the one before it made. A run whose runbook is not held owes nothing that could be told.
#[must_use]
pub fn owed(state: &State, now: Timestamp, objects: &dyn Objects) -> Vec<(IncidentId, RunEvent)> {
    let open =
        state.incidents.values().filter(|v| v.run.head().is_some() && v.run.ended().is_none());
    open.filter_map(|view| next(state, view, now, objects).map(|event| (view.id, event))).collect()
}

fn next(
    state: &State,
    view: &IncidentView,
    now: Timestamp,
    objects: &dyn Objects,
) -> Option<RunEvent> {
    let run = view.run.head()?.id;
    let bound = view.runbook.as_ref()?;
    let book = state.parsed.runbook(bound.object, &objects.get(&bound.object)?).ok()?;
    if view.run.head()?.started.runbook_hash != book.hash() {
        return None;
    }
    if deadline(&view.run, &book).is_some_and(|due| now >= due) {
        let step = walk::current(&view.run, &book)?.id.clone();
        return Some(RunEvent::DeadlineFired(DeadlineFired { run, step }));
    }
    let (step, rung) = escalations(&view.run, &book, now).into_iter().next()?;
    let (rung, role) = (rung.id.clone(), rung.role);
    Some(RunEvent::Escalated(Escalated { run, step, rung, role }))
}
