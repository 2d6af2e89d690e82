//! The harness of this crate's tests: people and machines with real keys, a vault, gates that obey
//! and state what they are, and a host that performs effects. Deterministic: time moves only here.

use std::collections::BTreeMap;

use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{
    Digest, Entry, Event, MachineKey, PersonKey, SeenFinal, SignedEvent, Timestamp, checkpoint,
};
use azir_model::approval::{ApprovalBody, act_digest};
use azir_model::directive::{
    ClosedBy, ClosedReason, GateState, GateStatement, LeaseKind, Running, Signed,
};
use azir_model::policy::{Machine, OwnNode, Person, Policy, Witnesses};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentId, IncidentState, Refusal, RefusalKind, Role, RunbookId};
use serde_json::Value;

use crate::body::{BoundRunbook, GateStated, LogCreated, NetworkObserved, StateMoved};
use crate::engine::{Close, Effect, Engine, Input, Reopen};
use crate::{Body, IncidentView, State};

pub(crate) mod walk;

pub(crate) use walk::{at, decision, opening};

/// Text of the released runbook that incidents bind.
pub(crate) const RUNBOOK: &str = include_str!("../../../runbooks/RB-CONSENSUS-001/v1.toml");
/// Mode of the harness's log.
pub(crate) const MODE: &str = "live";
/// Length of an epoch in the harness, in milliseconds.
pub(crate) const EPOCH_MS: i64 = 42_000;
/// Own nodes.
pub(crate) const NODES: [&str; 2] = ["n1", "n2"];
/// Roles of each node.
pub(crate) const ROLES: [NodeRole; 4] =
    [NodeRole::Validation, NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary];
/// Roles that sign, in the order of their authority.
pub(crate) const SIGNING: [NodeRole; 3] =
    [NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary];

const PEOPLE: [(&str, &[Role]); 10] = [
    ("ana", &[Role::OnCallOperator]),
    ("bogdan", &[Role::IncidentCommander]),
    ("carmen", &[Role::ConsensusLead]),
    ("dan", &[Role::SecurityLead]),
    ("elena", &[Role::GovernanceLiaison]),
    ("florin", &[Role::RecoveryOperator]),
    ("gabi", &[Role::AuditScribe]),
    ("horia", &[Role::ExecutionLead]),
    ("ioana", &[Role::IncidentReporter]),
    ("jan", &[Role::OnCallOperator, Role::IncidentCommander, Role::RecoveryOperator]),
];

fn secret(name: &str) -> [u8; 32] {
    Digest::tagged("TEST:KEY:", name.as_bytes()).0
}

/// Key of a machine or of a guarded role.
pub(crate) fn machine_key(name: &str) -> MachineKey {
    MachineKey::from_seed(secret(name))
}

/// Key of a person.
pub(crate) fn person_key(id: &str) -> PersonKey {
    PersonKey::from_seed(secret(id), id)
}

/// The first person who may take a role.
pub(crate) fn person(role: Role) -> String {
    let found = PEOPLE.iter().find(|(_, roles)| roles.contains(&role)).unwrap();
    format!("operator:{}", found.0)
}

/// A serious deployment of two nodes.
pub(crate) fn policy() -> Policy {
    let people = PEOPLE.iter().map(|(name, roles)| {
        let id = format!("operator:{name}");
        Person { key: person_key(&id).public(), id, roles: roles.to_vec() }
    });
    let mut policy = Policy::with_people(people.collect());
    let mut ids = vec!["server:a".to_owned(), "detector:conflicting-certificates".to_owned()];
    for (seat, node) in (0..).zip(NODES) {
        ids.push(format!("agent:{node}"));
        ids.extend(ROLES.iter().map(|r| format!("gate:{node}/{r}")));
        let node = node.to_owned();
        policy.nodes.push(OwnNode { node, roles: ROLES.to_vec(), seat: Some(seat) });
    }
    let machine = |id: String| Machine { key: machine_key(&id).public(), id };
    policy.machines = ids.into_iter().map(machine).collect();
    policy.lease_signers = vec!["server:a".to_owned()];
    policy.witnesses = Witnesses { machines: vec!["agent:n1".to_owned()], quorum: 1 };
    policy
}

/// Origin of the harness's log.
pub(crate) fn origin() -> String {
    checkpoint::origin("test", &machine_key("server:a").public())
}

/// One control plane with its host.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) entries: Vec<Entry>,
    pub(crate) vault: BTreeMap<Digest, Vec<u8>>,
    pub(crate) now: Timestamp,
    pub(crate) incident: Option<Digest>,
    pub(crate) closes: Vec<Close>,
    pub(crate) reopens: Vec<Reopen>,
    /// Whether gates obey orders at once.
    pub(crate) obey: bool,
    /// Hard-final height of the next observation.
    pub(crate) height: u64,
    /// Signatures that a gate says to have released since its process started.
    pub(crate) served: u64,
    /// What each node runs, where it was hashed.
    pub(crate) running: BTreeMap<String, Running>,
    sequence: u64,
}

impl Stage {
    /// An empty log.
    pub(crate) fn empty() -> Self {
        Self {
            engine: Engine::new(&origin(), MODE),
            entries: Vec::new(),
            vault: BTreeMap::new(),
            now: Timestamp::from_ms(1_700_000_000_000),
            incident: None,
            closes: Vec::new(),
            reopens: Vec::new(),
            obey: true,
            height: 100,
            served: 0,
            running: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// A log with its policy and nothing else.
    pub(crate) fn begun() -> Self {
        Self::begun_with(policy())
    }

    /// As [`Stage::begun`], with another policy.
    pub(crate) fn begun_with(policy: Policy) -> Self {
        let mut stage = Self::empty();
        let created = stage.created(policy);
        stage.machine("server:a", &created);
        stage
    }

    /// The first body of a log.
    pub(crate) fn created(&mut self, policy: Policy) -> Body {
        let runbook = azir_runbook::load(RUNBOOK, "v1.toml").unwrap();
        let bound = BoundRunbook {
            id: RunbookId::Consensus,
            version: 1,
            hash: runbook.header().hash().unwrap().0,
            object: self.keep(RUNBOOK),
        };
        Body::LogCreated(LogCreated {
            policy,
            server: "server:a".to_owned(),
            runbooks: vec![bound],
        })
    }

    /// The same log, loaded from its entries: what a restart sees.
    pub(crate) fn fork(&self) -> Self {
        self.prefix(self.entries.len())
    }

    /// As [`Stage::fork`], of the first `n` entries.
    pub(crate) fn prefix(&self, n: usize) -> Self {
        let mut stage = Self {
            engine: Engine::new(self.engine.log(), self.engine.mode()),
            entries: self.entries[..n].to_vec(),
            vault: self.vault.clone(),
            closes: self.closes.clone(),
            reopens: Vec::new(),
            ..Self::empty()
        };
        (stage.now, stage.incident, stage.obey) = (self.now, self.incident, self.obey);
        (stage.height, stage.sequence) = (self.height, self.sequence);
        stage.served = self.served;
        stage.running.clone_from(&self.running);
        for entry in &self.entries[..n] {
            stage.engine.load(entry).unwrap();
        }
        stage
    }

    pub(crate) fn state(&self) -> &State {
        self.engine.state()
    }

    pub(crate) fn view(&self) -> &IncidentView {
        &self.state().incidents[&IncidentId(self.incident.unwrap())]
    }

    /// Stores content.
    pub(crate) fn keep(&mut self, text: impl AsRef<[u8]>) -> Digest {
        let bytes = text.as_ref().to_vec();
        let digest = Digest::of(&bytes);
        self.vault.insert(digest, bytes);
        digest
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    /// An unsigned event about the incident.
    pub(crate) fn event(&self, actor: &str, role: Option<Role>, body: &Body) -> Event {
        let about_log = body.names_no_incident();
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: self.engine.log().to_owned(),
            mode: self.engine.mode().to_owned(),
            subject: self.incident.filter(|_| !about_log),
            kind: body.kind().to_owned(),
            body: body.value(),
            actor: actor.to_owned(),
            role: role.map(|r| r.to_string()),
            at: self.now,
            seen_final: None,
            basis: Some(self.state().size),
        }
    }

    /// Signs an event with the key of its actor.
    pub(crate) fn sign(event: &Event) -> SignedEvent {
        if event.actor.starts_with("operator:") {
            SignedEvent::by_person(event, &person_key(&event.actor)).unwrap()
        } else {
            SignedEvent::by_machine(event, &machine_key(&event.actor)).unwrap()
        }
    }

    /// Performs every effect of an input; orders are obeyed at the end.
    pub(crate) fn submit(&mut self, signed: SignedEvent) -> Result<u64, Refusal> {
        let asked = signed.hash();
        let mut answer = None;
        let mut orders = Vec::new();
        let mut inputs = std::collections::VecDeque::from([Input::Submit(Box::new(signed))]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.engine.step(self.now, input, &self.vault) {
                match effect {
                    Effect::Append(entry) => {
                        inputs.push_front(Input::Durable(entry.meta.index + 1));
                        self.entries.push(*entry);
                    }
                    Effect::Record(event) => {
                        inputs.push_back(Input::Submit(Box::new(Self::sign(&event))));
                    }
                    Effect::Reply { event, outcome } if event == asked => answer = Some(outcome),
                    Effect::Reply { .. } => {}
                    Effect::Close(close) => {
                        self.closes.push(close.clone());
                        orders.extend(close.roles.iter().map(|r| (close.node.clone(), *r, false)));
                    }
                    Effect::Reopen(reopen) => {
                        orders.push((reopen.node.clone(), reopen.role, true));
                        self.reopens.push(reopen);
                    }
                }
            }
        }
        if self.obey {
            for (node, role, open) in orders {
                self.gate(&node, role, open);
            }
        }
        answer.unwrap()
    }

    /// What the rules do when time passes.
    pub(crate) fn tick(&mut self) {
        for effect in self.engine.step(self.now, Input::Tick, &self.vault) {
            if let Effect::Record(event) = effect {
                self.submit(Self::sign(&event)).unwrap();
            }
        }
    }

    /// A person's signed event.
    pub(crate) fn by(&self, role: Role, body: &Body) -> SignedEvent {
        Self::sign(&self.event(&person(role), Some(role), body))
    }

    /// A person acts.
    pub(crate) fn act(&mut self, role: Role, body: &Body) -> Digest {
        self.wait(1_000);
        let signed = self.by(role, body);
        let hash = signed.hash();
        if let Err(refusal) = self.submit(signed) {
            panic!("{role} {}: {refusal}", body.kind());
        }
        hash
    }

    /// A person tries, and is refused.
    pub(crate) fn refused(&mut self, role: Role, body: &Body) -> Refusal {
        self.wait(1_000);
        let (before, signed) = (self.hashes(), self.by(role, body));
        let refusal = self.submit(signed).expect_err("this must be refused");
        self.unchanged(&before);
        refusal
    }

    /// A machine states something.
    pub(crate) fn machine(&mut self, actor: &str, body: &Body) -> Digest {
        let signed = Self::sign(&self.event(actor, None, body));
        let hash = signed.hash();
        if let Err(refusal) = self.submit(signed) {
            panic!("{actor} {}: {refusal}", body.kind());
        }
        hash
    }

    /// A machine tries, and is refused.
    pub(crate) fn machine_refused(&mut self, actor: &str, body: &Body) -> Refusal {
        let (before, signed) = (self.hashes(), Self::sign(&self.event(actor, None, body)));
        let refusal = self.submit(signed).expect_err("this must be refused");
        self.unchanged(&before);
        refusal
    }

    /// A second person signs for the act that follows.
    pub(crate) fn approve(&mut self, role: Role, body: &Body) {
        let subject = self.event("x", None, body).subject;
        let act = act_digest(body.kind(), subject, &body.value());
        self.act(role, &Body::ApprovalGiven(ApprovalBody { act }));
    }

    fn hashes(&self) -> BTreeMap<IncidentId, IncidentView> {
        self.state().incidents.clone()
    }

    /// A refusal changes nothing but the list of refused attempts.
    fn unchanged(&self, before: &BTreeMap<IncidentId, IncidentView>) {
        let after = &self.state().incidents;
        for (id, view) in before {
            let mut then = after[id].clone();
            then.attempts.clone_from(&view.attempts);
            then.entries.clone_from(&view.entries);
            assert_eq!(then, *view, "a refused request changed the incident");
        }
    }

    /// Moves the incident.
    pub(crate) fn moves(&self, to: IncidentState) -> Body {
        Body::StateMoved(StateMoved::new(self.view().state, to))
    }

    /// A gate's statement of what it is.
    pub(crate) fn statement(&mut self, node: &str, role: NodeRole, open: bool) -> GateStatement {
        self.sequence += 1;
        let reason = || ClosedReason { by: ClosedBy::Command, detail: "ordered".to_owned() };
        let gate = if open {
            let lease = Digest::of(b"lease");
            GateState::Open { lease, kind: LeaseKind::Incident, remaining_ms: 60_000 }
        } else {
            GateState::Closed { reasons: vec![reason()] }
        };
        GateStatement {
            schema: "azir.gate/1".to_owned(),
            log: self.engine.log().to_owned(),
            mode: self.engine.mode().to_owned(),
            node: node.to_owned(),
            role,
            key: machine_key(&format!("key:{node}/{role}")).public(),
            sequence: self.sequence,
            gate,
            latch: if open { vec![] } else { vec![reason()] },
            latch_durable: true,
            fence: 1,
            seen_log: None,
            at: self.now,
            signed: self.served,
            denied: 0,
            acknowledges: None,
            measure: None,
            running: self.running.get(node).copied(),
        }
    }

    /// A gate states what it is, brought to the log by the agent of its node.
    pub(crate) fn gate(&mut self, node: &str, role: NodeRole, open: bool) {
        let statement = self.statement(node, role, open);
        let key = machine_key(&format!("gate:{node}/{role}"));
        let statement = Signed::seal(statement, &key).unwrap();
        self.machine(&format!("agent:{node}"), &Body::GateStated(GateStated { statement }));
    }

    /// Every gate of the incident states again what it is.
    pub(crate) fn restate(&mut self) {
        let gates: Vec<_> = self.view().gates.iter().map(|(n, g)| (n.clone(), g.open)).collect();
        for (name, open) in gates {
            let (node, role) = name.split_once('/').unwrap();
            self.gate(node, role.parse().unwrap(), open);
        }
    }

    /// An observation of a node whose network finalizes.
    pub(crate) fn observation(&mut self, node: &str, damage: u64) -> NetworkObserved {
        self.height += 20;
        NetworkObserved {
            node: node.to_owned(),
            hard_final: SeenFinal { height: self.height, block: Digest::of(b"tip") },
            conflicting_slots: 1,
            conflicting_hard_final: false,
            finalizing: true,
            store_ok: true,
            seats: 7,
            quorum: 5,
            epoch_ms: u64::try_from(EPOCH_MS).unwrap(),
            damage,
        }
    }

    /// Node n1 tells what it has verified.
    pub(crate) fn observe(&mut self, damage: u64) {
        let body = Body::NetworkObserved(self.observation("n1", damage));
        self.machine("agent:n1", &body);
    }
}

/// The kinds of everything that is unmet, in order.
pub(crate) fn kinds(refusal: &Refusal) -> Vec<RefusalKind> {
    refusal.unmet().iter().map(|u| u.kind).collect()
}

/// Asserts that a refusal has exactly one condition, of this kind, whose text holds `what`.
#[track_caller]
pub(crate) fn only(refusal: &Refusal, kind: RefusalKind, what: &str) {
    assert_eq!(kinds(refusal), [kind], "{refusal}");
    assert!(refusal.unmet()[0].what.contains(what), "{what:?} not in {refusal}");
}

/// Asserts that some condition of this kind says `what`.
#[track_caller]
pub(crate) fn among(refusal: &Refusal, kind: RefusalKind, what: &str) {
    let found = refusal.unmet().iter().any(|u| u.kind == kind && u.what.contains(what));
    assert!(found, "{kind} {what:?} not in {refusal}");
}

/// A body with one member changed.
pub(crate) fn with(body: &Body, member: &str, value: Value) -> Body {
    let mut changed = body.value();
    changed[member] = value;
    Body::parse(body.kind(), &changed).unwrap()
}
