//! Public status: derived, never chosen (annex K, D-052, D-110 to D-112), and the finality labels
//! under which anything about the chain may be shown (31.2, D-094).

use azir_ledger::{SeenFinal, Timestamp};
use azir_model::class::ConfirmationKind;
use azir_model::refusal::{Refusal, RefusalKind, Unmet};
use azir_model::vocab::{FinalityLabel, NodeRole};
use azir_model::{Choice, IncidentClass, IncidentId, IncidentState, Role, Severity, class};
use azir_runbook::FactValue;
use serde::{Deserialize, Serialize};

use crate::body::{DraftKind, NetworkObserved, PathVerdict};
use crate::state::{Seen, State};
use crate::view::{IncidentView, MeasureRecord};

/// Without a proof at most this old the status is `degraded` (D-112), in milliseconds.
pub const PROOF_AGE_MS_MAX: i64 = 30_000;

/// Public status classes (31.1), the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusClass {
    /// Fresh positive proof on every check.
    Healthy,
    /// Incident in MONITORING.
    MonitoringAfterRecovery,
    /// Degraded, disputed or stale.
    Degraded,
    /// Recovery under way.
    RecoveryInProgress,
    /// A verified restriction of capability 1 to 3.
    SafeMode,
    /// A verified measure refuses actions in some scope.
    ScopedHalt,
}

impl StatusClass {
    /// Words of 31.1.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::MonitoringAfterRecovery => "monitoring after recovery",
            Self::Degraded => "degraded",
            Self::RecoveryInProgress => "recovery in progress",
            Self::SafeMode => "safe mode",
            Self::ScopedHalt => "scoped halt",
        }
    }
}

azir_model::wire_enum! {
    /// Whether a fact binds this operator's nodes or everybody (11.3, D-066).
    pub enum Label {
        /// Own nodes only.
        LocalOnly = "local_only",
        /// By a finalized object in force.
        ProtocolActive = "protocol_active",
    }
}

/// One fact behind a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The class that this fact alone gives.
    pub class: StatusClass,
    /// True when it counts for own services.
    pub operator: bool,
    /// True when it counts for the network.
    pub network: bool,
    /// What kind of fact, for example `local_service_halt`.
    pub kind: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whom it binds; absent where it binds nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Since when, by the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How it ends (24.3): at will, at a height, by a restart decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// What proves it: entry of the log, or hash of a finalized object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// In words.
    pub text: String,
}

impl Fact {
    fn new(class: StatusClass, axis: Axis, kind: impl Into<String>, text: String) -> Self {
        let (operator, network) = match axis {
            Axis::Operator => (true, false),
            Axis::Network => (false, true),
            Axis::Both => (true, true),
        };
        Self {
            class,
            operator,
            network,
            kind: kind.into(),
            scope: None,
            label: None,
            since: None,
            ends: None,
            incident: None,
            proof: None,
            text,
        }
    }

    fn of(mut self, view: &IncidentView) -> Self {
        self.incident = Some(view.id);
        self
    }
}

/// The two axes, with every fact behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Own services.
    pub operator: StatusClass,
    /// The network; moves only on verified facts (D-111).
    pub network: StatusClass,
    /// The hard-final block that it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_final: Option<SeenFinal>,
    /// Facts, in the order in which they were found.
    pub facts: Vec<Fact>,
    /// Targets and due dates that have passed.
    pub overdue: Vec<Overdue>,
}

/// Derives both axes. Implements the precedence of annex K: R-31.1-1, R-31.1-2, R-31.1-3, R-31.1-4,
/// R-31.1-5 and R-31.1-6.
#[must_use]
pub fn derive(state: &State, now: Timestamp) -> Status {
    let mut facts = Vec::new();
    proof_of_life(state, now, &mut facts);
    for view in state.incidents.values() {
        derive_incident(view, &mut facts);
    }
    restrictions(state, &mut facts);
    governance(state, &mut facts);
    let worst = |counts: fn(&Fact) -> bool| {
        let classes = facts.iter().filter(|f| counts(f)).map(|f| f.class);
        classes.max().unwrap_or(StatusClass::Healthy)
    };
    Status {
        operator: worst(|f| f.operator),
        network: worst(|f| f.network),
        hard_final: shown_final(state),
        overdue: overdue(state, now),
        facts,
    }
}

/// Without a fresh proof nothing is healthy (D-112). Of what own nodes say freshly the worst
/// counts:
/// a chain that does not finalize, certificates that conflict, a store that fails its checksum.
fn proof_of_life(state: &State, now: Timestamp, facts: &mut Vec<Fact>) {
    let newest = state.observations().map(|seen| seen.mark.at).max();
    let age = newest.map(|at| now.ms_since(at));
    if age.is_none_or(|age| age > PROOF_AGE_MS_MAX) {
        let age = age.map_or("no proof yet".to_owned(), |a| format!("newest proof {a} ms old"));
        let text = format!("status_stale: {age}");
        let mut fact = Fact::new(StatusClass::Degraded, Axis::Both, "status_stale", text);
        fact.since = newest;
        facts.push(fact);
    }
    let fresh = |seen: &&Seen<NetworkObserved>| now.ms_since(seen.mark.at) <= PROOF_AGE_MS_MAX;
    for seen in state.observations().filter(fresh) {
        let said = &seen.newest;
        let mut push = |axis, kind: &str, text: String| {
            let mut fact = Fact::new(StatusClass::Degraded, axis, kind, text);
            fact.proof = Some(format!("entry {}", seen.mark.index));
            fact.since = Some(seen.mark.at);
            facts.push(fact);
        };
        if !said.finalizing {
            let text = format!("hard_final does not rise above {}", said.hard_final.height);
            push(Axis::Network, "no_finality", text);
        }
        if said.conflicting_hard_final {
            let text = format!("{} sees two hard-final histories", said.node);
            push(Axis::Network, "finality_disputed", text);
        }
        if !said.store_ok {
            push(Axis::Operator, "store_checksum", format!("the store of {} fails", said.node));
        }
    }
}

/// The hard-final block that may be shown: the newest, or while finality is disputed the lowest
/// trusted checkpoint; nothing where none is pinned (annex K, never rule 1).
#[must_use]
pub fn shown_final(state: &State) -> Option<SeenFinal> {
    let tip = state.hard_final()?;
    if rely_on(state, tip.height).is_ok() {
        return Some(tip);
    }
    let disputed = state.incidents.values().filter(|v| is_disputed(v));
    let trusted: Option<Vec<SeenFinal>> = disputed.map(|v| v.checkpoint).collect();
    trusted?.into_iter().min_by_key(|c| c.height)
}

/// Finalized restrictions count on both axes: they bind own services too (annex K, never rule 3).
fn restrictions(state: &State, facts: &mut Vec<Fact>) {
    let Some(known) = &state.restrictions else { return };
    for r in state.in_force() {
        // Capability 4 refuses actions; 1 to 3 leave a way (annexes D.3 and K).
        let class = if r.capability >= 4 { StatusClass::ScopedHalt } else { StatusClass::SafeMode };
        let owner = state.incidents.values().find(|v| crate::facts::owns(v, r));
        let ends = r.expiry.map_or("by a lift object".to_owned(), |h| format!("at height {h}"));
        let text = format!("{} on {}, protocol active, ends {ends}", r.choice, r.scope);
        let mut fact = Fact::new(class, Axis::Both, r.choice.as_str(), text);
        fact.scope = Some(r.scope.clone());
        fact.label = Some(Label::ProtocolActive);
        fact.since = Some(known.mark.at);
        fact.ends = Some(ends);
        fact.incident = owner.map(|v| v.id);
        fact.proof = Some(r.object.to_string());
        facts.push(fact);
        if let Some(cited) = r.cites.as_ref().filter(|_| owner.is_none()) {
            let text = format!("{} cites incident {cited}, which is not of this log", r.object);
            let mut fact =
                Fact::new(StatusClass::Healthy, Axis::Network, "unmatched_citation", text);
            fact.proof = Some(r.object.to_string());
            facts.push(fact);
        }
    }
}

/// A path that recomputation found wrong is shown and never hidden (20.3, D-090).
fn governance(state: &State, facts: &mut Vec<Fact>) {
    for (path, seen) in &state.governance {
        if seen.newest.verdict == PathVerdict::Regular {
            continue;
        }
        let text = format!("{path} is {}", seen.newest.verdict);
        let mut fact = Fact::new(StatusClass::Degraded, Axis::Network, "governance_path", text);
        fact.scope = Some(path.clone());
        fact.since = Some(seen.mark.at);
        fact.proof = Some(format!("entry {}", seen.mark.index));
        facts.push(fact);
    }
}

/// A target of D-045 or a due date that has passed. Shown, never blocking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// The incident.
    pub incident: IncidentId,
    /// `triage`, `contain` or `postmortem`.
    pub what: &'static str,
    /// When it was due.
    pub due: Timestamp,
    /// Who is alerted next.
    pub alert: Role,
}

impl std::fmt::Display for Overdue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { incident, what, due, alert } = self;
        write!(f, "overdue: {what} of {} was due {due}; alert {alert}", incident.0.short())
    }
}

/// What is overdue now (D-045, D-114). Implements R-5.1-9.
#[must_use]
pub fn overdue(state: &State, now: Timestamp) -> Vec<Overdue> {
    let Some(policy) = &state.policy else { return Vec::new() };
    let mut late = Vec::new();
    for view in state.incidents.values() {
        let target = policy.targets.get(&view.peak());
        let after = |ms: u64| view.opened.at.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        let owed = match view.state {
            IncidentState::Detected => {
                target.map(|t| ("triage", after(t.triage_ms), Role::IncidentCommander))
            }
            IncidentState::Triaged | IncidentState::Confirmed | IncidentState::Containing => {
                target.map(|t| ("contain", after(t.contain_ms), class::row(view.class).lead))
            }
            IncidentState::PostmortemPending => {
                view.due.map(|due| ("postmortem", due, Role::IncidentCommander))
            }
            IncidentState::Stabilized
            | IncidentState::Recovering
            | IncidentState::Monitoring
            | IncidentState::Closed
            | IncidentState::PostmortemPublished => None,
        };
        let passed = owed.filter(|(_, due, _)| now > *due);
        late.extend(passed.map(|(what, due, alert)| Overdue {
            incident: view.id,
            what,
            due,
            alert,
        }));
    }
    late
}

enum Axis {
    Operator,
    Network,
    Both,
}

/// How a local measure ends (24.3, D-082). Implements R-24.3-2.
#[must_use]
pub const fn ends(choice: Choice) -> &'static str {
    match choice {
        Choice::ObserveOnly => "nothing to end",
        Choice::LocalDegraded | Choice::LocalServiceHalt => "by a restart decision",
        Choice::Quarantine => "at will",
        Choice::ProtocolSafeMode | Choice::ScopedProtocolHalt | Choice::EmergencyRestriction => {
            "by expiry or lift object"
        }
        Choice::RecoveryMode => "not reversible",
    }
}

/// What one incident adds: its measures, its state, and what it is about. Implements R-17.2-2 and
/// R-18.2-5.
fn derive_incident(view: &IncidentView, facts: &mut Vec<Fact>) {
    for (name, record) in view.measures.iter().filter(|(_, m)| m.released.is_none()) {
        if record.in_force() {
            facts.push(local(view, name, record));
        }
    }
    let short = view.id.0.short();
    let mut push = |class, axis, kind: &str, text: String, since: Timestamp| {
        let mut fact = Fact::new(class, axis, kind, text).of(view);
        fact.since = Some(since);
        facts.push(fact);
    };
    let entered = view.moves.last().map_or(view.opened.at, |m| m.mark.at);
    match view.state {
        IncidentState::Recovering => {
            let text = format!("incident {short} is RECOVERING{}", phases(view));
            let class = StatusClass::RecoveryInProgress;
            push(class, Axis::Operator, "recovering", text, entered);
        }
        IncidentState::Monitoring => {
            let text = format!("incident {short} is MONITORING");
            let class = StatusClass::MonitoringAfterRecovery;
            push(class, Axis::Operator, "monitoring", text, entered);
        }
        IncidentState::Detected
        | IncidentState::Triaged
        | IncidentState::Confirmed
        | IncidentState::Containing
        | IncidentState::Stabilized
        | IncidentState::Closed
        | IncidentState::PostmortemPending
        | IncidentState::PostmortemPublished => {}
    }
    let watched = view.state == IncidentState::Monitoring;
    if view.is_open() && !watched && view.severity >= Severity::Sev2Medium {
        let on = view.scopes.join(" ");
        let text = format!("incident {short} open at {} on {on}", view.severity);
        push(StatusClass::Degraded, Axis::Operator, "incident", text, view.opened.at);
    }
    if is_disputed(view) {
        let text = format!("finality disputed by verified certificates ({short})");
        push(StatusClass::Degraded, Axis::Network, "finality_disputed", text, view.opened.at);
    }
    economics(view, facts);
}

/// Which roles of the plan are back and which are to come, each with its phase (30.1).
fn phases(view: &IncidentView) -> String {
    let Some(plan) = &view.plan else { return String::new() };
    let is_back = |name: &&String| view.gates.get(*name).is_some_and(|g| g.open);
    let (back, to_come): (Vec<_>, Vec<_>) = plan.subsystems.iter().partition(is_back);
    let named = |names: Vec<&String>| {
        let phase = |name: &String| {
            let role = name.rsplit('/').next().and_then(|r| r.parse::<NodeRole>().ok());
            role.map_or_else(|| name.clone(), |r| format!("{name} in phase {}", r.phase()))
        };
        let names: Vec<_> = names.into_iter().map(phase).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    format!("; back: {}; to come: {}", named(back), named(to_come))
}

/// Economics are not normal while a confirmed fault of them is open, nor once parameters are
/// drafted until a node sees the new ones at hard-final (18.2, annex G). Implements R-18.2-6.
fn economics(view: &IncidentView, facts: &mut Vec<Fact>) {
    let of_kind = |name: &String| {
        let kind = name.parse::<ConfirmationKind>().ok();
        kind.is_some_and(|kind| class::confirms(IncidentClass::Economic, kind))
    };
    let economic = view.duties.contains(&IncidentClass::Economic);
    let confirmed = economic && view.is_open() && view.confirmations.keys().any(of_kind);
    let drafted = view.drafts.iter().any(|d| d.draft == DraftKind::Parameters);
    let active = view.readings.get("patch_active").map(|r| &r.value);
    let refuted = view.resolution.as_ref().is_some_and(|r| r.resolution.is_refuted());
    if !(confirmed || drafted) || refuted || active == Some(&FactValue::Bool(true)) {
        return;
    }
    let text = format!("no fix of incident {} is active at hard-final", view.id.0.short());
    let mut fact = Fact::new(StatusClass::Degraded, Axis::Both, "economics", text).of(view);
    fact.since = Some(view.opened.at);
    facts.push(fact);
}

/// A local measure in force: on the operator axis only, and labelled so (31.2). Implements
/// R-12.1-6 and R-40.0-6.
fn local(view: &IncidentView, name: &str, record: &MeasureRecord) -> Fact {
    let class = match record.choice {
        Choice::LocalDegraded | Choice::Quarantine => StatusClass::Degraded,
        Choice::ObserveOnly
        | Choice::LocalServiceHalt
        | Choice::ProtocolSafeMode
        | Choice::ScopedProtocolHalt
        | Choice::EmergencyRestriction
        | Choice::RecoveryMode => StatusClass::ScopedHalt,
    };
    let roles = record.roles.iter().map(ToString::to_string);
    let what: Vec<_> = roles.chain(record.peers.iter().cloned()).collect();
    let short = view.id.0.short();
    let on = format!("{}/{}", record.node, what.join(","));
    let text = format!("{name}: {} on {on}, local only ({short})", record.choice);
    let mut fact = Fact::new(class, Axis::Operator, record.choice.as_str(), text).of(view);
    fact.scope = Some(format!("node:{}", record.node));
    fact.label = Some(Label::LocalOnly);
    fact.since = Some(record.commanded.at);
    fact.ends = Some(ends(record.choice).to_owned());
    fact.proof = Some(format!("entry {}", record.commanded.index));
    fact
}

/// True while certificates dispute finality and no recovery is done (D-094, D-095). That nothing
/// has to be recovered, as somebody states, ends no dispute before the incident is closed.
#[must_use]
pub fn is_disputed(view: &IncidentView) -> bool {
    let conflict = view.network.as_ref().is_some_and(|n| n.newest.conflicting_slots > 0)
        || view.confirmations.contains_key("conflicting_certificates");
    conflict && view.recovery.as_ref().is_none_or(|r| !r.done) && view.is_open()
}

/// The label under which a block that `found` says of it may be shown. During a dispute nothing
/// above the trusted checkpoint is shown as final. Implements R-14.2-8, R-14.3-3,
/// R-31.2-1.
#[must_use]
pub fn label(state: &State, height: u64, found: FinalityLabel) -> FinalityLabel {
    let disputed = state.incidents.values().filter(|v| is_disputed(v)).any(|view| {
        // Before a checkpoint is pinned nothing that the dispute may touch is called final.
        view.checkpoint.is_none_or(|c| height > c.height)
    });
    match found {
        FinalityLabel::HardFinal | FinalityLabel::SoftFinal if disputed => FinalityLabel::Disputed,
        other => other,
    }
}

/// Whether a relying component (relayer, bridge, exchange) may act on a block as final.
///
/// # Errors
/// `finality_disputed` above the trusted checkpoint while finality is disputed (R-14.2-8).
pub fn rely_on(state: &State, height: u64) -> Result<(), Refusal> {
    if label(state, height, FinalityLabel::HardFinal) == FinalityLabel::HardFinal {
        return Ok(());
    }
    let trusted: Vec<SeenFinal> = state.incidents.values().filter_map(|v| v.checkpoint).collect();
    let up_to = trusted.iter().map(|c| c.height).min();
    let up_to = up_to.map_or("no trusted checkpoint yet".into(), |h| format!("trusted up to {h}"));
    Err(Refusal::one(
        RefusalKind::FinalityDisputed,
        format!("height {height} lies above what is undisputed ({up_to})"),
        "2.1, 31.2, D-094",
        "wait for the recovery, or act only on blocks at or below the trusted checkpoint",
    ))
}

/// Whether these classes may be published now: never better than derived, and the network axis
/// moves only on a verified fact, which a local measure is not (annex K, D-111). Implements
/// R-31.2-2 and R-12.1-6.
///
/// Gives `status_unproven` for each axis that says what no fact shows.
#[must_use]
pub fn may_publish(derived: &Status, operator: StatusClass, network: StatusClass) -> Vec<Unmet> {
    type Counts = fn(&&Fact) -> bool;
    let own: Counts = |f| f.operator;
    let common: Counts = |f| f.network;
    let axes = [
        ("operator", operator, derived.operator, own),
        ("network", network, derived.network, common),
    ];
    let better = axes.into_iter().filter(|(_, said, is, _)| said < is);
    let mut unmet: Vec<_> = better
        .map(|(axis, said, is, counts)| {
            let facts = derived.facts.iter().filter(counts);
            let facts: Vec<_> = facts.map(|f| f.text.as_str()).collect();
            let facts = facts.join("; ");
            unproven(
                format!("{axis} axis: {} is better than {} ({facts})", said.words(), is.words()),
                format!("publish {} or worse", is.words()),
            )
        })
        .collect();
    if network > derived.network {
        unmet.push(unproven(
            format!("network axis: no verified fact makes it {}", network.words()),
            "publish it on the operator axis, or let certificates or two operators show it".into(),
        ));
    }
    unmet
}

/// Words that would call a restriction something else (annex K, never rule 3). Implements R-31.2-3.
#[must_use]
pub fn words(state: &State, text: &str) -> Vec<Unmet> {
    let text = text.to_lowercase();
    let held = |m: &MeasureRecord| m.released.is_none() && m.in_force();
    let local = state.incidents.values().any(|v| v.measures.values().any(held));
    let restricted = local || !state.in_force().is_empty();
    let said = ["maintenance", "upgrade"].into_iter().filter(|word| text.contains(word));
    said.filter(|_| restricted)
        .map(|word| {
            unproven(
                format!("{word:?} while a measure refuses actions"),
                "say what is restricted, where and since when".into(),
            )
        })
        .collect()
}

fn unproven(what: String, remedy: String) -> Unmet {
    Unmet::new(RefusalKind::StatusUnproven, what, "31.2, annex K", remedy)
}
