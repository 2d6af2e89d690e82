//! Every row of the annex I table, the fault table of the sign state, and parallel requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};

use azir_ledger::{CanonError, Digest, MachineKey};
use azir_model::directive::{
    BlockPoint, ClosedBy, Directive, FindingKind, GateState, Lease, LeaseKind, LogPoint, Running,
    SealError, Sealable, SignedDirective, SignedLease,
};
use azir_model::refusal::{Refusal, RefusalKind};
use azir_model::vocab::NodeRole;
use proptest::prelude::*;

use crate::durable::{Fault, MemoryDurable};
use crate::gate::{Denial, Gate, Grant, HandLease, HandSignature, IntegrityFacts, LEASE_NAMESPACE};
use crate::shared::SharedGate;
use crate::state::{Provision, ProvisionError, provision};
use crate::testing::{World, config, forged, keys, person, request, server, tip, vote};

fn kinds(refusal: &Refusal) -> BTreeSet<RefusalKind> {
    refusal.unmet().iter().map(|u| u.kind).collect()
}

fn denied(gate: &mut Gate<MemoryDurable>, world: &World, request: &[u8]) -> Refusal {
    gate.sign(world.now(), request).unwrap_err().refusal
}

fn granted(gate: &mut Gate<MemoryDurable>, world: &World, request: &[u8]) -> Grant {
    gate.sign(world.now(), request).unwrap()
}

fn reasons(gate: &mut Gate<MemoryDurable>, world: &World) -> Vec<ClosedBy> {
    match gate.statement(world.now()).body.gate {
        GateState::Closed { reasons } => reasons.iter().map(|r| r.by).collect(),
        GateState::Open { .. } => Vec::new(),
    }
}

/// R-22.3-2: boot is closed, and no open state is kept on disk.
#[test]
fn a_gate_boots_closed_even_if_it_was_open() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    granted(&mut gate, &world, &vote(1, "a"));
    let mut again = world.boot();
    assert_eq!(reasons(&mut again, &world), [ClosedBy::Boot]);
    assert_eq!(kinds(&denied(&mut again, &world, &vote(2, "b"))), [RefusalKind::GateClosed].into());
    world.renew(&mut again, LeaseKind::Standing).unwrap();
    granted(&mut again, &world, &vote(2, "b"));
}

/// Annex I, lease: everything that is wrong with a lease is named at once.
#[test]
fn a_wrong_lease_is_refused_with_every_reason() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let wrong = Lease {
        log: "other/log".into(),
        mode: "drill:1".into(),
        node: "node-2".into(),
        role: NodeRole::Proposer,
        key: server().public(),
        fence: 1,
        not_after_ms: LeaseKind::Incident.ms_max() + 1,
        kind: LeaseKind::Incident,
        checkpoint: LogPoint { size: 1, root: Digest::of(b"x") },
        trusted: BlockPoint { height: 51, block: Digest::of(b"x") },
        ..world.lease(LeaseKind::Incident)
    };
    let lease = SignedLease::seal(wrong, &MachineKey::from_seed([66; 32])).unwrap();
    let refusal = gate.install_lease(world.now(), &lease, None, &[]).unwrap_err();
    let expected = [
        RefusalKind::NotAuthorized,
        RefusalKind::DrillOnly,
        RefusalKind::ScopeInvalid,
        RefusalKind::IdMismatch,
        RefusalKind::Fenced,
        RefusalKind::ExpiryRequired,
        RefusalKind::CheckpointUntrusted,
    ];
    assert_eq!(kinds(&refusal), expected.into());
    assert!(gate.take_findings().is_empty(), "a stranger's lease proposes no incident");
    granted(&mut gate, &world, &vote(1, "the lease in force stays in force"));
}

/// R-22.3-2: a lower or equal fence is fenced.
#[test]
fn a_replayed_lease_is_fenced() {
    let mut world = World::new();
    let mut gate = world.boot();
    let lease = world.lease(LeaseKind::Standing);
    world.install(&mut gate, lease.clone(), None).unwrap();
    let again = world.install(&mut gate, lease.clone(), None).unwrap_err();
    assert_eq!(kinds(&again), [RefusalKind::Fenced].into());
    let mut after_boot = world.boot();
    let again = world.install(&mut after_boot, lease, None).unwrap_err();
    assert_eq!(kinds(&again), [RefusalKind::Fenced].into());
}

/// R-22.3-2: an incident lease ends after 60 s without the server, a standing one after 24 h; a
/// clock that steps back extends nothing.
#[test]
fn a_lease_ends_on_the_gates_clock_and_is_never_extended() {
    for kind in [LeaseKind::Incident, LeaseKind::Standing] {
        let mut world = World::new();
        let start = world.ms;
        let mut gate = world.open(kind);
        world.ms = start + kind.ms_max() - 1;
        granted(&mut gate, &world, &vote(1, "a"));
        world.ms = start + kind.ms_max();
        let refusal = denied(&mut gate, &world, &vote(2, "b"));
        assert_eq!(kinds(&refusal), [RefusalKind::LeaseExpired].into());
        world.ms = start;
        let refusal = denied(&mut gate, &world, &vote(2, "b"));
        assert_eq!(kinds(&refusal), [RefusalKind::LeaseExpired].into());
        world.ms = start + kind.ms_max();
        world.renew(&mut gate, kind).unwrap();
        granted(&mut gate, &world, &vote(2, "b"));
    }
}

/// R-22.3-4, R-12.1-2, R-12.1-5: the latch survives a restart and opens only by a restart decision.
#[test]
fn a_latch_survives_a_restart_and_opens_only_by_a_restart_decision() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    let directive = world.directive();
    let ack = world.command(&mut gate, directive.clone()).unwrap().body;
    assert!(ack.gate.is_closed() && ack.latch_durable);
    assert_eq!((ack.measure.as_deref(), ack.fence), (Some("m1"), directive.fence));
    let sealed = SignedDirective::seal(directive, &server()).unwrap();
    assert_eq!(ack.acknowledges, Some(sealed.id().unwrap()));
    let mut gate = world.boot();
    assert_eq!(reasons(&mut gate, &world), [ClosedBy::Boot, ClosedBy::Command]);
    assert_eq!(kinds(&denied(&mut gate, &world, &vote(1, "a"))), [RefusalKind::GateClosed].into());
    let refusal = world.renew(&mut gate, LeaseKind::Standing).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::CriteriaUnmet].into());
    world.restart(&mut gate).unwrap();
    granted(&mut gate, &world, &vote(1, "a"));
    world.renew(&mut gate, LeaseKind::Incident).unwrap();
}

/// R-40.0-5: without rc3 no lease opens a latched gate, and the gate sees it without any server.
#[test]
fn a_restart_file_that_does_not_hold_opens_nothing() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    gate.close(world.now(), ClosedBy::Command, "m1");
    let good = world.restart_file("node-1", NodeRole::Notary);
    let mut without_rc3 = good.clone();
    without_rc3.criteria.remove(2);
    let mut forged_rc1 = good.clone();
    forged_rc1.criteria[0] = forged(&good.criteria[0]);
    let mut alone = good.clone();
    alone.approvals.clear();
    let other_role = world.restart_file("node-1", NodeRole::Proposer);
    let other_node = world.restart_file("node-2", NodeRole::Notary);
    for (file, kind) in [
        (&without_rc3, RefusalKind::CriteriaUnmet),
        (&forged_rc1, RefusalKind::SignatureInvalid),
        (&alone, RefusalKind::SecondPersonRequired),
        (&other_role, RefusalKind::CriteriaUnmet),
        (&other_node, RefusalKind::CriteriaUnmet),
    ] {
        let lease = world.restart_lease(file);
        let refusal = world.install(&mut gate, lease, Some(file)).unwrap_err();
        assert!(refusal.has(kind), "{kind}: {refusal}");
        assert!(!reasons(&mut gate, &world).is_empty());
    }
    let quoted_other = world.restart_lease(&other_role);
    assert!(world.install(&mut gate, quoted_other, Some(&good)).is_err(), "quotes another file");
    let lease = world.restart_lease(&good);
    world.install(&mut gate, lease, Some(&good)).unwrap();
}

/// R-22.3-4: a decision opens once, and never a latch that it did not know.
#[test]
fn a_used_or_older_restart_decision_does_not_clear_a_later_latch() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    gate.close(world.now(), ClosedBy::Command, "m1");
    let file = world.restart_file("node-1", NodeRole::Notary);
    let unused = world.restart_file("node-1", NodeRole::Notary);
    let lease = world.restart_lease(&file);
    world.install(&mut gate, lease, Some(&file)).unwrap();
    gate.close_by_hand(world.now(), "smoke");
    let mut gate = world.boot();
    let lease = world.restart_lease(&file);
    let refusal = world.install(&mut gate, lease, Some(&file)).unwrap_err();
    assert!(refusal.to_string().contains("has opened this gate before"), "{refusal}");
    world.ms += 10_000;
    gate.close_by_hand(world.now(), "more smoke");
    let lease = world.restart_lease(&unused);
    let refusal = world.install(&mut gate, lease, Some(&unused)).unwrap_err();
    assert!(refusal.to_string().contains("latched at"), "{refusal}");
    world.restart(&mut gate).unwrap();
}

/// R-22.2-2, R-22.2-6, R-22.3-1, R-22.1-6, R-23.1-2, R-23.2-6: each false fact closes and latches
/// without a server, no decision opens while it is false, and a true one afterwards does not open.
#[test]
fn each_integrity_fact_closes_by_itself() {
    let good = IntegrityFacts::all_true(Some(tip()));
    for bad in [
        IntegrityFacts { own_root: false, ..good },
        IntegrityFacts { store_checksum: false, ..good },
        IntegrityFacts { clock: false, ..good },
        IntegrityFacts { binary: false, ..good },
        IntegrityFacts { sign_state: false, ..good },
    ] {
        let mut world = World::new();
        let mut gate = world.open(LeaseKind::Standing);
        gate.report_facts(world.now(), bad);
        gate.report_facts(world.now(), bad);
        let findings = gate.take_findings();
        assert_eq!(findings.len(), 1, "one finding for one fact");
        findings[0].verify_by(&[keys().identity.public()]).unwrap();
        assert_eq!(findings[0].body.fact, bad.failed().first().copied());
        denied(&mut gate, &world, &vote(1, "a"));
        let refused = world.restart(&mut gate).unwrap_err();
        assert!(refused.has(RefusalKind::CriteriaUnmet), "no decision replaces a true fact");
        gate.report_facts(world.now(), good);
        denied(&mut gate, &world, &vote(1, "a"));
        assert!(world.renew(&mut gate, LeaseKind::Standing).is_err());
        let mut gate = world.boot();
        assert_eq!(reasons(&mut gate, &world), [ClosedBy::Boot, ClosedBy::Integrity]);
        world.restart(&mut gate).unwrap();
        granted(&mut gate, &world, &vote(1, "a"));
    }
}

#[test]
fn facts_that_were_never_reported_or_grew_old_count_as_false() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    gate.facts = None;
    let refusal = denied(&mut gate, &world, &vote(1, "a"));
    assert!(refusal.to_string().contains("never reported"));
    gate.config.facts_max_age_ms = 100;
    gate.report_facts(world.now(), IntegrityFacts::all_true(None));
    world.ms += 100;
    granted(&mut gate, &world, &vote(1, "a"));
    world.ms += 1;
    denied(&mut gate, &world, &vote(2, "a"));
    gate.report_facts(world.now(), IntegrityFacts::all_true(None));
    granted(&mut gate, &world, &vote(2, "a"));
}

/// R-22.3-4: a second vote for one slot is refused and latches; the same bytes get the same
/// signature; a lower slot is refused; a verdict is one per block.
#[test]
fn one_signature_for_one_slot_kind_and_domain() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let first = granted(&mut gate, &world, &vote(7, "a"));
    let again = granted(&mut gate, &world, &vote(7, "a"));
    assert_eq!(first.sig, again.sig);
    assert!(again.sequence > first.sequence);
    granted(&mut gate, &world, &request("verdict", 7, Some(1), "valid"));
    granted(&mut gate, &world, &request("verdict", 7, Some(2), "invalid"));
    let lower = denied(&mut gate, &world, &vote(6, "b"));
    assert_eq!(kinds(&lower), [RefusalKind::StaleView].into());
    granted(&mut gate, &world, &vote(8, "c"));
    let conflict = denied(&mut gate, &world, &request("verdict", 7, Some(1), "invalid"));
    let both = [RefusalKind::VersionConflict, RefusalKind::GateClosed];
    assert_eq!(kinds(&conflict), both.into());
    assert_eq!(gate.take_findings()[0].body.kind, FindingKind::DoubleSign);
    let mut gate = world.boot();
    assert_eq!(reasons(&mut gate, &world), [ClosedBy::Boot, ClosedBy::DoubleSign]);
    world.restart(&mut gate).unwrap();
    assert!(denied(&mut gate, &world, &vote(8, "d")).has(RefusalKind::VersionConflict));
}

/// R-22.3-4: a conflicting request is found also while the gate is closed.
#[test]
fn a_double_sign_attempt_latches_a_closed_gate() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    granted(&mut gate, &world, &vote(7, "a"));
    let mut gate = world.boot();
    denied(&mut gate, &world, &vote(7, "b"));
    assert!(reasons(&mut gate, &world).contains(&ClosedBy::DoubleSign));
}

/// R-22.3-4: a missing, cut, edited or foreign sign state means closed, with a finding.
#[test]
fn a_lost_sign_state_keeps_the_gate_shut() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    granted(&mut gate, &world, &vote(7, "a"));
    let good = world.disk.bytes().unwrap();
    let mut damaged: Vec<_> = (0..good.len()).map(|n| Some(good[..n].to_vec())).collect();
    damaged.extend((0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        Some(bytes)
    }));
    damaged.push(None);
    for bytes in damaged {
        world.disk.tamper(bytes.clone());
        let mut gate = world.boot();
        assert_eq!(gate.take_findings()[0].body.kind, FindingKind::SignStateLost);
        let refusal = world.restart(&mut gate).unwrap_err();
        assert!(refusal.has(RefusalKind::CriteriaUnmet));
        denied(&mut gate, &world, &vote(8, "b"));
        assert_eq!(world.disk.bytes(), bytes, "what is there is kept as evidence");
    }
}

#[test]
fn a_sign_state_made_again_is_latched_and_never_goes_below_its_floor() {
    let mut world = World::new();
    let mut disk = world.disk.clone();
    let mut gate = world.open(LeaseKind::Standing);
    let last = granted(&mut gate, &world, &vote(99, "a")).sequence;
    let loss = Provision::AfterLoss { floor: 100, at: world.now().utc };
    assert_eq!(provision(&mut disk, &config(), &keys(), loss), Err(ProvisionError::Exists));
    world.disk.tamper(None);
    provision(&mut disk, &config(), &keys(), loss).unwrap();
    let mut gate = world.boot();
    assert!(world.renew(&mut gate, LeaseKind::Standing).is_err());
    world.restart(&mut gate).unwrap();
    assert!(denied(&mut gate, &world, &vote(99, "a")).has(RefusalKind::StaleView));
    assert!(granted(&mut gate, &world, &vote(100, "a")).sequence > last);
}

/// R-22.3-5: a smaller or inconsistent log is refused and proposes an incident; a longer one needs
/// its proof.
#[test]
fn a_log_that_shrank_or_was_rewritten_is_refused() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let seen = world.point();
    let cases = [
        (LogPoint { size: seen.size - 1, root: seen.root }, Some(RefusalKind::Fenced)),
        (LogPoint { size: seen.size, root: Digest::of(b"x") }, Some(RefusalKind::SignatureInvalid)),
        (seen, None),
    ];
    for (checkpoint, expected) in cases {
        let lease = Lease { checkpoint, ..world.lease(LeaseKind::Standing) };
        let outcome = world.install(&mut gate, lease, None);
        assert_eq!(outcome.err().map(|r| r.kind()), expected);
        let found = gate.take_findings();
        assert_eq!(found.len(), usize::from(expected.is_some()));
        assert!(found.iter().all(|f| f.body.kind == FindingKind::LogRollback));
    }
    (0..5u8).for_each(|i| world.log.append(Digest::of(&[i])));
    let longer = world.lease(LeaseKind::Standing);
    let longer = SignedLease::seal(longer, &server()).unwrap();
    let refusal = gate.install_lease(world.now(), &longer, None, &[]).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::CheckpointUntrusted].into());
    let mut proof = world.proof(seen.size);
    proof[0] = Digest::of(b"x");
    let refusal = gate.install_lease(world.now(), &longer, None, &proof).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::SignatureInvalid].into());
    gate.install_lease(world.now(), &longer, None, &world.proof(seen.size)).unwrap();
}

/// Annex I, audit: no line, no signature.
#[test]
fn a_gate_that_cannot_write_its_audit_trail_closes() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    world.audit.set_broken(true);
    denied(&mut gate, &world, &vote(1, "a"));
    assert_eq!(reasons(&mut gate, &world), [ClosedBy::Audit]);
    assert!(world.renew(&mut gate, LeaseKind::Standing).is_err());
    world.audit.set_broken(false);
    world.renew(&mut gate, LeaseKind::Standing).unwrap();
    granted(&mut gate, &world, &vote(1, "a"));
}

/// R-22.1-3: a full disk closes the gate; a close that cannot be written still closes.
#[test]
fn a_full_disk_closes_and_a_close_says_what_it_could_not_write() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    world.disk.fail_all(Some(Fault::NotStored));
    denied(&mut gate, &world, &vote(1, "a"));
    assert!(reasons(&mut gate, &world).contains(&ClosedBy::SignState));
    let ack = gate.close_by_hand(world.now(), "smoke");
    assert!(!ack.latch_durable && !ack.trouble.is_empty());
    denied(&mut gate, &world, &vote(1, "a"));
    world.disk.fail_all(None);
    assert!(gate.statement(world.now()).body.latch_durable, "written as soon as it can be");
    let mut gate = world.boot();
    assert!(reasons(&mut gate, &world).contains(&ClosedBy::Hand));
}

/// R-2.3-3: a gate knows one command, and it closes; an invented one is refused and changes
/// nothing.
#[test]
fn an_invented_command_is_refused() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let mut body = world.directive();
    body.schema = "azir.write-state/1".to_owned();
    let bytes = azir_ledger::canon::encode(&body).unwrap();
    let sig = server().sign(Directive::TAG, &bytes);
    let invented = SignedDirective { body, by: server().public(), sig };
    let refusal = gate.obey(world.now(), &invented).unwrap_err();
    assert_eq!(kinds(&refusal), BTreeSet::from([RefusalKind::InvalidSchema]));
    assert!(reasons(&mut gate, &world).is_empty(), "still open");
    let good = SignedDirective::seal(world.directive(), &server()).unwrap().to_bytes().unwrap();
    let text = String::from_utf8(good).unwrap();
    let more = text.replacen("\"fence\"", "\"entry\":\"balance of alice\",\"fence\"", 1);
    let error = SignedDirective::from_bytes(more.as_bytes()).unwrap_err();
    assert!(matches!(error, SealError::Canon(CanonError::Schema { .. })), "{error}");
}

/// Annex G: what the node runs stands in the statement, as its agent hashed it last.
#[test]
fn a_statement_says_what_the_node_runs() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    assert_eq!(gate.statement(world.now()).body.running, None);
    let (binary, configuration) = (Digest::of(b"binary"), Digest::of(b"configuration"));
    let running = Some(Running { binary, configuration });
    let facts = IntegrityFacts { running, ..IntegrityFacts::all_true(None) };
    gate.report_facts(world.now(), facts);
    assert_eq!(gate.statement(world.now()).body.running, running);
}

/// R-36.1-10, annex I: a foreign control plane and a drill close and open nothing here.
#[test]
fn foreign_and_drill_directives_are_refused() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let base = world.directive();
    let mut drill = base.clone();
    drill.mode = "drill:7".into();
    let mut foreign = base.clone();
    foreign.log = "other/log".into();
    let mut other_role = base.clone();
    other_role.roles = vec![NodeRole::Proposer];
    for (directive, kind) in [
        (drill, RefusalKind::DrillOnly),
        (foreign, RefusalKind::NotAuthorized),
        (other_role, RefusalKind::ScopeInvalid),
    ] {
        let refusal = world.command(&mut gate, directive).unwrap_err();
        assert_eq!(kinds(&refusal), [kind].into());
    }
    let stranger = SignedDirective::seal(base.clone(), &MachineKey::from_seed([66; 32])).unwrap();
    let refusal = gate.obey(world.now(), &stranger).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::NotAuthorized].into());
    granted(&mut gate, &world, &vote(1, "a"));
    world.command(&mut gate, base).unwrap();
    denied(&mut gate, &world, &vote(2, "a"));
}

/// A directive that is delivered again does not touch a lease that came after it.
#[test]
fn a_directive_is_idempotent_and_does_not_outlive_a_later_lease() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    let directive = world.directive();
    let first = world.command(&mut gate, directive.clone()).unwrap();
    let second = world.command(&mut gate, directive.clone()).unwrap();
    assert_eq!(first.body.acknowledges, second.body.acknowledges);
    world.restart(&mut gate).unwrap();
    let refusal = world.command(&mut gate, directive).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::Fenced].into());
    granted(&mut gate, &world, &vote(1, "a"));
}

/// Closing never waits: neither a renewal that overtook the order nor a lease with a number from
/// the sky keeps the gate open.
#[test]
fn a_renewal_with_a_higher_fence_does_not_fence_an_order_to_close() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Standing);
    let delayed = world.directive();
    world.fence = 9_000_000_000;
    world.renew(&mut gate, LeaseKind::Standing).unwrap();
    world.command(&mut gate, delayed).unwrap();
    denied(&mut gate, &world, &vote(1, "a"));
    let mut again = world.boot();
    world.renew(&mut again, LeaseKind::Standing).unwrap_err();
}

/// R-40.0-9: a compromised key never opens, whatever criteria say.
#[test]
fn a_compromised_key_never_opens_again() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    let mut directive = world.directive();
    directive.compromised = vec![keys().role.public(), server().public()];
    world.command(&mut gate, directive).unwrap();
    assert_eq!(gate.take_findings()[0].body.kind, FindingKind::KeyCompromised);
    assert!(denied(&mut gate, &world, &vote(1, "a")).has(RefusalKind::KeyRevoked));
    for _ in 0..2 {
        let refusal = world.restart(&mut gate).unwrap_err();
        assert_eq!(kinds(&refusal), [RefusalKind::KeyRevoked].into());
        gate = world.boot();
    }
}

/// Annex I, break glass: two people and the restart file open by hand; one person does not.
#[test]
fn opening_by_hand_needs_two_people_and_the_restart_file() {
    let mut world = World::new();
    let mut gate = world.open(LeaseKind::Incident);
    gate.close_by_hand(world.now(), "smoke");
    let file = world.restart_file("node-1", NodeRole::Notary);
    let lease = world.restart_lease(&file);
    let bytes = azir_ledger::canon::encode(&lease).unwrap();
    let signature = |id: &str| HandSignature {
        person: id.into(),
        sig: person(id).sign(LEASE_NAMESPACE, &bytes).unwrap(),
    };
    let ic = signature("operator:ic");
    let twice = HandLease { lease: lease.clone(), signatures: vec![ic.clone(), ic.clone()] };
    let refusal = gate.install_by_hand(world.now(), &twice, &file, &[]).unwrap_err();
    assert_eq!(kinds(&refusal), [RefusalKind::SecondPersonRequired].into());
    let other = HandSignature { person: "operator:cl".into(), ..ic.clone() };
    let forged = HandLease { lease: lease.clone(), signatures: vec![ic.clone(), other] };
    let refusal = gate.install_by_hand(world.now(), &forged, &file, &[]).unwrap_err();
    assert!(refusal.has(RefusalKind::SignatureInvalid));
    let two = HandLease { lease, signatures: vec![ic, signature("operator:cl")] };
    gate.install_by_hand(world.now(), &two, &file, &[]).unwrap();
    granted(&mut gate, &world, &vote(1, "a"));
}

/// R-11.1-2: ordinary closing is answered with everything that would be needed, and requests that
/// cannot be read are answered too.
#[test]
fn a_closed_gate_answers_every_request() {
    let mut world = World::new();
    let mut gate = world.boot();
    for i in 0..10_000u64 {
        let request = if i % 2 == 0 { vote(i, "a") } else { vec![0xff; i as usize % 64] };
        let Denial { refusal, .. } = gate.sign(world.now(), &request).unwrap_err();
        assert!(refusal.has(RefusalKind::GateClosed));
        assert_eq!(refusal.has(RefusalKind::InvalidSchema), i % 2 == 1);
        assert!(refusal.unmet().iter().all(|u| !u.rule.is_empty() && !u.remedy.is_empty()));
    }
    let statement = gate.statement(world.now());
    assert_eq!((statement.body.denied, statement.body.signed), (10_000, 0));
    statement.verify_by(&[keys().identity.public()]).unwrap();
    world.renew(&mut gate, LeaseKind::Standing).unwrap();
    granted(&mut gate, &world, &vote(1, "a"));
}

/// R-22.3-3: 64 parallel requests during a close leave no signature with a higher gate sequence.
#[test]
fn no_signature_has_a_sequence_above_the_acknowledged_close() {
    for round in 0..20u64 {
        let mut world = World::new();
        let gate = SharedGate::new(world.open(LeaseKind::Incident));
        let now = world.now();
        let start = Arc::new(Barrier::new(65));
        let signers: Vec<_> = (0..64u8)
            .map(|i| {
                let (gate, start) = (gate.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    (0..20u64)
                        .map(|slot| request("verdict", slot, Some(i), "valid"))
                        .filter_map(|request| gate.sign(now, &request).ok())
                        .map(|grant| grant.sequence)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        start.wait();
        // A different share of the requests is through before each close.
        let seen = (0..round * 8).map(|_| gate.statement(now).body.signed).max();
        let ack = gate.close(now, ClosedBy::Command, "m1");
        assert!(ack.latch_durable);
        let mut sequences: Vec<_> = signers.into_iter().flat_map(|s| s.join().unwrap()).collect();
        assert!(sequences.iter().all(|s| *s < ack.sequence));
        let count = sequences.len();
        sequences.sort_unstable();
        sequences.dedup();
        assert_eq!(sequences.len(), count, "every signature has its own number");
        assert!(count as u64 >= seen.unwrap_or(0));
        assert!(gate.sign(now, &vote(1_000_000, "a")).is_err());
    }
}

/// A close through the brake takes effect although a request is inside the gate, and its latch is
/// written by the next one who enters.
#[test]
fn a_stop_from_another_thread_waits_for_nobody() {
    let mut world = World::new();
    let gate = world.open(LeaseKind::Incident);
    let brake = Arc::clone(gate.brake());
    let shared = SharedGate::new(gate);
    let sequence = shared.stop(ClosedBy::Hand, "smoke");
    assert_eq!(brake.release(), None);
    assert_eq!(brake.open(), None, "nothing opens over a close that is not yet recorded");
    assert_eq!(brake.sequence(), sequence);
    assert!(shared.statement(world.now()).body.latch_durable);
    assert!(reasons(&mut world.boot(), &world).contains(&ClosedBy::Hand));
}

/// What has left the gate, by slot, kind and domain.
#[derive(Default)]
struct Outside {
    signed: BTreeMap<(u64, Option<u8>), [u8; 64]>,
    last: u64,
}

impl Outside {
    fn ask(&mut self, gate: &mut Gate<MemoryDurable>, world: &World, ask: (u64, Option<u8>, u8)) {
        let (slot, domain, text) = ask;
        let bytes = request("verdict", slot, domain, &text.to_string());
        let Ok(grant) = gate.sign(world.now(), &bytes) else { return };
        assert!(grant.sequence > self.last, "no number is used twice");
        self.last = grant.sequence;
        let sig = grant.sig.0;
        let held = self.signed.entry((slot, domain)).or_insert(sig);
        assert_eq!(*held, sig, "two different signatures for slot {slot}");
    }
}

/// The fault table: each write of a run fails in each way, the gate crashes, starts again and is
/// asked for the other signature. R-22.3-4.
#[test]
fn no_failed_write_leads_to_two_signatures_for_one_slot() {
    for fault in [Fault::NotStored, Fault::Stored, Fault::Torn] {
        for write in 1..14 {
            let mut world = World::new();
            world.disk.fail_write(write, fault);
            let mut outside = Outside::default();
            for life in 0..3u8 {
                let mut gate = world.boot();
                world.ms += 5_000;
                let _may_fail = world.renew(&mut gate, LeaseKind::Incident);
                for slot in 1..4 {
                    outside.ask(&mut gate, &world, (slot, None, life));
                    outside.ask(&mut gate, &world, (slot, Some(1), life));
                }
                // The first life ends in a crash with nothing written after the last signature.
                if life == 0 {
                    continue;
                }
                gate.close(world.now(), ClosedBy::Command, "m1");
                let _may_fail = world.restart(&mut gate);
                outside.ask(&mut gate, &world, (3, None, life + 1));
            }
            if fault != Fault::Torn {
                assert!(!outside.signed.is_empty(), "{fault:?} {write}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u64, Option<u8>, u8),
    Crash,
    Close(u8),
    Lease,
    Restart,
    Wait(u64),
    FailNext(u8),
    Facts(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6u64, prop::option::of(0..2u8), 0..2u8).prop_map(|(s, d, t)| Step::Ask(s, d, t)),
        1 => Just(Step::Crash),
        1 => (0..4u8).prop_map(Step::Close),
        2 => Just(Step::Lease),
        2 => Just(Step::Restart),
        1 => (0..40_000u64).prop_map(Step::Wait),
        1 => (0..3u8).prop_map(Step::FailNext),
        1 => any::<bool>().prop_map(Step::Facts),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// R-22.3-4, R-22.3-2: whatever happens, one signature per slot, none while a statement says
    /// closed, and numbers only rise.
    #[test]
    fn invariants_hold_over_any_history(steps in steps()) {
        let mut world = World::new();
        let mut gate = world.open(LeaseKind::Incident);
        let mut outside = Outside::default();
        for step in steps {
            match step {
                Step::Ask(slot, domain, text) => {
                    let closed = gate.statement(world.now()).body.gate.is_closed();
                    let before = outside.last;
                    outside.ask(&mut gate, &world, (slot, domain, text));
                    prop_assert!(!closed || outside.last == before);
                }
                Step::Crash => gate = world.boot(),
                Step::Close(n) => {
                    let by = [ClosedBy::Command, ClosedBy::Hand, ClosedBy::Audit, ClosedBy::NoLease];
                    let ack = gate.close(world.now(), by[usize::from(n)], "why");
                    prop_assert!(ack.sequence > outside.last);
                    prop_assert!(gate.statement(world.now()).body.gate.is_closed());
                }
                Step::Lease => drop(world.renew(&mut gate, LeaseKind::Incident)),
                Step::Restart => drop(world.restart(&mut gate)),
                Step::Wait(ms) => world.ms += ms,
                Step::FailNext(n) => {
                    let fault = [Fault::NotStored, Fault::Stored, Fault::Torn][usize::from(n)];
                    world.disk.fail_write(world.disk.writes(), fault);
                }
                Step::Facts(ok) => {
                    let facts = IntegrityFacts { clock: ok, ..IntegrityFacts::all_true(None) };
                    gate.report_facts(world.now(), facts);
                }
            }
        }
    }
}
