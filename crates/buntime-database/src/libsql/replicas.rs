//! Which server answers a read: replicas in turn, as long as they are well and know enough.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    errors::Failed,
    server::{Answers, Server},
    wire::{Answer, Sent},
};
use crate::{Outcome, Statement};

/// How long a replica that failed is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// How long one may take to answer before the primary is asked, who has the time of a statement.
const PATIENCE: Duration = Duration::from_secs(2);
/// One that has not answered for so long is left alone when its caller goes away: the next would wait as long.
const UNANSWERED: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Replica {
    server: Arc<Server>,
    well_at: Mutex<Option<Instant>>,
}

/// The replicas, and what this process has seen.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    list: Vec<Replica>,
    next: AtomicUsize,
    /// The newest index of anything that was acknowledged or read here: a replica whose answer is older is not believed.
    seen: AtomicU64,
    /// Something was acknowledged without an index: no replica can be known to have it.
    blind: AtomicBool,
}

impl Replicas {
    pub(super) fn new(servers: Vec<Server>) -> Self {
        let replica = |server| Replica { server: Arc::new(server), well_at: Mutex::default() };
        Self { list: servers.into_iter().map(replica).collect(), ..Self::default() }
    }

    /// The primary answered this.
    pub(super) fn note(&self, index: Option<u64>, wrote: bool) {
        match index {
            Some(index) => {
                self.seen.fetch_max(index, Ordering::AcqRel);
            }
            None if wrote => self.blind.store(true, Ordering::Release),
            None => {}
        }
    }

    /// A replica's answer, if one has it and knows all that was seen here. Errors are the primary's to tell: a replica's
    /// may be of yesterday.
    pub(super) async fn read(&self, statement: &Statement) -> Option<Outcome> {
        if self.list.is_empty() || self.blind.load(Ordering::Acquire) {
            return None;
        }
        let needed = self.seen.load(Ordering::Acquire);
        // An answer's index may be read after the answer was made; that of what stands before it in one pipeline is not
        // newer than what it saw. But a replica that has only begun passes requests on to the primary, and may have done so
        // with the first of the two. So both are to be new enough.
        let before = Statement::new("SELECT 1", Vec::new());
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.list.len() {
            let Some(replica) = self.list.get((first + turn) % self.list.len()) else { continue };
            if !replica.is_well() {
                continue;
            }
            let sent = [Sent::Execute(&before), Sent::Execute(statement), Sent::Close];
            match replica.ask(&sent).await {
                Some(Ok(mut answers)) => {
                    let index = answers.oldest_index?;
                    let Some(Ok(Answer::Ran(outcome))) = answers.each.nth(1) else { return None };
                    if index < needed {
                        return None;
                    }
                    self.seen.fetch_max(answers.index.unwrap_or(index), Ordering::AcqRel);
                    return Some(outcome);
                }
                Some(Err(failed)) => {
                    tracing::warn!(replica = replica.server.location(), error = %failed.error, "a replica does not answer");
                    replica.rest();
                }
                None => {
                    tracing::warn!(replica = replica.server.location(), "a replica does not answer in time");
                    replica.rest();
                }
            }
        }
        None
    }
}

/// A replica that is being waited for.
struct Waiting<'a> {
    /// `None`: not any more.
    replica: Option<&'a Replica>,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(replica) = self.replica.filter(|_| self.since.elapsed() >= UNANSWERED) {
            replica.rest();
        }
    }
}

impl Replica {
    /// `None`: it takes too long.
    async fn ask(&self, sent: &[Sent<'_>]) -> Option<Result<Answers, Failed>> {
        let mut waiting = Waiting { replica: Some(self), since: Instant::now() };
        let answered = tokio::time::timeout(PATIENCE, self.server.ask(None, sent, true)).await.ok();
        waiting.replica = None;
        answered
    }

    fn is_well(&self) -> bool {
        self.well_at.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| at <= Instant::now())
    }

    fn rest(&self) {
        *self.well_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(PAUSE);
    }
}
