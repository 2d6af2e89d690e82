//! `azir incident`: open, list and show incidents of this deployment.

use std::fmt::Write as _;
use std::path::Path;

use azir_engine::body::IncidentOpened;
use azir_engine::{Body, IncidentView, State, evidence, facts};
use azir_ledger::Digest;
use azir_model::evidence::{evidence_list_hash, scopes_hash};
use azir_model::lifecycle;
use azir_model::{
    IncidentClass, IncidentId, IncidentState, OpeningRecord, Profile, Severity, class,
};

mod shown;

use super::act::{Author, finish};
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{Host, now};

/// What is proposed when an incident is opened.
pub(crate) struct Proposed {
    pub(crate) class: IncidentClass,
    pub(crate) severity: Severity,
    /// The closed incident that this one goes on from.
    pub(crate) continues: Option<Digest>,
    pub(crate) scopes: Vec<String>,
}

/// Opens an incident by hand.
pub(crate) fn open(
    talk: Talk,
    data: &Path,
    proposed: Proposed,
    author: &Author,
) -> Result<(), CliError> {
    let role = author.role()?;
    let mut host = Host::open(data)?;
    let Proposed { class, severity, continues, mut scopes } = proposed;
    scopes.sort();
    scopes.dedup();
    let internal = |e: azir_ledger::CanonError| CliError::Internal(e.to_string());
    let record = OpeningRecord {
        affected_scopes_hash: scopes_hash(scopes.iter().map(String::as_str)).map_err(internal)?,
        current_response_profile: Profile::ObserveOnly,
        detected_by: author.actor.clone(),
        detection_time: now(),
        incident_class: class,
        initial_evidence_hash: evidence_list_hash(&[]).map_err(internal)?,
        metadata_hash: None,
        related_object_refs: vec![],
        related_runbook_id: class::row(class).runbook,
        severity,
        status: IncidentState::Detected,
    };
    let id = record.id().map_err(internal)?;
    let body = Body::IncidentOpened(IncidentOpened {
        record,
        scopes,
        evidence: vec![],
        continues: continues.map(IncidentId),
    });
    let event = host.event(Some(id.0), &author.actor, role, &body);
    finish(talk, &mut host, &event, author)
}

/// Lists incidents, the newest last.
pub(crate) fn list(talk: Talk, data: &Path) -> Result<(), CliError> {
    let host = Host::open(data)?;
    let mut views: Vec<&IncidentView> = host.engine().state().incidents.values().collect();
    views.sort_by_key(|v| v.opened.index);
    if talk.json {
        let rows: Vec<_> = views
            .iter()
            .map(|v| {
                serde_json::json!({"id": v.id, "state": v.state, "class": v.class,
                    "severity": v.severity, "peak": v.peak(), "opened": v.opened.at})
            })
            .collect();
        return say(&format!("{:#}\n", serde_json::json!({ "incidents": rows })));
    }
    let mut out = String::new();
    for v in views {
        let _infallible = writeln!(
            out,
            "{}  {:<20} {:<22} {:<15} {}",
            v.id.0.short(),
            v.state,
            v.class,
            v.severity,
            v.opened.at
        );
    }
    say(&out)
}

/// Fewest digits that name an incident: fewer would soon name several.
const PREFIX_DIGITS_MIN: usize = 4;

/// Finds an incident by its id or by the beginning of it.
pub(crate) fn find<'h>(host: &'h Host, id: &str) -> Result<&'h IncidentView, CliError> {
    find_in(host.engine().state(), id)
}

/// [`find`] in any state.
pub(crate) fn find_in<'s>(state: &'s State, id: &str) -> Result<&'s IncidentView, CliError> {
    if id.len() < PREFIX_DIGITS_MIN || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CliError::Usage(format!(
            "{id:?} names no incident: give at least {PREFIX_DIGITS_MIN} hex digits of its id"
        )));
    }
    let id = id.to_ascii_lowercase();
    let hits: Vec<_> =
        state.incidents.values().filter(|v| v.id.to_string().starts_with(&id)).collect();
    match hits.as_slice() {
        [one] => Ok(one),
        [] => Err(CliError::Usage(format!("no incident begins with {id:?}"))),
        many => Err(CliError::Usage(format!("{} incidents begin with {id:?}", many.len()))),
    }
}

/// The whole id of an incident that is named by its beginning.
pub(crate) fn id_of(data: &Path, id: &str) -> Result<Digest, CliError> {
    if let Ok(id) = id.to_ascii_lowercase().parse::<IncidentId>() {
        return Ok(id.0);
    }
    let host = Host::open(data)?;
    find(&host, id).map(|v| v.id.0)
}

/// Shows one incident: what is known, what may be done now, and why not the rest.
pub(crate) fn show(talk: Talk, data: &Path, id: &str) -> Result<(), CliError> {
    let host = Host::open(data)?;
    let view = find(&host, id)?;
    let known = facts::of(host.engine().state(), view, now());
    let next = lifecycle::next_allowed(&known);
    if talk.json {
        let moves: Vec<_> = next
            .iter()
            .map(|(t, judged)| {
                serde_json::json!({"transition": t.id.to_string(), "to": t.to,
                    "unmet": judged.as_ref().err().map(|r| r.unmet().to_vec()).unwrap_or_default()})
            })
            .collect();
        let state = host.engine().state();
        let row = class::row(view.class);
        let value = serde_json::json!({"incident": view, "next": moves,
            "evidence_missing": evidence::missing(view), "pins_missing": evidence::pins_missing(view),
            "protocol_measures": facts::protocol_measures(state, view),
            "failures": azir_engine::audit::failures(state, view),
            "stages": azir_engine::audit::stages(view),
            "guidance": {"local_enough": row.local_enough, "touches": row.touches,
                "lead": row.lead, "also_alerted": row.also_alerted}});
        return say(&format!("{value:#}\n"));
    }
    say(&shown::words(host.engine().state(), view, &next, now()))
}

type Next = Vec<(lifecycle::Transition, Result<(), azir_model::Refusal>)>;
