//! Values that JSON has as they lie: read from V8's bytes into what borrows from them, and written without a tree.
//!
//! Almost all values are such. What is not (see [`Plain::read`]) goes by way of [`Structured`](crate::structured), and
//! so do bytes that are not V8's; both ways print the same.

use std::{borrow::Cow, collections::HashSet};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{NOW, TYPE, date, write, write_bytes, write_number, write_tagged};
use crate::structured::{
    MAX_DEPTH, ViewKind,
    scan::{Scanner, Str, clip},
};

/// Names of an object that are compared each with each; of more, it is looked up whether they are there.
const FEW: usize = 16;

/// A value of which no part's form depends on another part.
pub(crate) enum Plain<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    BigInt(String),
    Date(String),
    Bytes(&'a [u8]),
    List(Vec<Self>),
    /// No name is there twice, and none is one that means something.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Plain<'a> {
    /// From what V8 serialized. `None` if it is not that, or if there is anything in it but `undefined`, `null`,
    /// booleans, numbers, bigints, strings of whole characters, dates of years of four digits, a `Uint8Array` that is
    /// not all of it, arrays without holes and other properties, and objects that are so in JSON, too.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { from: Scanner::new(bytes).ok()?, depth: 0 };
        let value = reader.value()?;
        reader.from.end().ok()?;
        Some(value)
    }
}

struct Reader<'a> {
    from: Scanner<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Plain<'a>> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let from = &mut self.from;
        let value = match from.tag().ok()? {
            b'_' => Plain::Undefined,
            b'0' => Plain::Null,
            b'T' => Plain::Bool(true),
            b'F' => Plain::Bool(false),
            b'I' => Plain::Number(from.zigzag().ok()?.into()),
            b'U' => Plain::Number(from.varint().ok()?.into()),
            b'N' => Plain::Number(from.double().ok()?),
            b'Z' => Plain::BigInt(write::big(&from.big().ok()?)),
            b'D' => Plain::Date(date::print(clip(from.double().ok()?))?),
            tag @ (b'"' | b'c' | b'S') => Plain::Text(whole(from.text_of(tag).ok()?)?),
            b'A' => self.list()?,
            b'o' => self.object()?,
            // As a whole value it is printed as the view it is.
            b'B' if self.depth > 1 => self.bytes()?,
            _ => return None,
        };
        self.depth -= 1;
        Some(value)
    }

    fn list(&mut self) -> Option<Plain<'a>> {
        let length = self.from.elements().ok()?;
        // What it says of its length is not believed.
        let mut elements = Vec::with_capacity(length.min(1024) as usize);
        for _ in 0..length {
            // A hole is no value.
            elements.push(self.value()?);
        }
        let alone = self.from.eat(b'$') && self.from.varint().ok()? == 0 && self.from.varint().ok()? == length;
        alone.then_some(Plain::List(elements))
    }

    fn object(&mut self) -> Option<Plain<'a>> {
        let mut all = Vec::with_capacity(4);
        while !self.from.eat(b'{') {
            let name = whole(self.from.name().ok()?).filter(|name| *name != TYPE && *name != NOW)?;
            all.push((name, self.value()?));
        }
        let counted = self.from.varint().ok()? as usize == all.len();
        (counted && !is_twice(&all)).then_some(Plain::Object(all))
    }

    fn bytes(&mut self) -> Option<Plain<'a>> {
        let from = &mut self.from;
        let length = from.varint().ok()?;
        let bytes = from.take(length as usize).ok()?;
        let whole = from.eat(b'V')
            && from.varint().ok()? == u32::from(ViewKind::Uint8.tag())
            && from.varint().ok()? == 0
            && from.varint().ok()? == length
            && from.view_flags().ok()? == 0;
        whole.then_some(Plain::Bytes(bytes))
    }
}

fn whole(text: Str<'_>) -> Option<Cow<'_, str>> {
    match text {
        Str::Utf8(text) => Some(text),
        Str::Utf16(_) => None,
    }
}

/// Is there a name twice?
pub(super) fn is_twice<T>(all: &[(Cow<'_, str>, T)]) -> bool {
    let mut names = all.iter().map(|(name, _)| name);
    if all.len() > FEW {
        let mut known = HashSet::with_capacity(all.len());
        return !names.all(|name| known.insert(name));
    }
    while let Some(name) = names.next() {
        if names.clone().any(|other| other == name) {
            return true;
        }
    }
    false
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undefined => {
                let mut object = to.serialize_map(Some(1))?;
                object.serialize_entry(TYPE, "undefined")?;
                object.end()
            }
            Self::Null => to.serialize_unit(),
            Self::Bool(from) => to.serialize_bool(*from),
            Self::Number(from) => write_number(*from, to),
            Self::Text(from) => to.serialize_str(from),
            Self::BigInt(from) => write_tagged("bigint", from, to),
            Self::Date(from) => write_tagged("date", from, to),
            Self::Bytes(from) => write_bytes(from, to),
            Self::List(elements) => to.collect_seq(elements),
            Self::Object(all) => to.collect_map(all.iter().map(|(name, value)| (name, value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        Value,
        json::{value_from_json, value_to_json},
    };

    fn text(data: &[u8]) -> Option<String> {
        Plain::read(data).map(|plain| serde_json::to_string(&plain).expect("JSON"))
    }

    #[test]
    fn what_is_plain_is_printed_as_its_tree() {
        let names: Json = (0..=FEW).map(|n| (format!("n{n}"), n.into())).collect::<serde_json::Map<_, _>>().into();
        for json in [
            json!(null),
            json!([true, false, 0, -1, 0.5, 1e300, 9_007_199_254_740_991_i64, 9_007_199_254_740_992.0]),
            json!({ "b": 1, "a": { "7": [], "x": {} }, "5": "\"\\\n\u{1}é€😀\u{2028}", "": "" }),
            json!([{ "__type": "number", "value": "NaN" }, { "__type": "number", "value": "-0" }]),
            json!([{ "__type": "undefined" }, { "__type": "bigint", "value": "-123456789012345678901234567890" }]),
            json!([{ "__type": "date", "value": "2026-01-31T23:59:59.999Z" }, { "__type": "bytes", "value": "AQI=" }]),
            names,
        ] {
            let Ok(Value::V8(data)) = value_from_json(&json, None) else { panic!("{json}") };
            assert_eq!(text(&data), Some(json.to_string()));
        }
    }

    #[test]
    fn what_is_not_plain_takes_the_long_way() {
        let names = |again: &str| {
            let names = (0..FEW).map(|n| json!([format!("n{n}"), n])).chain([json!([again, 1])]);
            json!({ "__type": "object", "value": names.collect::<Json>() })
        };
        for json in [
            json!([{ "__type": "string", "value": [0xd800] }]),
            json!({ "__type": "object", "value": [["__type", 1]] }),
            json!({ "__type": "object", "value": [["$now", 1]] }),
            json!({ "__type": "object", "value": [["a", 1], ["b", 1], ["a", 2]] }),
            json!({ "__type": "object", "value": [[{ "__type": "string", "value": [0xd800] }, 1]] }),
            names("n3"),
            json!([{ "__type": "date", "value": null }, { "__type": "date", "value": 8.64e15 as i64 }]),
            json!({ "__type": "map", "value": [] }),
            json!({ "__type": "set", "value": [] }),
            json!({ "__type": "array", "value": { "elements": [1, { "__type": "hole" }], "properties": [] } }),
            json!({ "__type": "array", "value": { "elements": [], "properties": [["x", 1]] } }),
            json!({ "__type": "array", "value": { "length": 9, "properties": [] } }),
            json!([{ "__type": "arraybuffer", "value": "AQI=" }]),
            json!([{ "__type": "view", "value": {
                "kind": "Int8Array", "offset": 0, "length": 1, "buffer": { "__type": "arraybuffer", "value": "AQ==" },
            } }]),
            // The view of the whole buffer, which stored bytes are not.
            json!({ "__type": "view", "value": {
                "kind": "Uint8Array", "offset": 0, "length": 1, "buffer": { "__type": "arraybuffer", "value": "AQ==" },
            } }),
            json!([{ "__type": "reference", "value": 0 }]),
        ] {
            let Ok(Value::V8(data)) = value_from_json(&json, None) else { panic!("{json}") };
            assert_eq!(text(&data), None, "{json}");
        }
        assert!(text(&value(&names("new"))).is_some());
    }

    fn value(json: &Json) -> Vec<u8> {
        value_from_json(json, None).expect("a value").to_data()
    }

    #[test]
    fn other_writers_choices_are_the_same() {
        for (data, json) in [
            (b"\0S\x03\xe2\x82\xac".as_slice(), Some(json!("€"))),
            (b"o\0U\x05\"\x01aI\x0cT{\x02\0", Some(json!({ "5": "a", "6": true }))),
            // The same name as a number and as a string.
            (b"oI\x0aT\"\x015T{\x02", None),
            (b"oU\x05TN\0\0\0\0\0\0\x14@T{\x02", None),
            (b"o\"\x01aT{\x02", None),
            (b"A\x01T$\0\x02", None),
            (b"A\x02T$\0\x02", None),
            (b"A\x01B\x01\x07VB\0\x01\0$\0\x01", Some(json!([{ "__type": "bytes", "value": "Bw==" }]))),
            (b"A\x01B\x01\x07VB\0\x01\x02$\0\x01", None),
            (b"A\x01B\x02\x07\x07VB\0\x01\0$\0\x01", None),
            (b"TT", None),
            (b"S\x01\xff", None),
            (b"c\x01a", None),
            (b"", None),
        ] {
            let data = [b"\xff\x0f".as_slice(), data].concat();
            assert_eq!(text(&data), json.as_ref().map(Json::to_string), "{data:?}");
            let tree = value_to_json(&Value::V8(data.into()));
            assert!(json.is_none() || tree == Ok(json.unwrap_or_default()));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| value(&(1..depth).fold(json!(1), |inner, _| json!([inner])));
        assert!(text(&nested(MAX_DEPTH)).is_some());
        let deeper = [b"\xff\x0f".as_slice(), &b"A\x01".repeat(100_000), b"T", &b"$\0\x01".repeat(100_000)].concat();
        assert_eq!(text(&deeper), None);
    }
}
