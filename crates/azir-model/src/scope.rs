//! Scopes of annex D.1: what a measure or a harm channel covers.
//!
//! A scope is written `kind ":" id [ "/" part ]`, for example `machine:dex-1`, `node:val-a/notary`
//! or `seat:3+5+6` (a set of seats, ascending). Containment is decided by the live subjects that
//! the finalized state names (D-024); this module knows only the grammar and which kinds may widen.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::refusal::{Refusal, RefusalKind};
use crate::vocab::NodeRole;

/// Longest scope text in bytes.
pub const SCOPE_BYTES_MAX: usize = 256;

wire_enum! {
    /// Scope kinds (annex D.1). `node/<role>` is kind `node` with a role as its part.
    pub enum ScopeKind {
        /// An own node, or with a part one role of it. Local.
        Node = "node",
        /// A cluster of peers. Local.
        Peers = "peers",
        /// One machine.
        Machine = "machine",
        /// A family of machines.
        MachineFamily = "machine-family",
        /// One module, by code hash.
        Module = "module",
        /// A family of modules.
        ModuleFamily = "module-family",
        /// One agent mandate.
        Mandate = "mandate",
        /// An operator of agents.
        AgentOperator = "agent-operator",
        /// A class of agents.
        AgentClass = "agent-class",
        /// An issuer of claims.
        Issuer = "issuer",
        /// A class of issuers.
        IssuerClass = "issuer-class",
        /// One source of an issuer.
        OracleSource = "oracle-source",
        /// One seat, or a set joined by `+`.
        Seat = "seat",
        /// A committee.
        Committee = "committee",
        /// A key.
        Key = "key",
        /// A governance actor.
        GovActor = "gov-actor",
        /// A governance path: one proposal up to its activation.
        GovPath = "gov-path",
        /// A feature.
        Feature = "feature",
        /// A domain.
        Domain = "domain",
        /// A part of the economic subsystem.
        Econ = "econ",
        /// An implementation.
        Impl = "impl",
        /// Everything.
        Network = "network",
    }
}

impl ScopeKind {
    /// The next kind on the widening chain of annex D.1, before `network`.
    #[must_use]
    pub const fn wider(self) -> Option<Self> {
        match self {
            Self::Machine => Some(Self::MachineFamily),
            Self::Module => Some(Self::ModuleFamily),
            Self::MachineFamily | Self::ModuleFamily | Self::AgentClass => Some(Self::Domain),
            Self::Mandate | Self::AgentOperator => Some(Self::AgentClass),
            Self::OracleSource => Some(Self::Issuer),
            Self::Issuer => Some(Self::IssuerClass),
            Self::Key => Some(Self::AgentOperator),
            Self::Node | Self::Peers | Self::IssuerClass | Self::Seat | Self::Committee => None,
            Self::GovActor | Self::GovPath | Self::Feature | Self::Domain => None,
            Self::Econ | Self::Impl | Self::Network => None,
        }
    }

    /// True when `other` lies on the widening chain above this kind.
    #[must_use]
    pub fn widens_to(self, other: Self) -> bool {
        let mut kind = self;
        while let Some(next) = kind.wider() {
            if next == other {
                return true;
            }
            kind = next;
        }
        false
    }

    /// True for kinds that only the operator's own gates act on.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Node | Self::Peers)
    }

    /// True for kinds that a protocol object can restrict; an implementation is not one.
    #[must_use]
    pub const fn is_protocol(self) -> bool {
        !matches!(self, Self::Node | Self::Peers | Self::Impl)
    }

    /// Breadth class of annex D.6 for a protocol measure: 3 one named subject, 4 a family, class,
    /// domain, feature or subsystem, 5 the network.
    #[must_use]
    pub const fn breadth(self) -> u8 {
        match self {
            Self::Node | Self::Peers => 2,
            Self::Machine | Self::Module | Self::Mandate | Self::AgentOperator => 3,
            Self::Issuer | Self::OracleSource | Self::Seat | Self::Key => 3,
            Self::GovActor | Self::GovPath => 3,
            Self::MachineFamily | Self::ModuleFamily | Self::AgentClass | Self::IssuerClass => 4,
            Self::Committee | Self::Feature | Self::Domain | Self::Econ | Self::Impl => 4,
            Self::Network => 5,
        }
    }
}

/// Why a text is no scope. Refusal kind `scope_invalid` (annex D.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not of the form `kind:id[/part]`, or too long.
    #[error("{0:?} is not kind:id[/part] of at most {SCOPE_BYTES_MAX} bytes")]
    Form(String),
    /// The kind is no member of annex D.1.
    #[error("{kind:?} in {text:?} is no scope kind; kinds are {kinds}")]
    Kind {
        /// The whole text.
        text: String,
        /// What stood before the colon.
        kind: String,
        /// All kinds.
        kinds: String,
    },
    /// A byte that ids and parts may not hold, or an empty id or part.
    #[error("id and part of {0:?} must be non-empty and of letters, digits, '.', '_', '-'")]
    Bytes(String),
    /// The part of a node is no node role.
    #[error("{part:?} in {text:?} is no node role")]
    Role {
        /// The whole text.
        text: String,
        /// The part.
        part: String,
    },
    /// A set of seats that is not ascending and without repetition.
    #[error("the seats in {0:?} must be ascending numbers without repetition")]
    Seats(String),
}

impl From<ScopeError> for Refusal {
    fn from(error: ScopeError) -> Self {
        Self::one(
            RefusalKind::ScopeInvalid,
            error.to_string(),
            "12.4, 24.3, D-024, annex D.1",
            "name a scope as kind:id, for example machine:dex-1 or node:val-a/notary",
        )
    }
}

/// One scope; cheap to clone, ordered and serialised by its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    kind: ScopeKind,
    text: Arc<str>,
}

impl Scope {
    /// `network:all`, the scope that contains all.
    #[must_use]
    pub fn everything() -> Self {
        Self { kind: ScopeKind::Network, text: "network:all".into() }
    }

    /// Kind of annex D.1.
    #[must_use]
    pub fn kind(&self) -> ScopeKind {
        self.kind
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id between colon and slash.
    #[must_use]
    pub fn id(&self) -> &str {
        self.body().split_once('/').map_or(self.body(), |(id, _)| id)
    }

    /// The part after the slash.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        self.body().split_once('/').map(|(_, part)| part)
    }

    /// The role of a `node:id/role` scope.
    #[must_use]
    pub fn role(&self) -> Option<NodeRole> {
        if self.kind == ScopeKind::Node { self.part()?.parse().ok() } else { None }
    }

    /// The members of a seat set, or the id alone for other kinds.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let separator = if self.kind == ScopeKind::Seat { '+' } else { '/' };
        self.id().split(separator)
    }

    /// The union of two seat scopes as one set; `None` for other kinds.
    #[must_use]
    pub fn seat_union(&self, other: &Self) -> Option<Self> {
        if self.kind != ScopeKind::Seat || other.kind != ScopeKind::Seat {
            return None;
        }
        let mut seats: Vec<u64> =
            self.members().chain(other.members()).filter_map(|s| s.parse().ok()).collect();
        seats.sort_unstable();
        seats.dedup();
        let ids: Vec<String> = seats.iter().map(u64::to_string).collect();
        format!("seat:{}", ids.join("+")).parse().ok()
    }

    fn body(&self) -> &str {
        // The kind and its colon were checked when the scope was made.
        self.text.get(self.kind.as_str().len() + 1..).unwrap_or_default()
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > SCOPE_BYTES_MAX {
            return Err(ScopeError::Form(text.chars().take(64).collect()));
        }
        let (kind, body) = text.split_once(':').ok_or_else(|| ScopeError::Form(text.to_owned()))?;
        let kind: ScopeKind = kind.parse().map_err(|unknown: crate::vocab::UnknownMember| {
            ScopeError::Kind { text: text.to_owned(), kind: unknown.found, kinds: unknown.members }
        })?;
        let (id, part) = match body.split_once('/') {
            Some((id, part)) => (id, Some(part)),
            None => (body, None),
        };
        let plain = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if kind == ScopeKind::Seat {
            check_seats(id, text)?;
        } else if !plain(id) {
            return Err(ScopeError::Bytes(text.to_owned()));
        }
        if part.is_some_and(|p| !plain(p)) {
            return Err(ScopeError::Bytes(text.to_owned()));
        }
        if let (ScopeKind::Node, Some(part)) = (kind, part)
            && part.parse::<NodeRole>().is_err()
        {
            return Err(ScopeError::Role { text: text.to_owned(), part: part.to_owned() });
        }
        Ok(Self { kind, text: text.into() })
    }
}

fn check_seats(id: &str, text: &str) -> Result<(), ScopeError> {
    let mut last: Option<u32> = None;
    for member in id.split('+') {
        let seat = member.parse::<u32>().ok().filter(|n| n.to_string() == member);
        match (seat, last) {
            (Some(seat), None) => last = Some(seat),
            (Some(seat), Some(before)) if seat > before => last = Some(seat),
            (Some(_) | None, _) => return Err(ScopeError::Seats(text.to_owned())),
        }
    }
    Ok(())
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn the_grammar_takes_kind_id_and_part() {
        let role = scope("node:val-a/notary");
        assert_eq!((role.kind(), role.id()), (ScopeKind::Node, "val-a"));
        assert_eq!(role.role(), Some(NodeRole::Notary));
        assert_eq!(scope("machine:m1/swap").part(), Some("swap"));
        assert_eq!(scope("seat:3+5+11").members().collect::<Vec<_>>(), ["3", "5", "11"]);
        assert_eq!(scope("seat:3").seat_union(&scope("seat:1+3")), Some(scope("seat:1+3")));
        let json = serde_json::to_string(&role).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), role);
    }

    #[test]
    fn what_is_no_scope_is_refused_as_scope_invalid() {
        for bad in ["", "network", "planet:x", "machine:", "machine:a b", "node:a/king", "seat:5+3"]
        {
            let refusal = Refusal::from(bad.parse::<Scope>().unwrap_err());
            assert_eq!(refusal.kind(), RefusalKind::ScopeInvalid, "{bad}");
        }
        assert!("seat:03".parse::<Scope>().is_err());
        assert!(format!("machine:{}", "a".repeat(300)).parse::<Scope>().is_err());
    }

    #[test]
    fn widening_follows_the_chains_of_d_1_and_ends() {
        let chain = |kind: ScopeKind| {
            std::iter::successors(Some(kind), |k| k.wider())
                .map(ScopeKind::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(chain(ScopeKind::Machine), ["machine", "machine-family", "domain"]);
        assert_eq!(chain(ScopeKind::Module), ["module", "module-family", "domain"]);
        assert_eq!(chain(ScopeKind::Mandate), ["mandate", "agent-class", "domain"]);
        assert_eq!(chain(ScopeKind::OracleSource), ["oracle-source", "issuer", "issuer-class"]);
        assert_eq!(chain(ScopeKind::Key), ["key", "agent-operator", "agent-class", "domain"]);
        for kind in ScopeKind::ALL {
            assert!(!kind.widens_to(*kind));
        }
    }
}
