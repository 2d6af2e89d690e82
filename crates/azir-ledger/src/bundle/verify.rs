//! The offline check of a bundle: everything that needs no knowledge of what events mean.

use std::collections::{BTreeMap, BTreeSet};

use super::bag;
use super::files::{BundleFiles, ReadError, read_small};
use super::layout::{self, Place};
use super::report::{Anchor, FindingKind as K, Report};
use super::{BUNDLE_FORMAT, BundleInfo, EVIDENCE_TAGS, RECORD_TAG};
use crate::checkpoint::origin_binds;
use crate::note::{KeyKind, SignedNote, VerifierKey};
use crate::{Digest, Entry, Roster, canon};

/// Bounds of the files that are read into memory, in bytes.
pub(super) const SMALL_MAX: usize = 65_536;
const ROSTER_MAX: usize = 16 * 1024 * 1024;

/// Keys that the checker knows from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Key of the ledger.
    pub ledger: VerifierKey,
    /// Keys of witnesses.
    pub witnesses: Vec<VerifierKey>,
    /// Cosignatures that the final checkpoint must carry.
    pub quorum: u64,
}

/// A checkpoint of the same log, seen elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The signed checkpoint.
    pub note: SignedNote,
    /// Proof from the bundle's size to a larger one; may be empty.
    pub consistency: Vec<Digest>,
}

/// What to check against.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keys known from elsewhere. Without them the report rests on the bundle's own keys.
    pub trusted: Option<Trusted>,
    /// A checkpoint seen elsewhere.
    pub presented: Option<Presented>,
    /// Tags, beside [`EVIDENCE_TAGS`], under which events name evidence by a tagged hash.
    pub evidence_tags: Vec<String>,
}

/// Checks a bundle and calls `on_entry` for each entry that could be read, in log order, also when
/// its signature does not hold (the findings say so). Beside what `files` needs to list itself,
/// memory does not grow with the number of events, only with that of incidents, checkpoints and
/// pieces of evidence. Implements R-32.2-2.
pub fn verify(
    files: &dyn BundleFiles,
    options: &Options,
    on_entry: &mut dyn FnMut(&Entry),
) -> Report {
    let anchor = if options.trusted.is_some() { Anchor::Trusted } else { Anchor::BundleOnly };
    let mut report = Report::new(anchor);
    let Some(info) = read_info(files, &mut report) else { return report };
    report.log.clone_from(&info.log);
    report.size = info.size;
    let mut check = Check { files, options, report, info, stock: Stock::default() };
    check.bag();
    let keys = check.keys();
    let roster = check.roster();
    check.records();
    let points = check.checkpoints(&keys);
    check.entries(roster.as_ref(), &points, on_entry);
    check.leftovers();
    check.report
}

/// Reads `bundle.json`. Under another format nothing is judged.
fn read_info(files: &dyn BundleFiles, report: &mut Report) -> Option<BundleInfo> {
    let bytes = match read_small(files, layout::INFO, SMALL_MAX) {
        Ok(bytes) => bytes,
        Err(e) => {
            add_read_error(report, layout::INFO, e);
            return None;
        }
    };
    let found = canon::decode::<serde_json::Value>(&bytes);
    let format = found.as_ref().ok().and_then(|v| v.get("format")?.as_str());
    match (format, canon::decode::<BundleInfo>(&bytes)) {
        (Some(BUNDLE_FORMAT), Ok(info)) => return Some(info),
        (Some(BUNDLE_FORMAT) | None, Err(e)) => report.add(layout::INFO, K::FormatUnknown, e),
        (other, _) => report.add(
            layout::INFO,
            K::FormatUnknown,
            format!("format is {other:?}, expected {BUNDLE_FORMAT:?}; use a program that knows it"),
        ),
    }
    None
}

pub(super) fn add_read_error(report: &mut Report, place: &str, error: ReadError) {
    match error {
        ReadError::Missing => report.add(place, K::FileMissing, "needed, and not there"),
        ReadError::TooLong { limit } => {
            report.add(place, K::FileUnexpected, format!("longer than {limit} bytes"));
        }
        ReadError::Io(e) => report.add(place, K::FileUnreadable, e),
    }
}

/// What the bag holds and what of it was accounted for.
#[derive(Default)]
pub(super) struct Stock {
    pub(super) events_end: u64,
    records: BTreeSet<Digest>,
    pub(super) subjects: BTreeSet<Digest>,
    pub(super) checkpoints: BTreeSet<u64>,
    pub(super) tiles: BTreeSet<String>,
    /// Plain and tagged hashes of evidence, to the digest that names the file.
    aliases: BTreeMap<Digest, Digest>,
    unnamed: BTreeSet<Digest>,
    payload: (u64, u64),
}

pub(super) struct Keys {
    pub(super) ledger: Option<VerifierKey>,
    pub(super) witnesses: Vec<VerifierKey>,
    pub(super) quorum: u64,
}

pub(super) struct Check<'a> {
    pub(super) files: &'a dyn BundleFiles,
    pub(super) options: &'a Options,
    pub(super) report: Report,
    pub(super) info: BundleInfo,
    pub(super) stock: Stock,
}

impl Check<'_> {
    pub(super) fn add(&mut self, place: impl Into<String>, kind: K, what: impl ToString) {
        self.report.add(place, kind, what);
    }

    pub(super) fn read(&mut self, place: &str, limit: usize) -> Option<Vec<u8>> {
        match read_small(self.files, place, limit) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                add_read_error(&mut self.report, place, e);
                None
            }
        }
    }

    pub(super) fn read_text(&mut self, place: &str, limit: usize, kind: K) -> Option<String> {
        let text = String::from_utf8(self.read(place, limit)?);
        if text.is_err() {
            self.add(place, kind, "not UTF-8");
        }
        text.ok()
    }

    /// Manifests against files; takes stock of what there is.
    fn bag(&mut self) {
        let tags: Vec<&str> = EVIDENCE_TAGS
            .into_iter()
            .chain(self.options.evidence_tags.iter().map(String::as_str))
            .collect();
        let (size, stock) = (self.info.size, &mut self.stock);
        bag::check(self.files, &tags, &mut self.report, &mut |report, name, hashed| {
            if name.starts_with(layout::DATA) {
                stock.payload.0 += hashed.length;
                stock.payload.1 += 1;
            }
            let unexpected = |report: &mut Report, what: &str| {
                report.add(name, K::FileUnexpected, what);
            };
            match layout::classify(name) {
                None => unexpected(report, "the format knows no such path"),
                Some(Place::Fixed) => {}
                Some(Place::Event(i) | Place::EventSig(i) | Place::EventMeta(i)) => {
                    stock.events_end = stock.events_end.max(i.saturating_add(1));
                    if i >= size {
                        unexpected(report, "beyond the size of the log");
                    }
                }
                Some(Place::Proof(i)) if i >= size => {
                    unexpected(report, "beyond the size of the log");
                }
                Some(Place::Checkpoint(n)) if n > size => {
                    unexpected(report, "larger than the log");
                }
                Some(Place::Proof(_)) => {}
                Some(Place::Checkpoint(n)) => {
                    stock.checkpoints.insert(n);
                }
                Some(Place::Record(id)) => {
                    stock.records.insert(id);
                }
                Some(Place::Tile(path)) => {
                    stock.tiles.insert(path.to_owned());
                }
                Some(Place::Extra) => report.counts.unsigned_extras += 1,
                Some(Place::Evidence(digest)) => {
                    if hashed.digest != digest {
                        let what = format!("its content has sha256 {}", hashed.digest);
                        report.add(name, K::EvidenceMismatch, what);
                        return;
                    }
                    stock.unnamed.insert(digest);
                    stock.aliases.insert(digest, digest);
                    stock.aliases.extend(hashed.tagged.iter().map(|alias| (*alias, digest)));
                }
            }
        });
        self.bag_texts();
    }

    fn bag_texts(&mut self) {
        let (bytes, files) = self.stock.payload;
        let info = format!(
            "Bag-Software-Agent: azir\nExternal-Identifier: {}\nPayload-Oxum: {bytes}.{files}\n",
            self.info.log
        );
        for (place, expected) in
            [(layout::BAGIT, layout::BAGIT_TEXT), (layout::BAG_INFO, info.as_str())]
        {
            if self.read(place, SMALL_MAX).is_some_and(|found| found != expected.as_bytes()) {
                self.add(place, K::BagMalformed, format!("expected exactly {expected:?}"));
            }
        }
    }

    /// The keys to judge by: trusted ones, or else the bundle's own.
    fn keys(&mut self) -> Keys {
        let ledger = self.key_lines(layout::LEDGER_KEY, KeyKind::Log);
        let witnesses = self.key_lines(layout::WITNESS_KEYS, KeyKind::Witness);
        let own = match ledger.as_slice() {
            [one] => Some(one.clone()),
            _ => {
                self.add(layout::LEDGER_KEY, K::RosterInvalid, "expected one key of type 0x01");
                None
            }
        };
        if let Some(key) = &own
            && (key.name() != self.info.log || !origin_binds(&self.info.log, key.public()))
        {
            let what = format!("origin {:?} is not bound to the key {key}", self.info.log);
            self.add(layout::LEDGER_KEY, K::OriginMismatch, what);
        }
        let Some(trusted) = &self.options.trusted else {
            return Keys { ledger: own, witnesses, quorum: self.info.quorum };
        };
        if own.as_ref() != Some(&trusted.ledger) {
            let what = format!("the trusted key is {}", trusted.ledger);
            self.add(layout::LEDGER_KEY, K::LedgerForeign, what);
        }
        Keys {
            ledger: Some(trusted.ledger.clone()),
            witnesses: trusted.witnesses.clone(),
            quorum: trusted.quorum,
        }
    }

    fn key_lines(&mut self, place: &str, kind: KeyKind) -> Vec<VerifierKey> {
        let text = self.read_text(place, SMALL_MAX, K::RosterInvalid).unwrap_or_default();
        let mut keys: Vec<VerifierKey> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let place = format!("{place}:{}", at + 1);
            match line.parse::<VerifierKey>() {
                Ok(key) if key.kind() == kind && !keys.contains(&key) => keys.push(key),
                Ok(_) => self.add(place, K::RosterInvalid, "a key of another type, or twice"),
                Err(e) => self.add(place, K::RosterInvalid, e),
            }
        }
        keys
    }

    fn roster(&mut self) -> Option<Roster> {
        let signers = self.read(layout::SIGNERS, ROSTER_MAX);
        let bytes = self.read(layout::ROSTER, ROSTER_MAX)?;
        let roster: Roster = match canon::decode(&bytes) {
            Ok(roster) => roster,
            Err(e) => {
                self.add(layout::ROSTER, K::RosterInvalid, e);
                return None;
            }
        };
        if roster.log != self.info.log {
            self.add(layout::ROSTER, K::RosterInvalid, "the roster of another log");
        }
        if signers.is_some_and(|text| text != roster.allowed_signers().as_bytes()) {
            self.add(layout::SIGNERS, K::RosterInvalid, "differs from roster.json");
        }
        Some(roster)
    }

    /// The id beside each opening record is the hash of its bytes. Implements R-7.1-2.
    fn records(&mut self) {
        for id in self.stock.records.clone() {
            let place = layout::record_path(&id);
            let Some(bytes) = self.read(&place, SMALL_MAX) else { continue };
            let found = Digest::tagged(RECORD_TAG, &bytes);
            match canon::decode::<serde_json::Value>(&bytes) {
                Err(e) => self.add(place, K::RecordMismatch, e),
                Ok(_) if found != id => {
                    self.add(place, K::RecordMismatch, format!("the record has the id {found}"));
                }
                Ok(value) => {
                    self.report.counts.records += 1;
                    self.name_evidence(&value);
                }
            }
        }
    }

    /// Marks all evidence named in a value, by its plain or a tagged hash.
    pub(super) fn name_evidence(&mut self, value: &serde_json::Value) {
        super::hashes_in(value, &mut |hash| {
            if let Some(digest) = self.stock.aliases.get(&hash) {
                self.stock.unnamed.remove(digest);
            }
        });
    }

    /// What was there and was not accounted for.
    fn leftovers(&mut self) {
        if self.report.root.is_some() {
            for path in std::mem::take(&mut self.stock.tiles) {
                let place = format!("{}{path}", layout::DATA);
                self.add(place, K::FileUnexpected, "no tile of a log of this size");
            }
        }
        let (records, subjects) =
            (std::mem::take(&mut self.stock.records), std::mem::take(&mut self.stock.subjects));
        for id in subjects.difference(&records) {
            let what = "an event is about this incident";
            self.add(layout::record_path(id), K::RecordMissing, what);
        }
        for id in records.difference(&subjects) {
            let what = "no event is about this incident";
            self.add(layout::record_path(id), K::RecordUnreferenced, what);
        }
        let evidence: BTreeSet<_> = self.stock.aliases.values().copied().collect();
        for digest in &self.stock.unnamed {
            let what = "named by no event and no record";
            self.report.add(layout::evidence_path(digest), K::EvidenceUnreferenced, what);
        }
        self.report.counts.evidence = (evidence.len() - self.stock.unnamed.len()) as u64;
    }
}
