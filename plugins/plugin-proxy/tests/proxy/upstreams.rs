//! Upstreams that speak HTTP/2 or TLS, and those that fail.

use std::net::SocketAddr;

use axum::body::Body;
use buntime_testing::{FakeUpstream, RawUpstream, TestRuntime, eventually};
use http::StatusCode;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use crate::support::{echo, get, proxy_to, raw, read_until, request, send, tls_acceptor, whole};

/// An upstream with a certificate that nobody vouches for.
async fn tls_upstream(alpn: &[&[u8]]) -> SocketAddr {
    let acceptor = tls_acceptor(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // One that does not believe the certificate hangs up here.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(echo());
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn code_of(proxy: &TestRuntime) -> (StatusCode, String) {
    let (status, headers, body) = get(proxy.address(), "/").await;
    assert_eq!(headers["content-type"], "application/problem+json", "{body}");
    for internal in ["127.0.0.1", "os error", "rule", "hyper"] {
        assert!(!body.contains(internal), "{body}");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn certificates_are_checked_unless_the_rule_says_not_to() {
    let upstream = tls_upstream(&[b"h2", b"http/1.1"]).await;
    let target = format!("https://localhost:{}", upstream.port());
    let strict = proxy_to(&target, json!({})).await;
    assert_eq!(code_of(&strict).await, (StatusCode::BAD_GATEWAY, "upstream_unreachable".to_owned()));
    strict.stop().await;
    for (http2, version) in [(json!(null), "HTTP/2.0"), (json!(true), "HTTP/2.0"), (json!(false), "HTTP/1.1")] {
        let lax = proxy_to(&target, json!({ "secure": false, "http2": http2, "changeOrigin": true })).await;
        let (status, _, body) = get(lax.address(), "/x?y").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let host = format!("localhost:{}", upstream.port());
        if version == "HTTP/2.0" {
            assert!(body.starts_with(&format!("GET https://{host}/x?y HTTP/2.0\n")), "{body}");
        } else {
            assert!(body.starts_with("GET /x?y HTTP/1.1\n") && body.contains(&format!("host: {host}")), "{body}");
        }
        lax.stop().await;
    }
}

#[tokio::test]
async fn http2_is_spoken_in_clear_text_by_prior_knowledge() {
    let upstream = FakeUpstream::start(echo()).await;
    let proxy = proxy_to(&upstream.url(), json!({ "http2": "prior-knowledge" })).await;
    let asked = request("POST", "/a?b").header("te", "trailers").body(Body::from("hello")).unwrap();
    let (status, headers, body) = whole(send(proxy.address(), asked).await).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with("POST http://client.example/a?b HTTP/2.0\n"), "{body}");
    assert!(body.contains("\ncontent-length: 5\n") && body.contains("\nbody: hello"), "{body}");
    assert_eq!(headers["via"], "2.0 buntime");
    proxy.stop().await;
}

#[tokio::test]
async fn failures_have_a_status_and_a_code_and_say_nothing_internal() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let garbage = RawUpstream::answering(b"this is not HTTP\r\n\r\n").await;
    let hangs_up = RawUpstream::answering(b"").await;
    let switches = RawUpstream::answering(b"HTTP/1.1 101 Why\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    let lengths = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab").await;
    let silent = RawUpstream::start(|mut stream, _| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    for (target, more, status, code) in [
        (closed, json!({}), 502, "upstream_unreachable"),
        (garbage.url(), json!({}), 502, "upstream_protocol_error"),
        (hangs_up.url(), json!({}), 502, "upstream_unreachable"),
        (switches.url(), json!({}), 502, "upstream_protocol_error"),
        (lengths.url(), json!({}), 502, "upstream_protocol_error"),
        (silent.url(), json!({ "timeout": "50ms" }), 504, "upstream_timeout"),
    ] {
        let proxy = proxy_to(&target, more).await;
        assert_eq!(code_of(&proxy).await, (StatusCode::from_u16(status).unwrap(), code.to_owned()), "{target}");
        proxy.stop().await;
    }
}

#[tokio::test]
async fn a_pooled_connection_that_has_died_is_not_the_clients_trouble() {
    let (connections, mut connected) = mpsc::unbounded_channel();
    let upstream = RawUpstream::start(move |mut stream, _| {
        connections.send(()).unwrap();
        async move {
            // Kept alive by its word, closed in fact.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    for _ in 0..5 {
        let asked = request("POST", "/").body(Body::from("x")).unwrap();
        let (status, _, body) = whole(send(proxy.address(), asked).await).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
        connected.recv().await.unwrap();
    }
    proxy.stop().await;
}

#[tokio::test]
async fn connections_are_used_again() {
    let (connections, mut connected) = mpsc::unbounded_channel();
    let upstream = RawUpstream::start(move |mut stream, _| {
        connections.send(()).unwrap();
        async move {
            let mut request = vec![0; 4096];
            loop {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                if stream.read(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
        }
    })
    .await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    for _ in 0..3 {
        assert_eq!(get(proxy.address(), "/").await.2, "ok");
    }
    connected.recv().await.unwrap();
    assert!(connected.try_recv().is_err(), "each request made a connection of its own");
    proxy.stop().await;
}

#[tokio::test]
async fn health_follows_what_became_of_the_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = proxy_to(&format!("http://{address}"), json!({})).await;
    let status = || async {
        let found = proxy.host().health().run(std::time::Duration::from_secs(5)).await;
        let check = found.into_iter().find(|check| check.name == "upstream:test").unwrap();
        serde_json::to_value(check.finding.status).unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(status().await, "healthy");
    code_of(&proxy).await;
    assert_eq!(status().await, "degraded");
    code_of(&proxy).await;
    code_of(&proxy).await;
    assert_eq!(status().await, "unhealthy");
    let listener = TcpListener::bind(address).await;
    if let Ok(listener) = listener {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        });
        eventually("a good answer makes it healthy", || async {
            get(proxy.address(), "/").await;
            status().await == "healthy"
        })
        .await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_edge_stays_usable_after_an_upstream_broke() {
    let upstream = RawUpstream::answering(b"garbage\r\n\r\n").await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let mut client = raw(proxy.address(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(read_until(&mut client, "upstream_protocol_error").await.starts_with("HTTP/1.1 502"));
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(read_until(&mut client, "upstream_protocol_error").await.contains("HTTP/1.1 502"));
    proxy.stop().await;
}
