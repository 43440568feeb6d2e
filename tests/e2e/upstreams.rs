//! Upstreams that refuse, lie, break off or say nothing, and clients that go away.

use std::time::{Duration, Instant};

use buntime_testing::{FakeUpstream, RawUpstream, eventually};
use buntime_tests::{Ended, Gateway, Raw, drip, hello, proxying, rule, soon};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

#[tokio::test]
async fn each_failure_has_its_answer() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let resets = RawUpstream::start(|stream, _| async move { drop(stream.set_zero_linger()) }).await;
    let closes = RawUpstream::answering(b"").await;
    let half = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-le").await;
    let garbage = RawUpstream::answering(b"this is no http\r\n\r\n").await;
    let lengths = RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc").await;
    let silent = RawUpstream::start(|stream, _| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let well = FakeUpstream::start(hello()).await;
    let mut rules: Vec<_> = [("nobody", nobody), ("resets", resets.url()), ("closes", closes.url())]
        .into_iter()
        .chain([("half", half.url()), ("garbage", garbage.url()), ("lengths", lengths.url())])
        .chain([("silent", silent.url()), ("well", well.url())])
        .map(|(name, url)| rule(name, &url))
        .collect();
    let mut impatient = rule("impatient", &silent.url());
    impatient["timeout"] = json!("100ms");
    rules.push(impatient);
    let mut config = proxying(&rules);
    config["server"] = json!({ "requestTimeout": "300ms" });
    let gateway = Gateway::start(config).await;
    for (name, status, code) in [
        ("nobody", 502, "upstream_unreachable"),
        ("resets", 502, ""),
        ("closes", 502, ""),
        ("half", 502, ""),
        ("garbage", 502, "upstream_protocol_error"),
        ("lengths", 502, "upstream_protocol_error"),
        ("silent", 504, "upstream_timeout"),
        ("impatient", 504, "upstream_timeout"),
    ] {
        let begun = Instant::now();
        let answer = gateway.get(&format!("/{name}/")).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let found = answer.problem();
        assert!(code.is_empty() && found.starts_with("upstream_") || found == code, "{name}: {found}");
        assert!(!answer.text().contains("127.0.0.1"), "{name} tells an address: {}", answer.text());
        assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
        assert_eq!(gateway.get("/well/").await.text(), "hello", "after {name}");
    }
    eventually("nothing is left", || async { gateway.running().stats().open() == 0 }).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_is_not_passed_off_as_whole() {
    for (answer, whole) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"[..], false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nshort and what nobody asked for", true),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", true),
    ] {
        let upstream = RawUpstream::answering(answer).await;
        let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
        let text = Raw::talk(gateway.addr(), "GET /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(!text.contains("nobody asked"), "{text}");
        // Cut before the length it said, before the last chunk, or before anything was sent.
        let is_cut = !text.contains("content-length: 5\r\n") && !text.ends_with("0\r\n\r\n");
        assert_ne!(is_cut, whole, "{text}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_it_upstream() {
    let ended = Ended::default();
    let slow = FakeUpstream::start(drip(100_000, Duration::from_millis(5), ended.clone())).await;
    let (gone, mut told) = mpsc::unbounded_channel();
    let silent = RawUpstream::start(move |mut stream, _| {
        let gone = gone.clone();
        async move {
            let mut rest = [0];
            // Returns when the gateway closes.
            let closed = !matches!(stream.read(&mut rest).await, Ok(1..));
            let _ = gone.send(closed);
        }
    })
    .await;
    let gateway = Gateway::start(proxying(&[rule("slow", &slow.url()), rule("silent", &silent.url())])).await;
    let mut streaming = Raw::connect(gateway.addr()).await;
    streaming.send("GET /slow/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    streaming.until("3\n").await;
    drop(streaming);
    eventually("the stream is ended upstream", || async { ended.count() == 1 }).await;
    let mut waiting = Raw::connect(gateway.addr()).await;
    waiting.send("GET /silent/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::select! {
        _ = told.recv() => panic!("closed while the client waits"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    drop(waiting);
    assert_eq!(soon("the upstream sees the close", told.recv()).await, Some(true));
    eventually("nothing is left", || async { gateway.running().stats().open() == 0 }).await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_time_limit_never_cuts_a_body() {
    let slow = FakeUpstream::start(drip(30, Duration::from_millis(20), Ended::default())).await;
    let mut config = proxying(&[rule("slow", &slow.url())]);
    config["server"] = json!({ "requestTimeout": "100ms" });
    let gateway = Gateway::start(config).await;
    assert_eq!(gateway.get("/slow/").await.text().lines().count(), 30);
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_sends_too_much_of_a_head() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        let field = format!("x-a: {}\r\n", "y".repeat(8 << 10));
        let mut alive = stream.write_all(b"HTTP/1.1 200 OK\r\n").await.is_ok();
        for _ in 0..1000 {
            alive = alive && stream.write_all(field.as_bytes()).await.is_ok();
        }
    })
    .await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    let answer = gateway.get("/x/").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    gateway.stop().await;
}
