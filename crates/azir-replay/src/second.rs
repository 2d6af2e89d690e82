//! The second family: transfers as annex L.3 and L.6 describe them, written apart from
//! `azir-atlas`. Own reader, own state, own trees; shared are SHA-256 and Ed25519 (D-099).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azir_ledger::{Digest, MachinePublic, MachineSig};

use crate::implementation::{BlockInput, BlockResult, Fault, Ground, Implementation, Run};

mod json;

use json::{Node, read};

/// The second implementation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Second {
    #[cfg(test)]
    pub(crate) bug: Option<Bug>,
}

/// Faults that tests plant.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A transfer of exactly this amount arrives one unit short, which no receipt shows.
    ShortPay(u64),
    /// A transfer of exactly this amount costs one unit more.
    Cost(u64),
    /// A transfer of exactly this amount is said to be invalid.
    Refuse(u64),
    /// The proposer's reward is one unit more.
    Reward,
}

impl Implementation for Second {
    fn name(&self) -> &str {
        "second"
    }

    fn family(&self) -> &str {
        "azir-replay/second"
    }

    fn source(&self) -> Digest {
        let files = [include_str!("second.rs"), include_str!("second/json.rs")];
        Digest::of_parts(&[files[0].as_bytes(), files[1].as_bytes()])
    }

    fn begin(&self, ground: &Ground) -> Result<Arc<dyn Run>, Fault> {
        let params = Parameters::read(&ground.params).map_err(Fault::Unable)?;
        let mut ledger = BTreeMap::new();
        for bytes in &ground.state {
            let (key, cell) = Cell::read(bytes).map_err(Fault::Unable)?;
            if ledger.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Fault::Unable(format!("entry {key} out of order")));
            }
            ledger.insert(key, cell);
        }
        let root = root_of(&ledger);
        if root != ground.post_root {
            return Err(Fault::Unable(format!("the state has root {root}")));
        }
        let heads = ground.headers.iter().map(|bytes| Head::read(bytes));
        let heads = heads.collect::<Result<Vec<_>, _>>().map_err(Fault::Unable)?;
        let prefix = format!("AZREF:SIG:Tx:{}:{}:", ground.chain, ground.restart);
        let setup = Arc::new(Setup { params, prefix, who: *self });
        Ok(Arc::new(At { setup, ledger, heads }))
    }
}

/// Parameters of annex L.6 that the execution reads.
struct Parameters {
    block_txs_max: u64,
    byte_fee: u64,
    reward: u64,
    transfer_cost: u64,
    tx_bytes_max: u64,
    unit_fee: u64,
}

impl Parameters {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let node = read(bytes)?;
        let [
            block_txs_max,
            byte_fee,
            _mempool,
            reward,
            _entries,
            transfer_cost,
            tx_bytes,
            unit_fee,
        ] = node.members([
            "block_txs_max",
            "byte_fee",
            "mempool_max",
            "reward",
            "state_entries_max",
            "transfer_cost",
            "tx_bytes_max",
            "unit_fee",
        ])?;
        Ok(Self {
            block_txs_max: block_txs_max.number()?,
            byte_fee: byte_fee.word()?,
            reward: reward.word()?,
            transfer_cost: transfer_cost.number()?,
            tx_bytes_max: tx_bytes.number()?,
            unit_fee: unit_fee.word()?,
        })
    }
}

/// One value of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Account { balance: u64, key: String, nonce: u64 },
    Seat { rewards: u64, stake: u64 },
    Totals { burned: u64, escrow: u64, genesis: u64, issued: u64, rewarded: u64 },
}

const TOTALS: &str = "supply";

impl Cell {
    fn read(bytes: &[u8]) -> Result<(String, Self), String> {
        let node = read(bytes)?;
        let [entry, key] = node.members(["entry", "key"])?;
        let [kind, value] = entry.members(["type", "value"])?;
        let cell = match kind.text()? {
            "account" => {
                let [balance, key, nonce] = value.members(["balance", "key", "nonce"])?;
                let (balance, nonce) = (balance.word()?, nonce.number()?);
                Self::Account { balance, key: key.text()?.to_owned(), nonce }
            }
            "seat" => {
                let [rewards, stake] = value.members(["rewards", "stake"])?;
                Self::Seat { rewards: rewards.word()?, stake: stake.word()? }
            }
            "supply" => {
                let [burned, escrow, genesis, issued, rewarded] =
                    value.members(["burned", "escrow", "genesis", "issued", "rewarded"])?;
                Self::Totals {
                    burned: burned.word()?,
                    escrow: escrow.word()?,
                    genesis: genesis.word()?,
                    issued: issued.word()?,
                    rewarded: rewarded.number()?,
                }
            }
            other => return Err(format!("entry of unknown type {other:?}")),
        };
        Ok((key.text()?.to_owned(), cell))
    }

    /// The canonical entry. Keys, names and numbers need no escapes.
    fn write(&self, place: &str) -> String {
        let (kind, value) = match self {
            Self::Account { balance, key, nonce } => {
                let text = format!(r#"{{"balance":"{balance}","key":"{key}","nonce":{nonce}}}"#);
                ("account", text)
            }
            Self::Seat { rewards, stake } => {
                ("seat", format!(r#"{{"rewards":"{rewards}","stake":"{stake}"}}"#))
            }
            Self::Totals { burned, escrow, genesis, issued, rewarded } => {
                let text =
                    format!(r#"{{"burned":"{burned}","escrow":"{escrow}","genesis":"{genesis}","#);
                ("supply", format!(r#"{text}"issued":"{issued}","rewarded":{rewarded}}}"#))
            }
        };
        format!(r#"{{"entry":{{"type":"{kind}","value":{value}}},"key":"{place}"}}"#)
    }
}

/// Root by the definition of annex L.1: split at the largest power of two below n.
fn tree(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            Digest::of_parts(&[&[1], &tree(left).0, &tree(right).0])
        }
    }
}

fn root_of(ledger: &BTreeMap<String, Cell>) -> Digest {
    let leaf =
        |(key, cell): (&String, &Cell)| Digest::of_parts(&[&[0], cell.write(key).as_bytes()]);
    tree(&ledger.iter().map(leaf).collect::<Vec<_>>())
}

/// What the execution reads of a header.
#[derive(Clone, Debug)]
struct Head {
    height: u64,
    slot: u64,
    proposer: u64,
    txs: Vec<String>,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let node = read(bytes)?;
        let [body, _sig, _signer] = node.members(["body", "sig", "signer"])?;
        let known = [
            "epoch",
            "features",
            "height",
            "impl_tag",
            "params",
            "parent",
            "parent_cert",
            "post_root",
            "proposer",
            "receipts_root",
            "restart",
            "slot",
            "txs",
        ];
        let members = body.record()?;
        if let Some((name, _)) = members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(format!("header with member {name:?}"));
        }
        let member = |name: &str| {
            let found = members.iter().find(|(n, _)| n == name).map(|(_, node)| node);
            found.ok_or_else(|| format!("header without {name}"))
        };
        let txs = member("txs")?.list()?.iter().map(|tx| tx.text().map(str::to_owned));
        Ok(Self {
            height: member("height")?.number()?,
            slot: member("slot")?.number()?,
            proposer: member("proposer")?.number()?,
            txs: txs.collect::<Result<_, _>>()?,
        })
    }
}

/// A transfer as it arrived.
struct Payment {
    id: Digest,
    size: u64,
    amount: u64,
    to: String,
    cost_limit: u64,
    expiry: u64,
    fee: u64,
    nonce: u64,
    sender: String,
    signer: String,
    sig: MachineSig,
}

impl Payment {
    /// Nothing for a kind that this family does not know.
    fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let node = read(bytes)?;
        let [body, sig, signer] = node.members(["body", "sig", "signer"])?;
        let [action, cost_limit, expiry, fee, kind, nonce, sender] =
            body.members(["body", "cost_limit", "expiry", "fee", "kind", "nonce", "sender"])?;
        if kind.text()? != "transfer" {
            return Ok(None);
        }
        let [amount, to] = action.members(["amount", "to"])?;
        let raw = bytes.get(body.at.clone()).unwrap_or_default();
        Ok(Some(Self {
            id: Digest::of_parts(&[b"AZREF:Tx:", raw]),
            size: raw.len() as u64,
            amount: amount.word()?,
            to: name(to)?,
            cost_limit: cost_limit.number()?,
            expiry: expiry.number()?,
            fee: fee.word()?,
            nonce: nonce.number()?,
            sender: name(sender)?,
            signer: signer.text()?.to_owned(),
            sig: sig.text()?.parse().map_err(|_| "no signature".to_owned())?,
        }))
    }
}

/// An account's place in the state; names are 1 to 32 of `a-z`, `0-9`, `-`.
fn name(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    let good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    if (1..=32).contains(&text.len()) && text.chars().all(good) {
        Ok(format!("account/{text}"))
    } else {
        Err(format!("{text:?} is no name of an account"))
    }
}

struct Setup {
    params: Parameters,
    prefix: String,
    #[cfg_attr(not(test), expect(dead_code))]
    who: Second,
}

/// This family after some block.
struct At {
    setup: Arc<Setup>,
    ledger: BTreeMap<String, Cell>,
    heads: Vec<Head>,
}

type Ledger = BTreeMap<String, Cell>;

impl At {
    /// Executes the first `count` transactions. Returns the receipts.
    fn pay_all(
        &self,
        head: &Head,
        txs: &[Vec<u8>],
        count: usize,
        ledger: &mut Ledger,
    ) -> Result<Vec<String>, Fault> {
        let mut payments = Vec::with_capacity(txs.len());
        for (index, bytes) in txs.iter().enumerate() {
            let payment = Payment::read(bytes)
                .map_err(|why| Fault::Invalid { tx: Some(index), why })?
                .ok_or_else(|| Fault::Unable(format!("transaction {index}: only transfers")))?;
            payments.push(payment);
        }
        let ids: Vec<_> = payments.iter().map(|p| p.id.to_string()).collect();
        if ids != head.txs {
            return Err(Fault::Unable("the payload is not what the header names".to_owned()));
        }
        let different: BTreeSet<_> = ids.iter().collect();
        if different.len() < ids.len() || ids.len() as u64 > self.setup.params.block_txs_max {
            return Err(Fault::Invalid { tx: None, why: "too many or repeated".to_owned() });
        }
        let mut receipts = Vec::new();
        for (index, payment) in payments.iter().take(count).enumerate() {
            let receipt = self.pay(head.slot, payment, ledger);
            receipts.push(receipt.map_err(|why| Fault::Invalid { tx: Some(index), why })?);
        }
        Ok(receipts)
    }

    /// Checks and executes one transfer.
    fn pay(&self, slot: u64, p: &Payment, ledger: &mut Ledger) -> Result<String, String> {
        let params = &self.setup.params;
        let Some(Cell::Account { balance, key, nonce }) = ledger.get(&p.sender).cloned() else {
            return Err("no such sender".to_owned());
        };
        let cost = params.transfer_cost;
        let fee = u128::from(p.size) * u128::from(params.byte_fee)
            + u128::from(cost) * u128::from(params.unit_fee);
        let rules = [
            (p.size <= params.tx_bytes_max, "too large"),
            (p.nonce == nonce, "not the next nonce"),
            (p.expiry >= slot, "expired"),
            (p.cost_limit >= cost, "cost limit too low"),
            (u128::from(p.fee) >= fee, "fee too low"),
            (p.fee <= balance, "fee not covered"),
            (self.signed(p, &key), "not signed by the sender"),
        ];
        if let Some((_, why)) = rules.iter().find(|(holds, _)| !holds) {
            return Err((*why).to_owned());
        }
        #[cfg(test)]
        if self.setup.who.bug == Some(Bug::Refuse(p.amount)) {
            return Err("planted".to_owned());
        }
        let left = balance - p.fee;
        let next = nonce.checked_add(1).ok_or("nonce out of range")?;
        ledger.insert(p.sender.clone(), Cell::Account { balance: left, key, nonce: next });
        match ledger.get_mut(TOTALS) {
            Some(Cell::Totals { burned, .. }) => {
                *burned = burned.checked_add(p.fee).ok_or("burned out of range")?;
            }
            _ => return Err("no totals".to_owned()),
        }
        let code = self.transfer(p, left, ledger);
        Ok(receipt(p, code, self.cost(p, cost)))
    }

    /// Moves the amount, or says why not; then nothing moved.
    fn transfer(&self, p: &Payment, left: u64, ledger: &mut Ledger) -> &'static str {
        let Some(Cell::Account { balance: there, .. }) = ledger.get(&p.to).cloned() else {
            return "unknown_account";
        };
        let own = p.to == p.sender;
        let (taken, given) = (left.checked_sub(p.amount), there.checked_add(self.paid(p)));
        let (Some(taken), Some(given)) = (taken, given) else { return "balance" };
        for (place, amount) in [(&p.sender, taken), (&p.to, given)] {
            if own {
                continue;
            }
            if let Some(Cell::Account { balance, .. }) = ledger.get_mut(place) {
                *balance = amount;
            }
        }
        "ok"
    }

    #[cfg(not(test))]
    fn paid(&self, p: &Payment) -> u64 {
        p.amount
    }

    #[cfg(test)]
    fn paid(&self, p: &Payment) -> u64 {
        p.amount - u64::from(self.setup.who.bug == Some(Bug::ShortPay(p.amount)))
    }

    #[cfg(not(test))]
    fn cost(&self, _: &Payment, cost: u64) -> u64 {
        cost
    }

    #[cfg(test)]
    fn cost(&self, p: &Payment, cost: u64) -> u64 {
        cost + u64::from(self.setup.who.bug == Some(Bug::Cost(p.amount)))
    }

    fn signed(&self, p: &Payment, key: &str) -> bool {
        let message = format!("{}{}", self.setup.prefix, p.id);
        let key = (p.signer == key).then(|| key.parse::<MachinePublic>().ok()).flatten();
        key.is_some_and(|key| key.verify("", message.as_bytes(), &p.sig).is_ok())
    }

    /// Rule 5 of L.6: pay the proposers of the blocks that the chain so far makes hard-final.
    fn rewards(&self, ledger: &mut Ledger) -> Result<(), String> {
        let reward = self.setup.params.reward;
        #[cfg(test)]
        let reward = reward + u64::from(self.setup.who.bug == Some(Bug::Reward));
        let [.., a, b, c] = self.heads.as_slice() else { return Ok(()) };
        if (a.slot + 1, b.slot + 1) != (b.slot, c.slot) {
            return Ok(());
        }
        let Some(Cell::Totals { rewarded: start, .. }) = ledger.get(TOTALS).cloned() else {
            return Err("no totals".to_owned());
        };
        let due = self.heads.iter().filter(|h| h.height > start && h.height <= b.height);
        for head in due {
            match ledger.get_mut(&format!("seat/{:02}", head.proposer)) {
                Some(Cell::Seat { rewards, .. }) => {
                    *rewards = rewards.checked_add(reward).ok_or("reward out of range")?;
                }
                _ => return Err(format!("no seat {}", head.proposer)),
            }
            if let Some(Cell::Totals { issued, rewarded, .. }) = ledger.get_mut(TOTALS) {
                *issued = issued.checked_add(reward).ok_or("issued out of range")?;
                *rewarded = head.height;
            }
        }
        Ok(())
    }
}

/// The canonical receipt (annex L.5).
fn receipt(p: &Payment, code: &str, cost: u64) -> String {
    let (from, to) = (&p.sender["account/".len()..], &p.to["account/".len()..]);
    let effects = match code {
        "ok" => {
            let amount = p.amount;
            format!(r#"[{{"amount":"{amount}","from":"{from}","kind":"transfer","to":"{to}"}}]"#)
        }
        _ => "[]".to_owned(),
    };
    let effects = Digest::of_parts(&[b"AZREF:EFFECTS:", effects.as_bytes()]);
    let status = if code == "ok" { "done" } else { "failed" };
    let front = format!(r#"{{"code":"{code}","cost":{cost},"effects_digest":"{effects}","#);
    format!(r#"{front}"status":"{status}","tx":"{}"}}"#, p.id)
}

impl Run for At {
    fn apply(&self, block: &BlockInput) -> Result<(BlockResult, Arc<dyn Run>), Fault> {
        let head = Head::read(&block.header).map_err(Fault::Unable)?;
        let mut ledger = self.ledger.clone();
        let receipts = self.pay_all(&head, &block.txs, block.txs.len(), &mut ledger)?;
        self.rewards(&mut ledger).map_err(|why| Fault::Invalid { tx: None, why })?;
        let leaf = |r: &String| Digest::of_parts(&[&[0], r.as_bytes()]);
        let result = BlockResult {
            post_root: root_of(&ledger),
            receipts_root: tree(&receipts.iter().map(leaf).collect::<Vec<_>>()),
            receipts: receipts.into_iter().map(String::into_bytes).collect(),
        };
        let mut heads = self.heads.clone();
        heads.push(head);
        Ok((result, Arc::new(Self { setup: Arc::clone(&self.setup), ledger, heads })))
    }

    fn prefix_root(&self, block: &BlockInput, count: usize) -> Result<Digest, Fault> {
        let head = Head::read(&block.header).map_err(Fault::Unable)?;
        let mut ledger = self.ledger.clone();
        self.pay_all(&head, &block.txs, count, &mut ledger)?;
        Ok(root_of(&ledger))
    }
}
