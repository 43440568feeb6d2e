//! What is sent to a database and what comes back.

use std::sync::Arc;

use crate::{Error, ErrorKind, FromValue, Result, RowRef, Sink, Value};

/// One SQL statement with its arguments, bound to `?1`, `?2`, … in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The SQL: exactly one statement.
    pub sql: String,
    /// As many as it has parameters.
    pub args: Vec<Value>,
    /// How many rows it must change, or return if it only reads; otherwise the whole transaction fails.
    pub expect: Option<u64>,
}

impl Statement {
    /// A statement that may touch any number of rows.
    pub fn new(sql: impl Into<String>, args: Vec<Value>) -> Self {
        Self { sql: sql.into(), args, expect: None }
    }

    /// Fails its transaction with [`ErrorKind::Expectation`] unless it changes (or, if it only reads, returns)
    /// exactly `rows`.
    #[must_use]
    pub fn expecting(mut self, rows: u64) -> Self {
        self.expect = Some(rows);
        self
    }
}

/// What a statement did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Rows inserted, changed or deleted by the statement itself (not by triggers or cascades).
    pub affected: u64,
    /// The key of the last row a plain `INSERT` or `REPLACE` made, where the engine has such keys. `RETURNING` works
    /// everywhere.
    pub last_insert_id: Option<i64>,
    /// The rows it returned.
    pub rows: Rows,
}

/// Rows with the names of their columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    columns: Arc<[String]>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Each row has as many values as there are columns.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()), "a row of another width");
        Self { columns: columns.into(), rows }
    }

    /// The columns' names, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// Shows all of them.
    pub(crate) fn show(&self, sink: &mut dyn Sink) -> Result<()> {
        self.rows.iter().try_for_each(|values| sink.row(RowRef::from(values.as_slice())))
    }

    /// The bare values, row by row.
    pub fn into_values(self) -> Vec<Vec<Value>> {
        self.rows
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl<'a> Row<'a> {
    /// Its values, in the order of the columns.
    pub fn values(&self) -> &'a [Value] {
        self.values
    }

    /// The value of a column by name; the first of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when there is no such column, or it holds another type.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let value = self.columns.iter().position(|name| name == column).and_then(|at| self.values.get(at));
        let Some(value) = value else {
            let there = self.columns.join(", ");
            return Err(Error::new(ErrorKind::Column, format!("no column `{column}` among: {there}")));
        };
        T::from_value(value).map_err(|error| error.in_column(column))
    }

    /// The value of a column by position, from 0.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn at<T: FromValue>(&self, index: usize) -> Result<T> {
        let value = self.values.get(index).ok_or_else(|| {
            Error::new(ErrorKind::Column, format!("no column {index}: there are {}", self.values.len()))
        })?;
        T::from_value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_by_name_and_position() {
        let rows = Rows::new(vec!["id".into(), "name".into()], vec![vec![1.into(), "a".into()]]);
        let row = rows.first().unwrap();
        assert_eq!(row.get::<i64>("id").unwrap(), 1);
        assert_eq!(row.at::<String>(1).unwrap(), "a");
        assert_eq!(row.get::<i64>("nmae").unwrap_err().detail(), "no column `nmae` among: id, name");
        assert_eq!(row.get::<i64>("name").unwrap_err().detail(), "column `name`: expected an integer, found text");
        assert_eq!(row.at::<i64>(2).unwrap_err().detail(), "no column 2: there are 2");
    }
}
