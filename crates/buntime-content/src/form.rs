//! `application/x-www-form-urlencoded`: pairs of texts, and the object they are.
//!
//! A name that comes once is a text, one that comes several times a list of texts, in their order. Written are texts,
//! numbers and booleans, and lists of those; `null` and the empty list are no pair at all.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// The pairs of a form or query in their order, decoded. `None` where a name or value is not UTF-8.
pub fn pairs(text: &str) -> impl Iterator<Item = Option<(Cow<'_, str>, Cow<'_, str>)>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    })
}

/// A name or value as it was meant; `None` if it is not UTF-8.
pub fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

/// Adds a pair to a form or query.
pub fn push(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    out.extend(form_urlencoded::byte_serialize(name.as_bytes()));
    out.push('=');
    out.extend(form_urlencoded::byte_serialize(value.as_bytes()));
}

/// Reads a form as an object.
///
/// # Errors
/// It is not UTF-8, as it is or once it is decoded.
pub fn read(body: &[u8]) -> Result<Value, String> {
    let not_text = || "this form is not UTF-8".to_owned();
    let text = str::from_utf8(body).map_err(|_| not_text())?;
    let mut object = Map::new();
    for pair in pairs(text) {
        let (name, value) = pair.ok_or_else(not_text)?;
        let value = Value::String(value.into_owned());
        match object.get_mut(&*name) {
            None => drop(object.insert(name.into_owned(), value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(Value::Object(object))
}

/// Writes an object as a form.
///
/// # Errors
/// It is no object, or something in it nests deeper than a list; says where.
pub fn write(document: &Value) -> Result<String, String> {
    let Value::Object(object) = document else {
        return Err("a form is made of an object, and this is none".to_owned());
    };
    let mut out = String::new();
    for (name, value) in object {
        let nested = || format!("a form takes texts, numbers, booleans and lists of them; `{}` is more", place(name));
        match value {
            Value::Array(list) => {
                for item in list {
                    pair(&mut out, name, item).ok_or_else(nested)?;
                }
            }
            value => pair(&mut out, name, value).ok_or_else(nested)?,
        }
    }
    Ok(out)
}

fn pair(out: &mut String, name: &str, value: &Value) -> Option<()> {
    match value {
        Value::Null => {}
        Value::String(text) => push(out, name, text),
        Value::Bool(_) | Value::Number(_) => push(out, name, &value.to_string()),
        Value::Array(_) | Value::Object(_) => return None,
    }
    Some(())
}

/// A name as a JSON Pointer, cut where it is long.
fn place(name: &str) -> String {
    let name: String = name.chars().take(60).collect();
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_a_form_says() {
        assert_eq!(
            read(b"a=1&b=x+y%26&a=2&c&=&a=3"),
            Ok(json!({ "a": ["1", "2", "3"], "b": "x y&", "c": "", "": "" }))
        );
        assert_eq!(read(b""), Ok(json!({})));
        for wrong in [&b"a=%ff"[..], b"\xff=1", b"%c3%28"] {
            assert!(read(wrong).unwrap_err().contains("UTF-8"));
        }
    }

    #[test]
    fn what_a_form_cannot_say_is_told_with_its_place() {
        assert_eq!(write(&json!({ "a": 1, "b": [true, "x"], "c": null, "d": [] })).unwrap(), "a=1&b=true&b=x");
        for (value, place) in
            [(json!({ "a/b": { "c": 1 } }), "/a~1b"), (json!({ "a": [[1]] }), "/a"), (json!([1]), "object")]
        {
            assert!(write(&value).unwrap_err().contains(place), "{value}");
        }
    }

    fn mappable() -> impl Strategy<Value = Value> {
        let text = || "\\PC{0,8}".prop_map(Value::from);
        let value = prop_oneof![text(), prop::collection::vec(text(), 2..5).prop_map(Value::from)];
        prop::collection::btree_map("\\PC{0,6}", value, 0..6).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn json_to_form_and_back(value in mappable()) {
            prop_assert_eq!(read(write(&value).unwrap().as_bytes()), Ok(value));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = read(&body) {
                prop_assert_eq!(read(write(&value).unwrap().as_bytes()), Ok(value));
            }
        }
    }
}
