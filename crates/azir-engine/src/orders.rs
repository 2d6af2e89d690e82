//! Orders for gates as a carrier takes them to a node: the bodies that the server signs. What is
//! owed follows from the state, so it can be made again at any time (annex I).

use azir_ledger::{Digest, Timestamp};
use azir_model::directive::{BlockPoint, Directive, Lease, LeaseKind, LogPoint, Sealable as _};
use azir_model::restart::Subsystem;
use azir_model::scope::{Scope, ScopeKind};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentId, Severity};

use crate::engine::{Close, Engine, Reopen};
use crate::fold::subsystem;
use crate::software;
use crate::view::{GateRecord, IncidentView, MeasureRecord};

/// What the log's server may sign for gates now.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The engine of the log.
    pub engine: &'a Engine,
    /// Time of the log's server; also the counter from which fences rise (ADR 0003).
    pub now: Timestamp,
    /// The newest signed checkpoint.
    pub checkpoint: LogPoint,
}

/// A gate that may be given a lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Grantee {
    /// Node and role.
    pub subsystem: Subsystem,
    /// The gate's newest statement.
    pub record: GateRecord,
    /// Kind of the lease.
    pub kind: LeaseKind,
}

impl Frame<'_> {
    /// A number above every earlier one: milliseconds of the log's clock.
    fn fence(&self) -> u64 {
        let clock = self.engine.state().clock.map_or(self.now, |clock| self.now.max(clock));
        u64::try_from(clock.ms()).unwrap_or(0)
    }

    /// The order to close.
    #[must_use]
    pub fn close(&self, close: &Close) -> Directive {
        let mut roles = close.roles.clone();
        roles.sort_unstable();
        roles.dedup();
        Directive {
            schema: Directive::SCHEMA.to_owned(),
            log: self.engine.log().to_owned(),
            mode: self.engine.mode().to_owned(),
            node: close.node.clone(),
            roles,
            measure: close.measure.clone(),
            incident: close.incident,
            fence: self.fence(),
            reason: close.reason.clone(),
            compromised: self.engine.state().listed_keys.keys().copied().collect(),
        }
    }

    /// A lease for one gate; with a restart decision it clears a latch.
    #[must_use]
    pub fn lease(&self, to: &Grantee, decision: Option<Digest>) -> Lease {
        let trusted = crate::status::shown_final(self.engine.state());
        let trusted = trusted.map_or(BlockPoint { height: 0, block: Digest([0; 32]) }, |c| {
            BlockPoint { height: c.height, block: c.block }
        });
        Lease {
            schema: Lease::SCHEMA.to_owned(),
            log: self.engine.log().to_owned(),
            mode: self.engine.mode().to_owned(),
            node: to.subsystem.node.clone(),
            role: to.subsystem.role,
            key: to.record.key,
            fence: self.fence(),
            kind: to.kind,
            not_after_ms: to.kind.ms_max(),
            checkpoint: self.checkpoint,
            trusted,
            restart_decision: decision,
        }
    }
}

impl Engine {
    /// Phases that were carried out and whose gate does not yet say that it is open.
    #[must_use]
    pub fn owed_reopens(&self) -> Vec<Reopen> {
        let mut owed = Vec::new();
        for (incident, view) in &self.state().incidents {
            for (name, restart) in &view.restarts {
                let carried = restart.carried.as_ref().zip(restart.decision);
                let shut = view.gates.get(name).is_none_or(|g| !g.open);
                let (Some((_, decision)), true) = (carried, shut) else { continue };
                let held = software::held_back(self.state(), name).is_some();
                if held || self.held_elsewhere(*incident, name) {
                    continue;
                }
                owed.extend(self.reopen(*incident, view, name, decision));
            }
        }
        owed
    }

    fn reopen(
        &self,
        incident: IncidentId,
        view: &IncidentView,
        name: &str,
        decision: Digest,
    ) -> Option<Reopen> {
        let (node, role) = name.rsplit_once('/')?;
        let file = self.state().restart_file(view, name, decision)?;
        let role: NodeRole = role.parse().ok()?;
        Some(Reopen { incident, node: node.to_owned(), role, decision, file })
    }

    /// Gates that may be kept open or opened now: not latched, held shut by no measure, and without
    /// a phase to come back through. The kind follows from whether an incident covers the node.
    #[must_use]
    pub fn leasable(&self) -> Vec<Grantee> {
        let state = self.state();
        let nodes = state.policy.iter().flat_map(|p| &p.nodes);
        let gates = nodes.flat_map(|n| n.roles.iter().map(|role| (n.node.clone(), *role)));
        let mut grantees = Vec::new();
        for (node, role) in gates {
            let name = subsystem(&node, role);
            let Some(record) = state.gates.get(&name).filter(|g| !g.latched) else { continue };
            let void = state.revoked.contains_key(&format!("gate:{name}"));
            let holds = |v: &IncidentView| {
                let restart = v.restarts.get(&name).and_then(|r| r.carried.as_ref());
                let measures = v.measures.values().filter(|m| m.released.is_none());
                let shuts = |m: &MeasureRecord| m.node == node && m.roles.contains(&role);
                let mut on = measures.filter(|m| shuts(m));
                on.any(|m| restart.is_none_or(|back| back.index <= m.commanded.index))
            };
            let held = software::held_back(state, &name).is_some();
            if void
                || held
                || state.listed_key(&name).is_some()
                || state.incidents.values().any(holds)
            {
                continue;
            }
            let kind = if self.covered(&node) { LeaseKind::Incident } else { LeaseKind::Standing };
            let record = record.clone();
            grantees.push(Grantee { subsystem: Subsystem { node, role }, record, kind });
        }
        grantees
    }

    /// True when a measure of another incident holds this gate shut without a restart of its own.
    fn held_elsewhere(&self, incident: IncidentId, name: &str) -> bool {
        let mut others = self.state().incidents.values().filter(|v| v.id != incident);
        others.any(|v| {
            let names = |m: &MeasureRecord, r: &NodeRole| subsystem(&m.node, *r) == name;
            let mut held = v.measures.values().filter(|m| m.released.is_none());
            let holds = held.any(|m| m.roles.iter().any(|r| names(m, r)));
            holds && v.restarts.get(name).is_none_or(|r| r.carried.is_none())
        })
    }

    /// True while an open incident of SEV_2 or above covers the node (annex I): any but one that is
    /// about other own nodes only.
    fn covered(&self, node: &str) -> bool {
        let elsewhere = |scope: &String| {
            let parsed = scope.parse::<Scope>();
            parsed.is_ok_and(|s| s.kind() == ScopeKind::Node && s.id() != node)
        };
        let mut open = self.state().incidents.values().filter(|v| v.is_open());
        open.any(|v| {
            let other = !v.scopes.is_empty() && v.scopes.iter().all(elsewhere);
            v.severity >= Severity::Sev2Medium && !other
        })
    }
}
