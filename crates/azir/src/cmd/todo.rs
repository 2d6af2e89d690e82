//! `azir do`: what may be done in an incident now, with which command, and what the rest lacks.

mod acts;
mod trial;
mod words;

use std::path::Path;

use azir_engine::status::{self, Overdue};
use azir_engine::{IncidentView, Objects as _, facts};
use azir_ledger::Digest;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::restart::cosigners;
use azir_model::role::{Ctx, Permission, permission};
use azir_model::{IncidentId, Role};
use serde_json::json;

use acts::{Act, Ground};
use trial::{Actor, CONTENT, Trial};

use super::incident::id_of;
use super::{Talk, say};
use crate::error::CliError;
use crate::host::{Host, default_dir, now};

/// What stands between an actor and an act.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Now,
    /// One signature of another person, for each list, in one of its roles.
    Second(Vec<Vec<Role>>),
    /// Conditions that are not met.
    NotYet(Vec<Unmet>),
    /// It is another role's act.
    NotYours(Vec<Unmet>),
}

/// One act and how each actor stands to it.
struct Judged {
    act: Act,
    overdue: bool,
    standings: Vec<(Actor, Standing)>,
}

/// Everything that a screen shows.
struct Agenda<'a> {
    view: &'a IncidentView,
    overdue: Vec<Overdue>,
    actors: Vec<Actor>,
    judged: Vec<Judged>,
    /// Directory of the deployment, where it is not the usual one.
    place: Option<String>,
}

/// Shows the agenda of one person, or of everybody who holds a role.
pub(crate) fn run(
    talk: Talk,
    data: &Path,
    incident: &str,
    person: Option<&str>,
    role: Option<Role>,
) -> Result<(), CliError> {
    let id = id_of(data, incident)?;
    let host = Host::open(data)?;
    let state = host.engine().state();
    let view = state
        .incidents
        .get(&IncidentId(id))
        .ok_or_else(|| CliError::Usage(format!("incident {id} was never opened in this log")))?;
    let actors = actors(&host, view, person, role)?;
    let at = now();
    let known = facts::of(state, view, at);
    let text = view.runbook.as_ref().and_then(|r| host.objects().get(&r.object));
    let ground = Ground {
        state,
        view,
        facts: &known,
        now: at,
        mode: host.engine().mode(),
        runbook: text.and_then(|t| String::from_utf8(t).ok()),
    };
    let overdue: Vec<_> =
        status::overdue(state, at).into_iter().filter(|o| o.incident == view.id).collect();
    let trial = Trial::new(&host, at);
    let mut judged: Vec<Judged> = acts::all(&ground)
        .into_iter()
        .map(|act| {
            let late = overdue.iter().any(|o| Some(o.what) == act.serves);
            let standings = actors.iter().map(|a| (a.clone(), judge(&trial, view, &act, a)));
            Judged { overdue: late, standings: standings.collect(), act }
        })
        .collect();
    // What is due comes first; otherwise acts stay in the order in which an incident goes.
    judged.sort_by_key(|j| !j.overdue);
    let place = (data != default_dir()).then(|| data.display().to_string());
    let agenda = Agenda { view, overdue, actors, judged, place };
    if talk.json {
        return say(&format!("{:#}\n", as_json(&agenda)));
    }
    say(&words::screen(&agenda))
}

/// One person in each role held, or everybody who holds one. Reporting and being on call need no
/// assignment while nobody is assigned.
fn actors(
    host: &Host,
    view: &IncidentView,
    person: Option<&str>,
    role: Option<Role>,
) -> Result<Vec<Actor>, CliError> {
    let policy = host.engine().state().policy.as_ref();
    let people: Vec<_> = policy.iter().flat_map(|p| &p.people).collect();
    let actor = |person: &str, role| Actor { person: person.to_owned(), role };
    if let Some(name) = person
        && !people.iter().any(|p| p.id == name)
    {
        let names: Vec<_> = people.iter().map(|p| p.id.as_str()).collect();
        return Err(CliError::Usage(format!(
            "{name} is no person of this log; its people are {}",
            names.join(" ")
        )));
    }
    if let (Some(name), Some(role)) = (person, role) {
        return Ok(vec![actor(name, role)]);
    }
    let wanted = |name: &str| person.is_none_or(|p| p == name);
    let mut actors: Vec<_> = view
        .roles
        .iter()
        .filter(|(_, holder)| wanted(&holder.person))
        .map(|(role, holder)| actor(&holder.person, *role))
        .collect();
    let free = |role: Role| {
        let able = people.iter().filter(move |p| p.roles.contains(&role) && wanted(&p.id));
        able.map(move |p| actor(&p.id, role))
    };
    if !view.roles.contains_key(&Role::OnCallOperator) {
        actors.extend(free(Role::OnCallOperator));
    }
    if person.is_some() || actors.is_empty() {
        actors.extend(free(Role::IncidentReporter));
    }
    if actors.is_empty() {
        let who = person.unwrap_or("nobody");
        return Err(CliError::Usage(format!(
            "{who} holds no role in this incident; let the commander assign one, or give --role"
        )));
    }
    Ok(actors)
}

fn judge(trial: &Trial<'_>, view: &IncidentView, act: &Act, actor: &Actor) -> Standing {
    if act.person.as_ref().is_some_and(|p| *p != actor.person) {
        return Standing::NotYours(Vec::new());
    }
    let about = act.about_incident.then_some(view.id.0);
    let unmet = trial.unmet(about, actor, act.kind, &act.body);
    let needs = |kind: RefusalKind| unmet.iter().any(|u| u.kind == kind);
    let forbidden = [
        RefusalKind::NotAuthorized,
        RefusalKind::RoleConflict,
        RefusalKind::ForbiddenPower,
        RefusalKind::KeyRevoked,
    ];
    if forbidden.into_iter().any(needs) {
        return Standing::NotYours(unmet);
    }
    let (second, open): (Vec<_>, Vec<_>) =
        unmet.into_iter().partition(|u| u.kind == RefusalKind::SecondPersonRequired);
    let lists = seconds(view, act, actor.role);
    match (open.is_empty(), second.is_empty()) {
        (true, true) => Standing::Now,
        (true, false) if !lists.is_empty() => Standing::Second(lists),
        (true, false) => Standing::NotYet(second),
        (false, _) => Standing::NotYet(open),
    }
}

/// Second persons of annex C for this act, by role.
fn seconds(view: &IncidentView, act: &Act, role: Role) -> Vec<Vec<Role>> {
    use azir_model::role::Act as Row;
    if let Some(node) = act.restarts {
        return vec![cosigners(node).to_vec()];
    }
    let Some(row) = act.row else { return Vec::new() };
    // Closing looks at the peak (annex C row 30), everything else at the present severity.
    let severity = if row == Row::Close { view.peak() } else { view.severity };
    let mut ctx = Ctx::new(view.class, severity);
    ctx.ic_assigned = view.holder(Role::IncidentCommander).is_some();
    ctx.profile = acts::profile_of(act);
    match (permission(row, role, &ctx), row) {
        (Permission::WithSecond(lists), _) => lists,
        // The liaison drafts an emergency restriction with the commander's signature (row 16).
        (Permission::Prepares, Row::DraftEmergency) => vec![vec![Role::IncidentCommander]],
        (Permission::May | Permission::Prepares | Permission::Refused, _) => Vec::new(),
    }
}

fn as_json(agenda: &Agenda<'_>) -> serde_json::Value {
    let acts: Vec<_> = agenda
        .judged
        .iter()
        .map(|j| {
            let standings: Vec<_> = j
                .standings
                .iter()
                .map(|(actor, standing)| {
                    let (word, second, unmet) = match standing {
                        Standing::Now => ("now", vec![], vec![]),
                        Standing::Second(lists) => ("with_second_person", lists.clone(), vec![]),
                        Standing::NotYet(unmet) => ("not_yet", vec![], unmet.clone()),
                        Standing::NotYours(unmet) => ("not_authorized", vec![], unmet.clone()),
                    };
                    json!({"actor": actor.person, "role": actor.role, "standing": word,
                        "second": second, "unmet": unmet,
                        "commands": lines(agenda, &j.act, actor, standing)})
                })
                .collect();
            json!({"act": j.act.title, "type": j.act.kind, "overdue": j.overdue,
                "actors": standings})
        })
        .collect();
    json!({"incident": agenda.view.id, "state": agenda.view.state, "overdue": agenda.overdue,
        "acts": acts})
}

/// Each command on one line.
fn lines(agenda: &Agenda<'_>, act: &Act, actor: &Actor, standing: &Standing) -> Vec<String> {
    let place = agenda.place.as_deref();
    let commands = words::commands(agenda.view, act, actor, standing, place);
    commands.into_iter().map(|words| words.join(" ")).collect()
}

/// The digest that commands show as a word in capitals.
fn placeholder() -> String {
    format!("\"{CONTENT}\"")
}

/// Commands name incidents by their beginning.
fn short(id: &Digest) -> String {
    id.short()
}

#[cfg(test)]
mod tests {
    use azir_engine::Body;
    use azir_runbook::event::RunEventKind;

    /// What machines, the server or other commands say.
    const OF_OTHERS: [&str; 14] = [
        "approval.given",
        "attempt.refused",
        "gate.stated",
        "governance.observed",
        "incident.opened",
        "log.created",
        "mandates.observed",
        "measure.acknowledged",
        "network.observed",
        "release.built",
        "restrictions.observed",
        "runbook.released",
        "step.deadline_fired",
        "step.escalated",
    ];

    #[test]
    fn every_word_that_stands_for_what_a_person_says_is_refused_as_a_body() {
        let offered = [
            include_str!("todo/acts.rs"),
            include_str!("todo/acts/run.rs"),
            include_str!("todo/acts/recovery.rs"),
        ]
        .concat();
        let upper = |w: &&str| {
            w.len() > 2
                && w.chars().all(|c| c.is_ascii_uppercase() || c == ' ')
                && !w.starts_with(' ')
        };
        for word in offered.split('"').filter(upper) {
            // Files stand in words of a command, not in a body.
            let known = word == "FILE" || crate::cmd::act::PLACEHOLDERS.contains(&word);
            assert!(known, "{word}");
        }
    }

    #[test]
    fn every_kind_of_event_is_offered_or_is_not_an_act_of_people_on_an_incident() {
        let offered = [
            include_str!("todo/acts.rs"),
            include_str!("todo/acts/run.rs"),
            include_str!("todo/acts/recovery.rs"),
        ]
        .concat();
        let runs = RunEventKind::ALL.iter().map(|k| k.as_str());
        for kind in Body::KINDS.iter().copied().chain(runs) {
            let found = offered.contains(&format!("\"{kind}\""));
            assert_ne!(found, OF_OTHERS.contains(&kind), "{kind}");
        }
    }
}
