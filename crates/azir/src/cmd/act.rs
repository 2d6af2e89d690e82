//! Acts of people: `azir act` makes, signs and submits an event; without a key it writes the event
//! to a file for `ssh-keygen -Y sign`, and `azir submit` brings it in.

use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::drive::Order;
use azir_ledger::{Digest, Event, PersonKey, Signature, SignedEvent, canon};
use azir_model::Refusal;
use serde_json::Value;

use super::{Talk, say};
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
        Some(file) => {
            std::fs::read_to_string(file).map_err(|e| CliError::read(Path::new(file), e))?
        }
        None => body.to_owned(),
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| CliError::Usage(format!("--body is no JSON: {e}")))?;
    let body = Body::parse(kind, &value)
        .map_err(|u| CliError::Refused(Refusal::one(u.kind, u.what, u.rule, u.remedy)))?;
    let mut host = Host::open(data)?;
    let event = host.event(incident, &author.actor, Some(&author.role), &body);
    finish(talk, &mut host, &event, author)
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
        std::fs::write(out, bytes).map_err(|e| CliError::write(out, e))?;
        let path = out.display();
        return say(&format!(
            "sign:   ssh-keygen -Y sign -f KEY -n azir-event@v1 {path}\nsubmit: azir submit {path} {path}.sig\n"
        ));
    };
    let text = std::fs::read_to_string(key).map_err(|e| CliError::read(key, e))?;
    let person = PersonKey::from_openssh(&text).map_err(|e| CliError::content(key, e))?;
    let signed = SignedEvent::by_person(event, &person).map_err(|e| CliError::content(key, e))?;
    told(talk, host, signed)
}

/// `azir submit EVENT SIGNATURE`.
pub(crate) fn submit(talk: Talk, data: &Path, event: &Path, sig: &Path) -> Result<(), CliError> {
    let bytes = std::fs::read(event).map_err(|e| CliError::read(event, e))?;
    let armor = std::fs::read_to_string(sig).map_err(|e| CliError::read(sig, e))?;
    let signature: Signature = armor.parse().map_err(|e| CliError::content(sig, e))?;
    let signed =
        SignedEvent::from_bytes(bytes, signature).map_err(|e| CliError::content(event, e))?;
    let mut host = Host::open(data)?;
    told(talk, &mut host, signed)
}

fn told(talk: Talk, host: &mut Host, signed: SignedEvent) -> Result<(), CliError> {
    let kind = signed.event().kind.clone();
    let hash = signed.hash();
    let (index, orders) = host.submit(signed)?;
    if talk.json {
        let orders: Vec<_> = orders.iter().map(words).collect();
        let value = serde_json::json!({"index": index, "event": hash, "orders": orders});
        return say(&format!("{value}\n"));
    }
    let mut text = format!("entry {index}: {kind}, event {hash}\n");
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
