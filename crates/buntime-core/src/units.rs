//! Durations and sizes as people write them: `500ms`, `30s`, `5m`, `1h`, `1d`, or seconds; `10mb`, `64kb`, or bytes.

use std::{borrow::Cow, fmt, ops::Deref, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// No duration in a configuration is longer than this (10 years); it keeps every sum of instants in range.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A duration. Written `500ms`, `30s`, `5m`, `1h`, `1d`, or as a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

impl Span {
    /// That many whole seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// That many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    fn from_seconds(seconds: f64) -> Result<Self, UnitError> {
        let millis = (seconds * 1000.0).round();
        if !(0.0..=LONGEST.as_millis() as f64).contains(&millis) {
            return Err(UnitError::Duration(seconds.to_string()));
        }
        Ok(Self::millis(millis as u64))
    }
}

impl Deref for Span {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Duration(text.to_owned());
        let (number, unit) = split(text);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let scale = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(bad()),
        };
        Self::from_seconds(number * scale).map_err(|_| bad())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if !millis.is_multiple_of(1000) || millis == 0 {
            return write!(f, "{millis}ms");
        }
        match millis / 1000 {
            s if s.is_multiple_of(86_400) => write!(f, "{}d", s / 86_400),
            s if s.is_multiple_of(3_600) => write!(f, "{}h", s / 3_600),
            s if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Number(seconds) => Self::from_seconds(seconds).map_err(de::Error::custom),
            Raw::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: 500ms, 30s, 5m, 1h, 1d, or a number of seconds.",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)?$" },
                { "type": "number", "minimum": 0 }
            ]
        })
    }
}

/// A size in bytes. Written `10mb`, `64kb`, `512b`, or as a number of bytes. One kb is 1024 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

impl Size {
    /// As a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit) = split(&lower);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let scale: u64 = match unit {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return Err(bad()),
        };
        let bytes = number * scale as f64;
        if !(0.0..=(1u64 << 53) as f64).contains(&bytes) {
            return Err(bad());
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return write!(f, "{}{unit}", self.0 / scale);
            }
        }
        write!(f, "{}b", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Number(bytes) if bytes >= 0.0 && bytes.fract() == 0.0 && bytes <= (1u64 << 53) as f64 => {
                Ok(Self(bytes as u64))
            }
            Raw::Number(bytes) => Err(de::Error::custom(UnitError::Size(bytes.to_string()))),
            Raw::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: 10mb, 64kb, or a number of bytes. One kb is 1024 bytes.",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([kKmMgGtT]?([iI]?[bB])?)?$" },
                { "type": "integer", "minimum": 0 }
            ]
        })
    }
}

/// A text that is no duration or no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a duration.
    #[error("`{0}` is not a duration; write 500ms, 30s, 5m, 1h, 1d, or a number of seconds")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size; write 10mb, 64kb, or a number of bytes")]
    Size(String),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or a number")]
enum Raw {
    Number(f64),
    Text(String),
}

/// The number and the unit behind it. `f64` would also read `inf` and `1e9`; only digits and one point are taken.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("7", 7_000),
            ("1.5s", 1_500),
        ] {
            assert_eq!(text.parse::<Span>().unwrap(), Span::millis(millis), "{text}");
        }
        for text in ["", "s", "-1s", "1w", "1e9", "inf", "nan", "5 minutes", "99999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Span>("90").unwrap(), Span::secs(90));
        assert!(serde_json::from_str::<Span>("-1").is_err());
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("10mb", 10 << 20), ("64kb", 64 << 10), ("64 KB", 64 << 10), ("5", 5), ("1.5k", 1536), ("7b", 7)]
        {
            assert_eq!(text.parse::<Size>().unwrap(), Size(bytes), "{text}");
        }
        for text in ["", "mb", "-1", "1xb", "99999999tb"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Size>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn a_printed_duration_is_read_back(millis in 0u64..100_000_000_000) {
            let span = Span::millis(millis);
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }

        #[test]
        fn a_printed_size_is_read_back(bytes in 0u64..1 << 50) {
            prop_assert_eq!(Size(bytes).to_string().parse::<Size>().unwrap(), Size(bytes));
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = text.parse::<Span>();
            let _ = text.parse::<Size>();
        }
    }
}
