//! The gate itself: what it holds, why it is closed, and the path of one signature (annex I).
//!
//! Opening is in `install`, signing in `sign`, statements in `report`. Everything here is without
//! I/O of its own; time is an input.

use std::collections::BTreeMap;
use std::sync::Arc;

use azir_ledger::{Digest, MachineKey, MachinePublic, MachineSig};
use azir_model::directive::{
    BlockPoint, ClosedBy, ClosedReason, FindingKind, GateFinding, IntegrityFact, Lease, Running,
    Sealable, Signed, SignedDirective, SignedFinding, SignedStatement,
};
use azir_model::policy::Policy;
use azir_model::refusal::{Refusal, RefusalKind, Unmet};
use azir_model::vocab::NodeRole;

use crate::brake::Brake;
use crate::durable::Durable;
use crate::ports::{Audit, AuditLine, AuditWhat, Now, Protocol};
use crate::state::{COMPROMISED_MAX, Lost, SEQUENCE_BLOCK, SignState, sequence_after_loss};

mod install;
mod report;
mod sign;

use install::seal_unmet;
pub use install::{HandLease, HandSignature, LEASE_NAMESPACE};

/// Most findings that wait to be fetched; older ones are dropped, the audit trail has them all.
pub const FINDINGS_MAX: usize = 64;
/// Longest text of a cause or detail, in bytes.
pub const DETAIL_BYTES_MAX: usize = 1_000;

/// What a gate stands before, and the rules it holds itself (architecture: not on the server's
/// word).
#[derive(Clone, Debug)]
pub struct Config {
    /// Origin of the log of the own control plane.
    pub log: String,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The guarded role.
    pub role: NodeRole,
    /// People, machines and lease signers that the gate accepts.
    pub policy: Policy,
    /// Milliseconds after which integrity facts that are not reported again count as false.
    pub facts_max_age_ms: u64,
}

impl Config {
    /// The machine keys that may sign leases and directives.
    #[must_use]
    pub fn lease_keys(&self) -> Vec<MachinePublic> {
        let machines = self.policy.lease_signers.iter().filter_map(|id| self.policy.machine(id));
        machines.map(|m| m.key).collect()
    }
}

/// The two keys of a gate.
#[derive(Debug)]
pub struct Keys {
    /// The guarded key.
    pub role: MachineKey,
    /// The gate's own key, `gate:<node>/<role>` of the policy: it signs statements, findings and
    /// the sign state, so that a thief of the guarded key cannot speak for the gate.
    pub identity: MachineKey,
}

/// What the gate asks others.
pub struct Ports {
    /// Decoder of the network's objects.
    pub protocol: Box<dyn Protocol>,
    /// Local audit trail.
    pub audit: Box<dyn Audit>,
}

/// The facts that the node checked about itself (annex I), and its verified hard-final tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrityFacts {
    /// Own root equals the certificate's root at the latest hard-final block.
    pub own_root: bool,
    /// The checksum of the store holds.
    pub store_checksum: bool,
    /// Clock within half a slot of the median of at least three peers.
    pub clock: bool,
    /// Hash of the running binary is in an accepted release.
    pub binary: bool,
    /// Sign-state file intact, as seen from outside; the gate adds what it sees itself.
    pub sign_state: bool,
    /// Highest block that the node itself verified as hard-final, if any.
    pub hard_final: Option<BlockPoint>,
    /// Hashes of the running binary and its configuration, if the node has them.
    pub running: Option<Running>,
}

impl IntegrityFacts {
    /// Every fact true.
    #[must_use]
    pub const fn all_true(hard_final: Option<BlockPoint>) -> Self {
        Self {
            own_root: true,
            store_checksum: true,
            clock: true,
            binary: true,
            sign_state: true,
            hard_final,
            running: None,
        }
    }

    /// The facts that are false.
    #[must_use]
    pub fn failed(&self) -> Vec<IntegrityFact> {
        let holds = |fact: IntegrityFact| match fact {
            IntegrityFact::OwnRoot => self.own_root,
            IntegrityFact::StoreChecksum => self.store_checksum,
            IntegrityFact::Clock => self.clock,
            IntegrityFact::Binary => self.binary,
            IntegrityFact::SignState => self.sign_state,
        };
        IntegrityFact::ALL.iter().copied().filter(|f| !holds(*f)).collect()
    }
}

/// A signature that left the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Gate sequence of the signature.
    pub sequence: u64,
    /// The signature over the intent's message.
    pub sig: MachineSig,
}

/// A request that was not signed. Answered at once: the caller stays connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct Denial {
    /// Gate sequence when it was denied.
    pub sequence: u64,
    /// Every unmet condition.
    pub refusal: Refusal,
}

/// What became of a close. The gate is closed in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseAck {
    /// Gate sequence of the close: no signature until the next opening has a higher one.
    pub sequence: u64,
    /// True when the latch is on disk (also when none was to be set).
    pub latch_durable: bool,
    /// What could not be written, if something could not.
    pub trouble: Vec<String>,
}

/// The lease that the gate runs under.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: Digest,
    lease: Lease,
    pub(crate) received_ms: u64,
}

impl Held {
    /// Milliseconds until it ends, 0 when it has.
    fn remaining_ms(&self, mono_ms: u64) -> u64 {
        self.received_ms.saturating_add(self.lease.not_after_ms).saturating_sub(mono_ms)
    }
}

/// A gate before one key of one role of one node. Boots closed.
pub struct Gate<D: Durable> {
    pub(crate) config: Config,
    keys: Keys,
    durable: D,
    ports: Ports,
    brake: Arc<Brake>,
    /// The state as it was last read or written, or why there is none.
    state: Result<SignState, Lost>,
    /// Causes of the latch; those that are not in `state` are not on disk.
    latches: BTreeMap<ClosedBy, String>,
    /// Why it closed last, for causes that do not latch.
    shut: ClosedReason,
    lease: Option<Held>,
    pub(crate) facts: Option<(u64, IntegrityFacts)>,
    clock_ms: u64,
    findings: Vec<SignedFinding>,
    signed: u64,
    denied: u64,
    acknowledges: Option<(Digest, String)>,
}

impl<D: Durable> Gate<D> {
    /// Starts a gate: closed, latched if it was latched, whatever is on disk. Never fails, since a
    /// gate that does not start cannot answer. Implements R-22.3-2, R-22.3-4.
    pub fn boot(config: Config, keys: Keys, ports: Ports, mut durable: D, now: Now) -> Self {
        let state = match durable.load() {
            Ok(Some(bytes)) => SignState::from_file(&bytes, &config, &keys),
            Ok(None) => Err(Lost("missing".to_owned())),
            Err(e) => Err(Lost(e.to_string())),
        };
        let sequence = state.as_ref().map_or_else(|_| sequence_after_loss(now.utc), |s| s.sequence);
        let latched = state.iter().flat_map(|s| s.latches.iter());
        let latches = latched.map(|l| (l.by, l.detail.clone())).collect();
        let boot = ClosedReason { by: ClosedBy::Boot, detail: "no lease since the start".into() };
        let mut gate = Self {
            config,
            keys,
            durable,
            ports,
            brake: Arc::new(Brake::shut(sequence)),
            state,
            latches,
            shut: boot,
            lease: None,
            facts: None,
            clock_ms: now.mono_ms,
            findings: Vec::new(),
            signed: 0,
            denied: 0,
            acknowledges: None,
        };
        if let Err(Lost(why)) = &gate.state {
            let why = why.clone();
            gate.find(now, FindingKind::SignStateLost, None, format!("sign state: {why}"));
            gate.latches.insert(ClosedBy::SignState, format!("sign state: {why}"));
        }
        gate
    }

    /// The guarded key.
    #[must_use]
    pub fn key(&self) -> MachinePublic {
        self.keys.role.public()
    }

    pub(crate) fn brake(&self) -> &Arc<Brake> {
        &self.brake
    }

    /// The number of the last signature or change of state.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.brake.sequence()
    }

    /// Findings since the last call, oldest first.
    pub fn take_findings(&mut self) -> Vec<SignedFinding> {
        std::mem::take(&mut self.findings)
    }

    // ----- closing -----

    /// Closes at once, in memory first; then writes the latch and the audit line. Never fails and
    /// asks nobody. Implements R-11.1-2, R-12.1-2, R-12.1-5.
    pub fn close(&mut self, now: Now, by: ClosedBy, detail: &str) -> CloseAck {
        let sequence = self.brake.stop(ClosedReason { by, detail: bounded(detail) });
        let trouble = self.settle(now);
        CloseAck { sequence, latch_durable: self.latch_durable(), trouble }
    }

    /// Closing by hand on the node, without any server (annex I, break glass).
    pub fn close_by_hand(&mut self, now: Now, reason: &str) -> CloseAck {
        self.close(now, ClosedBy::Hand, reason)
    }

    /// Obeys a close directive and acknowledges it with a statement. Sending it again is harmless.
    ///
    /// # Errors
    /// A [`Refusal`]: `signature_invalid`, `not_authorized` (foreign control plane), `drill_only`,
    /// `scope_invalid` (not this gate), `fenced` (a later restart lease was accepted).
    pub fn obey(
        &mut self,
        now: Now,
        directive: &SignedDirective,
    ) -> Result<SignedStatement, Refusal> {
        self.enter(now);
        let body = &directive.body;
        let mut unmet = self.accepted(directive, &body.log, &body.mode);
        if body.node != self.config.node || !body.roles.contains(&self.config.role) {
            unmet.push(scope(format!("for {} {:?}", body.node, body.roles)));
        }
        // Only a restart that people decided ends an order. A renewal that overtook it, or a lease
        // with a number from the sky, does not: closing never waits (rule of annex I).
        let fence = self.state.as_ref().map_or(0, |s| s.restart_fence);
        if body.fence < fence {
            let what = format!("directive {} is older than restart lease {fence}", body.fence);
            unmet.push(Unmet::new(RefusalKind::Fenced, what, "annex I, fence", NEWER));
        }
        Refusal::unless_met(unmet)?;
        if let Ok(state) = &mut self.state {
            state.fence = state.fence.max(body.fence);
        }
        self.acknowledges = directive.id().ok().map(|id| (id, bounded(&body.measure)));
        let detail =
            format!("measure {} of incident {}: {}", body.measure, body.incident, body.reason);
        self.close(now, ClosedBy::Command, &detail);
        for key in &body.compromised {
            self.mark_compromised(now, *key);
        }
        Ok(self.statement(now))
    }

    /// Remembers a key as compromised. If it is the guarded key, the gate closes and never opens
    /// for it again, whatever criteria say (D-108). Implements R-40.0-9.
    pub fn mark_compromised(&mut self, now: Now, key: MachinePublic) {
        self.enter(now);
        let own = key == self.key();
        if own {
            let detail = format!("key {key} is listed as compromised");
            self.find(now, FindingKind::KeyCompromised, None, detail.clone());
            self.close(now, ClosedBy::KeyCompromised, &detail);
        }
        let Ok(state) = &mut self.state else { return };
        if let Err(at) = state.compromised.binary_search(&key)
            && (state.compromised.len() < COMPROMISED_MAX || own)
        {
            state.compromised.insert(at, key);
            let _latched_on_failure = self.persist(now);
        }
    }

    /// Takes the node's own checks. A false fact closes and latches without any server.
    /// Implements R-22.2-2, R-22.3-1, R-22.1-6, R-23.1-2, R-23.2-6.
    pub fn report_facts(&mut self, now: Now, facts: IntegrityFacts) {
        self.enter(now);
        self.facts = Some((self.clock_ms, facts));
        for fact in facts.failed() {
            let known =
                self.latches.get(&ClosedBy::Integrity).is_some_and(|d| d.contains(fact.as_str()));
            if !known {
                let detail = format!("fact {fact} is false");
                self.find(now, FindingKind::IntegrityFalse, Some(fact), detail.clone());
                self.close(now, ClosedBy::Integrity, &detail);
            }
        }
    }

    /// Every entry: the clock never runs back, and closes from other threads are recorded first.
    fn enter(&mut self, now: Now) {
        self.clock_ms = self.clock_ms.max(now.mono_ms);
        self.settle(now);
    }

    /// Records what [`crate::SharedGate::stop`] collected. Returns what could not be written.
    pub(crate) fn record_closes(&mut self, now: Now) -> Vec<String> {
        self.settle(now)
    }

    /// Takes over what the brake collected: no lease any more, latches in memory, then on disk,
    /// then the audit line. Returns what could not be written.
    fn settle(&mut self, now: Now) -> Vec<String> {
        let pending = self.brake.take_pending();
        let mut trouble = Vec::new();
        for reason in &pending {
            self.lease = None;
            self.shut = reason.clone();
            if reason.by.latches() {
                let detail = self.latches.entry(reason.by).or_default();
                if !detail.is_empty() {
                    detail.push_str("; ");
                }
                *detail = bounded(&format!("{detail}{}", reason.detail));
                if let Ok(state) = &mut self.state {
                    state.latched_at = state.latched_at.max(Some(now.utc));
                }
            }
        }
        if !self.latch_durable() || pending.iter().any(|r| r.by.latches()) {
            trouble.extend(self.write_state().err());
        }
        for reason in &pending {
            let cause = format!("{}: {}", reason.by, reason.detail);
            let line = self.line(now, AuditWhat::Close { cause });
            trouble.extend(self.ports.audit.record(&line).err().map(|e| e.to_string()));
        }
        trouble
    }

    /// Writes the state; on failure the gate is closed and latched, since nobody knows what is on
    /// disk. Implements R-22.1-3.
    fn persist(&mut self, now: Now) -> Result<(), String> {
        self.write_state().inspect_err(|why| {
            let detail = format!("sign state not written: {why}");
            self.brake.stop(ClosedReason { by: ClosedBy::SignState, detail });
            self.settle(now);
        })
    }

    fn write_state(&mut self) -> Result<(), String> {
        let sequence = self.sequence().saturating_add(SEQUENCE_BLOCK);
        let latches = self.latches.iter();
        let latches = latches.map(|(by, d)| ClosedReason { by: *by, detail: d.clone() }).collect();
        let state = match &self.state {
            Ok(state) => SignState { sequence, latches, ..state.clone() },
            // What is there is kept as evidence; see `provision`.
            Err(Lost(why)) => return Err(why.clone()),
        };
        let bytes = state.to_file(&self.keys.identity).map_err(|e| e.0)?;
        self.durable.store(&bytes).map_err(|e| e.to_string())?;
        self.state = Ok(state);
        Ok(())
    }

    /// Writes an audit line; on failure the gate is closed (annex I: cannot write audit).
    fn audit(&mut self, now: Now, event: AuditWhat) -> Result<(), String> {
        let line = self.line(now, event);
        self.ports.audit.record(&line).map_err(|e| {
            self.brake.stop(ClosedReason { by: ClosedBy::Audit, detail: e.to_string() });
            self.settle(now);
            e.to_string()
        })
    }

    fn line(&self, now: Now, event: AuditWhat) -> AuditLine {
        AuditLine { sequence: self.sequence(), at: now.utc, event }
    }

    /// Keeps a signed finding for the agent, and an audit line.
    fn find(&mut self, now: Now, kind: FindingKind, fact: Option<IntegrityFact>, detail: String) {
        let detail = bounded(&detail);
        let _closes_on_failure =
            self.audit(now, AuditWhat::Finding { finding: format!("{kind}: {detail}") });
        let finding = self.seal(GateFinding {
            schema: GateFinding::SCHEMA.to_owned(),
            log: self.config.log.clone(),
            mode: self.config.mode.clone(),
            node: self.config.node.clone(),
            role: self.config.role,
            key: self.key(),
            sequence: self.sequence(),
            kind,
            fact,
            detail,
            at: now.utc,
        });
        if self.findings.len() >= FINDINGS_MAX {
            self.findings.remove(0);
        }
        self.findings.push(finding);
    }

    fn seal<T: Sealable>(&self, body: T) -> Signed<T> {
        // Invariant: statements and findings have the right schema, no null and no float, and
        // every integer in them is bounded by what was read canonically or by the brake.
        #[expect(clippy::expect_used)]
        Signed::seal(body, &self.keys.identity).expect("canonical by construction")
    }

    /// Signer, log and mode of a value of the control plane.
    fn accepted<T: Sealable>(&self, signed: &Signed<T>, log: &str, mode: &str) -> Vec<Unmet> {
        let signer = signed.verify_by(&self.config.lease_keys());
        let mut unmet: Vec<_> = signer.err().iter().map(seal_unmet).collect();
        unmet.extend(self.frame(log, mode));
        unmet
    }

    /// Log and mode of a value of the control plane. Implements R-36.1-10.
    fn frame(&self, log: &str, mode: &str) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if log != self.config.log {
            let what = format!("for log {log:?}; this gate obeys {:?}", self.config.log);
            let remedy = "a foreign control plane may send evidence and advice only";
            unmet.push(Unmet::new(RefusalKind::NotAuthorized, what, "annex I, foreign", remedy));
        }
        if mode != self.config.mode {
            let what = format!("mode {mode:?}; this gate runs {:?}", self.config.mode);
            unmet.push(Unmet::new(RefusalKind::DrillOnly, what, "36.1, D-120", "use this mode"));
        }
        unmet
    }
}

const NEWER: &str = "give a number above every fence given out for this gate";

fn scope(what: String) -> Unmet {
    Unmet::new(RefusalKind::ScopeInvalid, what, "annex I", "address node and role of this gate")
}

/// At most [`DETAIL_BYTES_MAX`] bytes of a text, cut at a character.
pub(crate) fn bounded(text: &str) -> String {
    let mut end = text.len().min(DETAIL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
