//! What every call goes through: a statement made ready, a connection leased, and again where that is safe.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use deadpool::{
    Runtime,
    managed::{Manager as _, Object, Pool, PoolError, TimeoutType, Timeouts},
};
use quick_cache::sync::Cache;
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedRwLockReadGuard, RwLock, mpsc},
};

use super::{
    Options,
    connect::{Connection, Manager},
    errors::{Again, Failed},
    migrate,
    run::{self, Ready},
    translate::{self, Translated},
    values,
};
use crate::{Error, ErrorKind, Migrated, Migration, Outcome, Result, Statement, Value};

/// Translations that are kept.
const TRANSLATIONS: usize = 1024;
/// How often what somebody else was in the way of is tried again.
pub(super) const CONFLICTS: usize = 200;
/// How often a lost connection is replaced for one call.
pub(super) const LOSSES: usize = 3;

/// The pool and what is known of statements.
pub(super) struct Calls {
    pub(super) options: Arc<Options>,
    pool: Pool<Manager>,
    translations: Cache<String, Arc<Translated>>,
    /// Whoever must repeat does so alone.
    turn: Mutex<()>,
    /// Held for reading by every call; closing takes it for writing, once all are done.
    running: Arc<RwLock<()>>,
    closed: AtomicBool,
}

impl Calls {
    pub(super) fn new(options: Options) -> Result<Self> {
        let options = Arc::new(options);
        let pool = Pool::builder(Manager::new(&options)?)
            .max_size(options.max_connections)
            .timeouts(Timeouts {
                wait: Some(options.wait_timeout),
                create: Some(options.connect_timeout * 2),
                recycle: Some(options.connect_timeout),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::new(ErrorKind::Open, error.to_string()))?;
        Ok(Self {
            options,
            pool,
            translations: Cache::new(TRANSLATIONS),
            turn: Mutex::new(()),
            running: Arc::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Says that a call runs, for as long as what it returns is kept.
    pub(super) async fn begin(&self) -> Result<OwnedRwLockReadGuard<()>> {
        let running = Arc::clone(&self.running).read_owned().await;
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(running) }
    }

    /// Lets nobody in any more, and waits for those that are.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let _all = self.running.write().await;
        self.pool.close();
    }

    pub(super) fn ready(&self, statement: Statement) -> Result<Ready> {
        let Statement { sql, args, expect } = statement;
        let translated = self.translated(&sql)?;
        if translated.parameters != args.len() {
            return Err(argument_count(translated.parameters, args.len()));
        }
        values::check(&args)?;
        Ok(Ready { translated, args, expect })
    }

    pub(super) fn translated(&self, sql: &str) -> Result<Arc<Translated>> {
        if let Some(known) = self.translations.get(sql) {
            return Ok(known);
        }
        let translated = Arc::new(translate::translate(sql)?);
        self.translations.insert(sql.to_owned(), Arc::clone(&translated));
        Ok(translated)
    }

    /// A connection that is not the pool's.
    pub(super) async fn connect(&self) -> Result<Connection> {
        self.pool.manager().create().await
    }

    /// The same, for its notifications.
    pub(super) async fn connect_listening(&self, told: mpsc::Sender<String>) -> Result<Connection> {
        self.pool.manager().connect_listening(told).await
    }

    /// Where connections live.
    pub(super) fn home(&self) -> &Handle {
        self.pool.manager().home()
    }

    /// All of them, the first of which is number `from` of its transaction.
    pub(super) fn all_ready(&self, statements: Vec<Statement>, from: usize) -> Result<Vec<Ready>> {
        let ready = |(at, statement)| self.ready(statement).map_err(|error| error.at_statement(from + at));
        statements.into_iter().enumerate().map(ready).collect()
    }

    pub(super) async fn lease(&self) -> Result<Lease> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => Error::closed(),
            PoolError::Timeout(TimeoutType::Wait) => {
                let most = self.options.max_connections;
                Error::new(ErrorKind::Busy, format!("all {most} connections to PostgreSQL are in use"))
            }
            other => Error::new(ErrorKind::Unavailable, format!("PostgreSQL cannot be reached: {other}")),
        })?;
        Ok(Lease(Some(object)))
    }

    /// Runs `work` on a connection until it succeeds or fails for good.
    pub(super) async fn again(&self, work: &Work<'_>) -> Result<Done> {
        let _running = self.begin().await?;
        let mut tries = Tries::new(&self.options);
        let mut turn = None;
        loop {
            let mut lease = self.lease().await?;
            let failed = match lease.work(work, self.options.max_result_bytes).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            if !tries.another(failed.again) {
                return Err(failed.error);
            }
            drop(lease);
            if failed.again == Again::Conflict && turn.is_none() {
                turn = Some(self.turn.lock().await);
            }
        }
    }

    pub(super) async fn single(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        let ready = self.ready(Statement::new(sql, args))?;
        let done = self.again(&Work::Single(&ready)).await?;
        done.outcomes.into_iter().next().ok_or_else(Error::closed)
    }
}

pub(super) fn argument_count(takes: usize, given: usize) -> Error {
    Error::new(ErrorKind::Argument, format!("the statement takes {takes} arguments, and {given} were given"))
}

/// How often something was tried, and whether it may be once more.
#[derive(Debug)]
pub(super) struct Tries {
    until: Option<Instant>,
    conflicts: usize,
    losses: usize,
    lessons: usize,
}

impl Tries {
    pub(super) fn new(options: &Options) -> Self {
        let until = Instant::now().checked_add(options.statement_timeout);
        Self { until, conflicts: 0, losses: 0, lessons: 0 }
    }

    pub(super) fn another(&mut self, again: Again) -> bool {
        let (count, most) = match again {
            Again::Never => return false,
            Again::Conflict if self.until.is_some_and(|until| Instant::now() > until) => return false,
            Again::Conflict => (&mut self.conflicts, CONFLICTS),
            Again::Lost => (&mut self.losses, LOSSES),
            Again::Learnt => (&mut self.lessons, CONFLICTS),
        };
        *count += 1;
        *count < most
    }
}

/// What is done with a connection, perhaps again.
pub(super) enum Work<'a> {
    Single(&'a Ready),
    Transaction(&'a [Ready]),
    Migrate(&'a str, &'a [Migration]),
}

/// What came of it.
#[derive(Default)]
pub(super) struct Done {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) migrated: Migrated,
}

impl Work<'_> {
    async fn run(&self, on: &mut Connection, max_bytes: usize) -> Result<Done, Failed> {
        let outcomes = |outcomes| Done { outcomes, ..Done::default() };
        match self {
            Self::Single(ready) => run::single(on, ready, max_bytes).await.map(|outcome| outcomes(vec![outcome])),
            Self::Transaction(list) => run::transaction(on, list, max_bytes).await.map(outcomes),
            Self::Migrate(component, migrations) => {
                let migrated = migrate::apply(on, component, migrations).await?;
                Ok(Done { migrated, ..Done::default() })
            }
        }
    }
}

/// A connection that goes back into the pool only if what was done with it came to its end.
pub(super) struct Lease(Option<Object<Manager>>);

impl Lease {
    async fn work(&mut self, work: &Work<'_>, max_bytes: usize) -> Result<Done, Failed> {
        self.with(async |on| work.run(on, max_bytes).await).await
    }

    /// Does something with it.
    pub(super) async fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        // Taken out while it works: dropped there, it does not come back.
        let mut working = Working(self.0.take());
        let Some(on) = working.0.as_mut() else { return Err(Failed::never(Error::closed())) };
        let result = work(on).await;
        let broken = |failed: &Failed| {
            failed.again == Again::Lost || matches!(failed.error.kind(), ErrorKind::Uncertain | ErrorKind::TooBig)
        };
        if !result.as_ref().is_err_and(broken) {
            self.0 = working.0.take();
        }
        result
    }
}

/// A connection in the middle of something.
struct Working(Option<Object<Manager>>);

impl Drop for Working {
    fn drop(&mut self) {
        let Some(mut object) = self.0.take() else { return };
        // Its place in the pool is free when it is gone: callers that give up do not make more connections than there may
        // be.
        let Ok(runtime) = Handle::try_current() else { return drop(Object::take(object)) };
        runtime.spawn(async move {
            object.end().await;
            drop(Object::take(object));
        });
    }
}
