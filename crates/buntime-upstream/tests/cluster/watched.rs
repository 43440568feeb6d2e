//! Active health checks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use axum::{body::Body, response::Response};
use buntime_testing::{RawUpstream, eventually};
use buntime_upstream::{Cluster, cluster::TargetState};
use serde_json::json;

use crate::backend::{Backend, get, open};

fn state(cluster: &Cluster, target: usize) -> TargetState {
    cluster.report().targets[target].state
}

#[tokio::test]
async fn a_target_whose_checks_fail_is_out_until_they_succeed() {
    let well = Arc::new(AtomicBool::new(true));
    let shared = Arc::clone(&well);
    let backend = Backend::start(move |request| {
        let bad = request.uri().path() == "/health" && !shared.load(SeqCst);
        async move { Response::builder().status(if bad { 418 } else { 200 }).body(Body::from("first")).unwrap() }
    })
    .await;
    let other = Backend::saying("other").await;
    // Below a prefix; its health is not.
    let url = format!("{}/below", backend.url());
    let cluster = open(json!({ "targets": [{ "url": url }, { "url": other.url(), "priority": 1 }],
        "health": { "active": { "path": "/health", "interval": "2ms", "timeout": "5s" } } }));
    assert_eq!(get(&cluster).await.unwrap().1, "first");
    well.store(false, SeqCst);
    eventually("it is out", async || state(&cluster, 0) == TargetState::Unhealthy).await;
    assert_eq!(get(&cluster).await.unwrap().1, "other");
    let report = cluster.report();
    assert_eq!(report.targets[0].last_error.as_ref().unwrap().message, "health check: answered 418");
    well.store(true, SeqCst);
    eventually("it is back", async || state(&cluster, 0) == TargetState::Healthy).await;
    assert_eq!(get(&cluster).await.unwrap().1, "first");
}

#[tokio::test]
async fn a_health_path_that_never_answers_is_a_failure_and_never_piles_up() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, top) = (Arc::clone(&now), Arc::clone(&most));
    let mute = RawUpstream::start(move |mut stream, _| {
        let (now, most) = (Arc::clone(&count), Arc::clone(&top));
        async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            // Until the other side gives up.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            now.fetch_sub(1, SeqCst);
        }
    })
    .await;
    let other = Backend::saying("other").await;
    let cluster = open(json!({ "targets": [{ "url": mute.url() }, { "url": other.url() }],
        "health": { "active": { "interval": "1ms", "timeout": "10ms", "unhealthyAfter": 2 } } }));
    eventually("it is out", async || state(&cluster, 0) == TargetState::Unhealthy).await;
    for _ in 0..10 {
        assert_eq!(get(&cluster).await.unwrap().1, "other");
    }
    // One that is being given up may still be there when the next begins.
    assert!(most.load(SeqCst) <= 2, "{} at a time", most.load(SeqCst));
}
