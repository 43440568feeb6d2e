//! Running one statement on a connection.

use rusqlite::{
    Connection, Statement as Compiled,
    types::{ToSqlOutput, ValueRef},
};

use super::{connection::Guarded, errors, guard::Guard};
use crate::{Error, ErrorKind, Outcome, Result, Rows, Statement, Value};

/// Longer statements are compiled each time: they are generated, and would fill the cache with what comes once.
const CACHED_LENGTH: usize = 16 * 1024;

/// How a connection takes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It may write.
    ReadWrite,
    /// It is for the writer if it writes.
    ReadOnly,
}

/// Runs it. `None`: it writes, and the mode is read-only; nothing happened.
pub(super) fn statement(on: &Guarded, statement: &Statement, mode: Mode, max_bytes: usize) -> Result<Option<Outcome>> {
    let (connection, guard) = (&on.connection, &*on.guard);
    let sql = statement.sql.as_str();
    if sql.len() > CACHED_LENGTH {
        let mut compiled = connection.prepare(sql).map_err(|error| errors::compiling(&error, guard))?;
        compiled_statement(connection, guard, &mut compiled, statement, mode, max_bytes)
    } else {
        let mut compiled = connection.prepare_cached(sql).map_err(|error| errors::compiling(&error, guard))?;
        compiled_statement(connection, guard, &mut compiled, statement, mode, max_bytes)
    }
}

fn compiled_statement(
    connection: &Connection,
    guard: &Guard,
    compiled: &mut Compiled<'_>,
    statement: &Statement,
    mode: Mode,
    max_bytes: usize,
) -> Result<Option<Outcome>> {
    let reads = compiled.readonly();
    if mode == Mode::ReadOnly && !reads {
        return Ok(None);
    }
    bind(compiled, &statement.args, guard)?;
    let before = connection.total_changes();
    let rows = collect(compiled, guard, max_bytes)?;
    // `changes` keeps its number over statements that change nothing.
    let affected = if reads || connection.total_changes() == before { 0 } else { connection.changes() };
    let last_insert_id = (affected > 0 && inserts(&statement.sql)).then(|| connection.last_insert_rowid());
    let touched = if reads { rows.len() as u64 } else { affected };
    match statement.expect {
        Some(expected) if expected != touched => {
            Err(Error::new(ErrorKind::Expectation, format!("expected {expected} rows, touched {touched}")))
        }
        _ => Ok(Some(Outcome { affected, last_insert_id, rows })),
    }
}

fn bind(compiled: &mut Compiled<'_>, args: &[Value], guard: &Guard) -> Result<()> {
    let takes = compiled.parameter_count();
    if takes != args.len() {
        let given = args.len();
        return Err(Error::new(
            ErrorKind::Argument,
            format!("the statement takes {takes} arguments, and {given} were given"),
        ));
    }
    for (at, value) in args.iter().enumerate() {
        let value = match value {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) if real.is_nan() => {
                return Err(Error::new(ErrorKind::Argument, format!("argument {} is not a number (NaN)", at + 1)));
            }
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        };
        compiled
            .raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(value))
            .map_err(|error| errors::running(&error, guard))?;
    }
    Ok(())
}

fn collect(compiled: &mut Compiled<'_>, guard: &Guard, max_bytes: usize) -> Result<Rows> {
    let fail = |error: rusqlite::Error| match &error {
        // What SQLite says of stepping through nothing at all.
        rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::ApiMisuse => {
            Error::new(ErrorKind::Syntax, "there is no statement")
        }
        _ => errors::running(&error, guard),
    };
    let mut values = Vec::new();
    let mut bytes = 0;
    let mut rows = compiled.raw_query();
    while let Some(row) = rows.next().map_err(fail)? {
        let width = row.as_ref().column_count();
        let mut line = Vec::with_capacity(width);
        for at in 0..width {
            let value = read(row.get_ref(at).map_err(fail)?, at)?;
            bytes += value.size();
            line.push(value);
        }
        if bytes > max_bytes {
            let limit = format!("the rows take more than {max_bytes} bytes; ask for fewer (LIMIT)");
            return Err(Error::new(ErrorKind::TooBig, limit));
        }
        values.push(line);
    }
    drop(rows);
    // Asked for at the end: a statement kept over a change of the schema learns its columns when it runs.
    let columns = compiled.column_names().map(str::to_owned).collect();
    Ok(Rows::new(columns, values))
}

fn read(value: ValueRef<'_>, column: usize) -> Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                let what = format!("column {column} holds text that is not UTF-8");
                return Err(Error::new(ErrorKind::Column, what));
            }
        },
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    })
}

/// Does it begin with `INSERT` or `REPLACE`?
fn inserts(sql: &str) -> bool {
    let sql = sql.trim_start();
    ["insert", "replace"].iter().any(|word| sql.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
}
