//! Signals: what runs may finish, what does not is cut, and nothing is needed after a kill.

use std::{fs, io::Write, path::Path, time::Duration};

use axum::body::Body;
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Ended, Process, client, drip, proxying, rule, soon};
use http_body_util::BodyExt;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

async fn serve(dir: &Path, upstream: &FakeUpstream, grace: &str) -> Option<Process> {
    let mut config = proxying(&[rule("slow", &upstream.url())]);
    config["server"] = json!({ "port": 0, "shutdownGrace": grace });
    fs::write(dir.join("buntime.jsonc"), config.to_string()).unwrap();
    Process::serve(dir, &[], &[]).await
}

#[tokio::test]
async fn what_runs_may_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let upstream = FakeUpstream::start(drip(40, Duration::from_millis(25), Ended::default())).await;
        let Some(process) = serve(dir.path(), &upstream, "20s").await else { return };
        let addr = process.addr();
        assert_eq!(client::get(addr, "/readyz").await.status, 200);
        let request = client::request("GET", "/slow/").body(Body::empty()).unwrap();
        let mut stream = client::open(addr, request).await;
        assert!(soon("a first piece", stream.body_mut().frame()).await.is_some());
        process.signal(signal);
        // Not ready, or not even reachable any more.
        eventually("nobody new is taken", || async {
            match TcpStream::connect(addr).await {
                Ok(stream) => {
                    let request = client::request("GET", "/readyz").body(Body::empty()).unwrap();
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(io).await else {
                        return true;
                    };
                    tokio::spawn(connection);
                    sender.send_request(request).await.map_or(true, |answer| answer.status() == 503)
                }
                Err(_) => true,
            }
        })
        .await;
        let rest = soon("the rest", stream.into_body().collect()).await.expect("it is not cut").to_bytes();
        assert!(rest.ends_with(b"39\n"), "{}", String::from_utf8_lossy(&rest));
        let ran = process.end().await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!ran.out.contains("panicked") && ran.err.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = FakeUpstream::start(drip(1_000_000, Duration::from_millis(25), Ended::default())).await;
    let Some(process) = serve(dir.path(), &upstream, "300ms").await else { return };
    let request = client::request("GET", "/slow/").body(Body::empty()).unwrap();
    let stream = client::open(process.addr(), request).await;
    process.signal(Signal::TERM);
    assert!(soon("the cut", stream.into_body().collect()).await.is_err(), "cut, and seen to be cut");
    assert_eq!(process.end().await.code, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = FakeUpstream::start(drip(1_000_000, Duration::from_millis(25), Ended::default())).await;
    let Some(process) = serve(dir.path(), &upstream, "1h").await else { return };
    let request = client::request("GET", "/slow/").body(Body::empty()).unwrap();
    let _stream = client::open(process.addr(), request).await;
    process.signal(Signal::TERM);
    eventually("it stops", || async { process.out().contains("stopping") }).await;
    process.signal(Signal::TERM);
    assert_eq!(process.end().await.code, Some(130));
}

#[tokio::test]
async fn nothing_is_needed_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = FakeUpstream::start(drip(1, Duration::ZERO, Ended::default())).await;
    for _ in 0..3 {
        let Some(process) = serve(dir.path(), &upstream, "1s").await else { return };
        // Something that is kept.
        let body = json!({ "config": { "sseInterval": "2s" } }).to_string();
        let request = client::request("PUT", "/api/plugins/metrics").header("content-type", "application/json");
        let answer = client::send(process.addr(), request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        process.kill().await;
    }
    let process = serve(dir.path(), &upstream, "1s").await.unwrap();
    let kept = client::get(process.addr(), "/api/plugins/metrics").await.json();
    assert_eq!(kept["config"]["sseInterval"], "2s");
    assert_eq!(client::get(process.addr(), "/slow/").await.text(), "0\n");
}

#[tokio::test]
async fn it_leaves_nothing_open_and_little_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = FakeUpstream::start(buntime_tests::hello()).await;
    let Some(process) = serve(dir.path(), &upstream, "1s").await else { return };
    let warm = client::get(process.addr(), "/slow/").await;
    assert_eq!(warm.text(), "hello");
    let Some(files) = process.open_files() else { return };
    let at_rest = process.status("VmRSS").unwrap_or_default();
    for round in 0..2000 {
        let path = ["/slow/", "/livez", "/nowhere", "/p/health/api/live"][round % 4];
        assert!(client::get(process.addr(), path).await.status < 500, "{path}");
    }
    // A connection to the upstream for each worker may stay in the pool.
    let spare = std::thread::available_parallelism().map_or(8, usize::from) + 2;
    eventually("files are closed", || async { process.open_files().is_some_and(|now| now <= files + spare) }).await;
    let after = process.status("VmRSS").unwrap_or_default();
    // A debug build takes more than what is shipped, so this is to be read and not to be held to the budget.
    let _ = writeln!(std::io::stderr(), "memory: {at_rest} kB at rest, {after} kB after 2,000 requests");
    assert!(after < at_rest + 32_768, "{at_rest} kB at rest, {after} kB after 2,000 requests");
    process.signal(Signal::TERM);
    assert_eq!(process.end().await.code, Some(0));
}
