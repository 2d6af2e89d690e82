//! A deployment of one's own: people with keys of `ssh-keygen`, an incident, acts signed on the
//! spot and elsewhere, evidence, and a bundle others can check.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::run::{Did, command, fresh};

/// A deployment whose people are ana (OCO), bogdan (IC) and carmen (CL).
struct Live {
    dir: PathBuf,
    incident: String,
}

impl Live {
    /// None, said aloud, where `ssh-keygen` is absent.
    fn begin(name: &str) -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            eprintln!("skipped: 1 test, no ssh-keygen on this machine");
            return None;
        }
        let dir = fresh(name);
        std::fs::create_dir_all(&dir).unwrap();
        let mut live = Self { dir, incident: String::new() };
        let mut roster = String::new();
        for (person, role) in [("ana", "OCO"), ("bogdan", "IC"), ("carmen", "CL")] {
            live.keygen(&["-t", "ed25519", "-N", "", "-C", person, "-f", person]);
            let public = std::fs::read_to_string(live.dir.join(format!("{person}.pub"))).unwrap();
            roster.push_str(&format!(
                "[[person]]\nid = \"operator:{person}\"\nkey = \"{}\"\nroles = [\"{role}\"]\n",
                public.trim()
            ));
        }
        roster
            .push_str("[[node]]\nnode = \"n1\"\nroles = [\"validation\", \"notary\"]\nseat = 1\n");
        std::fs::write(live.dir.join("roster.toml"), roster).unwrap();
        live.azir(&["init", "demo", "--roster", "roster.toml"], 0);
        let opened = live.as_of(
            "ana",
            "OCO",
            &["incident", "open", "--class", "INC_CONSENSUS", "--severity", "SEV_3_HIGH"],
            &["--scope", "node:n1/notary"],
            0,
        );
        let id = opened.out.lines().next().and_then(|l| l.strip_prefix("incident ")).unwrap();
        id.clone_into(&mut live.incident);
        Some(live)
    }

    fn keygen(&self, args: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let did = command.arg("-q").args(args).current_dir(&self.dir).output().unwrap();
        assert!(did.status.success(), "{did:?}");
    }

    /// The binary in this directory, with the code it must end with.
    fn azir(&self, args: &[&str], code: i32) -> Did {
        let did = Did::new(command(args).current_dir(&self.dir).output().unwrap());
        assert_eq!(did.code, code, "{args:?}: {}{}", did.out, did.err);
        did
    }

    fn as_of(&self, who: &str, role: &str, words: &[&str], more: &[&str], code: i32) -> Did {
        let actor = format!("operator:{who}");
        let author = ["--as", &actor, "--role", role, "--key", who];
        self.azir(&[words, &author, more].concat(), code)
    }

    fn act(&self, who: &str, role: &str, kind: &str, body: &str, code: i32) -> Did {
        let more = ["--incident", &self.incident[..8], "--body", body];
        self.as_of(who, role, &["act", kind], &more, code)
    }

    /// Everything the log says of the incident.
    fn shown(&self) -> serde_json::Value {
        self.azir(&["incident", "show", &self.incident[..8], "--json"], 0).json()
    }
}

const ASSIGN: &str = r#"{"person":"operator:bogdan","role":"IC"}"#;

#[test]
fn acts_signed_here_and_elsewhere_enter_one_log_that_others_can_check() {
    let Some(live) = Live::begin("live") else { return };
    live.act("ana", "OCO", "role.assigned", ASSIGN, 0);

    let elsewhere = ["--incident", &live.incident[..8], "--body", r#"{"role":"IC"}"#];
    let author = ["--as", "operator:bogdan", "--role", "IC", "--out", "ev.json"];
    live.azir(&[&["act", "role.accepted"], &author[..], &elsewhere[..]].concat(), 0);
    live.keygen(&["-Y", "sign", "-f", "bogdan", "-n", "azir-event@v1", "ev.json"]);
    live.azir(&["submit", "ev.json", "ev.json.sig"], 0);

    std::fs::write(live.dir.join("a.log"), "slot 7: two certificates\n").unwrap();
    let held = ["evidence", "--incident", &live.incident[..8], "--item", "logs"];
    live.as_of("ana", "OCO", &held, &["--scope", "node:n1", "a.log"], 0);

    live.azir(&["export", "bundle"], 0);
    let verified = live.azir(&["verify", "bundle", "--json"], 0).json();
    assert_eq!(verified["faults"], serde_json::json!([]), "{verified:#}");
    let evidence = live.dir.join("bundle/evidence");
    assert!(holds(&evidence, "slot 7: two certificates"), "the bytes travel with the bundle");
}

#[test]
fn an_event_that_was_signed_for_the_wrong_thing_is_refused_and_changes_nothing() {
    let Some(live) = Live::begin("wrong") else { return };
    live.act("ana", "OCO", "role.assigned", ASSIGN, 0);
    let before = live.shown();

    let early = live.act("bogdan", "IC", "state.moved", r#"{"from":"DETECTED","to":"CLOSED"}"#, 3);
    assert!(early.err.contains("DETECTED"), "{}", early.err);

    let body = ["--incident", &live.incident[..8], "--body", r#"{"role":"IC"}"#];
    let author = ["--as", "operator:bogdan", "--role", "IC", "--out", "ev.json"];
    live.azir(&[&["act", "role.accepted"], &author[..], &body[..]].concat(), 0);
    live.keygen(&["-Y", "sign", "-f", "ana", "-n", "azir-event@v1", "ev.json"]);
    let other = live.azir(&["submit", "ev.json", "ev.json.sig"], 3);
    assert!(other.err.contains("signature"), "{}", other.err);

    let held = ["evidence", "--incident", &live.incident[..8], "--item", "logs"];
    let secret = live.as_of("ana", "OCO", &held, &["--scope", "node:n1", "carmen"], 3);
    assert!(secret.err.contains("private key"), "{}", secret.err);
    assert!(!holds(&live.dir.join("azir-data"), "PRIVATE KEY"), "the key was stored");
    let mut after = live.shown();
    let attempts = after["incident"]["attempts"].take();
    assert_eq!(
        attempts.as_array().map(Vec::len),
        Some(1),
        "a refused act is remembered: {attempts}"
    );
    after["incident"]["attempts"] = serde_json::json!([]);
    assert_eq!(after, before);
}

/// True where a file below `dir`, other than the server's own key, contains `needle`.
fn holds(dir: &Path, needle: &str) -> bool {
    super::run::walk(dir).iter().any(|name| {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
    })
}

#[test]
fn a_second_deployment_in_the_same_place_is_refused() {
    let Some(live) = Live::begin("twice") else { return };
    let again = live.azir(&["init", "demo", "--roster", "roster.toml"], 2);
    assert!(again.err.contains("already"), "{}", again.err);
    live.shown();
}

#[test]
fn a_ledger_restored_from_before_the_last_checkpoint_is_refused() {
    let Some(live) = Live::begin("restored") else { return };
    let copy = |from: &str, to: &str| {
        std::fs::create_dir_all(live.dir.join(to)).unwrap();
        for name in super::run::walk(&live.dir.join(from)) {
            std::fs::copy(live.dir.join(from).join(&name), live.dir.join(to).join(&name)).unwrap();
        }
    };
    copy("azir-data/ledger", "backup");
    live.act("ana", "OCO", "role.assigned", ASSIGN, 0);
    live.azir(&["export", "bundle"], 0);
    std::fs::remove_dir_all(live.dir.join("azir-data/ledger")).unwrap();
    copy("backup", "azir-data/ledger");
    let old = live.azir(&["incident", "list"], 2);
    assert!(old.err.contains("head"), "{}", old.err);
    live.azir(&["export", "second"], 2);
}
