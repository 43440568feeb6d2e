//! The response cache in the real runner: spellings of paths, upstreams that break, scopes, what is fetched in the
//! background.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Answer, Gateway, Raw, client};
use serde_json::{Value, json};

/// An upstream that counts, until it is away.
#[derive(Clone, Default)]
struct Numbered {
    calls: Arc<AtomicUsize>,
    is_away: Arc<AtomicBool>,
}

/// Answers with the number of the request, its path, and the `Cache-Control` that its query says.
fn numbered() -> (Router, Numbered) {
    async fn answer(State(upstream): State<Numbered>, request: Request) -> Response {
        let call = upstream.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if upstream.is_away.load(Ordering::SeqCst) {
            return Response::builder().status(503).body(Body::empty()).unwrap();
        }
        let control = request.uri().query().unwrap_or("max-age=60").replace('+', ", ");
        let body = format!("{call} {}", request.uri().path());
        Response::builder().header("cache-control", control).body(Body::from(body)).unwrap()
    }
    let upstream = Numbered::default();
    (Router::new().fallback(any(answer)).with_state(upstream.clone()), upstream)
}

fn config(upstream: &str, gateway: &Value, route: &Value) -> Value {
    json!({
        "plugins": [["@buntime/plugin-gateway", gateway]],
        "services": [{
            "name": "site", "upstream": { "targets": [{ "url": upstream }], "retries": 0 },
            "routes": [
                { "name": "all", "paths": ["/"] },
                { "name": "own", "paths": ["/own"], "plugins": route },
            ],
        }],
    })
}

/// `X-Cache`, and the body.
async fn get(gateway: &Gateway, path: &str) -> (String, String) {
    let answer = gateway.get(path).await;
    (word(&answer).to_owned(), answer.text())
}

fn word(answer: &Answer) -> &str {
    answer.headers.get("x-cache").map_or("-", |word| word.to_str().unwrap())
}

#[tokio::test]
async fn every_spelling_of_a_path_is_one_key_and_no_spelling_is_anothers() {
    let (router, asked) = numbered();
    let upstream = FakeUpstream::start(router).await;
    let gateway = Gateway::start(config(&upstream.url(), &json!({ "cache": {} }), &json!([]))).await;
    for path in ["/a/b", "/a/./b", "/x/../a/b", "/a//b", "/%61/b"] {
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let answer = raw.rest().await;
        assert!(answer.ends_with("1 /a/b"), "{path}: {answer}");
    }
    assert_eq!(asked.calls.load(Ordering::SeqCst), 1);
    for (at, path) in ["/a/b?", "/a/b?x", "/a/b/", "/A/b", "/a/b%3Fx"].into_iter().enumerate() {
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let answer = raw.rest().await;
        assert!(answer.contains(&format!("\r\n\r\n{} /", at + 2)), "{path}: {answer}");
    }
    // Whoever names another host has another key; in the target or in the field is the same.
    for line in ["GET http://LOCALHOST:80/a/b", "GET /a/b"] {
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.send(format!("{line} HTTP/1.1\r\nHost: LocalHost:80\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let answer = raw.rest().await;
        assert!(answer.ends_with("1 /a/b"), "{line}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn levels_say_otherwise_and_have_stores_of_their_own() {
    let (router, asked) = numbered();
    let upstream = FakeUpstream::start(router).await;
    let route = json!([["gateway", { "cache": { "maxBytes": "1mb", "tags": ["own"] } }]]);
    let gateway = Gateway::start(config(&upstream.url(), &json!({ "cache": { "maxBytes": "2mb" } }), &route)).await;
    for path in ["/a", "/own/a"] {
        assert_eq!(get(&gateway, path).await.0, "MISS");
        assert_eq!(get(&gateway, path).await.0, "HIT");
    }
    let figures = gateway.json("/p/gateway/api/cache").await;
    assert_eq!(
        (figures["caches"].as_array().map(Vec::len), &figures["totals"]["size"]),
        (Some(2), &json!(2)),
        "{figures:#}"
    );
    let gone = gateway.send(http::Method::POST, "/p/gateway/api/cache/invalidate", &json!({ "tag": "own" })).await;
    assert_eq!(gone.json()["invalidated"], 1);
    assert_eq!((get(&gateway, "/a").await.0, get(&gateway, "/own/a").await.0), ("HIT".into(), "MISS".into()));
    // A reload keeps what is stored where nothing has changed.
    let mut changed =
        config(&upstream.url(), &json!({ "cache": { "maxBytes": "2mb" } }), &json!([["gateway", { "cache": null }]]));
    changed["plugins"][0][1]["cors"] = json!({ "origin": "https://app.example.com" });
    gateway.replace(&changed);
    eventually("the reload has happened", || async { get(&gateway, "/own/a").await.0 == "-" }).await;
    let before = asked.calls.load(Ordering::SeqCst);
    assert_eq!(get(&gateway, "/a").await.0, "HIT");
    assert_eq!(asked.calls.load(Ordering::SeqCst), before);
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_leaves_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for turn in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
            // By its length, and by chunks: both without their end.
            let broken = if turn % 2 == 0 {
                "Content-Length: 10\r\n\r\nhalf"
            } else {
                "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
            };
            let _ = stream.write_all(format!("{head}{broken}").as_bytes()).await;
        }
    });
    let url = format!("http://{address}");
    let gateway = Gateway::start(config(&url, &json!({ "cache": {} }), &json!([]))).await;
    for _ in 0..4 {
        let mut raw = Raw::connect(gateway.addr()).await;
        raw.send(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let answer = raw.rest().await;
        assert!(answer.contains("x-cache: MISS"), "{answer}");
    }
    assert_eq!(gateway.json("/p/gateway/api/cache/entries").await, json!([]));
    gateway.stop().await;
    upstream.abort();
}

#[tokio::test]
async fn what_is_stale_is_fetched_in_the_background_and_served_when_the_upstream_fails() {
    let (router, asked) = numbered();
    let upstream = FakeUpstream::start(router).await;
    let gateway = Gateway::start(config(&upstream.url(), &json!({ "cache": {} }), &json!([]))).await;
    let path = "/a?max-age=1+stale-while-revalidate=60+stale-if-error=600";
    assert_eq!(get(&gateway, path).await.0, "MISS");
    eventually("it is stale, and served", || async { get(&gateway, path).await.0 == "STALE" }).await;
    eventually("it is new", || async { get(&gateway, path).await == ("HIT".into(), "2 /a".into()) }).await;
    assert!(asked.calls.load(Ordering::SeqCst) >= 2);
    let error = "/b?max-age=1+stale-if-error=600";
    assert_eq!(get(&gateway, error).await.0, "MISS");
    asked.is_away.store(true, Ordering::SeqCst);
    eventually("it is served instead of a 503", || async {
        let request = client::request("GET", error).body(Body::empty()).unwrap();
        word(&client::send(gateway.addr(), request).await) == "STALE"
    })
    .await;
    gateway.stop().await;
}
