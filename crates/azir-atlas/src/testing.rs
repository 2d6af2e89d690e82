//! A small network for the tests of this crate.

use std::sync::Arc;

use azir_ledger::{Digest, MachineKey};

use crate::amount::Amount;
use crate::block::{BlockId, Candidate};
use crate::certificate::{CertVote, Certificate};
use crate::chain::{ChainView, Inserted};
use crate::genesis::{Anchor, Features, Genesis, GenesisAccount, Params, Seat};
use crate::object::{Draft, Plain, Sealed};
use crate::state::State;
use crate::tx::{Action, Tx};
use crate::vote::Vote;

pub(crate) fn key(office: &str, index: usize) -> MachineKey {
    MachineKey::from_seed(Digest::of(format!("{office}/{index}").as_bytes()).0)
}

pub(crate) struct Net {
    pub(crate) genesis: Genesis,
    pub(crate) anchor: Arc<Anchor>,
    pub(crate) state: State,
    accounts: Vec<(&'static str, MachineKey)>,
}

impl Net {
    pub(crate) fn new(seats: usize) -> Self {
        let keys = |office: &str, n| (0..n).map(|i| key(office, i).public()).collect::<Vec<_>>();
        let accounts: Vec<_> =
            ["alice", "bob"].into_iter().enumerate().map(|(i, n)| (n, key("account", i))).collect();
        let genesis = Genesis {
            chain: "test-net".into(),
            seats: keys("seat", seats),
            stake: Amount(50_000),
            restart_authority: keys("restart", 5),
            council: keys("council", 5),
            accounts: accounts
                .iter()
                .map(|(name, key)| GenesisAccount {
                    name: name.parse().unwrap(),
                    key: key.public(),
                    balance: Amount(1_000_000),
                })
                .collect(),
            params: Params::default(),
            features: Features::default(),
        };
        let (anchor, state) = Anchor::genesis(&genesis).unwrap();
        Self { genesis, anchor: Arc::new(anchor), state, accounts }
    }

    pub(crate) fn account_key(&self, name: &str) -> &MachineKey {
        &self.accounts.iter().find(|(n, _)| *n == name).unwrap().1
    }

    pub(crate) fn transfer(&self, from: &str, nonce: u64, to: &str, n: u64) -> Arc<Sealed<Tx>> {
        let tx = Tx {
            sender: from.parse().unwrap(),
            nonce,
            expiry: 100,
            cost_limit: 10,
            fee: Amount(300),
            action: Action::Transfer { to: to.parse().unwrap(), amount: Amount(n) },
        };
        Arc::new(Draft::new(tx).unwrap().sign(&self.anchor.domain, self.account_key(from)))
    }

    pub(crate) fn empty_view(&self) -> ChainView {
        ChainView::new(Arc::clone(&self.anchor), self.state.clone()).unwrap()
    }

    pub(crate) fn vote(&self, slot: u64, block: BlockId, seat: u8) -> Arc<Sealed<Vote>> {
        let domain = &self.anchor.domain;
        let vote = Vote { restart: domain.restart(), slot, block, seat: Seat(seat) };
        Arc::new(Draft::new(vote).unwrap().sign(domain, &key("seat", usize::from(seat))))
    }

    pub(crate) fn certificate(&self, slot: u64, block: BlockId, seats: &[u8]) -> Certificate {
        let votes = seats
            .iter()
            .map(|&seat| {
                let vote = self.vote(slot, block, seat);
                let signed = vote.signed();
                CertVote { seat: Seat(seat), signer: signed.signer, sig: signed.sig }
            })
            .collect();
        Certificate { slot, block, votes }
    }

    pub(crate) fn propose(
        &self,
        view: &ChainView,
        slot: u64,
        txs: &[Arc<Sealed<Tx>>],
        tag: &str,
    ) -> Arc<Candidate> {
        let seat = view.proposer(&view.front().block, slot).unwrap();
        let draft = view.draft(slot, seat, txs, tag, &mut Plain).unwrap();
        let header = draft.header.sign(&self.anchor.domain, &key("seat", usize::from(seat.0)));
        Arc::new(Candidate { header, txs: draft.txs })
    }

    pub(crate) fn notarize(&self, view: &mut ChainView, slot: u64, tag: &str) -> Arc<Candidate> {
        let block = self.propose(view, slot, &[], tag);
        assert_eq!(view.insert(Arc::clone(&block), &mut Plain), Ok(Inserted::New));
        view.add_certificate(&self.certificate(slot, block.id(), &[0, 1, 2, 3, 4]), &mut Plain)
            .unwrap();
        block
    }

    pub(crate) fn grow(&self, slots: &[u64]) -> ChainView {
        let mut view = self.empty_view();
        for slot in slots {
            self.notarize(&mut view, *slot, "t");
        }
        view
    }
}
