//! Text of a decision, generated from the output object alone (annex D.8).

use std::fmt::Write as _;

use super::output::{
    Candidate, ChannelDecision, Measure, Order, Output, Reason, RefusedOverride, Step, Verdict,
    WhyNot,
};
use crate::vocab::Choice;

/// A text for people. Implements R-24.2-9: every candidate with its verdict and numbers, the
/// runner-up, and the smallest input changes that flip the choice.
#[must_use]
pub fn explain(output: &Output) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, output);
    text
}

fn write(out: &mut String, output: &Output) -> std::fmt::Result {
    match &output.recommended_profile {
        Some(advice) => {
            write!(out, "Recommended profile: {} (rule: {})", advice.profile, advice.rule)?;
            if advice.inconsistent {
                out.push_str("; severity and blast radius do not fit together");
            }
            out.push_str(".\n");
        }
        None => out.push_str("No profile: observability only cannot stand at SEV_2; reclassify.\n"),
    }
    if output.one_step_more {
        writeln!(
            out,
            "The measures need {}, one step more; the emergency predicate holds (D-080).",
            output.measures_profile
        )?;
    }
    if output.apply_now.is_empty() && output.request.is_empty() {
        out.push_str("Measure: observe only.\n");
    }
    orders(out, "Apply now", &output.apply_now)?;
    orders(out, "Request", &output.request)?;
    for residual in &output.residual {
        write!(out, "Residual harm at {}: ", residual.scope)?;
        match residual.beyond_s {
            Some(seconds) => writeln!(out, "{seconds} s beyond what is allowed.")?,
            None => {
                let reasons: Vec<_> = residual.reasons.iter().map(|r| why(*r)).collect();
                writeln!(out, "not contained; {}.", reasons.join("; "))?;
            }
        }
    }
    for decision in &output.per_channel {
        channel(out, decision)?;
    }
    for (i, refused) in output.refused_overrides.iter().enumerate() {
        let same = |r: &RefusedOverride| {
            (r.choice, &r.scope, r.reason) == (refused.choice, &refused.scope, refused.reason)
        };
        if output.refused_overrides[..i].iter().any(same) {
            continue;
        }
        writeln!(
            out,
            "No override reaches {} of {}: {} (refusal {}).",
            refused.choice,
            refused.scope,
            why(refused.reason),
            refused.refusal
        )?;
    }
    Ok(())
}

fn orders(out: &mut String, title: &str, orders: &[Order]) -> std::fmt::Result {
    for order in orders {
        write!(out, "{title}: {}", measure(&order.measure))?;
        if let Some(seconds) = order.time_s {
            write!(out, ", effective after {seconds} s")?;
        }
        if let Some(draft) = order.draft {
            write!(out, ", draft {draft}")?;
        }
        if order.stop_gap {
            out.push_str(", stop-gap");
        }
        out.push_str(".\n");
    }
    Ok(())
}

fn channel(out: &mut String, decision: &ChannelDecision) -> std::fmt::Result {
    writeln!(out, "Channel {} (allowed {} s):", decision.scope, decision.limit_s)?;
    match (&decision.chosen, decision.step) {
        (Some(chosen), step) => writeln!(out, "  chosen: {}; {}", measure(chosen), because(step))?,
        (None, _) => writeln!(out, "  no measure; {}", because(Step::Uncontained))?,
    }
    if let (Some(runner_up), Some(reason)) = (&decision.runner_up, decision.why_not) {
        writeln!(out, "  runner-up: {}; {}", measure(runner_up), lost(reason))?;
    }
    if let Some(flip) = decision.flips.first() {
        let then = flip.choice.as_ref().map_or_else(|| "no measure".to_owned(), measure);
        writeln!(
            out,
            "  flips: if {} were {} instead of {}: {then}",
            flip.input, flip.to, flip.from
        )?;
    }
    if !decision.emergency.holds && decision.step != Step::InTime {
        let terms: Vec<_> = decision.emergency.blocking.iter().map(|t| t.as_str()).collect();
        writeln!(out, "  emergency path closed by {}", terms.join(" "))?;
    }
    for found in decision.candidates.iter().filter(|c| c.verdict != Verdict::DoesNotStop) {
        candidate(out, found, decision.limit_s)?;
    }
    let idle = decision.candidates.iter().filter(|c| c.verdict == Verdict::DoesNotStop).count();
    if idle > 0 {
        writeln!(out, "  - {idle} more would not stop the harmful actions")?;
    }
    Ok(())
}

fn candidate(out: &mut String, found: &Candidate, limit_s: u64) -> std::fmt::Result {
    write!(out, "  - {}: {}", measure(&found.measure), found.verdict)?;
    match (found.reason, found.numbers.time_s, found.numbers.seats_after) {
        (Reason::Passes, Some(time), _) => writeln!(out, ", {time} s"),
        (Reason::Late, Some(time), _) => writeln!(out, ", {time} s against {limit_s} s"),
        (Reason::SeatsBelowQuorum, _, Some(seats)) => writeln!(out, ", {seats} seats would count"),
        (reason, _, _) => writeln!(out, ", {}", why(reason)),
    }
}

/// One measure in a few words.
fn measure(measure: &Measure) -> String {
    if measure.choice == Choice::ObserveOnly {
        return "observe only".to_owned();
    }
    let effect = match (measure.choice, measure.capability) {
        (Choice::LocalDegraded | Choice::LocalServiceHalt | Choice::RecoveryMode, _) => "",
        (_, 1) => " (extra checks)",
        (_, 2) => " (limits)",
        (_, 3) => " (exit-only)",
        (_, _) => " (freeze)",
    };
    let roles: Vec<_> = measure.roles.iter().map(|r| r.as_str()).collect();
    let roles =
        if roles.is_empty() { String::new() } else { format!(", roles {}", roles.join(" ")) };
    let by = if measure.authority.level() == 0 {
        String::new()
    } else {
        format!(" by the {} path", measure.authority)
    };
    format!("{}{effect} of {}{roles}{by}", measure.choice, measure.scope)
}

const fn because(step: Step) -> &'static str {
    match step {
        Step::InTime => "least restrictive of the sufficient measures in time",
        Step::Emergency => "nothing less is in time and the emergency predicate holds",
        Step::Quickest => "nothing sufficient is in time; this is the quickest",
        Step::Uncontained => "nothing sufficient exists",
    }
}

const fn lost(reason: WhyNot) -> &'static str {
    match reason {
        WhyNot::Breadth => "it covers more",
        WhyNot::Subjects => "it covers more subjects",
        WhyNot::Capability => "it removes more capability",
        WhyNot::Authority => "it needs a higher authority",
        WhyNot::Ends => "it ends less easily",
        WhyNot::Duration => "it lasts longer",
        WhyNot::ListOrder => "it comes later in the list of 24.1",
        WhyNot::Slower => "it is slower",
        WhyNot::OnlyEmergency => "the emergency path is only for what nothing else contains",
    }
}

/// A reason in words.
const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Passes => "no objection",
        Reason::OriginMismatch => "a local measure cannot stop what begins on the network",
        Reason::ActionsRemain => "some harmful action stays possible",
        Reason::CapabilityBelowFloor => "below the runbook's capability floor",
        Reason::ExitOnlyNotPreferred => "nothing to exit from, or no way to exit: freeze",
        Reason::NodesWouldDiffer => "nodes would treat a valid object differently",
        Reason::NotPinned => "destructive while the evidence is not pinned",
        Reason::ScopeUnresolved => "the scope has no live subject in the finalized state",
        Reason::HeightDisputed => "it would rest on objects above a disputed height",
        Reason::NotOffered => "the finalized parameters do not offer this effect here",
        Reason::SeatsBelowQuorum => "fewer than a quorum of seats would count",
        Reason::OwnOrigin => "a protocol measure for a harm of own origin",
        Reason::ObservesOnly => "observability only has no effect to stop: reclassify first",
        Reason::SystemicConditions => "the three conditions of 12.3 do not hold",
        Reason::PathAbsent => "the path does not exist",
        Reason::EmergencyPredicate => "the emergency predicate is false",
        Reason::RestartGrounds => "no grounds for a protocol restart",
        Reason::NotEffective => "not effective: the chain is not finalizing",
        Reason::Late => "it takes effect after the harm",
    }
}
