//! Merkle trees of annex L.1: leaf `H(0x00 || entry)`, node `H(0x01 || left || right)`, split at
//! the largest power of two below n, the empty tree is `H("")`.

use azir_ledger::Digest;
use serde::{Deserialize, Serialize};

/// Hash of a leaf: `H(0x00 || entry)`.
#[must_use]
pub fn leaf(entry: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], entry])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], &left.0, &right.0])
}

/// One level up. Pairing neighbours and carrying an odd last one up unchanged is the same tree as
/// splitting at the largest power of two.
fn level_up(level: &[Digest]) -> Vec<Digest> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            [single, ..] => *single,
            [] => Digest::of(b""),
        })
        .collect()
}

/// Root over leaf hashes in order.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level_up(&level);
    }
    level.first().copied().unwrap_or_else(|| Digest::of(b""))
}

/// Proof that a leaf stands at an index of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Position of the leaf, from 0.
    pub index: u64,
    /// Number of leaves of the tree.
    pub size: u64,
    /// Sibling hashes from the leaf up.
    pub path: Vec<Digest>,
}

/// Builds the proof for the leaf at `index`; nothing if there is no such leaf.
#[must_use]
pub fn prove(leaves: &[Digest], index: usize) -> Option<Proof> {
    if index >= leaves.len() {
        return None;
    }
    let (mut level, mut at, mut path) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(at ^ 1).copied());
        level = level_up(&level);
        at /= 2;
    }
    Some(Proof { index: index as u64, size: leaves.len() as u64, path })
}

impl Proof {
    /// Whether the proof leads from the leaf hash to the root, with nothing left over.
    #[must_use]
    pub fn holds(&self, leaf: &Digest, root: &Digest) -> bool {
        if self.index >= self.size {
            return false;
        }
        let (mut at, mut last, mut hash) = (self.index, self.size - 1, *leaf);
        let mut path = self.path.iter();
        while last > 0 {
            let sibling_exists = at % 2 == 1 || at < last;
            if sibling_exists {
                let Some(sibling) = path.next() else { return false };
                hash = if at % 2 == 1 { node(sibling, &hash) } else { node(&hash, sibling) };
            }
            at /= 2;
            last /= 2;
        }
        path.next().is_none() && hash == *root
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The recursive definition, word for word.
    fn by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                let (left, right) = many.split_at(split);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    fn leaves(n: usize) -> Vec<Digest> {
        (0..n).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    #[test]
    fn the_root_follows_the_recursive_definition() {
        for n in 0..70 {
            assert_eq!(root(&leaves(n)), by_definition(&leaves(n)), "{n}");
        }
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn a_proof_holds_for_its_leaf_index_size_and_root_only(n in 1usize..60, i in 0usize..60) {
            let leaves = leaves(n);
            let root = root(&leaves);
            let proof = prove(&leaves, i);
            prop_assert_eq!(proof.is_some(), i < n);
            let Some(proof) = proof else { return Ok(()) };
            prop_assert!(proof.holds(&leaves[i], &root));
            prop_assert!(!proof.holds(&leaf(b"other"), &root));
            prop_assert!(!proof.holds(&leaves[i], &Digest::of(b"")));
            let mut longer = proof.clone();
            longer.path.push(root);
            prop_assert!(!longer.holds(&leaves[i], &root));
            let mut shorter = proof.clone();
            if shorter.path.pop().is_some() {
                prop_assert!(!shorter.holds(&leaves[i], &root));
            }
            let outside = Proof { index: proof.size, ..proof };
            prop_assert!(!outside.holds(&leaves[i], &root));
        }
    }
}
