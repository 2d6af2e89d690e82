//! The state transition of one block (annex L.6), as far as transfers need it.
//!
//! A transaction that fails the checks of L.3 must not stand in a block: the block is invalid. A
//! transaction that passes them pays its fee and gets a receipt, whether or not its action works.

use std::collections::BTreeSet;
use std::sync::Arc;

use azir_ledger::{CanonError, Digest, canon};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::block::Roots;
use crate::genesis::{Params, Rules, Seat};
use crate::merkle;
use crate::object::{Domain, Sealed, SigCheck};
use crate::state::{AccountName, Edit, State};
use crate::tx::{Action, Tx, TxId};

/// What a block's place means for its execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// Height of the block.
    pub height: u64,
    /// Slot of the block.
    pub slot: u64,
    /// Blocks that this block's chain makes hard-final and that no ancestor did, ascending.
    pub finalized: Vec<(u64, Seat)>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxStatus {
    /// All effects happened.
    Done,
    /// No effect happened; the fee is kept.
    Failed,
}

/// Why a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxCode {
    /// It did not fail.
    Ok,
    /// The sender's balance does not cover the amount.
    Balance,
    /// The receiving account does not exist.
    UnknownAccount,
}

/// One effect of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// An amount moved.
    Transfer {
        /// Payer.
        from: AccountName,
        /// Receiver.
        to: AccountName,
        /// Amount.
        amount: Amount,
    },
}

/// Outcome of one transaction (annex L.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The transaction.
    pub tx: TxId,
    /// How it ended.
    pub status: TxStatus,
    /// Why it failed.
    pub code: TxCode,
    /// Units that it cost.
    pub cost: u64,
    /// `H("AZREF:EFFECTS:" || JCS(list of effects))`.
    pub effects_digest: Digest,
}

/// Result of executing a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// State after the block.
    pub state: State,
    /// Receipts in the order of the transactions.
    pub receipts: Vec<Receipt>,
    /// Roots of both.
    pub roots: Roots,
}

/// Why a transaction must not stand in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// The sender's account does not exist.
    #[error("the sender does not exist")]
    UnknownSender,
    /// Not signed by the sender's key in this domain.
    #[error("the signature does not hold under the sender's key")]
    Signature,
    /// Not the sender's next nonce.
    #[error("nonce {found}, expected {expected}")]
    Nonce {
        /// Nonce of the transaction.
        found: u64,
        /// Next nonce of the sender.
        expected: u64,
    },
    /// Its last slot lies behind.
    #[error("expired after slot {expiry}")]
    Expired {
        /// Its last slot.
        expiry: u64,
    },
    /// Larger than the parameter allows.
    #[error("{size} bytes, at most {max}")]
    TooLarge {
        /// Size of the canonical body.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The cost limit is below what this kind may cost.
    #[error("cost limit below {bound}")]
    CostLimit {
        /// Bound of the kind.
        bound: u64,
    },
    /// The fee does not cover bytes and cost.
    #[error("fee below {needed}")]
    Fee {
        /// Least fee.
        needed: Amount,
    },
    /// The sender cannot pay the fee.
    #[error("the balance does not cover the fee")]
    FeeBalance,
}

/// Why a block cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// A transaction must not stand in a block here.
    #[error("transaction {index}: {why}")]
    Tx {
        /// Position in the block.
        index: usize,
        /// What is wrong.
        why: TxError,
    },
    /// More transactions than the parameter allows, or one of them twice.
    #[error("too many transactions, or one of them twice")]
    TxList,
    /// A total left the range of amounts, or the state lacks an entry it must have.
    #[error("amounts out of range or an entry missing: {what}")]
    Arithmetic {
        /// Which total.
        what: &'static str,
    },
    /// The supply invariant broke: a fault of this implementation, never of a transaction.
    #[error("the supply invariant does not hold after the block")]
    SupplyBroken,
    /// Something has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
}

/// Executes a block's transactions on the state of its parent. Pure.
///
/// # Errors
/// [`ExecuteError`]; then the block is invalid and nothing changes.
pub fn execute(
    parent: &State,
    rules: &Rules,
    domain: &Domain,
    context: &BlockContext,
    txs: &[Arc<Sealed<Tx>>],
    check: &mut dyn SigCheck,
) -> Result<Outcome, ExecuteError> {
    let ids: BTreeSet<_> = txs.iter().map(|tx| tx.id()).collect();
    if ids.len() != txs.len() || txs.len() as u64 > rules.params.block_txs_max {
        return Err(ExecuteError::TxList);
    }
    let mut edit = parent.edit();
    let mut receipts = Vec::with_capacity(txs.len());
    for (index, tx) in txs.iter().enumerate() {
        admit_edit(&edit, &rules.params, domain, context.slot, tx, check)
            .map_err(|why| ExecuteError::Tx { index, why })?;
        receipts.push(apply(&mut edit, &rules.params, tx)?);
    }
    reward(&mut edit, &rules.params, &context.finalized)?;
    let state = edit.commit()?;
    if !state.supply_holds() {
        return Err(ExecuteError::SupplyBroken);
    }
    let leaves = receipts
        .iter()
        .map(|r| canon::encode(r).map(|bytes| merkle::leaf(&bytes)))
        .collect::<Result<Vec<_>, _>>()?;
    let roots = Roots { post: state.root(), receipts: merkle::root(&leaves) };
    Ok(Outcome { state, receipts, roots })
}

/// The transactions, in this order, that may stand in one block on a state; the others are left
/// out. What a proposer calls.
pub fn select(
    state: &State,
    rules: &Rules,
    domain: &Domain,
    slot: u64,
    waiting: &[Arc<Sealed<Tx>>],
    check: &mut dyn SigCheck,
) -> Vec<Arc<Sealed<Tx>>> {
    let mut edit = state.edit();
    let mut chosen: Vec<Arc<Sealed<Tx>>> = Vec::new();
    let room = usize::try_from(rules.params.block_txs_max).unwrap_or(usize::MAX);
    for tx in waiting {
        let fits = chosen.len() < room
            && admit_edit(&edit, &rules.params, domain, slot, tx, check).is_ok();
        if fits && apply(&mut edit, &rules.params, tx).is_ok() {
            chosen.push(Arc::clone(tx));
        }
    }
    chosen
}

/// Least fee of a transaction: size times byte fee plus cost times unit fee.
#[must_use]
pub fn least_fee(params: &Params, tx: &Sealed<Tx>) -> Option<Amount> {
    let bytes = tx.size().checked_mul(params.byte_fee.0)?;
    let units = bound(params, &tx.action).checked_mul(params.unit_fee.0)?;
    bytes.checked_add(units).map(Amount)
}

fn bound(params: &Params, action: &Action) -> u64 {
    match action {
        Action::Transfer { .. } => params.transfer_cost,
    }
}

fn admit_edit(
    edit: &Edit<'_>,
    params: &Params,
    domain: &Domain,
    slot: u64,
    tx: &Sealed<Tx>,
    check: &mut dyn SigCheck,
) -> Result<(), TxError> {
    if tx.size() > params.tx_bytes_max {
        return Err(TxError::TooLarge { size: tx.size(), max: params.tx_bytes_max });
    }
    let sender = edit.account(&tx.sender).ok_or(TxError::UnknownSender)?;
    if tx.nonce != sender.nonce {
        return Err(TxError::Nonce { found: tx.nonce, expected: sender.nonce });
    }
    if tx.expiry < slot {
        return Err(TxError::Expired { expiry: tx.expiry });
    }
    let bound = bound(params, &tx.action);
    if tx.cost_limit < bound {
        return Err(TxError::CostLimit { bound });
    }
    let needed = least_fee(params, tx).unwrap_or(Amount(u64::MAX));
    if tx.fee < needed {
        return Err(TxError::Fee { needed });
    }
    if sender.balance < tx.fee {
        return Err(TxError::FeeBalance);
    }
    if tx.verify(domain, &sender.key, check) { Ok(()) } else { Err(TxError::Signature) }
}

fn apply(edit: &mut Edit<'_>, params: &Params, tx: &Sealed<Tx>) -> Result<Receipt, ExecuteError> {
    let missing = |what| ExecuteError::Arithmetic { what };
    let mut sender = edit.account(&tx.sender).ok_or(missing("sender"))?;
    let mut supply = edit.supply().ok_or(missing("supply"))?;
    sender.balance = sender.balance.minus(tx.fee).ok_or(missing("fee"))?;
    sender.nonce = sender.nonce.checked_add(1).ok_or(missing("nonce"))?;
    supply.burned = supply.burned.plus(tx.fee).ok_or(missing("burned"))?;
    edit.set_account(&tx.sender, sender);
    edit.set_supply(supply);
    let result = match &tx.action {
        Action::Transfer { to, amount } => transfer(edit, &tx.sender, to, *amount),
    };
    let (status, code, effects) = match result {
        Ok(effect) => (TxStatus::Done, TxCode::Ok, vec![effect]),
        Err(code) => (TxStatus::Failed, code, Vec::new()),
    };
    let effects_digest = Digest::of_canonical("AZREF:EFFECTS:", &effects)?;
    let cost = bound(params, &tx.action);
    Ok(Receipt { tx: TxId(tx.id()), status, code, cost, effects_digest })
}

fn transfer(
    edit: &mut Edit<'_>,
    from: &AccountName,
    to: &AccountName,
    amount: Amount,
) -> Result<Effect, TxCode> {
    let mut payer = edit.account(from).ok_or(TxCode::UnknownAccount)?;
    edit.account(to).ok_or(TxCode::UnknownAccount)?;
    payer.balance = payer.balance.minus(amount).ok_or(TxCode::Balance)?;
    edit.set_account(from, payer);
    // Read after the payer was written: paying oneself must not create money.
    let mut payee = edit.account(to).ok_or(TxCode::UnknownAccount)?;
    payee.balance = payee.balance.plus(amount).ok_or(TxCode::Balance)?;
    edit.set_account(to, payee);
    Ok(Effect::Transfer { from: from.clone(), to: to.clone(), amount })
}

fn reward(
    edit: &mut Edit<'_>,
    params: &Params,
    finalized: &[(u64, Seat)],
) -> Result<(), ExecuteError> {
    let missing = |what| ExecuteError::Arithmetic { what };
    for (height, seat) in finalized {
        let mut supply = edit.supply().ok_or(missing("supply"))?;
        if *height <= supply.rewarded {
            continue;
        }
        let mut paid = edit.seat(*seat).ok_or(missing("seat"))?;
        paid.rewards = paid.rewards.plus(params.reward).ok_or(missing("rewards"))?;
        supply.issued = supply.issued.plus(params.reward).ok_or(missing("issued"))?;
        supply.rewarded = *height;
        edit.set_seat(*seat, paid);
        edit.set_supply(supply);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{Draft, Plain};
    use crate::testing::Net;

    fn context(slot: u64) -> BlockContext {
        BlockContext { height: slot + 1, slot, finalized: Vec::new() }
    }

    fn run(net: &Net, state: &State, txs: &[Arc<Sealed<Tx>>]) -> Result<Outcome, ExecuteError> {
        let (rules, domain) = (&net.anchor.rules, &net.anchor.domain);
        execute(state, rules, domain, &context(5), txs, &mut Plain)
    }

    fn balance(state: &State, name: &str) -> u64 {
        state.account(&name.parse().unwrap()).unwrap().balance.0
    }

    #[test]
    fn a_transfer_moves_the_amount_burns_the_fee_and_leaves_a_receipt() {
        let net = Net::new(7);
        let tx = net.transfer("alice", 0, "bob", 70);
        let done = run(&net, &net.state, std::slice::from_ref(&tx)).unwrap();
        let before = balance(&net.state, "alice");
        assert_eq!(balance(&done.state, "alice"), before - 70 - tx.fee.0);
        assert_eq!(balance(&done.state, "bob"), before + 70);
        assert_eq!(done.state.supply().unwrap().burned, tx.fee);
        let receipt = &done.receipts[0];
        assert_eq!((receipt.status, receipt.code, receipt.cost), (TxStatus::Done, TxCode::Ok, 10));
        let list = serde_json::json!([
            {"kind": "transfer", "from": "alice", "to": "bob", "amount": "70"}
        ]);
        assert_eq!(receipt.effects_digest, Digest::of_canonical("AZREF:EFFECTS:", &list).unwrap());
        let leaf = merkle::leaf(&canon::encode(receipt).unwrap());
        assert_eq!(done.roots, Roots { post: done.state.root(), receipts: leaf });
        assert_ne!(done.state.root(), net.state.root());
    }

    #[test]
    fn a_failed_transfer_keeps_the_fee_and_has_no_effect() {
        let net = Net::new(7);
        for (to, amount, code) in
            [("bob", u64::MAX, TxCode::Balance), ("nobody", 1, TxCode::UnknownAccount)]
        {
            let tx = net.transfer("alice", 0, to, amount);
            let done = run(&net, &net.state, std::slice::from_ref(&tx)).unwrap();
            assert_eq!((done.receipts[0].status, done.receipts[0].code), (TxStatus::Failed, code));
            assert_eq!(balance(&done.state, "alice"), balance(&net.state, "alice") - tx.fee.0);
            assert_eq!(balance(&done.state, "bob"), balance(&net.state, "bob"));
        }
    }

    #[test]
    fn every_check_of_a_transaction_makes_the_block_invalid() {
        let net = Net::new(7);
        let spoil = |change: &dyn Fn(&mut Tx)| {
            let mut body = net.transfer("alice", 0, "bob", 1).body().clone();
            change(&mut body);
            let tx = Draft::new(body).unwrap().sign(&net.anchor.domain, net.account_key("alice"));
            match run(&net, &net.state, &[Arc::new(tx)]) {
                Err(ExecuteError::Tx { index: 0, why }) => why,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(spoil(&|tx| tx.nonce = 1), TxError::Nonce { found: 1, expected: 0 });
        assert_eq!(spoil(&|tx| tx.expiry = 4), TxError::Expired { expiry: 4 });
        assert_eq!(spoil(&|tx| tx.cost_limit = 9), TxError::CostLimit { bound: 10 });
        assert!(matches!(spoil(&|tx| tx.fee = Amount(20)), TxError::Fee { .. }));
        assert_eq!(spoil(&|tx| tx.fee = Amount(u64::MAX)), TxError::FeeBalance);
        assert_eq!(spoil(&|tx| tx.sender = "bob".parse().unwrap()), TxError::Signature);
        assert_eq!(spoil(&|tx| tx.sender = "eve".parse().unwrap()), TxError::UnknownSender);
        let twice = net.transfer("alice", 0, "bob", 1);
        assert_eq!(run(&net, &net.state, &[Arc::clone(&twice), twice]), Err(ExecuteError::TxList));
    }

    #[test]
    fn rewards_are_issued_once_and_only_for_blocks_named_hard_final() {
        let net = Net::new(7);
        let reward = |state: &State, finalized: Vec<(u64, Seat)>| {
            let context = BlockContext { finalized, ..context(9) };
            let (rules, domain) = (&net.anchor.rules, &net.anchor.domain);
            execute(state, rules, domain, &context, &[], &mut Plain).unwrap().state
        };
        let none = reward(&net.state, Vec::new());
        assert_eq!(none.root(), net.state.root());
        let two = reward(&none, vec![(1, Seat(3)), (2, Seat(4))]);
        assert_eq!(two.supply().unwrap().issued, Amount(2_000));
        assert_eq!(two.seat(Seat(3)).unwrap().rewards, Amount(1_000));
        let again = reward(&two, vec![(2, Seat(4))]);
        assert_eq!(again.root(), two.root());
    }

    #[test]
    fn select_keeps_exactly_what_a_block_may_hold() {
        let net = Net::new(7);
        let waiting = [
            net.transfer("alice", 1, "bob", 1),
            net.transfer("alice", 0, "bob", 1),
            net.transfer("alice", 1, "bob", 2),
            net.transfer("bob", 0, "alice", u64::MAX),
        ];
        let (rules, domain) = (&net.anchor.rules, &net.anchor.domain);
        let chosen = select(&net.state, rules, domain, 5, &waiting, &mut Plain);
        assert_eq!(chosen, [waiting[1].clone(), waiting[2].clone(), waiting[3].clone()]);
        run(&net, &net.state, &chosen).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_supply_invariant_survives_any_transfers(
            list in prop::collection::vec((0usize..2, 0usize..3, any::<u64>()), 0..6)
        ) {
            let net = Net::new(4);
            let names = ["alice", "bob", "nobody"];
            let (mut state, mut nonces) = (net.state.clone(), [0u64; 2]);
            for (from, to, amount) in list {
                let amount = if amount % 2 == 0 { amount % 2_000_000 } else { amount };
                let tx = net.transfer(names[from], nonces[from], names[to], amount);
                nonces[from] += 1;
                state = run(&net, &state, &[tx]).unwrap().state;
                prop_assert!(state.supply_holds());
            }
        }
    }
}
