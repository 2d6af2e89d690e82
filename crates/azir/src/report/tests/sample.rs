//! A report as the long run of the conflicting-notarization drill makes it.

use azir_ledger::Digest;
use azir_model::IncidentId;
use azir_sim::report::{
    Check, CriterionLine, DecisionSummary, DrillReport, EvidenceLine, PersonLine, RefusalLine,
    RejectedMeasure, Score, VerifyLine,
};

use super::course::{NODES, ROLES, at, fork, gates, timeline};

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

/// The sample.
pub(super) fn sample() -> DrillReport {
    DrillReport {
        schema: "azir.drill-report/1".to_owned(),
        drill: "conflicting-notarization".to_owned(),
        title: "Two certificates for one slot".to_owned(),
        run: "long".to_owned(),
        seed: 7,
        incident: IncidentId(Digest::of(b"incident")),
        passed: true,
        summary: texts(&[
            "Seats 0, 1 and 2 voted for two blocks of slot 42; seats 3 to 6 were split two and two.",
            "Both blocks got five votes of seven: two certificates for one slot.",
            "Twelve gates of four nodes closed themselves within 0.9 s of the second certificate.",
            "SEV_5_CATASTROPHIC was declared by the commander with a second person.",
            "Evidence was pinned before any measure: certificates, branches, sign states.",
            "Quarantine of the three seats was rejected: four seats would stay, five are needed.",
            "After the partition healed two hard-final tips existed; recovery was requested.",
            "Three implementations replayed both branches and agree on the last common block.",
            "Roles came back by phase, the notary last, with three new seat keys.",
            "Three dangerous attempts were refused, each with every unmet condition.",
        ]),
        checks: checks(),
        scores: scores(),
        timeline: timeline(),
        span: (at(0), at(72_000)),
        gates: gates(),
        fork: fork(),
        decision: decision(),
        evidence: evidence(),
        criteria: criteria(),
        refusals: refusals(),
        people: ["ana", "bogdan", "carla", "dan", "elena", "florin"]
            .iter()
            .zip(["Incident Commander", "Consensus Lead", "Security Lead", "Recovery Operator", "Governance Liaison", "Audit Scribe"])
            .map(|(id, role)| PersonLine { id: format!("{id}@drill"), role: role.to_owned() })
            .collect(),
        verify: vec![
            VerifyLine {
                shows: "Every entry, signature and decision, checked offline".to_owned(),
                command: "azir verify \"$D\" --roster \"$D/roster.json\"".to_owned(),
                expect: "ok: 214 entries, 6 people, 4 witnesses".to_owned(),
            },
            VerifyLine {
                shows: "One signature of a person, with stock tools".to_owned(),
                command: "ssh-keygen -Y verify -f \"$D/allowed_signers\" -I ana@drill -n azir-event-v1 -s \"$D/e/57.sig\" < \"$D/e/57.json\"".to_owned(),
                expect: "Good \"azir-event-v1\" signature for ana@drill".to_owned(),
            },
        ],
        notes: texts(&["The dwell windows are shortened: one epoch is 42 s, the monitoring window 10 minutes."]),
    }
}

fn checks() -> Vec<Check> {
    let all = [
        ("seen", "two certificates for slot 42 verify", "blocks 43/A and 43/B, five votes each"),
        ("seen", "three seats signed both", "seats 0, 1, 2"),
        ("seen", "long run: two hard-final tips", "heights 84 and 82"),
        (
            "decision",
            "own notary and proposer closed automatically",
            "12 gates, slowest 0.9 s after proof",
        ),
        (
            "decision",
            "quarantine of three seats is rejected as stops_finality",
            "4 of 5 seats would stay",
        ),
        ("decision", "protocol recovery is recommended", "RP_PROTOCOL_RECOVERY, choice 7"),
        ("refused", "signing on either branch", "2 attempts, 2 refusals, no signature left a gate"),
        ("refused", "showing either tip as hard_final", "label_unproven, twice"),
        ("refused", "closing before review", "guard_unmet: review"),
        ("way_back", "three fraud proofs verify", "seats 0, 1, 2"),
        (
            "way_back",
            "trusted checkpoint is the last common block",
            "height 42, equal on three implementations",
        ),
        (
            "way_back",
            "restart with three new seat keys, old votes refused",
            "12 gates, notary last; 3 old votes refused",
        ),
        ("way_back", "the export verifies offline", "214 entries, 0 problems"),
    ];
    all.iter()
        .map(|(group, claim, detail)| Check {
            group: (*group).to_owned(),
            claim: (*claim).to_owned(),
            passed: true,
            detail: (*detail).to_owned(),
        })
        .collect()
}

fn scores() -> Vec<Score> {
    [
        ("From proof to last gate closed", "0.9 s", "at most 1 s"),
        ("Signatures after closing", "0", "0"),
        ("Incident opened after first symptom", "1 slot", "at most 2 slots"),
        ("Evidence complete", "9 of 9 items", "all"),
        ("Blocks replayed", "118 on 3 implementations", "2 implementations"),
        ("Bytes of the export", "1.9 MB", ""),
    ]
    .map(|(name, value, bar)| Score {
        name: name.to_owned(),
        value: value.to_owned(),
        bar: bar.to_owned(),
    })
    .into()
}

fn decision() -> DecisionSummary {
    let rejected = [
        (
            "false_finality",
            "quarantine of seats 0, 1, 2",
            "stops_finality",
            "4 seats would stay, 5 are needed",
        ),
        (
            "false_finality",
            "observe only",
            "not_enough",
            "2 of 4 own nodes would go on signing on a contested branch",
        ),
        (
            "double_sign",
            "local degraded for the notary",
            "not_enough",
            "a degraded notary still signs; harm per slot 1, bar 0",
        ),
        (
            "double_sign",
            "network-wide pause by draft",
            "no_authority",
            "no finalized object can come into being while finality is disputed",
        ),
    ];
    DecisionSummary {
        recommended: "RP_PROTOCOL_RECOVERY (choice 7)".to_owned(),
        declared: "RP_PROTOCOL_RECOVERY by ana@drill, second person bogdan@drill".to_owned(),
        applied: texts(&["local service halt of own notary on 4 nodes", "local degraded for own proposer on 4 nodes"]),
        requested: texts(&["restart manifest with three replaced seats", "branch reset to height 42"]),
        residual: texts(&["readers of other operators may still trust a contested tip"]),
        rejected: rejected
            .map(|(channel, measure, verdict, reason)| RejectedMeasure {
                channel: channel.to_owned(),
                measure: measure.to_owned(),
                verdict: verdict.to_owned(),
                reason: reason.to_owned(),
            })
            .into(),
        flips: texts(&["one culprit fewer (2 instead of 3): quarantine is enough and keeps finality"]),
        explanation: "Two certificates need 2q - n = 3 double voters.\nRemoving them leaves 4 of 7 seats, below the quorum of 5.".to_owned(),
    }
}

fn evidence() -> Vec<EvidenceLine> {
    let line = |item: &str, text: &str, state: &str, n: usize| EvidenceLine {
        item: item.to_owned(),
        text: text.to_owned(),
        state: state.to_owned(),
        hashes: (0..n).map(|i| Digest::of(format!("{item}{i}").as_bytes())).collect(),
        bytes: n as u64 * 41_234,
        verified: if n == 0 { String::new() } else { "certificate rule L.7".to_owned() },
    };
    vec![
        line("cons.certificates", "both certificates of the slot", "present", 2),
        line("cons.votes", "all votes of the slot", "present", 10),
        line("cons.sign_state", "sign state of every own key", "present", 4),
        line("cons.telemetry", "telemetry of the hour before", "unavailable", 0),
        line("bvm.trace", "execution trace", "not_applicable", 0),
    ]
}

fn criteria() -> Vec<CriterionLine> {
    let mut out = Vec::new();
    for node in NODES {
        for role in ROLES {
            for rc in 1..=8 {
                out.push(CriterionLine {
                    subsystem: format!("{node}/{role}"),
                    criterion: format!("rc{rc}"),
                    signer: ["bogdan", "ana", "carla", "elena"][rc % 4].to_owned(),
                    role: "Consensus Lead".to_owned(),
                    summary: format!("criterion {rc} holds for {node} {role}"),
                });
            }
        }
    }
    out
}

fn refusals() -> Vec<RefusalLine> {
    vec![
        RefusalLine {
            index: Some(46),
            who: "node-b".to_owned(),
            tried: "sign a vote for block 44 of branch B".to_owned(),
            kinds: texts(&["gate_shut", "sign_state_conflict"]),
            unmet: texts(&[
                "the notary gate of node-b is shut",
                "slot 43 was already signed for branch A",
            ]),
            protected: "a fourth double signature, which is a slashable fault".to_owned(),
        },
        RefusalLine {
            index: Some(54),
            who: "dan@drill".to_owned(),
            tried: "quarantine seats 0, 1 and 2".to_owned(),
            kinds: texts(&["stops_finality"]),
            unmet: texts(&["4 seats would stay, 5 are needed"]),
            protected: "finality of the network".to_owned(),
        },
        RefusalLine {
            index: None,
            who: "ana@drill".to_owned(),
            tried: "close the incident".to_owned(),
            kinds: texts(&["guard_unmet"]),
            unmet: texts(&["review: no postmortem recorded", "exit: 12 gates are shut"]),
            protected: "the record against an unfinished end".to_owned(),
        },
    ]
}
