//! The signed deployment policy: people, machines, own nodes, automatic gates and every number
//! that the decisions call a policy default (D-006, D-045, D-084, annexes B, I and J).

use std::collections::BTreeMap;

use azir_ledger::canon::INTEGER_MAX;
use azir_ledger::event::PublicKey;
use azir_ledger::{MachinePublic, PersonPublic};
use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::vocab::{NodeRole, Role, Severity};

mod check;

/// The `schema` member of a policy (D-010).
pub const POLICY_SCHEMA: &str = "azir.policy/1";
/// Most people that a small deployment may name (D-006).
pub const SMALL_PEOPLE_MAX: usize = 3;
/// Most seats of consensus weight that a small deployment may hold (D-006).
pub const SMALL_SEATS_MAX: usize = 1;
/// Most people, machines, nodes or automatic gates that a policy may name (bounded input).
pub const POLICY_LIST_MAX: usize = 1_024;
/// Longest id of a person, machine, node or detector, in bytes.
pub const ID_BYTES_MAX: usize = 128;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

wire_enum! {
    /// Deployment class (D-006). A policy that names none is serious.
    pub enum Deployment {
        /// At most three people and one seat; roles may coincide, marked `self_reviewed`.
        Small = "small",
        /// Roles of D-048 are separated by person.
        Serious = "serious",
    }
}

/// A person who may act: one key, and the roles the person may be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// `operator:<name>`.
    pub id: String,
    /// The person's SSH key.
    pub key: PersonPublic,
    /// Roles that the person is eligible for.
    pub roles: Vec<Role>,
}

/// A machine that signs: `server:`, `agent:`, `gate:`, `detector:`, `witness:` or `builder:` and a
/// name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Kind and name, for example `gate:node-4/notary`.
    pub id: String,
    /// The machine's Ed25519 key.
    pub key: MachinePublic,
}

/// Machines that cosign checkpoints, and how many of them make a checkpoint `cosigned`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    /// Ids of machines of this policy.
    pub machines: Vec<String>,
    /// Cosignatures needed, 0 to the number of machines.
    pub quorum: u64,
}

/// A node of this operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnNode {
    /// Name of the node.
    pub node: String,
    /// Roles that the node holds and gates stand before.
    pub roles: Vec<NodeRole>,
    /// Seat of consensus weight, if the node holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<u64>,
}

/// One automatic local gate approved beforehand (D-084): a detector and the roles it closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoGate {
    /// Name of the detector, without version.
    pub detector: String,
    /// Gates that its finding closes on the node it is about.
    pub roles: Vec<NodeRole>,
}

/// One number for each severity, written as an object with the six severities as members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Severity, u64>", into = "BTreeMap<Severity, u64>")]
pub struct PerSeverity([u64; 6]);

impl PerSeverity {
    /// From the values for SEV_0 to SEV_5.
    #[must_use]
    pub const fn new(values: [u64; 6]) -> Self {
        Self(values)
    }

    /// The value for one severity.
    #[must_use]
    pub const fn at(&self, severity: Severity) -> u64 {
        self.0[severity.rank()]
    }
}

impl TryFrom<BTreeMap<Severity, u64>> for PerSeverity {
    type Error = String;

    fn try_from(map: BTreeMap<Severity, u64>) -> Result<Self, String> {
        let mut values = [0; 6];
        for severity in Severity::ALL {
            values[severity.rank()] =
                *map.get(severity).ok_or_else(|| format!("no value for {severity}"))?;
        }
        Ok(Self(values))
    }
}

impl From<PerSeverity> for BTreeMap<Severity, u64> {
    fn from(per: PerSeverity) -> Self {
        Severity::ALL.iter().map(|s| (*s, per.at(*s))).collect()
    }
}

/// Windows of annex B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// W_stab in milliseconds: how long the damage indicator stays zero before STABILIZED.
    pub stab_ms: PerSeverity,
    /// W_mon in milliseconds: how long MONITORING lasts at least.
    pub mon_ms: PerSeverity,
    /// Hard-final blocks that must pass in either window, while the chain finalizes.
    pub blocks: PerSeverity,
}

impl Default for Windows {
    /// The defaults of annex B.
    fn default() -> Self {
        Self {
            stab_ms: PerSeverity([0, 0, 0, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE]),
            mon_ms: PerSeverity([0, 0, HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR]),
            blocks: PerSeverity([0, 0, 0, 10, 10, 10]),
        }
    }
}

/// Targets of D-045 for one severity, in milliseconds from the opening record. Missing one alerts
/// the next role and never blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Somebody acknowledged.
    pub acknowledge_ms: u64,
    /// TRIAGED.
    pub triage_ms: u64,
    /// The measures of the decision are in force.
    pub contain_ms: u64,
}

/// Targets of D-045. A severity without a target is due on the next working day.
#[must_use]
pub fn default_targets() -> BTreeMap<Severity, Target> {
    let minutes = |a: u64, t: u64, c: u64| Target {
        acknowledge_ms: a * MINUTE,
        triage_ms: t * MINUTE,
        contain_ms: c * MINUTE,
    };
    BTreeMap::from([
        (Severity::Sev3High, minutes(60, 240, 480)),
        (Severity::Sev4Critical, minutes(15, 30, 60)),
        (Severity::Sev5Systemic, minutes(5, 15, 30)),
    ])
}

/// Terms of leases, in milliseconds (annex I).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// Term of a standing lease.
    pub standing_ms: u64,
    /// How often a standing lease is replaced.
    pub standing_renew_ms: u64,
    /// Term of a lease while an incident covers the node.
    pub incident_ms: u64,
    /// How often an incident lease is replaced.
    pub incident_renew_ms: u64,
}

impl Default for LeaseTerms {
    /// 24 h replaced hourly; 60 s replaced every 20 s.
    fn default() -> Self {
        Self {
            standing_ms: 24 * HOUR,
            standing_renew_ms: HOUR,
            incident_ms: MINUTE,
            incident_renew_ms: 20 * SECOND,
        }
    }
}

/// How long each phase dwells before the next (annex J.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dwell {
    /// Epochs for phases 1 to 6.
    pub epochs: [u64; 6],
    /// Phase 7 dwells W_mon divided by this.
    pub agent_mon_divisor: u64,
    /// Epochs between waves of several nodes (D-107).
    pub wave_epochs: u64,
}

impl Default for Dwell {
    /// One epoch for 1 to 3, two for 4 to 6, a quarter of W_mon for 7, one between waves.
    fn default() -> Self {
        Self { epochs: [1, 1, 1, 2, 2, 2], agent_mon_divisor: 4, wave_epochs: 1 }
    }
}

/// The automatic gates that are on by default (D-084). They close what signs; validation goes on.
/// Implements R-14.2-3.
#[must_use]
pub fn default_auto_gates() -> Vec<AutoGate> {
    let roles = vec![NodeRole::Verifier, NodeRole::Proposer, NodeRole::Notary];
    [
        "own-root-mismatch",
        "own-double-sign",
        "conflicting-certificates",
        "clock-drift",
        "store-checksum",
    ]
    .map(|detector| AutoGate { detector: detector.to_owned(), roles: roles.clone() })
    .to_vec()
}

/// The deployment policy. Signed, versioned, canonical; read by engine, gate and verifier.
///
/// Implements R-6.2-3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Always [`POLICY_SCHEMA`].
    pub schema: String,
    /// From 1, one higher with each change.
    pub version: u64,
    /// Small or serious; absent means serious. Read it with [`Policy::deployment`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Deployment>,
    /// People, by id.
    pub people: Vec<Person>,
    /// Machines, by id.
    pub machines: Vec<Machine>,
    /// Ids of the machines whose signature makes a lease valid.
    pub lease_signers: Vec<String>,
    /// Cosigning machines and their quorum.
    pub witnesses: Witnesses,
    /// Own nodes.
    pub nodes: Vec<OwnNode>,
    /// Automatic gates.
    pub auto_gates: Vec<AutoGate>,
    /// Windows of annex B.
    pub windows: Windows,
    /// Targets of D-045.
    pub targets: BTreeMap<Severity, Target>,
    /// Lease terms of annex I.
    pub leases: LeaseTerms,
    /// Dwell of annex J.3.
    pub dwell: Dwell,
    /// Milliseconds from closing to the postmortem's due date (D-035: 14 days).
    pub postmortem_due_ms: u64,
}

impl Policy {
    /// A policy of version 1 with these people and every other number at its default.
    #[must_use]
    pub fn with_people(people: Vec<Person>) -> Self {
        Self {
            schema: POLICY_SCHEMA.to_owned(),
            version: 1,
            class: None,
            people,
            machines: Vec::new(),
            lease_signers: Vec::new(),
            witnesses: Witnesses::default(),
            nodes: Vec::new(),
            auto_gates: default_auto_gates(),
            windows: Windows::default(),
            targets: default_targets(),
            leases: LeaseTerms::default(),
            dwell: Dwell::default(),
            postmortem_due_ms: 14 * 24 * HOUR,
        }
    }

    /// The deployment class; absent means serious (D-006).
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.class.unwrap_or(Deployment::Serious)
    }

    /// The person with this id.
    #[must_use]
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.id == id)
    }

    /// The machine with this id.
    #[must_use]
    pub fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().find(|m| m.id == id)
    }

    /// True when the person exists and may be given the role. No person is ever a machine.
    #[must_use]
    pub fn eligible(&self, id: &str, role: Role) -> bool {
        role != Role::Automatic && self.person(id).is_some_and(|p| p.roles.contains(&role))
    }

    /// The key under which an actor of this policy signs.
    #[must_use]
    pub fn key_of(&self, actor: &str) -> Option<PublicKey> {
        let person = self.person(actor).map(|p| PublicKey::Person(p.key.clone()));
        person.or_else(|| self.machine(actor).map(|m| PublicKey::Machine(m.key)))
    }

    /// The own node with this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&OwnNode> {
        self.nodes.iter().find(|n| n.node == name)
    }

    /// Number of seats of consensus weight that own nodes hold.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.nodes.iter().filter(|n| n.seat.is_some()).count()
    }

    /// The gates that this detector may close by itself (D-084); empty when not listed.
    #[must_use]
    pub fn auto_gates_of(&self, detector: &str) -> Vec<NodeRole> {
        let mut roles: Vec<_> = self
            .auto_gates
            .iter()
            .filter(|g| g.detector == detector)
            .flat_map(|g| g.roles.iter().copied())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Checks the policy as a whole.
    ///
    /// # Errors
    /// A [`Refusal`] that names everything that is wrong.
    pub fn validate(&self) -> Result<(), Refusal> {
        Refusal::unless_met(check::all(self))
    }

    /// Checks that `next` may replace this policy now (D-006).
    ///
    /// # Errors
    /// `version_conflict` unless the version rises by one; `guard_unmet: policy_frozen` while an
    /// incident of SEV_3 or above is open (`worst_open`); and everything of [`Policy::validate`].
    pub fn may_become(&self, next: &Self, worst_open: Option<Severity>) -> Result<(), Refusal> {
        let mut unmet = check::all(next);
        if self.version.checked_add(1) != Some(next.version) {
            unmet.push(Unmet::new(
                RefusalKind::VersionConflict,
                format!("policy version {} after {}", next.version, self.version),
                "6.2, D-006",
                format!("give the new policy version {}", self.version.saturating_add(1)),
            ));
        }
        if let Some(severity) = worst_open.filter(|s| *s >= Severity::Sev3High) {
            unmet.push(Unmet::new(
                RefusalKind::GuardUnmet,
                format!("policy_frozen: an incident of {severity} is open"),
                "6.2, D-006",
                "close every incident of SEV_3 or above first",
            ));
        }
        Refusal::unless_met(unmet)
    }
}

#[cfg(test)]
mod tests {
    use azir_ledger::{MachineKey, PersonKey, canon};

    use super::*;

    pub(super) fn person(n: u8, roles: &[Role]) -> Person {
        let id = format!("operator:p{n}");
        Person { key: PersonKey::from_seed([n; 32], &id).public(), id, roles: roles.to_vec() }
    }

    fn policy() -> Policy {
        let mut policy = Policy::with_people(
            (1..=3).map(|n| person(n, &[Role::OnCallOperator, Role::IncidentCommander])).collect(),
        );
        policy.machines = vec![Machine {
            id: "server:main".into(),
            key: MachineKey::from_seed([9; 32]).public(),
        }];
        policy.lease_signers = vec!["server:main".into()];
        policy.witnesses = Witnesses { machines: vec!["server:main".into()], quorum: 1 };
        policy.nodes =
            vec![OwnNode { node: "node-1".into(), roles: vec![NodeRole::Notary], seat: Some(3) }];
        policy
    }

    fn kinds(policy: &Policy) -> Vec<RefusalKind> {
        policy
            .validate()
            .err()
            .map_or_else(Vec::new, |r| r.unmet().iter().map(|u| u.kind).collect())
    }

    #[test]
    fn a_policy_is_canonical_and_its_defaults_are_those_of_the_annexes() {
        let policy = policy();
        policy.validate().unwrap();
        let bytes = canon::encode(&policy).unwrap();
        assert_eq!(canon::decode::<Policy>(&bytes).unwrap(), policy);
        let minutes = |s| policy.windows.stab_ms.at(s) / MINUTE;
        assert_eq!(Severity::ALL.iter().map(|s| minutes(*s)).sum::<u64>(), 10 + 30 + 60);
        let hours = |s| policy.windows.mon_ms.at(s) / HOUR;
        assert_eq!(
            Severity::ALL.iter().map(|s| hours(*s)).collect::<Vec<_>>(),
            [0, 0, 1, 6, 24, 72]
        );
        assert_eq!(policy.leases.incident_ms, 60_000);
        assert_eq!(policy.targets[&Severity::Sev5Systemic].contain_ms, 30 * MINUTE);
        assert_eq!(policy.auto_gates_of("store-checksum").len(), 3);
        assert!(policy.auto_gates_of("weather").is_empty());
    }

    /// R-6.2-3: absent means serious; small is bounded; frozen during SEV_3+.
    #[test]
    fn the_deployment_class_is_strict_by_default_and_frozen_during_high_incidents() {
        let old = policy();
        assert_eq!(old.deployment(), Deployment::Serious);
        let mut small = Policy { version: 2, class: Some(Deployment::Small), ..old.clone() };
        old.may_become(&small, Some(Severity::Sev2Medium)).unwrap();
        let frozen = old.may_become(&small, Some(Severity::Sev3High)).unwrap_err();
        assert_eq!(frozen.kind(), RefusalKind::GuardUnmet);
        assert!(frozen.unmet()[0].what.starts_with("policy_frozen"));
        small.people.push(person(4, &[Role::SecurityLead]));
        assert_eq!(kinds(&small), [RefusalKind::RoleConflict]);
        small.people.pop();
        let node = OwnNode { node: "node-2".into(), seat: Some(4), ..small.nodes[0].clone() };
        small.nodes.push(node);
        assert_eq!(kinds(&small), [RefusalKind::RoleConflict]);
        let same = old.may_become(&old, None).unwrap_err();
        assert_eq!(same.kind(), RefusalKind::VersionConflict);
    }

    #[test]
    fn every_fault_of_a_policy_is_named_at_once() {
        let mut bad = policy();
        bad.schema = "azir.policy/0".into();
        bad.people[1].key = bad.people[0].key.clone();
        bad.people[2].roles = vec![Role::Automatic];
        bad.lease_signers = vec!["server:gone".into()];
        bad.witnesses.quorum = 2;
        bad.leases.incident_renew_ms = 60_000;
        bad.dwell.epochs[3] = 0;
        assert_eq!(kinds(&bad).len(), 7, "{}", bad.validate().unwrap_err());
    }

    #[test]
    fn one_seat_on_two_nodes_and_one_name_for_two_nodes_are_refused() {
        let mut bad = policy();
        bad.nodes.push(OwnNode { node: "node-2".into(), ..bad.nodes[0].clone() });
        assert_eq!(kinds(&bad), [RefusalKind::InvalidSchema]);
        bad.nodes[1].seat = None;
        bad.nodes[1].node = "node-1".into();
        assert_eq!(kinds(&bad), [RefusalKind::InvalidSchema]);
    }
}
