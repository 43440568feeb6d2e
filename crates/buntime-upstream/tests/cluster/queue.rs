//! Waiting for a target.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use buntime_core::ErrorKind;
use buntime_testing::eventually;
use buntime_upstream::{Cluster, Override};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use crate::backend::{Backend, open, request, send};

/// Says which path was asked for, then waits for a permit.
async fn gated() -> (Backend, Arc<Semaphore>, mpsc::UnboundedReceiver<String>) {
    let gate = Arc::new(Semaphore::new(0));
    let (seen, paths) = mpsc::unbounded_channel();
    let shared = Arc::clone(&gate);
    let backend = Backend::start(move |request| {
        let (gate, seen) = (Arc::clone(&shared), seen.clone());
        async move {
            let _ = seen.send(request.uri().path().to_owned());
            gate.acquire().await.unwrap().forget();
            Response::new(Body::from("done"))
        }
    })
    .await;
    (backend, gate, paths)
}

fn settings(backend: &Backend, queue: &Value) -> Value {
    json!({ "targets": [{ "url": backend.url(), "maxConnections": 1 }], "queue": queue, "retries": 0 })
}

fn ask(cluster: &Arc<Cluster>, path: &str) -> JoinHandle<Result<(u16, String), buntime_core::Error>> {
    let (cluster, path) = (Arc::clone(cluster), path.to_owned());
    tokio::spawn(async move { send(&cluster, request("GET", &path, Body::empty())).await })
}

async fn queued(cluster: &Cluster, count: u32) {
    eventually("they wait", async || cluster.report().queued == count).await;
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_arrival() {
    let (backend, gate, mut paths) = gated().await;
    let cluster = open(settings(&backend, &json!({ "max": 10, "timeout": "60s" })));
    let mut asked = vec![ask(&cluster, "/0")];
    assert_eq!(paths.recv().await.unwrap(), "/0");
    for number in 1..8u32 {
        asked.push(ask(&cluster, &format!("/{number}")));
        queued(&cluster, number).await;
    }
    gate.add_permits(8);
    for number in 1..8 {
        assert_eq!(paths.recv().await.unwrap(), format!("/{number}"));
    }
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap().0, 200);
    }
    assert_eq!(cluster.report().queued, 0);
}

#[tokio::test]
async fn the_queue_has_an_end_and_patience_too() {
    let (backend, gate, mut paths) = gated().await;
    let cluster = open(settings(&backend, &json!({ "max": 1, "timeout": "40ms" })));
    let first = ask(&cluster, "/first");
    paths.recv().await.unwrap();
    let waits = ask(&cluster, "/waits");
    queued(&cluster, 1).await;
    let over = ask(&cluster, "/over").await.unwrap().unwrap_err();
    assert_eq!(over.kind(), ErrorKind::OverCapacity);
    assert!(over.headers().contains_key("retry-after"));
    assert_eq!(waits.await.unwrap().unwrap_err().kind(), ErrorKind::OverCapacity);
    assert_eq!(cluster.report().queued, 0);
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().0, 200);
}

#[tokio::test]
async fn who_leaves_the_queue_makes_room() {
    let (backend, gate, mut paths) = gated().await;
    let cluster = open(settings(&backend, &json!({ "max": 2, "timeout": "60s" })));
    let first = ask(&cluster, "/first");
    paths.recv().await.unwrap();
    let leaves = ask(&cluster, "/leaves");
    queued(&cluster, 1).await;
    let stays = ask(&cluster, "/stays");
    queued(&cluster, 2).await;
    leaves.abort();
    queued(&cluster, 1).await;
    gate.add_permits(2);
    assert_eq!(paths.recv().await.unwrap(), "/stays");
    assert_eq!(first.await.unwrap().unwrap().0, 200);
    assert_eq!(stays.await.unwrap().unwrap().0, 200);
    eventually("all places are free", async || cluster.report().targets[0].in_flight == 0).await;
}

#[tokio::test]
async fn who_waits_goes_to_a_target_that_comes_back_and_is_told_when_none_is_left() {
    let (backend, _gate, mut paths) = gated().await;
    let other = Backend::saying("other").await;
    let cluster = open(json!({ "targets": [{ "url": backend.url(), "maxConnections": 1 }, { "url": other.url() }],
        "queue": { "timeout": "60s" }, "retries": 0 }));
    cluster.set(&other.url(), Override::Drain).unwrap();
    let _busy = ask(&cluster, "/busy");
    paths.recv().await.unwrap();
    let waits = ask(&cluster, "/waits");
    queued(&cluster, 1).await;
    cluster.set(&other.url(), Override::Auto).unwrap();
    assert_eq!(waits.await.unwrap().unwrap().1, "other");
    cluster.set(&other.url(), Override::Drain).unwrap();
    let waits = ask(&cluster, "/waits");
    queued(&cluster, 1).await;
    cluster.set(&backend.url(), Override::Drain).unwrap();
    assert_eq!(waits.await.unwrap().unwrap_err().kind(), ErrorKind::UpstreamUnavailable);
}

#[tokio::test]
async fn who_waits_notices_that_a_targets_time_out_is_over() {
    let (backend, _gate, mut paths) = gated().await;
    let failing = Backend::failing(500).await;
    let cluster = open(
        json!({ "targets": [{ "url": failing.url() }, { "url": backend.url(), "maxConnections": 1, "priority": 1 }],
        "queue": { "timeout": "60s" }, "health": { "passive": { "failures": 1, "window": "60ms" } } }),
    );
    assert_eq!(ask(&cluster, "/").await.unwrap().unwrap().0, 500);
    let _busy = ask(&cluster, "/busy");
    paths.recv().await.unwrap();
    assert_eq!(ask(&cluster, "/waits").await.unwrap().unwrap().0, 500, "by the target that is back");
}

#[tokio::test]
async fn who_is_repeated_does_not_wait_for_its_own_place_or_for_who_waits_for_it() {
    let (one, two) = (Backend::failing(503).await, Backend::failing(503).await);
    let target = |backend: &Backend| json!({ "url": backend.url(), "maxConnections": 1 });
    for targets in [json!([target(&one)]), json!([target(&one), target(&two)])] {
        let cluster = open(json!({ "targets": targets, "queue": { "max": 10, "timeout": "60s" }, "retries": 2 }));
        let asked: Vec<_> = (0..4).map(|number| ask(&cluster, &format!("/{number}"))).collect();
        for one in asked {
            let answer = tokio::time::timeout(Duration::from_secs(20), one).await.expect("it waits for itself");
            assert_eq!(answer.unwrap().unwrap().0, 503);
        }
        assert!(cluster.report().targets.iter().all(|target| target.in_flight == 0));
    }
}

#[tokio::test]
async fn no_place_is_lost_in_a_crowd() {
    let backend = Backend::saying("well").await;
    let cluster = open(json!({ "targets": [{ "url": backend.url(), "maxConnections": 3 }],
        "queue": { "max": 200, "timeout": "60s" } }));
    let crowd: Vec<_> = (0..150).map(|_| ask(&cluster, "/")).collect();
    for (number, one) in crowd.into_iter().enumerate() {
        if number % 7 == 0 {
            one.abort();
            let _ = one.await;
        } else {
            let answer = tokio::time::timeout(Duration::from_secs(30), one).await.unwrap();
            assert_eq!(answer.unwrap().unwrap().0, 200);
        }
    }
    eventually("all places are free", async || {
        let report = cluster.report();
        (report.queued, report.targets[0].in_flight) == (0, 0)
    })
    .await;
}
