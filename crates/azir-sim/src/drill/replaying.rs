//! Runs the production replay over objects that own nodes hold: finalized objects by hash, from
//! the node's archive. The checkpoint is computed from it, never chosen (D-092).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use azir_atlas::{BlockId, BlockRef, Certificate, ChainView, State, verify_final};
use azir_engine::body::ReplayVerdict;
use azir_ledger::{CanonError, Digest, SeenFinal, canon};
use azir_replay::{
    Atlas, CheckpointFacts, Disputed, Implementation, Object, Offer, Origin, Plan, Report, Second,
    Verdict, conflicts_of, replay, trusted_checkpoint,
};

use super::DrillError;
use super::stage::{Stage, seen_final};

/// A replay that was run.
pub(super) struct Replayed {
    /// The stored report.
    pub(super) digest: Digest,
    /// Its verdict.
    pub(super) verdict: ReplayVerdict,
    /// Source families that ran.
    pub(super) families: Vec<String>,
    /// The computed trusted checkpoint.
    pub(super) checkpoint: SeenFinal,
    /// Branches that were replayed.
    pub(super) branches: u64,
    /// Blocks that were executed.
    pub(super) blocks: u64,
    /// Height up to which the finalized path was replayed.
    pub(super) tip: u64,
}

/// Replays the finalized path from the anchor, and computes the checkpoint from the result.
pub(super) fn finalized(stage: &mut Stage<'_>) -> Result<Replayed, DrillError> {
    let (offer, checkpoint_facts) = {
        let view = first_view(stage)?;
        let tip = view.undisputed_final();
        let anchor = view.anchor().place;
        let state = anchor_state(stage, view)?;
        (offer(stage, view, anchor, tip, &state, vec![])?, conflicts_of(view))
    };
    let report = run(stage, &offer);
    let mut reproduced: BTreeMap<BlockId, BTreeSet<String>> = BTreeMap::new();
    let families: BTreeSet<_> = report.implementations.iter().map(|i| i.family.clone()).collect();
    for row in report.path.iter().filter(|r| r.computed.is_empty()) {
        reproduced.insert(row.place.block, families.clone());
    }
    let place = {
        let view = first_view(stage)?;
        let headers = view.headers(&offer.witness);
        let certificates: Vec<Certificate> = view.certificates().cloned().collect();
        let proven =
            verify_final(view.anchor(), &headers, &certificates).map_err(DrillError::because)?;
        let facts = CheckpointFacts {
            conflicts: &checkpoint_facts,
            reproduced: &reproduced,
            recorded: &BTreeSet::new(),
            disputed: &Disputed::default(),
        };
        trusted_checkpoint(&proven, &headers, &facts).map_err(DrillError::because)?.place()
    };
    store(stage, &report, seen_final(place))
}

/// Replays every branch above the pinned checkpoint.
pub(super) fn with_branches(stage: &mut Stage<'_>) -> Result<Replayed, DrillError> {
    let pinned = super::truth::pinned(stage)?;
    let (_, pair) = stage.pair()?;
    let offer = {
        let view = first_view(stage)?;
        let block = view.blocks().find(|b| b.id().0 == pinned.block);
        let place = block.map_or(view.anchor().place, |b| b.header.place());
        let state = match view.state(&place.block) {
            Some(state) => state.clone(),
            None => anchor_state(stage, view)?,
        };
        let tips = pair.iter().filter_map(|c| tip_through(view, c)).collect();
        offer(stage, view, place, place, &state, tips)?
    };
    let report = run(stage, &offer);
    store(stage, &report, pinned)
}

fn first_view<'a>(stage: &'a Stage<'_>) -> Result<&'a ChainView, DrillError> {
    let seat = stage.own_seats().first().map(|(s, _)| *s);
    let node = seat.and_then(|s| stage.world.node(s));
    node.map(|n| n.view()).ok_or_else(|| DrillError::script("no own node"))
}

/// State at the anchor of the view: genesis, or the anchor of the last restart.
fn anchor_state(stage: &Stage<'_>, view: &ChainView) -> Result<State, DrillError> {
    if view.anchor().domain.restart() == 0 {
        return State::genesis(stage.world.genesis()).map_err(DrillError::because);
    }
    let place = view.anchor().place;
    let held = stage.detected_views();
    let state = held.iter().find_map(|v| v.state(&place.block));
    state.cloned().ok_or_else(|| DrillError::script("the anchor's state is not held"))
}

/// The highest block above a certificate's block.
fn tip_through(view: &ChainView, certificate: &Certificate) -> Option<BlockId> {
    let above =
        view.blocks().filter(|b| view.path(&b.id()).iter().any(|p| p.id() == certificate.block));
    above.max_by_key(|b| (b.header.body().height, b.id())).map(|b| b.id())
}

fn offer(
    stage: &Stage<'_>,
    view: &ChainView,
    checkpoint: BlockRef,
    tip: BlockRef,
    state: &State,
    branches: Vec<BlockId>,
) -> Result<Offer, DrillError> {
    let object = |bytes: Result<Vec<u8>, CanonError>| {
        bytes.map(|b| Object::new(Origin::Archive, b)).map_err(DrillError::because)
    };
    let mut headers = Vec::new();
    let mut txs = BTreeMap::new();
    for block in view.blocks() {
        headers.push(object(block.header.encode())?);
        for tx in &block.txs {
            txs.insert(tx.id(), object(tx.encode())?);
        }
    }
    let certificates = view.certificates().map(|c| object(canon::encode(c)));
    let entries = state.entries().map(|e| object(canon::encode(&e)));
    let params = object(canon::encode(&stage.world.genesis().params))?;
    let mut offer = Offer {
        anchor: (**view.anchor()).clone(),
        checkpoint,
        tip,
        witness: tip.block,
        branches,
        headers,
        txs: txs.into_values().collect(),
        certificates: certificates.collect::<Result<_, _>>()?,
        state: entries.collect::<Result<_, _>>()?,
        params,
    };
    // Any notarized tip above the block whose certificates prove it final will do.
    for certificate in view.tips() {
        offer.witness = certificate.block;
        if Plan::load(&offer).is_ok() {
            return Ok(offer);
        }
    }
    offer.witness = view.front().block;
    Ok(offer)
}

fn run(stage: &mut Stage<'_>, offer: &Offer) -> Report {
    let second = Second::default();
    let implementations: [&dyn Implementation; 2] = [&Atlas, &second];
    let mut tell = |p: azir_replay::Progress| {
        stage.tell_progress("replay", p.done, p.total);
        ControlFlow::Continue(())
    };
    replay(offer, &implementations, &mut tell)
}

fn store(
    stage: &mut Stage<'_>,
    report: &Report,
    checkpoint: SeenFinal,
) -> Result<Replayed, DrillError> {
    let bytes = report.bytes().map_err(DrillError::because)?;
    let digest = stage.plane.store(bytes);
    let verdict = match &report.outcome {
        Verdict::Match => ReplayVerdict::Match,
        Verdict::Difference { .. } => ReplayVerdict::Diverged,
        Verdict::Incomplete { .. } => ReplayVerdict::Incomplete,
        Verdict::InputUntrusted { what, .. } => return Err(DrillError::script(what)),
    };
    let rows: usize = report.branches.iter().map(|b| b.rows.len()).sum();
    Ok(Replayed {
        digest,
        verdict,
        families: report.implementations.iter().map(|i| i.family.clone()).collect(),
        checkpoint,
        branches: report.branches.len() as u64,
        blocks: (report.path.len() + rows) as u64,
        tip: report.tip.height,
    })
}
