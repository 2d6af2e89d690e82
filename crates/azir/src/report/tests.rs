//! Claims about all three renderings, held against a sample and against a hostile report.

mod course;
mod hostile;
mod markup;
mod sample;

use azir_ledger::Timestamp;
use azir_sim::report::{Check, DecisionSummary, DrillReport, Fork};

use super::{html, summary, transcript};
use hostile::hostile;
use sample::sample;

fn empty() -> DrillReport {
    let full = sample();
    DrillReport {
        summary: Vec::new(),
        checks: Vec::new(),
        scores: Vec::new(),
        timeline: Vec::new(),
        span: (Timestamp::EPOCH, Timestamp::EPOCH),
        gates: Vec::new(),
        fork: Fork {
            branches: Vec::new(),
            certificates: Vec::new(),
            common_signers: Vec::new(),
            ..full.fork
        },
        decision: DecisionSummary {
            recommended: String::new(),
            declared: String::new(),
            applied: Vec::new(),
            requested: Vec::new(),
            residual: Vec::new(),
            rejected: Vec::new(),
            flips: Vec::new(),
            explanation: String::new(),
        },
        evidence: Vec::new(),
        criteria: Vec::new(),
        refusals: Vec::new(),
        people: Vec::new(),
        verify: Vec::new(),
        notes: Vec::new(),
        ..full
    }
}

#[test]
fn the_page_is_well_formed_and_its_ids_are_unique() {
    for report in [sample(), empty(), hostile("<b a=\"x\" b='y'>&</p></svg>")] {
        markup::check(&html(&report)).unwrap();
    }
}

#[test]
fn the_checker_of_markup_can_fail() {
    for bad in ["<p><b></p></b>", "<p>", "</p>", "<p id=\"a\"></p><i id=\"a\"></i>", "<p a=b></p>"]
    {
        assert!(markup::check(bad).is_err(), "{bad}");
    }
    assert!(markup::check("<a href=\"#nowhere\"></a>").is_err());
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    for page in [html(&sample()), html(&empty())] {
        for word in ["http", "src=", "@import", "<script", "<link", "<iframe", "<object", "//"] {
            assert!(!page.contains(word), "{word}");
        }
        let urls: Vec<&str> = page.match_indices("url(").map(|(i, _)| &page[i..i + 10]).collect();
        assert!(urls.iter().all(|u| *u == "url(#hatch"), "{urls:?}");
    }
}

#[test]
fn hostile_text_stays_text_in_every_field() {
    let page = html(&hostile("<script>alert(\"1\")</script>'&"));
    assert!(!page.contains("<script"));
    assert!(!page.contains("alert(\""));
    let fields =
        page.matches("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;").count();
    assert!(fields > 45, "only {fields} fields arrived");
}

#[test]
fn no_escape_sequence_reaches_the_terminal() {
    let report = hostile("\u{1b}[2J\u{202e}\r");
    for text in [transcript(&report), summary(&report, "\u{1b}[2J", "\u{7}")] {
        let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None);
    }
    let clean = summary(&sample(), "p", "v") + &transcript(&sample());
    assert!(!clean.contains('\u{1b}'));
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let (a, b) = (sample(), sample());
    assert_eq!(html(&a), html(&b));
    assert_eq!(transcript(&a), transcript(&b));
    assert_eq!(summary(&a, "p", "v"), summary(&b, "p", "v"));
}

/// Everything that was checked, refused or logged is on the page and in the transcript.
#[test]
fn nothing_of_the_record_is_left_out() {
    let report = sample();
    let page = html(&report);
    let text = transcript(&report).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut wanted: Vec<&str> = Vec::new();
    wanted.extend(report.checks.iter().flat_map(|c| [c.claim.as_str(), &c.detail]));
    wanted.extend(report.refusals.iter().flat_map(|r| [r.tried.as_str(), &r.protected]));
    wanted.extend(report.refusals.iter().flat_map(|r| &r.unmet).map(String::as_str));
    wanted.extend(report.timeline.iter().map(|i| i.text.as_str()));
    wanted.extend(report.decision.rejected.iter().flat_map(|r| [r.reason.as_str(), &r.verdict]));
    wanted.extend(report.scores.iter().map(|s| s.value.as_str()));
    wanted.extend(report.notes.iter().chain(&report.summary).map(String::as_str));
    wanted.extend(report.verify.iter().map(|v| v.command.as_str()));
    wanted.extend(report.evidence.iter().map(|l| l.text.as_str()));
    for needle in wanted {
        assert!(page.contains(&super::escape::e(needle).to_string()), "page lacks {needle}");
        assert!(text.contains(needle), "transcript lacks {needle}");
    }
    for item in &report.timeline {
        assert_eq!(page.matches(&format!(" id=\"e{}\"", item.index)).count(), 1);
        assert!(page.contains(&format!("datetime=\"{}\"", item.recorded)));
    }
    for block in report.fork.branches.iter().flat_map(|b| &b.blocks) {
        assert!(page.contains(&block.id.to_string()));
    }
    for line in &report.criteria {
        assert!(page.contains(&line.summary) && text.contains(&line.signer));
    }
}

#[test]
fn empty_lists_are_said_and_not_hidden() {
    let report = empty();
    let page = html(&report);
    assert!(page.contains("Nothing was refused.") && page.contains("No gate was recorded."));
    assert!(transcript(&report).contains("Timeline"));
    assert!(summary(&report, "p", "v").contains("Verify  v"));
}

#[test]
fn a_failed_check_is_never_shown_as_passed() {
    let mut report = sample();
    assert!(html(&report).contains("<strong>\u{2713} PASSED</strong>"));
    report.checks.push(Check {
        group: "refused".to_owned(),
        claim: "old votes are refused".to_owned(),
        passed: false,
        detail: "one was accepted".to_owned(),
    });
    for passed in [true, false] {
        report.passed = passed;
        assert!(html(&report).contains("<strong>\u{2715} FAILED</strong>"));
        assert!(transcript(&report).contains("\nFAILED: "));
        let end = summary(&report, "r.html", "azir verify x");
        assert!(end.contains("FAILED  old votes are refused: one was accepted\n"));
        assert!(end.contains("Result  FAILED"));
    }
}

#[test]
fn the_terminal_ending_ends_with_result_report_and_command() {
    let command = "azir verify out/conflicting-notarization.azir --roster roster.json --now";
    let end = summary(&sample(), "out/report.html", command);
    let lines: Vec<&str> = end.lines().collect();
    let n = lines.len();
    assert!(n <= 16, "{n} lines:\n{end}");
    assert!(lines[0].starts_with("DRILL"));
    assert!(lines.iter().any(|l| l.starts_with("Result  PASSED")));
    assert_eq!(lines[n - 2], "Report  out/report.html");
    assert_eq!(lines[n - 1], format!("Verify  {command}"));
}

#[test]
fn text_keeps_to_its_width() {
    let text = transcript(&sample());
    let long = |l: &&str| l.chars().count() > 100 && !l.starts_with("    $ ");
    assert_eq!(text.lines().find(long), None);
}

#[test]
fn the_matrix_says_when_the_notary_was_not_last() {
    let mut report = sample();
    assert!(html(&report).contains("The notary came back last."));
    assert!(html(&report).contains("All 12 gates shut from"));
    let lane = report.gates.iter_mut().find(|l| l.role == "proposer").unwrap();
    lane.spans.retain(|s| !s.open);
    lane.spans.last_mut().unwrap().to = report.span.1;
    assert!(html(&report).contains("Still shut at the end: 1 gate."));
    for lane in report.gates.iter_mut().filter(|l| l.role == "notary") {
        lane.spans.iter_mut().for_each(|s| s.open = !s.open);
        lane.spans.truncate(2);
    }
    assert!(html(&report).contains("The notary did NOT come back last."));
}

/// R-14.3-3: a branch is shown under the label it has, never as final because it is long.
#[test]
fn no_tip_is_shown_as_hard_final_unless_it_is() {
    let page = html(&sample());
    let start = page.find("id=\"fork-title\"").unwrap();
    let fork = &page[start..start + page[start..].find("</svg>").unwrap()];
    assert_eq!(fork.matches("class=\"block hard").count(), 1, "only the trusted checkpoint");
    assert_eq!(fork.matches(">hard final</text>").count(), 1);
    assert!(fork.contains("36 blocks"), "long branches are shortened with a count");
}
