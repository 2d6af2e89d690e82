//! The finality figures of annex L.4, equivocation, healing and restart.

use azir_atlas::{
    Amount, Dispute, Draft, FraudProof, Plain, ReplacedSeat, RestartManifest, SignedManifest,
    verify_final,
};
use azir_ledger::{Digest, MachineSig};

use super::*;
use crate::fault::Slots;

const SEEDS: std::ops::Range<u64> = 0..20;

fn set(seats: &[u8]) -> BTreeSet<Seat> {
    seats.iter().copied().map(Seat).collect()
}

fn world(seed: u64, faults: Vec<Fault>) -> (World, BareSigner) {
    let config = WorldConfig::drill("sim-net", 7, seed, faults);
    (World::new(config).unwrap(), BareSigner::new(SeatKeys::drill(7, seed)))
}

fn run(seed: u64, faults: Vec<Fault>, slots: u64) -> World {
    let (mut world, mut signer) = world(seed, faults);
    world.step_to(slots * SLOT_MS, &mut signer);
    world
}

fn silent(seats: &[u8]) -> Vec<Fault> {
    let slots = Slots { from: 0, until: u64::MAX };
    if seats.is_empty() {
        return Vec::new();
    }
    vec![Fault::Offline { seats: set(seats), slots }]
}

fn final_heights(world: &World, except: &[u8]) -> Vec<u64> {
    let honest = world.nodes().filter(|n| !except.contains(&n.seat().0));
    honest.map(|n| n.hard_final().height).collect()
}

/// The 2/2 split of annex M.2: culprits are connected to both sides.
fn split(culprits: &[u8], slots: Slots) -> Vec<Fault> {
    let honest: Vec<_> = (0..7).filter(|s| !culprits.contains(s)).collect();
    let (left, right) = honest.split_at(honest.len().div_ceil(2));
    let side = |seats: &[u8]| set(&[seats, culprits].concat());
    vec![
        Fault::Partition { groups: vec![side(left), side(right)], slots },
        Fault::Equivocate { seats: set(culprits), roles: Role::ALL.into(), slots },
    ]
}

/// Annex L.4, 84 slots, n = 7. The last slot's block is notarized but not final.
#[test]
fn without_faults_84_slots_give_hard_final_height_83() {
    let world = run(1, Vec::new(), 84);
    assert_eq!(final_heights(&world, &[]), [83; 7]);
    assert!(world.nodes().all(|n| n.view().disputes().is_empty() && n.refused().is_empty()));
}

/// One silent seat of seven gives 69 to 71, two give 55 to 59, three give none at all.
#[test]
fn silent_seats_slow_finality_down_and_three_of_seven_stop_it() {
    for seed in 0..7 {
        let one = seed as u8;
        let two = (one + 1 + (seed % 5) as u8) % 7;
        let three = (0..7).find(|s| *s != one && *s != two).unwrap();
        for (seats, expected) in
            [(vec![one], 69..=71), (vec![one, two], 55..=59), (vec![one, two, three], 0..=0)]
        {
            let world = run(seed, silent(&seats), 84);
            let heights = final_heights(&world, &seats);
            assert!(heights.iter().all(|h| expected.contains(h)), "{seed} {seats:?}: {heights:?}");
        }
    }
}

/// No finality inside a 4/3 partition, and it resumes after.
#[test]
fn a_partition_of_four_and_three_stops_finality_until_it_heals() {
    let slots = Slots { from: 21, until: 61 };
    let groups = vec![set(&[0, 1, 2, 3]), set(&[4, 5, 6])];
    let (mut world, mut signer) = world(3, vec![Fault::Partition { groups, slots }]);
    world.step_to(61 * SLOT_MS, &mut signer);
    assert_eq!(final_heights(&world, &[]), [20; 7]);
    assert!(world.nodes().all(|n| n.front().height == 21));
    world.step_to(84 * SLOT_MS, &mut signer);
    assert!(final_heights(&world, &[]).iter().all(|h| *h >= 40));
    assert!(world.nodes().all(|n| n.view().disputes().is_empty()));
}

/// Three double voters and a 2/2 split for 42 slots: what every honest node must see after.
/// Returns how many slots after the split the first slot with two certificates lies.
fn broken_safety(seed: u64, from: u64) -> u64 {
    let culprits = [(seed % 7) as u8, ((seed + 2) % 7) as u8, ((seed + 5) % 7) as u8];
    let slots = Slots { from, until: from + 42 };
    let world = run(seed, split(&culprits, slots), from + 44);
    let culprits = set(&culprits);
    let mut first_slot = u64::MAX;
    for node in world.nodes().filter(|n| !culprits.contains(&n.seat())) {
        let (mut conflict, mut proven) = (false, BTreeSet::new());
        for (_, dispute) in node.disputes_seen() {
            match dispute {
                Dispute::SameSlot { slot, common, first, second } => {
                    assert_eq!(common.iter().copied().collect::<BTreeSet<_>>(), culprits);
                    first_slot = first_slot.min(*slot);
                    let proofs = FraudProof::from_certificates(0, first, second);
                    let verified = proofs.iter().map(|p| p.verify(world.anchor(), &mut Plain));
                    proven.extend(verified.map(|fraud| fraud.unwrap().seat()));
                }
                Dispute::HardFinal { last_common, .. } => {
                    conflict = true;
                    assert!((from - 1..=from).contains(&last_common.height), "seed {seed}");
                }
            }
        }
        assert!(conflict, "seed {seed} seat {}", node.seat());
        assert_eq!(proven, culprits, "seed {seed} seat {}", node.seat());
        assert_eq!(node.view().hard_final_tips().len(), 2, "seed {seed}");
    }
    first_slot - from
}

fn median(mut list: Vec<u64>) -> u64 {
    list.sort_unstable();
    list[list.len() / 2]
}

/// R-14.1-1, R-14.2-6: two certificates in one slot, conflicting hard-final blocks within 42 slots,
/// and exactly the culprits as common signers, proven by fraud proofs.
#[test]
fn three_double_voters_and_a_split_break_safety_and_are_exactly_the_common_signers() {
    assert_eq!(median(SEEDS.map(|seed| broken_safety(seed, 6)).collect()), 1);
}

/// Two double voters of seven cannot break safety.
#[test]
fn two_double_voters_never_give_two_certificates() {
    SEEDS.for_each(|seed| held_safety(seed, 6));
}

fn held_safety(seed: u64, from: u64) {
    let culprits = [(seed % 7) as u8, ((seed + 3) % 7) as u8];
    let world = run(seed, split(&culprits, Slots { from, until: from + 42 }), from + 44);
    assert!(world.nodes().all(|n| n.disputes_seen().is_empty()), "seed {seed}");
}

/// The 200 seeds of annex L.4, from slot 42 on. A minute in release mode.
#[test]
#[ignore = "long: 200 seeds"]
fn two_hundred_seeds_break_with_three_double_voters_and_hold_with_two() {
    assert_eq!(median((0..200).map(|seed| broken_safety(seed, 42)).collect()), 1);
    (0..200).for_each(|seed| held_safety(seed, 42));
}

/// R-14.1-5: one seat that signs twice is proven with both signed objects; no second certificate.
#[test]
fn one_equivocating_seat_is_proven_and_breaks_nothing() {
    let slots = Slots { from: 3, until: 17 };
    let fault = Fault::Equivocate { seats: set(&[4]), roles: Role::ALL.into(), slots };
    let world = run(11, vec![fault], 25);
    for node in world.nodes().filter(|n| n.seat() != Seat(4)) {
        let kinds: BTreeSet<_> = node
            .frauds_seen()
            .iter()
            .map(|(at_ms, proof)| {
                let fraud = proof.verify(world.anchor(), &mut Plain).unwrap();
                assert_eq!(fraud.seat(), Seat(4));
                assert_eq!(at_ms / SLOT_MS, fraud.slot());
                matches!(proof, FraudProof::DoubleVote { .. })
            })
            .collect();
        assert_eq!(kinds, BTreeSet::from([false, true]), "seat {}", node.seat());
        assert!(node.disputes_seen().is_empty());
        assert!(node.hard_final().height >= 15);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    let faults = || split(&[1, 3, 6], Slots { from: 10, until: 20 });
    let trace = |seed| run(seed, faults(), 30).trace_digest();
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn stepping_in_small_steps_is_the_same_as_in_one() {
    let (mut small, mut signer) = world(5, Vec::new());
    for ms in (0..=8 * SLOT_MS).step_by(37) {
        small.step_to(ms, &mut signer);
    }
    small.step_to(8 * SLOT_MS, &mut signer);
    let (mut slots, mut signer) = world(5, Vec::new());
    for slot in 0..8 {
        assert_eq!(slots.next_slot(), slot);
        slots.step_slot(&mut signer);
    }
    let once = run(5, Vec::new(), 8);
    assert_eq!(small.trace_digest(), once.trace_digest());
    assert_eq!(slots.trace_digest(), once.trace_digest());
}

/// A signer that refuses one seat.
struct Closed(BareSigner, Seat);

impl SeatSigner for Closed {
    fn sign(&mut self, request: &SignRequest<'_>) -> Option<MachineSig> {
        if request.seat == self.1 { None } else { self.0.sign(request) }
    }
}

/// R-14.2-3: a node whose gate refuses goes on validating and following the chain.
#[test]
fn a_node_whose_signer_refuses_signs_nothing_and_still_follows() {
    let (mut world, signer) = world(2, Vec::new());
    let mut closed = Closed(signer, Seat(4));
    world.step_to(42 * SLOT_MS, &mut closed);
    assert!(world.released().iter().all(|r| r.seat != Seat(4)));
    assert!(world.withheld().iter().any(|w| w.seat == Seat(4) && w.kind == SignKind::Vote));
    let votes = world.withheld().iter().filter(|w| w.kind == SignKind::Vote);
    let slots: Vec<_> = votes.map(|w| w.slot).collect();
    assert!(slots.is_sorted_by(|a, b| a < b), "asked twice in one slot");
    let heights = final_heights(&world, &[]);
    assert!(heights.iter().all(|h| *h == heights[0] && *h >= 33), "{heights:?}");
}

/// R-14.2-3: switched-off roles are silent without asking; validation goes on.
#[test]
fn roles_switch_off_one_by_one() {
    let (mut world, mut signer) = world(2, Vec::new());
    world.set_role(Seat(4), Role::Proposer, false);
    world.set_role(Seat(4), Role::Notary, false);
    world.step_to(42 * SLOT_MS, &mut signer);
    let kinds: BTreeSet<_> =
        world.released().iter().filter(|r| r.seat == Seat(4)).map(|r| r.kind).collect();
    assert_eq!(kinds, BTreeSet::from([SignKind::Verdict]));
    assert!(world.withheld().is_empty());
    assert_eq!(
        world.node(Seat(4)).unwrap().hard_final(),
        world.node(Seat(0)).unwrap().hard_final()
    );
    world.set_role(Seat(4), Role::Notary, true);
    world.step_to(43 * SLOT_MS, &mut signer);
    let last = world.released().last().unwrap();
    assert_eq!(last.kind, SignKind::Vote);
    assert!(world.released().iter().any(|r| r.seat == Seat(4) && r.kind == SignKind::Vote));
}

#[test]
fn a_slot_without_faults_makes_and_checks_thirteen_signatures() {
    let world = run(4, Vec::new(), 42);
    // A seat that has the certificate before it voted has no longest chain to vote on any more.
    let made = world.released().len() as u64;
    assert!((42 * 13 - 5..=42 * 13).contains(&made), "{made}");
    assert_eq!(world.signatures_checked(), made);
    assert!(world.released().iter().all(|r| !r.bare && r.twin == 0));
}

#[test]
fn transfers_reach_every_node_and_finality_proves_itself() {
    let (mut world, mut signer) = world(6, Vec::new());
    world.step_slot(&mut signer);
    let tx = Tx {
        sender: "alice".parse().unwrap(),
        nonce: 0,
        expiry: 50,
        cost_limit: 10,
        fee: Amount(500),
        action: azir_atlas::Action::Transfer { to: "bob".parse().unwrap(), amount: Amount(77) },
    };
    let key = drill_key(6, "account", 0);
    let tx = Arc::new(Draft::new(tx).unwrap().sign(&world.anchor().domain, &key));
    world.submit(&tx);
    world.step_to(12 * SLOT_MS, &mut signer);
    for node in world.nodes() {
        let tip = node.hard_final();
        let state = node.view().state(&tip.block).unwrap();
        let bob = state.account(&"bob".parse().unwrap()).unwrap();
        assert_eq!(bob.balance, Amount(1_000_000_077));
        assert!(state.supply_holds());
        assert!(state.supply().unwrap().issued.0 > 0);
        let headers = node.view().headers(&node.front().block);
        let certs: Vec<_> = node.view().certificates().cloned().collect();
        assert_eq!(verify_final(world.anchor(), &headers, &certs).unwrap().place(), tip);
    }
}

#[test]
fn a_seat_that_was_away_catches_up() {
    let slots = Slots { from: 5, until: 90 };
    let world = run(9, vec![Fault::Offline { seats: set(&[3]), slots }], 95);
    let heights = final_heights(&world, &[]);
    assert!(heights.iter().all(|h| *h == heights[0]), "{heights:?}");
}

#[test]
fn lost_votes_delay_and_lost_verdicts_stop_only_while_they_last() {
    use crate::net::MessageKind;
    let slots = Slots { from: 10, until: 20 };
    for fault in [
        Fault::Drop { kind: MessageKind::Verdict, slots },
        Fault::Drop { kind: MessageKind::Block, slots },
        Fault::Delay { seats: set(&[0, 1, 2, 3, 4, 5, 6]), extra_ms: 3_000, slots },
    ] {
        let world = run(1, vec![fault.clone()], 40);
        let notarized =
            |s: u64| world.node(Seat(0)).unwrap().view().certificates().any(|c| c.slot == s);
        assert!((10..20).all(|s| !notarized(s)), "{fault:?}");
        assert!((25..40).all(notarized), "{fault:?}");
        let heights = final_heights(&world, &[]);
        assert!(heights.iter().all(|h| *h == heights[0] && *h >= 25), "{heights:?}");
    }
}

/// After a branch reset the candidates come back with their certificates.
#[test]
fn a_branch_reset_is_followed_by_fetching_what_the_network_holds() {
    let (mut world, mut signer) = world(8, Vec::new());
    world.step_to(10 * SLOT_MS, &mut signer);
    let before = world.node(Seat(2)).unwrap().hard_final();
    assert_eq!(world.drop_candidates_above(Seat(2), before.height), 1);
    assert_eq!(world.node(Seat(2)).unwrap().front(), before);
    world.step_to(14 * SLOT_MS, &mut signer);
    assert_eq!(final_heights(&world, &[]), [13; 7]);
}

/// Post roots of the hard-final chain of one node, by height.
fn final_roots(world: &World, seat: u8) -> BTreeMap<u64, Digest> {
    let view = world.node(Seat(seat)).unwrap().view();
    let headers = view.headers(&view.hard_final().block);
    headers.iter().map(|h| (h.height, h.post_root)).collect()
}

/// R-11.1-5: a node whose proposer is shut goes on observing: it still proves a double vote of
/// another seat with both signed objects.
#[test]
fn a_degraded_node_still_proves_a_double_vote_elsewhere() {
    let slots = Slots { from: 3, until: 17 };
    let fault = Fault::Equivocate { seats: set(&[4]), roles: Role::ALL.into(), slots };
    let (mut world, mut signer) = world(11, vec![fault]);
    world.set_role(Seat(2), Role::Proposer, false);
    world.step_to(25 * SLOT_MS, &mut signer);
    let proposed = |seat| {
        let by = world.released().iter().filter(move |r| r.seat == Seat(seat));
        by.filter(|r| r.kind == SignKind::Proposal).count()
    };
    assert!(proposed(2) == 0 && proposed(1) > 0);
    let found = world.node(Seat(2)).unwrap().frauds_seen().iter();
    let votes = found.filter(|(_, proof)| matches!(proof, FraudProof::DoubleVote { .. }));
    let proven = votes.map(|(_, proof)| proof.verify(world.anchor(), &mut Plain).unwrap().seat());
    assert_eq!(proven.collect::<BTreeSet<_>>(), set(&[4]));
}

/// R-11.1-6: with and without the reduction every node finalizes, and at every height the node that
/// is degraded has the root that all others have.
#[test]
fn a_degraded_node_changes_no_finalized_root() {
    for degraded in [false, true] {
        let (mut world, mut signer) = world(2, Vec::new());
        world.set_role(Seat(4), Role::Proposer, !degraded);
        world.step_to(42 * SLOT_MS, &mut signer);
        let own = final_roots(&world, 4);
        assert!(own.len() > 20, "{}", own.len());
        for other in [0, 1, 2, 3, 5, 6] {
            assert_eq!(final_roots(&world, other), own, "{degraded} seat {other}");
        }
        assert!(world.nodes().all(|n| n.refused().is_empty() && n.view().disputes().is_empty()));
    }
}

/// R-26.1-3: after both sides of a split dropped their doubtful candidates, two nodes have one
/// front; what is hard-final stays, and the chain goes on.
#[test]
fn after_a_branch_reset_two_nodes_have_one_front_and_every_final_block() {
    let culprits = [0, 2, 5];
    let (mut world, mut signer) = world(2, split(&culprits, Slots { from: 5, until: 6 }));
    world.step_to(6 * SLOT_MS, &mut signer);
    let fronts = |world: &World| [1, 3, 4, 6].map(|s| world.node(Seat(s)).unwrap().front());
    let tips = [1, 3, 4, 6].map(|s| world.node(Seat(s)).unwrap().hard_final());
    assert!(tips.iter().all(|tip| *tip == tips[0]), "{tips:?}");
    let before = fronts(&world);
    assert!(before.iter().any(|front| *front != before[0]), "{before:?}");
    let kept: Vec<_> = (0..7).map(|s| final_roots(&world, s)).collect();
    for seat in 0..7 {
        assert!(world.drop_candidates_above(Seat(seat), tips[0].height) > 0, "seat {seat}");
    }
    assert_eq!(fronts(&world), tips);
    assert_eq!((0..7).map(|s| final_roots(&world, s)).collect::<Vec<_>>(), kept);
    world.step_to(16 * SLOT_MS, &mut signer);
    let after = fronts(&world);
    assert!(after.iter().all(|front| *front == after[0] && front.height > tips[0].height));
    let extended = final_roots(&world, 1);
    assert!(kept[1].iter().all(|(height, root)| extended[height] == *root));
    assert!(extended.len() > kept[1].len());
}

fn restart_manifest(world: &World, anchor: BlockRef, culprits: &BTreeSet<Seat>) -> SignedManifest {
    let node = world.node(Seat((0..7).find(|s| !culprits.contains(&Seat(*s))).unwrap())).unwrap();
    let header = node.view().block(&anchor.block).unwrap().header.clone();
    let body = RestartManifest {
        chain: world.genesis().chain.clone(),
        restart: 1,
        anchor,
        post_root: header.post_root,
        receipts_root: header.receipts_root,
        replaced: culprits
            .iter()
            .map(|&seat| {
                let key = drill_key(7, "new-seat", usize::from(seat.0)).public();
                ReplacedSeat { seat, key }
            })
            .collect(),
        restrictions: Vec::new(),
        reason: "two hard-final histories".into(),
    };
    let keys: Vec<_> = (0..4).map(|i| drill_key(7, "restart", i)).collect();
    SignedManifest::sign(body, &keys.iter().collect::<Vec<_>>()).unwrap()
}

/// The way back of D-095: last common final block, new keys, old votes void.
#[test]
fn a_restart_from_the_last_common_final_block_makes_old_votes_void_and_finality_resumes() {
    let culprits = set(&[0, 2, 5]);
    let (mut world, mut signer) = world(7, split(&[0, 2, 5], Slots { from: 42, until: 84 }));
    world.step_to(85 * SLOT_MS, &mut signer);
    let anchors: BTreeSet<_> =
        [1, 3, 4, 6].map(|s| world.node(Seat(s)).unwrap().view().last_common_final()).into();
    assert_eq!(anchors.len(), 1, "{anchors:?}");
    let anchor = *anchors.first().unwrap();
    let (mut signer, old_vote) = {
        let node = world.node(Seat(1)).unwrap();
        let front = node.front();
        let vote = node.view().votes(front.slot.unwrap(), front.block).next().unwrap().clone();
        (BareSigner::new(SeatKeys::drill(7, 7)), vote)
    };
    let manifest = restart_manifest(&world, anchor, &culprits);
    let accepted = manifest.accept(world.genesis(), &world.anchor().domain, &mut Plain).unwrap();
    let secrets: BTreeMap<_, _> =
        culprits.iter().map(|s| (*s, drill_secret(7, "new-seat", usize::from(s.0)))).collect();
    assert_eq!(world.restart(&accepted, &BTreeMap::new()), Err(WorldError::Keys { seat: Seat(0) }));
    world.restart(&accepted, &secrets).unwrap();
    secrets.iter().for_each(|(seat, secret)| signer.replace(*seat, *secret));
    assert!(world.nodes().all(|n| n.front() == anchor && n.hard_final() == anchor));
    world.inject(Seat(1), Message::Vote(old_vote));
    world.step_to(100 * SLOT_MS, &mut signer);
    let refused = &world.node(Seat(1)).unwrap().refused().last().unwrap().why;
    assert_eq!(refused, "vote for restart 0, this chain is at restart 1");
    for node in world.nodes() {
        assert_eq!(node.hard_final().height, anchor.height + 14);
        assert!(node.view().disputes().is_empty());
        assert_eq!(node.retired_views().len(), 1);
    }
}
