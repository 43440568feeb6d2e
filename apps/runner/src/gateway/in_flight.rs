//! How many requests are under way, and when there are too many. A request is under way until the last byte of its
//! answer has gone, or nobody wants it any more; an upgraded connection no longer counts.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use buntime_core::{Cx, Error, ErrorKind, Handler, Http, Step, handler_fn};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

/// The requests that are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

/// There are too many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

/// What answers then.
pub(crate) fn full() -> Arc<dyn Handler<Http>> {
    Arc::new(handler_fn(|_: &mut Cx<Http>| {
        let error = Error::new(ErrorKind::OverCapacity).with_detail("Too many requests are under way; try again soon");
        Step::Done(Err(error.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))))
    }))
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl InFlight {
    /// One more, where there is a limit.
    pub(crate) fn admit(&self, limit: Option<usize>) -> Result<Option<Counted>, Full> {
        match limit {
            None => Ok(None),
            Some(limit) => self.enter(limit).map(Some).ok_or(Full),
        }
    }

    /// One more, unless there are `limit` already.
    fn enter(&self, limit: usize) -> Option<Counted> {
        let counted = Counted(Arc::clone(&self.0));
        // Taken back at once when it was one too many: the count is never above by more than those who are refused.
        if self.0.fetch_add(1, Relaxed) < limit { Some(counted) } else { None }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Counted {
    /// Counts on until the answer's body has ended.
    pub(crate) fn until_sent(self, response: Response<Body>) -> Response<Body> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS || response.body().is_end_stream() {
            return response;
        }
        response.map(|body| Body::new(Counting { body, counted: Some(self) }))
    }
}

struct Counting {
    body: Body,
    counted: Option<Counted>,
}

impl HttpBody for Counting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.counted = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit() {
        let all = InFlight::default();
        let (one, two) = (all.enter(2), all.enter(2));
        assert!(one.is_some() && two.is_some() && all.enter(2).is_none() && all.enter(2).is_none());
        drop(one);
        assert!(all.enter(2).is_some());
        let sent = two.unwrap().until_sent(Response::new(Body::from("x")));
        assert_eq!(all.0.load(Relaxed), 1);
        drop(sent);
        assert_eq!(all.0.load(Relaxed), 0);
    }
}
