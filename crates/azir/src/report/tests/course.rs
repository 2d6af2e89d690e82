//! The course of the sample: log, gates and fork.

use azir_ledger::{Digest, Timestamp};
use azir_sim::report::{
    BlockNode, Branch, CertificateNode, Fork, GateLane, GateSpan, TimelineItem,
};

pub(super) const NODES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];
pub(super) const ROLES: [&str; 3] = ["notary", "proposer", "validation"];

/// Tenths of a second after the start.
pub(super) fn at(tenths: i64) -> Timestamp {
    Timestamp::from_ms(1_767_322_800_000 + tenths * 100)
}

pub(super) fn timeline() -> Vec<TimelineItem> {
    let mut lines: Vec<String> = LOG.trim().lines().map(str::to_owned).collect();
    let criteria = (0..24).map(|i| {
        let (at, rc, node) = (24_000 + i * 40, i % 8 + 1, NODES[i / 8]);
        format!("{at}|criterion.signed|carla@drill|SL|recover|rc{rc} signed for {node}/notary")
    });
    let opened = ["validation", "proposer", "notary"].iter().enumerate().flat_map(|(p, role)| {
        NODES.iter().enumerate().map(move |(i, node)| {
            let at = 30_000 + 9_000 * p + 300 * i;
            format!("{at}|gate.opened|{node}|AUT|open|{node} opened {role}")
        })
    });
    lines.extend(criteria.chain(opened));
    lines.extend(END.trim().lines().map(str::to_owned));
    lines.iter().zip(40..).map(|(line, index)| entry(index, line)).collect()
}

fn entry(index: u64, line: &str) -> TimelineItem {
    let fields: Vec<&str> = line.split('|').collect();
    let [time, kind, actor, role, tone, text] = fields[..] else { panic!("{line}") };
    let time: i64 = time.parse().unwrap();
    TimelineItem {
        index,
        at: at(time),
        recorded: at(time + 2),
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        role: role.to_owned(),
        text: text.to_owned(),
        tone: tone.to_owned(),
    }
}

/// Tenths of a second, kind, actor, role, tone, text.
const LOG: &str = "
840|signal.received|detector@node-a||alarm|second certificate for slot 42 seen
842|incident.opened|detector@node-a|AUT|alarm|incident opened in class consensus
843|gate.reported|node-a|AUT|stop|node-a closed its three gates by local rule
844|gate.reported|node-b|AUT|stop|node-b closed its three gates by local rule
845|gate.reported|node-c|AUT|stop|node-c closed its three gates by local rule
846|gate.reported|node-d|AUT|stop|node-d closed its three gates by local rule
900|attempt.refused|node-b|AUT|refused|signing a vote for 44/B refused: gate is shut
960|evidence.collected|elena@drill|SL|evidence|kept and verified: both certificates
967|evidence.collected|elena@drill|SL|evidence|kept and verified: branch A
974|evidence.collected|elena@drill|SL|evidence|kept and verified: branch B
981|evidence.collected|elena@drill|SL|evidence|kept and verified: votes of slot 42
988|evidence.collected|elena@drill|SL|evidence|kept and verified: sign state of node-a
995|evidence.collected|elena@drill|SL|evidence|kept and verified: committee proof
1400|severity.declared|ana@drill|IC|decide|SEV_5_CATASTROPHIC declared with bogdan@drill
1500|attempt.refused|dan@drill|RO|refused|quarantine of seats 0, 1, 2 refused
1900|measure.decided|ana@drill|IC|decide|local service halt of notary
9000|network.observed|node-a|AUT|alarm|partition healed; two hard-final tips exist
12000|replay.finished|runner@drill|AUT|recover|both branches replayed: match up to height 42
15000|attempt.refused|ana@drill|IC|refused|closing refused: review and restart are missing
21000|manifest.signed|bogdan@drill|CL|recover|restart manifest 2: height 42, three new seat keys
";

const END: &str = "
60000|review.recorded|florin@drill|AS|close|postmortem recorded with two reviewers
70000|incident.closed|ana@drill|IC|close|incident closed
";

pub(super) fn gates() -> Vec<GateLane> {
    let mut lanes = Vec::new();
    for (n, node) in NODES.iter().enumerate() {
        for (r, role) in ROLES.iter().enumerate() {
            let shut = at(843 + n as i64 + r as i64);
            let back = at(30_000 + 9_000 * (2 - r as i64) + 300 * n as i64);
            let span = |from, to, open, why: &str| GateSpan { from, to, open, why: why.to_owned() };
            lanes.push(GateLane {
                node: (*node).to_owned(),
                role: (*role).to_owned(),
                spans: vec![
                    span(at(0), shut, true, "manifest 1 in force"),
                    span(shut, at(21_000), false, "local rule: two certificates for one slot"),
                    span(at(21_000), back, false, "awaiting replay, criteria and its phase"),
                    span(back, at(72_000), true, "restart ticket of manifest 2"),
                ],
            });
        }
    }
    lanes
}

fn block(branch: &str, height: u64, label: &str, fate: &str) -> BlockNode {
    BlockNode {
        id: Digest::of(format!("{branch}{height}").as_bytes()),
        height,
        slot: height - 1,
        proposer: height % 7,
        notarized: true,
        label: label.to_owned(),
        fate: fate.to_owned(),
    }
}

pub(super) fn fork() -> Fork {
    let branch = |name: &str, tip: u64| Branch {
        name: name.to_owned(),
        blocks: (43..=tip)
            .map(|h| block(name, h, "disputed", "dropped, kept as evidence"))
            .collect(),
    };
    let certificate = |branch: &str, voters: &[u64]| CertificateNode {
        block: Digest::of(format!("{branch}43").as_bytes()),
        branch: branch.to_owned(),
        voters: voters.to_vec(),
    };
    Fork {
        slot: 42,
        trusted: block("T", 42, "hard_final", "trusted checkpoint"),
        branches: vec![branch("A", 84), branch("B", 82)],
        certificates: vec![certificate("A", &[0, 1, 2, 3, 4]), certificate("B", &[0, 1, 2, 5, 6])],
        common_signers: vec![0, 1, 2],
    }
}
