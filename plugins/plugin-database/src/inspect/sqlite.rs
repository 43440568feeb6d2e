//! What SQLite and libSQL tell of themselves.

use buntime_database::{Adapter, Result, args};

use super::{Column, Table};

pub(super) async fn tables(db: &dyn Adapter, name: Option<&str>, most: i64) -> Result<Vec<Table>> {
    let sql = "SELECT name, type, sql LIKE 'CREATE VIRTUAL %' AS is_virtual FROM sqlite_master
               WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                 AND (?1 IS NULL OR name = ?1) ORDER BY name LIMIT ?2";
    let rows = db.query(sql, args![name, most]).await?;
    let read = |row: buntime_database::Row<'_>| {
        let is_table = row.get::<String>("type")? == "table";
        let is_virtual = row.get::<Option<bool>>("is_virtual")?.unwrap_or_default();
        Ok(Table {
            name: row.get("name")?,
            kind: if is_table { "table" } else { "view" },
            // What has no key has this.
            place: (is_table && !is_virtual).then_some("rowid"),
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn columns(db: &dyn Adapter, table: &str) -> Result<Vec<Column>> {
    // Hidden columns of virtual tables are arguments; generated ones are values.
    let sql =
        "SELECT name, type, \"notnull\" AS required, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
    let rows = db.query(sql, args![table]).await?;
    let read = |row: buntime_database::Row<'_>| {
        let key: i64 = row.get("pk")?;
        Ok(Column {
            name: row.get("name")?,
            declared: row.get::<Option<String>>("type")?.unwrap_or_default(),
            nullable: row.get::<i64>("required")? == 0,
            key: (key > 0).then_some(key),
            foreign: false,
        })
    };
    rows.iter().map(read).collect()
}
