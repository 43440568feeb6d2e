//! One stream: a connection of a client's own, and the SQL it has stored.

use std::{collections::HashMap, sync::Arc};

use buntime_database::{Description, Result as Database, Session, Statement, Value, hrana::Cell, leaves_nothing};
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    bind,
    condition::Done,
    spares::Spares,
    wire::{Answered, Batch, Col, Described, Parameter, Ran, Request, Response, Step, Steps, Stmt, Text},
    wrong::Wrong,
};
use crate::{
    figures::Figures,
    limits::{Budget, Limits},
    target::Target,
};

/// SQL that a stream may store, in number; and in bytes so many times the longest statement.
const MOST_STORED: usize = 1_000;
const STORED_BYTES: usize = 4;

/// See the module. Dropped, it rolls back what it has begun.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) target: Target,
    /// Opened when it is needed.
    session: Option<Box<dyn Session>>,
    stored: HashMap<i32, Arc<str>>,
    ended: bool,
    /// May its connection be another's after it?
    reusable: bool,
    spares: Spares,
    figures: Arc<Figures>,
    _place: OwnedSemaphorePermit,
}

/// What a statement came to.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) cols: Vec<Col>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) affected: u64,
    pub(super) last_insert_id: Option<String>,
}

impl Stream {
    pub(super) fn new(target: Target, spares: Spares, figures: Arc<Figures>, place: OwnedSemaphorePermit) -> Self {
        let stored = HashMap::new();
        Self { target, session: None, stored, ended: false, reusable: true, spares, figures, _place: place }
    }

    /// Has it been closed, or was it lost?
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Does what one request of a pipeline asks.
    pub(super) async fn answer(&mut self, request: Request, limits: &Limits, budget: &mut Budget) -> Answered {
        match self.respond(request, limits, budget).await {
            Ok(response) => Answered::Ok { response },
            Err(wrong) => Answered::Error { error: wrong.told() },
        }
    }

    async fn respond(&mut self, request: Request, limits: &Limits, budget: &mut Budget) -> Result<Response, Wrong> {
        Ok(match request {
            Request::Close => {
                self.close(limits).await;
                Response::Close
            }
            Request::Execute { stmt } => {
                let wants_rows = stmt.want_rows != Some(false);
                let result = self.execute(stmt, limits).await?;
                Response::Execute { result: whole(result, wants_rows, budget)? }
            }
            Request::Batch { batch } => Response::Batch { result: self.batch(batch, limits, budget).await? },
            Request::Sequence(text) => {
                let sql = self.sql(text)?;
                self.with(limits, false, move |session| Box::pin(async move { session.script(&sql).await })).await?;
                Response::Sequence
            }
            Request::Describe(text) => {
                let sql = self.sql(text)?;
                limits.statement(&sql)?;
                let told = self.describe(&sql, limits).await?;
                Response::Describe { result: described(told) }
            }
            Request::StoreSql { sql_id, sql } => {
                self.store(sql_id, sql, limits)?;
                Response::StoreSql
            }
            Request::CloseSql { sql_id } => {
                self.stored.remove(&sql_id);
                Response::CloseSql
            }
            Request::GetAutocommit => Response::GetAutocommit { is_autocommit: self.is_autocommit(limits).await? },
        })
    }

    /// Runs one statement.
    pub(super) async fn execute(&mut self, stmt: Stmt, limits: &Limits) -> Result<Output, Wrong> {
        let mut sql = self.sql(stmt.text)?;
        limits.statement(&sql)?;
        let mut args = bind::positional(stmt.args)?;
        let mut named = stmt.named_args;
        if self.target.kind() == "postgres"
            && let Some(written) = bind::numbered(&sql, &mut args, &named)?
        {
            (sql, named) = (written.into(), Vec::new());
        }
        if !named.is_empty() {
            let told = self.describe(&sql, limits).await?;
            args = bind::named(&told.parameters, args, named)?;
        }
        let statement = Statement::new(&*sql, args);
        let (figures, kind) = (Arc::clone(&self.figures), self.target.kind());
        let harmless = leaves_nothing(kind, &sql);
        let running = self.with(limits, harmless, |session| session.execute(statement));
        let outcome = figures.time(kind, running).await?;
        let mut cols: Vec<Col> =
            outcome.rows.columns().iter().map(|name| Col { name: name.clone(), decltype: None }).collect();
        // Of a server elsewhere it would have to be asked for.
        if !cols.is_empty()
            && self.target.kind() != "libsql"
            && let Ok(told) = self.describe(&sql, limits).await
        {
            for (col, (_, declared)) in cols.iter_mut().zip(told.columns) {
                col.decltype = declared;
            }
        }
        Ok(Output {
            cols,
            affected: outcome.affected,
            last_insert_id: outcome.last_insert_id.map(|id| id.to_string()),
            rows: outcome.rows.into_values(),
        })
    }

    async fn batch(&mut self, batch: Batch, limits: &Limits, budget: &mut Budget) -> Result<Steps, Wrong> {
        let (mut done, mut steps) = (Vec::with_capacity(batch.steps.len()), Steps::default());
        for step in batch.steps {
            let wants_rows = step.stmt.want_rows != Some(false);
            let ran = self.step(step, &done, limits).await?;
            let ran = ran.map(|result| result.and_then(|result| whole(result, wants_rows, budget)));
            let (end, result, error) = match ran {
                None => (Done::Skipped, None, None),
                Some(Ok(ran)) => (Done::Ok, Some(ran), None),
                Some(Err(wrong)) => (Done::Error, None, Some(wrong.told())),
            };
            done.push(end);
            steps.step_results.push(result);
            steps.step_errors.push(error);
        }
        Ok(steps)
    }

    /// Runs a step of a batch, if its condition holds; `None` if not.
    ///
    /// # Errors
    /// The condition makes no sense, and the batch none with it.
    pub(super) async fn step(
        &mut self,
        step: Step,
        done: &[Done],
        limits: &Limits,
    ) -> Result<Option<Result<Output, Wrong>>, Wrong> {
        if let Some(condition) = step.condition {
            let autocommit = !condition.asks_for_autocommit() || self.is_autocommit(limits).await?;
            if !condition.holds(done, autocommit)? {
                return Ok(None);
            }
        }
        Ok(Some(self.execute(step.stmt, limits).await))
    }

    async fn describe(&mut self, sql: &Arc<str>, limits: &Limits) -> Result<Description, Wrong> {
        let sql = Arc::clone(sql);
        self.with(limits, true, move |session| Box::pin(async move { session.describe(&sql).await })).await
    }

    async fn is_autocommit(&mut self, limits: &Limits) -> Result<bool, Wrong> {
        if self.session.is_none() && !self.ended {
            return Ok(true);
        }
        self.with(limits, true, |session| session.is_autocommit()).await
    }

    /// Does something with the connection, for no longer than it may take. `harmless`: given up, it leaves nothing.
    async fn with<T>(
        &mut self,
        limits: &Limits,
        harmless: bool,
        work: impl for<'s> FnOnce(&'s mut Box<dyn Session>) -> BoxFuture<'s, Database<T>>,
    ) -> Result<T, Wrong> {
        if self.ended {
            return Err(Wrong::new("STREAM_CLOSED", "the stream is closed"));
        }
        let adapter = &self.target.adapter;
        let own = self.session.take();
        let spare = if own.is_none() { self.spares.take(adapter) } else { None };
        let done = limits.within_if(harmless, async {
            let mut session = match (own, spare) {
                (Some(session), _) => session,
                (None, Some(mut spare)) => spare.renew().await.map(|()| spare)?,
                (None, None) => adapter.session().await?,
            };
            let result = work(&mut session).await;
            Ok((session, result))
        });
        let result = match done.await {
            Ok((session, result)) => {
                self.session = Some(session);
                result
            }
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            let wrong = Wrong::from(error);
            if wrong.ends {
                self.ended = true;
                self.session = None;
            }
            wrong
        })
    }

    /// Rolls back, and ends.
    pub(super) async fn close(&mut self, limits: &Limits) {
        if self.session.is_some() && !self.is_autocommit(limits).await.unwrap_or(true) {
            // So that who asks next sees that it is gone.
            let rollback = Statement::new("ROLLBACK", Vec::new());
            self.reusable &= self.with(limits, true, |session| session.execute(rollback)).await.is_ok();
        }
        if let Some(session) = self.session.take().filter(|_| self.reusable) {
            self.spares.give(&self.target.adapter, session);
        }
        self.ended = true;
    }

    fn store(&mut self, id: i32, sql: String, limits: &Limits) -> Result<(), Wrong> {
        limits.statement(&sql)?;
        if self.stored.contains_key(&id) {
            return Err(Wrong::new("SQL_STORED", format!("SQL of the id {id} is stored already")));
        }
        let bytes: usize = self.stored.values().map(|sql| sql.len()).sum();
        if self.stored.len() >= MOST_STORED || bytes + sql.len() > STORED_BYTES * limits.statement {
            return Err(Wrong::new("SQL_STORE_FULL", "the stream stores as much SQL as it may; close some"));
        }
        self.stored.insert(id, sql.into());
        Ok(())
    }

    fn sql(&mut self, text: Text) -> Result<Arc<str>, Wrong> {
        let sql: Arc<str> = match (text.sql, text.sql_id) {
            (Some(sql), None) => sql.into(),
            (None, Some(id)) => {
                let unknown = || Wrong::new("SQL_NOT_FOUND", format!("no SQL of the id {id} is stored"));
                self.stored.get(&id).cloned().ok_or_else(unknown)?
            }
            _ => return Err(Wrong::new("SQL_INVALID", "send either `sql` or `sql_id`")),
        };
        // What a pragma sets stays with the connection.
        self.reusable &= !sql.as_bytes().windows(6).any(|word| word.eq_ignore_ascii_case(b"pragma"));
        Ok(sql)
    }
}

/// A result whole, if it fits.
fn whole(result: Output, wants_rows: bool, budget: &mut Budget) -> Result<Ran, Wrong> {
    let rows = if wants_rows { result.rows } else { Vec::new() };
    if budget.take(&rows) < rows.len() {
        let what = "the answer has more rows or bytes than it may (maxRows, maxAnswer); ask for fewer (LIMIT), or use a cursor";
        return Err(Wrong::new("RESPONSE_TOO_LARGE", what).though_done(result.affected));
    }
    let rows: Result<_, _> = rows.into_iter().map(cells).collect();
    Ok(Ran {
        cols: result.cols,
        rows: rows.map_err(|wrong: Wrong| wrong.though_done(result.affected))?,
        affected_row_count: result.affected,
        last_insert_rowid: result.last_insert_id,
        replication_index: None,
    })
}

/// A row on the wire.
pub(super) fn cells(row: Vec<Value>) -> Result<Vec<Cell>, Wrong> {
    Ok(row.into_iter().map(Cell::try_from).collect::<Database<_>>()?)
}

fn described(told: Description) -> Described {
    Described {
        params: told.parameters.into_iter().map(|name| Parameter { name }).collect(),
        cols: told.columns.into_iter().map(|(name, decltype)| Col { name, decltype }).collect(),
        is_explain: told.explains,
        is_readonly: told.reads,
    }
}

#[cfg(test)]
mod tests;
