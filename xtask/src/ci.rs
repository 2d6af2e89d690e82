//! `cargo xtask ci`: every check in order, each with its name and output, and one summary.
//!
//! A failed step does not stop the ones after it, so that one run tells everything. Steps that need
//! the result of a failed one are skipped and count as failed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::workspace::{Workspace, cargo, root};
use crate::{Outcome, history, tidy, trace};

/// The drill whose bundles are checked with stock tools only.
const DRILL: &str = "conflicting-notarization";
/// Its seed here.
const DRILL_SEED: &str = "7";
/// Checks a bundle without our program.
const CHECK_BUNDLE: &str = "scripts/check-bundle.sh";

struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs all steps.
///
/// # Errors
/// Arguments (there are none), or surroundings in which no step can run.
pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(extra) = args.first() {
        return Err(format!("ci takes no arguments, got {extra:?}"));
    }
    let target = Workspace::load()?.target;
    let results = trace::results_path(&target);
    let mut steps = Vec::new();
    let deny = ["--", "-D", "warnings"];
    let clippy = ["clippy", "--workspace", "--all-targets"].iter().chain(&deny);
    steps.push(step("format", || cargo_step(&["fmt", "--all", "--check"])));
    steps.push(step("lints", || cargo_step(&clippy.copied().collect::<Vec<_>>())));
    steps.push(step("docs", || {
        let mut command = cargo();
        command.args(["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings");
        plain(&mut command)
    }));
    steps.push(step("tests", || tests(&results)));
    let tests_passed = matches!(steps.last(), Some(Step { outcome: Ok(true), .. }));
    steps.push(step("tidy", || tidy::run(&[])));
    steps.push(step("trace", || {
        needs(tests_passed, "the tests")?;
        let results = results.to_string_lossy().into_owned();
        trace::run(&["--check".to_owned(), "--results".to_owned(), results])
    }));
    steps.push(step("history", history::check_if_present));
    steps.push(step("bundle", || bundle(&target)));
    Ok(summary(&steps, &results))
}

fn step(name: &'static str, work: impl FnOnce() -> Outcome) -> Step {
    println!("\n==== {name}");
    let start = Instant::now();
    let outcome = work();
    if let Err(message) = &outcome {
        println!("{name}: {message}");
    }
    Step { name, outcome, took: start.elapsed() }
}

fn needs(met: bool, what: &str) -> Result<(), String> {
    if met { Ok(()) } else { Err(format!("skipped: {what} failed")) }
}

fn cargo_step(args: &[&str]) -> Outcome {
    plain(cargo().args(args))
}

fn plain(command: &mut Command) -> Outcome {
    print_command(command);
    let status = command.status().map_err(|e| format!("cannot run: {e}"))?;
    Ok(said(status))
}

fn print_command(command: &Command) {
    let program = Path::new(command.get_program());
    let mut line =
        program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    println!("$ {line}");
}

fn said(status: ExitStatus) -> bool {
    if !status.success() {
        println!("ended with {status}");
    }
    status.success()
}

/// `cargo test --workspace`, shown and saved: both streams in one pipe, so that their order holds.
fn tests(results: &Path) -> Outcome {
    let io = |e: std::io::Error| format!("cannot run the tests: {e}");
    std::fs::create_dir_all(results.parent().unwrap_or(Path::new("."))).map_err(io)?;
    let mut file = File::create(results).map_err(io)?;
    let (reader, writer) = std::io::pipe().map_err(io)?;
    let mut command = cargo();
    command.args(["test", "--workspace"]);
    print_command(&command);
    command.stdout(writer.try_clone().map_err(io)?).stderr(writer);
    let mut child = command.spawn().map_err(io)?;
    // The command holds copies of the writing end; without dropping it the pipe never ends.
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(io)? > 0 {
        std::io::stdout().write_all(&line).map_err(io)?;
        file.write_all(&line).map_err(io)?;
        line.clear();
    }
    Ok(said(child.wait().map_err(io)?))
}

/// Runs the drill twice, compares the trees, and checks both bundles with and without our program.
fn bundle(target: &Path) -> Outcome {
    if !plain(cargo().args(["build", "--package", "azir"]))? {
        return Err("azir does not build".to_owned());
    }
    let azir = target.join("debug").join("azir");
    let work = target.join("xtask").join("drill");
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    }
    let (first, second) = (work.join("first"), work.join("second"));
    for out in [&first, &second] {
        let mut command = Command::new(&azir);
        command.args(["drill", "run", DRILL, "--seed", DRILL_SEED, "--out"]).arg(out);
        if !plain(command.current_dir(root()))? {
            return Ok(false);
        }
    }
    let mut fine = same_tree(&first, &second)?;
    for run in ["short", "long"] {
        let bundle = first.join(run).join("bundle");
        fine &= plain(Command::new(&azir).arg("verify").arg(&bundle))?;
        let mut script = Command::new("bash");
        fine &= plain(script.arg(root().join(CHECK_BUNDLE)).arg(&bundle).current_dir(root()))?;
    }
    Ok(fine)
}

fn same_tree(first: &Path, second: &Path) -> Outcome {
    let mut command = Command::new("diff");
    let same = plain(command.args(["--recursive", "--brief"]).arg(first).arg(second))?;
    println!("two runs with seed {DRILL_SEED}: {}", if same { "byte-equal" } else { "DIFFERENT" });
    Ok(same)
}

fn summary(steps: &[Step], results: &PathBuf) -> bool {
    println!("\n==== closing lines of the tests");
    let text = std::fs::read_to_string(results).unwrap_or_default();
    for line in text.lines().filter(|l| l.starts_with("test result:")) {
        println!("{line}");
    }
    println!("\n==== summary");
    for step in steps {
        let word = match &step.outcome {
            Ok(true) => "ok    ",
            Ok(false) => "FAILED",
            Err(_) => "FAILED (could not run, see above)",
        };
        println!("{:8} {:6.1} s  {word}", step.name, step.took.as_secs_f64());
    }
    steps.iter().all(|s| matches!(s.outcome, Ok(true)))
}
