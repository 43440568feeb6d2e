//! Copies of requests for a shadow target. Nobody waits for them; when too many are under way there are none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::body::Body;
use buntime_config::model::Mirror as Settings;
use buntime_http::upstream::SetupError;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;

use super::{
    options::{Call, ClusterOptions, HostChoice},
    wire::Wire,
};

/// Says that a request is a copy whose answer nobody reads.
pub(super) const X_BUNTIME_SHADOW: HeaderName = HeaderName::from_static("x-buntime-shadow");

/// How much of a shadow's answer is read, so that its connection can be used again.
const READ: usize = 64 << 10;

/// The shadow target of a cluster.
#[derive(Debug)]
pub(super) struct Mirror(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wire: Wire,
    share: f64,
    timeout: Duration,
    max_body: u64,
    max_in_flight: u32,
    in_flight: AtomicU32,
    pub(super) sent: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    cancelled: CancellationToken,
}

impl Mirror {
    pub(super) fn open(
        settings: &Settings,
        options: &ClusterOptions,
        cancelled: CancellationToken,
    ) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Inner {
            wire: Wire::open(settings.target.as_str(), options, false)?,
            share: settings.percent / 100.0,
            timeout: settings.timeout.into(),
            max_body: settings.max_body.0,
            max_in_flight: settings.max_in_flight,
            in_flight: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            cancelled,
        })))
    }

    /// The head of a copy of this request, if it is among those that are copied and there is room. A request without a
    /// body is sent at once.
    pub(super) fn shadow(&self, request: &Request<Body>, client: &Call<'_>) -> Option<Shadow> {
        use http_body::Body as _;
        if client.upgrade || fastrand::f64() >= self.0.share {
            return None;
        }
        let body = request.body();
        let room = |now: u32| (now < self.0.max_in_flight).then_some(now + 1);
        if body.size_hint().lower() > self.0.max_body || self.0.in_flight.fetch_update(Relaxed, Relaxed, room).is_err()
        {
            self.0.skipped.fetch_add(1, Relaxed);
            return None;
        }
        let mut copy = Request::new(());
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        copy.headers_mut().insert(X_BUNTIME_SHADOW, HeaderValue::from_static("1"));
        copy.headers_mut().remove(http::header::EXPECT);
        let shadow = Shadow { copy: Some(copy), client: client.client_ip, mirror: Arc::clone(&self.0) };
        if body.is_end_stream() {
            shadow.send(Vec::new());
            return None;
        }
        Some(shadow)
    }

    /// How many copies were sent, failed, and were not made for want of room or because of their size.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        (self.0.sent.load(Relaxed), self.0.failed.load(Relaxed), self.0.skipped.load(Relaxed))
    }
}

/// A copy that waits for its body. Dropped, it is not sent.
#[derive(Debug)]
pub(super) struct Shadow {
    copy: Option<Request<()>>,
    client: std::net::IpAddr,
    mirror: Arc<Inner>,
}

impl Shadow {
    pub(super) fn max_body(&self) -> u64 {
        self.mirror.max_body
    }

    /// Sends it in the background.
    pub(super) fn send(mut self, body: Vec<Bytes>) {
        let Some(copy) = self.copy.take() else { return };
        // A body may end where no runtime is any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.run(copy.map(|()| whole(body))));
        }
    }

    async fn run(self, request: Request<Body>) {
        let mirror = &*self.mirror;
        let call = Call { host: HostChoice::TARGET, ..Call::new(self.client) };
        let exchange = async {
            let answer = mirror.wire.send_once(request, &call).await.map_err(|error| error.to_string())?;
            let mut body = answer.into_body();
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > READ {
                    break;
                }
            }
            Ok::<_, String>(())
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(mirror.timeout, exchange) => ended,
            () = mirror.cancelled.cancelled() => return,
        };
        mirror.sent.fetch_add(1, Relaxed);
        let why = match ended {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "timed out".to_owned(),
        };
        mirror.failed.fetch_add(1, Relaxed);
        tracing::debug!(why, "a copy for the shadow target failed");
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.mirror.in_flight.fetch_sub(1, Relaxed);
    }
}

fn whole(mut frames: Vec<Bytes>) -> Body {
    match frames.len() {
        0 => Body::empty(),
        1 => Body::from(frames.swap_remove(0)),
        _ => Body::from_stream(stream::iter(frames.into_iter().map(Ok::<_, std::convert::Infallible>))),
    }
}
