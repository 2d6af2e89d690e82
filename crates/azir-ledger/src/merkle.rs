//! The Merkle tree of the log: RFC 6962 hashing, roots, inclusion and consistency proofs.
//!
//! Everything here works on leaf hashes (`H(0x00 || leaf)`), never on leaves.

use crate::Digest;

/// Why a proof was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Index and size, or the two sizes, do not fit each other.
    #[error("position {index} does not lie in a tree of size {size}")]
    OutOfRange {
        /// Index of the leaf, or the smaller size.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has {found} hashes, which does not fit these sizes")]
    Length {
        /// Number of hashes in the proof.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Root of the empty tree: `H("")`.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// Hash of a leaf: `H(0x00 || leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], leaf])
}

/// Hash of an inner node: `H(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], &left.0, &right.0])
}

/// Root over leaf hashes.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier.root()
}

/// The right edge of a tree: enough to append and to name the root, in at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees from left to right, one for each set bit of `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf hash at the end.
    pub fn append(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Root of the tree so far.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// A whole tree in memory (64 bytes for each leaf): any earlier root and any proof.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// `levels[k][i]` is the root of the complete subtree over leaves `i * 2^k .. (i + 1) * 2^k`.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |l| l.len() as u64)
    }

    /// Hash of the leaf at `index`.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// Adds one leaf hash at the end.
    pub fn append(&mut self, leaf: Digest) {
        let mut node = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(node);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => node = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// Root of the first `size` leaves; nothing if the tree is smaller.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        if size == 0 { Some(empty_root()) } else { self.range(0, size) }
    }

    /// Root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root_at(self.size()).unwrap_or_else(empty_root)
    }

    /// Proof that the leaf `index` is in the tree of the first `size` leaves.
    #[must_use]
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut low, mut high) = (0, size);
        let mut proof = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                low = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// Proof that the tree of the first `new` leaves only appends to that of the first `old`.
    #[must_use]
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut low, mut high, mut whole) = (0, new, true);
        let mut proof = Vec::new();
        while old != high {
            let middle = low + split(high - low);
            if old <= middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                low = middle;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(low, high)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// Root over leaves `low..high`, where `low` is a multiple of the range's power of two.
    fn range(&self, low: u64, high: u64) -> Option<Digest> {
        let width = high.checked_sub(low)?;
        if width.is_power_of_two() {
            let level = width.trailing_zeros();
            let row = self.levels.get(level as usize)?;
            return row.get(usize::try_from(low >> level).ok()?).copied();
        }
        let middle = low + split(width);
        Some(node_hash(&self.range(low, middle)?, &self.range(middle, high)?))
    }
}

/// Largest power of two below `width` (`width` > 1).
fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

/// Checks that the leaf hash `leaf` is at `index` of the tree of `size` leaves with `root`.
///
/// # Errors
/// [`ProofError`] naming why the proof does not hold.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let length = ProofError::Length { found: proof.len() };
    let (mut fn_, mut sn, mut node) = (index, size - 1, *leaf);
    for step in proof {
        if sn == 0 {
            return Err(length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            node = node_hash(step, &node);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            node = node_hash(&node, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    match (sn, node == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        (_, _) => Err(length),
    }
}

/// Checks that the tree of `new` leaves with `new_root` only appends to the tree of `old` leaves
/// with `old_root`.
///
/// # Errors
/// [`ProofError`] naming why the proof does not hold.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Digest,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OutOfRange { index: old, size: new });
    }
    let length = ProofError::Length { found: proof.len() };
    if old == new || old == 0 {
        let same = if old == new { old_root == new_root } else { *old_root == empty_root() };
        return match (proof.is_empty(), same) {
            (false, _) => Err(length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let whole = old.is_power_of_two();
    let (first, rest) = match proof.split_first() {
        _ if whole => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(length),
    };
    let (mut fn_, mut sn) = (old - 1, new - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut old_node, mut new_node) = (first, first);
    for step in rest {
        if sn == 0 {
            return Err(length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            old_node = node_hash(step, &old_node);
            new_node = node_hash(step, &new_node);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            new_node = node_hash(&new_node, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    if sn != 0 {
        return Err(length);
    }
    let holds = old_node == *old_root && new_node == *new_root;
    if holds { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u64) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962 section 2.1, word for word.
    fn by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                node_hash(&by_definition(&many[..k]), &by_definition(&many[k..]))
            }
        }
    }

    #[test]
    fn every_way_to_a_root_is_the_definition() {
        let all = leaves(70);
        let mut tree = Tree::default();
        all.iter().for_each(|leaf| tree.append(*leaf));
        for n in 0..=all.len() {
            let expected = by_definition(&all[..n]);
            assert_eq!(root(&all[..n]), expected, "{n}");
            assert_eq!(tree.root_at(n as u64), Some(expected), "{n}");
        }
        assert_eq!(tree.root_at(71), None);
        assert_eq!(tree.root(), by_definition(&all));
    }

    #[test]
    fn every_inclusion_proof_holds_for_its_place_only() {
        let all = leaves(40);
        let mut tree = Tree::default();
        all.iter().for_each(|leaf| tree.append(*leaf));
        for size in 1..=40 {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let leaf = all[index as usize];
                let proof = tree.inclusion_proof(index, size).unwrap();
                verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
                for other in (0..size).filter(|o| *o != index) {
                    assert!(verify_inclusion(&leaf, other, size, &proof, &root).is_err());
                }
                let mut longer = proof.clone();
                longer.push(root);
                assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
            }
            assert_eq!(tree.inclusion_proof(size, size), None);
        }
        assert_eq!(tree.inclusion_proof(0, 41), None);
    }

    #[test]
    fn every_consistency_proof_holds_and_another_history_is_found() {
        let mut tree = Tree::default();
        leaves(40).iter().for_each(|leaf| tree.append(*leaf));
        let mut other = Tree::default();
        other.append(leaf_hash(b"changed"));
        leaves(40).iter().skip(1).for_each(|leaf| other.append(*leaf));
        for new in 0..=40 {
            let new_root = tree.root_at(new).unwrap();
            for old in 0..=new {
                let proof = tree.consistency_proof(old, new).unwrap();
                let old_root = tree.root_at(old).unwrap();
                verify_consistency(old, new, &old_root, &new_root, &proof).unwrap();
                if old > 0 {
                    let forged = other.root_at(old).unwrap();
                    let proof = other.consistency_proof(old, new).unwrap();
                    assert!(verify_consistency(old, new, &forged, &new_root, &proof).is_err());
                }
            }
        }
        assert_eq!(tree.consistency_proof(5, 4), None);
        let root = tree.root();
        assert!(verify_consistency(5, 4, &root, &root, &[]).is_err());
        assert!(verify_consistency(3, 40, &root, &root, &[]).is_err());
    }
}
