//! Restart criteria: a grid of subsystem by criterion, then what each signer signed.

use std::collections::{BTreeMap, BTreeSet};

use azir_model::vocab::NodeRole;
use azir_sim::report::CriterionLine;

use super::escape::{e, put};
use super::format::{count, criterion};

/// A subsystem with its signed lines.
pub(super) type Subsystem<'a> = (&'a str, Vec<&'a CriterionLine>);

/// Lines by subsystem, in the order in which roles may return (annex J.3).
pub(super) fn subsystems(lines: &[CriterionLine]) -> Vec<Subsystem<'_>> {
    let mut by: BTreeMap<&str, Vec<&CriterionLine>> = BTreeMap::new();
    for line in lines {
        by.entry(&line.subsystem).or_default().push(line);
    }
    let mut out: Vec<Subsystem<'_>> = by.into_iter().collect();
    let phase = |name: &str| name.rsplit('/').next().and_then(|r| r.parse::<NodeRole>().ok());
    out.sort_by_key(|(name, _)| (phase(name), *name));
    out
}

/// The section's content.
pub(super) fn criteria(out: &mut String, lines: &[CriterionLine]) {
    if lines.is_empty() {
        out.push_str("<p class=\"none\">No restart was signed.</p>\n");
        return;
    }
    let subsystems = subsystems(lines);
    let columns: BTreeSet<&str> = lines.iter().map(|l| l.criterion.as_str()).collect();
    let signers: BTreeSet<&str> = lines.iter().map(|l| l.signer.as_str()).collect();
    put!(
        out,
        "<p class=\"hint\">{} signed for {} by {}. Each cell names the signer.</p>\n\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Signers per criterion\">\
         <table class=\"grid\"><thead><tr><th scope=\"col\">Subsystem</th>",
        count(lines.len(), "criterion").replace("criterions", "criteria"),
        count(subsystems.len(), "subsystem"),
        count(signers.len(), "signer")
    );
    for column in &columns {
        put!(out, "<th scope=\"col\">{}<small>{}</small></th>", e(column), criterion(column));
    }
    out.push_str("</tr></thead><tbody>\n");
    for (name, lines) in &subsystems {
        put!(out, "<tr><th scope=\"row\">{}</th>", e(name));
        for column in &columns {
            cell(out, lines.iter().filter(|l| l.criterion == *column));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n<div class=\"signed\">\n");
    for (name, lines) in &subsystems {
        detail(out, name, lines);
    }
    out.push_str("</div>\n");
}

fn cell<'a>(out: &mut String, lines: impl Iterator<Item = &'a &'a CriterionLine>) {
    let signed: Vec<String> = lines.map(|l| e(&l.signer).to_string()).collect();
    if signed.is_empty() {
        out.push_str("<td class=\"bad\"><b>\u{2715} missing</b></td>");
    } else {
        put!(out, "<td>{}</td>", signed.join("<br>"));
    }
}

fn detail(out: &mut String, name: &str, lines: &[&CriterionLine]) {
    put!(
        out,
        "<details><summary><b>{}</b> <span class=\"hint\">{} signed</span></summary>\n\
         <ul class=\"checks\">\n",
        e(name),
        lines.len()
    );
    for line in lines {
        put!(
            out,
            "<li><b class=\"verdict\">{}</b><span>{} <small>{} \u{b7} {}</small></span></li>\n",
            e(&line.criterion),
            e(&line.summary),
            e(&line.signer),
            e(&line.role)
        );
    }
    out.push_str("</ul></details>\n");
}
