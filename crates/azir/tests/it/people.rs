//! What people do at a terminal: see what is theirs to do, decide, sign for each other by passing a
//! file, watch, and act for machines that are not running yet.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use azir_store::ledger::LedgerStore;
use serde_json::{Value, json};

use super::run::{Did, command, fresh};

/// Everybody with their roles.
const PEOPLE: [(&str, &str); 5] =
    [("ana", "OCO"), ("bogdan", "IC"), ("carmen", "CL"), ("dora", "AS"), ("sorin", "SL")];

/// A deployment of five people with one open incident of SEV_3.
pub(super) struct Office {
    pub(super) dir: PathBuf,
    pub(super) incident: String,
}

impl Office {
    /// None, said aloud, where `ssh-keygen` is absent. `more` is added to the roster.
    pub(super) fn open(name: &str, more: &str) -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            eprintln!("skipped: 1 test, no ssh-keygen on this machine");
            return None;
        }
        let dir = fresh(name);
        std::fs::create_dir_all(&dir).unwrap();
        let mut office = Self { dir, incident: String::new() };
        let mut roster = String::new();
        for (person, role) in PEOPLE {
            office.keygen(&["-t", "ed25519", "-N", "", "-C", person, "-f", person]);
            let public = std::fs::read_to_string(office.at(&format!("{person}.pub"))).unwrap();
            let key = public.trim();
            roster.push_str(&format!(
                "[[person]]\nid = \"operator:{person}\"\nkey = \"{key}\"\nroles = [\"{role}\"]\n"
            ));
        }
        roster
            .push_str("[[node]]\nnode = \"n1\"\nroles = [\"validation\", \"notary\"]\nseat = 1\n");
        std::fs::write(office.at("roster.toml"), format!("{roster}{more}")).unwrap();
        office.azir(&["init", "demo", "--roster", "roster.toml"], 0);
        let open = ["incident", "open", "--class", "INC_CONSENSUS", "--severity", "SEV_3_HIGH"];
        let opened =
            office.by("ana", "OCO", &[&open[..], &["--scope", "node:n1/notary"]].concat(), 0);
        let id = opened.out.lines().next().and_then(|l| l.strip_prefix("incident ")).unwrap();
        id.clone_into(&mut office.incident);
        Some(office)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn keygen(&self, args: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let did = command.arg("-q").args(args).current_dir(&self.dir).output().unwrap();
        assert!(did.status.success(), "{did:?}");
    }

    pub(super) fn azir(&self, args: &[&str], code: i32) -> Did {
        self.azir_in(&self.dir, args, code)
    }

    fn azir_in(&self, dir: &Path, args: &[&str], code: i32) -> Did {
        let did = Did::new(command(args).current_dir(dir).output().unwrap());
        assert_eq!(did.code, code, "{args:?}: {}{}", did.out, did.err);
        did
    }

    pub(super) fn by(&self, who: &str, role: &str, words: &[&str], code: i32) -> Did {
        let actor = format!("operator:{who}");
        let author = ["--as", &actor, "--role", role, "--key", who];
        self.azir(&[words, &author].concat(), code)
    }

    pub(super) fn act(&self, who: &str, role: &str, kind: &str, body: &Value, code: i32) -> Did {
        let body = body.to_string();
        let words = ["act", kind, "--incident", &self.incident[..8], "--body", &body];
        self.by(who, role, &words, code)
    }

    /// Writes an act for signing.
    pub(super) fn draft(&self, who: &str, role: &str, kind: &str, body: &Value, out: &str) {
        let (body, actor) = (body.to_string(), format!("operator:{who}"));
        let words = ["act", kind, "--incident", &self.incident[..8], "--body", &body];
        let author = ["--as", &actor, "--role", role, "--out", out];
        self.azir(&[&words[..], &author].concat(), 0);
    }

    fn assign(&self, person: &str, role: &str, by: (&str, &str)) {
        let body = json!({"person": format!("operator:{person}"), "role": role});
        self.act(by.0, by.1, "role.assigned", &body, 0);
    }

    /// The commander, the consensus lead and the scribe are assigned, severity is declared.
    pub(super) fn staffed(&self) {
        self.assign("bogdan", "IC", ("ana", "OCO"));
        for (person, role) in [("carmen", "CL"), ("dora", "AS")] {
            self.assign(person, role, ("bogdan", "IC"));
        }
        let declared = json!({"class": "INC_CONSENSUS", "secondary": [], "severity": "SEV_3_HIGH",
            "scopes": ["node:n1/notary"], "blast": {"rank": 1, "basis": "measured"}});
        self.act("bogdan", "IC", "incident.declared", &declared, 0);
    }

    fn shown(&self) -> Value {
        self.azir(&["incident", "show", &self.incident[..8], "--json"], 0).json()["incident"].take()
    }

    /// Every entry, as `watch` tells them.
    fn log(&self) -> Vec<Value> {
        let told = self.azir(&["incident", "watch", "--once", "--json"], 0);
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn agenda(&self, more: &[&str]) -> Value {
        self.azir(&[&["do", &self.incident[..8], "--json"], more].concat(), 0).json()
    }
}

const WAIVER: &str = "evidence.settled";

fn waiver() -> Value {
    json!({"item": "logs", "state": "unavailable", "reason": "the disk is gone",
        "tried": "the backup of monday"})
}

/// A second person is another key, on another machine, for exactly this act.
#[test]
fn two_people_on_two_machines_sign_one_act_by_passing_a_file() {
    let Some(office) = Office::open("passing", "") else { return };
    office.staffed();
    let alone = office.act("bogdan", "IC", WAIVER, &waiver(), 3);
    assert!(alone.err.contains("second_person_required"), "{}", alone.err);

    office.draft("bogdan", "IC", WAIVER, &waiver(), "waive.json");
    // The other machine has the file and a key, and nothing else.
    let other = office.at("other");
    std::fs::create_dir(&other).unwrap();
    for file in ["waive.json", "dora"] {
        std::fs::copy(office.at(file), other.join(file)).unwrap();
    }
    let second = ["sign", "waive.json", "--as", "operator:dora", "--role", "AS", "--key", "dora"];
    let told = office.azir_in(&other, &second, 0).out;
    for part in ["evidence.settled", "the disk is gone", "operator:bogdan as IC", &office.incident]
    {
        assert!(told.contains(part), "{part} is not shown: {told}");
    }
    assert!(!other.join("azir-data").exists());
    let again = office.azir_in(&other, &second, 2);
    assert!(again.err.contains("waive.json.approval.json exists"), "{}", again.err);
    for file in ["waive.json.approval.json", "waive.json.approval.json.sig"] {
        std::fs::copy(other.join(file), office.at(file)).unwrap();
    }

    // Somebody acts in between: the act itself has not changed.
    office.act("ana", "OCO", "note.added", &json!({"text": "meanwhile"}), 0);
    office.azir(&["sign", "waive.json", "--key", "bogdan"], 0);
    let before = office.log().len();
    let submit = ["submit", "waive.json", "--approval", "waive.json.approval.json", "--json"];
    let done = office.azir(&submit, 0).json();
    assert_eq!(done["approvals"][0]["by"], "operator:dora");
    assert_eq!(office.log().len(), before + 2);
    assert_eq!(office.shown()["evidence"]["logs"]["settled"]["second"], "operator:dora");
    // The same again changes nothing and gives the same answer.
    let mut same = office.azir(&submit, 0).json();
    assert_eq!(same.as_object_mut().unwrap().remove("already_in_log"), Some(json!(true)));
    assert_eq!(same, done);
    assert_eq!(office.log().len(), before + 2);
}

#[test]
fn an_approval_of_another_act_is_refused_before_anything_is_submitted() {
    let Some(office) = Office::open("otheract", "") else { return };
    office.staffed();
    office.draft("bogdan", "IC", WAIVER, &waiver(), "a.json");
    let mut other = waiver();
    other["tried"] = "nothing".into();
    office.draft("bogdan", "IC", WAIVER, &other, "b.json");
    let sign = ["--as", "operator:dora", "--role", "AS", "--key", "dora"];
    office.azir(&[&["sign", "a.json", "--out", "dora.json"], &sign[..]].concat(), 0);
    office.azir(&["sign", "b.json", "--key", "bogdan"], 0);
    let before = office.log().len();
    let wrong = office.azir(&["submit", "b.json", "--approval", "dora.json"], 2);
    assert!(wrong.err.contains("no approval of b.json"), "{}", wrong.err);
    let none = office.azir(&["submit", "b.json", "--approval", "b.json"], 2);
    assert!(none.err.contains("no approval"), "{}", none.err);
    assert_eq!(office.log().len(), before, "something was submitted");
}

#[test]
fn a_deployment_at_hand_says_that_key_or_role_do_not_fit() {
    let Some(office) = Office::open("fits", "") else { return };
    office.staffed();
    office.draft("bogdan", "IC", WAIVER, &waiver(), "a.json");
    let sign = |who: &str, role: &str, key: &str, code: i32| {
        let who = format!("operator:{who}");
        let words = ["sign", "a.json", "--data", "azir-data", "--as", &who, "--role", role];
        office.azir(&[&words[..], &["--key", key]].concat(), code)
    };
    let key = sign("dora", "AS", "ana", 3);
    assert!(key.err.contains("not the key of operator:dora"), "{}", key.err);
    let role = sign("dora", "SL", "dora", 3);
    assert!(role.err.contains("does not let operator:dora act as SL"), "{}", role.err);
    assert!(!office.at("a.json.approval.json").exists());
    let fits = sign("dora", "AS", "dora", 0);
    assert!(fits.out.contains("now       DETECTED INC_CONSENSUS SEV_3_HIGH"), "{}", fits.out);
    let own = office.azir(&["sign", "a.json", "--key", "ana", "--data", "azir-data"], 3);
    assert!(own.err.contains("not the key of operator:bogdan"), "{}", own.err);
    assert!(!office.at("a.json.sig").exists());
}

#[test]
fn what_is_to_be_signed_is_shown_and_not_obeyed() {
    let Some(office) = Office::open("shown", "") else { return };
    let text = json!({"text": "all\u{1b}[2J is\u{202e} well"});
    office.draft("ana", "OCO", "note.added", &text, "note.json");
    let shown = office.azir(&["sign", "note.json"], 0).out;
    assert!(shown.contains("nothing was signed") && shown.contains("act "), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    assert!(!office.at("note.json.sig").exists());
    std::fs::write(office.at("bad.json"), "{\"schema\": 1}").unwrap();
    let bad = office.azir(&["sign", "bad.json", "--key", "ana"], 2);
    assert!(bad.err.contains("bad.json"), "{}", bad.err);
}

const SITUATION: &str = r#"
[detection]
blast_radius = "domain"
exploit_active = "yes"
finality_affected = "yes"
funds_at_risk = "no"
harm_tempo = "minutes"
evidence_quality = "strong"
[[detection.signals]]
code = "conflicting_certificates"
when = "at_detection"
"#;

/// A situation that the questionnaire reads; the signal is one that exists.
fn situation(office: &Office) {
    std::fs::write(office.at("situation.toml"), SITUATION).unwrap();
    let asked =
        Did::new(command(["advise", "situation.toml"]).current_dir(&office.dir).output().unwrap());
    if asked.code != 0 {
        let bare = SITUATION.split("[[detection.signals]]").next().unwrap();
        std::fs::write(office.at("situation.toml"), bare).unwrap();
    }
}

fn vault(office: &Office) -> usize {
    super::run::walk(&office.at("azir-data/vault")).len()
}

/// R-24.2-6: what is recorded is what the function gives; the offline check decides it again.
#[test]
fn a_decision_is_made_from_a_situation_and_recorded_with_its_input() {
    let Some(office) = Office::open("decide", "") else { return };
    office.staffed();
    situation(&office);
    let id = office.incident[..8].to_owned();
    let from = ["decide", &id, "--situation", "situation.toml"];
    let before = (vault(&office), office.log().len());
    let preview = office.azir(&[&from[..], &["--preview"]].concat(), 0).out;
    assert!(preview.contains("nothing was stored") && preview.contains("why"), "{preview}");
    // Annex C row 12: a lead declares no profile; nothing is stored for it.
    office.by("carmen", "CL", &from, 3);
    let stored = vault(&office);
    assert_eq!(stored, before.0, "a refused decision left bytes behind");
    office.azir(&from, 2);

    office.by("bogdan", "IC", &from, 0);
    let view = office.shown();
    let recorded = office.log().pop().unwrap();
    assert_eq!(recorded["type"], "decision.recorded");
    let input = recorded["body"]["input"].as_str().unwrap();
    assert_eq!(view["decision"]["input"], input);
    assert_eq!(view["profile"], view["decision"]["recommended"]);
    assert_eq!(vault(&office), before.0 + 2, "input and output are kept");
    office.azir(&["export", "bundle"], 0);
    let verified = office.azir(&["verify", "bundle", "--json"], 0).json();
    assert_eq!(verified["faults"], json!([]), "{verified:#}");
}

#[test]
fn a_decision_passed_along_is_decided_again_by_whoever_signs_it() {
    let Some(office) = Office::open("passdecision", "") else { return };
    office.staffed();
    situation(&office);
    let id = office.incident[..8].to_owned();
    let words = ["decide", &id, "--situation", "situation.toml", "--as", "operator:bogdan"];
    let author = ["--role", "IC", "--profile", "RP_PROTOCOL_RECOVERY", "--out", "d.json"];
    let above = office.azir(&[&words[..], &author].concat(), 3);
    assert!(above.err.contains("reason_required"), "{}", above.err);
    assert!(!office.at("d.json").exists());
    office.azir(&[&words[..], &author, &["--override", "the anchor is lost"]].concat(), 0);
    let second = ["sign", "d.json", "--as", "operator:carmen", "--role", "CL", "--key", "carmen"];
    let told = office.azir(&second, 0).out;
    assert!(told.contains("decided again from its input, with the same output"), "{told}");
    office.azir(&["sign", "d.json", "--key", "bogdan"], 0);
    office.azir(&["submit", "d.json", "--approval", "d.json.approval.json"], 0);
    assert_eq!(office.shown()["profile"], "RP_PROTOCOL_RECOVERY");

    let text = std::fs::read_to_string(office.at("d.json.input.json")).unwrap();
    std::fs::write(office.at("d.json.input.json"), text.replace("INC_CONSENSUS", "INC_BVM"))
        .unwrap();
    let forged = office.azir(&["sign", "d.json"], 2);
    assert!(forged.err.contains("not the input that the event names"), "{}", forged.err);
}

/// What a person says where a printed command leaves room for words.
fn filled_in(line: &str) -> String {
    let words = [
        "WHY",
        "WHO",
        "TEXT",
        "OWNER",
        "SCOPE",
        "FINDING",
        "FAMILY",
        "OTHER",
        "OUTPUT",
        "CANDIDATE",
        "ENTRY CONDITION",
        "EXIT CRITERION",
        "HOW IT WAS FOUND OUT",
        "HOW THE REST IS COVERED",
        "WHAT IT SHOWS",
        "WHAT WAS DONE",
        "WHAT WAS FOUND",
        "WHAT WAS TRIED",
        "WHY NOTHING HAS TO BE RECOVERED",
    ];
    let line = line.replace("\"HASH\"", &format!("\"{}\"", "0".repeat(64)));
    words.iter().fold(line, |line, word| {
        line.replace(&format!("\"{word}\""), &format!("\"{} as said\"", word.to_lowercase()))
    })
}

/// Runs a command that a screen printed, as a person would paste it.
fn paste(office: &Office, line: &str, key: &str) -> Did {
    let bin = Path::new(env!("CARGO_BIN_EXE_azir")).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
    let line = filled_in(line).replace("--key KEY", &format!("--key {key}"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(&office.dir).env_clear().env("PATH", path);
    Did::new(shell.stdin(Stdio::null()).output().unwrap())
}

/// Words in capitals that a person would have to fill in.
fn open_words(command: &str) -> bool {
    ["WHY", "HASH", "WHAT", "TEXT", "FILE", "SCOPE", "ENTRY", "CANDIDATE", "HOW", "OWNER"]
        .iter()
        .any(|word| command.contains(word))
}

#[test]
fn what_is_said_to_be_allowed_is_done_by_the_printed_command_and_the_rest_is_refused() {
    let Some(office) = Office::open("agenda", "") else { return };
    let (mut done, mut refused) = (Vec::new(), 0);
    for _ in 0..18 {
        let agenda = office.agenda(&[]);
        let mut next = None;
        for act in agenda["acts"].as_array().unwrap() {
            for actor in act["actors"].as_array().unwrap() {
                let line = actor["commands"][0].as_str().unwrap().to_owned();
                let key = actor["actor"].as_str().unwrap().trim_start_matches("operator:");
                let kind = act["type"].as_str().unwrap().to_owned();
                if actor["standing"] == "now" && !open_words(&line) {
                    next = next.or(Some((kind, line, key.to_owned())));
                } else if ["not_yet", "not_authorized"]
                    .contains(&actor["standing"].as_str().unwrap())
                    && done.len() == 2
                    && !line.contains("FILE")
                {
                    let did = paste(&office, &line, key);
                    assert_eq!(did.code, 3, "{line}: {}{}", did.out, did.err);
                    refused += 1;
                }
            }
        }
        let Some((kind, line, key)) = next else { break };
        let did = paste(&office, &line, &key);
        assert_eq!(did.code, 0, "{line}: {}{}", did.out, did.err);
        done.push(kind);
    }
    assert!(refused > 20, "only {refused} refusals were tried");
    for kind in ["role.assigned", "incident.declared", "runbook.bound", "state.moved"] {
        assert!(done.iter().any(|k| k == kind), "{kind} was never offered: {done:?}");
    }
    assert_ne!(office.shown()["state"], "DETECTED");
}

#[test]
fn the_screen_says_who_may_what_is_missing_and_whose_the_rest_is() {
    let Some(office) = Office::open("screen", "") else { return };
    let screen = office.azir(&["do", &office.incident[..8]], 0).out;
    let place = |part: &str| screen.find(part).unwrap_or_else(|| panic!("no {part:?}: {screen}"));
    assert!(
        place("may be done now") < place("not yet") && place("not yet") < place("acts of others")
    );
    for condition in ["declared: nobody declared", "rb: RB-CONSENSUS-001 is not bound"] {
        assert!(place(condition) > place("T-01 DETECTED to TRIAGED"), "{screen}");
    }
    assert!(!screen.contains('\u{1b}'));
    let wide: Vec<_> = screen
        .lines()
        .filter(|l| l.chars().count() > 100 && l.trim().contains(' ') && !l.contains('\''))
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");

    let reporter = office.agenda(&["--as", "operator:carmen", "--role", "CL"]);
    let declare = |agenda: &Value| {
        let acts = agenda["acts"].as_array().unwrap().clone();
        acts.into_iter().find(|a| a["type"] == "incident.declared").unwrap()
    };
    assert_eq!(declare(&reporter)["actors"][0]["standing"], "not_authorized");
    assert_eq!(declare(&office.agenda(&[]))["actors"][0]["standing"], "now");
    let nobody = office.azir(&["do", &office.incident[..8], "--as", "operator:nobody"], 2);
    assert!(nobody.err.contains("operator:ana"), "{}", nobody.err);
}

#[test]
fn what_is_overdue_stands_first_and_second_persons_are_named_by_role() {
    let targets = "[targets]\nSEV_3_HIGH = { acknowledge_ms = 0, triage_ms = 0, contain_ms = 0 }\n";
    let Some(office) = Office::open("overdue", targets) else { return };
    let agenda = office.agenda(&[]);
    assert_eq!(agenda["overdue"][0]["what"], "triage");
    let late: Vec<_> =
        agenda["acts"].as_array().unwrap().iter().map(|a| a["overdue"] == true).collect();
    assert!(late[0] && late.is_sorted_by(|a, b| a >= b), "{late:?}");
    assert!(office.azir(&["do", &office.incident[..8]], 0).out.contains("OVERDUE  triage"));

    office.staffed();
    let agenda = office.agenda(&["--as", "operator:bogdan"]);
    let acts = agenda["acts"].as_array().unwrap();
    let waive = acts.iter().find(|a| a["act"].as_str().unwrap().starts_with("waive ")).unwrap();
    assert_eq!(waive["actors"][0]["standing"], "with_second_person");
    assert_eq!(waive["actors"][0]["second"], json!([["AS"]]));
    // The printed commands are the whole way: written, signed by both, submitted.
    let before = office.log().len();
    for line in waive["actors"][0]["commands"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        let key = if line.contains("--as operator:dora") { "dora" } else { "bogdan" };
        let did = paste(&office, line, key);
        assert_eq!(did.code, 0, "{line}: {}{}", did.out, did.err);
    }
    assert_eq!(office.log().len(), before + 2);
}

#[test]
fn new_entries_are_printed_as_they_come_while_others_write() {
    let Some(office) = Office::open("watch", "") else { return };
    let all = office.log();
    assert_eq!(all[0]["type"], "log.created");
    assert_eq!(all.last().unwrap()["type"], "incident.opened");
    let since = office.azir(&["incident", "watch", "--once", "--since", "1"], 0).out;
    assert_eq!(since.lines().count(), all.len() - 1, "{since}");
    assert!(since.contains("open an incident"), "{since}");

    let next = all.len().to_string();
    let mut child = command(["incident", "watch", "--json", "--since", &next])
        .current_dir(&office.dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, told) = mpsc::channel();
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            tell.send(line).unwrap();
        }
    });
    for n in 0..2 {
        office.act("ana", "OCO", "note.added", &json!({"text": format!("note {n}")}), 0);
        let line: Value = serde_json::from_str(&told.recv().unwrap()).unwrap();
        assert_eq!(line["body"]["text"], format!("note {n}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_roster_sets_every_number_of_the_policy_and_names_what_it_does_not_know() {
    let more = "[windows]\nstab_ms = { SEV_3_HIGH = 5 }\n[leases]\nincident_ms = 61000\n";
    let Some(office) = Office::open("policy", more) else { return };
    let policy = office.log()[0]["body"]["policy"].clone();
    assert_eq!(policy["windows"]["stab_ms"]["SEV_3_HIGH"], 5);
    assert_eq!(policy["windows"]["stab_ms"]["SEV_4_CRITICAL"], 1_800_000);
    assert_eq!(policy["leases"]["incident_ms"], 61_000);
    let roster = std::fs::read_to_string(office.at("roster.toml")).unwrap();
    let lines = roster.lines().count();
    std::fs::write(office.at("wrong.toml"), format!("{roster}[dwel]\nwave_epochs = 1\n")).unwrap();
    let wrong = office.azir(&["init", "demo", "--roster", "wrong.toml", "--data", "other"], 2).err;
    assert!(wrong.contains(&format!("line {}", lines + 1)) && wrong.contains("dwel"), "{wrong}");
    assert!(!office.at("other").exists());
    let example = office.azir(&["init", "--example"], 0).out;
    assert!(example.contains("[[person]]") && example.contains("#[windows]"), "{example}");
}

#[test]
fn a_machine_acts_by_its_own_key_here_and_by_a_passed_file() {
    let dir = fresh("machine-key");
    std::fs::create_dir_all(&dir).unwrap();
    let new = |id: &str, code: i32| {
        let words = ["machine", "new", "--id", id, "--out", "n1.seed"];
        let did = Did::new(command(words).current_dir(&dir).output().unwrap());
        assert_eq!(did.code, code, "{}{}", did.out, did.err);
        did
    };
    new("operator:n1", 2);
    let told = new("agent:n1", 0).out;
    let seed = dir.join("n1.seed");
    assert_eq!(std::fs::metadata(&seed).unwrap().permissions().mode() & 0o777, 0o600);
    let held = std::fs::read_to_string(&seed).unwrap();
    assert!(!told.contains(held.trim()), "the secret was printed");
    assert!(new("agent:n1", 2).err.contains("n1.seed exists"));
    assert_eq!(std::fs::read_to_string(&seed).unwrap(), held);

    let lines = &told[told.find("[[machine]]").unwrap()..];
    let Some(office) = Office::open("machine", lines) else { return };
    std::fs::copy(&seed, office.at("n1.seed")).unwrap();
    let seen = |damage: u64| {
        json!({"node": "n1", "hard_final": {"height": 7, "block": "ab".repeat(32)},
            "conflicting_slots": 0, "conflicting_hard_final": false, "finalizing": true,
            "store_ok": true, "seats": 4, "quorum": 3, "epoch_ms": 1000, "damage": damage})
        .to_string()
    };
    let observe = |body: &str, more: &[&str], code: i32| {
        let id = &office.incident[..8];
        let words = ["act", "network.observed", "--incident", id, "--as", "agent:n1", "--body"];
        office.azir(&[&words[..], &[body], more].concat(), code)
    };
    observe(&seen(1), &["--machine-key", "n1.seed"], 0);
    assert_eq!(office.shown()["network"]["newest"]["damage"], 1);
    observe(&seen(2), &["--machine-key", "n1.seed", "--role", "OCO"], 2);
    observe(&seen(2), &["--key", "ana"], 2);
    observe(&seen(2), &["--machine-key", "ana"], 2);

    observe(&seen(3), &["--out", "seen.json"], 0);
    let person = office.azir(&["sign", "seen.json", "--key", "ana"], 2);
    assert!(person.err.contains("--machine-key"), "{}", person.err);
    office.azir(&["sign", "seen.json", "--machine-key", "n1.seed"], 0);
    office.azir(&["submit", "seen.json"], 0);
    assert_eq!(office.shown()["network"]["newest"]["damage"], 3);
}

#[test]
fn orders_that_no_gate_answered_are_told_and_written_under_the_servers_key() {
    let Some(office) = Office::open("orders", "") else { return };
    assert!(office.azir(&["orders"], 0).out.contains("no order is owed"));
    let halt = json!({"measure": "m1", "choice": "local_service_halt", "node": "n1",
        "roles": ["notary"], "reason": "two certificates"});
    office.act("ana", "OCO", "measure.commanded", &halt, 0);
    assert!(office.azir(&["orders"], 0).out.contains("close n1 notary for measure m1"));
    let written = || {
        let listed = office.azir(&["orders", "--json", "--out", "orders"], 0).json();
        assert_eq!(listed["orders"].as_array().unwrap().len(), 1);
        let file = office.dir.join(listed["files"][0].as_str().unwrap());
        serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap()
    };
    let order = written();
    let body = &order["body"];
    assert_eq!((&body["node"], &body["roles"]), (&json!("n1"), &json!(["notary"])));
    assert_eq!(body["incident"], office.incident.as_str());
    let machines = office.log()[0]["body"]["policy"]["machines"].clone();
    let server = machines.as_array().unwrap().iter().find(|m| m["id"] == "server:demo").unwrap();
    assert_eq!(order["by"], server["key"]);
    let fence = |order: &Value| order["body"]["fence"].as_u64().unwrap();
    assert!(fence(&written()) > fence(&order), "a later order has the higher fence");
}

#[test]
fn completions_and_man_pages_come_from_the_commands_themselves() {
    for shell in ["bash", "zsh", "fish"] {
        let script = super::run::azir(["completions", shell]).out;
        assert!(script.contains("azir") && script.contains("decide"), "{shell}");
    }
    let dir = fresh("man");
    let write = || Did::new(command(["man", "--out"]).arg(&dir).output().unwrap());
    assert_eq!(write().code, 0);
    assert_eq!(write().code, 0, "pages of an earlier run are replaced");
    let page = std::fs::read_to_string(dir.join("azir-incident-watch.1")).unwrap();
    assert!(
        page.contains("azir incident watch") || page.contains("azir\\-incident\\-watch"),
        "{page}"
    );
    assert!(!dir.join("azir-bench.1").exists(), "hidden commands have no page");
    std::fs::write(dir.join("azir.1"), "my notes").unwrap();
    assert_eq!(write().code, 2);
    assert_eq!(std::fs::read_to_string(dir.join("azir.1")).unwrap(), "my notes");
}

#[test]
fn an_encrypted_key_of_any_format_is_called_encrypted() {
    let Some(office) = Office::open("encrypted", "") else { return };
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(office.at("p8"), pem).unwrap();
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n";
    std::fs::write(office.at("old"), old).unwrap();
    std::fs::write(office.at("plain"), pem.replace("ENCRYPTED ", "")).unwrap();
    let note =
        ["act", "note.added", "--incident", &office.incident[..8], "--body", r#"{"text":"a"}"#];
    let by = |key: &str| {
        let author = ["--as", "operator:ana", "--role", "OCO", "--key", key];
        office.azir(&[&note[..], &author].concat(), 2).err
    };
    for key in ["p8", "old"] {
        let told = by(key);
        assert!(told.contains("encrypted") && told.contains("--out"), "{told}");
    }
    let told = by("plain");
    assert!(told.contains("another format") && !told.contains("encrypted"), "{told}");
}

#[test]
fn a_body_that_says_a_thing_twice_is_refused_with_its_place() {
    let Some(office) = Office::open("doubled", "") else { return };
    let author = ["--as", "operator:ana", "--role", "OCO", "--key", "ana"];
    let note = ["act", "note.added", "--incident", &office.incident[..8], "--body"];
    let before = office.log().len();
    let twice = [&note[..], &[r#"{"text":"all well","text":"not at all"}"#], &author].concat();
    let told = office.azir(&twice, 2).err;
    assert!(told.contains("\"text\" stands twice at line 1 column"), "{told}");
    let no_role = ["--as", "operator:ana", "--key", "ana"];
    let told = office.azir(&[&note[..], &[r#"{"text":"a"}"#], &no_role].concat(), 2).err;
    assert!(told.contains("--role"), "{told}");
    assert_eq!(office.log().len(), before);
}

/// A command waits for another process that holds the ledger, and says so when it lasts.
#[test]
fn a_held_ledger_is_waited_for_and_then_named() {
    let Some(office) = Office::open("held", "") else { return };
    let text = std::fs::read_to_string(office.at("azir-data/deployment.json")).unwrap();
    let meta: Value = serde_json::from_str(&text).unwrap();
    let ledger = office.at("azir-data/ledger");
    let held = LedgerStore::open(&ledger, meta["log"].as_str().unwrap()).unwrap();
    let waiting =
        command(["incident", "list"]).current_dir(&office.dir).stdout(Stdio::piped()).spawn();
    // Long enough for the command to meet the lock, far below the time that it waits.
    std::thread::sleep(std::time::Duration::from_millis(700));
    drop(held);
    let did = Did::new(waiting.unwrap().wait_with_output().unwrap());
    assert_eq!(did.code, 0, "{}", did.err);
    assert!(did.out.contains(&office.incident[..8]), "{}", did.out);

    let _held = LedgerStore::open(&ledger, meta["log"].as_str().unwrap()).unwrap();
    let refused = office.azir(&["incident", "list"], 5);
    assert!(refused.err.contains("azir-data/ledger"), "{}", refused.err);
}
