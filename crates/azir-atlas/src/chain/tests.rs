//! Rules of blocks, front, finality and disputes.

use azir_ledger::Digest;

use super::*;
use crate::object::Plain;
use crate::testing::{Net, key};

fn respin(net: &Net, block: &Candidate, change: impl Fn(&mut Block)) -> Arc<Candidate> {
    let mut body = block.header.body().clone();
    change(&mut body);
    let signer = key("seat", usize::from(body.proposer.0));
    let header = Draft::new(body).unwrap().sign(&net.anchor.domain, &signer);
    Arc::new(Candidate { header, txs: block.txs.clone() })
}

#[test]
fn every_rule_of_a_header_is_enforced() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1]);
    let good = net.propose(&view, 3, &[], "t");
    let genesis = view.anchor().place.block;
    let mut refuse = |change: &dyn Fn(&mut Block)| {
        view.insert(respin(&net, &good, change), &mut Plain).unwrap_err()
    };
    let header = |error| match error {
        BlockError::Header(why) => why,
        other => panic!("{other:?}"),
    };
    let (found, expected) = (1, 0);
    assert_eq!(header(refuse(&|b| b.restart = 1)), HeaderError::Restart { found, expected });
    assert_eq!(header(refuse(&|b| b.height = 4)), HeaderError::Height { found: 4, expected: 3 });
    assert_eq!(header(refuse(&|b| b.slot = 1)), HeaderError::Slot { slot: 1, epoch: 0 });
    assert_eq!(header(refuse(&|b| b.epoch = 1)), HeaderError::Slot { slot: 3, epoch: 1 });
    assert!(matches!(header(refuse(&|b| b.slot = 1 << 30)), HeaderError::Slot { .. }));
    let other = Seat((good.header.proposer.0 + 1) % 7);
    assert!(matches!(header(refuse(&|b| b.proposer = other)), HeaderError::Proposer { .. }));
    assert_eq!(header(refuse(&|b| b.parent_cert = None)), HeaderError::ParentCertificate);
    let cut = |b: &mut Block| b.parent_cert.as_mut().unwrap().votes.truncate(4);
    assert!(matches!(header(refuse(&cut)), HeaderError::Certificate(_)));
    assert_eq!(header(refuse(&|b| b.params = b.features)), HeaderError::Rules);
    let parent = BlockId(Digest::of(b"nowhere"));
    assert_eq!(refuse(&|b| b.parent = parent), BlockError::UnknownParent { parent });
    assert!(matches!(header(refuse(&|b| b.parent = genesis)), HeaderError::Height { .. }));
    assert_eq!(refuse(&|b| b.txs = vec![TxId(Digest::of(b"t"))]), BlockError::Payload);
    let mut unsigned = good.header.signed().clone();
    unsigned.sig.0[0] ^= 1;
    let header_only = Candidate { header: Sealed::new(unsigned).unwrap(), txs: Vec::new() };
    let seat = good.header.proposer;
    assert_eq!(
        view.insert(Arc::new(header_only), &mut Plain),
        Err(BlockError::Header(HeaderError::Signature { seat }))
    );
    assert_eq!(view.insert(good, &mut Plain), Ok(Inserted::New));
}

#[test]
fn a_block_with_wrong_roots_and_all_its_children_are_invalid() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1]);
    let good = net.propose(&view, 2, &[], "t");
    let wrong = respin(&net, &good, |b| b.post_root = Digest::of(b"wrong"));
    assert!(matches!(view.insert(Arc::clone(&wrong), &mut Plain), Err(BlockError::Roots { .. })));
    assert!(view.invalid(&wrong.id()).is_some());
    assert!(matches!(view.insert(wrong, &mut Plain), Err(BlockError::KnownInvalid { .. })));
}

#[test]
fn a_spoiled_payload_does_not_condemn_the_block() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1]);
    let good = net.propose(&view, 2, &[net.transfer("alice", 0, "bob", 5)], "t");
    assert_eq!(good.txs.len(), 1);
    let mut tx = good.txs[0].signed().clone();
    tx.sig.0[0] ^= 1;
    let spoiled =
        Candidate { header: good.header.clone(), txs: vec![Arc::new(Sealed::new(tx).unwrap())] };
    assert_eq!(view.insert(Arc::new(spoiled), &mut Plain), Err(BlockError::Payload));
    assert_eq!(view.insert(good, &mut Plain), Ok(Inserted::New));
}

#[test]
fn the_second_of_three_consecutive_notarized_blocks_is_hard_final() {
    let net = Net::new(7);
    let final_height = |slots: &[u64]| net.grow(slots).hard_final().height;
    assert_eq!(final_height(&[0, 1]), 0);
    assert_eq!(final_height(&[0, 1, 2]), 2);
    assert_eq!(final_height(&[0, 1, 3, 4]), 0);
    assert_eq!(final_height(&[0, 2, 4, 5, 6, 8, 9]), 4);
    let all: Vec<u64> = (0..84).collect();
    assert_eq!(final_height(&all), 83);
}

/// A conflicting certificate moves the checkpoint below its height and its slot.
#[test]
fn the_undisputed_final_block_lies_below_every_conflicting_certificate() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(view.undisputed_final(), view.hard_final());
    let unknown = |slot: u64| {
        net.certificate(slot, BlockId(Digest::of(&slot.to_be_bytes())), &[2, 3, 4, 5, 6])
    };
    view.add_certificate(&unknown(5), &mut Plain).unwrap();
    assert_eq!(view.undisputed_final().height, 5);
    view.add_certificate(&unknown(3), &mut Plain).unwrap();
    let checkpoint = view.undisputed_final();
    assert_eq!((checkpoint.height, checkpoint.slot), (3, Some(2)));
    view.add_certificate(&unknown(0), &mut Plain).unwrap();
    assert_eq!(view.undisputed_final(), view.anchor().place);
    assert_eq!(view.hard_final().height, 5);
}

#[test]
fn finality_does_not_depend_on_the_order_of_arrival() {
    let net = Net::new(7);
    let full = net.grow(&[0, 1, 2, 3]);
    let path = full.path(&full.front().block);
    let mut view = net.empty_view();
    let last = full.certificate(3, &full.front().block).unwrap();
    view.add_certificate(last, &mut Plain).unwrap();
    for block in path.iter().rev() {
        let missing = view.insert(Arc::clone(block), &mut Plain);
        let first = block.header.height == 1;
        assert_eq!(missing.is_ok(), first, "{missing:?}");
    }
    for block in &path {
        view.insert(Arc::clone(block), &mut Plain).unwrap();
    }
    assert_eq!((view.front(), view.hard_final()), (full.front(), full.hard_final()));
}

#[test]
fn rewards_follow_finality_and_the_supply_holds() {
    let net = Net::new(7);
    let view = net.grow(&[0, 1, 2, 3, 5, 6]);
    let state = |slot: usize| {
        let path = view.path(&view.front().block);
        view.state(&path[slot].id()).unwrap().clone()
    };
    let issued = |index| state(index).supply().unwrap().issued.0;
    // The block that carries the third certificate is the first to know.
    assert_eq!([issued(2), issued(3), issued(4), issued(5)], [0, 2_000, 3_000, 3_000]);
    assert!(state(5).supply_holds());
}

#[test]
fn votes_become_a_certificate_at_the_quorum_and_foreign_votes_do_not_count() {
    let net = Net::new(7);
    let mut view = net.empty_view();
    let block = net.propose(&view, 0, &[], "t");
    view.insert(Arc::clone(&block), &mut Plain).unwrap();
    for seat in [6, 0, 3, 3] {
        let vote = net.vote(0, block.id(), seat);
        assert_eq!(view.add_vote(&vote, &mut Plain), Ok(None));
    }
    let mut stolen = net.vote(0, block.id(), 1).signed().clone();
    stolen.body.seat = Seat(2);
    let stolen = Arc::new(Sealed::new(stolen).unwrap());
    let seat = Seat(2);
    assert_eq!(view.add_vote(&stolen, &mut Plain), Err(VoteError::Signature { seat }));
    assert_eq!(view.add_vote(&net.vote(0, block.id(), 1), &mut Plain), Ok(None));
    assert_eq!(view.front().height, 0);
    let cert = view.add_vote(&net.vote(0, block.id(), 5), &mut Plain).unwrap().unwrap();
    assert_eq!(cert.votes.len(), 5);
    cert.verify(&net.anchor.seats, &net.anchor.domain, &mut Plain).unwrap();
    assert_eq!(view.front(), block.header.place());
}

/// R-14.1-1: two certificates in one slot are seen, with their common signers.
#[test]
fn two_certificates_of_one_slot_are_a_dispute_even_for_unknown_blocks() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1]);
    let unknown = BlockId(Digest::of(b"other"));
    let other = net.certificate(1, unknown, &[2, 3, 4, 5, 6]);
    assert!(view.disputes().is_empty());
    assert_eq!(view.add_certificate(&other, &mut Plain), Ok(true));
    assert_eq!(view.add_certificate(&other, &mut Plain), Ok(false));
    let [Dispute::SameSlot { slot: 1, common, second, .. }] = view.disputes() else {
        panic!("{:?}", view.disputes())
    };
    assert_eq!(common, &[Seat(2), Seat(3), Seat(4)]);
    assert_eq!(second.block, unknown);
    assert_eq!(view.last_common_final(), view.anchor().place);
}

/// R-14.1-5: both signed objects of a double signature are kept as proof, once.
#[test]
fn a_double_vote_and_a_double_proposal_are_noted_once_with_both_objects() {
    let net = Net::new(7);
    let mut view = net.grow(&[0]);
    let blocks = ["a", "b", "c"].map(|tag| net.propose(&view, 1, &[], tag));
    for block in &blocks {
        view.insert(Arc::clone(block), &mut Plain).unwrap();
        view.add_vote(&net.vote(1, block.id(), 4), &mut Plain).unwrap();
        view.add_vote(&net.vote(1, block.id(), 4), &mut Plain).unwrap();
    }
    view.add_vote(&net.vote(1, blocks[0].id(), 5), &mut Plain).unwrap();
    let proven = view.equivocations().iter().map(|p| p.verify(&net.anchor, &mut Plain).unwrap());
    let seats: Vec<_> = proven.map(|p| (p.slot(), p.seat())).collect();
    assert_eq!(seats, [(1, blocks[0].header.proposer), (1, Seat(4))]);
    assert!(view.disputes().is_empty());
}

/// R-2.1-1: a second hard-final history is reported and replaces nothing that was final before.
#[test]
fn conflicting_hard_final_blocks_are_reported_once_and_move_nothing() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1, 2, 3]);
    let common = view.hard_final();
    let mut other = net.grow(&[0, 1, 2, 3]);
    for slot in 4..8 {
        net.notarize(&mut view, slot, "left");
        net.notarize(&mut other, slot, "right");
    }
    net.notarize(&mut other, 8, "right");
    let own = view.hard_final();
    assert_eq!(own.height, 7);
    for block in other.path(&other.front().block) {
        let _known_or_new = view.insert(block, &mut Plain).unwrap();
    }
    let tip = other.certificate(8, &other.front().block).unwrap();
    view.add_certificate(tip, &mut Plain).unwrap();
    assert_eq!(view.hard_final(), own);
    assert_eq!(view.front(), other.front());
    assert_eq!(view.hard_final_tips().len(), 2);
    assert_eq!(view.last_common_final().height, common.height + 1);
    let conflicts: Vec<_> =
        view.disputes().iter().filter(|d| matches!(d, Dispute::HardFinal { .. })).collect();
    let [Dispute::HardFinal { last_common, .. }] = conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(*last_common, view.last_common_final());
}

/// R-2.1-1, R-14.3-2: from the own hard-final block upwards all candidates are doubtful; what is
/// hard-final cannot be dropped, and certificates stay.
#[test]
fn a_branch_reset_drops_candidates_and_keeps_final_blocks_and_certificates() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1, 2, 3, 5, 7]);
    let (final_block, certificates) = (view.hard_final(), view.certificates().count());
    assert_eq!((final_block.height, view.front().height), (3, 6));
    assert_eq!(view.drop_candidates_above(3), 3);
    assert_eq!(view.front(), final_block);
    assert_eq!(view.hard_final(), final_block);
    assert_eq!(view.certificates().count(), certificates);
}

/// R-14.3-2: from a lower checkpoint only what excludes the own hard-final block goes, and no vote
/// builds on it when it comes back; what builds on the own hard-final block stays.
#[test]
fn a_branch_reset_isolates_what_excludes_the_own_final_block() {
    let net = Net::new(7);
    let mut view = net.grow(&[0, 1, 2, 3, 5, 7]);
    let front = view.front();
    let mut other = net.grow(&[0, 1]);
    for slot in 8..10 {
        net.notarize(&mut other, slot, "right");
    }
    let rivals = other.path(&other.front().block);
    for block in &rivals {
        let _known_or_new = view.insert(block.clone(), &mut Plain).unwrap();
    }
    let rival = other.front().block;
    assert!(view.may_build_on(&rival));
    assert_eq!(view.drop_candidates_above(1), 2);
    assert!(view.block(&rival).is_none());
    assert_eq!(view.front(), front);
    for block in rivals {
        let _known_or_new = view.insert(block, &mut Plain).unwrap();
    }
    assert!(view.may_build_on(&front.block) && !view.may_build_on(&rival));
    assert_eq!(view.front(), front);
}
