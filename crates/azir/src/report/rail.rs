//! The top row of the gate matrix: how many gates are open, and for how long none is.

use super::escape::{e, put};
use super::format::{Clock, duration};
use super::order::Stretch;
use super::scale::Scale;

/// One shown part of the row: all open, none open, a mix, or not all known.
struct Part {
    class: &'static str,
    from: Stretch,
    to: Stretch,
    least: usize,
    most: usize,
}

/// Draws the row with its top at `y`, `height` high.
pub(super) fn rail(
    out: &mut String,
    stretches: &[Stretch],
    gates: usize,
    (scale, clock): (&Scale, Clock),
    (y, height): (f64, f64),
) {
    for part in parts(stretches, gates) {
        let (x, end) = (scale.x(part.from.from), scale.x(part.to.to));
        let (width, long) = (end - x, duration(part.to.to.ms_since(part.from.from)));
        let (least, most) = (part.least, part.most);
        let (full, brief, number) = match part.class {
            "all" => (format!("all {gates} open"), "all open".to_owned(), gates.to_string()),
            "none" => (format!("none open for {long}"), "none open".to_owned(), "0".to_owned()),
            "unknown" => {
                ("not every gate had spoken".to_owned(), "not all known".to_owned(), "?".to_owned())
            }
            _ => (
                format!("{least} to {most} of {gates} open"),
                format!("{least} to {most}"),
                format!("{least}\u{2013}{most}"),
            ),
        };
        let room = ((width - 8.0) / 7.2).max(0.0) as usize;
        let label = [full.as_str(), brief.as_str(), number.as_str()]
            .into_iter()
            .find(|t| t.chars().count() <= room)
            .unwrap_or_default();
        put!(
            out,
            "<g><title>{}, {} to {} ({long})</title>\
             <rect class=\"rail {}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>\
             <text class=\"on\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></g>\n",
            e(&full),
            clock.exact(part.from.from),
            clock.exact(part.to.to),
            part.class,
            x + width / 2.0,
            y + height - 6.0,
            e(label)
        );
    }
}

fn parts(stretches: &[Stretch], gates: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for s in stretches {
        let class = match (s.open, s.known == gates) {
            (_, false) => "unknown",
            (0, true) => "none",
            (n, true) if n == gates => "all",
            (_, true) => "some",
        };
        match parts.last_mut() {
            Some(last) if last.class == class => {
                last.to = *s;
                last.least = last.least.min(s.open);
                last.most = last.most.max(s.open);
            }
            Some(_) | None => {
                parts.push(Part { class, from: *s, to: *s, least: s.open, most: s.open });
            }
        }
    }
    parts
}
