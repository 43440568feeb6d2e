//! What stands between a matched route of a plugin (or of the admin API) and its handler: who may, and the chain that
//! goes with the route's access. As a tower layer it knows of each route which access it was registered with, whatever
//! other routes share its path.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use buntime_core::{Access, BoxFuture, Cx, Error, ErrorKind, Handler, Http, HttpResponse, Matched, Step, handler_fn};
use buntime_http::client_address::{ClientAddress, DirectLocal};
use http::{Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    answer::{accepts, shape},
    exchange::Exchange,
    in_flight::{Full, full},
    locate::below,
};
use crate::{
    admin::guard::{Guard, Refusal, check_origin},
    pages,
    settings::Settings,
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Gate {
    access: Access,
    guard: Arc<Guard>,
    matched: Arc<Matched>,
    /// What the routes behind it lie below.
    base: Arc<str>,
}

impl Gate {
    pub(crate) fn new(access: Access, guard: Arc<Guard>, matched: Arc<Matched>, base: Arc<str>) -> Self {
        Self { access, guard, matched, base }
    }

    /// Why this request may not pass, if it may not.
    fn refusal(&self, exchange: &Exchange, request: &Request<Body>) -> Option<Refusal> {
        let judged =
            check_origin(request.method(), &exchange.client, request.headers()).and_then(|()| match self.access {
                Access::Admin => self.guard.judge(&exchange.settings, &exchange.client, request.headers()),
                Access::Public | Access::Data => Ok(()),
            });
        judged.err()
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// A route behind its gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(Entered { exchange, target }) = request.extensions_mut().remove() else {
            // The gateway puts it there before it asks a router.
            return Box::pin(async { Ok(buntime_core::problem::response(&Error::new(ErrorKind::Internal), None)) });
        };
        // Hooks see the path that the client asked for.
        let below = std::mem::replace(request.uri_mut(), target.clone());
        let matched = Arc::clone(&self.gate.matched);
        if self.gate.access == Access::Public && &*self.gate.base == "/api" {
            request.extensions_mut().insert(Visitor::of(&exchange));
        }
        if self.gate.access == Access::Data && exchange.client.is_direct_local(request.headers()) {
            request.extensions_mut().insert(DirectLocal);
        }
        if let Some(refusal) = self.gate.refusal(&exchange, &request) {
            let handler = Arc::new(handler_fn(move |cx: &mut Cx<Http>| refuse(refusal, cx)));
            return Box::pin(async move { Ok(exchange.observed(matched, request, handler).await) });
        }
        let handler =
            Arc::new(Routed { service: self.inner.clone(), base: Arc::clone(&self.gate.base), target, below });
        let is_data = self.gate.access == Access::Data;
        Box::pin(async move {
            Ok(if is_data {
                match exchange.enter() {
                    Ok(None) => exchange.chained(matched, request, handler).await,
                    Ok(Some(counted)) => counted.until_sent(exchange.chained(matched, request, handler).await),
                    Err(Full) => exchange.observed(matched, request, full()).await,
                }
            } else {
                exchange.observed(matched, request, handler).await
            })
        })
    }
}

/// What the gateway leaves in a request for the gate behind the router.
#[derive(Clone)]
pub(crate) struct Entered {
    pub(crate) exchange: Exchange,
    /// What the client asked for.
    pub(crate) target: Uri,
}

/// What the admin API's open routes know of who asks.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) client: ClientAddress,
    pub(crate) settings: Arc<Settings>,
}

impl Visitor {
    fn of(exchange: &Exchange) -> Self {
        Self { client: exchange.client.clone(), settings: Arc::clone(&exchange.settings) }
    }
}

/// A browser that lacks the token is shown where to enter it.
fn refuse<'a>(refusal: Refusal, cx: &mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
    let head = cx.request();
    let is_page = head.method == Method::GET && accepts(&head.headers, "text/html");
    if is_page && matches!(refusal, Refusal::NoToken) {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        return Step::ready(pages::sign_in(target, None).into());
    }
    Step::Done(Err(refusal.to_error()))
}

/// A plugin's service as the handler of an exchange.
struct Routed<S> {
    service: S,
    base: Arc<str>,
    /// What the client asked for, and the same as seen from the base.
    target: Uri,
    below: Uri,
}

impl<S> Handler<Http> for Routed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        let body = cx.take_body();
        let mut request = Request::from_parts(cx.request().clone(), body);
        // A hook may have changed it.
        if *request.uri() == self.target {
            *request.uri_mut() = self.below.clone();
        } else if let Some(uri) = below(&self.base, request.uri()) {
            *request.uri_mut() = uri;
        }
        // What a handler may know of the exchange it answers.
        let meta = cx.meta().clone();
        let id = meta.request_id.clone();
        request.extensions_mut().insert(meta);
        if let Some(identity) = cx.identity() {
            request.extensions_mut().insert(Arc::clone(identity));
        }
        let mut service = self.service.clone();
        Step::later(async move {
            match service.call(request).await {
                Ok(response) => Ok(shape(response, &id).await.into()),
                Err(never) => match never {},
            }
        })
    }
}
