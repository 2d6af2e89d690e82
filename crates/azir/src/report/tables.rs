//! Evidence, refusals, people, notes, and the lines to check the bundle by hand.

use std::collections::BTreeSet;

use azir_sim::report::{DrillReport, EvidenceLine, RefusalLine};

use super::escape::{e, put};
use super::format::{size, words};

/// Hashes of one evidence line shown before the rest is folded.
const HASHES_SHOWN: usize = 2;

/// The evidence checklist.
pub(super) fn evidence(out: &mut String, lines: &[EvidenceLine]) {
    if lines.is_empty() {
        out.push_str("<p class=\"none\">No item is on the checklist.</p>\n");
        return;
    }
    out.push_str(
        "<table class=\"stack\"><thead><tr><th scope=\"col\">State</th><th scope=\"col\">Item</th>\
         <th scope=\"col\">Size</th><th scope=\"col\">Verified by</th>\
         <th scope=\"col\">SHA-256</th></tr></thead><tbody>\n",
    );
    for line in lines {
        let (class, mark) = match line.state.as_str() {
            "present" => ("ok", "\u{2713}"),
            "not_applicable" => ("none", "\u{2013}"),
            "unavailable" => ("warn", "!"),
            _ => ("bad", "\u{2715}"),
        };
        put!(
            out,
            "<tr><td><b class=\"verdict {class}\">{mark} {}</b></td><td>{} <small>{}</small></td>\
             <td class=\"num\">{}</td><td>{}</td><td class=\"hashes\">",
            e(&words(&line.state)),
            e(&line.text),
            e(&line.item),
            if line.bytes == 0 { "\u{2014}".to_owned() } else { size(line.bytes) },
            e(&line.verified)
        );
        for hash in line.hashes.iter().take(HASHES_SHOWN) {
            put!(out, "<code>{hash}</code> ");
        }
        if let Some(rest) = line.hashes.get(HASHES_SHOWN..).filter(|r| !r.is_empty()) {
            put!(out, "<details><summary>{} more</summary>", rest.len());
            for hash in rest {
                put!(out, "<code>{hash}</code> ");
            }
            out.push_str("</details>");
        }
        out.push_str("</td></tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// Refusals, each with every unmet condition and a link to its log entry.
pub(super) fn refusals(out: &mut String, report: &DrillReport) {
    if report.refusals.is_empty() {
        out.push_str("<p class=\"none\">Nothing was refused.</p>\n");
        return;
    }
    let logged: BTreeSet<u64> = report.timeline.iter().map(|i| i.index).collect();
    out.push_str("<ol class=\"refusals\">\n");
    for refusal in &report.refusals {
        put!(out, "<li><h3>{}</h3>\n<p><b>{}</b>", e(&refusal.tried), e(&refusal.who));
        for kind in &refusal.kinds {
            put!(out, " <code class=\"chip\">{}</code>", e(kind));
        }
        out.push_str(&entry(refusal, &logged));
        out.push_str("</p>\n<ul>");
        for line in &refusal.unmet {
            put!(out, "<li>{}</li>", e(line));
        }
        if refusal.unmet.is_empty() {
            out.push_str("<li>no condition given</li>");
        }
        put!(out, "</ul>\n<p class=\"protected\">Protected: {}</p></li>\n", e(&refusal.protected));
    }
    out.push_str("</ol>\n");
}

fn entry(refusal: &RefusalLine, logged: &BTreeSet<u64>) -> String {
    match refusal.index {
        Some(i) if logged.contains(&i) => format!(" <a href=\"#e{i}\">log entry {i}</a>"),
        Some(i) => format!(" log entry {i}"),
        None => " <small>left no log entry</small>".to_owned(),
    }
}

/// People and their roles.
pub(super) fn people(out: &mut String, report: &DrillReport) {
    if report.people.is_empty() {
        out.push_str("<p class=\"none\">Nobody took part.</p>\n");
        return;
    }
    out.push_str("<ul class=\"people\">");
    for person in &report.people {
        put!(out, "<li><b>{}</b> {}</li>", e(&person.id), e(&person.role));
    }
    out.push_str("</ul>\n");
}

/// Notes for the reader.
pub(super) fn notes(out: &mut String, report: &DrillReport) {
    if report.notes.is_empty() {
        out.push_str("<p class=\"none\">None.</p>\n");
        return;
    }
    out.push_str("<ul>");
    for note in &report.notes {
        put!(out, "<li>{}</li>", e(note));
    }
    out.push_str("</ul>\n");
}

/// Lines to paste.
pub(super) fn verify(out: &mut String, report: &DrillReport) {
    if report.verify.is_empty() {
        out.push_str("<p class=\"none\">No line is given.</p>\n");
        return;
    }
    out.push_str(
        "<p class=\"hint\">Set <code>D</code> to the directory of the exported bundle, then paste. \
         Nothing but public keys is needed.</p>\n<ol class=\"verify\">\n",
    );
    for line in &report.verify {
        put!(
            out,
            "<li><p>{}</p>\n<pre tabindex=\"0\">{}</pre>\n<p class=\"expect\">prints: \
             <code>{}</code></p></li>\n",
            e(&line.shows),
            e(&line.command),
            e(&line.expect)
        );
    }
    out.push_str("</ol>\n");
}
