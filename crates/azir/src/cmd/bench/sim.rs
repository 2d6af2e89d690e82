//! Simulated slots of a healthy network beside the bare signatures in them (P8).

use std::path::Path;

use azir_atlas::SLOT_MS;
use azir_ledger::MachineKey;
use azir_sim::world::{BareSigner, SeatKeys, World, WorldConfig};

use super::measure::{Row, Target, Unit, broken, pairs, rate, timed};
use crate::error::CliError;

const SEATS: usize = 7;
/// Slots of a round: two epochs and a half of the drill.
const SLOTS: u64 = 200;
/// Bytes that a seat signs: domain and object id (annex L.1).
const MESSAGE: usize = 64;

/// Runs the benchmark.
pub(super) fn run(_dir: &Path) -> Result<Vec<Row>, CliError> {
    let (world, _) = simulated(0)?;
    let (made, checked) = (world.released().len(), world.signatures_checked());
    let checked = usize::try_from(checked).map_err(broken)?;
    let pairs = pairs(
        |round| Ok(simulated(round as u64)?.1),
        |_| {
            let ((), took) = timed(|| bare(made, checked))?;
            Ok(rate(SLOTS as usize, took))
        },
    )?;
    let beside = format!(
        "{:.1} signatures made, {:.1} checked a slot, bare",
        made as f64 / SLOTS as f64,
        checked as f64 / SLOTS as f64
    );
    let what = "simulated slots, 7 seats, no faults, 1 core";
    Ok(vec![Row::new(what, &beside, Unit::PerSecond, &pairs, ("P8", Target::Ratio(0.6)))])
}

/// A network of its own, and the slots a second that it ran at.
fn simulated(seed: u64) -> Result<(World, f64), CliError> {
    let config = WorldConfig::drill("bench-net", SEATS, seed, Vec::new());
    let mut world = World::new(config).map_err(broken)?;
    let mut signer = BareSigner::new(SeatKeys::drill(SEATS, seed));
    let ((), took) = timed(|| {
        world.step_to(SLOTS * SLOT_MS, &mut signer);
        Ok(())
    })?;
    let expected = SLOTS - 1;
    if world.nodes().any(|node| node.hard_final().height != expected) {
        return Err(broken("the simulated network did not finalize every slot"));
    }
    Ok((world, rate(SLOTS as usize, took)))
}

fn bare(made: usize, checked: usize) -> Result<(), CliError> {
    let key = MachineKey::from_seed([5; 32]);
    let public = key.public();
    let message = |index: usize| [index as u8; MESSAGE];
    let sigs: Vec<_> = (0..made).map(|i| key.sign("", &message(i))).collect();
    for index in 0..checked {
        let index = index % made.max(1);
        let sig = sigs.get(index).ok_or_else(|| broken("no signature"))?;
        public.verify("", &message(index), sig).map_err(broken)?;
    }
    Ok(())
}
