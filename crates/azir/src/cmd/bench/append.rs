//! Durable appends of signed events beside raw SQLite inserts of the same bytes (P3).

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;

use azir_ledger::entry::EntryMeta;
use azir_ledger::event::{EVENT_SCHEMA, PublicKey};
use azir_ledger::{Digest, Entry, Event, MachineKey, SignedEvent, Timestamp};
use azir_store::ledger::LedgerStore;
use azir_store::writer::{Ticket, Writer};
use rusqlite::Connection;

use super::measure::{Row, Target, Unit, broken, cores, millis, pairs, quantile, rate, timed};
use crate::error::CliError;

const ORIGIN: &str = "azir.bench/log";
/// Entries in flight, and rows of a raw batch.
const BATCH: usize = 64;
/// Entries of a round with one at a time.
const SINGLES: usize = 256;
/// Entries of a round with [`BATCH`] in flight.
const MANY: usize = 64 * BATCH;
/// Appends a second and core that are enough (P3).
const ENOUGH_PER_CORE: f64 = 20_000.0;
/// Size of the bare append to which latency is compared, in bytes.
const BARE_BYTES: usize = 4096;

/// Runs the benchmark.
pub(super) fn run(dir: &Path) -> Result<Vec<Row>, CliError> {
    let key = MachineKey::from_seed([1; 32]);
    let entries = entries(&key)?;
    let key = PublicKey::Machine(key.public());
    let leaves: Vec<_> = entries.iter().map(Entry::leaf_bytes).collect();
    let size = leaves.first().map_or(0, Vec::len);
    let (mut latency, mut bare) = (Vec::new(), Vec::new());
    let single = pairs(
        |round| singles(&dir.join(format!("one-{round}")), &entries[..SINGLES], &key, &mut latency),
        |round| raw(&dir.join(format!("raw-one-{round}")), &leaves[..SINGLES], 1),
    )?;
    let many = pairs(
        |round| in_flight(&dir.join(format!("many-{round}")), &entries, &key),
        |round| {
            let raw = raw(&dir.join(format!("raw-many-{round}")), &leaves, BATCH)?;
            Ok(raw.min(cores() as f64 * ENOUGH_PER_CORE))
        },
    )?;
    let tail = pairs(
        |round| {
            latency.clear();
            singles(&dir.join(format!("tail-{round}")), &entries[..SINGLES], &key, &mut latency)?;
            Ok(quantile(std::mem::take(&mut latency), 0.99))
        },
        |round| {
            bare.clear();
            bare_appends(&dir.join(format!("bare-{round}")), &mut bare)?;
            Ok(quantile(std::mem::take(&mut bare), 0.99))
        },
    )?;
    let p3 = |target| ("P3", target);
    Ok(vec![
        Row::new(
            &format!("append one at a time, {size} B: parse, signature, tree, durable"),
            "raw SQLite insert, same sync",
            Unit::PerSecond,
            &single,
            p3(Target::Ratio(0.6)),
        ),
        Row::new(
            &format!("append, {BATCH} in flight"),
            &format!("min(raw SQLite, batch {BATCH}; cores x 20 k/s)"),
            Unit::PerSecond,
            &many,
            p3(Target::Ratio(0.6)),
        ),
        Row::new(
            "append one at a time, p99",
            "bare 4 KiB append + fdatasync, p99",
            Unit::Millis,
            &tail,
            p3(Target::RatioAtMost(10.0)),
        ),
    ])
}

fn entries(key: &MachineKey) -> Result<Vec<Entry>, CliError> {
    let entry = |index: usize| {
        let text = format!("reading {index} of a detector, {}", "with its context, ".repeat(20));
        let event = Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: ORIGIN.to_owned(),
            mode: "live".to_owned(),
            subject: Some(Digest::of(b"subject")),
            kind: "bench.reading".to_owned(),
            body: serde_json::json!({"text": text, "value": index, "unit": "ms"}),
            actor: "agent:bench".to_owned(),
            role: None,
            at: Timestamp::EPOCH,
            seen_final: None,
            basis: Some(index as u64),
        };
        let signed = SignedEvent::by_machine(&event, key).map_err(broken)?;
        let view = Digest::of(&index.to_be_bytes());
        let meta = EntryMeta { index: index as u64, recorded: Timestamp::EPOCH, view };
        Ok(Entry { meta, signed })
    };
    (0..MANY).map(entry).collect()
}

/// What comes before an append: bytes become an event, strictly, and its signature is checked.
fn received(entry: &Entry, key: &PublicKey) -> Result<Entry, CliError> {
    let bytes = entry.signed.bytes().to_vec();
    let signed = SignedEvent::from_bytes(bytes, entry.signed.signature().clone());
    let signed = signed.map_err(broken)?;
    signed.verify(key).map_err(broken)?;
    Ok(Entry { meta: entry.meta, signed })
}

fn open(dir: &Path) -> Result<Writer, CliError> {
    std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
    let store = LedgerStore::open(dir, ORIGIN).map_err(|e| CliError::write(dir, e))?;
    Writer::start(store).map_err(broken)
}

fn close(dir: &Path, writer: Writer, expected: usize) -> Result<(), CliError> {
    let size = writer.stop().map(|store| store.size());
    if size != Some(expected as u64) {
        return Err(broken(format!("{size:?} entries stored of {expected}")));
    }
    std::fs::remove_dir_all(dir).map_err(|e| CliError::write(dir, e))
}

/// One entry at a time; adds the milliseconds that each took.
fn singles(
    dir: &Path,
    entries: &[Entry],
    key: &PublicKey,
    latency: &mut Vec<f64>,
) -> Result<f64, CliError> {
    let writer = open(dir)?;
    let ((), took) = timed(|| {
        for entry in entries {
            let append = || writer.submit(received(entry, key)?).wait().map_err(broken);
            latency.push(millis(timed(append)?.1));
        }
        Ok(())
    })?;
    close(dir, writer, entries.len())?;
    Ok(rate(entries.len(), took))
}

/// [`BATCH`] entries are under way at any time; one thread for each core parses and checks.
fn in_flight(dir: &Path, entries: &[Entry], key: &PublicKey) -> Result<f64, CliError> {
    let writer = open(dir)?;
    let workers = cores();
    let ((), took) = timed(|| {
        std::thread::scope(|scope| {
            let queues: Vec<_> = (0..workers)
                .map(|worker| {
                    let (send, queue) = mpsc::sync_channel(2 * BATCH);
                    let own = entries.iter().skip(worker).step_by(workers);
                    // A receiver that went away has its own error to tell.
                    scope
                        .spawn(move || own.map(|e| received(e, key)).all(|e| send.send(e).is_ok()));
                    queue
                })
                .collect();
            let mut waiting: VecDeque<Ticket> = VecDeque::new();
            for index in 0..entries.len() {
                let entry = queues[index % workers].recv().map_err(broken)??;
                waiting.push_back(writer.submit(entry));
                if waiting.len() >= BATCH
                    && let Some(first) = waiting.pop_front()
                {
                    first.wait().map_err(broken)?;
                }
            }
            waiting.into_iter().try_for_each(|t| t.wait().map(|_| ()).map_err(broken))
        })
    })?;
    close(dir, writer, entries.len())?;
    Ok(rate(entries.len(), took))
}

/// Rows with the same bytes in plain SQLite, with the same journal and the same sync.
fn raw(dir: &Path, leaves: &[Vec<u8>], batch: usize) -> Result<f64, CliError> {
    std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
    let mut db = Connection::open(dir.join("raw.sqlite")).map_err(broken)?;
    let mode = "PRAGMA journal_mode = WAL";
    db.query_row(mode, [], |r| r.get::<_, String>(0)).map_err(broken)?;
    let make = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
                CREATE TABLE entries (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;";
    db.execute_batch(make).map_err(broken)?;
    let ((), took) = timed(|| {
        for (start, rows) in (0..).step_by(batch).zip(leaves.chunks(batch)) {
            let transaction = db.transaction().map_err(broken)?;
            let text = "INSERT INTO entries (idx, leaf) VALUES (?1, ?2)";
            let mut statement = transaction.prepare_cached(text).map_err(broken)?;
            for (index, leaf) in (start..).zip(rows) {
                statement.execute((index, leaf)).map_err(broken)?;
            }
            drop(statement);
            transaction.commit().map_err(broken)?;
        }
        Ok(())
    })?;
    drop(db);
    std::fs::remove_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
    Ok(rate(leaves.len(), took))
}

/// Appends of 4 KiB with a sync each; adds the milliseconds that each took.
fn bare_appends(path: &Path, latency: &mut Vec<f64>) -> Result<(), CliError> {
    let fail = |e| CliError::write(path, e);
    let mut file = File::create(path).map_err(fail)?;
    for _ in 0..SINGLES {
        let append =
            || file.write_all(&[7; BARE_BYTES]).and_then(|()| file.sync_data()).map_err(fail);
        latency.push(millis(timed(append)?.1));
    }
    std::fs::remove_file(path).map_err(fail)
}
