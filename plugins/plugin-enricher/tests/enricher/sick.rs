//! APIs that are slow, hang, fail, or say too much or nonsense.

use std::time::Duration;

use axum::body::Body;
use buntime_core::{Clock, services::Services};
use buntime_testing::RawUpstream;
use bytes::Bytes;
use http::Response;
use serde_json::json;

use crate::common::{Api, get, json_answer, send, start, stats, tier, with};

fn endless(first: &'static str) -> Response<Body> {
    let rest = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
    let stream =
        futures_util::StreamExt::chain(futures_util::stream::iter([Ok(Bytes::from_static(first.as_bytes()))]), rest);
    Response::builder().header("content-type", "application/json").body(Body::from_stream(stream)).unwrap()
}

#[tokio::test]
async fn what_fails_refuses_the_request_or_lets_it_go_on() {
    for (answer, status, word) in [
        ((|_| json_answer(500, &json!({ "tier": "gold" }))) as fn(usize) -> Response<Body>, 502, "status"),
        (|_| json_answer(403, &json!({})), 502, "status"),
        (|_| Response::new(Body::from("<html>hunter2")), 502, "no_json"),
        (|_| Response::new(Body::from("[".repeat(10_000))), 502, "no_json"),
        (|_| Response::new(Body::from(&b"{\"tier\":\"\xff\"}"[..])), 502, "no_json"),
        (|_| endless("{"), 502, "too_large"),
        (|_| Response::new(Body::from(vec![b' '; 300 << 10])), 502, "too_large"),
        (
            |_| Response::new(Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>())),
            504,
            "timeout",
        ),
    ] {
        let api = Api::start(answer).await;
        let strict = start(tier(api.url("/"), json!({ "timeout": "300ms" }))).await;
        let came = send(&strict, get("/", &[])).await;
        assert_eq!(
            (came.status, came.code().as_str(), came.reached.is_some()),
            (status, "enrichment_failed", false),
            "{word}"
        );
        assert!(!came.text.contains("hunter2"));
        assert_eq!(stats(&strict).await["failedBy"][word], 1, "{word}");
        let lax = start(tier(api.url("/"), json!({ "timeout": "300ms", "onFailure": "continue" }))).await;
        let came = send(&lax, get("/", &[("x-tier", "forged")])).await;
        assert_eq!((came.status, came.reached().headers.get("x-tier")), (200, None), "{word}");
    }
}

#[tokio::test]
async fn a_connection_that_hangs_or_is_not_there() {
    let hanging = RawUpstream::start(|stream, _| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let host = start(tier(hanging.url(), json!({ "timeout": "100ms" }))).await;
    assert_eq!(send(&host, get("/", &[])).await.status, 504);
    let nonsense = RawUpstream::answering(b"SSH-2.0-OpenSSH\r\n").await;
    let host = start(tier(nonsense.url(), json!({}))).await;
    assert_eq!(send(&host, get("/", &[])).await.status, 502);
    // Nobody listens where a listener was.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let host = start(tier(format!("http://{gone}/"), json!({}))).await;
    assert_eq!(
        (send(&host, get("/", &[])).await.status, stats(&host).await["failedBy"]["unreachable"].clone()),
        (502, json!(1))
    );
}

#[tokio::test]
async fn what_may_be_repeated_is() {
    let flaky = |number: usize| {
        if number.is_multiple_of(3) {
            json_answer(200, &json!({ "tier": "gold" }))
        } else {
            json_answer(503, &json!({}))
        }
    };
    let api = Api::start(flaky).await;
    let host = start(tier(api.url("/"), json!({ "retries": 2 }))).await;
    assert_eq!(send(&host, get("/", &[])).await.reached().headers["x-tier"], "gold");
    assert_eq!(api.seen().len(), 3);
    let once = Api::start(|_| json_answer(400, &json!({}))).await;
    let host = start(tier(once.url("/"), json!({ "retries": 5 }))).await;
    assert_eq!(
        (send(&host, get("/", &[])).await.status, once.seen().len()),
        (502, 1),
        "what would fail again is not repeated"
    );
    let sick = Api::start(|_| json_answer(503, &json!({}))).await;
    let host = start(tier(sick.url("/"), json!({ "retries": 5, "timeout": "200ms" }))).await;
    let came = send(&host, get("/", &[])).await;
    assert!(came.status == 504 || came.status == 502, "all of it keeps its time");
}

#[tokio::test]
async fn a_circuit_opens_and_closes_again() {
    let api = Api::start(|number| {
        if number <= 3 { json_answer(500, &json!({})) } else { json_answer(200, &json!({ "tier": "gold" })) }
    })
    .await;
    let clock = Clock::fake();
    let circuit = json!({ "failures": 3, "window": "60s", "open": "30s", "halfOpenProbes": 1, "successes": 1 });
    let host = with(tier(api.url("/"), json!({ "circuit": circuit })), Services::default(), clock.clone()).await;
    for _ in 0..3 {
        assert_eq!(send(&host, get("/", &[])).await.status, 502);
    }
    for _ in 0..5 {
        assert_eq!(send(&host, get("/", &[])).await.status, 503);
    }
    assert_eq!((api.seen().len(), stats(&host).await["circuit"].clone()), (3, json!("open")));
    clock.advance(Duration::from_secs(31));
    assert_eq!(send(&host, get("/", &[])).await.status, 200);
    assert_eq!(stats(&host).await["circuit"], "closed");
}

#[tokio::test]
async fn the_hook_has_the_time_of_its_calls() {
    let host = start(json!({ "calls": [tier("http://127.0.0.1:9/".to_owned(), json!({ "timeout": "30s" })), tier("http://127.0.0.1:9/".to_owned(), json!({}))] })).await;
    let explained = serde_json::to_value(host.live().explain(None, None).await.unwrap()).unwrap().to_string();
    assert!(explained.contains("\"timeout\":40.0"), "{explained}");
}
