//! `azir postmortem`: drafted from the log, checked against it, rendered for people, and published
//! with its signatures (33.1).

mod gather;
mod places;

use std::path::{Path, PathBuf};

use azir_engine::body::{Embargo, PostmortemPublished};
use azir_engine::postmortem::{self, Postmortem};
use azir_engine::{Body, IncidentView, State};
use azir_ledger::{Timestamp, canon};
use azir_model::{Refusal, RefusalKind};
use clap::Subcommand;

use self::gather::Source;
use super::act::{Author, finish, write_new};
use super::{Talk, attest, incident, input_text, pages, say, strict, verify};
use crate::error::CliError;
use crate::host::Host;
use crate::report::postmortem::{Paper, html, markdown, notice_html, notice_markdown};

/// The `schema` member of what stands in the place of a document under embargo.
const NOTICE_SCHEMA: &str = "azir.postmortem-notice/1";
/// File that says what a directory of pages is.
const MARK: &str = "about.json";
const MARK_SCHEMA: &str = "azir.postmortem-pages/1";

/// What to do with a postmortem.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Write what the log already says; what only people know is left empty
    Draft {
        /// Incident, or the beginning of its id
        incident: String,
        /// New file for the draft
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Name every part in which a document is not yet complete, with its place and remedy
    Check {
        /// The document
        file: PathBuf,
    },
    /// Write a postmortem as HTML with pictures, as Markdown and as JSON
    Render {
        /// A document, or an incident: then the published one, or else a draft from the log
        what: String,
        /// Directory of the pages
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// From an exported bundle, after verifying it, instead of a deployment
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
        /// Show the text although it is under embargo: for the response team only
        #[arg(long)]
        internal: bool,
    },
    /// Store a complete document and publish it; its approvals are made with azir sign
    Publish {
        /// Incident, or the beginning of its id
        incident: String,
        /// The document
        file: PathBuf,
        /// Keep the text sealed until this day or time, at most 90 days ahead; the hash is public
        #[arg(long, value_name = "DATE", requires = "embargo_reason", value_parser = day)]
        embargo_until: Option<Timestamp>,
        /// Why the text must stay sealed
        #[arg(long, value_name = "REASON", requires = "embargo_until")]
        embargo_reason: Option<String>,
        #[command(flatten)]
        author: Author,
    },
}

/// A day, which begins at midnight UTC, or an exact time.
fn day(text: &str) -> Result<Timestamp, String> {
    let exact = text.parse().or_else(|_| format!("{text}T00:00:00.000Z").parse());
    exact.map_err(|_| "write a day as 2026-12-31, or a time as 2026-12-31T08:00:00.000Z".to_owned())
}

/// `azir postmortem`.
pub(crate) fn run(talk: Talk, data: &Path, what: What) -> Result<(), CliError> {
    match what {
        What::Draft { incident, out } => draft(talk, data, &incident, &out),
        What::Check { file } => check(talk, data, &file),
        What::Render { what, out, bundle: None, internal } => {
            let host = Host::open(data)?;
            let (entries, objects) = (attest::all(&host, data)?, host.objects());
            let state = host.engine().state();
            render(
                talk,
                &Source { state, entries: &entries, objects: &objects, internal },
                &what,
                &out,
            )
        }
        What::Render { what, out, bundle: Some(bundle), internal } => {
            let (entries, objects) = verify::entries(talk, &bundle)?;
            let mut state = State::default();
            for entry in &entries {
                state.apply(entry).map_err(|e| CliError::content(&bundle, e))?;
            }
            let from = Source { state: &state, entries: &entries, objects: &objects, internal };
            render(talk, &from, &what, &out)
        }
        What::Publish { incident, file, embargo_until, embargo_reason, author } => {
            let embargo = embargo_until.zip(embargo_reason);
            let embargo = embargo.map(|(until, reason)| Embargo { until, reason });
            publish(talk, data, (&incident, &file), embargo, &author)
        }
    }
}

/// A document with its text, read strictly: no member twice, none unknown.
fn read(file: &Path) -> Result<(String, Postmortem), CliError> {
    let text = input_text(file)?;
    strict::json(&text).map_err(|e| CliError::content(file, e))?;
    let doc = serde_json::from_str(&text).map_err(|e| CliError::content(file, e))?;
    Ok((text, doc))
}

fn of<'s>(state: &'s State, doc: &Postmortem, file: &Path) -> Result<&'s IncidentView, CliError> {
    let known = state.incidents.get(&doc.incident);
    known.ok_or_else(|| {
        let why = format!("incident {} is none of this log", doc.incident);
        CliError::content(file, why)
    })
}

fn draft(talk: Talk, data: &Path, id: &str, out: &Path) -> Result<(), CliError> {
    let host = Host::open(data)?;
    let view = incident::find(&host, id)?;
    let state = host.engine().state();
    let doc = postmortem::draft(state, view);
    let left = postmortem::problems(&doc, state, view).len();
    let text = serde_json::to_string_pretty(&doc).map_err(|e| CliError::Internal(e.to_string()))?;
    write_new(out, format!("{text}\n").as_bytes())?;
    let place = out.display();
    if talk.json {
        let value = serde_json::json!({"file": place.to_string(), "incident": view.id,
            "problems": left});
        return say(&format!("{value}\n"));
    }
    say(&format!(
        "{place}: {left} parts are left for people\ncheck: azir postmortem check {place}\n"
    ))
}

fn check(talk: Talk, data: &Path, file: &Path) -> Result<(), CliError> {
    let (text, doc) = read(file)?;
    let host = Host::open(data)?;
    let state = host.engine().state();
    let view = of(state, &doc, file)?;
    let unmet = postmortem::problems(&doc, state, view);
    let told: Vec<_> = unmet.iter().map(|u| places::told(file, &text, u)).collect();
    if talk.json {
        let value = serde_json::json!({"complete": unmet.is_empty(), "incident": view.id,
            "problems": told});
        say(&format!("{value:#}\n"))?;
    } else {
        let lines: String = told.iter().map(places::Told::words).collect();
        say(&lines)?;
    }
    if unmet.is_empty() {
        return if talk.json { Ok(()) } else { say("complete\n") };
    }
    Err(CliError::Refused(Refusal::one(
        RefusalKind::PostmortemIncomplete,
        format!("{}: {} problems", file.display(), unmet.len()),
        "33.1, D-115",
        "mend what is listed, and check again",
    )))
}

fn publish(
    talk: Talk,
    data: &Path,
    (id, file): (&str, &Path),
    embargo: Option<Embargo>,
    author: &Author,
) -> Result<(), CliError> {
    let role = author.role()?;
    let (_, doc) = read(file)?;
    let mut host = Host::open(data)?;
    let view = incident::find(&host, id)?;
    let about = view.id.0;
    // What is written for signing elsewhere meets the rules only later; say it now.
    let unmet = postmortem::problems(&doc, host.engine().state(), view);
    if author.out.is_some() {
        Refusal::unless_met(unmet).map_err(CliError::Refused)?;
    }
    let bytes = canon::encode(&doc).map_err(|e| CliError::content(file, e))?;
    let document = host.keep(&mut bytes.as_slice())?;
    let body = Body::PostmortemPublished(PostmortemPublished {
        document,
        kinds: doc.kinds,
        conformance: doc.conformance,
        embargo,
    });
    let event = host.event(Some(about), &author.actor, role, &body);
    finish(talk, &mut host, &event, author)
}

/// Implements R-33.1-11 for what outsiders see.
fn render(talk: Talk, from: &Source<'_>, what: &str, out: &Path) -> Result<(), CliError> {
    let file = Path::new(what);
    let shown = if file.is_file() {
        let (_, doc) = read(file)?;
        let view = of(from.state, &doc, file)?;
        gather::of_document(from, view, doc)?
    } else {
        gather::of_incident(from, incident::find_in(from.state, what)?)?
    };
    pages::place(out, MARK, MARK_SCHEMA)?;
    match shown {
        gather::Shown::Paper(paper) => whole(&paper, out)?,
        gather::Shown::Notice(notice) => {
            let value = serde_json::json!({"schema": NOTICE_SCHEMA, "incident": notice.incident,
                "document": notice.document, "embargo_until": notice.until});
            pages::put(&out.join("index.html"), &notice_html(&notice))?;
            pages::put(&out.join("postmortem.md"), &notice_markdown(&notice))?;
            pages::put(&out.join("postmortem.json"), &format!("{value:#}\n"))?;
        }
    }
    let about = serde_json::json!({"schema": MARK_SCHEMA});
    pages::put(&out.join(MARK), &format!("{about}\n"))?;
    let place = out.join("index.html");
    if talk.json {
        let value = serde_json::json!({"page": place.display().to_string()});
        return say(&format!("{value}\n"));
    }
    say(&format!("{}\n", place.display()))
}

/// The JSON has the exact bytes that were hashed.
fn whole(paper: &Paper, out: &Path) -> Result<(), CliError> {
    let bytes = canon::encode(&paper.doc).map_err(|e| CliError::Internal(e.to_string()))?;
    let json = String::from_utf8(bytes).map_err(|e| CliError::Internal(e.to_string()))?;
    pages::put(&out.join("index.html"), &html(paper))?;
    pages::put(&out.join("postmortem.md"), &markdown(paper))?;
    pages::put(&out.join("postmortem.json"), &json)
}
