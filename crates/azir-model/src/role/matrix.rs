//! Every cell of annex C at work, in every class and severity and in both kinds of deployment, from
//! the data file; and the duties that D-048 keeps apart.

use azir_ledger::Digest;
use serde::Deserialize;

use super::table::Part;
use super::*;
use crate::approval::{GivenApproval, check_second_in};
use crate::policy::Deployment;
use crate::refusal::RefusalKind;

#[derive(Deserialize)]
struct File {
    columns: Vec<Role>,
    rows: Vec<FileRow>,
    apart: Vec<(Duty, Duty)>,
}

#[derive(Deserialize)]
struct FileRow {
    row: u8,
    cells: Vec<Cell>,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../vectors/roles.json")).unwrap()
}

/// Contexts of every class and severity: one strict, and one for each criterion and node role in
/// which everything else that a cell may ask for holds.
fn contexts() -> Vec<Ctx> {
    let mut all = Vec::new();
    for class in IncidentClass::ALL {
        for severity in Severity::ALL {
            let strict = Ctx::new(*class, *severity);
            all.push(strict);
            for (criterion, node_role) in Criterion::ALL.iter().zip(NodeRole::ALL) {
                all.push(Ctx {
                    ic_assigned: false,
                    in_policy: true,
                    delegated: true,
                    profile: Some(Profile::LocalDegraded),
                    node_role: Some(*node_role),
                    criterion: Some(*criterion),
                    key_role: Some(*node_role),
                    ..strict
                });
            }
        }
    }
    all
}

/// What a cell's word allows, said again without the code: may act alone, prepares, or acts with
/// these second people.
fn expected(cell: Cell, act: Act, role: Role, c: &Ctx) -> Permission {
    use Permission as P;
    let one = |role| P::WithSecond(vec![vec![role]]);
    let yes = |condition| if condition { P::May } else { P::Refused };
    let part = act.place().1;
    let (approves, prepares) = (part == Part::Approve, part == Part::Prepare);
    let severe = c.severity >= Severity::Sev4Critical;
    let leads = class::leads(c.class, c.key_role);
    let signing = class::signing_leads(c.class, c.key_role);
    match cell {
        Cell::No | Cell::Derived | Cell::Computes | Cell::StatusClass => P::Refused,
        Cell::May => P::May,
        Cell::Prepares | Cell::PreparesWithIc if prepares => P::Prepares,
        Cell::Prepares | Cell::PreparesWithIc => P::Refused,
        Cell::Approves => yes(approves),
        Cell::Lead => yes(leads.contains(&role)),
        Cell::UntilIc => yes(!c.ic_assigned),
        Cell::Acting => yes(!c.ic_assigned && c.profile == Some(Profile::LocalDegraded)),
        Cell::Policy => yes(c.in_policy),
        Cell::Signs => yes(c.criterion.is_some_and(|k| k.signers_in(c.class).contains(&role))),
        Cell::Measures => yes(c.criterion == Some(Criterion::Telemetry)),
        Cell::Notary => yes(c.node_role == Some(NodeRole::Notary)),
        Cell::Agent => yes(c.node_role == Some(NodeRole::Agent)),
        Cell::CarriesOut => yes(act == Act::CarryOutLift),
        Cell::UpToSev2 => yes(c.severity < Severity::Sev3High),
        Cell::Delegated => yes(c.delegated),
        Cell::CloseLow => yes(act == Act::Close && c.severity < Severity::Sev3High),
        Cell::CloseAny if act != Act::Close => P::Refused,
        Cell::CloseAny if severe => P::WithSecond(vec![signing]),
        Cell::CloseAny if c.severity == Severity::Sev3High => P::WithSecond(vec![LEADS.to_vec()]),
        Cell::CloseAny => P::May,
        Cell::Reviews => yes(approves && (!severe || signing.contains(&role))),
        Cell::Publishes => yes(act == Act::PublishPostmortem),
        Cell::SignsText => yes(act == Act::SignPostmortem),
        Cell::WritesAndSigns => yes(matches!(act, Act::WritePostmortem | Act::SignPostmortem)),
        Cell::WithLead if act == Act::LowerSeverity && !severe => P::May,
        Cell::WithLead if c.severity < Severity::Sev3High => P::May,
        Cell::WithLead => P::WithSecond(vec![leads]),
        Cell::WithScribe => one(Role::AuditScribe),
        Cell::WithCommander => one(Role::IncidentCommander),
        Cell::WithConsensus => one(Role::ConsensusLead),
        Cell::WithSecurity => one(Role::SecurityLead),
        Cell::WithLiaison if approves => one(Role::GovernanceLiaison),
        Cell::WithLiaisonAndConsensus if approves => {
            P::WithSecond(vec![vec![Role::GovernanceLiaison], vec![Role::ConsensusLead]])
        }
        Cell::WithLiaison | Cell::WithLiaisonAndConsensus => P::Refused,
        Cell::WithOther => P::WithSecond(vec![vec![
            Role::IncidentCommander,
            Role::ConsensusLead,
            Role::ExecutionLead,
            Role::GovernanceLiaison,
        ]]),
    }
}

/// R-6.1-1, R-6.1-2, R-6.1-3, R-6.1-4, R-6.1-5, R-6.1-6, R-6.1-7, R-6.1-9, R-6.1-10: each of the
/// 350 cells of the file decides its acts, in every class and severity.
#[test]
fn every_cell_allows_what_its_word_says_and_no_more() {
    let (file, contexts) = (file(), contexts());
    let mut tried = 0;
    for act in Act::ALL {
        let row = file.rows.iter().find(|r| r.row == act.row()).unwrap();
        for (role, cell) in file.columns.iter().zip(&row.cells) {
            for c in &contexts {
                let found = permission(*act, *role, c);
                assert_eq!(found, expected(*cell, *act, *role, c), "{act} {role} {c:?}");
                assert_eq!(permit(*act, *role, c).is_err(), found == Permission::Refused);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 45 * 10 * 11 * 6 * 8);
}

/// R-6.2-1, R-6.2-2: wherever a cell asks for a second person, in a serious deployment it is
/// another person; in a small one the same person's separate approval counts and is marked.
#[test]
fn a_second_person_is_another_person_when_serious_and_marked_when_small() {
    let act = Digest::of(b"act");
    let given = |person: &str, role| GivenApproval { person: person.into(), role, act, index: 1 };
    let mut asked = 0;
    for (named, role) in Act::ALL.iter().flat_map(|a| Role::ALL.iter().map(move |r| (*a, *r))) {
        for c in contexts() {
            let Permission::WithSecond(lists) = permission(named, role, &c) else { continue };
            for needed in &lists {
                assert!(!needed.is_empty(), "{named} {role}: nobody can be the second person");
                asked += 1;
                for deployment in Deployment::ALL {
                    let check = |approvals: &[GivenApproval]| {
                        check_second_in(*deployment, act, needed, approvals, "operator:a")
                    };
                    let alone = check(&[]).unwrap_err();
                    assert_eq!(alone.kind, RefusalKind::SecondPersonRequired);
                    let other = check(&[given("operator:b", needed[0])]).unwrap();
                    assert!(!other.self_reviewed);
                    let own = check(&[given("operator:a", needed[0])]);
                    match deployment {
                        Deployment::Small => assert!(own.unwrap().self_reviewed),
                        Deployment::Serious => assert!(own.is_err(), "{named} {role}"),
                    }
                    let outside = Role::ALL.iter().find(|r| !needed.contains(r)).unwrap();
                    assert!(check(&[given("operator:b", *outside)]).is_err());
                }
            }
        }
    }
    assert!(asked > 1000, "{asked}");
}

/// R-6.2-1, R-6.2-2, R-6.1-8, R-6.1-7: all pairs of duties in both deployments, from the file.
#[test]
fn one_person_joins_exactly_the_duties_that_are_not_kept_apart() {
    let apart = file().apart;
    let listed = |a, b| apart.contains(&(a, b)) || apart.contains(&(b, a));
    assert!(apart.iter().all(|(a, b)| a != b));
    for a in Duty::ALL {
        for b in Duty::ALL {
            assert_eq!(duties_conflict(*a, *b), listed(*a, *b), "{a} {b}");
            let serious = check_separation(Deployment::Serious, "operator:a", &[*a], *b);
            let small = check_separation(Deployment::Small, "operator:a", &[*a], *b);
            assert_eq!(small, Ok(SelfReviewed(listed(*a, *b))), "{a} {b}");
            if listed(*a, *b) {
                assert_eq!(serious.unwrap_err().kind, RefusalKind::RoleConflict, "{a} {b}");
            } else {
                assert_eq!(serious, Ok(SelfReviewed(false)), "{a} {b}");
            }
        }
    }
}
