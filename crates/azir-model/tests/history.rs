//! The score of `azir advise` against the coded incidents of ../shared/data/history, with and
//! without the reporter's proposal. `cargo xtask history` prints the same with every disagreement.

#![allow(clippy::unwrap_used)] // a test that cannot read its data should say where

use std::path::PathBuf;

use azir_model::advise::{Fact, Request, Situation, advise};
use azir_model::{Choice, IncidentClass, Severity};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    id: String,
    detection: Situation,
    #[serde(rename = "final")]
    outcome: Outcome,
    expected: Expected,
}

#[derive(Deserialize)]
struct Outcome {
    class: IncidentClass,
}

#[derive(Deserialize)]
struct Expected {
    severity_min: Severity,
    severity_max: Severity,
    containment_acceptable: Vec<Choice>,
    containment_unacceptable: Vec<Choice>,
    emergency_escalation: String,
}

#[derive(Debug, Default)]
struct Score {
    acceptable: usize,
    wrong: usize,
    false_escalation: usize,
    severity: usize,
    class: usize,
    among: usize,
}

fn score(records: &[Record], proposal: bool) -> Score {
    let mut score = Score::default();
    for record in records {
        let situation = record.detection.clone();
        let found = advise(&if proposal { situation } else { situation.without_proposal() });
        let expected = &record.expected;
        let class = record.outcome.class;
        let said = |list: &[Choice]| found.containment.iter().filter(|c| list.contains(c)).count();
        let acceptable = said(&expected.containment_acceptable) == found.containment.len();
        let wrong = said(&expected.containment_unacceptable) > 0;
        let yes = found.emergency_escalation == Fact::Yes;
        let in_range = (expected.severity_min..=expected.severity_max).contains(&found.severity);
        let among = found.class == class || found.class_alternatives.contains(&class);
        score.acceptable += usize::from(acceptable);
        score.wrong += usize::from(wrong);
        score.false_escalation += usize::from(yes && expected.emergency_escalation == "no");
        score.severity += usize::from(in_range);
        score.class += usize::from(found.class == class);
        score.among += usize::from(among);
        if !acceptable || wrong || !in_range || found.class != class {
            eprintln!(
                "{}: {} {:?} {} {:?} {}; expected {class} {}-{} {:?}",
                record.id,
                found.class,
                found.class_alternatives,
                found.severity,
                found.containment,
                found.emergency_escalation,
                expected.severity_min,
                expected.severity_max,
                expected.containment_acceptable,
            );
        }
    }
    eprintln!("proposal {proposal}: of {} {score:?}", records.len());
    score
}

/// Files of the records, or `None` with a line that says so when they are absent.
fn texts() -> Option<Vec<String>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/history");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: {} is absent", dir.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    assert!(paths.len() >= 48);
    Some(paths.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect())
}

/// The records, when they are there.
fn records() -> Option<Vec<Record>> {
    Some(texts()?.iter().map(|text| toml::from_str(text).unwrap()).collect())
}

#[test]
fn a_whole_record_is_read_as_its_detection_table() {
    let (Some(texts), Some(records)) = (texts(), records()) else { return };
    for (text, record) in texts.iter().zip(records) {
        let value: serde_json::Value = toml::from_str(text).unwrap();
        let request = Request::from_value(&value).unwrap();
        assert_eq!(request.advice(), advise(&record.detection), "{}", record.id);
    }
}

#[test]
fn advice_meets_the_targets_on_coded_incidents() {
    let Some(records) = records() else { return };
    for proposal in [false, true] {
        let score = score(&records, proposal);
        assert!(score.wrong <= 1, "{score:?}");
        assert!(score.acceptable >= 41, "{score:?}");
        assert!(score.false_escalation <= 1, "{score:?}");
        assert!(score.severity >= 45, "{score:?}");
        assert!(score.class >= 38, "{score:?}");
        assert!(score.among >= 46, "{score:?}");
    }
}

/// The rules must not hang on one signal: with any one left out, few answers turn plainly wrong.
#[test]
fn advice_stays_sound_when_any_one_signal_is_missing() {
    let Some(records) = records() else { return };
    let (mut variants, mut wrong, mut escalated) = (0, 0, 0);
    for record in &records {
        let unacceptable = &record.expected.containment_unacceptable;
        for left_out in 0..record.detection.signals.len() {
            let mut situation = record.detection.clone().without_proposal();
            situation.signals.remove(left_out);
            let found = advise(&situation);
            variants += 1;
            wrong += usize::from(found.containment.iter().any(|c| unacceptable.contains(c)));
            let refused = record.expected.emergency_escalation == "no";
            escalated += usize::from(refused && found.emergency_escalation == Fact::Yes);
        }
    }
    eprintln!("{variants} variants: {wrong} plainly wrong, {escalated} false escalations");
    assert!(wrong * 20 <= variants, "{wrong} of {variants}");
    assert!(escalated * 50 <= variants, "{escalated} of {variants}");
}

#[test]
fn texts_names_and_times_are_not_read() {
    let Some(records) = records() else { return };
    for record in records {
        let plain = advise(&record.detection);
        let mut blank = record.detection;
        (blank.vantage, blank.detected_by, blank.detected_at) = (None, None, None);
        blank.detected_at_precision = None;
        for signal in &mut blank.signals {
            signal.text = Some("nothing of note".to_owned());
        }
        assert_eq!(advise(&blank), plain, "{}", record.id);
    }
}
