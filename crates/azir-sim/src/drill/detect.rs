//! From the fault to the open incident: nodes close their own gates, evidence is pinned, the
//! detector opens the incident, agents bring the gates' statements.

use azir_atlas::{SLOT_MS, Seat};
use azir_engine::Body;
use azir_engine::body::{EvidenceItems, IncidentOpened};
use azir_ledger::Timestamp;
use azir_model::evidence::{evidence_list_hash, scopes_hash};
use azir_model::vocab::NodeRole;
use azir_model::{IncidentClass, IncidentState, OpeningRecord, Profile, RunbookId, Severity};

use super::stage::{DETECTOR, Stage};
use super::{DrillError, RunPlan, collect};

/// Bound of annex I and D-045 for an automatic close, in milliseconds.
const CLOSE_MS_MAX: u64 = 1_000;

/// Runs until own nodes see two certificates for one slot, and the incident is open.
pub(super) fn until_detected(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    let split = run.splits_at().unwrap_or(0);
    stage.run_slots(split, "normal operation")?;
    let before = stage.world.node(Seat(3)).map_or(0, |n| n.hard_final().height);
    stage.check(
        "seen",
        "before the fault the chain finalizes and every gate is open",
        before > 0 && all_open(stage),
        format!("hard-final height {before} after {split} slots"),
    );
    stage.run_slots(run.heals_at - split, "the network is split")?;
    let mut waited = 0;
    while stage.detections.len() < stage.own_seats().len() && waited < 4 {
        stage.run_slots(1, "the split heals")?;
        waited += 1;
    }
    judge_detection(stage, run)?;
    open(stage)
}

fn all_open(stage: &Stage<'_>) -> bool {
    let gates = stage.gates.borrow();
    gates.names().all(|(node, role)| gates.is_open(node, *role))
}

fn judge_detection(stage: &mut Stage<'_>, run: &RunPlan) -> Result<(), DrillError> {
    let own = stage.own_seats().len();
    let Some(first) = stage.detections.iter().min_by_key(|d| d.seen_ms).cloned() else {
        return Err(DrillError::script("no node saw two certificates for one slot"));
    };
    let slowest = stage.detections.iter().map(|d| d.closed_ms - d.seen_ms).max().unwrap_or(0);
    let all = stage.detections.len() == own;
    let (slot, _) = stage.pair()?;
    stage.check(
        "seen",
        "two certificates of one slot verify on every own node",
        all,
        format!("slot {slot}, seen on {} of {own} nodes", stage.detections.len()),
    );
    stage.check(
        "decision",
        "each node closed its own verifier, proposer and notary gates within one second, without a server",
        all && slowest <= CLOSE_MS_MAX,
        format!("slowest {slowest} ms after the second certificate was seen"),
    );
    let healed = run.heals_at * SLOT_MS;
    let late = first.seen_ms.saturating_sub(healed);
    stage.check(
        "seen",
        "the symptom is provable on an own node within two slots of the healing",
        late <= 2 * SLOT_MS,
        format!("{late} ms after the split healed"),
    );
    Ok(())
}

/// The detector opens the incident, with what its node had pinned at that moment.
fn open(stage: &mut Stage<'_>) -> Result<(), DrillError> {
    let first = stage.detections.iter().min_by_key(|d| d.seen_ms).cloned();
    let first = first.ok_or_else(|| DrillError::script("nothing was detected"))?;
    let seat = seat_of(stage, &first.node)?;
    let mut evidence = collect::pins(stage, seat)?;
    evidence.sort();
    let (slot, pair) = stage.pair()?;
    let scopes = vec![format!("committee:{slot}/notary")];
    let opened_at = stage.now();
    let error = |e: azir_ledger::CanonError| DrillError::script(&e.to_string());
    let record = OpeningRecord {
        affected_scopes_hash: scopes_hash(scopes.iter().map(String::as_str)).map_err(error)?,
        current_response_profile: Profile::ObserveOnly,
        detected_by: format!("detector:{DETECTOR}"),
        detection_time: seen_at(stage, first.seen_ms),
        incident_class: IncidentClass::Consensus,
        initial_evidence_hash: evidence_list_hash(&evidence).map_err(error)?,
        metadata_hash: None,
        related_object_refs: collect::refs(&pair),
        related_runbook_id: RunbookId::Consensus,
        severity: Severity::Sev5Systemic,
        status: IncidentState::Detected,
    };
    let id = record.id().map_err(error)?;
    let body = Body::IncidentOpened(IncidentOpened { record, scopes, evidence, continues: None });
    stage.incident = Some(id);
    stage.machine(&format!("detector:{DETECTOR}"), &body)?;
    let opened_ms = opened_at.ms_since(seen_at(stage, first.seen_ms));
    stage.check(
        "seen",
        "the incident was opened within two slots of the first provable symptom",
        opened_ms <= i64::try_from(2 * SLOT_MS).unwrap_or(0),
        format!("{opened_ms} ms after it"),
    );
    for (seat, node) in stage.own_seats() {
        if node != first.node {
            pin_more(stage, seat, &node)?;
        }
        let gates: Vec<_> = NodeRole::ALL
            .iter()
            .filter(|r| **r != NodeRole::Agent)
            .map(|r| (node.clone(), *r))
            .collect();
        stage.state_gates(&gates)?;
        stage.observe(seat)?;
    }
    Ok(())
}

fn pin_more(stage: &mut Stage<'_>, seat: Seat, node: &str) -> Result<(), DrillError> {
    let items = collect::pins(stage, seat)?;
    let scope = format!("node:{node}");
    let body = Body::EvidencePinned(EvidenceItems { scope, items, verified_by: None });
    stage.machine(&format!("agent:{node}"), &body).map(|_| ())
}

pub(super) fn seat_of(stage: &Stage<'_>, node: &str) -> Result<Seat, DrillError> {
    let found = stage.own_seats().into_iter().find(|(_, n)| n == node);
    found.map(|(s, _)| s).ok_or_else(|| DrillError::script("unknown node"))
}

fn seen_at(stage: &Stage<'_>, ms: u64) -> Timestamp {
    stage.start.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
