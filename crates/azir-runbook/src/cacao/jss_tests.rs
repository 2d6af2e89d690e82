//! Signatures: the example of the standard in its one reading, and our own.

use std::path::Path;

use azir_ledger::{MachineKey, Timestamp};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use super::export_tests::{exported, import_value};
use super::*;
use crate::testing::consensus;

fn vector() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/cacao-examples/oasis-jss-rs256-vector.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn verdicts(playbook: &Value) -> Vec<SignatureVerdict> {
    jss_verify(playbook).into_iter().map(|c| c.verdict).collect()
}

fn verdict(playbook: &Value) -> SignatureVerdict {
    verdicts(playbook)[0]
}

/// The first signature with one member decoded, changed and encoded again.
fn with_bytes<E: base64ct::Encoding>(
    whole: &Value,
    member: &str,
    change: impl Fn(&mut Vec<u8>),
) -> Value {
    let mut playbook = whole.clone();
    let text = &mut playbook["signatures"][0][member];
    let mut bytes = E::decode_vec(text.as_str().unwrap()).unwrap();
    change(&mut bytes);
    *text = json!(E::encode_string(&bytes));
    playbook
}

#[test]
fn the_rs256_example_of_the_standard_verifies_beside_another_signature_too() {
    let Some(vector) = vector() else { return };
    let one = &vector["playbook_with_one_signature"];
    let checked = jss_verify(one);
    assert_eq!((checked[0].verdict, checked[0].why.as_str()), (SignatureVerdict::Valid, ""));
    assert_eq!(checked[0].signee, "ACME Cyber Company");
    assert!(checked[0].key.is_some() && checked[0].valid_until > checked[0].valid_from);
    let two = verdicts(&vector["playbook_with_existing_and_new_signature"]);
    assert_eq!(two, [SignatureVerdict::Malformed, SignatureVerdict::Valid]);
}

#[test]
fn no_bit_of_value_key_or_content_can_change() {
    let Some(vector) = vector() else { return };
    let one = &vector["playbook_with_one_signature"];
    let mut tried = 0;
    for bit in (0..2048).step_by(5) {
        let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = with_bytes::<Base64UrlUnpadded>(one, "value", flip);
        assert_eq!(verdict(&changed), SignatureVerdict::Invalid, "value, bit {bit}");
        tried += 1;
    }
    for bit in (0..294 * 8).step_by(11) {
        let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = with_bytes::<Base64>(one, "public_key", flip);
        assert_ne!(verdict(&changed), SignatureVerdict::Valid, "key, bit {bit}");
        tried += 1;
    }
    // One bit of the first and the last character of every signed text.
    let mut places: Vec<String> =
        one.as_object().unwrap().keys().map(|k| format!("/{k}")).collect();
    let signed = one["signatures"][0].as_object().unwrap().keys();
    places.extend(signed.filter(|k| *k != "value").map(|k| format!("/signatures/0/{k}")));
    for place in places {
        let Some(text) = one.pointer(&place).and_then(Value::as_str) else { continue };
        for at in [0, text.len() - 1] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            let mut changed = one.clone();
            *changed.pointer_mut(&place).unwrap() = json!(String::from_utf8(bytes).unwrap());
            assert_ne!(verdict(&changed), SignatureVerdict::Valid, "{place} at {at}");
            tried += 1;
        }
    }
    assert!(tried > 600, "{tried}");
}

#[test]
fn other_forms_of_the_same_signature_are_refused() {
    let Some(vector) = vector() else { return };
    let one = &vector["playbook_with_one_signature"];
    let longer = with_bytes::<Base64UrlUnpadded>(one, "value", |b| b.insert(0, 0));
    assert_eq!(verdict(&longer), SignatureVerdict::Invalid);
    let empty = with_bytes::<Base64UrlUnpadded>(one, "value", Vec::clear);
    assert_eq!(verdict(&empty), SignatureVerdict::Invalid);
    let all = with_bytes::<Base64UrlUnpadded>(one, "value", |b| b.fill(0xff));
    assert_eq!(verdict(&all), SignatureVerdict::Invalid);
    for (member, value, want) in [
        ("value", json!("a="), SignatureVerdict::Malformed),
        ("value", Value::Null, SignatureVerdict::Malformed),
        ("public_key", json!("AAAA"), SignatureVerdict::Unsupported),
        ("algorithm", json!("RS512"), SignatureVerdict::Unsupported),
        ("algorithm", json!("none"), SignatureVerdict::Unsupported),
        ("algorithm", json!("Ed25519"), SignatureVerdict::Invalid),
        ("hash_algorithm", json!("sha-512"), SignatureVerdict::Unsupported),
        ("more", json!(1.5), SignatureVerdict::Unsupported),
    ] {
        let mut changed = one.clone();
        changed["signatures"][0][member] = value.clone();
        assert_eq!(verdict(&changed), want, "{member} = {value}");
    }
    assert_eq!(jss_verify(&json!({ "signatures": [7] }))[0].verdict, SignatureVerdict::Malformed);
    assert_eq!(jss_verify(&json!({ "signatures": 7 })), []);
    assert_eq!(jss_verify(&json!(null)), []);
}

fn signee() -> Signee {
    let at = Timestamp::from_ms(1_700_000_000_000);
    Signee { name: "Release key".into(), at, valid_until: Some(at.plus_ms(1)) }
}

#[test]
fn an_export_signed_by_two_keys_keeps_both_signatures_and_its_hash() {
    let (a, b) = (MachineKey::from_seed([1; 32]), MachineKey::from_seed([2; 32]));
    let whole = exported(&consensus());
    let once = jss_sign(&whole, &a, &signee()).unwrap();
    assert_eq!(once, jss_sign(&whole, &a, &signee()).unwrap());
    let twice = jss_sign(&once, &b, &signee()).unwrap();
    assert_eq!(verdicts(&twice), [SignatureVerdict::Valid; 2]);
    let keys: Vec<_> = jss_verify(&twice).into_iter().map(|c| c.key).collect();
    assert!(keys[0].is_some() && keys[0] != keys[1]);
    let got = import_value(&twice);
    assert_eq!((got.findings, got.runbook_hash), (vec![], Some(consensus().hash())));

    let mut changed = twice.clone();
    changed["name"] = json!("Other");
    assert_eq!(verdicts(&changed), [SignatureVerdict::Invalid; 2]);
    let flipped = with_bytes::<Base64UrlUnpadded>(&twice, "value", |b| b[10] ^= 1);
    assert_eq!(verdicts(&flipped), [SignatureVerdict::Invalid, SignatureVerdict::Valid]);
}

#[test]
fn a_signature_that_names_another_playbook_or_is_withdrawn_is_not_valid() {
    let key = MachineKey::from_seed([1; 32]);
    let signed = |change: &dyn Fn(&mut Value)| {
        // Signed as it stands, so that only the meaning is wrong.
        let mut playbook = jss_sign(&exported(&consensus()), &key, &signee()).unwrap();
        change(&mut playbook);
        let mut bare = playbook.clone();
        bare["signatures"][0].as_object_mut().unwrap().remove("value");
        let text = azir_ledger::Digest::of(&azir_ledger::canon::encode(&bare).unwrap()).to_string();
        let made = key.sign("", text.as_bytes());
        playbook["signatures"][0]["value"] = json!(Base64UrlUnpadded::encode_string(&made.0));
        verdict(&playbook)
    };
    assert_eq!(signed(&|_| {}), SignatureVerdict::Valid);
    let other = json!(format!("playbook--{}", ids::uuid(4, "other")));
    let related = |p: &mut Value| p["signatures"][0]["related_to"] = other.clone();
    assert_eq!(signed(&related), SignatureVerdict::Misplaced);
    let version = |p: &mut Value| p["modified"] = json!("2030-01-01T00:00:00.000Z");
    assert_eq!(signed(&version), SignatureVerdict::Misplaced);
    let revoked = |p: &mut Value| p["signatures"][0]["revoked"] = json!(true);
    assert_eq!(signed(&revoked), SignatureVerdict::Revoked);
}

#[test]
fn what_cannot_say_what_it_belongs_to_is_not_signed() {
    let key = MachineKey::from_seed([1; 32]);
    assert_eq!(jss_sign(&json!({}), &key, &signee()), Err(JssError::Incomplete("id")));
    let mut playbook = exported(&consensus());
    for list in [json!(1), json!(vec![json!({}); jss::SIGNATURES_MAX])] {
        playbook["signatures"] = list;
        assert_eq!(jss_sign(&playbook, &key, &signee()), Err(JssError::Full));
    }
    playbook["signatures"] = json!([]);
    playbook["priority"] = json!(1.5);
    assert!(matches!(jss_sign(&playbook, &key, &signee()), Err(JssError::NoForm(_))));
}
