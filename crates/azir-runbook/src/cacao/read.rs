//! Bytes of a stranger into one JSON value: bounded, and nothing repaired.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Largest playbook that is read, in bytes (bounded input, D-014).
pub const BYTES_MAX: usize = 5 * 1024 * 1024;
/// Deepest nesting of arrays and objects that is read (bounded input, D-014).
pub const DEPTH_MAX: usize = 64;
/// Most workflow steps that are read; our own largest export has fewer than a tenth of it.
pub const STEPS_MAX: usize = 10_000;
/// Most edges between workflow steps that are read.
pub const EDGES_MAX: usize = 20_000;

/// Why bytes were not read as a playbook; one variant per remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Longer than this crate reads.
    #[error("{size} bytes, at most {BYTES_MAX}; a playbook is text, split it")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Nested deeper than this crate reads.
    #[error("nested deeper than {DEPTH_MAX} at byte {at}; flatten it")]
    TooDeep {
        /// Offset of the bracket that is one too many.
        at: usize,
    },
    /// No JSON.
    #[error("not JSON: {why}; write it again with a JSON tool")]
    Syntax {
        /// What the parser says, with line and column.
        why: String,
    },
    /// A member stands twice in one object: which of the two was meant cannot be told.
    #[error("{why}; remove one of the two")]
    Duplicate {
        /// Which member, with line and column.
        why: String,
    },
    /// JSON, but no object.
    #[error("a playbook is a JSON object; this is {found}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// More workflow steps or edges than this crate follows.
    #[error("{found} {what}, at most {max}; split the playbook")]
    TooMany {
        /// Steps or edges.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
}

/// Reads one JSON object.
///
/// # Errors
/// Size before anything else, then depth, then syntax and members that stand twice.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, ImportError> {
    if text.len() > BYTES_MAX {
        return Err(ImportError::TooLarge { size: text.len() });
    }
    depth(text)?;
    let read = serde_json::from_slice::<Strict>(text).map_err(|e| {
        // Any value is accepted, so the only data errors are those raised below.
        let why = e.to_string();
        if e.is_data() { ImportError::Duplicate { why } } else { ImportError::Syntax { why } }
    })?;
    match read.0 {
        Value::Object(members) => Ok(members),
        Value::Array(_) => Err(ImportError::NotAnObject { found: "an array" }),
        Value::String(_) => Err(ImportError::NotAnObject { found: "a string" }),
        Value::Number(_) => Err(ImportError::NotAnObject { found: "a number" }),
        Value::Bool(_) => Err(ImportError::NotAnObject { found: "a boolean" }),
        Value::Null => Err(ImportError::NotAnObject { found: "null" }),
    }
}

/// Counts brackets outside strings, without recursion, before the parser recurses.
fn depth(text: &[u8]) -> Result<(), ImportError> {
    let (mut deep, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                deep += 1;
                if deep > DEPTH_MAX {
                    return Err(ImportError::TooDeep { at });
                }
            }
            b']' | b'}' => deep = deep.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// A value whose objects name each member once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members).map(Strict)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("member {name:?} stands twice")));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}
