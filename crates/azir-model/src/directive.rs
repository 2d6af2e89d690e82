//! Signed values that pass between the server and the gates of a node (annex I, D-106).
//!
//! A [`Lease`] lets a gate open, a [`Directive`] closes it, a [`GateStatement`] says what a gate
//! is, and a [`GateFinding`] says what it saw. Each is canonical, carries the log and mode it
//! belongs to, and is signed by one machine key under its own tag, so that none passes for another.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use azir_ledger::canon::{self, CanonError};
use azir_ledger::machine::SignatureError;
use azir_ledger::{Digest, MachineKey, MachinePublic, MachineSig, Timestamp};

use crate::record::IncidentId;
use crate::vocab::{IncidentClass, NodeRole};

/// Longest standing lease, in milliseconds: 24 h (annex I).
pub const STANDING_LEASE_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Longest incident lease, in milliseconds: 60 s (annex I).
pub const INCIDENT_LEASE_MS_MAX: u64 = 60 * 1000;
/// How often a server renews an incident lease, in milliseconds: 20 s (annex I).
pub const INCIDENT_RENEW_MS: u64 = 20 * 1000;
/// How often a server renews a standing lease, in milliseconds: 1 h, with jitter (annex I).
pub const STANDING_RENEW_MS: u64 = 60 * 60 * 1000;
/// Lease periods after which a gate's statement is stale (annex G).
pub const STATEMENT_PERIODS_MAX: u64 = 3;

/// A body that one machine signs under its own tag (D-014).
pub trait Sealable: Serialize + DeserializeOwned {
    /// Tag of the signature and of the digest, for example `AZ:LEASE:`.
    const TAG: &'static str;
    /// The exact `schema` member of this format (D-010).
    const SCHEMA: &'static str;
    /// The `schema` member of this value.
    fn schema(&self) -> &str;
}

/// Why a signed value was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not canonical, or members do not fit. Refusal kind `not_canonical` or `invalid_schema`.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// Another schema: refused, never read by older rules (D-010). Refusal kind `invalid_schema`.
    #[error("schema is {found:?}, expected {expected:?}")]
    Schema {
        /// What the value says.
        found: String,
        /// What this format says.
        expected: &'static str,
    },
    /// The signature does not hold. Refusal kind `signature_invalid`.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Signed by a key that is not among the accepted ones. Refusal kind `not_authorized`.
    #[error("signed by machine key {by}, which is not accepted here")]
    Signer {
        /// The key that signed.
        by: MachinePublic,
    },
}

/// A body with the machine signature over `TAG || canonical(body)`. Not checked until
/// [`Signed::verify`] or [`Signed::verify_by`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is said.
    pub body: T,
    /// The key that signed.
    pub by: MachinePublic,
    /// The signature.
    pub sig: MachineSig,
}

impl<T: Sealable> Signed<T> {
    /// Signs a body.
    ///
    /// # Errors
    /// [`SealError::Schema`] or [`SealError::Canon`] when the body has no canonical form.
    pub fn seal(body: T, key: &MachineKey) -> Result<Self, SealError> {
        check_schema(&body)?;
        let sig = key.sign(T::TAG, &canon::encode(&body)?);
        Ok(Self { body, by: key.public(), sig })
    }

    /// Reads a signed value from canonical bytes and checks schema and signature.
    ///
    /// # Errors
    /// [`SealError`] except `Signer`; nothing is repaired.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let signed: Self = canon::decode(bytes)?;
        signed.verify()?;
        Ok(signed)
    }

    /// The canonical bytes of body, key and signature.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonError> {
        canon::encode(self)
    }

    /// Checks schema and signature under the key that the value names.
    ///
    /// # Errors
    /// [`SealError`] except `Signer`.
    pub fn verify(&self) -> Result<&T, SealError> {
        check_schema(&self.body)?;
        self.by.verify(T::TAG, &canon::encode(&self.body)?, &self.sig)?;
        Ok(&self.body)
    }

    /// [`Signed::verify`], and the key is one of `accepted`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn verify_by(&self, accepted: &[MachinePublic]) -> Result<&T, SealError> {
        let body = self.verify()?;
        if accepted.contains(&self.by) { Ok(body) } else { Err(SealError::Signer { by: self.by }) }
    }

    /// `H(TAG || canonical(body))`: the name of what is said, whoever signed it.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`].
    pub fn id(&self) -> Result<Digest, CanonError> {
        Digest::of_canonical(T::TAG, &self.body)
    }
}

fn check_schema<T: Sealable>(body: &T) -> Result<(), SealError> {
    if body.schema() == T::SCHEMA {
        Ok(())
    } else {
        Err(SealError::Schema { found: body.schema().to_owned(), expected: T::SCHEMA })
    }
}

macro_rules! sealable {
    ($name:ident, $tag:literal, $schema:literal) => {
        impl Sealable for $name {
            const TAG: &'static str = $tag;
            const SCHEMA: &'static str = $schema;
            fn schema(&self) -> &str {
                &self.schema
            }
        }
    };
}
sealable!(Lease, "AZ:LEASE:", "azir.lease/1");
sealable!(Directive, "AZ:DIRECTIVE:", "azir.directive/1");
sealable!(GateStatement, "AZ:GATE:", "azir.gate/1");
sealable!(GateFinding, "AZ:FINDING:", "azir.gate-finding/1");

/// A lease as it travels.
pub type SignedLease = Signed<Lease>;
/// A directive as it travels.
pub type SignedDirective = Signed<Directive>;
/// A gate statement as it travels.
pub type SignedStatement = Signed<GateStatement>;
/// A finding of a gate as it travels.
pub type SignedFinding = Signed<GateFinding>;

/// Size and root of a log: the part of a checkpoint that a gate compares (annex I, log rollback).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPoint {
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Digest,
}

/// A block of the guarded network by height and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockPoint {
    /// Height of the block.
    pub height: u64,
    /// Id of the block.
    pub block: Digest,
}

wire_enum! {
    /// Kinds of lease (annex I).
    pub enum LeaseKind {
        /// No open incident of SEV_2 or more covers the node: at most 24 h.
        Standing = "standing",
        /// An open incident of SEV_2 or more covers the node: at most 60 s.
        Incident = "incident",
    }
}

impl LeaseKind {
    /// Longest duration of a lease of this kind, in milliseconds (annex I).
    #[must_use]
    pub const fn ms_max(self) -> u64 {
        match self {
            Self::Standing => STANDING_LEASE_MS_MAX,
            Self::Incident => INCIDENT_LEASE_MS_MAX,
        }
    }
}

/// Leave for one gate to be open for a while (annex I). Never extended, only replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Always `azir.lease/1`.
    pub schema: String,
    /// Origin of the log of the issuing control plane.
    pub log: String,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The role whose gate may open.
    pub role: NodeRole,
    /// The key that the gate guards.
    pub key: MachinePublic,
    /// Strictly rising per node and role.
    pub fence: u64,
    /// Standing or incident.
    pub kind: LeaseKind,
    /// Milliseconds of the gate's monotonic clock from receipt, 1 to the maximum of the kind.
    pub not_after_ms: u64,
    /// The issuing log when the lease was made.
    pub checkpoint: LogPoint,
    /// The trusted checkpoint of D-092 that the issuer had computed.
    pub trusted: BlockPoint,
    /// Digest of the restart decision that this lease quotes; needed to clear a latch (annex J.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_decision: Option<Digest>,
}

/// A command to close gates of one node. There is no command that opens (annex I), and none that
/// writes state, rules or chain data: R-2.3-3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// Always `azir.directive/1`.
    pub schema: String,
    /// Origin of the log of the commanding control plane.
    pub log: String,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The roles whose gates close; at least one, sorted, none twice.
    pub roles: Vec<NodeRole>,
    /// The measure that this carries out.
    pub measure: String,
    /// The incident that it belongs to.
    pub incident: IncidentId,
    /// Number from the same rising counter as the fences of leases. Only the lease of a later
    /// restart decision fences it: a renewal, however high its number, keeps no gate open.
    pub fence: u64,
    /// Why, in the words of the person or policy.
    pub reason: String,
    /// Keys that are reported compromised: a gate that guards one never opens again (D-108).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compromised: Vec<MachinePublic>,
}

wire_enum! {
    /// The five facts that a node checks about itself (annex I).
    pub enum IntegrityFact {
        /// The own root equals the certificate's root at the latest hard-final block.
        OwnRoot = "own_root",
        /// The checksum of the store holds.
        StoreChecksum = "store_checksum",
        /// The clock is within half a slot of the median of at least three peers.
        Clock = "clock",
        /// The hash of the running binary is in an accepted release.
        Binary = "binary",
        /// The sign-state file is intact.
        SignState = "sign_state",
    }
}

wire_enum! {
    /// Why a gate is closed (annex I).
    pub enum ClosedBy {
        /// It has just started; no open state is kept on disk.
        Boot = "boot",
        /// No lease was installed since it closed.
        NoLease = "no_lease",
        /// The lease ran out.
        LeaseExpired = "lease_expired",
        /// A close command, of a person or of policy.
        Command = "command",
        /// Closed by hand on the node.
        Hand = "hand",
        /// An integrity fact is false or was not reported in time.
        Integrity = "integrity",
        /// The guarded key was asked to sign two different things for one slot.
        DoubleSign = "double_sign",
        /// The guarded key is listed as compromised.
        KeyCompromised = "key_compromised",
        /// The local audit trail cannot be written.
        Audit = "audit",
        /// The sign state is missing, damaged or cannot be written.
        SignState = "sign_state",
    }
}

impl ClosedBy {
    /// True for the causes that set the latch, which only a restart decision clears (annex I).
    #[must_use]
    pub const fn latches(self) -> bool {
        match self {
            Self::Command
            | Self::Hand
            | Self::Integrity
            | Self::DoubleSign
            | Self::KeyCompromised
            | Self::SignState => true,
            Self::Boot | Self::NoLease | Self::LeaseExpired | Self::Audit => false,
        }
    }
}

/// One reason for which a gate is closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedReason {
    /// Which row of annex I.
    pub by: ClosedBy,
    /// The names and numbers of this case.
    pub detail: String,
}

/// State of a gate: closed for reasons, or open under one lease (annex I).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum GateState {
    /// No signature leaves.
    Closed {
        /// At least one.
        reasons: Vec<ClosedReason>,
    },
    /// Requests are signed if the sign state allows it.
    Open {
        /// Id of the lease.
        lease: Digest,
        /// Its kind.
        kind: LeaseKind,
        /// Milliseconds until it ends.
        remaining_ms: u64,
    },
}

impl GateState {
    /// True when no signature leaves.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { .. } => false,
        }
    }
}

/// What a node runs, hashed by its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Hash of the running binary (annex G).
    pub binary: Digest,
    /// Hash of its configuration.
    pub configuration: Digest,
}

/// What a gate says about itself, signed by the gate's own key (annex G: a fact, not an assertion).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateStatement {
    /// Always `azir.gate/1`.
    pub schema: String,
    /// Origin of the log that the gate obeys.
    pub log: String,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The guarded role.
    pub role: NodeRole,
    /// The guarded key.
    pub key: MachinePublic,
    /// Number of the last signature or change of state: no later signature has a lower one.
    pub sequence: u64,
    /// Closed or open.
    pub gate: GateState,
    /// Causes of the latch; empty when it is not set.
    pub latch: Vec<ClosedReason>,
    /// True when every latch is on disk; false means that the gate is closed in memory only.
    pub latch_durable: bool,
    /// Highest fence accepted.
    pub fence: u64,
    /// Largest log that the gate has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_log: Option<LogPoint>,
    /// The gate's clock; informative (D-016).
    pub at: Timestamp,
    /// Signatures released since the gate started.
    pub signed: u64,
    /// Requests denied since the gate started.
    pub denied: u64,
    /// Id of the directive that this acknowledges, the last one obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledges: Option<Digest>,
    /// The measure of that directive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// What the node runs, if its agent hashed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

wire_enum! {
    /// What a gate can find (annex I).
    pub enum FindingKind {
        /// A lease quotes a smaller or inconsistent log.
        LogRollback = "log_rollback",
        /// Two different requests for one slot.
        DoubleSign = "double_sign",
        /// The sign state is missing or damaged.
        SignStateLost = "sign_state_lost",
        /// An integrity fact is false.
        IntegrityFalse = "integrity_false",
        /// The guarded key is listed as compromised.
        KeyCompromised = "key_compromised",
    }
}

impl FindingKind {
    /// The classes of the incident that the finding proposes (annex I, D-031).
    #[must_use]
    pub const fn classes(self) -> &'static [IncidentClass] {
        match self {
            Self::LogRollback => &[IncidentClass::SupplyChain, IncidentClass::KeyCompromise],
            Self::DoubleSign => &[IncidentClass::KeyCompromise, IncidentClass::Consensus],
            Self::SignStateLost => &[IncidentClass::Infrastructure],
            Self::IntegrityFalse => &[IncidentClass::Infrastructure, IncidentClass::Validation],
            Self::KeyCompromised => &[IncidentClass::KeyCompromise],
        }
    }
}

/// Something that a gate saw and that opens or joins an incident (D-084), signed by the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateFinding {
    /// Always `azir.gate-finding/1`.
    pub schema: String,
    /// Origin of the log that the gate obeys.
    pub log: String,
    /// `live`, or `drill:<run>` (D-120).
    pub mode: String,
    /// Name of the node.
    pub node: String,
    /// The guarded role.
    pub role: NodeRole,
    /// The guarded key.
    pub key: MachinePublic,
    /// Gate sequence when it was seen.
    pub sequence: u64,
    /// What.
    pub kind: FindingKind,
    /// Which fact, when [`FindingKind::IntegrityFalse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<IntegrityFact>,
    /// The names and numbers of this case.
    pub detail: String,
    /// The gate's clock; informative (D-016).
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            schema: Lease::SCHEMA.into(),
            log: "azir.test/log".into(),
            mode: "live".into(),
            node: "node-1".into(),
            role: NodeRole::Notary,
            key: MachineKey::from_seed([9; 32]).public(),
            fence: 4,
            kind: LeaseKind::Incident,
            not_after_ms: 60_000,
            checkpoint: LogPoint { size: 3, root: Digest::of(b"r") },
            trusted: BlockPoint { height: 40, block: Digest::of(b"b") },
            restart_decision: None,
        }
    }

    #[test]
    fn a_signed_lease_reads_back_and_any_other_byte_is_refused() {
        let server = MachineKey::from_seed([1; 32]);
        let signed = SignedLease::seal(lease(), &server).unwrap();
        let bytes = signed.to_bytes().unwrap();
        assert_eq!(SignedLease::from_bytes(&bytes).unwrap(), signed);
        signed.verify_by(&[server.public()]).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(SignedLease::from_bytes(&other).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_foreign_signer_an_old_schema_and_another_kind_of_value_are_refused() {
        let server = MachineKey::from_seed([1; 32]);
        let foreign = SignedLease::seal(lease(), &MachineKey::from_seed([2; 32])).unwrap();
        assert!(matches!(foreign.verify_by(&[server.public()]), Err(SealError::Signer { .. })));
        let old = Lease { schema: "azir.lease/0".into(), ..lease() };
        assert!(matches!(SignedLease::seal(old, &server), Err(SealError::Schema { .. })));
        let bytes = canon::encode(&lease()).unwrap();
        let wrong_tag = server.sign(Directive::TAG, &bytes);
        let passed = Signed { body: lease(), by: server.public(), sig: wrong_tag };
        assert_eq!(passed.verify(), Err(SealError::Signature(SignatureError::Invalid)));
    }

    #[test]
    fn a_gate_state_is_one_canonical_object_and_refuses_unknown_members() {
        let open =
            GateState::Open { lease: Digest::of(b"l"), kind: LeaseKind::Standing, remaining_ms: 5 };
        let bytes = canon::encode(&open).unwrap();
        assert!(bytes.starts_with(b"{\"kind\":\"standing\""));
        assert_eq!(canon::decode::<GateState>(&bytes).unwrap(), open);
        let extra = br#"{"extra":1,"reasons":[],"state":"closed"}"#;
        assert!(canon::decode::<GateState>(extra).is_err());
    }

    /// R-22.3-4: every cause of annex I sets the latch, and nothing that heals by itself does.
    #[test]
    fn exactly_the_causes_of_annex_i_latch() {
        let latching: Vec<_> = ClosedBy::ALL.iter().filter(|c| c.latches()).collect();
        assert_eq!(latching.len(), 6);
        assert!(!ClosedBy::LeaseExpired.latches() && !ClosedBy::Boot.latches());
    }
}
