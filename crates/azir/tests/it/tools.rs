//! What a person can check with stock tools and without azir.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::bundle::{Bundle, event};
use super::run::{Did, MADE};

/// Whether a tool is there; its absence is said visibly.
fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    let found = found.is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: no {tool}");
    }
    found
}

fn has_all() -> bool {
    ["bash", "sha256sum", "ssh-keygen", "python3"].iter().all(|tool| has(tool))
}

fn script(bundle: &Path) -> Did {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check-bundle.sh");
    Did::new(Command::new("bash").arg(script).arg(bundle).output().unwrap())
}

fn script_accepts(run: &str) {
    if has_all() {
        let did = script(&MADE.bundle(run));
        assert_eq!(did.code, 0, "{}{}", did.out, did.err);
        for word in ["bag: ", "record: ", "people: ", "proof: "] {
            assert!(did.out.contains(word), "{}", did.out);
        }
    }
}

#[test]
fn the_script_with_stock_tools_accepts_the_short_bundle() {
    script_accepts("short");
}

#[test]
fn the_script_with_stock_tools_accepts_the_long_bundle() {
    script_accepts("long");
}

#[test]
fn the_script_with_stock_tools_refuses_tampered_bundles() {
    if !has_all() {
        return;
    }
    let refused = |bundle: &Bundle, what: &str| {
        let did = script(&bundle.dir);
        assert!(did.code == 4 && did.err.contains(what), "{what}: {} {}", did.code, did.err);
    };
    let bundle = Bundle::long();
    let mut bytes = bundle.read("events/000100.json");
    bytes[40] ^= 1;
    bundle.write("events/000100.json", bytes);
    refused(&bundle, "a file differs");

    let bundle = Bundle::long();
    bundle.write("extra/added.txt", "x");
    refused(&bundle, "files and manifests differ");

    let bundle = Bundle::long();
    let names = bundle.names();
    let record = names.iter().find(|n| n.ends_with("/record.json")).unwrap();
    bundle.write(record, bundle.text(record) + " ");
    bundle.redo_bag();
    refused(&bundle, "has the id");

    let bundle = Bundle::long();
    let index = first_by_a_person(&bundle);
    let [path, ..] = event(index);
    bundle.edit(&path, "\"role\":\"", "\"role\":\"X");
    bundle.redo_bag();
    refused(&bundle, "is not by");
}

fn by_person(bundle: &Bundle, index: u64) -> bool {
    bundle.text(&event(index)[1]).starts_with("-----BEGIN SSH SIGNATURE-----")
}

fn first_by_a_person(bundle: &Bundle) -> u64 {
    (0..).find(|index| by_person(bundle, *index)).unwrap()
}

/// Every event that a person signed, checked by OpenSSH with the exported signers.
#[test]
fn ssh_keygen_accepts_every_event_signed_by_a_person() {
    if !has("ssh-keygen") {
        return;
    }
    let bundle = Bundle::long();
    let count = bundle.names().iter().filter(|n| n.ends_with(".json.sig")).count() as u64;
    let mut checked = 0;
    for index in (0..count).filter(|index| by_person(&bundle, *index)) {
        let [path, sig, _] = event(index);
        let json: serde_json::Value = serde_json::from_slice(&bundle.read(&path)).unwrap();
        let accepted = |bytes: &[u8]| {
            let mut child = Command::new("ssh-keygen")
                .args([
                    "-Y",
                    "verify",
                    "-n",
                    "azir-event@v1",
                    "-I",
                    json["actor"].as_str().unwrap(),
                ])
                .arg("-f")
                .arg(bundle.dir.join("roster/allowed_signers"))
                .arg("-s")
                .arg(bundle.dir.join(&sig))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(bytes).unwrap();
            child.wait().unwrap().success()
        };
        let bytes = bundle.read(&path);
        assert!(accepted(&bytes), "{path}");
        if checked == 0 {
            assert!(!accepted(&[bytes.as_slice(), b" "].concat()), "a byte more is accepted");
        }
        checked += 1;
    }
    assert!(checked > 150, "{checked} events by people");
}

#[test]
fn the_incident_id_is_what_sha256sum_prints_for_its_record() {
    if !has("sha256sum") {
        return;
    }
    for run in ["short", "long"] {
        let incident = MADE.report(run)["incident"].as_str().unwrap().to_owned();
        let record = MADE.bundle(run).join("incidents").join(&incident).join("record.json");
        let line = format!("printf 'AZ:INCIDENT:' | cat - '{}' | sha256sum", record.display());
        let did = Did::new(Command::new("sh").args(["-c", &line]).output().unwrap());
        assert_eq!(did.out, format!("{incident}  -\n"));
    }
}

/// The lines that the report shows work as they are, in the directory of the report.
#[test]
fn the_lines_to_paste_print_what_they_promise() {
    if !has_all() {
        return;
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_azir")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    for run in ["short", "long"] {
        let report = MADE.report(run);
        let lines = report["verify"].as_array().unwrap();
        assert!(lines.len() >= 3);
        let page = std::fs::read_to_string(MADE.dir.join(run).join("report.html")).unwrap();
        assert!(page.contains("ssh-keygen -Y verify") && page.contains("sha256sum"));
        for line in lines {
            let command = line["command"].as_str().unwrap();
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).env("PATH", &path).current_dir(MADE.dir.join(run));
            let did = Did::new(shell.output().unwrap());
            assert_eq!(did.code, 0, "{command}: {}", did.err);
            assert!(did.out.contains(line["expect"].as_str().unwrap()), "{command}: {}", did.out);
        }
    }
}
