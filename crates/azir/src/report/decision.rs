//! The containment decision: what was chosen, what was rejected and why, what would flip it.

use azir_sim::report::{DecisionSummary, RejectedMeasure};

use super::escape::{e, put};
use super::format::words;

/// The section's content.
pub(super) fn decision(out: &mut String, decision: &DecisionSummary) {
    put!(
        out,
        "<dl class=\"facts\"><div><dt>Recommended</dt><dd>{}</dd></div>\
         <div><dt>Declared</dt><dd>{}</dd></div></dl>\n<div class=\"three\">\n",
        or_none(&decision.recommended),
        or_none(&decision.declared)
    );
    list(out, "Applied at once", &decision.applied);
    list(out, "Requested from the protocol", &decision.requested);
    list(out, "Harm that remains", &decision.residual);
    out.push_str("</div>\n");
    rejected(out, &decision.rejected);
    list(out, "What would flip the choice", &decision.flips);
    if !decision.explanation.is_empty() {
        put!(
            out,
            "<details><summary>Explanation generated from the decision</summary>\
             <p class=\"prose\">{}</p></details>\n",
            e(&decision.explanation)
        );
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { e(text).to_string() }
}

fn list(out: &mut String, title: &str, items: &[String]) {
    put!(out, "<section><h3>{title}</h3>");
    if items.is_empty() {
        out.push_str("<p class=\"none\">None.</p></section>\n");
        return;
    }
    out.push_str("<ul>");
    for item in items {
        put!(out, "<li>{}</li>", e(item));
    }
    out.push_str("</ul></section>\n");
}

/// Rejected measures; neighbours of one channel share its name.
fn rejected(out: &mut String, measures: &[RejectedMeasure]) {
    put!(out, "<h3>Rejected measures <span class=\"count\">{}</span></h3>\n", measures.len());
    if measures.is_empty() {
        out.push_str("<p class=\"none\">None.</p>\n");
        return;
    }
    out.push_str(
        "<table class=\"stack\"><thead><tr><th scope=\"col\">Measure</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\">Reason</th></tr></thead>\n",
    );
    for channel in measures.chunk_by(|a, b| a.channel == b.channel) {
        let name = channel.first().map(|m| m.channel.as_str()).unwrap_or_default();
        put!(
            out,
            "<tbody><tr class=\"sub\"><th scope=\"rowgroup\" colspan=\"3\">{}</th></tr>\n",
            e(&words(name))
        );
        for measure in channel {
            put!(
                out,
                "<tr><td>{}</td><td><code class=\"chip\">{}</code></td><td>{}</td></tr>\n",
                e(&measure.measure),
                e(&measure.verdict),
                e(&measure.reason)
            );
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n");
}
