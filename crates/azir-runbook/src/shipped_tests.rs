//! Every directory of `runbooks/`: loads, has its place in the catalogue, and keeps the rules of
//! order on every path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use azir_model::class;
use azir_model::evidence::Checklist;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, Role, RunbookId, Severity};

use crate::fact::{FactType, FactValue, Facts, known};
use crate::model::{Runbook, Step, StepPart, Target, Work};
use crate::op::{Effect, Op};
use crate::predicate::{Predicate, Test};

/// A runbook with the place that it was read from, below `runbooks/`.
pub(crate) struct Shipped {
    pub(crate) dir: String,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) runbook: Runbook,
}

/// Every version of every directory, sorted by place.
pub(crate) fn shipped() -> Vec<Shipped> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut all = vec![];
    for dir in names(&root).into_iter().filter(|d| root.join(d).is_dir()) {
        for file in names(&root.join(&dir)) {
            let text = std::fs::read_to_string(root.join(&dir).join(&file)).unwrap();
            let place = format!("runbooks/{dir}/{file}");
            let runbook = crate::load(&text, &place).unwrap_or_else(|e| panic!("{e}"));
            all.push(Shipped { dir: dir.clone(), file, text, runbook });
        }
    }
    all
}

/// Every edge of a step, the deadline's last.
fn edges(step: &Step) -> impl Iterator<Item = &Target> {
    step.work.edges().into_iter().chain([&step.on_deadline])
}

/// What is reached from `from` over the edges that `keep` lets through. Edges lead forward, so one
/// pass in the order of the file is enough.
fn reached<'a>(
    runbook: &'a Runbook,
    from: &Target,
    keep: impl Fn(&Step, &Target) -> bool,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut ends = *from == Target::End;
    for step in runbook.steps() {
        let here = matches!(from, Target::Step(id) if *id == step.id);
        if !here && !reached.contains(step.id.as_str()) {
            continue;
        }
        reached.insert(step.id.as_str());
        for target in edges(step).filter(|t| keep(step, t)) {
            match target {
                Target::Step(id) => {
                    let id = &runbook.step(id).unwrap().id;
                    reached.insert(id.as_str());
                }
                Target::End => ends = true,
                Target::Hold => {}
            }
        }
    }
    if ends {
        reached.insert("end");
    }
    reached
}

/// Steps of `then` that some path enters without leaving a step of `first`.
fn early(
    runbook: &Runbook,
    first: impl Fn(&Step) -> bool,
    then: impl Fn(&Step) -> bool,
) -> Vec<&str> {
    let without = reached(runbook, &start(runbook), |step, _| !first(step));
    let then = runbook.steps().iter().filter(|s| then(s)).map(|s| s.id.as_str());
    then.filter(|id| without.contains(id)).collect()
}

/// Checklist lines that some path to the end does not pass.
fn uncollected(runbook: &Runbook) -> Vec<&str> {
    let misses = |item: &str| {
        let keep = |step: &Step, _: &Target| !step.evidence.iter().any(|e| e == item);
        reached(runbook, &start(runbook), keep).contains("end")
    };
    runbook.evidence().iter().map(|e| e.id.as_str()).filter(|id| misses(id)).collect()
}

/// Steps that change or release something and are reached from `from` without consent.
fn unapproved<'a>(runbook: &'a Runbook, from: &Target) -> Vec<&'a str> {
    let keep = |step: &Step, target: &Target| match &step.work {
        Work::Approval { next, .. } => target != next,
        Work::Auto { .. }
        | Work::Manual { .. }
        | Work::Decision { .. }
        | Work::Check { .. }
        | Work::Wait { .. } => true,
    };
    let reached = reached(runbook, from, keep);
    let acts = runbook.steps().iter().filter(|s| s.effect.needs_person());
    acts.map(|s| s.id.as_str()).filter(|id| reached.contains(id)).collect()
}

/// Steps that reopen a signing role and are reached without a replay that matches.
fn unreplayed(runbook: &Runbook) -> Vec<&str> {
    // The matching replay is passed over `next` alone.
    let passed = |step: &Step, target: &Target| {
        !needs_match(step) || step.work.edges().first() != Some(&target)
    };
    let without = reached(runbook, &start(runbook), passed);
    let signing = runbook.steps().iter().filter(|s| reopens_signing(s)).map(|s| s.id.as_str());
    signing.filter(|id| without.contains(id)).collect()
}

fn reopens_signing(step: &Step) -> bool {
    [NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary].iter().any(|r| releases(step, *r))
}

fn start(runbook: &Runbook) -> Target {
    Target::Step(runbook.steps()[0].id.clone())
}

/// On every path, a step of `first` is left before one of `then` is entered.
fn before(runbook: &Runbook, first: impl Fn(&Step) -> bool, then: impl Fn(&Step) -> bool) {
    assert_eq!(early(runbook, first, then), [""; 0], "{}: too early", runbook.id());
}

fn releases(step: &Step, role: NodeRole) -> bool {
    let Work::Auto { op: Op::RoleReopen, args, .. } = &step.work else { return false };
    let Some(FactValue::Text(roles)) = args.get("roles") else { return false };
    roles.split(' ').any(|r| r == role.as_str())
}

fn replays(step: &Step, stage: &str) -> bool {
    let Work::Auto { op: Op::ReplayRun, args, .. } = &step.work else { return false };
    args.get("stage") == Some(&FactValue::Text(stage.into()))
}

fn names<'a>(predicate: &'a Predicate, into: &mut BTreeMap<&'a str, &'a Test>) {
    match predicate {
        Predicate::All(list) | Predicate::Any(list) => list.iter().for_each(|p| names(p, into)),
        Predicate::Not(inner) => names(inner, into),
        Predicate::Fact { name, test } => {
            into.insert(name, test);
        }
    }
}

/// A step that is left over `next` only when the replay matches, by itself or as rc3 of all
/// criteria.
fn needs_match(step: &Step) -> bool {
    let mut facts = BTreeMap::new();
    match &step.work {
        Work::Check { when, .. } => names(when, &mut facts),
        Work::Wait { until, .. } => names(until, &mut facts),
        Work::Auto { .. } | Work::Manual { .. } | Work::Decision { .. } | Work::Approval { .. } => {
        }
    }
    let yes = Test::Is(FactValue::Bool(true));
    ["replay_match", "restart_criteria_met"].iter().any(|n| facts.get(n) == Some(&&yes))
}

/// R-34.2-1: the ten of 34.2 and RB-OBSERVE-001 are there, each under its id, valid against its
/// header, leading for its class, with every trigger of its section and a step for each of its
/// minimum actions.
#[test]
fn a_fresh_installation_lists_eleven_runbooks_that_cover_eleven_classes() {
    let all = shipped();
    let dirs: BTreeSet<_> = all.iter().map(|s| s.dir.as_str()).collect();
    assert_eq!(dirs, RunbookId::ALL.iter().map(|id| id.as_str()).collect());
    assert_eq!(dirs.len(), 11);
    let mut classes = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for Shipped { dir, file, text, runbook } in &all {
        assert_eq!(
            (dir.as_str(), file),
            (runbook.id().as_str(), &format!("v{}.toml", runbook.version()))
        );
        assert_eq!(class::runbook(runbook.class()), runbook.id());
        classes.insert(runbook.class());
        assert!(hashes.insert(runbook.hash()), "{dir}: same hash as another");
        let again = crate::load(text, "again.toml").unwrap();
        assert_eq!((again.hash(), again.header()), (runbook.hash(), runbook.header()));
        again.check_header(runbook.header()).unwrap();
    }
    assert_eq!(classes.len(), IncidentClass::ALL.len());
    // Counted in sections 14 to 23: triggers, and minimum actions without the words of findings.
    let sections = [
        (RunbookId::Consensus, 14, 5, 8),
        (RunbookId::Validation, 15, 4, 6),
        (RunbookId::Bvm, 16, 6, 8),
        (RunbookId::Witness, 17, 5, 7),
        (RunbookId::Econ, 18, 6, 7),
        (RunbookId::Agent, 19, 6, 7),
        (RunbookId::Gov, 20, 6, 6),
        (RunbookId::Key, 21, 5, 7),
        (RunbookId::Infra, 22, 6, 6),
        (RunbookId::Supply, 23, 4, 6),
    ];
    for (id, section, triggers, actions) in sections {
        let runbook = &all.iter().find(|s| s.runbook.id() == id).unwrap().runbook;
        let (trigger, action) = (format!("{section}.1"), format!("{section}.2"));
        let here = runbook.triggers().iter().filter(|t| t.why == trigger);
        assert_eq!(here.count(), triggers, "{id}: triggers of {trigger}");
        let here = runbook.steps().iter().filter(|s| s.why.contains(&action));
        assert!(here.count() >= actions, "{id}: steps for {action}");
    }
}

/// R-34.1-2: every trigger fires on facts that satisfy it, is silent without them, and no trigger
/// of another runbook asks for the same facts.
#[test]
fn triggers_fire_on_their_facts_alone_and_belong_to_one_runbook() {
    let all = shipped();
    let mut owner = BTreeMap::new();
    for Shipped { runbook, .. } in &all {
        assert!(runbook.triggered(&Facts::new()).is_empty());
        for trigger in runbook.triggers() {
            let mut asked = BTreeMap::new();
            names(&trigger.when, &mut asked);
            let facts: Facts = asked.iter().map(|(n, t)| ((*n).to_owned(), meets(t))).collect();
            let hit = runbook.triggered(&facts);
            assert!(hit.iter().any(|(t, _)| t.id == trigger.id), "{}", trigger.id);
            for (name, _) in asked {
                let other = owner.insert(name, runbook.id());
                assert!(other.is_none_or(|o| o == runbook.id()), "{name}: two runbooks");
            }
        }
    }
}

/// A value that passes the test.
fn meets(test: &Test) -> FactValue {
    match test {
        Test::Is(value) => value.clone(),
        Test::AtLeast(n) | Test::AtMost(n) => FactValue::Int(*n),
    }
}

/// Each checklist holds at least what annex N.3 demands of its classes, with its marks,
/// and no path ends without passing a step that collects each line.
#[test]
fn no_path_ends_without_each_line_of_the_checklist() {
    for Shipped { runbook, .. } in &shipped() {
        let id = runbook.id();
        let mut owed = Checklist::default();
        owed.grow(runbook.classes().iter().copied(), Severity::Sev5Systemic, true);
        for item in owed.items().iter().filter(|i| !i.row().from_log) {
            let line =
                runbook.evidence_item(item.as_str()).unwrap_or_else(|| panic!("{id}: {item}"));
            assert!(line.pin || !item.row().pin, "{id}: {item} must be pinned");
            assert!(!line.qualified || item.row().qualified, "{id}: {item} has no qualifier");
        }
        assert_eq!(uncollected(runbook), [""; 0], "{id}: a path ends without these");
    }
}

/// Every step leads on to the end by some path, and every path stops at `hold` or `end`.
#[test]
fn from_every_step_the_end_can_be_reached() {
    for Shipped { runbook, .. } in &shipped() {
        for step in runbook.steps() {
            let from = reached(runbook, &Target::Step(step.id.clone()), |_, _| true);
            assert!(from.contains("end"), "{}: {} leads nowhere", runbook.id(), step.id);
        }
    }
}

/// The pin comes first, before anything is restricted, changed or released (D-041 O1 and O3), and
/// neither its failure nor its slowness stops the run.
#[test]
fn the_pin_is_the_first_step_and_its_slowness_holds_nothing_up() {
    for Shipped { runbook, .. } in &shipped() {
        let id = runbook.id();
        let first = &runbook.steps()[0];
        let Work::Auto { op: Op::EvidencePin, next, on_fail, .. } = &first.work else {
            panic!("{id}: the first step is {}", first.id)
        };
        assert_eq!(first.part, StepPart::Immediate);
        assert!(first.deadline_s <= 5 && first.roles.contains(&Role::Automatic), "{id}");
        for target in [next, on_fail, &first.on_deadline] {
            assert!(matches!(target, Target::Step(_)), "{id}: the pin must not hold the run");
        }
        let pinned = |s: &Step| matches!(s.work, Work::Auto { op: Op::EvidencePin, .. });
        before(runbook, pinned, |s| s.effect >= Effect::RestrictLocal);
        // Pins without qualifier are taken at once; the rest before anything destructive.
        for line in runbook.evidence().iter().filter(|l| l.pin && l.from >= Severity::Sev3High) {
            let holds = |s: &Step| s.evidence.contains(&line.id);
            before(runbook, holds, |s| s.effect.needs_person());
        }
    }
}

/// Nothing is changed or released unless people approved it, and what a deadline or an
/// unknown condition leads to neither changes nor releases without a new approval.
#[test]
fn nothing_mutates_or_releases_without_an_approval_and_nothing_by_deadline_or_unknown() {
    for Shipped { runbook, .. } in &shipped() {
        assert_eq!(unapproved(runbook, &start(runbook)), [""; 0], "{}", runbook.id());
        for step in runbook.steps() {
            let mut by_itself = vec![&step.on_deadline];
            if let Work::Check { on_unknown, .. } = &step.work {
                by_itself.push(on_unknown);
            }
            for target in by_itself {
                assert_eq!(unapproved(runbook, target), [""; 0], "{}: {}", runbook.id(), step.id);
            }
        }
    }
}

/// Verifier, proposer and notary come back after a replay that matches, in this order,
/// each under a signed decision and after the lower phase has dwelt.
#[test]
fn signing_roles_return_after_the_replay_and_in_the_order_of_30_1() {
    for Shipped { runbook, .. } in &shipped() {
        assert_eq!(unreplayed(runbook), [""; 0], "{}: no matching replay", runbook.id());
        before(runbook, |s| replays(s, "finalized"), reopens_signing);
        before(runbook, |s| replays(s, "restrictions"), reopens_signing);
        before(runbook, |s| releases(s, NodeRole::Validation), |s| releases(s, NodeRole::Verifier));
        before(runbook, |s| releases(s, NodeRole::Verifier), |s| releases(s, NodeRole::Proposer));
        before(runbook, |s| releases(s, NodeRole::Proposer), |s| releases(s, NodeRole::Notary));
        for step in runbook.steps().iter().filter(|s| s.effect == Effect::Release) {
            let mut guard = BTreeMap::new();
            step.guard.iter().for_each(|g| names(g, &mut guard));
            let decided = guard.get("restart_decision_valid");
            assert!(decided.is_some(), "{}: {} without a decision", runbook.id(), step.id);
        }
    }
}

/// 38.1 and annex C rows 10 to 17: whoever drafts for others is one who may, the commander only
/// approves, and no step of any kind submits.
#[test]
fn drafts_and_local_measures_are_made_by_those_whom_annex_c_allows() {
    use Role::{
        ConsensusLead, ExecutionLead, GovernanceLiaison, IncidentCommander, OnCallOperator,
        RecoveryOperator, SecurityLead,
    };
    let drafters = [OnCallOperator, ConsensusLead, ExecutionLead, SecurityLead, GovernanceLiaison];
    let stoppers = [
        OnCallOperator,
        IncidentCommander,
        ConsensusLead,
        ExecutionLead,
        SecurityLead,
        RecoveryOperator,
    ];
    for Shipped { runbook, .. } in &shipped() {
        for step in runbook.steps().iter().filter(|s| matches!(s.work, Work::Manual { .. })) {
            let allowed: &[Role] = match step.effect {
                Effect::RestrictProtocolDraft => &drafters,
                Effect::RestrictLocal => &stoppers,
                Effect::Observe | Effect::Preserve | Effect::Draft => continue,
                Effect::MutateLocal | Effect::Release => panic!("{}: by hand", step.id),
            };
            let other = step.roles.iter().find(|r| !allowed.contains(r));
            assert_eq!(other, None, "{}: {}", runbook.id(), step.id);
        }
    }
}

/// What a tired person reads: every step says what to do in sentences, no title runs on, and no
/// escalation is missing for a step that is overdue, held or uncertain.
#[test]
fn every_step_has_a_text_and_every_stop_calls_somebody() {
    use crate::model::EscalateOn;
    for Shipped { runbook, .. } in &shipped() {
        for step in runbook.steps() {
            let (id, text) = (&step.id, &step.text);
            assert!(text.ends_with('.') && text.len() >= 30, "{}: {id}", runbook.id());
            assert!(step.title.chars().count() <= 80, "{}: {id}", runbook.id());
        }
        for on in EscalateOn::ALL {
            assert!(runbook.escalation().iter().any(|e| e.on == *on), "{}: {on}", runbook.id());
        }
        for criterion in runbook.exit() {
            let mut facts = BTreeMap::new();
            names(&criterion.when, &mut facts);
            let typed = |n: &&str| known(n).is_some_and(|f| f.kind != FactType::Text);
            let run = |n: &&str| n.starts_with("answer.") || n.starts_with("outcome.");
            assert!(facts.keys().all(|n| typed(n) || run(n)), "{}", criterion.id);
        }
    }
}

/// The rules above find what they are for: a runbook that breaks one of them is named.
#[test]
fn each_rule_of_order_finds_a_runbook_that_breaks_it() {
    let all = shipped();
    let text = &all.iter().find(|s| s.runbook.id() == RunbookId::Validation).unwrap().text;
    let broken = |step: &str, from: &str, to: &str| {
        let at = text.find(&format!("id = \"{step}\"\ntitle")).unwrap();
        let (head, tail) = text.split_at(at);
        assert!(tail.contains(from), "{from}");
        crate::load(&format!("{head}{}", tail.replacen(from, to, 1)), "broken.toml").unwrap()
    };
    let pinned = |s: &Step| matches!(s.work, Work::Auto { op: Op::EvidencePin, .. });
    let restricts = |s: &Step| s.effect >= Effect::RestrictLocal;
    let whole = broken("pin-evidence", "pin", "pin");
    assert!(uncollected(&whole).is_empty() && early(&whole, pinned, restricts).is_empty());
    let skips =
        broken("measure-helps", "on_fail = \"publish-guidance\"", "on_fail = \"make-fixture\"");
    assert_eq!(uncollected(&skips), ["evidence_objects", "slash_evidence", "active_features"]);
    let alone = broken("agents-untouched", "next = \"watch-return\"", "next = \"reopen-agents\"");
    assert_eq!(unapproved(&alone, &start(&alone)), ["reopen-agents"]);
    let blind = broken("own-gates-open", "next = \"scope-free\"", "next = \"approve-restart\"");
    assert_eq!(unreplayed(&blind), ["reopen-verifier", "reopen-proposer", "reopen-notary"]);
    let signs = |s: &Step| replays(s, "finalized");
    assert_eq!(early(&blind, signs, reopens_signing), unreplayed(&blind));
}
