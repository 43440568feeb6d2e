//! Exchanges through a host that has the plugin, and an API for it to call.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request as Asked,
};
use buntime_core::{Clock, Cx, Error, Host, Http, Meta, Step, handler_fn, services::Services};
use buntime_testing::FakeUpstream;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use plugin_enricher::EnricherPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;

/// What an API was asked.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An API that answers by the number of the call.
pub(crate) struct Api {
    pub(crate) server: FakeUpstream,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    pub(crate) async fn start(answer: impl Fn(usize) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let all = seen.clone();
        let app = Router::new().fallback(move |request: Asked| {
            let (all, answer) = (all.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
                let seen =
                    Seen { method: head.method.to_string(), uri: head.uri.to_string(), headers: head.headers, body };
                let number = {
                    let mut all = all.lock().unwrap();
                    all.push(seen);
                    all.len()
                };
                answer(number)
            }
        });
        Self { server: FakeUpstream::start(app).await, seen }
    }

    /// One that always says the same.
    pub(crate) async fn saying(value: Value) -> Self {
        Self::start(move |_| json_answer(200, &value)).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("it was asked")
    }
}

pub(crate) fn json_answer(status: u16, value: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

/// A host with the plugin.
pub(crate) async fn start(settings: Value) -> Host {
    with(settings, Services::default(), Clock::system()).await
}

pub(crate) async fn with(settings: Value, services: Services, clock: Clock) -> Host {
    let host = Host::builder().plugin(EnricherPlugin, settings).services(services).clock(clock).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What an exchange came to.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// What reached the handler; `None` if nothing did.
    pub(crate) reached: Option<Reached>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) value: Option<Value>,
}

impl Came {
    pub(crate) fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"));
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn reached(&self) -> &Reached {
        self.reached.as_ref().unwrap_or_else(|| panic!("nothing reached the handler: {self:?}"))
    }
}

/// Sends a request through the chain.
pub(crate) async fn send(host: &Host, request: Request<Body>) -> Came {
    let reached = Arc::new(Mutex::new(None));
    let seen = reached.clone();
    let handler = handler_fn::<Http, _>(move |cx: &mut Cx<Http>| {
        let (body, seen) = (cx.take_body(), seen.clone());
        let (uri, headers, value) =
            (cx.request().uri.clone(), cx.request().headers.clone(), cx.named("profile").cloned());
        Step::later(async move {
            let body = body.collect().await.map_err(Error::internal)?.to_bytes();
            *seen.lock().unwrap() = Some(Reached { uri, headers, body, value });
            Ok::<_, Error>(Response::new(Body::from("fine")).into())
        })
    });
    let chain = host.live().chain().clone();
    let response = chain.respond(Meta::new(HeaderValue::from_static("id")), request, Arc::new(handler)).await;
    let (head, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let reached = reached.lock().unwrap().take();
    Came { status: head.status.as_u16(), text, reached }
}

pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(target);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

pub(crate) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method("POST")
        .uri("/orders")
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// The figures of the only call.
pub(crate) async fn stats(host: &Host) -> Value {
    let request = Request::builder().uri("/p/enricher/api/stats").body(Body::empty()).unwrap();
    let response = host.admin_router().oneshot(request).await.unwrap();
    let all: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
    all["scopes"][0]["calls"][0].clone()
}

/// A call that puts `tier` into a header.
#[expect(clippy::needless_pass_by_value, reason = "every caller writes them in place")]
pub(crate) fn tier(endpoint: String, more: Value) -> Value {
    let mut call = json!({ "endpoint": endpoint, "method": "GET", "fieldMaps": [{ "source": "tier", "destination": "header:x-tier" }] });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}
