//! What the gate lanes say when read together: who was shut when, and in which order they returned.

use std::collections::BTreeMap;

use azir_ledger::Timestamp;
use azir_model::vocab::NodeRole;
use azir_sim::report::{DrillReport, GateLane, GateSpan};

use super::format::{Clock, count, duration};

/// Lanes, and the time that they cover.
#[derive(Clone, Copy)]
pub(super) struct Gates<'a> {
    /// One lane for each gate.
    pub(super) lanes: &'a [GateLane],
    /// First and last moment.
    pub(super) span: (Timestamp, Timestamp),
}

impl<'a> Gates<'a> {
    /// Those of a drill.
    pub(super) fn of(report: &'a DrillReport) -> Self {
        Self { lanes: &report.gates, span: report.span }
    }
}

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
    /// Gates whose state is known.
    pub(super) known: usize,
}

/// The lanes by restart phase of their role (annex J.3), so that the notary stands last.
pub(super) fn lanes(shown: Gates<'_>) -> Vec<&GateLane> {
    let mut lanes: Vec<&GateLane> = shown.lanes.iter().collect();
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

/// Every moment at which a lane begins or changes, with the ends of the shown's span.
pub(super) fn moments(shown: Gates<'_>) -> Vec<Timestamp> {
    let mut all = vec![shown.span.0, shown.span.1];
    all.extend(shown.lanes.iter().flat_map(|l| &l.spans).flat_map(|s| [s.from, s.to]));
    all.sort_unstable();
    all.dedup();
    all
}

/// Number of open gates over time, neighbours with equal numbers merged. A gate that has not spoken
/// yet is neither open nor shut.
pub(super) fn stretches(shown: Gates<'_>) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for pair in moments(shown).windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let covers = |s: &&GateSpan| s.from <= from && s.to >= to;
        let states = shown.lanes.iter().filter_map(|l| l.spans.iter().find(covers));
        let states: Vec<bool> = states.map(|s| s.open).collect();
        let (open, known) = (states.iter().filter(|open| **open).count(), states.len());
        match out.last_mut() {
            Some(last) if (last.open, last.known) == (open, known) => last.to = to,
            Some(_) | None => out.push(Stretch { from, to, open, known }),
        }
    }
    out
}

/// The longest stretch in which no gate was open.
pub(super) fn all_shut(shown: Gates<'_>) -> Option<Stretch> {
    if shown.lanes.is_empty() {
        return None;
    }
    let shut = stretches(shown).into_iter().filter(|s| s.open == 0 && s.known == shown.lanes.len());
    shut.reduce(
        |best, s| if s.to.ms_since(s.from) > best.to.ms_since(best.from) { s } else { best },
    )
}

/// What the matrix shows, in sentences; computed, so it is also right when a drill goes wrong.
pub(super) fn reading(shown: Gates<'_>, clock: Clock) -> Vec<String> {
    let mut out = Vec::new();
    let gates = count(shown.lanes.len(), "gate");
    match all_shut(shown) {
        Some(s) => out.push(format!(
            "All {gates} shut from {} to {} ({}).",
            clock.exact(s.from),
            clock.exact(s.to),
            duration(s.to.ms_since(s.from))
        )),
        None if shown.lanes.is_empty() => out.push("No gate was recorded.".to_owned()),
        None => out.push(format!("At no time were all {gates} shut.")),
    }
    let mut roles: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    for lane in shown.lanes {
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
    let shut = shown.lanes.iter().filter(|l| returned(l) == Return::StillShut).count();
    if shut > 0 {
        out.push(format!("Still shut at the end: {}.", count(shut, "gate")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_has_not_spoken_is_not_called_shut() {
        let at = Timestamp::from_ms;
        let span =
            |from, to, open| GateSpan { from: at(from), to: at(to), open, why: String::new() };
        let lane = |role: &str, spans| GateLane { node: "n1".into(), role: role.into(), spans };
        let mut lanes = [
            lane("verifier", vec![span(0, 90, false)]),
            lane("notary", vec![span(40, 60, false), span(60, 90, true)]),
        ];
        let shut = |lanes: &[GateLane]| {
            all_shut(Gates { lanes, span: (at(0), at(90)) }).map(|s| (s.from, s.to))
        };
        assert_eq!(shut(&lanes), Some((at(40), at(60))));
        lanes[1].spans.remove(0);
        assert_eq!(shut(&lanes), None);
    }
}
