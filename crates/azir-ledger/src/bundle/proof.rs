//! Offline inclusion proofs in the published form (C2SP `tlog-proof`, extension `.tlog-proof`).

use std::fmt;

use base64ct::{Base64, Encoding as _};

use crate::Digest;
use crate::checkpoint::{parse_hash, parse_number};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes of a proof: the height of the largest tree.
const HASHES_MAX: usize = 64;

/// An entry's index, the proof, and the signed checkpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Index of the entry.
    pub index: u64,
    /// Hashes from the leaf's sibling up.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint, as text.
    pub checkpoint: String,
}

/// A text that is no proof of this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a c2sp.org/tlog-proof@v1: {why}")]
pub struct TlogProofError {
    /// What is wrong.
    pub why: &'static str,
}

impl TlogProof {
    /// Reads a proof. Extra data is refused: this format has no meaning for it.
    ///
    /// # Errors
    /// [`TlogProofError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let bad = |why| TlogProofError { why };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(bad("no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(bad("another first line"));
        }
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).and_then(parse_number);
        let index = index.ok_or(bad("no index"))?;
        let hashes: Option<Vec<_>> = lines.map(parse_hash).collect();
        let hashes = hashes.filter(|h| h.len() <= HASHES_MAX).ok_or(bad("no hashes"))?;
        Ok(Self { index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", Base64::encode_string(&hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_has_the_published_form_and_reads_back() {
        let proof =
            TlogProof { index: 5, hashes: vec![Digest([0; 32])], checkpoint: "cp\n".into() };
        let text = proof.to_string();
        assert_eq!(
            text,
            "c2sp.org/tlog-proof@v1\nindex 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\ncp\n"
        );
        assert_eq!(TlogProof::parse(text.as_bytes()), Ok(proof));
        for bad in ["", "x\nindex 1\n\ncp\n", "c2sp.org/tlog-proof@v1\nindex 01\n\ncp\n"] {
            assert!(TlogProof::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
