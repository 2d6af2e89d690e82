//! The shipped runbooks of sections 20 to 23 and RB-OBSERVE-001: every trigger and minimum action,
//! the orders that must hold on every path, and walks to the end through the interpreter.

use std::collections::{BTreeMap, BTreeSet};

use azir_model::decision::{Flag, of_measure, recommend};
use azir_model::{
    BlastRank, Choice, IncidentClass, Profile, RefusalKind, Role, RunbookId, Severity,
};

use crate::admit;
use crate::event::*;
use crate::fact::{FactType, FactValue, Facts, KNOWN};
use crate::model::*;
use crate::op::{Effect, Op};
use crate::predicate::Truth;
use crate::state::{RunState, apply};
use crate::testing::*;
use crate::walk::{Hold, Status, current, deadline, path, status};

const GOV: &str = include_str!("../../../runbooks/RB-GOV-001/v1.toml");
const GOV_2: &str = include_str!("../../../runbooks/RB-GOV-001/v2.toml");
const INFRA_2: &str = include_str!("../../../runbooks/RB-INFRA-001/v2.toml");
const SUPPLY_2: &str = include_str!("../../../runbooks/RB-SUPPLY-001/v2.toml");
const KEY: &str = include_str!("../../../runbooks/RB-KEY-001/v1.toml");
const INFRA: &str = include_str!("../../../runbooks/RB-INFRA-001/v1.toml");
const SUPPLY: &str = include_str!("../../../runbooks/RB-SUPPLY-001/v1.toml");
const OBSERVE: &str = include_str!("../../../runbooks/RB-OBSERVE-001/v1.toml");

fn all() -> [Runbook; 5] {
    [GOV, KEY, INFRA, SUPPLY, OBSERVE].map(load_ok)
}

// ---- The graph ----

fn goes_to(step: &Step) -> impl Iterator<Item = &Target> {
    step.work.edges().into_iter().chain([&step.on_deadline])
}

/// Steps that can be reached from the start without doing any step of `avoid`.
fn reached_without(runbook: &Runbook, avoid: &BTreeSet<String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([runbook.steps()[0].id.to_string()]);
    for step in runbook.steps() {
        let id = step.id.to_string();
        if reached.contains(&id) && !avoid.contains(&id) {
            reached.extend(goes_to(step).map(ToString::to_string));
        }
    }
    reached
}

fn ids<'a>(steps: impl Iterator<Item = &'a Step>) -> BTreeSet<String> {
    steps.map(|s| s.id.to_string()).collect()
}

fn with_op(runbook: &Runbook, ops: &[Op]) -> BTreeSet<String> {
    let has = |s: &&Step| matches!(&s.work, Work::Auto { op, .. } if ops.contains(op));
    ids(runbook.steps().iter().filter(has))
}

/// `op` steps whose argument `key` has this value.
fn with_arg(runbook: &Runbook, op: Op, key: &str, value: &str) -> BTreeSet<String> {
    let want = FactValue::Text(value.into());
    let has = |s: &&Step| match &s.work {
        Work::Auto { op: o, args, .. } => *o == op && args.get(key) == Some(&want),
        _ => false,
    };
    ids(runbook.steps().iter().filter(has))
}

fn asks(predicate: &crate::Predicate, fact: &str) -> bool {
    use crate::Predicate::{All, Any, Fact, Not};
    match predicate {
        All(of) | Any(of) => of.iter().any(|p| asks(p, fact)),
        Not(inner) => asks(inner, fact),
        Fact { name, .. } => name == fact,
    }
}

/// Checks and waits that ask for this fact.
fn asking(runbook: &Runbook, fact: &str) -> BTreeSet<String> {
    let has = |s: &&Step| match &s.work {
        Work::Check { when, .. } => asks(when, fact),
        Work::Wait { until, .. } => asks(until, fact),
        _ => false,
    };
    ids(runbook.steps().iter().filter(has))
}

/// On every path from the start, `first` is passed before any of `then`.
fn assert_before(runbook: &Runbook, first: &BTreeSet<String>, then: &BTreeSet<String>) {
    assert!(!first.is_empty() && !then.is_empty(), "{}: {first:?} {then:?}", runbook.id());
    let reached = reached_without(runbook, first);
    let early: Vec<_> = then.iter().filter(|id| reached.contains(*id)).collect();
    assert!(early.is_empty(), "{}: {early:?} without {first:?}", runbook.id());
}

#[test]
fn each_runbook_loads_with_its_class_its_owner_and_its_least_severity() {
    let head: Vec<_> =
        all().iter().map(|r| (r.id(), r.class(), r.owner(), r.severity_min())).collect();
    use IncidentClass as C;
    use Role::{GovernanceLiaison, OnCallOperator, SecurityLead};
    use RunbookId as R;
    use Severity::{Sev1Low, Sev2Medium, Sev3High};
    assert_eq!(
        head,
        [
            (R::Gov, C::Governance, GovernanceLiaison, Sev3High),
            (R::Key, C::KeyCompromise, SecurityLead, Sev2Medium),
            (R::Infra, C::Infrastructure, OnCallOperator, Sev2Medium),
            (R::Supply, C::SupplyChain, SecurityLead, Sev2Medium),
            (R::Observe, C::ObservabilityOnly, OnCallOperator, Sev1Low),
        ]
    );
}

/// R-34.1-2: each trigger of 20.1 to 23.1, alone, selects its runbook and no other of these.
#[test]
fn every_trigger_of_sections_20_to_23_selects_its_runbook_alone() {
    let books = all();
    let cases: [(&str, &[(&str, bool)]); 4] = [
        (
            "20.1",
            &[
                ("activation_early_verified", true),
                ("activation_challenged_verified", true),
                ("required_review_missing_verified", true),
                ("emergency_out_of_scope_verified", true),
                ("proposal_mislabelled_verified", true),
                ("activations_conflict_verified", true),
            ],
        ),
        (
            "21.1",
            &[
                ("validator_key_compromised", true),
                ("notary_key_compromised", true),
                ("issuer_key_compromised", true),
                ("agent_operator_key_compromised", true),
                ("governance_key_compromised", true),
            ],
        ),
        (
            "22.1",
            &[
                ("index_mismatch_verified", true),
                ("snapshot_mismatch_verified", true),
                ("storage_fault_verified", true),
                ("partition_local_verified", true),
                ("telemetry_silent", true),
                ("clock_in_bounds", false),
            ],
        ),
        (
            "23.1",
            &[
                ("dependency_unlisted_verified", true),
                ("binary_unlisted_verified", true),
                ("release_hashes_differ_verified", true),
                ("builds_diverge_verified", true),
            ],
        ),
    ];
    for (book, (clause, facts)) in books.iter().zip(cases) {
        let here = book.triggers().iter().filter(|t| t.why == clause);
        assert_eq!(here.count(), facts.len(), "{clause}");
        let mut seen = BTreeSet::new();
        for (name, value) in facts {
            let facts = Facts::from([((*name).to_owned(), FactValue::Bool(*value))]);
            for other in &books {
                let hit = other.triggered(&facts);
                assert_eq!(hit.len(), usize::from(other.id() == book.id()), "{name}");
                seen.extend(hit.iter().map(|(t, _)| t.id.clone()));
            }
            let quiet = Facts::from([((*name).to_owned(), FactValue::Bool(!*value))]);
            assert!(book.triggered(&quiet).is_empty(), "{name}");
        }
        assert_eq!(seen.len(), facts.len(), "{clause}: each fact has a trigger of its own");
    }
    for fact in ["signal_without_symptom", "dashboard_differs_verified"] {
        let facts = Facts::from([(fact.to_owned(), FactValue::Bool(true))]);
        assert_eq!(books.map_hits(&facts), [0, 0, 0, 0, 1], "{fact}");
    }
}

trait Hits {
    fn map_hits(&self, facts: &Facts) -> [usize; 5];
}

impl Hits for [Runbook; 5] {
    fn map_hits(&self, facts: &Facts) -> [usize; 5] {
        self.each_ref().map(|r| r.triggered(facts).len())
    }
}

/// R-34.2-1: each minimum action of 20.2 to 23.2 is a step, or several, with its clause.
#[test]
fn every_minimum_action_of_sections_20_to_23_is_a_step_with_its_clause() {
    let cases: [(&str, &str, &[&[&str]]); 4] = [
        (
            GOV,
            "20.2",
            &[
                &["pin-evidence", "collect-evidence"],
                &["recompute-now", "find-checkpoint", "recompute-good-point", "states-equal"],
                &["classify"],
                &["future-held", "draft-challenge", "await-held"],
                &["already-live", "anomaly-state", "choose-containment", "draft-measure"],
                &["await-review"],
            ],
        ),
        (
            KEY,
            "21.2",
            &[
                &["pin-evidence", "collect-evidence"],
                &["close-key-gates", "draft-revocation", "await-dead", "draft-rotation"],
                &["quarantine-needed", "mark-suspect"],
                &["assess-objects", "slashable", "draft-fraud-proof"],
                &["reduce-linked", "linked-covered"],
                &["await-reauthorised"],
                &["publish-blast"],
            ],
        ),
        (
            INFRA,
            "22.2",
            &[
                &["roles-touched", "impact"],
                &["node-sound", "close-gates"],
                &["find-checkpoint", "rebuild-needed", "rebuild-store"],
                &["close-reads", "set-aside", "rebuild-index"],
                &["verify-root", "index-recount"],
                &["integrity-checks", "reopen-verifier", "reopen-proposer", "reopen-notary"],
            ],
        ),
        (
            SUPPLY,
            "23.2",
            &[
                &["pin-evidence", "collect-evidence"],
                &["compare-builds"],
                &["suspend-rollout", "rollout-stopped", "close-gates"],
                &["identify-versions", "versions-known"],
                &["build-again", "artifact-verified", "binary-accepted"],
                &["choose-containment", "draft-measure"],
            ],
        ),
    ];
    for (text, clause, actions) in cases {
        let book = load_ok(text);
        for id in actions.iter().copied().flatten() {
            let step = book.step(&StepId::from(*id)).unwrap_or_else(|| panic!("{clause}: {id}"));
            assert!(step.why.iter().any(|w| w == clause), "{clause}: {id} does not name it");
        }
    }
}

#[test]
fn governance_shows_the_anomaly_on_every_path_and_makes_drafts_only() {
    let book = load_ok(GOV);
    let shown = asking(&book, "path_verdict_shown");
    assert_before(&book, &shown, &BTreeSet::from(["choose-containment".to_owned()]));
    assert!(book.step(&StepId::from("show-verdict")).unwrap().why.contains(&"20.3".to_owned()));
    // Recomputed from the good point, by two implementations, before anything is concluded.
    let recomputed = with_arg(&book, Op::GovernanceRecompute, "from", "checkpoint");
    assert_before(&book, &recomputed, &BTreeSet::from(["classify".to_owned(), "end".to_owned()]));
    let equal = BTreeSet::from(["states-equal".to_owned()]);
    assert_before(&book, &equal, &BTreeSet::from(["classify".to_owned(), "end".to_owned()]));
    let review = BTreeSet::from(["await-review".to_owned()]);
    assert_before(&book, &review, &BTreeSet::from(["draft-lift".to_owned()]));
}

#[test]
fn a_protocol_draft_follows_a_decision_and_the_end_follows_an_approval_on_every_path() {
    for text in [GOV, KEY, INFRA, SUPPLY] {
        let book = load_ok(text);
        let drafts = book.steps().iter().filter(|s| s.effect == Effect::RestrictProtocolDraft);
        let drafts = ids(drafts);
        // Infrastructure is local only: there is nothing to ask of the protocol.
        assert_eq!(drafts.is_empty(), book.id() == RunbookId::Infra);
        if !drafts.is_empty() {
            let decided = BTreeSet::from(["choose-containment".to_owned()]);
            assert_before(&book, &decided, &drafts);
        }
        let approves = |s: &&Step| matches!(&s.work, Work::Approval { quorum, .. } if *quorum >= 2 && s.part == StepPart::Recovery);
        let approvals = ids(book.steps().iter().filter(approves));
        assert_before(&book, &approvals, &BTreeSet::from(["end".to_owned()]));
    }
}

/// The order of D-108, on every path, and the last guard on each gate.
#[test]
fn keys_are_gated_or_revoked_before_they_are_rotated_before_anything_reopens() {
    let book = load_ok(KEY);
    let gated = with_op(&book, &[Op::GateClose]);
    let first = BTreeSet::from(["close-key-gates".to_owned()]);
    assert!(first.is_subset(&gated));
    let revoke = with_arg(&book, Op::OwnerPathDraft, "kind", "key_revocation");
    let rotate = with_arg(&book, Op::OwnerPathDraft, "kind", "key_rotation");
    let reopen = with_op(&book, &[Op::RoleReopen]);
    assert_eq!((revoke.len(), rotate.len()), (1, 1));
    assert_before(&book, &first, &revoke);
    assert_before(&book, &first, &rotate);
    assert_before(&book, &asking(&book, "keys_revoked_final"), &rotate);
    assert_before(&book, &rotate, &reopen);
    assert_before(&book, &BTreeSet::from(["await-rotation".to_owned()]), &reopen);
    assert_before(&book, &BTreeSet::from(["await-reauthorised".to_owned()]), &reopen);
    for step in book.steps().iter().filter(|s| s.effect == Effect::Release) {
        let guard = step.guard.as_ref().unwrap();
        for fact in ["keys_rotated_final", "compromised_keys_listed", "restart_decision_valid"] {
            assert!(asks(guard, fact), "{}: {fact}", step.id);
        }
    }
    // The assessment is published on every path, also when no new key follows.
    let published = BTreeSet::from(["publish-blast".to_owned()]);
    assert_before(&book, &published, &BTreeSet::from(["end".to_owned()]));
    assert!(book.exit().iter().any(|c| asks(&c.when, "blast_assessment_published")));
}

#[test]
fn nothing_is_rebuilt_installed_or_released_before_the_pin_on_any_path() {
    for book in all() {
        let pin = with_op(&book, &[Op::EvidencePin]);
        let danger = ids(book.steps().iter().filter(|s| s.effect.needs_person()));
        assert_eq!(danger.is_empty(), book.id() == RunbookId::Observe);
        if danger.is_empty() {
            continue;
        }
        assert_before(&book, &pin, &danger);
        // Collected on every path too, so that no checklist line is left to chance.
        for item in book.evidence() {
            let collects = |s: &&Step| s.evidence.contains(&item.id);
            let steps = ids(book.steps().iter().filter(collects));
            assert_before(&book, &steps, &BTreeSet::from(["end".to_owned()]));
        }
    }
}

#[test]
fn a_rebuild_waits_for_the_set_aside_copy_and_for_an_approval() {
    for text in [INFRA, SUPPLY] {
        let book = load_ok(text);
        for step in book.steps().iter().filter(|s| s.effect == Effect::MutateLocal) {
            let approves = |s: &&Step| matches!(&s.work, Work::Approval { next: Target::Step(id), .. } if *id == step.id);
            let consent = ids(book.steps().iter().filter(approves));
            assert_before(&book, &consent, &BTreeSet::from([step.id.to_string()]));
            let guard = step.guard.as_ref().unwrap();
            let rebuild = matches!(&step.work, Work::Auto { op: Op::StoreRebuild, .. });
            assert!(!rebuild || asks(guard, "damaged_store_kept"), "{}", step.id);
        }
    }
}

#[test]
fn signing_roles_reopen_after_replay_and_decision_in_order_with_the_notary_last() {
    for text in [GOV, KEY, INFRA, SUPPLY] {
        let book = load_ok(text);
        let reopen = |role: &str| with_arg(&book, Op::RoleReopen, "roles", role);
        let order = ["verifier", "proposer", "notary"].map(reopen);
        let replay = with_arg(&book, Op::ReplayRun, "stage", "finalized");
        let decision = BTreeSet::from(["approve-restart".to_owned()]);
        for roles in &order {
            for first in [&replay, &asking(&book, "replay_match"), &decision] {
                assert_before(&book, first, roles);
            }
        }
        assert_before(&book, &order[0], &order[1]);
        assert_before(&book, &order[1], &order[2]);
        for (roles, phase) in order.iter().zip(3_i64..) {
            let id = StepId::from(roles.first().unwrap().as_str());
            let guard = book.step(&id).unwrap().guard.clone().unwrap();
            let mut facts = facts(true, &[]);
            for (dwelt, want) in [(phase - 1, Truth::False), (phase, Truth::True)] {
                facts.insert("phase_dwelt".into(), FactValue::Int(dwelt));
                assert_eq!(guard.eval(&facts).truth, want, "{id}");
            }
            facts.insert("restart_decision_valid".into(), FactValue::Bool(false));
            assert_eq!(guard.eval(&facts).truth, Truth::False, "{id}");
        }
    }
}

#[test]
fn no_deadline_no_failure_and_no_unknown_leads_to_a_release() {
    for book in all() {
        for step in book.steps() {
            let mut targets = vec![&step.on_deadline];
            match &step.work {
                Work::Check { on_fail, on_unknown, .. } => targets.extend([on_fail, on_unknown]),
                Work::Auto { on_fail, .. } | Work::Manual { on_fail, .. } => targets.push(on_fail),
                Work::Approval { on_reject, .. } => targets.push(on_reject),
                Work::Decision { .. } | Work::Wait { .. } => {}
            }
            for target in targets {
                assert_ne!(*target, Target::End, "{}: {}", book.id(), step.id);
                let Target::Step(id) = target else { continue };
                let to = book.step(id).unwrap();
                assert!(!to.effect.needs_person(), "{}: {} to {id}", book.id(), step.id);
            }
        }
    }
}

/// R-34.2-2: RB-OBSERVE-001 is there, offers observing only, and no step of it restricts, changes
/// or releases anything.
#[test]
fn observe_never_exceeds_its_profile() {
    let book = load_ok(OBSERVE);
    assert_eq!(book.classes(), [IncidentClass::ObservabilityOnly]);
    let choices: Vec<_> = book.containment().iter().map(|c| c.choice).collect();
    assert_eq!(choices, [Choice::ObserveOnly]);
    assert_eq!(of_measure(choices[0], 4, false), Profile::ObserveOnly);
    let flags = Flag::ALL.iter().copied().collect();
    let ranks = (0..=4).map(|rank| BlastRank::try_from(rank).unwrap());
    for (rank, severity) in ranks.flat_map(|r| Severity::ALL.iter().map(move |s| (r, *s))) {
        match recommend(book.class(), severity, rank, &flags) {
            Ok(advice) => assert_eq!(advice.profile, Profile::ObserveOnly),
            Err(_) => assert!(severity > book.severity_min(), "{severity}: reclassify"),
        }
    }
    for step in book.steps() {
        assert!(step.effect <= Effect::Draft, "{}: {}", step.id, step.effect);
    }
    // Impact, or doubt about it, leads to reclassifying and not on.
    let check = book.step(&StepId::from("no-impact")).unwrap();
    let Work::Check { next, on_fail, on_unknown, .. } = &check.work else { unreachable!() };
    assert_eq!((on_fail, on_unknown), (&check.on_deadline, &check.on_deadline));
    assert_ne!(next, on_fail);
    let way = BTreeSet::from(["no-impact".to_owned()]);
    assert_before(&book, &way, &BTreeSet::from(["repair-telemetry".to_owned()]));
}

#[test]
fn the_private_key_is_no_evidence_and_every_step_says_so_that_collects() {
    let book = load_ok(KEY);
    for id in ["pin-evidence", "collect-evidence"] {
        let text = &book.step(&StepId::from(id)).unwrap().text;
        assert!(text.contains("ever") && text.contains("key"), "{id}");
    }
    assert!(
        book.evidence_item("compromise_proof").unwrap().title.contains("Never the private key")
    );
}

#[test]
fn containment_offers_what_the_class_may_need_and_infrastructure_nothing_beyond_own_nodes() {
    use Choice as C;
    let offered = |text| {
        let book = load_ok(text);
        book.containment().iter().map(|c| c.choice).collect::<BTreeSet<_>>()
    };
    let wide = [C::ProtocolSafeMode, C::ScopedProtocolHalt, C::EmergencyRestriction];
    for choice in offered(INFRA) {
        assert!(of_measure(choice, 4, true) <= Profile::LocalDegraded, "{choice}");
    }
    for text in [GOV, KEY, SUPPLY] {
        assert!(wide.iter().all(|c| offered(text).contains(c)));
        assert!(offered(text).contains(&C::LocalServiceHalt));
    }
    assert!(offered(KEY).contains(&C::Quarantine), "revocation enters as quarantine (D-072)");
}

// ---- Walks ----

/// Every boolean fact is `value`, except those named; counts are those of a quiet end.
fn facts(value: bool, except: &[(&str, bool)]) -> Facts {
    let known = KNOWN.iter().filter(|k| k.kind == FactType::Bool);
    let mut facts: Facts = known.map(|k| (k.name.to_owned(), FactValue::Bool(value))).collect();
    facts.extend(except.iter().map(|(n, v)| ((*n).to_owned(), FactValue::Bool(*v))));
    for (name, n) in
        [("blast_rank", 3), ("equal_builds", 2), ("phase_dwelt", 6), ("replay_implementations", 2)]
    {
        facts.insert(name.into(), FactValue::Int(n));
    }
    facts
}

struct Run {
    book: Runbook,
    facts: Facts,
    answers: BTreeMap<&'static str, &'static str>,
    state: RunState,
    at_s: i64,
}

impl Run {
    fn new(text: &str, facts: Facts, answers: &[(&'static str, &'static str)]) -> Self {
        let book = load_ok(text);
        let answers = answers.iter().copied().collect();
        let mut run = Self { book, facts, answers, state: RunState::default(), at_s: 1000 };
        run.ok(Role::OnCallOperator, RunEvent::Started(started(&run.book)));
        run
    }

    fn try_(&mut self, role: Role, event: RunEvent) -> Result<(), azir_model::Refusal> {
        self.at_s += 1;
        if let Some(request) = asked(&self.state, &self.book, &event, self.at_s) {
            admit(&self.state, &self.book, &request, &self.facts)?;
            apply(&mut self.state, &request);
        }
        let event = whole(&self.state, &self.book, event);
        let record = by(self.at_s, role, event);
        admit(&self.state, &self.book, &record, &self.facts)?;
        apply(&mut self.state, &record);
        Ok(())
    }

    fn ok(&mut self, role: Role, event: RunEvent) {
        let what = format!("{event:?}");
        self.try_(role, event).unwrap_or_else(|e| panic!("{what}\n{e}"));
    }

    fn set(&mut self, fact: &str, value: bool) {
        self.facts.insert(fact.into(), FactValue::Bool(value));
    }

    fn step(&self) -> Step {
        current(&self.state, &self.book).unwrap().clone()
    }

    fn advance(&mut self) {
        let step = self.step();
        let (run, id) = (run_id(&self.book), step.id.as_str());
        let done = |attempt| {
            let (step_id, evidence) = (step.id.clone(), present(&step.evidence));
            let outcome = Outcome::Done;
            RunEvent::Finished(Finished {
                run,
                step: step_id,
                attempt,
                outcome,
                evidence,
                note: None,
            })
        };
        match &step.work {
            Work::Auto { op, .. } => {
                // Who approved does not carry it out.
                let votes = self.state.steps.values().flat_map(|r| &r.votes);
                let voted: Vec<_> = votes.filter(|v| v.plan.is_some()).map(|v| v.role).collect();
                let hand = step.roles.iter().find(|r| !voted.contains(r));
                self.ok(*hand.unwrap_or(&step.roles[0]), intended(run, id, *op, 1));
                self.ok(Role::Automatic, done(Some(1)));
            }
            Work::Manual { .. } => self.ok(step.roles[0], done(None)),
            Work::Decision { .. } => {
                let answer = self.answers.get(id).unwrap_or_else(|| panic!("no answer for {id}"));
                self.ok(step.roles[0], decided(run, id, answer));
            }
            Work::Approval { quorum, .. } => {
                for role in &step.roles[..*quorum as usize] {
                    self.ok(*role, decided(run, id, "approve"));
                }
            }
            Work::Check { when, .. } => {
                let outcome = match when.eval(&self.state.facts(&self.facts)).truth {
                    Truth::True => Outcome::Done,
                    Truth::False => Outcome::Failed,
                    Truth::Unknown => Outcome::Unknown,
                };
                self.ok(Role::Automatic, finished(run, id, None, outcome));
            }
            Work::Wait { .. } => self.ok(Role::Automatic, finished(run, id, None, Outcome::Done)),
        }
    }

    /// Walks until `stop` is current; a held step fails the test.
    fn until(&mut self, stop: &str) {
        while let Some(step) = current(&self.state, &self.book) {
            let status = status(&self.state, &self.book);
            assert!(!matches!(status, Status::Held(_)), "{status:?} at {}", step.id);
            if step.id.as_str() == stop {
                return;
            }
            self.advance();
        }
        assert_eq!(stop, "", "never reached");
    }

    /// Walks to the end and completes the run.
    fn complete(mut self) -> Vec<String> {
        self.until("");
        let (run, rationale) = (run_id(&self.book), "all done".to_owned());
        let end = Ended { run, outcome: EndOutcome::Completed, rationale };
        self.ok(Role::IncidentCommander, RunEvent::Ended(end));
        path(&self.state, &self.book).iter().map(ToString::to_string).collect()
    }
}

fn assert_order(walked: &[String], order: &[&str]) {
    let mut at = 0;
    for id in order {
        let found = walked[at..].iter().position(|w| w == id);
        at += found.unwrap_or_else(|| panic!("{id} is not in order in {walked:#?}")) + 1;
    }
}

fn has(walked: &[String], id: &str) -> bool {
    walked.iter().any(|w| w == id)
}

#[test]
fn a_refused_early_activation_ends_without_closing_or_reopening_anything() {
    let quiet = [
        ("governance_applied_differs", false),
        ("improper_activation_live", false),
        ("signing_gates_touched", false),
        ("agent_gates_touched", false),
    ];
    let answers = [
        ("choose-containment", "local_or_observe"),
        ("classify", "invalid_object"),
        ("path-returns", "never_stopped"),
    ];
    let walked = Run::new(GOV, facts(true, &quiet), &answers).complete();
    let order = ["recompute-now", "show-verdict", "states-equal", "classify", "approve-normal"];
    assert_order(&walked, &order);
    assert!(!has(&walked, "close-gates") && !has(&walked, "reopen-notary"));
}

#[test]
fn an_improper_activation_that_is_live_is_contained_reviewed_and_lifted() {
    let live = [("disputed_activation_held", false), ("activation_dispute_settled", false)];
    let answers = [
        ("choose-containment", "emergency"),
        ("classify", "constitutional_violation"),
        ("path-returns", "restarts"),
    ];
    let mut run = Run::new(GOV, facts(true, &live), &answers);
    run.until("anomaly-state");
    run.until("draft-challenge");
    // The window is closed: the draft is refused; nothing is skipped by configuration.
    run.set("challenge_window_open", false);
    let draft = intended(run_id(&run.book), "draft-challenge", Op::OwnerPathDraft, 1);
    let refusal = run.try_(Role::GovernanceLiaison, draft).unwrap_err();
    assert!(refusal.has(RefusalKind::GuardUnmet), "{refusal}");
    run.set("challenge_window_open", true);
    run.until("await-held");
    run.set("disputed_activation_held", true);
    run.until("ready-to-rejoin");
    run.set("governance_applied_differs", false);
    run.until("await-review");
    run.set("constitutional_review_final", false);
    let id = run_id(&run.book);
    let early = finished(id, "await-review", None, Outcome::Done);
    assert!(run.try_(Role::Automatic, early).unwrap_err().has(RefusalKind::GuardUnmet));
    run.set("constitutional_review_final", true);
    let walked = run.complete();
    let order = [
        "close-gates",
        "anomaly-state",
        "draft-emergency",
        "await-measure",
        "draft-challenge",
        "freeze-outputs",
        "replay-finalized",
        "approve-restart",
        "reopen-reading",
        "reopen-verifier",
        "reopen-proposer",
        "reopen-notary",
        "await-review",
        "await-lift",
        "effects-ended",
        "reopen-agents",
        "approve-normal",
        "publish-restored",
    ];
    assert_order(&walked, &order);
}

/// R-20.2-3, R-20.2-9: abuse is found only where every check of the path is answered and none is
/// broken, and it takes the written reason of a second person, in whatever role the first acts.
#[test]
fn procedural_abuse_is_not_admitted_while_a_rule_is_broken() {
    let checks = [
        "activation_early_verified",
        "activation_challenged_verified",
        "required_review_missing_verified",
        "emergency_out_of_scope_verified",
        "proposal_mislabelled_verified",
        "activations_conflict_verified",
        "effect_outside_class_table",
    ];
    let broken = [("governance_rules_kept", false), ("improper_activation_live", false)];
    let answers = [("choose-containment", "local_or_observe")];
    let mut run = Run::new(GOV_2, facts(true, &broken), &answers);
    run.until("classify");
    checks.iter().for_each(|check| run.set(check, false));
    let id = run_id(&run.book);
    let other = decided(id, "classify", "operator_error");
    assert!(run.try_(Role::GovernanceLiaison, other).unwrap_err().has(RefusalKind::UnknownEnum));
    let abuse = decided(id, "classify", "procedural_abuse");
    let refusal = run.try_(Role::GovernanceLiaison, abuse.clone()).unwrap_err();
    assert!(refusal.has(RefusalKind::EvidenceUnverified), "{refusal}");
    assert!(refusal.to_string().contains("governance_rules_kept = false"), "{refusal}");
    run.set("governance_rules_kept", true);
    for check in checks {
        for value in [Some(true), None] {
            match value {
                Some(value) => run.set(check, value),
                None => _ = run.facts.remove(check),
            }
            let refusal = run.try_(Role::GovernanceLiaison, abuse.clone()).unwrap_err();
            assert!(refusal.has(RefusalKind::EvidenceUnverified), "{check}: {refusal}");
        }
        run.set(check, false);
    }
    run.ok(Role::GovernanceLiaison, abuse);
    assert_eq!(run.step().id.as_str(), "confirm-abuse");
    let confirm = decided(id, "confirm-abuse", "approve");
    assert!(run.try_(Role::GovernanceLiaison, confirm.clone()).is_err());
    // Nor the same person in another role.
    let vote = whole(&run.state, &run.book, confirm.clone());
    let same = Recorded {
        actor: by(0, Role::GovernanceLiaison, vote.clone()).actor,
        ..by(run.at_s + 1, Role::IncidentCommander, vote)
    };
    let refusal = admit(&run.state, &run.book, &same, &run.facts).unwrap_err();
    assert!(refusal.has(RefusalKind::SecondPersonRequired), "{refusal}");
    let RunEvent::Decided(mut silent) = confirm.clone() else { unreachable!() };
    silent.rationale = " ".to_owned();
    let silent = run.try_(Role::IncidentCommander, RunEvent::Decided(silent)).unwrap_err();
    assert!(silent.has(RefusalKind::ReasonRequired), "{silent}");
    run.ok(Role::IncidentCommander, confirm);
    assert_ne!(run.step().id.as_str(), "confirm-abuse");
}

#[test]
fn a_stolen_agent_key_is_revoked_rotated_and_only_then_used_again() {
    let clean = [
        ("seat_key_affected", false),
        ("operator_key_compromised", false),
        ("message_quarantine_required", false),
    ];
    let answers = [
        ("choose-containment", "revoke_key"),
        ("choose-wider", "exit_only"),
        ("key-returns", "new_key"),
    ];
    let mut run = Run::new(KEY, facts(true, &clean), &answers);
    run.until("choose-wider");
    // Without a clean key the thief would get the exits (D-103).
    run.set("clean_actor_exists", false);
    let exits = decided(run_id(&run.book), "choose-wider", "exit_only");
    let refusal = run.try_(Role::IncidentCommander, exits).unwrap_err();
    assert!(refusal.to_string().contains("clean_actor_exists = false"), "{refusal}");
    run.set("clean_actor_exists", true);
    run.until("reopen-scope");
    run.set("keys_rotated_final", false);
    let event = intended(run_id(&run.book), "reopen-scope", Op::RoleReopen, 1);
    let refusal = run.try_(Role::RecoveryOperator, event).unwrap_err();
    assert!(refusal.to_string().contains("keys_rotated_final = false"), "{refusal}");
    run.set("keys_rotated_final", true);
    let walked = run.complete();
    let order = [
        "pin-evidence",
        "close-key-gates",
        "draft-revocation",
        "draft-mandate",
        "await-dead",
        "assess-objects",
        "reduce-linked",
        "publish-blast",
        "draft-rotation",
        "await-rotation",
        "await-reauthorised",
        "approve-scope",
        "reopen-scope",
        "publish-restored",
    ];
    assert_order(&walked, &order);
    assert!(!has(&walked, "freeze-outputs") && !has(&walked, "reopen-verifier"));
}

#[test]
fn a_stolen_seat_key_that_finality_needs_stays_gated_and_comes_back_after_replay() {
    let seats = [("quorum_survives_measure", false), ("keys_revoked_final", false)];
    let answers = [("choose-containment", "gates_only"), ("key-returns", "new_key")];
    let mut run = Run::new(KEY, facts(true, &seats), &answers);
    run.until("choose-containment");
    let revoke = decided(run_id(&run.book), "choose-containment", "revoke_key");
    let refusal = run.try_(Role::IncidentCommander, revoke).unwrap_err();
    assert!(refusal.to_string().contains("quorum_survives_measure = false"), "{refusal}");
    let walked = run.complete();
    let order = [
        "approve-roster",
        "revoke-roster",
        "choose-containment",
        "mark-suspect",
        "await-rotation",
        "replay-finalized",
        "reopen-verifier",
        "reopen-notary",
        "approve-agents",
        "reopen-agents",
        "watch-new-keys",
    ];
    assert_order(&walked, &order);
    assert!(!has(&walked, "draft-revocation"));
}

#[test]
fn a_key_that_is_not_replaced_ends_without_any_release() {
    let answers = [
        ("choose-containment", "revoke_key"),
        ("choose-wider", "revocation_enough"),
        ("key-returns", "retired"),
    ];
    let walked = Run::new(KEY, facts(true, &[]), &answers).complete();
    assert_order(&walked, &["await-dead", "publish-blast", "approve-retired", "publish-restored"]);
    assert!(!walked.iter().any(|id| id.starts_with("reopen")));
}

const ROLES_TOUCHED: [&str; 7] = [
    "agent_touched",
    "indexer_touched",
    "notary_touched",
    "proposer_touched",
    "rpc_touched",
    "validation_touched",
    "verifier_touched",
];

/// R-22.2-1: with the index alone damaged no signing gate closes and the index is rebuilt; the
/// question for the impact comes after an answer for each role, and a touched role that signs or
/// validates makes it critical.
#[test]
fn index_damage_leaves_signing_roles_open_and_rebuilds_the_index_only() {
    let mut index_only =
        vec![("partition_local_verified", false), ("signing_gates_touched", false)];
    let others = ROLES_TOUCHED.iter().filter(|r| **r != "indexer_touched");
    index_only.extend(others.map(|r| (*r, false)));
    let answers = [("impact", "not_critical")];
    let mut run = Run::new(INFRA_2, facts(true, &index_only), &answers);
    run.until("roles-touched");
    for role in ROLES_TOUCHED {
        let known = run.facts.remove(role);
        let done = finished(run_id(&run.book), "roles-touched", None, Outcome::Done);
        let refusal = run.try_(Role::OnCallOperator, done).unwrap_err();
        assert!(refusal.has(RefusalKind::GuardUnmet), "{refusal}");
        assert!(refusal.to_string().contains(&format!("{role} is unknown")), "{refusal}");
        run.facts.extend(known.map(|known| (role.to_owned(), known)));
    }
    run.until("impact");
    for role in ["validation_touched", "verifier_touched", "proposer_touched", "notary_touched"] {
        run.set(role, true);
        let short = decided(run_id(&run.book), "impact", "not_critical");
        let refusal = run.try_(Role::OnCallOperator, short).unwrap_err();
        assert!(refusal.to_string().contains(&format!("{role} = true")), "{refusal}");
        run.set(role, false);
    }
    let walked = run.complete();
    let order = ["node-sound", "close-reads", "set-aside", "rebuild-index", "reopen-index"];
    assert_order(&walked, &order);
    assert!(!has(&walked, "close-gates") && !has(&walked, "rebuild-store"));
    let state = [("store_checksum_ok", false)];
    let mut damaged = Run::new(INFRA_2, facts(true, &state), &[]);
    damaged.until("close-gates");
    let Work::Auto { op: Op::GateClose, args, .. } = damaged.step().work else { unreachable!() };
    assert_eq!(args["roles"], FactValue::Text("verifier proposer notary agent".into()));
}

#[test]
fn an_unknown_or_failed_integrity_fact_stops_the_signing_roles_and_bars_the_short_way() {
    for (fact, value) in [
        ("store_checksum_ok", Some(false)),
        ("own_root_matches", Some(false)),
        ("clock_in_bounds", Some(false)),
        ("sign_state_intact", Some(false)),
        ("partition_local_verified", Some(true)),
        ("own_root_matches", None),
    ] {
        let mut run = Run::new(INFRA, facts(true, &[("partition_local_verified", false)]), &[]);
        match value {
            Some(value) => run.set(fact, value),
            None => {
                run.facts.remove(fact);
            }
        }
        run.until("close-gates");
        run.until("impact");
        let short = decided(run_id(&run.book), "impact", "not_critical");
        let refusal = run.try_(Role::OnCallOperator, short).unwrap_err();
        assert!(refusal.has(RefusalKind::GuardUnmet), "{fact}: {refusal}");
    }
}

#[test]
fn a_damaged_store_is_rebuilt_verified_against_others_and_reopened_in_phases() {
    let damaged = [("store_checksum_ok", false), ("partition_local_verified", false)];
    let answers = [("impact", "consensus_critical"), ("rebuild-needed", "rebuild")];
    let mut run = Run::new(INFRA, facts(true, &damaged), &answers);
    run.until("rebuild-store");
    run.set("damaged_store_kept", false);
    let rebuild = intended(run_id(&run.book), "rebuild-store", Op::StoreRebuild, 1);
    let refusal = run.try_(Role::RecoveryOperator, rebuild).unwrap_err();
    assert!(refusal.to_string().contains("damaged_store_kept = false"), "{refusal}");
    run.set("damaged_store_kept", true);
    run.until("verify-root");
    // One peer that differs holds the node.
    run.set("reference_roots_equal", false);
    run.advance();
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Failed));
    run.set("reference_roots_equal", true);
    run.advance();
    let walked = run.complete();
    let order = [
        "pin-evidence",
        "close-gates",
        "close-validation",
        "close-reads",
        "set-aside",
        "find-checkpoint",
        "keep-old-store",
        "approve-rebuild",
        "rebuild-store",
        "replay-finalized",
        "verify-root",
        "integrity-checks",
        "approve-restart",
        "reopen-reading",
        "reopen-verifier",
        "reopen-proposer",
        "reopen-notary",
        "reopen-agents",
    ];
    assert_order(&walked, &order);
}

#[test]
fn a_pin_that_timed_out_bars_the_rebuild_but_not_the_closing() {
    let damaged = [("store_checksum_ok", false), ("partition_local_verified", false)];
    let answers = [("impact", "consensus_critical"), ("rebuild-needed", "rebuild")];
    let mut run = Run::new(INFRA, facts(true, &damaged), &answers);
    run.at_s = deadline(&run.state, &run.book).unwrap().ms() / 1000;
    let (id, step) = (run_id(&run.book), run.step().id);
    run.ok(Role::Automatic, RunEvent::DeadlineFired(DeadlineFired { run: id, step }));
    run.until("close-gates");
    run.until("rebuild-store");
    let rebuild = intended(id, "rebuild-store", Op::StoreRebuild, 1);
    let refusal = run.try_(Role::ConsensusLead, rebuild).unwrap_err();
    assert!(refusal.has(RefusalKind::DestructiveBeforePreserve), "{refusal}");
    assert!(refusal.to_string().contains("damaged_store"), "{refusal}");
}

#[test]
fn a_bad_release_is_stopped_built_again_by_two_and_nothing_unlisted_reopens() {
    let bad = [("running_release_accepted", false)];
    let answers = [("choose-containment", "local_only"), ("stores-clean", "rebuild")];
    let mut run = Run::new(SUPPLY, facts(true, &bad), &answers);
    run.until("artifact-verified");
    run.facts.insert("equal_builds".into(), FactValue::Int(1));
    run.advance();
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Failed), "one builder is none");
    run.facts.insert("equal_builds".into(), FactValue::Int(2));
    run.advance();
    run.until("binary-accepted");
    run.set("running_release_accepted", true);
    run.until("reopen-notary");
    run.set("running_release_accepted", false);
    let reopen = intended(run_id(&run.book), "reopen-notary", Op::RoleReopen, 1);
    let refusal = run.try_(Role::RecoveryOperator, reopen).unwrap_err();
    assert!(refusal.to_string().contains("running_release_accepted = false"), "{refusal}");
    run.set("running_release_accepted", true);
    let walked = run.complete();
    let order = [
        "close-gates",
        "suspend-rollout",
        "gates-closed",
        "bind-key-runbook",
        "identify-versions",
        "compare-builds",
        "build-again",
        "install-release",
        "rebuild-store",
        "replay-finalized",
        "roots-others",
        "reopen-verifier",
        "reopen-notary",
        "reopen-agents",
    ];
    assert_order(&walked, &order);
}

/// R-23.2-2: the comparison needs two independent builds with their hashes, and an artifact whose
/// builds are not equal is not accepted.
#[test]
fn two_independent_builds_are_recorded_and_unequal_ones_make_no_release() {
    let bad = [("running_release_accepted", false)];
    for (builds, held) in [(None, true), (Some(1), true), (Some(2), false)] {
        let mut run = Run::new(SUPPLY_2, facts(true, &bad), &[]);
        run.until("compare-builds");
        let id = run_id(&run.book);
        let bare = finished(id, "compare-builds", None, Outcome::Done);
        let refusal = run.try_(Role::ExecutionLead, bare).unwrap_err();
        assert!(refusal.to_string().contains("rebuilds is not recorded"), "{refusal}");
        run.until("builds-recorded");
        run.facts.extend(builds.map(|n| ("builds_recorded".into(), FactValue::Int(n))));
        run.advance();
        let stays = matches!(status(&run.state, &run.book), Status::Held(_));
        assert_eq!(stays, held, "{builds:?}");
    }
    let answers = [("choose-containment", "local_only"), ("stores-clean", "rebuild")];
    let mut facts = facts(true, &bad);
    facts.insert("builds_recorded".into(), FactValue::Int(2));
    let mut run = Run::new(SUPPLY_2, facts, &answers);
    run.until("artifact-verified");
    run.facts.insert("equal_builds".into(), FactValue::Int(1));
    run.advance();
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Failed), "unequal builds");
    let install = intended(run_id(&run.book), "install-release", Op::ReleaseInstall, 1);
    assert!(run.try_(Role::RecoveryOperator, install).is_err());
}

#[test]
fn a_release_that_never_ran_here_ends_without_install_or_reopening() {
    let elsewhere = [("own_nodes_affected", false), ("signing_gates_touched", false)];
    let answers = [("choose-containment", "local_only")];
    let walked = Run::new(SUPPLY, facts(true, &elsewhere), &answers).complete();
    assert_order(&walked, &["suspend-rollout", "compare-builds", "clean-release"]);
    assert!(!has(&walked, "close-gates") && !has(&walked, "install-release"));
}

#[test]
fn a_feature_is_restricted_only_on_a_fixture_that_shows_the_harm() {
    let mut run = Run::new(SUPPLY, facts(true, &[("version_misbehaviour_proven", false)]), &[]);
    run.until("choose-containment");
    for answer in ["restrict_feature", "emergency"] {
        let event = decided(run_id(&run.book), "choose-containment", answer);
        let refusal = run.try_(Role::IncidentCommander, event).unwrap_err();
        assert!(refusal.to_string().contains("version_misbehaviour_proven = false"), "{refusal}");
    }
}

#[test]
fn a_harmless_signal_is_kept_and_telemetry_repaired_while_impact_reclassifies() {
    let walked = Run::new(OBSERVE, facts(true, &[]), &[]).complete();
    assert_order(&walked, &["pin-signal", "no-impact", "repair-telemetry", "publish-clear"]);
    assert!(!has(&walked, "reclassify"));
    let impact = [("impact_check_negative", false)];
    let mut run = Run::new(OBSERVE, facts(true, &impact), &[("reclassify", "another_class")]);
    run.until("reclassify");
    let early = decided(run_id(&run.book), "reclassify", "no_impact");
    assert!(run.try_(Role::OnCallOperator, early).unwrap_err().has(RefusalKind::GuardUnmet));
    run.advance();
    assert_eq!(status(&run.state, &run.book), Status::Held(Hold::Answer));
}
