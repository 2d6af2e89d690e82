//! People answer: roles, class and severity, confirmation, decision, measures.

use azir_engine::Body;
use azir_engine::body::{
    Blast, BlastBasis, BoundRunbook, ConfirmationVerified, DecisionRecorded, DraftKind, DraftMade,
    DraftedMeasure, IncidentDeclared, MeasureCommanded, RoleAccepted, RoleAssigned, StateMoved,
    StatusPublished, applied_of, requested_of, residual_lines,
};
use azir_engine::status::StatusClass;
use azir_ledger::canon;
use azir_model::decision::{self, Input};
use azir_model::emergency::Justification;
use azir_model::vocab::NodeRole;
use azir_model::{
    BlastRank, Choice, IncidentClass, IncidentState, Profile, RefusalKind, Role, Severity,
};

use super::stage::{DETECTOR, Stage};
use super::{DrillError, RunPlan, Way, collect, runbook, situation};

/// Moves the incident.
pub(super) fn go(
    stage: &mut Stage<'_>,
    who: Role,
    to: IncidentState,
    reason: Option<&str>,
) -> Result<(), DrillError> {
    let body = moved(stage, to, reason)?;
    stage.act(who, &body).map(|_| ())
}

pub(super) fn moved(
    stage: &Stage<'_>,
    to: IncidentState,
    reason: Option<&str>,
) -> Result<Body, DrillError> {
    let from = stage.view()?.state;
    let reason = reason.map(str::to_owned);
    Ok(Body::StateMoved(StateMoved { reason, ..StateMoved::new(from, to) }))
}

/// Roles, class, severity, scope and runbook: TRIAGED.
pub(super) fn triage(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let closed = moved(stage, IncidentState::Closed, Some("probably a false alarm"))?;
    stage.must_refuse(
        Role::OnCallOperator,
        &closed,
        RefusalKind::IllegalTransition,
        "Closing the incident right after detection",
        "a systemic incident cannot be dismissed by one tired person",
    )?;
    assign(stage, Role::OnCallOperator, Role::IncidentCommander)?;
    for role in [
        Role::ConsensusLead,
        Role::SecurityLead,
        Role::ExecutionLead,
        Role::GovernanceLiaison,
        Role::RecoveryOperator,
        Role::AuditScribe,
    ] {
        assign(stage, Role::IncidentCommander, role)?;
    }
    let bound = Body::RunbookBound(bound_runbook(stage)?);
    stage.act(Role::OnCallOperator, &bound)?;
    let scopes = stage.view()?.scopes.clone();
    let declared = Body::IncidentDeclared(IncidentDeclared {
        class: IncidentClass::Consensus,
        secondary: vec![],
        severity: Severity::Sev5Systemic,
        scopes,
        blast: Blast { rank: BlastRank::NETWORK, basis: BlastBasis::Measured },
        reason: None,
    });
    stage.approve(Role::IncidentCommander, &declared)?;
    stage.act(Role::OnCallOperator, &declared)?;
    go(stage, Role::IncidentCommander, IncidentState::Triaged, None)?;
    confirm(stage)?;
    runbook::start(stage)?;
    runbook::until(stage, "find-checkpoint", &[])
}

fn assign(stage: &mut Stage<'_>, by: Role, role: Role) -> Result<(), DrillError> {
    let person = stage.person(role)?.id.clone();
    stage.act(by, &Body::RoleAssigned(RoleAssigned { person, role }))?;
    stage.act(role, &Body::RoleAccepted(RoleAccepted { role })).map(|_| ())
}

fn bound_runbook(stage: &Stage<'_>) -> Result<BoundRunbook, DrillError> {
    let first = stage.plane.engine().state().runbooks.first().cloned();
    first.ok_or_else(|| DrillError::script("the log releases no runbook"))
}

/// The detector's proof is checked and recorded: CONFIRMED.
fn confirm(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let draft = Body::DraftMade(DraftMade {
        draft: DraftKind::FraudProof,
        object: super::setup::runbook_object(),
        measure: None,
        justification: None,
        parameters: None,
    });
    stage.must_refuse(
        Role::ConsensusLead,
        &draft,
        RefusalKind::GuardUnmet,
        "Drafting a protocol object before anything is confirmed",
        "requests to the protocol rest on verified objects, not on alarms",
    )?;
    let (_, pair) = stage.pair()?;
    let value = serde_json::to_value(&pair).map_err(DrillError::because)?;
    let object = collect::store_json(stage, &value)?;
    let confirmed = Body::ConfirmationVerified(ConfirmationVerified {
        kind: "conflicting_certificates".to_owned(),
        object,
    });
    stage.machine(&format!("detector:{DETECTOR}"), &confirmed)?;
    go(stage, Role::ConsensusLead, IncidentState::Confirmed, None)
}

/// Decides and contains: CONTAINING, with every measure acknowledged by its gates.
pub(super) fn contain(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    decide(stage, run)?;
    refused_drafts(stage, run)?;
    go(stage, Role::IncidentCommander, IncidentState::Containing, None)?;
    for (_, node) in stage.own_seats() {
        let body = Body::MeasureCommanded(MeasureCommanded {
            measure: format!("halt-{node}"),
            choice: Choice::LocalServiceHalt,
            node: node.clone(),
            roles: vec![NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary],
            peers: vec![],
            reason: "own votes would add to conflicting notarization".to_owned(),
        });
        stage.act(Role::OnCallOperator, &body)?;
    }
    let in_force = stage.view()?.measures.values().all(|m| m.in_force());
    stage.check(
        "decision",
        "every local measure is acknowledged by the gates themselves",
        in_force,
        format!("{} measures", stage.view()?.measures.len()),
    );
    let healthy = Body::StatusPublished(StatusPublished {
        operator: StatusClass::Healthy,
        network: StatusClass::Healthy,
        text: "All systems operational".to_owned(),
        hard_final: None,
        reason: None,
        guidance: None,
    });
    stage.must_refuse(
        Role::IncidentCommander,
        &healthy,
        RefusalKind::StatusUnproven,
        "Publishing \"all systems operational\"",
        "the public reads what is derived from verified facts, not what is hoped",
    )
}

/// Runs the decision function on measured facts and records what it gave.
pub(super) fn decide(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    let input = situation::input(stage, run)?;
    let output = decision::decide(&input);
    let recommended = output.recommended_profile.map_or(Profile::ObserveOnly, |p| p.profile);
    let store = |stage: &mut Stage<'_>, bytes: Result<Vec<u8>, azir_ledger::CanonError>| {
        bytes.map(|b| stage.plane.store(b)).map_err(DrillError::because)
    };
    let input_hash = store(stage, canon::encode::<Input>(&input))?;
    let output_hash = store(stage, canon::encode(&output))?;
    let recorded = DecisionRecorded {
        input: input_hash,
        output: output_hash,
        profile: recommended,
        recommended,
        residual: residual_lines(&output),
        apply: applied_of(&output),
        requested: requested_of(&output),
        observe_only: false,
        residual_accepted: true,
        override_reason: None,
    };
    let dressed = DecisionRecorded { residual: vec![], ..recorded.clone() };
    stage.must_refuse(
        Role::IncidentCommander,
        &Body::DecisionRecorded(dressed),
        RefusalKind::HashMismatch,
        "Recording the decision without its residual harm",
        "a decision in the log is what the function gives for its input, nothing nicer",
    )?;
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(recorded))?;
    judge_decision(stage, run, &output, recommended);
    Ok(())
}

fn judge_decision(
    stage: &mut Stage<'_>,
    run: &RunPlan,
    output: &decision::Output,
    recommended: Profile,
) {
    let applied =
        |role: NodeRole| output.apply_now.iter().any(|o| o.measure.scope.role() == Some(role));
    stage.check(
        "decision",
        "own notary and proposer are stopped locally; no restriction is asked of the protocol",
        applied(NodeRole::Notary)
            && applied(NodeRole::Proposer)
            && output.request.iter().all(|o| o.measure.choice == Choice::RecoveryMode),
        output
            .apply_now
            .iter()
            .map(|o| format!("{} on {}", o.measure.choice, o.measure.scope))
            .collect::<Vec<_>>()
            .join("; "),
    );
    let quarantine = output
        .per_channel
        .iter()
        .flat_map(|c| &c.candidates)
        .find(|c| c.verdict == decision::Verdict::StopsFinality);
    stage.check(
        "decision",
        "quarantine of the three seats is rejected as stops_finality",
        quarantine.is_some_and(|c| c.numbers.seats_after == Some(4)),
        quarantine.map_or("not rejected".into(), |c| {
            format!("{} seats would count, 5 are needed", c.numbers.seats_after.unwrap_or(0))
        }),
    );
    if run.way == Way::SafeRestart {
        stage.check(
            "decision",
            "RP_PROTOCOL_RECOVERY is recommended for two hard-final histories",
            recommended == Profile::ProtocolRecovery,
            recommended.to_string(),
        );
    }
}

fn refused_drafts(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    let object = super::setup::runbook_object();
    let seats = situation::culprits(stage)?;
    let quarantine = Body::DraftMade(DraftMade {
        draft: DraftKind::ProtocolMeasure,
        object,
        measure: Some(DraftedMeasure {
            choice: Choice::Quarantine,
            scope: seats.clone(),
            expiry_s: Some(600),
            review_s: Some(300),
        }),
        justification: None,
        parameters: None,
    });
    stage.must_refuse(
        Role::GovernanceLiaison,
        &quarantine,
        RefusalKind::StopsFinality,
        "Drafting a quarantine of the three culprits",
        "with four of five needed seats left the chain could never finalize again",
    )?;
    let emergency = Body::DraftMade(DraftMade {
        draft: DraftKind::EmergencyRestriction,
        object,
        measure: Some(DraftedMeasure {
            choice: Choice::EmergencyRestriction,
            scope: seats,
            expiry_s: Some(600),
            review_s: None,
        }),
        justification: Some(Justification::default()),
        parameters: None,
    });
    stage.approve(Role::IncidentCommander, &emergency)?;
    stage.must_refuse(
        Role::GovernanceLiaison,
        &emergency,
        RefusalKind::NotEffective,
        "Drafting an emergency restriction while nothing finalizes",
        "no protocol object can take effect, so no governance power is asked for",
    )?;
    let _ = run;
    Ok(())
}

/// Damage stays zero for the window: STABILIZED.
pub(super) fn stabilise(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let early = moved(stage, IncidentState::Stabilized, None)?;
    stage.must_refuse(
        Role::IncidentCommander,
        &early,
        RefusalKind::GuardUnmet,
        "Calling the incident stabilized before the quiet window has passed",
        "\"seems fine now\" is no state",
    )?;
    let window = stage.policy.windows.stab_ms.at(Severity::Sev5Systemic);
    stage.run_slots(window.div_ceil(azir_atlas::SLOT_MS) + 1, "quiet window")?;
    let told = stage.tell_refused_signatures()?;
    stage.check(
        "refused",
        "signing on either branch is refused by the gates",
        told > 0,
        format!("{told} requests refused as gate_closed up to here"),
    );
    for (seat, _) in stage.own_seats() {
        stage.observe(seat)?;
    }
    go(stage, Role::IncidentCommander, IncidentState::Stabilized, None)
}
