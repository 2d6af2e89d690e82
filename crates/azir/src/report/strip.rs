//! The strip above the timeline: every entry by its place in the log, one row per tone.

use azir_sim::report::TimelineItem;

use super::escape::{e, put};
use super::format::{CHAPTERS, Clock, TONES, Tone, tone};
use super::timeline::Chapter;

const WIDTH: f64 = 1160.0;
const LEFT: f64 = 96.0;
const PLOT: f64 = 1056.0;
const ROW: f64 = 15.0;
const TOP: f64 = 38.0;

/// Draws the strip for `items`, divided into `chapters`.
pub(super) fn strip(
    out: &mut String,
    items: &[TimelineItem],
    chapters: &[Chapter<'_>],
    clock: Clock,
) {
    let rows: Vec<Tone> =
        TONES.into_iter().filter(|t| items.iter().any(|i| tone(&i.tone) == *t)).collect();
    let step = PLOT / items.len().max(1) as f64;
    let bottom = TOP + rows.len() as f64 * ROW;
    put!(
        out,
        "<figure><div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Entries by kind, scrolls sideways\">\
         <svg class=\"wide\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" \
         aria-labelledby=\"strip-title\">\
         <title id=\"strip-title\">{} entries in log order, by kind</title>\n",
        bottom + 4.0,
        items.len()
    );
    chapter_heads(out, chapters, step, bottom, clock);
    for (i, row) in rows.iter().enumerate() {
        let base = TOP + i as f64 * ROW + 11.0;
        put!(
            out,
            "<text class=\"t-{}\" x=\"0\" y=\"{base:.1}\">{} {}</text>\
             <line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n",
            row.class,
            row.mark,
            row.word,
            y = base + 3.5
        );
    }
    let width = (step - 1.0).clamp(1.5, 9.0);
    for (n, item) in items.iter().enumerate() {
        let tone = tone(&item.tone);
        let row = rows.iter().position(|t| *t == tone).unwrap_or_default();
        put!(
            out,
            "<g><title>{} {} {}: {}</title><rect class=\"f-{}\" x=\"{:.1}\" y=\"{:.1}\" \
             width=\"{width:.1}\" height=\"{:.1}\"/></g>\n",
            item.index,
            clock.exact(item.at),
            tone.word,
            e(&item.text),
            tone.class,
            LEFT + n as f64 * step + (step - width) / 2.0,
            TOP + row as f64 * ROW + 1.0,
            ROW - 3.0
        );
    }
    out.push_str(
        "</svg></div>\n<figcaption>Left to right is the order of the log, which is the order that \
         counts; the list below carries the times.</figcaption></figure>\n",
    );
}

/// A line where each chapter begins, with its number, title and time where there is room.
fn chapter_heads(out: &mut String, chapters: &[Chapter<'_>], step: f64, bottom: f64, clock: Clock) {
    let mut n = 0;
    for (number, chapter) in (1..).zip(chapters) {
        let Some(first) = chapter.items.first() else { continue };
        let (x, room) = (LEFT + n as f64 * step, chapter.items.len() as f64 * step);
        let name = CHAPTERS.get(chapter.stage).copied().unwrap_or_default();
        let (title, number) = (format!("{number} {name}"), format!("{number}"));
        let fits = |text: &str| text.chars().count() as f64 * 7.3 + 6.0 <= room;
        put!(
            out,
            "<line class=\"chapter\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"2\" y2=\"{bottom:.1}\"/>\
             <text class=\"role\" x=\"{tx:.1}\" y=\"13\">{}</text>\
             <text class=\"tick\" x=\"{tx:.1}\" y=\"28\">{}</text>\n",
            [title, number].into_iter().find(|t| fits(t)).unwrap_or_default(),
            if fits(&clock.second(first.at)) { clock.second(first.at) } else { String::new() },
            tx = x + 4.0
        );
        n += chapter.items.len();
    }
}
