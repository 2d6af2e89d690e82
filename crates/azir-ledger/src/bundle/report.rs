//! What a check found.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Digest;

/// Most findings that are listed; the rest is counted.
pub(super) const FINDINGS_MAX: usize = 1000;

macro_rules! finding_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// Kinds of findings. The codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingKind { $($(#[$doc])* $name),+ }

        impl FindingKind {
            /// Every kind, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }
        }
    };
}

finding_kinds! {
    /// A file of the bag's own is not in its one exact form.
    BagMalformed = "bag_malformed",
    /// Listed in a manifest, or needed, and not there.
    FileMissing = "file_missing",
    /// There, and not listed in a manifest.
    FileExtra = "file_extra",
    /// Other content than the manifest says.
    FileChanged = "file_changed",
    /// Cannot be read, or is no regular file.
    FileUnreadable = "file_unreadable",
    /// A path that the format does not know.
    FileUnexpected = "file_unexpected",
    /// Another format or version: nothing else was judged by its rules.
    FormatUnknown = "format_unknown",
    /// An event, its signature or its meta data is not canonical or does not have the members of
    /// its format.
    EventInvalid = "event_invalid",
    /// An event stands at another position than its own.
    EventOrder = "event_order",
    /// An event of another log.
    EventForeign = "event_foreign",
    /// The signature does not hold.
    SignatureInvalid = "signature_invalid",
    /// The actor has no key at this position.
    UnknownActor = "unknown_actor",
    /// The actor's key is revoked at this position.
    KeyRevoked = "key_revoked",
    /// The entries do not give the root of a checkpoint.
    RootMismatch = "root_mismatch",
    /// A checkpoint is malformed, or not that of this log and size.
    CheckpointInvalid = "checkpoint_invalid",
    /// A checkpoint is not signed by the ledger.
    CheckpointSignature = "checkpoint_signature",
    /// A cosignature of a known witness does not hold.
    CosignatureInvalid = "cosignature_invalid",
    /// Fewer cosignatures than required.
    QuorumMissing = "quorum_missing",
    /// An inclusion proof does not hold.
    ProofInvalid = "proof_invalid",
    /// An opening record does not have the id of its directory.
    RecordMismatch = "record_mismatch",
    /// An incident of the log has no opening record.
    RecordMissing = "record_missing",
    /// An opening record of no incident of the log.
    RecordUnreferenced = "record_unreferenced",
    /// Evidence does not have the digest that names it.
    EvidenceMismatch = "evidence_mismatch",
    /// Evidence that no event and no record names.
    EvidenceUnreferenced = "evidence_unreferenced",
    /// A hash tile does not fit the entries.
    TileMismatch = "tile_mismatch",
    /// The roster is malformed, or its two forms differ.
    RosterInvalid = "roster_invalid",
    /// The ledger's key is not the trusted one.
    LedgerForeign = "ledger_foreign",
    /// The origin of the log is not bound to the ledger's key.
    OriginMismatch = "origin_mismatch",
    /// A larger checkpoint of the same history was presented: the bundle lacks the tail.
    OlderThanPresented = "older_than_presented",
    /// A presented checkpoint is of another history: a split view.
    SplitView = "split_view",
    /// The presented checkpoint itself does not hold.
    PresentedInvalid = "presented_invalid",
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One fault and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Path in the bundle, with a line where it helps; or `presented checkpoint`.
    pub place: String,
    /// Kind of fault.
    pub kind: FindingKind,
    /// What was expected and what was found.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.kind, self.what)
    }
}

/// What the signatures of the ledger and the witnesses were judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// By keys that the checker brought along.
    Trusted,
    /// By the keys inside the bundle: it is whole and of one hand, but whose hand is not shown.
    BundleOnly,
}

/// What was checked, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files whose content was digested.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Entries read and hashed into the tree.
    pub entries: u64,
    /// Signatures of people that hold.
    pub by_people: u64,
    /// Signatures of machines that hold.
    pub by_machines: u64,
    /// Checkpoints whose signature and root hold.
    pub checkpoints: u64,
    /// Cosignatures on the final checkpoint that hold.
    pub cosignatures: u64,
    /// Inclusion proofs that hold.
    pub proofs: u64,
    /// Opening records that have their id.
    pub records: u64,
    /// Pieces of evidence that have their digest and are named in the log.
    pub evidence: u64,
    /// Hash tiles that fit the entries.
    pub tiles: u64,
    /// Further files covered by the bag alone: no signature binds them.
    pub unsigned_extras: u64,
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Origin that the bundle claims.
    pub log: String,
    /// Size that the bundle claims.
    pub size: u64,
    /// Root computed from the entries, if all could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Digest>,
    /// What keys the check rests on.
    pub anchor: Anchor,
    /// What was checked.
    pub counts: Counts,
    /// The faults, in the order of the check; at most 1000.
    pub findings: Vec<Finding>,
    /// Faults beyond those listed.
    pub more_findings: u64,
}

impl Report {
    pub(super) fn new(anchor: Anchor) -> Self {
        Self {
            log: String::new(),
            size: 0,
            root: None,
            anchor,
            counts: Counts::default(),
            findings: Vec::new(),
            more_findings: 0,
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether there is a finding of this kind.
    #[must_use]
    pub fn has(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }

    pub(super) fn add(&mut self, place: impl Into<String>, kind: FindingKind, what: impl ToString) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place: place.into(), kind, what: what.to_string() });
        } else {
            self.more_findings += 1;
        }
    }
}
