//! Mirroring.

use axum::{body::Body, response::Response};
use buntime_testing::eventually;
use serde_json::json;
use tokio::sync::mpsc;

use crate::backend::{Backend, get, open, request, send};

/// A shadow target that tells what it got.
async fn shadow() -> (Backend, mpsc::UnboundedReceiver<String>) {
    let (seen, got) = mpsc::unbounded_channel();
    let backend = Backend::start(move |request| {
        let seen = seen.clone();
        async move {
            let mark = request.headers().get("x-buntime-shadow").is_some();
            let what = format!("{} {} {mark}", request.method(), request.uri());
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let _ = seen.send(format!("{what} {}", String::from_utf8_lossy(&body)));
            Response::builder().status(500).body(Body::from("nobody reads this")).unwrap()
        }
    })
    .await;
    (backend, got)
}

#[tokio::test]
async fn a_shadow_gets_a_copy_of_what_the_target_gets() {
    let (copies, mut got) = shadow().await;
    let length = Backend::start(|request| async move {
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        Response::new(Body::from(body.len().to_string()))
    })
    .await;
    let cluster = open(json!({ "targets": [{ "url": length.url() }],
        "mirror": { "target": format!("{}/shadow", copies.url()), "maxBody": "1kb" } }));
    assert_eq!(send(&cluster, request("GET", "/a?b", Body::empty())).await.unwrap().1, "0");
    assert_eq!(got.recv().await.unwrap(), "GET /shadow/a?b true ");
    assert_eq!(send(&cluster, request("POST", "/c", "a body")).await.unwrap().1, "6");
    assert_eq!(got.recv().await.unwrap(), "POST /shadow/c true a body");
    let pieces = futures_util::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>("123456789 ")));
    assert_eq!(send(&cluster, request("POST", "/long", Body::from_stream(pieces))).await.unwrap().1, "3000");
    assert_eq!(send(&cluster, request("POST", "/big", "x".repeat(2000))).await.unwrap().1, "2000");
    send(&cluster, request("GET", "/last", Body::empty())).await.unwrap();
    assert_eq!(got.recv().await.unwrap(), "GET /shadow/last true ", "the long ones were not copied");
    eventually("all are counted", async || cluster.report().mirror.unwrap().sent == 3).await;
    assert_eq!(cluster.report().mirror.unwrap().failed, 0);
}

#[tokio::test]
async fn a_shadow_that_hangs_slows_nobody() {
    let hangs = Backend::start(|_| std::future::pending()).await;
    let good = Backend::saying("good").await;
    let cluster = open(json!({ "targets": [{ "url": good.url() }],
        "mirror": { "target": hangs.url(), "timeout": "60s", "maxInFlight": 5 } }));
    for _ in 0..50 {
        assert_eq!(get(&cluster).await.unwrap().1, "good");
    }
    eventually("as many as may be", async || hangs.hits() == 5).await;
    assert_eq!(cluster.report().mirror.unwrap().skipped, 45);
}

#[tokio::test]
async fn a_share_of_the_requests() {
    let (copies, _got) = shadow().await;
    let good = Backend::saying("good").await;
    let cluster = open(json!({ "targets": [{ "url": good.url() }],
        "mirror": { "target": copies.url(), "percent": 0 } }));
    for _ in 0..20 {
        get(&cluster).await.unwrap();
    }
    assert_eq!((copies.hits(), cluster.report().mirror.unwrap().skipped), (0, 0));
}
