//! The pool of threads that read.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Alive, Options, connection::Guarded, run, spawn};
use crate::{Error, Result, Rows, Statement};

/// What a reader is asked.
#[derive(Debug)]
pub(super) enum Job {
    Query(Query),
    /// Finish what is queued, then end, all of you.
    Close,
}

#[derive(Debug)]
pub(super) struct Query {
    pub(super) statement: Statement,
    /// Set when the caller is gone.
    pub(super) canceled: Arc<AtomicBool>,
    /// `Err(statement)` inside: it writes.
    pub(super) reply: oneshot::Sender<Result<Result<Rows, Statement>>>,
}

/// One queue for all: a slow query delays only those that find every reader busy.
type Queue = Arc<Mutex<mpsc::Receiver<Job>>>;

/// Starts one thread for each connection.
pub(super) fn start(
    connections: Vec<Guarded>,
    options: &Arc<Options>,
) -> Result<(mpsc::Sender<Job>, watch::Receiver<usize>)> {
    let (sender, receiver) = mpsc::channel(options.queue);
    let (alive, watch) = watch::channel(0);
    let queue: Queue = Arc::new(Mutex::new(receiver));
    for (at, connection) in connections.into_iter().enumerate() {
        let (queue, options, alive) = (Arc::clone(&queue), Arc::clone(options), Alive::new(&alive));
        spawn(format!("sqlite-reader-{at}"), move || {
            let _alive = alive;
            serve(&queue, &connection, &options);
            drop(connection);
        })?;
    }
    Ok((sender, watch))
}

fn serve(queue: &Queue, connection: &Guarded, options: &Options) {
    loop {
        // One waits in the queue, the others for the lock.
        let job = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            match queue.blocking_recv() {
                Some(Job::Close) => {
                    queue.close();
                    continue;
                }
                job => job,
            }
        };
        match job {
            Some(Job::Query(query)) => answer(query, connection, options),
            Some(Job::Close) => {}
            None => return,
        }
    }
}

fn answer(query: Query, on: &Guarded, options: &Options) {
    let Query { statement, canceled, reply } = query;
    if canceled.load(Ordering::Relaxed) {
        return;
    }
    let result = on.guard.limited(options.statement_timeout, Some(canceled), || {
        run::statement(on, &statement, run::Mode::ReadOnly, options.max_result_bytes)
    });
    let answer: Result<_, Error> = result.map(|outcome| match outcome {
        Some(outcome) => Ok(outcome.rows),
        None => Err(statement),
    });
    // An answer nobody waits for is no loss.
    let _ = reply.send(answer);
}
