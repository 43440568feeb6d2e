//! A request that may have to be sent more than once, and what is remembered of its body for that.
//!
//! A body nobody has touched can be sent again. What has been read of it is kept up to a limit, for a second attempt
//! and for the shadow; past the limit it can be sent only once.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{mirror::Shadow, options::Call, wire::Wire};

/// A request that may be made several times.
#[derive(Debug)]
pub(super) struct Draft {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: http::Extensions,
    body: Payload,
}

#[derive(Debug)]
enum Payload {
    Empty,
    Once(Option<Body>),
    Shared(Arc<Source>),
}

impl Draft {
    /// One that is sent once.
    pub(super) fn once(request: Request<Body>) -> Self {
        Self::with(request, |body| Payload::Once(Some(body)))
    }

    /// One that may be sent again; up to `keep` bytes of its body are remembered for that. Its whole body goes to
    /// the shadow, too.
    pub(super) fn repeatable(request: Request<Body>, keep: u64, shadow: Option<Shadow>) -> Self {
        Self::with(request, |body| Payload::Shared(Arc::new(Source::new(body, keep, shadow))))
    }

    fn with(request: Request<Body>, payload: impl FnOnce(Body) -> Payload) -> Self {
        let (parts, body) = request.into_parts();
        let body = if body.is_end_stream() { Payload::Empty } else { payload(body) };
        Self { method: parts.method, uri: parts.uri, headers: parts.headers, extensions: parts.extensions, body }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The request for a target. `again`: it has to be made once more, perhaps.
    pub(super) fn make(&mut self, wire: &Wire, call: &Call<'_>, again: bool) -> Request<Body> {
        let mut request = Request::new(match &mut self.body {
            Payload::Empty => Body::empty(),
            Payload::Once(body) => body.take().unwrap_or_default(),
            Payload::Shared(source) => Source::copy(source),
        });
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        *request.headers_mut() = if again { self.headers.clone() } else { std::mem::take(&mut self.headers) };
        *request.extensions_mut() = std::mem::take(&mut self.extensions);
        wire.address(&mut request, call);
        request
    }

    /// Can its body be sent (again)?
    pub(super) fn can_repeat(&self) -> bool {
        match &self.body {
            Payload::Empty => true,
            Payload::Once(body) => body.is_some(),
            Payload::Shared(source) => source.lock().can_repeat(),
        }
    }
}

/// The one body behind all attempts.
#[derive(Debug)]
struct Source(Mutex<State>);

#[derive(Debug)]
struct State {
    rest: Body,
    /// What came so far, while somebody may want it.
    kept: Vec<Bytes>,
    length: u64,
    trailers: Option<HeaderMap>,
    keep: u64,
    shadow: Option<Shadow>,
    /// Only the last attempt reads.
    attempt: u32,
    is_touched: bool,
    ended: bool,
    failed: bool,
}

impl Source {
    fn new(rest: Body, keep: u64, shadow: Option<Shadow>) -> Self {
        Self(Mutex::new(State {
            rest,
            kept: Vec::new(),
            length: 0,
            trailers: None,
            keep,
            shadow,
            attempt: 0,
            is_touched: false,
            ended: false,
            failed: false,
        }))
    }

    fn copy(this: &Arc<Self>) -> Body {
        let attempt = {
            let mut state = this.lock();
            state.attempt += 1;
            state.attempt
        };
        Body::new(View { source: Arc::clone(this), attempt, at: 0, ended: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn can_repeat(&self) -> bool {
        !self.failed && (!self.is_touched || self.length <= self.keep)
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.length = self.length.saturating_add(data.len() as u64);
            if self.shadow.as_ref().is_some_and(|shadow| self.length > shadow.max_body()) {
                self.shadow = None;
            }
            if self.length <= self.keep || self.shadow.is_some() {
                self.kept.push(data.clone());
            } else {
                self.kept = Vec::new();
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        if self.rest.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(shadow) = self.shadow.take() {
            shadow.send(self.kept.clone());
        }
    }
}

/// A newer attempt reads the body.
#[derive(Debug, thiserror::Error)]
#[error("the request is sent anew")]
struct Superseded;

/// The body of one attempt.
struct View {
    source: Arc<Source>,
    attempt: u32,
    at: usize,
    ended: bool,
}

impl HttpBody for View {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let mut state = this.source.lock();
        if this.ended {
            return Poll::Ready(None);
        }
        if state.attempt != this.attempt {
            this.ended = true;
            return Poll::Ready(Some(Err(axum::Error::new(Superseded))));
        }
        if let Some(data) = state.kept.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if state.ended {
            this.ended = true;
            return Poll::Ready(state.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        state.is_touched = true;
        let frame = ready!(Pin::new(&mut state.rest).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                state.note(frame);
                this.at += usize::from(frame.is_data());
                this.ended = frame.is_trailers();
            }
            Some(Err(_)) => {
                state.failed = true;
                this.ended = true;
            }
            None => {
                state.end();
                this.ended = true;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.source.lock();
        self.ended
            || (self.at >= state.kept.len() && state.trailers.is_none() && (state.ended || state.rest.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.source.lock();
        let ahead: u64 = state.kept.iter().skip(self.at).map(|data| data.len() as u64).sum();
        if state.ended {
            return SizeHint::with_exact(ahead);
        }
        let rest = state.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}
