//! Refusals (annex A): every refused request names all unmet conditions, the rule, and what would
//! satisfy it. A refused request changes nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

wire_enum! {
    /// Categories of refusal kinds.
    pub enum RefusalCategory {
        /// The request is no well-formed object.
        Malformed = "malformed",
        /// The author may not do this.
        Forbidden = "forbidden",
        /// The request does not fit the present state.
        Conflict = "conflict",
        /// A condition is not met yet.
        Unmet = "unmet",
        /// The answer is not known now.
        Unavailable = "unavailable",
    }
}

macro_rules! refusal_kinds {
    ($($category:ident: $($member:ident = $wire:literal,)+;)+) => {
        wire_enum! {
            /// Refusal kinds of annex A, a closed list. Each is also an `azir explain` code.
            #[allow(missing_docs)]
            pub enum RefusalKind { $($($member = $wire,)+)+ }
        }

        impl RefusalKind {
            /// The category of annex A.
            #[must_use]
            pub const fn category(self) -> RefusalCategory {
                match self { $($(Self::$member)|+ => RefusalCategory::$category,)+ }
            }
        }
    };
}

refusal_kinds! {
    Malformed: InvalidSchema = "invalid_schema", UnknownEnum = "unknown_enum",
        NotCanonical = "not_canonical", IdMismatch = "id_mismatch", HashMismatch = "hash_mismatch",
        SignatureInvalid = "signature_invalid", ScopeInvalid = "scope_invalid",;
    Forbidden: UnknownActor = "unknown_actor", NotAuthorized = "not_authorized",
        RoleConflict = "role_conflict", SecondPersonRequired = "second_person_required",
        KeyRevoked = "key_revoked", ForbiddenPower = "forbidden_power", AppendOnly = "append_only",
        LabelUnproven = "label_unproven",
        ProtocolAuthorityRequired = "protocol_authority_required", DrillOnly = "drill_only",;
    Conflict: IllegalTransition = "illegal_transition", StaleView = "stale_view",
        VersionConflict = "version_conflict", PhaseOrder = "phase_order", Fenced = "fenced",
        GateClosed = "gate_closed", LeaseExpired = "lease_expired",
        FinalityDisputed = "finality_disputed",;
    Unmet: GuardUnmet = "guard_unmet", EvidenceMissing = "evidence_missing",
        EvidenceUnverified = "evidence_unverified",
        DestructiveBeforePreserve = "destructive_before_preserve",
        ScopeRequired = "scope_required", ScopeTooBroad = "scope_too_broad",
        ExpiryRequired = "expiry_required", ReasonRequired = "reason_required",
        JustificationIncomplete = "justification_incomplete",
        EscalationNotJustified = "escalation_not_justified", NotEffective = "not_effective",
        ProfileExceeded = "profile_exceeded", StopsFinality = "stops_finality",
        CriteriaUnmet = "criteria_unmet", ReplayMismatch = "replay_mismatch",
        ReplaySourceRejected = "replay_source_rejected",
        CheckpointUntrusted = "checkpoint_untrusted", ReviewRequired = "review_required",
        NotFinalized = "not_finalized", ExitOnlyViolation = "exit_only_violation",
        JournalMissing = "journal_missing", CapExceeded = "cap_exceeded",
        ApprovalRequired = "approval_required", StatusUnproven = "status_unproven",
        PostmortemIncomplete = "postmortem_incomplete", MeasureActive = "measure_active",;
    Unavailable: Unavailable = "unavailable", StatusStale = "status_stale",;
}

/// One unmet condition: what kind of refusal, what exactly, by which rule, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmet {
    /// Kind of annex A.
    pub kind: RefusalKind,
    /// What is not met, with the names and numbers of this case; guards as `guard: detail`.
    pub what: String,
    /// The rule: AZ-015 section, decision or annex, for example `5.2, D-037`.
    pub rule: String,
    /// What would satisfy it.
    pub remedy: String,
}

impl Unmet {
    /// One condition.
    pub fn new(
        kind: RefusalKind,
        what: impl Into<String>,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, what: what.into(), rule: rule.into(), remedy: remedy.into() }
    }
}

/// A refused request: at least one unmet condition, all of them at once (rule of annex A).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refusal(Vec<Unmet>);

impl Refusal {
    /// A refusal with one condition.
    pub fn one(
        kind: RefusalKind,
        what: impl Into<String>,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self(vec![Unmet::new(kind, what, rule, remedy)])
    }

    /// `Ok` when nothing is unmet, else the refusal that names everything.
    ///
    /// # Errors
    /// The refusal made of `unmet`, when it is not empty.
    pub fn unless_met(unmet: Vec<Unmet>) -> Result<(), Self> {
        if unmet.is_empty() { Ok(()) } else { Err(Self(unmet)) }
    }

    /// The kind of the first condition, which names the refusal in short.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        self.0.first().map_or(RefusalKind::Unavailable, |u| u.kind)
    }

    /// Every unmet condition.
    #[must_use]
    pub fn unmet(&self) -> &[Unmet] {
        &self.0
    }

    /// True when some condition is of this kind.
    #[must_use]
    pub fn has(&self, kind: RefusalKind) -> bool {
        self.0.iter().any(|u| u.kind == kind)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, unmet) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {} [{}]; {}", unmet.kind, unmet.what, unmet.rule, unmet.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annex_a_has_53_kinds_in_five_categories() {
        let count = |c| RefusalKind::ALL.iter().filter(|k| k.category() == c).count();
        let counts: Vec<_> = RefusalCategory::ALL.iter().map(|c| count(*c)).collect();
        assert_eq!(counts, [7, 10, 8, 26, 2]);
    }
}
