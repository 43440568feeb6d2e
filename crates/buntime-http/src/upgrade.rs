//! Relaying bytes between two upgraded connections, unparsed.

use std::{
    io,
    pin::{Pin, pin},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Bytes of buffer per direction. A connection that is quiet most of the time should not hold much.
const BUFFER: usize = 8 << 10;

/// How a relay ended.
#[derive(Debug)]
pub enum RelayEnd {
    /// Both sides said goodbye.
    Closed,
    /// Nothing went either way for the idle time.
    Idle,
    /// The token was cancelled.
    Cancelled,
    /// One side broke; both were closed.
    Broken(io::Error),
}

/// What a relay did.
#[derive(Debug)]
pub struct Relayed {
    /// How it ended.
    pub end: RelayEnd,
    /// Bytes read from the client's side.
    pub from_client: u64,
    /// Bytes read from the upstream's side.
    pub from_upstream: u64,
}

/// Copies bytes both ways until both sides are done, one breaks, nothing moves for `idle` (noticed within
/// twice that time), or `cancelled`. When one
/// side ends its half, the other may go on with its own. Both are closed when this returns.
pub async fn relay<C, U>(client: C, upstream: U, idle: Option<Duration>, cancelled: &CancellationToken) -> Relayed
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, from_upstream) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = {
        let mut client = Metered { inner: client, read: &from_client };
        let mut upstream = Metered { inner: upstream, read: &from_upstream };
        let mut copy = pin!(copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER));
        let moved = || from_client.load(Relaxed).wrapping_add(from_upstream.load(Relaxed));
        let mut quiet = pin!(quiet_for(idle, moved));
        tokio::select! {
            biased;
            copied = copy.as_mut() => match copied {
                Ok(_) => RelayEnd::Closed,
                Err(error) => RelayEnd::Broken(error),
            },
            () = cancelled.cancelled() => RelayEnd::Cancelled,
            () = quiet.as_mut() => RelayEnd::Idle,
        }
    };
    Relayed { end, from_client: from_client.into_inner(), from_upstream: from_upstream.into_inner() }
}

/// Ready once `moved` has stayed the same for `idle`; never without one. Looks when that could be, not at every byte.
pub async fn quiet_for(idle: Option<Duration>, moved: impl Fn() -> u64) {
    let Some(idle) = idle else { return std::future::pending().await };
    let mut seen = moved();
    loop {
        sleep_until(Instant::now() + idle).await;
        let now = moved();
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// Counts what is read.
struct Metered<'a, T> {
    inner: T,
    read: &'a AtomicU64,
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Both ends of an upgrade, once the 101s have gone through: waits for them and relays.
///
/// # Errors
/// When one of the two upgrades never came about.
pub async fn relay_upgrades(
    client: hyper::upgrade::OnUpgrade,
    upstream: hyper::upgrade::OnUpgrade,
    idle: Option<Duration>,
    cancelled: &CancellationToken,
) -> Result<Relayed, hyper::Error> {
    let both = async {
        let (client, upstream) = futures_util::future::try_join(client, upstream).await?;
        let (client, upstream) = (hyper_util::rt::TokioIo::new(client), hyper_util::rt::TokioIo::new(upstream));
        Ok(relay(client, upstream, idle, cancelled).await)
    };
    both.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn half_closes_and_counts() {
        let (mut browser, client) = duplex(64);
        let (mut service, upstream) = duplex(64);
        let relaying = tokio::spawn(async move { relay(client, upstream, None, &CancellationToken::new()).await });
        browser.write_all(b"hello").await.unwrap();
        browser.shutdown().await.unwrap();
        let mut heard = Vec::new();
        service.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"hello");
        service.write_all(b"goodbye").await.unwrap();
        service.shutdown().await.unwrap();
        heard.clear();
        browser.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"goodbye");
        let relayed = relaying.await.unwrap();
        assert!(matches!(relayed.end, RelayEnd::Closed));
        assert_eq!((relayed.from_client, relayed.from_upstream), (5, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_when_idle_or_cancelled() {
        let ((_a, client), (_b, upstream)) = (duplex(64), duplex(64));
        let relayed = relay(client, upstream, Some(Duration::from_secs(5)), &CancellationToken::new()).await;
        assert!(matches!(relayed.end, RelayEnd::Idle));
        let ((_a, client), (_b, upstream)) = (duplex(64), duplex(64));
        let token = CancellationToken::new();
        token.cancel();
        assert!(matches!(relay(client, upstream, None, &token).await.end, RelayEnd::Cancelled));
    }
}
