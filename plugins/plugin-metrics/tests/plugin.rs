//! The plugin in a host: what it counts, what its endpoints answer, what a reload keeps.

use std::time::Duration;

use axum::{Router, body::Body, extract::Path, routing::get};
use buntime_core::Host;
use buntime_testing::eventually;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode, header};
use plugin_metrics::MetricsPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn host(settings: Value) -> Host {
    Host::builder().plugin(MetricsPlugin, settings).start().await.unwrap()
}

fn app(host: &Host) -> Router {
    Router::new()
        .route(
            "/users/{id}",
            get(|Path(id): Path<String>| async move { id }).post(|| async { StatusCode::IM_A_TEAPOT }),
        )
        .merge(host.router())
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(host.layer())
}

async fn send(app: &Router, method: &str, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn stats(app: &Router) -> Value {
    serde_json::from_str(&text(send(app, "GET", "/p/metrics/api/stats").await).await).unwrap()
}

async fn lines(app: &Router, beginning: &str) -> Vec<String> {
    let all = text(send(app, "GET", "/p/metrics/api/prometheus").await).await;
    all.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_class() {
    let host = host(json!({})).await;
    let app = app(&host);
    for id in 0..3 {
        assert_eq!(text(send(&app, "GET", &format!("/users/{id}")).await).await, id.to_string());
    }
    text(send(&app, "POST", "/users/7").await).await;
    text(send(&app, "FROB", "/nowhere/4711").await).await;
    let counted = lines(&app, "buntime_http_requests_total").await;
    assert_eq!(
        counted,
        [
            r#"buntime_http_requests_total{route="/users/{id}",method="GET",status="2xx"} 3"#,
            r#"buntime_http_requests_total{route="/users/{id}",method="POST",status="4xx"} 1"#,
            r#"buntime_http_requests_total{route="unmatched",method="OTHER",status="4xx"} 1"#,
        ]
    );
    let bytes = lines(&app, r#"buntime_http_response_bytes_total{route="/users"#).await;
    assert_eq!(bytes, [r#"buntime_http_response_bytes_total{route="/users/{id}"} 3"#]);
    // The request that asks is itself under way.
    assert_eq!(lines(&app, "buntime_http_requests_in_flight").await, ["buntime_http_requests_in_flight 1"]);
    assert!(!text(send(&app, "GET", "/p/metrics/api/prometheus").await).await.contains("4711"), "a raw path");
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_told_apart() {
    let host = host(json!({})).await;
    let waits = Router::new().route("/waits", get(std::future::pending::<()>)).layer(host.layer());
    let request = Request::builder().uri("/waits").body(Body::empty()).unwrap();
    let left = tokio::time::timeout(Duration::from_millis(20), waits.oneshot(request)).await;
    assert!(left.is_err(), "it never answers");
    let app = app(&host);
    eventually("the client that left is counted", || async {
        let all = lines(&app, r#"buntime_http_requests_aborted_total{route="/waits""#).await;
        all == [
            r#"buntime_http_requests_aborted_total{route="/waits",ended="client_gone"} 1"#,
            r#"buntime_http_requests_aborted_total{route="/waits",ended="broken"} 0"#,
        ]
    })
    .await;
    assert_eq!(stats(&app).await["requests"]["inFlight"], 1);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn hooks_and_plugins_are_reported() {
    let host = host(json!({})).await;
    let app = app(&host);
    text(send(&app, "GET", "/users/1").await).await;
    let calls = r#"buntime_plugin_hook_total{plugin="metrics",kind="http",hook="complete",outcome="continue"} "#;
    assert_eq!(lines(&app, calls).await, [format!("{calls}1")]);
    let state = r#"buntime_plugin_state{plugin="metrics",state="active"} "#;
    assert_eq!(lines(&app, state).await, [format!("{state}1")]);
    let breaker = r#"buntime_plugin_breaker_state{plugin="metrics"} "#;
    assert_eq!(lines(&app, breaker).await, [format!("{breaker}0")]);
    let json = stats(&app).await;
    assert_eq!(json["plugins"][0]["plugin"], "metrics");
    assert_eq!(json["plugins"][0]["hooks"][0]["set"], "requests");
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_endpoints_say_what_they_are() {
    let host = host(json!({})).await;
    let app = app(&host);
    let kind = |response: &Response<Body>| response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let prometheus = send(&app, "GET", "/p/metrics/api/prometheus").await;
    assert_eq!(kind(&prometheus), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(prometheus.headers()[header::CACHE_CONTROL], "no-store");
    for path in ["/p/metrics/api", "/p/metrics/api/", "/p/metrics/api/stats"] {
        let stats = send(&app, "GET", path).await;
        assert_eq!((stats.status(), kind(&stats).as_str()), (StatusCode::OK, "application/json"), "{path}");
    }
    assert_eq!(send(&app, "POST", "/p/metrics/api/stats").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn prometheus_can_be_switched_off() {
    let host = host(json!({ "prometheus": false })).await;
    let answer = send(&app(&host), "GET", "/p/metrics/api/prometheus").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert!(text(answer).await.contains("switched off"));
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn admin_access_leaves_the_public_router() {
    let host = host(json!({ "access": "admin" })).await;
    assert_eq!(send(&app(&host), "GET", "/p/metrics/api/stats").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(send(&host.admin_router(), "GET", "/p/metrics/api/stats").await.status(), StatusCode::OK);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_stream_begins_at_once_goes_on_and_ends_with_the_plugin() {
    let host = host(json!({ "sseInterval": "100ms", "maxStreams": 1 })).await;
    let app = app(&host);
    let response = send(&app, "GET", "/p/metrics/api/sse").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut pieces = response.into_body().into_data_stream();
    let event = |piece: &[u8]| -> Value {
        let text = std::str::from_utf8(piece).unwrap();
        serde_json::from_str(text.strip_prefix("data: ").unwrap().trim_end()).unwrap()
    };
    let first = event(&pieces.next().await.unwrap().unwrap());
    assert_eq!((&first["requests"]["inFlight"], &first["requests"]["perSecond"]), (&json!(1), &Value::Null));
    text(send(&app, "GET", "/users/1").await).await;
    let second = event(&pieces.next().await.unwrap().unwrap());
    assert!(second["requests"]["perSecond"].as_f64().unwrap() > 0.0, "{second}");

    let refused = send(&app, "GET", "/p/metrics/api/sse").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");

    let stopping = tokio::spawn(async move { host.stop(Duration::from_secs(5)).await });
    while let Some(piece) = pieces.next().await {
        piece.unwrap();
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_stream_does_not_hold_up_draining() {
    let host = host(json!({})).await;
    let app = app(&host);
    let pieces = send(&app, "GET", "/p/metrics/api/sse").await.into_body().into_data_stream();
    host.drain();
    assert!(pieces.all(|piece| async move { piece.is_ok() }).await, "it ends, and whole");
    assert_eq!(send(&app, "GET", "/p/metrics/api/stats").await.status(), StatusCode::OK, "all else goes on");
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_stream_that_is_closed_makes_room() {
    let host = host(json!({ "maxStreams": 1 })).await;
    let app = app(&host);
    let open = send(&app, "GET", "/p/metrics/api/sse").await;
    assert_eq!(send(&app, "GET", "/p/metrics/api/sse").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(open);
    assert_eq!(send(&app, "GET", "/p/metrics/api/sse").await.status(), StatusCode::OK);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_restart_keeps_the_counts() {
    let host = host(json!({})).await;
    text(send(&app(&host), "GET", "/users/1").await).await;
    host.restart(&"metrics".into()).await.unwrap();
    let kept = lines(&app(&host), r#"buntime_http_requests_total{route="/users/{id}""#).await;
    assert_eq!(kept, [r#"buntime_http_requests_total{route="/users/{id}",method="GET",status="2xx"} 1"#]);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_openapi_fragment_names_every_endpoint() {
    let host = host(json!({})).await;
    let fragments = host.live().openapi();
    assert_eq!(fragments[0].0, "/p/metrics");
    insta::assert_json_snapshot!(fragments[0].1);
    host.stop(Duration::from_secs(5)).await;
}
