//! The front for threads. A close takes effect through the brake alone, before the gate's own
//! lock, so it waits for no disk and for no other request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azir_ledger::Digest;
use azir_model::directive::{
    ClosedBy, ClosedReason, SignedDirective, SignedFinding, SignedLease, SignedStatement,
};
use azir_model::refusal::Refusal;
use azir_model::restart::RestartFile;

use crate::brake::Brake;
use crate::durable::Durable;
use crate::gate::{CloseAck, Denial, Gate, Grant, IntegrityFacts, bounded};
use crate::ports::Now;

/// A gate that many threads use. Clones share it.
pub struct SharedGate<D: Durable> {
    gate: Arc<Mutex<Gate<D>>>,
    brake: Arc<Brake>,
}

impl<D: Durable> Clone for SharedGate<D> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), brake: Arc::clone(&self.brake) }
    }
}

impl<D: Durable> SharedGate<D> {
    /// Shares a gate.
    #[must_use]
    pub fn new(gate: Gate<D>) -> Self {
        let brake = Arc::clone(gate.brake());
        Self { gate: Arc::new(Mutex::new(gate)), brake }
    }

    fn gate(&self) -> MutexGuard<'_, Gate<D>> {
        self.gate.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            // A panic inside the gate: it stays closed for good, and still answers.
            let detail = "a request ended in a fault of the gate itself".to_owned();
            self.brake.stop(ClosedReason { by: ClosedBy::Integrity, detail });
            poisoned.into_inner()
        })
    }

    /// Stops now, without waiting for anything; the latch is written by whoever holds the gate
    /// next. Returns the gate sequence of the close: no signature until the next opening has a
    /// higher one. Implements R-22.3-3.
    pub fn stop(&self, by: ClosedBy, detail: &str) -> u64 {
        self.brake.stop(ClosedReason { by, detail: bounded(detail) })
    }

    /// [`SharedGate::stop`], then waits until the latch is written or failed to be.
    pub fn close(&self, now: Now, by: ClosedBy, detail: &str) -> CloseAck {
        let sequence = self.stop(by, detail);
        let mut gate = self.gate();
        let trouble = gate.record_closes(now);
        CloseAck { sequence, latch_durable: gate.latch_durable(), trouble }
    }

    /// See [`Gate::obey`].
    ///
    /// # Errors
    /// As [`Gate::obey`].
    pub fn obey(&self, now: Now, directive: &SignedDirective) -> Result<SignedStatement, Refusal> {
        self.gate().obey(now, directive)
    }

    /// See [`Gate::install_lease`].
    ///
    /// # Errors
    /// As [`Gate::install_lease`].
    pub fn install_lease(
        &self,
        now: Now,
        lease: &SignedLease,
        restart: Option<&RestartFile>,
        consistency: &[Digest],
    ) -> Result<SignedStatement, Refusal> {
        self.gate().install_lease(now, lease, restart, consistency)
    }

    /// See [`Gate::report_facts`].
    pub fn report_facts(&self, now: Now, facts: IntegrityFacts) {
        self.gate().report_facts(now, facts);
    }

    /// See [`Gate::sign`].
    ///
    /// # Errors
    /// As [`Gate::sign`].
    pub fn sign(&self, now: Now, request: &[u8]) -> Result<Grant, Denial> {
        self.gate().sign(now, request)
    }

    /// See [`Gate::statement`].
    #[must_use]
    pub fn statement(&self, now: Now) -> SignedStatement {
        self.gate().statement(now)
    }

    /// See [`Gate::take_findings`].
    #[must_use]
    pub fn take_findings(&self) -> Vec<SignedFinding> {
        self.gate().take_findings()
    }
}
