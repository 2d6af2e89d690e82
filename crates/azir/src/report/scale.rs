//! The axis of the gate matrix: time, stretched where much happens.
//!
//! Gates close within a second and come back over hours. On an even axis one end of that story is
//! always invisible, so each stretch between two changes gets a width that grows with the fourth
//! root of its length. Square roots are exact on every machine, so the picture is the same bytes.

use azir_ledger::Timestamp;

/// Maps times to horizontal positions; never decreasing.
pub(super) struct Scale {
    stops: Vec<(i64, f64)>,
}

impl Scale {
    /// A scale over `times` (any order) from `left` to `left + width`.
    pub(super) fn new(times: impl IntoIterator<Item = Timestamp>, left: f64, width: f64) -> Self {
        let mut ms: Vec<i64> = times.into_iter().map(Timestamp::ms).collect();
        ms.sort_unstable();
        ms.dedup();
        let weights: Vec<f64> =
            ms.windows(2).map(|w| ((w[1] - w[0]) as f64).sqrt().sqrt()).collect();
        let total = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut stops: Vec<(i64, f64)> = Vec::with_capacity(ms.len());
        let mut sum = 0.0;
        for (i, at) in ms.iter().enumerate() {
            stops.push((*at, left + width * sum / total));
            sum += weights.get(i).copied().unwrap_or_default();
        }
        if stops.is_empty() {
            stops.push((0, left));
        }
        Self { stops }
    }

    /// Position of `time`; times outside the scale sit at its ends.
    pub(super) fn x(&self, time: Timestamp) -> f64 {
        let ms = time.ms();
        let after = self.stops.partition_point(|(at, _)| *at < ms);
        match (after.checked_sub(1).and_then(|i| self.stops.get(i)), self.stops.get(after)) {
            (Some((a, xa)), Some((b, xb))) => {
                xa + (xb - xa) * ((ms - a) as f64 / (b - a).max(1) as f64)
            }
            (None, Some((_, x))) | (Some((_, x)), None) => *x,
            (None, None) => 0.0,
        }
    }

    /// All times the scale was made of.
    pub(super) fn stops(&self) -> impl Iterator<Item = Timestamp> {
        self.stops.iter().map(|(ms, _)| Timestamp::from_ms(*ms))
    }

    /// Of `wanted`, in order of importance, those that keep `gap` between each other, by time.
    pub(super) fn labels(&self, wanted: &[Timestamp], gap: f64) -> Vec<Timestamp> {
        let mut taken: Vec<Timestamp> = Vec::new();
        for time in wanted {
            let x = self.x(*time);
            if taken.iter().all(|t| (self.x(*t) - x).abs() >= gap) {
                taken.push(*time);
            }
        }
        taken.sort_unstable();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn the_scale_keeps_order_and_ends() {
        let scale = Scale::new([0, 1_000, 1_040, 9_000_000].map(at), 100.0, 800.0);
        let xs: Vec<f64> =
            [0, 500, 1_000, 1_010, 1_040, 5_000, 9_000_000].map(|ms| scale.x(at(ms))).into();
        assert!(xs.windows(2).all(|w| w[0] < w[1]), "{xs:?}");
        assert_eq!((xs[0], xs[6]), (100.0, 900.0));
        assert!(xs[4] - xs[2] > 10.0, "40 ms stay visible beside hours: {xs:?}");
    }

    #[test]
    fn a_scale_of_one_or_no_moment_does_not_divide_by_zero() {
        assert_eq!(Scale::new([], 5.0, 100.0).x(at(7)), 5.0);
        let one = Scale::new([at(3), at(3)], 5.0, 100.0);
        assert_eq!([one.x(at(0)), one.x(at(3)), one.x(at(9))], [5.0, 5.0, 5.0]);
    }

    #[test]
    fn labels_keep_their_distance_and_the_important_one_wins() {
        let scale = Scale::new([0, 100, 10_000].map(at), 0.0, 100.0);
        assert_eq!(scale.labels(&[at(10_000), at(100), at(0)], 40.0), [at(100), at(10_000)]);
        assert_eq!(scale.labels(&[at(10_000), at(0), at(100)], 40.0), [at(0), at(10_000)]);
    }
}
