//! What the gate lanes say when read together: who was shut when, and in which order they returned.

use std::collections::BTreeMap;

use azir_ledger::Timestamp;
use azir_model::vocab::NodeRole;
use azir_sim::report::{DrillReport, GateLane};

use super::format::{Clock, count, duration};

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Return {
    /// It was open all the time.
    NeverShut,
    /// It was shut and has been open again since this moment.
    At(Timestamp),
    /// It is shut at the end.
    StillShut,
}

/// A stretch of time with a constant number of open gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Start.
    pub(super) from: Timestamp,
    /// End.
    pub(super) to: Timestamp,
    /// Open gates.
    pub(super) open: usize,
}

/// The lanes by restart phase of their role (annex J.3), so that the notary stands last.
pub(super) fn lanes(report: &DrillReport) -> Vec<&GateLane> {
    let mut lanes: Vec<&GateLane> = report.gates.iter().collect();
    lanes.sort_by_key(|lane| (lane.role.parse::<NodeRole>().ok(), lane.role.as_str()));
    lanes
}

/// How `lane` ended.
pub(super) fn returned(lane: &GateLane) -> Return {
    match lane.spans.iter().rposition(|s| !s.open) {
        None => Return::NeverShut,
        Some(last) => lane.spans.get(last + 1).map_or(Return::StillShut, |s| Return::At(s.from)),
    }
}

/// Every moment at which a lane begins or changes, with the ends of the report's span.
pub(super) fn moments(report: &DrillReport) -> Vec<Timestamp> {
    let mut all = vec![report.span.0, report.span.1];
    all.extend(report.gates.iter().flat_map(|l| &l.spans).flat_map(|s| [s.from, s.to]));
    all.sort_unstable();
    all.dedup();
    all
}

/// Number of open gates over time, neighbours with equal numbers merged.
pub(super) fn stretches(report: &DrillReport) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for pair in moments(report).windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let covers = |l: &&GateLane| l.spans.iter().any(|s| s.open && s.from <= from && s.to >= to);
        let open = report.gates.iter().filter(covers).count();
        match out.last_mut() {
            Some(last) if last.open == open => last.to = to,
            Some(_) | None => out.push(Stretch { from, to, open }),
        }
    }
    out
}

/// The longest stretch in which no gate was open.
pub(super) fn all_shut(report: &DrillReport) -> Option<Stretch> {
    if report.gates.is_empty() {
        return None;
    }
    let shut = stretches(report).into_iter().filter(|s| s.open == 0);
    shut.reduce(
        |best, s| if s.to.ms_since(s.from) > best.to.ms_since(best.from) { s } else { best },
    )
}

/// What the matrix shows, in sentences; computed, so it is also right when a drill goes wrong.
pub(super) fn reading(report: &DrillReport, clock: Clock) -> Vec<String> {
    let mut out = Vec::new();
    let gates = count(report.gates.len(), "gate");
    match all_shut(report) {
        Some(s) => out.push(format!(
            "All {gates} shut from {} to {} ({}).",
            clock.exact(s.from),
            clock.exact(s.to),
            duration(s.to.ms_since(s.from))
        )),
        None if report.gates.is_empty() => out.push("No gate was recorded.".to_owned()),
        None => out.push(format!("At no time were all {gates} shut.")),
    }
    let mut roles: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    for lane in &report.gates {
        if let Return::At(t) = returned(lane) {
            let seen = roles.entry(lane.role.as_str()).or_insert((t, t));
            *seen = (seen.0.min(t), seen.1.max(t));
        }
    }
    let mut back: Vec<_> = roles.into_iter().collect();
    back.sort_by_key(|(_, times)| *times);
    if !back.is_empty() {
        let each = back.iter().map(|(role, (first, last))| {
            if first == last {
                format!("{role} {}", clock.second(*first))
            } else {
                format!("{role} {} to {}", clock.second(*first), clock.second(*last))
            }
        });
        out.push(format!("Back in this order: {}.", each.collect::<Vec<_>>().join(", ")));
    }
    let others = back.iter().filter(|(r, _)| *r != "notary").map(|(_, (_, last))| *last).max();
    let notary = back.iter().find(|(r, _)| *r == "notary").map(|(_, (first, _))| *first);
    if let (Some(others), Some(notary)) = (others, notary) {
        out.push(if notary > others {
            "The notary came back last.".to_owned()
        } else {
            "The notary did NOT come back last.".to_owned()
        });
    }
    let shut = report.gates.iter().filter(|l| returned(l) == Return::StillShut).count();
    if shut > 0 {
        out.push(format!("Still shut at the end: {}.", count(shut, "gate")));
    }
    out
}
