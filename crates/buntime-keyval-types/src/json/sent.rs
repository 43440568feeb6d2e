//! Values from the text of JSON, without a tree of it: what clients send.
//!
//! Almost all of it is nothing but JSON. What means more, is wrong, or has a name twice is for
//! [`value_from_json`](super::value_from_json), which makes the same of the rest.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

use super::{NOW, TYPE, plain::is_twice};
use crate::{
    Value,
    structured::{MAX_DEPTH, Structured, write},
};

/// What [`value_from_json`](super::value_from_json) makes of that text at any time. `None` if it has to be asked: there
/// is a `__type` or a `$now` in it, a name twice, too much within each other, or it is no JSON at all.
pub fn value_from_text(text: &[u8]) -> Option<Value> {
    let sent: Sent<'_> = serde_json::from_slice(text).ok()?;
    let mut data = Vec::with_capacity(text.len() + write::HEAD.len());
    data.extend(write::HEAD);
    sent.encode(0, &mut data)?;
    Some(Value::V8(data.into()))
}

/// JSON that means nothing more.
enum Sent<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl Sent<'_> {
    fn encode(&self, depth: usize, out: &mut Vec<u8>) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        match self {
            Self::Null => out.push(b'0'),
            Self::Bool(from) => out.push(if *from { b'T' } else { b'F' }),
            Self::Number(from) => match Structured::number(*from) {
                Structured::Int(small) => write::int(small, out),
                _ => write::double(b'N', *from, out),
            },
            Self::Text(from) => write::string(from, out),
            Self::List(elements) => {
                let length = write::length(elements.len());
                write::tagged(b'A', length, out);
                elements.iter().try_for_each(|element| element.encode(depth + 1, out))?;
                write::tagged(b'$', 0, out);
                write::varint(length, out);
            }
            Self::Object(all) => {
                out.push(b'o');
                for (name, of) in all {
                    write::name(name, out);
                    of.encode(depth + 1, out)?;
                }
                write::tagged(b'{', write::length(all.len()), out);
            }
        }
        Some(())
    }
}

impl<'de> Deserialize<'de> for Sent<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnySent)
    }
}

struct AnySent;

impl<'de> Visitor<'de> for AnySent {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain JSON")
    }

    fn visit_unit<E>(self) -> Result<Sent<'de>, E> {
        Ok(Sent::Null)
    }

    fn visit_bool<E>(self, from: bool) -> Result<Sent<'de>, E> {
        Ok(Sent::Bool(from))
    }

    // As JavaScript reads them: integers beyond 2^53 are rounded.
    fn visit_i64<E>(self, from: i64) -> Result<Sent<'de>, E> {
        Ok(Sent::Number(from as f64))
    }

    fn visit_u64<E>(self, from: u64) -> Result<Sent<'de>, E> {
        Ok(Sent::Number(from as f64))
    }

    fn visit_f64<E>(self, from: f64) -> Result<Sent<'de>, E> {
        Ok(Sent::Number(from))
    }

    fn visit_borrowed_str<E>(self, from: &'de str) -> Result<Sent<'de>, E> {
        Ok(Sent::Text(from.into()))
    }

    fn visit_str<E>(self, from: &str) -> Result<Sent<'de>, E> {
        Ok(Sent::Text(from.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Sent<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = from.next_element()? {
            elements.push(element);
        }
        Ok(Sent::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Sent<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(Name(name)) = from.next_key()? {
            if name == TYPE || name == NOW {
                return Err(A::Error::custom("it means more"));
            }
            all.push((name, from.next_value()?));
        }
        if is_twice(&all) {
            return Err(A::Error::custom("a name is there twice"));
        }
        Ok(Sent::Object(all))
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::json::value_from_json;

    #[test]
    fn plain_text_is_what_its_json_is() {
        for text in [
            "null",
            " [true, false, 0, -0, -0.0, 1.5, 2147483648, -2147483649, 18446744073709551615, 1e300] ",
            r#"{"b":1,"a":{"7":[],"4294967294":{},"4294967295":"","01":0},"x\n":"\"é€😀\u0000","":"€"}"#,
            r#"["€","a","€",["é"]]"#,
        ] {
            let json: Json = serde_json::from_str(text).expect("JSON");
            assert_eq!(
                value_from_text(text.as_bytes()),
                Some(value_from_json(&json, None).expect("a value")),
                "{text}"
            );
        }
    }

    #[test]
    fn the_rest_is_read_as_json() {
        for text in [
            "",
            "[1,]",
            "1 2",
            "1e400",
            r#""\ud800""#,
            r#"[{"__type":"undefined"}]"#,
            r#"{"\u005f_type":1}"#,
            r#"{"a":{"$now":true}}"#,
            r#"{"a":1,"b":2,"a":3}"#,
        ] {
            assert_eq!(value_from_text(text.as_bytes()), None, "{text}");
        }
        assert_eq!(value_from_text(b"\"\xff\""), None);
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes();
        assert!(value_from_text(&nested(MAX_DEPTH)).is_some());
        assert_eq!(value_from_text(&nested(MAX_DEPTH + 1)), None);
        assert_eq!(value_from_text(&nested(100_000)), None);
    }
}
