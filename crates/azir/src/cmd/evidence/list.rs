//! `azir evidence list`: what the checklist of an incident owes and what is held;
//! `azir evidence get`: the bytes of one piece.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use azir_engine::IncidentView;
use azir_engine::body::SettledState;
use azir_engine::evidence::{checklist, custodian};
use azir_engine::view::ItemRecord;
use azir_ledger::{Digest, canon};
use azir_model::evidence::{Descriptor, Item};
use azir_model::{IncidentId, Refusal, RefusalKind};
use azir_store::vault::{Vault, VaultError};
use serde_json::{Value, json};

use super::source::escaped;
use super::upload::{MANIFEST_BYTES_MAX, MANIFEST_MEDIA, Manifest};
use crate::cmd::act::free;
use crate::cmd::incident::id_of;
use crate::cmd::{Talk, say};
use crate::error::CliError;
use crate::host::Host;

/// Lists the items of the checklist, and whatever else is held, with the state of each.
pub(super) fn list(talk: Talk, data: &Path, id: &str) -> Result<(), CliError> {
    let id = id_of(data, id)?;
    let host = Host::open(data)?;
    let Some(view) = host.engine().state().incidents.get(&IncidentId(id)) else {
        return Err(CliError::Usage(format!("no incident has the id {id}")));
    };
    let names = names(host.vault(), view);
    let list = checklist(view);
    let mut items: BTreeSet<Item> = list.items().clone();
    items.extend(view.evidence.keys());
    let rows: Vec<Row<'_>> = items
        .into_iter()
        .map(|item| Row {
            item,
            owed: list.items().contains(&item),
            record: view.evidence.get(&item),
            view,
            names: &names,
        })
        .collect();
    if talk.json {
        let items: Vec<Value> = rows.iter().map(Row::json).collect();
        return say(&format!("{:#}\n", json!({"incident": id, "items": items})));
    }
    let mut out = String::new();
    for row in &rows {
        row.words(&mut out);
    }
    say(&out)
}

/// Names of pieces by hash, from the manifests among them.
type Names = BTreeMap<Digest, BTreeSet<String>>;

fn names(vault: &Vault, view: &IncidentView) -> Names {
    let mut names = Names::new();
    let held = view.evidence.values().flat_map(|record| &record.held);
    for piece in held.filter(|d| d.media == MANIFEST_MEDIA && d.size <= MANIFEST_BYTES_MAX) {
        let bytes = vault.get(&piece.hash).ok();
        // Names are an aid: without a readable manifest the pieces are listed by hash.
        let Some(manifest) = bytes.and_then(|b| canon::decode::<Manifest>(&b).ok()) else {
            continue;
        };
        for file in manifest.files {
            // Somebody else may have made the manifest.
            let path = escaped(file.path.as_bytes());
            names.entry(file.hash).or_default().insert(path);
        }
    }
    names
}

struct Row<'a> {
    item: Item,
    owed: bool,
    record: Option<&'a ItemRecord>,
    view: &'a IncidentView,
    names: &'a Names,
}

impl Row<'_> {
    fn held(&self) -> &[Descriptor] {
        self.record.map_or(&[], |r| &r.held)
    }

    /// D-054: present, settled, or open; what the log itself holds needs no piece (D-053).
    fn state(&self) -> &'static str {
        if !self.held().is_empty() {
            "present"
        } else if self.record.is_some_and(|r| r.settled.is_some()) {
            "settled"
        } else if self.item.row().from_log {
            "log"
        } else {
            "open"
        }
    }

    /// Kept, or by which rule it was verified (D-058).
    fn standing(&self) -> String {
        let rule = self.record.and_then(|r| r.verified_by.as_deref());
        rule.map_or_else(|| "kept".to_owned(), |rule| format!("verified by {rule}"))
    }

    fn json(&self) -> Value {
        let pieces: Vec<Value> = self
            .held()
            .iter()
            .map(|d| {
                json!({"hash": d.hash, "size": d.size, "media": d.media, "source": d.source,
                    "collector": d.collector, "obtained_at": d.obtained_at,
                    "standing": self.standing(),
                    "keeper": custodian(self.view, &d.hash),
                    "sealed": self.view.sealed.contains(&d.hash),
                    "removed": self.view.removed.contains_key(&d.hash),
                    "paths": self.names.get(&d.hash).cloned().unwrap_or_default()})
            })
            .collect();
        let mut row = json!({"item": self.item, "text": self.item.row().text,
            "on_checklist": self.owed, "pin_at_once": self.item.row().pin,
            "state": self.state(), "pinned": self.record.is_some_and(|r| r.pinned),
            "collected": self.record.is_some_and(|r| r.collected), "pieces": pieces});
        if let Some(settled) = self.record.and_then(|r| r.settled.as_ref()) {
            row["settled"] = json!({"state": settled.state, "reason": settled.reason,
                "tried": settled.tried, "by": settled.mark.by, "second": settled.second});
        }
        row
    }

    fn words(&self, out: &mut String) {
        let mut marks = Vec::new();
        if self.record.is_some_and(|r| r.pinned) {
            marks.push("pinned".to_owned());
        }
        if self.record.is_some_and(|r| r.collected) {
            marks.push("collected".to_owned());
        }
        if let Some(settled) = self.record.and_then(|r| r.settled.as_ref()) {
            let what = match settled.state {
                SettledState::NotApplicable => "not applicable",
                SettledState::Unavailable => "unavailable",
            };
            marks.push(format!("{what}, says {}: {}", settled.mark.by, settled.reason));
        }
        if self.state() == "open" {
            let pin = if self.item.row().pin { "pin it at once: " } else { "" };
            marks.push(format!("{pin}{}", self.item.row().text));
        }
        if !self.owed {
            marks.push("on no checklist of this incident".to_owned());
        }
        let marks = marks.join("; ");
        let _infallible = writeln!(out, "{:<24} {:<8} {marks}", self.item, self.state());
        for d in self.held() {
            let _infallible = writeln!(
                out,
                "    {}  {} bytes, {}, {}\n        from {} by {} at {}",
                d.hash,
                d.size,
                d.media,
                self.standing(),
                d.source,
                d.collector,
                d.obtained_at
            );
            let keeper = custodian(self.view, &d.hash);
            if let Some(keeper) = keeper.filter(|keeper| *keeper != d.collector) {
                let _infallible = writeln!(out, "        now kept by {keeper}");
            }
            if self.view.sealed.contains(&d.hash) {
                out.push_str("        sealed: outsiders see only hash, size and kind\n");
            }
            if self.view.removed.contains_key(&d.hash) {
                out.push_str("        its bytes were removed after their term\n");
            }
            for name in self.names.get(&d.hash).into_iter().flatten() {
                let _infallible = writeln!(out, "        {name}");
            }
        }
    }
}

/// Writes the bytes of a piece to a new file; they are digested on the way out. Implements
/// R-10.1-10 in part: altered bytes are told by their hash.
pub(super) fn get(talk: Talk, data: &Path, hash: &str, out: &Path) -> Result<(), CliError> {
    let text = hash.strip_prefix("sha256:").unwrap_or(hash).to_ascii_lowercase();
    let digest: Digest = text.parse().map_err(|_| {
        CliError::Usage(format!(
            "{hash:?} is no hash of a piece: give its 64 hex digits, as `azir evidence list` does"
        ))
    })?;
    let place = data.join("deployment.json");
    place.metadata().map_err(|e| CliError::read(&place, e))?;
    free(out)?;
    let vault = Vault::read_only(&data.join("vault"));
    let mut piece = vault.open_piece(&digest).map_err(|e| match e {
        VaultError::Missing { .. } => CliError::Usage(e.to_string()),
        other => CliError::read(vault.dir(), other),
    })?;
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).open(out).map_err(|e| CliError::write(out, e))?;
    let written = copy(&mut piece, &mut file, vault.dir(), out);
    let size = written.inspect_err(|_| {
        // Bytes that are not what was asked for must not lie about under its name.
        let _gone = std::fs::remove_file(out);
    })?;
    if talk.json {
        let value = json!({"hash": digest, "size": size, "file": out.display().to_string()});
        return say(&format!("{value}\n"));
    }
    say(&format!("{size} bytes in {}, sha256 {digest}\n", out.display()))
}

fn copy(
    from: &mut dyn std::io::Read,
    to: &mut std::fs::File,
    vault: &Path,
    out: &Path,
) -> Result<u64, CliError> {
    let (mut chunk, mut size) = (vec![0; 64 * 1024], 0);
    loop {
        let n = match from.read(&mut chunk) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                return Err(CliError::Refused(Refusal::one(
                    RefusalKind::HashMismatch,
                    e.to_string(),
                    "10.1, D-015",
                    "take it from a bundle that was exported before, or from where it came from",
                )));
            }
            Err(e) => return Err(CliError::read(vault, e)),
        };
        if n == 0 {
            to.sync_all().map_err(|e| CliError::write(out, e))?;
            return Ok(size);
        }
        to.write_all(&chunk[..n]).map_err(|e| CliError::write(out, e))?;
        size += n as u64;
    }
}
