//! The adapter that lets a gate read objects of the reference network by itself.

use azir_atlas::{Block, Object, Verdict, Vote, object, signing_message};
use azir_gate::ports::{BadRequest, Intent, IntentKind, Protocol};
use azir_ledger::{Digest, canon};
use azir_model::vocab::NodeRole;

/// Decodes the one kind of object that a role signs: blocks for the proposer, verdicts for the
/// verifier, votes for the notary. Every other role signs nothing.
#[derive(Debug, Clone)]
pub struct AtlasProtocol {
    /// Name of the network.
    pub chain: String,
    /// The guarded role.
    pub role: NodeRole,
}

impl AtlasProtocol {
    fn intent<T: Object>(
        &self,
        kind: &str,
        body: &T,
        restart: u64,
        slot: u64,
        domain: Option<Digest>,
    ) -> Result<Intent, BadRequest> {
        let id = object::id_of(body).map_err(|e| BadRequest(e.to_string()))?;
        let message = signing_message(T::TYPE, &self.chain, restart, &id);
        Ok(Intent { kind: IntentKind::new(kind)?, slot, domain, message })
    }
}

impl Protocol for AtlasProtocol {
    fn interpret(&self, request: &[u8]) -> Result<Intent, BadRequest> {
        let bad = |e: azir_ledger::CanonError| BadRequest(e.to_string());
        match self.role {
            NodeRole::Proposer => {
                let block: Block = canon::decode(request).map_err(bad)?;
                self.intent("proposal", &block, block.restart, block.slot, None)
            }
            NodeRole::Verifier => {
                // One verdict for each block: two blocks of one slot get two verdicts.
                let verdict: Verdict = canon::decode(request).map_err(bad)?;
                let domain = Some(verdict.block.0);
                self.intent("verdict", &verdict, verdict.restart, verdict.slot, domain)
            }
            NodeRole::Notary => {
                let vote: Vote = canon::decode(request).map_err(bad)?;
                self.intent("vote", &vote, vote.restart, vote.slot, None)
            }
            NodeRole::Indexer | NodeRole::Rpc | NodeRole::Validation | NodeRole::Agent => {
                Err(BadRequest(format!("{} signs nothing on this network", self.role)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use azir_atlas::{BlockId, Seat};

    use super::*;

    #[test]
    fn a_notary_gate_reads_votes_and_nothing_else() {
        let protocol = AtlasProtocol { chain: "c".into(), role: NodeRole::Notary };
        let vote = Vote { restart: 1, slot: 9, block: BlockId(Digest::of(b"b")), seat: Seat(3) };
        let intent = protocol.interpret(&canon::encode(&vote).unwrap()).unwrap();
        assert_eq!((intent.kind.as_str(), intent.slot, intent.domain), ("vote", 9, None));
        let id = object::id_of(&vote).unwrap();
        assert_eq!(intent.message, signing_message("Vote", "c", 1, &id));
        assert!(protocol.interpret(b"{}").is_err());
        let rpc = AtlasProtocol { role: NodeRole::Rpc, ..protocol };
        assert!(rpc.interpret(&canon::encode(&vote).unwrap()).is_err());
    }
}
