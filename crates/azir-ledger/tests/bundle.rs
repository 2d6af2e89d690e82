//! The bundle as a whole: what a sound one shows, and that every attack on one is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use azir_ledger::bundle::{
    Anchor, Evidence, Export, ExportError, FindingKind as K, MemoryBundle, Options, Presented,
    Report, Trusted, export, verify,
};
use azir_ledger::checkpoint::{ledger_key, origin};
use azir_ledger::entry::EntryMeta;
use azir_ledger::event::{EVENT_SCHEMA, PublicKey};
use azir_ledger::merkle::Tree;
use azir_ledger::note::KeyKind;
use azir_ledger::{
    Checkpoint, Digest, Entry, Event, MachineKey, PersonKey, Roster, SignedEvent, SignedNote,
    Timestamp, VerifierKey, canon,
};
use serde_json::json;

const EVIDENCE: &[u8] = b"two certificates";
const SCOPES: &[u8] = br#"["committee:12/notary"]"#;

/// A log with everything needed to export it.
#[derive(Clone)]
struct Log {
    origin: String,
    server: u8,
    entries: Vec<Entry>,
    roster: Roster,
    evidence: Vec<Vec<u8>>,
    record: Vec<u8>,
}

fn machine(seed: u8) -> MachineKey {
    MachineKey::from_seed([seed; 32])
}

fn alice() -> PersonKey {
    PersonKey::from_seed([50; 32], "alice")
}

fn witnesses() -> Vec<VerifierKey> {
    [60, 61]
        .iter()
        .map(|s| {
            VerifierKey::new(&format!("w{s}"), KeyKind::Witness, machine(*s).public()).unwrap()
        })
        .collect()
}

impl Log {
    fn new(server: u8, entries: u64) -> Self {
        let origin = origin("test", &machine(server).public());
        Self::with_origin(server, &origin, entries)
    }

    fn with_origin(server: u8, origin: &str, entries: u64) -> Self {
        let mut roster = Roster::new(origin);
        roster.add("operator:alice", PublicKey::Person(alice().public()), 0);
        roster.add("gate:n1", PublicKey::Machine(machine(51).public()), 0);
        let record = canon::encode(&json!({
            "affected_scopes_hash": Digest::tagged("AZ:SCOPES:", SCOPES), "status": "DETECTED",
        }))
        .unwrap();
        let evidence = vec![EVIDENCE.to_vec(), SCOPES.to_vec()];
        let origin = origin.to_owned();
        let mut log = Self { origin, server, entries: Vec::new(), roster, evidence, record };
        (0..entries).for_each(|i| log.push(i % 2 == 0, json!({"step": i})));
        log.push(true, json!({"evidence": [Digest::of(EVIDENCE)]}));
        log
    }

    fn event(&self, body: serde_json::Value) -> Event {
        Event {
            schema: EVENT_SCHEMA.into(),
            log: self.origin.clone(),
            mode: "live".into(),
            subject: Some(Digest::tagged("AZ:INCIDENT:", &self.record)),
            kind: "note".into(),
            body,
            actor: "operator:alice".into(),
            role: None,
            at: Timestamp::from_ms(1000),
            seen_final: None,
            basis: None,
        }
    }

    fn push(&mut self, by_person: bool, body: serde_json::Value) {
        let mut event = self.event(body);
        let signed = if by_person {
            SignedEvent::by_person(&event, &alice()).unwrap()
        } else {
            event.actor = "gate:n1".into();
            SignedEvent::by_machine(&event, &machine(51)).unwrap()
        };
        self.append(signed);
    }

    fn append(&mut self, signed: SignedEvent) {
        let index = self.entries.len() as u64;
        let recorded = Timestamp::from_ms(2000 + index as i64);
        let meta = EntryMeta { index, recorded, view: Digest::of(&index.to_be_bytes()) };
        self.entries.push(Entry { meta, signed });
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        self.entries.iter().for_each(|e| tree.append(e.leaf_hash()));
        tree
    }

    fn key(&self) -> VerifierKey {
        ledger_key(&self.origin, &machine(self.server).public()).unwrap()
    }

    fn note(&self, size: u64) -> SignedNote {
        let root = self.tree().root_at(size).unwrap();
        let mut note =
            Checkpoint::new(&self.origin, size, root).sign(&machine(self.server)).unwrap();
        note.cosign("w60", &machine(60), 7).unwrap();
        note
    }

    fn trusted(&self) -> Trusted {
        Trusted { ledger: self.key(), witnesses: witnesses(), quorum: 1 }
    }

    fn try_export(&self) -> Result<MemoryBundle, ExportError> {
        let size = self.entries.len() as u64;
        let (ledger, witnesses) = (self.key(), witnesses());
        let parts = Export {
            ledger: &ledger,
            witnesses: &witnesses,
            quorum: 1,
            roster: &self.roster,
            checkpoints: &[self.note(1), self.note(size)],
            records: std::slice::from_ref(&self.record),
            extras: &[("extra/readme.txt".into(), b"hello".to_vec())],
        };
        let mut bundle = MemoryBundle::default();
        let mut evidence = self.evidence.iter().map(|e| {
            let from: Evidence<'_> = (Digest::of(e), Box::new(e.as_slice()));
            Ok(from)
        });
        let mut entries = self.entries.iter().cloned().map(Ok);
        export(&parts, &mut entries, &mut evidence, &mut bundle.sink())?;
        Ok(bundle)
    }

    fn export(&self) -> MemoryBundle {
        self.try_export().unwrap()
    }
}

fn check(bundle: &MemoryBundle) -> Report {
    verify(bundle, &Options::default(), &mut |_| {})
}

fn check_trusted(bundle: &MemoryBundle, log: &Log) -> Report {
    let options = Options { trusted: Some(log.trusted()), ..Options::default() };
    verify(bundle, &options, &mut |_| {})
}

/// Makes the manifests fit the files again, as an attacker would.
fn rebag(bundle: &mut MemoryBundle) {
    for (name, payload) in [("manifest-sha256.txt", true), ("tagmanifest-sha256.txt", false)] {
        bundle.0.remove("tagmanifest-sha256.txt");
        if payload {
            bundle.0.remove(name);
        }
        let listed = bundle.0.iter().filter(|(n, _)| n.starts_with("data/") == payload);
        let text: String = listed.map(|(n, b)| format!("{}  {n}\n", Digest::of(b))).collect();
        bundle.0.insert(name.into(), text.into_bytes());
    }
}

fn assert_found(report: &Report, place: &str, kind: K) {
    let hit = report.findings.iter().any(|f| f.kind == kind && f.place.contains(place));
    assert!(hit, "expected {kind} at {place}, found {:#?}", report.findings);
}

/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn a_sound_bundle_is_clean_and_everything_in_it_is_counted() {
    let log = Log::new(1, 6);
    let bundle = log.export();
    let mut seen = Vec::new();
    let report = verify(&bundle, &Options::default(), &mut |e| seen.push(e.clone()));
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!(seen, log.entries);
    assert_eq!(report.anchor, Anchor::BundleOnly);
    assert_eq!(report.root, Some(log.tree().root()));
    let counts = report.counts;
    assert_eq!((counts.entries, counts.by_people, counts.by_machines), (7, 4, 3));
    assert_eq!((counts.checkpoints, counts.cosignatures, counts.proofs), (2, 1, 4));
    assert_eq!((counts.records, counts.evidence, counts.tiles), (1, 2, 1));
    assert_eq!((counts.unsigned_extras, counts.files), (1, bundle.0.len() as u64));
    let trusted = check_trusted(&bundle, &log);
    assert!(trusted.is_clean(), "{:#?}", trusted.findings);
    assert_eq!(trusted.anchor, Anchor::Trusted);
    assert_eq!(log.export(), bundle, "the same log gives the same bytes");
}

#[test]
fn a_log_of_several_tiles_is_clean() {
    let log = Log::new(1, 299);
    let report = check(&log.export());
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!((report.counts.tiles, report.counts.entries), (3, 300));
}

/// R-32.2-2: an export verifies offline and any change is detected.
/// R-41.3-1: every single-byte change is found.
#[test]
fn every_single_changed_byte_is_found_at_its_file() {
    let bundle = Log::new(1, 1).export();
    let mut flips = 0;
    for (name, bytes) in &bundle.0 {
        for at in 0..bytes.len() {
            let mut changed = bundle.clone();
            changed.0.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let report = check(&changed);
            let manifest = name.starts_with("tagmanifest");
            let found = report.findings.iter().any(|f| manifest || f.place.starts_with(name));
            assert!(found, "{name} byte {at}: {:#?}", report.findings);
            flips += 1;
        }
    }
    assert!(flips > 5000, "{flips}");
}

/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn every_file_removed_added_truncated_or_swapped_is_found() {
    let bundle = Log::new(1, 2).export();
    let names: Vec<_> = bundle.0.keys().cloned().collect();
    for (i, name) in names.iter().enumerate() {
        let mut removed = bundle.clone();
        removed.0.remove(name);
        assert_found(&check(&removed), name, K::FileMissing);
        let mut truncated = bundle.clone();
        truncated.0.get_mut(name).unwrap().pop();
        assert!(!check(&truncated).is_clean(), "{name}");
        let other = &names[(i + 1) % names.len()];
        if bundle.0[name] != bundle.0[other] {
            let mut swapped = bundle.clone();
            swapped.0.insert(name.clone(), bundle.0[other].clone());
            swapped.0.insert(other.clone(), bundle.0[name].clone());
            assert!(!check(&swapped).is_clean(), "{name} and {other}");
        }
    }
    for extra in ["events/000099.json", "extra/more.txt", "zzz", ".hidden", "data/x", "../x"] {
        let mut added = bundle.clone();
        added.0.insert(extra.into(), b"{}".to_vec());
        assert_found(&check(&added), extra, K::FileExtra);
    }
}

/// Attack 1: a middle entry is edited, and the bag made to fit.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_edited_middle_entry() {
    let mut bundle = Log::new(1, 6).export();
    let event = bundle.0.get_mut("events/000002.json").unwrap();
    *event = String::from_utf8(event.clone()).unwrap().replace("\"step\":2", "\"step\":9").into();
    rebag(&mut bundle);
    let report = check(&bundle);
    assert_found(&report, "events/000002", K::SignatureInvalid);
    assert_found(&report, "checkpoints/000007", K::RootMismatch);
    assert_found(&report, "proofs/000002", K::ProofInvalid);
    assert_found(&report, "data/tile", K::TileMismatch);
}

/// Attack 2: one entry is deleted, those behind it move up.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_deleted_entry() {
    let mut bundle = Log::new(1, 6).export();
    for i in 2..6 {
        for end in ["json", "json.sig", "meta.json"] {
            let next = bundle.0[&format!("events/{:06}.{end}", i + 1)].clone();
            bundle.0.insert(format!("events/{i:06}.{end}"), next);
        }
    }
    bundle.0.retain(|n, _| !n.starts_with("events/000006"));
    rebag(&mut bundle);
    let report = check(&bundle);
    assert_found(&report, "events/000002.meta", K::EventOrder);
    assert_found(&report, "events/000006", K::FileMissing);
    bundle.0.retain(|n, _| !n.starts_with("events/000003"));
    rebag(&mut bundle);
    let report = check(&bundle);
    assert_found(&report, "events/000003", K::FileMissing);
    assert_found(&report, "checkpoints/000007", K::RootMismatch);
}

/// Attack 3: two entries change places.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_swapped_entries() {
    let mut log = Log::new(1, 6);
    let note = log.note(7);
    log.entries.swap(2, 4);
    for (index, entry) in log.entries.iter_mut().enumerate() {
        entry.meta.index = index as u64;
    }
    let mut bundle = log.export();
    bundle.0.insert("checkpoints/000007.note".into(), note.to_string().into());
    bundle.0.insert("data/checkpoint".into(), note.to_string().into());
    rebag(&mut bundle);
    assert_found(&check(&bundle), "checkpoints/000007", K::RootMismatch);
}

/// Attack 4: the tail is cut; also with the claim that the log was never longer.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_cut_tail() {
    let log = Log::new(1, 6);
    let mut bundle = log.export();
    bundle.0.retain(|n, _| !n.starts_with("events/000006") && !n.starts_with("events/000005"));
    rebag(&mut bundle);
    assert_found(&check(&bundle), "events/000005", K::FileMissing);

    let info = String::from_utf8(bundle.0["bundle.json"].clone()).unwrap();
    bundle.0.insert("bundle.json".into(), info.replace("\"size\":7", "\"size\":5").into());
    rebag(&mut bundle);
    let report = check(&bundle);
    assert_found(&report, "checkpoints/000005.note", K::FileMissing);
    assert_found(&report, "checkpoints/000007.note", K::FileUnexpected);
}

/// Attack 5: only the last entry is edited.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_edited_last_entry() {
    let mut bundle = Log::new(1, 6).export();
    let meta = bundle.0.get_mut("events/000006.meta.json").unwrap();
    *meta = String::from_utf8(meta.clone()).unwrap().replace("2.006Z", "2.007Z").into();
    rebag(&mut bundle);
    let report = check(&bundle);
    assert_found(&report, "checkpoints/000007", K::RootMismatch);
    assert_found(&report, "proofs/000006", K::ProofInvalid);
}

/// Attack 6: everything is deleted.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_everything_deleted() {
    let log = Log::new(1, 6);
    let mut bundle = log.export();
    bundle.0.retain(|n, _| !n.starts_with("events/") && !n.starts_with("proofs/"));
    rebag(&mut bundle);
    assert_found(&check(&bundle), "events/000000", K::FileMissing);
    assert_found(&check(&MemoryBundle::default()), "bundle.json", K::FileMissing);
    let options = Options {
        presented: Some(Presented { note: log.note(7), consistency: Vec::new() }),
        ..Options::default()
    };
    let mut empty = log.clone();
    empty.entries.truncate(2);
    let mut report = verify(&empty.export(), &options, &mut |_| {});
    assert_found(&report, "presented", K::OlderThanPresented);
    report.findings.retain(|f| f.kind != K::OlderThanPresented);
    assert_found(&report, "evidence", K::EvidenceUnreferenced);
}

/// Attack 7: an actor is changed and everything is chained again by another key.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_rechained_by_another_key() {
    let honest = Log::new(1, 6);
    let attacked = |log: &mut Log| {
        let event = Event { actor: "operator:mallory".into(), ..log.event(json!({"step": 2})) };
        let mallory = PersonKey::from_seed([66; 32], "");
        log.roster.add("operator:mallory", PublicKey::Person(mallory.public()), 0);
        log.entries[2].signed = SignedEvent::by_person(&event, &mallory).unwrap();
    };
    let mut same_origin = honest.clone();
    same_origin.server = 2;
    attacked(&mut same_origin);
    assert_found(&check(&same_origin.export()), "roster/ledger.vkey", K::OriginMismatch);
    let report = check_trusted(&same_origin.export(), &honest);
    assert_found(&report, "roster/ledger.vkey", K::LedgerForeign);
    assert_found(&report, "checkpoints/000007", K::CheckpointSignature);

    let mut new_origin = honest.clone();
    new_origin.server = 2;
    new_origin.origin = origin("test", &machine(2).public());
    new_origin.roster.log.clone_from(&new_origin.origin);
    attacked(&mut new_origin);
    assert_found(&check(&new_origin.export()), "events/000000.json", K::EventForeign);

    let mut own_key = honest.clone();
    attacked(&mut own_key);
    let seen = Presented { note: honest.note(7), consistency: Vec::new() };
    let options = Options { presented: Some(seen), ..Options::default() };
    let report = verify(&own_key.export(), &options, &mut |_| {});
    assert_found(&report, "presented", K::SplitView);
}

/// Attack 8: evidence is swapped, hashed again, and the bag made to fit.
#[test]
fn attack_swapped_evidence() {
    let mut log = Log::new(1, 6);
    log.evidence[0] = b"two forged certificates".to_vec();
    let forged = Digest::of(&log.evidence[0]).to_string();
    assert_found(&check(&log.export()), &forged, K::EvidenceUnreferenced);

    let mut bundle = Log::new(1, 6).export();
    let name = bundle.0.keys().find(|n| n.starts_with("evidence/")).unwrap().clone();
    bundle.0.insert(name.clone(), b"other bytes".to_vec());
    rebag(&mut bundle);
    assert_found(&check(&bundle), &name, K::EvidenceMismatch);
}

/// Attack 9: the format is downgraded so that older, weaker rules would apply.
#[test]
fn attack_downgraded_format() {
    let bundle = Log::new(1, 6).export();
    for format in ["azir.bundle/0", "azir.bundle/2", "", "azir.bundle/1 "] {
        let mut changed = bundle.clone();
        let info = String::from_utf8(changed.0["bundle.json"].clone()).unwrap();
        changed.0.insert("bundle.json".into(), info.replace("azir.bundle/1", format).into());
        rebag(&mut changed);
        let report = check(&changed);
        assert_found(&report, "bundle.json", K::FormatUnknown);
        assert_eq!(report.counts.entries, 0, "nothing is judged by unknown rules");
    }
    let mut changed = bundle.clone();
    let event = changed.0.get_mut("events/000002.json").unwrap();
    *event = String::from_utf8(event.clone()).unwrap().replace("event/1", "event/0").into();
    rebag(&mut changed);
    assert_found(&check(&changed), "events/000002.json", K::EventInvalid);
}

/// Attack 10: a split view, two signed checkpoints of one size.
/// R-7.3-2: a fork is reported as another history.
/// R-32.2-2: an export verifies offline and any change is detected.
#[test]
fn attack_split_view() {
    let honest = Log::new(1, 6);
    let mut forked = honest.clone();
    forked.entries.truncate(4);
    (4..9).for_each(|i| forked.push(true, json!({"fork": i, "evidence": [Digest::of(EVIDENCE)]})));
    let present = |size| Options {
        presented: Some(Presented { note: honest.note(size), consistency: Vec::new() }),
        ..Options::default()
    };
    let bundle = forked.export();
    assert_found(&verify(&bundle, &present(7), &mut |_| {}), "presented", K::SplitView);
    let common = verify(&bundle, &present(4), &mut |_| {});
    assert!(common.is_clean(), "{:#?}", common.findings);

    let mut longer = honest.clone();
    (0..9).for_each(|i| longer.push(true, json!({"later": i})));
    let consistency = longer.tree().consistency_proof(9, 16).unwrap();
    let seen = Presented { note: longer.note(16), consistency };
    let options = Options { presented: Some(seen), ..Options::default() };
    assert_found(&verify(&bundle, &options, &mut |_| {}), "presented", K::SplitView);
    let foreign = Presented { note: Log::new(2, 6).note(7), consistency: Vec::new() };
    let options = Options { presented: Some(foreign), ..Options::default() };
    assert_found(&verify(&bundle, &options, &mut |_| {}), "presented", K::PresentedInvalid);
}

/// Attack 11: the server is rolled back to an old backup; everything in it is sound.
/// R-7.3-2: a shorter log is reported with both sizes.
#[test]
fn attack_old_backup() {
    let old = Log::new(1, 6);
    let mut new = old.clone();
    (0..5).for_each(|i| new.push(false, json!({"later": i})));
    let consistency = new.tree().consistency_proof(7, 12).unwrap();
    let seen = Presented { note: new.note(12), consistency };
    let options = Options { presented: Some(seen), ..Options::default() };
    let report = verify(&old.export(), &options, &mut |_| {});
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_found(&report, "presented", K::OlderThanPresented);
    assert!(report.findings[0].what.contains("7 entries, the log has 12"));
}

#[test]
fn signers_are_judged_by_the_roster_at_their_position() {
    let mut log = Log::new(1, 6);
    log.roster.revoke("operator:alice", None, 4);
    let report = check(&log.export());
    assert_found(&report, "events/000004.json.sig", K::KeyRevoked);
    assert!(!report.findings.iter().any(|f| f.place.contains("000002")), "{report:?}");

    let mut log = Log::new(1, 6);
    log.roster.keys.remove(1);
    assert_found(&check(&log.export()), "events/000001.json.sig", K::UnknownActor);
}

#[test]
fn too_few_or_false_cosignatures_are_found() {
    let log = Log::new(1, 2);
    let mut trusted = log.trusted();
    trusted.quorum = 2;
    let options = Options { trusted: Some(trusted), ..Options::default() };
    let report = verify(&log.export(), &options, &mut |_| {});
    assert_found(&report, "checkpoints/000003.note", K::QuorumMissing);

    let mut bundle = log.export();
    let mut note = log.note(3).to_string();
    let other = log.note(1).to_string();
    let at = note.find("\u{2014} w60").unwrap();
    note.truncate(at);
    note.push_str(&other[other.find("\u{2014} w60").unwrap()..]);
    bundle.0.insert("checkpoints/000003.note".into(), note.into_bytes());
    rebag(&mut bundle);
    assert_found(&check(&bundle), "checkpoints/000003.note", K::CosignatureInvalid);
}

/// R-7.1-2: the id equals the hash of the record beside it.
#[test]
fn records_and_incidents_fit_each_other() {
    let mut bundle = Log::new(1, 2).export();
    let name = bundle.0.keys().find(|n| n.ends_with("record.json")).unwrap().clone();
    let record = bundle.0.remove(&name).unwrap();
    rebag(&mut bundle);
    assert_found(&check(&bundle), &name, K::RecordMissing);
    let other = String::from_utf8(record).unwrap().replace("DETECTED", "TRIAGED");
    bundle.0.insert(name.clone(), other.clone().into());
    rebag(&mut bundle);
    assert_found(&check(&bundle), &name, K::RecordMismatch);
    let id = Digest::tagged("AZ:INCIDENT:", other.as_bytes());
    bundle.0.insert(format!("incidents/{id}/record.json"), other.into());
    rebag(&mut bundle);
    assert_found(&check(&bundle), &id.to_string(), K::RecordUnreferenced);
}

#[test]
fn what_is_not_sound_is_not_exported() {
    let mut log = Log::new(1, 2);
    log.entries[1].meta.index = 5;
    assert!(matches!(log.try_export(), Err(ExportError::Order { expected: 1, found: 5 })));
}

#[test]
fn codes_of_findings_are_distinct() {
    let codes: std::collections::BTreeSet<_> = K::ALL.iter().map(|k| k.code()).collect();
    assert_eq!(codes.len(), K::ALL.len());
}
