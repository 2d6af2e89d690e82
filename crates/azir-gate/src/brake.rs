//! The brake: the only lock that a close and a signature share. It is held for a few instructions
//! and never over I/O, so a close takes effect at once, whatever the disk does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use azir_ledger::canon::INTEGER_MAX;
use azir_model::directive::ClosedReason;

/// Most causes that wait to be recorded; more are not needed, the gate is closed anyway.
const PENDING_MAX: usize = 64;

#[derive(Debug)]
struct Inner {
    sequence: u64,
    open: bool,
    pending: Vec<ClosedReason>,
}

/// Gate sequence and whether signatures may leave. Every signature takes its number here, and so
/// does every close; after a close no number is given to a signature until the gate opens again.
#[derive(Debug)]
pub(crate) struct Brake(Mutex<Inner>);

impl Brake {
    /// Shut, with the last number that was used.
    pub(crate) fn shut(sequence: u64) -> Self {
        Self(Mutex::new(Inner { sequence, open: false, pending: Vec::new() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Invariant: no code between lock and unlock can panic; the values stay valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number for a signature that leaves now, or nothing when the gate is shut.
    pub(crate) fn release(&self) -> Option<u64> {
        let mut inner = self.inner();
        if !inner.open || inner.sequence >= INTEGER_MAX {
            return None;
        }
        inner.sequence += 1;
        Some(inner.sequence)
    }

    /// Shuts, and keeps the cause for the gate to record. Returns the number of the close.
    pub(crate) fn stop(&self, cause: ClosedReason) -> u64 {
        let mut inner = self.inner();
        inner.open = false;
        if inner.pending.len() < PENDING_MAX && !inner.pending.contains(&cause) {
            inner.pending.push(cause);
        }
        inner.sequence = inner.sequence.saturating_add(1).min(INTEGER_MAX);
        inner.sequence
    }

    /// Opens, unless a close came in between. Returns the number of the opening.
    pub(crate) fn open(&self) -> Option<u64> {
        let mut inner = self.inner();
        if !inner.pending.is_empty() || inner.sequence >= INTEGER_MAX {
            return None;
        }
        inner.open = true;
        inner.sequence += 1;
        Some(inner.sequence)
    }

    /// Causes that were not yet recorded.
    pub(crate) fn take_pending(&self) -> Vec<ClosedReason> {
        std::mem::take(&mut self.inner().pending)
    }

    /// The last number that was used.
    pub(crate) fn sequence(&self) -> u64 {
        self.inner().sequence
    }
}
