//! Acts of people: `azir act` makes, signs and submits an event; without a key it writes the event
//! to a file for `ssh-keygen -Y sign`, and `azir submit` brings it in.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::drive::Order;
use azir_ledger::event::EventError;
use azir_ledger::{Digest, Event, PersonKey, Signature, SignedEvent, canon};
use azir_model::{Refusal, RefusalKind};
use azir_runbook::event::RunEventKind;
use serde_json::Value;

use super::{Talk, input, input_text, say};
use crate::error::CliError;
use crate::host::Host;

/// Who acts, and how the signature is made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Author {
    /// Who acts, for example operator:ana
    #[arg(long = "as", value_name = "WHO")]
    pub(crate) actor: String,
    /// The role acted in: REP OCO IC CL EL SL GL RO AS
    #[arg(long)]
    pub(crate) role: String,
    /// Unencrypted SSH private key file that signs
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Write the event here instead, to be signed with `ssh-keygen -Y sign -n azir-event@v1 FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "key", required_unless_present = "key")]
    pub(crate) out: Option<PathBuf>,
}

/// `azir act TYPE`.
pub(crate) fn run(
    talk: Talk,
    data: &Path,
    kind: &str,
    incident: Option<Digest>,
    body: &str,
    author: &Author,
) -> Result<(), CliError> {
    let text = match body.strip_prefix('@') {
        Some(file) => input_text(Path::new(file))?,
        None => body.to_owned(),
    };
    known(kind)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| CliError::Usage(format!("--body is no JSON: {e}")))?;
    let body = Body::parse(kind, &value)
        .map_err(|u| CliError::Refused(Refusal::one(u.kind, u.what, u.rule, u.remedy)))?;
    let mut host = Host::open(data)?;
    let event = host.event(incident, &author.actor, Some(&author.role), &body);
    finish(talk, &mut host, &event, author)
}

/// Refuses an event type that does not exist, with the list of those that do.
fn known(kind: &str) -> Result<(), CliError> {
    let runs = RunEventKind::ALL.iter().map(|k| k.as_str());
    let kinds: Vec<_> = Body::KINDS.iter().copied().chain(runs).collect();
    if kinds.contains(&kind) {
        return Ok(());
    }
    Err(CliError::Refused(Refusal::one(
        RefusalKind::UnknownEnum,
        format!("event type {kind:?} does not exist"),
        "D-009, D-010",
        format!("use one of: {}", kinds.join(" ")),
    )))
}

/// Reads a private key file of OpenSSH.
pub(crate) fn person_key(file: &Path) -> Result<PersonKey, CliError> {
    let text = input_text(file)?;
    PersonKey::from_openssh(&text).map_err(|e| {
        if encrypted(&text) {
            CliError::content(
                file,
                "the private key is encrypted; give --out FILE instead of --key, then sign FILE \
                 with ssh-keygen -Y sign -n azir-event@v1",
            )
        } else {
            CliError::content(file, e)
        }
    })
}

/// True where an OpenSSH private key file names a cipher.
fn encrypted(text: &str) -> bool {
    /// Base64 of `openssh-key-v1` and a zero byte, and of that and the cipher `none`.
    const MAGIC: &str = "b3BlbnNzaC1rZXktdjEA";
    const PLAIN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    text.lines().any(|line| line.starts_with(MAGIC) && !line.starts_with(PLAIN))
}

/// Where an event is written, nothing may stand: it could be a key or a ledger.
pub(crate) fn free(out: &Path) -> Result<(), CliError> {
    if out.symlink_metadata().is_ok() {
        return Err(occupied(out));
    }
    Ok(())
}

fn occupied(out: &Path) -> CliError {
    CliError::Usage(format!("{} exists; nothing was written, name a new file", out.display()))
}

fn write_new(out: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    match file {
        Ok(mut file) => file.write_all(bytes).map_err(|e| CliError::write(out, e)),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(occupied(out)),
        Err(e) => Err(CliError::write(out, e)),
    }
}

/// Signs with a key that was read from this file.
pub(crate) fn sign(event: &Event, person: &PersonKey, key: &Path) -> Result<SignedEvent, CliError> {
    SignedEvent::by_person(event, person).map_err(|e| match e {
        EventError::Signature(e) => CliError::content(key, e),
        EventError::Canon(_) | EventError::Schema { .. } | EventError::TooLarge { .. } => {
            CliError::Usage(format!("the event cannot be signed: {e}"))
        }
    })
}

/// Signs and submits an event, or writes it for signing elsewhere.
pub(crate) fn finish(
    talk: Talk,
    host: &mut Host,
    event: &Event,
    author: &Author,
) -> Result<(), CliError> {
    let Some(key) = &author.key else {
        let bytes = canon::encode(event).map_err(|e| CliError::Internal(e.to_string()))?;
        let Some(out) = &author.out else {
            return Err(CliError::Usage("give --key or --out".to_owned()));
        };
        write_new(out, &bytes)?;
        let path = out.display();
        let sign = format!("ssh-keygen -Y sign -f KEY -n azir-event@v1 {path}");
        let submit = format!("azir submit {path} {path}.sig");
        if talk.json {
            let value = serde_json::json!({
                "event_file": path.to_string(), "incident": event.subject,
                "sign": sign, "submit": submit,
            });
            return say(&format!("{value}\n"));
        }
        return say(&format!("{}sign:   {sign}\nsubmit: {submit}\n", opening(event)));
    };
    let signed = sign(event, &person_key(key)?, key)?;
    told(talk, host, signed)
}

/// `azir submit EVENT SIGNATURE`.
pub(crate) fn submit(talk: Talk, data: &Path, event: &Path, sig: &Path) -> Result<(), CliError> {
    let bytes = input(event)?;
    let armor = input_text(sig)?;
    let signature: Signature = armor.parse().map_err(|e| CliError::content(sig, e))?;
    let signed =
        SignedEvent::from_bytes(bytes, signature).map_err(|e| CliError::content(event, e))?;
    let mut host = Host::open(data)?;
    told(talk, &mut host, signed)
}

/// The line that names the incident that an event opens.
fn opening(event: &Event) -> String {
    match event.subject {
        Some(id) if event.kind == "incident.opened" => format!("incident {id}\n"),
        _ => String::new(),
    }
}

fn told(talk: Talk, host: &mut Host, signed: SignedEvent) -> Result<(), CliError> {
    let opening = opening(signed.event());
    let incident = signed.event().subject;
    let kind = signed.event().kind.clone();
    let hash = signed.hash();
    let (index, orders) = host.submit(signed)?;
    if talk.json {
        let orders: Vec<_> = orders.iter().map(words).collect();
        let value = serde_json::json!({"index": index, "event": hash, "incident": incident,
            "orders": orders});
        return say(&format!("{value}\n"));
    }
    let mut text = format!("{opening}entry {index}: {kind}, event {hash}\n");
    for order in &orders {
        text.push_str(&format!("order: {}\n", words(order)));
    }
    say(&text)
}

fn words(order: &Order) -> String {
    match order {
        Order::Close(c) => {
            let roles: Vec<_> = c.roles.iter().map(ToString::to_string).collect();
            format!("close {} {} for measure {}", c.node, roles.join(","), c.measure)
        }
        Order::Reopen(r) => format!("reopen {}/{} by decision {}", r.node, r.role, r.decision),
    }
}
