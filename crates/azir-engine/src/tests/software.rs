//! What own nodes run: changes during response, builds, affected versions and accepted releases.

use azir_ledger::Digest;
use azir_ledger::event::PublicKey;
use azir_model::directive::Running;
use azir_model::policy::Machine;
use azir_model::restart::Criterion;
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, IncidentState as S, RefusalKind as K, Role};

use crate::Body;
use crate::body::{ChangeRecorded, ChangedPart, PhaseCarried, ReleaseBuilt};
use crate::software::{builders, held_back};
use crate::testing::walk::subsystem;
use crate::testing::{Stage, at, kinds, machine_key, only, policy};

fn runs(stage: &mut Stage, node: &str, binary: &str, configuration: &str) {
    let (binary, configuration) =
        (Digest::of(binary.as_bytes()), Digest::of(configuration.as_bytes()));
    stage.running.insert(node.to_owned(), Running { binary, configuration });
}

fn change(part: ChangedPart, before: &str, after: &str) -> Body {
    Body::ChangeRecorded(ChangeRecorded {
        node: "n1".to_owned(),
        part,
        before: Digest::of(before.as_bytes()),
        after: Digest::of(after.as_bytes()),
        reason: "the fix of the fault".to_owned(),
    })
}

fn leasable(stage: &Stage, gate: &str) -> bool {
    stage.engine.leasable().iter().any(|g| g.subsystem.to_string() == gate)
}

/// R-2.3-2: a node whose binary or configuration changed while an incident was open gets no lease
/// and no phase before a person recorded the change, with hashes and reason, in the incident.
#[test]
fn a_change_that_nobody_recorded_opens_no_gate() {
    for (part, after) in [
        (ChangedPart::Software, ("binary-2", "config-1")),
        (ChangedPart::Configuration, ("binary-1", "config-2")),
    ] {
        let mut stage = at(S::Recovering);
        runs(&mut stage, "n1", "binary-1", "config-1");
        stage.gate("n1", NodeRole::Validation, true);
        stage.restate();
        assert!(leasable(&stage, "n1/validation"));
        runs(&mut stage, "n1", after.0, after.1);
        stage.gate("n1", NodeRole::Validation, true);
        stage.restate();
        assert!(!leasable(&stage, "n1/validation"));
        let of = subsystem("n1", NodeRole::Verifier);
        let decision = stage.decide_restart(&of);
        let phase = Body::PhaseCarried(PhaseCarried { subsystem: of.clone(), decision });
        let refusal = stage.refused(Role::RecoveryOperator, &phase);
        only(&refusal, K::CriteriaUnmet, &format!("release: {part} of n1 changed"));

        let (before, now) = match part {
            ChangedPart::Software => ("binary-1", "binary-2"),
            _ => ("config-1", "config-2"),
        };
        let strange = change(part, before, "binary-9");
        stage.act(Role::RecoveryOperator, &change(part, now, "planned"));
        assert!(held_back(stage.state(), "n1/verifier").is_some(), "another change");
        let unknown = change(part, "binary-8", "binary-9");
        only(&stage.refused(Role::RecoveryOperator, &unknown), K::HashMismatch, "by its gate");
        only(&stage.refused(Role::RecoveryOperator, &strange), K::HashMismatch, "by its gate");
        let good = change(part, before, now);
        let machine = stage.machine_refused("agent:n1", &good);
        assert!(kinds(&machine).iter().all(|k| *k == K::NotAuthorized), "{machine}");
        let mut silent = good.clone();
        if let Body::ChangeRecorded(silent) = &mut silent {
            silent.reason.clear();
        }
        only(&stage.refused(Role::RecoveryOperator, &silent), K::ReasonRequired, "");
        stage.act(Role::RecoveryOperator, &good);
        assert_eq!(stage.view().changes.last().unwrap().mark.role, Some(Role::RecoveryOperator));
        assert!(leasable(&stage, "n1/validation"));
        stage.act(Role::RecoveryOperator, &phase);
    }
}

#[test]
fn what_changes_while_nothing_is_open_is_no_change_during_response() {
    let mut stage = at(S::PostmortemPublished);
    for binary in ["binary-1", "binary-2"] {
        runs(&mut stage, "n1", binary, "config-1");
        stage.gate("n1", NodeRole::Validation, true);
    }
    assert_eq!(held_back(stage.state(), "n1/validation"), None);
}

fn built(version: &str, binary: &str, source: &str) -> Body {
    Body::ReleaseBuilt(ReleaseBuilt {
        implementation: "azref".to_owned(),
        version: version.to_owned(),
        source: Digest::of(source.as_bytes()),
        toolchain: "rustc 1.95.0".to_owned(),
        binaries: [Digest::of(binary.as_bytes())].into(),
    })
}

/// A network with two builders; n1 runs a version that one of them built, n2 one that both did.
fn with_builders() -> Stage {
    let mut policy = policy();
    for id in ["builder:x", "builder:y"].map(str::to_owned) {
        policy.machines.push(Machine { key: machine_key(&id).public(), id });
    }
    let mut stage = Stage::begun_with(policy);
    runs(&mut stage, "n1", "bad", "config");
    runs(&mut stage, "n2", "good", "config");
    stage.machine("builder:x", &built("1.0.0", "bad", "source-0"));
    for builder in ["builder:x", "builder:y"] {
        stage.machine(builder, &built("1.1.0", "good", "source-1"));
    }
    stage.open();
    stage.triage();
    stage.confirm();
    stage.contain();
    stage.stabilise();
    stage.establish();
    stage
}

fn declare(stage: &mut Stage, scopes: &[&str]) {
    let mut declared = stage.declared();
    declared.class = IncidentClass::SupplyChain;
    declared.scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
}

/// R-23.2-1: hash, source, toolchain and the builder's signature of every build stand in the log,
/// and what a builder said of a version stays.
#[test]
fn a_build_is_in_the_log_with_its_builders_signature() {
    let mut stage = with_builders();
    let entries: Vec<_> =
        stage.entries.iter().filter(|e| e.signed.event().kind == "release.built").collect();
    assert_eq!(entries.len(), 3);
    for entry in entries {
        let event = entry.signed.event();
        for member in ["binaries", "source", "toolchain", "version", "implementation"] {
            assert!(!event.body[member].is_null(), "{member}");
        }
        let key = PublicKey::Machine(machine_key(&event.actor).public());
        entry.signed.verify(&key).unwrap();
    }
    let other = built("1.0.0", "worse", "source-0");
    only(&stage.machine_refused("builder:x", &other), K::VersionConflict, "impl:azref/1.0.0");
    only(&stage.machine_refused("agent:n1", &other), K::NotAuthorized, "no builder");
    let mut empty = built("2.0.0", "new", "source-2");
    if let Body::ReleaseBuilt(empty) = &mut empty {
        empty.binaries.clear();
    }
    only(&stage.machine_refused("builder:x", &empty), K::InvalidSchema, "0 binaries");
}

/// R-23.2-4: a recovery is planned once the scope set names the affected version, and every own
/// node and seat that is known to run it; R-23.2-3: nodes of that version get no lease, others do.
#[test]
fn affected_versions_are_listed_and_held_back() {
    let mut stage = with_builders();
    declare(&mut stage, &["feature:f"]);
    let plan = Body::RecoveryPlanned(stage.plan());
    let refusal = stage.refused(Role::RecoveryOperator, &plan);
    only(&refusal, K::ScopeRequired, "an affected version");
    declare(&mut stage, &["impl:azref/1.0.0"]);
    let refusal = stage.refused(Role::RecoveryOperator, &plan);
    assert_eq!(kinds(&refusal), [K::ScopeRequired; 2]);
    assert!(refusal.to_string().contains("node:n1") && refusal.to_string().contains("seat:0"));
    declare(&mut stage, &["impl:azref/1.0.0", "node:n1", "seat:0"]);
    stage.act(Role::RecoveryOperator, &plan);

    let held = |stage: &Stage, gate: &str| held_back(stage.state(), gate);
    let why = held(&stage, "n1/notary").unwrap();
    assert!(why.contains("affected impl:azref/1.0.0"), "{why}");
    assert_eq!(held(&stage, "n2/notary"), None);
    assert!(!leasable(&stage, "n1/validation") && leasable(&stage, "n2/validation"));
}

/// R-23.2-5: an artifact of one builder brings no role back; two builders that got the same do.
#[test]
fn two_builders_agree_before_a_role_returns() {
    let mut stage = with_builders();
    declare(&mut stage, &["impl:azref/1.0.0", "node:n1", "seat:0"]);
    stage.begin_recovery();
    stage.restate();
    let of = subsystem("n1", NodeRole::Verifier);
    let rc6 = Body::CriterionSigned(stage.criterion(&of, Criterion::Reviews));
    let refusal = stage.refused(Role::IncidentCommander, &rc6);
    only(&refusal, K::CriteriaUnmet, "rc6: 1 builders agree");
    stage.act(Role::RecoveryOperator, &change(ChangedPart::Software, "bad", "rebuilt"));
    runs(&mut stage, "n1", "rebuilt", "config");
    stage.restate();
    stage.machine("builder:x", &built("1.0.1", "rebuilt", "source-2"));
    let why = held_back(stage.state(), "n1/verifier").unwrap();
    assert!(why.contains("in no accepted release"), "{why}");
    stage.machine("builder:y", &built("1.0.1", "rebuilt", "source-3"));
    assert_eq!(builders(stage.state(), &Digest::of(b"rebuilt")), 1, "another source is no rebuild");
    let refusal = stage.refused(Role::IncidentCommander, &rc6);
    only(&refusal, K::CriteriaUnmet, "rc6: 1 builders agree");
    for builder in ["builder:x", "builder:y"] {
        stage.machine(builder, &built("1.0.2", "rebuilt", "source-2"));
    }
    stage.act(Role::IncidentCommander, &rc6);
    assert_eq!(held_back(stage.state(), "n1/verifier"), None);
    let rc6 = Body::CriterionSigned(
        stage.criterion(&subsystem("n2", NodeRole::Verifier), Criterion::Reviews),
    );
    stage.act(Role::IncidentCommander, &rc6);
}
