//! JSON of clients: UTF-8, no name twice in one object (readers disagree about which one counts), no deeper than a limit.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a whole text.
///
/// # Errors
/// What is wrong and where, in words that repeat nothing of the text.
pub fn read(text: &[u8], depth: u8) -> Result<Value, String> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = Seed { room: depth }.deserialize(&mut source).and_then(|value| source.end().map(|()| value));
    value.map_err(|error| format!("this is no valid JSON: {error}"))
}

/// Reads a value with that many levels left.
#[derive(Clone, Copy)]
struct Seed {
    room: u8,
}

impl Seed {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| E::custom("it is nested too deep"))?;
        Ok(Self { room })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let seed = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(seed)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("an object has the same name twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_told_without_repeating_it() {
        for (text, says) in [
            (&b"{\"a\":\"secret\",\"a\":1}"[..], "same name twice"),
            (b"{\"a\":\"secret\"", "EOF"),
            (b"\"\xff\xfe\"", "unicode"),
            (b"{\"\xc3\x28\":1}", "unicode"),
            (b"\xef\xbb\xbf{}", "expected value"),
            (b"{} {}", "trailing"),
            (b"1e999", "out of range"),
            (b"NaN", "expected"),
            (b"'secret'", "expected"),
            (b"", "EOF"),
            (b"\"\\ud800\"", "hex escape"),
        ] {
            let told = read(text, 64).unwrap_err();
            assert!(told.contains(says) && !told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn depth_is_limited_however_deep_it_is() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(64).as_bytes(), 64).is_ok());
        for depth in [65, 128, 10_000, 1_000_000] {
            let told = read(nested(depth).as_bytes(), 64).unwrap_err();
            assert!(told.contains("nested too deep"), "{told}");
        }
        assert!(read(nested(100).as_bytes(), 100).is_ok());
        let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        assert!(read(objects.as_bytes(), 100).unwrap_err().contains("nested too deep"));
        assert!(read(&b"[".repeat(100_000), 100).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any_json()) {
            prop_assert_eq!(read(value.to_string().as_bytes(), 64), Ok(value));
        }

        #[test]
        fn whatever_comes_is_read_as_the_library_reads_it_or_refused(text in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = read(&text, 64) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&text).unwrap());
            }
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(read(b"[1, -1, 1.5, 18446744073709551615]", 4), Ok(json!([1, -1, 1.5, u64::MAX])));
    }
}
