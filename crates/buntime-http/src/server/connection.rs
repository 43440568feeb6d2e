//! One connection, from accept to close: TLS, which HTTP it speaks, its requests, its end.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::BytesMut;
use hyper::{
    Request,
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    ConnectionInfo, Control, Limits, Serve, exchange,
    stats::Open,
    stream::Stream,
    watch::Watched,
    worker::{Arrival, WorkerContext},
};
use crate::framing::{GuardedIo, LinkState, WireLimits};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection that has said nothing is waited for once the server stops: what was sent before may be on its way.
const LAST_WORD: Duration = Duration::from_millis(200);

enum Protocol {
    Http1,
    Http2,
}

pub(super) async fn run<S: Serve>(arrival: Arrival, context: WorkerContext, service: Arc<S>) {
    let limits = context.control.limits();
    let peer = arrival.peer;
    let opened = tokio::select! {
        biased;
        () = context.cut.cancelled() => return,
        () = nothing_asked(&context) => return,
        opened = open(arrival, &context, &limits) => opened,
    };
    let (stream, protocol, read, info) = match opened {
        Ok(Some(opened)) => opened,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, %peer, "a connection ended before its first request");
            return;
        }
    };
    let link = Arc::new(LinkState::default());
    let watched = context.watch.begin(Arc::clone(&link));
    let exchanges = Arc::new(exchange::Context {
        service,
        info: Arc::new(info),
        link: Arc::clone(&link),
        control: Arc::clone(&context.control),
    });
    let handle = service_fn(move |request: Request<Incoming>| exchange::run(Arc::clone(&exchanges), request));
    match protocol {
        Protocol::Http1 => {
            let wire = WireLimits {
                max_uri: limits.max_uri,
                max_header_bytes: limits.max_header_bytes,
                max_headers: limits.max_headers,
            };
            let io = TokioIo::new(GuardedIo::http1(stream, read, wire, Arc::clone(&link)));
            let connection = http1_builder(&limits).serve_connection(io, handle).with_upgrades();
            drive(connection, http1::UpgradeableConnection::graceful_shutdown, watched, &link, &context.control, peer)
                .await;
        }
        Protocol::Http2 => {
            let io = TokioIo::new(GuardedIo::http2(stream, read, Arc::clone(&link)));
            let connection = http2_builder(&limits).serve_connection(io, handle);
            drive(connection, http2::Connection::graceful_shutdown, watched, &link, &context.control, peer).await;
        }
    }
}

/// Ends some time after the server stops.
async fn nothing_asked(context: &WorkerContext) {
    context.stopping.cancelled().await;
    sleep(LAST_WORD).await;
}

type Opened = (Stream, Protocol, BytesMut, ConnectionInfo);

/// Handshake and choice of protocol. `None`: the client left.
async fn open(arrival: Arrival, context: &WorkerContext, limits: &Limits) -> io::Result<Option<Opened>> {
    let Arrival { stream, peer, open } = arrival;
    let stream = TcpStream::from_std(stream)?;
    // Answers are written whole; waiting for more only delays them.
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let acceptor = context.control.tls.load_full();
    let info = ConnectionInfo {
        peer,
        local,
        tls: acceptor.is_some(),
        worker: context.index,
        stopping: context.stopping.clone(),
    };
    match acceptor {
        Some(acceptor) => {
            let handshake = timeout(limits.handshake_timeout, acceptor.0.accept(stream));
            let failed = |_: &io::Error| context.control.stats.count_tls_failure();
            let stream = handshake.await.unwrap_or_else(|late| Err(late.into())).inspect_err(failed)?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
            Ok(Some((Stream::tls(stream, open), protocol, BytesMut::new(), info)))
        }
        None => {
            let Ok(sniffed) = timeout(limits.header_timeout, sniff(stream, open)).await else {
                context.control.stats.count_timed_out();
                return Ok(None);
            };
            Ok(sniffed?.map(|(stream, protocol, read)| (stream, protocol, read, info)))
        }
    }
}

/// Reads until it is clear whether the client speaks HTTP/2 by prior knowledge.
async fn sniff(mut stream: TcpStream, open: Open) -> io::Result<Option<(Stream, Protocol, BytesMut)>> {
    let mut read = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        let seen = read.len().min(PREFACE.len());
        if read[..seen] != PREFACE[..seen] {
            return Ok(Some((Stream::plain(stream, open), Protocol::Http1, read)));
        }
        if seen == PREFACE.len() {
            return Ok(Some((Stream::plain(stream, open), Protocol::Http2, read)));
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Ours are stricter, and come first; these only must not be in their way. `pipeline_flush` stays off: with it
        // hyper buffers a body without bound.
        .header_read_timeout(None)
        .max_buf_size(limits.max_header_bytes.saturating_mul(2).max(400 << 10))
        .timer(TokioTimer::new());
    // Asking for a number at all makes hyper allocate for every head; up to its default there is no need to ask.
    if limits.max_headers > 100 {
        builder.max_headers(limits.max_headers);
    }
    builder
}

/// Takes each request as far as it gets at once; most are answered then, and no task is made for them. One that has to wait
/// becomes a task, which is polled again first, and so is woken from then on.
#[derive(Clone, Copy, Debug)]
struct AtOnce;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for AtOnce {
    fn execute(&self, exchange: F) {
        let mut exchange = Box::pin(exchange);
        if exchange.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(exchange);
        }
    }
}

fn http2_builder(limits: &Limits) -> http2::Builder<AtOnce> {
    let mut builder = http2::Builder::new(AtOnce);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(limits.max_error_resets)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_send_buf_size(256 << 10);
    builder
}

/// Polls a connection to its end, or until it is told to end.
async fn drive<C, E>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    watched: Watched,
    link: &LinkState,
    control: &Control,
    peer: std::net::SocketAddr,
) where
    C: Future<Output = Result<(), E>>,
    E: std::error::Error,
{
    let mut connection = pin!(connection);
    let (mut is_new, mut is_stopping) = (true, false);
    let ended = poll_fn(|task| {
        link.turn();
        let orders = watched.orders(task.waker());
        if orders.end() {
            return Poll::Ready(Ok(()));
        }
        // Before it is polled, so that an answer that becomes ready while the server stops already says
        // `Connection: close`. But for the first time: hyper does not know that something was read, and would drop it.
        if orders.close() || (!is_stopping && control.is_stopping()) {
            is_stopping = true;
            if is_new && let Poll::Ready(ended) = connection.as_mut().poll(task) {
                return Poll::Ready(ended);
            }
            close(connection.as_mut());
        }
        is_new = false;
        connection.as_mut().poll(task)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, %peer, "a connection ended with an error");
    }
}
