//! Running the implementations side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use azir_atlas::{BlockId, BlockRef};
use azir_ledger::Digest;

use crate::compare::{Answer, Compared};
use crate::implementation::{Fault, Implementation, Run};
use crate::report::{
    BranchRow, Difference, ImplementationRow, REPORT_SCHEMA, Report, Row, Verdict,
};
use crate::source::{Branch, Offer, Plan, Step};

/// Families that a verdict needs (D-099).
const FAMILIES_MIN: u64 = 2;

/// Told after each block. Breaking stops the replay, which is then incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks executed so far, on the path and on branches.
    pub done: u64,
    /// Blocks of the plan.
    pub total: u64,
    /// The block that was executed last.
    pub place: BlockRef,
}

/// Verifies an offer and replays it. Always gives a report; only [`Verdict::Match`] is a success.
///
/// Implements R-27.1-4, R-27.2-4, R-27.2-5, R-27.2-6, R-27.3-1, R-27.3-2, R-14.2-4, R-16.2-4,
/// R-41.2-1.
pub fn replay(
    offer: &Offer,
    implementations: &[&dyn Implementation],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    match Plan::load(offer) {
        Ok(plan) => replay_plan(&plan, implementations, progress),
        Err(error) => {
            let (kind, what) = (error.refusal().to_owned(), error.to_string());
            let who = who(implementations);
            Report {
                schema: REPORT_SCHEMA.to_owned(),
                chain: offer.anchor.domain.chain().to_owned(),
                restart: offer.anchor.domain.restart(),
                anchor: offer.anchor.place,
                checkpoint: offer.checkpoint,
                tip: offer.tip,
                inputs: 0,
                inputs_digest: Digest::of(b""),
                families: families(&who),
                implementations: who,
                path: Vec::new(),
                branches: Vec::new(),
                outcome: Verdict::InputUntrusted { kind, what },
            }
        }
    }
}

fn who(implementations: &[&dyn Implementation]) -> Vec<ImplementationRow> {
    let row = |i: &&dyn Implementation| ImplementationRow {
        name: i.name().to_owned(),
        family: i.family().to_owned(),
        source: i.source(),
    };
    implementations.iter().map(row).collect()
}

fn families(who: &[ImplementationRow]) -> u64 {
    who.iter().map(|w| &w.family).collect::<BTreeSet<_>>().len() as u64
}

/// Replays a verified plan.
pub fn replay_plan(
    plan: &Plan,
    implementations: &[&dyn Implementation],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    let who = who(implementations);
    let blocks = plan.path.len() + plan.branches.iter().map(|b| b.steps.len()).sum::<usize>();
    let mut runner = Runner {
        who: &who,
        progress,
        done: 0,
        total: blocks as u64,
        path: Vec::new(),
        branches: Vec::new(),
    };
    let outcome = runner.all(plan, implementations);
    let outcome = match outcome {
        Ok(()) if blocks == 0 => {
            Verdict::Incomplete { why: "no block lies above the checkpoint".to_owned() }
        }
        Ok(()) if families(&who) < FAMILIES_MIN => {
            let why = format!("{} family took part, a verdict needs two", families(&who));
            Verdict::Incomplete { why }
        }
        Ok(()) => Verdict::Match,
        Err(Stop::Difference(first)) => Verdict::Difference { first: *first },
        Err(Stop::Incomplete(why)) => Verdict::Incomplete { why },
    };
    let (path, branches) = (runner.path, runner.branches);
    let inputs: Vec<&[u8]> = plan.inputs.iter().map(|d| &d.0[..]).collect();
    Report {
        schema: REPORT_SCHEMA.to_owned(),
        chain: plan.chain.clone(),
        restart: plan.restart,
        anchor: plan.anchor,
        checkpoint: plan.checkpoint,
        tip: plan.tip,
        inputs: plan.inputs.len() as u64,
        inputs_digest: Digest::of_parts(&inputs),
        families: families(&who),
        implementations: who,
        path,
        branches,
        outcome,
    }
}

enum Stop {
    Difference(Box<Difference>),
    Incomplete(String),
}

type Runs = Vec<Arc<dyn Run>>;

/// What became of one block.
enum Executed {
    Agreed(Runs),
    /// Every implementation refutes it, with one result.
    Refuted,
}

struct Runner<'a> {
    who: &'a [ImplementationRow],
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    done: u64,
    total: u64,
    path: Vec<Row>,
    branches: Vec<BranchRow>,
}

impl Runner<'_> {
    fn all(&mut self, plan: &Plan, implementations: &[&dyn Implementation]) -> Result<(), Stop> {
        let mut runs = Vec::with_capacity(implementations.len());
        for implementation in implementations {
            let run = implementation
                .begin(&plan.ground)
                .map_err(|fault| Stop::Incomplete(format!("{}: {fault}", implementation.name())))?;
            runs.push(run);
        }
        // Branches start where they fork.
        let forks: BTreeSet<_> = plan.branches.iter().map(|b| b.from.block).collect();
        let mut kept: BTreeMap<BlockId, Runs> = BTreeMap::new();
        let mut at = plan.checkpoint.block;
        for step in &plan.path {
            if forks.contains(&at) {
                kept.insert(at, runs.clone());
            }
            let (row, executed) = self.block(step, &runs, None, true)?;
            self.path.push(row);
            match executed {
                Executed::Agreed(next) => runs = next,
                // A final block is never dropped: `block` reports it as a difference.
                Executed::Refuted => return Err(Stop::Incomplete("a final block".to_owned())),
            }
            at = step.place.block;
        }
        kept.insert(at, runs);
        for branch in &plan.branches {
            let runs = kept.get(&branch.from.block).cloned();
            let runs = runs.ok_or_else(|| Stop::Incomplete("no start of a branch".to_owned()))?;
            self.branch(branch, runs)?;
        }
        Ok(())
    }

    fn branch(&mut self, branch: &Branch, mut runs: Runs) -> Result<(), Stop> {
        let number = self.branches.len();
        self.branches.push(BranchRow {
            tip: branch.tip,
            from: branch.from,
            hard_final: branch.hard_final,
            rows: Vec::new(),
            dropped: None,
        });
        for step in &branch.steps {
            let height = step.place.height;
            let is_final = branch.hard_final.is_some_and(|place| height <= place.height);
            let (row, executed) = self.block(step, &runs, Some(branch.tip.block), is_final)?;
            let Some(report) = self.branches.get_mut(number) else { return Ok(()) };
            report.rows.push(row);
            match executed {
                Executed::Agreed(next) => runs = next,
                Executed::Refuted => {
                    report.dropped = Some(step.place);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Executes one block on every implementation and compares. A difference ends the replay; its
    /// row is kept by the caller's list through [`Runner::keep`].
    fn block(
        &mut self,
        step: &Step,
        runs: &Runs,
        branch: Option<BlockId>,
        is_final: bool,
    ) -> Result<(Row, Executed), Stop> {
        let mut answers: Vec<Answer> = Vec::with_capacity(runs.len());
        let mut next = Vec::with_capacity(runs.len());
        for (who, run) in self.who.iter().zip(runs) {
            match run.apply(&step.input) {
                Ok((result, after)) => {
                    answers.push(Ok(result));
                    next.push(after);
                }
                Err(Fault::Unable(why)) => {
                    let height = step.place.height;
                    return Err(Stop::Incomplete(format!("{} at {height}: {why}", who.name)));
                }
                Err(fault @ Fault::Invalid { .. }) => answers.push(Err(fault)),
            }
        }
        let compared = Compared { step, who: self.who, before: runs, answers: &answers };
        let row = compared.row();
        self.done += 1;
        let told = Progress { done: self.done, total: self.total, place: step.place };
        let stopped = (self.progress)(told).is_break();
        if compared.agreed() {
            if stopped && self.done < self.total {
                self.keep(row, branch);
                return Err(Stop::Incomplete(format!("stopped after {} blocks", self.done)));
            }
            return Ok((row, Executed::Agreed(next)));
        }
        if !is_final && compared.refuted_by_all() {
            return Ok((row, Executed::Refuted));
        }
        let difference = compared.difference(branch, is_final);
        self.keep(row, branch);
        Err(Stop::Difference(Box::new(difference)))
    }

    fn keep(&mut self, row: Row, branch: Option<BlockId>) {
        match (branch, self.branches.last_mut()) {
            (Some(_), Some(report)) => report.rows.push(row),
            (None, _) | (Some(_), None) => self.path.push(row),
        }
    }
}
