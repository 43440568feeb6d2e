//! From a bounded queue to the collector, in batches.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    otlp::{
        TARGET,
        client::{Client, Refusal},
    },
    redact::Redactor,
};

/// Items of one request.
const BATCH: usize = 512;
/// Attempts to send a batch.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(500);
/// Failures are logged no oftener.
const QUIET: Duration = Duration::from_secs(60);

/// One kind of what is sent.
pub(super) trait Signal: Send + 'static {
    type Item: Send;
    type Request: prost::Message + serde::Serialize;
    /// In words.
    const NAME: &'static str;
    /// Behind the endpoint.
    const PATH: &'static str;

    fn request(items: Vec<Self::Item>, resource: Resource, redactor: &Redactor) -> Self::Request;
    /// What the answer says was not taken: how many, and why.
    fn rejected(answer: &[u8], json: bool) -> Option<(u64, String)>;
}

/// Where items are offered. Cheap to clone.
pub(super) struct Feed<T> {
    queue: mpsc::Sender<T>,
    progress: Arc<Progress>,
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), progress: self.progress.clone() }
    }
}

impl<T> Feed<T> {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<T>) {
        let (queue, items) = mpsc::channel(capacity);
        (Self { queue, progress: Arc::default() }, items)
    }

    /// Never waits: what does not fit is lost and counted.
    pub(super) fn offer(&self, item: T) {
        if self.queue.try_send(item).is_err() {
            self.progress.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }
}

/// What became of the items.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    sent: AtomicU64,
    dropped: AtomicU64,
    rejected: AtomicU64,
    failing: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn figures(&self) -> Value {
        json!({
            "sent": self.sent.load(Relaxed),
            "dropped": self.dropped.load(Relaxed),
            "rejected": self.rejected.load(Relaxed),
        })
    }

    /// Why the last batch could not be sent, if it could not.
    pub(super) fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_failing(&self, why: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// How batches are made and sent.
#[derive(Clone)]
pub(super) struct Batches {
    pub(super) client: Client,
    pub(super) resource: Resource,
    pub(super) redactor: Arc<Redactor>,
    pub(super) interval: Duration,
    /// For the last batches together, once it has ended.
    pub(super) limit: Duration,
}

impl Batches {
    /// Sends what comes until it is `over`, then what is still there.
    pub(super) async fn run<S: Signal>(
        self,
        mut items: mpsc::Receiver<S::Item>,
        progress: Arc<Progress>,
        over: CancellationToken,
    ) {
        let mut quiet = Quiet(None);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = over.cancelled() => break,
                count = items.recv_many(&mut batch, BATCH) => if count == 0 { break },
            }
            let until = Instant::now() + self.interval;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    () = sleep_until(until) => break,
                    count = items.recv_many(&mut batch, room) => if count == 0 { break },
                    () = over.cancelled() => break,
                }
            }
            let count = batch.len();
            let mut sending = pin!(self.send::<S>(std::mem::take(&mut batch), &progress, &mut quiet));
            tokio::select! {
                () = &mut sending => {}
                () = over.cancelled() => {
                    if timeout(self.limit, sending).await.is_err() {
                        progress.dropped.fetch_add(count as u64, Relaxed);
                    }
                    break;
                }
            }
        }
        self.drain::<S>(items, batch, &progress, &mut quiet).await;
    }

    /// The last batches, within the limit.
    async fn drain<S: Signal>(
        &self,
        mut items: mpsc::Receiver<S::Item>,
        mut batch: Vec<S::Item>,
        progress: &Progress,
        quiet: &mut Quiet,
    ) {
        items.close();
        let until = Instant::now() + self.limit;
        loop {
            while batch.len() < BATCH
                && let Ok(item) = items.try_recv()
            {
                batch.push(item);
            }
            if batch.is_empty() {
                return;
            }
            let count = batch.len();
            let sending = self.send::<S>(std::mem::take(&mut batch), progress, quiet);
            if timeout(until.saturating_duration_since(Instant::now()), sending).await.is_err() {
                progress.dropped.fetch_add(count as u64 + items.len() as u64, Relaxed);
                return;
            }
        }
    }

    /// Sends one batch, in several attempts if need be.
    async fn send<S: Signal>(&self, batch: Vec<S::Item>, progress: &Progress, quiet: &mut Quiet) {
        let count = batch.len() as u64;
        let body = self.client.encode(&S::request(batch, self.resource.clone(), &self.redactor));
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.client.post(S::PATH, body.clone()).await {
                Ok(answer) => {
                    let (rejected, why) = S::rejected(&answer, self.client.is_json()).unwrap_or_default();
                    progress.sent.fetch_add(count.saturating_sub(rejected), Relaxed);
                    progress.rejected.fetch_add(rejected, Relaxed);
                    progress.set_failing(None);
                    if rejected > 0 {
                        quiet.log(S::NAME, &format!("the collector rejected {rejected} of {count}: {why}"));
                    }
                    return;
                }
                Err(Refusal { retry: Some(after), .. }) if attempt < ATTEMPTS => {
                    sleep(after.max(pause)).await;
                    pause *= 2;
                }
                Err(Refusal { why, .. }) => {
                    progress.dropped.fetch_add(count, Relaxed);
                    quiet.log(S::NAME, &why);
                    progress.set_failing(Some(why));
                    return;
                }
            }
        }
    }
}

/// Logs failures, but not each.
struct Quiet(Option<Instant>);

impl Quiet {
    fn log(&mut self, name: &str, why: &str) {
        if self.0.is_none_or(|last| last.elapsed() >= QUIET) {
            self.0 = Some(Instant::now());
            tracing::warn!(target: TARGET, plugin = "logs", "{name} could not be sent: {why}");
        }
    }
}
