//! Drill identities: people and machines with real keys made from the seed for one run. Their
//! signatures carry the drill's mode, so they can never act outside it (D-120).

use azir_engine::Body;
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{Digest, Event, MachineKey, PersonKey, SeenFinal, SignedEvent, Timestamp};
use azir_model::Role;

/// Bytes for a secret key of this run, by name.
#[must_use]
pub fn secret(seed: u64, name: &str) -> [u8; 32] {
    Digest::tagged("AZ:DRILL:KEY:", format!("{seed}:{name}").as_bytes()).0
}

/// A machine key of this run.
#[must_use]
pub fn machine(seed: u64, name: &str) -> MachineKey {
    MachineKey::from_seed(secret(seed, name))
}

/// A person of the drill.
#[derive(Debug)]
pub struct DrillPerson {
    /// Actor id, `operator:<name>`.
    pub id: String,
    /// The key.
    pub key: PersonKey,
    /// Roles that the policy lets this person take.
    pub roles: Vec<Role>,
}

/// The people of a drill: name and roles.
const PEOPLE: [(&str, &[Role]); 9] = [
    ("ana", &[Role::OnCallOperator]),
    ("bogdan", &[Role::IncidentCommander]),
    ("carmen", &[Role::ConsensusLead]),
    ("dan", &[Role::SecurityLead]),
    ("elena", &[Role::GovernanceLiaison]),
    ("florin", &[Role::RecoveryOperator]),
    ("gabi", &[Role::AuditScribe]),
    ("horia", &[Role::ExecutionLead]),
    ("ioana", &[Role::IncidentReporter]),
];

/// Makes the people of a run.
#[must_use]
pub fn people(seed: u64) -> Vec<DrillPerson> {
    PEOPLE
        .iter()
        .map(|(name, roles)| DrillPerson {
            id: format!("operator:{name}"),
            key: PersonKey::from_seed(secret(seed, name), &format!("operator:{name}")),
            roles: roles.to_vec(),
        })
        .collect()
}

/// What stays the same in every event of a run.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Origin of the log.
    pub log: String,
    /// Mode of the run.
    pub mode: String,
    /// The incident, once open.
    pub incident: Option<Digest>,
    /// Author's clock.
    pub at: Timestamp,
    /// Log size the author has seen.
    pub basis: u64,
    /// Highest hard-final block the author has verified.
    pub seen_final: Option<SeenFinal>,
}

impl Frame {
    /// The unsigned event of one author.
    #[must_use]
    pub fn event(&self, actor: &str, role: Option<Role>, body: &Body) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: self.log.clone(),
            mode: self.mode.clone(),
            subject: self.incident.filter(|_| !body.names_no_incident()),
            kind: body.kind().to_owned(),
            body: body.value(),
            actor: actor.to_owned(),
            role: role.map(|r| r.to_string()),
            at: self.at,
            seen_final: self.seen_final,
            basis: Some(self.basis),
        }
    }

    /// An event signed by a machine.
    ///
    /// # Errors
    /// As [`SignedEvent::by_machine`].
    pub fn by_machine(
        &self,
        actor: &str,
        key: &MachineKey,
        body: &Body,
    ) -> Result<SignedEvent, azir_ledger::event::EventError> {
        SignedEvent::by_machine(&self.event(actor, None, body), key)
    }
}
