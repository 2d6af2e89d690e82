//! Opening: the conditions of annex I for a lease, all named at once.

use std::collections::BTreeSet;

use azir_ledger::canon::{self, INTEGER_MAX};
use azir_ledger::merkle::verify_consistency;
use azir_ledger::{CanonError, Digest, Timestamp};
use azir_model::directive::{
    ClosedBy, FindingKind, Lease, LogPoint, SealError, Sealable, SignedLease, SignedStatement,
};
use azir_model::policy::Policy;
use azir_model::refusal::{Refusal, RefusalKind, Unmet};
use azir_model::restart::{CLOCK_AHEAD_MS, RESTART_VALID_MS, RestartFile, authorize};
use serde::{Deserialize, Serialize};

use super::{Gate, Held, scope};
use crate::durable::Durable;
use crate::ports::{AuditWhat, Now};

impl<D: Durable> Gate<D> {
    /// Installs a lease, which opens the gate if every condition of annex I holds. `restart` is
    /// the file behind the quoted restart decision, needed while the gate is latched;
    /// `consistency` proves that the lease's log only appends to the one the gate has seen.
    ///
    /// Implements R-22.3-2, R-22.3-5, R-40.0-5, R-40.0-9.
    ///
    /// # Errors
    /// A [`Refusal`] with every unmet condition; a lease in force stays in force.
    pub fn install_lease(
        &mut self,
        now: Now,
        lease: &SignedLease,
        restart: Option<&RestartFile>,
        consistency: &[Digest],
    ) -> Result<SignedStatement, Refusal> {
        self.enter(now);
        let body = &lease.body;
        let unmet = self.accepted(lease, &body.log, &body.mode);
        let restart = if self.latches.is_empty() { None } else { Some(restart) };
        self.install(now, body, unmet, restart, consistency)
    }

    /// Opens by hand, without a server (annex I, break glass): two people of the gate's policy sign
    /// the lease, and the restart file is demanded even if the gate is not latched. The lease
    /// quotes the log that the gate has seen, or one with a consistency proof.
    ///
    /// # Errors
    /// As [`Gate::install_lease`], and `second_person_required`.
    pub fn install_by_hand(
        &mut self,
        now: Now,
        hand: &HandLease,
        restart: &RestartFile,
        consistency: &[Digest],
    ) -> Result<SignedStatement, Refusal> {
        self.enter(now);
        let body = &hand.lease;
        let mut unmet = self.frame(&body.log, &body.mode);
        unmet.extend(hand.unmet(&self.config.policy));
        self.install(now, body, unmet, Some(Some(restart)), consistency)
    }

    /// `restart`: nothing when none is needed, else the file if it was sent.
    fn install(
        &mut self,
        now: Now,
        body: &Lease,
        mut unmet: Vec<Unmet>,
        restart: Option<Option<&RestartFile>>,
        consistency: &[Digest],
    ) -> Result<SignedStatement, Refusal> {
        let genuine = unmet.is_empty();
        unmet.extend(self.lease_unmet(body));
        let rollback = self.log_unmet(&body.checkpoint, consistency);
        if let (true, Some((true, unmet))) = (genuine, &rollback) {
            self.find(now, FindingKind::LogRollback, None, unmet.what.clone());
        }
        unmet.extend(rollback.map(|(_, unmet)| unmet));
        unmet.extend(self.state_unmet());
        unmet.extend(restart.iter().flat_map(|file| self.restart_unmet(now, body, *file)));
        Refusal::unless_met(unmet)?;
        let id = Digest::of_canonical(Lease::TAG, body)
            .map_err(|e| Refusal::one(canon_kind(&e), e.to_string(), RULE, SIGN))?;
        let used = restart.and(body.restart_decision);
        self.open(now, id, body, used)?;
        Ok(self.statement(now))
    }

    /// State on disk, audit line, then open: a crash in between leaves the gate closed.
    fn open(
        &mut self,
        now: Now,
        id: Digest,
        lease: &Lease,
        used: Option<Digest>,
    ) -> Result<(), Refusal> {
        let failed = |why: String| {
            let remedy = "repair the node's disk, then send a new lease";
            Refusal::one(RefusalKind::Unavailable, why, "22.3, annex I", remedy)
        };
        let cleared = std::mem::take(&mut self.latches);
        if let Ok(state) = &mut self.state {
            state.fence = lease.fence;
            if used.is_some() {
                state.restart_fence = lease.fence;
            }
            state.seen_log = Some(lease.checkpoint);
            state.latched_at = None;
            state.spend(used);
        }
        if let Err(why) = self.persist(now) {
            self.latches.extend(cleared);
            return Err(failed(why));
        }
        self.audit(now, AuditWhat::Open { lease: id, fence: lease.fence }).map_err(failed)?;
        self.lease = Some(Held { id, lease: lease.clone(), received_ms: self.clock_ms });
        if self.brake().open().is_none() {
            // A close came in between, from another thread: it wins.
            self.enter(now);
            return Err(failed("the gate was closed while it opened".to_owned()));
        }
        Ok(())
    }

    /// Node, role, key, fence, duration and trusted checkpoint.
    fn lease_unmet(&self, lease: &Lease) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if lease.node != self.config.node || lease.role != self.config.role {
            unmet.push(scope(format!("lease for {} {}", lease.node, lease.role)));
        }
        if lease.key != self.key() {
            let what = format!("lease for key {}", lease.key);
            let remedy = "lease the key that the gate guards";
            unmet.push(Unmet::new(RefusalKind::IdMismatch, what, RULE, remedy));
        }
        let fence = self.state.as_ref().map_or(0, |s| s.fence);
        if lease.fence <= fence || lease.fence > INTEGER_MAX {
            let what = format!("fence {} after {fence}", lease.fence);
            let remedy = format!("give a fence above {fence}");
            unmet.push(Unmet::new(RefusalKind::Fenced, what, "22.3, annex I, fence", remedy));
        }
        let most = lease.kind.ms_max();
        if lease.not_after_ms == 0 || lease.not_after_ms > most {
            let what = format!("{} ms; a {} lease has 1 to {most}", lease.not_after_ms, lease.kind);
            let remedy = "give a term within annex I";
            unmet.push(Unmet::new(RefusalKind::ExpiryRequired, what, "annex I", remedy));
        }
        unmet.extend(self.trusted_unmet(lease));
        unmet
    }

    /// The trusted checkpoint must not contradict what the node itself verified (D-092).
    fn trusted_unmet(&self, lease: &Lease) -> Option<Unmet> {
        let (_, facts) = self.facts.as_ref()?;
        let own = facts.hard_final?;
        let trusted = lease.trusted;
        let contradicts = trusted.height > own.height
            || (trusted.height == own.height && trusted.block != own.block);
        contradicts.then(|| {
            Unmet::new(
                RefusalKind::CheckpointUntrusted,
                format!(
                    "block {} at {}; own hard-final is {} at {}",
                    trusted.block, trusted.height, own.block, own.height
                ),
                "27.2, D-092",
                "quote a trusted checkpoint at or below the node's own hard-final block",
            )
        })
    }

    /// The rule of log rollback. True marks what proposes an incident.
    fn log_unmet(&self, offered: &LogPoint, proof: &[Digest]) -> Option<(bool, Unmet)> {
        let seen = self.seen_log()?;
        let rule = "annex I, log rollback";
        let what = format!("log of {} entries, seen are {}", offered.size, seen.size);
        if offered.size < seen.size {
            let remedy = format!("send a lease over a log of at least {} entries", seen.size);
            return Some((true, Unmet::new(RefusalKind::Fenced, what, rule, remedy)));
        }
        let missing = proof.is_empty() && offered.size > seen.size && seen.size > 0;
        if missing {
            let remedy = format!("send the consistency proof from {}", seen.size);
            return Some((false, Unmet::new(RefusalKind::CheckpointUntrusted, what, rule, remedy)));
        }
        let held = verify_consistency(seen.size, offered.size, &seen.root, &offered.root, proof);
        let error = held.err()?;
        let remedy = "send the log that the gate has seen; another history is never accepted";
        let what = format!("{what}: {error}");
        Some((true, Unmet::new(RefusalKind::SignatureInvalid, what, rule, remedy)))
    }

    /// Sign state, key, integrity facts: nothing that a restart decision could replace. Implements
    /// R-22.2-6.
    fn state_unmet(&self) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if let Err(lost) = &self.state {
            let remedy = "make a sign state by hand with a floor above every signed slot";
            let what = format!("sign_state: {}", lost.0);
            unmet.push(Unmet::new(RefusalKind::CriteriaUnmet, what, "annex I, sign state", remedy));
        }
        if self.compromised() {
            let what = format!("key {} is listed as compromised", self.key());
            let remedy = "rotate the key; this gate opens for the new one";
            unmet.push(Unmet::new(RefusalKind::KeyRevoked, what, "40, D-108", remedy));
        }
        for reason in self.false_facts() {
            let remedy = "repair the node and report the facts again";
            let what = format!("integrity: {}", reason.detail);
            unmet.push(Unmet::new(RefusalKind::CriteriaUnmet, what, "22.3, annex I", remedy));
        }
        unmet
    }

    /// The latch opens only by a restart decision for exactly this role and key, made after the
    /// latch was set and never used before, which the gate judges itself (29.1, D-104).
    fn restart_unmet(&self, now: Now, lease: &Lease, file: Option<&RestartFile>) -> Vec<Unmet> {
        let causes: Vec<_> = self.latches.keys().map(|by: &ClosedBy| by.as_str()).collect();
        let unmet = |what: String, remedy: &str| {
            let rule = "29.1, D-104, annex I, latch";
            Unmet::new(RefusalKind::CriteriaUnmet, what, rule, remedy)
        };
        let (Some(quoted), Some(file)) = (lease.restart_decision, file) else {
            let what =
                format!("latched by {}: no restart decision with its file", causes.join(" "));
            let remedy = "send a lease that quotes a restart decision, with the restart file";
            return vec![unmet(what, remedy)];
        };
        let config = &self.config;
        let judged = authorize(file, &config.policy, None, &config.log, &config.mode, now.utc);
        let granted = match judged {
            Ok(granted) => granted,
            Err(refusal) => return refusal.unmet().to_vec(),
        };
        let mut found = Vec::new();
        if granted.decision() != quoted {
            let what = format!("the lease quotes {quoted}, the file is {}", granted.decision());
            found.push(unmet(what, "send the file of the quoted decision"));
        }
        let subsystem = granted.subsystem();
        if subsystem.node != config.node || subsystem.role != config.role {
            let what = format!("the decision is for {subsystem}");
            found.push(unmet(what, "decide the restart of this node and role"));
        }
        if granted.key() != self.key() {
            let what = format!("the decision is for key {}", granted.key());
            found.push(unmet(what, "decide the restart of the guarded key"));
        }
        let Ok(state) = &self.state else { return found };
        if state.spent_restarts.contains(&quoted) {
            let what = format!("decision {quoted} has opened this gate before");
            found.push(unmet(what, "decide the restart again"));
        }
        let decided_at = granted.valid_until().plus_ms(-RESTART_VALID_MS);
        let latched_at = state.latched_at.unwrap_or(Timestamp::EPOCH);
        if latched_at.ms_since(decided_at) > CLOCK_AHEAD_MS {
            let what = format!("decided at {decided_at}, latched at {latched_at}");
            found.push(unmet(what, "decide the restart with the last latch in view"));
        }
        found
    }
}

/// SSH namespace of a person's signature over a lease.
pub const LEASE_NAMESPACE: &str = "azir-lease@v1";
/// Most signatures on a lease by hand (bounded input).
pub(crate) const HAND_SIGNATURES_MAX: usize = 8;

/// A lease signed by people instead of a server (annex I, break glass).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandLease {
    /// The lease.
    pub lease: Lease,
    /// Signatures of people over its canonical bytes, in [`LEASE_NAMESPACE`].
    pub signatures: Vec<HandSignature>,
}

/// One person's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandSignature {
    /// `operator:<name>` of the policy.
    pub person: String,
    /// Armored SSH signature.
    pub sig: String,
}

impl HandLease {
    fn unmet(&self, policy: &Policy) -> Vec<Unmet> {
        let rule = "annex I, break glass";
        let bytes = match canon::encode(&self.lease) {
            Ok(bytes) => bytes,
            Err(e) => return vec![Unmet::new(canon_kind(&e), e.to_string(), rule, SIGN)],
        };
        let mut unmet = Vec::new();
        if self.lease.schema != Lease::SCHEMA {
            let what = format!("schema is {:?}", self.lease.schema);
            unmet.push(Unmet::new(RefusalKind::InvalidSchema, what, "D-010", Lease::SCHEMA));
        }
        let mut keys = BTreeSet::new();
        for signature in self.signatures.iter().take(HAND_SIGNATURES_MAX) {
            let Some(person) = policy.person(&signature.person) else {
                let what = format!("{} is not in the policy", signature.person);
                unmet.push(Unmet::new(
                    RefusalKind::UnknownActor,
                    what,
                    rule,
                    "sign as a person of it",
                ));
                continue;
            };
            match person.key.verify(LEASE_NAMESPACE, &bytes, &signature.sig) {
                Ok(()) => {
                    keys.insert(&person.key);
                }
                Err(e) => {
                    let what = format!("{}: {e}", signature.person);
                    let kind = RefusalKind::SignatureInvalid;
                    unmet.push(Unmet::new(kind, what, rule, "sign the lease's canonical bytes"));
                }
            }
        }
        if keys.len() < 2 {
            let what = format!("{} operator keys signed, two are needed", keys.len());
            let kind = RefusalKind::SecondPersonRequired;
            unmet.push(Unmet::new(kind, what, rule, "let a second person sign the lease"));
        }
        unmet
    }
}

const RULE: &str = "22.3, annex I";
const SIGN: &str = "let a lease signer of the gate's policy sign it";

/// A signed value that was not accepted, as an unmet condition.
pub(super) fn seal_unmet(error: &SealError) -> Unmet {
    let kind = match error {
        SealError::Canon(error) => canon_kind(error),
        SealError::Schema { .. } => RefusalKind::InvalidSchema,
        SealError::Signature(_) => RefusalKind::SignatureInvalid,
        SealError::Signer { .. } => RefusalKind::NotAuthorized,
    };
    Unmet::new(kind, error.to_string(), RULE, SIGN)
}

fn canon_kind(error: &CanonError) -> RefusalKind {
    match error {
        CanonError::NotCanonical { .. } | CanonError::Unencodable { .. } => {
            RefusalKind::NotCanonical
        }
        CanonError::Schema { .. } => RefusalKind::InvalidSchema,
    }
}
