//! Decision, measures, gates, observations and drafts (11 to 13, 24, 25, 38; annexes D, F, G, I).

use azir_ledger::canon;
use azir_model::class::{self, LocalEnough};
use azir_model::decision::{self, Input};
use azir_model::directive::SealError;
use azir_model::lifecycle::MeasureState;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, permit};
use azir_model::vocab::NodeRole;
use azir_model::{Choice, IncidentClass, Profile, Severity};

use super::{Context, authority};
use crate::body::{
    DecisionRecorded, GateStated, KeyListed, MeasureAcknowledged, MeasureCommanded,
    MeasureHandedOver, MeasureReleased, applied_of, requested_of, residual_lines,
};
use crate::facts;
use crate::fold::subsystem;
use crate::view::IncidentView;

/// `decision.recorded`: decided again from the logged input; nothing in it is taken on trust
/// (R-24.2-6, R-9.1-6). No cause is an input (D-041 O5). Implements R-2.2-1.
pub(super) fn decide(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &DecisionRecorded,
    unmet: &mut Vec<Unmet>,
) {
    let input = cx.held(&b.input, "decision input", unmet);
    let output = cx.held(&b.output, "decision output", unmet);
    let (Some(input), Some(output)) = (input, output) else { return };
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "24.2, annex D", remedy));
    };
    let input: Input = match canon::decode(&input) {
        Ok(input) => input,
        Err(error) => {
            refuse(RefusalKind::InvalidSchema, error.to_string(), "send an input of annex D.2");
            return;
        }
    };
    let decided = decision::decide(&input);
    if canon::encode(&decided).ok().as_ref() != Some(&output) {
        refuse(
            RefusalKind::HashMismatch,
            "the output is not what the function gives for this input".into(),
            "record the output of this version of the function",
        );
    }
    let recommended = decided.recommended_profile.map_or(Profile::ObserveOnly, |p| p.profile);
    let observe_only = decided.apply_now.is_empty() && decided.request.is_empty();
    if b.recommended != recommended
        || b.observe_only != observe_only
        || b.residual != residual_lines(&decided)
        || b.requested != requested_of(&decided)
        || b.apply != applied_of(&decided)
    {
        refuse(
            RefusalKind::HashMismatch,
            "recommended, residual, apply, requested or observe_only differ from the output".into(),
            "copy them from the output",
        );
    }
    about_this_incident(view, &input, unmet);
    class_answer(view, b, unmet);
    observes_only(view, b.profile, unmet);
    if decision::step(b.profile) > decision::step(recommended) {
        overridden(cx, view, b, recommended, unmet);
    }
    if let Err(refusal) = input.check() {
        unmet.extend(refusal.unmet().to_vec());
    }
}

/// What the class says of local measures (annex N.1) is set aside only with a reason: protocol
/// measures where local ones are normally enough, or a ceiling below the protocol measures that the
/// function asks for where they are not. Implements R-3.2-2.
fn class_answer(view: &IncidentView, b: &DecisionRecorded, unmet: &mut Vec<Unmet>) {
    let answer = class::row(view.class).local_enough;
    let asks = !b.requested.is_empty();
    let otherwise = match answer {
        LocalEnough::Yes => asks,
        LocalEnough::No => {
            asks && decision::step(b.profile) <= decision::step(Profile::LocalDegraded)
        }
        LocalEnough::OwnCompounding
        | LocalEnough::UntilClassified
        | LocalEnough::OwnImplementation
        | LocalEnough::ThrottlesOnly
        | LocalEnough::OwnAgents
        | LocalEnough::ByVersion => false,
    };
    if otherwise && b.override_reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            format!(
                "class: whether local measures are normally enough for {} is {answer:?}, and this \
                 decision says otherwise",
                view.class
            ),
            "3.2, D-031, annex N.1",
            "say in override_reason why this incident differs from its class",
        ));
    }
}

/// What is observability only has the profile of its runbook, which no override widens (D-019).
/// Implements R-34.2-2.
fn observes_only(view: &IncidentView, profile: Profile, unmet: &mut Vec<Unmet>) {
    let wider = decision::step(profile) > decision::step(Profile::ObserveOnly);
    if view.class == IncidentClass::ObservabilityOnly && wider {
        unmet.push(Unmet::new(
            RefusalKind::ProfileExceeded,
            format!("{profile} for {}, which only observes", view.class),
            "8.2, 34.2, D-019",
            "declare another class first",
        ));
    }
}

/// A profile above the recommended one: a reason, and from SEV_3 the lead's signature (D-083).
/// Implements R-8.3-2.
fn overridden(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &DecisionRecorded,
    recommended: Profile,
    unmet: &mut Vec<Unmet>,
) {
    if b.override_reason.as_deref().is_none_or(|r| r.trim().is_empty()) {
        unmet.push(Unmet::new(
            RefusalKind::ReasonRequired,
            format!("{} is above the recommended {recommended}", b.profile),
            "8.3, D-080, D-083",
            "declare the recommended profile or less, or give the reason of the override",
        ));
    }
    let ctx = Ctx::new(view.class, view.severity);
    match permit(Act::OverrideDecision, cx.role, &ctx) {
        Ok(permission) => authority::seconded(cx, &permission, &view.approvals, unmet),
        Err(refused) => unmet.push(refused),
    }
}

fn about_this_incident(view: &IncidentView, input: &Input, unmet: &mut Vec<Unmet>) {
    let fits = input.incident.class() == view.class
        && input.incident.severity == view.severity
        && input.incident.id.as_deref().is_none_or(|id| id == view.id.to_string());
    if !fits {
        unmet.push(Unmet::new(
            RefusalKind::StaleView,
            format!(
                "the input says {} {}, the incident is {} {}",
                input.incident.class(),
                input.incident.severity,
                view.class,
                view.severity
            ),
            "24.2, annex D.8",
            "decide again on the present class and severity",
        ));
    }
    if view.scopes.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::ScopeRequired,
            "no scope is recorded",
            "9.1, 24.3",
            "record the affected scopes first",
        ));
    }
}

/// Most keys that one statement lists; as many as a gate remembers (bounded state).
const LISTED_KEYS_MAX: usize = 64;

/// Roles whose stop is a reduction of 11.1: exposure of reads, proposing, submitting for agents.
const REDUCIBLE: [NodeRole; 3] = [NodeRole::Rpc, NodeRole::Proposer, NodeRole::Agent];

/// `measure.commanded`: own gates or own peers only, and never beyond the declared profile.
/// Implements R-8.2-1, R-9.1-7, R-24.3-1, R-4.2-1, R-13.2-8 and R-13.4-2.
pub(super) fn command(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &MeasureCommanded,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, rule: &str, remedy: &str| {
        unmet.push(Unmet::new(kind, what, rule, remedy));
    };
    if (b.roles.is_empty() && b.peers.is_empty()) || b.node.is_empty() {
        refuse(
            RefusalKind::ScopeRequired,
            "no node, or neither a role nor a peer is named".into(),
            "24.3",
            "name the node, and its roles or the peers that it shall drop",
        );
    }
    let node = cx.policy.node(&b.node);
    let held = |r| node.is_some_and(|n| n.roles.contains(r));
    for role in b.roles.iter().filter(|r| !held(r)) {
        refuse(
            RefusalKind::ScopeInvalid,
            format!("{} is no gate of this operator", subsystem(&b.node, *role)),
            "12.1, annex I",
            "name a node and role of the policy",
        );
    }
    if node.is_none() && b.roles.is_empty() {
        refuse(
            RefusalKind::ScopeInvalid,
            format!("{} is no node of this operator", b.node),
            "13.3, D-068",
            "name a node of the policy",
        );
    }
    let observing = matches!(view.profile, Profile::ObserveOnly | Profile::ForensicOnly);
    if view.severity == Severity::Sev0Info || (view.decision.is_some() && observing) {
        refuse(
            RefusalKind::ProfileExceeded,
            format!("{} at {} allows no measure", view.profile, view.severity),
            "4.2, 8.2, D-080",
            "raise the severity, or decide again with a wider profile",
        );
    }
    let name = &b.measure;
    if view.measures.contains_key(name) {
        refuse(
            RefusalKind::VersionConflict,
            format!("measure {name} exists"),
            "7.3, D-022",
            "give the new measure its own name",
        );
    }
    kind_of_measure(b, unmet);
}

/// What a local measure may be: a reduction (11.1), a halt (12.1), or a quarantine of peers
/// (13.2). Implements R-11.1-1, R-11.1-3, R-11.1-4, R-12.1-1, R-12.1-3 and R-12.1-4.
fn kind_of_measure(b: &MeasureCommanded, unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, rule: &str, remedy: &str| {
        unmet.push(Unmet::new(kind, what, rule, remedy));
    };
    let peers = !b.peers.is_empty();
    match b.choice {
        Choice::Quarantine if peers => {
            if !b.roles.is_empty() {
                refuse(
                    RefusalKind::InvalidSchema,
                    "a quarantine of peers names roles".into(),
                    "13.3, D-068",
                    "command the gates as a measure of its own",
                );
            }
        }
        Choice::LocalDegraded | Choice::LocalServiceHalt if peers => refuse(
            RefusalKind::InvalidSchema,
            format!("{} names peers", b.choice),
            "13.3, D-068",
            "command the quarantine of peers as a measure of its own",
        ),
        Choice::LocalServiceHalt => {}
        Choice::LocalDegraded => {
            for role in b.roles.iter().filter(|r| !REDUCIBLE.contains(r)) {
                refuse(
                    RefusalKind::GuardUnmet,
                    format!("degraded: {role} is none of the reductions of 11.1"),
                    "11.1, 12.1, D-060, D-061",
                    "use local_service_halt for it: a degraded node validates and observes on",
                );
            }
        }
        Choice::ObserveOnly
        | Choice::ProtocolSafeMode
        | Choice::ScopedProtocolHalt
        | Choice::Quarantine
        | Choice::EmergencyRestriction
        | Choice::RecoveryMode => refuse(
            RefusalKind::ProtocolAuthorityRequired,
            format!("{} is no measure on own gates", b.choice),
            "13.4, 38.1",
            "draft it for the protocol's own authorities",
        ),
    }
}

/// `measure.acknowledged`: by the agent of the node that drops the peers. What the protocol does to
/// a seat, key or scope counts only as finalized state shows it. Implements R-37.2-3.
pub(super) fn acknowledge(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &MeasureAcknowledged,
    unmet: &mut Vec<Unmet>,
) {
    if let Some(state) = facts::protocol_measures(cx.state, view).get(&b.measure) {
        unmet.push(Unmet::new(
            RefusalKind::NotFinalized,
            format!("{} is {state}, and no word makes it applied", b.measure),
            "37.2, D-096, annex G",
            "let an own node observe it in finalized state",
        ));
        return;
    }
    let measure = view.measures.get(&b.measure).filter(|m| m.released.is_none());
    let Some(measure) = measure.filter(|m| !m.peers.is_empty()) else {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("no quarantine of peers {} is in force", b.measure),
            "13.3, annex G",
            "gates acknowledge by their own statements; name a quarantine of peers",
        ));
        return;
    };
    if cx.actor != format!("agent:{}", measure.node) {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} cannot speak for node {}", cx.actor, measure.node),
            "annex G, D-049",
            "let the agent of that node acknowledge it",
        ));
    }
}

/// `measure.handed_over` (guard `released`): to an object in force, or to a person who owns it.
pub(super) fn hand_over(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &MeasureHandedOver,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "5.1, annex B", remedy));
    };
    let protocol = facts::protocol_measures(cx.state, view);
    if !view.measures.contains_key(&b.measure) && !protocol.contains_key(&b.measure) {
        let remedy = "name a measure as azir incident show names it";
        refuse(RefusalKind::InvalidSchema, format!("there is no measure {:?}", b.measure), remedy);
    }
    if b.text.trim().is_empty() {
        let remedy = "say what stays, and until when";
        refuse(RefusalKind::ReasonRequired, "no text".into(), remedy);
    }
    let owned = b.owner.as_deref().is_some_and(|who| cx.policy.person(who).is_some());
    // A restriction holds a protocol measure on, and only its own; a local one needs an owner.
    let same = |r: &&crate::body::Restriction| {
        Some(r.object) == b.object && facts::protocol_name(r.choice, &r.scope) == b.measure
    };
    let in_force = cx.state.in_force().iter().any(same);
    if let Some(object) = b.object.filter(|_| !in_force) {
        refuse(
            RefusalKind::NotFinalized,
            format!("{object} is no restriction in force that is {}", b.measure),
            "let an own node observe the finalized object first",
        );
    }
    if !owned && !in_force {
        refuse(
            RefusalKind::GuardUnmet,
            "released: neither a finalized object nor an owner is named".into(),
            "name the restriction that holds on, or a person of the policy as owner",
        );
    }
}

/// `measure.released`: by a person, when the gates came back by restart decisions. Implements
/// R-24.3-3.
pub(super) fn release(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &MeasureReleased,
    unmet: &mut Vec<Unmet>,
) {
    if let Some(state) = facts::protocol_measures(cx.state, view).get(&b.measure) {
        withdraw(*state, &b.measure, unmet);
        return;
    }
    let Some(measure) = view.measures.get(&b.measure).filter(|m| m.released.is_none()) else {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("no measure {} is in force", b.measure),
            "24.3, D-082",
            "name a measure of this incident",
        ));
        return;
    };
    let ordered = measure.commanded.index;
    for role in &measure.roles {
        let gate = subsystem(&measure.node, *role);
        let open = view.gates.get(&gate).is_some_and(|g| g.open);
        let carried = view.restarts.get(&gate).and_then(|r| r.carried.as_ref());
        let back = carried.is_some_and(|m| m.index > ordered);
        if open && back {
            continue;
        }
        let what = if open {
            format!("{gate} is open, and no restart was carried out since it was ordered shut")
        } else {
            format!("{gate} is still closed")
        };
        unmet.push(Unmet::new(
            RefusalKind::MeasureActive,
            what,
            "24.3, 29.1, 30.1, annex J",
            "bring the role back by a restart decision; nothing is lifted by a statement",
        ));
    }
}

/// A request that no finalized object answers may be withdrawn; what is in force ends by its own
/// expiry or by a lift that is observed, never by a statement (R-24.3-3, annex G).
fn withdraw(state: MeasureState, name: &str, unmet: &mut Vec<Unmet>) {
    match state {
        MeasureState::Requested => {}
        MeasureState::InForce | MeasureState::Lost | MeasureState::Ended => {
            unmet.push(Unmet::new(
                RefusalKind::NotFinalized,
                format!("{name} is a finalized restriction ({state})"),
                "24.3, D-082, annex G",
                "let its lift or expiry be observed in finalized state, or hand it over",
            ));
        }
    }
}

/// `key.listed`: some key, and why. One person suffices: it only stops.
pub(super) fn list_keys(b: &KeyListed, unmet: &mut Vec<Unmet>) {
    if b.keys.is_empty() || b.keys.len() > LISTED_KEYS_MAX || b.reason.trim().is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("{} keys, reason {:?}", b.keys.len(), b.reason),
            "21.2, D-108",
            "name 1 to 64 keys as gates state them, and say why",
        ));
    }
}

/// `gate.stated`: signed by a gate of the policy, and newer than the last one.
pub(super) fn stated(
    cx: &Context<'_>,
    view: Option<&IncidentView>,
    b: &GateStated,
    unmet: &mut Vec<Unmet>,
) {
    let statement = &b.statement.body;
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "annex G, annex I", remedy));
    };
    if !cx.is_machine() {
        refuse(
            RefusalKind::NotAuthorized,
            "a person cannot state what a gate is".into(),
            "let the node's agent send the gate's statement",
        );
    }
    let name = subsystem(&statement.node, statement.role);
    let gate = format!("gate:{name}");
    if let Some(position) = cx.state.revoked.get(&gate) {
        refuse(
            RefusalKind::KeyRevoked,
            format!("the key of {gate} is void from entry {position} on"),
            "enrol a new key by a policy change",
        );
    }
    let known: Vec<_> = cx.policy.machine(&gate).iter().map(|m| m.key).collect();
    match b.statement.verify_by(&known) {
        Ok(_) => {}
        Err(SealError::Signer { by }) => {
            refuse(
                RefusalKind::UnknownActor,
                format!("signed by {by}, which is not the key of {gate}"),
                "let the gate itself sign, or enrol it",
            );
        }
        Err(error) => refuse(RefusalKind::SignatureInvalid, error.to_string(), "sign it again"),
    }
    let event = cx.signed.event();
    if statement.log != event.log || statement.mode != event.mode {
        refuse(
            RefusalKind::DrillOnly,
            format!("statement is for {:?} in mode {:?}", statement.log, statement.mode),
            "send statements of this log and mode",
        );
    }
    let newest = cx.state.gates.get(&name).or_else(|| view.and_then(|v| v.gates.get(&name)));
    if newest.is_some_and(|g| (g.sequence, g.said) >= (statement.sequence, statement.at)) {
        refuse(
            RefusalKind::StatusStale,
            format!("{name}: statement {} is not newer", statement.sequence),
            "send the gate's newest statement",
        );
    }
}
