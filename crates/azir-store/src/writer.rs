//! Group commit: one thread takes what is queued, stores it in one transaction, answers all.

use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;

use azir_ledger::{Digest, Entry};

use crate::ledger::{LedgerStore, StoreError};

/// Most entries of one transaction.
const BATCH_MAX: usize = 1024;
/// Entries after which the write-ahead log is moved into the database when the queue is empty.
const COMPACT_AFTER: usize = 4096;

/// The answer for one entry: it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Index of the entry.
    pub index: u64,
    /// Size of the log after its batch.
    pub size: u64,
    /// Root of the tree after its batch.
    pub root: Digest,
}

/// Why an entry was not acknowledged. It may be stored or not: opening the ledger finds out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The batch failed; the writer takes nothing more.
    #[error("not acknowledged: {why}")]
    Failed {
        /// The store's error.
        why: String,
    },
    /// The writer stopped before.
    #[error("the writer has stopped; open the ledger again to find out what is stored")]
    Stopped,
}

/// The place where the answer for one entry arrives.
#[derive(Debug)]
pub struct Ticket(Receiver<Result<Durable, WriteError>>);

impl Ticket {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn wait(self) -> Result<Durable, WriteError> {
        self.0.recv().unwrap_or(Err(WriteError::Stopped))
    }
}

struct Job {
    entry: Entry,
    answer: Sender<Result<Durable, WriteError>>,
}

/// The only way into an open ledger while it is served.
#[derive(Debug)]
pub struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<LedgerStore>>,
}

impl Writer {
    /// Starts the thread that owns the store.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(store: LedgerStore) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || serve(store, &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues an entry. Entries must come in the order of their indexes.
    #[must_use]
    pub fn submit(&self, entry: Entry) -> Ticket {
        let (answer, ticket) = mpsc::channel();
        if let Some(queue) = &self.queue {
            // When the thread is gone the answer is dropped with the job: `wait` says `Stopped`.
            let _gone = queue.send(Job { entry, answer });
        }
        Ticket(ticket)
    }

    /// Finishes what is queued and gives the store back; nothing if the thread died.
    #[must_use]
    pub fn stop(mut self) -> Option<LedgerStore> {
        self.queue = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn serve(mut store: LedgerStore, jobs: &Receiver<Job>) -> LedgerStore {
    let mut since_compact = 0;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        since_compact += batch.len();
        if let Err(why) = commit(&mut store, batch) {
            refuse_all(jobs, &why);
            return store;
        }
        if since_compact >= COMPACT_AFTER {
            // A failure here loses nothing: the next commit meets it, or it has passed.
            let _later = store.compact();
            since_compact = 0;
        }
    }
    store
}

fn commit(store: &mut LedgerStore, batch: Vec<Job>) -> Result<(), WriteError> {
    let (entries, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|job| (job.entry, job.answer)).unzip();
    let done =
        store.append(&entries).map_err(|e: StoreError| WriteError::Failed { why: e.to_string() });
    for (entry, answer) in entries.iter().zip(answers) {
        let index = entry.meta.index;
        let answered = done.clone().map(|a| Durable { index, size: a.size, root: a.root });
        // Nobody waits for this one any more.
        let _gone = answer.send(answered);
    }
    done.map(|_| ())
}

fn refuse_all(jobs: &Receiver<Job>, why: &WriteError) {
    loop {
        match jobs.try_recv() {
            Ok(job) => {
                let _gone = job.answer.send(Err(why.clone()));
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::durable::tests::{Fault, Faulty};
    use crate::ledger::tests::{ORIGIN, entries};
    use crate::port::StepKind;

    #[test]
    fn everything_queued_is_answered_once_and_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = LedgerStore::open(dir.path(), ORIGIN).unwrap();
        let writer = Writer::start(store).unwrap();
        let tickets: Vec<_> = entries(0..500).into_iter().map(|e| writer.submit(e)).collect();
        for (index, ticket) in (0..).zip(tickets) {
            let durable = ticket.wait().unwrap();
            assert_eq!(durable.index, index);
            assert!(durable.size > index);
        }
        assert_eq!(writer.stop().unwrap().size(), 500);
    }

    #[test]
    fn after_a_failed_write_nothing_is_acknowledged_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let port = Arc::new(Faulty::new());
        let store = LedgerStore::open_on(dir.path(), ORIGIN, port.clone()).unwrap();
        let writer = Writer::start(store).unwrap();
        let mut all = entries(0..3).into_iter();
        writer.submit(all.next().unwrap()).wait().unwrap();
        port.arm(StepKind::Commit, Fault::Eio);
        let failed = writer.submit(all.next().unwrap()).wait();
        assert!(matches!(failed, Err(WriteError::Failed { .. })), "{failed:?}");
        assert!(writer.submit(all.next().unwrap()).wait().is_err());
        drop(writer);
        assert_eq!(LedgerStore::open(dir.path(), ORIGIN).unwrap().size(), 1);
    }
}
