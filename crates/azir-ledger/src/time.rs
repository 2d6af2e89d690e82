//! UTC times with millisecond precision. Times are informative: order is the log index (D-016).

use std::fmt;
use std::str::FromStr;

/// A UTC time in milliseconds since 1970, from 1970 to 9998. Written `YYYY-MM-DDTHH:MM:SS.mmmZ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

/// Last representable millisecond, 9998-12-31T23:59:59.999Z.
const MS_MAX: i64 = 253_370_764_799_999;

/// A text or number that is no time of the form `YYYY-MM-DDTHH:MM:SS.mmmZ`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written YYYY-MM-DDTHH:MM:SS.mmmZ, in UTC, from 1970 to 9998")]
pub struct TimeError;

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970; values outside the range are moved to its nearest end.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(0, MS_MAX))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.0
    }

    /// This time moved by `ms` milliseconds, kept inside the range.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; negative when `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let ms = text.parse::<jiff::Timestamp>().map_err(|_| TimeError)?.as_millisecond();
        let time = Self::from_ms(ms);
        if time.to_string() == text { Ok(time) } else { Err(TimeError) }
    }
}

crate::serde_as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_a_time() {
        let text = "2026-01-02T03:04:05.678Z";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        assert_eq!(Timestamp::from_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_ms(i64::MAX).to_string(), "9998-12-31T23:59:59.999Z");
        for bad in [
            "2026-01-02T03:04:05Z",
            "2026-01-02 03:04:05.678Z",
            "2026-01-02T03:04:05.678+00:00",
            "2026-02-30T03:04:05.678Z",
            "",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimeError), "{bad}");
        }
    }
}
