//! What agents pin and collect: the objects that the node really holds, as canonical bytes.

use azir_atlas::{Block, Certificate, ChainView, Dispute, FraudProof, Seat};
use azir_ledger::{Digest, canon};
use azir_model::evidence::{Descriptor, Item};
use serde_json::{Value, json};

use super::DrillError;
use super::stage::{Stage, node_of};

/// Most messages of peers that are kept.
const MESSAGES_MAX: usize = 200;

/// Objects that the incident is about.
pub(super) fn refs(pair: &[Certificate; 2]) -> Vec<String> {
    let mut refs: Vec<String> = pair.iter().map(|c| format!("block:{}", c.block)).collect();
    refs.sort();
    refs
}

/// Stores one item and describes it.
pub(super) fn keep(
    stage: &mut Stage<'_>,
    item: Item,
    node: &str,
    collector: &str,
    value: &Value,
) -> Result<Descriptor, DrillError> {
    let bytes = canon::encode_value(value).map_err(DrillError::because)?;
    let size = bytes.len() as u64;
    let hash = stage.plane.store(bytes);
    Ok(Descriptor {
        item,
        hash,
        size,
        media: "application/json".to_owned(),
        source: format!("node:{node}"),
        obtained_at: stage.now(),
        collector: collector.to_owned(),
    })
}

fn value<T: serde::Serialize>(value: &T) -> Result<Value, DrillError> {
    serde_json::to_value(value).map_err(DrillError::because)
}

/// Everything marked `p` for a consensus incident, from one node.
pub(super) fn pins(stage: &mut Stage<'_>, seat: Seat) -> Result<Vec<Descriptor>, DrillError> {
    let values = pinned_values(stage, seat)?;
    let node = node_of(seat.0);
    let collector = format!("agent:{node}");
    values.iter().map(|(item, v)| keep(stage, *item, &node, &collector, v)).collect()
}

fn pinned_values(stage: &Stage<'_>, seat: Seat) -> Result<Vec<(Item, Value)>, DrillError> {
    let node = stage.world.node(seat).ok_or_else(|| DrillError::script("no such node"))?;
    let view = node.view();
    let disputes = node.disputes_seen().iter().map(|(_, d)| d);
    let Some((slot, pair)) = disputes.filter_map(slot_pair).min_by_key(|(slot, _)| *slot) else {
        return Err(DrillError::script("the node holds no pair of certificates"));
    };
    let base = view.undisputed_final().height;
    let above = view.blocks().filter(|b| b.header.body().height > base);
    let graph: Vec<_> = above
        .map(|b| {
            let header = b.header.body();
            json!({"id": b.id(), "height": header.height, "slot": header.slot,
                "parent": header.parent, "proposer": header.proposer,
                "notarized": view.is_notarized(&b.id())})
        })
        .collect();
    let seen = node.certificates_seen().iter().rev().take(MESSAGES_MAX);
    let seen: Vec<_> = seen
        .map(|((slot, block), at)| json!({"at_ms": at, "slot": slot, "block": block}))
        .collect();
    let refused = node.refused().iter().rev().take(MESSAGES_MAX);
    let refused: Vec<_> =
        refused.map(|r| json!({"at_ms": r.at_ms, "why": r.why.to_string()})).collect();
    let tip = node.hard_final();
    let roots = |final_only: bool| -> Vec<Value> {
        let path = view.path(&tip.block);
        path.iter()
            .rev()
            .take(if final_only { 8 } else { 16 })
            .map(|b| {
                let own = view.state(&b.id()).map(|s| s.root());
                let header = b.header.body();
                let root = if final_only { Some(header.post_root) } else { own };
                json!({"height": header.height, "block": b.id(),
                    "root": root.map_or("pruned".to_owned(), |r| r.to_string())})
            })
            .collect()
    };
    Ok(vec![
        (Item::Objects, json!(pair)),
        (Item::ObjectRefs, json!(pair.iter().map(|c| c.block).collect::<Vec<_>>())),
        (Item::StateRoots, json!(roots(false))),
        (Item::OwnRoots, json!(roots(false))),
        (Item::FinalizedRoots, json!(roots(true))),
        (Item::Parameters, value(stage.world.genesis())?),
        (Item::GovernanceState, governance(tip.height)),
        (Item::Logs, logs(stage, &node_of(seat.0))),
        (Item::PeerMessages, json!({"certificates": seen, "refused": refused})),
        (
            Item::Versions,
            json!({"azir": env!("CARGO_PKG_VERSION"), "implementation": impl_tag(view)}),
        ),
        (Item::CandidateGraph, json!(graph)),
        (Item::CommitteeInputs, committees(view, slot, &pair)),
        (Item::VoteMessages, messages(stage, seat, slot, &pair)?),
        (Item::NotarizationCandidates, value(&view.certificates().collect::<Vec<_>>())?),
        (Item::SlashEvidence, value(&proofs(stage, &pair))?),
    ])
}

/// The pair of certificates of a disputed slot.
pub(super) fn slot_pair(dispute: &Dispute) -> Option<(u64, [Certificate; 2])> {
    match dispute {
        Dispute::SameSlot { slot, first, second, .. } => {
            Some((*slot, [first.clone(), second.clone()]))
        }
        Dispute::HardFinal { .. } => None,
    }
}

/// One proof of double voting for each common signer.
pub(super) fn proofs(stage: &Stage<'_>, pair: &[Certificate; 2]) -> Vec<FraudProof> {
    let restart = stage.world.anchor().domain.restart();
    FraudProof::from_certificates(restart, &pair[0], &pair[1])
}

/// This network has no governance objects yet: the finalized state holds none.
fn governance(height: u64) -> Value {
    json!({"at_height": height, "restrictions": [], "activations": [], "emergency": []})
}

fn impl_tag(view: &ChainView) -> String {
    let newest = view.blocks().map(|b| b.header.body()).max_by_key(|b: &&Block| b.height);
    newest.map_or_else(String::new, |b| b.impl_tag.clone())
}

fn logs(stage: &Stage<'_>, node: &str) -> Value {
    let gates = stage.gates.borrow();
    let lines: Vec<_> = gates
        .changes()
        .iter()
        .filter(|c| c.gate.0 == node)
        .map(|c| json!({"at": c.at, "gate": c.gate.1, "open": c.open, "why": c.why}))
        .collect();
    json!(lines)
}

fn committees(view: &ChainView, slot: u64, pair: &[Certificate; 2]) -> Value {
    let rows: Vec<_> = pair
        .iter()
        .filter_map(|c| {
            let parent = view.block(&c.block)?.header.body().parent;
            Some(json!({"block": c.block, "parent": parent, "slot": slot,
                "proposer": view.proposer(&parent, slot), "committee": view.committee(&parent, slot)}))
        })
        .collect();
    json!(rows)
}

fn messages(
    stage: &Stage<'_>,
    seat: Seat,
    slot: u64,
    pair: &[Certificate; 2],
) -> Result<Value, DrillError> {
    let node = stage.world.node(seat).ok_or_else(|| DrillError::script("no such node"))?;
    let mut rows = Vec::new();
    for certificate in pair {
        let votes = node.view().votes(slot, certificate.block);
        rows.extend(votes.map(|v| value(v.signed())).collect::<Result<Vec<_>, _>>()?);
        let verdicts = node.verdicts(slot, certificate.block);
        rows.extend(verdicts.map(|v| value(v.signed())).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(json!(rows))
}

/// Digest of a stored JSON value.
pub(super) fn store_json(stage: &mut Stage<'_>, value: &Value) -> Result<Digest, DrillError> {
    let bytes = canon::encode_value(value).map_err(DrillError::because)?;
    Ok(stage.plane.store(bytes))
}
