//! Restrictions and governance as finalized state has them, drafts, and what the public reads.

use azir_ledger::{Digest, SeenFinal};
use azir_model::lifecycle::MeasureState;
use azir_model::{
    Choice, IncidentClass, IncidentState as S, Profile, RecoveryMode, RefusalKind as K, Role,
};

use crate::body::{
    DraftKind, DraftMade, DraftedMeasure, GovernanceObserved, MeasureReleased, NoteAdded,
    PathVerdict, RecoveryPlanned, Restriction, RestrictionsObserved, Verified,
};
use crate::status::{Label, StatusClass, derive};
use crate::testing::{Stage, among, at, decision, kinds, only};
use crate::{Body, facts};

fn restriction(choice: Choice, scope: &str, capability: u64) -> Restriction {
    Restriction {
        object: Digest::of(scope.as_bytes()),
        choice,
        scope: scope.to_owned(),
        capability,
        since: 90,
        expiry: Some(10_000),
        review: None,
        cites: None,
    }
}

fn observed(stage: &Stage, verified: Verified, in_force: Vec<Restriction>) -> Body {
    let hard_final = SeenFinal { height: stage.height, block: Digest::of(b"tip") };
    let node = "n1".to_owned();
    Body::RestrictionsObserved(RestrictionsObserved { node, hard_final, verified, in_force })
}

/// R-11.3-2, R-11.2-6: `protocol active` comes from a verified finalized object of a node's agent,
/// never from a person and never from an assertion.
#[test]
fn protocol_active_is_observed_and_never_said() {
    let mut stage = at(S::Stabilized);
    let halt = restriction(Choice::ScopedProtocolHalt, "machine:m1", 4);
    let said = observed(&stage, Verified::Asserted, vec![halt.clone()]);
    only(&stage.machine_refused("agent:n1", &said), K::LabelUnproven, "assertion");
    let proven = observed(&stage, Verified::Cryptographic, vec![halt.clone()]);
    only(&stage.machine_refused("agent:n2", &proven), K::NotAuthorized, "agent:n2");
    among(&stage.refused(Role::IncidentCommander, &proven), K::NotAuthorized, "speak for node");
    let active = |stage: &Stage| {
        let status = derive(stage.state(), stage.now);
        status.facts.iter().any(|f| f.label == Some(Label::ProtocolActive))
    };
    assert!(!active(&stage));
    stage.machine("agent:n1", &proven);
    assert!(active(&stage));
}

/// R-7.3-3: a note about a protocol measure moves neither axis.
#[test]
fn a_note_restricts_nothing() {
    let mut stage = at(S::PostmortemPublished);
    stage.observe(0);
    let before = derive(stage.state(), stage.now);
    let text = "mandate 4 is halted".to_owned();
    stage.act(Role::OnCallOperator, &Body::NoteAdded(NoteAdded { text }));
    let after = derive(stage.state(), stage.now);
    assert_eq!((before.network, before.operator), (after.network, after.operator));
    assert_eq!(after.network, StatusClass::Healthy);
}

#[test]
fn a_list_is_sorted_in_force_and_newer() {
    let mut stage = at(S::Stabilized);
    let mut two = vec![
        restriction(Choice::ProtocolSafeMode, "domain:dex", 3),
        restriction(Choice::ScopedProtocolHalt, "machine:m1", 4),
    ];
    two.sort_by_key(|r| std::cmp::Reverse(r.object));
    two[0].expiry = Some(stage.height);
    two[1].capability = 5;
    let bad = observed(&stage, Verified::Cryptographic, two);
    let refusal = stage.machine_refused("agent:n1", &bad);
    assert_eq!(kinds(&refusal), [K::NotCanonical, K::NotFinalized, K::InvalidSchema]);
    stage.height += 10;
    stage.restrict(vec![]);
    stage.height -= 5;
    let old = observed(&stage, Verified::Cryptographic, vec![]);
    only(&stage.machine_refused("agent:n1", &old), K::StatusStale, "height");
}

/// R-31.1-3, R-31.1-4, R-31.1-7: finalized restrictions decide the class of both axes, the
/// strongest first, and every fact stays visible.
#[test]
fn a_finalized_restriction_shows_on_both_axes() {
    let mut stage = at(S::PostmortemPublished);
    stage.observe(0);
    stage.restrict(vec![restriction(Choice::ProtocolSafeMode, "domain:dex", 3)]);
    let safe = derive(stage.state(), stage.now);
    assert_eq!((safe.operator, safe.network), (StatusClass::SafeMode, StatusClass::SafeMode));
    let fact = safe.facts.iter().find(|f| f.label.is_some()).unwrap();
    assert_eq!(fact.ends.as_deref(), Some("at height 10000"));
    let mut both = vec![
        restriction(Choice::ProtocolSafeMode, "domain:dex", 3),
        restriction(Choice::ScopedProtocolHalt, "network:all", 4),
    ];
    both.sort_by_key(|r| r.object);
    stage.restrict(both);
    let halt = derive(stage.state(), stage.now);
    assert_eq!(halt.network, StatusClass::ScopedHalt);
    assert_eq!(halt.facts.iter().filter(|f| f.label.is_some()).count(), 2);
}

/// R-11.3-1, R-11.3-3, R-40.0-6: a local and a protocol measure on one subject stay two entries
/// with two labels and two ends.
#[test]
fn local_and_protocol_never_merge() {
    let mut stage = at(S::Stabilized);
    stage.restrict(vec![restriction(Choice::ScopedProtocolHalt, "seat:0", 4)]);
    let status = derive(stage.state(), stage.now);
    let labels: Vec<_> = status.facts.iter().filter_map(|f| f.label).collect();
    let count = |label| labels.iter().filter(|l| **l == label).count();
    assert_eq!((count(Label::LocalOnly), count(Label::ProtocolActive)), (2, 1));
    stage.restrict(vec![]);
    let status = derive(stage.state(), stage.now);
    assert_eq!(status.facts.iter().filter(|f| f.label.is_some()).count(), 2);
}

/// R-24.3-2: every measure in force says how it ends.
#[test]
fn every_measure_says_how_it_ends() {
    let stage = at(S::Stabilized);
    let status = derive(stage.state(), stage.now);
    let local = status.facts.iter().filter(|f| f.label == Some(Label::LocalOnly));
    assert!(local.into_iter().all(|f| f.ends.as_deref() == Some("by a restart decision")));
}

/// R-20.2-5, R-20.3-1: an anomalous path is shown, and nothing is drafted on it; a draft on a
/// path that is not in doubt is.
#[test]
fn an_anomalous_path_is_shown_and_not_used() {
    let mut stage = at(S::Confirmed);
    let proof = stage.keep("recomputed governance state");
    let seen = |verdict, verified, path: &str| {
        Body::GovernanceObserved(GovernanceObserved {
            node: "n1".to_owned(),
            hard_final: SeenFinal { height: 120, block: Digest::of(b"tip") },
            verified,
            path: path.to_owned(),
            verdict,
            proof,
        })
    };
    let strange = seen(PathVerdict::Anomalous, Verified::Asserted, "domain:dex");
    let refusal = stage.machine_refused("agent:n1", &strange);
    assert_eq!(kinds(&refusal), [K::LabelUnproven, K::ScopeInvalid]);
    drafted(&mut stage);
    stage.keep(b"certificates");
    let body = draft("domain:dex", Some(600), None);
    let mut clean = stage.fork();
    clean.approve(Role::IncidentCommander, &body);
    clean.act(Role::GovernanceLiaison, &body);
    let other = seen(PathVerdict::Anomalous, Verified::Cryptographic, "gov-path:emergency");
    clean.machine("agent:n1", &other);
    let second = draft("domain:dex", Some(601), None);
    clean.approve(Role::IncidentCommander, &second);
    clean.act(Role::GovernanceLiaison, &second);
    for path in ["gov-path:ordinary", "gov-path:expedited"] {
        let bad = seen(PathVerdict::Anomalous, Verified::Cryptographic, path);
        stage.machine("agent:n1", &bad);
    }
    let status = derive(stage.state(), stage.now);
    assert!(status.facts.iter().any(|f| f.text == "gov-path:ordinary is anomalous"));
    stage.approve(Role::IncidentCommander, &body);
    let refusal = stage.refused(Role::GovernanceLiaison, &body);
    among(&refusal, K::FinalityDisputed, "anomalous");
}

/// A decision that asks for a safe mode of one domain.
fn drafted(stage: &mut Stage) {
    use azir_model::decision::{Action, ActionSet, Channel, Origin};
    let mut decided = decision(stage, |input| {
        input.channels = vec![Channel {
            scope: "domain:dex".parse().unwrap(),
            origin: Origin::Network,
            actions: ActionSet::of(&[Action::ActOpen]),
            t_harm: 600,
            min_capability: 0,
            open_exposure: Some(1_000),
            exit_possible: None,
            pinned: true,
            checker: None,
            own_share: vec![],
        }];
        let subjects = ["dex".to_owned()].into();
        input.chain.subjects.insert("domain:dex".parse().unwrap(), subjects);
    });
    decided.profile = decided.recommended.max(Profile::HaltScoped);
    stage.observe(0);
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
}

fn draft(scope: &str, expiry_s: Option<u64>, review_s: Option<u64>) -> Body {
    Body::DraftMade(DraftMade {
        draft: DraftKind::ProtocolMeasure,
        object: Digest::of(b"certificates"),
        measure: Some(DraftedMeasure {
            choice: Choice::ProtocolSafeMode,
            scope: scope.to_owned(),
            expiry_s,
            review_s,
        }),
        justification: None,
        parameters: None,
    })
}

/// R-2.1-2, R-2.1-4: no draft without expiry, and none beyond the finalized maximum.
#[test]
fn a_draft_ends_by_itself_within_the_maximum() {
    let mut stage = at(S::Confirmed);
    stage.keep(b"certificates");
    drafted(&mut stage);
    let body = draft("domain:dex", None, None);
    only(&stage.refused(Role::GovernanceLiaison, &body), K::ExpiryRequired, "no expiry");
    let mut scopeless = draft("domain:dex", Some(600), None);
    if let Body::DraftMade(draft) = &mut scopeless {
        draft.measure = None;
    }
    only(&stage.refused(Role::GovernanceLiaison, &scopeless), K::ScopeRequired, "no measure");
    let body = draft("domain:dex", Some(600), None);
    stage.act(Role::GovernanceLiaison, &body);
    let name = facts::protocol_name(Choice::ProtocolSafeMode, "domain:dex");
    let measures = facts::protocol_measures(stage.state(), stage.view());
    assert_eq!(measures[&name], MeasureState::Requested);
    stage.restrict(vec![restriction(Choice::ProtocolSafeMode, "domain:dex", 3)]);
    let measures = facts::protocol_measures(stage.state(), stage.view());
    assert_eq!(measures[&name], MeasureState::InForce);
}

/// R-12.2-6 in part and D-089: a request may be withdrawn, what is in force ends in finalized state
/// only, and an unplanned end is a lost measure.
#[test]
fn what_is_in_force_ends_in_finalized_state_only() {
    let mut stage = at(S::Confirmed);
    stage.keep(b"certificates");
    drafted(&mut stage);
    let name = facts::protocol_name(Choice::ProtocolSafeMode, "domain:dex");
    let withdraw = Body::MeasureReleased(MeasureReleased {
        measure: name.clone(),
        reason: "not needed".to_owned(),
    });
    let mut asked = stage.fork();
    asked.act(Role::IncidentCommander, &withdraw);
    let ended = facts::protocol_measures(asked.state(), asked.view());
    assert_eq!(ended[&name], MeasureState::Ended);
    stage.restrict(vec![restriction(Choice::ProtocolSafeMode, "domain:dex", 3)]);
    only(&stage.refused(Role::IncidentCommander, &withdraw), K::NotFinalized, "finalized");
    stage.go(Role::IncidentCommander, S::Containing);
    stage.wait(3_600_000);
    stage.observe(0);
    stage.go(Role::IncidentCommander, S::Stabilized);
    stage.restrict(vec![]);
    assert_eq!(stage.view().state, S::Containing, "the loss sends it back by itself");
}

/// R-26.1-5, R-26.1-6: a domain comes back only when its restriction has ended in finalized state.
#[test]
fn a_domain_comes_back_when_its_restriction_has_ended() {
    let mut stage = at(S::Stabilized);
    stage.establish();
    let plan = |mode| {
        Body::RecoveryPlanned(RecoveryPlanned {
            mode,
            scope: "domain:dex".to_owned(),
            entry: "the cause is fixed".to_owned(),
            outputs: vec!["caps_25_50_100".to_owned()],
            exits: vec!["no_restriction".to_owned()],
            destroys: vec![],
            subsystems: vec![],
        })
    };
    for mode in [RecoveryMode::DomainReenable, RecoveryMode::PostEmergencyNormalization] {
        let refusal = stage.refused(Role::RecoveryOperator, &plan(mode));
        only(&refusal, K::GuardUnmet, "entry");
    }
    stage.restrict(vec![restriction(Choice::EmergencyRestriction, "domain:dex", 4)]);
    for mode in [RecoveryMode::DomainReenable, RecoveryMode::PostEmergencyNormalization] {
        let mut stage = stage.fork();
        stage.act(Role::RecoveryOperator, &plan(mode));
        let missing = facts::exit_missing(stage.state(), stage.view());
        assert!(missing.iter().any(|m| m.contains("still in force")), "{missing:?}");
        stage.restrict(vec![]);
        let missing = facts::exit_missing(stage.state(), stage.view());
        assert!(!missing.iter().any(|m| m.contains("still in force")), "{missing:?}");
    }
}

/// R-27.2-7: a matching replay recomputes exactly the restrictions that are applied.
#[test]
fn a_replay_recomputes_the_restrictions() {
    let mut stage = at(S::Stabilized);
    let halt = restriction(Choice::ScopedProtocolHalt, "machine:m1", 4);
    let object = halt.object;
    stage.restrict(vec![halt]);
    let mut replay = stage.replay();
    let extra = Digest::of(b"other");
    replay.restrictions = Some(vec![extra]);
    let refusal = stage.refused(Role::RecoveryOperator, &Body::ReplayReported(replay.clone()));
    among(&refusal, K::ReplayMismatch, &format!("{object} is applied"));
    among(&refusal, K::ReplayMismatch, &format!("{extra} is recomputed"));
    replay.restrictions = Some(vec![object]);
    stage.act(Role::RecoveryOperator, &Body::ReplayReported(replay));
}

/// R-38.1-2, R-40.0-7: an emergency object that nobody here drafted opens a governance incident,
/// once.
#[test]
fn an_emergency_nobody_drafted_is_an_incident() {
    let mut stage = at(S::Stabilized);
    let count = |stage: &Stage| {
        let all = stage.state().incidents.values();
        all.filter(|v| v.class == IncidentClass::Governance).count()
    };
    stage.restrict(vec![restriction(Choice::ScopedProtocolHalt, "machine:m1", 4)]);
    assert_eq!(count(&stage), 0);
    let emergency = restriction(Choice::EmergencyRestriction, "feature:f", 4);
    stage.restrict(vec![emergency.clone()]);
    assert_eq!(count(&stage), 1);
    stage.height += 1;
    stage.restrict(vec![emergency]);
    assert_eq!(count(&stage), 1);
}

/// R-7.3-4: a restriction that cites an unknown incident is in force all the same, and shown so.
#[test]
fn a_strange_citation_changes_nothing_but_is_shown() {
    let mut stage = at(S::PostmortemPublished);
    stage.observe(0);
    let mut cited = restriction(Choice::ProtocolSafeMode, "domain:dex", 3);
    cited.cites = Some("incident of another operator".to_owned());
    stage.restrict(vec![cited]);
    let status = derive(stage.state(), stage.now);
    assert_eq!(status.network, StatusClass::SafeMode);
    assert!(status.facts.iter().any(|f| f.kind == "unmatched_citation"));
}

/// R-13.1-1: a quarantine ends, and is reviewed before it ends.
#[test]
fn a_quarantine_is_reviewed_before_it_ends() {
    use azir_model::decision::{Action, ActionSet, Channel, Origin};
    let mut stage = at(S::Confirmed);
    stage.keep(b"certificates");
    let mut decided = decision(&mut stage, |input| {
        input.channels = vec![Channel {
            scope: "issuer:i1".parse().unwrap(),
            origin: Origin::Network,
            actions: ActionSet::of(&[Action::ClaimUncorroborated]),
            t_harm: 600,
            min_capability: 0,
            open_exposure: Some(0),
            exit_possible: None,
            pinned: true,
            checker: Some(true),
            own_share: vec![],
        }];
        let subjects = ["i1".to_owned()].into();
        input.chain.subjects.insert("issuer:i1".parse().unwrap(), subjects);
    });
    decided.profile = decided.recommended.max(Profile::HaltScoped);
    assert_eq!(decided.requested.len(), 1, "{decided:?}");
    assert_eq!(decided.requested[0].choice, Choice::Quarantine);
    stage.observe(0);
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
    let body = |expiry_s, review_s| {
        let Body::DraftMade(mut draft) = draft("issuer:i1", expiry_s, review_s) else { panic!() };
        if let Some(measure) = &mut draft.measure {
            measure.choice = Choice::Quarantine;
        }
        Body::DraftMade(draft)
    };
    for (expiry, review) in [(None, Some(60)), (Some(600), None), (Some(600), Some(601))] {
        let refusal = stage.refused(Role::GovernanceLiaison, &body(expiry, review));
        only(&refusal, K::ExpiryRequired, "");
    }
    stage.act(Role::GovernanceLiaison, &body(Some(600), Some(300)));
}

/// R-3.2-2: what the class says of local measures is set aside only with a reason.
#[test]
fn the_class_is_set_aside_only_with_a_reason() {
    let mut stage = at(S::Triaged);
    let mut declared = stage.declared();
    declared.class = IncidentClass::WitnessProof;
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
    let mut decided = decision(&mut stage, |input| {
        input.channels.truncate(1);
        input.channels[0].scope = "machine:m1".parse().unwrap();
        input.channels[0].origin = azir_model::decision::Origin::Network;
        input.channels[0].actions =
            azir_model::decision::ActionSet::of(&[azir_model::decision::Action::CallAny]);
        input.channels[0].t_harm = 600;
        let subjects = ["m1".to_owned()].into();
        input.chain.subjects.insert("machine:m1".parse().unwrap(), subjects);
    });
    assert!(!decided.requested.is_empty(), "{decided:?}");
    decided.profile = Profile::LocalDegraded;
    let body = Body::DecisionRecorded(decided.clone());
    only(&stage.refused(Role::IncidentCommander, &body), K::ReasonRequired, "class:");
    decided.override_reason = Some("nothing of ours depends on that flow".to_owned());
    stage.act(Role::IncidentCommander, &Body::DecisionRecorded(decided));
}

/// R-20.2-6: a governance path comes back with its review; R-17.2-7: a witness recovery lists the
/// claims that are checked again.
#[test]
fn a_plan_names_the_review_and_the_claims_that_its_class_owes() {
    let mut stage = at(S::Stabilized);
    stage.establish();
    stage.restrict(vec![restriction(Choice::ScopedProtocolHalt, "gov-path:g1", 4)]);
    let plan = |exits: &[&str]| {
        Body::RecoveryPlanned(RecoveryPlanned {
            mode: RecoveryMode::DomainReenable,
            scope: "gov-path:g1".to_owned(),
            entry: "the path was recomputed".to_owned(),
            outputs: vec!["state_recomputed".to_owned()],
            exits: exits.iter().map(|e| (*e).to_owned()).collect(),
            destroys: vec![],
            subsystems: vec![],
        })
    };
    let bare = stage.refused(Role::RecoveryOperator, &plan(&["no_restriction"]));
    only(&bare, K::ReviewRequired, "constitutional_review_recorded");
    let whole = plan(&["no_restriction", "constitutional_review_recorded"]);
    stage.act(Role::RecoveryOperator, &whole);
    let mut declared = stage.declared();
    declared.class = IncidentClass::WitnessProof;
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
    let refusal = stage.refused(Role::RecoveryOperator, &whole);
    only(&refusal, K::GuardUnmet, "claims_revalidated");
    let claims = plan(&["claims_revalidated", "constitutional_review_recorded"]);
    stage.act(Role::RecoveryOperator, &claims);
}

/// R-19.2-7: an agent gate comes back only under an authorisation that its principal gave above the
/// trusted checkpoint.
#[test]
fn a_mandate_is_authorised_anew_before_its_agents_return() {
    use crate::body::{Mandate, MandateMode, MandatesObserved};
    let mut stage = at(S::Stabilized);
    stage.establish();
    let told = |stage: &mut Stage, since: u64, mode, verified| {
        let hard_final = SeenFinal { height: stage.height, block: Digest::of(b"tip") };
        let (mandate, object) = ("m1".to_owned(), Digest::of(b"authorisation"));
        let mandates = vec![Mandate { mandate, object, since, mode }];
        let node = "n1".to_owned();
        Body::MandatesObserved(MandatesObserved { node, hard_final, verified, mandates })
    };
    let sure = Verified::Cryptographic;
    let trusted = stage.view().checkpoint.unwrap().height;
    let anew = |stage: &Stage| crate::phases::reauthorised(stage.state(), stage.view());
    let said = told(&mut stage, trusted + 1, MandateMode::Active, Verified::Asserted);
    only(&stage.machine_refused("agent:n1", &said), K::LabelUnproven, "mandates");
    let early = told(&mut stage, 1 << 40, MandateMode::Active, sure);
    only(&stage.machine_refused("agent:n1", &early), K::NotFinalized, "m1");
    for (since, mode) in [(trusted, MandateMode::Active), (trusted + 1, MandateMode::ExitOnly)] {
        let old = told(&mut stage, since, mode, sure);
        stage.machine("agent:n1", &old);
        assert!(!anew(&stage), "{mode}");
        stage.wait(1);
    }
    let new = told(&mut stage, trusted + 1, MandateMode::Active, sure);
    stage.machine("agent:n1", &new);
    assert!(anew(&stage));
}

/// R-2.3-3: of the closed list of operations none writes state, rules or chain data, but for stores
/// of own nodes that are built again from verified finalized objects; an invented operation is
/// none.
#[test]
fn no_operation_writes_state_rules_or_chain_data() {
    use azir_runbook::Op;
    let only_local = [Op::BranchReset, Op::ReleaseInstall, Op::StoreQuarantine, Op::StoreRebuild];
    for op in Op::ALL {
        let tells_or_asks = match op {
            Op::EvidencePin
            | Op::GateClose
            | Op::EvidenceCollect
            | Op::ReplayRun
            | Op::CheckpointCompute
            | Op::FraudProofDraft
            | Op::SeatReplacementDraft
            | Op::RestartManifestDraft
            | Op::OwnerPathDraft
            | Op::RoleReopen
            | Op::StatusPublish
            | Op::GovernanceRecompute => true,
            Op::BranchReset | Op::ReleaseInstall | Op::StoreQuarantine | Op::StoreRebuild => false,
        };
        assert_eq!(tells_or_asks, !only_local.contains(op), "{op}");
    }
    for invented in ["state.write", "parameters.set", "block.replace"] {
        assert!(invented.parse::<Op>().is_err());
        assert!(!Body::KINDS.contains(&invented));
    }
    let mut stage = at(S::Stabilized);
    let note = Body::NoteAdded(NoteAdded { text: "seen".to_owned() });
    let mut event = stage.event("agent:n1", None, &note);
    event.body = serde_json::json!({"text": "seen", "write": {"alice": "5"}});
    only(&stage.submit(Stage::sign(&event)).unwrap_err(), K::InvalidSchema, "write");
}

/// R-2.3-4: nothing that changes a gate, drafts, pins, replays or reopens stands outside an
/// incident.
#[test]
fn nothing_acts_outside_an_incident() {
    let mut stage = at(S::Stabilized);
    let subsystem = crate::testing::walk::subsystem("n1", azir_model::vocab::NodeRole::Notary);
    let carried = crate::body::PhaseCarried { subsystem, decision: Digest::of(b"decision") };
    let acts = [
        (Role::OnCallOperator, Body::MeasureCommanded(stage.measure("n1"))),
        (Role::GovernanceLiaison, draft("domain:dex", Some(600), None)),
        (Role::OnCallOperator, {
            let pin = stage.items(&[azir_model::evidence::Item::Logs]);
            Body::EvidencePinned(pin)
        }),
        (Role::RecoveryOperator, Body::ReplayReported(stage.replay())),
        (Role::RecoveryOperator, Body::PhaseCarried(carried)),
    ];
    for (role, body) in acts {
        let mut event = stage.event(&crate::testing::person(role), Some(role), &body);
        event.subject = None;
        let refusal = stage.submit(Stage::sign(&event)).unwrap_err();
        only(&refusal, K::InvalidSchema, "needs an incident");
    }
}

/// R-17.2-2, R-18.2-5: what an incident is about stands in the status, whatever kinds of scope
/// it has.
#[test]
fn the_status_says_what_is_affected() {
    let mut stage = at(S::Triaged);
    let mut declared = stage.declared();
    declared.class = IncidentClass::WitnessProof;
    declared.scopes =
        ["domain:dex", "econ:fees", "issuer:i1", "oracle-source:i1/a"].map(str::to_owned).to_vec();
    stage.act(Role::OnCallOperator, &Body::IncidentDeclared(declared));
    let status = derive(stage.state(), stage.now);
    let fact = status.facts.iter().find(|f| f.kind == "incident").unwrap();
    assert!(fact.text.ends_with("on domain:dex econ:fees issuer:i1 oracle-source:i1/a"));
}

/// R-6.3-2: decisions are on record without a scribe.
#[test]
fn every_decision_has_its_entry_without_a_scribe() {
    let stage = crate::testing::walk::whole();
    let view = stage.view();
    let scribe = crate::testing::person(Role::AuditScribe);
    let trail = crate::audit::trail(stage.state(), view);
    let acts = ["decision.recorded", "incident.declared", "restart.decided", "recovery.recorded"];
    for kind in acts {
        let entry = view.entries.iter().find(|e| e.kind == kind).unwrap();
        assert!(entry.by != scribe && trail.items[1].entries.contains(&entry.index), "{kind}");
    }
}
