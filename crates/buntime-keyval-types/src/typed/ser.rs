//! From Rust's types.

use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant, Serializer,
    },
};

use super::MAX_SAFE;
use crate::{
    Error, Result,
    structured::{MAX_DEPTH, Property, Structured, View, ViewKind},
};

/// Writes one value, so deep inside of others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Writer {
    depth: usize,
}

impl Writer {
    fn inner(self) -> Result<Self> {
        if self.depth + 1 >= MAX_DEPTH {
            return Err(Error::InvalidValue(format!("it is nested deeper than {MAX_DEPTH}").into()));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

/// A list, and the variant it is of.
#[derive(Debug)]
pub(super) struct List {
    of: Writer,
    elements: Vec<Option<Structured>>,
    variant: Option<&'static str>,
}

/// An object, and the variant it is of.
#[derive(Debug)]
pub(super) struct Object {
    of: Writer,
    properties: Vec<Property>,
    variant: Option<&'static str>,
}

/// A map, whose keys say what it becomes.
#[derive(Debug)]
pub(super) struct Entries {
    of: Writer,
    entries: Vec<(Structured, Structured)>,
    key: Option<Structured>,
}

fn variant(name: Option<&'static str>, content: Structured) -> Structured {
    match name {
        Some(name) => Structured::Object(vec![(name.into(), content)]),
        None => content,
    }
}

impl List {
    fn new(of: Writer, length: usize, variant: Option<&'static str>) -> Result<Self> {
        // What it says of its length is not believed.
        Ok(Self { of: of.inner()?, elements: Vec::with_capacity(length.min(1024)), variant })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.elements.push(Some(value.serialize(self.of)?));
        Ok(())
    }

    fn finish(self) -> Structured {
        variant(self.variant, Structured::Array(self.elements, Vec::new()))
    }
}

impl Object {
    fn push<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.properties.push((name.into(), value.serialize(self.of)?));
        Ok(())
    }

    fn finish(self) -> Structured {
        variant(self.variant, Structured::Object(self.properties))
    }
}

fn integer(number: i128) -> Structured {
    if number.unsigned_abs() <= u128::from(MAX_SAFE) {
        Structured::number(number as f64)
    } else {
        Structured::BigInt(number.into())
    }
}

macro_rules! integers {
    ($($name:ident $from:ty,)*) => {$(
        fn $name(self, number: $from) -> Result<Structured> {
            Ok(integer(number.into()))
        }
    )*};
}

impl Serializer for Writer {
    type Ok = Structured;
    type Error = Error;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Entries;
    type SerializeStruct = Object;
    type SerializeStructVariant = Object;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
    }

    fn serialize_u128(self, number: u128) -> Result<Structured> {
        Ok(i128::try_from(number).map_or_else(|_| Structured::BigInt(number.into()), integer))
    }

    fn serialize_bool(self, value: bool) -> Result<Structured> {
        Ok(Structured::Bool(value))
    }

    fn serialize_f32(self, number: f32) -> Result<Structured> {
        Ok(Structured::number(number.into()))
    }

    fn serialize_f64(self, number: f64) -> Result<Structured> {
        Ok(Structured::number(number))
    }

    fn serialize_char(self, letter: char) -> Result<Structured> {
        Ok(Structured::String(letter.to_string().into()))
    }

    fn serialize_str(self, text: &str) -> Result<Structured> {
        Ok(Structured::String(text.into()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Structured> {
        let length = u32::try_from(bytes.len()).map_err(|_| Error::InvalidValue("it has too many bytes".into()))?;
        let buffer = Structured::Buffer(bytes.to_vec(), None);
        Ok(Structured::View(Box::new(View { kind: ViewKind::Uint8, offset: 0, length, flags: 0, buffer })))
    }

    fn serialize_none(self) -> Result<Structured> {
        Ok(Structured::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Structured> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Structured> {
        Ok(Structured::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Structured> {
        Ok(Structured::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Structured> {
        Ok(Structured::String(name.into()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Structured> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Structured> {
        Ok(variant(Some(name), value.serialize(self.inner()?)?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List> {
        List::new(self, length.unwrap_or(0), None)
    }

    fn serialize_tuple(self, length: usize) -> Result<List> {
        List::new(self, length, None)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List> {
        List::new(self, length, None)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, length: usize) -> Result<List> {
        List::new(self.inner()?, length, Some(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries> {
        Ok(Entries { of: self.inner()?, entries: Vec::new(), key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object> {
        Ok(Object { of: self.inner()?, properties: Vec::new(), variant: None })
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Object> {
        Ok(Object { of: self.inner()?.inner()?, properties: Vec::new(), variant: Some(name) })
    }
}

macro_rules! lists {
    ($($of:ident $method:ident,)*) => {$(
        impl $of for List {
            type Ok = Structured;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Structured> {
                Ok(self.finish())
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! objects {
    ($($of:ident)*) => {$(
        impl $of for Object {
            type Ok = Structured;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.push(name, value)
            }

            fn end(self) -> Result<Structured> {
                Ok(self.finish())
            }
        }
    )*};
}

objects! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Entries {
    type Ok = Structured;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(self.of)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().ok_or_else(|| Error::InvalidValue("a value of a map has no key".into()))?;
        self.entries.push((key, value.serialize(self.of)?));
        Ok(())
    }

    fn end(self) -> Result<Structured> {
        if !self.entries.iter().all(|(key, _)| matches!(key, Structured::String(_))) {
            return Ok(Structured::Map(self.entries));
        }
        let property = |(key, value)| match key {
            Structured::String(name) => Some((name, value)),
            _ => None,
        };
        Ok(Structured::Object(self.entries.into_iter().filter_map(property).collect()))
    }
}
