//! From values to JSON.

use base64::{Engine, prelude::BASE64_STANDARD};
use num_bigint::BigInt;
use serde_json::{Map, Value as Json, json};

use super::{MOST_DIGITS, NOW, TYPE, date, number, tagged};
use crate::structured::{Failure, Property, Structured, Text, View, ViewKind, regexp_flags};

pub(super) fn bytes(bytes: &[u8]) -> Json {
    tagged("bytes", BASE64_STANDARD.encode(bytes))
}

/// A whole value. An array of bytes is printed as the view it is: stored bytes are another value.
pub(super) fn whole(from: &Structured) -> Json {
    match from {
        Structured::View(from) => view(from),
        _ => any(from),
    }
}

fn any(from: &Structured) -> Json {
    match from {
        Structured::Undefined => json!({ TYPE: "undefined" }),
        Structured::Null => Json::Null,
        Structured::Bool(from) => (*from).into(),
        Structured::Int(from) => (*from).into(),
        Structured::Double(from) => number(*from),
        Structured::BigInt(from) => tagged("bigint", big(from)),
        Structured::String(from) => text(from),
        Structured::Reference(id) => tagged("reference", *id),
        Structured::Date(time) => tagged("date", moment(*time)),
        Structured::RegExp(source, flags) => {
            tagged("regexp", json!({ "source": text(source), "flags": regexp_flags(*flags) }))
        }
        Structured::Boxed(inner) => tagged("boxed", any(inner)),
        Structured::Array(elements, rest) => array(elements, rest),
        Structured::Sparse(length, elements) => {
            tagged("array", json!({ "length": length, "properties": pairs(elements) }))
        }
        Structured::Object(all) => object(all),
        Structured::Map(entries) => {
            tagged("map", entries.iter().map(|(key, of)| json!([any(key), any(of)])).collect::<Vec<_>>())
        }
        Structured::Set(members) => tagged("set", members.iter().map(any).collect::<Vec<_>>()),
        Structured::Buffer(bytes, None) => tagged("arraybuffer", BASE64_STANDARD.encode(bytes)),
        Structured::Buffer(bytes, Some(most)) => {
            tagged("arraybuffer", json!({ "bytes": BASE64_STANDARD.encode(bytes), "maxByteLength": most }))
        }
        Structured::View(from) => match whole_bytes(from) {
            Some(all) => bytes(all),
            None => view(from),
        },
        Structured::Error(from) => failure(from),
    }
}

/// Of a `Uint8Array` that has its buffer to itself.
fn whole_bytes(from: &View) -> Option<&[u8]> {
    let Structured::Buffer(bytes, None) = &from.buffer else { return None };
    let whole = from.kind == ViewKind::Uint8 && from.flags == 0 && from.length as usize == bytes.len();
    whole.then_some(bytes)
}

pub(super) fn big(from: &BigInt) -> String {
    // A digit is more than 3 bits.
    if from.bits() <= 3 * MOST_DIGITS as u64 { from.to_string() } else { format!("{from:#x}") }
}

fn text(from: &Text) -> Json {
    match from {
        Text::Utf8(text) => text.as_str().into(),
        Text::Utf16(units) => tagged("string", units.as_slice()),
    }
}

fn moment(time: f64) -> Json {
    match date::print(time) {
        Some(text) => text.into(),
        None if time.abs() <= date::MOST => number(time),
        None => Json::Null,
    }
}

fn array(elements: &[Option<Structured>], rest: &[Property]) -> Json {
    let element = |element: &Option<Structured>| element.as_ref().map_or_else(|| json!({ TYPE: "hole" }), any);
    let list: Vec<Json> = elements.iter().map(element).collect();
    if rest.is_empty() && elements.iter().all(Option::is_some) {
        return list.into();
    }
    tagged("array", json!({ "elements": list, "properties": pairs(rest) }))
}

fn pairs(all: &[Property]) -> Json {
    all.iter().map(|(name, of)| json!([text(name), any(of)])).collect()
}

fn object(all: &[Property]) -> Json {
    let mut object = Map::new();
    for (name, of) in all {
        let plain = name.as_str().filter(|name| *name != TYPE && *name != NOW && !object.contains_key(*name));
        let Some(name) = plain else { return tagged("object", pairs(all)) };
        object.insert(name.to_owned(), any(of));
    }
    object.into()
}

fn view(from: &View) -> Json {
    let mut value = json!({
        "kind": from.kind.name(), "offset": from.offset, "length": from.length, "buffer": any(&from.buffer),
    });
    if from.flags != 0 {
        value["flags"] = from.flags.into();
    }
    tagged("view", value)
}

fn failure(from: &Failure) -> Json {
    let mut value = json!({ "name": from.name.name() });
    if let Some(message) = &from.message {
        value["message"] = text(message);
    }
    if let Some(cause) = &from.cause {
        value["cause"] = any(cause);
    }
    if let Some(stack) = &from.stack {
        value["stack"] = text(stack);
    }
    tagged("error", value)
}
