//! Entries of the log in words, for timelines, pages and terminals. Nothing decides by them.

use azir_model::Role;
use azir_runbook::{FactValue, RunEvent};

use crate::body::{Body, DraftKind};

azir_model::wire_enum! {
    /// What an entry does, for the colour and the sign beside it in a timeline.
    pub enum Tone {
        /// Something is wrong.
        Alarm = "alarm",
        /// Something stops.
        Stop = "stop",
        /// Somebody was refused.
        Refused = "refused",
        /// Evidence.
        Evidence = "evidence",
        /// Somebody decides.
        Decide = "decide",
        /// Something opens.
        Open = "open",
        /// Replay and recovery.
        Recover = "recover",
        /// Review and postmortem.
        Close = "close",
        /// Everything else.
        Plain = "plain",
    }
}

/// The tone of an entry.
#[must_use]
pub fn tone(body: &Body) -> Tone {
    match body {
        Body::IncidentOpened(_) | Body::ConfirmationVerified(_) => Tone::Alarm,
        Body::GateStated(b) if b.statement.body.gate.is_closed() => Tone::Stop,
        Body::MeasureCommanded(_) | Body::KeyListed(_) => Tone::Stop,
        Body::AttemptRefused(_) => Tone::Refused,
        Body::EvidencePinned(_)
        | Body::EvidenceCollected(_)
        | Body::EvidenceSettled(_)
        | Body::EvidenceSealed(_)
        | Body::EvidenceHanded(_)
        | Body::EvidenceDropped(_)
        | Body::EvidenceRemoved(_)
        | Body::EvidencePreserved(_) => Tone::Evidence,
        Body::DecisionRecorded(_)
        | Body::IncidentDeclared(_)
        | Body::SeverityChanged(_)
        | Body::SeverityCorrected(_)
        | Body::ScopeChanged(_)
        | Body::IncidentResolved(_) => Tone::Decide,
        Body::GateStated(b) if b.statement.body.role.signs() => Tone::Open,
        Body::PhaseCarried(_) => Tone::Open,
        Body::ReplayReported(_)
        | Body::CheckpointPinned(_)
        | Body::RecoveryPlanned(_)
        | Body::RecoveryApproved(_)
        | Body::RecoveryProduced(_)
        | Body::RecoveryRecorded(_)
        | Body::CriterionSigned(_)
        | Body::RestartDecided(_)
        | Body::ManifestAccepted(_) => Tone::Recover,
        Body::ReviewSigned(_) | Body::PostmortemPublished(_) => Tone::Close,
        _ => Tone::Plain,
    }
}

/// What an entry says, for people.
#[must_use]
pub fn of(body: &Body) -> String {
    match body {
        Body::LogCreated(b) => format!(
            "log begins: {} people, {} machines, {} nodes",
            b.policy.people.len(),
            b.policy.machines.len(),
            b.policy.nodes.len()
        ),
        Body::IncidentOpened(b) => format!(
            "incident opened: {} {}, proposed {}",
            b.record.incident_class,
            b.scopes.join(" "),
            b.record.severity
        ),
        Body::NoteAdded(b) => b.text.clone(),
        Body::RoleAssigned(b) => format!("{} is given to {}", role(b.role), b.person),
        Body::RoleAccepted(b) => format!("accepts: {}", role(b.role)),
        Body::IncidentDeclared(b) => {
            format!("declares {} {}, blast rank {}", b.class, b.severity, b.blast.rank.value())
        }
        Body::SeverityChanged(b) => format!("severity {}: {}", b.severity, b.reason),
        Body::SeverityCorrected(b) => {
            format!("entry {} was wrong, severity {}: {}", b.entry, b.severity, b.reason)
        }
        Body::ScopeChanged(b) => {
            let what = if b.assessed.is_some() { "assesses " } else { "" };
            format!("{what}blast rank {}, scopes {}", b.blast.rank.value(), b.scopes.join(" "))
        }
        Body::IncidentResolved(b) => format!("resolved as {}: {}", b.resolution, b.reason),
        Body::RunbookBound(b) => format!("runbook {} version {} bound", b.id, b.version),
        Body::EvidencePinned(b) => format!("pins {} items of {}", b.items.len(), b.scope),
        Body::EvidenceCollected(b) => format!("collects {} items of {}", b.items.len(), b.scope),
        Body::EvidenceSettled(b) => format!("{} ends without content: {}", b.item, b.reason),
        Body::EvidencePreserved(b) => format!("preservation receipt for {}", b.scope),
        Body::ConfirmationVerified(b) => format!("verified: {}", b.kind),
        Body::StateMoved(b) => format!(
            "{} -> {}{}",
            b.from,
            b.to,
            b.reason.as_ref().map_or(String::new(), |r| format!(" ({r})"))
        ),
        Body::DecisionRecorded(b) => {
            format!("decision recorded: {} declared, {} recommended", b.profile, b.recommended)
        }
        Body::MeasureCommanded(b) => {
            format!("orders {} on {}: {}", b.choice, b.node, names(&b.roles))
        }
        Body::MeasureReleased(b) => format!("measure {} released: {}", b.measure, b.reason),
        Body::GateStated(b) => {
            let s = &b.statement.body;
            let state = if s.gate.is_closed() { "closed" } else { "open" };
            let latch = if s.latch.is_empty() { "" } else { ", latched" };
            format!("gate {}/{} states: {state}{latch}", s.node, s.role)
        }
        Body::NetworkObserved(b) => format!(
            "observes hard-final height {}, {} disputed slots, damage {}",
            b.hard_final.height, b.conflicting_slots, b.damage
        ),
        Body::AttemptRefused(b) => {
            format!("refused: {} tried {} ({})", b.actor, b.attempted, kinds(b))
        }
        Body::StatusPublished(b) => {
            format!("status: operator {}, network {}", b.operator.words(), b.network.words())
        }
        Body::Run(run) => run_words(run),
        _ => kept_words(body),
    }
}

fn kept_words(body: &Body) -> String {
    match body {
        Body::ReadingStated(b) => {
            let value = |(name, value): (&String, &FactValue)| format!("{name} {value}");
            let unknown = b.withdrawn.iter().map(|name| format!("{name} unknown"));
            let all: Vec<_> = b.facts.iter().map(value).chain(unknown).collect();
            format!("reads {}", all.join(", "))
        }
        Body::RunbookReleased(b) => {
            format!("runbook {} version {} released", b.runbook.id, b.runbook.version)
        }
        Body::KeyListed(b) => format!("{} keys listed as compromised: {}", b.keys.len(), b.reason),
        Body::KeyRevoked(b) => format!("key of {} revoked: {}", b.actor, b.reason),
        Body::EvidenceSealed(b) => format!("seals {} pieces: {}", b.pieces.len(), b.reason),
        Body::EvidenceHanded(b) => format!("{} goes from {} to {}", b.piece.short(), b.from, b.to),
        Body::EvidenceDropped(b) => {
            format!("{} pieces of {} were not kept", b.dropped.len(), b.scope)
        }
        Body::EvidenceRemoved(b) => format!("{} pieces removed after their term", b.pieces.len()),
        Body::MeasureAcknowledged(b) => format!("carries measure {}", b.measure),
        Body::MeasureHandedOver(b) => format!("hands {} over: {}", b.measure, b.text),
        Body::RestrictionsObserved(b) => format!(
            "observes {} restrictions at hard-final height {}",
            b.in_force.len(),
            b.hard_final.height
        ),
        Body::MandatesObserved(b) => format!(
            "observes {} mandates at hard-final height {}",
            b.mandates.len(),
            b.hard_final.height
        ),
        Body::GovernanceObserved(b) => format!("recomputes {}: {}", b.path, b.verdict),
        _ => recovery_words(body),
    }
}

fn recovery_words(body: &Body) -> String {
    match body {
        Body::ReplayReported(b) => format!(
            "replay {:?} in {} implementations, {} branches",
            b.verdict,
            b.families.len(),
            b.branches
        )
        .to_lowercase(),
        Body::CheckpointPinned(b) => format!("trusted checkpoint: height {}", b.checkpoint.height),
        Body::RecoveryPlanned(b) => format!("plans {}: {}", b.mode, b.entry),
        Body::RecoveryApproved(_) => "approves the plan".to_owned(),
        Body::RecoveryProduced(b) => format!("produced: {}", b.item),
        Body::RecoveryRecorded(b) => format!("recovery state: {}", b.statement),
        Body::CriterionSigned(b) => format!("signs {} for {}", b.criterion, b.subsystem),
        Body::RestartDecided(b) => {
            format!("decides the restart of {} in phase {}", b.subsystem, b.phase)
        }
        Body::PhaseCarried(b) => format!("brings {} back", b.subsystem),
        Body::ApprovalGiven(b) => format!("second signature for act {}", b.act.short()),
        Body::DraftMade(b) => format!("drafts {}, unsigned", draft(b.draft)),
        Body::ReleaseBuilt(b) => format!("built {} with {}", b.scope(), b.toolchain),
        Body::ChangeRecorded(b) => format!("changes {} of {}: {}", b.part, b.node, b.reason),
        Body::ManifestAccepted(b) => format!("accepts the manifest of restart {}", b.restart),
        Body::CauseStated(b) => format!("states the cause: {}", b.finding),
        Body::ReviewSigned(b) => format!("reviews the closure: {}", b.finding),
        Body::PostmortemPublished(_) => "publishes the postmortem".to_owned(),
        _ => body.kind().to_owned(),
    }
}

/// A kind of draft in words.
#[must_use]
pub const fn draft(draft: DraftKind) -> &'static str {
    match draft {
        DraftKind::FraudProof => "fraud proofs",
        DraftKind::KeyRevocation => "a revocation of a key",
        DraftKind::KeyRotation => "a rotation of a key",
        DraftKind::MandateMode => "a mode of a mandate",
        DraftKind::Challenge => "a challenge",
        DraftKind::Lift => "the lift of a restriction",
        DraftKind::Clarification => "a clarification of a rule",
        DraftKind::SeatReplacement => "a replacement of seats",
        DraftKind::RestartManifest => "a restart manifest",
        DraftKind::EmergencyRestriction => "an emergency restriction",
        DraftKind::ProtocolMeasure => "a protocol measure",
        DraftKind::Parameters => "a change of parameters",
    }
}

fn run_words(run: &RunEvent) -> String {
    match run {
        RunEvent::Started(s) => format!("runbook {} starts", s.runbook),
        RunEvent::Intended(i) => format!("step {}: {} intended", i.step, i.op),
        RunEvent::Finished(f) => format!("step {}: {}", f.step, f.outcome),
        RunEvent::Uncertain(u) => format!("step {}: uncertain", u.step),
        RunEvent::Decided(d) => format!("step {}: {} ({})", d.step, d.answer, d.rationale),
        RunEvent::DeadlineFired(d) => format!("step {}: deadline passed", d.step),
        RunEvent::Deviation(d) => format!("step {}: deviation to {}", d.step, d.goto),
        RunEvent::Requested(r) => format!("step {}: consent is asked for", r.step),
        RunEvent::Undone(u) => format!("step {} is taken back: {}", u.step, u.note),
        RunEvent::Escalated(e) => format!("step {}: {} is called", e.step, role(e.role)),
        RunEvent::Settled(s) => match s.merged {
            Some(version) => format!("deviation {} is taken up by {version}", s.deviation),
            None => format!("deviation {} is dismissed: {}", s.deviation, s.rationale),
        },
        RunEvent::Migrated(m) => format!("run goes over to version {}: {}", m.version, m.rationale),
        RunEvent::Ended(e) => format!("runbook ends: {}", e.outcome),
    }
}

fn names(roles: &[azir_model::vocab::NodeRole]) -> String {
    roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", ")
}

fn kinds(b: &crate::body::AttemptRefused) -> String {
    let mut kinds: Vec<_> = b.unmet.iter().map(|u| u.kind.as_str()).collect();
    kinds.dedup();
    kinds.join(" ")
}

/// A role in words.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::IncidentReporter => "Incident Reporter",
        Role::OnCallOperator => "On-call Operator",
        Role::IncidentCommander => "Incident Commander",
        Role::ConsensusLead => "Consensus Lead",
        Role::ExecutionLead => "Execution/BVM Lead",
        Role::SecurityLead => "Security Lead",
        Role::GovernanceLiaison => "Governance Liaison",
        Role::RecoveryOperator => "Recovery Operator",
        Role::AuditScribe => "Audit Scribe",
        Role::Automatic => "machine",
    }
}
