//! Bundles: a log with its roster, records and evidence as plain files, checked offline.
//!
//! A bundle is a BagIt bag (RFC 8493). Its payload, `data/`, is the log's tree as C2SP hash tiles
//! with its checkpoint, so that foreign tools can follow it. What people read lies beside it as
//! tag files: `events/000017.json` (the exact bytes that were signed), `.json.sig`,
//! `events/000017.meta.json`, `incidents/<id>/record.json`, `evidence/sha256/ab/<hash>`,
//! `checkpoints/<size>.note`, `proofs/000017.tlog-proof`, `roster/*` and `bundle.json`.
//! `manifest-sha256.txt` covers the payload and `tagmanifest-sha256.txt` everything else; both are
//! sorted by path and have one exact form, so that a changed byte anywhere is a finding.

mod bag;
mod export;
mod files;
mod layout;
mod proof;
mod report;
mod verify;
mod verify_log;

pub use export::{Evidence, Export, ExportError, Extra, export};
pub use files::{BundleFiles, MemoryBundle};
pub use layout::{
    checkpoint_path, event_path, evidence_path, meta_path, proof_path, record_path, sig_path,
};
pub use proof::{TlogProof, TlogProofError};
pub use report::{Anchor, Counts, Finding, FindingKind, Report};
pub use verify::{Options, Presented, Trusted, verify};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;

/// The `format` member of [`BundleInfo`]: any other text is refused, never read by older rules.
pub const BUNDLE_FORMAT: &str = "azir.bundle/1";
/// Tag of an incident's id over its opening record (D-014).
pub const RECORD_TAG: &str = "AZ:INCIDENT:";
/// Tags under which a log names evidence by a tagged hash instead of the plain one (D-015).
pub const EVIDENCE_TAGS: [&str; 2] = ["AZ:SCOPES:", "AZ:EVIDENCE:"];

/// `bundle.json`: what the bundle claims to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleInfo {
    /// Always [`BUNDLE_FORMAT`].
    pub format: String,
    /// Origin of the log.
    pub log: String,
    /// Number of entries.
    pub size: u64,
    /// Cosignatures that the final checkpoint must carry.
    pub quorum: u64,
}

/// Gives `found` every hash that a value names, in a member's name or text, plain or behind
/// `sha256:`. Verification counts such evidence as named, and an exporter takes it along.
pub fn hashes_in(value: &Value, found: &mut dyn FnMut(Digest)) {
    let text = |text: &str, found: &mut dyn FnMut(Digest)| {
        if let Ok(hash) = text.strip_prefix("sha256:").unwrap_or(text).parse() {
            found(hash);
        }
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(named) => text(named, found),
        Value::Array(items) => items.iter().for_each(|item| hashes_in(item, found)),
        Value::Object(members) => members.iter().for_each(|(name, item)| {
            text(name, found);
            hashes_in(item, found);
        }),
    }
}
