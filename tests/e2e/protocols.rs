//! HTTP/2 by prior knowledge and by ALPN, TLS, and what a reload does to a certificate.

use std::sync::Arc;

use axum::body::Body;
use buntime_testing::FakeUpstream;
use buntime_tests::{Certificate, Gateway, Raw, client, echo, hello, proxying, rule, soon};
use http::{Request, Version};
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

async fn tls(gateway: &Gateway, trusted: &Certificate, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gateway.addr()).await?;
    let connector = TlsConnector::from(trusted.client(alpn));
    soon("a handshake", connector.connect(ServerName::try_from("localhost").unwrap(), stream)).await
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    let stream = TcpStream::connect(gateway.addr()).await.unwrap();
    let sender = client::http2_over(stream).await;
    let calls = (0..20).map(|number| {
        let mut sender = sender.clone();
        async move {
            let uri = format!("http://localhost/x/{number}");
            let request = Request::builder().uri(uri).header("x-identity", "forged").body(Body::empty()).unwrap();
            client::whole(soon("an answer", sender.send_request(request)).await.unwrap()).await
        }
    });
    for (number, answer) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!((answer.status, answer.version), (200, Version::HTTP_2));
        let text = answer.text();
        assert!(text.starts_with(&format!("GET /{number}\n")) && text.contains("host: localhost\n"), "{text}");
        assert!(!text.contains("forged"), "{text}");
    }
    // `:authority` counts as Host for the loopback rule.
    let mut ask = sender.clone();
    for (host, status) in [("localhost", 200), ("127.0.0.1:8000", 200), ("rebound.example", 403)] {
        let request = Request::builder().uri(format!("http://{host}/api/plugins")).body(Body::empty()).unwrap();
        assert_eq!(ask.send_request(request).await.unwrap().status(), status, "{host}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn tls_with_both_protocols_and_a_new_certificate() {
    let upstream = FakeUpstream::start(hello()).await;
    let dir = tempfile::tempdir().unwrap();
    let first = Certificate::write(dir.path(), "cert");
    let mut config = proxying(&[rule("x", &upstream.url())]);
    config["server"] = json!({ "tls": { "cert": "cert.pem", "key": "cert.key.pem" } });
    let trusted_first = first.client(&["h2", "http/1.1"]);
    let gateway = Gateway::start_in(dir, config, |_| {}).await;
    assert!(gateway.running().url().starts_with("https://"));
    let stream = tls(&gateway, &first, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = client::http2_over(stream).await;
    let request = Request::builder().uri("https://localhost/x/").body(Body::empty()).unwrap();
    let answer = client::whole(sender.send_request(request).await.unwrap()).await;
    assert_eq!((answer.version, answer.text().as_str()), (Version::HTTP_2, "hello"));
    for alpn in [&["http/1.1"][..], &[]] {
        let stream = tls(&gateway, &first, alpn).await.unwrap();
        let request = client::request("GET", "/x/").body(Body::empty()).unwrap();
        let answer = client::whole(client::open_over(stream, request).await).await;
        assert_eq!((answer.version, answer.text().as_str()), (Version::HTTP_11, "hello"));
    }
    // Plain HTTP on a TLS port does no harm.
    Raw::talk(gateway.addr(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // A new pair is taken over by a reload; one that does not fit is not.
    let second = Certificate::write(gateway.dir(), "cert");
    gateway.running().reload("a test").await.unwrap();
    tls(&gateway, &second, &["h2"]).await.expect("the new certificate");
    Certificate::write(gateway.dir(), "other");
    std::fs::copy(gateway.dir().join("other.key.pem"), gateway.dir().join("cert.key.pem")).unwrap();
    gateway.running().reload("a test").await.unwrap_err();
    // `second` reads its file, which has not changed.
    tls(&gateway, &second, &["h2"]).await.expect("still the last good one");
    let old = TlsConnector::from(Arc::clone(&trusted_first));
    let stream = TcpStream::connect(gateway.addr()).await.unwrap();
    assert!(old.connect(ServerName::try_from("localhost").unwrap(), stream).await.is_err(), "the first one is gone");
    // The connection from before goes on.
    let request = Request::builder().uri("https://localhost/x/").body(Body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    gateway.stop().await;
}

/// A client without `TCP_NODELAY` sends the rest of a request when its beginning is acknowledged. Kernels put that off for
/// 40 ms where they expect an answer to go along with it, which waits for the rest.
#[tokio::test]
async fn a_request_in_pieces_is_not_kept_waiting() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    let mut client = Raw::connect(gateway.addr()).await;
    let mut took = Vec::new();
    for number in 1000..1040 {
        let begun = std::time::Instant::now();
        client.send("POST /x/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\n").await;
        client.send("the ").await;
        client.send(format!("{number}")).await;
        client.until(&format!("the {number}")).await;
        took.push(begun.elapsed());
    }
    // The quicker half, for the machine may have other work: a single delayed acknowledgement is longer.
    took.sort_unstable();
    assert!(took[20] < std::time::Duration::from_millis(35), "{took:?}");
    gateway.stop().await;
}
