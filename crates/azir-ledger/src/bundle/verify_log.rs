//! The part of the check that reads the log: checkpoints, entries, signatures, tree and tiles.

use std::collections::BTreeMap;

use super::files::{ReadError, read_small};
use super::layout;
use super::proof::TlogProof;
use super::report::FindingKind as K;
use super::verify::{Check, Keys, SMALL_MAX, add_read_error};
use crate::entry::EntryMeta;
use crate::event::EVENT_BYTES_MAX;
use crate::merkle::{self, Frontier};
use crate::note::{NoteError, SignedNote};
use crate::roster::RosterError;
use crate::tiles::TileStream;
use crate::{Checkpoint, Digest, Entry, Roster, Signature, SignedEvent, canon};

/// Bounds of the files that are read into memory, in bytes.
const SIG_MAX: usize = 16_384;
const NOTE_MAX: usize = 131_072;

/// A root that the tree must have at a size.
pub(super) struct Point {
    place: String,
    root: Digest,
    kind: K,
}

/// Roots to compare, and the text of the final checkpoint.
pub(super) struct Points {
    at: BTreeMap<u64, Vec<Point>>,
    last: Option<String>,
}

impl Check<'_> {
    /// Reads and checks all signed checkpoints, also the presented one.
    pub(super) fn checkpoints(&mut self, keys: &Keys) -> Points {
        let size = self.info.size;
        let mut points = Points { at: BTreeMap::new(), last: None };
        self.stock.checkpoints.insert(size);
        for n in self.stock.checkpoints.clone() {
            let place = layout::checkpoint_path(n);
            let text = self.read_text(&place, NOTE_MAX, K::CheckpointInvalid);
            let Some(text) = text else { continue };
            if let Some((note, point)) = self.checkpoint(&place, &text, keys) {
                if point.size != n {
                    let what = format!("the checkpoint has size {}", point.size);
                    self.add(place.as_str(), K::CheckpointInvalid, what);
                }
                self.cosignatures(&place, &note, keys, n == size);
                let root = point.root;
                let point = Point { place, root, kind: K::RootMismatch };
                points.at.entry(n).or_default().push(point);
            }
            if n == size {
                points.last = Some(text);
            }
        }
        let data = self.read(layout::DATA_CHECKPOINT, NOTE_MAX);
        if data.is_some_and(|d| points.last.as_ref().is_none_or(|l| l.as_bytes() != d)) {
            let what = "differs from the final checkpoint";
            self.add(layout::DATA_CHECKPOINT, K::CheckpointInvalid, what);
        }
        self.presented(keys, &mut points);
        points
    }

    fn checkpoint(
        &mut self,
        place: &str,
        text: &str,
        keys: &Keys,
    ) -> Option<(SignedNote, Checkpoint)> {
        let read = SignedNote::parse(text.as_bytes())
            .and_then(|note| Checkpoint::parse(note.text()).map(|point| (note, point)));
        let (note, point) = match read {
            Ok(read) => read,
            Err(e) => {
                self.add(place, K::CheckpointInvalid, e);
                return None;
            }
        };
        if point.origin != self.info.log {
            let what = format!("of the log {:?}", point.origin);
            self.add(place, K::CheckpointInvalid, what);
        }
        match keys.ledger.as_ref().map(|key| Checkpoint::verified(&note, key)) {
            Some(Ok(_)) => {}
            Some(Err(e)) => self.add(place, K::CheckpointSignature, e),
            None => self.add(place, K::CheckpointSignature, "no key of the ledger"),
        }
        Some((note, point))
    }

    fn cosignatures(&mut self, place: &str, note: &SignedNote, keys: &Keys, last: bool) {
        let mut count = 0;
        for witness in &keys.witnesses {
            match note.verify(witness) {
                Ok(_) => count += 1,
                Err(NoteError::Unsigned { .. }) => {}
                Err(e) => self.add(place, K::CosignatureInvalid, e),
            }
        }
        if last {
            self.report.counts.cosignatures = count;
            if count < keys.quorum {
                let what = format!("{count} cosignatures of {} required", keys.quorum);
                self.add(place, K::QuorumMissing, what);
            }
        }
    }

    fn presented(&mut self, keys: &Keys, points: &mut Points) {
        const PLACE: &str = "presented checkpoint";
        let Some(presented) = &self.options.presented else { return };
        let verified = keys.ledger.as_ref().map(|k| Checkpoint::verified(&presented.note, k));
        let seen = match verified {
            Some(Ok(seen)) => seen,
            Some(Err(e)) => return self.add(PLACE, K::PresentedInvalid, e),
            None => return self.add(PLACE, K::PresentedInvalid, "no key of the ledger"),
        };
        let size = self.info.size;
        if seen.size <= size {
            let point = Point { place: PLACE.into(), root: seen.root, kind: K::SplitView };
            return points.at.entry(seen.size).or_default().push(point);
        }
        let own = points.at.get(&size).and_then(|at| at.first()).map(|p| p.root);
        let proof = &presented.consistency;
        let proven =
            own.map(|own| merkle::verify_consistency(size, seen.size, &own, &seen.root, proof));
        let sizes = format!("the bundle has {size} entries, the log has {}", seen.size);
        match proven {
            Some(Ok(())) => self.add(PLACE, K::OlderThanPresented, sizes),
            _ if proof.is_empty() => {
                let what = format!("{sizes}; no proof that both are one history");
                self.add(PLACE, K::OlderThanPresented, what);
            }
            Some(Err(e)) => self.add(PLACE, K::SplitView, format!("{sizes}; {e}")),
            None => self.add(PLACE, K::OlderThanPresented, sizes),
        }
    }

    /// All entries in order: bytes, signature, tree, tiles, proofs.
    pub(super) fn entries(
        &mut self,
        roster: Option<&Roster>,
        points: &Points,
        on_entry: &mut dyn FnMut(&Entry),
    ) {
        let size = self.info.size;
        let (mut tree, mut tiles) = (Frontier::default(), TileStream::default());
        let mut unread = Vec::new();
        self.roots(&tree, points);
        let final_root = points.at.get(&size).and_then(|at| at.first()).map(|p| p.root);
        let end = size.min(self.stock.events_end);
        for index in 0..end {
            let Some(entry) = self.entry(index) else {
                unread.push(index);
                continue;
            };
            self.judge(index, &entry, roster);
            on_entry(&entry);
            let leaf = entry.leaf_hash();
            self.proof(index, &leaf, &entry, final_root, points.last.as_deref());
            if unread.is_empty() {
                tree.append(leaf);
                self.roots(&tree, points);
                for (path, bytes) in tiles.push(leaf) {
                    self.tile(&path, &bytes);
                }
            }
            self.report.counts.entries += 1;
        }
        if end < size {
            let what = format!("entries {end} to {} are missing", size - 1);
            self.add(layout::event_path(end), K::FileMissing, what);
        }
        if let Some(first) = unread.first() {
            let what = format!("cannot be computed: entry {first} could not be read");
            self.add(layout::checkpoint_path(size), K::RootMismatch, what);
        } else if end == size {
            tiles.partial().iter().for_each(|(path, bytes)| self.tile(path, bytes));
            self.report.root = Some(tree.root());
        }
    }

    fn roots(&mut self, tree: &Frontier, points: &Points) {
        let Some(at) = points.at.get(&tree.size()) else { return };
        let root = tree.root();
        for point in at {
            if point.root == root {
                self.report.counts.checkpoints += u64::from(point.kind == K::RootMismatch);
            } else {
                let what = format!(
                    "the first {} entries give root {root}, the checkpoint says {}",
                    tree.size(),
                    point.root
                );
                self.add(point.place.as_str(), point.kind, what);
            }
        }
    }

    fn entry(&mut self, index: u64) -> Option<Entry> {
        let (path, sig_path, meta_path) =
            (layout::event_path(index), layout::sig_path(index), layout::meta_path(index));
        let event = self.read(&path, EVENT_BYTES_MAX);
        let sig = self.read_text(&sig_path, SIG_MAX, K::EventInvalid);
        let meta = self.read(&meta_path, SMALL_MAX);
        let (event, sig, meta) = (event?, sig?, meta?);
        let signature = match sig.parse::<Signature>() {
            Ok(signature) => signature,
            Err(e) => {
                self.add(sig_path, K::SignatureInvalid, e);
                return None;
            }
        };
        let meta: EntryMeta = match canon::decode(&meta) {
            Ok(meta) => meta,
            Err(e) => {
                self.add(meta_path, K::EventInvalid, e);
                return None;
            }
        };
        match SignedEvent::from_bytes(event, signature) {
            Ok(signed) => Some(Entry { meta, signed }),
            Err(e) => {
                self.add(path, K::EventInvalid, e);
                None
            }
        }
    }

    fn judge(&mut self, index: u64, entry: &Entry, roster: Option<&Roster>) {
        let event = entry.signed.event();
        if entry.meta.index != index {
            let what = format!("it says index {}", entry.meta.index);
            self.add(layout::meta_path(index), K::EventOrder, what);
        }
        if event.log != self.info.log {
            let what = format!("signed for the log {:?}", event.log);
            self.add(layout::event_path(index), K::EventForeign, what);
        }
        if let Some(subject) = event.subject {
            self.stock.subjects.insert(subject);
        }
        self.name_evidence(&event.body);
        let Some(roster) = roster else { return };
        match (roster.verify(&entry.signed, index), entry.signed.signature()) {
            (Ok(()), Signature::Person(_)) => self.report.counts.by_people += 1,
            (Ok(()), Signature::Machine(_)) => self.report.counts.by_machines += 1,
            (Err(e), _) => {
                let kind = match e {
                    RosterError::UnknownActor { .. } | RosterError::NotYet { .. } => {
                        K::UnknownActor
                    }
                    RosterError::Revoked { .. } => K::KeyRevoked,
                    RosterError::Signature { .. } => K::SignatureInvalid,
                };
                self.add(layout::sig_path(index), kind, e);
            }
        }
    }

    /// The inclusion proof of an entry: people's entries must have one.
    fn proof(
        &mut self,
        index: u64,
        leaf: &Digest,
        entry: &Entry,
        root: Option<Digest>,
        last: Option<&str>,
    ) {
        let place = layout::proof_path(index);
        let by_person = matches!(entry.signed.signature(), Signature::Person(_));
        let bytes = match read_small(self.files, &place, NOTE_MAX) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) if !by_person => return,
            Err(e) => return add_read_error(&mut self.report, &place, e),
        };
        let proof = match TlogProof::parse(&bytes) {
            Ok(proof) => proof,
            Err(e) => return self.add(place, K::ProofInvalid, e),
        };
        if proof.index != index || Some(proof.checkpoint.as_str()) != last {
            return self.add(place, K::ProofInvalid, "of another entry or another checkpoint");
        }
        let Some(root) = root else { return };
        match merkle::verify_inclusion(leaf, index, self.info.size, &proof.hashes, &root) {
            Ok(()) => self.report.counts.proofs += 1,
            Err(e) => self.add(place, K::ProofInvalid, e),
        }
    }

    fn tile(&mut self, path: &str, expected: &[u8]) {
        let place = format!("{}{path}", layout::DATA);
        self.stock.tiles.remove(path);
        match self.read(&place, SMALL_MAX) {
            Some(found) if found == expected => self.report.counts.tiles += 1,
            Some(_) => self.add(place, K::TileMismatch, "other hashes than the entries give"),
            None => {}
        }
    }
}
