//! Harmful action kinds (annex D.2) and what a capability blocks (annex D.3).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::vocab::NodeRole;

wire_enum! {
    /// Action kinds (annex D.2): the first eight on own nodes, the others on the network.
    #[allow(missing_docs)]
    pub enum Action {
        Propose = "propose", Verify = "verify", Notarize = "notarize", ServeRead = "serve_read",
        ServeLoad = "serve_load", SubmitAgent = "submit_agent", PeerInput = "peer_input",
        Validate = "validate", ClaimAny = "claim.any", ClaimUncorroborated = "claim.uncorroborated",
        CallAny = "call.any", CallOpen = "call.open", CallIncrease = "call.increase",
        CallAboveCap = "call.above_cap", CallUnapproved = "call.unapproved", ActAny = "act.any",
        ActOpen = "act.open", ActIncrease = "act.increase", ActReduce = "act.reduce",
        ActClose = "act.close", ActAboveCap = "act.above_cap", ActUnapproved = "act.unapproved",
        EconAny = "econ.any", EconAboveRate = "econ.above_rate", UseFeature = "use_feature",
        Deploy = "deploy", GovPropose = "gov.propose", GovActivate = "gov.activate",
        KeyUse = "key.use", SeatSign = "seat.sign",
    }
}

/// A set of action kinds; serialised as a list in the order of annex D.2 without repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionSet(u32);

const fn set(actions: &[Action]) -> ActionSet {
    let mut bits = 0;
    let mut i = 0;
    while i < actions.len() {
        bits |= 1 << actions[i] as u32;
        i += 1;
    }
    ActionSet(bits)
}

const CHECKED: ActionSet =
    set(&[Action::ClaimUncorroborated, Action::ActUnapproved, Action::CallUnapproved]);
const LIMITED: ActionSet = set(&[Action::ActAboveCap, Action::CallAboveCap, Action::EconAboveRate]);
const OPENING: ActionSet =
    set(&[Action::ActOpen, Action::ActIncrease, Action::CallOpen, Action::CallIncrease]);
const DEGRADED: ActionSet = set(&[
    Action::Propose,
    Action::SubmitAgent,
    Action::ServeLoad,
    Action::ActOpen,
    Action::ActIncrease,
]);
const AGENT: ActionSet = set(&[
    Action::SubmitAgent,
    Action::ActAny,
    Action::ActOpen,
    Action::ActIncrease,
    Action::ActReduce,
    Action::ActClose,
    Action::ActAboveCap,
    Action::ActUnapproved,
]);

impl ActionSet {
    /// No action.
    pub const NONE: Self = Self(0);
    /// Every action.
    pub const ALL: Self = Self((1 << Action::ALL.len()) - 1);

    /// The set of `actions`.
    #[must_use]
    pub const fn of(actions: &[Action]) -> Self {
        set(actions)
    }

    /// True when every member is in `other`.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Members of both.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Members of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members that `other` lacks.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True without members.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when `action` is a member.
    #[must_use]
    pub const fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }

    /// Members in the order of annex D.2.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |a| self.has(*a))
    }

    /// What capability 1 to 4 blocks on the network (annex D.3); 1 only with a `checker`.
    #[must_use]
    pub const fn blocked_by(capability: u8, checker: bool) -> Self {
        let checked = if checker { CHECKED } else { Self::NONE };
        match capability {
            0 => Self::NONE,
            1 => checked,
            2 => checked.union(LIMITED),
            3 => checked.union(LIMITED).union(OPENING),
            _ => Self::ALL,
        }
    }

    /// What local degraded mode blocks on the named roles of an own node (11.1, annex D.3).
    #[must_use]
    pub fn blocked_degraded(roles: RoleSet) -> Self {
        Self::of_roles(roles).intersect(DEGRADED)
    }

    /// Every action of the named roles, which a local service halt blocks (12.1, annex D.3).
    #[must_use]
    pub fn of_roles(roles: RoleSet) -> Self {
        roles.iter().fold(Self::NONE, |all, role| all.union(Self::of_role(role)))
    }

    const fn of_role(role: NodeRole) -> Self {
        match role {
            NodeRole::Indexer => set(&[Action::ServeRead]),
            NodeRole::Rpc => set(&[Action::ServeRead, Action::ServeLoad]),
            NodeRole::Validation => set(&[Action::Validate, Action::PeerInput]),
            NodeRole::Verifier => set(&[Action::Verify]),
            NodeRole::Proposer => set(&[Action::Propose]),
            NodeRole::Notary => set(&[Action::Notarize]),
            NodeRole::Agent => AGENT,
        }
    }
}

impl Serialize for ActionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ActionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(set(&Vec::<Action>::deserialize(deserializer)?))
    }
}

/// A set of roles of one node; serialised as a list in rising order of authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleSet(u8);

impl RoleSet {
    /// No role.
    pub const NONE: Self = Self(0);
    /// Every role.
    pub const ALL: Self = Self((1 << NodeRole::ALL.len()) - 1);

    /// One role.
    #[must_use]
    pub const fn one(role: NodeRole) -> Self {
        Self(1 << role as u8)
    }

    /// The roles that `actions` run through; a read runs through the RPC server.
    #[must_use]
    pub fn of_actions(actions: ActionSet) -> Self {
        let mut roles = Self::NONE;
        for role in NodeRole::ALL.iter().copied().filter(|r| *r != NodeRole::Indexer) {
            if !ActionSet::of_role(role).intersect(actions).is_empty() {
                roles.0 |= 1 << role as u8;
            }
        }
        roles
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// True without roles.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Members in rising order.
    pub fn iter(self) -> impl Iterator<Item = NodeRole> {
        NodeRole::ALL.iter().copied().filter(move |r| self.0 & (1 << *r as u8) != 0)
    }
}

impl Serialize for RoleSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for RoleSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = Vec::<NodeRole>::deserialize(deserializer)?;
        Ok(Self(roles.into_iter().fold(0, |bits, role| bits | (1 << role as u8))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-24.2-1: the blocked sets grow with the capability and end with everything.
    #[test]
    fn capabilities_block_what_d_3_says() {
        for checker in [false, true] {
            for capability in 0..4 {
                let less = ActionSet::blocked_by(capability, checker);
                assert!(less.is_subset(ActionSet::blocked_by(capability + 1, checker)));
            }
            assert_eq!(ActionSet::blocked_by(4, checker), ActionSet::ALL);
        }
        assert!(ActionSet::blocked_by(1, false).is_empty());
        assert!(ActionSet::blocked_by(1, true).has(Action::ClaimUncorroborated));
        let exit_only = ActionSet::blocked_by(3, false);
        assert!(exit_only.has(Action::ActOpen) && !exit_only.has(Action::ActClose));
        assert!(!exit_only.has(Action::ActReduce) && !exit_only.has(Action::CallAny));
    }

    #[test]
    fn local_measures_block_the_actions_of_their_roles_only() {
        let proposer = RoleSet::one(NodeRole::Proposer);
        assert!(ActionSet::blocked_degraded(proposer).has(Action::Propose));
        assert!(ActionSet::blocked_degraded(RoleSet::one(NodeRole::Notary)).is_empty());
        assert!(!ActionSet::of_roles(proposer).has(Action::Notarize));
        let actions = set(&[Action::Propose, Action::Notarize, Action::ServeRead]);
        let roles: Vec<_> = RoleSet::of_actions(actions).iter().collect();
        assert_eq!(roles, [NodeRole::Rpc, NodeRole::Proposer, NodeRole::Notary]);
    }
}
