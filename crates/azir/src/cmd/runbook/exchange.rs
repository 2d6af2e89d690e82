//! `azir runbook export|import|sign`: CACAO 2.0 playbooks out, in and signed.

use std::path::Path;

use azir_ledger::Timestamp;
use azir_model::{Refusal, RefusalKind};
use azir_runbook::cacao::{self, BYTES_MAX, Imported, Signee, Stamp};
use azir_runbook::to_toml;
use serde_json::{Value, json};

use super::super::act::{free, machine_key, write_new};
use super::super::text::{fold, visible};
use super::super::{Talk, input_within, say};
use super::library::Found;
use crate::error::CliError;
use crate::host::now;

/// Writes a playbook.
pub(super) fn export(
    talk: Talk,
    found: &Found,
    out: &Path,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
) -> Result<(), CliError> {
    free(out)?;
    let modified = modified.unwrap_or_else(now);
    let stamp = Stamp { created: created.unwrap_or(modified), modified };
    let playbook =
        cacao::export(&found.book, &stamp).map_err(|e| CliError::Usage(e.to_string()))?;
    write_new(out, format!("{playbook:#}\n").as_bytes())?;
    let (name, hash, file) = (found.name(), found.book.hash(), out.display().to_string());
    if talk.json {
        let value = json!({"runbook": name, "runbook_hash": hash, "out": file,
            "created": stamp.created, "modified": stamp.modified});
        return say(&format!("{value}\n"));
    }
    say(&format!("{name} {hash}\n{file}: a CACAO 2.0 playbook\n"))
}

/// Reads a playbook.
pub(super) fn import(talk: Talk, file: &Path, out: Option<&Path>) -> Result<(), CliError> {
    out.map_or(Ok(()), free)?;
    let (playbook, imported) = read(file)?;
    let signatures = cacao::jss_verify(&playbook);
    if let Some(out) = out {
        let text = match &imported.book {
            Some(book) => to_toml(book),
            None => imported.draft.to_string(),
        };
        write_new(out, text.as_bytes())?;
    }
    if talk.json {
        let book = imported.book.as_ref().map(super::library::name);
        let value = json!({
            "runbook": book, "runbook_hash": imported.runbook_hash,
            "findings": imported.findings, "lost": imported.lost,
            "draft": imported.book.is_none().then_some(&imported.draft), "signatures": signatures,
        });
        say(&format!("{value:#}\n"))?;
    } else {
        say(&screen(&imported, &signatures, out.is_none()))?;
    }
    if imported.findings.is_empty() {
        return Ok(());
    }
    Err(CliError::Refused(Refusal::one(
        RefusalKind::InvalidSchema,
        format!("{}: findings: {}", file.display(), imported.findings.len()),
        "34.1, 35.1",
        "it stays a draft to read; mend the playbook where it comes from, or write a runbook",
    )))
}

fn read(file: &Path) -> Result<(Value, Imported), CliError> {
    let bytes = input_within(file, BYTES_MAX as u64)?;
    let imported = cacao::import(&bytes).map_err(|e| CliError::content(file, e))?;
    let playbook = serde_json::from_slice(&bytes).map_err(|e| CliError::content(file, e))?;
    Ok((playbook, imported))
}

fn screen(imported: &Imported, signatures: &[cacao::SignatureCheck], whole: bool) -> String {
    let mut out = match &imported.book {
        Some(book) => {
            format!("runbook {} {}\n", super::library::name(book), book.hash())
        }
        None => format!("draft {:?}: no runbook, and nothing of it runs\n", imported.draft.title),
    };
    let list = |out: &mut String, what: &str, items: Vec<String>| {
        if !items.is_empty() {
            out.push_str(&format!("{what}: {}\n", items.len()));
            items.iter().for_each(|i| out.push_str(&fold("  ", "    ", &visible(i))));
        }
    };
    list(&mut out, "findings", imported.findings.iter().map(ToString::to_string).collect());
    list(&mut out, "lost", imported.lost.iter().map(ToString::to_string).collect());
    let signed = signatures.iter().map(|s| {
        let why = if s.why.is_empty() { String::new() } else { format!(": {}", s.why) };
        format!("{} by {} (nobody checked that name){why}", s.verdict, s.signee)
    });
    list(&mut out, "signatures", signed.collect());
    if imported.book.is_none() && whole {
        out.push_str(&format!("\n{}", imported.draft));
    }
    out
}

/// Signs a playbook.
pub(super) fn sign(
    talk: Talk,
    file: &Path,
    key: &Path,
    name: String,
    valid_until: Option<Timestamp>,
    out: &Path,
) -> Result<(), CliError> {
    free(out)?;
    let at = now();
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(CliError::Usage("--name: say who signs, without control characters".into()));
    }
    if valid_until.is_some_and(|until| until <= at) {
        return Err(CliError::Usage("--valid-until lies in the past; name a later time".into()));
    }
    if file.extension().is_some_and(|e| e == "toml") {
        return Err(CliError::Usage(format!(
            "{} is a runbook file; export it and sign the playbook, or release it with \
             `azir runbook release`",
            file.display()
        )));
    }
    let key = machine_key(key)?;
    let (playbook, imported) = read(file)?;
    if !imported.findings.is_empty() {
        return Err(CliError::content(
            file,
            "the playbook has findings, which `azir runbook import` shows; none is signed",
        ));
    }
    let signed = cacao::jss_sign(&playbook, &key, &Signee { name, at, valid_until });
    let signed = signed.map_err(|e| CliError::content(file, e))?;
    write_new(out, format!("{signed:#}\n").as_bytes())?;
    let count = cacao::jss_verify(&signed).len();
    let out = out.display().to_string();
    if talk.json {
        return say(&format!("{}\n", json!({"out": out, "signatures": count})));
    }
    say(&format!("{out}: signed; signatures: {count}\n"))
}
