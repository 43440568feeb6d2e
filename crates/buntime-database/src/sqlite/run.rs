//! Running one statement on a connection.

use rusqlite::{
    Statement as Compiled,
    types::{ToSqlOutput, ValueRef},
};

use super::{connection::Guarded, errors, guard::Guard};
use crate::{Error, ErrorKind, Outcome, Result, RowRef, Rows, Sink, Statement, Value, sink::Weight};

/// Longer statements are compiled each time: they are generated, and would fill the cache with what comes once.
const CACHED_LENGTH: usize = 16 * 1024;

/// How a connection takes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It may write; what is to be undone when it fails, the caller undoes.
    ReadWrite,
    /// It may write, and undoes what it did when it fails.
    Whole,
    /// It is for the writer if it writes.
    ReadOnly,
}

/// Runs it. `None`: it writes, and the mode is read-only; nothing happened.
pub(super) fn statement(on: &Guarded, statement: &Statement, mode: Mode, max_bytes: usize) -> Result<Option<Outcome>> {
    compiled(on, &statement.sql, |compiled| compiled_statement(on, compiled, statement, mode, max_bytes))
}

/// Shows the rows of that SQL. `false`: it writes; nothing happened.
pub(super) fn show(on: &Guarded, sql: &str, args: &[Value], max_bytes: usize, sink: &mut dyn Sink) -> Result<bool> {
    compiled(on, sql, |compiled| {
        if !compiled.readonly() {
            return Ok(false);
        }
        bind(compiled, args, &on.guard)?;
        let weight = Weight::most(max_bytes);
        each(compiled, &on.guard, |row| sink.row(RowRef::of_sqlite(row, &weight)))?;
        Ok(true)
    })
}

fn compiled<T>(on: &Guarded, sql: &str, run: impl FnOnce(&mut Compiled<'_>) -> Result<T>) -> Result<T> {
    let fail = |error| errors::compiling(&error, &on.guard);
    if sql.len() > CACHED_LENGTH {
        let mut once = on.connection.prepare(sql).map_err(fail)?;
        run(&mut once)
    } else {
        let mut kept = on.connection.prepare_cached(sql).map_err(fail)?;
        run(&mut kept)
    }
}

fn compiled_statement(
    on: &Guarded,
    compiled: &mut Compiled<'_>,
    statement: &Statement,
    mode: Mode,
    max_bytes: usize,
) -> Result<Option<Outcome>> {
    let reads = compiled.readonly();
    if mode == Mode::ReadOnly && !reads {
        return Ok(None);
    }
    if mode != Mode::Whole || reads || compiled.column_count() == 0 {
        return bound(on, compiled, statement, max_bytes).map(Some);
    }
    // SQLite undoes what fails there. That its rows cannot be read it does not know.
    let alone = on.connection.is_autocommit();
    on.control("SAVEPOINT buntime_statement")?;
    let done = bound(on, compiled, statement, max_bytes);
    let done = done.and_then(|outcome| on.control("RELEASE buntime_statement").map(|()| outcome));
    if done.is_err() && !on.connection.is_autocommit() {
        let undo =
            if alone { &["ROLLBACK"][..] } else { &["ROLLBACK TO buntime_statement", "RELEASE buntime_statement"] };
        undo.iter().try_for_each(|sql| on.control(sql))?;
    }
    done.map(Some)
}

fn bound(on: &Guarded, compiled: &mut Compiled<'_>, statement: &Statement, max_bytes: usize) -> Result<Outcome> {
    let (connection, guard, reads) = (&on.connection, &*on.guard, compiled.readonly());
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
        _ => Ok(Outcome { affected, last_insert_id, rows }),
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
    let mut values = Vec::new();
    let weight = Weight::most(max_bytes);
    each(compiled, guard, |row| {
        let width = row.as_ref().column_count();
        let mut line = Vec::with_capacity(width);
        for column in 0..width {
            line.push(RowRef::of_sqlite(row, &weight).at(column)?.into());
        }
        values.push(line);
        Ok(())
    })?;
    if compiled.column_count() == 0 {
        return Ok(Rows::default());
    }
    // Asked for at the end: a statement kept over a change of the schema learns its columns when it runs.
    let columns = compiled.column_names().map(str::to_owned).collect();
    Ok(Rows::new(columns, values))
}

/// Steps through the rows.
fn each(
    compiled: &mut Compiled<'_>,
    guard: &Guard,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<()>,
) -> Result<()> {
    let fail = |error: rusqlite::Error| match &error {
        // What SQLite says of stepping through nothing at all.
        rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::ApiMisuse => {
            Error::new(ErrorKind::Syntax, "there is no statement")
        }
        _ => errors::running(&error, guard),
    };
    let mut rows = compiled.raw_query();
    while let Some(row) = rows.next().map_err(fail)? {
        take(row)?;
    }
    Ok(())
}

/// Does it begin with `INSERT` or `REPLACE`?
fn inserts(sql: &str) -> bool {
    let sql = sql.trim_start();
    ["insert", "replace"].iter().any(|word| sql.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
}
