//! Who signed, for which log, in which mode: the checks before anything else is read.

use azir_ledger::event::PublicKey;
use azir_ledger::{SignedEvent, checkpoint};
use azir_model::policy::Policy;
use azir_model::refusal::Unmet;
use azir_model::{Refusal, RefusalKind, Role};

use crate::body::Body;
use crate::state::State;

/// The event is for this log and this mode.
pub(super) fn addressed(signed: &SignedEvent, log: &str, mode: &str) -> Result<(), Refusal> {
    let event = signed.event();
    if event.log != log {
        return Err(Refusal::one(
            RefusalKind::IdMismatch,
            format!("signed for log {:?}, this is {log:?}", event.log),
            "7.3, D-022",
            "sign again for this log",
        ));
    }
    if event.mode != mode {
        return Err(Refusal::one(
            RefusalKind::DrillOnly,
            format!("signed in mode {:?}, this log runs in {mode:?}", event.mode),
            "36.1, D-120",
            "a drill signature acts only in its drill; sign again in this mode",
        ));
    }
    Ok(())
}

/// The first entry: the log's own machine lays down the policy, and the origin binds its key.
pub(super) fn first(signed: &SignedEvent) -> Result<Body, Refusal> {
    let event = signed.event();
    let refuse = |kind, what: String| Refusal::one(kind, what, "7.3, D-006, D-022", "begin again");
    let body = Body::parse(&event.kind, &event.body)
        .map_err(|u| Refusal::one(u.kind, u.what, u.rule, u.remedy))?;
    let Body::LogCreated(created) = &body else {
        return Err(refuse(RefusalKind::GuardUnmet, "first: a log begins with log.created".into()));
    };
    created.policy.validate()?;
    let server = created.policy.machine(&created.server).map(|m| m.key);
    let Some(key) = server.filter(|_| created.server == event.actor) else {
        let what = format!("{} is no machine of the policy", event.actor);
        return Err(refuse(RefusalKind::UnknownActor, what));
    };
    if !checkpoint::origin_binds(&event.log, &key) {
        let what = format!("origin {:?} is not bound to the key of {}", event.log, event.actor);
        return Err(refuse(RefusalKind::IdMismatch, what));
    }
    signed
        .verify(&PublicKey::Machine(key))
        .map_err(|e| refuse(RefusalKind::SignatureInvalid, e.to_string()))?;
    Ok(body)
}

/// The author is known at this position, not revoked, signed with the own key, and acts in a role
/// that the policy allows. Gives the role.
pub(super) fn authenticate(
    state: &State,
    policy: &Policy,
    signed: &SignedEvent,
) -> Result<Role, Refusal> {
    let event = signed.event();
    let actor = &event.actor;
    let Some(key) = policy.key_of(actor) else {
        return Err(Refusal::one(
            RefusalKind::UnknownActor,
            format!("{actor} is in no roster of this log"),
            "7.1, D-017",
            "let the policy name this actor and its key",
        ));
    };
    if let Some(position) = state.revoked.get(actor) {
        return Err(Refusal::one(
            RefusalKind::KeyRevoked,
            format!("the key of {actor} is void from entry {position} on"),
            "21.2, D-051",
            "enrol a new key by a policy change",
        ));
    }
    signed.verify(&key).map_err(|e| {
        Refusal::one(
            RefusalKind::SignatureInvalid,
            format!("{actor}: {e}"),
            "7.3, D-022",
            "sign the exact bytes with the key of this actor",
        )
    })?;
    role_of(policy, signed)
}

/// One event, one entry, one way to write it: it stands nowhere in the log yet, its body has the
/// form that the body itself is written in, and it quotes no entry that does not exist.
pub(super) fn written_once(
    state: &State,
    signed: &SignedEvent,
    body: &Body,
) -> Result<(), Refusal> {
    let event = signed.event();
    let mut unmet = Vec::new();
    let mut refuse = |kind, what: String, remedy: &str| {
        unmet.push(Unmet::new(kind, what, "7.3, D-014, D-022", remedy));
    };
    if let Some(index) = state.accepted.get(&signed.hash()) {
        let what = format!("this very event is entry {index}");
        refuse(RefusalKind::AppendOnly, what, "sign a new event for a new act");
    }
    if body.value() != event.body {
        let what = format!("the body of {} is not in its own form", event.kind);
        refuse(
            RefusalKind::InvalidSchema,
            what,
            "write members by name, without empty optional ones",
        );
    }
    if event.basis.is_some_and(|basis| basis > state.size) {
        let what = format!("basis is beyond the {} entries of this log", state.size);
        refuse(RefusalKind::InvalidSchema, what, "quote the size of the log that was seen");
    }
    Refusal::unless_met(unmet)
}

fn role_of(policy: &Policy, signed: &SignedEvent) -> Result<Role, Refusal> {
    let event = signed.event();
    let is_person = policy.person(&event.actor).is_some();
    let refuse =
        |kind, what: String, remedy: &str| Refusal::one(kind, what, "6.1, annex C", remedy);
    match (is_person, event.role.as_deref()) {
        (false, None) => Ok(Role::Automatic),
        (false, Some(role)) => Err(refuse(
            RefusalKind::NotAuthorized,
            format!("machine {} acts as {role}", event.actor),
            "machines hold no role of people",
        )),
        (true, None) => Err(refuse(
            RefusalKind::InvalidSchema,
            format!("{} names no role", event.actor),
            "say in which role you act",
        )),
        (true, Some(text)) => {
            let role: Role = text.parse().map_err(|e: azir_model::vocab::UnknownMember| {
                refuse(RefusalKind::UnknownEnum, e.to_string(), "use a role of annex C")
            })?;
            if policy.eligible(&event.actor, role) {
                Ok(role)
            } else {
                Err(refuse(
                    RefusalKind::NotAuthorized,
                    format!("the policy does not let {} act as {role}", event.actor),
                    "act in a role that the policy gives you",
                ))
            }
        }
    }
}
