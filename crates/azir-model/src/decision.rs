//! The containment decision function of annex D, version 1 (D-074): pure, total, explained.
//!
//! [`decide`] reads nothing but its [`Input`]. For each harm channel it lists every candidate
//! measure (annex D.4), gives each its first failing filter (D.5), and takes the least restrictive
//! one that is sufficient and in time (D.6, D.7). Where nothing is in time it asks for the quickest
//! sufficient measure, and says what harm remains.

mod action;
mod candidate;
mod explain;
mod input;
mod merge;
mod output;
mod profile;
#[cfg(test)]
mod properties;
mod select;
#[cfg(test)]
mod tests;

pub use action::{Action, ActionSet, RoleSet};
pub use explain::explain;
pub use input::{
    CHANNELS_MAX, ChainFacts, Channel, Flag, Grade, INPUT_TAG, IncidentFacts, Input, LocalFacts,
    Origin, Path, Paths, SCOPES_MAX, Tolerance,
};
pub use output::{
    Authority, Candidate, ChannelDecision, DraftKind, Ends, Flip, Measure, Numbers, OUTPUT_TAG,
    Order, Output, Reason, RefusedOverride, Residual, Step, Verdict, WhyNot,
};
pub use profile::{ProfileAdvice, ProfileRule, of_measure, recommend, step};

use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::scope::Scope;
use crate::vocab::{Choice, Profile};

/// Version of the function. Another version may give other outputs for the same input.
pub const VERSION: u64 = 1;

/// Decides: same input, same output (D-074).
///
/// Implements R-24.1-1, R-24.1-2, R-24.1-3, R-24.1-4, R-24.1-5, R-24.1-6, R-24.1-7, R-24.1-8,
/// R-24.2-1, R-24.2-2, R-24.2-3, R-24.2-4, R-24.2-5, R-24.2-6, R-24.2-7, R-24.2-8, R-24.2-9,
/// R-12.4-1, R-13.1-2, R-13.4-1, R-16.3-1, R-40.0-3 and R-41.1-1. No input tells of a slash, so no
/// measure waits for one: R-37.3-1.
#[must_use]
pub fn decide(input: &Input) -> Output {
    let mut output = evaluate(input);
    output.input_hash = input.hash().ok();
    output
}

/// [`decide`] without the input's hash, for questions of the form "what if".
#[must_use]
pub(crate) fn evaluate(input: &Input) -> Output {
    let network = network_scope(input);
    let mut merger = merge::Merger::new(input);
    let mut per_channel = Vec::with_capacity(input.channels.len());
    for (position, channel) in input.channels.iter().enumerate() {
        let field = candidate::field(input, channel, &network);
        let selected = select::select(input, channel, position, &field);
        merger.add(position, channel, &selected, &network);
        per_channel.push(selected.decision);
    }
    let merge::Merged { apply_now, request, residual } = merger.finish();
    let incident = &input.incident;
    let recommended =
        recommend(incident.class(), incident.severity, incident.blast_rank, &incident.flags).ok();
    let orders = apply_now.iter().chain(&request);
    let measures_profile = orders
        .map(|o| o.measure.profile())
        .max_by_key(|p| step(*p))
        .unwrap_or(Profile::ObserveOnly);
    let escalates = request.iter().any(|o| o.measure.choice == Choice::EmergencyRestriction);
    let one_step_more =
        escalates && recommended.is_some_and(|r| step(measures_profile) == step(r.profile) + 1);
    Output {
        version: VERSION,
        input_hash: None,
        recommended_profile: recommended,
        measures_profile,
        one_step_more,
        apply_now,
        request,
        residual,
        refused_overrides: refused_overrides(&per_channel),
        per_channel,
    }
}

/// The scope of everything: the input's own entry, or `network:all`.
fn network_scope(input: &Input) -> Scope {
    let is_network = |s: &&Scope| s.kind() == crate::scope::ScopeKind::Network;
    let channels = input.channels.iter().map(|c| &c.scope);
    let named = input.chain.subjects.keys().chain(channels).find(is_network);
    named.cloned().unwrap_or_else(Scope::everything)
}

/// The refusal that a person's request for a measure with this reason gets; `None` when the measure
/// passes. An override may reach only those of `reason_required` and `second_person_required`
/// (end of annex A, D-083). Implements R-24.2-10.
#[must_use]
pub fn refusals_of(reason: Reason, choice: Choice) -> &'static [RefusalKind] {
    let emergency = choice == Choice::EmergencyRestriction;
    match reason.verdict() {
        Verdict::Passes => &[],
        _ if emergency && reason == Reason::NotEffective => &[RefusalKind::NotEffective],
        Verdict::DoesNotStop | Verdict::BelowFloor | Verdict::TooSlow => {
            &[RefusalKind::ReasonRequired, RefusalKind::SecondPersonRequired]
        }
        Verdict::DestroysEvidence => &[RefusalKind::DestructiveBeforePreserve],
        Verdict::Ambiguous | Verdict::NoAuthority if emergency => {
            &[RefusalKind::EscalationNotJustified]
        }
        Verdict::Ambiguous | Verdict::NoAuthority => &[RefusalKind::ProtocolAuthorityRequired],
        Verdict::StopsFinality => &[RefusalKind::StopsFinality],
        Verdict::BroaderThanHarm => &[RefusalKind::ScopeTooBroad],
    }
}

/// The three conditions of a systemic halt for one channel (12.3, D-067).
///
/// Implements R-12.3-1, R-12.3-2 and R-12.3-3.
///
/// # Errors
/// `scope_too_broad` naming each condition that does not hold, the third with the narrower measure.
pub fn require_systemic(input: &Input, decision: &ChannelDecision) -> Result<(), Refusal> {
    let rule = "12.3, D-067";
    let broad =
        |what: String, remedy: &str| Unmet::new(RefusalKind::ScopeTooBroad, what, rule, remedy);
    let mut unmet = Vec::new();
    if !candidate::widespread(input) {
        unmet.push(broad(
            "condition 1: no risk of invalid state on the whole network (rank 4 with its flag)"
                .into(),
            "restrict the scope of the harm, or show the wider risk",
        ));
    }
    if !candidate::declared_systemic(input) {
        unmet.push(broad(
            "condition 2: SEV_5 is not declared by two people".into(),
            "have two people declare SEV_5",
        ));
    }
    let sufficient = |c: &&Candidate| {
        let late = matches!(c.verdict, Verdict::Passes | Verdict::NoAuthority | Verdict::TooSlow);
        late && c.numbers.breadth < crate::scope::ScopeKind::Network.breadth()
    };
    if let Some(narrower) = decision.candidates.iter().find(sufficient) {
        let measure = &narrower.measure;
        unmet.push(broad(
            format!(
                "condition 3: {} of {} is narrower and sufficient",
                measure.choice, measure.scope
            ),
            "request the narrower measure",
        ));
    }
    Refusal::unless_met(unmet)
}

/// True when an override with reason and second signature may reach this verdict (D-083).
#[must_use]
pub const fn overridable(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::DoesNotStop | Verdict::BelowFloor | Verdict::TooSlow)
}

/// Per channel and choice, the candidate that came furthest, where no override reaches it.
fn refused_overrides(per_channel: &[ChannelDecision]) -> Vec<RefusedOverride> {
    let mut refused = Vec::new();
    for (position, decision) in (0_u64..).zip(per_channel) {
        for choice in Choice::ALL.iter().copied() {
            let of_choice = decision.candidates.iter().filter(|c| c.measure.choice == choice);
            let mut furthest: Option<&Candidate> = None;
            for candidate in of_choice {
                let place = |c: &Candidate| match c.verdict {
                    Verdict::Passes => u8::MAX,
                    verdict => verdict as u8,
                };
                if furthest.is_none_or(|f| place(candidate) > place(f)) {
                    furthest = Some(candidate);
                }
            }
            let Some(candidate) = furthest else { continue };
            if candidate.verdict == Verdict::Passes || overridable(candidate.verdict) {
                continue;
            }
            if let Some(refusal) = refusals_of(candidate.reason, choice).first() {
                refused.push(RefusedOverride {
                    channel: position,
                    choice,
                    scope: candidate.measure.scope.clone(),
                    reason: candidate.reason,
                    refusal: *refusal,
                });
            }
        }
    }
    refused
}
