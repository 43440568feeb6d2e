//! What PostgreSQL tells of a schema.

use buntime_database::{Adapter, Result, args};

use super::{Column, Table};

pub(super) async fn tables(db: &dyn Adapter, name: Option<&str>, most: i64) -> Result<Vec<Table>> {
    let sql = "SELECT c.relname::text AS name, c.relkind::text AS kind FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                 AND (?1::text IS NULL OR c.relname = ?1::text) ORDER BY 1 LIMIT ?2";
    let rows = db.query(sql, args![name, most]).await?;
    let read = |row: buntime_database::Row<'_>| {
        let kind: String = row.get("kind")?;
        Ok(Table {
            name: row.get("name")?,
            kind: if matches!(kind.as_str(), "v" | "m") { "view" } else { "table" },
            place: (kind == "r").then_some("ctid"),
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn columns(db: &dyn Adapter, table: &str) -> Result<Vec<Column>> {
    // The types that the adapter reads; any other is shown as PostgreSQL writes it.
    let sql = "SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
                 a.attnotnull AS required,
                 (SELECT array_position(i.indkey::int2[], a.attnum)::int8 FROM pg_catalog.pg_index i
                  WHERE i.indrelid = c.oid AND i.indisprimary) AS place,
                 NOT (t.typtype = 'e' OR t.typname IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric',
                   'bytea', 'text', 'varchar', 'bpchar', 'name', 'char', 'json', 'jsonb', 'xml', 'uuid', 'date', 'time',
                   'timestamp', 'timestamptz', 'oid')) AS is_foreign
               FROM pg_catalog.pg_attribute a
               JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
               WHERE n.nspname = current_schema() AND c.relname = ?1::text AND a.attnum > 0 AND NOT a.attisdropped
               ORDER BY a.attnum";
    let rows = db.query(sql, args![table]).await?;
    let read = |row: buntime_database::Row<'_>| {
        Ok(Column {
            name: row.get("name")?,
            declared: row.get("declared")?,
            nullable: !row.get::<bool>("required")?,
            // `indkey` counts from 0.
            key: row.get::<Option<i64>>("place")?.map(|place| place + 1),
            foreign: row.get("is_foreign")?,
        })
    };
    rows.iter().map(read).collect()
}
