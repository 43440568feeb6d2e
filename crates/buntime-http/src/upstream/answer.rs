//! A response's body: drives the connection it comes from, gives it back when it is whole, and closes it when it is not.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{UpstreamError, expect::Expectation, pool::Lease};

pub(super) struct Answer {
    incoming: Incoming,
    lease: Option<Lease>,
    /// Kept until the answer is whole: the upstream may still ask for the body.
    expectation: Option<Expectation>,
    ended: bool,
    /// How it broke, until that is said.
    broken: Option<axum::Error>,
}

impl Answer {
    /// The body of an answer whose connection was lent by `lease`.
    pub(super) fn body(incoming: Incoming, lease: Option<Lease>, expectation: Option<Expectation>) -> Body {
        let mut answer = Self { incoming, lease, expectation, ended: false, broken: None };
        if answer.incoming.is_end_stream() {
            answer.settle();
            return Body::empty();
        }
        Body::new(answer)
    }

    /// The answer is whole.
    fn settle(&mut self) {
        self.ended = true;
        let unasked = self.expectation.take().is_some_and(|expectation| expectation.is_open());
        if let Some(lease) = self.lease.take()
            && !unasked
        {
            lease.end();
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.lease {
            Some(Lease::Held { link, .. }) => link.poll_frame(&mut self.incoming, cx),
            Some(Lease::Away { .. }) | None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(self.broken.take().map(Err));
        }
        match ready!(self.poll_incoming(cx)) {
            Some(Ok(frame)) => {
                // With a known length there may be no other poll.
                if self.incoming.is_end_stream() {
                    self.settle();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.ended = true;
                self.lease = None;
                // Not at once: a server forgets what it has not written when a body breaks, and what came is good.
                self.broken = Some(axum::Error::new(UpstreamError::from_hyper(error, true)));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.settle();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        (self.ended && self.broken.is_none()) || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
