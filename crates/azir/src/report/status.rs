//! The public status as data, as a page and as a feed (31, annex K). All three say the same, and
//! all three are made from the log alone.

use azir_engine::status::{Fact, Overdue, Status, StatusClass};
use azir_ledger::{Digest, Timestamp};
use azir_model::vocab::FinalityLabel;
use azir_model::{IncidentClass, IncidentId, IncidentState, Severity};
use serde::Serialize;

use super::escape::{e, put};
use super::format::words;
use super::shell::{banner, begin, end, pair, section};

/// The `schema` member of a status (D-010).
pub(crate) const STATUS_SCHEMA: &str = "azir.status/1";

/// Everything that a status says.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusReport {
    /// Always [`STATUS_SCHEMA`].
    pub(crate) schema: &'static str,
    /// Origin of the log.
    pub(crate) log: String,
    /// `live`, or `drill`.
    pub(crate) mode: String,
    /// When it was derived.
    pub(crate) at: Timestamp,
    /// Both axes, facts and what is overdue.
    #[serde(flatten)]
    pub(crate) status: Status,
    /// Under which label the hard-final block may be shown (31.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hard_final_label: Option<FinalityLabel>,
    /// Incidents, the newest first.
    pub(crate) incidents: Vec<IncidentLine>,
    /// Published statuses, the newest first.
    pub(crate) published: Vec<PublishedLine>,
}

/// What is public of an incident.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IncidentLine {
    pub(crate) id: IncidentId,
    pub(crate) class: IncidentClass,
    pub(crate) severity: Severity,
    pub(crate) state: IncidentState,
    pub(crate) opened: Timestamp,
    pub(crate) since: Timestamp,
    pub(crate) scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postmortem: Option<PublicPostmortem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postmortem_due: Option<Timestamp>,
}

/// A published postmortem: its hash at once, its text after the embargo (D-025).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicPostmortem {
    pub(crate) document: Digest,
    pub(crate) published: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embargo_until: Option<Timestamp>,
}

/// A status as it was published.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublishedLine {
    /// Position in the log.
    pub(crate) entry: u64,
    /// Hash of its event.
    pub(crate) event: Digest,
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) operator: StatusClass,
    pub(crate) network: StatusClass,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hard_final_height: Option<u64>,
    /// Under which label that height may be shown now (31.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hard_final_label: Option<FinalityLabel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Where the signed event of a published status lies beside the page.
pub(crate) fn published_path(entry: u64) -> String {
    format!("published/{entry:06}.json")
}

/// The wire word of a class.
pub(crate) fn class_word(class: StatusClass) -> &'static str {
    match class {
        StatusClass::Healthy => "healthy",
        StatusClass::MonitoringAfterRecovery => "monitoring_after_recovery",
        StatusClass::Degraded => "degraded",
        StatusClass::RecoveryInProgress => "recovery_in_progress",
        StatusClass::SafeMode => "safe_mode",
        StatusClass::ScopedHalt => "scoped_halt",
    }
}

/// A sign before the word, so that colour never carries the meaning alone.
fn mark(class: StatusClass) -> &'static str {
    match class {
        StatusClass::Healthy => "\u{2713}",
        StatusClass::MonitoringAfterRecovery => "\u{25ce}",
        StatusClass::Degraded => "\u{25b2}",
        StatusClass::RecoveryInProgress => "\u{21bb}",
        StatusClass::SafeMode => "\u{25c6}",
        StatusClass::ScopedHalt => "\u{25a0}",
    }
}

fn day_second(time: Timestamp) -> String {
    let text = time.to_string();
    let (day, clock) = (text.get(..10).unwrap_or(&text), text.get(11..19).unwrap_or_default());
    format!("{day} {clock} UTC")
}

/// The deployment's own name in the origin of its log.
fn deployment(log: &str) -> &str {
    log.split('/').nth(1).unwrap_or(log)
}

/// The page. Readable without scripts, colours and other files.
pub(crate) fn html(report: &StatusReport) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let status = &report.status;
    let title = format!("{} / {} \u{b7} status", status.operator.words(), status.network.words());
    let links = "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"Status\" \
                 href=\"feed.xml\">\n<link rel=\"alternate\" type=\"application/json\" \
                 href=\"status.json\">\n";
    begin(&mut out, &title, links, true);
    out.push_str("<header>\n");
    if report.mode != "live" {
        banner(&mut out, "DRILL", "This log is an exercise; nothing here is about a real network.");
    }
    put!(
        out,
        "<div class=\"top\"><h1>Status of {}</h1><p class=\"hint\">derived <time datetime=\"{}\">{}\
         </time></p></div>\n",
        e(deployment(&report.log)),
        report.at,
        day_second(report.at)
    );
    out.push_str("</header>\n<main id=\"main\">\n<div class=\"axes\">\n");
    axis(&mut out, "Own services", status.operator, status.facts.iter().filter(|f| f.operator));
    axis(&mut out, "Network", status.network, status.facts.iter().filter(|f| f.network));
    out.push_str("</div>\n");
    head(&mut out, report);
    facts(&mut out, &status.facts);
    overdue(&mut out, &status.overdue);
    incidents(&mut out, &report.incidents);
    history(&mut out, &report.published);
    end(
        &mut out,
        "Classes are derived from verified facts and never chosen. The network class leaves healthy \
         only on a finalized object or verified certificates. The log and its evidence can be \
         exported and checked offline with azir verify.",
    );
    out
}

fn axis<'f>(
    out: &mut String,
    name: &str,
    class: StatusClass,
    facts: impl Iterator<Item = &'f Fact>,
) {
    let (deciding, further): (Vec<_>, Vec<_>) = facts.partition(|f| f.class == class);
    let why = deciding.first().map_or("nothing is known against it", |f| f.text.as_str());
    let more = deciding.len() + further.len();
    put!(
        out,
        "<section class=\"axis c-{}\"><h2>{}</h2><p class=\"big\">{} {}</p><p>{}{}</p></section>\n",
        class_word(class),
        e(name),
        mark(class),
        class.words(),
        e(why),
        if more > 1 { format!(", and {} more below", more - 1) } else { String::new() }
    );
}

fn head(out: &mut String, report: &StatusReport) {
    out.push_str("<dl class=\"facts\">");
    let height = report.status.hard_final.map(|tip| {
        let label = report.hard_final_label.unwrap_or(FinalityLabel::Speculative);
        format!("{} ({label})", tip.height)
    });
    pair(out, "Newest verified height", Some(height.as_deref().unwrap_or("none verified yet")));
    pair(out, "Block", report.status.hard_final.map(|t| t.block.short()).as_deref());
    put!(
        out,
        "<div class=\"long\"><dt>Log</dt><dd><code>{}</code></dd></div></dl>\n",
        e(&report.log)
    );
    out.push_str(
        "<p class=\"hint\">The same as <a href=\"status.json\">JSON</a> and as a \
                  <a href=\"feed.xml\">feed</a>. Times are UTC.</p>\n",
    );
}

fn facts(out: &mut String, facts: &[Fact]) {
    section(out, "facts", "Facts behind the classes");
    if facts.is_empty() {
        out.push_str("<p class=\"none\">No restriction, no incident, and a fresh proof.</p>\n");
    } else {
        let mut sorted: Vec<_> = facts.iter().collect();
        sorted.sort_by_key(|f| std::cmp::Reverse(f.class));
        out.push_str("<ul class=\"items\">\n");
        sorted.into_iter().for_each(|f| fact(out, f));
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

fn fact(out: &mut String, f: &Fact) {
    let axis = match (f.operator, f.network) {
        (true, true) => "own services and network",
        (true, false) => "own services",
        (false, true) => "network",
        (false, false) => "told only",
    };
    put!(
        out,
        "<li><div class=\"head\"><b class=\"c-{}\">{} {}</b><span>{axis}</span>",
        class_word(f.class),
        mark(f.class),
        f.class.words()
    );
    if let Some(label) = f.label {
        put!(out, "<span class=\"chip\">{}</span>", e(&words(label.as_str())));
    }
    put!(out, "</div><p>{}</p><dl>", e(&f.text));
    pair(out, "kind", Some(&words(&f.kind)));
    pair(out, "scope", f.scope.as_deref());
    pair(out, "since", f.since.map(day_second).as_deref());
    pair(out, "ends", f.ends.as_deref());
    pair(out, "incident", f.incident.map(|i| i.0.short()).as_deref());
    pair(out, "proof", f.proof.as_deref());
    out.push_str("</dl></li>\n");
}

fn overdue(out: &mut String, late: &[Overdue]) {
    if late.is_empty() {
        return;
    }
    section(out, "overdue", "Overdue");
    out.push_str("<ul>\n");
    for one in late {
        put!(
            out,
            "<li>{} of incident {} was due {}</li>\n",
            e(one.what),
            one.incident.0.short(),
            day_second(one.due)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn incidents(out: &mut String, incidents: &[IncidentLine]) {
    section(out, "incidents", "Incidents");
    if incidents.is_empty() {
        out.push_str("<p class=\"none\">No incident was opened.</p>\n");
    } else {
        out.push_str("<ul class=\"items\">\n");
        for i in incidents {
            put!(
                out,
                "<li id=\"i{id}\"><div class=\"head\"><b>{}</b><span>{}</span>\
                 <span class=\"chip\">{}</span></div><dl>",
                e(i.state.as_str()),
                e(i.class.as_str()),
                e(i.severity.as_str()),
                id = i.id.0.short()
            );
            pair(out, "incident", Some(&i.id.0.short()));
            pair(out, "opened", Some(&day_second(i.opened)));
            pair(out, "in this state since", Some(&day_second(i.since)));
            pair(out, "scopes", (!i.scopes.is_empty()).then(|| i.scopes.join(" ")).as_deref());
            let document = i.postmortem.as_ref().map(|p| {
                let until =
                    p.embargo_until.map(|t| format!(", its text not before {}", day_second(t)));
                format!("sha256 {}{}", p.document, until.unwrap_or_default())
            });
            pair(out, "postmortem", document.as_deref());
            let due = i.postmortem_due.filter(|_| i.postmortem.is_none());
            pair(out, "postmortem due", due.map(day_second).as_deref());
            out.push_str("</dl></li>\n");
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

fn history(out: &mut String, published: &[PublishedLine]) {
    section(out, "history", "Published statuses");
    if published.is_empty() {
        out.push_str("<p class=\"none\">No status was published yet.</p>\n");
    } else {
        out.push_str("<ul class=\"items\">\n");
        for p in published {
            put!(
                out,
                "<li id=\"p{entry}\"><div class=\"head\"><time datetime=\"{}\"><b>{}</b></time>\
                 <span class=\"c-{}\">{} own services: {}</span>\
                 <span class=\"c-{}\">{} network: {}</span></div><p>{}</p><dl>",
                p.at,
                day_second(p.at),
                class_word(p.operator),
                mark(p.operator),
                p.operator.words(),
                class_word(p.network),
                mark(p.network),
                p.network.words(),
                e(&p.text),
                entry = p.entry
            );
            pair(out, "worse than derived because", p.reason.as_deref());
            let label = p.hard_final_label.unwrap_or(FinalityLabel::Speculative);
            let height = p.hard_final_height.map(|h| format!("{h} ({label})"));
            pair(out, "height", height.as_deref());
            pair(out, "by", Some(&p.by));
            put!(
                out,
                "<div><dt>signed</dt><dd><a href=\"{}\">entry {}</a></dd></div></dl></li>\n",
                published_path(p.entry),
                p.entry
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

/// Days of the week from the first day of 1970 on.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MS: i64 = 86_400_000;

/// A time as RSS 2.0 wants it (RFC 822 with a year of four digits).
fn rfc822(time: Timestamp) -> String {
    let text = time.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let days = time.ms_since(Timestamp::from_ms(0)).div_euclid(DAY_MS).rem_euclid(7);
    let month = part(5..7).parse::<usize>().ok().and_then(|m| MONTHS.get(m.wrapping_sub(1)));
    format!(
        "{}, {} {} {} {} GMT",
        usize::try_from(days).ok().and_then(|d| DAYS.get(d)).unwrap_or(&"Thu"),
        part(8..10),
        month.unwrap_or(&"Jan"),
        part(0..4),
        part(11..19)
    )
}

/// Most items of a feed; the page and the JSON have all.
const FEED_ITEMS_MAX: usize = 100;

/// The feed, RSS 2.0: published statuses, and the state of each incident. `link` is where the page
/// will lie.
pub(crate) fn rss(report: &StatusReport, link: &str) -> String {
    let mut items: Vec<(Timestamp, String)> = Vec::new();
    for p in &report.published {
        let title = format!("own services: {}; network: {}", p.operator.words(), p.network.words());
        let anchor = format!("{link}#p{}", p.entry);
        items.push((p.at, item(&title, &p.text, &anchor, &p.event.to_string(), p.at)));
    }
    for i in &report.incidents {
        let short = i.id.0.short();
        let title = format!("incident {short} is {}", i.state);
        let text = format!("{} {}, scopes: {}", i.class, i.severity, i.scopes.join(" "));
        let guid = format!("{}:{}:{}", i.id, i.state, i.since);
        items.push((i.since, item(&title, &text, &format!("{link}#i{short}"), &guid, i.since)));
    }
    items.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let items: String = items.into_iter().take(FEED_ITEMS_MAX).map(|(_, text)| text).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\">\n<channel>\n\
         <title>Status of {log}</title>\n<link>{link}</link>\n\
         <description>Published statuses and incidents, derived from a signed log</description>\n\
         <language>en</language>\n<lastBuildDate>{}</lastBuildDate>\n{items}</channel>\n</rss>\n",
        rfc822(report.at),
        log = e(&report.log),
        link = e(link)
    )
}

fn item(title: &str, text: &str, link: &str, guid: &str, at: Timestamp) -> String {
    format!(
        "<item>\n<title>{}</title>\n<link>{}</link>\n<description>{}</description>\n\
         <guid isPermaLink=\"false\">{}</guid>\n<pubDate>{}</pubDate>\n</item>\n",
        e(title),
        e(link),
        e(text),
        e(guid),
        rfc822(at)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_feed_name_the_right_day() {
        for (text, feed) in [
            ("1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("2026-11-24T19:21:36.123Z", "Tue, 24 Nov 2026 19:21:36 GMT"),
            ("2024-02-29T23:59:59.999Z", "Thu, 29 Feb 2024 23:59:59 GMT"),
        ] {
            assert_eq!(rfc822(text.parse().unwrap()), feed);
        }
    }

    #[test]
    fn class_words_are_those_of_the_wire() {
        for class in [
            StatusClass::Healthy,
            StatusClass::MonitoringAfterRecovery,
            StatusClass::Degraded,
            StatusClass::RecoveryInProgress,
            StatusClass::SafeMode,
            StatusClass::ScopedHalt,
        ] {
            assert_eq!(serde_json::to_value(class).unwrap(), class_word(class));
            assert_eq!(words(class_word(class)), class.words());
        }
    }
}
