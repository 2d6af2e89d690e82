//! The shipped runbooks of sections 15 to 19: every trigger and minimum action, the words of the
//! findings with their proofs, and the orders that belong to one section.

use azir_model::cause::findings;
use azir_model::{Choice, IncidentClass, RecoveryMode, RefusalKind, Role, RunbookId, Severity};

use crate::admit;
use crate::event::{Outcome, RunEvent};
use crate::fact::{FactValue, Facts};
use crate::model::{Answer, Runbook, Step, Target, Work};
use crate::op::{Effect, Op};
use crate::state::{RunState, apply};
use crate::testing::*;
use crate::walk::{Hold, Status, current, status};

const VALIDATION: &str = include_str!("../../../runbooks/RB-VALIDATION-001/v1.toml");
const VALIDATION_2: &str = include_str!("../../../runbooks/RB-VALIDATION-001/v2.toml");
const BVM: &str = include_str!("../../../runbooks/RB-BVM-001/v1.toml");
const WITNESS: &str = include_str!("../../../runbooks/RB-WITNESS-001/v1.toml");
const ECON: &str = include_str!("../../../runbooks/RB-ECON-001/v1.toml");
const AGENT: &str = include_str!("../../../runbooks/RB-AGENT-001/v1.toml");

fn all() -> [Runbook; 5] {
    [VALIDATION, BVM, WITNESS, ECON, AGENT].map(load_ok)
}

fn step<'a>(runbook: &'a Runbook, id: &str) -> &'a Step {
    runbook.step(&id.into()).unwrap_or_else(|| panic!("{}: no step {id}", runbook.id()))
}

fn at(runbook: &Runbook, id: &str) -> usize {
    runbook.steps().iter().position(|s| s.id.as_str() == id).unwrap_or_else(|| panic!("{id}"))
}

fn answers(step: &Step) -> &[Answer] {
    let Work::Decision { answers, .. } = &step.work else { panic!("{} decides nothing", step.id) };
    answers
}

fn yes(names: &[&str]) -> Facts {
    names.iter().map(|n| ((*n).to_owned(), FactValue::Bool(true))).collect()
}

fn no(names: &[&str]) -> Facts {
    names.iter().map(|n| ((*n).to_owned(), FactValue::Bool(false))).collect()
}

#[test]
fn each_runbook_has_its_class_its_lead_and_its_least_severity() {
    let head: Vec<_> =
        all().iter().map(|r| (r.id(), r.class(), r.owner(), r.severity_min())).collect();
    use IncidentClass as C;
    use Role::{ConsensusLead, ExecutionLead, SecurityLead};
    use RunbookId as R;
    use Severity::{Sev2Medium, Sev3High};
    assert_eq!(
        head,
        [
            (R::Validation, C::Validation, ConsensusLead, Sev3High),
            (R::Bvm, C::Bvm, ExecutionLead, Sev3High),
            (R::Witness, C::WitnessProof, SecurityLead, Sev3High),
            (R::Econ, C::Economic, ExecutionLead, Sev3High),
            (R::Agent, C::AgentControl, SecurityLead, Sev2Medium),
        ]
    );
}

/// R-34.1-2: each trigger of 15.1 to 19.1, alone, selects its runbook and no other of these.
#[test]
fn every_trigger_of_sections_15_to_19_selects_its_runbook_alone() {
    let books = all();
    let cases: [(&str, &[(&str, &str)]); 5] = [
        (
            "15.1",
            &[
                ("tx_verdicts_differ", "accept-reject"),
                ("decode_mismatch_verified", "decode-mismatch"),
                ("reference_mismatch_verified", "reference-mismatch"),
                ("expiry_mismatch_verified", "expiry-revocation-mismatch"),
            ],
        ),
        (
            "16.1",
            &[
                ("execution_results_differ", "divergent-results"),
                ("trap_rate_high", "trap-pattern"),
                ("effect_digest_mismatch_verified", "effect-digest-mismatch"),
                ("manifest_bound_exceeded", "manifest-accepted"),
                ("exec_cost_mismatch_verified", "cost-mis-accounting"),
                ("permission_leak_verified", "permission-leak"),
            ],
        ),
        (
            "17.1",
            &[
                ("contradictory_claims_verified", "contradictory-claims"),
                ("revocation_mismatch_verified", "revocation-mismatch"),
                ("proof_verdicts_differ", "proof-verifier-bug"),
                ("stale_claim_accepted", "stale-claim"),
                ("unauthorized_claim_verified", "unauthorized-emission"),
            ],
        ),
        (
            "18.1",
            &[
                ("fee_underpriced", "fee-underpricing"),
                ("rent_mismatch_verified", "rent-bypass"),
                ("slash_mismatch_verified", "slash-amount"),
                ("reward_mismatch_verified", "reward-distortion"),
                ("unfinal_reward_verified", "no-finality-reward-leak"),
                ("spam_above_threshold", "spam"),
            ],
        ),
        (
            "19.1",
            &[
                ("outside_mandate_verified", "outside-mandate"),
                ("journal_missing", "missing-log"),
                ("action_after_halt_verified", "after-halt"),
                ("cap_exceeded_verified", "cap-bypass"),
                ("agent_key_suspect", "operator-key"),
                ("journal_mismatch_verified", "inconsistent-logs"),
            ],
        ),
    ];
    for (book, (clause, facts)) in books.iter().zip(cases) {
        assert_eq!(book.triggers().iter().filter(|t| t.why == clause).count(), facts.len());
        for (fact, trigger) in facts {
            for other in &books {
                let hit = other.triggered(&yes(&[fact]));
                let hit: Vec<_> = hit.iter().map(|(t, _)| t.id.as_str()).collect();
                let want: &[&str] = if other.id() == book.id() { &[trigger] } else { &[] };
                assert_eq!(hit, want, "{fact}");
            }
            assert!(book.triggered(&no(&[fact])).is_empty(), "{fact}");
        }
    }
}

/// The minimum actions of 15.2 to 19.2 and the rules after them, in the order of the text, each
/// with the steps that do it.
const ACTIONS: [(usize, &str, &[&[&str]]); 5] = [
    (
        0,
        "15.2",
        &[
            &["pin-evidence", "make-fixture"],
            &["targeted-replay", "report-complete"],
            &["classify"],
            &["ambiguity-excluded", "close-affected", "measure-helps", "prepare-measure"],
            &["publish-guidance"],
            &["prepare-fix", "rule-decides", "draft-clarification", "await-fix"],
        ],
    ),
    (
        1,
        "16.2",
        &[
            &["pin-evidence"],
            &["draft-freeze"],
            &["compare-reference"],
            &["replay-call", "compared"],
            &["classify"],
            &["exploit-excluded", "prepare-restriction", "request-settled"],
            &["prepare-fix", "reverify-modules"],
            &["set-criteria", "criteria-there"],
        ],
    ),
    (
        2,
        "17.2",
        &[
            &["pin-evidence"],
            &["mark-scopes", "publish-marked"],
            &["impact-low", "second-issuer", "draft-quarantine", "draft-freeze"],
            &["classify"],
            &["proof-possible", "draft-fraud-proof", "record-invalidation"],
            &["flows-independent", "close-agents", "draft-flow-freeze", "flows-frozen"],
            &["plan-revalidation", "plan-there", "revalidate-claims", "claims-rechecked"],
        ],
    ),
    (
        3,
        "18.2",
        &[
            &["pin-evidence"],
            &["quantify", "quantified"],
            &["throttle-safe", "throttle"],
            &["measure-helps", "prepare-restriction", "draft-parameters"],
            &["mark-scopes"],
            &["stop-claims", "await-patch", "publish-restored"],
            &["simulate", "simulated"],
        ],
    ),
    (
        4,
        "19.2",
        &[
            &["pin-evidence"],
            &["close-agents", "draft-halt", "request-restriction", "measure-in-force"],
            &["key-safe", "draft-revocation", "revoked-or-safe", "draft-rotation"],
            &["exit-fits", "draft-exit-only"],
            &["proof-possible", "draft-fraud-proof", "record-observation"],
            &["quantify-exposure", "exposure-known", "reduce-exposure", "exposure-shrank"],
            &["await-authorization"],
        ],
    ),
];

/// R-34.2-1: each minimum action of 15.2 to 19.2 is a step, or several, with its clause.
#[test]
fn every_minimum_action_of_sections_15_to_19_is_a_step_with_its_clause() {
    let books = all();
    for (book, clause, actions) in ACTIONS {
        for id in actions.iter().copied().flatten() {
            let step = step(&books[book], id);
            assert!(step.why.iter().any(|w| w == clause), "{clause}: {id} does not cite it");
        }
    }
    let rules: [(usize, &str, &[&str]); 4] = [
        (0, "15.3", &["ambiguity-excluded", "fault-bounded", "stay-systemic"]),
        (1, "16.3", &["bound-holds", "draft-freeze"]),
        (3, "18.3", &["cheap-excluded", "prepare-restriction"]),
        (4, "19.3", &["close-agents"]),
    ];
    for (book, clause, ids) in rules {
        for id in ids {
            let step = step(&books[book], id);
            assert!(step.why.iter().any(|w| w == clause), "{clause}: {id} does not cite it");
        }
    }
}

/// R-15.2-3: the words of each section are those of the model, every other word is refused, and a
/// word is taken only with its proof; a mismatch of features with the state at the height.
#[test]
fn findings_are_the_closed_words_of_their_class_and_need_their_proof() {
    for runbook in &all() {
        let classify = step(runbook, "classify");
        let words: Vec<_> = answers(classify).iter().map(|a| a.id.as_str()).collect();
        let model: Vec<_> = findings(runbook.class()).iter().map(|f| f.word).collect();
        assert_eq!(words, model, "{}", runbook.id());
        for answer in answers(classify) {
            let when = answer.when.as_ref().unwrap_or_else(|| panic!("{}", answer.id));
            let told = when.eval(&Facts::new()).truth;
            assert_eq!(told, crate::predicate::Truth::Unknown, "{} without facts", answer.id);
        }
    }
    let case = |facts: Facts, word: &str| finding(VALIDATION_2, facts, word);
    let differ = yes(&["same_bytes_disagree", "fixture_made"]);
    assert_eq!(case(differ.clone(), "operator_error"), [RefusalKind::UnknownEnum]);
    for word in ["node_bug", "spec_ambiguity", "malformed_object", "feature_activation_mismatch"] {
        assert_eq!(case(differ.clone(), word), UNPROVEN, "{word} without its proof");
    }
    let decided = |value| {
        let mut facts = differ.clone();
        facts.insert("rule_decides_input".into(), FactValue::Bool(value));
        facts
    };
    assert_eq!(case(decided(true), "node_bug"), []);
    assert_eq!(case(decided(true), "spec_ambiguity"), UNPROVEN);
    assert_eq!(case(decided(false), "node_bug"), UNPROVEN);
    // Nodes hold different feature states, and that state at the height is kept.
    let features = yes(&["feature_states_differ"]);
    assert_eq!(case(features.clone(), "feature_activation_mismatch"), []);
    let mut run = Walk::to(VALIDATION_2, "classify");
    run.facts = features;
    run.state.evidence.remove("active_features");
    let refusal = run.answer("feature_activation_mismatch").unwrap_err();
    assert!(refusal.to_string().contains("active_features is not recorded"), "{refusal}");
}

/// What the interpreter says to a finding whose condition does not hold.
const UNPROVEN: [RefusalKind; 1] = [RefusalKind::EvidenceUnverified];

/// The kinds of the refusal of this answer at `classify` under these facts; none when it is taken.
fn finding(text: &str, facts: Facts, word: &str) -> Vec<RefusalKind> {
    let mut run = Walk::to(text, "classify");
    run.facts = facts;
    let told = run.answer(word);
    told.err().map_or(vec![], |e| e.unmet().iter().map(|u| u.kind).collect())
}

/// R-15.2-8: an ambiguity needs a fixture whose result no rule or vector decides, and the draft of
/// the clarification is the next thing that is due.
#[test]
fn an_ambiguity_needs_an_undecided_fixture_and_makes_a_clarification_due() {
    let undecided = || {
        let mut facts = yes(&["same_bytes_disagree", "fixture_made"]);
        facts.extend(no(&["rule_decides_input"]));
        facts
    };
    for lacking in ["same_bytes_disagree", "fixture_made", "rule_decides_input"] {
        let mut facts = undecided();
        facts.remove(lacking);
        assert_eq!(finding(VALIDATION_2, facts, "spec_ambiguity"), UNPROVEN, "{lacking}");
    }
    let after = |facts: Facts, word: &str| {
        let mut run = Walk::to(VALIDATION_2, "classify");
        run.facts.extend(facts);
        run.answer(word).unwrap();
        run.until(&["await-fix"])
    };
    let due = "draft-clarification".to_owned();
    assert!(after(undecided(), "spec_ambiguity").contains(&due));
    let mut decided = undecided();
    decided.extend(yes(&["rule_decides_input"]));
    assert!(!after(decided, "node_bug").contains(&due));
    let draft = load_ok(VALIDATION_2);
    assert_eq!(step(&draft, "draft-clarification").effect, Effect::RestrictProtocolDraft);
}

/// R-15.2-9: a malformed object is named with the byte from which it is wrong.
#[test]
fn a_malformed_object_is_taken_with_its_byte_only() {
    let mut facts = yes(&["object_malformed"]);
    assert_eq!(finding(VALIDATION_2, facts.clone(), "malformed_object"), UNPROVEN);
    facts.insert("malformed_at_byte".into(), FactValue::Int(17));
    assert_eq!(finding(VALIDATION_2, facts.clone(), "malformed_object"), []);
    facts.extend(no(&["object_malformed"]));
    assert_eq!(finding(VALIDATION_2, facts, "malformed_object"), UNPROVEN);
    // Whoever took such bytes has a bug, whether or not another implementation differs.
    assert_eq!(finding(VALIDATION_2, yes(&["decode_mismatch_verified"]), "node_bug"), []);
}

/// R-16.2-5: four words, each with its proof; a module that the deployment check let in makes the
/// check wrong, and every module that it accepted is checked again.
#[test]
fn what_the_deployment_check_let_in_is_a_verifier_bug() {
    let mut way = no(&["exploitable", "boundedness_suspected", "validation_fault_unbounded"]);
    way.extend(yes(&["reference_compared", "incident_open"]));
    way.insert("replay_implementations".into(), FactValue::Int(2));
    let at = |facts: Facts| {
        let mut run = Walk::new(BVM);
        run.facts.extend(way.clone());
        run.until(&["classify"]);
        run.facts.extend(facts);
        run
    };
    let case = |facts: Facts, word: &str| {
        let told = at(facts).answer(word);
        told.err().map_or(vec![], |e| e.unmet().iter().map(|u| u.kind).collect())
    };
    assert_eq!(case(Facts::new(), "node_bug"), [RefusalKind::UnknownEnum]);
    for word in ["verifier_bug", "runtime_bug", "malformed_bytecode", "spec_gap"] {
        assert_eq!(case(Facts::new(), word), UNPROVEN, "{word}");
    }
    let mut let_in = yes(&["static_rule_broken"]);
    let_in.extend(no(&["module_decodes"]));
    let mut run = at(let_in);
    run.answer("verifier_bug").unwrap();
    assert!(run.until(&["prepare-fix"]).contains(&"reverify-modules".to_owned()));
    assert_eq!(case(no(&["module_decodes"]), "malformed_bytecode"), []);
    assert_eq!(case(yes(&["reference_undefined"]), "spec_gap"), []);
}

/// R-17.2-4: the word for the family is one of four, and only with its proof.
#[test]
fn doubtful_claims_get_one_of_four_words_with_its_proof() {
    let proofs = [
        ("invalid", "claim_invalid"),
        ("contradictory", "contradictory_claims_verified"),
        ("stale", "stale_claim_accepted"),
        ("parser_bug_dependent", "proof_verdicts_differ"),
    ];
    let book = load_ok(WITNESS);
    for (word, fact) in proofs {
        let when = book.proof_of(word).unwrap();
        for (other, _) in proofs.iter().filter(|(w, _)| *w != word) {
            assert_ne!(book.proof_of(other), Some(when));
        }
        for (facts, truth) in [
            (yes(&[fact]), crate::predicate::Truth::True),
            (Facts::new(), crate::predicate::Truth::Unknown),
        ] {
            assert_eq!(when.eval(&facts).truth, truth, "{word}");
        }
    }
    assert_eq!(book.proof_of("node_bug"), None);
}

/// A run that is put at a step: every step before it on the regular way is done.
struct Walk {
    runbook: Runbook,
    state: RunState,
    facts: Facts,
    at_s: i64,
}

impl Walk {
    fn new(text: &str) -> Self {
        let runbook = load_ok(text);
        let facts = yes(&["incident_open"]);
        let mut walk = Self { runbook, state: RunState::default(), facts, at_s: 1000 };
        let start = RunEvent::Started(started(&walk.runbook));
        walk.record(Role::OnCallOperator, start).unwrap();
        walk
    }

    /// Walks to `stop` with facts set as each check on the way asks, unknown otherwise.
    fn to(text: &str, stop: &str) -> Self {
        let mut walk = Self::new(text);
        let sure = no(&["same_bytes_disagree", "validation_fault_unbounded"]);
        walk.facts.extend(sure);
        walk.facts.extend(yes(&["store_checksum_ok", "fixture_made", "vectors_run"]));
        walk.facts.insert("replay_implementations".into(), FactValue::Int(2));
        while walk.here() != stop {
            walk.go();
        }
        walk
    }

    fn record(&mut self, role: Role, event: RunEvent) -> Result<(), azir_model::Refusal> {
        self.at_s += 1;
        if let Some(request) = asked(&self.state, &self.runbook, &event, self.at_s) {
            admit(&self.state, &self.runbook, &request, &self.facts)?;
            apply(&mut self.state, &request);
        }
        let event = whole(&self.state, &self.runbook, event);
        let record = by(self.at_s, role, event);
        admit(&self.state, &self.runbook, &record, &self.facts)?;
        apply(&mut self.state, &record);
        Ok(())
    }

    fn here(&self) -> String {
        current(&self.state, &self.runbook).map_or("end".into(), |s| s.id.to_string())
    }

    fn answer(&mut self, answer: &str) -> Result<(), azir_model::Refusal> {
        let step = current(&self.state, &self.runbook).unwrap().clone();
        let run = run_id(&self.runbook);
        self.record(step.roles[0], decided(run, step.id.as_str(), answer))
    }

    /// Does the current step; a condition goes where the facts send it.
    fn go(&mut self) {
        let step = current(&self.state, &self.runbook).unwrap().clone();
        let (run, id) = (run_id(&self.runbook), step.id.as_str());
        let end = |attempt, outcome| {
            let RunEvent::Finished(mut event) = finished(run, id, attempt, outcome) else {
                unreachable!()
            };
            event.evidence = present(&step.evidence);
            RunEvent::Finished(event)
        };
        let done = match &step.work {
            Work::Auto { op, .. } => {
                self.record(step.roles[0], intended(run, id, *op, 1)).unwrap();
                self.record(Role::Automatic, end(Some(1), Outcome::Done))
            }
            Work::Manual { .. } => self.record(step.roles[0], end(None, Outcome::Done)),
            Work::Check { when, .. } => {
                let outcome = match when.eval(&self.facts).truth {
                    crate::predicate::Truth::True => Outcome::Done,
                    crate::predicate::Truth::False => Outcome::Failed,
                    crate::predicate::Truth::Unknown => Outcome::Unknown,
                };
                self.record(Role::Automatic, end(None, outcome))
            }
            Work::Wait { .. } => self.record(Role::Automatic, end(None, Outcome::Done)),
            Work::Decision { .. } | Work::Approval { .. } => panic!("{id} is decided by the test"),
        };
        done.unwrap_or_else(|e| panic!("{id}: {e}"));
    }

    /// Walks until one of `stops`; the steps passed, the stop last.
    fn until(&mut self, stops: &[&str]) -> Vec<String> {
        let mut passed = vec![self.here()];
        while !stops.contains(&passed.last().unwrap().as_str()) {
            self.go();
            passed.push(self.here());
        }
        passed
    }
}

/// 15.3: not knowing whether two implementations differ closes the signing roles, and only the
/// three proofs together narrow the blast radius.
#[test]
fn a_validation_ambiguity_is_systemic_until_all_three_proofs_are_there() {
    let next = |facts: Facts| {
        let mut run = Walk::new(VALIDATION);
        run.facts.extend(facts);
        run.go();
        run.go();
        run.here()
    };
    assert_eq!(next(Facts::new()), "close-affected");
    assert_eq!(next(yes(&["same_bytes_disagree"])), "close-affected");
    assert_eq!(next(no(&["same_bytes_disagree"])), "validation-safe");
    let proofs = ["fixture_made", "wrong_implementation_named", "wrong_share_below_third"];
    let Work::Check { when, next, on_fail, on_unknown } =
        &step(&load_ok(VALIDATION), "fault-bounded").work.clone()
    else {
        panic!("fault-bounded is no check")
    };
    assert_eq!(when.eval(&yes(&proofs)).truth, crate::predicate::Truth::True);
    for missing in proofs {
        let mut facts = yes(&proofs);
        facts.remove(missing);
        assert_eq!(when.eval(&facts).truth, crate::predicate::Truth::Unknown, "{missing}");
    }
    assert_eq!((on_fail, on_fail == on_unknown), (&Target::Step("stay-systemic".into()), true));
    assert_ne!(next, on_fail);
}

/// 16.3: with a bound in doubt, or unknown, the freeze is drafted before anybody asks for a cause.
#[test]
fn a_bound_in_doubt_drafts_the_freeze_before_the_cause_is_known() {
    for (facts, frozen) in [
        (Facts::new(), true),
        (yes(&["boundedness_suspected"]), true),
        (no(&["boundedness_suspected", "manifest_bound_exceeded"]), false),
    ] {
        let mut run = Walk::new(BVM);
        run.facts.extend(facts);
        let passed = run.until(&["collect-evidence"]);
        assert_eq!(passed.contains(&"draft-freeze".to_owned()), frozen, "{passed:?}");
        assert!(passed.contains(&"close-gates".to_owned()), "results were never compared");
    }
    let floor = load_ok(BVM);
    let limits = floor.containment().iter().find(|c| c.choice == Choice::ProtocolSafeMode).unwrap();
    let told = limits.when.eval(&yes(&["boundedness_suspected", "protocol_measure_effective"]));
    assert_eq!(told.truth, crate::predicate::Truth::False, "limits are below the floor of 16.3");
}

/// R-16.2-6: with an exploit possible the run stays until a request is in force or refused.
#[test]
fn an_exploitable_fault_waits_for_the_request_to_be_settled() {
    let mut run = Walk::new(BVM);
    run.facts.extend(yes(&["exploitable", "protocol_measure_effective"]));
    let passed = run.until(&["request-settled"]);
    assert!(passed.contains(&"prepare-restriction".to_owned()), "{passed:?}");
    let id = run_id(&run.runbook);
    let early = finished(id, "request-settled", None, Outcome::Done);
    let refusal = run.record(Role::Automatic, early.clone()).unwrap_err();
    assert!(refusal.has(RefusalKind::GuardUnmet), "{refusal}");
    run.facts.extend(yes(&["protocol_request_settled"]));
    run.record(Role::Automatic, early).unwrap();
    assert_eq!(run.here(), "compare-reference");
}

/// 17.2: with a second issuer corroboration is drafted, with a sole issuer a freeze; and the run
/// does not go on while a dependent flow is open.
#[test]
fn a_sole_issuer_is_frozen_and_no_dependent_flow_stays_open() {
    for (second, draft) in
        [(Some(true), "draft-quarantine"), (Some(false), "draft-freeze"), (None, "draft-freeze")]
    {
        let mut run = Walk::new(WITNESS);
        run.facts.extend(yes(&["dependent_flows_exist"]));
        let second = second.map(|v| ("corroborating_issuer_exists".into(), FactValue::Bool(v)));
        run.facts.extend(second);
        let passed = run.until(&["flows-frozen"]);
        for id in [draft, "close-agents", "draft-flow-freeze"] {
            assert!(passed.contains(&id.to_owned()), "{id} in {passed:?}");
        }
        let both = ["draft-quarantine", "draft-freeze"];
        assert_eq!(both.iter().filter(|id| passed.contains(&(**id).to_owned())).count(), 1);
        run.go();
        assert_eq!(run.here(), "flows-frozen");
        assert_eq!(status(&run.state, &run.runbook), Status::Held(Hold::Failed));
    }
}

/// 18.2: no parameters are drafted before their simulation, and no step that calls economics
/// normal comes before the wait for the active fix.
#[test]
fn parameters_are_simulated_before_they_are_drafted_and_normal_is_said_last() {
    let book = load_ok(ECON);
    let order = ["stop-claims", "simulate", "simulated", "draft-parameters", "await-patch"];
    assert!(order.windows(2).all(|w| at(&book, w[0]) < at(&book, w[1])), "{order:?}");
    let Work::Check { next, on_fail, on_unknown, .. } = &step(&book, "simulated").work else {
        panic!("simulated is no check")
    };
    assert_eq!((on_fail, on_unknown), (&Target::Hold, &Target::Hold));
    assert_eq!(*next, Target::Step("classify".into()));
    let normal = |s: &&Step| match &s.work {
        Work::Auto { op: Op::StatusPublish, args, .. } => {
            args.get("occasion") == Some(&FactValue::Text("economics_restored".into()))
        }
        _ => false,
    };
    let said: Vec<_> = book.steps().iter().filter(normal).map(|s| s.id.as_str()).collect();
    assert_eq!(said, ["publish-restored"]);
    assert!(at(&book, "publish-restored") > at(&book, "await-patch"));
    // A throttle is local and never stands for the fix.
    assert_eq!(step(&book, "throttle").effect, Effect::RestrictLocal);
}

/// 19.3 and annex H: own agents close before anything is asked; exit-only is drafted only when
/// all four conditions hold, and anything unknown leads to the halt.
#[test]
fn agents_are_halted_first_and_exit_only_needs_all_its_conditions() {
    let needs =
        ["open_exposure", "harm_only_opening", "clean_actor_exists", "price_sources_trusted"];
    let draft = |facts: Facts| {
        let mut run = Walk::new(AGENT);
        run.facts.extend(facts);
        let passed = run.until(&["key-safe"]);
        assert_eq!(passed[..3], ["pin-evidence", "close-agents", "exit-fits"]);
        passed[3].clone()
    };
    assert_eq!(draft(yes(&needs)), "draft-exit-only");
    assert_eq!(draft(Facts::new()), "draft-halt");
    for need in needs {
        let mut facts = yes(&needs);
        facts.remove(need);
        assert_eq!(draft(facts.clone()), "draft-halt", "{need} unknown");
        facts.extend(no(&[need]));
        assert_eq!(draft(facts), "draft-halt", "{need} false");
    }
}

/// D-108: a new key is drafted only after the old one is revoked at hard-final, and the agent gate
/// opens only with a new authorisation.
#[test]
fn a_suspect_key_is_revoked_before_it_is_replaced_and_nothing_reopens_on_the_old_mandate() {
    let mut run = Walk::new(AGENT);
    run.facts.extend(yes(&["agent_key_suspect", "exposure_quantified"]));
    run.facts.insert("scope_capability_in_force".into(), FactValue::Int(4));
    let passed = run.until(&["revoked-or-safe"]);
    assert!(passed.contains(&"draft-revocation".to_owned()), "{passed:?}");
    assert!(!passed.contains(&"draft-rotation".to_owned()), "{passed:?}");
    let id = run_id(&run.runbook);
    let event = finished(id, "revoked-or-safe", None, Outcome::Done);
    run.record(Role::Automatic, event.clone()).unwrap_err();
    run.facts.extend(yes(&["keys_revoked_final"]));
    run.record(Role::Automatic, event).unwrap();
    let passed = run.until(&["nodes-refused"]);
    assert!(passed.contains(&"draft-rotation".to_owned()), "{passed:?}");
    let book = load_ok(AGENT);
    let reopen = step(&book, "reopen-agents");
    let guard = reopen.guard.as_ref().unwrap();
    let told = guard.eval(&yes(&["restart_decision_valid"])).truth;
    assert_eq!(told, crate::predicate::Truth::Unknown);
    let both = yes(&["restart_decision_valid", "mandate_reauthorized"]);
    assert_eq!(guard.eval(&both).truth, crate::predicate::Truth::True);
}

/// 26.1: what restricts a scope is lifted in steps of 25, 50 and 100 per cent after a draft that
/// two people approved, and an emergency is wound up before the end.
#[test]
fn restricted_scopes_come_back_in_three_steps_and_emergencies_are_wound_up() {
    for runbook in &all() {
        let order = ["scope-free", "draft-lift", "approve-lift", "await-quarter", "await-half"];
        let order = order.iter().chain(&["await-full", "watch-return", "emergency-unused"]);
        let order: Vec<_> = order.map(|id| at(runbook, id)).collect();
        assert!(order.is_sorted(), "{}: {order:?}", runbook.id());
        for (id, percent) in [("await-quarter", 25), ("await-half", 50), ("await-full", 100)] {
            let Work::Wait { until, .. } = &step(runbook, id).work else { panic!("{id}") };
            let mut facts = no(&[]);
            facts.insert("scope_capability_in_force".into(), FactValue::Int(0));
            facts.insert("caps_clean_percent".into(), FactValue::Int(percent - 1));
            assert_eq!(until.eval(&facts).truth, crate::predicate::Truth::False, "{id}");
            facts.insert("caps_clean_percent".into(), FactValue::Int(percent));
            assert_eq!(until.eval(&facts).truth, crate::predicate::Truth::True, "{id}");
        }
        assert_eq!(step(runbook, "draft-lift").roles, [Role::GovernanceLiaison]);
        let modes: Vec<_> = runbook.steps().iter().filter_map(|s| s.mode).collect();
        assert!(modes.contains(&RecoveryMode::DomainReenable));
        assert!(modes.contains(&RecoveryMode::PostEmergencyNormalization));
        let approves = |s: &&Step| matches!(s.work, Work::Approval { .. });
        for approval in runbook.steps().iter().filter(approves) {
            let Work::Approval { quorum, .. } = approval.work else { unreachable!() };
            assert_eq!((quorum, approval.roles[0]), (2, Role::IncidentCommander));
            assert_eq!(approval.roles.len(), 2, "{}: everyone named must agree", approval.id);
        }
    }
}

/// The eight steps of 27.2 stand in order in every runbook whose recovery touches consensus.
#[test]
fn the_replay_of_27_2_stands_in_order_wherever_state_is_touched() {
    for text in [VALIDATION, BVM, WITNESS, ECON] {
        let runbook = load_ok(text);
        let order = [
            "find-checkpoint",
            "freeze-outputs",
            "load-inputs",
            "replay-finalized",
            "compare-roots",
            "rebuild-branches",
            "revalidate-restrictions",
            "ready-to-rejoin",
        ];
        let places: Vec<_> = order.iter().map(|id| at(&runbook, id)).collect();
        assert!(places.is_sorted(), "{}: {places:?}", runbook.id());
        for id in order {
            let step = step(&runbook, id);
            assert!(step.why.iter().any(|w| w == "27.2"), "{}: {id}", runbook.id());
            assert_eq!(step.mode, Some(RecoveryMode::FinalizedReplay), "{}: {id}", runbook.id());
        }
    }
}
