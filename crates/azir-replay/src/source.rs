//! What a replay may read (27.3, annex J.1): finalized objects by hash, verified against
//! certificates, and fixtures. Everything else is refused before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::final_proof::verify_final_with;
use azir_atlas::object::{Memo, SigCheck};
use azir_atlas::{
    Anchor, Block, BlockId, BlockRef, Certificate, FinalError, Roots, Sealed, StateEntry, Tx, TxId,
};
use azir_ledger::{CanonError, Digest, canon};
use serde::{Deserialize, Serialize};

use crate::implementation::{BlockInput, Ground};

/// Most blocks of one plan (bounded input).
pub const BLOCKS_MAX: usize = 1 << 20;
/// Most candidate branches of one plan (bounded input).
pub const BRANCHES_MAX: usize = 16;

/// Where an object was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The evidence vault, by hash.
    Vault,
    /// A node's archive of objects, by hash.
    Archive,
    /// A fixture of D-098.
    Fixture,
    /// A cache: refused.
    Cache,
    /// An index: refused.
    Index,
    /// A snapshot that no certificate vouches for: refused.
    Snapshot,
}

impl Origin {
    const fn allowed(self) -> bool {
        match self {
            Self::Vault | Self::Archive | Self::Fixture => true,
            Self::Cache | Self::Index | Self::Snapshot => false,
        }
    }
}

/// Bytes that are offered for a replay, with the hash under which they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where they were read.
    pub origin: Origin,
    /// SHA-256 under which they were asked for.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Object {
    /// An object whose digest is taken from its bytes: for what the caller itself produced.
    #[must_use]
    pub fn new(origin: Origin, bytes: Vec<u8>) -> Self {
        Self { origin, digest: Digest::of(&bytes), bytes }
    }
}

/// Everything that is offered for one replay.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The anchor, from genesis or an accepted restart.
    pub anchor: Anchor,
    /// Where the replay starts: the trusted checkpoint (D-092), or the anchor.
    pub checkpoint: BlockRef,
    /// Where the finalized path ends: a hard-final block, at or above the checkpoint.
    pub tip: BlockRef,
    /// Tip of a chain of headers that proves the finality of `tip`; it may be `tip` itself.
    pub witness: BlockId,
    /// Tips of the candidate branches to be replayed as well.
    pub branches: Vec<BlockId>,
    /// Signed headers, canonical, in any order.
    pub headers: Vec<Object>,
    /// Signed transactions, canonical, in any order.
    pub txs: Vec<Object>,
    /// Certificates that no header carries, canonical.
    pub certificates: Vec<Object>,
    /// Entries of the state at the checkpoint, canonical, in order of their keys.
    pub state: Vec<Object>,
    /// Canonical parameters.
    pub params: Object,
}

/// Why an offer is not replayed. The verdict is `input_untrusted`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Not from a place that a replay may read. Refusal kind `replay_source_rejected`.
    #[error("{what} {digest} comes from {origin:?}; only vault, archive and fixtures are read")]
    Rejected {
        /// Which kind of object.
        what: &'static str,
        /// Its hash.
        digest: Digest,
        /// Where it comes from.
        origin: Origin,
    },
    /// The bytes are not those of the hash. Refusal kind `hash_mismatch`.
    #[error("{what} {digest} has other bytes, of hash {found}")]
    Hash {
        /// Which kind of object.
        what: &'static str,
        /// The hash that was asked for.
        digest: Digest,
        /// The hash of the bytes.
        found: Digest,
    },
    /// Not an object of the network. Refusal kind `not_canonical`.
    #[error("{what} {digest}: {why}")]
    Unreadable {
        /// Which kind of object.
        what: &'static str,
        /// Its hash.
        digest: Digest,
        /// What is wrong.
        why: CanonError,
    },
    /// An object that is named by another one was not offered. Refusal kind `evidence_missing`.
    #[error("{what} {id} was not offered")]
    Missing {
        /// Which kind of object.
        what: &'static str,
        /// Its id.
        id: Digest,
    },
    /// Headers or certificates do not verify. Refusal kind `replay_source_rejected`.
    #[error("the chain to {tip} does not verify: {why}")]
    Chain {
        /// Tip of the chain.
        tip: BlockId,
        /// What is wrong.
        why: FinalError,
    },
    /// The end of the path is not proven hard-final. Refusal kind `not_finalized`.
    #[error("block {} at height {} is not proven hard-final", .tip.block, .tip.height)]
    NotFinal {
        /// The end that was named.
        tip: BlockRef,
    },
    /// The checkpoint is not a hard-final block of the path, or its state has another root.
    /// Refusal kind `checkpoint_untrusted`.
    #[error("checkpoint {}: {why}", .checkpoint.height)]
    Checkpoint {
        /// The checkpoint that was named.
        checkpoint: BlockRef,
        /// What is wrong.
        why: String,
    },
    /// The parameters are not those of the anchor. Refusal kind `hash_mismatch`.
    #[error("the parameters have hash {found}, in force is {expected}")]
    Params {
        /// Hash of the offered parameters.
        found: Digest,
        /// Hash of those in force.
        expected: Digest,
    },
    /// More blocks or branches than one plan may hold. Refusal kind `cap_exceeded`.
    #[error("more than {BLOCKS_MAX} blocks or {BRANCHES_MAX} branches")]
    TooMany,
}

impl SourceError {
    /// The refusal kind of annex A, by its wire text.
    #[must_use]
    pub const fn refusal(&self) -> &'static str {
        match self {
            Self::Rejected { .. } | Self::Chain { .. } => "replay_source_rejected",
            Self::Hash { .. } | Self::Params { .. } => "hash_mismatch",
            Self::Unreadable { .. } => "not_canonical",
            Self::Missing { .. } => "evidence_missing",
            Self::NotFinal { .. } => "not_finalized",
            Self::Checkpoint { .. } => "checkpoint_untrusted",
            Self::TooMany => "cap_exceeded",
        }
    }
}

/// One block of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place.
    pub place: BlockRef,
    /// Roots that its header states.
    pub stated: Roots,
    /// Its transactions.
    pub txs: Vec<TxId>,
    /// What the implementations read.
    pub input: BlockInput,
}

/// A branch above the finalized path.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its tip.
    pub tip: BlockRef,
    /// Last block that it shares with the finalized path.
    pub from: BlockRef,
    /// Highest block of the branch that its own certificates prove hard-final, if any does.
    pub hard_final: Option<BlockRef>,
    /// Its blocks above `from`, ascending.
    pub steps: Vec<Step>,
}

/// A verified input: what will be executed, and nothing else. Made by [`Plan::load`] only.
#[derive(Debug)]
pub struct Plan {
    pub(crate) chain: String,
    pub(crate) restart: u64,
    pub(crate) anchor: BlockRef,
    pub(crate) checkpoint: BlockRef,
    pub(crate) tip: BlockRef,
    pub(crate) ground: Ground,
    pub(crate) path: Vec<Step>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) inputs: Vec<Digest>,
}

impl Plan {
    /// The finalized path above the checkpoint, ascending.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// The candidate branches.
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// Hashes of everything that is read, sorted, each once.
    #[must_use]
    pub fn inputs(&self) -> &[Digest] {
        &self.inputs
    }

    /// Verifies an offer: origin and hash of each object, headers and certificates from the anchor,
    /// finality of the path's end, the checkpoint and its state, transactions and parameters.
    ///
    /// Implements R-27.2-3, R-27.3-1.
    ///
    /// # Errors
    /// [`SourceError`], the first one found.
    pub fn load(offer: &Offer) -> Result<Self, SourceError> {
        let mut store = Store::read(offer)?;
        let anchor = &offer.anchor;
        let witness = store.chain(anchor, offer.witness)?;
        let path = cut(&witness, anchor, &offer.tip)
            .ok_or(SourceError::NotFinal { tip: offer.tip })?
            .to_vec();
        let proven = store.finality(anchor, offer.witness, &witness)?.unwrap_or(anchor.place);
        if proven.height < offer.tip.height {
            return Err(SourceError::NotFinal { tip: offer.tip });
        }
        let below = cut(&path, anchor, &offer.checkpoint).ok_or(SourceError::Checkpoint {
            checkpoint: offer.checkpoint,
            why: "not a block of the finalized path".to_owned(),
        })?;
        let ground = store.ground(offer, below)?;
        let (below, above) = path.split_at(below.len());
        let shared = below.len();
        let steps = above.iter().map(|id| store.step(id)).collect::<Result<Vec<_>, _>>()?;
        let mut branches = Vec::new();
        for tip in &offer.branches {
            branches.push(store.branch(offer, &path, shared, *tip)?);
        }
        Ok(Self {
            chain: anchor.domain.chain().to_owned(),
            restart: anchor.domain.restart(),
            anchor: anchor.place,
            checkpoint: offer.checkpoint,
            tip: offer.tip,
            ground,
            path: steps,
            branches,
            inputs: store.read.into_iter().collect(),
        })
    }
}

/// The part of a chain up to a place; all of nothing for the anchor.
fn cut<'a>(chain: &'a [BlockId], anchor: &Anchor, place: &BlockRef) -> Option<&'a [BlockId]> {
    let count = place.height.checked_sub(anchor.place.height)?;
    let part = chain.get(..usize::try_from(count).ok()?)?;
    (part.last().copied().unwrap_or(anchor.place.block) == place.block).then_some(part)
}

/// Offered objects by id, each checked for origin and hash.
struct Store {
    headers: BTreeMap<BlockId, (Sealed<Block>, Vec<u8>)>,
    txs: BTreeMap<TxId, Vec<u8>>,
    certificates: Vec<Certificate>,
    read: BTreeSet<Digest>,
    check: Memo,
}

impl Store {
    fn read(offer: &Offer) -> Result<Self, SourceError> {
        if offer.headers.len() > BLOCKS_MAX || offer.branches.len() > BRANCHES_MAX {
            return Err(SourceError::TooMany);
        }
        let mut store = Self {
            headers: BTreeMap::new(),
            txs: BTreeMap::new(),
            certificates: Vec::new(),
            read: BTreeSet::new(),
            check: Memo::default(),
        };
        for object in &offer.headers {
            let header = store.open("header", object, Sealed::<Block>::decode)?;
            store.headers.insert(header.block_id(), (header, object.bytes.clone()));
        }
        for object in &offer.txs {
            let tx = store.open("transaction", object, Sealed::<Tx>::decode)?;
            store.txs.insert(TxId(tx.id()), object.bytes.clone());
        }
        for object in &offer.certificates {
            let certificate = store.open("certificate", object, canon::decode)?;
            store.certificates.push(certificate);
        }
        Ok(store)
    }

    /// Origin, hash, form.
    fn open<T>(
        &mut self,
        what: &'static str,
        object: &Object,
        decode: impl Fn(&[u8]) -> Result<T, CanonError>,
    ) -> Result<T, SourceError> {
        let (origin, digest) = (object.origin, object.digest);
        if !origin.allowed() {
            return Err(SourceError::Rejected { what, digest, origin });
        }
        let found = Digest::of(&object.bytes);
        if found != digest {
            return Err(SourceError::Hash { what, digest, found });
        }
        self.read.insert(digest);
        decode(&object.bytes).map_err(|why| SourceError::Unreadable { what, digest, why })
    }

    fn header(&self, id: &BlockId) -> Result<&Sealed<Block>, SourceError> {
        let found = self.headers.get(id).map(|(header, _)| header);
        found.ok_or(SourceError::Missing { what: "header", id: id.0 })
    }

    /// Ids from just above the anchor to a block, ascending.
    fn chain(&self, anchor: &Anchor, tip: BlockId) -> Result<Vec<BlockId>, SourceError> {
        let (mut at, mut chain) = (tip, Vec::new());
        while at != anchor.place.block {
            // Hashes cannot form a circle, but the bound does not rest on that.
            if chain.len() > self.headers.len() {
                return Err(SourceError::TooMany);
            }
            chain.push(at);
            at = self.header(&at)?.parent;
        }
        chain.reverse();
        Ok(chain)
    }

    /// Verifies a chain of headers and returns its highest hard-final block, if one is proven.
    fn finality(
        &mut self,
        anchor: &Anchor,
        tip: BlockId,
        chain: &[BlockId],
    ) -> Result<Option<BlockRef>, SourceError> {
        let headers = chain.iter().map(|id| self.header(id).cloned());
        let headers = headers.collect::<Result<Vec<_>, _>>()?;
        let check: &mut dyn SigCheck = &mut self.check;
        match verify_final_with(anchor, &headers, &self.certificates, check) {
            Ok(proven) => Ok(Some(proven.place())),
            Err(FinalError::NothingFinal) => Ok(None),
            Err(why) => Err(SourceError::Chain { tip, why }),
        }
    }

    fn step(&self, id: &BlockId) -> Result<Step, SourceError> {
        let (header, bytes) =
            self.headers.get(id).ok_or(SourceError::Missing { what: "header", id: id.0 })?;
        let mut txs = Vec::with_capacity(header.txs.len());
        for tx in &header.txs {
            let bytes = self.txs.get(tx);
            txs.push(bytes.ok_or(SourceError::Missing { what: "transaction", id: tx.0 })?.clone());
        }
        Ok(Step {
            place: header.place(),
            stated: header.roots(),
            txs: header.txs.clone(),
            input: BlockInput { header: bytes.clone(), txs },
        })
    }

    fn branch(
        &mut self,
        offer: &Offer,
        path: &[BlockId],
        shared: usize,
        tip: BlockId,
    ) -> Result<Branch, SourceError> {
        let anchor = &offer.anchor;
        let chain = self.chain(anchor, tip)?;
        let proven = self.finality(anchor, tip, &chain)?;
        let common = path.iter().zip(&chain).take_while(|(a, b)| a == b).count();
        if common < shared {
            let why = format!("branch {tip} forks below it");
            return Err(SourceError::Checkpoint { checkpoint: offer.checkpoint, why });
        }
        let place = |id: Option<&BlockId>| match id {
            Some(id) => self.header(id).map(Sealed::<Block>::place),
            None => Ok(anchor.place),
        };
        let from = place(chain.get(..common).and_then(<[_]>::last))?;
        let tip = place(chain.last())?;
        let steps = chain[common..].iter().map(|id| self.step(id));
        Ok(Branch {
            tip,
            from,
            hard_final: proven.filter(|p| p.height > from.height),
            steps: steps.collect::<Result<_, _>>()?,
        })
    }

    /// State, headers and parameters at the checkpoint.
    fn ground(&mut self, offer: &Offer, below: &[BlockId]) -> Result<Ground, SourceError> {
        let anchor = &offer.anchor;
        let stated = match below.last() {
            Some(id) => self.header(id)?.post_root,
            None => anchor.post_root,
        };
        let untrusted = |why: String| SourceError::Checkpoint { checkpoint: offer.checkpoint, why };
        let mut entries = Vec::with_capacity(offer.state.len());
        for object in &offer.state {
            entries.push(self.open("state entry", object, canon::decode::<StateEntry>)?);
        }
        let state =
            azir_atlas::State::from_entries(entries).map_err(|e| untrusted(e.to_string()))?;
        if state.root() != stated {
            let why = format!("its state has root {}, the certificate's is {stated}", state.root());
            return Err(untrusted(why));
        }
        self.open("parameters", &offer.params, canon::check)?;
        let found = Digest::tagged("AZREF:Params:", &offer.params.bytes);
        let expected = anchor.rules.params_hash;
        if found != expected {
            return Err(SourceError::Params { found, expected });
        }
        let headers = below.iter().filter_map(|id| self.headers.get(id));
        Ok(Ground {
            chain: anchor.domain.chain().to_owned(),
            restart: anchor.domain.restart(),
            params: offer.params.bytes.clone(),
            state: offer.state.iter().map(|object| object.bytes.clone()).collect(),
            headers: headers.map(|(_, bytes)| bytes.clone()).collect(),
            post_root: stated,
        })
    }
}
