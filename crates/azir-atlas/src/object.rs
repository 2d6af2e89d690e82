//! Signed objects of annex L.1: typed ids, the signing message, and checks made once.

use std::collections::BTreeMap;
use std::ops::Deref;

use azir_ledger::{CanonError, Digest, MachineKey, MachinePublic, MachineSig, canon};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest canonical signed object that is read, in bytes (bounded input, D-014).
pub const OBJECT_BYTES_MAX: usize = 1 << 20;
/// Entries of one generation of [`Memo`]; at most two generations are held.
const MEMO_ENTRIES_MAX: usize = 1 << 15;

/// A kind of signed object. Its name is part of the id and of the signing message.
pub trait Object: Serialize {
    /// The `T` of annex L.1.
    const TYPE: &'static str;
}

/// `id(T, o) = H("AZREF:" || T || ":" || JCS(body))` (annex L.1).
///
/// # Errors
/// [`CanonError::Unencodable`] when the body has no canonical form.
pub fn id_of<T: Object>(body: &T) -> Result<Digest, CanonError> {
    Digest::of_canonical(&format!("AZREF:{}:", T::TYPE), body)
}

/// The message that is signed: `"AZREF:SIG:" || T || ":" || chain || ":" || restart || ":" || id`,
/// all as text, the id as 64 hex digits (annex L.1). A gate signs it with an empty tag.
#[must_use]
pub fn signing_message(kind: &str, chain: &str, restart: u64, id: &Digest) -> Vec<u8> {
    format!("AZREF:SIG:{kind}:{chain}:{restart}:{id}").into_bytes()
}

/// The signature domain: one network and one restart number. Signatures of one domain are void in
/// every other (D-095).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    chain: String,
    restart: u64,
    digest: Digest,
}

impl Domain {
    /// The domain of a network at a restart number (0 from genesis on).
    #[must_use]
    pub fn new(chain: &str, restart: u64) -> Self {
        let digest = Digest::of(format!("{chain}:{restart}").as_bytes());
        Self { chain: chain.to_owned(), restart, digest }
    }

    /// Name of the network.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Restart number.
    #[must_use]
    pub fn restart(&self) -> u64 {
        self.restart
    }

    /// The message to sign for an object of this domain.
    #[must_use]
    pub fn message(&self, kind: &str, id: &Digest) -> Vec<u8> {
        signing_message(kind, &self.chain, self.restart, id)
    }
}

/// A body with its author's key and signature, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is stated.
    pub body: T,
    /// Key of the author.
    pub signer: MachinePublic,
    /// Signature over [`signing_message`].
    pub sig: MachineSig,
}

/// A body that waits for its signature, with its exact bytes and id.
#[derive(Clone, Debug)]
pub struct Draft<T> {
    body: T,
    bytes: Vec<u8>,
    id: Digest,
}

impl<T: Object> Draft<T> {
    /// Fixes the canonical bytes and the id of a body.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`] when the body has no canonical form.
    pub fn new(body: T) -> Result<Self, CanonError> {
        let bytes = canon::encode(&body)?;
        let id = Digest::tagged(&format!("AZREF:{}:", T::TYPE), &bytes);
        Ok(Self { body, bytes, id })
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.body
    }

    /// Canonical bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Id of the object.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The message to sign in a domain.
    #[must_use]
    pub fn message(&self, domain: &Domain) -> Vec<u8> {
        domain.message(T::TYPE, &self.id)
    }

    /// Adds a signature made elsewhere. It is not checked here.
    #[must_use]
    pub fn with_signature(self, signer: MachinePublic, sig: MachineSig) -> Sealed<T> {
        let size = self.bytes.len() as u64;
        Sealed { signed: Signed { body: self.body, signer, sig }, id: self.id, size }
    }

    /// Signs with a key at hand.
    #[must_use]
    pub fn sign(self, domain: &Domain, key: &MachineKey) -> Sealed<T> {
        let sig = key.sign("", &self.message(domain));
        self.with_signature(key.public(), sig)
    }
}

/// A signed object together with the id of exactly this body. The signature is not implied to be
/// valid: see [`Sealed::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed<T> {
    signed: Signed<T>,
    id: Digest,
    size: u64,
}

impl<T> Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.signed.body
    }
}

impl<T: Object> Sealed<T> {
    /// Computes the id of a signed object.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`] when the body has no canonical form.
    pub fn new(signed: Signed<T>) -> Result<Self, CanonError> {
        Ok(Draft::new(signed.body)?.with_signature(signed.signer, signed.sig))
    }

    /// Reads a signed object strictly: unknown or missing members and bytes that are not canonical
    /// are refused (annex L.1).
    ///
    /// # Errors
    /// [`CanonError`]; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, CanonError>
    where
        T: DeserializeOwned,
    {
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(CanonError::NotCanonical { at: OBJECT_BYTES_MAX, why: "object too large" });
        }
        Self::new(canon::decode(bytes)?)
    }

    /// Canonical bytes of the signed object.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; a value of this type was encoded once already.
    pub fn encode(&self) -> Result<Vec<u8>, CanonError> {
        canon::encode(&self.signed)
    }

    /// The object as it travels.
    #[must_use]
    pub fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.signed.body
    }

    /// Id of the body.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Length of the canonical body in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the object was signed by `key` in `domain`.
    pub fn verify(&self, domain: &Domain, key: &MachinePublic, check: &mut dyn SigCheck) -> bool {
        self.signed.signer == *key
            && check.holds(&Claimed {
                kind: T::TYPE,
                domain,
                id: &self.id,
                key,
                sig: &self.signed.sig,
            })
    }
}

/// One signature to be checked.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// Type of the object.
    pub kind: &'static str,
    /// Domain of the signature.
    pub domain: &'a Domain,
    /// Id of the object.
    pub id: &'a Digest,
    /// Key that is said to have signed.
    pub key: &'a MachinePublic,
    /// The signature.
    pub sig: &'a MachineSig,
}

impl Claimed<'_> {
    fn verify(&self) -> bool {
        self.key.verify("", &self.domain.message(self.kind, self.id), self.sig).is_ok()
    }
}

/// Checks signatures. The answer depends on nothing but the claim.
pub trait SigCheck {
    /// Whether the signature holds.
    fn holds(&mut self, claim: &Claimed<'_>) -> bool;
}

/// Checks each signature each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl SigCheck for Plain {
    fn holds(&mut self, claim: &Claimed<'_>) -> bool {
        claim.verify()
    }
}

/// Checks each signature once and remembers the answer under a digest of the whole claim. Bounded:
/// an old generation is forgotten when the young one is full.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    young: BTreeMap<Digest, bool>,
    old: BTreeMap<Digest, bool>,
    checked: u64,
}

impl Memo {
    /// How many signatures were really checked.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked
    }
}

impl SigCheck for Memo {
    fn holds(&mut self, claim: &Claimed<'_>) -> bool {
        let name = Digest::of_parts(&[
            &claim.domain.digest.0,
            &claim.id.0,
            &claim.key.0,
            &claim.sig.0,
            claim.kind.as_bytes(),
        ]);
        if let Some(answer) = self.young.get(&name) {
            return *answer;
        }
        let known = self.old.get(&name).copied();
        let answer = known.unwrap_or_else(|| claim.verify());
        self.checked += u64::from(known.is_none());
        if self.young.len() >= MEMO_ENTRIES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockId;
    use crate::genesis::Seat;
    use crate::vote::Vote;

    fn vote() -> Vote {
        Vote { restart: 0, slot: 3, block: BlockId(Digest::of(b"b")), seat: Seat(1) }
    }

    #[test]
    fn the_signing_message_is_the_text_of_the_annex() {
        let draft = Draft::new(vote()).unwrap();
        let id = Digest::tagged("AZREF:Vote:", draft.bytes());
        assert_eq!(draft.id(), id);
        assert_eq!(id_of(&vote()).unwrap(), id);
        let expected = format!("AZREF:SIG:Vote:net:2:{id}").into_bytes();
        assert_eq!(draft.message(&Domain::new("net", 2)), expected);
        assert_eq!(signing_message("Vote", "net", 2, &id), expected);
    }

    #[test]
    fn a_signature_of_another_restart_chain_or_key_is_void() {
        let key = MachineKey::from_seed([1; 32]);
        let domain = Domain::new("net", 0);
        let sealed = Draft::new(vote()).unwrap().sign(&domain, &key);
        let other = MachineKey::from_seed([2; 32]).public();
        for check in [&mut Plain as &mut dyn SigCheck, &mut Memo::default()] {
            for _twice in 0..2 {
                assert!(sealed.verify(&domain, &key.public(), check));
                assert!(!sealed.verify(&Domain::new("net", 1), &key.public(), check));
                assert!(!sealed.verify(&Domain::new("ten", 0), &key.public(), check));
                assert!(!sealed.verify(&domain, &other, check));
            }
        }
    }

    #[test]
    fn a_memo_checks_a_signature_once_and_never_mixes_two_up() {
        let key = MachineKey::from_seed([1; 32]);
        let domain = Domain::new("net", 0);
        let sealed = Draft::new(vote()).unwrap().sign(&domain, &key);
        let mut memo = Memo::default();
        assert!(sealed.verify(&domain, &key.public(), &mut memo));
        assert!(sealed.verify(&domain, &key.public(), &mut memo));
        assert_eq!(memo.checked(), 1);
        let mut forged = sealed.signed().clone();
        forged.body.slot = 4;
        assert!(!Sealed::new(forged).unwrap().verify(&domain, &key.public(), &mut memo));
        assert_eq!(memo.checked(), 2);
    }

    #[test]
    fn unknown_missing_and_non_canonical_members_are_refused() {
        let key = MachineKey::from_seed([1; 32]);
        let sealed = Draft::new(vote()).unwrap().sign(&Domain::new("net", 0), &key);
        let good = String::from_utf8(sealed.encode().unwrap()).unwrap();
        assert_eq!(Sealed::<Vote>::decode(good.as_bytes()).unwrap(), sealed);
        for bad in [
            good.replace("\"restart\":0,", ""),
            good.replace("\"slot\":3", "\"slot\":3,\"tip\":1"),
            good.replace("\"slot\":3", "\"slot\":3.0"),
            good.replace("\"restart\":0,", "\"restart\": 0,"),
            good.replace("\"seat\":1", "\"seat\":\"1\""),
            format!("{good} "),
        ] {
            assert!(Sealed::<Vote>::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
