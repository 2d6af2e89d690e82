//! One incident in words: what is known, who does what, what holds and how it ends, what is
//! missing.

use std::fmt::Write as _;

use azir_engine::status::{self, Label};
use azir_engine::view::MeasureRecord;
use azir_engine::{IncidentView, State, audit, evidence, facts};
use azir_ledger::Timestamp;
use azir_model::class;
use azir_model::lifecycle::MeasureState;

use super::Next;

/// Most open checklist items that are listed by name.
const ITEMS_SHOWN: usize = 30;

struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let _infallible = writeln!(self.0, "{name:<12} {}", value.as_ref());
    }
}

/// Everything that a person asks first.
pub(super) fn words(state: &State, view: &IncidentView, next: &Next, now: Timestamp) -> String {
    let mut out = Lines(String::new());
    identity(&mut out, view);
    people(&mut out, view);
    held(&mut out, state, view);
    stages(&mut out, view);
    recovery(&mut out, view);
    missing(&mut out, state, view, now);
    steps(&mut out, view, next);
    out.0
}

fn identity(out: &mut Lines, view: &IncidentView) {
    out.line("incident", view.id.to_string());
    let since = view.moves.last().map_or(view.opened.at, |m| m.mark.at);
    out.line("state", format!("{} since {since}", view.state));
    let row = class::row(view.class);
    let others: Vec<_> = view.secondary.iter().map(|c| c.as_str()).collect();
    let others =
        if others.is_empty() { String::new() } else { format!(", also {}", others.join(" ")) };
    out.line("class", format!("{}{others}", view.class));
    let touches = row.touches.as_str().replace('_', " ");
    let enough = row.local_enough.as_str().replace('_', " ");
    out.line("", format!("local measures normally enough: {enough}; recovery touches {touches}"));
    let alerted: Vec<_> = row.also_alerted.iter().map(|r| r.as_str()).collect();
    out.line("", format!("led by {}; alerted: {}", row.lead, alerted.join(" ")));
    out.line("severity", format!("{} (peak {})", view.severity, view.peak()));
    if let Some(blast) = &view.blast {
        out.line("blast", format!("rank {}, {}", blast.rank.value(), blast.basis));
    }
    out.line("scopes", view.scopes.join(" "));
    if let Some(r) = &view.resolution {
        out.line("resolution", format!("{}: {}", r.resolution, r.reason));
    }
    if let Some(before) = &view.continues {
        out.line("continues", before.to_string());
    }
    if let Some(r) = &view.runbook {
        out.line("runbook", format!("{} version {}", r.id, r.version));
    }
    if !view.confirmations.is_empty() {
        let kinds: Vec<_> = view.confirmations.keys().map(String::as_str).collect();
        out.line("confirmed", kinds.join(" "));
    }
}

fn people(out: &mut Lines, view: &IncidentView) {
    for (role, holder) in &view.roles {
        let accepted = if holder.accepted { "" } else { " (not accepted yet)" };
        out.line(role.as_str(), format!("{}{accepted}", holder.person));
    }
}

/// How the response grew and receded, with the decision behind each jump (2.4).
fn stages(out: &mut Lines, view: &IncidentView) {
    for entered in audit::stages(view) {
        let jumped: Vec<_> = entered.jumped.iter().map(|s| s.as_str()).collect();
        let jumped = match jumped.as_slice() {
            [] => String::new(),
            jumped => format!(", past {}", jumped.join(" ")),
        };
        let decision = entered.decision.map_or(String::new(), |d| format!(", decision {d}"));
        out.line("stage", format!("{} at {}{jumped}{decision}", entered.stage, entered.mark.at));
    }
}

/// Measures, each with its label and its end (11.3, 24.3). Implements R-11.3-1 and R-24.3-2.
fn held(out: &mut Lines, state: &State, view: &IncidentView) {
    let mut profile = view.profile.to_string();
    if let Some(d) = &view.decision {
        profile = format!("{profile}, declared by {} (recommended {})", d.mark.by, d.recommended);
    }
    out.line("profile", profile);
    for (name, m) in &view.measures {
        out.line("measure", local(name, m));
    }
    for (name, fate) in facts::protocol_measures(state, view) {
        let label = match fate {
            MeasureState::InForce => Label::ProtocolActive.as_str().replace('_', " "),
            MeasureState::Requested => "only asked for, restricts nobody".to_owned(),
            MeasureState::Lost => "lost: it ended unplanned".to_owned(),
            MeasureState::Ended => "ended".to_owned(),
        };
        let over = if view.handed.contains_key(&name) { ", handed over" } else { "" };
        out.line("measure", format!("{name}: {label}{over}"));
    }
}

fn local(name: &str, m: &MeasureRecord) -> String {
    let roles = m.roles.iter().map(ToString::to_string);
    let what: Vec<_> = roles.chain(m.peers.iter().cloned()).collect();
    let fate = if m.released.is_some() {
        "released"
    } else if m.is_lost() {
        "lost: a gate opened without a restart decision"
    } else if m.in_force() {
        "in force"
    } else {
        "ordered, not acknowledged"
    };
    let label = Label::LocalOnly.as_str().replace('_', " ");
    format!(
        "{name}: {} on {} {}, {label}, {fate}, ends {}",
        m.choice,
        m.node,
        what.join(","),
        status::ends(m.choice)
    )
}

fn recovery(out: &mut Lines, view: &IncidentView) {
    if let Some(c) = &view.checkpoint {
        out.line("checkpoint", format!("height {}", c.height));
    }
    if let Some(p) = &view.plan {
        let approved = p
            .approved
            .as_ref()
            .map_or("not approved yet".to_owned(), |m| format!("approved by {}", m.by));
        let done = p.outputs.iter().chain(&p.exits).filter(|i| p.produced.contains_key(*i));
        let all = p.outputs.len() + p.exits.len();
        out.line("plan", format!("{} of {}, {approved}", p.mode, p.scope));
        out.line("", format!("{} of {all} outputs and exit criteria shown", done.count()));
    }
    if let Some(cause) = &view.cause {
        let kind = cause.kind.map_or("kind not identified".to_owned(), |k| k.to_string());
        out.line("cause", format!("{} ({kind})", cause.finding));
    }
    if let Some(due) = &view.due {
        out.line("postmortem", format!("due {due}"));
    }
}

fn missing(out: &mut Lines, state: &State, view: &IncidentView, now: Timestamp) {
    let open = evidence::missing(view);
    out.line("evidence", format!("{} items still open", open.len()));
    for item in open.iter().take(ITEMS_SHOWN) {
        out.line("", item);
    }
    for late in status::overdue(state, now).iter().filter(|o| o.incident == view.id) {
        out.line("overdue", late.to_string());
    }
    for failure in audit::failures(state, view) {
        out.line("failure", failure);
    }
}

fn steps(out: &mut Lines, view: &IncidentView, next: &Next) {
    let out = &mut out.0;
    let _infallible = writeln!(out, "\nwhat may come next");
    for (transition, judged) in next {
        let (id, to) = (transition.id, transition.to);
        match judged {
            Ok(()) => {
                let _infallible = writeln!(out, "  {id} {to}: may be made");
            }
            Err(refusal) => {
                let _infallible = writeln!(out, "  {id} {to}: not yet");
                for unmet in refusal.unmet() {
                    let _infallible = writeln!(out, "      {}; {}", unmet.what, unmet.remedy);
                }
            }
        }
    }
    let short = view.id.0.short();
    let _infallible = writeln!(out, "\nwhat you may do, with commands: azir do {short}");
}
