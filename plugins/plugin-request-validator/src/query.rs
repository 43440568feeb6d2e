//! The query: its parameters, and the object that a schema judges.

use std::{borrow::Cow, collections::HashMap};

use percent_encoding::percent_decode;
use serde_json::{Map, Number, Value};

/// The parameters of a query in their order, decoded. `None` where a name or value is not UTF-8.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = Option<(Cow<'_, str>, Cow<'_, str>)>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    })
}

/// How many parameters there are.
pub(crate) fn count(query: &str) -> usize {
    query.split('&').filter(|pair| !pair.is_empty()).count()
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

/// What parameters are, by the `type` of their properties.
#[derive(Debug, Default)]
pub(crate) struct Types(HashMap<String, Expected>);

#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    list: bool,
    number: bool,
    boolean: bool,
}

impl Types {
    /// Those of a schema. References within it are followed.
    pub(crate) fn of(schema: &Map<String, Value>) -> Self {
        let root = Value::Object(schema.clone());
        let properties = schema.get("properties").and_then(Value::as_object);
        let expected = |property: &Value| {
            let property = target(property, &root);
            let list = is(property, &["array"]);
            let item =
                if list { property.get("items").map_or(property, |items| target(items, &root)) } else { property };
            Expected { list, number: is(item, &["integer", "number"]), boolean: is(item, &["boolean"]) }
        };
        Self(properties.into_iter().flatten().map(|(name, property)| (name.clone(), expected(property))).collect())
    }

    /// The query as an object: one value, or a list where one is expected or several came.
    pub(crate) fn object<'q>(&self, parameters: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>) -> Value {
        let mut object = Map::new();
        for (name, text) in parameters {
            let expected = self.0.get(&*name).copied().unwrap_or_default();
            let value = expected.value(&text);
            match object.get_mut(&*name) {
                None => {
                    let value = if expected.list { Value::Array(vec![value]) } else { value };
                    object.insert(name.into_owned(), value);
                }
                Some(Value::Array(list)) => list.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Value::Object(object)
    }
}

impl Expected {
    fn value(self, text: &str) -> Value {
        match text {
            "true" if self.boolean => Value::Bool(true),
            "false" if self.boolean => Value::Bool(false),
            text if self.number => text.parse::<Number>().map_or_else(|_| text.into(), Value::Number),
            text => text.into(),
        }
    }
}

/// Does its `type` name one of these?
fn is(schema: &Value, names: &[&str]) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => names.contains(&name.as_str()),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(|name| names.contains(&name)),
        _ => false,
    }
}

/// What a schema stands for: references within the root are followed, a few times.
fn target<'s>(mut schema: &'s Value, root: &'s Value) -> &'s Value {
    for _ in 0..8 {
        let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        let Some(next) = pointer.and_then(|pointer| root.pointer(pointer)) else { break };
        schema = next;
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(schema: &Value, query: &str) -> Value {
        Types::of(schema.as_object().unwrap()).object(parameters(query).map(Option::unwrap))
    }

    #[test]
    fn parameters_become_what_their_types_say() {
        let schema = json!({
            "properties": {
                "page": { "type": "integer" }, "all": { "type": "boolean" }, "tag": { "type": "array", "items": { "type": "string" } },
                "id": { "type": "array", "items": { "$ref": "#/$defs/id" } }, "q": { "type": "string" }, "n": { "type": ["number", "null"] },
            },
            "$defs": { "id": { "type": "integer" } },
        });
        let query = "page=2&all=true&tag=a&id=1&id=x&q=12&n=1.5&other=1&other=2&tag=b+c%26&empty&&=";
        let expected = json!({
            "page": 2, "all": true, "tag": ["a", "b c&"], "id": [1, "x"], "q": "12", "n": 1.5, "other": ["1", "2"], "empty": "", "": "",
        });
        assert_eq!(object(&schema, query), expected);
        assert_eq!(object(&schema, "page=two&all=1&page=3"), json!({ "page": ["two", 3], "all": "1" }));
        for text in ["01", "1e999", "0x1", " 1", "+1", "NaN", "1_0"] {
            let query = format!("page={}", text.replace('+', "%2B").replace(' ', "%20"));
            assert_eq!(object(&schema, &query), json!({ "page": text }));
        }
    }

    #[test]
    fn what_is_not_utf8_is_not_taken() {
        for query in ["a=%ff", "%c3%28=1", "a=+%fe"] {
            assert_eq!(parameters(query).collect::<Vec<_>>(), [None], "{query}");
        }
        assert_eq!(count("a=1&&b&c=%ff&"), 3);
        assert_eq!(count(""), 0);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(pairs in prop::collection::vec(("\\PC{0,6}", "\\PC{0,6}"), 0..6)) {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let read: Vec<(String, String)> = parameters(&query).map(|p| p.map(|(n, v)| (n.into_owned(), v.into_owned())).unwrap()).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
