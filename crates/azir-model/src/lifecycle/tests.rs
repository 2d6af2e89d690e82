//! Every pair of states at every severity and resolution, each guard failing alone, and the
//! reachability that D-036 claims.

use std::collections::BTreeSet;

use super::*;
use crate::class::ConfirmationKind;
use crate::refusal::RefusalKind as K;
use crate::vocab::{BlastRank, IncidentClass, Profile};

const EVERYBODY: [Role; 9] = [
    Role::IncidentReporter,
    Role::OnCallOperator,
    Role::IncidentCommander,
    Role::ConsensusLead,
    Role::ExecutionLead,
    Role::SecurityLead,
    Role::GovernanceLiaison,
    Role::RecoveryOperator,
    Role::AuditScribe,
];

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Facts in which every guard of every transition that may be asked from `state` is met.
fn met(state: IncidentState, peak: Severity, resolution: Resolution, recovered: bool) -> Facts {
    let mut facts = Facts::opened(IncidentClass::Bvm, peak, Deployment::Serious);
    facts.state = state;
    facts.resolution = resolution;
    facts.declared = Some(Declared {
        class: IncidentClass::Bvm,
        severity: peak,
        by: "operator:ic".into(),
        role: Role::IncidentCommander,
        reason: None,
    });
    facts.scopes = Some(1);
    facts.blast = Some(BlastRank::DOMAIN);
    facts.commander = Some("operator:ic".into());
    facts.recovery_operators = vec!["operator:ro".into()];
    facts.runbook_bound = true;
    facts.confirmations = vec![Confirmed { kind: ConfirmationKind::TwoResults, verified: true }];
    facts.decision = Some(Decided {
        profile: Profile::LocalDegraded,
        observe_only: true,
        by: "operator:ic".into(),
        input: digest("in"),
        output: digest("out"),
        seconded: true,
        override_incomplete: false,
    });
    facts.quiet_for_ms = Some(u64::MAX);
    facts.hard_final_blocks_since = 10;
    facts.checkpoint = Some(digest("checkpoint"));
    facts.plan = Some(Plan {
        missing_parts: Vec::new(),
        entry_holds: true,
        prepared_by: "operator:ro".into(),
        approved_by: Some("operator:ic".into()),
    });
    facts.recovery = if recovered {
        RecoveryState::Done { report: digest("report") }
    } else {
        RecoveryState::NoneRequired { reason: "local".into(), proof: Some(digest("proof")) }
    };
    facts.watch = Watch { elapsed_ms: u64::MAX, blocks: 10, outside: Vec::new() };
    facts.cause = Cause::KindIdentified;
    facts.review = Some(Review { by: "operator:el".into(), role: Role::ExecutionLead });
    facts.refutation = Some(digest("refutation"));
    // Open for the guard `twin`, closed where a duplicate itself closes.
    let twin_state = if state == IncidentState::Monitoring {
        IncidentState::Closed
    } else {
        IncidentState::Containing
    };
    facts.twin = Some(Twin {
        incident: digest("twin"),
        state: twin_state,
        peak: Severity::Sev5Systemic,
        evidence_linked: true,
    });
    facts.postmortem_signed = EVERYBODY.to_vec();
    facts
}

fn full(from: IncidentState, to: IncidentState) -> Request {
    Request {
        reason: Some("because".into()),
        cause: Some((ContainingCause::Relapse, digest("cause"))),
        report: Some(digest("report")),
        new_evidence: vec![digest("new")],
        due: Some(Timestamp::from_ms(1)),
        ..Request::by(&EVERYBODY, from, to)
    }
}

fn for_transition(id: TransitionId, peak: Severity, resolution: Resolution) -> (Facts, Request) {
    let (from, to) = ends(id);
    (met(from, peak, resolution, id != TransitionId::T12), full(from, to))
}

fn ends(id: TransitionId) -> (IncidentState, IncidentState) {
    pairs().into_iter().find(|(from, to)| edge(*from, *to) == Some(id)).unwrap()
}

fn pairs() -> Vec<(IncidentState, IncidentState)> {
    let all = IncidentState::ALL;
    all.iter().flat_map(|a| all.iter().map(|b| (*a, *b))).collect()
}

/// R-5.1-11: 22 edges, 68 refused pairs, no self loops.
#[test]
fn there_are_22_edges_and_68_other_pairs() {
    let edges: Vec<_> = pairs().into_iter().filter_map(|(a, b)| edge(a, b)).collect();
    assert_eq!(edges.len(), 22);
    assert_eq!(edges.iter().collect::<BTreeSet<_>>().len(), 22);
    let none = pairs().into_iter().filter(|(a, b)| a != b && edge(*a, *b).is_none()).count();
    assert_eq!(none, 68);
    assert!(IncidentState::ALL.iter().all(|s| edge(*s, *s).is_none()));
}

/// R-5.1-11: with every guard met, all pairs at all severities and resolutions are accepted exactly
/// where the columns of annex B, written out again here, allow them.
#[test]
fn with_every_guard_met_only_the_table_decides() {
    use IncidentState as S;
    use Resolution as R;
    let mut tried = 0;
    for peak in Severity::ALL {
        for resolution in R::ALL {
            for (from, to) in pairs() {
                let rank = peak.rank();
                let refuted = matches!(resolution, R::FalseAlarm | R::Duplicate);
                let allowed = match (from, to) {
                    (S::Detected, S::Closed) => rank <= 2 && refuted,
                    (S::Triaged, S::Closed) => {
                        (rank <= 3 && refuted) || (rank <= 1 && *resolution == R::NoAction)
                    }
                    (S::Triaged, S::Monitoring) => {
                        (rank >= 4 && refuted) || (rank <= 1 && *resolution == R::NoAction)
                    }
                    (S::Confirmed, S::Monitoring) => {
                        refuted || (rank <= 2 && *resolution == R::ObserveOnly)
                    }
                    (S::Containing, S::Monitoring) => *resolution == R::FalseAlarm,
                    (from, to) => edge(from, to).is_some(),
                };
                let recovered = (from, to) != (S::Stabilized, S::Monitoring);
                let facts = met(from, *peak, *resolution, recovered);
                let answer = admit(&facts, &full(from, to));
                match &answer {
                    Ok(t) => assert_eq!(Some(t.id), edge(from, to)),
                    Err(r) => assert_eq!(r.kind(), K::IllegalTransition, "{r}"),
                }
                assert_eq!(answer.is_ok(), allowed, "{from} {to} {peak} {resolution}");
                let next = next_allowed(&facts);
                let listed = next.iter().any(|(t, judged)| t.to == to && judged.is_ok());
                assert_eq!(listed, allowed, "what may be done now agrees with what is admitted");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 100 * 6 * 5);
}

/// What must be spoilt so that exactly this guard fails.
fn spoil(guard: Guard, facts: &mut Facts, request: &mut Request) {
    let missing = || vec!["item".to_owned()];
    match guard {
        Guard::Declared => facts.declared = None,
        Guard::Scope => facts.blast = None,
        Guard::Commander => facts.commander = None,
        Guard::Runbook => facts.runbook_bound = false,
        Guard::Confirm => facts.confirmations[0].verified = false,
        Guard::Pin => facts.pins_missing = missing(),
        Guard::Decision => facts.decision = None,
        Guard::InForce => {
            facts.measures = vec![measure(false, MeasureState::Requested)];
        }
        Guard::Quiet => facts.quiet_for_ms = Some(1),
        Guard::Truth => facts.checkpoint = None,
        Guard::Plan => facts.plan.as_mut().unwrap().missing_parts = vec!["exit".into()],
        Guard::RecoveryState | Guard::RecoveryDone | Guard::NothingToRecover => {
            facts.recovery = RecoveryState::Unrecorded;
        }
        Guard::Exit => facts.exit_missing = missing(),
        Guard::Watch => facts.watch.elapsed_ms = 1,
        Guard::Released => facts.measures = vec![measure(true, MeasureState::InForce)],
        Guard::Cause => facts.cause = Cause::Bounded,
        Guard::Evidence => facts.evidence_missing = missing(),
        Guard::Audit => facts.audit_missing = missing(),
        Guard::Review => facts.review = None,
        Guard::Refute => facts.refutation = None,
        Guard::Twin => facts.twin = None,
        Guard::TwinClosed => facts.twin.as_mut().unwrap().state = IncidentState::Containing,
        Guard::ObserveOnly => facts.decision.as_mut().unwrap().observe_only = false,
        Guard::Entry => facts.plan.as_mut().unwrap().entry_holds = false,
        Guard::StoreEvidence => facts.store_evidence_missing = missing(),
        Guard::NoDamage => facts.quiet_for_ms = None,
        Guard::Postmortem => facts.postmortem_missing = missing(),
        Guard::Reason => request.reason = Some(" ".into()),
        Guard::CauseEvent | Guard::RelapseEvent => request.cause = None,
        Guard::Report => request.report = None,
        Guard::NewEvidence => request.new_evidence.clear(),
        Guard::DueDate => request.due = None,
    }
}

fn measure(protocol: bool, state: MeasureState) -> Measure {
    Measure {
        name: "gate node-1/notary".into(),
        protocol,
        state,
        observes: false,
        residual_accepted: false,
        handed_over: false,
    }
}

fn kind_of(guard: Guard) -> K {
    match guard {
        Guard::Released => K::MeasureActive,
        Guard::StoreEvidence => K::DestructiveBeforePreserve,
        Guard::Postmortem => K::PostmortemIncomplete,
        Guard::Reason => K::ReasonRequired,
        Guard::NewEvidence => K::EvidenceMissing,
        _ => K::GuardUnmet,
    }
}

/// R-5.1-2, R-5.1-3, R-5.1-4, R-5.1-5, R-5.1-6, R-5.1-7, R-5.1-8, R-5.1-13, R-5.2-2, R-5.2-3,
/// R-9.1-8, R-9.1-10, R-9.1-11, R-26.2-2: every guard of every transition fails alone, by its own
/// name.
#[test]
fn each_guard_of_each_transition_fails_alone_and_names_itself() {
    let mut failed = BTreeSet::new();
    for id in TransitionId::ALL {
        for peak in Severity::ALL {
            for resolution in Resolution::ALL {
                if !allowed_for(*id, *peak, *resolution) {
                    continue;
                }
                for guard in guards(*id, *resolution) {
                    let (mut facts, mut request) = for_transition(*id, *peak, *resolution);
                    spoil(guard, &mut facts, &mut request);
                    let Err(refusal) = admit(&facts, &request) else {
                        assert!(may_be_vacuous(guard, *peak, *resolution), "{id} {guard} {peak}");
                        continue;
                    };
                    let first = &refusal.unmet()[0];
                    assert_eq!(first.kind, kind_of(guard), "{id} {guard}: {refusal}");
                    assert!(first.what.starts_with(guard.as_str()), "{id} {guard}: {refusal}");
                    assert!(!first.remedy.is_empty() && !first.rule.is_empty());
                    // A spoilt recovery or twin is asked for by two atoms of one transition.
                    let shared = [Guard::RecoveryState, Guard::Refute, Guard::Twin, Guard::Quiet];
                    assert!(refusal.unmet().len() == 1 || shared.contains(&guard), "{refusal}");
                    failed.insert(guard);
                }
            }
        }
    }
    assert_eq!(failed.len(), Guard::ALL.len(), "every atom failed somewhere");
}

/// Where annex B itself asks for less.
fn may_be_vacuous(guard: Guard, peak: Severity, resolution: Resolution) -> bool {
    let rank = peak.rank();
    match guard {
        Guard::Commander | Guard::Audit | Guard::Review => rank < 3,
        Guard::Quiet => rank < 3 || (resolution.is_refuted() && rank < 4),
        Guard::Watch => rank < 2 || (resolution.is_refuted() && rank < 4),
        Guard::Cause => rank < 4 || resolution.is_refuted(),
        _ => false,
    }
}

/// R-2.2-2, R-2.2-3, R-2.2-4, R-40.0-4: on the way to CONTAINING one verified item and the pins are
/// asked for, and neither the cause nor complete evidence.
#[test]
fn containment_waits_for_pins_and_one_confirmation_and_for_no_explanation() {
    let way = [TransitionId::T01, TransitionId::T03, TransitionId::T06];
    let asked: BTreeSet<_> = way.iter().flat_map(|id| guards(*id, Resolution::Real)).collect();
    assert!(asked.contains(&Guard::Pin) && asked.contains(&Guard::Confirm));
    for guard in [Guard::Cause, Guard::Evidence, Guard::StoreEvidence, Guard::Audit] {
        assert!(!asked.contains(&guard), "{guard}");
    }
    for id in way {
        let (mut facts, request) = for_transition(id, Severity::Sev5Systemic, Resolution::Real);
        let mut ignored = request.clone();
        spoil(Guard::Cause, &mut facts, &mut ignored);
        spoil(Guard::Evidence, &mut facts, &mut ignored);
        admit(&facts, &request).unwrap();
    }
}

/// R-5.1-2: all unmet guards at once.
#[test]
fn a_refusal_names_everything_that_is_missing() {
    let facts =
        Facts::opened(IncidentClass::Consensus, Severity::Sev4Critical, Deployment::Serious);
    let request =
        Request::by(&[Role::IncidentReporter], IncidentState::Detected, IncidentState::Triaged);
    let refusal = admit(&facts, &request).unwrap_err();
    let whats: Vec<_> = refusal.unmet().iter().map(|u| u.what.as_str()).collect();
    assert_eq!(whats.len(), 5, "{refusal}");
    assert_eq!(refusal.kind(), K::NotAuthorized);
    for (what, name) in whats[1..].iter().zip(["declared", "scope", "rb", "ic"]) {
        assert!(what.starts_with(name), "{what}");
    }
}

/// R-5.2-1, R-5.1-15, R-5.1-10: a critical incident reaches CLOSED from MONITORING only; nothing
/// leaves POSTMORTEM_PUBLISHED; DETECTED is not dismissed above SEV_2. Reachability of D-036.
#[test]
fn reachability_is_as_d036_claims() {
    for peak in Severity::ALL {
        let step = |from: IncidentState| {
            let to = IncidentState::ALL.iter().copied();
            to.filter(move |to| {
                edge(from, *to)
                    .is_some_and(|id| Resolution::ALL.iter().any(|r| allowed_for(id, *peak, *r)))
            })
        };
        let reach = |start: IncidentState| {
            let mut seen = BTreeSet::from([start]);
            let mut todo = vec![start];
            while let Some(state) = todo.pop() {
                todo.extend(step(state).filter(|to| seen.insert(*to)));
            }
            seen
        };
        assert_eq!(reach(IncidentState::Detected).len(), 10, "{peak}");
        for state in IncidentState::ALL {
            assert!(reach(*state).iter().any(|s| is_terminal(*s, *peak)), "{state} {peak}");
        }
        let before: Vec<_> = IncidentState::ALL
            .iter()
            .filter(|s| step(**s).any(|to| to == IncidentState::Closed))
            .collect();
        if *peak >= Severity::Sev4Critical {
            assert_eq!(before, [&IncidentState::Monitoring]);
        }
        assert_eq!(step(IncidentState::PostmortemPublished).count(), 0);
        let dismissed = step(IncidentState::Detected).any(|to| to == IncidentState::Closed);
        assert_eq!(dismissed, *peak <= Severity::Sev2Medium);
        assert_eq!(is_terminal(IncidentState::Closed, *peak), *peak <= Severity::Sev3High);
    }
}

/// R-5.1-8: closing a critical incident carries the postmortem with it.
#[test]
fn closing_at_sev_4_is_followed_by_postmortem_pending() {
    for peak in Severity::ALL {
        let (facts, request) = for_transition(TransitionId::T18, *peak, Resolution::Real);
        let follow = admit(&facts, &request).unwrap().followed_by;
        assert_eq!(follow.is_some(), *peak >= Severity::Sev4Critical);
    }
}

/// The column "who" of annex B, written out again. R-6.1-10: machines make none of them.
#[test]
fn each_transition_is_made_by_its_roles_alone() {
    use TransitionId as T;
    for id in T::ALL {
        let resolution = match id {
            T::T02 | T::T04 | T::T07 | T::T09 => Resolution::FalseAlarm,
            T::T05 => Resolution::NoAction,
            _ => Resolution::Real,
        };
        for peak in [Severity::Sev1Low, Severity::Sev3High] {
            if !allowed_for(*id, peak, resolution) {
                continue;
            }
            let (facts, request) = for_transition(*id, peak, resolution);
            let may: Vec<_> = EVERYBODY
                .iter()
                .chain([&Role::Automatic])
                .filter(|role| {
                    admit(&facts, &Request { roles: vec![**role], ..request.clone() }).is_ok()
                })
                .map(|role| role.as_str())
                .collect();
            let expected: &[&str] = match id {
                T::T01 | T::T02 | T::T04 | T::T08 | T::T10 | T::T14 | T::T16 | T::T17 => {
                    &["OCO", "IC"]
                }
                T::T03 => &["OCO", "IC", "CL", "EL"],
                T::T18 if peak == Severity::Sev1Low => &["OCO", "IC"],
                T::T13 => &["IC", "RO"],
                T::T21 | T::T22 => &["OCO", "IC", "CL", "EL", "SL", "GL"],
                _ => &["IC"],
            };
            assert_eq!(may, expected, "{id} {peak}");
        }
    }
}

/// R-5.1-12: the server makes the consequences of rules and nothing else.
#[test]
fn the_server_appends_relapse_postmortem_and_a_cleared_info_only() {
    use TransitionId as T;
    for id in T::ALL {
        for peak in Severity::ALL {
            for resolution in Resolution::ALL {
                if !allowed_for(*id, *peak, *resolution) {
                    continue;
                }
                let (facts, request) = for_transition(*id, *peak, *resolution);
                let request = Request { by_system: true, detector_cleared: true, ..request };
                let may = matches!(id, T::T10 | T::T14 | T::T16 | T::T19)
                    || (*id == T::T02 && *peak == Severity::Sev0Info);
                assert_eq!(admit(&facts, &request).is_ok(), may, "{id} {peak}");
                let uncleared = Request { detector_cleared: false, ..request.clone() };
                assert_eq!(admit(&facts, &uncleared).is_ok(), may && *id != T::T02);
                let wider = (ContainingCause::WiderDecision, digest("decision"));
                let wider = Request { cause: Some(wider), ..request };
                assert_eq!(admit(&facts, &wider).is_ok(), may && matches!(id, T::T19 | T::T02));
            }
        }
    }
}

/// R-5.2-4: review by a second person who neither commanded nor recovered; the lead from SEV_4.
#[test]
fn the_closure_review_is_by_a_lead_who_neither_commanded_nor_recovered() {
    for peak in [Severity::Sev3High, Severity::Sev4Critical, Severity::Sev5Systemic] {
        for (by, role, expected) in [
            ("operator:el", Role::ExecutionLead, None),
            ("operator:cl", Role::ConsensusLead, None),
            ("operator:ic", Role::ExecutionLead, Some(K::RoleConflict)),
            ("operator:ro", Role::ExecutionLead, Some(K::RoleConflict)),
            ("operator:as", Role::AuditScribe, Some(K::GuardUnmet)),
            ("operator:oc", Role::OnCallOperator, Some(K::GuardUnmet)),
            (
                "operator:sl",
                Role::SecurityLead,
                (peak >= Severity::Sev4Critical).then_some(K::GuardUnmet),
            ),
        ] {
            let (mut facts, request) = for_transition(TransitionId::T18, peak, Resolution::Real);
            facts.review = Some(Review { by: by.into(), role });
            let refused = admit(&facts, &request).err().map(|r| r.kind());
            assert_eq!(refused, expected, "{by} {role} {peak}");
            facts.deployment = Deployment::Small;
            if expected == Some(K::RoleConflict) {
                assert!(admit(&facts, &request).unwrap().self_reviewed);
            }
        }
    }
}

#[test]
fn windows_are_skipped_or_halved_for_false_alarms_and_duplicates() {
    let windows = crate::policy::Windows::default();
    for peak in Severity::ALL {
        for resolution in [Resolution::Real, Resolution::FalseAlarm, Resolution::Duplicate] {
            let (mut facts, request) = for_transition(TransitionId::T18, *peak, resolution);
            let full = windows.mon_ms.at(*peak);
            let (ms, blocks) = match (resolution, peak.rank()) {
                (Resolution::Real, rank) => (full, if rank >= 3 { 10 } else { 0 }),
                (_, 4 | 5) => (full / 2, 5),
                (..) => (0, 0),
            };
            facts.watch = Watch { elapsed_ms: ms, blocks, outside: Vec::new() };
            admit(&facts, &request).unwrap();
            if ms > 0 {
                facts.watch.elapsed_ms = ms - 1;
                assert!(admit(&facts, &request).is_err());
                facts.watch.elapsed_ms = ms;
            }
            if blocks > 0 {
                facts.watch.blocks = blocks - 1;
                assert!(admit(&facts, &request).is_err());
                facts.finalizing = false;
                admit(&facts, &request).unwrap();
            }
        }
    }
}

/// R-5.1-5: what counts as in force.
#[test]
fn a_requested_protocol_measure_counts_only_with_accepted_residual_harm() {
    for (protocol, state, accepted, expected) in [
        (false, MeasureState::InForce, false, true),
        (false, MeasureState::Requested, true, false),
        (true, MeasureState::Requested, false, false),
        (true, MeasureState::Requested, true, true),
        (true, MeasureState::Lost, true, false),
        (true, MeasureState::Ended, false, true),
    ] {
        let (mut facts, request) =
            for_transition(TransitionId::T08, Severity::Sev4Critical, Resolution::Real);
        facts.measures = vec![Measure { residual_accepted: accepted, ..measure(protocol, state) }];
        assert_eq!(admit(&facts, &request).is_ok(), expected, "{protocol} {state} {accepted}");
    }
}

/// R-3.1-12, and the reason for a lower severity than proposed.
#[test]
fn a_declaration_is_bound_by_class_and_proposal() {
    let (mut facts, request) =
        for_transition(TransitionId::T01, Severity::Sev3High, Resolution::Real);
    facts.proposed = Severity::Sev5Systemic;
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::ReasonRequired);
    facts.declared.as_mut().unwrap().reason = Some("one node only".into());
    admit(&facts, &request).unwrap();
    facts.declared.as_mut().unwrap().class = IncidentClass::ObservabilityOnly;
    let refusal = admit(&facts, &request).unwrap_err();
    assert!(refusal.unmet()[0].what.contains("reclassify"), "{refusal}");
    facts.declared.as_mut().unwrap().role = Role::SecurityLead;
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::GuardUnmet);
}

/// R-9.1-9: the author of a plan does not approve it.
#[test]
fn a_plan_is_not_approved_by_its_author_in_a_serious_deployment() {
    let (mut facts, request) =
        for_transition(TransitionId::T11, Severity::Sev3High, Resolution::Real);
    facts.plan.as_mut().unwrap().prepared_by = "operator:ic".into();
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::RoleConflict);
    facts.deployment = Deployment::Small;
    admit(&facts, &request).unwrap();
}

/// R-6.1-2: D-050 for the step to CONTAINING.
#[test]
fn the_on_call_contains_without_commander_within_d050() {
    let (mut facts, mut request) =
        for_transition(TransitionId::T06, Severity::Sev2Medium, Resolution::Real);
    request.roles = vec![Role::OnCallOperator];
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::NotAuthorized);
    facts.commander = None;
    facts.decision.as_mut().unwrap().seconded = false;
    admit(&facts, &request).unwrap();
    facts.decision.as_mut().unwrap().profile = Profile::HaltScoped;
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::NotAuthorized);
    facts.decision.as_mut().unwrap().seconded = true;
    admit(&facts, &request).unwrap();
}

/// R-5.1-14: a request made on another state is stale.
#[test]
fn a_request_on_another_state_is_stale() {
    let (facts, request) = for_transition(TransitionId::T08, Severity::Sev1Low, Resolution::Real);
    let request = Request { from: IncidentState::Confirmed, ..request };
    assert_eq!(admit(&facts, &request).unwrap_err().kind(), K::StaleView);
}

#[test]
fn next_allowed_lists_every_edge_with_its_reasons() {
    let facts = met(IncidentState::Stabilized, Severity::Sev4Critical, Resolution::Real, true);
    let next = next_allowed(&facts);
    let ids: Vec<_> = next.iter().map(|(t, r)| (t.id, r.is_ok())).collect();
    assert_eq!(
        ids,
        [(TransitionId::T10, true), (TransitionId::T11, true), (TransitionId::T12, false)]
    );
    let opened = Facts::opened(IncidentClass::Bvm, Severity::Sev4Critical, Deployment::Serious);
    let next = next_allowed(&opened);
    let kinds: Vec<_> = next.iter().map(|(t, r)| (t.id, r.as_ref().unwrap_err().kind())).collect();
    assert_eq!(
        kinds,
        [(TransitionId::T01, K::GuardUnmet), (TransitionId::T02, K::IllegalTransition)]
    );
    let last = met(IncidentState::PostmortemPublished, Severity::Sev1Low, Resolution::Real, true);
    assert!(next_allowed(&last).is_empty());
}

/// R-5.2-3, R-5.1-2, R-5.1-3, R-5.1-8, R-9.1-11, R-26.2-1, R-26.2-3, R-26.2-4: each condition
/// inside an atom counts by itself, and only from the peak that annex B names.
#[test]
fn each_condition_inside_an_atom_counts() {
    type Spoil = fn(&mut Facts);
    let cases: &[(Guard, usize, Spoil)] = &[
        (Guard::Twin, 0, |f| f.twin.as_mut().unwrap().evidence_linked = false),
        (Guard::Twin, 0, |f| f.twin.as_mut().unwrap().state = IncidentState::Closed),
        (Guard::Twin, 1, |f| f.twin.as_mut().unwrap().peak = Severity::Sev0Info),
        (Guard::RecoveryState, 4, |f| {
            f.recovery = RecoveryState::NoneRequired { reason: "local".into(), proof: None };
        }),
        (Guard::RecoveryState, 0, |f| {
            let proof = Some(digest("proof"));
            f.recovery = RecoveryState::NoneRequired { reason: " ".into(), proof };
        }),
        (Guard::Refute, 0, |f| f.measures = vec![measure(false, MeasureState::InForce)]),
        (Guard::Plan, 0, |f| f.plan.as_mut().unwrap().approved_by = None),
        (Guard::Plan, 0, |f| f.plan = None),
        (Guard::Plan, 0, |f| f.plan.as_mut().unwrap().missing_parts = vec!["target".into()]),
        (Guard::Plan, 0, |f| f.plan.as_mut().unwrap().missing_parts = vec!["outputs".into()]),
        (Guard::Plan, 0, |f| f.plan.as_mut().unwrap().missing_parts = vec!["exit".into()]),
        (Guard::Scope, 0, |f| f.scopes = None),
        (Guard::Scope, 1, |f| f.scopes = Some(0)),
        (Guard::Cause, 0, |f| f.cause = Cause::Unknown),
        (Guard::Cause, 4, |f| f.cause = Cause::Bounded),
        (Guard::Watch, 0, |f| f.watch.outside = vec!["vote rate".into()]),
        (Guard::Watch, 0, |f| f.measures = vec![measure(true, MeasureState::Lost)]),
        (Guard::Watch, 0, |f| f.quiet_for_ms = None),
        (Guard::Watch, 3, |f| f.watch.blocks = 9),
        (Guard::Quiet, 3, |f| f.hard_final_blocks_since = 9),
        (Guard::Confirm, 0, |f| f.confirmations[0].kind = ConfirmationKind::ChecksumFails),
        (Guard::Confirm, 0, |f| f.confirmations.clear()),
        (Guard::Decision, 0, |f| f.decision.as_mut().unwrap().override_incomplete = true),
        (Guard::InForce, 0, |f| f.decision = None),
        (Guard::Released, 0, |f| f.measures = vec![measure(true, MeasureState::Requested)]),
        (Guard::Released, 0, |f| f.measures = vec![measure(true, MeasureState::Lost)]),
        (Guard::Postmortem, 0, |f| f.postmortem_signed.retain(|r| *r != Role::AuditScribe)),
        (Guard::Postmortem, 0, |f| f.postmortem_signed.retain(|r| *r != Role::IncidentCommander)),
        (Guard::Postmortem, 0, |f| {
            let leads = [Role::ExecutionLead, Role::ConsensusLead];
            f.postmortem_signed.retain(|r| !leads.contains(r));
        }),
        (Guard::Pin, 0, |f| f.pins_missing = vec!["module".into()]),
        (Guard::Pin, 3, |f| {
            f.class = IncidentClass::Economic;
            f.pins_missing = vec!["parameters".into()];
        }),
        (Guard::Commander, 3, |f| f.commander = None),
        (Guard::Audit, 3, |f| f.audit_missing = vec!["timeline".into()]),
        (Guard::Review, 3, |f| f.review = None),
    ];
    for (i, (guard, from, spoil)) in cases.iter().enumerate() {
        for peak in Severity::ALL {
            let mut facts = met(IncidentState::Confirmed, *peak, Resolution::Real, true);
            guard.check_facts(&facts).unwrap();
            spoil(&mut facts);
            let refused = guard.check_facts(&facts).is_err();
            assert_eq!(refused, peak.rank() >= *from, "case {i}: {guard} at {peak}");
        }
    }
}

/// Measures that only observe, or are handed over, hold nothing back at closure.
#[test]
fn observing_and_handed_over_measures_do_not_block_closure() {
    let (mut facts, request) =
        for_transition(TransitionId::T18, Severity::Sev3High, Resolution::Real);
    let held = measure(true, MeasureState::InForce);
    facts.measures = vec![
        Measure { observes: true, ..held.clone() },
        Measure { handed_over: true, ..held.clone() },
        Measure { state: MeasureState::Ended, ..held },
    ];
    admit(&facts, &request).unwrap();
}
