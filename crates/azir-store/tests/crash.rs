//! A process killed while it appends loses nothing that it acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use azir_ledger::entry::EntryMeta;
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::{Digest, Entry, Event, MachineKey, SignedEvent, Timestamp};
use azir_store::{LedgerStore, Vault, Writer};
use serde_json::json;

const ORIGIN: &str = "azir/crash-test/0000000000000000";
const DIR: &str = "AZIR_CRASH_TEST_DIR";

fn entry(index: u64) -> Entry {
    let event = Event {
        schema: EVENT_SCHEMA.into(),
        log: ORIGIN.into(),
        mode: "live".into(),
        subject: None,
        kind: "note".into(),
        body: json!({"n": index}),
        actor: "gate:a".into(),
        role: None,
        at: Timestamp::EPOCH,
        seen_final: None,
        basis: None,
    };
    let signed = SignedEvent::by_machine(&event, &MachineKey::from_seed([1; 32])).unwrap();
    let meta = EntryMeta { index, recorded: Timestamp::EPOCH, view: Digest([0; 32]) };
    Entry { meta, signed }
}

fn evidence(index: u64) -> Vec<u8> {
    index.to_be_bytes().repeat(2000)
}

/// Not a test of its own: the process that is killed. Prints the index of each entry after its
/// acknowledgement, and stores evidence in between.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    let vault = Vault::open(&dir.join("vault")).unwrap();
    let store = LedgerStore::open(&dir.join("ledger"), ORIGIN).unwrap();
    let from = store.size();
    let writer = Writer::start(store).unwrap();
    let mut out = std::io::stdout();
    for batch in 0..10_000u64 {
        let tickets: Vec<_> = (0..3).map(|i| writer.submit(entry(from + batch * 3 + i))).collect();
        for ticket in tickets {
            let index = ticket.wait().unwrap().index;
            vault.put(&mut evidence(index).as_slice()).unwrap();
            writeln!(out, "stored {index}").unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_no_acknowledged_event_or_evidence_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = 0;
    for acknowledged in [1, 2, 7, 40, 100] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stored = lines.map_while(Result::ok).filter_map(|line| {
            line.split("stored ").nth(1).and_then(|n| n.trim().parse::<u64>().ok())
        });
        let last = stored.take(acknowledged).last().expect("the child acknowledged something");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(last >= before + acknowledged as u64 - 1);

        let store = LedgerStore::open(&dir.path().join("ledger"), ORIGIN).unwrap();
        assert!(store.size() > last, "{} entries, {last} was acknowledged", store.size());
        for (index, found) in (0..).zip(store.read(0)) {
            assert_eq!(found.unwrap(), entry(index));
        }
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        for index in before..=last {
            vault.check(&Digest::of(&evidence(index))).unwrap();
        }
        for digest in vault.list().unwrap() {
            vault.check(&digest).unwrap();
        }
        before = store.size();
    }
}
