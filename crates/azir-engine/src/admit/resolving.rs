//! What an incident turns out to be: other severity, other scope, or not real (4, D-030, annex B).

use azir_model::IncidentState;
use azir_model::lifecycle::Resolution;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::role::{LEADS, Permission};

use super::{Context, authority, evidence, opening};
use crate::body::{Assessed, IncidentResolved, ScopeChanged, SeverityCorrected};
use crate::facts;
use crate::view::IncidentView;

/// `reason_required` for an empty text.
fn reason(text: &str, rule: &str, unmet: &mut Vec<Unmet>) {
    if text.trim().is_empty() {
        unmet.push(Unmet::new(RefusalKind::ReasonRequired, "no reason", rule, "say why"));
    }
}

/// `severity.corrected`: two people, and a declaration that exists. Implements R-4.1-4.
pub(super) fn correct(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &SeverityCorrected,
    unmet: &mut Vec<Unmet>,
) {
    reason(&b.reason, "4, D-030", unmet);
    if view.state == IncidentState::PostmortemPublished {
        unmet.push(Unmet::new(
            RefusalKind::AppendOnly,
            "the postmortem is published: its severity does not move",
            "5.1, D-030, D-038",
            "open a new incident that continues this one",
        ));
    }
    let damage = view.network.as_ref().is_some_and(|n| n.newest.damage > 0);
    if b.severity < view.severity && damage {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "quiet: the damage indicator is positive",
            "4, D-030",
            "lower the severity when no damage is seen any more",
        ));
    }
    let second = Permission::WithSecond(vec![LEADS.to_vec()]);
    authority::seconded(cx, &second, &view.approvals, unmet);
    if !view.severities.iter().any(|d| d.mark.index == b.entry && !d.wrong) {
        unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("entry {} declares no severity of this incident", b.entry),
            "4, D-030",
            "name the log index of the declaration that was wrong",
        ));
    }
}

/// `scope.changed`: as in a declaration; with heights it is the published assessment of the blast
/// radius. Implements R-21.2-7.
pub(super) fn scope(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &ScopeChanged,
    unmet: &mut Vec<Unmet>,
) {
    reason(&b.reason, "8.3, D-032", unmet);
    opening::scopes(cx, &b.scopes, unmet);
    opening::blast(&b.blast, &b.scopes, unmet);
    opening::systemic(view, &[], &b.blast, unmet);
    if let Some(assessed) = &b.assessed {
        assessment(cx, view, assessed, unmet);
    }
    if view.declared.is_none() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            "declared: nothing was declared yet",
            "4, D-020",
            "declare class, severity and scope first",
        ));
    }
}

/// Heights that exist, and evidence of this incident by hash, so that what is sealed stays so.
fn assessment(cx: &Context<'_>, view: &IncidentView, b: &Assessed, unmet: &mut Vec<Unmet>) {
    let tip = cx.state.hard_final().map_or(0, |tip| tip.height);
    if b.from > b.to || b.to > tip {
        unmet.push(Unmet::new(
            RefusalKind::NotFinalized,
            format!("heights {} to {}, hard-final is {tip}", b.from, b.to),
            "21.2, annex G",
            "name the first and the last hard-final height that is affected",
        ));
    }
    for piece in &b.evidence {
        evidence::held_here(view, piece, unmet);
    }
}

/// `incident.resolved`: what refutes it is held; the twin exists and is another incident.
/// Implements R-5.1-10.
pub(super) fn resolve(
    cx: &Context<'_>,
    view: &IncidentView,
    b: &IncidentResolved,
    unmet: &mut Vec<Unmet>,
) {
    reason(&b.reason, "5.1, annex B", unmet);
    if let Some(proof) = &b.proof {
        cx.held(proof, "refuting evidence", unmet);
    }
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "5.1, D-037, annex B", remedy));
    };
    match b.resolution {
        Resolution::FalseAlarm if b.proof.is_none() => refuse(
            RefusalKind::EvidenceMissing,
            "no evidence refutes the incident".into(),
            "store the refuting evidence and name its hash",
        ),
        Resolution::Duplicate => match b.twin {
            None => refuse(
                RefusalKind::GuardUnmet,
                "twin: no other incident is named".into(),
                "name the incident about the same event",
            ),
            Some(twin) if twin == view.id => refuse(
                RefusalKind::GuardUnmet,
                "twin: an incident is no duplicate of itself".into(),
                "name another incident",
            ),
            Some(twin) if !cx.state.incidents.contains_key(&twin) => refuse(
                RefusalKind::IdMismatch,
                format!("twin: incident {twin} was never opened in this log"),
                "name an incident of this log",
            ),
            Some(_) => {}
        },
        Resolution::Real
        | Resolution::FalseAlarm
        | Resolution::NoAction
        | Resolution::ObserveOnly => {}
    }
    if b.resolution.is_refuted() {
        let held = facts::held_measures(cx.state, view);
        for name in held {
            refuse(
                RefusalKind::MeasureActive,
                format!("{name} is in force"),
                "lift it, or hand it over, before calling the incident refuted",
            );
        }
    }
}
