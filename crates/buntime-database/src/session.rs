//! A connection of a caller's own, for those who must think inside a transaction: tools, protocols that are interactive.

use std::fmt;

use async_trait::async_trait;

use crate::{Outcome, Result, Statement};

/// A connection that nobody else uses. Statements may be `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and `RELEASE`; what else
/// callers may not run ([`crate::ErrorKind::NotAllowed`]) is refused here too.
///
/// Dropped, or when its adapter is closed, it rolls back what it has begun. There is a bounded number of them, and a
/// transaction is open only for so long: others wait for it. One that was ended for that makes the next statement
/// fail with [`crate::ErrorKind::Timeout`]; nothing of it stays.
///
/// What an engine does with a transaction after a statement of it failed is the engine's own: SQLite and libSQL go on,
/// PostgreSQL refuses everything but `ROLLBACK`.
#[async_trait]
pub trait Session: Send + fmt::Debug + 'static {
    /// Runs one statement, durable when it returns unless a transaction is open.
    ///
    /// # Errors
    /// See [`crate::ErrorKind`].
    async fn execute(&mut self, statement: Statement) -> Result<Outcome>;

    /// Runs the statements of a script in order, up to the first that fails. They take no arguments.
    ///
    /// # Errors
    /// That one's, with its position in [`crate::Error::statement`].
    async fn script(&mut self, sql: &str) -> Result<()>;

    /// What one statement takes and returns, without running it.
    ///
    /// # Errors
    /// It cannot be compiled.
    async fn describe(&mut self, sql: &str) -> Result<Description>;

    /// Is no transaction open?
    ///
    /// # Errors
    /// The connection is lost; or, as of a statement, the transaction was taken away.
    async fn is_autocommit(&mut self) -> Result<bool>;

    /// Makes it as it was when it was opened, as far as statements other than pragmas have changed it, for another caller. No
    /// transaction is open. Default: there is nothing to do.
    ///
    /// # Errors
    /// It is closed.
    async fn renew(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What [`Session::describe`] tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The parameters in order, with the names they have (`:name`, `?3`).
    pub parameters: Vec<Option<String>>,
    /// The columns of its rows: each one's name, and its declared type where it has one.
    pub columns: Vec<(String, Option<String>)>,
    /// Is it an `EXPLAIN`?
    pub explains: bool,
    /// Does it change nothing?
    pub reads: bool,
}
