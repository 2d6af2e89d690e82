//! Evidence in and out: directories, streams, uploads that are cut off, content that changes or may
//! not be stored, and what is listed and given back.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::live::{Live, count, holds};
use super::run::{Did, command, walk};

const KEY: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n";
/// More than a pipe holds: who has written it knows that it is being read.
const MORE_THAN_A_PIPE: usize = 4 << 20;

impl Live {
    fn vault(&self) -> PathBuf {
        self.dir.join("azir-data/vault/sha256")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The words of ana, who adds logs of a scope.
    fn adding<'a>(&'a self, scope: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["evidence", "add", "--incident", &self.incident, "--item", "logs", "--scope"];
        let author = [scope, "--as", "operator:ana", "--role", "OCO", "--key", "ana"];
        [&words[..], &author, more].concat()
    }

    fn add(&self, more: &[&str], code: i32) -> Did {
        self.azir(&self.adding("node:n1", more), code)
    }

    fn add_json(&self, more: &[&str]) -> Value {
        self.add(&[more, &["--json"]].concat(), 0).json()
    }

    /// Adds in the background, with a pipe as standard input.
    fn begun(&self, more: &[&str]) -> Child {
        let mut command = command(self.adding("node:n1", more));
        command.current_dir(&self.dir).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn listed(&self) -> Value {
        self.azir(&["evidence", "list", &self.incident[..8], "--json"], 0).json()
    }

    /// The row of an item in the list.
    fn row(&self, item: &str) -> Value {
        let list = self.listed();
        let rows = list["items"].as_array().unwrap();
        rows.iter().find(|row| row["item"] == item).unwrap().clone()
    }

    fn verified(&self) {
        self.azir(&["export", "bundle"], 0);
        let verified = self.azir(&["verify", "bundle", "--json"], 0).json();
        assert_eq!(verified["faults"], json!([]), "{verified:#}");
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Waits for what another process does without a clock of its own; a machine that stands still for
/// minutes fails the test.
fn wait(until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    out.append_data(&mut header, name, bytes).unwrap();
    out.into_inner().unwrap()
}

fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap().into_inner()
}

#[test]
fn a_directory_is_held_with_the_names_of_its_files_and_its_links_are_told() {
    let Some(live) = Live::begin("directory") else { return };
    live.write("n1/b.log", "slot 7\n");
    live.write("n1/a/state.json", "{\"slot\":7}");
    live.write("n1/z/copy.log", "slot 7\n");
    std::os::unix::fs::symlink("../ana", live.dir.join("n1/key")).unwrap();
    let told = live.add_json(&["n1"]);
    let pieces = told["pieces"].as_array().unwrap();
    let names: Vec<_> = pieces.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["n1/a/state.json", "n1/b.log", "n1/z/copy.log", "manifest"]);
    assert_eq!(pieces[0]["media"], "application/json");
    assert_eq!(pieces[1]["media"], "text/plain");
    assert_eq!(told["links_not_followed"], json!(["n1/key"]));
    assert_eq!(told["events"][0]["pieces"], 3, "equal bytes are one piece: {told:#}");

    let hash = pieces[3]["hash"].as_str().unwrap();
    live.azir(&["evidence", "get", hash, "--out", "names.json"], 0);
    let names: Value =
        serde_json::from_slice(&std::fs::read(live.dir.join("names.json")).unwrap()).unwrap();
    assert_eq!(names["files"][1]["path"], "n1/b.log");
    assert_eq!(names["files"][1]["size"], 7);
    let row = live.row("logs");
    let by_hash = |hash: &Value| {
        row["pieces"].as_array().unwrap().iter().find(|p| p["hash"] == *hash).unwrap().clone()
    };
    assert_eq!(by_hash(&pieces[1]["hash"])["paths"], json!(["n1/b.log", "n1/z/copy.log"]));
    assert_eq!(by_hash(&pieces[3]["hash"])["media"], "application/vnd.azir.manifest+json");
    live.verified();

    let before = count(&live.vault());
    live.write("n1/new.log", "slot 8\n");
    fifo(&live.dir.join("n1/pipe"));
    let refused = live.add(&["n1"], 2);
    assert!(refused.err.contains("n1/pipe: no regular file"), "{}", refused.err);
    assert_eq!(count(&live.vault()), before);
}

#[test]
fn many_files_enter_by_several_events_signed_here_or_elsewhere() {
    let Some(live) = Live::begin("many") else { return };
    for n in 0..300 {
        live.write(&format!("many/{n:03}.log"), format!("slot {n}\n"));
    }
    let author = ["evidence", "add", "--incident", &live.incident, "--item", "logs", "--as"];
    let more = ["operator:ana", "--role", "OCO", "--scope", "node:n1", "--out", "ev", "many"];
    live.azir(&[&author[..], &more].concat(), 0);
    for file in ["ev", "ev.2"] {
        live.keygen(&["-Y", "sign", "-f", "ana", "-n", "azir-event@v1", file]);
        live.azir(&["submit", file, &format!("{file}.sig")], 0);
    }
    assert!(!live.dir.join("ev.3").exists());
    assert_eq!(live.row("logs")["pieces"].as_array().unwrap().len(), 301);

    let again = live.add_json(&["many"]);
    assert_eq!((&again["events"], &again["in_log_before"]), (&json!([]), &json!(301)));
    let collected = live.add_json(&["--collected", "many"]);
    let events = collected["events"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    let row = live.row("logs");
    assert_eq!(row["pieces"].as_array().unwrap().len(), 301, "held once");
    assert_eq!((&row["pinned"], &row["collected"]), (&json!(true), &json!(true)));
    live.verified();
}

#[test]
fn a_stream_is_held_whole_and_keeps_nobody_from_the_log() {
    let Some(live) = Live::begin("stream") else { return };
    let bytes: Vec<u8> =
        (0..MORE_THAN_A_PIPE).map(|n| b'a' + u8::try_from(n * n % 23).unwrap()).collect();
    let mut adding = live.begun(&["-", "--json"]);
    let mut input = adding.stdin.take().unwrap();
    input.write_all(&bytes).unwrap();
    // It is in the middle of the stream now.
    live.azir(&["incident", "list"], 0);
    live.write("b.log", "meanwhile\n");
    live.azir(&live.adding("node:n1/notary", &["b.log"]), 0);
    drop(input);
    let told = Did::new(adding.wait_with_output().unwrap());
    assert_eq!(told.code, 0, "{}", told.err);
    let told = told.json();
    assert_eq!(told["pieces"][0]["size"], MORE_THAN_A_PIPE);
    let hash = told["pieces"][0]["hash"].as_str().unwrap();
    live.azir(&["evidence", "get", hash, "--out", "back"], 0);
    assert!(std::fs::read(live.dir.join("back")).unwrap() == bytes);

    let before = count(&live.vault());
    let mut adding = live.begun(&["-"]);
    let mut input = adding.stdin.take().unwrap();
    input.write_all(&bytes).unwrap();
    input.write_all(KEY).unwrap();
    drop(input);
    let refused = Did::new(adding.wait_with_output().unwrap());
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("forbidden_power") && refused.err.contains("- holds"));
    assert_eq!(count(&live.vault()), before);
    assert!(!holds(&live.dir.join("azir-data"), "PRIVATE KEY"), "the stream left a key behind");
    let empty = live.add(&["-"], 2);
    assert!(empty.err.contains("no byte"), "{}", empty.err);
    let twice = live.add(&["-", "-"], 2);
    assert!(twice.err.contains("once"), "{}", twice.err);
}

#[test]
fn an_upload_that_was_killed_goes_on_where_it_was() {
    let Some(live) = Live::begin("killed") else { return };
    live.write("up/a.log", "first\n");
    live.write("up/b.log", "second\n");
    // Where the second piece will stand, reading waits for a writer that never comes.
    let second = azir_ledger::Digest::of(b"second\n").to_string();
    let blocked = live.vault().join(&second[..2]).join(&second);
    std::fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    fifo(&blocked);
    let uploads = live.dir.join("azir-data/uploads");
    let noted = || {
        let names = if uploads.is_dir() { walk(&uploads) } else { Vec::new() };
        names.iter().any(|n| std::fs::read_to_string(uploads.join(n)).unwrap().contains("a.log"))
    };
    let mut adding = live.begun(&["up"]);
    wait(noted);
    let busy = live.add(&["up"], 2);
    assert!(busy.err.contains("in use"), "{}", busy.err);
    // SIGKILL: nothing of the process runs any more.
    adding.kill().unwrap();
    adding.wait().unwrap();
    std::fs::remove_file(&blocked).unwrap();
    assert_eq!(live.row("logs")["state"], "open", "nothing entered the log");

    let told = live.add(&["up"], 0);
    assert!(told.err.contains("skipped") && told.err.contains("up/a.log"), "{}", told.err);
    assert!(!told.err.contains("up/b.log"), "{}", told.err);
    assert_eq!(live.row("logs")["pieces"].as_array().unwrap().len(), 3);
    assert_eq!(count(&uploads), 0, "a finished upload leaves no note");
    live.verified();
}

#[test]
fn a_note_of_an_upload_is_not_believed_without_the_piece() {
    let Some(live) = Live::begin("disbelief") else { return };
    live.write("up/a.log", "first\n");
    live.write("up/b.log", "second\n");
    let second = azir_ledger::Digest::of(b"second\n").to_string();
    // A file where a directory is needed: storing the second piece fails.
    live.write(&format!("azir-data/vault/sha256/{}", &second[..2]), "in the way");
    live.add(&["up"], 5);
    std::fs::remove_file(live.vault().join(&second[..2])).unwrap();
    let first = azir_ledger::Digest::of(b"first\n").to_string();
    std::fs::remove_file(live.vault().join(&first[..2]).join(&first)).unwrap();
    let told = live.add(&["up"], 0);
    assert!(!told.err.contains("skipped"), "{}", told.err);
    live.azir(&["evidence", "get", &first, "--out", "back"], 0);
}

#[test]
fn content_that_changes_between_two_readings_is_refused_and_not_stored() {
    let Some(live) = Live::begin("changed") else { return };
    let before = count(&live.vault());
    live.write("a.log", "slot 7\n");
    let mut adding = live.begun(&["a.log", "-"]);
    let mut input = adding.stdin.take().unwrap();
    // The stream comes after the file, so the file was read once when the stream is being read.
    input.write_all(&vec![b'x'; MORE_THAN_A_PIPE]).unwrap();
    live.write("a.log", "slot 8\n");
    drop(input);
    let refused = Did::new(adding.wait_with_output().unwrap());
    assert_eq!(refused.code, 3, "{}", refused.err);
    let words = ["hash_mismatch", "a.log changed while it was read", "run the same command again"];
    assert!(words.iter().all(|w| refused.err.contains(w)), "{}", refused.err);
    assert_eq!(count(&live.vault()), before);
    assert_eq!(live.row("logs")["state"], "open");
    live.add(&["a.log"], 0);

    // A file of the system that tells no size: what is read is not what it said.
    if Path::new("/proc/self/status").exists() {
        let odd = live.add(&["/proc/self/status"], 3);
        assert!(odd.err.contains("its size changed"), "{}", odd.err);
    }
}

/// R-10.1-11: a private key is no evidence, also deep inside archives.
#[test]
fn a_key_in_an_archive_in_an_archive_is_refused_with_its_place() {
    let Some(live) = Live::begin("archives") else { return };
    let before = count(&live.vault());
    live.write("clean.log", "slot 7\n");
    live.write("node.zip", zip("backup/home.tar.gz", &gz(&tar("home/id_ed25519", KEY))));
    let refused = live.add(&["clean.log", "node.zip"], 3);
    let place = "node.zip > backup/home.tar.gz > home/id_ed25519 holds";
    assert!(refused.err.contains("forbidden_power"), "{}", refused.err);
    assert!(refused.err.contains(place), "{}", refused.err);
    assert!(refused.err.contains("proof of exposure"), "{}", refused.err);
    live.write("other.gz", gz(KEY));
    let both = live.add(&["node.zip", "other.gz"], 3);
    assert!(both.err.contains(place) && both.err.contains("other.gz holds"), "{}", both.err);

    live.write("bomb.gz", gz(&vec![0; 32 << 20]));
    let bomb = live.add(&["clean.log", "bomb.gz"], 3);
    let words = ["evidence_unverified", "bomb.gz: it unpacks to over 400 times", "unpack it"];
    assert!(words.iter().all(|w| bomb.err.contains(w)), "{}", bomb.err);
    assert_eq!(count(&live.vault()), before, "a clean file beside it was stored");

    live.write("id.tar.gz", gz(&tar("id.pub", b"ssh-ed25519 AAAA\n")));
    assert_eq!(live.add_json(&["id.tar.gz"])["pieces"][0]["media"], "application/gzip");
}

#[test]
fn a_scope_that_does_not_resolve_is_refused_before_anything_is_stored() {
    let Some(live) = Live::begin("scopes") else { return };
    let before = count(&live.vault());
    live.write("a.log", "slot 7\n");
    for (scope, remedy) in [
        ("node:n9", "n1"),
        ("node:n1/proposer", "name one of: validation notary"),
        ("planet:x", "kind"),
        ("n1", "kind:id"),
    ] {
        let refused = live.azir(&live.adding(scope, &["a.log"]), 3);
        assert!(refused.err.contains("scope_invalid"), "{scope}: {}", refused.err);
        assert!(refused.err.contains(remedy), "{scope}: {}", refused.err);
    }
    assert_eq!(count(&live.vault()), before);
    live.azir(&live.adding("machine:dex-1", &["a.log"]), 0);
}

#[test]
fn the_list_tells_what_is_owed_what_is_held_and_what_was_settled() {
    let Some(live) = Live::begin("list") else { return };
    live.write("a.log", "slot 7\n");
    live.add(&["a.log"], 0);
    let body = r#"{"item":"slash_evidence","state":"not_applicable","reason":"no fraud proof"}"#;
    live.act("ana", "OCO", "evidence.settled", body, 0);

    let logs = live.row("logs");
    assert_eq!(logs["state"], "present");
    assert_eq!((&logs["pinned"], &logs["collected"]), (&json!(true), &json!(false)));
    let piece = &logs["pieces"][0];
    let hash = azir_ledger::Digest::of(b"slot 7\n").to_string();
    for (member, value) in [
        ("hash", json!(hash)),
        ("size", json!(7)),
        ("media", json!("text/plain")),
        ("source", json!("node:n1")),
        ("collector", json!("operator:ana")),
        ("standing", json!("kept")),
        ("keeper", json!("operator:ana")),
        ("sealed", json!(false)),
    ] {
        assert_eq!(piece[member], value, "{piece:#}");
    }
    assert!(piece["obtained_at"].is_string(), "{piece:#}");
    assert_eq!(live.row("slash_evidence")["state"], "settled");
    assert_eq!(live.row("slash_evidence")["settled"]["by"], "operator:ana");
    assert_eq!(live.row("own_roots")["state"], "open");
    assert_eq!(live.row("decisions")["state"], "log");

    let words = live.azir(&["evidence", "list", &live.incident[..8]], 0).out;
    assert!(words.contains(&hash) && words.contains("no fraud proof"), "{words}");
    live.azir(&["evidence", "list", "00000000"], 2);
}

/// R-10.1-10: altered bytes are told when they are read and when a bundle is checked.
#[test]
fn a_piece_is_given_back_whole_or_not_at_all() {
    let Some(live) = Live::begin("get") else { return };
    live.write("a.log", "slot 7\n");
    live.add(&["a.log"], 0);
    let hash = azir_ledger::Digest::of(b"slot 7\n").to_string();
    let get = |hash: &str, out: &str, code: i32| {
        live.azir(&["evidence", "get", hash, "--out", out], code).err
    };
    get(&format!("sha256:{hash}"), "back", 0);
    assert_eq!(std::fs::read(live.dir.join("back")).unwrap(), b"slot 7\n");
    let over = get(&hash, "ana", 2);
    assert!(over.contains("ana exists"), "{over}");
    assert!(get("abc", "x", 2).contains("64 hex digits"));
    assert!(get(&"0".repeat(64), "x", 2).contains("not in the vault"));

    let place = live.vault().join(&hash[..2]).join(&hash);
    std::fs::remove_file(&place).unwrap();
    std::fs::write(&place, "slot 8\n").unwrap();
    let altered = get(&hash, "x", 3);
    assert!(altered.contains("hash_mismatch") && altered.contains(&hash), "{altered}");
    assert!(!live.dir.join("x").exists(), "other bytes were left under its name");
    std::fs::remove_file(&place).unwrap();
    std::fs::write(&place, "slot 7\n").unwrap();
    live.azir(&["export", "bundle"], 0);
    let held = live.dir.join("bundle/evidence");
    let file = walk(&held).into_iter().find(|name| name.contains(&hash)).unwrap();
    std::fs::remove_file(held.join(&file)).unwrap();
    std::fs::write(held.join(&file), "slot 8\n").unwrap();
    let verified = live.azir(&["verify", "bundle", "--json"], 4).json();
    assert!(verified["faults"].to_string().contains(&hash), "{verified:#}");
}

/// Content that an act names by its hash is stored without a word in the log; a private key is not.
#[test]
fn content_is_kept_for_an_act_to_name() {
    let Some(live) = Live::begin("kept") else { return };
    live.write("report.json", "kept and not named");
    live.write("key.txt", KEY);
    let entries = |live: &Live| live.azir(&["export", "--json", "b"], 0).json()["entries"].clone();
    let before = entries(&live);
    let refused = live.azir(&["evidence", "keep", "report.json", "key.txt"], 3);
    assert!(refused.err.contains("key.txt"), "{}", refused.err);
    let kept = live.azir(&["evidence", "keep", "report.json", "--json"], 0).json();
    let hash = kept["pieces"][0]["hash"].as_str().unwrap().to_owned();
    live.azir(&["evidence", "get", &hash, "--out", "again.json"], 0);
    assert_eq!(std::fs::read(live.dir.join("again.json")).unwrap(), b"kept and not named");
    std::fs::remove_dir_all(live.dir.join("b")).unwrap();
    assert_eq!(entries(&live), before);
    assert!(
        !holds(&live.dir.join("b"), "kept and not named"),
        "no event names it, so it stays at home"
    );
}
