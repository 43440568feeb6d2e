//! What the process is told from outside: to stop, to stop at once, to reload.

use std::io;

/// A message from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGTERM, SIGINT, ctrl-c.
    Stop,
    /// SIGHUP.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only unix has it"))]
    Reload,
}

/// Listens from the moment it is made.
pub(crate) struct Signals {
    #[cfg(unix)]
    term: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next message.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.term.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Told {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Told::Stop
    }

    /// The next message to stop.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}
