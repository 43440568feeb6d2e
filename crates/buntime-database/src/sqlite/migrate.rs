//! Running migrations: the check, the scripts and their record in one transaction, so that two processes that start
//! together apply each once.

use rusqlite::params;

use super::{connection::Guarded, errors};
use crate::{Error, Migrated, Migration, Result, migration};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _buntime_migrations (
    component TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL, PRIMARY KEY (component, id)) WITHOUT ROWID, STRICT";

/// Applies what the database has not seen, or nothing.
pub(super) fn apply(on: &Guarded, component: &str, migrations: &[Migration]) -> Result<Migrated> {
    on.control("BEGIN IMMEDIATE")?;
    let result = run(on, component, migrations).and_then(|migrated| on.control("COMMIT").map(|()| migrated));
    if result.is_err() && !on.connection.is_autocommit() {
        on.control("ROLLBACK")?;
    }
    result
}

fn run(on: &Guarded, component: &str, migrations: &[Migration]) -> Result<Migrated> {
    let fail = |error: rusqlite::Error| errors::running(&error, &on.guard);
    on.connection.execute_batch(TABLE).map_err(fail)?;
    let seen = recorded(on, component)?;
    let pending = migration::pending(component, &seen, migrations)?;
    for (at, migration) in pending.iter().enumerate() {
        on.connection.execute_batch(&migration.sql).map_err(|error| {
            let error = errors::compiling(&error, &on.guard);
            let detail = format!("migration `{}` of `{component}`: {}", migration.id, error.detail());
            Error::new(error.kind(), detail)
        })?;
        on.connection
            .execute(
                "INSERT INTO _buntime_migrations VALUES (?1, ?2, ?3, ?4, unixepoch())",
                params![component, (seen.len() + at) as i64, migration.id, migration.checksum()],
            )
            .map_err(fail)?;
    }
    Ok(Migrated { applied: pending.iter().map(|migration| migration.id.to_string()).collect(), already: seen.len() })
}

fn recorded(on: &Guarded, component: &str) -> Result<Vec<migration::Recorded>> {
    let read = || {
        let mut statement = on
            .connection
            .prepare("SELECT id, checksum FROM _buntime_migrations WHERE component = ?1 ORDER BY position")?;
        statement
            .query_map([component], |row| Ok(migration::Recorded { id: row.get(0)?, checksum: row.get(1)? }))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error| errors::running(&error, &on.guard))
}
