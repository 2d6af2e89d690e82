//! From text to [`Runbook`]: everything that can be wrong with one member at a time. What
//! concerns the steps as a graph is in `check`.

mod predicate;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use azir_ledger::Digest;
use azir_model::evidence::{Checklist, Item};
use azir_model::{IncidentClass, Role, Severity};
use toml::Spanned;

pub(crate) use step::StepPlaces;

use crate::check;
use crate::error::{LoadError, Place};
use crate::fact::FactType;
use crate::file::{
    ContainmentFile, CriterionFile, EscalationFile, EvidenceFile, RunbookFile, TriggerFile,
};
use crate::hash::{Header, RunbookHash};
use crate::model::{
    Containment, Criterion, Escalation, EvidenceItem, FORMAT, Runbook, StepPart, Trigger,
};

/// Largest runbook file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 256 * 1024;
/// Longest text, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 4000;
/// Most steps of a runbook, and most members of any other list.
pub(crate) const LIST_MAX: usize = 200;
/// Reads a runbook. `file` is only used in messages.
///
/// Implements R-34.1-1 and R-34.1-6: a document that lacks one of the ten members, or whose
/// recovery step names no mode, is not loaded.
///
/// # Errors
/// The first [`LoadError`] in the order of the file, parser errors first.
pub fn load(text: &str, file: &str) -> Result<Runbook, LoadError> {
    if text.len() > FILE_BYTES_MAX {
        let (file, size) = (file.to_owned(), text.len());
        return Err(LoadError::TooLarge { file, size, max: FILE_BYTES_MAX });
    }
    let mut reader = Reader { text, file, run_facts: BTreeMap::new() };
    let raw: RunbookFile = toml::from_str(text).map_err(|e| LoadError::Syntax {
        place: reader.place(&e.span().unwrap_or_default()),
        why: e.message().trim().to_owned(),
    })?;
    reader.runbook(raw)
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    /// Facts about earlier steps: `answer.<id>`, `outcome.<id>`.
    run_facts: BTreeMap<String, FactType>,
}

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        Place::at(self.text, self.file, span.start)
    }

    fn rule(&self, span: &Range<usize>, rule: &'static str, why: impl Into<String>) -> LoadError {
        LoadError::Rule { place: self.place(span), rule, why: why.into() }
    }

    fn key(&self, span: &Range<usize>, key: &'static str, why: impl Into<String>) -> LoadError {
        LoadError::Key { place: self.place(span), key, why: why.into() }
    }

    fn runbook(&mut self, raw: RunbookFile) -> Result<Runbook, LoadError> {
        let top = raw.format.span();
        if raw.format.get_ref() != FORMAT {
            return Err(self.key(&top, "format", format!("must be {FORMAT:?} in this version")));
        }
        if raw.version == 0 {
            return Err(self.rule(&raw.id.span(), "D-117", "versions count from 1"));
        }
        if !raw.classes.contains(raw.class.get_ref()) {
            let why = "the primary class must be one of `classes`";
            return Err(self.rule(&raw.class.span(), "D-116", why));
        }
        self.lists(&raw, &top)?;
        let evidence = self.evidence(raw.evidence)?;
        self.checklist(&raw.classes, &evidence, &top)?;
        let (steps, places) = self.steps(raw.step, &evidence)?;
        check::graph(&steps, &places)?;
        check::evidence_is_collected(&evidence, &steps, &self.place(&top))?;
        let blank = Digest([0; 32]);
        let runbook = Runbook {
            id: *raw.id.get_ref(),
            version: raw.version,
            previous: raw.previous,
            title: self.prose(raw.title, &top, "title")?,
            class: *raw.class.get_ref(),
            classes: raw.classes,
            severity_min: raw.severity_min,
            owner: raw.owner,
            summary: self.prose(raw.summary, &top, "summary")?,
            triggers: self.triggers(raw.trigger)?,
            preconditions: self.criteria(raw.precondition, "precondition")?,
            evidence,
            steps,
            containment: self.containment(raw.containment)?,
            escalation: self.escalation(raw.escalation)?,
            exit: self.criteria(raw.exit, "exit")?,
            drills: raw.drills,
            header: Header {
                runbook_id: *raw.id.get_ref(),
                title: String::new(),
                incident_class: *raw.class.get_ref(),
                severity_min: raw.severity_min,
                trigger_conditions_hash: blank,
                evidence_checklist_hash: blank,
                immediate_actions_hash: blank,
                containment_matrix_hash: blank,
                recovery_steps_hash: blank,
                exit_criteria_hash: blank,
            },
            hash: RunbookHash(blank),
        };
        let place = self.place(&top);
        runbook.seal().map_err(|e| LoadError::Syntax { place, why: e.to_string() })
    }

    /// Ten members, none empty (34.1), none too long.
    fn lists(&self, raw: &RunbookFile, top: &Range<usize>) -> Result<(), LoadError> {
        let needed = [
            ("classes", raw.classes.len()),
            ("trigger", raw.trigger.len()),
            ("precondition", raw.precondition.len()),
            ("evidence", raw.evidence.len()),
            ("containment", raw.containment.len()),
            ("escalation", raw.escalation.len()),
            ("exit", raw.exit.len()),
            ("step", raw.step.len()),
        ];
        for (key, len) in needed {
            if len == 0 {
                return Err(self.key(top, key, "is empty; 34.1 demands at least one"));
            }
            if len > LIST_MAX {
                return Err(self.key(top, key, format!("has {len} members, at most {LIST_MAX}")));
            }
        }
        for part in StepPart::ALL {
            if !raw.step.iter().any(|s| s.by.part == *part) {
                let why = format!("has no step of part {part}; 34.1 demands at least one");
                return Err(self.key(top, "step", why));
            }
        }
        Ok(())
    }

    fn prose(
        &self,
        text: String,
        span: &Range<usize>,
        key: &'static str,
    ) -> Result<String, LoadError> {
        let combining = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
        let why = if text.trim().is_empty() {
            "is blank; say what it is"
        } else if text.chars().count() > TEXT_CHARS_MAX {
            "is longer than 4000 characters; shorten it"
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            "holds a control character; remove it"
        } else if text.chars().any(combining) {
            "holds a combining mark; write the composed character (NFC)"
        } else {
            return Ok(text);
        };
        Err(self.key(span, key, why))
    }

    fn clause(&self, clause: &Spanned<String>) -> Result<String, LoadError> {
        let numbers: Option<Vec<u32>> =
            clause.get_ref().split('.').map(|n| n.parse().ok()).collect();
        match numbers.as_deref() {
            Some([section]) | Some([section, _]) if (1..=41).contains(section) => {
                Ok(clause.get_ref().clone())
            }
            _ => Err(self.key(&clause.span(), "why", "must be a clause of AZ-015 such as 14.2")),
        }
    }

    fn unique<'s>(
        &self,
        seen: &mut BTreeSet<&'s str>,
        what: &'static str,
        id: &'s Spanned<String>,
    ) -> Result<String, LoadError> {
        let text = id.get_ref();
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(ok) {
            let why = "must be 1 to 64 lower-case letters, digits, - or _";
            return Err(self.key(&id.span(), "id", why));
        }
        if !seen.insert(text) {
            let (place, id) = (self.place(&id.span()), text.clone());
            return Err(LoadError::Duplicate { place, what, id });
        }
        Ok(text.clone())
    }

    fn triggers(&self, raw: Vec<TriggerFile>) -> Result<Vec<Trigger>, LoadError> {
        let mut seen = BTreeSet::new();
        raw.iter()
            .map(|t| {
                Ok(Trigger {
                    id: self.unique(&mut seen, "trigger", &t.id)?,
                    title: self.prose(t.title.clone(), &t.id.span(), "title")?,
                    when: self.predicate(&t.when)?,
                    severity_hint: t.severity_hint,
                    why: self.clause(&t.why)?,
                })
            })
            .collect()
    }

    fn criteria(
        &self,
        raw: Vec<CriterionFile>,
        what: &'static str,
    ) -> Result<Vec<Criterion>, LoadError> {
        let mut seen = BTreeSet::new();
        raw.iter()
            .map(|c| {
                Ok(Criterion {
                    id: self.unique(&mut seen, what, &c.id)?,
                    title: self.prose(c.title.clone(), &c.id.span(), "title")?,
                    when: self.predicate(&c.when)?,
                    why: self.clause(&c.why)?,
                })
            })
            .collect()
    }

    fn evidence(&self, raw: Vec<EvidenceFile>) -> Result<Vec<EvidenceItem>, LoadError> {
        let mut seen = BTreeSet::new();
        raw.iter()
            .map(|e| {
                if let Err(unknown) = e.id.get_ref().parse::<Item>() {
                    return Err(self.key(&e.id.span(), "id", unknown.to_string()));
                }
                Ok(EvidenceItem {
                    id: self.unique(&mut seen, "evidence", &e.id)?,
                    title: self.prose(e.title.clone(), &e.id.span(), "title")?,
                    from: e.from,
                    pin: e.pin,
                    qualified: e.qualified,
                    why: self.clause(&e.why)?,
                })
            })
            .collect()
    }

    /// At least the lists of annex N.3 for every class covered. Implements R-34.1-8.
    fn checklist(
        &self,
        classes: &[IncidentClass],
        evidence: &[EvidenceItem],
        top: &Range<usize>,
    ) -> Result<(), LoadError> {
        let mut owed = Checklist::default();
        owed.grow(classes.iter().copied(), Severity::Sev5Systemic, true);
        // What the event log itself holds is collected by no step.
        for item in owed.items().iter().filter(|item| !item.row().from_log) {
            let row = item.row();
            let Some(line) = evidence.iter().find(|e| e.id == item.as_str()) else {
                let why = format!("evidence_missing: the checklist lacks {item} ({})", row.text);
                return Err(self.rule(top, "34.1, annex N.3", why));
            };
            // A runbook may ask for more than the annex, never for less.
            if (row.pin && !line.pin) || (line.qualified && !row.qualified) {
                let (pin, q) = (row.pin, row.qualified);
                let why = format!("{item} must have pin = {pin} and qualified = {q}");
                return Err(self.rule(top, "10, annex N.3", why));
            }
        }
        Ok(())
    }

    fn containment(&self, raw: Vec<ContainmentFile>) -> Result<Vec<Containment>, LoadError> {
        let mut seen = BTreeSet::new();
        raw.into_iter()
            .map(|c| {
                let (span, choice) = (c.choice.span(), *c.choice.get_ref());
                if !seen.insert(choice) {
                    let (place, id) = (self.place(&span), choice.to_string());
                    return Err(LoadError::Duplicate { place, what: "containment", id });
                }
                Ok(Containment {
                    choice,
                    scope_max: self.prose(c.scope_max, &span, "scope_max")?,
                    when: self.predicate(&c.when)?,
                    reason: self.prose(c.reason, &span, "reason")?,
                    undo: self.prose(c.undo, &span, "undo")?,
                    expect_s: c.expect_s,
                })
            })
            .collect()
    }

    fn escalation(&self, raw: Vec<EscalationFile>) -> Result<Vec<Escalation>, LoadError> {
        let mut seen = BTreeSet::new();
        raw.iter()
            .map(|e| {
                if e.role == Role::Automatic {
                    let why = "an escalation calls a person, not AUT";
                    return Err(self.rule(&e.id.span(), "34.1", why));
                }
                Ok(Escalation {
                    id: self.unique(&mut seen, "escalation", &e.id)?,
                    on: e.on,
                    after_s: e.after_s,
                    role: e.role,
                    text: self.prose(e.text.clone(), &e.id.span(), "text")?,
                })
            })
            .collect()
    }
}
