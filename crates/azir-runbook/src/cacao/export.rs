//! A runbook as a CACAO 2.0 playbook.

use azir_ledger::Timestamp;
use azir_model::Severity;
use serde_json::{Value, json};

use super::ids::{EXTENSION, EXTENSION_VERSION, identity, uuid};
use super::steps::Workflow;
use crate::model::Runbook;
use crate::write;

/// The normative definition of the extension, as text of a JSON schema.
pub(super) const EXTENSION_SCHEMA: &str = include_str!("extension.schema.json");

/// The times of a playbook, given by the caller. CACAO names a version of a playbook by
/// `modified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the first version of the playbook was made; stays the same over versions.
    pub created: Timestamp,
    /// When this version was made; not before `created`.
    pub modified: Timestamp,
}

/// Why a runbook was not exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The times are in the wrong order.
    #[error("modified {modified} lies before created {created}; give the later time as modified")]
    TimesReversed {
        /// As given.
        created: Timestamp,
        /// As given.
        modified: Timestamp,
    },
}

/// The playbook of a runbook. Equal runbooks and stamps give equal playbooks.
///
/// # Errors
/// [`ExportError::TimesReversed`].
pub fn export(book: &Runbook, stamp: &Stamp) -> Result<Value, ExportError> {
    let Stamp { created, modified } = *stamp;
    if modified < created {
        return Err(ExportError::TimesReversed { created, modified });
    }
    let flow = Workflow::of(book);
    let classes: Vec<_> = book.classes().iter().map(|c| c.as_str()).collect();
    Ok(json!({
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": format!("playbook--{}", uuid(5, &format!("playbook/{}", book.id()))),
        "name": book.title(),
        "description": book.summary(),
        "playbook_types": ["mitigation", "remediation"],
        "playbook_activities": flow.activities,
        "playbook_processing_summary": {
            "manual_playbook": true, "if_logic": true, "switch_logic": flow.switches,
            "temporal_logic": true, "extensions": true,
        },
        "created_by": identity(),
        "created": created,
        "modified": modified,
        "severity": severity(book.severity_min()),
        "labels": classes,
        "external_references": [{
            "name": "AZ-015 section 34",
            "description": format!("Runbook {}, version {}.", book.id(), book.version()),
            "external_id": book.id(),
        }],
        "playbook_variables": flow.variables,
        "workflow_start": flow.start,
        "workflow": flow.steps,
        "agent_definitions": flow.agents,
        "extension_definitions": { EXTENSION: definition() },
        "playbook_extensions": { EXTENSION: carried(book) },
    }))
}

/// What the playbook itself carries of the runbook: everything but the steps.
fn carried(book: &Runbook) -> Value {
    let mut document = write::document(book);
    if let Value::Object(members) = &mut document {
        members.remove("step");
    }
    let order: Vec<_> = book.steps().iter().map(|s| s.id.as_str()).collect();
    json!({
        "runbook_hash": book.hash(), "header": book.header(),
        "runbook": document, "step_order": order,
    })
}

fn definition() -> Value {
    json!({
        "type": "extension-definition",
        "name": "azir runbook",
        "description": "What a runbook of AZ-015 says beyond CACAO: triggers, preconditions, \
            evidence checklist, containment matrix, escalation ladder and exit criteria on the \
            playbook; kind, roles, effect, guard, edges and deadline on each step. A tool that \
            changes the workflow should remove this extension.",
        "created_by": identity(),
        "schema": EXTENSION_SCHEMA,
        "version": EXTENSION_VERSION,
    })
}

/// CACAO counts from 1 to 100, and 0 means undefined.
const fn severity(of: Severity) -> u8 {
    match of {
        Severity::Sev0Info => 1,
        Severity::Sev1Low => 20,
        Severity::Sev2Medium => 40,
        Severity::Sev3High => 60,
        Severity::Sev4Critical => 80,
        Severity::Sev5Systemic => 100,
    }
}
