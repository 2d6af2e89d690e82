//! Drafts of protocol objects: prepared, never submitted (25, 38; annexes D, F).

use azir_ledger::canon;
use azir_model::decision::{self, Authority, Output, Verdict};
use azir_model::emergency;
use azir_model::evidence::Item;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::Permission;
use azir_model::{Choice, IncidentClass, Profile, RecoveryMode, Role};

use super::recovering::FAMILIES_MIN;
use super::{Context, authority};
use crate::body::{DraftKind, DraftMade, DraftedMeasure, PathVerdict, Simulation};
use crate::view::IncidentView;

/// `draft.made`: never more than the decision allows, never signed, never submitted (38.1, D-088).
/// Implements R-5.1-1, R-8.2-5, R-14.2-7 and R-38.1-1.
pub(super) fn draft(cx: &Context<'_>, view: &IncidentView, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    if let Some(bytes) = cx.held(&b.object, "draft", unmet)
        && carries_signature(&bytes)
    {
        unmet.push(Unmet::new(
            RefusalKind::ForbiddenPower,
            format!("draft {} carries a signature", b.object),
            "38.1, D-088",
            "keep the unsigned object; whoever is entitled signs it outside",
        ));
    }
    if view.confirmations.is_empty() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "confirm: no minimal confirmation is verified",
            "2.2, D-041 O4, D-042",
            "let one item of annex N.2 be verified first",
        ));
    }
    match b.draft {
        DraftKind::FraudProof
        | DraftKind::KeyRevocation
        | DraftKind::MandateMode
        | DraftKind::Challenge
        | DraftKind::Clarification
        | DraftKind::SeatReplacement => owner_path(view, b, unmet),
        DraftKind::KeyRotation => {
            owner_path(view, b, unmet);
            revoked_first(cx, view, unmet);
        }
        DraftKind::Lift => lift(cx, b, unmet),
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
        DraftKind::Parameters => parameters(cx, b, unmet),
        DraftKind::EmergencyRestriction => {
            // Annex C row 16: the liaison prepares it with the commander's signature.
            let second = Permission::WithSecond(vec![vec![Role::IncidentCommander]]);
            authority::seconded(cx, &second, &view.approvals, unmet);
            protocol_measure(cx, view, b, unmet);
        }
    }
}

/// A key is replaced after the old one is out of use: every own gate of it is shut, or it is
/// revoked in finalized state (D-108). Implements R-19.2-3.
fn revoked_first(cx: &Context<'_>, view: &IncidentView, unmet: &mut Vec<Unmet>) {
    let facts = crate::facts::for_runbook(cx.state, view, cx.now);
    let holds = |name: &&str| facts.get(*name) == Some(&azir_runbook::FactValue::Bool(true));
    if !["compromised_keys_gated", "keys_revoked_final"].iter().any(holds) {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "order: the old key is neither revoked in finalized state nor gated",
            "19.2, 21.2, D-108",
            "list the key so that its gates shut, or let its revocation become final",
        ));
    }
}

/// True when a canonical object has signatures of its own; an empty list is none. What it quotes
/// may be signed: a fraud proof consists of two signed messages.
fn carries_signature(bytes: &[u8]) -> bool {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(bytes) else {
        return false;
    };
    let names = ["sig", "sigs", "signature", "signatures"];
    let mut found = names.iter().filter_map(|name| members.get(*name));
    found.any(|value| value.as_array().is_none_or(|list| !list.is_empty()))
}

/// What the entitled party may do alone, as a halt of a mandate by its principal, names no measure
/// of the network and none of another path, and none above the declared profile. Implements
/// R-19.2-2 and R-2.4-1.
fn owner_path(view: &IncidentView, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    if let Some(measure) = &b.measure {
        ceiling(view, decision::of_measure(measure.choice, 0, false), unmet);
    }
    let wide = |m: &&DraftedMeasure| {
        m.scope.starts_with("network")
            || matches!(m.choice, Choice::EmergencyRestriction | Choice::RecoveryMode)
    };
    if let Some(measure) = b.measure.as_ref().filter(wide) {
        unmet.push(Unmet::new(
            RefusalKind::ProtocolAuthorityRequired,
            format!("{} on {} is no owner-path transaction", measure.choice, measure.scope),
            "25.1, 38.1, D-072, annex C rows 15 to 17",
            "draft it under its own kind, with the signatures of that row",
        ));
    }
}

/// New parameters were simulated on recorded blocks before anybody may activate them, and the
/// expedited path only tightens (18.2, D-087, D-099). Implements R-18.2-4 and R-18.2-7.
fn parameters(cx: &Context<'_>, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    let mut refuse = |kind, what: String, rule: &str, remedy: &str| {
        unmet.push(Unmet::new(kind, what, rule, remedy));
    };
    let Some(drafted) = b.parameters.as_ref().filter(|p| !p.changes.is_empty()) else {
        let remedy = "name each parameter with its old and its new value";
        refuse(RefusalKind::InvalidSchema, "no parameter changes".into(), "18.2", remedy);
        return;
    };
    for change in drafted.changes.iter().filter(|c| drafted.expedited && !c.tightens()) {
        refuse(
            RefusalKind::ForbiddenPower,
            format!("{} from {} to {} loosens a limit", change.name, change.from, change.to),
            "18.2, D-087, annex L.7",
            "draft it for the ordinary path; the expedited one only tightens",
        );
    }
    let tip = cx.state.hard_final().map_or(0, |tip| tip.height);
    let mut simulated = drafted.simulation.clone();
    if let Some(run) = &mut simulated {
        run.families.sort();
        run.families.dedup();
    }
    let recorded = |s: &Simulation| s.from <= s.to && s.to <= tip;
    let why = match &simulated {
        None => Some("no simulation of the new parameters is named".to_owned()),
        Some(s) if !recorded(s) => {
            Some(format!("blocks {} to {} are not recorded up to hard-final {tip}", s.from, s.to))
        }
        Some(s) if s.families.len() < FAMILIES_MIN => {
            Some(format!("{} implementation simulated it", s.families.len()))
        }
        Some(_) => None,
    };
    if let Some(why) = why {
        refuse(
            RefusalKind::ReviewRequired,
            format!("simulation: {why}"),
            "18.2, D-099",
            "run recorded blocks under the new parameters in two implementations of other source",
        );
    }
    if let Some(run) = &simulated {
        cx.held(&run.report, "simulation report", unmet);
    }
}

/// A lift names the restriction that it ends, which is in force.
fn lift(cx: &Context<'_>, b: &DraftMade, unmet: &mut Vec<Unmet>) {
    let listed = cx.state.in_force();
    let named = b.measure.as_ref();
    let fits = |r: &crate::body::Restriction| {
        named.is_some_and(|m| m.choice == r.choice && m.scope == r.scope)
    };
    if !listed.into_iter().any(fits) {
        unmet.push(Unmet::new(
            RefusalKind::NotFinalized,
            "no restriction of this choice and scope is in force",
            "26.1, annex G, annex J.1",
            "name choice and scope of a restriction that own nodes observe",
        ));
    }
}

/// A path that recomputation found disputed or anomalous is not relied upon; another one may be
/// (D-090). Implements R-20.2-5 and R-20.3-1 in part.
fn clean_path(cx: &Context<'_>, authority: Authority, unmet: &mut Vec<Unmet>) {
    let path = format!("gov-path:{authority}");
    let Some(seen) = cx.state.governance.get(&path) else { return };
    match seen.newest.verdict {
        PathVerdict::Regular => {}
        PathVerdict::Disputed | PathVerdict::Anomalous => unmet.push(Unmet::new(
            RefusalKind::FinalityDisputed,
            format!(
                "{path} is {} at height {}",
                seen.newest.verdict, seen.newest.hard_final.height
            ),
            "20.2, D-090, annex G",
            "use another path, or let the path be recomputed as regular",
        )),
    }
}

/// Every protocol measure ends by itself within the protocol's maximum; a quarantine is reviewed
/// before (38.2, D-071, D-089). Implements R-2.1-2, R-2.1-4 and R-13.1-1.
fn bounded(
    wanted: &DraftedMeasure,
    measure: &decision::Measure,
    height: u64,
    unmet: &mut Vec<Unmet>,
) {
    let mut refuse = |kind, what: String, rule: &str, remedy: &str| {
        unmet.push(Unmet::new(kind, what, rule, remedy));
    };
    let Some(expiry) = wanted.expiry_s.filter(|s| *s > 0) else {
        refuse(
            RefusalKind::ExpiryRequired,
            format!("{} on {} has no expiry", wanted.choice, wanted.scope),
            "2.1, 13.1, 38.2, D-089",
            "say for how many seconds it shall hold",
        );
        return;
    };
    if let Some(max) = measure.duration_s.filter(|max| expiry > *max) {
        refuse(
            RefusalKind::ForbiddenPower,
            format!(
                "an expiry of {expiry} s exceeds paths.{}.expiry_max_s = {max} at height {height}",
                measure.authority
            ),
            "2.1, 38.2, D-089",
            "stay within the finalized maximum",
        );
    }
    let reviewed = wanted.review_s.is_some_and(|s| s > 0 && s <= expiry);
    if wanted.choice == Choice::Quarantine && !reviewed {
        refuse(
            RefusalKind::ExpiryRequired,
            format!("the quarantine of {} has no review before its expiry", wanted.scope),
            "13.1, 13.3, D-071",
            "name a review between its activation and its expiry",
        );
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
    if wanted.scope.starts_with("network") {
        // Annex C row 17: commander and Consensus Lead sign beside the liaison.
        let both = vec![vec![Role::IncidentCommander], vec![Role::ConsensusLead]];
        authority::seconded(cx, &Permission::WithSecond(both), &view.approvals, unmet);
    }
    let emergency = b.draft == DraftKind::EmergencyRestriction;
    if emergency != (wanted.choice == Choice::EmergencyRestriction) {
        unmet.push(Unmet::new(
            RefusalKind::ProtocolAuthorityRequired,
            format!("{} is drafted as another kind", wanted.choice),
            "25.1, 38.2, annex C row 16",
            "draft an emergency restriction as one, with its justification and signatures",
        ));
    }
    of_software(view, &wanted.scope, unmet);
    candidate(cx, view, &output, b, unmet);
}

/// The protocol restricts no implementation, and a feature or version for the sake of one only with
/// the fixture that shows its fault. Implements R-23.2-7.
fn of_software(view: &IncidentView, scope: &str, unmet: &mut Vec<Unmet>) {
    let supply = view.duties.contains(&IncidentClass::SupplyChain);
    let held = |item| view.evidence.get(&item).is_some_and(|r| !r.held.is_empty());
    if scope.starts_with("impl:") {
        unmet.push(Unmet::new(
            RefusalKind::ScopeInvalid,
            format!("{scope}: a chain cannot see which software a node runs"),
            "23.2, D-109",
            "restrict a feature or a protocol version, with a fixture that shows the fault",
        ));
    } else if supply && scope.starts_with("feature:") && !held(Item::StateFixture) {
        unmet.push(Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("{scope}: no fixture shows that this version misbehaves"),
            "23.2, D-098, D-109",
            "collect the fixture as state_fixture, then draft",
        ));
    }
}

/// The declared profile is the ceiling for what is drafted (D-080): no stage of the response is
/// passed over without a decision. Implements R-8.2-2, R-8.2-3, R-8.2-4 and R-2.4-1.
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
    cx: &Context<'_>,
    view: &IncidentView,
    output: &Output,
    b: &DraftMade,
    unmet: &mut Vec<Unmet>,
) {
    let Some(wanted) = &b.measure else { return };
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
        clean_path(cx, candidate.measure.authority, unmet);
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
        if b.draft == DraftKind::ProtocolMeasure {
            let height = cx.state.hard_final().map_or(0, |tip| tip.height);
            bounded(wanted, &candidate.measure, height, unmet);
        }
        if b.draft == DraftKind::EmergencyRestriction {
            let justification = b.justification.clone().unwrap_or_default();
            let limit = candidate.measure.duration_s.unwrap_or(0);
            let checked = emergency::check_draft(&channel.emergency, &justification, limit);
            unmet.extend(checked.err().map(|r| r.unmet().to_vec()).unwrap_or_default());
        }
    }
}
