//! Decision, measures, gates, observations and drafts (11 to 13, 24, 25, 38; annexes D, F, G, I).

use azir_ledger::canon;
use azir_model::decision::{self, Input, Output, Verdict};
use azir_model::directive::SealError;
use azir_model::emergency;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{Act, Ctx, Permission, permit};
use azir_model::{Choice, Profile, RecoveryMode, Role};

use super::{Context, authority};
use crate::body::{
    DecisionRecorded, DraftKind, DraftMade, GateStated, MeasureCommanded, MeasureReleased,
    NetworkObserved, residual_lines,
};
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
    {
        refuse(
            RefusalKind::HashMismatch,
            "recommended, residual or observe_only differ from the output".into(),
            "copy them from the output",
        );
    }
    about_this_incident(view, &input, unmet);
    if decision::step(b.profile) > decision::step(recommended) {
        overridden(cx, view, b, recommended, unmet);
    }
    if let Err(refusal) = input.check() {
        unmet.extend(refusal.unmet().to_vec());
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

/// `measure.commanded`: own gates only, and never beyond the declared profile. Implements R-8.2-1,
/// R-9.1-7 and R-24.3-1.
pub(super) fn command(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &MeasureCommanded,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, rule: &str, remedy: &str| {
        unmet.push(Unmet::new(kind, what, rule, remedy));
    };
    if b.roles.is_empty() || b.node.is_empty() {
        refuse(
            RefusalKind::ScopeRequired,
            "no node or no role is named".into(),
            "24.3",
            "name node and roles",
        );
    }
    if !matches!(b.choice, Choice::LocalDegraded | Choice::LocalServiceHalt) {
        refuse(
            RefusalKind::ProtocolAuthorityRequired,
            format!("{} is no measure on own gates", b.choice),
            "13.4, 38.1",
            "draft it for the protocol's own authorities",
        );
    }
    let node = cx.policy.nodes.iter().find(|n| n.node == b.node);
    let held = |r| node.is_some_and(|n| n.roles.contains(r));
    for role in b.roles.iter().filter(|r| !held(r)) {
        refuse(
            RefusalKind::ScopeInvalid,
            format!("{} is no gate of this operator", subsystem(&b.node, *role)),
            "12.1, annex I",
            "name a node and role of the policy",
        );
    }
    let decided = view.decision.is_some();
    if decided && matches!(view.profile, Profile::ObserveOnly | Profile::ForensicOnly) {
        refuse(
            RefusalKind::ProfileExceeded,
            format!("{} allows no measure", view.profile),
            "8.2, D-080",
            "decide again with a wider profile",
        );
    }
    if view.measures.contains_key(&b.measure) {
        refuse(
            RefusalKind::VersionConflict,
            format!("measure {} exists", b.measure),
            "7.3, D-022",
            "give the new measure its own name",
        );
    }
}

/// `measure.released`: by a person, when the gates came back by restart decisions. Implements
/// R-24.3-3.
pub(super) fn release(view: &IncidentView, b: &MeasureReleased, unmet: &mut Vec<Unmet>) {
    let Some(measure) = view.measures.get(&b.measure).filter(|m| m.released.is_none()) else {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("no measure {} is in force", b.measure),
            "24.3, D-082",
            "name a measure of this incident",
        ));
        return;
    };
    let shut = measure.roles.iter().map(|r| subsystem(&measure.node, *r));
    for gate in shut.filter(|g| !view.gates.get(g).is_some_and(|g| g.open)) {
        unmet.push(Unmet::new(
            RefusalKind::MeasureActive,
            format!("{gate} is still closed"),
            "29.1, 30.1, annex J",
            "reopen it by a restart decision first; nothing is lifted by a statement",
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

/// `network.observed`: a node of the policy speaks for itself.
pub(super) fn observed(cx: &Context<'_>, b: &NetworkObserved, unmet: &mut Vec<Unmet>) {
    if cx.actor != format!("agent:{}", b.node) {
        unmet.push(Unmet::new(
            RefusalKind::NotAuthorized,
            format!("{} cannot speak for node {}", cx.actor, b.node),
            "annex G, D-058",
            "let the agent of that node observe it",
        ));
    }
}

/// `draft.made`: never more than the decision allows, never submitted (38.1, D-088). Implements
/// R-5.1-1, R-8.2-5 and R-14.2-7.
pub(super) fn draft(cx: &Context<'_>, view: &IncidentView, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    cx.held(&b.object, "draft", unmet);
    if view.confirmations.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "confirm: no minimal confirmation is verified",
            "2.2, D-041 O4, D-042",
            "let one item of annex N.2 be verified first",
        ));
    }
    match b.draft {
        DraftKind::FraudProof | DraftKind::SeatReplacement => {}
        DraftKind::RestartManifest => {
            let mode = RecoveryMode::ProtocolSafeRestart;
            ceiling(view, Profile::ProtocolRecovery, unmet);
            if !crate::facts::entry_holds(cx.state, view, mode, "network:all") {
                unmet.push(Unmet::new(
                    RefusalKind::GuardUnmet,
                    format!("entry: the conditions of {mode} are not observed"),
                    "26.1, annex J.1",
                    "replay, and show a conflicting hard-final history",
                ));
            }
        }
        DraftKind::ProtocolMeasure => protocol_measure(cx, view, b, unmet),
        DraftKind::EmergencyRestriction => {
            // Annex C row 16: the liaison prepares it with the commander's signature.
            let second = Permission::WithSecond(vec![vec![Role::IncidentCommander]]);
            authority::seconded(cx, &second, &view.approvals, unmet);
            protocol_measure(cx, view, b, unmet);
        }
    }
}

fn protocol_measure(cx: &Context<'_>, view: &IncidentView, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    if view.network.as_ref().is_none_or(|n| !n.newest.finalizing) {
        unmet.push(Unmet::new(
            RefusalKind::NotEffective,
            "chain not finalizing: no protocol object can take effect",
            "12.2, 25.1, D-081",
            "use local measures; RM_PROTOCOL_SAFE_RESTART if the cause cannot heal",
        ));
    }
    let Some(output) = view.decision.as_ref().and_then(|d| cx.objects.get(&d.output)) else {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "decision: no containment decision is recorded",
            "24.2, annex D",
            "decide first",
        ));
        return;
    };
    // Admission of the decision has compared these bytes with the function's own output.
    let Ok(output) = canon::decode::<Output>(&output) else { return };
    let Some(wanted) = &b.measure else {
        unmet.push(Unmet::new(
            RefusalKind::ScopeRequired,
            "the draft names no measure of the decision",
            "24.3",
            "name choice and scope",
        ));
        return;
    };
    candidate(view, &output, wanted, b, unmet);
}

/// The declared profile is the ceiling for what is drafted (D-080). Implements R-8.2-2, R-8.2-3
/// and R-8.2-4.
fn ceiling(view: &IncidentView, needed: Profile, unmet: &mut Vec<Unmet>) {
    if decision::step(needed) > decision::step(view.profile) {
        unmet.push(Unmet::new(
            RefusalKind::ProfileExceeded,
            format!("{} is declared, this belongs to {needed}", view.profile),
            "8.2, D-078, D-080",
            "declare a wider profile by a new decision",
        ));
    }
}

/// `scope_too_broad` for a measure that passes but covers more than the one that suffices.
/// Implements R-12.4-1.
fn wider_than_chosen(
    channel: &decision::ChannelDecision,
    candidate: &decision::Candidate,
    unmet: &mut Vec<Unmet>,
) {
    let chosen = channel.candidates.iter().find(|c| channel.chosen.as_ref() == Some(&c.measure));
    let size = |c: &decision::Candidate| (c.numbers.breadth, c.numbers.subjects);
    let passes = candidate.verdict == Verdict::Passes;
    if let Some(chosen) = chosen.filter(|c| passes && size(candidate) > size(c)) {
        unmet.push(Unmet::new(
            RefusalKind::ScopeTooBroad,
            format!(
                "{} covers more than {}, which suffices",
                candidate.measure.scope, chosen.measure.scope
            ),
            "12.4, 24.2, annex D.6",
            "draft the measure that the decision chose",
        ));
    }
}

fn candidate(
    view: &IncidentView,
    output: &Output,
    wanted: &crate::body::DraftedMeasure,
    b: &DraftMade,
    unmet: &mut Vec<Unmet>,
) {
    let fits = |c: &&decision::Candidate| {
        c.measure.choice == wanted.choice && c.measure.scope.to_string() == wanted.scope
    };
    let mut found: Vec<_> = Vec::new();
    for channel in &output.per_channel {
        let best = channel.candidates.iter().filter(fits).max_by_key(|c| match c.verdict {
            Verdict::Passes => u8::MAX,
            verdict => verdict as u8,
        });
        found.extend(best.map(|c| (channel, c)));
    }
    if found.is_empty() {
        ceiling(view, decision::of_measure(wanted.choice, 0, false), unmet);
        unmet.push(Unmet::new(
            RefusalKind::ScopeTooBroad,
            format!("{} on {} is no candidate of the decision", wanted.choice, wanted.scope),
            "24.2, annex D.4",
            "draft a measure that the decision lists, or decide again",
        ));
    }
    for (channel, candidate) in found {
        let needed = candidate.measure.profile();
        // D-080: the function may go one step beyond the table where its predicate is true.
        let justified = needed == Profile::EmergencyRestriction
            && channel.emergency.holds
            && view.profile == Profile::HaltScoped;
        if !justified {
            ceiling(view, needed, unmet);
        }
        wider_than_chosen(channel, candidate, unmet);
        for kind in decision::refusals_of(candidate.reason, wanted.choice) {
            let seats = candidate.numbers.seats_after;
            let seats = seats.map_or(String::new(), |s| format!(", {s} seats would count"));
            unmet.push(Unmet::new(
                *kind,
                format!(
                    "{} on {} for {}: {}{seats}",
                    wanted.choice, wanted.scope, channel.scope, candidate.reason
                ),
                "24.2, 13.4, D-069, annex D.5",
                "take the measure that the decision chose",
            ));
        }
        if b.draft == DraftKind::EmergencyRestriction {
            let justification = b.justification.clone().unwrap_or_default();
            let limit = candidate.measure.duration_s.unwrap_or(0);
            let checked = emergency::check_draft(&channel.emergency, &justification, limit);
            unmet.extend(checked.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
        }
    }
}
