//! What clients write, read in the original's words: keys, limits, durations.

use buntime_core::{ErrorKind, units::Span};
use buntime_keyval::{Key, json::key_from_json, json::key_from_path};
use serde_json::{Value as Json, json};

use super::{MOST, Refused, SOME};

/// What the store calls an error of a key.
const KEY: &str = "invalid_key";
/// Keys of one request.
const KEYS: usize = 1000;
/// No time that anybody means is longer: a thousand years, in milliseconds.
const LONGEST: f64 = 1000.0 * 365.25 * 86_400_000.0;

/// A key as a list of its parts.
pub(super) fn key(json: &Json) -> Result<Key, Refused> {
    let key = prefix(json)?;
    if key.is_empty() {
        let words = "Key cannot be empty. Provide at least one key part, e.g. [\"users\", 123]";
        return Err(Refused::malformed(words).called(KEY));
    }
    Ok(key)
}

/// A prefix as a list of its parts; with none it is of everything.
pub(super) fn prefix(json: &Json) -> Result<Key, Refused> {
    let Some(parts) = json.as_array() else {
        return Err(Refused::malformed(format!(
            "Key must be an array of (string | number | bigint | boolean | Uint8Array), received {}: {}",
            type_of(json),
            short(json)
        ))
        .called(KEY));
    };
    key_from_json(json).map_err(|whole| {
        let wrong = |(at, part): (usize, &Json)| key_from_json(&json!([part])).err().map(|error| (at, error));
        match parts.iter().enumerate().find_map(wrong) {
            Some((at, error)) => {
                Refused::malformed(format!("Invalid key part at index {at}: {error}")).called(error.code())
            }
            None => whole.into(),
        }
    })
}

/// A prefix, or none.
pub(super) fn prefix_or_all(json: Option<&Json>) -> Result<Key, Refused> {
    json.filter(|json| !json.is_null()).map_or_else(|| Ok(Key::default()), prefix)
}

/// A bound, or none; an empty one is none.
pub(super) fn bound(json: Option<&Json>) -> Result<Option<Key>, Refused> {
    Ok(Some(prefix_or_all(json)?).filter(|key| !key.is_empty()))
}

/// Several keys.
pub(super) fn keys(json: &Json) -> Result<Vec<Key>, Refused> {
    let Some(list) = json.as_array() else {
        return Err(Refused::malformed(format!(
            "Keys must be an array of key arrays, e.g. [[\"users\", 1], [\"users\", 2]], received {}: {}",
            type_of(json),
            short(json)
        )));
    };
    if list.is_empty() {
        return Err(Refused::malformed("Keys array cannot be empty. Provide at least one key"));
    }
    if list.len() > KEYS {
        let words = format!("Too many keys: {} (max {KEYS}). Send them in several requests", list.len());
        return Err(Refused::new(ErrorKind::PayloadTooLarge, words));
    }
    let each = |(at, one): (usize, &Json)| {
        key(one).map_err(|refused| refused.with_words(|words| format!("Invalid key at index {at}: {words}")))
    };
    list.iter().enumerate().map(each).collect()
}

/// A key in a query, as a path: the query's own encoding is off, the path's is not.
pub(super) fn key_path(path: &str) -> Result<Key, Refused> {
    Ok(key_from_path(path)?)
}

/// How many entries, from a query or a body.
pub(super) fn limit(json: Option<&Json>) -> Result<u32, Refused> {
    limit_up_to(json, SOME, MOST)
}

/// The same with other bounds; more than the most is the most.
pub(super) fn limit_up_to(json: Option<&Json>, some: u32, most: u32) -> Result<u32, Refused> {
    let Some(json) = json.filter(|json| !json.is_null()) else { return Ok(some) };
    match number(json) {
        Some(number) if number >= 1.0 => Ok(if number >= f64::from(most) { most } else { number as u32 }),
        _ => Err(Refused::malformed(format!("limit must be a positive number, received {}", short(json)))),
    }
}

/// In how many milliseconds, from a query or a body: a number of them.
pub(super) fn expires_in(json: Option<&Json>) -> Result<Option<u64>, Refused> {
    let Some(json) = json.filter(|json| !json.is_null()) else { return Ok(None) };
    match number(json) {
        // What is less than one is not nothing.
        Some(number) if number > 0.0 && number <= LONGEST => Ok(Some(number.ceil() as u64)),
        _ => Err(Refused::malformed(format!(
            "expiresIn must be a positive number (milliseconds), received {}",
            short(json)
        ))),
    }
}

/// Milliseconds, as a number of them or as `30s`.
pub(super) fn duration(name: &str, json: Option<&Json>) -> Result<Option<u64>, Refused> {
    let Some(json) = json.filter(|json| !json.is_null()) else { return Ok(None) };
    let millis = number(json).or_else(|| {
        let span: Span = json.as_str()?.parse().ok()?;
        Some(span.as_secs_f64() * 1000.0)
    });
    match millis {
        Some(millis) if (0.0..=LONGEST).contains(&millis) => Ok(Some(millis.round() as u64)),
        _ => Err(Refused::malformed(format!(
            "{name} must be milliseconds, or a duration like 30s, received {}",
            short(json)
        ))),
    }
}

fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// A text of a query where a body has JSON.
pub(super) fn text(text: Option<&str>) -> Option<Json> {
    text.map(Json::from)
}

/// A flag of a query.
pub(super) fn flag(name: &str, text: Option<&str>) -> Result<bool, Refused> {
    match text {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(Refused::malformed(format!("{name} is true or false"))),
    }
}

fn type_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// What a client sent, for words back to it.
pub(super) fn short(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use buntime_keyval::key;

    use super::*;

    #[test]
    fn keys_are_read_or_refused_in_the_originals_words() {
        assert_eq!(key(&json!(["a", 1, true])).unwrap(), key!["a", 1, true]);
        let long = json!(vec![json!(["a"]); 1001]);
        let words = [
            key(&json!("a")),
            key(&json!([])),
            key(&json!(["a", null])),
            key(&json!(["a", { "__type": "bigint" }])),
            keys(&json!({})).map(|_| Key::default()),
            keys(&json!([])).map(|_| Key::default()),
            keys(&json!([["a"], []])).map(|_| Key::default()),
            keys(&long).map(|_| Key::default()),
        ];
        let words: Vec<_> = words.into_iter().map(|refused| refused.unwrap_err().words().to_owned()).collect();
        insta::assert_snapshot!(words.join("\n"));
    }

    #[test]
    fn numbers_of_bodies_and_queries() {
        assert_eq!(
            (limit(None).unwrap(), limit(Some(&json!("7"))).unwrap(), limit(Some(&json!(1e9))).unwrap()),
            (100, 7, 1000)
        );
        for wrong in [json!(0), json!(-1), json!("x"), json!("NaN"), json!([1]), json!("")] {
            assert!(limit(Some(&wrong)).unwrap_err().words().starts_with("limit must be a positive number, received"));
            let words = expires_in(Some(&wrong)).unwrap_err();
            assert!(words.words().starts_with("expiresIn must be a positive number (milliseconds), received"));
        }
        assert_eq!(expires_in(Some(&json!(0.5))).unwrap(), Some(1));
        assert_eq!(expires_in(Some(&json!("1500"))).unwrap(), Some(1500));
    }

    #[test]
    fn paths_of_queries() {
        // The original's client encodes twice: so what is left after one decoding is a path.
        assert_eq!(key_path("user%40x.com/7/~t").unwrap(), key!["user@x.com", 7, true]);
    }
}
