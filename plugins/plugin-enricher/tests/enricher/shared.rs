//! Answers that are kept, and calls that are shared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router};
use buntime_core::{Clock, services::Services};
use buntime_testing::{FakeUpstream, eventually};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::common::{Api, get, json_answer, send, start, stats, tier, with};

#[tokio::test]
async fn answers_are_kept_by_their_key_for_a_while() {
    let api = Api::start(|number| json_answer(200, &json!({ "tier": format!("t{number}") }))).await;
    let clock = Clock::fake();
    let cache =
        json!({ "cache": { "key": "{{header.x-user}}", "ttl": "10s" }, "queryParams": { "noise": "{{request_id}}" } });
    let host = with(tier(api.url("/"), cache), Services::default(), clock.clone()).await;
    let tier_of = async |user: &str| {
        send(&host, get("/", &[("x-user", user)])).await.reached().headers["x-tier"].to_str().unwrap().to_owned()
    };
    assert_eq!(
        [tier_of("a").await, tier_of("b").await, tier_of("a").await, tier_of("b").await],
        ["t1", "t2", "t1", "t2"]
    );
    clock.advance(Duration::from_secs(11));
    assert_eq!(tier_of("a").await, "t3");
    // Without a key there is nothing to keep it by.
    send(&host, get("/", &[])).await;
    send(&host, get("/", &[])).await;
    assert_eq!(api.seen().len(), 5);
    let seen = stats(&host).await;
    assert_eq!((&seen["hits"], &seen["calls"]), (&json!(2), &json!(5)));
}

#[tokio::test]
async fn without_a_key_of_its_own_a_call_is_its_key() {
    let api = Api::start(|number| json_answer(200, &json!({ "tier": format!("t{number}") }))).await;
    let call = json!({ "cache": {}, "headers": { "authorization": "{{header.authorization}}" } });
    let host = start(tier(api.url("/{{path.1}}"), call)).await;
    for (path, who, expected) in
        [("/a", "x", "t1"), ("/a", "x", "t1"), ("/a", "y", "t2"), ("/b", "x", "t3"), ("/a", "x", "t1")]
    {
        let came = send(&host, get(path, &[("authorization", who)])).await;
        assert_eq!(came.reached().headers["x-tier"], expected, "{path} {who}");
    }
}

#[tokio::test]
async fn failures_are_not_kept_and_stops_are() {
    let api = Api::start(|number| match number {
        1 => json_answer(500, &json!({})),
        _ => json_answer(404, &json!({})),
    })
    .await;
    let call = json!({ "cache": {}, "conditions": [{ "statuses": ["404"], "status": 404 }] });
    let host = start(tier(api.url("/"), call)).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(send(&host, get("/", &[])).await.status);
    }
    assert_eq!((statuses, api.seen().len()), (vec![502, 404, 404, 404], 2));
}

/// An API that answers when it is told.
async fn waiting() -> (FakeUpstream, Arc<Notify>, Arc<AtomicUsize>) {
    let (go, asked) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (wait, count) = (go.clone(), asked.clone());
    let app = Router::new().fallback(move || {
        let (wait, count) = (wait.clone(), count.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            wait.notified().await;
            Json::<Value>(json!({ "tier": "gold" }))
        }
    });
    (FakeUpstream::start(app).await, go, asked)
}

#[tokio::test]
async fn a_stampede_is_one_call() {
    let (api, go, asked) = waiting().await;
    let host = start(tier(api.url(), json!({ "cache": { "key": "{{path}}", "ttl": "0s" } }))).await;
    let all: Vec<_> = (0..200)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { send(&host, get("/a", &[])).await.reached().headers["x-tier"].clone() })
        })
        .collect();
    eventually("all but one wait", || async { stats(&host).await["shared"] == 199 }).await;
    go.notify_waiters();
    go.notify_one();
    for one in all {
        assert_eq!(one.await.unwrap(), "gold");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Nothing is kept with a time of 0: the next asks anew.
    go.notify_one();
    send(&host, get("/a", &[])).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_goes_on_when_its_first_caller_has_left() {
    let (api, go, asked) = waiting().await;
    let host = start(tier(api.url(), json!({ "cache": { "key": "{{path}}" } }))).await;
    let first = tokio::spawn({
        let host = host.clone();
        async move { send(&host, get("/a", &[])).await.status }
    });
    eventually("the first asks", || async { asked.load(Ordering::SeqCst) == 1 }).await;
    let second = tokio::spawn({
        let host = host.clone();
        async move { send(&host, get("/a", &[])).await.status }
    });
    eventually("the second waits", || async { stats(&host).await["shared"] == 1 }).await;
    first.abort();
    let _ = first.await;
    go.notify_one();
    assert_eq!((second.await.unwrap(), asked.load(Ordering::SeqCst)), (200, 1));
}

#[tokio::test]
async fn memory_is_bounded_whatever_the_number_of_keys() {
    let api = Api::saying(json!({ "tier": "x".repeat(1000) })).await;
    let host = start(tier(
        api.url("/"),
        json!({ "cache": { "key": "{{header.x-user}}", "maxEntries": 50, "maxBytes": "32kb" } }),
    ))
    .await;
    for number in 0..300 {
        send(&host, get("/", &[("x-user", &number.to_string())])).await;
    }
    let cache = stats(&host).await["cache"].clone();
    assert!(cache["entries"].as_u64().unwrap() <= 50 && cache["bytes"].as_u64().unwrap() <= 32 << 10, "{cache}");
}
