//! The agenda for a terminal: what is due, what is open, what waits.

use std::fmt::Write as _;

use azir_engine::IncidentView;
use azir_model::Role;
use azir_model::refusal::{RefusalKind, Unmet};

use super::acts::Act;
use super::trial::Actor;
use super::{Agenda, Judged, Standing, placeholder, short};
use crate::cmd::text::{command, fold, quoted, visible};

/// The words of `azir evidence` for one item, up to its files.
pub(super) fn evidence(id: &str, item: &str, scope: &str) -> Vec<String> {
    texts(&["azir", "evidence", "add", "--incident", id, "--item", item, "--scope", scope])
}

/// File through which several people sign one act: named after it, so that no block of commands
/// finds the file of another.
fn passed(view: &IncidentView, act: &Act) -> String {
    format!("{}-{}.json", act.kind, short(&view.id.0))
}

/// The commands by which this actor does this act: one, or those of passing a file where second
/// persons sign too.
pub(super) fn commands(
    view: &IncidentView,
    act: &Act,
    actor: &Actor,
    standing: &Standing,
    place: Option<&str>,
) -> Vec<Vec<String>> {
    let mut all = without_place(view, act, actor, standing);
    // A file is signed without a deployment; everything else is said of one.
    let of_deployment = |words: &&mut Vec<String>| words.get(1).is_some_and(|w| w != "sign");
    for words in all.iter_mut().filter(of_deployment) {
        words.extend(place.iter().flat_map(|dir| ["--data".to_owned(), quoted(dir)]));
    }
    all
}

fn without_place(
    view: &IncidentView,
    act: &Act,
    actor: &Actor,
    standing: &Standing,
) -> Vec<Vec<String>> {
    let mut first: Vec<String> = match &act.command {
        Some(words) => words.iter().map(|w| quoted(w)).collect(),
        None => {
            let mut words = texts(&["azir", "act", act.kind]);
            if act.about_incident {
                words.extend(texts(&["--incident", &short(&view.id.0)]));
            }
            let body = act.body.to_string().replace(&placeholder(), "\"HASH\"");
            words.extend(["--body".to_owned(), quoted(&body)]);
            words
        }
    };
    let role = actor.role.to_string();
    first.extend(texts(&["--as", &quoted(&actor.person), "--role", &role]));
    let Standing::Second(lists) = standing else {
        first.extend(texts(&["--key", "KEY"]));
        return vec![first];
    };
    let file = passed(view, act);
    first.extend(texts(&["--out", &file]));
    let mut all = vec![first, texts(&["azir", "sign", &file, "--key", "KEY"])];
    let mut submit = texts(&["azir", "submit", &file]);
    for (n, roles) in lists.iter().enumerate() {
        let held = |r: &&Role| view.holder(**r).is_some_and(|who| who != actor.person);
        let role = roles.iter().find(held).or(roles.first());
        let who = role.and_then(|r| view.holder(*r)).filter(|w| *w != actor.person);
        let role = role.map_or("ROLE".to_owned(), ToString::to_string);
        let approval = format!("approval-{}-of-{file}", n + 1);
        let who = quoted(who.unwrap_or("WHO"));
        let sign = ["azir", "sign", &file, "--as", &who, "--role", &role, "--key", "KEY"];
        all.push([texts(&sign), texts(&["--out", &approval])].concat());
        submit.extend(texts(&["--approval", &approval]));
    }
    all.push(submit);
    all
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// The whole screen.
pub(super) fn screen(agenda: &Agenda<'_>) -> String {
    let mut out = String::new();
    let view = agenda.view;
    let _infallible = writeln!(
        out,
        "incident {}  {}  {}  {} (peak {})",
        short(&view.id.0),
        view.state,
        view.class,
        view.severity,
        view.peak()
    );
    let who: Vec<_> = agenda.actors.iter().map(|a| format!("{} as {}", a.person, a.role)).collect();
    out.push_str(&fold("for ", "    ", &who.join(", ")));
    for late in &agenda.overdue {
        let what = format!("{} was due {}; alert {}", late.what, late.due, late.alert);
        out.push_str(&fold("OVERDUE  ", "         ", &what));
    }
    open(agenda, &mut out);
    waiting(agenda, &mut out);
    elsewhere(agenda, &mut out);
    out.push_str("\nWords in capitals stand for what you say; HASH for the hash of content that is in the vault.\n");
    out
}

fn is_open(standing: &Standing) -> bool {
    matches!(standing, Standing::Now | Standing::Second(_))
}

/// What somebody may do now, with the command of the first who may.
fn open(agenda: &Agenda<'_>, out: &mut String) {
    out.push_str("\nmay be done now\n");
    let mut any = false;
    for judged in &agenda.judged {
        let able: Vec<_> = judged.standings.iter().filter(|(_, s)| is_open(s)).collect();
        // Who needs no second person goes first.
        let best = able.iter().find(|(_, s)| *s == Standing::Now).or_else(|| able.first());
        let Some((actor, standing)) = best else { continue };
        any = true;
        let mark = if judged.overdue { "  ! " } else { "  - " };
        let mut title = judged.act.title.clone();
        if let Standing::Second(lists) = standing {
            let _infallible = write!(title, "; a second person signs: {}", roles(lists));
        }
        let others: Vec<_> = able.iter().filter(|(a, _)| a != actor).map(|(a, _)| a).collect();
        if !others.is_empty() {
            let names: Vec<_> = others.iter().map(|a| format!("{} {}", a.person, a.role)).collect();
            let _infallible = write!(title, " (also {})", names.join(", "));
        }
        out.push_str(&fold(mark, "    ", &visible(&title)));
        for words in commands(agenda.view, &judged.act, actor, standing, agenda.place.as_deref()) {
            out.push_str(&command("      ", &words));
        }
    }
    if !any {
        out.push_str("  nothing\n");
    }
}

fn roles(lists: &[Vec<Role>]) -> String {
    let list = |roles: &Vec<Role>| {
        let names: Vec<_> = roles.iter().map(|r| r.as_str()).collect();
        names.join(" or ")
    };
    lists.iter().map(list).collect::<Vec<_>>().join(", and ")
}

/// What waits for conditions, with each of them and its remedy.
fn waiting(agenda: &Agenda<'_>, out: &mut String) {
    let mut begun = false;
    for judged in &agenda.judged {
        let Some(unmet) = nearest(judged) else { continue };
        if !begun {
            out.push_str("\nnot yet\n");
            begun = true;
        }
        let mark = if judged.overdue { "  ! " } else { "  - " };
        out.push_str(&fold(mark, "    ", &visible(&judged.act.title)));
        for condition in unmet {
            let text = format!("{}; {}", condition.what, condition.remedy);
            out.push_str(&fold("      ", "        ", &visible(&text)));
        }
    }
}

/// The conditions of the actor who lacks fewest, where nobody may act yet.
fn nearest(judged: &Judged) -> Option<&Vec<Unmet>> {
    if judged.standings.iter().any(|(_, s)| is_open(s)) {
        return None;
    }
    let unmet = judged.standings.iter().filter_map(|(_, s)| match s {
        Standing::NotYet(unmet) => Some(unmet),
        Standing::Now | Standing::Second(_) | Standing::NotYours(_) => None,
    });
    unmet.min_by_key(|unmet| unmet.len())
}

/// What is another role's act, each with who may.
fn elsewhere(agenda: &Agenda<'_>, out: &mut String) {
    let mut begun = false;
    for judged in &agenda.judged {
        let foreign = judged.standings.iter().filter_map(|(_, s)| match s {
            Standing::NotYours(unmet) => Some(unmet),
            Standing::Now | Standing::Second(_) | Standing::NotYet(_) => None,
        });
        let foreign: Vec<_> = foreign.collect();
        if foreign.len() < judged.standings.len() {
            continue;
        }
        if !begun {
            out.push_str("\nacts of others\n");
            begun = true;
        }
        let all = || foreign.iter().flat_map(|unmet| unmet.iter());
        let why = all().find(|u| u.kind == RefusalKind::NotAuthorized).or_else(|| all().next());
        let why = match (why, &judged.act.person) {
            (_, Some(person)) => format!("{person} does it"),
            (Some(unmet), None) => unmet.remedy.clone(),
            (None, None) => "nobody may in this situation".to_owned(),
        };
        out.push_str(&fold("  - ", "    ", &visible(&format!("{}: {why}", judged.act.title))));
    }
}
