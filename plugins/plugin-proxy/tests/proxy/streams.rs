//! Bodies in both directions: first byte before the last, trailers, and what happens when an end goes away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, routing::any};
use buntime_testing::{FakeUpstream, RawUpstream, eventually};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{proxy_to, raw, read_to_end, read_until, request, send};

/// Sends back each piece of the request's body as it comes.
fn mirror() -> Router {
    Router::new().fallback(any(|request: axum::extract::Request| async move { Response::new(request.into_body()) }))
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    for http2 in [json!(null), json!("prior-knowledge")] {
        let upstream = FakeUpstream::start(mirror()).await;
        let proxy = proxy_to(&upstream.url(), json!({ "http2": http2 })).await;
        let (pieces, source) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let asked = request("POST", "/").body(Body::from_stream(ReceiverStream::new(source))).unwrap();
        pieces.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
        let mut response = send(proxy.address(), asked).await;
        let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first");
        pieces.send(Ok(Bytes::from_static(b"last"))).await.unwrap();
        drop(pieces);
        assert_eq!(response.collect().await.unwrap().to_bytes(), "last");
        proxy.stop().await;
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for http2 in [json!(null), json!("prior-knowledge")] {
        let app = Router::new().fallback(any(|request: axum::extract::Request| async move {
            let got = request.into_body().collect().await.unwrap();
            let seen = got.trailers().and_then(|t| t.get("x-sum")).cloned().unwrap_or(HeaderValue::from_static("none"));
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", seen);
            let frames = [Ok::<_, std::io::Error>(Frame::data(got.to_bytes())), Ok(Frame::trailers(trailers))];
            let mut response = Response::new(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-end"));
            response
        }));
        let upstream = FakeUpstream::start(app).await;
        let proxy = proxy_to(&upstream.url(), json!({ "http2": http2 })).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("42"));
        let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
        let asked = request("POST", "/")
            .header("te", "trailers")
            .header("trailer", "x-sum")
            .body(Body::new(StreamBody::new(futures_util::stream::iter(frames))))
            .unwrap();
        let response = send(proxy.address(), asked).await;
        assert_eq!(response.headers()["trailer"], "x-end");
        let whole = response.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["x-end"], "42", "http2: {http2}");
        assert_eq!(whole.to_bytes(), "body");
        proxy.stop().await;
    }
}

/// Counts the exchanges that were dropped before their end.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_exchange_upstream() {
    for http2 in [json!(null), json!("prior-knowledge")] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counter = dropped.clone();
        let (reached, mut reaching) = mpsc::unbounded_channel();
        let app = Router::new().fallback(any(move |request: axum::extract::Request| {
            let (guard, reached) = (Dropped(counter.clone()), reached.clone());
            async move {
                reached.send(()).unwrap();
                if request.uri().path() == "/before" {
                    std::future::pending::<()>().await;
                }
                let endless = futures_util::stream::once(async { Ok::<_, std::io::Error>("begun") })
                    .chain(futures_util::stream::pending())
                    .inspect(move |_| {
                        let _ = &guard;
                    });
                Response::new(Body::from_stream(endless))
            }
        }));
        let upstream = FakeUpstream::start(app).await;
        let proxy = proxy_to(&upstream.url(), json!({ "http2": http2 })).await;
        let before = raw(proxy.address(), "GET /before HTTP/1.1\r\nhost: a\r\n\r\n").await;
        reaching.recv().await.unwrap();
        drop(before);
        eventually("an exchange without an answer was ended", || async { dropped.load(Ordering::SeqCst) == 1 }).await;
        let mut within = raw(proxy.address(), "GET /within HTTP/1.1\r\nhost: a\r\n\r\n").await;
        read_until(&mut within, "begun").await;
        drop(within);
        eventually("an answer under way was ended", || async { dropped.load(Ordering::SeqCst) == 2 }).await;
        proxy.stop().await;
    }
}

#[tokio::test]
async fn an_upstream_that_lies_about_its_length_is_not_passed_off_as_whole() {
    let cases: [(&[u8], bool); 3] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n", false),
        // What comes behind the announced length is no part of the answer.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nshort and more", true),
    ];
    for (answer, is_whole) in cases {
        let upstream = RawUpstream::answering(answer).await;
        let proxy = proxy_to(&upstream.url(), json!({})).await;
        let asked = request("GET", "/").body(Body::empty()).unwrap();
        let read = send(proxy.address(), asked).await.into_body().collect().await;
        match read {
            Ok(body) => {
                assert!(is_whole, "{} passed as whole", String::from_utf8_lossy(answer));
                assert_eq!(body.to_bytes(), "short");
            }
            Err(error) => assert!(!is_whole, "{error}"),
        }
        // Nothing of one answer is left for the next.
        let mut client = raw(proxy.address(), "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert_eq!(read_to_end(&mut client).await.matches("HTTP/1.1").count(), 1);
        proxy.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_brings_nothing_for_too_long_is_cut() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let proxy = proxy_to(&upstream.url(), json!({ "idleTimeout": "50ms" })).await;
    let asked = request("GET", "/").body(Body::empty()).unwrap();
    assert!(send(proxy.address(), asked).await.into_body().collect().await.is_err());
    proxy.stop().await;
}

#[tokio::test]
async fn large_bodies_pass_unharmed() {
    let upstream = FakeUpstream::start(mirror()).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let sent: Vec<u8> = (0..8u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let asked = request("POST", "/").body(Body::from(sent.clone())).unwrap();
    let got = send(proxy.address(), asked).await.collect().await.unwrap().to_bytes();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    proxy.stop().await;
}
