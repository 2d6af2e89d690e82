//! `azir init`: makes a deployment from a file that names people, nodes and their keys.

use std::path::Path;

use azir_ledger::PersonPublic;
use azir_model::Role;
use azir_model::policy::{Deployment, Machine, OwnNode, Person, Policy};
use serde::Deserialize;

use super::{Talk, say};
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

/// Makes the deployment and says how to go on.
pub(crate) fn run(talk: Talk, name: &str, roster: &Path, data: &Path) -> Result<(), CliError> {
    let text = std::fs::read_to_string(roster).map_err(|e| CliError::read(roster, e))?;
    let file: Roster = toml::from_str(&text).map_err(|e| CliError::content(roster, e))?;
    let mut people = Vec::new();
    for person in file.person {
        let key: PersonPublic = person
            .key
            .parse()
            .map_err(|e| CliError::content(roster, format!("key of {}: {e}", person.id)))?;
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
