//! Types, enum words, strings, numbers, durations and sizes.

use buntime_core::units::{Size, Span};
use serde_json::{Number, Value};

use crate::{
    diagnostics::Diagnostic,
    formats,
    lexer::short,
    mask, suggest,
    tree::{Data, Node, Path},
};

/// Reports a value of the wrong JSON type. True when the type is right.
pub(super) fn check_type(schema: &Value, node: &Node, path: &Path, out: &mut Vec<Diagnostic>) -> bool {
    let types = types(schema);
    if types.is_empty() || types.iter().any(|name| is_of(name, node)) {
        return true;
    }
    out.push(type_error(&types, node, path));
    false
}

/// The type names of a schema itself; none means any.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Is a value of that JSON type?
pub(super) fn is_of(name: &str, node: &Node) -> bool {
    match (name, &node.data) {
        ("null", Data::Null)
        | ("boolean", Data::Bool(_))
        | ("number", Data::Number(_))
        | ("string", Data::Text(_))
        | ("array", Data::List(_))
        | ("object", Data::Table(_)) => true,
        ("integer", Data::Number(number)) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// `expected an object, found a string`.
pub(super) fn type_error(types: &[&str], node: &Node, path: &Path) -> Diagnostic {
    let mut words: Vec<&str> = Vec::new();
    let several = types.iter().filter(|name| **name != "null").count() > 1;
    for name in types {
        let word = match *name {
            "object" => "an object",
            "array" => "an array",
            "string" => "a string",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" if several => "a boolean",
            "boolean" => "true or false",
            // What may be null may be left out, which is how people write it.
            "null" if types.len() > 1 => continue,
            other => other,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let expected = join(&words, "or");
    let error = Diagnostic::error(&node.place, path, format!("expected {expected}, found {}", found(node, path)));
    error.maybe_help(type_help(types, node))
}

fn found(node: &Node, path: &Path) -> String {
    match &node.data {
        Data::Number(number) if !mask::is_secret_at(node, path) => format!("the number {number}"),
        _ => node.kind().to_owned(),
    }
}

fn type_help(types: &[&str], node: &Node) -> Option<String> {
    let text = node.text();
    let wants = |name: &str| types.contains(&name);
    match text {
        Some("true" | "false") if wants("boolean") => Some("write it without quotes".to_owned()),
        Some(text) if (wants("integer") || wants("number")) && text.parse::<f64>().is_ok() => {
            Some("write the number without quotes".to_owned())
        }
        _ if wants("array") && !wants("object") && matches!(node.data, Data::Text(_) | Data::Table(_)) => {
            Some("put it in `[ ]`".to_owned())
        }
        _ if wants("string") && matches!(node.data, Data::Number(_) | Data::Bool(_)) => {
            Some("write it in double quotes".to_owned())
        }
        _ => None,
    }
}

/// `a, b or c`.
pub(super) fn join(words: &[&str], last: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => (*word).to_owned(),
        [rest @ .., word] => format!("{} {last} {word}", rest.join(", ")),
    }
}

/// `enum` and `const`.
pub(super) fn check_words(schema: &Value, node: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    let Some(allowed) = words(schema) else { return };
    let value = node.to_json();
    if !allowed.contains(&&value) {
        out.push(word_error(&allowed, node, path));
    }
}

/// The values that a schema itself lists, if it lists any.
pub(super) fn words(schema: &Value) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema["enum"].as_array()) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(values)) => Some(values.iter().collect()),
        (None, None) => None,
    }
}

/// A word that is none of those allowed, with the one that was probably meant.
pub(super) fn word_error(allowed: &[&Value], node: &Node, path: &Path) -> Diagnostic {
    let words: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
    let Some(text) = node.text() else {
        let all: Vec<String> = allowed.iter().filter(|v| !v.is_null()).map(ToString::to_string).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        return Diagnostic::error(
            &node.place,
            path,
            format!("expected {}, found {}", join(&all, "or"), found(node, path)),
        );
    };
    let error = Diagnostic::error(&node.place, path, format!("{} is not allowed here", quote(text, node, path)));
    error.maybe_help(suggest::help(text, "allowed", &words))
}

/// A text for a message, unless it is secret.
pub(super) fn quote(text: &str, node: &Node, path: &Path) -> String {
    if text.is_empty() || mask::is_secret_at(node, path) {
        "this value".to_owned()
    } else {
        format!("`{}`", short(text))
    }
}

/// Length, pattern and format of a string.
pub(super) fn check_text(schema: &Value, text: &str, node: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        let message = if length == 0 {
            "this string must not be empty".to_owned()
        } else {
            format!("this string must be at least {least} characters long")
        };
        out.push(Diagnostic::error(&node.place, path, message));
        return;
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        let message = format!("this string must be at most {most} characters long");
        out.push(Diagnostic::error(&node.place, path, message));
    }
    if let Some(format) = schema["format"].as_str()
        && let Err(why) = formats::check(format, text)
    {
        let message = format!("{}: {why}", quote(text, node, path));
        out.push(Diagnostic::error(&node.place, path, message));
        return;
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && formats::regex(pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        let error = Diagnostic::error(&node.place, path, format!("{} has not the right form", quote(text, node, path)));
        let help = schema["description"].as_str().map_or_else(|| format!("it must match `{pattern}`"), first_sentence);
        out.push(error.help(help));
    }
}

fn first_sentence(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().trim().to_owned()
}

/// Bigger upper limits are not told beside a lower one.
const MOST_TOLD: f64 = 1_000_000.0;

/// Limits of a number.
pub(super) fn check_number(schema: &Value, number: &Number, node: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    let Some(value) = number.as_f64() else { return };
    let bound = |keyword: &str| schema[keyword].as_f64();
    let (least, most) = (bound("minimum"), bound("maximum"));
    let (format_least, format_most) = format_range(schema["format"].as_str().unwrap_or_default());
    let (least, most) = (least.or(format_least), most.or(format_most));
    let low = least.filter(|least| value < *least);
    let high = most.filter(|most| value > *most);
    // The limit of a Rust integer means nothing to a person.
    let told = most.filter(|most| *most <= MOST_TOLD);
    let message = match (low, high) {
        (Some(_), _) | (_, Some(_)) if least.is_some() && told.is_some() => {
            format!("{number} is not from {} to {}", least.unwrap_or_default(), told.unwrap_or_default())
        }
        (Some(least), _) => format!("{number} is too small; the least is {least}"),
        (_, Some(most)) => format!("{number} is too big; the most is {most}"),
        (None, None) if bound("exclusiveMinimum").is_some_and(|bound| value <= bound) => {
            format!("expected more than {}, found {number}", schema["exclusiveMinimum"])
        }
        (None, None) if bound("exclusiveMaximum").is_some_and(|bound| value >= bound) => {
            format!("expected less than {}, found {number}", schema["exclusiveMaximum"])
        }
        (None, None) => return,
    };
    out.push(Diagnostic::error(&node.place, path, message));
}

/// What fits a Rust integer, where schemars writes only its name.
fn format_range(format: &str) -> (Option<f64>, Option<f64>) {
    let (least, most) = match format {
        "int8" => (f64::from(i8::MIN), f64::from(i8::MAX)),
        "int16" => (f64::from(i16::MIN), f64::from(i16::MAX)),
        "int32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
        "uint8" => (0.0, f64::from(u8::MAX)),
        "uint16" => (0.0, f64::from(u16::MAX)),
        "uint32" => (0.0, f64::from(u32::MAX)),
        "uint64" | "uint" => return (Some(0.0), None),
        _ => return (None, None),
    };
    (Some(least), Some(most))
}

/// Durations and sizes by their own rules: `None` when `name` is neither.
pub(super) fn check_unit(name: &str, node: &Node, path: &Path) -> Option<Option<Diagnostic>> {
    let read: fn(Value) -> Result<(), String> = match name {
        "Duration" => |value| serde_json::from_value::<Span>(value).map(drop).map_err(|e| e.to_string()),
        "Size" => |value| serde_json::from_value::<Size>(value).map(drop).map_err(|e| e.to_string()),
        _ => return None,
    };
    let example = if name == "Duration" { "`30s` or a number of seconds" } else { "`10mb` or a number of bytes" };
    if !matches!(node.data, Data::Text(_) | Data::Number(_)) {
        let error = type_error(&["string", "number"], node, path);
        return Some(Some(error.help(format!("write {example}"))));
    }
    Some(read(node.to_json()).err().map(|why| {
        let message = if mask::is_secret_at(node, path) { format!("expected {example}") } else { why };
        Diagnostic::error(&node.place, path, message)
    }))
}

/// `exclusiveMinimum: 0` beside a duration.
pub(super) fn check_longer_than_zero(schema: &Value, node: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    if schema["exclusiveMinimum"].as_f64() == Some(0.0)
        && serde_json::from_value::<Span>(node.to_json()).is_ok_and(|span| span.is_zero())
    {
        out.push(Diagnostic::error(&node.place, path, "this must be longer than 0"));
    }
}
