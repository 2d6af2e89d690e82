//! Asks the engine's own admission what it would say of an act, without the person's key: on a copy
//! of the state in which every person has the same throw-away key. Nothing of it leaves this
//! process, so no rule is repeated here and no answer can differ from that of the log.

use azir_engine::admit::admit;
use azir_engine::{Body, Objects, State};
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{Digest, Event, PersonKey, SignedEvent, Timestamp};
use azir_model::Role;
use azir_model::refusal::{RefusalKind, Unmet};
use serde_json::Value;

use crate::host::Host;

/// Stands for content that the person brings with the act. It is in no vault.
pub(super) const CONTENT: Digest = Digest([0; 32]);

/// Who would act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) person: String,
    pub(super) role: Role,
}

/// The copy, and what admission looks at beside it.
pub(super) struct Trial<'h> {
    state: State,
    host: &'h Host,
    key: PersonKey,
    objects: Box<dyn Objects + 'h>,
    now: Timestamp,
}

impl<'h> Trial<'h> {
    pub(super) fn new(host: &'h Host, now: Timestamp) -> Self {
        let mut state = host.engine().state().clone();
        let key = PersonKey::from_seed([0x5a; 32], "trial");
        for person in state.policy.iter_mut().flat_map(|p| &mut p.people) {
            person.key = key.public();
        }
        let now = state.clock.map_or(now, |clock| now.max(clock));
        Self { state, host, key, objects: Box::new(host.objects()), now }
    }

    /// Everything that stands against the act now, but for what the person brings with it.
    pub(super) fn unmet(
        &self,
        incident: Option<Digest>,
        actor: &Actor,
        kind: &str,
        body: &Value,
    ) -> Vec<Unmet> {
        let body = match Body::parse(kind, body) {
            Ok(body) => body.value(),
            Err(unmet) => return vec![unmet],
        };
        let event = Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: self.host.engine().log().to_owned(),
            mode: self.host.engine().mode().to_owned(),
            subject: incident,
            kind: kind.to_owned(),
            body,
            actor: actor.person.clone(),
            role: Some(actor.role.to_string()),
            at: self.now,
            seen_final: None,
            basis: Some(self.state.size),
        };
        let signed = match SignedEvent::by_person(&event, &self.key) {
            Ok(signed) => signed,
            Err(error) => {
                let kind = RefusalKind::InvalidSchema;
                return vec![Unmet::new(kind, error.to_string(), "D-009", "shorten it")];
            }
        };
        let (log, mode) = (&event.log, &event.mode);
        let judged = admit(&self.state, log, mode, &signed, self.now, self.objects.as_ref());
        let brought = CONTENT.to_string();
        let unmet = judged.err().map(|r| r.refusal.unmet().to_vec()).unwrap_or_default();
        unmet.into_iter().filter(|u| !u.what.contains(&brought)).collect()
    }
}
