//! The second family's own reader of canonical JSON (D-014): strict, with the place of each value,
//! so that ids are computed over the bytes that arrived.

use std::ops::Range;

/// Deepest nesting that is read.
const DEPTH: usize = 32;
/// Largest integer, 2^53 - 1.
const INTEGER: u64 = 9_007_199_254_740_991;

/// A value and where it stands in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) value: Json,
}

/// The values that annex L uses: no floats, no null, no negative numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Node>),
    Record(Vec<(String, Node)>),
}

/// Reads exactly one value.
pub(super) fn read(input: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(input).map_err(|e| e.to_string())?;
    let mut reader = Reader { rest: text, length: text.len() };
    let node = reader.value(0)?;
    if reader.rest.is_empty() { Ok(node) } else { Err(reader.wrong("bytes left over")) }
}

struct Reader<'a> {
    rest: &'a str,
    length: usize,
}

impl Reader<'_> {
    fn place(&self) -> usize {
        self.length - self.rest.len()
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what} at {}", self.place())
    }

    fn skip(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH {
            return Err(self.wrong("nested too deep"));
        }
        let start = self.place();
        let value = if self.skip("true") {
            Json::Flag(true)
        } else if self.skip("false") {
            Json::Flag(false)
        } else if self.skip("[") {
            Json::List(self.list(depth)?)
        } else if self.skip("{") {
            Json::Record(self.record(depth)?)
        } else if self.rest.starts_with('"') {
            Json::Text(self.text()?)
        } else {
            Json::Number(self.number()?)
        };
        Ok(Node { at: start..self.place(), value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        let mut items = Vec::new();
        if self.skip("]") {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.skip("]") {
                return Ok(items);
            }
            if !self.skip(",") {
                return Err(self.wrong("list not closed"));
            }
        }
    }

    fn record(&mut self, depth: usize) -> Result<Vec<(String, Node)>, String> {
        let mut members: Vec<(String, Node)> = Vec::new();
        if self.skip("}") {
            return Ok(members);
        }
        loop {
            let name = self.text()?;
            // Members of annex L have ASCII names, whose order is the same in every encoding.
            if !name.is_ascii() || members.last().is_some_and(|(last, _)| *last >= name) {
                return Err(self.wrong("member out of order"));
            }
            if !self.skip(":") {
                return Err(self.wrong("no colon"));
            }
            members.push((name, self.value(depth + 1)?));
            if self.skip("}") {
                return Ok(members);
            }
            if !self.skip(",") {
                return Err(self.wrong("record not closed"));
            }
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self.rest.split_at(digits);
        let plain = !text.is_empty() && (text == "0" || !text.starts_with('0'));
        let number = text.parse::<u64>().ok().filter(|n| plain && *n <= INTEGER);
        let number = number.ok_or_else(|| self.wrong("no plain number"))?;
        if rest.starts_with(['.', 'e', 'E']) {
            return Err(self.wrong("a float"));
        }
        self.rest = rest;
        Ok(number)
    }

    fn text(&mut self) -> Result<String, String> {
        if !self.skip("\"") {
            return Err(self.wrong("no text"));
        }
        let mut out = String::new();
        loop {
            let mut chars = self.rest.chars();
            let c = chars.next().ok_or_else(|| self.wrong("text not closed"))?;
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                c if c < ' ' => return Err(self.wrong("control character")),
                c => {
                    out.push(c);
                    self.rest = chars.as_str();
                }
            }
        }
    }

    /// The only escapes of RFC 8785: the shortest one for each character that needs one.
    fn escape(&mut self) -> Result<char, String> {
        let short = [
            ("\\\"", '"'),
            ("\\\\", '\\'),
            ("\\b", '\u{8}'),
            ("\\t", '\t'),
            ("\\n", '\n'),
            ("\\f", '\u{c}'),
            ("\\r", '\r'),
        ];
        for (token, c) in short {
            if self.skip(token) {
                return Ok(c);
            }
        }
        let hex = self.rest.strip_prefix("\\u00").and_then(|r| r.get(..2));
        let lower = hex.filter(|h| h.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let code = lower.and_then(|h| u8::from_str_radix(h, 16).ok());
        let code = code.filter(|c| *c < 0x20 && !matches!(c, 8 | 9 | 10 | 12 | 13));
        let code = code.ok_or_else(|| self.wrong("an escape that is not needed"))?;
        self.rest = &self.rest[6..];
        Ok(char::from(code))
    }
}

impl Node {
    /// A record with exactly these members, in alphabetical order.
    pub(super) fn members<const N: usize>(&self, names: [&str; N]) -> Result<[&Self; N], String> {
        let Json::Record(members) = &self.value else { return Err("not a record".to_owned()) };
        let found: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        if found != names {
            return Err(format!("members {found:?}, expected {names:?}"));
        }
        let nodes: Vec<_> = members.iter().map(|(_, node)| node).collect();
        nodes.try_into().map_err(|_| "members".to_owned())
    }

    /// The members of a record by name, for records with optional members.
    pub(super) fn record(&self) -> Result<&[(String, Self)], String> {
        match &self.value {
            Json::Record(members) => Ok(members),
            _ => Err("not a record".to_owned()),
        }
    }

    pub(super) fn list(&self) -> Result<&[Self], String> {
        match &self.value {
            Json::List(items) => Ok(items),
            _ => Err("not a list".to_owned()),
        }
    }

    pub(super) fn text(&self) -> Result<&str, String> {
        match &self.value {
            Json::Text(text) => Ok(text),
            _ => Err("not a text".to_owned()),
        }
    }

    pub(super) fn number(&self) -> Result<u64, String> {
        match &self.value {
            Json::Number(number) => Ok(*number),
            _ => Err("not a number".to_owned()),
        }
    }

    /// A decimal string below 2^64.
    pub(super) fn word(&self) -> Result<u64, String> {
        let text = self.text()?;
        let number: u64 = text.parse().map_err(|_| format!("{text:?} is no amount"))?;
        if number.to_string() == text { Ok(number) } else { Err(format!("{text:?} is no amount")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_reader_accepts_and_refuses_what_the_other_reader_does() {
        let cases: [&[u8]; 22] = [
            b"{\"a\":1,\"b\":[true,\"x\"]}",
            b"[]",
            b"{}",
            b"\"\\u001f\\n\"",
            b"9007199254740991",
            b"0",
            b"9007199254740992",
            b"01",
            b"1.5",
            b"1e3",
            b"{\"b\":1,\"a\":1}",
            b"{\"a\":1,\"a\":1}",
            b"[1, 2]",
            b"[1,]",
            b"null",
            b"\"\\u0041\"",
            b"\"\\u000a\"",
            b"\"\\/\"",
            b"\"\n\"",
            b"1 ",
            b"",
            b"\"\xff\"",
        ];
        for case in cases {
            let other = azir_ledger::canon::check(case).is_ok();
            assert_eq!(read(case).is_ok(), other, "{:?}", String::from_utf8_lossy(case));
        }
        let deep = "[".repeat(40) + &"]".repeat(40);
        assert!(read(deep.as_bytes()).is_err());
    }
}
