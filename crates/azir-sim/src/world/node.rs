//! One node: it follows the chain, and proposes, judges and votes where its seat has the role.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azir_atlas::schedule::COMMITTEE_THRESHOLD;
use azir_atlas::{
    BlockError, BlockId, BlockRef, Candidate, Certificate, ChainView, Dispute, Draft, Finding,
    FraudProof, HeaderError, Inserted, Memo, Object, Role, Roots, SLOT_MS, Sealed, Seat, SigCheck,
    Tx, Verdict, Vote, VoteError,
};
use azir_ledger::MachineKey;

use super::signer::{Released, SeatSigner, SignKind, SignRequest, Withheld};
use crate::fault::{Endpoint, Topology};
use crate::net::{Branch, Message, MessageKind, Sender};

/// Blocks in one answer to a request.
const BRANCH_BLOCKS_MAX: usize = 64;
/// Blocks that wait for their parent.
const ORPHANS_MAX: usize = 1_024;
/// A block is asked for again after this time, in milliseconds.
const ASK_AGAIN_MS: u64 = 1_000;
/// Verdicts are kept for this many slots.
const VERDICT_SLOTS: u64 = 128;
/// Refusals of messages that are kept.
const REFUSED_MAX: usize = 4_096;

/// A message that a node did not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Virtual time in milliseconds.
    pub at_ms: u64,
    /// Whom it came from.
    pub from: Sender,
    /// Its kind.
    pub kind: MessageKind,
    /// Why it was not accepted.
    pub why: String,
}

/// Everything around a node while it handles one event.
pub(crate) struct Context<'a> {
    pub(crate) now_ms: u64,
    pub(crate) topology: &'a Topology,
    pub(crate) check: &'a mut Memo,
    pub(crate) signer: &'a mut dyn SeatSigner,
    pub(crate) bare: Option<&'a MachineKey>,
    pub(crate) released: &'a mut Vec<Released>,
    pub(crate) withheld: &'a mut Vec<Withheld>,
    pub(crate) out: Vec<Outgoing>,
}

/// A message to be sent.
pub(crate) enum Outgoing {
    All(Message),
    One(Endpoint, Message),
}

impl Context<'_> {
    fn slot(&self) -> u64 {
        self.now_ms / SLOT_MS
    }
}

type SeatVerdicts = BTreeMap<Seat, Arc<Sealed<Verdict>>>;

/// The state of one node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) end: Endpoint,
    pub(crate) view: ChainView,
    pub(crate) retired: Vec<ChainView>,
    roles: BTreeSet<Role>,
    asked_to_sign: BTreeMap<SignKind, u64>,
    judged: BTreeSet<(u64, BlockId)>,
    verdicts: BTreeMap<(u64, BlockId), SeatVerdicts>,
    waiting: BTreeMap<(String, u64), Arc<Sealed<Tx>>>,
    orphans: BTreeMap<BlockId, Vec<Arc<Candidate>>>,
    asked: BTreeMap<BlockId, u64>,
    certificates_seen: BTreeMap<(u64, BlockId), u64>,
    disputes_seen: Vec<(u64, Dispute)>,
    frauds_seen: Vec<(u64, FraudProof)>,
    final_seen: Vec<(u64, BlockRef)>,
    refused: Vec<Refused>,
}

impl Node {
    pub(crate) fn new(seat: Seat, view: ChainView) -> Self {
        Self {
            end: Endpoint { seat, twin: 0 },
            view,
            retired: Vec::new(),
            roles: Role::ALL.into(),
            asked_to_sign: BTreeMap::new(),
            judged: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            orphans: BTreeMap::new(),
            asked: BTreeMap::new(),
            certificates_seen: BTreeMap::new(),
            disputes_seen: Vec::new(),
            frauds_seen: Vec::new(),
            final_seen: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(crate) fn twin(&self, twin: usize) -> Self {
        Self { end: Endpoint { twin, ..self.end }, ..self.clone() }
    }

    /// The same node on a new chain; what it knew of the old one is kept as evidence.
    pub(crate) fn begin_again(&mut self, view: ChainView) {
        self.retired.push(std::mem::replace(&mut self.view, view));
        self.judged.clear();
        self.orphans.clear();
        self.asked.clear();
        self.waiting.clear();
    }

    /// The seat of this node.
    #[must_use]
    pub fn seat(&self) -> Seat {
        self.end.seat
    }

    /// Blocks, certificates, votes, front, finality and disputes as this node knows them.
    #[must_use]
    pub fn view(&self) -> &ChainView {
        &self.view
    }

    /// Views from before restarts, oldest first.
    #[must_use]
    pub fn retired_views(&self) -> &[ChainView] {
        &self.retired
    }

    /// The front.
    #[must_use]
    pub fn front(&self) -> BlockRef {
        self.view.front()
    }

    /// The own hard-final block.
    #[must_use]
    pub fn hard_final(&self) -> BlockRef {
        self.view.hard_final()
    }

    /// Certificates with the time in milliseconds at which this node first had them.
    #[must_use]
    pub fn certificates_seen(&self) -> &BTreeMap<(u64, BlockId), u64> {
        &self.certificates_seen
    }

    /// Disputes with the time in milliseconds at which this node first saw them.
    #[must_use]
    pub fn disputes_seen(&self) -> &[(u64, Dispute)] {
        &self.disputes_seen
    }

    /// Proofs of double signatures from single votes and proposals, with the time in milliseconds
    /// at which this node first had both objects.
    #[must_use]
    pub fn frauds_seen(&self) -> &[(u64, FraudProof)] {
        &self.frauds_seen
    }

    /// Own hard-final blocks with the time in milliseconds at which they became so.
    #[must_use]
    pub fn final_seen(&self) -> &[(u64, BlockRef)] {
        &self.final_seen
    }

    /// Verdicts that this node holds for a block, of the last 128 slots.
    pub fn verdicts(
        &self,
        slot: u64,
        block: BlockId,
    ) -> impl Iterator<Item = &Arc<Sealed<Verdict>>> {
        self.verdicts.get(&(slot, block)).into_iter().flat_map(BTreeMap::values)
    }

    /// Messages that were not accepted; the oldest 4,096.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Roles that are switched on.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    pub(crate) fn set_role(&mut self, role: Role, on: bool) {
        if on {
            self.roles.insert(role);
        } else {
            self.roles.remove(&role);
        }
    }

    pub(crate) fn drop_candidates_above(&mut self, height: u64) -> usize {
        self.orphans.clear();
        self.asked.clear();
        self.view.drop_candidates_above(height)
    }

    fn acts(&self, role: Role, ctx: &Context<'_>) -> bool {
        let twin_acts = self.end.twin == 0 || ctx.topology.equivocates(self.end.seat, role);
        self.roles.contains(&role) && twin_acts
    }

    /// Signs through the signer, or with the bare key if this seat equivocates in the role.
    fn sign<T: Object>(
        &self,
        kind: SignKind,
        (slot, block): (u64, BlockId),
        draft: Draft<T>,
        ctx: &mut Context<'_>,
    ) -> Option<Sealed<T>> {
        let domain = &self.view.anchor().domain;
        let message = draft.message(domain);
        let (seat, at_ms) = (self.end.seat, ctx.now_ms);
        let bare = ctx.bare.filter(|_| ctx.topology.equivocates(seat, kind.role()));
        let signature = match bare {
            Some(key) => Some(key.sign("", &message)),
            None => ctx.signer.sign(&SignRequest {
                now_ms: at_ms,
                seat,
                kind,
                chain: domain.chain(),
                restart: domain.restart(),
                slot,
                block,
                body: draft.bytes(),
                message: &message,
            }),
        };
        let Some(sig) = signature else {
            ctx.withheld.push(Withheld { at_ms, seat, kind, slot, block });
            return None;
        };
        let (twin, bare, restart) = (self.end.twin, bare.is_some(), domain.restart());
        ctx.released.push(Released { at_ms, seat, twin, bare, kind, restart, slot, block, sig });
        let key = *self.view.anchor().seats.key(seat)?;
        Some(draft.with_signature(key, sig))
    }

    /// The signer is asked at most once for a proposal and for a vote in one slot.
    fn first_in_slot(&mut self, kind: SignKind, slot: u64) -> bool {
        let last = self.asked_to_sign.insert(kind, slot);
        last.is_none_or(|last| last < slot)
    }

    /// Begins a slot: proposes, if it is this seat's turn on the front it knows.
    pub(crate) fn begin_slot(&mut self, ctx: &mut Context<'_>) {
        let slot = ctx.slot();
        if slot.is_multiple_of(VERDICT_SLOTS) {
            let keep = (slot.saturating_sub(VERDICT_SLOTS), BlockId(azir_ledger::Digest([0; 32])));
            self.verdicts = self.verdicts.split_off(&keep);
            self.judged = self.judged.split_off(&keep);
        }
        let front = self.view.front();
        let due = self.view.proposer(&front.block, slot) == Some(self.end.seat)
            && front.slot.is_none_or(|last| last < slot);
        if !due || !self.acts(Role::Proposer, ctx) {
            return;
        }
        if self.first_in_slot(SignKind::Proposal, slot) {
            self.propose(slot, ctx);
        }
    }

    fn propose(&mut self, slot: u64, ctx: &mut Context<'_>) {
        self.forget_stale_txs(slot);
        let waiting: Vec<_> = self.waiting.values().cloned().collect();
        // The tag differs for twins, so that two nodes of one seat never make the same block.
        let tag = format!("azref/{}", self.end.twin);
        let seat = self.end.seat;
        let Ok(proposal) = self.view.draft(slot, seat, &waiting, &tag, ctx.check) else { return };
        let id = BlockId(proposal.header.id());
        let signed = self.sign(SignKind::Proposal, (slot, id), proposal.header, ctx);
        let Some(header) = signed else { return };
        let candidate = Arc::new(Candidate { header, txs: proposal.txs });
        ctx.out.push(Outgoing::All(Message::Block(Arc::clone(&candidate))));
        self.take_block(&candidate, Sender::Node(self.end), ctx);
    }

    fn forget_stale_txs(&mut self, slot: u64) {
        let state = self.view.state(&self.view.front().block).cloned();
        self.waiting.retain(|_, tx| {
            let next = state.as_ref().and_then(|s| s.account(&tx.sender)).map(|a| a.nonce);
            tx.expiry >= slot && next.is_some_and(|next| tx.nonce >= next)
        });
    }

    /// Handles a message.
    pub(crate) fn receive(&mut self, from: Sender, message: Message, ctx: &mut Context<'_>) {
        match message {
            Message::Block(block) => self.take_block(&block, from, ctx),
            Message::Verdict(verdict) => self.take_verdict(&verdict, from, ctx),
            Message::Vote(vote) => self.take_vote(&vote, from, ctx),
            Message::Tx(tx) => {
                let max = self.view.anchor().rules.params.mempool_max;
                if (self.waiting.len() as u64) < max {
                    self.waiting.insert((tx.sender.to_string(), tx.nonce), tx);
                }
            }
            Message::Status(certificates) => self.take_status(&certificates, from, ctx),
            Message::Want(block) => self.answer(block, from, ctx),
            Message::Branch(branch) => {
                for certificate in &branch.certificates {
                    self.take_certificate(certificate, from, ctx);
                }
                for block in &branch.blocks {
                    self.take_block(block, from, ctx);
                }
            }
        }
        self.note_changes(ctx.now_ms);
    }

    fn refuse(&mut self, from: Sender, kind: MessageKind, why: String, ctx: &Context<'_>) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused { at_ms: ctx.now_ms, from, kind, why });
        }
    }

    /// Takes a block, then the blocks that waited for it.
    fn take_block(&mut self, block: &Arc<Candidate>, from: Sender, ctx: &mut Context<'_>) {
        let expected = self.view.anchor().domain.restart();
        if block.header.restart != expected {
            let why = HeaderError::Restart { found: block.header.restart, expected }.to_string();
            self.refuse(from, MessageKind::Block, why, ctx);
            return;
        }
        let mut ready = vec![Arc::clone(block)];
        while let Some(block) = ready.pop() {
            match self.view.insert(Arc::clone(&block), ctx.check) {
                Ok(Inserted::Known) => {}
                Ok(Inserted::New) => {
                    if let Some(cert) = &block.header.parent_cert {
                        self.saw_certificate(cert, ctx.now_ms);
                    }
                    let roots = Some(block.header.roots());
                    self.judge(&block, Finding::Valid, roots, None, ctx);
                    self.try_vote(&block, ctx);
                    self.asked.remove(&block.id());
                    ready.extend(self.orphans.remove(&block.id()).unwrap_or_default());
                }
                Err(BlockError::UnknownParent { parent }) => {
                    let held: usize = self.orphans.values().map(Vec::len).sum();
                    let siblings = self.orphans.entry(parent).or_default();
                    if held < ORPHANS_MAX && !siblings.iter().any(|b| b.id() == block.id()) {
                        siblings.push(block);
                    }
                    self.ask(parent, from, ctx);
                }
                Err(error) => {
                    self.refuse(from, MessageKind::Block, error.to_string(), ctx);
                    if let BlockError::Roots { computed, .. } = &error {
                        let (roots, why) = (Some(**computed), Some(error.to_string()));
                        self.judge(&block, Finding::Invalid, roots, why, ctx);
                    } else if matches!(error, BlockError::Execute(_)) {
                        self.judge(&block, Finding::Invalid, None, Some(error.to_string()), ctx);
                    }
                }
            }
        }
    }

    fn judge(
        &mut self,
        block: &Candidate,
        finding: Finding,
        roots: Option<Roots>,
        reason: Option<String>,
        ctx: &mut Context<'_>,
    ) {
        let (slot, id, seat) = (block.header.slot, block.id(), self.end.seat);
        let due = slot == ctx.slot()
            && self.acts(Role::Verifier, ctx)
            && self.view.committee(&block.header.parent, slot).contains(&seat)
            && self.judged.insert((slot, id));
        if !due {
            return;
        }
        let restart = block.header.restart;
        let verdict = Verdict { restart, slot, block: id, seat, finding, roots, reason };
        let Ok(draft) = Draft::new(verdict) else { return };
        let Some(signed) = self.sign(SignKind::Verdict, (slot, id), draft, ctx) else { return };
        let verdict = Arc::new(signed);
        ctx.out.push(Outgoing::All(Message::Verdict(Arc::clone(&verdict))));
        self.verdicts.entry((slot, id)).or_default().insert(seat, verdict);
    }

    fn take_verdict(
        &mut self,
        verdict: &Arc<Sealed<Verdict>>,
        from: Sender,
        ctx: &mut Context<'_>,
    ) {
        let anchor = self.view.anchor();
        let key = anchor.seats.key(verdict.seat);
        let signed = verdict.restart == anchor.domain.restart()
            && verdict.is_well_formed()
            && key.is_some_and(|key| verdict.verify(&anchor.domain, key, ctx.check));
        if !signed {
            let why = format!("verdict of seat {} does not verify here", verdict.seat);
            self.refuse(from, MessageKind::Verdict, why, ctx);
            return;
        }
        let of_block = self.verdicts.entry((verdict.slot, verdict.block)).or_default();
        of_block.entry(verdict.seat).or_insert_with(|| Arc::clone(verdict));
        if let Some(block) = self.view.block(&verdict.block).cloned() {
            self.try_vote(&block, ctx);
        }
    }

    /// Votes once per slot, only for a block that this node executed as valid, on top of a longest
    /// notarized chain, with three equal `valid` verdicts of the committee (annex L.3).
    fn try_vote(&mut self, block: &Candidate, ctx: &mut Context<'_>) {
        let (slot, id, seat) = (block.header.slot, block.id(), self.end.seat);
        let front = self.view.front();
        let asked = self.asked_to_sign.get(&SignKind::Vote).is_some_and(|last| *last >= slot);
        let due = slot == ctx.slot()
            && !asked
            && self.acts(Role::Notary, ctx)
            && block.header.height == front.height.saturating_add(1)
            && self.view.is_notarized(&block.header.parent)
            && self.view.may_build_on(&block.header.parent)
            && self.agreeing_verdicts(block) >= COMMITTEE_THRESHOLD;
        if !due || !self.first_in_slot(SignKind::Vote, slot) {
            return;
        }
        let vote = Vote { restart: block.header.restart, slot, block: id, seat };
        let Ok(draft) = Draft::new(vote) else { return };
        let Some(signed) = self.sign(SignKind::Vote, (slot, id), draft, ctx) else { return };
        let vote = Arc::new(signed);
        ctx.out.push(Outgoing::All(Message::Vote(Arc::clone(&vote))));
        self.take_vote(&vote, Sender::Node(self.end), ctx);
    }

    fn agreeing_verdicts(&self, block: &Candidate) -> usize {
        let (slot, roots) = (block.header.slot, block.header.roots());
        let held = self.verdicts(slot, block.id()).count();
        if held < COMMITTEE_THRESHOLD {
            return held;
        }
        let committee = self.view.committee(&block.header.parent, slot);
        self.verdicts(slot, block.id())
            .filter(|v| committee.contains(&v.seat))
            .filter(|v| v.finding == Finding::Valid && v.roots == Some(roots))
            .count()
    }

    fn take_vote(&mut self, vote: &Arc<Sealed<Vote>>, from: Sender, ctx: &mut Context<'_>) {
        match self.view.add_vote(vote, ctx.check) {
            Ok(Some(certificate)) => self.saw_certificate(&certificate, ctx.now_ms),
            Ok(None) => {}
            Err(error @ (VoteError::Restart { .. } | VoteError::Signature { .. })) => {
                self.refuse(from, MessageKind::Vote, error.to_string(), ctx);
            }
        }
    }

    fn take_certificate(
        &mut self,
        certificate: &Certificate,
        from: Sender,
        ctx: &mut Context<'_>,
    ) -> bool {
        let check: &mut dyn SigCheck = ctx.check;
        match self.view.add_certificate(certificate, check) {
            Ok(_new_or_known) => {
                self.saw_certificate(certificate, ctx.now_ms);
                true
            }
            Err(error) => {
                self.refuse(from, MessageKind::Status, error.to_string(), ctx);
                false
            }
        }
    }

    fn take_status(&mut self, certificates: &[Certificate], from: Sender, ctx: &mut Context<'_>) {
        for certificate in certificates {
            let good = self.take_certificate(certificate, from, ctx);
            if good && self.view.block(&certificate.block).is_none() {
                self.ask(certificate.block, from, ctx);
            }
        }
    }

    fn ask(&mut self, block: BlockId, whom: Sender, ctx: &mut Context<'_>) {
        let Sender::Node(whom) = whom else { return };
        let asked = self.asked.get(&block).copied();
        let due = asked.is_none_or(|at| ctx.now_ms.saturating_sub(at) >= ASK_AGAIN_MS);
        if due && whom != self.end {
            self.asked.insert(block, ctx.now_ms);
            ctx.out.push(Outgoing::One(whom, Message::Want(block)));
        }
    }

    fn answer(&self, block: BlockId, whom: Sender, ctx: &mut Context<'_>) {
        let Sender::Node(whom) = whom else { return };
        let (mut at, mut blocks) = (block, Vec::new());
        while let Some(known) = self.view.block(&at).filter(|_| blocks.len() < BRANCH_BLOCKS_MAX) {
            blocks.push(Arc::clone(known));
            at = known.header.parent;
        }
        if blocks.is_empty() {
            return;
        }
        blocks.reverse();
        let certificates = blocks
            .iter()
            .filter_map(|b| self.view.certificate(b.header.slot, &b.id()).cloned())
            .collect();
        let branch = Arc::new(Branch { blocks, certificates });
        ctx.out.push(Outgoing::One(whom, Message::Branch(branch)));
    }

    /// What this node tells another one that it meets again.
    pub(crate) fn status(&self) -> Message {
        Message::Status(Arc::new(self.view.tips()))
    }

    fn saw_certificate(&mut self, certificate: &Certificate, now_ms: u64) {
        self.certificates_seen.entry((certificate.slot, certificate.block)).or_insert(now_ms);
    }

    /// Notes when disputes and finality were first seen.
    pub(crate) fn note_changes(&mut self, now_ms: u64) {
        let known = |list: fn(&ChainView) -> usize| self.retired.iter().map(list).sum::<usize>();
        let disputes = self.disputes_seen.len() - known(|view| view.disputes().len());
        let frauds = self.frauds_seen.len() - known(|view| view.equivocations().len());
        let new = self.view.disputes().iter().skip(disputes);
        self.disputes_seen.extend(new.map(|dispute| (now_ms, dispute.clone())));
        let new = self.view.equivocations().iter().skip(frauds);
        self.frauds_seen.extend(new.map(|fraud| (now_ms, fraud.clone())));
        let own = self.view.hard_final();
        if own != self.view.anchor().place
            && self.final_seen.last().is_none_or(|(_, last)| *last != own)
        {
            self.final_seen.push((now_ms, own));
        }
    }
}
