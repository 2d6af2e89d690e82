//! Signatures of playbooks (JSS, CACAO 2.0 section 10.15).
//!
//! The bytes signed are the 64 lower-case hex digits of SHA-256 over the canonical form of the
//! playbook with this one signature object, without its `value`. The text of the standard leaves
//! that open; its own example verifies in this reading only.
//!
//! A valid signature says that the holder of the key in the signature signed this playbook. Whose
//! key that is, the playbook cannot say: compare [`SignatureCheck::key`] with a key that you know.

use azir_ledger::canon::CanonError;
use azir_ledger::machine::MachineSig;
use azir_ledger::{Digest, MachineKey, MachinePublic, Timestamp, canon};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::draft::printable;
use super::ids::uuid;
use super::rsa;

/// Most signatures of one playbook that are checked; each costs a pass over the playbook.
pub(crate) const SIGNATURES_MAX: usize = 16;
/// DER before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410 4).
const ED25519_INFO: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

azir_model::wire_enum! {
    /// What became of a signature. Only `valid` says anything about the playbook.
    pub enum SignatureVerdict {
        /// Made by the named key over this playbook.
        Valid = "valid",
        /// Well formed, and not made by the named key over this playbook.
        Invalid = "invalid",
        /// Made over this playbook, and says that it belongs to another or to another version.
        Misplaced = "misplaced",
        /// Withdrawn by its maker.
        Revoked = "revoked",
        /// Lacks a member, or one is not of its form.
        Malformed = "malformed",
        /// Algorithm, kind of key or content that this program does not check.
        Unsupported = "unsupported",
    }
}

/// One signature of a playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureCheck {
    /// Place in the list, from 0.
    pub index: usize,
    /// Who signed, as the signature says. Nobody checked that name.
    pub signee: String,
    /// The algorithm, as the signature says.
    pub algorithm: String,
    /// SHA-256 of the DER of the public key in the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// First moment of validity, as signed. There is no clock here: the caller compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Last moment of validity, as signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// What became of it.
    pub verdict: SignatureVerdict,
    /// Why, where it is not valid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Who signs, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signee {
    /// Name for people.
    pub name: String,
    /// The time to write into the signature.
    pub at: Timestamp,
    /// Last moment of validity, if it ends.
    pub valid_until: Option<Timestamp>,
}

/// Why a playbook was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JssError {
    /// No `id` or no `modified`: a signature could not say what it belongs to.
    #[error("the playbook has no text member {0}; sign a complete playbook")]
    Incomplete(&'static str),
    /// The list of signatures is full, or is no list.
    #[error("signatures is no list, or holds {SIGNATURES_MAX} already; remove some")]
    Full,
    /// The playbook has no canonical form.
    #[error(transparent)]
    NoForm(#[from] CanonError),
}

/// Checks the signatures of a playbook, at most 16. A playbook without signatures gives none.
#[must_use]
pub fn jss_verify(playbook: &Value) -> Vec<SignatureCheck> {
    let signatures = playbook.get("signatures").and_then(Value::as_array);
    let signatures = signatures.into_iter().flatten().take(SIGNATURES_MAX).enumerate();
    signatures.map(|(index, signature)| check(playbook, index, signature)).collect()
}

fn check(playbook: &Value, index: usize, signature: &Value) -> SignatureCheck {
    let text = |name: &str| signature.get(name).and_then(Value::as_str);
    let shown = |name: &str| printable(text(name).unwrap_or_default(), 200).0;
    let time = |name: &str| text(name)?.parse::<Timestamp>().ok();
    let der = text("public_key").and_then(|key| Base64::decode_vec(key).ok());
    let judged = judge(playbook, signature, der.as_deref());
    let (verdict, why) = match judged {
        Ok(()) => (SignatureVerdict::Valid, String::new()),
        Err((verdict, why)) => (verdict, why),
    };
    SignatureCheck {
        index,
        signee: shown("signee"),
        algorithm: shown("algorithm"),
        key: der.as_deref().map(Digest::of),
        valid_from: time("valid_from"),
        valid_until: time("valid_until"),
        verdict,
        why,
    }
}

fn judge(
    playbook: &Value,
    signature: &Value,
    der: Option<&[u8]>,
) -> Result<(), (SignatureVerdict, String)> {
    use SignatureVerdict::{Invalid, Malformed, Misplaced, Revoked, Unsupported};
    let text = |name: &str| signature.get(name).and_then(Value::as_str);
    let no = |verdict, why: &str| Err((verdict, why.to_owned()));
    let (Value::Object(playbook), Value::Object(object)) = (playbook, signature) else {
        return no(Malformed, "playbook or signature is no object");
    };
    if text("hash_algorithm") != Some("sha-256") {
        return no(Unsupported, "only hash_algorithm sha-256 is checked");
    }
    let Some(value) = text("value").and_then(|v| Base64UrlUnpadded::decode_vec(v).ok()) else {
        return no(Malformed, "value is missing or not base64url without padding");
    };
    let Some(der) = der else {
        return no(Malformed, "public_key is missing or not base64");
    };
    let message = match message(playbook, object) {
        Ok(message) => message,
        Err(e) => return no(Unsupported, &e.to_string()),
    };
    let valid = match text("algorithm") {
        Some("RS256") => {
            let key = rsa::PublicKey::from_der(der).map_err(|why| (Unsupported, why.to_owned()))?;
            key.verifies(&message, &value)
        }
        Some("Ed25519") => ed25519(der, &message, &value),
        _ => return no(Unsupported, "only RS256 and Ed25519 are checked"),
    };
    let same = |of: &str, own: &str| text(of).is_none_or(|t| playbook.get(own) == Some(&json!(t)));
    if !valid {
        no(Invalid, "not made by this key over this playbook")
    } else if !same("related_to", "id") || !same("related_version", "modified") {
        no(Misplaced, "related_to or related_version names another playbook")
    } else if object.get("revoked") == Some(&Value::Bool(true)) {
        no(Revoked, "the signature says revoked")
    } else {
        Ok(())
    }
}

fn ed25519(der: &[u8], message: &[u8], value: &[u8]) -> bool {
    let key =
        der.strip_prefix(&ED25519_INFO).and_then(|key| key.try_into().ok()).map(MachinePublic);
    let signature = value.try_into().ok().map(MachineSig);
    key.zip(signature).is_some_and(|(key, signature)| key.verify("", message, &signature).is_ok())
}

/// The bytes that a signature object signs.
fn message(
    playbook: &Map<String, Value>,
    signature: &Map<String, Value>,
) -> Result<Vec<u8>, CanonError> {
    let (mut playbook, mut signature) = (playbook.clone(), signature.clone());
    signature.remove("value");
    playbook.insert("signatures".to_owned(), json!([signature]));
    let digest = Digest::of(&canon::encode_value(&Value::Object(playbook))?);
    Ok(digest.to_string().into_bytes())
}

/// The playbook with an Ed25519 signature added to its list. Signatures that are there stay, and
/// stay valid.
///
/// The key signs 64 hex digits without a tag, as CACAO demands. Everything else that a machine key
/// signs begins with `AZ:`, so neither can be passed off as the other.
///
/// # Errors
/// [`JssError`]; a playbook of [`super::export()`] has none of them.
pub fn jss_sign(playbook: &Value, key: &MachineKey, by: &Signee) -> Result<Value, JssError> {
    let member = |name: &'static str| {
        let text = playbook.get(name).and_then(Value::as_str);
        text.map(str::to_owned).ok_or(JssError::Incomplete(name))
    };
    let (id, modified) = (member("id")?, member("modified")?);
    let mut members = playbook.as_object().cloned().ok_or(JssError::Incomplete("id"))?;
    let mut list = match members.get("signatures") {
        None => Vec::new(),
        Some(Value::Array(list)) if list.len() < SIGNATURES_MAX => list.clone(),
        Some(_) => return Err(JssError::Full),
    };
    let der = [&ED25519_INFO[..], &key.public().0].concat();
    let name = format!("jss/{id}/{modified}/{}/{}", key.public(), by.at);
    let mut signature = json!({
        "type": "jss", "id": format!("jss--{}", uuid(4, &name)),
        "created": by.at, "modified": by.at, "signee": by.name, "valid_from": by.at,
        "related_to": id, "related_version": modified, "hash_algorithm": "sha-256",
        "algorithm": "Ed25519", "public_key": Base64::encode_string(&der),
    });
    if let Some(until) = by.valid_until {
        signature["valid_until"] = json!(until);
    }
    let object = signature.as_object().ok_or(JssError::Full)?;
    let made = key.sign("", &message(&members, object)?);
    signature["value"] = json!(Base64UrlUnpadded::encode_string(&made.0));
    list.push(signature);
    members.insert("signatures".to_owned(), Value::Array(list));
    Ok(Value::Object(members))
}
