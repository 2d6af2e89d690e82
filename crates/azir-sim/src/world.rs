//! The simulated network: atlas nodes in virtual time, as a pure function of genesis, schedule and
//! seed (annex L.9). Seats sign through a port behind which real gates can stand.
//!
//! Slot s starts at `s * 2000` ms. Nothing here reads a clock or draws from anything but the seed.

pub mod keys;
pub mod node;
pub mod signer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azir_atlas::genesis::GenesisError;
use azir_atlas::{
    AcceptedRestart, Anchor, BlockRef, ChainView, Genesis, Memo, Role, SLOT_MS, Sealed, Seat, Tx,
};
use azir_ledger::Digest;

pub use self::keys::{BareSigner, SeatKeys, drill_genesis, drill_key, drill_secret};
pub use self::node::{Node, Refused};
pub use self::signer::{Released, SeatSigner, SignKind, SignRequest, Withheld};
use crate::fault::{Endpoint, Fault, Topology, forgive};
use crate::net::{Delay, Delivery, Message, Queue, Rng, Sender};

use self::node::{Context, Outgoing};

/// What a world is a function of.
#[derive(Debug)]
pub struct WorldConfig {
    /// Genesis of the network.
    pub genesis: Genesis,
    /// Bare keys of the seats: for equivocating seats only.
    pub keys: SeatKeys,
    /// Scheduled faults.
    pub faults: Vec<Fault>,
    /// Delay of messages.
    pub delay: Delay,
    /// Seed of all chance.
    pub seed: u64,
}

impl WorldConfig {
    /// A network of `seats` seats with keys from the seed, as [`drill_genesis`] makes it.
    #[must_use]
    pub fn drill(chain: &str, seats: usize, seed: u64, faults: Vec<Fault>) -> Self {
        Self {
            genesis: drill_genesis(chain, seats, seed),
            keys: SeatKeys::drill(seats, seed),
            faults,
            delay: Delay::default(),
            seed,
        }
    }
}

/// Why a world cannot start, or start again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The genesis starts no network.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The bare keys are not those of the seats.
    #[error("the bare key of seat {seat} is not the one of its seat")]
    Keys {
        /// The seat.
        seat: Seat,
    },
    /// A node does not hold the anchor block of a restart as valid, or no longer has its state.
    #[error("seat {seat} cannot start from the anchor at height {}", anchor.height)]
    Anchor {
        /// The seat.
        seat: Seat,
        /// The anchor.
        anchor: BlockRef,
    },
}

/// A simulated network.
#[derive(Debug)]
pub struct World {
    genesis: Genesis,
    anchor: Arc<Anchor>,
    keys: SeatKeys,
    faults: Vec<Fault>,
    delay: Delay,
    rng: Rng,
    now_ms: u64,
    next_slot: u64,
    topology: Topology,
    nodes: BTreeMap<Endpoint, Node>,
    queue: Queue,
    check: Memo,
    released: Vec<Released>,
    withheld: Vec<Withheld>,
    trace: Digest,
    pending_trace: Vec<u8>,
}

impl World {
    /// A network before its first slot.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn new(config: WorldConfig) -> Result<Self, WorldError> {
        let (anchor, state) = Anchor::genesis(&config.genesis)?;
        let anchor = Arc::new(anchor);
        let seats: Vec<_> = anchor.seats.iter().collect();
        let mut nodes = BTreeMap::new();
        for &seat in &seats {
            let key = config.keys.get(seat).map(azir_ledger::MachineKey::public);
            let view = ChainView::new(Arc::clone(&anchor), state.clone());
            match view.filter(|_| key.as_ref() == anchor.seats.key(seat)) {
                Some(view) => nodes.insert(Endpoint { seat, twin: 0 }, Node::new(seat, view)),
                None => return Err(WorldError::Keys { seat }),
            };
        }
        Ok(Self {
            genesis: config.genesis,
            keys: config.keys,
            topology: Topology::at(&[], &seats, 0),
            faults: config.faults,
            delay: config.delay,
            rng: Rng::new(config.seed),
            now_ms: 0,
            next_slot: 0,
            nodes,
            queue: Queue::default(),
            check: Memo::default(),
            released: Vec::new(),
            withheld: Vec::new(),
            trace: Digest::of(b""),
            pending_trace: Vec::new(),
            anchor,
        })
    }

    /// Virtual time in milliseconds: everything before it has happened.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The slot that begins next.
    #[must_use]
    pub fn next_slot(&self) -> u64 {
        self.next_slot
    }

    /// Genesis of the network.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Where the chain in force starts: genesis, or the anchor of the last restart.
    #[must_use]
    pub fn anchor(&self) -> &Arc<Anchor> {
        &self.anchor
    }

    /// The node of a seat.
    #[must_use]
    pub fn node(&self, seat: Seat) -> Option<&Node> {
        self.nodes.get(&Endpoint { seat, twin: 0 })
    }

    /// The nodes of all seats, in order; twins of equivocating seats are left out.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|(end, _)| end.twin == 0).map(|(_, node)| node)
    }

    /// All nodes of one seat: its own and, while it equivocates, the twins.
    pub fn twins(&self, seat: Seat) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |(end, _)| end.seat == seat).map(|(_, node)| node)
    }

    /// Every signature that left a seat, in order of time.
    #[must_use]
    pub fn released(&self) -> &[Released] {
        &self.released
    }

    /// Every signature that the signer refused, in order of time.
    #[must_use]
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// How many signatures were really checked; each one counts once.
    #[must_use]
    pub fn signatures_checked(&self) -> u64 {
        self.check.checked()
    }

    /// Digest over everything that happened: two worlds with equal digests went the same way.
    #[must_use]
    pub fn trace_digest(&self) -> Digest {
        Digest::of_parts(&[&self.trace.0, &self.pending_trace])
    }

    /// Schedules one more fault. It has to begin in a slot that has not begun.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Switches a role of a seat on or off. A node without roles still validates, observes and
    /// follows, and changes nothing in what is finalized. Implements R-11.1-5 and R-11.1-6.
    pub fn set_role(&mut self, seat: Seat, role: Role, on: bool) {
        for (_, node) in self.nodes.iter_mut().filter(|(end, _)| end.seat == seat) {
            node.set_role(role, on);
        }
    }

    /// Branch reset of one seat: drops all blocks above a height that are not hard-final there.
    /// Returns how many were dropped.
    pub fn drop_candidates_above(&mut self, seat: Seat, height: u64) -> usize {
        let node = self.nodes.get_mut(&Endpoint { seat, twin: 0 });
        node.map_or(0, |node| node.drop_candidates_above(height))
    }

    /// Gives a transaction to every node at once.
    pub fn submit(&mut self, tx: &Arc<Sealed<Tx>>) {
        let seats: Vec<_> = self.anchor.seats.iter().collect();
        for seat in seats {
            self.inject(seat, Message::Tx(Arc::clone(tx)));
        }
    }

    /// Delivers a message from outside to a seat, now; for example an old vote.
    pub fn inject(&mut self, seat: Seat, message: Message) {
        let to = Endpoint { seat, twin: 0 };
        self.queue.push(self.now_ms, Delivery { from: Sender::Outside, to, message });
    }

    /// Runs one whole slot, up to the moment before the next one begins.
    pub fn step_slot(&mut self, signer: &mut dyn SeatSigner) {
        let end = self.next_slot.saturating_add(1).saturating_mul(SLOT_MS);
        self.step_to(end, signer);
    }

    /// Runs everything that happens before `end_ms`. A slot that begins at `end_ms` does not begin.
    pub fn step_to(&mut self, end_ms: u64, signer: &mut dyn SeatSigner) {
        while self.now_ms < end_ms {
            let slot_at = self.next_slot.saturating_mul(SLOT_MS);
            while let Some((at, delivery)) = self.queue.pop_before(slot_at.min(end_ms)) {
                self.now_ms = self.now_ms.max(at);
                self.deliver(delivery, signer);
            }
            if slot_at >= end_ms {
                self.now_ms = end_ms;
                return;
            }
            self.now_ms = self.now_ms.max(slot_at);
            self.begin_slot(signer);
        }
    }

    /// Starts the network again from the anchor of an accepted manifest: candidates above it are
    /// dropped, replaced seats get the keys that belong to the given secrets and honest operators,
    /// and messages that are still under way belong to the old restart number (D-095).
    ///
    /// # Errors
    /// [`WorldError`]; then nothing changes.
    pub fn restart(
        &mut self,
        restart: &AcceptedRestart,
        secrets: &BTreeMap<Seat, [u8; 32]>,
    ) -> Result<(), WorldError> {
        let anchor = Arc::new(self.anchor.restarted(restart));
        let manifest = restart.manifest();
        for replaced in &manifest.replaced {
            let seat = replaced.seat;
            let key = secrets.get(&seat).map(|s| azir_ledger::MachineKey::from_seed(*s).public());
            if key != Some(replaced.key) {
                return Err(WorldError::Keys { seat });
            }
        }
        let mut views = BTreeMap::new();
        for node in self.nodes() {
            let (seat, place) = (node.seat(), manifest.anchor);
            let old = node.view();
            let held = old.anchor().place == place
                || old.block(&place.block).is_some_and(|block| block.header.place() == place);
            let state = old.state(&place.block).filter(|_| held).cloned();
            let view = state.and_then(|state| ChainView::new(Arc::clone(&anchor), state));
            views.insert(seat, view.ok_or(WorldError::Anchor { seat, anchor: place })?);
        }
        let replaced: BTreeSet<_> = manifest.replaced.iter().map(|r| r.seat).collect();
        forgive(&mut self.faults, &replaced);
        for seat in replaced {
            if let Some(secret) = secrets.get(&seat) {
                self.keys.replace(seat, *secret);
            }
        }
        self.nodes.retain(|end, _| end.twin == 0);
        for (seat, view) in views {
            if let Some(node) = self.nodes.get_mut(&Endpoint { seat, twin: 0 }) {
                node.begin_again(view);
            }
        }
        self.anchor = anchor;
        self.note(b"restart", &restart.id());
        Ok(())
    }

    fn begin_slot(&mut self, signer: &mut dyn SeatSigner) {
        self.trace = self.trace_digest();
        self.pending_trace.clear();
        let (slot, seats) = (self.next_slot, self.anchor.seats.iter().collect::<Vec<_>>());
        self.next_slot = slot.saturating_add(1);
        let before = std::mem::take(&mut self.topology);
        self.topology = Topology::at(&self.faults, &seats, slot);
        if before != self.topology {
            self.rewire(&before, signer);
        }
        let ends: Vec<_> = self.topology.endpoints().collect();
        for end in ends.into_iter().filter(|end| self.topology.online(*end)).collect::<Vec<_>>() {
            self.with_node(end, signer, |node, ctx| node.begin_slot(ctx));
        }
    }

    /// Starts and ends twins, and lets nodes that meet again tell each other what they know.
    fn rewire(&mut self, before: &Topology, signer: &mut dyn SeatSigner) {
        let ends: BTreeSet<_> = self.topology.endpoints().collect();
        self.nodes.retain(|end, _| ends.contains(end));
        for end in &ends {
            let first = self.nodes.get(&Endpoint { twin: 0, ..*end });
            if let Some(twin) = first.filter(|_| !self.nodes.contains_key(end)) {
                let twin = twin.twin(end.twin);
                self.nodes.insert(*end, twin);
            }
        }
        for from in &ends {
            for to in &ends {
                if self.topology.connected(*from, *to) && !before.connected(*from, *to) {
                    let to = *to;
                    self.with_node(*from, signer, |node, ctx| {
                        ctx.out.push(Outgoing::One(to, node.status()));
                    });
                }
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery, signer: &mut dyn SeatSigner) {
        let Delivery { from, to, message } = delivery;
        let outside = from == Sender::Outside;
        if !self.nodes.contains_key(&to) || !(outside || self.topology.online(to)) {
            return;
        }
        let (at, seat, twin) = (self.now_ms.to_be_bytes(), to.seat.0, to.twin as u8);
        let head = [&at[..], &[seat, twin, message.kind() as u8]].concat();
        self.note(&head, &message.mark());
        self.with_node(to, signer, |node, ctx| node.receive(from, message, ctx));
    }

    fn note(&mut self, head: &[u8], mark: &Digest) {
        self.pending_trace.extend_from_slice(head);
        self.pending_trace.extend_from_slice(&mark.0);
    }

    /// Lets one node act and sends what it has to send.
    fn with_node(
        &mut self,
        end: Endpoint,
        signer: &mut dyn SeatSigner,
        act: impl FnOnce(&mut Node, &mut Context<'_>),
    ) {
        let Some(node) = self.nodes.get_mut(&end) else { return };
        let released = self.released.len();
        let mut ctx = Context {
            now_ms: self.now_ms,
            topology: &self.topology,
            check: &mut self.check,
            signer,
            bare: self.keys.get(end.seat),
            released: &mut self.released,
            withheld: &mut self.withheld,
            out: Vec::new(),
        };
        act(node, &mut ctx);
        node.note_changes(ctx.now_ms);
        let out = ctx.out;
        for index in released..self.released.len() {
            let sig = Digest::of(&self.released[index].sig.0);
            self.note(b"sig", &sig);
        }
        for outgoing in out {
            match outgoing {
                Outgoing::One(to, message) => self.send(end, to, message),
                Outgoing::All(message) => {
                    let ends: Vec<_> = self.topology.endpoints().collect();
                    for to in ends {
                        self.send(end, to, message.clone());
                    }
                }
            }
        }
    }

    fn send(&mut self, from: Endpoint, to: Endpoint, message: Message) {
        if !self.topology.connected(from, to) || self.topology.drops(message.kind()) {
            return;
        }
        let delay = self.rng.range(self.delay.min_ms, self.delay.max_ms);
        let extra = self.topology.extra_ms(from.seat);
        let at = self.now_ms.saturating_add(delay).saturating_add(extra);
        self.queue.push(at, Delivery { from: Sender::Node(from), to, message });
    }
}

#[cfg(test)]
mod tests;
