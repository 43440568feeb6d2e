//! Running migrations: the check, the scripts and their record in one transaction, as a plan, so that two nodes that
//! start together apply each once.

use std::sync::{Arc, Mutex, PoisonError};

use super::Libsql;
use crate::{
    Adapter, Error, Migrated, Migration, Next, Outcome, Plan, Result, Statement, args, migration,
    sql::{Dialect, split},
};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _buntime_migrations (
    component TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL, PRIMARY KEY (component, id)) WITHOUT ROWID, STRICT";
const RECORDED: &str = "SELECT id, checksum FROM _buntime_migrations WHERE component = ?1 ORDER BY position";
const RECORD: &str = "INSERT INTO _buntime_migrations VALUES (?1, ?2, ?3, ?4, unixepoch())";

#[derive(Debug)]
struct Migrating {
    component: String,
    migrations: Vec<Migration>,
    migrated: Mutex<Migrated>,
}

/// Applies what the database has not seen, or nothing.
pub(super) async fn apply(on: &Libsql, component: &str, migrations: &[Migration]) -> Result<Migrated> {
    let plan =
        Migrating { component: component.to_owned(), migrations: migrations.to_vec(), migrated: Mutex::default() };
    let plan = Arc::new(plan);
    on.planned(Arc::clone(&plan) as Arc<dyn Plan>).await.map_err(|error| plan.named(&error))?;
    let migrated = plan.migrated.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(migrated.clone())
}

impl Migrating {
    fn pending(&self, seen: &[migration::Recorded]) -> Result<&[Migration]> {
        migration::pending(&self.component, seen, &self.migrations)
    }

    /// The statements of the pending ones, each with the number of its migration.
    fn statements(&self, pending: &[Migration], already: usize) -> Vec<(usize, Statement)> {
        let mut all = Vec::new();
        for (at, migration) in pending.iter().enumerate() {
            let script = split(&migration.sql, Dialect::Sqlite).into_iter();
            all.extend(script.map(|sql| (at, Statement::new(sql, Vec::new()))));
            let position = (already + at) as i64;
            let record = args![&self.component, position, migration.id.as_ref(), migration.checksum()];
            all.push((at, Statement::new(RECORD, record)));
        }
        all
    }

    /// Says which migration it was.
    fn named(&self, error: &Error) -> Error {
        let already = self.migrated.lock().unwrap_or_else(PoisonError::into_inner).already;
        let pending = self.migrations.get(already..).unwrap_or_default();
        let all = self.statements(pending, already);
        let at = error.statement().and_then(|at| at.checked_sub(2)).and_then(|at| all.get(at));
        match at.and_then(|(at, _)| pending.get(*at)) {
            Some(migration) => {
                let detail = format!("migration `{}` of `{}`: {}", migration.id, self.component, error.detail());
                Error::new(error.kind(), detail)
            }
            None => Error::new(error.kind(), error.detail()),
        }
    }
}

impl Plan for Migrating {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        let Some(recorded) = done.get(1) else {
            let read = Statement::new(RECORDED, args![&self.component]);
            return Ok(Next::Run(vec![Statement::new(TABLE, Vec::new()), read]));
        };
        if done.len() > 2 {
            return Ok(Next::Commit);
        }
        let read = |row: crate::Row<'_>| Ok(migration::Recorded { id: row.at(0)?, checksum: row.at(1)? });
        let seen = recorded.rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let pending = self.pending(&seen)?;
        let applied = pending.iter().map(|migration| migration.id.to_string()).collect();
        *self.migrated.lock().unwrap_or_else(PoisonError::into_inner) = Migrated { applied, already: seen.len() };
        let statements: Vec<_> =
            self.statements(pending, seen.len()).into_iter().map(|(_, statement)| statement).collect();
        Ok(if statements.is_empty() { Next::Commit } else { Next::Run(statements) })
    }
}
