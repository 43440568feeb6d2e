//! One request between hyper and [`Serve`]: refusals, the authority, the body's limits, panics.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use axum::body::Body;
use buntime_core::{Error, ErrorKind};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{ConnectionInfo, Control, Limits, Serve};
use crate::{
    body::Watched,
    framing::{InFlight, LinkState, Refusal, host_is_valid},
};

/// What the exchanges of one connection share.
pub(super) struct Context<S> {
    pub(super) service: Arc<S>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) link: Arc<LinkState>,
    pub(super) control: Arc<Control>,
}

/// Admits it at once and answers it when polled: the future is moved, and so is kept small.
pub(super) fn run<S: Serve>(
    context: Arc<Context<S>>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<S> {
    let call = context.link.begin();
    let in_flight = context.link.enter();
    let version = request.version();
    let admitted = admit(&context, call, request);
    async move {
        let response = match admitted {
            Ok(request) => {
                // It may do much before it returns a future.
                let answering = catch_unwind(AssertUnwindSafe(|| context.service.serve(request, &context.info)));
                let answered = match answering {
                    Ok(answering) => AssertUnwindSafe(answering).catch_unwind().await,
                    Err(panic) => Err(panic),
                };
                served(&context, answered, version)
            }
            Err(error) => refused(&context, error, version),
        };
        context.link.answered(call, response.status() == StatusCode::SWITCHING_PROTOCOLS);
        Ok(response.map(|body| Answer { body, _in_flight: in_flight }))
    }
}

fn served<S: Serve>(
    context: &Context<S>,
    answered: Result<Response<Body>, Box<dyn Any + Send>>,
    version: Version,
) -> Response<Body> {
    let mut response = answered.unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        tracing::error!(panic = text, "serving a request panicked");
        context.service.refuse(Error::new(ErrorKind::Internal), &context.info)
    });
    // hyper will close, because it cannot know where the next request begins; the client should know too.
    if version < Version::HTTP_2 && response.status().is_client_error() && context.link.is_in_body() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn refused<S: Serve>(context: &Context<S>, error: Error, version: Version) -> Response<Body> {
    context.control.stats.count_malformed();
    let mut response = context.service.refuse(error, &context.info);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Makes of what hyper gives what [`Serve`] is promised, or refuses it.
fn admit<S>(context: &Context<S>, call: u64, mut request: Request<Incoming>) -> Result<Request<Body>, Error> {
    if let Some(refusal) = context.link.refusal_of(call) {
        return Err(refusal.to_error());
    }
    let limits = context.control.limits.load();
    if request.version() == Version::HTTP_2 {
        check_http2_head(&request, &limits).map_err(Refusal::to_error)?;
    }
    settle_authority(&mut request).map_err(Refusal::to_error)?;
    if request.body().size_hint().lower() > limits.max_body_size {
        return Err(Error::new(ErrorKind::PayloadTooLarge));
    }
    if request.extensions().get::<OnUpgrade>().is_some() {
        // What relays the upgraded connection needs to know when to say goodbye.
        request.extensions_mut().insert(Arc::clone(&context.info));
    }
    Ok(request.map(|body| {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Watched::new(body, Some(limits.max_body_size), Some(limits.body_timeout)))
        }
    }))
}

/// What the framing check does for HTTP/1 and h2 leaves open.
fn check_http2_head(request: &Request<Incoming>, limits: &Limits) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    if request.uri().path_and_query().map_or(0, |target| target.as_str().len()) > limits.max_uri {
        return Err(Refusal::UriTooLong);
    }
    if request.headers().len() > limits.max_headers {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

/// One Host, whatever way the client named it, and a target in origin form.
fn settle_authority<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let Some(authority) = request.uri().authority() else {
        // HTTP/1 in origin form: the framing check has seen to Host. HTTP/2 may say Host alone.
        let mut hosts = request.headers().get_all(header::HOST).iter();
        return match (hosts.next(), hosts.next()) {
            (Some(host), None) if request.version() < Version::HTTP_2 || host_is_valid(host.as_bytes()) => Ok(()),
            (None, _) => Err(Refusal::Malformed("The Host header is missing")),
            (Some(_), None) => Err(Refusal::Malformed("The Host header is not a host")),
            (Some(_), Some(_)) => Err(Refusal::Malformed("The Host header is repeated")),
        };
    };
    if !host_is_valid(authority.as_str().as_bytes()) {
        return Err(Refusal::Malformed("The authority of the request target is not a host"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => {
            let host = HeaderValue::from_str(authority.as_str())
                .map_err(|_| Refusal::Malformed("The authority of the request target is not a host"))?;
            request.headers_mut().insert(header::HOST, host);
        }
        (Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {}
        _ => return Err(Refusal::Malformed("The Host header and the request target name different hosts")),
    }
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

pin_project_lite::pin_project! {
    /// A response's body; its exchange counts as running until hyper has taken the last of it.
    pub(super) struct Answer {
        #[pin]
        body: Body,
        _in_flight: InFlight,
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
