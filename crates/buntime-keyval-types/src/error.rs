//! What can go wrong, in words that may be shown to clients but for [`Error::Database`].

use std::borrow::Cow;

use crate::Exceeded;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of KeyVal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// These bytes or parts are no key.
    #[error("Invalid key: {0}")]
    InvalidKey(Cow<'static, str>),
    /// More than the limits allow.
    #[error("{0}")]
    Limit(Exceeded),
    /// A range or selector that makes no sense.
    #[error("{0}")]
    InvalidRange(Cow<'static, str>),
    /// A cursor that belongs to no or to another selector.
    #[error("{0}")]
    InvalidCursor(Cow<'static, str>),
    /// A versionstamp that is none.
    #[error("A versionstamp is 20 hexadecimal digits")]
    InvalidVersionstamp,
    /// An option that makes no sense.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// A value that is not what V8 or a KV client writes.
    #[error("Invalid value: {0}")]
    InvalidValue(Cow<'static, str>),
    /// A mutation of a value that is of another type. Nothing was done.
    #[error("{0}")]
    TypeMismatch(Cow<'static, str>),
    /// A sum outside the limits that came with it. Nothing was done.
    #[error("The result of a Sum operation would exceed its range limit")]
    SumOutOfRange,
    /// A mutation's own rule refused it. Nothing was done.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    /// The namespace holds as much as it may. Nothing was done.
    #[error("{0}")]
    Quota(Cow<'static, str>),
    /// A remote store does not let in whoever has this token, or none.
    #[error("{0}")]
    Denied(Cow<'static, str>),
    /// A search that cannot be understood, and the number of the character it is about, from 1.
    #[error("The query cannot be understood at character {at}: {words}")]
    Query {
        /// Which character.
        at: usize,
        /// What is wrong.
        words: Cow<'static, str>,
    },
    /// Another entry has what a unique index allows one to have. Nothing was done.
    #[error("{0}")]
    Unique(Cow<'static, str>),
    /// There is no such index.
    #[error("{0}")]
    NoIndex(Cow<'static, str>),
    /// The index is still being built, and cannot answer yet.
    #[error("{0}")]
    Building(Cow<'static, str>),
    /// The connection to the database was lost before it answered: it may have happened.
    #[error("The storage did not answer; the write may have happened")]
    Uncertain,
    /// No space is left. Nothing was done; reads go on.
    #[error("The storage is full")]
    Full,
    /// The database cannot be reached or is busy; the same call may succeed later.
    #[error("The storage cannot be reached")]
    Unavailable(Cow<'static, str>),
    /// What was asked for, or given, takes more bytes than can be read or written at once. Nothing was done.
    #[error("That is more than can be read or written at once; ask for less")]
    TooBig,
    /// It was closed.
    #[error("The database is closed")]
    Closed,
    /// Anything else the database says; for logs.
    #[error("The storage failed")]
    Database(Cow<'static, str>),
}

impl Error {
    /// The header in which servers say the [`Error::code`] of what they answer with.
    pub const HEADER: &'static str = "x-keyval-error";
    const KEY: &'static str = "Invalid key: ";
    const VALUE: &'static str = "Invalid value: ";
    const QUERY: &'static str = "The query cannot be understood at character ";

    /// A stable name of what it is, for programs. With its words it is read again by [`Error::read`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidKey(_) => "invalid_key",
            Self::Limit(_) => "limit",
            Self::InvalidRange(_) => "invalid_range",
            Self::InvalidCursor(_) => "invalid_cursor",
            Self::InvalidVersionstamp => "invalid_versionstamp",
            Self::Invalid(_) => "invalid",
            Self::InvalidValue(_) => "invalid_value",
            Self::TypeMismatch(_) => "type_mismatch",
            Self::SumOutOfRange => "sum_out_of_range",
            Self::Refused(_) => "refused",
            Self::Quota(_) => "quota",
            Self::Denied(_) => "denied",
            Self::Query { .. } => "query",
            Self::Unique(_) => "unique",
            Self::NoIndex(_) => "no_index",
            Self::Building(_) => "building",
            Self::Uncertain => "uncertain",
            Self::Full => "full",
            Self::Unavailable(_) => "unavailable",
            Self::TooBig => "too_big",
            Self::Closed => "closed",
            Self::Database(_) => "database",
        }
    }

    /// What a server said: a [`Error::code`], and the words of the error, perhaps with others before them that say where.
    /// `None`: no error has that code and such words.
    pub fn read(code: &str, words: &str) -> Option<Self> {
        let own = || Cow::Owned(words.to_owned());
        // What its words begin with is not said twice.
        let without = |begin: &str| Cow::Owned(words.replacen(begin, "", 1));
        Some(match code {
            "invalid_key" => Self::InvalidKey(without(Self::KEY)),
            "limit" => Self::Limit(Exceeded::read(words)?),
            "invalid_range" => Self::InvalidRange(own()),
            "invalid_cursor" => Self::InvalidCursor(own()),
            "invalid_versionstamp" => Self::InvalidVersionstamp,
            "invalid" => Self::Invalid(own()),
            "invalid_value" => Self::InvalidValue(without(Self::VALUE)),
            "type_mismatch" => Self::TypeMismatch(own()),
            "sum_out_of_range" => Self::SumOutOfRange,
            "refused" => Self::Refused(own()),
            "quota" => Self::Quota(own()),
            "denied" => Self::Denied(own()),
            "query" => {
                let (at, words) = words.split_once(Self::QUERY)?.1.split_once(": ")?;
                Self::Query { at: at.parse().ok()?, words: Cow::Owned(words.to_owned()) }
            }
            "unique" => Self::Unique(own()),
            "no_index" => Self::NoIndex(own()),
            "building" => Self::Building(own()),
            "uncertain" => Self::Uncertain,
            "full" => Self::Full,
            "unavailable" => Self::Unavailable(own()),
            "too_big" => Self::TooBig,
            "closed" => Self::Closed,
            "database" => Self::Database(own()),
            _ => return None,
        })
    }
}

#[cfg(feature = "database")]
impl From<buntime_database::Error> for Error {
    fn from(error: buntime_database::Error) -> Self {
        use buntime_database::ErrorKind;
        let detail = || Cow::Owned(error.to_string());
        match error.kind() {
            ErrorKind::Full => Self::Full,
            ErrorKind::Closed => Self::Closed,
            ErrorKind::Uncertain => Self::Uncertain,
            ErrorKind::TooBig => Self::TooBig,
            ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Timeout => Self::Unavailable(detail()),
            _ => Self::Database(detail()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::What;

    #[test]
    fn what_is_said_is_read_as_what_it_was() {
        let words = || Cow::Borrowed("it is so: why");
        for error in [
            Error::InvalidKey(words()),
            Error::Limit(Exceeded { what: What::Body, most: 7 }),
            Error::InvalidRange(words()),
            Error::InvalidCursor(words()),
            Error::InvalidVersionstamp,
            Error::Invalid(words()),
            Error::InvalidValue(words()),
            Error::TypeMismatch(words()),
            Error::SumOutOfRange,
            Error::Refused(words()),
            Error::Quota(words()),
            Error::Denied(words()),
            Error::Query { at: 7, words: words() },
            Error::Unique(words()),
            Error::NoIndex(words()),
            Error::Building(words()),
            Error::Uncertain,
            Error::Full,
            Error::TooBig,
            Error::Closed,
        ] {
            assert_eq!(Error::read(error.code(), &error.to_string()), Some(error));
        }
        // Their own words are for logs.
        for error in [Error::Unavailable(words()), Error::Database(words())] {
            assert_eq!(Error::read(error.code(), &error.to_string()).map(|read| read.code()), Some(error.code()));
        }
        assert_eq!(Error::read("query", "no place"), None);
        assert_eq!(Error::read("another", "words"), None);
        let placed = Error::read("invalid_key", "Invalid mutation at index 1: Invalid key: it is so").unwrap();
        assert_eq!(placed, Error::InvalidKey("Invalid mutation at index 1: it is so".into()));
    }
}
