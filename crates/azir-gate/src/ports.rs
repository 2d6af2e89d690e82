//! What a gate asks others: the meaning of a request, the time, and a line in the local audit
//! trail. Front ends and the simulator bring their own.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azir_ledger::canon::INTEGER_MAX;
use azir_ledger::{Digest, Timestamp, canon};
use serde::{Deserialize, Serialize};

/// Longest request that a gate reads, in bytes (bounded input).
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Longest name of a kind of object, in bytes.
pub const KIND_BYTES_MAX: usize = 32;

/// The gate's two clocks when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a monotonic clock that counts suspend time (annex I). Leases run on it.
    pub mono_ms: u64,
    /// Wall clock: for restart decisions, which are valid for 60 minutes, and for people.
    pub utc: Timestamp,
}

/// Name of a kind of signed object, for example `vote`: 1 to 32 of `a-z`, `0-9` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IntentKind(String);

impl IntentKind {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadRequest`] when it is empty, too long or has other characters.
    pub fn new(name: &str) -> Result<Self, BadRequest> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > KIND_BYTES_MAX || !name.bytes().all(fits) {
            return Err(BadRequest(format!("{name:?} is no name of a kind of object")));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for IntentKind {
    type Error = BadRequest;
    fn try_from(name: String) -> Result<Self, BadRequest> {
        Self::new(&name)
    }
}

impl From<IntentKind> for String {
    fn from(kind: IntentKind) -> Self {
        kind.0
    }
}

/// What a request would sign, as the gate itself decoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Kind of object: one signature per slot, kind and domain.
    pub kind: IntentKind,
    /// Slot, or another number that never falls; at most 2^53 - 1.
    pub slot: u64,
    /// What separates allowed signatures of one slot, for example the block of a verdict.
    pub domain: Option<Digest>,
    /// The exact bytes that are signed, tag included.
    pub message: Vec<u8>,
}

impl Intent {
    /// Checks the bounds that hold for every protocol. Bytes that begin with `AZ:` are refused:
    /// a guarded key must never be made to sign a value of the control plane.
    ///
    /// # Errors
    /// [`BadRequest`].
    pub fn check(self) -> Result<Self, BadRequest> {
        if self.slot > INTEGER_MAX {
            return Err(BadRequest(format!("slot {} is above 2^53-1", self.slot)));
        }
        if self.message.is_empty() || self.message.starts_with(b"AZ:") {
            return Err(BadRequest("the bytes to sign are not of a network object".to_owned()));
        }
        Ok(self)
    }

    /// SHA-256 of the bytes that are signed.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&self.message)
    }
}

/// A request that is no well-formed object of the network. Refusal kind `invalid_schema`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

/// Decodes the objects of one network. The gate does not trust the node's word for what it signs.
pub trait Protocol: Send {
    /// Decodes a request completely: kind, slot, domain and bytes to sign.
    ///
    /// # Errors
    /// [`BadRequest`] for anything that this gate's role does not sign.
    fn interpret(&self, request: &[u8]) -> Result<Intent, BadRequest>;
}

/// What an audit line tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditWhat {
    /// The gate opens under a lease.
    Open {
        /// Id of the lease.
        lease: Digest,
        /// Its fence.
        fence: u64,
    },
    /// The gate closed.
    Close {
        /// Cause and detail.
        cause: String,
    },
    /// The sign state holds this signature, and it may leave.
    Sign {
        /// Kind of object.
        kind: IntentKind,
        /// Slot.
        slot: u64,
        /// SHA-256 of the signed bytes.
        message: Digest,
    },
    /// Something was found.
    Finding {
        /// Kind and detail.
        finding: String,
    },
}

/// One line of the local audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditLine {
    /// Gate sequence when the line was written.
    pub sequence: u64,
    /// The gate's clock; informative (D-016).
    pub at: Timestamp,
    /// What happened.
    pub event: AuditWhat,
}

/// The audit line was not written: the gate closes (annex I).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the gate's audit trail: {0}")]
pub struct AuditError(pub String);

/// The local audit trail.
pub trait Audit: Send {
    /// Writes one line.
    ///
    /// # Errors
    /// [`AuditError`]: the gate closes.
    fn record(&mut self, line: &AuditLine) -> Result<(), AuditError>;
}

/// Canonical lines appended to a file. Lines about the gate's state are synced; lines about
/// signatures are not, since the sign state already holds each of them.
#[derive(Debug)]
pub struct FileAudit(File);

impl FileAudit {
    /// Appends to `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(Self).map_err(|e| AuditError(format!("{}: {e}", path.display())))
    }
}

impl Audit for FileAudit {
    fn record(&mut self, line: &AuditLine) -> Result<(), AuditError> {
        let mut bytes = canon::encode(line).map_err(|e| AuditError(e.to_string()))?;
        bytes.push(b'\n');
        self.0.write_all(&bytes).map_err(|e| AuditError(e.to_string()))?;
        match line.event {
            AuditWhat::Sign { .. } => Ok(()),
            AuditWhat::Open { .. } | AuditWhat::Close { .. } | AuditWhat::Finding { .. } => {
                self.0.sync_data().map_err(|e| AuditError(e.to_string()))
            }
        }
    }
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<AuditLine>,
    broken: bool,
}

/// An audit trail in memory; clones share it. For the simulator and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryAudit(Arc<Mutex<Lines>>);

impl MemoryAudit {
    /// An empty trail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<AuditLine> {
        self.inner().lines.clone()
    }

    /// Lets every write fail from now on, or none.
    pub fn set_broken(&self, broken: bool) {
        self.inner().broken = broken;
    }
}

impl Audit for MemoryAudit {
    fn record(&mut self, line: &AuditLine) -> Result<(), AuditError> {
        let mut inner = self.inner();
        if inner.broken {
            return Err(AuditError("no space left".to_owned()));
        }
        inner.lines.push(line.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_lines_are_canonical_and_end_up_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit");
        let mut audit = FileAudit::open(&path).unwrap();
        let event = AuditWhat::Close { cause: "command: m1".to_owned() };
        let line = AuditLine { sequence: 3, at: Timestamp::EPOCH, event };
        audit.record(&line).unwrap();
        audit.record(&line).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        for read in text.lines() {
            assert_eq!(canon::decode::<AuditLine>(read.as_bytes()).unwrap(), line);
        }
    }

    #[test]
    fn a_key_is_never_made_to_sign_a_value_of_the_control_plane() {
        let kind = IntentKind::new("vote").unwrap();
        let intent =
            |m: &[u8]| Intent { kind: kind.clone(), slot: 1, domain: None, message: m.to_vec() };
        assert!(intent(b"AZ:LEASE:{}").check().is_err());
        assert!(intent(b"").check().is_err());
        assert!(intent(b"AZREF:SIG:Vote").check().is_ok());
        assert!(IntentKind::new("Vote").is_err() && IntentKind::new("").is_err());
    }
}
