//! The worked results of annex D.9, single rules of annex D, and what holds for every input.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::emergency::Term;
use crate::scope::ScopeKind;
use crate::vocab::{BlastRank, Choice, IncidentClass, NodeRole, Severity};

/// The numbers above the table of D.9.
pub(super) fn base(class: IncidentClass, severity: Severity, rank: u8) -> Input {
    let path = |delay_s| Some(Path { delay_s, ..Path::default() });
    Input {
        version: VERSION,
        incident: IncidentFacts {
            id: None,
            classes: vec![class],
            severity,
            declarers: 1,
            blast_rank: BlastRank::try_from(rank).unwrap(),
            flags: BTreeSet::new(),
            grade: Grade::Corroborated,
        },
        channels: Vec::new(),
        chain: ChainFacts {
            height: 1000,
            block: None,
            finalizing: true,
            finality_s: 10,
            seats: 7,
            quorum: 5,
            counting: 7,
            disputed: None,
            subjects: subjects(),
        },
        paths: Paths {
            owner: path(0),
            ordinary: path(1200),
            expedited: None,
            emergency: Some(Path { delay_s: 60, expiry_max_s: Some(86_400), ..Path::default() }),
            restart: path(18_000),
        },
        local: LocalFacts { gates_reachable: true, close_s: 1, automatic: false, decision_s: 120 },
        tolerance: Tolerance::default(),
        sources: BTreeMap::new(),
    }
}

pub(super) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn subjects() -> BTreeMap<Scope, BTreeSet<String>> {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    [
        ("machine:m1", set(&["m1"])),
        ("machine-family:mf", set(&["m1", "m2"])),
        ("module:c0de", set(&["c0de"])),
        ("module-family:f", set(&["c0de", "c1de"])),
        ("mandate:a1", set(&["a1"])),
        ("agent-class:ac", set(&["a1", "a2"])),
        ("key:k1", set(&["k1"])),
        ("issuer:i1", set(&["i1"])),
        ("issuer:i2", set(&["i2"])),
        ("issuer-class:ic", set(&["i1", "i2"])),
        ("gov-path:p1", set(&["p1"])),
        ("feature:x", set(&["x"])),
        ("domain:d", set(&["m1", "m2", "m3", "a1", "a2"])),
        ("econ:fees", set(&["fees"])),
    ]
    .into_iter()
    .map(|(s, subjects)| (scope(s), subjects))
    .collect()
}

fn channel(at: &str, origin: Origin, actions: &[Action], t_harm: u64) -> Channel {
    Channel {
        scope: scope(at),
        origin,
        actions: ActionSet::of(actions),
        t_harm,
        min_capability: 0,
        open_exposure: None,
        exit_possible: None,
        pinned: true,
        checker: None,
        own_share: Vec::new(),
    }
}

pub(super) fn network(at: &str, actions: &[Action]) -> Channel {
    channel(at, Origin::Network, actions, 0)
}

/// Choice, scope, capability, authority.
type Short = (Choice, String, u8, Authority);

fn short(order: &Order) -> Short {
    let m = &order.measure;
    (m.choice, m.scope.to_string(), m.capability, m.authority)
}

fn all(output: &Output) -> Vec<Short> {
    output.apply_now.iter().chain(&output.request).map(short).collect()
}

fn expect(output: &Output, expected: &[(Choice, &str, u8, Authority)]) {
    let expected: Vec<Short> =
        expected.iter().map(|(c, s, k, a)| (*c, (*s).to_owned(), *k, *a)).collect();
    assert_eq!(all(output), expected, "{}", explain(output));
}

use IncidentClass as C;
use Severity as S;

/// R-24.1-1: D.9, three notaries offline without other harm, and telemetry noise.
#[test]
fn d_9_without_a_harm_channel_only_observe() {
    for input in [base(C::Consensus, S::Sev3High, 4), base(C::ObservabilityOnly, S::Sev0Info, 0)] {
        let output = decide(&input);
        assert!(output.apply_now.is_empty() && output.request.is_empty());
        assert_eq!(output.choices(), [Choice::ObserveOnly]);
    }
}

/// R-25.1-6: D.9, reward leak while nothing finalizes.
#[test]
fn d_9_nothing_finalizes_so_no_protocol_measure_is_effective() {
    let mut input = base(C::Economic, S::Sev4Critical, 4);
    input.channels = vec![network("econ:fees", &[Action::EconAny])];
    input.chain.finalizing = false;
    let output = decide(&input);
    expect(&output, &[]);
    let decided = &output.per_channel[0];
    assert_eq!(decided.step, Step::Uncontained);
    assert!(decided.emergency.blocking.contains(&Term::A0));
    assert!(output.residual[0].reasons.contains(&Reason::NotEffective));
    assert!(decided.emergency.require().unwrap_err().has(RefusalKind::NotEffective));
}

/// R-24.2-8, R-24.1-3: D.9, conflicting notarization.
#[test]
fn d_9_conflicting_notarization_is_contained_locally_and_the_seats_stay() {
    let mut input = base(C::Consensus, S::Sev5Systemic, 4);
    input.local.automatic = true;
    input.channels = vec![
        channel("node:own/notary", Origin::Own, &[Action::Notarize], 0),
        channel("node:own/proposer", Origin::Own, &[Action::Propose], 0),
        network("seat:3+5+6", &[Action::SeatSign]),
    ];
    let output = decide(&input);
    expect(
        &output,
        &[
            (Choice::LocalServiceHalt, "node:own/notary", 4, Authority::None),
            (Choice::LocalDegraded, "node:own/proposer", 2, Authority::None),
        ],
    );
    let seats = &output.per_channel[2];
    let quarantine =
        seats.candidates.iter().find(|c| c.measure.authority == Authority::Owner).unwrap();
    assert_eq!(quarantine.verdict, Verdict::StopsFinality);
    assert_eq!(quarantine.numbers.seats_after, Some(4));
    assert_eq!(output.residual.len(), 1);
    assert_eq!(output.residual[0].scope, scope("seat:3+5+6"));
    let refused = output.refused_overrides.iter().find(|r| r.choice == Choice::Quarantine).unwrap();
    assert_eq!(refused.refusal, RefusalKind::StopsFinality);
}

/// R-24.2-4: D.9, BVM divergence on own minority nodes with an exploitable machine.
#[test]
fn d_9_bvm_divergence_halts_own_signing_roles_and_freezes_the_machine() {
    let mut input = base(C::Bvm, S::Sev4Critical, 3);
    let own = [Action::Verify, Action::Propose, Action::Notarize];
    input.channels =
        vec![channel("node:own", Origin::Own, &own, 0), network("machine:m1", &[Action::CallAny])];
    let output = decide(&input);
    expect(
        &output,
        &[
            (Choice::LocalServiceHalt, "node:own", 4, Authority::None),
            (Choice::EmergencyRestriction, "machine:m1", 4, Authority::Emergency),
        ],
    );
    let roles: Vec<_> = output.apply_now[0].measure.roles.iter().collect();
    assert_eq!(roles, [NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary]);
    assert_eq!(output.request[0].time_s, Some(70));
    let machine = &output.per_channel[1];
    assert_eq!((machine.limit_s, machine.late), (300, false));
    let ordinary = machine.candidates.iter().find(|c| c.verdict == Verdict::TooSlow).unwrap();
    assert_eq!(ordinary.numbers.time_s, Some(1210));
}

/// R-24.2-7, R-16.3-1: D.9, boundedness bypass in a module family.
#[test]
fn d_9_boundedness_bypass_is_frozen_late_with_ten_seconds_of_residual_harm() {
    let mut input = base(C::Bvm, S::Sev5Systemic, 3);
    input.incident.flags.insert(Flag::Boundedness);
    input.channels = vec![Channel {
        min_capability: 4,
        own_share: vec![scope("node:own/proposer")],
        ..network("module-family:f", &[Action::CallAny])
    }];
    let output = decide(&input);
    expect(
        &output,
        &[
            (Choice::LocalDegraded, "node:own/proposer", 2, Authority::None),
            (Choice::EmergencyRestriction, "module-family:f", 4, Authority::Emergency),
        ],
    );
    assert!(output.apply_now[0].stop_gap);
    assert!(output.per_channel[0].late);
    assert_eq!(output.per_channel[0].step, Step::Emergency);
    assert_eq!(output.residual[0].beyond_s, Some(10));
}

/// R-24.1-6, R-13.1-2, R-17.2-3: D.9, contradictory oracle with another issuer.
#[test]
fn d_9_a_contradictory_oracle_needs_corroboration_while_another_issuer_exists() {
    let mut input = base(C::WitnessProof, S::Sev3High, 3);
    input.channels = vec![network("issuer:i1", &[Action::ClaimUncorroborated])];
    expect(&decide(&input), &[(Choice::Quarantine, "issuer:i1", 1, Authority::Ordinary)]);
    input.chain.subjects.insert(scope("issuer-class:ic"), BTreeSet::from(["i1".to_owned()]));
    expect(&decide(&input), &[(Choice::Quarantine, "issuer:i1", 4, Authority::Ordinary)]);
}

/// R-17.2-3: D.9, contradictory oracle of the sole issuer.
#[test]
fn d_9_a_sole_contradictory_issuer_is_frozen_by_the_emergency_path() {
    let mut input = base(C::WitnessProof, S::Sev4Critical, 3);
    input.channels = vec![network("issuer:i1", &[Action::ClaimAny])];
    let output = decide(&input);
    let emergency = (Choice::EmergencyRestriction, "issuer:i1", 4, Authority::Emergency);
    expect(&output, &[emergency]);
    assert_eq!(output.per_channel[0].emergency.normal_s, Some(1210));
}

/// R-24.1-5: D.9, agent key used to open positions; and draining through closes.
#[test]
fn d_9_agents_go_to_exit_only_before_they_are_halted_and_keys_are_revoked_by_owners() {
    let mut input = base(C::AgentControl, S::Sev3High, 2);
    let key = (Choice::Quarantine, "key:k1", 4, Authority::Owner);
    input.channels = vec![
        network("mandate:a1", &[Action::ActOpen, Action::ActIncrease]),
        network("key:k1", &[Action::KeyUse]),
    ];
    let output = decide(&input);
    expect(&output, &[(Choice::ProtocolSafeMode, "mandate:a1", 3, Authority::Owner), key]);
    assert_eq!(output.request[0].draft, Some(DraftKind::MandateMode));
    assert_eq!(output.request[1].draft, Some(DraftKind::KeyRevocation));

    input.incident.severity = S::Sev4Critical;
    input.channels[0].actions = ActionSet::of(&[Action::ActReduce, Action::ActClose]);
    let output = decide(&input);
    expect(&output, &[(Choice::ScopedProtocolHalt, "mandate:a1", 4, Authority::Owner), key]);
    // R-24.2-1: what blocks only openings does not stop a drain through closes.
    let of_exit = |c: &&Candidate| c.measure.capability == 3;
    let exit_only = output.per_channel[0].candidates.iter().find(of_exit).unwrap();
    assert_eq!(exit_only.verdict, Verdict::DoesNotStop);
}

/// D.9, activation filed before its timelock; improper activation already live.
#[test]
fn d_9_governance_is_challenged_in_time_and_restricted_when_live() {
    let mut input = base(C::Governance, S::Sev4Critical, 3);
    input.channels = vec![channel("gov-path:p1", Origin::Network, &[Action::GovActivate], 600)];
    let output = decide(&input);
    expect(&output, &[(Choice::ScopedProtocolHalt, "gov-path:p1", 4, Authority::Owner)]);
    assert_eq!(output.request[0].draft, Some(DraftKind::Challenge));

    input.incident.severity = S::Sev5Systemic;
    input.incident.flags.insert(Flag::ImproperActivation);
    input.channels = vec![network("feature:x", &[Action::UseFeature])];
    let output = decide(&input);
    expect(&output, &[(Choice::EmergencyRestriction, "feature:x", 4, Authority::Emergency)]);
    assert!(output.per_channel[0].late);
}

/// R-24.1-2, R-40.0-3: D.9, corrupt snapshot, bad binary, RPC overload.
#[test]
fn d_9_own_faults_are_answered_with_own_roles() {
    let signing = [Action::Verify, Action::Propose, Action::Notarize, Action::ServeRead];
    let mut input = base(C::Infrastructure, S::Sev3High, 1);
    input.channels = vec![channel("node:own", Origin::Own, &signing, 0)];
    let output = decide(&input);
    expect(&output, &[(Choice::LocalServiceHalt, "node:own", 4, Authority::None)]);
    assert_eq!(output.apply_now[0].measure.roles.len(), 4);

    let mut input = base(C::SupplyChain, S::Sev4Critical, 1);
    let every = [Action::Validate, Action::SubmitAgent, Action::ServeLoad];
    input.channels = vec![channel("node:own", Origin::Own, &[&signing[..], &every].concat(), 0)];
    let output = decide(&input);
    expect(&output, &[(Choice::LocalServiceHalt, "node:own", 4, Authority::None)]);
    assert_eq!(output.apply_now[0].measure.roles.len(), 6);

    let mut input = base(C::Infrastructure, S::Sev2Medium, 1);
    input.channels = vec![channel("node:own/rpc", Origin::Own, &[Action::ServeLoad], 0)];
    expect(&decide(&input), &[(Choice::LocalDegraded, "node:own/rpc", 2, Authority::None)]);
}

/// R-24.1-4, R-28.1-1, R-28.3-1, R-19.2-4: D.9, unsafe domain with open positions: exit-only before
/// freeze, as long as there is something to exit from and a way to do it (annex H).
#[test]
fn d_9_an_unsafe_domain_goes_to_exit_only() {
    let mut input = base(C::Economic, S::Sev3High, 3);
    let opening = [Action::ActOpen, Action::ActIncrease, Action::CallOpen, Action::CallIncrease];
    input.channels = vec![network("domain:d", &opening)];
    input.channels[0].open_exposure = Some(1_000_000);
    let output = decide(&input);
    expect(&output, &[(Choice::ProtocolSafeMode, "domain:d", 3, Authority::Ordinary)]);
    let decided = &output.per_channel[0];
    assert_eq!(decided.why_not, Some(WhyNot::Capability));
    let freeze = (Choice::ScopedProtocolHalt, "domain:d", 4, Authority::Ordinary);
    for (exposure, possible) in [(Some(0), None), (Some(1), Some(false))] {
        input.channels[0].open_exposure = exposure;
        input.channels[0].exit_possible = possible;
        let output = decide(&input);
        expect(&output, &[freeze]);
        let of_exit = |c: &&Candidate| c.measure.capability == 3;
        let exit_only = output.per_channel[0].candidates.iter().find(of_exit).unwrap();
        assert_eq!(exit_only.reason, Reason::ExitOnlyNotPreferred);
    }
}

/// R-18.3-1: D.9, cheap fee exploit: a cheap and repeatable one lifts the recommended profile,
/// and the predicate still decides about the draft.
#[test]
fn d_9_a_cheap_fee_exploit_restricts_the_fee_subsystem() {
    let mut input = base(C::Economic, S::Sev4Critical, 4);
    input.incident.flags.insert(Flag::CheapRepeatable);
    input.channels = vec![network("econ:fees", &[Action::EconAny])];
    let output = decide(&input);
    expect(&output, &[(Choice::EmergencyRestriction, "econ:fees", 4, Authority::Emergency)]);
    let profile = output.recommended_profile.unwrap();
    assert_eq!(profile.profile, Profile::EmergencyRestriction);
    input.incident.severity = S::Sev3High;
    input.incident.grade = Grade::Asserted;
    let output = decide(&input);
    assert_eq!(output.recommended_profile.unwrap().profile, Profile::EmergencyRestriction);
    assert!(!output.per_channel[0].emergency.holds);
}

/// R-25.1-4: D.9, an exploit claimed by one report only.
#[test]
fn d_9_one_report_does_not_open_the_emergency_path() {
    let mut input = base(C::Bvm, S::Sev4Critical, 3);
    input.incident.grade = Grade::Asserted;
    input.channels = vec![network("machine-family:mf", &[Action::CallAny])];
    let output = decide(&input);
    expect(&output, &[(Choice::Quarantine, "machine-family:mf", 4, Authority::Ordinary)]);
    let decided = &output.per_channel[0];
    assert!(decided.late && !decided.emergency.holds);
    assert_eq!(decided.emergency.blocking, [Term::A4]);
    assert_eq!(output.residual[0].beyond_s, Some(910));
}

/// R-24.2-9, R-24.2-4: the example of D.8: a quicker ordinary path would make the emergency path
/// needless.
#[test]
fn the_flip_names_the_ordinary_delay_at_which_the_choice_changes() {
    let mut input = base(C::Bvm, S::Sev4Critical, 3);
    input.channels = vec![network("machine:m1", &[Action::CallAny])];
    let output = decide(&input);
    let flips = &output.per_channel[0].flips;
    let flip = flips.iter().find(|f| f.input == "paths.ordinary.delay_s").unwrap();
    assert_eq!((flip.from, flip.to), (1200, 290));
    assert_eq!(flip.choice.as_ref().unwrap().choice, Choice::ScopedProtocolHalt);
    let text = explain(&output);
    assert!(text.contains("1210 s against 300 s"), "{text}");
    assert_eq!(
        output.per_channel[0].runner_up.as_ref().unwrap().choice,
        Choice::EmergencyRestriction
    );
    // The value found is the nearest: one second more and the choice stays.
    for (delay, choice) in [(290, Choice::ScopedProtocolHalt), (291, Choice::EmergencyRestriction)]
    {
        input.paths.ordinary.as_mut().unwrap().delay_s = delay;
        assert_eq!(decide(&input).choices(), [choice]);
    }
}

/// R-12.3-1, R-12.3-2, R-12.3-3: each condition of 12.3 is needed for scope network (D-067).
#[test]
fn a_systemic_halt_needs_all_three_conditions() {
    let mut input = base(C::Validation, S::Sev5Systemic, 4);
    input.incident.declarers = 2;
    input.incident.flags.insert(Flag::SameBytesDisagree);
    input.paths.emergency.as_mut().unwrap().network = true;
    input.channels = vec![network("network:all", &[Action::CallAny, Action::ActAny])];
    let halted = |input: &Input| decide(input).choices() == [Choice::EmergencyRestriction];
    assert!(halted(&input));
    let mut one = input.clone();
    one.incident.declarers = 1;
    assert!(!halted(&one));
    let mut low = input.clone();
    low.incident.blast_rank = BlastRank::DOMAIN;
    assert!(!halted(&low));
    let mut sound = input.clone();
    sound.incident.flags.clear();
    assert!(!halted(&sound));
    let mut closed = input.clone();
    closed.paths.emergency.as_mut().unwrap().network = false;
    assert!(!halted(&closed));
    let mut narrow = input;
    narrow.channels = vec![network("machine:m1", &[Action::CallAny])];
    let output = decide(&narrow);
    assert_eq!(output.request[0].measure.scope, scope("machine:m1"));
    let refused = |input: &Input| {
        let output = decide(input);
        require_systemic(input, &output.per_channel[0]).unwrap_err().to_string()
    };
    let text = refused(&narrow);
    assert!(text.contains("condition 3") && text.contains("machine:m1"), "{text}");
    assert!(!text.contains("condition 1") && !text.contains("condition 2"), "{text}");
    narrow.incident.declarers = 1;
    narrow.incident.flags.clear();
    let text = refused(&narrow);
    assert!(text.contains("condition 1") && text.contains("condition 2"), "{text}");
}

/// R-24.1-8, R-24.2-2: a restart needs its grounds, and both forms need preserved evidence.
#[test]
fn a_protocol_restart_needs_grounds_and_pinned_evidence() {
    let mut input = base(C::Consensus, S::Sev5Systemic, 4);
    input.chain.finalizing = false;
    input.channels = vec![channel("network:all", Origin::Network, &[Action::SeatSign], 86_400)];
    assert_eq!(decide(&input).choices(), [Choice::ObserveOnly]);
    input.incident.flags.insert(Flag::QuorumLost);
    expect(&decide(&input), &[(Choice::RecoveryMode, "network:all", 4, Authority::Restart)]);
    input.channels[0].pinned = false;
    let output = decide(&input);
    assert_eq!(output.choices(), [Choice::ObserveOnly]);
    let refused = output.refused_overrides.iter().find(|r| r.choice == Choice::RecoveryMode);
    assert_eq!(refused.unwrap().refusal, RefusalKind::DestructiveBeforePreserve);

    let mut local = base(C::Infrastructure, S::Sev3High, 1);
    local.channels = vec![channel("node:own", Origin::Own, &[Action::Verify], 0)];
    for (pinned, verdict) in [(false, Verdict::DestroysEvidence), (true, Verdict::Passes)] {
        local.channels[0].pinned = pinned;
        let decided = &decide(&local).per_channel[0];
        let rebuild = |c: &&Candidate| {
            c.measure.choice == Choice::RecoveryMode && c.measure.authority == Authority::None
        };
        assert_eq!(decided.candidates.iter().find(rebuild).unwrap().verdict, verdict);
    }
}

/// R-24.2-3, R-13.4-1: ignoring valid objects by configuration is listed, and refused as ambiguous.
#[test]
fn quarantine_by_configuration_of_nodes_is_ambiguous() {
    let mut input = base(C::WitnessProof, S::Sev3High, 3);
    input.channels = vec![network("issuer:i1", &[Action::ClaimAny])];
    let decided = &decide(&input).per_channel[0];
    let by_command = |c: &&Candidate| {
        c.measure.choice == Choice::Quarantine && c.measure.authority == Authority::None
    };
    let candidate = decided.candidates.iter().find(by_command).unwrap();
    assert_eq!(candidate.verdict, Verdict::Ambiguous);
    let refusals = refusals_of(candidate.reason, Choice::Quarantine);
    assert_eq!(refusals, [RefusalKind::ProtocolAuthorityRequired]);
}

/// R-24.2-10: annex A's last paragraph; evidence, ambiguity, authority and finality arithmetic are
/// beyond any override.
#[test]
fn verdicts_map_to_refusals_as_annex_a_says() {
    use RefusalKind as K;
    for reason in Reason::ALL.iter().copied() {
        let refusals = refusals_of(reason, Choice::Quarantine);
        let overridden = refusals.contains(&K::ReasonRequired);
        assert_eq!(overridden, overridable(reason.verdict()), "{reason}");
        assert_eq!(refusals.is_empty(), reason == Reason::Passes);
    }
    assert_eq!(
        refusals_of(Reason::NotPinned, Choice::RecoveryMode),
        [K::DestructiveBeforePreserve]
    );
    assert_eq!(refusals_of(Reason::PathAbsent, Choice::Quarantine), [K::ProtocolAuthorityRequired]);
    let emergency = Choice::EmergencyRestriction;
    assert_eq!(refusals_of(Reason::EmergencyPredicate, emergency), [K::EscalationNotJustified]);
    assert_eq!(refusals_of(Reason::NotEffective, emergency), [K::NotEffective]);
    assert_eq!(refusals_of(Reason::SeatsBelowQuorum, emergency), [K::StopsFinality]);
    assert_eq!(refusals_of(Reason::OwnOrigin, emergency), [K::ScopeTooBroad]);
}

/// R-24.2-6: input and output survive the canonical form, and the hashes are of it.
#[test]
fn input_and_output_are_canonical_and_hashed() {
    let mut input = base(C::Bvm, S::Sev4Critical, 3);
    input.channels = vec![network("machine:m1", &[Action::CallAny])];
    let bytes = azir_ledger::canon::encode(&input).unwrap();
    assert_eq!(azir_ledger::canon::decode::<Input>(&bytes).unwrap(), input);
    let output = decide(&input);
    assert_eq!(output.input_hash, Some(azir_ledger::Digest::tagged(INPUT_TAG, &bytes)));
    let bytes = azir_ledger::canon::encode(&output).unwrap();
    assert_eq!(azir_ledger::canon::decode::<Output>(&bytes).unwrap(), output);
    assert_eq!(output.hash().unwrap(), azir_ledger::Digest::tagged(OUTPUT_TAG, &bytes));
    assert_eq!(explain(&output), explain(&azir_ledger::canon::decode(&bytes).unwrap()));
}

/// R-25.1-3: a scope without live subjects is refused on input and ambiguous in the function.
#[test]
fn an_unresolved_scope_is_refused_and_never_acted_upon() {
    let mut input = base(C::Bvm, S::Sev4Critical, 3);
    input.channels = vec![network("machine:ghost", &[Action::CallAny])];
    assert_eq!(input.check().unwrap_err().kind(), RefusalKind::ScopeInvalid);
    let output = decide(&input);
    expect(&output, &[]);
    assert!(output.per_channel[0].emergency.blocking.contains(&Term::A3));
    input.channels[0].scope = scope("machine:m1");
    input.check().unwrap();
}

/// R-24.2-8 (D-075): equal measures merge only where the union adds no subject.
#[test]
fn channels_merge_only_without_adding_subjects() {
    let mut input = base(C::Bvm, S::Sev3High, 3);
    input.channels = vec![
        network("machine:m1", &[Action::CallAny]),
        network("machine:m1", &[Action::CallOpen, Action::CallAny]),
    ];
    let output = decide(&input);
    assert_eq!(output.request.len(), 1);
    assert_eq!(output.request[0].channels, [0, 1]);
    input.chain.subjects.insert(scope("machine:m2"), BTreeSet::from(["m2".to_owned()]));
    input.channels[1].scope = scope("machine:m2");
    let output = decide(&input);
    assert_eq!(output.request.len(), 2, "not the family, not the domain");
    assert!(output.request.iter().all(|o| o.measure.scope.kind() == ScopeKind::Machine));
}

fn any_channel() -> impl Strategy<Value = Channel> {
    let scopes = prop::sample::select(vec![
        "node:own",
        "node:own/notary",
        "node:own/rpc",
        "peers:p",
        "machine:m1",
        "machine-family:mf",
        "module-family:f",
        "mandate:a1",
        "key:k1",
        "issuer:i1",
        "seat:3",
        "seat:1+2+3",
        "gov-path:p1",
        "feature:x",
        "domain:d",
        "econ:fees",
        "machine:ghost",
        "network:all",
    ]);
    let actions = prop::collection::vec(prop::sample::select(Action::ALL), 0..4);
    let t_harm = prop::sample::select(vec![0_u64, 30, 71, 600, 4000, 90_000, u64::MAX]);
    (scopes, any::<bool>(), actions, t_harm, 0_u8..5, any::<bool>(), any::<Option<bool>>())
        .prop_map(|(at, own, actions, t_harm, min_capability, pinned, checker)| Channel {
            min_capability,
            pinned,
            checker,
            own_share: vec![scope("node:own/agent")],
            ..channel(at, if own { Origin::Own } else { Origin::Network }, &actions, t_harm)
        })
}

prop_compose! {
    pub(super) fn any_input()(
        channels in prop::collection::vec(any_channel(), 0..4),
        class in prop::sample::select(IncidentClass::ALL),
        severity in prop::sample::select(Severity::ALL),
        grade in prop::sample::select(Grade::ALL),
        flags in prop::collection::btree_set(prop::sample::select(Flag::ALL), 0..3),
        rank in 0_u8..5,
        declarers in 0_u8..3,
        chain in (any::<bool>(), 0_u64..9, prop::option::of(900_u64..1100)),
        paths in prop::collection::vec(prop::option::of(prop::sample::select(
            vec![0_u64, 60, 240, 1200, 90_000, u64::MAX])), 5),
        local in (any::<bool>(), any::<bool>(), 0_u64..200),
    ) -> Input {
        let mut input = base(class, severity, rank);
        input.channels = channels;
        input.incident.grade = grade;
        input.incident.flags = flags;
        input.incident.declarers = declarers;
        (input.chain.finalizing, input.chain.counting, input.chain.disputed) = chain;
        let path = |i: usize| {
            paths[i].map(|delay_s| Path { delay_s, network: i % 2 == 1, ..Path::default() })
        };
        input.paths = Paths {
            owner: path(0), ordinary: path(1), expedited: path(2), emergency: path(3),
            restart: path(4),
        };
        (input.local.gates_reachable, input.local.automatic, input.local.decision_s) = local;
        input
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// R-24.2-6: total and deterministic.
    #[test]
    fn decide_is_total_and_deterministic(input in any_input()) {
        prop_assert_eq!(decide(&input), decide(&input));
        prop_assert!(!explain(&decide(&input)).is_empty());
    }

    /// R-25.1-6 (D-081): no protocol object is asked for that could not take effect.
    #[test]
    fn no_protocol_measure_but_a_restart_while_nothing_finalizes(mut input in any_input()) {
        input.chain.finalizing = false;
        for order in decide(&input).request {
            prop_assert_eq!(order.measure.authority, Authority::Restart);
        }
    }

    /// R-24.2-2 (O1): nothing destructive on a channel that is not pinned.
    #[test]
    fn never_destructive_on_an_unpinned_channel(input in any_input()) {
        let output = decide(&input);
        for order in output.apply_now.iter().chain(&output.request) {
            let stops = matches!(
                order.measure.choice, Choice::LocalDegraded | Choice::LocalServiceHalt);
            let destroys = order.measure.choice == Choice::RecoveryMode
                || (stops && !input.local.gates_reachable);
            for i in &order.channels {
                prop_assert!(!destroys || input.channels[*i as usize].pinned);
            }
        }
    }

    /// R-24.2-1, R-24.1-7: what is chosen blocks the harm, respects its origin and the quorum.
    #[test]
    fn the_chosen_measure_passes_filters_1_to_7(input in any_input()) {
        for (channel, decided) in input.channels.iter().zip(decide(&input).per_channel) {
            let Some(chosen) = decided.chosen else { continue };
            let found = decided.candidates.iter().find(|c| c.measure == chosen).unwrap();
            prop_assert!(matches!(found.verdict, Verdict::Passes | Verdict::TooSlow));
            prop_assert_eq!(found.verdict == Verdict::TooSlow, decided.late);
            if chosen.choice == Choice::ObserveOnly {
                prop_assert!(channel.actions.is_empty());
            } else {
                prop_assert_eq!(chosen.is_local(), channel.origin == Origin::Own);
            }
            // R-24.1-7: only when nothing else passes and the predicate is true.
            if chosen.choice == Choice::EmergencyRestriction {
                prop_assert!(decided.emergency.holds);
            }
        }
    }

    /// R-24.2-5: among the candidates that pass, the first of the order is taken.
    #[test]
    fn the_least_restrictive_passing_candidate_wins(input in any_input()) {
        for decided in decide(&input).per_channel {
            let passing = |c: &&Candidate| c.verdict == Verdict::Passes
                && c.measure.choice != Choice::EmergencyRestriction;
            let first = decided.candidates.iter().find(passing).map(|c| c.measure.clone());
            if first.is_some() {
                prop_assert_eq!(decided.chosen, first);
                prop_assert_eq!(decided.step, Step::InTime);
            }
        }
    }

    /// R-12.4-1: less harm never leads to a measure further up the order.
    #[test]
    fn narrowing_the_harm_never_widens_the_measure(input in any_input(), gone in any::<prop::sample::Index>()) {
        let before = decide(&input);
        let mut less = input.clone();
        for channel in &mut less.channels {
            let actions: Vec<_> = channel.actions.iter().collect();
            if actions.len() > 1 {
                let gone = actions[gone.index(actions.len())];
                channel.actions = channel.actions.minus(ActionSet::of(&[gone]));
            }
        }
        for (a, b) in before.per_channel.iter().zip(decide(&less).per_channel) {
            if a.step != Step::InTime {
                continue;
            }
            prop_assert_eq!(b.step, Step::InTime);
            let breadth = |d: &ChannelDecision| d.candidates.iter()
                .find(|c| Some(&c.measure) == d.chosen.as_ref())
                .map(|c| (c.numbers.breadth, c.numbers.subjects, c.measure.capability));
            prop_assert!(breadth(&b) <= breadth(a));
        }
    }

    /// R-28.1-1: exit-only before freeze whenever only opening and increasing harm.
    #[test]
    fn exit_only_comes_before_freeze(mut input in any_input(), at in prop::sample::select(
        vec!["mandate:a1", "machine:m1", "domain:d"])) {
        let opening = [Action::ActOpen, Action::CallIncrease];
        input.channels = vec![channel(at, Origin::Network, &opening, 0)];
        for order in decide(&input).request {
            if order.measure.scope == scope(at) {
                prop_assert_eq!(order.measure.capability, 3);
            }
        }
    }

    /// R-24.2-9: a flip is real: the changed input gives another choice for that channel.
    #[test]
    fn flips_flip(input in any_input()) {
        for (i, decided) in decide(&input).per_channel.iter().enumerate() {
            for flip in &decided.flips {
                let mut changed = input.clone();
                set(&mut changed, &flip.input, i, flip.to);
                let then = &decide(&changed).per_channel[i];
                prop_assert_ne!(&then.chosen, &decided.chosen, "{:?}", flip);
                prop_assert_eq!(&then.chosen, &flip.choice);
                let step = if flip.to > flip.from { flip.to - 1 } else { flip.to + 1 };
                set(&mut changed, &flip.input, i, step);
                // A harm time of 0 means running, and is no neighbour of 1; numbers without a
                // canonical form are only survived.
                let running = step == 0 && flip.input.ends_with("t_harm");
                if !running && input.hash().is_ok() {
                    prop_assert_eq!(&decide(&changed).per_channel[i].chosen, &decided.chosen);
                }
            }
        }
    }
}

fn set(input: &mut Input, name: &str, position: usize, value: u64) {
    let delay = |path: &mut Option<Path>| path.as_mut().unwrap().delay_s = value;
    match name {
        "paths.owner.delay_s" => delay(&mut input.paths.owner),
        "paths.ordinary.delay_s" => delay(&mut input.paths.ordinary),
        "paths.expedited.delay_s" => delay(&mut input.paths.expedited),
        "paths.emergency.delay_s" => delay(&mut input.paths.emergency),
        "paths.restart.delay_s" => delay(&mut input.paths.restart),
        "chain.finality_s" => input.chain.finality_s = value,
        "local.close_s" => input.local.close_s = value,
        "local.decision_s" => input.local.decision_s = value,
        _ if name.starts_with("tolerance.") => {
            input.tolerance.0.insert(input.incident.severity, value);
        }
        _ => input.channels[position].t_harm = value,
    }
}

/// R-12.2-1, R-12.2-2, R-12.2-3, R-12.2-4, R-12.2-5, R-12.2-6, R-13.2-1, R-13.2-2, R-13.2-3,
/// R-13.2-4, R-13.2-5, R-13.2-6, R-13.2-7: halt and quarantine reach the targets of 12.2 and 13.2
/// by a protocol path, a halt by nothing else, and each ends by expiry or lift.
#[test]
fn halts_and_quarantines_reach_the_targets_of_the_text() {
    let halts = ["machine:x", "mandate:x", "issuer-class:x", "feature:x", "econ:x"];
    let quarantines = [
        "issuer:x",
        "oracle-source:x",
        "seat:1",
        "machine-family:x",
        "module-family:x",
        "agent-operator:x",
        "gov-actor:x",
    ];
    let halts = halts.map(|at| (at, Choice::ScopedProtocolHalt));
    let quarantines = quarantines.map(|at| (at, Choice::Quarantine));
    for (at, choice) in halts.into_iter().chain(quarantines) {
        let mut input = base(C::Bvm, S::Sev4Critical, 3);
        input.chain.subjects.insert(scope(at), BTreeSet::from(["x".to_owned()]));
        input.channels = vec![network(at, &[Action::CallAny])];
        let decided = &decide(&input).per_channel[0];
        let is_it = |c: &&Candidate| {
            c.measure.choice == choice
                && c.measure.scope == scope(at)
                && c.measure.authority != Authority::None
        };
        let found: Vec<_> = decided.candidates.iter().filter(is_it).collect();
        assert!(!found.is_empty(), "{choice} of {at}");
        assert!(found.iter().all(|c| c.measure.ends == Ends::ExpiryOrLift), "{choice} of {at}");
        let mut of_halt = decided.candidates.iter().map(|c| &c.measure);
        let halt_is_protocol = of_halt
            .all(|m| m.choice != Choice::ScopedProtocolHalt || m.authority != Authority::None);
        assert!(halt_is_protocol, "{at}");
    }
}

#[test]
fn every_scope_kind_with_a_protocol_effect_has_a_candidate() {
    for kind in ScopeKind::ALL.iter().copied().filter(|k| k.is_protocol()) {
        let at = if kind == ScopeKind::Seat { "seat:1".to_owned() } else { format!("{kind}:x") };
        let mut input = base(C::Bvm, S::Sev4Critical, 3);
        input.chain.subjects.insert(scope(&at), BTreeSet::from(["x".to_owned()]));
        input.channels = vec![network(&at, &[Action::CallAny])];
        let decided = &decide(&input).per_channel[0];
        assert!(decided.candidates.iter().any(|c| c.measure.scope == scope(&at)), "{kind}");
    }
}

/// Position of the first candidate of this choice and scope in the order of annex D.6.
fn position(decided: &ChannelDecision, choice: Choice, at: &str) -> usize {
    let is_it = |c: &Candidate| c.measure.choice == choice && c.measure.scope == scope(at);
    let found = decided.candidates.iter().position(is_it);
    found.unwrap_or_else(|| panic!("{choice} on {at} is no candidate"))
}

/// R-16.2-2: harmful calls of one machine or module freeze that one, before its family and its
/// domain.
#[test]
fn one_module_or_machine_is_frozen_before_its_family_or_domain() {
    let mut input = base(C::Bvm, S::Sev3High, 3);
    input.channels = vec![network("machine:m1", &[Action::CallAny])];
    let output = decide(&input);
    expect(&output, &[(Choice::ScopedProtocolHalt, "machine:m1", 4, Authority::Ordinary)]);
    let decided = &output.per_channel[0];
    let family = position(decided, Choice::Quarantine, "machine-family:mf");
    let domain = position(decided, Choice::ScopedProtocolHalt, "domain:d");
    assert!(position(decided, Choice::ScopedProtocolHalt, "machine:m1") < family);
    assert!(family < domain);
    let of_family = |c: &&Candidate| c.measure.scope == scope("machine-family:mf");
    let mut families = decided.candidates.iter().filter(of_family);
    assert!(families.any(|c| c.verdict == Verdict::Passes), "the family would suffice too");

    input.incident.severity = S::Sev4Critical;
    input.channels = vec![network("module:c0de", &[Action::CallAny])];
    let output = decide(&input);
    expect(&output, &[(Choice::EmergencyRestriction, "module:c0de", 4, Authority::Emergency)]);
    let decided = &output.per_channel[0];
    let module = position(decided, Choice::EmergencyRestriction, "module:c0de");
    assert!(module < position(decided, Choice::EmergencyRestriction, "module-family:f"));
    assert!(module < position(decided, Choice::Quarantine, "module-family:f"));
}

/// R-21.3-1: one stolen key is revoked by its owner; operator, domain and network rank behind, and
/// each of them would cover more than what suffices.
#[test]
fn one_key_is_revoked_before_anything_wider_is_shut() {
    let mut input = base(C::KeyCompromise, S::Sev4Critical, 2);
    for (at, subjects) in [("agent-operator:op", ["k1", "k2"]), ("agent-class:ac", ["k1", "k2"])] {
        let subjects = subjects.map(str::to_owned).into();
        input.chain.subjects.insert(scope(at), subjects);
    }
    let subjects = ["k1", "k2", "m1"].map(str::to_owned).into();
    input.chain.subjects.insert(scope("domain:d"), subjects);
    input.channels = vec![network("key:k1", &[Action::KeyUse])];
    let output = decide(&input);
    expect(&output, &[(Choice::Quarantine, "key:k1", 4, Authority::Owner)]);
    let decided = &output.per_channel[0];
    let order = [
        position(decided, Choice::Quarantine, "key:k1"),
        position(decided, Choice::Quarantine, "agent-operator:op"),
        position(decided, Choice::ScopedProtocolHalt, "domain:d"),
        position(decided, Choice::EmergencyRestriction, "network:all"),
    ];
    assert!(order.is_sorted(), "{order:?}: {}", explain(&output));
}

/// R-18.2-4: the expedited and the emergency path stand side by side, each with its time.
#[test]
fn an_economic_decision_shows_both_paths_with_their_times() {
    let mut input = base(C::Economic, S::Sev4Critical, 3);
    input.paths.expedited = Some(Path { delay_s: 400, ..Path::default() });
    input.channels = vec![network("machine-family:mf", &[Action::CallAboveCap])];
    let output = decide(&input);
    let decided = &output.per_channel[0];
    let time = |authority| {
        let mut fits = decided.candidates.iter().filter(|c| c.measure.authority == authority);
        fits.find(|c| c.measure.scope == scope("machine-family:mf")).unwrap().numbers.time_s
    };
    assert_eq!(time(Authority::Expedited), Some(410));
    assert_eq!(time(Authority::Emergency), Some(70));
    let text = explain(&output);
    assert!(text.contains("410 s against 300 s") && text.contains("70 s"), "{text}");
}
