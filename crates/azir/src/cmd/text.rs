//! Text for a terminal of a hundred columns: what strangers wrote is shown and not obeyed, long
//! lines are folded, and commands stay copyable.

use crate::report::{deceives, plain};

/// Columns that a screen may fill.
pub(crate) const COLUMNS: usize = 100;

/// One line without control characters or hidden ones.
pub(crate) fn visible(text: &str) -> String {
    plain(text)
}

/// Folds `text` into lines of at most [`COLUMNS`]; the first begins with `first`, the others with
/// `rest`. A word that is longer stands alone.
pub(crate) fn fold(first: &str, rest: &str, text: &str) -> String {
    laid(first, rest, text.split_whitespace(), "")
}

/// A command, folded with the shell's own continuation, so that it can be copied as it stands.
/// Quoted words stay whole, and an option stays with its value.
pub(crate) fn command(indent: &str, words: &[String]) -> String {
    let mut units: Vec<String> = Vec::new();
    let mut option = false;
    for word in words {
        match units.last_mut() {
            Some(unit) if option && !word.starts_with("--") => {
                unit.push(' ');
                unit.push_str(word);
                option = false;
            }
            _ => {
                option = word.starts_with("--");
                units.push(word.clone());
            }
        }
    }
    laid(indent, &format!("{indent}  "), units.iter().map(String::as_str), " \\")
}

fn laid<'t>(first: &str, rest: &str, words: impl Iterator<Item = &'t str>, ends: &str) -> String {
    let room = COLUMNS - ends.len();
    let mut out = first.to_owned();
    let (mut width, mut empty) = (first.chars().count(), true);
    for word in words {
        let length = word.chars().count();
        if !empty && width + 1 + length > room {
            out.push_str(ends);
            out.push('\n');
            out.push_str(rest);
            (width, empty) = (rest.chars().count(), true);
        }
        if !empty {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        (width, empty) = (width + length, false);
    }
    out.push('\n');
    out
}

/// One word of a shell: quoted where it would be read as something else.
pub(crate) fn quoted(word: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@,+=".contains(&b);
    if !word.is_empty() && word.bytes().all(bare) {
        return word.to_owned();
    }
    let safe: String = word.chars().filter(|c| *c == '\n' || !deceives(*c)).collect();
    format!("'{}'", safe.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_at_words_and_indented() {
        let text = fold("- ", "  ", &"word ".repeat(60));
        assert!(text.lines().all(|l| l.chars().count() <= COLUMNS), "{text}");
        assert!(text.starts_with("- word") && text.lines().skip(1).all(|l| l.starts_with("  w")));
        let long = "x".repeat(150);
        assert_eq!(fold("", "", &format!("a {long} b")), format!("a\n{long}\nb\n"));
    }

    #[test]
    fn a_command_goes_on_with_the_shells_own_mark() {
        let words: Vec<_> =
            (0..40).map(|n| if n % 2 == 0 { format!("--o-{n}") } else { n.to_string() }).collect();
        let text = command("  ", &words);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|l| l.trim().starts_with("--o-")), "{text}");
        assert!(lines[..lines.len() - 1].iter().all(|l| l.ends_with(" \\")), "{text}");
        assert!(!lines[lines.len() - 1].ends_with('\\'));
    }

    #[test]
    fn a_word_that_the_shell_would_read_is_quoted() {
        assert_eq!(quoted("node:n1/notary"), "node:n1/notary");
        assert_eq!(quoted(r#"{"a":"it's"}"#), r#"'{"a":"it'\''s"}'"#);
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a\u{1b}[2Jb c"), "'a[2Jb c'");
    }
}
