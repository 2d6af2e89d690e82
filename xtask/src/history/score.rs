//! Counts over all records, and every disagreement.

use std::fmt;

use azir_model::Choice;
use azir_model::advise::{Advice, Fact};
use serde::{Deserialize, Serialize};

use super::record::{Escalation, Record};

/// What a record and the advice disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    /// A measure that the coder calls a plain failure.
    PlainlyWrong,
    /// A measure outside the accepted ones.
    Measures,
    /// The emergency path.
    Escalation,
    /// A severity outside the range.
    Severity,
    /// The final class is another one, named as an alternative.
    Class,
    /// The final class is not even an alternative.
    ClassNotNamed,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainlyWrong => "plainly wrong",
            Self::Measures => "measures",
            Self::Escalation => "escalation",
            Self::Severity => "severity",
            Self::Class => "class",
            Self::ClassNotNamed => "class, not even an alternative",
        })
    }
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Disagreement {
    pub(super) id: String,
    pub(super) about: About,
    pub(super) said: String,
    pub(super) expected: String,
}

/// One line of the score: what is counted, its target of 48, and what two people reach.
pub(super) struct Measure {
    /// What is counted.
    pub(super) name: &'static str,
    /// The line to meet.
    pub(super) target: &'static str,
    /// Agreement of a second coder with the first, in percent of comparable records.
    pub(super) second_coder: u32,
}

/// The measures, in the order of [`Score::counts`]. The last figures belong to two people.
pub(super) const MEASURES: [Measure; 6] = [
    Measure { name: "plainly wrong", target: "at most 1", second_coder: 2 },
    Measure { name: "every measure acceptable", target: "at least 41 of 48", second_coder: 83 },
    Measure { name: "false escalation", target: "at most 1", second_coder: 0 },
    Measure { name: "severity in range", target: "at least 45 of 48", second_coder: 100 },
    Measure { name: "final class", target: "at least 38 of 48", second_coder: 89 },
    Measure { name: "class among alternatives", target: "at least 46 of 48", second_coder: 100 },
];

/// Counts over all records, and every disagreement.
#[derive(Default, Serialize)]
pub(super) struct Score {
    pub(super) records: usize,
    plainly_wrong: usize,
    every_measure_acceptable: usize,
    false_escalation: usize,
    severity_in_range: usize,
    class: usize,
    class_among_alternatives: usize,
    pub(super) disagreements: Vec<Disagreement>,
}

impl Score {
    /// The targets of docs/advise.md, stated for 48 records and scaled to those present.
    pub(super) fn meets_targets(&self) -> bool {
        let at_most_one = |count: usize| count <= 1;
        let at_least = |count: usize, of_48: usize| count * 48 >= of_48 * self.records;
        at_most_one(self.plainly_wrong)
            && at_most_one(self.false_escalation)
            && at_least(self.every_measure_acceptable, 41)
            && at_least(self.severity_in_range, 45)
            && at_least(self.class, 38)
            && at_least(self.class_among_alternatives, 46)
    }

    /// The counts in the order of [`MEASURES`].
    pub(super) const fn counts(&self) -> [usize; 6] {
        [
            self.plainly_wrong,
            self.every_measure_acceptable,
            self.false_escalation,
            self.severity_in_range,
            self.class,
            self.class_among_alternatives,
        ]
    }

    /// Counts one record.
    pub(super) fn add(&mut self, record: &Record, found: &Advice) {
        let expected = &record.expected;
        self.records += 1;
        let outside = |list: &[Choice]| found.containment.iter().any(|c| !list.contains(c));
        let inside = |list: &[Choice]| found.containment.iter().any(|c| list.contains(c));
        let measures = || names(&found.containment);
        if inside(&expected.containment_unacceptable) {
            self.plainly_wrong += 1;
            let against = format!("none of {}", names(&expected.containment_unacceptable));
            self.disagree(record, About::PlainlyWrong, measures(), against);
        }
        if outside(&expected.containment_acceptable) {
            let accepted = format!("only {}", names(&expected.containment_acceptable));
            self.disagree(record, About::Measures, measures(), accepted);
        } else {
            self.every_measure_acceptable += 1;
        }
        self.escalation(record, found.emergency_escalation);
        if (expected.severity_min..=expected.severity_max).contains(&found.severity) {
            self.severity_in_range += 1;
        } else {
            let range = format!("{} to {}", expected.severity_min, expected.severity_max);
            self.disagree(record, About::Severity, found.severity.to_string(), range);
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
            self.disagree(record, About::Escalation, said.to_string(), expected.to_string());
        }
    }

    fn classes(&mut self, record: &Record, found: &Advice) {
        let class = record.outcome.class;
        let among = found.class == class || found.class_alternatives.contains(&class);
        self.class += usize::from(found.class == class);
        self.class_among_alternatives += usize::from(among);
        if found.class != class {
            let about = if among { About::Class } else { About::ClassNotNamed };
            let said = format!("{} or {}", found.class, names(&found.class_alternatives));
            self.disagree(record, about, said, class.to_string());
        }
    }

    fn disagree(&mut self, record: &Record, about: About, said: String, expected: String) {
        self.disagreements.push(Disagreement { id: record.id.clone(), about, said, expected });
    }

    /// Prints the counts beside their targets, and the disagreements.
    pub(super) fn print(&self, title: &str) {
        println!("{title}");
        for (Measure { name, target, .. }, count) in MEASURES.iter().zip(self.counts()) {
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

#[cfg(test)]
mod tests {
    use super::super::record::SCHEMA;
    use super::*;
    use azir_model::advise::advise;

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
}
