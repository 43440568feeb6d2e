//! Into Rust's types.

use serde::{
    de::{
        Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected,
        VariantAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    Error, Result,
    structured::{Structured, Text, View, ViewKind},
};

/// Reads one value.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Structured);

/// Reads the name of a property: of an object that is read as a map with other keys than strings, too.
#[derive(Debug)]
struct Name(String);

fn string(text: Text) -> Result<String> {
    match text {
        Text::Utf8(text) => Ok(text),
        Text::Utf16(_) => Err(Error::InvalidValue("a string has half a character".into())),
    }
}

/// The bytes of a buffer, or of a view of single bytes.
fn bytes(value: &Structured) -> Option<Vec<u8>> {
    match value {
        Structured::Buffer(bytes, _) => Some(bytes.clone()),
        Structured::View(view) => {
            let View { kind: ViewKind::Uint8 | ViewKind::Uint8Clamped | ViewKind::Data, offset, length, .. } = **view
            else {
                return None;
            };
            let Structured::Buffer(bytes, _) = &view.buffer else { return None };
            let start = offset as usize;
            bytes.get(start..start.checked_add(length as usize)?).map(<[u8]>::to_vec)
        }
        _ => None,
    }
}

fn number<'de, V: Visitor<'de>>(number: f64, visitor: V) -> Result<V::Value> {
    const MOST: f64 = super::MAX_SAFE as f64;
    let integer = number as i64;
    if number.abs() <= MOST && (integer as f64).to_bits() == number.to_bits() {
        visitor.visit_i64(integer)
    } else {
        visitor.visit_f64(number)
    }
}

/// What cannot be told to a type of Rust's.
fn foreign<T>(what: &str) -> Result<T> {
    Err(Error::InvalidValue(format!("{what} is no value of a type of Rust's").into()))
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Structured::Undefined | Structured::Null => visitor.visit_unit(),
            Structured::Bool(value) => visitor.visit_bool(value),
            Structured::Int(value) => visitor.visit_i64(value.into()),
            Structured::Double(value) | Structured::Date(value) => number(value, visitor),
            Structured::BigInt(value) => {
                if let Ok(value) = i64::try_from(&value) {
                    visitor.visit_i64(value)
                } else if let Ok(value) = u64::try_from(&value) {
                    visitor.visit_u64(value)
                } else if let Ok(value) = i128::try_from(&value) {
                    visitor.visit_i128(value)
                } else if let Ok(value) = u128::try_from(&value) {
                    visitor.visit_u128(value)
                } else {
                    foreign("so large a bigint")
                }
            }
            Structured::String(text) => visitor.visit_string(string(text)?),
            Structured::Boxed(inner) => Self(*inner).deserialize_any(visitor),
            Structured::Array(elements, _) => {
                let elements = elements.into_iter().map(|element| Self(element.unwrap_or(Structured::Undefined)));
                list(elements, visitor)
            }
            Structured::Set(members) => list(members.into_iter().map(Self), visitor),
            Structured::Object(properties) => {
                let property = |(name, value)| Ok((Name(string(name)?), Self(value)));
                let properties = properties.into_iter().map(property).collect::<Result<Vec<_>>>()?;
                let mut map = MapDeserializer::new(properties.into_iter());
                let value = visitor.visit_map(&mut map)?;
                map.end().map(|()| value)
            }
            Structured::Map(entries) => {
                let mut map = MapDeserializer::new(entries.into_iter().map(|(key, value)| (Self(key), Self(value))));
                let value = visitor.visit_map(&mut map)?;
                map.end().map(|()| value)
            }
            value @ (Structured::Buffer(..) | Structured::View(_)) => match bytes(&value) {
                Some(bytes) => visitor.visit_byte_buf(bytes),
                None => foreign("a view of more than single bytes"),
            },
            Structured::Reference(_) => foreign("an object that is there twice"),
            Structured::RegExp(..) => foreign("a regular expression"),
            Structured::Sparse(..) => foreign("an array with so many holes"),
            Structured::Error(_) => foreign("an error"),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Structured::Undefined | Structured::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match bytes(&self.0) {
            Some(bytes) => list(bytes.into_iter(), visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let (name, content) = match self.0 {
            Structured::String(name) => (name, None),
            Structured::Object(mut properties) if properties.len() == 1 => match properties.pop() {
                Some((name, content)) => (name, Some(content)),
                None => return Err(Error::missing_field("a variant")),
            },
            _ => {
                return Err(Error::invalid_type(
                    Unexpected::Other("something else"),
                    &"a variant's name, or an object of it",
                ));
            }
        };
        visitor.visit_enum(Variant { name: string(name)?, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit map struct identifier
    }
}

fn list<'de, T, V>(elements: impl Iterator<Item = T>, visitor: V) -> Result<V::Value>
where
    T: IntoDeserializer<'de, Error>,
    V: Visitor<'de>,
{
    let mut list = SeqDeserializer::new(elements);
    let value = visitor.visit_seq(&mut list)?;
    list.end().map(|()| value)
}

impl IntoDeserializer<'_, Error> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl IntoDeserializer<'_, Error> for Name {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $to:ty => $visit:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0.parse::<$to>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Error::invalid_type(Unexpected::Str(&self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Name {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    numbers! {
        deserialize_i8 i8 => visit_i8, deserialize_i16 i16 => visit_i16, deserialize_i32 i32 => visit_i32,
        deserialize_i64 i64 => visit_i64, deserialize_i128 i128 => visit_i128,
        deserialize_u8 u8 => visit_u8, deserialize_u16 u16 => visit_u16, deserialize_u32 u32 => visit_u32,
        deserialize_u64 u64 => visit_u64, deserialize_u128 u128 => visit_u128,
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct Variant {
    name: String,
    content: Option<Structured>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content)> {
        let name: StringDeserializer<Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

/// What a variant has.
struct Content(Option<Structured>);

impl Content {
    fn there(self) -> Result<Reader> {
        self.0.map(Reader).ok_or_else(|| Error::InvalidValue("the variant has no content".into()))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(content) => <()>::deserialize(Reader(content)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.there()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.there()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.there()?.deserialize_any(visitor)
    }
}
