//! A response's body: gives its connection back when it is whole, and closes it when it is not.

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
}

impl Answer {
    /// The body of an answer whose connection was lent by `lease`.
    pub(super) fn body(incoming: Incoming, lease: Option<Lease>, expectation: Option<Expectation>) -> Body {
        let mut answer = Self { incoming, lease, expectation, ended: false };
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
