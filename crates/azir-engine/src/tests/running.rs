//! Runbook runs in the log: deadlines and ladders that the server records, versions and their
//! review, deviations that keep an incident from closing.

use std::collections::BTreeMap;

use azir_ledger::Digest;
use azir_model::{IncidentState as S, RefusalKind as K, Role, RunbookId};
use azir_runbook::event::{Deviation, EndOutcome, Ended, Migrated, Settled, Started};
use azir_runbook::{RunEvent, Runbook, RunbookHash, StepId};
use serde_json::json;

use crate::body::{Body, BoundRunbook, RunbookReleased};
use crate::facts;
use crate::testing::{Stage, among, at, only, with};

const V1: &str = include_str!("../../../../runbooks/RB-CONSENSUS-001/v1.toml");

const V2: &str = include_str!("../../../../runbooks/RB-CONSENSUS-001/v2.toml");

fn load(text: &str) -> Runbook {
    azir_runbook::load(text, "v.toml").unwrap()
}

/// The second version, with one more text changed. It is free of findings; the first is not.
fn next(from: &str, to: &str) -> String {
    assert!(V2.contains(from), "{from}");
    V2.replacen(from, to, 1)
}

/// A third version, which differs from the second in one text.
fn third(from: &str, to: &str) -> String {
    let (v1, v2) = (load(V1).hash().to_string(), load(V2).hash().to_string());
    next(from, to).replacen("version = 2", "version = 3", 1).replacen(&v1, &v2, 1)
}

fn release(stage: &mut Stage, text: &str) -> Body {
    let book = load(text);
    let object = stage.keep(text);
    let version = u64::from(book.version());
    let runbook = BoundRunbook { id: book.id(), version, hash: book.hash().0, object };
    let previous = book.previous().map(|hash| hash.0);
    let reason = "deadlines as measured in the last drill".to_owned();
    Body::RunbookReleased(RunbookReleased { runbook, previous, reason })
}

/// R-35.2-3: a critical change takes two leads other than its author; R-35.2-2: who wrote it, who
/// approved it and what it follows stay in the log.
#[test]
fn a_changed_action_is_released_only_after_two_other_leads_approved() {
    let mut stage = Stage::begun();
    let body = release(&mut stage, &next("deadline_s = 5 }", "deadline_s = 6 }"));
    let author = Role::ConsensusLead;
    only(&stage.refused(author, &body), K::ReviewRequired, "immediate_actions changed, and 0 of 2");
    stage.approve(author, &body);
    only(&stage.refused(author, &body), K::ReviewRequired, "0 of 2 approved");
    stage.approve(Role::SecurityLead, &body);
    only(&stage.refused(author, &body), K::ReviewRequired, "1 of 2 approved");
    stage.approve(Role::AuditScribe, &body);
    only(&stage.refused(author, &body), K::ReviewRequired, "1 of 2 approved");
    stage.approve(Role::ExecutionLead, &body);
    stage.act(author, &body);
    let known = &stage.state().releases[0];
    assert_eq!(known.approvals.len(), 4);
    assert_eq!(known.released.previous, Some(load(V1).hash().0));
    assert_eq!(stage.state().runbooks.last().unwrap().version, 2);
}

#[test]
fn a_version_with_a_path_that_breaks_a_rule_is_not_released() {
    let mut stage = Stage::begun();
    let body = release(&mut stage, &next("the date and the people of its review, ", ""));
    for role in [Role::SecurityLead, Role::ExecutionLead] {
        stage.approve(role, &body);
    }
    let refusal = stage.refused(Role::ConsensusLead, &body);
    only(&refusal, K::GuardUnmet, "protocol_draft_justified");
}

/// Version 2 is in the log.
fn second(stage: &mut Stage) {
    let body = release(stage, V2);
    for role in [Role::SecurityLead, Role::ExecutionLead] {
        stage.approve(role, &body);
    }
    stage.act(Role::ConsensusLead, &body);
}

#[test]
fn words_alone_need_no_review_and_every_condition_of_a_release_fails_alone() {
    let mut stage = Stage::begun();
    second(&mut stage);
    let words = third("Finality cannot be trusted.", "Finality can not be trusted.");
    let body = release(&mut stage, &words);
    let silent = with(&body, "reason", json!(" "));
    only(&stage.refused(Role::ConsensusLead, &silent), K::ReasonRequired, "no reason");
    among(&stage.refused(Role::AuditScribe, &body), K::NotAuthorized, "AS may not");
    let mut lost = release(&mut stage, &words);
    if let Body::RunbookReleased(b) = &mut lost {
        b.runbook.object = Digest::of(b"nowhere");
    }
    only(&stage.refused(Role::ConsensusLead, &lost), K::EvidenceMissing, "runbook");
    let mut other = release(&mut stage, &words);
    if let Body::RunbookReleased(b) = &mut other {
        b.runbook.object = stage.keep(V1);
    }
    only(&stage.refused(Role::ConsensusLead, &other), K::HashMismatch, "version 1");
    stage.act(Role::OnCallOperator, &body);
}

/// R-35.2-4: the newest version is the one that is followed.
#[test]
fn a_version_that_follows_an_older_one_is_refused() {
    let mut stage = Stage::begun();
    second(&mut stage);
    let first = release(&mut stage, &third("Finality cannot", "Finality can not"));
    stage.act(Role::ConsensusLead, &first);
    let again = release(&mut stage, &third("Finality cannot", "Now finality cannot"));
    let refusal = stage.refused(Role::ConsensusLead, &again);
    only(&refusal, K::VersionConflict, "does not follow the newest (version 3");
    let Body::RunbookReleased(b) = &again else { unreachable!() };
    let renumbered = with(&again, "previous", json!(first_hash(&first)));
    assert_ne!(b.previous, Some(first_hash(&first)));
    among(&stage.refused(Role::ConsensusLead, &renumbered), K::VersionConflict, "in the text");
}

fn first_hash(body: &Body) -> Digest {
    let Body::RunbookReleased(b) = body else { unreachable!() };
    b.runbook.hash
}

fn start(stage: &mut Stage) -> azir_runbook::event::RunId {
    let book = load(V1);
    let started = Started {
        incident: stage.view().id.0,
        runbook: RunbookId::Consensus,
        version: 1,
        runbook_hash: book.hash(),
        mode: crate::testing::MODE.to_owned(),
        ordinal: 1,
    };
    stage.act(Role::OnCallOperator, &Body::Run(RunEvent::Started(started)));
    stage.view().run.head().unwrap().id
}

/// R-34.1-5: the server records a passed deadline and calls the next role, after a restart too.
#[test]
fn passed_deadlines_and_reached_rungs_are_recorded_by_the_server() {
    let mut stage = at(S::Triaged);
    start(&mut stage);
    stage.tick();
    let kinds = |stage: &Stage| {
        let all = stage.entries.iter().map(|e| e.signed.event().kind.clone());
        all.filter(|k| k.starts_with("step.")).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&stage), Vec::<String>::new());
    // Both first steps have five seconds, and their deadlines lead on and then hold.
    stage.wait(6_000);
    let mut stage = stage.fork();
    for _ in 0..6 {
        stage.wait(6_000);
        stage.tick();
    }
    let kinds = kinds(&stage);
    assert_eq!(kinds[..2], ["step.deadline_fired", "step.deadline_fired"], "{kinds:?}");
    assert!(kinds[2..].iter().any(|k| k == "step.escalated"), "{kinds:?}");
    let view = stage.view();
    let held = azir_runbook::status(&view.run, &load(V1));
    assert!(matches!(held, azir_runbook::Status::Held(_)), "{held:?}");
    let escalated = &view.run.step(&StepId::from("close-gates")).unwrap().escalated;
    assert!(escalated.contains("deadline-commander") && escalated.contains("held-lead"));
    stage.tick();
    let again = stage.entries.len();
    stage.tick();
    assert_eq!(stage.entries.len(), again, "each rung is reached once");
}

/// Anti-pattern of runbooks: what was done otherwise than written is settled before closing.
#[test]
fn an_open_deviation_stands_against_closing_until_it_is_settled() {
    let mut stage = at(S::Triaged);
    let run = start(&mut stage);
    let [step, goto] = ["pin-evidence", "close-gates"].map(StepId::from);
    let deviation = Deviation { run, step, goto, rationale: "the disk is full".to_owned() };
    stage.act(Role::IncidentCommander, &Body::Run(RunEvent::Deviation(deviation)));
    let missing = |stage: &Stage| {
        let missing = facts::audit_missing(stage.view());
        missing.iter().any(|m| m == "what becomes of deviation 0 at pin-evidence")
    };
    assert!(missing(&stage));
    let rationale = "the next version pins to the second disk".to_owned();
    let settled = Settled { run, deviation: 0, merged: None, rationale };
    let elsewhere = Settled { merged: Some(RunbookHash(Digest::of(b"x"))), ..settled.clone() };
    let elsewhere = Body::Run(RunEvent::Settled(elsewhere));
    only(&stage.refused(Role::ConsensusLead, &elsewhere), K::VersionConflict, "no released");
    stage.act(Role::ConsensusLead, &Body::Run(RunEvent::Settled(settled)));
    assert!(!missing(&stage));
}

/// R-35.2-1: a run changes its version only with a second signature, to the version bound since.
#[test]
fn a_run_goes_over_to_a_released_version_with_a_second_signature() {
    let mut stage = at(S::Triaged);
    let run = start(&mut stage);
    let text = V2.to_owned();
    let incident = stage.incident.take();
    second(&mut stage);
    stage.incident = incident;
    let bound = stage.state().runbooks.last().unwrap().clone();
    let book = load(&text);
    let migrated = |to: RunbookHash| {
        Body::Run(RunEvent::Migrated(Migrated {
            run,
            from: load(V1).hash(),
            to,
            version: 2,
            map: BTreeMap::new(),
            rationale: "the wording misled us".to_owned(),
        }))
    };
    let early = stage.refused(Role::IncidentCommander, &migrated(book.hash()));
    among(&early, K::VersionConflict, "not what stands here");
    stage.act(Role::OnCallOperator, &Body::RunbookBound(bound));
    let body = migrated(book.hash());
    only(&stage.refused(Role::IncidentCommander, &body), K::SecondPersonRequired, "");
    stage.approve(Role::ConsensusLead, &body);
    stage.act(Role::IncidentCommander, &body);
    assert_eq!(stage.view().run.head().unwrap().started.runbook_hash, book.hash());
    let ended = Ended { run, outcome: EndOutcome::GivenUp, rationale: "x".to_owned() };
    stage.act(Role::IncidentCommander, &Body::Run(RunEvent::Ended(ended)));
}
