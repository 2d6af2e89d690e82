//! Filter 8 and the selection of annex D.7 for one channel, the runner-up and the flips.

use super::candidate::{Cand, Field, path_of};
use super::input::{Channel, Grade, Input, Origin};
use super::output::{Authority, Candidate, ChannelDecision, Flip, Reason, Step, Verdict, WhyNot};
use crate::emergency::{self, Facts, Predicate};
use crate::scope::ScopeKind;
use crate::vocab::{BlastRank, Choice, IncidentClass, Severity};

/// The numbers that time depends on. Flips change one of them and select again.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    paths: [Option<u64>; 5],
    finalizing: bool,
    finality: u64,
    close: u64,
    decision: u64,
    automatic: bool,
    gates: bool,
    t_harm: u64,
    tolerance: u64,
}

const PATHS: [Authority; 5] = [
    Authority::Owner,
    Authority::Ordinary,
    Authority::Expedited,
    Authority::Emergency,
    Authority::Restart,
];

impl Clock {
    pub(super) fn new(input: &Input, channel: &Channel) -> Self {
        Self {
            paths: PATHS.map(|a| path_of(input, a).map(|p| p.delay_s)),
            finalizing: input.chain.finalizing,
            finality: input.chain.finality_s,
            close: input.local.close_s,
            decision: input.local.decision_s,
            automatic: input.local.automatic,
            gates: input.local.gates_reachable,
            t_harm: channel.t_harm,
            tolerance: input.tolerance.seconds(input.incident.severity),
        }
    }

    /// Seconds allowed (filter 8).
    pub(super) fn limit(&self) -> u64 {
        if self.t_harm == 0 { self.tolerance } else { self.t_harm }
    }

    /// Seconds until effect; `None` = never (D-081) or no path.
    pub(super) fn time(&self, cand: &Cand) -> Option<u64> {
        match cand.authority {
            Authority::None if cand.choice == Choice::ObserveOnly => Some(0),
            Authority::None => {
                let decide = if self.automatic && self.gates { 0 } else { self.decision };
                Some(self.close.saturating_add(decide))
            }
            Authority::Restart => self.paths[4],
            Authority::Owner
            | Authority::Ordinary
            | Authority::Expedited
            | Authority::Emergency => {
                let delay = self.paths[cand.authority as usize - 1]?;
                self.finalizing.then_some(delay.saturating_add(self.finality))
            }
        }
    }
}

/// What annex F reads besides the selection.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    network_origin: bool,
    scope_definable: bool,
    corroborated: bool,
    extreme: bool,
    local_only: bool,
    observability_only: bool,
}

impl Ground {
    pub(super) fn new(input: &Input, channel: &Channel, field: &Field) -> Self {
        let incident = &input.incident;
        let systemic_open = field.cands.iter().any(|c| {
            c.is_emergency() && c.breadth == 5 && c.early != Some(Reason::SystemicConditions)
        });
        Self {
            network_origin: channel.origin == Origin::Network,
            scope_definable: field.resolved()
                && (channel.scope.kind() != ScopeKind::Network || systemic_open),
            corroborated: incident.grade >= Grade::Corroborated,
            extreme: incident.severity == Severity::Sev5Systemic
                && incident.declarers >= 2
                && incident.blast_rank == BlastRank::NETWORK,
            local_only: incident.blast_rank <= BlastRank::OWN
                || input.channels.iter().all(|c| c.origin == Origin::Own),
            observability_only: incident.class() == IncidentClass::ObservabilityOnly
                || input.channels.is_empty(),
        }
    }
}

/// The chosen candidate of one channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) index: Option<usize>,
    pub(super) step: Step,
    pub(super) late: bool,
}

struct Selector<'a> {
    field: &'a Field,
    ground: Ground,
    clock: Clock,
    skip: Option<usize>,
}

impl Selector<'_> {
    fn open(&self) -> impl Iterator<Item = (usize, &Cand)> {
        let open = self.field.open.iter().filter(|i| Some(**i) != self.skip);
        open.map(|i| (*i, &self.field.cands[*i]))
    }

    /// Quickest of the candidates that are late; ties by the order of annex D.6.
    fn quickest_late(&self) -> Option<(u64, usize)> {
        let limit = self.clock.limit();
        let late = self.open().filter(|(_, c)| !c.is_emergency());
        late.filter_map(|(i, c)| Some((self.clock.time(c)?, i))).filter(|(t, _)| *t > limit).min()
    }

    fn in_time(&self) -> Option<usize> {
        let limit = self.clock.limit();
        self.open()
            .find(|(_, c)| !c.is_emergency() && self.clock.time(c).is_some_and(|t| t <= limit))
            .map(|(i, _)| i)
    }

    fn facts(&self, draft_wider: bool) -> Facts {
        let in_time = self.in_time();
        let quickest = self.open().filter(|(_, c)| !c.is_emergency());
        let normal_s = quickest.filter_map(|(_, c)| self.clock.time(c)).min();
        Facts {
            finalizing: self.clock.finalizing,
            network_origin: self.ground.network_origin,
            t_harm: self.clock.t_harm,
            narrower_found: in_time.is_some(),
            scope_definable: self.ground.scope_definable,
            corroborated: self.ground.corroborated,
            extreme: self.ground.extreme,
            normal_s,
            limit_s: self.clock.limit(),
            local_only: self.ground.local_only,
            observability_only: self.ground.observability_only,
            draft_wider,
        }
    }

    /// Annex D.7, steps 1 to 4.
    fn pick(&self) -> Pick {
        if let Some(index) = self.in_time() {
            return Pick { index: Some(index), step: Step::InTime, late: false };
        }
        let late = self.quickest_late();
        if emergency::holds(&self.facts(false))
            && let Some((index, late)) = self.emergency(late.map(|(t, _)| t))
        {
            return Pick { index: Some(index), step: Step::Emergency, late };
        }
        match late {
            Some((_, index)) => Pick { index: Some(index), step: Step::Quickest, late: true },
            None => Pick { index: None, step: Step::Uncontained, late: false },
        }
    }

    /// Step 2: candidates quicker than every late one; in time by order, else the quickest.
    fn emergency(&self, quicker_than: Option<u64>) -> Option<(usize, bool)> {
        let limit = self.clock.limit();
        let exact = |c: &Cand| self.ground.corroborated || c.scope == 0;
        let usable = self.open().filter(|(_, c)| c.is_emergency() && exact(c));
        let timed = usable.filter_map(|(i, c)| Some((self.clock.time(c)?, i)));
        let mut quickest: Option<(u64, usize)> = None;
        for (time, index) in timed.filter(|(t, _)| quicker_than.is_none_or(|q| *t < q)) {
            if time <= limit {
                return Some((index, false));
            }
            if quickest.is_none_or(|best| (time, index) < best) {
                quickest = Some((time, index));
            }
        }
        quickest.map(|(_, index)| (index, true))
    }
}

/// Judges and selects for one channel.
pub(super) struct Selected {
    pub(super) decision: ChannelDecision,
    pub(super) pick: Pick,
    pub(super) time_s: Option<u64>,
}

pub(super) fn select(input: &Input, channel: &Channel, position: usize, field: &Field) -> Selected {
    let clock = Clock::new(input, channel);
    let ground = Ground::new(input, channel, field);
    let mut selector = Selector { field, ground, clock, skip: None };
    let pick = selector.pick();
    let predicate = emergency::evaluate(&selector.facts(false));
    let candidates = field.cands.iter().map(|c| candidate(field, c, &clock, &predicate, &ground));
    let candidates: Vec<Candidate> = candidates.collect();
    let flips = flips(&selector, pick, position, input);
    selector.skip = pick.index;
    let second = if pick.index.is_some() { selector.pick() } else { pick };
    let why_not = why_not(field, pick, second);
    let cand = |i: Option<usize>| i.map(|i| field.measure(&field.cands[i]));
    let decision = ChannelDecision {
        scope: channel.scope.clone(),
        limit_s: clock.limit(),
        candidates,
        step: pick.step,
        chosen: cand(pick.index),
        late: pick.late,
        runner_up: if pick.index.is_some() { cand(second.index) } else { None },
        why_not,
        emergency: predicate,
        flips,
    };
    let time_s = pick.index.and_then(|i| clock.time(&field.cands[i]));
    Selected { decision, pick, time_s }
}

fn candidate(
    field: &Field,
    cand: &Cand,
    clock: &Clock,
    predicate: &Predicate,
    ground: &Ground,
) -> Candidate {
    let time_s = clock.time(cand);
    let reason = cand.early.or(cand.grounds).unwrap_or_else(|| {
        let wide = !ground.corroborated && cand.scope != 0;
        if cand.is_emergency() && (!predicate.holds || wide) {
            return Reason::EmergencyPredicate;
        }
        match time_s {
            None => Reason::NotEffective,
            Some(time) if time > clock.limit() => Reason::Late,
            Some(_) => Reason::Passes,
        }
    });
    Candidate {
        measure: field.measure(cand),
        verdict: reason.verdict(),
        reason,
        numbers: Field::numbers(cand, time_s),
    }
}

fn why_not(field: &Field, pick: Pick, second: Pick) -> Option<WhyNot> {
    let (first, other) = (&field.cands[pick.index?], &field.cands[second.index?]);
    if pick.step != Step::Emergency && other.is_emergency() {
        return Some(WhyNot::OnlyEmergency);
    }
    if second.late && !pick.late {
        return Some(WhyNot::Slower);
    }
    let (a, b) = (first.tuple(), other.tuple());
    Some(if a.0 < b.0 {
        WhyNot::Breadth
    } else if a.1 < b.1 {
        WhyNot::Subjects
    } else if a.2 < b.2 {
        WhyNot::Capability
    } else if a.3 < b.3 {
        WhyNot::Authority
    } else if a.4 < b.4 {
        WhyNot::Ends
    } else if a.5 < b.5 {
        WhyNot::Duration
    } else if (a.6, first.scope) == (b.6, other.scope) || a > b {
        WhyNot::Slower
    } else {
        WhyNot::ListOrder
    })
}

/// For each number, the nearest value at which the choice differs; smallest relative change first.
/// Values at which a verdict can turn are those where some candidate's time meets the limit, and
/// where one candidate becomes quicker than another.
fn flips(selector: &Selector<'_>, pick: Pick, position: usize, input: &Input) -> Vec<Flip> {
    let clock = selector.clock;
    let mut times: Vec<u64> = selector.open().filter_map(|(_, c)| clock.time(c)).collect();
    times.sort_unstable();
    times.dedup();
    let mut flips = Vec::new();
    let mut try_number = |name: &dyn Fn() -> String, from: u64, knob: Knob| {
        let mut best: Option<(u64, Pick)> = None;
        for value in turning_points(&clock, knob, from, &times) {
            let nearer = best.is_none_or(|(b, _)| value.abs_diff(from) < b.abs_diff(from));
            if value == from || !nearer {
                continue;
            }
            let clock = knob.set(clock, value);
            let changed = Selector { clock, skip: None, ..*selector }.pick();
            if changed.index != pick.index {
                best = Some((value, changed));
            }
        }
        if let Some((to, changed)) = best {
            let choice = changed.index.map(|i| selector.field.measure(&selector.field.cands[i]));
            flips.push(Flip { input: name(), from, to, choice });
        }
    };
    // A number that no open candidate's time depends on cannot change the choice.
    let rests_on = |matters: &dyn Fn(Authority) -> bool| {
        selector.open().any(|(_, c)| c.choice != Choice::ObserveOnly && matters(c.authority))
    };
    for (i, delay) in clock.paths.iter().enumerate() {
        if let Some(delay) = delay.filter(|_| rests_on(&|a| a == PATHS[i])) {
            try_number(&|| format!("paths.{}.delay_s", PATHS[i]), delay, Knob::Path(i));
        }
    }
    if clock.t_harm == 0 {
        let severity = input.incident.severity;
        try_number(&|| format!("tolerance.{severity}"), clock.tolerance, Knob::Tolerance);
    } else {
        try_number(&|| format!("channels[{position}].t_harm"), clock.t_harm, Knob::Harm);
    }
    if rests_on(&|a| !matches!(a, Authority::None | Authority::Restart)) {
        try_number(&|| "chain.finality_s".to_owned(), clock.finality, Knob::Finality);
    }
    let local = rests_on(&|a| a == Authority::None);
    if local {
        try_number(&|| "local.close_s".to_owned(), clock.close, Knob::Close);
    }
    if local && !clock.automatic {
        try_number(&|| "local.decision_s".to_owned(), clock.decision, Knob::Decision);
    }
    flips.sort_by(|a, b| {
        let relative = |f: &Flip| u128::from(f.to.abs_diff(f.from)) << 32;
        let of = |f: &Flip| relative(f) / u128::from(f.from.max(1));
        (of(a), &a.input).cmp(&(of(b), &b.input))
    });
    flips
}

#[derive(Clone, Copy)]
enum Knob {
    Path(usize),
    Tolerance,
    Harm,
    Finality,
    Close,
    Decision,
}

impl Knob {
    fn set(self, mut clock: Clock, value: u64) -> Clock {
        match self {
            Self::Path(i) => clock.paths[i] = Some(value),
            Self::Tolerance => clock.tolerance = value,
            Self::Harm => clock.t_harm = value,
            Self::Finality => clock.finality = value,
            Self::Close => clock.close = value,
            Self::Decision => clock.decision = value,
        }
        clock
    }
}

/// Values of one number at which a candidate's time meets the limit or another's time.
fn turning_points(clock: &Clock, knob: Knob, from: u64, times: &[u64]) -> Vec<u64> {
    let limit = clock.limit();
    let mut points = Vec::with_capacity(2 * times.len() + 4);
    match knob {
        Knob::Tolerance | Knob::Harm => {
            for time in times {
                points.extend([*time, time.saturating_sub(1)]);
            }
            if matches!(knob, Knob::Harm) {
                points.retain(|p| *p > 0);
                points.extend([emergency::IMMINENT_S, emergency::IMMINENT_S + 1]);
            }
        }
        Knob::Path(_) | Knob::Finality | Knob::Close | Knob::Decision => {
            let rest = |total: u64| match knob {
                Knob::Path(4) => Some(total),
                Knob::Path(_) => total.checked_sub(clock.finality),
                Knob::Close => total.checked_sub(if clock.automatic { 0 } else { clock.decision }),
                Knob::Decision => total.checked_sub(clock.close),
                _ => None,
            };
            for target in times.iter().copied().chain([limit]) {
                for total in [target, target.saturating_add(1), target.saturating_sub(1)] {
                    points.extend(rest(total));
                }
                if matches!(knob, Knob::Finality) {
                    for delay in clock.paths.iter().flatten() {
                        let room = limit.checked_sub(*delay);
                        points.extend(room);
                        points.extend(room.map(|r| r.saturating_add(1)));
                    }
                }
            }
        }
    }
    points.retain(|p| *p <= azir_ledger::canon::INTEGER_MAX && *p != from);
    points
}

/// Reasons of the candidates that came furthest, for an uncontained channel.
pub(super) fn nearest_reasons(decision: &ChannelDecision) -> Vec<Reason> {
    let furthest = decision.candidates.iter().map(|c| c.verdict).max().unwrap_or(Verdict::Passes);
    let mut reasons = Vec::new();
    for candidate in decision.candidates.iter().filter(|c| c.verdict == furthest) {
        if !reasons.contains(&candidate.reason) {
            reasons.push(candidate.reason);
        }
    }
    reasons
}
