//! Atoms of triage and confirmation.

use super::{Guard, Met, given, need, need_kind, nothing_missing};
use crate::class;
use crate::lifecycle::facts::Facts;
use crate::refusal::RefusalKind;
use crate::vocab::{IncidentClass, Role, Severity};

/// `declared`: by On-call or commander, with reason when lower than proposed; observability only
/// stays below SEV_2. Implements R-5.1-2, R-3.1-12.
///
/// # Errors
/// `guard_unmet`; `reason_required` for a lower severity without reason.
pub fn declared(facts: &Facts) -> Met {
    let remedy = "declare class and severity as On-call Operator or Incident Commander";
    let Some(declared) = &facts.declared else {
        return need(false, Guard::Declared, || "nobody declared".into(), remedy);
    };
    let may = matches!(declared.role, Role::OnCallOperator | Role::IncidentCommander);
    need(may, Guard::Declared, || format!("declared by {}", declared.role), remedy)?;
    let observes = declared.class == IncidentClass::ObservabilityOnly;
    need(
        !observes || declared.severity < Severity::Sev2Medium,
        Guard::Declared,
        || format!("reclassify: {} cannot be {}", declared.class, declared.severity),
        "declare a class with operational effect",
    )?;
    let lower = declared.severity < facts.proposed;
    need_kind(
        !lower || given(declared.reason.as_deref()),
        RefusalKind::ReasonRequired,
        Guard::Declared,
        || format!("{} is lower than the proposed {}", declared.severity, facts.proposed),
        "declare again with the reason",
    )
}

/// `scope`: a scope set, empty only at SEV_0, and a blast radius.
///
/// # Errors
/// `guard_unmet`.
pub fn scope(facts: &Facts) -> Met {
    let severity = facts.declared.as_ref().map_or(facts.proposed, |d| d.severity);
    let remedy = "record the affected scopes and the blast radius";
    let scoped = facts.scopes.is_some_and(|n| n > 0 || severity == Severity::Sev0Info);
    let missing: Vec<_> = [("scope set", scoped), ("blast radius", facts.blast.is_some())]
        .into_iter()
        .filter(|(_, met)| !met)
        .map(|(name, _)| name.to_owned())
        .collect();
    nothing_missing(&missing, Guard::Scope, remedy)
}

/// `ic`: a commander from SEV_3 on.
///
/// # Errors
/// `guard_unmet`.
pub fn commander(facts: &Facts) -> Met {
    let declared = facts.declared.as_ref().map_or(facts.proposed, |d| d.severity);
    need(
        facts.commander.is_some() || declared.max(facts.peak) < Severity::Sev3High,
        Guard::Commander,
        || "no Incident Commander at SEV_3 or above".into(),
        "assign an Incident Commander",
    )
}

/// `rb`: the lead runbook bound by id, version and hash.
///
/// # Errors
/// `guard_unmet`.
pub fn runbook(facts: &Facts) -> Met {
    let id = class::runbook(facts.class);
    need(facts.runbook_bound, Guard::Runbook, || format!("{id} is not bound"), "bind a version")
}

/// `confirm`: one verified item of annex N.2 for a class of the incident. Implements R-3.2-3.
///
/// # Errors
/// `guard_unmet`.
pub fn confirm(facts: &Facts) -> Met {
    let confirmed = facts
        .confirmations
        .iter()
        .any(|c| c.verified && facts.classes().any(|class| class::confirms(class, c.kind)));
    need(
        confirmed,
        Guard::Confirm,
        || format!("none of the {} given items confirms", facts.confirmations.len()),
        &format!(
            "verify one of {}",
            class::row(facts.class)
                .confirmations
                .iter()
                .map(|k| k.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    )
}

/// `pin`: from SEV_3, and for consensus and BVM at any severity. Implements R-5.1-3.
///
/// # Errors
/// `guard_unmet`.
pub fn pin(facts: &Facts) -> Met {
    let duty = facts.peak >= Severity::Sev3High
        || facts.classes().any(|c| matches!(c, IncidentClass::Consensus | IncidentClass::Bvm));
    if duty {
        nothing_missing(&facts.pins_missing, Guard::Pin, "pin these items or have them waived")
    } else {
        Ok(())
    }
}
