//! The gate matrix over time, as inline SVG: one lane per node and role, the notary at the bottom.

use azir_ledger::Timestamp;
use azir_sim::report::GateLane;

use super::escape::{clip, e, put};
use super::format::{Clock, day, duration};
use super::order::{self, Gates, Return};
use super::rail::rail;
use super::scale::Scale;

const WIDTH: f64 = 1160.0;
const LEFT: f64 = 172.0;
const PLOT: f64 = 858.0;
const LANE: f64 = 21.0;
const BAR: f64 = 17.0;
const ROLE_GAP: f64 = 9.0;
const RAIL: (f64, f64) = (4.0, 22.0);
const TOP: f64 = 56.0;

/// The section's content: sentences, picture, and all spans as a table to unfold.
pub(super) fn matrix(out: &mut String, gates: Gates<'_>, clock: Clock) {
    out.push_str("<ul class=\"reading\">");
    for line in order::reading(gates, clock) {
        put!(out, "<li>{}</li>", e(&line));
    }
    out.push_str("</ul>\n");
    if gates.lanes.is_empty() {
        return;
    }
    picture(out, gates, clock);
    spans(out, gates, clock);
}

fn picture(out: &mut String, gates: Gates<'_>, clock: Clock) {
    let lanes = order::lanes(gates);
    let scale = Scale::new(order::moments(gates), LEFT, PLOT);
    let bottom = TOP + heights(&lanes).last().map_or(0.0, |y| y + LANE);
    put!(
        out,
        "<figure><div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Gate matrix, scrolls sideways\">\
         <svg class=\"wide\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" \
         aria-labelledby=\"matrix-title\">\
         <title id=\"matrix-title\">Gates over time: {} lanes, open or shut</title>\
         <defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"shut-ground\" width=\"7\" height=\"7\"/>\
         <rect class=\"shut-line\" width=\"2\" height=\"7\"/></pattern></defs>\n",
        bottom + 8.0,
        lanes.len()
    );
    put!(out, "<text class=\"role\" x=\"0\" y=\"{:.1}\">gates open</text>", RAIL.0 + RAIL.1 - 6.0);
    rail(out, &order::stretches(gates), lanes.len(), (&scale, clock), RAIL);
    axis(out, gates, (&scale, clock), bottom);
    for time in order::all_shut(gates).into_iter().flat_map(|s| [s.from, s.to]) {
        let x = scale.x(time);
        put!(
            out,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>\n",
            TOP - 4.0
        );
    }
    let mut role = "";
    for (lane, y) in lanes.iter().zip(heights(&lanes)) {
        draw_lane(out, lane, lane.role != role, (&scale, clock), TOP + y);
        role = &lane.role;
    }
    out.push_str("</svg></div>\n<figcaption>");
    out.push_str(
        "<span class=\"key\"><i class=\"k-open\"></i>open</span> \
         <span class=\"key\"><i class=\"k-shut\"></i>shut</span> ",
    );
    let (first, last) = (day(gates.span.0), day(gates.span.1));
    put!(
        out,
        "Lanes stand in the order in which roles may return, the notary last. Times are UTC, {}. \
         The axis is stretched where gates change; its labels carry the true times. Reasons: \
         hover, \
         or unfold the table.</figcaption></figure>\n",
        if first == last { first } else { format!("{first} to {last}") }
    );
}

/// Top of each lane, with a gap before every new role.
fn heights(lanes: &[&GateLane]) -> Vec<f64> {
    let mut y = 0.0;
    let mut out = Vec::with_capacity(lanes.len());
    for (i, lane) in lanes.iter().enumerate() {
        if i > 0 {
            let same = lanes.get(i - 1).is_some_and(|l| l.role == lane.role);
            y += if same { LANE } else { LANE + ROLE_GAP };
        }
        out.push(y);
    }
    out
}

/// Times with grid lines: the ends, the common shutdown and the returns first.
fn axis(out: &mut String, gates: Gates<'_>, (scale, clock): (&Scale, Clock), bottom: f64) {
    let mut wanted = vec![gates.span.0, gates.span.1];
    wanted.extend(order::all_shut(gates).into_iter().flat_map(|s| [s.from, s.to]));
    let mut returns: Vec<Timestamp> = gates
        .lanes
        .iter()
        .filter_map(|lane| match order::returned(lane) {
            Return::At(time) => Some(time),
            Return::NeverShut | Return::StillShut => None,
        })
        .collect();
    returns.sort_unstable_by(|a, b| b.cmp(a));
    wanted.extend(returns);
    wanted.extend(scale.stops());
    let gap = clock.second(gates.span.0).chars().count() as f64 * 7.0 + 8.0;
    for time in scale.labels(&wanted, gap) {
        let x = scale.x(time);
        put!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"30\" y2=\"{bottom:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"44\" text-anchor=\"middle\">{}</text>\n",
            clock.second(time)
        );
    }
}

fn draw_lane(
    out: &mut String,
    lane: &GateLane,
    first_of_role: bool,
    (scale, clock): (&Scale, Clock),
    y: f64,
) {
    let base = y + BAR - 4.5;
    if first_of_role {
        put!(
            out,
            "<text class=\"role\" x=\"0\" y=\"{base:.1}\">{}</text>",
            e(&clip(&lane.role, 13))
        );
    }
    put!(
        out,
        "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 8.0,
        e(&clip(&lane.node, 11))
    );
    for span in &lane.spans {
        let (x, end) = (scale.x(span.from), scale.x(span.to));
        let width = (end - x).max(0.5);
        let state = if span.open { "open" } else { "shut" };
        put!(
            out,
            "<g><title>{} {} {state} {} to {} ({}): {}</title>\
             <rect class=\"{state}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{BAR}\"/>",
            e(&lane.node),
            e(&lane.role),
            clock.exact(span.from),
            clock.exact(span.to),
            duration(span.to.ms_since(span.from)),
            e(&span.why)
        );
        let room = ((width - 10.0) / 6.3).max(0.0) as usize;
        if room >= span.why.chars().count() || room >= 18 {
            put!(
                out,
                "<text class=\"why {state}-why\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
                x + 6.0,
                e(&clip(&span.why, room))
            );
        }
        out.push_str("</g>\n");
    }
    let (class, end) = match order::returned(lane) {
        Return::At(time) => ("back", format!("back {}", clock.second(time))),
        Return::NeverShut => ("", "never shut".to_owned()),
        Return::StillShut => ("still", "still shut".to_owned()),
    };
    put!(
        out,
        "<text class=\"{class}\" x=\"{:.1}\" y=\"{base:.1}\">{end}</text>\n",
        LEFT + PLOT + 8.0
    );
}

fn spans(out: &mut String, gates: Gates<'_>, clock: Clock) {
    out.push_str(
        "<details><summary>All spans as a table</summary>\n<div class=\"scroll\" role=\"region\" \
         tabindex=\"0\" aria-label=\"All gate spans\"><table><thead><tr><th scope=\"col\">Role</th>\
         <th scope=\"col\">Node</th><th scope=\"col\">State</th><th scope=\"col\">From</th>\
         <th scope=\"col\">To</th><th scope=\"col\">For</th><th scope=\"col\">Why</th></tr></thead>\
         <tbody>\n",
    );
    for lane in order::lanes(gates) {
        for span in &lane.spans {
            put!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td>\
                 <td class=\"num\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>\n",
                e(&lane.role),
                e(&lane.node),
                if span.open { "open" } else { "<strong>shut</strong>" },
                clock.exact(span.from),
                clock.exact(span.to),
                duration(span.to.ms_since(span.from)),
                e(&span.why)
            );
        }
    }
    out.push_str("</tbody></table></div></details>\n");
}
