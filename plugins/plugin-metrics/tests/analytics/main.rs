//! Analytics through a host: counted, kept in a database, asked for again.

mod api;
mod kept;
mod moody;

use std::{path::Path, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Capability, Clock, Cx, Host, Http, Matched, Meta, Services, Stage, Step, handler_fn};
use buntime_database::{
    Adapter, Registry,
    sqlite::{Options, Sqlite},
};
use buntime_testing::{Act, FakePlugin, Journal};
use http::{HeaderValue, Request, Response, StatusCode};
use plugin_metrics::MetricsPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The database of a file; without one in memory.
pub(crate) async fn sqlite(file: Option<&Path>) -> Arc<dyn Adapter> {
    Arc::new(Sqlite::open(file.map_or_else(Options::memory, Options::file)).await.unwrap())
}

/// A host with the plugin, a plugin that names consumers, and a database.
pub(crate) async fn start(settings: Value, database: Option<Arc<dyn Adapter>>, clock: &Clock) -> Host {
    let services = Services::default();
    if let Some(database) = database {
        services.provide::<Registry>(Arc::new(Registry::builder().add(database, true).build().unwrap()));
    }
    let builder = Host::builder().plugin(MetricsPlugin, settings).plugin(names(), json!({})).services(services);
    builder.clock(clock.clone()).start().await.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Names the consumer that `x-who` names.
fn names() -> FakePlugin {
    let name = Act::Do(Arc::new(|cx: &mut Cx<Http>| {
        let who = cx.request().headers.get("x-who").and_then(|who| who.to_str().ok()).map(Arc::<str>::from);
        if let Some(who) = who {
            cx.set_consumer(who).unwrap();
        }
    }));
    FakePlugin::new("auth", &Journal::default())
        .at(10)
        .only(&[Stage::Pre])
        .on(Stage::Pre, name)
        .with(|metadata| metadata.with_capabilities([Capability::AuthProvider]))
}

/// Sends requests of a consumer to a route, one after another; each is answered with that status.
pub(crate) async fn send(host: &Host, times: usize, route: &str, who: &str, status: u16) {
    for _ in 0..times {
        let request = Request::builder().uri("/x").header("host", "example.com");
        let request = if who.is_empty() { request } else { request.header("x-who", who) };
        let mut meta = Meta::new(HeaderValue::from_static("id"));
        meta.route = Some(Arc::new(Matched { label: route.into(), plugin: None, public: false, data: None }));
        let handler = Arc::new(handler_fn::<Http, _>(move |_| {
            let mut response = Response::new(Body::from("fine"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Step::ready(response.into())
        }));
        let answer = host.live().chain().clone().respond(meta, request.body(Body::empty()).unwrap(), handler).await;
        // A request ends with its body.
        axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
    }
}

/// What the API answers.
pub(crate) async fn answer(host: &Host, query: &str) -> Response<Body> {
    let request = Request::builder().uri(format!("/p/metrics/api/analytics{query}")).body(Body::empty()).unwrap();
    host.admin_router().oneshot(request).await.unwrap()
}

/// The same, which must be good.
pub(crate) async fn ask(host: &Host, query: &str) -> Value {
    let answer = answer(host, query).await;
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 22).await.unwrap();
    assert_eq!(status, 200, "{query}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// How many requests it tells of.
pub(crate) async fn total(host: &Host, query: &str) -> i64 {
    ask(host, query).await["totals"]["requests"].as_i64().unwrap()
}

pub(crate) async fn stop(host: Host) {
    host.stop(Duration::from_secs(10)).await;
}

/// Two columns of rows.
pub(crate) fn pairs(rows: &Value, name: &str) -> Value {
    rows.as_array().unwrap().iter().map(|row| json!([row[name], row["requests"]])).collect()
}
