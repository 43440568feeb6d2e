//! Rules that lead to several targets, or to a service; and what an operator sees and says of them.

use std::sync::Arc;

use axum::{Router, body::Body, routing::any};
use buntime_config::model::{Target, Upstream};
use buntime_core::{Clock, Host, services::Services};
use buntime_testing::{FakeUpstream, TestRuntime};
use buntime_upstream::{Cluster, ClusterOptions, Clusters, Surroundings};
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use plugin_proxy::ProxyPlugin;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::support::{get, proxy, request, send, whole};

async fn saying(words: &'static str) -> FakeUpstream {
    FakeUpstream::start(Router::new().fallback(any(move || async move { words }))).await
}

/// A port on which nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn bodies(runtime: &TestRuntime, path: &str, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let (status, _, body) = get(runtime.address(), path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        bodies.push(body);
    }
    bodies.sort();
    bodies.dedup();
    bodies
}

async fn put(runtime: &TestRuntime, path: &str, body: Value) -> (StatusCode, Value) {
    let asked = request("PUT", path).body(Body::from(body.to_string())).unwrap();
    let (status, _, body) = whole(send(runtime.address(), asked).await).await;
    (status, serde_json::from_str(&body).unwrap())
}

fn services_of(clusters: &Arc<Clusters>) -> Services {
    let services = Services::default();
    services.provide::<Clusters>(clusters.clone());
    services
}

fn cluster(name: &str, urls: &[String]) -> Arc<Cluster> {
    let settings = Upstream::new(urls.iter().map(|url| Target::new(url.parse().unwrap())).collect());
    let around = Surroundings::new(Clock::system(), CancellationToken::new());
    Cluster::open(name, &settings, &ClusterOptions::of(&settings), &around, None).unwrap()
}

#[tokio::test]
async fn targets_of_a_rules_own_are_balanced_and_retried() {
    let (one, two) = (saying("one").await, saying("two").await);
    let targets = json!([{ "url": one.url() }, { "url": two.url() }, { "url": nobody().await }]);
    let runtime = proxy(json!([{ "name": "many", "pattern": "^/", "upstream": { "targets": targets } }])).await;
    assert_eq!(bodies(&runtime, "/", 12).await, ["one", "two"]);
    runtime.stop().await;
}

#[tokio::test]
async fn an_operator_drains_and_forces_targets() {
    let (one, two) = (saying("one").await, saying("two").await);
    let targets = json!([{ "url": one.url() }, { "url": two.url() }]);
    let runtime = proxy(json!([{ "name": "many", "pattern": "^/", "upstream": { "targets": targets } }])).await;
    let (status, body) = put(&runtime, "/p/proxy/api/upstreams/proxy:many/0", json!({ "override": "drain" })).await;
    assert_eq!((status, &body["targets"][0]["state"]), (StatusCode::OK, &json!("draining")), "{body}");
    assert_eq!(bodies(&runtime, "/", 6).await, ["two"]);
    let encoded = two.url().replace(':', "%3A").replace('/', "%2F");
    let path = format!("/p/proxy/api/upstreams/proxy:many/{encoded}");
    assert_eq!(put(&runtime, &path, json!({ "override": "force_open" })).await.0, StatusCode::OK);
    let (status, _, body) = get(runtime.address(), "/").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && body.contains("upstream_unavailable"), "{body}");
    let named = json!({ "override": "auto", "target": one.url() });
    assert_eq!(put(&runtime, "/p/proxy/api/upstreams/proxy:many", named).await.0, StatusCode::OK);
    assert_eq!(bodies(&runtime, "/", 6).await, ["one"]);
    put(&runtime, &path, json!({ "override": "auto" })).await;
    assert_eq!(bodies(&runtime, "/", 6).await, ["one", "two"]);
    let (_, _, body) = get(runtime.address(), "/p/proxy/api/upstreams").await;
    let all: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&all[0]["name"], &all[0]["of"]), (&json!("proxy:many"), &json!("rule")));
    assert_eq!(all[0]["targets"][1]["override"], "auto");
    for (path, said, status) in [
        ("proxy:none/0", json!({ "override": "drain" }), StatusCode::NOT_FOUND),
        ("proxy:many/9", json!({ "override": "drain" }), StatusCode::NOT_FOUND),
        ("proxy:many/0", json!({ "override": "stop" }), StatusCode::BAD_REQUEST),
        ("proxy:many/0", json!({}), StatusCode::BAD_REQUEST),
        ("proxy:many", json!({ "override": "drain" }), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(put(&runtime, &format!("/p/proxy/api/upstreams/{path}"), said).await.0, status, "{path}");
    }
    runtime.stop().await;
}

#[tokio::test]
async fn a_rule_leads_to_a_service_as_it_is_now() {
    let (one, two) = (saying("one").await, saying("two").await);
    let clusters = Arc::new(Clusters::new());
    clusters.replace([cluster("users", &[one.url()])]);
    let rules = json!({ "rules": [{ "name": "r", "pattern": "^/", "service": "users" }] });
    let runtime = TestRuntime::builder().services(services_of(&clusters)).plugin(ProxyPlugin, rules).start().await;
    assert_eq!(bodies(&runtime, "/", 2).await, ["one"]);
    clusters.replace([cluster("users", &[two.url()])]);
    assert_eq!(bodies(&runtime, "/", 2).await, ["two"]);
    let (_, _, body) = get(runtime.address(), "/p/proxy/api/upstreams").await;
    let all: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&all[0]["name"], &all[0]["of"], all.as_array().unwrap().len()),
        (&json!("users"), &json!("service"), 1)
    );
    clusters.replace([]);
    let (status, _, body) = get(runtime.address(), "/").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && !body.contains("users"), "{body}");
    let (_, _, body) = get(runtime.address(), "/p/proxy/api/rules/static-0").await;
    assert!(body.contains("there is no service `users`"), "{body}");
    runtime.stop().await;
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let clusters = Arc::new(Clusters::new());
    clusters.replace([cluster("users", &[nobody().await]), cluster("orders", &[nobody().await])]);
    let start = |services: Services| async move {
        let rules = json!({ "rules": [{ "name": "r", "pattern": "^/", "service": "usres" }] });
        let policy = buntime_core::Policy { required: vec!["proxy".into()], ..Default::default() };
        let host = Host::builder().services(services).plugin(ProxyPlugin, rules).policy(policy).start().await;
        format!("{:?}", host.expect_err("it does not start"))
    };
    let words = start(services_of(&clusters)).await;
    assert!(words.contains("there is no service `usres`; there is `orders`, `users`"), "{words}");
    let words = start(Services::default()).await;
    assert!(words.contains("this program has no services"), "{words}");
}

#[tokio::test]
async fn a_websocket_takes_a_place_at_its_target_while_it_lives() {
    let upstream = FakeUpstream::start(Router::new().fallback(any(|| async { "plain" }))).await;
    let sockets = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = sockets.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        while let Ok((stream, _)) = sockets.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let targets = json!([{ "url": format!("http://{address}"), "maxConnections": 1 }]);
    let rules = json!([
        { "name": "sockets", "pattern": "^/ws", "upstream": { "targets": targets } },
        { "name": "rest", "pattern": "^/", "target": upstream.url() },
    ]);
    let runtime = proxy(rules).await;
    let address = runtime.address();
    let connect = || async move {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await
    };
    let (mut first, _) = connect().await.unwrap();
    first.send(Message::text("hello")).await.unwrap();
    assert_eq!(first.next().await.unwrap().unwrap(), Message::text("hello"));
    let in_flight = || async {
        let (_, _, body) = get(runtime.address(), "/p/proxy/api/upstreams/proxy:sockets").await;
        serde_json::from_str::<Value>(&body).unwrap()["targets"][0]["in_flight"].clone()
    };
    assert_eq!(in_flight().await, 1);
    let refused = connect().await.expect_err("the only place is taken");
    assert!(refused.to_string().contains("503"), "{refused}");
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    buntime_testing::eventually("its place is free", || async { in_flight().await == 0 }).await;
    let (mut second, _) = connect().await.unwrap();
    second.close(None).await.unwrap();
    runtime.stop().await;
    echo.abort();
}
