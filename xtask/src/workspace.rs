//! Where things are: the root, the target directory, the crates and their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::source::Source;

/// The root of the workspace: the directory above `xtask/`.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    match manifest.parent() {
        Some(parent) if parent.join("ARCHITECTURE.md").exists() => parent.to_owned(),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
    }
}

/// The cargo that started us, or the one on the path.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// One crate of the workspace, and what it depends on in normal (not test, not build) use.
pub(crate) struct Crate {
    /// Its name.
    pub(crate) name: String,
    /// Its directory, relative to the root, with `/`.
    pub(crate) dir: String,
    /// Workspace crates it names as normal dependencies.
    pub(crate) arrows: BTreeSet<String>,
}

/// What `cargo metadata` says, as far as we need it.
pub(crate) struct Workspace {
    /// Members, by name.
    pub(crate) crates: BTreeMap<String, Crate>,
    /// The directory for build results.
    pub(crate) target: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Workspace {
    /// Asks `cargo metadata`, for this machine's platform only.
    ///
    /// # Errors
    /// What cargo said, or that its answer was not understood.
    pub(crate) fn load() -> Result<Self, String> {
        let mut command = cargo();
        command.args(["metadata", "--format-version", "1", "--filter-platform", &host()?]);
        let out = command.output().map_err(|e| format!("cannot run cargo metadata: {e}"))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(format!("cargo metadata failed:\n{said}"));
        }
        let data: Metadata = serde_json::from_slice(&out.stdout)
            .map_err(|e| format!("cargo metadata answered something else: {e}"))?;
        Ok(Self::from_metadata(&data))
    }

    fn from_metadata(data: &Metadata) -> Self {
        let names: BTreeMap<&str, &str> =
            data.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let normal: BTreeMap<&str, Vec<&str>> = data
            .resolve
            .nodes
            .iter()
            .map(|n| {
                let deps = n.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none()));
                (n.id.as_str(), deps.map(|d| d.pkg.as_str()).collect())
            })
            .collect();
        let members: BTreeSet<&str> = data.workspace_members.iter().map(String::as_str).collect();
        let mut crates = BTreeMap::new();
        for package in data.packages.iter().filter(|p| members.contains(p.id.as_str())) {
            let id = package.id.as_str();
            let direct = normal.get(id).into_iter().flatten().filter(|d| members.contains(**d));
            let dir = package.manifest_path.parent().unwrap_or(Path::new(""));
            let dir = dir.strip_prefix(&data.workspace_root).unwrap_or(dir);
            let entry = Crate {
                name: package.name.clone(),
                dir: dir.to_string_lossy().replace('\\', "/"),
                arrows: direct.filter_map(|d| names.get(d)).map(|n| (*n).to_owned()).collect(),
            };
            crates.insert(package.name.clone(), entry);
        }
        Self { crates, target: data.target_directory.clone() }
    }

    /// Every Rust source of every crate, sorted by path.
    ///
    /// # Errors
    /// The file or directory that could not be read.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, String> {
        let root = root();
        let mut sources = Vec::new();
        for member in self.crates.values() {
            for path in files_under(&root.join(&member.dir))? {
                if path.extension().is_some_and(|e| e == "rs") {
                    let text = read(&path)?;
                    sources.push(Source::new(relative(&root, &path), member.name.clone(), text));
                }
            }
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        crate::source::spread_test_modules(&mut sources);
        Ok(sources)
    }
}

/// The triple of this machine, as rustc names it.
fn host() -> Result<String, String> {
    let out = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .map_err(|e| format!("cannot run rustc: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|l| l.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Names of all packages that a crate pulls in by normal dependencies, on this machine's platform.
/// Asked from `cargo tree`: the metadata list optional dependencies that no build contains.
///
/// # Errors
/// What cargo said.
pub(crate) fn packages_below(name: &str) -> Result<BTreeSet<String>, String> {
    let args = ["tree", "--package", name, "--edges", "normal", "--prefix", "none"];
    let out = cargo().args(args).output().map_err(|e| format!("cannot run cargo tree: {e}"))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("cargo tree --package {name} failed:\n{said}"));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let first_words = text.lines().filter_map(|l| l.split_whitespace().next());
    Ok(first_words.filter(|w| *w != name).map(str::to_owned).collect())
}

/// All files below `dir`, sorted; empty when it does not exist. `target` directories are skipped.
///
/// # Errors
/// The directory that could not be read.
pub(crate) fn files_under(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        if !dir.is_dir() || dir.ends_with("target") {
            continue;
        }
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for entry in entries {
            let path = entry.map_err(|e| format!("{}: {e}", dir.display()))?.path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a text file.
///
/// # Errors
/// The path and what the system said.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// `path` as written in messages: relative to the root, with `/`.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
