//! Keys as JSON: lists of their parts.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::{MAX_SAFE, from_special, read, tag, write_bytes, write_number, write_tagged};
use crate::{Error, Key, Part, Result};

/// A key as a list: strings, numbers and booleans as such, bigints, bytes and numbers that JSON has not as in values.
pub fn key_to_json(key: &Key) -> Json {
    // Nothing of it can fail.
    serde_json::to_value(KeyJson(key)).unwrap_or_default()
}

/// A key as [`key_to_json`] has it, written at once.
#[derive(Clone, Copy, Debug)]
pub struct KeyJson<'a>(pub &'a Key);

impl Serialize for KeyJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.parts().iter().map(PartJson))
    }
}

struct PartJson<'a>(&'a Part);

impl Serialize for PartJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Part::Bytes(bytes) => write_bytes(bytes, to),
            Part::String(text) => to.serialize_str(text),
            Part::BigInt(integer) => write_tagged("bigint", &integer.to_string(), to),
            Part::Number(of) => write_number(*of, to),
            Part::Bool(of) => to.serialize_bool(*of),
        }
    }
}

/// A key from a list of its parts, as [`key_to_json`] prints it. An empty one is a prefix.
///
/// # Errors
/// [`Error::InvalidKey`] if it is no list, or if a part is of a type that no part has, or an integer that no double is;
/// [`Error::InvalidValue`] if a tagged part's value is wrong.
pub fn key_from_json(json: &Json) -> Result<Key> {
    let parts = json.as_array().ok_or(Error::InvalidKey("it is a list of parts in JSON".into()))?;
    let parts = parts.iter().map(part_from_json).collect::<Result<Vec<_>>>()?;
    Key::new(&parts)
}

fn part_from_json(json: &Json) -> Result<Part> {
    const TYPES: Error = Error::InvalidKey(Cow::Borrowed(
        "a part is a string, a number, a boolean, or an object whose \"__type\" is \"bigint\", \"bytes\" or \"number\"",
    ));
    match json {
        Json::String(text) => Ok(text.into()),
        Json::Bool(of) => Ok((*of).into()),
        Json::Number(of) => {
            // Another key must not be meant by a number that was rounded.
            let exact = of.is_f64() || of.as_i64().is_some_and(|of| of.unsigned_abs() <= MAX_SAFE as u64);
            let of = of.as_f64().filter(|_| exact);
            of.map(Part::Number).ok_or(Error::InvalidKey("an integer beyond 2^53 in it has to be a bigint".into()))
        }
        Json::Object(_) => match tag(json)? {
            Some(("bigint", value)) => Ok(Part::BigInt(read::big(value)?)),
            Some(("bytes", value)) => Ok(Part::Bytes(read::base64("bytes", value)?)),
            Some(("number", value)) => value.as_str().and_then(from_special).map(Part::Number).ok_or(TYPES),
            _ => Err(TYPES),
        },
        Json::Null | Json::Array(_) => Err(TYPES),
    }
}
