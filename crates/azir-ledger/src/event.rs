//! Events: the one door for change. An event is canonical, and signed by its author.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canon::{self, CanonError};
use crate::machine::{MachineKey, MachinePublic, MachineSig, SignatureError};
use crate::person::{EVENT_NAMESPACE, PersonKey, PersonPublic};
use crate::{Digest, Timestamp};

/// The `schema` member of every event of this format (D-010).
pub const EVENT_SCHEMA: &str = "azir.event/1";
/// Tag of a machine's signature over an event.
pub const EVENT_TAG: &str = "AZ:EVENT:";
/// Largest canonical event, in bytes: an entry must fit a tlog entry bundle of 65,535 bytes.
pub const EVENT_BYTES_MAX: usize = 60_000;

/// The highest hard-final block that the author of an event had verified (D-016).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenFinal {
    /// Height of the block.
    pub height: u64,
    /// Id of the block.
    pub block: Digest,
}

/// One signed statement of one author. What `kind` and `body` mean is not known here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Always [`EVENT_SCHEMA`].
    pub schema: String,
    /// Origin of the log that this event is for: an event of one log is void in another.
    pub log: String,
    /// `live`, or `drill:<run>`: a drill signature can never act outside its drill (D-120).
    pub mode: String,
    /// The object that this event is about, if it is about one.
    #[serde(rename = "incident", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// Kind of event, for example `incident.opened`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Members of this kind of event.
    pub body: Value,
    /// Who: `operator:<id>`, `detector:<name>@<version>`, `agent:<id>`, `gate:<id>`, `server:<id>`.
    pub actor: String,
    /// The role in which a person acts, as its short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The author's clock when the event was signed; informative (D-016).
    pub at: Timestamp,
    /// The highest hard-final block the author had verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_final: Option<SeenFinal>,
    /// Log size the author had seen: if newer events touch the subject, the act is `stale_view`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<u64>,
}

/// A signature of a person (armored SSH signature) or of a machine (`ed25519:` and hex).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Armored SSH signature in the namespace [`EVENT_NAMESPACE`].
    Person(String),
    /// Ed25519 over [`EVENT_TAG`] and the canonical event.
    Machine(MachineSig),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(armor) => f.write_str(armor),
            Self::Machine(sig) => write!(f, "ed25519:{sig}"),
        }
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        match text.strip_prefix("ed25519:") {
            Some(hex) => hex.parse().map(Self::Machine),
            None if text.starts_with("-----BEGIN SSH SIGNATURE-----") => {
                Ok(Self::Person(text.to_owned()))
            }
            None => Err(SignatureError::Malformed { what: "signature" }),
        }
    }
}

crate::serde_as_text!(Signature);

/// A public key of a person or a machine. Written as the key kind's own text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicKey {
    /// An SSH key.
    Person(PersonPublic),
    /// An Ed25519 key.
    Machine(MachinePublic),
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(key) => key.fmt(f),
            Self::Machine(key) => write!(f, "ed25519:{key}"),
        }
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        match text.strip_prefix("ed25519:") {
            Some(hex) => hex.parse().map(Self::Machine),
            None => text.parse().map(Self::Person),
        }
    }
}

crate::serde_as_text!(PublicKey);

/// Why an event was not accepted as a signed event of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not canonical, or members do not fit.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// The schema is another one: refused, never read by older rules.
    #[error("schema is {found:?}, expected {EVENT_SCHEMA:?}")]
    Schema {
        /// What the event says.
        found: String,
    },
    /// Longer than [`EVENT_BYTES_MAX`]: larger content belongs into the vault, by hash.
    #[error("{size} bytes, at most {EVENT_BYTES_MAX}; put larger content into the vault by hash")]
    TooLarge {
        /// Size of the event in bytes.
        size: usize,
    },
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// An event with its exact bytes and its author's signature. The signature is not yet checked
/// against any key: see [`SignedEvent::verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct SignedEvent {
    bytes: Vec<u8>,
    event: Event,
    signature: Signature,
}

impl SignedEvent {
    /// Reads an event from its canonical bytes.
    ///
    /// # Errors
    /// [`EventError`] except `Signature`; nothing is repaired.
    pub fn from_bytes(bytes: Vec<u8>, signature: Signature) -> Result<Self, EventError> {
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { size: bytes.len() });
        }
        let event: Event = canon::decode(&bytes)?;
        if event.schema != EVENT_SCHEMA {
            return Err(EventError::Schema { found: event.schema });
        }
        Ok(Self { bytes, event, signature })
    }

    /// Signs an event as a person.
    ///
    /// # Errors
    /// [`EventError`] when the event has no canonical form, is too large, or the key cannot sign.
    pub fn by_person(event: &Event, key: &PersonKey) -> Result<Self, EventError> {
        let bytes = canon::encode(event)?;
        let signature = Signature::Person(key.sign(EVENT_NAMESPACE, &bytes)?);
        Self::from_bytes(bytes, signature)
    }

    /// Signs an event as a machine.
    ///
    /// # Errors
    /// As [`SignedEvent::by_person`].
    pub fn by_machine(event: &Event, key: &MachineKey) -> Result<Self, EventError> {
        let bytes = canon::encode(event)?;
        let signature = Signature::Machine(key.sign(EVENT_TAG, &bytes));
        Self::from_bytes(bytes, signature)
    }

    /// Checks the signature under `key`.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] also when the kind of key and signature differ.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        match (key, &self.signature) {
            (PublicKey::Person(key), Signature::Person(armor)) => {
                key.verify(EVENT_NAMESPACE, &self.bytes, armor)
            }
            (PublicKey::Machine(key), Signature::Machine(sig)) => {
                key.verify(EVENT_TAG, &self.bytes, sig)
            }
            (PublicKey::Person(_), Signature::Machine(_))
            | (PublicKey::Machine(_), Signature::Person(_)) => Err(SignatureError::Invalid),
        }
    }

    /// The canonical bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// SHA-256 of the canonical bytes: the name of this event.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Event {
        Event {
            schema: EVENT_SCHEMA.into(),
            log: "azir.test/log".into(),
            mode: "live".into(),
            subject: None,
            kind: "note".into(),
            body: json!({"text":"hello"}),
            actor: "operator:alice".into(),
            role: Some("OCO".into()),
            at: Timestamp::from_ms(5),
            seen_final: None,
            basis: Some(3),
        }
    }

    #[test]
    fn people_and_machines_sign_and_neither_passes_for_the_other() {
        let person = PersonKey::from_seed([1; 32], "");
        let machine = MachineKey::from_seed([1; 32]);
        let by_person = SignedEvent::by_person(&event(), &person).unwrap();
        let by_machine = SignedEvent::by_machine(&event(), &machine).unwrap();
        by_person.verify(&PublicKey::Person(person.public())).unwrap();
        by_machine.verify(&PublicKey::Machine(machine.public())).unwrap();
        assert!(by_person.verify(&PublicKey::Machine(machine.public())).is_err());
        assert!(by_machine.verify(&PublicKey::Person(person.public())).is_err());
    }

    #[test]
    fn an_event_with_an_unknown_member_or_another_schema_is_refused() {
        let sig = Signature::Machine(MachineSig([0; 64]));
        let mut value = serde_json::to_value(event()).unwrap();
        value["extra"] = json!(1);
        let extra = SignedEvent::from_bytes(canon::encode(&value).unwrap(), sig.clone());
        assert!(matches!(extra, Err(EventError::Canon(CanonError::Schema { .. }))));
        let old = Event { schema: "azir.event/0".into(), ..event() };
        let old = SignedEvent::from_bytes(canon::encode(&old).unwrap(), sig.clone());
        assert!(matches!(old, Err(EventError::Schema { .. })));
        let big = Event { body: json!("x".repeat(EVENT_BYTES_MAX)), ..event() };
        let big = SignedEvent::from_bytes(canon::encode(&big).unwrap(), sig);
        assert!(matches!(big, Err(EventError::TooLarge { .. })));
    }
}
