//! The ledger: entries in one SQLite table, in order, durable before they are acknowledged.
//!
//! Table `entries(idx, leaf, hash)`: `leaf` is the canonical leaf, `hash` its RFC 6962 leaf hash.
//! There is no other index: lookups are a fold in memory. Opening reads and hashes everything, so
//! a torn or edited row is named by its index before the first new entry is accepted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use azir_ledger::merkle::Tree;
use azir_ledger::{Checkpoint, Digest, Entry, merkle};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::durable::{DirLock, DiskError};
use crate::port::{Disk, Port, Step, StepKind};

const FILE: &str = "ledger.sqlite";
/// Version of the table layout, in `user_version`.
const LAYOUT: i64 = 1;
/// Longest leaf in bytes: it must fit a tlog entry bundle.
const LEAF_MAX: usize = 65_535;
/// Rows read at a time.
const PAGE: u64 = 256;

/// Why the ledger could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed, is full, not writable, or in use.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The database failed in another way.
    #[error("{path}: {source}; check the disk, then start again")]
    Sql {
        /// The database file.
        path: PathBuf,
        /// The failure.
        source: rusqlite::Error,
    },
    /// The database is no ledger of this layout.
    #[error("{path}: {what}; use the program version that wrote it, or restore the file")]
    Layout {
        /// The database file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The ledger of another deployment.
    #[error("{path}: the ledger of {found:?}, not of {expected:?}; name the right data directory")]
    ForeignLog {
        /// The database file.
        path: PathBuf,
        /// Origin that was expected.
        expected: String,
        /// Origin of the ledger found.
        found: String,
    },
    /// A row is torn or was edited.
    #[error("entry {index} is damaged: {what}; restore the ledger from a mirror or a bundle")]
    Damaged {
        /// Index of the row.
        index: u64,
        /// What is wrong with it.
        what: String,
    },
    /// An entry to be appended is not the next one.
    #[error("expected entry {expected}, got {found}")]
    Order {
        /// Index that is due.
        expected: u64,
        /// Index of the entry.
        found: u64,
    },
    /// An entry is larger than an entry bundle can hold.
    #[error("entry {index} has {size} bytes, at most 65535; put its content into the vault")]
    TooLarge {
        /// Index of the entry.
        index: u64,
        /// Size of its leaf in bytes.
        size: usize,
    },
    /// The ledger is older than its head: restored from an old backup.
    #[error(
        "the ledger has {store} entries, a checkpoint of {head} was signed: this is an old backup; restore the newer entries from a mirror before signing"
    )]
    RolledBack {
        /// Entries here.
        store: u64,
        /// Size of the signed checkpoint.
        head: u64,
    },
    /// The ledger has another history than its head.
    #[error(
        "the first {size} entries give root {found}, the signed checkpoint says {signed}: another history; sign nothing and compare with a mirror"
    )]
    Forked {
        /// Size of the signed checkpoint.
        size: u64,
        /// Root of the entries here.
        found: Digest,
        /// Root that was signed.
        signed: Digest,
    },
    /// A write failed and whether it is stored is unknown.
    #[error("an earlier write failed; open the ledger again to find out what is stored")]
    Poisoned,
}

/// What an append made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Number of entries now.
    pub size: u64,
    /// Root of the tree now.
    pub root: Digest,
}

/// The ledger of one log, open for appending by this process alone. It can append and read, and
/// nothing else. Implements R-7.3-1.
#[derive(Debug)]
pub struct LedgerStore {
    path: PathBuf,
    origin: String,
    db: Connection,
    tree: Tree,
    poisoned: bool,
    port: Arc<dyn Port>,
    _lock: DirLock,
}

impl LedgerStore {
    /// Opens the ledger in a directory, or makes an empty one, and checks every entry in it.
    ///
    /// # Errors
    /// [`StoreError`]: in use, of another log, damaged, or the disk failed.
    pub fn open(dir: &Path, origin: &str) -> Result<Self, StoreError> {
        Self::open_on(dir, origin, Arc::new(Disk))
    }

    /// [`LedgerStore::open`] on a given port.
    ///
    /// # Errors
    /// As [`LedgerStore::open`].
    pub fn open_on(dir: &Path, origin: &str, port: Arc<dyn Port>) -> Result<Self, StoreError> {
        let lock = DirLock::take(dir)?;
        let path = dir.join(FILE);
        let db = Connection::open(&path).map_err(|e| sql(&path, e))?;
        prepare(&db, &path, origin)?;
        let mut tree = Tree::default();
        let reader = LedgerReader { path: path.clone(), origin: origin.to_owned(), db };
        for entry in reader.read(0) {
            tree.append(entry?.leaf_hash());
        }
        let LedgerReader { path, origin, db } = reader;
        Ok(Self { path, origin, db, tree, poisoned: false, port, _lock: lock })
    }

    /// Number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The tree over all entries, for roots and proofs.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Compares the entries with the last signed checkpoint.
    ///
    /// # Errors
    /// [`StoreError::RolledBack`] or [`StoreError::Forked`].
    pub fn check_head(&self, head: &Checkpoint) -> Result<(), StoreError> {
        if head.origin != self.origin {
            return Err(StoreError::ForeignLog {
                path: self.path.clone(),
                expected: self.origin.clone(),
                found: head.origin.clone(),
            });
        }
        let (store, size) = (self.size(), head.size);
        let Some(found) = self.tree.root_at(size) else {
            return Err(StoreError::RolledBack { store, head: size });
        };
        if found == head.root {
            Ok(())
        } else {
            Err(StoreError::Forked { size, found, signed: head.root })
        }
    }

    /// Appends a batch in one transaction. Durable, and read back, when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is stored, except after [`StoreError::Disk`],
    /// [`StoreError::Sql`] or [`StoreError::Damaged`]: then the outcome is unknown and the store
    /// refuses until it is opened again.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Appended, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let first = self.size();
        let mut rows = Vec::with_capacity(entries.len());
        for (index, entry) in (first..).zip(entries) {
            if entry.meta.index != index {
                return Err(StoreError::Order { expected: index, found: entry.meta.index });
            }
            let leaf = entry.leaf_bytes();
            if leaf.len() > LEAF_MAX {
                return Err(StoreError::TooLarge { index, size: leaf.len() });
            }
            rows.push((index, merkle::leaf_hash(&leaf), leaf));
        }
        self.poisoned = true;
        self.store(&rows)?;
        self.read_back(&rows)?;
        self.poisoned = false;
        rows.iter().for_each(|(_, hash, _)| self.tree.append(*hash));
        Ok(Appended { size: self.size(), root: self.tree.root() })
    }

    fn store(&mut self, rows: &[(u64, Digest, Vec<u8>)]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let (mut failure, port) = (None, self.port.clone());
        let transaction = self.db.transaction().map_err(|e| sql(&path, e))?;
        let mut insert = || -> rusqlite::Result<()> {
            let text = "INSERT INTO entries (idx, leaf, hash) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.prepare_cached(text)?;
            for (index, hash, leaf) in rows {
                statement.execute((index.cast_signed(), leaf, hash.0))?;
            }
            Ok(())
        };
        let step = Step { kind: StepKind::Insert, path: &path };
        let inserted = port.run(step, &mut || run(&mut failure, &mut insert));
        settle(&path, inserted, failure.take())?;
        let mut transaction = Some(transaction);
        let mut commit = || transaction.take().map_or(Ok(()), rusqlite::Transaction::commit);
        let step = Step { kind: StepKind::Commit, path: &path };
        let committed = port.run(step, &mut || run(&mut failure, &mut commit));
        settle(&path, committed, failure.take())
    }

    /// Reads the new rows again and hashes them: one flipped bit must not get signed.
    fn read_back(&self, rows: &[(u64, Digest, Vec<u8>)]) -> Result<(), StoreError> {
        let Some((first, ..)) = rows.first() else { return Ok(()) };
        let text = "SELECT leaf FROM entries WHERE idx >= ?1 ORDER BY idx";
        let fail = |e| sql(&self.path, e);
        let mut statement = self.db.prepare_cached(text).map_err(fail)?;
        let mut found = statement.query([first.cast_signed()]).map_err(fail)?;
        for (index, hash, _) in rows {
            let row = found.next().map_err(fail)?;
            let leaf: Option<Vec<u8>> = row.map(|r| r.get(0)).transpose().map_err(fail)?;
            if leaf.is_none_or(|leaf| merkle::leaf_hash(&leaf) != *hash) {
                let what = "reading it back gave other bytes".to_owned();
                return Err(StoreError::Damaged { index: *index, what });
            }
        }
        Ok(())
    }

    /// Entries from an index on; each is checked again.
    pub fn read(&self, from: u64) -> impl Iterator<Item = Result<Entry, StoreError>> + '_ {
        Pages::new(&self.db, &self.path, &self.origin, from)
    }

    /// A second connection that only reads, for use while a writer holds the ledger.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn reader(&self) -> Result<LedgerReader, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags).map_err(|e| sql(&self.path, e))?;
        Ok(LedgerReader { path: self.path.clone(), origin: self.origin.clone(), db })
    }

    /// Moves the write-ahead log into the database file. Not needed for durability; keeps the
    /// write-ahead log short. Best done while nobody waits.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails; no entry is lost by that.
    pub fn compact(&mut self) -> Result<(), StoreError> {
        let run = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        run.map_err(|e| sql(&self.path, e))
    }

    #[cfg(test)]
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }
}

/// A connection that reads the ledger while another appends.
#[derive(Debug)]
pub struct LedgerReader {
    path: PathBuf,
    origin: String,
    db: Connection,
}

impl LedgerReader {
    /// Entries from an index on; each is checked again.
    pub fn read(&self, from: u64) -> impl Iterator<Item = Result<Entry, StoreError>> + '_ {
        Pages::new(&self.db, &self.path, &self.origin, from)
    }
}

fn run(
    failure: &mut Option<rusqlite::Error>,
    act: &mut dyn FnMut() -> rusqlite::Result<()>,
) -> std::io::Result<()> {
    act().map_err(|e| {
        *failure = Some(e);
        std::io::Error::other("database")
    })
}

fn settle(
    path: &Path,
    done: std::io::Result<()>,
    failure: Option<rusqlite::Error>,
) -> Result<(), StoreError> {
    match (done, failure) {
        (_, Some(e)) => Err(sql(path, e)),
        (Err(e), None) => Err(DiskError::new(path, e).into()),
        (Ok(()), None) => Ok(()),
    }
}

/// Sorts a failure of the database by its remedy.
fn sql(path: &Path, source: rusqlite::Error) -> StoreError {
    use std::io::ErrorKind;
    let kind = match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::StorageFull,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ErrorKind::ReadOnlyFilesystem,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            return StoreError::Layout { path: path.to_owned(), what: source.to_string() };
        }
        _ => return StoreError::Sql { path: path.to_owned(), source },
    };
    DiskError::new(path, std::io::Error::new(kind, source)).into()
}

/// Sets the connection up, makes the tables of a new ledger, and checks whose ledger it is.
fn prepare(db: &Connection, path: &Path, origin: &str) -> Result<(), StoreError> {
    let fail = |e| sql(path, e);
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0)).map_err(fail)?;
    if mode != "wal" {
        let what = format!("journal mode is {mode:?}, not \"wal\"");
        return Err(StoreError::Layout { path: path.to_owned(), what });
    }
    let set = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
               PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
    db.execute_batch(set).map_err(fail)?;
    let layout: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(fail)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(fail)?;
    match (layout, tables) {
        (0, 0) => {
            let make = "BEGIN; \
                 CREATE TABLE entries (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, \
                 hash BLOB NOT NULL) STRICT; \
                 CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), \
                 origin TEXT NOT NULL) STRICT;";
            db.execute_batch(make).map_err(fail)?;
            db.execute("INSERT INTO log (one, origin) VALUES (1, ?1)", [origin]).map_err(fail)?;
            db.execute_batch(&format!("PRAGMA user_version = {LAYOUT}; COMMIT")).map_err(fail)?;
        }
        (LAYOUT, _) => {}
        (other, _) => {
            let what = format!("layout {other}, expected {LAYOUT}");
            return Err(StoreError::Layout { path: path.to_owned(), what });
        }
    }
    let found: String = db.query_row("SELECT origin FROM log", [], |r| r.get(0)).map_err(fail)?;
    if found == origin {
        return Ok(());
    }
    let expected = origin.to_owned();
    Err(StoreError::ForeignLog { path: path.to_owned(), expected, found })
}

/// Rows as they are stored: index, leaf, hash.
type Row = (i64, Vec<u8>, Vec<u8>);

/// Reads entries a page at a time.
struct Pages<'a> {
    db: &'a Connection,
    path: &'a Path,
    origin: &'a str,
    next: u64,
    page: std::vec::IntoIter<Row>,
    done: bool,
}

impl<'a> Pages<'a> {
    fn new(db: &'a Connection, path: &'a Path, origin: &'a str, from: u64) -> Self {
        Self { db, path, origin, next: from, page: Vec::new().into_iter(), done: false }
    }

    fn fetch(&self) -> rusqlite::Result<Vec<Row>> {
        // The first page also shows rows below zero, which no ledger has.
        let from = if self.next == 0 { i64::MIN } else { self.next.cast_signed() };
        let text = "SELECT idx, leaf, hash FROM entries WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
        let mut statement = self.db.prepare_cached(text)?;
        let rows = statement
            .query_map((from, PAGE.cast_signed()), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        rows.collect()
    }

    fn check(&self, (index, leaf, hash): Row) -> Result<Entry, StoreError> {
        let expected = self.next;
        let damaged = |what: String| StoreError::Damaged { index: expected, what };
        if u64::try_from(index) != Ok(expected) {
            return Err(damaged(format!("it is missing, the next one stored is {index}")));
        }
        if merkle::leaf_hash(&leaf).0.as_slice() != hash {
            return Err(damaged("its bytes do not have their hash".to_owned()));
        }
        let entry = Entry::from_leaf(&leaf).map_err(|e| damaged(e.to_string()))?;
        if entry.meta.index != expected {
            return Err(damaged(format!("it says that it is entry {}", entry.meta.index)));
        }
        if entry.signed.event().log != self.origin {
            return Err(damaged(format!("it is of the log {:?}", entry.signed.event().log)));
        }
        Ok(entry)
    }
}

impl Iterator for Pages<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = match self.page.next() {
            Some(row) => row,
            None => match self.fetch() {
                Ok(rows) => {
                    self.page = rows.into_iter();
                    self.page.next()?
                }
                Err(e) => {
                    self.done = true;
                    return Some(Err(sql(self.path, e)));
                }
            },
        };
        let entry = self.check(row);
        self.done = entry.is_err();
        self.next += 1;
        Some(entry)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use azir_ledger::entry::EntryMeta;
    use azir_ledger::event::EVENT_SCHEMA;
    use azir_ledger::{Event, MachineKey, SignedEvent, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::durable::tests::{Fault, Faulty};

    pub(crate) const ORIGIN: &str = "azir/store-test/0000000000000000";

    pub(crate) fn entry(index: u64) -> Entry {
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
        let recorded = Timestamp::from_ms(index as i64);
        Entry { meta: EntryMeta { index, recorded, view: Digest([0; 32]) }, signed }
    }

    pub(crate) fn entries(range: std::ops::Range<u64>) -> Vec<Entry> {
        range.map(entry).collect()
    }

    fn all(store: &LedgerStore) -> Vec<Entry> {
        store.read(0).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_is_appended_is_there_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        let one = store.append(&entries(0..300)).unwrap();
        let two = store.append(&entries(300..301)).unwrap();
        assert_eq!((one.size, two.size), (300, 301));
        let root = store.tree().root();
        assert_eq!(root, two.root);
        assert_eq!(store.read(299).count(), 2);
        assert_eq!(store.reader().unwrap().read(0).count(), 301);
        store.compact().unwrap();
        drop(store);
        let store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        assert_eq!(store.tree().root(), root);
        assert_eq!(all(&store), entries(0..301));
    }

    #[test]
    fn a_second_process_another_log_and_another_layout_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        let error = LedgerStore::open(dir.path(), ORIGIN).unwrap_err();
        assert!(matches!(error, StoreError::Disk(DiskError::Locked { .. })), "{error}");
        store.db().execute_batch("PRAGMA user_version = 2").unwrap();
        drop(store);
        let error = LedgerStore::open(dir.path(), ORIGIN).unwrap_err();
        assert!(matches!(error, StoreError::Layout { .. }), "{error}");

        let dir = tempfile::tempdir().unwrap();
        drop(LedgerStore::open(dir.path(), ORIGIN).unwrap());
        let error = LedgerStore::open(dir.path(), "azir/other/0").unwrap_err();
        assert!(matches!(error, StoreError::ForeignLog { .. }), "{error}");
        assert!(error.to_string().contains("ledger.sqlite"));

        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), vec![7; 8192]).unwrap();
        let error = LedgerStore::open(dir.path(), ORIGIN).unwrap_err();
        assert!(matches!(error, StoreError::Layout { .. }), "{error}");
    }

    #[test]
    fn an_entry_out_of_order_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        for wrong in [entries(1..2), [entries(0..1), entries(0..1)].concat()] {
            assert!(matches!(store.append(&wrong), Err(StoreError::Order { .. })));
        }
        assert_eq!(store.append(&entries(0..1)).unwrap().size, 1);
        assert_eq!(store.append(&[]).unwrap().size, 1);
    }

    /// R-7.3-1: a changed byte in the store is named by its index.
    #[test]
    fn every_edited_deleted_or_swapped_row_is_named() {
        let edits: [(&str, u64); 6] = [
            ("UPDATE entries SET leaf = replace(leaf, '\"n\":3', '\"n\":4') WHERE idx = 3", 3),
            ("UPDATE entries SET hash = zeroblob(32) WHERE idx = 2", 2),
            ("DELETE FROM entries WHERE idx = 4", 4),
            ("DELETE FROM entries WHERE idx = 0", 0),
            ("UPDATE entries SET idx = -1 WHERE idx = 5", 0),
            (
                "UPDATE entries SET idx = -9 WHERE idx = 1; UPDATE entries SET idx = 1 WHERE \
                 idx = 2; UPDATE entries SET idx = 2 WHERE idx = -9",
                1,
            ),
        ];
        for (edit, at) in edits {
            let dir = tempfile::tempdir().unwrap();
            let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
            store.append(&entries(0..6)).unwrap();
            let edit = edit.replace(
                "replace(leaf, '\"n\":3', '\"n\":4')",
                "CAST(replace(CAST(leaf AS TEXT), '\"n\":3', '\"n\":4') AS BLOB)",
            );
            store.db().execute_batch(&edit).unwrap();
            drop(store);
            match LedgerStore::open(dir.path(), ORIGIN) {
                Err(StoreError::Damaged { index, .. }) => assert_eq!(index, at, "{edit}"),
                other => panic!("{edit}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_old_backup_and_another_history_do_not_fit_the_head() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        store.append(&entries(0..4)).unwrap();
        let root = store.tree().root();
        store.check_head(&Checkpoint::new(ORIGIN, 4, root)).unwrap();
        let error = store.check_head(&Checkpoint::new(ORIGIN, 5, root)).unwrap_err();
        assert!(matches!(error, StoreError::RolledBack { store: 4, head: 5 }));
        let error = store.check_head(&Checkpoint::new(ORIGIN, 3, root)).unwrap_err();
        assert!(matches!(error, StoreError::Forked { size: 3, .. }));
        assert!(store.check_head(&Checkpoint::new("o", 4, root)).is_err());
    }

    /// Fault table: insert and commit x each way to fail.
    #[test]
    fn a_failed_write_stops_the_store_and_opening_finds_out_what_is_true() {
        for kind in [StepKind::Insert, StepKind::Commit] {
            for fault in Fault::ALL {
                let dir = tempfile::tempdir().unwrap();
                let port = Arc::new(Faulty::new());
                let mut store = LedgerStore::open_on(dir.path(), ORIGIN, port.clone()).unwrap();
                store.append(&entries(0..2)).unwrap();
                port.arm(kind, fault);
                let error = store.append(&entries(2..4)).unwrap_err();
                assert!(matches!(error, StoreError::Disk(_)), "{error}");
                assert!(matches!(store.append(&entries(2..4)), Err(StoreError::Poisoned)));
                drop(store);
                let mut store = LedgerStore::open_on(dir.path(), ORIGIN, port).unwrap();
                let stored = matches!(fault, Fault::StoredButFails | Fault::Torn);
                let expected = if kind == StepKind::Commit && stored { 4 } else { 2 };
                assert_eq!(store.size(), expected, "{kind:?} {fault:?}");
                assert_eq!(all(&store), entries(0..expected));
                store.append(&entries(expected..6)).unwrap();
            }
        }
    }

    #[test]
    fn a_full_disk_is_named_and_loses_nothing_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        store.append(&entries(0..2)).unwrap();
        let pages: i64 = store.db().query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
        store.db().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        let error = store.append(&entries(2..200)).unwrap_err();
        assert!(matches!(error, StoreError::Disk(DiskError::Full { .. })), "{error}");
        assert!(error.to_string().contains("ledger.sqlite: no space left; free some"));
        drop(store);
        let store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        assert_eq!(all(&store), entries(0..2));
    }

    /// A flipped bit is named, or lies where nothing is stored; never are other entries read.
    #[test]
    fn no_flipped_bit_in_the_database_gives_other_entries() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        store.append(&entries(0..40)).unwrap();
        store.compact().unwrap();
        drop(store);
        let file = dir.path().join(FILE);
        let sound = std::fs::read(&file).unwrap();
        let mut named = 0;
        for at in (0..sound.len()).step_by(37) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&file, flipped).unwrap();
            match LedgerStore::open(dir.path(), ORIGIN) {
                Ok(store) => {
                    let head = Checkpoint::new(ORIGIN, 40, root_of(40));
                    match store.check_head(&head) {
                        Ok(()) => assert_eq!(all(&store), entries(0..40), "byte {at}"),
                        Err(StoreError::RolledBack { .. }) => named += 1,
                        Err(other) => panic!("byte {at}: {other}"),
                    }
                }
                Err(_) => named += 1,
            }
            for name in ["-wal", "-shm"] {
                let _absent = std::fs::remove_file(dir.path().join(format!("{FILE}{name}")));
            }
        }
        assert!(named > 200, "{named}");
    }

    fn root_of(n: u64) -> Digest {
        merkle::root(&entries(0..n).iter().map(Entry::leaf_hash).collect::<Vec<_>>())
    }

    /// SQLite reads a cut write-ahead log as a shorter one: the head names what is lost.
    #[test]
    fn a_cut_write_ahead_log_is_named_by_the_head() {
        let dir = tempfile::tempdir().unwrap();
        let copy = tempfile::tempdir().unwrap();
        let mut store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        (0..8).for_each(|i| {
            store.append(&entries(i..i + 1)).unwrap();
        });
        let wal = format!("{FILE}-wal");
        let sound = std::fs::read(dir.path().join(&wal)).unwrap();
        let mut shorter = 0;
        for cut in (0..=sound.len()).step_by(1999).chain([sound.len()]) {
            std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
            std::fs::write(copy.path().join(&wal), &sound[..cut]).unwrap();
            let _absent = std::fs::remove_file(copy.path().join(format!("{FILE}-shm")));
            let opened = LedgerStore::open(copy.path(), ORIGIN).unwrap();
            assert_eq!(all(&opened), entries(0..opened.size()), "a prefix, whole");
            match opened.check_head(&Checkpoint::new(ORIGIN, 8, store.tree().root())) {
                Ok(()) => assert_eq!(opened.size(), 8),
                Err(StoreError::RolledBack { store, head: 8 }) => {
                    assert_eq!(store, opened.size());
                    shorter += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(shorter > 3, "{shorter}");
    }
}
