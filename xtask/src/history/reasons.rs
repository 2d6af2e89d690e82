//! `xtask/history-reasons.toml`: why the advice and a record disagree, and which rules read what.
//!
//! A reason names clauses, not the record: it must hold for every situation with the same codes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::census::Rule;
use super::score::{About, Disagreement};
use crate::workspace::{read, root};

/// The data file, relative to the root.
pub(super) const FILE: &str = "xtask/history-reasons.toml";
/// Our own page, which a reason may cite beside AZ-015 and its decisions.
const OWN_PAGE: &str = "docs/advise.md";

/// The data file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reasons {
    #[serde(default)]
    reason: Vec<Reason>,
    /// Conditional rules of the advice, for the census.
    #[serde(default)]
    pub(super) rule: Vec<Rule>,
}

/// Why one disagreement follows from rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    record: String,
    about: About,
    /// Sections (`15.1`), decisions (`D-033`), annexes (`annex F`) or `docs/advise.md`.
    pub(super) rules: Vec<String>,
    /// The reason in words.
    pub(super) text: String,
}

impl Reasons {
    /// Reads the data file.
    ///
    /// # Errors
    /// An absent file, or one of another form.
    pub(super) fn load() -> Result<Self, String> {
        Self::parse(&read(&root().join(FILE))?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| format!("{FILE}: {e}"))
    }

    /// The reason of a disagreement.
    pub(super) fn of(&self, id: &str, about: About) -> Option<&Reason> {
        self.reason.iter().find(|r| r.record == id && r.about == about)
    }

    /// Disagreements without a reason, reasons without a disagreement, reasons that name the case
    /// instead of a rule.
    pub(super) fn problems(&self, found: &[&Disagreement], clauses: &Clauses) -> Vec<String> {
        let mut problems = Vec::new();
        let wanted: BTreeSet<(&str, About)> =
            found.iter().map(|d| (d.id.as_str(), d.about)).collect();
        for (id, about) in &wanted {
            if self.of(id, *about).is_none() {
                problems.push(format!("{FILE}: no reason for {id}, {about}: add one, or agree"));
            }
        }
        let mut seen = BTreeMap::new();
        for reason in &self.reason {
            let (record, about) = (reason.record.as_str(), reason.about);
            if !wanted.contains(&(record, about)) {
                problems.push(format!("{FILE}: {record}, {about}: no such disagreement; remove"));
            }
            if seen.insert((record, about), ()).is_some() {
                problems.push(format!("{FILE}: {record}, {about}: two reasons; keep one"));
            }
            problems.extend(reason.fault(clauses).map(|f| format!("{FILE}: {record}: {f}")));
        }
        problems
    }
}

impl Reason {
    fn fault(&self, clauses: &Clauses) -> Option<String> {
        let name = self.record.split('-').next().unwrap_or_default();
        if self.rules.is_empty() {
            return Some("a reason cites at least one clause".to_owned());
        }
        if self.text.trim().is_empty() || self.text.to_lowercase().contains(name) {
            return Some(format!("a reason is a rule, and does not name the case ({name})"));
        }
        let lost = self.rules.iter().find(|rule| !clauses.has(rule))?;
        Some(format!("{lost:?} is no section, decision or annex; correct `rules`"))
    }
}

/// What may be cited: the texts of AZ-015 and of its decisions; without them, the form only.
pub(super) struct Clauses {
    spec: Option<String>,
    decisions: Option<String>,
}

impl Clauses {
    /// Reads both texts beside the clone, if they are there.
    pub(super) fn load() -> Self {
        let text = |name: &str| std::fs::read_to_string(root().join("../shared/spec").join(name));
        Self { spec: text("AZ-015.md").ok(), decisions: text("decisions.md").ok() }
    }

    /// Whether a clause exists.
    pub(super) fn has(&self, clause: &str) -> bool {
        let starts = |text: &Option<String>, start: &str| {
            text.as_ref().is_none_or(|t| t.lines().any(|l| l.starts_with(start)))
        };
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        if clause == OWN_PAGE {
            return true;
        }
        if let Some(number) = clause.strip_prefix("D-") {
            return digits(number) && starts(&self.decisions, &format!("**D-{number} "));
        }
        if let Some(annex) = clause.strip_prefix("annex ") {
            let (letter, part) = annex.split_once('.').unwrap_or((annex, ""));
            let heading = if part.is_empty() {
                format!("# Annex {letter} ")
            } else {
                format!("## {letter}.{part} ")
            };
            return starts(&self.decisions, &heading);
        }
        let section = clause.split_once('.').is_some_and(|(a, b)| digits(a) && digits(b));
        section && starts(&self.spec, &format!("{clause} "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disagreement(id: &str, about: About) -> Disagreement {
        Disagreement { id: id.into(), about, said: "a".into(), expected: "b".into() }
    }

    fn clauses() -> Clauses {
        Clauses {
            spec: Some("15.1 Trigger examples\n".into()),
            decisions: Some("**D-033 — x**\n# Annex F — y\n## N.2 z\n".into()),
        }
    }

    fn problems(text: &str, found: &[Disagreement]) -> Vec<String> {
        let found: Vec<&Disagreement> = found.iter().collect();
        Reasons::parse(text).unwrap().problems(&found, &clauses())
    }

    #[test]
    fn every_disagreement_needs_one_reason_and_every_reason_a_disagreement() {
        let found = [disagreement("alpha-1", About::Class)];
        let reason = |record: &str, about: &str, rules: &str, text: &str| {
            format!(
                "[[reason]]\nrecord = \"{record}\"\nabout = \"{about}\"\nrules = [{rules}]\n\
                 text = \"{text}\"\n"
            )
        };
        let good = reason("alpha-1", "class", "\"15.1\", \"annex N.2\"", "two results differ");
        assert!(problems(&good, &found).is_empty());
        assert_eq!(problems("", &found).len(), 1);
        assert!(problems("", &found)[0].contains("alpha-1, class"));
        assert!(problems(&good, &[])[0].contains("no such disagreement"));
        assert!(problems(&format!("{good}{good}"), &found)[0].contains("two reasons"));
        let other = reason("alpha-1", "severity", "\"D-033\"", "x");
        assert_eq!(problems(&other, &found).len(), 2);
    }

    #[test]
    fn a_reason_that_names_the_case_or_no_clause_is_refused() {
        let found = [disagreement("alpha-1", About::Class)];
        let reason = |rules: &str, text: &str| {
            let text = format!(
                "[[reason]]\nrecord = \"alpha-1\"\nabout = \"class\"\nrules = [{rules}]\n\
                 text = \"{text}\"\n"
            );
            problems(&text, &found)
        };
        assert!(reason("\"D-033\"", "because it was Alpha")[0].contains("does not name the case"));
        assert!(reason("", "a rule")[0].contains("at least one clause"));
        assert!(reason("\"D-999\"", "a rule")[0].contains("D-999"));
        assert!(reason("\"annex Q\"", "a rule")[0].contains("annex Q"));
        assert!(reason("\"15.9\"", "a rule")[0].contains("15.9"));
        assert!(reason("\"docs/advise.md\", \"annex F\"", "a rule").is_empty());
    }
}
