//! The checks behind [`Policy::validate`](super::Policy::validate).

use std::collections::BTreeSet;

use super::{
    Deployment, ID_BYTES_MAX, INTEGER_MAX, POLICY_LIST_MAX, POLICY_SCHEMA, Policy, RefusalKind,
    Role, SMALL_PEOPLE_MAX, SMALL_SEATS_MAX, Severity, Unmet,
};

const MACHINE_KINDS: [&str; 6] =
    ["server:", "agent:", "gate:", "detector:", "witness:", "builder:"];

pub(super) fn all(policy: &Policy) -> Vec<Unmet> {
    let mut faults = Faults(Vec::new());
    header(policy, &mut faults);
    people(policy, &mut faults);
    machines(policy, &mut faults);
    nodes(policy, &mut faults);
    numbers(policy, &mut faults);
    small(policy, &mut faults);
    faults.0
}

struct Faults(Vec<Unmet>);

impl Faults {
    fn schema(&mut self, what: impl Into<String>, remedy: &str) {
        self.0.push(Unmet::new(RefusalKind::InvalidSchema, what, "6.2, D-006", remedy));
    }

    /// Each text once, in at most [`POLICY_LIST_MAX`] texts.
    fn unique<'a>(&mut self, what: &str, texts: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (i, text) in texts.enumerate() {
            if i == POLICY_LIST_MAX {
                self.schema(format!("more than {POLICY_LIST_MAX} of {what}"), "name fewer");
                return;
            }
            if !seen.insert(text) {
                self.schema(format!("{what} {text} stands twice"), "name each once");
            }
        }
    }
}

/// Printable ASCII without spaces and quotes, at most [`ID_BYTES_MAX`] bytes.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/@".contains(&b))
}

fn header(policy: &Policy, faults: &mut Faults) {
    if policy.schema != POLICY_SCHEMA {
        faults.schema(format!("schema {:?}", policy.schema), "write azir.policy/1");
    }
    if policy.version == 0 || policy.version > INTEGER_MAX {
        faults.schema(format!("version {}", policy.version), "count versions from 1");
    }
}

fn people(policy: &Policy, faults: &mut Faults) {
    if policy.people.is_empty() {
        faults.schema("no people", "name at least one person");
    }
    faults.unique("person", policy.people.iter().map(|p| p.id.as_str()));
    let keys: Vec<_> = policy.people.iter().map(|p| p.key.to_string()).collect();
    // Separation is by person (D-048): one key must not make two people out of one.
    faults.unique("person's key", keys.iter().map(String::as_str));
    for person in &policy.people {
        if !person.id.strip_prefix("operator:").is_some_and(is_name) {
            faults.schema(format!("person id {:?}", person.id), "write operator:<name>");
        }
        if person.roles.contains(&Role::Automatic) {
            faults.schema(format!("{} has the role of a machine", person.id), "remove AUT");
        }
        if person.roles.is_empty() {
            faults.schema(format!("{} has no role", person.id), "give at least REP");
        }
        faults.unique(
            &format!("role of {}", person.id),
            person.roles.iter().map(|role| role.as_str()),
        );
    }
}

fn machines(policy: &Policy, faults: &mut Faults) {
    faults.unique("machine", policy.machines.iter().map(|m| m.id.as_str()));
    let keys: Vec<_> = policy.machines.iter().map(|m| m.key.to_string()).collect();
    faults.unique("machine's key", keys.iter().map(String::as_str));
    for machine in &policy.machines {
        let name = MACHINE_KINDS.iter().find_map(|kind| machine.id.strip_prefix(kind));
        if !name.is_some_and(is_name) {
            faults.schema(
                format!("machine id {:?}", machine.id),
                "write server:, agent:, gate:, detector:, witness: or builder: and a name",
            );
        }
    }
    faults.unique("lease signer", policy.lease_signers.iter().map(String::as_str));
    faults.unique("witness", policy.witnesses.machines.iter().map(String::as_str));
    for id in policy.lease_signers.iter().chain(&policy.witnesses.machines) {
        if policy.machine(id).is_none() {
            faults.schema(format!("{id} is no machine of this policy"), "list it with its key");
        }
    }
    if policy.witnesses.quorum > policy.witnesses.machines.len() as u64 {
        faults.schema(
            format!(
                "quorum {} of {} witnesses",
                policy.witnesses.quorum,
                policy.witnesses.machines.len()
            ),
            "lower the quorum or name more witnesses",
        );
    }
}

fn nodes(policy: &Policy, faults: &mut Faults) {
    faults.unique("node", policy.nodes.iter().map(|n| n.node.as_str()));
    let seats: Vec<_> = policy.nodes.iter().filter_map(|n| n.seat).map(|s| s.to_string()).collect();
    // Two nodes behind one seat sign twice sooner or later.
    faults.unique("seat", seats.iter().map(String::as_str));
    for node in &policy.nodes {
        if !is_name(&node.node) {
            faults.schema(format!("node name {:?}", node.node), "use letters, digits and ._-/@");
        }
        let roles = node.roles.iter().map(|role| role.as_str());
        faults.unique(&format!("role of {}", node.node), roles);
        if node.roles.is_empty() {
            faults.schema(format!("{} holds no role", node.node), "name its roles or remove it");
        }
        if node.seat.is_some_and(|seat| seat > INTEGER_MAX) {
            faults.schema(format!("seat of {}", node.node), "use at most 2^53-1");
        }
    }
    for gate in &policy.auto_gates {
        if !is_name(&gate.detector) || gate.roles.is_empty() {
            faults.schema(
                format!("automatic gate of detector {:?}", gate.detector),
                "name a detector and at least one role",
            );
        }
    }
    faults.unique("detector", policy.auto_gates.iter().map(|g| g.detector.as_str()));
}

fn numbers(policy: &Policy, faults: &mut Faults) {
    let leases = policy.leases;
    let terms = [
        ("standing", leases.standing_renew_ms, leases.standing_ms),
        ("incident", leases.incident_renew_ms, leases.incident_ms),
    ];
    for (name, renew, term) in terms {
        if renew == 0 || renew >= term || term > INTEGER_MAX {
            faults.schema(
                format!("{name} lease of {term} ms replaced every {renew} ms"),
                "replace a lease before it ends",
            );
        }
    }
    if leases.incident_ms > leases.standing_ms {
        faults.schema("incident leases outlive standing leases", "shorten incident leases");
    }
    let dwell = policy.dwell;
    if dwell.epochs.contains(&0) || dwell.agent_mon_divisor == 0 || dwell.wave_epochs == 0 {
        faults.schema("a phase or wave without dwell", "let each dwell at least one epoch");
    }
    let windows = policy.windows;
    let each = Severity::ALL
        .iter()
        .flat_map(|s| [windows.stab_ms.at(*s), windows.mon_ms.at(*s), windows.blocks.at(*s)]);
    let targets = policy
        .targets
        .values()
        .flat_map(|t| [t.acknowledge_ms, t.triage_ms, t.contain_ms])
        .chain(dwell.epochs);
    if each.chain(targets).chain([policy.postmortem_due_ms]).any(|n| n > INTEGER_MAX) {
        faults.schema("a number above 2^53-1", "use smaller numbers");
    }
}

fn small(policy: &Policy, faults: &mut Faults) {
    if policy.deployment() == Deployment::Serious {
        return;
    }
    let (people, seats) = (policy.people.len(), policy.seats());
    if people > SMALL_PEOPLE_MAX || seats > SMALL_SEATS_MAX {
        faults.0.push(Unmet::new(
            RefusalKind::RoleConflict,
            format!("a small deployment with {people} people and {seats} seats"),
            "6.2, D-006",
            "declare the deployment serious",
        ));
    }
}
