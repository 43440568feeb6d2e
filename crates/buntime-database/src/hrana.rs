//! Values as Hrana writes them in JSON, for the client of libSQL servers and for whoever is such a server.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, Value};

/// Blobs go without padding, and are read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One value on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Cell {
    /// Nothing.
    Null,
    /// 64 bits, as decimal digits: JSON's numbers do not hold all of them everywhere.
    Integer {
        /// The digits.
        value: String,
    },
    /// A double. JSON has no infinite ones; who has one sends `null`.
    Float {
        /// The number.
        value: Option<f64>,
    },
    /// Text.
    Text {
        /// The text.
        value: String,
    },
    /// Bytes.
    Blob {
        /// In base64, of the alphabet with `+` and `/`.
        base64: String,
    },
}

impl TryFrom<Value> for Cell {
    type Error = Error;

    /// # Errors
    /// [`ErrorKind::Column`] for a number that is not finite.
    fn try_from(value: Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Integer(integer) => Self::Integer { value: integer.to_string() },
            Value::Real(real) if real.is_finite() => Self::Float { value: Some(real) },
            Value::Real(_) => return Err(infinite()),
            Value::Text(value) => Self::Text { value },
            Value::Blob(blob) => Self::Blob { base64: BASE64.encode(blob) },
        })
    }
}

impl TryFrom<Cell> for Value {
    type Error = Error;

    /// # Errors
    /// [`ErrorKind::Column`] for digits that are no 64-bit integer, text that is no base64, and a number that is none.
    fn try_from(cell: Cell) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorKind::Column, what);
        Ok(match cell {
            Cell::Null => Self::Null,
            Cell::Integer { value } => Self::Integer(value.parse().map_err(|_| wrong("an integer that is none"))?),
            Cell::Float { value: Some(value) } => Self::Real(value),
            Cell::Float { value: None } => return Err(infinite()),
            Cell::Text { value } => Self::Text(value),
            Cell::Blob { base64 } => Self::Blob(BASE64.decode(base64).map_err(|_| wrong("a blob that is no base64"))?),
        })
    }
}

fn infinite() -> Error {
    Error::new(ErrorKind::Column, "an infinite number, which JSON cannot carry; cast it to TEXT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_wire_and_back() {
        let all = [
            (Value::Null, r#"{"type":"null"}"#),
            (Value::Integer(i64::MIN), r#"{"type":"integer","value":"-9223372036854775808"}"#),
            (Value::Real(1.0), r#"{"type":"float","value":1.0}"#),
            (Value::from("a\"b"), r#"{"type":"text","value":"a\"b"}"#),
            (Value::Blob(vec![255]), r#"{"type":"blob","base64":"/w"}"#),
        ];
        for (value, json) in all {
            let cell = Cell::try_from(value.clone()).unwrap();
            assert_eq!(serde_json::to_string(&cell).unwrap(), json);
            assert_eq!(Value::try_from(serde_json::from_str::<Cell>(json).unwrap()).unwrap(), value);
        }
        let padded: Cell = serde_json::from_str(r#"{"type":"blob","base64":"/w=="}"#).unwrap();
        assert_eq!(Value::try_from(padded).unwrap(), Value::Blob(vec![255]));
    }

    #[test]
    fn what_is_none() {
        for json in [
            r#"{"type":"integer","value":"1.5"}"#,
            r#"{"type":"integer","value":"9223372036854775808"}"#,
            r#"{"type":"blob","base64":"*"}"#,
            r#"{"type":"float","value":null}"#,
        ] {
            let cell: Cell = serde_json::from_str(json).unwrap();
            assert_eq!(Value::try_from(cell).unwrap_err().kind(), ErrorKind::Column, "{json}");
        }
        assert!(Cell::try_from(Value::Real(f64::INFINITY)).is_err());
    }
}
