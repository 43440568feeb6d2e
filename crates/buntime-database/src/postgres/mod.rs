//! PostgreSQL over the network: a pool of connections, each with the statements it has compiled.
//!
//! Everything is serializable, single statements too. What PostgreSQL refuses because somebody else was in the way
//! (`40001`, `40P01`) is run again from its beginning, which is safe: nothing of it happened, and a list of statements is
//! sent whole. Those that had to be repeated take turns, so that under contention somebody always gets through. What
//! was sent when the connection was lost is run again only if it cannot have happened; else it is
//! [`ErrorKind::Uncertain`].
//!
//! A future that is dropped ends its connection: the server is told to stop and rolls back. Another connection takes
//! its place.
//!
//! # Which SQL is portable
//!
//! Statements are PostgreSQL's own but for parameters, `?1` as everywhere. What means the same on every adapter: common
//! `SELECT`, `INSERT … ON CONFLICT (…) DO UPDATE SET x = excluded.x`, `RETURNING`, `WITH`, `LIMIT`, `CAST`, columns of
//! `BIGINT`, `TEXT`, and in migrations SQLite's own type words (see [`crate::Migration`]). Booleans are 0 and 1 in `BIGINT` columns.
//! Not portable: text with NUL characters (refused), `INSERT OR …`, names in double quotes that are texts, `rowid`,
//! [`Outcome::last_insert_id`] (use `RETURNING`), comparing a text with an integer.

mod calls;
mod connect;
mod errors;
mod migrate;
mod notify;
mod numeric;
mod options;
mod planner;
mod prepared;
mod run;
mod session;
mod tenants;
mod translate;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::calls::{Calls, Work};
pub use self::options::Options;
use crate::{
    Adapter, Error, ErrorKind, Migrated, Migration, Notifications, Outcome, Plan, Planned, Result, Rows, Session,
    Statement, Value,
};

/// An open PostgreSQL database.
pub struct Postgres {
    calls: Arc<Calls>,
    plans: mpsc::Sender<planner::Asked>,
    sessions: session::Sessions,
    listeners: notify::Listeners,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("location", &self.calls.options.location()).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the database, with one connection to see that it can be used. Connections live on the runtime this is
    /// called in.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] when name, password, database or schema are refused, or certificates cannot be read;
    /// [`ErrorKind::Unavailable`] when the server cannot be reached.
    pub async fn open(options: Options) -> Result<Self> {
        let calls = Arc::new(Calls::new(options)?);
        let sessions = session::Sessions::new(calls.options.sessions);
        let listeners = notify::Listeners::default();
        let postgres = Self { plans: planner::start(&calls), calls, sessions, listeners };
        let rows = postgres.query("SELECT current_schema()", Vec::new()).await?;
        if rows.first().is_none_or(|row| row.values() == [Value::Null]) {
            let missing = match &postgres.calls.options.schema {
                Some(schema) => format!("PostgreSQL has no schema `{schema}`"),
                None => "PostgreSQL has no schema for this user; create one, or set `search_path`".to_owned(),
            };
            return Err(Error::new(ErrorKind::Open, missing));
        }
        Ok(postgres)
    }
}

#[async_trait]
impl Adapter for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn location(&self) -> String {
        self.calls.options.location()
    }

    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        self.calls.single(sql, args).await
    }

    async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        self.calls.single(sql, args).await.map(|outcome| outcome.rows)
    }

    async fn read_only(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        // It must not end what holds it to reading. What it does the server alone knows: functions may write.
        self.calls.translated(sql)?;
        let mut session = self.session().await?;
        session.execute(Statement::new("BEGIN READ ONLY", Vec::new())).await?;
        let outcome = session.execute(Statement::new(sql, args)).await?;
        session.execute(Statement::new("ROLLBACK", Vec::new())).await?;
        Ok(outcome.rows)
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        let list = self.calls.all_ready(statements, 0)?;
        if list.is_empty() {
            return Ok(Vec::new());
        }
        self.calls.again(&Work::Transaction(&list)).await.map(|done| done.outcomes)
    }

    async fn planned(&self, plan: Arc<dyn Plan>) -> Result<Planned> {
        planner::ask(&self.calls, &self.plans, plan).await
    }

    async fn session(&self) -> Result<Box<dyn Session>> {
        self.sessions.open(&self.calls).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn notification(&self, channel: &str, payload: &str) -> Option<Statement> {
        Some(notify::statement(channel, payload))
    }

    async fn notifications(&self, channel: &str) -> Result<Option<Notifications>> {
        let _running = self.calls.begin().await?;
        Ok(Some(self.listeners.start(&self.calls, channel)))
    }

    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated> {
        self.calls.again(&Work::Migrate(component, migrations)).await.map(|done| done.migrated)
    }

    async fn health(&self) -> Result<()> {
        let sql =
            "SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 1 ELSE 0 END";
        let rows = self.query(sql, Vec::new()).await?;
        match rows.first().map(|row| row.at::<i64>(0)).transpose()? {
            Some(0) => Ok(()),
            _ => Err(Error::new(ErrorKind::ReadOnly, "PostgreSQL only reads now: it is a standby, or is set so")),
        }
    }

    async fn close(&self) {
        self.calls.close().await;
        self.listeners.close();
        self.sessions.close().await;
    }
}
