//! `cargo bench [NAME]`: runs `azir bench NAME`, so that there is one way to measure.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // cargo adds `--bench`; other options are those of its own harness.
    let names = std::env::args().skip(1).filter(|word| !word.starts_with("--bench"));
    match Command::new(env!("CARGO_BIN_EXE_azir")).arg("bench").args(names).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run azir: {error}");
            ExitCode::FAILURE
        }
    }
}
