//! The relay when nobody looks at messages: bytes pass as they are, and only the ends of frames are watched, so that a
//! goodbye can be said between two of them.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use buntime_core::{Ended, ErrorKind, Http, Tail};
use buntime_http::upgrade::{self, RelayEnd};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use super::{
    frames::Boundary,
    goodbye::{self, PATIENCE, Reason},
};

pub(super) async fn relay(
    client: Upgraded,
    upstream: Upgraded,
    mut tail: Tail<Http>,
    idle: Option<Duration>,
    stopping: &CancellationToken,
) {
    let half = Notify::new();
    let (mut client, mut upstream) = (Watched::new(client, &half), Watched::new(upstream, &half));
    let stop = stopping.child_token();
    let relayed = {
        let relaying = upgrade::relay(&mut client, &mut upstream, idle, &stop);
        // A conversation of which one half has ended is over; its other half may say goodbye, not stay.
        let lingering = async {
            half.notified().await;
            tokio::time::sleep(PATIENCE).await;
            stop.cancel();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            relayed = relaying => relayed,
            never = lingering => match never {},
        }
    };
    tail.received(relayed.from_client);
    tail.sent(relayed.from_upstream);
    let reason = match relayed.end {
        RelayEnd::Closed => return tail.finish(Ended::Whole),
        RelayEnd::Broken(error) => {
            tracing::debug!(%error, "a WebSocket broke");
            return tail.finish(Ended::Broken);
        }
        RelayEnd::Cancelled if !stopping.is_cancelled() => return tail.finish(Ended::Whole),
        RelayEnd::Idle => Reason::IDLE,
        RelayEnd::Cancelled => Reason::STOPPING,
    };
    tokio::join!(client.say(reason, false), upstream.say(reason, true));
    if reason == Reason::STOPPING { tail.broke(ErrorKind::ShuttingDown.code()) } else { tail.finish(Ended::Whole) }
}

/// One end, with an eye on where the frames written to it end.
struct Watched<'a> {
    io: TokioIo<Upgraded>,
    written: Boundary,
    /// Told when what is written here has ended.
    half: &'a Notify,
}

impl<'a> Watched<'a> {
    fn new(upgraded: Upgraded, half: &'a Notify) -> Self {
        Self { io: TokioIo::new(upgraded), written: Boundary::default(), half }
    }

    /// Says goodbye, if this is no place in the middle of a frame.
    async fn say(&mut self, reason: Reason, masked: bool) {
        if self.written.is_between_frames() {
            goodbye::say(&mut self.io, reason, masked).await;
        }
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, data))?;
        self.written.pass(data.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.notify_one();
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
