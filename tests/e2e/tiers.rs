//! `config/examples/tiers.jsonc` as its customers meet it.

use std::{net::SocketAddr, time::Instant};

use axum::{
    Router,
    body::Body,
    http::header,
    routing::{any, get},
};
use buntime_testing::FakeUpstream;
use buntime_tests::{Answer, client, soon, start_example};
use serde_json::Value;

async fn ask(to: SocketAddr, method: &str, path: &str, key: Option<&str>) -> Answer {
    let mut request = client::request(method, path);
    if let Some(key) = key {
        request = request.header("x-api-key", format!("key-of-{key}"));
    }
    client::send(to, request.body(Body::empty()).unwrap()).await
}

/// Asks until it is refused, and holds the number against what the tier allows, refilled evenly.
async fn allows(to: SocketAddr, key: Option<&str>, requests: usize, mut passed: usize) {
    let began = Instant::now();
    loop {
        let answer = ask(to, "GET", "/reports/1", key).await;
        let more = began.elapsed().as_secs_f64() * requests as f64 / 60.0;
        if answer.status == 429 {
            assert_eq!(answer.problem(), "rate_limited");
            assert!(passed >= requests && (passed as f64) <= requests as f64 + more + 1.0, "{key:?}: {passed} passed");
            return;
        }
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, &*requests.to_string()), "{key:?}");
        passed += 1;
        assert!(passed < 2 * requests + 50, "{key:?} is never refused");
    }
}

async fn start() -> (runner::Running, FakeUpstream, tempfile::TempDir) {
    let cached = || async { ([(header::CACHE_CONTROL, "max-age=60")], "a report") };
    let upstream = Router::new().route("/reports/kept", get(cached)).fallback(any(|| async { "a report" }));
    let upstream = FakeUpstream::start(upstream).await;
    let dir = tempfile::tempdir().unwrap();
    let running = start_example("tiers.jsonc", dir.path(), &[("REPORTS", &upstream.url())]).await;
    (running, upstream, dir)
}

#[tokio::test]
async fn each_tier_has_its_limits() {
    let (running, _upstream, _dir) = start().await;
    let to = running.addr();
    for (key, requests) in [(None, 10), (Some("initech"), 20), (Some("umbrella"), 30), (Some("globex"), 100)] {
        let first = ask(to, "HEAD", "/reports/1", key).await;
        let day = if key == Some("globex") { 10_000 } else { 100 };
        assert_eq!(
            first.list("ratelimit-policy"),
            format!("\"minute\";q={requests};w=60, \"day\";q={day};w=86400"),
            "{key:?}"
        );
        allows(to, key, requests, 1).await;
    }
    // One tier's end is nobody else's.
    for _ in 0..150 {
        let partner = ask(to, "GET", "/reports/1", Some("acme")).await;
        assert_eq!((partner.status, partner.header("x-ratelimit-limit")), (200, "1000000"));
    }
    for _ in 0..150 {
        let unlimited = ask(to, "GET", "/reports/1", Some("monitoring")).await;
        assert_eq!((unlimited.status, unlimited.header("ratelimit")), (200, ""));
    }
    assert_eq!(ask(to, "GET", "/reports/status", Some("initech")).await.status, 200, "not counted");
    let noted = ask(to, "GET", "/p/gateway/api/logs?consumer=acme&rateLimited=false&limit=1000", None).await.json();
    let of_acme: Vec<&Value> = noted.as_array().into_iter().flatten().filter(|one| one["limit"].is_string()).collect();
    assert!(of_acme.len() >= 30 && of_acme.iter().all(|one| one["limit"] == "minute"), "{}", of_acme.len());
    soon("the stop", running.stop()).await;
}

#[tokio::test]
async fn a_days_quota_counts_what_a_request_costs() {
    let (running, _upstream, _dir) = start().await;
    let to = running.addr();
    for turn in 1..=5 {
        let answer = ask(to, "POST", "/reports/new", Some("initech")).await;
        assert_eq!(answer.status, 200, "{turn}: {}", answer.text());
        let left = format!("\"day\";r={};", 100 - 20 * turn);
        assert!(answer.list("ratelimit").contains(&left), "{left} in {}", answer.list("ratelimit"));
    }
    let refused = ask(to, "POST", "/reports/new", Some("initech")).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "rate_limited"));
    assert!(refused.text().contains("100 requests a day"), "{}", refused.text());
    assert_eq!(ask(to, "GET", "/reports/1", Some("initech")).await.status, 429, "the day is over for it");
    assert_eq!(ask(to, "POST", "/reports/new", Some("globex")).await.status, 200, "and not for who pays");
    soon("the stop", running.stop()).await;
}

#[tokio::test]
async fn a_dear_route_has_a_limit_of_its_own_and_pro_is_cached_alone() {
    let (running, _upstream, _dir) = start().await;
    let to = running.addr();
    for key in ["initech", "globex"] {
        for _ in 0..3 {
            assert_eq!(ask(to, "GET", "/reports/export", Some(key)).await.status, 200);
        }
        let refused = ask(to, "GET", "/reports/export", Some(key)).await;
        assert_eq!((refused.status, refused.header("x-ratelimit-limit")), (429, "3"), "{key}");
        assert_eq!(ask(to, "GET", "/reports/1", Some(key)).await.status, 200, "other routes");
    }
    let kept = |key| ask(to, "GET", "/reports/kept", Some(key));
    assert_eq!(kept("globex").await.header("x-cache"), "MISS");
    assert_eq!(kept("globex").await.header("x-cache"), "HIT");
    assert_eq!(kept("initech").await.header("x-cache"), "", "the free tier is not cached");
    soon("the stop", running.stop()).await;
}
