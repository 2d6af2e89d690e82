//! The way of an incident from its opening to its published postmortem, step by step, for whatever
//! a [`Case`] says of its class. A case may look in at every stage, to try what must be refused.

use azir_engine::postmortem::CONTENTS;
use azir_ledger::Digest;
use azir_model::evidence::{Descriptor, evidence_list_hash};
use azir_model::restart::{Criterion, criteria_digest};
use azir_model::vocab::NodeRole;
use serde_json::{Value, json};

use super::world::{DETECTOR, Nodes, SIGNING, World, person, utc};

/// A measure on own gates or own peers.
pub(crate) struct Local {
    pub(crate) name: &'static str,
    pub(crate) choice: &'static str,
    pub(crate) node: &'static str,
    pub(crate) roles: &'static [&'static str],
    pub(crate) peers: &'static [&'static str],
}

/// A measure that the protocol's own authorities put in force.
pub(crate) struct Asked {
    pub(crate) draft: &'static str,
    pub(crate) choice: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) capability: u64,
    /// Who else signs the draft.
    pub(crate) seconds: &'static [&'static str],
}

/// How the incident goes on when it is stable.
pub(crate) enum Recovery {
    /// By a plan: mode, scope, and scopes whose stores it destroys.
    Plan(&'static str, &'static str, &'static [&'static str]),
    /// Nothing has to be recovered (T-12).
    Nothing,
}

/// Where a case may look in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Declared, not confirmed.
    Triaged,
    /// Confirmed and decided, nothing commanded.
    Decided,
    /// Measures are in force.
    Contained,
    /// STABILIZED; nothing was replayed.
    Stable,
    /// Replay, checkpoint and cause are there.
    Established,
    /// The plan is carried out; every gate is closed.
    Recovering,
    /// MONITORING, everything ready for closing but the review.
    Watched,
    /// Closed; the postmortem is owed.
    Owed,
    /// Published.
    Published,
}

/// One class of incident.
pub(crate) struct Case {
    pub(crate) class: &'static str,
    pub(crate) nodes: Nodes,
    pub(crate) severity: &'static str,
    pub(crate) rank: u64,
    pub(crate) scopes: &'static [&'static str],
    /// The lead who states the cause, reviews and signs.
    pub(crate) lead: &'static str,
    pub(crate) confirmation: &'static str,
    /// The harm: channels, subjects and flags of annex D.2, and seconds of ordinary governance.
    pub(crate) channels: &'static str,
    pub(crate) subjects: &'static str,
    pub(crate) flags: &'static [&'static str],
    pub(crate) ordinary_s: u64,
    /// Choices that the decision must make.
    pub(crate) choices: &'static [&'static str],
    pub(crate) profile: &'static str,
    pub(crate) local: &'static [Local],
    pub(crate) asked: Option<Asked>,
    /// Classification word, kind, and mark of an adversary.
    pub(crate) cause: (&'static str, Option<&'static str>, Option<&'static str>),
    /// Facts that show the word, and who states the cause with the lead.
    pub(crate) shown: (&'static str, &'static [&'static str]),
    pub(crate) recovery: Recovery,
    /// Items that every plan of this class lists, with the kind of refusal when one is missing.
    pub(crate) owes: &'static [(&'static str, &'static str)],
    /// Gates that stay shut; their measures go to a person as a follow-up.
    pub(crate) left: &'static [&'static str],
    pub(crate) look: fn(&mut World, &Case, At),
}

impl Case {
    pub(crate) fn critical(&self) -> bool {
        self.severity >= "SEV_4"
    }

    /// Gates that the measures of this case close, in the order in which they come back.
    fn gates(&self) -> Vec<String> {
        let mut gates = Vec::new();
        for role in ["rpc", "validation", "verifier", "proposer", "notary", "agent"] {
            for local in self.local.iter().filter(|l| l.roles.contains(&role)) {
                gates.push(format!("{}/{role}", local.node));
            }
        }
        gates
    }
}

/// The whole walk; gives the world at its end and what the verification counted.
pub(crate) fn whole(case: &Case) -> Option<(World, Value)> {
    let world = World::open(case.class, case.nodes)?;
    Some(from(world, case))
}

/// The whole walk in a deployment without incident.
pub(crate) fn from(mut world: World, case: &Case) -> (World, Value) {
    let w = &mut world;
    opened(w, case);
    triaged(w, case);
    (case.look)(w, case, At::Triaged);
    confirmed(w, case);
    decided(w, case);
    (case.look)(w, case, At::Decided);
    contained(w, case);
    (case.look)(w, case, At::Contained);
    w.observe(0);
    w.go("IC", "STABILIZED");
    (case.look)(w, case, At::Stable);
    established(w, case);
    (case.look)(w, case, At::Established);
    recovered(w, case);
    watched(w, case);
    (case.look)(w, case, At::Watched);
    closed(w, case);
    (case.look)(w, case, At::Owed);
    published(w, case, case.cause.1);
    (case.look)(w, case, At::Published);
    let told = w.verified();
    assert!(told["rules"]["decisions_decided_again"].as_u64() > Some(0), "{told:#}");
    assert!(w.calm || told["rules"]["refused_attempts"].as_u64() > Some(8), "{told:#}");
    (world, told)
}

/// Opened by the on-call operator.
pub(crate) fn opened(w: &mut World, case: &Case) {
    let mut words = vec!["incident", "open", "--class", case.class, "--severity", case.severity];
    for scope in case.scopes {
        words.extend(["--scope", scope]);
    }
    words.extend(["--as", "operator:ana", "--role", "OCO", "--key", "ana"]);
    let told = w.ok(&words);
    told["incident"].as_str().unwrap().clone_into(&mut w.incident);
    w.observe(1);
}

/// Roles, runbook, declaration.
pub(crate) fn triaged(w: &mut World, case: &Case) {
    for role in ["IC", "CL", "SL", "GL", "RO", "AS", "EL"] {
        let by = if role == "IC" { "OCO" } else { "IC" };
        let body = json!({"person": format!("operator:{}", person(role)), "role": role});
        w.act(by, "role.assigned", &body);
        w.act(role, "role.accepted", &json!({"role": role}));
    }
    let class = case.class.parse().unwrap();
    let runbook = json!(azir_model::class::runbook(class));
    let listed = w.log()[0]["body"]["runbooks"].as_array().unwrap().clone();
    let bound = listed.iter().rfind(|r| r["id"] == runbook).unwrap();
    w.act("OCO", "runbook.bound", bound);
    w.act("OCO", "incident.declared", &declaration(case));
    w.go("OCO", "TRIAGED");
}

/// Class, severity, scope and blast radius, as declared.
pub(crate) fn declaration(case: &Case) -> Value {
    json!({"class": case.class, "secondary": [], "severity": case.severity,
        "scopes": case.scopes, "blast": {"rank": case.rank, "basis": "measured"}})
}

/// Everything that is marked for pinning is pinned; a detector verifies what confirms the class.
fn confirmed(w: &mut World, case: &Case) {
    let class: azir_model::IncidentClass = case.class.parse().unwrap();
    let own = w.ok(&["incident", "show", &w.incident])["pins_missing"].take();
    for item in own.as_array().unwrap() {
        let item = item.as_str().unwrap();
        w.evidence(item, format!("{item} of {class}").as_bytes(), false);
    }
    let object = w.keep(&format!("what shows {}", case.confirmation));
    let body = json!({"kind": case.confirmation, "object": object});
    w.refused(case.lead, "confirmation.verified", &body, &[("evidence_unverified", "word")]);
    w.act(DETECTOR, "confirmation.verified", &body);
    // What the class asks for beside the general list is due once it is confirmed.
    w.go(case.lead_or_oco(), "CONFIRMED");
}

impl Case {
    fn lead_or_oco(&self) -> &'static str {
        let class = self.class.parse().unwrap();
        let lead = azir_model::class::leads(class, None)[0];
        if lead == azir_model::Role::OnCallOperator { "OCO" } else { self.lead }
    }

    /// The input of annex D.2.
    pub(crate) fn input(&self) -> Value {
        let channels: Value = serde_json::from_str(self.channels).unwrap();
        let subjects: Value = serde_json::from_str(self.subjects).unwrap();
        json!({"version": 1,
            "incident": {"classes": [self.class], "severity": self.severity,
                "blast_rank": self.rank, "flags": self.flags, "grade": "proven"},
            "channels": channels,
            "chain": {"height": 100, "finalizing": true, "finality_s": 6, "seats": 7, "quorum": 5,
                "counting": 7, "subjects": subjects},
            "paths": {"owner": {"delay_s": 0}, "ordinary": {"delay_s": self.ordinary_s},
                "expedited": {"delay_s": 16}, "emergency": {"delay_s": 4, "expiry_max_s": 1200,
                    "network": true},
                "restart": {"delay_s": 3600}},
            "local": {"gates_reachable": true, "close_s": 1, "automatic": true,
                "decision_s": 120}})
    }
}

/// The decision function is asked, and its answer recorded.
pub(crate) fn decided(w: &mut World, case: &Case) {
    let file = w.file("input.json");
    std::fs::write(w.at(&file), case.input().to_string()).unwrap();
    let id = w.incident.clone();
    let preview = w.ok(&["decide", &id, "--input", &file, "--preview"]);
    assert_eq!(preview["body"]["profile"], case.profile, "{preview:#}");
    assert_eq!(preview["advice"]["containment"], json!(case.choices), "{preview:#}");
    let words = ["decide", &id, "--input", &file, "--accept-residual"];
    let author = ["--as", "operator:bogdan", "--role", "IC", "--key", "bogdan"];
    w.ok(&[&words[..], &author].concat());
    if case.choices == ["observe_only"] {
        assert_eq!(w.shown()["decision"]["observe_only"], true);
    }
}

/// The body that commands a measure.
pub(crate) fn command(local: &Local) -> Value {
    let mut body = json!({"measure": local.name, "choice": local.choice, "node": local.node,
        "reason": "own acts would add to the harm"});
    if !local.roles.is_empty() {
        body["roles"] = json!(local.roles);
    }
    if !local.peers.is_empty() {
        body["peers"] = json!(local.peers);
    }
    body
}

/// Local measures are commanded, obeyed by the gates and stated; the protocol's are drafted, and
/// observed when its authorities have put them in force.
fn contained(w: &mut World, case: &Case) {
    w.go("IC", "CONTAINING");
    for local in case.local {
        w.act("OCO", "measure.commanded", &command(local));
    }
    let refused = w.carry_orders();
    assert!(refused.is_empty(), "{refused:?}");
    for local in case.local.iter().filter(|l| !l.peers.is_empty()) {
        let agent = format!("agent:{}", local.node);
        w.act(&agent, "measure.acknowledged", &json!({"measure": local.name}));
    }
    if let Some(asked) = &case.asked {
        let object = w.keep(&draft_text(asked));
        let body = draft(asked, &object);
        w.seconded("GL", "draft.made", &body, asked.seconds);
        let list = [restriction(w, asked)];
        w.restrictions(&list);
    }
    for gate in case.gates() {
        assert!(!w.signs(&gate, b"while contained"), "{gate} signs on");
    }
}

fn draft_text(asked: &Asked) -> String {
    format!("{} on {}", asked.choice, asked.scope)
}

/// The body that drafts what is asked for.
pub(crate) fn draft(asked: &Asked, object: &str) -> Value {
    let mut body = json!({"draft": asked.draft, "object": object});
    if matches!(asked.draft, "protocol_measure" | "emergency_restriction") {
        body["measure"] = json!({"choice": asked.choice, "scope": asked.scope, "expiry_s": 900,
            "review_s": 600});
    }
    if asked.draft == "emergency_restriction" {
        body["justification"] = json!({"normal_path_insufficient": "80006 s against 300 s",
            "scope_minimal": "no narrower candidate stops every charge",
            "expected_expiry": "15 minutes", "review": "the liaison by height 900",
            "expiry_s": 900});
    }
    body
}

/// The finalized object that the draft became.
pub(crate) fn restriction(w: &World, asked: &Asked) -> Value {
    json!({"object": Digest::of(draft_text(asked).as_bytes()), "choice": asked.choice,
        "scope": asked.scope, "capability": asked.capability, "since": 110, "expiry": 90_000,
        "cites": w.incident})
}

/// The report of a replay in two implementations.
pub(crate) fn replay(w: &mut World, case: &Case, verdict: &str) -> Value {
    let report = w.keep(&format!("replay report: {verdict}"));
    let in_force: Vec<_> = case.asked.iter().map(|a| restriction(w, a)["object"].clone()).collect();
    let checkpoint = json!({"height": 100, "block": Digest::of(b"trusted")});
    json!({"report": report, "verdict": verdict, "families": ["azref", "second"],
        "checkpoint": checkpoint, "branches": 2, "restrictions": in_force})
}

/// The statement of the cause.
pub(crate) fn cause(case: &Case, evidence: &str) -> Value {
    let (finding, kind, adversarial) = case.cause;
    let mut body = json!({"candidates": [finding, "a display fault"],
        "excluded": [{"candidate": "a display fault", "evidence": evidence}],
        "finding": finding, "statement": "what remains is fixed or covered by a measure"});
    if let Some(kind) = kind {
        body["kind"] = json!(kind);
    }
    if let Some(adversarial) = adversarial {
        body["adversarial"] = json!(adversarial);
    }
    body
}

/// Replay, trusted checkpoint by two, cause, receipts for what a plan destroys.
fn established(w: &mut World, case: &Case) {
    let replay = replay(w, case, "match");
    w.act("RO", "replay.reported", &replay);
    let pin = json!({"checkpoint": replay["checkpoint"], "report": replay["report"]});
    w.refused("IC", "checkpoint.pinned", &pin, &[("second_person_required", "")]);
    w.seconded("IC", "checkpoint.pinned", &pin, &["CL"]);
    let report = replay["report"].as_str().unwrap();
    let mut body = cause(case, report);
    let (facts, seconds) = case.shown;
    let facts: Value = serde_json::from_str(facts).unwrap();
    if facts != json!({}) {
        w.refused(case.lead, "cause.stated", &body, &[("evidence_unverified", "is unknown")]);
        w.act("IC", "reading.stated", &json!({"facts": facts, "basis": report}));
    }
    // What a program or an object is wrong in is named, and what mends it.
    let patched = ["INC_VALIDATION", "INC_BVM"].contains(&case.class);
    if patched {
        body["fix"] = json!({"release": w.keep("release manifest, two builders")});
    }
    let claims = w.shown()["evidence"]["claims"]["held"].take();
    let second = w.keep("answer of the second implementation");
    let mut both = [json!(report), json!(second)];
    both.sort_by_key(ToString::to_string);
    let finding = body["finding"].clone();
    let of = |d: &Value| json!({"object": d["hash"], "finding": finding, "proofs": both});
    if case.class == "INC_WITNESS_PROOF" {
        body["objects"] = claims.as_array().unwrap().iter().map(of).collect();
    }
    w.seconded(case.lead, "cause.stated", &body, seconds);
    if let Recovery::Plan(_, _, destroys) = case.recovery {
        for scope in destroys {
            preserve(w, scope);
        }
    }
}

/// A preservation receipt over what is held of a scope: refused before everything that is marked
/// for pinning is pinned, also what only a confirmed class asks for.
fn preserve(w: &mut World, scope: &str) {
    let open = w.ok(&["incident", "show", &w.incident])["pins_missing"].take();
    let open = open.as_array().unwrap().clone();
    if !open.is_empty() {
        let early = receipt(w, scope);
        let why = [("evidence_missing", "not pinned yet")];
        w.refused("agent:n1", "evidence.preserved", &early, &why);
    }
    for item in &open {
        let item = item.as_str().unwrap();
        w.evidence(item, format!("{item}, before anything is rebuilt").as_bytes(), false);
    }
    let body = receipt(w, scope);
    w.act("agent:n1", "evidence.preserved", &body);
}

fn receipt(w: &World, scope: &str) -> Value {
    let shown = w.shown();
    let items = shown["evidence"].as_object().unwrap().values();
    let held = items.flat_map(|r| r["held"].as_array().unwrap().clone());
    let held: Vec<Descriptor> =
        held.filter(|d| d["source"] == scope).map(|d| serde_json::from_value(d).unwrap()).collect();
    let items = evidence_list_hash(&held).unwrap();
    json!({"scope": scope, "items": items})
}

/// The plan of a case.
pub(crate) fn plan(case: &Case) -> Value {
    let Recovery::Plan(mode, scope, destroys) = case.recovery else { panic!("no plan") };
    let gates = case.gates();
    let back: Vec<_> = gates.iter().filter(|g| !case.left.contains(&g.as_str())).collect();
    let mut exits = vec!["roots_equal"];
    exits.extend((mode == "RM_LOCAL_REBUILD").then_some(COMPARED));
    exits.extend(case.owes.iter().map(|(_, item)| *item));
    json!({"mode": mode, "scope": scope, "entry": "the finalized path is verified",
        "outputs": ["state_rebuilt"], "exits": exits, "destroys": destroys,
        "subsystems": back})
}

/// By a plan with its phases, or by the statement that nothing has to be recovered.
fn recovered(w: &mut World, case: &Case) {
    let report = w.keep("recovery report: every root equal");
    if let Recovery::Nothing = case.recovery {
        let body = json!({"done": false, "statement": "no state was touched", "report": report});
        w.act("IC", "recovery.recorded", &body);
        w.go("IC", "MONITORING");
        (case.look)(w, case, At::Recovering);
        gates_back(w, case);
        ended(w, case);
        return;
    }
    let plan = plan(case);
    for (kind, item) in case.owes {
        let mut lacking = plan.clone();
        lacking["exits"] = json!(["roots_equal"]);
        w.refused("RO", "recovery.planned", &lacking, &[(kind, item)]);
    }
    let event = w.act("RO", "recovery.planned", &plan);
    w.refused("RO", "recovery.approved", &json!({"plan": event}), &[("not_authorized", "RO")]);
    w.act("IC", "recovery.approved", &json!({"plan": event}));
    w.go("IC", "RECOVERING");
    (case.look)(w, case, At::Recovering);
    lifted(w, case);
    gates_back(w, case);
    let items = ["outputs", "exits"].map(|part| plan[part].as_array().unwrap().clone());
    for item in items.concat() {
        let proof = if item == COMPARED { compared(w) } else { report.clone() };
        w.act("RO", "recovery.produced", &json!({"item": item, "proof": proof}));
    }
    ended(w, case);
    let body = json!({"done": true, "statement": "the gates are back", "report": report});
    w.act("IC", "recovery.recorded", &body);
    w.go("IC", "MONITORING");
}

/// Exit criterion of a rebuild (annex J.1).
const COMPARED: &str = "reference_roots_equal";

/// The root of the tip as certificate, rebuilt store and two peers have it; a peer that lies stops
/// the exit.
fn compared(w: &mut World) -> String {
    let root = Digest::of(b"root");
    let mut said = json!({"at": w.tip(), "certificate": root, "own": root,
        "references": {"peer-1": root, "peer-2": Digest::of(b"lie")}});
    let lie = w.keep(&said.to_string());
    let body = json!({"item": COMPARED, "proof": lie});
    w.refused("RO", "recovery.produced", &body, &[("replay_mismatch", "peer-2 has root")]);
    said["references"]["peer-2"] = json!(root);
    w.keep(&said.to_string())
}

/// The lift is drafted, and the protocol measure is seen to have ended.
fn lifted(w: &mut World, case: &Case) {
    let Some(asked) = &case.asked else { return };
    let name = format!("{} on {}", asked.choice, asked.scope);
    let said = json!({"measure": name, "reason": "it is over"});
    w.refused("IC", "measure.released", &said, &[("not_finalized", "")]);
    let done = json!({"done": true, "statement": "over", "report": Digest::of(b"x")});
    w.refused("IC", "recovery.recorded", &done, &[("guard_unmet", "still in force")]);
    w.refused("IC", "state.moved", &w.moving("MONITORING"), &[("guard_unmet", "exit: ")]);
    let object = w.keep(&format!("lift of {}", asked.scope));
    let measure = json!({"choice": asked.choice, "scope": asked.scope});
    let body = json!({"draft": "lift", "object": object, "measure": measure});
    w.seconded("GL", "draft.made", &body, &["IC"]);
    w.height += 20;
    w.restrictions(&[]);
}

/// Every gate that the measures closed comes back, in order of its phase.
fn gates_back(w: &mut World, case: &Case) {
    for gate in case.gates() {
        if case.left.contains(&gate.as_str()) {
            continue;
        }
        if gate.ends_with("/agent") {
            authorised_anew(w, case, &gate);
        }
        restart(w, case, &gate);
        let refused = w.carry_orders();
        assert!(refused.is_empty(), "{refused:?}");
        assert!(w.signs(&gate, format!("after the restart of {gate}").as_bytes()), "{gate}");
    }
}

/// Phase 7 waits for the principal's new authorisation in finalized state (R-19.2-7).
fn authorised_anew(w: &mut World, case: &Case, gate: &str) {
    let proof = w.keep("approvals of the runbook");
    let rc6 = criterion(gate, "rc6", &proof);
    w.refused("IC", "criterion.signed", &rc6, &[("criteria_unmet", "rc6: the mandate")]);
    w.observe(0);
    let height = w.tip()["height"].as_u64().unwrap();
    let names = case.scopes.iter().filter_map(|s| s.strip_prefix("mandate:"));
    let mandates: Vec<_> = names
        .map(|name| {
            json!({"mandate": name, "object": Digest::of(b"new authorisation"),
                "since": height - 1, "mode": "active"})
        })
        .collect();
    let seen = json!({"node": "n1", "hard_final": w.tip(), "verified": "cryptographic",
        "mandates": mandates});
    w.machine("agent:n1", "mandates.observed", &seen);
}

/// Node and role, as restart events name them.
pub(crate) fn subsystem(gate: &str) -> Value {
    let (node, role) = gate.split_once('/').unwrap();
    json!({"node": node, "role": role})
}

/// One criterion of a gate, satisfied by this proof.
pub(crate) fn criterion(gate: &str, name: &str, proof: &str) -> Value {
    json!({"subsystem": subsystem(gate), "criterion": name,
        "state": {"state": "satisfied", "proof": proof, "summary": "shown"}})
}

/// Who signs a criterion in this case.
pub(crate) fn signer(case: &Case, criterion: &str) -> &'static str {
    match criterion {
        "rc1" => case.lead,
        "rc2" | "rc6" => "IC",
        "rc3" => "CL",
        "rc4" => "GL",
        "rc5" => "SL",
        _ => "agent:n1",
    }
}

/// Signs rc1 to rc7; gives their digest.
pub(crate) fn criteria(w: &mut World, case: &Case, gate: &str) -> Digest {
    let dossier = w.keep("what the criteria rest on");
    let in_force = w.keep(&serde_json::to_string(&in_force(w, case)).unwrap());
    let mut signed = Vec::new();
    for criterion_id in Criterion::ALL {
        let name = criterion_id.as_str();
        let proof = if name == "rc4" { &in_force } else { &dossier };
        let body = criterion(gate, name, proof);
        let event = w.act(signer(case, name), "criterion.signed", &body);
        signed.push((*criterion_id, event.parse().unwrap()));
    }
    criteria_digest(&signed)
}

/// The restrictions in force now, in the form in which rc4 acknowledges them.
fn in_force(w: &World, case: &Case) -> Value {
    let lasting = matches!(case.recovery, Recovery::Nothing);
    json!(case.asked.iter().filter(|_| lasting).map(|a| restriction(w, a)).collect::<Vec<_>>())
}

/// The decision that restarts a gate on these criteria.
pub(crate) fn decision(w: &World, gate: &str, criteria: Digest) -> Value {
    let role: NodeRole = gate.split_once('/').unwrap().1.parse().unwrap();
    json!({"subsystem": subsystem(gate), "key": w.key(gate), "phase": role.phase(),
        "criteria": criteria, "decided_at": utc()})
}

/// Criteria, decision, and the phase carried out.
pub(crate) fn restart(w: &mut World, case: &Case, gate: &str) {
    let event = decide_restart(w, case, gate);
    let body = json!({"subsystem": subsystem(gate), "decision": event});
    w.act("RO", "phase.carried", &body);
}

/// Criteria and decision, with the co-signature that a notary needs; gives the event.
pub(crate) fn decide_restart(w: &mut World, case: &Case, gate: &str) -> String {
    let criteria = criteria(w, case, gate);
    let body = decision(w, gate, criteria);
    if gate.ends_with("/notary") {
        return w.seconded("IC", "restart.decided", &body, &["CL"]);
    }
    if gate.ends_with("/agent") {
        return w.seconded("IC", "restart.decided", &body, &["EL"]);
    }
    w.act("IC", "restart.decided", &body)
}

/// Measures end: those whose gates are back are released, the others are handed over.
fn ended(w: &World, case: &Case) {
    let over = |name: &str| {
        json!({"measure": name, "owner": "operator:horia",
        "text": "stays until the follow-up is done"})
    };
    for local in case.local {
        let shut = |role: &&str| case.left.contains(&format!("{}/{role}", local.node).as_str());
        if local.roles.iter().any(shut) {
            let body = json!({"measure": local.name, "reason": "enough"});
            w.refused("IC", "measure.released", &body, &[("measure_active", "still closed")]);
            w.act("IC", "measure.handed_over", &over(local.name));
        } else {
            let body = json!({"measure": local.name, "reason": "its gates are back"});
            w.act("IC", "measure.released", &body);
        }
    }
    if let (Some(asked), Recovery::Nothing) = (&case.asked, &case.recovery) {
        let name = format!("{} on {}", asked.choice, asked.scope);
        let object = restriction(w, asked)["object"].clone();
        let body = json!({"measure": name, "object": object, "text": "until it is replaced"});
        w.act("IC", "measure.handed_over", &body);
    }
}

/// The window passes; what the checklist still owes gets its end state.
pub(crate) fn watched(w: &mut World, case: &Case) {
    w.observe(0);
    w.refused("IC", "state.moved", &w.moving("CLOSED"), &[("guard_unmet", "evidence: ")]);
    settle(w);
    if case.class == "INC_KEY_COMPROMISE" {
        let why = [("guard_unmet", "evidence: missing published assessment")];
        w.refused("IC", "state.moved", &w.moving("CLOSED"), &why);
        let body = json!({"scopes": case.scopes, "reason": "what the key could reach",
            "blast": {"rank": case.rank, "basis": "measured"},
            "assessed": {"from": 1, "to": w.height, "evidence": []}});
        w.act("IC", "scope.changed", &body);
    }
}

const KEY_TIMELINE: &str =
    r#"{"uses":[{"at":"2026-01-02T03:04:05.678Z","what":"a vote nobody asked for"}]}"#;

/// Each open item of the checklist is collected, or does not apply where that may be.
pub(crate) fn settle(w: &mut World) {
    let id = w.incident.clone();
    let listed = w.ok(&["evidence", "list", &id]);
    for row in listed["items"].as_array().unwrap() {
        if row["state"] != "open" {
            continue;
        }
        let item = row["item"].as_str().unwrap();
        let parsed: azir_model::evidence::Item = item.parse().unwrap();
        if parsed.row().qualified {
            let body = json!({"item": item, "state": "not_applicable", "reason": "none was sent"});
            w.act("OCO", "evidence.settled", &body);
        } else {
            let text = match item {
                "key_timeline" => KEY_TIMELINE.to_owned(),
                _ => format!("{item}, collected"),
            };
            w.evidence(item, text.as_bytes(), true);
        }
    }
    let listed = w.ok(&["evidence", "list", &id]);
    let open = listed["items"].as_array().unwrap().iter().filter(|r| r["state"] == "open");
    assert_eq!(open.count(), 0, "{listed:#}");
}

/// Reviewed by the lead, closed by the commander with the lead's signature.
pub(crate) fn closed(w: &mut World, case: &Case) {
    let review = json!({"finding": "evidence complete, nothing held back"});
    if case.severity >= "SEV_3" {
        let early = w.moving("CLOSED");
        w.refused("IC", "state.moved", &early, &[("guard_unmet", "review: ")]);
        w.refused("IC", "review.signed", &review, &[("role_conflict", "cannot review")]);
        w.act(case.lead, "review.signed", &review);
        w.seconded("IC", "state.moved", &early, &[case.lead]);
    } else {
        w.go("IC", "CLOSED");
    }
    let owed = if case.critical() { "POSTMORTEM_PENDING" } else { "CLOSED" };
    assert_eq!(w.state(), owed);
    if !case.critical() {
        let mut body = w.moving("POSTMORTEM_PENDING");
        body["due"] = json!(utc().plus_ms(86_400_000));
        w.act("IC", "state.moved", &body);
    }
}

/// The postmortem as people complete the draft.
pub(crate) fn written(w: &mut World, case: &Case, kind: Option<&str>) -> Value {
    let file = w.file("draft.json");
    let id = w.incident.clone();
    w.ok(&["postmortem", "draft", &id, "--out", &file]);
    let mut doc: Value = serde_json::from_slice(&std::fs::read(w.at(&file)).unwrap()).unwrap();
    for text in doc["contents"].as_object_mut().unwrap().values_mut() {
        if text == "" {
            *text = json!("none, because every control held");
        }
    }
    doc["kinds"] = json!(kind.into_iter().collect::<Vec<_>>());
    doc["every_control_held"] = json!(kind.is_none());
    let owner = format!("operator:{}", person(case.lead));
    doc["fixes"] = json!([{"what": "replace what failed", "owner": owner,
        "due": utc().plus_ms(86_400_000), "state": "open", "reference": "follow-up 7"}]);
    let questions = ["new_vector", "vector_insufficient", "implementations_differ"];
    let answer = |q| json!({"question": q, "answer": false, "reason": "none covered it"});
    doc["conformance"] = json!(questions.map(answer));
    doc
}

/// A document as a file.
fn saved(w: &mut World, doc: &Value) -> String {
    let file = w.file("postmortem.json");
    std::fs::write(w.at(&file), format!("{doc:#}\n")).unwrap();
    file
}

/// Drafted from the log, completed, and published by three signatures.
pub(crate) fn published(w: &mut World, case: &Case, kind: Option<&str>) {
    let mut doc = written(w, case, kind);
    let id = w.incident.clone();
    let author = ["--as", "operator:bogdan", "--role", "IC"];
    if !w.calm {
        let whole = doc["contents"].clone();
        for text in doc["contents"].as_object_mut().unwrap().values_mut() {
            *text = json!("  ");
        }
        let file = saved(w, &doc);
        let check = w.run(&["postmortem", "check", &file, "--json"]);
        assert_eq!((check.code, check.json()["complete"].as_bool()), (3, Some(false)));
        let parts: Vec<_> =
            (1..).zip(CONTENTS).map(|(n, p)| format!("{n}: {p} is empty")).collect();
        let why: Vec<_> = parts.iter().map(|p| ("postmortem_incomplete", p.as_str())).collect();
        w.unchanged(&why, "a postmortem with empty parts", |w| {
            let publish = ["postmortem", "publish", &id, &file, "--key", "bogdan", "--json"];
            w.run(&[&publish[..], &author].concat())
        });
        doc["contents"] = whole;
    }
    let file = saved(w, &doc);
    assert_eq!(w.ok(&["postmortem", "check", &file])["complete"], true);
    let act = w.file("publish.json");
    let publish = ["postmortem", "publish", &id, &file, "--out", &act];
    w.ok(&[&publish[..], &author].concat());
    let (submit, _) = w.passed_on(&act, "IC", &["AS", case.lead]);
    w.ok(&submit.iter().map(String::as_str).collect::<Vec<_>>());
    w.go("IC", "POSTMORTEM_PUBLISHED");
    w.refused("IC", "state.moved", &w.moving("TRIAGED"), &[("illegal_transition", "")]);
}

/// The signing roles of one node.
pub(crate) const fn signing(name: &'static str, node: &'static str) -> Local {
    Local { name, choice: "local_service_halt", node, roles: &SIGNING, peers: &[] }
}
