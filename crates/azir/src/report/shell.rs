//! What every page of a deployment shares: its head, with the style of the drill report, and its
//! end.

use super::escape::{e, put};
use super::page::STYLE;

/// Styles that only pages of a deployment need.
const PEOPLE: &str = include_str!("people.css");

/// The beginning of a page that needs no script and no other file. `links` go into the head.
pub(super) fn begin(out: &mut String, title: &str, links: &str, dated: bool) {
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n{links}\
         <style>\n{STYLE}{PEOPLE}</style>\n</head>\n<body{}>\n\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\n",
        e(title),
        if dated { " class=\"dated\"" } else { "" }
    );
}

/// A line above everything, for what no reader may miss.
pub(super) fn banner(out: &mut String, word: &str, text: &str) {
    put!(out, "<p class=\"banner\"><strong>{}</strong> {}</p>\n", e(word), e(text));
}

/// A section with its heading, up to its content.
pub(super) fn section(out: &mut String, id: &str, title: &str) {
    put!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{}</h2>\n",
        e(title)
    );
}

/// Name and value, where there is a value.
pub(super) fn pair(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        put!(out, "<div><dt>{}</dt><dd>{}</dd></div>", e(name), e(value));
    }
}

/// The end of a page.
pub(super) fn end(out: &mut String, text: &str) {
    put!(out, "</main>\n<footer><p>{}</p></footer>\n</body>\n</html>\n", e(text));
}
