//! A body that must be whole by a given time, however steadily it comes.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The time is up.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not whole in time")]
pub(crate) struct Overdue;

impl Overdue {
    /// Is it among `error` and its causes?
    pub(super) fn is_in(error: &(dyn StdError + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

struct Due {
    inner: Body,
    alarm: Pin<Box<Sleep>>,
    over: bool,
}

/// `body`, ended with [`Overdue`] at that time.
pub(super) fn due(body: Body, until: Instant) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Due { inner: body, alarm: Box::pin(sleep_until(until)), over: false })
}

impl HttpBody for Due {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        // First the time: a body that is always ready must end too.
        if self.alarm.as_mut().poll(cx).is_ready() {
            self.over = true;
            self.inner = Body::empty();
            return Poll::Ready(Some(Err(axum::Error::new(Overdue))));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
