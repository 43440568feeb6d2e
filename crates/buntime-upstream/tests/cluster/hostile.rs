//! Upstreams that close mid-body, send half a head, reset, or stream for ever.

use axum::{body::Body, response::Response};
use buntime_core::ErrorKind;
use buntime_testing::RawUpstream;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::backend::{Backend, call, get, open, request, send};

fn with_passive(targets: &Value) -> Value {
    json!({ "targets": targets, "health": { "passive": { "failures": 1, "window": "60s" } } })
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_and_counted_and_never_repeated() {
    let cut = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let good = Backend::saying("good").await;
    let cluster = open(with_passive(&json!([{ "url": cut.url() }, { "url": good.url(), "priority": 1 }])));
    let answer = cluster.send(request("GET", "/", Body::empty()), &call()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(good.hits(), 0);
    let report = cluster.report();
    assert_eq!((report.targets[0].failures, report.targets[0].in_flight), (1, 0));
    assert!(report.targets[0].last_error.as_ref().unwrap().message.contains("broke off"));
    assert_eq!(get(&cluster).await.unwrap().1, "good", "it is left alone for a while");
}

#[tokio::test]
async fn what_is_no_answer_is_asked_for_elsewhere() {
    let good = Backend::saying("good").await;
    for bytes in
        [&b"HTTP/1.1 20"[..], b"", b"HTTP/1.1 200 OK\r\nx: y\r\n", b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\0\x02"]
    {
        let bad = RawUpstream::answering(bytes).await;
        let cluster = open(json!({ "targets": [{ "url": bad.url() }, { "url": good.url(), "priority": 1 }] }));
        assert_eq!(get(&cluster).await.unwrap().1, "good", "{bytes:?}");
        let post = send(&cluster, request("POST", "/", "x")).await.unwrap_err();
        assert!(matches!(post.kind(), ErrorKind::UpstreamUnreachable | ErrorKind::UpstreamProtocol), "{post:?}");
    }
}

#[tokio::test]
async fn a_reset_is_survived() {
    let resets = RawUpstream::start(|stream, _| async move {
        // What was sent and never read makes the kernel answer with a reset.
        drop(stream);
    })
    .await;
    let good = Backend::saying("good").await;
    let cluster = open(json!({ "targets": [{ "url": resets.url() }, { "url": good.url(), "priority": 1 }] }));
    for _ in 0..20 {
        assert_eq!(send(&cluster, request("PUT", "/", "x".repeat(1000))).await.unwrap().1, "good");
    }
}

#[tokio::test]
async fn a_stream_without_end_holds_its_place_and_no_more() {
    let endless = Backend::start(|_| async {
        let pieces = stream::unfold((), |()| async {
            tokio::task::yield_now().await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024])), ()))
        });
        Response::new(Body::from_stream(pieces))
    })
    .await;
    let cluster = open(json!({ "targets": [{ "url": endless.url(), "maxConnections": 1 }], "timeout": "5s" }));
    let mut body = cluster.send(request("GET", "/", Body::empty()), &call()).await.unwrap().into_body();
    for _ in 0..100 {
        body.frame().await.unwrap().unwrap();
    }
    let error = cluster.send(request("GET", "/", Body::empty()), &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OverCapacity);
    assert!(error.headers().contains_key("retry-after"));
    drop(body);
    assert!(cluster.send(request("GET", "/", Body::empty()), &call()).await.is_ok());
}

#[tokio::test]
async fn a_breaker_opens_and_its_probes_do_not_crowd() {
    let failing = Backend::failing(500).await;
    let cluster = open(json!({ "targets": [{ "url": failing.url() }], "retries": 0,
        "breaker": { "failures": 3, "window": "60s", "open": "1ms", "halfOpenProbes": 2, "successes": 2 } }));
    for _ in 0..3 {
        assert_eq!(get(&cluster).await.unwrap().0, 500);
    }
    let before = failing.hits();
    let all = (0..100).map(|_| get(&cluster));
    let answers = futures_util::future::join_all(all).await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(failing.hits() - before, 100 - refused);
    assert!(refused > 50, "{refused}");
    let error = answers.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::UpstreamUnavailable);
    assert!(error.headers().contains_key("retry-after"));
}
