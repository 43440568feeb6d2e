//! Sessions: connections of callers' own, beside the pool.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{Statement as Compiled, error::SqlState};

use super::{
    calls::{Calls, argument_count},
    connect::Connection,
    errors::{self, Again, Failed},
    prepared,
    run::{self, Ready},
    translate::Control,
};
use crate::{
    Description, Error, ErrorKind, Outcome, Result, Session, Statement,
    sql::{Class, Dialect, first_word, split},
};

/// How long a transaction may do nothing: others may be waiting for what it has changed.
const IDLE: Duration = Duration::from_secs(5);

/// The sessions of a database.
#[derive(Debug)]
pub(super) struct Sessions {
    free: Arc<Semaphore>,
    most: usize,
    open: std::sync::Mutex<Vec<Weak<Mutex<State>>>>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most, open: std::sync::Mutex::default() }
    }

    pub(super) async fn open(&self, calls: &Arc<Calls>) -> Result<Box<dyn Session>> {
        // Whoever closes waits for this, and then finds it in the list.
        let _running = calls.begin().await?;
        let place = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| Error::new(ErrorKind::Busy, format!("all {} sessions of PostgreSQL are in use", self.most)))?;
        let on = Some(connect(calls).await?);
        let state = Arc::new(Mutex::new(State { on, open: false, used: Instant::now(), closed: false }));
        let mut list = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|session| session.strong_count() > 0);
        list.push(Arc::downgrade(&state));
        Ok(Box::new(PostgresSession { state, calls: Arc::clone(calls), _place: place }))
    }

    /// Ends their connections; the server rolls back.
    pub(super) async fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for session in open.iter().filter_map(Weak::upgrade) {
            let mut state = session.lock().await;
            state.closed = true;
            state.on = None;
        }
    }
}

async fn connect(calls: &Calls) -> Result<Connection> {
    let on = calls.connect().await?;
    let idle = format!("SET idle_in_transaction_session_timeout = {}", IDLE.as_millis());
    on.client.batch_execute(&idle).await.map_err(|error| errors::connecting(&error))?;
    Ok(on)
}

#[derive(Debug)]
struct State {
    /// `None`: it was lost, and is made again by the next statement.
    on: Option<Connection>,
    /// Is a transaction open?
    open: bool,
    used: Instant,
    closed: bool,
}

struct PostgresSession {
    state: Arc<Mutex<State>>,
    calls: Arc<Calls>,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for PostgresSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSession").finish_non_exhaustive()
    }
}

/// A connection in the middle of something: what is dropped there is told to stop.
struct Working(Option<Connection>);

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.abandon();
        }
    }
}

impl PostgresSession {
    async fn ask(&self, what: &Ask<'_>) -> Result<Answer> {
        let mut state = self.state.lock().await;
        if state.closed {
            return Err(Error::closed());
        }
        let mut once_more = true;
        loop {
            let was_open = std::mem::take(&mut state.open);
            // Between transactions one that is known to be gone is made again.
            let on = match state.on.take().filter(|on| was_open || !on.client.is_closed()) {
                Some(on) => on,
                None => connect(&self.calls).await?,
            };
            let (mut working, mut open) = (Working(Some(on)), was_open);
            let Some(on) = working.0.as_mut() else { return Err(Error::closed()) };
            let result = what.answer(on, &mut open, self.calls.options.max_result_bytes).await;
            let idle = std::mem::replace(&mut state.used, Instant::now()).elapsed() >= IDLE;
            let learnt = result.as_ref().is_err_and(|failed| failed.again == Again::Learnt);
            if learnt {
                on.cache.clear();
            }
            match result {
                Err(failed) if failed.again == Again::Lost || failed.error.kind() == ErrorKind::Uncertain => {
                    if !was_open && failed.again == Again::Lost {
                        // Nothing was open and nothing happened: another connection serves as well.
                        let _lost = working;
                        state.on = Some(connect(&self.calls).await?);
                        if failed.error.kind() == ErrorKind::Unavailable && idle {
                            continue;
                        }
                        return Err(failed.error);
                    }
                    return Err(if was_open && idle { timed_out() } else { failed.error });
                }
                result => {
                    (state.on, state.open) = (working.0.take(), open);
                    // A transaction that failed by it is the caller's to begin again.
                    if learnt && !was_open && std::mem::take(&mut once_more) {
                        continue;
                    }
                    return result.map_err(|failed| failed.error);
                }
            }
        }
    }

    async fn run(&self, statement: Statement) -> Result<Outcome> {
        if let Some(control) = Control::of(&statement.sql)? {
            if !statement.args.is_empty() {
                return Err(argument_count(0, statement.args.len()));
            }
            return self.ask(&Ask::Control(&control)).await.map(|answer| answer.outcome);
        }
        let ready = self.calls.ready(statement)?;
        self.ask(&Ask::Run(&ready)).await.map(|answer| answer.outcome)
    }
}

/// What a session is asked.
enum Ask<'a> {
    Control(&'a Control),
    Run(&'a Ready),
    Describe(&'a Ready),
}

/// What it answers, as far as it was asked.
#[derive(Default)]
struct Answer {
    outcome: Outcome,
    compiled: Option<Compiled>,
}

impl Ask<'_> {
    async fn answer(&self, on: &mut Connection, open: &mut bool, max_bytes: usize) -> Result<Answer, Failed> {
        match self {
            Self::Control(control) => control_transaction(on, open, control).await.map(|()| Answer::default()),
            Self::Run(ready) => {
                let compiled = compile(on, *open, ready).await?;
                let done = if *open {
                    run::inside(&on.client, &compiled, ready, max_bytes).await
                } else {
                    run::alone(&on.client, &compiled, ready, max_bytes).await
                };
                let outcome = done?;
                on.cache.note(&ready.translated, compiled);
                Ok(Answer { outcome, compiled: None })
            }
            Self::Describe(ready) => {
                let compiled = describe(on, *open, ready).await?;
                Ok(Answer { compiled: Some(compiled), ..Answer::default() })
            }
        }
    }
}

fn timed_out() -> Error {
    let what = "the transaction did nothing for longer than it may, and was rolled back; begin again";
    Error::new(ErrorKind::Timeout, what)
}

async fn control_transaction(on: &mut Connection, open: &mut bool, control: &Control) -> Result<(), Failed> {
    let commits = control.commits && *open;
    // After a statement that failed the server answers COMMIT by rolling back, and calls that no error. A savepoint it
    // refuses then.
    let guarded = commits.then(|| format!("SAVEPOINT buntime_commit; {}", control.sql));
    let done = on.client.batch_execute(guarded.as_ref().unwrap_or(&control.sql)).await;
    if commits && done.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)) {
        *open = false;
        on.client.batch_execute("ROLLBACK").await.map_err(|error| errors::running(&error, true))?;
        let what = "a statement of the transaction had failed: it was rolled back, not committed";
        return Err(Failed::never(Error::new(ErrorKind::NotAllowed, what)));
    }
    // A commit that fails has rolled back. One whose answer is lost may have happened.
    let harmless = !commits;
    if done.is_ok() || control.ends {
        *open = control.leaves_open(*open);
    }
    done.map_err(|error| errors::running(&error, harmless))
}

async fn aside(on: &Connection, open: bool, sql: &str) -> Result<(), Failed> {
    let done = if open { on.client.batch_execute(sql).await } else { Ok(()) };
    done.map_err(|error| errors::running(&error, true))
}

const UNDO: &str = "ROLLBACK TO buntime_compile; RELEASE buntime_compile";

/// Compiles it. In a transaction a failure is undone, so that what was learnt of it can be made use of.
async fn compile(on: &mut Connection, open: bool, ready: &Ready) -> Result<Compiled, Failed> {
    if let Some(known) = prepared::known(&mut on.cache, &ready.translated, &ready.args) {
        return Ok(known);
    }
    loop {
        aside(on, open, "SAVEPOINT buntime_compile").await?;
        match prepared::prepare(&on.client, &mut on.cache, &ready.translated, &ready.args).await {
            Ok(compiled) => {
                aside(on, open, "RELEASE buntime_compile").await?;
                return Ok(compiled);
            }
            Err(failed) if failed.again == Again::Learnt => aside(on, open, UNDO).await?,
            Err(failed) => return Err(failed),
        }
    }
}

/// Compiles it to tell what it is: that this fails is no failure of the transaction's.
async fn describe(on: &mut Connection, open: bool, ready: &Ready) -> Result<Compiled, Failed> {
    if let Some(ran) = on.cache.take_noted(&ready.translated) {
        return Ok(ran);
    }
    let compiled = compile(on, open, ready).await;
    if compiled.as_ref().is_err_and(|failed| failed.again == Again::Never) {
        // Fails itself where the transaction had failed before: there was no savepoint then.
        let _ = aside(on, open, UNDO).await;
    }
    compiled
}

#[async_trait]
impl Session for PostgresSession {
    async fn execute(&mut self, statement: Statement) -> Result<Outcome> {
        self.run(statement).await
    }

    async fn script(&mut self, sql: &str) -> Result<()> {
        for (at, statement) in split(sql, Dialect::Postgres).into_iter().enumerate() {
            let done = self.run(Statement::new(statement, Vec::new())).await;
            done.map_err(|error| error.at_statement(at))?;
        }
        Ok(())
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let translated = self.calls.translated(sql)?;
        let ready = Ready { translated, args: Vec::new(), expect: None };
        let Some(compiled) = self.ask(&Ask::Describe(&ready)).await?.compiled else { return Err(Error::closed()) };
        let column =
            |column: &tokio_postgres::Column| (column.name().to_owned(), Some(column.type_().name().to_owned()));
        Ok(Description {
            parameters: (1..=compiled.params().len()).map(|at| Some(format!("?{at}"))).collect(),
            columns: compiled.columns().iter().map(column).collect(),
            explains: first_word(sql, Dialect::Postgres).is_some_and(|word| word.eq_ignore_ascii_case("explain")),
            reads: ready.translated.class == Class::Read,
        })
    }

    async fn is_autocommit(&mut self) -> Result<bool> {
        let state = self.state.lock().await;
        if state.closed { Err(Error::closed()) } else { Ok(!state.open) }
    }

    async fn renew(&mut self) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.closed {
            return Err(Error::closed());
        }
        // Taken out while it works. One that is lost is made again by the next statement.
        let mut working = Working(state.on.take());
        if let Some(on) = &working.0
            && on.restore(&self.calls.options).await.is_ok()
        {
            state.on = working.0.take();
        }
        Ok(())
    }
}
