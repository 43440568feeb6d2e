//! JSON Schemas: compiled at load, without the network or files, with linear regular expressions only.

use buntime_core::{SettingsProblem, Violation};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Bytes of a compiled `pattern`.
const LARGEST_PATTERN: usize = 1 << 20;
/// As much of a place or of a sentence is told.
const LONGEST: usize = 300;

/// A schema, ready to judge.
#[derive(Debug)]
pub(crate) struct Schema(Validator);

impl Schema {
    /// Compiles it; `pointer` is where it stands.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(schema: &Map<String, Value>, pointer: &str) -> Result<Self, SettingsProblem> {
        let schema = Value::Object(schema.clone());
        if let Some((at, target)) = outside(&schema, &schema) {
            let problem =
                SettingsProblem::new(format!("{pointer}{at}"), format!("`{target}` is outside of this schema"));
            return Err(problem.with_help("put what it refers to under `$defs`, and write `#/$defs/…`"));
        }
        let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN);
        let options = jsonschema::options().offline().with_pattern_options(patterns).should_validate_formats(true);
        options.build(&schema).map(Self).map_err(|error| {
            let at = error.instance_path().as_str().to_owned();
            let problem = SettingsProblem::new(
                format!("{pointer}{at}"),
                format!("this is no schema: {}", short(&error.to_string())),
            );
            problem.with_help("patterns run in linear time: no look-around, no backreferences")
        })
    }

    /// What is wrong with a value, at most so many things. No value is repeated.
    pub(crate) fn judge(&self, part: &'static str, value: &Value, most: usize, found: &mut Vec<Violation>) {
        for error in self.0.iter_errors(value).take(most.saturating_sub(found.len())) {
            let at = error.instance_path().as_str();
            // A query's parameters are known by their names.
            let at = if part == "query" { at.strip_prefix('/').unwrap_or(at) } else { at };
            found.push(Violation { part, at: short(at), detail: short(&error.masked().to_string()) });
        }
    }
}

/// As much of a text as is told.
pub(crate) fn short(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)])
}

/// A reference that leads out of the schema, and where it is. What an embedded `$id` names is inside.
fn outside<'s>(schema: &'s Value, root: &'s Value) -> Option<(String, &'s str)> {
    let known = |target: &str| {
        let target = target.split('#').next().unwrap_or_default();
        target.is_empty()
            || target.starts_with("https://json-schema.org/")
            || ids(root).iter().any(|id| id.ends_with(target))
    };
    let mut left = vec![(String::new(), schema)];
    while let Some((at, value)) = left.pop() {
        match value {
            Value::Object(object) => {
                for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
                    if let Some(Value::String(target)) = object.get(key)
                        && !known(target)
                    {
                        return Some((format!("{at}/{key}"), target));
                    }
                }
                // A value may have a name like any keyword.
                let inner = object
                    .iter()
                    .filter(|(name, _)| !["const", "enum", "default", "examples"].contains(&name.as_str()));
                left.extend(
                    inner.map(|(name, value)| (format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), value)),
                );
            }
            Value::Array(list) => {
                left.extend(list.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    None
}

/// Every `$id` of a schema.
fn ids(root: &Value) -> Vec<&str> {
    let (mut found, mut left) = (Vec::new(), vec![root]);
    while let Some(value) = left.pop() {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$id").and_then(Value::as_str));
                left.extend(object.values());
            }
            Value::Array(list) => left.extend(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(value: Value) -> Result<Schema, String> {
        let Value::Object(map) = value else { panic!("no object") };
        Schema::new(&map, "/s").map_err(|problem| problem.to_string())
    }

    fn judged(of: Value, value: &Value) -> Vec<(String, String)> {
        let mut found = Vec::new();
        schema(of).unwrap().judge("body", value, 20, &mut found);
        found.into_iter().map(|violation| (violation.at, violation.detail)).collect()
    }

    #[test]
    fn nothing_outside_is_referred_to() {
        for target in ["https://example.com/a.json", "file:///etc/passwd", "other.json#/a", "http://127.0.0.1/"] {
            let told = schema(json!({ "properties": { "a/b": { "$ref": target } } })).unwrap_err();
            assert!(told.contains("/s/properties/a~1b/$ref") && told.contains("outside of this schema"), "{told}");
        }
        assert!(schema(json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "integer" } } })).is_ok());
        assert!(
            schema(json!({ "$ref": "https://x.example/a", "$defs": { "a": { "$id": "https://x.example/a" } } }))
                .is_ok()
        );
        assert!(schema(json!({ "enum": [{ "$ref": "https://example.com/" }] })).is_ok());
        let missing = schema(json!({ "$ref": "#/$defs/none" })).unwrap_err();
        assert!(missing.contains("no schema"), "{missing}");
    }

    #[test]
    fn patterns_are_linear() {
        for pattern in ["^(?=a)", "(a)\\1", "(?<!a)b", "(", "(.{1000}){1000}"] {
            let told = schema(json!({ "properties": { "a": { "pattern": pattern } } })).unwrap_err();
            assert!(told.contains("at /s") && told.contains("linear"), "{told}");
            assert!(schema(json!({ "patternProperties": { pattern: {} } })).is_err(), "{pattern}");
        }
        let fine = json!({ "pattern": "^(a+)+$" });
        assert_eq!(judged(fine, &json!(format!("{}b", "a".repeat(100_000)))).len(), 1);
    }

    #[test]
    fn places_are_told_and_values_are_not() {
        let of = json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {
                "name": { "type": "string" }, "card": { "pattern": "^[0-9]{16}$" }, "mail": { "format": "email" },
                "items": { "type": "array", "items": { "type": "integer", "maximum": 9 } },
                "kind": { "anyOf": [{ "const": "a" }, { "type": "integer" }] }, "sort": { "enum": ["asc", "desc"] },
            },
        });
        let value = json!({ "card": "hunter2", "mail": "hunter2", "items": [1, "hunter2", 77777], "kind": "hunter2", "sort": "hunter2" });
        let found = judged(of, &value);
        let places: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
        for place in ["", "/card", "/mail", "/items/1", "/items/2", "/kind", "/sort"] {
            assert!(places.contains(&place), "{place} in {found:?}");
        }
        let told = format!("{found:?}");
        assert!(!told.contains("hunter2") && !told.contains("77777"), "{told}");
    }

    #[test]
    fn there_is_an_end_to_what_is_told() {
        let of = json!({ "items": { "type": "string" } });
        let many: Value = (0..1000).collect();
        assert_eq!(judged(of, &many).len(), 20);
        let long = "n".repeat(10_000);
        let found = judged(json!({ "additionalProperties": { "type": "integer" } }), &json!({ long: "" }));
        assert!(found[0].0.len() < 310, "{}", found[0].0.len());
    }

    #[test]
    fn schemas_that_lead_to_themselves_end() {
        let tree = json!({ "properties": { "next": { "$ref": "#" } }, "type": "object" });
        assert_eq!(
            judged(tree, &json!({ "next": { "next": 1 } })),
            [("/next/next".to_owned(), "value is not of type \"object\"".to_owned())]
        );
        let loops = [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
        ];
        for schema in loops {
            judged(schema, &json!({ "a": [1] }));
        }
    }
}
