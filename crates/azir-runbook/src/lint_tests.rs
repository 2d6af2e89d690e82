//! The linter against the shipped runbooks, against bad ones, and against itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use azir_model::{Role, RunbookId};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::lint::{Finding, Roster, Rule, lint, lint_by};
use crate::model::{Runbook, StepId, Target, Undo, Work};
use crate::shipped_tests::shipped;
use crate::testing::consensus;

/// The anti-patterns of section 40 in their order, with the rule that refuses each.
const ANTI_PATTERNS: [(&str, Rule); 10] = [
    ("01-reboot-first", Rule::PreserveFirst),
    ("02-silent-local-patch", Rule::ApprovedByOthers),
    ("03-panic-halt", Rule::ProtocolDraftJustified),
    ("04-waiting-for-root-cause", Rule::DeadlineNeverLoosens),
    ("05-notary-before-replay", Rule::ReplayBeforeAuthority),
    ("06-safe-mode-or-halt", Rule::RestrictionLabelled),
    ("07-emergency-without-expiry", Rule::ProtocolDraftJustified),
    ("08-dashboard-over-replay", Rule::ReplayBeforeAuthority),
    ("09-old-key-again", Rule::RotationBeforeReuse),
    ("10-closed-because-quiet", Rule::EndByDecision),
];

/// A bad runbook that says in its first lines which rule refuses it, and over which paths.
struct Fixture {
    name: String,
    /// `None` for a sound one.
    rule: Option<Rule>,
    paths: Vec<String>,
    book: Runbook,
}

fn fixtures(dir: &str) -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(dir);
    let entries = std::fs::read_dir(&root).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let read = |file: &String| {
        let name = file.strip_suffix(".toml").unwrap_or_else(|| panic!("{file}: no fixture"));
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let says = |key: &str| {
            let lines = text.lines().take_while(|l| l.starts_with('#'));
            lines.filter_map(|l| l.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>()
        };
        Fixture {
            name: name.to_owned(),
            rule: says("# rule: ").first().map(|word| word.parse().unwrap()),
            paths: says("# path: "),
            book: crate::load(&text, file).unwrap_or_else(|e| panic!("{e}")),
        }
    };
    names.iter().map(read).collect()
}

/// Every rule broken, with the path that shows it.
fn told(findings: &[Finding]) -> Vec<(Rule, String)> {
    findings.iter().map(|f| (f.rule, f.path_text())).collect()
}

/// What 38.2 asks of an emergency draft and RB-CONSENSUS-001 version 1 does not say: its text
/// names no review, and no exit criterion demands one.
const KNOWN_GAP: &str = "pin-evidence -next-> close-gates -next-> validation-safe -next-> \
                         find-checkpoint -next-> disputed-label -next-> publish-disputed -next-> \
                         collect-evidence -next-> double-sign-pair -on_fail-> blast-radius \
                         -next-> prepare-emergency";

#[test]
fn the_shipped_runbooks_break_no_rule_beside_the_one_known_gap() {
    let all = shipped();
    assert_eq!(all.len(), 16);
    for s in &all {
        let found = lint(&s.runbook, None);
        let text: Vec<_> = found.iter().map(ToString::to_string).collect();
        if s.runbook.id() == RunbookId::Consensus && s.runbook.version() == 1 {
            assert_eq!(told(&found), [(Rule::ProtocolDraftJustified, KNOWN_GAP.to_owned())]);
            assert!(text[0].contains("does not ask for the review afterwards"), "{text:?}");
        } else {
            assert_eq!(text, [""; 0], "{}", s.file);
        }
    }
}

#[test]
fn each_anti_pattern_of_section_40_is_refused_by_its_rule_with_its_path() {
    let found = fixtures("anti-patterns");
    let names: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.rule.unwrap())).collect();
    assert_eq!(names, ANTI_PATTERNS);
    for f in &found {
        assert!(!f.paths.is_empty(), "{}: no path is expected", f.name);
    }
    refused(&found);
}

#[test]
fn each_further_bad_runbook_is_refused_by_the_rule_that_it_names() {
    let found = fixtures("rules");
    assert!(found.len() >= 15);
    refused(&found);
}

#[test]
fn a_closing_may_run_first_where_19_3_says_so_and_a_pin_follows_on_every_path() {
    let sound = fixtures("sound");
    assert_eq!(sound.len(), 1);
    for f in &sound {
        assert_eq!(told(&lint(&f.book, None)), [], "{}", f.name);
    }
}

/// Exactly the findings that the file names, no others.
fn refused(fixtures: &[Fixture]) {
    for f in fixtures {
        let (rule, found) = (f.rule.unwrap(), lint(&f.book, None));
        let mut expected: Vec<_> = f.paths.iter().map(|p| (rule, p.clone())).collect();
        if expected.is_empty() {
            expected.push((rule, String::new()));
        }
        assert_eq!(told(&found), expected, "{}: {found:#?}", f.name);
        for finding in &found {
            let text = finding.to_string();
            assert!(text.contains(rule.as_str()) && text.contains(rule.clause()), "{text}");
            assert!(text.contains("\n  remedy: "), "{text}");
        }
    }
}

#[test]
fn every_rule_earns_its_place_because_without_it_a_bad_runbook_passes() {
    let all: Vec<_> = fixtures("anti-patterns").into_iter().chain(fixtures("rules")).collect();
    for rule in Rule::ALL {
        let others: Vec<Rule> = Rule::ALL.iter().copied().filter(|r| r != rule).collect();
        let passes: Vec<_> =
            all.iter().filter(|f| lint_by(&others, &f.book, None).is_empty()).collect();
        assert!(!passes.is_empty(), "{rule}: another rule refuses all that it refuses");
        assert!(passes.iter().all(|f| f.rule == Some(*rule)), "{rule}");
    }
}

fn roster(list: &[(Role, &[&str])]) -> Roster {
    let names = |n: &[&str]| n.iter().map(|n| (*n).to_owned()).collect();
    Roster { people: list.iter().map(|(r, n)| (*r, names(n))).collect() }
}

/// People for every role of the consensus runbook.
fn full() -> Roster {
    roster(&[
        (Role::OnCallOperator, &["ana"]),
        (Role::IncidentCommander, &["bo"]),
        (Role::ConsensusLead, &["cy"]),
        (Role::ExecutionLead, &["di"]),
        (Role::SecurityLead, &["ed"]),
        (Role::GovernanceLiaison, &["flo"]),
        (Role::RecoveryOperator, &["gus"]),
        (Role::AuditScribe, &["hana"]),
    ])
}

/// Steps at which the roster falls short.
fn short(roster: &Roster) -> Vec<String> {
    let found = lint_by(&[Rule::ApprovedByOthers], &consensus(), Some(roster));
    found.iter().map(|f| f.step.as_ref().unwrap().to_string()).collect()
}

/// Loading refuses this; the linter does not rely on that.
#[test]
fn a_step_that_does_more_than_look_and_says_nothing_of_undo_is_named() {
    let mut book = consensus();
    book.steps[1].undo = Undo::NothingChanged;
    let found = lint_by(&[Rule::UndoStated], &book, None);
    let path = "pin-evidence -next-> close-gates".to_owned();
    assert_eq!(told(&found), [(Rule::UndoStated, path)]);
}

#[test]
fn a_quorum_counts_people_and_not_roles() {
    assert_eq!(short(&full()), [""; 0]);
    let mut both = full();
    both.people.insert(Role::ConsensusLead, ["bo".to_owned()].into());
    assert_eq!(short(&both), ["approve-manifest", "approve-restart"], "bo cannot sign twice");
    both.people.insert(Role::ConsensusLead, ["bo".to_owned(), "ivo".to_owned()].into());
    assert_eq!(short(&both), [""; 0], "ivo signs as lead and bo as commander");
    both.people.insert(Role::ConsensusLead, ["bo".to_owned()].into());
    both.people.insert(Role::IncidentCommander, ["bo".to_owned(), "zoe".to_owned()].into());
    assert_eq!(short(&both), [""; 0], "bo signs as lead, so zoe as commander");
}

#[test]
fn whoever_executes_does_not_count_among_the_approvers() {
    let mut one = full();
    one.people.insert(Role::RecoveryOperator, ["bo".to_owned()].into());
    assert_eq!(short(&one), ["approve-reset", "approve-restart"], "bo would approve his own act");
    one.people.insert(Role::RecoveryOperator, ["bo".to_owned(), "gus".to_owned()].into());
    assert_eq!(short(&one), [""; 0]);
}

#[test]
fn a_step_that_nobody_on_the_roster_may_take_is_named() {
    let mut none = full();
    none.people.remove(&Role::GovernanceLiaison);
    let liaison_alone = ["prepare-emergency", "propose-seats", "replace-seats", "draft-manifest"];
    assert_eq!(short(&none), liaison_alone);
}

#[test]
fn a_finding_is_one_json_object_with_the_edge_taken_at_each_step() {
    let all = fixtures("anti-patterns");
    let found = lint(&all[3].book, None);
    let json = serde_json::to_value(&found[0]).unwrap();
    let path = serde_json::json!([
        { "at": "pin-evidence", "edge": "next" },
        { "at": "find-cause", "edge": "on_deadline" },
        { "at": "hold" },
    ]);
    assert_eq!(json["path"], path);
    assert_eq!(json["rule"], "deadline_never_loosens");
    assert_eq!(json["step"], "find-cause");
}

/// Where the edge of this name leads, read from the runbook without the linter's graph.
fn leads(book: &Runbook, from: &StepId, edge: &str) -> Vec<Target> {
    let step = book.step(from).unwrap();
    let named: Vec<(&str, &Target)> = match &step.work {
        Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
            vec![("next", next), ("on_fail", on_fail)]
        }
        Work::Decision { answers, .. } => {
            answers.iter().map(|a| (a.id.as_str(), &a.goto)).collect()
        }
        Work::Approval { next, on_reject, .. } => vec![("next", next), ("on_reject", on_reject)],
        Work::Check { next, on_fail, on_unknown, .. } => {
            vec![("next", next), ("on_fail", on_fail), ("on_unknown", on_unknown)]
        }
        Work::Wait { next, .. } => vec![("next", next)],
    };
    let all = named.into_iter().chain([("on_deadline", &step.on_deadline)]);
    all.filter(|(name, _)| *name == edge).map(|(_, to)| to.clone()).collect()
}

/// Sets the edge with this number of the step; the deadline's is the last.
fn rewire(book: &mut Runbook, at: usize, nth: usize, to: Target) {
    let step = &mut book.steps[at];
    let mut edges: Vec<&mut Target> = match &mut step.work {
        Work::Auto { next, on_fail, .. } | Work::Manual { next, on_fail, .. } => {
            vec![next, on_fail]
        }
        Work::Decision { answers, .. } => answers.iter_mut().map(|a| &mut a.goto).collect(),
        Work::Approval { next, on_reject, .. } => vec![next, on_reject],
        Work::Check { next, on_fail, on_unknown, .. } => vec![next, on_fail, on_unknown],
        Work::Wait { next, .. } => vec![next],
    };
    edges.push(&mut step.on_deadline);
    let nth = nth % edges.len();
    *edges[nth] = to;
}

fn path_is_real(book: &Runbook, finding: &Finding) {
    let Some(first) = finding.path.first() else { return };
    assert_eq!(first.at, Target::Step(book.steps()[0].id.clone()), "{finding}");
    for pair in finding.path.windows(2) {
        let Target::Step(from) = &pair[0].at else { panic!("{finding}") };
        let edge = pair[0].edge.as_deref().unwrap();
        let nowhere = |to: &Target| matches!(to, Target::Step(id) if book.step(id).is_none());
        // Past a dangling edge nobody gets: the linter shows it as a hold.
        let seen = |to: Target| if nowhere(&to) { Target::Hold } else { to };
        let there: Vec<_> = leads(book, from, edge).into_iter().map(seen).collect();
        assert!(there.contains(&pair[1].at), "{finding}");
    }
    assert_eq!(finding.path.last().unwrap().edge, None, "{finding}");
}

/// Read once for all cases.
static BOOKS: LazyLock<Vec<Runbook>> =
    LazyLock::new(|| shipped().into_iter().map(|s| s.runbook).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random edges, backward and dangling ones among them: no panic, the same answer twice, and
    /// every path starts at the first step and goes along edges that exist.
    #[test]
    fn findings_on_any_rewiring_are_the_same_twice_and_their_paths_exist(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), 0..16_usize, any::<Index>()), 1..12),
    ) {
        let mut book = which.get(&BOOKS).clone();
        let count = book.steps.len();
        for (at, nth, to) in changes {
            let (at, to) = (at.index(count), to.index(count + 3));
            let to = match to.checked_sub(count) {
                None => Target::Step(book.steps[to].id.clone()),
                Some(0) => Target::Hold,
                Some(1) => Target::End,
                Some(_) => Target::Step(StepId::from("nowhere")),
            };
            rewire(&mut book, at, nth, to);
        }
        let found = lint(&book, None);
        prop_assert_eq!(&found, &lint(&book, None));
        let distinct: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
        prop_assert_eq!(distinct.len(), found.len(), "a finding is told twice");
        for finding in &found {
            path_is_real(&book, finding);
        }
        let nobody = lint(&book, Some(&Roster::default()));
        prop_assert!(nobody.iter().any(|f| f.rule == Rule::ApprovedByOthers));
    }
}
