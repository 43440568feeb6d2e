//! Values in JSON: plain where nothing is lost by it, else an object that says its type.
//!
//! Null, text, doubles and integers up to 2⁵³ are JSON's own. Larger integers are `{ "type": "integer", "value": "…" }`,
//! blobs `{ "type": "blob", "base64": "…" }`, infinite doubles `{ "type": "float", "value": "Infinity" }`. Arguments are
//! written the same way; `true` and `false` are 1 and 0.

use buntime_database::{Value, hrana::Cell};
use serde_json::{Value as Json, json};

/// Integers beyond it are not the same in every reader of JSON.
const SAFE: u64 = (1 << 53) - 1;

/// A value as it is answered.
pub(crate) fn show(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(integer) if integer.unsigned_abs() <= SAFE => json!(integer),
        Value::Real(real) if real.is_finite() => json!(real),
        Value::Real(real) => {
            json!({ "type": "float", "value": if real > 0.0 { "Infinity" } else { "-Infinity" } })
        }
        Value::Text(text) => Json::String(text),
        // Neither of both fails.
        other => Cell::try_from(other).map_or(Json::Null, |cell| json!(cell)),
    }
}

/// A value as it was sent, or what is wrong with it.
pub(crate) fn read(json: Json) -> Result<Value, String> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(is) => Ok(Value::from(is)),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(integer), ..) => Ok(Value::Integer(integer)),
            (None, false, Some(real)) => Ok(Value::Real(real)),
            _ => Err("an integer beyond 64 bits".to_owned()),
        },
        Json::String(text) => Ok(Value::Text(text)),
        Json::Object(ref object) if object.get("type").is_some_and(|kind| kind == "float") => {
            match object.get("value") {
                Some(Json::String(word)) if word == "Infinity" => Ok(Value::Real(f64::INFINITY)),
                Some(Json::String(word)) if word == "-Infinity" => Ok(Value::Real(f64::NEG_INFINITY)),
                Some(Json::Number(number)) => number.as_f64().map(Value::Real).ok_or_else(|| "no number".to_owned()),
                _ => Err("a float that is none".to_owned()),
            }
        }
        object @ Json::Object(_) => {
            let cell: Cell = serde_json::from_value(object).map_err(|_| {
                "an object that is no value; write { \"type\": \"blob\", \"base64\": \"…\" } or { \"type\": \"integer\", \
                 \"value\": \"…\" }"
                    .to_owned()
            })?;
            Value::try_from(cell).map_err(|error| error.detail().to_owned())
        }
        Json::Array(_) => Err("an array, which is no value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_they_look_like() {
        let big = i64::MAX;
        for (value, expected) in [
            (Value::Null, json!(null)),
            (Value::Integer(7), json!(7)),
            (Value::Integer(-(1 << 53)), json!({ "type": "integer", "value": "-9007199254740992" })),
            (Value::Integer(big), json!({ "type": "integer", "value": big.to_string() })),
            (Value::Real(1.0), json!(1.0)),
            (Value::Real(f64::NEG_INFINITY), json!({ "type": "float", "value": "-Infinity" })),
            (Value::from("a"), json!("a")),
            (Value::Blob(vec![0, 255]), json!({ "type": "blob", "base64": "AP8" })),
        ] {
            assert_eq!(show(value), expected);
        }
        assert_eq!(read(json!(true)), Ok(Value::Integer(1)));
        assert_eq!(read(json!({ "type": "text", "value": "x" })), Ok(Value::from("x")));
    }

    #[test]
    fn what_is_none() {
        for json in [json!([1]), json!({}), json!({ "type": "blob" }), json!({ "type": "float" }), json!(u64::MAX)] {
            assert!(read(json.clone()).is_err(), "{json}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            // Few enough digits for every parser.
            any::<i32>().prop_map(|n| Value::Real(f64::from(n) / 256.0)),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost(value in any_value()) {
            let text = show(value.clone()).to_string();
            prop_assert_eq!(read(serde_json::from_str(&text).unwrap()), Ok(value));
        }
    }
}
