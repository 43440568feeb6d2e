//! Sizes, counts and times: each passed limit has its status, and leaks nothing.

use std::time::Duration;

use axum::body::Body;
use buntime_http::server::Limits;
use http::Response;

use crate::support::{Answering, TestServer, echo, eventually};

fn short() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn sizes() {
    let limits =
        Limits { max_body_size: 10, max_uri: 100, max_header_bytes: 1000, max_headers: 5, ..Limits::default() };
    let server = TestServer::start(limits, echo);
    let status =
        async |request: String| server.talk(request).await.split(' ').nth(1).map(str::to_owned).unwrap_or_default();
    assert_eq!(status(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(101))).await, "414");
    assert_eq!(status(format!("GET /{}", "x".repeat(3_000_000))).await, "414");
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2000))).await, "431");
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(6))).await, "431");
    assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n".into()).await, "413");
    assert_eq!(
        status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n".into()).await,
        "413"
    );
    assert_eq!(
        status(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n{}", "x".repeat(3_000_000))).await,
        "413"
    );
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n";
    assert_eq!(status(chunked.into()).await, "413");
    assert_eq!(
        status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n1234567890".into()).await,
        "200"
    );
    eventually("all closed", || server.control.stats().open() == 0).await;
}

#[tokio::test]
async fn slow_heads_are_answered_408() {
    let server = TestServer::start(short(), echo);
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHo").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 408 "));
    // The second request of a connection as much as the first.
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until("[]").await;
    raw.send("GET / HTTP/1.1\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 408 "));
    eventually("all closed", || server.control.stats().open() == 0).await;
    assert_eq!(server.control.stats().timed_out(), 2);
}

#[tokio::test]
async fn silent_and_idle_connections_are_closed() {
    let server = TestServer::start(short(), echo);
    assert_eq!(server.talk("").await, "");
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until("[]").await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn slow_bodies_are_answered_408() {
    let server = TestServer::start(short(), echo);
    let answer = server.talk("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let endless = |_, _| -> Answering {
        Box::pin(async {
            let piece = Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0u8; 64 << 10]));
            Response::new(Body::from_stream(futures_util::stream::repeat_with(move || {
                piece.as_ref().map(Clone::clone).map_err(|_| std::io::Error::other(""))
            })))
        })
    };
    let server = TestServer::start(short(), endless);
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until("200 OK").await;
    eventually("cut", || server.control.stats().open() == 0).await;
}

#[tokio::test]
async fn connections_over_the_limit_are_told() {
    let server = TestServer::start(Limits { max_connections: 2, ..Limits::default() }, echo);
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for raw in [&mut one, &mut two] {
        raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        raw.until("[]").await;
    }
    let answer = server.talk("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("over_capacity"), "{answer}");
    assert_eq!(server.control.stats().refused(), 1);
    drop(one);
    eventually("one left", || server.control.stats().open() == 1).await;
    let answer = server.talk("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn limits_change_under_a_running_connection() {
    let server = TestServer::start(Limits { max_body_size: 1, ..Limits::default() }, echo);
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until("[]").await;
    server.control.set_limits(Limits::default());
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").await;
    raw.until("[ab]").await;
}

#[tokio::test]
async fn a_panic_is_a_500_and_nothing_more() {
    let panics = |request: http::Request<Body>, info| -> Answering {
        if request.uri().path() == "/panic" { Box::pin(async { panic!("secret") }) } else { echo(request, info) }
    };
    let server = TestServer::start(Limits::default(), panics);
    let mut raw = server.connect().await;
    for _ in 0..4 {
        raw.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = raw.until("}").await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("secret"), "{answer}");
        raw.send("GET /fine HTTP/1.1\r\nHost: a\r\n\r\n").await;
        raw.until("[]").await;
    }
}
