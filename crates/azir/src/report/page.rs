//! The page around the sections: head, banner, result, contents.

use azir_sim::report::DrillReport;

use super::checks::{self, failed};
use super::criteria::criteria;
use super::decision::decision;
use super::escape::{e, put};
use super::fork::fork;
use super::format::{Clock, count, duration};
use super::matrix::matrix;
use super::order::Gates;
use super::tables;
use super::timeline::timeline;

pub(super) const STYLE: &str = include_str!("page.css");

/// Sections in order: anchor, title.
const SECTIONS: [(&str, &str); 13] = [
    ("what", "What happened"),
    ("checks", "Checks"),
    ("figures", "Figures"),
    ("timeline", "Timeline"),
    ("gates", "Gates over time"),
    ("fork", "The fork"),
    ("decision", "Decision"),
    ("evidence", "Evidence"),
    ("criteria", "Restart criteria"),
    ("refusals", "Refusals that protected the network"),
    ("people", "People"),
    ("notes", "Notes"),
    ("verify", "How to verify"),
];

/// The whole file.
pub(super) fn page(report: &DrillReport) -> String {
    let mut out = String::with_capacity(256 * 1024);
    let (result, _) = verdict(report);
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{result} \u{b7} drill {} {} \u{b7} seed {}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body{}>\n<a class=\"skip\" href=\"#what\">Skip to what happened</a>\n",
        e(&report.drill),
        e(&report.run),
        report.seed,
        if Clock::of(report).is_dated() { " class=\"dated\"" } else { "" }
    );
    header(&mut out, report);
    out.push_str("<main>\n");
    for (id, title) in SECTIONS {
        put!(
            out,
            "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{title}</h2>\n"
        );
        section(&mut out, id, report);
        out.push_str("</section>\n");
    }
    put!(
        out,
        "</main>\n<footer>\
         <p>{} \u{b7} made from the log of incident <code>{}</code>; the same drill \
         and seed give the same bytes.</p></footer>\n</body>\n</html>\n",
        e(&report.schema),
        report.incident
    );
    out
}

fn section(out: &mut String, id: &str, report: &DrillReport) {
    let clock = Clock::of(report);
    match id {
        "what" => summary(out, report),
        "checks" => checks::checks(out, report),
        "figures" => checks::figures(out, report),
        "timeline" => timeline(out, &report.timeline, clock),
        "gates" => matrix(out, Gates::of(report), clock),
        "fork" => fork(out, report),
        "decision" => decision(out, &report.decision),
        "evidence" => tables::evidence(out, &report.evidence),
        "criteria" => criteria(out, &report.criteria),
        "refusals" => tables::refusals(out, report),
        "people" => tables::people(out, report),
        "notes" => tables::notes(out, report),
        _ => tables::verify(out, report),
    }
}

/// The result as a word and a sentence.
pub(super) fn verdict(report: &DrillReport) -> (&'static str, String) {
    let (bad, all) = (failed(report).len(), report.checks.len());
    match (report.passed, bad) {
        (true, 0) => ("PASSED", format!("{} held", count(all, "check"))),
        (true, n) => ("FAILED", format!("marked passed, yet {n} of {all} checks failed")),
        (false, 0) => ("FAILED", format!("marked failed, though {} held", count(all, "check"))),
        (false, n) => ("FAILED", format!("{n} of {all} checks failed")),
    }
}

fn header(out: &mut String, report: &DrillReport) {
    let (result, sentence) = verdict(report);
    let (class, mark) = if result == "PASSED" { ("ok", "\u{2713}") } else { ("bad", "\u{2715}") };
    put!(
        out,
        "<header>\n<p class=\"banner\"><strong>DRILL</strong> Drill identities in a simulated \
         network. Nothing here acted on a real network, and no signature of this run is accepted \
         outside it.</p>\n<div class=\"top\"><h1>{}</h1>\n\
         <p class=\"result {class}\"><strong>{mark} {result}</strong> <span>{sentence}</span>\
         </p></div>\n",
        e(&report.title)
    );
    put!(
        out,
        "<dl class=\"facts\"><div><dt>Drill</dt><dd>{}</dd></div><div><dt>Run</dt><dd>{}</dd></div>\
         <div><dt>Seed</dt><dd>{}</dd></div><div><dt>From</dt><dd>{}</dd></div>\
         <div><dt>To</dt><dd>{}</dd></div><div><dt>Lasted</dt><dd>{}</dd></div>\
         <div class=\"long\"><dt>Incident</dt><dd><code>{}</code></dd></div></dl>\n",
        e(&report.drill),
        e(&report.run),
        report.seed,
        report.span.0,
        report.span.1,
        duration(report.span.1.ms_since(report.span.0)),
        report.incident
    );
    let failed = failed(report);
    if !failed.is_empty() {
        out.push_str("<section class=\"failed\"><h2>What failed</h2><ul class=\"checks\">\n");
        for check in failed {
            checks::one(out, check);
        }
        out.push_str("</ul></section>\n");
    }
    out.push_str("<nav aria-label=\"Sections\"><ol>");
    for (id, title) in SECTIONS {
        let short = title.split(" that ").next().unwrap_or(title);
        put!(out, "<li><a href=\"#{id}\">{short}</a></li>");
    }
    out.push_str("</ol></nav>\n</header>\n");
}

fn summary(out: &mut String, report: &DrillReport) {
    if report.summary.is_empty() {
        out.push_str("<p class=\"none\">No summary was written.</p>\n");
        return;
    }
    out.push_str("<ol class=\"summary\">\n");
    for line in &report.summary {
        put!(out, "<li>{}</li>\n", e(line));
    }
    out.push_str("</ol>\n");
}
