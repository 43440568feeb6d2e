//! Looking into a queue for a consumer that may go away at any time.
//!
//! The look is a task of its own, so that a consumer who leaves costs the database no broken connection, and so that what
//! was leased for it comes back. Of each queue a few look at a time; who has left before its turn looks not at all.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::Delivery;
use crate::{
    Error, Result,
    engine::{Namespace, hub::Bell},
};

/// How often giving back is tried.
const TRIES: u32 = 8;

/// What a look found.
#[derive(Debug)]
pub(super) enum Looked {
    /// These, leased.
    Got(Vec<Delivery>),
    /// Nothing that is ready. When the next is, if there is one.
    Nothing(Option<u64>),
}

/// Looks, and leases what is ready.
pub(super) async fn look(
    of: &Namespace,
    bell: &Arc<Bell>,
    queue: &str,
    most: usize,
    lease: Duration,
) -> Result<Looked> {
    let turn = Arc::clone(&bell.looking).acquire_owned().await.map_err(|_| Error::Closed)?;
    let (reply, answer) = oneshot::channel();
    let wanted = Arc::new(());
    let (namespace, queue, still) = (of.clone(), queue.to_owned(), Arc::downgrade(&wanted));
    tokio::spawn(async move {
        let _turn = turn;
        let looked = namespace.look(&queue, most, lease, still).await;
        if let Err(Ok(Looked::Got(unwanted))) = reply.send(looked) {
            give_back(namespace, unwanted).await;
        }
    });
    let mut waiting = Waiting { answer, namespace: of, _wanted: wanted };
    (&mut waiting.answer).await.map_err(|_| Error::Closed)?
}

/// A consumer that waits. When it goes away after the answer was sent and before it was taken, the answer goes back.
struct Waiting<'a> {
    answer: oneshot::Receiver<Result<Looked>>,
    namespace: &'a Namespace,
    _wanted: Arc<()>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(Looked::Got(unwanted))) = self.answer.try_recv()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(give_back(self.namespace.clone(), unwanted));
        }
    }
}

async fn give_back(namespace: Namespace, unwanted: Vec<Delivery>) {
    let mut pause = Duration::from_millis(20);
    for _ in 0..TRIES {
        match namespace.release(&unwanted).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "messages of a consumer that is gone are not given back yet"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    tracing::warn!("messages of a consumer that is gone wait for their lease to end");
}

impl Namespace {
    async fn look(&self, queue: &str, most: usize, lease: Duration, wanted: std::sync::Weak<()>) -> Result<Looked> {
        let next = self.next_ready(queue).await?;
        if next.is_none_or(|at| at > self.engine.clock.now()) {
            return Ok(Looked::Nothing(next));
        }
        let got = self.lease_while(queue, most, lease, wanted).await?;
        if got.is_empty() { Ok(Looked::Nothing(self.next_ready(queue).await?)) } else { Ok(Looked::Got(got)) }
    }
}
