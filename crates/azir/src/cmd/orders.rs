//! `azir orders`: what gates are still to be told, signed by the log's server, as files that
//! anybody may carry to the nodes. A gate checks signature, fence and everything else itself.

use std::path::{Path, PathBuf};

use azir_engine::Effect;
use azir_engine::orders::{Frame, Grantee};
use azir_engine::{Close, Reopen};
use azir_ledger::{Digest, canon};
use azir_model::directive::{LeaseKind, SignedLease};
use azir_model::restart::{RestartFile, Subsystem};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::act::write_new;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::Host;

/// A lease as it is carried to a node: with the proof that its log only appends to the one the gate
/// has seen, and the restart file that clears a latch.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseFile {
    schema: String,
    lease: SignedLease,
    consistency: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart: Option<RestartFile>,
}

/// The `schema` member of a lease file (D-010).
const LEASE_FILE: &str = "azir.lease-file/1";

/// One order in words, with the bytes of its file.
struct Order {
    words: String,
    file: String,
    bytes: Vec<u8>,
}

/// Shows the orders that are owed; with a directory, writes each as one file.
pub(crate) fn run(talk: Talk, data: &Path, out: Option<&Path>) -> Result<(), CliError> {
    let host = Host::open(data)?;
    let orders = owed(&host, data, out.is_some())?;
    let mut files: Vec<PathBuf> = Vec::new();
    if let Some(dir) = out {
        std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
        for order in &orders {
            let file = dir.join(&order.file);
            write_new(&file, &order.bytes)?;
            files.push(file);
        }
    }
    if talk.json {
        let words: Vec<_> = orders.iter().map(|o| &o.words).collect();
        return say(&format!("{:#}\n", json!({"orders": words, "files": files})));
    }
    if orders.is_empty() {
        return say("no order is owed: every gate is as the log wants it\n");
    }
    let mut text: String = orders.iter().map(|o| format!("{}\n", o.words)).collect();
    for file in files {
        text.push_str(&format!("wrote {}\n", file.display()));
    }
    say(&text)
}

/// Orders to close first. Leases quote a signed checkpoint, so they are made only to be written.
fn owed(host: &Host, data: &Path, leases: bool) -> Result<Vec<Order>, CliError> {
    let engine = host.engine();
    let checkpoint = host.log_point();
    let frame = Frame { engine, now: crate::host::now(), checkpoint };
    let closes = engine.resend().into_iter().filter_map(|effect| match effect {
        Effect::Close(close) => Some(close),
        Effect::Append(_) | Effect::Reply { .. } | Effect::Record(_) | Effect::Reopen(_) => None,
    });
    let mut orders = Vec::new();
    for close in closes {
        orders.push(closing(host, &frame, &close)?);
    }
    if leases {
        host.checkpoint(data)?;
    }
    let reopens = engine.owed_reopens();
    let back = |g: &Grantee| {
        reopens.iter().any(|r| r.node == g.subsystem.node && r.role == g.subsystem.role)
    };
    for reopen in &reopens {
        orders.extend(opening(host, &frame, reopen)?);
    }
    for grantee in engine.leasable().into_iter().filter(|g| !back(g)) {
        orders.push(lease(host, &frame, &grantee, None)?);
    }
    Ok(orders)
}

fn closing(host: &Host, frame: &Frame<'_>, close: &Close) -> Result<Order, CliError> {
    let roles: Vec<_> = close.roles.iter().map(|r| r.as_str()).collect();
    let directive = frame.close(close);
    let file = format!("close-{}-{}-{}.json", close.node, close.measure, directive.fence);
    let words = format!(
        "close {} {} for measure {} of incident {}",
        close.node,
        roles.join(","),
        close.measure,
        close.incident.0.short()
    );
    let sealed = host.seal(directive)?;
    let bytes = sealed.to_bytes().map_err(|e| CliError::Internal(e.to_string()))?;
    Ok(Order { words, file: safe(&file), bytes })
}

/// The lease of a phase that was carried out, if the gate has ever said which key it guards.
fn opening(host: &Host, frame: &Frame<'_>, reopen: &Reopen) -> Result<Option<Order>, CliError> {
    let subsystem = Subsystem { node: reopen.node.clone(), role: reopen.role };
    let record = frame.engine.state().gates.get(&subsystem.to_string());
    let Some(record) = record.cloned() else { return Ok(None) };
    let grantee = Grantee { subsystem, record, kind: LeaseKind::Incident };
    let restart = Some((reopen.decision, reopen.file.clone()));
    lease(host, frame, &grantee, restart).map(Some)
}

fn lease(
    host: &Host,
    frame: &Frame<'_>,
    to: &Grantee,
    restart: Option<(Digest, RestartFile)>,
) -> Result<Order, CliError> {
    let body = frame.lease(to, restart.as_ref().map(|(decision, _)| *decision));
    let file = format!("lease-{}-{}-{}.json", to.subsystem.node, to.subsystem.role, body.fence);
    let how = if restart.is_some() { "reopen" } else { "lease" };
    let words = format!("{how} {} ({}, {} ms)", to.subsystem, to.kind, body.not_after_ms);
    let lease = LeaseFile {
        schema: LEASE_FILE.to_owned(),
        consistency: host.consistency(to.record.seen_log),
        lease: host.seal(body)?,
        restart: restart.map(|(_, file)| file),
    };
    let bytes = canon::encode(&lease).map_err(|e| CliError::Internal(e.to_string()))?;
    Ok(Order { words, file: safe(&file), bytes })
}

/// Names of nodes and measures may hold what a file name must not.
fn safe(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
