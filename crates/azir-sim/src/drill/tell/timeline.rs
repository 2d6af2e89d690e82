//! Log entries in words.

use azir_engine::{Body, words};

use crate::drill::stage::Stage;
use crate::report::TimelineItem;

/// Entries of the timeline, in log order.
pub(in crate::drill) fn items(stage: &Stage<'_>) -> Vec<TimelineItem> {
    let item = |entry: &azir_ledger::Entry| {
        let event = entry.signed.event();
        let body = Body::parse(&event.kind, &event.body).ok();
        let (text, tone) = body
            .as_ref()
            .map_or((event.kind.clone(), "plain"), |b| (words::of(b), words::tone(b).as_str()));
        TimelineItem {
            index: entry.meta.index,
            at: event.at,
            recorded: entry.meta.recorded,
            kind: event.kind.clone(),
            actor: event.actor.clone(),
            role: event.role.clone().unwrap_or_default(),
            text,
            tone: tone.to_owned(),
        }
    };
    stage.plane.entries().iter().map(item).collect()
}
