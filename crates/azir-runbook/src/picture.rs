//! A runbook's paths as one standalone SVG: steps as boxes in the order of the file, success in
//! straight lines on the right, failure and deadline as curves on the left.
//!
//! The same runbook gives the same bytes. No script, no outside resource; colours follow the
//! reader's light or dark setting and never stand alone: each box names its effect.

mod lanes;

use std::fmt::Write as _;

use crate::lint::graph::{Edge, Graph, Node, Way, op};
use crate::model::{Runbook, Step, StepPart};
use crate::op::Effect;
use lanes::lanes;

/// Sizes in pixels.
const BOX_W: usize = 470;
const BOX_H: usize = 52;
const GAP: usize = 24;
const HEADING_H: usize = 30;
const TOP: usize = 132;
const MARGIN: usize = 24;
/// Room between a box and the first lane; on the left the stubs of `hold` stand there.
const LANE_LEFT: usize = 62;
const LANE_RIGHT: usize = 22;
const LANE_STEP: usize = 13;
/// Longest text in a box, in characters; the whole text is in the tooltip.
const TITLE_CHARS: usize = 62;
const ANSWER_CHARS: usize = 48;
/// Arrows to the next box leave here, so that answers have room beside them.
const ARROW_X: usize = 150;
/// Height between the lines that leave one box on the right, and how many fit.
const ROW_H: usize = 12;
const ROWS: usize = 4;

const STYLE: &str = "\
.rb{font-family:system-ui,sans-serif;font-size:13px}\
.rb text{fill:#1b1b1b}.rb .bg{fill:#fff}.rb .s{font-size:11px}.rb .h{font-weight:600}\
.rb .l{fill:none;stroke:#444;stroke-width:1.4}.rb .a{fill:#444}\
.rb .f{stroke:#a33a00;stroke-dasharray:7 4}.rb .af{fill:#a33a00}\
.rb .d{stroke:#5a3fa0;stroke-dasharray:2 3}.rb .ad{fill:#5a3fa0}\
.rb .g{fill:none;stroke:#bbb}.rb .b{stroke:#777}.rb .end{fill:#e8e8e8;stroke:#444}\
.rb .observe{fill:#f2f2f2}.rb .preserve{fill:#dff2e1}.rb .draft{fill:#dcecfa}\
.rb .restrict_local{fill:#fff0c2}.rb .restrict_protocol_draft{fill:#eadff7}\
.rb .mutate_local{fill:#ffdcc7}.rb .release{fill:#fbd3da}\
@media (prefers-color-scheme:dark){\
.rb text{fill:#ececec}.rb .bg{fill:#16181b}.rb .l{stroke:#bdbdbd}.rb .a{fill:#bdbdbd}\
.rb .f{stroke:#ff9a5c}.rb .af{fill:#ff9a5c}.rb .d{stroke:#b9a2ff}.rb .ad{fill:#b9a2ff}\
.rb .g{stroke:#555}.rb .b{stroke:#999}.rb .end{fill:#333;stroke:#bdbdbd}\
.rb .observe{fill:#2b2d30}.rb .preserve{fill:#1e3a24}.rb .draft{fill:#1c3346}\
.rb .restrict_local{fill:#453a10}.rb .restrict_protocol_draft{fill:#382a4c}\
.rb .mutate_local{fill:#4a2a18}.rb .release{fill:#4c2029}}";

/// The picture of this runbook.
#[must_use]
pub fn picture(book: &Runbook) -> String {
    let graph = Graph::new(book);
    let page = Page::new(&graph);
    let mut svg = String::new();
    page.draw(&mut svg);
    svg
}

/// A line between two boxes, or several of one style between the same two.
struct Line {
    from: usize,
    /// Index of a step; their number for the end.
    to: usize,
    style: Style,
    /// Every edge that the line stands for; empty for a plain `next`.
    label: String,
    lane: usize,
    /// At which height the line leaves its box, among those that do so on the right.
    row: usize,
}

impl Line {
    /// True for a success that passes over other boxes.
    fn jumps(&self) -> bool {
        self.style == Style::Success && self.to != self.from + 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Success,
    Failure,
    Deadline,
}

impl Style {
    const fn of(way: Way) -> Self {
        match way {
            Way::Success => Self::Success,
            Way::Failure | Way::Unknown => Self::Failure,
            Way::Deadline => Self::Deadline,
        }
    }

    /// Class of the line, and name of its arrow head.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("l", "rb-next"),
            Self::Failure => ("l f", "rb-fail"),
            Self::Deadline => ("l d", "rb-late"),
        }
    }
}

struct Page<'g, 'a> {
    graph: &'g Graph<'a>,
    /// Top of each box, of the end last.
    tops: Vec<usize>,
    lines: Vec<Line>,
    left: usize,
    /// Where the answers beside the lanes start.
    labels_x: usize,
    width: usize,
    height: usize,
}

impl<'g, 'a> Page<'g, 'a> {
    fn new(graph: &'g Graph<'a>) -> Self {
        let mut tops = Vec::new();
        let mut y = TOP;
        let mut part = None;
        for step in graph.steps {
            if part.replace(step.part) != Some(step.part) {
                y += HEADING_H;
            }
            tops.push(y);
            y += BOX_H + GAP;
        }
        tops.push(y);
        let mut lines = lines(graph);
        let left_lanes = lanes(&mut lines, |l| l.style != Style::Success);
        let right_lanes = lanes(&mut lines, Line::jumps);
        let left = MARGIN + LANE_LEFT + left_lanes * LANE_STEP;
        let labels = lines.iter().filter(|l| l.jumps()).map(|l| l.label.len().min(ANSWER_CHARS));
        let labels_x = left + BOX_W + LANE_RIGHT + right_lanes * LANE_STEP;
        let width = (labels_x + labels.max().unwrap_or(0) * 7 + MARGIN).max(780);
        Self { graph, tops, lines, left, labels_x, width, height: y + BOX_H + MARGIN }
    }

    fn top(&self, at: usize) -> usize {
        self.tops.get(at).copied().unwrap_or(TOP)
    }

    fn draw(&self, svg: &mut String) {
        let book = self.graph.book;
        let (w, h) = (self.width, self.height);
        let title = format!("{} version {}: {}", book.id(), book.version(), book.title());
        put(
            svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rb\" role=\"img\" \
             width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n<defs>",
                escape(&title)
            ),
        );
        for (id, class) in [("rb-next", "a"), ("rb-fail", "af"), ("rb-late", "ad")] {
            put(
                svg,
                format_args!(
                    "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
                 markerHeight=\"7\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L8 4L0 8z\"/>\
                 </marker>"
                ),
            );
        }
        put(svg, format_args!("</defs>\n<rect class=\"bg\" width=\"{w}\" height=\"{h}\"/>\n"));
        put(
            svg,
            format_args!(
                "<text class=\"h\" x=\"{MARGIN}\" y=\"30\" font-size=\"17\">{}</text>\n",
                escape(&title)
            ),
        );
        legend(svg);
        self.parts(svg);
        for line in &self.lines {
            self.line(svg, line);
        }
        for (at, step) in self.graph.steps.iter().enumerate() {
            self.step(svg, at, step);
        }
        let (x, y) = (self.left + BOX_W / 2, self.top(self.graph.steps.len()));
        put(
            svg,
            format_args!(
                "<rect class=\"end\" x=\"{}\" y=\"{y}\" width=\"120\" height=\"30\" rx=\"15\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">end</text>\n</svg>\n",
                x - 60,
                y + 20
            ),
        );
    }

    /// A heading before, and a frame around, each run of steps of one part.
    fn parts(&self, svg: &mut String) {
        let steps = self.graph.steps;
        let mut first = 0;
        while let Some(step) = steps.get(first) {
            let run = steps[first..].iter().take_while(|s| s.part == step.part).count();
            let (x, y) = (self.left - 8, self.top(first));
            let h = self.top(first + run - 1) + BOX_H + 8 - (y - 8);
            let heading = match step.part {
                StepPart::Immediate => "Immediate actions",
                StepPart::Recovery => "Recovery",
            };
            put(
                svg,
                format_args!(
                    "<rect class=\"g\" x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{h}\" rx=\"6\"/>\n\
                 <text class=\"h s\" x=\"{}\" y=\"{}\">{heading}</text>\n",
                    y - 8,
                    BOX_W + 16,
                    self.left,
                    y - 14
                ),
            );
            first += run;
        }
    }

    fn step(&self, svg: &mut String, at: usize, step: &Step) {
        let (x, y) = (self.left, self.top(at));
        let does = op(step).map_or_else(|| step.work.kind().to_owned(), |op| op.to_string());
        let roles: Vec<_> = step.roles.iter().map(|r| r.as_str()).collect();
        put(
            svg,
            format_args!(
                "<g><title>{}</title>\n\
             <rect class=\"b {}\" x=\"{x}\" y=\"{y}\" width=\"{BOX_W}\" height=\"{BOX_H}\" \
             rx=\"4\"/>\n<text class=\"h\" x=\"{}\" y=\"{}\">{}</text>\n\
             <text class=\"s\" x=\"{}\" y=\"{}\">{}</text>\n\
             <text class=\"s\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></g>\n",
                escape(&format!("{}: {}\n{}", step.id, step.title, step.text)),
                step.effect,
                x + 10,
                y + 21,
                escape(&cut(&step.title, TITLE_CHARS)),
                x + 10,
                y + 41,
                escape(&format!("{} | {does} | {}", step.id, step.effect)),
                x + BOX_W - 10,
                y + 41,
                roles.join(" ")
            ),
        );
        self.stubs(svg, at);
    }

    /// Edges to `hold` end in a bar beside the box.
    fn stubs(&self, svg: &mut String, at: usize) {
        let (x, y) = (self.left, self.top(at));
        let held = |e: &&Edge<'_>| e.to == Node::Hold;
        let held: Vec<_> = self.graph.edges(at).iter().filter(held).collect();
        let mut drawn = Vec::new();
        for (style, dy) in [(Style::Success, 30), (Style::Failure, 35), (Style::Deadline, 41)] {
            if !held.iter().any(|e| Style::of(e.way) == style) {
                continue;
            }
            drawn.push(dy);
            let class = style.names().0;
            put(svg, format_args!("<path class=\"{class}\" d=\"M{x} {}h-20\"/>\n", y + dy));
        }
        if let (Some(first), Some(last)) = (drawn.first(), drawn.last()) {
            let names: Vec<_> = held.iter().map(|e| e.name).collect();
            let (top, bottom) = (y + first - 4, y + last + 4);
            put(
                svg,
                format_args!(
                    "<path class=\"l\" d=\"M{0} {top}V{bottom}\"/>\n\
                     <text class=\"s\" x=\"{1}\" y=\"{2}\" text-anchor=\"end\">\
                     hold<title>{3}</title></text>\n",
                    x - 20,
                    x - 24,
                    y + 42,
                    escape(&names.join(", "))
                ),
            );
        }
    }

    fn line(&self, svg: &mut String, line: &Line) {
        let (class, head) = line.style.names();
        let (from, to) = (self.top(line.from), self.top(line.to));
        let end = line.to == self.graph.steps.len();
        let whole = escape(&line.label);
        let label = escape(&cut(&line.label, ANSWER_CHARS));
        if line.style != Style::Success {
            let shift = if line.style == Style::Failure { 8 } else { 16 };
            // A cubic curve bulges by three quarters of its control points' distance.
            let reach = (LANE_LEFT + line.lane * LANE_STEP) * 4 / 3;
            let target = if end { self.left + BOX_W / 2 - 60 } else { self.left };
            let (y0, y1) = (from + shift, to + shift);
            put(
                svg,
                format_args!(
                    "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"M{x} {y0}C{c} {y0} {c} {y1} \
                 {target} {y1}\"><title>{whole}</title></path>\n",
                    x = self.left,
                    c = self.left.saturating_sub(reach)
                ),
            );
        } else if line.jumps() {
            let x = self.left + BOX_W;
            let lane = x + LANE_RIGHT + line.lane * LANE_STEP;
            let target = if end { self.left + BOX_W / 2 + 60 } else { x };
            let y0 = from + 12 + line.row * ROW_H;
            put(
                svg,
                format_args!(
                    "<path class=\"{class}\" marker-end=\"url(#{head})\" \
                 d=\"M{x} {y0}H{lane}V{y1}H{target}\"/>\n\
                 <text class=\"s\" x=\"{tx}\" y=\"{ty}\">{label}<title>{whole}</title></text>\n",
                    y1 = to + 6,
                    tx = self.labels_x,
                    ty = y0 + 4
                ),
            );
        } else {
            let x = if end { self.left + BOX_W / 2 } else { self.left + ARROW_X };
            put(
                svg,
                format_args!(
                    "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"M{x} {}V{to}\"/>\n\
                 <text class=\"s\" x=\"{}\" y=\"{}\">{label}<title>{whole}</title></text>\n",
                    from + BOX_H,
                    x + 8,
                    from + BOX_H + 16
                ),
            );
        }
    }
}

/// Every edge that does not lead to `hold`; those of one style between the same two are one line.
fn lines(graph: &Graph<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for from in 0..graph.steps.len() {
        for edge in graph.edges(from) {
            let to = match edge.to {
                Node::Step(to) => to,
                Node::End => graph.steps.len(),
                Node::Hold => continue,
            };
            let style = Style::of(edge.way);
            let plain = style == Style::Success && edge.name == "next";
            let name = if plain { "" } else { edge.name };
            match lines.iter_mut().find(|l| l.from == from && l.to == to && l.style == style) {
                Some(line) => {
                    line.label.push_str(", ");
                    line.label.push_str(name);
                }
                None => {
                    let label = name.to_owned();
                    let jump = |l: &&Line| l.from == from && l.jumps();
                    let row = lines.iter().filter(jump).count() % ROWS;
                    lines.push(Line { from, to, style, label, lane: 0, row });
                }
            }
        }
    }
    lines
}

fn legend(svg: &mut String) {
    let mut x = MARGIN;
    for effect in Effect::ALL {
        put(
            svg,
            format_args!(
                "<rect class=\"b {effect}\" x=\"{x}\" y=\"46\" width=\"14\" height=\"14\" rx=\"2\"/>\
             <text class=\"s\" x=\"{}\" y=\"57\">{effect}</text>\n",
                x + 19
            ),
        );
        x += 44 + effect.as_str().len() * 6;
    }
    let lines = [
        (Style::Success, "next, or the answer given"),
        (Style::Failure, "failed, false, unknown or rejected"),
        (Style::Deadline, "deadline passed"),
    ];
    let mut x = MARGIN;
    for (style, text) in lines {
        let (class, head) = style.names();
        put(
            svg,
            format_args!(
                "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"M{x} 80h34\"/>\
             <text class=\"s\" x=\"{}\" y=\"84\">{text}</text>\n",
                x + 40
            ),
        );
        x += 70 + text.len() * 6;
    }
    put(
        svg,
        format_args!(
            "<text class=\"s\" x=\"{MARGIN}\" y=\"106\">hold: the run stays at the step, every \
         restriction stays in force, a person is called.</text>\n"
        ),
    );
}

/// Writing to a text cannot fail.
fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = svg.write_fmt(text);
}

fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end_matches([' ', ',', '.']))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped_tests::shipped;

    /// Elements that are open, by name; panics on a text that is not well formed.
    fn well_formed(svg: &str) {
        let mut open: Vec<&str> = vec![];
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            let text = &rest[..at];
            assert!(!text.contains('>') || open.last() == Some(&"style"), "{text}");
            for entity in text.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                assert!(known.iter().any(|k| entity.starts_with(k)), "&{entity}");
            }
            let end = rest[at..].find('>').unwrap() + at;
            let tag = &rest[at + 1..end];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap());
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    }

    #[test]
    fn every_shipped_runbook_has_a_well_formed_picture_with_each_step_and_effect() {
        for s in shipped() {
            let svg = picture(&s.runbook);
            well_formed(&svg);
            assert_eq!(svg, picture(&s.runbook));
            for step in s.runbook.steps() {
                assert!(svg.contains(&format!(">{} | ", step.id)), "{}: {}", s.dir, step.id);
                assert!(svg.contains(&format!(" | {}</text>", step.effect)));
            }
            for word in ["<script", "<image", "<foreignObject", " href", " onload", "@import"] {
                assert!(!svg.contains(word), "{}: {word}", s.dir);
            }
            assert_eq!(svg.matches("url(").count(), svg.matches("url(#rb-").count());
        }
    }

    #[test]
    fn every_edge_is_drawn_once_or_shares_the_line_of_its_style() {
        for s in shipped() {
            let graph = Graph::new(&s.runbook);
            let svg = picture(&s.runbook);
            let lines = lines(&graph).len();
            // Three arrows more in the legend.
            assert_eq!(svg.matches("marker-end=").count(), lines + 3, "{}", s.dir);
            let edges = (0..graph.steps.len()).flat_map(|at| graph.edges(at));
            assert!(edges.filter(|e| e.to != Node::Hold).count() >= lines);
            let held = |at: &usize| graph.edges(*at).iter().any(|e| e.to == Node::Hold);
            let held = (0..graph.steps.len()).filter(held).count();
            assert_eq!(svg.matches(">hold<title>").count(), held, "{}", s.dir);
        }
    }

    #[test]
    fn text_from_a_runbook_is_escaped() {
        let mut book = crate::testing::consensus();
        book.steps[0].title = "</text><script>alert('&\"')</script>".into();
        book.title = "a < b & c".into();
        let svg = picture(&book);
        well_formed(&svg);
        assert!(!svg.contains("<script") && svg.contains("a &lt; b &amp; c"));
    }

    #[test]
    fn a_text_that_is_cut_says_so_and_keeps_its_characters_whole() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(
            cut("\u{e9}\u{e9}\u{e9}\u{e9}, \u{e9}\u{e9}", 8),
            "\u{e9}\u{e9}\u{e9}\u{e9}, \u{e9}\u{e9}"
        );
        assert_eq!(
            cut("\u{e9}\u{e9}\u{e9}\u{e9}, \u{e9}\u{e9}\u{e9}", 8),
            "\u{e9}\u{e9}\u{e9}\u{e9}..."
        );
    }
}
