//! Annex C against its data file, and the conditions that its marks stand for.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct File {
    schema: String,
    columns: Vec<Role>,
    rows: Vec<FileRow>,
}

#[derive(Deserialize)]
struct FileRow {
    row: u8,
    action: String,
    cells: Vec<Cell>,
}

fn ctx() -> Ctx {
    Ctx::new(IncidentClass::Bvm, Severity::Sev3High)
}

fn may(act: Act, ctx: &Ctx) -> Vec<&'static str> {
    let may = Role::ALL.iter().filter(|r| permission(act, **r, ctx) != Permission::Refused);
    may.map(|r| r.as_str()).collect()
}

/// R-6.1-1, R-6.1-10: all 350 cells, from the file to the table and back.
#[test]
fn the_table_and_its_file_agree_cell_by_cell_in_both_directions() {
    let file: File = serde_json::from_str(include_str!("../../vectors/roles.json")).unwrap();
    assert_eq!(file.schema, "azir.vectors.roles/1");
    assert_eq!(file.columns, Role::ALL);
    assert_eq!(file.rows.len(), ROWS.len());
    let mut seen = BTreeSet::new();
    for row in &file.rows {
        let ours = &ROWS[usize::from(row.row) - 1];
        assert_eq!(row.cells.len(), 10, "row {}", row.row);
        assert_eq!((ours.row, ours.action), (row.row, row.action.as_str()));
        for (role, cell) in file.columns.iter().zip(&row.cells) {
            assert_eq!(ours.cells[*role as usize], *cell, "row {} {role}", row.row);
        }
        assert!(seen.insert(row.row));
    }
    for row in &ROWS {
        let theirs = file.rows.iter().find(|r| r.row == row.row).unwrap();
        assert_eq!(theirs.cells, row.cells, "row {}", row.row);
    }
    for cell in Cell::ALL {
        assert!(ROWS.iter().any(|row| row.cells.contains(cell)), "{cell} stands nowhere");
    }
}

/// R-6.1-1: a reporter reports and nothing else.
#[test]
fn a_reporter_opens_attaches_proposes_and_pins_only() {
    let acts: Vec<_> = Act::ALL
        .iter()
        .filter(|act| permission(**act, Role::IncidentReporter, &ctx()) != Permission::Refused)
        .collect();
    assert_eq!(acts, [&Act::OpenOrAttach, &Act::Propose, &Act::PinEvidence]);
}

/// R-6.1-10: machines open, propose and pin; gates only by policy; telemetry is measured.
#[test]
fn a_machine_never_declares_decides_approves_lifts_restarts_closes_or_drafts() {
    let acts = |ctx: &Ctx| {
        let acts = Act::ALL
            .iter()
            .filter(|act| permission(**act, Role::Automatic, ctx) != Permission::Refused);
        acts.copied().collect::<Vec<_>>()
    };
    assert_eq!(acts(&ctx()), [Act::OpenOrAttach, Act::Propose, Act::PinEvidence]);
    let listed = Ctx { in_policy: true, criterion: Some(Criterion::Telemetry), ..ctx() };
    assert_eq!(
        acts(&listed),
        [
            Act::OpenOrAttach,
            Act::Propose,
            Act::PinEvidence,
            Act::DegradeLocally,
            Act::HaltLocally,
            Act::SignCriterion,
            Act::StopReenable
        ]
    );
}

/// R-6.1-7, R-2.1-3, R-11.3-2: nobody submits, and nobody states protocol effect.
#[test]
fn nobody_submits_a_protocol_object_or_states_that_one_is_active() {
    for role in Role::ALL {
        let submit = permit(Act::SubmitProtocolObject, *role, &ctx()).unwrap_err();
        assert_eq!(submit.kind, RefusalKind::ForbiddenPower);
        let state = permit(Act::StateProtocolActive, *role, &ctx()).unwrap_err();
        assert_eq!(state.kind, RefusalKind::LabelUnproven);
    }
}

/// R-6.1-2: the on-call within D-050.
#[test]
fn the_on_call_acts_for_an_absent_commander_within_narrow_limits() {
    let oco = Role::OnCallOperator;
    let absent = |profile| Ctx { ic_assigned: false, profile: Some(profile), ..ctx() };
    let ask = |ctx: &Ctx| permission(Act::DecideContainment, oco, ctx);
    assert_eq!(ask(&absent(Profile::LocalDegraded)), Permission::May);
    assert!(matches!(ask(&absent(Profile::HaltScoped)), Permission::WithSecond(_)));
    assert!(matches!(ask(&Ctx { ic_assigned: false, ..ctx() }), Permission::WithSecond(_)));
    let assigned = Ctx { ic_assigned: true, ..absent(Profile::LocalDegraded) };
    assert_eq!(ask(&assigned), Permission::Refused);
    assert_eq!(permission(Act::AssignRoles, oco, &assigned), Permission::Refused);
    assert_eq!(permission(Act::AssignRoles, oco, &absent(Profile::ObserveOnly)), Permission::May);
}

/// R-6.1-3, R-6.1-6, R-6.1-9: who decides, who revokes with whom, who waives with whom.
#[test]
fn seconds_are_those_of_the_table() {
    let second = |act, role, ctx: &Ctx| match permission(act, role, ctx) {
        Permission::WithSecond(lists) => lists,
        other => panic!("{act} {role}: {other:?}"),
    };
    let (ic, sl) = (Role::IncidentCommander, Role::SecurityLead);
    assert_eq!(may(Act::DecideContainment, &ctx()), ["IC"]);
    assert_eq!(second(Act::WaiveEvidence, ic, &ctx()), [[Role::AuditScribe]]);
    assert_eq!(second(Act::WaiveEvidence, Role::AuditScribe, &ctx()), [[ic]]);
    assert_eq!(second(Act::RevokeOperatorKey, ic, &ctx()), [[sl]]);
    let other = second(Act::RevokeOperatorKey, sl, &ctx());
    assert!(other[0].contains(&ic) && !other[0].contains(&sl));
    assert_eq!(
        second(Act::ApproveNetwork, ic, &ctx()),
        [[Role::GovernanceLiaison], [Role::ConsensusLead]]
    );
    let leads = [vec![Role::ExecutionLead, Role::ConsensusLead]];
    assert_eq!(second(Act::OverrideDecision, ic, &ctx()), leads);
    assert_eq!(permission(Act::LowerSeverity, ic, &ctx()), Permission::May);
    let critical = Ctx { severity: Severity::Sev4Critical, ..ctx() };
    assert_eq!(second(Act::LowerSeverity, ic, &critical), leads);
    assert_eq!(second(Act::PinCheckpoint, ic, &ctx()), [[Role::ConsensusLead]]);
}

/// R-6.1-4, R-6.1-5, R-6.1-6: the leads sign what is theirs.
#[test]
fn leads_confirm_their_class_sign_their_criteria_and_cosign_their_roles() {
    assert_eq!(may(Act::Confirm, &ctx()), ["OCO", "IC", "CL", "EL"]);
    let key =
        Ctx { class: IncidentClass::KeyCompromise, key_role: Some(NodeRole::Notary), ..ctx() };
    assert_eq!(may(Act::Confirm, &key), ["OCO", "IC", "CL", "SL"]);
    let sign = |criterion| may(Act::SignCriterion, &Ctx { criterion: Some(criterion), ..ctx() });
    assert_eq!(sign(Criterion::RootCause), ["CL", "EL"]);
    assert_eq!(sign(Criterion::Replay), ["CL", "EL"]);
    assert_eq!(sign(Criterion::Keys), ["SL"]);
    assert_eq!(sign(Criterion::Restrictions), ["GL"]);
    assert_eq!(sign(Criterion::Telemetry), ["AUT"]);
    assert!(may(Act::SignCriterion, &ctx()).is_empty(), "no criterion, no signature");
    let cosign = |role| may(Act::CosignRestart, &Ctx { node_role: Some(role), ..ctx() });
    assert_eq!(cosign(NodeRole::Notary), ["CL"]);
    assert_eq!(cosign(NodeRole::Agent), ["EL", "SL"]);
    assert!(cosign(NodeRole::Proposer).is_empty());
}

/// R-5.2-4: closing needs more people the higher the peak.
#[test]
fn closing_needs_nobody_else_then_a_second_then_the_lead() {
    for severity in Severity::ALL {
        let ctx = Ctx { severity: *severity, ..ctx() };
        let low = *severity <= Severity::Sev2Medium;
        assert_eq!(may(Act::Close, &ctx), if low { vec!["OCO", "IC"] } else { vec!["IC"] });
        let critical = *severity >= Severity::Sev4Critical;
        let reviewers = if critical { vec!["CL", "EL"] } else { vec!["CL", "EL", "SL", "GL"] };
        assert_eq!(may(Act::ReviewClosure, &ctx), reviewers);
        match permission(Act::Close, Role::IncidentCommander, &ctx) {
            Permission::May => assert!(low),
            Permission::WithSecond(lists) => assert!(!low && lists[0].len() == reviewers.len()),
            Permission::Prepares | Permission::Refused => panic!("{severity}"),
        }
    }
}

/// Stopping takes one person, starting two or more (last line but two of annex C).
#[test]
fn stopping_is_easier_than_starting() {
    assert_eq!(may(Act::HaltLocally, &ctx()), ["OCO", "IC", "CL", "EL", "SL", "RO"]);
    assert_eq!(may(Act::StopReenable, &ctx()), ["OCO", "IC", "CL", "EL", "SL", "RO"]);
    assert_eq!(may(Act::DecideRestart, &ctx()), ["IC"]);
    assert_eq!(may(Act::CarryOutPhase, &ctx()), ["RO"]);
    assert!(conflicts(Role::IncidentCommander, Role::RecoveryOperator));
}

#[test]
fn drafts_are_prepared_by_one_and_approved_by_another() {
    for (draft, approve) in [
        (Act::DraftMeasure, Act::ApproveMeasure),
        (Act::DraftEmergency, Act::ApproveEmergency),
        (Act::DraftNetwork, Act::ApproveNetwork),
        (Act::DraftOwnerPath, Act::ApproveOwnerPath),
        (Act::PreparePlan, Act::ApprovePlan),
    ] {
        for role in Role::ALL {
            let prepares = permission(draft, *role, &ctx());
            let approves = permission(approve, *role, &ctx());
            assert!(matches!(prepares, Permission::Prepares | Permission::Refused), "{draft}");
            assert_eq!(approves != Permission::Refused, *role == Role::IncidentCommander);
        }
        assert!(permit(draft, Role::IncidentCommander, &ctx()).is_err());
    }
    assert_eq!(may(Act::WritePostmortem, &ctx()), ["AS"]);
    assert_eq!(may(Act::PublishPostmortem, &ctx()), ["IC"]);
    assert_eq!(may(Act::SignPostmortem, &ctx()), ["CL", "EL", "SL", "GL", "AS"]);
    assert_eq!(may(Act::LiftLocal, &ctx()), ["IC"]);
    assert_eq!(may(Act::CarryOutLift, &ctx()), ["IC", "RO"]);
    let refusal = permit(Act::LiftLocal, Role::OnCallOperator, &ctx()).unwrap_err();
    assert_eq!(refusal.remedy, "let IC do it");
}
