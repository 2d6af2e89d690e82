//! Which duties one person may not join in one incident (D-048). Separation is by person.

use crate::policy::Deployment;
use crate::refusal::{RefusalKind, Unmet};
use crate::vocab::Role;

wire_enum! {
    /// What a person holds or did in one incident, as far as it may not be joined with another.
    pub enum Duty {
        /// Holds the role Incident Commander.
        Commands = "incident_commander",
        /// Holds the role Recovery Operator.
        Recovers = "recovery_operator",
        /// Holds the role Audit Scribe.
        Records = "audit_scribe",
        /// Holds a deciding role other than Incident Commander.
        Decides = "deciding_role",
        /// Signed a restart criterion.
        SignsCriterion = "criterion_signer",
        /// Drafted a protocol object.
        Drafts = "draft_author",
        /// Approves that draft.
        ApprovesDraft = "draft_approver",
        /// Reviews the closure.
        ReviewsClosure = "closure_reviewer",
        /// Had the duty to provide an evidence item.
        OwesEvidence = "evidence_owner",
        /// Approves the waiver of that item.
        WaivesEvidence = "waiver_approver",
        /// Wrote a recovery plan.
        PreparesPlan = "plan_author",
        /// Approves that plan.
        ApprovesPlan = "plan_approver",
    }
}

impl Duty {
    /// The duty that comes with holding a role.
    #[must_use]
    pub const fn of_role(role: Role) -> Option<Self> {
        match role {
            Role::IncidentCommander => Some(Self::Commands),
            Role::RecoveryOperator => Some(Self::Recovers),
            Role::AuditScribe => Some(Self::Records),
            Role::OnCallOperator
            | Role::ConsensusLead
            | Role::ExecutionLead
            | Role::SecurityLead
            | Role::GovernanceLiaison => Some(Self::Decides),
            Role::IncidentReporter | Role::Automatic => None,
        }
    }
}

/// The pairs of D-048, and the plan's author and approver (9.1 step 8).
const APART: [(Duty, Duty); 9] = [
    (Duty::Commands, Duty::Recovers),
    (Duty::Commands, Duty::Records),
    (Duty::Recovers, Duty::SignsCriterion),
    (Duty::Drafts, Duty::ApprovesDraft),
    (Duty::Records, Duty::Decides),
    (Duty::ReviewsClosure, Duty::Commands),
    (Duty::ReviewsClosure, Duty::Recovers),
    (Duty::WaivesEvidence, Duty::OwesEvidence),
    (Duty::PreparesPlan, Duty::ApprovesPlan),
];

/// True when one person may not join both duties in one incident.
#[must_use]
pub fn duties_conflict(a: Duty, b: Duty) -> bool {
    APART.contains(&(a, b)) || APART.contains(&(b, a))
}

/// True when one person may not hold both roles in one incident (D-048).
#[must_use]
pub fn conflicts(a: Role, b: Role) -> bool {
    a != b
        && match (Duty::of_role(a), Duty::of_role(b)) {
            (Some(a), Some(b)) => duties_conflict(a, b),
            (Some(_) | None, Some(_) | None) => false,
        }
}

/// Whether an act must be marked `self_reviewed` (D-048).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfReviewed(pub bool);

/// Checks that a person who has `held` duties in this incident may take `new`.
///
/// Implements R-6.2-1, R-6.2-2.
///
/// # Errors
/// `role_conflict` naming each conflicting duty, in a serious deployment. In a small one the act is
/// allowed and marked.
pub fn check_separation(
    deployment: Deployment,
    person: &str,
    held: &[Duty],
    new: Duty,
) -> Result<SelfReviewed, Unmet> {
    let clash: Vec<_> =
        held.iter().filter(|h| duties_conflict(**h, new)).map(|h| h.as_str()).collect();
    match (clash.is_empty(), deployment) {
        (true, Deployment::Small | Deployment::Serious) => Ok(SelfReviewed(false)),
        (false, Deployment::Small) => Ok(SelfReviewed(true)),
        (false, Deployment::Serious) => Err(Unmet::new(
            RefusalKind::RoleConflict,
            format!("{person} is {} and cannot be {new} as well", clash.join(" and ")),
            "6.2, D-048",
            "let another person do it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::DECIDING;

    /// R-6.2-1: the role pairs of D-048, and no others.
    #[test]
    fn a_commander_is_neither_operator_nor_scribe_and_a_scribe_decides_nothing() {
        let mut pairs = Vec::new();
        for a in Role::ALL {
            for b in Role::ALL {
                assert_eq!(conflicts(*a, *b), conflicts(*b, *a));
                if a < b && conflicts(*a, *b) {
                    pairs.push((*a, *b));
                }
            }
        }
        let mut expected: Vec<_> = DECIDING.iter().map(|r| (*r, Role::AuditScribe)).collect();
        expected.push((Role::IncidentCommander, Role::RecoveryOperator));
        expected.sort_unstable();
        assert_eq!(pairs, expected);
    }

    /// R-6.1-8, R-6.1-7, R-9.1-9, R-6.2-1, R-6.2-2: acts that D-048 keeps apart; a small deployment
    /// marks them instead.
    #[test]
    fn acts_are_separated_in_a_serious_deployment_and_marked_in_a_small_one() {
        for (a, b) in APART {
            for (held, new) in [(a, b), (b, a)] {
                let held = [Duty::of_role(Role::IncidentReporter), Some(held)];
                let held: Vec<_> = held.into_iter().flatten().collect();
                let unmet = check_separation(Deployment::Serious, "operator:a", &held, new);
                assert_eq!(unmet.unwrap_err().kind, RefusalKind::RoleConflict);
                let small = check_separation(Deployment::Small, "operator:a", &held, new);
                assert_eq!(small, Ok(SelfReviewed(true)));
            }
        }
        let none = check_separation(
            Deployment::Serious,
            "operator:a",
            &[Duty::Commands],
            Duty::SignsCriterion,
        );
        assert_eq!(none, Ok(SelfReviewed(false)));
    }
}
