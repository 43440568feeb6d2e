//! Health checks: what any part can say about itself, and the registry they are kept in.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::step::BoxFuture;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Healthy,
    /// It works, with something to look at.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How well it is.
    pub status: Status,
    /// One sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl Finding {
    /// All is well.
    pub fn healthy() -> Self {
        Self { status: Status::Healthy, message: None, details: None }
    }

    /// It works, with something to look at.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: Status::Degraded, message: Some(message.into()), details: None }
    }

    /// It does not work.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: Status::Unhealthy, message: Some(message.into()), details: None }
    }

    /// Figures.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// One check's finding, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The check.
    pub name: String,
    /// What it found.
    #[serde(flatten)]
    pub finding: Finding,
    /// In milliseconds.
    pub latency: u64,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Finding> + Send + Sync>;

/// The checks of every part. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct HealthChecks(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    checks: Mutex<BTreeMap<(String, u64), Check>>,
}

/// Keeps a check registered until it is dropped.
#[derive(Debug)]
#[must_use = "the check is removed when this is dropped"]
pub struct Registered {
    checks: HealthChecks,
    key: (String, u64),
}

impl HealthChecks {
    /// Adds a check under a name such as `plugin:database`, `adapter:sqlite`, `upstream:users`.
    pub fn register<F>(&self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static) -> Registered
    where
        F: Future<Output = Finding> + Send + 'static,
    {
        let key = (name.into(), self.0.next.fetch_add(1, Ordering::Relaxed));
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks().insert(key.clone(), check);
        Registered { checks: self.clone(), key }
    }

    /// Runs all checks at once, each for at most `timeout`; then it is unhealthy, and dropped. One that panics is
    /// unhealthy.
    pub async fn run(&self, timeout: Duration) -> Vec<Checked> {
        let checks: Vec<_> = self.checks().iter().map(|((name, _), check)| (name.clone(), check.clone())).collect();
        join_all(checks.into_iter().map(|(name, check)| async move {
            let begun = std::time::Instant::now();
            // Dropped with its handle: checks that hang do not pile up.
            let task = AbortOnDropHandle::new(tokio::spawn(async move { check().await }));
            let finding = match tokio::time::timeout(timeout, task).await {
                Ok(Ok(finding)) => finding,
                Ok(Err(_)) => Finding::unhealthy("The check itself failed"),
                Err(_) => Finding::unhealthy(format!("No answer within {} ms", timeout.as_millis())),
            };
            let latency = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            Checked { name, finding, latency }
        }))
        .await
    }

    fn checks(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, u64), Check>> {
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.checks.checks().remove(&self.key);
    }
}

impl fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.checks().keys().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_check_has_its_own_time_and_panics_stay_its_own() {
        let checks = HealthChecks::default();
        let _a = checks.register("a", || async { Finding::healthy() });
        let _b = checks.register("b", std::future::pending::<Finding>);
        let _c = checks.register("c", || async { panic!("boom") });
        let gone = checks.register("gone", || async { Finding::healthy() });
        drop(gone);
        let found = checks.run(Duration::from_millis(50)).await;
        let statuses: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.finding.status)).collect();
        assert_eq!(statuses, [("a", Status::Healthy), ("b", Status::Unhealthy), ("c", Status::Unhealthy)]);
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_dropped() {
        let checks = HealthChecks::default();
        let (held, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
        let hangs = checks.register("hangs", move || {
            let held = held.clone();
            async move {
                let _held = held;
                std::future::pending().await
            }
        });
        checks.run(Duration::from_millis(20)).await;
        drop(hangs);
        assert_eq!(dropped.recv().await, None, "its future still holds a sender");
    }
}
