//! From a situation to a full decision input: harm channels, chain, paths and own means.
//!
//! What the short form does not say is taken from the reference values above the table of annex
//! D.9; each of these assumptions has its question in [`super::questions`].

use std::collections::{BTreeMap, BTreeSet};

use super::grade;
use super::reading::Reading;
use super::situation::{Fact, Radius, Signal, Tempo};
use crate::decision::{
    Action, ActionSet, ChainFacts, Channel, Flag, IncidentFacts, Input, LocalFacts, Origin, Path,
    Paths, Tolerance, VERSION,
};
use crate::scope::{Scope, ScopeKind};
use crate::vocab::{IncidentClass, Severity};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// Harm that does not accrue by itself but would with the next act of an untrusted role.
const NO_TEMPO_S: u64 = 30 * DAY_S;
/// Longest emergency restriction of the reference network.
const EMERGENCY_MAX_S: u64 = DAY_S;

/// Roles whose outputs the network counts (27.2 step 2).
const SIGNING: [Action; 3] = [Action::Propose, Action::Verify, Action::Notarize];
/// Everything an own node does.
const EVERY_ROLE: [Action; 7] = [
    Action::Propose,
    Action::Verify,
    Action::Notarize,
    Action::ServeRead,
    Action::ServeLoad,
    Action::SubmitAgent,
    Action::Validate,
];

/// The full input.
pub(super) fn input(
    reading: &Reading<'_>,
    classes: Vec<IncidentClass>,
    severity: Severity,
) -> Input {
    let class = classes.first().copied().unwrap_or(IncidentClass::ObservabilityOnly);
    let mut builder = Builder { reading, class, channels: Vec::new() };
    builder.own();
    builder.network();
    builder.local_fallback();
    let channels = builder.channels;
    let subjects = subjects(reading, &channels);
    Input {
        version: VERSION,
        incident: IncidentFacts {
            id: None,
            severity,
            declarers: 1,
            blast_rank: grade::rank(reading.facts.blast_radius, class),
            flags: grade::flags(reading, class),
            grade: reading.grade(),
            classes,
        },
        channels,
        chain: ChainFacts {
            height: 0,
            block: None,
            finalizing: reading.finalizing(),
            finality_s: 10,
            seats: 7,
            quorum: 5,
            counting: 7,
            disputed: None,
            subjects,
        },
        paths: paths(reading, class),
        local: LocalFacts { gates_reachable: true, close_s: 1, automatic: false, decision_s: 120 },
        tolerance: Tolerance::default(),
        sources: sources(reading),
    }
}

fn sources(reading: &Reading<'_>) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::from([
        ("channels".to_owned(), "derived from the short form".to_owned()),
        ("chain".to_owned(), "reference values of annex D.9".to_owned()),
        ("paths".to_owned(), "reference values of annex D.9".to_owned()),
        ("local".to_owned(), "reference values of annex D.9".to_owned()),
    ]);
    if reading.facts.exploit_active == Fact::No {
        let why = "absent: no exploit is active (25.1)".to_owned();
        sources.insert("paths.emergency".to_owned(), why);
    }
    sources
}

fn paths(reading: &Reading<'_>, class: IncidentClass) -> Paths {
    let path = |delay_s| Some(Path { delay_s, ..Path::default() });
    // D-090: nothing on a governance path in dispute is relied upon, and drafts that would use it
    // are refused, so the body whose activation is disputed cannot be the way out.
    let disputed =
        class == IncidentClass::Governance && reading.saw(Signal::GovernanceActivationAnomaly);
    Paths {
        owner: path(0),
        ordinary: if disputed { None } else { path(1_200) },
        expedited: None,
        // 25.1: where an exploit is refuted, harm goes on without one, and the exceptional path is
        // not for it.
        emergency: (reading.facts.exploit_active != Fact::No).then(|| Path {
            delay_s: 60,
            expiry_max_s: Some(EMERGENCY_MAX_S),
            ..Path::default()
        }),
        restart: path(5 * HOUR_S),
    }
}

/// Each protocol scope of the short form has itself as its only known subject. A scope that cannot
/// be named resolves to nothing (25.1, annex F A3).
fn subjects(reading: &Reading<'_>, channels: &[Channel]) -> BTreeMap<Scope, BTreeSet<String>> {
    if reading.facts.scope_definable == Fact::No {
        return BTreeMap::new();
    }
    let scopes = channels.iter().map(|c| &c.scope).filter(|s| s.kind().is_protocol());
    scopes.map(|s| (s.clone(), BTreeSet::from([s.id().to_owned()]))).collect()
}

struct Builder<'a> {
    reading: &'a Reading<'a>,
    class: IncidentClass,
    channels: Vec<Channel>,
}

impl Builder<'_> {
    /// Seconds until unacceptable harm. Seconds and minutes are within every tolerance's reach, so
    /// the harm counts as running; an unknown tempo too.
    fn t_harm(&self) -> u64 {
        match self.reading.facts.harm_tempo {
            Some(Tempo::Seconds | Tempo::Minutes) | None => 0,
            Some(Tempo::Hours) => HOUR_S,
            Some(Tempo::Days) => DAY_S,
            Some(Tempo::None) => NO_TEMPO_S,
        }
    }

    /// Own nodes, as far as annex N.1 gives local measures for the class.
    fn own(&mut self) {
        let reading = self.reading;
        match self.class {
            // Only against own compounding: do not sign on doubtful finality (14.2). For own roles
            // until classified (15.2).
            IncidentClass::Consensus | IncidentClass::Validation if reading.own_harm() => {
                self.push("node:own", Origin::Own, &SIGNING);
            }
            // Only if the fault is in an own implementation (16.2): own roots or verdicts differ,
            // or the own node stalls with the chain.
            IncidentClass::Bvm if !reading.finalizing() || self.own_results_differ() => {
                self.push("node:own", Origin::Own, &SIGNING);
            }
            // Throttles only (18.2): load that the own servers pass on.
            IncidentClass::Economic if self.load() => {
                self.push("node:own/rpc", Origin::Own, &[Action::ServeLoad]);
            }
            // Only reads suffer: throttle them (annex D.9, RPC overload).
            IncidentClass::Infrastructure if self.only_reads_suffer() => {
                self.push("node:own/rpc", Origin::Own, &[Action::ServeLoad]);
            }
            // Stop the roles that rest on what failed (22.2, 22.3).
            IncidentClass::Infrastructure if reading.own_harm() => {
                self.push("node:own", Origin::Own, &SIGNING);
            }
            // By version: everything that runs the doubtful build (23.2). What a compiler spoiled
            // runs on the chain, not on own nodes.
            IncidentClass::SupplyChain if reading.own_harm() && !self.spoiled_modules() => {
                self.push("node:own", Origin::Own, &EVERY_ROLE);
            }
            // A signer that signed twice stops, whatever the class (22.3, 21.2).
            _ if reading.own_signer_doubtful() => self.push("node:own", Origin::Own, &SIGNING),
            IncidentClass::Consensus | IncidentClass::Validation => {}
            IncidentClass::SupplyChain
            | IncidentClass::Bvm
            | IncidentClass::Economic
            | IncidentClass::Infrastructure => {}
            IncidentClass::WitnessProof | IncidentClass::AgentControl => {}
            IncidentClass::Governance | IncidentClass::KeyCompromise => {}
            IncidentClass::ObservabilityOnly => {}
        }
    }

    /// What runs through the protocol.
    fn network(&mut self) {
        let reading = self.reading;
        match self.class {
            IncidentClass::WitnessProof => match reading.facts.blast_radius {
                // One issuer: what others do not confirm is harmful, if others exist (17.2).
                Some(Radius::Issuer) => {
                    self.push("issuer:affected", Origin::Network, &[Action::ClaimUncorroborated]);
                }
                _ => self.scoped(&[Action::ClaimAny, Action::CallAny]),
            },
            IncidentClass::SupplyChain if self.spoiled_modules() && self.exploitable() => {
                self.scoped(&[Action::CallAny]);
            }
            IncidentClass::Bvm if self.exploitable() => self.scoped(&[Action::CallAny]),
            IncidentClass::Economic if self.exploitable() => {
                if reading.reaches(Radius::ProtocolWide) {
                    self.push("econ:affected", Origin::Network, &[Action::EconAny]);
                } else {
                    self.scoped(&[Action::CallAny]);
                }
            }
            // Halt first, explain second (19.3).
            IncidentClass::AgentControl => {
                self.push("mandate:affected", Origin::Network, &[Action::ActAny]);
                if reading.facts.key_compromise_suspected == Fact::Yes {
                    self.push("key:affected", Origin::Network, &[Action::KeyUse]);
                }
            }
            // A challenge reaches only what is not active yet; a live one is a feature (20.2).
            IncidentClass::Governance => {
                if reading.saw(Signal::GovernanceActivationAnomaly) {
                    self.push("feature:affected", Origin::Network, &[Action::UseFeature]);
                } else {
                    self.push("gov-path:affected", Origin::Network, &[Action::GovActivate]);
                }
            }
            // Who signs twice with own keys is named by a fraud proof (14.2, D-072).
            IncidentClass::Consensus if reading.finalizing() && self.seat_named() => {
                self.push("seat:0", Origin::Network, &[Action::SeatSign]);
            }
            // Revocation first (21.2); then what the key could move beyond one operator (21.3).
            IncidentClass::KeyCompromise => {
                if self.key_in_other_hands() {
                    self.push("key:affected", Origin::Network, &[Action::KeyUse]);
                }
                if reading.reaches(Radius::MachineOrContract) && reading.funds_moved() {
                    self.scoped(&[Action::CallAny, Action::ActAny]);
                }
            }
            IncidentClass::Bvm | IncidentClass::Economic => {}
            IncidentClass::Consensus | IncidentClass::Validation => {}
            IncidentClass::Infrastructure | IncidentClass::SupplyChain => {}
            IncidentClass::ObservabilityOnly => {}
        }
    }

    /// What is confined to one operator is contained there (24.2, 25.2), whatever the class.
    fn local_fallback(&mut self) {
        let reading = self.reading;
        let silent = self.class == IncidentClass::ObservabilityOnly || !self.channels.is_empty();
        let hurt = !reading.no_effect() || reading.facts.harm_tempo != Some(Tempo::None);
        if !silent && hurt && reading.is_local() && self.class != IncidentClass::Infrastructure {
            self.push("node:own", Origin::Own, &SIGNING);
        }
    }

    /// An exploit runs or may run, or funds are at risk while damage accrues.
    fn exploitable(&self) -> bool {
        let facts = self.reading.facts;
        facts.exploit_active.possible()
            || (facts.funds_at_risk.possible() && facts.harm_tempo != Some(Tempo::None))
    }

    fn own_results_differ(&self) -> bool {
        self.reading.saw_any(&[
            Signal::StateRootMismatch,
            Signal::ValidObjectRejected,
            Signal::ChainSplit,
        ])
    }

    fn load(&self) -> bool {
        self.reading.saw_any(&[
            Signal::MempoolFlood,
            Signal::ResourceUnderpricing,
            Signal::ClientResourceExhaustion,
        ]) || self.reading.stalls()
    }

    fn only_reads_suffer(&self) -> bool {
        let reads = [Signal::RpcUnavailable, Signal::ClientResourceExhaustion];
        self.reading.saw(Signal::RpcUnavailable)
            && self.reading.signals().all(|s| reads.contains(&s))
    }

    fn spoiled_modules(&self) -> bool {
        self.reading.saw(Signal::CompilerDefect) && self.reading.reaches(Radius::MachineOrContract)
    }

    /// A suspicion that an own signer shows stops that signer; revocation is for a key that
    /// somebody else is seen or known to use.
    fn key_in_other_hands(&self) -> bool {
        let seen = [Signal::KeyMisuse, Signal::KeyLeakReport, Signal::UnauthorizedTransfer];
        self.reading.facts.key_compromise_suspected.is_yes()
            || self.reading.saw_any(&seen)
            || !self.reading.own_signer_doubtful()
    }

    fn seat_named(&self) -> bool {
        self.reading.saw(Signal::DoubleSignEvidence) && !self.reading.is_local()
    }

    /// The narrowest protocol scope that the estimated radius allows (12.4).
    fn scoped(&mut self, actions: &[Action]) {
        let scope = match (self.reading.facts.blast_radius, self.class) {
            (Some(Radius::LocalNode | Radius::Operator), _) => return,
            (Some(Radius::Issuer), _) => "issuer:affected",
            (Some(Radius::MachineOrContract), _) => "machine:affected",
            (Some(Radius::ProtocolWide), IncidentClass::Bvm) => "module-family:affected",
            (Some(Radius::Domain | Radius::ProtocolWide) | None, _) => "domain:affected",
        };
        self.push(scope, Origin::Network, actions);
    }

    fn push(&mut self, scope: &str, origin: Origin, actions: &[Action]) {
        let Ok(scope) = scope.parse::<Scope>() else { return };
        let floor = match self.class {
            IncidentClass::Bvm if self.flagged(Flag::Boundedness) && !scope.kind().is_local() => 4,
            IncidentClass::AgentControl
                if self.flagged(Flag::HighImpact) && scope.kind() == ScopeKind::Mandate =>
            {
                3
            }
            _ => 0,
        };
        self.channels.push(Channel {
            scope,
            origin,
            actions: ActionSet::of(actions),
            t_harm: self.t_harm(),
            min_capability: floor,
            open_exposure: None,
            exit_possible: None,
            // Nothing is preserved yet when the first question is asked.
            pinned: false,
            checker: None,
            own_share: self.own_share(origin),
        });
    }

    /// Without a nameable scope nothing but the own part can stop: own submissions (D.7 step 5).
    fn own_share(&self, origin: Origin) -> Vec<Scope> {
        let nameless = self.reading.facts.scope_definable == Fact::No;
        let own = "node:own/agent".parse().ok().filter(|_| nameless && origin == Origin::Network);
        own.into_iter().collect()
    }

    fn flagged(&self, flag: Flag) -> bool {
        grade::flags(self.reading, self.class).contains(&flag)
    }
}
