//! Values and keys as JSON, and keys as paths of URLs. `VALUES.md` beside this crate has the tables.
//!
//! What JSON has is itself: `null`, booleans, finite numbers, strings, lists, objects. Everything else is an object with
//! a `__type` and, but for `undefined`, a `value`. Nothing is lost: what is printed reads as what it was, to the width
//! of numbers.

mod date;
mod key;
mod path;
mod plain;
mod read;
mod sent;
mod write;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Number, Value as Json, json};

use crate::{Error, Result, Value, structured::Structured};

pub(crate) use self::plain::Plain;
pub use self::{
    key::{KeyJson, key_from_json, key_to_json},
    path::{key_from_path, key_to_path},
    sent::value_from_text,
};

/// What makes an object more than an object.
const TYPE: &str = "__type";
/// What makes an object the time of the write.
const NOW: &str = "$now";
/// Decimal digits of a bigint; a longer one is hexadecimal, for decimal ones take the square of their number.
const MOST_DIGITS: usize = 10_000;
/// Hexadecimal ones: a mebibyte, which no value is larger than.
const MOST_HEX: usize = 2 << 20;
/// The greatest integer up to which doubles have all of them.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// A value as JSON.
///
/// # Errors
/// [`Error::InvalidValue`] if it is not what V8 serializes, as [`Structured::decode`] says it.
pub fn value_to_json(value: &Value) -> Result<Json> {
    Ok(match value {
        Value::U64(number) => tagged("u64", number.to_string()),
        Value::Bytes(bytes) => write::bytes(bytes),
        Value::V8(data) => write::whole(&Structured::decode(data)?),
    })
}

/// A value from JSON: what [`value_to_json`] prints, or any other.
///
/// With a `now`, in milliseconds since the Unix epoch, `{"$now":true,"$offset":ms}` anywhere in it becomes that time
/// plus the offset; `offset` without the dollar means the same.
///
/// # Errors
/// [`Error::InvalidValue`] for a `__type` that is unknown or whose value is wrong, and for what is nested deeper than
/// [`MAX_DEPTH`](crate::structured::MAX_DEPTH).
pub fn value_from_json(json: &Json, now: Option<u64>) -> Result<Value> {
    read::value(json, now)
}

fn tagged(name: &str, value: impl Into<Json>) -> Json {
    let value: Json = value.into();
    json!({ TYPE: name, "value": value })
}

/// Bytes as [`value_to_json`] has them, written at once.
pub(crate) fn write_bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    write_tagged("bytes", &BASE64_STANDARD.encode(bytes), to)
}

/// As [`tagged`], written at once.
pub(crate) fn write_tagged<S: Serializer>(
    name: &str,
    value: &(impl Serialize + ?Sized),
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut object = to.serialize_map(Some(2))?;
    object.serialize_entry(TYPE, name)?;
    object.serialize_entry("value", value)?;
    object.end()
}

/// A double: integers as such, and tagged what JSON has not.
fn number(number: f64) -> Json {
    if let Some(integer) = integer(number) {
        return integer.into();
    }
    match Number::from_f64(number) {
        Some(finite) if is_plain(number) => Json::Number(finite),
        _ => tagged("number", special(number)),
    }
}

/// As [`number`], written at once.
fn write_number<S: Serializer>(number: f64, to: S) -> Result<S::Ok, S::Error> {
    match integer(number) {
        Some(integer) => to.serialize_i64(integer),
        None if is_plain(number) => to.serialize_f64(number),
        None => write_tagged("number", special(number), to),
    }
}

/// What is printed as an integer: those of which doubles have all.
fn integer(number: f64) -> Option<i64> {
    let integer = number as i64;
    (number.abs() <= MAX_SAFE && (integer as f64).to_bits() == number.to_bits()).then_some(integer)
}

/// Has JSON that number?
fn is_plain(number: f64) -> bool {
    number.is_finite() && number.to_bits() != (-0.0_f64).to_bits()
}

/// The names of numbers that JSON has not.
fn special(number: f64) -> &'static str {
    match (number.is_nan(), number == 0.0, number.is_sign_negative()) {
        (true, _, false) => "NaN",
        (true, _, true) => "-NaN",
        (_, true, _) => "-0",
        (_, _, false) => "Infinity",
        (_, _, true) => "-Infinity",
    }
}

fn from_special(name: &str) -> Option<f64> {
    Some(match name {
        "NaN" => f64::NAN.copysign(1.0),
        "-NaN" => f64::NAN.copysign(-1.0),
        "-0" => -0.0,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    })
}

/// The name and value of a tagged object; `None` if it is another.
fn tag(json: &Json) -> Result<Option<(&str, &Json)>> {
    let Some(object) = json.as_object() else { return Ok(None) };
    let Some(name) = object.get(TYPE) else { return Ok(None) };
    let name = name.as_str().ok_or_else(|| unknown(name))?;
    match object.keys().find(|name| *name != TYPE && *name != "value") {
        Some(other) => Err(Error::InvalidValue(
            format!("beside \"{TYPE}\" is only \"value\", but there is {other:?}; {ESCAPE}").into(),
        )),
        None => Ok(Some((name, object.get("value").unwrap_or(&Json::Null)))),
    }
}

const ESCAPE: &str = "an object with such a name of its own is written as a list of its names and values: \
    {\"__type\":\"object\",\"value\":[[\"name\",…],…]}";

fn unknown(name: &Json) -> Error {
    Error::InvalidValue(format!("there is no \"{TYPE}\" {name}; {ESCAPE}").into())
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::InvalidValue(format!("the value of \"{TYPE}\" \"{name}\" is {expected}").into())
}
