//! A libSQL server's errors in the words of every engine, and what may be tried again after them.

use buntime_core::error::Retry;
use buntime_http::upstream::UpstreamError;
use http::StatusCode;

use super::wire::Told;
use crate::{Constraint, Error, ErrorKind};

/// What failed, and whether nothing of it happened so that it may be tried again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) again: bool,
}

impl Failed {
    pub(super) fn never(error: Error) -> Self {
        Self { error, again: false }
    }

    pub(super) fn at_statement(mut self, index: usize) -> Self {
        self.error = self.error.at_statement(index);
        self
    }
}

/// The exchange failed. `harmless`: had it arrived, it would have changed nothing.
pub(super) fn exchange(error: &UpstreamError, harmless: bool) -> Failed {
    lost(&error.to_string(), harmless || error.retry() == Retry::Safe)
}

/// No answer came, or none that says what happened.
pub(super) fn lost(why: &str, harmless: bool) -> Failed {
    let kind = if harmless { ErrorKind::Unavailable } else { ErrorKind::Uncertain };
    Failed { error: Error::new(kind, format!("the libSQL server did not answer: {why}")), again: harmless }
}

/// An answer that is none of the protocol's. `on_stream`: it belongs to a stream that had begun.
pub(super) fn status(status: StatusCode, text: &str, on_stream: bool, harmless: bool) -> Failed {
    let text = text.chars().take(200).collect::<String>();
    match status.as_u16() {
        400 | 404 if on_stream => {
            let what = "the libSQL server has ended the stream, and rolled its transaction back";
            Failed { error: Error::new(ErrorKind::Timeout, what), again: true }
        }
        401 | 403 => Failed::never(Error::new(ErrorKind::Open, format!("the libSQL server refuses this: {text}"))),
        404 => Failed::never(Error::new(ErrorKind::Open, format!("the libSQL server has no such database: {text}"))),
        413 => Failed::never(Error::new(ErrorKind::TooBig, "the libSQL server takes no request as large as this")),
        400..=499 if status != StatusCode::TOO_MANY_REQUESTS => {
            Failed::never(Error::new(ErrorKind::Other, format!("the libSQL server refuses this ({status}): {text}")))
        }
        // Refused before it was looked at. A proxy says 503 also when the server went away with the request.
        429 => lost(&format!("it is overloaded ({status})"), true),
        _ => lost(&format!("{status}: {text}"), harmless),
    }
}

/// The server said so.
pub(super) fn told(told: &Told) -> Failed {
    let kind = kind(told);
    let message = told.message.strip_prefix("SQLite error: ").unwrap_or(&told.message);
    // Somebody else writes, and has for longer than the server waits: nothing of it happened.
    Failed { error: Error::new(kind, message), again: kind == ErrorKind::Busy }
}

fn kind(told: &Told) -> ErrorKind {
    let code = told.code.as_deref().unwrap_or_default();
    let says = |words: &str| told.message.contains(words);
    match code {
        "SQL_PARSE_ERROR" if says("unsupported statement") => ErrorKind::NotAllowed,
        "TRANSACTION_TIMEOUT" | "STREAM_EXPIRED" | "SQLITE_INTERRUPT" => ErrorKind::Timeout,
        "TRANSACTION_BUSY" => ErrorKind::Busy,
        "RESPONSE_TOO_LARGE" | "SQLITE_TOOBIG" | "SQLITE_NOMEM" => ErrorKind::TooBig,
        "SQLITE_MISMATCH" => ErrorKind::Constraint(Constraint::Other),
        "SQLITE_RANGE" => ErrorKind::Argument,
        "SQLITE_CANTOPEN" => ErrorKind::Unavailable,
        _ if code.starts_with("SQLITE_CONSTRAINT") => ErrorKind::Constraint(constraint(&told.message)),
        _ if code.starts_with("SQLITE_BUSY") || code.starts_with("SQLITE_LOCKED") => ErrorKind::Busy,
        _ if code.starts_with("SQLITE_FULL") => ErrorKind::Full,
        _ if code.starts_with("SQLITE_READONLY") || code == "SQLITE_PERM" => ErrorKind::ReadOnly,
        _ if code.starts_with("SQLITE_CORRUPT") || code == "SQLITE_NOTADB" => ErrorKind::Corrupt,
        _ if code.starts_with("SQLITE_IOERR") => ErrorKind::Io,
        _ if code.starts_with("SQLITE_AUTH") => ErrorKind::NotAllowed,
        _ if code.starts_with("ARGS_") => ErrorKind::Argument,
        _ if code.starts_with("SQL_") => ErrorKind::Syntax,
        // What SQLite has no code for is the statement's own.
        "SQLITE_ERROR" | "SQLITE_UNKNOWN" => ErrorKind::Syntax,
        _ => ErrorKind::Other,
    }
}

fn constraint(message: &str) -> Constraint {
    let says = |words: &str| message.contains(words);
    if says("UNIQUE constraint") || says("PRIMARY KEY constraint") {
        Constraint::Unique
    } else if says("NOT NULL constraint") {
        Constraint::NotNull
    } else if says("FOREIGN KEY constraint") {
        Constraint::ForeignKey
    } else if says("CHECK constraint") {
        Constraint::Check
    } else {
        Constraint::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_not_run_again() {
        for (code, harmless, kind, again) in [
            (429, false, ErrorKind::Unavailable, true),
            (503, true, ErrorKind::Unavailable, true),
            (503, false, ErrorKind::Uncertain, false),
            (502, false, ErrorKind::Uncertain, false),
        ] {
            let failed = status(StatusCode::from_u16(code).unwrap(), "", false, harmless);
            assert_eq!((failed.error.kind(), failed.again), (kind, again), "{code}");
        }
    }
}
