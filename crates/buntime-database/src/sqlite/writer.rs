//! The thread that writes: takes what waits, commits it together, answers each.
//!
//! Invariants: nobody is answered before the commit that holds the work (or its refusal) is durable; a request that
//! fails leaves nothing and harms no other; a request runs at most once in what is committed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Alive, Options, connection::Guarded, errors, migrate, run, session::Turn, spawn};
use crate::{Error, ErrorKind, Migrated, Migration, Next, Outcome, Plan, Planned, Result, Statement};

/// The most requests in one commit: bounds how long the first waits for the last.
const GROUP: usize = 256;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Job {
    Batch(Batch),
    Migrate {
        component: String,
        migrations: Vec<Migration>,
        reply: oneshot::Sender<Result<Migrated>>,
    },
    Ping {
        reply: oneshot::Sender<Result<()>>,
    },
    /// Finish what is queued, then end.
    Close,
}

/// What happens together or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) work: Work,
    /// Set when the caller is gone. A plan is carried on with all the same.
    pub(super) canceled: Option<Arc<AtomicBool>>,
    pub(super) reply: oneshot::Sender<Result<Planned>>,
}

/// Statements that are known beforehand, or those of a plan.
#[derive(Debug)]
pub(super) enum Work {
    Statements(Vec<Statement>),
    Plan(Arc<dyn Plan>),
}

impl Batch {
    /// Tells a plan that it is committed, then whoever waits.
    fn answer(self, result: Result<Planned>) {
        if let (Work::Plan(plan), Ok(Planned { committed: true, outcomes })) = (&self.work, &result) {
            plan.committed(outcomes);
        }
        // A caller that is gone does not want to know.
        let _ = self.reply.send(result);
    }
}

/// What a writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that were run, whatever their outcome.
    pub requests: u64,
    /// Commits they took.
    pub commits: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        Stats { requests: self.requests.load(Ordering::Relaxed), commits: self.commits.load(Ordering::Relaxed) }
    }
}

/// Starts the thread.
pub(super) fn start(
    on: Guarded,
    options: Arc<Options>,
    counters: Arc<Counters>,
    turn: Turn,
) -> Result<(mpsc::Sender<Job>, watch::Receiver<usize>)> {
    let (sender, queue) = mpsc::channel(options.queue);
    let (alive, watch) = watch::channel(0);
    let alive = Alive::new(&alive);
    let file = options.path().and_then(identity);
    let writer = Writer { on, options, counters, file, turn };
    spawn("sqlite-writer".to_owned(), move || {
        let _alive = alive;
        writer.serve(queue);
    })?;
    Ok((sender, watch))
}

struct Writer {
    on: Guarded,
    options: Arc<Options>,
    counters: Arc<Counters>,
    file: Option<(u64, u64)>,
    turn: Turn,
}

impl Writer {
    fn serve(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            // What comes while a session writes joins the group.
            let turn = self.turn.blocking_lock();
            let mut group = Vec::new();
            let mut next = Some(first);
            // What came while the last commit ran is the next group; anything that is no batch ends it.
            while let Some(Job::Batch(batch)) = next {
                group.push(batch);
                next = if group.len() < GROUP { queue.try_recv().ok() } else { None };
            }
            self.commit(group);
            match next {
                Some(Job::Migrate { component, migrations, reply }) => {
                    let _ = reply.send(migrate::apply(&self.on, &component, &migrations));
                }
                Some(Job::Ping { reply }) => {
                    let _ = reply.send(self.ping());
                }
                Some(Job::Close) => queue.close(),
                Some(Job::Batch(_)) | None => {}
            }
            drop(turn);
        }
        if let Err(error) = self.control("PRAGMA wal_checkpoint(TRUNCATE)") {
            // Nothing is lost: the log is read at the next start.
            tracing::warn!(%error, "the database's log could not be folded into its file");
        }
    }

    fn commit(&self, mut group: Vec<Batch>) {
        group.retain(|batch| !batch.reply.is_closed());
        self.counters.requests.fetch_add(group.len() as u64, Ordering::Relaxed);
        let results = match group.as_slice() {
            [] => return,
            [one] => vec![self.alone(one)],
            several => self.together(several),
        };
        for (batch, result) in group.into_iter().zip(results) {
            batch.answer(result);
        }
    }

    /// One commit for all of them. When the whole transaction is lost (`OR ROLLBACK`, a full disk, a deferred foreign
    /// key at the commit), nothing of it happened, and each is run again by itself.
    fn together(&self, group: &[Batch]) -> Vec<Result<Planned>> {
        if let Err(error) = self.control("BEGIN IMMEDIATE") {
            return group.iter().map(|_| Err(error.clone())).collect();
        }
        let mut results = Vec::with_capacity(group.len());
        for (at, batch) in group.iter().enumerate() {
            let result = self.savepoint(batch);
            if self.on.connection.is_autocommit() {
                return self.each_but(group, at, result);
            }
            results.push(result);
        }
        match self.finish() {
            Ok(()) => results,
            Err(_) => group.iter().map(|batch| self.alone(batch)).collect(),
        }
    }

    /// Runs all again but the one that lost the transaction, whose error stands: what timed out would do so again.
    fn each_but(&self, group: &[Batch], culprit: usize, result: Result<Planned>) -> Vec<Result<Planned>> {
        let mut theirs = Some(result.and_then(|_| {
            // Lost without an error of its own: it is not known to have run.
            Err(Error::new(ErrorKind::Io, "the transaction was lost"))
        }));
        let again = |(at, batch)| if at == culprit { theirs.take() } else { None }.unwrap_or_else(|| self.alone(batch));
        group.iter().enumerate().map(again).collect()
    }

    fn savepoint(&self, batch: &Batch) -> Result<Planned> {
        self.control("SAVEPOINT request")?;
        let result = self.run(batch);
        if !self.on.connection.is_autocommit() {
            let stays = result.as_ref().is_ok_and(|planned| planned.committed);
            let undone = if !stays { self.control("ROLLBACK TO request") } else { Ok(()) };
            if undone.and_then(|()| self.control("RELEASE request")).is_err() {
                // What this request left cannot be told from what others did: nothing of it may be committed.
                self.roll_back();
            }
        }
        result
    }

    fn alone(&self, batch: &Batch) -> Result<Planned> {
        self.control("BEGIN IMMEDIATE")?;
        let result = self.run(batch);
        if result.as_ref().is_ok_and(|planned| planned.committed) {
            self.finish()?;
        } else {
            self.roll_back();
        }
        result
    }

    fn run(&self, batch: &Batch) -> Result<Planned> {
        self.on.guard.limited(self.options.statement_timeout, batch.canceled.clone(), || {
            let mut outcomes = Vec::new();
            match &batch.work {
                Work::Statements(statements) => {
                    self.step(statements, &mut outcomes)?;
                    Ok(Planned { committed: true, outcomes })
                }
                Work::Plan(plan) => loop {
                    match plan.next(&outcomes)? {
                        Next::Run(statements) => self.step(&statements, &mut outcomes)?,
                        Next::Commit => return Ok(Planned { committed: true, outcomes }),
                        Next::Abandon => return Ok(Planned { committed: false, outcomes }),
                    }
                },
            }
        })
    }

    fn step(&self, statements: &[Statement], outcomes: &mut Vec<Outcome>) -> Result<()> {
        outcomes.reserve(statements.len());
        for statement in statements {
            let ran = run::statement(&self.on, statement, run::Mode::ReadWrite, self.options.max_result_bytes);
            outcomes.push(ran.map_err(|error| error.at_statement(outcomes.len()))?.unwrap_or_default());
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        self.control("COMMIT").inspect_err(|_| self.roll_back())?;
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn roll_back(&self) {
        if self.on.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.control("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn control(&self, sql: &str) -> Result<()> {
        self.on.control(sql)
    }

    /// Can it take the lock that writing needs, on the file that is at that path?
    fn ping(&self) -> Result<()> {
        if let Some(path) = self.options.path()
            && identity(path) != self.file
        {
            let what = format!("the database {} was removed or replaced while it is open", path.display());
            return Err(Error::new(ErrorKind::Unavailable, what));
        }
        self.control("BEGIN IMMEDIATE")?;
        self.control("ROLLBACK")
    }
}

impl Guarded {
    /// Transaction control and pragmas of our own. Compiled once, under a text that no caller knows: a caller's `COMMIT`
    /// would find ours otherwise, which was allowed.
    pub(super) fn control(&self, sql: &str) -> Result<()> {
        let ours = format!("{sql} /* {:016x} */", self.secret);
        let done = self.guard.ours(|| {
            let mut compiled = self.connection.prepare_cached(&ours)?;
            let mut rows = compiled.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        });
        done.map_err(|error| errors::running(&error, &self.guard))
    }
}

/// Which file is at that path: its device and number.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Is there a file at that path?
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|_| (0, 0))
}
