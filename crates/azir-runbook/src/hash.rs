//! Part hashes, the header of 35.1 and the envelope (D-015, D-116).
//!
//! What the skeleton has no member for is hashed inside a part: format, classes, owner, summary
//! and preconditions with the triggers, escalation with the containment matrix, drills with the
//! exit criteria. So no value of the document is outside `runbook_hash`, except those of the
//! envelope.

use azir_ledger::{CanonError, Digest, canon};
use azir_model::refusal::Unmet;
use azir_model::{IncidentClass, Refusal, RefusalKind, Role, RunbookId, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{FORMAT, Runbook, Step, StepPart};

azir_ledger::digest_id! {
    /// `H("AZ:RUNBOOK:" || JCS(header))`: the name of one version of one runbook.
    RunbookHash
}

azir_model::wire_enum! {
    /// Hashed parts of the header, named as its members without `_hash`.
    pub enum Part {
        /// Triggers, preconditions, classes, owner, summary.
        TriggerConditions = "trigger_conditions",
        /// The checklist.
        EvidenceChecklist = "evidence_checklist",
        /// Steps of part `immediate`.
        ImmediateActions = "immediate_actions",
        /// Containment and escalation.
        ContainmentMatrix = "containment_matrix",
        /// Steps of part `recovery`.
        RecoverySteps = "recovery_steps",
        /// Exit criteria and drills.
        ExitCriteria = "exit_criteria",
    }
}

impl Part {
    /// Whether a change of this part needs review before release (35.2, D-117): what people do, how
    /// far they may go, and when it is over.
    #[must_use]
    pub const fn is_critical(self) -> bool {
        match self {
            Self::ImmediateActions
            | Self::ContainmentMatrix
            | Self::RecoverySteps
            | Self::ExitCriteria => true,
            Self::TriggerConditions | Self::EvidenceChecklist => false,
        }
    }
}

/// `Runbook` of 35.1: exactly ten members. Implements R-35.1-1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Id of 34.2.
    pub runbook_id: RunbookId,
    /// One line.
    pub title: String,
    /// Primary class.
    pub incident_class: IncidentClass,
    /// Severity from which following is mandatory.
    pub severity_min: Severity,
    /// Hash of [`Part::TriggerConditions`].
    pub trigger_conditions_hash: Digest,
    /// Hash of [`Part::EvidenceChecklist`].
    pub evidence_checklist_hash: Digest,
    /// Hash of [`Part::ImmediateActions`].
    pub immediate_actions_hash: Digest,
    /// Hash of [`Part::ContainmentMatrix`].
    pub containment_matrix_hash: Digest,
    /// Hash of [`Part::RecoverySteps`].
    pub recovery_steps_hash: Digest,
    /// Hash of [`Part::ExitCriteria`].
    pub exit_criteria_hash: Digest,
}

impl Header {
    /// The hash of one part.
    #[must_use]
    pub fn part(&self, part: Part) -> Digest {
        match part {
            Part::TriggerConditions => self.trigger_conditions_hash,
            Part::EvidenceChecklist => self.evidence_checklist_hash,
            Part::ImmediateActions => self.immediate_actions_hash,
            Part::ContainmentMatrix => self.containment_matrix_hash,
            Part::RecoverySteps => self.recovery_steps_hash,
            Part::ExitCriteria => self.exit_criteria_hash,
        }
    }

    /// `H("AZ:RUNBOOK:" || JCS(header))`.
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; never for the header of a loaded runbook.
    pub fn hash(&self) -> Result<RunbookHash, CanonError> {
        Digest::of_canonical("AZ:RUNBOOK:", self).map(RunbookHash)
    }
}

/// An approval of a version: the signed event that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionApproval {
    /// Who, as in the event.
    pub actor: String,
    /// In which role.
    pub role: Role,
    /// Hash of the event.
    pub event: Digest,
}

/// What surrounds the hashed header (D-116).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The header.
    pub runbook: Header,
    /// Version, from 1.
    pub version: u32,
    /// The version replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RunbookHash>,
    /// Approvals (D-117).
    pub approvals: Vec<VersionApproval>,
}

/// Digest of the canonical bytes of one part, with the tag of D-015.
#[must_use]
pub fn part_digest(part: Part, bytes: &[u8]) -> Digest {
    Digest::tagged(&format!("AZ:RUNBOOK:{part}:"), bytes)
}

impl Runbook {
    /// The canonical bytes of one part: the preimage of its hash (D-015).
    ///
    /// # Errors
    /// [`CanonError::Unencodable`]; never for a loaded runbook.
    pub fn part_bytes(&self, part: Part) -> Result<Vec<u8>, CanonError> {
        let steps =
            |of: StepPart| -> Vec<&Step> { self.steps.iter().filter(|s| s.part == of).collect() };
        let value: Value = match part {
            Part::TriggerConditions => json!({
                "format": FORMAT, "classes": self.classes, "owner": self.owner,
                "summary": self.summary, "triggers": self.triggers,
                "preconditions": self.preconditions,
            }),
            Part::EvidenceChecklist => json!(self.evidence),
            Part::ImmediateActions => json!(steps(StepPart::Immediate)),
            Part::ContainmentMatrix => {
                json!({ "containment": self.containment, "escalation": self.escalation })
            }
            Part::RecoverySteps => json!(steps(StepPart::Recovery)),
            Part::ExitCriteria => json!({ "exit": self.exit, "drills": self.drills }),
        };
        canon::encode_value(&value)
    }

    /// Fills in header and hash, once, at the end of loading.
    pub(crate) fn seal(mut self) -> Result<Self, CanonError> {
        let hash = |part| Ok::<_, CanonError>(part_digest(part, &self.part_bytes(part)?));
        self.header = Header {
            runbook_id: self.id,
            title: self.title.clone(),
            incident_class: self.class,
            severity_min: self.severity_min,
            trigger_conditions_hash: hash(Part::TriggerConditions)?,
            evidence_checklist_hash: hash(Part::EvidenceChecklist)?,
            immediate_actions_hash: hash(Part::ImmediateActions)?,
            containment_matrix_hash: hash(Part::ContainmentMatrix)?,
            recovery_steps_hash: hash(Part::RecoverySteps)?,
            exit_criteria_hash: hash(Part::ExitCriteria)?,
        };
        self.hash = self.header.hash()?;
        Ok(self)
    }

    /// The header of 35.1. Implements R-35.1-1.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The name of this version.
    #[must_use]
    pub fn hash(&self) -> RunbookHash {
        self.hash
    }

    /// The envelope with the given approvals.
    #[must_use]
    pub fn envelope(&self, approvals: Vec<VersionApproval>) -> Envelope {
        let (version, previous) = (self.version, self.previous);
        Envelope { runbook: self.header.clone(), version, previous, approvals }
    }

    /// Checks a header against this document. Implements R-35.1-2.
    ///
    /// # Errors
    /// `hash_mismatch`, one condition per part or member that differs.
    pub fn check_header(&self, header: &Header) -> Result<(), Refusal> {
        let own = &self.header;
        let plain = [
            ("runbook_id", own.runbook_id == header.runbook_id),
            ("title", own.title == header.title),
            ("incident_class", own.incident_class == header.incident_class),
            ("severity_min", own.severity_min == header.severity_min),
        ];
        let parts = Part::ALL.iter().map(|p| (p.as_str(), own.part(*p) == header.part(*p)));
        let unmet = plain.into_iter().chain(parts).filter(|(_, same)| !same).map(|(name, _)| {
            Unmet::new(
                RefusalKind::HashMismatch,
                format!("{name} of the header is not that of the document"),
                "35.1, D-015",
                "take header and document of the same version",
            )
        });
        Refusal::unless_met(unmet.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CONSENSUS, consensus, load_ok};

    fn differing(a: &Runbook, b: &Runbook) -> Vec<Part> {
        let (a, b) = (a.header(), b.header());
        Part::ALL.iter().copied().filter(|p| a.part(*p) != b.part(*p)).collect()
    }

    /// The part that a line of the file belongs to; `None` for header and envelope members.
    fn part_of(section: &str, step_part: Option<&str>, key: &str) -> Option<Part> {
        match (section, key) {
            ("", "trigger" | "precondition" | "classes" | "owner" | "summary") => {
                Some(Part::TriggerConditions)
            }
            ("", "evidence") => Some(Part::EvidenceChecklist),
            ("", "containment" | "escalation") => Some(Part::ContainmentMatrix),
            ("", "exit" | "drills") => Some(Part::ExitCriteria),
            ("step", _) if step_part == Some("immediate") => Some(Part::ImmediateActions),
            ("step", _) => Some(Part::RecoverySteps),
            _ => None,
        }
    }

    /// R-35.1-2: every line of prose is changed in turn, and moves its own part hash only.
    #[test]
    fn changing_any_text_changes_exactly_one_part_hash_and_the_runbook_hash() {
        let (whole, lines) = (consensus(), CONSENSUS.lines().collect::<Vec<_>>());
        let (mut section, mut key, mut tried) = (String::new(), String::new(), 0);
        for (i, line) in lines.iter().enumerate() {
            if line.trim() == "[[step]]" {
                section = "step".into();
            } else if !line.starts_with([' ', ']', '}', '#']) && line.contains(" = ") {
                key = line.split(' ').next().unwrap_or("").to_owned();
            }
            // Words in prose end in ". " or "."; ids and facts never do.
            let Some(at) = line.rfind(".\"") else { continue };
            let mut changed = lines.clone();
            let text = format!("{} Changed{}", &line[..=at], &line[at + 1..]);
            changed[i] = &text;
            let other = load_ok(&changed.join("\n"));
            let block = lines[..=i].iter().rposition(|l| *l == "[[step]]").unwrap_or(0);
            let by = lines[block..].iter().find(|l| l.starts_with("by = ")).unwrap();
            let step_part =
                by.contains("part = \"immediate\"").then_some("immediate").or(Some("recovery"));
            let want: Vec<Part> = part_of(&section, step_part, &key).into_iter().collect();
            assert_eq!(differing(&whole, &other), want, "line {}: {line}", i + 1);
            assert_eq!(want.len(), 1, "line {}: {line}", i + 1);
            assert_ne!(whole.hash(), other.hash());
            tried += 1;
        }
        assert!(tried > 60, "only {tried} lines of prose found");
    }

    /// R-35.1-2: values that are not prose, one of each part.
    #[test]
    fn changing_a_number_an_edge_or_a_guard_changes_its_part_only() {
        let cases = [
            (
                "severity_hint = \"SEV_4_CRITICAL\"",
                "severity_hint = \"SEV_5_SYSTEMIC\"",
                Some(Part::TriggerConditions),
            ),
            ("from = \"SEV_3_HIGH\"", "from = \"SEV_2_MEDIUM\"", Some(Part::EvidenceChecklist)),
            ("deadline_s = 5 }", "deadline_s = 6 }", Some(Part::ImmediateActions)),
            ("after_s = 300", "after_s = 301", Some(Part::ContainmentMatrix)),
            ("deadline_s = 604800", "deadline_s = 604801", Some(Part::RecoverySteps)),
            ("drills = [\"conflicting-notarization\"]", "drills = []", Some(Part::ExitCriteria)),
            ("severity_min = \"SEV_3_HIGH\"", "severity_min = \"SEV_2_MEDIUM\"", None),
        ];
        let whole = consensus();
        for (from, to, want) in cases {
            assert!(CONSENSUS.contains(from), "{from}");
            let other = load_ok(&CONSENSUS.replacen(from, to, 1));
            assert_eq!(differing(&whole, &other), want.into_iter().collect::<Vec<_>>(), "{from}");
            assert_ne!(whole.hash(), other.hash(), "{from}");
        }
    }

    #[test]
    fn comments_layout_and_the_order_of_keys_are_no_content() {
        let mut text =
            format!("# another comment\n\n{}", CONSENSUS.replace(" = [\n", " = [ # why\n"));
        let (a, b) = ("id = \"close-gates\"\n", "title = \"Stop own proposer and notary\"\n");
        assert!(text.contains(&format!("{a}{b}")));
        text = text.replace(&format!("{a}{b}"), &format!("{b}\n\n{a}"));
        let other = load_ok(&text);
        assert_eq!(other, consensus());
        assert_eq!(other.hash(), consensus().hash());
    }

    /// R-35.1-1: a header with one member missing or added is not read.
    #[test]
    fn the_header_has_exactly_the_ten_members_of_section_35() {
        let header = consensus().header().clone();
        let value = serde_json::to_value(&header).unwrap();
        let members = value.as_object().unwrap();
        assert_eq!(members.len(), 10);
        for name in members.keys() {
            let mut fewer = value.clone();
            fewer.as_object_mut().unwrap().remove(name);
            assert!(canon::decode::<Header>(&canon::encode(&fewer).unwrap()).is_err(), "{name}");
        }
        let mut more = value.clone();
        more["version"] = json!(1);
        assert!(canon::decode::<Header>(&canon::encode(&more).unwrap()).is_err());
    }

    /// R-35.1-2: the refusal names every part that does not fit.
    #[test]
    fn a_header_of_another_document_is_refused_naming_the_parts() {
        let runbook = consensus();
        runbook.check_header(runbook.header()).unwrap();
        let mut header = runbook.header().clone();
        header.exit_criteria_hash = Digest::of(b"x");
        header.recovery_steps_hash = Digest::of(b"y");
        let refusal = runbook.check_header(&header).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::HashMismatch);
        let text = refusal.to_string();
        assert!(text.contains("recovery_steps of") && text.contains("exit_criteria of"), "{text}");
        assert_eq!(refusal.unmet().len(), 2);
    }

    #[test]
    fn the_envelope_carries_version_and_previous_outside_the_runbook_hash() {
        let next = CONSENSUS.replacen(
            "version = 1\n",
            &format!("version = 2\nprevious = \"{}\"\n", consensus().hash()),
            1,
        );
        let next = load_ok(&next);
        assert_eq!(next.hash(), consensus().hash());
        let envelope = next.envelope(vec![]);
        assert_eq!((envelope.version, envelope.previous), (2, Some(consensus().hash())));
        let bytes = canon::encode(&envelope).unwrap();
        assert_eq!(canon::decode::<Envelope>(&bytes).unwrap(), envelope);
    }
}
