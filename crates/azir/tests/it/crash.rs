//! The binary is killed at every event of one whole incident, before, inside and after its append,
//! and started again: what was acknowledged stays, nothing stands twice, the state is the same.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use azir_ledger::Entry;
use azir_store::ledger::LedgerStore;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::cases::CALM;
use super::run::command;
use super::walk;
use super::world::{Nodes, World, copy};

const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;
/// Blocks of 512 bytes that SQLite's shared index of the write-ahead log takes.
const INDEX_BLOCKS: u64 = 64;
/// How often a state of a child is looked at. No verdict depends on it.
const LOOK: Duration = Duration::from_millis(2);
/// After this a child is killed wherever it is.
const ENOUGH: Duration = Duration::from_secs(30);

/// A deployment whose binary gets killed.
struct Victim {
    world: World,
    /// Signals that ended a child, by place.
    killed: BTreeSet<(&'static str, i32)>,
}

impl Victim {
    fn ledger(&self) -> std::path::PathBuf {
        self.world.at("azir-data/ledger")
    }

    fn child(&self, words: &mut Command) -> Child {
        words.current_dir(&self.world.dir).stderr(Stdio::null()).spawn().unwrap()
    }

    fn kill(&mut self, place: &'static str, mut child: Child) {
        // It may be gone already: then it ended by itself, and is asked again like any other.
        let _gone = child.kill();
        self.ended(place, child);
    }

    fn ended(&mut self, place: &'static str, mut child: Child) {
        let signal = child.wait().unwrap().signal();
        self.killed.extend(signal.map(|signal| (place, signal)));
    }

    /// Before it has read the log: another process holds the ledger.
    fn before(&mut self, submit: &[&str], log: &str) {
        let held = LedgerStore::open(&self.ledger(), log).unwrap();
        let child = self.child(command(submit).stdout(Stdio::null()));
        self.kill("before", child);
        drop(held);
    }

    /// In its append: the database's write lock is held, so its transaction cannot begin.
    fn inside(&mut self, submit: &[&str]) {
        let path = self.ledger().join("ledger.sqlite");
        let held = Connection::open(&path).unwrap();
        held.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut child = self.child(command(submit).stdout(Stdio::null()));
        let fds = format!("/proc/{}/fd", child.id());
        let opened = || {
            let mut fds = std::fs::read_dir(&fds).into_iter().flatten().flatten();
            fds.any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == path))
        };
        while child.try_wait().unwrap().is_none() && !opened() {
            std::thread::sleep(LOOK);
        }
        // Long enough to fold the log; it waits for the lock much longer than this.
        std::thread::sleep(10 * LOOK);
        self.kill("inside", child);
        held.execute_batch("ROLLBACK").unwrap();
    }

    /// Behind its commit, while pages are copied into the database file: the kernel ends it at the
    /// write that would pass the limit. A long entry is ended inside its write-ahead log.
    fn copying(&mut self, submit: &[&str], turn: u64) {
        let size = std::fs::metadata(self.ledger().join("ledger.sqlite")).unwrap().len();
        let room = (size / 512).saturating_sub(INDEX_BLOCKS).max(1);
        let limit = INDEX_BLOCKS + turn.wrapping_mul(31) % room;
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"ulimit -c 0; ulimit -f "$0"; exec "$@""#, &limit.to_string()]);
        shell.arg(env!("CARGO_BIN_EXE_azir")).args(submit);
        let child = self.child(shell.stdin(Stdio::null()).stdout(Stdio::null()));
        self.ended("copying", child);
    }

    /// Behind its append, before its answer: nobody reads the pipe that it answers into.
    fn after(&mut self, submit: &[&str], entries: u64) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut filler = writer.try_clone().unwrap();
        let filling = std::thread::spawn(move || while filler.write_all(&[b' '; 4096]).is_ok() {});
        let mut child = self.child(command(submit).stdout(writer));
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none()
            && size(&self.ledger()) < Some(entries)
            && begun.elapsed() < ENOUGH
        {
            std::thread::sleep(LOOK);
        }
        self.kill("after", child);
        drop(reader);
        filling.join().unwrap();
    }
}

/// Entries in a ledger that another process may be writing; unknown while it cannot be read.
fn size(ledger: &Path) -> Option<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(ledger.join("ledger.sqlite"), flags).ok()?;
    let count: i64 = db.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).ok()?;
    u64::try_from(count).ok()
}

/// Every entry of a deployment, and the log's name.
fn entries(world: &World) -> (String, Vec<Entry>) {
    let text = std::fs::read(world.at("azir-data/deployment.json")).unwrap();
    let deployment: Value = serde_json::from_slice(&text).unwrap();
    let log = deployment["log"].as_str().unwrap().to_owned();
    let store = LedgerStore::open(&world.at("azir-data/ledger"), &log).unwrap();
    (log, store.read(0).map(Result::unwrap).collect())
}

/// What must be equal in two runs: all but the log's own clock, and whether it differs by much from
/// the author's.
fn timeless(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(timeless).collect(),
        Value::Object(all) => {
            let kept = all.iter().filter(|(name, _)| *name != "clock_suspect");
            kept.map(|(name, v)| (name.clone(), timeless(v))).collect()
        }
        Value::String(text) if text.parse::<azir_ledger::Timestamp>().is_ok() => "time".into(),
        other => other.clone(),
    }
}

/// Every event of an incident, from its opening to its published postmortem, is submitted
/// by a binary that is killed before its append, inside it or behind its commit, and before its
/// answer, and then submitted again: each is answered with its first position, the log has each
/// once, and the incident is the same.
#[test]
fn killed_at_every_event_of_an_incident_and_started_again() {
    let Some(mut calm) = World::open("calm", Nodes::One) else { return };
    calm.calm = true;
    let begun = entries(&calm).1.len();
    let victim = World::open("victim", Nodes::One).unwrap();
    let (calm, _) = walk::from(calm, &CALM);
    let (log, all) = entries(&calm);
    copy(&calm.at("azir-data/vault"), &victim.at("azir-data/vault"));
    let mut victim = Victim { world: victim, killed: BTreeSet::new() };
    victim.world.incident.clone_from(&calm.incident);
    for (entry, turn) in all.iter().skip(begun).zip(0..) {
        let index = entry.meta.index;
        std::fs::write(victim.world.at("ev.json"), entry.signed.bytes()).unwrap();
        let signature = entry.signed.signature().to_string();
        std::fs::write(victim.world.at("ev.json.sig"), signature).unwrap();
        let submit = ["submit", "ev.json", "--json"];
        victim.before(&submit, &log);
        let kind = &entry.signed.event().kind;
        if turn % 2 == 0 {
            victim.copying(&submit, turn);
        } else {
            victim.inside(&submit);
            assert!(size(&victim.ledger()) <= Some(index), "{kind} entered before its append");
        }
        victim.after(&submit, index + 1);
        for _again in 0..2 {
            let did = victim.world.run(&submit);
            assert_eq!(did.code, 0, "{index} {kind}: {}{}", did.out, did.err);
            let told = did.json();
            assert_eq!(told["index"], index, "{kind}");
            assert_eq!(told["event"], entry.signed.hash().to_string(), "{kind}");
        }
    }
    same(&calm, &mut victim, &all);
    for (place, signal) in
        [("before", SIGKILL), ("inside", SIGKILL), ("copying", SIGXFSZ), ("after", SIGKILL)]
    {
        assert!(victim.killed.contains(&(place, signal)), "nobody was killed {place}");
    }
}

/// Both logs hold the same events at the same places, both incidents stand alike, and the log of
/// the killed binary verifies.
fn same(calm: &World, victim: &mut Victim, all: &[Entry]) {
    let (_, killed) = entries(&victim.world);
    assert_eq!(killed.len(), all.len());
    for (one, other) in all.iter().zip(&killed) {
        let kind = &one.signed.event().kind;
        assert_eq!(one.signed.hash(), other.signed.hash(), "{kind}");
    }
    let before = timeless(&calm.shown());
    assert_eq!(timeless(&victim.world.shown()), before);
    assert_eq!(before["state"], "POSTMORTEM_PUBLISHED");
    let told = victim.world.verified();
    assert_eq!(told["rules"]["events_admitted"], all.len(), "{told:#}");
}
