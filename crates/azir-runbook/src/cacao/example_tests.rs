//! Published playbooks of others: the findings are those listed beside them, and nothing of them
//! would run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn examples() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cacao-examples");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: {} is absent", dir.display());
    None
}

fn read(dir: &Path, file: &str) -> Imported {
    import(std::fs::read_to_string(dir.join(file)).unwrap().as_bytes()).unwrap()
}

/// Rows of the table: name of the file and its findings as written.
fn table(dir: &Path) -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<_> = line.split(" | ").map(|c| c.trim_matches([' ', '|'])).collect();
        let file = cells.first().filter(|c| c.ends_with(".json"))?;
        Some(((*file).to_owned(), (*cells.get(3)?).to_owned()))
    });
    rows.collect()
}

/// A phrase of the table as our word with its detail; the number is how often it is found.
fn word(phrase: &str) -> (FindingKind, String, Option<usize>) {
    use FindingKind::*;
    let exact = [
        ("action without agent", ActionWithoutAgent, ""),
        ("created not millisecond precision", TimePrecision, "created"),
        ("modified not millisecond precision", TimePrecision, "modified"),
        ("no start step", NoStartStep, ""),
        ("workflow not an object", WorkflowNotAnObject, ""),
    ];
    if let Some((_, kind, detail)) = exact.iter().find(|(p, _, _)| *p == phrase) {
        return (*kind, (*detail).to_owned(), None);
    }
    // The detail of these is an id, which the table leaves out.
    let places = [
        ("workflow_start is not a start step", StartIsNoStart),
        ("workflow_exception dangling", ExceptionDangling),
        ("non-end step without successor", NoSuccessor),
    ];
    if let Some((_, kind)) = places.iter().find(|(p, _)| *p == phrase) {
        return (*kind, String::new(), None);
    }
    let with = |prefix: &str| phrase.strip_prefix(prefix).map(|rest| rest.replace("type ", ""));
    if let Some(detail) = with("agent type outside vocabulary: ") {
        return (AgentTypeUnknown, detail, None);
    }
    if let Some(detail) = with("command type outside vocabulary: ") {
        return (CommandTypeUnknown, detail, None);
    }
    if let Some(detail) = with("agent key prefix ") {
        return (AgentPrefixDiffers, detail, None);
    }
    if let Some(detail) = with("target key prefix ") {
        return (TargetPrefixDiffers, detail, None);
    }
    if let Some(detail) = with("dangling ") {
        return (EdgeDangling, detail, None);
    }
    if let Some(number) = phrase.strip_suffix(" unreachable step(s)") {
        return (UnreachableStep, String::new(), Some(number.parse().unwrap()));
    }
    panic!("no word for {phrase:?}")
}

type Counted = BTreeMap<(FindingKind, String), usize>;

#[test]
fn the_findings_of_every_example_are_those_of_the_table() {
    use FindingKind::{ExceptionDangling, NoSuccessor, StartIsNoStart};
    let Some(dir) = examples() else { return };
    let rows = table(&dir);
    let mut tried = 0;
    for (file, phrases) in rows.iter().filter(|(_, f)| !f.starts_with("signing test")) {
        let got = read(&dir, file);
        let mut found = Counted::new();
        for f in &got.findings {
            let listed = !matches!(f.kind, StartIsNoStart | ExceptionDangling | NoSuccessor);
            let detail = if listed { f.detail.clone() } else { String::new() };
            *found.entry((f.kind, detail)).or_default() += 1;
        }
        let mut want = Counted::new();
        for phrase in phrases.split("; ").filter(|p| *p != "none") {
            let (kind, detail, number) = word(phrase);
            let key = (kind, detail);
            // Without a number the table says that it occurs, not how often.
            let number = number.or_else(|| found.get(&key).copied()).unwrap_or(1);
            want.insert(key, number);
        }
        assert_eq!(found, want, "{file}");
        assert_eq!((got.book, got.runbook_hash), (None, None), "{file}");
        tried += 1;
    }
    assert_eq!((tried, rows.len()), (12, 13));
}

#[test]
fn foreign_commands_are_quoted_as_text_and_credentials_are_not_copied() {
    let Some(dir) = examples() else { return };
    let read = |file: &str| read(&dir, file);
    let ssh = read("soarca-ssh.json");
    let quoted = |i: &Imported, kind: &str, text: &str| {
        let mut commands = i.draft.steps.iter().flat_map(|s| &s.commands);
        commands.any(|c| c.kind == kind && c.text.contains(text))
    };
    assert!(quoted(&ssh, "ssh", "touch __path__:value"));
    assert!(ssh.lost.iter().any(|l| l.kind == LostKind::Authentication));
    assert!(!ssh.draft.to_string().contains("password"));
    let step = ssh.draft.steps.iter().find(|s| !s.commands.is_empty()).unwrap();
    assert_eq!(step.kind, DraftKind::Manual);
    assert!(step.text.contains("By: soarca-ssh (soarca)\nOn: system 1 (ssh)"), "{}", step.text);

    let docs = read("soarca-docs-example.json");
    // The content is base64 in the file.
    assert!(quoted(&docs, "openc2-http", "\"action\": \"deny\""));
    for kind in [LostKind::Loop, LostKind::Condition, LostKind::Headers, LostKind::Variables] {
        assert!(docs.lost.iter().any(|l| l.kind == kind), "{kind}");
    }
    assert!(docs.draft.steps.iter().any(|s| s.kind == DraftKind::Loop));

    let fin = read("soarca-fin.json");
    assert!(fin.lost.iter().any(|l| l.kind == LostKind::VersionOrder));
    let parallel = read("soarca-test-parallels_playbook.json");
    assert!(parallel.lost.iter().any(|l| l.kind == LostKind::Parallel));
    assert!(parallel.lost.iter().any(|l| l.kind == LostKind::UnknownMember));
}

#[test]
fn the_example_of_the_standard_is_read_without_findings_and_stays_a_draft() {
    let Some(dir) = examples() else { return };
    let got = read(&dir, "oasis-spec-3.1-fuzzypanda.json");
    assert_eq!((got.findings.len(), got.book), (0, None));
    assert_eq!(got.draft.title, "Find Malware FuzzyPanda");
    let json: Value = serde_json::to_value(&got.draft).unwrap();
    assert_eq!(json["steps"][1]["commands"][0]["kind"], "manual");
    assert_eq!(json["steps"].as_array().unwrap().len(), 3);
    let ids: Vec<_> = got.draft.steps.iter().map(|s| s.kind).collect();
    assert_eq!(ids, [DraftKind::Start, DraftKind::Manual, DraftKind::End]);
}
