//! The one interface of every engine.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    Error, ErrorKind, Migration, Notifications, Outcome, Plan, Planned, Result, Rows, Session, Sink, Statement, Value,
};

/// An open database. Shared as `Arc<dyn Adapter>`; every method may be called from many tasks at once.
///
/// Dropping a returned future never corrupts anything: what was asked either happens whole or not at all, and the
/// caller that dropped it does not learn which.
#[async_trait]
pub trait Adapter: Send + Sync + fmt::Debug + 'static {
    /// The type it is configured under: `sqlite`, `libsql`, `postgres`. Unique in a registry.
    fn kind(&self) -> &'static str;

    /// Where the data lives, for people: never with credentials.
    fn location(&self) -> String;

    /// Runs one statement by itself, durable when it returns.
    ///
    /// # Errors
    /// See [`crate::ErrorKind`]; nothing of a statement that failed stays.
    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome>;

    /// Runs one statement for its rows. Sees everything that was acknowledged to this process before the call.
    /// A statement that writes (`INSERT … RETURNING`) is run like [`Adapter::execute`].
    ///
    /// # Errors
    /// See [`crate::ErrorKind`].
    async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Rows>;

    /// As [`Adapter::query`], and shows the rows instead of returning them.
    ///
    /// # Errors
    /// As [`Adapter::query`], and the sink's own.
    async fn read_into(&self, sql: &str, args: Vec<Value>, sink: &mut dyn Sink) -> Result<()> {
        self.query(sql, args).await?.show(sink)
    }

    /// Runs one statement for its rows, if it changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`] if it would write; [`ErrorKind::NotAllowed`] where the engine cannot hold it to reading;
    /// otherwise as [`Adapter::query`].
    async fn read_only(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        let _ = (sql, args);
        Err(Error::new(
            ErrorKind::NotAllowed,
            format!("the adapter `{}` cannot hold a statement to reading", self.kind()),
        ))
    }

    /// Runs all statements or none, alone with the database, and returns one outcome for each. Durable when it
    /// returns. A statement may demand how many rows it touches ([`Statement::expecting`]), which is how a change
    /// that depends on what was read is made without holding a transaction open.
    ///
    /// # Errors
    /// The first statement's that failed, with its position in [`crate::Error::statement`].
    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>>;

    /// Runs a plan: a transaction whose later statements depend on what the earlier ones returned, alone with the
    /// database. Durable when it returns that it is committed.
    ///
    /// # Errors
    /// As [`Adapter::transaction`], and what [`Plan::next`] failed with; [`ErrorKind::NotAllowed`] where the engine has
    /// no such thing.
    async fn planned(&self, plan: Arc<dyn Plan>) -> Result<Planned> {
        let _ = plan;
        Err(Error::new(ErrorKind::NotAllowed, format!("the adapter `{}` runs no plans", self.kind())))
    }

    /// The same open database, whose queries see everything that was acknowledged to anybody before the call, in this
    /// process or another: no replica is asked. `None`: queries here are so already.
    fn primary(&self) -> Option<Arc<dyn Adapter>> {
        None
    }

    /// Opens a connection of the caller's own.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when there are as many as there may be; [`ErrorKind::NotAllowed`] where the engine has none.
    async fn session(&self) -> Result<Box<dyn Session>> {
        Err(Error::new(ErrorKind::NotAllowed, format!("the adapter `{}` has no sessions", self.kind())))
    }

    /// Do other processes write to it too?
    fn is_shared(&self) -> bool {
        false
    }

    /// The statement that, run in a transaction, says something on a channel once it is committed. `None`: the engine has no
    /// such thing. A payload has at most [`Notifications::MOST`] bytes.
    fn notification(&self, channel: &str, payload: &str) -> Option<Statement> {
        let _ = (channel, payload);
        None
    }

    /// Listens on a channel. What is lost with its connection is told as such, and the connection is made again. `None`: the
    /// engine has no such thing.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]. A server that cannot be reached now is waited for.
    async fn notifications(&self, channel: &str) -> Result<Option<Notifications>> {
        let _ = channel;
        Ok(None)
    }

    /// Brings the tables of `component` up to date: applies, in order and as one transaction, those of `migrations`
    /// that the database has not seen, and records them. Calling it again does nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Migration`] when the list is not a continuation of what was applied (edited, reordered,
    /// removed, or applied by a newer program); otherwise the failing script's error. Nothing is applied then.
    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated>;

    /// Is it able to read and to write now?
    ///
    /// # Errors
    /// Why it is not.
    async fn health(&self) -> Result<()>;

    /// Finishes what was asked for, then closes. Everything after it fails with [`crate::ErrorKind::Closed`].
    /// May be called again.
    async fn close(&self);
}

/// What [`Adapter::migrate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Ids applied by this call, in order.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already: usize,
}
