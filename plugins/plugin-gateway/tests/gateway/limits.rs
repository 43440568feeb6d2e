//! Limits as clients meet them: who is counted, what they are told, what is exact.

use std::{sync::Arc, time::Duration};

use crate::common::{all, api, get, header, start, start_at};
use axum::body::Body;
use buntime_core::{
    Catalog, Clock, ConsumerScope, Entry, Error, ErrorKind, GroupScope, Host, Http, Scopes, Step, handler_fn,
};
use http::Response;
use plugin_gateway::{Algorithm, Counted, GatewayPlugin, LimitSettings};
use serde_json::json;

#[tokio::test]
async fn allowed_and_refused_answers_say_how_much_is_left() {
    let clock = Clock::fake();
    let host = start_at(json!({ "rateLimit": { "requests": 2, "window": "1m" } }), &clock).await;
    let first = get("/").to(&host).await;
    assert_eq!(first.status(), 200);
    assert_eq!(header(&first, "x-ratelimit-limit"), "2");
    assert_eq!(header(&first, "x-ratelimit-remaining"), "1");
    assert_eq!(header(&first, "x-ratelimit-reset"), "30");
    assert_eq!(header(&first, "ratelimit"), r#""default";r=1;t=30"#);
    assert_eq!(header(&first, "ratelimit-policy"), r#""default";q=2;w=60"#);
    assert_eq!(header(&first, "retry-after"), "");
    assert_eq!(header(&get("/").to(&host).await, "x-ratelimit-remaining"), "0");
    let refused = get("/").to(&host).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), "30");
    assert_eq!(header(&refused, "x-ratelimit-remaining"), "0");
    assert_eq!(header(&refused, "ratelimit"), r#""default";r=0;t=60"#);
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    let problem = crate::common::json(refused).await;
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(problem["detail"], "The limit of 2 requests in 1m is used up; try again in 30 seconds");
    assert_eq!(get("/").ip("192.0.2.2").status(&host).await, 200);
    clock.advance(Duration::from_secs(30));
    assert_eq!(get("/").passes(&host, 3).await, 1);
}

#[tokio::test]
async fn an_error_of_an_upstream_carries_them_too_and_its_own_are_replaced() {
    let host = start(json!({ "rateLimit": { "requests": 5 } })).await;
    let failing = handler_fn::<Http, _>(|_| Step::failed(Error::new(ErrorKind::UpstreamTimeout)));
    let failed = get("/").answered(&host, failing).await;
    assert_eq!((failed.status().as_u16(), header(&failed, "x-ratelimit-remaining")), (504, "4"));
    let own = handler_fn::<Http, _>(|_| {
        Step::ready(Response::builder().header("x-ratelimit-limit", "999").body(Body::empty()).unwrap().into())
    });
    assert_eq!(all(&get("/").answered(&host, own).await, "x-ratelimit-limit"), ["5"]);
}

#[tokio::test]
async fn each_key_is_counted_apart_and_what_is_missing_is_the_address() {
    let limit = |key: serde_json::Value| json!({ "rateLimit": { "requests": 1, "window": "1h", "keyBy": key } });
    let with = async |key: serde_json::Value, asks: &[(crate::common::Ask, u16)]| {
        let host = Host::builder().plugin(crate::common::auth(), json!({})).plugin(GatewayPlugin, limit(key.clone()));
        let host = host.start().await.unwrap();
        for (index, (ask, status)) in asks.iter().enumerate() {
            assert_eq!(ask.status(&host).await, *status, "{key} {index}");
        }
    };
    let a = || get("/").header("x-who", "a");
    with(json!("global"), &[(get("/"), 200), (get("/").ip("192.0.2.9"), 429)]).await;
    with(json!("consumer"), &[(a(), 200), (a().ip("192.0.2.9"), 429), (get("/"), 200), (get("/"), 429)]).await;
    with(json!("user"), &[(a(), 200), (a(), 429), (get("/").header("x-who", "b"), 200)]).await;
    with(json!("route"), &[(get("/").route("a"), 200), (get("/x").route("a"), 429), (get("/").route("b"), 200)]).await;
    let tenant = |value: &str| get("/").header("x-tenant", value);
    with(json!("header:X-Tenant"), &[(tenant("a"), 200), (tenant("a").ip("::1"), 429), (tenant("b"), 200)]).await;
    // Absent, empty or twice: the address.
    let twice = tenant("a").header("x-tenant", "b");
    with(json!("header:x-tenant"), &[(get("/"), 200), (tenant(""), 429), (twice, 429), (get("/").ip("::2"), 200)])
        .await;
    let cookie = |value: &str| get("/").header("cookie", value);
    with(
        json!("cookie:sid"),
        &[(cookie("a=1; sid=x"), 200), (cookie("sid=x; b=2"), 429), (cookie("sid=y"), 200), (cookie("xsid=x"), 200)],
    )
    .await;
    with(
        json!(["consumer", "route"]),
        &[(a().route("r"), 200), (a().route("s"), 200), (a().route("r"), 429), (get("/").route("r"), 200)],
    )
    .await;
    let long = "v".repeat(5_000);
    with(json!("header:x-tenant"), &[(tenant(&long), 200), (tenant(&long), 429), (tenant(&long[1..]), 200)]).await;
}

#[tokio::test]
async fn ipv6_is_counted_by_its_prefix() {
    let host = start(json!({ "rateLimit": { "requests": 1, "window": "1h" } })).await;
    assert_eq!(get("/").ip("2001:db8:1:2::1").status(&host).await, 200);
    assert_eq!(get("/").ip("2001:db8:1:2:ffff::9").status(&host).await, 429);
    assert_eq!(get("/").ip("2001:db8:1:3::1").status(&host).await, 200);
    assert_eq!(get("/").ip("192.0.2.7").status(&host).await, 200);
    assert_eq!(get("/").ip("::ffff:192.0.2.7").status(&host).await, 429, "the same address");
    let host = start(json!({ "ipv6Prefix": 128, "rateLimit": { "requests": 1, "window": "1h" } })).await;
    assert_eq!(get("/").ip("2001:db8:1:2::1").status(&host).await, 200);
    assert_eq!(get("/").ip("2001:db8:1:2::2").status(&host).await, 200);
}

#[tokio::test]
async fn costs_exclusions_and_bypasses() {
    let host = Host::builder().plugin(crate::common::auth(), json!({})).plugin(
        GatewayPlugin,
        json!({ "rateLimit": { "requests": 10, "window": "1h", "excludePaths": ["^/health", "/public/**"],
            "bypass": { "addresses": ["10.0.0.0/8", "192.0.2.99"], "consumers": ["ci"] },
            "cost": [{ "cost": 4, "methods": ["post"] }, { "cost": 0, "paths": ["/free"] }, { "cost": 6, "paths": ["/search/**"] }] } }),
    );
    let host = host.start().await.unwrap();
    assert_eq!(header(&get("/").method("POST").to(&host).await, "x-ratelimit-remaining"), "6");
    for path in ["/healthz", "/public", "/public/a", "/free"] {
        let free = get(path).to(&host).await;
        assert_eq!((free.status().as_u16(), header(&free, "x-ratelimit-remaining")), (200, ""), "{path}");
    }
    assert_eq!(get("/").ip("10.1.2.3").passes(&host, 20).await, 20);
    assert_eq!(get("/").ip("192.0.2.99").passes(&host, 20).await, 20);
    assert_eq!(get("/").header("x-who", "ci").passes(&host, 20).await, 20);
    assert_eq!(get("/search/x").passes(&host, 2).await, 1);
    assert_eq!(get("/").passes(&host, 2).await, 0);
}

#[tokio::test]
async fn what_one_limit_refuses_the_others_get_back() {
    let clock = Clock::fake();
    let host = start_at(
        json!({ "rateLimit": [
            { "name": "many", "requests": 100, "window": "1h" },
            { "name": "few", "requests": 1, "window": "1s", "algorithm": "fixed_window" },
        ] }),
        &clock,
    )
    .await;
    let first = get("/").to(&host).await;
    assert_eq!(all(&first, "ratelimit").len(), 2);
    assert_eq!((header(&first, "x-ratelimit-limit"), header(&first, "x-ratelimit-remaining")), ("1", "0"));
    for _ in 0..50 {
        assert_eq!(get("/").status(&host).await, 429);
    }
    clock.advance(Duration::from_secs(1));
    let second = get("/").to(&host).await;
    assert_eq!(second.status(), 200);
    assert!(all(&second, "ratelimit")[0].starts_with(r#""many";r=98"#), "{:?}", all(&second, "ratelimit"));
}

#[tokio::test]
async fn observing_changes_nothing_for_clients_and_is_logged() {
    let host = start(json!({ "rateLimit": { "requests": 1, "window": "1h", "mode": "observe" } })).await;
    assert_eq!(get("/secret").passes(&host, 5).await, 5);
    assert_eq!(header(&get("/").to(&host).await, "x-ratelimit-limit"), "");
    let stats = crate::common::json(api(&host, "GET", "/stats").await).await;
    assert_eq!(stats["rateLimit"]["metrics"]["observedRequests"], 5);
    let logs = crate::common::json(api(&host, "GET", "/logs?name=default").await).await;
    assert_eq!(logs.as_array().unwrap().len(), 5);
    assert_eq!((&logs[4]["path"], &logs[4]["key"]), (&json!("/secret"), &json!("ip:192.0.2.1")));
}

#[tokio::test]
async fn throttling_holds_back_and_then_refuses() {
    let limit = json!({ "requests": 10, "window": "1s", "burst": 1, "mode": "throttle", "maxDelay": "300ms" });
    let host = start_at(json!({ "rateLimit": limit }), &Clock::fake()).await;
    let began = tokio::time::Instant::now();
    for expected in [0, 100, 300, 600] {
        assert_eq!(get("/").status(&host).await, 200);
        let waited = began.elapsed().as_millis();
        assert!(waited >= expected, "{waited} instead of {expected}");
    }
    let refused = get("/").to(&host).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, "1"));
    let stats = crate::common::json(api(&host, "GET", "/stats").await).await;
    assert_eq!(stats["rateLimit"]["metrics"]["delayedRequests"], 3);
}

#[test]
fn n_lets_n_through_whatever_the_load() {
    for settings in [
        json!({ "requests": 10_000, "window": "1d" }),
        json!({ "requests": 10_000, "window": "366d", "algorithm": "fixed_window" }),
        json!({ "requests": 10_000, "window": "366d", "algorithm": "sliding_window" }),
    ] {
        let settings: LimitSettings = serde_json::from_value(settings).unwrap();
        let algorithm = Algorithm::new(&settings);
        let clock = Clock::fake();
        let counted = Arc::new(Counted::new(&clock, 1000));
        let threads = (0..16).map(|_| {
            let (counted, now) = (counted.clone(), clock.now());
            std::thread::spawn(move || {
                let take = |_: &u32| counted.take(b"key", &algorithm, now, 1, Duration::ZERO).allowed;
                (0..2_000_u32).filter(take).count()
            })
        });
        let threads: Vec<_> = threads.collect();
        let passed: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(passed, 10_000, "{settings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn n_lets_n_through_a_chain_with_several_limits() {
    let host = start(json!({ "rateLimit": [
        { "name": "a", "requests": 500, "window": "1d", "keyBy": "global" },
        { "name": "b", "requests": 700, "window": "300d", "keyBy": "global", "algorithm": "fixed_window" },
    ] }))
    .await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { get("/").passes(&host, 40).await })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    assert_eq!(passed, 500);
}

#[tokio::test]
async fn limits_with_a_priority_of_their_own_guard_what_comes_before_the_others() {
    let host = Host::builder().plugin(crate::common::auth(), json!({})).plugin(
        GatewayPlugin,
        json!({ "cors": { "origin": "https://a.example" }, "rateLimit": [
            { "name": "login", "requests": 1, "window": "1h", "priority": 9 },
            { "name": "mine", "requests": 5, "window": "1h", "keyBy": "consumer" },
        ] }),
    );
    let host = host.start().await.unwrap();
    let sets = serde_json::to_value(host.live().plugins()).unwrap();
    assert!(sets.to_string().contains("limits:9"), "{sets}");
    let first = get("/").to(&host).await;
    assert_eq!(all(&first, "ratelimit").len(), 2, "both sets say theirs");
    assert_eq!(header(&first, "x-ratelimit-limit"), "1");
    let refused = get("/").header("origin", "https://a.example").to(&host).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "access-control-allow-origin"), "https://a.example");
}

#[tokio::test]
async fn tiers_of_consumers_have_counters_of_their_own_and_reloads_keep_them() {
    let limit = |requests: u64| json!({ "rateLimit": { "requests": requests, "window": "1d", "keyBy": "consumer" } });
    let group = |name: &str, requests| GroupScope {
        name: name.into(),
        priority: 0,
        entries: vec![Entry::new("gateway", limit(requests))],
    };
    let consumer = |name: &str, group: &str| ConsumerScope {
        name: name.into(),
        groups: vec![group.into()],
        matches: Vec::new(),
        entries: Vec::new(),
    };
    let mut catalog = Catalog::new();
    catalog.add_builtin(crate::common::auth()).unwrap();
    catalog.add_builtin(GatewayPlugin).unwrap();
    let mut program = crate::common::program(limit(2));
    program.scopes = Scopes {
        groups: vec![group("gold", 10), group("silver", 4)],
        consumers: vec![consumer("a", "gold"), consumer("b", "silver"), consumer("c", "gold")],
        ..Scopes::default()
    };
    let host = Host::builder().catalog(catalog).program(program).start().await.unwrap();
    let who = |name: &str| get("/").header("x-who", name);
    assert_eq!(get("/").passes(&host, 20).await, 2);
    assert_eq!(who("a").passes(&host, 20).await, 10);
    assert_eq!(who("b").passes(&host, 3).await, 3);
    assert_eq!(who("c").passes(&host, 20).await, 10);
    // Another limit for one tier; nobody's count is lost.
    let mut program = host.program().await;
    program.scopes.groups = vec![group("gold", 12), group("silver", 4)];
    program.scopes.groups[1].entries[0].settings["maxKeys"] = json!(100_000);
    host.apply(program).await.unwrap();
    assert_eq!(get("/").passes(&host, 5).await, 0);
    assert_eq!(who("b").passes(&host, 5).await, 1, "three of four were used before");
    assert_eq!(who("a").passes(&host, 5).await, 0, "all of it was used before");
    let buckets = crate::common::json(api(&host, "GET", "/rate-limit/buckets?prefix=consumer:").await).await;
    assert_eq!(buckets.as_array().unwrap().len(), 3, "{buckets:#}");
}
