//! The larger examples, driven as their comments say.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, http::StatusCode, routing::any};
use buntime_testing::{FakeUpstream, RawUpstream, eventually};
use buntime_tests::{Answer, client, counted, soon, start_example};
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// Answers with its name.
async fn named(name: &'static str) -> FakeUpstream {
    FakeUpstream::start(Router::new().fallback(any(move || async move { name }))).await
}

/// An address nobody listens at.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn ask(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::builder().uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client::send(to, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn services_with_canary_failover_and_mirroring() {
    let (stable, canary) = (named("stable").await, named("canary").await);
    let standby = named("standby").await;
    let shadowed = Arc::new(AtomicUsize::new(0));
    // Says nothing on one path.
    let search = RawUpstream::start(|mut stream, head| async move {
        if !head.starts_with("GET /search/broken ") {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsearch";
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    let shadow = FakeUpstream::start(counted(Arc::clone(&shadowed))).await;
    let fixed = named("static").await;
    let (gone, also_gone) = (nobody().await, nobody().await);
    let env = [
        ("USERS_STABLE", stable.url()),
        ("USERS_CANARY", canary.url()),
        ("ORDERS_1", gone.clone()),
        ("ORDERS_2", also_gone.clone()),
        ("ORDERS_STANDBY", standby.url()),
        ("SEARCH", search.url()),
        ("SEARCH_NEXT", shadow.url()),
        ("CATALOG_1", gone),
        ("CATALOG_2", also_gone),
        ("STATIC", fixed.url()),
    ];
    let env: Vec<(&str, &str)> = env.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let dir = tempfile::tempdir().unwrap();
    let running = start_example("services.jsonc", dir.path(), &env).await;
    let to = running.addr();

    // Strangers get a version and a cookie; with it they stay.
    let api = [("host", "api.example.com")];
    let (mut versions, mut canaries) = (BTreeSet::new(), 0);
    for _ in 0..300 {
        let answer = ask(to, "/users/1", &api).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        assert!(cookie.starts_with("users-version="), "{cookie}");
        canaries += usize::from(answer.text() == "canary");
        if versions.insert(answer.text()) {
            for _ in 0..10 {
                let again = ask(to, "/users/2", &[("host", "api.example.com"), ("cookie", &cookie)]).await;
                assert_eq!(again.text(), answer.text(), "{cookie}");
            }
        }
    }
    assert!(versions.len() == 2 && (5..=75).contains(&canaries), "{canaries} of 300 got the canary");
    assert_eq!(ask(to, "/users/1", &[]).await.status, 404, "another host");

    // The first tier is gone.
    for _ in 0..20 {
        assert_eq!(ask(to, "/orders/1", &[]).await.text(), "standby");
    }
    // Everyone gets the answer, the shadow its copy.
    for path in ["/search?q=1", "/v2/search?q=2"] {
        assert_eq!(ask(to, path, &[]).await.text(), "search");
    }
    eventually("both were copied", || async { shadowed.load(Ordering::SeqCst) == 2 }).await;
    // Nobody left: another service, and a page where there is none.
    assert_eq!(ask(to, "/catalog/shoes", &[]).await.text(), "static");
    let page = ask(to, "/search/broken", &[("accept", "text/html")]).await;
    assert!(page.status >= 502 && page.text().contains("We will be back"), "{} {}", page.status, page.text());
    assert!(page.text().contains(page.header("x-request-id")));
    soon("the stop", running.stop()).await;
}

#[tokio::test]
async fn tiers_of_consumers_with_different_plugins() {
    let broken = FakeUpstream::start(Router::new().fallback(any(|| async { StatusCode::SERVICE_UNAVAILABLE }))).await;
    let dead = nobody().await;
    let standby = named("standby").await;
    drop(broken);
    let dir = tempfile::tempdir().unwrap();
    let env = [("REPORTS", dead.as_str()), ("REPORTS_STANDBY", &standby.url())];
    let running = start_example("consumers.jsonc", dir.path(), &env).await;
    let to = running.addr();
    let as_who = |key: &'static str| async move { ask(to, "/reports/1", &[("x-api-key", key)]).await };
    assert_eq!(as_who("unknown").await.problem(), "upstream_unreachable");
    let free = as_who("key-of-globex").await;
    assert_eq!((free.status, free.header("retry-after")), (503, "60"));
    assert_eq!(free.json(), json!({ "message": "Please come back in a minute" }));
    assert_eq!(as_who("key-of-acme").await.text(), "standby");
    assert_eq!(as_who("key-of-initech").await.json(), json!({ "message": "Call us: 555-0100" }));
    let told = ask(to, "/api/explain?path=/reports/1&consumer=initech", &[]).await.json();
    let chain = told["chain"].as_array().unwrap();
    let fallback = chain.iter().find(|one| one["plugin"] == "fallback").unwrap();
    assert!(fallback["because"].as_str().unwrap().contains("the consumer group `free`"), "{fallback:#}");
    soon("the stop", running.stop()).await;
}
