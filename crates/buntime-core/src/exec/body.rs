//! HTTP's end of the executor: the response's body as a stream that shows each piece to the chunk hooks, and completes
//! the exchange when it ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::ReusableBoxFuture;

use crate::{
    chain::Chain,
    cx::Meta,
    error::{BoxError, Error, Source},
    exec::{run::Answer, tail::Tail},
    hooks::{Changes, Ended, Stage},
    http_kind::{Http, HttpRequest, HttpResponse, Upgrade},
    problem::{self, X_REQUEST_ID},
    step::Handler,
};

impl Chain<Http> {
    /// Runs one HTTP exchange. The response's body, or the relay of an upgraded connection, completes it.
    pub fn respond<R: Into<HttpRequest>>(
        self: &Arc<Self>,
        meta: Meta,
        request: R,
        handler: Arc<dyn Handler<Http>>,
    ) -> impl Future<Output = Response<Body>> + use<R> {
        let request_id = meta.request_id.clone();
        self.run(meta, request.into(), handler).map(move |answer| Self::answered(answer, request_id))
    }

    pub(crate) fn answered(mut answer: Answer<Http>, request_id: HeaderValue) -> Response<Body> {
        let mut response = answer.result.unwrap_or_else(|error| {
            log_error(&error, &request_id);
            problem::response(&error, Some(&request_id)).into()
        });
        response.head.headers.insert(X_REQUEST_ID, request_id);
        if response.head.status == StatusCode::SWITCHING_PROTOCOLS
            && let Some(chain) = answer.tail.chain().cloned()
            && let Some(relay) = response.head.extensions.remove::<Upgrade>().and_then(|upgrade| upgrade.take())
        {
            answer.tail.let_go();
            chain.spawn(relay(answer.tail));
            return response.into();
        }
        if may_last(&response) {
            answer.tail.let_go();
        }
        Self::with_tail(response, answer.tail)
    }

    fn with_tail(mut response: HttpResponse, tail: Tail<Http>) -> Response<Body> {
        let stages = tail.stages();
        if !stages.has(Stage::Chunk) && !stages.has(Stage::Complete) && !tail.probing() {
            tail.finish(Ended::Whole);
            return response.into();
        }
        let chunked = stages.has(Stage::Chunk) && !response.body.is_end_stream();
        let changed = chunked && tail.changes().has(Changes::RESPONSE_BODY);
        if changed {
            response.head.headers.remove(header::CONTENT_LENGTH);
        }
        let body = TailBody {
            inner: response.body,
            tail: Some(tail),
            chunked,
            changed,
            hooks: None,
            running: false,
            trailers: None,
            ended: false,
        };
        Response::from_parts(response.head, Body::new(body))
    }
}

/// A stream of events ends when somebody leaves.
fn may_last(response: &HttpResponse) -> bool {
    let kind = response.head.headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// An error that clients did not cause is worth a line.
fn log_error(error: &Error, request_id: &HeaderValue) {
    let request_id = request_id.to_str().unwrap_or_default();
    match error.source_of() {
        Source::Client => tracing::debug!(request_id, "request failed: {}", error.report()),
        Source::Upstream | Source::Plugin => tracing::warn!(request_id, "request failed: {}", error.report()),
        Source::Internal => tracing::error!(request_id, "request failed: {}", error.report()),
    }
}

type Shown = (Tail<Http>, Result<Option<Bytes>, Error>);

struct TailBody {
    inner: Body,
    /// Away while hooks run.
    tail: Option<Tail<Http>>,
    chunked: bool,
    changed: bool,
    /// One allocation for all pieces of a body.
    hooks: Option<ReusableBoxFuture<'static, Shown>>,
    running: bool,
    trailers: Option<HeaderMap>,
    /// The hooks have been told of the end.
    ended: bool,
}

impl TailBody {
    fn show(&mut self, piece: Option<Bytes>, end: bool) {
        let Some(mut tail) = self.tail.take() else { return };
        self.ended = end;
        let future = async move {
            let shown = tail.chunk(piece, end).await;
            (tail, shown)
        };
        match &mut self.hooks {
            Some(reused) => reused.set(future),
            None => self.hooks = Some(ReusableBoxFuture::new(future)),
        }
        self.running = true;
    }

    fn poll_shown(&mut self, task: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Some(hooks) = self.hooks.as_mut().filter(|_| self.running) else { return Poll::Ready(Ok(None)) };
        let (tail, shown) = ready!(hooks.poll(task));
        self.running = false;
        self.tail = Some(tail);
        Poll::Ready(shown)
    }

    fn finish(&mut self) {
        if let Some(tail) = self.tail.take() {
            tail.finish(Ended::Whole);
        }
    }

    fn break_off(&mut self, code: &'static str) {
        self.ended = true;
        if let Some(tail) = self.tail.take() {
            tail.broke(code);
        }
    }

    fn send(&mut self, piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(tail) = &mut self.tail {
            tail.sent(piece.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl HttpBody for TailBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.running {
                match ready!(this.poll_shown(task)) {
                    Ok(Some(piece)) if !piece.is_empty() => return this.send(piece),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!("response ended by a hook: {}", error.report());
                        this.break_off(error.code());
                        return Poll::Ready(Some(Err(error.into())));
                    }
                }
            }
            if this.ended {
                if let Some(trailers) = this.trailers.take() {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                this.finish();
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(task)) {
                None if this.chunked => this.show(None, true),
                None => this.ended = true,
                Some(Err(error)) => {
                    this.break_off("upstream_protocol_error");
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if this.chunked => this.show(Some(data), false),
                    Ok(data) => return this.send(data),
                    Err(frame) => {
                        this.trailers = frame.into_trailers().ok();
                        if this.chunked {
                            this.show(None, true);
                        } else {
                            this.ended = true;
                        }
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_held = !self.chunked || self.ended;
        nothing_held && !self.running && self.trailers.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.changed { SizeHint::default() } else { self.inner.size_hint() }
    }
}

impl Drop for TailBody {
    /// The server drops a body whose length it knows without asking for its end.
    fn drop(&mut self) {
        if HttpBody::is_end_stream(self) || (!self.changed && self.inner.is_end_stream()) {
            self.finish();
        }
    }
}
