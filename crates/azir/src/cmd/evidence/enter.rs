//! Descriptors enter the log in as few events as their limit allows, signed here or elsewhere.

use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::body::EvidenceItems;
use azir_ledger::event::EVENT_BYTES_MAX;
use azir_ledger::{Digest, Event, canon};
use azir_model::evidence::Descriptor;
use azir_model::{IncidentId, Refusal, RefusalKind};

use super::Held;
use crate::cmd::act::{Author, free, is_person, with_suffix, words, write_new};
use crate::error::CliError;
use crate::host::Host;

/// Room for numbers that grow while earlier batches enter, in bytes.
const MARGIN_BYTES: usize = 512;

/// What became of the descriptors.
#[derive(Debug, Default)]
pub(super) struct Entered {
    /// Position, hash and number of pieces of each event.
    pub(super) events: Vec<(u64, Digest, usize)>,
    pub(super) orders: Vec<String>,
    /// Events that were written for signing elsewhere.
    pub(super) files: Vec<PathBuf>,
    /// Pieces that the log named before.
    pub(super) before: usize,
}

/// An event about pieces.
pub(super) fn event(
    host: &Host,
    what: &Held,
    items: Vec<Descriptor>,
    author: &Author,
) -> Result<Event, CliError> {
    let held = EvidenceItems { scope: what.scope.clone(), items, verified_by: None };
    let body =
        if what.collected { Body::EvidenceCollected(held) } else { Body::EvidencePinned(held) };
    Ok(host.event(Some(what.incident), &author.actor, author.role()?, &body))
}

/// Asks the engine's rules about an event without items before bytes are stored: who may not add
/// evidence leaves none behind. An authenticated refusal is recorded like any other.
pub(super) fn may(host: &mut Host, what: &Held, author: &Author) -> Result<(), CliError> {
    let trial = event(host, what, Vec::new(), author)?;
    let Some(signed) = author.sign(&trial)? else {
        author.out.as_deref().map_or(Ok(()), free)?;
        let known = host.engine().state().policy.as_ref().is_some_and(|policy| {
            let person = policy.person(&author.actor);
            person.is_some_and(|p| p.roles.iter().any(|r| r.as_str() == author.role))
                || policy.machines.iter().any(|m| m.id == author.actor)
        });
        if known {
            return Ok(());
        }
        return Err(CliError::Refused(Refusal::one(
            RefusalKind::NotAuthorized,
            format!("{} is not eligible as {:?} in this log", author.actor, author.role),
            "7.1, 11, D-017",
            "name a person of the roster and one of that person's roles",
        )));
    };
    let Err(refused) = host.judge(&signed) else { return Ok(()) };
    // That the trial has no items is no fault of the person.
    let faults = refused.refusal.unmet().iter();
    let faults: Vec<_> =
        faults.filter(|u| u.kind != RefusalKind::EvidenceMissing).cloned().collect();
    let refusal = Refusal::unless_met(faults);
    if refusal.is_err() && refused.authenticated {
        let _refused_too = host.submit(signed);
    }
    refusal.map_err(CliError::Refused)
}

/// Signs and submits the descriptors, or writes their events to files. What the log names already
/// is not named again.
///
/// # Errors
/// A refusal; the events before it have entered, and running the command again enters the rest.
pub(super) fn enter(
    data: &Path,
    what: &Held,
    author: &Author,
    pieces: Vec<Descriptor>,
) -> Result<Entered, CliError> {
    let mut host = Host::open(data)?;
    let all = pieces.len();
    let pieces = unnamed(&host, what, pieces);
    let mut entered = Entered { before: all - pieces.len(), ..Entered::default() };
    let batches = batches(&host, what, author, pieces)?;
    let total = batches.len();
    if let Some(out) = &author.out {
        (0..total).try_for_each(|at| free(&numbered(out, at)))?;
    }
    for (at, batch) in batches.into_iter().enumerate() {
        let count = batch.len();
        let event = event(&host, what, batch, author)?;
        if let Some(signed) = author.sign(&event)? {
            let hash = signed.hash();
            let (index, orders) = host.submit(signed).inspect_err(|_| {
                if at > 0 {
                    super::tell(&format!("{at} of {total} events entered; the next was refused"));
                }
            })?;
            entered.events.push((index, hash, count));
            entered.orders.extend(orders.iter().map(words));
        } else if let Some(out) = &author.out {
            let bytes = canon::encode(&event).map_err(|e| CliError::Internal(e.to_string()))?;
            let file = numbered(out, at);
            write_new(&file, &bytes)?;
            entered.files.push(file);
        }
    }
    Ok(entered)
}

/// `FILE`, `FILE.2`, `FILE.3`.
fn numbered(out: &Path, at: usize) -> PathBuf {
    if at == 0 { out.to_owned() } else { with_suffix(out, &format!(".{}", at + 1)) }
}

/// How an event that was written to a file is signed and brought in.
pub(super) fn how(file: &Path, actor: &str) -> (String, String) {
    let file = file.display();
    let sign = match is_person(actor) {
        true => format!("ssh-keygen -Y sign -f KEY -n azir-event@v1 {file}"),
        false => format!("azir sign {file} --machine-key FILE"),
    };
    (sign, format!("azir submit {file} {file}.sig"))
}

/// Descriptors that say something new. The same bytes of the same item, source and collector keep
/// the descriptor that the log has.
fn unnamed(host: &Host, what: &Held, pieces: Vec<Descriptor>) -> Vec<Descriptor> {
    let view = host.engine().state().incidents.get(&IncidentId(what.incident));
    let Some(record) = view.and_then(|v| v.evidence.get(&what.item)) else { return pieces };
    let marked = if what.collected { record.collected } else { record.pinned };
    let known = |d: &Descriptor| {
        let same = |h: &&Descriptor| {
            h.hash == d.hash && h.source == d.source && h.collector == d.collector
        };
        record.held.iter().find(same).cloned()
    };
    let named = pieces.into_iter().filter_map(|d| match known(&d) {
        Some(_) if marked => None,
        Some(old) => Some(old),
        None => Some(d),
    });
    named.collect()
}

/// Fills events up to the size that an event may have.
fn batches(
    host: &Host,
    what: &Held,
    author: &Author,
    pieces: Vec<Descriptor>,
) -> Result<Vec<Vec<Descriptor>>, CliError> {
    let internal = |e: azir_ledger::CanonError| CliError::Internal(e.to_string());
    let empty = canon::encode(&event(host, what, Vec::new(), author)?).map_err(internal)?;
    let room = EVENT_BYTES_MAX.saturating_sub(empty.len() + MARGIN_BYTES);
    let (mut batches, mut used) = (Vec::<Vec<_>>::new(), room);
    for piece in pieces {
        let size = canon::encode(&piece).map_err(internal)?.len() + 1;
        used += size;
        match batches.last_mut() {
            Some(last) if used <= room => last.push(piece),
            Some(_) | None => {
                batches.push(vec![piece]);
                used = size;
            }
        }
    }
    Ok(batches)
}
