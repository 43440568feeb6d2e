//! What is in a database: its tables, their columns, their rows. Names go into SQL quoted, and only those that the
//! database itself has told.

mod postgres;
mod sqlite;

use buntime_database::{Adapter, Result, Rows, args};

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// `table` or `view`.
    pub(crate) kind: &'static str,
    /// What its rows can be ordered by beside their key, so that pages fit together.
    place: Option<&'static str>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As the engine writes it.
    pub(crate) declared: String,
    pub(crate) nullable: bool,
    /// Its place in the primary key, from 1.
    pub(crate) key: Option<i64>,
    /// Are its values none of ours, so that they are shown as text?
    foreign: bool,
}

/// A part of a table's rows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Rows,
    /// How many there are in the whole table, if it was asked for.
    pub(crate) total: Option<i64>,
}

/// Which part of a table's rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    /// Is the whole table counted, too? That reads all of it.
    pub(crate) count: bool,
}

fn is_postgres(db: &dyn Adapter) -> bool {
    db.kind() == "postgres"
}

/// All that the user made, in order; at most so many.
pub(crate) async fn tables(db: &dyn Adapter, most: usize) -> Result<Vec<Table>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    if is_postgres(db) { postgres::tables(db, None, most).await } else { sqlite::tables(db, None, most).await }
}

/// The one of that name.
pub(crate) async fn table(db: &dyn Adapter, name: &str) -> Result<Option<Table>> {
    let found = if is_postgres(db) {
        postgres::tables(db, Some(name), 1).await
    } else {
        sqlite::tables(db, Some(name), 1).await
    };
    Ok(found?.into_iter().next())
}

/// Its columns, in order.
pub(crate) async fn columns(db: &dyn Adapter, table: &Table) -> Result<Vec<Column>> {
    if is_postgres(db) { postgres::columns(db, &table.name).await } else { sqlite::columns(db, &table.name).await }
}

/// Some of its rows.
pub(crate) async fn page(db: &dyn Adapter, table: &Table, columns: &[Column], part: Part) -> Result<Page> {
    let Part { limit, offset, count } = part;
    let from = quoted(&table.name);
    let total = if count { Some(total(db, &from).await?) } else { None };
    let order = order(table, columns);
    let sql = format!("SELECT {} FROM {from}{order} LIMIT ?1 OFFSET ?2", list(columns));
    let rows = db.query(&sql, args![limit, offset]).await?;
    Ok(Page { rows, total })
}

async fn total(db: &dyn Adapter, from: &str) -> Result<i64> {
    // A bare count of a table is one step to SQLite, however long it takes, and nothing can stop it.
    let sql = match is_postgres(db) {
        true => format!("SELECT count(*) FROM {from}"),
        false => format!("SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT -1)"),
    };
    let count = db.query(&sql, args![]).await?;
    count.first().map_or(Ok(0), |row| row.at(0))
}

fn list(columns: &[Column]) -> String {
    let shown = columns.iter().map(|column| {
        let name = quoted(&column.name);
        if column.foreign { format!("CAST({name} AS TEXT) AS {name}") } else { name }
    });
    let shown: Vec<String> = shown.collect();
    // A table without columns has rows all the same.
    if shown.is_empty() { "NULL".to_owned() } else { shown.join(", ") }
}

/// By the key, else by where rows are kept.
fn order(table: &Table, columns: &[Column]) -> String {
    let mut key: Vec<&Column> = columns.iter().filter(|column| column.key.is_some()).collect();
    key.sort_by_key(|column| column.key);
    if key.is_empty() {
        return table.place.map_or_else(String::new, |place| format!(" ORDER BY {place}"));
    }
    let key: Vec<String> = key.into_iter().map(|column| quoted(&column.name)).collect();
    format!(" ORDER BY {}", key.join(", "))
}

/// A name that may stand in SQL of every engine.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, key: Option<i64>, foreign: bool) -> Column {
        Column { name: name.to_owned(), declared: String::new(), nullable: true, key, foreign }
    }

    #[test]
    fn names_stay_names() {
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        let table = Table { name: "t".to_owned(), kind: "table", place: Some("rowid") };
        let columns = [column("b", Some(2), false), column("a", Some(1), true), column("c", None, false)];
        assert_eq!(order(&table, &columns), " ORDER BY \"a\", \"b\"");
        assert_eq!(order(&table, &columns[2..]), " ORDER BY rowid");
        assert_eq!(list(&columns[1..]), "CAST(\"a\" AS TEXT) AS \"a\", \"c\"");
    }
}
