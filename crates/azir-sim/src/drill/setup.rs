//! Puts the stage up: the network, the policy, the log, the roles of machines, and standing leases.

use std::sync::Arc;

use azir_atlas::execute::least_fee;
use azir_atlas::{Action, Amount, Domain, Draft, SLOT_MS, Tx};
use azir_engine::Body;
use azir_engine::body::{BoundRunbook, LogCreated};
use azir_ledger::Digest;
use azir_model::RunbookId;
use azir_model::directive::LeaseKind;
use azir_model::policy::{Machine, OwnNode, PerSeverity, Person, Policy, Windows, Witnesses};
use azir_model::vocab::NodeRole;

use super::stage::{DETECTOR, FIRST_OWN_SEAT, Stage, node_of};
use super::{DrillError, DrillPlan, RunPlan, Way};
use crate::cast;
use crate::deployment::{Deployment, Journal};
use crate::world::{BareSigner, SeatKeys, World, WorldConfig, drill_key};

/// The runbook of this drill.
pub(super) const RUNBOOK: &str = include_str!("../../../../runbooks/RB-CONSENSUS-001/v1.toml");
/// Roles of each own node.
pub(super) const ROLES: [NodeRole; 6] = [
    NodeRole::Indexer,
    NodeRole::Rpc,
    NodeRole::Validation,
    NodeRole::Verifier,
    NodeRole::Proposer,
    NodeRole::Notary,
];
/// Slots that a run takes, for the progress line.
const fn slots_planned(way: Way) -> u64 {
    match way {
        Way::BranchReset => 970,
        Way::SafeRestart => 760,
    }
}
/// Transactions that are under way when the network starts.
const TRANSFERS: u64 = 20;

/// The stage, ready for slot 0 to have passed.
pub(super) fn stage<'p>(
    plan: &DrillPlan,
    run: &RunPlan,
    seed: u64,
    journal: Box<dyn Journal>,
    progress: &'p mut dyn FnMut(&str, u64, u64),
) -> Result<Stage<'p>, DrillError> {
    let world = network(plan, run, seed)?;
    let policy = policy(seed, plan.seats);
    let server = cast::machine(seed, "server:azir");
    let mode = format!("drill:{}/{}/{seed}", plan.name, run.name);
    let mut plane = Deployment::new("drill", &mode, server, journal);
    for witness in &policy.witnesses.machines {
        let name = witness.replace(':', "/");
        plane.add_witness(&name, cast::machine(seed, witness)).map_err(DrillError::because)?;
    }
    let mut stage =
        Stage::new(seed, world, plane, policy, plan.start, slots_planned(run.way), progress);
    begin_log(&mut stage)?;
    stage.report_facts();
    standing_leases(&mut stage)?;
    Ok(stage)
}

/// Most variants of the network that are tried for one seed.
const VARIANTS_MAX: u64 = 64;

/// The network, with its transactions under way. A double certificate needs a culprit who proposes
/// while the network is split, so the first variant is taken in which a culprit proposes in the
/// first slot of the split; in a run without conflicting finality, only in that one.
fn network(plan: &DrillPlan, run: &RunPlan, seed: u64) -> Result<World, DrillError> {
    for variant in 0..VARIANTS_MAX {
        let mut probe = variant_of(plan, run, seed, variant)?;
        let split = run.splits_at().unwrap_or(0);
        let mut signer = BareSigner::new(SeatKeys::drill(plan.seats, seed));
        probe.step_to(split.saturating_mul(SLOT_MS), &mut signer);
        let culprit = |slot: u64| {
            let first = probe.nodes().next();
            let proposer = first.and_then(|n| n.view().proposer(&n.front().block, slot));
            proposer.is_some_and(|seat| plan.culprits.contains(&seat))
        };
        let later = (split + 1..run.heals_at).any(culprit);
        if culprit(split) && (run.way == Way::SafeRestart || !later) {
            return variant_of(plan, run, seed, variant);
        }
    }
    Err(DrillError::script("no variant of the network lets a culprit propose in the split"))
}

fn variant_of(
    plan: &DrillPlan,
    run: &RunPlan,
    seed: u64,
    variant: u64,
) -> Result<World, DrillError> {
    let chain = format!("azref-{}-{seed}-{variant}", run.name);
    let config = WorldConfig::drill(&chain, plan.seats, seed, run.faults.clone());
    let mut world = World::new(config).map_err(DrillError::because)?;
    for index in 0..TRANSFERS {
        transfer(&mut world, seed, index)?;
    }
    Ok(world)
}

/// A serious deployment: nine people, four nodes with six gates each, witnesses on the nodes.
/// Windows are shortened for the drill; the report says so.
fn policy(seed: u64, seats: usize) -> Policy {
    let people = cast::people(seed);
    let people = people.iter().map(|p| Person {
        id: p.id.clone(),
        key: p.key.public(),
        roles: p.roles.clone(),
    });
    let mut policy = Policy::with_people(people.collect());
    let own: Vec<u8> = (FIRST_OWN_SEAT..).take(seats - usize::from(FIRST_OWN_SEAT)).collect();
    let mut ids = vec!["server:azir".to_owned(), format!("detector:{DETECTOR}")];
    for seat in &own {
        let node = node_of(*seat);
        ids.push(format!("agent:{node}"));
        ids.extend(ROLES.iter().map(|role| format!("gate:{node}/{role}")));
        let seat = Some(u64::from(*seat));
        policy.nodes.push(OwnNode { node, roles: ROLES.to_vec(), seat });
    }
    policy.machines =
        ids.into_iter().map(|id| Machine { key: cast::machine(seed, &id).public(), id }).collect();
    policy.lease_signers = vec!["server:azir".to_owned()];
    let machines: Vec<_> = own.iter().map(|s| format!("agent:{}", node_of(*s))).collect();
    policy.witnesses = Witnesses { machines, quorum: 3 };
    policy.windows = Windows {
        stab_ms: PerSeverity::new([0, 0, 0, 60_000, 120_000, 180_000]),
        mon_ms: PerSeverity::new([0, 0, 60_000, 120_000, 300_000, 600_000]),
        ..Windows::default()
    };
    policy
}

fn begin_log(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let runbook =
        azir_runbook::load(RUNBOOK, "RB-CONSENSUS-001/v1.toml").map_err(DrillError::because)?;
    let header = runbook.header().hash();
    let header = header.map_err(DrillError::because)?;
    let object = stage.plane.store(RUNBOOK.as_bytes().to_vec());
    let created = Body::LogCreated(LogCreated {
        policy: stage.policy.clone(),
        server: "server:azir".to_owned(),
        runbooks: vec![BoundRunbook {
            id: RunbookId::Consensus,
            version: u64::from(runbook.version()),
            hash: header.0,
            object,
        }],
    });
    stage.machine("server:azir", &created).map(|_| ())
}

/// A transfer between the two accounts of the network, so that blocks carry state changes.
fn transfer(world: &mut World, seed: u64, index: u64) -> Result<(), DrillError> {
    let genesis = world.genesis();
    let names = ["alice", "bob"];
    let from = usize::from(index % 2 == 1);
    let name = |i: usize| names[i].parse().map_err(|_| DrillError::script("account name"));
    let body = Tx {
        sender: name(from)?,
        nonce: index / 2,
        expiry: 1_000,
        cost_limit: genesis.params.transfer_cost,
        fee: Amount(0),
        action: Action::Transfer { to: name(1 - from)?, amount: Amount(1_000 + index) },
    };
    let domain = Domain::new(&genesis.chain, 0);
    let key = drill_key(seed, "account", from);
    let sealed = |tx: Tx| {
        let draft = Draft::new(tx).map_err(DrillError::because)?;
        Ok::<_, DrillError>(draft.sign(&domain, &key))
    };
    let fee = least_fee(&genesis.params, &sealed(body.clone())?);
    // The fee's own digits count towards the size, so it gets one unit of slack for each byte.
    let fee = Amount(fee.map_or(0, |f| f.0).saturating_add(genesis.params.byte_fee.0 * 16));
    let tx = sealed(Tx { fee, ..body })?;
    world.submit(&Arc::new(tx));
    Ok(())
}

/// Before any incident every gate holds a standing lease.
fn standing_leases(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let quote = stage.quote()?;
    let at = stage.now();
    let names: Vec<_> = stage.gates.borrow().names().cloned().collect();
    for name in &names {
        let installed =
            stage.gates.borrow_mut().install(at, name, LeaseKind::Standing, &quote, None);
        installed.map_err(|r| DrillError::refused(&name.0, "standing lease", r))?;
    }
    Ok(())
}

/// Digest of the runbook's text.
pub(super) fn runbook_object() -> Digest {
    Digest::of(RUNBOOK.as_bytes())
}
