//! Re-enable phases (30, annex J.3, D-105) and the waves of D-107.

use std::collections::BTreeMap;

use crate::policy::Dwell;
use crate::refusal::{Refusal, RefusalKind, Unmet};
use crate::restart::Subsystem;
use crate::vocab::NodeRole;

const RULE: &str = "30.1, 30.2, annex J.3";

/// State of one role of one node during re-enable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseState {
    /// Its gate is closed.
    Closed,
    /// Its gate is open.
    Open {
        /// Epochs since it was opened; a role that was never closed has dwelt long enough.
        epochs: u64,
        /// Its checks pass.
        checks_pass: bool,
    },
}

/// The roles that a node holds, with their states. A role that it does not hold is absent, and so
/// is skipped; the order is not (D-105).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodePhases(pub BTreeMap<NodeRole, PhaseState>);

/// What phase 7 asks for beside the node track (annex J.3, D-105).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AgentFacts {
    /// Other touched application domains that are still closed.
    pub domains_closed: Vec<String>,
    /// Hard-finality is healthy.
    pub finality_healthy: bool,
    /// Own nodes whose node track is not healthy.
    pub nodes_unhealthy: Vec<String>,
    /// The mandate is re-authorised by its principal in a finalized object.
    pub mandate_reauthorised: bool,
}

/// A seat of this operator whose role was reopened in this recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// Name of the node.
    pub node: String,
    /// Epochs since it was reopened.
    pub epochs: u64,
    /// Its checks pass.
    pub checks_pass: bool,
}

/// What the wave rule looks at (D-107).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WaveFacts {
    /// Seats of the network, n.
    pub seats: u64,
    /// Quorum of the network, q.
    pub quorum: u64,
    /// Own seats whose same role was reopened in this recovery, the canary first.
    pub reopened: Vec<Reopened>,
    /// The recovery is RM_PROTOCOL_SAFE_RESTART, which needs q seats together.
    pub safe_restart: bool,
}

/// Everything that [`may_open`] looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseFacts {
    /// What would open.
    pub subsystem: Subsystem,
    /// The roles of its node.
    pub node: NodePhases,
    /// Dwell of the policy.
    pub dwell: Dwell,
    /// Points of phase 7.
    pub agents: AgentFacts,
    /// Other seats of this operator.
    pub wave: WaveFacts,
}

/// Most seats of one operator that may be reopened and not yet have dwelt: floor((n - q) / 2), at
/// least one (D-107).
#[must_use]
pub const fn wave_limit(seats: u64, quorum: u64) -> u64 {
    let limit = seats.saturating_sub(quorum) / 2;
    if limit == 0 { 1 } else { limit }
}

/// Milliseconds that phase 7 dwells: a quarter of W_mon by default.
#[must_use]
pub const fn agent_dwell_ms(dwell: &Dwell, w_mon_ms: u64) -> u64 {
    match w_mon_ms.checked_div(dwell.agent_mon_divisor) {
        Some(ms) => ms,
        None => w_mon_ms,
    }
}

/// The epochs that a role dwells before a higher one opens.
#[must_use]
pub const fn dwell_epochs(dwell: &Dwell, role: NodeRole) -> u64 {
    match role {
        NodeRole::Indexer => dwell.epochs[0],
        NodeRole::Rpc => dwell.epochs[1],
        NodeRole::Validation => dwell.epochs[2],
        NodeRole::Verifier => dwell.epochs[3],
        NodeRole::Proposer => dwell.epochs[4],
        NodeRole::Notary => dwell.epochs[5],
        // Nothing stands above it; its own dwell is in milliseconds.
        NodeRole::Agent => 0,
    }
}

/// Whether this role of this node may open now.
///
/// Implements R-30.1-1, R-30.1-2, R-30.1-3, R-30.1-4, R-30.1-5, R-30.1-6, R-30.1-7, R-30.2-1,
/// R-30.2-3.
///
/// # Errors
/// `phase_order` with every lower role that is closed, failing or has not dwelt, every open point
/// of phase 7, and the wave rule.
pub fn may_open(facts: &PhaseFacts) -> Result<(), Refusal> {
    let PhaseFacts { subsystem, node, dwell, agents, wave } = facts;
    let role = subsystem.role;
    let mut unmet = Vec::new();
    if !node.0.contains_key(&role) {
        unmet.push(order(
            format!("{} does not hold {role}", subsystem.node),
            "name a role that the node holds",
        ));
    }
    for (lower, state) in node.0.range(..role) {
        let need = dwell_epochs(dwell, *lower);
        let name = format!("{}/{lower}", subsystem.node);
        match state {
            PhaseState::Closed => unmet.push(order(
                format!("phase {} {name} is closed", lower.phase()),
                "open the lower phase first",
            )),
            PhaseState::Open { epochs, checks_pass } => {
                if !checks_pass {
                    unmet.push(order(
                        format!("a check of phase {} {name} fails", lower.phase()),
                        "close it and every higher phase, then begin there",
                    ));
                }
                if *epochs < need {
                    unmet.push(order(
                        format!("phase {} {name} dwelt {epochs} of {need} epochs", lower.phase()),
                        "wait until it has dwelt",
                    ));
                }
            }
        }
    }
    if role == NodeRole::Agent {
        unmet.extend(agent_points(agents));
    } else if role.signs() {
        unmet.extend(wave_points(dwell, subsystem, wave));
    }
    Refusal::unless_met(unmet)
}

/// The roles of a node that close when a check of `failing` fails: it and every higher one.
///
/// Implements R-30.2-2.
#[must_use]
pub fn closed_by_failure(node: &NodePhases, failing: NodeRole) -> Vec<NodeRole> {
    node.0.range(failing..).map(|(role, _)| *role).collect()
}

fn order(what: String, remedy: &str) -> Unmet {
    Unmet::new(RefusalKind::PhaseOrder, what, RULE, remedy)
}

fn agent_points(agents: &AgentFacts) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    for domain in &agents.domains_closed {
        let what = format!("application domain {domain} is still closed");
        unmet.push(order(what, "re-enable every other touched domain first"));
    }
    if !agents.finality_healthy {
        unmet.push(order("hard-finality is not healthy".into(), "wait until it is"));
    }
    for node in &agents.nodes_unhealthy {
        unmet.push(order(format!("the node track of {node} is not healthy"), "restore it first"));
    }
    if !agents.mandate_reauthorised {
        let remedy = "let the principal re-authorise it in a finalized object";
        unmet.push(order("the mandate is not re-authorised".into(), remedy));
    }
    unmet
}

/// One canary, then at most [`wave_limit`] seats that have not yet dwelt.
fn wave_points(dwell: &Dwell, subsystem: &Subsystem, wave: &WaveFacts) -> Vec<Unmet> {
    if wave.safe_restart {
        return Vec::new();
    }
    let mut unmet = Vec::new();
    let others = || wave.reopened.iter().filter(|seat| seat.node != subsystem.node);
    for seat in others().filter(|seat| !seat.checks_pass) {
        unmet.push(order(
            format!("a check of {}/{} fails", seat.node, subsystem.role),
            "let no further seat return while one fails",
        ));
    }
    let fresh = |seat: &&Reopened| seat.epochs < dwell.wave_epochs;
    if let Some(canary) = others().next().filter(fresh) {
        unmet.push(order(
            format!(
                "canary {} dwelt {} of {} epochs",
                canary.node, canary.epochs, dwell.wave_epochs
            ),
            "wait until the canary has dwelt",
        ));
    }
    let in_flight = u64::try_from(others().filter(fresh).count()).unwrap_or(u64::MAX);
    let limit = wave_limit(wave.seats, wave.quorum);
    if in_flight >= limit {
        unmet.push(order(
            format!("{in_flight} seats have not dwelt, a wave holds {limit}"),
            "wait until the present wave has dwelt (D-107)",
        ));
    }
    unmet
}

#[cfg(test)]
mod tests {
    use super::*;

    const DWELT: PhaseState = PhaseState::Open { epochs: 2, checks_pass: true };

    fn agents() -> AgentFacts {
        AgentFacts { finality_healthy: true, mandate_reauthorised: true, ..AgentFacts::default() }
    }

    fn wave() -> WaveFacts {
        WaveFacts { seats: 7, quorum: 5, ..WaveFacts::default() }
    }

    fn at(role: NodeRole) -> Subsystem {
        Subsystem { node: "node-1".into(), role }
    }

    fn facts(node: &NodePhases, role: NodeRole) -> PhaseFacts {
        PhaseFacts {
            subsystem: at(role),
            node: node.clone(),
            dwell: Dwell::default(),
            agents: agents(),
            wave: wave(),
        }
    }

    fn ask(node: &NodePhases, role: NodeRole) -> Result<(), Refusal> {
        may_open(&facts(node, role))
    }

    fn permutations(of: &[NodeRole]) -> Vec<Vec<NodeRole>> {
        if of.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for (i, first) in of.iter().enumerate() {
            let mut rest = of.to_vec();
            rest.remove(i);
            for mut tail in permutations(&rest) {
                tail.insert(0, *first);
                all.push(tail);
            }
        }
        all
    }

    fn subsets() -> Vec<Vec<NodeRole>> {
        let member = |bits: u32| {
            let all = NodeRole::ALL.iter().enumerate();
            all.filter(|(i, _)| bits >> i & 1 == 1).map(|(_, r)| *r).collect()
        };
        (0..1 << NodeRole::ALL.len()).map(member).collect()
    }

    /// R-30.2-1, R-30.1-1, R-30.1-2, R-30.1-3: of all orders of all sets of held roles (5040 of the
    /// full set), only the rising one passes.
    #[test]
    fn only_the_rising_order_of_held_roles_passes() {
        let mut tried = 0;
        for held in subsets() {
            for order in permutations(&held) {
                let mut node = NodePhases(held.iter().map(|r| (*r, PhaseState::Closed)).collect());
                let passes = order.iter().all(|role| {
                    let ok = ask(&node, *role).is_ok();
                    node.0.insert(*role, DWELT);
                    ok
                });
                assert_eq!(passes, order.is_sorted(), "{order:?}");
                tried += 1;
            }
        }
        assert_eq!(tried, 13_700, "sum of k! over all subsets of seven roles");
    }

    /// R-30.1-4, R-30.1-5: the small model of four states for each role, for every held set.
    #[test]
    fn a_phase_opens_only_over_open_passing_and_dwelt_lower_phases() {
        let dwell = Dwell::default();
        for held in subsets() {
            let states = 4_usize.pow(u32::try_from(held.len()).unwrap());
            for code in 0..states {
                let state_of = |i: usize, role: NodeRole| {
                    let need = dwell_epochs(&dwell, role);
                    match code / 4_usize.pow(u32::try_from(i).unwrap()) % 4 {
                        0 => PhaseState::Closed,
                        1 => PhaseState::Open { epochs: need, checks_pass: true },
                        2 => PhaseState::Open { epochs: need.max(1) - 1, checks_pass: true },
                        _ => PhaseState::Open { epochs: need, checks_pass: false },
                    }
                };
                let node = NodePhases(
                    held.iter().enumerate().map(|(i, r)| (*r, state_of(i, *r))).collect(),
                );
                let Some(role) = held.last() else { continue };
                let ready = held[..held.len() - 1].iter().enumerate().all(|(i, r)| {
                    let need = dwell_epochs(&dwell, *r);
                    state_of(i, *r) == PhaseState::Open { epochs: need, checks_pass: true }
                });
                match ask(&node, *role) {
                    Ok(()) => assert!(ready, "{node:?} {role}"),
                    Err(refusal) => {
                        assert!(!ready, "{node:?} {role}");
                        assert!(refusal.unmet().iter().all(|u| u.kind == RefusalKind::PhaseOrder));
                    }
                }
            }
        }
    }

    /// R-30.1-5: a role that the node does not hold is skipped, and cannot be opened.
    #[test]
    fn an_unheld_role_is_skipped_and_never_opened() {
        let node = NodePhases(
            [(NodeRole::Validation, DWELT), (NodeRole::Notary, PhaseState::Closed)].into(),
        );
        ask(&node, NodeRole::Notary).unwrap();
        assert_eq!(ask(&node, NodeRole::Agent).unwrap_err().kind(), RefusalKind::PhaseOrder);
    }

    /// R-30.2-2: a failing check closes its phase and every higher one.
    #[test]
    fn a_failing_check_closes_its_phase_and_every_higher_one() {
        let node = NodePhases(NodeRole::ALL.iter().map(|r| (*r, DWELT)).collect());
        for (i, role) in NodeRole::ALL.iter().enumerate() {
            assert_eq!(closed_by_failure(&node, *role), NodeRole::ALL[i..]);
        }
    }

    /// R-30.1-7: phase 7 waits for other domains, finality, the node track and the mandate.
    #[test]
    fn agent_domains_are_last() {
        let node = NodePhases([(NodeRole::Agent, PhaseState::Closed)].into());
        let none = AgentFacts {
            domains_closed: vec!["domain:pay".into()],
            nodes_unhealthy: vec!["node-2".into()],
            ..AgentFacts::default()
        };
        let facts = PhaseFacts { agents: none, ..facts(&node, NodeRole::Agent) };
        assert_eq!(may_open(&facts).unwrap_err().unmet().len(), 4);
        ask(&node, NodeRole::Agent).unwrap();
        assert_eq!(agent_dwell_ms(&Dwell::default(), 4_000), 1_000);
    }

    /// R-30.2-3: one canary, then waves; all orders of up to five seats at every network size.
    #[test]
    fn seats_return_behind_a_canary_and_in_waves() {
        let node = NodePhases([(NodeRole::Notary, PhaseState::Closed)].into());
        let open = |wave: &WaveFacts| {
            let facts = PhaseFacts { wave: wave.clone(), ..facts(&node, NodeRole::Notary) };
            may_open(&facts).is_ok()
        };
        for (seats, quorum, limit) in [(4, 3, 1), (7, 5, 1), (13, 9, 2), (100, 67, 16), (1, 1, 1)] {
            assert_eq!(wave_limit(seats, quorum), limit);
            for bits in 0_u32..32 {
                for count in 0..=5_u32 {
                    let fresh = |i: u32| bits >> i & 1 == 1;
                    let reopened: Vec<_> = (0..count)
                        .map(|i| Reopened {
                            node: format!("seat-{i}"),
                            epochs: u64::from(!fresh(i)),
                            checks_pass: true,
                        })
                        .collect();
                    let in_flight = (0..count).filter(|i| fresh(*i)).count() as u64;
                    let canary = count > 0 && fresh(0);
                    let facts = WaveFacts { seats, quorum, reopened, safe_restart: false };
                    assert_eq!(open(&facts), !canary && in_flight < limit, "{facts:?}");
                    assert!(open(&WaveFacts { safe_restart: true, ..facts }));
                }
            }
        }
        let failing = Reopened { node: "seat-0".into(), epochs: 9, checks_pass: false };
        assert!(!open(&WaveFacts { reopened: vec![failing], ..wave() }));
    }
}
