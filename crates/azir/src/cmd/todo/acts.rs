//! The acts that exist in an incident, each with the event it would be. Words in capitals stand
//! for what the person says; [`CONTENT`] for content that the person brings.

use azir_engine::{IncidentView, State, evidence, software};
use azir_ledger::Timestamp;
use azir_model::evidence::{Item, evidence_list_hash};
use azir_model::lifecycle::{self, Facts, Guard};
use azir_model::policy::OwnNode;
use azir_model::role::Act as Row;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentState, Profile, Role, Severity, class};
use serde_json::{Value, json};

use super::trial::CONTENT;

mod recovery;
mod run;

/// One act, to be judged for each actor.
#[derive(Clone, Debug)]
pub(super) struct Act {
    /// What it is, for people.
    pub(super) title: String,
    /// Kind of the event.
    pub(super) kind: &'static str,
    /// The event's members.
    pub(super) body: Value,
    /// Another command than `azir act`; its words before the author's.
    pub(super) command: Option<Vec<String>>,
    /// Row of annex C, where second persons may be needed.
    pub(super) row: Option<Row>,
    /// Role of the node that a restart opens: its co-signers are second persons.
    pub(super) restarts: Option<NodeRole>,
    /// False for acts about the log.
    pub(super) about_incident: bool,
    /// The only person who can.
    pub(super) person: Option<String>,
    /// Target of D-045 that it serves: `triage`, `contain` or `postmortem`.
    pub(super) serves: Option<&'static str>,
}

impl Act {
    fn new(title: impl Into<String>, kind: &'static str, body: Value) -> Self {
        Self {
            title: title.into(),
            kind,
            body,
            command: None,
            row: None,
            restarts: None,
            about_incident: true,
            person: None,
            serves: None,
        }
    }

    fn row(self, row: Row) -> Self {
        Self { row: Some(row), ..self }
    }

    fn by(self, words: &[&str]) -> Self {
        Self { command: Some(words.iter().map(|w| (*w).to_owned()).collect()), ..self }
    }

    fn serves(self, what: &'static str) -> Self {
        Self { serves: Some(what), ..self }
    }
}

/// What the acts are made from.
pub(super) struct Ground<'a> {
    pub(super) state: &'a State,
    pub(super) view: &'a IncidentView,
    pub(super) facts: &'a Facts,
    pub(super) now: Timestamp,
    pub(super) mode: &'a str,
    /// Text of the bound runbook.
    pub(super) runbook: Option<String>,
}

impl Ground<'_> {
    /// The incident, as commands name it.
    fn id(&self) -> String {
        self.view.id.0.short()
    }
}

/// Every act, in the order in which an incident goes.
pub(super) fn all(ground: &Ground<'_>) -> Vec<Act> {
    let mut acts = moves(ground);
    acts.extend(people(ground));
    acts.extend(judging(ground));
    acts.extend(pieces(ground));
    acts.extend(containing(ground));
    acts.extend(run::acts(ground));
    acts.extend(recovery::acts(ground));
    acts.extend(ending(ground));
    acts
}

/// Transitions of annex B out of the present state.
fn moves(ground: &Ground<'_>) -> Vec<Act> {
    let next = lifecycle::next_allowed(ground.facts);
    let acts = next.into_iter().map(|(transition, _)| {
        let asks = lifecycle::guards(transition.id, ground.facts.resolution);
        let mut body = json!({"from": transition.from, "to": transition.to});
        if asks.contains(&Guard::Reason) || transition.to == IncidentState::Containing {
            body["reason"] = "WHY".into();
        }
        if asks.contains(&Guard::CauseEvent) || asks.contains(&Guard::RelapseEvent) {
            body["cause"] = json!({"kind": "relapse", "event": CONTENT});
        }
        if asks.contains(&Guard::Report) {
            body["report"] = json!(CONTENT);
        }
        if asks.contains(&Guard::NewEvidence) {
            body["new_evidence"] = json!([CONTENT]);
        }
        if asks.contains(&Guard::DueDate) {
            let due = ground.state.policy.as_ref().map_or(0, |p| p.postmortem_due_ms);
            let due = ground.now.plus_ms(i64::try_from(due).unwrap_or(i64::MAX));
            body["due"] = json!(due);
        }
        let act = Act::new(
            format!("{} {} to {}", transition.id, transition.from, transition.to),
            "state.moved",
            body,
        );
        match transition.to {
            IncidentState::Triaged => act.serves("triage"),
            IncidentState::Confirmed | IncidentState::Containing | IncidentState::Stabilized => {
                act.serves("contain")
            }
            IncidentState::PostmortemPublished => act.serves("postmortem"),
            IncidentState::Closed => act.row(Row::Close),
            IncidentState::Detected
            | IncidentState::Recovering
            | IncidentState::Monitoring
            | IncidentState::PostmortemPending => act,
        }
    });
    acts.collect()
}

/// Roles: accepted by whom they were given to, assigned where somebody is eligible.
fn people(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let mut acts = Vec::new();
    for (role, holder) in view.roles.iter().filter(|(_, h)| !h.accepted) {
        let mut act = Act::new(format!("accept {role}"), "role.accepted", json!({"role": role}));
        act.person = Some(holder.person.clone());
        acts.push(act);
    }
    // The commander first, then whom the class calls, then the rest.
    let mut wanted = vec![Role::IncidentCommander];
    wanted.extend(class::leads(view.class, None));
    wanted.extend(Role::ALL.iter().filter(|r| **r != Role::IncidentReporter));
    let mut seen: Vec<Role> = Vec::new();
    let policy = ground.state.policy.as_ref();
    for role in wanted {
        if role == Role::Automatic || view.roles.contains_key(&role) || seen.contains(&role) {
            continue;
        }
        seen.push(role);
        let able = |p: &&azir_model::policy::Person| {
            p.roles.contains(&role) && !ground.state.revoked.contains_key(&p.id)
        };
        let able: Vec<_> = policy.iter().flat_map(|p| &p.people).filter(able).collect();
        let Some(first) = able.first() else { continue };
        let others = match able.len() {
            1 => String::new(),
            n => format!(" (or one of {} others)", n - 1),
        };
        let body = json!({"person": first.id, "role": role});
        let act = Act::new(format!("assign {role} to {}{others}", first.id), "role.assigned", body);
        let needed = role == Role::IncidentCommander && view.state == IncidentState::Detected;
        acts.push(if needed { act.serves("triage") } else { act });
    }
    acts
}

/// Declaration, severity, runbook, confirmation.
fn judging(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let mut acts = Vec::new();
    let secondary: Vec<_> = view.secondary.iter().collect();
    let declared = json!({"class": view.class, "secondary": secondary, "severity": view.severity,
        "scopes": view.scopes, "blast": {"rank": 1, "basis": "unknown"}});
    if view.declared.is_none() {
        let title = "declare class, severity, scopes and blast radius (rank 0 to 4)";
        acts.push(Act::new(title, "incident.declared", declared).serves("triage"));
    } else {
        let at = |n: usize| Severity::ALL.get(n).copied();
        let rank = view.severity.rank();
        if let Some(higher) = at(rank + 1) {
            let body = json!({"severity": higher, "reason": "WHY"});
            let title = format!("raise the severity to {higher}");
            acts.push(Act::new(title, "severity.changed", body).row(Row::RaiseSeverity));
        }
        if let Some(lower) = rank.checked_sub(1).and_then(at) {
            let body = json!({"severity": lower, "reason": "WHY"});
            let title = format!("lower the severity to {lower}");
            acts.push(Act::new(title, "severity.changed", body).row(Row::LowerSeverity));
        }
        acts.extend(corrections(view));
    }
    let lead = class::row(view.class).runbook;
    let released = ground.state.runbooks.iter().filter(|r| r.id == lead).max_by_key(|r| r.version);
    if let Some(runbook) = released.filter(|r| view.runbook.as_ref() != Some(r)) {
        let title = format!("bind {} version {}", runbook.id, runbook.version);
        acts.push(Act::new(title, "runbook.bound", json!(runbook)).serves("triage"));
    }
    if view.confirmations.is_empty() {
        let kinds: Vec<_> = class::row(view.class).confirmations.iter().collect();
        if let Some(kind) = kinds.first() {
            let names: Vec<_> = kinds.iter().map(|k| k.as_str()).collect();
            let title = format!("confirm by one of: {}", names.join(", "));
            let body = json!({"kind": kind, "object": CONTENT});
            acts.push(Act::new(title, "confirmation.verified", body).serves("contain"));
        }
    }
    acts
}

/// What changes a declaration later: scopes, a wrong severity, the resolution.
fn corrections(view: &IncidentView) -> Vec<Act> {
    let mut acts = Vec::new();
    let body = json!({"scopes": view.scopes, "blast": view.blast, "reason": "WHY"});
    if view.blast.is_some() {
        acts.push(Act::new("change scopes and blast radius", "scope.changed", body));
    }
    if let Some(declared) = &view.declared {
        let body = json!({"entry": declared.index, "severity": view.severity, "reason": "WHY"});
        let title = format!("correct the severity of entry {}", declared.index);
        acts.push(Act::new(title, "severity.corrected", body).row(Row::LowerSeverity));
    }
    let body = json!({"resolution": "false_alarm", "reason": "WHY", "proof": CONTENT});
    acts.push(Act::new("state the resolution", "incident.resolved", body));
    acts
}

/// Evidence: pins, collection, end states and receipts.
fn pieces(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let list = evidence::checklist(view);
    let held = |item: &Item| view.evidence.get(item);
    let owed = list.items().iter().filter(|i| !i.row().from_log);
    let open: Vec<Item> = owed
        .clone()
        .copied()
        .filter(|i| held(i).is_none_or(|r| r.held.is_empty() && r.settled.is_none()))
        .collect();
    let pins: Vec<Item> = open.iter().copied().filter(|i| i.row().pin).collect();
    let rest: Vec<Item> = open.iter().copied().filter(|i| !i.row().pin).collect();
    let mut acts = Vec::new();
    acts.extend(gather(ground, "pin", "evidence.pinned", &pins).map(|a| a.serves("contain")));
    acts.extend(gather(ground, "collect", "evidence.collected", &rest));
    if let Some(item) = open.iter().find(|i| i.row().qualified) {
        let body = json!({"item": item, "state": "not_applicable", "reason": "WHY"});
        let title = format!("state that {item} does not apply");
        acts.push(Act::new(title, "evidence.settled", body).row(Row::OpenOrAttach));
    }
    if let Some(item) = open.iter().find(|i| !i.row().qualified) {
        let body = json!({"item": item, "state": "unavailable", "reason": "WHY",
            "tried": "WHAT WAS TRIED"});
        let title = format!("waive {item}, which cannot be obtained");
        acts.push(Act::new(title, "evidence.settled", body).row(Row::WaiveEvidence));
    }
    acts.extend(receipts(view));
    acts.extend(custody(ground));
    acts
}

/// What may become of a piece that is held; the commands name the first one.
fn custody(ground: &Ground<'_>) -> Vec<Act> {
    let Some(piece) = ground.view.evidence.values().flat_map(|r| &r.held).next() else {
        return Vec::new();
    };
    let (hash, size) = (piece.hash, piece.size);
    let version = ground.state.policy.as_ref().map_or(0, |p| p.version);
    let act = |title: String, kind, body| Act::new(title, kind, body);
    let name = hash.short();
    vec![
        act(
            format!("seal piece {name}"),
            "evidence.sealed",
            json!({"pieces": [hash], "reason": "WHY"}),
        ),
        act(
            format!("hand piece {name} on"),
            "evidence.handed",
            json!({"piece": hash, "from": piece.collector, "to": "WHO", "reason": "WHY"}),
        ),
        act(
            "record what a node dropped under its budget".to_owned(),
            "evidence.dropped",
            json!({"scope": piece.source, "budget": 0,
                "dropped": [{"item": piece.item, "size": 0}]}),
        ),
        act(
            format!("remove piece {name}, leaving a tombstone"),
            "evidence.removed",
            json!({"pieces": [{"hash": hash, "size": size}], "policy": version}),
        )
        .row(Row::WaiveEvidence),
    ]
}

/// One act for all items that wait; the command is for the first.
fn gather(ground: &Ground<'_>, verb: &str, kind: &'static str, items: &[Item]) -> Option<Act> {
    let first = items.first()?;
    let scope = ground.view.scopes.first().cloned().unwrap_or_else(|| "node:NODE".to_owned());
    let names: Vec<_> = items.iter().map(|i| i.as_str()).collect();
    let body = json!({"scope": scope, "items": [{
        "item": first, "hash": CONTENT, "size": 0, "media": "application/octet-stream",
        "source": scope, "obtained_at": ground.now, "collector": "operator:x",
    }]});
    let title = format!("{verb} evidence, {} open: {}", items.len(), names.join(" "));
    let id = ground.id();
    let mut words = super::words::evidence(&id, first.as_str(), &scope);
    if kind == "evidence.collected" {
        words.push("--collected".to_owned());
    }
    words.push("FILE".to_owned());
    Some(Act { command: Some(words), ..Act::new(title, kind, body) })
}

/// Receipts for scopes of which something is held.
fn receipts(view: &IncidentView) -> Vec<Act> {
    let all = || view.evidence.values().flat_map(|r| &r.held);
    let mut scopes: Vec<_> = all().map(|d| d.source.clone()).collect();
    scopes.sort();
    scopes.dedup();
    let open = scopes.into_iter().filter(|s| !view.preserved.contains_key(s));
    let receipt = |scope: String| {
        let held: Vec<_> = all().filter(|d| d.source == scope).cloned().collect();
        let items = evidence_list_hash(&held).ok()?;
        let title = format!("give the preservation receipt of {scope}");
        Some(Act::new(title, "evidence.preserved", json!({"scope": scope, "items": items})))
    };
    open.filter_map(receipt).collect()
}

/// Most nodes or measures that are listed one by one.
const LISTED_MAX: usize = 8;

/// Decision, measures, drafts.
fn containing(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let body = json!({"input": CONTENT, "output": CONTENT, "profile": view.profile,
        "recommended": view.profile, "residual": [], "observe_only": true,
        "residual_accepted": false});
    let again = if view.decision.is_some() {
        "decide the containment again"
    } else {
        "decide the containment"
    };
    let decide = Act::new(again, "decision.recorded", body).row(Row::DecideContainment);
    let decide = decide.by(&["azir", "decide", &ground.id(), "--situation", "FILE"]);
    let mut acts = vec![decide.serves("contain")];
    let nodes = ground.state.policy.iter().flat_map(|p| &p.nodes);
    for node in nodes.take(LISTED_MAX) {
        let shut = |role: &NodeRole| {
            let mut held = view.measures.values().filter(|m| m.released.is_none());
            held.any(|m| m.node == node.node && m.roles.contains(role))
        };
        // What signs is stopped; reading and validating go on unless they are the fault (D-060).
        let roles: Vec<_> = node.roles.iter().filter(|r| r.signs() && !shut(r)).collect();
        if roles.is_empty() {
            continue;
        }
        let mut n = view.measures.len() + 1;
        while view.measures.contains_key(&format!("m{n}")) {
            n += 1;
        }
        let body = json!({"measure": format!("m{n}"), "choice": "local_service_halt",
            "node": node.node, "roles": roles, "reason": "WHY"});
        let act = Act::new(format!("halt roles of {}", node.node), "measure.commanded", body);
        acts.push(act.row(Row::HaltLocally));
    }
    for (name, _) in view.measures.iter().filter(|(_, m)| m.released.is_none()).take(LISTED_MAX) {
        let body = json!({"measure": name, "reason": "WHY"});
        acts.push(Act::new(format!("end measure {name}"), "measure.released", body));
        let body = json!({"measure": name, "owner": "OWNER", "text": "TEXT"});
        acts.push(Act::new(format!("hand measure {name} over"), "measure.handed_over", body));
    }
    let keys = json!({"keys": [CONTENT], "reason": "WHY"});
    let list =
        Act::new("list a guarded key as compromised: no gate opens with it", "key.listed", keys);
    acts.push(list.row(Row::HaltLocally));
    acts.extend(changes(ground));
    acts.extend(drafts());
    acts
}

/// What own nodes run is changed on record only (2.3).
fn changes(ground: &Ground<'_>) -> Vec<Act> {
    let nodes = ground.state.policy.iter().flat_map(|p| &p.nodes);
    let change = |node: &OwnNode| {
        let gates = node.roles.iter().map(|role| format!("{}/{role}", node.node));
        let ran = gates.filter_map(|gate| software::running(ground.state, &gate)).next();
        let before = ran.map_or(CONTENT, |r| r.binary);
        let body = json!({"node": node.node, "part": "software", "before": before,
            "after": CONTENT, "reason": "WHY"});
        let title = format!("record a change of what {} runs or holds", node.node);
        Act::new(title, "change.recorded", body).row(Row::HaltLocally)
    };
    nodes.take(LISTED_MAX).map(change).collect()
}

fn drafts() -> Vec<Act> {
    let measure = json!({"choice": "scoped_protocol_safe_mode", "scope": "SCOPE"});
    vec![
        Act::new(
            "draft a fraud proof for its owner path",
            "draft.made",
            json!({"draft": "fraud_proof", "object": CONTENT}),
        )
        .row(Row::DraftOwnerPath),
        Act::new(
            "draft a protocol measure",
            "draft.made",
            json!({"draft": "protocol_measure", "object": CONTENT, "measure": measure}),
        )
        .row(Row::DraftMeasure),
        Act::new(
            "draft an emergency restriction",
            "draft.made",
            json!({"draft": "emergency_restriction", "object": CONTENT,
                "measure": {"choice": "emergency_restriction", "scope": "SCOPE"}}),
        )
        .row(Row::DraftEmergency),
        Act::new(
            "draft a restart manifest for the restart authority",
            "draft.made",
            json!({"draft": "restart_manifest", "object": CONTENT}),
        )
        .row(Row::DraftMeasure),
        Act::new(
            "propose a replacement of seats",
            "draft.made",
            json!({"draft": "seat_replacement", "object": CONTENT}),
        )
        .row(Row::DraftMeasure),
    ]
}

/// Cause, review, status, postmortem, notes, and the key that is no longer trusted.
fn ending(ground: &Ground<'_>) -> Vec<Act> {
    let view = ground.view;
    let mut acts = Vec::new();
    let cause = json!({"candidates": ["CANDIDATE"], "excluded": [], "finding": "FINDING",
        "statement": "HOW THE REST IS COVERED"});
    acts.push(Act::new("state what is known of the cause", "cause.stated", cause));
    if view.review.is_none() {
        let body = json!({"finding": "WHAT WAS FOUND"});
        acts.push(Act::new("sign the closure review", "review.signed", body));
    }
    let status = azir_engine::status::derive(ground.state, ground.now);
    let body = json!({"operator": status.operator, "network": status.network, "text": "TEXT"});
    acts.push(Act::new("publish a status text", "status.published", body));
    if view.postmortem.is_none() {
        let body = json!({"document": CONTENT, "kinds": [], "conformance": []});
        let act = Act::new("publish the postmortem", "postmortem.published", body);
        acts.push(act.serves("postmortem"));
    }
    acts.push(Act::new("add a note", "note.added", json!({"text": "TEXT"})));
    let body = json!({"actor": view.opened.by, "reason": "WHY"});
    let mut revoke = Act::new("revoke the key of an actor", "key.revoked", body);
    revoke.about_incident = false;
    acts.push(revoke.row(Row::RevokeOperatorKey));
    acts
}

/// The profile that a decision would declare: the one declared, or the widest for the strict
/// answer.
pub(super) fn profile_of(act: &Act) -> Option<Profile> {
    let text = act.body.get("profile")?.as_str()?;
    text.parse().ok()
}
