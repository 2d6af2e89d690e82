//! `azir evidence add`: files go into the vault while they are hashed, and are pinned in the log.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::body::EvidenceItems;
use azir_ledger::Digest;
use azir_model::evidence::{Descriptor, Item, KEY_SCAN_BYTES_MAX, private_key_format};
use azir_model::{Refusal, RefusalKind};

use super::Talk;
use super::act::{Author, finish};
use crate::error::CliError;
use crate::host::{Host, now};

/// A file that tells how far it was read.
struct Counted<'a> {
    file: File,
    bar: &'a indicatif::ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(into)?;
        self.bar.inc(n as u64);
        Ok(n)
    }
}

/// What is to be held.
pub(crate) struct Held {
    pub(crate) incident: Digest,
    pub(crate) item: Item,
    pub(crate) scope: String,
    pub(crate) collected: bool,
    pub(crate) files: Vec<PathBuf>,
}

/// Stores the files and pins or collects them for one checklist item.
pub(crate) fn add(talk: Talk, data: &Path, what: &Held, author: &Author) -> Result<(), CliError> {
    for file in &what.files {
        refuse_keys(file)?;
    }
    let mut host = Host::open(data)?;
    let mut items = Vec::new();
    for file in &what.files {
        items.push(keep(talk, &host, file, what, author)?);
    }
    let held = EvidenceItems { scope: what.scope.clone(), items, verified_by: None };
    let body =
        if what.collected { Body::EvidenceCollected(held) } else { Body::EvidencePinned(held) };
    let event = host.event(Some(what.incident), &author.actor, Some(&author.role), &body);
    finish(talk, &mut host, &event, author)
}

/// Nothing is stored when a file holds a private key (D-025).
fn refuse_keys(file: &Path) -> Result<(), CliError> {
    let mut head = Vec::new();
    let open = File::open(file).map_err(|e| CliError::read(file, e))?;
    open.take(KEY_SCAN_BYTES_MAX as u64)
        .read_to_end(&mut head)
        .map_err(|e| CliError::read(file, e))?;
    match private_key_format(&head) {
        None => Ok(()),
        Some(format) => Err(CliError::Refused(Refusal::one(
            RefusalKind::ForbiddenPower,
            format!("{} holds a {format}", file.display()),
            "10, 21.2, D-025",
            "store a proof of exposure instead, for example a challenge signed with the key",
        ))),
    }
}

fn keep(
    talk: Talk,
    host: &Host,
    file: &Path,
    what: &Held,
    author: &Author,
) -> Result<Descriptor, CliError> {
    let open = File::open(file).map_err(|e| CliError::read(file, e))?;
    let size = open.metadata().map_err(|e| CliError::read(file, e))?.len();
    let bar = talk.progress(size);
    bar.set_message(file.display().to_string());
    let mut from = Counted { file: open, bar: &bar };
    let hash = host.keep(&mut from)?;
    bar.finish_and_clear();
    Ok(Descriptor {
        item: what.item,
        hash,
        size: from.bar.position(),
        media: "application/octet-stream".to_owned(),
        source: what.scope.clone(),
        obtained_at: now(),
        collector: author.actor.clone(),
    })
}
