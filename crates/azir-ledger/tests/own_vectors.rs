//! The vectors of the project, made by other programs: see `vectors/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use azir_ledger::checkpoint::{ledger_key, origin_binds};
use azir_ledger::event::PublicKey;
use azir_ledger::merkle::{self, Tree, leaf_hash};
use azir_ledger::{
    Checkpoint, Digest, Entry, MachinePublic, SignedEvent, SignedNote, VerifierKey, canon,
};
use serde_json::Value;

const FILES: [&str; 5] =
    ["canonical.json", "checkpoint.json", "entry.json", "tagged.json", "tree.json"];

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir().join(name)).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = text(value);
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn digest(value: &Value) -> Digest {
    text(value).parse().unwrap()
}

fn digests(value: &Value) -> Vec<Digest> {
    value.as_array().unwrap().iter().map(digest).collect()
}

/// one encoding, refused otherwise.
#[test]
fn canonical_bytes_are_accepted_and_nothing_else() {
    for case in list(&read("canonical.json")) {
        let accepted = canon::check(&bytes(&case["bytes"])).is_ok();
        assert_eq!(accepted, case["accept"].as_bool().unwrap(), "{case}");
    }
}

#[test]
fn tagged_hashes_agree() {
    for case in list(&read("tagged.json")) {
        let found = Digest::tagged(text(&case["tag"]), &bytes(&case["bytes"]));
        assert_eq!(found, digest(&case["hash"]), "{case}");
    }
}

#[test]
fn roots_and_proofs_agree() {
    let v = read("tree.json");
    let mut tree = Tree::default();
    let leaves: Vec<_> = list(&v["leaves"]).iter().map(|l| leaf_hash(&bytes(l))).collect();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    let roots = digests(&v["roots"]);
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(tree.root_at(size as u64), Some(*root), "{size}");
    }
    let number = |case: &Value, name: &str| case[name].as_u64().unwrap();
    for case in list(&v["inclusion"]) {
        let (index, size) = (number(case, "index"), number(case, "size"));
        let proof = digests(&case["proof"]);
        assert_eq!(tree.inclusion_proof(index, size).as_ref(), Some(&proof));
        let (leaf, root) = (leaves[index as usize], roots[size as usize]);
        merkle::verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
    }
    for case in list(&v["consistency"]) {
        let (old, new) = (number(case, "old"), number(case, "new"));
        let proof = digests(&case["proof"]);
        assert_eq!(tree.consistency_proof(old, new).as_ref(), Some(&proof), "{old} {new}");
        let (from, to) = (roots[old as usize], roots[new as usize]);
        merkle::verify_consistency(old, new, &from, &to, &proof).unwrap();
    }
}

#[test]
fn the_checkpoint_is_read_signed_and_cosigned_alike() {
    let v = read("checkpoint.json");
    let public: MachinePublic = text(&v["ledger_public"]).parse().unwrap();
    let ledger: VerifierKey = text(&v["ledger_vkey"]).parse().unwrap();
    assert_eq!(ledger, ledger_key(text(&v["origin"]), &public).unwrap());
    assert!(origin_binds(text(&v["origin"]), &public));
    let note = SignedNote::parse(text(&v["note"]).as_bytes()).unwrap();
    let point = Checkpoint::verified(&note, &ledger).unwrap();
    let expected =
        Checkpoint::new(text(&v["origin"]), v["size"].as_u64().unwrap(), digest(&v["root"]));
    assert_eq!(point, expected);
    let witness: VerifierKey = text(&v["witness_vkey"]).parse().unwrap();
    assert_eq!(note.verify(&witness).unwrap(), v["time"].as_u64().unwrap());
    assert_eq!(note.to_string(), text(&v["note"]));
}

#[test]
fn leaves_are_composed_alike_and_signatures_hold() {
    for case in list(&read("entry.json")) {
        let signature = text(&case["sig"]).parse().unwrap();
        let signed = SignedEvent::from_bytes(bytes(&case["event"]), signature).unwrap();
        let key: PublicKey = text(&case["key"]).parse().unwrap();
        signed.verify(&key).unwrap();
        let meta = canon::decode(text(&case["meta"]).as_bytes()).unwrap();
        let entry = Entry { meta, signed };
        assert_eq!(entry.leaf_bytes(), bytes(&case["leaf"]));
        assert_eq!(entry.leaf_hash(), digest(&case["leaf_hash"]));
        assert_eq!(Entry::from_leaf(&bytes(&case["leaf"])).unwrap(), entry);
    }
}

#[test]
fn no_vector_file_is_left_out() {
    let entries = std::fs::read_dir(dir()).unwrap();
    let found: BTreeSet<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<_> =
        FILES.iter().copied().chain(["README.md"]).map(str::to_owned).collect();
    assert_eq!(found, expected);
}
