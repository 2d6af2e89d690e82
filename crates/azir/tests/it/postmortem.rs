//! From a closed incident to a published postmortem: drafted, checked, signed by three, under
//! embargo, and exported without what outsiders must not read.

use std::path::Path;

use azir_ledger::Digest;
use serde_json::{Value, json};

use super::live::holds;
use super::people::Office;

const ITEMS: [&str; 15] = [
    "objects",
    "state_roots",
    "parameters",
    "evidence_objects",
    "object_refs",
    "own_roots",
    "finalized_roots",
    "governance_state",
    "slash_evidence",
    "versions",
    "candidate_graph",
    "committee_inputs",
    "vote_messages",
    "notarization_candidates",
    "replay_traces",
];
const SECRET: &str = "names of customers who wrote in";
const CAUSE: &str = "A detector counted one certificate twice.";

fn add(office: &Office, item: &str, text: &str) -> Digest {
    let file = format!("{item}.txt");
    std::fs::write(office.at(&file), text).unwrap();
    let held = ["evidence", "add", "--incident", &office.incident[..8], "--item", item];
    office.by("ana", "OCO", &[&held[..], &["--scope", "node:n1", &file]].concat(), 0);
    Digest::of(text.as_bytes())
}

/// An event written for signing, signed by its author, approved by others, and submitted.
fn signed(
    office: &Office,
    words: &[&str],
    name: &str,
    seconds: &[(&str, &str)],
    code: i32,
) -> String {
    let out = format!("{name}.json");
    let author = ["--as", "operator:bogdan", "--role", "IC", "--out", &out];
    office.azir(&[words, &author].concat(), 0);
    office.azir(&["sign", &out, "--key", "bogdan"], 0);
    let mut submit = vec!["submit".to_owned(), out.clone()];
    for (who, role) in seconds {
        let (actor, approval) = (format!("operator:{who}"), format!("{name}-{who}.json"));
        let second = ["--as", &actor, "--role", role, "--key", who, "--out", &approval];
        office.azir(&[&["sign", &out], &second[..]].concat(), 0);
        submit.extend(["--approval".to_owned(), approval]);
    }
    let submit: Vec<_> = submit.iter().map(String::as_str).collect();
    office.azir(&submit, code).err
}

/// A false alarm of SEV_3, closed, with one sealed piece.
fn closed(name: &str) -> Option<Office> {
    let office = Office::open(name, "")?;
    office.staffed();
    let proof = add(&office, "logs", "one certificate, seen twice\n");
    let secret = add(&office, "peer_messages", SECRET);
    let seal = json!({"pieces": [secret], "reason": "they name customers"});
    office.act("dora", "AS", "evidence.sealed", &seal, 0);
    let resolved = json!({"resolution": "false_alarm", "reason": "refuted", "proof": proof});
    office.act("bogdan", "IC", "incident.resolved", &resolved, 0);
    let first = office.azir(&["export", "first"], 0);
    assert_eq!(first.code, 0);
    let runbooks = event_of(&office.at("first"), 0);
    let bound = runbooks["body"]["runbooks"].as_array().unwrap();
    let bound = bound.iter().find(|b| b["id"] == "RB-CONSENSUS-001").unwrap();
    office.act("bogdan", "IC", "runbook.bound", bound, 0);
    let triaged = json!({"from": "DETECTED", "to": "TRIAGED"});
    office.act("bogdan", "IC", "state.moved", &triaged, 0);
    for item in ITEMS {
        add(&office, item, &format!("content of {item}"));
    }
    let body = json!({"from": "TRIAGED", "to": "CLOSED", "reason": "refuted"}).to_string();
    let words = ["act", "state.moved", "--incident", &office.incident[..8], "--body", &body];
    signed(&office, &words, "close", &[("carmen", "CL")], 0);
    Some(office)
}

fn event_of(bundle: &Path, index: u64) -> Value {
    let text = std::fs::read_to_string(bundle.join(format!("events/{index:06}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read(office: &Office, name: &str) -> String {
    std::fs::read_to_string(office.at(name)).unwrap()
}

/// A draft, completed as people would.
fn completed(office: &Office) -> Value {
    office.azir(&["postmortem", "draft", &office.incident[..8], "--out", "draft.json"], 0);
    let mut doc: Value = serde_json::from_str(&read(office, "draft.json")).unwrap();
    for (name, text) in doc["contents"].as_object_mut().unwrap() {
        if name == "root_cause_class" {
            *text = CAUSE.into();
        } else if text == "" {
            *text = "none, because nothing was harmed".into();
        }
    }
    doc["kinds"] = json!(["implementation_bug"]);
    doc["fixes"] = json!([{"what": "count certificates by hash", "owner": "operator:carmen",
        "due": "2099-01-01T00:00:00.000Z", "state": "open", "reference": "issue 7"}]);
    doc["conformance"] = ["new_vector", "vector_insufficient", "implementations_differ"]
        .iter()
        .map(|q| json!({"question": q, "answer": false, "reason": "a vector covers it"}))
        .collect();
    doc
}

fn save(office: &Office, doc: &Value) {
    std::fs::write(office.at("pm.json"), serde_json::to_string_pretty(doc).unwrap()).unwrap();
}

/// The problems that `check` names.
fn problems(office: &Office, code: i32) -> Vec<Value> {
    let told = office.azir(&["postmortem", "check", "pm.json", "--json"], code).json();
    assert_eq!(told["complete"], code == 0);
    told["problems"].as_array().unwrap().clone()
}

/// R-33.1-3, R-33.1-4, R-33.1-7, R-33.1-8, R-39.1-2: what a document lacks is named with its line
/// and its remedy, and it is not complete before nothing is left.
#[test]
fn an_incomplete_document_is_told_with_place_and_remedy() {
    let Some(office) = closed("pm-check") else { return };
    let good = completed(&office);
    save(&office, &good);
    assert!(problems(&office, 0).is_empty());
    for (pointer, value, what) in [
        ("/contents/changes_required", json!(""), "8: changes_required is empty"),
        ("/contents/root_cause_class", json!("none, because "), "1: root_cause_class is empty"),
        ("/timeline/3", json!(null), "3: the timeline"),
        ("/blast/rank", json!(3), "4: blast radius"),
        ("/fixes/0/owner", json!("operator:nobody"), "7: \"count"),
        ("/conformance/1/reason", json!(" "), "q2"),
        ("/kinds", json!([]), "1: no root kind"),
    ] {
        let mut doc = good.clone();
        match doc.pointer_mut(pointer) {
            Some(Value::Object(_)) => _ = doc["timeline"].as_array_mut().unwrap().remove(3),
            Some(found) => *found = value,
            None => panic!("{pointer}"),
        }
        save(&office, &doc);
        let told = problems(&office, 3);
        assert_eq!(told.len(), 1, "{pointer}: {told:?}");
        assert!(told[0]["what"].as_str().unwrap().starts_with(what), "{}", told[0]);
        let line: usize =
            told[0]["place"].as_str().unwrap().strip_prefix("pm.json:").unwrap().parse().unwrap();
        let member =
            pointer.split('/').nth(if pointer.contains("contents") { 2 } else { 1 }).unwrap();
        let member = if member == "blast" { "blast_radius" } else { member };
        let text = read(&office, "pm.json");
        assert!(text.lines().nth(line - 1).unwrap().contains(member), "{pointer} line {line}");
        assert!(!told[0]["remedy"].as_str().unwrap().is_empty());
    }
    std::fs::write(office.at("pm.json"), "{\"schema\":1,\"schema\":2}").unwrap();
    let twice = office.azir(&["postmortem", "check", "pm.json"], 2);
    assert!(twice.err.contains("pm.json") && twice.err.contains("line 1"), "{}", twice.err);
}

/// R-33.1-11: signed by three, hashed at once, delayed at most 90 days by two. R-10.1-13: outsiders
/// get hash, size and kind of a sealed piece; the response team gets the bytes.
#[test]
fn publication_embargo_and_the_public_export_hide_text_and_never_hashes() {
    let Some(office) = closed("pm-publish") else { return };
    save(&office, &completed(&office));
    let publish = ["postmortem", "publish", &office.incident[..8], "pm.json"];
    let long = ["--embargo-until", "2999-01-01", "--embargo-reason", "a fix is not out"];
    let both = [("carmen", "CL"), ("dora", "AS")];
    let refused = signed(&office, &[&publish[..], &long].concat(), "long", &both, 3);
    assert!(refused.contains("90 days"), "{refused}");
    let until = office.azir(&["status", "--json"], 0).json()["at"].as_str().unwrap().to_owned();
    let until = in_ten_days(&until);
    let short = ["--embargo-until", &until, "--embargo-reason", "a fix is not out"];
    let words = [&publish[..], &short].concat();
    let alone = signed(&office, &words, "alone", &[], 3);
    assert!(alone.contains("second_person_required"), "{alone}");
    signed(&office, &words, "both", &both, 0);

    let hash = pages(&office);
    exports(&office, hash);
}

/// Ten days later, at midnight; days of the month are enough for that.
fn in_ten_days(now: &str) -> String {
    let at: azir_ledger::Timestamp = now.parse().unwrap();
    at.plus_ms(10 * 86_400_000).to_string()[..10].to_owned()
}

fn pages(office: &Office) -> Digest {
    let incident = &office.incident[..8];
    office.azir(&["postmortem", "render", incident, "--out", "public"], 0);
    office.azir(&["postmortem", "render", "pm.json", "--out", "file"], 0);
    office.azir(&["postmortem", "render", incident, "--internal", "--out", "team"], 0);
    let whole = std::fs::read(office.at("team/postmortem.json")).unwrap();
    let hash = Digest::of(&whole);
    for dir in ["public", "file"] {
        assert!(!holds(&office.at(dir), CAUSE), "{dir} shows the text");
        assert!(holds(&office.at(dir), &hash.to_string()), "{dir} hides the hash");
    }
    let team = read(office, "team/index.html");
    assert!(team.contains(CAUSE) && team.contains("INTERNAL") && team.contains("<svg"), "{team}");
    assert!(!holds(&office.at("team"), SECRET));
    let sealed = Digest::of(SECRET.as_bytes()).to_string();
    assert!(team.contains(&sealed) && team.contains("sealed"));
    let status = office.azir(&["status", "--json"], 0).json();
    assert_eq!(status["incidents"][0]["postmortem"]["document"], json!(hash));
    hash
}

fn exports(office: &Office, document: Digest) {
    office.azir(&["export", "--public", "outside"], 0);
    office.azir(&["export", "inside"], 0);
    assert!(holds(&office.at("inside"), SECRET) && holds(&office.at("inside"), CAUSE));
    let team = office.azir(&["verify", "inside", "--json"], 0).json();
    assert_eq!(team["withheld"]["sealed"], 0);
    assert!(!holds(&office.at("outside"), SECRET) && !holds(&office.at("outside"), CAUSE));
    for hash in [Digest::of(SECRET.as_bytes()), document] {
        assert!(holds(&office.at("outside/events"), &hash.to_string()));
    }
    let told = office.azir(&["verify", "outside", "--json"], 0).json();
    assert_eq!(told["faults"], json!([]), "{told:#}");
    assert_eq!(
        told["withheld"],
        json!({"sealed": 1, "embargoed": 1, "removed": 0,
        "entries_resting_on_them": 2})
    );
    let words = office.azir(&["verify", "outside"], 0).out;
    assert!(words.contains("1  sealed pieces withheld"), "{words}");
    let notice = office.azir(
        &["postmortem", "render", &office.incident[..8], "--bundle", "outside", "--out", "theirs"],
        0,
    );
    assert!(notice.out.contains("theirs"), "{}", notice.out);
    assert!(holds(&office.at("theirs"), &document.to_string()));
}

/// R-10.1-13 the other way round: what is missing without leave of the log is a fault.
#[test]
fn a_missing_piece_that_nobody_sealed_is_still_a_fault() {
    let Some(office) = closed("pm-missing") else { return };
    office.azir(&["export", "--public", "outside"], 0);
    office.azir(&["verify", "outside"], 0);
    let hex = Digest::of(b"content of versions").to_string();
    let name = format!("evidence/sha256/{}/{hex}", &hex[..2]);
    std::fs::remove_file(office.at("outside").join(&name)).unwrap();
    let list = office.at("outside/tagmanifest-sha256.txt");
    let text = std::fs::read_to_string(&list).unwrap();
    let kept: String =
        text.lines().filter(|l| !l.ends_with(&name)).map(|l| format!("{l}\n")).collect();
    assert_ne!(kept, text);
    std::fs::write(&list, kept).unwrap();
    let told = office.azir(&["verify", "outside", "--json"], 4).json();
    let faults = told["faults"].as_array().unwrap();
    assert!(faults.iter().any(|f| f["kind"] == "event_inadmissible"), "{told:#}");
    assert!(told["faults"].to_string().contains(&hex), "{told:#}");
}
