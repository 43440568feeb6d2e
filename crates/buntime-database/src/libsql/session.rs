//! Sessions: streams of callers' own.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    errors,
    judge::{judge, parameters},
    replicas::Replicas,
    server::Server,
    stream::{Stream, expected},
    wire::{Answer, Sent},
};
use crate::{
    Description, Error, ErrorKind, Outcome, Result, Session, Statement,
    sql::{Class, Dialect, begins_read_only, returns_rows, split},
};

/// The sessions of a database.
#[derive(Debug)]
pub(super) struct Sessions {
    free: Arc<Semaphore>,
    most: usize,
    closed: CancellationToken,
}

impl Sessions {
    pub(super) fn new(free: Arc<Semaphore>, most: usize) -> Self {
        Self { free, most, closed: CancellationToken::new() }
    }

    pub(super) fn open(&self, primary: &Arc<Server>, replicas: &Arc<Replicas>) -> Result<Box<dyn Session>> {
        let place = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::Busy, format!("all {} sessions of the libSQL server are in use", self.most))
        })?;
        let (server, replicas, closed) = (Arc::clone(primary), Arc::clone(replicas), self.closed.clone());
        Ok(Box::new(LibsqlSession {
            stream: Stream::new(primary),
            server,
            replicas,
            open: false,
            reads: false,
            lost: false,
            described: None,
            closed,
            _place: place,
        }))
    }

    /// Their next statement fails; the server rolls back what they had begun when it hears no more of them.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }
}

#[derive(Debug)]
struct LibsqlSession {
    stream: Stream,
    server: Arc<Server>,
    /// What is acknowledged here their answers must know.
    replicas: Arc<Replicas>,
    /// Is a transaction open?
    open: bool,
    /// Was it begun to read only? Servers do not hold everybody to it.
    reads: bool,
    /// The transaction went with the stream, and the caller takes it for open still.
    lost: bool,
    /// What was described last, and its parameters.
    described: Option<(String, Vec<Option<String>>)>,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl LibsqlSession {
    async fn ask(&mut self, what: Sent<'_>, harmless: bool) -> Result<Answer> {
        if self.closed.is_cancelled() {
            // Dropped, the stream is ended.
            self.stream = Stream::new(&self.server);
            return Err(Error::closed());
        }
        self.not_lost()?;
        // Whoever drops this future does not know what the stream is in: it is another one then.
        let was_open = std::mem::take(&mut self.open);
        let mut stream = std::mem::replace(&mut self.stream, Stream::new(&self.server));
        let sent = [what, Sent::Autocommit];
        let mut answers = stream.ask(&sent, harmless).await.map_err(|failed| {
            // Between transactions a stream that has ended is of no account to anybody but us.
            let unheard = !was_open && failed.error.kind() == ErrorKind::Timeout && failed.again;
            self.lost = was_open && !tells_of_the_end(failed.error.kind());
            if unheard { Error::new(ErrorKind::Unavailable, failed.error.detail()) } else { failed.error }
        })?;
        let answer = answers.each.next().unwrap_or_else(|| Err(errors::lost("it answers nothing", harmless)));
        self.replicas.note(answers.index, !harmless && answer.is_ok());
        if let Some(Ok(Answer::Autocommit(autocommit))) = answers.each.next() {
            self.open = !autocommit;
        }
        if self.open {
            self.stream = stream;
        } else {
            // The next statement needs nothing of this one.
            stream.end().await;
        }
        answer.map_err(|failed| failed.error)
    }
}

impl LibsqlSession {
    fn not_lost(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.lost) {
            return Ok(());
        }
        let what = "the transaction ended with the statement that failed before, and was rolled back; begin again";
        Err(Error::new(ErrorKind::Timeout, what))
    }

    async fn ran(&mut self, sent: Sent<'_>, statement: &Statement, harmless: bool) -> Result<Outcome> {
        match self.ask(sent, harmless).await? {
            Answer::Ran(outcome) => expected(&outcome, statement).map(|()| outcome),
            _ => Err(errors::lost("it answers something else", harmless).error),
        }
    }

    /// Runs a write that returns rows as a transaction of its own: nothing of it is to stay if they cannot be read.
    async fn alone(&mut self, sent: Sent<'_>, statement: &Statement) -> Result<Outcome> {
        let [begin, commit, rollback] =
            ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"].map(|sql| Statement::new(sql, Vec::new()));
        self.ran(Sent::Execute(&begin), &begin, true).await?;
        let done = match self.ran(sent, statement, true).await {
            Ok(outcome) => self.ran(Sent::Execute(&commit), &commit, false).await.map(|_| outcome),
            Err(error) => Err(error),
        };
        // The caller has begun none, so that there is none to be told of.
        if done.is_err() && !std::mem::take(&mut self.lost) && self.open {
            self.ran(Sent::Execute(&rollback), &rollback, true).await?;
        }
        done
    }

    /// The names of its parameters, if they have some: then the server takes no arguments by position.
    async fn names(&mut self, statement: &Statement) -> Result<Option<Vec<Option<String>>>> {
        if statement.args.is_empty() || parameters(&statement.sql).is_some() {
            return Ok(None);
        }
        let known = self.described.take().filter(|(sql, _)| *sql == statement.sql).map(|(_, names)| names);
        let names = match known {
            Some(names) => names,
            None => self.describe(&statement.sql).await?.parameters,
        };
        Ok(names.iter().all(Option::is_some).then_some(names))
    }
}

#[async_trait]
impl Session for LibsqlSession {
    async fn execute(&mut self, statement: Statement) -> Result<Outcome> {
        let class = judge(&statement, true)?;
        if self.open && self.reads && class == Class::Write {
            return Err(Error::writes());
        }
        if class == Class::Transaction && !self.open {
            self.reads = begins_read_only(&statement.sql, Dialect::Sqlite);
        }
        let commits = class == Class::Transaction && self.open;
        let harmless = class == Class::Read || (self.open && !commits);
        let names = self.names(&statement).await?;
        let sent = names.as_deref().map_or(Sent::Execute(&statement), |names| Sent::Named(&statement, names));
        if class == Class::Write && !self.open && returns_rows(&statement.sql, Dialect::Sqlite) {
            return self.alone(sent, &statement).await;
        }
        self.ran(sent, &statement, harmless).await
    }

    async fn script(&mut self, sql: &str) -> Result<()> {
        for (at, statement) in split(sql, Dialect::Sqlite).into_iter().enumerate() {
            let done = self.execute(Statement::new(statement, Vec::new())).await;
            done.map_err(|error| error.at_statement(at))?;
        }
        Ok(())
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        match self.ask(Sent::Describe(sql), true).await? {
            Answer::Described(description) => {
                self.described = Some((sql.to_owned(), description.parameters.clone()));
                Ok(description)
            }
            _ => Err(errors::lost("it answers something else", true).error),
        }
    }

    async fn is_autocommit(&mut self) -> Result<bool> {
        if self.closed.is_cancelled() {
            return Err(Error::closed());
        }
        self.not_lost().map(|()| !self.open)
    }
}

/// Is it an error after which no caller takes a transaction for open?
fn tells_of_the_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Uncertain | ErrorKind::Closed)
}
