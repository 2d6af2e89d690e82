//! Attestation and audit trail through the real binary.

use std::collections::BTreeSet;

use serde_json::Value;

use super::people::Office;
use super::run::{MADE, azir};

fn attest(bundle: &str, code: i32) -> super::run::Did {
    let did = azir(["attest", "--bundle", bundle, "--json"]);
    assert_eq!(did.code, code, "{}", did.err);
    did
}

#[test]
fn a_drill_shows_its_controls_and_every_line_names_entries_that_exist() {
    let bundle = MADE.bundle("short");
    let found = attest(bundle.to_str().unwrap(), 0).json();
    let lines = found["lines"].as_array().unwrap();
    let of = |verdict: &str| {
        let lines = lines.iter().filter(|l| l["verdict"] == verdict);
        lines.map(|l| l["section"].as_str().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(of("contradicted"), BTreeSet::new(), "{found:#}");
    for section in ["5.2", "9.2", "24", "29", "30", "32.1", "33", "36", "40.1", "40.5"] {
        assert!(of("shown").contains(section), "{section}: {found:#}");
    }
    assert!(of("not_exercised").contains("13"));
    for line in lines {
        assert_eq!(line["verdict"] == "shown", !line["entries"].as_array().unwrap().is_empty());
        for entry in line["entries"].as_array().unwrap() {
            let index = entry["index"].as_u64().unwrap();
            let bytes = std::fs::read(bundle.join(format!("events/{index:06}.json"))).unwrap();
            let hash = Value::from(azir_ledger::Digest::of(&bytes).to_string());
            assert_eq!(entry["event"], hash, "{line:#}");
        }
    }
}

#[test]
fn a_bundle_that_does_not_verify_is_not_attested() {
    let copy = super::run::fresh("attest-bad");
    let bundle = MADE.bundle("short");
    for name in super::run::walk(&bundle) {
        let to = copy.join(&name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(bundle.join(&name), to).unwrap();
    }
    let event = copy.join("events/000050.json");
    let text = std::fs::read_to_string(&event).unwrap();
    std::fs::write(&event, text.replacen("2026", "2027", 1)).unwrap();
    let did = attest(copy.to_str().unwrap(), 4);
    assert!(did.out.is_empty() && did.err.contains("AZ-E0006"), "{}{}", did.out, did.err);
}

/// R-32.1-1, R-32.1-3: the trail begins with the id and names person and role of each declaration.
#[test]
fn a_deployment_is_attested_from_its_own_ledger_and_audited() {
    let Some(office) = Office::open("attest", "") else { return };
    office.staffed();
    let words = office.azir(&["attest", "--out", "a.json"], 0).out;
    assert!(words.contains("0 contradicted"), "{words}");
    let saved: Value =
        serde_json::from_str(&std::fs::read_to_string(office.at("a.json")).unwrap()).unwrap();
    let line = |section: &str| {
        let mut lines = saved["lines"].as_array().unwrap().iter();
        lines.find(|l| l["section"] == section).unwrap().clone()
    };
    assert_eq!(
        (&line("7.2")["verdict"], &line("24")["verdict"]),
        (&Value::from("shown"), &Value::from("not_exercised"))
    );
    office.azir(&["attest", "--out", "a.json"], 2);
    office.azir(&["attest", "--bundle", "none", "--data", "azir-data"], 2);

    let trail = office.azir(&["audit", &office.incident[..8], "--json"], 0).json();
    let items = trail["items"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    assert_eq!(items[0]["lines"][0], office.incident.as_str());
    let declared = items[2]["lines"][0].as_str().unwrap();
    assert!(declared.contains("SEV_3_HIGH: operator:bogdan as IC"), "{declared}");
    assert_eq!(
        (&items[3]["there"], &items[5]["there"]),
        (&Value::from(false), &Value::from(false))
    );
    let text = office.azir(&["audit", &office.incident[..8]], 0).out;
    assert!(text.contains("not yet") && text.contains("operational failures"), "{text}");
}
