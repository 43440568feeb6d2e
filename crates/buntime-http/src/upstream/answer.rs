//! A response's body: gives its connection back when it is whole, and closes it when it is not.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{UpstreamError, expect::Expectation, pool::Lease};

/// See the module. Wraps nothing: who wraps it in a body of its own boxes once.
pub struct Answer {
    incoming: Incoming,
    lease: Option<Lease>,
    /// Kept until the answer is whole: the upstream may still ask for the body.
    expectation: Option<Expectation>,
    ended: bool,
}

impl Answer {
    /// The body of an answer whose connection was lent by `lease`.
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>, expectation: Option<Expectation>) -> Self {
        let mut answer = Self { incoming, lease, expectation, ended: false };
        if answer.incoming.is_end_stream() {
            answer.settle();
        }
        answer
    }

    /// A body like any other.
    pub fn into_body(self) -> Body {
        if self.is_end_stream() { Body::empty() } else { Body::new(self) }
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
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
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
                Poll::Ready(Some(Err(axum::Error::new(UpstreamError::from_hyper(error, true)))))
            }
            None => {
                self.settle();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
