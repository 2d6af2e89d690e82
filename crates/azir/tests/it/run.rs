//! Running the binary, and the drill whose output all tests share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seed of the shared drill.
pub(crate) const SEED: u64 = 7;
pub(crate) const DRILL: &str = "conflicting-notarization";

/// What a command did.
#[derive(Debug)]
pub(crate) struct Did {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Did {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// The binary with arguments, in an empty environment but for the path.
pub(crate) fn command<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(args: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azir"));
    command.args(args).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("NO_COLOR", "1");
    command
}

pub(crate) fn azir<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(args: I) -> Did {
    Did::new(command(args).output().unwrap())
}

/// Directory of this test process. Those of processes that are gone are removed.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for old in std::fs::read_dir(tmp).into_iter().flatten().flatten() {
        let name = old.file_name().into_string().unwrap_or_default();
        let pid = name.strip_prefix("azir-it-");
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _gone = std::fs::remove_dir_all(old.path());
        }
    }
    let root = tmp.join(format!("azir-it-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    root
});

/// A path that nothing uses yet.
pub(crate) fn fresh(name: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    ROOT.join(format!("{}-{name}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Output of one drill.
pub(crate) struct Made {
    pub(crate) dir: PathBuf,
    pub(crate) did: Did,
}

impl Made {
    pub(crate) fn bundle(&self, run: &str) -> PathBuf {
        self.dir.join(run).join("bundle")
    }

    pub(crate) fn report(&self, run: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.dir.join(run).join("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Runs the drill with a seed and further arguments.
pub(crate) fn drill(seed: u64, more: &[&str]) -> Made {
    let dir = fresh("drill");
    let mut command = command(["drill", "run", DRILL, "--seed", &seed.to_string(), "--out"]);
    let did = Did::new(command.arg(&dir).args(more).output().unwrap());
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    Made { dir, did }
}

/// Both runs with seed 7.
pub(crate) static MADE: LazyLock<Made> = LazyLock::new(|| drill(SEED, &[]));

/// Every file below a directory, by relative path, in order.
pub(crate) fn walk(dir: &Path) -> Vec<String> {
    fn into(dir: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                into(&entry.path(), &format!("{name}/"), names);
            } else {
                names.push(name);
            }
        }
    }
    let mut names = Vec::new();
    into(dir, "", &mut names);
    names.sort();
    names
}
