//! The audit trail of 32.1 as ten items, each with the entries that show it, and the operational
//! failures that the log itself shows (32.2, D-113).

use azir_ledger::Digest;
use azir_model::evidence::ItemState;
use azir_model::{Choice, IncidentState, Role, Severity};
use serde::Serialize;

use crate::body::DraftKind;
use crate::evidence;
use crate::facts;
use crate::state::State;
use crate::view::{IncidentView, Mark};

/// One of the ten contents of 32.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditItem {
    /// 1 to 10.
    pub number: u8,
    /// What it is.
    pub name: &'static str,
    /// What the log says of it, one line each; empty = missing.
    pub lines: Vec<String>,
    /// Entries that show it.
    pub entries: Vec<u64>,
    /// False for an item that this incident does not owe.
    pub owed: bool,
}

impl AuditItem {
    /// True when it is there, or not owed.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.owed || !self.lines.is_empty()
    }
}

/// The audit trail of one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditTrail {
    /// The ten items, in the order of 32.1.
    pub items: Vec<AuditItem>,
    /// Operational failures, one line each.
    pub failures: Vec<String>,
}

/// Derives the audit trail. Every decision writes its own entry, whether or not a scribe is named:
/// R-6.3-2. Implements R-32.1-2, R-32.1-5 and R-32.1-7.
#[must_use]
pub fn trail(state: &State, view: &IncidentView) -> AuditTrail {
    let items = vec![
        item(1, "incident id", true, vec![(view.opened.index, view.id.to_string())]),
        timeline(view),
        item(3, "who declared severity", true, severities(view)),
        item(4, "who declared the containment profile", true, decision(view)),
        item(5, "affected scopes over time", true, scopes(view)),
        item(6, "evidence references", true, references(view)),
        objects(state, view),
        item(8, "replay or rebuild results", true, replays(view)),
        item(9, "restart criteria and sign-off", !restarted(view).is_empty(), restarts(view)),
        item(10, "postmortem", postmortem_owed(view), postmortem(view)),
    ];
    AuditTrail { items, failures: failures(state, view) }
}

fn item(number: u8, name: &'static str, owed: bool, said: Vec<(u64, String)>) -> AuditItem {
    let mut entries: Vec<u64> = said.iter().map(|(index, _)| *index).collect();
    entries.sort_unstable();
    entries.dedup();
    let lines = said.into_iter().map(|(_, line)| line).collect();
    AuditItem { number, name, lines, entries, owed }
}

fn who(mark: &Mark) -> String {
    let role = mark.role.map_or_else(String::new, |r| format!(" as {r}"));
    format!("{}{role} at {}", mark.by, mark.at)
}

fn timeline(view: &IncidentView) -> AuditItem {
    let lines =
        view.entries.iter().map(|e| (e.index, format!("{}: {} by {}", e.index, e.kind, e.by)));
    item(2, "timeline of events", true, lines.collect())
}

fn severities(view: &IncidentView) -> Vec<(u64, String)> {
    let line = |d: &crate::view::DeclaredSeverity| {
        let wrong = if d.wrong { " (called wrong by two people)" } else { "" };
        (d.mark.index, format!("{}{wrong}: {}", d.severity, who(&d.mark)))
    };
    view.severities.iter().map(line).collect()
}

fn decision(view: &IncidentView) -> Vec<(u64, String)> {
    let line = |d: &crate::view::DecisionRecord| {
        let over =
            d.override_reason.as_ref().map_or_else(String::new, |r| format!("; because {r}"));
        (
            d.mark.index,
            format!("{} (recommended {}): {}{over}", d.profile, d.recommended, who(&d.mark)),
        )
    };
    if view.decision.is_none() && view.measures.is_empty() && view.resolution.is_some() {
        let kept = format!("{} since the opening: nothing was contained", view.profile);
        return vec![(view.opened.index, kept)];
    }
    view.decision.iter().map(line).collect()
}

fn scopes(view: &IncidentView) -> Vec<(u64, String)> {
    view.scopes_since
        .iter()
        .map(|(index, scopes)| {
            let named = if scopes.is_empty() { "none".to_owned() } else { scopes.join(" ") };
            (*index, format!("from entry {index}: {named}"))
        })
        .collect()
}

azir_model::wire_enum! {
    /// Stages in which the response grows and recedes (2.4, D-043).
    pub enum Stage {
        /// Own roles reduced or halted, peers dropped.
        LocalDegradation = "local_degradation",
        /// A protocol safe mode.
        ProtocolSafeMode = "protocol_safe_mode",
        /// A halt or quarantine of one scope.
        ScopedHalt = "scoped_halt",
        /// An emergency restriction.
        EmergencyRestriction = "emergency_restriction",
        /// Replay, rebuild or restart from the checkpoint.
        ReplayOrRebuild = "replay_or_rebuild",
        /// Roles brought back phase by phase.
        ControlledReenable = "controlled_reenable",
    }
}

/// When the response entered a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// The stage.
    pub stage: Stage,
    /// Who entered it, and when.
    pub mark: Mark,
    /// Stages of containment that were passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jumped: Vec<Stage>,
    /// Output of the decision that justified it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Digest>,
}

/// The stages of the response in the order in which they were entered; what passed over a stage
/// quotes the output of its decision, since nothing above the declared profile is admitted.
/// Implements R-2.4-1.
#[must_use]
pub fn stages(view: &IncidentView) -> Vec<Entered> {
    let local = view.measures.values().map(|m| (Stage::LocalDegradation, &m.commanded, None));
    let drafts = view.drafts.iter().filter_map(|d| {
        let stage = match d.measure.as_ref()?.choice {
            Choice::ProtocolSafeMode => Stage::ProtocolSafeMode,
            Choice::ScopedProtocolHalt | Choice::Quarantine => Stage::ScopedHalt,
            Choice::EmergencyRestriction => Stage::EmergencyRestriction,
            Choice::RecoveryMode => Stage::ReplayOrRebuild,
            Choice::ObserveOnly | Choice::LocalDegraded | Choice::LocalServiceHalt => return None,
        };
        (d.draft != DraftKind::Lift).then_some((stage, &d.mark, d.decision))
    });
    let replay = view.replay.iter().map(|r| (Stage::ReplayOrRebuild, &r.mark, None));
    let back = view.restarts.values().filter_map(|r| r.carried.as_ref());
    let back = back.map(|mark| (Stage::ControlledReenable, mark, None));
    let mut all: Vec<_> = local.chain(drafts).chain(replay).chain(back).collect();
    all.sort_by_key(|(_, mark, _)| mark.index);
    let mut entered: Vec<Entered> = Vec::new();
    for (stage, mark, decision) in all {
        if entered.last().is_some_and(|last| last.stage == stage) {
            continue;
        }
        let contains = stage <= Stage::EmergencyRestriction;
        let seen = |s: &Stage| entered.iter().any(|e| e.stage == *s);
        let below = Stage::ALL.iter().copied().filter(|s| contains && *s < stage && !seen(s));
        let jumped = below.collect();
        entered.push(Entered { stage, mark: mark.clone(), jumped, decision });
    }
    entered
}

/// Scopes that were recorded at a position of the log.
#[must_use]
pub fn scopes_at(view: &IncidentView, index: u64) -> &[String] {
    let before = view.scopes_since.iter().rev().find(|(from, _)| *from <= index);
    before.map_or(&[], |(_, scopes)| scopes)
}

fn references(view: &IncidentView) -> Vec<(u64, String)> {
    let said = |kind: &str| {
        let kind = kind.to_owned();
        view.entries.iter().filter(move |e| e.kind == kind).map(|e| e.index)
    };
    let first = said("evidence.pinned").chain(said("evidence.collected")).next();
    let index = first.unwrap_or(view.opened.index);
    let held = view.evidence.iter().flat_map(|(item, r)| r.held.iter().map(move |d| (item, d)));
    held.map(|(item, d)| (index, format!("{item}: {} ({} bytes)", d.hash, d.size))).collect()
}

fn objects(state: &State, view: &IncidentView) -> AuditItem {
    let mut said: Vec<_> = view
        .drafts
        .iter()
        .map(|d| {
            let found = state.in_force().into_iter().find(|r| r.object == d.object);
            let fate = found.map_or_else(
                || "not seen in finalized state".to_owned(),
                |r| format!("finalized, in force since height {}", r.since),
            );
            (d.mark.index, format!("draft {} ({:?}): {fate}", d.object, d.draft))
        })
        .collect();
    for (name, measure) in facts::protocol_measures(state, view) {
        said.push((view.opened.index, format!("{name}: {measure}")));
    }
    for (by, manifest) in &view.accepted {
        said.push((view.opened.index, format!("restart manifest {manifest} accepted by {by}")));
    }
    let owed = !view.drafts.is_empty();
    item(7, "protocol objects used for restriction or recovery", owed, said)
}

fn replays(view: &IncidentView) -> Vec<(u64, String)> {
    let mut said: Vec<_> = view
        .replay
        .iter()
        .map(|r| {
            let report = r.report;
            let line = format!(
                "replay {report}: {:?} by {} from height {}",
                r.verdict,
                r.families.join(", "),
                r.checkpoint.height
            );
            (r.mark.index, line)
        })
        .collect();
    if let Some(recovery) = &view.recovery {
        let index = last_of(view, "recovery.recorded");
        said.push((index, format!("recovery: {}", recovery.statement)));
    }
    said
}

fn last_of(view: &IncidentView, kind: &str) -> u64 {
    let found = view.entries.iter().rev().find(|e| e.kind == kind);
    found.map_or(view.opened.index, |e| e.index)
}

fn restarted(view: &IncidentView) -> Vec<&String> {
    view.plan.iter().flat_map(|p| &p.subsystems).collect()
}

fn restarts(view: &IncidentView) -> Vec<(u64, String)> {
    let decided =
        view.restarts.iter().filter_map(|(name, r)| r.decided.as_ref().map(|m| (name, r, m)));
    decided
        .map(|(name, r, mark)| {
            let criteria: Vec<_> = r.criteria.keys().map(String::as_str).collect();
            let by: Vec<_> = r.criteria_by.iter().map(String::as_str).collect();
            let line = format!(
                "{name}: {} signed by {}; decided by {}",
                criteria.join(" "),
                by.join(", "),
                who(mark)
            );
            (mark.index, line)
        })
        .collect()
}

fn postmortem_owed(view: &IncidentView) -> bool {
    view.peak() >= Severity::Sev4Critical
        && matches!(
            view.state,
            IncidentState::PostmortemPending | IncidentState::PostmortemPublished
        )
}

/// The hash once published; before that, when it is due (D-114).
fn postmortem(view: &IncidentView) -> Vec<(u64, String)> {
    if let Some(p) = &view.postmortem {
        let line = format!("postmortem {} published by {}", p.document, who(&p.mark));
        return vec![(p.mark.index, line)];
    }
    let due = view.due.map(|due| (last_of(view, "state.moved"), format!("due {due}")));
    due.into_iter().collect()
}

/// Operational failures that the log shows (D-054, D-113): what was waived, who was missing, what
/// one person did alone, what a pin lost, and what was tried and refused after a restart of a node
/// without receipt. Implements R-6.3-1 and R-32.2-1.
#[must_use]
pub fn failures(state: &State, view: &IncidentView) -> Vec<String> {
    let mut lines = Vec::new();
    for (item, end) in evidence::states(view) {
        if let ItemState::Unavailable { reason, .. } = end
            && !item.row().qualified
        {
            lines.push(format!("{item} was waived as unavailable: {reason}"));
        }
    }
    for dropped in &view.dropped {
        lines.push(format!(
            "{} pieces of {} were not kept within {} bytes",
            dropped.pieces.len(),
            dropped.scope,
            dropped.budget
        ));
    }
    for (gate, index) in &view.unrecorded_restarts {
        lines.push(format!(
            "unrecorded_restart: {gate} was started anew before its node was preserved, entry {index}"
        ));
    }
    let triaged = view.moves.iter().any(|m| m.to == IncidentState::Triaged);
    if view.peak() >= Severity::Sev3High && triaged && view.holder(Role::AuditScribe).is_none() {
        lines.push("no Audit Scribe was named".to_owned());
    }
    lines.extend(late(state, view));
    lines.extend(gaps(view));
    lines
}

/// Targets of D-045 that were missed, measured from the log.
fn late(state: &State, view: &IncidentView) -> Vec<String> {
    let target = state.policy.as_ref().and_then(|p| p.targets.get(&view.peak()));
    let Some(target) = target else { return Vec::new() };
    let reached = |to: IncidentState| {
        let moved = view.moves.iter().find(|m| m.to == to);
        moved.map(|m| m.mark.at.ms_since(view.opened.at))
    };
    let steps = [
        ("triage", IncidentState::Triaged, target.triage_ms),
        ("containment", IncidentState::Stabilized, target.contain_ms),
    ];
    let missed = steps.into_iter().filter_map(|(name, to, ms)| {
        let took = reached(to)?;
        let limit = i64::try_from(ms).unwrap_or(i64::MAX);
        (took > limit).then(|| format!("{name} took {took} ms, the target is {ms} ms"))
    });
    missed.collect()
}

/// Gaps of the audit trail that stood when somebody tried to close, filled since or not; and those
/// of a critical incident that is closed (32.2).
fn gaps(view: &IncidentView) -> Vec<String> {
    let gap = |a: &crate::view::AttemptRecord| {
        let gap = a.audit_gap.as_ref()?;
        Some(format!("entry {}: closing was tried with a gap in the audit trail: {gap}", a.index))
    };
    let mut gaps: Vec<_> = view.attempts.iter().filter_map(gap).collect();
    if !view.is_open() && view.peak() >= Severity::Sev4Critical {
        let missing = facts::audit_missing(view);
        gaps.extend(missing.into_iter().map(|what| format!("the audit trail lacks {what}")));
    }
    gaps
}
