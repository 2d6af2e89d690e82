//! A postmortem as a page and as Markdown (33.1): the ten contents, the timeline and the gates as
//! pictures, evidence by hash. Sealed pieces show hash, size and kind only; under embargo nothing
//! but the hash of the document and the date (D-025).

use azir_engine::body::{BlastBasis, Embargo, Question};
use azir_engine::postmortem::{CONTENTS, Fix, Postmortem};
use azir_ledger::{Digest, Timestamp};
use azir_model::IncidentId;
use azir_sim::report::{GateLane, TimelineItem};

use super::escape::{e, plain, put};
use super::format::{Clock, count, size, words};
use super::matrix::matrix;
use super::order::Gates;
use super::shell::{banner, begin, end, pair, section};
use super::timeline::timeline;

/// What is known of a piece of evidence outside the response team.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Checklist item.
    pub(crate) item: String,
    pub(crate) hash: Digest,
    pub(crate) size: u64,
    /// Where it came from and who took it; absent for sealed pieces.
    pub(crate) from: Option<String>,
    /// `sealed`, `removed`, or nothing to say.
    pub(crate) note: &'static str,
}

/// How far the document is.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Not published; this many problems are left.
    Draft { problems: usize },
    /// In the log.
    Published { document: Digest, at: Timestamp, by: String, embargo: Option<Embargo> },
}

/// Everything that the pages show.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    pub(crate) incident: IncidentId,
    /// An exercise.
    pub(crate) drill: bool,
    /// Class, peak severity and state, where the log is at hand.
    pub(crate) known: Option<(String, String, String)>,
    pub(crate) doc: Postmortem,
    pub(crate) standing: Standing,
    pub(crate) timeline: Vec<TimelineItem>,
    pub(crate) gates: Vec<GateLane>,
    pub(crate) span: (Timestamp, Timestamp),
    pub(crate) evidence: Vec<Piece>,
}

/// What stands in the place of a document under embargo.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) incident: IncidentId,
    pub(crate) document: Digest,
    pub(crate) until: Timestamp,
}

/// Title of a content of 33.1.
fn title(name: &str) -> String {
    match name {
        "root_cause_class" => "Root cause".to_owned(),
        "why_controls_did_or_did_not_work" => "Why controls did or did not work".to_owned(),
        "changes_required" => "Changes required in spec, implementation or process".to_owned(),
        "governance_change_needed" => "Is a governance change needed?".to_owned(),
        "conformance_vectors" => "Should conformance vectors be added?".to_owned(),
        other => {
            let text = words(other);
            let mut letters = text.chars();
            letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
        }
    }
}

/// A question of 39.1 in words.
fn question(q: Question) -> &'static str {
    match q {
        Question::NewVector => "Should a new conformance vector be added?",
        Question::VectorInsufficient => "Was an existing vector insufficient?",
        Question::ImplementationsDiffer => {
            "Does an untested edge case make implementations differ now?"
        }
    }
}

fn date(time: Timestamp) -> String {
    time.to_string().get(..10).unwrap_or_default().to_owned()
}

/// The whole page.
pub(crate) fn html(paper: &Paper) -> String {
    let mut out = String::with_capacity(128 * 1024);
    let clock = Clock::over(&paper.timeline, paper.span);
    let name = format!("Postmortem of incident {}", paper.incident.0.short());
    begin(&mut out, &name, "", clock.is_dated());
    out.push_str("<header>\n");
    if paper.drill {
        banner(&mut out, "DRILL", "An exercise; nothing here is about a real network.");
    }
    match &paper.standing {
        Standing::Draft { problems } => {
            let left = count(*problems, "problem");
            banner(
                &mut out,
                "DRAFT",
                &format!("Not published; {left} left by azir postmortem check."),
            );
        }
        Standing::Published { embargo: Some(b), .. } => {
            let text = format!("Under embargo until {}: {}. Not for outsiders.", b.until, b.reason);
            banner(&mut out, "INTERNAL", &text);
        }
        Standing::Published { .. } => {}
    }
    put!(out, "<div class=\"top\"><h1>{name}</h1></div>\n");
    head(&mut out, paper);
    out.push_str("</header>\n<main id=\"main\">\n");
    contents(&mut out, paper, clock);
    gates(&mut out, paper, clock);
    conformance(&mut out, paper);
    failures(&mut out, paper);
    evidence(&mut out, paper);
    end(
        &mut out,
        "Made from the signed log of the incident. Timeline, scopes and blast radius are the log's; \
         a document that leaves an event out cannot be published.",
    );
    out
}

fn head(out: &mut String, paper: &Paper) {
    out.push_str("<dl class=\"facts\">");
    if let Some((class, severity, state)) = &paper.known {
        pair(out, "Class", Some(class));
        pair(out, "Peak severity", Some(severity));
        pair(out, "State", Some(state));
    }
    let basis = paper.doc.blast.basis;
    if basis != BlastBasis::Unknown {
        let rank = format!("{} ({basis})", paper.doc.blast.rank.value());
        pair(out, "Blast rank", Some(&rank));
    }
    if let Standing::Published { document, at, by, .. } = &paper.standing {
        pair(out, "Published", Some(&at.to_string()));
        pair(out, "By", Some(by));
        put!(
            out,
            "<div class=\"long\"><dt>Document, sha256</dt><dd><code>{document}</code></dd></div>"
        );
    }
    put!(
        out,
        "<div class=\"long\"><dt>Incident</dt><dd><code>{}</code></dd></div></dl>\n",
        paper.incident
    );
}

fn contents(out: &mut String, paper: &Paper, clock: Clock) {
    for (number, name) in (1..).zip(CONTENTS) {
        section(out, name, &format!("{number}. {}", title(name)));
        let text = paper.doc.contents.get(name).map_or("", |t| t.trim());
        if text.is_empty() {
            out.push_str("<p class=\"prose missing\">Still to be written.</p>\n");
        } else {
            put!(out, "<p class=\"prose\">{}</p>\n", e(text));
        }
        match name {
            "root_cause_class" => kinds(out, &paper.doc),
            "timeline" => timeline(out, &paper.timeline, clock),
            "blast_radius" => scopes(out, &paper.doc),
            "long_term_fix" => fixes(out, &paper.doc.fixes),
            _ => {}
        }
        out.push_str("</section>\n");
    }
}

fn kinds(out: &mut String, doc: &Postmortem) {
    out.push_str("<dl class=\"pairs\">");
    let kinds: Vec<_> = doc.kinds.iter().map(|k| words(k.as_str())).collect();
    pair(out, "kinds", (!kinds.is_empty()).then(|| kinds.join(", ")).as_deref());
    pair(out, "adversary", doc.adversarial.map(|a| a.to_string()).as_deref());
    pair(out, "every control held", doc.every_control_held.then_some("yes"));
    out.push_str("</dl>\n");
}

fn scopes(out: &mut String, doc: &Postmortem) {
    out.push_str("<dl class=\"pairs\">");
    pair(out, "scopes", (!doc.scopes.is_empty()).then(|| doc.scopes.join(" ")).as_deref());
    out.push_str("</dl>\n");
}

fn fixes(out: &mut String, fixes: &[Fix]) {
    if fixes.is_empty() {
        return;
    }
    out.push_str(
        "<table class=\"stack\"><thead><tr><th scope=\"col\">Fix</th><th scope=\"col\">Owner</th>\
         <th scope=\"col\">Due</th><th scope=\"col\">State</th><th scope=\"col\">Reference</th>\
         </tr></thead><tbody>\n",
    );
    for fix in fixes {
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"num\">{}</td><td>{}</td><td>{}</td></tr>\n",
            e(&fix.what),
            e(&fix.owner),
            date(fix.due),
            fix.state,
            e(&fix.reference)
        );
    }
    out.push_str("</tbody></table>\n");
}

fn gates(out: &mut String, paper: &Paper, clock: Clock) {
    if paper.gates.is_empty() {
        return;
    }
    section(out, "gates", "Gates over time");
    matrix(out, Gates { lanes: &paper.gates, span: paper.span }, clock);
    out.push_str("</section>\n");
}

fn conformance(out: &mut String, paper: &Paper) {
    section(out, "conformance", "Conformance review (39.1)");
    if paper.doc.conformance.is_empty() {
        out.push_str("<p class=\"none\">The three questions are not answered.</p>\n");
    }
    out.push_str("<ul class=\"items\">\n");
    for answer in &paper.doc.conformance {
        put!(
            out,
            "<li><div class=\"head\"><b>{}</b> <span>{}</span></div><p>{}</p><dl>",
            question(answer.question),
            if answer.answer { "yes" } else { "no" },
            e(&answer.reason)
        );
        pair(out, "fixture", answer.fixture.map(|d| d.to_string()).as_deref());
        pair(out, "replay report", answer.report.map(|d| d.to_string()).as_deref());
        out.push_str("</dl></li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}

fn failures(out: &mut String, paper: &Paper) {
    section(out, "failures", "Operational failures that the log shows");
    if paper.doc.failures.is_empty() {
        out.push_str("<p class=\"none\">None.</p>\n</section>\n");
        return;
    }
    out.push_str("<ul>\n");
    for line in &paper.doc.failures {
        put!(out, "<li>{}</li>\n", e(line));
    }
    out.push_str("</ul>\n</section>\n");
}

fn evidence(out: &mut String, paper: &Paper) {
    if paper.evidence.is_empty() {
        return;
    }
    section(out, "evidence", "Evidence");
    out.push_str(
        "<table class=\"stack\"><thead><tr><th scope=\"col\">Kind</th>\
         <th scope=\"col\">Sha256</th><th scope=\"col\">Size</th><th scope=\"col\">From</th>\
         </tr></thead><tbody>\n",
    );
    for p in &paper.evidence {
        let note = if p.note.is_empty() {
            String::new()
        } else {
            format!(" <span class=\"chip\">{}</span>", p.note)
        };
        put!(
            out,
            "<tr><td>{}{note}</td><td><code>{}</code></td><td class=\"num\">{}</td><td>{}</td></tr>\n",
            e(&words(&p.item)),
            p.hash,
            size(p.size),
            e(p.from.as_deref().unwrap_or(""))
        );
    }
    out.push_str("</tbody></table>\n</section>\n");
}

/// The page in the place of a document under embargo.
pub(crate) fn notice_html(notice: &Notice) -> String {
    let mut out = String::new();
    let name = format!("Postmortem of incident {}", notice.incident.0.short());
    begin(&mut out, &name, "", false);
    out.push_str("<header>\n");
    banner(&mut out, "EMBARGO", &format!("The text is published from {} on.", notice.until));
    put!(
        out,
        "<div class=\"top\"><h1>{name}</h1></div>\n<dl class=\"facts\">\
         <div class=\"long\"><dt>Document, sha256</dt><dd><code>{}</code></dd></div>\
         <div class=\"long\"><dt>Incident</dt><dd><code>{}</code></dd></div></dl>\n</header>\n\
         <main id=\"main\"><p>The hash fixes the text now: what is shown later can be compared with \
         it.</p>\n",
        notice.document,
        notice.incident
    );
    end(&mut out, "Made from the signed log of the incident.");
    out
}

/// The notice as Markdown.
pub(crate) fn notice_markdown(notice: &Notice) -> String {
    format!(
        "# Postmortem of incident {}\n\nUnder embargo until {}.\n\n- Document, sha256: `{}`\n\
         - Incident: `{}`\n",
        notice.incident.0.short(),
        notice.until,
        notice.document,
        notice.incident
    )
}

/// Text of strangers inside Markdown: one paragraph without markup of its own.
fn md(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '|' | '#') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Several lines of a person's text, each a paragraph.
fn paragraphs(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.map(md).collect::<Vec<_>>().join("\n\n")
}

/// The document as Markdown.
pub(crate) fn markdown(paper: &Paper) -> String {
    let mut out = String::new();
    put!(out, "# Postmortem of incident {}\n\n", paper.incident.0.short());
    if paper.drill {
        out.push_str("**DRILL**, nothing here is about a real network.\n\n");
    }
    match &paper.standing {
        Standing::Draft { problems } => {
            put!(out, "**DRAFT**, not published; {} left.\n\n", count(*problems, "problem"));
        }
        Standing::Published { document, at, by, embargo } => {
            if let Some(embargo) = embargo {
                put!(out, "**INTERNAL**, under embargo until {}.\n\n", embargo.until);
            }
            put!(out, "Published {at} by {}, sha256 `{document}`.\n\n", md(by));
        }
    }
    if let Some((class, severity, state)) = &paper.known {
        put!(out, "{}, peak {}, {}.\n\n", md(class), md(severity), md(state));
    }
    put!(out, "Incident `{}`\n", paper.incident);
    for (number, name) in (1..).zip(CONTENTS) {
        let text = paper.doc.contents.get(name).map_or("", |t| t.trim());
        let text =
            if text.is_empty() { "*Still to be written.*".to_owned() } else { paragraphs(text) };
        put!(out, "\n## {number}. {}\n\n{text}\n", title(name));
        match name {
            "root_cause_class" if !paper.doc.kinds.is_empty() => {
                let kinds: Vec<_> = paper.doc.kinds.iter().map(|k| words(k.as_str())).collect();
                put!(out, "\nKinds: {}\n", kinds.join(", "));
            }
            "timeline" => md_timeline(&mut out, &paper.timeline),
            "long_term_fix" => md_fixes(&mut out, &paper.doc.fixes),
            _ => {}
        }
    }
    md_rest(&mut out, paper);
    out
}

fn md_timeline(out: &mut String, items: &[TimelineItem]) {
    if items.is_empty() {
        return;
    }
    out.push_str("\n| entry | recorded (UTC) | who | what |\n| --- | --- | --- | --- |\n");
    for i in items {
        put!(
            out,
            "| {} | {} | {} {} | {} |\n",
            i.index,
            i.recorded,
            md(&i.actor),
            md(&i.role),
            md(&i.text)
        );
    }
}

fn md_fixes(out: &mut String, fixes: &[Fix]) {
    if fixes.is_empty() {
        return;
    }
    out.push_str("\n| fix | owner | due | state | reference |\n| --- | --- | --- | --- | --- |\n");
    for f in fixes {
        put!(
            out,
            "| {} | {} | {} | {} | {} |\n",
            md(&f.what),
            md(&f.owner),
            date(f.due),
            f.state,
            md(&f.reference)
        );
    }
}

fn md_rest(out: &mut String, paper: &Paper) {
    out.push_str("\n## Conformance review (39.1)\n\n");
    for a in &paper.doc.conformance {
        let said = if a.answer { "yes" } else { "no" };
        put!(out, "- {} **{said}**: {}", question(a.question), md(&a.reason));
        for (name, hash) in [("fixture", a.fixture), ("replay report", a.report)] {
            if let Some(hash) = hash {
                put!(out, " ({name} `{hash}`)");
            }
        }
        out.push('\n');
    }
    out.push_str("\n## Operational failures that the log shows\n\n");
    if paper.doc.failures.is_empty() {
        out.push_str("None.\n");
    }
    for line in &paper.doc.failures {
        put!(out, "- {}\n", md(line));
    }
    if paper.evidence.is_empty() {
        return;
    }
    out.push_str("\n## Evidence\n\n| kind | sha256 | size | from |\n| --- | --- | --- | --- |\n");
    for p in &paper.evidence {
        let note = if p.note.is_empty() { String::new() } else { format!(" ({})", p.note) };
        let from = md(p.from.as_deref().unwrap_or(""));
        put!(out, "| {}{note} | `{}` | {} | {from} |\n", md(&words(&p.item)), p.hash, size(p.size));
    }
}
