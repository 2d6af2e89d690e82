//! What a gate keeps on disk, and the rule of one signature per slot, kind and domain (annex I,
//! sign state). The file is signed with the gate's own key: a torn, cut or edited one is named.

use std::collections::BTreeMap;

use azir_ledger::canon::INTEGER_MAX;
use azir_ledger::{Digest, MachineKey, MachinePublic, Timestamp};
use azir_model::directive::{ClosedBy, ClosedReason, LogPoint, Sealable, Signed};
use azir_model::vocab::NodeRole;
use serde::{Deserialize, Serialize};

use crate::durable::{Durable, DurableError};
use crate::gate::{Config, Keys};
use crate::ports::{Intent, IntentKind};

/// Most signatures of one kind in one slot, for different domains (bounded state).
pub const DOMAINS_MAX: usize = 64;
/// Most kinds of object that one key signs (bounded state).
pub const KINDS_MAX: usize = 16;
/// Most keys that are remembered as compromised (bounded state).
pub const COMPROMISED_MAX: usize = 1_024;
/// How many spent restart decisions are remembered; each is valid for 60 minutes only.
pub const SPENT_MAX: usize = 64;
/// How many gate sequence numbers one write reserves, so that no number is used twice even if the
/// gate stops without writing again.
pub const SEQUENCE_BLOCK: u64 = 1_024;

/// The highest slot that was signed for one kind, and what was signed in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The slot.
    pub slot: u64,
    /// What was signed in it: one message for each domain.
    pub signed: Vec<MarkEntry>,
}

/// One signature of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkEntry {
    /// The domain, if the kind has domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Digest>,
    /// SHA-256 of the signed bytes.
    pub message: Digest,
}

/// The durable state of one gate. Nothing in it says that the gate is open (annex I, boot).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignState {
    /// Always `azir.sign-state/1`.
    pub schema: String,
    /// Origin of the log that the gate obeys.
    pub log: String,
    /// `live`, or `drill:<run>`.
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The guarded role.
    pub role: NodeRole,
    /// The guarded key.
    pub key: MachinePublic,
    /// No gate sequence number above this one was used.
    pub sequence: u64,
    /// Highest fence accepted.
    pub fence: u64,
    /// Fence of the last lease that opened the latch: orders to close from before it are over.
    #[serde(default)]
    pub restart_fence: u64,
    /// No slot below this one is signed.
    pub floor: u64,
    /// Largest log seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_log: Option<LogPoint>,
    /// Causes of the latch, sorted, one of each kind; empty when it is not set.
    pub latches: Vec<ClosedReason>,
    /// When the last cause was added, while the latch is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latched_at: Option<Timestamp>,
    /// Restart decisions that have opened this gate, the last [`SPENT_MAX`], oldest first.
    pub spent_restarts: Vec<Digest>,
    /// Keys reported compromised, sorted.
    pub compromised: Vec<MachinePublic>,
    /// High-water mark of each kind.
    pub marks: BTreeMap<IntentKind, Mark>,
}

impl Sealable for SignState {
    const TAG: &'static str = "AZ:SIGNSTATE:";
    const SCHEMA: &'static str = "azir.sign-state/1";
    fn schema(&self) -> &str {
        &self.schema
    }
}

/// What the sign state says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Above the mark: this mark must be on disk before the signature leaves.
    New(Mark),
    /// Exactly these bytes were signed before.
    Repeat,
    /// Below the mark or the floor.
    Lower {
        /// The lowest slot that may still be signed.
        lowest: u64,
    },
    /// Another message for the same slot, kind and domain: a double sign.
    Conflict {
        /// SHA-256 of the message that was signed.
        signed: Digest,
    },
    /// More domains or kinds than the state may hold.
    Full,
}

impl SignState {
    fn fresh(config: &Config, keys: &Keys, floor: u64) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            log: config.log.clone(),
            mode: config.mode.clone(),
            node: config.node.clone(),
            role: config.role,
            key: keys.role.public(),
            sequence: 0,
            fence: 0,
            restart_fence: 0,
            floor,
            seen_log: None,
            latches: Vec::new(),
            latched_at: None,
            spent_restarts: Vec::new(),
            compromised: Vec::new(),
            marks: BTreeMap::new(),
        }
    }

    /// Judges a request against the marks. Implements R-22.3-4 (signing conflict).
    pub(crate) fn judge(&self, intent: &Intent) -> Judgement {
        let entry = MarkEntry { domain: intent.domain, message: intent.hash() };
        if intent.slot < self.floor {
            return Judgement::Lower { lowest: self.floor };
        }
        let Some(mark) = self.marks.get(&intent.kind) else {
            if self.marks.len() >= KINDS_MAX {
                return Judgement::Full;
            }
            return Judgement::New(Mark { slot: intent.slot, signed: vec![entry] });
        };
        if intent.slot < mark.slot {
            return Judgement::Lower { lowest: mark.slot };
        }
        if intent.slot > mark.slot {
            return Judgement::New(Mark { slot: intent.slot, signed: vec![entry] });
        }
        match mark.signed.iter().find(|e| e.domain == intent.domain) {
            Some(e) if e.message == entry.message => Judgement::Repeat,
            Some(e) => Judgement::Conflict { signed: e.message },
            None if mark.signed.len() >= DOMAINS_MAX => Judgement::Full,
            None => {
                let mut mark = mark.clone();
                mark.signed.push(entry);
                Judgement::New(mark)
            }
        }
    }

    /// Remembers a restart decision as used.
    pub(crate) fn spend(&mut self, decision: Option<Digest>) {
        self.spent_restarts.extend(decision);
        let excess = self.spent_restarts.len().saturating_sub(SPENT_MAX);
        self.spent_restarts.drain(..excess);
    }

    /// Bytes of the file: the state with the signature of the gate's own key.
    pub(crate) fn to_file(&self, identity: &MachineKey) -> Result<Vec<u8>, Lost> {
        let sealed = Signed::seal(self.clone(), identity).map_err(|e| Lost(e.to_string()))?;
        sealed.to_bytes().map_err(|e| Lost(e.to_string()))
    }

    /// Reads the file and checks that it is the state of exactly this gate.
    pub(crate) fn from_file(bytes: &[u8], config: &Config, keys: &Keys) -> Result<Self, Lost> {
        let damaged = |e: &dyn std::fmt::Display| {
            Lost(format!("{} bytes, damaged or not written by this gate: {e}", bytes.len()))
        };
        let sealed = Signed::<Self>::from_bytes(bytes).map_err(|e| damaged(&e))?;
        sealed.verify_by(&[keys.identity.public()]).map_err(|e| damaged(&e))?;
        let state = sealed.body;
        let own = (&config.log, &config.mode, &config.node, config.role, keys.role.public());
        let found = (&state.log, &state.mode, &state.node, state.role, state.key);
        if own == found {
            Ok(state)
        } else {
            Err(Lost(format!(
                "it is the state of {} {} key {} in log {} mode {}",
                state.node, state.role, state.key, state.log, state.mode
            )))
        }
    }
}

/// Why there is no usable sign state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost(pub(crate) String);

/// How a sign state comes to be: by hand, on the node, never by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provision {
    /// For a key that has never signed anything.
    NewKey,
    /// For a key whose sign state was lost: starts latched, and signs no slot below `floor`, which
    /// must lie above everything that the key can have signed.
    AfterLoss {
        /// The lowest slot that may be signed.
        floor: u64,
        /// When the state is made; the gate's numbers go on from there.
        at: Timestamp,
    },
}

/// Where the gate's numbers go on when the last one is not known: at the milliseconds since 1970.
/// That is above every number used before, since no gate gives out a thousand in each second.
pub(crate) fn sequence_after_loss(now: Timestamp) -> u64 {
    u64::try_from(now.ms()).unwrap_or(0)
}

/// Why no sign state was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// One exists: making another would forget what was signed.
    #[error("a sign state exists; keep it as evidence and move it away by hand first")]
    Exists,
    /// The floor is above 2^53 - 1.
    #[error("floor {0} is above 2^53-1")]
    Floor(u64),
    /// The state has no canonical form.
    #[error("the configuration has no canonical form: {0}")]
    Config(String),
    /// Reading or writing failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

/// Makes the first sign state of a gate, as a separate act when a key is enrolled: a missing file
/// at start-up is a loss, not a first start (annex I, sign state).
///
/// # Errors
/// [`ProvisionError`]; nothing is overwritten.
pub fn provision<D: Durable>(
    durable: &mut D,
    config: &Config,
    keys: &Keys,
    how: Provision,
) -> Result<(), ProvisionError> {
    if durable.load()?.is_some() {
        return Err(ProvisionError::Exists);
    }
    let mut state = match how {
        Provision::NewKey => SignState::fresh(config, keys, 0),
        Provision::AfterLoss { floor, .. } if floor > INTEGER_MAX => {
            return Err(ProvisionError::Floor(floor));
        }
        Provision::AfterLoss { floor, at } => {
            let sequence = sequence_after_loss(at);
            SignState { sequence, ..SignState::fresh(config, keys, floor) }
        }
    };
    if let Provision::AfterLoss { floor, .. } = how {
        let detail = format!("made again after a loss, with floor {floor}");
        state.latches.push(ClosedReason { by: ClosedBy::SignState, detail });
    }
    let bytes = state.to_file(&keys.identity).map_err(|e| ProvisionError::Config(e.0))?;
    durable.store(&bytes)?;
    Ok(())
}
