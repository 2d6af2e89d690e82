//! The drill `conflicting-notarization`: what it must show, as data.

use std::collections::BTreeSet;

use azir_ledger::Signature;

use azir_sim::drill::{self, DrillError};

use super::ran::{self, Ran, both, play};

const NODES: [&str; 4] = ["n3", "n4", "n5", "n6"];

/// Every check holds, each failed one named; the way back is whole.
fn passes(ran: &Ran) {
    let failed: Vec<_> = ran.report.checks.iter().filter(|c| !c.passed).collect();
    assert!(failed.is_empty(), "{} run, seed {}: {failed:#?}", ran.name(), ran.report.seed);
    assert!(ran.report.passed);
    for group in ["seen", "decision", "refused", "way_back"] {
        let held = ran.report.checks.iter().filter(|c| c.group == group).count();
        assert!(held >= 4, "{group}: {held}");
    }
    let claims: BTreeSet<_> = ran.report.checks.iter().map(|c| &c.claim).collect();
    assert_eq!(claims.len(), ran.report.checks.len(), "each claim is made once");
    assert_eq!(ran.report.summary.len(), 10);
    assert!(ran.stages.len() > 3, "{:?}", ran.stages);
}

/// R-36.1-2, R-14.1-1: the drill runs on production code and every check holds.
#[test]
fn both_runs_pass_with_seed_1() {
    passes(&ran::SHORT_1);
    passes(&ran::LONG_1);
}

/// R-36.1-2: the same with another seed.
#[test]
fn both_runs_pass_with_seed_7() {
    passes(&ran::SHORT_7);
    passes(&ran::LONG_7);
}

#[test]
fn both_runs_pass_with_seed_42() {
    passes(&ran::SHORT_42);
    passes(&ran::LONG_42);
}

#[test]
fn both_runs_pass_with_the_largest_seed() {
    passes(&ran::SHORT_MAX);
    passes(&ran::LONG_MAX);
}

/// R-36.1-9: seed and schedule give the same report and the same log, byte for byte.
#[test]
fn the_same_seed_gives_the_same_short_run() {
    same(&ran::SHORT_7, &play("short", 7));
}

/// R-36.1-9: also in the run with a restart.
#[test]
fn the_same_seed_gives_the_same_long_run() {
    same(&ran::LONG_7, &play("long", 7));
}

fn same(first: &Ran, second: &Ran) {
    let json = |ran: &Ran| serde_json::to_string_pretty(&ran.report).unwrap();
    assert_eq!(json(first), json(second));
    assert_eq!(first.root, second.root);
    assert_eq!(first.entries, second.entries);
    assert_eq!(first.vault.0, second.vault.0);
    assert_eq!(first.record, second.record);
}

#[test]
fn another_seed_gives_other_keys_and_another_log() {
    assert_ne!(ran::SHORT_1.root, ran::SHORT_7.root);
    assert_ne!(ran::SHORT_1.report.incident, ran::SHORT_7.report.incident);
    let keys = |ran: &Ran| ran.roster.keys.iter().map(|k| k.key.clone()).collect::<BTreeSet<_>>();
    assert!(keys(&ran::SHORT_1).is_disjoint(&keys(&ran::SHORT_7)));
}

/// R-14.2-2, R-14.2-3, R-41.1-1: each node shuts its signing gates itself, within a second of the
/// first proof, before anybody acted; validation goes on.
#[test]
fn signing_gates_shut_by_local_rule_and_validation_stays_open() {
    for ran in both() {
        ran.holds(
            "each node closed its own verifier, proposer and notary gates within one second, \
             without a server",
        );
        let start = ran.report.span.0;
        let opened = ran.entries[1].meta.recorded.ms_since(start);
        for node in NODES {
            let shut: Vec<_> = ["verifier", "proposer", "notary"]
                .map(|role| ran.shut(node, role).unwrap_or_else(|| panic!("{node}/{role}")).0)
                .to_vec();
            assert!(shut.iter().all(|at| *at == shut[0]), "{node}: {shut:?}");
            assert!(shut[0] < opened, "{node}: shut at {} ms, opened at {opened} ms", shut[0]);
            for role in ["indexer", "rpc", "validation"] {
                assert_eq!(ran.shut(node, role), None, "{node}/{role}");
            }
        }
    }
}

/// R-14.2-2: between shutting and reopening not one signature left a gate of an own seat, though
/// the node asked for many.
#[test]
fn no_signature_left_a_closed_gate() {
    for ran in both() {
        ran.holds("not one signature left a closed gate");
        ran.holds("no own seat ever signed two votes for one slot");
        let asked = ran.holds("signing on either branch is refused by the gates");
        let refused: u64 = asked.detail.split(' ').next().unwrap().parse().unwrap();
        assert!(refused > 100, "{}", asked.detail);
    }
}

/// R-14.2-1: notarization candidates and committee inputs are kept before the first act of a
/// person.
#[test]
fn candidates_and_committee_inputs_are_pinned_before_anybody_acts() {
    for ran in both() {
        let person =
            ran.entries.iter().find(|e| matches!(e.signed.signature(), Signature::Person(_)));
        let first = person.unwrap().meta.index;
        let pins: Vec<_> =
            ran.events("evidence.pinned").into_iter().filter(|(at, _)| *at < first).collect();
        assert!(pins.len() >= 3, "{} pins before entry {first}", pins.len());
        for item in ["notarization_candidates", "committee_inputs", "vote_messages"] {
            let line = ran.report.evidence.iter().find(|l| l.item == item).unwrap();
            assert_eq!(line.state, "present", "{item}");
            assert!(!line.hashes.is_empty());
            for hash in &line.hashes {
                assert!(ran.vault.0.contains_key(hash), "{item} {hash}");
            }
        }
        ran.holds("the evidence checklist is complete");
    }
}

/// R-14.2-4, R-27.2-4, R-27.2-5, R-27.2-6, R-27.1-4, R-41.2-1: the finalized path and the branches
/// above it are replayed by two implementations, roots compared.
#[test]
fn replay_of_finalized_path_and_branches_matches_in_two_implementations() {
    for ran in both() {
        ran.holds("replay of both branches from the checkpoint matches in two implementations");
        ran.holds("roots of the restored path are equal in two implementations");
        let reports = ran.events("replay.reported");
        assert!(reports.iter().all(|(_, body)| body["verdict"] == "match"), "{reports:?}");
        let most = reports.iter().filter_map(|(_, body)| body["branches"].as_u64()).max();
        assert!(most >= Some(2), "{most:?} branches");
        for (_, body) in reports {
            let families = body["families"].as_array().unwrap();
            assert_eq!(families.len(), 2, "{families:?}");
            assert_ne!(families[0], families[1]);
        }
    }
}

/// R-27.2-1, R-14.3-1: the trusted checkpoint is computed from the replay, is final on every
/// branch, and no dashboard's tip is taken for it.
#[test]
fn the_trusted_checkpoint_is_the_last_unquestioned_one() {
    for ran in both() {
        ran.holds("the trusted checkpoint is the last block that is final on every branch");
        ran.holds("Pinning the tip of a dashboard as trusted checkpoint is refused as checkpoint_untrusted");
        let (at, pinned) = ran.events("checkpoint.pinned")[0];
        let quoted = ran.events("replay.reported").into_iter();
        let known = quoted.filter(|(i, _)| *i < at).any(|(_, b)| b["report"] == pinned["report"]);
        assert!(known, "the pin quotes a replay report that came before it");
        let trusted = &ran.report.fork.trusted;
        assert_eq!(pinned["checkpoint"]["block"], trusted.id.to_string());
        assert!(trusted.height < 44 && trusted.slot < ran.report.fork.slot + 1);
    }
}

/// R-14.2-8, R-14.3-3, R-31.2-1: while finality is disputed no tip is shown or used as final.
#[test]
fn doubtful_finality_is_neither_shown_nor_used() {
    for ran in both() {
        ran.holds("no tip is shown as hard_final while finality is disputed");
        ran.holds("A relayer acting on a tip as if it were final is refused as finality_disputed");
        ran.holds("Publishing \"all systems operational\" is refused as status_unproven");
        let blocks = ran.report.fork.branches.iter().flat_map(|b| &b.blocks);
        assert!(blocks.clone().count() > 0);
        assert!(blocks.clone().all(|b| b.label != "hard_final"), "a branch is shown as final");
    }
}

/// R-14.2-6, R-37.2-1, R-37.2-2, R-37.3-1: fraud proofs come from preserved evidence, verify, name
/// exactly the culprits, and containment did not wait for them.
#[test]
fn fraud_proofs_follow_containment_and_name_the_culprits() {
    for ran in both() {
        ran.holds("three fraud proofs verify, against exactly the common signers");
        assert_eq!(ran.report.fork.common_signers, [0, 1, 2]);
        let drafts = ran.events("draft.made").into_iter();
        let fraud = drafts.filter(|(_, b)| b["draft"] == "fraud_proof").map(|(at, _)| at).next();
        let fraud = fraud.expect("a fraud proof is drafted");
        let commanded: Vec<_> = ran.events("measure.commanded").iter().map(|(at, _)| *at).collect();
        assert!(commanded.iter().all(|at| *at < fraud), "{commanded:?} before {fraud}");
        assert!(ran.first("evidence.pinned") < commanded[0]);
    }
}

/// R-14.2-5, R-14.2-12: the cause is classified, with the evidence that excludes the others.
#[test]
fn the_cause_is_classified_as_adversarial_equivocation() {
    for ran in both() {
        let (_, cause) = ran.events("cause.stated")[0];
        assert_eq!(cause["finding"], "adversarial_equivocation");
        assert_eq!(cause["adversarial"], "proven");
        assert!(cause["excluded"].as_array().unwrap().len() >= 2);
    }
}

/// R-14.3-2: incompatible candidates are dropped only after they are preserved.
#[test]
fn the_short_run_drops_candidates_only_after_preserving_them() {
    let ran = &ran::SHORT_7;
    ran.holds("Planning to drop candidates before they are preserved is refused as destructive_before_preserve");
    ran.holds("after the branch reset all own nodes compute the same front");
    let preserved = ran.events("evidence.preserved");
    assert_eq!(preserved.len(), NODES.len());
    let planned = ran.first("recovery.planned");
    assert!(preserved.iter().all(|(at, _)| *at < planned));
}

/// R-14.3-5: two hard-final histories are joined by a signed manifest and by nothing else.
#[test]
fn the_long_run_restarts_only_under_a_signed_manifest() {
    let ran = &ran::LONG_7;
    ran.holds(
        "Planning a restart without a manifest of the restart authority is refused as \
         protocol_authority_required",
    );
    ran.holds("a manifest with three of five authority signatures is refused");
    ran.holds("votes of the old restart number are refused by the restarted network");
    ran.holds("RP_PROTOCOL_RECOVERY is recommended for two hard-final histories");
    assert!(ran.first("manifest.accepted") < ran.first("recovery.planned"));
    assert!(ran::SHORT_7.events("manifest.accepted").is_empty());
}

/// R-30.1-4, R-30.1-5, R-30.1-6, R-30.2-1, R-27.2-8: verifier, proposer, notary, in this order on
/// each node, the notary last.
#[test]
fn roles_return_in_the_order_of_authority() {
    for ran in both() {
        ran.holds(
            "verifier, proposer and notary came back in this order on every own node, the notary \
             last",
        );
        ran.holds(
            "Bringing the notary back before verifier and proposer is refused as phase_order",
        );
        for node in NODES {
            let [verifier, proposer, notary] = ["verifier", "proposer", "notary"]
                .map(|role| ran.shut(node, role).unwrap().1.unwrap());
            assert!(verifier < proposer && proposer < notary, "{} run, {node}", ran.name());
        }
    }
}

/// R-41.4-1: no gate opens without a restart decision with signed criteria, not even by a lease
/// that is sent past every rule of the server.
#[test]
fn gates_open_only_on_signed_criteria() {
    for ran in both() {
        ran.holds("Restarting the notary without signed criteria is refused as criteria_unmet");
        ran.holds(
            "Sending the notary gate a lease without restart decision, past every rule of the \
             server is refused as criteria_unmet",
        );
        for lane in &ran.report.gates {
            for pair in lane.spans.windows(2).filter(|p| !p[0].open && p[1].open) {
                assert!(pair[1].why.contains("restart decision"), "{}: {}", lane.role, pair[1].why);
            }
        }
        for node in NODES {
            let subsystem = format!("{node}/notary");
            let signed: BTreeSet<_> = ran
                .report
                .criteria
                .iter()
                .filter(|c| c.subsystem == subsystem)
                .map(|c| c.criterion.as_str())
                .collect();
            let all = BTreeSet::from(["rc1", "rc2", "rc3", "rc4", "rc5", "rc6", "rc7", "rc8"]);
            assert_eq!(signed, all, "{subsystem}");
        }
    }
}

/// R-14.3-4: at the end finality has advanced two epochs and the public status is healthy.
#[test]
fn a_healthy_finality_path_is_restored() {
    for ran in both() {
        ran.holds("hard-final advanced two epochs after the roles came back");
        ran.holds("the derived public status is healthy again");
        ran.holds("closing a systemic incident leads to POSTMORTEM_PENDING in the same step");
        assert!(!ran.events("postmortem.published").is_empty());
    }
}

/// R-36.1-10: every event of a drill carries the drill's mode, which no live log accepts.
#[test]
fn nothing_signed_in_a_drill_can_act_outside_it() {
    for ran in both() {
        let mode = format!("drill:{}/{}/7", ran::DRILL, ran.name());
        let origin = &ran.entries[0].signed.event().log;
        assert!(ran.entries.iter().all(|e| e.signed.event().mode == mode));
        let live = azir_engine::State::default();
        for entry in &ran.entries {
            let refused = azir_engine::admit::admit(
                &live,
                origin,
                "live",
                &entry.signed,
                entry.meta.recorded,
                &ran.vault,
            );
            let refused = refused.expect_err("a live log took an event of a drill").refusal;
            assert!(refused.has(azir_model::RefusalKind::DrillOnly), "{refused}");
        }
    }
}

#[test]
fn refusals_in_the_report_name_who_tried_and_what_was_protected() {
    for ran in both() {
        assert!(ran.report.refusals.len() >= 15, "{}", ran.report.refusals.len());
        for line in &ran.report.refusals {
            assert!(!line.who.is_empty() && !line.protected.is_empty(), "{line:?}");
            assert!(!line.kinds.is_empty() && !line.unmet.is_empty(), "{line:?}");
        }
    }
}

/// The picture shows what was disputed, and not the path that came after it.
#[test]
fn the_fork_has_two_branches_that_end_when_the_split_heals() {
    for (ran, heals_at) in both().into_iter().zip([44, 84]) {
        let fork = &ran.report.fork;
        assert_eq!(fork.branches.len(), 2, "{} run", ran.name());
        for branch in &fork.branches {
            assert!(!branch.blocks.is_empty());
            let beyond = branch.blocks.iter().find(|b| b.slot > heals_at);
            assert!(beyond.is_none(), "{} run, branch {}: {beyond:?}", ran.name(), branch.name);
            assert!(branch.blocks.iter().all(|b| b.height > fork.trusted.height));
        }
        let tips: BTreeSet<_> =
            fork.branches.iter().flat_map(|b| &b.blocks).map(|b| b.id).collect();
        for certificate in &fork.certificates {
            assert!(tips.contains(&certificate.block), "the certified block is in the picture");
        }
    }
}

#[test]
fn an_unknown_drill_names_those_that_exist() {
    let error = drill::plan("no-such-drill").unwrap_err();
    assert!(matches!(error, DrillError::Unknown { .. }));
    assert!(error.to_string().contains(ran::DRILL), "{error}");
}

/// When the journal fails, the drill stops and says why.
#[test]
fn a_journal_that_fails_stops_the_drill() {
    struct Full(u64);
    impl azir_sim::deployment::Journal for Full {
        fn keep(&mut self, _: &azir_ledger::Digest, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
        fn append(&mut self, _: &[azir_ledger::Entry]) -> Result<(), String> {
            self.0 += 1;
            if self.0 > 20 { Err("no space left".to_owned()) } else { Ok(()) }
        }
    }
    let plan = drill::plan(ran::DRILL).unwrap();
    let ended = drill::run(&plan, &plan.runs[0], 3, Box::new(Full(0)), &mut |_, _, _| {});
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("no space left"), "{error}");
}
