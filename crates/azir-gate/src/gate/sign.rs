//! The path of one signature: judged, marked on disk, written to the audit trail, released.

use azir_model::directive::{ClosedBy, FindingKind};
use azir_model::refusal::{Refusal, RefusalKind, Unmet};

use super::{Denial, Gate, Grant};
use crate::durable::Durable;
use crate::ports::{AuditWhat, Intent, Now, REQUEST_BYTES_MAX};
use crate::state::Judgement;

impl<D: Durable> Gate<D> {
    /// Signs a request, or says at once everything that is in the way. The high-water mark is on
    /// disk before the signature leaves. Implements R-22.3-3, R-22.3-4, R-14.2-2.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn sign(&mut self, now: Now, request: &[u8]) -> Result<Grant, Denial> {
        self.enter(now);
        let outcome = self.try_sign(now, request);
        match outcome {
            Ok(grant) => {
                self.signed = self.signed.saturating_add(1);
                Ok(grant)
            }
            Err(refusal) => {
                self.denied = self.denied.saturating_add(1);
                Err(Denial { sequence: self.sequence(), refusal })
            }
        }
    }

    fn try_sign(&mut self, now: Now, request: &[u8]) -> Result<Grant, Refusal> {
        let intent = self.interpret(request);
        let judgement = match (&intent, &self.state) {
            (Ok(intent), Ok(state)) => Some(state.judge(intent)),
            (Err(_), Ok(_) | Err(_)) | (Ok(_), Err(_)) => None,
        };
        // A conflict is found, and latches, also while the gate is closed.
        if let (Ok(intent), Some(Judgement::Conflict { signed })) = (&intent, &judgement) {
            let (kind, slot) = (&intent.kind, intent.slot);
            let detail = format!("{kind} slot {slot}: signed {signed}, asked {}", intent.hash());
            self.find(now, FindingKind::DoubleSign, None, detail.clone());
            self.close(now, ClosedBy::DoubleSign, &detail);
        }
        let mut unmet = self.unmet_to_sign();
        match &intent {
            Err(unreadable) => unmet.push(unreadable.clone()),
            Ok(intent) => unmet.extend(judgement.as_ref().and_then(|j| objection(intent, j))),
        }
        Refusal::unless_met(unmet)?;
        match (intent, judgement) {
            (Ok(intent), Some(judgement)) => self.release(now, intent, judgement),
            // Unreachable: both were refused above. Denied all the same.
            (Err(unmet), _) => Refusal::unless_met(vec![unmet]).and(Err(self.shut_now())),
            (Ok(_), None) => Err(self.shut_now()),
        }
    }

    fn interpret(&self, request: &[u8]) -> Result<Intent, Unmet> {
        let bad = |what: String| {
            Unmet::new(RefusalKind::InvalidSchema, what, "annex I, sign state", "send one object")
        };
        if request.len() > REQUEST_BYTES_MAX {
            return Err(bad(format!("{} bytes, at most {REQUEST_BYTES_MAX}", request.len())));
        }
        let intent = self.ports.protocol.interpret(request).and_then(Intent::check);
        intent.map_err(|e| bad(format!("request: {e}")))
    }

    /// Mark on disk, audit line, number from the brake, signature: in this order.
    fn release(
        &mut self,
        now: Now,
        intent: Intent,
        judgement: Judgement,
    ) -> Result<Grant, Refusal> {
        let message = intent.hash();
        let used_up = self.state.as_ref().is_ok_and(|s| s.sequence <= self.sequence());
        let fresh = match judgement {
            Judgement::New(mark) => Some(mark),
            Judgement::Repeat => None,
            Judgement::Lower { .. } | Judgement::Conflict { .. } | Judgement::Full => {
                return Err(self.shut_now());
            }
        };
        if let (Some(mark), Ok(state)) = (&fresh, &mut self.state) {
            state.marks.insert(intent.kind.clone(), mark.clone());
        }
        if fresh.is_some() || used_up {
            self.persist(now).map_err(|_| self.shut_now())?;
        }
        let event = AuditWhat::Sign { kind: intent.kind, slot: intent.slot, message };
        self.audit(now, event).map_err(|_| self.shut_now())?;
        let sig = self.keys.role.sign("", &intent.message);
        match self.brake.release() {
            Some(sequence) => Ok(Grant { sequence, sig }),
            None => {
                // A close came in between, from another thread.
                self.settle(now);
                Err(self.shut_now())
            }
        }
    }

    /// The refusal of a gate that has just closed.
    fn shut_now(&self) -> Refusal {
        let unmet = self.unmet_to_sign();
        match Refusal::unless_met(unmet) {
            Err(refusal) => refusal,
            Ok(()) => Refusal::one(
                RefusalKind::GateClosed,
                "the gate closed while the request was under way",
                "22.3, annex I",
                "send the request again when the gate is open",
            ),
        }
    }
}

/// What the sign state has against a request.
fn objection(intent: &Intent, judgement: &Judgement) -> Option<Unmet> {
    let (kind, slot) = (&intent.kind, intent.slot);
    let rule = "annex I, sign state";
    match judgement {
        Judgement::New(_) | Judgement::Repeat => None,
        Judgement::Lower { lowest } => Some(Unmet::new(
            RefusalKind::StaleView,
            format!("{kind} slot {slot} is below {lowest}"),
            rule,
            "ask for a slot that was not passed",
        )),
        Judgement::Conflict { signed } => Some(Unmet::new(
            RefusalKind::VersionConflict,
            format!("{kind} slot {slot}: {signed} was signed, {} is another", intent.hash()),
            rule,
            "nothing: one key signs one thing for one slot",
        )),
        Judgement::Full => Some(Unmet::new(
            RefusalKind::CapExceeded,
            format!("{kind} slot {slot}: too many kinds or domains"),
            rule,
            "ask for the next slot",
        )),
    }
}
