//! The trusted checkpoint (D-092): one function, with the dispute as its parameter. Nobody sets it.

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::{Block, BlockId, BlockRef, ChainView, Dispute, Sealed, VerifiedFinal};
use serde::{Deserialize, Serialize};

/// Two certificates, or two hard-final blocks, that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Lowest height that a contradicting certificate speaks about, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Slot of the contradicting certificates, if they are of one slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
}

impl Conflict {
    /// Whether the conflict is at or below the place (condition b).
    fn reaches(&self, place: &BlockRef) -> bool {
        let by_height = self.height.is_some_and(|height| height <= place.height);
        let by_slot = self.slot.zip(place.slot).is_some_and(|(slot, own)| slot <= own);
        by_height || by_slot
    }
}

/// The conflicts that a node has seen.
#[must_use]
pub fn conflicts_of(view: &ChainView) -> Vec<Conflict> {
    let height = |id: &BlockId| view.block(id).map(|candidate| candidate.header.height);
    let conflicts = view.disputes().iter().map(|dispute| match dispute {
        Dispute::SameSlot { slot, first, second, .. } => {
            let heights = [height(&first.block), height(&second.block)];
            Conflict { height: heights.into_iter().flatten().min(), slot: Some(*slot) }
        }
        Dispute::HardFinal { last_common, .. } => {
            Conflict { height: last_common.height.checked_add(1), slot: None }
        }
    });
    conflicts.collect()
}

/// What is disputed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disputed {
    /// Height of the first use of the disputed thing: an activation, a module, a key (condition d).
    /// Absent when nothing but finality itself is disputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_use: Option<u64>,
    /// Lowest height whose earlier record as trusted may be affected by the fault (condition c).
    /// Absent when no earlier record is doubted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_from: Option<u64>,
}

/// What the conditions are judged on.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointFacts<'a> {
    /// Every conflict that was seen.
    pub conflicts: &'a [Conflict],
    /// Families that reproduced a block's roots; see `Report::reproduced`.
    pub reproduced: &'a BTreeMap<BlockId, BTreeSet<String>>,
    /// Blocks that were recorded as trusted earlier. The anchor always is.
    pub recorded: &'a BTreeSet<BlockId>,
    /// What is disputed.
    pub disputed: &'a Disputed,
}

/// The trusted checkpoint. Made by [`trusted_checkpoint`] only.
#[derive(Debug, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    place: BlockRef,
    recorded: bool,
}

impl TrustedCheckpoint {
    /// The block.
    #[must_use]
    pub fn place(&self) -> BlockRef {
        self.place
    }

    /// True when it rests on an earlier record and not on two reproductions.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The last epoch whose final block satisfies the conditions, if one is complete (D-092,
    /// epoch form): every epoch before the one of the checkpoint.
    #[must_use]
    pub fn complete_epochs(&self) -> u64 {
        self.place.slot.map_or(0, azir_atlas::epoch_of)
    }
}

/// Why there is no trusted checkpoint. Refusal kind `checkpoint_untrusted`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The headers are not the chain that was proven final.
    #[error("the headers do not lead from the anchor to the proven block")]
    Chain,
    /// Not even the anchor satisfies the conditions.
    #[error("nothing above or at the anchor is trusted: the dispute begins at height {from}")]
    Nothing {
        /// Lowest disputed height.
        from: u64,
    },
}

/// The highest block that (a) is hard-final by certificates from the anchor, (b) has no conflicting
/// certificate at or below its height, (c) was reproduced by two families or recorded as trusted
/// before the fault, (d) lies before the first use of the disputed thing (D-092). Implements
/// R-14.3-1, R-27.2-1.
///
/// `headers` are the chain behind `proven`, from just above its anchor.
///
/// # Errors
/// [`CheckpointError`].
pub fn trusted_checkpoint(
    proven: &VerifiedFinal,
    headers: &[Sealed<Block>],
    facts: &CheckpointFacts<'_>,
) -> Result<TrustedCheckpoint, CheckpointError> {
    let anchor = proven.anchor();
    let places = final_places(proven, headers).ok_or(CheckpointError::Chain)?;
    let disputed = facts.disputed;
    let before = |limit: Option<u64>, place: &BlockRef| limit.is_none_or(|l| place.height < l);
    for place in places.iter().rev().chain([&anchor]) {
        let families = facts.reproduced.get(&place.block).map_or(0, BTreeSet::len);
        let recorded = *place == anchor || facts.recorded.contains(&place.block);
        let recorded = recorded && before(disputed.fault_from, place);
        let clear = !facts.conflicts.iter().any(|c| c.reaches(place));
        if clear && before(disputed.first_use, place) && (families >= 2 || recorded) {
            return Ok(TrustedCheckpoint { place: *place, recorded: families < 2 });
        }
    }
    let conflicts = facts.conflicts.iter().filter_map(|c| c.height);
    let from = conflicts.chain(disputed.first_use).chain(disputed.fault_from).min();
    Err(CheckpointError::Nothing { from: from.unwrap_or(anchor.height) })
}

/// Places of the proven chain, ascending; nothing unless the headers link anchor and proven block.
fn final_places(proven: &VerifiedFinal, headers: &[Sealed<Block>]) -> Option<Vec<BlockRef>> {
    let count = proven.place().height.checked_sub(proven.anchor().height)?;
    let chain = headers.get(..usize::try_from(count).ok()?)?;
    let mut parent = proven.anchor().block;
    for header in chain {
        if header.parent != parent {
            return None;
        }
        parent = header.block_id();
    }
    (parent == proven.place().block).then(|| chain.iter().map(Sealed::<Block>::place).collect())
}
