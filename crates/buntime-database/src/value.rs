//! The values that go into and come out of statements.

use crate::{Error, ErrorKind, Result};

/// A value as every engine can hold it.
///
/// `Real` must not be NaN (engines disagree on it; SQLite stores NULL): binding one fails with
/// [`ErrorKind::Argument`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A 64-bit integer. Booleans are 0 and 1.
    Integer(i64),
    /// A double.
    Real(f64),
    /// UTF-8 text; may contain NUL.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// The word for its type, as error messages use it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "text",
            Self::Blob(_) => "blob",
        }
    }

    /// Its weight in a result, in bytes of memory.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Blob(blob) => blob.len(),
                Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            }
    }
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}

value_from! {
    i64 => |v| Self::Integer(v);
    i32 => |v| Self::Integer(v.into());
    u32 => |v| Self::Integer(v.into());
    bool => |v| Self::Integer(v.into());
    f64 => |v| Self::Real(v);
    String => |v| Self::Text(v);
    &String => |v| Self::Text(v.clone());
    &str => |v| Self::Text(v.to_owned());
    Vec<u8> => |v| Self::Blob(v);
    &[u8] => |v| Self::Blob(v.to_vec());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a column can be read as. Nothing is converted but integer to `bool` and `f64`.
pub trait FromValue: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when the value is of another type.
    fn from_value(value: &Value) -> Result<Self>;
}

macro_rules! from_value {
    ($($to:ty, $name:literal, { $($pattern:pat => $read:expr),* $(,)? };)*) => {$(
        impl FromValue for $to {
            fn from_value(value: &Value) -> Result<Self> {
                match value {
                    $($pattern => Ok($read),)*
                    other => Err(Error::new(ErrorKind::Column, concat!("expected ", $name, ", found ").to_owned() + other.type_name())),
                }
            }
        }
    )*};
}

from_value! {
    i64, "an integer", { Value::Integer(v) => *v };
    bool, "a boolean (0 or 1)", { Value::Integer(0) => false, Value::Integer(1) => true };
    // An integer up to 2^53 is exact; larger ones round, as in SQL itself.
    f64, "a number", { Value::Real(v) => *v, Value::Integer(v) => *v as f64 };
    String, "text", { Value::Text(v) => v.clone() };
    Vec<u8>, "a blob", { Value::Blob(v) => v.clone() };
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// The arguments of a statement: `args![1, "text", None::<i64>]` is a `Vec<Value>`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::Value>::from([$($crate::Value::from($value)),*])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_what_it_is() {
        assert_eq!(i64::from_value(&Value::Integer(7)).unwrap(), 7);
        assert_eq!(f64::from_value(&Value::Integer(7)).unwrap(), 7.0);
        assert_eq!(Option::<String>::from_value(&Value::Null).unwrap(), None);
        let error = i64::from_value(&Value::from("7")).unwrap_err();
        assert_eq!((error.kind(), error.detail()), (ErrorKind::Column, "expected an integer, found text"));
        assert_eq!(bool::from_value(&Value::Integer(2)).unwrap_err().kind(), ErrorKind::Column);
    }

    #[test]
    fn arguments_of_every_type() {
        let blob: &[u8] = &[1];
        assert_eq!(
            args![1, "a", None::<i64>, 1.5, true, blob],
            [
                Value::Integer(1),
                Value::from("a"),
                Value::Null,
                Value::Real(1.5),
                Value::Integer(1),
                Value::Blob(vec![1])
            ]
        );
    }
}
