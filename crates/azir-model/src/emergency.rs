//! Emergency escalation predicate of annex F: all of 25.1 and none of 25.2 (D-085).
//!
//! The predicate is evaluated per harm channel on the input of annex D. Nobody can override it;
//! people change its outcome only by changing a signed input in the open (R-25.2-5).

use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RefusalKind, Unmet};

/// Harm further away than this is not imminent (annex F, A1).
pub const IMMINENT_S: u64 = 24 * 3600;

wire_enum! {
    /// Terms of annex F. An A term must hold, an X term must not.
    pub enum Term {
        /// The chain finalizes.
        A0 = "A0",
        /// A protocol exploit is active or imminent.
        A1 = "A1",
        /// Less restrictive containment is insufficient.
        A2 = "A2",
        /// The scope is definable.
        A3 = "A3",
        /// Evidence exists, or the risk is extreme.
        A4 = "A4",
        /// The normal delay worsens the damage.
        A5 = "A5",
        /// The issue is purely local.
        X1 = "X1",
        /// The impact is on observability only.
        X2 = "X2",
        /// Evidence is weak and the restriction broad.
        X3 = "X3",
        /// The normal path is adequate.
        X4 = "X4",
    }
}

impl Term {
    /// True for the exclusions of 25.2.
    #[must_use]
    pub const fn is_exclusion(self) -> bool {
        matches!(self, Self::X1 | Self::X2 | Self::X3 | Self::X4)
    }

    /// Why the predicate fails when this term blocks it.
    #[must_use]
    pub const fn blocked_because(self) -> &'static str {
        match self {
            Self::A0 => "the chain does not finalize, so no restriction can take effect",
            Self::A1 => "no network exploit is running or due within 24 h",
            Self::A2 => "a less restrictive measure is sufficient and in time",
            Self::A3 => "the scope does not resolve at the finalized height, or is the network",
            Self::A4 => "evidence is asserted only and the risk is not extreme",
            Self::A5 => "the normal path is not slower than the harm allows",
            Self::X1 => "the issue is local: all channels are own, or the blast rank is 1 or less",
            Self::X2 => "the impact is on observability only",
            Self::X3 => "evidence is asserted only and the draft is wider than the harm",
            Self::X4 => "the normal path is in time and sufficient",
        }
    }

    /// What would lift it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::A0 => "local measures now; protocol safe restart if the cause cannot heal",
            Self::A1 => "state a harm channel of network origin with its measured harm time",
            Self::A2 => "apply or request the measure that the decision chose",
            Self::A3 => "name a scope that exists in the finalized state",
            Self::A4 => {
                "add a second independent observation or verified objects, or have two people declare SEV_5 at rank 4"
            }
            Self::A5 | Self::X4 => "use the normal path",
            Self::X1 => "use local measures, or correct channels and blast radius in the open",
            Self::X2 => "observe, or reclassify with evidence",
            Self::X3 => "draft exactly the scope of the harm, or corroborate the evidence",
        }
    }
}

/// The facts that the terms read; all of them come from the decision input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether hard-final advances (A0).
    pub finalizing: bool,
    /// Whether the channel begins on the network (A1).
    pub network_origin: bool,
    /// Seconds until unacceptable harm, 0 = running (A1).
    pub t_harm: u64,
    /// Whether step 1 of annex D.7 found a measure (A2).
    pub narrower_found: bool,
    /// Whether the scope resolves and may be restricted (A3).
    pub scope_definable: bool,
    /// Whether the grade is corroborated or proven (A4, X3).
    pub corroborated: bool,
    /// `SEV_5` declared by two people at rank 4 (A4).
    pub extreme: bool,
    /// Seconds of the quickest sufficient normal path; `None` = never (A5, X4).
    pub normal_s: Option<u64>,
    /// Seconds allowed: harm time, or tolerance when running (A5, X4).
    pub limit_s: u64,
    /// All channels own, or rank 1 or less (X1).
    pub local_only: bool,
    /// Class observability only, or no channel (X2).
    pub observability_only: bool,
    /// The draft covers more than the channel (X3).
    pub draft_wider: bool,
}

/// The predicate with every term that blocks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// True when the emergency path is open.
    pub holds: bool,
    /// Blocking terms, in the order of annex F: A terms that are false, X terms that are true.
    pub blocking: Vec<Term>,
    /// Seconds of the normal path; absent = it never takes effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normal_s: Option<u64>,
    /// Seconds allowed.
    pub limit_s: u64,
}

/// True when `term` blocks the predicate.
fn blocks(facts: &Facts, term: Term) -> bool {
    let slow = facts.normal_s.is_none_or(|s| s > facts.limit_s);
    match term {
        Term::A0 => !facts.finalizing,
        Term::A1 => !(facts.network_origin && facts.t_harm <= IMMINENT_S),
        Term::A2 => facts.narrower_found,
        Term::A3 => !facts.scope_definable,
        Term::A4 => !(facts.corroborated || facts.extreme),
        Term::A5 => !slow,
        Term::X1 => facts.local_only,
        Term::X2 => facts.observability_only,
        Term::X3 => !facts.corroborated && facts.draft_wider,
        Term::X4 => !slow,
    }
}

/// Whether the predicate is true, without listing terms.
pub(crate) fn holds(facts: &Facts) -> bool {
    !Term::ALL.iter().any(|t| blocks(facts, *t))
}

/// Annex F. Implements R-25.1-1, R-25.1-2, R-25.1-3, R-25.1-4, R-25.1-5, R-25.1-6, R-25.2-1,
/// R-25.2-2, R-25.2-3 and R-25.2-4.
#[must_use]
pub fn evaluate(facts: &Facts) -> Predicate {
    let blocking: Vec<Term> = Term::ALL.iter().copied().filter(|t| blocks(facts, *t)).collect();
    Predicate {
        holds: blocking.is_empty(),
        blocking,
        normal_s: facts.normal_s,
        limit_s: facts.limit_s,
    }
}

impl Predicate {
    /// `Ok` when the path is open. Implements R-25.2-5: there is no parameter to override it.
    ///
    /// # Errors
    /// A refusal naming every blocking term; A0 as `not_effective`, the others as
    /// `escalation_not_justified`.
    pub fn require(&self) -> Result<(), Refusal> {
        let unmet = self.blocking.iter().map(|term| {
            let kind = match term {
                Term::A0 => RefusalKind::NotEffective,
                Term::A1 | Term::A2 | Term::A3 | Term::A4 | Term::A5 => {
                    RefusalKind::EscalationNotJustified
                }
                Term::X1 | Term::X2 | Term::X3 | Term::X4 => RefusalKind::EscalationNotJustified,
            };
            let what = format!("{term}: {}", term.blocked_because());
            Unmet::new(kind, what, "25.1, 25.2, D-085, annex F", term.remedy())
        });
        Refusal::unless_met(unmet.collect())
    }
}

/// The justification of an emergency draft (38.2, annex F).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Justification {
    /// Why the normal path is insufficient; quotes the numbers of A5.
    pub normal_path_insufficient: String,
    /// Why the scope is minimal; quotes the verdicts on narrower candidates.
    pub scope_minimal: String,
    /// Expected expiry in words.
    pub expected_expiry: String,
    /// Post-activation review: who, and by which height.
    pub review: String,
    /// Duration asked for, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_s: Option<u64>,
}

/// Checks a draft's justification against the predicate and the protocol maximum (38.2, D-089).
/// Implements R-38.2-1, R-38.2-2, R-38.2-3, R-38.2-4.
///
/// # Errors
/// A refusal with every missing text (`justification_incomplete`), a missing or too long expiry
/// (`expiry_required`), and every blocking term of the predicate.
pub fn check_draft(
    predicate: &Predicate,
    justification: &Justification,
    expiry_max_s: u64,
) -> Result<(), Refusal> {
    let mut unmet: Vec<Unmet> = match predicate.require() {
        Ok(()) => Vec::new(),
        Err(refusal) => refusal.unmet().to_vec(),
    };
    let texts = [
        ("why the normal path is insufficient", &justification.normal_path_insufficient),
        ("why the scope is minimal", &justification.scope_minimal),
        ("the expected expiry", &justification.expected_expiry),
        ("the post-activation review", &justification.review),
    ];
    for (name, text) in texts {
        if text.trim().is_empty() {
            unmet.push(Unmet::new(
                RefusalKind::JustificationIncomplete,
                format!("the draft does not say {name}"),
                "38.2, annex F",
                format!("state {name}"),
            ));
        }
    }
    let expiry = justification.expiry_s;
    if expiry.is_none_or(|s| s == 0 || s > expiry_max_s) {
        let what = match expiry {
            Some(s) if s > 0 => {
                format!("an expiry of {s} s exceeds the maximum of {expiry_max_s} s")
            }
            Some(_) | None => "the draft has no expiry".to_owned(),
        };
        unmet.push(Unmet::new(
            RefusalKind::ExpiryRequired,
            what,
            "38.2, D-089",
            format!("set an expiry of 1 to {expiry_max_s} s"),
        ));
    }
    Refusal::unless_met(unmet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Facts = Facts {
        finalizing: true,
        network_origin: true,
        t_harm: 0,
        narrower_found: false,
        scope_definable: true,
        corroborated: true,
        extreme: false,
        normal_s: Some(1210),
        limit_s: 300,
        local_only: false,
        observability_only: false,
        draft_wider: false,
    };

    /// R-25.1-1, R-25.1-2, R-25.1-3, R-25.1-4, R-25.1-6, R-25.2-1, R-25.2-2, R-25.2-3: one fact
    /// at a time closes the path and is named.
    #[test]
    fn every_term_alone_closes_the_emergency_path() {
        assert!(evaluate(&OPEN).holds);
        let closing = [
            (Facts { finalizing: false, ..OPEN }, vec![Term::A0]),
            (Facts { network_origin: false, ..OPEN }, vec![Term::A1]),
            (Facts { t_harm: IMMINENT_S + 1, ..OPEN }, vec![Term::A1]),
            (Facts { narrower_found: true, ..OPEN }, vec![Term::A2]),
            (Facts { scope_definable: false, ..OPEN }, vec![Term::A3]),
            (Facts { corroborated: false, ..OPEN }, vec![Term::A4]),
            (Facts { local_only: true, ..OPEN }, vec![Term::X1]),
            (Facts { observability_only: true, ..OPEN }, vec![Term::X2]),
        ];
        for (facts, blocking) in closing {
            let predicate = evaluate(&facts);
            assert!(!predicate.holds);
            assert_eq!(predicate.blocking, blocking);
        }
        let weak = Facts { corroborated: false, extreme: true, ..OPEN };
        assert!(evaluate(&weak).holds, "extreme risk may excuse thin proof (D-086)");
        let wide = evaluate(&Facts { draft_wider: true, ..weak });
        assert_eq!(wide.blocking, [Term::X3], "but not a wide net");
    }

    /// R-25.1-5, R-25.2-4: a normal path in time closes it; one that never acts does not.
    #[test]
    fn a_normal_path_in_time_closes_it() {
        let in_time = evaluate(&Facts { normal_s: Some(300), ..OPEN });
        assert_eq!(in_time.blocking, [Term::A5, Term::X4]);
        assert!(evaluate(&Facts { normal_s: None, ..OPEN }).holds);
    }

    /// R-25.2-5: the refusal names all failing terms at once.
    #[test]
    fn the_refusal_names_every_failing_term() {
        let facts = Facts { finalizing: false, corroborated: false, local_only: true, ..OPEN };
        let refusal = evaluate(&facts).require().unwrap_err();
        assert_eq!(refusal.unmet().len(), 3);
        assert!(refusal.has(RefusalKind::NotEffective));
        assert!(refusal.has(RefusalKind::EscalationNotJustified));
        assert!(refusal.to_string().contains("A4: ") && refusal.to_string().contains("X1: "));
        evaluate(&OPEN).require().unwrap();
    }

    /// R-38.2-1, R-38.2-2, R-38.2-3, R-38.2-4: all four texts are asked for, each by itself.
    #[test]
    fn a_draft_needs_four_texts_and_an_expiry_within_the_maximum() {
        let open = evaluate(&OPEN);
        let empty = check_draft(&open, &Justification::default(), 3600).unwrap_err();
        let count = |k| empty.unmet().iter().filter(|u| u.kind == k).count();
        assert_eq!(count(RefusalKind::JustificationIncomplete), 4);
        assert_eq!(count(RefusalKind::ExpiryRequired), 1);
        let mut full = Justification {
            normal_path_insufficient: "1210 s against 300 s".to_owned(),
            scope_minimal: "narrower candidates do not stop it".to_owned(),
            expected_expiry: "one hour".to_owned(),
            review: "governance liaison by height 9000".to_owned(),
            expiry_s: Some(3600),
        };
        check_draft(&open, &full, 3600).unwrap();
        let fields: [fn(&mut Justification) -> &mut String; 4] = [
            |j| &mut j.normal_path_insufficient,
            |j| &mut j.scope_minimal,
            |j| &mut j.expected_expiry,
            |j| &mut j.review,
        ];
        for field in fields {
            let mut lacking = full.clone();
            field(&mut lacking).clear();
            let refused = check_draft(&open, &lacking, 3600).unwrap_err();
            assert_eq!(refused.unmet().len(), 1);
            assert_eq!(refused.kind(), RefusalKind::JustificationIncomplete);
        }
        full.expiry_s = Some(3601);
        let long = check_draft(&open, &full, 3600).unwrap_err();
        assert_eq!(long.kind(), RefusalKind::ExpiryRequired);
    }
}
