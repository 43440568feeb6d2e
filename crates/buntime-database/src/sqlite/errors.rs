//! SQLite's errors in the words of every engine.

use rusqlite::{Error as Sqlite, ErrorCode, ffi};

use super::guard::Guard;
use crate::{Constraint, Error, ErrorKind};

/// An error met while a statement is compiled: an error SQLite gives no code for is the statement's own.
pub(super) fn compiling(error: &Sqlite, guard: &Guard) -> Error {
    let error = running(error, guard);
    match error.kind() {
        ErrorKind::Other => Error::new(ErrorKind::Syntax, error.detail()),
        _ => error,
    }
}

/// An error met anywhere else.
pub(super) fn running(error: &Sqlite, guard: &Guard) -> Error {
    match error {
        Sqlite::SqliteFailure(code, message) => from_code(*code, message.as_deref(), guard),
        Sqlite::SqlInputError { error, msg, offset, .. } => match from_code(*error, Some(msg), guard) {
            other if other.kind() == ErrorKind::Other => {
                Error::new(ErrorKind::Syntax, format!("{msg} (at byte {offset} of the statement)"))
            }
            known => known,
        },
        Sqlite::MultipleStatement => {
            Error::new(ErrorKind::Syntax, "there is more than one statement; send them as a transaction")
        }
        Sqlite::NulError(_) => Error::new(ErrorKind::Syntax, "the statement contains a NUL character"),
        Sqlite::Utf8Error(column, _) => {
            Error::new(ErrorKind::Column, format!("column {column} holds text that is not UTF-8"))
        }
        other => Error::new(ErrorKind::Other, other.to_string()),
    }
}

fn from_code(code: ffi::Error, message: Option<&str>, guard: &Guard) -> Error {
    let kind = match code.code {
        ErrorCode::OperationInterrupted => return guard.interruption(),
        ErrorCode::AuthorizationForStatementDenied => return guard.refusal(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => ErrorKind::Busy,
        ErrorCode::ConstraintViolation => ErrorKind::Constraint(constraint(code.extended_code)),
        ErrorCode::TypeMismatch => ErrorKind::Constraint(Constraint::Other),
        ErrorCode::DiskFull => ErrorKind::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => ErrorKind::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorKind::Corrupt,
        ErrorCode::TooBig | ErrorCode::OutOfMemory => ErrorKind::TooBig,
        ErrorCode::ParameterOutOfRange => ErrorKind::Argument,
        ErrorCode::CannotOpen => ErrorKind::Unavailable,
        ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport => ErrorKind::Io,
        // Refused by SQLite before the guard is asked, for the transaction it is in.
        ErrorCode::Unknown if message.is_some_and(|message| message.starts_with("cannot VACUUM")) => {
            ErrorKind::NotAllowed
        }
        _ => ErrorKind::Other,
    };
    Error::new(kind, message.map_or_else(|| code.to_string(), str::to_owned))
}

fn constraint(extended: i32) -> Constraint {
    match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            Constraint::Unique
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
        ffi::SQLITE_CONSTRAINT_CHECK => Constraint::Check,
        _ => Constraint::Other,
    }
}
