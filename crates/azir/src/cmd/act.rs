//! Acts: `azir act` makes, signs and submits an event; without a key it writes the event to a file
//! for `azir sign` or `ssh-keygen -Y sign`, and `azir submit` brings it in with the approvals of
//! second persons.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use azir_engine::Body;
use azir_engine::admit::unreadable;
use azir_engine::drive::Order;
use azir_ledger::event::{EventError, PublicKey};
use azir_ledger::{Digest, Event, MachineKey, PersonKey, Signature, SignedEvent, canon};
use azir_model::approval::act_digest;
use azir_model::{Refusal, RefusalKind};
use azir_runbook::event::RunEventKind;
use serde_json::Value;

use super::{Talk, input, input_text, say, strict};
use crate::error::CliError;
use crate::host::{Host, bare_seed};

/// Who acts, and how the signature is made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Author {
    /// Who acts, for example operator:ana, or agent:n1 with --machine-key
    #[arg(long = "as", value_name = "WHO")]
    pub(crate) actor: String,
    /// The role that a person acts in: REP OCO IC CL EL SL GL RO AS. Machines have none
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) role: String,
    /// Unencrypted SSH private key file that signs
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Seed file of a machine, as `azir machine new` writes it, that signs
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) machine_key: Option<PathBuf>,
    /// Write the event here instead, to be signed with `azir sign` or `ssh-keygen -Y sign`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "machine_key"],
        required_unless_present_any = ["key", "machine_key"])]
    pub(crate) out: Option<PathBuf>,
}

/// True for the id of a person; everything else is a machine.
pub(crate) fn is_person(actor: &str) -> bool {
    actor.starts_with("operator:")
}

impl Author {
    /// The role acted in: people name one, machines none.
    pub(crate) fn role(&self) -> Result<Option<&str>, CliError> {
        role_of(&self.actor, &self.role)
    }

    /// Signs with the key that was named; nothing when the event is to be written for signing.
    pub(crate) fn sign(&self, event: &Event) -> Result<Option<SignedEvent>, CliError> {
        self.role()?;
        match (&self.key, &self.machine_key) {
            (Some(file), _) => Key::Person(person_key(file)?).sign(event, file).map(Some),
            (None, Some(file)) => Key::Machine(machine_key(file)?).sign(event, file).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// People name a role, machines none.
pub(crate) fn role_of<'r>(actor: &str, role: &'r str) -> Result<Option<&'r str>, CliError> {
    match (is_person(actor), role) {
        (true, "") => Err(CliError::Usage(format!(
            "{actor} acts in a role: give --role, one of REP OCO IC CL EL SL GL RO AS"
        ))),
        (true, role) => Ok(Some(role)),
        (false, "") => Ok(None),
        (false, role) => Err(CliError::Usage(format!(
            "{actor} is no person and has no role {role:?}: people are operator:NAME"
        ))),
    }
}

/// Words with which `azir do` leaves room for what a person says.
pub(crate) const PLACEHOLDERS: [&str; 22] = [
    "A NUMBER",
    "CANDIDATE",
    "ENTRY CONDITION",
    "EXIT CRITERION",
    "FAMILY",
    "FINDING",
    "HASH",
    "HOW IT WAS FOUND OUT",
    "HOW THE REST IS COVERED",
    "OTHER",
    "OUTPUT",
    "OWNER",
    "SCOPE",
    "TEXT",
    "TRUE OR FALSE",
    "WHAT IT SHOWS",
    "WHAT WAS DONE",
    "WHAT WAS FOUND",
    "WHAT WAS TRIED",
    "WHO",
    "WHY",
    "WHY NOTHING HAS TO BE RECOVERED",
];

/// A placeholder that was left in a body would be signed for good.
fn filled_in(value: &Value) -> Result<(), CliError> {
    match value {
        Value::String(text) if PLACEHOLDERS.contains(&text.as_str()) => {
            Err(CliError::Usage(format!("--body: {text} stands for what you say; fill it in")))
        }
        Value::Array(items) => items.iter().try_for_each(filled_in),
        Value::Object(members) => members.values().try_for_each(filled_in),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A key that signs events.
pub(crate) enum Key {
    /// Of a person.
    Person(PersonKey),
    /// Of a machine.
    Machine(MachineKey),
}

impl Key {
    /// What others check signatures of this key with.
    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Person(key) => PublicKey::Person(key.public()),
            Self::Machine(key) => PublicKey::Machine(key.public()),
        }
    }

    /// Signs with a key that was read from this file. A person's key makes no act of a machine.
    pub(crate) fn sign(&self, event: &Event, file: &Path) -> Result<SignedEvent, CliError> {
        let actor = &event.actor;
        match self {
            Self::Person(key) if is_person(actor) => sign(event, key, file),
            Self::Machine(key) if !is_person(actor) => {
                SignedEvent::by_machine(event, key).map_err(|e| unsignable(file, e))
            }
            Self::Person(_) => {
                Err(CliError::Usage(format!("{actor} is a machine: sign with --machine-key")))
            }
            Self::Machine(_) => {
                Err(CliError::Usage(format!("{actor} is a person: sign with --key")))
            }
        }
    }
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
    let role = author.role()?;
    let value = strict::json(&text)
        .map_err(|e| CliError::Usage(format!("--body is not the JSON of an act: {e}")))?;
    filled_in(&value)?;
    let body = parsed(kind, &value)?;
    let mut host = Host::open(data)?;
    let event = host.event(incident, &author.actor, role, &body);
    finish(talk, &mut host, &event, author)
}

/// The body of an event, or the refusal that names what does not fit.
pub(crate) fn parsed(kind: &str, value: &Value) -> Result<Body, CliError> {
    Body::parse(kind, value)
        .map_err(|u| CliError::Refused(Refusal::one(u.kind, u.what, u.rule, u.remedy)))
}

/// Refuses an event type that does not exist, with the list of those that do.
pub(crate) fn known(kind: &str) -> Result<(), CliError> {
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
    PersonKey::from_openssh(&text).map_err(|e| match foreign(&text) {
        Some(why) => CliError::content(file, why),
        None => CliError::content(file, e),
    })
}

/// Why a private key file is no plain key of OpenSSH, where it can be told.
fn foreign(text: &str) -> Option<&'static str> {
    /// Base64 of `openssh-key-v1` and a zero byte, and of that and the cipher `none`.
    const MAGIC: &str = "b3BlbnNzaC1rZXktdjEA";
    const PLAIN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    let line = |test: fn(&str) -> bool| text.lines().any(test);
    let encrypted = line(|l| l.starts_with(MAGIC) && !l.starts_with(PLAIN))
        || line(|l| l.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        || line(|l| l.starts_with("Proc-Type: 4,ENCRYPTED"));
    if encrypted {
        return Some(
            "the private key is encrypted; give --out FILE instead of --key, then sign FILE with \
             ssh-keygen -Y sign -n azir-event@v1",
        );
    }
    let other = line(|l| l.starts_with("-----BEGIN ") && l.ends_with("PRIVATE KEY-----"))
        && !line(|l| l.starts_with(MAGIC));
    other.then_some(
        "a private key in another format than OpenSSH's own; make one with \
         ssh-keygen -t ed25519, or give --out FILE and sign FILE elsewhere",
    )
}

/// Reads a seed file of a machine: 64 hex digits.
pub(crate) fn machine_key(file: &Path) -> Result<MachineKey, CliError> {
    let text = input_text(file)?;
    let seed: Digest = bare_seed(&text).parse().map_err(|_| {
        CliError::content(file, "no seed of a machine: 64 hex digits, as `azir machine new` writes")
    })?;
    Ok(MachineKey::from_seed(seed.0))
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

/// Writes a file that must not exist yet.
pub(crate) fn write_new(out: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    match file {
        Ok(mut file) => file.write_all(bytes).map_err(|e| CliError::write(out, e)),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(occupied(out)),
        Err(e) => Err(CliError::write(out, e)),
    }
}

/// Signs with a key that was read from this file.
pub(crate) fn sign(event: &Event, person: &PersonKey, key: &Path) -> Result<SignedEvent, CliError> {
    SignedEvent::by_person(event, person).map_err(|e| unsignable(key, e))
}

fn unsignable(key: &Path, error: EventError) -> CliError {
    match error {
        EventError::Signature(e) => CliError::content(key, e),
        EventError::Canon(_) | EventError::Schema { .. } | EventError::TooLarge { .. } => {
            CliError::Usage(format!("the event cannot be signed: {error}"))
        }
    }
}

/// Signs and submits an event, or writes it for signing elsewhere.
pub(crate) fn finish(
    talk: Talk,
    host: &mut Host,
    event: &Event,
    author: &Author,
) -> Result<(), CliError> {
    if let Some(signed) = author.sign(event)? {
        return told(talk, host, vec![], signed);
    }
    let bytes = canon::encode(event).map_err(|e| CliError::Internal(e.to_string()))?;
    let Some(out) = &author.out else {
        return Err(CliError::Usage("give --key, --machine-key or --out".to_owned()));
    };
    write_new(out, &bytes)?;
    let path = out.display();
    let sign = match is_person(&event.actor) {
        true => format!("ssh-keygen -Y sign -f KEY -n azir-event@v1 {path}"),
        false => format!("azir sign {path} --machine-key FILE"),
    };
    let submit = format!("azir submit {path} {path}.sig");
    let second = format!("azir sign {path} --as WHO --role ROLE --key KEY");
    if talk.json {
        let value = serde_json::json!({
            "event_file": path.to_string(), "incident": event.subject,
            "sign": sign, "submit": submit, "second_person": second,
        });
        return say(&format!("{value}\n"));
    }
    say(&format!(
        "{}sign:   {sign}\nsubmit: {submit}\na second person, where one is needed, runs: {second}\n",
        opening(event)
    ))
}

/// `azir submit EVENT [SIGNATURE] [--approval FILE]...`: the approvals enter before the event. They
/// are read and compared with the event before anything is submitted.
pub(crate) fn submit(
    talk: Talk,
    data: &Path,
    event: &Path,
    sig: Option<&Path>,
    approvals: &[PathBuf],
) -> Result<(), CliError> {
    let signed = read_signed(event, sig)?;
    let about = signed.event();
    let act = act_digest(&about.kind, about.subject, &about.body);
    let mut given = Vec::new();
    for file in approvals {
        let approval = read_signed(file, None)?;
        let body = parsed(&approval.event().kind, &approval.event().body)?;
        if !matches!(body, Body::ApprovalGiven(b) if b.act == act) {
            let why = format!("no approval of {}: its act is {act}", event.display());
            return Err(CliError::content(file, why));
        }
        given.push(approval);
    }
    let mut host = Host::open(data)?;
    told(talk, &mut host, given, signed)
}

/// An event and its signature, which stands beside it as `FILE.sig` when not named.
fn read_signed(event: &Path, sig: Option<&Path>) -> Result<SignedEvent, CliError> {
    let bytes = input(event)?;
    let beside = with_suffix(event, ".sig");
    let sig = sig.unwrap_or(&beside);
    let text = input_text(sig)?;
    // The armor of SSH is kept as it stands; a machine's signature is one word.
    let exact = if text.starts_with("ed25519:") { text.trim_end() } else { &text };
    let signature: Signature = exact.parse().map_err(|e| CliError::content(sig, e))?;
    SignedEvent::from_bytes(bytes, signature).map_err(|e| CliError::Refused(unreadable(&e)))
}

/// `FILE` and a suffix.
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The line that names the incident that an event opens.
fn opening(event: &Event) -> String {
    match event.subject {
        Some(id) if event.kind == "incident.opened" => format!("incident {id}\n"),
        _ => String::new(),
    }
}

fn told(
    talk: Talk,
    host: &mut Host,
    approvals: Vec<SignedEvent>,
    signed: SignedEvent,
) -> Result<(), CliError> {
    let mut text = String::new();
    let mut given = Vec::new();
    for approval in approvals {
        let (by, hash) = (approval.event().actor.clone(), approval.hash());
        let (index, _none) = host.submit(approval)?;
        text.push_str(&format!("entry {index}: approval of {by}, event {hash}\n"));
        given.push(serde_json::json!({"index": index, "event": hash, "by": by}));
    }
    text.push_str(&opening(signed.event()));
    let incident = signed.event().subject;
    let kind = signed.event().kind.clone();
    let hash = signed.hash();
    let before = host.engine().state().size;
    let (index, orders) = host.submit(signed)?;
    let again = index < before;
    if talk.json {
        let orders: Vec<_> = orders.iter().map(words).collect();
        let mut value = serde_json::json!({"index": index, "event": hash, "incident": incident,
            "orders": orders});
        if !given.is_empty() {
            value["approvals"] = given.into();
        }
        if again {
            value["already_in_log"] = true.into();
        }
        return say(&format!("{value}\n"));
    }
    let already = if again { "already in the log, " } else { "" };
    text.push_str(&format!("{already}entry {index}: {kind}, event {hash}\n"));
    for order in &orders {
        text.push_str(&format!("order: {}\n", words(order)));
    }
    say(&text)
}

/// An order for gates, in words.
pub(crate) fn words(order: &Order) -> String {
    match order {
        Order::Close(c) => {
            let roles: Vec<_> = c.roles.iter().map(ToString::to_string).collect();
            let (node, measure, incident) = (&c.node, &c.measure, c.incident.0.short());
            format!("close {node} {} for measure {measure} of {incident}", roles.join(","))
        }
        Order::Reopen(r) => format!("reopen {}/{} by decision {}", r.node, r.role, r.decision),
    }
}
