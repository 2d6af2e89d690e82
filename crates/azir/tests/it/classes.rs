//! Each of the eleven classes through the real binary, from `azir incident open` to its published
//! postmortem or its legal end, with the anti-patterns of section 40 attempted where they belong.

use azir_model::RefusalKind;
use serde_json::{Value, json};

use super::cases::{
    AGENT, BVM, CONSENSUS, ECONOMIC, GOVERNANCE, INFRASTRUCTURE, KEY, OBSERVABILITY, SUPPLY_CHAIN,
    VALIDATION, WITNESS,
};
use super::walk::{
    Asked, At, Case, cause, criterion, decide_restart, decided, decision, declaration, draft,
    opened, plan, published, replay, restart, restriction, settle, signing, subsystem, triaged,
    whole, written,
};
use super::world::{DETECTOR, Nodes, World};

/// The kinds of a gate's refusal, with what it says.
fn gate_says(refusal: &azir_model::Refusal, kind: RefusalKind, what: &str) {
    let said = refusal.unmet().iter().any(|u| u.kind == kind && u.what.contains(what));
    assert!(said, "no {kind} with {what:?} in {refusal}");
}

pub(crate) fn in_consensus(w: &mut World, case: &Case, at: At) {
    match at {
        At::Stable => {
            // Anti-pattern 1: destroying stores before they are preserved.
            let why = [("destructive_before_preserve", "node:n1 has no preservation receipt")];
            w.refused("RO", "recovery.planned", &plan(case), &why);
            // Anti-pattern 5: authority back before replay, by a criterion, a decision, a lease.
            let proof = w.keep("it looks well");
            let rc3 = criterion("n1/notary", "rc3", &proof);
            let why = [("criteria_unmet", "rc3: no matching replay report")];
            w.refused("CL", "criterion.signed", &rc3, &why);
            let none = azir_model::restart::criteria_digest(&[]);
            let body = decision(w, "n1/notary", none);
            let why = [("criteria_unmet", "no criterion of n1/notary is signed")];
            w.refused("IC", "restart.decided", &body, &why);
            let forced = w.forced("n1/notary");
            gate_says(&forced, RefusalKind::CriteriaUnmet, "no restart decision");
            assert!(!w.signs("n1/notary", b"before replay"));
            // One own gate that is open is no frozen output.
            let alone = json!({"report": proof, "verdict": "match", "families": ["azref"],
                "checkpoint": {"height": 100, "block": azir_ledger::Digest::of(b"trusted")},
                "branches": 2, "restrictions": []});
            let why = [("replay_mismatch", "1 independent implementation")];
            w.refused("RO", "replay.reported", &alone, &why);
        }
        At::Recovering => {
            let event = decide_restart(w, case, "n1/notary");
            let body = json!({"subsystem": subsystem("n1/notary"), "decision": event});
            let why = [("phase_order", "n1/verifier is closed")];
            w.refused("RO", "phase.carried", &body, &why);
            // What is printed to be copied names the key that the gate guards.
            let id = w.incident.clone();
            let screen = w.run(&["do", &id, "--json"]).out;
            assert!(screen.contains(&w.key("n1/verifier")), "{screen}");
            // The second seat waits until the canary has dwelt an epoch.
            restart(w, case, "n1/verifier");
            assert!(w.carry_orders().is_empty());
            w.epoch_ms = 3_600_000;
            w.observe(0);
            let event = decide_restart(w, case, "n2/verifier");
            let body = json!({"subsystem": subsystem("n2/verifier"), "decision": event});
            w.refused("RO", "phase.carried", &body, &[("phase_order", "canary n1 dwelt 0 of 1")]);
            w.epoch_ms = 1;
            w.observe(0);
        }
        At::Triaged | At::Decided | At::Contained | At::Established => {}
        At::Watched | At::Owed | At::Published => {}
    }
}

/// R-40.0-5, R-9.2-1, R-30.2-3, R-5.2-2, R-5.2-4, R-33.1-1, R-33.1-2: two own seats through a
/// branch reset; stores are preserved before they go, authority comes back seat by seat and only
/// after a matching replay, nobody closes without evidence and another's review, and a postmortem
/// with empty parts is refused.
#[test]
fn consensus_from_opening_to_postmortem() {
    let Some((_, told)) = whole(&CONSENSUS) else { return };
    assert!(told["rules"]["restarts"].as_u64() >= Some(7), "{told:#}");
    assert!(told["rules"]["refused_attempts"].as_u64() > Some(8), "{told:#}");
}

pub(crate) fn in_validation(w: &mut World, case: &Case, at: At) {
    match at {
        At::Stable => {
            // Anti-pattern 8: every display is green, and the replay differs.
            let diverged = replay(w, case, "diverged");
            w.act("RO", "replay.reported", &diverged);
            w.observe(0);
            let shown = w.shown();
            assert_eq!(shown["network"]["newest"]["damage"], 0);
            assert_eq!(shown["replay"]["verdict"], "diverged");
            let proof = w.keep("the dashboard is green");
            let mut rc3 = criterion("n1/verifier", "rc3", &proof);
            rc3["state"] = json!({"state": "looks_fine", "summary": "everything is green"});
            w.refused("CL", "criterion.signed", &rc3, &[("invalid_schema", "looks_fine")]);
            w.act("CL", "note.added", &json!({"text": "seems fine"}));
            let rc3 = criterion("n1/verifier", "rc3", &proof);
            let why = [("criteria_unmet", "rc3: no matching replay report")];
            w.refused("CL", "criterion.signed", &rc3, &why);
            let pin = json!({"checkpoint": diverged["checkpoint"], "report": diverged["report"]});
            w.refused("IC", "checkpoint.pinned", &pin, &[("checkpoint_untrusted", "not match")]);
        }
        At::Recovering => {
            // Anti-pattern 2: a binary that is in no accepted release.
            restart(w, case, "n1/verifier");
            let orders = w.orders();
            let lease = orders.iter().find(|(name, _)| name.starts_with("lease-n1-verifier"));
            let said = w.unreleased("n1/verifier", &lease.unwrap().1);
            gate_says(&said, RefusalKind::CriteriaUnmet, "integrity: fact binary is false");
            let refused = w.carry_orders();
            assert!(refused.is_empty(), "{refused:?}");
        }
        At::Triaged | At::Decided | At::Contained | At::Established => {}
        At::Watched | At::Owed | At::Published => {}
    }
}

/// R-40.0-8, R-29.2-1: no display, note or free text replaces a matching replay, neither for a
/// criterion nor for the trusted checkpoint; a binary of no accepted release opens no gate.
#[test]
fn validation_from_opening_to_postmortem() {
    whole(&VALIDATION);
}

pub(crate) fn in_bvm(w: &mut World, case: &Case, at: At) {
    match at {
        At::Triaged => {
            // One person is not two, whatever the person signs.
            let waiver = json!({"item": "logs", "state": "unavailable",
                "reason": "the disk is gone", "tried": "the backup of monday"});
            let none = json!({"item": "logs", "state": "not_applicable", "reason": "none"});
            w.refused("IC", "evidence.settled", &none, &[("evidence_missing", "always applies")]);
            w.refused("IC", "evidence.settled", &waiver, &[("second_person_required", "")]);
            let (alone, own) = w.signed_by("IC", "evidence.settled", &waiver, &["IC"]);
            w.ok(&["submit", &own[0]]);
            let before = w.standing();
            let words: Vec<&str> = alone[..2].iter().map(String::as_str).collect();
            let did = w.run(&[&words[..], &["--json"]].concat());
            let why = [("second_person_required", "operator:bogdan approved as IC, needed is AS")];
            w.judged(&did, &why, "a waiver by one person twice");
            assert_eq!(w.standing(), before);
            w.seconded("IC", "evidence.settled", &waiver, &["AS"]);
        }
        At::Decided => {
            // Anti-pattern 4: containment is overdue, and nothing asks for the cause.
            assert!(w.shown()["cause"].is_null());
            let id = w.incident.clone();
            let overdue = w.ok(&["do", &id])["overdue"].take();
            let late = overdue.as_array().unwrap().iter().any(|o| o["what"] == "contain");
            assert!(late, "{overdue:#}");
        }
        At::Owed => {
            let doc = written(w, case, case.cause.1);
            let failures = doc["failures"].as_array().unwrap();
            let told = failures.iter().any(|f| f.as_str().unwrap().contains("logs was waived"));
            assert!(told, "{failures:?}");
        }
        At::Contained | At::Stable | At::Established | At::Recovering => {}
        At::Watched | At::Published => {}
    }
}

/// R-40.0-4, R-10.1-9: measures are commanded while the cause is unknown and the target has passed;
/// an item ends without content only by two people, and the postmortem tells it as a failure.
#[test]
fn bvm_from_opening_to_postmortem() {
    whole(&BVM);
}

/// The body that publishes a status.
fn status(operator: &str, network: &str, text: &str) -> Value {
    json!({"operator": operator, "network": network, "text": text})
}

pub(crate) fn in_witness(w: &mut World, case: &Case, at: At) {
    let asked = case.asked.as_ref().unwrap();
    match at {
        At::Decided => {
            // Anti-pattern 6: labels come from what is in force.
            let said = w.in_force("asserted", &[restriction(w, asked)]);
            let why = [("label_unproven", "assertion")];
            w.refused("agent:n1", "restrictions.observed", &said, &why);
            let proven = w.in_force("cryptographic", &[restriction(w, asked)]);
            w.refused("IC", "restrictions.observed", &proven, &[("not_authorized", "")]);
            assert!(w.status(asked.choice).is_empty());
        }
        At::Contained => {
            let facts = w.status(asked.choice);
            let fact = &facts[0];
            assert_eq!((&fact["label"], facts.len()), (&json!("protocol_active"), 1), "{facts:?}");
            assert_eq!(fact["proof"], restriction(w, asked)["object"]);
            assert_eq!((&fact["operator"], &fact["network"]), (&json!(true), &json!(true)));
            let halts = w.status("local_service_halt");
            assert_eq!(halts[0]["label"], "local_only");
            w.observe(0);
            let veiled = status("scoped_halt", "safe_mode", "under maintenance");
            w.refused("IC", "status.published", &veiled, &[("status_unproven", "maintenance")]);
        }
        At::Recovering => {
            w.observe(0);
            assert_eq!(w.status("recovering").len(), 1);
            for better in ["healthy", "recovery_in_progress", "safe_mode"] {
                let body = status(better, "safe_mode", "all well");
                let why = [("status_unproven", "operator axis")];
                w.refused("IC", "status.published", &body, &why);
            }
            let said = status("scoped_halt", "safe_mode", "own roles stopped");
            w.act("IC", "status.published", &said);
        }
        At::Watched => {
            let gone = w.status(asked.choice);
            assert!(gone.is_empty() && w.status("local_service_halt").is_empty(), "{gone:?}");
        }
        At::Triaged | At::Stable | At::Established | At::Owed | At::Published => {}
    }
}

/// R-11.3-2, R-31.1-7, R-31.2-3: a label and a status are what finalized state and gates show, with
/// their proofs; they come and go with it, whatever anybody says.
#[test]
fn witness_from_opening_to_postmortem() {
    whole(&WITNESS);
}

pub(crate) fn in_economic(w: &mut World, case: &Case, at: At) {
    let asked = case.asked.as_ref().unwrap();
    if at == At::Decided {
        // Anti-pattern 7: an emergency without end.
        let object = w.keep("an emergency without end");
        let mut body = draft(asked, &object);
        body["justification"].as_object_mut().unwrap().remove("expiry_s");
        let why = [("expiry_required", "no expiry"), ("second_person_required", "")];
        w.refused("GL", "draft.made", &body, &why);
        body["justification"] = json!({"normal_path_insufficient": "", "scope_minimal": "",
            "expected_expiry": "", "review": "", "expiry_s": 900});
        w.refused("GL", "draft.made", &body, &[("justification_incomplete", "")]);
        let mut wide = draft(asked, &object);
        wide["measure"]["scope"] = json!("network:all");
        w.refused("GL", "draft.made", &wide, &[("scope_too_broad", "network:all")]);
    }
    if at == At::Published {
        // One that nobody here drafted is an incident of its own.
        w.height += 20;
        let strange = Asked { scope: "feature:f1", ..*asked };
        w.restrictions(&[restriction(w, &strange)]);
        let listed = w.ok(&["incident", "list"]);
        let own = listed["incidents"].as_array().unwrap().iter();
        let governance: Vec<_> = own.filter(|i| i["class"] == "INC_GOVERNANCE").collect();
        assert_eq!(governance.len(), 1, "{listed:#}");
    }
}

/// R-40.0-7: no emergency is drafted without expiry, and one that was drafted by nobody here opens
/// a governance incident; the drafted one is ended by normalization.
#[test]
fn economic_from_opening_to_postmortem() {
    whole(&ECONOMIC);
}

/// R-19.2-7: the agent gate comes back last, under the principal's new authorisation.
#[test]
fn agent_from_opening_to_postmortem() {
    let Some((w, _)) = whole(&AGENT) else { return };
    assert!(w.shown()["measures"]["agent-n1"]["released"].is_object());
}

pub(crate) fn in_governance(w: &mut World, _case: &Case, at: At) {
    if at != At::Decided {
        return;
    }
    let proof = w.keep("recomputed: the review period was skipped");
    let body = json!({"node": "n1", "hard_final": w.tip(), "verified": "cryptographic",
        "path": "gov-path:ordinary", "verdict": "anomalous", "proof": proof});
    w.machine("agent:n1", "governance.observed", &body);
    let bad = Asked {
        draft: "protocol_measure",
        choice: "issuer_committee_quarantine",
        scope: "gov-actor:a1",
        capability: 4,
        seconds: &[],
    };
    w.refused("GL", "draft.made", &draft(&bad, &proof), &[("scope_too_broad", "no candidate")]);
}

#[test]
fn governance_from_opening_to_postmortem() {
    whole(&GOVERNANCE);
}

pub(crate) fn in_key(w: &mut World, case: &Case, at: At) {
    match at {
        At::Contained => {
            // A revoked key signs nothing any more.
            let note = json!({"text": "still here"});
            w.act("REP", "note.added", &note);
            let revoked = json!({"actor": "operator:ioana", "reason": "her laptop is stolen"});
            let incident = std::mem::take(&mut w.incident);
            w.seconded("SL", "key.revoked", &revoked, &["IC"]);
            w.incident = incident;
            w.refused("REP", "note.added", &note, &[("key_revoked", "operator:ioana")]);
        }
        At::Watched => {
            // Anti-pattern 9: every criterion is signed, and the gate knows that its key is stolen.
            w.compromised("n1/notary");
            restart(w, case, "n1/notary");
            let refused = w.carry_orders();
            gate_says(&refused["n1/notary"], RefusalKind::KeyRevoked, "compromised");
            assert!(!w.signs("n1/notary", b"with a stolen key"));
        }
        At::Recovering => {
            let why =
                [("measure_active", "still held: halt-n1, hold-key, issuer_committee_quarantine")];
            w.refused("IC", "state.moved", &w.moving("CLOSED"), &why);
        }
        At::Triaged | At::Decided | At::Stable | At::Established => {}
        At::Owed | At::Published => {}
    }
}

/// R-40.0-9, R-5.1-8: a stolen key opens no gate whatever is signed, a revoked person signs
/// nothing, no incident closes while it holds something, and what must stay is handed over to the
/// object that holds it.
#[test]
fn key_compromise_from_opening_to_postmortem() {
    whole(&KEY);
}

pub(crate) fn in_infrastructure(w: &mut World, _case: &Case, at: At) {
    match at {
        At::Decided => {
            // Anti-pattern 3: the network for a local fault.
            let object = w.keep("stop everything");
            let panic = Asked {
                draft: "emergency_restriction",
                choice: "emergency_restriction",
                scope: "network:all",
                capability: 4,
                seconds: &[],
            };
            let why = [("scope_too_broad", "own_origin"), ("escalation_not_justified", "X1: ")];
            w.refused("GL", "draft.made", &draft(&panic, &object), &why);
        }
        At::Contained => {
            // Anti-pattern 6: a reduction and a halt stay two entries, each with its own label.
            let measures = w.shown()["measures"].take();
            assert_eq!(measures["shed"]["choice"], "local_degraded_mode");
            assert_eq!(measures["halt"]["choice"], "local_service_halt");
            let wrong = json!({"measure": "more", "choice": "local_degraded_mode", "node": "n1",
                "roles": ["validation"], "reason": "to be sure"});
            w.refused("OCO", "measure.commanded", &wrong, &[("guard_unmet", "degraded: ")]);
            // What is wrong on an own node is no state of the network.
            w.observe(0);
            let body = json!({"operator": "scoped_halt", "network": "scoped_halt",
                "text": "the network is halted", "reason": "to be safe"});
            let why = [("status_unproven", "network axis: no verified fact")];
            w.refused("IC", "status.published", &body, &why);
        }
        At::Triaged | At::Stable | At::Established | At::Recovering => {}
        At::Watched | At::Owed | At::Published => {}
    }
}

/// R-40.0-3, R-40.0-6, R-31.2-2: no protocol measure for a local fault, and no word of one; a
/// degraded role and a halted one on one node are two measures; peers are dropped by the own node.
#[test]
fn infrastructure_from_opening_to_postmortem() {
    whole(&INFRASTRUCTURE);
}

/// A false alarm of SEV_4 goes through MONITORING, with complete evidence and what refutes
/// it, and still owes a postmortem.
#[test]
fn supply_chain_as_a_false_alarm_to_postmortem() {
    let case = &SUPPLY_CHAIN;
    let Some(mut w) = World::open(case.class, case.nodes) else { return };
    let w = &mut w;
    opened(w, case);
    triaged(w, case);
    decided(w, case);
    w.observe(0);
    let alarm = json!({"resolution": "false_alarm", "reason": "the list was old"});
    w.refused("OCO", "incident.resolved", &alarm, &[("evidence_missing", "refutes")]);
    let why = [("illegal_transition", "resolution real")];
    w.refused("IC", "state.moved", &w.moving("MONITORING"), &why);
    let proof = w.keep("the new list has the running hash");
    let mut alarm = alarm;
    alarm["proof"] = json!(proof);
    w.act("OCO", "incident.resolved", &alarm);
    let why = [("guard_unmet", "evidence: "), ("guard_unmet", "recstate: ")];
    w.refused("IC", "state.moved", &w.moving("MONITORING"), &why);
    settle(w);
    let body = json!({"done": false, "statement": "nothing was touched", "report": proof});
    w.act("IC", "recovery.recorded", &body);
    w.refused("IC", "state.moved", &w.moving("CLOSED"), &[("illegal_transition", "SEV_4")]);
    w.go("IC", "MONITORING");
    w.observe(0);
    super::walk::closed(w, case);
    published(w, case, Some("ops_failure"));
    let told = w.verified();
    assert_eq!(told["rules"]["decisions_decided_again"], 1, "{told:#}");
}

/// R-40.0-10, R-3.1-12: what is observability only commands nothing, and does not close while the
/// cause is unknown, however quiet it is. Its legal end is CLOSED.
#[test]
fn observability_only_to_closed() {
    let case = &OBSERVABILITY;
    let Some(mut w) = World::open(case.class, case.nodes) else { return };
    let w = &mut w;
    opened(w, case);
    let mut high = declaration(case);
    high["severity"] = json!("SEV_2_MEDIUM");
    w.refused("OCO", "incident.declared", &high, &[("guard_unmet", "INC_OBSERVABILITY_ONLY")]);
    triaged(w, case);
    assert_eq!(w.shown()["runbook"]["id"], "RB-OBSERVE-001");
    decided(w, case);
    // Anti-pattern 3 again: a panic halt where nothing operational is wrong.
    let halt = super::walk::command(&signing("panic", "n1"));
    w.refused("OCO", "measure.commanded", &halt, &[("profile_exceeded", "RP_OBSERVE_ONLY")]);
    let resolved = json!({"resolution": "observe_only", "reason": "the display was wrong"});
    w.act("OCO", "incident.resolved", &resolved);
    let object = w.keep("the impact check was negative");
    let body = json!({"kind": case.confirmation, "object": object});
    w.act(DETECTOR, "confirmation.verified", &body);
    w.go("OCO", "CONFIRMED");
    w.observe(0);
    w.act("IC", "recovery.recorded", &json!({"done": false, "statement": "nothing to recover"}));
    w.go("IC", "MONITORING");
    w.observe(0);
    settle(w);
    // Anti-pattern 10: closed because it is quiet.
    let why = [("guard_unmet", "cause: the cause is unknown")];
    w.refused("IC", "state.moved", &w.moving("CLOSED"), &why);
    let proof = w.keep("the signal follows the query, not the node");
    w.act(case.lead, "cause.stated", &cause(case, &proof));
    w.go("OCO", "CLOSED");
    let told = w.verified();
    assert_eq!(told["rules"]["decisions_decided_again"], 1, "{told:#}");
}

/// A duplicate closes only with its twin named, open and of the same peak, and its evidence linked.
#[test]
fn a_duplicate_ends_at_its_twin() {
    let Some(mut w) = World::open("duplicate", Nodes::One) else { return };
    let w = &mut w;
    opened(w, &VALIDATION);
    triaged(w, &VALIDATION);
    let twin = w.incident.clone();
    opened(w, &BVM);
    triaged(w, &BVM);
    assert_ne!(w.incident, twin);
    let body =
        |twin: &Value| json!({"resolution": "duplicate", "reason": "one event", "twin": twin});
    let own = json!(w.incident);
    w.refused("OCO", "incident.resolved", &body(&own), &[("guard_unmet", "of itself")]);
    let strange = json!(azir_ledger::Digest::of(b"elsewhere"));
    w.refused("OCO", "incident.resolved", &body(&strange), &[("id_mismatch", "never opened")]);
    w.act("OCO", "incident.resolved", &body(&json!(twin)));
    w.refused("OCO", "state.moved", &w.moving("CLOSED"), &[("guard_unmet", "evidence: ")]);
    settle(w);
    let closing = w.moving("CLOSED");
    let why = [("guard_unmet", "twin: missing evidence linked to the twin")];
    w.refused("IC", "state.moved", &closing, &why);
    let own = w.incident.clone();
    let held = w.shown()["evidence"].take();
    for (item, record) in held.as_object().unwrap() {
        if !record["held"].as_array().unwrap().is_empty() {
            w.incident.clone_from(&twin);
            w.evidence("other", format!("{item}, collected").as_bytes(), true);
        }
    }
    w.incident = own;
    w.seconded("IC", "state.moved", &closing, &["EL"]);
    assert_eq!(w.state(), "CLOSED");
    w.verified();
}
