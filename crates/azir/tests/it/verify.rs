//! `azir verify` on sound bundles, and against what the caller knows from elsewhere.

use std::io::Read as _;
use std::process::Stdio;

use super::bundle::Bundle;
use super::run::{Did, MADE, azir, command, fresh};

fn counts(did: &Did, what: &str) -> u64 {
    let line = did.out.lines().find(|l| l.ends_with(what));
    let line = line.unwrap_or_else(|| panic!("no count of {what:?}:\n{}", did.out));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// R-41.3-1: both bundles verify with public keys only, and what was checked is counted.
#[test]
fn both_bundles_verify_and_the_checks_are_counted() {
    for run in ["short", "long"] {
        let bundle = MADE.bundle(run);
        let did = azir(["verify", bundle.to_str().unwrap()]);
        assert_eq!(did.code, 0, "{}{}", did.out, did.err);
        assert!(did.out.ends_with("OK: nothing is wrong\n"), "{}", did.out);
        assert!(did.out.contains("anchored in the bundle's own keys"), "{}", did.out);
        let entries = counts(&did, "entries hashed into the tree");
        assert!(entries > 300);
        let signed = counts(&did, "signatures of people") + counts(&did, "signatures of machines");
        assert_eq!(signed, entries);
        for all in ["events admitted again by the rules", "view hashes computed again"] {
            assert_eq!(counts(&did, all), entries, "{all}");
        }
        assert_eq!(counts(&did, "inclusion proofs"), counts(&did, "signatures of people"));
        assert_eq!(counts(&did, "cosignatures of witnesses"), 4);
        assert_eq!(counts(&did, "containment decisions decided again"), 1);
        assert_eq!(counts(&did, "fraud proofs against seats"), 3);
        assert!(counts(&did, "pieces of evidence") > 100);
        assert_eq!(counts(&did, "files digested"), super::run::walk(&bundle).len() as u64);
    }
}

#[test]
fn the_machine_readable_answer_says_the_same() {
    let did = azir(["verify", "--json", MADE.bundle("long").to_str().unwrap()]);
    assert_eq!((did.code, did.err.as_str()), (0, ""));
    let json = did.json();
    assert_eq!(json["clean"], true);
    assert_eq!(json["faults"].as_array().unwrap().len(), 0);
    assert_eq!(json["rules"]["events_admitted"], json["bundle"]["size"]);
    assert_eq!(json["bundle"]["anchor"], "bundle_only");

    let bundle = Bundle::long();
    bundle.remove("events/000017.json");
    let did = bundle.verify(&["--json"]);
    assert_eq!(did.code, 4);
    let json = did.json();
    assert_eq!(json["clean"], false);
    let faults = json["faults"].as_array().unwrap();
    assert!(faults.iter().any(|f| {
        f["place"] == "events/000017.json" && f["kind"] == "file_missing" && f["what"].is_string()
    }));
    let error: serde_json::Value = serde_json::from_str(&did.err).unwrap();
    assert_eq!((&error["code"], &error["exit"]), (&"AZ-E0006".into(), &4.into()));
}

#[test]
fn keys_from_elsewhere_anchor_the_check() {
    let bundle = Bundle::long();
    let ledger = bundle.text("roster/ledger.vkey");
    let witnesses = bundle.text("roster/witnesses.vkey");
    let mut args = vec!["--ledger-key", ledger.trim()];
    for line in witnesses.lines() {
        args.extend(["--witness-key", line]);
    }
    let did = bundle.verify(&args);
    assert_eq!(did.code, 0, "{}", did.out);
    assert!(did.out.contains("anchored in the keys that you gave"), "{}", did.out);
    let short = Bundle::of(&MADE.bundle("short"));
    assert_eq!(short.verify(&args).code, 0, "one deployment, one key");
}

#[test]
fn the_final_checkpoint_of_the_bundle_itself_is_no_newer_one() {
    let bundle = Bundle::long();
    let path = bundle.dir.join("data/checkpoint");
    let did = bundle.verify(&["--checkpoint", path.to_str().unwrap()]);
    assert_eq!(did.code, 0, "{}", did.out);
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let did = azir(["verify", "/no/such/bundle"]);
    assert_eq!(did.code, 5);
    assert!(did.err.contains("AZ-E0001") && did.err.contains("/no/such/bundle"), "{}", did.err);
    assert!(!did.err.contains("check the disk"), "{}", did.err);
    let file = fresh("file");
    std::fs::write(&file, "x").unwrap();
    let did = azir(["verify", file.to_str().unwrap()]);
    assert_eq!(did.code, 2);
    assert!(did.err.contains("AZ-E0005") && did.err.contains("directory"), "{}", did.err);
    Bundle::empty().refused(&[], "bundle.json", "file_missing");
}

#[test]
fn keys_and_checkpoints_that_are_none_are_usage_errors() {
    let bundle = Bundle::long();
    for (args, code, exit) in [
        (vec!["--ledger-key", "rubbish"], "AZ-E0004", 2),
        (vec!["--checkpoint", "/no/such/file"], "AZ-E0001", 5),
        (vec!["--checkpoint", "/dev/zero"], "AZ-E0005", 2),
        (vec!["--checkpoint", "/dev/null"], "AZ-E0005", 2),
    ] {
        let did = bundle.verify(&args);
        assert_eq!(did.code, exit, "{args:?}: {}", did.err);
        assert!(did.err.contains(code), "{args:?}: {}", did.err);
        assert_eq!(did.out, "");
    }
    assert_eq!(bundle.verify(&["--witness-key", "x"]).code, 2, "needs --ledger-key");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bundle = MADE.bundle("short");
    for args in [vec!["verify", bundle.to_str().unwrap()], vec!["explain"], vec!["--help"]] {
        let mut child =
            command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {err}");
        assert_eq!(err, "", "{args:?}");
    }
}
