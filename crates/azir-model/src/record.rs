//! The opening record of an incident (7.1) and the id that is its hash (7.2, D-012, D-013).

use azir_ledger::{CanonError, Digest, Timestamp, digest_id};
use serde::{Deserialize, Serialize};

use crate::refusal::{RefusalKind, Unmet};
use crate::vocab::{IncidentClass, IncidentState, Profile, RunbookId, Severity};

digest_id! {
    /// Id of an incident: `H("AZ:INCIDENT:" || canonical opening record)` (7.2).
    IncidentId
}

/// Tag of the incident id.
pub const INCIDENT_TAG: &str = "AZ:INCIDENT:";

/// The members of 7.1 without `incident_id`, at their opening values. Immutable: everything later
/// is an event (D-013).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningRecord {
    /// `H("AZ:SCOPES:" || sorted unique scopes)` (D-015).
    pub affected_scopes_hash: Digest,
    /// Always [`Profile::ObserveOnly`] at opening.
    pub current_response_profile: Profile,
    /// Who saw it: `operator:`, `detector:`, `agent:` or `external:` and a name (D-017).
    pub detected_by: String,
    /// When it was seen; informative (D-016).
    pub detection_time: Timestamp,
    /// Proposed class (D-020).
    pub incident_class: IncidentClass,
    /// `H("AZ:EVIDENCE:" || sorted descriptors)` (D-015).
    pub initial_evidence_hash: Digest,
    /// Optional hash of further facts; absent means no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_hash: Option<Digest>,
    /// Objects that the incident is about: sorted, unique `kind:64-hex`.
    pub related_object_refs: Vec<String>,
    /// Lead runbook of the proposed class (D-019).
    pub related_runbook_id: RunbookId,
    /// Proposed severity (D-020).
    pub severity: Severity,
    /// Always [`IncidentState::Detected`] at opening.
    pub status: IncidentState,
}

impl OpeningRecord {
    /// The incident id. Implements R-7.2-1.
    ///
    /// # Errors
    /// Never for a record that was read; see [`CanonError::Unencodable`].
    pub fn id(&self) -> Result<IncidentId, CanonError> {
        Digest::of_canonical(INCIDENT_TAG, self).map(IncidentId)
    }

    /// What makes this record no opening record (D-013), all at once. Implements R-7.1-5,
    /// R-7.1-6, R-7.1-9, R-7.1-10.
    #[must_use]
    pub fn problems(&self) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        let mut refuse = |kind, what: String, remedy: &str| {
            unmet.push(Unmet::new(kind, what, "7.1, D-013", remedy));
        };
        let opening = RefusalKind::GuardUnmet;
        if self.status != IncidentState::Detected {
            let what = format!("opening: status is {}", self.status);
            refuse(opening, what, "open with status DETECTED");
        }
        if self.current_response_profile != Profile::ObserveOnly {
            let what = format!("opening: profile is {}", self.current_response_profile);
            refuse(opening, what, "open with RP_OBSERVE_ONLY");
        }
        let known = ["operator:", "detector:", "agent:", "external:"];
        if !known.iter().any(|p| self.detected_by.starts_with(p)) {
            let what = format!("detected_by is {:?}", self.detected_by);
            refuse(RefusalKind::UnknownActor, what, "use a form of D-017");
        }
        for reference in &self.related_object_refs {
            if !is_object_ref(reference) {
                let what = format!("related_object_refs holds {reference:?}");
                refuse(RefusalKind::InvalidSchema, what, "write kind:64-hex");
            }
        }
        if !self.related_object_refs.is_sorted_by(|a, b| a < b) {
            let what = "related_object_refs is not sorted and unique".to_owned();
            refuse(RefusalKind::InvalidSchema, what, "sort it, without repeats");
        }
        unmet
    }
}

fn is_object_ref(text: &str) -> bool {
    text.split_once(':').is_some_and(|(kind, hash)| {
        !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
            && hash.parse::<Digest>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OpeningRecord {
        OpeningRecord {
            affected_scopes_hash: Digest::of_canonical("AZ:SCOPES:", &["committee:12/notary"])
                .unwrap(),
            current_response_profile: Profile::ObserveOnly,
            detected_by: "detector:conflicting-notarization@1".into(),
            detection_time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            incident_class: IncidentClass::Consensus,
            initial_evidence_hash: Digest::of_canonical("AZ:EVIDENCE:", &[0u8; 0]).unwrap(),
            metadata_hash: None,
            related_object_refs: vec![],
            related_runbook_id: RunbookId::Consensus,
            severity: Severity::Sev4Critical,
            status: IncidentState::Detected,
        }
    }

    /// R-7.2-1, R-7.1-1: the id is the hash of the record without its id, by the vector of D-014.
    #[test]
    fn the_incident_id_is_the_hash_of_the_opening_record() {
        let id = record().id().unwrap().to_string();
        assert_eq!(id, "7cc6a503473e4d3339b4d40b3f2367eb7fc7c8867df57abb51ddca0d789c9110");
    }

    /// R-7.1-12: present or absent, never null.
    #[test]
    fn an_absent_metadata_hash_is_no_member_and_null_is_refused() {
        use azir_ledger::canon;
        let bare = canon::encode(&record()).unwrap();
        assert!(!String::from_utf8(bare.clone()).unwrap().contains("metadata_hash"));
        assert_eq!(canon::decode::<OpeningRecord>(&bare).unwrap(), record());
        let hash = Digest::of(b"note");
        let with = OpeningRecord { metadata_hash: Some(hash), ..record() };
        let text = String::from_utf8(canon::encode(&with).unwrap()).unwrap();
        assert_eq!(canon::decode::<OpeningRecord>(text.as_bytes()).unwrap(), with);
        let null = text.replace(&format!("\"{hash}\""), "null");
        assert!(canon::decode::<OpeningRecord>(null.as_bytes()).is_err());
    }

    /// R-7.1-5, R-7.1-6, R-7.1-9, R-7.1-10.
    #[test]
    fn a_record_that_opens_beyond_detected_is_refused_with_every_reason() {
        let late = OpeningRecord {
            status: IncidentState::Closed,
            current_response_profile: Profile::HaltScoped,
            detected_by: "somebody".into(),
            related_object_refs: vec!["block:00".into(), "block:00".into()],
            ..record()
        };
        assert_eq!(late.problems().len(), 6);
        assert!(record().problems().is_empty());
    }
}
