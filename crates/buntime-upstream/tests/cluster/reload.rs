//! A reload in the middle of everything.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use axum::{body::Body, response::Response};
use buntime_testing::eventually;
use buntime_upstream::Clusters;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::backend::{Backend, around, get, open_in};

#[tokio::test]
async fn blue_becomes_green_without_a_failed_request() {
    let (blue, green) = (Backend::saying("blue").await, Backend::saying("green").await);
    let settings = |blue_weight: u32| -> Value {
        json!({ "targets": [{ "url": blue.url(), "weight": blue_weight },
            { "url": green.url(), "weight": 100 - blue_weight }], "retries": 0 })
    };
    let around = around();
    let clusters = Arc::new(Clusters::new());
    clusters.replace([open_in(settings(100), &around, None)]);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (clusters, stop, done) = (Arc::clone(&clusters), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    assert_eq!(get(&clusters.get("test").unwrap()).await.unwrap().0, 200);
                    done.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for round in 1..=20 {
        let enough = done.load(SeqCst) + 20;
        eventually("requests go on", async || done.load(SeqCst) > enough).await;
        let before = clusters.get("test").unwrap();
        clusters.replace([open_in(settings(if round % 2 == 0 { 100 } else { 0 }), &around, Some(&before))]);
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let (cluster, hits) = (clusters.get("test").unwrap(), green.hits());
    assert_eq!(clusters.all().len(), 1);
    assert_eq!(get(&cluster).await.unwrap().1, "blue");
    assert_eq!(green.hits(), hits);
    assert_eq!(cluster.report().requests as usize, blue.hits() + green.hits());
}

#[tokio::test]
async fn who_waits_outlives_it() {
    let gate = Arc::new(Semaphore::new(0));
    let shared = Arc::clone(&gate);
    let slow = Backend::start(move |_| {
        let gate = Arc::clone(&shared);
        async move {
            gate.acquire().await.unwrap().forget();
            Response::new(Body::from("done"))
        }
    })
    .await;
    let settings = json!({ "targets": [{ "url": slow.url(), "maxConnections": 1 }], "queue": { "timeout": "60s" } });
    let around = around();
    let old = open_in(settings.clone(), &around, None);
    let ask = |cluster: &Arc<buntime_upstream::Cluster>| {
        let cluster = Arc::clone(cluster);
        tokio::spawn(async move { get(&cluster).await })
    };
    let busy = ask(&old);
    eventually("it is busy", async || slow.hits() == 1).await;
    let waits = ask(&old);
    eventually("it waits", async || old.report().queued == 1).await;
    let new = open_in(settings, &around, Some(&old));
    let behind = ask(&new);
    eventually("one more waits", async || new.report().queued == 2).await;
    assert_eq!(slow.hits(), 1, "the limit holds across the reload");
    gate.add_permits(3);
    for one in [busy, waits, behind] {
        assert_eq!(one.await.unwrap().unwrap().1, "done");
    }
}
