//! HTTP/2 by prior knowledge, and what it is held to.

use std::time::Duration;

use axum::body::Body;
use buntime_http::{body, server::Limits};
use http::{Request, Response};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{Answering, TestServer, echo, eventually};

async fn connect(server: &TestServer) -> SendRequest<Body> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let bytes = body::collect(Body::new(response.into_body()), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn request(uri: &str) -> http::request::Builder {
    Request::builder().uri(uri)
}

#[tokio::test]
async fn the_authority_is_the_host() {
    let server = TestServer::start(Limits::default(), echo);
    let mut sender = connect(&server).await;
    let plain = request("http://a.example:8/x?y").body(Body::from("abc")).unwrap();
    assert_eq!(text(sender.send_request(plain).await.unwrap()).await, "GET /x?y a.example:8 [abc]");
    let same = request("http://a/").header("host", "A").body(Body::empty()).unwrap();
    assert_eq!(text(sender.send_request(same).await.unwrap()).await, "GET / A []");
    for bad in [request("http://a/").header("host", "b"), request("http://a/").header("host", "a").header("host", "a")]
    {
        let response = sender.send_request(bad.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 400);
        assert!(text(response).await.contains("malformed_request"));
    }
}

#[tokio::test]
async fn sizes() {
    let limits =
        Limits { max_body_size: 10, max_uri: 100, max_headers: 10, max_header_bytes: 4000, ..Limits::default() };
    let server = TestServer::start(limits, echo);
    let mut sender = connect(&server).await;
    let mut many = request("http://a/");
    for index in 0..20 {
        many = many.header(format!("x-{index}"), "y");
    }
    let stream = futures_util::stream::iter(["123456", "123456"].map(Ok::<_, std::io::Error>));
    for (request, status) in [
        (request(&format!("http://a/{}", "x".repeat(200))).body(Body::empty()), 414),
        (many.body(Body::empty()), 431),
        (request("http://a/").header("x", "y".repeat(8000)).body(Body::empty()), 431),
        (request("http://a/").method("POST").body(Body::from("12345678901")), 413),
        (request("http://a/").method("POST").body(Body::from_stream(stream)), 413),
        (request("http://a/").body(Body::empty()), 200),
    ] {
        let request = request.unwrap();
        let label = format!("{request:?}");
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "{label}");
    }
}

#[tokio::test]
async fn streams_run_side_by_side_and_a_panic_ends_one() {
    let service = |request: Request<Body>, info| -> Answering {
        if request.uri().path() == "/panic" { Box::pin(async { panic!("oh") }) } else { echo(request, info) }
    };
    let server = TestServer::start(Limits::default(), service);
    let sender = connect(&server).await;
    let requests = (0..50).map(|index| {
        let mut sender = sender.clone();
        let path = if index % 5 == 0 { "http://a/panic" } else { "http://a/fine" };
        async move { sender.send_request(request(path).body(Body::empty()).unwrap()).await.unwrap().status().as_u16() }
    });
    let statuses = futures_util::future::join_all(requests).await;
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 40);
}

#[tokio::test]
async fn a_client_that_says_nothing_more_is_closed() {
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = TestServer::start(limits, echo);
    // A preface and nothing else; half a preface; an idle connection.
    let mut raw = server.connect().await;
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut half = server.connect().await;
    half.send("PRI * HTTP/2").await;
    let mut idle = connect(&server).await;
    idle.send_request(request("http://a/").body(Body::empty()).unwrap()).await.unwrap();
    raw.rest().await;
    half.rest().await;
    eventually("all closed", || server.control.stats().open() == 0).await;
}

/// Frames by hand: a header block with no end, then CONTINUATION without end.
#[tokio::test]
async fn floods_end_the_connection() {
    let server = TestServer::start(Limits::default(), echo);
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = vec![0, (payload.len() >> 8) as u8, payload.len() as u8, kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    };
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, b"")].concat();
    // A literal header field, not indexed, again and again.
    let fields = b"\0\x01x\x7f\x81\x07".iter().copied().chain([b'y'; 262]).collect::<Vec<_>>();
    let mut raw = server.connect().await;
    let mut flood = begin.clone();
    flood.extend(frame(1, 0, 1, &fields));
    for _ in 0..2000 {
        flood.extend(frame(9, 0, 1, &fields));
    }
    let (mut reading, mut writing) = raw.0.split();
    // The server may close while this still writes.
    let write = async { drop(tokio::io::AsyncWriteExt::write_all(&mut writing, &flood).await) };
    let mut sink = Vec::new();
    let read = async { drop(tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut sink).await) };
    tokio::time::timeout(crate::support::PATIENCE, futures_util::future::join(write, read)).await.unwrap();

    // Rapid reset: `GET /` by indexed fields, reset at once.
    let mut raw = server.connect().await;
    let mut flood = begin;
    for index in 0..2000u32 {
        let stream = index * 2 + 1;
        flood.extend(frame(1, 5, stream, b"\x82\x84\x86\x41\x01a"));
        flood.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
    }
    let (mut reading, mut writing) = raw.0.split();
    let write = async { drop(tokio::io::AsyncWriteExt::write_all(&mut writing, &flood).await) };
    let read = async { drop(tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut sink).await) };
    tokio::time::timeout(crate::support::PATIENCE, futures_util::future::join(write, read)).await.unwrap();
    eventually("all closed", || server.control.stats().open() == 0).await;
}
