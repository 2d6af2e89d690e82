//! `azir init`: makes a deployment from a file that names people, nodes and their keys.

use std::path::Path;

use azir_ledger::PersonPublic;
use azir_model::Role;
use azir_model::policy::{Deployment, Machine, OwnNode, Person, Policy};
use serde::Deserialize;

use super::{Talk, input_text, say};
use crate::error::CliError;
use crate::host::Host;

/// The file that `azir init` reads. Numbers of the policy that it does not name have defaults.
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
    /// Machines: agents, gates, detectors.
    #[serde(default)]
    machine: Vec<Machine>,
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
    let text = input_text(roster)?;
    let file: Roster = toml::from_str(&text).map_err(|e| CliError::content(roster, e))?;
    let mut people = Vec::new();
    for person in file.person {
        let key = key(&person).map_err(|why| CliError::content(roster, why))?;
        people.push(Person { id: person.id, key, roles: person.roles });
    }
    let mut policy = Policy::with_people(people);
    policy.class = file.class;
    policy.nodes = file.node;
    policy.machines = file.machine;
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
