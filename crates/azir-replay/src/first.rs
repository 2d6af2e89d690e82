//! The first family: the reference implementation of `azir-atlas`, in this process.

use std::sync::Arc;

use azir_atlas::execute::{BlockContext, ExecuteError, Outcome, execute};
use azir_atlas::object::{Memo, Plain, SigCheck};
use azir_atlas::{Block, Domain, Params, Rules, Sealed, Seat, State, StateEntry, Tx, TxId};
use azir_ledger::{Digest, canon};

use crate::implementation::{BlockInput, BlockResult, Fault, Ground, Implementation, Run};

/// The sources that decide what this family computes.
const SOURCES: [&str; 6] = [
    include_str!("../../azir-atlas/src/amount.rs"),
    include_str!("../../azir-atlas/src/execute.rs"),
    include_str!("../../azir-atlas/src/merkle.rs"),
    include_str!("../../azir-atlas/src/object.rs"),
    include_str!("../../azir-atlas/src/state.rs"),
    include_str!("../../azir-atlas/src/tx.rs"),
];

/// `azir-atlas` as an implementation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Atlas;

impl Implementation for Atlas {
    fn name(&self) -> &str {
        "azir-atlas"
    }

    fn family(&self) -> &str {
        "azir-atlas"
    }

    fn source(&self) -> Digest {
        let parts: Vec<&[u8]> = SOURCES.iter().map(|s| s.as_bytes()).collect();
        Digest::of_parts(&parts)
    }

    fn begin(&self, ground: &Ground) -> Result<Arc<dyn Run>, Fault> {
        let entries = ground.state.iter().map(|b| canon::decode::<StateEntry>(b));
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(unable)?;
        let state = State::from_entries(entries).map_err(unable)?;
        if state.root() != ground.post_root {
            return Err(Fault::Unable(format!("the state has root {}", state.root())));
        }
        let params: Params = canon::decode(&ground.params).map_err(unable)?;
        let params_hash = azir_atlas::object::id_of(&params).map_err(unable)?;
        // Features do not enter the execution of transfers; headers are compared by the loader.
        let rules = Rules { params, params_hash, features_hash: Digest([0; 32]) };
        let headers = ground.headers.iter().map(|b| Sealed::<Block>::decode(b));
        let headers = headers.collect::<Result<Vec<_>, _>>().map_err(unable)?;
        let chain = headers.iter().map(Line::of).collect();
        let domain = Domain::new(&ground.chain, ground.restart);
        let fixed = Arc::new(Fixed { domain, rules });
        Ok(Arc::new(AtlasRun { fixed, state, chain }))
    }
}

fn unable(error: impl std::fmt::Display) -> Fault {
    Fault::Unable(error.to_string())
}

struct Fixed {
    domain: Domain,
    rules: Rules,
}

/// What later rewards need of a header.
#[derive(Clone, Copy)]
struct Line {
    height: u64,
    slot: u64,
    proposer: Seat,
}

impl Line {
    fn of(header: &Sealed<Block>) -> Self {
        Self { height: header.height, slot: header.slot, proposer: header.proposer }
    }
}

type Payload = Vec<Arc<Sealed<Tx>>>;

struct AtlasRun {
    fixed: Arc<Fixed>,
    state: State,
    chain: Vec<Line>,
}

impl AtlasRun {
    fn read(&self, block: &BlockInput) -> Result<(Sealed<Block>, Payload), Fault> {
        let header = Sealed::<Block>::decode(&block.header).map_err(unable)?;
        let mut txs = Vec::with_capacity(block.txs.len());
        for (index, bytes) in block.txs.iter().enumerate() {
            let tx = Sealed::<Tx>::decode(bytes)
                .map_err(|e| Fault::Invalid { tx: Some(index), why: e.to_string() })?;
            txs.push(Arc::new(tx));
        }
        if !header.txs.iter().copied().eq(txs.iter().map(|tx| TxId(tx.id()))) {
            return Err(Fault::Unable("the transactions are not those of the header".to_owned()));
        }
        Ok((header, txs))
    }

    /// Blocks that the chain before this block makes hard-final, as far as it is not known to have
    /// done so earlier.
    fn finalized(&self) -> Vec<(u64, Seat)> {
        let middle = |w: &[Line]| match w {
            [a, b, c] if b.slot == a.slot + 1 && c.slot == b.slot + 1 => Some(b.height),
            _ => None,
        };
        let [.., _, _, _] = self.chain.as_slice() else { return Vec::new() };
        let (last, earlier) = (self.chain.len() - 3, self.chain.windows(3));
        let Some(upto) = middle(&self.chain[last..]) else { return Vec::new() };
        let before = earlier.take(last).filter_map(middle).max().unwrap_or(0);
        let fresh = self.chain.iter().filter(|l| l.height > before && l.height <= upto);
        fresh.map(|l| (l.height, l.proposer)).collect()
    }

    fn execute(
        &self,
        header: &Sealed<Block>,
        txs: &[Arc<Sealed<Tx>>],
        finalized: Vec<(u64, Seat)>,
        check: &mut dyn SigCheck,
    ) -> Result<Outcome, Fault> {
        let context = BlockContext { height: header.height, slot: header.slot, finalized };
        let (rules, domain) = (&self.fixed.rules, &self.fixed.domain);
        execute(&self.state, rules, domain, &context, txs, check).map_err(|error| match error {
            ExecuteError::Tx { index, why } => {
                Fault::Invalid { tx: Some(index), why: why.to_string() }
            }
            ExecuteError::TxList | ExecuteError::Arithmetic { .. } => {
                Fault::Invalid { tx: None, why: error.to_string() }
            }
            ExecuteError::SupplyBroken | ExecuteError::Canon(_) => unable(error),
        })
    }
}

impl Run for AtlasRun {
    fn apply(&self, block: &BlockInput) -> Result<(BlockResult, Arc<dyn Run>), Fault> {
        let (header, txs) = self.read(block)?;
        let outcome = self.execute(&header, &txs, self.finalized(), &mut Plain)?;
        let receipts = outcome.receipts.iter().map(canon::encode);
        let result = BlockResult {
            post_root: outcome.roots.post,
            receipts_root: outcome.roots.receipts,
            receipts: receipts.collect::<Result<_, _>>().map_err(unable)?,
        };
        let mut chain = self.chain.clone();
        chain.push(Line::of(&header));
        let fixed = Arc::clone(&self.fixed);
        Ok((result, Arc::new(Self { fixed, state: outcome.state, chain })))
    }

    fn prefix_root(&self, block: &BlockInput, count: usize) -> Result<Digest, Fault> {
        let (header, txs) = self.read(block)?;
        let prefix = &txs[..count.min(txs.len())];
        let outcome = self.execute(&header, prefix, Vec::new(), &mut Memo::default())?;
        Ok(outcome.roots.post)
    }
}
