//! What the gate is: why it is closed, and the statement it signs about itself.

use azir_model::directive::{
    ClosedBy, ClosedReason, GateState, GateStatement, LogPoint, Sealable, SignedStatement,
};
use azir_model::refusal::{RefusalKind, Unmet};

use super::Gate;
use crate::durable::Durable;
use crate::ports::Now;

impl<D: Durable> Gate<D> {
    /// Every reason for which the gate is closed; none means open (annex I: open requires all).
    #[must_use]
    pub fn reasons(&self) -> Vec<ClosedReason> {
        let mut reasons = self.standing_reasons();
        match &self.lease {
            Some(held) if held.remaining_ms(self.clock_ms) == 0 => {
                let detail = format!("lease {} ran out", held.id.short());
                reasons.push(ClosedReason { by: ClosedBy::LeaseExpired, detail });
            }
            Some(_) => {}
            None => reasons.push(self.shut.clone()),
        }
        reasons.sort();
        reasons.dedup();
        reasons
    }

    /// The reasons other than the lease: latch, facts, compromised key.
    pub(super) fn standing_reasons(&self) -> Vec<ClosedReason> {
        let latched = self.latches.iter();
        let mut reasons: Vec<_> =
            latched.map(|(by, d)| ClosedReason { by: *by, detail: d.clone() }).collect();
        reasons.extend(self.false_facts());
        if self.compromised() && !self.latches.contains_key(&ClosedBy::KeyCompromised) {
            let detail = format!("key {} is listed as compromised", self.key());
            reasons.push(ClosedReason { by: ClosedBy::KeyCompromised, detail });
        }
        reasons
    }

    /// Facts that are false, not reported, or too old.
    pub(super) fn false_facts(&self) -> Vec<ClosedReason> {
        let reason = |detail: String| ClosedReason { by: ClosedBy::Integrity, detail };
        match &self.facts {
            None => vec![reason("integrity facts were never reported".to_owned())],
            Some((at, _)) if self.clock_ms - at > self.config.facts_max_age_ms => {
                let age = self.clock_ms - at;
                vec![reason(format!("integrity facts are {age} ms old"))]
            }
            Some((_, facts)) => {
                let failed = facts.failed();
                failed.iter().map(|f| reason(format!("fact {f} is false"))).collect()
            }
        }
    }

    pub(super) fn compromised(&self) -> bool {
        let key = self.key();
        self.state.as_ref().is_ok_and(|s| s.compromised.binary_search(&key).is_ok())
    }

    pub(super) fn unmet_to_sign(&self) -> Vec<Unmet> {
        self.reasons().iter().map(to_unmet).collect()
    }

    /// True when every cause of the latch is on disk.
    #[must_use]
    pub fn latch_durable(&self) -> bool {
        match &self.state {
            Ok(state) => self.latches.keys().all(|by| state.latches.iter().any(|l| l.by == *by)),
            // Without a state file every start is latched.
            Err(_) => true,
        }
    }

    /// What the gate is now, signed with its own key. Implements R-22.3-2 (shown as closed).
    pub fn statement(&mut self, now: Now) -> SignedStatement {
        self.enter(now);
        let reasons = self.reasons();
        let gate = match &self.lease {
            Some(held) if reasons.is_empty() => GateState::Open {
                lease: held.id,
                kind: held.lease.kind,
                remaining_ms: held.remaining_ms(self.clock_ms),
            },
            Some(_) | None => GateState::Closed { reasons },
        };
        let latches = self.latches.iter();
        let latch = latches.map(|(by, d)| ClosedReason { by: *by, detail: d.clone() }).collect();
        let (acknowledges, measure) = self.acknowledges.clone().unzip();
        self.seal(GateStatement {
            schema: GateStatement::SCHEMA.to_owned(),
            log: self.config.log.clone(),
            mode: self.config.mode.clone(),
            node: self.config.node.clone(),
            role: self.config.role,
            key: self.key(),
            sequence: self.sequence(),
            gate,
            latch,
            latch_durable: self.latch_durable(),
            fence: self.state.as_ref().map_or(0, |s| s.fence),
            seen_log: self.seen_log(),
            at: now.utc,
            signed: self.signed,
            denied: self.denied,
            acknowledges,
            measure,
            running: self.facts.as_ref().and_then(|(_, facts)| facts.running),
        })
    }

    /// Largest log that the gate has seen.
    #[must_use]
    pub fn seen_log(&self) -> Option<LogPoint> {
        self.state.as_ref().ok().and_then(|s| s.seen_log)
    }
}

/// A reason as an unmet condition. Total over annex I.
fn to_unmet(reason: &ClosedReason) -> Unmet {
    let what = format!("{}: {}", reason.by, reason.detail);
    let restart = "a lease with a higher fence that quotes a restart decision (annex J.2)";
    let lease = "a new lease of the own control plane";
    let (kind, rule, remedy) = match reason.by {
        ClosedBy::LeaseExpired => (RefusalKind::LeaseExpired, "22.3, D-106", lease),
        ClosedBy::KeyCompromised => (RefusalKind::KeyRevoked, "40, D-108", "rotate the key first"),
        ClosedBy::Boot | ClosedBy::NoLease => (RefusalKind::GateClosed, "22.3, D-106", lease),
        ClosedBy::Audit => {
            (RefusalKind::GateClosed, "annex I, audit", "free the audit trail, then a new lease")
        }
        ClosedBy::Command
        | ClosedBy::Hand
        | ClosedBy::Integrity
        | ClosedBy::DoubleSign
        | ClosedBy::SignState => (RefusalKind::GateClosed, "22.3, annex I, latch", restart),
    };
    Unmet::new(kind, what, rule, remedy)
}
