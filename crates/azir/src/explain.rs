//! Pages for people: one per refusal kind and error code, compiled in, for `azir explain CODE`.

/// Declares the table; each code has its page in `docs/errors`.
macro_rules! pages {
    ($($code:literal,)+) => {
        &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),+]
    };
}

/// All pages: refusal kinds in the order of annex A, then error codes of this program.
const PAGES: &[(&str, &str)] = pages! {
    "invalid_schema",
    "unknown_enum",
    "not_canonical",
    "id_mismatch",
    "hash_mismatch",
    "signature_invalid",
    "scope_invalid",
    "unknown_actor",
    "not_authorized",
    "role_conflict",
    "second_person_required",
    "key_revoked",
    "forbidden_power",
    "append_only",
    "label_unproven",
    "protocol_authority_required",
    "drill_only",
    "illegal_transition",
    "stale_view",
    "version_conflict",
    "phase_order",
    "fenced",
    "gate_closed",
    "lease_expired",
    "finality_disputed",
    "guard_unmet",
    "evidence_missing",
    "evidence_unverified",
    "destructive_before_preserve",
    "scope_required",
    "scope_too_broad",
    "expiry_required",
    "reason_required",
    "justification_incomplete",
    "escalation_not_justified",
    "not_effective",
    "profile_exceeded",
    "stops_finality",
    "criteria_unmet",
    "replay_mismatch",
    "replay_source_rejected",
    "checkpoint_untrusted",
    "review_required",
    "not_finalized",
    "exit_only_violation",
    "journal_missing",
    "cap_exceeded",
    "approval_required",
    "status_unproven",
    "postmortem_incomplete",
    "measure_active",
    "unavailable",
    "status_stale",
    "AZ-E0001",
    "AZ-E0002",
    "AZ-E0003",
    "AZ-E0004",
    "AZ-E0005",
    "AZ-E0006",
    "AZ-E0007",
    "AZ-E0070",
};

/// The page of a code, if there is one. Case does not matter, so that `az-e0001` is found too.
pub(crate) fn explain(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, page)| *page)
}

/// All codes that have a page, in the order of the table.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use azir_model::refusal::RefusalKind;

    use super::*;

    #[test]
    fn every_refusal_kind_has_a_page_that_says_what_to_do() {
        for kind in RefusalKind::ALL {
            let page = explain(kind.as_str()).unwrap_or_else(|| panic!("{kind} has no page"));
            assert!(page.starts_with(&format!("# {kind}\n")), "{kind}");
            for part in ["**Usual reason.**", "**What to do.**", "**Clauses.**"] {
                assert!(page.contains(part), "{kind} lacks {part}");
            }
        }
    }

    #[test]
    fn codes_are_listed_once_and_unknown_ones_have_no_page() {
        let listed: Vec<_> = codes().collect();
        let unique: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(listed.len(), unique.len());
        assert!(listed.iter().all(|code| explain(&code.to_uppercase()).is_some()));
        assert_eq!(explain("no_such_code"), None);
    }
}
