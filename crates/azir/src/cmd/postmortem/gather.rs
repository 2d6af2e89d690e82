//! What the pages of a postmortem show, from a document and the log.

use std::collections::BTreeMap;

use azir_engine::postmortem::{self, Postmortem};
use azir_engine::{Body, IncidentView, Objects, State, words};
use azir_ledger::{Digest, Entry, Timestamp, canon};
use azir_model::directive::GateState;
use azir_sim::report::{GateLane, GateSpan, TimelineItem};

use crate::error::CliError;
use crate::host::now;
use crate::report::postmortem::{Notice, Paper, Piece, Standing};

/// Mode of a log that is no exercise.
const LIVE: &str = "live";

/// A whole document, or the notice in its place.
pub(super) enum Shown {
    Paper(Box<Paper>),
    Notice(Notice),
}

/// A log with its content: of a deployment, or of a bundle.
pub(super) struct Source<'a> {
    pub(super) state: &'a State,
    pub(super) entries: &'a [Entry],
    pub(super) objects: &'a dyn Objects,
    /// Show what is under embargo.
    pub(super) internal: bool,
}

/// The published document of an incident, or a draft.
pub(super) fn of_incident(from: &Source<'_>, view: &IncidentView) -> Result<Shown, CliError> {
    if let Some(notice) = notice(view, None).filter(|_| !from.internal) {
        return Ok(Shown::Notice(notice));
    }
    let doc = match &view.postmortem {
        Some(published) => stored(from.objects, &published.document)?,
        None => postmortem::draft(from.state, view),
    };
    of_document(from, view, doc)
}

fn stored(objects: &dyn Objects, document: &Digest) -> Result<Postmortem, CliError> {
    let name = format!("document {document}");
    let place = std::path::Path::new(&name);
    let bytes = objects.get(document).ok_or_else(|| CliError::read(place, "it is not here"))?;
    canon::decode(&bytes).map_err(|e| CliError::content(place, e))
}

/// The notice while the embargo lasts; of the document with this hash, where one is named.
fn notice(view: &IncidentView, document: Option<Digest>) -> Option<Notice> {
    let published = view.postmortem.as_ref()?;
    let until = published.embargo.as_ref().map(|b| b.until).filter(|until| *until > now())?;
    let same = document.is_none_or(|d| d == published.document);
    same.then_some(Notice { incident: view.id, document: published.document, until })
}

/// A document that is at hand.
pub(super) fn of_document(
    from: &Source<'_>,
    view: &IncidentView,
    doc: Postmortem,
) -> Result<Shown, CliError> {
    let bytes = canon::encode(&doc).map_err(|e| CliError::Internal(e.to_string()))?;
    let hash = Digest::of(&bytes);
    if let Some(notice) = notice(view, Some(hash)).filter(|_| !from.internal) {
        return Ok(Shown::Notice(notice));
    }
    let published = view.postmortem.as_ref().filter(|p| p.document == hash);
    let standing = match published {
        Some(p) => Standing::Published {
            document: p.document,
            at: p.mark.at,
            by: p.mark.by.clone(),
            embargo: p.embargo.clone().filter(|b| b.until > now()),
        },
        None => Standing::Draft { problems: postmortem::problems(&doc, from.state, view).len() },
    };
    let entries = entries(from, view, &doc);
    let last = entries.last().map_or(view.opened.at, |e| e.meta.recorded);
    let span = (view.opened.at, last);
    Ok(Shown::Paper(Box::new(Paper {
        incident: view.id,
        drill: entries.first().is_some_and(|e| e.signed.event().mode != LIVE),
        known: Some((view.class.to_string(), view.peak().to_string(), view.state.to_string())),
        standing,
        timeline: entries.iter().copied().map(item).collect(),
        gates: lanes(&entries, last),
        span,
        evidence: pieces(view),
        doc,
    })))
}

/// The entries of the document's timeline.
fn entries<'a>(from: &Source<'a>, view: &IncidentView, doc: &Postmortem) -> Vec<&'a Entry> {
    let last = doc.timeline.iter().map(|t| t.index).max();
    let about = from.entries.iter().filter(|e| e.signed.event().subject == Some(view.id.0));
    about.filter(|e| last.is_some_and(|last| e.meta.index <= last)).collect()
}

fn item(entry: &Entry) -> TimelineItem {
    let event = entry.signed.event();
    let body = Body::parse(&event.kind, &event.body).ok();
    TimelineItem {
        index: entry.meta.index,
        at: event.at,
        recorded: entry.meta.recorded,
        kind: event.kind.clone(),
        actor: event.actor.clone(),
        role: event.role.clone().unwrap_or_default(),
        text: body.as_ref().map_or_else(|| event.kind.clone(), words::of),
        tone: body.as_ref().map_or("plain", |b| words::tone(b).as_str()).to_owned(),
    }
}

/// What each gate stated of itself, as spans from its first statement to the end.
fn lanes(entries: &[&Entry], end: Timestamp) -> Vec<GateLane> {
    let mut lanes: BTreeMap<(String, String), Vec<GateSpan>> = BTreeMap::new();
    for entry in entries {
        let event = entry.signed.event();
        let Ok(Body::GateStated(b)) = Body::parse(&event.kind, &event.body) else { continue };
        let said = b.statement.body;
        let open = !said.gate.is_closed();
        let spans = lanes.entry((said.node, said.role.to_string())).or_default();
        let at = entry.meta.recorded;
        if let Some(last) = spans.last_mut() {
            last.to = at;
            if last.open == open {
                continue;
            }
        }
        spans.push(GateSpan { from: at, to: at, open, why: why(&said.gate) });
    }
    let lane = |((node, role), mut spans): ((String, String), Vec<GateSpan>)| {
        if let Some(last) = spans.last_mut() {
            last.to = end;
        }
        spans.retain(|s| s.from < s.to);
        GateLane { node, role, spans }
    };
    lanes.into_iter().map(lane).filter(|lane| !lane.spans.is_empty()).collect()
}

fn why(gate: &GateState) -> String {
    match gate {
        GateState::Open { lease, .. } => format!("lease {}", lease.short()),
        GateState::Closed { reasons } => {
            let each = reasons.iter().map(|r| r.detail.as_str()).filter(|d| !d.is_empty());
            each.map(brief).collect::<Vec<_>>().join("; ")
        }
    }
}

/// A text with its hashes shortened, for a picture.
fn brief(text: &str) -> String {
    let part = |word: &str| word.parse::<Digest>().map_or_else(|_| word.to_owned(), |d| d.short());
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let cut = |piece: &str| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        format!("{}{}", part(word), piece.get(word.len()..).unwrap_or_default())
    };
    parts.map(cut).collect()
}

/// Evidence as outsiders may see it. Implements R-10.1-13 for pages.
fn pieces(view: &IncidentView) -> Vec<Piece> {
    let held = view.evidence.iter().flat_map(|(item, r)| r.held.iter().map(move |d| (item, d)));
    held.map(|(item, d)| {
        let sealed = view.sealed.contains(&d.hash);
        let removed = view.removed.contains_key(&d.hash);
        Piece {
            item: item.to_string(),
            hash: d.hash,
            size: d.size,
            from: (!sealed).then(|| format!("{} by {}", d.source, d.collector)),
            note: match (sealed, removed) {
                (_, true) => "removed",
                (true, false) => "sealed",
                (false, false) => "",
            },
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_short_in_pictures_and_the_rest_stays() {
        let hash = Digest::of(b"x");
        let text = format!("measure m1 of incident {hash}: no answer, \u{e9}t\u{e9}.");
        let short = hash.short();
        assert_eq!(
            brief(&text),
            format!("measure m1 of incident {short}: no answer, \u{e9}t\u{e9}.")
        );
        assert_eq!(brief(""), "");
    }
}
