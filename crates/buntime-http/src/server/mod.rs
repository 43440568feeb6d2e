//! The listener: one socket, one place that accepts, one worker thread with a runtime of its own per core.
//!
//! A connection is handed to the worker with the fewest open ones and stays there; so does everything that is spawned
//! while serving it, upstream connections included. What arrives is judged by our own framing check before hyper parses
//! it; what is refused is answered through [`Serve::refuse`].
//!
//! What is absent on purpose: `SO_REUSEPORT` (it would hide a port that is in use), HTTP/3, `CONNECT`, server push.

mod accept;
mod bind;
mod clock;
mod connection;
mod exchange;
mod limits;
mod refusal;
mod stats;
mod stream;
mod tls;
mod watch;
mod worker;

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::body::Body;
use buntime_core::Error;
use http::{Request, Response};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use bind::{BindError, ListenOptions};
pub use limits::Limits;
pub use refusal::plain_problem;
pub use stats::ServerStats;
pub use tls::{TlsError, TlsFiles};

/// What answers requests.
///
/// A request that arrives here has an origin-form target (`/path?query`, or `*`), exactly one valid `Host`, a body
/// bounded in length and pace, and no contradiction in its framing. Hop-by-hop fields are still there. One that asks
/// for an upgrade has its `Arc<ConnectionInfo>` among its extensions, for who relays the upgraded connection.
pub trait Serve: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the client goes away; a panic becomes a 500.
    fn serve(
        &self,
        request: Request<Body>,
        connection: &Arc<ConnectionInfo>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Answers what is refused before [`Serve::serve`] sees it (malformed, over a limit, too slow) and what panicked.
    fn refuse(&self, error: Error, connection: &ConnectionInfo) -> Response<Body> {
        let _ = connection;
        plain_problem(&error)
    }
}

/// What is known of a connection.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Who is at the other end; a proxy, perhaps.
    pub peer: SocketAddr,
    /// Which of our addresses it reached.
    pub local: SocketAddr,
    /// Does it run over TLS?
    pub tls: bool,
    /// Which worker has it.
    pub worker: usize,
    stopping: CancellationToken,
}

impl ConnectionInfo {
    /// As a connection would have it; for tests of what is served.
    pub fn detached(peer: SocketAddr, local: SocketAddr, tls: bool) -> Self {
        Self { peer, local, tls, worker: 0, stopping: CancellationToken::new() }
    }

    /// Cancelled when the server begins to stop: upgraded connections should then say goodbye and end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}

/// What may be changed and read while a server runs.
#[derive(Debug)]
pub struct Control {
    limits: ArcSwap<Limits>,
    tls: ArcSwapOption<Acceptor>,
    stats: Arc<ServerStats>,
    stopping: CancellationToken,
    /// The same, for who looks at every poll: looking at a token takes its lock.
    is_stopping: AtomicBool,
    all_closed: Arc<Notify>,
}

/// `TlsAcceptor` with a `Debug`.
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Control {
    fn new(limits: Limits, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self {
            limits: ArcSwap::from_pointee(limits),
            tls: ArcSwapOption::from_pointee(tls.map(|config| Acceptor(config.into()))),
            stats: Arc::default(),
            stopping: CancellationToken::new(),
            is_stopping: AtomicBool::new(false),
            all_closed: Arc::default(),
        }
    }

    /// The limits as they are now.
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    /// New limits: for new connections and for the next request of old ones.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// New certificates for new connections. Does nothing to a server that was bound without TLS: its clients would
    /// not expect it.
    ///
    /// # Errors
    /// Those of [`TlsFiles::load`]; the old certificates stay.
    pub fn set_tls(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let config = files.load()?;
        if self.tls.load().is_some() {
            self.tls.store(Some(Arc::new(Acceptor(config.into()))));
        }
        Ok(())
    }

    /// The counters.
    pub fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }

    /// Cancelled when the server begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Acquire)
    }

    fn stop(&self) {
        self.is_stopping.store(true, Release);
        self.stopping.cancel();
    }
}

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    workers: usize,
    control: Arc<Control>,
}

impl Server {
    /// Binds the port and reads certificate and key, so that every mistake shows before anything starts.
    ///
    /// # Errors
    /// See [`BindError`]; each says what to change.
    pub fn bind(options: &ListenOptions) -> Result<Self, BindError> {
        bind::bind(options)
    }

    /// Where it listens; the port that was picked when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Limits, certificates and counters, usable while it runs.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Accepts until `shutdown` is ready, then stops in order: no new connections, HTTP/1 connections close after the
    /// exchange at hand, HTTP/2 ones send GOAWAY, upgraded ones are told by [`ConnectionInfo::stopping`]. Ends when
    /// all are gone, or after `shutdown_grace`, when the rest is cut.
    ///
    /// # Errors
    /// When threads, runtimes or the listener cannot be set up.
    pub async fn serve<S: Serve>(self, service: S, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let workers = worker::start(self.workers, &self.control, &Arc::new(service))?;
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        accept::accept(listener, &workers, &self.control, shutdown).await;
        self.control.stop();
        let grace = self.control.limits.load().shutdown_grace;
        let cut = if wait_until_closed(&self.control, grace).await { 0 } else { self.control.stats.open() };
        if cut > 0 {
            tracing::warn!(connections = cut, grace = ?grace, "connections did not end within the grace and are cut");
        }
        worker::cut_connections(&workers);
        Ok(Drained { cut, workers })
    }
}

async fn wait_until_closed(control: &Control, grace: Duration) -> bool {
    let closed = async {
        while control.stats.open() > 0 {
            control.all_closed.notified().await;
        }
    };
    tokio::time::timeout(grace, closed).await.is_ok()
}

/// A server that has stopped serving. Its worker threads live on until this is dropped, so that what exchanges left
/// behind (completions, flushes) can end: wait for those first, then drop it.
#[derive(Debug)]
#[must_use = "dropping it stops the worker threads and everything that still runs there"]
pub struct Drained {
    cut: usize,
    workers: Vec<worker::Worker>,
}

impl Drained {
    /// How many connections had to be cut.
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// Stops the worker threads.
    pub fn finish(self) {
        drop(self.workers);
    }
}
