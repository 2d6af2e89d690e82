//! A playbook in: ours gives its runbook back, any other becomes a draft.

use azir_ledger::Timestamp;
use serde_json::{Map, Value};

use super::check::{object_of, of_members};
use super::draft::{Draft, Lost, draft};
use super::export::{Stamp, export};
use super::finding::{Finding, FindingKind};
use super::graph;
use super::ids::EXTENSION;
use super::read::{self, EDGES_MAX, ImportError, STEPS_MAX};
use super::steps::carried;
use crate::hash::RunbookHash;
use crate::model::Runbook;
use crate::write;

/// Members that may differ between a playbook and the export of the runbook that it carries: they
/// say nothing about what is to be done.
const MAY_DIFFER: &[&str] = &[
    "revoked",
    "valid_from",
    "valid_until",
    "derived_from",
    "related_to",
    "markings",
    "data_marking_definitions",
    "signatures",
];

/// What an import found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The runbook, where the playbook carries one and nothing in it disagrees.
    pub book: Option<Runbook>,
    /// Its hash. Never given without the runbook.
    pub runbook_hash: Option<RunbookHash>,
    /// What is wrong. Anything here refuses activation, and then there is no runbook.
    pub findings: Vec<Finding>,
    /// What the draft does not say any more; empty where there is a runbook.
    pub lost: Vec<Lost>,
    /// The workflow as text for a person.
    pub draft: Draft,
}

/// Reads a playbook. Nothing in it is executed, and nothing is taken from it by halves: either the
/// whole runbook, or a draft with everything that is wrong and lost.
///
/// # Errors
/// [`ImportError`] where the bytes are no bounded JSON object without doubled members.
pub fn import(text: &[u8]) -> Result<Imported, ImportError> {
    let playbook = read::object(text)?;
    bounded(&playbook)?;
    let mut found = of_members(&playbook);
    let mut book = None;
    if let Some(extension) = playbook.get("playbook_extensions").and_then(|e| e.get(EXTENSION)) {
        match rebuilt(&playbook, extension) {
            Err(finding) => found.push(finding),
            Ok(runbook) => {
                found.extend(disagreements(&playbook, &runbook));
                book = Some(runbook);
            }
        }
    }
    let book = book.filter(|_| found.is_empty());
    let (draft, lost) = draft(&playbook);
    let lost = if book.is_some() { Vec::new() } else { lost };
    let runbook_hash = book.as_ref().map(Runbook::hash);
    Ok(Imported { book, runbook_hash, findings: found, lost, draft })
}

fn bounded(playbook: &Map<String, Value>) -> Result<(), ImportError> {
    let Some(workflow) = object_of(playbook, "workflow") else { return Ok(()) };
    let edges = workflow.values().map(|step| graph::edges(step).len()).sum();
    for (what, found, max) in [("steps", workflow.len(), STEPS_MAX), ("edges", edges, EDGES_MAX)] {
        if found > max {
            return Err(ImportError::TooMany { what, found, max });
        }
    }
    Ok(())
}

/// The runbook that the extension carries, through the same door as a file.
fn rebuilt(playbook: &Map<String, Value>, extension: &Value) -> Result<Runbook, Finding> {
    let place = format!("playbook_extensions/{EXTENSION}");
    let malformed =
        |detail: &str| Finding::new(FindingKind::ExtensionMalformed, place.as_str(), detail);
    let mut document = match extension.get("runbook") {
        Some(Value::Object(members)) => members.clone(),
        _ => return Err(malformed("runbook is missing or no object")),
    };
    let order = extension.get("step_order").and_then(Value::as_array);
    let order = order.ok_or_else(|| malformed("step_order is missing or no list"))?;
    let none = Map::new();
    let mut by_id = carried(object_of(playbook, "workflow").unwrap_or(&none));
    let mut steps = Vec::new();
    for id in order {
        let found = id.as_str().and_then(|id| by_id.remove(id)).unwrap_or_default();
        let [(_, step)] = found[..] else {
            let why = format!("{} steps carry {id}, and one must", found.len());
            return Err(malformed(&why));
        };
        steps.push(step.clone());
    }
    if let Some(extra) = by_id.keys().next() {
        return Err(malformed(&format!("step {extra:?} is not in step_order")));
    }
    document.insert("step".to_owned(), Value::Array(steps));
    let text = write::toml(&Value::Object(document));
    let book = crate::load(&text, "runbook in the extension")
        .map_err(|e| Finding::new(FindingKind::ExtensionRefused, place.as_str(), e.to_string()))?;
    let said = extension.get("runbook_hash").and_then(Value::as_str).unwrap_or_default();
    if said != book.hash().to_string() {
        let detail = format!("it is {}, not {said:?}", book.hash());
        return Err(Finding::new(FindingKind::HashDiffers, place, detail));
    }
    Ok(book)
}

/// Where the playbook is not the export of the runbook that it carries: a tool or a person changed
/// what is read without changing what would run, or the other way round.
fn disagreements(playbook: &Map<String, Value>, book: &Runbook) -> Vec<Finding> {
    let time = |name: &str| playbook.get(name)?.as_str()?.parse::<Timestamp>().ok();
    // Without both times there are findings already, and nothing to compare with.
    let Some((created, modified)) = time("created").zip(time("modified")) else { return vec![] };
    let differs =
        |place: String, detail: &str| Finding::new(FindingKind::WorkflowDisagrees, place, detail);
    let ours = match export(book, &Stamp { created, modified }) {
        Ok(Value::Object(ours)) => ours,
        Ok(_) => return vec![],
        Err(e) => return vec![differs("modified".to_owned(), &e.to_string())],
    };
    let mut found = Vec::new();
    let mut compare = |at: &str, a: &Map<String, Value>, b: &Map<String, Value>, skip: &[&str]| {
        let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
        for name in names.filter(|name| !skip.contains(&name.as_str())) {
            let detail = match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(_), Some(_)) => "changed",
                (Some(_), None) => "missing",
                (None, _) => "added",
            };
            found.push(differs(format!("{at}{name}"), detail));
        }
    };
    let none = Map::new();
    let steps = |of| object_of(of, "workflow").unwrap_or(&none);
    compare("workflow/", steps(&ours), steps(playbook), &[]);
    let skip: Vec<&str> = MAY_DIFFER.iter().copied().chain(["workflow"]).collect();
    compare("", &ours, playbook, &skip);
    found
}
