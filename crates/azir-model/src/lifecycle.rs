//! The life of an incident: 22 transitions, their guards, and who may make them (annex B).
//!
//! [`admit`] answers a request with every unmet condition at once; [`next_allowed`] answers "what
//! may be done now, and why not the rest".

use azir_ledger::{Digest, Timestamp};

use crate::policy::Deployment;
use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::vocab::{IncidentState, Role, Severity};

pub mod facts;
pub mod guard;
pub mod ladder;
mod table;

pub use facts::{
    Cause, Confirmed, Decided, Declared, Facts, Measure, MeasureState, Plan, RecoveryState,
    Resolution, Review, Twin, Watch,
};
pub use guard::Guard;
pub use table::{TransitionId, allowed_for, edge, guards};

wire_enum! {
    /// Why an incident returns to CONTAINING (T-10, T-14, T-16).
    pub enum ContainingCause {
        /// The damage indicator is positive again (D-038).
        Relapse = "relapse",
        /// A measure was lost or expired (D-038, D-089).
        LostMeasure = "lost_measure",
        /// A wider decision was made; only from STABILIZED.
        WiderDecision = "wider_decision",
    }
}

/// A request to move an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The state that the author saw.
    pub from: IncidentState,
    /// The state that is asked for.
    pub to: IncidentState,
    /// Roles in which the author acts; ignored when the server applies a rule.
    pub roles: Vec<Role>,
    /// The server applies a rule (SYS of annex B).
    pub by_system: bool,
    /// The detector that opened the incident withdrew its finding (T-02 by SYS).
    pub detector_cleared: bool,
    /// Reason, where the table asks for one.
    pub reason: Option<String>,
    /// Event that causes a return to CONTAINING.
    pub cause: Option<(ContainingCause, Digest)>,
    /// Report on a failed attempt (T-13).
    pub report: Option<Digest>,
    /// New evidence that reopens (T-21, T-22).
    pub new_evidence: Vec<Digest>,
    /// Due date of the postmortem (T-19).
    pub due: Option<Timestamp>,
}

impl Request {
    /// A request of a person, without reason or attachments.
    #[must_use]
    pub fn by(roles: &[Role], from: IncidentState, to: IncidentState) -> Self {
        Self {
            from,
            to,
            roles: roles.to_vec(),
            by_system: false,
            detector_cleared: false,
            reason: None,
            cause: None,
            report: None,
            new_evidence: Vec::new(),
            due: None,
        }
    }

    /// A request of the server, which applies a rule.
    #[must_use]
    pub fn by_rule(from: IncidentState, to: IncidentState) -> Self {
        Self { by_system: true, ..Self::by(&[], from, to) }
    }
}

/// A transition that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Its id in annex B.
    pub id: TransitionId,
    /// From this state.
    pub from: IncidentState,
    /// To this state.
    pub to: IncidentState,
    /// The transition that the server appends in the same batch: T-19 after T-18 at peak SEV_4 and
    /// above (D-035).
    pub followed_by: Option<TransitionId>,
    /// A small deployment let one person do what two should do (D-048).
    pub self_reviewed: bool,
}

impl Transition {
    fn of(id: TransitionId, facts: &Facts, to: IncidentState) -> Self {
        let closes = id == TransitionId::T18 && facts.peak >= Severity::Sev4Critical;
        Self {
            id,
            from: facts.state,
            to,
            followed_by: closes.then_some(TransitionId::T19),
            self_reviewed: id == TransitionId::T18 && guard::self_reviewed(facts),
        }
    }
}

/// True when an incident may rest in this state for good (annex B, D-035).
#[must_use]
pub fn is_terminal(state: IncidentState, peak: Severity) -> bool {
    match state {
        IncidentState::Closed => peak <= Severity::Sev3High,
        IncidentState::PostmortemPublished => true,
        IncidentState::Detected
        | IncidentState::Triaged
        | IncidentState::Confirmed
        | IncidentState::Containing
        | IncidentState::Stabilized
        | IncidentState::Recovering
        | IncidentState::Monitoring
        | IncidentState::PostmortemPending => false,
    }
}

/// Judges a request to move an incident.
///
/// Implements R-5.1-11, R-5.1-14, R-5.1-15, R-5.2-1, R-5.2-2, R-5.2-3, R-5.2-4.
///
/// # Errors
/// `stale_view` when the author saw another state; `illegal_transition` when annex B has no such
/// edge, or not for this peak and resolution; else all unmet guards, and `not_authorized`.
pub fn admit(facts: &Facts, request: &Request) -> Result<Transition, Refusal> {
    if request.from != facts.state {
        return Err(Refusal::one(
            RefusalKind::StaleView,
            format!("the incident is {}, not {}", facts.state, request.from),
            "5.1, annex B",
            "read the incident again and decide anew",
        ));
    }
    let id = legal(facts, request.to)?;
    let mut unmet: Vec<_> = guards(id, facts.resolution)
        .into_iter()
        .filter_map(|guard| guard.check(facts, request).err())
        .collect();
    if let Err(forbidden) = authorised(id, facts, request) {
        unmet.insert(0, forbidden);
    }
    Refusal::unless_met(unmet)?;
    Ok(Transition::of(id, facts, request.to))
}

/// Every edge out of the present state, with what the facts still lack. What a request brings
/// itself (author, reason, cause event, report, new evidence, due date) is not judged here.
#[must_use]
pub fn next_allowed(facts: &Facts) -> Vec<(Transition, Result<(), Refusal>)> {
    let mut next = Vec::new();
    for to in IncidentState::ALL {
        let Some(id) = edge(facts.state, *to) else { continue };
        let judged = legal(facts, *to).and_then(|id| {
            let unmet = guards(id, facts.resolution)
                .into_iter()
                .filter_map(|guard| guard.check_facts(facts).err())
                .collect();
            Refusal::unless_met(unmet)
        });
        next.push((Transition::of(id, facts, *to), judged));
    }
    next
}

fn legal(facts: &Facts, to: IncidentState) -> Result<TransitionId, Refusal> {
    let found = edge(facts.state, to);
    if let Some(id) = found.filter(|id| allowed_for(*id, facts.peak, facts.resolution)) {
        return Ok(id);
    }
    let others: Vec<_> = IncidentState::ALL
        .iter()
        .filter(|s| {
            edge(facts.state, **s).is_some_and(|id| allowed_for(id, facts.peak, facts.resolution))
        })
        .map(|s| s.as_str())
        .collect();
    let what = match found {
        Some(id) => format!(
            "{id} {} to {to} is not for peak {} and resolution {}",
            facts.state, facts.peak, facts.resolution
        ),
        None => format!("{} to {to}", facts.state),
    };
    let remedy = if others.is_empty() {
        "open a new incident that continues this one (D-038)".to_owned()
    } else {
        format!("from {} go to {}", facts.state, others.join(" or "))
    };
    Err(Refusal::one(RefusalKind::IllegalTransition, what, "5.1, D-036, annex B", remedy))
}

/// The last column of annex B, with D-050 for T-06 and annex C row 30 for T-18. A relapse needs no
/// person: the server makes T-10, T-14 and T-16 by rule. Implements R-5.1-12.
fn authorised(id: TransitionId, facts: &Facts, request: &Request) -> Result<(), Unmet> {
    let may = if request.by_system {
        match id {
            TransitionId::T02 => request.detector_cleared && facts.peak == Severity::Sev0Info,
            TransitionId::T19 => true,
            TransitionId::T10 | TransitionId::T14 | TransitionId::T16 => {
                request.cause.is_none_or(|(cause, _)| cause != ContainingCause::WiderDecision)
            }
            TransitionId::T01
            | TransitionId::T03
            | TransitionId::T04
            | TransitionId::T05
            | TransitionId::T06
            | TransitionId::T07
            | TransitionId::T08
            | TransitionId::T09
            | TransitionId::T11
            | TransitionId::T12
            | TransitionId::T13
            | TransitionId::T15
            | TransitionId::T17
            | TransitionId::T18
            | TransitionId::T20
            | TransitionId::T21
            | TransitionId::T22 => false,
        }
    } else {
        let who = table::who(id, facts);
        request.roles.iter().any(|role| who.contains(role))
    };
    if may {
        return Ok(());
    }
    let who = table::who(id, facts).iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ");
    let by = if request.by_system {
        "the server".to_owned()
    } else {
        request.roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ")
    };
    Err(Unmet::new(
        RefusalKind::NotAuthorized,
        format!("{by} may not make {id}"),
        "6.1, annex B",
        format!("let {who} do it"),
    ))
}

/// True when the policy of D-006 applies small rules.
pub(crate) fn is_small(facts: &Facts) -> bool {
    facts.deployment == Deployment::Small
}

#[cfg(test)]
mod tests;
