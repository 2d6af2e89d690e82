//! The signature of a second person, given before the act (annex C, marks with a second person).
//!
//! The first person writes the act's body; the second signs an `approval.given` event over its
//! digest; then the first submits the act. So no act ever waits half done in the log.

use azir_ledger::Digest;
use azir_ledger::canon;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::policy::Deployment;
use crate::refusal::{RefusalKind, Unmet};
use crate::vocab::Role;

/// Type of the event that carries an [`ApprovalBody`].
pub const APPROVAL_GIVEN: &str = "approval.given";
/// Tag of [`act_digest`].
pub const ACT_TAG: &str = "AZ:ACT:";

/// Digest of an act that is still to be submitted: its event type, its subject and its body.
/// Log and mode are bound by the approval event itself. A body without canonical form gets a
/// digest that no event can have.
#[must_use]
pub fn act_digest(kind: &str, subject: Option<Digest>, body: &Value) -> Digest {
    let act = match subject {
        Some(subject) => json!({"body": body, "incident": subject, "type": kind}),
        None => json!({"body": body, "type": kind}),
    };
    match canon::encode_value(&act) {
        Ok(bytes) => Digest::tagged(ACT_TAG, &bytes),
        // Canonical bytes begin with a brace, so this collides with no act.
        Err(error) => Digest::tagged(ACT_TAG, format!("void:{error}").as_bytes()),
    }
}

/// Body of an `approval.given` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalBody {
    /// [`act_digest`] of the approved act.
    pub act: Digest,
}

/// An approval as the log holds it; its signature and the person's role are already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenApproval {
    /// Who approved: `operator:<id>`.
    pub person: String,
    /// In which role.
    pub role: Role,
    /// The approved act.
    pub act: Digest,
    /// Log index of the approval.
    pub index: u64,
}

/// An act that a second signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconded {
    /// Log index of the approval that was used.
    pub index: u64,
    /// True when author and approver are one person, which a small deployment allows (D-048).
    pub self_reviewed: bool,
}

/// Checks that somebody other than the author, in one of the roles, approved exactly this act.
///
/// # Errors
/// `second_person_required`, which says whose approval is missing or why a given one is void.
pub fn check_second(
    act: Digest,
    needed: &[Role],
    approvals: &[GivenApproval],
    author: &str,
) -> Result<(), Unmet> {
    check_second_in(Deployment::Serious, act, needed, approvals, author).map(|_| ())
}

/// [`check_second`] in a deployment: in a small one the author's own approval counts as well, as a
/// separate signed act that is marked `self_reviewed` (D-048). Another person's is preferred.
///
/// # Errors
/// As [`check_second`].
pub fn check_second_in(
    deployment: Deployment,
    act: Digest,
    needed: &[Role],
    approvals: &[GivenApproval],
    author: &str,
) -> Result<Seconded, Unmet> {
    let fits = |a: &&GivenApproval| a.act == act && needed.contains(&a.role);
    let other = approvals.iter().filter(fits).find(|a| a.person != author);
    if let Some(approval) = other {
        return Ok(Seconded { index: approval.index, self_reviewed: false });
    }
    let own = approvals.iter().find(fits);
    if let (Some(approval), Deployment::Small) = (own, deployment) {
        return Ok(Seconded { index: approval.index, self_reviewed: true });
    }
    let roles = needed.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(" or ");
    let why = if own.is_some() {
        format!("{author} cannot be the own second person")
    } else if let Some(a) = approvals.iter().find(|a| a.act == act) {
        format!("{} approved as {}, needed is {roles}", a.person, a.role)
    } else if approvals.is_empty() {
        format!("nobody approved act {}", act.short())
    } else {
        format!("no approval is for act {}", act.short())
    };
    Err(Unmet::new(
        RefusalKind::SecondPersonRequired,
        why,
        "6.2, D-048, annex C",
        format!("a second person in the role {roles} signs {APPROVAL_GIVEN} for act {act}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(person: &str, role: Role, act: Digest) -> GivenApproval {
        GivenApproval { person: person.into(), role, act, index: 7 }
    }

    #[test]
    fn an_approval_is_for_one_type_one_subject_and_one_body() {
        let body = json!({"a": 1});
        let subject = Some(Digest::of(b"incident"));
        let act = act_digest("x.y", subject, &body);
        assert_eq!(act, act_digest("x.y", subject, &body));
        assert_ne!(act, act_digest("x.z", subject, &body));
        assert_ne!(act, act_digest("x.y", None, &body));
        assert_ne!(act, act_digest("x.y", subject, &json!({"a": 2})));
        assert_ne!(act_digest("x.y", None, &json!(1.5)), act_digest("x.y", None, &json!(1)));
    }

    /// R-6.2-2: the same act by one person stays two signed acts and is marked.
    #[test]
    fn the_second_person_is_another_person_in_a_named_role() {
        let act = Digest::of(b"act");
        let needed = [Role::AuditScribe];
        let ok = given("operator:b", Role::AuditScribe, act);
        check_second(act, &needed, std::slice::from_ref(&ok), "operator:a").unwrap();
        for (approval, author) in [
            (given("operator:b", Role::SecurityLead, act), "operator:a"),
            (given("operator:b", Role::AuditScribe, Digest::of(b"other")), "operator:a"),
            (ok.clone(), "operator:b"),
        ] {
            let unmet = check_second(act, &needed, &[approval], author).unwrap_err();
            assert_eq!(unmet.kind, RefusalKind::SecondPersonRequired);
        }
        assert!(check_second(act, &needed, &[], "operator:a").is_err());
        let own = [ok.clone()];
        let small = check_second_in(Deployment::Small, act, &needed, &own, "operator:b").unwrap();
        assert!(small.self_reviewed);
        let both = [ok, given("operator:c", Role::AuditScribe, act)];
        let small = check_second_in(Deployment::Small, act, &needed, &both, "operator:b").unwrap();
        assert!(!small.self_reviewed, "another person's approval is preferred");
    }
}
