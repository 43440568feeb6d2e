//! The thread that writes: takes what waits and what comes while that runs, commits it together, answers each.
//!
//! Invariants: nobody is answered before the commit that holds the work (or its refusal) is durable; a request that
//! fails leaves nothing and harms no other; a request runs at most once in what is committed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Alive, Options, connection::Guarded, keeper::Keeper, migrate, pace::Pace, run, session::Turn, spawn};
use crate::{Error, ErrorKind, Migrated, Migration, Next, Outcome, Plan, Planned, Result, Statement};

/// The most requests in one commit: bounds how long the first waits for the last.
const GROUP: usize = 256;
/// For how long a group takes more, by default: the same where requests are large. A flush is little beside it.
pub(super) const GROUP_TIME: Duration = Duration::from_millis(20);

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

/// What undoes a request that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    /// It has written nothing yet.
    Nothing,
    /// Its savepoint.
    Savepoint,
    /// The end of the transaction, which holds nothing else; or that is run again then, for it is decided, and a savepoint
    /// costs more than a failure that never comes.
    Everything,
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
    keeper: Option<Arc<Keeper>>,
) -> Result<(mpsc::Sender<Job>, watch::Receiver<usize>)> {
    let (sender, queue) = mpsc::channel(options.queue);
    let (alive, watch) = watch::channel(0);
    let alive = Alive::new(&alive);
    let file = options.path().and_then(identity);
    let writer = Writer { on, options, counters, file, turn, keeper, pace: Pace::default() };
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
    keeper: Option<Arc<Keeper>>,
    pace: Pace,
}

impl Writer {
    fn serve(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            // What comes while a session writes joins the group.
            let turn = self.turn.blocking_lock();
            let next = match first {
                Job::Batch(batch) => self.group(batch, &mut queue),
                other => Some(other),
            };
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

    /// One commit for that request and all that come until it is due: each is run as soon as it is taken, and others come
    /// meanwhile. What is no request ends the group, and is returned.
    fn group(&self, first: Batch, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        let begun = Instant::now();
        let (mut group, mut kept, mut lost, mut naps) = (Vec::new(), false, false, 0);
        let mut next = Some(Job::Batch(first));
        while let Some(Job::Batch(batch)) = next {
            if !batch.reply.is_closed() {
                if self.on.connection.is_autocommit()
                    && let Err(error) = self.control("BEGIN IMMEDIATE")
                {
                    next = refuse(batch, &error, queue);
                    break;
                }
                self.counters.requests.fetch_add(1, Ordering::Relaxed);
                let result = self.join(&batch, kept);
                lost = kept && self.on.connection.is_autocommit();
                kept |= keeps(&result);
                group.push((batch, result));
            }
            let goes_on = !lost && group.len() < GROUP && begun.elapsed() < self.options.group_time;
            next = if goes_on { queue.try_recv().ok() } else { None };
            while next.is_none()
                && goes_on
                && kept
                && let Some(nap) = self.pace.nap(group.len(), naps)
            {
                naps += 1;
                thread::park_timeout(nap);
                next = queue.try_recv().ok();
            }
        }
        // What timed out would do so again.
        let culprit = if lost { group.pop() } else { None };
        let finishing = Instant::now();
        if lost || kept && self.finish().is_err() {
            // Nothing of it happened.
            group.into_iter().for_each(|(batch, _)| self.alone(batch));
        } else {
            if kept {
                self.pace.committed(group.len(), finishing.elapsed());
            }
            group.into_iter().for_each(|(batch, result)| batch.answer(result));
        }
        if let Some((batch, result)) = culprit {
            batch.answer(result);
        }
        next
    }

    /// Runs it in the open transaction, which holds what others did or nothing. What is not to be kept of it is undone. The
    /// transaction may be lost with it, or for another reason (`OR ROLLBACK`, a full disk); then nothing is kept.
    fn join(&self, batch: &Batch, others: bool) -> Result<Planned> {
        let mut undo = if others { Undo::Nothing } else { Undo::Everything };
        let result = self.run(batch, &mut undo);
        let stays = keeps(&result);
        if !self.on.connection.is_autocommit() {
            let ended = match undo {
                Undo::Nothing => Ok(()),
                Undo::Savepoint if stays => self.control("RELEASE request"),
                Undo::Savepoint => self.control("ROLLBACK TO request").and_then(|()| self.control("RELEASE request")),
                Undo::Everything if stays => Ok(()),
                Undo::Everything => self.control("ROLLBACK"),
            };
            if ended.is_err() {
                // What this request left cannot be told from what others did: nothing of it may be committed.
                self.roll_back();
            }
        }
        if stays && self.on.connection.is_autocommit() {
            // Lost without an error of its own: it is not known to have run.
            return Err(Error::new(ErrorKind::Io, "the transaction was lost"));
        }
        result
    }

    fn alone(&self, batch: Batch) {
        let begun = self.control("BEGIN IMMEDIATE");
        let result = begun.and_then(|()| self.join(&batch, false));
        let result = if keeps(&result) { self.finish().and(result) } else { result };
        batch.answer(result);
    }

    fn run(&self, batch: &Batch, undo: &mut Undo) -> Result<Planned> {
        self.on.guard.limited(self.options.statement_timeout, batch.canceled.clone(), || {
            let mut outcomes = Vec::new();
            let plan = match &batch.work {
                Work::Statements(statements) => {
                    self.step(statements, undo, &mut outcomes)?;
                    return Ok(Planned { committed: true, outcomes });
                }
                Work::Plan(plan) => plan,
            };
            loop {
                match plan.next(&outcomes)? {
                    Next::Run(statements) => self.step(&statements, undo, &mut outcomes)?,
                    Next::Finish(statements) => {
                        if *undo == Undo::Nothing {
                            *undo = Undo::Everything;
                        }
                        self.step(&statements, undo, &mut outcomes)?;
                        return Ok(Planned { committed: true, outcomes });
                    }
                    Next::Commit => return Ok(Planned { committed: true, outcomes }),
                    Next::Abandon => return Ok(Planned { committed: false, outcomes }),
                }
            }
        })
    }

    fn step(&self, statements: &[Statement], undo: &mut Undo, outcomes: &mut Vec<Outcome>) -> Result<()> {
        outcomes.reserve(statements.len());
        for statement in statements {
            let ran = self.statement(statement, undo).map_err(|error| error.at_statement(outcomes.len()))?;
            outcomes.push(ran);
        }
        Ok(())
    }

    /// The first of a request that writes begins what will undo it.
    fn statement(&self, statement: &Statement, undo: &mut Undo) -> Result<Outcome> {
        let run = |mode| run::statement(&self.on, statement, mode, self.options.max_result_bytes);
        if *undo == Undo::Nothing {
            if let Some(outcome) = run(run::Mode::ReadOnly)? {
                return Ok(outcome);
            }
            self.control("SAVEPOINT request")?;
            *undo = Undo::Savepoint;
        }
        run(run::Mode::ReadWrite).map(Option::unwrap_or_default)
    }

    fn finish(&self) -> Result<()> {
        if let Some(keeper) = &self.keeper {
            keeper.let_go();
        }
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

    fn control(&self, sql: &'static str) -> Result<()> {
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

/// Is it part of what is committed?
fn keeps(result: &Result<Planned>) -> bool {
    result.as_ref().is_ok_and(|planned| planned.committed)
}

/// Tells it, and those that wait with it, that no transaction can begin: each would wait as long for the lock. What is no
/// request ends it, and is returned.
fn refuse(first: Batch, error: &Error, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
    // Counted first: who is told may come back, and finds the lock free.
    let waiting = queue.len();
    first.answer(Err(error.clone()));
    for _ in 0..waiting {
        match queue.try_recv().ok()? {
            Job::Batch(batch) => batch.answer(Err(error.clone())),
            other => return Some(other),
        }
    }
    None
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

#[cfg(test)]
mod tests;
