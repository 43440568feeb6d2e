//! A host with the plugin on a bus of its own, and requests to it.

#![allow(dead_code, reason = "each test file uses its part")]

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
    routing::get,
};
use buntime_core::Host;
use plugin_logs::{LogBus, LogsPlugin};
use serde_json::Value;
use tower::ServiceExt;

pub(crate) struct Fixture {
    pub(crate) host: Host,
    pub(crate) bus: LogBus,
    app: Router,
}

impl Fixture {
    pub(crate) async fn start(settings: Value) -> Self {
        let bus = LogBus::new();
        let host = Host::builder().plugin(LogsPlugin::on(bus.clone()), settings).start().await.unwrap();
        let app = Router::new()
            .route("/fine", get(async || "fine"))
            .route("/echo", get(async |request: Request<Body>| format!("{:?}", request.headers())))
            .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(host.layer())
            .merge(host.admin_router());
        Self { host, bus, app }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// Status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        text(self.send(Request::get(path).body(Body::empty()).unwrap()).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, String) {
        text(self.send(Request::post(path).body(body.into()).unwrap()).await).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The messages that a query finds, newest first.
    pub(crate) async fn messages(&self, query: &str) -> Vec<String> {
        let answer = self.json(&format!("/p/logs/api/logs?{query}")).await;
        let logs = answer["logs"].as_array().unwrap().iter();
        logs.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn add(&self, level: &str, message: &str) {
        let body = serde_json::json!({ "level": level, "message": message, "source": "test", "meta": { "n": 1 } });
        assert_eq!(self.post("/p/logs/api", body.to_string()).await, (200, r#"{"success":true}"#.to_owned()));
    }
}

pub(crate) async fn text(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}
