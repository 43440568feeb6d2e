//! What the runtime answers itself: liveness, readiness, who it is, what runs here.

use std::sync::Arc;

use axum::body::Body;
use buntime_core::{Cx, Error, ErrorKind, Handler, Host, Http, HttpResponse, Step, handler_fn, problem};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;

use super::{
    Labels,
    answer::{accepts, is_read, json, not_allowed},
    exchange::{Exchange, matched},
    locate,
};
use crate::{VERSION, pages};

/// Handlers that are made once.
pub(crate) struct Own {
    pub(crate) labels: Labels,
    pub(crate) root: Arc<dyn Handler<Http>>,
    pub(crate) favicon: Arc<dyn Handler<Http>>,
    pub(crate) well_known: Arc<dyn Handler<Http>>,
    pub(crate) not_found: Arc<dyn Handler<Http>>,
}

impl Own {
    pub(crate) fn new(host: &Host) -> Self {
        let host = host.clone();
        Self {
            labels: Labels {
                api: matched("api", None),
                root: matched("root", None),
                well_known: matched("well-known", None),
                unmatched: matched(buntime_core::Matched::UNMATCHED, None),
                refused: matched("over-capacity", None),
            },
            root: Arc::new(handler_fn(move |cx: &mut Cx<Http>| read_only(cx, |cx| root(&host, cx)))),
            favicon: Arc::new(handler_fn(|cx: &mut Cx<Http>| {
                read_only(cx, |_| {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NO_CONTENT;
                    response
                })
            })),
            well_known: Arc::new(handler_fn(|cx: &mut Cx<Http>| {
                read_only(cx, |_| json(StatusCode::OK, &json!({ "api": "/api", "version": VERSION })))
            })),
            not_found: Arc::new(handler_fn(|_: &mut Cx<Http>| {
                Step::Done(Err(Error::new(ErrorKind::NotFound).with_detail("Nothing answers at this path")))
            })),
        }
    }
}

fn read_only<'a>(
    cx: &mut Cx<Http>,
    answer: impl FnOnce(&mut Cx<Http>) -> Response<Body>,
) -> Step<'a, HttpResponse, Error> {
    if is_read(&cx.request().method) {
        Step::ready(answer(cx).into())
    } else {
        Step::Done(Err(not_allowed("GET, HEAD")))
    }
}

/// What runs here, for people or programs.
fn root(host: &Host, cx: &mut Cx<Http>) -> Response<Body> {
    let plugins = host.live().plugins();
    let headers = &cx.request().headers;
    if accepts(headers, "text/html") || !accepts(headers, "application/json") {
        return pages::home(&plugins);
    }
    let plugins: Vec<_> = plugins
        .iter()
        .filter(|one| one.enabled)
        .map(|one| json!({ "name": one.name, "base": one.base, "ui": one.ui, "status": one.status.status }))
        .collect();
    json(StatusCode::OK, &json!({ "name": "buntime", "version": VERSION, "api": "/api", "plugins": plugins }))
}

/// Is that a path which nothing else may claim?
pub(crate) fn is_ours(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/.well-known/buntime")
        || locate::is_below(path, "/api")
        || locate::is_below(path, "/p")
}

/// The process answers. No chain, no plugin.
pub(crate) fn live(request: &Request<Body>, exchange: &Exchange) -> Response<Body> {
    probe(request, exchange, || json(StatusCode::OK, &json!({ "status": "live" })))
}

/// Every required part is up.
pub(crate) fn ready(request: &Request<Body>, exchange: &Exchange, reasons: &[String]) -> Response<Body> {
    probe(request, exchange, || {
        if reasons.is_empty() {
            json(StatusCode::OK, &json!({ "status": "ready" }))
        } else {
            let mut response =
                json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not_ready", "reasons": reasons }));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    })
}

fn probe(request: &Request<Body>, exchange: &Exchange, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    let id = &exchange.meta.request_id;
    if !is_read(request.method()) {
        return problem::response(&not_allowed("GET, HEAD"), Some(id));
    }
    let mut response = answer();
    response.headers_mut().insert(problem::X_REQUEST_ID, id.clone());
    response
}
