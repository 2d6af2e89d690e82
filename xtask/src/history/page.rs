//! The text of `docs/HISTORY.md`: the same records, rules and reasons give the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::census::{Case, LoneSignal, Rule};
use super::reasons::Reasons;
use super::score::{About, Disagreement, MEASURES, Score};

const HEAD: &str = "\
# History: the advice beside 48 coded incidents

Written by `cargo xtask history`; do not edit. `azir advise` answers each recorded incident from what
was known at detection; a person coded what AZ-015 asks for. How the advice decides:
[advise.md](advise.md). Reasons and rule conditions: `xtask/history-reasons.toml`.

## Score

";

const SCORE_NOTES: &str = "
The line is met or missed by the first column alone. The last column is no score of azir: a second
coder, who did not see the first one's judgement, coded comparable records, and agrees with the first
coder this often, in about this share of them. It tells how far two careful people agree, and so how
much a score can mean.

The rules were written with these records at hand. A score above what two people reach is a sign of
that, not of better judgement; how the advice does on the next incident is not measured here.

";

const DISAGREEMENTS: &str = "\
## Disagreements

Every one, with and without the proposal. A reason must hold for every situation with the same codes:
it cites clauses, and does not appeal to the case. A disagreement without a reason fails the check.
Codes with `when = \"later\"` came to light after the first decision; nothing reads them.
";

const RULES: &str = "
## Rules that one record alone meets

A rule that recognises a record would be a fault. No rule reads an id, a name, a date or a text; a
condition so narrow that one record alone meets it could come to the same. Conditions are copied from
`crates/azir-model/src/advise` by hand; the check fails when the quoted code has changed. Each rule that
one record alone meets was switched off in a trial copy and all records scored again; what then changed
stands beside it.

";

const SIGNALS: &str = "
## Signals that one record alone carries

The rule for such a signal was tried on one record only. The last column tells what disagrees when
that signal is taken away from the record.

| signal | record | without it |
| --- | --- | --- |
";

/// The score of both runs.
pub(super) struct Scores<'a> {
    /// Without the reporter's proposal; this one has to meet the line.
    pub(super) without: &'a Score,
    /// With it.
    pub(super) with: &'a Score,
}

/// The whole page.
pub(super) fn page(
    scores: &Scores<'_>,
    reasons: &Reasons,
    cases: &[Case<'_>],
    lone: &[LoneSignal<'_>],
) -> String {
    let mut out = HEAD.to_owned();
    score_table(&mut out, scores);
    disagreements(&mut out, scores, reasons);
    rules(&mut out, &reasons.rule, cases);
    out.push_str(SIGNALS);
    for signal in lone {
        let lost: Vec<String> = signal.needed_for.iter().map(lost).collect();
        let lost = if lost.is_empty() { "the same agreement".to_owned() } else { lost.join("; ") };
        let (name, record) = (signal.signal, signal.record);
        // Invariant: writing to a String does not fail, here and below.
        let _ = writeln!(out, "| `{name}` | {record} | {lost} |");
    }
    out
}

fn lost(d: &Disagreement) -> String {
    format!("{}: says {}, expected {}", d.about, d.said, d.expected)
}

fn score_table(out: &mut String, scores: &Scores<'_>) {
    out.push_str(
        "| counted | without the proposal | the line | with the proposal | second coder, about |\n",
    );
    out.push_str("| --- | --- | --- | --- | --- |\n");
    let counts = scores.without.counts().into_iter().zip(scores.with.counts());
    let records = scores.without.records;
    for (measure, (without, with)) in MEASURES.iter().zip(counts) {
        let (name, target, people) = (measure.name, measure.target, measure.second_coder);
        let (share, other) = (percent(without, records), percent(with, records));
        let _ = writeln!(
            out,
            "| {name} | {without} of {records} ({share} %) | {target} | {with} of {records} \
             ({other} %) | {people} % |"
        );
    }
    out.push_str(SCORE_NOTES);
}

/// Rounded to whole percent; 0 of nothing is 0.
fn percent(count: usize, of: usize) -> usize {
    (count * 100 + of / 2).checked_div(of).unwrap_or(0)
}

/// One disagreement in either or both runs.
#[derive(Default)]
struct Both<'a> {
    without: Option<&'a Disagreement>,
    with: Option<&'a Disagreement>,
}

fn disagreements(out: &mut String, scores: &Scores<'_>, reasons: &Reasons) {
    out.push_str(DISAGREEMENTS);
    let mut all: BTreeMap<(&str, About), Both<'_>> = BTreeMap::new();
    for d in &scores.without.disagreements {
        all.entry((&d.id, d.about)).or_default().without = Some(d);
    }
    for d in &scores.with.disagreements {
        all.entry((&d.id, d.about)).or_default().with = Some(d);
    }
    if all.is_empty() {
        out.push_str("\nNone.\n");
    }
    for ((id, about), both) in &all {
        let _ = writeln!(out, "\n### {id}: {about}\n");
        for (run, d) in [("without", both.without), ("with", both.with)] {
            let said = d.map_or("no such disagreement", |d| &d.said);
            let _ = writeln!(out, "- said, {run} the proposal: {said}");
        }
        let expected = both.without.or(both.with).map_or("", |d| &d.expected);
        let _ = writeln!(out, "- expected: {expected}");
        match reasons.of(id, *about) {
            Some(reason) => {
                let text = reason.text.split_whitespace().collect::<Vec<_>>().join(" ");
                let _ = writeln!(out, "- reason ({}): {text}", reason.rules.join(", "));
            }
            None => out.push_str("- reason: NONE GIVEN\n"),
        }
    }
}

fn rules(out: &mut String, rules: &[Rule], cases: &[Case<'_>]) {
    out.push_str(RULES);
    let met: Vec<(&Rule, Vec<&str>)> = rules.iter().map(|r| (r, r.met_by(cases))).collect();
    let lone: Vec<&(&Rule, Vec<&str>)> = met.iter().filter(|(_, by)| by.len() == 1).collect();
    let (all, one) = (met.len(), lone.len());
    let none = met.iter().filter(|(_, by)| by.is_empty()).count();
    let many = all - one - none;
    let _ = writeln!(
        out,
        "Of {all} conditional rules, {many} are met by two or more records, {none} by none, {one} by one:\n"
    );
    for (rule, by) in &lone {
        let when: Vec<String> = rule.when.iter().map(|c| format!("`{}`", c.text)).collect();
        let lone = rule.lone.as_deref().unwrap_or("NO REASON GIVEN");
        let lone = lone.split_whitespace().collect::<Vec<_>>().join(" ");
        let (says, file, clauses) = (&rule.says, &rule.file, rule.rules.join(", "));
        let _ = writeln!(out, "- **{says}** ({clauses}; `{file}`), met by {}.", by.join(", "));
        let _ = writeln!(out, "  - when: {}", when.join(" and "));
        let _ = writeln!(out, "  - {lone}");
    }
    out.push_str("\nAll rules, with the number of records that meet them:\n\n");
    out.push_str("| rule | clauses | records |\n| --- | --- | --- |\n");
    for (rule, by) in &met {
        let (says, clauses) = (&rule.says, rule.rules.join(", "));
        let _ = writeln!(out, "| {says} | {clauses} | {} |", by.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(disagreements: &[(&str, About)]) -> Score {
        let disagreement = |(id, about): &(&str, About)| Disagreement {
            id: (*id).to_owned(),
            about: *about,
            said: "this".to_owned(),
            expected: "that".to_owned(),
        };
        let mut score = Score::default();
        score.disagreements.extend(disagreements.iter().map(disagreement));
        score
    }

    #[test]
    fn both_runs_share_one_entry_and_a_missing_reason_is_visible() {
        let (without, with) = (score(&[("x", About::Class)]), score(&[("x", About::Class)]));
        let scores = Scores { without: &without, with: &with };
        let text = page(&scores, &Reasons::default(), &[], &[]);
        assert_eq!(text.matches("### x: class\n").count(), 1);
        assert!(text.contains("- said, with the proposal: this\n- expected: that\n"));
        assert!(text.contains("- reason: NONE GIVEN"));
        let (without, with) = (score(&[]), score(&[("x", About::Severity)]));
        let scores = Scores { without: &without, with: &with };
        let text = page(&scores, &Reasons::default(), &[], &[]);
        assert!(text.contains("without the proposal: no such disagreement\n"));
    }

    #[test]
    fn shares_are_rounded_and_the_second_coder_stands_beside_them() {
        assert_eq!((percent(43, 48), percent(1, 48), percent(0, 0)), (90, 2, 0));
        let none = score(&[]);
        let text = page(&Scores { without: &none, with: &none }, &Reasons::default(), &[], &[]);
        assert!(text.contains("| second coder, about |\n"));
        assert!(text.contains("| at least 38 of 48 | 0 of 0 (0 %) | 89 % |"));
        assert!(text.contains("\nNone.\n") && text.contains("Of 0 conditional rules"));
    }
}
