//! A small world for tests: a policy with people, a server, one gate, and a toy network.

use azir_ledger::{
    Digest, Event, MachineKey, PersonKey, Signature, SignedEvent, Timestamp, canon, merkle::Tree,
};
use azir_model::approval::{APPROVAL_GIVEN, ApprovalBody, act_digest};
use azir_model::directive::{
    BlockPoint, Directive, Lease, LeaseKind, LogPoint, Sealable, SignedDirective, SignedLease,
    SignedStatement,
};
use azir_model::policy::{Machine, Person, Policy};
use azir_model::record::IncidentId;
use azir_model::refusal::Refusal;
use azir_model::restart::{
    CRITERION_SIGNED, Criterion, CriterionBody, CriterionState, RESTART_DECIDED,
    RestartDecisionBody, RestartFile, SignedText, Subsystem, criteria_digest,
};
use azir_model::vocab::{NodeRole, Role};
use serde::{Deserialize, Serialize};

use crate::durable::MemoryDurable;
use crate::gate::{Config, Gate, IntegrityFacts, Keys, Ports};
use crate::ports::{BadRequest, Intent, IntentKind, MemoryAudit, Now, Protocol};
use crate::state::{Provision, provision};

pub(crate) const LOG: &str = "azir.test/log";
const PEOPLE: [(&str, u8, Role); 5] = [
    ("operator:ic", 1, Role::IncidentCommander),
    ("operator:cl", 2, Role::ConsensusLead),
    ("operator:el", 3, Role::ExecutionLead),
    ("operator:sl", 4, Role::SecurityLead),
    ("operator:gl", 5, Role::GovernanceLiaison),
];

pub(crate) fn person(id: &str) -> PersonKey {
    PersonKey::from_seed([PEOPLE.iter().find(|p| p.0 == id).unwrap().1; 32], id)
}

pub(crate) fn server() -> MachineKey {
    MachineKey::from_seed([20; 32])
}

pub(crate) fn keys() -> Keys {
    Keys { role: MachineKey::from_seed([21; 32]), identity: MachineKey::from_seed([22; 32]) }
}

pub(crate) fn config() -> Config {
    let people = PEOPLE.map(|(id, seed, role)| Person {
        id: id.into(),
        key: PersonKey::from_seed([seed; 32], id).public(),
        roles: vec![role],
    });
    let mut policy = Policy::with_people(people.to_vec());
    let machine = |id: &str, key: &MachineKey| Machine { id: id.into(), key: key.public() };
    policy.machines =
        vec![machine("gate:node-1/notary", &keys().identity), machine("server:main", &server())];
    policy.lease_signers = vec!["server:main".into()];
    Config {
        log: LOG.into(),
        mode: "live".into(),
        node: "node-1".into(),
        role: NodeRole::Notary,
        policy,
        facts_max_age_ms: 1_000_000_000,
    }
}

/// Requests of the toy network.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Toy {
    kind: String,
    slot: u64,
    domain: Option<u8>,
    text: String,
}

pub(crate) fn vote(slot: u64, text: &str) -> Vec<u8> {
    request("vote", slot, None, text)
}

pub(crate) fn request(kind: &str, slot: u64, domain: Option<u8>, text: &str) -> Vec<u8> {
    let toy = Toy { kind: kind.into(), slot, domain, text: text.into() };
    serde_json::to_vec(&toy).unwrap()
}

struct ToyNet;

impl Protocol for ToyNet {
    fn interpret(&self, request: &[u8]) -> Result<Intent, BadRequest> {
        let toy: Toy = serde_json::from_slice(request).map_err(|e| BadRequest(e.to_string()))?;
        Ok(Intent {
            kind: IntentKind::new(&toy.kind)?,
            slot: toy.slot,
            domain: toy.domain.map(|d| Digest::of(&[d])),
            message: format!("TOY:{}:{}", toy.slot, toy.text).into_bytes(),
        })
    }
}

/// One gate with its disk, its server's log and a clock.
pub(crate) struct World {
    pub(crate) disk: MemoryDurable,
    pub(crate) audit: MemoryAudit,
    pub(crate) log: Tree,
    pub(crate) fence: u64,
    pub(crate) ms: u64,
    pub(crate) decisions: u64,
}

impl World {
    /// With a sign state for a new key, and a log of three entries.
    pub(crate) fn new() -> Self {
        let mut disk = MemoryDurable::new();
        provision(&mut disk, &config(), &keys(), Provision::NewKey).unwrap();
        Self::on(disk)
    }

    pub(crate) fn on(disk: MemoryDurable) -> Self {
        let mut log = Tree::default();
        (0..3u8).for_each(|i| log.append(Digest::of(&[i])));
        let audit = MemoryAudit::new();
        Self { disk, audit, log, fence: 0, ms: 5_000, decisions: 0 }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono_ms: self.ms, utc: Timestamp::from_ms(1_800_000_000_000 + self.ms as i64) }
    }

    /// A started gate with true facts and no lease.
    pub(crate) fn boot(&self) -> Gate<MemoryDurable> {
        let ports = Ports { protocol: Box::new(ToyNet), audit: Box::new(self.audit.clone()) };
        let mut gate = Gate::boot(config(), keys(), ports, self.disk.clone(), self.now());
        gate.report_facts(self.now(), IntegrityFacts::all_true(Some(tip())));
        gate
    }

    /// A started gate that is open.
    pub(crate) fn open(&mut self, kind: LeaseKind) -> Gate<MemoryDurable> {
        let mut gate = self.boot();
        self.renew(&mut gate, kind).unwrap();
        gate
    }

    pub(crate) fn point(&self) -> LogPoint {
        LogPoint { size: self.log.size(), root: self.log.root() }
    }

    /// The next lease of the server.
    pub(crate) fn lease(&mut self, kind: LeaseKind) -> Lease {
        self.fence += 1;
        Lease {
            schema: Lease::SCHEMA.into(),
            log: LOG.into(),
            mode: "live".into(),
            node: "node-1".into(),
            role: NodeRole::Notary,
            key: keys().role.public(),
            fence: self.fence,
            kind,
            not_after_ms: kind.ms_max(),
            checkpoint: self.point(),
            trusted: BlockPoint { height: 40, block: Digest::of(b"block 40") },
            restart_decision: None,
        }
    }

    pub(crate) fn proof(&self, from: u64) -> Vec<Digest> {
        self.log.consistency_proof(from, self.log.size()).unwrap_or_default()
    }

    pub(crate) fn install(
        &mut self,
        gate: &mut Gate<MemoryDurable>,
        lease: Lease,
        restart: Option<&RestartFile>,
    ) -> Result<SignedStatement, Refusal> {
        let from = gate.seen_log().map_or(0, |p| p.size);
        let proof = if from == 0 { Vec::new() } else { self.proof(from) };
        let lease = SignedLease::seal(lease, &server()).unwrap();
        gate.install_lease(self.now(), &lease, restart, &proof)
    }

    /// A new lease without restart decision, over a log that grew by one.
    pub(crate) fn renew(
        &mut self,
        gate: &mut Gate<MemoryDurable>,
        kind: LeaseKind,
    ) -> Result<SignedStatement, Refusal> {
        self.log.append(Digest::of(b"entry"));
        let lease = self.lease(kind);
        self.install(gate, lease, None)
    }

    /// A new lease with a fresh restart decision.
    pub(crate) fn restart(
        &mut self,
        gate: &mut Gate<MemoryDurable>,
    ) -> Result<SignedStatement, Refusal> {
        let file = self.restart_file("node-1", NodeRole::Notary);
        let lease = self.restart_lease(&file);
        self.install(gate, lease, Some(&file))
    }

    pub(crate) fn restart_lease(&mut self, file: &RestartFile) -> Lease {
        let decision = file.decision.open().unwrap().hash();
        Lease { restart_decision: Some(decision), ..self.lease(LeaseKind::Incident) }
    }

    /// A directive that closes this gate, with the next number.
    pub(crate) fn directive(&mut self) -> Directive {
        self.fence += 1;
        Directive {
            schema: Directive::SCHEMA.into(),
            log: LOG.into(),
            mode: "live".into(),
            node: "node-1".into(),
            roles: vec![NodeRole::Proposer, NodeRole::Notary],
            measure: "m1".into(),
            incident: IncidentId(Digest::of(b"incident")),
            fence: self.fence,
            reason: "conflicting notarization".into(),
            compromised: Vec::new(),
        }
    }

    pub(crate) fn command(
        &mut self,
        gate: &mut Gate<MemoryDurable>,
        directive: Directive,
    ) -> Result<SignedStatement, Refusal> {
        let directive = SignedDirective::seal(directive, &server()).unwrap();
        gate.obey(self.now(), &directive)
    }

    fn event(&self, kind: &str, body: &impl Serialize, actor: &str, role: Role) -> SignedText {
        let event = Event {
            schema: "azir.event/1".into(),
            log: LOG.into(),
            mode: "live".into(),
            subject: Some(Digest::of(b"incident")),
            kind: kind.into(),
            body: serde_json::to_value(body).unwrap(),
            actor: actor.into(),
            role: (role != Role::Automatic).then(|| role.to_string()),
            at: self.now().utc,
            seen_final: None,
            basis: Some(self.decisions),
        };
        let signed = if role == Role::Automatic {
            SignedEvent::by_machine(&event, &server())
        } else {
            SignedEvent::by_person(&event, &person(actor))
        };
        SignedText::of(&signed.unwrap())
    }

    /// A complete restart file, decided now. Each is a different decision.
    pub(crate) fn restart_file(&mut self, node: &str, role: NodeRole) -> RestartFile {
        self.decisions += 1;
        let subsystem = Subsystem { node: node.into(), role };
        let signers = [
            ("operator:cl", Role::ConsensusLead),
            ("operator:ic", Role::IncidentCommander),
            ("operator:el", Role::ExecutionLead),
            ("operator:gl", Role::GovernanceLiaison),
            ("operator:sl", Role::SecurityLead),
            ("operator:ic", Role::IncidentCommander),
            ("server:main", Role::Automatic),
        ];
        let mut criteria = Vec::new();
        let mut pairs = Vec::new();
        for (criterion, (actor, role)) in Criterion::ALL.iter().zip(signers) {
            let proof = Digest::of(criterion.as_str().as_bytes());
            let state = CriterionState::Satisfied { proof, summary: "shown".into() };
            let body = CriterionBody { subsystem: subsystem.clone(), criterion: *criterion, state };
            let text = self.event(CRITERION_SIGNED, &body, actor, role);
            pairs.push((*criterion, text.open().unwrap().hash()));
            criteria.push(text);
        }
        let body = RestartDecisionBody {
            subsystem,
            key: keys().role.public(),
            phase: role.phase(),
            criteria: criteria_digest(&pairs),
            decided_at: self.now().utc,
            manifest: None,
            set_aside: None,
        };
        let ic = ("operator:ic", Role::IncidentCommander);
        let decision = self.event(RESTART_DECIDED, &body, ic.0, ic.1);
        let incident = Some(Digest::of(b"incident"));
        let act = act_digest(RESTART_DECIDED, incident, &serde_json::to_value(&body).unwrap());
        let approval = ApprovalBody { act };
        let cosign = self.event(APPROVAL_GIVEN, &approval, "operator:cl", Role::ConsensusLead);
        RestartFile { decision, criteria, approvals: vec![cosign] }
    }
}

/// The hard-final tip that the node verified itself.
pub(crate) fn tip() -> BlockPoint {
    BlockPoint { height: 50, block: Digest::of(b"block 50") }
}

/// An event text whose signature is of somebody else.
pub(crate) fn forged(text: &SignedText) -> SignedText {
    let event = canon::encode_value(&text.event).unwrap();
    let sig = Signature::Person(person("operator:gl").sign("azir-event@v1", &event).unwrap());
    SignedText { event: text.event.clone(), sig }
}
