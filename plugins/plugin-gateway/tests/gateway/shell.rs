//! The shell in a host: its API, what it is not for, and that it is kept.

use axum::{Router, body::Body, routing::any};
use buntime_core::Host;
use buntime_testing::FakeUpstream;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::common::{api, builder, get, json as read, services};

async fn shell() -> FakeUpstream {
    let answer = any(|request: Request<Body>| async move {
        let base = request.headers().get("x-base").map_or("", |base| base.to_str().unwrap()).to_owned();
        ([("cache-control", "max-age=60")], format!("shell {} {base}", request.uri()))
    });
    FakeUpstream::start(Router::new().fallback(answer)).await
}

async fn post(host: &Host, body: Value) -> (u16, Value) {
    let request = Request::post("/p/gateway/api/shell/excludes").body(Body::from(body.to_string())).unwrap();
    let answer = host.admin_router().oneshot(request).await.unwrap();
    (answer.status().as_u16(), read(answer).await)
}

async fn text(asked: crate::common::Ask, host: &Host) -> String {
    let body = axum::body::to_bytes(asked.to(host).await.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn navigate(path: &str) -> crate::common::Ask {
    get(path).header("sec-fetch-dest", "document")
}

#[tokio::test]
async fn who_navigates_gets_the_shell_and_frames_get_what_is_there() {
    let shell = shell().await;
    let host = builder(json!({
        "shellTarget": shell.url(), "shellExcludes": ["legacy"], "cache": {},
        "rateLimit": { "requests": 6, "window": "1h" },
    }))
    .start()
    .await
    .unwrap();
    // Twice: the cache keeps neither for the other.
    for _ in 0..2 {
        let navigated = navigate("/orders/7?a=b").header("x-base", "/evil").to(&host).await;
        assert_eq!(navigated.headers()["vary"], "Sec-Fetch-Dest, Accept, Cookie");
        let body = axum::body::to_bytes(navigated.into_body(), 1 << 20).await.unwrap();
        assert_eq!(body, "shell /orders/7?a=b /");
        assert_eq!(text(get("/orders/7?a=b").route("r").header("sec-fetch-dest", "iframe"), &host).await, "fine");
    }
    assert_eq!(text(navigate("/legacy/x"), &host).await, "fine");
    assert_eq!(text(navigate("/x").header("cookie", "GATEWAY_SHELL_EXCLUDES=x"), &host).await, "fine");
    // Limits hold for the shell, too.
    assert_eq!(navigate("/").status(&host).await, 429);
    let stats = read(api(&host, "GET", "/stats").await).await;
    assert_eq!((&stats["shell"]["enabled"], &stats["shell"]["excludesCount"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn what_an_operator_excludes_is_kept() {
    let (shell, dir) = (shell().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("data.db");
    let settings = json!({ "shellTarget": shell.url(), "shellExcludes": ["legacy"] });
    let run = || async { builder(settings.clone()).services(services(Some(&file)).await).start().await.unwrap() };
    let host = run().await;
    for (body, status, said) in [
        (json!({}), 400, "basename is required"),
        (json!({ "basename": "a/b" }), 400, "Invalid basename format"),
        (json!({ "basename": "x".repeat(65) }), 400, "Invalid basename format"),
        (json!({ "basename": "legacy" }), 400, "Already excluded via environment"),
    ] {
        let (got, answer) = post(&host, body).await;
        assert_eq!((got, answer["error"].as_str().unwrap()), (status, said));
    }
    assert!(text(navigate("/old/x"), &host).await.starts_with("shell"));
    assert_eq!(post(&host, json!({ "basename": "old" })).await.0, 201);
    assert_eq!(post(&host, json!({ "basename": "old" })).await.0, 200);
    assert_eq!(text(navigate("/old/x"), &host).await, "fine");
    host.stop(std::time::Duration::from_secs(5)).await;

    let host = run().await;
    assert_eq!(text(navigate("/old/x"), &host).await, "fine", "a restart keeps it");
    let all = read(api(&host, "GET", "/shell/excludes").await).await;
    assert_eq!(all, json!([{ "basename": "legacy", "source": "env" }, { "basename": "old", "source": "keyval" }]));
    let fixed = read(api(&host, "DELETE", "/shell/excludes/legacy").await).await;
    assert_eq!(fixed["error"], "Cannot remove environment-based exclude");
    let deleted = read(api(&host, "DELETE", "/shell/excludes/old").await).await;
    assert_eq!(deleted, json!({ "deleted": true, "basename": "old" }));
    assert!(text(navigate("/old/x"), &host).await.starts_with("shell"));
}

#[tokio::test]
async fn a_shell_that_is_away_is_an_error_of_its_own() {
    let gone = shell().await.url();
    let host = builder(json!({ "shellTarget": gone })).start().await.unwrap();
    assert_eq!(navigate("/").status(&host).await, 502);
    assert_eq!(get("/x/y").status(&host).await, 200);
}
