//! Pages for people: the drill report with its transcript and ending, the public status, and
//! postmortems. All are pure functions of what they show: same report, same bytes.
//!
//! Every text of the report is untrusted: the page writes it through [`escape::e`], the terminal
//! through [`escape::plain`].

mod block;
mod checks;
mod criteria;
mod decision;
mod escape;
mod fork;
mod format;
mod matrix;
mod order;
mod page;
pub(crate) mod postmortem;
mod rail;
mod scale;
mod seats;
mod shell;
pub(crate) mod status;
mod strip;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

use azir_sim::report::DrillReport;

pub(crate) use escape::{clip, deceives, plain};

/// The report as one HTML file that needs no script and no other file.
pub(crate) fn html(report: &DrillReport) -> String {
    page::page(report)
}

/// The report as plain text, at most 100 columns wide where words allow it.
pub(crate) fn transcript(report: &DrillReport) -> String {
    text::transcript(report)
}

/// What a terminal shows at the end of a run: what happened, the result, where the report lies and
/// the exact command that checks it. No colour codes.
pub(crate) fn summary(report: &DrillReport, report_path: &str, verify_command: &str) -> String {
    text::summary(report, report_path, verify_command)
}
