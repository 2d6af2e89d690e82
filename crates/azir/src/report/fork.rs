//! The fork as inline SVG: the trusted checkpoint at the left, branches growing to the right.

use std::collections::{BTreeMap, BTreeSet};

use azir_sim::report::{BlockNode, Branch, DrillReport, Fork};

use super::block::{BOX, GAP_WIDTH, block, blocks, gap};
use super::escape::{e, put};
use super::format::count;
use super::seats::seats;

const STEP: f64 = 136.0;
const SPACE: f64 = STEP - BOX.0;
const ROW: f64 = 128.0;
const TOP: f64 = 18.0;
/// Heights shown from the checkpoint upwards before a long branch is shortened.
const HEAD: usize = 3;
/// Branches drawn; all are in the table.
const DRAWN_MAX: usize = 6;

/// A column of the picture.
enum Column {
    /// Blocks of this height.
    Height(u64),
    /// Heights between the neighbours, left out.
    Gap(u64, u64),
}

/// The section's content.
pub(super) fn fork(out: &mut String, report: &DrillReport) {
    let fork = &report.fork;
    if fork.branches.is_empty() {
        out.push_str("<p class=\"none\">No branch above the trusted checkpoint.</p>\n");
        return;
    }
    let signers: Vec<String> = fork.common_signers.iter().map(u64::to_string).collect();
    put!(
        out,
        "<ul class=\"reading\"><li>Slot {} has {}. Signed both: {}.</li>\
         <li>Trusted: the last common hard-final block, height {}, <code>{}</code>.</li></ul>\n",
        fork.slot,
        count(fork.certificates.len(), "certificate"),
        if signers.is_empty() {
            "nobody".to_owned()
        } else {
            format!("seats {}", signers.join(", "))
        },
        fork.trusted.height,
        fork.trusted.id.short()
    );
    picture(out, fork);
    seats(out, fork);
    blocks(out, fork);
}

fn picture(out: &mut String, fork: &Fork) {
    let drawn: Vec<&Branch> = fork.branches.iter().take(DRAWN_MAX).collect();
    let columns = columns(fork, &drawn);
    let mut x = BOX.0 + 40.0;
    let placed: Vec<(f64, Column)> = columns
        .into_iter()
        .map(|column| {
            let at = x;
            x += if matches!(column, Column::Gap(..)) { GAP_WIDTH + SPACE } else { STEP };
            (at, column)
        })
        .collect();
    let (width, height) = (x - 14.0, TOP + drawn.len() as f64 * ROW);
    put!(
        out,
        "<figure><div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Fork, scrolls sideways\"><svg class=\"fixed\" width=\"{width:.0}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-labelledby=\"fork-title\"><title id=\"fork-title\">Trusted checkpoint and {} above it\
         </title>\n",
        count(drawn.len(), "branch").replace("branchs", "branches")
    );
    heads(out, fork, &placed);
    let middle = TOP + (drawn.len() as f64 * ROW - ROW) / 2.0 + 24.0;
    put!(out, "<text class=\"role\" x=\"2\" y=\"{:.1}\">trusted checkpoint</text>\n", middle - 8.0);
    block(out, fork, &fork.trusted, (1.0, middle));
    for (i, branch) in drawn.iter().enumerate() {
        row(out, fork, branch, &placed, (TOP + i as f64 * ROW, middle));
    }
    put!(
        out,
        "</svg></div>\n<figcaption>Height grows to the right. Thick frame: block of the disputed \
         slot. Dashed frame: not final.{}</figcaption></figure>\n",
        match fork.branches.len() - drawn.len() {
            0 => String::new(),
            n => format!(" {n} more in the table."),
        }
    );
}

/// Heights to draw: the first few, the disputed blocks, and every tip; the rest becomes gaps.
fn columns(fork: &Fork, drawn: &[&Branch]) -> Vec<Column> {
    let blocks = || drawn.iter().flat_map(|b| &b.blocks);
    let all: BTreeSet<u64> = blocks().map(|b| b.height).collect();
    let mut kept: BTreeSet<u64> = all.iter().copied().take(HEAD).collect();
    kept.extend(blocks().filter(|b| b.slot == fork.slot).map(|b| b.height));
    kept.extend(drawn.iter().filter_map(|b| b.blocks.last()).map(|b| b.height));
    let mut out = Vec::new();
    let mut skipped: Vec<u64> = Vec::new();
    for height in all {
        if !kept.contains(&height) {
            skipped.push(height);
            continue;
        }
        match skipped.as_slice() {
            [] => {}
            [one] => out.push(Column::Height(*one)),
            [from, .., to] => out.push(Column::Gap(*from, *to)),
        }
        skipped.clear();
        out.push(Column::Height(height));
    }
    out
}

/// Marks the columns that hold a block of the disputed slot.
fn heads(out: &mut String, fork: &Fork, placed: &[(f64, Column)]) {
    let disputed: BTreeSet<u64> = fork
        .branches
        .iter()
        .flat_map(|b| &b.blocks)
        .filter(|b| b.slot == fork.slot)
        .map(|b| b.height)
        .collect();
    for (x, column) in placed {
        if let Column::Height(h) = column
            && disputed.contains(h)
        {
            put!(
                out,
                "<text class=\"t-alarm role\" x=\"{x:.1}\" y=\"14\">disputed slot {}</text>\n",
                fork.slot
            );
        }
    }
}

fn row(
    out: &mut String,
    fork: &Fork,
    branch: &Branch,
    placed: &[(f64, Column)],
    (y, trusted_y): (f64, f64),
) {
    let by_height: BTreeMap<u64, &BlockNode> =
        branch.blocks.iter().map(|b| (b.height, b)).collect();
    let (top, line) = (y + 24.0, y + 24.0 + BOX.1 / 2.0);
    let fates: BTreeSet<&str> = branch.blocks.iter().map(|b| b.fate.as_str()).collect();
    let fate = match fates.into_iter().collect::<Vec<_>>().as_slice() {
        [one] if !one.is_empty() => format!(", {one}"),
        _ => String::new(),
    };
    let mut from = BOX.0 + 1.0;
    let start_y = trusted_y + BOX.1 / 2.0;
    let mut header = Some(format!("Branch {}", branch.name));
    for (x, column) in placed {
        let bend = if from < BOX.0 + 2.0 {
            format!(
                "M{from:.1} {start_y:.1}C{x:.1} {start_y:.1} {from:.1} {line:.1} {x:.1} {line:.1}"
            )
        } else {
            format!("M{from:.1} {line:.1}H{x:.1}")
        };
        let end = match column {
            Column::Height(h) => match by_height.get(h) {
                Some(node) => {
                    block(out, fork, node, (*x, top));
                    x + BOX.0
                }
                None => continue,
            },
            Column::Gap(low, high) => match by_height.range(low..=high).count() {
                0 => continue,
                n => {
                    gap(out, n, (*low, *high), (*x, line));
                    x + GAP_WIDTH
                }
            },
        };
        put!(out, "<path class=\"link\" d=\"{bend}\"/>\n");
        if let Some(name) = header.take() {
            put!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\"><tspan class=\"role\">{}</tspan> \
                 <tspan>{}{}</tspan></text>\n",
                y + 16.0,
                e(&name),
                count(branch.blocks.len(), "block"),
                e(&fate)
            );
        }
        from = end;
    }
}
