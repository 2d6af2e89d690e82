//! The port through which seats sign. A gate stands behind it.

use azir_atlas::{BlockId, Role, Seat};
use azir_ledger::MachineSig;
use serde::{Deserialize, Serialize};

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignKind {
    /// A block, by the proposer of its slot.
    Proposal,
    /// A verdict, by a verifier.
    Verdict,
    /// A vote, by a notary.
    Vote,
}

impl SignKind {
    /// The role that signs this.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Proposal => Role::Proposer,
            Self::Verdict => Role::Verifier,
            Self::Vote => Role::Notary,
        }
    }
}

/// A request for one signature of a seat.
#[derive(Clone, Copy, Debug)]
pub struct SignRequest<'a> {
    /// Virtual time in milliseconds.
    pub now_ms: u64,
    /// The seat whose key is to sign.
    pub seat: Seat,
    /// What is signed.
    pub kind: SignKind,
    /// Name of the network.
    pub chain: &'a str,
    /// Restart number.
    pub restart: u64,
    /// Slot that the object is for.
    pub slot: u64,
    /// The block that is proposed, judged or voted for.
    pub block: BlockId,
    /// Canonical bytes of the body.
    pub body: &'a [u8],
    /// The exact message to sign (annex L.1), with an empty tag.
    pub message: &'a [u8],
}

/// Signs for seats. The answer decides nothing else: a node that is refused goes on validating and
/// following the chain (D-094).
pub trait SeatSigner {
    /// The signature, or nothing if it is refused.
    fn sign(&mut self, request: &SignRequest<'_>) -> Option<MachineSig>;
}

/// A signature that left a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Virtual time in milliseconds.
    pub at_ms: u64,
    /// The seat.
    pub seat: Seat,
    /// Which of the seat's nodes; above 0 only for equivocating seats.
    pub twin: usize,
    /// Whether it was made with the bare key, past the signer.
    pub bare: bool,
    /// What was signed.
    pub kind: SignKind,
    /// Restart number of its domain.
    pub restart: u64,
    /// Slot of the object.
    pub slot: u64,
    /// The block that is proposed, judged or voted for.
    pub block: BlockId,
    /// The signature.
    pub sig: MachineSig,
}

/// A signature that was asked for and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Virtual time in milliseconds.
    pub at_ms: u64,
    /// The seat.
    pub seat: Seat,
    /// What would have been signed.
    pub kind: SignKind,
    /// Slot of the object.
    pub slot: u64,
    /// The block that would have been proposed, judged or voted for.
    pub block: BlockId,
}
