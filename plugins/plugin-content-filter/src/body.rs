//! A body that passes the rules as it streams.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use axum::body::Body;
use buntime_core::BoxError;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame};

use crate::{
    engine::{Blocked, Engine, Rules},
    plan::Plan,
    rule,
};

/// One body under inspection: its engine, and what is told of it in the end.
#[derive(Debug)]
pub(crate) struct Inspection {
    plan: Arc<Plan>,
    engine: Engine,
    direction: &'static str,
    request_id: HeaderValue,
}

impl Inspection {
    pub(crate) fn new(plan: Arc<Plan>, rules: Arc<Rules>, direction: &'static str, request_id: HeaderValue) -> Self {
        plan.figures.inspected.fetch_add(1, Relaxed);
        Self { plan, engine: Engine::new(rules), direction, request_id }
    }

    /// Takes a piece; answers what may be passed on.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<Bytes, Blocked> {
        let passed = self.engine.push(piece);
        self.count(passed)
    }

    /// The body has ended; answers the rest.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Blocked> {
        let passed = self.engine.finish();
        self.count(passed)
    }

    fn count(&self, passed: Result<Bytes, Blocked>) -> Result<Bytes, Blocked> {
        if passed.is_err() {
            self.plan.figures.blocked.fetch_add(1, Relaxed);
        }
        passed
    }
}

/// What was found is told once, however the body ends.
impl Drop for Inspection {
    fn drop(&mut self) {
        for found in self.engine.hits() {
            found.figures.bodies.fetch_add(1, Relaxed);
            rule::note(found, &self.plan.scope, self.direction, self.request_id.to_str().unwrap_or_default());
        }
    }
}

/// See the module. `blocked` makes what it breaks off with.
pub(crate) struct FilterBody {
    inner: Body,
    inspection: Option<Inspection>,
    trailers: Option<HeaderMap>,
    blocked: fn() -> BoxError,
}

impl FilterBody {
    pub(crate) fn new(inner: Body, inspection: Inspection, blocked: fn() -> BoxError) -> Self {
        Self { inner, inspection: Some(inspection), trailers: None, blocked }
    }

    fn break_off(&mut self, error: BoxError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.inspection = None;
        self.inner = Body::empty();
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for FilterBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let Some(inspection) = &mut this.inspection else {
                return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            };
            let passed = match ready!(Pin::new(&mut this.inner).poll_frame(task)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => inspection.push(data),
                    Err(frame) => {
                        this.trailers = frame.into_trailers().ok();
                        inspection.finish().inspect(|_| this.inspection = None)
                    }
                },
                None => inspection.finish().inspect(|_| this.inspection = None),
                Some(Err(error)) => return this.break_off(error.into()),
            };
            match passed {
                Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(_) => {}
                Err(Blocked) => {
                    let error = (this.blocked)();
                    return this.break_off(error);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inspection.is_none() && self.trailers.is_none()
    }
}
