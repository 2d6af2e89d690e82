//! `azir init`: makes a deployment from a file that names people, nodes and their keys.

use std::collections::BTreeMap;
use std::path::Path;

use azir_ledger::PersonPublic;
use azir_model::policy::{
    AutoGate, Deployment, Dwell, LeaseTerms, Machine, OwnNode, PerSeverity, Person, Policy, Target,
    Windows, Witnesses,
};
use azir_model::{Role, Severity};
use serde::Deserialize;

use super::{Talk, input_text, say, toml_fault};
use crate::error::CliError;
use crate::host::Host;

/// The file that `azir init` reads: everything of the policy that people set, by the same names.
/// What it does not name has the default of the policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roster {
    /// `small` or `serious`; absent means serious.
    #[serde(default)]
    class: Option<Deployment>,
    /// People.
    person: Vec<RosterPerson>,
    /// Own nodes.
    #[serde(default)]
    node: Vec<OwnNode>,
    /// Machines: agents, gates, detectors, witnesses.
    #[serde(default)]
    machine: Vec<Machine>,
    /// Automatic gates, instead of the default ones (D-084).
    #[serde(default)]
    auto_gate: Option<Vec<AutoGate>>,
    /// Machines whose signature makes a lease valid, instead of the server alone.
    #[serde(default)]
    lease_signers: Vec<String>,
    /// Cosigning machines and their quorum.
    #[serde(default)]
    witnesses: Witnesses,
    /// Windows of annex B, by severity.
    #[serde(default)]
    windows: RosterWindows,
    /// Targets of D-045, by severity.
    #[serde(default)]
    targets: BTreeMap<Severity, Target>,
    /// Terms of leases (annex I).
    #[serde(default)]
    leases: RosterLeases,
    /// Dwell of phases (annex J.3).
    #[serde(default)]
    dwell: RosterDwell,
    /// Milliseconds from closing to the postmortem's due date (D-035).
    #[serde(default)]
    postmortem_due_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterWindows {
    #[serde(default)]
    stab_ms: BTreeMap<Severity, u64>,
    #[serde(default)]
    mon_ms: BTreeMap<Severity, u64>,
    #[serde(default)]
    blocks: BTreeMap<Severity, u64>,
}

impl RosterWindows {
    fn over(self, windows: Windows) -> Result<Windows, String> {
        Ok(Windows {
            stab_ms: severities(windows.stab_ms, self.stab_ms)?,
            mon_ms: severities(windows.mon_ms, self.mon_ms)?,
            blocks: severities(windows.blocks, self.blocks)?,
        })
    }
}

/// The numbers given, over the defaults.
fn severities(all: PerSeverity, given: BTreeMap<Severity, u64>) -> Result<PerSeverity, String> {
    let mut map = BTreeMap::from(all);
    map.extend(given);
    PerSeverity::try_from(map)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterLeases {
    standing_ms: Option<u64>,
    standing_renew_ms: Option<u64>,
    incident_ms: Option<u64>,
    incident_renew_ms: Option<u64>,
}

impl RosterLeases {
    fn over(&self, terms: LeaseTerms) -> LeaseTerms {
        LeaseTerms {
            standing_ms: self.standing_ms.unwrap_or(terms.standing_ms),
            standing_renew_ms: self.standing_renew_ms.unwrap_or(terms.standing_renew_ms),
            incident_ms: self.incident_ms.unwrap_or(terms.incident_ms),
            incident_renew_ms: self.incident_renew_ms.unwrap_or(terms.incident_renew_ms),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterDwell {
    epochs: Option<[u64; 6]>,
    agent_mon_divisor: Option<u64>,
    wave_epochs: Option<u64>,
}

impl RosterDwell {
    fn over(&self, dwell: Dwell) -> Dwell {
        Dwell {
            epochs: self.epochs.unwrap_or(dwell.epochs),
            agent_mon_divisor: self.agent_mon_divisor.unwrap_or(dwell.agent_mon_divisor),
            wave_epochs: self.wave_epochs.unwrap_or(dwell.wave_epochs),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterPerson {
    /// `operator:<name>`.
    id: String,
    /// The line of an SSH public key file.
    key: String,
    /// Roles that the person may take.
    roles: Vec<Role>,
}

/// Longest name of a deployment, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// `[a-z0-9][a-z0-9.-]{0,62}`: the name stands in the log's origin and in the server's id.
fn fits(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|b| plain(b) || b == b'.' || b == b'-')
}

/// The key of a person: one line of an Ed25519 public key file.
fn key(person: &RosterPerson) -> Result<PersonPublic, String> {
    let line = person.key.trim();
    if !line.starts_with("ssh-ed25519 ") || line.contains(['\n', '\r']) {
        return Err(format!(
            "key of {}: the one line of an ssh-ed25519 public key file is supported; make one with \
             ssh-keygen -t ed25519",
            person.id
        ));
    }
    line.parse().map_err(|e| format!("key of {}: {e}", person.id))
}

/// Makes the deployment and says how to go on.
pub(crate) fn run(talk: Talk, name: &str, roster: &Path, data: &Path) -> Result<(), CliError> {
    if !fits(name) {
        return Err(CliError::Usage(format!(
            "NAME {name:?} does not fit: 1 to {NAME_BYTES_MAX} of a-z 0-9 . - that begin with a \
             letter or digit"
        )));
    }
    let policy = policy(&input_text(roster)?).map_err(|why| CliError::content(roster, why))?;
    let host = Host::create(data, name, policy)?;
    let log = host.engine().log();
    if talk.json {
        let value = serde_json::json!({"log": log, "data": data.display().to_string()});
        return say(&format!("{value}\n"));
    }
    say(&format!(
        "log {log} begins in {}\nits server key is in {}; it never leaves this machine\nnext: azir incident open --help\n",
        data.display(),
        data.join("keys/server.seed").display()
    ))
}

/// The policy that a roster file stands for; what is wrong is named with its line.
fn policy(text: &str) -> Result<Policy, String> {
    let file: Roster = toml::from_str(text).map_err(|e| toml_fault(text, &e))?;
    let mut people = Vec::new();
    for person in file.person {
        let key = key(&person)?;
        people.push(Person { id: person.id, key, roles: person.roles });
    }
    let mut policy = Policy::with_people(people);
    policy.class = file.class;
    policy.nodes = file.node;
    policy.machines = file.machine;
    policy.lease_signers = file.lease_signers;
    policy.witnesses = file.witnesses;
    policy.auto_gates = file.auto_gate.unwrap_or(policy.auto_gates);
    policy.windows = file.windows.over(policy.windows)?;
    policy.targets.extend(file.targets);
    policy.leases = file.leases.over(policy.leases);
    policy.dwell = file.dwell.over(policy.dwell);
    policy.postmortem_due_ms = file.postmortem_due_ms.unwrap_or(policy.postmortem_due_ms);
    Ok(policy)
}

/// A roster with every setting explained.
const EXAMPLE: &str = include_str!("init/example.toml");

/// Prints the example roster.
pub(crate) fn example(talk: Talk) -> Result<(), CliError> {
    if talk.json {
        return say(&format!("{}\n", serde_json::json!({ "roster": EXAMPLE })));
    }
    say(EXAMPLE)
}

#[cfg(test)]
mod tests {
    use azir_ledger::PersonKey;
    use azir_model::policy::default_auto_gates;

    use super::*;

    /// The example with keys that are keys.
    fn example() -> String {
        let key = |name: &str| PersonKey::from_seed([name.len() as u8; 32], name).public();
        ["ana", "bogdan"].into_iter().fold(EXAMPLE.to_owned(), |text, name| {
            text.replace(&format!("ssh-ed25519 AAAA... {name}"), &key(name).to_string())
        })
    }

    #[test]
    fn the_example_is_a_roster_and_its_settings_are_the_defaults() {
        let bare = policy(&example()).unwrap();
        bare.validate().unwrap();
        let set: String = example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let set = policy(&format!("postmortem_due_ms = 1209600000\n{set}")).unwrap();
        assert_eq!(set.machines.len(), 1, "the settings were not read");
        assert_eq!(set.auto_gates, default_auto_gates());
        assert_eq!(Policy { machines: vec![], ..set }, bare);
    }

    #[test]
    fn what_a_roster_names_is_set_and_the_rest_stays() {
        let text = format!(
            "auto_gate = []\nlease_signers = [\"server:x\"]\n{}\n[windows]\nstab_ms = {{ SEV_3_HIGH = \
             7 }}\n[targets.SEV_0_INFO]\nacknowledge_ms = 1\ntriage_ms = 2\ncontain_ms = 3\n\
             [dwell]\nwave_epochs = 9\n[leases]\nincident_ms = 61000\n",
            example()
        );
        let (set, plain) = (policy(&text).unwrap(), policy(&example()).unwrap());
        assert!(set.auto_gates.is_empty());
        assert_eq!(set.lease_signers, ["server:x"]);
        assert_eq!(set.windows.stab_ms.at(Severity::Sev3High), 7);
        assert_eq!(
            set.windows.stab_ms.at(Severity::Sev4Critical),
            plain.windows.stab_ms.at(Severity::Sev4Critical)
        );
        assert_eq!(set.windows.mon_ms, plain.windows.mon_ms);
        assert_eq!(set.targets.len(), plain.targets.len() + 1);
        assert_eq!(set.dwell, Dwell { wave_epochs: 9, ..plain.dwell });
        assert_eq!(set.leases, LeaseTerms { incident_ms: 61_000, ..plain.leases });
    }

    #[test]
    fn an_unknown_member_is_refused_with_its_line() {
        let first = EXAMPLE.lines().count() + 2;
        for wrong in ["[windows]\nstabs_ms = 1", "[dwell]\nepoch = 1", "[targets]\nSEV_9 = 1"] {
            let error = policy(&format!("{}\n{wrong}\n", example())).unwrap_err();
            assert!(error.contains(&format!("line {}", first + 1)), "{error}");
        }
    }
}
