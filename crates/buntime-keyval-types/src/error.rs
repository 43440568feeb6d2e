//! What can go wrong, in words that may be shown to clients but for [`Error::Database`].

use std::borrow::Cow;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of KeyVal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// These bytes or parts are no key.
    #[error("Invalid key: {0}")]
    InvalidKey(&'static str),
    /// More than the limits allow.
    #[error("{0}")]
    Limit(Exceeded),
    /// A range or selector that makes no sense.
    #[error("{0}")]
    InvalidRange(&'static str),
    /// A cursor that belongs to no or to another selector.
    #[error("{0}")]
    InvalidCursor(&'static str),
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

/// What is too large or too many. In Deno's words where Deno has the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which limit.
    pub what: What,
    /// The most that is allowed.
    pub most: usize,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Bytes of a key that is written.
    WrittenKey,
    /// Bytes of a bound that is read.
    ReadKey,
    /// Bytes of a value.
    Value,
    /// Bytes of a message.
    Payload,
    /// Ranges of a read.
    Ranges,
    /// Entries of a read.
    Entries,
    /// Checks of an atomic write.
    Checks,
    /// Mutations and messages of an atomic write.
    Mutations,
    /// Bytes of all in an atomic write.
    Total,
    /// Bytes of all keys in an atomic write.
    TotalKeys,
    /// Keys of a watch.
    WatchedKeys,
    /// Milliseconds of a message's delay.
    Delay,
    /// Steps of a message's backoff.
    BackoffSteps,
    /// Milliseconds of such a step.
    Backoff,
    /// Keys a message is written to if it is not delivered.
    UndeliveredKeys,
    /// Characters of a queue's name or a deduplication key.
    Name,
    /// Watches at once.
    Watches,
    /// Bytes of a search.
    Query,
    /// Fields of an index.
    Fields,
    /// Indexes of a namespace.
    Indexes,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::WrittenKey,
        Self::ReadKey,
        Self::Value,
        Self::Payload,
        Self::Ranges,
        Self::Entries,
        Self::Checks,
        Self::Mutations,
        Self::Total,
        Self::TotalKeys,
        Self::WatchedKeys,
        Self::Delay,
        Self::BackoffSteps,
        Self::Backoff,
        Self::UndeliveredKeys,
        Self::Name,
        Self::Watches,
        Self::Query,
        Self::Fields,
        Self::Indexes,
    ];
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = self.most;
        match self.what {
            What::WrittenKey => write!(f, "Key too large for write (max {most} bytes)"),
            What::ReadKey => write!(f, "Key too large for read (max {most} bytes)"),
            What::Value => write!(f, "Value too large (max {most} bytes)"),
            What::Payload => write!(f, "enqueue payload too large (max {most} bytes)"),
            What::Ranges => write!(f, "Too many ranges (max {most})"),
            What::Entries => write!(f, "Too many entries (max {most})"),
            What::Checks => write!(f, "Too many checks (max {most})"),
            What::Mutations => write!(f, "Too many mutations (max {most})"),
            What::Total => write!(f, "Total mutation size too large (max {most} bytes)"),
            What::TotalKeys => write!(f, "Total key size too large (max {most} bytes)"),
            What::WatchedKeys => write!(f, "Too many keys (max {most})"),
            What::Delay => write!(f, "delay cannot be greater than {most} milliseconds"),
            What::BackoffSteps => write!(f, "invalid backoffSchedule, max {most} intervals"),
            What::Backoff => write!(f, "invalid backoffSchedule, interval at most {most} milliseconds"),
            What::UndeliveredKeys => write!(f, "Too many keysIfUndelivered (max {most})"),
            What::Name => write!(f, "Name too long (max {most} characters)"),
            What::Watches => write!(f, "Too many watches (max {most})"),
            What::Query => write!(f, "Query too large (max {most} bytes)"),
            What::Fields => write!(f, "Too many fields (max {most})"),
            What::Indexes => write!(f, "Too many indexes (max {most})"),
        }
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
