//! Running migrations: the check, the scripts and their record in one transaction, under a lock, so that two nodes that
//! start together apply each once.

use tokio_postgres::types::Type;

use super::{
    connect::Connection,
    errors::{self, Again, Failed},
    translate,
};
use crate::{Error, Migrated, Migration, migration};

/// Read committed, so that what another node did while the lock was waited for is seen.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT pg_advisory_xact_lock(hashtext('buntime migrations'), hashtext(current_schema()));
    CREATE TABLE IF NOT EXISTS _buntime_migrations (
        component TEXT NOT NULL, position BIGINT NOT NULL, id TEXT NOT NULL, checksum TEXT NOT NULL,
        applied_at BIGINT NOT NULL, PRIMARY KEY (component, id))";
const RECORDED: &str = "SELECT id, checksum FROM _buntime_migrations WHERE component = $1 ORDER BY position";
const RECORD: &str = "INSERT INTO _buntime_migrations VALUES ($1, $2, $3, $4, extract(epoch FROM now())::bigint)";

/// Applies what the database has not seen, or nothing.
pub(super) async fn apply(on: &mut Connection, component: &str, migrations: &[Migration]) -> Result<Migrated, Failed> {
    on.client.batch_execute(BEGIN).await.map_err(|error| errors::running(&error, true))?;
    // What it changes may be what compiled statements were compiled for.
    on.cache.clear();
    match run(on, component, migrations).await {
        Ok(migrated) => {
            on.client.batch_execute("COMMIT").await.map_err(|error| errors::running(&error, false))?;
            Ok(migrated)
        }
        Err(failed) if failed.again == Again::Lost => Err(failed),
        Err(failed) => {
            on.client.batch_execute("ROLLBACK").await.map_err(|error| errors::running(&error, true))?;
            Err(failed)
        }
    }
}

async fn run(on: &Connection, component: &str, migrations: &[Migration]) -> Result<Migrated, Failed> {
    let harmless = |error| errors::running(&error, true);
    let rows = on.client.query_typed(RECORDED, &[(&component, Type::TEXT)]).await.map_err(harmless)?;
    let recorded = |row: &tokio_postgres::Row| -> Result<migration::Recorded, tokio_postgres::Error> {
        Ok(migration::Recorded { id: row.try_get(0)?, checksum: row.try_get(1)? })
    };
    let seen = rows.iter().map(recorded).collect::<Result<Vec<_>, _>>().map_err(harmless)?;
    let pending = migration::pending(component, &seen, migrations).map_err(Failed::never)?;
    for (at, migration) in pending.iter().enumerate() {
        script(on, migration).await.map_err(|failed| {
            let detail = format!("migration `{}` of `{component}`: {}", migration.id, failed.error.detail());
            Failed { error: Error::new(failed.error.kind(), detail), again: failed.again }
        })?;
        let position = (seen.len() + at) as i64;
        let (id, checksum) = (migration.id.as_ref(), migration.checksum());
        on.client
            .query_typed(
                RECORD,
                &[(&component, Type::TEXT), (&position, Type::INT8), (&id, Type::TEXT), (&checksum, Type::TEXT)],
            )
            .await
            .map_err(harmless)?;
    }
    Ok(Migrated { applied: pending.iter().map(|migration| migration.id.to_string()).collect(), already: seen.len() })
}

async fn script(on: &Connection, migration: &Migration) -> Result<(), Failed> {
    let statements = translate::script(&migration.sql).map_err(Failed::never)?;
    for statement in statements {
        on.client.batch_execute(&statement).await.map_err(|error| errors::running(&error, true))?;
    }
    Ok(())
}
