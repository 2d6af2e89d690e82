//! A bundle on disk: exported from a store and a vault, verified, and checked with stock tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use azir_ledger::bundle::{Evidence, Export, ExportError, FindingKind, Options, export, verify};
use azir_ledger::checkpoint::{ledger_key, origin};
use azir_ledger::entry::EntryMeta;
use azir_ledger::event::{EVENT_SCHEMA, PublicKey};
use azir_ledger::{
    Checkpoint, Digest, Entry, Event, MachineKey, PersonKey, Roster, SignedEvent, Timestamp, canon,
};
use azir_store::{BundleWriter, DirBundle, LedgerStore, Vault};
use serde_json::json;

fn source(e: impl std::error::Error + Send + Sync + 'static) -> ExportError {
    ExportError::Source(Box::new(e))
}

/// Stores a small log and evidence, and exports both from there.
fn make_bundle(dir: &Path) -> PathBuf {
    let (server, gate) = (MachineKey::from_seed([1; 32]), MachineKey::from_seed([2; 32]));
    let alice = PersonKey::from_seed([3; 32], "alice");
    let origin = origin("disk", &server.public());
    let record = canon::encode(&json!({"status": "DETECTED"})).unwrap();
    let mut roster = Roster::new(&origin);
    roster.add("operator:alice", PublicKey::Person(alice.public()), 0);
    roster.add("gate:n1", PublicKey::Machine(gate.public()), 0);
    let vault = Vault::open(&dir.join("vault")).unwrap();
    let piece = vault.put(&mut b"certificate".as_slice()).unwrap().digest;
    let mut store = LedgerStore::open(&dir.join("ledger"), &origin).unwrap();
    for index in 0..11 {
        let event = Event {
            schema: EVENT_SCHEMA.into(),
            log: origin.clone(),
            mode: "live".into(),
            subject: Some(Digest::tagged("AZ:INCIDENT:", &record)),
            kind: "note".into(),
            body: json!({"text": "quotes \" and \u{e9}", "evidence": piece}),
            actor: if index % 3 == 0 { "operator:alice".into() } else { "gate:n1".into() },
            role: None,
            at: Timestamp::EPOCH,
            seen_final: None,
            basis: None,
        };
        let signed = match index % 3 {
            0 => SignedEvent::by_person(&event, &alice).unwrap(),
            _ => SignedEvent::by_machine(&event, &gate).unwrap(),
        };
        let meta = EntryMeta { index, recorded: Timestamp::from_ms(9), view: Digest([7; 32]) };
        store.append(&[Entry { meta, signed }]).unwrap();
    }
    let note = Checkpoint::new(&origin, store.size(), store.tree().root()).sign(&server).unwrap();
    let ledger = ledger_key(&origin, &server.public()).unwrap();
    let parts = Export {
        ledger: &ledger,
        witnesses: &[],
        quorum: 0,
        roster: &roster,
        checkpoints: &[note],
        records: &[record],
        extras: &[],
    };
    let place = dir.join("bundle");
    let writer = BundleWriter::create(&place).unwrap();
    let mut entries = store.read(0).map(|e| e.map_err(source));
    let mut pieces = vault.list().unwrap().into_iter().map(|digest| {
        let from: Evidence<'_> = (digest, Box::new(vault.open_piece(&digest).map_err(source)?));
        Ok(from)
    });
    export(&parts, &mut entries, &mut pieces, &mut |name, from| writer.put(name, from)).unwrap();
    writer.finish().unwrap();
    place
}

fn script(bundle: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check-bundle.sh");
    let output = Command::new("bash").arg(script).arg(bundle).output().ok()?;
    if output.status.code() == Some(5) {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

#[test]
fn a_bundle_from_store_and_vault_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = DirBundle::open(&make_bundle(dir.path())).unwrap();
    let report = verify(&bundle, &Options::default(), &mut |_| {});
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!((report.counts.entries, report.counts.by_people), (11, 4));
    assert_eq!((report.counts.proofs, report.counts.evidence), (4, 1));
}

#[test]
fn links_and_stray_files_in_a_bundle_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = make_bundle(dir.path());
    std::fs::write(place.join("stray"), b"x").unwrap();
    let roster = place.join("roster/roster.json");
    std::fs::rename(&roster, dir.path().join("roster.json")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("roster.json"), &roster).unwrap();
    let bundle = DirBundle::open(&place).unwrap();
    let report = verify(&bundle, &Options::default(), &mut |_| {});
    assert!(report.has(FindingKind::FileExtra) && report.has(FindingKind::FileUnreadable));
}

#[test]
fn stock_tools_accept_a_sound_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = script(&make_bundle(dir.path())) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("people: 4 signatures hold") && text.contains("proof: entry 000009"));
}

#[test]
fn stock_tools_find_faults_and_name_them() {
    let rebag = |place: &Path| {
        let fix = "cd \"$1\" && cut -c67- tagmanifest-sha256.txt | xargs sha256sum >t && \
                   mv t tagmanifest-sha256.txt";
        let done = Command::new("bash").args(["-c", fix, "-"]).arg(place).status().unwrap();
        assert!(done.success());
    };
    let replace = |place: &Path, name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(place.join(name)).unwrap();
        assert!(text.contains(from));
        std::fs::write(place.join(name), text.replace(from, to)).unwrap();
    };
    type Tamper<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Tamper<'_>); 6] = [
        ("a file differs", &|p| replace(p, "bag-info.txt", "azir", "azur")),
        ("files and manifests differ", &|p| std::fs::write(p.join("stray"), b"").unwrap()),
        ("has the id", &|p| {
            let dir = std::fs::read_dir(p.join("incidents")).unwrap().next().unwrap().unwrap();
            std::fs::write(dir.path().join("record.json"), b"{}").unwrap();
            rebag(p);
        }),
        ("000003.json.sig is not by operator:alice", &|p| {
            replace(p, "events/000003.json", "quotes", "quoted");
            rebag(p);
        }),
        ("000009.tlog-proof does not hold", &|p| {
            replace(p, "events/000009.meta.json", ".009Z", ".008Z");
            rebag(p);
        }),
        ("000009.tlog-proof does not hold", &|p| {
            replace(p, "proofs/000009.tlog-proof", "index 9", "index 8");
            rebag(p);
        }),
    ];
    for (expected, tamper) in cases {
        let dir = tempfile::tempdir().unwrap();
        let place = make_bundle(dir.path());
        tamper(&place);
        let Some(output) = script(&place) else { return };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{expected}: {text}");
        assert!(text.contains("FAULT") && text.contains(expected), "{expected}: {text}");
    }
}
