//! A proxy with rules, and a client that holds nothing back.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, routing::any};
use buntime_testing::TestRuntime;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use plugin_proxy::ProxyPlugin;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, rustls};

/// A proxy with one rule: everything to `target`, with `more` settings.
pub(crate) async fn proxy_to(target: &str, more: Value) -> TestRuntime {
    let mut rule = json!({ "name": "test", "pattern": "^/", "target": target });
    for (key, value) in more.as_object().expect("an object of settings") {
        rule[key] = value.clone();
    }
    proxy(json!([rule])).await
}

/// A proxy with these rules.
pub(crate) async fn proxy(rules: Value) -> TestRuntime {
    TestRuntime::builder().plugin(ProxyPlugin, json!({ "rules": rules })).start().await
}

/// Sends a request over a connection of its own.
pub(crate) async fn send(to: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(to).await.expect("the proxy listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.expect("an answer")
}

/// A request with a `Host`.
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "client.example")
}

/// Asks for a path and reads the whole answer.
pub(crate) async fn get(to: SocketAddr, path: &str) -> (StatusCode, HeaderMap, String) {
    whole(send(to, request("GET", path).body(Body::empty()).expect("a request")).await).await
}

/// Reads the whole answer.
pub(crate) async fn whole(response: Response<Incoming>) -> (StatusCode, HeaderMap, String) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

/// An upstream that answers every request with what it got: the request line, then the fields, sorted.
pub(crate) fn echo() -> Router {
    Router::new().fallback(any(|request: Request<Body>| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_or(Bytes::from_static(b"(broken)"), Collected::to_bytes);
        let mut lines: Vec<String> =
            head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
        lines.sort();
        lines.insert(0, format!("{} {} {:?}", head.method, head.uri, head.version));
        lines.push(format!("body: {}", String::from_utf8_lossy(&body)));
        lines.join("\n")
    }))
}

/// Sends bytes and hands the connection over.
pub(crate) async fn raw(to: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("the proxy listens");
    stream.write_all(bytes.as_bytes()).await.expect("it reads");
    stream
}

/// Reads until what was read holds `needle`.
pub(crate) async fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if text.contains(needle) {
            return text;
        }
        let taken = stream.read_buf(&mut read).await.expect("it answers");
        assert!(taken > 0, "closed without {needle:?} after {text:?}");
    }
}

/// Reads to the end. The end may be a reset.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8_lossy(&read).into_owned()
}

/// Accepts TLS for `localhost`, with a certificate that nobody vouches for.
pub(crate) fn tls_acceptor(alpn: &[&[u8]]) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
