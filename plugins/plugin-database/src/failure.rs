//! What a database failed with, as the APIs say it.
//!
//! Who administers writes the SQL, so what is wrong with it is said in the engine's own words. What else fails, addresses,
//! paths and disks, is for the log.

use buntime_core::{Error, ErrorKind};
use buntime_database::{self as database, ErrorKind as Kind};

/// As an error of the REST API.
pub(crate) fn failure(error: database::Error) -> Error {
    let kind = match error.kind() {
        Kind::Syntax | Kind::Argument | Kind::NotAllowed | Kind::Column | Kind::Expectation => ErrorKind::Malformed,
        Kind::Constraint(_) | Kind::ReadOnly => ErrorKind::Conflict,
        Kind::TooBig => ErrorKind::PayloadTooLarge,
        Kind::Timeout | Kind::Uncertain => ErrorKind::UpstreamTimeout,
        Kind::Full => ErrorKind::InsufficientStorage,
        Kind::Busy | Kind::Unavailable | Kind::Closed | Kind::Open => ErrorKind::UpstreamUnavailable,
        Kind::NoTenant => ErrorKind::NotFound,
        Kind::Canceled => ErrorKind::ClientClosed,
        // Corrupt, Io, Migration, Other, and what is yet to come.
        _ => ErrorKind::Internal,
    };
    let words = words(&error);
    Error::new(kind).with_code(error.kind().code()).with_detail(words).with_cause(error)
}

/// What may be said of it; the rest is logged.
pub(crate) fn words(error: &database::Error) -> String {
    let generic = match error.kind() {
        Kind::Unavailable | Kind::Open => "the database cannot be reached now",
        Kind::Closed => "the database was closed",
        Kind::Corrupt => "the database is damaged",
        Kind::Io => "reading or writing the disk failed",
        Kind::Uncertain => {
            "no answer came in time, or its connection was lost: it is not known whether this has happened"
        }
        Kind::Migration | Kind::Other => "the database failed",
        _ => return error.detail().to_owned(),
    };
    tracing::warn!("a database failed: {error}");
    generic.to_owned()
}

/// The code that clients of libSQL know it by.
pub(crate) fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::Busy => "SQLITE_BUSY",
        Kind::Constraint(_) => "SQLITE_CONSTRAINT",
        Kind::Full => "SQLITE_FULL",
        Kind::ReadOnly => "SQLITE_READONLY",
        Kind::Corrupt => "SQLITE_CORRUPT",
        Kind::Syntax => "SQLITE_ERROR",
        Kind::Argument => "ARGS_INVALID",
        Kind::NotAllowed => "SQLITE_AUTH",
        Kind::TooBig => "SQLITE_TOOBIG",
        Kind::Timeout => "TRANSACTION_TIMEOUT",
        Kind::Canceled => "SQLITE_ABORT",
        Kind::Column => "SQLITE_MISMATCH",
        Kind::Open | Kind::NoTenant => "SQLITE_CANTOPEN",
        Kind::Io => "SQLITE_IOERR",
        Kind::Closed => "DATABASE_CLOSED",
        Kind::Unavailable => "DATABASE_UNAVAILABLE",
        Kind::Uncertain => "OUTCOME_UNKNOWN",
        _ => "INTERNAL_ERROR",
    }
}
