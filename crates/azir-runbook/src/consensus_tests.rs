//! The shipped RB-CONSENSUS-001, walked on both ways of its drill; refusals; crash and refold.

use azir_ledger::{Timestamp, canon};
use azir_model::{RecoveryMode, Refusal, RefusalKind, Role, Severity};

use crate::event::*;
use crate::fact::{FactValue, Facts};
use crate::model::*;
use crate::state::{RunState, apply};
use crate::testing::*;
use crate::walk::{Hold, Status, current, deadline, path, status};
use crate::{admit, predicate::Truth};

/// A driver that admits every event before it applies it.
struct Run {
    runbook: Runbook,
    facts: Facts,
    state: RunState,
    log: Vec<Recorded>,
    at_s: i64,
}

impl Run {
    fn new(two_histories: bool) -> Self {
        let (runbook, facts) = (consensus(), drill_facts(two_histories));
        let (state, log) = (RunState::default(), vec![]);
        let mut run = Self { runbook, facts, state, log, at_s: 1000 };
        let start = RunEvent::Started(started(&run.runbook));
        run.ok(Role::OnCallOperator, start);
        run
    }

    fn id(&self) -> RunId {
        run_id(&self.runbook)
    }

    fn try_at(&mut self, at_s: i64, role: Role, event: RunEvent) -> Result<(), Refusal> {
        if let Some(request) = asked(&self.state, &self.runbook, &event, at_s) {
            admit(&self.state, &self.runbook, &request, &self.facts)?;
            apply(&mut self.state, &request);
            self.log.push(request);
        }
        let event = whole(&self.state, &self.runbook, event);
        let record = by(at_s, role, event);
        let before = self.state.clone();
        let told = admit(&self.state, &self.runbook, &record, &self.facts);
        assert_eq!(before, self.state);
        told?;
        apply(&mut self.state, &record);
        self.log.push(record);
        Ok(())
    }

    fn try_(&mut self, role: Role, event: RunEvent) -> Result<(), Refusal> {
        self.at_s += 1;
        self.try_at(self.at_s, role, event)
    }

    fn ok(&mut self, role: Role, event: RunEvent) {
        let what = format!("{event:?}");
        self.try_(role, event).unwrap_or_else(|e| panic!("{what}\n{e}"));
    }

    fn no(&mut self, kind: RefusalKind, role: Role, event: RunEvent) -> Refusal {
        let refusal = self.try_(role, event).unwrap_err();
        assert!(refusal.has(kind), "{refusal}");
        refusal
    }

    fn step(&self) -> Step {
        current(&self.state, &self.runbook).unwrap().clone()
    }

    fn done(&self, step: &Step, attempt: Option<u32>) -> RunEvent {
        let (run, step_id, evidence) = (self.id(), step.id.clone(), present(&step.evidence));
        let outcome = Outcome::Done;
        RunEvent::Finished(Finished { run, step: step_id, attempt, outcome, evidence, note: None })
    }

    /// Does the current step as written, `answer` at decisions.
    fn advance(&mut self, answer: &str) {
        let step = self.step();
        let (run, id) = (self.id(), step.id.as_str());
        match &step.work {
            Work::Auto { op, .. } => {
                self.ok(step.roles[0], intended(run, id, *op, 1));
                self.ok(Role::Automatic, self.done(&step, Some(1)));
            }
            Work::Manual { .. } => self.ok(step.roles[0], self.done(&step, None)),
            Work::Decision { .. } => self.ok(step.roles[0], decided(run, id, answer)),
            Work::Approval { quorum, .. } => {
                for role in &step.roles[..*quorum as usize] {
                    self.ok(*role, decided(run, id, "approve"));
                }
            }
            Work::Check { when, .. } => {
                let outcome = match when.eval(&self.facts).truth {
                    Truth::True => Outcome::Done,
                    Truth::False => Outcome::Failed,
                    Truth::Unknown => Outcome::Unknown,
                };
                self.ok(Role::Automatic, finished(run, id, None, outcome));
            }
            Work::Wait { .. } => self.ok(Role::Automatic, finished(run, id, None, Outcome::Done)),
        }
    }

    /// Walks on until `stop` is current, with the answers of the drill.
    fn until(&mut self, stop: &str, way: &str) {
        while let Some(step) = current(&self.state, &self.runbook) {
            match step.id.as_str() {
                id if id == stop => return,
                "choose-way" => self.advance(way),
                _ => self.advance("adversarial_equivocation"),
            }
        }
        assert_eq!(stop, "", "never reached");
    }

    fn end(&mut self, outcome: EndOutcome) -> Result<(), Refusal> {
        let (run, rationale) = (self.id(), "all done".to_owned());
        self.try_(Role::IncidentCommander, RunEvent::Ended(Ended { run, outcome, rationale }))
    }

    fn walked(&self) -> Vec<String> {
        path(&self.state, &self.runbook).iter().map(ToString::to_string).collect()
    }
}

const FIRST: [&str; 8] = [
    "pin-evidence",
    "close-gates",
    "validation-safe",
    "find-checkpoint",
    "disputed-label",
    "publish-disputed",
    "collect-evidence",
    "double-sign-pair",
];
const REPLAY: [&str; 9] = [
    "freeze-outputs",
    "load-inputs",
    "replay-finalized",
    "compare-roots",
    "replay-branches",
    "revalidate-restrictions",
    "classify",
    "choose-way",
    "",
];
const BACK: [&str; 8] = [
    "ready-to-rejoin",
    "approve-restart",
    "reopen-reading",
    "reopen-verifier",
    "reopen-proposer",
    "reopen-notary",
    "watch-finality",
    "publish-restored",
];

fn expected(way: &[&str]) -> Vec<String> {
    let middle = ["draft-fraud-proof", "blast-radius"];
    let all = FIRST.iter().chain(&middle).chain(&REPLAY[..8]).chain(way).chain(&BACK);
    all.map(|s| (*s).to_owned()).collect()
}

/// R-34.1-2: facts of the five triggers of 14.1 select the runbook, and nothing else does.
#[test]
fn the_triggers_of_section_14_select_the_runbook() {
    let runbook = consensus();
    let ids: Vec<_> = runbook.triggers().iter().map(|t| t.id.clone()).collect();
    assert_eq!(ids.len(), 5);
    let hit = runbook.triggered(&drill_facts(true));
    let hit: Vec<_> = hit.iter().map(|(t, _)| t.id.as_str()).collect();
    assert_eq!(hit, ["conflicting-notarization", "double-signing"]);
    let lag = |n| Facts::from([("hard_final_lag_slots".to_owned(), FactValue::Int(n))]);
    assert_eq!(runbook.triggered(&lag(20)).len(), 0);
    assert_eq!(runbook.triggered(&lag(21))[0].0.id, "no-finality");
}

/// Each minimum action and each replay step is a step with its clause, in order.
#[test]
fn every_minimum_action_and_recovery_goal_is_a_step_with_its_clause() {
    let runbook = consensus();
    let with = |clause: &str| {
        let steps = runbook.steps().iter().filter(|s| s.why.iter().any(|w| w == clause));
        steps.map(|s| s.id.to_string()).collect::<Vec<_>>()
    };
    for id in [
        "pin-evidence",
        "close-gates",
        "validation-safe",
        "replay-finalized",
        "replay-branches",
        "classify",
        "draft-fraud-proof",
        "prepare-emergency",
        "disputed-label",
    ] {
        assert!(with("14.2").contains(&id.to_owned()), "{id}");
    }
    for id in ["find-checkpoint", "replay-branches", "disputed-label", "watch-finality"] {
        assert!(with("14.3").contains(&id.to_owned()), "{id}");
    }
    let steps = with("27.2");
    let order = [
        "find-checkpoint",
        "freeze-outputs",
        "load-inputs",
        "replay-finalized",
        "compare-roots",
        "replay-branches",
        "revalidate-restrictions",
        "ready-to-rejoin",
    ];
    let at = order.map(|id| steps.iter().position(|s| s == id).unwrap());
    assert!(at.windows(2).all(|w| w[0] < w[1]), "{steps:?}");
    let modes: std::collections::BTreeSet<_> =
        runbook.steps().iter().filter_map(|s| s.mode).collect();
    assert!(modes.contains(&RecoveryMode::SpeculativeBranchReset));
    assert!(modes.contains(&RecoveryMode::ProtocolSafeRestart));
    assert_eq!(runbook.severity_min(), Severity::Sev3High);
}

/// The short run of the drill.
#[test]
fn the_short_way_resets_the_branch_and_returns_role_by_role() {
    let mut run = Run::new(false);
    run.until("", "branch_reset");
    let way = ["approve-reset", "reset-branches", "fronts-equal", "propose-seats"];
    assert_eq!(run.walked(), expected(&way));
    assert_eq!(status(&run.state, &run.runbook), Status::Walked);
    run.end(EndOutcome::Completed).unwrap();
    assert_eq!(status(&run.state, &run.runbook), Status::Ended);
    assert!(current(&run.state, &run.runbook).is_none());
}

/// R-14.3-4, R-34.1-7: the long run of the drill; the end needs two epochs of hard-final and equal
/// roots.
#[test]
fn the_long_way_waits_for_the_restart_authority() {
    let mut run = Run::new(true);
    run.until("await-authority", "safe_restart");
    run.facts.insert("restart_manifest_signed".into(), FactValue::Bool(false));
    let id = run.id();
    let early = finished(id, "await-authority", None, Outcome::Done);
    run.no(RefusalKind::GuardUnmet, Role::Automatic, early);
    run.facts.insert("restart_manifest_signed".into(), FactValue::Bool(true));
    run.until("", "safe_restart");
    let way =
        ["replace-seats", "draft-manifest", "approve-manifest", "await-authority", "restart-state"];
    assert_eq!(run.walked(), expected(&way));
    run.facts.insert("hard_final_epochs_advanced".into(), FactValue::Int(1));
    run.facts.insert("roots_equal".into(), FactValue::Bool(false));
    run.facts.remove("old_votes_refused");
    let refusal = run.end(EndOutcome::Completed).unwrap_err();
    let text = refusal.to_string();
    assert!(text.contains("exit: finality-advances") && text.contains("exit: old-votes-refused"));
    assert_eq!(refusal.unmet().len(), 3, "{text}");
    run.facts = drill_facts(true);
    run.end(EndOutcome::Completed).unwrap();
}

/// R-14.3-5: with two hard-final histories the branch reset is not admissible.
#[test]
fn with_two_histories_nobody_may_choose_the_branch_reset() {
    let mut run = Run::new(true);
    run.until("choose-way", "");
    let id = run.id();
    let choice = decided(id, "choose-way", "branch_reset");
    run.no(RefusalKind::GuardUnmet, Role::IncidentCommander, choice);
    run.facts.remove("conflicting_hard_final");
    for answer in ["branch_reset", "safe_restart", "replay_only"] {
        let choice = decided(id, "choose-way", answer);
        let refusal = run.no(RefusalKind::GuardUnmet, Role::IncidentCommander, choice);
        assert!(refusal.to_string().contains("conflicting_hard_final is unknown"), "{refusal}");
    }
}

/// R-14.2-5, R-14.2-9, R-14.2-10, R-14.2-11, R-14.2-12: four answers, each with its proof.
#[test]
fn classification_takes_the_four_words_and_only_with_their_proof() {
    let mut run = Run::new(true);
    run.until("classify", "");
    let (id, lead) = (run.id(), Role::ConsensusLead);
    run.no(RefusalKind::UnknownEnum, lead, decided(id, "classify", "operator_error"));
    let words = [
        ("invalid_object", "object_refused_by_all", true),
        ("local_implementation_divergence", "implementations_differ", true),
        ("genuine_protocol_fault", "rule_named", true),
        ("adversarial_equivocation", "double_sign_pair_verified", true),
    ];
    for (word, fact, value) in words {
        run.facts = drill_facts(true);
        run.facts.insert(fact.into(), FactValue::Bool(!value));
        run.no(RefusalKind::EvidenceUnverified, lead, decided(id, "classify", word));
        run.facts.insert(fact.into(), FactValue::Bool(value));
        let record = by(run.at_s, lead, decided(id, "classify", word));
        admit(&run.state, &run.runbook, &record, &run.facts).unwrap();
    }
    run.facts.insert("implementations_differ".into(), FactValue::Bool(true));
    run.facts.insert("rule_named".into(), FactValue::Bool(true));
    let fault = decided(id, "classify", "genuine_protocol_fault");
    run.no(RefusalKind::EvidenceUnverified, lead, fault);
}

/// Kill at every event boundary: what is read back from canonical bytes folds to the same state,
/// and every intent without result is found.
#[test]
fn a_crash_at_any_event_boundary_resumes_in_the_same_state() {
    for (two_histories, way) in [(false, "branch_reset"), (true, "safe_restart")] {
        let mut run = Run::new(two_histories);
        run.until("", way);
        run.end(EndOutcome::Completed).unwrap();
        let bytes: Vec<_> = run.log.iter().map(|e| canon::encode(e).unwrap()).collect();
        let mut live = RunState::default();
        for (n, event) in run.log.iter().enumerate() {
            apply(&mut live, event);
            let read: Vec<Recorded> =
                bytes[..=n].iter().map(|b| canon::decode(b).unwrap()).collect();
            let resumed = RunState::fold(&read);
            assert_eq!(resumed, live, "after event {n}");
            assert_eq!(current(&resumed, &run.runbook), current(&live, &run.runbook));
            let open = resumed.intents_without_result();
            let intent = matches!(event.event, RunEvent::Intended(_));
            assert_eq!(open.len(), usize::from(intent), "after event {n}");
            // The rest of the run goes on from here as before.
            let rest = run.log[n + 1..].iter().fold(resumed, |mut state, event| {
                admit(&state, &run.runbook, event, &run.facts).unwrap();
                apply(&mut state, event);
                state
            });
            assert_eq!(rest, run.state);
        }
    }
}

#[test]
fn an_intent_without_result_is_uncertain_and_a_person_says_what_became_of_it() {
    let mut run = Run::new(true);
    run.until("close-gates", "");
    let (id, step) = (run.id(), run.step());
    let op = crate::Op::GateClose;
    run.ok(Role::Automatic, intended(id, "close-gates", op, 1));
    assert_eq!(run.state.intents_without_result(), [(step.id.clone(), 1)]);
    let uncertain = RunEvent::Uncertain(Uncertain { run: id, step: step.id.clone(), attempt: 1 });
    run.ok(Role::Automatic, uncertain.clone());
    assert_eq!(status(&run.state, &run.runbook), Status::Uncertain { attempt: 1 });
    run.no(RefusalKind::IllegalTransition, Role::Automatic, uncertain);
    run.no(RefusalKind::GuardUnmet, Role::Automatic, intended(id, "close-gates", op, 2));
    let done = run.done(&step, Some(1));
    let known = run.facts.remove("own_outputs_closed");
    let refusal = run.no(RefusalKind::GuardUnmet, Role::Automatic, done.clone());
    assert!(refusal.to_string().contains("probe: own_outputs_closed"), "{refusal}");
    run.facts.extend(known.map(|fact| ("own_outputs_closed".to_owned(), fact)));
    run.no(RefusalKind::ReasonRequired, Role::OnCallOperator, done.clone());
    let RunEvent::Finished(mut done) = done else { unreachable!() };
    done.note = Some("all four gates show closed on the node".into());
    run.ok(Role::OnCallOperator, RunEvent::Finished(done));
    assert_eq!(run.step().id.as_str(), "validation-safe");
}

#[test]
fn all_unmet_conditions_are_named_at_once() {
    let mut run = Run::new(true);
    run.until("load-inputs", "");
    run.facts.insert("own_outputs_closed".into(), FactValue::Bool(false));
    run.facts.remove("checkpoint_computed");
    let wrong = intended(run.id(), "load-inputs", crate::Op::GateClose, 2);
    let refusal = run.try_(Role::AuditScribe, wrong).unwrap_err();
    for kind in [
        RefusalKind::NotAuthorized,
        RefusalKind::GuardUnmet,
        RefusalKind::InvalidSchema,
        RefusalKind::VersionConflict,
    ] {
        assert!(refusal.has(kind), "{kind}: {refusal}");
    }
    let text = refusal.to_string();
    assert!(text.contains("checkpoint_computed is unknown"), "{text}");
    assert!(text.contains("own_outputs_closed = false"), "{text}");
}

/// R-34.1-3: a false precondition stops the start and is named.
#[test]
fn a_run_starts_once_with_its_preconditions_true_and_under_its_own_hash() {
    let mut run = Run::new(true);
    let start = started(&run.runbook);
    run.no(RefusalKind::IllegalTransition, Role::OnCallOperator, RunEvent::Started(start.clone()));
    let fresh = |facts: &Facts, start: Started| {
        let record = by(1, Role::OnCallOperator, RunEvent::Started(start));
        admit(&RunState::default(), &consensus(), &record, facts)
    };
    let refusal = fresh(&Facts::new(), start.clone()).unwrap_err();
    assert!(refusal.to_string().contains("precondition: incident-open"), "{refusal}");
    let facts = drill_facts(true);
    let other = Started { version: 2, mode: "drill:".into(), ordinal: 0, ..start.clone() };
    let refusal = fresh(&facts, other).unwrap_err();
    assert!(refusal.has(RefusalKind::VersionConflict) && refusal.unmet().len() == 3, "{refusal}");
    fresh(&facts, start).unwrap();
}

/// R-35.2-1: an open run refuses events under another version of its runbook.
#[test]
fn a_run_stays_bound_to_the_version_it_started_with() {
    let mut run = Run::new(true);
    run.runbook = load_ok(&CONSENSUS.replacen("deadline_s = 5 }", "deadline_s = 6 }", 1));
    let event = intended(run_id(&consensus()), "pin-evidence", crate::Op::EvidencePin, 1);
    run.no(RefusalKind::VersionConflict, Role::Automatic, event);
}

/// R-14.2-1: the pin is not done while candidates and committee inputs are missing.
#[test]
fn results_need_their_intent_come_once_and_bring_the_evidence() {
    let mut run = Run::new(true);
    let (id, step) = (run.id(), run.step());
    let pin = crate::Op::EvidencePin;
    let refusal = run.no(RefusalKind::GuardUnmet, Role::Automatic, run_done(&run, &step, 1));
    assert!(refusal.to_string().contains("intent: attempt 1 was not intended"), "{refusal}");
    run.ok(Role::Automatic, intended(id, "pin-evidence", pin, 1));
    run.no(RefusalKind::VersionConflict, Role::Automatic, intended(id, "pin-evidence", pin, 1));
    let bare = finished(id, "pin-evidence", Some(1), Outcome::Done);
    let refusal = run.no(RefusalKind::EvidenceMissing, Role::Automatic, bare);
    assert_eq!(refusal.unmet().len(), step.evidence.len());
    let text = refusal.to_string();
    assert!(text.contains("committee_inputs is") && text.contains("notarization_candidates is"));
    let RunEvent::Finished(mut event) = run.done(&step, Some(1)) else { unreachable!() };
    let na = EvidenceState::NotApplicable { reason: "no peers".into() };
    event.evidence.insert("logs".into(), na.clone());
    let refusal =
        run.no(RefusalKind::EvidenceMissing, Role::Automatic, RunEvent::Finished(event.clone()));
    assert!(refusal.to_string().contains("logs cannot be not applicable"));
    event.evidence = present(&step.evidence);
    let none = EvidenceState::Present { hashes: [].into() };
    event.evidence.insert("logs".into(), none);
    run.no(RefusalKind::EvidenceMissing, Role::Automatic, RunEvent::Finished(event.clone()));
    event.evidence = present(&step.evidence);
    event.evidence.insert("peer_messages".into(), na);
    run.ok(Role::Automatic, RunEvent::Finished(event));
    // The step is left: the same result again is no longer about the current step.
    run.no(RefusalKind::IllegalTransition, Role::Automatic, run_done(&run, &step, 1));
}

fn run_done(run: &Run, step: &Step, attempt: u32) -> RunEvent {
    run.done(step, Some(attempt))
}

#[test]
fn a_failed_attempt_may_be_repeated_as_often_as_written_and_then_the_commander_decides() {
    let mut run = Run::new(true);
    run.until("find-checkpoint", "");
    let (id, op) = (run.id(), crate::Op::CheckpointCompute);
    for attempt in 1..=3 {
        run.ok(Role::Automatic, intended(id, "find-checkpoint", op, attempt));
        let failed = finished(id, "find-checkpoint", Some(attempt), Outcome::Failed);
        run.ok(Role::Automatic, failed);
    }
    assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Failed));
    let fourth = intended(id, "find-checkpoint", op, 4);
    run.no(RefusalKind::CapExceeded, Role::Automatic, fourth.clone());
    let step = StepId::from("find-checkpoint");
    let rationale = "the node has its archive back".to_owned();
    let again = Deviation { run: id, step: step.clone(), goto: step, rationale };
    run.no(RefusalKind::NotAuthorized, Role::ConsensusLead, RunEvent::Deviation(again.clone()));
    let silent = Deviation { rationale: " ".into(), ..again.clone() };
    run.no(RefusalKind::ReasonRequired, Role::IncidentCommander, RunEvent::Deviation(silent));
    run.ok(Role::IncidentCommander, RunEvent::Deviation(again));
    run.ok(Role::Automatic, fourth);
    let done = run.done(&run.step(), Some(4));
    run.ok(Role::Automatic, done);
    assert_eq!(run.step().id.as_str(), "disputed-label");
    assert_eq!(run.state.deviations().len(), 1);
}

/// R-34.1-4: skipping needs a reason, and no deviation goes round a check, a decision or consent.
#[test]
fn a_deviation_skips_operations_and_never_a_condition_or_consent() {
    let mut run = Run::new(true);
    run.until("draft-fraud-proof", "");
    let id = run.id();
    let skip = |step: &str, goto: &str| {
        let (step, goto) = (StepId::from(step), StepId::from(goto));
        let rationale = "no proof can be made here".to_owned();
        RunEvent::Deviation(Deviation { run: id, step, goto, rationale })
    };
    for goto in ["reopen-notary", "freeze-outputs", "pin-evidence", "nowhere"] {
        let event = skip("draft-fraud-proof", goto);
        run.no(RefusalKind::NotAuthorized, Role::IncidentCommander, event);
    }
    run.ok(Role::IncidentCommander, skip("draft-fraud-proof", "blast-radius"));
    assert_eq!(run.step().id.as_str(), "blast-radius");
    run.until("approve-restart", "safe_restart");
    let event = skip("approve-restart", "reopen-reading");
    run.no(RefusalKind::NotAuthorized, Role::IncidentCommander, event);
}

#[test]
fn a_timeout_fires_once_when_due_and_neither_approves_nor_releases() {
    let mut run = Run::new(true);
    run.until("approve-restart", "safe_restart");
    let (id, step) = (run.id(), StepId::from("approve-restart"));
    let due = deadline(&run.state, &run.runbook).unwrap();
    assert_eq!(due, Timestamp::from_ms((run.at_s + 3600) * 1000));
    let fire = RunEvent::DeadlineFired(DeadlineFired { run: id, step });
    run.no(RefusalKind::IllegalTransition, Role::Automatic, fire.clone());
    let due_s = due.ms() / 1000;
    run.try_at(due_s, Role::IncidentCommander, fire.clone()).unwrap_err();
    run.try_at(due_s, Role::Automatic, fire.clone()).unwrap();
    assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Deadline));
    assert_eq!(run.step().id.as_str(), "approve-restart");
    run.at_s = due_s;
    run.no(RefusalKind::IllegalTransition, Role::Automatic, fire);
    let approve = decided(id, "approve-restart", "approve");
    run.no(RefusalKind::NotAuthorized, Role::Automatic, approve);
}

#[test]
fn a_slow_pin_never_delays_the_closing_of_gates() {
    let mut run = Run::new(false);
    let (id, step) = (run.id(), run.step().id);
    run.ok(Role::Automatic, intended(id, "pin-evidence", crate::Op::EvidencePin, 1));
    let fire = RunEvent::DeadlineFired(DeadlineFired { run: id, step });
    let due_s = deadline(&run.state, &run.runbook).unwrap().ms() / 1000;
    run.try_at(due_s, Role::Automatic, fire).unwrap();
    run.at_s = due_s;
    assert_eq!(run.step().id.as_str(), "close-gates");
    // And nothing is mutated or released while the pins are missing (D-041, O1).
    run.until("reset-branches", "branch_reset");
    let reset = intended(id, "reset-branches", crate::Op::BranchReset, 1);
    let kind = RefusalKind::DestructiveBeforePreserve;
    let refusal = run.no(kind, Role::RecoveryOperator, reset);
    assert!(refusal.to_string().contains("candidate_graph"), "{refusal}");
}

#[test]
fn approvals_take_different_people_in_different_roles_and_not_the_one_who_acts() {
    let mut run = Run::new(true);
    run.until("approve-restart", "safe_restart");
    let id = run.id();
    let approve = decided(id, "approve-restart", "approve");
    run.no(RefusalKind::NotAuthorized, Role::RecoveryOperator, approve.clone());
    run.ok(Role::IncidentCommander, approve.clone());
    run.no(RefusalKind::SecondPersonRequired, Role::IncidentCommander, approve.clone());
    // A second person in the same role does not fill the quorum of two roles.
    let vote = whole(&run.state, &run.runbook, approve.clone());
    let mut second = by(run.at_s, Role::IncidentCommander, vote);
    second.actor = "operator:other".into();
    admit(&run.state, &run.runbook, &second, &run.facts).unwrap();
    apply(&mut run.state, &second);
    assert_eq!(run.step().id.as_str(), "approve-restart");
    run.ok(Role::ConsensusLead, decided(id, "approve-restart", "reject"));
    assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Rejected));
    run.ok(Role::ConsensusLead, approve);
    assert_eq!(run.step().id.as_str(), "reopen-reading");
    let event = intended(id, "reopen-reading", crate::Op::RoleReopen, 1);
    let mut record = by(run.at_s, Role::RecoveryOperator, event);
    record.actor = "operator:ic".into();
    let refusal = admit(&run.state, &run.runbook, &record, &run.facts).unwrap_err();
    assert!(refusal.has(RefusalKind::RoleConflict), "{refusal}");
    record.role = Role::Automatic;
    let refusal = admit(&run.state, &run.runbook, &record, &run.facts).unwrap_err();
    assert!(refusal.has(RefusalKind::NotAuthorized), "{refusal}");
}

/// R-27.2-2, R-27.2-8: replay does not load with a gate open, nobody rejoins without the checks.
#[test]
fn a_false_or_unknown_condition_holds_the_run() {
    let mut run = Run::new(true);
    run.until("freeze-outputs", "");
    let id = run.id();
    run.facts.insert("own_outputs_closed".into(), FactValue::Bool(false));
    let lie = finished(id, "freeze-outputs", None, Outcome::Done);
    run.no(RefusalKind::GuardUnmet, Role::RecoveryOperator, lie.clone());
    run.ok(Role::Automatic, finished(id, "freeze-outputs", None, Outcome::Failed));
    assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Failed));
    run.facts.insert("own_outputs_closed".into(), FactValue::Bool(true));
    run.ok(Role::Automatic, lie);
    run.until("ready-to-rejoin", "safe_restart");
    run.facts.remove("restrictions_revalidated");
    run.advance("");
    assert_eq!(run.step().id.as_str(), "ready-to-rejoin");
    assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Failed));
}

#[test]
fn reopening_goes_in_phases_and_the_notary_is_last() {
    let mut run = Run::new(true);
    run.until("reopen-verifier", "safe_restart");
    let id = run.id();
    for (step, phase) in [("reopen-verifier", 3), ("reopen-proposer", 4), ("reopen-notary", 5)] {
        run.facts.insert("phase_dwelt".into(), FactValue::Int(phase - 1));
        let event = intended(id, step, crate::Op::RoleReopen, 1);
        run.no(RefusalKind::GuardUnmet, Role::RecoveryOperator, event);
        run.facts.insert("phase_dwelt".into(), FactValue::Int(phase));
        run.advance("");
    }
    assert_eq!(run.step().id.as_str(), "watch-finality");
}

#[test]
fn an_ended_run_takes_no_more_events_and_may_be_given_up_at_any_step() {
    let mut run = Run::new(true);
    let id = run.id();
    let refusal = run.end(EndOutcome::Completed).unwrap_err();
    assert!(refusal.to_string().contains("pin-evidence is not done"), "{refusal}");
    run.end(EndOutcome::GivenUp).unwrap();
    let event = intended(id, "pin-evidence", crate::Op::EvidencePin, 1);
    run.no(RefusalKind::IllegalTransition, Role::Automatic, event);
    assert_eq!(status(&run.state, &run.runbook), Status::Ended);
}

/// R-14.2-3: validation stays on unless it is the suspect, or its store is, or that is unknown.
#[test]
fn validation_goes_on_only_when_safe() {
    let next = |fact: &str, value: Option<bool>| {
        let mut run = Run::new(true);
        run.until("validation-safe", "");
        match value {
            Some(value) => run.facts.insert(fact.into(), FactValue::Bool(value)),
            None => run.facts.remove(fact),
        };
        run.advance("");
        run.step().id.to_string()
    };
    assert_eq!(next("store_checksum_ok", Some(true)), "find-checkpoint");
    assert_eq!(next("store_checksum_ok", Some(false)), "close-validation");
    assert_eq!(next("store_checksum_ok", None), "close-validation");
    assert_eq!(next("validation_fault_unbounded", Some(true)), "close-validation");
}

#[test]
fn an_emergency_request_is_prepared_only_where_it_could_take_effect() {
    for (rank, effective, next) in
        [(4, true, "prepare-emergency"), (4, false, "freeze-outputs"), (2, true, "freeze-outputs")]
    {
        let mut run = Run::new(true);
        run.until("blast-radius", "");
        run.facts.insert("blast_rank".into(), FactValue::Int(rank));
        run.facts.insert("protocol_measure_effective".into(), FactValue::Bool(effective));
        run.advance("");
        assert_eq!(run.step().id.as_str(), next);
    }
}

#[test]
fn an_overdue_attempt_that_restricts_is_uncertain_and_keeps_the_step() {
    let mut run = Run::new(true);
    run.until("close-gates", "");
    let (id, step) = (run.id(), run.step().id);
    run.ok(Role::Automatic, intended(id, "close-gates", crate::Op::GateClose, 1));
    let due_s = deadline(&run.state, &run.runbook).unwrap().ms() / 1000;
    let fire = RunEvent::DeadlineFired(DeadlineFired { run: id, step });
    run.try_at(due_s, Role::Automatic, fire).unwrap();
    assert_eq!(run.step().id.as_str(), "close-gates");
    assert_eq!(status(&run.state, &run.runbook), Status::Uncertain { attempt: 1 });
    assert_eq!(deadline(&run.state, &run.runbook), None);
}

/// When finality does not return in time, the gates close again and the run cannot complete.
#[test]
fn finality_that_does_not_return_closes_the_gates_again() {
    let mut run = Run::new(true);
    run.until("watch-finality", "safe_restart");
    run.facts.insert("hard_final_epochs_advanced".into(), FactValue::Int(0));
    let due_s = deadline(&run.state, &run.runbook).unwrap().ms() / 1000;
    let (id, step) = (run.id(), run.step().id);
    let fire = RunEvent::DeadlineFired(DeadlineFired { run: id, step });
    run.try_at(due_s, Role::Automatic, fire).unwrap();
    run.at_s = due_s;
    assert_eq!(run.step().id.as_str(), "close-again");
    run.advance("");
    assert_eq!(status(&run.state, &run.runbook), Status::Walked);
    assert!(run.end(EndOutcome::Completed).unwrap_err().has(RefusalKind::GuardUnmet));
    run.end(EndOutcome::GivenUp).unwrap();
}

/// Whatever is folded, in whatever order, nothing panics and the walk stays inside the runbook.
#[test]
fn a_fold_of_shuffled_events_never_panics() {
    let mut run = Run::new(true);
    run.until("", "safe_restart");
    let log = run.log.clone();
    for stride in 1..log.len() {
        let mixed = (0..log.len()).map(|i| &log[(i * stride + stride / 2) % log.len()]);
        let state = RunState::fold(mixed);
        let _position = (status(&state, &run.runbook), deadline(&state, &run.runbook));
        for event in &log {
            let _told = admit(&state, &run.runbook, event, &run.facts);
        }
        assert!(path(&state, &run.runbook).len() <= run.runbook.steps().len());
    }
}
