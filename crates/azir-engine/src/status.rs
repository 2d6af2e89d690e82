//! Public status: derived, never chosen (annex K, D-052, D-110 to D-112), and the finality labels
//! under which anything about the chain may be shown (31.2, D-094).

use azir_ledger::{SeenFinal, Timestamp};
use azir_model::refusal::{Refusal, RefusalKind, Unmet};
use azir_model::vocab::FinalityLabel;
use azir_model::{Choice, IncidentId, IncidentState, Role, Severity, class};
use serde::{Deserialize, Serialize};

use crate::state::State;
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

/// The two axes, with every fact behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Own services.
    pub operator: StatusClass,
    /// The network; moves only on verified facts (D-111).
    pub network: StatusClass,
    /// Facts, one line each.
    pub facts: Vec<String>,
}

/// Derives both axes. Implements the precedence of annex K.
#[must_use]
pub fn derive(state: &State, now: Timestamp) -> Status {
    let mut status =
        Status { operator: StatusClass::Healthy, network: StatusClass::Healthy, facts: vec![] };
    let fresh = state
        .incidents
        .values()
        .filter_map(|v| v.network.as_ref())
        .map(|n| now.ms_since(n.at))
        .min();
    if fresh.is_none_or(|age| age > PROOF_AGE_MS_MAX) {
        let age = fresh.map_or("no proof yet".to_owned(), |a| format!("newest proof {a} ms old"));
        raise(&mut status, StatusClass::Degraded, Axis::Both, format!("status_stale: {age}"));
    }
    for view in state.incidents.values() {
        derive_incident(view, &mut status);
    }
    status.facts.extend(overdue(state, now).iter().map(Overdue::to_string));
    status
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

fn raise(status: &mut Status, class: StatusClass, axis: Axis, fact: String) {
    let (operator, network) = match axis {
        Axis::Operator => (true, false),
        Axis::Network => (false, true),
        Axis::Both => (true, true),
    };
    if operator {
        status.operator = status.operator.max(class);
    }
    if network {
        status.network = status.network.max(class);
    }
    status.facts.push(fact);
}

fn derive_incident(view: &IncidentView, status: &mut Status) {
    let name = view.id.0.short();
    for (measure, record) in view.measures.iter().filter(|(_, m)| m.released.is_none()) {
        if !record.in_force() {
            continue;
        }
        let class = match record.choice {
            Choice::LocalDegraded => StatusClass::Degraded,
            _ => StatusClass::ScopedHalt,
        };
        let fact = format!("{measure}: {} on {}, local only ({name})", record.choice, record.node);
        raise(status, class, Axis::Operator, fact);
    }
    match view.state {
        IncidentState::Recovering => {
            let fact = format!("incident {name} is RECOVERING");
            raise(status, StatusClass::RecoveryInProgress, Axis::Operator, fact);
        }
        IncidentState::Monitoring => {
            let fact = format!("incident {name} is MONITORING");
            raise(status, StatusClass::MonitoringAfterRecovery, Axis::Operator, fact);
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
        let fact = format!("incident {name} open at {}", view.severity);
        raise(status, StatusClass::Degraded, Axis::Operator, fact);
    }
    if is_disputed(view) {
        let fact = format!("finality disputed by verified certificates ({name})");
        raise(status, StatusClass::Degraded, Axis::Network, fact);
    }
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
/// leaves `healthy` only on a verified fact (annex K, D-111). Implements R-31.2-2.
///
/// Gives `status_unproven` for each axis that says what no fact shows.
#[must_use]
pub fn may_publish(derived: &Status, operator: StatusClass, network: StatusClass) -> Vec<Unmet> {
    let axes = [("operator", operator, derived.operator), ("network", network, derived.network)];
    let better = axes.iter().filter(|(_, said, is)| said < is);
    let mut unmet: Vec<_> = better
        .map(|(axis, said, is)| {
            let facts = derived.facts.join("; ");
            unproven(
                format!("{axis} axis: {} is better than {} ({facts})", said.words(), is.words()),
                format!("publish {} or worse", is.words()),
            )
        })
        .collect();
    if derived.network == StatusClass::Healthy && network != StatusClass::Healthy {
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
    let restricted = state.incidents.values().any(|v| v.measures.values().any(held));
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
