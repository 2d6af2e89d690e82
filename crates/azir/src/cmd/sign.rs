//! `azir sign`: shows an event that was written with `--out`, and signs it: as its author, or as a
//! second person who approves the act. Works without a deployment, so that two people on two
//! machines sign one act by passing a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use azir_engine::body::DecisionRecorded;
use azir_engine::{Body, facts};
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{Digest, Event, SignedEvent, canon};
use azir_model::approval::{APPROVAL_GIVEN, ApprovalBody, act_digest};
use azir_model::{IncidentId, Refusal, RefusalKind, Role, decision};

use super::act::{
    Key, free, known, machine_key, parsed, person_key, role_of, with_suffix, write_new,
};
use super::text::visible;
use super::{Talk, input, kinds, say};
use crate::error::CliError;
use crate::host::{Host, now};

/// What `azir sign` is asked.
pub(crate) struct Asked {
    /// The unsigned event.
    pub(crate) file: PathBuf,
    /// The second person, and the role that the person approves in.
    pub(crate) second: Option<(String, String)>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) machine_key: Option<PathBuf>,
    /// Where the approval goes.
    pub(crate) out: Option<PathBuf>,
    /// A deployment that says whether key and role fit.
    pub(crate) data: Option<PathBuf>,
}

/// Shows the event; with a key, signs it.
pub(crate) fn run(talk: Talk, asked: &Asked) -> Result<(), CliError> {
    let event = read(&asked.file)?;
    let body = parsed(&event.kind, &event.body)?;
    let mut shown = words(&event);
    if let Body::DecisionRecorded(decided) = &body {
        shown.push_str(&why(&asked.file, decided)?);
    }
    let host = asked.data.as_deref().map(Host::open).transpose()?;
    if let Some(host) = &host {
        shown.push_str(&standing(host, &event));
    }
    let key = match (&asked.key, &asked.machine_key) {
        (Some(file), _) => Some((Key::Person(person_key(file)?), file)),
        (None, Some(file)) => Some((Key::Machine(machine_key(file)?), file)),
        (None, None) => None,
    };
    let mut made = serde_json::json!({"type": event.kind, "incident": event.subject,
        "actor": event.actor, "act": act(&event), "body": event.body});
    let done = match (&asked.second, key) {
        (_, None) => "nothing was signed: give --key to sign as the author, and --as and --role \
                      with it to approve as a second person\n"
            .to_owned(),
        (None, Some((key, from))) => {
            let signed = key.sign(&event, from)?;
            fits(host.as_ref(), &event.actor, None, &key)?;
            let sig = with_suffix(&asked.file, ".sig");
            write_new(&sig, signature(&signed).as_bytes())?;
            made["signature"] = sig.display().to_string().into();
            let file = asked.file.display();
            format!("signed: {}\nsubmit: azir submit {file} {}\n", sig.display(), sig.display())
        }
        (Some(second), Some((key, from))) => {
            let (out, text) = approve(asked, &event, second, &key, from, host.as_ref())?;
            made["approval"] = out.display().to_string().into();
            text
        }
    };
    if talk.json {
        return say(&format!("{made}\n"));
    }
    say(&format!("{shown}\n{done}"))
}

/// An unsigned event of this format.
fn read(file: &Path) -> Result<Event, CliError> {
    let bytes = input(file)?;
    let event: Event = canon::decode(&bytes).map_err(|e| CliError::content(file, e))?;
    if event.schema != EVENT_SCHEMA {
        let why = format!("schema is {:?}, expected {EVENT_SCHEMA:?}", event.schema);
        return Err(CliError::content(file, why));
    }
    known(&event.kind)?;
    Ok(event)
}

fn act(event: &Event) -> Digest {
    act_digest(&event.kind, event.subject, &event.body)
}

/// The armor of a person's signature ends its own last line, a machine's word does not.
fn signature(signed: &SignedEvent) -> String {
    let text = signed.signature().to_string();
    if text.ends_with('\n') { text } else { format!("{text}\n") }
}

/// The approval of a second person: event and signature, in two new files.
fn approve(
    asked: &Asked,
    event: &Event,
    (who, role): &(String, String),
    key: &Key,
    from: &Path,
    host: Option<&Host>,
) -> Result<(PathBuf, String), CliError> {
    if event.kind == APPROVAL_GIVEN {
        return Err(CliError::content(&asked.file, "an approval itself needs no second person"));
    }
    let role = role_of(who, role)?.unwrap_or_default();
    let role: Role = role.parse().map_err(|e| CliError::Usage(format!("--role: {e}")))?;
    fits(host, who, Some(role), key)?;
    let body = Body::ApprovalGiven(ApprovalBody { act: act(event) });
    let approval = Event {
        kind: body.kind().to_owned(),
        body: body.value(),
        actor: who.clone(),
        role: Some(role.to_string()),
        at: now(),
        seen_final: None,
        ..event.clone()
    };
    let signed = key.sign(&approval, from)?;
    let out = asked.out.clone().unwrap_or_else(|| with_suffix(&asked.file, ".approval.json"));
    let sig = with_suffix(&out, ".sig");
    free(&out)?;
    free(&sig)?;
    write_new(&out, signed.bytes())?;
    write_new(&sig, signature(&signed).as_bytes())?;
    let (file, out_text) = (asked.file.display(), out.display());
    let text = format!(
        "approved by {who} as {role}: {out_text} and {}\nsubmit: azir submit {file} {file}.sig \
         --approval {out_text}\n",
        sig.display()
    );
    Ok((out, text))
}

/// With a deployment at hand: the key is this actor's, and the role one that the actor may take.
fn fits(host: Option<&Host>, actor: &str, role: Option<Role>, key: &Key) -> Result<(), CliError> {
    let Some(policy) = host.and_then(|h| h.engine().state().policy.as_ref()) else {
        return Ok(());
    };
    let refuse = |kind, what: String, rule: &str, remedy: &str| {
        Err(CliError::Refused(Refusal::one(kind, what, rule, remedy)))
    };
    if policy.key_of(actor) != Some(key.public()) {
        return refuse(
            RefusalKind::SignatureInvalid,
            format!("this is not the key of {actor} in this log"),
            "7.3, D-022",
            "sign with the key that the policy names for this actor",
        );
    }
    match role {
        Some(role) if !policy.eligible(actor, role) => refuse(
            RefusalKind::NotAuthorized,
            format!("the policy does not let {actor} act as {role}"),
            "6.1, annex C",
            "act in a role that the policy gives you",
        ),
        _ => Ok(()),
    }
}

/// What the event is, for the eyes of who signs it.
fn words(event: &Event) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(out, "{name:<9} {}", visible(value));
    };
    line("this is", &format!("{}: {}", event.kind, kinds::title(&event.kind)));
    line("log", &event.log);
    line("mode", &event.mode);
    if let Some(incident) = event.subject {
        line("incident", &incident.to_string());
    }
    let role = event.role.as_deref().map_or(String::new(), |r| format!(" as {r}"));
    line("author", &format!("{}{role}, {}", event.actor, event.at));
    line("act", &act(event).to_string());
    let body = serde_json::to_string_pretty(&event.body).unwrap_or_default();
    out.push_str("it says\n");
    for text in body.lines() {
        let _infallible = writeln!(out, "  {}", visible(text));
    }
    out
}

/// The explanation of a decision whose input was passed along as `FILE.input.json`.
fn why(file: &Path, decided: &DecisionRecorded) -> Result<String, CliError> {
    let beside = with_suffix(file, ".input.json");
    if !beside.exists() {
        return Ok(format!(
            "the input of this decision is not here: ask for {} too\n",
            beside.display()
        ));
    }
    let bytes = input(&beside)?;
    if Digest::of(&bytes) != decided.input {
        return Err(CliError::content(&beside, "is not the input that the event names"));
    }
    let input: decision::Input =
        canon::decode(&bytes).map_err(|e| CliError::content(&beside, e))?;
    let output = decision::decide(&input);
    let again = canon::encode(&output).map_err(|e| CliError::Internal(e.to_string()))?;
    if Digest::of(&again) != decided.output {
        return Err(CliError::content(
            &beside,
            "gives another decision than the event names; nothing was signed",
        ));
    }
    Ok(format!(
        "decided again from its input, with the same output:\n{}",
        decision::explain(&output)
    ))
}

/// How the incident stands, from a deployment that is at hand.
fn standing(host: &Host, event: &Event) -> String {
    let state = host.engine().state();
    let view = event.subject.and_then(|id| state.incidents.get(&IncidentId(id)));
    let Some(view) = view else { return "this deployment does not know the incident\n".to_owned() };
    let open = facts::of(state, view, now());
    format!(
        "now       {} {} {}, commander {}\n",
        view.state,
        view.class,
        view.severity,
        open.commander.as_deref().unwrap_or("nobody")
    )
}
