//! The rules of annex H, one function each; all unmet conditions at once.

use std::collections::BTreeSet;

use super::{
    AccountId, Amount, AssetId, ENTRIES_MAX, Effect, ExitAction, ExitOnlyScope, Known, Positions,
};
use crate::refusal::{Refusal, RefusalKind, Unmet};

/// Whether an action is allowed in exit-only: if and only if all rules of annex H hold.
///
/// What leaves in another asset than settlement has to go where settlement may go (rule 4), and a
/// fall of the settlement balance that no payout names counts as leaving to nobody. Settlement
/// itself is outside rules 1 to 3: closing is what raises it.
///
/// Implements R-28.2-1, R-28.2-2, R-28.2-3, R-28.2-4, R-28.2-5 and R-28.2-6.
///
/// # Errors
/// `exit_only_violation` with the rule number for rules 1 to 4, an unknown effect, new orders or
/// mandates and raised caps; `cap_exceeded` for rule 5, `journal_missing` for rule 6,
/// `approval_required` for rule 7, `key_revoked` for rule 8; `invalid_schema` above the limits.
pub fn judge(action: &ExitAction, scope: &ExitOnlyScope) -> Result<(), Refusal> {
    if let Some(what) = oversized(action, scope) {
        return Err(Refusal::one(
            RefusalKind::InvalidSchema,
            format!("{what} has more than {ENTRIES_MAX} entries"),
            "28.2, annex H",
            "split the action",
        ));
    }
    let mut unmet = Vec::new();
    let moves = match &action.effect {
        Effect::Unknown(why) => {
            unmet.push(violation(
                "effect unknown",
                format!("its effect on exposure is unknown: {why}"),
                "close by an action whose effect its manifest declares, or halt",
            ));
            None
        }
        Effect::Known(known) => {
            let moves = moves(known, scope);
            exposure(&moves, known, scope, &mut unmet);
            leaving(&moves, known, scope, &mut unmet);
            widening(known, scope, &mut unmet);
            caps(&moves, known, scope, &mut unmet);
            Some(moves)
        }
    };
    journal(action, moves.as_deref(), &mut unmet);
    approval(action, scope, &mut unmet);
    key(action, scope, &mut unmet);
    Refusal::unless_met(unmet)
}

/// How one position moves: its value before, and after each step that names it.
struct Move<'a> {
    asset: &'a AssetId,
    path: Vec<i128>,
}

impl Move<'_> {
    fn before(&self) -> i128 {
        self.path.first().copied().unwrap_or(0)
    }

    fn after(&self) -> i128 {
        self.path.last().copied().unwrap_or(0)
    }

    /// Why `value` is no step towards the exit, seen from the start.
    fn worse(&self, value: i128) -> Option<&'static str> {
        let start = self.before();
        if value.signum() != 0 && start == 0 {
            Some("opens a position in")
        } else if value.signum() != 0 && value.signum() != start.signum() {
            Some("changes the sign of")
        } else if value.unsigned_abs() > start.unsigned_abs() {
            Some("raises")
        } else {
            None
        }
    }

    fn reduces(&self) -> bool {
        self.after().unsigned_abs() < self.before().unsigned_abs()
    }

    /// Everything that moved, also back and forth.
    fn volume(&self) -> u128 {
        let pairs = self.path.iter().zip(self.path.iter().skip(1));
        pairs.fold(0, |sum, (a, b)| sum.saturating_add(a.abs_diff(*b)))
    }
}

fn oversized(action: &ExitAction, scope: &ExitOnlyScope) -> Option<&'static str> {
    let mut lists = vec![
        ("positions", scope.positions.len()),
        ("caps", scope.caps.len()),
        ("orders", scope.orders.len()),
        ("counterparties", scope.counterparties.values().map(BTreeSet::len).sum()),
    ];
    if let Effect::Known(known) = &action.effect {
        lists.push(("steps", known.steps.len()));
        lists.push(("changes", known.steps.iter().map(Positions::len).sum()));
        lists.push(("payouts", known.payouts.len()));
        lists.push(("orders", known.cancels.len().max(known.places.len())));
        lists.push(("mandates", known.mandates.len().max(known.caps.len())));
    }
    if let Some(entry) = &action.entry {
        lists.push(("journal positions", entry.before.len().max(entry.after.len())));
    }
    lists.into_iter().find(|(_, len)| *len > ENTRIES_MAX).map(|(name, _)| name)
}

/// Every position but settlement.
fn moves<'a>(known: &'a Known, scope: &'a ExitOnlyScope) -> Vec<Move<'a>> {
    let assets: BTreeSet<_> = scope
        .positions
        .keys()
        .chain(known.steps.iter().flat_map(Positions::keys))
        .filter(|asset| **asset != scope.settlement)
        .collect();
    assets.into_iter().map(|asset| moved(asset, known, scope)).collect()
}

fn moved<'a>(asset: &'a AssetId, known: &Known, scope: &ExitOnlyScope) -> Move<'a> {
    let start = scope.positions.get(asset).copied().unwrap_or_default().0;
    let after = known.steps.iter().filter_map(|step| step.get(asset)).map(|a| a.0);
    Move { asset, path: std::iter::once(start).chain(after).collect() }
}

/// Rules 1 to 3.
fn exposure(moves: &[Move<'_>], known: &Known, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    const REMEDY: &str = "only close or reduce what is open";
    for m in moves {
        let (before, after) = (m.before(), m.after());
        if let Some(how) = m.worse(after) {
            unmet.push(violation(
                "rule 1",
                format!("it {how} {}: {before} -> {after}", m.asset),
                REMEDY,
            ));
        }
        let inner = m.path.iter().take(m.path.len().saturating_sub(1)).skip(1);
        let worst = inner.filter_map(|v| m.worse(*v).map(|how| (*v, how)));
        if let Some((value, how)) = worst.max_by_key(|(v, _)| v.unsigned_abs()) {
            unmet.push(violation(
                "rule 3",
                format!("a step {how} {}: {before} -> {value}", m.asset),
                "take steps that each keep or reduce every position",
            ));
        }
    }
    if !moves.iter().any(Move::reduces) && !only_cancels_or_returns(moves, known, scope) {
        unmet.push(violation(
            "rule 2",
            "it reduces no position, and does more than cancel orders or return funds".to_owned(),
            REMEDY,
        ));
    }
}

/// The second half of rule 2: nothing moves, something is cancelled or returned.
fn only_cancels_or_returns(moves: &[Move<'_>], known: &Known, scope: &ExitOnlyScope) -> bool {
    let still = moves.iter().all(|m| m.volume() == 0);
    let mut paid = known.payouts.iter().filter(|p| !p.fee).peekable();
    let returns = paid.peek().is_some();
    let cancels = known.cancels.iter().any(|order| scope.orders.contains(order));
    still && (returns || cancels) && paid.all(|p| p.to == scope.principal)
}

/// Rule 4.
fn leaving(moves: &[Move<'_>], known: &Known, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    const REMEDY: &str = "pay the principal or the counterparty of the position being closed";
    let mut refuse = |what: String| unmet.push(violation("rule 4", what, REMEDY));
    let counterparty = |to: &AccountId| {
        let closed = moves.iter().filter(|m| m.reduces());
        let mut against = closed.filter_map(|m| scope.counterparties.get(m.asset));
        against.any(|accounts| accounts.contains(to))
    };
    for p in &known.payouts {
        let (to, amount, asset) = (&p.to, p.amount, &p.asset);
        if amount.0 <= 0 {
            refuse(format!("payout of {amount} {asset} to {to} is not above zero"));
        } else if p.fee && *asset != scope.settlement {
            refuse(format!("fee of {amount} {asset} is not in {}", scope.settlement));
        } else if !p.fee && *to != scope.principal && !counterparty(to) {
            refuse(format!("{amount} {asset} leaves to {to}"));
        }
    }
    match paid(known, scope, |p| p.fee) {
        Some(fees) if fees <= scope.fee_cap.0 => {}
        fees => refuse(format!("fees of {} are above {}", shown(fees), scope.fee_cap)),
    }
    let settlement = moved(&scope.settlement, known, scope);
    let named = paid(known, scope, |_| true);
    let least = named.and_then(|named| settlement.before().checked_sub(named));
    if least.is_none_or(|least| settlement.after() < least) {
        let (before, after) = (settlement.before(), settlement.after());
        let named = shown(named);
        refuse(format!("settlement falls {before} -> {after}, and payouts name {named}"));
    }
}

/// Sum of payouts in the settlement asset that are above zero; none when it does not fit.
fn paid(known: &Known, scope: &ExitOnlyScope, of: impl Fn(&super::Payout) -> bool) -> Option<i128> {
    let counted = known.payouts.iter().filter(|p| p.asset == scope.settlement && of(p));
    counted.map(|p| p.amount.0.max(0)).try_fold(0_i128, i128::checked_add)
}

fn shown(sum: Option<i128>) -> String {
    sum.map_or_else(|| "more than can be counted".to_owned(), |sum| sum.to_string())
}

/// What annex H refuses beside its rules: orders whose effect is open, mandates, raised caps.
fn widening(known: &Known, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    for order in &known.places {
        unmet.push(violation(
            "effect unknown",
            format!("it places {order}, whose effect on exposure is open"),
            "close at once instead of placing an order",
        ));
    }
    for mandate in &known.mandates {
        unmet.push(violation(
            "no new mandate",
            format!("it creates {mandate} inside {}", scope.subject),
            "create it after the restriction has ended",
        ));
    }
    for (asset, cap) in &known.caps {
        let now = scope.caps.get(asset).copied().unwrap_or_default();
        if *cap > now {
            unmet.push(violation(
                "no raised cap",
                format!("it raises the cap of {asset}: {now} -> {cap}"),
                "raise it after the restriction has ended",
            ));
        }
    }
}

/// Rule 5.
fn caps(moves: &[Move<'_>], known: &Known, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    let mut check = |asset: &AssetId, amount: Option<u128>| {
        let cap = tightened(scope.caps.get(asset).copied().unwrap_or_default(), scope);
        if amount.is_none_or(|amount| amount > cap) {
            let amount = amount.map_or_else(|| "too much".to_owned(), |a| a.to_string());
            let percent = scope.cap_factor.percent();
            unmet.push(Unmet::new(
                RefusalKind::CapExceeded,
                format!("{amount} {asset} move, the cap is {cap} ({percent} % of the normal one)"),
                "28.2, annex H rule 5",
                format!("split it into actions of at most {cap}"),
            ));
        }
    };
    for m in moves.iter().filter(|m| m.volume() > 0) {
        check(m.asset, Some(m.volume()));
    }
    if scope.caps.contains_key(&scope.settlement) {
        let leaves = paid(known, scope, |p| !p.fee);
        check(&scope.settlement, leaves.map(i128::unsigned_abs));
    }
}

/// The cap times the factor, rounded down, without overflow.
fn tightened(cap: Amount, scope: &ExitOnlyScope) -> u128 {
    let (cap, percent) = (cap.0.max(0).unsigned_abs(), u128::from(scope.cap_factor.percent()));
    (cap / 100).saturating_mul(percent).saturating_add((cap % 100).saturating_mul(percent) / 100)
}

/// Rule 6.
fn journal(action: &ExitAction, moves: Option<&[Move<'_>]>, unmet: &mut Vec<Unmet>) {
    let mut refuse = |what: String| {
        unmet.push(Unmet::new(
            RefusalKind::JournalMissing,
            what,
            "28.2, annex H rule 6",
            "publish an entry that states this action, then act with its hash inside",
        ));
    };
    if action.journal.is_none() {
        refuse("the action names no journal entry".to_owned());
    }
    let Some(entry) = &action.entry else {
        refuse("no journal entry is published".to_owned());
        return;
    };
    if action.journal.is_some() && action.journal != entry.hash().ok() {
        refuse("the hash in the action is not that of the entry".to_owned());
    }
    if entry.at >= action.at {
        refuse(format!("the entry of {} does not precede the action of {}", entry.at, action.at));
    }
    for (name, text) in [("reason", &entry.reason), ("price source", &entry.price_source)] {
        if text.trim().is_empty() {
            refuse(format!("the entry has no {name}"));
        }
    }
    let Some(moves) = moves else { return };
    for (name, stated) in [("before", &entry.before), ("after", &entry.after)] {
        let end = |m: &Move<'_>| if name == "before" { m.before() } else { m.after() };
        let real = moves.iter().map(|m| (m.asset, end(m))).filter(|(_, v)| *v != 0);
        let said = stated.iter().map(|(asset, v)| (asset, v.0)).filter(|(_, v)| *v != 0);
        if !real.eq(said) {
            refuse(format!("the positions {name} are not those of the entry"));
        }
    }
}

/// Rule 7.
fn approval(action: &ExitAction, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    if !scope.approval_demanded {
        return;
    }
    let named = action.entry.as_ref().and_then(|entry| entry.approver.as_ref());
    let what = match &action.approval {
        None => "the restriction demands an approval, and none is attached".to_owned(),
        Some(a) if !scope.approvers.contains(&a.by) => format!("{} may not approve", a.by),
        Some(a) if named.is_some_and(|named| *named != a.by) => {
            format!("{} approved, and the entry names another", a.by)
        }
        Some(a) if Some(a.journal) != action.journal => {
            format!("{} approved another journal entry", a.by)
        }
        Some(_) => return,
    };
    let approvers: Vec<_> = scope.approvers.iter().map(ToString::to_string).collect();
    let who = if approvers.is_empty() { "an approver".to_owned() } else { approvers.join(" or ") };
    unmet.push(Unmet::new(
        RefusalKind::ApprovalRequired,
        what,
        "28.2, annex H rule 7",
        format!("let {who} approve the journal entry"),
    ));
}

/// Rule 8.
fn key(action: &ExitAction, scope: &ExitOnlyScope, unmet: &mut Vec<Unmet>) {
    let key = &action.key;
    let listed = scope.compromised_keys.contains(key).then_some("is listed as compromised");
    let inactive = (!scope.active_keys.contains(key)).then_some("is not active");
    for why in listed.into_iter().chain(inactive) {
        unmet.push(Unmet::new(
            RefusalKind::KeyRevoked,
            format!("{key} {why}"),
            "28.2, annex H rule 8",
            "rotate to a clean key or let the principal act; until then halt (D-103)",
        ));
    }
}

fn violation(rule: &str, what: String, remedy: &str) -> Unmet {
    Unmet::new(RefusalKind::ExitOnlyViolation, what, format!("28.2, annex H {rule}"), remedy)
}
