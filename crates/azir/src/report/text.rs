//! The report for terminals: no colour, no control characters, wrapped at 100 columns.

use azir_sim::report::DrillReport;

use super::checks::{failed, groups, held};
use super::criteria::subsystems;
use super::escape::{plain, put};
use super::format::{CHAPTERS, Clock, count, duration, size, tone, words};
use super::order;
use super::page::verdict;
use super::timeline::{by, chapters};

/// Widest line, unless a single word, a command or a path is longer.
const WIDTH: usize = 100;

/// Appends `text` after `head`; further lines start below the text, not below the head.
fn item(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    let (mut line, mut used) = (head.to_owned(), indent);
    let mut fresh = true;
    for word in plain(text).split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > WIDTH {
            put!(out, "{}\n", line.trim_end());
            (line, used, fresh) = (" ".repeat(indent), indent, true);
        }
        if !fresh {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        fresh = false;
    }
    put!(out, "{}\n", line.trim_end());
}

fn title(out: &mut String, text: &str) {
    put!(out, "\n{}\n{}\n", text, "-".repeat(text.chars().count()));
}

fn list(out: &mut String, name: &str, items: &[String]) {
    put!(out, "{name}{}\n", if items.is_empty() { " none" } else { "" });
    for text in items {
        item(out, "  - ", text);
    }
}

/// The whole report as text.
pub(super) fn transcript(report: &DrillReport) -> String {
    let mut out = String::new();
    let clock = Clock::of(report);
    head(&mut out, report);
    title(&mut out, "What happened");
    for (i, line) in report.summary.iter().enumerate() {
        item(&mut out, &format!("{:>3}. ", i + 1), line);
    }
    checks(&mut out, report);
    title(&mut out, "Figures");
    for score in &report.scores {
        let bar =
            if score.bar.is_empty() { String::new() } else { format!(" (bar {})", score.bar) };
        item(&mut out, "  ", &format!("{}: {}{bar}", score.name, score.value));
    }
    timeline(&mut out, report, clock);
    title(&mut out, "Gates over time");
    for line in order::reading(order::Gates::of(report), clock) {
        item(&mut out, "  ", &line);
    }
    fork(&mut out, report);
    decision(&mut out, report);
    records(&mut out, report);
    refusals(&mut out, report);
    ending(&mut out, report);
    out
}

fn head(out: &mut String, report: &DrillReport) {
    let (result, sentence) = verdict(report);
    put!(out, "DRILL - drill identities, simulated network, nothing acted on a real network\n");
    item(out, "", &report.title);
    item(
        out,
        "",
        &format!("{} \u{b7} run {} \u{b7} seed {}", report.drill, report.run, report.seed),
    );
    put!(out, "incident {}\n", report.incident);
    let long = duration(report.span.1.ms_since(report.span.0));
    put!(out, "{} to {} ({long})\n{result}: {sentence}\n", report.span.0, report.span.1);
}

fn checks(out: &mut String, report: &DrillReport) {
    title(out, "Checks");
    for (name, checks) in groups(report) {
        put!(out, "{} {} of {}\n", plain(&name), held(&checks), checks.len());
        for check in checks {
            let mark = if check.passed { "  ok     " } else { "  FAILED " };
            item(out, mark, &check.claim);
            if !check.detail.is_empty() {
                item(out, "         ", &check.detail);
            }
        }
    }
}

fn timeline(out: &mut String, report: &DrillReport, clock: Clock) {
    title(out, "Timeline (No., occurred / recorded, kind)");
    for chapter in chapters(&report.timeline) {
        let name = CHAPTERS.get(chapter.stage).copied().unwrap_or_default();
        put!(out, "{name} ({})\n", count(chapter.items.len(), "line"));
        for entry in chapter.items {
            let head = format!(
                "{:>5} {} / {} {:<9} ",
                entry.index,
                clock.exact(entry.at),
                clock.exact(entry.recorded),
                tone(&entry.tone).word
            );
            item(out, &head, &format!("{} [{}]", entry.text, by(entry)));
        }
    }
}

fn fork(out: &mut String, report: &DrillReport) {
    title(out, "The fork");
    let fork = &report.fork;
    let trusted = &fork.trusted;
    item(out, "  trusted checkpoint: ", &format!("height {}, {}", trusted.height, trusted.id));
    for branch in &fork.branches {
        let (first, last) = (branch.blocks.first(), branch.blocks.last());
        let Some((first, last)) = first.zip(last) else { continue };
        let text = format!(
            "{}, heights {} to {}, tip {} {} {}",
            count(branch.blocks.len(), "block"),
            first.height,
            last.height,
            last.id.short(),
            words(&last.label),
            last.fate
        );
        item(out, &format!("  branch {}: ", plain(&branch.name)), &text);
    }
    let seats = |list: &[u64]| list.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    for c in &fork.certificates {
        let text = format!("{} by seats {}", c.block.short(), seats(&c.voters));
        item(out, &format!("  certificate {} of slot {}: ", plain(&c.branch), fork.slot), &text);
    }
    put!(out, "  signed both: {}\n", seats(&fork.common_signers));
}

fn decision(out: &mut String, report: &DrillReport) {
    title(out, "Decision");
    let decision = &report.decision;
    item(out, "Recommended: ", &decision.recommended);
    item(out, "Declared:    ", &decision.declared);
    list(out, "Applied at once:", &decision.applied);
    list(out, "Requested from the protocol:", &decision.requested);
    list(out, "Harm that remains:", &decision.residual);
    put!(out, "Rejected measures: {}\n", decision.rejected.len());
    for r in &decision.rejected {
        let channel = words(&r.channel);
        item(out, "  - ", &format!("{channel}: {}: {}: {}", r.measure, r.verdict, r.reason));
    }
    list(out, "What would flip the choice:", &decision.flips);
    item(out, "Explanation: ", &decision.explanation);
}

fn records(out: &mut String, report: &DrillReport) {
    title(out, "Evidence");
    for line in &report.evidence {
        let state = format!("  {:<15} ", plain(&words(&line.state)));
        let mut held = format!("{} ({})", line.text, line.item);
        if line.bytes > 0 {
            put!(held, " {}", size(line.bytes));
        }
        if !line.verified.is_empty() {
            put!(held, ", {}", line.verified);
        }
        item(out, &state, &held);
        for hash in &line.hashes {
            put!(out, "                  {hash}\n");
        }
    }
    title(out, "Restart criteria");
    for (name, lines) in subsystems(&report.criteria) {
        let signed: Vec<String> =
            lines.iter().map(|l| format!("{} {}", l.criterion, l.signer)).collect();
        item(out, &format!("  {}: ", plain(name)), &signed.join(", "));
    }
}

fn refusals(out: &mut String, report: &DrillReport) {
    title(out, "Refusals that protected the network");
    for refusal in &report.refusals {
        let index = refusal.index.map_or("not logged".to_owned(), |i| format!("log entry {i}"));
        let text = format!("{}: {} ({index})", refusal.who, refusal.tried);
        item(out, "  - ", &text);
        item(out, "    refused: ", &refusal.kinds.join(" "));
        for line in &refusal.unmet {
            item(out, "    unmet: ", line);
        }
        item(out, "    protected: ", &refusal.protected);
    }
}

fn ending(out: &mut String, report: &DrillReport) {
    title(out, "People");
    for person in &report.people {
        item(out, "  ", &format!("{}: {}", person.id, person.role));
    }
    title(out, "Notes");
    for note in &report.notes {
        item(out, "  - ", note);
    }
    title(out, "How to verify");
    for line in &report.verify {
        item(out, "  ", &line.shows);
        put!(out, "    $ {}\n", plain(&line.command));
        item(out, "    prints: ", &line.expect);
    }
}

/// The terminal ending: what happened, what failed, then result, report and command.
pub(super) fn summary(report: &DrillReport, report_path: &str, verify_command: &str) -> String {
    let mut out = String::new();
    item(
        &mut out,
        "DRILL   ",
        &format!(
            "{}, {} run, seed {}: simulated, nothing acted on a real network",
            report.drill, report.run, report.seed
        ),
    );
    for (i, line) in report.summary.iter().enumerate() {
        item(&mut out, &format!("{:>5}.  ", i + 1), line);
    }
    for check in failed(report) {
        item(&mut out, "FAILED  ", &format!("{}: {}", check.claim, check.detail));
    }
    let (result, sentence) = verdict(report);
    let each: Vec<String> = groups(report)
        .iter()
        .map(|(name, checks)| format!("{} {}/{}", name, held(checks), checks.len()))
        .collect();
    item(&mut out, "Result  ", &format!("{result}: {sentence} ({})", each.join(", ")));
    put!(out, "Report  {}\nVerify  {}\n", plain(report_path), plain(verify_command));
    out
}
