//! The offline check of a bundle beside the bare signatures in it (P4).

use std::io::Read;
use std::path::Path;

use azir_engine::recheck::Recheck;
use azir_ledger::bundle::{self, Export, ExportError, MemoryBundle, Options, Report};
use azir_ledger::{Entry, MachineKey, MachinePublic, MachineSig};
use azir_sim::deployment::NoJournal;
use azir_sim::drill::{self, DrillOutcome};

use super::measure::{Row, Target, Unit, broken, cores, pairs, rate, timed};
use crate::error::CliError;

const DRILL: &str = "conflicting-notarization";
const RUN: &str = "short";
const SEED: u64 = 1;
/// The bundle is checked this many times in one round.
const REPEATS: usize = 8;

/// Runs the benchmark: one drill, then its bundle is checked again and again.
pub(super) fn run(_dir: &Path) -> Result<Vec<Row>, CliError> {
    let outcome = played()?;
    let files = exported(&outcome)?;
    let first = check(&files, &outcome)?;
    let events = outcome.plane.entries().len();
    let counts = &first.counts;
    let signatures =
        counts.by_people + counts.by_machines + counts.checkpoints + counts.cosignatures;
    let bare = Bare::of(&outcome, usize::try_from(signatures).map_err(broken)?);
    let whole = pairs(
        |_| {
            let ((), took) =
                timed(|| (0..REPEATS).try_for_each(|_| check(&files, &outcome).map(|_| ())))?;
            Ok(rate(events * REPEATS, took))
        },
        |_| bare.rate(events, 1),
    )?;
    let all_cores = pairs(
        |_| {
            let ((), took) =
                timed(|| (0..REPEATS).try_for_each(|_| check(&files, &outcome).map(|_| ())))?;
            Ok(rate(events * REPEATS, took))
        },
        |_| bare.rate(events, cores()),
    )?;
    let bytes: usize = files.0.values().map(Vec::len).sum();
    let what = format!(
        "verify and recheck: {events} events, {signatures} signatures, {} files, {} kB",
        files.0.len(),
        bytes / 1000
    );
    let target = ("P4", Target::Ratio(0.7));
    Ok(vec![
        Row::new(&what, "its signatures, bare, 1 core", Unit::PerSecond, &whole, target),
        Row::new(
            "the same (events/s)",
            &format!("its signatures, bare, {} cores", cores()),
            Unit::PerSecond,
            &all_cores,
            target,
        ),
    ])
}

fn played() -> Result<DrillOutcome, CliError> {
    let plan = drill::plan(DRILL).map_err(broken)?;
    let run = plan.runs.iter().find(|r| r.name == RUN).ok_or_else(|| broken("no short run"))?;
    drill::run(&plan, run, SEED, Box::new(NoJournal), &mut |_, _, _| {}).map_err(broken)
}

fn exported(outcome: &DrillOutcome) -> Result<MemoryBundle, CliError> {
    let plane = &outcome.plane;
    let ledger = plane.log_key().map_err(broken)?;
    let witnesses = plane.witness_keys().map_err(broken)?;
    let parts = Export {
        ledger: &ledger,
        witnesses: &witnesses,
        quorum: outcome.quorum,
        roster: &outcome.roster,
        checkpoints: plane.checkpoints(),
        records: std::slice::from_ref(&outcome.record),
        extras: &[],
    };
    let mut files = MemoryBundle::default();
    let mut entries = plane.entries().iter().cloned().map(Ok::<_, ExportError>);
    let mut evidence = plane.vault().iter().map(|(digest, bytes)| {
        Ok::<_, ExportError>((*digest, Box::new(bytes.as_slice()) as Box<dyn Read>))
    });
    let mut sink = files.sink();
    bundle::export(&parts, &mut entries, &mut evidence, &mut sink).map_err(broken)?;
    drop(sink);
    Ok(files)
}

/// The whole check: files, hashes, signatures, tree, and every event admitted again.
fn check(files: &MemoryBundle, outcome: &DrillOutcome) -> Result<Report, CliError> {
    let mut recheck = Recheck::default();
    let mut fault = None;
    let mut on_entry = |entry: &Entry| {
        let next = recheck.next(entry, outcome.plane.vault());
        fault = fault.take().or(next.err());
    };
    let report = bundle::verify(files, &Options::default(), &mut on_entry);
    match (fault, report.findings.first()) {
        (Some(fault), _) => Err(broken(fault)),
        (None, Some(finding)) => Err(broken(format!("{}: {}", finding.place, finding.what))),
        (None, None) => Ok(report),
    }
}

/// As many signatures as the bundle has, over the bytes of its events, ready to be checked.
struct Bare(Vec<(MachinePublic, Vec<u8>, MachineSig)>);

impl Bare {
    fn of(outcome: &DrillOutcome, count: usize) -> Self {
        let key = MachineKey::from_seed([3; 32]);
        let bytes = outcome.plane.entries().iter().map(|e| e.signed.bytes().to_vec());
        let signed = |bytes: Vec<u8>| (key.public(), bytes.clone(), key.sign("", &bytes));
        Self(bytes.cycle().take(count).map(signed).collect())
    }

    /// Events a second if nothing but strict Ed25519 were done, on so many threads.
    fn rate(&self, events: usize, threads: usize) -> Result<f64, CliError> {
        let part = |worker: usize| {
            let own = self.0.iter().skip(worker).step_by(threads);
            (0..REPEATS).all(|_| own.clone().all(|(key, m, sig)| key.verify("", m, sig).is_ok()))
        };
        let (held, took) = timed(|| {
            Ok(std::thread::scope(|scope| {
                let part = &part;
                let others: Vec<_> =
                    (1..threads).map(|worker| scope.spawn(move || part(worker))).collect();
                let own = part(0);
                others.into_iter().all(|t| t.join().unwrap_or(false)) && own
            }))
        })?;
        if held { Ok(rate(events * REPEATS, took)) } else { Err(broken("a signature failed")) }
    }
}
