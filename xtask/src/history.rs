//! `cargo xtask history`: scores the advice of azir-model on recorded incidents, and writes or
//! checks `docs/HISTORY.md`.
//!
//! A record tells what was known at detection, what was done, and a coder's judgement of what
//! AZ-015 asks for. The judgement is one person's; a disagreement is a reason to look, not proof
//! of an error, so every one is listed, with a reason from the rules.

mod census;
mod page;
mod reasons;
mod record;
mod score;

use std::path::PathBuf;

use azir_model::advise::advise;

use self::census::{Case, lone_signals};
use self::page::{Scores, page};
use self::reasons::{Clauses, Reasons};
use self::record::Record;
use self::score::{Disagreement, Score};
use crate::{Outcome, workspace};

/// The page, relative to the root.
const PAGE: &str = "docs/HISTORY.md";
/// The records, beside the clone.
const DATA: &str = "../shared/data/history";

#[derive(Default)]
struct Options {
    json: bool,
    check: bool,
    data: Option<PathBuf>,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--json" => options.json = true,
            "--check" => options.check = true,
            "--data" => {
                let dir = rest.next().ok_or("--data needs a directory")?;
                options.data = Some(PathBuf::from(dir));
            }
            other => {
                return Err(format!(
                    "unknown argument {other:?}; history [--check] [--data DIR] [--json]"
                ));
            }
        }
    }
    Ok(options)
}

/// Scores, and writes the page, or with `--check` or `--json` compares it. Other records than the
/// shared ones (`--data`) are only scored. True when the targets are met without the reporter's
/// proposal, every disagreement has its reason, and the page is as it should be.
///
/// # Errors
/// Arguments, or records and data files that cannot be read.
pub(crate) fn run(args: &[String]) -> Outcome {
    let options = options(args)?;
    let shared = options.data.is_none();
    let data = options.data.unwrap_or_else(|| workspace::root().join(DATA));
    let records = record::read(&data)?;
    let (without, with) = scores(&records);
    let mut problems = Vec::new();
    if !without.meets_targets() {
        problems.push("the score without the proposal misses the line".to_owned());
    }
    if shared {
        let scores = Scores { without: &without, with: &with };
        problems.extend(explained(&records, &scores, options.check || options.json)?);
    }
    if options.json {
        let report = serde_json::json!({
            "without_proposal": without,
            "with_proposal": with,
            "targets_met": without.meets_targets(),
            "problems": problems,
        });
        println!("{report:#}");
    } else {
        without.print("Without the reporter's proposal");
        with.print("With the reporter's proposal");
        println!("The rules were written with these records at hand: this is no held-out score.");
        for problem in &problems {
            println!("history: {problem}");
        }
        println!("history: {} records, {} problems", records.len(), problems.len());
    }
    Ok(problems.is_empty())
}

/// `history --check`, where the shared records are; says visibly that it was skipped elsewhere.
///
/// # Errors
/// As [`run`].
pub(crate) fn check_if_present() -> Outcome {
    let data = workspace::root().join(DATA);
    if !data.is_dir() {
        println!("history: SKIPPED: {} is absent; {PAGE} was not checked", data.display());
        return Ok(true);
    }
    run(&["--check".to_owned()])
}

fn scores(records: &[Record]) -> (Score, Score) {
    let (mut without, mut with) = (Score::default(), Score::default());
    for record in records {
        without.add(record, &advise(&record.detection.clone().without_proposal()));
        with.add(record, &advise(&record.detection));
    }
    (without, with)
}

/// Compares disagreements and reasons, counts who meets which rule, and keeps the page.
fn explained(records: &[Record], scores: &Scores<'_>, check: bool) -> Result<Vec<String>, String> {
    let reasons = Reasons::load()?;
    let all = scores.without.disagreements.iter().chain(&scores.with.disagreements);
    let all: Vec<&Disagreement> = all.collect();
    let clauses = Clauses::load();
    let mut problems = reasons.problems(&all, &clauses);
    let cases: Vec<Case<'_>> = records.iter().map(Case::new).collect();
    for rule in &reasons.rule {
        let lost = rule.rules.iter().filter(|c| !clauses.has(c));
        let lost = lost.map(|c| format!("{}: {c:?} is no clause; correct it", rule.says));
        let faults = lost.chain(rule.fault(&rule.met_by(&cases)));
        problems.extend(faults.map(|f| format!("{}: {f}", reasons::FILE)));
    }
    let text = page(scores, &reasons, &cases, &lone_signals(records));
    let path = workspace::root().join(PAGE);
    if check {
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            problems.push(format!("{PAGE} is out of date; run `cargo xtask history` and commit"));
        }
    } else if problems.is_empty() {
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    } else {
        problems.push(format!("{PAGE} was not written: solve the above first"));
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_data_is_said_and_not_scored() {
        let missing = run(&["--data".to_owned(), "/nonexistent".to_owned()]).unwrap_err();
        assert!(missing.contains("/nonexistent") && missing.contains("--data"));
    }
}
