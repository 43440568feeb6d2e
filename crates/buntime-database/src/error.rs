//! The one error type of every engine.
//!
//! `kind` is for programs, `detail` for logs and people who run the server: it may quote SQL, names and paths, so it
//! must not be shown to clients. Arguments are never in it: they may be secrets.

use std::fmt;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, the same words for every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else holds the database; the same call may succeed later.
    Busy,
    /// A rule of the schema forbids it.
    Constraint(Constraint),
    /// A statement touched another number of rows than it was told to expect; the transaction did nothing.
    Expectation,
    /// No space is left on the disk, or the database's own limit is reached.
    Full,
    /// The database or its file cannot be written.
    ReadOnly,
    /// The file is not a database, or it is damaged.
    Corrupt,
    /// The SQL cannot be understood, or names what is not there.
    Syntax,
    /// The arguments do not fit the statement.
    Argument,
    /// The statement is of a kind that callers may not run (transactions, `ATTACH`, `PRAGMA`, temporary tables).
    NotAllowed,
    /// A value, row or result over its limit.
    TooBig,
    /// It took longer than the adapter's limit; nothing of it stays.
    Timeout,
    /// The caller went away.
    Canceled,
    /// The adapter is closed.
    Closed,
    /// A row does not have that column, or not of that type.
    Column,
    /// The migrations do not fit those the database has seen.
    Migration,
    /// It could not be opened with these settings.
    Open,
    /// There is no tenant of that name.
    NoTenant,
    /// The engine cannot be reached, or its file is gone.
    Unavailable,
    /// The answer did not come, since the connection was lost or nobody waited any longer: it is not known whether what was
    /// asked has happened.
    Uncertain,
    /// Reading or writing the disk failed.
    Io,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The stable word for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Constraint(_) => "constraint",
            Self::Expectation => "expectation",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Corrupt => "corrupt",
            Self::Syntax => "syntax",
            Self::Argument => "argument",
            Self::NotAllowed => "not_allowed",
            Self::TooBig => "too_big",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Closed => "closed",
            Self::Column => "column",
            Self::Migration => "migration",
            Self::Open => "open",
            Self::NoTenant => "no_tenant",
            Self::Unavailable => "unavailable",
            Self::Uncertain => "uncertain",
            Self::Io => "io",
            Self::Other => "other",
        }
    }
}

/// Which rule of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Constraint {
    /// A unique index or a primary key.
    Unique,
    /// `NOT NULL`.
    NotNull,
    /// A foreign key.
    ForeignKey,
    /// `CHECK`.
    Check,
    /// Any other: triggers, strict types.
    Other,
}

/// An error of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    detail: String,
    statement: Option<usize>,
}

impl Error {
    /// An error of that kind. `detail` says what to change where that is known, and holds no arguments.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, detail: detail.into(), statement: None }))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Words for the log.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Which statement of a transaction, from 0.
    pub fn statement(&self) -> Option<usize> {
        self.0.statement
    }

    /// May the same call succeed later, unchanged, with nothing having happened yet?
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }

    /// Says which statement of a transaction it was.
    #[must_use]
    pub fn at_statement(mut self, index: usize) -> Self {
        self.0.statement = Some(index);
        self
    }

    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.0.detail = format!("column `{column}`: {}", self.0.detail);
        self
    }

    /// Of a call with one statement: which one goes without saying.
    pub(crate) fn of_single(mut self) -> Self {
        self.0.statement = None;
        self
    }

    pub(crate) fn writes() -> Self {
        Self::new(ErrorKind::ReadOnly, "the statement writes, and only reading is allowed here")
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the database is closed")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.0.statement {
            write!(f, "statement {index}: ")?;
        }
        write!(f, "{} ({})", self.0.detail, self.0.kind.code())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("statement", &self.0.statement)
            .finish()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pointer_wide_and_shareable() {
        fn shareable<T: Send + Sync + 'static>() {}
        shareable::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn says_which_statement() {
        let error = Error::new(ErrorKind::Constraint(Constraint::Unique), "UNIQUE constraint failed: t.id");
        assert_eq!(error.to_string(), "UNIQUE constraint failed: t.id (constraint)");
        assert_eq!(error.at_statement(2).to_string(), "statement 2: UNIQUE constraint failed: t.id (constraint)");
    }
}
