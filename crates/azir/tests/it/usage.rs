//! Exit codes, error codes, explanations, and output for programs.

use std::collections::BTreeSet;
use std::path::Path;

use super::run::{DRILL, azir};

#[test]
fn wrong_words_end_with_code_2_and_say_what_would_be_right() {
    for (args, needle) in [
        (&["drill", "no-such-drill"][..], DRILL),
        (&["drill", "run"], "azir drill list"),
        (&["drill", "run", "no-such-drill"], DRILL),
        (&["drill", "stop", DRILL], "drill run NAME"),
        (&["drill", DRILL, "--seed", "-1"], "-1"),
        (&["drill", DRILL, "--seed", "18446744073709551616"], "--seed"),
        (&["drill", DRILL, "--run", "middle"], "short"),
        (&["dril"], "drill"),
        (&["verify"], "<BUNDLE>"),
        (&["explain", "no_such_code"], "lists all"),
        (&[], "Usage"),
    ] {
        let did = azir(args);
        assert_eq!(did.code, 2, "{args:?}: {}", did.err);
        assert!(did.err.contains(needle), "{args:?}: {}", did.err);
        assert_eq!(did.out, "", "{args:?}");
    }
}

#[test]
fn errors_are_one_json_object_when_json_is_asked_for() {
    for (args, code, exit) in [
        (&["--json", "drill", "no-such-drill"][..], "AZ-E0004", 2),
        (&["--json", "dril"], "AZ-E0004", 2),
        (&["drill", DRILL, "--seed", "x", "--json"], "AZ-E0004", 2),
        (&["verify", "/no/such/bundle", "--json"], "AZ-E0001", 5),
        (&["advise", "/no/such/file", "--json"], "AZ-E0001", 5),
        (&["explain", "no_such_code", "--json"], "AZ-E0004", 2),
    ] {
        let did = azir(args);
        assert_eq!((did.code, did.out.as_str()), (exit, ""), "{args:?}");
        let json: serde_json::Value =
            serde_json::from_str(&did.err).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", did.err));
        assert_eq!(json["code"], code, "{args:?}");
        assert_eq!(json["exit"], exit, "{args:?}");
        assert_eq!(json["explain"], format!("azir explain {code}"));
    }
}

#[test]
fn answers_are_json_when_json_is_asked_for() {
    for args in [
        &["drill", "list", "--json"][..],
        &["explain", "--json"],
        &["--json", "explain", "gate_closed"],
    ] {
        let did = azir(args);
        assert_eq!((did.code, did.err.as_str()), (0, ""), "{args:?}");
        assert!(did.json().is_object(), "{args:?}");
    }
}

#[test]
fn every_code_of_the_pages_is_explained_and_listed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let listed = azir(["explain", "--json"]).json();
    let listed: BTreeSet<_> = listed["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c.as_str().unwrap().to_owned())
        .collect();
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let did = azir(["explain", &code]);
        assert_eq!(did.code, 0, "{code}: {}", did.err);
        assert_eq!(did.out, std::fs::read_to_string(&path).unwrap(), "{code}");
        pages.insert(code);
    }
    assert_eq!(pages, listed);
    assert!(pages.len() > 50);
}

#[test]
fn there_are_no_escape_codes_without_a_terminal() {
    for args in [&["--help"][..], &["drill", "--help"], &["dril"], &["explain"], &["drill", "list"]]
    {
        let did = azir(args);
        assert!(!did.out.contains('\u{1b}') && !did.err.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn help_names_every_exit_code_and_where_codes_are_explained() {
    let did = azir(["--help"]);
    assert_eq!(did.code, 0);
    for word in [
        "0 ok",
        "2 usage",
        "3 refused",
        "4 verification",
        "5 unavailable",
        "70 internal",
        "azir explain",
    ] {
        let text = did.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(azir(["--version"]).code, 0);
}
