//! SHA-256 digests, tagged hashing (D-014) and the newtype macro for typed ids.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::canon::{self, CanonError};

/// A SHA-256 digest. Prints and travels as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// SHA-256 over bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hex digits")]
pub struct DigestError;

impl Digest {
    /// Digest of plain bytes; equals `sha256sum`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// `H(tag || bytes)`: the ASCII of the tag, no length, no terminator (D-014).
    #[must_use]
    pub fn tagged(tag: &str, bytes: &[u8]) -> Self {
        Self::of_parts(&[tag.as_bytes(), bytes])
    }

    /// `H(tag || canonical(value))`.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`] when the value has no canonical form.
    pub fn of_canonical<T: Serialize + ?Sized>(tag: &str, value: &T) -> Result<Self, CanonError> {
        Ok(Self::tagged(tag, &canon::encode(value)?))
    }

    /// Digest of the parts one after the other.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The first eight hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        decode_hex(text).map(Self).ok_or(DigestError)
    }
}

/// Writes bytes as lower-case hex digits, in one piece: views are full of digests.
pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    f.write_str(&text)
}

/// Exactly `2 * N` lower-case hex digits, or nothing.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = nibble(bytes[2 * i])? << 4 | nibble(bytes[2 * i + 1])?;
    }
    Some(out)
}

crate::serde_as_text!(Digest);

/// Declares a newtype over [`Digest`] for one kind of object, so that ids of two kinds cannot be
/// mixed up. The new type prints, parses and serialises as its digest.
#[macro_export]
macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $crate::Digest);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::digest::DigestError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// D-014 test vector: scopes, evidence and the opening record. Requirement R-7.2-1.
    #[test]
    fn the_test_vector_of_d014_is_reproduced() {
        let scopes = Digest::of_canonical("AZ:SCOPES:", &["committee:12/notary"]).unwrap();
        let evidence = Digest::of_canonical("AZ:EVIDENCE:", &json!([])).unwrap();
        let record = json!({
            "affected_scopes_hash": scopes, "current_response_profile": "RP_OBSERVE_ONLY",
            "detected_by": "detector:conflicting-notarization@1",
            "detection_time": "2026-01-02T03:04:05.678Z", "incident_class": "INC_CONSENSUS",
            "initial_evidence_hash": evidence, "related_object_refs": [],
            "related_runbook_id": "RB-CONSENSUS-001", "severity": "SEV_4_CRITICAL",
            "status": "DETECTED"
        });
        let id = Digest::of_canonical("AZ:INCIDENT:", &record).unwrap();
        assert_eq!(
            scopes.to_string(),
            "ea7063b452eac4cebe4e7dc2b48e959a657ec585146a3cb6ee15c7798c68c110"
        );
        assert_eq!(
            evidence.to_string(),
            "523f80827973c784c2a41da50053057c4e392b4640295d934c4a58cff9164271"
        );
        assert_eq!(
            id.to_string(),
            "7cc6a503473e4d3339b4d40b3f2367eb7fc7c8867df57abb51ddca0d789c9110"
        );
    }

    #[test]
    fn a_digest_is_64_lower_case_digits_and_nothing_else() {
        let text = Digest::of(b"x").to_string();
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{}g", &text[1..])] {
            assert_eq!(bad.parse::<Digest>(), Err(DigestError), "{bad}");
        }
    }
}
