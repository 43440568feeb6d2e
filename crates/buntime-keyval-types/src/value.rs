//! Values as they are stored, and entries.

use std::sync::Arc;

use crate::{Error, Key, Result, Versionstamp, structured::Structured, tree};

/// A value, in one of the encodings of KV Connect. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A JavaScript value as V8 serializes it; see [`crate::structured`].
    V8(Arc<[u8]>),
    /// `Deno.KvU64`: what `sum`, `min` and `max` work on.
    U64(u64),
    /// A `Uint8Array`.
    Bytes(Arc<[u8]>),
}

impl Value {
    /// From an encoding's number and its bytes.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for an unknown encoding, or a number that is not eight bytes.
    pub fn from_parts(encoding: i64, data: impl Into<Arc<[u8]>>) -> Result<Self> {
        let data = data.into();
        match encoding {
            1 => Ok(Self::V8(data)),
            2 => match <[u8; 8]>::try_from(&*data) {
                Ok(bytes) => Ok(Self::U64(u64::from_le_bytes(bytes))),
                Err(_) => Err(Error::InvalidValue("a KvU64 is eight bytes".into())),
            },
            3 => Ok(Self::Bytes(data)),
            _ => Err(Error::InvalidValue("its encoding is unknown".into())),
        }
    }

    /// The number of its encoding: 1 V8, 2 little-endian number, 3 bytes.
    pub fn encoding(&self) -> i64 {
        match self {
            Self::V8(_) => 1,
            Self::U64(_) => 2,
            Self::Bytes(_) => 3,
        }
    }

    /// Its bytes in that encoding.
    pub fn to_data(&self) -> Vec<u8> {
        match self {
            Self::V8(data) | Self::Bytes(data) => data.to_vec(),
            Self::U64(number) => number.to_le_bytes().to_vec(),
        }
    }

    /// As a tree to look into: a number is a bigint, bytes are a `Uint8Array`. `None` if it is not what V8 serializes.
    pub fn tree(&self) -> Option<Structured> {
        tree::of(self)
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        match self {
            Self::V8(data) | Self::Bytes(data) => data.len(),
            Self::U64(_) => 8,
        }
    }
}

/// How the keys of a watch are: of each, whether it changed since it was told last, and its entry if there is one.
pub type States = Vec<(bool, Option<Entry>)>;

/// What a watch of a prefix tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// Each key that changed, with its entry; `None`: there is none any more.
    pub entries: Vec<(Key, Option<Entry>)>,
    /// What was told before is void: these are the first of all entries there are.
    pub reset: bool,
}

/// What is stored at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub key: Key,
    /// What.
    pub value: Value,
    /// The commit that wrote it.
    pub versionstamp: Versionstamp,
    /// When it ceases to be, in milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
}

/// An entry where it lies, without its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The bytes of its key.
    pub key: &'a [u8],
    /// What.
    pub value: ValueRef<'a>,
    /// The commit that wrote it.
    pub versionstamp: Versionstamp,
}

/// A value where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// As [`Value::V8`].
    V8(&'a [u8]),
    /// As [`Value::U64`], in its eight bytes, little-endian.
    U64([u8; 8]),
    /// As [`Value::Bytes`].
    Bytes(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// From an encoding's number and its bytes.
    ///
    /// # Errors
    /// As [`Value::from_parts`].
    pub fn from_parts(encoding: i64, data: &'a [u8]) -> Result<Self> {
        match encoding {
            1 => Ok(Self::V8(data)),
            2 => data.try_into().map(Self::U64).map_err(|_| Error::InvalidValue("a KvU64 is eight bytes".into())),
            3 => Ok(Self::Bytes(data)),
            _ => Err(Error::InvalidValue("its encoding is unknown".into())),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::V8(data) => Self::V8(data.into()),
            ValueRef::U64(number) => Self::U64(u64::from_le_bytes(number)),
            ValueRef::Bytes(data) => Self::Bytes(data.into()),
        }
    }
}

impl<'a> From<&'a Entry> for EntryRef<'a> {
    fn from(entry: &'a Entry) -> Self {
        let value = match &entry.value {
            Value::V8(data) => ValueRef::V8(data),
            Value::U64(number) => ValueRef::U64(number.to_le_bytes()),
            Value::Bytes(data) => ValueRef::Bytes(data),
        };
        Self { key: entry.key.as_bytes(), value, versionstamp: entry.versionstamp }
    }
}
