//! Knowing whether a request's body is still being sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// Watches the body of one request. hyper drops a body when it is sent, or will not be.
pub(super) struct Sending(Arc<()>);

impl Sending {
    /// `None`: there is no body.
    pub(super) fn watch(request: &mut Request<Body>) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let held = Arc::new(());
        let inner = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Outgoing { inner, _held: Arc::clone(&held) });
        Some(Self(held))
    }

    pub(super) fn goes_on(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

pin_project_lite::pin_project! {
    struct Outgoing {
        #[pin]
        inner: Body,
        _held: Arc<()>,
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
