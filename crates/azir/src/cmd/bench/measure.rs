//! How things are measured: alternating pairs, medians, and the machine's own noise.

use std::time::{Duration, Instant};

use crate::error::CliError;

/// Pairs of measurements in a row of the table.
pub(super) const PAIRS: usize = 7;

/// Unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things a second: more is better.
    PerSecond,
    /// Milliseconds: less is better.
    Millis,
}

/// What a row is held against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The ratio, at least.
    Ratio(f64),
    /// The ratio, at most.
    RatioAtMost(f64),
    /// Our own figure, at least.
    Ours(f64),
    /// Ours minus theirs, at most, in our unit.
    AddsAtMost(f64),
    /// Our own figure, at most.
    OursAtMost(f64),
}

/// One comparison.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What is measured.
    pub(super) what: String,
    /// Unit of both figures.
    pub(super) unit: Unit,
    /// Median of ours.
    pub(super) ours: f64,
    /// The limit or peer.
    pub(super) beside: String,
    /// Median of theirs.
    pub(super) theirs: f64,
    /// Median of ours / theirs within each pair.
    pub(super) ratio: f64,
    /// Spread of theirs over the pairs, as a share of its median.
    pub(super) noise: f64,
    /// Target, with its number in the table of targets.
    pub(super) target: (&'static str, Target),
}

impl Row {
    /// A row from pairs of (ours, theirs).
    pub(super) fn new(
        what: &str,
        beside: &str,
        unit: Unit,
        pairs: &[(f64, f64)],
        target: (&'static str, Target),
    ) -> Self {
        let theirs: Vec<f64> = pairs.iter().map(|p| p.1).collect();
        let high = theirs.iter().copied().fold(f64::MIN, f64::max);
        let low = theirs.iter().copied().fold(f64::MAX, f64::min);
        let middle = median(theirs);
        Self {
            what: what.to_owned(),
            unit,
            ours: median(pairs.iter().map(|p| p.0).collect()),
            beside: beside.to_owned(),
            theirs: middle,
            ratio: median(pairs.iter().map(|p| p.0 / p.1).collect()),
            noise: (high - low) / middle,
            target,
        }
    }

    /// Whether the target is met here and now.
    fn met(&self) -> bool {
        match self.target.1 {
            Target::Ratio(least) => self.ratio >= least,
            Target::RatioAtMost(most) => self.ratio <= most,
            Target::Ours(least) => self.ours >= least,
            Target::OursAtMost(most) => self.ours <= most,
            Target::AddsAtMost(most) => self.ours - self.theirs <= most,
        }
    }

    fn target_text(&self) -> String {
        let (name, target) = self.target;
        let bound = match target {
            Target::Ratio(least) => format!(">= {least:.2}x"),
            Target::RatioAtMost(most) => format!("<= {most:.2}x"),
            Target::Ours(least) => format!(">= {}", figure(least, self.unit)),
            Target::OursAtMost(most) => format!("<= {}", figure(most, self.unit)),
            Target::AddsAtMost(most) => format!("adds <= {}", figure(most, self.unit)),
        };
        format!("{name} {bound}")
    }

    /// The cells of the table.
    pub(super) fn cells(&self) -> [String; 7] {
        [
            self.what.clone(),
            figure(self.ours, self.unit),
            self.beside.clone(),
            figure(self.theirs, self.unit),
            format!("{:.2}x", self.ratio),
            format!("{:.0}%", self.noise * 100.0),
            format!("{}: {}", self.target_text(), if self.met() { "met" } else { "MISSED" }),
        ]
    }

    /// The row as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        let unit = match self.unit {
            Unit::PerSecond => "per_second",
            Unit::Millis => "ms",
        };
        serde_json::json!({
            "what": self.what, "unit": unit, "ours": self.ours, "beside": self.beside,
            "theirs": self.theirs, "ratio": self.ratio, "noise": self.noise,
            "target": self.target_text(), "met": self.met(),
        })
    }
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if value >= 10_000.0 => format!("{:.1} k/s", value / 1000.0),
        Unit::PerSecond => format!("{value:.0}/s"),
        Unit::Millis => format!("{value:.3} ms"),
    }
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the share `q` of all values lies; 0 for none.
pub(super) fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    // Not negative, and at most the last index.
    let index = (q * last).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Things a second.
pub(super) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::EPSILON)
}

/// Milliseconds of a duration.
pub(super) fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// How long something takes.
pub(super) fn timed<T>(
    act: impl FnOnce() -> Result<T, CliError>,
) -> Result<(T, Duration), CliError> {
    let start = Instant::now();
    let value = act()?;
    Ok((value, start.elapsed()))
}

/// Takes [`PAIRS`] pairs, ours and theirs in turn; who goes first alternates too.
pub(super) fn pairs(
    mut ours: impl FnMut(usize) -> Result<f64, CliError>,
    mut theirs: impl FnMut(usize) -> Result<f64, CliError>,
) -> Result<Vec<(f64, f64)>, CliError> {
    (0..PAIRS)
        .map(|round| {
            if round % 2 == 0 {
                let first = ours(round)?;
                Ok((first, theirs(round)?))
            } else {
                let first = theirs(round)?;
                Ok((ours(round)?, first))
            }
        })
        .collect()
}

/// Something failed that has no business failing here.
pub(super) fn broken(error: impl ToString) -> CliError {
    CliError::Internal(format!("benchmark: {}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_medians_and_tells_the_noise() {
        let pairs = [(2.0, 4.0), (30.0, 40.0), (1.0, 5.0)];
        let row = Row::new("a", "b", Unit::Millis, &pairs, ("P0", Target::Ratio(0.5)));
        assert_eq!((row.ours, row.theirs, row.ratio), (2.0, 5.0, 0.5));
        assert!((row.noise - 7.2).abs() < 1e-9 && row.met());
        let missed = Row { target: ("P0", Target::AddsAtMost(-4.0)), ..row };
        assert!(!missed.met() && missed.cells()[6].contains("MISSED"));
    }

    #[test]
    fn quantiles_take_an_existing_value() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(values.clone(), 0.99), 99.0);
        assert_eq!((quantile(values, 1.0), quantile(Vec::new(), 0.5)), (100.0, 0.0));
    }

    #[test]
    fn pairs_alternate_who_goes_first() {
        let order = std::cell::RefCell::new(String::new());
        let note = |c: char| {
            order.borrow_mut().push(c);
            Ok(1.0)
        };
        assert_eq!(pairs(|_| note('o'), |_| note('t')).unwrap().len(), PAIRS);
        assert!(order.borrow().starts_with("ottoot"));
    }
}
