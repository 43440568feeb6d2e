//! Counters of a listener, for metrics. Relaxed: each is right, together they are not one moment's picture.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// What a listener counts. Shared with [`super::Control`]; read any time.
#[derive(Debug, Default)]
pub struct ServerStats {
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    tls_failures: AtomicU64,
    malformed: AtomicU64,
    timed_out: AtomicU64,
}

impl ServerStats {
    /// Connections open now, upgraded ones included.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Connections accepted since the start, refused ones not counted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections refused because `max_connections` were open.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// TLS handshakes that failed or took too long.
    pub fn tls_failures(&self) -> u64 {
        self.tls_failures.load(Relaxed)
    }

    /// Requests refused before anything saw them, because they were not HTTP or over a limit.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Relaxed)
    }

    /// Connections closed for being slow: heads, reading what is sent.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn count_tls_failure(&self) {
        self.tls_failures.fetch_add(1, Relaxed);
    }

    pub(super) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
    }
}

/// Counts one open connection for as long as it lives, for the listener and for the worker that has it.
#[derive(Debug)]
pub(super) struct Open {
    stats: Arc<ServerStats>,
    worker: Arc<AtomicUsize>,
    all_closed: Arc<tokio::sync::Notify>,
}

impl Open {
    pub(super) fn new(
        stats: &Arc<ServerStats>,
        worker: &Arc<AtomicUsize>,
        all_closed: &Arc<tokio::sync::Notify>,
    ) -> Self {
        stats.open.fetch_add(1, Relaxed);
        stats.accepted.fetch_add(1, Relaxed);
        worker.fetch_add(1, Relaxed);
        Self { stats: Arc::clone(stats), worker: Arc::clone(worker), all_closed: Arc::clone(all_closed) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.fetch_sub(1, Relaxed);
        if self.stats.open.fetch_sub(1, Relaxed) == 1 {
            self.all_closed.notify_one();
        }
    }
}
