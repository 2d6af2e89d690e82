//! Ledger before act, restarts at every boundary, repeats, and consequences by rule.

use azir_ledger::{Digest, Entry};
use azir_model::lifecycle::ContainingCause;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, IncidentState as S, RefusalKind as K, Role, Severity};

use crate::Body;
use crate::body::{IncidentOpened, NoteAdded, SeverityChanged};
use crate::engine::{Effect, Engine, Input};
use crate::testing::{NODES, Stage, among, at, only, opening, person};

fn appended(effects: &[Effect]) -> &Entry {
    match effects {
        [Effect::Append(entry)] => entry,
        other => panic!("an accepted event gives one append and nothing else: {other:?}"),
    }
}

/// Ledger before act: no answer and no order leaves before the entry is durable; after a failed
/// append nothing leaves at all.
#[test]
fn nothing_leaves_before_the_entry_is_durable() {
    let mut stage = at(S::Containing);
    let body = Body::MeasureCommanded(crate::body::MeasureCommanded {
        measure: "m9".to_owned(),
        ..stage.measure("n1")
    });
    let signed = stage.by(Role::OnCallOperator, &body);
    let hash = signed.hash();
    let now = stage.now;
    let submit = |stage: &mut Stage, signed| {
        stage.engine.step(now, Input::Submit(Box::new(signed)), &stage.vault)
    };
    let first = submit(&mut stage, signed.clone());
    let index = appended(&first).meta.index;
    let again = submit(&mut stage, signed.clone());
    assert!(again.is_empty(), "the repeat is not answered before the first is durable");
    assert!(stage.engine.step(now, Input::Durable(index), &stage.vault).is_empty());
    assert!(stage.engine.step(now, Input::Tick, &stage.vault).is_empty());
    let released = stage.engine.step(now, Input::Durable(index + 1), &stage.vault);
    let replies = released.iter().filter(
        |e| matches!(e, Effect::Reply { event, outcome: Ok(i) } if *event == hash && *i == index),
    );
    assert_eq!(replies.count(), 2, "both are answered with the one position");
    let closes: Vec<_> = released.iter().filter(|e| matches!(e, Effect::Close(_))).collect();
    assert_eq!(closes.len(), 1);
    assert!(stage.engine.step(now, Input::Durable(index + 1), &stage.vault).is_empty());
    // A host that could not store the entry opens the log again: the order never existed.
    let reopened = at(S::Containing);
    assert!(!reopened.view().measures.contains_key("m9"));
}

/// R-7.2-2: the same entries give an equal state and the same view hashes, at every boundary.
#[test]
fn a_stop_at_any_event_boundary_loses_nothing() {
    let whole = at(S::PostmortemPublished);
    let ids: std::collections::BTreeSet<_> =
        whole.entries.iter().filter_map(|e| e.signed.event().subject).collect();
    assert_eq!(ids.len(), 1, "one id from the first event to the last");
    let mut live = Engine::new(whole.engine.log(), whole.engine.mode());
    for (n, entry) in whole.entries.iter().enumerate() {
        live.load(entry).unwrap();
        if n % 7 == 0 || n + 1 == whole.entries.len() {
            let mut again = Engine::new(whole.engine.log(), whole.engine.mode());
            for earlier in &whole.entries[..=n] {
                again.load(earlier).unwrap();
            }
            assert_eq!(again.state(), live.state());
        }
        if let Some(view) = entry.signed.event().subject.map(azir_model::IncidentId) {
            assert_eq!(live.state().incidents[&view].hash().unwrap(), entry.meta.view);
        }
    }
    assert_eq!(live.state(), whole.state());
}

#[test]
fn a_repeated_accepted_event_returns_the_first_result() {
    let mut stage = at(S::Detected);
    let body = Body::NoteAdded(NoteAdded { text: "once".to_owned() });
    let signed = stage.by(Role::IncidentReporter, &body);
    let first = stage.submit(signed.clone()).unwrap();
    let size = stage.state().size;
    assert_eq!(stage.submit(signed).unwrap(), first);
    assert_eq!(stage.state().size, size);
}

/// R-7.2-4: the same record sent by somebody else, later, returns the same incident.
#[test]
fn a_repeated_opening_record_returns_the_same_incident() {
    let mut stage = at(S::Containing);
    let (opened, id) = opening(IncidentClass::Consensus, Severity::Sev4Critical);
    assert_eq!(stage.incident, Some(id));
    let size = stage.state().size;
    let signed = stage.by(Role::IncidentReporter, &Body::IncidentOpened(opened.clone()));
    let first = stage.view().opened.index;
    assert_eq!(stage.submit(signed).unwrap(), first);
    assert_eq!(stage.state().size, size, "the log does not grow");
    // Another record under that id is no repeat, and a stranger gets no answer.
    let mut other = opened.clone();
    other.record.severity = Severity::Sev5Systemic;
    let refusal = stage.refused(Role::IncidentReporter, &Body::IncidentOpened(other));
    assert!(refusal.has(K::InvalidSchema));
    let stranger = stage.event("operator:zoe", Some(Role::IncidentReporter), &body_of(&opened));
    only(&stage.submit(Stage::sign(&stranger)).unwrap_err(), K::UnknownActor, "zoe");
}

fn body_of(opened: &IncidentOpened) -> Body {
    Body::IncidentOpened(opened.clone())
}

/// R-5.1-14: two people who saw the same: one act counts, the other is stale.
#[test]
fn two_people_on_one_basis_cannot_both_succeed() {
    let mut stage = at(S::Stabilized);
    let wider = |stage: &Stage, role| {
        let mut body = stage.moves(S::Containing);
        if let Body::StateMoved(moved) = &mut body {
            let event = *stage.state().accepted.keys().next().unwrap();
            moved.cause =
                Some(crate::body::MoveCause { kind: ContainingCause::WiderDecision, event });
            moved.reason = Some("wider".to_owned());
        }
        stage.by(role, &body)
    };
    let (one, two) = (wider(&stage, Role::OnCallOperator), wider(&stage, Role::IncidentCommander));
    // The on-call of this incident is nobody in particular: ana acts.
    stage.submit(one).unwrap();
    let refusal = stage.submit(two).unwrap_err();
    among(&refusal, K::StaleView, "is newer than what the author had seen");
}

/// R-5.1-14: an act between reading and moving makes the reading stale, even in the same state.
#[test]
fn a_move_quotes_the_newest_act() {
    let mut stage = at(S::Detected);
    stage.prepare_triage();
    let body = stage.moves(S::Triaged);
    let early = stage.by(Role::IncidentCommander, &body);
    let raised = SeverityChanged { severity: Severity::Sev5Systemic, reason: "worse".to_owned() };
    stage.act(Role::OnCallOperator, &Body::SeverityChanged(raised));
    only(&stage.submit(early).unwrap_err(), K::StaleView, "is newer");
    let mut blind =
        stage.event(&person(Role::IncidentCommander), Some(Role::IncidentCommander), &body);
    blind.basis = None;
    only(&stage.submit(Stage::sign(&blind)).unwrap_err(), K::StaleView, "is newer");
    stage.act(Role::IncidentCommander, &body);
}

/// R-5.1-12: damage again sends the incident back to CONTAINING by rule, and names its cause; what
/// the earlier round proved is void.
#[test]
fn a_relapse_needs_no_person() {
    for state in [S::Stabilized, S::Recovering, S::Monitoring] {
        let mut stage = at(state);
        let observed = Body::NetworkObserved(stage.observation("n1", 3));
        let event = stage.machine("agent:n1", &observed);
        let view = stage.view();
        assert_eq!(view.state, S::Containing, "from {state}");
        let moved = &stage.entries.last().unwrap().signed;
        assert_eq!(moved.event().actor, "server:a");
        assert_eq!(moved.event().body["cause"]["event"], event.to_string());
        assert_eq!(moved.event().body["cause"]["kind"], "relapse");
        assert!(view.plan.is_none() && view.recovery.is_none() && view.review.is_none());
        assert!(view.replay.is_none() && !crate::status::is_disputed(at(S::Monitoring).view()));
        assert!(crate::status::is_disputed(view));
        assert!(view.restarts.values().all(|r| r.decision.is_none() && r.carried.is_none()));
    }
    let mut stage = at(S::Containing);
    stage.observe(3);
    assert_eq!(stage.view().moves.len(), at(S::Containing).view().moves.len());
}

/// R-5.1-12: a gate that opens although nobody decided its restart is a lost measure.
#[test]
fn a_lost_measure_sends_the_incident_back() {
    let mut stage = at(S::Stabilized);
    stage.gate("n2", NodeRole::Proposer, true);
    assert_eq!(stage.view().state, S::Containing);
    let moved = stage.entries.last().unwrap().signed.event().clone();
    assert_eq!(moved.body["cause"]["kind"], "lost_measure");
    assert!(stage.view().measures["halt-n2"].is_lost());
    stage.wait(7_200_000);
    stage.observe(0);
    let again = stage.moves(S::Stabilized);
    let refusal = stage.refused(Role::IncidentCommander, &again);
    only(&refusal, K::GuardUnmet, "inforce: missing halt-n2");
    stage.gate("n2", NodeRole::Proposer, false);
    stage.act(Role::IncidentCommander, &again);
}

/// R-5.1-8: a critical incident never rests in CLOSED, not even when the host stops between the
/// closing and what follows from it.
#[test]
fn a_consequence_that_a_stop_cut_off_is_owed_at_the_next_tick() {
    let whole = at(S::PostmortemPending);
    let closed = whole.entries.len() - 1;
    assert_eq!(whole.entries[closed].signed.event().body["to"], "POSTMORTEM_PENDING");
    assert_eq!(whole.entries[closed - 1].signed.event().body["to"], "CLOSED");
    let mut cut = whole.fork();
    cut.entries.truncate(closed);
    let mut cut = cut.fork();
    assert_eq!(cut.view().state, S::Closed);
    cut.tick();
    assert_eq!(cut.view().state, S::PostmortemPending);
    assert!(cut.view().due.is_some());
    let size = cut.state().size;
    cut.tick();
    assert_eq!(cut.state().size, size, "and only once");
    let mut relapsed = at(S::Monitoring);
    relapsed.observe(2);
    relapsed.entries.pop();
    let mut relapsed = relapsed.fork();
    assert_eq!(relapsed.view().state, S::Monitoring);
    relapsed.tick();
    assert_eq!(relapsed.view().state, S::Containing);
}

#[test]
fn an_order_without_acknowledgement_is_sent_again_with_its_fence() {
    let mut stage = at(S::Confirmed);
    stage.obey = false;
    stage.contain();
    assert_eq!(stage.closes.len(), NODES.len());
    let again = stage.fork();
    let resent: Vec<_> = again
        .engine
        .resend()
        .into_iter()
        .map(|e| match e {
            Effect::Close(close) => (close.measure, close.node, close.fence),
            other => panic!("{other:?}"),
        })
        .collect();
    let first: Vec<_> =
        stage.closes.iter().map(|c| (c.measure.clone(), c.node.clone(), c.fence)).collect();
    assert_eq!(resent, first);
    for role in crate::testing::SIGNING {
        stage.gate("n1", role, false);
    }
    assert_eq!(stage.engine.resend().len(), 1, "only n2 has not acknowledged");
}

#[test]
fn the_logs_clock_never_goes_back() {
    let mut stage = at(S::Detected);
    let before = stage.state().clock.unwrap();
    stage.wait(-3_600_000);
    let body = Body::NoteAdded(NoteAdded { text: "early".to_owned() });
    stage.act(Role::IncidentReporter, &body);
    assert_eq!(stage.state().clock, Some(before));
}

#[test]
fn an_unknown_event_hash_is_no_cause() {
    let mut stage = at(S::Stabilized);
    let mut body = stage.moves(S::Containing);
    if let Body::StateMoved(moved) = &mut body {
        let event = Digest::of(b"a rumour");
        moved.cause = Some(crate::body::MoveCause { kind: ContainingCause::Relapse, event });
        moved.reason = Some("rumour".to_owned());
    }
    let refusal = stage.refused(Role::IncidentCommander, &body);
    only(&refusal, K::GuardUnmet, "cause_event");
}

/// A store that fails at its n-th append; whether the entry was stored is unknown.
struct Flaky {
    stored: Vec<Entry>,
    fails_at: usize,
}

impl crate::drive::Keeper for Flaky {
    fn append(&mut self, entry: &Entry) -> Result<(), String> {
        if self.stored.len() == self.fails_at {
            return Err("no space left".to_owned());
        }
        self.stored.push(entry.clone());
        Ok(())
    }

    fn sign(&self, event: &azir_ledger::Event) -> Option<azir_ledger::SignedEvent> {
        Some(Stage::sign(event))
    }
}

/// After a failed append no answer, no order and no consequence leaves; the log opens again as it
/// was before, or with the consequence still owed.
#[test]
fn after_a_failed_append_nothing_leaves() {
    for (fails_at, state) in [(0, S::Monitoring), (1, S::Closed)] {
        let mut stage = at(S::Monitoring);
        stage.prepare_closing();
        let body = stage.moves(S::Closed);
        stage.approve(Role::ConsensusLead, &body);
        let signed = stage.by(Role::IncidentCommander, &body);
        let mut keeper = Flaky { stored: vec![], fails_at };
        let (now, vault) = (stage.now, stage.vault.clone());
        let driven = crate::drive::submit(&mut stage.engine, now, signed, &vault, &mut keeper);
        assert_eq!(driven.failed.as_deref(), Some("no space left"));
        assert!(driven.answer.unwrap_err().has(K::Unavailable) && driven.orders.is_empty());
        stage.entries.extend(keeper.stored.clone());
        let mut again = stage.fork();
        assert_eq!(again.view().state, state);
        let mut keeper = Flaky { stored: vec![], fails_at: usize::MAX };
        let (orders, failed) = crate::drive::tick(&mut again.engine, now, &vault, &mut keeper);
        assert!(orders.is_empty() && failed.is_none());
        let after = if state == S::Closed { S::PostmortemPending } else { state };
        assert_eq!(again.view().state, after);
        assert_eq!(keeper.stored.len(), usize::from(state == S::Closed));
    }
    let mut stage = at(S::Containing);
    let body = Body::MeasureCommanded(crate::body::MeasureCommanded {
        measure: "m9".to_owned(),
        ..stage.measure("n1")
    });
    let signed = stage.by(Role::OnCallOperator, &body);
    let mut keeper = Flaky { stored: vec![], fails_at: 0 };
    let (now, vault) = (stage.now, stage.vault.clone());
    let driven = crate::drive::submit(&mut stage.engine, now, signed.clone(), &vault, &mut keeper);
    assert!(driven.orders.is_empty() && driven.failed.is_some());
    let mut again = stage.fork();
    keeper.fails_at = usize::MAX;
    let driven = crate::drive::submit(&mut again.engine, now, signed, &vault, &mut keeper);
    assert_eq!(driven.orders.len(), 1, "sent again, the order leaves once it is stored");
}
