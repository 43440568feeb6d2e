//! Accepting, in one place. Never ends because of an error: a server without file descriptors waits for some.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{
    Control,
    stats::Open,
    worker::{Arrival, Worker, least_busy},
};

/// The pause after an error that will not go away at once (no file descriptors, no memory).
const PAUSE: Duration = Duration::from_millis(50);
/// Refused connections that are told so at once; more are just closed.
const MAX_TOLD: usize = 64;
const TELL_TIMEOUT: Duration = Duration::from_secs(1);
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: 140\r\nretry-after: 1\r\nconnection: close\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Over capacity\",\"status\":503,\"detail\":\"Too many connections\",\"code\":\"over_capacity\",\"error\":\"Over capacity\"}\r\n";

pub(super) async fn accept(
    listener: TcpListener,
    workers: &[Worker],
    control: &Arc<Control>,
    shutdown: impl Future<Output = ()>,
) {
    let door = Door { workers, control, told: Arc::new(Semaphore::new(MAX_TOLD)) };
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = shutdown.as_mut() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => door.admit(stream, peer),
            Err(error) => {
                // A connection that broke before it was accepted says nothing of the next one.
                if !matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
                ) {
                    tracing::warn!(%error, "cannot accept connections for now");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    door.admit_waiting(listener);
}

/// Where connections come in.
struct Door<'a> {
    workers: &'a [Worker],
    control: &'a Arc<Control>,
    told: Arc<Semaphore>,
}

impl Door<'_> {
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        if self.control.stats.open() >= self.control.limits.load().max_connections {
            self.control.stats.count_refused();
            refuse(stream, self.control, &self.told);
            return;
        }
        // Leaves this runtime's poller; the worker registers it with its own.
        match stream.into_std() {
            Ok(stream) => self.hand_over(stream, peer),
            Err(error) => tracing::debug!(%error, %peer, "a connection was lost on its way to its worker"),
        }
    }

    fn hand_over(&self, stream: std::net::TcpStream, peer: SocketAddr) {
        let Some(worker) = least_busy(self.workers) else { return };
        let open = Open::new(&self.control.stats, &worker.open, &self.control.all_closed);
        worker.take(Arrival { stream, peer, open });
    }

    /// Those whom the system has let in already: closing the listener would reset them, and what they sent.
    fn admit_waiting(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        while self.control.stats.open() < self.control.limits.load().max_connections
            && let Ok((stream, peer)) = listener.accept()
        {
            match stream.set_nonblocking(true) {
                Ok(()) => self.hand_over(stream, peer),
                Err(error) => tracing::debug!(%error, %peer, "a connection was lost on its way to its worker"),
            }
        }
    }
}

/// Closes a connection too many; says 503 to plain HTTP, if few others are being told.
fn refuse(mut stream: TcpStream, control: &Control, told: &Arc<Semaphore>) {
    if control.tls.load().is_some() {
        return;
    }
    let Ok(permit) = Arc::clone(told).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let _permit = permit;
        let tell = async {
            stream.write_all(BUSY).await?;
            stream.shutdown().await?;
            // What was sent to us is read, lest closing throws our answer away.
            let mut scratch = [0u8; 1024];
            while stream.read(&mut scratch).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let _ = tokio::time::timeout(TELL_TIMEOUT, tell).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
