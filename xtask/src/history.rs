//! `cargo xtask history`: scores the advice of azir-model on recorded incidents.
//!
//! A record tells what was known at detection, what was done, and a coder's judgement of what
//! AZ-015 asks for. The judgement is one person's; a disagreement is a reason to look, not proof
//! of an error, so every one is listed.

use std::fmt;
use std::path::{Path, PathBuf};

use azir_model::advise::{Advice, Fact, Situation, advise};
use azir_model::{Choice, IncidentClass, Severity};
use serde::{Deserialize, Serialize};

use crate::{Outcome, workspace};

/// Records with another scheme are refused rather than misread.
const SCHEMA: &str = "az-015-history/1";

/// The parts of a record that scoring needs; `detection` alone goes into the advice.
#[derive(Deserialize)]
struct Record {
    schema: String,
    id: String,
    detection: Situation,
    #[serde(rename = "final")]
    outcome: Final,
    expected: Expected,
}

#[derive(Deserialize)]
struct Final {
    class: IncidentClass,
}

#[derive(Deserialize)]
struct Expected {
    severity_min: Severity,
    severity_max: Severity,
    containment_acceptable: Vec<Choice>,
    containment_unacceptable: Vec<Choice>,
    emergency_escalation: Escalation,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Escalation {
    Yes,
    No,
    Either,
}

impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Either => "either",
        })
    }
}

#[derive(Serialize)]
struct Disagreement {
    id: String,
    about: &'static str,
    said: String,
    expected: String,
}

/// Counts over all records, and every disagreement.
#[derive(Default, Serialize)]
struct Score {
    records: usize,
    plainly_wrong: usize,
    every_measure_acceptable: usize,
    false_escalation: usize,
    severity_in_range: usize,
    class: usize,
    class_among_alternatives: usize,
    disagreements: Vec<Disagreement>,
}

impl Score {
    /// The targets of docs/advise.md, stated for 48 records and scaled to those present.
    fn meets_targets(&self) -> bool {
        let at_most_one = |count: usize| count <= 1;
        let at_least = |count: usize, of_48: usize| count * 48 >= of_48 * self.records;
        at_most_one(self.plainly_wrong)
            && at_most_one(self.false_escalation)
            && at_least(self.every_measure_acceptable, 41)
            && at_least(self.severity_in_range, 45)
            && at_least(self.class, 38)
            && at_least(self.class_among_alternatives, 46)
    }

    fn add(&mut self, record: &Record, found: &Advice) {
        let expected = &record.expected;
        self.records += 1;
        let outside = |list: &[Choice]| found.containment.iter().any(|c| !list.contains(c));
        let inside = |list: &[Choice]| found.containment.iter().any(|c| list.contains(c));
        let measures = || names(&found.containment);
        if inside(&expected.containment_unacceptable) {
            self.plainly_wrong += 1;
            let against = format!("none of {}", names(&expected.containment_unacceptable));
            self.disagree(record, "plainly wrong", measures(), against);
        }
        if outside(&expected.containment_acceptable) {
            let accepted = format!("only {}", names(&expected.containment_acceptable));
            self.disagree(record, "measures", measures(), accepted);
        } else {
            self.every_measure_acceptable += 1;
        }
        self.escalation(record, found.emergency_escalation);
        if (expected.severity_min..=expected.severity_max).contains(&found.severity) {
            self.severity_in_range += 1;
        } else {
            let range = format!("{} to {}", expected.severity_min, expected.severity_max);
            self.disagree(record, "severity", found.severity.to_string(), range);
        }
        self.classes(record, found);
    }

    /// Only a false yes counts against us; a missing one is listed.
    fn escalation(&mut self, record: &Record, said: Fact) {
        let expected = record.expected.emergency_escalation;
        let agrees = match expected {
            Escalation::Either => true,
            Escalation::Yes => said == Fact::Yes,
            Escalation::No => said != Fact::Yes,
        };
        self.false_escalation += usize::from(!agrees && expected == Escalation::No);
        if !agrees {
            self.disagree(record, "escalation", said.to_string(), expected.to_string());
        }
    }

    fn classes(&mut self, record: &Record, found: &Advice) {
        let class = record.outcome.class;
        let among = found.class == class || found.class_alternatives.contains(&class);
        self.class += usize::from(found.class == class);
        self.class_among_alternatives += usize::from(among);
        if found.class != class {
            let about = if among { "class" } else { "class, not even an alternative" };
            let said = format!("{} or {}", found.class, names(&found.class_alternatives));
            self.disagree(record, about, said, class.to_string());
        }
    }

    fn disagree(&mut self, record: &Record, about: &'static str, said: String, expected: String) {
        self.disagreements.push(Disagreement { id: record.id.clone(), about, said, expected });
    }

    fn print(&self, title: &str) {
        println!("{title}");
        let rows = [
            ("plainly wrong", self.plainly_wrong, "at most 1"),
            ("every measure acceptable", self.every_measure_acceptable, "at least 41 of 48"),
            ("false escalation", self.false_escalation, "at most 1"),
            ("severity in range", self.severity_in_range, "at least 45 of 48"),
            ("final class", self.class, "at least 38 of 48"),
            ("class among alternatives", self.class_among_alternatives, "at least 46 of 48"),
        ];
        for (name, count, target) in rows {
            println!("  {name:<26}{count:>3} of {:<4}target {target}", self.records);
        }
        for d in &self.disagreements {
            println!("  - {}: {}: said {}; expected {}", d.id, d.about, d.said, d.expected);
        }
    }
}

fn names<T: fmt::Display>(items: &[T]) -> String {
    let names: Vec<String> = items.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// `history [--data DIR] [--json]`; true when the targets are met without the reporter's proposal.
pub(crate) fn run(args: &[String]) -> Outcome {
    let mut json = false;
    let mut data = None;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--json" => json = true,
            "--data" => data = Some(PathBuf::from(rest.next().ok_or("--data needs a directory")?)),
            other => {
                return Err(format!("unknown argument {other:?}; history [--data DIR] [--json]"));
            }
        }
    }
    let data = data.unwrap_or_else(|| workspace::root().join("../shared/data/history"));
    let records = read(&data)?;
    let mut without = Score::default();
    let mut with = Score::default();
    for record in &records {
        without.add(record, &advise(&record.detection.clone().without_proposal()));
        with.add(record, &advise(&record.detection));
    }
    if json {
        let report = serde_json::json!({
            "without_proposal": without,
            "with_proposal": with,
            "targets_met": without.meets_targets(),
        });
        println!("{report:#}");
    } else {
        without.print("Without the reporter's proposal");
        with.print("With the reporter's proposal");
        println!("The rules were written with these records at hand: this is no held-out score.");
    }
    Ok(without.meets_targets())
}

fn read(dir: &Path) -> Result<Vec<Record>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| {
        format!("no history records at {}: {e}; name their directory with --data", dir.display())
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("couldn't list {}: {e}", dir.display()))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} holds no record (*.toml)", dir.display()));
    }
    paths.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Result<Record, String> {
    let place = |e: &dyn fmt::Display| format!("couldn't read {}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| place(&e))?;
    let record: Record = toml::from_str(&text).map_err(|e| place(&e))?;
    if record.schema != SCHEMA {
        return Err(place(&format!("schema {:?} is not {SCHEMA}", record.schema)));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(acceptable: &str, unacceptable: &str, escalation: &str) -> Record {
        let text = format!(
            "schema = \"{SCHEMA}\"\nid = \"x\"\n[detection]\nblast_radius = \"operator\"\n\
             harm_tempo = \"minutes\"\n[[detection.signals]]\ncode = \"clock_skew\"\n\
             when = \"at_detection\"\n[final]\nclass = \"INC_INFRASTRUCTURE\"\n[expected]\n\
             severity_min = \"SEV_0_INFO\"\nseverity_max = \"SEV_5_SYSTEMIC\"\n\
             containment_acceptable = [{acceptable}]\ncontainment_unacceptable = [{unacceptable}]\n\
             emergency_escalation = \"{escalation}\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_measure_outside_the_accepted_ones_is_counted_and_listed() {
        let mut score = Score::default();
        let good = record("\"local_service_halt\"", "", "either");
        score.add(&good, &advise(&good.detection));
        assert!(score.disagreements.is_empty() && score.meets_targets());
        let bad = record("\"observe_only\"", "\"local_service_halt\"", "yes");
        score.add(&bad, &advise(&bad.detection));
        assert_eq!((score.plainly_wrong, score.every_measure_acceptable), (1, 1));
        assert_eq!((score.false_escalation, score.disagreements.len()), (0, 3));
        assert!(!score.meets_targets());
    }

    #[test]
    fn absent_data_is_said_and_not_scored() {
        let missing = run(&["--data".to_owned(), "/nonexistent".to_owned()]).unwrap_err();
        assert!(missing.contains("/nonexistent") && missing.contains("--data"));
    }
}
