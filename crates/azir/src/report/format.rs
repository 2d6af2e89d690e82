//! Times, durations, sizes and the words for the closed lists of a report.

use azir_ledger::Timestamp;
use azir_sim::report::{DrillReport, TimelineItem};

/// Prints times: the clock alone when the whole report lies on one day, else with the date.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    dated: bool,
}

impl Clock {
    /// The clock that fits `report`.
    pub(super) fn of(report: &DrillReport) -> Self {
        Self::over(&report.timeline, report.span)
    }

    /// The clock that fits a timeline and a span.
    pub(super) fn over(items: &[TimelineItem], span: (Timestamp, Timestamp)) -> Self {
        let mut days = vec![day(span.0), day(span.1)];
        days.extend(items.iter().flat_map(|i| [day(i.at), day(i.recorded)]));
        Self { dated: days.iter().any(|d| *d != days[0]) }
    }

    /// True when times are printed with their date.
    pub(super) fn is_dated(self) -> bool {
        self.dated
    }

    /// `03:04:05.678`, with `01-02 ` before it in a report of several days.
    pub(super) fn exact(self, time: Timestamp) -> String {
        let text = time.to_string();
        let clock = text.get(11..23).unwrap_or(&text);
        if self.dated {
            format!("{} {clock}", text.get(5..10).unwrap_or_default())
        } else {
            clock.to_owned()
        }
    }

    /// `03:04:05`, with `01-02 ` before it in a report of several days.
    pub(super) fn second(self, time: Timestamp) -> String {
        let text = self.exact(time);
        text.split('.').next().unwrap_or_default().to_owned()
    }
}

/// `2026-01-02`.
pub(super) fn day(time: Timestamp) -> String {
    time.to_string().get(..10).unwrap_or_default().to_owned()
}

/// `2 h 03 min`, `4 min 05 s`, `12.3 s` or `45 ms`.
pub(super) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (s, min, h) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1000 => format!("{sign}{ms} ms"),
        1000..60_000 => format!("{sign}{s}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{sign}{min} min {:02} s", s % 60),
        3_600_000..172_800_000 => format!("{sign}{h} h {:02} min", min % 60),
        _ => format!("{sign}{} d {:02} h", h / 24, h % 24),
    }
}

/// `512 B`, `3.4 kB`, `1.2 MB`; decimal units.
pub(super) fn size(bytes: u64) -> String {
    for (unit, name) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")] {
        if bytes >= unit {
            return format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit);
        }
    }
    format!("{bytes} B")
}

/// `1 block`, `3 blocks`.
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The wire word of a closed list as it is read: `way_back` becomes `way back`.
pub(super) fn words(wire: &str) -> String {
    wire.replace('_', " ")
}

/// How an entry of the timeline is marked. `class` is also the colour name in the style sheet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tone {
    /// Style class.
    pub(super) class: &'static str,
    /// Sign before the word, so that colour never carries the meaning alone.
    pub(super) mark: &'static str,
    /// The word.
    pub(super) word: &'static str,
    /// Chapter that begins with this tone; 0 for those that begin none.
    pub(super) stage: usize,
}

const fn tone_of(
    class: &'static str,
    mark: &'static str,
    word: &'static str,
    stage: usize,
) -> Tone {
    Tone { class, mark, word, stage }
}

/// All tones, in the order of an incident.
pub(super) const TONES: [Tone; 9] = [
    tone_of("alarm", "\u{25b2}", "alarm", 0),
    tone_of("stop", "\u{25a0}", "stop", 0),
    tone_of("evidence", "\u{25c6}", "evidence", 1),
    tone_of("decide", "\u{25cf}", "decision", 2),
    tone_of("recover", "\u{21bb}", "recovery", 3),
    tone_of("open", "\u{25cb}", "opening", 4),
    tone_of("close", "\u{2713}", "closure", 5),
    tone_of("refused", "\u{2715}", "refused", 0),
    tone_of("plain", "\u{00b7}", "note", 0),
];

/// Chapters of the timeline, by [`Tone::stage`].
pub(super) const CHAPTERS: [&str; 6] =
    ["Alarm and stop", "Evidence", "Decision", "Recovery", "Return in order", "Closure"];

/// The tone with that wire word; an unknown word is shown as a note.
pub(super) fn tone(wire: &str) -> Tone {
    TONES.iter().copied().find(|t| t.class == wire).unwrap_or(TONES[8])
}

/// Title of a group of checks.
pub(super) fn check_group(wire: &str) -> String {
    match wire {
        "seen" => "Must be seen".to_owned(),
        "decision" => "Decision expected".to_owned(),
        "refused" => "Must be refused".to_owned(),
        "way_back" => "Way back".to_owned(),
        other => words(other),
    }
}

/// What the restart criterion is about (annex J.2).
pub(super) fn criterion(wire: &str) -> &'static str {
    match wire {
        "rc1" => "root cause bounded",
        "rc2" => "containment holding",
        "rc3" => "replay or rebuild checks",
        "rc4" => "restrictions understood",
        "rc5" => "keys safe or rotated",
        "rc6" => "reviews and approvals",
        "rc7" => "telemetry in bounds",
        "rc8" => "restart decision",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_keep_two_places() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (59_999, "59.9 s"),
            (65_000, "1 min 05 s"),
            (7_380_000, "2 h 03 min"),
            (180_000_000, "2 d 02 h"),
            (-1_500, "-1.5 s"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
        assert!(duration(i64::MIN).starts_with('-'));
        assert_eq!([size(0), size(1_234), size(5_600_000)], ["0 B", "1.2 kB", "5.6 MB"]);
        assert!(size(u64::MAX).ends_with("GB"));
    }

    #[test]
    fn an_unknown_tone_is_a_note_and_never_a_class_name() {
        assert_eq!(tone("\" onclick=x").class, "plain");
        assert_eq!(tone("refused").word, "refused");
    }
}
