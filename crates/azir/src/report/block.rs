//! Blocks of the fork: the box of one, the mark for those left out, and the table of all.

use azir_sim::report::{BlockNode, Fork};

use super::escape::{clip, e, put};
use super::format::{count, words};

/// Width and height of a block.
pub(super) const BOX: (f64, f64) = (118.0, 84.0);
/// Width of the mark for blocks left out.
pub(super) const GAP_WIDTH: f64 = 98.0;

/// The mark for `n` blocks from height `low` to `high`, left out on the line at `line`.
pub(super) fn gap(out: &mut String, n: usize, (low, high): (u64, u64), (x, line): (f64, f64)) {
    let middle = x + GAP_WIDTH / 2.0;
    put!(
        out,
        "<g><title>heights {low} to {high} left out here, listed in the table</title>\
         <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\u{2026} {} \u{2026}</text>\
         <text class=\"tick\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\
         {low}\u{2013}{high}</text></g>\n",
        line - 2.0,
        count(n, "block"),
        line + 14.0
    );
}

/// One block with its top left corner at `(x, y)`.
pub(super) fn block(out: &mut String, fork: &Fork, node: &BlockNode, (x, y): (f64, f64)) {
    let label = match node.label.as_str() {
        "hard_final" => "hard",
        "soft_final" => "soft",
        "disputed" => "contested",
        _ => "loose",
    };
    let ring = if node.slot == fork.slot { " ring" } else { "" };
    let (width, height) = BOX;
    put!(
        out,
        "<g><title>{} height {} slot {} proposer seat {}: {}, {}{}{}</title>\
         <rect class=\"block {label}{ring}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width}\" \
         height=\"{height}\" rx=\"3\"/>",
        node.id,
        node.height,
        node.slot,
        node.proposer,
        e(&words(&node.label)),
        certificate(node),
        if node.fate.is_empty() { "" } else { ", " },
        e(&node.fate)
    );
    let lines = [
        (format!("height {}", node.height), "strong"),
        (node.id.short(), "mono"),
        (clip(&words(&node.label), 15), label),
        (format!("slot {}", node.slot), "tick"),
        (format!("seat {} \u{b7} {}", node.proposer, certificate(node)), "tick"),
    ];
    for (i, (line, class)) in lines.iter().enumerate() {
        put!(
            out,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 8.0,
            y + 15.0 + i as f64 * 15.0,
            e(line)
        );
    }
    out.push_str("</g>\n");
}

fn certificate(node: &BlockNode) -> &'static str {
    if node.notarized { "certified" } else { "uncertified" }
}

/// Every block as a table to unfold.
pub(super) fn blocks(out: &mut String, fork: &Fork) {
    out.push_str(
        "<details><summary>All blocks as a table</summary>\n<div class=\"scroll\" role=\"region\" \
         tabindex=\"0\" aria-label=\"All blocks\"><table><thead><tr><th scope=\"col\">Branch</th>\
         <th scope=\"col\">Height</th><th scope=\"col\">Slot</th><th scope=\"col\">Seat</th>\
         <th scope=\"col\">Shown as</th><th scope=\"col\">Certificate</th>\
         <th scope=\"col\">Fate</th><th scope=\"col\">Id</th></tr></thead><tbody>\n",
    );
    let trusted = std::iter::once(("trusted", &fork.trusted));
    let above = fork.branches.iter().flat_map(|b| b.blocks.iter().map(|n| (b.name.as_str(), n)));
    for (branch, node) in trusted.chain(above) {
        put!(
            out,
            "<tr><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td>\
             </tr>\n",
            e(branch),
            node.height,
            node.slot,
            node.proposer,
            e(&words(&node.label)),
            certificate(node),
            e(&node.fate),
            node.id
        );
    }
    out.push_str("</tbody></table></div></details>\n");
}
