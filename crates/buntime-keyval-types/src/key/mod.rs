//! Keys: sequences of typed parts, kept as the bytes that order them.

mod codec;
mod part;

use std::{borrow::Borrow, fmt, sync::Arc};

pub use self::part::Part;
use crate::{Error, Result};

/// A key, as the bytes Deno encodes it into: their order is the order of keys, and part by part. Cheap to clone.
///
/// Always the encoding of some parts, and the only one of these; an empty key is no key of an entry, but is a prefix.
///
/// ```
/// use buntime_keyval_types::{Key, Part, key};
///
/// let user = key!["users", 7, true];
/// assert_eq!(user.parts(), [Part::from("users"), Part::from(7), Part::from(true)]);
/// assert!(key!["users"] < user && user < key!["users2"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// Of these parts.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for a bigint of more than 255 bytes.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Result<Self> {
        let mut bytes = Vec::with_capacity(64);
        for part in parts {
            codec::encode(part, &mut bytes)?;
        }
        Ok(Self(bytes.into()))
    }

    /// From its bytes.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if they are not what some parts are encoded into.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        codec::check(&bytes)?;
        Ok(Self(bytes))
    }

    /// From bytes that were a key's.
    ///
    /// For stores: of any other bytes it is a key that has no parts.
    pub fn trusted(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Has it no parts?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its parts.
    pub fn parts(&self) -> Vec<Part> {
        // It was checked when it was made.
        codec::decode(&self.0).unwrap_or_default()
    }

    /// With one more part.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn join(&self, part: &Part) -> Result<Self> {
        let mut bytes = self.0.to_vec();
        codec::encode(part, &mut bytes)?;
        Ok(Self(bytes.into()))
    }

    /// What it is below, the empty prefix first.
    pub fn prefixes(&self) -> impl Iterator<Item = Self> {
        let ends = codec::ends(&self.0);
        let last = ends.len().saturating_sub(1);
        std::iter::once(0).chain(ends.into_iter().take(last)).filter_map(|end| self.0.get(..end).map(Self::trusted))
    }

    /// Is it below that prefix? A key is not below itself.
    pub fn is_below(&self, prefix: &Self) -> bool {
        // Parts are self-delimiting, but for the 0xff that continues an escaped zero.
        self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.first().is_some_and(|tag| *tag != codec::ESCAPE))
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<Part>> for Key {
    type Error = Error;

    fn try_from(parts: Vec<Part>) -> Result<Self> {
        Self::new(&parts)
    }
}

/// As Deno prints it: `["users", 7n, true]`.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts()).finish()
    }
}

/// A key of parts that are known to fit: `key!["users", 7]`. Anything that becomes a [`Part`]; a bigint here is an
/// `i128` at most.
#[macro_export]
macro_rules! key {
    ($($part:expr),* $(,)?) => {
        $crate::Key::of_small(&[$($crate::SmallPart::from($part)),*])
    };
}

/// A part that always fits in a key.
#[derive(Clone, Debug)]
pub struct SmallPart(Part);

macro_rules! small {
    ($($from:ty),* $(,)?) => {$(
        impl From<$from> for SmallPart {
            fn from(part: $from) -> Self {
                Self(part.into())
            }
        }
    )*};
}

small!(&str, String, &String, &[u8], Vec<u8>, bool, f64, i32, u32, i128);

impl Key {
    /// Of parts that always fit; what [`key!`](crate::key) calls.
    pub fn of_small(parts: &[SmallPart]) -> Self {
        Self::new(parts.iter().map(|part| &part.0)).unwrap_or_default()
    }
}
