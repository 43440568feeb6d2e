//! Streams: events are not kept waiting; broken ones are not passed off as whole.

use axum::{Router, body::Body, routing::get};
use buntime_testing::TestRuntime;
use bytes::Bytes;
use http_body_util::BodyExt;
use plugin_content_filter::ContentFilterPlugin;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::common::{ask, start};

fn channel() -> (mpsc::Sender<Result<Bytes, std::io::Error>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let stream =
        futures_util::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    (sender, Body::from_stream(stream))
}

#[tokio::test]
async fn each_event_flows_at_once() {
    let host = start(json!({ "rules": [
        { "detect": ["credit_card", "api_key", "bearer_token", "jwt", "email", "phone_number"] },
        { "keywords": ["project x", "data: stop"], "action": "block" },
    ] }))
    .await;
    let (sender, body) = channel();
    let mut response = ask(&host, "text/event-stream", body).await.into_body();
    for (event, expected) in [
        ("data: {\"delta\":\"Hello\"}\n\n", "data: {\"delta\":\"Hello\"}\n\n"),
        ("event: ping\ndata: 4111\n\n", "event: ping\ndata: 4111\n\n"),
        ("data: write to jane@example.com\n\n", "data: write to [MASKED_EMAIL]\n\n"),
        (": schöne Grüße 👋\n\n", ": schöne Grüße 👋\n\n"),
    ] {
        sender.send(Ok(event.into())).await.unwrap();
        let frame = response.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, expected, "the event must not wait for the next one");
    }
    // An event that is split within a match is held back until it is known what it is.
    sender.send(Ok("data: 4111 1111 ".into())).await.unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "data: ");
    sender.send(Ok("1111 1111\n\n".into())).await.unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "[MASKED_CC]\n\n");
    sender.send(Ok("data: stop\n\n".into())).await.unwrap();
    assert!(response.frame().await.unwrap().is_err());
    assert!(response.frame().await.is_none());
}

#[tokio::test]
async fn trailers_come_after_what_was_held() {
    let host = start(json!({ "rules": [{ "detect": ["email"] }] })).await;
    let trailers = http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())]);
    let frames: [Result<_, std::io::Error>; 2] =
        [Ok(http_body::Frame::data(Bytes::from_static(b"jane@example.com"))), Ok(http_body::Frame::trailers(trailers))];
    let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
    let all = ask(&host, "text/plain", body).await.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().map(http::HeaderMap::len), Some(1));
    assert_eq!(all.to_bytes(), "[MASKED_EMAIL]");
}

#[tokio::test]
async fn a_stream_that_breaks_stays_broken() {
    let host = start(json!({ "rules": [{ "detect": ["email"] }] })).await;
    let (sender, body) = channel();
    let response = ask(&host, "text/plain", body).await;
    sender.send(Ok("jane".into())).await.unwrap();
    let reading = tokio::spawn(response.into_body().collect());
    sender.send(Err(std::io::Error::other("gone"))).await.unwrap();
    assert!(reading.await.unwrap().is_err());
}

#[tokio::test]
async fn over_real_sockets() {
    let pages = Router::new()
        .route("/card", get(|| async { "pan 4111111111111111\n" }))
        .route("/key", get(|| async { concat!("key AKIA", "IOSFODNN7EXAMPLE\n") }))
        .route("/long", get(|| async { format!("{}\n{}{}\n", "a".repeat(100_000), "key AKIA", "IOSFODNN7EXAMPLE") }));
    let settings = json!({ "rules": [{ "detect": ["credit_card"] }, { "detect": ["api_key"], "action": "block" }] });
    let runtime = TestRuntime::builder().plugin(ContentFilterPlugin, settings).fallback(pages).start().await;
    for (path, status, ends) in [("/card", "200", "pan [MASKED_CC]\n"), ("/key", "502", "}"), ("/long", "", "")] {
        let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        // It may be cut off hard.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("4111111111111111") && !answer.contains("EXAMPLE"), "{path}");
        if path == "/long" {
            assert!(!answer.ends_with("0\r\n\r\n"), "a body that was cut off must not end well");
        } else {
            assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
            assert!(answer.trim_end_matches("\r\n0\r\n\r\n").ends_with(ends), "{answer}");
        }
    }
    runtime.stop().await;
}
