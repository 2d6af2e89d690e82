//! The production store behind a drill's log: SQLite ledger and directory vault on disk. An entry
//! is acknowledged when it is durable, and after the run everything is read back as at a start.

use std::path::{Path, PathBuf};

use azir_engine::{Engine, State};
use azir_ledger::{Digest, Entry};
use azir_sim::deployment::{Deployment, Journal};
use azir_store::ledger::LedgerStore;
use azir_store::vault::Vault;

use crate::error::CliError;

/// Ledger and vault in one directory.
pub(super) struct Backing {
    dir: PathBuf,
    ledger: Option<LedgerStore>,
    vault: Vault,
}

impl Backing {
    /// An empty store in `dir`, which is made.
    pub(super) fn create(dir: &Path) -> Result<Self, CliError> {
        let ledger = dir.join("ledger");
        std::fs::create_dir_all(&ledger).map_err(|e| CliError::write(dir, e))?;
        let vault = Vault::open(&dir.join("vault")).map_err(|e| CliError::write(dir, e))?;
        Ok(Self { dir: dir.to_owned(), ledger: None, vault })
    }
}

impl Journal for Backing {
    fn append(&mut self, entries: &[Entry]) -> Result<(), String> {
        let Some(first) = entries.first() else { return Ok(()) };
        if self.ledger.is_none() {
            let origin = &first.signed.event().log;
            let ledger = LedgerStore::open(&self.dir.join("ledger"), origin);
            self.ledger = Some(ledger.map_err(|e| e.to_string())?);
        }
        let Some(ledger) = self.ledger.as_mut() else { return Ok(()) };
        ledger.append(entries).map(|_| ()).map_err(|e| e.to_string())
    }

    fn keep(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), String> {
        let stored = self.vault.put(&mut &*bytes).map_err(|e| e.to_string())?;
        if stored.digest == *digest {
            Ok(())
        } else {
            Err(format!("vault stored {} for {digest}", stored.digest))
        }
    }
}

/// Starts from the store as a server would: reads every entry back, folds it, and compares with the
/// state in which the run ended. Gives the vault for export.
pub(super) fn read_back(dir: &Path, live: &Deployment) -> Result<Vault, CliError> {
    let engine = live.engine();
    let unlike = |what: String| CliError::Internal(format!("the store read back: {what}"));
    let ledger =
        LedgerStore::open(&dir.join("ledger"), engine.log()).map_err(|e| CliError::read(dir, e))?;
    let mut folded = Engine::new(engine.log(), engine.mode());
    for entry in ledger.read(0) {
        let entry = entry.map_err(|e| CliError::read(dir, e))?;
        folded.load(&entry).map_err(|e| unlike(e.to_string()))?;
    }
    if ledger.tree().root() != live.tree().root() || !same(folded.state(), engine.state()) {
        return Err(unlike("it does not fold to the state in which the run ended".to_owned()));
    }
    Ok(Vault::read_only(&dir.join("vault")))
}

fn same(a: &State, b: &State) -> bool {
    a.size == b.size && a.incidents == b.incidents && a.accepted == b.accepted
}
