//! The certificates of the disputed slot: one row each, one dot per seat, double signers marked.

use std::collections::BTreeSet;

use azir_sim::report::Fork;

use super::escape::{clip, e, put};
use super::format::count;

const LEFT: f64 = 232.0;
const STEP: f64 = 34.0;
const TOP: f64 = 34.0;
const ROW: f64 = 38.0;
/// Up to this seat number all seats are drawn, also those that voted for neither.
const ALL_SEATS_MAX: u64 = 63;

/// Draws the certificates, or nothing when there is none.
pub(super) fn seats(out: &mut String, fork: &Fork) {
    if fork.certificates.is_empty() {
        return;
    }
    let voted: BTreeSet<u64> = fork
        .certificates
        .iter()
        .flat_map(|c| &c.voters)
        .chain(&fork.common_signers)
        .copied()
        .collect();
    let last = voted.last().copied().unwrap_or_default();
    let seats: Vec<u64> =
        if last <= ALL_SEATS_MAX { (0..=last).collect() } else { voted.into_iter().collect() };
    let common: BTreeSet<u64> = fork.common_signers.iter().copied().collect();
    let bottom = TOP + fork.certificates.len() as f64 * ROW;
    let (width, height) = (LEFT + seats.len() as f64 * STEP + 90.0, bottom + 22.0);
    put!(
        out,
        "<figure><div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Certificates and voters, scrolls sideways\"><svg class=\"fixed\" \
         width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\" aria-labelledby=\"seats-title\"><title id=\"seats-title\">\
         Certificates of slot {} with their voters</title>\n\
         <text class=\"role\" x=\"0\" y=\"18\">certificates of slot {}</text>\n",
        fork.slot,
        fork.slot
    );
    for (i, seat) in seats.iter().enumerate() {
        let x = LEFT + i as f64 * STEP + STEP / 2.0;
        put!(
            out,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"18\" text-anchor=\"middle\">{seat}</text>"
        );
        if common.contains(seat) {
            put!(
                out,
                "<rect class=\"both\" x=\"{:.1}\" y=\"24\" width=\"{}\" height=\"{:.1}\" rx=\"4\"/>\
                 <text class=\"t-alarm\" x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">both</text>\n",
                x - STEP / 2.0 + 2.0,
                STEP - 4.0,
                bottom - 24.0,
                bottom + 14.0
            );
        }
    }
    for (i, certificate) in fork.certificates.iter().enumerate() {
        let middle = TOP + i as f64 * ROW + ROW / 2.0 - 5.0;
        put!(
            out,
            "<text x=\"0\" y=\"{:.1}\"><tspan class=\"role\">branch {}</tspan> \
             <tspan class=\"mono\">{}</tspan> <tspan>{}</tspan></text>\n",
            middle + 4.0,
            e(&clip(&certificate.branch, 10)),
            certificate.block.short(),
            count(certificate.voters.len(), "vote")
        );
        for (k, seat) in seats.iter().enumerate() {
            let (voted, both) = (certificate.voters.contains(seat), common.contains(seat));
            dot(out, *seat, (voted, both), (LEFT + k as f64 * STEP + STEP / 2.0, middle));
        }
    }
    out.push_str(
        "</svg>\
         </div>\n<figcaption>Full dot: the seat voted for that block. Framed column: the seat \
         signed both.</figcaption></figure>\n",
    );
}

fn dot(out: &mut String, seat: u64, (voted, both): (bool, bool), (x, y): (f64, f64)) {
    let class = match (voted, both) {
        (true, true) => "seat double",
        (true, false) => "seat voted",
        (false, true | false) => "seat",
    };
    put!(
        out,
        "<g><title>seat {seat} {}</title><circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" \
         r=\"9\"/></g>\n",
        if voted { "voted" } else { "did not vote" }
    );
}
