//! Exchanges through a host that has the plugin.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use buntime_core::{Cx, Error, Host, Http, Meta, Step, handler_fn};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use plugin_transformer::TransformerPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A host with the plugin and these rules.
pub(crate) async fn start(rules: Value) -> Host {
    with(json!({ "rules": rules })).await
}

/// A host with the plugin and these settings.
pub(crate) async fn with(settings: Value) -> Host {
    let host = Host::builder().plugin(TransformerPlugin, settings).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What a handler was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What an exchange came to.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// `None` if the handler was not called.
    pub(crate) asked: Option<Asked>,
}

impl Came {
    pub(crate) fn code(&self) -> String {
        serde_json::from_slice::<Value>(&self.body).unwrap()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn asked(&self) -> &Asked {
        self.asked.as_ref().unwrap_or_else(|| panic!("the handler was not called: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request through the chain, to a handler that answers like this.
pub(crate) async fn exchange(host: &Host, request: Request<Body>, answer: Response<Body>) -> Came {
    let asked = Arc::new(Mutex::new(None));
    let (seen, answer) = (asked.clone(), Mutex::new(Some(answer)));
    let handler = handler_fn::<Http, _>(move |cx: &mut Cx<Http>| {
        let (body, seen, answer) = (cx.take_body(), seen.clone(), answer.lock().unwrap().take());
        let (uri, headers) = (cx.request().uri.clone(), cx.request().headers.clone());
        Step::later(async move {
            let body = body.collect().await.map_err(Error::internal)?.to_bytes();
            *seen.lock().unwrap() = Some(Asked { uri, headers, body });
            Ok::<_, Error>(answer.expect("asked once").into())
        })
    });
    let chain = host.live().chain().clone();
    let response = chain.respond(Meta::new(HeaderValue::from_static("id")), request, Arc::new(handler)).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 1 << 22).await.unwrap();
    let asked = asked.lock().unwrap().take();
    Came { status: head.status.as_u16(), headers: head.headers, body, asked }
}

/// Sends a request to a handler that answers `{}`.
pub(crate) async fn send(host: &Host, request: Request<Body>) -> Came {
    exchange(host, request, json_answer("{}")).await
}

/// Asks for `/` of a handler that answers like this.
pub(crate) async fn answered(host: &Host, answer: Response<Body>) -> Came {
    exchange(host, get("/", &[]), answer).await
}

pub(crate) fn json_answer(body: impl Into<Body>) -> Response<Body> {
    Response::builder().header("content-type", "application/json").body(body.into()).unwrap()
}

pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(target);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

pub(crate) fn post(kind: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method("POST").uri("/orders").header("content-type", kind).body(body.into()).unwrap()
}

/// A body that comes in such pieces and does not say how long it is.
pub(crate) fn pieces(all: &[&[u8]]) -> Body {
    let all: Vec<Result<Bytes, std::io::Error>> = all.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(futures_util::stream::iter(all))
}

pub(crate) async fn stats(host: &Host) -> Value {
    let request = Request::builder().uri("/p/transformer/api/stats").body(Body::empty()).unwrap();
    let response = host.admin_router().oneshot(request).await.unwrap();
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}
