//! Malformed and hostile HTTP through the whole runner: the right status, nothing leaked, and the next one is served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Gateway, Raw, client, counted, proxying, rule};
use serde_json::{Value, json};

struct Behind {
    gateway: Gateway,
    reached: Arc<AtomicUsize>,
    _upstream: FakeUpstream,
}

async fn behind(server: Value) -> Behind {
    let reached = Arc::new(AtomicUsize::new(0));
    let upstream = FakeUpstream::start(counted(Arc::clone(&reached))).await;
    let mut config = proxying(&[rule("x", &upstream.url())]);
    config["server"] = server;
    Behind { gateway: Gateway::start(config).await, reached, _upstream: upstream }
}

impl Behind {
    /// It serves as ever, and keeps nothing of what was.
    async fn is_well(&self, after: &str) {
        let reached = self.reached.load(Ordering::SeqCst);
        assert_eq!(self.gateway.get("/x/").await.text(), "counted", "after {after}");
        assert_eq!(self.reached.load(Ordering::SeqCst), reached + 1, "after {after}");
        eventually("no connection is left", || async { self.gateway.running().stats().open() == 0 }).await;
    }
}

/// The status of the first answer, and whether there are more.
fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

#[tokio::test]
async fn smuggling_is_refused() {
    let behind = behind(json!({})).await;
    let smuggled = "GET /x/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (what, head) in [
        ("two lengths", "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"),
        ("a list of lengths", "Content-Length: 0, 44\r\n\r\n"),
        ("a length with a sign", "Content-Length: +0\r\n\r\n"),
        ("a length in hexadecimal", "Content-Length: 0x0\r\n\r\n"),
        ("an empty length", "Content-Length: \r\n\r\n"),
        ("a length past any number", "Content-Length: 99999999999999999999\r\n\r\n"),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n\r\n"),
        ("chunked that is not last", "Transfer-Encoding: chunked, gzip\r\n\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("a folded field", "X-A: b\r\n c\r\n\r\n"),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        ("a bare CR", "X-A: b\rContent-Length: 44\r\n\r\n"),
        ("a bare LF", "X-A: b\nX-B: c\r\n\r\n"),
        ("NUL in a value", "X-A: b\0\r\n\r\n"),
        ("a field without a name", ": x\r\n\r\n"),
        ("a second host", "Host: b\r\n\r\n"),
        ("a chunk size with a sign", "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n"),
        ("a chunk size past any number", "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
        ("a chunk with more than it said", "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
        ("a chunk line with a bare LF", "Transfer-Encoding: chunked\r\n\r\n0\n\r\n"),
    ] {
        let before = behind.reached.load(Ordering::SeqCst);
        let request = format!("POST /x/ HTTP/1.1\r\nHost: a\r\n{head}{smuggled}");
        let answer = Raw::talk(behind.gateway.addr(), request).await;
        let statuses = statuses(&answer);
        assert!(matches!(statuses.as_slice(), [400 | 501]), "{what}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("x-request-id"), "{what}: {answer}");
        assert_eq!(behind.reached.load(Ordering::SeqCst), before, "{what} arrived upstream");
        behind.is_well(what).await;
    }
    // Both lengths at once: refused, or the coding wins and the connection ends.
    let both = format!(
        "POST /x/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let answer = Raw::talk(behind.gateway.addr(), both).await;
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
    behind.is_well("both lengths").await;
    behind.gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_request() {
    let behind = behind(json!({})).await;
    for (bytes, status) in [
        ("GET /x/ HTTP/1.1\r\n\r\n", 400),
        ("GET /x/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET  /x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /x/\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n", 400),
        ("G@T /x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
    ] {
        let answer = Raw::talk(behind.gateway.addr(), bytes).await;
        assert_eq!(statuses(&answer), [status], "{bytes:?}: {answer}");
        behind.is_well(bytes).await;
    }
    assert!(behind.gateway.running().stats().malformed() >= 5);
    behind.gateway.stop().await;
}

#[tokio::test]
async fn floods_have_their_own_status() {
    let behind = behind(json!({ "maxBodySize": "1kb" })).await;
    let addr = behind.gateway.addr();
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "y".repeat(100 << 10);
    let target = "y".repeat(20 << 10);
    let body = "y".repeat(2 << 10);
    for (what, request, status) in [
        ("many fields", format!("GET /x/ HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        ("a long field", format!("GET /x/ HTTP/1.1\r\nHost: a\r\nx-a: {long}\r\n\r\n"), 431),
        ("a field without an end", format!("GET /x/ HTTP/1.1\r\nHost: a\r\nx-a: {long}{long}"), 431),
        ("a long target", format!("GET /x/{target} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        ("a target without an end", format!("GET /x/{long}{long}"), 414),
        (
            "a long body",
            format!("POST /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2048\r\n\r\n{body}"),
            413,
        ),
        (
            "a body that says so",
            "POST /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            413,
        ),
        (
            "a body that waits",
            "POST /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2048\r\n\r\n"
                .to_owned(),
            413,
        ),
        (
            "long chunks",
            format!(
                "POST /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{body}\r\n0\r\n\r\n"
            ),
            413,
        ),
    ] {
        let answer = Raw::talk(addr, request).await;
        assert_eq!(statuses(&answer), [status], "{what}: {answer:.300}");
        assert!(answer.contains("request_id"), "{what}: {answer}");
        behind.is_well(what).await;
    }
    behind.gateway.stop().await;
}

#[tokio::test]
async fn the_slow_are_let_go() {
    let behind = behind(json!({ "headerTimeout": "200ms", "idleTimeout": "300ms" })).await;
    let addr = behind.gateway.addr();
    let answer = Raw::talk(addr, "GET /x/ HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    assert_eq!(statuses(&answer), [408], "{answer}");
    // Says nothing at all, and says nothing after an answer.
    Raw::talk(addr, "").await;
    let mut idle = Raw::connect(addr).await;
    idle.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&idle.rest().await), [200]);
    // A byte from time to time does not help.
    let mut drip = Raw::connect(addr).await;
    let (mut read, mut write) = (String::new(), 0);
    while read.is_empty() && write < 500 {
        drip.send("x").await;
        write += 1;
        let mut byte = [0];
        if let Ok(Ok(count)) =
            tokio::time::timeout(Duration::from_millis(20), tokio::io::AsyncReadExt::read(&mut drip.0, &mut byte)).await
        {
            read = if count == 0 { "closed".to_owned() } else { drip.rest().await };
        }
    }
    assert!(!read.is_empty(), "{write} bytes were waited for");
    behind.is_well("slow heads").await;
    assert!(behind.gateway.running().stats().timed_out() >= 1);
    behind.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body() {
    let behind = behind(json!({})).await;
    for head in ["Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n64\r\nabc"] {
        let mut raw = Raw::connect(behind.gateway.addr()).await;
        raw.send(format!("POST /x/ HTTP/1.1\r\nHost: a\r\n{head}")).await;
        drop(raw);
        eventually("it is let go", || async { behind.gateway.running().stats().open() == 0 }).await;
        behind.is_well(head).await;
    }
    behind.gateway.stop().await;
}

#[tokio::test]
async fn too_many_connections_are_told_and_closed() {
    let behind = behind(json!({ "maxConnections": 3 })).await;
    let addr = behind.gateway.addr();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(addr).await;
        raw.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
        raw.until("\r\n\r\n").await;
        held.push(raw);
    }
    let answer = Raw::talk(addr, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(statuses(&answer) == [503] && answer.to_ascii_lowercase().contains("retry-after"), "{answer}");
    drop(held);
    eventually("they are let go", || async { behind.gateway.running().stats().open() == 0 }).await;
    assert_eq!(client::get(addr, "/livez").await.status, 200);
    behind.gateway.stop().await;
}
