//! `cargo xtask tidy`: rules that no compiler checks. Each finding names place, rule and remedy.

mod arrows;
mod crates;
mod docs;
mod files;
mod sources;

use std::fmt;

use crate::Outcome;
use crate::workspace::Workspace;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File and line, or crate.
    pub(crate) place: String,
    /// The rule, in one sentence.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl Finding {
    fn new(place: impl Into<String>, rule: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    -> {}", self.place, self.rule, self.remedy)
    }
}

/// Runs every check and prints what it found.
///
/// # Errors
/// Arguments (there are none), or files and tools that could not be read or run.
pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(extra) = args.first() {
        return Err(format!("tidy takes no arguments, got {extra:?}"));
    }
    let workspace = Workspace::load()?;
    let sources = workspace.sources()?;
    let checks = [
        ("arrows of ARCHITECTURE.md", arrows::check(&workspace)?),
        ("lints, bans and dependencies per crate", crates::check(&workspace)?),
        ("Rust sources", sources::check(&sources)),
        ("vectors and released runbooks", files::check(&workspace, &sources)?),
        ("README and error pages", docs::check(&sources)?),
    ];
    let mut total = 0;
    for (name, findings) in &checks {
        println!("tidy: {name}: {}", if findings.is_empty() { "ok" } else { "FAILED" });
        for finding in findings {
            println!("  {finding}");
        }
        total += findings.len();
    }
    println!("tidy: {} files, {total} findings", sources.len());
    Ok(total == 0)
}
