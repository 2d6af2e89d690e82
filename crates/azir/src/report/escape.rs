//! Untrusted text on a page and on a terminal.

use std::fmt::{self, Write as _};

/// Appends formatted text to a `String`. Writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($arg)*);
    }};
}
pub(super) use put;

/// A text that prints itself safe for HTML content and for quoted attributes.
pub(super) struct Esc<'a>(&'a str);

/// Marks `text` for escaping.
pub(super) fn e(text: &str) -> Esc<'_> {
    Esc(text)
}

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                c if deceives(c) => write!(f, "[U+{:04X}]", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Control characters, and those that change the order or the presence of what a reader sees.
pub(crate) fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` on one line, safe for a terminal: no escape sequences, no hidden characters.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if deceives(c) => put!(out, "[U+{:04X}]", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

/// At most `max` characters of `text`, with an ellipsis when some were left out.
pub(crate) fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push('\u{2026}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_quotes_lose_their_meaning() {
        let hostile = "<script>\"x\" & 'y'</script>";
        assert_eq!(
            e(hostile).to_string(),
            "&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/script&gt;"
        );
    }

    #[test]
    fn hidden_characters_are_shown_and_not_obeyed() {
        assert_eq!(e("a\u{202e}b\u{1b}[2J").to_string(), "a[U+202E]b[U+001B][2J");
        assert_eq!(plain("a\u{202e}b\u{1b}[2J\nc"), "a[U+202E]b[U+001B][2J c");
        assert_eq!(e("răspuns — în ordine").to_string(), "răspuns — în ordine");
    }

    #[test]
    fn clipping_counts_characters_and_says_so() {
        assert_eq!(clip("notary", 6), "notary");
        assert_eq!(clip("ăăăăăă", 3), "ăă…");
        assert_eq!(clip("ab cd", 4), "ab…");
        assert_eq!(clip("abc", 0), "…");
    }
}
