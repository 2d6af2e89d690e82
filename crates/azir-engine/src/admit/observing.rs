//! What machines observe of the network, and the status that is published of it (annexes G and K).

use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, permit};
use azir_model::scope::{Scope, ScopeKind};
use azir_model::{IncidentClass, Severity};
use azir_runbook::fact::{self, Source};

use super::Context;
use crate::body::{
    GovernanceObserved, Guidance, MandatesObserved, NetworkObserved, ReadingStated,
    RestrictionsObserved, StatusPublished, Verified,
};
use crate::status::{self, Label};

/// Most restrictions that one list may name, so that it fits into an event (bounded input).
const RESTRICTIONS_MAX: usize = 256;
/// Most facts of one statement (bounded input).
const READINGS_MAX: usize = 64;
/// Highest capability (annex D.3).
const CAPABILITY_MAX: u64 = 4;

/// `network.observed`: a node of the policy speaks for itself.
pub(super) fn network(cx: &Context<'_>, b: &NetworkObserved, unmet: &mut Vec<Unmet>) {
    own_voice(cx, &b.node, unmet);
}

/// `reading.stated`: facts that runbooks ask for. What the log knows itself nobody states, and what
/// counts only when observed is no person's word. Implements R-40.0-8.
pub(super) fn reading(cx: &Context<'_>, b: &ReadingStated, unmet: &mut Vec<Unmet>) {
    cx.held(&b.basis, "what shows the reading", unmet);
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "7.3, 34.1, D-058, annex G", remedy));
    };
    let names: Vec<&String> = b.facts.keys().chain(&b.withdrawn).collect();
    if names.is_empty() || names.len() > READINGS_MAX {
        let what = format!("{} facts", names.len());
        refuse(RefusalKind::InvalidSchema, what, "state 1 to 64 facts at once");
    }
    for name in names {
        match fact::known(name).map(|f| f.source()) {
            None => {
                let what = format!("no runbook asks for a fact {name:?}");
                refuse(RefusalKind::UnknownEnum, what, "use a name of the list of facts");
            }
            Some(Source::Derived) => {
                let what = format!("{name} follows from this log; nobody states it");
                refuse(RefusalKind::NotAuthorized, what, "record what makes it true");
            }
            Some(Source::Observed) if !cx.is_machine() => {
                let what = format!("{name} counts only when a node observes it");
                refuse(RefusalKind::NotAuthorized, what, "let an agent of the node read it");
            }
            Some(Source::Observed | Source::Stated) => {}
        }
    }
    for (name, value) in &b.facts {
        let kind = fact::known(name).map(|f| f.kind);
        if kind.is_some_and(|kind| kind != value.kind()) || b.withdrawn.contains(name) {
            let what = format!("{name}: {value} does not fit, or is withdrawn at once");
            refuse(RefusalKind::InvalidSchema, what, "give each fact one value of its type");
        }
    }
}

/// Only the agent of a node says what that node has verified.
fn own_voice(cx: &Context<'_>, node: &str, unmet: &mut Vec<Unmet>) {
    if cx.actor != format!("agent:{node}") {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} cannot speak for node {node}", cx.actor),
            "annex G, D-058",
            "let the agent of that node observe it",
        ));
    }
}

/// `label_unproven` for a fact of annex G that somebody merely asserts. Implements R-11.3-2.
fn proven(verified: Verified, what: &str, unmet: &mut Vec<Unmet>) {
    if verified == Verified::Asserted {
        unmet.push(Unmet::new(
            RefusalKind::LabelUnproven,
            format!("{what}: an assertion, not a verified fact of finalized objects"),
            "7.3, 11.3, D-008, D-066, annex G",
            "let the node verify the finalized object, or add a note",
        ));
    }
}

/// A list or verdict of an older block cannot replace a newer one.
fn newer(known: Option<u64>, height: u64, unmet: &mut Vec<Unmet>) {
    if let Some(known) = known.filter(|known| height < *known) {
        unmet.push(Unmet::new(
            RefusalKind::StatusStale,
            format!("it is of height {height}, height {known} is known"),
            "annex G",
            "observe at the newest hard-final block",
        ));
    }
}

/// `restrictions.observed`: sorted, parsable, in force at its own height. Implements R-11.2-6 and
/// R-7.3-4.
pub(super) fn restrictions(cx: &Context<'_>, b: &RestrictionsObserved, unmet: &mut Vec<Unmet>) {
    own_voice(cx, &b.node, unmet);
    proven(b.verified, "restrictions in force", unmet);
    let height = b.hard_final.height;
    let own = cx.state.restrictions.as_ref().and_then(|r| r.lists.get(&b.node));
    newer(own.map(|l| l.newest.hard_final.height), height, unmet);
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "7.3, 11.3, annex G", remedy));
    };
    if b.in_force.len() > RESTRICTIONS_MAX {
        let remedy = "report a network whose restrictions can be listed";
        refuse(RefusalKind::InvalidSchema, format!("more than {RESTRICTIONS_MAX}"), remedy);
    }
    if !b.in_force.is_sorted_by(|a, b| a.object < b.object) {
        let remedy = "sort by object, each once";
        refuse(RefusalKind::NotCanonical, "the list is not sorted by object".into(), remedy);
    }
    for r in &b.in_force {
        match r.scope.parse::<Scope>() {
            Err(error) => {
                let remedy = "write kind:id as annex D.1 says";
                refuse(RefusalKind::ScopeInvalid, format!("{:?}: {error}", r.scope), remedy);
            }
            Ok(scope) if scope.kind().is_local() => {
                let what = format!("{:?} is a scope of own nodes", r.scope);
                refuse(RefusalKind::ScopeInvalid, what, "list what the protocol restricts");
            }
            Ok(_) => {}
        }
        if r.capability == 0 || r.capability > CAPABILITY_MAX {
            let what = format!("{}: capability {}", r.object, r.capability);
            refuse(RefusalKind::InvalidSchema, what, "use 1 to 4 (annex D.3)");
        }
        if r.since > height || r.expiry.is_some_and(|end| end <= height) {
            refuse(
                RefusalKind::NotFinalized,
                format!("{} is not in force at height {height}", r.object),
                "list what is in force at that hard-final block",
            );
        }
    }
}

/// `mandates.observed`: sorted, at most as many as fit, in force at their own height.
pub(super) fn mandates(cx: &Context<'_>, b: &MandatesObserved, unmet: &mut Vec<Unmet>) {
    own_voice(cx, &b.node, unmet);
    proven(b.verified, "mandates", unmet);
    let own = cx.state.mandates.get(&b.node).map(|m| m.newest.hard_final.height);
    newer(own, b.hard_final.height, unmet);
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "19.2, annex G", remedy));
    };
    if b.mandates.len() > RESTRICTIONS_MAX {
        let remedy = "list the mandates of own agents";
        refuse(RefusalKind::InvalidSchema, format!("more than {RESTRICTIONS_MAX}"), remedy);
    }
    if !b.mandates.is_sorted_by(|a, b| a.mandate < b.mandate) {
        let remedy = "sort by mandate, each once";
        refuse(RefusalKind::NotCanonical, "the list is not sorted".into(), remedy);
    }
    for m in b.mandates.iter().filter(|m| m.since > b.hard_final.height) {
        let remedy = "list what is finalized at that block";
        refuse(
            RefusalKind::NotFinalized,
            format!("{} is of height {}", m.mandate, m.since),
            remedy,
        );
    }
}

/// `governance.observed`: the comparison is kept. Implements R-20.3-1 in part.
pub(super) fn governance(cx: &Context<'_>, b: &GovernanceObserved, unmet: &mut Vec<Unmet>) {
    own_voice(cx, &b.node, unmet);
    proven(b.verified, "verdict on a governance path", unmet);
    let own = cx.state.governance.get(&b.path).filter(|g| g.newest.node == b.node);
    newer(own.map(|g| g.newest.hard_final.height), b.hard_final.height, unmet);
    cx.held(&b.proof, "comparison", unmet);
    if b.path.parse::<Scope>().ok().is_none_or(|scope| scope.kind() != ScopeKind::GovPath) {
        unmet.push(Unmet::new(
            RefusalKind::ScopeInvalid,
            format!("{:?} is no governance path", b.path),
            "20.2, D-090, annex D.1",
            "write gov-path:<name>",
        ));
    }
}

/// Who may publish a status that belongs to no incident: as for the worst open one (row 29).
pub(super) fn may_publish(cx: &Context<'_>, unmet: &mut Vec<Unmet>) {
    let open = cx.state.incidents.values().filter(|v| v.is_open());
    let worst = open.map(|v| v.severity).max().unwrap_or(Severity::Sev0Info);
    let ctx = Ctx::new(IncidentClass::ObservabilityOnly, worst);
    unmet.extend(permit(Act::PublishStatus, cx.role, &ctx).err());
}

/// Guidance says what it is about, ends by itself, and is labelled as finalized state has it:
/// protocol active where an object binds the scope, local only where none does. Implements
/// R-15.2-5.
fn guides(cx: &Context<'_>, derived: &status::Status, b: &Guidance, unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "15.2, 31.2, 11.3, annex K", remedy));
    };
    if let Err(error) = b.scope.parse::<Scope>() {
        let what = format!("{:?}: {error}", b.scope);
        refuse(RefusalKind::ScopeInvalid, what, "write kind:id as annex D.1 says");
    }
    if b.until <= cx.now {
        let what = format!("guidance until {}, which has passed", b.until);
        refuse(RefusalKind::ExpiryRequired, what, "say until when it holds");
    }
    let binds = |f: &status::Fact| {
        f.label == Some(Label::ProtocolActive) && f.scope.as_ref() == Some(&b.scope)
    };
    let label = match derived.facts.iter().any(binds) {
        true => Label::ProtocolActive,
        false => Label::LocalOnly,
    };
    if b.label != label {
        let what = format!("{} is {label}, not {}", b.scope, b.label);
        refuse(RefusalKind::LabelUnproven, what, "label it as own nodes observe it");
    }
}

/// `status.published`: never better than derived; a worse class with its reason; at a verified
/// height. Implements R-31.1-7, R-12.1-6 and R-18.2-6.
pub(super) fn status(cx: &Context<'_>, b: &StatusPublished, unmet: &mut Vec<Unmet>) {
    let derived = status::derive(cx.state, cx.now);
    unmet.extend(status::may_publish(&derived, b.operator, b.network));
    unmet.extend(status::words(cx.state, &b.text));
    let worse = b.operator > derived.operator || b.network > derived.network;
    if worse && b.reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            format!("{} and {} are worse than derived", b.operator.words(), b.network.words()),
            "31.1, annex K",
            "say why, or publish the derived classes",
        ));
    }
    if let Some(guidance) = &b.guidance {
        guides(cx, &derived, guidance, unmet);
    }
    let known = derived.hard_final;
    if let Some(said) = b.hard_final
        && known != Some(said)
    {
        let known = known.map_or("none is".to_owned(), |t| format!("{} {} is", t.height, t.block));
        unmet.push(Unmet::new(
            RefusalKind::StatusUnproven,
            format!("{} {} is said to be hard-final, {known}", said.height, said.block),
            "31.2, annex K",
            "name the block that the derived status names",
        ));
    }
}
