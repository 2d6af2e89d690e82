//! What the tests of this crate share: the shipped runbook and facts of its drill.

use azir_ledger::{Digest, Timestamp};
use azir_model::Role;

use crate::consent::{approved, args_hash, plan_hash};
use crate::event::{
    Decided, EvidenceMap, EvidenceState, Finished, Intended, Outcome, Recorded, Requested,
    RunEvent, RunId, Started,
};
use crate::fact::{FactValue, Facts};
use crate::model::{Runbook, StepId, Work};
use crate::op::Op;
use crate::state::RunState;
use crate::walk::current;

pub(crate) const CONSENSUS: &str = include_str!("../../../runbooks/RB-CONSENSUS-001/v1.toml");

pub(crate) fn load_ok(text: &str) -> Runbook {
    crate::load(text, "v1.toml").unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn consensus() -> Runbook {
    load_ok(CONSENSUS)
}

pub(crate) fn started(runbook: &Runbook) -> Started {
    Started {
        incident: Digest::of(b"incident"),
        runbook: runbook.id(),
        version: runbook.version(),
        runbook_hash: runbook.hash(),
        mode: "drill:7".into(),
        ordinal: 1,
    }
}

pub(crate) fn run_id(runbook: &Runbook) -> RunId {
    started(runbook).run_id().unwrap()
}

pub(crate) fn by(at_s: i64, role: Role, event: RunEvent) -> Recorded {
    let actor = format!("operator:{}", role.as_str().to_lowercase());
    Recorded { at: Timestamp::from_ms(at_s * 1000), actor, role, event }
}

pub(crate) fn present(items: &[String]) -> EvidenceMap {
    let state = |id: &String| EvidenceState::Present { hashes: [Digest::of(id.as_bytes())].into() };
    items.iter().map(|id| (id.clone(), state(id))).collect()
}

pub(crate) fn intended(run: RunId, step: &str, op: Op, attempt: u32) -> RunEvent {
    let args_hash = Digest::of(b"args");
    RunEvent::Intended(Intended { run, step: StepId::from(step), op, args_hash, attempt })
}

pub(crate) fn finished(run: RunId, step: &str, attempt: Option<u32>, outcome: Outcome) -> RunEvent {
    let (step, evidence) = (StepId::from(step), EvidenceMap::new());
    RunEvent::Finished(Finished { run, step, attempt, outcome, evidence, note: None })
}

pub(crate) fn decided(run: RunId, step: &str, answer: &str) -> RunEvent {
    RunEvent::Decided(Decided {
        run,
        step: StepId::from(step),
        answer: answer.into(),
        rationale: "seen in the replay report".into(),
        evidence: EvidenceMap::new(),
        plan: None,
    })
}

/// The event with the hashes that follow from the runbook: of arguments, and of the plan voted on.
pub(crate) fn whole(state: &RunState, runbook: &Runbook, event: RunEvent) -> RunEvent {
    match event {
        RunEvent::Intended(mut event) => {
            if let Some(Work::Auto { args, .. }) = runbook.step(&event.step).map(|s| &s.work)
                && event.args_hash == Digest::of(b"args")
            {
                event.args_hash = args_hash(args);
            }
            RunEvent::Intended(event)
        }
        RunEvent::Decided(mut event) => {
            if let Some(step) = runbook.step(&event.step) {
                event.plan = event.plan.or(plan_hash(state, runbook, step));
            }
            RunEvent::Decided(event)
        }
        event => event,
    }
}

/// A request for consent at this approval, for an hour.
pub(crate) fn requested(state: &RunState, runbook: &Runbook, step: &str, at_s: i64) -> RunEvent {
    let step = runbook.step(&StepId::from(step)).unwrap();
    let plan = plan_hash(state, runbook, step).unwrap();
    let run = state.head().unwrap().id;
    let expires = Timestamp::from_ms((at_s + 3600) * 1000);
    RunEvent::Requested(Requested { run, step: step.id.clone(), plan, expires })
}

/// Before the first vote at an approval, somebody else asks for consent.
pub(crate) fn asked(
    state: &RunState,
    runbook: &Runbook,
    event: &RunEvent,
    at_s: i64,
) -> Option<Recorded> {
    let RunEvent::Decided(vote) = event else { return None };
    let step = runbook.step(&vote.step)?;
    let next = approved(runbook, step)?;
    let open = current(state, runbook).is_some_and(|s| s.id == step.id);
    if !open || state.step(&step.id).is_some_and(|r| r.request.is_some()) {
        return None;
    }
    let role = *next.roles.iter().chain(&step.roles).find(|r| **r != Role::Automatic)?;
    let event = requested(state, runbook, step.id.as_str(), at_s);
    Some(Recorded { actor: "operator:asker".to_owned(), ..by(at_s, role, event) })
}

/// Facts under which every step of the drill can be walked.
pub(crate) fn drill_facts(two_histories: bool) -> Facts {
    let yes = [
        "checkpoint_computed",
        "candidates_doubtful",
        "conflicting_notarization_verified",
        "damage_quiet",
        "disputed_label_shown",
        "double_sign_pair_verified",
        "fronts_equal",
        "incident_open",
        "measures_verified",
        "old_votes_refused",
        "own_outputs_closed",
        "replay_match",
        "restart_accepted",
        "restart_criteria_met",
        "restart_decision_valid",
        "restart_manifest_signed",
        "restrictions_revalidated",
        "roots_equal",
        "seats_replaced",
        "store_checksum_ok",
    ];
    let no = [
        "implementations_differ",
        "object_refused_by_all",
        "protocol_measure_effective",
        "rule_named",
        "validation_fault_unbounded",
    ];
    let mut facts = Facts::new();
    facts.extend(yes.map(|n| (n.to_owned(), FactValue::Bool(true))));
    facts.extend(no.map(|n| (n.to_owned(), FactValue::Bool(false))));
    facts.insert("conflicting_hard_final".into(), FactValue::Bool(two_histories));
    for (name, n) in [
        ("blast_rank", 4),
        ("hard_final_epochs_advanced", 2),
        ("phase_dwelt", 6),
        ("replay_implementations", 2),
    ] {
        facts.insert(name.into(), FactValue::Int(n));
    }
    facts
}
