//! Exchanges through a host that has the plugin.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use buntime_core::{Cx, Error, Host, Http, Meta, Step, handler_fn};
use buntime_http::body::request_body_error;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use plugin_request_validator::RequestValidatorPlugin;
use serde_json::Value;
use tower::ServiceExt;

/// A host with the plugin and these settings.
pub(crate) async fn start(settings: Value) -> Host {
    let host = Host::builder().plugin(RequestValidatorPlugin, settings).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) problem: Value,
    /// What the handler read of the body; `None` if it was not called, or could not read it.
    pub(crate) reached: Option<Bytes>,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.problem["code"].as_str().unwrap_or_default()
    }

    /// `in at`, of each error.
    pub(crate) fn places(&self) -> Vec<String> {
        let errors = self.problem["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| format!("{} {}", error["in"].as_str().unwrap(), error["at"].as_str().unwrap());
        errors.iter().map(place).collect()
    }
}

/// Sends a request through the chain, to a handler that reads its body.
pub(crate) async fn send(host: &Host, request: Request<Body>) -> Answer {
    let reached = Arc::new(Mutex::new(None));
    let seen = reached.clone();
    let handler = handler_fn::<Http, _>(move |cx: &mut Cx<Http>| {
        let (body, seen) = (cx.take_body(), seen.clone());
        Step::later(async move {
            let body = body.collect().await.map_err(|error| request_body_error(axum::Error::new(error)))?;
            *seen.lock().unwrap() = Some(body.to_bytes());
            Ok::<_, Error>(Response::new(Body::from("{}")).into())
        })
    });
    let chain = host.live().chain().clone();
    let response = chain.respond(Meta::new(HeaderValue::from_static("id")), request, Arc::new(handler)).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let problem = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    let reached = reached.lock().unwrap().take();
    Answer { status: head.status.as_u16(), headers: head.headers, problem, reached }
}

pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(target);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

pub(crate) fn post(kind: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/orders").header("content-type", kind);
    request.body(body.into()).unwrap()
}

/// A body that comes in such pieces and does not say how long it is.
pub(crate) fn pieces(all: &[&[u8]]) -> Body {
    let all: Vec<Result<Bytes, std::io::Error>> = all.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(futures_util::stream::iter(all))
}

pub(crate) async fn stats(host: &Host) -> Value {
    let request = Request::builder().uri("/p/request-validator/api/stats").body(Body::empty()).unwrap();
    let response = host.admin_router().oneshot(request).await.unwrap();
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}
