//! PostgreSQL's errors in the words of every engine, and what may be tried again after them.

use tokio_postgres::{
    Error as Driver,
    error::{DbError, SqlState},
};

use super::options::source_words;
use crate::{Constraint, Error, ErrorKind};

/// What failed and what that means for another try.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) again: Again,
}

/// May it be run again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail the same way, or it is not known whether it happened.
    Never,
    /// Somebody else was in the way; nothing of it happened.
    Conflict,
    /// Something was learnt about the statement that makes another try different; nothing of it happened.
    Learnt,
    /// The connection is gone, and nothing of it happened.
    Lost,
}

impl Failed {
    pub(super) fn never(error: Error) -> Self {
        Self { error, again: Again::Never }
    }

    pub(super) fn at_statement(mut self, index: usize) -> Self {
        self.error = self.error.at_statement(index);
        self
    }
}

/// An error while a statement ran. `harmless`: if the connection is lost, nothing of it can have happened.
pub(super) fn running(error: &Driver, harmless: bool) -> Failed {
    if let Some(told) = error.as_db_error() {
        let again = match *told.code() {
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Again::Conflict,
            // Compiled for a schema that has changed since, or forgotten by a proxy in between.
            SqlState::FEATURE_NOT_SUPPORTED if told.message().starts_with("cached plan") => Again::Learnt,
            SqlState::INVALID_SQL_STATEMENT_NAME => Again::Learnt,
            // The server goes down. It may do so between a commit and its answer.
            SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
                return lost(told.message(), harmless);
            }
            _ => Again::Never,
        };
        return Failed { error: Error::new(kind(told), words(told)), again };
    }
    if error.is_closed() || is_io(error) {
        return lost(&source_words(error), harmless);
    }
    // Encoding an argument fails before anything is sent.
    Failed::never(Error::new(ErrorKind::Argument, source_words(error)))
}

fn lost(why: &str, harmless: bool) -> Failed {
    let (kind, again) =
        if harmless { (ErrorKind::Unavailable, Again::Lost) } else { (ErrorKind::Uncertain, Again::Never) };
    Failed { error: Error::new(kind, format!("the connection to PostgreSQL was lost: {why}")), again }
}

/// An error while a connection was made.
pub(super) fn connecting(error: &Driver) -> Error {
    let Some(told) = error.as_db_error() else {
        return Error::new(ErrorKind::Unavailable, format!("PostgreSQL cannot be reached: {}", source_words(error)));
    };
    let (kind, what) = match *told.code() {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (ErrorKind::Open, "PostgreSQL refuses the user name or the password")
        }
        SqlState::INVALID_CATALOG_NAME => (ErrorKind::Open, "PostgreSQL has no such database"),
        _ => (ErrorKind::Unavailable, "PostgreSQL lets nobody in now"),
    };
    Error::new(kind, format!("{what}: {}", told.message()))
}

/// The driver's own errors of reading, writing and TLS.
fn is_io(error: &Driver) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

fn words(told: &DbError) -> String {
    // `detail` quotes values, which may be secret; the position tells where in the statement.
    let hint = told.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint} [{}]", told.message(), told.code().code())
}

fn kind(told: &DbError) -> ErrorKind {
    let code = told.code();
    match *code {
        SqlState::UNIQUE_VIOLATION | SqlState::EXCLUSION_VIOLATION => ErrorKind::Constraint(Constraint::Unique),
        SqlState::NOT_NULL_VIOLATION => ErrorKind::Constraint(Constraint::NotNull),
        SqlState::FOREIGN_KEY_VIOLATION | SqlState::DEPENDENT_OBJECTS_STILL_EXIST => {
            ErrorKind::Constraint(Constraint::ForeignKey)
        }
        SqlState::CHECK_VIOLATION => ErrorKind::Constraint(Constraint::Check),
        SqlState::RAISE_EXCEPTION => ErrorKind::Constraint(Constraint::Other),
        SqlState::LOCK_NOT_AVAILABLE | SqlState::OBJECT_IN_USE => ErrorKind::Busy,
        SqlState::DISK_FULL => ErrorKind::Full,
        SqlState::OUT_OF_MEMORY => ErrorKind::TooBig,
        SqlState::QUERY_CANCELED => ErrorKind::Timeout,
        SqlState::READ_ONLY_SQL_TRANSACTION => ErrorKind::ReadOnly,
        SqlState::INSUFFICIENT_PRIVILEGE | SqlState::ACTIVE_SQL_TRANSACTION | SqlState::IN_FAILED_SQL_TRANSACTION => {
            ErrorKind::NotAllowed
        }
        SqlState::INDETERMINATE_DATATYPE | SqlState::AMBIGUOUS_PARAMETER | SqlState::UNDEFINED_PARAMETER => {
            ErrorKind::Argument
        }
        _ => match code.code().get(..2).unwrap_or_default() {
            "08" | "53" | "57" => ErrorKind::Unavailable,
            "22" => ErrorKind::Argument,
            "23" | "44" => ErrorKind::Constraint(Constraint::Other),
            "40" => ErrorKind::Busy,
            "0A" | "21" | "3F" | "42" => ErrorKind::Syntax,
            "54" => ErrorKind::TooBig,
            "58" => ErrorKind::Io,
            "XX" => ErrorKind::Corrupt,
            _ => ErrorKind::Other,
        },
    }
}
