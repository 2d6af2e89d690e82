//! The keys in a bundle against the keys that its own log gives. The files below `roster/` and
//! `bundle.json` are covered by the bag alone: whoever redoes the bag could add a false person for
//! `ssh-keygen` to believe, or ask for no witness. The log's signed policy says what they must be.

use std::collections::BTreeMap;
use std::io::Read as _;

use azir_engine::State;
use azir_ledger::bundle::{BundleFiles, BundleInfo};
use azir_ledger::note::VerifierKey;
use azir_ledger::{Roster, canon};
use azir_model::policy::Machine;

use super::Told;

/// Largest roster that is read, in bytes.
const ROSTER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Every difference between the bundle's keys and those of its log. Nothing is compared while the
/// log gives no policy, and files that cannot be read are findings of the bundle's own check.
pub(super) fn check(files: &dyn BundleFiles, state: &State, log: &str) -> Vec<Told> {
    let Some(policy) = &state.policy else { return Vec::new() };
    let mut told = Vec::new();
    let mut tell = |place: &str, kind: &'static str, what: Option<String>| {
        if let Some(what) = what {
            told.push(Told { place: place.to_owned(), kind, what });
        }
    };
    let place = "roster/roster.json";
    let found = read(files, place).and_then(|bytes| canon::decode::<Roster>(&bytes).ok());
    let expected = state.roster(log);
    tell(place, "roster_mismatch", found.and_then(|found| roster_differs(&found, &expected)));

    let witnesses = policy.witnesses.machines.iter().filter_map(|id| policy.machine(id));
    let place = "roster/witnesses.vkey";
    tell(place, "witnesses_mismatch", differ(files, place, witnesses));

    let place = "roster/ledger.vkey";
    let server = state.server.iter().filter_map(|id| policy.machine(id));
    tell(place, "ledger_mismatch", differ(files, place, server));

    let place = "bundle.json";
    let info = read(files, place).and_then(|bytes| canon::decode::<BundleInfo>(&bytes).ok());
    let quorum = policy.witnesses.quorum;
    let wrong = info.filter(|info| info.quorum != quorum);
    let say = |info: BundleInfo| format!("asks for {}, the log for {quorum}", info.quorum);
    tell(place, "quorum_mismatch", wrong.map(say));
    told
}

fn read(files: &dyn BundleFiles, place: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    files.open(place).ok()?.take(ROSTER_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn roster_differs(found: &Roster, expected: &Roster) -> Option<String> {
    let added = found.keys.iter().find(|k| !expected.keys.contains(k));
    let lacking = expected.keys.iter().find(|k| !found.keys.contains(k));
    match (added, lacking) {
        (Some(key), _) => {
            Some(format!("the log gives {} no such key or no such term: {}", key.actor, key.key))
        }
        (None, Some(key)) => Some(format!("the log gives {} a key that is absent", key.actor)),
        (None, None) => (found != expected).then(|| "another order or another log".to_owned()),
    }
}

/// Compares the keys of a file with those of machines, whatever name a key signs under.
fn differ<'p>(
    files: &dyn BundleFiles,
    place: &str,
    machines: impl Iterator<Item = &'p Machine>,
) -> Option<String> {
    let text = String::from_utf8(read(files, place)?).ok()?;
    let keys = text.lines().filter_map(|line| line.parse::<VerifierKey>().ok());
    let mut found: BTreeMap<_, _> = keys.map(|key| (*key.public(), key)).collect();
    let lacking: Vec<_> = machines.filter(|m| found.remove(&m.key).is_none()).collect();
    let added = found.values().map(|key| format!("the log gives no such key: {key}"));
    let lacking = lacking.iter().map(|m| format!("the key of {} is absent", m.id));
    added.chain(lacking).next()
}

#[cfg(test)]
mod tests {
    use azir_ledger::MachineKey;
    use azir_ledger::event::PublicKey;

    use super::*;

    fn key(n: u8) -> PublicKey {
        PublicKey::Machine(MachineKey::from_seed([n; 32]).public())
    }

    #[test]
    fn an_added_a_lacking_a_changed_and_a_reordered_key_are_differences() {
        let mut log = Roster::new("l");
        log.add("agent:a", key(1), 0);
        log.add("agent:b", key(2), 0);
        assert_eq!(roster_differs(&log, &log), None);
        let mut added = log.clone();
        added.add("agent:c", key(3), 0);
        assert!(roster_differs(&added, &log).unwrap().contains("agent:c"));
        assert!(roster_differs(&log, &added).unwrap().contains("agent:c"));
        let mut changed = log.clone();
        changed.keys[1].key = key(4);
        assert!(roster_differs(&changed, &log).unwrap().contains("agent:b"));
        let mut longer = log.clone();
        longer.revoke("agent:a", None, 7);
        assert!(roster_differs(&log, &longer).unwrap().contains("agent:a"));
        let mut turned = log.clone();
        turned.keys.reverse();
        assert!(roster_differs(&turned, &log).is_some());
    }
}
