//! The draft: whatever the log already says, in words; what only people know stays empty.

use std::collections::BTreeMap;

use super::{CONTENTS, POSTMORTEM_SCHEMA, Postmortem, TimelineEntry};
use crate::audit;
use crate::body::{Blast, BlastBasis};
use crate::facts;
use crate::state::State;
use crate::view::IncidentView;

/// A postmortem as far as the log can write it. Empty texts are for people.
#[must_use]
pub fn draft(state: &State, view: &IncidentView) -> Postmortem {
    let mut contents: BTreeMap<_, _> =
        CONTENTS.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    let mut say = |name: &str, text: Option<String>| {
        contents.insert(name.to_owned(), text.unwrap_or_default());
    };
    say("root_cause_class", cause(view));
    say("triggering_condition", Some(trigger(view)));
    say("timeline", Some(timeline(view)));
    say("blast_radius", blast(view));
    say("immediate_fix", measures(state, view));
    let unknown = Blast { rank: azir_model::BlastRank::NONE, basis: BlastBasis::Unknown };
    Postmortem {
        schema: POSTMORTEM_SCHEMA.to_owned(),
        incident: view.id,
        contents,
        timeline: view
            .entries
            .iter()
            .map(|e| TimelineEntry { index: e.index, event: e.event })
            .collect(),
        scopes: view.scopes.clone(),
        blast: view.blast.clone().unwrap_or(unknown),
        kinds: view.cause.iter().filter_map(|c| c.kind).collect(),
        adversarial: view.cause.as_ref().and_then(|c| c.adversarial),
        every_control_held: false,
        conformance: Vec::new(),
        fixes: Vec::new(),
        failures: audit::failures(state, view),
    }
}

fn cause(view: &IncidentView) -> Option<String> {
    let cause = view.cause.as_ref()?;
    let kind = cause.kind.map_or_else(|| "kind not identified".to_owned(), |k| k.to_string());
    Some(format!("{}: {} ({kind})", cause.finding, cause.statement))
}

fn trigger(view: &IncidentView) -> String {
    let confirmed: Vec<_> = view.confirmations.keys().map(String::as_str).collect();
    let confirmed = if confirmed.is_empty() { "nothing".to_owned() } else { confirmed.join(", ") };
    format!(
        "{} opened it at {} as {}; confirmed by {confirmed}.",
        view.record.detected_by, view.record.detection_time, view.record.incident_class
    )
}

fn timeline(view: &IncidentView) -> String {
    let first = view.entries.first().map_or(0, |e| e.index);
    let last = view.entries.last().map_or(0, |e| e.index);
    let steps: Vec<_> = view.moves.iter().map(|m| format!("{} at {}", m.to, m.mark.at)).collect();
    format!(
        "{} events, entries {first} to {last} of the log: opened at {}; {}.",
        view.entries.len(),
        view.opened.at,
        steps.join("; ")
    )
}

fn blast(view: &IncidentView) -> Option<String> {
    let blast = view.blast.as_ref()?;
    let basis = blast.basis;
    let scopes = if view.scopes.is_empty() { "no scope".to_owned() } else { view.scopes.join(" ") };
    Some(format!("rank {} ({basis}): {scopes}.", blast.rank.value()))
}

fn measures(state: &State, view: &IncidentView) -> Option<String> {
    let mut lines: Vec<_> = view
        .measures
        .iter()
        .map(|(name, m)| {
            let roles: Vec<_> = m.roles.iter().map(ToString::to_string).collect();
            format!("{name}: {} on {} {}", m.choice, m.node, roles.join(","))
        })
        .collect();
    let protocol = facts::protocol_measures(state, view);
    lines.extend(protocol.iter().map(|(name, state)| format!("{name}: {state}")));
    (!lines.is_empty()).then(|| format!("Measures: {}.", lines.join("; ")))
}
