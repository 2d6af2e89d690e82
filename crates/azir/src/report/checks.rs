//! Checks by group with their counts, and measured figures against their bars.

use azir_sim::report::{Check, DrillReport};

use super::escape::{e, put};
use super::format::check_group;

/// Order in which groups are shown; others follow in the order they appear.
const GROUPS: [&str; 4] = ["seen", "decision", "refused", "way_back"];

/// The checks by group: title, checks.
pub(super) fn groups(report: &DrillReport) -> Vec<(String, Vec<&Check>)> {
    let mut names: Vec<&str> = GROUPS.to_vec();
    for check in &report.checks {
        if !names.contains(&check.group.as_str()) {
            names.push(&check.group);
        }
    }
    let of = |name: &str| report.checks.iter().filter(|c| c.group == name).collect::<Vec<_>>();
    names
        .into_iter()
        .map(|name| (check_group(name), of(name)))
        .filter(|(_, checks)| !checks.is_empty())
        .collect()
}

/// How many of `checks` held.
pub(super) fn held(checks: &[&Check]) -> usize {
    checks.iter().filter(|c| c.passed).count()
}

/// Checks that did not hold.
pub(super) fn failed(report: &DrillReport) -> Vec<&Check> {
    report.checks.iter().filter(|c| !c.passed).collect()
}

/// The section of checks.
pub(super) fn checks(out: &mut String, report: &DrillReport) {
    if report.checks.is_empty() {
        out.push_str("<p class=\"none\">This run made no check.</p>\n");
    }
    out.push_str("<div class=\"groups\">\n");
    for (title, checks) in groups(report) {
        let good = held(&checks);
        put!(
            out,
            "<section><h3>{} <span class=\"count {}\">{good} of {}</span>\
             </h3>\n<ul class=\"checks\">\n",
            e(&title),
            if good == checks.len() { "ok" } else { "bad" },
            checks.len()
        );
        for check in checks {
            one(out, check);
        }
        out.push_str("</ul></section>\n");
    }
    out.push_str("</div>\n");
}

/// One check as a list item.
pub(super) fn one(out: &mut String, check: &Check) {
    let (class, mark, word) =
        if check.passed { ("ok", "\u{2713}", "held") } else { ("bad", "\u{2715}", "FAILED") };
    put!(
        out,
        "<li class=\"{class}\"><b class=\"verdict\">{mark} {word}</b><span>{} <small>{}</small>\
         </span></li>\n",
        e(&check.claim),
        e(&check.detail)
    );
}

/// The section of figures.
pub(super) fn figures(out: &mut String, report: &DrillReport) {
    if report.scores.is_empty() {
        out.push_str("<p class=\"none\">Nothing was measured.</p>\n");
        return;
    }
    out.push_str(
        "<table class=\"figures\"><thead><tr><th scope=\"col\">Figure</th>\
         <th scope=\"col\">Measured</th><th scope=\"col\">Bar</th></tr></thead><tbody>\n",
    );
    for score in &report.scores {
        put!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"value\">{}</td><td>{}</td></tr>\n",
            e(&score.name),
            e(&score.value),
            if score.bar.is_empty() { e("\u{2014}") } else { e(&score.bar) }
        );
    }
    out.push_str("</tbody></table>\n");
}
