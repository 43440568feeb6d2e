//! A runner that runs, and how it stops.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Instant};

use buntime_core::{Host, health::Registered};
use buntime_database::Registry;
use buntime_http::server::{Drained, ServerStats};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{gateway::Shared, keeper::Keeper};

/// A runner that runs. Call [`Running::stop`] before the program ends.
pub struct Running {
    pub(super) addr: SocketAddr,
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) shared: Arc<Shared>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) registry: Arc<Registry>,
    pub(super) stats: Arc<ServerStats>,
    pub(super) server: JoinHandle<io::Result<Drained>>,
    pub(super) ended: CancellationToken,
    pub(super) _checks: Vec<Registered>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL, without a path. An address that means every interface is named by one that can be visited.
    pub fn url(&self) -> String {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            addr.set_ip(if addr.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        format!("{}://{addr}", if self.tls { "https" } else { "http" })
    }

    /// The plugins.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the listener counts.
    pub fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }

    /// Loads the configuration file again. `reason` is for the log, where problems are reported, too.
    ///
    /// # Errors
    /// That nothing was changed.
    pub async fn reload(&self, reason: &'static str) -> Result<(), ReloadRefused> {
        self.keeper.reload(reason).await.map(drop).map_err(|_| ReloadRefused)
    }

    /// Completes when the server has ended by itself, which it does only after an error.
    pub async fn failed(&mut self) -> io::Error {
        match (&mut self.server).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => io::Error::other("the server ended"),
            Err(error) => io::Error::other(error),
        }
    }

    /// Stops in order: not ready any more, no new connections, running exchanges end within `shutdownGrace`, plugins
    /// shut down in reverse, databases closed.
    pub async fn stop(self) {
        let begun = Instant::now();
        let grace = self.keeper.grace();
        self.shared.drain();
        // Streams that would go on for ever say goodbye.
        self.host.drain();
        self.ended.cancel();
        let drained = if self.server.is_finished() { None } else { self.server.await.ok().and_then(Result::ok) };
        self.host.stop(grace.saturating_sub(begun.elapsed())).await;
        self.keeper.end_services();
        self.registry.close().await;
        if let Some(drained) = drained {
            // Joins threads.
            let _ = tokio::task::spawn_blocking(move || drained.finish()).await;
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).field("host", &self.host).finish_non_exhaustive()
    }
}

/// A reload that changed nothing. The log and the admin API say why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the configuration was not reloaded; the log says why")]
pub struct ReloadRefused;
