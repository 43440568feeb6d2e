//! Values of Rust's types, by serde: as what JavaScript would have.
//!
//! | Rust | JavaScript |
//! | --- | --- |
//! | integers up to 2⁵³, floats | number |
//! | larger integers | bigint |
//! | strings, `char`, variants without content | string |
//! | bytes (`serialize_bytes`) | `Uint8Array` |
//! | sequences, tuples | array |
//! | structs, maps whose keys are strings | object |
//! | other maps | `Map` |
//! | variants with content | object with one property, the variant's name |
//! | `None`, `()` | `null` |
//!
//! Reading takes as well: `undefined` for `null`, a `Set` for a sequence, a `Date` for its milliseconds, any view of single
//! bytes for bytes or a sequence, a `KvU64` for an integer, a stored `Uint8Array` for bytes.

mod de;
mod ser;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Entry, Error, Result, Value, structured::Structured};

/// Integers up to that are numbers: past it doubles do not have all of them.
const MAX_SAFE: u64 = (1 << 53) - 1;

impl Value {
    /// Of anything that serde serializes.
    ///
    /// ```
    /// use buntime_keyval_types::Value;
    ///
    /// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    /// struct User { name: String, logins: u64 }
    ///
    /// let user = User { name: "Ada".into(), logins: 7 };
    /// assert_eq!(Value::of(&user)?.to::<User>()?, user);
    /// # Ok::<(), buntime_keyval_types::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for what is nested deeper than [`MAX_DEPTH`](crate::structured::MAX_DEPTH), or says itself that
    /// it cannot be serialized.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::V8(value.serialize(ser::Writer::default())?.encode().into()))
    }

    /// As one of Rust's types.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if it is none of that type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        match self {
            Self::V8(data) => T::deserialize(de::Reader(Structured::decode(data)?)),
            Self::U64(number) => T::deserialize(de::Reader(Structured::BigInt((*number).into()))),
            Self::Bytes(bytes) => T::deserialize(de::Reader(Structured::Buffer(bytes.to_vec(), None))),
        }
    }
}

impl Entry {
    /// Its value as one of Rust's types.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if it is none of that type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        self.value.to()
    }
}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(words: T) -> Self {
        Self::InvalidValue(words.to_string().into())
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(words: T) -> Self {
        Self::InvalidValue(words.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize, de::IgnoredAny};

    use super::*;
    use crate::structured::{Text, View, ViewKind};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Empty,
        Circle(f64),
        Line(i32, i32),
        Named { name: String, sides: Option<u8> },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        yes: bool,
        small: i8,
        large: u64,
        huge: i128,
        float: f32,
        minus: f64,
        letter: char,
        nothing: Option<u8>,
        unit: (),
        pair: (u8, String),
        list: Vec<Shape>,
        by_name: BTreeMap<String, u32>,
        by_number: BTreeMap<i64, bool>,
        set: BTreeSet<u8>,
    }

    fn all() -> All {
        All {
            yes: true,
            small: -7,
            large: u64::MAX,
            huge: -(1 << 100),
            float: 1.5,
            minus: -0.0,
            letter: 'ä',
            nothing: None,
            unit: (),
            pair: (1, "x".into()),
            list: vec![
                Shape::Empty,
                Shape::Circle(0.5),
                Shape::Line(1, -1),
                Shape::Named { name: "\u{1f600}".into(), sides: Some(3) },
            ],
            by_name: BTreeMap::from([("a".into(), 1)]),
            by_number: BTreeMap::from([(-1, true), (1 << 60, false)]),
            set: BTreeSet::from([3, 1]),
        }
    }

    #[test]
    fn everything_comes_back() {
        let value = Value::of(&all()).unwrap();
        assert_eq!(value.to::<All>().unwrap(), all());
        assert!(value.to::<IgnoredAny>().is_ok());
        assert!(value.to::<All>().unwrap().minus.is_sign_negative());
    }

    #[test]
    fn it_is_what_javascript_would_have() {
        let is = |value: Value, as_js: Structured| assert_eq!(value, Value::V8(as_js.encode().into()));
        is(Value::of(&7_u64).unwrap(), Structured::Int(7));
        is(Value::of(&MAX_SAFE).unwrap(), Structured::Double(MAX_SAFE as f64));
        is(Value::of(&(MAX_SAFE + 1)).unwrap(), Structured::BigInt((MAX_SAFE + 1).into()));
        is(Value::of(&Shape::Empty).unwrap(), Structured::String("Empty".into()));
        let object = Structured::Object(vec![("Circle".into(), Structured::Double(0.5))]);
        is(Value::of(&Shape::Circle(0.5)).unwrap(), object);
        let map = Structured::Map(vec![(Structured::Int(1), Structured::Bool(true))]);
        is(Value::of(&BTreeMap::from([(1, true)])).unwrap(), map);
    }

    #[expect(clippy::needless_pass_by_value, reason = "made for it")]
    fn read<T: DeserializeOwned>(value: Structured) -> Result<T> {
        Value::V8(value.encode().into()).to()
    }

    #[test]
    fn javascript_may_write_it_otherwise() {
        assert_eq!(Value::U64(u64::MAX).to::<u64>(), Ok(u64::MAX));
        assert_eq!(Value::Bytes([1, 2].as_slice().into()).to::<Vec<u8>>(), Ok(vec![1, 2]));
        assert_eq!(read::<Option<u8>>(Structured::Undefined), Ok(None));
        assert_eq!(read::<Vec<u8>>(Structured::Set(vec![Structured::Int(5)])), Ok(vec![5]));
        assert_eq!(read::<i64>(Structured::Date(1234.0)), Ok(1234));
        assert_eq!(read::<f64>(Structured::Int(3)), Ok(3.0));
        assert_eq!(read::<u8>(Structured::Double(3.0)), Ok(3));
        let keys = Structured::Object(vec![("7".into(), Structured::Bool(true))]);
        assert_eq!(read(keys), Ok(BTreeMap::from([(7_u8, true)])));
        let buffer = Structured::Buffer(vec![9, 1, 2, 9], None);
        let view = View { kind: ViewKind::Uint8, offset: 1, length: 2, flags: 0, buffer };
        assert_eq!(read::<(u8, u8)>(Structured::View(Box::new(view))), Ok((1, 2)));
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
        assert!(matches!(read::<u8>(Structured::Int(256)), Err(Error::InvalidValue(_))));
        assert!(read::<u8>(Structured::Double(1.5)).is_err() && read::<bool>(Structured::Null).is_err());
        assert!(read::<String>(Structured::String(Text::Utf16(vec![0xd800]))).is_err());
        assert!(read::<Shape>(Structured::String("Square".into())).is_err());
        assert!(read::<Shape>(Structured::Object(Vec::new())).is_err());
        assert!(Value::Bytes([1].as_slice().into()).to::<u8>().is_err());
    }

    #[test]
    fn depth_is_bounded() {
        #[derive(Serialize)]
        struct Deep(Vec<Deep>);
        let deep = (0..1000).fold(Deep(Vec::new()), |deep, _| Deep(vec![deep]));
        assert!(matches!(Value::of(&deep), Err(Error::InvalidValue(_))));
    }
}
