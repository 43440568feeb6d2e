//! Upgrades through both edges: our listener, our upstream client, the relay between.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::body::Body;
use buntime_http::{
    server::Limits,
    upgrade::{RelayEnd, relay_upgrades},
    upstream::{Upstream, UpstreamOptions},
};
use http::{Request, Response, StatusCode};

use crate::support::{Answering, TestServer, eventually, scripted};

fn relaying(
    upstream: Upstream,
    relayed: Arc<AtomicU64>,
) -> impl Fn(Request<Body>, Arc<buntime_http::server::ConnectionInfo>) -> Answering {
    move |mut request, connection| {
        let (upstream, relayed) = (upstream.clone(), Arc::clone(&relayed));
        Box::pin(async move {
            let client = hyper::upgrade::on(&mut request);
            let mut response = upstream.send(request).await.unwrap();
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let far = hyper::upgrade::on(&mut response);
                tokio::spawn(async move {
                    let ended = relay_upgrades(client, far, None, connection.stopping()).await.unwrap();
                    assert!(matches!(ended.end, RelayEnd::Closed | RelayEnd::Cancelled), "{ended:?}");
                    relayed.fetch_add(ended.from_client, Relaxed);
                });
            }
            response
        })
    }
}

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n";

#[tokio::test]
async fn bytes_go_both_ways_even_those_sent_too_early() {
    let address = scripted(|_, mut raw| async move {
        raw.until("\r\n\r\n").await;
        raw.send(format!("{YES}hello")).await;
        assert_eq!(raw.until("bye").await, "\0early GET / HTTP/9\n\nbye");
        raw.send("bye").await;
    })
    .await;
    let relayed = Arc::new(AtomicU64::new(0));
    let upstream = Upstream::new(&UpstreamOptions::new(format!("http://{address}").parse().unwrap())).unwrap();
    let server = TestServer::start(Limits::default(), relaying(upstream.clone(), Arc::clone(&relayed)));
    let mut raw = server.connect().await;
    raw.send(format!("{ASK}\0early GET / HTTP/9\n\n")).await;
    raw.until("hello").await;
    raw.send("bye").await;
    raw.until("bye").await;
    drop(raw);
    eventually("counted", || relayed.load(Relaxed) == 24).await;
    eventually("closed", || server.control.stats().open() == 0 && upstream.stats().open() == 0).await;
}

#[tokio::test]
async fn a_declined_upgrade_leaves_http() {
    let server = TestServer::start(Limits::default(), |request, _| -> Answering {
        Box::pin(async move { Response::new(Body::from(request.uri().to_string())) })
    });
    let mut raw = server.connect().await;
    raw.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    raw.until("/chat").await;
    raw.until("/next").await;
    // And the same without haste.
    raw.send(ASK).await;
    raw.until("/chat").await;
    raw.send("GET /again HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_stop_tells_upgraded_connections() {
    let address = scripted(|_, mut raw| async move {
        raw.until("\r\n\r\n").await;
        raw.send(YES).await;
        raw.rest().await;
    })
    .await;
    let upstream = Upstream::new(&UpstreamOptions::new(format!("http://{address}").parse().unwrap())).unwrap();
    let server = TestServer::start(Limits::default(), relaying(upstream, Arc::default()));
    let mut raw = server.connect().await;
    raw.send(ASK).await;
    raw.until("\r\n\r\n").await;
    assert_eq!(server.control.stats().open(), 1);
    let drained = server.stopped().await;
    assert_eq!(drained.cut(), 0);
    assert_eq!(raw.rest().await, "");
}
