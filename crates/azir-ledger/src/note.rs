//! Signed notes (C2SP `signed-note`): a text and signature lines of named keys.
//!
//! Two key types are known: `0x01` (Ed25519 over the text, the log's own) and `0x04` (cosignature
//! with a time, `tlog-cosignature` v1). Lines of other types or keys are kept and ignored.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding as _};

use crate::{Digest, MachineKey, MachinePublic, MachineSig};

/// Most signature lines of a note.
pub const LINES_MAX: usize = 16;
/// Longest signature line in bytes; leaves room for a post-quantum cosignature (3.3 kB).
pub const LINE_BYTES_MAX: usize = 4096;
/// Longest text of a note in bytes.
pub const TEXT_BYTES_MAX: usize = 16_384;

/// Why a note or a key was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is no signed note.
    #[error("not a signed note: {why}")]
    Malformed {
        /// What is wrong.
        why: &'static str,
    },
    /// The text is no verifier key.
    #[error("not a verifier key: {why}")]
    Key {
        /// What is wrong.
        why: &'static str,
    },
    /// No line of this key.
    #[error("not signed by {name:?}")]
    Unsigned {
        /// Name of the key.
        name: String,
    },
    /// A line of this key does not verify.
    #[error("the signature of {name:?} does not verify")]
    Invalid {
        /// Name of the key.
        name: String,
    },
    /// The text is a note, but no checkpoint.
    #[error("not a checkpoint: {why}")]
    Checkpoint {
        /// What is wrong.
        why: &'static str,
    },
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// `0x01`: the text itself.
    Log,
    /// `0x04`: `cosignature/v1`, the text with a time.
    Witness,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A named public key, written `<name>+<8 hex digits>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: MachinePublic,
}

impl VerifierKey {
    /// A key with its name.
    ///
    /// # Errors
    /// [`NoteError::Key`] when the name is empty or holds white space or `+`.
    pub fn new(name: &str, kind: KeyKind, key: MachinePublic) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), kind, key })
    }

    /// The name in front of its signatures.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key itself.
    #[must_use]
    pub fn public(&self) -> &MachinePublic {
        &self.key
    }

    /// First four bytes of `H(name || LF || type || key)`.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let parts: [&[u8]; 4] =
            [self.name.as_bytes(), b"\n", &[self.kind.byte()], self.key.0.as_slice()];
        let [a, b, c, d, ..] = Digest::of_parts(&parts).0;
        [a, b, c, d]
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(NoteError::Key { why: "a name has no white space, no '+', and is not empty" });
    }
    Ok(())
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.byte()];
        key.extend_from_slice(&self.key.0);
        let [a, b, c, d] = self.id();
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{}", self.name, Base64::encode_string(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refuse = |why| Err(NoteError::Key { why });
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return refuse("expected name+id+key");
        };
        let bytes = Base64::decode_vec(key).unwrap_or_default();
        let Some((kind, key)) = bytes.split_first() else { return refuse("the key is no base64") };
        let kind = match kind {
            1 => KeyKind::Log,
            4 => KeyKind::Witness,
            _ => return refuse("unknown type; 0x01 and 0x04 are known"),
        };
        let Ok(key) = <[u8; 32]>::try_from(key) else { return refuse("the key is not 32 bytes") };
        let this = Self::new(name, kind, MachinePublic(key))?;
        if this.to_string() == text { Ok(this) } else { refuse("the id does not fit the key") }
    }
}

crate::serde_as_text!(VerifierKey);

/// One signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSig {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// What follows the id; its form depends on the key's type.
    pub bytes: Vec<u8>,
}

/// A text with signature lines. Whether they verify is asked for one key at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    sigs: Vec<NoteSig>,
}

impl SignedNote {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the text is empty, too long, does not end with a newline or
    /// holds control characters.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        let refuse = |why| Err(NoteError::Malformed { why });
        if text.len() > TEXT_BYTES_MAX {
            return refuse("the text is too long");
        }
        if !text.ends_with('\n') {
            return refuse("the text does not end with a newline");
        }
        if text.bytes().any(|b| b < 0x20 && b != b'\n') {
            return refuse("control character");
        }
        Ok(Self { text: text.to_owned(), sigs: Vec::new() })
    }

    /// Reads a note with at least one signature line.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let malformed = |why| NoteError::Malformed { why };
        if bytes.len() > TEXT_BYTES_MAX + LINES_MAX * LINE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let at = all.rfind("\n\n").ok_or(malformed("no blank line before the signatures"))?;
        let mut note = Self::new(&all[..=at])?;
        let lines = all[at + 2..].strip_suffix('\n').ok_or(malformed("no final newline"))?;
        for line in lines.split('\n') {
            note.push(parse_line(line).ok_or(malformed("not a signature line"))?)?;
        }
        Ok(note)
    }

    /// The signed text, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, also those of unknown keys.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSig] {
        &self.sigs
    }

    /// Adds a signature line.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] beyond [`LINES_MAX`] or [`LINE_BYTES_MAX`].
    pub fn push(&mut self, sig: NoteSig) -> Result<(), NoteError> {
        if self.sigs.len() >= LINES_MAX || sig.bytes.len() > LINE_BYTES_MAX {
            return Err(NoteError::Malformed { why: "more than 16 lines, or a line above 4 KiB" });
        }
        self.sigs.push(sig);
        Ok(())
    }

    /// Signs as the log: a line of type `0x01`.
    ///
    /// # Errors
    /// [`NoteError`] for a bad name or too many lines.
    pub fn sign(&mut self, name: &str, key: &MachineKey) -> Result<(), NoteError> {
        let id = VerifierKey::new(name, KeyKind::Log, key.public())?.id();
        let bytes = key.sign("", self.text.as_bytes()).0.to_vec();
        self.push(NoteSig { name: name.to_owned(), id, bytes })
    }

    /// Cosigns as a witness at `time` (seconds since 1970): a line of type `0x04`.
    ///
    /// # Errors
    /// [`NoteError`] for a bad name or too many lines.
    pub fn cosign(&mut self, name: &str, key: &MachineKey, time: u64) -> Result<(), NoteError> {
        let id = VerifierKey::new(name, KeyKind::Witness, key.public())?.id();
        let mut bytes = time.to_be_bytes().to_vec();
        bytes.extend_from_slice(&key.sign(&cosigned_head(time), self.text.as_bytes()).0);
        self.push(NoteSig { name: name.to_owned(), id, bytes })
    }

    /// Checks the lines of `key`; gives the time of a cosignature, or 0 for the log's own.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] without a line of this key; [`NoteError::Invalid`] when any line
    /// that claims this key does not verify.
    pub fn verify(&self, key: &VerifierKey) -> Result<u64, NoteError> {
        let id = key.id();
        let mut found = Err(NoteError::Unsigned { name: key.name.clone() });
        for sig in self.sigs.iter().filter(|s| s.name == key.name && s.id == id) {
            match self.check(key, &sig.bytes) {
                Some(time) => found = Ok(time),
                None => return Err(NoteError::Invalid { name: key.name.clone() }),
            }
        }
        found
    }

    fn check(&self, key: &VerifierKey, bytes: &[u8]) -> Option<u64> {
        let text = self.text.as_bytes();
        match key.kind {
            KeyKind::Log => {
                let sig = MachineSig(bytes.try_into().ok()?);
                key.key.verify("", text, &sig).ok().map(|()| 0)
            }
            KeyKind::Witness => {
                let (time, sig) = bytes.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                let sig = MachineSig(sig.try_into().ok()?);
                key.key.verify(&cosigned_head(time), text, &sig).ok().map(|()| time)
            }
        }
    }
}

fn cosigned_head(time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n")
}

fn parse_line(line: &str) -> Option<NoteSig> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let (name, sig) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = Base64::decode_vec(sig).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    let sig = NoteSig { name: name.to_owned(), id: *id, bytes: bytes.to_vec() };
    (!bytes.is_empty()).then_some(sig)
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for sig in &self.sigs {
            let bytes = [sig.id.as_slice(), &sig.bytes].concat();
            writeln!(f, "\u{2014} {} {}", sig.name, Base64::encode_string(&bytes))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> MachineKey {
        MachineKey::from_seed([seed; 32])
    }

    #[test]
    fn a_note_reads_back_and_holds_under_its_keys_only() {
        let mut note = SignedNote::new("hello\n").unwrap();
        note.sign("log.example/a", &key(1)).unwrap();
        note.cosign("w", &key(2), 77).unwrap();
        let read = SignedNote::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read, note);
        let log = VerifierKey::new("log.example/a", KeyKind::Log, key(1).public()).unwrap();
        let witness = VerifierKey::new("w", KeyKind::Witness, key(2).public()).unwrap();
        assert_eq!(note.verify(&log), Ok(0));
        assert_eq!(note.verify(&witness), Ok(77));
        for (name, kind, seed) in
            [("w", KeyKind::Log, 2), ("w", KeyKind::Witness, 1), ("v", KeyKind::Witness, 2)]
        {
            let other = VerifierKey::new(name, kind, key(seed).public()).unwrap();
            assert_eq!(note.verify(&other), Err(NoteError::Unsigned { name: name.into() }));
        }
        let mut changed = read.clone();
        changed.text = "hullo\n".into();
        assert_eq!(changed.verify(&log), Err(NoteError::Invalid { name: "log.example/a".into() }));
        assert_eq!(changed.verify(&witness), Err(NoteError::Invalid { name: "w".into() }));
        let text = witness.to_string();
        assert_eq!(text.parse::<VerifierKey>().unwrap(), witness);
    }

    #[test]
    fn lines_of_unknown_types_are_kept_and_ignored_up_to_the_bounds() {
        let mut note = SignedNote::new("hello\n").unwrap();
        note.sign("l", &key(1)).unwrap();
        let pq = NoteSig { name: "pq".into(), id: [9; 4], bytes: vec![7; 2500] };
        for _ in 1..LINES_MAX {
            note.push(pq.clone()).unwrap();
        }
        assert!(note.push(pq).is_err(), "a seventeenth line");
        let read = SignedNote::parse(note.to_string().as_bytes()).unwrap();
        let log = VerifierKey::new("l", KeyKind::Log, key(1).public()).unwrap();
        assert_eq!(read.verify(&log), Ok(0));
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        let good = "a\n\n\u{2014} n AAAAAAA=\n";
        SignedNote::parse(good.as_bytes()).unwrap();
        for bad in [
            "",
            "a\n",
            "a\n\n",
            "a\n\n- n AAAAAAA=\n",
            "a\n\n\u{2014} n AAAAAAA=",
            "a\n\n\u{2014} n AAAA\n",
            "a\n\n\u{2014} n+m AAAAAAA=\n",
            "a\t\n\n\u{2014} n AAAAAAA=\n",
            "a\n\n\u{2014} n AAAAAAA=\n\n",
        ] {
            assert!(SignedNote::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let vkey = VerifierKey::new("n", KeyKind::Log, key(1).public()).unwrap().to_string();
        for bad in ["", "n", "n+00000000+AA==", &vkey[1..], &vkey.replace("n+", "m+")] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }
}
