//! SSH keys and signatures of people, as `ssh-keygen -Y sign` makes them.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use crate::machine::SignatureError;

/// Namespace of every person's signature over an event (`ssh-keygen -Y verify -n`).
pub const EVENT_NAMESPACE: &str = "azir-event@v1";

/// A person's secret key held in memory: only for drill identities and local signing commands.
pub struct PersonKey(PrivateKey);

impl PersonKey {
    /// An Ed25519 key from 32 secret bytes, with a comment (usually the person's id).
    #[must_use]
    pub fn from_seed(seed: [u8; 32], comment: &str) -> Self {
        let data = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        // Invariant: `new` fails only for encrypted key data, and this is plain.
        #[expect(clippy::expect_used)]
        Self(PrivateKey::new(data, comment).expect("plain key data"))
    }

    /// Reads an unencrypted OpenSSH private key file.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] if it is no such file, or is encrypted.
    pub fn from_openssh(text: &str) -> Result<Self, SignatureError> {
        let key = PrivateKey::from_openssh(text).ok().filter(|k| !k.is_encrypted());
        key.map(Self).ok_or(SignatureError::Malformed { what: "OpenSSH private key" })
    }

    /// The public half, without comment.
    #[must_use]
    pub fn public(&self) -> PersonPublic {
        let mut key = self.0.public_key().clone();
        key.set_comment("");
        PersonPublic(key)
    }

    /// An armored SSH signature over `bytes`, equal to the one `ssh-keygen -Y sign` writes.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] when the key kind cannot sign here (such as hardware keys).
    pub fn sign(&self, namespace: &str, bytes: &[u8]) -> Result<String, SignatureError> {
        self.0
            .sign(namespace, HashAlg::Sha512, bytes)
            .and_then(|sig| sig.to_pem(LineEnding::LF))
            .map_err(|_| SignatureError::Malformed { what: "signing key" })
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({})", self.public())
    }
}

/// A person's public key. Written `ssh-ed25519 AAAA...`, as in `allowed_signers`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonPublic(PublicKey);

impl PersonPublic {
    /// Checks an armored SSH signature of this key over `bytes` in `namespace`.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] if the armor does not parse, else
    /// [`SignatureError::Invalid`].
    pub fn verify(&self, namespace: &str, bytes: &[u8], armor: &str) -> Result<(), SignatureError> {
        let sig = SshSig::from_pem(armor)
            .map_err(|_| SignatureError::Malformed { what: "SSH signature" })?;
        if sig.namespace() != namespace || sig.public_key() != self.0.key_data() {
            return Err(SignatureError::Invalid);
        }
        match self.0.key_data().ed25519() {
            Some(key) => verify_ed25519(&key.0, namespace, bytes, &sig),
            None => self.0.verify(namespace, bytes, &sig).map_err(|_| SignatureError::Invalid),
        }
    }
}

/// Ed25519 always strict: no weak keys, one encoding of each signature.
fn verify_ed25519(
    key: &[u8; 32],
    namespace: &str,
    bytes: &[u8],
    sig: &SshSig,
) -> Result<(), SignatureError> {
    let message = SshSig::signed_data(namespace, sig.hash_alg(), bytes)
        .map_err(|_| SignatureError::Malformed { what: "SSH signature" })?;
    let key = VerifyingKey::from_bytes(key)
        .map_err(|_| SignatureError::Malformed { what: "SSH public key" })?;
    let raw = Signature::from_slice(sig.signature_bytes())
        .map_err(|_| SignatureError::Malformed { what: "SSH signature" })?;
    key.verify_strict(&message, &raw).map_err(|_| SignatureError::Invalid)
}

impl fmt::Display for PersonPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.to_openssh().map_err(|_| fmt::Error)?.trim_end())
    }
}

impl fmt::Debug for PersonPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PersonPublic {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed { what: "SSH public key" };
        let mut key = PublicKey::from_openssh(text).map_err(|_| malformed.clone())?;
        let weak = |key: &ssh_key::public::Ed25519PublicKey| {
            VerifyingKey::from_bytes(&key.0).map_or(true, |k| k.is_weak())
        };
        if key.key_data().ed25519().is_some_and(weak) {
            return Err(malformed);
        }
        key.set_comment("");
        Ok(Self(key))
    }
}

crate::serde_as_text!(PersonPublic);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_signature_holds_for_one_namespace_and_one_message() {
        let key = PersonKey::from_seed([3; 32], "alice");
        let sig = key.sign(EVENT_NAMESPACE, b"m").unwrap();
        assert!(sig.starts_with("-----BEGIN SSH SIGNATURE-----\n"));
        key.public().verify(EVENT_NAMESPACE, b"m", &sig).unwrap();
        assert_eq!(key.public().verify("other", b"m", &sig), Err(SignatureError::Invalid));
        assert_eq!(key.public().verify(EVENT_NAMESPACE, b"n", &sig), Err(SignatureError::Invalid));
        assert_eq!(sig, key.sign(EVENT_NAMESPACE, b"m").unwrap(), "deterministic");
        let text = key.public().to_string();
        assert!(
            text.starts_with("ssh-ed25519 AAAA")
                && text.parse::<PersonPublic>().unwrap() == key.public()
        );
    }
}
