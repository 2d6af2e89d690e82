//! What open runbook runs owe at a time: deadlines that passed, and rungs of the escalation ladder
//! that were reached. The server records both; neither approves, releases or acts (24.1, 29.1).

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::Timestamp;
use azir_model::IncidentId;
use azir_model::evidence::Item;
use azir_model::vocab::NodeRole;
use azir_runbook::event::{DeadlineFired, Escalated, EvidenceMap, EvidenceState};
use azir_runbook::{FactValue, Op, RunEvent, Step, deadline, escalations, walk};

use crate::body::{DraftKind, SettledState};
use crate::engine::Objects;
use crate::evidence;
use crate::fold::subsystem;
use crate::state::State;
use crate::view::IncidentView;

/// How the occasion of a status ends that is guidance: it needs scope, label and end (15.2).
const GUIDANCE: &str = "_guidance";

/// Events that the server records now, one for each run at most, so that each is judged on what
/// the one before it made. A run whose runbook is not held owes nothing that could be told.
#[must_use]
pub fn owed(state: &State, now: Timestamp, objects: &dyn Objects) -> Vec<(IncidentId, RunEvent)> {
    let open =
        state.incidents.values().filter(|v| v.run.head().is_some() && v.run.ended().is_none());
    open.filter_map(|view| next(state, view, now, objects).map(|event| (view.id, event))).collect()
}

fn next(
    state: &State,
    view: &IncidentView,
    now: Timestamp,
    objects: &dyn Objects,
) -> Option<RunEvent> {
    let run = view.run.head()?.id;
    let bound = view.runbook.as_ref()?;
    let book = state.parsed.runbook(bound.object, &objects.get(&bound.object)?).ok()?;
    if view.run.head()?.started.runbook_hash != book.hash() {
        return None;
    }
    if deadline(&view.run, &book).is_some_and(|due| now >= due) {
        let step = walk::current(&view.run, &book)?.id.clone();
        return Some(RunEvent::DeadlineFired(DeadlineFired { run, step }));
    }
    let (step, rung) = escalations(&view.run, &book, now).into_iter().next()?;
    let (rung, role) = (rung.id.clone(), rung.role);
    Some(RunEvent::Escalated(Escalated { run, step, rung, role }))
}

/// Whether the effect of an operation that was intended at `since` stands in the log: its result is
/// recorded, not wished (D-115). Implements R-15.2-4 and R-15.2-5.
#[must_use]
pub fn stands(
    state: &State,
    view: &IncidentView,
    op: Op,
    args: &BTreeMap<String, FactValue>,
    since: Timestamp,
) -> bool {
    let drafted = |kind: DraftKind| view.drafts.iter().any(|d| d.draft == kind);
    let produced = |item: &str| view.plan.as_ref().is_some_and(|p| p.produced.contains_key(item));
    match op {
        Op::EvidencePin => evidence::pins_missing(view).is_empty(),
        Op::GateClose => gates(state, args, false),
        Op::RoleReopen => gates(state, args, true),
        Op::EvidenceCollect => {
            view.evidence.get(&Item::EvidenceObjects).is_some_and(|r| r.collected)
        }
        Op::ReplayRun => view.replay.is_some(),
        Op::CheckpointCompute => view.checkpoint.is_some(),
        Op::FraudProofDraft => drafted(DraftKind::FraudProof),
        Op::SeatReplacementDraft => drafted(DraftKind::SeatReplacement),
        Op::RestartManifestDraft => drafted(DraftKind::RestartManifest),
        Op::OwnerPathDraft => owner_path(args).into_iter().any(drafted),
        Op::GovernanceRecompute => !state.governance.is_empty(),
        Op::BranchReset => produced("dropped_candidates_listed"),
        Op::StoreQuarantine => produced("damaged_store_set_aside"),
        Op::StoreRebuild => produced("rebuilt_store"),
        Op::ReleaseInstall => produced("release_installed"),
        Op::StatusPublish => {
            let guides =
                matches!(args.get("occasion"), Some(FactValue::Text(o)) if o.ends_with(GUIDANCE));
            let said = state.statuses.iter().filter(|s| s.mark.at >= since);
            said.filter(|s| !guides || s.said.guidance.is_some()).count() > 0
        }
    }
}

/// The drafts that an operation of the owner path may stand for.
fn owner_path(args: &BTreeMap<String, FactValue>) -> Vec<DraftKind> {
    let Some(FactValue::Text(kind)) = args.get("kind") else {
        return vec![DraftKind::KeyRevocation, DraftKind::MandateMode, DraftKind::Challenge];
    };
    match kind.as_str() {
        "key_revocation" => vec![DraftKind::KeyRevocation],
        "key_rotation" => vec![DraftKind::KeyRotation],
        "mandate_mode" => vec![DraftKind::MandateMode],
        "challenge" => vec![DraftKind::Challenge],
        _ => vec![],
    }
}

/// Every own gate of the named roles is in this state by its newest statement.
fn gates(state: &State, args: &BTreeMap<String, FactValue>, open: bool) -> bool {
    let Some(FactValue::Text(text)) = args.get("roles") else { return false };
    let roles: Vec<NodeRole> = text.split_whitespace().filter_map(|r| r.parse().ok()).collect();
    let nodes = || state.policy.iter().flat_map(|p| &p.nodes);
    let held = |role: &NodeRole| {
        nodes()
            .filter(|n| n.roles.contains(role))
            .all(|n| state.gates.get(&subsystem(&n.node, *role)).is_some_and(|g| g.open == open))
    };
    !roles.is_empty() && roles.iter().all(held)
}

/// What the incident holds for the checklist items of a step, in the states of D-054. An item of
/// which it holds nothing and says nothing is left out.
#[must_use]
pub fn evidence_of(view: &IncidentView, step: &Step) -> EvidenceMap {
    let state = |name: &String| {
        let record = view.evidence.get(&name.parse::<Item>().ok()?)?;
        let hashes: BTreeSet<_> = record.held.iter().map(|d| d.hash).collect();
        if !hashes.is_empty() {
            return Some((name.clone(), EvidenceState::Present { hashes }));
        }
        let settled = record.settled.as_ref()?;
        let reason = settled.reason.clone();
        let state = match settled.state {
            SettledState::NotApplicable => EvidenceState::NotApplicable { reason },
            SettledState::Unavailable => {
                let entry = view.entries.iter().find(|e| e.index == settled.mark.index)?;
                EvidenceState::Waived { waiver: entry.event }
            }
        };
        Some((name.clone(), state))
    };
    step.evidence.iter().filter_map(state).collect()
}
