//! Messages and their delivery in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use azir_atlas::{BlockId, Candidate, Certificate, Sealed, Tx, Verdict, Vote};
use azir_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::fault::Endpoint;

/// Kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A block with its transactions.
    Block,
    /// A verifier's verdict.
    Verdict,
    /// A notary's vote.
    Vote,
    /// A transaction.
    Tx,
    /// Certificates at the tips of what a node knows, sent when nodes meet again.
    Status,
    /// A request for a block and its ancestors.
    Want,
    /// The answer to it.
    Branch,
}

/// Blocks in ascending order with their certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Blocks, each the parent of the next.
    pub blocks: Vec<Arc<Candidate>>,
    /// Certificates of these blocks.
    pub certificates: Vec<Certificate>,
}

/// What nodes send each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A block with its transactions.
    Block(Arc<Candidate>),
    /// A verifier's verdict.
    Verdict(Arc<Sealed<Verdict>>),
    /// A notary's vote.
    Vote(Arc<Sealed<Vote>>),
    /// A transaction.
    Tx(Arc<Sealed<Tx>>),
    /// Certificates at the tips of what the sender knows.
    Status(Arc<Vec<Certificate>>),
    /// The receiver is asked for this block and its ancestors.
    Want(BlockId),
    /// Answer to `Want`.
    Branch(Arc<Branch>),
}

impl Message {
    /// Kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Block(_) => MessageKind::Block,
            Self::Verdict(_) => MessageKind::Verdict,
            Self::Vote(_) => MessageKind::Vote,
            Self::Tx(_) => MessageKind::Tx,
            Self::Status(_) => MessageKind::Status,
            Self::Want(_) => MessageKind::Want,
            Self::Branch(_) => MessageKind::Branch,
        }
    }

    /// A digest that stands for the content in the trace.
    pub(crate) fn mark(&self) -> Digest {
        let of_list = |ids: Vec<[u8; 32]>| Digest::of(&ids.concat());
        match self {
            Self::Block(block) => block.id().0,
            Self::Verdict(verdict) => verdict.id(),
            Self::Vote(vote) => vote.id(),
            Self::Tx(tx) => tx.id(),
            Self::Status(certs) => of_list(certs.iter().map(|c| c.block.0.0).collect()),
            Self::Want(block) => block.0,
            Self::Branch(branch) => of_list(branch.blocks.iter().map(|b| b.id().0.0).collect()),
        }
    }
}

/// Whom a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A node.
    Node(Endpoint),
    /// Somebody outside of the network.
    Outside,
}

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) from: Sender,
    pub(crate) to: Endpoint,
    pub(crate) message: Message,
}

/// Messages under way, by time of arrival and then by order of sending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<(u64, u64), Delivery>,
    sent: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at_ms: u64, delivery: Delivery) {
        self.waiting.insert((at_ms, self.sent), delivery);
        self.sent += 1;
    }

    /// The next message that arrives before `end_ms`.
    pub(crate) fn pop_before(&mut self, end_ms: u64) -> Option<(u64, Delivery)> {
        let (&(at, _), _) = self.waiting.first_key_value()?;
        if at >= end_ms {
            return None;
        }
        self.waiting.pop_first().map(|((at, _), delivery)| (at, delivery))
    }
}

/// Delay of messages in milliseconds, drawn evenly from the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Shortest.
    pub min_ms: u64,
    /// Longest. A timely network delivers a block, a verdict and a vote within one slot.
    pub max_ms: u64,
}

impl Default for Delay {
    fn default() -> Self {
        Self { min_ms: 20, max_ms: 180 }
    }
}

/// A small seeded generator: xoshiro256**, seeded by splitmix64. Not for keys.
#[derive(Clone, Debug)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number of the range, both ends included; the bias is below 2^-40 for ranges in use.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next() % width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_xoshiro256_starstar_seeded_by_splitmix64() {
        // First outputs of splitmix64 from 0, as published with the algorithm.
        let rng = Rng::new(0);
        assert_eq!(rng.0[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.0[1], 0x6e78_9e6a_a1b9_65f4);
        // First outputs of xoshiro256** from the state 1, 2, 3, 4.
        let mut rng = Rng([1, 2, 3, 4]);
        assert_eq!([rng.next(), rng.next(), rng.next()], [11520, 0, 1_509_978_240]);
    }

    #[test]
    fn messages_arrive_by_time_and_then_in_the_order_they_were_sent() {
        let to = Endpoint { seat: azir_atlas::Seat(0), twin: 0 };
        let want = |n: u8| Message::Want(BlockId(Digest::of(&[n])));
        let mut queue = Queue::default();
        for (at, n) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            queue.push(at, Delivery { from: Sender::Outside, to, message: want(n) });
        }
        let order: Vec<_> =
            std::iter::from_fn(|| queue.pop_before(9)).map(|(at, d)| (at, d.message)).collect();
        assert_eq!(order, [(3, want(2)), (5, want(1)), (5, want(3))]);
    }
}
