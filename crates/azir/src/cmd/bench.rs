//! `azir bench`: ours beside a limit or a peer in the same run, alternating; see docs/BENCH.md.
//!
//! Nothing here is a test: a figure that misses its target is printed as such and the exit code
//! stays 0, since a busy machine is no fault of the program.

mod append;
mod decide;
mod gate;
mod measure;
mod sim;
mod verify;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::measure::Row;
use super::{Talk, say};
use crate::error::CliError;

/// A benchmark: its name, and what runs it in a directory of its own.
type Bench = (&'static str, fn(&Path) -> Result<Vec<Row>, CliError>);

const BENCHES: [Bench; 5] = [
    ("append", append::run),
    ("verify", verify::run),
    ("gate", gate::run),
    ("sim", sim::run),
    ("decide", decide::run),
];

/// A directory for the files of one run, removed at the end.
struct Work(PathBuf);

impl Work {
    fn create() -> Result<Self, CliError> {
        let dir = std::env::temp_dir().join(format!("azir-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|e| CliError::write(&dir, e))?;
        Ok(Self(dir))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stays behind lies in the directory for temporary files.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs one benchmark, or `all`.
pub(crate) fn run(talk: Talk, name: &str) -> Result<(), CliError> {
    let chosen: Vec<_> = BENCHES.iter().filter(|(n, _)| name == "all" || *n == name).collect();
    if chosen.is_empty() {
        let known = BENCHES.map(|(n, _)| n).join(", ");
        return Err(CliError::Usage(format!("no benchmark {name:?}; there are {known}, and all")));
    }
    let work = Work::create()?;
    let bar = talk.progress(chosen.len() as u64);
    let mut rows = Vec::new();
    for (name, bench) in chosen {
        bar.set_message((*name).to_owned());
        let dir = work.0.join(name);
        std::fs::create_dir_all(&dir).map_err(|e| CliError::write(&dir, e))?;
        rows.extend(bench(&dir)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let machine = Machine::here(&work.0);
    say(&if talk.json { json(&machine, &rows) } else { text(&machine, &rows) })
}

/// What the figures were taken on.
struct Machine {
    cpu: String,
    cores: usize,
    dir: String,
    optimised: bool,
}

impl Machine {
    fn here(dir: &Path) -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
        Self {
            cpu: model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, m)| m.to_owned()),
            cores: measure::cores(),
            dir: dir.display().to_string(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn text(machine: &Machine, rows: &[Row]) -> String {
    let mut out = format!(
        "azir {} on {} x {}, {}; files in {}\n\n",
        env!("CARGO_PKG_VERSION"),
        machine.cores,
        machine.cpu,
        std::env::consts::OS,
        machine.dir
    );
    if !machine.optimised {
        out.push_str("This build is not optimised: the figures say nothing. Use --release.\n\n");
    }
    let head = ["what", "ours", "beside", "theirs", "ratio", "noise", "target"].map(str::to_owned);
    let mut table = vec![head];
    table.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 7];
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &table {
        let cells: Vec<_> = row.iter().zip(widths).map(|(c, w)| format!("{c:<w$}")).collect();
        let _infallible = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out.push_str(
        "\nMedians of alternating pairs; noise is the spread of theirs, (highest - lowest) / median.\n",
    );
    out
}

fn json(machine: &Machine, rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().map(Row::json).collect();
    let value = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": {
            "cpu": machine.cpu, "cores": machine.cores, "os": std::env::consts::OS,
            "directory": machine.dir, "optimised": machine.optimised,
        },
        "rows": rows,
    });
    format!("{value:#}\n")
}
