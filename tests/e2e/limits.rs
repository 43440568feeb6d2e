//! Limits in the real runner: tiers of consumers, quotas that outlive it, several runners with one Redis, reloads.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use axum::body::Body;
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Answer, Gateway, client, echo, skipped};
use serde_json::{Value, json};

fn config(upstream: &str, gateway: &Value) -> Value {
    json!({
        "plugins": ["@buntime/plugin-metrics", ["@buntime/plugin-gateway", gateway]],
        "services": [{
            "name": "users", "upstream": { "targets": [{ "url": upstream }] },
            "routes": [{ "name": "all", "paths": ["/users"] }],
        }],
        "consumerGroups": [
            { "name": "premium", "plugins": [["gateway", { "rateLimit": { "requests": 10, "window": "1d", "keyBy": "consumer" } }]] },
        ],
        "consumers": [
            { "name": "acme", "groups": ["premium"], "match": [{ "apiKey": "key-of-acme" }] },
            { "name": "plain", "match": [{ "apiKey": "key-of-plain" }] },
        ],
    })
}

async fn ask(gateway: &Gateway, key: &str) -> Answer {
    let request = http::Request::builder().uri("/users/1").header("host", "localhost").header("x-api-key", key);
    client::send(gateway.addr(), request.body(Body::empty()).unwrap()).await
}

/// How many of so many are let through.
async fn passes(gateway: &Gateway, key: &str, tries: usize) -> usize {
    let mut passed = 0;
    for _ in 0..tries {
        let answer = ask(gateway, key).await;
        match answer.status {
            200 => passed += 1,
            429 => assert_eq!(answer.problem(), "rate_limited"),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    passed
}

#[tokio::test]
async fn tiers_have_limits_of_their_own_and_a_reload_keeps_what_was_counted() {
    let upstream = FakeUpstream::start(echo()).await;
    let limit = |window: &str| json!({ "rateLimit": { "requests": 3, "window": window, "keyBy": "consumer" } });
    let gateway = Gateway::start(config(&upstream.url(), &limit("1d"))).await;
    let first = ask(&gateway, "key-of-acme").await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("10", "9"));
    assert_eq!(passes(&gateway, "key-of-acme", 20).await, 9);
    assert_eq!(passes(&gateway, "key-of-plain", 2).await, 2);
    let mut changed = config(&upstream.url(), &limit("1d"));
    changed["plugins"][1][1]["cors"] = json!({ "origin": "https://app.example.com" });
    gateway.replace(&changed);
    eventually("the reload has happened", || async { gateway.get("/users/1").await.header("vary") == "Origin" }).await;
    assert_eq!(passes(&gateway, "key-of-acme", 5).await, 0);
    assert_eq!(passes(&gateway, "key-of-plain", 5).await, 1);
    let stats = gateway.json("/p/gateway/api/stats").await;
    assert_eq!(stats["rateLimit"]["limits"].as_array().map(Vec::len), Some(2), "{stats:#}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_days_quota_outlives_the_runner() {
    let upstream = FakeUpstream::start(echo()).await;
    let quota = json!({ "rateLimit": { "requests": 5, "period": "month", "keyBy": "consumer" } });
    let mut config = config(&upstream.url(), &quota);
    config["consumerGroups"] = json!([]);
    config["consumers"][0]["groups"] = json!([]);
    let gateway = Gateway::start(config.clone()).await;
    assert_eq!(passes(&gateway, "key-of-acme", 3).await, 3);
    let dir = gateway.stop().await;
    let gateway = Gateway::start_in(dir, config, |_| {}).await;
    assert_eq!(passes(&gateway, "key-of-acme", 9).await, 2);
    assert_eq!(passes(&gateway, "key-of-plain", 9).await, 5);
    gateway.stop().await;
}

/// A Redis server of its own, killed when dropped.
struct Redis {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Redis {
    async fn start() -> Option<Self> {
        let dirs = std::env::var_os("PATH")?;
        let found: Option<PathBuf> =
            std::env::split_paths(&dirs).map(|dir| dir.join("redis-server")).find(|file| file.is_file());
        let Some(binary) = found else {
            skipped("needs redis-server");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port().to_string();
        let mut command = Command::new(binary);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        eventually("redis listens", || async move { tokio::net::TcpStream::connect(address).await.is_ok() }).await;
        Some(Self { child, url: format!("redis://{address}"), _dir: dir })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_with_one_redis_hold_one_limit_exactly() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = FakeUpstream::start(echo()).await;
    let settings = json!({
        "rateLimit": { "requests": 100, "window": "1d", "keyBy": "consumer" },
        "redis": { "url": redis.url, "onUnavailable": "closed", "timeout": "4s" },
    });
    let mut config = config(&upstream.url(), &settings);
    config["consumerGroups"] = json!([]);
    config["consumers"][0]["groups"] = json!([]);
    let one = Gateway::start(config.clone()).await;
    let other = Gateway::start(config).await;
    let ask = |gateway| async move { passes(gateway, "key-of-acme", 40).await };
    let (a, b, c, d) = tokio::join!(ask(&one), ask(&other), ask(&one), ask(&other));
    assert_eq!(a + b + c + d, 100);
    let buckets = other.json("/p/gateway/api/rate-limit/buckets").await;
    assert_eq!((&buckets[0]["key"], &buckets[0]["tokens"]), (&json!("consumer:acme"), &json!(0)), "{buckets}");
    one.stop().await;
    other.stop().await;
}
