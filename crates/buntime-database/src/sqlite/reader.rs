//! Reading: connections that only read, and who uses them.
//!
//! A read that touches few rows takes some microseconds; to hand it to another thread and to wake the caller again takes
//! several times as long. So the caller's own thread reads, on a connection nobody uses now, and gives up after some ten
//! thousand steps; such a statement, one that was slow before, and any that fails there goes to the threads, which have time.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Alive, Options,
    brief::{self, Slow},
    connection::{self, Guarded},
    keeper::Keeper,
    run, spawn,
};
use crate::{Error, Result, Rows, Sink, Statement, Value};

/// What a statement's rows may take on the caller's thread, in bytes.
const BRIEF_BYTES: usize = 256 << 10;

/// Connections that read, each for one at a time. `None`: closed.
#[derive(Debug)]
struct Connections {
    all: Box<[Mutex<Option<Guarded>>]>,
    slow: Slow,
    /// `None`: there is one connection, which waits for no other.
    keeper: Option<Arc<Keeper>>,
}

/// What a reader is asked.
#[derive(Debug)]
enum Job {
    Query(Query),
    /// Finish what is queued, then end, all of you.
    Close,
}

#[derive(Debug)]
struct Query {
    statement: Statement,
    /// Set when the caller is gone.
    canceled: Arc<AtomicBool>,
    /// `Err(statement)` inside: it writes.
    reply: oneshot::Sender<Result<Result<Rows, Statement>>>,
}

/// One queue for all: a slow query delays only those that find every reader busy.
type Queue = Arc<Mutex<mpsc::Receiver<Job>>>;

/// All that read a file.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Arc<Connections>,
    queue: mpsc::Sender<Job>,
    alive: watch::Receiver<usize>,
}

impl Readers {
    /// Opens the connections and starts a thread for each.
    pub(super) fn open(options: &Arc<Options>) -> Result<Self> {
        let open = |_| connection::open_reader(options).map(|connection| Mutex::new(Some(connection)));
        let all = (0..options.readers).map(open).collect::<Result<_>>()?;
        let (sender, receiver) = mpsc::channel(options.queue);
        let (alive, watch) = watch::channel(0);
        let keeper = (options.readers > 1).then(|| Keeper::start(options, Alive::new(&alive))).transpose()?;
        let connections = Arc::new(Connections { all, slow: Slow::new(), keeper });
        let queue: Queue = Arc::new(Mutex::new(receiver));
        // First, so that the keeper ends if a thread cannot be started.
        let readers = Self { connections, queue: sender, alive: watch };
        for at in 0..options.readers {
            let (queue, options, alive) = (Arc::clone(&queue), Arc::clone(options), Alive::new(&alive));
            let connections = Arc::clone(&readers.connections);
            spawn(format!("sqlite-reader-{at}"), move || {
                let _alive = alive;
                let Some(own) = connections.all.get(at) else { return };
                serve(&queue, own, &connections.slow, &options);
                drop(lock(own).take());
            })?;
        }
        Ok(readers)
    }

    /// `Err(statement)` inside: it writes, and is for the writer.
    pub(super) async fn read(&self, statement: Statement) -> Result<Result<Rows, Statement>> {
        brief::turn().await;
        let read = |on: &Guarded| run::statement(on, &statement, run::Mode::ReadOnly, BRIEF_BYTES);
        if let Some(outcome) = self.connections.briefly(&statement.sql, read) {
            return Ok(outcome.map(|outcome| outcome.rows).ok_or(statement));
        }
        let canceled = Arc::new(AtomicBool::new(false));
        let _gone = super::SetOnDrop(Arc::clone(&canceled));
        let (reply, answer) = oneshot::channel();
        let job = Job::Query(Query { statement, canceled, reply });
        self.queue.send(job).await.map_err(|_| Error::closed())?;
        answer.await.map_err(|_| Error::closed())?
    }

    /// Shows the rows, if that is brief. `false`: they are to be read, from the first.
    pub(super) async fn show(&self, sql: &str, args: &[Value], sink: &mut dyn Sink) -> bool {
        brief::turn().await;
        let show = |on: &Guarded| run::show(on, sql, args, BRIEF_BYTES, &mut *sink);
        let shown = self.connections.briefly(sql, show).unwrap_or(false);
        if !shown {
            sink.restart();
        }
        shown
    }

    /// What holds the log for those who read, if anything does.
    pub(super) fn keeper(&self) -> Option<Arc<Keeper>> {
        self.connections.keeper.clone()
    }

    /// Finishes what is queued, then closes.
    pub(super) async fn close(&self) {
        self.end_keeper();
        let _ = self.queue.send(Job::Close).await;
        super::ended(&self.alive).await;
        // Of a thread that panicked.
        self.connections.all.iter().for_each(|connection| drop(lock(connection).take()));
    }

    fn end_keeper(&self) {
        if let Some(keeper) = &self.connections.keeper {
            keeper.close();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.end_keeper();
    }
}

impl Connections {
    /// Runs a statement here and now, if it was not slow and a connection is free. What failed may succeed where there is time.
    fn briefly<T>(&self, sql: &str, run: impl FnOnce(&Guarded) -> Result<T>) -> Option<T> {
        let number = self.slow.number(sql);
        if self.slow.knows(number) {
            return None;
        }
        if let Some(keeper) = &self.keeper {
            keeper.ask();
        }
        let connection = self.free()?;
        let on = connection.as_ref()?;
        let begun = Instant::now();
        let ran = on.guard.briefly(|| run(on));
        let took = begun.elapsed();
        brief::spent(took);
        self.slow.took(number, took);
        ran.ok()
    }

    fn free(&self) -> Option<MutexGuard<'_, Option<Guarded>>> {
        let first = seat();
        let several = self.all.len();
        (0..several).find_map(|next| match self.all.get((first + next) % several)?.try_lock() {
            Ok(connection) => Some(connection),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })
    }
}

/// Which connection this thread tries first: threads that read all the time do not meet.
fn seat() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static SEAT: Cell<Option<usize>> = const { Cell::new(None) });
    SEAT.with(|seat| {
        let at = seat.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        seat.set(Some(at));
        at
    })
}

fn serve(queue: &Queue, own: &Mutex<Option<Guarded>>, slow: &Slow, options: &Options) {
    loop {
        // One waits in the queue, the others for the lock.
        let job = {
            let mut queue = lock(queue);
            match queue.blocking_recv() {
                Some(Job::Close) => {
                    queue.close();
                    continue;
                }
                job => job,
            }
        };
        match job {
            Some(Job::Query(query)) => {
                if let Some(on) = &*lock(own) {
                    answer(query, on, slow, options);
                }
            }
            Some(Job::Close) => {}
            None => return,
        }
    }
}

fn answer(query: Query, on: &Guarded, slow: &Slow, options: &Options) {
    let Query { statement, canceled, reply } = query;
    if canceled.load(Ordering::Relaxed) {
        return;
    }
    let begun = Instant::now();
    // Who is not in a hurry waits for other processes; who reads briefly does not.
    let result = on.patiently(options.busy_timeout, || {
        on.guard.limited(options.statement_timeout, Some(canceled), || {
            run::statement(on, &statement, run::Mode::ReadOnly, options.max_result_bytes)
        })
    });
    slow.took(slow.number(&statement.sql), begun.elapsed());
    let answer: Result<_, Error> = result.map(|outcome| match outcome {
        Some(outcome) => Ok(outcome.rows),
        None => Err(statement),
    });
    // An answer nobody waits for is no loss.
    let _ = reply.send(answer);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guarded {
    fn patiently<T>(&self, patience: Duration, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let wait =
            |time| self.connection.busy_timeout(time).map_err(|error| super::errors::running(&error, &self.guard));
        wait(patience)?;
        let result = work();
        wait(Duration::ZERO)?;
        result
    }
}
