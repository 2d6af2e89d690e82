//! One operator's control plane on this machine: the engine, its SQLite ledger, its vault and the
//! server's key, in one directory. Opening it folds the whole ledger; live operation is the same
//! fold.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use azir_engine::admit::{Refused, admit};
use azir_engine::body::{BoundRunbook, LogCreated};
use azir_engine::drive::{self, Keeper, Order};
use azir_engine::{Body, Engine, Objects};
use azir_ledger::checkpoint::Checkpoint;
use azir_ledger::event::EVENT_SCHEMA;
use azir_ledger::note::{SignedNote, VerifierKey};
use azir_ledger::{Digest, Entry, Event, MachineKey, SignedEvent, Timestamp, canon, checkpoint};
use azir_model::directive::{LogPoint, Sealable, Signed};
use azir_model::evidence::MACHINE_SEED_MARK;
use azir_model::policy::{Machine, Policy};
use azir_store::durable::DiskError;
use azir_store::head::Head;
use azir_store::ledger::{LedgerStore, StoreError};
use azir_store::port::Disk;
use azir_store::vault::{Vault, VaultError};
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// Released runbooks, which every new deployment lists: file name and text. Each file says its own
/// id. Implements R-34.2-1.
pub(crate) const RUNBOOKS: [(&str, &str); 16] = [
    ("RB-CONSENSUS-001/v1.toml", include_str!("../../../runbooks/RB-CONSENSUS-001/v1.toml")),
    ("RB-CONSENSUS-001/v2.toml", include_str!("../../../runbooks/RB-CONSENSUS-001/v2.toml")),
    ("RB-VALIDATION-001/v1.toml", include_str!("../../../runbooks/RB-VALIDATION-001/v1.toml")),
    ("RB-VALIDATION-001/v2.toml", include_str!("../../../runbooks/RB-VALIDATION-001/v2.toml")),
    ("RB-BVM-001/v1.toml", include_str!("../../../runbooks/RB-BVM-001/v1.toml")),
    ("RB-WITNESS-001/v1.toml", include_str!("../../../runbooks/RB-WITNESS-001/v1.toml")),
    ("RB-ECON-001/v1.toml", include_str!("../../../runbooks/RB-ECON-001/v1.toml")),
    ("RB-AGENT-001/v1.toml", include_str!("../../../runbooks/RB-AGENT-001/v1.toml")),
    ("RB-GOV-001/v1.toml", include_str!("../../../runbooks/RB-GOV-001/v1.toml")),
    ("RB-GOV-001/v2.toml", include_str!("../../../runbooks/RB-GOV-001/v2.toml")),
    ("RB-KEY-001/v1.toml", include_str!("../../../runbooks/RB-KEY-001/v1.toml")),
    ("RB-INFRA-001/v1.toml", include_str!("../../../runbooks/RB-INFRA-001/v1.toml")),
    ("RB-INFRA-001/v2.toml", include_str!("../../../runbooks/RB-INFRA-001/v2.toml")),
    ("RB-SUPPLY-001/v1.toml", include_str!("../../../runbooks/RB-SUPPLY-001/v1.toml")),
    ("RB-SUPPLY-001/v2.toml", include_str!("../../../runbooks/RB-SUPPLY-001/v2.toml")),
    ("RB-OBSERVE-001/v1.toml", include_str!("../../../runbooks/RB-OBSERVE-001/v1.toml")),
];

/// `deployment.json`: what this directory is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployment {
    schema: String,
    log: String,
    mode: String,
    server: String,
}

/// An open deployment. A second process on the same directory is refused by the ledger's lock.
pub(crate) struct Host {
    engine: Engine,
    store: Store,
}

/// What the engine's effects are performed on.
struct Store {
    ledger: LedgerStore,
    vault: Vault,
    server: MachineKey,
}

impl Keeper for Store {
    fn append(&mut self, entry: &Entry) -> Result<(), String> {
        self.ledger.append(std::slice::from_ref(entry)).map(|_| ()).map_err(|e| e.to_string())
    }

    fn sign(&self, event: &Event) -> Option<SignedEvent> {
        SignedEvent::by_machine(event, &self.server).ok()
    }
}

/// Objects of a vault, for the engine's rules.
struct VaultObjects(Vault);

impl Objects for VaultObjects {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.get(digest).ok()
    }

    fn visit(&self, digest: &Digest, see: &mut dyn FnMut(&[u8])) -> Option<u64> {
        // A piece is digested while it is read, and its last read fails when it was altered.
        pour(&mut self.0.open_piece(digest).ok()?, see).ok()
    }
}

/// Reads to the end, part by part; gives the number of bytes.
pub(crate) fn pour(
    from: &mut dyn std::io::Read,
    see: &mut dyn FnMut(&[u8]),
) -> std::io::Result<u64> {
    let mut part = vec![0; POUR_BYTES];
    let mut size = 0_u64;
    loop {
        let n = match from.read(&mut part) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n == 0 {
            return Ok(size);
        }
        see(part.get(..n).unwrap_or_default());
        size = size.saturating_add(n as u64);
    }
}

/// How much of a piece is in memory at once.
const POUR_BYTES: usize = 256 * 1024;

/// The machine's clock. Times are informative; the order is the log's (D-016).
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Host {
    /// Makes a deployment in an empty or new directory: server key, ledger, vault, first entry.
    pub(crate) fn create(dir: &Path, name: &str, mut policy: Policy) -> Result<Self, CliError> {
        if dir.join("deployment.json").exists() {
            return Err(CliError::Usage(format!(
                "{} is a deployment already; nothing was changed",
                dir.display()
            )));
        }
        if dir.join("keys/server.seed").exists() {
            return Err(CliError::Usage(format!(
                "{} is half-made by an init that was interrupted; remove it and run init again",
                dir.display()
            )));
        }
        let seed = new_seed()?;
        let server = MachineKey::from_seed(seed);
        let id = format!("server:{name}");
        policy.machines.push(Machine { id: id.clone(), key: server.public() });
        if policy.lease_signers.is_empty() {
            policy.lease_signers = vec![id.clone()];
        }
        policy.validate().map_err(CliError::Refused)?;
        std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
        // Whoever makes `keys` owns the attempt and clears it away when it fails.
        let others = PARTS.iter().any(|part| dir.join(part).exists());
        let mine = std::fs::create_dir(dir.join("keys")).is_ok() && !others;
        let made = write_key(&dir.join("keys/server.seed"), &seed)
            .and_then(|()| Self::begin(dir, name, &id, policy, server));
        if made.is_err() && mine {
            for part in PARTS {
                let _absent = std::fs::remove_dir_all(dir.join(part));
            }
            let _absent = std::fs::remove_file(dir.join("deployment.json"));
            let _not_empty = std::fs::remove_dir(dir);
        }
        made
    }

    /// Ledger, vault, head and first entry of a deployment whose key file was made.
    fn begin(
        dir: &Path,
        name: &str,
        id: &str,
        policy: Policy,
        server: MachineKey,
    ) -> Result<Self, CliError> {
        let log = checkpoint::origin(name, &server.public());
        let meta = Deployment {
            schema: "azir.deployment/1".to_owned(),
            log: log.clone(),
            mode: "live".to_owned(),
            server: id.to_owned(),
        };
        let mut host = Self::assemble(dir, &meta, server)?;
        let place = dir.join("head");
        std::fs::create_dir_all(&place).map_err(|e| CliError::write(&place, e))?;
        Head::create(&place, host.log_key()?, Arc::new(Disk))
            .map_err(|e| CliError::write(&place, e))?;
        let mut runbooks = Vec::new();
        for (file, text) in RUNBOOKS {
            let loaded = azir_runbook::load(text, file);
            let loaded = loaded.map_err(|e| CliError::Internal(e.to_string()))?;
            let object = host.keep(&mut text.as_bytes())?;
            let version = u64::from(loaded.version());
            runbooks.push(BoundRunbook { id: loaded.id(), version, hash: loaded.hash().0, object });
        }
        let created = Body::LogCreated(LogCreated { policy, server: id.to_owned(), runbooks });
        let event = host.event(None, id, None, &created);
        let signed = SignedEvent::by_machine(&event, &host.store.server);
        host.submit(signed.map_err(|e| CliError::Internal(e.to_string()))?)?;
        let bytes = canon::encode(&meta).map_err(|e| CliError::Internal(e.to_string()))?;
        let path = dir.join("deployment.json");
        std::fs::write(&path, bytes).map_err(|e| CliError::write(&path, e))?;
        Ok(host)
    }

    /// Opens a deployment: every entry is read, checked and folded.
    pub(crate) fn open(dir: &Path) -> Result<Self, CliError> {
        let path = dir.join("deployment.json");
        let bytes = std::fs::read(&path).map_err(|e| CliError::read(&path, e))?;
        let meta: Deployment = canon::decode(&bytes).map_err(|e| CliError::content(&path, e))?;
        let server = read_key(&dir.join("keys/server.seed"))?;
        let host = Self::assemble(dir, &meta, server)?;
        host.head(dir)?;
        Ok(host)
    }

    /// The head, kept apart from the ledger; a ledger that lacks what the head has signed, for
    /// example one restored from an old backup, is refused.
    fn head(&self, dir: &Path) -> Result<Head, CliError> {
        let place = dir.join("head");
        let head = Head::open(&place, self.log_key()?, Arc::new(Disk))
            .map_err(|e| CliError::read(&place, e))?;
        if let Some(current) = head.current() {
            self.store.ledger.check_head(current).map_err(|e| CliError::content(&place, e))?;
        }
        Ok(head)
    }

    fn assemble(dir: &Path, meta: &Deployment, server: MachineKey) -> Result<Self, CliError> {
        let ledger_dir = dir.join("ledger");
        std::fs::create_dir_all(&ledger_dir).map_err(|e| CliError::write(dir, e))?;
        let ledger = patient(
            || LedgerStore::open(&ledger_dir, &meta.log),
            |e| matches!(e, StoreError::Disk(DiskError::Locked { .. })),
        )
        .map_err(|e| CliError::read(&ledger_dir, e))?;
        let vault_dir = dir.join("vault");
        let vault = patient(
            || Vault::open(&vault_dir),
            |e| matches!(e, VaultError::Disk(DiskError::Locked { .. })),
        )
        .map_err(|e| CliError::read(&vault_dir, e))?;
        let mut engine = Engine::new(&meta.log, &meta.mode);
        for entry in ledger.read(0) {
            let entry = entry.map_err(|e| CliError::read(&ledger_dir, e))?;
            engine.load(&entry).map_err(|e| CliError::content(&ledger_dir, e))?;
        }
        Ok(Self { engine, store: Store { ledger, vault, server } })
    }

    /// Objects of the vault, for questions to the engine's rules.
    pub(crate) fn objects(&self) -> impl Objects {
        VaultObjects(Vault::read_only(self.store.vault.dir()))
    }

    /// The engine, for reading.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// An unsigned event of an author, quoting what this ledger holds now.
    pub(crate) fn event(
        &self,
        incident: Option<Digest>,
        actor: &str,
        role: Option<&str>,
        body: &Body,
    ) -> Event {
        Event {
            schema: EVENT_SCHEMA.to_owned(),
            log: self.engine.log().to_owned(),
            mode: self.engine.mode().to_owned(),
            subject: incident,
            kind: body.kind().to_owned(),
            body: body.value(),
            actor: actor.to_owned(),
            role: role.filter(|r| !r.is_empty()).map(str::to_owned),
            at: now(),
            seen_final: None,
            basis: Some(self.engine.state().size),
        }
    }

    /// Stores content in the vault; durable when this returns.
    pub(crate) fn keep(&self, from: &mut dyn std::io::Read) -> Result<Digest, CliError> {
        let stored = self.store.vault.put(from);
        stored.map(|s| s.digest).map_err(|e| CliError::write(Path::new("vault"), e))
    }

    /// Signs a checkpoint of the whole log. It leaves only after the head, kept apart from the
    /// ledger, has moved to it: a ledger restored from an old backup cannot sign a second history.
    pub(crate) fn checkpoint(&self, dir: &Path) -> Result<SignedNote, CliError> {
        let internal = |e: &dyn std::fmt::Display| CliError::Internal(e.to_string());
        let tree = self.store.ledger.tree();
        let point = Checkpoint::new(self.engine.log(), tree.size(), tree.root());
        let note = point.sign(&self.store.server).map_err(|e| internal(&e))?;
        let mut head = self.head(dir)?;
        let expected = head.current().map_or(0, |c| c.size);
        if expected < point.size {
            let place = dir.join("head");
            head.swap(expected, note.clone()).map_err(|e| CliError::write(&place, e))?;
        }
        Ok(note)
    }

    /// Size and root of the log now.
    pub(crate) fn log_point(&self) -> LogPoint {
        let tree = self.store.ledger.tree();
        LogPoint { size: tree.size(), root: tree.root() }
    }

    /// Proof that the log only appends to its first `seen` entries; empty when nothing was seen.
    pub(crate) fn consistency(&self, seen: u64) -> Vec<Digest> {
        let tree = self.store.ledger.tree();
        tree.consistency_proof(seen, tree.size()).unwrap_or_default()
    }

    /// Signs an order as the log's server.
    pub(crate) fn seal<T: Sealable>(&self, body: T) -> Result<Signed<T>, CliError> {
        Signed::seal(body, &self.store.server).map_err(|e| CliError::Internal(e.to_string()))
    }

    /// Signs an event as the log's server, which its key alone can do.
    pub(crate) fn by_server(&self, event: &Event) -> Result<SignedEvent, CliError> {
        SignedEvent::by_machine(event, &self.store.server)
            .map_err(|e| CliError::Internal(e.to_string()))
    }

    /// Lets the rules look at the time: what is overdue is recorded, owed orders are returned.
    pub(crate) fn tick(&mut self) -> Result<Vec<Order>, CliError> {
        let objects = VaultObjects(Vault::read_only(self.store.vault.dir()));
        let (orders, failed) = drive::tick(&mut self.engine, now(), &objects, &mut self.store);
        match failed {
            Some(why) => Err(CliError::Refused(drive::stopped(&why))),
            None => Ok(orders),
        }
    }

    /// Key of the log.
    pub(crate) fn log_key(&self) -> Result<VerifierKey, CliError> {
        checkpoint::ledger_key(self.engine.log(), &self.store.server.public())
            .map_err(|e| CliError::Internal(e.to_string()))
    }

    /// The ledger, for reading.
    pub(crate) fn ledger(&self) -> &LedgerStore {
        &self.store.ledger
    }

    /// The vault.
    pub(crate) fn vault(&self) -> &Vault {
        &self.store.vault
    }

    /// What the rules say of a signed event now. Nothing is recorded.
    pub(crate) fn judge(&self, signed: &SignedEvent) -> Result<(), Refused> {
        let objects = VaultObjects(Vault::read_only(self.store.vault.dir()));
        let engine = &self.engine;
        admit(engine.state(), engine.log(), engine.mode(), signed, now(), &objects).map(|_| ())
    }

    /// Submits a signed event; gives its position and the orders for gates that it released, after
    /// those of consequences that an earlier stop cut off.
    pub(crate) fn submit(&mut self, signed: SignedEvent) -> Result<(u64, Vec<Order>), CliError> {
        let objects = VaultObjects(Vault::read_only(self.store.vault.dir()));
        let (mut orders, failed) = drive::tick(&mut self.engine, now(), &objects, &mut self.store);
        if let Some(why) = failed {
            return Err(CliError::Refused(drive::stopped(&why)));
        }
        let driven = drive::submit(&mut self.engine, now(), signed, &objects, &mut self.store);
        let index = driven.answer.map_err(CliError::Refused)?;
        orders.extend(driven.orders);
        Ok((index, orders))
    }
}

/// Directories of a deployment.
const PARTS: [&str; 4] = ["keys", "ledger", "vault", "head"];

/// A new secret seed.
pub(crate) fn new_seed() -> Result<[u8; 32], CliError> {
    let mut seed = [0; 32];
    let random = Path::new("/dev/urandom");
    let read = std::fs::File::open(random).and_then(|mut f| f.read_exact(&mut seed));
    read.map_err(|e| CliError::read(random, e))?;
    Ok(seed)
}

/// Makes the key file of a machine, readable by its owner only.
pub(crate) fn write_key(path: &Path, seed: &[u8; 32]) -> Result<(), CliError> {
    let text = format!("{MACHINE_SEED_MARK}{}", Digest(*seed));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut f| f.write_all(text.as_bytes()).and_then(|()| f.sync_all()));
    written.map_err(|e| CliError::write(path, e))
}

/// How long a command waits for another that holds the ledger or the vault.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(50);

/// Opens what another process may hold for a moment; tries again for [`LOCK_WAIT`].
pub(crate) fn patient<T, E>(
    open: impl Fn() -> Result<T, E>,
    held: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(e) if held(&e) && begun.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_STEP),
            done => return done,
        }
    }
}

fn read_key(path: &Path) -> Result<MachineKey, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| CliError::read(path, e))?;
    let seed = bare_seed(&text).parse::<Digest>();
    // The text is a secret: an error names the file and never what stands in it.
    let seed = seed.map_err(|_| CliError::content(path, "no seed: the mark and 64 hex digits"))?;
    Ok(MachineKey::from_seed(seed.0))
}

/// The digits of a seed file, with or without its mark.
pub(crate) fn bare_seed(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix(MACHINE_SEED_MARK).unwrap_or(text)
}

/// Where a deployment is kept when nothing else is said.
pub(crate) fn default_dir() -> PathBuf {
    PathBuf::from("azir-data")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use azir_model::RunbookId;

    use super::*;

    /// R-34.2-1: a new deployment lists every version that was ever released, of all ten ids of
    /// 34.2 and of RB-OBSERVE-001; each says what its header says and leads for its class.
    #[test]
    fn a_new_deployment_lists_every_released_runbook() {
        let released = include_str!("../../../runbooks/RELEASED");
        let released: BTreeSet<_> = released.lines().filter_map(|l| l.split_once("  ")).collect();
        let listed = RUNBOOKS.map(|(file, text)| {
            let book = azir_runbook::load(text, file).unwrap();
            assert_eq!(file, format!("{}/v{}.toml", book.id(), book.version()));
            assert_eq!(azir_model::class::runbook(book.class()), book.id());
            book.check_header(book.header()).unwrap();
            assert!(released.iter().any(|(_, name)| *name == file), "{file} is not released");
            book.id()
        });
        assert_eq!(RUNBOOKS.len(), released.len());
        assert_eq!(BTreeSet::from(listed), RunbookId::ALL.iter().copied().collect());
    }
}
