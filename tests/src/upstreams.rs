//! What tests put behind the gateway.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response, routing::any};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;

/// Answers every request with what it got: the request line, the fields sorted, the body.
pub fn echo() -> Router {
    Router::new().fallback(any(|request: Request| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_or(Bytes::from_static(b"(broken)"), http_body_util::Collected::to_bytes);
        let fields = head.headers.iter();
        let mut lines: Vec<String> =
            fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
        lines.sort();
        lines.insert(0, format!("{} {}", head.method, head.uri));
        lines.push(format!("body: {}", String::from_utf8_lossy(&body)));
        lines.join("\n")
    }))
}

/// Answers every request with `hello`.
pub fn hello() -> Router {
    Router::new().fallback(any(|| async { "hello" }))
}

/// Counts the requests that reach it whole, and says `counted`.
pub fn counted(count: Arc<AtomicUsize>) -> Router {
    Router::new().fallback(any(move |request: Request| {
        let count = Arc::clone(&count);
        async move {
            if request.into_body().collect().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
            "counted"
        }
    }))
}

/// How many answers of [`drip`] have ended, whole or not.
#[derive(Clone, Debug, Default)]
pub struct Ended(Arc<AtomicUsize>);

impl Ended {
    /// So many.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Guard(Ended);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers with `0\n1\n2\n…`, one line each `pause`, `lines` of them.
pub fn drip(lines: usize, pause: Duration, ended: Ended) -> Router {
    Router::new().fallback(any(move || {
        let guard = Arc::new(Guard(ended.clone()));
        let body = stream::iter(0..lines).then(move |line| {
            let guard = Arc::clone(&guard);
            async move {
                tokio::time::sleep(pause).await;
                drop(guard);
                Ok::<_, Infallible>(Bytes::from(format!("{line}\n")))
            }
        });
        async move { Response::new(Body::from_stream(body)) }
    }))
}
