//! Quotas: by the calendar, kept in the database.

use std::time::{Duration, SystemTime};

use buntime_core::{Clock, Host};
use buntime_testing::eventually;
use serde_json::{Value, json};

use crate::common::{api, builder, get, header, json as read, services};

fn quota(requests: u64) -> Value {
    json!({ "rateLimit": { "name": "daily", "requests": requests, "period": "day" } })
}

async fn start(settings: Value, file: &std::path::Path, clock: &Clock) -> Host {
    let services = services(Some(file)).await;
    builder(settings).services(services).clock(clock.clone()).start().await.unwrap_or_else(|p| panic!("{p:#?}"))
}

/// A clock that is in no hurry to begin another day.
fn noon() -> Clock {
    let clock = Clock::fake();
    let day = 86_400;
    let now = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    clock.advance(Duration::from_secs(day - now % day + day / 2));
    clock
}

#[tokio::test]
async fn a_quota_survives_a_restart_and_ends_with_its_day() {
    let dir = tempfile::tempdir().unwrap();
    let (file, clock) = (dir.path().join("test.db"), noon());
    let host = start(quota(5), &file, &clock).await;
    assert_eq!(get("/").passes(&host, 3).await, 3);
    assert_eq!(get("/").ip("192.0.2.2").passes(&host, 9).await, 5);
    host.stop(Duration::from_secs(5)).await;
    let host = start(quota(5), &file, &clock).await;
    let answer = get("/").to(&host).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-ratelimit-remaining")), (200, "1"));
    assert_eq!(header(&answer, "ratelimit-policy"), r#""daily";q=5;w=86400"#);
    assert_eq!(get("/").passes(&host, 9).await, 1);
    let refused = get("/").ip("192.0.2.2").to(&host).await;
    assert_eq!(
        (refused.status().as_u16(), header(&refused, "retry-after")),
        (429, header(&refused, "x-ratelimit-reset"))
    );
    let problem = read(refused).await;
    assert!(problem["detail"].as_str().unwrap().starts_with("The limit of 5 requests a day is used up"), "{problem}");
    clock.advance(Duration::from_secs(43_200));
    assert_eq!(get("/").passes(&host, 9).await, 5);
    host.stop(Duration::from_secs(5)).await;
    // Of the day before nothing is left.
    let sqlite = buntime_database::sqlite::Sqlite::open(buntime_database::sqlite::Options::file(&file)).await.unwrap();
    let rows = buntime_database::Adapter::query(&sqlite, "SELECT used FROM gateway_quotas", Vec::new()).await.unwrap();
    let used: Vec<i64> = rows.iter().map(|row| row.at(0).unwrap()).collect();
    assert_eq!(used, [5]);
}

#[tokio::test]
async fn nodes_that_share_a_database_learn_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (file, clock) = (dir.path().join("test.db"), noon());
    let one = start(quota(1_000), &file, &clock).await;
    let other = start(quota(1_000), &file, &clock).await;
    assert_eq!(get("/").passes(&one, 7).await, 7);
    let mut own = 0;
    eventually("the other node learns of all with what it writes", || {
        own += 1;
        let other = other.clone();
        async move {
            assert_eq!(get("/").status(&other).await, 200);
            let buckets = read(api(&other, "GET", "/rate-limit/buckets").await).await;
            buckets[0]["tokens"].as_u64() == Some(1_000 - 7 - own)
        }
    })
    .await;
    one.stop(Duration::from_secs(5)).await;
    other.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_is_reset_is_reset_in_the_database_too() {
    let dir = tempfile::tempdir().unwrap();
    let (file, clock) = (dir.path().join("test.db"), noon());
    let host = start(quota(3), &file, &clock).await;
    assert_eq!(get("/").passes(&host, 5).await, 3);
    let reset = read(api(&host, "DELETE", "/rate-limit/buckets/ip:192.0.2.1").await).await;
    assert_eq!(reset, json!({ "deleted": true, "key": "ip:192.0.2.1" }));
    assert_eq!(get("/").passes(&host, 2).await, 2);
    host.stop(Duration::from_secs(5)).await;
    let host = start(quota(3), &file, &clock).await;
    assert_eq!(get("/").passes(&host, 5).await, 1);
    host.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn keys_in_the_database_hold_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let (file, clock) = (dir.path().join("test.db"), noon());
    let settings = json!({ "rateLimit": { "requests": 5, "period": "month", "keyBy": "header:x-api-key" } });
    let host = start(settings, &file, &clock).await;
    assert_eq!(get("/").header("x-api-key", "very-secret").status(&host).await, 200);
    let shown = read(api(&host, "GET", "/rate-limit/buckets").await).await;
    assert!(shown[0]["key"].as_str().unwrap().starts_with("header:x-api-key=sha256:"), "{shown}");
    host.stop(Duration::from_secs(5)).await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [&b"very-secret"[..], b"766572792d736563726574"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[tokio::test]
async fn without_a_database_there_is_no_quota() {
    let host = crate::common::start(quota(5)).await;
    let report = serde_json::to_value(host.live().plugins()).unwrap();
    assert!(!report.to_string().contains("\"active\""), "{report}");
}
