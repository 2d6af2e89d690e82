//! Control attestation: which controls of AZ-015 a log shows at work, section by section, each with
//! the entries that show it. Every entry is admitted again by the rules that stood before it, and
//! each control computes its verdict from that; nothing is asserted.

use std::collections::BTreeMap;

use azir_ledger::{Digest, Entry, Event, Timestamp};
use azir_model::IncidentId;
use azir_model::refusal::{RefusalKind, Unmet};
use serde::Serialize;

use crate::admit;
use crate::body::Body;
use crate::engine::Objects;
use crate::state::State;
use crate::view::IncidentView;

mod ending;
mod judges;
mod table;

pub use table::BEYOND;

/// The `schema` member of an attestation (D-010).
pub const ATTEST_SCHEMA: &str = "azir.attestation/1";

azir_model::wire_enum! {
    /// What a log says of one control.
    pub enum Verdict {
        /// At least one entry shows it, and none speaks against it.
        Shown = "shown",
        /// Nothing in the log called for it.
        NotExercised = "not_exercised",
        /// At least one entry is against it.
        Contradicted = "contradicted",
    }
}

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EntryAt {
    /// Position.
    pub index: u64,
    /// Hash of the event.
    pub event: Digest,
}

/// An entry that speaks against a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Against {
    /// The entry; absent where something is missing from the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryAt>,
    /// Why.
    pub why: String,
}

/// One control of AZ-015.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Section of AZ-015.
    pub section: &'static str,
    /// The control in words.
    pub control: &'static str,
    /// What the log says of it.
    pub verdict: Verdict,
    /// Entries that show it, in log order.
    pub entries: Vec<EntryAt>,
    /// What speaks against it.
    pub against: Vec<Against>,
}

/// Coverage of AZ-015 by one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// Always [`ATTEST_SCHEMA`].
    pub schema: &'static str,
    /// Origin of the log.
    pub log: String,
    /// Entries that were judged.
    pub size: u64,
    /// Time up to which due dates were judged.
    pub at: Timestamp,
    /// Controls, in the order of AZ-015.
    pub lines: Vec<Line>,
}

impl Attestation {
    /// How many controls have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|l| l.verdict == verdict).count()
    }
}

/// One entry with everything that its judges look at. State and view are those before it.
struct Moment<'a> {
    before: &'a State,
    view: Option<&'a IncidentView>,
    event: &'a Event,
    body: &'a Body,
    recorded: Timestamp,
    /// What the rules refuse of it now; content that is not at hand is no refusal.
    unmet: &'a [Unmet],
    objects: &'a dyn Objects,
}

impl Moment<'_> {
    /// The first condition of one of these kinds that is not met.
    fn refused(&self, kinds: &[RefusalKind]) -> Option<&Unmet> {
        self.unmet.iter().find(|u| kinds.contains(&u.kind))
    }

    /// True when a person is the author.
    fn by_person(&self) -> bool {
        self.event.role.is_some() && self.event.actor.starts_with("operator:")
    }
}

/// What a judge says of one entry.
enum Vote {
    Shows,
    Against(String),
    Silent,
}

impl Vote {
    /// Shows the control, or is against it where a condition of these kinds is not met.
    fn unless(refused: Option<&Unmet>) -> Self {
        refused.map_or(Self::Shows, |u| Self::Against(format!("{}: {}", u.kind, u.what)))
    }

    fn when(holds: bool, why: impl FnOnce() -> String) -> Self {
        if holds { Self::Shows } else { Self::Against(why()) }
    }
}

/// Judges a whole log. `entries` in order from the first; `now` decides what is overdue. Content
/// that `objects` does not hold is not judged: the offline check reports what is missing.
#[must_use]
pub fn attest(entries: &[Entry], objects: &dyn Objects, now: Timestamp) -> Attestation {
    let first = entries.first().map(|e| e.signed.event());
    let (log, mode) = first.map(|e| (e.log.clone(), e.mode.clone())).unwrap_or_default();
    let mut lines: Vec<Line> = table::CONTROLS.iter().map(|c| blank(c.section, c.text)).collect();
    let mut views = blank("41.2", "the views follow from the events alone");
    let mut state = State::default();
    let mut told = BTreeMap::new();
    for entry in entries {
        let event = entry.signed.event();
        let at = EntryAt { index: entry.meta.index, event: entry.signed.hash() };
        let body = match Body::parse(&event.kind, &event.body) {
            Ok(body) => body,
            Err(unmet) => {
                count(&mut views, at, Vote::Against(unmet.what));
                break;
            }
        };
        let unmet = refused(&state, (&log, &mode), entry, objects);
        let moment = Moment {
            view: event.subject.and_then(|id| state.incidents.get(&IncidentId(id))),
            before: &state,
            event,
            body: &body,
            recorded: entry.meta.recorded,
            unmet: &unmet,
            objects,
        };
        for (control, line) in table::CONTROLS.iter().zip(&mut lines) {
            count(line, at, (control.judge)(&moment));
        }
        let due = state.size;
        let computed = state.apply_body(&entry.signed, entry.meta.recorded, &body);
        count(&mut views, at, follows(entry, due, computed.as_ref()));
        if computed.is_err() {
            break;
        }
        told.insert(due, at);
    }
    lines.push(views);
    lines.extend(ending::lines(&state, &told, now));
    lines.sort_by_key(|line| order(line.section));
    lines.iter_mut().for_each(conclude);
    Attestation { schema: ATTEST_SCHEMA, log, size: state.size, at: now, lines }
}

/// What the rules say of an entry at its place, but for content that is not at hand.
fn refused(
    state: &State,
    (log, mode): (&str, &str),
    entry: &Entry,
    objects: &dyn Objects,
) -> Vec<Unmet> {
    let judged = admit::admit(state, log, mode, &entry.signed, entry.meta.recorded, objects);
    let unmet = judged.err().map(|r| r.refusal.unmet().to_vec()).unwrap_or_default();
    unmet.into_iter().filter(|u| u.kind != RefusalKind::EvidenceMissing).collect()
}

fn follows(entry: &Entry, due: u64, computed: Result<&Digest, &crate::state::FoldError>) -> Vote {
    let index = entry.meta.index;
    match computed {
        Err(error) => Vote::Against(error.to_string()),
        Ok(_) if index != due => Vote::Against(format!("entry {index} where {due} is due")),
        Ok(view) => Vote::when(*view == entry.meta.view, || {
            format!("it names view {}, its events give {view}", entry.meta.view)
        }),
    }
}

fn blank(section: &'static str, control: &'static str) -> Line {
    let (entries, against) = (Vec::new(), Vec::new());
    Line { section, control, verdict: Verdict::NotExercised, entries, against }
}

fn count(line: &mut Line, at: EntryAt, vote: Vote) {
    match vote {
        Vote::Shows => line.entries.push(at),
        Vote::Against(why) => line.against.push(Against { entry: Some(at), why }),
        Vote::Silent => {}
    }
}

fn conclude(line: &mut Line) {
    line.verdict = match (line.entries.is_empty(), line.against.is_empty()) {
        (_, false) => Verdict::Contradicted,
        (false, true) => Verdict::Shown,
        (true, true) => Verdict::NotExercised,
    };
}

/// Section and subsection as numbers.
fn order(section: &str) -> (u64, u64) {
    let (major, minor) = section.split_once('.').unwrap_or((section, "0"));
    (major.parse().unwrap_or(u64::MAX), minor.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests;
