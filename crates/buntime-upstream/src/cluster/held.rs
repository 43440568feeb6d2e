//! An answer's body that holds its request's place at the target until it ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::target::Slot;

/// A request's place at its target, in the extensions of an answer that switches protocols. Whoever relays the
/// connection keeps it until that ends; then it is dropped.
#[derive(Clone, Debug)]
pub struct Occupied(#[expect(dead_code, reason = "kept for its end")] Arc<Slot>);

/// The answer, holding the place.
pub(super) fn hold(response: Response<Body>, slot: Slot) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        head.extensions.insert(Occupied(Arc::new(slot)));
        return Response::from_parts(head, body);
    }
    if body.is_end_stream() {
        return Response::from_parts(head, body);
    }
    Response::from_parts(head, Body::new(Held { inner: body, slot: Some(slot) }))
}

struct Held {
    inner: Body,
    slot: Option<Slot>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !self.inner.is_end_stream() => {}
            Some(Err(error)) => {
                if let Some(mut slot) = self.slot.take() {
                    slot.failed(format!("its answer broke off: {error}"));
                }
            }
            // With a known length there may be no other poll.
            Some(Ok(_)) | None => self.slot = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
