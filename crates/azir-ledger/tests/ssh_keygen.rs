//! `allowed_signers` and signatures, side by side with `ssh-keygen`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use azir_ledger::event::PublicKey;
use azir_ledger::person::EVENT_NAMESPACE;
use azir_ledger::roster::{parse_allowed_signers, principal};
use azir_ledger::{PersonKey, PersonPublic, Roster};

/// Whether `ssh-keygen` accepts; nothing, said visibly, when there is no such program.
fn accepts(signers: &Path, actor: &str, namespace: &str, sig: &Path, bytes: &[u8]) -> Option<bool> {
    let child = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", namespace, "-I", actor, "-f"])
        .arg(signers)
        .arg("-s")
        .arg(sig)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: no ssh-keygen");
        return None;
    };
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Some(child.wait().unwrap().success())
}

#[test]
fn ssh_keygen_accepts_exactly_what_the_exported_signers_permit() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, sig) = (dir.path().join("allowed_signers"), dir.path().join("sig"));
    let (alice, bob) = (PersonKey::from_seed([1; 32], "a"), PersonKey::from_seed([2; 32], "b"));
    let mut roster = Roster::new("azir/t/0");
    roster.add("operator:alice", PublicKey::Person(alice.public()), 0);
    roster.add("operator:b ob,*", PublicKey::Person(bob.public()), 0);
    roster.revoke("operator:b ob,*", None, 9);
    fs::write(&signers, roster.allowed_signers()).unwrap();
    let bob_name = principal("operator:b ob,*");
    let lines = parse_allowed_signers(&roster.allowed_signers()).unwrap();
    for (key, by) in [(&alice, "operator:alice"), (&bob, bob_name.as_str())] {
        for signed_in in [EVENT_NAMESPACE, "file"] {
            fs::write(&sig, key.sign(signed_in, b"event").unwrap()).unwrap();
            for actor in ["operator:alice", bob_name.as_str(), "operator:bob"] {
                for namespace in [EVENT_NAMESPACE, "file"] {
                    let expected = actor == by
                        && signed_in == namespace
                        && lines.iter().any(|l| l.permits(actor, namespace));
                    let Some(found) = accepts(&signers, actor, namespace, &sig, b"event") else {
                        return;
                    };
                    assert_eq!(found, expected, "{by} {signed_in} {actor} {namespace}");
                }
            }
        }
    }
    fs::write(&sig, alice.sign(EVENT_NAMESPACE, b"event").unwrap()).unwrap();
    assert_eq!(accepts(&signers, "operator:alice", EVENT_NAMESPACE, &sig, b"evemt"), Some(false));
}

#[test]
fn pattern_lists_mean_what_ssh_keygen_takes_them_for() {
    let dir = tempfile::tempdir().unwrap();
    let (signers, sig) = (dir.path().join("allowed_signers"), dir.path().join("sig"));
    let key = PersonKey::from_seed([1; 32], "a");
    fs::write(&sig, key.sign("ns-1", b"m").unwrap()).unwrap();
    for list in ["alice", "a*", "a?ice", "*,!alice", "bob,alice", "\"alice,bob\"", "!bob,*", "b*"] {
        for namespaces in ["", "namespaces=\"ns-1\" ", "namespaces=\"ns-*,!ns-1\" "] {
            let text = format!("# c\n{list} {namespaces}{} comment here\n", key.public());
            fs::write(&signers, &text).unwrap();
            let ours = parse_allowed_signers(&text).unwrap()[0].permits("alice", "ns-1");
            let Some(theirs) = accepts(&signers, "alice", "ns-1", &sig, b"m") else { return };
            assert_eq!(ours, theirs, "{text}");
        }
    }
}

#[test]
fn what_ssh_keygen_signs_verifies_here() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "me@there", "-f"])
        .arg(&key)
        .status();
    if made.is_err() {
        return eprintln!("skipped: no ssh-keygen");
    }
    let message = dir.path().join("event.json");
    fs::write(&message, b"{}").unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", EVENT_NAMESPACE, "-f"])
        .arg(&key)
        .arg(&message)
        .stderr(Stdio::null())
        .status();
    assert!(signed.unwrap().success());
    let armor = fs::read_to_string(dir.path().join("event.json.sig")).unwrap();
    let public: PersonPublic =
        fs::read_to_string(key.with_extension("pub")).unwrap().parse().unwrap();
    public.verify(EVENT_NAMESPACE, b"{}", &armor).unwrap();
    let secret = PersonKey::from_openssh(&fs::read_to_string(&key).unwrap()).unwrap();
    assert_eq!(secret.public(), public);
    assert_eq!(secret.sign(EVENT_NAMESPACE, b"{}").unwrap(), armor, "byte for byte");
}
