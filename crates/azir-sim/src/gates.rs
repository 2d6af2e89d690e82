//! All gates of one operator's nodes in the simulator: production gates on simulated disks, kept
//! open by leases of the control plane while it is reachable.

use std::collections::BTreeMap;

use azir_gate::ports::Now;
use azir_gate::{
    Config, Gate, IntegrityFacts, Keys, MemoryAudit, MemoryDurable, Ports, Provision, provision,
};
use azir_ledger::{Digest, MachineKey, MachineSig, Timestamp};
use azir_model::Refusal;
use azir_model::directive::{
    BlockPoint, ClosedBy, Directive, Lease, LeaseKind, LogPoint, Sealable, Signed, SignedLease,
    SignedStatement,
};
use azir_model::policy::Policy;
use azir_model::restart::RestartFile;
use azir_model::vocab::NodeRole;

use crate::atlas_gate::AtlasProtocol;
use crate::cast;
use crate::world::drill_key;

/// Name of a gate: node and role.
pub type GateName = (String, NodeRole);

/// A refused signature, kept for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSignature {
    /// When.
    pub at: Timestamp,
    /// Which gate.
    pub gate: GateName,
    /// Hash of the request.
    pub request: Digest,
    /// Why.
    pub refusal: Refusal,
}

/// A change of a gate between open and closed, for the gate matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateChange {
    /// When.
    pub at: Timestamp,
    /// Which gate.
    pub gate: GateName,
    /// True when it opened.
    pub open: bool,
    /// Why.
    pub why: String,
}

struct Slot {
    gate: Gate<MemoryDurable>,
    key: azir_ledger::MachinePublic,
    open: bool,
    renewed_ms: u64,
    kind: LeaseKind,
}

/// The gates.
pub struct Gates {
    log: String,
    mode: String,
    server: MachineKey,
    start: Timestamp,
    slots: BTreeMap<GateName, Slot>,
    changes: Vec<GateChange>,
    refused: Vec<RefusedSignature>,
    last_fence: u64,
}

impl std::fmt::Debug for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gates({})", self.slots.len())
    }
}

/// What a lease quotes of the log and the chain.
#[derive(Clone, Debug)]
pub struct Quote {
    /// Signed log size and root.
    pub log: LogPoint,
    /// Proof from the size that a gate has seen, by that size.
    pub proofs: BTreeMap<u64, Vec<Digest>>,
    /// Trusted checkpoint.
    pub trusted: BlockPoint,
}

impl Gates {
    /// Boots every gate of the policy's nodes: closed, with an empty disk.
    #[must_use]
    pub fn boot(
        seed: u64,
        chain: &str,
        log: &str,
        mode: &str,
        policy: &Policy,
        start: Timestamp,
    ) -> Self {
        let mut gates = Self {
            log: log.to_owned(),
            mode: mode.to_owned(),
            server: cast::machine(seed, "server:azir"),
            start,
            slots: BTreeMap::new(),
            changes: Vec::new(),
            refused: Vec::new(),
            last_fence: 0,
        };
        for node in &policy.nodes {
            for role in &node.roles {
                let config = Config {
                    log: log.to_owned(),
                    mode: mode.to_owned(),
                    node: node.node.clone(),
                    role: *role,
                    policy: policy.clone(),
                    facts_max_age_ms: 60_000,
                };
                let identity = cast::machine(seed, &format!("gate:{}/{role}", node.node));
                let role_key = match (role.signs(), node.seat) {
                    (true, Some(seat)) => {
                        drill_key(seed, "seat", usize::try_from(seat).unwrap_or(usize::MAX))
                    }
                    _ => cast::machine(seed, &format!("outlet:{}/{role}", node.node)),
                };
                let key = role_key.public();
                let protocol = AtlasProtocol { chain: chain.to_owned(), role: *role };
                let ports =
                    Ports { protocol: Box::new(protocol), audit: Box::new(MemoryAudit::new()) };
                let keys = Keys { role: role_key, identity };
                let now = gates.now(start);
                let mut disk = MemoryDurable::new();
                // On an empty simulated disk this cannot fail; if it did, the gate stays latched.
                let _provisioned = provision(&mut disk, &config, &keys, Provision::NewKey);
                let gate = Gate::boot(config, keys, ports, disk, now);
                let slot =
                    Slot { gate, key, open: false, renewed_ms: 0, kind: LeaseKind::Standing };
                gates.slots.insert((node.node.clone(), *role), slot);
            }
        }
        gates
    }

    fn now(&self, at: Timestamp) -> Now {
        let mono_ms = u64::try_from(at.ms_since(self.start)).unwrap_or(0);
        Now { mono_ms, utc: at }
    }

    /// The guarded key of a gate.
    #[must_use]
    pub fn key(&self, node: &str, role: NodeRole) -> Option<azir_ledger::MachinePublic> {
        self.slots.get(&(node.to_owned(), role)).map(|s| s.key)
    }

    /// True when a gate is open.
    #[must_use]
    pub fn is_open(&self, node: &str, role: NodeRole) -> bool {
        self.slots.get(&(node.to_owned(), role)).is_some_and(|s| s.open)
    }

    /// Changes so far.
    #[must_use]
    pub fn changes(&self) -> &[GateChange] {
        &self.changes
    }

    /// Refused signatures so far.
    #[must_use]
    pub fn refused(&self) -> &[RefusedSignature] {
        &self.refused
    }

    /// Names of all gates.
    pub fn names(&self) -> impl Iterator<Item = &GateName> {
        self.slots.keys()
    }

    fn note(&mut self, at: Timestamp, name: &GateName, why: &str) {
        if let Some(slot) = self.slots.get_mut(name) {
            let open = slot.gate.reasons().is_empty();
            if open != slot.open {
                slot.open = open;
                let change = GateChange { at, gate: name.clone(), open, why: why.to_owned() };
                self.changes.push(change);
            }
        }
    }

    /// The node reports its integrity facts to its gates.
    pub fn report_facts(&mut self, at: Timestamp, node: &str, facts: IntegrityFacts) {
        let now = self.now(at);
        let names: Vec<_> = self.slots.keys().filter(|(n, _)| n == node).cloned().collect();
        for name in names {
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.gate.report_facts(now, facts);
            }
            self.note(at, &name, "integrity facts");
        }
    }

    /// A local rule closes gates of a node at once: no server is asked (flow 2, D-084).
    pub fn close_by_rule(
        &mut self,
        at: Timestamp,
        node: &str,
        roles: &[NodeRole],
        detail: &str,
    ) -> Vec<SignedStatement> {
        let now = self.now(at);
        let mut statements = Vec::new();
        for role in roles {
            let name = (node.to_owned(), *role);
            if let Some(slot) = self.slots.get_mut(&name) {
                let _ack = slot.gate.close(now, ClosedBy::Integrity, detail);
                statements.push(slot.gate.statement(now));
            }
            self.note(at, &name, detail);
        }
        statements
    }

    /// Delivers a signed order to close.
    ///
    /// # Errors
    /// The gate's refusal of the order.
    pub fn obey(
        &mut self,
        at: Timestamp,
        close: &azir_engine::Close,
    ) -> Result<Vec<SignedStatement>, Refusal> {
        let body = Directive {
            schema: Directive::SCHEMA.to_owned(),
            log: self.log.clone(),
            mode: self.mode.clone(),
            node: close.node.clone(),
            roles: close.roles.clone(),
            measure: close.measure.clone(),
            incident: close.incident,
            fence: self.next_fence(at),
            reason: close.reason.clone(),
            compromised: Vec::new(),
        };
        let sealed = Signed::seal(body, &self.server).map_err(|e| {
            Refusal::one(
                azir_model::RefusalKind::InvalidSchema,
                e.to_string(),
                "annex I",
                "order it again",
            )
        })?;
        let now = self.now(at);
        let mut statements = Vec::new();
        for role in &close.roles {
            let name = (close.node.clone(), *role);
            if let Some(slot) = self.slots.get_mut(&name) {
                statements.push(slot.gate.obey(now, &sealed)?);
            }
            self.note(at, &name, &format!("ordered: {}", close.reason));
        }
        Ok(statements)
    }

    /// A gate's own statement.
    pub fn statement(&mut self, at: Timestamp, name: &GateName) -> Option<SignedStatement> {
        let now = self.now(at);
        self.slots.get_mut(name).map(|s| s.gate.statement(now))
    }

    /// Asks a gate for a signature over an object's canonical body.
    pub fn sign(
        &mut self,
        at: Timestamp,
        node: &str,
        role: NodeRole,
        body: &[u8],
    ) -> Option<MachineSig> {
        let now = self.now(at);
        let name = (node.to_owned(), role);
        let outcome = self.slots.get_mut(&name)?.gate.sign(now, body);
        self.note(at, &name, "asked for a signature");
        match outcome {
            Ok(grant) => Some(grant.sig),
            Err(denial) => {
                self.refused.push(RefusedSignature {
                    at,
                    gate: name,
                    request: Digest::of(body),
                    refusal: denial.refusal,
                });
                None
            }
        }
    }

    /// Fences rise over leases and orders together.
    fn next_fence(&mut self, at: Timestamp) -> u64 {
        let now = u64::try_from(at.ms_since(self.start)).unwrap_or(0);
        self.last_fence = (self.last_fence + 1).max(now);
        self.last_fence
    }

    /// A lease as the server signs it; its fence always rises.
    fn lease(
        &mut self,
        at: Timestamp,
        name: &GateName,
        kind: LeaseKind,
        quote: &Quote,
        decision: Option<Digest>,
    ) -> Option<SignedLease> {
        let fence = self.next_fence(at);
        let key = self.slots.get(name)?.key;
        let body = Lease {
            schema: Lease::SCHEMA.to_owned(),
            log: self.log.clone(),
            mode: self.mode.clone(),
            node: name.0.clone(),
            role: name.1,
            key,
            fence,
            kind,
            not_after_ms: kind.ms_max(),
            checkpoint: quote.log,
            trusted: quote.trusted,
            restart_decision: decision,
        };
        Signed::seal(body, &self.server).ok()
    }

    /// Sends a lease to one gate, with the restart file when the gate is latched.
    ///
    /// # Errors
    /// Everything that the gate finds unmet.
    pub fn install(
        &mut self,
        at: Timestamp,
        name: &GateName,
        kind: LeaseKind,
        quote: &Quote,
        restart: Option<(Digest, &RestartFile)>,
    ) -> Result<SignedStatement, Refusal> {
        let unknown = || {
            Refusal::one(
                azir_model::RefusalKind::ScopeInvalid,
                format!("no gate {}/{}", name.0, name.1),
                "annex I",
                "name a gate of this operator",
            )
        };
        let decision = restart.map(|(decision, _)| decision);
        let lease = self.lease(at, name, kind, quote, decision).ok_or_else(unknown)?;
        let now = self.now(at);
        let slot = self.slots.get_mut(name).ok_or_else(unknown)?;
        let seen = slot.gate.seen_log().map_or(0, |p| p.size);
        let proof = quote.proofs.get(&seen).cloned().unwrap_or_default();
        let file = restart.map(|(_, file)| file);
        let installed = slot.gate.install_lease(now, &lease, file, &proof);
        if installed.is_ok() {
            slot.renewed_ms = now.mono_ms;
            slot.kind = kind;
        }
        let why =
            decision.map_or("lease".to_owned(), |d| format!("restart decision {}", d.short()));
        self.note(at, name, &why);
        installed
    }

    /// Gates that are open and whose lease is due for renewal, or of another kind than `kind`.
    #[must_use]
    pub fn due(&self, at: Timestamp, kind: LeaseKind, every_ms: u64) -> Vec<GateName> {
        let now = u64::try_from(at.ms_since(self.start)).unwrap_or(0);
        let due = |s: &Slot| s.open && (s.kind != kind || now >= s.renewed_ms + every_ms);
        self.slots.iter().filter(|(_, s)| due(s)).map(|(n, _)| n.clone()).collect()
    }

    /// Log sizes that open gates have seen: the server proves consistency from each.
    #[must_use]
    pub fn seen_sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<_> =
            self.slots.values().filter_map(|s| s.gate.seen_log().map(|p| p.size)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}
