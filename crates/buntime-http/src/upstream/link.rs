//! One HTTP/1 connection, driven by whoever waits for its answer.
//!
//! A task of its own per connection would cost every exchange two more wake-ups and a way through the scheduler each.
//! So the connection is polled by the future of the exchange, then by the body of the answer, and by nobody while it is
//! idle. Its wakers are one [`Bell`] for as long as it lives, which rings whoever waits at the moment: a task, or the
//! pool's watchman while the connection is idle.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};
use tokio::task::coop::unconstrained;

/// The connection as a future: it ends when the connection does, or when it was upgraded.
pub(super) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection and the way to send requests on it. Dropped, it is closed.
pub(super) struct Link {
    sender: SendRequest<Body>,
    /// `None` once it has ended.
    driver: Option<Driver>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Link {
    pub(super) fn new(sender: SendRequest<Body>, driver: Driver) -> Self {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        Self { sender, driver: Some(driver), bell, waker }
    }

    /// May a request be sent on it? What died since it was last driven is only noticed when it is driven again.
    pub(super) fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_none() || self.sender.is_closed()
    }

    /// Lets the connection do what it can without waiting. Whoever waited before is rung no more.
    fn drive(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        self.bell.silence();
        let Poll::Ready(ended) = driver.as_mut().poll(&mut Context::from_waker(&self.waker)) else { return };
        if let Err(error) = ended {
            tracing::debug!(%error, "an upstream connection ended with an error");
        }
        // Dropping it gives back a request that was not sent.
        self.driver = None;
    }

    /// Has `waker` woken when there is something to drive; at once if that was so already.
    fn wait(&self, waker: &Waker) {
        self.bell.ring_for(waker);
    }

    /// Nobody uses it from now on; what happens on it rings `alarm`. What happened just before is found when it is
    /// driven again.
    pub(super) fn idle(&self, alarm: &Waker) {
        self.bell.silence();
        self.wait(alarm);
    }

    /// Did something happen while it was idle? That is its end, or an answer to no question.
    pub(super) fn has_rung(&self) -> bool {
        self.bell.rung.load(SeqCst)
    }

    /// Looks after a connection that is idle. `false`: it is of no use any more.
    pub(super) fn still_idles(&mut self, alarm: &Waker) -> bool {
        self.drive();
        self.wait(alarm);
        self.is_ready()
    }

    /// Sends a request; the future drives the connection until the answer's head is there.
    pub(super) fn send(
        mut self,
        request: Request<Body>,
    ) -> impl Future<Output = (Self, Result<Response<Incoming>, TrySendError<Request<Body>>>)> {
        // The pool need not know.
        self.bell.silence();
        let answer = unconstrained(self.sender.try_send_request(request));
        Sent { link: Some(self), answer }
    }

    /// Drives it while it is waited for a piece of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // As in `Sent`: pieces come from driving only.
        let mut silent = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(&mut silent) {
            return Poll::Ready(frame);
        }
        self.drive();
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(&mut silent) {
            return Poll::Ready(frame);
        }
        self.wait(cx.waker());
        Poll::Pending
    }

    /// Drives it until it is ready for another request or closed. `false`: it is closed.
    pub(super) async fn settled(&mut self) -> bool {
        let settled = poll_fn(|cx| {
            self.drive();
            if self.is_ready() || self.is_closed() {
                return Poll::Ready(());
            }
            self.wait(cx.waker());
            Poll::Pending
        });
        settled.await;
        self.is_ready()
    }

    /// Drives it until something else is ready.
    pub(super) async fn driven_until<F: Future + Unpin>(&mut self, mut other: F) -> F::Output {
        poll_fn(|cx| {
            self.drive();
            let polled = Pin::new(&mut other).poll(cx);
            if polled.is_pending() {
                self.wait(cx.waker());
            }
            polled
        })
        .await
    }

    /// An upgrade was answered: whatever is left to do, until the stream is handed over, is done by a task.
    pub(super) fn upgrade(mut self) {
        self.drive();
        if let Some(driver) = self.driver {
            tokio::spawn(driver);
        }
    }
}

pin_project_lite::pin_project! {
    /// A request under way. By hand, because an `async fn` would hold everything twice.
    struct Sent<F> {
        link: Option<Link>,
        // Only driving makes it ready, which happens here and nowhere else; so it needs neither a waker nor a share of
        // the task's budget, whose end it would tell to that waker.
        #[pin]
        answer: F,
    }
}

impl<F: Future> Future for Sent<F> {
    type Output = (Link, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(link) = this.link else { return Poll::Pending };
        link.drive();
        match this.answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => this.link.take().map_or(Poll::Pending, |link| Poll::Ready((link, answer))),
            Poll::Pending => {
                link.wait(cx.waker());
                Poll::Pending
            }
        }
    }
}

/// What a connection's wakers wake: whoever waits for it at the moment.
#[derive(Default)]
struct Bell {
    /// Since the connection was last driven.
    rung: AtomicBool,
    waits: AtomicWaker,
}

impl Bell {
    fn silence(&self) {
        self.waits.take();
        self.rung.store(false, SeqCst);
    }

    fn ring_for(&self, waker: &Waker) {
        self.waits.register(waker);
        if self.rung.load(SeqCst) {
            waker.wake_by_ref();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, SeqCst);
        self.waits.wake();
    }
}
