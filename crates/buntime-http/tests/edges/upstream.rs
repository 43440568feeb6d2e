//! The pooled client against upstreams that behave, and upstreams that do not.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Error, ErrorKind, error::Retry};
use buntime_http::{
    body,
    server::Limits,
    upstream::{ConnectFailure, Protocol, Upstream, UpstreamError, UpstreamOptions},
};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use tokio::sync::Notify;

use crate::support::{Answering, Raw, TestServer, echo, eventually, scripted};

fn to(address: SocketAddr) -> Upstream {
    Upstream::new(&UpstreamOptions::new(format!("http://{address}").parse().unwrap())).unwrap()
}

async fn get(upstream: &Upstream) -> Result<Response<Body>, UpstreamError> {
    upstream.send(Request::new(Body::empty())).await
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(body::collect(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

/// Answers every request of a connection with the same bytes.
async fn always(mut raw: Raw, answer: &'static str) {
    let mut scratch = [0u8; 4096];
    while let Ok(count) = tokio::io::AsyncReadExt::read(&mut raw.0, &mut scratch).await {
        if count == 0 {
            return;
        }
        if tokio::io::AsyncWriteExt::write_all(&mut raw.0, answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn one_connection_serves_one_after_another() {
    let server = TestServer::start(Limits::default(), echo);
    let upstream = to(server.address);
    for index in 0..20 {
        let request = Request::post(format!("/{index}")).body(Body::from("abc")).unwrap();
        let answer = text(upstream.send(request).await.unwrap()).await;
        assert_eq!(answer, format!("POST /{index} {} [abc]", server.address));
    }
    assert_eq!((upstream.stats().connected(), upstream.stats().open()), (1, 1));
}

#[tokio::test]
async fn http2_by_prior_knowledge_is_shared() {
    let server = TestServer::start(Limits::default(), echo);
    let origin = format!("http://{}", server.address).parse().unwrap();
    let upstream =
        Upstream::new(&UpstreamOptions { protocol: Protocol::Http2, ..UpstreamOptions::new(origin) }).unwrap();
    let answers = futures_util::future::join_all((0..20).map(|_| get(&upstream))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        assert!(text(answer).await.contains("GET / "));
    }
    assert_eq!(upstream.stats().connected(), 1);
}

#[tokio::test]
async fn a_pooled_connection_that_died_is_replaced() {
    let address = scripted(|_, mut raw| async move {
        raw.until("\r\n\r\n").await;
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        // And closes, without a word.
    })
    .await;
    let upstream = to(address);
    for _ in 0..5 {
        assert_eq!(text(get(&upstream).await.unwrap()).await, "ok");
        eventually("the death is noticed", || upstream.stats().open() == 0).await;
    }
    assert_eq!(upstream.stats().connected(), 5);
}

#[tokio::test]
async fn unused_connections_are_closed() {
    let server = TestServer::start(Limits::default(), echo);
    let origin = format!("http://{}", server.address).parse().unwrap();
    let options = UpstreamOptions { idle_timeout: Duration::from_millis(100), ..UpstreamOptions::new(origin) };
    let upstream = Upstream::new(&options).unwrap();
    text(get(&upstream).await.unwrap()).await;
    assert_eq!(upstream.idle(), 1);
    eventually("reaped", || upstream.idle() == 0 && upstream.stats().open() == 0).await;
    text(get(&upstream).await.unwrap()).await;
    drop(upstream);
    eventually("closed with the upstream", || server.control.stats().open() == 0).await;
}

#[tokio::test]
async fn failures_have_kinds() {
    let refused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = get(&to(refused)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(ConnectFailure::Refused(_))), "{error:?}");
    let error = Error::from(error);
    assert_eq!((error.kind(), error.retry()), (ErrorKind::UpstreamUnreachable, Retry::Safe));
    assert!(!error.detail().contains("127.0.0.1"));

    let error =
        get(&Upstream::new(&UpstreamOptions::new("http://name.invalid".parse().unwrap())).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(ConnectFailure::Dns(_))), "{error:?}");

    for (answer, kind) in [
        ("SSH-2.0-OpenSSH\r\n\r\n", ErrorKind::UpstreamProtocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ErrorKind::UpstreamProtocol),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", ErrorKind::UpstreamProtocol),
        ("", ErrorKind::UpstreamUnreachable),
        ("HTTP/1.1 200", ErrorKind::UpstreamUnreachable),
    ] {
        let address = scripted(move |_, mut raw| async move {
            raw.until("\r\n\r\n").await;
            raw.send(answer).await;
        })
        .await;
        let error = Error::from(get(&to(address)).await.unwrap_err());
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Idempotent), "{answer:?}: {error:?}");
    }
    for origin in ["ftp://a", "/a", "http://u@a"] {
        assert!(Upstream::new(&UpstreamOptions::new(origin.parse().unwrap())).is_err(), "{origin}");
    }
}

#[tokio::test]
async fn a_short_body_is_never_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n",
    ] {
        let address = scripted(move |_, mut raw| async move {
            raw.until("\r\n\r\n").await;
            raw.send(answer).await;
        })
        .await;
        let broken = get(&to(address)).await.unwrap().into_body().collect().await.unwrap_err();
        assert!(UpstreamError::find(&broken).is_some(), "{broken:?}");

        // And through a server of ours the client sees a cut body, not a short one.
        let upstream = to(address);
        let server = TestServer::start(Limits::default(), move |_, _| -> Answering {
            let upstream = upstream.clone();
            Box::pin(async move { get(&upstream).await.unwrap() })
        });
        let seen = server.talk("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(seen.contains("short"), "{seen}");
        let is_cut = seen.contains("content-length: 10") || !seen.ends_with("0\r\n\r\n");
        assert!(is_cut, "{seen}");
    }
}

#[tokio::test]
async fn bytes_behind_an_answer_never_answer_the_next() {
    let address = scripted(|_, raw| {
        always(raw, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    })
    .await;
    let upstream = to(address);
    for _ in 0..5 {
        assert_eq!(text(get(&upstream).await.unwrap()).await, "ok");
    }
}

#[tokio::test]
async fn dropping_the_exchange_closes_the_connection() {
    let (asked, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let script = {
        let (asked, closed) = (Arc::clone(&asked), Arc::clone(&closed));
        move |number: usize, mut raw: Raw| {
            let (asked, closed) = (Arc::clone(&asked), Arc::clone(&closed));
            async move {
                raw.until("\r\n\r\n").await;
                if number == 1 {
                    raw.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
                }
                asked.notify_one();
                raw.rest().await;
                closed.notify_one();
            }
        }
    };
    let upstream = to(scripted(script).await);
    // Before the head.
    let sending = tokio::spawn({
        let upstream = upstream.clone();
        async move { get(&upstream).await.map(drop) }
    });
    asked.notified().await;
    sending.abort();
    tokio::time::timeout(crate::support::PATIENCE, closed.notified()).await.unwrap();
    // In the body.
    let response = get(&upstream).await.unwrap();
    drop(response);
    tokio::time::timeout(crate::support::PATIENCE, closed.notified()).await.unwrap();
    eventually("nothing is kept", || upstream.stats().open() == 0).await;
    assert_eq!(upstream.idle(), 0);
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let address = scripted(|_, mut raw| async move {
        let seen = raw.until("x-up: 1\r\n\r\n").await;
        assert!(seen.contains("0\r\n"), "{seen}");
        raw.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-down\r\n\r\n2\r\nok\r\n0\r\nx-down: 2\r\n\r\n",
        )
        .await;
        raw.rest().await;
    })
    .await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-up", http::HeaderValue::from_static("1"));
    let data = futures_util::stream::iter([
        Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from("hi"))),
        Ok(http_body::Frame::trailers(trailers)),
    ]);
    let request =
        Request::post("/").header("trailer", "x-up").body(Body::new(http_body_util::StreamBody::new(data))).unwrap();
    let collected = to(address).send(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-down"], "2");
    assert_eq!(collected.to_bytes(), "ok");
}

#[tokio::test]
async fn a_body_is_sent_on_while_nobody_reads_the_answer() {
    let all = Arc::new(Notify::new());
    let script = {
        let all = Arc::clone(&all);
        move |_, mut raw: Raw| {
            let all = Arc::clone(&all);
            async move {
                raw.until("begin").await;
                raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
                raw.until("0\r\n\r\n").await;
                all.notify_one();
                raw.send("ok").await;
                raw.rest().await;
            }
        }
    };
    let upstream = to(scripted(script).await);
    let (pieces, body) = tokio::sync::mpsc::channel::<&str>(1);
    let body = futures_util::stream::unfold(body, |mut body| async move {
        let piece = body.recv().await?;
        Some((Ok::<_, std::io::Error>(bytes::Bytes::from_static(piece.as_bytes())), body))
    });
    pieces.send("begin").await.unwrap();
    let response = upstream.send(Request::post("/").body(Body::from_stream(body)).unwrap()).await.unwrap();
    pieces.send("end").await.unwrap();
    drop(pieces);
    tokio::time::timeout(crate::support::PATIENCE, all.notified()).await.unwrap();
    assert_eq!(text(response).await, "ok");
    eventually("the connection is kept", || upstream.idle() == 1).await;
}

fn expecting(upstream: Upstream) -> TestServer {
    TestServer::start(Limits::default(), move |request, _| -> Answering {
        let upstream = upstream.clone();
        Box::pin(async move {
            upstream.send(request).await.unwrap_or_else(|error| buntime_http::server::plain_problem(&error.into()))
        })
    })
}

#[tokio::test]
async fn a_client_is_asked_for_its_body_only_when_the_upstream_asks() {
    let (asked, ask) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let script = {
        let (asked, ask) = (Arc::clone(&asked), Arc::clone(&ask));
        move |_, mut raw: Raw| {
            let (asked, ask) = (Arc::clone(&asked), Arc::clone(&ask));
            async move {
                raw.until("\r\n\r\n").await;
                asked.notify_one();
                ask.notified().await;
                raw.send("HTTP/1.1 100 Continue\r\n\r\n").await;
                raw.until("abc").await;
                raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                raw.rest().await;
            }
        }
    };
    let server = expecting(to(scripted(script).await));
    let mut raw = server.connect().await;
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    asked.notified().await;
    ask.notify_one();
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("abc").await;
    assert!(raw.until("\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_nobody_wants_is_never_asked_for() {
    let address = scripted(|_, mut raw| async move {
        raw.until("\r\n\r\n").await;
        raw.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(raw.rest().await, "");
    })
    .await;
    let upstream = to(address);
    let server = expecting(upstream.clone());
    let answer = server.talk("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.ends_with("no"), "{answer}");
    eventually("the connection is not kept", || upstream.stats().open() == 0).await;
}

#[tokio::test]
async fn the_clients_failing_body_is_not_the_upstreams_fault() {
    let address = scripted(|_, mut raw| async move {
        raw.rest().await;
    })
    .await;
    let server = TestServer::start(Limits { max_body_size: 4, ..Limits::default() }, {
        let upstream = to(address);
        move |mut request, _| -> Answering {
            buntime_http::hygiene::remove_hop_by_hop(request.headers_mut(), false);
            let upstream = upstream.clone();
            Box::pin(async move {
                upstream.send(request).await.unwrap_or_else(|error| buntime_http::server::plain_problem(&error.into()))
            })
        }
    });
    let answer = server
        .talk("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = server.talk("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
