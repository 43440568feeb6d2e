//! SQLite in this process: one writer thread that commits in groups, and a pool of reader threads.
//!
//! SQLite has one writer at a time whatever one does, and a durable commit costs a flush of the disk. So all writes
//! go to one thread through a bounded queue; what waits when a commit ends, and what comes while that runs, is committed
//! together by the next one. Each request is answered only after that; what may have to be undone is a savepoint of its
//! own until then. Reads run beside it on read-only connections (write-ahead log), each seeing what was committed when it
//! began: short ones on the caller's own thread, which each keeps for at most twenty thousand steps of SQLite and 256 KiB
//! of rows, others on the readers'. While there are reads, one connection more holds the newest snapshot, so that they do
//! not wait for each other.
//!
//! Callers cannot start transactions outside of a session, attach files, set pragmas or make temporary tables: connections are shared.
//! Several processes may open one file; they wait for each other up to the busy timeout.

mod brief;
mod connection;
mod control;
mod errors;
mod guard;
mod keeper;
mod migrate;
mod options;
mod pace;
mod reader;
mod run;
mod session;
mod tenants;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::options::Options;
pub use self::writer::Stats;
use crate::{
    Adapter, Error, ErrorKind, Migrated, Migration, Outcome, Plan, Planned, Result, Rows, Session, Sink, Statement,
    Value,
    sql::{Class, Dialect, classify},
};

/// An open SQLite database.
///
/// Dropped without [`Adapter::close`], its threads finish what is queued and end by themselves.
#[derive(Debug)]
pub struct Sqlite {
    options: Arc<Options>,
    writer: mpsc::Sender<writer::Job>,
    writer_alive: watch::Receiver<usize>,
    /// `None`: a database in memory belongs to its one connection, so that one reads too.
    readers: Option<reader::Readers>,
    counters: Arc<writer::Counters>,
    sessions: session::Sessions,
}

impl Sqlite {
    /// Opens the database, making the file and its directory when they are not there.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] with the path and what to change: a directory that cannot be made or written, a path below
    /// a regular file; [`ErrorKind::Corrupt`] for a file that is not a database; [`ErrorKind::Busy`] when another
    /// process holds it.
    pub async fn open(options: Options) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::open_blocking(options))
            .await
            .map_err(|_| Error::new(ErrorKind::Canceled, "the runtime stopped while the database was opened"))?
    }

    fn open_blocking(options: Options) -> Result<Self> {
        let options = Arc::new(options);
        let counters = Arc::new(writer::Counters::default());
        let write = connection::open_writer(&options)?;
        let readers = options.path().is_some().then(|| reader::Readers::open(&options)).transpose()?;
        let keeper = readers.as_ref().and_then(reader::Readers::keeper);
        let turn = session::Turn::default();
        let sessions = session::Sessions::new(&options, &turn);
        let (writer, writer_alive) = writer::start(write, Arc::clone(&options), Arc::clone(&counters), turn, keeper)?;
        Ok(Self { options, writer, writer_alive, readers, counters, sessions })
    }

    /// What the writer has done since it was opened.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        let canceled = Arc::new(AtomicBool::new(false));
        let _gone = SetOnDrop(Arc::clone(&canceled));
        self.work(writer::Work::Statements(statements), Some(canceled)).await.map(|planned| planned.outcomes)
    }

    async fn work(&self, work: writer::Work, canceled: Option<Arc<AtomicBool>>) -> Result<Planned> {
        self.ask(|reply| writer::Job::Batch(writer::Batch { work, canceled, reply })).await
    }

    async fn write_one(&self, statement: Statement) -> Result<Outcome> {
        let mut outcomes = self.write(vec![statement]).await.map_err(Error::of_single)?;
        outcomes.pop().ok_or_else(Error::closed)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> writer::Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(job(reply)).await.map_err(|_| Error::closed())?;
        answer.await.map_err(|_| Error::closed())?
    }

    /// `Err(statement)` inside: it writes, and is for the writer.
    async fn read(&self, statement: Statement) -> Result<Result<Rows, Statement>> {
        match &self.readers {
            Some(readers) => readers.read(statement).await,
            None => Ok(Err(statement)),
        }
    }
}

/// Tells a reader to give up on a query whose caller is gone. Harmless after the answer.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Adapter for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn location(&self) -> String {
        self.options.path().map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string())
    }

    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        self.write_one(Statement::new(sql, args)).await
    }

    async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        match self.read(Statement::new(sql, args)).await? {
            Ok(rows) => Ok(rows),
            Err(statement) => self.write_one(statement).await.map(|outcome| outcome.rows),
        }
    }

    async fn read_into(&self, sql: &str, args: Vec<Value>, sink: &mut dyn Sink) -> Result<()> {
        if let Some(readers) = &self.readers
            && readers.show(sql, &args, sink).await
        {
            return Ok(());
        }
        self.query(sql, args).await?.show(sink)
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        self.write(statements).await
    }

    async fn planned(&self, plan: Arc<dyn Plan>) -> Result<Planned> {
        self.work(writer::Work::Plan(plan), None).await
    }

    async fn read_only(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        let statement = Statement::new(sql, args);
        if let Some(readers) = &self.readers {
            return readers.read(statement).await?.map_err(|_| Error::writes());
        }
        // Its one connection is the writer's. In SQLite what is written as a read is one.
        match classify(sql, Dialect::Sqlite) {
            Class::Write => Err(Error::writes()),
            _ => self.write_one(statement).await.map(|outcome| outcome.rows),
        }
    }

    async fn session(&self) -> Result<Box<dyn Session>> {
        self.sessions.open().await
    }

    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated> {
        let (component, migrations) = (component.to_owned(), migrations.to_vec());
        self.ask(|reply| writer::Job::Migrate { component, migrations, reply }).await
    }

    async fn health(&self) -> Result<()> {
        self.ask(|reply| writer::Job::Ping { reply }).await?;
        match self.read(Statement::new("SELECT count(*) FROM sqlite_schema", Vec::new())).await? {
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn close(&self) {
        self.sessions.close().await;
        // Readers first: the last connection to go folds the log into the file, and that is the writer's.
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        let _ = self.writer.send(writer::Job::Close).await;
        ended(&self.writer_alive).await;
    }
}

async fn ended(alive: &watch::Receiver<usize>) {
    // An error means that the last thread, which held the sender, is gone too.
    let _ = alive.clone().wait_for(|alive| *alive == 0).await;
}

/// Counts a thread as alive until it is dropped, at its end or in its panic.
struct Alive(watch::Sender<usize>);

impl Alive {
    fn new(sender: &watch::Sender<usize>) -> Self {
        sender.send_modify(|alive| *alive += 1);
        Self(sender.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive = alive.saturating_sub(1));
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    spawned
        .map(drop)
        .map_err(|error| Error::new(ErrorKind::Open, format!("cannot start a thread for the database: {error}")))
}
