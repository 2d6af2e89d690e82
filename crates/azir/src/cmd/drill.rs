//! `azir drill`: runs a drill and writes report, transcript and bundle of each run.

use std::path::{Path, PathBuf};

use azir_engine::{Objects, State};
use azir_ledger::bundle::{Export, ExportError, export};
use azir_sim::drill::{self, DrillError, DrillOutcome, DrillPlan, RunPlan};
use azir_sim::network;
use azir_store::bundle_dir::BundleWriter;
use azir_store::vault::Vault;

mod backing;

use backing::{Backing, read_back};

use super::verify::NetworkCheck;
use super::{Talk, say};
use crate::cli::Run;
use crate::error::CliError;
use crate::report;

/// Runs a drill, or lists them.
pub(crate) fn run(
    talk: Talk,
    words: &[String],
    seed: u64,
    out: Option<PathBuf>,
    which: Run,
) -> Result<(), CliError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = match words.as_slice() {
        ["list"] => return list(talk),
        ["run"] => {
            let text = "`drill run` needs a name; `azir drill list` names the drills";
            return Err(CliError::Usage(text.to_owned()));
        }
        ["run", name] | [name] => *name,
        other => {
            let text = format!("`drill {}`: say `drill run NAME` or `drill list`", other.join(" "));
            return Err(CliError::Usage(text));
        }
    };
    let plan = drill::plan(name).map_err(failure)?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("drill-{name}-{seed}")));
    make_room(&plan, &out)?;
    let mut passed = true;
    let mut told = Vec::new();
    for run in plan.runs.iter().filter(|r| wanted(which, &r.name)) {
        let outcome = play(talk, &plan, run, seed, &out)?;
        let dir = out.join(&run.name);
        passed &= outcome.report.passed;
        let page = dir.join("report.html").display().to_string();
        // As it was called, so that the line works where azir is not on the search path.
        let me = std::env::args().next().unwrap_or_else(|| "azir".to_owned());
        let verify = format!("{me} verify {}", dir.join("bundle").display());
        if talk.json {
            told.push(serde_json::json!({
                "run": run.name, "passed": outcome.report.passed, "incident": outcome.report.incident,
                "report": page, "verify": verify, "entries": outcome.plane.entries().len(),
            }));
        } else {
            say(&report::summary(&outcome.report, &page, &verify))?;
        }
    }
    if talk.json {
        let value =
            serde_json::json!({"drill": name, "seed": seed, "passed": passed, "runs": told});
        say(&format!("{value:#}\n"))?;
    }
    if passed {
        Ok(())
    } else {
        Err(CliError::DrillFailed(format!("drill {name} with seed {seed} did not pass")))
    }
}

fn wanted(which: Run, name: &str) -> bool {
    match which {
        Run::Both => true,
        Run::Short => name == "short",
        Run::Long => name == "long",
    }
}

fn list(talk: Talk) -> Result<(), CliError> {
    let plans: Vec<_> = drill::names().filter_map(|n| drill::plan(n).ok()).collect();
    if talk.json {
        let rows: Vec<_> =
            plans.iter().map(|p| serde_json::json!({"name": p.name, "title": p.title})).collect();
        return say(&format!("{:#}\n", serde_json::json!({ "drills": rows })));
    }
    let rows: String = plans.iter().map(|p| format!("{}\n    {}\n", p.name, p.title)).collect();
    say(&rows)
}

/// Runs of an earlier drill are replaced; anything else in the directory is left alone.
fn make_room(plan: &DrillPlan, out: &Path) -> Result<(), CliError> {
    if !out.exists() {
        return std::fs::create_dir_all(out).map_err(|e| CliError::write(out, e));
    }
    let names: Vec<_> = plan.runs.iter().map(|r| r.name.clone()).collect();
    if !out.is_dir() {
        return Err(CliError::Occupied { path: out.to_owned() });
    }
    let entries = std::fs::read_dir(out).map_err(|e| CliError::read(out, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| CliError::read(out, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ledger = names.iter().any(|n| name == format!(".{n}.ledger"));
        if !(ledger || names.contains(&name) && only_ours(&entry.path())) {
            return Err(CliError::Occupied { path: out.to_owned() });
        }
    }
    for name in names {
        let dir = out.join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|e| CliError::write(&dir, e))?;
        }
    }
    Ok(())
}

/// True when a directory holds nothing but what a drill writes, also half of it.
fn only_ours(dir: &Path) -> bool {
    const OURS: [&str; 5] =
        ["bundle", "bundle.partial", "report.html", "report.json", "transcript.txt"];
    std::fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().all(|e| OURS.iter().any(|name| e.file_name() == *name))
    })
}

fn play(
    talk: Talk,
    plan: &DrillPlan,
    run: &RunPlan,
    seed: u64,
    out: &Path,
) -> Result<DrillOutcome, CliError> {
    let work = out.join(format!(".{}.ledger", run.name));
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(|e| CliError::write(&work, e))?;
    }
    std::fs::create_dir_all(&work).map_err(|e| CliError::write(&work, e))?;
    let outcome = perform(talk, plan, run, seed, out, &work);
    // Also the log of a drill that stopped goes: it has no report, and the seed gives it again.
    let removed = std::fs::remove_dir_all(&work).map_err(|e| CliError::write(&work, e));
    let outcome = outcome?;
    removed.map(|()| outcome)
}

fn perform(
    talk: Talk,
    plan: &DrillPlan,
    run: &RunPlan,
    seed: u64,
    out: &Path,
    work: &Path,
) -> Result<DrillOutcome, CliError> {
    let backing = Backing::create(work)?;
    let bar = talk.progress(1);
    let mut progress = |what: &str, done: u64, planned: u64| {
        bar.set_length(planned.max(done));
        bar.set_position(done);
        bar.set_message(format!("{}: {what}", run.name));
    };
    let outcome = drill::run(plan, run, seed, Box::new(backing), &mut progress);
    bar.finish_and_clear();
    let mut outcome = outcome.map_err(failure)?;
    // The store is closed here and opened again as at a start.
    drop(outcome.plane.release_journal());
    let vault = read_back(work, &outcome.plane)?;
    write_run(&out.join(&run.name), &outcome, &vault)?;
    Ok(outcome)
}

fn failure(error: DrillError) -> CliError {
    match error {
        DrillError::Unknown { .. } => CliError::Usage(error.to_string()),
        DrillError::Refused { .. } | DrillError::Script(_) => {
            CliError::DrillFailed(error.to_string())
        }
        DrillError::File { .. } => CliError::Internal(error.to_string()),
    }
}

fn write_run(dir: &Path, outcome: &DrillOutcome, vault: &Vault) -> Result<(), CliError> {
    std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
    write_bundle(&dir.join("bundle"), outcome, vault)?;
    let json = serde_json::to_string_pretty(&outcome.report)
        .map_err(|e| CliError::Internal(e.to_string()))?;
    for (name, text) in [
        ("report.html", report::html(&outcome.report)),
        ("transcript.txt", report::transcript(&outcome.report)),
        ("report.json", format!("{json}\n")),
    ] {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|e| CliError::write(&path, e))?;
    }
    Ok(())
}

fn write_bundle(dir: &Path, outcome: &DrillOutcome, vault: &Vault) -> Result<(), CliError> {
    let plane = &outcome.plane;
    let internal = |e: &dyn std::fmt::Display| CliError::Internal(e.to_string());
    let ledger = plane.log_key().map_err(|e| internal(&e))?;
    let witnesses = plane.witness_keys().map_err(|e| internal(&e))?;
    let parts = Export {
        ledger: &ledger,
        witnesses: &witnesses,
        quorum: outcome.quorum,
        roster: &outcome.roster,
        checkpoints: plane.checkpoints(),
        records: std::slice::from_ref(&outcome.record),
        extras: &[],
    };
    let writer = BundleWriter::create(dir).map_err(|e| CliError::write(dir, e))?;
    let mut entries = plane.entries().iter().cloned().map(Ok::<_, ExportError>);
    let mut evidence = plane.vault().keys().map(|digest| {
        let piece = vault.open_piece(digest).map_err(|e| ExportError::Io {
            name: digest.to_string(),
            source: std::io::Error::other(e),
        })?;
        Ok((*digest, Box::new(piece) as Box<dyn std::io::Read>))
    });
    let mut sink = |name: &str, from: &mut dyn std::io::Read| writer.put(name, from);
    export(&parts, &mut entries, &mut evidence, &mut sink).map_err(|e| CliError::write(dir, e))?;
    writer.finish().map_err(|e| CliError::write(dir, e))
}

/// Checks the network's own objects in the evidence of a log, by the reference protocol.
pub(crate) fn recheck_network(state: &State, objects: &dyn Objects) -> NetworkCheck {
    let checked = network::recheck(state, objects);
    NetworkCheck { counts: checked.counts, faults: checked.faults }
}
