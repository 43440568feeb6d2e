//! What is tried again, and what is not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{body::Body, response::Response};
use buntime_core::ErrorKind;
use buntime_testing::{RawUpstream, eventually};
use serde_json::json;

use crate::backend::{Backend, get, nobody, open, request, send};

fn pieces(count: usize, piece: &'static str) -> Body {
    Body::from_stream(futures_util::stream::iter((0..count).map(move |_| Ok::<_, std::io::Error>(piece))))
}

#[tokio::test]
async fn idempotent_requests_survive_targets_that_are_killed_and_restored() {
    let mut backends = [Backend::saying("a").await, Backend::saying("b").await, Backend::saying("c").await];
    let targets: Vec<_> = backends.iter().map(|backend| json!({ "url": backend.url() })).collect();
    let cluster = open(json!({ "targets": targets, "retries": 3 }));
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (cluster, stop, done) = (Arc::clone(&cluster), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(SeqCst) {
                    match get(&cluster).await {
                        Ok((200, _)) => {}
                        other => failed.push(format!("{other:?}")),
                    }
                    done.fetch_add(1, SeqCst);
                }
                failed
            })
        })
        .collect();
    let more = async || {
        let enough = done.load(SeqCst) + 60;
        eventually("requests go on", async || done.load(SeqCst) > enough).await;
    };
    for round in 0..6 {
        more().await;
        backends[round % 3].kill().await;
        more().await;
        backends[round % 3].restore().await;
    }
    stop.store(true, SeqCst);
    for client in clients {
        assert_eq!(client.await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn retries_do_not_multiply_an_outage() {
    let (one, two) = (Backend::failing(503).await, Backend::failing(503).await);
    let cluster = open(json!({ "targets": [{ "url": one.url() }, { "url": two.url() }], "retries": 5,
        "retry": { "budget": { "percent": 20, "perSecond": 1 }, "backoff": "1ms" } }));
    for _ in 0..200 {
        assert_eq!(get(&cluster).await.unwrap().0, 503);
    }
    let attempts = one.hits() + two.hits();
    // Ten seconds' worth to begin with, a fifth of the requests, and what the time the test takes is worth.
    assert!((210..=290).contains(&attempts), "{attempts} attempts for 200 requests");
    assert_eq!(cluster.report().retries as usize, attempts - 200);
}

#[tokio::test]
async fn a_request_that_was_sent_is_repeated_only_if_it_may_be() {
    let (bad, good) = (Backend::failing(503).await, Backend::saying("good").await);
    let targets = json!([{ "url": bad.url() }, { "url": good.url(), "priority": 1 }]);
    let cluster = open(json!({ "targets": targets }));
    assert_eq!(send(&cluster, request("GET", "/", Body::empty())).await.unwrap().1, "good");
    assert_eq!(send(&cluster, request("PUT", "/", "body")).await.unwrap().1, "good");
    assert_eq!(send(&cluster, request("POST", "/", "body")).await.unwrap(), (503, "failed".to_owned()));
    let allowed = open(json!({ "targets": targets, "retry": { "methods": ["POST"] } }));
    assert_eq!(send(&allowed, request("POST", "/", "body")).await.unwrap().1, "good");
    let never = open(json!({ "targets": targets, "retries": 0 }));
    assert_eq!(get(&never).await.unwrap().0, 503);
    let broken = Backend::failing(500).await;
    let cluster = open(json!({ "targets": [{ "url": broken.url() }, { "url": good.url(), "priority": 1 }] }));
    assert_eq!(get(&cluster).await.unwrap().0, 500, "what the program has to say");
    assert_eq!(cluster.report().targets[0].failures, 1, "but a failure");
}

#[tokio::test]
async fn a_request_nobody_got_goes_to_another_target_with_its_whole_body() {
    let length = |request: axum::extract::Request| async move {
        let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
        Response::new(Body::from(body.len().to_string()))
    };
    let good = Backend::start(length).await;
    let cluster = open(json!({ "targets": [{ "url": nobody().await }, { "url": good.url(), "priority": 1 }] }));
    assert_eq!(send(&cluster, request("POST", "/", pieces(300, "0123456789"))).await.unwrap().1, "3000");
    assert_eq!(send(&cluster, request("POST", "/", pieces(100_000, "0123456789"))).await.unwrap().1, "1000000");
}

#[tokio::test]
async fn a_small_body_is_kept_to_be_sent_again_and_a_long_one_is_not() {
    let reading = Backend::start(|request| async move {
        let _ = axum::body::to_bytes(request.into_body(), 1 << 24).await;
        Response::builder().status(503).body(Body::empty()).unwrap()
    })
    .await;
    let good = Backend::start(|request| async move {
        let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
        Response::new(Body::from(body))
    })
    .await;
    let cluster = open(json!({ "targets": [{ "url": reading.url() }, { "url": good.url(), "priority": 1 }],
        "retry": { "maxBody": "1kb" } }));
    assert_eq!(send(&cluster, request("PUT", "/", pieces(10, "ab"))).await.unwrap().1, "ab".repeat(10));
    assert_eq!(send(&cluster, request("PUT", "/", pieces(600, "ab"))).await.unwrap().0, 503);
}

#[tokio::test]
async fn the_only_target_is_tried_again_after_a_pause() {
    let count = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&count);
    let flaky = Backend::start(move |_| {
        let first = shared.fetch_add(1, SeqCst) == 0;
        async move {
            let status = if first { 502 } else { 200 };
            Response::builder().status(status).body(Body::from("done")).unwrap()
        }
    })
    .await;
    let cluster = open(json!({ "targets": [{ "url": flaky.url() }], "retry": { "backoff": "2ms" } }));
    assert_eq!(get(&cluster).await.unwrap(), (200, "done".to_owned()));
    assert_eq!(count.load(SeqCst), 2);
}

#[tokio::test]
async fn each_attempt_and_all_together_have_their_time() {
    let mute = RawUpstream::start(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let good = Backend::saying("good").await;
    let targets = json!([{ "url": mute.url() }, { "url": good.url(), "priority": 1 }]);
    let cluster = open(json!({ "targets": targets, "tryTimeout": "20ms" }));
    assert_eq!(get(&cluster).await.unwrap().1, "good");
    let post = send(&cluster, request("POST", "/", "body")).await.unwrap_err();
    assert_eq!(post.kind(), ErrorKind::UpstreamTimeout, "it may have been received");
    let cluster = open(json!({ "targets": targets, "timeout": "20ms", "retries": 10 }));
    assert_eq!(get(&cluster).await.unwrap_err().kind(), ErrorKind::UpstreamTimeout);
    assert_eq!(cluster.report().targets[0].in_flight, 0);
}

#[tokio::test]
async fn when_all_fail_the_client_is_told_nothing_internal() {
    let (one, two) = (nobody().await, nobody().await);
    let cluster = open(json!({ "targets": [{ "url": one }, { "url": two }], "retry": { "backoff": "1ms" } }));
    let error = get(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamUnreachable);
    assert!(error.attempts().is_empty() && !error.detail().contains("127.0.0.1"), "{error:?}");
    let report = error.report();
    assert!(report.contains(&one) && report.contains(&two) && report.contains("refused"), "{report}");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let mute = Backend::start(|_| std::future::pending()).await;
    let cluster = open(json!({ "targets": [{ "url": mute.url() }] }));
    let gone = tokio::time::timeout(Duration::from_millis(30), get(&cluster)).await;
    assert!(gone.is_err());
    assert_eq!(cluster.report().targets[0].in_flight, 0);
    assert_eq!(cluster.report().targets[0].failures, 0, "the client's doing");
}
