//! Ed25519 keys and signatures of machines: servers, agents, gates, seats of the reference network.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::digest::{decode_hex, write_hex};

/// Why a signature, of a person or a machine, was not accepted. Refusal kind `signature_invalid`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text is no key or no signature of the expected form.
    #[error("not a well-formed {what}")]
    Malformed {
        /// Which object was expected.
        what: &'static str,
    },
    /// Well formed, but not made by this key over these bytes.
    #[error("signature does not verify under the given key")]
    Invalid,
}

/// The secret key of a machine. Never leaves its owner: it has no text form.
pub struct MachineKey(SigningKey);

impl MachineKey {
    /// A key from 32 secret bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> MachinePublic {
        MachinePublic(self.0.verifying_key().to_bytes())
    }

    /// Signs `tag || bytes`. The tag keeps signatures of different objects apart (D-014).
    #[must_use]
    pub fn sign(&self, tag: &str, bytes: &[u8]) -> MachineSig {
        MachineSig(self.0.sign(&[tag.as_bytes(), bytes].concat()).to_bytes())
    }
}

impl fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineKey({})", self.public())
    }
}

/// The public key of a machine. Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachinePublic(pub [u8; 32]);

impl MachinePublic {
    /// Checks a signature over `tag || bytes`, strictly (no weak keys, one encoding).
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] if this is no key, [`SignatureError::Invalid`] otherwise.
    pub fn verify(&self, tag: &str, bytes: &[u8], sig: &MachineSig) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_bytes(&self.0)
            .map_err(|_| SignatureError::Malformed { what: "machine key" })?;
        key.verify_strict(&[tag.as_bytes(), bytes].concat(), &sig.0.into())
            .map_err(|_| SignatureError::Invalid)
    }
}

/// An Ed25519 signature of a machine. Written as 128 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineSig(pub [u8; 64]);

macro_rules! hex_text {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = SignatureError;
            fn from_str(text: &str) -> Result<Self, SignatureError> {
                decode_hex(text).map(Self).ok_or(SignatureError::Malformed { what: $what })
            }
        }

        crate::serde_as_text!($name);
    };
}
hex_text!(MachinePublic, "machine key");
hex_text!(MachineSig, "machine signature");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_one_tag_one_message_one_key() {
        let key = MachineKey::from_seed([7; 32]);
        let sig = key.sign("AZ:T:", b"m");
        key.public().verify("AZ:T:", b"m", &sig).unwrap();
        let other = MachineKey::from_seed([8; 32]).public();
        assert_eq!(key.public().verify("AZ:U:", b"m", &sig), Err(SignatureError::Invalid));
        assert_eq!(key.public().verify("AZ:T:", b"n", &sig), Err(SignatureError::Invalid));
        assert_eq!(other.verify("AZ:T:", b"m", &sig), Err(SignatureError::Invalid));
        assert!(!format!("{key:?}").contains("0707"));
    }
}
