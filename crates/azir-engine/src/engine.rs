//! The control plane without I/O: inputs and a time go in, effects come out.
//!
//! Ledger before act: an accepted event first becomes [`Effect::Append`]; what it causes is held
//! back until [`Input::Durable`] says that the entry is stored. The host performs effects and
//! makes no choices. After a failed append the engine must be rebuilt from the store
//! ([`Engine::load`]), which is the same fold.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::entry::EntryMeta;
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{Digest, Entry, Event, SignedEvent, Timestamp};
use azir_model::evidence::{evidence_list_hash, scopes_hash};
use azir_model::lifecycle::{ContainingCause, MeasureState};
use azir_model::restart::RestartFile;
use azir_model::vocab::NodeRole;
use azir_model::{
    Choice, IncidentClass, IncidentId, IncidentState, OpeningRecord, Profile, Refusal, RefusalKind,
    Severity, class,
};
use serde_json::Value;

use crate::body::{
    AttemptRefused, Body, DraftKind, IncidentOpened, MoveCause, Restriction, RestrictionsObserved,
    StateMoved,
};
use crate::state::{FoldError, State};
use crate::view::{DraftRecord, IncidentView, MeasureRecord};
use crate::{admit, facts, running};

/// Most accepted events that may wait for their durable acknowledgement; beyond it the engine
/// answers `unavailable` (bounded queue).
pub const PENDING_MAX: usize = 4_096;

/// Most unmet conditions of a refused attempt that go on record, so that the entry stays within the
/// size of an event; the author is told all of them.
pub const ATTEMPT_UNMET_MAX: usize = 20;

/// Content by hash, as far as the host holds it (vault or bundle).
pub trait Objects {
    /// The bytes whose SHA-256 is `digest`, if they are held and undamaged.
    fn get(&self, digest: &Digest) -> Option<Vec<u8>>;

    /// Shows the same bytes part by part, for content that need not be in memory as a whole; gives
    /// their number. What was shown counts only when a number is given.
    fn visit(&self, digest: &Digest, see: &mut dyn FnMut(&[u8])) -> Option<u64> {
        let bytes = self.get(digest)?;
        see(&bytes);
        u64::try_from(bytes.len()).ok()
    }
}

impl Objects for BTreeMap<Digest, Vec<u8>> {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        Self::get(self, digest).filter(|bytes| Digest::of(bytes) == *digest).cloned()
    }
}

/// What the host tells the engine.
#[derive(Debug)]
pub enum Input {
    /// An author submits a signed event.
    Submit(Box<SignedEvent>),
    /// All entries below this log size are stored durably.
    Durable(u64),
    /// Time has passed: rules with deadlines look again.
    Tick,
}

/// What the host must do.
#[derive(Debug)]
pub enum Effect {
    /// Store this entry durably, then say [`Input::Durable`].
    Append(Box<Entry>),
    /// Answer the author of this event.
    Reply {
        /// Hash of the event.
        event: Digest,
        /// Position, or everything that is not met.
        outcome: Result<u64, Refusal>,
    },
    /// Sign this event as the server and submit it.
    Record(Box<Event>),
    /// Order these gates to close. Closing and the lease below are all that leaves for a node:
    /// nothing writes state, rules or chain data (R-2.3-3).
    Close(Close),
    /// Give this gate a lease that quotes the restart decision.
    Reopen(Reopen),
}

/// An order to close gates; derived from a durable `measure.commanded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The incident.
    pub incident: IncidentId,
    /// The measure.
    pub measure: String,
    /// The node.
    pub node: String,
    /// The roles.
    pub roles: Vec<NodeRole>,
    /// Why.
    pub reason: String,
    /// Position of the command: rising, so a repeated order is recognised.
    pub fence: u64,
}

/// A restart decision that the Recovery Operator carries out; the host sends the lease with the
/// restart file that it quotes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reopen {
    /// The incident.
    pub incident: IncidentId,
    /// The node.
    pub node: String,
    /// The role.
    pub role: NodeRole,
    /// Hash of the decision event.
    pub decision: Digest,
    /// Decision, criteria and approvals, as signed: the gate checks them itself.
    pub file: RestartFile,
}

/// The engine of one log.
#[derive(Debug)]
pub struct Engine {
    log: String,
    mode: String,
    state: State,
    durable: u64,
    waiting: BTreeMap<u64, Vec<Effect>>,
}

impl Engine {
    /// An engine for an empty log.
    #[must_use]
    pub fn new(log: &str, mode: &str) -> Self {
        Self {
            log: log.to_owned(),
            mode: mode.to_owned(),
            state: State::default(),
            durable: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Applies a stored entry at start-up: the same fold as live operation. Directives of entries
    /// without a receipt are sent again by [`Engine::resend`].
    ///
    /// # Errors
    /// [`FoldError`] names the entry whose view does not follow from its predecessors.
    pub fn load(&mut self, entry: &Entry) -> Result<(), FoldError> {
        self.state.apply(entry)?;
        self.durable = self.state.size;
        Ok(())
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Origin of the log.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// `live`, or the drill.
    #[must_use]
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// The only entrance. `now` is the log's clock.
    pub fn step(&mut self, now: Timestamp, input: Input, objects: &dyn Objects) -> Vec<Effect> {
        match input {
            Input::Submit(signed) => self.submit(now, *signed, objects),
            Input::Durable(size) => self.release(size),
            Input::Tick => self.tick(now, objects),
        }
    }

    fn submit(
        &mut self,
        now: Timestamp,
        signed: SignedEvent,
        objects: &dyn Objects,
    ) -> Vec<Effect> {
        let event = signed.hash();
        let first = self
            .state
            .accepted
            .get(&event)
            .copied()
            .or_else(|| admit::repeated_opening(&self.state, &self.log, &self.mode, &signed));
        if let Some(index) = first {
            return self.answer_again(event, index);
        }
        if self.waiting.len() >= PENDING_MAX {
            let outcome = Err(Refusal::one(
                RefusalKind::Unavailable,
                format!("{PENDING_MAX} accepted events wait to be stored"),
                "2.1, bounded queue",
                "submit again when the store has caught up",
            ));
            return vec![Effect::Reply { event, outcome }];
        }
        let now = self.state.clock.map_or(now, |clock| now.max(clock));
        match admit::admit(&self.state, &self.log, &self.mode, &signed, now, objects) {
            Ok(body) => self.accept(now, signed, &body),
            Err(refused) => self.refuse(now, &signed, refused),
        }
    }

    /// Annex A: repeating an accepted request returns the first result, which is told as late as it
    /// was told first: when the entry is durable.
    fn answer_again(&mut self, event: Digest, index: u64) -> Vec<Effect> {
        let reply = Effect::Reply { event, outcome: Ok(index) };
        if index < self.durable {
            return vec![reply];
        }
        self.waiting.entry(index).or_default().push(reply);
        Vec::new()
    }

    fn accept(&mut self, now: Timestamp, signed: SignedEvent, body: &Body) -> Vec<Effect> {
        let (index, event) = (self.state.size, signed.hash());
        let mut held = vec![Effect::Reply { event, outcome: Ok(index) }];
        let view = match self.state.apply_body(&signed, now, body) {
            Ok(view) => view,
            Err(error) => {
                let outcome = Err(Refusal::one(
                    RefusalKind::InvalidSchema,
                    error.to_string(),
                    "D-013",
                    "send an event about an incident of this log",
                ));
                return vec![Effect::Reply { event, outcome }];
            }
        };
        held.extend(self.consequences(&signed, now, index, body));
        self.waiting.insert(index, held);
        let meta = EntryMeta { index, recorded: now, view };
        vec![Effect::Append(Box::new(Entry { meta, signed }))]
    }

    /// A refusal, and the attempt of an authenticated actor on record. Implements R-32.1-11.
    fn refuse(&self, now: Timestamp, signed: &SignedEvent, refused: admit::Refused) -> Vec<Effect> {
        let event = signed.hash();
        let mut effects = Vec::new();
        let about = signed.event();
        let known =
            about.subject.is_some_and(|s| self.state.incidents.contains_key(&IncidentId(s)));
        if refused.authenticated && (known || about.subject.is_none()) {
            let body = Body::AttemptRefused(AttemptRefused {
                attempted: about.kind.clone(),
                actor: about.actor.clone(),
                event,
                unmet: refused.refusal.unmet().iter().take(ATTEMPT_UNMET_MAX).cloned().collect(),
            });
            let subject = about.subject.filter(|_| known);
            effects.extend(self.record(now, subject, &body));
        }
        effects.push(Effect::Reply { event, outcome: Err(refused.refusal) });
        effects
    }

    /// Effects that an accepted event causes once it is durable.
    fn consequences(
        &self,
        signed: &SignedEvent,
        now: Timestamp,
        index: u64,
        body: &Body,
    ) -> Vec<Effect> {
        if let Body::RestrictionsObserved(seen) = body {
            return self.restrictions_changed(now, signed, seen);
        }
        let Some(incident) = signed.event().subject.map(IncidentId) else { return Vec::new() };
        let Some(view) = self.state.incidents.get(&incident) else { return Vec::new() };
        match body {
            // The node's agent drops peers; no gate is ordered.
            Body::MeasureCommanded(b) if b.roles.is_empty() => Vec::new(),
            Body::MeasureCommanded(b) => vec![Effect::Close(Close {
                incident,
                measure: b.measure.clone(),
                node: b.node.clone(),
                roles: b.roles.clone(),
                reason: b.reason.clone(),
                fence: index,
            })],
            Body::KeyListed(b) => self
                .state
                .guarding(|key| b.keys.contains(key))
                .map(|(node, roles)| {
                    let measure = LISTED_KEY.to_owned();
                    let reason = b.reason.clone();
                    Effect::Close(Close { incident, measure, node, roles, reason, fence: index })
                })
                .collect(),
            Body::PhaseCarried(b) => {
                let name = crate::fold::subsystem(&b.subsystem.node, b.subsystem.role);
                let file = self.state.restart_file(view, &name, b.decision);
                let reopen = |file| Reopen {
                    incident,
                    node: b.subsystem.node.clone(),
                    role: b.subsystem.role,
                    decision: b.decision,
                    file,
                };
                file.map(reopen).map(Effect::Reopen).into_iter().collect()
            }
            Body::StateMoved(b) if b.to == IncidentState::Closed => self.postmortem_owed(now, view),
            Body::NetworkObserved(b) if b.damage > 0 => {
                self.relapse(now, view, ContainingCause::Relapse, signed.hash())
            }
            Body::GateStated(_) if view.measures.values().any(MeasureRecord::is_lost) => {
                self.relapse(now, view, ContainingCause::LostMeasure, signed.hash())
            }
            _ => Vec::new(),
        }
    }

    /// What a new list of restrictions means: a protection that ended unplanned is a lost measure
    /// (D-089), and an emergency object that nobody here drafted is an incident of its own.
    fn restrictions_changed(
        &self,
        now: Timestamp,
        signed: &SignedEvent,
        seen: &RestrictionsObserved,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        for view in self.state.incidents.values() {
            let measures = facts::protocol_measures(&self.state, view);
            if measures.values().any(|s| *s == MeasureState::Lost) {
                let kind = ContainingCause::LostMeasure;
                effects.extend(self.relapse(now, view, kind, signed.hash()));
            }
        }
        effects.extend(self.unmatched(now, seen));
        effects
    }

    /// Emergency restrictions without a draft of this deployment open one INC_GOVERNANCE for all
    /// that are new. Implements R-38.1-2 and R-40.0-7.
    fn unmatched(&self, now: Timestamp, seen: &RestrictionsObserved) -> Option<Effect> {
        let reference = |r: &Restriction| format!("restriction:{}", r.object);
        let drafted = |v: &IncidentView, r: &Restriction| {
            let emergency = |d: &&DraftRecord| d.draft == DraftKind::EmergencyRestriction;
            v.drafts.iter().filter(emergency).any(|d| d.object == r.object)
        };
        let about = |v: &IncidentView, r: &Restriction| {
            v.record.incident_class == IncidentClass::Governance
                && v.record.related_object_refs.contains(&reference(r))
        };
        let known = |r: &Restriction| {
            let mut all = self.state.incidents.values();
            all.any(|v| drafted(v, r) || about(v, r))
        };
        let emergency = seen.in_force.iter().filter(|r| r.choice == Choice::EmergencyRestriction);
        let strange: Vec<_> = emergency.filter(|r| !known(r)).collect();
        if strange.is_empty() {
            return None;
        }
        let objects: BTreeSet<String> = strange.iter().map(|r| reference(r)).collect();
        let scopes: BTreeSet<String> = strange.iter().map(|r| r.scope.clone()).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        let node = &seen.node;
        let class = IncidentClass::Governance;
        let record = OpeningRecord {
            affected_scopes_hash: scopes_hash(scopes.iter().map(String::as_str)).ok()?,
            current_response_profile: Profile::ObserveOnly,
            detected_by: format!("agent:{node}"),
            detection_time: now,
            incident_class: class,
            initial_evidence_hash: evidence_list_hash(&[]).ok()?,
            metadata_hash: None,
            related_object_refs: objects.into_iter().collect(),
            related_runbook_id: class::row(class).runbook,
            severity: Severity::Sev4Critical,
            status: IncidentState::Detected,
        };
        let id = record.id().ok()?;
        let opened = IncidentOpened { record, scopes, evidence: vec![], continues: None };
        self.record(now, Some(id.0), &Body::IncidentOpened(opened)).pop()
    }

    /// D-035: no critical incident rests in CLOSED. Implements R-5.1-9 in part.
    fn postmortem_owed(&self, now: Timestamp, view: &IncidentView) -> Vec<Effect> {
        if view.state != IncidentState::Closed || view.peak() < Severity::Sev4Critical {
            return Vec::new();
        }
        let due = self.state.policy.as_ref().map(|p| p.postmortem_due_ms).unwrap_or(0);
        let moved = StateMoved {
            reason: Some(format!("peak severity is {}", view.peak())),
            due: Some(now.plus_ms(i64::try_from(due).unwrap_or(i64::MAX))),
            ..StateMoved::new(IncidentState::Closed, IncidentState::PostmortemPending)
        };
        self.record(now, Some(view.id.0), &Body::StateMoved(moved))
    }

    /// D-038: damage again, or a lost measure, sends the incident back to CONTAINING without
    /// waiting for a person. Implements R-5.1-12.
    fn relapse(
        &self,
        now: Timestamp,
        view: &IncidentView,
        kind: ContainingCause,
        event: Digest,
    ) -> Vec<Effect> {
        let from = view.state;
        match from {
            IncidentState::Stabilized | IncidentState::Recovering | IncidentState::Monitoring => {
                let reason = Some(format!("{kind} shown by event {}", event.short()));
                let cause = Some(MoveCause { kind, event });
                let to = IncidentState::Containing;
                let moved = StateMoved { reason, cause, ..StateMoved::new(from, to) };
                self.record(now, Some(view.id.0), &Body::StateMoved(moved))
            }
            IncidentState::Detected
            | IncidentState::Triaged
            | IncidentState::Confirmed
            | IncidentState::Containing
            | IncidentState::Closed
            | IncidentState::PostmortemPending
            | IncidentState::PostmortemPublished => Vec::new(),
        }
    }

    /// An event of the server itself, to be signed by the host.
    fn record(&self, now: Timestamp, subject: Option<Digest>, body: &Body) -> Vec<Effect> {
        let Some(server) = self.state.server.clone() else { return Vec::new() };
        let value: Value = body.value();
        vec![Effect::Record(Box::new(Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: self.log.clone(),
            mode: self.mode.clone(),
            subject,
            kind: body.kind().to_owned(),
            body: value,
            actor: server,
            role: None,
            at: now,
            seen_final: None,
            basis: Some(self.state.size),
        }))]
    }

    fn release(&mut self, size: u64) -> Vec<Effect> {
        self.durable = self.durable.max(size.min(self.state.size));
        let later = self.waiting.split_off(&self.durable);
        let released = std::mem::replace(&mut self.waiting, later);
        released.into_values().flatten().collect()
    }

    /// What the rules owe: orders without acknowledgement, and consequences that a stop of the
    /// host cut off from the event that caused them. While entries wait to be stored their
    /// consequences are still to come, so nothing is owed yet.
    fn tick(&mut self, now: Timestamp, objects: &dyn Objects) -> Vec<Effect> {
        let now = self.state.clock.map_or(now, |clock| now.max(clock));
        let mut effects = self.resend();
        if self.waiting.is_empty() {
            for (incident, event) in running::owed(&self.state, now, objects) {
                effects.extend(self.record(now, Some(incident.0), &Body::Run(event)));
            }
            for view in self.state.incidents.values() {
                effects.extend(self.postmortem_owed(now, view));
                let network = view.network.as_ref().filter(|n| n.newest.damage > 0);
                if let Some(event) = network.and_then(|n| n.damaged_by) {
                    effects.extend(self.relapse(now, view, ContainingCause::Relapse, event));
                }
                let measures = facts::protocol_measures(&self.state, view);
                let lost = measures.values().any(|s| *s == MeasureState::Lost);
                if let Some(known) = self.state.restrictions.as_ref().filter(|_| lost) {
                    let kind = ContainingCause::LostMeasure;
                    effects.extend(self.relapse(now, view, kind, known.event));
                }
            }
        }
        effects
    }

    /// Orders of measures that no gate has acknowledged: sent again, idempotent by their fence.
    #[must_use]
    pub fn resend(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (incident, view) in &self.state.incidents {
            for (name, measure) in &view.measures {
                let unsent = measure.commanded.index < self.durable;
                let gates = !measure.roles.is_empty();
                if gates && unsent && measure.released.is_none() && !measure.in_force() {
                    effects.push(Effect::Close(Close {
                        incident: *incident,
                        measure: name.clone(),
                        node: measure.node.clone(),
                        roles: measure.roles.clone(),
                        reason: "no acknowledgement yet".to_owned(),
                        fence: measure.commanded.index,
                    }));
                }
            }
        }
        effects.extend(self.owed_by_listed_keys());
        effects
    }

    /// Gates that guard a listed key and do not say that they are shut (D-108).
    fn owed_by_listed_keys(&self) -> Vec<Effect> {
        let state = &self.state;
        let mut effects = Vec::new();
        for (key, listed) in state.listed_keys.iter().filter(|(_, l)| l.mark.index < self.durable) {
            for (node, roles) in state.guarding(|guarded| guarded == key) {
                let open = |role: &NodeRole| {
                    let gate = state.gates.get(&crate::fold::subsystem(&node, *role));
                    gate.is_none_or(|g| g.open || !g.latched)
                };
                let roles: Vec<_> = roles.into_iter().filter(open).collect();
                if !roles.is_empty() {
                    let measure = LISTED_KEY.to_owned();
                    let reason = format!("key {key} is listed as compromised");
                    let (incident, fence) = (listed.incident, listed.mark.index);
                    let close = Close { incident, measure, node, roles, reason, fence };
                    effects.push(Effect::Close(close));
                }
            }
        }
        effects
    }
}

/// Name, for gates, of the order that shuts them for a listed key (D-108).
const LISTED_KEY: &str = "listed-key";
