//! `azir advise`: on every record of the history, and on what is no situation.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::run::{Did, azir, command, fresh};

const MEMBERS: [&str; 9] = [
    "class",
    "class_alternatives",
    "containment",
    "emergency_escalation",
    "explanation",
    "next_questions",
    "profile",
    "runbook",
    "severity",
];

#[test]
fn each_record_of_the_history_gets_an_answer_with_exactly_nine_members() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/history");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: no {}", dir.display());
        return;
    };
    let paths = entries.map(|e| e.unwrap().path());
    let records: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    assert_eq!(records.len(), 48);
    for record in records {
        let text = std::fs::read_to_string(&record).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let name = record.file_name().unwrap().to_str().unwrap();
        for more in [&[][..], &["--ignore-proposal"]] {
            let mut call = command(["advise", "--json"]);
            let did = Did::new(call.arg(&record).args(more).output().unwrap());
            assert_eq!((did.code, did.err.as_str()), (0, ""), "{name} {more:?}");
            let json = did.json();
            let members: BTreeSet<_> =
                json.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, BTreeSet::from(MEMBERS), "{name}");
            assert!(!json["containment"].as_array().unwrap().is_empty(), "{name}");
            let answer = json["emergency_escalation"].as_str().unwrap();
            assert!(["yes", "no", "unknown"].contains(&answer), "{name}: {answer}");
        }
        assert!(table.contains_key("detection"), "{name}");
    }
}

fn advise(content: &[u8]) -> Did {
    let path = fresh("situation.toml");
    std::fs::write(&path, content).unwrap();
    azir(["advise", path.to_str().unwrap()])
}

#[test]
fn what_is_no_situation_is_refused_with_its_place() {
    let did = advise(b"[detection]\nweather = \"fine\"\n");
    assert_eq!(did.code, 3, "{}", did.err);
    assert!(did.err.contains("weather") && did.err.contains("invalid_schema"), "{}", did.err);
    assert!(did.err.contains("azir explain invalid_schema"), "{}", did.err);

    let did = advise(b"[detection]\nclass = \"INC_WEATHER\"\n");
    assert_eq!(did.code, 3, "{}", did.err);
    assert!(did.err.contains("INC_WEATHER"), "{}", did.err);

    let did = advise(b"[detection\nclass = 1");
    assert_eq!(did.code, 2);
    assert!(did.err.contains("AZ-E0005") && did.err.contains("line 1"), "{}", did.err);

    let did = advise(b"{\"class\": ");
    assert_eq!(did.code, 2);
    assert!(did.err.contains("AZ-E0005"), "{}", did.err);

    let did = advise(&[b'x', 0xff, 0xfe, 0x00]);
    assert_eq!(did.code, 2, "{}", did.err);
    assert!(did.err.contains("byte 1 is not UTF-8"), "{}", did.err);

    let did = advise(&vec![b'#'; 5 * 1024 * 1024]);
    assert_eq!(did.code, 2);
    assert!(did.err.contains("longer than"), "{}", did.err);
}

#[test]
fn no_depth_or_length_of_rubbish_makes_it_fall_over() {
    let deep = |open: &str, n: usize| open.repeat(n).into_bytes();
    for content in [
        deep("[", 100_000),
        deep("{\"a\":", 100_000),
        [b"a = ".to_vec(), deep("[", 100_000)].concat(),
        b"\0\0\0\0".to_vec(),
        b"{}".to_vec(),
        b"{\"detection\": null}".to_vec(),
        b"detected_at = 1e999\n".to_vec(),
    ] {
        let did = advise(&content);
        let begin = String::from_utf8_lossy(&content[..content.len().min(20)]).into_owned();
        assert!([0, 2, 3].contains(&did.code), "{begin}: {} {}", did.code, did.err);
        assert!(!did.err.contains("panicked"), "{begin}: {}", did.err);
    }
}

#[test]
fn standard_input_is_read_and_bounded() {
    let feed = |bytes: &[u8]| {
        let mut call = command(["advise", "-", "--json"]);
        let call = call.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = call.spawn().unwrap();
        let _closed = child.stdin.take().unwrap().write_all(bytes);
        Did::new(child.wait_with_output().unwrap())
    };
    let did = feed(b"[detection]\nclass = \"INC_CONSENSUS\"\n");
    assert_eq!(did.code, 0, "{}", did.err);
    assert_eq!(did.json()["class"], "INC_CONSENSUS");
    let did = feed(&vec![b'#'; 5 * 1024 * 1024]);
    assert_eq!(did.code, 2, "{}", did.err);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for path in ["/no/such/file", "/"] {
        let did = azir(["advise", path]);
        assert_eq!(did.code, 5, "{}", did.err);
        assert!(did.err.contains("AZ-E0001") && did.err.contains(path), "{}", did.err);
    }
}
