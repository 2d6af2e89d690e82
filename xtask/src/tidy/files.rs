//! Files beside the code: vectors that some test must read, runbooks that must never change.
//! Vectors lie in `vectors/`, or in the `vectors/` of the one crate that needs them.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Finding;
use crate::source::Source;
use crate::workspace::{Workspace, files_under, read, relative, root};

/// Lines `<sha256>  <path under runbooks/>`, as `sha256sum` writes them; `#` starts a comment.
const RELEASED: &str = "runbooks/RELEASED";

/// Checks every `vectors/` directory, and `runbooks/`.
///
/// # Errors
/// When a directory or file cannot be read.
pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Result<Vec<Finding>, String> {
    let root = root();
    let mut vectors = files_under(&root.join("vectors"))?;
    for member in workspace.crates.values() {
        vectors.extend(files_under(&root.join(&member.dir).join("vectors"))?);
    }
    let vectors: Vec<String> = vectors.iter().map(|p| relative(&root, p)).collect();
    let mut findings = unread(&vectors, sources);
    let released = root.join(RELEASED);
    if released.exists() {
        findings.extend(changed(&read(&released)?, &root.join("runbooks")));
    }
    Ok(findings)
}

fn unread(vectors: &[String], sources: &[Source]) -> Vec<Finding> {
    let is_read = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        sources
            .iter()
            .any(|s| (0..s.lines.len()).any(|i| s.is_test[i] && s.lines[i].contains(name)))
    };
    let is_data = |path: &&String| !path.ends_with(".md") && !path.ends_with("/.gitkeep");
    let unread = vectors.iter().filter(is_data).filter(|p| !is_read(p));
    let finding = |path: &String| {
        Finding::new(
            path.clone(),
            "no test names this vector file",
            "read it in a test of the crate that owns the rule, or delete it",
        )
    };
    unread.map(finding).collect()
}

fn changed(list: &str, runbooks: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in list.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        let Some((wanted, name)) = line.split_once("  ") else {
            findings.push(Finding::new(
                RELEASED,
                format!("not understood: {line:?}"),
                "`<sha256>  <path>`",
            ));
            continue;
        };
        let place = format!("runbooks/{name}");
        match std::fs::read(runbooks.join(name)) {
            Ok(bytes) if hex(&Sha256::digest(&bytes)) == wanted => {}
            Ok(_) => findings.push(Finding::new(
                place,
                "a released runbook never changes, and this one has another hash than recorded",
                "restore it, and make the change in a new version beside it",
            )),
            Err(error) => findings.push(Finding::new(
                place,
                format!("a released runbook cannot be read: {error}"),
                "restore it: incidents stay bound to the version they started with",
            )),
        }
    }
    findings
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_no_test_names_is_found() {
        let code = Source::new(
            "crates/a/src/x.rs".into(),
            "a".into(),
            "//! lonely.json\n#[cfg(test)]\nmod tests {\n    const V: &str = \"read.json\";\n}\n"
                .into(),
        );
        let vectors =
            ["vectors/read.json", "vectors/lonely.json", "vectors/README.md"].map(String::from);
        let found = unread(&vectors, &[code]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "vectors/lonely.json");
    }

    #[test]
    fn a_changed_or_missing_released_runbook_is_found() {
        let dir = std::env::temp_dir().join(format!("xtask-released-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("v1.toml"), b"a").unwrap();
        let good = format!("# note\n{}  v1.toml\n", hex(&Sha256::digest(b"a")));
        assert!(changed(&good, &dir).is_empty());
        let bad = format!("{}  v1.toml\n", hex(&Sha256::digest(b"b")));
        assert_eq!(changed(&bad, &dir).len(), 1);
        assert_eq!(changed(&good.replace("v1", "v2"), &dir).len(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
