//! A chain of plugins as a tower `Layer`, for any axum `Router`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::ConnectInfo};
use http::{HeaderValue, Request, Response};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    cx::{Cx, Meta},
    error::{BoxError, Error, ErrorKind},
    host::Host,
    http_kind::{Http, HttpResponse},
    step::{BoxFuture, Handler, Step},
};

/// Wraps services with the host's chain of plugins, as it is when a request comes in. The client's address is the socket's
/// where axum's `into_make_service_with_connect_info::<SocketAddr>` says it, and unspecified otherwise.
#[derive(Clone, Debug)]
pub struct ChainLayer {
    host: Host,
}

impl ChainLayer {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }
}

impl<S> Layer<S> for ChainLayer {
    type Service = ChainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ChainService { host: self.host.clone(), inner }
    }
}

/// See [`ChainLayer`].
#[derive(Clone, Debug)]
pub struct ChainService<S> {
    host: Host,
    inner: S,
}

impl<S> Service<Request<Body>> for ChainService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let chain = self.host.live().chain().clone();
        let handler = Arc::new(ServiceHandler(self.inner.clone()));
        let mut meta = Meta::new(request_id(&request));
        // What `into_make_service_with_connect_info` leaves.
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
            meta.peer = *peer;
            meta.client_ip = peer.ip();
        }
        Box::pin(async move { Ok(chain.respond(meta, request, handler).await) })
    }
}

/// One that was sent and is sane, else a new one.
fn request_id(request: &Request<Body>) -> HeaderValue {
    let sent = request.headers().get(crate::problem::X_REQUEST_ID);
    let sane = |v: &&HeaderValue| (1..=128).contains(&v.len()) && v.as_bytes().iter().all(u8::is_ascii_graphic);
    sent.filter(sane).cloned().unwrap_or_else(|| {
        let mut buffer = uuid::Uuid::encode_buffer();
        let text = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

/// A tower service as a handler.
#[derive(Debug)]
pub struct ServiceHandler<S>(pub S);

impl<S> Handler<Http> for ServiceHandler<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        let body = cx.take_body();
        let request = Request::from_parts(cx.request().clone(), body);
        let service = self.0.clone();
        Step::later(async move {
            match service.oneshot(request).await {
                Ok(response) => Ok(response.into()),
                Err(error) => Err(Error::new(ErrorKind::Internal).with_cause(error)),
            }
        })
    }
}
