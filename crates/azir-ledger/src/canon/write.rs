//! Writes canonical bytes straight from a value, without an untyped tree in between.
//!
//! Members are written as they come and put in order when their object ends, if they are not in
//! order already.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::{CanonError, DEPTH_MAX, INTEGER_MAX, Scan, write_string};

type Done = Result<(), CanonError>;

impl ser::Error for CanonError {
    fn custom<T: Display>(message: T) -> Self {
        refuse(&message.to_string())
    }
}

fn refuse(why: &str) -> CanonError {
    CanonError::Unencodable { why: why.to_owned() }
}

/// Writes one value at the end of `out`.
pub(super) fn value<T: Serialize + ?Sized>(value: &T, depth: usize, out: &mut String) -> Done {
    if depth > DEPTH_MAX {
        return Err(refuse("nested deeper than 32"));
    }
    value.serialize(Writer { out, depth })
}

struct Writer<'a> {
    out: &'a mut String,
    depth: usize,
}

impl<'a> Writer<'a> {
    fn null(self) -> CanonError {
        refuse("null; leave the member out")
    }

    fn array(self, close: &'static str) -> Items<'a> {
        self.out.push('[');
        Items { out: self.out, depth: self.depth + 1, first: true, close }
    }

    fn object(self, close: &'static str) -> Members<'a> {
        self.out.push('{');
        let start = self.out.len();
        Members { out: self.out, depth: self.depth + 1, start, starts: Vec::new(), close }
    }

    /// The beginning of `{"variant":...}`; the content lies one level deeper.
    fn variant(self, variant: &str) -> Result<Self, CanonError> {
        self.out.push('{');
        write_string(variant, self.out);
        self.out.push(':');
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            Err(refuse("nested deeper than 32"))
        } else {
            Ok(Self { depth, ..self })
        }
    }
}

fn integer(magnitude: u64, negative: bool, out: &mut String) -> Done {
    if magnitude > INTEGER_MAX {
        return Err(not_an_integer());
    }
    if negative {
        out.push('-');
    }
    let mut digits = [0_u8; 20];
    let (mut at, mut rest) = (digits.len(), magnitude);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
    Ok(())
}

fn not_an_integer() -> CanonError {
    refuse("a float, or an integer above 2^53-1; use a decimal string")
}

macro_rules! integers {
    (unsigned $($method:ident $type:ty;)*) => {
        $(fn $method(self, v: $type) -> Done {
            integer(u64::from(v), false, self.out)
        })*
    };
    (signed $($method:ident $type:ty;)*) => {
        $(fn $method(self, v: $type) -> Done {
            integer(u64::from(v.unsigned_abs()), v < 0, self.out)
        })*
    };
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = CanonError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    integers! {
        unsigned serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
    }

    integers! {
        signed serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
    }

    fn serialize_u128(self, v: u128) -> Done {
        integer(u64::try_from(v).map_err(|_| not_an_integer())?, false, self.out)
    }

    fn serialize_i128(self, v: i128) -> Done {
        let magnitude = u64::try_from(v.unsigned_abs()).map_err(|_| not_an_integer())?;
        integer(magnitude, v < 0, self.out)
    }

    fn serialize_bool(self, v: bool) -> Done {
        self.out.push_str(if v { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Done {
        Err(not_an_integer())
    }

    fn serialize_f64(self, _: f64) -> Done {
        Err(not_an_integer())
    }

    fn serialize_char(self, v: char) -> Done {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Done {
        write_string(v, self.out);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Done {
        self.collect_seq(v)
    }

    fn serialize_none(self) -> Done {
        Err(self.null())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Done {
        v.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Err(self.null())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Err(self.null())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Done {
        v.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Done {
        let Writer { out, depth } = self.variant(variant)?;
        value(v, depth, out)?;
        out.push('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, CanonError> {
        Ok(self.array("]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, CanonError> {
        Ok(self.array("]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, CanonError> {
        Ok(self.array("]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, CanonError> {
        Ok(self.variant(variant)?.array("]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, CanonError> {
        Ok(self.object("}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, CanonError> {
        Ok(self.object("}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, CanonError> {
        Ok(self.variant(variant)?.object("}}"))
    }
}

/// An array that is being written.
struct Items<'a> {
    out: &'a mut String,
    depth: usize,
    first: bool,
    close: &'static str,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Done {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        value(item, self.depth, self.out)
    }

    fn close(self) {
        self.out.push_str(self.close);
    }
}

macro_rules! items {
    ($($of:ident $method:ident;)*) => {
        $(impl ser::$of for Items<'_> {
            type Ok = ();
            type Error = CanonError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Done {
                self.item(item)
            }

            fn end(self) -> Done {
                self.close();
                Ok(())
            }
        })*
    };
}
items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// An object that is being written: each member is followed by a comma until it ends.
struct Members<'a> {
    out: &'a mut String,
    depth: usize,
    start: usize,
    /// Where each member begins, from `start`, and where its value does.
    starts: Vec<(usize, usize)>,
    close: &'static str,
}

impl Members<'_> {
    /// A member's name, which is a string, or what stands for one as the key of a map.
    fn name<T: Serialize + ?Sized>(&mut self, name: &T) -> Done {
        let at = self.out.len();
        value(name, self.depth, self.out)?;
        match self.out.as_bytes().get(at) {
            Some(b'"') => {}
            Some(b'{' | b'[') => return Err(refuse("a member whose name is no string")),
            _ => {
                self.out.insert(at, '"');
                self.out.push('"');
            }
        }
        self.out.push(':');
        self.starts.push((at - self.start, self.out.len() - self.start));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, item: &T) -> Done {
        value(item, self.depth, self.out)?;
        self.out.push(',');
        Ok(())
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, item: &T) -> Done {
        self.name(name)?;
        self.value(item)
    }

    fn close(self) -> Done {
        let text = &self.out[self.start..];
        // The name lies between its quotes, before the colon.
        let name = |at: &(usize, usize)| name_text(&text[at.0..at.1 - 1]);
        let follows = |pair: &[(usize, usize)]| order(&name(&pair[0]), &name(&pair[1]));
        if !self.starts.windows(2).all(|pair| follows(pair) == Ordering::Less) {
            let ends = self.starts.iter().skip(1).map(|at| at.0).chain([text.len()]);
            let mut members: Vec<_> = self
                .starts
                .iter()
                .zip(ends)
                .map(|(at, end)| (name(at), &text[at.0..end]))
                .collect();
            members.sort_by(|a, b| order(&a.0, &b.0));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(refuse("two members of one name"));
            }
            let sorted: String = members.iter().map(|(_, text)| *text).collect();
            self.out.truncate(self.start);
            self.out.push_str(&sorted);
        }
        if !self.starts.is_empty() {
            self.out.pop();
        }
        self.out.push_str(self.close);
        Ok(())
    }
}

/// The order of member names: by UTF-16 units (RFC 8785), which for ASCII is that of bytes.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// What a name that was just written stands for.
fn name_text(written: &str) -> Cow<'_, str> {
    if written.as_bytes().contains(&b'\\') {
        let text = Scan { bytes: written.as_bytes(), at: 0 }.string();
        // Invariant: what was written by `write_string` is read back.
        text.unwrap_or_default()
    } else {
        Cow::Borrowed(written.get(1..written.len() - 1).unwrap_or_default())
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = CanonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.name(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.value(value)
    }

    fn end(self) -> Done {
        self.close()
    }
}

macro_rules! members {
    ($($of:ident)*) => {
        $(impl ser::$of for Members<'_> {
            type Ok = ();
            type Error = CanonError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                item: &T,
            ) -> Done {
                self.member(name, item)
            }

            fn end(self) -> Done {
                self.close()
            }
        })*
    };
}
members!(SerializeStruct SerializeStructVariant);
