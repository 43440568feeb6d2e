//! Sessions: connections of callers' own, beside the writer.
//!
//! Who writes takes turns, in order: the writer for each of its groups, a session from its first statement that writes
//! to the end of its transaction. So nobody polls for SQLite's lock, and nobody starves: a session that keeps its turn
//! for longer than it may is rolled back, and so is one whose transaction is too old: what it reads keeps the log growing.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

use super::{
    Options, SetOnDrop, connection,
    connection::Guarded,
    errors,
    run::{self, Mode},
};
use crate::{
    Description, Error, ErrorKind, Outcome, Result, Session, Statement,
    sql::{Dialect, begins_read_only, first_word, split},
};

/// Whose turn it is to write.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// The sessions of a database.
#[derive(Debug)]
pub(super) struct Sessions {
    options: Arc<Options>,
    turn: Turn,
    free: Arc<Semaphore>,
    open: Mutex<Vec<Weak<Shared>>>,
    closed: AtomicBool,
}

impl Sessions {
    pub(super) fn new(options: &Arc<Options>, turn: &Turn) -> Self {
        let free = Arc::new(Semaphore::new(options.sessions));
        let (options, turn) = (Arc::clone(options), Arc::clone(turn));
        Self { options, turn, free, open: Mutex::default(), closed: AtomicBool::new(false) }
    }

    pub(super) async fn open(&self) -> Result<Box<dyn Session>> {
        if self.options.path().is_none() {
            return Err(Error::new(ErrorKind::NotAllowed, "a database in memory has one connection, and no sessions"));
        }
        let place = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::Busy, format!("all {} sessions of the database are in use", self.options.sessions))
        })?;
        let options = Arc::clone(&self.options);
        let on = blocking(move || connection::open_session(&options)).await??;
        let state = State { on: Some(on), turn: None, since: None, begun: None, expired: false, reads: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), options: Arc::clone(&self.options), _place: place });
        let mut open = lock(&self.open);
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        open.retain(|session| session.strong_count() > 0);
        open.push(Arc::downgrade(&shared));
        Ok(Box::new(SqliteSession { shared: Some(shared), turn: Arc::clone(&self.turn) }))
    }

    /// Rolls back and closes all of them.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let open = std::mem::take(&mut *lock(&self.open));
        let closing = move || {
            for session in open.iter().filter_map(Weak::upgrade) {
                lock(&session.state).on = None;
                lock(&session.state).turn = None;
            }
        };
        let _ = blocking(closing).await;
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    options: Arc<Options>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    /// `None`: the database is closed.
    on: Option<Guarded>,
    /// Kept from the first write of a transaction to its end.
    turn: Option<OwnedMutexGuard<()>>,
    since: Option<Since>,
    /// Since when a transaction is open.
    begun: Option<Since>,
    /// The transaction was taken away, and its owner does not know yet.
    expired: bool,
    /// The transaction was begun to read only.
    reads: bool,
}

/// When something began, and who ends it when its time is up.
#[derive(Debug)]
struct Since {
    at: Instant,
    timer: AbortHandle,
}

impl Drop for Since {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Shared {
    /// Takes a turn or a transaction away that has lasted too long: the one that began then.
    fn expire(&self, at: Instant, which: fn(&State) -> Option<&Since>) {
        let mut state = lock(&self.state);
        if which(&state).is_none_or(|since| since.at != at) {
            return;
        }
        if let Some(on) = &state.on
            && !on.connection.is_autocommit()
        {
            if let Err(error) = on.control("ROLLBACK") {
                tracing::error!(%error, "a session's transaction could not be rolled back");
            }
            state.expired = true;
        }
        state.begun = None;
        state.end_turn();
    }

    /// What begins now may last for so long.
    fn since(self: &Arc<Self>, time: Duration, which: fn(&State) -> Option<&Since>) -> Since {
        let (at, session) = (Instant::now(), Arc::downgrade(self));
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(session) = session.upgrade() {
                let _ = blocking(move || session.expire(at, which)).await;
            }
        });
        Since { at, timer: timer.abort_handle() }
    }

    /// Does something with the connection, and sees whether a transaction has begun by it, or ended.
    fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut State, &Options) -> Result<T>) -> Result<T> {
        let mut state = lock(&self.state);
        let result = work(&mut state, &self.options);
        let open = state.on.as_ref().is_some_and(|on| !on.connection.is_autocommit());
        if !open {
            state.begun = None;
        } else if state.begun.is_none() {
            state.begun = Some(self.since(self.options.session_age, |state| state.begun.as_ref()));
        }
        result
    }
}

impl State {
    fn end_turn(&mut self) {
        self.turn = None;
        self.since = None;
    }

    fn on(&mut self) -> Result<&Guarded> {
        if std::mem::take(&mut self.expired) {
            let what = "the transaction was open for longer than it may, and was rolled back; begin again";
            return Err(Error::new(ErrorKind::Timeout, what));
        }
        self.on.as_ref().ok_or_else(Error::closed)
    }

    /// How long a statement may run: in a transaction no longer than that may be open, and keep others from writing.
    fn time_left(&self, options: &Options) -> Duration {
        let Some(begun) = &self.begun else { return options.statement_timeout };
        let age = options.session_age.saturating_sub(begun.at.elapsed());
        let hold = self.since.as_ref().map(|since| options.session_hold.saturating_sub(since.at.elapsed()));
        options.statement_timeout.min(age).min(hold.unwrap_or(Duration::MAX))
    }

    /// Runs it. `None`: it writes, and it is not this session's turn.
    fn run(&mut self, statement: &Statement, options: &Options, canceled: Arc<AtomicBool>) -> Result<Option<Outcome>> {
        if begins_read_only(&statement.sql, Dialect::Sqlite) {
            // SQLite has no such words.
            let begin = Statement { sql: "BEGIN".to_owned(), ..statement.clone() };
            let begun = self.run_as_written(&begin, options, canceled);
            self.reads = begun.is_ok();
            return begun;
        }
        match self.run_as_written(statement, options, canceled) {
            Ok(None) if self.reads => Err(Error::writes()),
            done => done,
        }
    }

    fn run_as_written(
        &mut self,
        statement: &Statement,
        options: &Options,
        canceled: Arc<AtomicBool>,
    ) -> Result<Option<Outcome>> {
        let timeout = self.time_left(options);
        let mode = if self.turn.is_some() { Mode::Whole } else { Mode::ReadOnly };
        let on = self.on()?;
        let result =
            on.guard.limited(timeout, Some(canceled), || run::statement(on, statement, mode, options.max_result_bytes));
        if on.connection.is_autocommit() {
            self.end_turn();
            self.reads = false;
        }
        result
    }
}

struct SqliteSession {
    /// `Some` until it is dropped.
    shared: Option<Arc<Shared>>,
    turn: Turn,
}

impl std::fmt::Debug for SqliteSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSession").finish_non_exhaustive()
    }
}

impl SqliteSession {
    /// Does something with the connection, on a thread that may wait for the disk.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State, &Options) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(shared) = self.shared.clone() else { return Err(Error::closed()) };
        blocking(move || shared.with(work)).await?
    }

    async fn run(&self, statement: Statement) -> Result<Outcome> {
        let canceled = Arc::new(AtomicBool::new(false));
        let _gone = SetOnDrop(Arc::clone(&canceled));
        let (first, flag) = (statement.clone(), Arc::clone(&canceled));
        if let Some(outcome) = self.with(move |state, options| state.run(&first, options, flag)).await? {
            return Ok(outcome);
        }
        self.take_turn().await?;
        let done = self.with(move |state, options| state.run(&statement, options, canceled)).await?;
        done.ok_or_else(|| Error::new(ErrorKind::Busy, "the session lost its turn to write"))
    }

    async fn take_turn(&self) -> Result<()> {
        let Some(shared) = self.shared.clone() else { return Err(Error::closed()) };
        let busy = shared.options.busy_timeout + shared.options.session_hold;
        let waited = tokio::time::timeout(busy, Arc::clone(&self.turn).lock_owned()).await;
        let turn = waited.map_err(|_| Error::new(ErrorKind::Busy, "others write for longer than one may wait"))?;
        let since = shared.since(shared.options.session_hold, |state| state.since.as_ref());
        let mut state = lock(&shared.state);
        (state.turn, state.since) = (Some(turn), Some(since));
        Ok(())
    }
}

#[async_trait]
impl Session for SqliteSession {
    async fn execute(&mut self, statement: Statement) -> Result<Outcome> {
        self.run(statement).await
    }

    async fn script(&mut self, sql: &str) -> Result<()> {
        for (at, statement) in split(sql, Dialect::Sqlite).into_iter().enumerate() {
            let done = self.run(Statement::new(statement, Vec::new())).await;
            done.map_err(|error| error.at_statement(at))?;
        }
        Ok(())
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let sql = sql.to_owned();
        self.with(move |state, _| describe(state.on()?, &sql)).await
    }

    async fn is_autocommit(&mut self) -> Result<bool> {
        self.with(|state, _| Ok(state.on()?.connection.is_autocommit())).await
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        // Closing rolls back, and may wait for the disk.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(shared));
        }
    }
}

fn describe(on: &Guarded, sql: &str) -> Result<Description> {
    let compiled = on.connection.prepare(sql).map_err(|error| errors::compiling(&error, &on.guard))?;
    let parameters =
        (1..=compiled.parameter_count()).map(|at| compiled.parameter_name(at).map(str::to_owned)).collect();
    let column = |column: &rusqlite::Column<'_>| (column.name().to_owned(), column.decl_type().map(str::to_owned));
    Ok(Description {
        parameters,
        columns: compiled.columns().map(|it| column(&it)).collect(),
        explains: first_word(sql, Dialect::Sqlite).is_some_and(|word| word.eq_ignore_ascii_case("explain")),
        reads: compiled.readonly(),
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let ended = |_| Error::new(ErrorKind::Canceled, "the runtime stopped");
    tokio::task::spawn_blocking(work).await.map_err(ended)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a session may keep others from writing, by default.
pub(super) const HOLD: Duration = Duration::from_secs(5);
/// How long a transaction may be open, by default.
pub(super) const AGE: Duration = Duration::from_secs(60);
/// Sessions at most, by default.
pub(super) const SESSIONS: usize = 32;
