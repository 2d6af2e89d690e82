//! The decision input of annex D.2, from what the stage has measured.

use std::collections::{BTreeMap, BTreeSet};

use azir_atlas::SLOT_MS;
use azir_model::BlastRank;
use azir_model::decision::{
    Action, ActionSet, ChainFacts, Channel, Flag, Grade, IncidentFacts, Input, LocalFacts, Origin,
    Path, Paths, Tolerance,
};
use azir_model::scope::Scope;

use super::stage::{Stage, seen_final};
use super::{DrillError, RunPlan};

/// Seats that signed both certificates, as a scope.
pub(super) fn culprits(stage: &Stage<'_>) -> Result<String, DrillError> {
    let (_, pair) = stage.pair()?;
    let seats = pair[0].common_signers(&pair[1]);
    let seats: Vec<_> = seats.iter().map(|s| s.0.to_string()).collect();
    Ok(format!("seat:{}", seats.join("+")))
}

fn scope(text: &str) -> Result<Scope, DrillError> {
    text.parse().map_err(|e| DrillError::script(&format!("{text}: {e}")))
}

/// A channel of harm that runs through the own nodes.
fn own(text: &str, action: Action) -> Result<Channel, DrillError> {
    Ok(Channel {
        scope: scope(text)?,
        origin: Origin::Own,
        actions: ActionSet::of(&[action]),
        t_harm: 0,
        min_capability: 0,
        open_exposure: Some(0),
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: vec![],
    })
}

/// The input of this moment.
pub(super) fn input(stage: &Stage<'_>, _run: &RunPlan) -> Result<Input, DrillError> {
    let view = stage.view()?;
    let seats = Channel {
        scope: scope(&culprits(stage)?)?,
        origin: Origin::Network,
        ..own("node:own/notary", Action::SeatSign)?
    };
    let mut flags = BTreeSet::new();
    if view.network.as_ref().is_some_and(|n| n.newest.conflicting_hard_final) {
        flags.insert(Flag::ConflictingHardFinal);
    }
    let network = view.network.as_ref().map(|n| n.newest.clone());
    let network = network.ok_or_else(|| DrillError::script("nothing was observed yet"))?;
    let path = |delay_s: u64| Path { delay_s, ..Path::default() };
    let tip = stage.own_seats().first().and_then(|(s, _)| stage.world.node(*s));
    let tip = tip.map(|n| seen_final(n.view().undisputed_final()));
    Ok(Input {
        version: azir_model::decision::VERSION,
        incident: IncidentFacts {
            id: Some(view.id.to_string()),
            classes: vec![view.class],
            severity: view.severity,
            declarers: if view.declared_by_two { 2 } else { 1 },
            blast_rank: view.blast.as_ref().map_or(BlastRank::NETWORK, |b| b.rank),
            flags,
            grade: Grade::Proven,
        },
        channels: vec![
            own("node:own/notary", Action::Notarize)?,
            own("node:own/proposer", Action::Propose)?,
            seats,
        ],
        chain: ChainFacts {
            height: tip.map_or(0, |t| t.height),
            block: tip.map(|t| t.block.to_string()),
            finalizing: false,
            finality_s: 3 * SLOT_MS / 1_000,
            seats: network.seats,
            quorum: network.quorum,
            counting: network.seats,
            disputed: tip.map(|t| t.height + 1),
            subjects: BTreeMap::new(),
        },
        paths: Paths {
            owner: Some(path(0)),
            ordinary: Some(path(40 * SLOT_MS / 1_000)),
            expedited: Some(path(8 * SLOT_MS / 1_000)),
            emergency: Some(Path { expiry_max_s: Some(1_200), ..path(2 * SLOT_MS / 1_000) }),
            restart: Some(path(3_600)),
        },
        local: LocalFacts { gates_reachable: true, close_s: 1, automatic: true, decision_s: 120 },
        tolerance: Tolerance::default(),
        sources: BTreeMap::from([
            ("chain".to_owned(), format!("agent:{} at hard-final", network.node)),
            ("paths".to_owned(), "timelocks of annex L.7 at 2 s a block".to_owned()),
        ]),
    })
}
