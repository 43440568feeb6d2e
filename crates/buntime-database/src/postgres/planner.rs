//! Plans: what waits is run and committed together, one group after the other.
//!
//! Plans that write are serialized by a lock of the server, not by retries: a counter that every plan raises would make
//! each of them fail the others (`40001`), and a row lock alone would let a later number commit first. The lock is an
//! advisory one for each schema, of the session and not of the transaction: it is held before the transaction takes its
//! snapshot and until it is committed, so that plans of all nodes see each other's work and numbers rise in the order of
//! commits. Transactions that are no plans do not take it; they are kept apart by being serializable.
//!
//! Within this process a lock for each plan would cost a flush of the server's disk for each. So, as in SQLite's writer,
//! those that wait when a commit ends are savepoints of the next transaction.

use std::sync::{Arc, Weak};

use tokio::sync::{OwnedRwLockReadGuard, mpsc, oneshot};

use super::{
    calls::{Calls, Tries},
    connect::Connection,
    errors::{self, Again, Failed},
    run,
};
use crate::{Error, ErrorKind, Next, Outcome, Plan, Planned, Result, Statement};

/// The most plans in one commit.
const GROUP: usize = 128;
/// How many wait before callers do.
const QUEUE: usize = 1024;
/// How often a group is run again together before each is run by itself.
const TOGETHER: usize = 3;

/// The number of the lock is that of the schema: two arguments, so that it is not one of an application's own.
const LOCK: &str = "SELECT pg_advisory_lock(1651861621, hashtext(current_schema()))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(1651861621, hashtext(current_schema()))";

/// A plan that waits.
#[derive(Debug)]
pub(super) struct Asked {
    plan: Arc<dyn Plan>,
    reply: oneshot::Sender<Result<Planned>>,
    _running: OwnedRwLockReadGuard<()>,
}

/// Starts the task that runs them; it ends with the last sender.
pub(super) fn start(calls: &Arc<Calls>) -> mpsc::Sender<Asked> {
    let (sender, mut queue) = mpsc::channel(QUEUE);
    let calls = Arc::downgrade(calls);
    tokio::spawn(async move {
        let mut group = Vec::new();
        while queue.recv_many(&mut group, GROUP).await > 0 {
            serve(&calls, std::mem::take(&mut group)).await;
        }
    });
    sender
}

/// Has a plan run.
pub(super) async fn ask(calls: &Calls, plans: &mpsc::Sender<Asked>, plan: Arc<dyn Plan>) -> Result<Planned> {
    let (reply, answer) = oneshot::channel();
    let asked = Asked { plan, reply, _running: calls.begin().await? };
    plans.send(asked).await.map_err(|_| Error::closed())?;
    answer.await.map_err(|_| Error::closed())?
}

async fn serve(calls: &Weak<Calls>, mut group: Vec<Asked>) {
    group.retain(|asked| !asked.reply.is_closed());
    let Some(calls) = calls.upgrade().filter(|_| !group.is_empty()) else { return };
    let plans: Vec<_> = group.iter().map(|asked| Arc::clone(&asked.plan)).collect();
    for (asked, result) in group.into_iter().zip(decide(&calls, &plans).await) {
        if let Ok(Planned { committed: true, outcomes }) = &result {
            asked.plan.committed(outcomes);
        }
        // A caller that is gone does not want to know.
        let _ = asked.reply.send(result);
    }
}

/// Each plan's end. Together if that works; what keeps on failing the group is told apart by running each alone.
async fn decide(calls: &Calls, plans: &[Arc<dyn Plan>]) -> Vec<Result<Planned>> {
    for _ in 0..TOGETHER {
        if plans.len() == 1 {
            break;
        }
        match attempt(calls, plans).await {
            Ok(results) => return results,
            // What one would be told, all would.
            Err(failed) if is_of_the_server(failed.error.kind()) && failed.again == Again::Never => {
                return plans.iter().map(|_| Err(failed.error.clone())).collect();
            }
            Err(failed) if failed.again == Again::Never => break,
            Err(_) => {}
        }
    }
    let mut results = Vec::with_capacity(plans.len());
    for plan in plans {
        results.push(alone(calls, plan).await);
    }
    results
}

fn is_of_the_server(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Uncertain | ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Closed | ErrorKind::Open
    )
}

async fn alone(calls: &Calls, plan: &Arc<dyn Plan>) -> Result<Planned> {
    let mut tries = Tries::new(&calls.options);
    loop {
        match attempt(calls, std::slice::from_ref(plan)).await {
            Ok(results) => return results.into_iter().next().unwrap_or_else(|| Err(Error::closed())),
            Err(failed) if tries.another(failed.again) => {}
            Err(failed) => return Err(failed.error),
        }
    }
}

async fn attempt(calls: &Calls, plans: &[Arc<dyn Plan>]) -> Result<Vec<Result<Planned>>, Failed> {
    let mut lease = calls.lease().await.map_err(Failed::never)?;
    lease.with(async |on| transaction(calls, on, plans).await).await
}

/// One transaction for all of them, under the lock. An error is of the transaction, and nothing of it happened unless it
/// is uncertain.
async fn transaction(
    calls: &Calls,
    on: &mut Connection,
    plans: &[Arc<dyn Plan>],
) -> Result<Vec<Result<Planned>>, Failed> {
    // Two messages, or they would be one transaction with a snapshot from before the lock.
    let (locked, begun) = tokio::join!(on.client.batch_execute(LOCK), on.client.batch_execute("BEGIN"));
    let begun = locked.and(begun).map_err(|error| held(errors::running(&error, true)));
    let result = match begun {
        Ok(()) => each(calls, on, plans).await,
        Err(failed) => Err(failed),
    };
    let keeps = result
        .as_ref()
        .is_ok_and(|results| results.iter().any(|planned| matches!(planned, Ok(planned) if planned.committed)));
    let end = if keeps { "COMMIT" } else { "ROLLBACK" };
    let (ended, unlocked) = tokio::join!(on.client.batch_execute(end), on.client.batch_execute(UNLOCK));
    if let Err(failed) = &result
        && failed.again == Again::Learnt
    {
        on.cache.clear();
    }
    let results = result?;
    ended.map_err(|error| errors::running(&error, !keeps))?;
    // It is committed; a connection that is lost now is found to be so by whoever has it next, and its lock is gone.
    if let Err(error) = unlocked {
        tracing::debug!(%error, "the lock of plans went with its connection");
    }
    Ok(results)
}

/// Another node that takes too long with the lock.
fn held(mut failed: Failed) -> Failed {
    if failed.error.kind() == ErrorKind::Timeout {
        failed.error = Error::new(ErrorKind::Busy, "another node holds the database's lock of plans");
    }
    failed
}

async fn each(calls: &Calls, on: &mut Connection, plans: &[Arc<dyn Plan>]) -> Result<Vec<Result<Planned>>, Failed> {
    let harmless = |error| errors::running(&error, true);
    let alone = plans.len() == 1;
    let mut results = Vec::with_capacity(plans.len());
    for plan in plans {
        if !alone {
            on.client.batch_execute("SAVEPOINT plan").await.map_err(harmless)?;
        }
        let result = match steps(calls, on, plan).await {
            Ok(planned) => Ok(planned),
            // The transaction as a whole is to be run again.
            Err(failed) if failed.again != Again::Never => return Err(failed),
            Err(failed) => Err(failed.error),
        };
        if !alone {
            let stays = result.as_ref().is_ok_and(|planned| planned.committed);
            let end = if stays { "RELEASE plan" } else { "ROLLBACK TO plan; RELEASE plan" };
            on.client.batch_execute(end).await.map_err(harmless)?;
        }
        results.push(result);
    }
    Ok(results)
}

async fn steps(calls: &Calls, on: &mut Connection, plan: &Arc<dyn Plan>) -> Result<Planned, Failed> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    loop {
        let (statements, last): (Vec<Statement>, bool) = match plan.next(&outcomes).map_err(Failed::never)? {
            Next::Run(statements) => (statements, false),
            Next::Finish(statements) => (statements, true),
            Next::Commit => return Ok(Planned { committed: true, outcomes }),
            Next::Abandon => return Ok(Planned { committed: false, outcomes }),
        };
        let list = calls.all_ready(statements, outcomes.len()).map_err(Failed::never)?;
        let done = run::statements(on, &list, calls.options.max_result_bytes, outcomes.len()).await?;
        outcomes.extend(done);
        if last {
            return Ok(Planned { committed: true, outcomes });
        }
    }
}
