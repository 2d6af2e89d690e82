//! Developer commands of the azir workspace: the same ones that continuous integration runs.
//!
//! `cargo xtask ci` is the whole gate; `tidy` checks what no compiler checks; `trace` ties the
//! requirements of AZ-015 to code and tests. Exit code 0: fine; 1: findings; 2: usage or
//! surroundings.

mod ci;
mod history;
mod source;
mod tidy;
mod trace;
mod workspace;

use std::process::ExitCode;

/// What every command answers: true when nothing was found, an error when it could not look.
pub(crate) type Outcome = Result<bool, String>;

const USAGE: &str = "\
cargo xtask COMMAND

  ci                       every check in order, with one summary (what .ci/run calls)
  tidy                     arrows, lints, bans, headers, sizes, vectors, runbooks, error pages
  trace [--check]          write (or compare) docs/TRACE.md: requirement, code, passing test
      --spec PATH          the requirement catalogue (default ../shared/spec/requirements.toml)
      --results FILE       saved output of `cargo test --workspace 2>&1` (default: the last `ci`)
  bench [NAME]             `azir bench NAME` on a release build: ratios beside a limit or a peer
  history [--check]        score `azir advise` on the shared incident records; write (or compare)
                           docs/HISTORY.md; fails on a missed line or an unexplained disagreement
      --data DIR           other records: scored only
      --json               the score as JSON; compares, writes nothing
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

/// The benchmarks are a command of the binary, since they measure the parts as it wires them.
fn bench(names: &[String]) -> Outcome {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--release", "--package", "azir", "--", "bench"]).args(names);
    let status = command.status().map_err(|e| format!("cannot run cargo: {e}"))?;
    Ok(status.success())
}

fn run(args: &[String]) -> Outcome {
    let Some((command, rest)) = args.split_first() else {
        return Err(format!("no command given\n\n{USAGE}"));
    };
    match command.as_str() {
        "ci" => ci::run(rest),
        "tidy" => tidy::run(rest),
        "trace" => trace::run(rest),
        "bench" => bench(rest),
        "history" => history::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => Err(format!("unknown command {other:?}\n\n{USAGE}")),
    }
}
