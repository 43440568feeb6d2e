//! HTTP/1.1 and HTTP/2 clients without manners of their own: what a test writes is what is sent.

use std::net::SocketAddr;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::soon;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its protocol.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A header field as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Every value of a header field, as one list.
    pub fn list(&self, name: &str) -> String {
        let values: Vec<&str> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        values.join(", ")
    }

    /// The `code` of a problem, checked to have the shape of all problems.
    ///
    /// # Panics
    /// If it has not.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        for member in ["type", "title", "code", "error"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no `{member}` in {problem}");
        }
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request with a loopback `Host`.
pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

/// Asks for a path over a connection of its own.
pub async fn get(to: SocketAddr, path: &str) -> Answer {
    send(to, request("GET", path).body(Body::empty()).expect("a request")).await
}

/// Sends a request over a connection of its own and reads the whole answer.
pub async fn send(to: SocketAddr, request: Request<Body>) -> Answer {
    whole(open(to, request).await).await
}

/// Sends a request over a connection of its own; the body is left to be read.
pub async fn open(to: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(to).await.expect("it listens");
    open_over(stream, request).await
}

/// Sends a request over this connection as HTTP/1.1.
pub async fn open_over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Response<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    // How it ends is seen in the answer.
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    soon("an answer", sender.send_request(request)).await.expect("an answer")
}

/// A connection of HTTP/2 by prior knowledge over this stream.
pub async fn http2_over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> http2::SendRequest<Body> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(async move { drop(connection.await) });
    sender
}

/// Reads the whole answer.
pub async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = soon("the whole body", body.collect()).await.expect("a whole body").to_bytes();
    Answer { status: head.status.as_u16(), version: head.version, headers: head.headers, body }
}
