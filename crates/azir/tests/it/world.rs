//! A deployment of nine people and two nodes, moved from outside: every act of a person or machine
//! is one run of the real binary. Its gates are the production gates, in this process; they are fed
//! with the files that `azir orders` writes, and what they state goes back into the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use azir_gate::{
    BadRequest, Config, Gate, IntegrityFacts, Intent, IntentKind, Keys, MemoryAudit, MemoryDurable,
    Now, Ports, Protocol, Provision, provision,
};
use azir_ledger::{Digest, MachineKey, Timestamp};
use azir_model::Refusal;
use azir_model::directive::{
    BlockPoint, Lease, LeaseKind, Sealable as _, Signed, SignedDirective, SignedLease,
};
use azir_model::policy::Policy;
use azir_model::restart::RestartFile;
use serde_json::{Value, json};

use super::run::{Did, command, fresh, walk};

/// Who holds which role in every incident.
pub(crate) const PEOPLE: [(&str, &str); 9] = [
    ("ana", "OCO"),
    ("bogdan", "IC"),
    ("carmen", "CL"),
    ("dan", "SL"),
    ("elena", "GL"),
    ("florin", "RO"),
    ("gabi", "AS"),
    ("horia", "EL"),
    ("ioana", "REP"),
];
/// The machine that detects and verifies.
pub(crate) const DETECTOR: &str = "detector:watch";
/// Roles that sign, in the order in which they come back.
pub(crate) const SIGNING: [&str; 3] = ["verifier", "proposer", "notary"];
/// Targets that nobody can keep.
const MISSED: &str =
    "[targets]\nSEV_3_HIGH = { acknowledge_ms = 0, triage_ms = 0, contain_ms = 0 }\n";
/// Numbers of the policy: dwell and windows at the least that is legal, long lease periods.
const NUMBERS: &str = r#"
[windows.stab_ms]
SEV_3_HIGH = 1
SEV_4_CRITICAL = 1
[windows.mon_ms]
SEV_2_MEDIUM = 1
SEV_3_HIGH = 1
SEV_4_CRITICAL = 1
[dwell]
epochs = [1, 1, 1, 1, 1, 1]
wave_epochs = 1
[leases]
incident_ms = 3600000
incident_renew_ms = 1800000
"#;

/// The person of a role.
pub(crate) fn person(role: &str) -> &'static str {
    PEOPLE.iter().find(|(_, r)| *r == role).unwrap_or_else(|| panic!("nobody is {role}")).0
}

/// Milliseconds of this machine's clock, which the binary reads too.
pub(crate) fn utc() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

/// The seed behind its mark.
fn digits(text: &str) -> [u8; 32] {
    let mark = azir_model::evidence::MACHINE_SEED_MARK;
    text.strip_prefix(mark).unwrap().parse::<Digest>().unwrap().0
}

/// The file of a machine's seed.
fn seed(id: &str) -> String {
    format!("{}.seed", id.replace([':', '/'], "-"))
}

/// Node and role of a gate's name.
fn parts(gate: &str) -> (&str, &str) {
    gate.split_once('/').unwrap()
}

/// Signs whatever is asked, one message a slot: what the network's objects are is not tested here.
struct Anything;

impl Protocol for Anything {
    fn interpret(&self, request: &[u8]) -> Result<Intent, BadRequest> {
        let slot = request.len() as u64;
        let kind = IntentKind::new("vote")?;
        Ok(Intent { kind, slot, domain: None, message: [b"vote ", request].concat() })
    }
}

/// One production gate, and whether its last statement called it open.
struct Slot {
    gate: Gate<MemoryDurable>,
    told: Option<bool>,
}

/// A deployment before any incident: every gate open under a standing lease.
struct Site {
    dir: PathBuf,
    leases: Vec<(String, Vec<u8>)>,
}

/// A deployment with at most one incident that is walked.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    /// Id of the incident; empty before it is opened.
    pub(crate) incident: String,
    /// Hard-final height of the next observation.
    pub(crate) height: u64,
    /// Length of an epoch as n1 observes it, in milliseconds.
    pub(crate) epoch_ms: u64,
    /// Nothing is tried that would be refused.
    pub(crate) calm: bool,
    gates: BTreeMap<String, Slot>,
    mono: u64,
    files: u32,
}

/// Which gates a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// Both nodes sign.
    Both,
    /// Only n1 signs.
    One,
    /// Only n1 signs, and runs agents.
    Agents,
    /// Only n1 signs, and the targets of SEV_3 are missed at once.
    Late,
}

static BOTH: LazyLock<Option<Site>> = LazyLock::new(|| site(Nodes::Both));
static ONE: LazyLock<Option<Site>> = LazyLock::new(|| site(Nodes::One));
static AGENTS: LazyLock<Option<Site>> = LazyLock::new(|| site(Nodes::Agents));
static LATE: LazyLock<Option<Site>> = LazyLock::new(|| site(Nodes::Late));

fn site(nodes: Nodes) -> Option<Site> {
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        return None;
    }
    let mut world = World::bare(fresh("site"));
    std::fs::create_dir_all(&world.dir).unwrap();
    let mut roster = String::from("class = \"serious\"\n");
    for (person, role) in PEOPLE {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", person, "-f", person]);
        assert!(keygen.current_dir(&world.dir).status().unwrap().success());
        let key = std::fs::read_to_string(world.at(&format!("{person}.pub"))).unwrap();
        let key = key.trim();
        roster.push_str(&format!(
            "[[person]]\nid = \"operator:{person}\"\nkey = \"{key}\"\nroles = [\"{role}\"]\n"
        ));
    }
    let all = ["rpc", "validation", "verifier", "proposer", "notary"];
    let held = |node: &str| match (node, nodes) {
        ("n1", Nodes::Agents) => [&all[..], &["agent"]].concat(),
        ("n1", _) | (_, Nodes::Both) => all.to_vec(),
        (_, Nodes::One | Nodes::Agents | Nodes::Late) => all[..2].to_vec(),
    };
    let mut machines = vec![DETECTOR.to_owned()];
    for (seat, node) in ["n1", "n2"].into_iter().enumerate() {
        let roles = held(node);
        let seat =
            if roles.contains(&"notary") { format!("seat = {seat}\n") } else { String::new() };
        roster.push_str(&format!("[[node]]\nnode = \"{node}\"\nroles = {roles:?}\n{seat}"));
        machines.push(format!("agent:{node}"));
        machines.extend(roles.iter().map(|role| format!("gate:{node}/{role}")));
    }
    for id in machines {
        let told = world.ok(&["machine", "new", "--id", &id, "--out", &seed(&id)]);
        roster.push_str(&format!("[[machine]]\nid = \"{id}\"\nkey = {}\n", told["key"]));
    }
    roster.push_str(NUMBERS);
    roster.push_str(if nodes == Nodes::Late { MISSED } else { "" });
    std::fs::write(world.at("roster.toml"), roster).unwrap();
    world.ok(&["init", "demo", "--roster", "roster.toml"]);
    world.boot();
    world.machine("agent:n1", "network.observed", &world.seen(0));
    world.restrictions(&[]);
    world.state_changed();
    let leases = world.orders();
    world.obey(&leases);
    world.state_changed();
    assert!(world.gates.values().all(|s| s.told == Some(true)), "a gate did not open");
    Some(Site { dir: world.dir, leases })
}

impl World {
    fn bare(dir: PathBuf) -> Self {
        let gates = BTreeMap::new();
        let incident = String::new();
        Self { dir, incident, height: 100, epoch_ms: 1, calm: false, gates, mono: 0, files: 0 }
    }

    /// A fresh copy of the site. None, said aloud, where `ssh-keygen` is absent.
    pub(crate) fn open(name: &str, nodes: Nodes) -> Option<Self> {
        let site = match nodes {
            Nodes::Both => &*BOTH,
            Nodes::One => &*ONE,
            Nodes::Agents => &*AGENTS,
            Nodes::Late => &*LATE,
        };
        let Some(site) = site else {
            eprintln!("skipped: {name}, no ssh-keygen on this machine");
            return None;
        };
        let mut world = Self::bare(fresh(name));
        copy(&site.dir, &world.dir);
        world.height += 20;
        world.boot();
        // As the site's gates did: the same leases, so that numbers go on from there.
        world.obey(&site.leases);
        for slot in world.gates.values_mut() {
            assert!(slot.gate.statement(now(&mut world.mono)).body.latch.is_empty());
            slot.told = Some(true);
        }
        Some(world)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The binary in this directory.
    pub(crate) fn run(&self, args: &[&str]) -> Did {
        Did::new(command(args).current_dir(&self.dir).output().unwrap())
    }

    /// The binary, which must do as asked; its answer.
    pub(crate) fn ok(&self, args: &[&str]) -> Value {
        let did = self.run(&[args, &["--json"]].concat());
        assert_eq!(did.code, 0, "{args:?}: {}{}", did.out, did.err);
        did.json()
    }

    /// A name for a file that does not exist yet.
    pub(crate) fn file(&mut self, name: &str) -> String {
        self.files += 1;
        format!("{:03}-{name}", self.files)
    }

    /// Who acts: a person by role, or a machine by id.
    fn author(who: &str) -> Vec<String> {
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect();
        if who.contains(':') {
            return words(&["--as", who, "--machine-key", &seed(who)]);
        }
        let name = person(who);
        words(&["--as", &format!("operator:{name}"), "--role", who, "--key", name])
    }

    fn words<'a>(&'a self, kind: &'a str, body: &'a str, about: bool) -> Vec<&'a str> {
        let mut words = vec!["act", kind, "--body", body];
        if about && !self.incident.is_empty() {
            words.extend(["--incident", &self.incident]);
        }
        words
    }

    /// An act that is refused or done.
    pub(crate) fn try_act(&self, who: &str, kind: &str, body: &Value, about: bool) -> Did {
        let (body, author) = (body.to_string(), Self::author(who));
        let author: Vec<&str> = author.iter().map(String::as_str).collect();
        self.run(&[&self.words(kind, &body, about)[..], &author, &["--json"]].concat())
    }

    /// An act about the incident, done; gives the event's hash.
    pub(crate) fn act(&self, who: &str, kind: &str, body: &Value) -> String {
        self.done(who, kind, body, true)
    }

    /// An act about the log as a whole.
    pub(crate) fn machine(&self, who: &str, kind: &str, body: &Value) -> String {
        self.done(who, kind, body, false)
    }

    fn done(&self, who: &str, kind: &str, body: &Value, about: bool) -> String {
        let did = self.try_act(who, kind, body, about);
        assert_eq!(did.code, 0, "{who} {kind} {body}: {}{}", did.out, did.err);
        did.json()["event"].as_str().unwrap().to_owned()
    }

    /// An act that must be refused with each of these kinds and texts, and changes nothing.
    pub(crate) fn refused(&self, who: &str, kind: &str, body: &Value, why: &[(&str, &str)]) {
        if self.calm {
            return;
        }
        let about = !matches!(kind, "restrictions.observed" | "mandates.observed" | "key.revoked");
        let what = format!("{who} {kind} {body}");
        self.unchanged(why, &what, |w| w.try_act(who, kind, body, about));
    }

    /// A command that must be refused with each of these kinds and texts, and changes nothing.
    pub(crate) fn unchanged(
        &self,
        why: &[(&str, &str)],
        what: &str,
        doing: impl FnOnce(&Self) -> Did,
    ) {
        let before = self.standing();
        let did = doing(self);
        self.judged(&did, why, what);
        assert_eq!(self.standing(), before, "refused, and the incident changed: {what}");
    }

    /// Exit code 3, each of these kinds with its text, and a remedy.
    pub(crate) fn judged(&self, did: &Did, why: &[(&str, &str)], what: &str) {
        assert_eq!(did.code, 3, "{what}: {}{}", did.out, did.err);
        let told: Value = serde_json::from_str(&did.err).unwrap();
        let text = told["error"].as_str().unwrap();
        for (kind, part) in why {
            let named =
                text.lines().any(|l| l.starts_with(&format!("{kind}: ")) && l.contains(part));
            assert!(named, "{what}: no {kind} with {part:?} in:\n{text}");
        }
        assert!(text.lines().all(|line| line.contains("; ")), "no remedy: {text}");
    }

    /// The incident, but for the record of refused attempts and of its entries.
    pub(crate) fn standing(&self) -> Value {
        if self.incident.is_empty() {
            return Value::Null;
        }
        let mut shown = self.shown();
        shown["attempts"].take();
        shown["entries"].take();
        shown
    }

    /// Everything the log says of the incident.
    pub(crate) fn shown(&self) -> Value {
        self.ok(&["incident", "show", &self.incident])["incident"].take()
    }

    pub(crate) fn state(&self) -> String {
        self.shown()["state"].as_str().unwrap().to_owned()
    }

    /// An act with the signatures of second persons, passed on as files.
    pub(crate) fn seconded(
        &mut self,
        who: &str,
        kind: &str,
        body: &Value,
        seconds: &[&str],
    ) -> String {
        let (submit, _) = self.signed_by(who, kind, body, seconds);
        let words: Vec<&str> = submit.iter().map(String::as_str).collect();
        self.ok(&words)["event"].as_str().unwrap().to_owned()
    }

    /// Writes and signs an act and its approvals; gives the words that submit it, and the
    /// approvals.
    pub(crate) fn signed_by(
        &mut self,
        who: &str,
        kind: &str,
        body: &Value,
        seconds: &[&str],
    ) -> (Vec<String>, Vec<String>) {
        let (file, body) = (self.file("act.json"), body.to_string());
        let actor = format!("operator:{}", person(who));
        let author = ["--as", &actor, "--role", who, "--out", &file];
        self.ok(&[&self.words(kind, &body, true)[..], &author].concat());
        self.passed_on(&file, who, seconds)
    }

    /// Signs a written act as its author and as second persons, passed from one to another.
    pub(crate) fn passed_on(
        &self,
        file: &str,
        who: &str,
        seconds: &[&str],
    ) -> (Vec<String>, Vec<String>) {
        self.ok(&["sign", file, "--key", person(who)]);
        let mut submit = vec!["submit".to_owned(), file.to_owned()];
        let mut approvals = Vec::new();
        for role in seconds {
            let (key, out) = (person(role), format!("{file}.{role}.json"));
            let actor = format!("operator:{key}");
            self.ok(&["sign", file, "--as", &actor, "--role", role, "--key", key, "--out", &out]);
            submit.extend(["--approval".to_owned(), out.clone()]);
            approvals.push(out);
        }
        (submit, approvals)
    }

    /// Moves the incident.
    pub(crate) fn go(&self, who: &str, to: &str) {
        self.act(who, "state.moved", &self.moving(to));
        assert_eq!(self.state(), to);
    }

    /// The body of a move from where the incident is.
    pub(crate) fn moving(&self, to: &str) -> Value {
        json!({"from": self.state(), "to": to})
    }

    /// Puts evidence into the vault and the log, as the agent of n1; gives the content's hash.
    pub(crate) fn evidence(&mut self, item: &str, text: &[u8], collected: bool) -> String {
        let file = self.file(item);
        std::fs::write(self.at(&file), text).unwrap();
        let author = Self::author("agent:n1");
        let author: Vec<&str> = author.iter().map(String::as_str).collect();
        let add = ["evidence", "add", "--incident", &self.incident, "--item", item];
        let scope = ["--scope", "node:n1", &file];
        let how: &[&str] = if collected { &["--collected"] } else { &[] };
        let told = self.ok(&[&add[..], &scope, how, &author].concat());
        told["pieces"][0]["hash"].as_str().unwrap().to_owned()
    }

    /// Content that an act will name, in the vault; gives its hash.
    pub(crate) fn keep(&mut self, text: &str) -> String {
        let file = self.file("kept");
        std::fs::write(self.at(&file), text).unwrap();
        let told = self.ok(&["evidence", "keep", &file]);
        told["pieces"][0]["hash"].as_str().unwrap().to_owned()
    }

    /// What n1 sees of a network that finalizes, twenty blocks on.
    fn seen(&self, damage: u64) -> Value {
        json!({"node": "n1", "hard_final": self.tip(), "conflicting_slots": 0,
            "conflicting_hard_final": false, "finalizing": true, "store_ok": true, "seats": 7,
            "quorum": 5, "epoch_ms": self.epoch_ms, "damage": damage})
    }

    /// The hard-final tip.
    pub(crate) fn tip(&self) -> Value {
        json!({"height": self.height, "block": Digest::of(b"tip")})
    }

    /// n1 observes the network.
    pub(crate) fn observe(&mut self, damage: u64) {
        self.height += 20;
        self.act("agent:n1", "network.observed", &self.seen(damage));
    }

    /// The facts of the derived public status of this kind.
    pub(crate) fn status(&self, kind: &str) -> Vec<Value> {
        let told = self.ok(&["status"]);
        let found = told.get("facts").or_else(|| told["status"].get("facts"));
        let facts = found.unwrap().as_array().unwrap().iter();
        facts.filter(|fact| fact["kind"] == kind).cloned().collect()
    }

    /// The body of what is in force at the tip.
    pub(crate) fn in_force(&self, verified: &str, list: &[Value]) -> Value {
        json!({"node": "n1", "hard_final": self.tip(), "verified": verified, "in_force": list})
    }

    /// n1 observes what is in force in finalized state.
    pub(crate) fn restrictions(&self, list: &[Value]) {
        let body = self.in_force("cryptographic", list);
        self.machine("agent:n1", "restrictions.observed", &body);
    }

    // ----- gates -----

    fn policy(&self) -> Policy {
        let told = self.run(&["incident", "watch", "--once", "--json"]);
        let first: Value = serde_json::from_str(told.out.lines().next().unwrap()).unwrap();
        serde_json::from_value(first["body"]["policy"].clone()).unwrap()
    }

    /// Every entry, as `watch` tells them.
    pub(crate) fn log(&self) -> Vec<Value> {
        let told = self.run(&["incident", "watch", "--once", "--json"]);
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn boot(&mut self) {
        let policy = self.policy();
        for node in &policy.nodes {
            for role in &node.roles {
                let name = format!("{}/{role}", node.node);
                let gate = self.new_gate(&name, &policy);
                self.gates.insert(name, Slot { gate, told: None });
            }
        }
    }

    /// The gate of this name with an empty disk, which has not said or seen anything.
    fn new_gate(&mut self, name: &str, policy: &Policy) -> Gate<MemoryDurable> {
        let text = std::fs::read(self.at("azir-data/deployment.json")).unwrap();
        let deployment: Value = serde_json::from_slice(&text).unwrap();
        let (node, role) = parts(name);
        let config = Config {
            log: deployment["log"].as_str().unwrap().to_owned(),
            mode: "live".to_owned(),
            node: node.to_owned(),
            role: role.parse().unwrap(),
            policy: policy.clone(),
            facts_max_age_ms: u64::MAX,
        };
        let hex = std::fs::read_to_string(self.at(&seed(&format!("gate:{name}")))).unwrap();
        let identity = MachineKey::from_seed(digits(&hex));
        let guarded = MachineKey::from_seed(Digest::of(format!("guarded {name}").as_bytes()).0);
        let keys = Keys { role: guarded, identity };
        let mut disk = MemoryDurable::new();
        provision(&mut disk, &config, &keys, Provision::NewKey).unwrap();
        let ports = Ports { protocol: Box::new(Anything), audit: Box::new(MemoryAudit::new()) };
        let mut gate = Gate::boot(config, keys, ports, disk, now(&mut self.mono));
        gate.report_facts(now(&mut self.mono), IntegrityFacts::all_true(None));
        gate
    }

    /// The key that a gate guards.
    pub(crate) fn key(&self, gate: &str) -> String {
        self.gates[gate].gate.key().to_string()
    }

    /// True when the gate signs.
    pub(crate) fn signs(&mut self, gate: &str, request: &[u8]) -> bool {
        let now = now(&mut self.mono);
        self.gates.get_mut(gate).unwrap().gate.sign(now, request).is_ok()
    }

    /// The node learns that the key of this gate is stolen.
    pub(crate) fn compromised(&mut self, gate: &str) {
        let now = now(&mut self.mono);
        let gate = &mut self.gates.get_mut(gate).unwrap().gate;
        let key = gate.key();
        gate.mark_compromised(now, key);
    }

    /// What a gate of an empty disk whose binary is in no accepted release says to a lease.
    pub(crate) fn unreleased(&mut self, gate: &str, lease: &[u8]) -> Refusal {
        let policy = self.policy();
        let mut fresh = self.new_gate(gate, &policy);
        let facts = IntegrityFacts { binary: false, ..IntegrityFacts::all_true(None) };
        fresh.report_facts(now(&mut self.mono), facts);
        let file = LeaseFile::read(lease);
        let now = now(&mut self.mono);
        fresh.install_lease(now, &file.lease, file.restart.as_ref(), &[]).unwrap_err()
    }

    /// What a latched gate says to a lease that the server's own key signed past every rule: no
    /// restart decision stands behind it.
    pub(crate) fn forced(&mut self, gate: &str) -> Refusal {
        let hex = std::fs::read_to_string(self.at("azir-data/keys/server.seed")).unwrap();
        let server = MachineKey::from_seed(digits(&hex));
        let (node, role) = parts(gate);
        let now = now(&mut self.mono);
        let held = &mut self.gates.get_mut(gate).unwrap().gate;
        let said = held.statement(now).body;
        let kind = LeaseKind::Incident;
        let body = Lease {
            schema: Lease::SCHEMA.to_owned(),
            log: said.log,
            mode: said.mode,
            node: node.to_owned(),
            role: role.parse().unwrap(),
            key: said.key,
            fence: u64::try_from(now.utc.ms()).unwrap(),
            kind,
            not_after_ms: kind.ms_max(),
            checkpoint: said.seen_log.unwrap(),
            trusted: BlockPoint { height: 0, block: Digest([0; 32]) },
            restart_decision: None,
        };
        let lease = Signed::seal(body, &server).unwrap();
        held.install_lease(now, &lease, None, &[]).unwrap_err()
    }

    /// The files that `azir orders` writes now, by name.
    pub(crate) fn orders(&mut self) -> Vec<(String, Vec<u8>)> {
        let out = self.file("orders");
        let told = self.ok(&["orders", "--out", &out]);
        let files = told["files"].as_array().unwrap().iter();
        let read = |file: &Value| {
            let path = file.as_str().unwrap();
            let name = Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(self.at(path)).unwrap())
        };
        files.map(read).collect()
    }

    /// Gives order files to the gates that they address; gives what was refused, by gate.
    pub(crate) fn obey(&mut self, orders: &[(String, Vec<u8>)]) -> BTreeMap<String, Refusal> {
        let mut refused = BTreeMap::new();
        for (name, bytes) in orders {
            if name.starts_with("close-") {
                let order = SignedDirective::from_bytes(bytes).unwrap();
                for role in &order.body.roles {
                    let name = format!("{}/{role}", order.body.node);
                    let now = now(&mut self.mono);
                    let done = self.gates.get_mut(&name).unwrap().gate.obey(now, &order);
                    refused.extend(done.err().map(|refusal| (name, refusal)));
                }
                continue;
            }
            let file = LeaseFile::read(bytes);
            let name = format!("{}/{}", file.lease.body.node, file.lease.body.role);
            let now = now(&mut self.mono);
            let gate = &mut self.gates.get_mut(&name).unwrap().gate;
            let done =
                gate.install_lease(now, &file.lease, file.restart.as_ref(), &file.consistency);
            refused.extend(done.err().map(|refusal| (name, refusal)));
        }
        refused
    }

    /// True when the gate that a lease file addresses is open.
    fn is_open(&self, lease: &[u8]) -> bool {
        let body = LeaseFile::read(lease).lease.body;
        self.gates[&format!("{}/{}", body.node, body.role)].told == Some(true)
    }

    /// Gates that opened or closed since their last statement state it, by the agent of their node.
    pub(crate) fn state_changed(&mut self) {
        let names: Vec<String> = self.gates.keys().cloned().collect();
        for name in names {
            let now = now(&mut self.mono);
            let slot = self.gates.get_mut(&name).unwrap();
            let statement = slot.gate.statement(now);
            let open = !statement.body.gate.is_closed();
            if slot.told == Some(open) {
                continue;
            }
            slot.told = Some(open);
            let agent = format!("agent:{}", parts(&name).0);
            self.act(&agent, "gate.stated", &json!({"statement": statement}));
        }
    }

    /// Orders are carried to the nodes, obeyed and stated; gives what was refused. Gates that are
    /// open need no new lease yet: one that is not followed by a statement would make the next
    /// consistency proof begin at a size that the gate has left behind.
    pub(crate) fn carry_orders(&mut self) -> BTreeMap<String, Refusal> {
        let mut orders = self.orders();
        orders.retain(|(name, bytes)| name.starts_with("close-") || !self.is_open(bytes));
        let refused = self.obey(&orders);
        self.state_changed();
        refused
    }

    /// Exports the log and verifies the bundle: nothing is found, and everything is decided again.
    pub(crate) fn verified(&mut self) -> Value {
        let bundle = self.file("bundle");
        self.ok(&["export", &bundle]);
        let told = self.ok(&["verify", &bundle]);
        assert_eq!(told["faults"], json!([]), "{told:#}");
        assert_eq!(told["clean"], true);
        assert_eq!(told["rules"]["events_admitted"], told["rules"]["views"]);
        told
    }
}

/// Copies a directory with everything below it.
pub(crate) fn copy(from: &Path, to: &Path) {
    for name in walk(from) {
        let target = to.join(&name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&name), target).unwrap();
    }
}

/// A moment of a gate: its own clock counts calls, so nothing depends on how fast tests run.
fn now(mono: &mut u64) -> Now {
    *mono += 1;
    Now { mono_ms: *mono, utc: utc() }
}

/// What `azir orders` writes for a lease.
struct LeaseFile {
    lease: SignedLease,
    consistency: Vec<Digest>,
    restart: Option<RestartFile>,
}

impl LeaseFile {
    fn read(bytes: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(value["schema"], "azir.lease-file/1");
        let get = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
        Self {
            lease: serde_json::from_value(get("lease")).unwrap(),
            consistency: serde_json::from_value(get("consistency")).unwrap(),
            restart: serde_json::from_value(get("restart")).unwrap(),
        }
    }
}
