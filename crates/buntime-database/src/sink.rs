//! Rows as they are read: for who makes something else of them, and would only throw [`Rows`](crate::Rows) away.

use std::cell::Cell;

use crate::{Error, ErrorKind, Result, Value};

/// A value where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// Its weight in a result, in bytes of memory: that of the [`Value`] it would be.
    pub fn size(&self) -> usize {
        size_of::<Value>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Blob(blob) => blob.len(),
                Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(integer) => Self::Integer(*integer),
            Value::Real(real) => Self::Real(*real),
            Value::Text(text) => Self::Text(text),
            Value::Blob(blob) => Self::Blob(blob),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(integer) => Self::Integer(integer),
            ValueRef::Real(real) => Self::Real(real),
            ValueRef::Text(text) => Self::Text(text.to_owned()),
            ValueRef::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }
}

/// A row where it lies.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a>(Lies<'a>);

#[derive(Clone, Copy, Debug)]
enum Lies<'a> {
    Read(&'a [Value]),
    Sqlite(&'a rusqlite::Row<'a>, &'a Weight),
}

/// What rows may take in bytes, all together; what nobody looks at takes nothing.
#[derive(Debug)]
pub(crate) struct Weight {
    most: usize,
    left: Cell<usize>,
}

impl Weight {
    pub(crate) fn most(bytes: usize) -> Self {
        Self { most: bytes, left: Cell::new(bytes) }
    }

    /// A value of that size was looked at, and has not been copied yet.
    fn take(&self, bytes: usize) -> Result<()> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            let limit = format!("the rows take more than {} bytes; ask for fewer (LIMIT)", self.most);
            Error::new(ErrorKind::TooBig, limit)
        })?;
        self.left.set(left);
        Ok(())
    }
}

impl<'a> RowRef<'a> {
    pub(crate) fn of_sqlite(row: &'a rusqlite::Row<'a>, weight: &'a Weight) -> Self {
        Self(Lies::Sqlite(row, weight))
    }

    /// The value of a column by position, from 0.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when there is no such column, or it holds text that is not UTF-8; [`ErrorKind::TooBig`] when what
    /// was looked at takes more than rows may.
    pub fn at(&self, column: usize) -> Result<ValueRef<'a>> {
        let none = || Error::new(ErrorKind::Column, format!("no column {column}"));
        let (value, weight) = match self.0 {
            Lies::Read(values) => return values.get(column).map(ValueRef::from).ok_or_else(none),
            Lies::Sqlite(row, weight) => (row.get_ref(column).map_err(|_| none())?, weight),
        };
        let value =
            match value {
                rusqlite::types::ValueRef::Null => ValueRef::Null,
                rusqlite::types::ValueRef::Integer(integer) => ValueRef::Integer(integer),
                rusqlite::types::ValueRef::Real(real) => ValueRef::Real(real),
                rusqlite::types::ValueRef::Blob(blob) => ValueRef::Blob(blob),
                rusqlite::types::ValueRef::Text(text) => ValueRef::Text(str::from_utf8(text).map_err(|_| {
                    Error::new(ErrorKind::Column, format!("column {column} holds text that is not UTF-8"))
                })?),
            };
        weight.take(value.size())?;
        Ok(value)
    }
}

impl<'a> From<&'a [Value]> for RowRef<'a> {
    fn from(values: &'a [Value]) -> Self {
        Self(Lies::Read(values))
    }
}

/// Takes rows as they are read.
pub trait Sink: Send {
    /// What was shown so far is void; all of it is read once more.
    fn restart(&mut self);

    /// One row.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn row(&mut self, row: RowRef<'_>) -> Result<()>;
}
