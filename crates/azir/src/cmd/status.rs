//! `azir status`: the derived public status, as text, as JSON, and as files that anyone can host;
//! and `azir status publish`, which signs what is derived into the log.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use azir_engine::body::StatusPublished;
use azir_engine::status::{self, Fact, StatusClass};
use azir_engine::{Body, IncidentView};
use azir_ledger::{SignedEvent, Timestamp};
use azir_model::restart::SignedText;
use azir_model::vocab::FinalityLabel;
use clap::Subcommand;

use super::act::{Author, finish};
use super::text::{fold, visible};
use super::{Talk, incident, pages, say};
use crate::error::CliError;
use crate::host::{Host, default_dir, now};
use crate::report::status::{
    IncidentLine, PublicPostmortem, PublishedLine, STATUS_SCHEMA, StatusReport, html,
    published_path, rss,
};

/// Arguments of `azir status`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the deployment
    #[arg(long, value_name = "DIR", global = true, default_value_os_t = default_dir())]
    data: PathBuf,
    /// Write index.html, status.json, feed.xml and every published status into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the page will be found, for the links of the feed [default: index.html]
    #[arg(long, requires = "out")]
    url: Option<String>,
    #[command(subcommand)]
    what: Option<What>,
}

/// What to do with the status.
#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Sign a status into the log; without classes the derived ones
    Publish {
        /// What people shall read
        #[arg(long)]
        text: String,
        /// Class of own services, for example degraded; never better than derived
        #[arg(long, value_name = "CLASS", value_parser = class)]
        operator: Option<StatusClass>,
        /// Class of the network; never better than derived
        #[arg(long, value_name = "CLASS", value_parser = class)]
        network: Option<StatusClass>,
        /// Why a class worse than the derived one is published
        #[arg(long)]
        reason: Option<String>,
        /// Publish in this incident
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
        #[command(flatten)]
        author: Author,
    },
}

/// Reads a class of 31.1.
fn class(text: &str) -> Result<StatusClass, String> {
    let wire = text.replace('-', "_");
    serde_json::from_value(wire.into()).map_err(|_| {
        "healthy, monitoring_after_recovery, degraded, recovery_in_progress, safe_mode or \
         scoped_halt"
            .to_owned()
    })
}

/// `azir status`.
pub(crate) fn run(talk: Talk, args: Args) -> Result<(), CliError> {
    if let Some(What::Publish { text, operator, network, reason, incident, author }) = args.what {
        let asked = Asked { text, operator, network, reason, incident };
        return publish(talk, &args.data, asked, &author);
    }
    let host = Host::open(&args.data)?;
    let report = report(&host, now());
    if let Some(out) = &args.out {
        files(&host, &report, out, args.url.as_deref().unwrap_or("index.html"))?;
        let place = out.join("index.html");
        if talk.json {
            let value = serde_json::json!({"page": place.display().to_string()});
            return say(&format!("{value}\n"));
        }
        return say(&format!("{}\n", place.display()));
    }
    if talk.json {
        let value = serde_json::to_value(&report).map_err(|e| CliError::Internal(e.to_string()))?;
        return say(&format!("{value:#}\n"));
    }
    say(&words(&report))
}

struct Asked {
    text: String,
    operator: Option<StatusClass>,
    network: Option<StatusClass>,
    reason: Option<String>,
    incident: Option<String>,
}

fn publish(talk: Talk, data: &Path, asked: Asked, author: &Author) -> Result<(), CliError> {
    let role = author.role()?;
    let about = asked.incident.map(|id| incident::id_of(data, &id)).transpose()?;
    let mut host = Host::open(data)?;
    let derived = status::derive(host.engine().state(), now());
    let body = Body::StatusPublished(StatusPublished {
        operator: asked.operator.unwrap_or(derived.operator),
        network: asked.network.unwrap_or(derived.network),
        text: asked.text,
        hard_final: derived.hard_final,
        reason: asked.reason,
        guidance: None,
    });
    let event = host.event(about, &author.actor, role, &body);
    finish(talk, &mut host, &event, author)
}

/// The status of a deployment at a time. Implements R-31.1-7 and R-31.2-1 for what outsiders see.
fn report(host: &Host, at: Timestamp) -> StatusReport {
    let state = host.engine().state();
    let mut views: Vec<&IncidentView> = state.incidents.values().collect();
    views.sort_by_key(|v| std::cmp::Reverse(v.opened.index));
    let status = status::derive(state, at);
    let label = |height| status::label(state, height, FinalityLabel::HardFinal);
    let published = state.statuses.iter().rev().filter_map(|p| {
        Some(PublishedLine {
            entry: p.mark.index,
            event: event_at(host, p.mark.index)?.hash(),
            at: p.mark.at,
            by: p.mark.by.clone(),
            operator: p.said.operator,
            network: p.said.network,
            text: p.said.text.clone(),
            hard_final_height: p.said.hard_final.map(|tip| tip.height),
            hard_final_label: p.said.hard_final.map(|tip| label(tip.height)),
            reason: p.said.reason.clone(),
        })
    });
    StatusReport {
        schema: STATUS_SCHEMA,
        log: host.engine().log().to_owned(),
        mode: host.engine().mode().to_owned(),
        at,
        hard_final_label: status.hard_final.map(|tip| label(tip.height)),
        incidents: views.into_iter().map(|view| line(view, at)).collect(),
        published: published.collect(),
        status,
    }
}

fn event_at(host: &Host, index: u64) -> Option<SignedEvent> {
    host.ledger().read(index).next()?.ok().map(|entry| entry.signed)
}

fn line(view: &IncidentView, at: Timestamp) -> IncidentLine {
    let postmortem = view.postmortem.as_ref().map(|p| PublicPostmortem {
        document: p.document,
        published: p.mark.at,
        embargo_until: p.embargo.as_ref().map(|b| b.until).filter(|until| *until > at),
    });
    IncidentLine {
        id: view.id,
        class: view.class,
        severity: view.severity,
        state: view.state,
        opened: view.opened.at,
        since: view.moves.last().map_or(view.opened.at, |m| m.mark.at),
        scopes: view.scopes.clone(),
        postmortem_due: view.due,
        postmortem,
    }
}

/// The static files. An earlier output is replaced file by file, each whole.
fn files(host: &Host, report: &StatusReport, out: &Path, url: &str) -> Result<(), CliError> {
    pages::place(out, "status.json", STATUS_SCHEMA)?;
    let internal = |e: &dyn std::fmt::Display| CliError::Internal(e.to_string());
    for p in &report.published {
        let Some(signed) = event_at(host, p.entry) else { continue };
        let text = serde_json::to_string_pretty(&SignedText::of(&signed));
        pages::put(&out.join(published_path(p.entry)), &text.map_err(|e| internal(&e))?)?;
    }
    pages::put(&out.join("feed.xml"), &rss(report, url))?;
    pages::put(&out.join("index.html"), &html(report))?;
    let json = serde_json::to_string_pretty(report).map_err(|e| internal(&e))?;
    pages::put(&out.join("status.json"), &format!("{json}\n"))
}

fn words(report: &StatusReport) -> String {
    let mut out = String::new();
    let status = &report.status;
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(out, "{name:<13} {value}");
    };
    line("own services", status.operator.words());
    line("network", status.network.words());
    let height = status.hard_final.map(|tip| {
        let label = report.hard_final_label.unwrap_or(FinalityLabel::Speculative);
        format!("height {} ({label}), block {}", tip.height, tip.block.short())
    });
    line("finality", height.as_deref().unwrap_or("no height is verified yet"));
    line("derived", &report.at.to_string());
    if let Some(last) = report.published.first() {
        line("published", &format!("entry {} at {} by {}", last.entry, last.at, last.by));
    }
    out.push_str("\nfacts\n");
    if status.facts.is_empty() {
        out.push_str("  none: no restriction, no incident, and a fresh proof\n");
    }
    for fact in &status.facts {
        out.push_str(&fact_words(fact));
    }
    for late in &status.overdue {
        let _infallible = writeln!(out, "  {late}");
    }
    out
}

fn fact_words(fact: &Fact) -> String {
    let axis = match (fact.operator, fact.network) {
        (true, true) => "both axes",
        (true, false) => "own services",
        (false, true) => "network",
        (false, false) => "told only",
    };
    let head = format!("  {} ({axis}): ", fact.class.words());
    let mut out = fold(&head, "    ", &visible(&fact.text));
    let parts = [
        fact.scope.as_ref().map(|s| format!("scope {s}")),
        fact.label.map(|l| l.as_str().replace('_', " ")),
        fact.since.map(|t| format!("since {t}")),
        fact.ends.as_ref().map(|e| format!("ends {e}")),
        fact.incident.map(|i| format!("incident {}", i.0.short())),
        fact.proof.as_ref().map(|p| format!("proof: {p}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().map(|p| visible(&p)).collect();
    if !parts.is_empty() {
        out.push_str(&fold("    ", "    ", &parts.join(", ")));
    }
    out
}
