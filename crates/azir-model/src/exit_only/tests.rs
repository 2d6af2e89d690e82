//! Annex H against its vectors, and what holds for whatever the judge accepts.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::decision::{Action, ActionSet};
use crate::refusal::RefusalKind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    #[serde(rename = "source")]
    _source: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    unmet: Vec<Expected>,
    action: ExitAction,
    scope: ExitOnlyScope,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Expected {
    kind: RefusalKind,
    rule: String,
}

fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../../vectors/exit_only.json")).unwrap();
    assert_eq!(file.schema, "azir.vectors.exit_only/1");
    file.cases
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|c| c.name == name).unwrap()
}

fn kind(name: &str) -> Option<RefusalKind> {
    let case = case(name);
    judge(&case.action, &case.scope).err().map(|refusal| refusal.kind())
}

fn id<T: FromStr>(text: &str) -> T
where
    T::Err: fmt::Debug,
{
    text.parse().unwrap()
}

fn positions(list: &[(&str, i128)]) -> Positions {
    list.iter().map(|(asset, v)| (id(asset), Amount(*v))).collect()
}

/// A reduction by one step with a journal that states it.
fn reduce(scope: &ExitOnlyScope, after: &[(&str, i128)]) -> ExitAction {
    let base = case("reduce 40 to 25").action;
    let mut entry = base.entry.unwrap();
    entry.before = scope.positions.clone();
    entry.before.remove(&scope.settlement);
    entry.after = entry.before.clone();
    entry.after.extend(positions(after));
    let steps = vec![positions(after)];
    let journal = Some(entry.hash().unwrap());
    let effect = Effect::Known(Known { steps, ..Known::default() });
    ExitAction { effect, journal, entry: Some(entry), ..base }
}

/// R-28.2-1, R-28.2-2, R-28.2-3, R-28.2-4, R-28.2-5, R-28.2-6: every rule with its number, alone
/// and together, in accepted and refused cases.
#[test]
fn every_vector_is_judged_as_written() {
    let mut rules = BTreeSet::new();
    for case in cases() {
        let found: Vec<Expected> = match judge(&case.action, &case.scope) {
            Ok(()) => Vec::new(),
            Err(refusal) => {
                let unmet = refusal.unmet().iter();
                unmet.map(|u| Expected { kind: u.kind, rule: u.rule.clone() }).collect()
            }
        };
        assert_eq!(found, case.unmet, "{}", case.name);
        if let [only] = &case.unmet[..] {
            rules.insert(only.rule.clone());
        }
    }
    let alone: Vec<_> = rules.iter().map(|r| r.trim_start_matches("28.2, annex H ")).collect();
    let (effect, mandate, cap) = ("effect unknown", "no new mandate", "no raised cap");
    let numbered = ["rule 1", "rule 2", "rule 3", "rule 4", "rule 5", "rule 6", "rule 7", "rule 8"];
    assert_eq!(alone, [&[effect, mandate, cap][..], &numbered[..]].concat());
}

/// R-28.2-1: 40 -> 25 -> 0 in two actions.
#[test]
fn closing_in_two_actions_is_accepted() {
    let mut scope = case("reduce 40 to 25").scope;
    for after in [25, 0] {
        let action = reduce(&scope, &[("oil", after)]);
        assert_eq!(judge(&action, &scope), Ok(()), "{after}");
        scope.positions.insert(id("oil"), Amount(after));
    }
    let more = judge(&reduce(&scope, &[("oil", -1)]), &scope).unwrap_err();
    assert!(more.has(RefusalKind::ExitOnlyViolation), "nothing is left to close");
}

/// R-28.2-4: what is above the reduced cap passes in two parts.
#[test]
fn a_close_above_the_reduced_cap_passes_in_two_parts() {
    let mut scope = case("reduce 40 to 25").scope;
    scope.caps = positions(&[("oil", 80)]);
    let whole = judge(&reduce(&scope, &[("oil", 0)]), &scope).unwrap_err();
    assert_eq!((whole.kind(), whole.unmet().len()), (RefusalKind::CapExceeded, 1));
    for after in [20, 0] {
        assert_eq!(judge(&reduce(&scope, &[("oil", after)]), &scope), Ok(()), "{after}");
        scope.positions.insert(id("oil"), Amount(after));
    }
}

/// R-28.2-2, R-28.2-3, R-28.2-5, R-28.2-6: the kinds that annex H names.
#[test]
fn refusals_have_the_kinds_of_annex_h() {
    assert_eq!(kind("sign change, 40 to -5"), Some(RefusalKind::ExitOnlyViolation));
    assert_eq!(kind("unknown effect"), Some(RefusalKind::ExitOnlyViolation));
    assert_eq!(kind("payout to a third account"), Some(RefusalKind::ExitOnlyViolation));
    assert_eq!(kind("no journal"), Some(RefusalKind::JournalMissing));
    assert_eq!(kind("journal dated after the action"), Some(RefusalKind::JournalMissing));
    assert_eq!(kind("approval demanded, none attached"), Some(RefusalKind::ApprovalRequired));
    assert_eq!(kind("compromised key"), Some(RefusalKind::KeyRevoked));
}

/// A changed entry has another hash, so neither an old hash nor an old approval covers it.
#[test]
fn an_approval_does_not_move_to_another_entry() {
    let mut case = case("approval demanded and attached");
    let mut entry = case.action.entry.unwrap();
    entry.reason = "something else".to_owned();
    case.action.journal = Some(entry.hash().unwrap());
    case.action.entry = Some(entry);
    let refusal = judge(&case.action, &case.scope).unwrap_err();
    assert_eq!((refusal.kind(), refusal.unmet().len()), (RefusalKind::ApprovalRequired, 1));
}

#[test]
fn too_long_lists_are_refused_before_they_are_judged() {
    let mut case = case("reduce 40 to 25");
    let steps = vec![positions(&[("oil", 25)]); ENTRIES_MAX + 1];
    case.action.effect = Effect::Known(Known { steps, ..Known::default() });
    let refusal = judge(&case.action, &case.scope).unwrap_err();
    assert_eq!((refusal.kind(), refusal.unmet().len()), (RefusalKind::InvalidSchema, 1));
}

#[test]
fn amounts_ids_and_factors_have_one_form() {
    for good in ["0", "-1", "170141183460469231731687303715884105727"] {
        assert_eq!(good.parse::<Amount>().unwrap().to_string(), good);
    }
    for bad in ["", "+1", "01", "-0", "1.0", "1e3", " 1", "170141183460469231731687303715884105728"]
    {
        assert!(bad.parse::<Amount>().is_err(), "{bad}");
    }
    for bad in [String::new(), "a b".to_owned(), "é".to_owned(), "x".repeat(ID_BYTES_MAX + 1)] {
        assert!(bad.parse::<AssetId>().is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<CapFactor>("101").is_err());
    assert_eq!(CapFactor::default().percent(), 25);
}

#[test]
fn actions_and_scopes_survive_the_canonical_form() {
    for case in cases() {
        let action = azir_ledger::canon::encode(&case.action).unwrap();
        assert_eq!(azir_ledger::canon::decode::<ExitAction>(&action).unwrap(), case.action);
        let scope = azir_ledger::canon::encode(&case.scope).unwrap();
        assert_eq!(azir_ledger::canon::decode::<ExitOnlyScope>(&scope).unwrap(), case.scope);
    }
}

fn situation() -> ExitSituation {
    ExitSituation {
        positions: positions(&[("oil", -40), ("usd", 7)]),
        settlement: id("usd"),
        harmful: ActionSet::of(&[Action::ActOpen, Action::CallIncrease]),
        clean_key: true,
        principal: false,
        prices_quarantined: false,
    }
}

/// R-28.3-1: each condition of annex H alone changes the preference and is the reason.
#[test]
fn exit_only_is_preferred_until_one_condition_fails() {
    assert_eq!(prefer(&situation()), Ok(()));
    let principal = ExitSituation { clean_key: false, principal: true, ..situation() };
    assert_eq!(prefer(&principal), Ok(()));
    let closed = positions(&[("oil", 0), ("usd", 7)]);
    let closing = ActionSet::of(&[Action::ActOpen, Action::ActClose]);
    for (situation, failed) in [
        (ExitSituation { positions: closed, ..situation() }, ExitCondition::OpenExposure),
        (ExitSituation { harmful: closing, ..situation() }, ExitCondition::HarmOnlyOpens),
        (ExitSituation { harmful: ActionSet::NONE, ..situation() }, ExitCondition::HarmOnlyOpens),
        (ExitSituation { clean_key: false, ..situation() }, ExitCondition::CleanHand),
        (ExitSituation { prices_quarantined: true, ..situation() }, ExitCondition::PricesSound),
    ] {
        assert_eq!(prefer(&situation), Err(vec![failed]));
    }
    let nothing = ExitSituation {
        positions: Positions::new(),
        harmful: ActionSet::NONE,
        clean_key: false,
        prices_quarantined: true,
        ..situation()
    };
    assert_eq!(prefer(&nothing), Err(ExitCondition::ALL.to_vec()));
}

/// Values around a start: mostly steps towards zero, now and then beyond it or a rise.
fn near(start: i128) -> impl Strategy<Value = i128> {
    prop_oneof![
        8 => (0_i128..=8).prop_map(move |eighths| start * eighths / 8),
        1 => (-100_i128..100).prop_map(move |v| start + v),
    ]
}

prop_compose! {
    fn any_action()(starts in prop::collection::vec(-100_i128..100, 3))
        (steps in prop::collection::vec(
            (near(starts[0]), near(starts[1]), near(starts[2]), 0_i128..200), 1..4),
         starts in Just(starts),
         pay in 0_i128..40, principal in prop::bool::weighted(0.9))
        -> (ExitAction, ExitOnlyScope) {
        let mut scope = case("reduce 40 to 25").scope;
        let names = ["gas", "oil", "tin"];
        let all: Vec<_> = names.iter().copied().zip(starts.iter().copied()).collect();
        scope.positions = positions(&all);
        scope.positions.insert(id("usd"), Amount(100));
        scope.caps = positions(&[("gas", 4000), ("oil", 4000), ("tin", 4000)]);
        let last = *steps.last().unwrap();
        let mut action = reduce(&scope, &[("gas", last.0), ("oil", last.1), ("tin", last.2)]);
        let to = id(if principal { "alice" } else { "mallory" });
        let payout = Payout { to, asset: id("usd"), amount: Amount(pay), fee: false };
        action.effect = Effect::Known(Known {
            steps: steps
                .iter()
                .map(|s| positions(&[("gas", s.0), ("oil", s.1), ("tin", s.2), ("usd", s.3)]))
                .collect(),
            payouts: if pay > 0 { vec![payout] } else { Vec::new() },
            ..Known::default()
        });
        (action, scope)
    }
}

/// Sum of what is open but settlement, after these changes to the positions of the scope.
fn open<'a>(scope: &ExitOnlyScope, steps: impl IntoIterator<Item = &'a Positions>) -> i128 {
    let mut now = scope.positions.clone();
    for step in steps {
        now.extend(step.iter().map(|(asset, v)| (asset.clone(), *v)));
    }
    now.iter().filter(|(asset, _)| **asset != scope.settlement).map(|(_, v)| v.0.abs()).sum()
}

proptest! {
    /// R-28.2-2: whatever is accepted never raises what is open, at its end or on the way, and pays
    /// nobody but the principal here.
    #[test]
    fn what_is_accepted_never_raises_what_is_open((action, scope) in any_action()) {
        let Effect::Known(known) = &action.effect else { unreachable!() };
        if judge(&action, &scope).is_ok() {
            let start = open(&scope, []);
            for end in 1..=known.steps.len() {
                prop_assert!(open(&scope, &known.steps[..end]) <= start);
            }
            prop_assert!(open(&scope, &known.steps) < start || !known.payouts.is_empty());
            prop_assert!(known.payouts.iter().all(|p| p.to == scope.principal));
        } else {
            // Refused: some rule is really broken, seen without the judge's arithmetic.
            let worse = |step: &Positions, asset: &AssetId, start: i128| {
                let v = step.get(asset).map_or(start, |v| v.0);
                v.abs() > start.abs() || (v != 0 && v.signum() != start.signum())
            };
            let others = scope.positions.iter().filter(|(asset, _)| **asset != scope.settlement);
            let raised = others.clone().any(|(asset, start)| {
                known.steps.iter().any(|step| worse(step, asset, start.0))
            });
            let still = open(&scope, &known.steps) == open(&scope, []);
            let stolen = known.payouts.iter().any(|p| p.to != scope.principal);
            let paid: i128 = known.payouts.iter().map(|p| p.amount.0).sum();
            let last = known.steps.last().unwrap();
            let hidden = last.get(&scope.settlement).unwrap().0 < 100 - paid;
            prop_assert!(raised || still || stolen || hidden, "refused without reason");
        }
    }
}
