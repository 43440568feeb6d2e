//! Exchanges through a host that has the plugin.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use buntime_core::{Cx, Error, Host, Http, Meta, Step, handler_fn};
use buntime_http::body::request_body_error;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, request};
use http_body_util::BodyExt;
use plugin_content_filter::ContentFilterPlugin;
use serde_json::Value;
use tower::ServiceExt;

/// A host with the plugin and these settings.
pub(crate) async fn start(settings: Value) -> Host {
    let host = Host::builder().plugin(ContentFilterPlugin, settings).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What the handler saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    /// `None` if it could not read it.
    pub(crate) body: Option<Bytes>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends a request through the chain, to a handler that reads its body and answers what `answer` makes.
pub(crate) async fn exchange(
    host: &Host,
    request: Request<Body>,
    answer: impl Fn(&request::Parts) -> Response<Body> + Send + Sync + 'static,
) -> (Response<Body>, Option<Seen>) {
    let reached: Arc<Mutex<Option<Seen>>> = Arc::default();
    let seen = reached.clone();
    let answer = Arc::new(answer);
    let handler = handler_fn::<Http, _>(move |cx: &mut Cx<Http>| {
        let (body, head, seen, answer) = (cx.take_body(), cx.request().clone(), seen.clone(), answer.clone());
        *seen.lock().unwrap() = Some(Seen { headers: head.headers.clone(), body: None });
        Step::later(async move {
            let body = body.collect().await.map_err(request_body_error)?.to_bytes();
            if let Some(seen) = &mut *seen.lock().unwrap() {
                seen.body = Some(body);
            }
            Ok::<_, Error>(answer(&head).into())
        })
    });
    let chain = host.live().chain().clone();
    let response = chain.respond(Meta::new(HeaderValue::from_static("id")), request, Arc::new(handler)).await;
    let seen = reached.lock().unwrap().clone();
    (response, seen)
}

/// Sends a body; answers the status, the code of a problem, and what the handler saw.
pub(crate) async fn send(host: &Host, kind: &str, body: impl Into<Body>) -> (u16, String, Option<Seen>) {
    let request = Request::builder().method("POST").uri("/").header("content-type", kind).body(body.into()).unwrap();
    let (response, seen) = exchange(host, request, |_| Response::new(Body::empty())).await;
    let status = response.status().as_u16();
    let problem: Value = serde_json::from_slice(&read(response).await).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned(), seen)
}

/// Asks; the handler answers with such a body.
pub(crate) async fn ask(host: &Host, kind: &'static str, body: Body) -> Response<Body> {
    let body = Mutex::new(Some(body));
    let answer = move |_: &request::Parts| {
        let response = Response::builder().header("etag", "\"tag\"").header("accept-ranges", "bytes");
        response.header("content-type", kind).body(body.lock().unwrap().take().unwrap()).unwrap()
    };
    exchange(host, Request::new(Body::empty()), answer).await.0
}

/// A body as a whole; empty if it breaks.
pub(crate) async fn read(response: Response<Body>) -> Bytes {
    to_bytes(response.into_body(), 1 << 24).await.unwrap_or_default()
}

/// A body that comes in such pieces and does not say how long it is.
pub(crate) fn pieces(all: &[&[u8]]) -> Body {
    let all: Vec<Result<Bytes, std::io::Error>> = all.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(futures_util::stream::iter(all))
}

pub(crate) async fn stats(host: &Host) -> Value {
    let request = Request::builder().uri("/p/content-filter/api/stats").body(Body::empty()).unwrap();
    let response = host.admin_router().oneshot(request).await.unwrap();
    serde_json::from_slice(&read(response).await).unwrap()
}
