//! Public vectors: canonical form, tree, tiles, notes, cosignatures, SSH signatures.
//!
//! Every function below returns the files it read; the last test demands that none was left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use azir_ledger::merkle::{self, Tree, leaf_hash};
use azir_ledger::note::NoteError;
use azir_ledger::{Checkpoint, Digest, PersonPublic, SignedNote, VerifierKey, canon, tiles};
use base64ct::{Base64, Encoding as _};
use serde_json::Value;

const TESSERA_KEY: &str =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// Files that are not read, with the reason.
const OUT_OF_SCOPE: [(&str, &str); 4] = [
    ("README.md", "describes the vectors"),
    ("LICENSES/", "licence texts"),
    ("tile/entries/000", "compressed at rest by that mirror; its hash tiles are checked"),
    ("tile/entries/001.p/44", "compressed at rest by that mirror; its hash tiles are checked"),
];

type Seen = BTreeSet<PathBuf>;

/// The directory of public vectors, or nothing, said visibly.
fn vectors() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vectors");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no public vectors at {}", dir.display());
    None
}

fn walk(dir: &Path, into: &mut Seen) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, into) } else { assert!(into.insert(path)) }
    }
}

fn files(dir: &Path) -> Seen {
    let mut seen = Seen::new();
    walk(dir, &mut seen);
    assert!(!seen.is_empty(), "{}", dir.display());
    seen
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// RFC 8785 pairs: written exactly so, or refused where our form has no floats and no null.
fn canonical_form(dir: &Path) -> Seen {
    let refused = ["arrays.json", "rfc_example.json"];
    let seen = files(&dir.join("jcs"));
    for path in seen.iter().filter(|p| p.parent().unwrap().ends_with("output")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let output = std::fs::read(path).unwrap();
        let input = std::fs::read(dir.join("jcs/input").join(name)).unwrap();
        let value: Value = serde_json::from_slice(&input).unwrap();
        if refused.contains(&name) {
            assert!(canon::check(&output).is_err() && canon::encode(&value).is_err(), "{name}");
            continue;
        }
        canon::check(&output).unwrap();
        let read: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(canon::encode(&read).unwrap(), output, "{name}");
        assert!(canon::check(&input).is_err(), "{name}: refused, not repaired");
        if name == "structures.json" {
            assert!(canon::encode(&value).is_err(), "it writes 56.0, a float");
        } else {
            assert_eq!(canon::encode(&value).unwrap(), output, "{name}");
        }
    }
    seen
}

fn hash(value: &Value) -> Option<Digest> {
    let bytes = Base64::decode_vec(value.as_str().unwrap()).unwrap();
    bytes.try_into().ok().map(Digest)
}

fn hashes(value: &Value) -> Option<Vec<Digest>> {
    value.as_array().map_or(Some(Vec::new()), |all| all.iter().map(hash).collect())
}

/// RFC 6962 proofs, sound and mutated. A hash of another length is refused where it is read.
fn merkle_proofs(dir: &Path) -> Seen {
    let seen = files(&dir.join("merkle"));
    for path in &seen {
        let v: Value = serde_json::from_str(&text(path)).unwrap();
        let number = |name: &str| v[name].as_u64().unwrap();
        let holds = if v.get("leafIdx").is_some() {
            hash(&v["leafHash"]).zip(hash(&v["root"])).zip(hashes(&v["proof"])).is_some_and(
                |((leaf, root), proof)| {
                    let (index, size) = (number("leafIdx"), number("treeSize"));
                    merkle::verify_inclusion(&leaf, index, size, &proof, &root).is_ok()
                },
            )
        } else {
            hash(&v["root1"]).zip(hash(&v["root2"])).zip(hashes(&v["proof"])).is_some_and(
                |((old, new), proof)| {
                    let (size1, size2) = (number("size1"), number("size2"));
                    merkle::verify_consistency(size1, size2, &old, &new, &proof).is_ok()
                },
            )
        };
        assert_eq!(holds, !v["wantErr"].as_bool().unwrap(), "{}", path.display());
    }
    seen
}

/// A whole log of 15 entries: checkpoints, hash tiles and entry bundles at every size.
fn tessera_log(dir: &Path) -> Seen {
    let log = dir.join("tlog-tessera");
    let key: VerifierKey = TESSERA_KEY.parse().unwrap();
    let mut seen = Seen::new();
    let mut read = |name: String| {
        let path = log.join(name);
        let bytes = std::fs::read(&path).unwrap();
        seen.insert(path);
        bytes
    };
    let mut points = Vec::new();
    for name in (0..=15).map(|n| format!("checkpoint.{n}")).chain(["checkpoint".to_owned()]) {
        let note = SignedNote::parse(&read(name)).unwrap();
        points.push(Checkpoint::verified(&note, &key).unwrap());
    }
    assert_eq!(points.pop().as_ref(), points.last());
    let bundle = read(tiles::entries_path(0, 15));
    let mut tree = Tree::default();
    let leaves: Vec<_> = tiles::read_entries(&bundle).unwrap().into_iter().map(leaf_hash).collect();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    for (size, point) in points.iter().enumerate() {
        assert_eq!(point.size, size as u64);
        assert_eq!(tree.root_at(point.size), Some(point.root), "{size}");
        for older in &points[..size] {
            let proof = tree.consistency_proof(older.size, point.size).unwrap();
            merkle::verify_consistency(older.size, point.size, &older.root, &point.root, &proof)
                .unwrap();
        }
        if size > 0 {
            let tile = tiles::read_tile(&read(tiles::tile_path(0, 0, size)), size).unwrap();
            assert_eq!(tile, leaves[..size]);
            let entries = read(tiles::entries_path(0, size));
            let split = tiles::read_entries(&entries).unwrap();
            assert_eq!(split.len(), size);
            assert_eq!(tiles::write_entries(&split).unwrap(), entries);
        }
    }
    seen
}

/// Checkpoints cosigned by witnesses and a mirror, and the mirror's tiles of 300 entries.
fn cosigned_checkpoints(dir: &Path) -> Seen {
    let root = dir.join("tlog-witness-sunlight");
    let mut seen = Seen::new();
    let mut read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        seen.insert(path);
        bytes
    };
    let rome = "000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706";
    let milan = "88ad7a28caeb0b2aa890fdf0304c2fcaf59fca2ee140134ff8c1300bac493482";
    let cases = [
        ("witness2/witness.v0.json", format!("witness2/{milan}/checkpoint")),
        ("witness/witness.v0.json", format!("witness/{rome}/checkpoint")),
        ("witness/mirror/mirror.v0.json", format!("witness/mirror/{rome}/checkpoint")),
    ];
    let mut point = None;
    let mut keys: Vec<VerifierKey> = Vec::new();
    for (about, checkpoint) in cases {
        let about: Value = serde_json::from_slice(&read(root.join(about))).unwrap();
        let key: VerifierKey = about["verifier_keys"][0].as_str().unwrap().parse().unwrap();
        let note = SignedNote::parse(&read(root.join(checkpoint))).unwrap();
        assert!(note.verify(&key).unwrap() > 1_700_000_000, "a time of this century");
        for other in &keys {
            assert!(matches!(note.verify(other), Err(NoteError::Unsigned { .. })));
        }
        let other = SignedNote::new(&note.text().replace("300", "301")).unwrap();
        let sigs = note.signatures().iter().cloned();
        let other = sigs.fold(other, |mut note, sig| {
            note.push(sig).unwrap();
            note
        });
        assert!(matches!(other.verify(&key), Err(NoteError::Invalid { .. })));
        point = Some(Checkpoint::parse(note.text()).unwrap());
        keys.push(key);
    }
    let point = point.unwrap();
    let tile = |level, number, width| {
        root.join("witness/mirror").join(rome).join(tiles::tile_path(level, number, width))
    };
    let first = tiles::read_tile(&read(tile(0, 0, 256)), 256).unwrap();
    let second = tiles::read_tile(&read(tile(0, 1, 44)), 44).unwrap();
    let above = tiles::read_tile(&read(tile(1, 0, 1)), 1).unwrap();
    assert_eq!(above[0], merkle::root(&first));
    let leaves = [first, second].concat();
    assert_eq!((leaves.len() as u64, merkle::root(&leaves)), (point.size, point.root));
    let mut stream = tiles::TileStream::default();
    let full: Vec<_> = leaves.iter().flat_map(|leaf| stream.push(*leaf)).collect();
    let paths: Vec<_> = full.iter().chain(&stream.partial()).map(|(p, _)| p.clone()).collect();
    assert_eq!(paths, ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]);
    seen
}

fn signed_notes(dir: &Path) -> Seen {
    let seen = files(&dir.join("signed-note"));
    let at = dir.join("signed-note");
    let key: VerifierKey = text(&at.join("c2sp-example.vkey")).trim().parse().unwrap();
    let bytes = text(&at.join("c2sp-example.note"));
    let note = SignedNote::parse(bytes.as_bytes()).unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.to_string(), bytes);
    let changed = bytes.replace("example message", "example massage");
    let changed = SignedNote::parse(changed.as_bytes()).unwrap();
    assert!(matches!(changed.verify(&key), Err(NoteError::Invalid { .. })));
    seen
}

/// Ed25519 holds; ECDSA never passes, since people's keys here are Ed25519.
fn ssh_signatures(dir: &Path) -> Seen {
    let seen = files(&dir.join("sshsig"));
    let read = |name: &str| text(&dir.join("sshsig").join(name));
    let message = read("message");
    let key: PersonPublic = read("id_ed25519.pub").parse().unwrap();
    let sig = read("sshsig_ed25519");
    key.verify("example", message.as_bytes(), &sig).unwrap();
    assert!(key.verify("other", message.as_bytes(), &sig).is_err());
    assert!(key.verify("example", b"testing!", &sig).is_err());
    let ecdsa = read("sshsig_ecdsa_p256");
    assert!(key.verify("example", message.as_bytes(), &ecdsa).is_err());
    let other = read("id_ecdsa_p256.pub").parse::<PersonPublic>();
    assert!(
        other.is_err_and(|_| true) || {
            let other: PersonPublic = read("id_ecdsa_p256.pub").parse().unwrap();
            other.verify("example", message.as_bytes(), &ecdsa).is_err()
        }
    );
    seen
}

/// one canonical form; what is not in it is refused, not repaired.
#[test]
fn canonical_form_agrees_with_rfc_8785_where_it_allows_the_value() {
    vectors().map(|dir| canonical_form(&dir));
}

#[test]
fn merkle_proofs_of_the_published_tests_are_judged_alike() {
    vectors().map(|dir| merkle_proofs(&dir));
}

#[test]
fn a_published_log_is_read_whole_and_its_checkpoints_hold() {
    vectors().map(|dir| tessera_log(&dir));
}

#[test]
fn published_cosignatures_and_mirror_tiles_hold() {
    vectors().map(|dir| cosigned_checkpoints(&dir));
}

#[test]
fn the_example_note_of_the_specification_holds() {
    vectors().map(|dir| signed_notes(&dir));
}

#[test]
fn published_ssh_signatures_are_judged_alike() {
    vectors().map(|dir| ssh_signatures(&dir));
}

#[test]
fn no_vector_file_is_left_out() {
    let Some(dir) = vectors() else { return };
    let all = [
        canonical_form,
        merkle_proofs,
        tessera_log,
        cosigned_checkpoints,
        signed_notes,
        ssh_signatures,
    ];
    let seen: Seen = all.iter().flat_map(|read| read(&dir)).collect();
    for path in files(&dir).difference(&seen) {
        let name = path.strip_prefix(&dir).unwrap().to_str().unwrap();
        let known =
            OUT_OF_SCOPE.iter().any(|(part, _)| name.ends_with(part) || name.starts_with(part));
        assert!(known, "{name} is neither read nor out of scope with a reason");
    }
}
