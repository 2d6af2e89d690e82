//! Closing, review, postmortem, reopening and due dates.

use azir_ledger::Digest;
use azir_model::evidence::Item;
use azir_model::{IncidentState as S, RefusalKind as K, Role};
use serde_json::json;

use crate::body::{Adversarial, MeasureReleased, ReviewSigned};
use crate::testing::{Stage, among, at, kinds, only, with};
use crate::{Body, status};

fn closing(stage: &mut Stage) -> Body {
    let body = stage.moves(S::Closed);
    stage.approve(Role::ConsensusLead, &body);
    body
}

/// R-5.2-4: nobody who commanded or recovered reviews the closure, and without review none closes.
#[test]
fn a_closure_is_reviewed_by_somebody_else() {
    let mut stage = at(S::Monitoring);
    stage.wait(25 * 3_600_000);
    stage.observe(0);
    stage.collect_rest();
    let body = closing(&mut stage);
    only(&stage.refused(Role::IncidentCommander, &body), K::GuardUnmet, "review");
    let review = Body::ReviewSigned(ReviewSigned { finding: "complete".to_owned() });
    let refusal = stage.refused(Role::IncidentCommander, &review);
    among(&refusal, K::RoleConflict, "operator:bogdan");
    only(&stage.refused(Role::SecurityLead, &review), K::NotAuthorized, "review");
    stage.act(Role::ConsensusLead, &review);
    stage.act(Role::IncidentCommander, &body);
}

/// R-5.2-2: one undecided line of the checklist keeps it open; R-9.1-11: so does the watch.
#[test]
fn evidence_and_watch_are_complete_before_closing() {
    let mut stage = at(S::Monitoring);
    let body = closing(&mut stage);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    for guard in ["watch", "evidence: missing", "review"] {
        among(&refusal, K::GuardUnmet, guard);
    }
    stage.prepare_closing();
    let mut short = stage.fork();
    let entries = &mut short.entries;
    let collected = entries.iter().rposition(|e| e.signed.event().kind == "evidence.collected");
    entries.truncate(collected.unwrap());
    let mut short = short.fork();
    let review = Body::ReviewSigned(ReviewSigned { finding: "early".to_owned() });
    short.act(Role::ConsensusLead, &review);
    let items = short.items(&[Item::EvidenceObjects]);
    short.machine("agent:n1", &Body::EvidenceCollected(items));
    let again = closing(&mut short);
    let refusal = short.refused(Role::IncidentCommander, &again);
    only(&refusal, K::GuardUnmet, "evidence: missing replay_traces (no end state)");
    stage.act(Role::IncidentCommander, &body);
}

/// R-5.1-8: nothing that the incident holds outlives it; closing takes two people and ends
/// in POSTMORTEM_PENDING.
#[test]
fn closing_releases_everything_and_takes_two() {
    let mut stage = at(S::Monitoring);
    let more = with(&Body::MeasureCommanded(stage.measure("n1")), "measure", json!("m9"));
    stage.act(Role::OnCallOperator, &with(&more, "roles", json!(["validation"])));
    stage.prepare_closing();
    let body = stage.moves(S::Closed);
    let refusal = stage.refused(Role::IncidentCommander, &body);
    assert_eq!(kinds(&refusal), [K::SecondPersonRequired, K::MeasureActive], "{refusal}");
    among(&refusal, K::MeasureActive, "m9");
    stage.approve(Role::ConsensusLead, &body);
    stage.gate("n1", azir_model::vocab::NodeRole::Validation, true);
    assert_eq!(stage.view().state, S::Containing, "opened without a decision: lost");
    let mut stage = at(S::Monitoring);
    stage.close();
    assert_eq!(stage.view().state, S::PostmortemPending);
}

/// R-5.1-8: what acts on gates or network needs the incident reopened first.
#[test]
fn a_closed_incident_acts_no_more() {
    let mut stage = at(S::PostmortemPending);
    let halt = with(&Body::MeasureCommanded(stage.measure("n1")), "measure", json!("m9"));
    only(&stage.refused(Role::OnCallOperator, &halt), K::GuardUnmet, "open: the incident is");
    let plan = Body::RecoveryPlanned(stage.plan());
    among(&stage.refused(Role::RecoveryOperator, &plan), K::GuardUnmet, "open: the incident is");
    let lift = Body::MeasureReleased(MeasureReleased { measure: "x".into(), reason: "x".into() });
    among(&stage.refused(Role::IncidentCommander, &lift), K::InvalidSchema, "no measure");
    let note = Body::NoteAdded(crate::body::NoteAdded { text: "later".to_owned() });
    stage.act(Role::IncidentReporter, &note);
}

/// R-5.1-9, R-32.1-10: the due date stands in the view, and after it the incident is overdue.
#[test]
fn an_overdue_postmortem_is_listed() {
    let mut stage = at(S::PostmortemPending);
    let due = stage.view().due.unwrap();
    assert!(status::overdue(stage.state(), due).is_empty());
    let late = status::overdue(stage.state(), due.plus_ms(1));
    assert_eq!((late[0].what, late[0].alert), ("postmortem", Role::IncidentCommander));
    let derived = status::derive(stage.state(), due.plus_ms(1));
    assert!(derived.overdue.iter().any(|o| o.what == "postmortem"));
    stage.publish();
    assert!(status::overdue(stage.state(), due.plus_ms(1)).is_empty());
    let fresh = at(S::Detected);
    let target = fresh.state().policy.as_ref().unwrap().targets[&fresh.view().peak()];
    let opened = fresh.view().opened.at;
    let triage = i64::try_from(target.triage_ms).unwrap();
    assert!(status::overdue(fresh.state(), opened.plus_ms(triage)).is_empty());
    assert_eq!(status::overdue(fresh.state(), opened.plus_ms(triage + 1))[0].what, "triage");
}

/// R-33.1-1, R-33.1-2, R-33.1-5, R-33.1-6, R-33.1-8, R-33.1-9, R-33.1-10: each of the ten contents
/// is needed; three signatures; a yes names its fixture.
#[test]
fn each_content_of_a_postmortem_is_needed() {
    let mut stage = at(S::PostmortemPending);
    let whole = stage.written();
    for name in crate::postmortem::CONTENTS {
        for empty in ["", "  ", "none, because", "none, because "] {
            let mut doc = whole.clone();
            doc.contents.insert(name.to_owned(), empty.to_owned());
            let body = Body::PostmortemPublished(stage.publication(&doc));
            let refusal = stage.refused(Role::IncidentCommander, &body);
            among(&refusal, K::PostmortemIncomplete, name);
        }
    }
    let mut doc = whole.clone();
    doc.conformance[0].answer = true;
    let yes = Body::PostmortemPublished(stage.publication(&doc));
    only(&stage.refused(Role::IncidentCommander, &yes), K::PostmortemIncomplete, "fixture");
    let good = stage.publication(&whole);
    let mut lost = good.clone();
    lost.document = Digest::of(b"lost");
    let refusal = stage.refused(Role::IncidentCommander, &Body::PostmortemPublished(lost));
    only(&refusal, K::EvidenceMissing, "postmortem");
    let body = Body::PostmortemPublished(good);
    only(&stage.refused(Role::ConsensusLead, &body), K::NotAuthorized, "publish the postmortem");
    stage.act(Role::IncidentCommander, &body);
    let to = stage.moves(S::PostmortemPublished);
    let refusal = stage.refused(Role::IncidentCommander, &to);
    among(&refusal, K::PostmortemIncomplete, "signature of AS");
    among(&refusal, K::PostmortemIncomplete, "signature of CL");
    let mut early = at(S::Monitoring);
    let refusal = early.refused(Role::IncidentCommander, &body);
    among(&refusal, K::GuardUnmet, "closed: the incident is MONITORING");
}

/// R-33.2-6, R-39.1-1: no kind and no answer is missing unless an adversary is proven.
#[test]
fn kinds_and_answers_are_named() {
    let mut stage = at(S::Recovering);
    let mut cause = stage.cause();
    cause.adversarial = Some(Adversarial::Suspected);
    stage.act(Role::ConsensusLead, &Body::CauseStated(cause));
    let facts = crate::facts::of(stage.state(), stage.view(), stage.now);
    assert_eq!(facts.cause, azir_model::lifecycle::Cause::Bounded);
    let mut stage = at(S::PostmortemPending);
    let whole = stage.written();
    for (n, id) in ["q1", "q2", "q3"].into_iter().enumerate() {
        let mut doc = whole.clone();
        doc.conformance.remove(n);
        let body = Body::PostmortemPublished(stage.publication(&doc));
        only(&stage.refused(Role::IncidentCommander, &body), K::PostmortemIncomplete, id);
    }
    let mut doc = whole.clone();
    let vector = stage.keep("a vector");
    doc.conformance[0].answer = true;
    doc.conformance[0].fixture = Some(vector);
    let body = Body::PostmortemPublished(stage.publication(&doc));
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::PostmortemIncomplete, "no replay report over the fixture");
    let mut cause = stage.cause();
    cause.adversarial = Some(Adversarial::Suspected);
    stage.act(Role::ConsensusLead, &Body::CauseStated(cause));
    let doc = stage.written();
    let body = Body::PostmortemPublished(stage.publication(&doc));
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::PostmortemIncomplete, "no root kind of 33.2");
}

/// R-5.1-13: only new evidence reopens; the second round proves everything anew.
#[test]
fn new_evidence_reopens_and_nothing_else_does() {
    let mut stage = at(S::PostmortemPending);
    let mut body = stage.moves(S::Triaged);
    if let Body::StateMoved(b) = &mut body {
        b.reason = Some("a fourth key".to_owned());
    }
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::EvidenceMissing, "new_evidence");
    let lost = with(&body, "new_evidence", json!([Digest::of(b"lost")]));
    only(&stage.refused(Role::IncidentCommander, &lost), K::EvidenceMissing, "attachment");
    let held = stage.keep("a fourth pair of votes");
    stage.act(Role::IncidentCommander, &with(&body, "new_evidence", json!([held])));
    let view = stage.view();
    assert_eq!((view.state, view.round()), (S::Triaged, 2));
    assert!(view.decision.is_none() && view.review.is_none() && view.recovery.is_none());
    assert!(view.due.is_none());
}

#[test]
fn nothing_leaves_postmortem_published() {
    for to in S::ALL {
        let mut stage = at(S::PostmortemPublished);
        let body = stage.moves(*to);
        let refusal = stage.refused(Role::IncidentCommander, &body);
        assert!(refusal.has(K::IllegalTransition), "{to}: {refusal}");
    }
}

/// R-32.1-1, R-32.1-4, R-32.1-6, R-32.1-8, R-32.1-9: the trail of a closed incident holds who
/// declared what, the evidence, the replay, and criteria with signers for each restarted role.
#[test]
fn the_trail_of_a_closed_incident_is_complete() {
    let stage = at(S::PostmortemPublished);
    let view = stage.view();
    assert_eq!(view.record.id().unwrap(), view.id);
    let decided = view.decision.as_ref().unwrap();
    assert_eq!(decided.mark.by, "operator:bogdan");
    assert!(stage.vault.contains_key(&decided.output));
    for descriptor in view.evidence.values().flat_map(|r| &r.held) {
        assert_eq!(Digest::of(&stage.vault[&descriptor.hash]), descriptor.hash);
    }
    assert!(stage.vault.contains_key(&view.replay.as_ref().unwrap().report));
    assert_eq!(view.restarts.len(), 6);
    for restart in view.restarts.values() {
        assert_eq!(restart.criteria.len(), 7);
        assert!(restart.decided.is_some() && restart.carried.is_some());
    }
    let document = view.postmortem.as_ref().unwrap().document;
    assert!(stage.vault.contains_key(&document));
}
