//! Admission: whether a signed event may enter the log now. One function for live operation and
//! for the offline check. It reads the state and content by hash, changes nothing, and names every
//! unmet condition at once (annex A).

mod authority;
mod closing;
mod containing;
mod drafting;
mod envelope;
mod evidence;
mod observing;
mod opening;
mod recovering;
mod releasing;
mod resolving;
mod restarting;
mod roles;
mod software;

use azir_ledger::event::EventError;
use azir_ledger::{CanonError, Digest, SignedEvent, Timestamp};
use azir_model::policy::Policy;
use azir_model::refusal::{RefusalKind, Unmet};
use azir_model::{IncidentId, Refusal, Role};

use crate::body::{Body, StatusPublished};
use crate::engine::Objects;
use crate::state::State;
use crate::view::IncidentView;

/// A refusal, and whether its author was authenticated (then the attempt is recorded).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// True when the signature of a known, unrevoked key was verified.
    pub authenticated: bool,
    /// Everything that is not met.
    pub refusal: Refusal,
}

/// What a rule may look at.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a State,
    pub(crate) policy: &'a Policy,
    pub(crate) signed: &'a SignedEvent,
    pub(crate) actor: &'a str,
    /// Role of a person; machines act as [`Role::Automatic`].
    pub(crate) role: Role,
    pub(crate) now: Timestamp,
    pub(crate) objects: &'a dyn Objects,
}

impl Context<'_> {
    /// `evidence_missing` unless the content is held.
    pub(crate) fn held(
        &self,
        digest: &Digest,
        what: &str,
        unmet: &mut Vec<Unmet>,
    ) -> Option<Vec<u8>> {
        let found = self.objects.get(digest);
        if found.is_none() {
            unmet.push(self.missing(digest, what));
        }
        found
    }

    pub(crate) fn missing(&self, digest: &Digest, what: &str) -> Unmet {
        Unmet::new(
            RefusalKind::EvidenceMissing,
            format!("{what} {digest} is not in the vault"),
            "7.1, D-015",
            "store its bytes first",
        )
    }

    pub(crate) fn is_machine(&self) -> bool {
        self.role == Role::Automatic
    }
}

/// Admits or refuses a signed event. `log` and `mode` are those of this log; `now` its clock.
///
/// # Errors
/// [`Refused`] with every unmet condition.
pub fn admit(
    state: &State,
    log: &str,
    mode: &str,
    signed: &SignedEvent,
    now: Timestamp,
    objects: &dyn Objects,
) -> Result<Body, Refused> {
    let anonymous = |refusal| Refused { authenticated: false, refusal };
    let event = signed.event();
    envelope::addressed(signed, log, mode).map_err(anonymous)?;
    if state.size == 0 {
        return envelope::first(signed).map_err(anonymous);
    }
    let Some(policy) = state.policy.as_ref() else {
        return Err(anonymous(no_policy()));
    };
    let role = envelope::authenticate(state, policy, signed).map_err(anonymous)?;
    let known = |refusal| Refused { authenticated: true, refusal };
    let parsed = Body::parse(&event.kind, &event.body);
    let body = parsed.map_err(|u| known(Refusal::one(u.kind, u.what, u.rule, u.remedy)))?;
    envelope::written_once(state, signed, &body).map_err(known)?;
    let cx = Context { state, policy, signed, actor: &event.actor, role, now, objects };
    let mut unmet = Vec::new();
    rules(&cx, &body, &mut unmet);
    Refusal::unless_met(unmet).map_err(known)?;
    Ok(body)
}

/// Bytes that are no event: nobody is known to have written them, so the attempt is not recorded.
/// What is not canonical is refused, never repaired, and so is another schema. Implements R-7.1-12
/// and R-7.1-13.
#[must_use]
pub fn unreadable(error: &EventError) -> Refusal {
    let kind = match error {
        EventError::Canon(CanonError::NotCanonical { .. }) => RefusalKind::NotCanonical,
        EventError::Canon(CanonError::Schema { .. } | CanonError::Unencodable { .. })
        | EventError::Schema { .. }
        | EventError::TooLarge { .. } => RefusalKind::InvalidSchema,
        EventError::Signature(_) => RefusalKind::SignatureInvalid,
    };
    Refusal::one(
        kind,
        error.to_string(),
        "7.1, D-010, D-014",
        "send the canonical bytes of an event of this schema, as they were signed",
    )
}

/// Position of the opening that this event repeats: same record, so same incident (7.2, D-021),
/// whoever sends it, if the author is known here. Implements R-7.2-4.
#[must_use]
pub fn repeated_opening(state: &State, log: &str, mode: &str, signed: &SignedEvent) -> Option<u64> {
    let event = signed.event();
    let view = state.incidents.get(&IncidentId(event.subject?))?;
    let Ok(Body::IncidentOpened(opened)) = Body::parse(&event.kind, &event.body) else {
        return None;
    };
    envelope::addressed(signed, log, mode).ok()?;
    envelope::authenticate(state, state.policy.as_ref()?, signed).ok()?;
    (opened.record == view.record).then_some(view.opened.index)
}

fn no_policy() -> Refusal {
    Refusal::one(
        RefusalKind::Unavailable,
        "this log has no policy",
        "6.2, D-006",
        "begin the log with log.created",
    )
}

/// All rules of one body. Total over the closed list of bodies. What changes a gate, drafts, pins,
/// replays or reopens belongs to an incident: R-2.3-4.
fn rules(cx: &Context<'_>, body: &Body, unmet: &mut Vec<Unmet>) {
    let subject = cx.signed.event().subject.map(IncidentId);
    let view = subject.and_then(|id| cx.state.incidents.get(&id));
    match (body, subject, view) {
        (Body::LogCreated(_), ..) => unmet.push(Unmet::new(
            RefusalKind::AppendOnly,
            "this log already began",
            "7.3, D-022",
            "a log is created once",
        )),
        (Body::IncidentOpened(opened), Some(id), None) => opening::open(cx, id, opened, unmet),
        (Body::KeyRevoked(revoked), None, _) => roles::revoke(cx, revoked, unmet),
        (Body::RunbookReleased(b), None, _) => releasing::release(cx, b, unmet),
        (Body::ReleaseBuilt(b), None, _) => software::built(cx, b, unmet),
        (Body::GateStated(stated), None, _) => containing::stated(cx, None, stated, unmet),
        (Body::AttemptRefused(_), None, _) => authority::server_only(cx, unmet),
        (Body::NetworkObserved(b), None, _) => observing::network(cx, b, unmet),
        (Body::RestrictionsObserved(b), None, _) => observing::restrictions(cx, b, unmet),
        (Body::GovernanceObserved(b), None, _) => observing::governance(cx, b, unmet),
        (Body::MandatesObserved(b), None, _) => observing::mandates(cx, b, unmet),
        (Body::StatusPublished(b), None, _) => {
            observing::may_publish(cx, unmet);
            observing::status(cx, b, unmet);
        }
        // For an act about no incident, which checks role and person when it is submitted.
        (Body::ApprovalGiven(_), None, _) => authority::person_only(cx, unmet),
        (_, Some(_), Some(view)) => about(cx, view, body, unmet),
        (_, Some(id), None) => unmet.push(Unmet::new(
            RefusalKind::IdMismatch,
            format!("incident {id} was never opened in this log"),
            "7.2, D-012",
            "open it first, or name an incident of this log",
        )),
        (_, None, _) => unmet.push(Unmet::new(
            RefusalKind::InvalidSchema,
            format!("{} needs an incident", body.kind()),
            "1, D-011",
            "name the incident that this is about",
        )),
    }
}

/// Rules of bodies about an open incident.
fn about(cx: &Context<'_>, view: &IncidentView, body: &Body, unmet: &mut Vec<Unmet>) {
    authority::check(cx, view, body, unmet);
    still_open(view, body, unmet);
    match body {
        Body::LogCreated(_)
        | Body::KeyRevoked(_)
        | Body::RunbookReleased(_)
        | Body::IncidentOpened(_)
        | Body::RestrictionsObserved(_)
        | Body::MandatesObserved(_)
        | Body::ReleaseBuilt(_)
        | Body::GovernanceObserved(_) => {
            unmet.push(Unmet::new(
                RefusalKind::InvalidSchema,
                format!("{} is not about an open incident", body.kind()),
                "7.3, D-013",
                "leave the incident out",
            ));
        }
        Body::NoteAdded(_) | Body::AttemptRefused(_) => {}
        Body::ApprovalGiven(_) => authority::person_only(cx, unmet),
        Body::RoleAssigned(b) => roles::assign(cx, view, b, unmet),
        Body::RoleAccepted(b) => roles::accept(cx, view, b, unmet),
        Body::IncidentDeclared(b) => opening::declare(cx, view, b, unmet),
        Body::SeverityChanged(b) => opening::severity(view, b, unmet),
        Body::SeverityCorrected(b) => resolving::correct(cx, view, b, unmet),
        Body::ScopeChanged(b) => resolving::scope(cx, view, b, unmet),
        Body::IncidentResolved(b) => resolving::resolve(cx, view, b, unmet),
        Body::EvidenceSealed(b) => evidence::seal(cx, view, b, unmet),
        Body::EvidenceHanded(b) => evidence::hand(view, b, unmet),
        Body::EvidenceDropped(b) => evidence::drop_pieces(b, unmet),
        Body::EvidenceRemoved(b) => evidence::remove(cx, view, b, unmet),
        Body::RunbookBound(b) => opening::bind(cx, view, b, unmet),
        Body::EvidencePinned(b) | Body::EvidenceCollected(b) => evidence::items(cx, b, unmet),
        Body::EvidenceSettled(b) => evidence::settle(view, b, unmet),
        Body::EvidencePreserved(b) => evidence::preserve(cx, view, b, unmet),
        Body::ConfirmationVerified(b) => evidence::confirm(cx, view, b, unmet),
        Body::StateMoved(b) => opening::moved(cx, view, b, unmet),
        Body::DecisionRecorded(b) => containing::decide(cx, view, b, unmet),
        Body::MeasureCommanded(b) => containing::command(cx, view, b, unmet),
        Body::MeasureReleased(b) => containing::release(cx, view, b, unmet),
        Body::MeasureAcknowledged(b) => containing::acknowledge(cx, view, b, unmet),
        Body::MeasureHandedOver(b) => containing::hand_over(cx, view, b, unmet),
        Body::GateStated(b) => containing::stated(cx, Some(view), b, unmet),
        Body::NetworkObserved(b) => observing::network(cx, b, unmet),
        Body::DraftMade(b) => drafting::draft(cx, view, b, unmet),
        Body::ReplayReported(b) => recovering::replayed(cx, view, b, unmet),
        Body::CheckpointPinned(b) => recovering::pinned(view, b, unmet),
        Body::RecoveryPlanned(b) => recovering::plan(cx, view, b, unmet),
        Body::RecoveryApproved(b) => recovering::approve(cx, view, b, unmet),
        Body::RecoveryProduced(b) => recovering::produce(cx, view, b, unmet),
        Body::RecoveryRecorded(b) => recovering::record(cx, view, b, unmet),
        Body::CriterionSigned(b) => restarting::criterion(cx, view, b, unmet),
        Body::RestartDecided(b) => restarting::decide(cx, view, b, unmet),
        Body::PhaseCarried(b) => restarting::carry(cx, view, b, unmet),
        Body::ManifestAccepted(b) => {
            cx.held(&b.manifest, "manifest", unmet);
        }
        Body::CauseStated(b) => closing::cause(cx, view, b, unmet),
        Body::ReviewSigned(_) => roles::review(cx, view, unmet),
        Body::PostmortemPublished(b) => closing::postmortem(cx, view, b, unmet),
        Body::ReadingStated(b) => observing::reading(cx, b, unmet),
        Body::KeyListed(b) => containing::list_keys(b, unmet),
        Body::ChangeRecorded(b) => software::changed(cx, b, unmet),
        Body::Run(b) => roles::run(cx, view, b, unmet),
        Body::StatusPublished(b) => told(cx, b, unmet),
    }
}

/// Row 29 was asked for this incident; another one may be open at a higher severity.
fn told(cx: &Context<'_>, b: &StatusPublished, unmet: &mut Vec<Unmet>) {
    if unmet.is_empty() {
        observing::may_publish(cx, unmet);
    }
    observing::status(cx, b, unmet);
}

/// The response to a closed incident is over: what acts on the network or on gates needs it
/// reopened first. Implements R-5.1-8.
fn still_open(view: &IncidentView, body: &Body, unmet: &mut Vec<Unmet>) {
    let acts = match body {
        Body::IncidentDeclared(_)
        | Body::SeverityChanged(_)
        | Body::IncidentResolved(_)
        | Body::DecisionRecorded(_)
        | Body::MeasureCommanded(_)
        | Body::MeasureHandedOver(_)
        | Body::DraftMade(_)
        | Body::CheckpointPinned(_)
        | Body::RecoveryPlanned(_)
        | Body::RecoveryApproved(_)
        | Body::RecoveryProduced(_)
        | Body::RecoveryRecorded(_)
        | Body::CriterionSigned(_)
        | Body::RestartDecided(_)
        | Body::PhaseCarried(_)
        | Body::ManifestAccepted(_) => true,
        Body::LogCreated(_)
        | Body::KeyRevoked(_)
        | Body::RunbookReleased(_)
        | Body::IncidentOpened(_)
        | Body::NoteAdded(_)
        | Body::RoleAssigned(_)
        | Body::RoleAccepted(_)
        | Body::RunbookBound(_)
        | Body::EvidencePinned(_)
        | Body::EvidenceCollected(_)
        | Body::EvidenceSettled(_)
        | Body::EvidencePreserved(_)
        | Body::EvidenceSealed(_)
        | Body::EvidenceHanded(_)
        | Body::EvidenceDropped(_)
        | Body::EvidenceRemoved(_)
        | Body::SeverityCorrected(_)
        | Body::ScopeChanged(_)
        | Body::RestrictionsObserved(_)
        | Body::GovernanceObserved(_)
        | Body::MandatesObserved(_)
        | Body::MeasureAcknowledged(_)
        | Body::ConfirmationVerified(_)
        | Body::StateMoved(_)
        | Body::MeasureReleased(_)
        | Body::GateStated(_)
        | Body::NetworkObserved(_)
        | Body::ReadingStated(_)
        | Body::KeyListed(_)
        | Body::ReleaseBuilt(_)
        | Body::ChangeRecorded(_)
        | Body::ReplayReported(_)
        | Body::ApprovalGiven(_)
        | Body::CauseStated(_)
        | Body::ReviewSigned(_)
        | Body::PostmortemPublished(_)
        | Body::AttemptRefused(_)
        | Body::StatusPublished(_)
        | Body::Run(_) => false,
    };
    if acts && !view.is_open() {
        unmet.push(Unmet::new(
            RefusalKind::GuardUnmet,
            format!("open: the incident is {}", view.state),
            "5.1, D-035, annex B",
            "reopen it with new evidence (T-21, T-22), or open a new incident",
        ));
    }
}
