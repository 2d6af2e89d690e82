//! Checkpoints of the log (C2SP `tlog-checkpoint`), the origin text, and the rule of a witness.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use crate::merkle::{self, ProofError};
use crate::note::{KeyKind, NoteError, NoteSig, SignedNote, VerifierKey};
use crate::{Digest, MachineKey, MachinePublic};

/// Hex digits of the key's hash in an origin. 64 bits: too many to search for a second key.
const ORIGIN_HEX: usize = 16;
/// Most extension lines of a checkpoint that are read.
const EXTENSIONS_MAX: usize = 64;

/// Origin of a ledger: `azir/<name>/<first 16 hex digits of H(key)>`. Each event names the origin
/// of its log, so a log rewritten under another key no longer fits its own events.
#[must_use]
pub fn origin(name: &str, key: &MachinePublic) -> String {
    let hash = Digest::of(&key.0).to_string();
    format!("azir/{name}/{}", hash.get(..ORIGIN_HEX).unwrap_or(&hash))
}

/// Whether `origin` is bound to `key`.
#[must_use]
pub fn origin_binds(text: &str, key: &MachinePublic) -> bool {
    text.strip_prefix("azir/")
        .and_then(|rest| rest.rsplit_once('/'))
        .is_some_and(|(name, _)| origin(name, key) == text)
}

/// Size and root of a log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
    /// Further lines; kept, without meaning here.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without further lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Digest) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text =
            format!("{}\n{}\n{}\n", self.origin, self.size, Base64::encode_string(&self.root.0));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`]; nothing is repaired.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let bad = |why| NoteError::Checkpoint { why };
        let mut lines = text.strip_suffix('\n').ok_or(bad("no final newline"))?.split('\n');
        let origin = lines.next().filter(|o| !o.is_empty()).ok_or(bad("no origin"))?;
        let number = lines.next().ok_or(bad("no size"))?;
        let size = parse_number(number).ok_or(bad("the size is no plain decimal"))?;
        let root = lines.next().and_then(parse_hash).ok_or(bad("the root is no hash"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.len() > EXTENSIONS_MAX || extensions.iter().any(String::is_empty) {
            return Err(bad("an empty extension line, or more than 64"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Signs as the log named by the origin.
    ///
    /// # Errors
    /// [`NoteError`] when the origin cannot be a key's name.
    pub fn sign(&self, key: &MachineKey) -> Result<SignedNote, NoteError> {
        let mut note = SignedNote::new(&self.text())?;
        note.sign(&self.origin, key)?;
        Ok(note)
    }

    /// Reads the checkpoint of a note after checking that `log` signed it and that its origin is
    /// the name of `log`.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verified(note: &SignedNote, log: &VerifierKey) -> Result<Self, NoteError> {
        let this = Self::parse(note.text())?;
        if this.origin != log.name() {
            return Err(NoteError::Checkpoint { why: "the origin is that of another log" });
        }
        note.verify(log)?;
        Ok(this)
    }
}

/// A decimal without sign, leading zero or anything else.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in standard base64 with padding.
pub(crate) fn parse_hash(text: &str) -> Option<Digest> {
    Base64::decode_vec(text).ok()?.try_into().ok().map(Digest)
}

/// The verifier key of a ledger: its origin as name, type `0x01`.
///
/// # Errors
/// [`NoteError::Key`] when the origin cannot be a key's name.
pub fn ledger_key(origin: &str, key: &MachinePublic) -> Result<VerifierKey, NoteError> {
    VerifierKey::new(origin, KeyKind::Log, *key)
}

/// What a witness remembers of one log. It must be stored durably before a cosignature leaves.
/// Implements R-7.3-2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Key of the log.
    pub log: VerifierKey,
    /// Largest size signed so far.
    pub size: u64,
    /// Root at that size.
    pub root: Digest,
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// Not a checkpoint of this log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The submitter starts from another size than the witness knows.
    #[error("the last size signed here is {known}; prove consistency from there")]
    Conflict {
        /// The size that the witness knows.
        known: u64,
    },
    /// The checkpoint is smaller than one already signed: a rolled back server.
    #[error("a checkpoint of size {known} was signed here; {offered} would roll back")]
    Smaller {
        /// The size that the witness knows.
        known: u64,
        /// The size in the checkpoint.
        offered: u64,
    },
    /// The checkpoint is not an extension of the one already signed: a split view.
    #[error("not consistent with the checkpoint of size {known} signed here: {why}")]
    Inconsistent {
        /// The size that the witness knows.
        known: u64,
        /// Why the proof does not hold.
        why: ProofError,
    },
}

/// A checkpoint that a witness may sign, once [`Admission::next`] is stored.
#[derive(Debug)]
pub struct Admission {
    next: Witness,
    note: SignedNote,
}

impl Witness {
    /// A witness that has signed nothing of this log yet.
    #[must_use]
    pub fn fresh(log: VerifierKey) -> Self {
        Self { log, size: 0, root: merkle::empty_root() }
    }

    /// Decides whether a checkpoint may be signed (C2SP `tlog-witness`). `from` is the size that
    /// the submitter believes was signed last; `proof` leads from there to the checkpoint.
    ///
    /// # Errors
    /// [`WitnessRefusal`]; a conflict is answered with the size that this witness knows.
    pub fn consider(
        &self,
        note: &SignedNote,
        from: u64,
        proof: &[Digest],
    ) -> Result<Admission, WitnessRefusal> {
        let offered = Checkpoint::verified(note, &self.log)?;
        if offered.size < self.size {
            return Err(WitnessRefusal::Smaller { known: self.size, offered: offered.size });
        }
        if from != self.size {
            return Err(WitnessRefusal::Conflict { known: self.size });
        }
        merkle::verify_consistency(self.size, offered.size, &self.root, &offered.root, proof)
            .map_err(|why| WitnessRefusal::Inconsistent { known: self.size, why })?;
        let next = Self { log: self.log.clone(), size: offered.size, root: offered.root };
        Ok(Admission { next, note: SignedNote::new(note.text())? })
    }
}

impl Admission {
    /// What must be stored durably before [`Admission::cosign`].
    #[must_use]
    pub fn next(&self) -> &Witness {
        &self.next
    }

    /// The cosignature line, at `time` in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::Key`] when `name` cannot be a key's name.
    pub fn cosign(mut self, name: &str, key: &MachineKey, time: u64) -> Result<NoteSig, NoteError> {
        self.note.cosign(name, key, time)?;
        let last = self.note.signatures().last().cloned();
        last.ok_or(NoteError::Malformed { why: "no signature" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Tree, leaf_hash};

    fn tree(n: u8, first: u8) -> Tree {
        let mut tree = Tree::default();
        tree.append(leaf_hash(&[first]));
        (1..n).for_each(|i| tree.append(leaf_hash(&[i])));
        tree
    }

    #[test]
    fn an_origin_is_bound_to_one_key() {
        let (a, b) = (MachineKey::from_seed([1; 32]), MachineKey::from_seed([2; 32]));
        let text = origin("atlas/zero", &a.public());
        assert!(origin_binds(&text, &a.public()));
        assert!(!origin_binds(&text, &b.public()));
        assert!(!origin_binds("azir/x", &a.public()));
    }

    #[test]
    fn a_checkpoint_reads_back_with_extension_lines() {
        let mut point = Checkpoint::new("o", 3, Digest::of(b"r"));
        point.extensions.push("more".into());
        assert_eq!(Checkpoint::parse(&point.text()), Ok(point.clone()));
        let text = point.text();
        for bad in [
            text.replace("\n3\n", "\n03\n"),
            text.replace("\n3\n", "\n+3\n"),
            text.replace("o\n", "\n"),
            text.replace("=\n", "\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }

    /// Attacks of the ledger design: split view, and a server rolled back to an old backup.
    /// R-7.3-2: a shorter or forked log is not cosigned.
    #[test]
    fn a_witness_signs_extensions_only_and_answers_with_the_size_it_knows() {
        let key = MachineKey::from_seed([1; 32]);
        let name = origin("t", &key.public());
        let log = ledger_key(&name, &key.public()).unwrap();
        let tree8 = tree(8, 0);
        let at = |tree: &Tree, n| {
            Checkpoint::new(&name, n, tree.root_at(n).unwrap()).sign(&key).unwrap()
        };
        let fresh = Witness::fresh(log.clone());
        let admission = fresh.consider(&at(&tree8, 5), 0, &[]).unwrap();
        let known = admission.next().clone();
        let mut note = at(&tree8, 5);
        let witness_key = MachineKey::from_seed([9; 32]);
        note.push(admission.cosign("w", &witness_key, 10).unwrap()).unwrap();
        let vkey = VerifierKey::new("w", KeyKind::Witness, witness_key.public()).unwrap();
        assert_eq!(note.verify(&vkey), Ok(10));

        let proof = tree8.consistency_proof(5, 8).unwrap();
        assert_eq!(known.consider(&at(&tree8, 8), 5, &proof).unwrap().next().size, 8);
        let refusal = |note: &SignedNote, from, proof: &[Digest]| {
            known.consider(note, from, proof).unwrap_err()
        };
        assert_eq!(refusal(&at(&tree8, 8), 0, &[]), WitnessRefusal::Conflict { known: 5 });
        assert_eq!(
            refusal(&at(&tree8, 4), 5, &[]),
            WitnessRefusal::Smaller { known: 5, offered: 4 }
        );
        let forked = tree(8, 99);
        let proof = forked.consistency_proof(5, 8).unwrap();
        assert!(matches!(
            refusal(&at(&forked, 8), 5, &proof),
            WitnessRefusal::Inconsistent { known: 5, .. }
        ));
        assert!(matches!(
            refusal(&at(&forked, 5), 5, &[]),
            WitnessRefusal::Inconsistent { known: 5, .. }
        ));
        let stranger = MachineKey::from_seed([4; 32]);
        let foreign = Checkpoint::new(&name, 8, tree8.root()).sign(&stranger).unwrap();
        assert!(matches!(refusal(&foreign, 5, &proof), WitnessRefusal::Note(_)));
    }
}
