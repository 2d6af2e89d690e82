//! A deployment of one's own: people with keys of `ssh-keygen`, an incident, acts signed on the
//! spot and elsewhere, evidence, and a bundle others can check.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::run::{Did, command, fresh};

/// A deployment whose people are ana (OCO), bogdan (IC) and carmen (CL).
pub(super) struct Live {
    pub(super) dir: PathBuf,
    pub(super) incident: String,
}

impl Live {
    /// None, said aloud, where `ssh-keygen` is absent.
    pub(super) fn begin(name: &str) -> Option<Self> {
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

    pub(super) fn keygen(&self, args: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let did = command.arg("-q").args(args).current_dir(&self.dir).output().unwrap();
        assert!(did.status.success(), "{did:?}");
    }

    /// The binary in this directory, with the code it must end with.
    pub(super) fn azir(&self, args: &[&str], code: i32) -> Did {
        let did = Did::new(command(args).current_dir(&self.dir).output().unwrap());
        assert_eq!(did.code, code, "{args:?}: {}{}", did.out, did.err);
        did
    }

    pub(super) fn as_of(
        &self,
        who: &str,
        role: &str,
        words: &[&str],
        more: &[&str],
        code: i32,
    ) -> Did {
        let actor = format!("operator:{who}");
        let author = ["--as", &actor, "--role", role, "--key", who];
        self.azir(&[words, &author, more].concat(), code)
    }

    pub(super) fn act(&self, who: &str, role: &str, kind: &str, body: &str, code: i32) -> Did {
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
    let held = ["evidence", "add", "--incident", &live.incident[..8], "--item", "logs"];
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

    let held = ["evidence", "add", "--incident", &live.incident[..8], "--item", "logs"];
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
pub(super) fn holds(dir: &Path, needle: &str) -> bool {
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

/// How many files stand below a directory.
pub(super) fn count(dir: &Path) -> usize {
    super::run::walk(dir).len()
}

#[test]
fn pieces_that_no_event_names_stay_out_of_the_bundle_and_no_bundle_enters_the_deployment() {
    let Some(live) = Live::begin("orphans") else { return };
    std::fs::write(live.dir.join("orphan.log"), "named by nobody\n").unwrap();
    // The event is written for signing elsewhere, and never comes back.
    let held = ["evidence", "add", "--incident", &live.incident[..8], "--item", "logs", "--scope"];
    let author = ["node:n1", "--as", "operator:ana", "--role", "OCO", "--out", "lost.json"];
    live.azir(&[&held[..], &author, &["orphan.log"]].concat(), 0);
    assert!(holds(&live.dir.join("azir-data/vault"), "named by nobody"));

    let inside = live.azir(&["export", "azir-data/bundle"], 2);
    assert!(inside.err.contains("inside the deployment"), "{}", inside.err);
    live.azir(&["export", "bundle"], 0);
    let verified = live.azir(&["verify", "bundle", "--json"], 0).json();
    assert_eq!(verified["faults"], serde_json::json!([]), "{verified:#}");
    assert!(!holds(&live.dir.join("bundle"), "named by nobody"));
}

#[test]
fn an_event_is_never_written_over_a_file() {
    let Some(live) = Live::begin("over") else { return };
    let key = std::fs::read(live.dir.join("ana")).unwrap();
    let note = ["act", "role.accepted", "--incident", &live.incident[..8], "--body", "@b.json"];
    let author = ["--as", "operator:bogdan", "--role", "IC", "--json", "--out"];
    std::fs::write(live.dir.join("b.json"), r#"{"role":"IC"}"#).unwrap();
    let over = live.azir(&[&note[..], &author, &["ana"]].concat(), 2);
    assert!(over.err.contains("ana exists"), "{}", over.err);
    assert_eq!(std::fs::read(live.dir.join("ana")).unwrap(), key);

    let told = live.azir(&[&note[..], &author, &["new.json"]].concat(), 0).json();
    assert_eq!(told["event_file"], "new.json");
    assert_eq!(told["submit"], "azir submit new.json new.json.sig");
}

#[test]
fn a_refused_init_leaves_nothing_and_a_half_made_one_is_named() {
    let Some(live) = Live::begin("half") else { return };
    let roster = std::fs::read_to_string(live.dir.join("roster.toml")).unwrap();
    let init = |name: &str, text: &str, code: i32| {
        std::fs::write(live.dir.join("r.toml"), text).unwrap();
        live.azir(&["init", name, "--roster", "r.toml", "--data", "other"], code).err
    };
    let twice = roster.replace("operator:carmen", "operator:ana");
    init("demo", &twice, 3);
    let name = init("De mo", &roster, 2);
    assert!(name.contains("NAME"), "{name}");
    let other = init("demo", &roster.replacen("ssh-ed25519", "ssh-rsa", 1), 2);
    assert!(other.contains("operator:ana") && other.contains("-t ed25519"), "{other}");
    assert!(!live.dir.join("other").exists(), "a refused init left something");
    init("demo", &roster, 0);

    std::fs::remove_file(live.dir.join("other/deployment.json")).unwrap();
    let half = init("demo", &roster, 2);
    assert!(half.contains("half-made"), "{half}");
}

/// R-10.1-11: a private key is no evidence, wherever in a file it stands.
#[test]
fn evidence_is_judged_before_a_byte_is_stored() {
    let Some(live) = Live::begin("judged") else { return };
    let vault = live.dir.join("azir-data/vault/sha256");
    let before = count(&vault);
    let held = ["evidence", "add", "--incident", &live.incident[..8], "--item", "logs"];
    let add = |who: &str, role: &str, file: &str, code: i32| {
        live.as_of(who, role, &held, &["--scope", "node:n1", file], code).err
    };
    std::fs::write(live.dir.join("a.log"), "slot 7\n").unwrap();
    let mut deep = vec![b'x'; 3 << 20];
    // Across the end of the first window.
    deep[(1 << 20) - 5..][..35].copy_from_slice(b"-----BEGIN OPENSSH PRIVATE KEY-----");
    std::fs::write(live.dir.join("deep.log"), deep).unwrap();
    let deep = add("ana", "OCO", "deep.log", 3);
    assert!(deep.contains("OpenSSH private key"), "{deep}");
    let seed = add("ana", "OCO", "azir-data/keys/server.seed", 3);
    assert!(seed.contains("private key"), "{seed}");
    let folder = add("ana", "OCO", "azir-data", 2);
    assert!(folder.contains("azir-data holds this deployment"), "{folder}");
    add("ana", "GL", "a.log", 3);
    add("bogdan", "OCO", "a.log", 3);
    let key = ["--as", "operator:ana", "--role", "OCO", "--key", "ana.pub"];
    live.azir(&[&held[..], &["--scope", "node:n1", "a.log"], &key].concat(), 2);
    assert_eq!(count(&vault), before, "refused evidence was stored");
    add("ana", "OCO", "a.log", 0);
    assert_eq!(count(&vault), before + 1);
}

#[test]
fn files_without_end_are_refused_and_named() {
    let Some(live) = Live::begin("endless") else { return };
    std::fs::write(live.dir.join("big"), vec![b' '; (1 << 20) + 1]).unwrap();
    for (file, why) in [("big", "longer than 1048576 bytes"), ("/dev/zero", "no regular file")] {
        let body = format!("@{file}");
        let author = ["--as", "operator:ana", "--role", "OCO", "--key"];
        let act = ["act", "note.added", "--incident", &live.incident[..8], "--body"];
        for words in [
            [&act[..], &[&body], &author, &["ana"]].concat(),
            [&act[..], &["{\"text\":\"a\"}"], &author, &[file]].concat(),
            vec!["submit", file, file],
            vec!["init", "demo", "--data", "other", "--roster", file],
        ] {
            let did = live.azir(&words, 2);
            assert!(did.err.contains(file) && did.err.contains(why), "{words:?}: {}", did.err);
        }
    }
}

#[test]
fn what_a_person_mistypes_is_named_with_what_would_fit() {
    let Some(live) = Live::begin("mistyped") else { return };
    let kind = live.act("ana", "OCO", "role.asigned", ASSIGN, 3);
    assert!(kind.err.contains("role.assigned") && kind.err.contains("run.started"), "{}", kind.err);
    live.azir(&["incident", "show", ""], 2);
    live.azir(&["incident", "show", &live.incident[..3]], 2);
    live.azir(&["incident", "show", &live.incident[..8].to_uppercase()], 0);

    live.keygen(&["-t", "ed25519", "-N", "secret", "-C", "e", "-f", "enc"]);
    let more = ["--incident", &live.incident, "--body", ASSIGN, "--key", "enc"];
    let author = ["act", "role.assigned", "--as", "operator:ana", "--role", "OCO"];
    let locked = live.azir(&[author, more].concat(), 2);
    assert!(locked.err.contains("encrypted") && locked.err.contains("--out"), "{}", locked.err);
}

#[test]
fn a_closed_standard_error_changes_no_exit_code() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: 1 test, no /dev/full on this machine");
        return;
    };
    let status = command(["drill", "no-such-drill"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
