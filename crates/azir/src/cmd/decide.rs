//! `azir decide`: a situation or a full input becomes the containment decision of an incident. The
//! input is built and decided here, input and output go into the vault, and `decision.recorded`
//! names them; the log decides again and compares.

use std::path::{Path, PathBuf};

use azir_engine::body::{DecisionRecorded, applied_of, requested_of, residual_lines};
use azir_engine::{Body, IncidentView};
use azir_ledger::{Digest, SignedEvent, canon};
use azir_model::advise::{self, Advice, Request, decision_input};
use azir_model::decision::{Input, Output, decide, step};
use azir_model::{IncidentId, Profile, Refusal, RefusalKind};

use super::act::{Author, finish, free, with_suffix, write_new};
use super::advise::{parse, read, words};
use super::{Talk, say};
use crate::error::CliError;
use crate::host::Host;

/// What is decided, and how.
pub(crate) struct Asked {
    pub(crate) incident: Digest,
    /// A short situation, or an input of annex D.2.
    pub(crate) file: PathBuf,
    /// The file must be a full input.
    pub(crate) full: bool,
    /// The profile to declare, instead of the recommended one.
    pub(crate) profile: Option<Profile>,
    pub(crate) accept_residual: bool,
    pub(crate) override_reason: Option<String>,
}

/// What `decide` makes of a file and an incident.
struct Decided {
    input: Vec<u8>,
    output: Vec<u8>,
    body: DecisionRecorded,
    advice: Advice,
    /// What the situation by itself suggests, where the incident says otherwise.
    note: Option<String>,
}

/// Shows the decision, and stores and submits it unless there is no author.
pub(crate) fn run(
    talk: Talk,
    data: &Path,
    asked: &Asked,
    author: Option<&Author>,
) -> Result<(), CliError> {
    let role = author.map(Author::role).transpose()?.flatten();
    let mut host = Host::open(data)?;
    let state = host.engine().state();
    let view = state.incidents.get(&IncidentId(asked.incident)).ok_or_else(|| {
        CliError::Usage(format!("incident {} was never opened in this log", asked.incident))
    })?;
    let decided = make(view, asked)?;
    let Some(author) = author else { return shown(talk, &decided, true) };
    let body = Body::DecisionRecorded(decided.body.clone());
    let event = host.event(Some(asked.incident), &author.actor, role, &body);
    let signed = author.sign(&event)?;
    may_decide(&mut host, signed, &decided)?;
    let beside = match &author.out {
        Some(out) => {
            let beside = with_suffix(out, ".input.json");
            free(out)?;
            free(&beside)?;
            Some(beside)
        }
        None => None,
    };
    for bytes in [&decided.input, &decided.output] {
        host.keep(&mut bytes.as_slice())?;
    }
    if !talk.json {
        shown(talk, &decided, false)?;
    }
    if let Some(beside) = &beside {
        write_new(beside, &decided.input)?;
        if !talk.json {
            say(&format!("input:  {} goes with the event to whoever signs\n", beside.display()))?;
        }
    }
    finish(talk, &mut host, &event, author)
}

/// The input of the incident, its decision, and the event's members copied from it.
fn make(view: &IncidentView, asked: &Asked) -> Result<Decided, CliError> {
    let value = parse(&asked.file, &read(&asked.file)?)?;
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(CliError::content(
            &asked.file,
            "answers no question: an empty situation would decide to observe only; see \
             docs/advise.md for its members",
        ));
    }
    let request = Request::from_value(&value).map_err(CliError::Refused)?;
    let (mut input, situation) = match request {
        Request::Situation(_) if asked.full => {
            return Err(CliError::content(
                &asked.file,
                "is a situation, no input of annex D.2: give it with --situation",
            ));
        }
        Request::Situation(situation) => (decision_input(&situation).0, Some(situation)),
        Request::Input(input) => (*input, None),
    };
    let suggested = (input.incident.class(), input.incident.severity);
    let same = suggested == (view.class, view.severity);
    force(view, &mut input);
    input.check().map_err(CliError::Refused)?;
    let output = decide(&input);
    // Questions belong to the situation as it is; they fit when class and severity are the same.
    let advice = match &situation {
        Some(situation) if same => advise::advise(situation),
        _ => advise::advise_input(&input),
    };
    let note = (!same).then(|| {
        format!(
            "the file says {} {}; the incident is {} {}, and that is what is decided on",
            suggested.0, suggested.1, view.class, view.severity
        )
    });
    let bytes = |e: azir_ledger::CanonError| CliError::content(&asked.file, e);
    let input_bytes = canon::encode(&input).map_err(bytes)?;
    let output_bytes = canon::encode(&output).map_err(bytes)?;
    let body = record(asked, &input_bytes, &output_bytes, &output)?;
    Ok(Decided { input: input_bytes, output: output_bytes, body, advice, note })
}

/// Class, severity, id and the number of declarers are the log's, whatever the file says.
fn force(view: &IncidentView, input: &mut Input) {
    let mut classes = vec![view.class];
    classes.extend(view.secondary.iter().copied().filter(|c| *c != view.class));
    input.incident.classes = classes;
    input.incident.severity = view.severity;
    input.incident.id = Some(view.id.to_string());
    input.incident.declarers = if view.declared_by_two { 2 } else { 1 };
}

/// Every member is copied from the output; people choose the profile and accept what remains.
fn record(
    asked: &Asked,
    input: &[u8],
    output: &[u8],
    decided: &Output,
) -> Result<DecisionRecorded, CliError> {
    let recommended = decided.recommended_profile.map_or(Profile::ObserveOnly, |p| p.profile);
    let profile = asked.profile.unwrap_or(recommended);
    let above = step(profile) > step(recommended);
    if above && asked.override_reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
        return Err(CliError::Refused(Refusal::one(
            RefusalKind::ReasonRequired,
            format!("{profile} is above the recommended {recommended}"),
            "8.3, D-080, D-083",
            "leave --profile out, or give the reason with --override",
        )));
    }
    Ok(DecisionRecorded {
        input: Digest::of(input),
        output: Digest::of(output),
        profile,
        recommended,
        residual: residual_lines(decided),
        apply: applied_of(decided),
        requested: requested_of(decided),
        observe_only: decided.apply_now.is_empty() && decided.request.is_empty(),
        residual_accepted: asked.accept_residual,
        override_reason: asked.override_reason.clone().filter(|_| above),
    })
}

/// Asks the engine's rules before anything is stored: whoever may not decide leaves no bytes
/// behind. An authenticated refusal is recorded like any other.
fn may_decide(
    host: &mut Host,
    signed: Option<SignedEvent>,
    decided: &Decided,
) -> Result<(), CliError> {
    let Some(signed) = signed else { return Ok(()) };
    let Err(refused) = host.judge(&signed) else { return Ok(()) };
    // That input and output are not in the vault yet is no fault of the person.
    let own = [decided.body.input.to_string(), decided.body.output.to_string()];
    let faults = refused.refusal.unmet().iter();
    let faults = faults.filter(|u| {
        u.kind != RefusalKind::EvidenceMissing || !own.iter().any(|hash| u.what.contains(hash))
    });
    let refusal = Refusal::unless_met(faults.cloned().collect());
    if refusal.is_err() && refused.authenticated {
        let _refused_too = host.submit(signed);
    }
    refusal.map_err(CliError::Refused)
}

/// The decision in words, or as JSON with the members of the event.
fn shown(talk: Talk, decided: &Decided, preview: bool) -> Result<(), CliError> {
    let body = &decided.body;
    if talk.json {
        let value = serde_json::json!({"advice": decided.advice, "body": body,
            "note": decided.note});
        return say(&format!("{value:#}\n"));
    }
    let mut text = words(&decided.advice);
    if let Some(note) = &decided.note {
        text.push_str(&format!("\nnote: {note}\n"));
    }
    text.push_str(&format!("\ndeclared profile {}\n", body.profile));
    for line in &body.residual {
        text.push_str(&format!("remains: {line}\n"));
    }
    if !body.residual.is_empty() && !body.residual_accepted {
        text.push_str(
            "measures that are only requested count as in force with --accept-residual\n",
        );
    }
    if preview {
        text.push_str("preview: nothing was stored or submitted\n");
    }
    say(&text)
}
