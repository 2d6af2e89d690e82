//! One operator's control plane inside the simulator: the production engine, a journal behind it,
//! a tree with witnesses, and a vault. It performs effects and makes no choices.

use std::collections::{BTreeMap, VecDeque};

pub use azir_engine::drive::Order;
use azir_engine::drive::{self, Keeper};
use azir_engine::{Engine, Objects};
use azir_ledger::checkpoint::{self, Checkpoint, Witness};
use azir_ledger::merkle::Tree;
use azir_ledger::note::{KeyKind, NoteError, SignedNote, VerifierKey};
use azir_ledger::{Digest, Entry, Event, MachineKey, SignedEvent, Timestamp};
use azir_model::Refusal;

/// Where acknowledged entries and content are stored. Calls return only when that is durable.
pub trait Journal {
    /// Stores entries in order.
    ///
    /// # Errors
    /// A text with place and remedy; the deployment then stops.
    fn append(&mut self, entries: &[Entry]) -> Result<(), String>;

    /// Stores content under its digest; durable when this returns.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn keep(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), String>;
}

/// A journal that keeps nothing beyond the run itself.
#[derive(Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn append(&mut self, _: &[Entry]) -> Result<(), String> {
        Ok(())
    }

    fn keep(&mut self, _: &Digest, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// A witness agent: its key and what it remembers.
#[derive(Debug)]
struct WitnessAgent {
    name: String,
    key: MachineKey,
    memory: Witness,
}

/// The control plane of one operator.
pub struct Deployment {
    engine: Engine,
    server: MachineKey,
    journal: Box<dyn Journal>,
    entries: Vec<Entry>,
    tree: Tree,
    vault: BTreeMap<Digest, Vec<u8>>,
    witnesses: Vec<WitnessAgent>,
    checkpoints: Vec<SignedNote>,
    orders: VecDeque<Order>,
    failed: Option<String>,
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deployment({}, {} entries)", self.engine.log(), self.entries.len())
    }
}

impl Deployment {
    /// An empty deployment. The origin of its log is bound to the server's key.
    #[must_use]
    pub fn new(name: &str, mode: &str, server: MachineKey, journal: Box<dyn Journal>) -> Self {
        let origin = checkpoint::origin(name, &server.public());
        Self {
            engine: Engine::new(&origin, mode),
            server,
            journal,
            entries: Vec::new(),
            tree: Tree::default(),
            vault: BTreeMap::new(),
            witnesses: Vec::new(),
            checkpoints: Vec::new(),
            orders: VecDeque::new(),
            failed: None,
        }
    }

    /// Adds a witness that has signed nothing of this log yet.
    ///
    /// # Errors
    /// [`NoteError`] when the log's origin cannot name a key.
    pub fn add_witness(&mut self, name: &str, key: MachineKey) -> Result<(), NoteError> {
        let memory = Witness::fresh(self.log_key()?);
        self.witnesses.push(WitnessAgent { name: name.to_owned(), key, memory });
        Ok(())
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The entries so far.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tree over the entries.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Checkpoints signed so far, rising.
    #[must_use]
    pub fn checkpoints(&self) -> &[SignedNote] {
        &self.checkpoints
    }

    /// Content by hash.
    #[must_use]
    pub fn vault(&self) -> &BTreeMap<Digest, Vec<u8>> {
        &self.vault
    }

    /// Stores content and gives its digest.
    pub fn store(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        if !self.vault.contains_key(&digest) {
            match self.journal.keep(&digest, &bytes) {
                Ok(()) => {
                    self.vault.insert(digest, bytes);
                }
                Err(why) => self.failed = Some(why),
            }
        }
        digest
    }

    /// Gives the journal back, so that it can be closed; nothing is stored any more.
    pub fn release_journal(&mut self) -> Box<dyn Journal> {
        self.failed = Some("the journal was closed".to_owned());
        std::mem::replace(&mut self.journal, Box::new(NoJournal))
    }

    /// Key of the log.
    ///
    /// # Errors
    /// [`NoteError`] when the origin cannot name a key.
    pub fn log_key(&self) -> Result<VerifierKey, NoteError> {
        checkpoint::ledger_key(self.engine.log(), &self.server.public())
    }

    /// Keys of the witnesses.
    ///
    /// # Errors
    /// [`NoteError`] when a witness name cannot name a key.
    pub fn witness_keys(&self) -> Result<Vec<VerifierKey>, NoteError> {
        let key = |w: &WitnessAgent| VerifierKey::new(&w.name, KeyKind::Witness, w.key.public());
        self.witnesses.iter().map(key).collect()
    }

    /// Orders that wait for delivery, oldest first.
    pub fn take_orders(&mut self) -> Vec<Order> {
        self.orders.drain(..).collect()
    }

    /// Submits a signed event and performs every effect up to its acknowledgement.
    ///
    /// # Errors
    /// The engine's refusal, or `unavailable` after a failed write.
    pub fn submit(&mut self, now: Timestamp, signed: SignedEvent) -> Result<u64, Refusal> {
        if let Some(why) = &self.failed {
            return Err(drive::stopped(why));
        }
        let mut keeper = JournalKeeper {
            journal: self.journal.as_mut(),
            server: &self.server,
            entries: &mut self.entries,
            tree: &mut self.tree,
        };
        let objects = VaultObjects(&self.vault);
        let driven = drive::submit(&mut self.engine, now, signed, &objects, &mut keeper);
        self.orders.extend(driven.orders);
        self.failed = driven.failed;
        driven.answer
    }

    /// Signs a checkpoint of the present size and has it cosigned by every witness.
    ///
    /// # Errors
    /// A text naming the witness that refused.
    pub fn checkpoint(&mut self, now: Timestamp) -> Result<&SignedNote, String> {
        let size = self.tree.size();
        let point = Checkpoint::new(self.engine.log(), size, self.tree.root());
        let mut note = point.sign(&self.server).map_err(|e| e.to_string())?;
        for witness in &mut self.witnesses {
            let from = witness.memory.size;
            let proof = self.tree.consistency_proof(from, size).unwrap_or_default();
            let admitted = witness.memory.consider(&note, from, &proof);
            let admitted = admitted.map_err(|e| format!("{}: {e}", witness.name))?;
            let next = admitted.next().clone();
            let seconds = u64::try_from(now.ms() / 1_000).unwrap_or(0);
            let line = admitted.cosign(&witness.name, &witness.key, seconds);
            note.push(line.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
            witness.memory = next;
        }
        if self.checkpoints.last().is_some_and(|n| n.text() == note.text()) {
            self.checkpoints.pop();
        }
        self.checkpoints.push(note);
        self.checkpoints.last().ok_or_else(|| "no checkpoint".to_owned())
    }
}

struct VaultObjects<'a>(&'a BTreeMap<Digest, Vec<u8>>);

impl Objects for VaultObjects<'_> {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.get(digest).cloned()
    }
}

/// Journal, tree and server key of a deployment, lent to the drive loop.
struct JournalKeeper<'a> {
    journal: &'a mut dyn Journal,
    server: &'a MachineKey,
    entries: &'a mut Vec<Entry>,
    tree: &'a mut Tree,
}

impl Keeper for JournalKeeper<'_> {
    fn append(&mut self, entry: &Entry) -> Result<(), String> {
        self.journal.append(std::slice::from_ref(entry))?;
        self.tree.append(entry.leaf_hash());
        self.entries.push(entry.clone());
        Ok(())
    }

    fn sign(&self, event: &Event) -> Option<SignedEvent> {
        SignedEvent::by_machine(event, self.server).ok()
    }
}
