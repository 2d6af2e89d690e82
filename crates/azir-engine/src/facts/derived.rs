//! Facts of runbooks that follow from gates, listed keys and requested measures.

use std::collections::BTreeMap;

use azir_ledger::Timestamp;
use azir_model::directive::STATEMENT_PERIODS_MAX;
use azir_model::lifecycle::MeasureState;
use azir_model::vocab::NodeRole;
use azir_runbook::FactValue;

use super::protocol_measures;
use crate::state::State;
use crate::view::IncidentView;

/// Which own gates the incident shut, and whether listed keys are out of use.
pub(super) fn gates(state: &State, view: &IncidentView, facts: &mut BTreeMap<String, FactValue>) {
    let mut yes = |name: &str, value: bool| {
        facts.insert(name.to_owned(), FactValue::Bool(value));
    };
    let touched = |wanted: fn(NodeRole) -> bool| {
        view.measures.values().any(|m| m.roles.iter().any(|r| wanted(*r)))
    };
    yes("agent_gates_touched", touched(|role| role == NodeRole::Agent));
    yes("signing_gates_touched", touched(|r| r.signs() && r != NodeRole::Agent));
    let of_this = |key: &_| state.listed_keys.get(key).is_some_and(|l| l.incident == view.id);
    let listed = state.listed_keys.values().any(|l| l.incident == view.id);
    if listed {
        // Every later order carries the list, and no lease is made for a gate that guards one.
        yes("compromised_keys_listed", true);
        let shut = |name: &String| state.gates.get(name).is_some_and(|g| !g.open && g.latched);
        let guards = state.guarding(of_this);
        let mut names = guards.flat_map(|(node, roles)| {
            roles.into_iter().map(move |role| crate::fold::subsystem(&node, role))
        });
        yes("compromised_keys_gated", names.all(|name| shut(&name)));
    }
}

/// Nothing was heard of the network for three lease periods, while a gate still answers (22.1).
/// Implements R-22.1-5.
pub(super) fn silence(state: &State, now: Timestamp, facts: &mut BTreeMap<String, FactValue>) {
    let Some(policy) = &state.policy else { return };
    let longest = policy.leases.incident_ms.saturating_mul(STATEMENT_PERIODS_MAX);
    let longest = i64::try_from(longest).unwrap_or(i64::MAX);
    let fresh = |at: Timestamp| now.ms_since(at) <= longest;
    let heard = state.observations().any(|seen| fresh(seen.mark.at));
    if !heard && state.gates.values().any(|gate| fresh(gate.stated)) {
        facts.insert("telemetry_silent".to_owned(), FactValue::Bool(true));
    }
}

/// Protocol measures that the decision asks for: settled once each is in force or its harm was
/// accepted. Unknown while nothing was decided. Implements R-16.2-6.
pub(super) fn requests(
    state: &State,
    view: &IncidentView,
    facts: &mut BTreeMap<String, FactValue>,
) {
    let Some(decision) = &view.decision else { return };
    let measures = protocol_measures(state, view);
    let settled = decision.residual_accepted
        || measures.values().all(|s| matches!(s, MeasureState::InForce | MeasureState::Ended));
    facts.insert("requested_measures_settled".to_owned(), FactValue::Bool(settled));
    // Where nothing was asked for, nothing is in force and nothing was refused.
    let asked = decision.residual_accepted || !measures.is_empty();
    facts.insert("protocol_request_settled".to_owned(), FactValue::Bool(settled && asked));
    if state.restrictions_known() {
        let owned = state.in_force().into_iter().filter(|r| super::owns(view, r));
        let widest = owned.map(|r| r.capability).max().unwrap_or(0);
        let widest = FactValue::Int(i64::try_from(widest).unwrap_or(i64::MAX));
        facts.insert("scope_capability_in_force".to_owned(), widest);
    }
}
