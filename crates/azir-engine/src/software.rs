//! What own nodes run: accepted releases, affected versions, and changes nobody recorded (2.3,
//! 23.2, D-109). It stops leases and never makes one.

use azir_ledger::Digest;
use azir_model::directive::Running;
use azir_model::scope::{Scope, ScopeKind};
use azir_model::vocab::NodeRole;

use crate::body::{ChangedPart, ReleaseBuilt};
use crate::fold::subsystem;
use crate::state::State;
use crate::view::IncidentView;

/// Builders that must agree on a release (D-109, annex L.3).
pub const BUILDERS_MIN: usize = 2;
/// What machines that build are called in a policy.
pub const BUILDER: &str = "builder:";

/// What a gate's node runs, by its newest statement.
#[must_use]
pub fn running(state: &State, gate: &str) -> Option<Running> {
    state.gates.get(gate)?.ran.last().copied()
}

/// How many builders whose key is not revoked agree on the release that has this binary; the most
/// of all releases that have it.
#[must_use]
pub fn builders(state: &State, binary: &Digest) -> usize {
    let heard = |builder: &String| !state.revoked.contains_key(builder);
    let of_release = state.builds.values().map(|builds| {
        let having: Vec<&ReleaseBuilt> = builds
            .iter()
            .filter(|(builder, built)| heard(builder) && built.binaries.contains(binary))
            .map(|(_, built)| built)
            .collect();
        let equal = |a: &&ReleaseBuilt| having.iter().filter(|b| a.agrees(b)).count();
        having.iter().map(equal).max().unwrap_or(0)
    });
    of_release.max().unwrap_or(0)
}

/// Why no lease is made for this gate because of what its node runs: a change that nobody recorded,
/// a version that an open incident is about, or a binary of no accepted release. Implements R-2.3-2
/// and R-23.2-3.
#[must_use]
pub fn held_back(state: &State, gate: &str) -> Option<String> {
    if let Some(why) = unrecorded(state, gate) {
        return Some(why);
    }
    let now = running(state, gate);
    let mut open = state.incidents.values().filter(|v| v.is_open());
    let affects = |view: &IncidentView, binary: &Digest| {
        let mut scopes = view.scopes.iter();
        scopes.find(|scope| has(state, scope, binary)).map(|s| format!("{s} of {}", view.id))
    };
    if let Some(affected) = now.and_then(|now| open.find_map(|v| affects(v, &now.binary))) {
        return Some(format!("{gate} runs the affected {affected}"));
    }
    let builds = state.policy.iter().flat_map(|p| &p.machines);
    let checked = builds.into_iter().any(|m| m.id.starts_with(BUILDER));
    match now {
        None if checked => Some(format!("{gate} does not state which binary it runs")),
        Some(now) if checked && builders(state, &now.binary) < BUILDERS_MIN => {
            Some(format!("{gate} runs {}, which is in no accepted release", now.binary))
        }
        _ => None,
    }
}

/// True when some builder got this binary for the version that the scope names.
fn has(state: &State, scope: &str, binary: &Digest) -> bool {
    let builds = state.builds.get(scope).into_iter().flat_map(|b| b.values());
    builds.into_iter().any(|built| built.binaries.contains(binary))
}

/// A change of binary or configuration that happened while an incident was open and that no event
/// tells.
fn unrecorded(state: &State, gate: &str) -> Option<String> {
    let (node, _) = gate.rsplit_once('/')?;
    let told = |part, before: Digest, after: Digest| {
        let all = state.incidents.values().flat_map(|v| &v.changes).map(|c| &c.said);
        let mut fits = all.filter(|c| c.node == node && c.part == part);
        before == after || fits.any(|c| (c.before, c.after) == (before, after))
    };
    let ran = &state.gates.get(gate)?.ran;
    let parts = ran.iter().zip(ran.iter().skip(1)).flat_map(|(before, after)| {
        [
            (ChangedPart::Software, before.binary, after.binary),
            (ChangedPart::Configuration, before.configuration, after.configuration),
        ]
    });
    let mut silent = parts.filter(|(part, before, after)| !told(*part, *before, *after));
    silent.next().map(|(part, before, after)| {
        format!("{part} of {node} changed from {before} to {after}, and no event tells it")
    })
}

/// What the scope set of a supply chain incident lacks: the affected versions, and own nodes and
/// seats that are known to run them. Implements R-23.2-4.
#[must_use]
pub fn unlisted(state: &State, view: &IncidentView) -> Vec<String> {
    let scopes: Vec<Scope> = view.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    let versions: Vec<&String> = view.scopes.iter().filter(|s| s.starts_with("impl:")).collect();
    let mut missing = Vec::new();
    if versions.is_empty() {
        missing.push("an affected version, as impl:NAME/VERSION".to_owned());
    }
    for own in state.policy.iter().flat_map(|p| &p.nodes) {
        let runs = |role: &NodeRole| {
            let now = running(state, &subsystem(&own.node, *role));
            now.is_some_and(|now| versions.iter().any(|v| has(state, v, &now.binary)))
        };
        if !own.roles.iter().any(runs) {
            continue;
        }
        let mut nodes = scopes.iter().filter(|s| s.kind() == ScopeKind::Node);
        if !nodes.any(|s| s.id() == own.node) {
            missing.push(format!("node:{}, which runs it", own.node));
        }
        let Some(seat) = own.seat.map(|seat| seat.to_string()) else { continue };
        let mut seats = scopes.iter().filter(|s| s.kind() == ScopeKind::Seat);
        if !seats.any(|s| s.members().any(|member| member == seat)) {
            missing.push(format!("seat:{seat}, whose node {} runs it", own.node));
        }
    }
    missing
}
