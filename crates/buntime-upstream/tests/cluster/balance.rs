//! Who gets what, and in what form.

use axum::{body::Body, response::Response};
use buntime_core::{Clock, ErrorKind};
use buntime_testing::{RawUpstream, eventually};
use buntime_upstream::{Call, Cluster, ClusterOptions, HostChoice, Occupied, Override, Surroundings};
use http::{Request, header};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, around, call, get, nobody, open, request, send};

async fn echo() -> Backend {
    Backend::start(|request| async move {
        let field = |name| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
        Response::new(Body::from(format!("{} {} {}", request.uri(), field("host"), field("origin"))))
    })
    .await
}

#[tokio::test]
async fn a_target_is_told_its_path_and_who_it_is() {
    let backend = echo().await;
    let (url, address) = (backend.url(), backend.address());
    for path in ["", "/v1", "/v1/"] {
        let cluster = open(json!({ "targets": [{ "url": format!("{url}{path}") }] }));
        let ask = async |host: HostChoice| {
            let request = Request::get("/a?b").header("host", "me").header("origin", "http://me").body(Body::empty());
            let answer = cluster.send(request.unwrap(), &Call { host, ..call() }).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let path = path.trim_end_matches('/');
        assert_eq!(ask(HostChoice::PRESERVE).await, format!("{path}/a?b me http://me"));
        assert_eq!(ask(HostChoice::TARGET).await, format!("{path}/a?b {address} http://me"));
        assert_eq!(ask(HostChoice::TARGET_AND_ORIGIN).await, format!("{path}/a?b {address} http://{address}"));
    }
}

#[tokio::test]
async fn one_target_alone_is_asked_plainly_and_obeys_an_operator() {
    let backend = Backend::saying("hello").await;
    let options = ClusterOptions::default();
    let around = around();
    let cluster = Cluster::single("rule", backend.url().parse().unwrap(), &options, &around, None).unwrap();
    assert_eq!(get(&cluster).await.unwrap(), (200, "hello".to_owned()));
    assert_eq!(cluster.report().targets[0].requests, 1);
    cluster.set(&backend.url(), Override::Drain).unwrap();
    let again = Cluster::single("rule", backend.url().parse().unwrap(), &options, &around, Some(&cluster)).unwrap();
    assert_eq!(get(&again).await.unwrap_err().kind(), ErrorKind::UpstreamUnavailable);
    again.set(&backend.url(), Override::Auto).unwrap();
    assert_eq!(get(&again).await.unwrap().0, 200);
    let gone = Cluster::single("gone", nobody().await.parse().unwrap(), &options, &around, None).unwrap();
    assert_eq!(get(&gone).await.unwrap_err().kind(), ErrorKind::UpstreamUnreachable);
    assert_eq!(gone.report().targets[0].failures, 1);
}

#[tokio::test]
async fn a_key_stays_at_its_target() {
    let (one, two) = (Backend::saying("one").await, Backend::saying("two").await);
    let targets = json!([{ "url": one.url() }, { "url": two.url() }]);
    let cluster = open(json!({ "algorithm": "consistent_hash", "keyBy": "header:x-user", "targets": targets }));
    let ask = async |user: u32| {
        let request = Request::get("/").header("x-user", user).body(Body::empty()).unwrap();
        send(&cluster, request).await.unwrap().1
    };
    for user in 0..20 {
        let first = ask(user).await;
        assert_eq!(ask(user).await, first);
    }
    assert!(one.hits() > 4 && two.hits() > 4);
    let before = one.hits().abs_diff(two.hits());
    for _ in 0..10 {
        get(&cluster).await.unwrap();
    }
    assert_eq!(one.hits().abs_diff(two.hits()), before, "without the header one after the other");
}

#[tokio::test]
async fn an_issued_cookie_keeps_its_bearer_at_a_target() {
    let (one, two) = (Backend::saying("one").await, Backend::saying("two").await);
    let sticky = json!({ "by": "cookie:ab", "ttl": "1h" });
    let targets = json!([{ "url": one.url(), "weight": 50 }, { "url": two.url(), "weight": 50 }]);
    let cluster = open(json!({ "sticky": sticky, "targets": targets }));
    for _ in 0..20 {
        let answer = cluster.send(request("GET", "/", Body::empty()), &call()).await.unwrap();
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("ab=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600"));
        let value = cookie.split(';').next().unwrap();
        let first = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        for _ in 0..3 {
            let request = Request::get("/").header("cookie", value).body(Body::empty()).unwrap();
            let answer = cluster.send(request, &call()).await.unwrap();
            assert!(!answer.headers().contains_key(header::SET_COOKIE));
            assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), first);
        }
    }
    assert!(one.hits() > 4 && two.hits() > 4);
    let secure = Call { is_secure: true, ..call() };
    let answer = cluster.send(request("GET", "/", Body::empty()), &secure).await.unwrap();
    assert!(answer.headers()[header::SET_COOKIE].to_str().unwrap().contains("; Secure"));
}

#[tokio::test]
async fn a_drained_target_ends_what_it_began() {
    let slow = Backend::start(|_| async {
        let pieces = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        Response::new(Body::from_stream(pieces))
    })
    .await;
    let other = Backend::saying("other").await;
    let cluster = open(json!({ "targets": [{ "url": slow.url() }, { "url": other.url(), "priority": 1 }] }));
    let stream = cluster.send(request("GET", "/", Body::empty()), &call()).await.unwrap();
    cluster.set(&slow.url(), Override::Drain).unwrap();
    for _ in 0..5 {
        assert_eq!(get(&cluster).await.unwrap().1, "other");
    }
    assert_eq!(cluster.report().targets[0].in_flight, 1);
    drop(stream);
    assert_eq!(cluster.report().targets[0].in_flight, 0);
}

#[tokio::test]
async fn a_connection_that_is_upgraded_keeps_its_place() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head).await;
        std::future::pending::<()>().await;
    })
    .await;
    let cluster = open(json!({ "targets": [{ "url": upstream.url(), "maxConnections": 1 }] }));
    let request = Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let upgrade = Call { upgrade: true, ..call() };
    let mut answer = cluster.send(request.body(Body::empty()).unwrap(), &upgrade).await.unwrap();
    let place = answer.extensions_mut().remove::<Occupied>().unwrap();
    drop(answer);
    assert_eq!(cluster.report().targets[0].in_flight, 1);
    assert_eq!(get(&cluster).await.unwrap_err().kind(), ErrorKind::OverCapacity);
    drop(place);
    assert_eq!(cluster.report().targets[0].in_flight, 0);
}

#[tokio::test]
async fn tasks_end_with_the_program_and_with_the_cluster() {
    let backend = Backend::saying("well").await;
    let stop = CancellationToken::new();
    let around = Surroundings::new(Clock::system(), stop.clone());
    let settings = json!({ "targets": [{ "url": backend.url() }],
        "health": { "active": { "interval": "1ms", "timeout": "5s" } } });
    let first = crate::backend::open_in(settings.clone(), &around, None);
    eventually("it is checked", async || backend.hits() > 2).await;
    let second = crate::backend::open_in(settings, &around, Some(&first));
    drop(first);
    let still = |name| {
        let backend = &backend;
        async move {
            let mut last = backend.hits();
            eventually(name, move || {
                let now = backend.hits();
                let same = now == last;
                last = now;
                async move { same }
            })
            .await;
        }
    };
    let before = backend.hits();
    eventually("the second one checks", async || backend.hits() > before + 2).await;
    stop.cancel();
    still("nobody checks any more").await;
    drop(second);
}
