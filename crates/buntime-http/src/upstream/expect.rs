//! `Expect: 100-continue`, passed through: the request's body is not polled before the upstream asks for it, and so
//! our own listener does not ask the client either.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{Request, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

/// An upstream that says nothing gets the body after this long: RFC 9110 wants no client to wait for ever, and old
/// servers never ask.
const PATIENCE: Duration = Duration::from_secs(1);

const WAITING: u8 = 0;
const ASKED: u8 = 1;
const ABANDONED: u8 = 2;

/// Whether the upstream has asked for the body yet. Dropped, it ends the wait: the body will never be asked for.
pub(super) struct Expectation(Arc<State>);

struct State {
    now: AtomicU8,
    waker: AtomicWaker,
}

impl State {
    fn settle(&self, to: u8) {
        let _ = self.now.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Relaxed);
        self.waker.wake();
    }
}

impl Expectation {
    /// Makes the body of a request that expects 100 wait for it.
    pub(super) fn attach(request: &mut Request<Body>) -> Option<Self> {
        let expects = request.headers().get(header::EXPECT)?;
        if !expects.as_bytes().eq_ignore_ascii_case(b"100-continue") || request.body().is_end_stream() {
            return None;
        }
        let state = Arc::new(State { now: AtomicU8::new(WAITING), waker: AtomicWaker::new() });
        let asked = Arc::clone(&state);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                asked.settle(ASKED);
            }
        });
        let inner = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Reluctant { inner, state: Arc::clone(&state), timer: None, gave_up: false });
        Some(Self(state))
    }
}

impl Expectation {
    /// Sends the body without being asked for it.
    pub(super) fn waive(self) {
        self.0.settle(ASKED);
    }

    /// Was the body never asked for? Then the connection cannot be used again.
    pub(super) fn is_open(&self) -> bool {
        self.0.now.load(Ordering::Acquire) == WAITING
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        self.0.settle(ABANDONED);
    }
}

/// The upstream answered without wanting the body.
#[derive(Debug, thiserror::Error)]
#[error("the body was not wanted")]
struct NotWanted;

pin_project_lite::pin_project! {
    struct Reluctant {
        #[pin]
        inner: Body,
        state: Arc<State>,
        timer: Option<Pin<Box<Sleep>>>,
        gave_up: bool,
    }
}

impl HttpBody for Reluctant {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        if *this.gave_up {
            return Poll::Ready(None);
        }
        this.state.waker.register(cx.waker());
        match this.state.now.load(Ordering::Acquire) {
            ASKED => return this.inner.poll_frame(cx),
            ABANDONED => {
                *this.gave_up = true;
                return Poll::Ready(Some(Err(axum::Error::new(NotWanted))));
            }
            _ => {}
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        if timer.as_mut().poll(cx).is_ready() {
            this.state.settle(ASKED);
            return this.inner.poll_frame(cx);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.gave_up || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
