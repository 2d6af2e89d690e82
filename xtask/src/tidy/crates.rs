//! What every crate must inherit, what the pure ones must ban, and what must never reach them.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use super::Finding;
use crate::workspace::{Crate, Workspace, packages_below, read, root};

/// Crates whose results depend on their inputs only.
const PURE: [&str; 7] = [
    "azir-atlas",
    "azir-engine",
    "azir-ledger",
    "azir-model",
    "azir-replay",
    "azir-runbook",
    "azir-sim",
];

/// Methods that the `clippy.toml` of a pure crate bans: clock, waiting, threads, files,
/// surroundings.
const PURE_METHODS: [&str; 9] = [
    "std::env::var",
    "std::fs::File::create",
    "std::fs::File::open",
    "std::fs::read",
    "std::fs::write",
    "std::thread::sleep",
    "std::thread::spawn",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

/// Types that the `clippy.toml` of a pure crate bans: unordered maps and sockets.
const PURE_TYPES: [&str; 3] =
    ["std::collections::HashMap", "std::collections::HashSet", "std::net::TcpStream"];

/// Packages that may not reach a pure crate by normal dependencies: async, databases, networks,
/// terminals, random sources of the system.
const PURE_BANS: [&str; 20] = [
    "async-std",
    "axum",
    "clap",
    "hyper",
    "indicatif",
    "libsqlite3-sys",
    "mio",
    "object_store",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tonic",
    "tower",
    "tracing-subscriber",
    "ureq",
];

/// Packages that may not reach the gate: it has threads and two sockets, and is read in an
/// afternoon.
const GATE_BANS: [&str; 15] = [
    "async-std",
    "axum",
    "clap",
    "hyper",
    "libsqlite3-sys",
    "mio",
    "object_store",
    "reqwest",
    "rusqlite",
    "smol",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tower",
    "ureq",
];

/// Keys of the root `clippy.toml` that the nearest file must repeat, since it replaces the root's.
const REPEATED: [&str; 4] = [
    "too-many-lines-threshold",
    "allow-unwrap-in-tests",
    "allow-expect-in-tests",
    "allow-panic-in-tests",
];

/// Checks each crate of the workspace.
///
/// # Errors
/// When a manifest or the root `clippy.toml` cannot be read.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, String> {
    let root = root();
    let shared = table(&root.join("clippy.toml"))?;
    let mut findings = Vec::new();
    for member in workspace.crates.values() {
        findings.extend(lints(member, &table(&root.join(&member.dir).join("Cargo.toml"))?));
        let bans = root.join(&member.dir).join("clippy.toml");
        if PURE.contains(&member.name.as_str()) {
            let place = format!("{}/clippy.toml", member.dir);
            let own = if bans.exists() { table(&bans)? } else { Table::new() };
            findings.extend(pure_bans(&place, &own));
            findings.extend(repeated(&place, &own, &shared));
            findings.extend(banned(&member.name, &packages_below(&member.name)?, &PURE_BANS));
        } else if bans.exists() {
            findings.extend(repeated(&member.dir, &table(&bans)?, &shared));
        }
        if member.name == "azir-gate" {
            findings.extend(banned(&member.name, &packages_below(&member.name)?, &GATE_BANS));
        }
    }
    for name in PURE.iter().filter(|n| !workspace.crates.contains_key(**n)) {
        let rule = format!("`{name}` is named as a pure crate and is not in the workspace");
        findings.push(Finding::new("xtask/src/tidy/crates.rs", rule, "correct the list PURE"));
    }
    Ok(findings)
}

fn table(path: &Path) -> Result<Table, String> {
    read(path)?.parse().map_err(|e| format!("{}: {e}", path.display()))
}

fn lints(member: &Crate, manifest: &Table) -> Option<Finding> {
    let inherits = manifest.get("lints").and_then(|l| l.get("workspace")).and_then(Value::as_bool);
    (inherits != Some(true)).then(|| {
        Finding::new(
            format!("{}/Cargo.toml", member.dir),
            "every crate inherits the lints of the workspace",
            "add `[lints]` with `workspace = true`",
        )
    })
}

fn pure_bans(place: &str, own: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, wanted) in
        [("disallowed-methods", &PURE_METHODS[..]), ("disallowed-types", &PURE_TYPES[..])]
    {
        let have: BTreeSet<&str> =
            own.get(key).and_then(Value::as_array).map_or_else(BTreeSet::new, |list| {
                list.iter()
                    .filter_map(|v| v.as_str().or_else(|| v.get("path").and_then(Value::as_str)))
                    .collect()
            });
        for path in wanted.iter().filter(|p| !have.contains(**p)) {
            let rule = format!("a pure crate bans `{path}`");
            let remedy = format!("add it, with its reason, to `{key}`");
            findings.push(Finding::new(place, rule, remedy));
        }
    }
    findings
}

fn repeated(place: &str, own: &Table, shared: &Table) -> Vec<Finding> {
    let differs = |k: &&str| own.get(*k) != shared.get(*k);
    let finding = |key: &str| {
        let rule = format!("clippy reads the nearest file only, and `{key}` differs from the root");
        Finding::new(place, rule, "repeat the line of the root clippy.toml")
    };
    REPEATED.into_iter().filter(differs).map(finding).collect()
}

fn banned(name: &str, below: &BTreeSet<String>, bans: &[&str]) -> Vec<Finding> {
    let finding = |ban: &&str| {
        let rule = format!("`{ban}` must not reach this crate");
        let look =
            format!("see `cargo tree -p {name} -e normal -i {ban}`, and drop what brings it");
        Finding::new(name, rule, look)
    };
    bans.iter().filter(|b| below.contains(**b)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ban_or_a_changed_threshold_is_found() {
        let root: Table = "too-many-lines-threshold = 70".parse().unwrap();
        let own: Table = "too-many-lines-threshold = 90\n\
                          disallowed-types = [\"std::net::TcpStream\"]"
            .parse()
            .unwrap();
        assert_eq!(pure_bans("p", &own).len(), PURE_METHODS.len() + PURE_TYPES.len() - 1);
        assert_eq!(repeated("p", &own, &root).len(), 1);
    }

    #[test]
    fn a_database_below_a_pure_crate_is_found() {
        let below = ["serde".to_owned(), "rusqlite".to_owned()].into();
        let findings = banned("azir-model", &below, &PURE_BANS);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].rule.contains("rusqlite"));
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_is_found() {
        let arrows = BTreeSet::new();
        let member = Crate { name: "a".into(), dir: "crates/a".into(), arrows };
        assert!(lints(&member, &Table::new()).is_some());
        assert!(lints(&member, &"[lints]\nworkspace = true".parse().unwrap()).is_none());
    }
}
