//! `azir runbook`, `azir run` and `azir step`, from outside.

use std::path::{Path, PathBuf};

use azir_model::RunbookId;
use serde_json::{Value, json};

use super::cases::CALM;
use super::run::{azir, fresh};
use super::walk;
use super::world::{World, person};

fn fixtures(dir: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../azir-runbook/fixtures").join(dir);
    let mut files: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_newest_version_of_every_runbook_has_no_finding() {
    let told = azir(["runbook", "lint", "--all", "--json"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let told = told.json();
    assert_eq!(told["findings"], 0);
    let rows = told["runbooks"].as_array().unwrap();
    let ids: Vec<_> = rows.iter().map(|r| r["runbook"].as_str().unwrap()).collect();
    assert_eq!(ids, RunbookId::ALL.iter().map(|id| id.as_str()).collect::<Vec<_>>());
}

#[test]
fn every_bad_runbook_is_refused_with_the_rule_and_the_path_that_it_names() {
    let files = [fixtures("anti-patterns"), fixtures("rules")].concat();
    assert!(files.len() > 40, "{}", files.len());
    for file in files {
        let did = azir(["runbook", "lint", text(&file)]);
        assert_eq!(did.code, 3, "{file:?}: {}{}", did.out, did.err);
        assert!(did.err.contains("guard_unmet") && did.err.contains(text(&file)), "{}", did.err);
        let written = std::fs::read_to_string(&file).unwrap();
        for line in written.lines().take_while(|l| l.starts_with('#')) {
            let said = line.strip_prefix("# rule: ").or_else(|| line.strip_prefix("# path: "));
            if let Some(said) = said {
                assert!(did.out.contains(said), "{file:?}: {said} in {}", did.out);
            }
        }
    }
}

#[test]
fn a_runbook_goes_out_and_comes_back_with_the_same_hash() {
    let dir = fresh("exchange");
    std::fs::create_dir_all(&dir).unwrap();
    for id in RunbookId::ALL {
        let [playbook, file, picture] =
            ["json", "toml", "svg"].map(|e| dir.join(format!("{id}.{e}")));
        let done = |words: &[&str]| {
            let did = azir([words, &["--json"]].concat());
            assert_eq!(did.code, 0, "{words:?}: {}{}", did.out, did.err);
            did.json()
        };
        let shown = done(&["runbook", "show", id.as_str()]);
        assert_eq!(shown["header"].as_object().unwrap().len(), 10);
        done(&["runbook", "export", id.as_str(), "--format", "cacao", "--out", text(&playbook)]);
        let back = done(&["runbook", "import", text(&playbook), "--out", text(&file)]);
        assert_eq!(back["runbook_hash"], shown["runbook_hash"]);
        assert_eq!((&back["findings"], &back["lost"]), (&json!([]), &json!([])));
        let same = done(&["runbook", "diff", id.as_str(), text(&file)]);
        assert_eq!((&same["changes"], &same["critical"]), (&json!([]), &json!([])));
        assert_eq!(done(&["runbook", "fmt", "--check", text(&file)])["changed"], json!([]));
        done(&["runbook", "show", id.as_str(), "--picture", text(&picture)]);
        assert!(std::fs::read_to_string(&picture).unwrap().starts_with("<svg"));
        // What is there is not written over.
        let again = azir(["runbook", "export", id.as_str(), "--out", text(&playbook)]);
        assert_eq!(again.code, 2, "{}", again.err);
    }
}

#[test]
fn a_playbook_of_others_is_a_draft_and_a_signature_is_told() {
    let dir = fresh("foreign");
    std::fs::create_dir_all(&dir).unwrap();
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let made = azir(["machine", "new", "--id", "detector:x", "--out", &at("x.seed")]);
    assert_eq!(made.code, 0, "{}", made.err);
    azir(["runbook", "export", "RB-BVM-001", "--out", &at("ours.json")]);
    let sign =
        ["runbook", "sign", &at("ours.json"), "--machine-key", &at("x.seed")].map(String::from);
    let more = ["--name", "the x team", "--out", &at("signed.json")].map(String::from);
    let did = azir(sign.iter().chain(&more));
    assert_eq!(did.code, 0, "{}", did.err);
    let told = azir(["runbook", "import", &at("signed.json"), "--json"]).json();
    assert_eq!(told["signatures"][0]["verdict"], "valid");
    assert_eq!(told["runbook"], "RB-BVM-001@1");
    // One word of its text is changed: the signature breaks, and so does the way back.
    let text = std::fs::read_to_string(at("signed.json")).unwrap();
    std::fs::write(at("changed.json"), text.replacen("\"name\": \"BVM", "\"name\": \"BWM", 1))
        .unwrap();
    let did = azir(["runbook", "import", &at("changed.json"), "--json"]);
    assert_eq!(did.code, 3, "{}", did.err);
    let told = did.json();
    assert_ne!(told["signatures"][0]["verdict"], "valid");
    assert!(told["runbook_hash"].is_null() && !told["findings"].as_array().unwrap().is_empty());
    // Without the extension it is like any other.
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let members = value.as_object_mut().unwrap();
    members.remove("playbook_extensions");
    members.remove("extension_definitions");
    members.remove("signatures");
    std::fs::write(at("foreign.json"), value.to_string()).unwrap();
    let told = azir(["runbook", "import", &at("foreign.json"), "--json"]).json();
    assert!(told["runbook_hash"].is_null() && !told["lost"].as_array().unwrap().is_empty());
    assert!(!told["draft"]["steps"].as_array().unwrap().is_empty());
}

#[test]
fn bad_input_is_named_with_its_place_and_changes_nothing() {
    let dir = fresh("bad-books");
    std::fs::create_dir_all(&dir).unwrap();
    let good = text(&fixtures("sound")[0]).to_owned();
    let good = std::fs::read_to_string(good).unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let unknown =
        file("unknown.toml", &good.replacen("\nversion = ", "\ncolour = 1\nversion = ", 1));
    let twice = file("twice.toml", &good.replacen("\nversion = ", "\nversion = 1\nversion = ", 1));
    let remark = file("remark.toml", &format!("{good}# said below\n"));
    let deep = file("deep.json", &format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)));
    let doubled = file("doubled.json", "{\"a\":1,\"a\":2}");
    let long = file("long.json", &format!("{{\"a\":\"{}\"}}", "x".repeat(6 << 20)));
    let bytes = std::fs::read(&remark).unwrap();
    for (words, needle) in [
        (&["lint", &unknown][..], "unknown.toml:"),
        (&["lint", &unknown], "colour = 1"),
        (&["lint", &twice], "twice.toml:"),
        (&["lint", "/"], "no regular file"),
        (&["lint", "no-such.toml"], "no-such.toml"),
        (&["fmt", &remark], "comment"),
        (&["show", "RB-NONE-001"], "RB-CONSENSUS-001"),
        (&["show", "RB-KEY-001@99"], "versions"),
        (&["import", &deep], "nested deeper than 64"),
        (&["import", &doubled], "stands twice"),
        (&["import", &long], "longer than"),
        (&["sign", &remark, "--machine-key", "k", "--name", "x", "--out", "o"], "runbook file"),
        (
            &["export", "RB-KEY-001", "--out", "o", "--modified", "today"],
            "2026-01-02T03:04:05.000Z",
        ),
    ] {
        let did = azir([&["runbook"][..], words].concat());
        assert!(matches!(did.code, 2 | 5), "{words:?}: {} {}", did.code, did.err);
        assert!(did.err.contains(needle) && did.out.is_empty(), "{words:?}: {}", did.err);
    }
    assert_eq!(std::fs::read(&remark).unwrap(), bytes);
}

#[test]
fn a_run_is_followed_left_and_looked_at_by_commands() {
    let Some(mut w) = World::open("followed", CALM.nodes) else { return };
    walk::opened(&mut w, &CALM);
    walk::triaged(&mut w, &CALM);
    assert_eq!(w.ok(&["run"])["status"], "not_started");
    assert!(w.run(&["run"]).out.contains("azir step start"));
    let why = [("illegal_transition", "not started")];
    w.unchanged(&why, "done", |w| w.run(&["step", "done", "pin-evidence", "--json"]));
    assert_eq!(w.ok(&["step", "start"])["current"], "pin-evidence");
    let id = w.incident.clone();
    let plan = w.ok(&["runbook", "plan", "RB-VALIDATION-001", "--incident", &id]);
    assert_eq!(plan["dry_run"], "plan");
    assert!(!plan["steps"].as_array().unwrap().is_empty(), "{plan:#}");
    let nowhere = w.run(&["step", "done", "nowhere", "--json"]);
    w.judged(&nowhere, &[("unknown_enum", "no step")], "a step that is not there");
    let by = ["--as", "operator:bogdan", "--key", "bogdan"];
    let far = ["step", "skip", "pin-evidence", "--to", "collect-evidence", "--why", "in haste"];
    let far = w.run(&[&far[..], &by, &["--json"]].concat());
    assert_eq!(far.code, 3, "{}", far.err);
    // A person leaves the written path; the deviation stays open until somebody settles it.
    let (mut left, mut told) = (None, String::new());
    for _ in 0..20 {
        let step = w.ok(&["run"])["step"].clone();
        let (at, kind) = (step["id"].as_str().unwrap(), step["work"]["kind"].as_str().unwrap());
        if !matches!(kind, "auto" | "manual") {
            // A deadline was quicker than this test: the machine reads the condition.
            w.run(&["step", "done", at, "--json"]);
            continue;
        }
        let goto = step["work"]["next"].as_str().unwrap();
        let words = ["step", "skip", at, "--to", goto, "--why", "pinned by hand"];
        let did = w.run(&[&words[..], &by, &["--json"]].concat());
        if did.code == 0 {
            left = Some(at.to_owned());
            break;
        }
        told = did.err;
    }
    let left = left.unwrap_or_else(|| panic!("the run stays on the written path: {told}"));
    let run = w.ok(&["run"]);
    assert_eq!(run["open_deviations"][0]["step"], left, "{run:#}");
    let said = w.run(&["run"]).out;
    assert!(
        said.lines().all(|l| l.chars().count() <= 100) && said.contains("pinned by hand"),
        "{said}"
    );
    let number = run["open_deviations"][0]["deviation"].to_string();
    let settle = ["step", "settle", &number, "--why", "the pins stand in the log"];
    w.ok(&[&settle[..], &by].concat());
    assert_eq!(w.ok(&["run"])["open_deviations"], json!([]));
    w.verified();
}

/// Version 2 of RB-OBSERVE-001 after what the log holds, with one more change.
fn next_version(w: &World, name: &str, change: impl Fn(String) -> String) {
    let shown = w.ok(&["runbook", "show", "RB-OBSERVE-001", "--data", "azir-data"]);
    let (version, hash) = (shown["version"].as_u64().unwrap(), shown["runbook_hash"].clone());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks/RB-OBSERVE-001");
    let text = std::fs::read_to_string(root.join("v1.toml")).unwrap();
    let next = format!("\nversion = {}\nprevious = {hash}\n", version + 1);
    let text = text.replacen("\nversion = 1\n", &next, 1);
    std::fs::write(w.at(name), change(text)).unwrap();
}

#[test]
fn a_version_is_released_with_two_leads_when_its_steps_change_and_history_names_them() {
    let Some(mut w) = World::open("released", CALM.nodes) else { return };
    next_version(&w, "plain.toml", |text| text.replacen("Observability-only", "Telemetry-only", 1));
    let by = ["--as", "operator:horia", "--role", "EL", "--key", person("EL")];
    let release = ["runbook", "release", "plain.toml", "--reason", "a plainer title"];
    w.ok(&[&release[..], &by].concat());
    next_version(&w, "critical.toml", |text| {
        text.replacen("deadline_s = 900", "deadline_s = 600", 1)
    });
    let release = ["runbook", "release", "critical.toml", "--reason", "a shorter deadline"];
    let alone = w.run(&[&release[..], &by, &["--json"]].concat());
    w.judged(&alone, &[("review_required", "0 of 2")], "nobody approved");
    let file = w.file("release.json");
    let written = ["--as", "operator:horia", "--role", "EL", "--out", &file];
    w.ok(&[&release[..], &written].concat());
    let (submit, _) = w.passed_on(&file, "EL", &["CL", "SL"]);
    w.ok(&submit.iter().map(String::as_str).collect::<Vec<_>>());
    let told = w.ok(&["runbook", "history", "RB-OBSERVE-001"]);
    let versions = told["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 3, "{told:#}");
    assert!(versions[0]["released"].is_null());
    assert_eq!(
        (&versions[1]["reason"], &versions[1]["changed"]),
        (&json!("a plainer title"), &json!([]))
    );
    assert_eq!(versions[2]["changed"], json!(["immediate_actions"]));
    assert_eq!(versions[2]["approvals"].as_array().unwrap().len(), 2);
    assert_eq!(versions[2]["previous"], versions[1]["runbook_hash"]);
    let said = w.run(&["runbook", "history", "RB-OBSERVE-001"]).out;
    assert!(said.contains("approved") && said.contains("operator:carmen as CL"), "{said}");
    // The same version cannot be released again with other content.
    next_version(&w, "skipped.toml", |text| text.replacen("version = 4", "version = 9", 1));
    let release = ["runbook", "release", "skipped.toml", "--reason", "a jump"];
    let jump = w.run(&[&release[..], &by, &["--json"]].concat());
    w.judged(&jump, &[("version_conflict", "does not follow")], "a jump over versions");
}

/// Written anew with `azir runbook show ID --picture docs/runbooks/ID.svg`.
#[test]
fn the_pictures_in_the_docs_are_those_of_the_newest_versions() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
    let dir = fresh("pictures");
    std::fs::create_dir_all(&dir).unwrap();
    for id in RunbookId::ALL {
        let out = dir.join(format!("{id}.svg"));
        assert_eq!(azir(["runbook", "show", id.as_str(), "--picture", text(&out)]).code, 0);
        let [new, kept] =
            [&dir, &docs].map(|d| std::fs::read(d.join(format!("{id}.svg"))).unwrap());
        assert!(new == kept, "{id}: the picture in docs/runbooks is another");
        assert!(index.contains(&format!("]({id}.svg)")), "{id}");
    }
}
