//! What each kind of event is, in words for people.

/// Kinds of events and what they say.
const TITLES: &[(&str, &str)] = &[
    ("approval.given", "a second person approves one act"),
    ("attempt.refused", "the server records a refused attempt"),
    ("cause.stated", "state what is known of the cause"),
    ("change.recorded", "record a change of what an own node runs or holds"),
    ("checkpoint.pinned", "pin the computed trusted checkpoint"),
    ("confirmation.verified", "name the object that confirms the incident"),
    ("criterion.signed", "sign a restart criterion"),
    ("decision.recorded", "record the containment decision"),
    ("deviation.settled", "say what becomes of a deviation"),
    ("draft.made", "draft a protocol object for its own authority"),
    ("evidence.collected", "collect evidence: gathered and stored"),
    ("evidence.dropped", "record what a node dropped under its budget"),
    ("evidence.handed", "record that a piece changed hands"),
    ("evidence.pinned", "pin evidence: hold and hash what exists now"),
    ("evidence.preserved", "give the preservation receipt of a scope"),
    ("evidence.removed", "remove pieces whose time is over, leaving tombstones"),
    ("evidence.sealed", "seal pieces: shown by hash and size alone"),
    ("evidence.settled", "end a checklist item that has no content"),
    ("gate.stated", "a gate says what it is"),
    ("governance.observed", "a node tells what it verified of governance"),
    ("incident.declared", "declare class, severity, scope and blast radius"),
    ("incident.opened", "open an incident"),
    ("incident.resolved", "state how the incident is to be resolved"),
    ("key.listed", "list guarded keys as compromised: no gate opens with them"),
    ("key.revoked", "revoke a key"),
    ("log.created", "begin a log"),
    ("mandates.observed", "a node tells which mandates are finalized"),
    ("manifest.accepted", "accept a restart manifest"),
    ("measure.acknowledged", "a node says that it applies a measure"),
    ("measure.commanded", "close gates of an own node"),
    ("measure.handed_over", "hand a measure over to an owner or object"),
    ("measure.released", "end a local measure"),
    ("network.observed", "a node tells what it verified of the network"),
    ("note.added", "add a note"),
    ("phase.carried", "carry out a decided re-enable phase"),
    ("postmortem.published", "publish the postmortem"),
    ("reading.stated", "say what is read of facts that a runbook asks for"),
    ("recovery.approved", "approve the recovery plan"),
    ("recovery.planned", "plan the recovery"),
    ("recovery.produced", "show an output or exit criterion of the plan"),
    ("recovery.recorded", "record the recovery state"),
    ("release.built", "a builder says what it got from a source"),
    ("replay.reported", "report a replay"),
    ("restart.decided", "decide the restart of a role"),
    ("restrictions.observed", "a node tells which restrictions are finalized"),
    ("review.signed", "sign the closure review"),
    ("role.accepted", "accept a role"),
    ("role.assigned", "assign a role"),
    ("run.deviation", "leave the path of the runbook, with reason"),
    ("run.ended", "end the run of the runbook"),
    ("run.migrated", "let a run go over to another version"),
    ("run.started", "start the run of the runbook"),
    ("runbook.bound", "bind the lead runbook"),
    ("runbook.released", "release a version of a runbook"),
    ("scope.changed", "change scopes and blast radius"),
    ("severity.changed", "raise or lower the severity"),
    ("severity.corrected", "correct an earlier severity"),
    ("state.moved", "move the incident to another state"),
    ("status.published", "publish a status text"),
    ("step.deadline_fired", "the deadline of a step has passed"),
    ("step.decided", "answer a decision or approval of the runbook"),
    ("step.escalated", "the server calls the next role"),
    ("step.finished", "attest the outcome of a step"),
    ("step.intended", "begin an automatic step"),
    ("step.requested", "ask for consent at an approval"),
    ("step.uncertain", "what became of a step is not known"),
    ("step.undone", "say that a step was taken back"),
];

/// What an event of this kind says; the kind itself where it has no words yet.
pub(crate) fn title(kind: &str) -> &str {
    TITLES.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, title)| title)
}

#[cfg(test)]
mod tests {
    use azir_engine::Body;
    use azir_runbook::event::RunEventKind;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_run_event_has_its_words() {
        assert!(TITLES.is_sorted());
        let runs = RunEventKind::ALL.iter().map(|k| k.as_str());
        let known = ["role.assigned", "decision.recorded"].into_iter().chain(runs);
        assert!(known.into_iter().all(|kind| title(kind) != kind));
        let named = TITLES.iter().filter(|(kind, _)| Body::KINDS.contains(kind)).count();
        assert_eq!(named + RunEventKind::ALL.len(), TITLES.len(), "a kind that does not exist");
    }

    #[test]
    fn every_kind_of_event_has_its_words() {
        let bare: Vec<_> = Body::KINDS.iter().filter(|kind| title(kind) == **kind).collect();
        assert!(bare.is_empty(), "no words for {bare:?}");
    }
}
