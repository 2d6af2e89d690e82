//! How each event changes the view of its incident. Only assignments: whether an event may happen
//! is decided before (`admit`), so folding a log never refuses what was accepted.

use std::collections::{BTreeMap, BTreeSet};

use azir_ledger::{Digest, Event, SignedEvent, Timestamp};
use azir_model::approval::act_digest;
use azir_model::directive::GateStatement;
use azir_model::vocab::NodeRole;
use azir_model::{Choice, IncidentId, IncidentState, Profile, Role, Severity};
use azir_runbook::{Recorded, RunEvent};

use crate::body::{
    AttemptRefused, Body, DecisionRecorded, IncidentDeclared, IncidentOpened, MeasureCommanded,
    NetworkObserved, PostmortemPublished, RecoveryPlanned, ScopeChanged, SeverityCorrected,
    StateMoved,
};
use crate::view::{
    ApprovalRecord, AttemptRecord, CLOCK_SUSPECT_MS, ChangeRecord, DecisionRecord,
    DeclaredSeverity, DraftRecord, EntryRef, GateRecord, IncidentView, Mark, MeasureRecord, Moved,
    NetworkRecord, PlanRecord, PostmortemRecord, RecoveryStateRecord, ReplayRecord, RestartRecord,
};

mod keeping;

/// Where in the log an event stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Index.
    pub index: u64,
    /// The log's time.
    pub recorded: Timestamp,
}

/// Who acted, in which role, where in the log. A clock that is off is marked, never refused, and
/// order comes from the index (D-016). Implements R-7.1-4.
pub(crate) fn mark(event: &Event, at: Position) -> Mark {
    let role = event.role.as_deref().and_then(|r| r.parse::<Role>().ok());
    let off = at.recorded.ms_since(event.at).saturating_abs();
    Mark {
        by: event.actor.clone(),
        role,
        index: at.index,
        at: at.recorded,
        clock_suspect: off > CLOCK_SUSPECT_MS,
    }
}

/// Name of a gate or subsystem: `node/role`.
#[must_use]
pub fn subsystem(node: &str, role: NodeRole) -> String {
    format!("{node}/{role}")
}

/// The view of an incident at its opening; the record never changes again. Implements R-7.1-3 and
/// R-9.1-2.
#[must_use]
pub fn open(
    id: IncidentId,
    opened: &IncidentOpened,
    signed: &SignedEvent,
    at: Position,
) -> IncidentView {
    let event = signed.event();
    let record = &opened.record;
    let mut view = IncidentView {
        id,
        record: record.clone(),
        opened: mark(event, at),
        state: record.status,
        entered_height: 0,
        due: None,
        moves: Vec::new(),
        class: record.incident_class,
        secondary: BTreeSet::new(),
        duties: BTreeSet::from([record.incident_class]),
        severity: record.severity,
        peak: None,
        declared: None,
        declared_reason: None,
        declared_by_two: false,
        scopes: opened.scopes.clone(),
        blast: None,
        assessed: None,
        profile: record.current_response_profile,
        roles: BTreeMap::new(),
        runbook: None,
        run: azir_runbook::RunState::default(),
        run_events: Vec::new(),
        evidence: BTreeMap::new(),
        preserved: BTreeMap::new(),
        confirmations: BTreeMap::new(),
        decision: None,
        measures: BTreeMap::new(),
        gates: BTreeMap::new(),
        network: None,
        replay: None,
        checkpoint: None,
        plan: None,
        recovery: None,
        restarts: BTreeMap::new(),
        accepted: BTreeMap::new(),
        approvals: Vec::new(),
        drafts: Vec::new(),
        handed: BTreeMap::new(),
        withdrawn: BTreeMap::new(),
        resolution: None,
        severities: Vec::new(),
        sealed: BTreeSet::new(),
        custody: BTreeMap::new(),
        dropped: Vec::new(),
        removed: BTreeMap::new(),
        continues: opened.continues,
        unrecorded_restarts: BTreeMap::new(),
        changes: Vec::new(),
        readings: BTreeMap::new(),
        entries: Vec::new(),
        scopes_since: vec![(at.index, opened.scopes.clone())],
        cause: None,
        review: None,
        postmortem: None,
        attempts: Vec::new(),
        last_act: at.index,
    };
    for item in &opened.evidence {
        let slot = view.evidence.entry(item.item).or_default();
        slot.pinned = true;
        slot.held.push(item.clone());
    }
    view.entries.push(entry_ref(signed, at));
    view
}

fn entry_ref(signed: &SignedEvent, at: Position) -> EntryRef {
    let event = signed.event();
    EntryRef {
        index: at.index,
        event: signed.hash(),
        kind: event.kind.clone(),
        by: event.actor.clone(),
    }
}

/// Applies one event to the view of its incident.
pub fn advance(view: &mut IncidentView, signed: &SignedEvent, body: &Body, at: Position) {
    view.entries.push(entry_ref(signed, at));
    let event = signed.event();
    let mark = mark(event, at);
    if is_act(body) {
        view.last_act = at.index;
    }
    match body {
        Body::LogCreated(_)
        | Body::KeyRevoked(_)
        | Body::RunbookReleased(_)
        | Body::IncidentOpened(_)
        | Body::NoteAdded(_)
        | Body::StatusPublished(_)
        | Body::RestrictionsObserved(_)
        | Body::MandatesObserved(_)
        | Body::KeyListed(_)
        | Body::ReleaseBuilt(_)
        | Body::GovernanceObserved(_) => {}
        Body::ChangeRecorded(b) => view.changes.push(ChangeRecord { said: b.clone(), mark }),
        Body::IncidentDeclared(b) => declare(view, event, b, mark),
        Body::SeverityChanged(b) => {
            view.severity = b.severity;
            severity(view, b.severity, mark);
        }
        Body::SeverityCorrected(b) => correct(view, b, mark),
        Body::ScopeChanged(b) => scope(view, b, mark),
        Body::RunbookBound(b) => view.runbook = Some(b.clone()),
        Body::RoleAssigned(_)
        | Body::RoleAccepted(_)
        | Body::IncidentResolved(_)
        | Body::EvidencePinned(_)
        | Body::EvidenceCollected(_)
        | Body::EvidenceSettled(_)
        | Body::EvidencePreserved(_)
        | Body::EvidenceSealed(_)
        | Body::EvidenceHanded(_)
        | Body::EvidenceDropped(_)
        | Body::EvidenceRemoved(_)
        | Body::MeasureAcknowledged(_)
        | Body::MeasureHandedOver(_)
        | Body::ReadingStated(_)
        | Body::MeasureReleased(_) => keeping::keep(view, signed.event(), body, mark),
        Body::ConfirmationVerified(b) => {
            view.confirmations.insert(b.kind.clone(), b.object);
        }
        Body::StateMoved(b) => moved(view, b, mark),
        Body::DecisionRecorded(b) => decide(view, event, b, mark),
        Body::MeasureCommanded(b) => command(view, b, mark),
        Body::GateStated(b) => state_gate(view, &b.statement.body, mark, at),
        Body::NetworkObserved(b) => observe(view, b, signed.hash(), at),
        Body::AttemptRefused(b) => view.attempts.push(attempt(b, at)),
        Body::Run(b) => run(view, signed, b, mark),
        Body::ReplayReported(_)
        | Body::CheckpointPinned(_)
        | Body::RecoveryPlanned(_)
        | Body::RecoveryApproved(_)
        | Body::RecoveryProduced(_)
        | Body::RecoveryRecorded(_)
        | Body::CriterionSigned(_)
        | Body::RestartDecided(_)
        | Body::PhaseCarried(_)
        | Body::ApprovalGiven(_)
        | Body::DraftMade(_)
        | Body::ManifestAccepted(_)
        | Body::CauseStated(_)
        | Body::ReviewSigned(_)
        | Body::PostmortemPublished(_) => recover(view, signed, body, mark),
    }
}

/// The second half of [`advance`]: recovery, restart and closing.
fn recover(view: &mut IncidentView, signed: &SignedEvent, body: &Body, mark: Mark) {
    match body {
        Body::ReplayReported(b) => {
            view.replay = Some(ReplayRecord {
                report: b.report,
                verdict: b.verdict,
                families: b.families.clone(),
                checkpoint: b.checkpoint,
                mark,
            });
        }
        Body::CheckpointPinned(b) => view.checkpoint = Some(b.checkpoint),
        Body::RecoveryPlanned(b) => view.plan = Some(plan(b, signed, mark)),
        Body::RecoveryApproved(b) => {
            if let Some(plan) = view.plan.as_mut().filter(|p| p.event == b.plan) {
                plan.approved = Some(mark);
            }
        }
        Body::RecoveryProduced(b) => {
            if let Some(plan) = view.plan.as_mut() {
                plan.produced.insert(b.item.clone(), b.proof);
            }
        }
        Body::RecoveryRecorded(b) => {
            let statement = b.statement.clone();
            view.recovery = Some(RecoveryStateRecord { done: b.done, statement, report: b.report });
        }
        Body::CriterionSigned(b) => {
            let name = subsystem(&b.subsystem.node, b.subsystem.role);
            let restart = view.restarts.entry(name).or_default();
            restart.criteria.insert(b.criterion.to_string(), signed.hash());
            restart.criteria_by.insert(mark.by);
            // A decision quotes a digest of the criteria: a newer criterion ends it (D-104).
            restart.decision = None;
        }
        Body::RestartDecided(b) => {
            let name = subsystem(&b.subsystem.node, b.subsystem.role);
            let restart = view.restarts.entry(name).or_default();
            restart.decision = Some(signed.hash());
            restart.decided = Some(mark);
        }
        Body::PhaseCarried(b) => {
            let name = subsystem(&b.subsystem.node, b.subsystem.role);
            view.restarts.entry(name).or_default().carried = Some(mark);
        }
        Body::ApprovalGiven(b) => {
            view.approvals.push(ApprovalRecord { act: b.act, event: signed.hash(), mark });
        }
        Body::DraftMade(b) => view.drafts.push(DraftRecord {
            draft: b.draft,
            object: b.object,
            measure: b.measure.clone(),
            decision: view.decision.as_ref().map(|d| d.output),
            mark,
        }),
        Body::ManifestAccepted(b) => {
            view.accepted.insert(mark.by, b.manifest);
        }
        Body::CauseStated(b) => view.cause = Some(b.clone()),
        Body::ReviewSigned(_) => view.review = Some(mark),
        Body::PostmortemPublished(b) => published(view, signed, b, mark),
        _ => {}
    }
}

fn published(view: &mut IncidentView, signed: &SignedEvent, b: &PostmortemPublished, mark: Mark) {
    let act = act_of(signed.event());
    let others = view.approvals.iter().filter(|a| a.act == act);
    let mut signed_by: BTreeSet<Role> = others.filter_map(|a| a.mark.role).collect();
    signed_by.extend(mark.role);
    view.postmortem = Some(PostmortemRecord {
        document: b.document,
        kinds: b.kinds.clone(),
        conformance: b.conformance.clone(),
        embargo: b.embargo.clone(),
        first: view.postmortem.as_ref().map_or(mark.at, |p| p.first),
        signed_by,
        mark,
    });
}

fn act_of(event: &Event) -> Digest {
    act_digest(&event.kind, event.subject, &event.body)
}

/// Who approved this act before it was submitted: another person where there is one, else the
/// author, which counts in a small deployment only (D-048).
fn second<'v>(view: &'v IncidentView, event: &Event) -> Option<&'v String> {
    let act = act_of(event);
    let given = || view.approvals.iter().filter(|a| a.act == act).map(|a| &a.mark.by);
    given().find(|by| **by != event.actor).or_else(|| given().next())
}

/// How the guard `audit` begins its explanation (annex B).
const AUDIT_GUARD: &str = "audit: ";

fn attempt(b: &AttemptRefused, at: Position) -> AttemptRecord {
    AttemptRecord {
        attempted: b.attempted.clone(),
        actor: b.actor.clone(),
        kinds: b.unmet.iter().map(|u| u.kind.to_string()).collect(),
        audit_gap: b.unmet.iter().map(|u| &u.what).find(|w| w.starts_with(AUDIT_GUARD)).cloned(),
        index: at.index,
    }
}

/// A transition. What an earlier round proved does not prove the next one: going back voids the
/// plan, the recovery, the review and every restart decision (D-038, D-104).
fn moved(view: &mut IncidentView, b: &StateMoved, mark: Mark) {
    view.moves.push(Moved { from: b.from, to: b.to, mark });
    view.state = b.to;
    view.entered_height = view.network.as_ref().map_or(0, |n| n.newest.hard_final.height);
    view.due = b.due.or(view.due);
    match (b.from, b.to) {
        (IncidentState::Closed | IncidentState::PostmortemPending, IncidentState::Triaged) => {
            go_back(view);
            view.decision = None;
            view.postmortem = None;
            view.due = None;
            view.resolution = None;
            view.replay = None;
            view.checkpoint = None;
            view.cause = None;
            view.handed.clear();
            view.withdrawn.clear();
        }
        (IncidentState::Confirmed, IncidentState::Containing) => {}
        (_, IncidentState::Containing)
        | (IncidentState::Recovering, IncidentState::Stabilized)
        | (IncidentState::Monitoring, IncidentState::Recovering) => go_back(view),
        (_, _) => {}
    }
}

fn go_back(view: &mut IncidentView) {
    let recovering = view.state == IncidentState::Recovering;
    match &mut view.plan {
        // A check failed: the plan stands, and its items have to be shown again.
        Some(plan) if recovering => plan.produced.clear(),
        plan => *plan = None,
    }
    view.recovery = None;
    view.review = None;
    let contained = view.state == IncidentState::Containing;
    for restart in view.restarts.values_mut() {
        let carried = restart.carried.take().filter(|_| !contained);
        *restart = RestartRecord { carried, ..RestartRecord::default() };
    }
    if contained {
        // New damage: what an earlier replay matched says nothing about it.
        view.replay = None;
        // What came back is no longer contained: its measure holds again once the gate says so.
        for measure in view.measures.values_mut().filter(|m| m.released.is_none()) {
            let gates = &view.gates;
            let open =
                |r: &NodeRole| gates.get(&subsystem(&measure.node, *r)).is_some_and(|g| g.open);
            let (out, held) = measure.acknowledged.iter().copied().partition(open);
            measure.acknowledged = held;
            measure.lost.extend::<BTreeSet<_>>(out);
        }
    }
}

/// Acts of people or rules that make an older view stale (`stale_view`).
fn is_act(body: &Body) -> bool {
    matches!(
        body,
        Body::IncidentOpened(_)
            | Body::IncidentDeclared(_)
            | Body::SeverityChanged(_)
            | Body::StateMoved(_)
            | Body::DecisionRecorded(_)
            | Body::RecoveryPlanned(_)
    )
}

fn declare(view: &mut IncidentView, event: &Event, b: &IncidentDeclared, mark: Mark) {
    view.declared_by_two = declared_by_two(view, event);
    view.class = b.class;
    view.secondary = b.secondary.iter().copied().collect();
    view.duties.insert(b.class);
    view.duties.extend(&b.secondary);
    view.severity = b.severity;
    severity(view, b.severity, mark.clone());
    view.scopes = b.scopes.clone();
    view.scopes_since.push((mark.index, b.scopes.clone()));
    view.blast = Some(b.blast.clone());
    view.assessed = None;
    view.declared = Some(mark);
    view.declared_reason = b.reason.clone();
}

/// Two people in roles that declare (annex C row 3, annex F A4).
fn declared_by_two(view: &IncidentView, event: &Event) -> bool {
    let act = act_of(event);
    let declares = |role: Role| matches!(role, Role::OnCallOperator | Role::IncidentCommander);
    let mut given = view.approvals.iter().filter(|a| a.act == act && a.mark.by != event.actor);
    given.any(|a| a.mark.role.is_some_and(declares))
}

/// A severity that a person declared. Duties follow the highest one (D-030).
fn severity(view: &mut IncidentView, severity: Severity, mark: Mark) {
    view.severities.push(DeclaredSeverity { severity, wrong: false, mark });
    view.peak = view.peak.max(Some(severity));
}

/// Two people called a declaration wrong: it stays in the record and leaves the peak.
fn correct(view: &mut IncidentView, b: &SeverityCorrected, mark: Mark) {
    for declared in view.severities.iter_mut().filter(|d| d.mark.index == b.entry) {
        declared.wrong = true;
    }
    view.severity = b.severity;
    view.severities.push(DeclaredSeverity { severity: b.severity, wrong: false, mark });
    view.peak = view.severities.iter().filter(|d| !d.wrong).map(|d| d.severity).max();
}

fn scope(view: &mut IncidentView, b: &ScopeChanged, mark: Mark) {
    view.scopes = b.scopes.clone();
    view.scopes_since.push((mark.index, b.scopes.clone()));
    view.blast = Some(b.blast.clone());
    view.assessed = b.assessed.as_ref().map(|_| mark);
}

fn decide(view: &mut IncidentView, event: &Event, b: &DecisionRecorded, mark: Mark) {
    let seconded = second(view, event).is_some();
    // A request that was withdrawn may be asked for again.
    view.withdrawn.clear();
    view.profile = b.profile;
    view.decision = Some(DecisionRecord {
        input: b.input,
        output: b.output,
        profile: b.profile,
        recommended: b.recommended,
        residual_accepted: b.residual_accepted,
        residual: b.residual.clone(),
        apply: b.apply.clone(),
        requested: b.requested.clone(),
        observe_only: b.observe_only,
        override_reason: b.override_reason.clone(),
        seconded,
        mark,
    });
    if view.profile == Profile::ForensicOnly {
        view.duties.insert(view.class);
    }
}

fn command(view: &mut IncidentView, b: &MeasureCommanded, mark: Mark) {
    let closed = |role: &NodeRole| {
        view.gates.get(&subsystem(&b.node, *role)).is_some_and(|g| !g.open && g.latched)
    };
    let record = MeasureRecord {
        choice: b.choice,
        node: b.node.clone(),
        roles: b.roles.clone(),
        peers: b.peers.clone(),
        carried: None,
        commanded: mark,
        acknowledged: b.roles.iter().copied().filter(closed).collect(),
        lost: BTreeSet::new(),
        released: None,
    };
    view.measures.insert(b.measure.clone(), record);
    // A restart decided before this stop knew nothing of it.
    for role in &b.roles {
        if let Some(restart) = view.restarts.get_mut(&subsystem(&b.node, *role)) {
            restart.decision = None;
        }
    }
}

/// The record of a gate after a statement; `since` moves only when the gate changed state.
#[must_use]
pub fn gate_record(
    statement: &GateStatement,
    at: Position,
    known: &BTreeMap<String, GateRecord>,
) -> (String, GateRecord) {
    let name = subsystem(&statement.node, statement.role);
    let open = !statement.gate.is_closed();
    let before = known.get(&name);
    let since = before.filter(|g| g.open == open).map_or(at.recorded, |g| g.since);
    let mut ran = before.map_or_else(Vec::new, |g| g.ran.clone());
    ran.extend(statement.running.filter(|now| ran.last() != Some(now)));
    let record = GateRecord {
        open,
        latched: !statement.latch.is_empty(),
        key: statement.key,
        served: statement.signed.saturating_add(statement.denied),
        seen_log: statement.seen_log.map_or(0, |log| log.size),
        sequence: statement.sequence,
        said: statement.at,
        since,
        stated: at.recorded,
        ran,
    };
    (name, record)
}

/// A gate that has served less than before was started anew: without a preservation receipt of its
/// node that is an unrecorded restart (annex O 1). Implements R-40.0-1.
///
/// A gate's own closure under no command is an automatic measure of the incident (D-084). A gate
/// that opens although no restart decision was carried out has lost its measure (D-038).
fn state_gate(view: &mut IncidentView, statement: &GateStatement, mark: Mark, at: Position) {
    let (name, record) = gate_record(statement, at, &view.gates);
    let (node, role) = (&statement.node, statement.role);
    let before = view.gates.get(&name);
    let preserved = view.preserved.contains_key(&format!("node:{node}"));
    if view.is_open() && !preserved && before.is_some_and(|g| record.served < g.served) {
        view.unrecorded_restarts.insert(name.clone(), at.index);
    }
    let carried = view.restarts.get(&name).is_some_and(|r| r.carried.is_some());
    let covers =
        |m: &MeasureRecord| m.released.is_none() && m.node == *node && m.roles.contains(&role);
    if record.open && !carried {
        for measure in view.measures.values_mut().filter(|m| covers(m)) {
            if measure.acknowledged.remove(&role) {
                measure.lost.insert(role);
            }
        }
    }
    if !record.open && record.latched {
        let mut covered = false;
        for measure in view.measures.values_mut().filter(|m| covers(m)) {
            measure.acknowledged.insert(role);
            measure.lost.remove(&role);
            covered = true;
        }
        if !covered {
            // D-061: the label follows the measure; stopping a proposer is a reduction of 11.1.
            let choice = match role {
                NodeRole::Proposer => Choice::LocalDegraded,
                _ => Choice::LocalServiceHalt,
            };
            let measure = MeasureRecord {
                choice,
                node: node.clone(),
                roles: vec![role],
                peers: Vec::new(),
                carried: None,
                commanded: mark,
                acknowledged: BTreeSet::from([role]),
                lost: BTreeSet::new(),
                released: None,
            };
            view.measures.insert(format!("auto:{name}"), measure);
        }
    }
    view.gates.insert(name, record);
}

fn observe(view: &mut IncidentView, b: &NetworkObserved, event: Digest, at: Position) {
    let before = view.network.take();
    let height = b.hard_final.height;
    let (damaged, damaged_by, damaged_height) = if b.damage > 0 {
        (Some(at.recorded), Some(event), height)
    } else {
        before.map_or((None, None, height), |n| (n.damaged, n.damaged_by, n.damaged_height))
    };
    view.network = Some(NetworkRecord {
        newest: b.clone(),
        at: at.recorded,
        damaged,
        damaged_by,
        damaged_height,
    });
}

fn plan(b: &RecoveryPlanned, signed: &SignedEvent, mark: Mark) -> PlanRecord {
    PlanRecord {
        event: signed.hash(),
        mode: b.mode,
        scope: b.scope.clone(),
        entry: b.entry.clone(),
        outputs: b.outputs.clone(),
        exits: b.exits.clone(),
        destroys: b.destroys.clone(),
        subsystems: b.subsystems.clone(),
        prepared: mark,
        approved: None,
        produced: BTreeMap::new(),
    }
}

fn run(view: &mut IncidentView, signed: &SignedEvent, event: &RunEvent, mark: Mark) {
    let role = mark.role.unwrap_or(Role::Automatic);
    let recorded = Recorded { at: mark.at, actor: mark.by, role, event: event.clone() };
    azir_runbook::apply(&mut view.run, &recorded);
    view.run_events.push(signed.hash());
}
