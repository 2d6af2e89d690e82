//! Writing a bundle: one pass over the entries, the same bytes for the same log.

use std::io::{self, Read};

use super::bag::{HashRead, Hashed, manifest_line};
use super::layout::{
    self, BAG_INFO, BAGIT, BAGIT_TEXT, DATA, DATA_CHECKPOINT, MANIFEST, TAG_MANIFEST,
};
use super::proof::TlogProof;
use super::{BUNDLE_FORMAT, BundleInfo, RECORD_TAG};
use crate::canon::{self, CanonError};
use crate::merkle::{ProofError, Tree};
use crate::note::{NoteError, SignedNote, VerifierKey};
use crate::tiles::TileStream;
use crate::{Checkpoint, Digest, Entry, Roster, Signature};

/// A piece of evidence: its digest and where its bytes come from.
pub type Evidence<'a> = (Digest, Box<dyn Read + 'a>);
/// A further file that the bag covers and no signature: a path below `incidents/<id>/` or
/// `extra/`, and its content.
pub type Extra = (String, Vec<u8>);

/// What a bundle is made of, beside its entries.
pub struct Export<'a> {
    /// Key of the ledger.
    pub ledger: &'a VerifierKey,
    /// Keys of the witnesses.
    pub witnesses: &'a [VerifierKey],
    /// Cosignatures that the final checkpoint must carry.
    pub quorum: u64,
    /// The roster.
    pub roster: &'a Roster,
    /// Signed checkpoints, ascending; the last is the final one.
    pub checkpoints: &'a [SignedNote],
    /// Canonical opening records.
    pub records: &'a [Vec<u8>],
    /// Further files.
    pub extras: &'a [Extra],
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The sink or a source of evidence failed.
    #[error("{name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// The failure.
        source: io::Error,
    },
    /// A checkpoint does not hold under the ledger's key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// An object has no canonical form.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// The final checkpoint is not that of the entries.
    #[error("the final checkpoint is not that of the {entries} entries given")]
    Checkpoint {
        /// Number of entries.
        entries: u64,
    },
    /// An entry is out of order.
    #[error("expected entry {expected}, found {found}")]
    Order {
        /// Position that was due.
        expected: u64,
        /// Position of the entry.
        found: u64,
    },
    /// Evidence does not have its digest.
    #[error("evidence {digest} has other content now")]
    Damaged {
        /// The digest that names it.
        digest: Digest,
    },
    /// A further file has a path that the format does not allow.
    #[error("{name:?} is no path for a further file")]
    Path {
        /// The path.
        name: String,
    },
    /// The source of entries or evidence failed.
    #[error("cannot read what is to be exported: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No proof could be made.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Where files go: name and content.
type Sink<'s> = dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 's;

struct Writer<'s> {
    sink: &'s mut Sink<'s>,
    listed: Vec<(String, Digest, u64)>,
}

impl Writer<'_> {
    fn put(&mut self, name: &str, mut bytes: &[u8]) -> Result<(), ExportError> {
        self.copy(name, &mut bytes).map(|_| ())
    }

    fn copy(&mut self, name: &str, from: &mut dyn Read) -> Result<Hashed, ExportError> {
        let fail = |source| ExportError::Io { name: name.to_owned(), source };
        let mut reader = HashRead::new(from, &[]);
        (self.sink)(name, &mut reader).map_err(fail)?;
        io::copy(&mut reader, &mut io::sink()).map_err(fail)?;
        let hashed = reader.finish();
        self.listed.push((name.to_owned(), hashed.digest, hashed.length));
        Ok(hashed)
    }

    fn manifest(&mut self, payload: bool) -> String {
        self.listed.sort();
        let lines = self.listed.iter().filter(|(n, ..)| n.starts_with(DATA) == payload);
        lines.map(|(name, digest, _)| manifest_line(name, digest)).collect()
    }
}

/// Writes a bundle file by file into `sink`. Needs 64 bytes of memory for each entry, and one line
/// for each file. Everything is checked as far as it can be while it passes; the bundle is not
/// verified: see [`super::verify`].
///
/// # Errors
/// [`ExportError`]; what was written until then is no bundle.
pub fn export<'s>(
    parts: &Export<'_>,
    entries: &mut dyn Iterator<Item = Result<Entry, ExportError>>,
    evidence: &mut dyn Iterator<Item = Result<Evidence<'_>, ExportError>>,
    sink: &'s mut (dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 's),
) -> Result<(), ExportError> {
    let mut out = Writer { sink, listed: Vec::new() };
    let (tree, people) = write_entries(entries, &mut out)?;
    write_checkpoints(parts, &tree, &people, &mut out)?;
    write_roster(parts, tree.size(), &mut out)?;
    for record in parts.records {
        canon::check(record)?;
        out.put(&layout::record_path(&Digest::tagged(RECORD_TAG, record)), record)?;
    }
    for (name, bytes) in parts.extras {
        if layout::classify(name) != Some(layout::Place::Extra) {
            return Err(ExportError::Path { name: name.clone() });
        }
        out.put(name, bytes)?;
    }
    for piece in evidence {
        let (digest, mut from) = piece?;
        if out.copy(&layout::evidence_path(&digest), &mut from)?.digest != digest {
            return Err(ExportError::Damaged { digest });
        }
    }
    write_bag(parts, out)
}

/// Writes entries and tiles; gives the tree and the positions signed by people.
fn write_entries(
    entries: &mut dyn Iterator<Item = Result<Entry, ExportError>>,
    out: &mut Writer<'_>,
) -> Result<(Tree, Vec<u64>), ExportError> {
    let (mut tree, mut tiles, mut people) = (Tree::default(), TileStream::default(), Vec::new());
    for entry in entries {
        let entry = entry?;
        let index = entry.meta.index;
        if index != tree.size() {
            return Err(ExportError::Order { expected: tree.size(), found: index });
        }
        let signature = entry.signed.signature();
        if matches!(signature, Signature::Person(_)) {
            people.push(index);
        }
        out.put(&layout::event_path(index), entry.signed.bytes())?;
        out.put(&layout::sig_path(index), signature.to_string().as_bytes())?;
        out.put(&layout::meta_path(index), &canon::encode(&entry.meta)?)?;
        let leaf = entry.leaf_hash();
        tree.append(leaf);
        for (path, bytes) in tiles.push(leaf) {
            out.put(&format!("{DATA}{path}"), &bytes)?;
        }
    }
    for (path, bytes) in tiles.partial() {
        out.put(&format!("{DATA}{path}"), &bytes)?;
    }
    Ok((tree, people))
}

fn write_checkpoints(
    parts: &Export<'_>,
    tree: &Tree,
    people: &[u64],
    out: &mut Writer<'_>,
) -> Result<(), ExportError> {
    let size = tree.size();
    let mismatch = || ExportError::Checkpoint { entries: size };
    let mut last = None;
    for note in parts.checkpoints {
        let point = Checkpoint::verified(note, parts.ledger)?;
        if tree.root_at(point.size) != Some(point.root) || last >= Some(point.size) {
            return Err(mismatch());
        }
        last = Some(point.size);
        out.put(&layout::checkpoint_path(point.size), note.to_string().as_bytes())?;
    }
    let (Some(note), true) = (parts.checkpoints.last(), last == Some(size)) else {
        return Err(mismatch());
    };
    out.put(DATA_CHECKPOINT, note.to_string().as_bytes())?;
    for index in people {
        let hashes = tree.inclusion_proof(*index, size);
        let hashes = hashes.ok_or(ProofError::OutOfRange { index: *index, size })?;
        let proof = TlogProof { index: *index, hashes, checkpoint: note.to_string() };
        out.put(&layout::proof_path(*index), proof.to_string().as_bytes())?;
    }
    Ok(())
}

fn write_roster(parts: &Export<'_>, size: u64, out: &mut Writer<'_>) -> Result<(), ExportError> {
    let info = BundleInfo {
        format: BUNDLE_FORMAT.to_owned(),
        log: parts.ledger.name().to_owned(),
        size,
        quorum: parts.quorum,
    };
    out.put(layout::INFO, &canon::encode(&info)?)?;
    out.put(layout::ROSTER, &canon::encode(parts.roster)?)?;
    out.put(layout::SIGNERS, parts.roster.allowed_signers().as_bytes())?;
    out.put(layout::LEDGER_KEY, format!("{}\n", parts.ledger).as_bytes())?;
    let witnesses: String = parts.witnesses.iter().map(|w| format!("{w}\n")).collect();
    out.put(layout::WITNESS_KEYS, witnesses.as_bytes())
}

fn write_bag(parts: &Export<'_>, mut out: Writer<'_>) -> Result<(), ExportError> {
    let payload = out.listed.iter().filter(|(n, ..)| n.starts_with(DATA));
    let (files, bytes) = payload.fold((0u64, 0u64), |(n, b), (_, _, len)| (n + 1, b + len));
    let info = format!(
        "Bag-Software-Agent: azir\nExternal-Identifier: {}\nPayload-Oxum: {bytes}.{files}\n",
        parts.ledger.name()
    );
    out.put(BAGIT, BAGIT_TEXT.as_bytes())?;
    out.put(BAG_INFO, info.as_bytes())?;
    let manifest = out.manifest(true);
    out.put(MANIFEST, manifest.as_bytes())?;
    let manifest = out.manifest(false);
    out.put(TAG_MANIFEST, manifest.as_bytes())
}
