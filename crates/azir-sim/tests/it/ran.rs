//! Runs of the drill, each made once and shared by all tests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use azir_engine::Objects;
use azir_ledger::{Digest, Entry, Roster};
use azir_sim::deployment::NoJournal;
use azir_sim::drill;
use azir_sim::report::{Check, DrillReport};

pub(crate) const DRILL: &str = "conflicting-notarization";

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) report: DrillReport,
    pub(crate) entries: Vec<Entry>,
    pub(crate) vault: Vault,
    pub(crate) root: Digest,
    pub(crate) roster: Roster,
    pub(crate) record: Vec<u8>,
    pub(crate) stages: Vec<String>,
}

/// Content by hash.
#[derive(Clone)]
pub(crate) struct Vault(pub(crate) BTreeMap<Digest, Vec<u8>>);

impl Objects for Vault {
    fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.get(digest).cloned()
    }
}

/// Plays a run; a drill that stops is a failed test.
pub(crate) fn play(run: &str, seed: u64) -> Ran {
    let plan = drill::plan(DRILL).unwrap();
    let found = plan.runs.iter().find(|r| r.name == run).unwrap();
    let mut stages = Vec::new();
    let mut progress = |what: &str, _: u64, _: u64| {
        if stages.last().is_none_or(|last| last != what) {
            stages.push(what.to_owned());
        }
    };
    let ended = drill::run(&plan, found, seed, Box::new(NoJournal), &mut progress);
    let outcome = ended.unwrap_or_else(|e| panic!("{run} run, seed {seed}: {e}"));
    Ran {
        entries: outcome.plane.entries().to_vec(),
        vault: Vault(outcome.plane.vault().clone()),
        root: outcome.plane.tree().root(),
        report: outcome.report,
        roster: outcome.roster,
        record: outcome.record,
        stages,
    }
}

pub(crate) static SHORT_1: LazyLock<Ran> = LazyLock::new(|| play("short", 1));
pub(crate) static LONG_1: LazyLock<Ran> = LazyLock::new(|| play("long", 1));
pub(crate) static SHORT_7: LazyLock<Ran> = LazyLock::new(|| play("short", 7));
pub(crate) static LONG_7: LazyLock<Ran> = LazyLock::new(|| play("long", 7));
pub(crate) static SHORT_42: LazyLock<Ran> = LazyLock::new(|| play("short", 42));
pub(crate) static LONG_42: LazyLock<Ran> = LazyLock::new(|| play("long", 42));
pub(crate) static SHORT_MAX: LazyLock<Ran> = LazyLock::new(|| play("short", u64::MAX));
pub(crate) static LONG_MAX: LazyLock<Ran> = LazyLock::new(|| play("long", u64::MAX));

/// Both runs of seed 7.
pub(crate) fn both() -> [&'static Ran; 2] {
    [&SHORT_7, &LONG_7]
}

impl Ran {
    /// The check with this claim: a claim that the drill no longer makes fails too.
    pub(crate) fn holds(&self, claim: &str) -> &Check {
        let found = self.report.checks.iter().find(|c| c.claim == claim);
        let check = found.unwrap_or_else(|| panic!("{} run makes no claim {claim:?}", self.name()));
        assert!(check.passed, "{} run: {claim}: {}", self.name(), check.detail);
        check
    }

    pub(crate) fn name(&self) -> &str {
        &self.report.run
    }

    /// Index and body of every event of a kind, in order.
    pub(crate) fn events(&self, kind: &str) -> Vec<(u64, &serde_json::Value)> {
        let of_kind = self.entries.iter().filter(|e| e.signed.event().kind == kind);
        of_kind.map(|e| (e.meta.index, &e.signed.event().body)).collect()
    }

    /// Index of the first event of a kind.
    pub(crate) fn first(&self, kind: &str) -> u64 {
        self.events(kind).first().unwrap_or_else(|| panic!("no {kind}")).0
    }

    /// When a gate shut for the incident, and when it opened again, if it did.
    pub(crate) fn shut(&self, node: &str, role: &str) -> Option<(i64, Option<i64>)> {
        let lane = self.report.gates.iter().find(|l| l.node == node && l.role == role).unwrap();
        let start = self.report.span.0;
        let at = lane.spans.iter().position(|s| !s.open && s.from != start)?;
        let opened = lane.spans.get(at + 1).map(|s| s.from.ms_since(start));
        Some((lane.spans[at].from.ms_since(start), opened))
    }
}
