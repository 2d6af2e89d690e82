//! The stage of a drill: the network, the operator's control plane, its gates and its people, all
//! moved by one virtual clock. Scripts tell it who does what; it does nothing by itself but what
//! agents and servers do by rule: report facts, renew leases, cosign, close gates by local rule.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use azir_atlas::{BlockRef, Certificate, Dispute, SLOT_MS, Seat};
use azir_engine::body::{
    AttemptRefused, GateStated, NetworkObserved, RestrictionsObserved, Verified,
};
use azir_engine::{Body, IncidentView};
use azir_gate::IntegrityFacts;
use azir_ledger::checkpoint::Checkpoint;
use azir_ledger::{Digest, MachineKey, MachineSig, SeenFinal, SignedEvent, Timestamp};
use azir_model::directive::{
    BlockPoint, INCIDENT_RENEW_MS, LeaseKind, LogPoint, STANDING_RENEW_MS, SignedStatement,
};
use azir_model::policy::Policy;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentId, Refusal, RefusalKind, Role};

use crate::cast::{self, DrillPerson, Frame};
use crate::deployment::{Deployment, Order};
use crate::gates::{GateName, Gates, Quote};
use crate::report::{Check, Fork, RefusalLine};
use crate::world::{BareSigner, SeatSigner, SignKind, SignRequest, World};

use super::DrillError;

/// First own seat; the seats below it are other operators'.
pub(super) const FIRST_OWN_SEAT: u8 = 3;
/// Local rule of D-084 that closes gates in this drill.
pub(super) const DETECTOR: &str = "conflicting-certificates";
/// Every how many slots a node's agent reports what it has verified while an incident is open.
const OBSERVE_SLOTS: u64 = 21;
/// How often local rules look, in milliseconds of virtual time; far below the bound of one second.
const TICK_MS: u64 = 100;
/// Longest detail of a check; the whole refusal stands in the list of refusals.
const DETAIL_CHARS_MAX: usize = 160;
/// Virtual time that one act of a person takes, in milliseconds.
const ACT_MS: u64 = 1_000;

/// Name of the node of a seat.
pub(super) fn node_of(seat: u8) -> String {
    format!("n{seat}")
}

/// Signs for all seats: own seats through their gates, others with their bare keys.
pub(super) struct Signers {
    gates: Rc<RefCell<Gates>>,
    pub(super) others: BareSigner,
    own: BTreeMap<Seat, String>,
    start: Timestamp,
}

impl SeatSigner for Signers {
    fn sign(&mut self, request: &SignRequest<'_>) -> Option<MachineSig> {
        let Some(node) = self.own.get(&request.seat) else { return self.others.sign(request) };
        let role = match request.kind {
            SignKind::Proposal => NodeRole::Proposer,
            SignKind::Verdict => NodeRole::Verifier,
            SignKind::Vote => NodeRole::Notary,
        };
        let at = at_ms(self.start, request.now_ms);
        self.gates.borrow_mut().sign(at, node, role, request.body)
    }
}

/// A moment of virtual time.
fn at_ms(start: Timestamp, ms: u64) -> Timestamp {
    start.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// When a node's own rule first closed its gates, and on what.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub(super) node: String,
    pub(super) seen_ms: u64,
    pub(super) closed_ms: u64,
}

/// The stage.
pub(super) struct Stage<'p> {
    pub(super) seed: u64,
    pub(super) world: World,
    pub(super) plane: Deployment,
    pub(super) gates: Rc<RefCell<Gates>>,
    pub(super) people: Vec<DrillPerson>,
    pub(super) policy: Policy,
    pub(super) start: Timestamp,
    pub(super) incident: Option<IncidentId>,
    pub(super) detections: Vec<Detection>,
    pub(super) checks: Vec<Check>,
    pub(super) refusals: Vec<RefusalLine>,
    /// The fork as it stood before candidates were dropped.
    pub(super) fork: Option<Fork>,
    pub(super) signers: Signers,
    told: usize,
    damage_seen: BTreeMap<String, BTreeSet<(bool, u64)>>,
    progress: &'p mut dyn FnMut(&str, u64, u64),
    slots_planned: u64,
}

impl<'p> Stage<'p> {
    /// Puts the parts on stage; nothing has happened yet.
    pub(super) fn new(
        seed: u64,
        world: World,
        plane: Deployment,
        policy: Policy,
        start: Timestamp,
        slots_planned: u64,
        progress: &'p mut dyn FnMut(&str, u64, u64),
    ) -> Self {
        let (log, mode) = (plane.engine().log().to_owned(), plane.engine().mode().to_owned());
        let chain = world.genesis().chain.clone();
        let gates = Gates::boot(seed, &chain, &log, &mode, &policy, start);
        let gates = Rc::new(RefCell::new(gates));
        let seats = world.genesis().seats.len();
        let own = (FIRST_OWN_SEAT..).take(seats - usize::from(FIRST_OWN_SEAT));
        let signers = Signers {
            gates: Rc::clone(&gates),
            others: BareSigner::new(crate::world::SeatKeys::drill(seats, seed)),
            own: own.map(|s| (Seat(s), node_of(s))).collect(),
            start,
        };
        Self {
            seed,
            world,
            plane,
            gates,
            people: cast::people(seed),
            policy,
            start,
            incident: None,
            detections: Vec::new(),
            checks: Vec::new(),
            refusals: Vec::new(),
            fork: None,
            signers,
            told: 0,
            damage_seen: BTreeMap::new(),
            progress,
            slots_planned,
        }
    }

    /// Virtual time.
    pub(super) fn now(&self) -> Timestamp {
        at_ms(self.start, self.world.now_ms())
    }

    /// The view of the incident.
    pub(super) fn view(&self) -> Result<&IncidentView, DrillError> {
        let id = self.incident.ok_or_else(|| DrillError::script("no incident is open"))?;
        let view = self.plane.engine().state().incidents.get(&id);
        view.ok_or_else(|| DrillError::script("the incident is not in the log"))
    }

    /// Seats of own nodes, in order.
    pub(super) fn own_seats(&self) -> Vec<(Seat, String)> {
        self.signers.own.iter().map(|(s, n)| (*s, n.clone())).collect()
    }

    fn frame(&self, seen_final: Option<SeenFinal>) -> Frame {
        Frame {
            log: self.plane.engine().log().to_owned(),
            mode: self.plane.engine().mode().to_owned(),
            incident: self.incident.map(|i| i.0),
            at: self.now(),
            basis: self.plane.engine().state().size,
            seen_final,
        }
    }

    fn seen(&self) -> Option<SeenFinal> {
        let (seat, _) = self.own_seats().into_iter().next()?;
        self.world.node(seat).map(|n| seen_final(n.hard_final()))
    }

    /// A person's event, signed with the own key.
    pub(super) fn signed(&self, who: Role, body: &Body) -> Result<SignedEvent, DrillError> {
        let person = self.person(who)?;
        let event = self.frame(self.seen()).event(&person.id, Some(who), body);
        SignedEvent::by_person(&event, &person.key).map_err(DrillError::because)
    }

    /// The person who plays a role.
    pub(super) fn person(&self, role: Role) -> Result<&DrillPerson, DrillError> {
        let found = self.people.iter().find(|p| p.roles.contains(&role));
        found.ok_or_else(|| DrillError::script("nobody plays this role"))
    }

    /// A person acts; the drill fails if it is refused.
    pub(super) fn act(&mut self, who: Role, body: &Body) -> Result<Digest, DrillError> {
        self.advance_ms(ACT_MS, "people act")?;
        let signed = self.signed(who, body)?;
        let hash = signed.hash();
        let now = self.now();
        self.plane
            .submit(now, signed)
            .map_err(|refusal| DrillError::refused(who.as_str(), body.kind(), refusal))?;
        self.deliver()?;
        Ok(hash)
    }

    /// A second person signs for the act that follows.
    pub(super) fn approve(&mut self, who: Role, body: &Body) -> Result<(), DrillError> {
        let subject = self.incident.map(|i| i.0);
        let act = azir_model::approval::act_digest(body.kind(), subject, &body.value());
        let given = Body::ApprovalGiven(azir_model::approval::ApprovalBody { act });
        self.act(who, &given).map(|_| ())
    }

    /// A person tries what must be refused with this kind. The refusal goes into the report.
    pub(super) fn must_refuse(
        &mut self,
        who: Role,
        body: &Body,
        kind: RefusalKind,
        tried: &str,
        protected: &str,
    ) -> Result<(), DrillError> {
        self.advance_ms(ACT_MS, "people act")?;
        let signed = self.signed(who, body)?;
        let actor = signed.event().actor.clone();
        let now = self.now();
        let outcome = self.plane.submit(now, signed);
        self.deliver()?;
        let index = self.plane.entries().last().map(|e| e.meta.index);
        let by = format!("{actor} as {who}");
        self.judge_refusal(outcome.err(), kind, index, &by, tried, protected);
        Ok(())
    }

    /// Records whether an attempt was refused as it must be.
    pub(super) fn judge_refusal(
        &mut self,
        refusal: Option<Refusal>,
        kind: RefusalKind,
        index: Option<u64>,
        who: &str,
        tried: &str,
        protected: &str,
    ) {
        let held = refusal.as_ref().is_some_and(|r| r.has(kind));
        let detail = match &refusal {
            None => "it was accepted".to_owned(),
            Some(r) => r.unmet().first().map_or_else(String::new, |u| {
                let text = format!("{}: {}", u.kind, u.what);
                let short: String = text.chars().take(DETAIL_CHARS_MAX).collect();
                if short == text { text } else { format!("{short} ...") }
            }),
        };
        self.check("refused", format!("{tried} is refused as {kind}"), held, detail);
        if let Some(refusal) = refusal {
            let mut kinds: Vec<_> = refusal.unmet().iter().map(|u| u.kind.to_string()).collect();
            kinds.dedup();
            self.refusals.push(RefusalLine {
                index,
                who: who.to_owned(),
                tried: tried.to_owned(),
                kinds,
                unmet: refusal
                    .unmet()
                    .iter()
                    .map(|u| format!("{} [{}]; {}", u.what, u.rule, u.remedy))
                    .collect(),
                protected: protected.to_owned(),
            });
        }
    }

    /// A machine states something.
    pub(super) fn machine(&mut self, actor: &str, body: &Body) -> Result<Digest, DrillError> {
        let key = cast::machine(self.seed, actor);
        self.machine_with(actor, &key, body)
    }

    fn machine_with(
        &mut self,
        actor: &str,
        key: &MachineKey,
        body: &Body,
    ) -> Result<Digest, DrillError> {
        let signed =
            self.frame(self.seen()).by_machine(actor, key, body).map_err(DrillError::because)?;
        let hash = signed.hash();
        let now = self.now();
        self.plane
            .submit(now, signed)
            .map_err(|refusal| DrillError::refused(actor, body.kind(), refusal))?;
        Ok(hash)
    }

    /// Records a claim.
    pub(super) fn check(
        &mut self,
        group: &str,
        claim: impl Into<String>,
        passed: bool,
        detail: impl Into<String>,
    ) {
        let (claim, detail) = (claim.into(), detail.into());
        self.checks.push(Check { group: group.to_owned(), claim, passed, detail });
    }

    /// Runs slots; agents and the server do what they do by rule.
    pub(super) fn run_slots(&mut self, slots: u64, what: &str) -> Result<(), DrillError> {
        let end = self.world.next_slot().saturating_add(slots).saturating_mul(SLOT_MS);
        let ms = end.saturating_sub(self.world.now_ms());
        self.advance_ms(ms, what)
    }

    /// Lets virtual time pass. Local rules look every [`TICK_MS`], the rest after each slot.
    pub(super) fn advance_ms(&mut self, ms: u64, what: &str) -> Result<(), DrillError> {
        let end = self.world.now_ms().saturating_add(ms);
        while self.world.now_ms() < end {
            let next = (self.world.now_ms() / TICK_MS + 1) * TICK_MS;
            self.world.step_to(next.min(end), &mut self.signers);
            self.detect();
            if self.world.now_ms().is_multiple_of(SLOT_MS) {
                (self.progress)(what, self.world.next_slot(), self.slots_planned);
                self.tend()?;
            }
        }
        Ok(())
    }

    /// What happens by rule after each slot.
    pub(super) fn tend(&mut self) -> Result<(), DrillError> {
        self.report_facts();
        self.renew_leases()?;
        let slot = self.world.next_slot();
        if self.incident.is_some() && slot.is_multiple_of(OBSERVE_SLOTS) {
            let (seat, _) = self.own_seats()[usize::from(slot.is_multiple_of(4))];
            self.observe(seat)?;
        }
        Ok(())
    }

    /// Every own node tells its gates what it checked about itself.
    pub(super) fn report_facts(&mut self) {
        let at = self.now();
        for (seat, node) in self.own_seats() {
            let Some(found) = self.world.node(seat) else { continue };
            let tip = found.hard_final();
            let point = BlockPoint { height: tip.height, block: tip.block.0 };
            let mut facts = IntegrityFacts::all_true(Some(point));
            facts.own_root = root_matches(found.view(), tip);
            self.gates.borrow_mut().report_facts(at, &node, facts);
        }
    }

    /// The local rule: two verifying certificates for one slot close the signing gates of the node
    /// that sees them. No server, no person, no other node is asked (flow 2).
    fn detect(&mut self) {
        for (seat, node) in self.own_seats() {
            if self.detections.iter().any(|d| d.node == node) {
                continue;
            }
            let Some(found) = self.world.node(seat) else { continue };
            let first = found.disputes_seen().first().map(|(at, _)| *at);
            let Some(seen_ms) = first else { continue };
            let roles = self.policy.auto_gates_of(DETECTOR);
            let at = self.now();
            let detail = "two certificates for one slot verify on this node".to_owned();
            let _statements = self.gates.borrow_mut().close_by_rule(at, &node, &roles, &detail);
            self.detections.push(Detection { node, seen_ms, closed_ms: self.world.now_ms() });
        }
    }

    /// What a node's agent has verified, as an event.
    pub(super) fn observe(&mut self, seat: Seat) -> Result<(), DrillError> {
        let Some(node) = self.world.node(seat) else { return Ok(()) };
        let tip = node.hard_final();
        // A node that drops and fetches candidates again sees an old dispute once more: only new
        // ones are damage.
        let disputes: BTreeSet<_> = node
            .disputes_seen()
            .iter()
            .map(|(_, d)| (is_slot_dispute(d), dispute_slot(d)))
            .collect();
        let conflicting_slots = disputes.iter().filter(|(slot, _)| *slot).count() as u64;
        let hard = node.disputes_seen().iter().any(|(_, d)| !is_slot_dispute(d));
        let epoch_ms = azir_atlas::EPOCH_SLOTS * SLOT_MS;
        let since = self.world.now_ms().saturating_sub(epoch_ms);
        let finalizing = node.final_seen().last().is_some_and(|(at, _)| *at >= since);
        let name = node_of(seat.0);
        let known = self.damage_seen.entry(name.clone()).or_default();
        let damage = disputes.difference(known).count() as u64;
        known.extend(disputes);
        let restarted = self.world.anchor().domain.restart() > 0;
        let body = Body::NetworkObserved(NetworkObserved {
            node: name.clone(),
            hard_final: seen_final(tip),
            conflicting_slots,
            conflicting_hard_final: hard && !restarted,
            finalizing,
            store_ok: root_matches(node.view(), tip),
            seats: self.world.anchor().seats.count() as u64,
            quorum: self.world.anchor().seats.quorum() as u64,
            epoch_ms,
            damage,
        });
        self.machine(&format!("agent:{name}"), &body).map(|_| ())
    }

    /// The restrictions in finalized state, as the first own node has them: the network of this
    /// drill has no objects that restrict, so the list is empty at any height.
    pub(super) fn observe_restrictions(&mut self) -> Result<(), DrillError> {
        let node = node_of(FIRST_OWN_SEAT);
        let tip = self.world.node(Seat(FIRST_OWN_SEAT)).map(|n| n.hard_final());
        let tip = tip.ok_or_else(|| DrillError::script("the first own node is gone"))?;
        let (hard_final, verified) = (seen_final(tip), Verified::Cryptographic);
        let seen = RestrictionsObserved { node, hard_final, verified, in_force: vec![] };
        let actor = format!("agent:{}", seen.node);
        self.machine(&actor, &Body::RestrictionsObserved(seen)).map(|_| ())
    }

    /// Leases of gates that are open: standing without an incident, short ones while one is open.
    fn renew_leases(&mut self) -> Result<(), DrillError> {
        let at = self.now();
        let open = self.incident.is_some_and(|id| {
            self.plane.engine().state().incidents.get(&id).is_some_and(IncidentView::is_open)
        });
        let (kind, every) = if open {
            (LeaseKind::Incident, INCIDENT_RENEW_MS)
        } else {
            (LeaseKind::Standing, STANDING_RENEW_MS)
        };
        let due = self.gates.borrow().due(at, kind, every);
        if due.is_empty() {
            return Ok(());
        }
        let quote = self.quote()?;
        for name in due {
            let renewed = self.gates.borrow_mut().install(at, &name, kind, &quote, None);
            renewed.map_err(|r| DrillError::refused(&name.0, "lease", r))?;
        }
        Ok(())
    }

    /// A cosigned checkpoint and what leases quote of it.
    pub(super) fn quote(&mut self) -> Result<Quote, DrillError> {
        let now = self.now();
        let note = self.plane.checkpoint(now).map_err(DrillError::because)?.clone();
        let key = self.plane.log_key().map_err(DrillError::because)?;
        let point = Checkpoint::verified(&note, &key).map_err(DrillError::because)?;
        let tree = self.plane.tree();
        let proofs = self
            .gates
            .borrow()
            .seen_sizes()
            .into_iter()
            .filter_map(|size| tree.consistency_proof(size, point.size).map(|p| (size, p)))
            .collect();
        let trusted = match self.view().ok().and_then(|v| v.checkpoint) {
            Some(c) => BlockPoint { height: c.height, block: c.block },
            None => self.common_final(),
        };
        Ok(Quote { log: LogPoint { size: point.size, root: point.root }, proofs, trusted })
    }

    /// The highest block that every own node holds as hard-final; below any dispute.
    fn common_final(&self) -> BlockPoint {
        let views: Vec<_> = self
            .own_seats()
            .into_iter()
            .filter_map(|(seat, _)| self.world.node(seat).map(|n| n.view()))
            .collect();
        let anchor = self.world.anchor().place;
        let lowest = views.iter().min_by_key(|v| v.hard_final().height);
        let path = lowest.map(|v| v.path(&v.hard_final().block)).unwrap_or_default();
        let places = path.iter().rev().map(|b| b.header.place());
        let common =
            places.into_iter().find(|p| views.iter().all(|v| v.descends(&v.hard_final().block, p)));
        let tip = common.unwrap_or(anchor);
        BlockPoint { height: tip.height, block: tip.block.0 }
    }

    /// Delivers the engine's orders to gates and brings their answers back as events.
    fn deliver(&mut self) -> Result<(), DrillError> {
        for order in self.plane.take_orders() {
            let at = self.now();
            match order {
                Order::Close(close) => {
                    let answered = self.gates.borrow_mut().obey(at, &close);
                    let answered =
                        answered.map_err(|r| DrillError::refused(&close.node, "directive", r))?;
                    for statement in answered {
                        self.state_gate(statement)?;
                    }
                }
                Order::Reopen(reopen) => {
                    let quote = self.quote()?;
                    let name = (reopen.node.clone(), reopen.role);
                    let file = Some((reopen.decision, &reopen.file));
                    let opened = self.gates.borrow_mut().install(
                        at,
                        &name,
                        LeaseKind::Incident,
                        &quote,
                        file,
                    );
                    let opened =
                        opened.map_err(|r| DrillError::refused(&reopen.node, "lease", r))?;
                    self.state_gate(opened)?;
                }
            }
        }
        Ok(())
    }

    /// A gate's statement, brought to the log by the agent of its node.
    pub(super) fn state_gate(&mut self, statement: SignedStatement) -> Result<(), DrillError> {
        let agent = format!("agent:{}", statement.body.node);
        self.machine(&agent, &Body::GateStated(GateStated { statement })).map(|_| ())
    }

    /// Lets gates state what they are.
    pub(super) fn state_gates(&mut self, names: &[GateName]) -> Result<(), DrillError> {
        for name in names {
            let at = self.now();
            let statement = self.gates.borrow_mut().statement(at, name);
            if let Some(statement) = statement {
                self.state_gate(statement)?;
            }
        }
        Ok(())
    }

    /// Brings refused signatures that were not told yet into the log, one entry for each gate.
    pub(super) fn tell_refused_signatures(&mut self) -> Result<usize, DrillError> {
        let fresh: Vec<_> = self.gates.borrow().refused()[self.told..].to_vec();
        self.told += fresh.len();
        let mut first: BTreeMap<GateName, _> = BTreeMap::new();
        for refused in &fresh {
            first.entry(refused.gate.clone()).or_insert(refused);
        }
        for ((node, role), refused) in first {
            let body = Body::AttemptRefused(AttemptRefused {
                attempted: "gate.sign".to_owned(),
                actor: format!("gate:{node}/{role}"),
                event: refused.request,
                unmet: refused.refusal.unmet().to_vec(),
            });
            self.machine("server:azir", &body)?;
        }
        Ok(fresh.len())
    }
}

/// The slot of a dispute, or the height at which two hard-final blocks stand.
pub(super) fn dispute_slot(dispute: &Dispute) -> u64 {
    match dispute {
        Dispute::SameSlot { slot, .. } => *slot,
        Dispute::HardFinal { own, other, .. } => own.height.min(other.height),
    }
}

fn is_slot_dispute(dispute: &Dispute) -> bool {
    match dispute {
        Dispute::SameSlot { .. } => true,
        Dispute::HardFinal { .. } => false,
    }
}

/// A block of the reference network as the control plane names it.
pub(super) fn seen_final(place: BlockRef) -> SeenFinal {
    SeenFinal { height: place.height, block: place.block.0 }
}

/// Own root equals the root of the certified block (annex I, integrity facts).
fn root_matches(view: &azir_atlas::ChainView, tip: BlockRef) -> bool {
    let Some(block) = view.block(&tip.block) else { return true };
    view.state(&tip.block).is_none_or(|state| state.root() == block.header.body().post_root)
}

impl Stage<'_> {
    /// Views of own nodes as they were when the dispute was theirs: the retired ones after a
    /// restart, else the present ones.
    pub(super) fn detected_views(&self) -> Vec<&azir_atlas::ChainView> {
        let nodes = self.own_seats().into_iter().filter_map(|(s, _)| self.world.node(s));
        nodes.map(|n| n.retired_views().last().unwrap_or(n.view())).collect()
    }
}

impl Stage<'_> {
    /// Progress of something other than the network.
    pub(super) fn tell_progress(&mut self, what: &str, done: u64, total: u64) {
        (self.progress)(what, done, total);
    }
}

impl Stage<'_> {
    /// The two certificates of the earliest disputed slot that an own node holds.
    pub(super) fn pair(&self) -> Result<(u64, [Certificate; 2]), DrillError> {
        let nodes = self.own_seats().into_iter().filter_map(|(s, _)| self.world.node(s));
        let disputes = nodes.flat_map(|n| n.disputes_seen());
        let pairs = disputes.filter_map(|(_, d)| super::collect::slot_pair(d));
        let earliest = pairs.min_by_key(|(slot, pair)| (*slot, pair[0].block, pair[1].block));
        earliest.ok_or_else(|| DrillError::script("no pair of certificates"))
    }
}
