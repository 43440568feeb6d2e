//! A libSQL server over HTTP: Hrana 3 in JSON, spoken by the project's own client.
//!
//! The `libsql` crate is not used: it would bring a second HTTP and a second TLS of older versions, and what it adds to a
//! few requests in JSON (an embedded replica) cannot be linked beside SQLite.
//!
//! Writes go to the primary. Reads that are known to be reads go to the replicas in turn; each answer says how new it is, and
//! one that is older than what was acknowledged to or read by this process is dropped and the primary asked. What other
//! processes were acknowledged may be missing there: who needs that asks [`Adapter::primary`]. A transaction
//! is one stream: a chain of statements each of which runs only if the one before it did, then the commit. Transactions and
//! plans of this process take turns.
//!
//! Repeated is what cannot have happened: what was never sent, what was not yet committed, what the server refused as
//! busy. A lost answer to a commit, or to a single write, is [`ErrorKind::Uncertain`].
//!
//! Limits of the protocol: no infinite numbers. Limits of the server: 10 s without a word and 5 s for a
//! transaction that others wait for end it.

mod errors;
mod judge;
mod migrate;
mod options;
mod replicas;
mod server;
mod session;
mod stream;
mod tenants;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::{Method, StatusCode};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock, Semaphore};

pub use self::options::Options;
use self::{
    errors::Failed,
    judge::judge,
    replicas::Replicas,
    server::Server,
    stream::{Stream, expected},
    wire::{Answer, Sent},
};
use crate::{
    Adapter, Error, ErrorKind, Migrated, Migration, Next, Outcome, Plan, Planned, Result, Rows, Session, Statement,
    Value,
    sql::{Class, Dialect, returns_rows},
};

/// How often a server that does not answer is asked again for one call.
const LOSSES: usize = 3;

/// An open libSQL database.
#[derive(Debug)]
pub struct Libsql(Arc<Inner>, Reads);

/// Who is asked what only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Replicas, as long as they know what this process has seen.
    Anybody,
    Primary,
}

#[derive(Debug)]
struct Inner {
    primary: Arc<Server>,
    replicas: Arc<Replicas>,
    tenant: Option<String>,
    statement_timeout: Duration,
    /// Transactions of this process: one at a time, in order.
    turn: Mutex<()>,
    running: Arc<RwLock<()>>,
    closed: AtomicBool,
    sessions: session::Sessions,
}

impl Libsql {
    /// Opens the database, and asks the primary something to see that it answers.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] for addresses that are none, a token or a namespace that is refused;
    /// [`ErrorKind::Unavailable`] when the primary does not answer. A replica may be absent.
    pub async fn open(options: Options) -> Result<Self> {
        let Options { urls, token, tenant, statement_timeout, max_result_bytes, sessions, .. } = options;
        let server =
            |url: &String| Server::new(url, tenant.as_deref(), token.as_deref(), statement_timeout, max_result_bytes);
        let mut servers = urls.iter().map(server).collect::<Result<Vec<_>>>()?.into_iter();
        let Some(primary) = servers.next() else {
            return Err(Error::new(ErrorKind::Open, "no libSQL server is named; write the primary's URL into `urls`"));
        };
        let inner = Arc::new(Inner {
            primary: Arc::new(primary),
            replicas: Arc::new(Replicas::new(servers.collect())),
            tenant,
            statement_timeout,
            turn: Mutex::new(()),
            running: Arc::default(),
            closed: AtomicBool::new(false),
            sessions: session::Sessions::new(Arc::new(Semaphore::new(sessions)), sessions),
        });
        let database = Self(inner, Reads::Anybody);
        database.0.single(Statement::new("SELECT 1", Vec::new()), true).await?;
        Ok(database)
    }
}

/// Namespaces, made and deleted where the server's administrator says.
impl Libsql {
    /// Makes a namespace; `false` if it was there.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] without [`Options::with_admin`]; otherwise why the server did not.
    pub async fn create_tenant(options: &Options, tenant: &str) -> Result<bool> {
        let (status, text) =
            Self::administer(options, Method::POST, &format!("/v1/namespaces/{tenant}/create")).await?;
        match status.as_u16() {
            200..=299 => Ok(true),
            400 if text.contains("already exists") => Ok(false),
            _ => Err(errors::status(status, &text, false, false).error),
        }
    }

    /// Deletes a namespace with all that is in it; `false` if there was none.
    ///
    /// # Errors
    /// As [`Libsql::create_tenant`].
    pub async fn delete_tenant(options: &Options, tenant: &str) -> Result<bool> {
        let (status, text) = Self::administer(options, Method::DELETE, &format!("/v1/namespaces/{tenant}")).await?;
        match status.as_u16() {
            200..=299 => Ok(true),
            404 => Ok(false),
            _ => Err(errors::status(status, &text, false, false).error),
        }
    }

    async fn administer(options: &Options, method: Method, path: &str) -> Result<(StatusCode, String)> {
        let Some((url, key)) = &options.admin else {
            let what = "the libSQL server's address for administration is not known; set `adminUrl`";
            return Err(Error::new(ErrorKind::NotAllowed, what));
        };
        let admin = Server::new(url, None, key.as_deref(), options.statement_timeout, 1 << 20)?;
        let done = admin.exchange(method, path, "{}".to_owned(), false).await.map_err(|failed| failed.error)?;
        Ok((done.0, String::from_utf8_lossy(&done.1).into_owned()))
    }
}

/// Whether and when to try again.
#[derive(Debug)]
struct Tries {
    until: Option<Instant>,
    losses: usize,
    pause: Duration,
}

impl Tries {
    fn new(limit: Duration) -> Self {
        Self { until: Instant::now().checked_add(limit), losses: 0, pause: Duration::from_millis(2) }
    }

    /// The error, if it is the last word.
    async fn another(&mut self, failed: Failed) -> Result<()> {
        let late = self.until.is_some_and(|until| Instant::now() > until);
        if failed.error.kind() != ErrorKind::Busy {
            self.losses += 1;
        }
        if !failed.again || late || self.losses >= LOSSES {
            return Err(failed.error);
        }
        // Others are to get ahead, and not all who wait are to come back at once.
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(100));
        Ok(())
    }
}

impl Inner {
    async fn begin(&self) -> Result<OwnedRwLockReadGuard<()>> {
        let running = Arc::clone(&self.running).read_owned().await;
        if self.closed.load(Ordering::Acquire) { Err(Error::closed()) } else { Ok(running) }
    }

    /// One statement by itself, on the primary.
    async fn single(&self, statement: Statement, reads: bool) -> Result<Outcome> {
        let mut tries = Tries::new(self.statement_timeout);
        loop {
            let done = self.primary.ask(None, &[Sent::Execute(&statement), Sent::Close], reads).await;
            let answer = done.and_then(|mut answers| {
                let answer = answers.each.next().unwrap_or_else(|| Err(errors::lost("it answers nothing", reads)))?;
                self.replicas.note(answers.index, !reads);
                Ok(answer)
            });
            match answer {
                Ok(Answer::Ran(mut outcome)) => {
                    if reads {
                        outcome.affected = 0;
                    }
                    return expected(&outcome, &statement).map(|()| outcome);
                }
                Ok(_) => return Err(errors::lost("it answers something else", reads).error),
                Err(failed) => tries.another(failed).await?,
            }
        }
    }

    /// Runs a plan until it is committed or fails for good.
    async fn planned(&self, plan: &Arc<dyn Plan>) -> Result<Planned> {
        let _turn = self.turn.lock().await;
        let mut tries = Tries::new(self.statement_timeout);
        loop {
            match self.attempt(plan).await {
                Ok(planned) => {
                    if planned.committed {
                        plan.committed(&planned.outcomes);
                    }
                    return Ok(planned);
                }
                Err(failed) => tries.another(failed).await?,
            }
        }
    }

    async fn attempt(&self, plan: &Arc<dyn Plan>) -> Result<Planned, Failed> {
        let mut stream = Stream::new(&self.primary);
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut begun = false;
        let result = loop {
            let (list, last) = match plan.next(&outcomes) {
                Ok(Next::Run(list)) => (list, false),
                Ok(Next::Finish(list)) => (list, true),
                Ok(Next::Commit) => break Ok(true),
                Ok(Next::Abandon) => break Ok(false),
                Err(error) => break Err(Failed::never(error)),
            };
            let refused = list.iter().enumerate().find_map(|(at, statement)| {
                judge(statement, false).err().map(|error| error.at_statement(outcomes.len() + at))
            });
            if let Some(error) = refused {
                break Err(Failed::never(error));
            }
            match stream.chain(!begun, &list, outcomes.len()).await {
                Ok(done) => outcomes.extend(done),
                Err(failed) => break Err(failed),
            }
            begun = true;
            if last {
                break Ok(true);
            }
        };
        match result {
            Ok(true) if begun => {
                let index = stream.commit().await?;
                self.replicas.note(index, true);
                Ok(Planned { committed: true, outcomes })
            }
            Ok(committed) => {
                stream.end().await;
                Ok(Planned { committed, outcomes })
            }
            Err(failed) => {
                stream.end().await;
                Err(failed)
            }
        }
    }
}

impl Libsql {
    /// One statement, wherever it is best run.
    async fn run(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        let statement = Statement::new(sql, args);
        let reads = judge(&statement, false)? == Class::Read;
        if !reads && returns_rows(sql, Dialect::Sqlite) {
            // A transaction of its own: nothing of it is to stay if its rows cannot be read.
            let done = self.planned(Arc::new(All(vec![statement]))).await.map_err(Error::of_single)?;
            return done.outcomes.into_iter().next().ok_or_else(Error::closed);
        }
        let _running = self.0.begin().await?;
        if reads
            && self.1 == Reads::Anybody
            && let Some(outcome) = self.0.replicas.read(&statement).await
        {
            return Ok(outcome);
        }
        self.0.single(statement, reads).await
    }
}

/// A list of statements as a plan.
#[derive(Debug)]
struct All(Vec<Statement>);

impl Plan for All {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        Ok(if done.is_empty() { Next::Run(self.0.clone()) } else { Next::Commit })
    }
}

#[async_trait]
impl Adapter for Libsql {
    fn kind(&self) -> &'static str {
        "libsql"
    }

    fn location(&self) -> String {
        let tenant = self.0.tenant.as_ref().map(|tenant| format!("#{tenant}")).unwrap_or_default();
        format!("{}{tenant}", self.0.primary.location())
    }

    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        self.run(sql, args).await
    }

    async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        self.run(sql, args).await.map(|outcome| outcome.rows)
    }

    async fn read_only(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        // In SQLite what is written as a read is one.
        match judge(&Statement::new(sql, args.clone()), false)? {
            Class::Write => Err(Error::writes()),
            _ => self.query(sql, args).await,
        }
    }

    fn primary(&self) -> Option<Arc<dyn Adapter>> {
        (self.1 == Reads::Anybody).then(|| Arc::new(Self(Arc::clone(&self.0), Reads::Primary)) as Arc<dyn Adapter>)
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        if statements.is_empty() {
            return self.0.begin().await.map(|_| Vec::new());
        }
        self.planned(Arc::new(All(statements))).await.map(|planned| planned.outcomes)
    }

    async fn planned(&self, plan: Arc<dyn Plan>) -> Result<Planned> {
        let running = self.0.begin().await?;
        let inner = Arc::clone(&self.0);
        // Goes on when its caller is gone: a plan is told of its commit.
        let planned = tokio::spawn(async move {
            let _running = running;
            inner.planned(&plan).await
        });
        planned.await.map_err(|_| Error::new(ErrorKind::Canceled, "the runtime stopped, or the plan panicked"))?
    }

    async fn session(&self) -> Result<Box<dyn Session>> {
        let _running = self.0.begin().await?;
        self.0.sessions.open(&self.0.primary, &self.0.replicas)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated> {
        migrate::apply(self, component, migrations).await
    }

    async fn health(&self) -> Result<()> {
        let _running = self.0.begin().await?;
        self.0.single(Statement::new("SELECT 1", Vec::new()), true).await.map(drop)
    }

    async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let _all = self.0.running.write().await;
        self.0.sessions.close();
    }
}
