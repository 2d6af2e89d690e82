//! Paths of a bundle: which there are, and what each means.

use crate::Digest;
use crate::checkpoint::parse_number;

pub(super) const BAGIT: &str = "bagit.txt";
pub(super) const BAG_INFO: &str = "bag-info.txt";
pub(super) const MANIFEST: &str = "manifest-sha256.txt";
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
pub(super) const INFO: &str = "bundle.json";
pub(super) const ROSTER: &str = "roster/roster.json";
pub(super) const SIGNERS: &str = "roster/allowed_signers";
pub(super) const LEDGER_KEY: &str = "roster/ledger.vkey";
pub(super) const WITNESS_KEYS: &str = "roster/witnesses.vkey";
pub(super) const DATA: &str = "data/";
pub(super) const DATA_CHECKPOINT: &str = "data/checkpoint";
/// Content of [`BAGIT`] (RFC 8493 section 2.1.1).
pub(super) const BAGIT_TEXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Meaning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The bag's own files, `bundle.json`, the roster, the payload's checkpoint.
    Fixed,
    /// `events/000017.json`
    Event(u64),
    /// `events/000017.json.sig`
    EventSig(u64),
    /// `events/000017.meta.json`
    EventMeta(u64),
    /// `proofs/000017.tlog-proof`
    Proof(u64),
    /// `checkpoints/000018.note`
    Checkpoint(u64),
    /// `incidents/<id>/record.json`
    Record(Digest),
    /// `evidence/sha256/ab/<digest>`
    Evidence(Digest),
    /// `data/tile/...`
    Tile(&'a str),
    /// Further files that the bag covers, and no signature: below `incidents/<id>/` or `extra/`.
    Extra,
}

/// Path of the exact canonical bytes of an event.
#[must_use]
pub fn event_path(index: u64) -> String {
    format!("events/{index:06}.json")
}

/// Path of an event's signature.
#[must_use]
pub fn sig_path(index: u64) -> String {
    format!("events/{index:06}.json.sig")
}

/// Path of what the log added to an event.
#[must_use]
pub fn meta_path(index: u64) -> String {
    format!("events/{index:06}.meta.json")
}

/// Path of an event's inclusion proof.
#[must_use]
pub fn proof_path(index: u64) -> String {
    format!("proofs/{index:06}.tlog-proof")
}

/// Path of the signed checkpoint of a size.
#[must_use]
pub fn checkpoint_path(size: u64) -> String {
    format!("checkpoints/{size:06}.note")
}

/// Path of an incident's opening record.
#[must_use]
pub fn record_path(id: &Digest) -> String {
    format!("incidents/{id}/record.json")
}

/// Path of a piece of evidence.
#[must_use]
pub fn evidence_path(digest: &Digest) -> String {
    let hex = digest.to_string();
    format!("evidence/sha256/{}/{hex}", &hex[..2])
}

/// Whether a path can be a file of a bundle on every system: short relative ASCII parts.
pub(super) fn is_plain(path: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && p != "."
            && p != ".."
            && p.len() <= 128
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    path.len() <= 512 && path.split('/').all(part)
}

/// What a path means; nothing if the format does not know it.
pub(super) fn classify(path: &str) -> Option<Place<'_>> {
    if !is_plain(path) {
        return None;
    }
    let fixed = [
        BAGIT,
        BAG_INFO,
        MANIFEST,
        TAG_MANIFEST,
        INFO,
        ROSTER,
        SIGNERS,
        LEDGER_KEY,
        WITNESS_KEYS,
        DATA_CHECKPOINT,
    ];
    if fixed.contains(&path) {
        return Some(Place::Fixed);
    }
    if let Some(tile) = path.strip_prefix(DATA) {
        return tile.starts_with("tile/").then_some(Place::Tile(tile));
    }
    let place = match path.split_once('/')? {
        ("extra", _) => Place::Extra,
        ("events", name) => match name.strip_suffix(".json.sig") {
            Some(number) => Place::EventSig(position(number)?),
            None => match name.strip_suffix(".meta.json") {
                Some(number) => Place::EventMeta(position(number)?),
                None => Place::Event(position(name.strip_suffix(".json")?)?),
            },
        },
        ("proofs", name) => Place::Proof(position(name.strip_suffix(".tlog-proof")?)?),
        ("checkpoints", name) => Place::Checkpoint(position(name.strip_suffix(".note")?)?),
        ("incidents", rest) => {
            let (id, name) = rest.split_once('/')?;
            let id = id.parse().ok()?;
            if name == "record.json" { Place::Record(id) } else { Place::Extra }
        }
        ("evidence", rest) => {
            let digest = rest.get("sha256/ab/".len()..)?.parse().ok()?;
            (evidence_path(&digest) == path).then_some(Place::Evidence(digest))?
        }
        _ => return None,
    };
    Some(place)
}

/// A position of at least six digits, in its one form.
fn position(digits: &str) -> Option<u64> {
    let number = parse_number(digits.trim_start_matches('0'))
        .or_else(|| (!digits.is_empty() && digits.bytes().all(|b| b == b'0')).then_some(0))?;
    (format!("{number:06}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_meaning_and_one_form() {
        let d = Digest::of(b"x");
        for (path, place) in [
            (event_path(17), Place::Event(17)),
            (event_path(0), Place::Event(0)),
            (event_path(1_234_567), Place::Event(1_234_567)),
            (sig_path(17), Place::EventSig(17)),
            (meta_path(17), Place::EventMeta(17)),
            (proof_path(17), Place::Proof(17)),
            (checkpoint_path(18), Place::Checkpoint(18)),
            (record_path(&d), Place::Record(d)),
            (evidence_path(&d), Place::Evidence(d)),
            ("bundle.json".into(), Place::Fixed),
            ("data/tile/0/000".into(), Place::Tile("tile/0/000")),
            (format!("incidents/{d}/view.json"), Place::Extra),
            ("extra/a/b.txt".into(), Place::Extra),
        ] {
            assert_eq!(classify(&path), Some(place), "{path}");
        }
        for bad in [
            "",
            "x",
            "events/17.json",
            "events/+00017.json",
            "events/0000017.json",
            "/bundle.json",
            "extra/../bundle.json",
            "extra//x",
            "extra/a b",
            "incidents/x/record.json",
            "data/x",
            &evidence_path(&d).replace(&d.to_string()[..2], "zz"),
            "evidence/x",
            "events",
        ] {
            assert_eq!(classify(bad), None, "{bad}");
        }
    }
}
