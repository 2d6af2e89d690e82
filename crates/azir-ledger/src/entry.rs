//! Log entries: an accepted event with its index, the log's time and the view it produced.

use serde::{Deserialize, Serialize};

use crate::canon;
use crate::event::{EventError, Signature, SignedEvent};
use crate::{Digest, Timestamp};

/// What the log adds to an accepted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryMeta {
    /// Position in the log, from 0.
    pub index: u64,
    /// The log's clock when it accepted the event.
    pub recorded: Timestamp,
    /// Hash of the view after this event (D-013).
    pub view: Digest,
}

/// One entry of the log. Its leaf is the canonical object `{event, index, recorded, sig, view}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What the log added.
    pub meta: EntryMeta,
    /// The event as its author signed it.
    pub signed: SignedEvent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaf {
    event: serde_json::Value,
    index: u64,
    recorded: Timestamp,
    sig: Signature,
    view: Digest,
}

impl Entry {
    /// The canonical bytes of the leaf. The event's own bytes stand in it unchanged.
    #[must_use]
    pub fn leaf_bytes(&self) -> Vec<u8> {
        let mut out = b"{\"event\":".to_vec();
        out.extend_from_slice(self.signed.bytes());
        let mut rest = format!(
            ",\"index\":{},\"recorded\":\"{}\",\"sig\":",
            self.meta.index, self.meta.recorded
        );
        canon::write_string(&self.signed.signature().to_string(), &mut rest);
        rest.push_str(&format!(",\"view\":\"{}\"}}", self.meta.view));
        out.extend_from_slice(rest.as_bytes());
        out
    }

    /// Reads an entry from the bytes of its leaf.
    ///
    /// # Errors
    /// [`EventError`]; nothing is repaired.
    pub fn from_leaf(bytes: &[u8]) -> Result<Self, EventError> {
        let leaf: Leaf = canon::decode(bytes)?;
        let meta = EntryMeta { index: leaf.index, recorded: leaf.recorded, view: leaf.view };
        let event = canon::encode_value(&leaf.event)?;
        Ok(Self { meta, signed: SignedEvent::from_bytes(event, leaf.sig)? })
    }

    /// RFC 6962 hash of the leaf: `H(0x00 || leaf)`.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        Digest::of_parts(&[&[0], &self.leaf_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{EVENT_SCHEMA, Event};
    use crate::{MachineKey, PersonKey};

    #[test]
    fn a_leaf_is_canonical_and_reads_back() {
        let event = Event {
            schema: EVENT_SCHEMA.into(),
            log: "l".into(),
            mode: "live".into(),
            subject: Some(Digest::of(b"i")),
            kind: "note".into(),
            body: json!({}),
            actor: "operator:a".into(),
            role: None,
            at: Timestamp::EPOCH,
            seen_final: None,
            basis: None,
        };
        let meta = EntryMeta { index: 4, recorded: Timestamp::from_ms(9), view: Digest::of(b"v") };
        let person = SignedEvent::by_person(&event, &PersonKey::from_seed([1; 32], "a")).unwrap();
        let machine = SignedEvent::by_machine(&event, &MachineKey::from_seed([1; 32])).unwrap();
        for signed in [person, machine] {
            let entry = Entry { meta, signed };
            canon::check(&entry.leaf_bytes()).unwrap();
            assert_eq!(Entry::from_leaf(&entry.leaf_bytes()).unwrap(), entry);
        }
    }
}
