//! The one encoding of every stored or signed object (D-014): RFC 8785 without floats and null.
//!
//! Reading refuses and never repairs: [`check`] accepts exactly the bytes that [`encode`] would
//! write. So equal content has equal bytes, and a hash names one content.

mod write;

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Deepest nesting of arrays and objects that is read or written (D-014, bounded input).
pub const DEPTH_MAX: usize = 32;
/// Largest magnitude of an integer, 2^53 - 1 (D-014). Larger numbers travel as decimal strings.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why bytes or a value have no canonical form. Refusal kind `not_canonical` or `invalid_schema`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonError {
    /// The bytes are not the canonical form of anything.
    #[error("not canonical at byte {at}: {why}")]
    NotCanonical {
        /// Offset of the first offending byte.
        at: usize,
        /// What is wrong there.
        why: &'static str,
    },
    /// The bytes are canonical but do not have the members that the type demands.
    #[error("canonical, but not of the expected shape: {why}")]
    Schema {
        /// The member or type that does not fit.
        why: String,
    },
    /// A value to be written holds something that the form does not allow.
    #[error("no canonical form: {why}")]
    Unencodable {
        /// What the value holds.
        why: String,
    },
}

/// Accepts exactly the canonical bytes of one value.
///
/// # Errors
/// [`CanonError::NotCanonical`] with the offset of the first byte that differs from the form.
pub fn check(bytes: &[u8]) -> Result<(), CanonError> {
    let mut scan = Scan { bytes, at: 0 };
    scan.value(0)?;
    if scan.at == bytes.len() { Ok(()) } else { Err(scan.fail("bytes after the value")) }
}

/// Reads a typed value from canonical bytes; others are refused, never repaired. Implements
/// R-7.2-3.
///
/// # Errors
/// [`CanonError::NotCanonical`] or [`CanonError::Schema`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonError> {
    check(bytes)?;
    serde_json::from_slice(bytes).map_err(|e| CanonError::Schema { why: e.to_string() })
}

/// Writes the canonical bytes of a value. Optional members without a value must be skipped by the
/// type; null is refused.
///
/// # Errors
/// [`CanonError::Unencodable`] for floats, null, integers above [`INTEGER_MAX`] and deep nesting.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonError> {
    let mut out = String::new();
    write::value(value, 0, &mut out)?;
    Ok(out.into_bytes())
}

/// [`encode`] for an untyped JSON value.
///
/// # Errors
/// As [`encode`].
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CanonError> {
    encode(value)
}

/// Writes `s` as a JSON string with the minimal escapes of RFC 8785.
pub(crate) fn write_string(s: &str, out: &mut String) {
    out.push('"');
    let mut rest = s;
    // Everything that is escaped is one byte long.
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                let _infallible = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// A reader that accepts only canonical bytes.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn fail(&self, why: &'static str) -> CanonError {
        CanonError::NotCanonical { at: self.at, why }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8, why: &'static str) -> Result<(), CanonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fail(why))
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), CanonError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fail("not a value"))
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), CanonError> {
        if depth > DEPTH_MAX {
            return Err(self.fail("nested deeper than 32"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => Err(self.fail("null; leave the member out")),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b' ' | b'\t' | b'\n' | b'\r') => Err(self.fail("white space")),
            Some(_) => Err(self.fail("not a value")),
            None => Err(self.fail("ends too early")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), CanonError> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.eat(b']', "expected ',' or ']'"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), CanonError> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut last: Option<Cow<'a, str>> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if let Some(last) = &last {
                let why = match write::order(last, &key) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal => Some("duplicate member"),
                    std::cmp::Ordering::Greater => Some("members not sorted"),
                };
                if let Some(why) = why {
                    return Err(CanonError::NotCanonical { at: start, why });
                }
            }
            last = Some(key);
            self.eat(b':', "expected ':'")?;
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.eat(b'}', "expected ',' or '}'"),
            }
        }
    }

    fn integer(&mut self) -> Result<(), CanonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.fail("a float"));
        }
        let text = &self.bytes[digits..self.at];
        let refuse = |why| Err(CanonError::NotCanonical { at: start, why });
        match text {
            [] => return refuse("a sign without digits"),
            [b'0'] if negative => return refuse("negative zero"),
            [b'0', _, ..] => return refuse("leading zero"),
            _ => {}
        }
        let magnitude = std::str::from_utf8(text).ok().and_then(|t| t.parse::<u64>().ok());
        match magnitude {
            Some(n) if n <= INTEGER_MAX => Ok(()),
            _ => refuse("an integer above 2^53-1; use a decimal string"),
        }
    }

    /// Borrowed when nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>, CanonError> {
        self.eat(b'"', "expected a string")?;
        let mut text = Cow::Borrowed("");
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            let bytes: &'a [u8] = self.bytes;
            let run = std::str::from_utf8(&bytes[start..self.at]).map_err(|e| {
                CanonError::NotCanonical { at: start + e.valid_up_to(), why: "not UTF-8" }
            })?;
            if text.is_empty() {
                text = Cow::Borrowed(run);
            } else {
                text.to_mut().push_str(run);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.to_mut().push(self.escape()?),
                Some(_) => return Err(self.fail("control character in a string")),
                None => return Err(self.fail("ends too early")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, CanonError> {
        let rest = &self.bytes[self.at + 1..];
        let (length, c) = match rest.first() {
            Some(b'"') => (2, '"'),
            Some(b'\\') => (2, '\\'),
            Some(b'b') => (2, '\u{8}'),
            Some(b'f') => (2, '\u{c}'),
            Some(b'n') => (2, '\n'),
            Some(b'r') => (2, '\r'),
            Some(b't') => (2, '\t'),
            Some(b'u') => {
                let hex = rest.get(1..5).ok_or_else(|| self.fail("ends too early"))?;
                let lower = hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let code =
                    std::str::from_utf8(hex).ok().and_then(|h| u32::from_str_radix(h, 16).ok());
                match code {
                    Some(code @ 0..=0x1f) if lower && !matches!(code, 8..=10 | 12 | 13) => {
                        (6, char::from_u32(code).unwrap_or('\0'))
                    }
                    _ => return Err(self.fail("an escape where the plain character is due")),
                }
            }
            _ => return Err(self.fail("unknown escape")),
        };
        self.at += length;
        Ok(c)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        check(bytes).unwrap_err().to_string()
    }

    /// R-7.2-3: refused, not repaired.
    #[test]
    fn everything_that_is_not_canonical_is_refused_with_its_place() {
        for (input, why) in [
            ("{ }", "byte 1: expected a string"),
            (r#"{"a":1,"a":2}"#, "byte 7: duplicate member"),
            (r#"{"b":1,"a":2}"#, "byte 7: members not sorted"),
            ("1.0", "byte 1: a float"),
            ("1e3", "byte 1: a float"),
            ("-0", "byte 0: negative zero"),
            ("01", "byte 0: leading zero"),
            ("9007199254740992", "byte 0: an integer above"),
            ("null", "byte 0: null"),
            (r#""\u0041""#, "byte 1: an escape"),
            (r#""\u000A""#, "byte 1: an escape"),
            (r#""\/""#, "byte 1: unknown escape"),
            ("\"\n\"", "byte 1: control"),
            ("[1,]", "byte 3: not a value"),
            ("[1] ", "byte 3: bytes after"),
            ("", "byte 0: ends too early"),
            ("{\"a\":1", "byte 6: expected"),
            ("\"\\ud800\"", "byte 1: an escape"),
        ] {
            let got = refusal(input.as_bytes());
            assert!(got.contains(why), "{input}: {got}");
        }
        assert!(refusal(b"\"\xff\"").contains("byte 1: not UTF-8"));
        let deep = "[".repeat(40) + &"]".repeat(40);
        assert!(refusal(deep.as_bytes()).contains("deeper"));
    }

    #[test]
    fn floats_null_and_large_integers_are_not_written() {
        for value in [json!(1.5), json!(null), json!(1u64 << 53), json!([null])] {
            assert!(encode(&value).is_err(), "{value}");
        }
        assert_eq!(
            encode(&json!({"b":[1,"\u{1f}é\n"],"a":-1})).unwrap(),
            "{\"a\":-1,\"b\":[1,\"\\u001fé\\n\"]}".as_bytes()
        );
    }

    #[test]
    fn members_sort_by_utf16_units() {
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2});
        assert_eq!(encode(&value).unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}".as_bytes());
        check(&encode(&value).unwrap()).unwrap();
    }

    /// What the form is, said once more and slowly: the reference for the writer.
    fn plainly(value: &Value) -> String {
        match value {
            Value::Array(items) => {
                format!("[{}]", items.iter().map(plainly).collect::<Vec<_>>().join(","))
            }
            Value::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                let member =
                    |(name, v): (&String, &Value)| format!("{}:{}", json!(name), plainly(v));
                format!("{{{}}}", sorted.into_iter().map(member).collect::<Vec<_>>().join(","))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        }
    }

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        Unit,
        New(u8),
        Pair(i8, bool),
        Named { b: char, a: Option<u32> },
    }

    #[derive(Serialize)]
    struct Shapes {
        z: Vec<Shape>,
        map: std::collections::BTreeMap<u16, (String, i64)>,
        #[serde(rename = "a\"b")]
        quoted: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
    }

    #[test]
    fn typed_values_are_written_as_their_json_sorted() {
        let shapes = Shapes {
            z: vec![
                Shape::Unit,
                Shape::New(0),
                Shape::Pair(-128, true),
                Shape::Named { b: '\u{1f600}', a: Some(7) },
            ],
            map: [(10, ("x".to_owned(), -1)), (9, (String::new(), i64::from(i32::MIN)))].into(),
            quoted: INTEGER_MAX,
            absent: None,
        };
        let bytes = encode(&shapes).unwrap();
        check(&bytes).unwrap();
        let value = serde_json::to_value(&shapes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), plainly(&value));
        let absent = Shapes { z: vec![Shape::Named { b: 'b', a: None }], ..shapes };
        assert!(encode(&absent).unwrap_err().to_string().contains("null"));
    }

    #[test]
    fn what_has_no_canonical_form_is_refused_whatever_its_type() {
        let refused = |done: Result<Vec<u8>, CanonError>, why: &str| {
            let text = done.unwrap_err().to_string();
            assert!(text.contains(why), "{text}");
        };
        refused(encode(&f32::NAN), "float");
        refused(encode(&u128::MAX), "above 2^53-1");
        refused(encode(&i64::MIN), "above 2^53-1");
        refused(encode(&()), "null");
        refused(encode(&std::collections::BTreeMap::from([((1, 2), 3)])), "no string");
        let mut deep = json!(1);
        (0..40).for_each(|_| deep = json!([deep.take()]));
        refused(encode(&deep), "deeper");
    }

    /// Two keys of a map may be written alike; silence would drop one of them.
    #[test]
    fn two_members_of_one_name_are_refused() {
        #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(untagged)]
        enum Key {
            Text(String),
            Number(u8),
        }
        let map =
            std::collections::BTreeMap::from([(Key::Text("1".to_owned()), 1), (Key::Number(1), 2)]);
        assert!(encode(&map).unwrap_err().to_string().contains("two members"));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-(INTEGER_MAX as i64)..=INTEGER_MAX as i64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_accepted_and_reads_back(value in any_value()) {
            let bytes = encode(&value).unwrap();
            check(&bytes).unwrap();
            prop_assert_eq!(std::str::from_utf8(&bytes).unwrap(), plainly(&value));
            prop_assert_eq!(decode::<Value>(&bytes).unwrap(), value);
        }

        #[test]
        fn what_is_accepted_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if check(&bytes).is_ok() {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(encode(&value).unwrap(), bytes);
            }
        }
    }
}
