//! The timeline: chapters in the order of the log, long runs of like entries folded.

use azir_sim::report::TimelineItem;

use super::escape::{e, put};
use super::format::{CHAPTERS, Clock, count, day, duration, tone, words};
use super::strip::strip;

/// From this many like entries in a row on, they are folded into one line.
const FOLD_MIN: usize = 5;

/// A part of the log that begins when the incident reaches its next stage.
pub(super) struct Chapter<'a> {
    /// Place in [`CHAPTERS`].
    pub(super) stage: usize,
    /// Entries, at least one.
    pub(super) items: &'a [TimelineItem],
}

/// Cuts the log where a later stage is reached for the first time; order is never changed.
pub(super) fn chapters(items: &[TimelineItem]) -> Vec<Chapter<'_>> {
    let mut out = Vec::new();
    let (mut stage, mut start) = (0, 0);
    for (i, item) in items.iter().enumerate() {
        let reached = tone(&item.tone).stage;
        if reached > stage {
            if i > start {
                out.push(Chapter { stage, items: &items[start..i] });
            }
            (stage, start) = (reached, i);
        }
    }
    if start < items.len() {
        out.push(Chapter { stage, items: &items[start..] });
    }
    out
}

/// Neighbours of one kind and tone. What a reader must see one by one is never put together.
fn runs(items: &[TimelineItem]) -> impl Iterator<Item = &[TimelineItem]> {
    items.chunk_by(|a, b| {
        let apart = matches!(a.tone.as_str(), "alarm" | "refused" | "decide" | "open");
        !apart && a.kind == b.kind && a.tone == b.tone
    })
}

/// The section's content: strip, then chapters.
pub(super) fn timeline(out: &mut String, items: &[TimelineItem], clock: Clock) {
    let Some(first) = items.first() else {
        out.push_str("<p class=\"none\">No entry was recorded.</p>\n");
        return;
    };
    let chapters = chapters(items);
    strip(out, items, &chapters, clock);
    put!(
        out,
        "<p class=\"hint\">{}, UTC, first on {}. <b>Occurred</b> is the author's clock, \
         <b>recorded</b> the log's.</p>\n",
        count(items.len(), "log line"),
        day(first.at)
    );
    out.push_str(
        "<div class=\"tl-head\" aria-hidden=\"true\"><span>No.</span><span>Occurred</span>\
         <span>Recorded</span><span>Kind</span><span>What happened</span></div>\n",
    );
    for (number, chapter) in (1..).zip(&chapters) {
        let title = CHAPTERS.get(chapter.stage).copied().unwrap_or_default();
        put!(
            out,
            "<details open class=\"chapter\"><summary>\
             <h3>{number} {title}</h3> <span class=\"hint\">{}{}\
             </span></summary>\n<ol class=\"tl\">\n",
            count(chapter.items.len(), "line"),
            lasted(chapter.items)
        );
        for run in runs(chapter.items) {
            if run.len() >= FOLD_MIN { folded(out, run, clock) } else { each(out, run, clock) }
        }
        out.push_str("</ol></details>\n");
    }
}

fn lasted(items: &[TimelineItem]) -> String {
    match (items.first(), items.last()) {
        (Some(a), Some(b)) if a.index != b.index => {
            format!(" in {}", duration(b.recorded.ms_since(a.recorded)))
        }
        (Some(_) | None, Some(_) | None) => String::new(),
    }
}

fn each(out: &mut String, items: &[TimelineItem], clock: Clock) {
    for item in items {
        let tone = tone(&item.tone);
        put!(
            out,
            "<li id=\"e{index}\" class=\"row t-{}\"><span class=\"num\">{index}</span>\
             <time class=\"num\" datetime=\"{}\">{}</time>\
             <time class=\"num rec\" datetime=\"{}\"><span class=\"vh\">recorded </span>{}</time>\
             <b class=\"tone\">{} {}</b><span class=\"what\"><span>{}</span> <small>{}</small>\
             </span></li>\n",
            tone.class,
            item.at,
            clock.exact(item.at),
            item.recorded,
            clock.exact(item.recorded),
            tone.mark,
            tone.word,
            e(&item.text),
            e(&by(item)),
            index = item.index
        );
    }
}

fn folded(out: &mut String, run: &[TimelineItem], clock: Clock) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let tone = tone(&first.tone);
    put!(
        out,
        "<li><details><summary class=\"row t-{}\"><span class=\"num\">{}\u{2013}{}</span>\
         <span class=\"num\">{}</span><span class=\"num rec\">{}</span>\
         <b class=\"tone\">{} {}</b><span class=\"what\"><span><b>{} like this:</b> {}</span> \
         <small>{}</small></span></summary>\n<ol class=\"tl\">\n",
        tone.class,
        first.index,
        last.index,
        clock.exact(first.at),
        clock.exact(last.recorded),
        tone.mark,
        tone.word,
        run.len(),
        e(&first.text),
        e(&words(&first.kind))
    );
    each(out, run, clock);
    out.push_str("</ol></details></li>\n");
}

/// Who, in which role, by which kind of event.
pub(super) fn by(item: &TimelineItem) -> String {
    let parts = [item.actor.as_str(), item.role.as_str(), item.kind.as_str()];
    let known: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    known.join(" \u{b7} ")
}

#[cfg(test)]
mod tests {
    use azir_ledger::Timestamp;

    use super::*;

    fn items(tones: &[&str]) -> Vec<TimelineItem> {
        let item = |(i, tone): (usize, &&str)| TimelineItem {
            index: i as u64,
            at: Timestamp::from_ms(i as i64 * 1_000),
            recorded: Timestamp::from_ms(i as i64 * 1_000 + 5),
            kind: "k".to_owned(),
            actor: "a".to_owned(),
            role: String::new(),
            text: "t".to_owned(),
            tone: (*tone).to_owned(),
        };
        tones.iter().enumerate().map(item).collect()
    }

    #[test]
    fn chapters_never_reorder_or_drop_an_entry() {
        let log = items(&["plain", "stop", "evidence", "stop", "decide", "evidence", "open"]);
        let cut = chapters(&log);
        assert_eq!(cut.iter().map(|c| c.stage).collect::<Vec<_>>(), [0, 1, 2, 4]);
        let flat: Vec<u64> = cut.iter().flat_map(|c| c.items).map(|i| i.index).collect();
        assert_eq!(flat, [0, 1, 2, 3, 4, 5, 6]);
        assert!(chapters(&[]).is_empty());
    }

    #[test]
    fn refusals_are_never_folded_together() {
        let log = items(&["refused"; 9]);
        assert_eq!(runs(&log).count(), 9);
        let log = items(&["recover"; 9]);
        assert_eq!(runs(&log).count(), 1);
    }
}
