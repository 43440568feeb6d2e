//! TLS and binding: what works, and what each mistake says.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_http::{
    server::{BindError, Limits, ListenOptions, Server, TlsError, TlsFiles},
    upstream::{Protocol, Upstream, UpstreamError, UpstreamOptions},
};
use http::{Request, Version};

use crate::support::{TestServer, echo, eventually};

pub(crate) struct Pair {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) files: TlsFiles,
}

pub(crate) fn certificate() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    Pair { dir, files }
}

fn options(pair: &Pair) -> ListenOptions {
    ListenOptions { tls: Some(pair.files.clone()), ..ListenOptions::default() }
}

fn upstream(server: &TestServer, protocol: Protocol, ca: Option<PathBuf>, insecure: bool) -> Upstream {
    let origin = format!("https://localhost:{}", server.address.port()).parse().unwrap();
    Upstream::new(&UpstreamOptions { protocol, ca, insecure, ..UpstreamOptions::new(origin) }).unwrap()
}

#[tokio::test]
async fn serves_both_protocols_over_tls() {
    let pair = certificate();
    let server = TestServer::start_with(&options(&pair), echo);
    for (protocol, version) in
        [(Protocol::Auto, Version::HTTP_2), (Protocol::Http1, Version::HTTP_11), (Protocol::Http2, Version::HTTP_2)]
    {
        let upstream = upstream(&server, protocol, Some(pair.files.cert.clone()), false);
        for _ in 0..3 {
            let response = upstream.send(Request::new(Body::empty())).await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, version));
            buntime_http::body::collect(response.into_body(), 1000).await.unwrap();
        }
        assert_eq!(upstream.stats().connected(), 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn unknown_certificates_are_refused_unless_told_otherwise() {
    let pair = certificate();
    let server = TestServer::start_with(&options(&pair), echo);
    let other = certificate();
    let error = upstream(&server, Protocol::Auto, Some(other.files.cert.clone()), false)
        .send(Request::new(Body::empty()))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(buntime_http::upstream::ConnectFailure::Tls(_))), "{error:?}");
    let response = upstream(&server, Protocol::Auto, None, true).send(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), 200);
    eventually("the failed handshake is counted", || server.control.stats().tls_failures() == 1).await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_ended() {
    let pair = certificate();
    let limits = Limits { handshake_timeout: Duration::from_millis(100), ..Limits::default() };
    let server = TestServer::start_with(&ListenOptions { limits, ..options(&pair) }, echo);
    assert_eq!(server.talk("").await, "");
    // Plain HTTP on a TLS port gets no answer it could read, and does no harm.
    server.talk("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("all closed", || server.control.stats().open() == 0).await;
    assert_eq!(server.control.stats().tls_failures(), 2);
}

#[tokio::test]
async fn certificates_are_swapped_while_it_runs() {
    let (old, new) = (certificate(), certificate());
    let server = TestServer::start_with(&options(&old), echo);
    server.control.set_tls(&new.files).unwrap();
    let broken = TlsFiles { cert: old.files.cert.clone(), key: new.files.key.clone() };
    assert!(matches!(server.control.set_tls(&broken), Err(TlsError::Mismatch { .. })));
    let upstream = upstream(&server, Protocol::Auto, Some(new.files.cert.clone()), false);
    assert_eq!(upstream.send(Request::new(Body::empty())).await.unwrap().status(), 200);
}

fn mistake(files: TlsFiles) -> String {
    match Server::bind(&ListenOptions { tls: Some(files), ..ListenOptions::default() }) {
        Err(BindError::Tls(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_mistake_names_the_file_and_what_to_do() {
    let (pair, other) = (certificate(), certificate());
    let at = |name: &str, text: &str| {
        let path = pair.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let with_cert = |cert| mistake(TlsFiles { cert, key: pair.files.key.clone() });
    let with_key = |key| mistake(TlsFiles { cert: pair.files.cert.clone(), key });
    for (text, expect) in [
        (with_cert(pair.dir.path().join("none.pem")), "none.pem: No such file"),
        (with_cert(at("empty.pem", " \n")), "empty.pem is empty"),
        (with_cert(pair.files.key.clone()), "swapped?"),
        (with_cert(at("junk.pem", "junk")), "-----BEGIN CERTIFICATE-----"),
        (with_cert(at("half.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n")), "half.pem is not valid PEM"),
        (with_key(pair.files.cert.clone()), "swapped?"),
        (with_key(at("nokey.pem", "")), "nokey.pem is empty"),
        (
            with_key(at(
                "enc.pem",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            )),
            "openssl pkey",
        ),
        (with_key(other.files.key), "does not belong to the certificate"),
    ] {
        assert!(text.contains(expect), "{text:?} does not say {expect:?}");
    }
}

#[test]
fn a_port_in_use_and_a_bad_host_say_what_to_change() {
    let first = Server::bind(&ListenOptions::default()).unwrap();
    let port = first.local_addr().port();
    let error = |options: ListenOptions| Server::bind(&options).unwrap_err().to_string();
    let text = error(ListenOptions { port, ..ListenOptions::default() });
    assert!(text.contains(&port.to_string()) && text.contains("in use") && text.contains("server.port"), "{text}");
    for host in ["", "not an address", "999.1.1.1"] {
        assert!(
            error(ListenOptions { host: host.to_owned(), ..ListenOptions::default() }).contains("server.host"),
            "{host}"
        );
    }
    let text = error(ListenOptions { host: "192.0.2.1".to_owned(), ..ListenOptions::default() });
    assert!(text.contains("not an address of this machine"), "{text}");
    drop(Arc::new(first));
}
