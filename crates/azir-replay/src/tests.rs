//! A small network whose history is replayed by both families.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use azir_atlas::genesis::{Features, GenesisAccount};
use azir_atlas::{
    Action, Amount, Anchor, Block, BlockId, BlockRef, Candidate, CertVote, Certificate, ChainView,
    Draft, Genesis, Params, Plain, Sealed, Seat, State, Tx, Vote, verify_final,
};
use azir_ledger::{Digest, MachineKey, canon};

use crate::checkpoint::{
    CheckpointError, CheckpointFacts, Conflict, Disputed, conflicts_of, trusted_checkpoint,
};
use crate::first::Atlas;
use crate::implementation::Implementation;
use crate::report::{Difference, Report, Verdict};
use crate::run::{Progress, replay};
use crate::second::{Bug, Second};
use crate::source::{Object, Offer, Origin, Plan, SourceError};

const NAMES: [&str; 3] = ["alice", "bob", "carol-3"];

fn key(office: &str, index: usize) -> MachineKey {
    MachineKey::from_seed(Digest::of(format!("{office}/{index}").as_bytes()).0)
}

type Txs = Vec<Arc<Sealed<Tx>>>;

struct Net {
    genesis: Genesis,
    anchor: Arc<Anchor>,
    state: State,
    view: ChainView,
    nonces: BTreeMap<&'static str, u64>,
}

impl Net {
    fn new() -> Self {
        let keys = |office: &str, n| (0..n).map(|i| key(office, i).public()).collect::<Vec<_>>();
        let account = |(i, name): (usize, &&str)| GenesisAccount {
            name: name.parse().unwrap(),
            key: key("account", i).public(),
            balance: Amount(1_000_000),
        };
        let genesis = Genesis {
            chain: "test-net".into(),
            seats: keys("seat", 7),
            stake: Amount(50_000),
            restart_authority: keys("restart", 5),
            council: keys("council", 5),
            accounts: NAMES.iter().enumerate().map(account).collect(),
            params: Params::default(),
            features: Features::default(),
        };
        let (anchor, state) = Anchor::genesis(&genesis).unwrap();
        let anchor = Arc::new(anchor);
        let view = ChainView::new(Arc::clone(&anchor), state.clone()).unwrap();
        Self { genesis, anchor, state, view, nonces: BTreeMap::new() }
    }

    fn pay(&mut self, from: usize, to: &str, amount: u64) -> Arc<Sealed<Tx>> {
        let nonce = self.nonces.entry(NAMES[from]).or_default();
        let tx = Tx {
            sender: NAMES[from].parse().unwrap(),
            nonce: *nonce,
            expiry: 1_000_000,
            cost_limit: 10,
            fee: Amount(400),
            action: Action::Transfer { to: to.parse().unwrap(), amount: Amount(amount) },
        };
        *nonce += 1;
        Arc::new(Draft::new(tx).unwrap().sign(&self.anchor.domain, &key("account", from)))
    }

    fn certify(&self, slot: u64, block: BlockId) -> Certificate {
        let domain = &self.anchor.domain;
        let votes = (0..5u8).map(|seat| {
            let vote = Vote { restart: 0, slot, block, seat: Seat(seat) };
            let vote = Draft::new(vote).unwrap().sign(domain, &key("seat", usize::from(seat)));
            CertVote { seat: Seat(seat), signer: vote.signed().signer, sig: vote.signed().sig }
        });
        Certificate { slot, block, votes: votes.collect() }
    }

    /// A block on the front with these transactions, notarized.
    fn grow(&mut self, slot: u64, txs: &Txs) -> Arc<Candidate> {
        let seat = self.view.proposer(&self.view.front().block, slot).unwrap();
        let draft = self.view.draft(slot, seat, txs, "t", &mut Plain).unwrap();
        assert_eq!(draft.txs.len(), txs.len(), "all transactions fit");
        let signer = key("seat", usize::from(seat.0));
        let header = draft.header.sign(&self.anchor.domain, &signer);
        let block = Arc::new(Candidate { header, txs: draft.txs });
        self.view.insert(Arc::clone(&block), &mut Plain).unwrap();
        self.view.add_certificate(&self.certify(slot, block.id()), &mut Plain).unwrap();
        block
    }

    /// A notarized block that nobody would call valid: the header is changed before signing.
    fn forge(&self, parent: &Sealed<Block>, change: impl Fn(&mut Block)) -> Candidate {
        let slot = parent.slot + 1;
        let mut trail = self.anchor.trail;
        for header in self.view.headers(&parent.block_id()) {
            trail = trail.extend(header.slot, header.block_id());
        }
        if self.view.block(&parent.block_id()).is_none() {
            for header in self.view.headers(&parent.parent) {
                trail = trail.extend(header.slot, header.block_id());
            }
            trail = trail.extend(parent.slot, parent.block_id());
        }
        let seat = trail.proposer(slot, 7).unwrap();
        let mut block = Block {
            height: parent.height + 1,
            slot,
            epoch: azir_atlas::epoch_of(slot),
            parent: parent.block_id(),
            parent_cert: Some(self.certify(parent.slot, parent.block_id())),
            proposer: seat,
            txs: Vec::new(),
            receipts_root: Digest::of(b""),
            ..parent.body().clone()
        };
        change(&mut block);
        let header = Draft::new(block).unwrap();
        let signer = key("seat", usize::from(seat.0));
        Candidate { header: header.sign(&self.anchor.domain, &signer), txs: Vec::new() }
    }

    fn place(&self, height: u64) -> BlockRef {
        let path = self.view.path(&self.view.front().block);
        if height == 0 { self.anchor.place } else { path[height as usize - 1].header.place() }
    }

    /// Everything up to a checkpoint's height and hard-final tip.
    fn offer(&self, checkpoint: u64) -> Offer {
        let vault = |bytes| Object::new(Origin::Vault, bytes);
        let checkpoint = self.place(checkpoint);
        let state = self.view.state(&checkpoint.block).unwrap();
        let blocks: Vec<_> = self.view.blocks().collect();
        Offer {
            anchor: (*self.anchor).clone(),
            checkpoint,
            tip: self.view.hard_final(),
            witness: self.view.front().block,
            branches: vec![self.view.front().block],
            headers: blocks.iter().map(|b| vault(b.header.encode().unwrap())).collect(),
            txs: blocks.iter().flat_map(|b| &b.txs).map(|t| vault(t.encode().unwrap())).collect(),
            certificates: self
                .view
                .certificates()
                .map(|c| vault(canon::encode(c).unwrap()))
                .collect(),
            state: state.entries().map(|e| vault(canon::encode(&e).unwrap())).collect(),
            params: vault(canon::encode(&self.genesis.params).unwrap()),
        }
    }

    /// Twelve blocks with transfers that work and fail, a gap in the slots, and rewards.
    fn with_history() -> Self {
        let mut net = Self::new();
        for slot in [0, 1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 14] {
            let txs = vec![
                net.pay(0, "bob", 1_000 + slot),
                net.pay(1, "carol-3", 77),
                net.pay(2, "carol-3", 5),
                net.pay(0, "nobody", 1),
                net.pay(1, "alice", 900_000_000),
            ];
            net.grow(slot, &txs);
        }
        assert_eq!(net.view.hard_final().height, 11);
        net
    }
}

fn go(offer: &Offer, second: Second) -> Report {
    let both: [&dyn Implementation; 2] = [&Atlas, &second];
    replay(offer, &both, &mut |_| ControlFlow::Continue(()))
}

fn difference(report: &Report) -> &Difference {
    match &report.outcome {
        Verdict::Difference { first } => first,
        other => panic!("{other:?}"),
    }
}

/// R-27.2-4, R-27.2-5, R-16.2-4: every block from the checkpoint to the tip is executed by two
/// families, none skipped, and all roots are equal.
#[test]
fn two_families_agree_on_the_finalized_path_from_any_checkpoint() {
    let net = Net::with_history();
    for checkpoint in 0..11 {
        let report = go(&net.offer(checkpoint), Second::default());
        assert_eq!(report.outcome, Verdict::Match, "from {checkpoint}");
        let heights: Vec<_> = report.path.iter().map(|row| row.place.height).collect();
        assert_eq!(heights, (checkpoint + 1..=11).collect::<Vec<_>>());
        assert!(report.path.iter().all(|row| row.computed.is_empty()));
        assert_eq!((report.families, report.branches[0].rows.len()), (2, 1));
        assert_eq!(report.reproduced().len(), 12 - checkpoint as usize);
    }
    let supply = net.view.state(&net.place(12).block).unwrap().supply().unwrap().clone();
    assert!(supply.issued > Amount(0) && supply.burned > Amount(0), "rewards and fees took part");
}

/// R-27.3-2: the same input gives the same bytes.
#[test]
fn the_same_input_gives_the_same_report() {
    let net = Net::with_history();
    let (one, two) = (go(&net.offer(3), Second::default()), go(&net.offer(3), Second::default()));
    assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
    assert_eq!(canon::decode::<Report>(&one.bytes().unwrap()).unwrap(), one);
    assert_ne!(one.id().unwrap(), go(&net.offer(4), Second::default()).id().unwrap());
}

/// R-27.2-5: a fault of one implementation is found at the exact block, transaction and member.
#[test]
fn a_planted_difference_is_found_at_its_block_and_transaction() {
    let mut net = Net::with_history();
    let txs = vec![
        net.pay(0, "bob", 10),
        net.pay(1, "alice", 11),
        net.pay(0, "bob", 4_242),
        net.pay(2, "bob", 12),
        net.pay(2, "alice", 4_242),
        net.pay(1, "alice", 13),
    ];
    let block = net.grow(15, &txs);
    net.grow(16, &Txs::new());
    net.grow(17, &Txs::new());
    for (bug, member) in [
        (Bug::ShortPay(4_242), "post_root"),
        (Bug::Cost(4_242), "cost"),
        (Bug::Refuse(4_242), "validity"),
    ] {
        let report = go(&net.offer(0), Second { bug: Some(bug) });
        let first = difference(&report);
        assert_eq!(first.block, block.header.place(), "{bug:?}");
        assert_eq!((first.tx_index, first.member.as_str()), (Some(2), member), "{bug:?}");
        assert_eq!(first.tx, Some(block.header.txs[2]));
        assert_ne!(first.values["azir-atlas"], first.values["second"]);
        assert!(!first.finalized_invalid, "one family alone refutes nothing");
        assert_eq!(report.path.last().unwrap().computed.len(), 2);
        let reproduced = report.reproduced();
        assert_eq!(reproduced[&block.id()], ["azir-atlas".to_owned()].into());
    }
    let report = go(&net.offer(0), Second { bug: Some(Bug::Reward) });
    let first = difference(&report);
    assert_eq!((first.block.height, first.tx_index, first.member.as_str()), (4, None, "rewards"));
}

/// R-27.2-5, D-093: a final block that both families refute is `finalized_invalid`.
#[test]
fn a_final_block_with_wrong_roots_is_finalized_invalid() {
    let net = Net::with_history();
    let vault = |bytes| Object::new(Origin::Vault, bytes);
    let last = net.view.block(&net.place(12).block).unwrap().header.clone();
    let bad = net.forge(&last, |block| block.post_root = Digest::of(b"wrong"));
    let child = net.forge(&bad.header, |_| {});
    let mut offer = net.offer(5);
    for candidate in [&bad, &child] {
        offer.headers.push(vault(candidate.header.encode().unwrap()));
        let certificate = net.certify(candidate.header.slot, candidate.id());
        offer.certificates.push(vault(canon::encode(&certificate).unwrap()));
    }
    let as_branch = Offer { branches: vec![bad.id()], ..offer.clone() };
    let report = go(&as_branch, Second::default());
    assert_eq!(report.outcome, Verdict::Match, "a candidate that is refuted by all is dropped");
    assert_eq!(report.branches[0].dropped, Some(bad.header.place()));
    offer.tip = bad.header.place();
    offer.witness = child.id();
    offer.branches = Vec::new();
    let report = go(&offer, Second::default());
    let first = difference(&report);
    assert_eq!((first.block, first.member.as_str()), (bad.header.place(), "post_root"));
    assert!(first.finalized_invalid);
    assert_eq!(first.values["header"], Digest::of(b"wrong").to_string());
    let twice: [&dyn Implementation; 2] = [&Atlas, &Atlas];
    let report = replay(&offer, &twice, &mut |_| ControlFlow::Continue(()));
    assert!(!difference(&report).finalized_invalid, "one source twice is one family");
}

/// R-27.3-1: cache, index and unverified snapshot are refused, whatever object they hold.
#[test]
fn only_finalized_objects_and_fixtures_are_read() {
    let net = Net::with_history();
    for origin in [Origin::Cache, Origin::Index, Origin::Snapshot] {
        for part in 0..5 {
            let mut offer = net.offer(3);
            let object = match part {
                0 => &mut offer.headers[2],
                1 => &mut offer.txs[2],
                2 => &mut offer.certificates[2],
                3 => &mut offer.state[2],
                _ => &mut offer.params,
            };
            object.origin = origin;
            let report = go(&offer, Second::default());
            let Verdict::InputUntrusted { kind, .. } = report.outcome else { panic!() };
            assert_eq!(kind, "replay_source_rejected");
        }
    }
    let mut offer = net.offer(3);
    offer.txs.iter_mut().for_each(|object| object.origin = Origin::Fixture);
    assert!(go(&offer, Second::default()).is_match());
}

/// R-27.2-3, R-27.2-1: an altered object, a checkpoint that is not final or has another state, and
/// a tip that is not final are refused before anything runs.
#[test]
fn an_offer_that_does_not_verify_is_not_run() {
    let net = Net::with_history();
    let refusal = |offer: &Offer| Plan::load(offer).unwrap_err();
    let mut altered = net.offer(3);
    altered.txs[1].bytes[10] ^= 1;
    assert!(matches!(refusal(&altered), SourceError::Hash { what: "transaction", .. }));
    let mut hidden = net.offer(3);
    hidden.txs.remove(1);
    hidden.headers.retain(|_| true);
    assert!(matches!(refusal(&hidden), SourceError::Missing { .. }));
    let mut not_final = net.offer(3);
    not_final.tip = net.place(12);
    assert!(matches!(refusal(&not_final), SourceError::NotFinal { .. }));
    let mut above = net.offer(12);
    above.tip = net.view.hard_final();
    assert_eq!(refusal(&above).refusal(), "checkpoint_untrusted");
    let mut other_state = net.offer(3);
    other_state.state = net.offer(4).state;
    assert_eq!(refusal(&other_state).refusal(), "checkpoint_untrusted");
    let mut foreign = net.offer(3);
    let mut params = net.genesis.params.clone();
    params.reward = Amount(1);
    foreign.params = Object::new(Origin::Vault, canon::encode(&params).unwrap());
    assert!(matches!(refusal(&foreign), SourceError::Params { .. }));
    let mut forged = net.offer(3);
    let mut certificate = net.certify(3, net.place(4).block);
    certificate.votes.remove(0);
    let bytes = canon::encode(&certificate).unwrap();
    forged.certificates.push(Object::new(Origin::Vault, bytes));
    assert_eq!(refusal(&forged).refusal(), "replay_source_rejected");
}

/// Incomplete is never success.
#[test]
fn a_stopped_or_single_family_replay_is_incomplete() {
    let net = Net::with_history();
    let both: [&dyn Implementation; 2] = [&Atlas, &Second::default()];
    let mut seen = Vec::new();
    let report = replay(&net.offer(0), &both, &mut |progress: Progress| {
        seen.push((progress.done, progress.total));
        if progress.done == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(report.outcome, Verdict::Incomplete { .. }) && !report.is_match());
    assert_eq!((report.path.len(), seen.last()), (5, Some(&(5, 12))));
    let twice: [&dyn Implementation; 2] = [&Second::default(), &Second::default()];
    let report = replay(&net.offer(0), &twice, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(report.outcome, Verdict::Incomplete { .. }));
    assert_eq!(report.families, 1);
    let mut nothing = net.offer(11);
    nothing.branches.clear();
    let report = go(&nothing, Second::default());
    assert!(matches!(report.outcome, Verdict::Incomplete { .. }), "nothing was executed");
}

/// R-27.2-6, R-14.2-4: after a fork with two hard-final histories, the common path and both
/// branches are replayed, and the report says that both are final.
#[test]
fn both_branches_of_a_fork_are_replayed() {
    let mut net = Net::with_history();
    let common = net.view.clone();
    let nonces = net.nonces.clone();
    let mut tips = Vec::new();
    let mut offers = Vec::new();
    for side in 0..2 {
        net.view = common.clone();
        net.nonces = nonces.clone();
        let txs = vec![net.pay(side, "carol-3", 500 + side as u64)];
        net.grow(20 + side as u64, &txs);
        for slot in 30..34 {
            net.grow(slot, &Txs::new());
        }
        tips.push(net.view.front().block);
        offers.push(net.offer(2));
    }
    let last_common = common.front();
    let mut offer = offers[0].clone();
    offer.headers.extend(offers[1].headers.clone());
    offer.txs.extend(offers[1].txs.clone());
    offer.certificates.extend(offers[1].certificates.clone());
    offer.tip = last_common;
    offer.branches = tips.clone();
    let report = go(&offer, Second::default());
    assert_eq!(report.outcome, Verdict::Match);
    for (branch, tip) in report.branches.iter().zip(&tips) {
        assert_eq!((branch.from, branch.tip.block), (last_common, *tip));
        assert_eq!(branch.rows.len(), 5);
        assert_eq!(branch.hard_final.map(|p| p.slot), Some(Some(32)));
    }
    let report = go(&offer, Second { bug: Some(Bug::ShortPay(501)) });
    let first = difference(&report);
    assert_eq!((first.branch, first.tx_index), (Some(tips[1]), Some(0)), "on the second branch");
    let mut below = offer;
    below.tip = last_common;
    below.checkpoint = report.branches[0].tip;
    assert_eq!(Plan::load(&below).unwrap_err().refusal(), "checkpoint_untrusted");
}

/// D-092: each condition moves the trusted checkpoint, and nothing else does.
#[test]
fn the_trusted_checkpoint_is_the_highest_block_that_holds_in_every_condition() {
    let net = Net::with_history();
    let headers = net.view.headers(&net.view.front().block);
    let certificates: Vec<_> = net.view.certificates().cloned().collect();
    let proven = verify_final(&net.anchor, &headers, &certificates).unwrap();
    let reproduced = go(&net.offer(0), Second::default()).reproduced();
    let one_family = reproduced.keys().map(|b| (*b, BTreeSet::from(["a".to_owned()]))).collect();
    let recorded: BTreeSet<_> = [net.place(4).block, net.place(7).block].into();
    let none = BTreeSet::new();
    let at = |conflicts: &[Conflict], reproduced, recorded, disputed: Disputed| {
        let facts = CheckpointFacts { conflicts, reproduced, recorded, disputed: &disputed };
        trusted_checkpoint(&proven, &headers, &facts).map(|t| t.place().height)
    };
    let clear = Disputed::default;
    let by_height = |h| Conflict { height: Some(h), slot: None };
    let by_slot = |s| Conflict { height: None, slot: Some(s) };
    assert_eq!(at(&[], &reproduced, &none, clear()), Ok(11));
    assert_eq!(at(&[by_height(9)], &reproduced, &none, clear()), Ok(8));
    assert_eq!(at(&[by_slot(8), by_height(11)], &reproduced, &none, clear()), Ok(7), "slot 7");
    assert_eq!(at(&[], &one_family, &none, clear()), Ok(0), "one family reproduces nothing");
    assert_eq!(at(&[], &one_family, &recorded, clear()), Ok(7));
    let fault = Disputed { fault_from: Some(6), ..clear() };
    assert_eq!(at(&[], &one_family, &recorded, fault.clone()), Ok(4));
    assert_eq!(at(&[], &reproduced, &none, fault), Ok(11), "reproduction needs no record");
    let module = Disputed { first_use: Some(5), ..clear() };
    assert_eq!(at(&[], &reproduced, &none, module), Ok(4));
    let nothing = at(&[by_height(0)], &reproduced, &recorded, clear());
    assert_eq!(nothing, Err(CheckpointError::Nothing { from: 0 }));
    let facts = CheckpointFacts {
        conflicts: &[],
        reproduced: &reproduced,
        recorded: &none,
        disputed: &clear(),
    };
    assert_eq!(trusted_checkpoint(&proven, &headers[1..], &facts), Err(CheckpointError::Chain));
}

#[test]
fn a_nodes_disputes_become_conflicts() {
    let mut net = Net::with_history();
    assert!(conflicts_of(&net.view).is_empty());
    let parent = net.view.block(&net.place(11).block).unwrap().header.clone();
    let other = net.forge(&parent, |block| block.impl_tag = "other".to_owned());
    let certificate = net.certify(14, other.id());
    net.view.add_certificate(&certificate, &mut Plain).unwrap();
    let conflicts = conflicts_of(&net.view);
    assert_eq!(conflicts, [Conflict { height: Some(12), slot: Some(14) }]);
}

/// The families were written apart; a long mixed history shows that they mean the same.
#[test]
fn the_families_agree_on_a_long_mixed_history() {
    let mut net = Net::new();
    let mut dice = 7u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut slot = 0;
    for _ in 0..60 {
        slot += if roll(4) == 0 { 2 } else { 1 };
        let txs = (0..roll(9)).map(|_| {
            let to = ["alice", "bob", "carol-3", "nobody"][roll(4) as usize];
            net.pay(roll(3) as usize, to, roll(700_000))
        });
        let txs: Txs = txs.collect();
        net.grow(slot, &txs);
    }
    let report = go(&net.offer(0), Second::default());
    assert_eq!(report.outcome, Verdict::Match);
    assert!(net.state.root() != net.view.state(&net.view.front().block).unwrap().root());
}
